"""Trains taggers and parsers on a treebank, and measures them: two of each, one that labels and one that judges.

The two differ in their seed and their size, so that their mistakes do; both learn from the whole training part.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from controllers.linguistics import brackets, bundled
from controllers.linguistics.brackets import Brackets, Tree
from controllers.linguistics.parser import Example, Parser, chart_parser, plain, to_nltk
from controllers.linguistics.tagger import Tagger
from training.data.treebank import Sentence
from training.evaluation.report.results import fingerprint

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class TaggerSize:
    """A spaCy pipeline: hashed features of words (norm, prefix, suffix, shape), then a stack of convolutions.

    Attributes:
        rows: of the hash table of each feature, in the order above.
        batch: sentences.
    """

    width: int
    depth: int
    rows: tuple[int, int, int, int]
    epochs: int = 12
    batch: int = 16
    dropout: float = 0.2
    lr: float = 1e-3


@dataclass(frozen=True, slots=True)
class ParserSize:
    """benepar's character LSTM and attention over words.

    Attributes:
        hidden: width of the layer above each span; `inner` of the feed-forward layers.
        batch: sentences of about the same length.
        longest: longer sentences are left out of training, since the time goes with the third power.
        rare: characters seen less often are read as one unknown character.
    """

    width: int
    layers: int
    heads: int
    head_width: int
    inner: int
    hidden: int
    epochs: int = 60
    batch: int = 24
    lr: float = 1.5e-3
    warmup: int = 200
    longest: int = 60
    rare: int = 10
    dropout: float = 0.2


TAGGERS = {"labeller": TaggerSize(96, 4, (3000, 500, 1500, 500)), "judge": TaggerSize(80, 3, (4000, 800, 1800, 400))}
PARSERS = {"labeller": ParserSize(256, 3, 4, 64, 512, 192), "judge": ParserSize(224, 4, 4, 56, 448, 160)}
_POSITIONS = 128
_FEATURES = ("NORM", "PREFIX", "SUFFIX", "SHAPE")
_BETAS = (0.9, 0.98)


# ---- taggers


def train_tagger(size: TaggerSize, train: Sequence[Sentence], dev: Sequence[Sentence], seed: int, minutes: float,
                 folder: Path, say: Say) -> dict[str, Any]:
    """Trains a spaCy pipeline, keeps that of the best epoch in `folder`, and returns what happened.

    Args:
        minutes: no further epoch begins after these.
    """
    import spacy
    from spacy.util import fix_random_seed

    fix_random_seed(seed)
    pipeline = spacy.blank("en", config={"training": {"optimizer": {"use_averages": True, "learn_rate": size.lr}}})
    _add_components(pipeline, size)
    examples = [_spacy_example(pipeline, sentence) for sentence in train]
    optimiser = pipeline.initialize(lambda: examples)
    order = torch.Generator().manual_seed(seed)

    def epoch(progress: float) -> None:
        batches = _chunks(torch.randperm(len(examples), generator=order).tolist(), size.batch)
        for index, batch in enumerate(batches):
            optimiser.learn_rate = size.lr * max(0.05, 1 - progress - index / len(batches) / size.epochs)
            pipeline.update([examples[number] for number in batch], drop=size.dropout, sgd=optimiser)

    def look() -> float:
        with pipeline.use_params(optimiser.averages):
            return measure_tagger(Tagger(pipeline, str(folder)), dev)["Penn"]

    def keep() -> None:
        with pipeline.use_params(optimiser.averages):
            pipeline.to_disk(folder)

    return _epochs(size.epochs, minutes, Look(epoch, look, keep), say)


def _add_components(pipeline: Any, size: TaggerSize) -> None:
    """Features of words shared by a tagger of Penn tags and one of universal tags."""
    pipeline.add_pipe("tok2vec", config={"model": {
        "@architectures": "spacy.Tok2Vec.v2",
        "embed": {"@architectures": "spacy.MultiHashEmbed.v2", "width": size.width, "attrs": list(_FEATURES),
                  "rows": list(size.rows), "include_static_vectors": False},
        "encode": {"@architectures": "spacy.MaxoutWindowEncoder.v2", "width": size.width, "depth": size.depth,
                   "window_size": 1, "maxout_pieces": 3}}})
    listener = {"@architectures": "spacy.Tok2VecListener.v1", "width": size.width, "upstream": "*"}
    for name in ("tagger", "morphologizer"):
        pipeline.add_pipe(name, config={"model": {"@architectures": "spacy.Tagger.v2", "tok2vec": listener}})


def _spacy_example(pipeline: Any, sentence: Sentence) -> Any:
    from spacy.tokens import Doc
    from spacy.training import Example as Pair

    words = list(sentence.words)
    return Pair(Doc(pipeline.vocab, words=words),
                Doc(pipeline.vocab, words=words, tags=list(sentence.penn), pos=list(sentence.universal)))


# ---- parsers


def train_parser(size: ParserSize, train: Sequence[Sentence], dev: Sequence[Sentence], seed: int, minutes: float,
                 folder: Path, say: Say) -> dict[str, Any]:
    """Trains a benepar parser, keeps that of the best epoch in `folder`, and returns what happened.

    Args:
        minutes: no further epoch begins after these.
    """
    torch.manual_seed(seed)
    order = torch.Generator().manual_seed(seed)
    kept = [sentence for sentence in train if len(sentence.words) <= size.longest]
    model = chart_parser(parser_config(size, kept))
    parser = Parser(model, str(folder))
    encoded = [model.encode(Example(plain(sentence.words), to_nltk(plainly(sentence)))) for sentence in kept]
    lengths = torch.tensor([len(sentence.words) for sentence in kept], dtype=torch.float)
    optimiser = torch.optim.Adam(model.parameters(), lr=size.lr, betas=_BETAS)
    per_epoch = math.ceil(len(kept) / size.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, size.warmup, per_epoch * size.epochs))

    def epoch(_: float) -> None:
        model.train()
        for batch in _batches(lengths, size.batch, order):
            optimiser.zero_grad()
            _loss(model, [encoded[index] for index in batch]).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimiser.step()
            schedule.step()
        model.eval()

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*arg_constraints.*")             # torch_struct's distributions
        facts = _epochs(size.epochs, minutes, Look(epoch, lambda: measure_parser(parser, dev)["bracket F1"],
                                                   lambda: parser.save(folder)), say)
    return {**facts, "sentences": len(kept), "left out": len(train) - len(kept),
            "parameters": sum(weight.numel() for weight in model.parameters())}


def plainly(sentence: Sentence) -> Tree:
    """The tree over words as the parser reads them."""
    return sentence.tree.with_leaves(zip(plain(sentence.words), sentence.penn, strict=True))


def parser_config(size: ParserSize, train: Sequence[Sentence]) -> dict[str, Any]:
    """benepar's configuration with the labels, tags and characters of the training sentences."""
    from collections import Counter

    from benepar.char_lstm import RetokenizerForCharLSTM
    from benepar.decode_chart import ChartDecoder

    trees = [to_nltk(sentence.tree) for sentence in train]
    characters = Counter("".join(word for sentence in train for word in plain(sentence.words)))
    marks = (RetokenizerForCharLSTM.CHAR_UNK, RetokenizerForCharLSTM.CHAR_START_SENTENCE,
             RetokenizerForCharLSTM.CHAR_START_WORD, RetokenizerForCharLSTM.CHAR_STOP_WORD,
             RetokenizerForCharLSTM.CHAR_STOP_SENTENCE)
    known = [*marks, *sorted(sign for sign, count in characters.items() if count >= size.rare)]
    tags = ["UNK", *sorted({tag for sentence in train for tag in sentence.penn})]
    return {"tag_vocab": {tag: index for index, tag in enumerate(tags)},
            "label_vocab": ChartDecoder.build_vocab(trees), "char_vocab": {sign: index for index, sign in enumerate(known)},
            "hparams": _hparams(size, ChartDecoder.infer_force_root_constituent(trees))}


