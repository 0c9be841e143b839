"""Content is pulled to one place until it is said; contradictions are named before a run; masks stay exact beside it."""

import pytest
import torch

from controllers import parse_controls, phrases
from controllers.base import Context
from controllers.matchers import slot_matcher
from controllers.semantic import Semantic, said_literally
from controllers.strategies.absorb import Absorb
from diffusion import StudioError, generate, load
from diffusion.text.vocab import END
from tests.controllers.small import CONTEXT, VOCAB, control, model, one_hot, random_belief, request, steering


@pytest.mark.parametrize("target", ["food:Italian", "area:riverside,food:Italian", "word:cheap", "food:French,word:cheap pub"])
def test_the_target_is_read_back(target):
    assert control(f"semantic={target}").target == target
    assert control(f"semantic={control(f'semantic={target}').target}") == control(f"semantic={target}")


def test_slots_stand_in_the_order_of_the_label_set_and_words_behind_them():
    assert control("semantic= word:pub , food:Italian,area:riverside").target == "area:riverside,food:Italian,word:pub"
    assert control("semantic=word:pub,word:cheap").target == "word:pub,word:cheap"


@pytest.mark.parametrize(("text", "said"), [
    ("foood:Italian", "Unknown slot 'foood'.*'food'"),
    ("food:Itallian", "Unknown value for the slot 'food': 'Itallian'.*'Italian'"),
    ("food:absent", "write label=food:absent|Write label=food:absent"),
    ("food", "'food' is not a slot with a value"),
    ("word:", "not a slot with a value"),
    ("food:Italian,", "'' is not a slot with a value"),
    ("food:Italian,food:French", "slot 'food' two values, 'Italian' and 'French'"),
    ("word:cheep", "'cheep' is not among.*'cheap'"),
    ("word:cheap xyzzy", "'xyzzy' is not among"),
    ("word:" + "pub " * 16, "16 words"),
    ("word:" + "p" * 61, "at most 60 letters"),
])  # fmt: skip
def test_content_that_cannot_be_is_refused(text, said):
    with pytest.raises(StudioError, match=said):
        Semantic.parse(text, CONTEXT)


@pytest.mark.parametrize(("target", "text", "success"), [
    ("food:Italian,word:cheap", "A cheap Italian pub .", 1.0),
    ("food:Italian,word:cheap", "A Italian pub .", 0.5),
    ("word:cheap pub", "A Cheap pub .", 1.0),
    ("word:cheap pub", "A cheap , pub .", 0.0),
    ("area:riverside", "It lies by the river .", 1.0),
])  # fmt: skip
def test_slots_are_judged_by_the_matcher_and_words_by_where_they_stand(target, text, success):
    score = control(f"semantic={target}").score(text.split())
    assert score.success == success
    assert ("missed" in score.detail) == (success < 1) and len(score.parts["missed"]) == (success < 1)


def test_the_papers_own_test_knows_no_paraphrase_and_no_parts_of_words():
    words = ["It", "lies", "by", "the", "River", "."]
    assert said_literally(words, "the river") and not said_literally(words, "riverside") and not said_literally(words, "ive")
    assert "0 of 1 literally" in control("semantic=area:riverside").score(words).detail


# ---- the direction


@pytest.mark.parametrize("seed", range(4))
def test_the_wish_raises_the_log_probability(seed):
    controller, logits = control("semantic=food:Italian,word:cheap pub"), random_belief(seed).log()
    wish = controller.wish(logits)
    assert wish.abs().max() <= 1
    raised = controller.log_prob((logits + 0.1 * wish).softmax(-1)) - controller.log_prob(logits.softmax(-1))
    assert (raised > 0.001).all()


def test_the_wish_is_for_the_place_where_the_word_is_nearest():
    logits = torch.zeros(1, 16, len(VOCAB))
    logits[0, 6, VOCAB.ids["Italian"]] = 2
    wish = control("semantic=food:Italian").wish(logits)[0, :, VOCAB.ids["Italian"]]
    assert wish.argmax() == 6 and wish[6] > 20 * wish[[place for place in range(16) if place != 6]].max()


