"""A small network that reads beliefs: what trained controllers look through.

It reads soft words, p E at every position with p the belief and E its own embeddings, beside how open each position still
is (its entropy, which is the noise level), and is blind to time and paper. A belief may also say that the text is over:
attention weighs each position by the probability that no END or PAD stands before it, so what follows END does not matter.

    vectors     h_l = p_l E + position_l + W [entropy of p_l, p_l(no word)]
    attention   softmax(q k + log a),  a_l = prod_{k < l} (1 - p_k(END) - p_k(PAD))
"""

from __future__ import annotations

import dataclasses
import json
import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from controllers.base import Context
from controllers.probes.heads import HEADS, SLOTS, Classes
from diffusion.core.checkpoint import config_from
from diffusion.core.errors import StudioError
from diffusion.text import domain
from diffusion.text.vocab import END

FOLDER = domain.bundled().probes
WEIGHTS, CONFIG, CARD, FORMAT = "model.safetensors", "config.json", "card.json", 1
_FLOOR = 1e-6            # smallest probability of a word whose logarithm is taken
_GONE = -25.0            # log-weight in attention of positions behind the end


@dataclass(frozen=True, slots=True)
class ReaderConfig:
    """What a reader is built from.

    Attributes:
        kind: of its head: "tags", "chart" or "slots".
        words: V.
        classes: names of what it tells apart, in groups: one for tags and charts, one for each slot.
        lexicon: tags for which it keeps log p(tag | word), counted in what it was trained on; may be empty.
        length: most positions.
    """

    kind: str
    words: int
    classes: Classes
    lexicon: tuple[str, ...] = ()
    width: int = 128
    layers: int = 3
    heads: int = 4
    length: int = 64

    def __post_init__(self) -> None:
        object.__setattr__(self, "classes", tuple(tuple(group) for group in self.classes))


