"""The promises that every paper keeps about beliefs and texts, on tiny random weights; the oracle keeps them too."""

from __future__ import annotations

import copy
import dataclasses
import inspect
from typing import Any

import pytest
import torch
from torch import Tensor

import diffusion
from diffusion.core.errors import StudioError
from diffusion.core.model import DiffusionModel, GaussianModel
from diffusion.core.rng import Rng
from diffusion.core.types import Request
from diffusion.text.vocab import END, PAD, UNK
from tests.contract.papers import PAIRS, SEEDS, Wish, ask, believe, halfway, model, told
from tests.tiny import AS_IN_THE_PAPER, NAMES, kind_of, tiny_model


def write(paper: DiffusionModel, request: Request, strategy: Any = None) -> Tensor:
    """Finished texts (B, L)."""
    return torch.from_numpy(diffusion.generate(paper, request, strategy).run().ids.astype("int64"))


# ---- facts


@pytest.mark.parametrize("slug", diffusion.PAPERS)
def test_a_paper_says_what_it_is(slug):
    kind = diffusion.PAPERS[slug]
    assert kind.slug == slug and kind.title and kind.samplers
    assert kind.__doc__ != DiffusionModel.__doc__ and len(kind.__doc__.split()) > 15  # the caption that visitors read
    assert len(inspect.getmodule(kind).__doc__.splitlines()) > 3
    assert set(kind.samplers) <= set(diffusion.SAMPLERS)
    assert dataclasses.is_dataclass(kind.config_type)


@pytest.mark.parametrize("name", diffusion.SAMPLERS)
def test_a_sampler_says_what_it_is_and_fits_a_paper(name):
    kind = diffusion.SAMPLERS[name]
    assert kind.slug == name and kind.title and kind.spaces and len(kind.__doc__.split()) > 5
    assert any(name in paper.samplers for paper in diffusion.PAPERS.values())


@pytest.mark.parametrize("name", NAMES)
def test_a_paper_lists_samplers_that_walk_through_its_states_and_the_others_are_refused_with_the_reason(name):
    for slug, sampler in diffusion.SAMPLERS.items():
        if slug in model(name).samplers:
            assert model(name).space in sampler.spaces
            continue
        with pytest.raises(StudioError) as refused:
            next(diffusion.stream(model(name), ask(name, sampler=slug)))
        assert f"The sampler '{slug}' does not fit {model(name).title}" in str(refused.value)
        assert all(fitting in str(refused.value) for fitting in model(name).samplers)
        if model(name).space not in sampler.spaces:
            assert f"walks through {' or '.join(sampler.spaces)}" in str(refused.value)
            assert f"are {model(name).space}." in str(refused.value)


# ---- beliefs


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("t", [1.0, 0.6, 0.02])
def test_beliefs_are_distributions_over_words_at_every_position(name, t):
    with torch.no_grad():
        logits = model(name).predict(halfway(name, t), t, ask(name)).logits
    assert logits.shape == (len(SEEDS), model(name).length, len(model(name).vocab))
    assert not logits.isnan().any() and not torch.isposinf(logits).any()
    torch.testing.assert_close(logits.softmax(-1).sum(-1), torch.ones(logits.shape[:2]))


@pytest.mark.parametrize("name", NAMES)
def test_probabilities_handed_along_are_those_of_the_logits(name):
    free = believe(name)
    for prediction in (free, model(name).absorb(free, torch.randn_like(free.logits))):
        if prediction.probs is not None:
            torch.testing.assert_close(prediction.probs, prediction.logits.softmax(-1))


# The oracle rules out all that its corpus lacks, and the baseline is certain of what it has written: both are meant.
@pytest.mark.parametrize("name", [name for name in NAMES if name not in {"oracle", "ar"}])
def test_beliefs_are_finite_except_for_words_that_no_text_holds(name):
    forbidden = model(name).never().expand(len(SEEDS), -1, -1)
    assert torch.equal(torch.isneginf(believe(name).logits), forbidden)


