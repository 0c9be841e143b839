"""Small line charts as SVG text: what a page shows of numbers that do not change. Colours are the style sheet's classes."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 560, 190, 40, 10, 10, 34


@dataclass(frozen=True)
class Line:
    """A line of a chart.

    Attributes:
        name: in the legend.
        points: (x, y) from left to right.
        colour: its number (0 to 5).
        notes: what each point is; with them points have dots that tell it when they are pointed at.
    """

    name: str
    points: Sequence[tuple[float, float]]
    colour: int = 0
    notes: Sequence[str] = ()


def ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Round numbers from at most `low` to at least `high`, about so many."""
    if high <= low:
        high = low + 1
    raw = (high - low) / about
    size = 10 ** math.floor(math.log10(raw))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 10) for number in range(first, last + 1)]


def doublings(low: float, high: float) -> list[float]:
    """The powers of two from at most `low` to `high`; both are more than 0."""
    return [2.0**power for power in range(math.floor(math.log2(low)), math.floor(math.log2(high)) + 1)]


def chart(lines: Sequence[Line], x_title: str, y_title: str, label: str, doubling: bool = False) -> str:
    """A chart with its legend; every text is escaped.

    Args:
        x_title, y_title: what stands on the axes, with units.
        label: what is seen, in a sentence, for readers who do not see it.
        doubling: equal ways to the right are equal factors of x, not equal differences.
    """
    points = [point for line in lines for point in line.points]
    right, up = max(x for x, _ in points), ticks(0, max(y for _, y in points))
    left = min(x for x, _ in points)
    across = doublings(left, right) if doubling else [x for x in ticks(left, right) if x <= right]
    scale = math.log2 if doubling else float

    def place(x: float, y: float) -> tuple[float, float]:
        return (LEFT + (WIDTH - LEFT - RIGHT) * (scale(x) - scale(across[0])) / (scale(right) - scale(across[0]) or 1),
                HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (y - up[0]) / (up[-1] - up[0]))

    parts = [f'<line class="tdl-grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{place(across[0], y)[1]:.1f}" '
             f'y2="{place(across[0], y)[1]:.1f}"/><text x="{LEFT - 5}" y="{place(across[0], y)[1] + 3.5:.1f}" '
             f'text-anchor="end">{number(y)}</text>' for y in up]
    parts += [f'<text x="{place(x, up[0])[0]:.1f}" y="{HEIGHT - BOTTOM + 14}" text-anchor="'
              f'{"end" if x > 0.97 * right else "middle"}">{number(x)}</text>' for x in across]
    parts += [f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 4}" text-anchor="end">{html.escape(x_title)}</text>']
    for line in lines:
        path = " ".join(f"{a:.1f},{b:.1f}" for a, b in (place(x, y) for x, y in line.points))
        parts.append(f'<polyline class="tdl-curve tdl-c{line.colour}" points="{path}"/>')
        parts += [f'<circle class="tdl-dot tdl-c{line.colour}" cx="{place(*point)[0]:.1f}" cy="{place(*point)[1]:.1f}" r="3.5">'
                  f"<title>{html.escape(note)}</title></circle>" for point, note in zip(line.points, line.notes, strict=False)]
    keys = "".join(f'<span class="tdl-keyline tdl-c{line.colour}"><i></i>{html.escape(line.name)}</span>' for line in lines)
    return (f'<figure class="tdl-panel tdl-chart"><figcaption><span class="tdl-panel-title">{html.escape(y_title)}</span>{keys}'
            f'</figcaption><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(label)}">{"".join(parts)}</svg>'
            f"</figure>")


def number(value: float) -> str:
    """A number as an axis shows it, thousands set apart."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"
