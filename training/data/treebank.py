"""A treebank in words as this project splits them: sentences with a universal tag, a Penn tag and a tree."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from controllers.linguistics import brackets
from controllers.linguistics.brackets import Tree
from diffusion.core.errors import StudioError
from diffusion.text.vocab import split

PARTS = ("train", "dev", "test")
_NEGATIONS = frozenset({"n't", "n’t", "N'T", "N’T"})


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a treebank; the leaves of the tree are the words with their Penn tags."""

    words: tuple[str, ...]
    universal: tuple[str, ...]
    penn: tuple[str, ...]
    tree: Tree


def files(folder: Path, part: str) -> tuple[Path, Path]:
    """The two files of a part: trees, one a line, and words with their tags, one a line, sentences parted by blank lines."""
    return folder / f"{part}.trees", folder / f"{part}.tags.tsv"


def read(folder: Path, part: str) -> list[Sentence]:
    """The sentences of a part, in our words.

    Raises:
        StudioError: a file is missing, or the two do not belong together; the line is named.
    """
    trees_file, tags_file = files(folder, part)
    try:
        trees = [line for line in trees_file.read_text(encoding="utf-8").splitlines() if line.strip()]
        blocks = [block for block in tags_file.read_text(encoding="utf-8").split("\n\n") if block.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise StudioError(f"The treebank's part '{part}' cannot be read ({error}). --data is a folder with "
                          f"{', '.join(f'{name}.trees and {name}.tags.tsv' for name in PARTS)}.") from error
    if len(trees) != len(blocks) or not trees:
        raise StudioError(f"'{trees_file}' holds {len(trees)} trees, but '{tags_file}' {len(blocks)} sentences. "
                          f"Both hold the same sentences in the same order.")
    found = []
    for number, (line, block) in enumerate(zip(trees, blocks, strict=True), start=1):
        rows = [row.split("\t") for row in block.strip("\n").splitlines()]
        try:
            tree = brackets.read(line)
        except StudioError as error:
            raise StudioError(f"'{trees_file}', line {number}: {error}") from error
        if any(len(row) != 3 for row in rows) or len(tree.words()) != len(rows):
            raise StudioError(f"Sentence {number} of '{tags_file}' does not fit its tree: each line holds a word, its universal "
                              f"and its Penn tag between tabs, as many as the tree in '{trees_file}' has words.")
        found.append(in_our_words(rows, tree))
    return found


def in_our_words(rows: list[list[str]], tree: Tree) -> Sentence:
    """A sentence whose words are split as ours are: ``do n't`` as ``don ' t``, ``10.5`` as ``10 . 5``.

    A piece has the tags of the treebank's word that most of its characters are from, and stands where that word stands in
    the tree; a word without a piece leaves the tree.

    Args:
        rows: word, universal tag and Penn tag for each of the treebank's words.
        tree: over the same words.
    """
    pieces: list[list[str]] = [[] for _ in rows]
    index = 0
    while index < len(rows):
        group = [index]
        while group[-1] + 1 < len(rows) and rows[group[-1] + 1][0] in _NEGATIONS:     # glued to the word before
            group.append(group[-1] + 1)
        texts = [unicodedata.normalize("NFC", rows[number][0]) for number in group]
        owners = [number for number, text in zip(group, texts, strict=True) for _ in text]
        joined, place = "".join(texts), 0
        for piece in split(joined):
            place = joined.index(piece, place)
            own = owners[place:place + len(piece)]
            pieces[max(sorted(set(own)), key=own.count)].append(piece)
            place += len(piece)
        index = group[-1] + 1
    leaves = iter([(row[2], words) for row, words in zip(rows, pieces, strict=True)])
    whole = Tree(brackets.ROOT, tuple(part for child in tree.children for part in _split(child, leaves)))
    flat = [(word, row[1], row[2]) for row, words in zip(rows, pieces, strict=True) for word in words]
    words, universal, penn = (tuple(column) for column in zip(*flat, strict=True))
    return Sentence(words, universal, penn, whole)


def _split(node: Tree | str, leaves: Iterator[tuple[str, list[str]]]) -> list[Tree]:
    """A node over our words: several where it is the tag of a word that we split, none where nothing is left of it."""
    if isinstance(node, str) or node.is_tag:
        tag, words = next(leaves)
        return [Tree(tag, (word,)) for word in words]
    children = [part for child in node.children for part in _split(child, leaves)]
    return [Tree(node.label, tuple(children))] if children else []
