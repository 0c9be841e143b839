"""A small grammar over the small world's words: an analyser that is always right, and readers that were fitted to it."""

from collections.abc import Sequence
from pathlib import Path

import torch

from controllers.linguistics import analysers
from controllers.linguistics.analysis import Analysis
from controllers.linguistics.brackets import Tree
from controllers.linguistics.charts import chart
from controllers.linguistics.tagsets import UNIVERSAL
from controllers.probes import reader
from controllers.probes.heads import NONE
from controllers.probes.noisy import ENDS, NoisyConfig, NoisyReader, fingerprint
from controllers.probes.noisy import NAME as NOISY
from controllers.probes.reader import Reader, ReaderConfig
from diffusion.papers.diffusion_lm import DiffusionLM
from diffusion.text.vocab import SPECIALS, split
from tests.controllers.small import LABELS, LENGTH, VOCAB, model, one_hot

TAGS = {
    "DET": "The the a No", "PROPN": "Vaults Café Rouge Aromi", "AUX": "is has", "ADJ": "cheap Italian French friendly",
    "VERB": "serves", "NOUN": "pub food riverside family coffee shop city centre children stars", "ADP": "near by in out of for",
    "PUNCT": ". , ! ; -", "NUM": "5 20 25", "SYM": "£", "PRON": "it", "PART": "Not"}
PENN = {"DET": "DT", "PROPN": "NNP", "AUX": "VBZ", "ADJ": "JJ", "VERB": "VBZ", "NOUN": "NN", "ADP": "IN", "PUNCT": ".",
        "NUM": "CD", "SYM": "$", "PRON": "PRP", "PART": "RB"}
TAG_OF = {word: tag for tag, words in TAGS.items() for word in words.split()}
NOMINAL = ("DET", "PROPN", "ADJ", "NOUN", "NUM", "PRON")
SENTENCES = (
    "The Vaults is a cheap pub .", "Aromi serves French food in the city centre .", "Aromi serves food .", "The pub is cheap .",
    "The Vaults is near Café Rouge .", "a pub", "by the riverside", "The pub serves Italian food by the riverside .",
    "The pub serves Italian food .", "Aromi serves Italian food .", "Aromi serves French food .")


class Grammar:
    """Noun phrases are runs of nominal words, prepositions take the one behind them, a verb takes the rest up to the mark."""

    def analyse(self, text: str | Sequence[str], trees: bool = True) -> Analysis:
        words = tuple(split(text) if isinstance(text, str) else text)
        universal = tuple(TAG_OF.get(word, "X") for word in words)
        penn = tuple(PENN.get(tag, "FW") for tag in universal)
        tree = parsed(words, universal, penn) if trees else None
        return Analysis(words, universal, penn, ((0, len(words)),), tree)

    def analyse_all(self, texts: Sequence[str | Sequence[str]], trees: bool = True) -> list[Analysis]:
        return [self.analyse(text, trees) for text in texts]


def parsed(words: Sequence[str], tags: Sequence[str], penn: Sequence[str]) -> Tree:
    leaves = [Tree(tag, (word,)) for word, tag in zip(words, penn, strict=True)]
    stop = len(words) - (tags[-1] == "PUNCT")
    verb = next((place for place in range(stop) if tags[place] in ("VERB", "AUX")), None)
    if verb is None:
        return Tree("TOP", (*_phrases(leaves[:stop], tags[:stop]), *leaves[stop:]))
    phrase = Tree("VP", (leaves[verb], *_phrases(leaves[verb + 1:stop], tags[verb + 1:stop])))
    return Tree("TOP", (Tree("S", (*_phrases(leaves[:verb], tags[:verb]), phrase, *leaves[stop:])),))


def _phrases(leaves: list[Tree], tags: Sequence[str]) -> list[Tree]:
    found, place = [], 0
    while place < len(leaves):
        end = place + (tags[place] == "ADP")
        inner = end
        while end < len(leaves) and tags[end] in NOMINAL:
            end += 1
        noun = [Tree("NP", tuple(leaves[inner:end]))] if end > inner else []
        found += [Tree("PP", (leaves[place], *noun))] if inner > place else noun or [leaves[place]]
        place = max(end, place + 1)
    return found


