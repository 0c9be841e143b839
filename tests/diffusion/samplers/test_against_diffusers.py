"""Our samplers take the same steps as the schedulers of the diffusers library, noise included.

Theirs know a table of betas at indices 0 ... T - 1, ours continuous time: index i is time (i + 1) / T. With T divisible
by the number of steps and "trailing" spacing both walk the same grid from 1 to 0.
"""

import itertools

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler

import diffusion
from diffusion.core import schedules
from diffusion.core.rng import BatchRng
from diffusion.core.types import Gaussian, Prediction, Request

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers with numpy 2

TABLE, ROWS = 2000, 3
ORACLE = diffusion.load("oracle")


def options(**more: object) -> dict[str, object]:
    """What a scheduler is built with: the sqrt schedule as a table, predictions of x_0, nothing clipped."""
    signal = schedules.sqrt(torch.arange(TABLE + 1, dtype=torch.float64) / TABLE)
    return {
        "num_train_timesteps": TABLE,
        "trained_betas": (1 - signal[1:] / signal[:-1]).numpy(),
        "prediction_type": "sample",
        "timestep_spacing": "trailing",
        **more,
    }


def known_text(x: torch.Tensor, t: float) -> torch.Tensor:
    """The exact x_0 of a text that is known beforehand, whatever the state."""
    return ORACLE.embedding[ORACLE.tokens[:len(x)]]


def mean_text(x: torch.Tensor, t: float) -> torch.Tensor:
    """The oracle's x0_hat, which depends on state and time."""
    state = Gaussian(x, torch.zeros_like(x))
    return ORACLE.predict(state, t, Request(length=ORACLE.length, seeds=tuple(range(len(x))), temperature=1.0)).native


def theirs(scheduler: object, steps: int, predict: object, **more: object) -> list[torch.Tensor]:
    """States after each step of a diffusers scheduler."""
    generator = torch.Generator().manual_seed(9)
    x, path = torch.randn(ROWS, ORACLE.length, ORACLE.state_width, generator=generator), []
    scheduler.set_timesteps(steps)
    for index in scheduler.timesteps:
        x0_hat = predict(x, (int(index) + 1) / TABLE)
        x = scheduler.step(x0_hat, int(index), x, generator=generator, **more).prev_sample
        path.append(x)
    return path


def ours(slug: str, steps: int, predict: object, **more: object) -> list[torch.Tensor]:
    """States after each step of our sampler of that name."""
    request = Request(length=ORACLE.length, seeds=tuple(range(ROWS)), steps=steps, **more)
    sampler, rng = diffusion.SAMPLERS[slug](request), BatchRng(torch.Generator().manual_seed(9), ROWS)
    state, memory, path = ORACLE.prior(request, rng), None, []
    times = sampler.times(ORACLE, steps)
    for t, s in itertools.pairwise(times):
        x0_hat = predict(state.x, t)
        transition, memory = sampler.advance(ORACLE, state, Prediction(x0_hat, x0_hat), t, s, rng, memory)
        state = transition.state
        path.append(state.x)
    return path


def assert_same_path(first: list[torch.Tensor], second: list[torch.Tensor]) -> None:
    """All states agree to float32 accuracy."""
    assert len(first) == len(second)
    for left, right in zip(first, second, strict=True):
        torch.testing.assert_close(left, right.float(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("steps", [10, 50])
@pytest.mark.parametrize("predict", [known_text, mean_text])
class TestSamePath:
    """Each of our samplers against its counterpart."""

    def test_ancestral_walks_as_ddpm_does(self, steps, predict):
        assert_same_path(
            ours("ancestral", steps, predict), theirs(DDPMScheduler(**options(clip_sample=False)), steps, predict)
        )

    @pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
    def test_ddim_walks_as_ddim_does(self, steps, predict, eta):
        scheduler = DDIMScheduler(**options(clip_sample=False))
        assert_same_path(ours("ddim", steps, predict, eta=eta), theirs(scheduler, steps, predict, eta=eta))

    def test_dpm_solver_walks_as_dpm_solver_multistep_does(self, steps, predict):
        scheduler = DPMSolverMultistepScheduler(
            **options(algorithm_type="dpmsolver++", solver_order=2, solver_type="midpoint", final_sigmas_type="zero")
        )
        assert_same_path(ours("dpm-solver++", steps, predict), theirs(scheduler, steps, predict))


@pytest.mark.parametrize("slug", ORACLE.samplers)
def test_every_sampler_recovers_a_known_text_exactly(slug):
    torch.testing.assert_close(ours(slug, 20, known_text)[-1], known_text(torch.zeros(ROWS), 0.0), rtol=0, atol=1e-5)
