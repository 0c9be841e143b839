"""The app's perplexity is the one that evaluations print."""

from diffusion import load
from diffusion.judging import texts_of
from diffusion.papers.autoregressive import load_judge
from training.evaluation.quality import metrics
from ui.service.run_spec import Order
from ui.service.studio import Studio


def test_the_perplexity_of_a_run_is_that_of_the_evaluations():
    import torch

    studio = Studio(device="cpu", compute="fp32")
    trace = studio.start(Order(paper="sedd", samples=2, steps=4)).run()
    texts = texts_of(torch.from_numpy(trace.ids.astype("int64")))
    assert studio.perplexity(trace) == round(metrics.perplexity(load_judge(), texts), 3)


def test_a_run_in_other_words_is_not_judged():
    studio = Studio(device="cpu", compute="fp32")
    trace = studio.start(Order(paper="oracle", samples=1, steps=4)).run()
    assert load("oracle").vocab.fingerprint != load_judge().vocab.fingerprint
    assert studio.perplexity(trace) is None
