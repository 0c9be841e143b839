"""A run as an animated GIF: the words of one sample in the colours of their confidence, a picture a step. Pure, by Pillow."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

from diffusion.core.errors import StudioError
from ui.plots import tokens

if TYPE_CHECKING:
    from diffusion import Trace

WIDTH, MARGIN, LINE, GAP = 640, 16, 34, 6
PAPER, TEXT, SOFT, EDGE = "#ffffff", "#1b1c1c", "#6b6c68", "#dcdcd6"
MOST = 60                        # pictures; a longer run shows every so many steps
SECONDS, STILL = 6.0, 2000       # how long the steps last together, and the finished text, in ms


def draw(trace: Trace, sample: int = 0, most: int = MOST) -> bytes:
    """The GIF of a sample of a trace.

    Raises:
        StudioError: the trace has no steps, or no such sample.
    """
    if not trace.frames:
        raise StudioError("This run has no steps yet, so there is nothing to draw. Run it first.")
    if not isinstance(sample, int) or not 0 <= sample < len(trace.ids):
        raise StudioError(f"This run has samples 1 to {len(trace.ids)}; there is none with the number {sample}.")
    places = chosen(len(trace.frames), most)
    rows = [tokens.shown(trace.frames[place])[sample] for place in places]
    height = max(_height(layout(row, trace.info["words"])) for row in rows)
    pictures = [_picture(trace, place, row, sample, height) for place, row in zip(places, rows, strict=True)]
    times = [max(20, round(1000 * SECONDS / len(places) / 10) * 10)] * (len(places) - 1) + [STILL]
    out = io.BytesIO()
    pictures[0].save(out, "GIF", save_all=True, append_images=pictures[1:], duration=times, loop=0, optimize=False, disposal=1)
    return out.getvalue()


def chosen(count: int, most: int) -> list[int]:
    """Evenly spread steps, at most `most`, the first and the last among them."""
    number = min(count, most)
    return [round(place * (count - 1) / max(1, number - 1)) for place in range(number)] if number > 1 else [count - 1]


def layout(row: list[tuple[int, float]], words: list[str]) -> list[tuple[int, int, int, str, float, bool]]:
    """Where each word of a sample stands: x, y, width in pixels, its name, its probability, whether it is special."""
    placed, x, y = [], MARGIN, 40
    for word, prob in row:
        name, special = tokens.name_of(word, words), word in tokens.SPECIAL_NAMES
        width = round(_font(12 if special else 16).getlength(name)) + 12
        if x + width > WIDTH - MARGIN and x > MARGIN:
            x, y = MARGIN, y + LINE
        placed.append((x, y, width, name, prob, special))
        x += width + GAP
    return placed


def _height(placed: list[tuple[int, int, int, str, float, bool]]) -> int:
    return (placed[-1][1] if placed else 40) + LINE + MARGIN + 16


def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


def _picture(trace: Trace, place: int, row: list[tuple[int, float]], sample: int, height: int) -> Image.Image:
    frame, info = trace.frames[place], trace.info
    image = Image.new("RGB", (WIDTH, height), PAPER)
    pen = ImageDraw.Draw(image)
    title = f"{info.get('title', info['paper'])}, {info['sampler']}, seed {info['seeds'][sample]}"
    pen.text((MARGIN, 12), title, TEXT, _font(13))
    pen.text((WIDTH - MARGIN, 12), f"step {frame.index + 1} of {len(trace.frames)}", SOFT, _font(13), anchor="ra")
    for x, y, width, name, prob, special in layout(row, info["words"]):
        level, box = tokens.level(prob), (x, y, x + width, y + LINE - 8)
        pen.rounded_rectangle(box, 4, None if special else tokens.SCALE[level], EDGE if special else None)
        ink, font = (SOFT, _font(12)) if special else (tokens.INKS[level], _font(16))
        pen.text((x + 6, y + (LINE - 8) / 2), name, ink, font, anchor="lm")
    _bar(pen, height, (place + 1) / len(trace.frames))
    return image.quantize(64, dither=Image.Dither.NONE)


def _bar(pen: ImageDraw.ImageDraw, height: int, share: float) -> None:
    """How far the run is, and what the colours mean."""
    pen.text((MARGIN, height - 20), "confidence 0", SOFT, _font(11))
    left = MARGIN + 72
    for place, colour in enumerate(tokens.SCALE):
        pen.rectangle((left + 14 * place, height - 20, left + 14 * place + 13, height - 9), colour)
    pen.text((left + 14 * len(tokens.SCALE) + 6, height - 20), "100 %", SOFT, _font(11))
    pen.rectangle((0, height - 3, round(WIDTH * share), height), "#344d80")
