"""A stored run is small and comes back exactly: four texts of 64 words over 200 steps, settling as real runs do."""

import json

import numpy as np
import pytest
import torch

from diffusion.core.trace import Frame, Trace
from diffusion.core.types import Step

STEPS, BATCH, LENGTH, VOCAB = 200, 4, 64, 120
ARRAYS = ("ids", "top_ids", "top_probs", "entropy", "pressure")


@pytest.fixture(scope="module")
def trace() -> Trace:
    """Beliefs that sharpen from noise to one word, each position at its own time; a third of the positions is padding early."""
    generator = torch.Generator().manual_seed(3)
    target = 8 * torch.nn.functional.one_hot(torch.randint(0, VOCAB, (BATCH, LENGTH), generator=generator), VOCAB)
    begins = torch.rand(BATCH, LENGTH, 1, generator=generator) * 0.6
    begins[:, LENGTH // 3:] *= 0.1
    frames = []
    for index in range(STEPS):
        sure = ((index / STEPS - begins) * 8).clamp(0, 1.5)
        noise = torch.randn(BATCH, LENGTH, VOCAB, generator=generator) * (1 - sure / 1.5)
        free = sure * target + noise
        frames.append(Frame.of(Step(index, STEPS, 1 - index / STEPS, 1 - (index + 1) / STEPS, free, free + 0.1 * noise, None, index,
                                    0.01 * index, satisfaction={"length": torch.full((BATCH,), -0.5)})))
    return Trace({"paper": "oracle", "seeds": list(range(BATCH)), "words": ["w"] * VOCAB}, frames)


def test_four_texts_of_64_words_over_200_steps_take_less_than_3_mb_in_memory_and_1_mb_on_disk(trace, tmp_path):
    assert sum(getattr(frame, name).nbytes for frame in trace.frames for name in ARRAYS) < 3 * 2**20
    trace.save(tmp_path / "run.json")
    assert (tmp_path / "run.json").stat().st_size < 2**20


def test_a_trace_comes_back_bit_for_bit(trace):
    again = Trace.from_dict(json.loads(json.dumps(trace.to_dict())))
    for one, other in zip(trace.frames, again.frames, strict=True):
        assert all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ARRAYS)
        assert (one.t, one.s, one.nfe, one.satisfaction) == (other.t, other.s, other.nfe, other.satisfaction)


def test_another_format_is_named(trace):
    with pytest.raises(ValueError, match="format 7, expected 1"):
        Trace.from_dict({**trace.to_dict(), "format": 7})
