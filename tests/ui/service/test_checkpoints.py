"""Several checkpoints of one paper lie side by side and run; a folder that is named as another paper is refused."""

import json
import shutil

import pytest

from diffusion.core.errors import StudioError
from tests.tiny import tiny_model
from tests.ui.conftest import LABELS, LENGTH, VOCAB, with_random_weights
from ui import cli
from ui.service.run_spec import Order
from ui.service.studio import Studio

SMALL = {"steps": 4, "samples": 1, "compute": "fp32"}


@pytest.fixture
def two(checkpoints, tmp_path):
    """A folder with SEDD's checkpoint and a second one of SEDD with other weights."""
    shutil.copytree(checkpoints / "sedd", tmp_path / "sedd")
    with_random_weights(tiny_model("sedd", VOCAB, LABELS, length=LENGTH), 77).save_pretrained(tmp_path / "sedd-b")
    return tmp_path


def test_two_checkpoints_of_one_paper_both_run_and_write_their_own_texts(two, texts):
    studio = Studio(device="cpu", checkpoints=two)
    first, second = (studio.start(Order(paper=name, **SMALL)).run() for name in ("sedd", "sedd-b"))
    assert first.info["checkpoint"] != second.info["checkpoint"]
    assert (first.ids != second.ids).any()
    assert second.info["paper"] == "sedd-b"
    assert studio.results(second)[0].text


def test_menus_list_the_second_checkpoint_under_a_name_of_its_own(two):
    found = {paper.slug: paper for paper in Studio(device="cpu", checkpoints=two).papers() if paper.available}
    assert found["sedd-b"].paper == found["sedd"].paper == "sedd"
    assert found["sedd-b"].title != found["sedd"].title
    assert found["sedd-b"].samplers == found["sedd"].samplers


def test_a_folder_of_another_paper_is_refused_by_name(two):
    shutil.copytree(two / "sedd", two / "rdlm")
    with pytest.raises(StudioError, match="'rdlm' holds a checkpoint of SEDD"):
        Studio(device="cpu", checkpoints=two).start(Order(paper="rdlm", **SMALL))


@pytest.mark.parametrize("name", ["sedd-c", "..", "", "../sedd", "judge"])
def test_a_name_that_is_no_checkpoint_names_those_that_are(two, name):
    with pytest.raises(StudioError, match=r"Unknown paper or checkpoint.*The nearest known"):
        Studio(device="cpu", checkpoints=two).start(Order(paper=name, **SMALL))


@pytest.mark.parametrize("by_folder", [False, True])
def test_the_command_line_takes_a_checkpoint_by_name_or_folder(two, capsys, by_folder):
    named = ["--checkpoint", str(two / "sedd-b")] if by_folder else ["--checkpoint", "sedd-b", "--checkpoints", str(two)]
    assert cli.run(cli.parse(["generate", *named, "--steps", "4", "--samples", "1", "--compute", "fp32", "--json"])) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["paper"] == "sedd-b"
    studio = Studio(device="cpu", checkpoints=two)
    assert said["text"] == studio.results(studio.start(Order(paper="sedd-b", **SMALL)).run())[0].text