def _hparams(size: ParserSize, rooted: bool) -> dict[str, Any]:
    """The settings that benepar's ChartParser reads."""
    return {"use_chars_lstm": True, "use_pretrained": False, "use_encoder": True, "predict_tags": True,
            "force_root_constituent": rooted, "encoder_max_len": _POSITIONS, "d_model": size.width,
            "num_layers": size.layers, "num_heads": size.heads, "d_kv": size.head_width, "d_ff": size.inner,
            "d_char_emb": 64, "d_label_hidden": size.hidden, "d_tag_hidden": size.hidden, "tag_loss_scale": 5.0,
            "char_lstm_input_dropout": 0.2, "morpho_emb_dropout": size.dropout, "attention_dropout": size.dropout,
            "relu_dropout": size.dropout / 2, "residual_dropout": size.dropout}


def _loss(model: Any, encoded: list[Any]) -> torch.Tensor:
    batch = model.pad_encoded(encoded)
    words = sum(len(example["valid_token_mask"]) - 2 for example in encoded)
    return model.compute_loss({**batch, "batch_size": len(encoded), "batch_num_tokens": words})


def _batches(lengths: torch.Tensor, size: int, generator: torch.Generator) -> Iterator[list[int]]:
    """All sentences once, in batches of about one length, the batches in random order."""
    jittered = lengths * (1 + 0.2 * torch.rand(len(lengths), generator=generator))
    batches = _chunks(jittered.argsort().tolist(), size)
    for index in torch.randperm(len(batches), generator=generator).tolist():
        yield batches[index]


