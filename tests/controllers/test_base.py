"""Controllers together: their order does not matter, contradictions name both, and fit is told in sentences."""

import itertools

import pytest
import torch

from controllers import parse_controls
from controllers.base import Context, Controlled, names, note, why_not
from controllers.combine import combine_masks, combine_requests
from controllers.infill import Infill
from controllers.label import Label
from controllers.length import Length
from controllers.strategies.absorb import Absorb
from diffusion import StudioError, generate
from diffusion.text.labels import LabelSet
from diffusion.text.vocab import SPECIALS, Vocabulary
from tests.controllers.small import CONTEXT, LABELS, VOCAB, control, model, request, steering, write

TOGETHER = ["length=9-11", "infill=The Vaults ___ near ___ .", "label=food:Italian",
            "label=area:riverside,food:Italian", "length=8-10"]
CONTRADICTIONS = [
    ("length=5", "infill=The Vaults is a cheap pub near Rouge ."),
    ("length=12", "infill=The ___3 ."),
    ("length=3-4", "length=6-7"),
    ("label=food:Italian,area:riverside", "label=food:French"),
    ("label=food:Italian", "label=food:absent"),
    ("infill=The ___ .", "infill=___ pub ."),
]


def merged(texts, asked):
    return combine_requests([controlled.controller for controlled in parse_controls(list(texts), CONTEXT)], asked)


def test_the_order_of_controllers_does_not_matter():
    first = merged(TOGETHER, request(3))
    assert first.words == (9, 10)
    assert LABELS.decode(first.label) == {"food": "Italian", "area": "riverside"}
    for texts in itertools.permutations(TOGETHER):
        other = merged(texts, request(3))
        assert (other.words, other.label.tolist()) == (first.words, first.label.tolist())


def test_the_order_of_controllers_does_not_change_the_text():
    built = model("diffusion-lm")
    asked = request(3, guidance_scale=2.0)
    texts = [write(built, list(order), asked) for order in itertools.permutations(TOGETHER[:3])]
    assert all(text == texts[0] for text in texts)


@pytest.mark.parametrize(("one", "other"), CONTRADICTIONS)
def test_a_contradiction_names_both_in_either_order(one, other):
    for texts in ((one, other), (other, one), ("length=1-15", one, "label=near:Café Rouge", other)):
        with pytest.raises(StudioError) as caught:
            merged(texts, request())
        named = {str(control(text)) for text in (one, other)}
        assert all(f"'{name}'" in str(caught.value) for name in named), caught.value
        assert "near" not in str(caught.value) or "near" in one + other


def test_a_contradiction_about_length_says_what_each_asks_for():
    with pytest.raises(StudioError, match="the first asks for 5 words, the second for 9 words"):
        merged(CONTRADICTIONS[0], request())


def test_a_request_may_bring_words_and_a_label_of_its_own():
    label = LABELS.encode({"food": "French"}, rest=0)
    asked = merged(["length=5-9", "label=area:riverside"], request().with_(words=(7, 12), label=label))
    assert asked.words == (7, 9)
    assert LABELS.decode(asked.label) == {"food": "French", "area": "riverside"}
    with pytest.raises(StudioError, match=r"'the request itself' and 'label=food:Italian'"):
        merged(["label=food:Italian"], request().with_(label=label))


def test_no_controllers_leave_the_request_as_it_is():
    asked = request(2)
    assert combine_requests([], asked) == asked
    assert combine_masks([]) is None


def test_masks_of_rows_and_of_batches_are_anded():
    one, many = torch.zeros(2, 3, dtype=torch.bool), torch.zeros(4, 2, 3, dtype=torch.bool)
    one[:, :2], many[..., 1:] = True, True
    combined = combine_masks([("one", one), ("many", many)])
    assert combined.shape == (4, 2, 3)
    assert combined.long().sum(-1).unique().tolist() == [1] and combined[..., 1].all()


