"""Ablations: what each paper claims for a part of it, and the variants, with the part and without, that are measured here.

Variants of one ablation differ in the named fields alone: equal network, steps, batches and seeds. A trained variant is a
small model made for it; others only sample from a shipped checkpoint in several ways.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import diffusion
from diffusion.core import checkpoint
from diffusion.core.types import Request
from training import recipes
from training.recipes import Recipe
from training.run import plain

SAMPLED_STEPS = 64       # of the samples that trained variants write


@dataclass(frozen=True, slots=True)
class Variant:
    """One way of doing it.

    Attributes:
        changes: fields of the paper's configuration that differ from its default, for trained variants.
        request: how it samples; the paper's first sampler where it names none.
        attributes: class attributes of the model that differ, for timed variants.
        paper: slug of another checkpoint than the ablation's, to stand beside it.
    """

    name: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    request: Request = field(default_factory=lambda: Request(steps=SAMPLED_STEPS))
    attributes: Mapping[str, Any] = field(default_factory=dict)
    paper: str = ""


@dataclass(frozen=True, slots=True)
class Ablation:
    """A claim of a paper and the variants that test it.

    Attributes:
        paper: slug of the paper whose process is varied; `source` is where the claim is made.
        kind: "trained": each variant is trained, then bounded and sampled; "sampled": the shipped checkpoint samples in
            several ways; "timed": its runs are timed in turn.
    """

    paper: str
    claim: str
    source: str
    variants: Sequence[Variant]
    kind: Literal["trained", "sampled", "timed"] = "trained"

    def papers(self) -> list[str]:
        """The slugs of all papers that take part."""
        return [self.paper, *(variant.paper for variant in self.variants if variant.paper)]

    def why_not(self) -> str | None:
        """Why it cannot be measured here, or None if it can."""
        for slug in self.papers():
            if slug not in diffusion.PAPERS:
                return f"there is no paper '{slug}' here"
            if self.kind != "trained" and not (checkpoint.BUNDLED / slug).is_dir():
                return f"no checkpoint '{slug}' is bundled"
        return None


def recipe_of(ablation: Ablation, variant: Variant, steps: int) -> Recipe:
    """The recipe by which a variant is trained."""
    config = diffusion.PAPERS[ablation.paper].config_type(backbone=recipes.ABLATION)
    return recipes.ablation(ablation.paper, dataclasses.replace(config, **variant.changes), steps)


def digest(recipe: Recipe) -> str:
    """A name for a recipe: variants of two ablations that are the same model have the same."""
    return hashlib.sha256(json.dumps(plain(recipe), sort_keys=True).encode()).hexdigest()[:12]


_LI = "Li et al. (2022), arXiv 2205.14217"
_YUAN = "Yuan et al. (2022), arXiv 2212.10325"
_LOVELACE = "Lovelace et al. (2023), arXiv 2212.09462"
_JO = "Jo and Hwang (2025), arXiv 2502.11564"


def _head(readout: str, width: int) -> dict[str, Any]:
    """Diffusion-LM with the paper's kind of head, which gives vectors, on embeddings of this width and of variance 1."""
    return {"readout": readout, "embedding_width": width, "embedding_scale": 1.0}


