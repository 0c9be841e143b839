"""SEDD: score entropy discrete diffusion, on words that are masked or replaced.

Forward:  every position on its own: with probability m(t) = 1 - exp(-sigma_bar(t)) a word is replaced, by the mask (absorbing
          graph) or by a uniform draw of all words (uniform graph)
Score:    s(x, t)_l,y = p_t(x with y at l) / p_t(x) = sum_k p(x0_l = k | x) q(y | k) / q(x_l | k),   s = exp(network)

The belief p(x0 | x) and the score are one another's linear image, so the network gives the belief and the score follows; the
score entropy of an absorbing graph then is cross-entropy / t, whose normalisation the score need not learn.

As in the paper: both graphs, log-linear and geometric noise, score entropy as the training loss, time as sigma_bar's monotone
image, samplers euler and analytic with a final denoising step, prompts at any position.
Different here: the belief parametrisation (exact for both graphs); words that no text can hold, given the committed ones, are
ruled out (nothing but PAD follows END); a temperature leaves the text's length alone; categorical draws in float64;
low-discrepancy times; labels with guidance.

Source: Lou, Meng, Ermon (2024), arXiv 2310.16834. Belief form: Ou et al. (2024), arXiv 2406.03736; Sahoo et al. (2024), arXiv
2406.07524. Float64 draws and first hitting: Zheng et al. (2024), arXiv 2409.02908.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffusion.core.beliefs import guide, most_likely_text, with_temperature
from diffusion.core.errors import StudioError, known_or_raise
from diffusion.core.model import DiscreteModel
from diffusion.core.rng import BatchRng, Rng
from diffusion.core.schedules import DISCRETE
from diffusion.core.types import Prediction, Request, Space
from diffusion.nn.backbone import Backbone, BackboneConfig
from diffusion.text.labels import LabelSet
from diffusion.text.vocab import END, PAD, Vocabulary

FLOOR = 1e-3             # earliest time of training and of the bound; below it hardly a word is replaced
CERTAIN = DiscreteModel.certain


@dataclass(frozen=True, slots=True)
class Config:
    """What a SEDD is made of.

    Attributes:
        graph: "absorbing" (words turn into the mask) or "uniform" (words turn into any word).
        noise: "log-linear" or "geometric"; two thirds of the geometric time axis carry almost no noise.
        embedding_width: D, of the table that tokens enter the network by.
    """

    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    graph: Literal["absorbing", "uniform"] = "absorbing"
    noise: str = "log-linear"
    embedding_width: int = 64

    @classmethod
    def variants(cls) -> dict[str, Config]:
        """Further settings that keep every promise of the port, by name."""
        return {"uniform graph": cls(graph="uniform")}


class SEDD(DiscreteModel):
    """Words vanish one by one behind a mask, and the model brings them back: at every step it says for each hidden word what
    stands there, and some of them are uncovered for good. A word once uncovered stays, unless it is masked again."""

    slug: ClassVar[str] = "sedd"
    title: ClassVar[str] = "SEDD"
    config_type: ClassVar[type] = Config
    paths: ClassVar[tuple[str, ...]] = ("fp32", "onednn", "bf16", "compiled")
    temperature: ClassVar[float] = 0.7                   # fluent and still varied; the choice is in the domain's results
    samplers: ClassVar[tuple[str, ...]] = ("analytic", "euler", "confidence", "first-hitting")

    def __init__(self, config: Config, vocab: Vocabulary, labels: LabelSet) -> None:
        super().__init__(config, vocab, labels)
        self.length = config.backbone.length
        self.mask = len(vocab)                           # the mask's own state, behind the words
        self.states = len(vocab) + (config.graph == "absorbing")
        if config.graph == "uniform":
            self.space, self.samplers = Space.REPLACED, ("analytic", "euler")
        self.noise_schedule = DISCRETE[known_or_raise("noise schedule", config.noise, DISCRETE)]()
        self.embedding = nn.Embedding(self.states, config.embedding_width)
        self.network = Backbone(config.backbone, config.embedding_width, len(vocab))
        self.bias = nn.Parameter(torch.zeros(len(vocab)))
        self.register_buffer("never_here", self.never(), persistent=False)

    # ---- the belief

    def believe(self, ids: Tensor, moved: Tensor, label: Tensor) -> Tensor:
        """One network evaluation: ids (B, L) of states, moved (B,) or (1,), label (B, S) -> logits (B, L, V).

        Time enters as the probability m(t) that a word has been replaced.
        """
        return self.evaluate(self.embedding(ids), moved, label).float() + self.bias

    def predict(self, state: Tensor, t: float, request: Request) -> Prediction:
        """The belief at time t; `native` holds the word ids (B, L) that it is about."""
        label, scale = self.label_batch(request), request.guidance_scale
        free = torch.zeros_like(label)
        both = scale not in (0, 1) and bool((label != 0).any())
        if both:
            label = torch.cat([label, free])
        elif scale == 0:
            label = free
        time = torch.full((1,), t, device=state.device)  # one for all rows: the same bits alone or in a batch
        moved = self.noise_schedule.move_probability(time)
        logits = self.believe(state.repeat(2, 1) if both else state, moved, label)
        if both:
            logits = guide(logits[:len(state)], logits[len(state):], request)
        if self.sharpness(request) != 1:
            logits = with_temperature(logits, self.sharpness(request))
        logits = self.known(logits, state)
        return Prediction(logits, state, 2 if both else 1, logits.softmax(-1))

    def known(self, logits: Tensor, ids: Tensor) -> Tensor:
        """Logits (B, L, V) with what is certain: words that no text holds, and for masked states (B, L) committed words."""
        never = self.never_here[: ids.shape[1]]
        if self.config.graph == "uniform":
            return logits.masked_fill(never, -torch.inf)
        committed, own = (ids != self.mask)[..., None], ids.clamp(max=self.mask - 1)[..., None]
        logits = self.form(logits, ids).masked_fill_(committed, -CERTAIN)     # a new tensor, changed in place from here on
        logits = logits.scatter_(-1, own, logits.gather(-1, own).masked_fill_(committed, 0.0))
        return logits.masked_fill_(never, -torch.inf)

    def form(self, logits: Tensor, ids: Tensor) -> Tensor:
        """Logits (B, L, V) less `CERTAIN` where the committed words (B, L) rule a word out: a text is words, END, PAD."""
        masked, end, pad = ids == self.mask, ids == END, ids == PAD
        word_later = _from_right(~(masked | end | pad))                       # a word here or further right
        over = (end | pad).cumsum(1) > 0                                      # the text has ended here or further left
        end_later = _from_right(end)
        no_word, no_end, no_pad = over, word_later | over | end_later, word_later | end_later
        logits = logits - CERTAIN * no_word[..., None]
        logits[..., END] += CERTAIN * (no_word.float() - no_end.float())
        logits[..., PAD] += CERTAIN * (no_word.float() - no_pad.float())
        return logits

    def score(self, logits: Tensor, ids: Tensor, t: Tensor) -> Tensor:
        """The ratios s(x, t) (B, L, N) that a belief (B, L, V) means for states (B, L) at times t (B,); N counts the mask.

        Absorbing: p_k / (e^sigma_bar - 1) at masked positions, 0 at committed ones, 1 at the own state. Uniform: a mean of
        b/a, a/b and 1 by where the belief lies, a and b the probabilities to stay and to become another given word.
        """
        probs, moved = logits.softmax(-1), self.noise_schedule.move_probability(t)[:, None, None]
        own = ids[..., None]
        if self.config.graph == "absorbing":
            ratios = probs * ((1 - moved) / moved)
            ratios = torch.where(own == self.mask, ratios, torch.zeros_like(ratios))
            return F.pad(ratios, (0, 1)).scatter(-1, own, 1.0)
        other = moved / self.states
        stay = 1 - moved + other
        of_own = probs.gather(-1, own)
        ratios = of_own * (other / stay) + probs * (stay / other) + (1 - of_own - probs)
        return ratios.scatter(-1, own, 1.0)

    def belief_of_score(self, score: Tensor, ids: Tensor, t: Tensor) -> Tensor:
        """The belief (B, L, V) that scores (B, L, N) mean: the inverse of `score`, whatever gave the scores.

        Uniform: with a, b as there, sum_y s_y - 1 is linear in the probability of the own word, and then s_y - 1 in p_y.
        """
        moved, own = self.noise_schedule.move_probability(t)[:, None, None], ids[..., None]
        if self.config.graph == "absorbing":
            certain = torch.zeros_like(score).scatter(-1, own, 1.0)[..., :-1]
            return torch.where(own == self.mask, score[..., :-1] * (moved / (1 - moved)), certain)
        other, others = moved / self.states, self.states - 1
        rise, fall = (1 - moved) / other, -(1 - moved) / (1 - moved + other)   # a/b - 1 and b/a - 1
        excess = score - 1
        of_own = (excess.sum(-1, keepdim=True) - rise) / (others * fall - rise)
        return ((excess - of_own * fall) / rise).scatter(-1, own, of_own)

    def absorb(self, prediction: Prediction, wanted: Tensor) -> Prediction:
        """The wish is added to the logits; the score of the wished belief is p' / p times the old one."""
        logits = prediction.logits + wanted
        return Prediction(logits, prediction.native, prediction.nfe, logits.softmax(-1))

    def decode(self, state: Tensor) -> Tensor:
        """The words (B, L); PAD where the mask still stands."""
        return state.masked_fill(state == self.mask, PAD)

    def finish(self, state: Tensor, prediction: Prediction) -> Tensor:
        """The most likely text in which every position that the state has decided counts as certain."""
        logits = torch.log_softmax(prediction.logits, -1)
        decided = F.one_hot(self.decode(state), len(self.vocab)).bool() & (state < len(self.vocab))[..., None]
        return most_likely_text(logits + CERTAIN * decided)

    # ---- the process

    def network_inputs(self, batch: int) -> tuple[Tensor, ...]:
        """Zeros for `batch` rows: embedded words (B, L, D), a time (1,), labels (B, S)."""
        zeros = torch.zeros(batch, self.length, self.config.embedding_width, device=self.device)
        return zeros, torch.full((1,), 0.5, device=self.device), self.labels.free().to(self.device).expand(batch, -1)

    def prior(self, request: Request, rng: Rng) -> Tensor:
        """All masked, or uniform words, (B, L).

        Raises:
            StudioError: words of the uniform graph were to be revised.
        """
        if request.revise and self.config.graph == "uniform":
            raise StudioError("Words that are replaced at random are never final, so there is nothing to revise: leave "
                              "revise at 0, or take a model of the absorbing graph.")
        if self.config.graph == "absorbing":
            return torch.full((len(request.seeds), request.length), self.mask, device=self.device)
        return (rng.uniform(request.length) * self.states).long()

    def noise(self, tokens: Tensor, t: float, rng: Rng) -> Tensor:
        """x_t of the forward process from tokens (B, L); at t = 1 the prior itself."""
        return self._replaced(tokens, torch.full((len(tokens),), self.noise_schedule.replaced(t), device=tokens.device), rng)

    def glimpse(self, state: Tensor, t: float) -> Tensor:
        """A mask says nothing; a word is certain, or as likely to be its own as it was to stay, (B, L, V)."""
        words, own = len(self.vocab), state.clamp(max=len(self.vocab) - 1)[..., None]
        stay = torch.tensor(1.0 if self.config.graph == "absorbing" else 1 - self.noise_schedule.replaced(t) * (1 - 1 / words))
        other = torch.full((*state.shape, words), float(((1 - stay) / (words - 1)).log()), device=state.device)
        said = other.scatter(-1, own, float(stay.log()))
        return torch.where((state == self.mask)[..., None], torch.full_like(said, -math.log(words)), said)

    def _replaced(self, tokens: Tensor, moved: Tensor, rng: Rng | BatchRng) -> Tensor:
        """Each word replaced with probability moved (B,)."""
        hit = rng.uniform(tokens.shape[1]) < moved[:, None]
        if self.config.graph == "absorbing":
            return tokens.masked_fill(hit, self.mask)
        return torch.where(hit, (rng.uniform(tokens.shape[1]) * self.states).long(), tokens)

    # ---- training

    def loss(self, tokens: Tensor, label: Tensor, rng: BatchRng, source: Tensor | None = None) -> Tensor:
        """Score entropy, nats a position, (B,); for the absorbing graph it is cross-entropy of the masked words / t."""
        t = FLOOR + (1 - FLOOR) * rng.times()
        return self._entropy_rate(tokens, t, label, rng) / tokens.shape[1]

    def _entropy_rate(self, tokens: Tensor, t: Tensor, label: Tensor, rng: BatchRng) -> Tensor:
        """sigma(t) times the score entropy summed over positions, (B,). Source: the paper's equation 5 with its section 3.3."""
        noise = self.noise_schedule
        moved = noise.move_probability(t)
        ids = self._replaced(tokens, moved, rng)
        logits = self.believe(ids, moved, label)
        if self.config.graph == "absorbing":
            return noise.rate(t) / torch.expm1(noise.total(t)) * self._masked_entropy(logits, tokens, ids)
        return noise.rate(t) * self._uniform_score_entropy(logits, tokens, ids, t)

    def _masked_entropy(self, logits: Tensor, tokens: Tensor, ids: Tensor) -> Tensor:
        """Cross-entropy summed over the masked positions, (B,)."""
        nats = F.cross_entropy(self.form(logits, ids).transpose(1, 2), tokens, reduction="none")
        return (nats * (ids == self.mask)).sum(1)

    def _uniform_score_entropy(self, logits: Tensor, tokens: Tensor, ids: Tensor, t: Tensor) -> Tensor:
        """(1/N) sum over y != x of s_y - r_y ln s_y + r_y (ln r_y - 1), summed over positions, (B,); r are the true ratios."""
        moved = self.noise_schedule.move_probability(t)[:, None]
        other = moved / self.states
        rise = (1 - moved + other) / other                                    # (B, 1) what the clean word is worth
        score = self.score(logits, ids, t)
        log_score = score.clamp(min=1e-30).log()
        kept = ids == tokens
        true_log = torch.where(kept, -rise.log(), 0.0)[..., None].expand_as(score)
        rise_there = torch.where(kept, -rise.log(), rise.log())[..., None]
        true_log = true_log.scatter(-1, tokens[..., None], rise_there)
        ratio = true_log.exp()
        terms = score - ratio * log_score + ratio * (true_log - 1)
        return terms.scatter(-1, ids[..., None], 0.0).sum((1, 2)) / self.states

    def bound(self, tokens: Tensor, label: Tensor, rng: BatchRng) -> Tensor:
        """Upper bound of the negative log-likelihood with one time a row, (B,) nats.

        Integral of the score entropy from `FLOOR` on, plus what is left to say at `FLOOR`, plus the prior's part. For the
        absorbing graph the integral runs over the masked share itself, so that it ends at the prior, all masked.
        """
        times = FLOOR + (1 - FLOOR) * rng.times()
        if self.config.graph == "absorbing":
            ids = self._replaced(tokens, times, rng)
            integral = self._masked_entropy(self.believe(ids, times, label), tokens, ids) / times
        else:
            integral = self._entropy_rate(tokens, times, label, rng)
        start = torch.full_like(times, FLOOR)
        if self.config.graph == "uniform":
            start = self.noise_schedule.move_probability(start)
        ids = self._replaced(tokens, start, rng)
        logits = self.believe(ids, start, label)
        if self.config.graph == "absorbing":
            left = self._masked_entropy(logits, tokens, ids)
        else:
            left = F.cross_entropy(logits.transpose(1, 2), tokens, reduction="none").sum(1)
        return integral * (1 - FLOOR) + left + self._prior_gap() * tokens.shape[1]

    def _prior_gap(self) -> float:
        """KL(q(x_1 | x_0) || prior) of one position in nats; 0 for the absorbing graph, whose bound ends at the prior."""
        if self.config.graph == "absorbing":
            return 0.0
        moved = float(self.noise_schedule.move_probability(torch.ones(())))
        other, count = moved / self.states, self.states
        stay = 1 - moved + other
        return stay * math.log(stay * count) + (count - 1) * other * math.log(other * count)


def _from_right(flags: Tensor) -> Tensor:
    """True at (B, L) where a flag is set there or further right."""
    return flags.flip(1).cumsum(1).flip(1) > 0