def test_an_empty_mask_names_only_those_who_exclude_each_other():
    left, right, anything = (torch.zeros(2, 3, dtype=torch.bool) for _ in range(3))
    left[:, 0], right[0, 0], right[1, 2] = True, True, True
    anything[:] = True
    with pytest.raises(StudioError) as caught:
        combine_masks([("anything", anything), ("left", left), ("right", right)])
    assert str(caught.value).startswith("'left' and 'right' contradict each other: no word can stand at position 2.")
    with pytest.raises(StudioError, match="'nobody' leaves no word"):
        combine_masks([("nobody", torch.zeros(2, 3, dtype=torch.bool))])


@pytest.mark.parametrize("slug", ["diffusion-lm", "ar"])
def test_length_infill_and_label_work_together(slug):
    for words in write(model(slug), TOGETHER[:3], request(20, guidance_scale=2.0)):
        assert 9 <= len(words) <= 11
        assert control(TOGETHER[1]).score(words).success == 1


def test_steering_by_masks_leaves_no_mask_behind_for_the_next_run():
    strategy, built = steering(control("infill=The ___ ."), control("length=6")), model("diffusion-lm")
    first = generate(built, request(2), strategy).run().ids
    generate(built, request(5), strategy).run()
    assert (generate(built, request(2), strategy).run().ids == first).all()


def test_two_controls_of_a_kind_have_distinct_names():
    controls = [Controlled(control(text)) for text in ("length=5-9", "label=food:Italian", "length=6-7", "length=6")]
    assert names(controls) == ("length", "label", "length 2", "length 3")
    trace = generate(model("ar"), request(), Absorb(controls)).run()
    assert set(trace.frames[-1].satisfaction) == set(names(controls))


def test_a_controller_of_another_vocabulary_or_label_set_is_refused_with_both_names():
    foreign = Context(Vocabulary([*SPECIALS, "The", "pub", "."]), LabelSet({"food": ("Italian",)}), 16)
    cases = {"infill=The ___ .": foreign.vocab.fingerprint, "label=food:Italian": foreign.labels.fingerprint}
    for text, made in cases.items():
        with pytest.raises(StudioError, match=made) as caught:
            generate(model("diffusion-lm"), request(), steering(control(text, foreign))).run()
        found = VOCAB.fingerprint if text.startswith("infill") else LABELS.fingerprint
        assert found in str(caught.value)
        assert made in why_not(model("diffusion-lm"), control(text, foreign))


def test_every_controller_fits_its_own_model():
    for text in ("length=5", "infill=The ___ .", "label=food:Italian"):
        assert why_not(model("ar"), control(text), Absorb) is None
        assert note(model("ar"), control(text)) is None


def test_a_model_without_labels_cannot_be_asked_for_one():
    built = model("diffusion-lm")
    built.labels = LabelSet({})
    assert "without labels" in why_not(built, Label)
    assert why_not(built, Length) is None


def test_masks_on_a_soft_model_are_noted_and_not_refused(monkeypatch):
    built = model("diffusion-lm")
    monkeypatch.setattr(type(built), "hard", False)
    assert "a preference, not exactly" in note(built, Infill)
    assert note(built, Label) is None
    assert why_not(built, Infill) is None


def test_a_model_whose_words_cannot_be_steered_takes_a_label_only(monkeypatch):
    built = model("diffusion-lm")
    monkeypatch.setattr(type(built), "no_control", lambda self: "Its words are foreign.")
    assert why_not(built, Infill) == why_not(built, control("length=5"), Absorb) == "Its words are foreign."
    assert why_not(built, Label) is None


def test_a_strategy_of_another_paper_is_refused():
    strategy = type("Own", (Absorb,), {"slug": "own", "papers": ("sedd",)})
    assert "belongs to sedd" in why_not(model("ar"), Length(3, 4), strategy)


def test_a_controller_that_contradicts_the_models_own_rule_says_so():
    class Empty(Length):
        def allowed(self, context, request):
            mask = super().allowed(context, request)
            mask[0] = False
            mask[0, 1] = True                            # END at the first position
            return mask

    with pytest.raises(StudioError, match=r"the rule of Diffusion-LM.*'length=3' contradict.*position 1"):
        generate(model("diffusion-lm"), request(), steering(Empty(3, 3))).run()
