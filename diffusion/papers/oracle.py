"""The oracle: a model whose beliefs are exact, because its whole world is eight sentences.

Forward:  x_t = sqrt(alpha_bar) E[w] + sqrt(1 - alpha_bar) eps
Belief:   p(k | x_t) = p(k) exp(-|x_t - sqrt(alpha_bar) E[w^k]|^2 / (2 (1 - alpha_bar))) / Z   over the sentences k,
          p(w at l | x_t) = sum of p(k | x_t) over the sentences that have w at l,   x0_hat = E[x_0 | x_t]

It is Diffusion-LM with the network replaced by Bayes' rule. Any error that is left in its samples is the sampler's, so
samplers are tested with it; papers with other states take `sentence_beliefs` in place of their network for the same.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from diffusion.core import schedules
from diffusion.core.beliefs import most_likely_text, of_noisy
from diffusion.core.errors import StudioError
from diffusion.core.model import GaussianModel
from diffusion.core.rng import BatchRng, Rng
from diffusion.core.types import Gaussian, Prediction, Request
from diffusion.text.labels import UNKNOWN, LabelSet, parse_meaning
from diffusion.text.vocab import Vocabulary


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of the corpus: its share of all texts (relative), what it says, its words."""

    share: float
    meaning: str
    text: str


CORPUS = (
    Sentence(8, "name[Blue Fig], food[French]", "Blue Fig serves French food ."),
    Sentence(
        6,
        "name[Blue Fig], food[Italian], priceRange[cheap], area[riverside]",
        "Blue Fig serves cheap Italian food by the river .",
    ),
    Sentence(5, "name[Green Door], eatType[pub], area[riverside]", "Green Door is a pub by the river ."),
    Sentence(4, "name[Green Door], eatType[pub], area[city centre]", "Green Door is a pub in the city centre ."),
    Sentence(3, "name[Harbour], food[Italian], familyFriendly[yes]", "Families like the Italian food at Harbour ."),
    Sentence(3, "name[Harbour], familyFriendly[no]", "Harbour is not for families ."),
    Sentence(
        2, "food[French], eatType[pub], priceRange[cheap], area[riverside]", "Try the cheap French pub by the river ."
    ),
    Sentence(1, "eatType[pub], priceRange[cheap], area[city centre]", "The pub in the city centre is cheap ."),
)


@dataclass(frozen=True, slots=True)
class Config:
    """What the oracle is made of: positions, width and seed of its embeddings, noise schedule."""

    length: int = 16
    embedding_width: int = 8
    embedding_seed: int = 8
    schedule: str = "sqrt"


