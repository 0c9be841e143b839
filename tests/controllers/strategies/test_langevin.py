"""Diffusion-LM's published steering: one step is a rate times a sign, lambda is the task's, and only models with classifiers."""

import pytest
import torch

from controllers import parse_controls
from controllers.base import Controlled, why_not
from controllers.probes import reader
from controllers.probes.noisy import NAME, NoisyReader
from controllers.strategies.inner_loop import RATE
from controllers.strategies.langevin import Langevin
from diffusion import StudioError, generate
from diffusion.core.types import Gaussian, Transition
from tests.controllers.small import CONTEXT, LENGTH, control, model, request
from tests.tiny import tiny_model

NONE = 1e-30             # lambda; 0 asks for the task's own
LAMBDAS = {"pos=DET NOUN": 1e-4, "tree=(S (NP 2) (VP 2))": 5e-4, "span=NP@2-3": 0.1, "semantic=food:Italian": 0.01,
           "classifier=food:Italian": 0.01}


@pytest.fixture(scope="module")
def written():
    return model("diffusion-lm")


def way(*texts):
    return Langevin(parse_controls(texts, CONTEXT))


def begun(built, *texts, **options):
    strategy = way(*(texts or ["classifier=food:Italian"]))
    strategy.begin(built, strategy.request(request(2, **options)))
    return strategy


def drawn(built, std=0.3):
    noise = torch.randn(2, 2, LENGTH, built.state_width, generator=torch.Generator().manual_seed(0))
    return Transition(Gaussian(noise[0] + std * noise[1], torch.zeros_like(noise[0])), mean=noise[0], std=torch.tensor(std))


def moved(strategy, built, t=0.5, s=0.4):
    transition = drawn(built)
    with torch.no_grad():
        return strategy.after(built, None, transition, t, s, None).x - transition.state.x, transition


@pytest.mark.parametrize("text", LAMBDAS)
def test_one_inner_step_is_exactly_the_rate_against_the_sign_of_the_cross_entropys_slope(written, text):
    strategy = begun(written, text, inner_steps=1, fluency=NONE)
    step, transition = moved(strategy, written)
    leaf = transition.state.x.clone().requires_grad_()
    read = NoisyReader.load(NAME)
    slope = torch.autograd.grad(control(text).noisy_loss(read, read.features(leaf, 0.4)).sum(), leaf)[0]
    size = RATE * written.table().detach().std(correction=0)
    assert slope.any() and torch.allclose(step, -size * slope.sign(), atol=1e-6)


@pytest.mark.parametrize(("text", "weight"), LAMBDAS.items())
def test_lambda_is_the_papers_for_the_task_unless_named(written, text, weight):
    transition = drawn(written)
    y = transition.state.x + 0.1
    own, named, none = (begun(written, text, fluency=value).slope(written, y, transition, 0.4) for value in (0.0, 3.0, NONE))
    pull = 2 * (y - transition.mean) / transition.std
    assert torch.allclose(own - none, weight * pull, atol=1e-5) and torch.allclose(named - none, 3 * pull, atol=1e-4)


def test_losses_of_several_controls_are_summed_with_one_fluency_term_of_the_smallest_lambda(written):
    texts, transition = ["pos=DET NOUN VERB", "classifier=food:Italian"], drawn(written)
    y, pull = transition.state.x, 2 * (transition.state.x - transition.mean) / transition.std
    both, *alone = (begun(written, *each).slope(written, y, transition, 0.4) for each in (texts, texts[:1], texts[1:]))
    parts = [one - weight * pull for one, weight in zip(alone, (1e-4, 0.01), strict=True)]
    assert torch.allclose(both, sum(parts) + 1e-4 * pull, atol=1e-6)


@pytest.mark.parametrize(("t", "s", "inner"), [(0.5, 0.4, 3), (0.06, 0.05, 3), (0.05, 0.045, 0), (0.02, 0.0, 0)])
def test_three_inner_steps_follow_and_none_in_the_last_twentieth(written, t, s, inner):
    strategy = begun(written, "tree=(S (NP 2) (VP 2))")
    step, _ = moved(strategy, written, t, s)
    assert strategy.guided(t, s) == inner and bool(step.any()) == (inner > 0)


def test_inner_steps_lower_the_cross_entropy(written):
    strategy = begun(written, fluency=NONE, inner_steps=8)
    step, transition = moved(strategy, written)
    before, after = (strategy.lacking(x, 0.4) for x in (transition.state.x, transition.state.x + step))
    assert (after < before - 0.05).all()


def test_only_the_models_own_evaluations_are_counted(written):
    assert generate(written, request(2, steps=10), way("classifier=food:Italian")).run().frames[-1].nfe == 10


# ---- what no classifier tells

def test_lengths_and_the_words_of_tags_and_trees_are_held_by_masks(written):
    for texts, count in ((["length=5", "classifier=food:Italian"], 5), (["pos=DET NOUN VERB"], 3), (["tree=(S (NP 2) (VP 2))"], 4)):
        trace = generate(written, request(3), way(*texts)).run()
        assert all(len(written.vocab.tokens(row)) == count for row in trace.ids)
    pinned = generate(written, request(2), way("infill=The Vaults is ___2 .", "classifier=food:Italian")).run()
    assert all(written.vocab.tokens(row)[:3] == ["The", "Vaults", "is"] for row in pinned.ids)


def test_free_words_of_a_content_are_wished_in_nats_and_its_slots_by_the_classifiers(written):
    strategy = way("semantic=food:Italian,word:cheap@20")
    assert [each.target for each in strategy.told] == ["food:Italian"]
    assert [(each.controller.target, each.nats) for each in strategy.untold] == [("word:cheap", 20.0)]
    words = generate(written, request(6), way("semantic=word:cheap@20")).run()
    free = generate(written, request(6)).run()
    said = [sum("cheap" in written.vocab.tokens(row) for row in trace.ids) for trace in (free, words)]
    assert said[1] > said[0]
    assert not way("semantic=word:cheap").told and way("length=5").untold == []


def test_no_strength_is_the_identity(written):
    free = generate(written, request(3)).run()
    trace = generate(written, request(3), Langevin([Controlled(control("classifier=food:Italian"), 0.0)])).run()
    assert all((one.top_probs == other.top_probs).all() for one, other in zip(free.frames, trace.frames, strict=True))


# ---- for whom

def test_a_checkpoint_of_other_embeddings_is_refused_before_and_at_the_run(written):
    other, strategy = model("diffusion-lm", scale=0.4), way("classifier=food:Italian")
    sentence = why_not(other, control("classifier=food:Italian"), strategy)
    assert "embeddings" in sentence and "langevin-denoiser" in sentence
    assert why_not(written, control("classifier=food:Italian"), strategy) is None
    assert why_not(other, control("length=5"), strategy) is None
    with pytest.raises(StudioError, match="embeddings"):
        generate(other, request(2), strategy).run()
    generate(other, request(2), way("length=5")).run()


def test_other_papers_are_refused_and_a_missing_classifier_names_its_command(written, tmp_path, monkeypatch):
    other = tiny_model("seqdiffuseq", CONTEXT.vocab, CONTEXT.labels, length=LENGTH).eval()
    wish = control("classifier=food:Italian")
    assert "'langevin' belongs to diffusion-lm" in why_not(other, wish, way("classifier=food:Italian"))
    monkeypatch.setattr(reader, "FOLDER", tmp_path)
    assert "training controller noisy" in Langevin.refuses(written, wish)
