"""RDLM: diffusion on spheres. Every word is a few digits, every digit a point that walks from one pole to its vertex.

Forward:  dX = gamma log_X(e_k) d tau + sqrt(beta) dB to the vertex e_k of each digit k of the word;  tau = 1 - t
Reverse:  the same walk with log_X(e_k) replaced by sum_k p(k | X_t) log_X(e_k), the pull that the belief expects

As in the paper: the square-root map of the simplex, so that a symbol is a vertex of a sphere; a coordinate for the mask,
from whose vertex walks start; ids split into m digits of base b, each with its own sphere; geometric beta from 1e-3 to
0.2; training points drawn from tabulated means and spreads instead of simulated walks; a cross-entropy at times that are
drawn mostly from a window; a drift that is linear in token probabilities; geodesic random walks.
Different here (each a field of `Config`; `Config.paper()` has the paper's own settings): the network reads the digits of
a word at one position and gives logits of words, so that the belief knows which digits go together and sequences stay
short (`readout="words"`); what a point itself says about its symbol is added to the logits in closed form (`evidence`),
so that the network is left with the context; it reads beside the points the mean of word vectors under what the points say
(`word_width`), because two digits, of 29 values each, do not tell by a linear map which of 817 words they are; the mask
is the only start, whose likelihood bound is strict (the paper's text8 model mixes two). Sampling redraws every word at
each step unless the paper's walk is asked for, because it writes better. The paper's formula for the spread lacks a
factor; the table here is the corrected one. Times from the window are not weighed back: the window is a weight of the loss.

Source: Jo and Hwang (2025), arXiv 2502.11564.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffusion.core import schedules
from diffusion.core.beliefs import guide, most_likely_text, with_temperature
from diffusion.core.rng import BatchRng, Rng
from diffusion.core.types import Prediction, Request
from diffusion.nn.backbone import Backbone, BackboneConfig
from diffusion.spheres import geometry as sphere
from diffusion.spheres.bridge import KEPT, Bridge, Schedule, SphereModel
from diffusion.spheres.window import Window
from diffusion.text.labels import LabelSet
from diffusion.text.vocab import Vocabulary

BOUND_STEPS = 500        # steps of a simulated walk in the likelihood bound (paper, evaluation)
BOUND_END = 1e-4         # time at which the bound leaves the walk to the belief
BOUND_TIMES = Window(0.2, 0.8, 0.35)                     # where the bound looks; its mean is the same for any


@dataclass(frozen=True, slots=True)
class Config:
    """What an RDLM is made of. Times are this project's: 1 at the start of a walk, 0 at the word.

    Attributes:
        base: symbols of a digit, b; 0 for the smallest that needs the fewest digits (29 for 817 words, two digits).
        readout: "words": the network gives logits of words; "digits": of digits, which are taken to be independent.
        evidence: the log-likelihood of a point under each symbol is added to the network's logits.
        word_width: size of the word vectors whose mean, under that likelihood and learned frequencies of words, the network
            reads beside the points; 0 for the points alone.
        prior: where walks start: "mask", the mask's vertex; "uniform", the middle of all vertices; "mixed", the middle
            for times above 1 - `threshold` and the mask below, as two processes that one network learns.
        objective: "cross-entropy-is": at times mostly from the window; "cross-entropy": at all times alike;
            "drift": half the squared error of the drift over beta, unbiased.
        window, floor: two times, and the share of times drawn from all instead of from between them.
    """

    backbone: BackboneConfig = field(default_factory=BackboneConfig)
    base: int = 0
    readout: Literal["words", "digits"] = "words"
    evidence: bool = True
    word_width: int = 0
    prior: Literal["mask", "uniform", "mixed"] = "mask"
    threshold: float = 0.35                              # paper, text8
    objective: Literal["cross-entropy-is", "cross-entropy", "drift"] = "cross-entropy-is"
    window: tuple[float, float] = (0.35, 0.8)
    floor: float = 0.1
    schedule: str = "geometric"
    beta_low: float = 1e-3
    beta_high: float = 0.2

    @classmethod
    def paper(cls, backbone: BackboneConfig) -> Config:
        """The paper's own settings for text8 on this backbone."""
        return cls(backbone, readout="digits", evidence=False, prior="mixed", window=(0.4, 0.7), floor=1e-2)