def _diffusion_lm() -> dict[str, Ablation]:
    plain_, ancestral = Variant("sqrt"), Request(sampler="ancestral", steps=SAMPLED_STEPS)
    return {
        "clamping": Ablation(
            "diffusion-lm", "Rounding the prediction to the nearest word while sampling makes it commit to words and leaves "
            "fewer rounding errors; begun too early it hurts.", f"{_LI}, section 4.2",
            [Variant("off", request=ancestral), Variant("in the last half of the steps", request=ancestral.with_(clamp=0.5)),
             Variant("at every step", request=ancestral.with_(clamp=1.0))], "sampled"),
        "prediction": Ablation(
            "diffusion-lm", "Predicting x0 works at every width of the embeddings; predicting the noise works at small widths "
            "and collapses at larger ones.", f"{_LI}, ablation studies",
            [Variant(f"{what}, D = {width}", _head(readout, width)) for width in (16, 64)
             for what, readout in (("x0", "rounding"), ("noise", "noise"))]),
        "schedule": Ablation(
            "diffusion-lm", "The sqrt schedule is more robust on text than cosine and linear; with x0-prediction its lead is "
            "small.", f"{_LI}, appendices A and M",
            [plain_, *(Variant(name, {"schedule": name}) for name in ("cosine", "linear"))]),
        "embeddings": Ablation(
            "diffusion-lm", "Embeddings learned with the process are better than random ones, on E2E by a small margin.",
            f"{_LI}, ablation studies", [Variant("learned"), Variant("random", {"learned_embeddings": False})]),
        "self-conditioning": Ablation(
            "diffusion-lm", "Without the last prediction as an input, SeqDiffuSeq loses 1.34 BLEU on average and LD4LG's MAUVE "
            "falls from 0.716 to 0.480. Tested here on Diffusion-LM.",
            f"{_YUAN}, ablation; {_LOVELACE}, ablation; Chen et al. (2022), arXiv 2208.04202",
            [Variant("on"), Variant("off", {"self_conditioning": False})]),
    }


def _sequence(steps: int) -> dict[str, Ablation]:
    return {
        "adaptive-schedule": Ablation(
            "seqdiffuseq", "Without the noise schedule that is refitted for every position, BLEU falls by 2.29 on average.",
            f"{_YUAN}, ablation",
            [Variant("refitted", {"refit_stride": max(1, 2 * steps // 9)}), Variant("sqrt throughout", {"refit_stride": 0})]),
        "cached-encoder": Ablation(
            "seqdiffuseq", "The source is encoded once for all steps, which is much of why generation takes 89 s where "
            "DiffuSeq's takes 317 s.", f"{_YUAN}, inference speed",
            [Variant("encoded once"), Variant("encoded at every step", attributes={"cache_source": False})], "timed"),
        "latent-steps": Ablation(
            "ld4lg", "More steps are not better: MAUVE is .684, .719, .716, .704 and .667 at 50, 100, 250, 500 and 1000 steps "
            "(ROCStories). 44.1% of its 4-grams stand in the training text; the baseline is there to compare the copying.",
            f"{_LOVELACE}, sampling steps and memorisation",
            [*(Variant(f"{number} steps", request=Request(steps=number)) for number in (25, 50, 100, 250, 500)),
             Variant("autoregressive baseline", paper="ar")], "sampled"),
    }


def _discrete() -> dict[str, Ablation]:
    return {
        "graph": Ablation(
            "sedd", "The absorbing graph reaches lower perplexities than the uniform one on all corpora.",
            "Lou et al. (2024), arXiv 2310.16834, tables of perplexity",
            [Variant("absorbing"), Variant("uniform", {"graph": "uniform"})]),
        "objective": Ablation(
            "rdlm", "Bits per character on text8: 1.36 by drift regression, 1.34 by cross-entropy, 1.32 by cross-entropy with "
            "importance sampling of time.", f"{_JO}, ablation",
            [Variant("cross-entropy, importance sampling"), Variant("cross-entropy", {"objective": "cross-entropy"}),
             Variant("drift regression", {"objective": "drift"})]),
        "prior": Ablation(
            "rdlm", "Walks may start at the mask or in the middle of all symbols; the published models mix the two.",
            f"{_JO}, mixture paths",
            [Variant("mask"), *(Variant(name, {"prior": name}) for name in ("uniform", "mixed"))]),
    }


def ablations(steps: int) -> dict[str, Ablation]:
    """All ablations by name, for trained variants of that many steps."""
    return {**_diffusion_lm(), **_sequence(steps), **_discrete()}
