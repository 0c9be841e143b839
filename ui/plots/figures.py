"""Frames as plotly figures: how a run went over its steps. Pure functions; the data of each is tested, not its pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ui.plots.tokens import SCALE, name_of, plain

if TYPE_CHECKING:
    from diffusion.core.trace import Frame

# Okabe and Ito (2008): told apart with every kind of colour vision.
LINES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
COLORSCALE = [[index / (len(SCALE) - 1), colour] for index, colour in enumerate(SCALE)]
FONT = "ui-sans-serif, system-ui, sans-serif"


def curves(frames: Sequence[Frame]) -> go.Figure:
    """Mean entropy of each sample in nats, and under it each control's probability, over the steps."""
    names = list(frames[0].satisfaction)
    figure = make_subplots(rows=2 if names else 1, cols=1, shared_xaxes=True, vertical_spacing=0.08)
    steps = [frame.index + 1 for frame in frames]
    entropy = np.stack([frame.entropy.astype("f4").mean(-1) for frame in frames])               # (N, B)
    for sample in range(entropy.shape[1]):
        figure.add_trace(go.Scatter(x=steps, y=entropy[:, sample], name=f"sample {sample + 1}", mode="lines",
                                    line={"width": 1.5, "color": LINES[sample % len(LINES)]}), row=1, col=1)
    for place, name in enumerate(names):
        values = np.array([frame.satisfaction[name] for frame in frames]).mean(1)
        figure.add_trace(go.Scatter(x=steps, y=values, name=plain(name), mode="lines",
                                    line={"width": 2, "dash": ("solid", "dash", "dot")[place % 3],
                                          "color": LINES[place % len(LINES)]}), row=2, col=1)
    figure.update_yaxes(title_text="mean entropy (nats)", rangemode="tozero", row=1, col=1)
    if names:
        figure.update_yaxes(title_text="control, before enforced", range=[-0.02, 1.02], row=2, col=1)
    figure.update_xaxes(title_text="step", row=2 if names else 1, col=1)
    return _styled(figure, 420 if names else 280)


def lifelines(frames: Sequence[Frame], words: Sequence[str], sample: int = 0) -> go.Figure:
    """One sample as position × step: how probable the final word of each position was at each step.

    A word outside a step's eight stored candidates counts as 0.
    """
    final = frames[-1].ids[sample]                                                              # (L,)
    last = int(np.flatnonzero(final).max(initial=0)) + 1                # up to END: the rest is padding
    heat = np.stack([((frame.top_ids[sample] == final[:, None]) * frame.top_probs[sample]).sum(-1)[:last]
                     for frame in frames]).T.astype("f4")                                       # (last, N)
    then = [[plain(name_of(int(frame.ids[sample][place]), words)) for frame in frames] for place in range(last)]
    labels = [f"{place + 1} {plain(name_of(int(final[place]), words))}" for place in range(last)]
    figure = go.Figure(go.Heatmap(
        z=heat, x=[frame.index + 1 for frame in frames], y=labels, text=then, zmin=0, zmax=1, colorscale=COLORSCALE,
        colorbar={"title": {"text": "probability"}, "thickness": 12},
        hovertemplate="step %{x}, position %{y}<br>then: %{text}<br>final word: %{z:.0%}<extra></extra>"))
    figure.update_yaxes(autorange="reversed", tickfont={"size": 11}, dtick=1)
    figure.update_xaxes(title_text="step")
    return _styled(figure, 120 + 18 * last)


def _styled(figure: go.Figure, height: int) -> go.Figure:
    look: dict[str, Any] = {"paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)"}
    grid = {"gridcolor": "rgba(128,128,128,.25)", "zeroline": False, "linecolor": "rgba(128,128,128,.5)"}
    figure.update_layout(height=height, margin={"l": 60, "r": 20, "t": 20, "b": 44}, font={"family": FONT, "size": 12},
                         legend={"orientation": "h", "y": 1.0, "yanchor": "bottom"}, hovermode="closest", **look)
    figure.update_xaxes(**grid)
    figure.update_yaxes(**grid)
    return figure
