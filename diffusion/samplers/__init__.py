"""Samplers: one reverse process, one file."""

from diffusion.core.sampler import Sampler
from diffusion.samplers.analytic import Analytic
from diffusion.samplers.ancestral import Ancestral
from diffusion.samplers.ddim import DDIM
from diffusion.samplers.dpm_solver import DPMSolver

SAMPLERS: dict[str, type[Sampler]] = {kind.slug: kind for kind in (Ancestral, DDIM, DPMSolver, Analytic)}