class RDLM(SphereModel):
    """Every word is written in a few digits, and every digit is a point on a sphere. All points start at one pole; a random
    walk carries each to the vertex of its digit, pulled by what the model believes about the words."""

    slug: ClassVar[str] = "rdlm"
    title: ClassVar[str] = "RDLM"
    config_type: ClassVar[type] = Config
    paths: ClassVar[tuple[str, ...]] = ("fp32", "onednn", "bf16", "compiled")
    temperature: ClassVar[float] = 0.5                   # the most varied that stays fluent; the choice is in the domain's results
    samplers: ClassVar[tuple[str, ...]] = ("redraw", "geodesic", "sphere-ode")

    def __init__(self, config: Config, vocab: Vocabulary, labels: LabelSet) -> None:
        super().__init__(config, vocab, labels)
        self.length, words = config.backbone.length, len(vocab)
        self.base = min(config.base, words) or sphere.choose_base(words)
        self.count = sphere.digits_needed(words, self.base)
        width = self.base * self.count
        self.network = Backbone(config.backbone, width + config.word_width, words if config.readout == "words" else width)
        if config.word_width:
            self.words = nn.Parameter(torch.randn(words, config.word_width))
            self.frequent = nn.Parameter(torch.zeros(words))
        schedule = Schedule(config.schedule, config.beta_low, config.beta_high)
        self.late = Bridge(schedule, self.base, uniform=config.prior == "uniform")
        self.early = Bridge(schedule, self.base, uniform=True) if config.prior == "mixed" else self.late
        self.window = Window(*config.window, config.floor)
        self._readings: dict[float, tuple[Tensor, Tensor, Tensor]] = {}
        self.register_buffer("digits", sphere.to_digits(torch.arange(words), self.base, self.count), persistent=False)
        ruled_out = torch.zeros(self.never().shape).masked_fill(self.never(), -torch.inf)
        self.register_buffer("ruled_out", ruled_out, persistent=False)

    # ---- the belief

    @property
    def bound_is_strict(self) -> bool:
        """Whether `bound` is one: it is not where two processes are mixed."""
        return self.config.prior != "mixed"

    def bridge(self, t: float) -> Bridge:
        """The walks at time t."""
        return self.early if t > 1 - self.config.threshold else self.late

    def _at(self, t: Tensor, what: str) -> Tensor | tuple[Tensor, Tensor]:
        """A quantity of the bridges at times (B, 1, 1), each of the process that is its time's."""
        late = getattr(self.late, what)(t)
        if self.early is self.late:
            return late
        early, first = getattr(self.early, what)(t), t > 1 - self.config.threshold
        if isinstance(late, tuple):
            return torch.where(first[..., None], early[0], late[0]), torch.where(first, early[1], late[1])
        return torch.where(first, early, late)

    def _reading(self, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """How points at times (B,) are read, (B, 1, 1, b or 1) each: centre and scale of a coordinate, evidence in a unit of it.

        Of one time for all rows it is computed once, because every run asks for it.
        """
        at = t.item() if schedules.shared(t) else None
        found = None if at is None else self._readings.get(at)
        if found is None:
            times = t[:, None, None]
            centre, scale = self._at(times, "scale")
            found = centre, scale[..., None], self._at(times, "evidence")[..., None]
            if at is not None and len(self._readings) < KEPT:
                self._readings[at] = found
        return found

    def believe(self, x: Tensor, t: Tensor, label: Tensor) -> Tensor:
        """One network evaluation: points x (B, L, m, b + 1), t (B,) or (1,), label (B, S) -> logits (B, L, V)."""
        points, (centre, scale, evidence) = x[..., :-1], self._reading(t)
        inputs = ((points - centre) / scale).flatten(2)                                      # (B, L, m b)
        symbols = points * evidence
        if self.config.word_width:
            alone = (sphere.join(symbols, len(self.vocab)) + self.frequent).softmax(-1)      # each position by itself
            inputs = torch.cat([inputs, alone @ self.words], -1)
        output = self.evaluate(inputs, t, label).float()
        symbols = symbols if self.config.evidence else torch.zeros_like(points)
        if self.config.readout == "words":
            return output + sphere.join(symbols, len(self.vocab)) if self.config.evidence else output
        return sphere.join((output.view_as(points) + symbols).log_softmax(-1), len(self.vocab))

    def predict(self, state: Tensor, t: float, request: Request) -> Prediction:
        """The belief at time t, guided by the label where the request asks for it."""
        label, scale = self.label_batch(request), request.guidance_scale
        batch = len(label)
        both = scale not in (0, 1) and bool((label != 0).any())
        if both:
            label, state = torch.cat([label, torch.zeros_like(label)]), state.repeat(2, 1, 1, 1)
        elif scale == 0:
            label = torch.zeros_like(label)
        logits = self.believe(state, schedules.moment(t, state.device), label)
        guided = guide(logits[:batch], logits[batch:], request) if both else logits
        length = guided.shape[1]
        if self.sharpness(request) != 1:
            guided = with_temperature(guided, self.sharpness(request))
        return self._prediction(guided + self.ruled_out[:length], 2 if both else 1)

    def _prediction(self, logits: Tensor, nfe: int) -> Prediction:
        """A belief about words, with the distributions of digits (B, L, m, b) that the walk needs of it."""
        probs = logits.softmax(-1)
        return Prediction(logits, sphere.marginals(probs, self.base, self.count), nfe, probs)

    def absorb(self, prediction: Prediction, wanted: Tensor) -> Prediction:
        """The belief changed by the wish; the walk is pulled by the digits of the changed belief, exactly."""
        return self._prediction(prediction.logits + wanted, prediction.nfe)

    def lost(self, logits: Tensor) -> Tensor:
        """Nats by which a belief (B, L, V) says more than its digits do one by one, (B, L): its total correlation.

        The walk of an infinitely short step needs no more than the digits; this is what is lost if they are drawn alone.
        """
        probs = logits.softmax(-1)
        parts = sphere.marginals(probs, self.base, self.count)
        return torch.special.entr(parts).sum((-1, -2)) - torch.special.entr(probs).sum(-1)

    # ---- the process

    def network_inputs(self, batch: int) -> tuple[Tensor, ...]:
        """Zeros for `batch` rows: coordinates and mean word vector (B, L, m b + word_width), a time (1,), labels (B, S)."""
        zeros = torch.zeros(batch, self.length, self.base * self.count + self.config.word_width, device=self.device)
        return zeros, torch.full((1,), 0.5, device=self.device), self.labels.free().to(self.device).expand(batch, -1)

    def prior(self, request: Request, rng: Rng) -> Tensor:
        """The start, the same for all, (B, L, m, b + 1)."""
        start = self.early.start.to(self.device)
        return start.repeat(len(request.seeds), request.length, self.count, 1)

    def noise(self, tokens: Tensor, t: float, rng: Rng) -> Tensor:
        """Points at time t of walks to the digits of tokens (B, L)."""
        return self.bridge(t).noised_at(self.digits[tokens], t, rng)

    def survival(self, t: float) -> Tensor:
        """Share of the mean point's power that lies on its vertex, the probability that the square-root map gives it, (1,)."""
        bridge = self.bridge(t)
        return bridge.arc(bridge.place(torch.tensor([t]))[0])[1].square()

    @torch.no_grad()
    def glimpse(self, state: Tensor, t: float) -> Tensor:
        """The evidence of the points for each of their symbols, put together to words, (B, L, V)."""
        evidence = self.bridge(t).evidence(torch.full((1, 1, 1), t, device=state.device))
        return sphere.join(state[..., :-1] * evidence[..., None], len(self.vocab)).log_softmax(-1)

    def decode(self, state: Tensor) -> Tensor:
        """The word whose vertices are nearest, (B, L)."""
        return sphere.join(state[..., :-1], len(self.vocab)).argmax(-1)

    def finish(self, state: Tensor, prediction: Prediction) -> Tensor:
        """The most likely text under the last belief: words, one END, then PAD."""
        return most_likely_text(prediction.logits)

    # ---- training

    def loss(self, tokens: Tensor, label: Tensor, rng: BatchRng, source: Tensor | None = None) -> Tensor:
        """Cross-entropy of the belief in nats a position, or the paper's ELBO form in nats a position, (B,)."""
        u, digits = rng.times(), self.digits[tokens]
        t = u if self.config.objective == "cross-entropy" else self.window.quantile(u)
        x = self._noised(digits, t, rng)
        logits = self.believe(x, t, label)
        if self.config.objective == "drift":
            return self._drift_error(logits, x, digits, t) / self.window.density(t) / tokens.shape[1]
        return F.cross_entropy(logits.transpose(1, 2), tokens, reduction="none").mean(1)

    def _noised(self, digits: Tensor, t: Tensor, rng: BatchRng) -> Tensor:
        """Points at times (B,) of walks to digits (B, L, m), each of the process that is its time's."""
        times = t[:, None, None]
        x = self.late.noised(digits, times, rng)
        if self.early is self.late:
            return x
        return torch.where((times > 1 - self.config.threshold)[..., None], self.early.noised(digits, times, rng), x)

    def _drift_error(self, logits: Tensor, x: Tensor, digits: Tensor, t: Tensor) -> Tensor:
        """1/2 |eta_theta - eta_k|^2 / beta at times (B,), summed over digits and positions, (B,). Paper, equation 13."""
        schedule = self.late.schedule
        believed = sphere.marginals(logits.softmax(-1), self.base, self.count)
        error = sphere.pull(x, believed - F.one_hot(digits, self.base))                      # the pull is linear in p
        return 0.5 * (schedule.gamma(t).square() / schedule.beta(t)) * error.square().sum((1, 2, 3))

    def bound(self, tokens: Tensor, label: Tensor, rng: BatchRng) -> Tensor:
        """The likelihood bound by Girsanov, (B,) nats: 1/2 int |eta_theta - eta_k|^2 / beta + E -log p(text | X_end).

        One simulated walk of `BOUND_STEPS` steps a row, looked at once on its way, at a time of `BOUND_TIMES`, and once
        at its end, `BOUND_END`. It costs two network evaluations and the walk, in two coordinates a digit. A bound, up to the
        walk's steps, where all walks have one start; with the mixed prior the two halves belong to two processes and the
        sum bounds nothing (`bound_is_strict`). Source: the paper's section on likelihood, its omitted last term included.
        """
        digits, end = self.digits[tokens], torch.full((len(tokens),), BOUND_END, device=tokens.device)
        t = BOUND_TIMES.quantile(rng.times()).clamp(min=BOUND_END)
        x, last = self.late.walked(digits, torch.stack([t, end], 1), BOUND_STEPS // 2, rng)
        if self.early is not self.late:
            early = self.early.walked(digits, t[:, None], BOUND_STEPS // 2, rng)[0]
            x = torch.where((t > 1 - self.config.threshold)[:, None, None, None], early, x)
        walk = self._drift_error(self.believe(x, t, label), x, digits, t) / BOUND_TIMES.density(t)
        final = F.cross_entropy(self.believe(last, end, label).transpose(1, 2), tokens, reduction="none").sum(1)
        return walk + final