def test_the_wish_ends_when_the_value_is_said():
    logits = (one_hot(["a", "Italian", "pub", "."]) + 1e-5).log()
    assert control("semantic=food:Italian").wish(logits).abs().max() < 1e-2
    assert control("semantic=food:French").wish(logits).abs().max() > 0.5


def test_exact_beliefs_are_led_to_a_text_that_says_it():
    oracle = load("oracle")

    def count(nats: int) -> int:
        controls = parse_controls([f"semantic=word:Italian@{nats}"], Context.of(oracle))
        ids = generate(oracle, request(32, steps=16), Absorb(controls)).run().ids
        return sum("Italian" in oracle.vocab.tokens(row) for row in ids)

    assert count(0) <= 12 and count(8) >= count(0) + 6


def test_the_matcher_is_not_called_while_sampling(monkeypatch):
    def fail(*arguments: object) -> None:
        raise AssertionError("the judge steers")

    for name in ("named", "named_values", "named_strictly", "_read"):
        monkeypatch.setattr(slot_matcher, name, fail)
    generate(model("diffusion-lm"), request(2), steering(control("semantic=food:Italian"))).run()


def test_a_missing_table_is_told_before_a_run(tmp_path, monkeypatch):
    monkeypatch.setattr(phrases, "FOLDER", tmp_path)
    assert "python -m training phrases" in Semantic.lacks(CONTEXT)


# ---- beside others


@pytest.mark.parametrize(("controls", "said"), [
    (["semantic=food:Italian", "label=food:absent"], "'semantic=food:Italian' and 'label=food:absent'.*'food'"),
    (["label=food:French", "semantic=food:Italian"], "'label=food:French' and 'semantic=food:Italian'.*'food'"),
    (["semantic=food:Italian", "semantic=food:French"], "'semantic=food:Italian' and 'semantic=food:French'"),
    (["classifier=food:French", "semantic=food:Italian"], "'classifier=food:French' and 'semantic=food:Italian'"),
    (["semantic=word:cheap", "infill=The Vaults is a pub ."], "'semantic=word:cheap' and 'infill=.*no place.*'cheap'"),
    (["infill=The Vaults is a ___1 .", "semantic=word:cheap pub"], "'semantic=word:cheap pub' and 'infill=.*no place"),
    (["length=2", "semantic=word:a cheap pub"], "'semantic=word:a cheap pub' and 'length=2'.*no place"),
    (["infill=___ pub", "length=2", "semantic=word:a cheap"], "'semantic=word:a cheap' and .*no place"),
])  # fmt: skip
def test_contradictions_are_named_before_a_run(controls, said):
    with pytest.raises(StudioError, match=said):
        strategy = Absorb(parse_controls(controls, CONTEXT))
        strategy.begin(model("diffusion-lm"), strategy.request(request()))


@pytest.mark.parametrize("controls", [
    ["semantic=food:Italian", "label=food:Italian"], ["semantic=food:Italian", "label=area:riverside"],
    ["semantic=word:cheap", "semantic=word:pub"],
    ["semantic=word:cheap", "infill=The Vaults is a cheap pub ."], ["semantic=word:cheap pub", "infill=a cheap ___1 ."],
    ["semantic=word:a cheap", "length=2"],
])  # fmt: skip
def test_what_can_be_together_is_let_be(controls):
    strategy = Absorb(parse_controls(controls, CONTEXT))
    strategy.begin(model("diffusion-lm"), strategy.request(request()))


@pytest.mark.parametrize("paper", ["diffusion-lm", "ar"])
def test_masks_stay_exact_beside_content(paper):
    controls = ["semantic=food:Italian,word:cheap@20", "length=8", "infill=The Vaults ___ near ___"]
    strategy = Absorb(parse_controls(controls, CONTEXT))
    for row in generate(model(paper), request(6), strategy).run().ids.tolist():
        words = VOCAB.tokens(row)
        assert row.index(END) == 8 and words[:2] == ["The", "Vaults"] and "near" in words[3:7]
