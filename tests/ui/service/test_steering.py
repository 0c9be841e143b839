"""The way of steering and its options: from flags, links and the form to the loop, and what is refused."""

import dataclasses

import pytest

from controllers.strategies import STRATEGIES
from diffusion import PAPERS, Request
from diffusion.core.errors import StudioError
from ui.service.options import STEERING
from ui.service.requests import refuse, request_of
from ui.service.run_spec import Order

FITTING = {"absorb": "diffusion-lm", "langevin": "diffusion-lm", "langevin-denoiser": "diffusion-lm", "discrete": "sedd"}
OTHER = {"inner_steps": 2, "fluency": 0.5, "window_from": 0.25, "window_until": 0.75, "particles": 3, "rerank": 2}


def order_of(strategy, **changes):
    order = Order(paper=FITTING[strategy], strategy=strategy, controls=("length=5",), steps=4, samples=2)
    return dataclasses.replace(order, **changes)


def test_an_order_has_every_option_with_the_default_of_a_request():
    assert set(OTHER) == set(STEERING) and set(FITTING) == set(STRATEGIES)
    for name, option in STEERING.items():
        assert option.default == getattr(Request(), name) == getattr(Order(), name)
        assert option.low <= option.default <= option.high and option.title and option.unit and option.about


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("name", STEERING)
def test_what_a_strategy_reads_reaches_it_and_what_it_does_not_read_is_refused(studio, strategy, name):
    order = order_of(strategy, **{name: OTHER[name]})
    assert Order.from_query(order.to_query()) == order
    if name in STRATEGIES[strategy].options:
        refuse(order, PAPERS[order.paper])
        assert getattr(request_of(order, studio.model(order.paper)), name) == OTHER[name]
    else:
        with pytest.raises(StudioError, match=f"strategy '{strategy}' does not read '{name.replace('_', '-')}'"):
            refuse(order, PAPERS[order.paper])


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_run_by_every_strategy_names_it(studio, strategy):
    trace = studio.start(order_of(strategy, particles=2)).run()
    assert trace.info["strategy"] == strategy and trace.info["order"]["strategy"] == strategy
    assert trace.ids.shape[0] == 2 and [result.controls[0]["score"] for result in studio.results(trace)] == [1, 1]


def test_without_a_control_there_is_nothing_to_steer(studio, texts):
    plain = Order(steps=4, samples=2)
    assert texts(plain, particles=4, inner_steps=2) == texts(plain)
    assert studio.start(plain).info["strategy"] == ""


@pytest.mark.parametrize(("strategy", "paper"), [(slug, paper) for slug, kind in STRATEGIES.items() for paper in PAPERS
                                                 if kind.papers and paper not in kind.papers])
def test_a_strategy_of_other_papers_is_refused(strategy, paper):
    with pytest.raises(StudioError, match=f"'{strategy}' belongs to .* Choose 'absorb'"):
        refuse(Order(paper=paper, strategy=strategy), PAPERS[paper])


@pytest.mark.parametrize(("changes", "sentence"), [
    ({"samples": 32, "particles": 4, "rerank": 4}, "512 at once; at most 256"),
    ({"window_from": 0.8, "window_until": 0.2}, "from 0.8 until 0.2"),
    ({"particles": 0}, "number of particles 0"), ({"inner_steps": 1.5}, "whole number"), ({"fluency": 2.0}, "fluency 2.0")])
def test_impossible_options_are_refused(changes, sentence):
    with pytest.raises(StudioError, match=sentence):
        refuse(order_of("absorb", **changes), PAPERS[Order.paper])


@pytest.mark.parametrize("paper", ["diffusion-lm", "sedd", "oracle"])
def test_the_menu_offers_what_fits_a_paper(studio, paper):
    info = next(each for each in studio.papers() if each.slug == paper)
    assert [each.slug for each in info.strategies] == [slug for slug in STRATEGIES if FITTING[slug] == paper or slug == "absorb"]
    assert info.strategy("nothing of the kind").slug == "absorb"
