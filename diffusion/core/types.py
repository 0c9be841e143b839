"""The values that travel between models, samplers, strategies and the loop.

B sequences, L positions, V words, D width of an embedding; time t is 1 at noise and 0 at text.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from numbers import Integral
from typing import Any

import torch
from torch import Tensor

from diffusion.core.errors import StudioError


class Space(StrEnum):
    """What a state is: a sampler walks through some of these, a paper lives in one."""

    GAUSSIAN = "Gaussian vectors"
    MASKED = "masked words"
    REPLACED = "words replaced at random"
    SPHERES = "points on spheres"
    PREFIX = "the beginning of a text"


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model believes the finished text is, given a noisy state.

    Attributes:
        logits: belief about x0, (B, L, V).
        native: what this paper's own update consumes; for embedding diffusion x0_hat, (B, L, D).
        nfe: network evaluations that this prediction took.
        probs: softmax of the logits, where the paper has computed it anyway.
        refine: from positions (B, L) whose words a step decides, the probabilities (B, L, V) to draw them from: a strategy's closer
            look, too dear for all positions. Samplers that decide words for good ask it, where it is there.
    """

    logits: Tensor
    native: Tensor
    nfe: int = 1
    probs: Tensor | None = None
    refine: Callable[[Tensor], Tensor] | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What to sample.

    Attributes:
        length: positions of a text; 0 for the model's own number.
        sampler: slug; empty for the model's first.
        words: fewest and most words, where a controller asked for it; infills choose the sizes of their blanks by it.
        label: (S,) or (B, S) slot value ids; None leaves every slot unknown.
        guidance_scale: classifier-free guidance: 0 ignores the label, 1 is conditional, above 1 sharpened.
        guidance_limit: nats; how far guidance above 1 may push any logit from the conditional one. Tuned on held-out rows.
        temperature: divides the logits of every belief, below 1 is sharper; None for the paper's own default.
        clamp: share of the steps, at the end, whose prediction is rounded to the nearest word (Diffusion-LM).
        eta: share of the ancestral noise that DDIM adds.
        source: (M,) or (B, M) ids of `diffusion.text.source`, for papers that read one; None for the empty source.
        mix, mix_share: of the sampler `renoise`: chance with which a step of the first `mix_share` of the steps draws x_s anew
            from q(x_s | x0_hat) instead of from the posterior (SeqDiffuSeq's generation by mix; both 1: by q).
        revise: committed words that SEDD masks again at every step, the least likely first.
        strategy: slug of the way of steering that the request is meant for.
        inner_steps: rounds of wish and answer within one step, of strategies that have them; 0 for the strategy's own number.
        window_from, window_until: the part of the time from noise (0) to text (1) in which wishes act; masks always do.
        fluency: weight of staying near the model's own step (Diffusion-LM's lambda); 0 for the strategy's or the task's own.
        particles: copies of a sample that compete as they are written, by the controllers' own log-probability.
        rerank: finished texts (each of as many particles) of which the best by the same measure is kept.
    """

    length: int = 0
    seeds: tuple[int, ...] = (0,)                    # an int or a list is made a tuple
    steps: int = 64
    sampler: str = ""
    source: Tensor | None = None
    label: Tensor | None = None
    guidance_scale: float = 1.0
    guidance_limit: float = 2.0
    strategy: str = "absorb"
    temperature: float | None = None
    clamp: float = 0.0
    eta: float = 0.0
    mix: float = 1.0
    mix_share: float = 1.0
    revise: int = 0
    inner_steps: int = 0
    window_from: float = 0.0
    window_until: float = 1.0
    fluency: float = 0.0
    particles: int = 1
    rerank: int = 1
    words: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        """One seed is a tuple of one.

        Raises:
            StudioError: a field is of another type than the loop reads.
        """
        given = (self.seeds,) if isinstance(self.seeds, Integral) else self.seeds
        seeds = tuple(given) if isinstance(given, Iterable) and not isinstance(given, str) else (None,)
        if any(not isinstance(seed, Integral) or isinstance(seed, bool) for seed in seeds):
            raise StudioError(f"Seeds are whole numbers, seeds=1 or seeds=(1, 2, 3); got {str(self.seeds)[:60]!r}.")
        object.__setattr__(self, "seeds", tuple(map(int, seeds)))
        for name in ("steps", "length", "particles", "rerank", "revise", "inner_steps"):
            if type(getattr(self, name)) is not int:
                raise StudioError(f"'{name}' is a whole number; got {str(getattr(self, name))[:60]!r}.")

    @property
    def copies(self) -> int:
        """Rows of the batch that are written for each sample, of which one is kept."""
        return self.particles * self.rerank

    def with_(self, **changes: Any) -> Request:
        """The same request with some fields changed."""
        return dataclasses.replace(self, **changes)


@dataclass(frozen=True, slots=True)
class Gaussian:
    """A state of embedding or latent diffusion: the noisy x_t and the last x0_hat, both (B, L, D).

    `x0_hat` feeds self-conditioning and is zero before the first prediction.
    """

    x: Tensor
    x0_hat: Tensor


@dataclass(frozen=True, slots=True)
class Transition:
    """A drawn step from t to s, with the distribution it was drawn from.

    Attributes:
        state: the state at time s.
        mean, std: of the Gaussian that x_s was drawn from, where the step is Gaussian.
        log_probs: (B, L, V) of the categorical that words were drawn from, where the step draws words; up to a constant at
            each position.
    """

    state: Any
    mean: Tensor | None = None
    std: Tensor | None = None
    log_probs: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a running sample: live tensors, before the state moved from t to s.

    Attributes:
        index: position in the loop, 0 first; `steps` is the number of steps.
        free, steered: logits (B, L, V) of the belief before and after the controllers.
        probs: softmax of `steered`, where it was computed anyway.
        text: (B, L) the finished text; None before the last step.
        satisfaction: per controller, its log-probability of success under the belief before masks, (B,).
        seconds: since the loop began.
    """

    index: int
    steps: int
    t: float
    s: float
    free: Tensor
    steered: Tensor
    state: Any
    nfe: int
    seconds: float
    probs: Tensor | None = None
    text: Tensor | None = None
    satisfaction: dict[str, Tensor] = field(default_factory=dict)

    @property
    def ids(self) -> Tensor:
        """(B, L) the most likely word at each position; after the last step, the text."""
        return self.steered.argmax(-1) if self.text is None else self.text


def entropy(logits: Tensor) -> Tensor:
    """Entropy in nats of each position's belief, (B, L, V) -> (B, L)."""
    log_probs = torch.log_softmax(logits.float(), -1)
    return -(log_probs.exp() * log_probs.clamp(min=-1e4)).sum(-1)
