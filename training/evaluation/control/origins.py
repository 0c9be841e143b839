"""What takes part in a measurement of control beside the model: analysers, and what controllers look through."""

from __future__ import annotations

from controllers.linguistics import bundled
from controllers.probes import reader
from training.evaluation.report.results import fingerprint
from training.linguistics.train import fingerprint_of

KINDS = ("tagger", "parser")
DATA = (reader.WEIGHTS, "phrases.json")


def analysers() -> dict[str, str]:
    """The hash of each analyser that is there, by name: ``labeller-tagger``."""
    return {f"{role}-{kind}": fingerprint_of(role, kind) for role in bundled.ROLES for kind in KINDS
            if (bundled.FOLDER / f"{role}-{kind}").is_dir()}


def readers() -> dict[str, str]:
    """The hash of what each trained controller looks through, by name: ``controller-chart``."""
    folders = sorted(reader.FOLDER.iterdir()) if reader.FOLDER.is_dir() else []
    return {f"controller-{folder.name}": fingerprint(folder / name) for folder in folders for name in DATA
            if (folder / name).is_file()}