@pytest.mark.parametrize("name", NAMES)
def test_words_that_no_text_holds_have_no_probability(name):
    forbidden = model(name).never().expand(len(SEEDS), -1, -1)
    assert believe(name).logits.softmax(-1)[forbidden].max() == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_zero_wish_changes_no_bit(name):
    free = believe(name)
    steered = model(name).absorb(free, torch.zeros_like(free.logits))
    assert torch.equal(steered.logits, free.logits) and torch.equal(steered.native, free.native)


@pytest.mark.parametrize(("name", "sampler"), PAIRS)
def test_a_zero_wish_changes_no_text(name, sampler):
    request = ask(name, sampler=sampler)
    assert torch.equal(write(model(name), request, Wish(torch.zeros(()))), write(model(name), request))


@pytest.mark.parametrize("name", NAMES)
def test_a_wish_of_a_tenth_of_a_nat_makes_that_word_more_likely_by_what_was_asked(name):
    free = believe(name)
    before = free.logits.log_softmax(-1)
    open_words = torch.isfinite(before) & (before < -1e-3)
    for row, place in open_words.any(-1).nonzero().tolist():
        word = int(before[row, place].masked_fill(~open_words[row, place], -torch.inf).argmax())
        wanted = torch.zeros_like(before)
        wanted[row, place, word] = 0.1
        after = model(name).absorb(free, wanted).logits.log_softmax(-1)
        odds = (after - torch.log1p(-after.exp()))[row, place, word] - (before - torch.log1p(-before.exp()))[
            row, place, word
        ]
        assert after[row, place, word] > before[row, place, word]
        assert odds.item() == pytest.approx(0.1, abs=2e-3)
        break
    else:
        pytest.fail("no position is open")


# Only Gaussian papers hand a point to their sampler; the baseline's native is the belief itself. Diffusion-LM as in the
# paper moves its x0_hat by the change of the mean embedding too, but from wherever its network put it.
@pytest.mark.parametrize("name", [name for name in NAMES if issubclass(kind_of(name), GaussianModel) and kind_of(name).hard
                                  and not name.endswith(AS_IN_THE_PAPER)])
def test_a_pin_moves_the_predicted_point_to_the_word_and_no_other_point(name):
    free, paper = believe(name), model(name)
    word = 5
    wanted = torch.zeros_like(free.logits)
    wanted[:, 2, [w for w in range(len(paper.vocab)) if w != word]] = -torch.inf
    moved = paper.absorb(free, wanted).native
    point = paper.noise(torch.full((1, paper.length), word), 0.0, Rng((0,))).x[0, 2]
    torch.testing.assert_close(paper.clamp(moved)[:, 2], point.expand(len(SEEDS), -1), rtol=0, atol=1e-5)
    untouched = [place for place in range(paper.length) if place != 2]
    torch.testing.assert_close(moved[:, untouched], free.native[:, untouched])


# ---- guidance


@pytest.mark.parametrize("name", NAMES)
def test_guidance_scale_0_is_free_and_the_label_has_a_say_at_1(name):
    free, ignored, conditional = (
        believe(name),
        believe(name, label=told(name), guidance_scale=0.0),
        believe(name, label=told(name)),
    )
    assert torch.equal(ignored.logits, free.logits) and torch.equal(ignored.native, free.native)
    assert not torch.equal(conditional.logits, free.logits)
    assert free.nfe == ignored.nfe == conditional.nfe == 1


@pytest.mark.parametrize("name", [name for name in NAMES if kind_of(name).guides_logits])
@pytest.mark.parametrize("scale", [0.5, 2.0, 3.0])
def test_guidance_moves_logits_along_the_line_from_free_to_conditional(name, scale):
    free, conditional = believe(name).logits, believe(name, label=told(name)).logits
    guided = believe(name, label=told(name), guidance_scale=scale, guidance_limit=torch.inf)
    possible = torch.isfinite(free) & torch.isfinite(conditional)
    expected = torch.where(possible, free + scale * (conditional - free), conditional)
    expected, found = expected.log_softmax(-1), guided.logits.log_softmax(-1)
    torch.testing.assert_close(found[possible], expected[possible], rtol=1e-4, atol=1e-4)
    assert torch.equal(torch.isneginf(guided.logits), torch.isneginf(conditional))
    assert guided.nfe == 2


