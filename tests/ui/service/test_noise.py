"""The playground's frames: whole at time 0, gone at time 1, one draw of noise for all times, unknown words named."""

import itertools
import json

import pytest

from diffusion.core.errors import StudioError
from tests.ui.conftest import LENGTH, WITH_WEIGHTS
from ui.service import noise
from ui.service.lessons import LESSONS

TEXT = "the Wharf serves Italian food ."


@pytest.fixture(scope="module")
def found(checkpoints):
    from ui.service.studio import Studio

    return noise.shown(Studio(device="cpu", compute="fp32", checkpoints=checkpoints), TEXT, seed=4)


def test_every_paper_with_noise_takes_part_and_every_lesson_tells_what_its_noise_is(found):
    assert [paper["slug"] for paper in found["papers"]] == [slug for slug in WITH_WEIGHTS if slug != "ar"]
    assert all(paper["caption"] == LESSONS[paper["slug"]].noise for paper in found["papers"])
    assert found["unknown"] == [] and len(found["times"]) == noise.STEPS + 1


def test_all_words_are_there_at_time_0_and_none_is_kept_for_sure_at_time_1(found):
    for paper in found["papers"]:
        assert paper["positions"] == [*TEXT.split(), "[END]"]
        first = [paper["words"][index] for index in paper["ids"][0] if index != noise.NOTHING]
        if paper["slug"] != "ld4lg":                                # its probe was never trained here
            assert first == paper["positions"] and paper["kept"][0] == 1 and set(paper["rank"][0]) == {1}
        assert paper["survival"][0][0] > 0.9 and paper["survival"][-1][0] < 0.01
        if paper["slug"] != "ld4lg":
            assert max(paper["percent"][-1]) < 20


def test_a_masked_word_stays_masked_and_shows_nothing(found):
    sedd = next(paper for paper in found["papers"] if paper["slug"] == "sedd")
    gone = [[index == noise.NOTHING for index in row] for row in sedd["ids"]]
    assert not any(gone[0]) and all(gone[-1])
    for earlier, later in itertools.pairwise(gone):
        assert all(after for before, after in zip(earlier, later, strict=True) if before)
    kept = [1 - sum(row[:-1]) / (len(row) - 1) for row in gone]
    assert sedd["kept"] == pytest.approx(kept, abs=1e-3)


def test_the_same_seed_gives_the_same_frames_and_another_gives_others(found, studio):
    assert noise.shown(studio, TEXT, seed=4) == found
    assert noise.shown(studio, TEXT, seed=5)["papers"] != found["papers"]


def test_frames_are_small_and_plain(found):
    assert json.loads(json.dumps(found)) == found
    assert len(json.dumps(found)) < 60_000 * len(found["papers"])


def test_a_word_that_is_not_known_is_named_with_the_one_that_stands_in(studio):
    found = noise.shown(studio, "The Wharff serves ITALIAN fod .")
    told = {item["word"]: item["shown"] for item in found["unknown"]}
    assert told == {"The": "the", "Wharff": "Wharf", "ITALIAN": "Italian", "fod": "food"}
    assert found["papers"][0]["positions"][:2] == ["the", "Wharf"]


@pytest.mark.parametrize(("text", "seed", "named"), [
    ("", 0, "no sentence"), ("  ", 0, "no sentence"), ("the " * LENGTH, 0, f"at most {LENGTH - 1}"), ("x" * 3000, 0, "3000"),
    (TEXT, -1, "-1"), (TEXT, 2**40, "seed")])
def test_what_cannot_be_shown_is_said_in_a_sentence(studio, text, seed, named):
    with pytest.raises(StudioError, match=named):
        noise.shown(studio, text, seed)
