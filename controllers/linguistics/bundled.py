"""Where the shipped analysers are: two of each kind, one that labels and one that judges."""

from __future__ import annotations

from pathlib import Path

from diffusion.core.errors import StudioError

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "linguistics"
ROLES = ("labeller", "judge")


def locate(name: str | Path, kind: str) -> Path | None:
    """The folder that `name` means: a role's shipped analyser, or a folder itself; None where it is neither.

    Args:
        name: "labeller", "judge", or a path.
        kind: "tagger" or "parser".

    Raises:
        StudioError: the role's analyser is not shipped with this copy.
    """
    if str(name) not in ROLES:
        return Path(name) if Path(name).is_dir() else None
    folder = FOLDER / f"{name}-{kind}"
    if not folder.is_dir():
        raise StudioError(f"The {name}'s {kind} is not in '{FOLDER}'. Get it with a full clone, or train it: "
                          f"python -m training linguistics {kind} --size {name} --data TREEBANK --output {folder}.")
    return folder
