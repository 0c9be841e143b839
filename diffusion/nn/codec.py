"""Texts as latent vectors and back: a frozen language model with LD4LG's autoencoder around it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffusion.nn.autoencoder import Autoencoder, AutoencoderConfig
from diffusion.nn.language_model import LanguageModel, LanguageModelConfig
from diffusion.text.labels import LabelSet
from diffusion.text.vocab import END, PAD, UNK, Vocabulary


class Remembered:
    """What a frozen network says of rows of ids, kept in memory: in training every row comes back in every epoch.

    Args:
        most: rows that are kept; later ones are computed each time.
    """

    def __init__(self, most: int = 100_000) -> None:
        self.most = most
        self.known: dict[bytes, Tensor] = {}

    @torch.no_grad()
    def __call__(self, rows: Tensor, compute: Callable[[Tensor], Iterable[Tensor]]) -> list[Tensor]:
        """For each of the rows (B, N) its tensor of what `compute` gives for the rows that are not known yet."""
        keys = [row.tobytes().rstrip(b"\0") for row in rows.cpu().numpy()]    # PAD is 0: the same text in any length
        new = {key: index for index, key in enumerate(keys) if key not in self.known}
        fresh: dict[bytes, Tensor] = {}
        if new:
            fresh = dict(zip(new, compute(rows[list(new.values())]), strict=True))
            if len(self.known) + len(fresh) <= self.most:
                self.known.update({key: value.clone() for key, value in fresh.items()})
        return [fresh[key] if key in fresh else self.known[key].to(rows.device) for key in keys]     # the model may have moved


class Codec(nn.Module):
    """Encodes texts (B, L) as latents (B, l, D), and reads and writes latents. The language model is never trained here.

    Args:
        language_model, autoencoder: sizes of both.
        length: L, positions of a text in our words.
    """

    never: Tensor            # (L, size) 0 where the language model's token may stand, -inf elsewhere; empty for a foreign one

    def __init__(self, language_model: LanguageModelConfig, autoencoder: AutoencoderConfig, length: int, vocab: Vocabulary,
                 labels: LabelSet) -> None:
        super().__init__()
        self.length, self.words = length, len(vocab)
        self.language_model = LanguageModel(language_model, vocab, labels).requires_grad_(False)
        self.autoencoder = Autoencoder(autoencoder, self.language_model.width, length, len(vocab),
                                       None if self.language_model.foreign else self._vectors)
        never = torch.zeros(length, self.language_model.size)
        never[:, len(vocab):] = never[:, PAD] = -torch.inf                    # markers and the sentinel are no words
        never[0, END] = -torch.inf
        never[-1] = -torch.inf
        never[-1, END] = 0                                                    # a text ends at its last position at the latest
        foreign = self.language_model.foreign
        self.register_buffer("never", torch.zeros(0) if foreign else never, persistent=False)

    def _vectors(self) -> Tensor:
        """The bundled language model's vectors of our words, (V, F)."""
        return self.language_model.network.get_input_embeddings().weight[: self.words]

    @torch.no_grad()
    def features(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """What the language model's encoder says of texts (B, L): features (B, N, F) and a mask (B, N)."""
        return self.language_model.encode(self.language_model.texts(tokens))

    def encode(self, tokens: Tensor) -> Tensor:
        """Latents (B, l, D) of texts (B, L), each vector of root mean square 1."""
        return self.autoencoder.encode(*self.features(tokens))

    def logits(self, x: Tensor, length: int) -> Tensor:
        """The probe's belief about the words in latents (B, l, D), at its fitted temperature, (B, length, V)."""
        return self.autoencoder.logits(x, length) / self.autoencoder.temperature

    def nll(self, slots: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Nats that the decoder needs for texts (B, L) given what was read in latents (B, L, W); and how many tokens, (B,)."""
        targets = self.language_model.texts(tokens)
        logits = self.language_model.logits(self.autoencoder.decode(slots), targets)
        real = targets != self.language_model.pad
        losses = F.cross_entropy(logits.transpose(1, 2), targets, reduction="none") * real
        return losses.sum(1), real.sum(1)

    @torch.no_grad()
    def write(self, x: Tensor, length: int, belief: Tensor | None = None, unknown: bool = False) -> Tensor:
        """The text (B, length) that the decoder writes greedily from latents (B, l, D).

        What is believed about a place is added to what the decoder says there, `probe_weight` of its log-probability.

        Args:
            belief: logits (B, length, V), -inf where a word may not stand; None for the probe's own. A foreign language model
                hears of neither.
            unknown: UNK may be written too, to compare a text that holds it.
        """
        model = self.language_model
        slots = self.autoencoder.read(x, length)
        features = self.autoencoder.decode(slots)
        if model.foreign:
            return model.tokens(model.write(features, model.config.length), length)
        rules = self.never[-length:].clone()
        rules[0] = self.never[0]
        if not unknown:
            rules[:, UNK] = -torch.inf
        belief = self.autoencoder.believe(slots) / self.autoencoder.temperature if belief is None else belief
        return model.tokens(model.write(features, length, _obeyed(rules, belief, self.autoencoder.config.probe_weight)), length)

    @torch.no_grad()
    def write_as_in_the_paper(self, x: Tensor, length: int) -> Tensor:
        """The text (B, length) by the paper's beam search from latents (B, l, D)."""
        model = self.language_model
        features = self.autoencoder.decode(self.autoencoder.read(x, length))
        suppressed = [] if model.foreign else [PAD, UNK, *range(self.words, model.size)]
        longest = model.config.length if model.foreign else length
        return _ended(model.tokens(model.write_as_in_the_paper(features, longest, suppressed), length))


def _obeyed(rules: Tensor, belief: Tensor, weight: float) -> Tensor:
    """The decoder's rules (L, size) with a belief (B, L, V) about the words, its log-probabilities times `weight`.

    The decoder ends a text where END stands and writes no PAD: a place where the belief allows PAD alone is never reached.
    """
    ruled_out = torch.isneginf(belief)
    said = (weight * belief.log_softmax(-1)).masked_fill(ruled_out, -torch.inf)
    both = rules + F.pad(said, (0, rules.shape[1] - belief.shape[2]), value=-torch.inf)
    return torch.where(torch.isneginf(both).all(-1, keepdim=True), rules, both)


def _ended(tokens: Tensor) -> Tensor:
    """Texts (B, L) with END at the last position where there was none, and nothing but PAD behind the first."""
    tokens = tokens.clone()
    tokens[~(tokens == END).any(1), -1] = END
    ends = (tokens == END).long()
    return tokens.masked_fill(ends.cumsum(1) - ends > 0, PAD)