@pytest.mark.parametrize("name", [name for name in NAMES if not kind_of(name).guides_logits])
@pytest.mark.parametrize("scale", [0.5, 2.0, 3.0])
def test_guidance_moves_the_predicted_point_along_the_line_where_it_acts_on_that(name, scale):
    free, conditional = believe(name).native, believe(name, label=told(name)).native
    guided = believe(name, label=told(name), guidance_scale=scale)
    torch.testing.assert_close(guided.native, free + scale * (conditional - free), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(guided.native, conditional, atol=1e-3) and guided.nfe == 2


@pytest.mark.parametrize("name", NAMES)
def test_a_guidance_scale_beside_1_is_beside_the_conditional_belief(name):
    conditional, nearly = (
        believe(name, label=told(name), guidance_scale=scale).logits.softmax(-1) for scale in (1.0, 1.0001)
    )
    torch.testing.assert_close(nearly, conditional, rtol=0, atol=2e-3)


# ---- texts


def assert_is_text(rows: Tensor) -> None:
    """Every row is words, END, PAD ... PAD, with at least one word and no UNK."""
    for row in rows.tolist():
        end = row.index(END)
        assert end >= 1 and set(row[end + 1:]) <= {PAD}
        assert min(row[:end]) > UNK


@pytest.mark.parametrize(("name", "sampler"), PAIRS)
@pytest.mark.parametrize("steps", [1, 2, 9])
def test_only_words_then_end_then_pad_are_ever_written(name, sampler, steps):
    assert_is_text(write(model(name), ask(name, tuple(range(12)), sampler=sampler, temperature=3.0).with_(steps=steps)))


@pytest.mark.parametrize(("name", "sampler"), [pair for pair in PAIRS if kind_of(pair[0]).hard])
def test_a_masked_word_is_never_written(name, sampler):
    """Five words, the third given, and half of the vocabulary forbidden."""
    paper = model(name)
    allowed = torch.zeros(paper.length, len(paper.vocab), dtype=torch.bool)
    allowed[:5, 4::2] = True
    allowed[2] = False
    allowed[2, 7] = True
    allowed[5, END] = True
    allowed[6:, PAD] = True
    wanted = torch.zeros(allowed.shape).masked_fill(~allowed, -torch.inf)
    rows = write(paper, ask(name, tuple(range(12)), sampler=sampler), Wish(wanted))
    assert allowed.expand(len(rows), -1, -1).gather(-1, rows[..., None]).all()
    assert_is_text(rows)


@pytest.mark.parametrize(("name", "sampler"), PAIRS)
def test_a_row_alone_equals_the_row_in_a_batch(name, sampler):
    together = diffusion.generate(model(name), ask(name, sampler=sampler)).run()
    for row, seed in enumerate(SEEDS):
        alone = diffusion.generate(model(name), ask(name, (seed,), sampler=sampler)).run()
        for batched, single in zip(together.frames, alone.frames, strict=True):
            assert (batched.ids[row] == single.ids[0]).all()
            assert abs(batched.entropy[row] - single.entropy[0]).max() < 2e-3
    middle = together.frames[len(together.frames) // 2].entropy
    assert len({tuple(row) for row in middle.tolist()}) > 1


@pytest.mark.parametrize(("name", "sampler"), PAIRS)
def test_the_same_seeds_write_the_same_texts(name, sampler):
    request = ask(name, sampler=sampler, label=told(name), guidance_scale=2.0)
    assert torch.equal(write(model(name), request), write(tiny_model(name), request))


@pytest.mark.parametrize(("name", "sampler"), PAIRS)
def test_a_run_stopped_after_two_steps_leaves_nothing_behind(name, sampler):
    request, used = ask(name, sampler=sampler), tiny_model(name)
    before = copy.deepcopy(used.state_dict())
    running = diffusion.stream(used, request.with_(seeds=(99, 100)))
    next(running), next(running)
    running.close()
    assert all(torch.equal(value, before[name]) for name, value in used.state_dict().items())
    assert torch.equal(write(used, request), write(tiny_model(name), request))
    assert torch.is_grad_enabled()
