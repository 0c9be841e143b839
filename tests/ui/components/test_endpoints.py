"""The named endpoints are what was promised: their list, their description, and answers that say what is wrong."""

import json
import re
from pathlib import Path

import gradio as gr
import pytest

from tests.support import endpoints as stored
from tests.ui.conftest import WITH_WEIGHTS
from ui.components.endpoints import Endpoints
from ui.service.run_spec import Order
from ui.service.studio import Studio

API = Path(__file__).resolve().parents[3] / "docs" / "API.md"


@pytest.fixture
def endpoints(studio, tmp_path):
    studio.start(Order(paper="oracle", samples=1, steps=4)).run().save(tmp_path / "opening.json")
    return Endpoints(studio, tmp_path)


def test_the_endpoints_are_those_that_programs_rely_on():
    from app import build_app

    promised = json.loads(stored.STORED.read_text(encoding="utf-8"))
    assert stored.described(build_app(Studio())) == promised, "if this is meant: python -m tests.support.endpoints, and docs/API.md"


def test_every_endpoint_is_described():
    text = API.read_text(encoding="utf-8")
    assert all(re.search(rf"^## .*`{name}`", text, re.MULTILINE) for name in json.loads(stored.STORED.read_text(encoding="utf-8")))


def test_papers_and_controls_are_plain_values(endpoints, studio):
    papers = endpoints.papers()
    assert json.loads(json.dumps(papers)) == papers
    assert {paper["slug"] for paper in papers if paper["available"]} >= set(WITH_WEIGHTS)
    assert next(paper for paper in papers if paper["slug"] == "sedd")["checkpoint"] == studio.model("sedd").hash
    assert {"length", "infill", "label"} <= {control["slug"] for control in endpoints.controls("sedd")}


def test_a_run_is_had_by_its_name_or_by_its_id_with_a_link(endpoints, studio):
    found = json.loads(endpoints.trace("opening", None))
    assert found["stored"] and found["link"] == "?trace=opening"
    key = studio.traces.put(studio.start(Order(paper="oracle", samples=1, steps=4, seed=8)).run())
    mine = json.loads(endpoints.trace(key, None))
    assert mine["link"] == mine["query"] and Order.from_query(mine["link"]).seed == 8


@pytest.mark.parametrize(("ask", "named"), [
    (lambda lab: lab.trace("unguessed", None), "no longer kept"), (lambda lab: lab.noise(""), "no sentence"),
    (lambda lab: lab.controls("seddd"), "sedd")])
def test_a_mistake_reaches_the_program_as_a_sentence(endpoints, ask, named):
    with pytest.raises(gr.Error, match=named):
        ask(endpoints)
