"""A studio on tiny models: random weights, few words, short texts; nothing here knows how to write, only how to run."""

import dataclasses
import threading
from pathlib import Path

import pytest
import torch

from diffusion import PAPERS
from diffusion.text.labels import LabelSet
from diffusion.text.vocab import SPECIALS, Vocabulary, split
from tests.tiny import tiny_model
from ui.service.studio import Studio

WORDS = split("the a is near serves food in and it Café Rouge Wharf Bistro Amber Italian Chinese riverside centre "
              "cheap friendly family place restaurant of from , . < > img onerror")
VOCAB = Vocabulary([*SPECIALS, *WORDS])
LABELS = LabelSet({"area": ("centre", "riverside"), "food": ("Chinese", "Italian")})
LENGTH = 12
WITH_WEIGHTS = [slug for slug, kind in PAPERS.items() if not kind.weightless]
READERS = [slug for slug, kind in PAPERS.items() if kind.source]                 # papers that read a source


def with_random_weights(model, seed):
    """The model with weights under which different states give different words."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            scale = 2 * parameter.shape[-1] ** -0.5 if parameter.ndim > 1 else 0.1
            parameter.copy_(scale * torch.randn(parameter.shape, generator=generator))
    return model.eval()


@pytest.fixture(autouse=True)
def one_thread():
    """Models this small wait for a second thread longer than it works."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory) -> Path:
    """A folder with a checkpoint folder for each paper that needs weights."""
    folder = tmp_path_factory.mktemp("checkpoints")
    for seed, slug in enumerate(WITH_WEIGHTS):
        with_random_weights(tiny_model(slug, VOCAB, LABELS, length=LENGTH), seed).save_pretrained(folder / slug)
    return folder


@pytest.fixture
def studio(checkpoints) -> Studio:
    """A studio on the tiny checkpoints, on the path that is the reference of all tests."""
    return Studio(device="cpu", compute="fp32", checkpoints=checkpoints)


@pytest.fixture
def texts(studio):
    """Runs an order to its end and returns its texts."""

    def run(order, **changes):
        return [result.text for result in studio.results(studio.start(dataclasses.replace(order, **changes)).run())]

    return run


def in_threads(jobs):
    """What the jobs return when all of them run at once."""
    answers = [None] * len(jobs)
    gate = threading.Barrier(len(jobs))

    def work(index):
        gate.wait(10)
        answers[index] = jobs[index]()

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return answers
