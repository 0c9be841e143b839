"""Times drawn from a window are distributed as it says."""

import pytest
import torch

from diffusion.spheres.window import Window


def test_times_follow_their_density():
    window = Window(0.3, 0.8, 0.2)
    u = torch.linspace(0, 1, 100_001, dtype=torch.float64)
    t = window.quantile(u)
    assert t[0].item() == 0 and t[-1].item() == pytest.approx(1)
    assert ((t >= 0.3) & (t < 0.8)).double().mean().item() == pytest.approx(0.2 * 0.5 + 0.8, abs=1e-4)
    assert (1 / window.density(t)).mean().item() == pytest.approx(1, abs=1e-3)      # so that weights give back the integral
    assert (t / window.density(t)).mean().item() == pytest.approx(0.5, abs=1e-3)
