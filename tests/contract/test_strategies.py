"""What every way of steering promises, over all kinds of controllers."""

import ast
import inspect
import textwrap

import pytest

from controllers import CONTROLLERS
from controllers.base import Controlled, Controller, foreign, why_not
from controllers.strategies import STRATEGIES
from controllers.strategies.particles import Particles
from diffusion import generate
from diffusion.core.types import Request
from tests.controllers.small import EXAMPLES, LENGTH, example, model, request
from tests.controllers.strategies.wishes import Mentions
from ui.service.options import STEERING

PAPER = {"absorb": "diffusion-lm", "langevin": "diffusion-lm", "langevin-denoiser": "diffusion-lm", "discrete": "sedd"}
PAIRS = [(strategy, slug) for strategy in STRATEGIES for slug in EXAMPLES]


def fields_read(kind):
    """The fields of the request that a strategy's code, or that of the classes beside it, names."""
    found = set()
    for one in (*kind.__mro__, Particles):
        if one.__module__.startswith("controllers."):
            tree = ast.parse(textwrap.dedent(inspect.getsource(one)))
            found |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)
                      and ast.unparse(node.value).endswith(("asked", "request"))}
    return found


@pytest.mark.parametrize("slug", STRATEGIES)
def test_a_strategy_has_a_name_a_caption_and_the_options_that_its_code_reads(slug):
    kind = STRATEGIES[slug]
    assert kind.slug == slug and kind.title and kind.__doc__
    own = {"inner_steps"} if slug == "discrete" else set()        # guidance of the first order has one round
    assert set(kind.options) == fields_read(kind) & set(STEERING) - own


@pytest.mark.parametrize(("strategy", "slug"), PAIRS)
def test_the_judge_never_steers(strategy, slug, monkeypatch):
    def fail(self: Controller, words: list[str]) -> None:
        raise AssertionError("score was called while sampling")

    monkeypatch.setattr(CONTROLLERS[slug], "score", fail)
    controls = [Controlled(example(slug)), Controlled(Mentions())]
    for copies in ({}, {"particles": 2, "rerank": 2}):
        asked = request(2, **copies)
        trace = generate(model(PAPER[strategy]), asked, STRATEGIES[strategy](controls)).run()
        assert trace.ids.shape == (2, LENGTH) and slug in trace.frames[-1].satisfaction


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_run_names_its_strategy(strategy):
    built = model(PAPER[strategy])
    assert generate(built, request(), STRATEGIES[strategy]([Controlled(Mentions())])).info["strategy"] == strategy
    assert generate(built, request()).info["strategy"] == ""


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_wish_acts_in_its_window_only_and_no_strength_is_the_identity_bitwise(strategy):
    built = model(PAPER[strategy])
    free = generate(built, request(3)).run()
    for changes, nats in (({}, 0.0), ({"window_until": 0.0}, 4.0), ({"window_from": 1.0}, 4.0)):
        trace = generate(built, request(3, **changes), STRATEGIES[strategy]([Controlled(Mentions(), nats)])).run()
        assert all((one.top_probs == other.top_probs).all() for one, other in zip(free.frames, trace.frames, strict=True))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_sample_alone_is_the_sample_in_a_batch(strategy):
    built, way = model(PAPER[strategy]), STRATEGIES[strategy]([Controlled(Mentions(doubt=1e-3), 2.0)])
    many = generate(built, request(3, particles=2), way).run()
    alone = generate(built, request(1, particles=2).with_(seeds=(2,)), way).run()
    assert (alone.ids[0] == many.ids[2]).all()


def test_a_strategy_refuses_the_papers_that_it_is_not_for_in_a_sentence():
    for slug, kind in STRATEGIES.items():
        for paper in ("diffusion-lm", "sedd", "ar"):
            sentence = foreign(kind, model(paper))
            assert (sentence is None) == (not kind.papers or paper in kind.papers)
            assert sentence == why_not(model(paper), Mentions, kind)
            assert sentence is None or slug in sentence


def test_todays_request_asks_for_nothing_new():
    plain = Request()
    assert (plain.copies, plain.inner_steps, plain.window_from, plain.window_until) == (1, 0, 0.0, 1.0)
