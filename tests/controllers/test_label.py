"""Label asks the model for values; the matcher judges finished text; the live curve is a proxy that says so."""

import pytest
import torch

from controllers.label import Label
from controllers.matchers import slot_matcher
from diffusion import StudioError, generate
from diffusion.text.labels import ABSENT
from tests.controllers.small import CONTEXT, LABELS, VOCAB, control, model, one_hot, request, steering

SLOTS = list(LABELS.slots)


def test_given_slots_are_told_and_the_rest_stays_unknown():
    label = control("label=customer rating:5 out of 5, food:Italian ,near:absent").request(request()).label
    assert LABELS.decode(label) == {"customer rating": "5 out of 5", "food": "Italian", "near": "absent"}
    assert int(label[SLOTS.index("near")]) == ABSENT
    assert int((label == 0).sum()) == len(SLOTS) - 3


def test_the_target_is_written_in_the_order_of_the_label_set():
    assert control("label=food:Italian,area:riverside").target == "area:riverside,food:Italian"
    assert control("label=food:Italian,area:riverside") == control("label=area:riverside,food:Italian")


@pytest.mark.parametrize(("text", "said"), [
    ("foood:Italian", "Unknown slot 'foood'.*'food'"),
    ("food:Itallian", "Unknown value for the slot 'food': 'Itallian'.*'Italian'"),
    ("food:unknown", "Unknown value for the slot 'food'"),
    ("food", "'food' is not a slot with a value"),
    ("food:", "not a slot with a value"),
    (":Italian", "not a slot with a value"),
    ("food:Italian,", "'' is not a slot with a value"),
    ("food:Italian,food:French", "slot 'food' two values, 'Italian' and 'French'"),
    ("food:<script>", "Unknown value"),
])  # fmt: skip
def test_a_label_that_cannot_be_is_refused_with_the_nearest_known(text, said):
    with pytest.raises(StudioError, match=said):
        Label.parse(text, CONTEXT)


@pytest.mark.parametrize(("label", "text", "success", "missed"), [
    ("food:Italian,area:riverside", "An Italian pub by the riverside .", 1.0, ()),
    ("food:Italian,area:riverside", "A French pub by the riverside .", 0.5, ("food:Italian",)),
    ("food:Italian,area:riverside", "A pub .", 0.0, ("food:Italian", "area:riverside")),
    ("food:absent", "A pub by the river .", 1.0, ()),
    ("food:absent", "A French pub .", 0.0, ("food:absent",)),
    ("familyFriendly:no", "It is not family friendly .", 1.0, ()),
    ("familyFriendly:no", "It is family friendly .", 0.0, ("familyFriendly:no",)),
    ("customer rating:5 out of 5", "It has a customer rating of 5 out of 5 .", 1.0, ()),
])  # fmt: skip
def test_score_is_the_share_of_slots_that_the_text_names(label, text, success, missed):
    score = control(f"label={label}").score(text.split())
    assert score.success == success
    assert all(name in score.detail for name in missed)
    assert ("missed" in score.detail) == bool(missed)


def test_what_the_matcher_cannot_judge_is_said_and_not_counted():
    context = type(CONTEXT)(VOCAB, type(LABELS)({"music": ("jazz",), "food": ("Italian",)}), 16)
    score = control("label=music:jazz,food:Italian", context).score(["Italian", "food", "."])
    assert score.success == 1
    assert "does not know music:jazz" in score.detail


@pytest.mark.parametrize(("label", "yes", "no"), [
    ("food:Italian", "a Italian pub", "a French pub"),
    ("name:The Vaults", "The Vaults is a pub", "The Aromi is a pub"),
    ("familyFriendly:no", "Not a family pub", "a family pub"),
    ("customer rating:5 out of 5", "5 out of 5 stars", "it has stars"),
    ("food:absent", "a cheap pub", "a French pub"),
    ("food:Italian,area:riverside", "a Italian pub by the riverside", "a Italian pub by the city"),
])  # fmt: skip
def test_proxy_is_near_zero_where_the_value_is_said_and_low_where_it_is_not(label, yes, no):
    label = control(f"label={label}")
    assert float(label.log_prob(one_hot(yes.split()))) > -0.01
    assert float(label.log_prob(one_hot(no.split()))) < -5


def test_proxy_is_the_probability_that_the_word_occurs_somewhere():
    probs = torch.full((1, 3, len(VOCAB)), 0.5 / (len(VOCAB) - 1))
    probs[..., VOCAB.ids["Italian"]] = 0.5
    assert float(control("label=food:Italian").log_prob(probs).exp()) == pytest.approx(1 - 0.5**3, rel=1e-4)


def test_proxy_reads_only_the_words_that_tell_a_value_from_the_others():
    context = type(CONTEXT)(VOCAB, type(LABELS)({"name": ("The Vaults", "The Aromi")}), 16)
    label = control("label=name:The Vaults", context)
    assert float(label.log_prob(one_hot(["Vaults"]))) > -0.01
    assert float(label.log_prob(one_hot(["The", "pub"]))) < -60


def test_a_label_whose_words_are_all_unknown_has_no_curve_but_works():
    context = type(CONTEXT)(VOCAB, type(LABELS)({"food": ("Xyz", "Italian")}), 16)
    assert float(control("label=food:Xyz", context).log_prob(one_hot(["pub"]))) == 0


def test_the_matcher_is_not_called_while_sampling(monkeypatch):
    def fail(*arguments: object) -> None:
        raise AssertionError("the judge steers")

    for name in ("named", "named_values", "named_strictly"):
        monkeypatch.setattr(slot_matcher, name, fail)
    strategy = steering(control("label=food:Italian"))
    trace = generate(model("diffusion-lm"), request(2, guidance_scale=2.0), strategy).run()
    assert trace.frames[-1].nfe == 2 * len(trace.frames)


def test_label_changes_what_a_labelled_model_writes():
    built = model("diffusion-lm")
    free = generate(built, request(4)).run().ids
    strategy = steering(control("label=food:Italian,area:riverside"))
    asked = generate(built, request(4, guidance_scale=4.0), strategy).run().ids
    assert (free != asked).any()
