"""Frames as what a page shows of them: words coloured by confidence, as HTML and as the thin messages of a live run.

Pure functions on frames; the player (ui/static/player/) draws the same colours, which are defined here once.
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from diffusion.core.trace import Frame

PAD, END, UNK = 0, 1, 2          # ids of the specials in every vocabulary (diffusion/text/vocab.py)
SPECIAL_NAMES = {PAD: "PAD", END: "END", UNK: "UNK"}
SPECIAL_TITLES = {"PAD": "padding: nothing stands here", "END": "end of the text", "UNK": "a word outside the vocabulary"}

# From navy (0 %) to cream (100 %), even steps of OKLab lightness: it reads in grey and for every kind of colour vision.
SCALE = ("#1f2a5c", "#293b6e", "#344d80", "#3f5f93", "#53769a", "#698ca1", "#7fa3a6", "#a0b9ab", "#c2ceaf", "#e0e2ba",
         "#fbf3cf")


# From nothing to much, for pressure: even steps from a warm grey to vermilion (Okabe and Ito), told apart in grey too.
PRESSURES = ("#f4f4f0", "#fde8d3", "#fbcfa4", "#f5b076", "#ec8f4b", "#dd6f22", "#b9500a", "#7f3403")


def luminance(colour: str) -> float:
    """Relative luminance of ``#rrggbb``, 0 black to 1 white. Source: WCAG 2.2."""
    parts = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def ink(colour: str) -> str:
    """Black or white, whichever reads better on `colour`: a contrast of at least 4.5 to 1."""
    return "#000000" if luminance(colour) > 0.179 else "#ffffff"


INKS = tuple(ink(colour) for colour in SCALE)
PRESSURE_INKS = tuple(ink(colour) for colour in PRESSURES)


def level(probability: float) -> int:
    """The colour of a probability as a place in `SCALE`."""
    return min(len(SCALE) - 1, max(0, round(probability * (len(SCALE) - 1))))


def percent(probability: float) -> int:
    """A probability as a whole percentage, for messages."""
    return round(100 * float(probability))


def shown(frame: Frame) -> list[list[tuple[int, float]]]:
    """For each sample its words with the probability of each; trailing PAD is left out.

    A word that is not among the stored candidates (the last frame picks the best whole text) has the probability 0 here,
    which is less than the smallest that is stored.
    """
    rows = []
    for ids, top_ids, top_probs in zip(frame.ids, frame.top_ids, frame.top_probs, strict=True):
        probs = ((top_ids == ids[:, None]) * top_probs).sum(-1)
        length = int((ids != PAD).nonzero()[0].max(initial=-1)) + 1
        rows.append([(int(word), float(prob)) for word, prob in zip(ids[:length], probs[:length], strict=True)])
    return rows


def live(frame: Frame, words: Sequence[str], steps: int) -> dict[str, Any]:
    """A frame as the thin message that a running sample streams: words with whole percentages, means for the curves."""
    rows = [[[name_of(word, words), percent(prob), int(word in SPECIAL_NAMES)] for word, prob in row] for row in shown(frame)]
    return {"kind": "live", "index": frame.index, "steps": steps, "t": round(frame.t, 4), "s": round(frame.s, 4),
            "seconds": round(frame.seconds, 3), "length": int(frame.ids.shape[1]), "rows": rows,
            "entropy": [round(float(row.mean()), 4) for row in frame.entropy.astype("f4")],
            "satisfaction": frame.satisfaction}


def name_of(word: int, words: Sequence[str]) -> str:
    """A word as a chip shows it."""
    return SPECIAL_NAMES.get(word) or words[word]


def plain(text: str) -> str:
    """Text as plotly shows it literally: plotly reads a little HTML in every label."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def row_html(row: Sequence[tuple[int, float]], words: Sequence[str], pinned: Sequence[int] = ()) -> str:
    """One sample as HTML: a chip a word, every text escaped."""
    locked = set(pinned)
    chips = [_chip(name_of(word, words), prob, word in SPECIAL_NAMES, place in locked)
             for place, (word, prob) in enumerate(row)]
    return f'<p class="tdl-words">{" ".join(chips)}</p>'


def _chip(name: str, probability: float, special: bool, locked: bool) -> str:
    kind = "tdl-chip" + (" tdl-special" if special else "") + (" tdl-pinned tdl-locked" if locked else "")
    place = level(probability)
    style = "" if special else f' style="background:{SCALE[place]};color:{INKS[place]}"'
    about = SPECIAL_TITLES.get(name, "") if special else f"{percent(probability)} %"
    return f'<span class="{kind}"{style} title="{about}">{html.escape(name)}</span>'


def frame_html(frame: Frame, words: Sequence[str], seeds: Sequence[int], pins: Sequence[Sequence[int]] = ()) -> str:
    """All samples of a frame as HTML, each with its seed."""
    rows = []
    for index, (row, seed) in enumerate(zip(shown(frame), seeds, strict=True)):
        locked = pins[index] if index < len(pins) else ()
        rows.append(f'<article class="tdl-sample"><div class="tdl-seed">seed {int(seed)}</div>'
                    f"{row_html(row, words, locked)}</article>")
    return "".join(rows)


def page(message: Mapping[str, Any], still: str, style: str, script: str) -> str:
    """A run as one HTML file that needs no server and no network: its last frame, and the player around the trace.

    Args:
        message: what the player is handed for a whole trace.
        still: the last frame as HTML, for readers that run no script.
        style, script: the player's own files.
    """
    data = {"message": dict(message), "scale": SCALE, "inks": INKS}
    packed = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")         # so that no text can end the script
    return _document("tdl", still, packed, style,
                     f"{script}\n{_START}new TracePlayer(box, {{scale: data.scale, inks: data.inks}}).show(data.message);")


def page_without_content(kind: str, style: str, script: str, start: str) -> str:
    """A page as `page` makes it, for content that is in the browser already: it goes in, as JSON, in the place of `{shown}`.

    Args:
        kind: classes of the element that the content is drawn into.
        style, script: the component's own files.
        start: code that draws the content `data` into the element `box`.
    """
    still = "<noscript>This page is drawn by its script, which the browser does not run.</noscript>"
    return _document(kind, still, "{shown}", style, f"{script}\n{_START}{start}")


_START = ("const data = JSON.parse(document.getElementById('run').textContent), box = document.getElementById('shown');"
          "box.textContent = '';")


def _document(kind: str, still: str, data: str, style: str, code: str) -> str:
    return (f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A run of Text Diffusion Lab</title>'
            f'<meta name="viewport" content="width=device-width"><style>{style}</style></head>'
            f'<body class="tdl-page"><div id="shown" class="{kind}">{still}</div>'
            f'<script type="application/json" id="run">{data}</script><script>{code}</script></body></html>')
