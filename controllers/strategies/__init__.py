"""Ways of steering: the common port, and later the papers' own."""

from __future__ import annotations

from controllers.strategies.absorb import Absorb
from controllers.strategies.base import Steering

STRATEGIES: dict[str, type[Steering]] = {kind.slug: kind for kind in (Absorb,)}
