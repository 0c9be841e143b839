"""Rows of E2E with the tags and trees that the labeller gives them, made once and kept beside the runs."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm.auto import tqdm

from controllers.linguistics import brackets
from controllers.linguistics.analysis import Analyser
from controllers.linguistics.brackets import Tree
from diffusion.core.errors import StudioError
from diffusion.text.vocab import split
from training.data.corpus import Row
from training.linguistics.train import fingerprint_of

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Labelled:
    """A row's words with their tags and, where it was parsed, the brackets of its tree; trees of sentences are joined."""

    words: tuple[str, ...]
    universal: tuple[str, ...]
    penn: tuple[str, ...]
    sentences: int
    brackets: str = ""

    @property
    def tree(self) -> Tree:
        """The tree over the words."""
        return brackets.read(self.brackets)


def label(rows: Sequence[Row], analyser: Analyser, trees: bool, cache: Path) -> list[Labelled]:
    """The rows as the analyser labels them; read from the cache where the same rows were labelled by the same analyser.

    Args:
        trees: whether to parse.
        cache: a folder; a killed labelling goes on where it was.

    Raises:
        StudioError: the analyser is not there, or the cache is damaged.
    """
    texts = [split(row.text) for row in rows]
    file = cache / f"labels-{_key(texts, analyser, trees)}.jsonl"
    done = _read(file)
    if len(done) < len(texts):
        cache.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as out, tqdm(total=len(texts), initial=len(done), desc="labelling") as bar:
            for start in range(len(done), len(texts), _AT_ONCE):
                part = [Labelled(found.words, found.universal, found.penn, len(found.sentences), str(found.tree or ""))
                        for found in analyser.analyse_all(texts[start:start + _AT_ONCE], trees)]
                out.write("".join(json.dumps(_record(row), ensure_ascii=False) + "\n" for row in part))
                out.flush()
                done += part
                bar.update(len(part))
    return done


def _key(texts: Sequence[Sequence[str]], analyser: Analyser, trees: bool) -> str:
    """Tells apart what rows were labelled, and by what."""
    digest = hashlib.sha256("\n".join(" ".join(text) for text in texts).encode())
    kinds = ("tagger", "parser") if trees else ("tagger",)
    for kind, name in zip(kinds, analyser.names, strict=False):
        digest.update(f"{kind} {fingerprint_of(name, kind)}".encode())
    return digest.hexdigest()[:12]


def _record(row: Labelled) -> list[object]:
    return [row.words, row.universal, row.penn, row.sentences, row.brackets]


def _read(file: Path) -> list[Labelled]:
    """What the cache holds; a last line that a kill left half written is dropped."""
    if not file.is_file():
        return []
    lines = file.read_text(encoding="utf-8").split("\n")
    if lines[-1]:
        whole = "\n".join(lines[:-1])
        part = file.with_name(f"{file.name}.part")
        part.write_text(whole + "\n" if whole else "", encoding="utf-8")
        os.replace(part, file)
    try:
        records = [json.loads(line) for line in lines[:-1]]
        return [Labelled(tuple(words), tuple(universal), tuple(penn), sentences, tree)
                for words, universal, penn, sentences, tree in records]
    except (ValueError, TypeError) as error:
        raise StudioError(f"The labels in '{file}' are damaged ({error}). Remove the file; it is made again.") from error