def _rate(step: int, warmup: int, steps: int) -> float:
    """Share of the rate: up over the warm-up, then down in a line to a fiftieth."""
    return min(1.0, (step + 1) / warmup) * max(0.02, 1 - step / steps)


# ---- both


@dataclass(frozen=True, slots=True)
class Look:
    """The three things that a training loop does: an epoch at a progress in [0, 1), a look at dev, keeping what it has."""

    epoch: Callable[[float], None]
    dev: Callable[[], float]
    keep: Callable[[], None]


def _epochs(epochs: int, minutes: float, do: Look, say: Say) -> dict[str, Any]:
    """Trains until the epochs or the minutes are over, keeping the best on dev."""
    begun, best, curve = time.monotonic(), -1.0, []
    for number in range(1, epochs + 1):
        do.epoch((number - 1) / epochs)
        curve.append(round(do.dev(), 5))
        if curve[-1] > best:
            best = curve[-1]
            do.keep()
        spent = (time.monotonic() - begun) / 60
        say(f"epoch {number} of {epochs}: dev {100 * curve[-1]:.2f}, best {100 * best:.2f}, {spent:.1f} min")
        if spent >= minutes:
            break
    return {"epochs": len(curve), "planned epochs": epochs, "best epoch": curve.index(best) + 1, "dev by epoch": curve,
            "minutes": round((time.monotonic() - begun) / 60, 1)}


def _chunks(items: list[int], size: int) -> list[list[int]]:
    return [items[start:start + size] for start in range(0, len(items), size)]


def measure_tagger(tagger: Tagger, sentences: Sequence[Sentence]) -> dict[str, float]:
    """Shares of words with the right universal and the right Penn tag, punctuation counted."""
    tagged = tagger.tag([sentence.words for sentence in sentences])
    words = sum(len(sentence.words) for sentence in sentences)
    pairs = list(zip(tagged, sentences, strict=True))
    return {"UPOS": sum(_same(found.universal, wanted.universal) for found, wanted in pairs) / words,
            "Penn": sum(_same(found.penn, wanted.penn) for found, wanted in pairs) / words}


def _same(found: Sequence[str], wanted: Sequence[str]) -> int:
    return sum(one == other for one, other in zip(found, wanted, strict=True))


def measure_parser(parser: Parser, sentences: Sequence[Sentence]) -> dict[str, float]:
    """Labelled bracket F1 over all sentences, punctuation and root not counted, and the share of whole trees right."""
    trees = parser.parse([sentence.words for sentence in sentences])
    counts = [brackets.compare(sentence.tree, tree, brackets.punctuation(sentence.penn))
              for sentence, tree in zip(sentences, trees, strict=True)]
    total = sum(counts, Brackets())
    return {"bracket F1": total.f1, "precision": total.both / max(1, total.found), "recall": total.both / max(1, total.wanted),
            "exact": sum(count.both == count.wanted == count.found for count in counts) / len(counts)}


def size_of(folder: Path) -> int:
    """Bytes of all files of a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def fingerprint_of(name: str | Path, kind: str) -> str:
    """The hash of the weights of a tagger or parser in a folder; the name itself of what was installed."""
    folder = bundled.locate(name, kind)
    for weights in (folder / "model.safetensors", folder / "tok2vec" / "model") if folder else ():
        if weights.is_file():
            return fingerprint(weights)
    return str(name)
