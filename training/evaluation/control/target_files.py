"""Target files in the shapes of those that Diffusion-LM released (`datasets/control_target/`): read as they are, and written.

Each line is JSON: a list of tokens ``["name", ":", "The", "Vaults"]`` (target_attribute.json), or an object with `words_`
and what is asked of them: `pos` with START and END around the tags (target_pos.json), `spans` as [first, last, label] from 0,
both ends included (target_spans.json), `tree` in brackets (target_tree.json); with `attr`, the tokens of a value beside tags
(target_compose_pos_attr.json) or a tree (target_compose.json). The kind of a file is told by its first line.

The released files of tags have a line break before END, tagged as it happened; it is dropped with its tag.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from controllers.linguistics.brackets import read
from controllers.matchers.slot_matcher import VALUES
from diffusion.core.errors import StudioError, known_or_raise, nearest
from diffusion.text.vocab import split
from training.evaluation.control.readings import Words
from training.evaluation.control.targets import Target
from training.evaluation.control.wishes import Class, Classifier, Shape, Span, Tags, Value, Wish

START, END, BREAK = "START", "END", "\n"
_SLOTS = {"type": "eatType", "price": "priceRange"}                          # the released files' names for ours
NAMES = {"content": "target_attribute.json", "pos": "target_pos.json", "span": "target_spans.json", "tree": "target_tree.json",
         "content+pos": "target_compose_pos_attr.json", "content+tree": "target_compose.json"}


def load(paths: Sequence[Path]) -> dict[str, list[Target]]:
    """The targets of files or of folders of them, by the control that they are for.

    A file of values is for the content, the class and the classifier alike.

    Raises:
        StudioError: a file is missing, or a line is not of a shape that is known; file and line are named.
    """
    files = [file for path in paths for file in (sorted(path.glob("*.json")) if path.is_dir() else [path])]
    if not files:
        raise StudioError(f"There is no target file in '{paths[0]}'. Give files like {', '.join(NAMES.values())}.")
    found: dict[str, list[Target]] = {}
    for file in files:
        for control, target in _lines(file):
            found.setdefault(control, []).append(target)
    for control, kind in (("class", Class), ("classifier", Classifier)):
        if "content" in found:
            found[control] = [Target((kind(wish.slot, wish.value),), target.words)
                              for target in found["content"] for wish in target.wishes]
    return found


def _lines(file: Path) -> Iterator[tuple[str, Target]]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise StudioError(f"The target file '{file}' cannot be read ({error}). Give a file of JSON lines in UTF-8.") from error
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                yield _target(json.loads(line))
            except (ValueError, KeyError, TypeError, IndexError, StudioError) as error:
                raise StudioError(f"Line {number} of '{file}' is no target ({error}). "
                                  f"Its shape must be that of one of {', '.join(NAMES.values())}.") from error


def _target(value: Any) -> tuple[str, Target]:
    """A line's control and target."""
    if isinstance(value, list):
        return "content", Target((_value(value),), None)
    if "spans" in value:
        words = _bare(value["words_"])
        (first, last, label), = value["spans"]
        if not 0 <= first <= last < len(words):
            raise StudioError(f"the span from {first} to {last} does not fit {len(words)} words")
        return "span", Target((Span(first, last + 1, label),), words)
    told: tuple[Wish, ...] = (_value(value["attr"]),) if "attr" in value else ()
    if "tree" in value:
        tree = read(value["tree"])
        if not tree.words():
            raise StudioError("its tree has no words")
        return ("content+tree" if told else "tree"), Target((*told, Shape(tree)), tuple(tree.words()))
    words, tags = _tagged(value["words_"], value["pos"])
    return ("content+pos" if told else "pos"), Target((*told, Tags(tags)), words)


def _value(tokens: Sequence[str]) -> Value:
    """The value that the tokens of ``field : value`` name; fields and values as the file spells them, or as we do."""
    colon = tokens.index(":")
    field, value = "".join(tokens[:colon]).replace(" ", "").casefold(), split(" ".join(tokens[colon + 1:]))
    slots = {slot.replace(" ", "").casefold(): slot for slot in VALUES} | _SLOTS
    slot = slots[known_or_raise("field", field, slots)]
    spelled = {tuple(split(each)): each for each in VALUES[slot]}
    if tuple(value) not in spelled:
        raise StudioError(f"'{' '.join(value)}' is not a value of '{slot}'; the nearest known: "
                          f"{nearest(' '.join(value), VALUES[slot])}")
    return Value(slot, spelled[tuple(value)])


def _bare(words: Sequence[str]) -> Words:
    """Words without START, END and line breaks."""
    return tuple(word for word in words if word.strip() and word not in (START, END))


def _tagged(words: Sequence[str], tags: Sequence[str]) -> tuple[Words, tuple[str, ...]]:
    """Words and their tags, the tag of a line break left out, whether the words tell the break or not."""
    words = [word for word in words if word not in (START, END)]
    tags = [tag for tag in tags if tag not in (START, END)]
    if len(tags) == len(words) + 1 and BREAK not in words:
        words = [*words, BREAK]
    if len(tags) != len(words) or not tags:
        raise StudioError(f"{len(words)} words have {len(tags)} tags")
    kept = [(word, tag) for word, tag in zip(words, tags, strict=True) if word.strip()]
    return tuple(word for word, _ in kept), tuple(tag for _, tag in kept)


# ---- writing


def write(folder: Path, targets: Mapping[str, Sequence[Target]]) -> list[Path]:
    """Writes the targets of the controls that the released files know, one file each; returns the files.

    Raises:
        StudioError: the folder cannot be written to.
    """
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for control, name in NAMES.items():
            if control in targets:
                lines = [json.dumps(_line(target), ensure_ascii=False) + "\n" for target in targets[control]]
                (folder / name).write_text("".join(lines), encoding="utf-8")
                written.append(folder / name)
    except OSError as error:
        raise StudioError(f"Targets cannot be written to '{folder}' ({error}). Give another --output.") from error
    return written


def _line(target: Target) -> Any:
    """A target as its line tells it."""
    parts = [_WRITTEN[type(wish)](wish) for wish in target.wishes]
    if len(parts) == 1 and isinstance(parts[0], list):
        return parts[0]
    merged = {"words_": list(target.words or ())}
    for part in parts:
        merged |= {"attr": part} if isinstance(part, list) else part
    return merged


def _tokens(wish: Value) -> list[str]:
    return [*wish.slot.split(), ":", *split(wish.value)]


_WRITTEN: dict[type[Wish], Callable[[Any], Any]] = {
    Value: _tokens, Tags: lambda wish: {"pos": [START, *wish.tags, END]}, Shape: lambda wish: {"tree": str(wish.tree)},
    Span: lambda wish: {"spans": [[wish.start, wish.stop - 1, wish.label]]}}
