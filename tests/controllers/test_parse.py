"""Controls on the command line: one text, one controller, or one clear sentence."""

from dataclasses import dataclass

import pytest

from controllers import CONTROLLERS, parse_controls
from controllers.base import MAX_NATS
from controllers.length import Length
from controllers.parse import parse_all
from diffusion import StudioError
from tests.controllers.small import CONTEXT


@dataclass(frozen=True)
class Strong(Length):
    """A length with a strength, to test strengths with."""

    slug = "strong"
    has_strength = True


KNOWN = {**CONTROLLERS, "strong": Strong}


def test_controls_come_back_in_their_order():
    controls = parse_controls(["label=food:Italian", " length = 7 ", "infill=The ___ ."], CONTEXT)
    assert [str(control.controller) for control in controls] == ["label=food:Italian", "length=7", "infill=The ___ ."]


@pytest.mark.parametrize(("text", "said"), [
    ("lenght=12", "Unknown control 'lenght'.*'length'"),
    ("=12", "Unknown control ''"),
    ("", "Unknown control ''"),
    ("<script>alert(1)</script>", "Unknown control '<script>alert"),
    ("length", "needs a target. Write it like length=12"),
    ("length=", "needs a target"),
    ("infill=a = b ___", "'='"),
    ("label=food=Italian", "'food=Italian' is not a slot with a value"),
    ("length=12@2", "'length' has no strength that could be set. Leave '@2' out"),
    ("infill=The ___ . @3", "'infill' has no strength"),
    ("label=food:Italian@2", "'label' has no strength"),
    ("label=food:Italian@home", "'Italian@home'"),
    ("infill=" + "a" * 5000, "at most 4000 characters"),
])  # fmt: skip
def test_a_control_that_cannot_be_is_refused_with_a_sentence(text, said):
    with pytest.raises(StudioError, match=said) as caught:
        parse_controls([text], CONTEXT)
    assert len(str(caught.value)) < 500


def test_too_many_controls_are_refused():
    with pytest.raises(StudioError, match="17 controls are too many"):
        parse_controls(["length=5"] * 17, CONTEXT)


@pytest.mark.parametrize(("text", "nats"), [
    ("strong=5", 4.0), ("strong=5@2", 2.0), ("strong=5 @ 0.5", 0.5), ("strong=5@0", 0.0),
])  # fmt: skip
def test_a_strength_is_read_where_the_controller_has_one(text, nats):
    assert parse_all([text], CONTEXT, KNOWN)[0].nats == nats


@pytest.mark.parametrize("strength", ["-1", "101", "1.2.3", "99999999"])
def test_a_strength_out_of_range_is_refused_with_the_range(strength):
    with pytest.raises(StudioError, match=f"0 to {MAX_NATS:g} nats"):
        parse_all([f"strong=5@{strength}"], CONTEXT, KNOWN)
