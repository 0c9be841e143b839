"""What every controller promises."""

import dataclasses

import pytest
import torch

from controllers import CONTROLLERS
from controllers.base import Controller, knobs
from diffusion import StudioError, generate
from diffusion.text.vocab import PAD
from tests.controllers.small import (
    CONTEXT,
    EXAMPLES,
    LENGTH,
    VOCAB,
    example,
    model,
    one_hot,
    random_belief,
    request,
    steering,
)

ALL = sorted(CONTROLLERS)
GOOD = {"length": "a cheap Italian pub .", "infill": "The Vaults is a pub near the riverside .",
        "label": "a Italian pub by the riverside .", "classifier": "Aromi serves Italian food .",
        "semantic": "a cheap Italian pub by the riverside .",
        "pos": "The Vaults is a cheap pub .", "tree": "The Vaults is a cheap pub .", "span": "The pub serves Italian food ."}
BAD = {"length": "a pub .",
       "infill": "Aromi is a pub near the riverside .",
       "label": "a French pub in the city centre .", "classifier": "Aromi serves French food .",
       "semantic": "a French pub in the city centre .",
       "pos": "by 5 Vaults it The near £", "tree": "by 5 it", "span": "a pub in"}


def test_every_controller_has_an_example_here():
    assert set(ALL) == set(EXAMPLES) == set(GOOD) == set(BAD)


@pytest.mark.parametrize("slug", ALL)
def test_log_prob_is_finite_and_a_probability(slug):
    for seed in range(3):
        value = example(slug).log_prob(random_belief(seed, batch=3, sharpness=10.0**seed))
        assert value.shape == (3,)
        assert torch.isfinite(value).all() and (value < 1e-3).all()


@pytest.mark.parametrize("slug", ALL)
def test_log_prob_has_the_slope_of_its_differences(slug):
    logits = random_belief(7, batch=1).log().double().requires_grad_()
    controller = example(slug)
    value = controller.log_prob(logits.softmax(-1)).sum()
    slope = torch.autograd.grad(value, logits)[0]
    assert torch.isfinite(slope).all() and slope.abs().max() > 1e-3
    direction = torch.randn(logits.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    with torch.no_grad():
        ahead, behind = (controller.log_prob((logits + h * direction).softmax(-1)).sum() for h in (1e-4, -1e-4))
    assert float((ahead - behind) / 2e-4) == pytest.approx(float((slope * direction).sum()), rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("slug", ALL)
def test_a_row_of_log_prob_is_its_own(slug):
    probs = random_belief(2, batch=4)
    alone = torch.cat([example(slug).log_prob(row[None]) for row in probs])
    assert torch.allclose(example(slug).log_prob(probs), alone, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("slug", ALL)
def test_log_prob_is_indifferent_to_padding_after_end(slug):
    probs = one_hot(GOOD[slug].split()) * 0.9 + 0.1 / len(VOCAB)
    probs[:, 10:] = torch.nn.functional.one_hot(torch.tensor(PAD), len(VOCAB)).float()
    longer = torch.cat([probs, probs[:, -1:].expand(-1, 5, -1)], 1)
    assert torch.allclose(example(slug).log_prob(probs), example(slug).log_prob(longer), atol=1e-4)


@pytest.mark.parametrize("slug", ALL)
def test_log_prob_of_a_certain_text_agrees_with_its_score(slug):
    controller = example(slug)
    good, bad = GOOD[slug].split(), BAD[slug].split()
    assert controller.score(good).success == 1 and float(controller.log_prob(one_hot(good))) > -0.01
    assert controller.score(bad).success == 0 and float(controller.log_prob(one_hot(bad))) < -5


@pytest.mark.parametrize("slug", ALL)
def test_score_has_a_sentence_and_judges_an_empty_text(slug):
    for words in ([], GOOD[slug].split(), ["<b>", "&", "[UNK]"]):
        score = example(slug).score(words)
        assert 0 <= score.success <= 1 and score.detail


@pytest.mark.parametrize("slug", ALL)
def test_knobs_have_limits_units_and_a_line_about_them(slug):
    declared = knobs(CONTROLLERS[slug])
    assert declared
    for field in declared:
        assert field.metadata["unit"] and field.metadata["about"]
        if isinstance(field.default, int | float):
            assert field.metadata["low"] <= field.default <= field.metadata["high"]


@pytest.mark.parametrize("slug", ALL)
def test_a_controller_is_a_frozen_value_with_a_caption_and_an_example(slug):
    kind = CONTROLLERS[slug]
    assert kind.slug == slug and kind.title and kind.example
    assert kind.__doc__ and not kind.__doc__.startswith(kind.__name__ + "(")     # not the one dataclasses write
    assert example(slug) == example(slug) and hash(example(slug)) == hash(example(slug))
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(example(slug), dataclasses.fields(kind)[0].name, None)


@pytest.mark.parametrize("slug", ALL)
def test_the_target_is_read_back_as_the_same_controller(slug):
    controller = example(slug)
    assert CONTROLLERS[slug].parse(controller.target, CONTEXT) == controller


@pytest.mark.parametrize("slug", ALL)
def test_what_the_model_does_not_know_is_refused_by_name(slug):
    with pytest.raises(StudioError, match="xyzzy"):
        CONTROLLERS[slug].parse("xyzzy:plugh" if CONTROLLERS[slug].editor == "slots" else "xyzzy", CONTEXT)


@pytest.mark.parametrize("paper", ["diffusion-lm", "ar"])
@pytest.mark.parametrize("slug", ALL)
def test_the_judge_never_steers(slug, paper, monkeypatch):
    def fail(self: Controller, words: list[str]) -> None:
        raise AssertionError("score was called while sampling")

    monkeypatch.setattr(CONTROLLERS[slug], "score", fail)
    trace = generate(model(paper), request(2), steering(example(slug))).run()
    assert all(slug in frame.satisfaction for frame in trace.frames)
    assert trace.ids.shape == (2, LENGTH)


@pytest.mark.parametrize("paper", ["diffusion-lm", "ar"])
@pytest.mark.parametrize("slug", [slug for slug in ALL if CONTROLLERS[slug].masks])
def test_masks_hold_at_every_step(slug, paper):
    built, controller = model(paper), example(slug)
    strategy = steering(controller)
    mask = controller.allowed(CONTEXT, strategy.request(request(4)))
    for frame in generate(built, request(4), strategy):
        ids = torch.from_numpy(frame.ids.astype("int64"))
        assert mask.expand(4, -1, -1).gather(2, ids[..., None]).all()
