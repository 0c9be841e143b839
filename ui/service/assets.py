"""Where the bundled domain's files lie, for what must be known before torch is there (`diffusion.text.domain` brings it along)."""

from __future__ import annotations

from pathlib import Path

ASSETS = Path(__file__).resolve().parents[2] / "assets"
DOMAIN = min(path.parent for path in (ASSETS / "domains").glob("*/domain.json"))
TRACES, RESULTS, MAPS, PROBES = DOMAIN / "traces", DOMAIN / "results", DOMAIN / "maps", DOMAIN / "probes"
