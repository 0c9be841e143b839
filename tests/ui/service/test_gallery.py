"""Stored runs: one for every situation that the checkpoints allow, the same bytes every time, listed with links that play them."""

import json
import os
import shutil
import time

import pytest

from diffusion.core.checkpoint import BUNDLED, read
from diffusion.core.errors import StudioError
from tests.ui.conftest import READERS
from training.__main__ import main
from ui.service import gallery, noise
from ui.service.links import Link
from ui.service.run_spec import Order
from ui.service.studio import Studio


@pytest.fixture
def short(monkeypatch):
    """Two situations of few steps instead of all."""
    def few(studio):
        return [gallery.Situation("opening", "Two <words>", Order(paper="oracle", samples=2, steps=6, seed=3, compute="fp32",
                                                                  controls=("length=6-9",))),
                gallery.Situation("free-sedd", "Free", Order(paper="sedd", samples=1, steps=6, compute="fp32"))]

    monkeypatch.setattr(gallery, "situations", few)
    monkeypatch.setattr(noise, "SENTENCE", "the Wharf serves food .")


def test_rendering_twice_changes_no_byte_and_another_run_does(studio, short, tmp_path):
    first = list(gallery.render(studio, tmp_path))
    assert [(path.name, written) for path, written in first] == [("opening.json", True), ("free-sedd.json", True),
                                                                 ("noise.json", True)]
    before = {path: path.read_bytes() for path, _ in first}
    time.sleep(0.01)                                     # another clock, the same run
    assert [written for _, written in gallery.render(studio, tmp_path)] == [False] * 3
    assert {path: path.read_bytes() for path in before} == before
    stale = json.loads((tmp_path / "opening.json").read_text())
    stale["info"]["checkpoint"] = "another"
    (tmp_path / "opening.json").write_text(json.dumps(stale))
    assert [written for _, written in gallery.render(studio, tmp_path)] == [True, False, False]


def test_a_stored_run_opens_with_its_verdicts_and_its_link_gives_the_same_text(studio, short, tmp_path):
    list(gallery.render(studio, tmp_path))
    trace = studio.open(gallery.path_of("opening", tmp_path))
    results = studio.results(trace)
    assert results and all(result.controls for result in results)
    again = studio.start(Order.from_dict(trace.info["order"])).run()
    assert [result.text for result in studio.results(again)] == [result.text for result in results]


def test_the_list_names_every_run_as_text_with_a_link_of_its_own(studio, short, tmp_path):
    list(gallery.render(studio, tmp_path))
    assert gallery.names(tmp_path) == ["opening", "free-sedd"]
    page = gallery.html(tmp_path)
    assert "Two &lt;words&gt;" in page and "<words>" not in page
    from ui.service import links

    for name in gallery.names(tmp_path):
        assert f'href="{links.write(Link(trace=name))}"' in page
        assert links.read(f"?trace={name}", (), gallery.names(tmp_path)) == Link(trace=name)
    with pytest.raises(StudioError, match="free-sedd"):
        gallery.path_of("../../etc/passwd", tmp_path)


def test_there_is_a_situation_for_every_paper_every_reader_and_a_pair_from_one_noise(studio):
    found = {situation.name: situation.order for situation in gallery.situations(studio)}
    assert {f"free-{paper.slug}" for paper in studio.papers() if paper.available} <= set(found)
    assert {f"source-{slug}" for slug in READERS} <= set(found)
    steered, free = found["pair-steered"], found["pair-free"]
    assert steered.controls and not free.controls and (steered.seeds, steered.steps) == (free.seeds, free.steps)
    assert {order.compute for order in found.values()} == {"fp32"}


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path, capfd):
    assert main(["gallery", "--folder", str(tmp_path / "none")]) == 2
    assert "There is no folder" in capfd.readouterr().err


def test_what_ships_is_small_and_of_the_shipped_checkpoints():
    files = [gallery.path_of(name) for name in gallery.names()]
    studio = Studio()
    assert files[0].stem == "opening"
    assert [paper["slug"] for paper in noise.stored()["papers"]] == [paper.slug for paper in noise.processes(studio)]
    assert sum(os.path.getsize(path) for path in (*files, noise.STORED)) < 2_000_000
    for path in files:
        info = studio.open(path).info
        folder = BUNDLED / info["paper"]
        assert info["checkpoint"] == (read(folder).hash if folder.is_dir() else studio.model(info["paper"]).hash), path.name
    made = {situation.name for situation in gallery.situations(studio)}
    assert set(gallery.names()) == made, "python -m training gallery"


def test_the_folder_of_another_lab_may_hold_runs_of_other_names(studio, short, tmp_path):
    list(gallery.render(studio, tmp_path))
    shutil.copy(tmp_path / "free-sedd.json", tmp_path / "my run & more.json")
    assert "trace=my%20run%20%26%20more" in gallery.html(tmp_path)