def fitted(folder: Path) -> Path:
    """Readers of tags, charts and slots for the small world, each sure of the grammar, and of noisy vectors, below a folder."""
    for kind in ("tags", "chart", "slots"):
        _reader(kind).save(folder / kind)
    noisy_reader(model("diffusion-lm")).save(folder / NOISY)
    return folder


def noisy_reader(of: DiffusionLM, seed: int = 0) -> NoisyReader:
    """Classifiers on the noisy vectors of a model of the small world, with random weights."""
    torch.manual_seed(seed)
    slots = tuple(("absent", *values) for values in LABELS.slots.values())
    config = NoisyConfig(of.state_width, ((*UNIVERSAL, *ENDS),), ((NONE, *labels()),), slots, tuple(LABELS.slots), width=32,
                         layers=2, heads=2, length=LENGTH)
    return NoisyReader(config, fingerprint(of), LABELS.fingerprint).eval()


def labels() -> list[str]:
    """All labels of spans in the grammar's trees."""
    return sorted({label for text in SENTENCES for label in chart(Grammar().analyse(text).tree).values()})


def _reader(kind: str) -> Reader:
    torch.manual_seed(0)
    charts = [chart(Grammar().analyse(text).tree) for text in SENTENCES]
    penn = tuple(sorted(set(PENN.values())))
    classes = {"tags": (UNIVERSAL,), "chart": ((NONE, *labels()),),
               "slots": tuple(("absent", *values) for values in LABELS.slots.values())}[kind]
    lexicon = {"tags": UNIVERSAL, "chart": penn, "slots": ()}[kind]
    config = ReaderConfig(kind, len(VOCAB), classes, lexicon, width=48, layers=1, heads=2, length=2 * LENGTH)
    built = Reader(config, VOCAB.fingerprint, LABELS.fingerprint if kind == "slots" else "")
    for index, word in enumerate(VOCAB.words):
        tag = TAG_OF.get(word, "X")
        name = PENN.get(tag) if kind == "chart" else tag
        for column, each in enumerate(lexicon):
            built.lexicon[index, column] = -1e-7 if each == name and index >= len(SPECIALS) else -16.0
    if kind != "tags":
        _fit(built, kind, charts)
    return built.eval()


def _fit(built: Reader, kind: str, charts: list[dict[tuple[int, int], str]]) -> None:
    optimiser = torch.optim.Adam(built.parameters(), 3e-3)
    beliefs = torch.cat([one_hot(split(text)) for text in SENTENCES])
    for _ in range(320):
        optimiser.zero_grad()
        logits = built(beliefs)
        if kind == "chart":
            losses = [torch.nn.functional.cross_entropy(logits[row, first, last], wanted)
                      for row, (first, last, wanted) in enumerate(_targets(built, charts))]
        else:
            names = [[slot_value(text, slot, group[1:]) for text in SENTENCES]
                     for slot, group in zip(LABELS.slots, built.config.classes, strict=True)]
            losses = [torch.nn.functional.cross_entropy(group, torch.tensor(wanted))
                      for group, wanted in zip(built.groups(logits), names, strict=True)]
        sum(losses).backward()
        optimiser.step()


def slot_value(text: str, slot: str, values: Sequence[str]) -> int:
    return next((1 + index for index, value in enumerate(values) if value in text), 0)


def _targets(built: Reader, charts: list[dict[tuple[int, int], str]]) -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    ids = {name: index for index, name in enumerate(built.config.classes[0])}
    found = []
    for text, spans in zip(SENTENCES, charts, strict=True):
        count = len(split(text))
        first, last = torch.triu_indices(count, count)
        wanted = torch.tensor([ids[spans.get((int(i), int(j)), NONE)] for i, j in zip(first, last, strict=True)])
        found.append((first, last, wanted))
    return found


def install(monkeypatch, folder: Path) -> None:
    """Lets controllers look through the fitted readers, and be judged by the grammar."""
    monkeypatch.setattr(reader, "FOLDER", folder)
    monkeypatch.setattr(analysers, "of", lambda role: Grammar())
    analysers._known.cache_clear()
