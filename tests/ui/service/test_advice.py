"""What was found to work best for what is asked is named in a sentence, and taken over into the order."""

from dataclasses import replace

import pytest

from controllers.settings import SETTINGS, SOURCE, setting
from ui.service.advice import advice, advised
from ui.service.run_spec import Order

TREE = Order(paper="diffusion-lm", controls=("tree=(S (NP) (VP))",))
EXAMPLES = {"content": "semantic=food:Italian", "class": "label=food:Italian", "pos": "pos=DET NOUN", "tree": "tree=(S (NP) (VP))",
            "span": "span=PP@3-5", "infill": "infill=The ___ .", "length": "length=5", "classifier": "classifier=food:Italian"}


def asking(paper: str, asked: str) -> Order:
    """An order that asks for this and is otherwise as the form starts."""
    if asked == SOURCE:
        return Order(paper=paper, source="name[The Mill]")
    return Order(paper=paper, controls=tuple(EXAMPLES[part] for part in reversed(asked.split("+"))))


@pytest.mark.parametrize(("paper", "asked"), SETTINGS)
def test_every_chosen_setting_is_advised_once_and_can_be_ordered(paper, asked):
    order = asking(paper, asked)
    better = advised(order)
    better.check()
    assert {name: getattr(better, name) for name, _ in setting(paper, asked).options} == dict(setting(paper, asked).options)
    assert advice(order) and not advice(better) and advised(better) == better


def test_strengths_go_to_the_controls_of_their_kind_whatever_stood_there():
    order = replace(TREE, controls=("span=PP@3-5@2", "span=NP@1-2"))
    nats = setting("diffusion-lm", "span").nats[0]
    assert advised(order).controls == (f"span=PP@3-5@{nats:g}", f"span=NP@1-2@{nats:g}")
    assert f"strength {nats:g} nats" in advice(order)


def test_the_sentence_names_only_what_differs():
    half = replace(TREE, sampler="renoise", inner_steps=2)
    assert advice(half) == "Found to work best here, on held-out rows: steps 32."
    assert "sampler Re-noise (generation by q)" in advice(TREE)


@pytest.mark.parametrize("order", [
    Order(), replace(TREE, paper="sedd", controls=("length=5",)), replace(TREE, controls=("tree=x", "length=5")),
    replace(TREE, controls=("nonsense", "pos")), replace(TREE, strategy="langevin"), replace(TREE, paper="no-such-paper")])
def test_nothing_is_advised_where_nothing_was_chosen(order):
    assert advice(order) == "" and advised(order) == order
