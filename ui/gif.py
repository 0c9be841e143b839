"""A sample of a run as a moving picture: its words with their confidence colours, a frame a step. Pillow draws, no browser."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ui.tokens import INKS, PAD, SCALE, SPECIAL_NAMES, level, name_of, shown

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

    from diffusion.core.trace import Frame

WIDTH, MARGIN, LINE, GAP = 760, 18, 32, 7        # pixels
MOST, SECONDS, REST = 80, 6.0, 2500              # frames; seconds that they take together; milliseconds of the last
Row = Sequence[tuple[int, float]]                # words with their probabilities
PAPER, SOFT = "#fbfbf9", "#6b6c68"


def moving(frames: Sequence[Frame], words: Sequence[str], sample: int = 0) -> bytes:
    """The GIF of one sample: at most `MOST` of its steps, evenly apart, the last one always and longest."""
    from PIL import ImageFont

    font = ImageFont.load_default(17)
    count = min(MOST, len(frames))
    chosen = [frames[round(place * (len(frames) - 1) / max(1, count - 1))] for place in range(count)]
    rows = [shown(frame)[sample] for frame in chosen]
    height = max(_laid(row, words, font)[1] for row in rows)
    pictures = [_picture(row, frame.index, len(frames), words, height, font) for row, frame in zip(rows, chosen, strict=True)]
    each = max(40, round(1000 * SECONDS / len(pictures)))
    out = io.BytesIO()
    pictures[0].save(out, "GIF", save_all=True, append_images=pictures[1:], duration=[*[each] * (len(pictures) - 1), REST], loop=0,
                     optimize=True)
    return out.getvalue()


def _laid(row: Row, words: Sequence[str], font: FreeTypeFont) -> tuple[list[tuple[float, float, float, str]], int]:
    """Where each word stands, (x, y, width, text), and the height that they need."""
    x, y, found = float(MARGIN), float(MARGIN + 24), []
    for word, _ in row:
        text = name_of(word, words)
        width = font.getlength(text) + 12
        if x + width > WIDTH - MARGIN and x > MARGIN:
            x, y = float(MARGIN), y + LINE
        found.append((x, y, width, text))
        x += width + GAP
    return found, int(y) + LINE + MARGIN


def _picture(row: Row, index: int, count: int, words: Sequence[str], height: int, font: FreeTypeFont) -> Image:
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.new("RGB", (WIDTH, height), PAPER)
    pen = ImageDraw.Draw(picture)
    pen.text((MARGIN, MARGIN - 6), f"step {index + 1} of {count}", fill=SOFT, font=ImageFont.load_default(13))
    for (word, probability), place in zip(row, _laid(row, words, font)[0], strict=True):
        _word(pen, place, word, probability, font)
    return picture.quantize(64)


def _word(pen: ImageDraw, place: tuple[float, float, float, str], word: int, probability: float, font: FreeTypeFont) -> None:
    x, y, width, text = place
    special = word in SPECIAL_NAMES
    colour = level(probability)
    box = (x, y, x + width, y + LINE - 8)
    pen.rounded_rectangle(box, 4, fill=None if special else SCALE[colour], outline=SOFT if special and word != PAD else None)
    pen.text((x + 6, y + 2), text, fill=SOFT if special else INKS[colour], font=font)