class Block(nn.Module):
    """Attention and feed-forward, each behind a layer norm."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mixed, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor, log_alive: Tensor) -> Tensor:
        """x (B, L, D), log-weights of the positions (B, L) -> (B, L, D)."""
        batch, length, width = x.shape
        query, key, value = self.mixed(self.before(x)).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        scores = (query * (width // self.heads) ** -0.5) @ key.transpose(-1, -2) + log_alive[:, None, None]
        x = x + self.out((scores.softmax(-1) @ value).transpose(1, 2).reshape(batch, length, width))
        return x + self.down(F.gelu(self.up(self.between(x)), approximate="tanh"))


class Stored(nn.Module):
    """A small network that is kept as a folder of `FOLDER`: 16-bit weights beside what it is built from."""

    @abstractmethod
    def about(self) -> dict[str, Any]:
        """What it is built from, as JSON."""

    @classmethod
    @abstractmethod
    def of(cls, info: Mapping[str, Any]) -> Self:
        """The network of what `about` told, with fresh weights."""

    def save(self, folder: Path) -> None:
        """Writes weights, rounded to 16 bits, and configuration."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {name: tensor.detach().cpu().half().contiguous() for name, tensor in self.state_dict().items()}
        save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
        info = {"format": FORMAT, **self.about()}
        (folder / CONFIG).write_text(json.dumps(info, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, name: str) -> Self:
        """The network of `FOLDER`/name, in fp32 and without gradients of its weights; the same object every time.

        Raises:
            StudioError: it is not there (the command that trains it is named), or its files are damaged.
        """
        return _opened(cls, FOLDER / name, _stamp(FOLDER / name))

    @classmethod
    def suited(cls, name: str, like: Tensor) -> Self:
        """The network of that name, on the device and in the precision of a tensor.

        Raises:
            StudioError: as `load`.
        """
        if like.dtype == torch.float32 and like.device.type == "cpu":
            return cls.load(name)
        return _moved(cls, FOLDER / name, _stamp(FOLDER / name), like.device, like.dtype)


class Reader(Stored):
    """Beliefs (B, L, V) in, the logits of its head out.

    Args:
        config: what to build.
        vocab: fingerprint of the vocabulary.
        labels: fingerprint of the label set; empty where the head knows no slots.
    """

    def __init__(self, config: ReaderConfig, vocab: str, labels: str = "") -> None:
        super().__init__()
        self.config, self.vocab, self.labels = config, vocab, labels
        width = config.width
        self.embedding = nn.Parameter(torch.randn(config.words, width))
        self.positions = nn.Parameter(torch.randn(config.length, width) * 0.1)
        self.openness = nn.Linear(2, width)
        self.blocks = nn.ModuleList(Block(width, config.heads) for _ in range(config.layers))
        self.norm = nn.LayerNorm(width)
        self.head = HEADS[config.kind](width, config.classes)
        self.register_buffer("lexicon", torch.zeros(config.words, len(config.lexicon)))      # log p(tag | word)

    def features(self, probs: Tensor) -> tuple[Tensor, Tensor]:
        """(B, L, V) -> features (B, L, D), and log-probabilities (B, L) that the text has not ended before."""
        over = probs[..., : END + 1].sum(-1)                                                  # (B, L)
        openness = -torch.special.xlogy(probs, probs.clamp(min=1e-30)).sum(-1) / math.log(self.config.words)
        x = probs @ self.embedding + self.positions[: probs.shape[1]] + self.openness(torch.stack([openness, over], -1))
        word = (1 - over).clamp(min=_FLOOR).log()
        log_alive = (word.cumsum(1) - word).clamp(min=_GONE)
        for block in self.blocks:
            x = block(x, log_alive)
        return self.norm(x), log_alive

    def forward(self, probs: Tensor) -> Tensor:
        """Logits of the head: tags (B, L, T), chart (B, L, L, C), slots (B, sum of C_s)."""
        return self.head(*self.features(probs))

    def groups(self, logits: Tensor) -> tuple[Tensor, ...]:
        """The logits of slots, slot by slot, each (B, C_s): `absent`, then the values."""
        return logits.split([len(group) for group in self.config.classes], -1)

    def about(self) -> dict[str, Any]:
        """Configuration and fingerprints."""
        return {"vocab": self.vocab, "labels": self.labels, "config": dataclasses.asdict(self.config)}

    @classmethod
    def of(cls, info: Mapping[str, Any]) -> Self:
        """A reader of what `about` told."""
        return cls(config_from(ReaderConfig, info["config"]), info["vocab"], info["labels"])

    @classmethod
    def for_beliefs(cls, name: str, probs: Tensor) -> Self:
        """The reader of that name, on the device and in the precision of these beliefs.

        Raises:
            StudioError: as `load`.
        """
        return cls.suited(name, probs)

    # ---- belonging

    def fits(self, context: Context, who: str) -> None:
        """Checks that the reader was trained for a model's words and, where it knows slots, labels.

        Args:
            who: the control, for the sentence.

        Raises:
            StudioError: it was trained for others; both fingerprints are named.
        """
        pairs = [("vocabulary", self.vocab, context.vocab.fingerprint)]
        if self.config.kind == SLOTS:
            pairs.append(("label set", self.labels, context.labels.fingerprint))
        for kind, made, found in pairs:
            if made != found:
                raise StudioError(f"The reader of '{who}' was trained for the {kind} {made}, but this model's is {found}. "
                                  f"Train one for it: {command(self.config.kind)}.")
        if context.length > self.config.length:
            raise StudioError(f"The reader of '{who}' reads texts of at most {self.config.length} positions, but this model "
                              f"writes {context.length}. Ask for shorter texts, or train one: {command(self.config.kind)}.")


def closed(probs: Tensor, count: int) -> Tensor:
    """Beliefs (B, L, V) about the first `count` words with a certain END behind them, (B, count + 1, V): what a reader has to see
    where the number of words is settled."""
    end = torch.zeros_like(probs[:, :1])
    end[..., END] = 1
    return torch.cat([probs[:, :count], end], 1)


def command(name: str) -> str:
    """The command that trains a reader."""
    return f"python -m training controller {name} --data FOLDER --output {FOLDER / name}"


def _stamp(folder: Path) -> tuple[int, int]:
    """When the weights were written, and how many bytes: another file is read anew.

    Raises:
        StudioError: there are none.
    """
    try:
        found = (folder / WEIGHTS).stat()
    except OSError as error:
        raise StudioError(f"There is no reader '{folder.name}' in '{folder.parent}'. Get it with a full clone, or train it: "
                          f"{command(folder.name)}.") from error
    return found.st_mtime_ns, found.st_size


@lru_cache(maxsize=16)
def _opened(kind: type[Stored], folder: Path, stamp: tuple[int, int]) -> Any:
    """Raises: StudioError: the files are damaged or do not belong together."""
    try:
        info: dict[str, Any] = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        reader = kind.of(info)
        reader.load_state_dict({name: tensor.float() for name, tensor in load_file(folder / WEIGHTS).items()})
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RuntimeError, SafetensorError) as error:
        raise StudioError(f"'{folder}' holds no reader that could be built ({type(error).__name__}: "
                          f"{' '.join(str(error).split())[:200]}). Its {CONFIG} and {WEIGHTS} must be of one training.") from error
    return reader.eval().requires_grad_(False)


@lru_cache(maxsize=4)
def _moved(kind: type[Stored], folder: Path, stamp: tuple[int, int], device: torch.device, dtype: torch.dtype) -> Any:
    """A copy on another device or in another precision."""
    reader = _opened(kind, folder, stamp)
    copy = kind.of(reader.about())
    copy.load_state_dict(reader.state_dict())
    return copy.to(device, dtype).eval().requires_grad_(False)
