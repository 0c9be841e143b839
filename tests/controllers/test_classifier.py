"""Class by classifier: the reader's view is raised, the same values as a label's, and a missing reader names its command."""

import pytest

from controllers import reader
from controllers.classifier import Classifier
from diffusion import StudioError
from tests.controllers.small import CONTEXT, control, one_hot, random_belief


def test_a_step_along_the_wish_raises_what_the_reader_sees():
    controller, logits = control("classifier=food:Italian,area:riverside"), random_belief(5).log()
    before = controller.log_prob(logits.softmax(-1))
    assert (controller.log_prob((logits + 0.5 * controller.wish(logits)).softmax(-1)) > before).all()


def test_it_prefers_the_text_that_says_the_value():
    says, other = (one_hot(f"Aromi serves {food} food .".split()) for food in ("Italian", "French"))
    controller = control("classifier=food:Italian")
    assert float(controller.log_prob(says)) > float(controller.log_prob(other)) + 4


def test_absent_is_a_class_too():
    controller = control("classifier=food:absent")
    says = one_hot(["Aromi", "serves", "French", "food", "."])
    assert float(controller.log_prob(one_hot(["a", "pub"]))) > float(controller.log_prob(says))


def test_a_missing_reader_names_the_command_that_trains_it(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "FOLDER", tmp_path)
    assert "python -m training controller slots" in Classifier.lacks(CONTEXT)


def test_unknown_values_are_refused_with_the_nearest():
    with pytest.raises(StudioError, match="Italian"):
        Classifier.parse("food:Itallian", CONTEXT)
