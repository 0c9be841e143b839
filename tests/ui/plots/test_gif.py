"""A run as a GIF: as many pictures as promised, words where they fit, a small file, mistakes as sentences."""

import io

import pytest
from PIL import Image

from diffusion.core.errors import StudioError
from ui.plots import gif
from ui.service.run_spec import Order

ORDER = Order(paper="oracle", samples=2, steps=24, seed=3)


def test_every_step_is_a_picture_and_the_last_stands_longest(studio):
    data = gif.draw(studio.start(ORDER).run(), 1)
    with Image.open(io.BytesIO(data)) as image:
        assert image.n_frames == 24 and image.size[0] == gif.WIDTH
        times = []
        for place in range(24):
            image.seek(place)
            times.append(image.info["duration"])
    assert times == [250] * 23 + [gif.STILL]
    assert len(data) < 1_000_000


def test_pictures_differ_as_the_run_goes(studio):
    with Image.open(io.BytesIO(gif.draw(studio.start(ORDER).run()))) as image:
        first = image.convert("RGB").tobytes()
        image.seek(23)
        assert image.convert("RGB").tobytes() != first


@pytest.mark.parametrize(("count", "most", "places"), [(3, 60, [0, 1, 2]), (9, 5, [0, 2, 4, 6, 8]), (1, 60, [0]), (100, 1, [99])])
def test_long_runs_keep_their_first_and_last_step(count, most, places):
    assert gif.chosen(count, most) == places


def test_words_break_into_lines_inside_the_picture():
    words = ["[PAD]", "[END]", "[UNK]", "restaurant"]
    placed = gif.layout([(3, 0.5)] * 30 + [(1, 1.0)], words)
    assert all(x >= gif.MARGIN and x + width <= gif.WIDTH - gif.MARGIN for x, _, width, *_ in placed)
    assert len({y for _, y, *_ in placed}) > 3
    assert placed[-1][3:] == ("END", 1.0, True)


@pytest.mark.parametrize("sample", [-1, 2, "0"])
def test_a_sample_that_is_not_there_is_a_sentence(studio, sample):
    with pytest.raises(StudioError, match="samples 1 to 2"):
        gif.draw(studio.start(ORDER).run(), sample)
