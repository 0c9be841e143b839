"""RDLM's bridges: random walks on a sphere from a fixed start to the vertex of a symbol, and where they are at a time.

    dX = gamma log_X(e_k) d tau + sqrt(beta) dB,   gamma = beta / remaining,   tau = 1 - t

t is 1 at the start and 0 at the vertex, as everywhere in this project; the paper's own time is tau. A walk at time t is
nearly exp_mean(spread z) with z standard normal in the tangent space of `mean`, a point of the arc from the start to the
vertex. Where on the arc, and how wide, is tabulated from simulated walks: by symmetry two coordinates of each are enough.

Source: Jo and Hwang (2025), arXiv 2502.11564, section 3 and appendix B, with the moment of the radius corrected:
E cos(spread |z|) is 1F1(n/2; 1/2; -spread^2/2) without the paper's factor exp(-spread^2/2).
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from diffusion.core.errors import known_or_raise
from diffusion.core.model import DiffusionModel
from diffusion.core.rng import BatchRng, Rng
from diffusion.core.types import Space
from diffusion.spheres import geometry as sphere

TABLE_STEPS, WALKERS = 400, 1024
KEPT = 4096              # times of which constants are kept: every run asks for the same ones
SCHEDULES = ("geometric", "linear")


@dataclass(frozen=True, slots=True)
class Schedule:
    """How noisy the walk is: beta rises from `low` at the start (t = 1) to `high` at the vertex (t = 0).

    Raises:
        StudioError: there is no schedule of that name.
    """

    name: str = "geometric"
    low: float = 1e-3                                    # paper, configs/scheduler/geometric.yaml
    high: float = 0.2

    def __post_init__(self) -> None:
        known_or_raise("schedule of bridges", self.name, SCHEDULES)

    def beta(self, t: Tensor) -> Tensor:
        """Variance that a unit of time adds in every direction."""
        if self.name == "linear":
            return self.high + (self.low - self.high) * t
        return self.high * (self.low / self.high) ** t

    def remaining(self, t: Tensor) -> Tensor:
        """The integral of beta from t to 0: the variance that is still to come."""
        if self.name == "linear":
            return self.high * t + (self.low - self.high) * t.square() / 2
        return self.high * -torch.expm1(t * math.log(self.low / self.high)) / math.log(self.high / self.low)

    def gamma(self, t: Tensor) -> Tensor:
        """How fast the bridge pulls towards its vertex; infinite at t = 0."""
        return self.beta(t) / self.remaining(t)

    def step(self, t: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        """What a bridge does between t and s < t: the share of its distance that it keeps, and the variance it gains.

        Exact in flat space, for any step; the share that is gone replaces gamma dt.
        """
        keep = self.remaining(s) / self.remaining(t)
        return keep, self.remaining(s) * (1 - keep)

    def flat(self, t: Tensor) -> Tensor:
        """Standard deviation of the bridge in flat space."""
        share = self.remaining(t) / self.remaining(torch.ones_like(t))
        return (self.remaining(t) * (1 - share)).clamp(min=0).sqrt()


class Bridge:
    """All bridges of one schedule from one start on the sphere of b symbols.

    Attributes:
        start: the start, (b + 1,): the mask's vertex, or the point in the middle of all vertices.
        cosine: between the start and any vertex.
    """

    def __init__(self, schedule: Schedule, base: int, uniform: bool = False) -> None:
        self.schedule, self.base = schedule, base
        self.start = torch.full((base + 1,), (base + 1) ** -0.5) if uniform else torch.eye(base + 1)[base]
        self.cosine = (base + 1) ** -0.5 if uniform else 0.0
        self.sine = math.sqrt(1 - self.cosine**2)
        self._table = table(schedule, base, self.cosine)
        self._placed: dict[torch.device, tuple[Tensor, Tensor]] = {}
        self.around = lru_cache(maxsize=KEPT)(self._around)

    def _on(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Table and start where they are needed, in fp32."""
        if device not in self._placed:
            self._placed[device] = (self._table.float().to(device), self.start.to(device))
        return self._placed[device]

    def place(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Angle that the mean has moved from the start to the vertex, and spread around it, at times t of any shape."""
        values = self._on(t.device)[0].to(t.dtype)
        at = t.clamp(0, 1) * TABLE_STEPS
        left = at.floor().clamp(max=TABLE_STEPS - 1).long()
        low, high = values[left], values[left + 1]
        between = low + (at - left)[..., None] * (high - low)
        return between[..., 0], between[..., 1] * self.schedule.flat(t.double()).to(t.dtype)

    def arc(self, angle: Tensor) -> tuple[Tensor, Tensor]:
        """Weights of start and vertex in the point of their arc at that angle from the start."""
        return angle.cos() - self.cosine / self.sine * angle.sin(), angle.sin() / self.sine

    def mean(self, digits: Tensor, t: Tensor) -> Tensor:
        """The mean of the bridges to symbols (...), at times t that broadcast to them: (..., b + 1)."""
        first, second = self.arc(self.place(t)[0])
        vertex = F.one_hot(digits, self.base + 1).to(t.dtype)
        return first[..., None] * self._on(t.device)[1].to(t.dtype) + second[..., None] * vertex

    def noised(self, digits: Tensor, t: Tensor, rng: Rng | BatchRng) -> Tensor:
        """Points at times t of bridges to symbols (B, ...): exp_mean(spread z), (B, ..., b + 1)."""
        return _scattered(self.mean(digits, t), self.place(t)[1][..., None], rng)

    def noised_at(self, digits: Tensor, t: float, rng: Rng) -> Tensor:
        """The same at one time for all rows, bit by bit."""
        means, spread = self.around(t, digits.device)
        return _scattered(means[digits], spread, rng)

    def _around(self, t: float, device: torch.device) -> tuple[Tensor, Tensor]:
        """Means of the bridges to every symbol at time t (b, b + 1), and the spread around them (1,)."""
        time = torch.full((1,), t, device=device)
        return self.mean(torch.arange(self.base, device=device), time), self.place(time)[1]

    def evidence(self, t: Tensor, most: float = 200.0) -> Tensor:
        """Nats by which a symbol becomes likelier for each unit of its coordinate, at times t; at most `most`.

        The log-density of the Riemannian normal is nearly linear in the point's product with the mean; this is its slope
        at the usual distance from the mean.
        """
        angle, spread = self.place(t)
        usual = (spread * math.sqrt(self.base)).clamp(max=3)
        slope = (1 / spread.square() - (self.base - 1) * sphere.cosc(usual)) / sphere.sinc(usual)
        return torch.nan_to_num(slope * self.arc(angle)[1], nan=0.0, posinf=most).clamp(0, most)

    def scale(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Mean (..., b) and root mean square distance from it (...) of a symbol's coordinate, symbols all equally likely."""
        angle, spread = self.place(t)
        first, second = self.arc(angle)
        wide = spread * math.sqrt(self.base)
        square = second.square() + wide.square() / (1 + wide.square())
        return first[..., None] * self._on(t.device)[1][:-1].to(t.dtype), ((square + 1e-6) / self.base).sqrt()

    def flow(self, x: Tensor, probs: Tensor, t: float, s: float) -> Tensor:
        """Where the deterministic flow between times t and s pulls points x (..., b + 1) under a belief (..., b).

        The flow of symbol k turns its mean along the arc and brings x nearer to it as the spread shrinks, so that it carries
        the distribution at t exactly onto that at s; here the sum over k of p_k times the tangent vector that leads there.
        """
        (angle, ahead), (spread, later) = (column.tolist() for column in torch.stack(
            self.place(torch.tensor([t, s], dtype=torch.float64))))
        start = self._on(x.device)[1].to(x.dtype)
        p = sphere.dot(x, start)                                                   # (..., 1) along the start
        q = (x[..., :-1] - self.cosine * p) / self.sine                            # (..., b) along the arc to k
        cosine = math.cos(angle) * p + math.sin(angle) * q
        r, share = cosine.clamp(-1, 1).arccos(), later / spread
        turned = share * sphere.sinc(share * r) / sphere.sinc(r)                   # sin r' / sin r
        added = (1 - share) * sphere.sinc((1 - share) * r) / sphere.sinc(r)        # sin(r - r') / sin r
        cos, sin = math.cos(ahead - angle), math.sin(ahead - angle)
        to_start = turned * (p * cos - q * sin - p) + added * math.cos(ahead)
        to_arc = turned * (q * cos + p * sin - q) + added * math.sin(ahead)
        weights = probs * sphere.stretch(turned + to_start * p + to_arc * q)
        arcs = weights * to_arc / self.sine
        base = (weights * to_start - self.cosine * arcs).sum(-1, keepdim=True)
        return sphere.project(x, base * start + F.pad(arcs, (0, 1)))

    def walked(self, digits: Tensor, times: Tensor, steps: int, rng: BatchRng) -> list[Tensor]:
        """Points that simulated bridges to symbols (B, ...) pass: the walk itself, not its approximation.

        Args:
            times: where to look, (B, N), falling; each stretch between two looks is walked in `steps` steps.

        Returns the N points (B, ..., b + 1), of one walk a row.
        """
        shape, looks = digits.shape, []
        a = torch.full(shape, self.cosine, device=digits.device)
        g = torch.full(shape, self.sine, device=digits.device)
        before = torch.ones_like(times[:, 0])
        for column in times.T:
            for index in range(steps):
                t, s = before + (column - before) * index / steps, before + (column - before) * (index + 1) / steps
                keep, variance = (_over(value.float(), a) for value in self.schedule.step(t.double(), s.double()))
                a, g = _walk(a, g, keep, variance.sqrt(), self.base, [rng.normal(*shape[1:]) for _ in range(3)])
            before = column
            looks.append(self._point(a, g, digits, rng))
        return looks

    def _point(self, a: Tensor, g: Tensor, digits: Tensor, rng: BatchRng) -> Tensor:
        """A point with product a with its vertex and g with the start's other direction; all else is drawn."""
        vertex = F.one_hot(digits, self.base + 1).to(a.dtype)
        side = (self._on(a.device)[1] - self.cosine * vertex) / self.sine
        rest = rng.normal(*vertex.shape[1:])
        rest = F.normalize(rest - sphere.dot(rest, vertex) * vertex - sphere.dot(rest, side) * side, dim=-1)
        length = (1 - a.square() - g.square()).clamp(min=0).sqrt()
        return a[..., None] * vertex + g[..., None] * side + length[..., None] * rest


def _scattered(mean: Tensor, spread: Tensor, rng: Rng | BatchRng) -> Tensor:
    """exp_mean(spread z) for means (B, ..., b + 1), z standard normal in the tangent space."""
    return sphere.exp(mean, spread * sphere.project(mean, rng.normal(*mean.shape[1:])))


def _over(values: Tensor, like: Tensor) -> Tensor:
    """Values of rows (B,), shaped to broadcast over (B, ...)."""
    return values.view(-1, *[1] * (like.dim() - 1))


def _walk(a: Tensor, g: Tensor, keep: Tensor, std: Tensor, n: int, noise: list[Tensor]) -> tuple[Tensor, Tensor]:
    """One geodesic step of a bridge on S^n, in the point's products with its vertex (a) and with an orthogonal axis (g).

    Towards the vertex by the share 1 - keep of the angle, then a step of noise of which three components are drawn and
    the n - 2 others have their mean length.
    """
    angle = torch.atan2((1 - a.square()).clamp(min=0).sqrt(), a)
    a, g = (angle * keep).cos(), g * keep * sphere.sinc(angle * keep) / sphere.sinc(angle)
    rest = (1 - a.square() - g.square()).clamp(min=0).sqrt()
    along = a * noise[0] + g * noise[1] + rest * noise[2]
    square = (noise[0].square() + noise[1].square() + noise[2].square() - along.square() + (n - 2)).clamp(min=0)
    length = std * square.sqrt()
    stay, move = length.cos(), std * sphere.sinc(length)
    return stay * a + move * (noise[0] - along * a), stay * g + move * (noise[1] - along * g)


@lru_cache(maxsize=16)
def table(schedule: Schedule, n: int, cosine: float) -> Tensor:
    """Angle of the mean from the start, and spread as a multiple of `Schedule.flat`, at `TABLE_STEPS` + 1 times from 0 to 1.

    The mean of the walks has the direction of `mean` and the length E cos(spread |z|).
    """
    times = torch.linspace(1, 0, TABLE_STEPS + 1, dtype=torch.float64)
    keep, variance = schedule.step(times[:-1], times[1:])
    along, side = torch.tensor(_mean_walk(keep.tolist(), variance.sqrt().tolist(), n, cosine), dtype=torch.float64).T
    angle = math.acos(cosine) - torch.atan2(side, along)
    ratio = _spread_of(torch.hypot(along, side), n) / schedule.flat(times).clamp(min=1e-12)
    ratio[0], ratio[-1] = 1.0, ratio[-2]                 # 0 / 0 at both ends
    return torch.stack([angle, ratio], 1).flip(0)


def _mean_walk(keep: list[float], std: list[float], n: int, cosine: float) -> list[tuple[float, float]]:
    """Mean products (a, g) of walks with their vertex and with the orthogonal axis, at the start and after every step.

    Nothing is random: walkers are kept in order of a and given the quantiles of a normal distribution in the order of a
    lattice, another at every step; g is its expectation given the walker's way in a.
    """
    noise = torch.special.ndtri((torch.arange(WALKERS, dtype=torch.float64) + 0.5) / WALKERS).numpy()
    noise /= np.sqrt(np.square(noise).mean())
    lattice = np.arange(WALKERS) * (int(WALKERS * 0.618) | 1)
    a, g = np.full(WALKERS, cosine), np.full(WALKERS, math.sqrt(1 - cosine**2))
    means = [(float(a[0]), float(g[0]))]
    for index, (share, scale) in enumerate(zip(keep, std, strict=True)):
        angle = np.maximum(np.arccos(a.clip(-1, 1)), 1e-9)
        near, side = np.cos(angle * share), np.sin(angle * share)
        step = scale * noise[(lattice + 7 * index) % WALKERS]
        length = np.sqrt(np.square(step) + scale**2 * (n - 1))
        stay, move = np.cos(length), step * np.sinc(length / math.pi)
        g = g * side / np.sin(angle) * (stay - move * near / np.maximum(side, 1e-9))
        a = stay * near + move * side
        order = a.argsort(kind="stable")
        a, g = a[order], g[order]
        means.append((float(a.mean()), float(g.mean())))
    return means


def _spread_of(length: Tensor, n: int) -> Tensor:
    """The spread whose E cos(spread |z|) is `length`, z standard normal in n dimensions; on the first, falling branch."""
    spread = torch.linspace(0, 2.5 / math.sqrt(n), 1001, dtype=torch.float64)
    moment = cosine_moment(spread, n)
    left = torch.searchsorted(-moment, -length.clamp(float(moment.min()), 1.0)).clamp(1, len(moment) - 1)
    low, high = moment[left - 1], moment[left]
    square = torch.lerp(spread[left - 1].square(), spread[left].square(), ((low - length) / (low - high)).clamp(0, 1))
    return square.sqrt()


def cosine_moment(spread: Tensor, n: int) -> Tensor:
    """E cos(spread |z|) for z standard normal in n dimensions, 1F1(n/2; 1/2; -spread^2/2), by quadrature; spread (N,)."""
    radius = torch.linspace(0, math.sqrt(n) + 9, 501, dtype=torch.float64)
    weight = torch.softmax((n - 1) * radius.clamp(min=1e-300).log() - radius.square() / 2, 0)
    return (spread[:, None] * radius).cos() @ weight


class SphereModel(DiffusionModel):
    """A paper whose state is points on spheres (B, L, m, b + 1): what the samplers on spheres need besides the contract.

    `Prediction.native` are the distributions of the digits, (B, L, m, b).
    """

    space: ClassVar[Space] = Space.SPHERES

    @abstractmethod
    def bridge(self, t: float) -> Bridge:
        """The walks at time t."""
