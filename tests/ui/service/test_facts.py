"""The line of measured facts: from result files of the very checkpoint, and nothing where nothing was measured."""

import json
import re

import pytest

from diffusion.core.checkpoint import BUNDLED, WEIGHTS, read
from ui.service import facts
from ui.service.studio import Studio


def result(what, table, slug="sedd", digest="abc", **options):
    """A result file's values, as far as the line needs them."""
    return {"what": what, "paper": slug, "checkpoints": {slug: digest}, "options": options, "tables": [{"rows": table}]}


MEASURED = {
    "likelihood": result("likelihood", [{"slots": "the row's own", "bits per token": 2.0},
                                        {"slots": "unknown", "bits per token": 2.614}]),
    "quality": result("quality, free", [
        {"sampler": "human text", "perplexity / human": 1.0}, {"sampler": "euler", "steps": 64, "perplexity / human": 9.0},
        {"sampler": "analytic", "steps": 8, "perplexity / human": 8.0},
        {"sampler": "analytic", "steps": 64, "perplexity / human": 1.25}], rows="valid"),
    "a tuning": result("quality, free", [{"sampler": "analytic", "steps": 64, "perplexity / human": 7.0}], rows="tuning"),
    "speed": result("speed", [{"seconds": 3.0, "chosen": False}, {"seconds": 0.52, "chosen": True}]),
}


@pytest.fixture
def folder(tmp_path):
    """A folder of result files."""
    for name, values in MEASURED.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(values))
    return tmp_path


def test_bits_quality_and_speed_stand_in_one_line(folder):
    assert facts.line("sedd", "abc", "analytic", folder) == (
        "2.61 bits per token · perplexity 1.25 × human at 64 steps · 4 texts in 0.5 s")


@pytest.mark.parametrize(("slug", "digest", "sampler", "expected"), [
    ("sedd", "xyz", "analytic", ""), ("rdlm", "abc", "analytic", ""),
    ("sedd", "abc", "confidence", "2.61 bits per token · 4 texts in 0.5 s")])
def test_what_was_not_measured_of_this_checkpoint_is_not_said(folder, slug, digest, sampler, expected):
    assert facts.line(slug, digest, sampler, folder) == expected


def test_the_shipped_models_line_is_made_of_its_own_results():
    digest = read(BUNDLED / "diffusion-lm").hash
    assert facts.digest(BUNDLED / "diffusion-lm" / WEIGHTS) == digest
    line = Studio().facts("diffusion-lm")
    texts = " ".join(path.read_text() for path in facts.RESULTS.glob("*.json") if digest in path.read_text())
    stored = {f"{float(number):.2f}" for number in re.findall(r"\d+\.\d+", texts)}
    assert "bits per token" in line
    assert set(re.findall(r"\d+\.\d\d", line)) <= stored
