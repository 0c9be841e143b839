"""Samplers: one reverse process, one file."""

from diffusion.core.sampler import Sampler
from diffusion.samplers.analytic import Analytic
from diffusion.samplers.ancestral import Ancestral
from diffusion.samplers.confidence import Confidence
from diffusion.samplers.ddim import DDIM
from diffusion.samplers.dpm_solver import DPMSolver
from diffusion.samplers.euler import Euler
from diffusion.samplers.first_hitting import FirstHitting
from diffusion.samplers.geodesic import Geodesic
from diffusion.samplers.ode import SphereODE
from diffusion.samplers.redraw import Redraw
from diffusion.samplers.renoise import Renoise

SAMPLERS: dict[str, type[Sampler]] = {kind.slug: kind for kind in (
    Ancestral, DDIM, DPMSolver, Renoise, Analytic, Euler, Confidence, FirstHitting, Redraw, Geodesic,
    SphereODE)}
