"""Trees as charts: a label for every span of words that is a constituent, unary chains joined by ``::``."""

from __future__ import annotations

from controllers.linguistics.brackets import Tree

CHAIN = "::"             # as the paper of Diffusion-LM and benepar join them
Span = tuple[int, int]   # first and last word, counted from 0, both included


def chart(tree: Tree) -> dict[Span, str]:
    """The label of every constituent, ``S::VP`` where an S holds nothing but a VP; the root and tags of words are none."""
    found: dict[Span, str] = {}
    for start, stop, label in tree.constituents():
        if stop > start:
            span = start, stop - 1
            found[span] = f"{found[span]}{CHAIN}{label}" if span in found else label
    return found


def crosses(one: Span, other: Span) -> bool:
    """Whether two spans overlap without one holding the other, so that no tree has both."""
    (first, last), (begin, end) = sorted([one, other])
    return first < begin <= last < end