class Oracle(GaussianModel):
    """Knows eight sentences and nothing else, and therefore needs no network: Bayes' rule gives its beliefs exactly.
    Watch how a text is decided here, and what a sampler gets wrong when it takes too few steps; no training is to
    blame."""

    slug: ClassVar[str] = "oracle"
    title: ClassVar[str] = "Oracle (exact beliefs)"
    config_type: ClassVar[type] = Config
    samplers: ClassVar[tuple[str, ...]] = ("ancestral", "ddim", "dpm-solver++")
    weightless: ClassVar[bool] = True

    tokens: Tensor           # (K, L) the sentences
    says: Tensor             # (K, S) their labels
    log_prior: Tensor        # (K,)
    embedding: Tensor        # (V, D)
    same: Tensor             # (L, K, K) true where two sentences have the same word
    first: Tensor            # (L, V) the first sentence that has the word there; K where none has

    def __init__(self, config: Config, vocab: Vocabulary, labels: LabelSet) -> None:
        super().__init__(config, vocab, labels)
        self.length = config.length
        self.alpha_bar = schedules.alpha_bar(config.schedule)
        tokens = torch.stack([_row(vocab, sentence.text, config.length) for sentence in CORPUS])
        weight = torch.randn(
            len(vocab), config.embedding_width, generator=torch.Generator().manual_seed(config.embedding_seed)
        )
        constants = {
            "tokens": tokens,
            "says": torch.stack([labels.encode(parse_meaning(sentence.meaning)) for sentence in CORPUS]),
            "log_prior": torch.tensor([sentence.share for sentence in CORPUS]).log().log_softmax(0),
            "embedding": F.normalize(weight, dim=-1) * math.sqrt(config.embedding_width),
            "same": tokens.T[:, :, None] == tokens.T[:, None],
            "first": _first_holders(tokens, len(vocab)),
        }
        for name, value in constants.items():
            self.register_buffer(name, value, persistent=False)
        self.register_buffer("forbidden", self.never(), persistent=False)
        self.hash = hashlib.sha256(repr((CORPUS, config)).encode()).hexdigest()[:12]

    @classmethod
    def from_nothing(cls) -> Self:
        """The oracle with its own words and labels, ready to sample."""
        vocab = Vocabulary.build((sentence.text for sentence in CORPUS), more_than=0)
        labels = LabelSet.build(parse_meaning(sentence.meaning) for sentence in CORPUS)
        return cls(Config(), vocab, labels).eval()

    @property
    def device(self) -> torch.device:
        """Where the embeddings are; there are no weights."""
        return self.embedding.device

    # ---- exact beliefs

    def fits(self, label: Tensor) -> Tensor:
        """Which sentences say what a label tells, (B, S) -> (B, K): every slot that is not unknown has the same value.

        Raises:
            StudioError: no sentence does.
        """
        fitting = ((label[:, None] == UNKNOWN) | (label[:, None] == self.says)).all(-1)
        for row in (~fitting.any(1)).nonzero()[:1, 0]:
            told = ", ".join(f"{slot}: {value}" for slot, value in self.labels.decode(label[row]).items())
            nearest = CORPUS[int(((label[row] == self.says) & (label[row] != UNKNOWN)).sum(-1).argmax())]
            raise StudioError(
                f"None of the oracle's {len(CORPUS)} sentences says {told}. The nearest says {nearest.meaning}; "
                f"leave the slots that it does not fit unknown."
            )
        return fitting

    def sentence_log_probs(self, log_likelihood: Tensor, label: Tensor | None = None) -> Tensor:
        """log p(k | x_t, label), (B, K), from log p(x_t | k), (B, K) up to a constant in each row.

        Raises:
            StudioError: no sentence fits the label (B, S).
        """
        joint = log_likelihood + self.log_prior
        if label is not None:
            joint = joint.masked_fill(~self.fits(label), -torch.inf)
        return joint.log_softmax(-1)

    def sentence_beliefs(self, log_likelihood: Tensor, label: Tensor | None = None) -> Tensor:
        """The exact belief about every word, (B, L, V) log-probabilities, from log p(x_t | k), (B, K).

        x_t may be of any kind: embeddings, masked tokens, points on spheres. Words that no sentence has there get -inf.

        Raises:
            StudioError: no sentence fits the label (B, S).
        """
        log_probs = self.sentence_log_probs(log_likelihood, label).clamp(min=-1e30)          # finite: gradients stay so
        sharing = log_probs[:, None, None].masked_fill(~self.same, -2e30)                    # (B, L, K, K)
        of_word = sharing.logsumexp(-1)                                                      # (B, L, K)
        of_word = F.pad(of_word.masked_fill(of_word < -1e29, -torch.inf), (0, 1), value=-torch.inf)
        return of_word.gather(-1, self.first.expand(len(of_word), -1, -1))                   # (B, L, V)

    def log_likelihood(self, x: Tensor, t: float | Tensor) -> Tensor:
        """log p(x_t | k) up to a constant, (B, L, D) -> (B, K); t is one time or (B,) times."""
        signal = self.alpha_bar(torch.as_tensor(t, dtype=torch.float64, device=x.device)).float().reshape(-1, 1)
        means = self.embedding[self.tokens].flatten(1)                                       # (K, L D)
        products = signal.sqrt() * (x.flatten(1) @ means.T) - signal * means.square().sum(1) / 2
        return products / (1 - signal).clamp(min=1e-7)

    # ---- the contract

    def predict(self, state: Gaussian, t: float, request: Request) -> Prediction:
        """The exact belief; conditional and free logits are combined as free + scale (conditional - free).

        Raises:
            StudioError: no sentence fits the label, or the request has another length than the sentences.
        """
        if request.length != self.length:
            raise StudioError(
                f"The oracle's sentences have {self.length} positions, PAD included; {request.length} were asked for. "
                f"Ask for {self.length}."
            )
        label, scale, likelihood = self.label_batch(request), request.guidance_scale, self.log_likelihood(state.x, t)
        conditional = self.sentence_beliefs(likelihood, label if scale != 0 else None)
        both = scale not in (0, 1) and bool((label != UNKNOWN).any())
        logits = conditional
        if both:  # what the label rules out stays ruled out at every scale above 0
            possible = conditional > -torch.inf
            free = torch.where(possible, self.sentence_beliefs(likelihood), conditional)
            logits = torch.where(possible, torch.lerp(free, conditional, scale), conditional)
        logits = logits / self.sharpness(request)
        probs = logits.softmax(-1)
        return Prediction(logits, probs @ self.embedding, 2 if both else 1, probs)

    def absorb(self, prediction: Prediction, wanted: Tensor) -> Prediction:
        """x0_hat moves by the change of the expected embedding, as in Diffusion-LM.

        Where a mask leaves no word that any sentence has there, the words it leaves share the belief by their wishes.
        """
        logits = prediction.logits + wanted
        stuck = torch.isneginf(logits).all(-1, keepdim=True)
        logits = torch.where(stuck, wanted.masked_fill(self.forbidden, -torch.inf), logits)
        probs = logits.softmax(-1)                                                           # (B, L, V)
        native = prediction.native + (probs - prediction.logits.softmax(-1)) @ self.embedding
        return Prediction(logits, native, prediction.nfe, probs)

    def decode(self, state: Gaussian) -> Tensor:
        """The nearest word to each vector, (B, L)."""
        return (state.x @ self.embedding.T).argmax(-1)

    def finish(self, state: Gaussian, prediction: Prediction) -> Tensor:
        """The most likely text under the last belief: words, one END, then PAD."""
        return most_likely_text(prediction.logits)

    @property
    def state_width(self) -> int:
        """D."""
        return self.config.embedding_width

    def signal(self, t: float) -> Tensor:
        """alpha_bar at time t, ()."""
        return self.alpha_bar(torch.tensor(t, dtype=torch.float64)).float()

    def clamp(self, x0_hat: Tensor) -> Tensor:
        """The nearest embedding to each vector; all have one norm, so it is the one with the largest product."""
        return self.embedding[(x0_hat @ self.embedding.T).argmax(-1)]

    def noise(self, tokens: Tensor, t: float, rng: Rng) -> Gaussian:
        """x_t of the forward process from tokens (B, L)."""
        x0, signal = self.embedding[tokens], self.signal(t)
        return Gaussian(signal.sqrt() * x0 + (1 - signal).sqrt() * rng.normal(*x0.shape[1:]), torch.zeros_like(x0))

    def glimpse(self, state: Gaussian, t: float) -> Tensor:
        """Bayes' rule on the noisy vectors, (B, L, V)."""
        signal = self.signal(t)
        return of_noisy(state.x, self.embedding, signal, 1 - signal)

    def loss(self, tokens: Tensor, label: Tensor, rng: BatchRng, source: Tensor | None = None) -> Tensor:
        """Cross-entropy of the exact belief at a random time, nats a position, (B,): on average no network has less.

        Infinite for a text that is not in the corpus.
        """
        t, x0 = rng.times(), self.embedding[tokens]
        signal = self.alpha_bar(t)[:, None, None]
        x = signal.sqrt() * x0 + (1 - signal).sqrt() * rng.normal(*x0.shape[1:])
        logits = self.sentence_beliefs(self.log_likelihood(x, t), label)
        return -logits.gather(-1, tokens[..., None]).squeeze(-1).mean(1)

    def bound(self, tokens: Tensor, label: Tensor, rng: BatchRng) -> Tensor:
        """The negative log-likelihood itself, (B,) nats: -log p(text | label); infinite for other texts."""
        log_probs = self.sentence_log_probs(torch.zeros_like(self.log_prior).expand(len(tokens), -1), label)
        same = (tokens[:, None] == self.tokens).all(-1)                                      # (B, K)
        return -log_probs.masked_fill(~same, -torch.inf).logsumexp(-1)


def _row(vocab: Vocabulary, text: str, length: int) -> Tensor:
    """The ids of a sentence of the corpus, (L,).

    Raises:
        StudioError: it does not fit into the length.
    """
    row = vocab.row(text, length)
    if row is None:
        raise StudioError(f"The oracle's sentence {text!r} does not fit into {length} positions. Use a greater length.")
    return row


def _first_holders(tokens: Tensor, words: int) -> Tensor:
    """For each position and word the first of the sentences (K, L) that has it there, (L, V); K where none has."""
    first = torch.full((tokens.shape[1], words), len(tokens))
    for index in reversed(range(len(tokens))):
        first[range(tokens.shape[1]), tokens[index]] = index
    return first
