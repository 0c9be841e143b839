"""What each paper's noise makes of a sentence, at many times at once, as plain values that a page can scrub through.

The same draw of noise serves all times of a paper, so that a word's fate can be followed. Nothing is sampled here and no
network is asked: what is shown is what a noisy state says by itself, word by word (`DiffusionModel.glimpse`).
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ui.service import assets
from ui.service.lessons import LESSONS
from ui.service.run_spec import MAX_SEED, MAX_TEXT, brief, mistake

if TYPE_CHECKING:
    from torch import Tensor

    from diffusion import DiffusionModel
    from diffusion.text.vocab import Vocabulary
    from ui.service.catalogue import PaperInfo
    from ui.service.studio import Studio

STORED = assets.TRACES / "noise.json"
SENTENCE = "The Vaults is an Italian pub near Café Rouge in the riverside area ."
STEPS = 50                       # times from 0 to 1, besides 0
NOTHING = -1                     # shown where every word is equally likely
Values = dict[str, Any]


def processes(studio: Studio) -> list[PaperInfo]:
    """The papers whose noise can be shown: those that are here and have any; the oracle where there is no other."""
    from diffusion import PAPERS
    from diffusion.core.types import Space

    noisy = [paper for paper in studio.papers() if paper.available and PAPERS[paper.paper].space is not Space.PREFIX]
    return [paper for paper in noisy if not PAPERS[paper.paper].weightless] or noisy


def shown(studio: Studio, text: str, seed: int = 0) -> Values:
    """A sentence under the noise of every paper.

    Returns:
        `times` from 0 to 1; `unknown`, the words that no model knows, each with the word that stands in for it; and `papers`,
        each with its `positions` (the sentence's words and END), its vocabulary's words that occur in `words`, and by time and
        position: `ids` into `words` of the likeliest word (`NOTHING` where all are equally likely), `percent` its
        probability, `next` and `next_percent` the second, `rank` of the own word (1: the likeliest); by time: `kept`, the share
        of words that are still the likeliest at their place, and `survival`, the schedule's [mean, least, most] over positions.

    Raises:
        StudioError: the text is empty or too long, or the seed is not possible.
    """
    if not isinstance(text, str) or not text.strip():
        raise mistake("There is no sentence to put noise on. Write one of a few words.")
    if len(text) > MAX_TEXT:
        raise mistake(f"The sentence of {len(text)} characters is too long; {MAX_TEXT} are allowed.")
    if not isinstance(seed, int) or not 0 <= seed <= MAX_SEED:
        raise mistake(f"The seed {brief(seed)} is not possible; choose 0 to {MAX_SEED}.")
    times = [step / STEPS for step in range(STEPS + 1)]
    papers, unknown = [], {}
    for paper in processes(studio):
        model = studio.model(paper.slug)
        row, missing = known(text, model.vocab, model.length)
        unknown |= missing
        papers.append({"slug": paper.slug, "title": paper.title, "space": str(model.space), "caption": caption(paper),
                       **_through(model, row, times, seed)})
    return {"text": text, "seed": seed, "times": times, "unknown": [{"word": word, "shown": stand_in}
                                                                    for word, stand_in in unknown.items()], "papers": papers}


def caption(paper: PaperInfo) -> str:
    """What a visitor sees of a paper's noise."""
    return LESSONS[paper.paper].noise if paper.paper in LESSONS else paper.caption


def known(text: str, vocab: Vocabulary, length: int) -> tuple[list[int], dict[str, str]]:
    """The ids of a text with its END, and the words that had to be replaced, each with what stands in for it.

    Raises:
        StudioError: the text does not fit into `length` positions.
    """
    from diffusion.text.vocab import END, UNK, split

    ids = vocab.encode(text)
    if not ids or len(ids) >= length:
        raise mistake(f"The sentence has {len(ids)} words and marks; at least 1 and at most {length - 1} can be shown.")
    replaced = {}
    for place, word in enumerate(split(text)) if UNK in ids else ():
        if ids[place] == UNK:
            ids[place] = vocab.ids[closest(word, vocab.words[3:])]
            replaced[word] = vocab.words[ids[place]]
    return [*ids, END], replaced


def closest(word: str, words: Sequence[str]) -> str:
    """The known word that is spelled most like `word`, whatever its case."""
    folded = word.casefold()
    return max(words, key=lambda other: (difflib.SequenceMatcher(None, folded, other.casefold()).ratio(), other))


def _through(model: DiffusionModel, row: Sequence[int], times: Sequence[float], seed: int) -> Values:
    """One paper's part: a row of ids through all times."""
    import torch

    from diffusion.core.rng import Rng
    from diffusion.text.vocab import PAD

    tokens = torch.tensor([[*row, *[PAD] * (model.length - len(row))]], device=model.device)
    rows = [_at(model.glimpse(model.noise(tokens, t, Rng((seed,), model.device)), t)[0, : len(row)], tokens[0, : len(row)])
            for t in times]
    used = sorted({index for line in rows for name in ("ids", "next") for index in line[name] if index != NOTHING})
    place = {index: number for number, index in enumerate(used)} | {NOTHING: NOTHING}
    for line in rows:
        line["ids"], line["next"] = ([place[index] for index in line[name]] for name in ("ids", "next"))
    left = [model.survival(t).expand(model.length)[: len(row)] for t in times]
    return {"positions": [model.vocab.words[index] for index in row], "words": [model.vocab.words[index] for index in used],
            **{name: [line[name] for line in rows] for name in rows[0]},
            "survival": [[round(float(value), 4) for value in (line.mean(), line.min(), line.max())] for line in left]}


def _at(said: Tensor, tokens: Tensor) -> Values:
    """What a glimpse (n, V) of tokens (n,), the last of them END, amounts to."""
    top = said.topk(2, -1)
    probs = (100 * top.values.exp()).round().int()
    nothing = said.max(-1).values - said.min(-1).values < 1e-4
    ids = top.indices.masked_fill(nothing[:, None], NOTHING)
    own = said.gather(-1, tokens[:, None])
    same = (ids[:, 0] == tokens)[:-1]
    return {"ids": ids[:, 0].tolist(), "percent": probs[:, 0].tolist(), "next": ids[:, 1].tolist(),
            "next_percent": probs[:, 1].tolist(), "rank": (1 + (said > own).sum(-1)).tolist(),
            "kept": round(float(same.float().mean()), 4)}


def stored(path: Path = STORED) -> Values | None:
    """The example that the playground opens on; None where there is none."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
