"""A citation names all that it takes to get the text again, as text, BibTeX and JSON."""

import json
import re

from ui.service import messages
from ui.service.citation import LINK, cite
from ui.service.run_spec import Order

ORDER = Order(paper="diffusion-lm", samples=2, steps=8, seed=3, controls=("infill=the Wharf ___ {&} 5%",))


def info(studio, order):
    return studio.start(order).info


def test_a_citation_names_versions_checkpoint_seeds_order_and_link(studio):
    found = info(studio, Order(paper="diffusion-lm", samples=2, steps=8, seed=3, controls=("length=6-9",)))
    said = cite(found)
    for part in (found["checkpoint"], found["torch"], found["version"], "Diffusion-LM", "3 to 4", "length=6-9", "8 steps", LINK):
        assert part in said["text"], part
        assert part in said["bibtex"], part
    assert "arXiv 2205.14217" in said["text"]


def test_the_json_orders_the_same_run_again(studio):
    trace = studio.start(Order(paper="sedd", samples=2, steps=6, seed=5)).run()
    values = json.loads(cite(trace.info)["json"])
    again = studio.start(Order.from_dict(values["order"])).run()
    assert (again.ids == trace.ids).all()
    assert values["checkpoint"] == trace.info["checkpoint"] and values["link"] == LINK


def test_bibtex_is_one_balanced_entry_whatever_was_asked_for():
    about = {"paper": "sedd", "title": "SEDD", "seeds": [3], "sampler": "analytic", "steps": 8}
    entry = cite({**about, "order": ORDER.to_dict()})["bibtex"]
    plain = re.sub(r"\\[{}%&#_$]", "", entry).replace(LINK, "")
    assert plain.count("{") == plain.count("}") and plain.startswith("@misc{tdl-sedd-none-3,")
    assert r"\{\&\} 5\%" in entry and r"\_\_\_" in entry


def test_a_run_carries_its_citation_and_a_trace_without_an_order_has_none(studio):
    trace = studio.start(Order(paper="oracle", samples=1, steps=4)).run()
    assert messages.whole(studio, trace)["cite"] == cite(trace.info)
    del trace.info["order"]
    assert messages.whole(studio, trace)["cite"] == {}
