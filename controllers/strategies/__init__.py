"""Ways of steering: the common port, and the papers' own."""

from __future__ import annotations

from controllers.strategies.absorb import Absorb
from controllers.strategies.base import Steering
from controllers.strategies.discrete import Discrete
from controllers.strategies.langevin import Langevin
from controllers.strategies.langevin_denoiser import LangevinDenoiser

STRATEGIES: dict[str, type[Steering]] = {kind.slug: kind for kind in (Absorb, Langevin, LangevinDenoiser, Discrete)}
