"""The project's requirement files, and which importable modules belong to which of them."""

import importlib.metadata as metadata
import sys
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[2]
MODULES = {"pillow": "PIL", "umap-learn": "umap", "scikit-learn": "sklearn", "pyyaml": "yaml", "pytest-timeout": "pytest_timeout"}


def requirements(name: str) -> dict[str, Requirement]:
    """The lines of a requirement file, by normalised package name."""
    lines = (line.partition("#")[0].strip() for line in (ROOT / name).read_text(encoding="utf-8").splitlines())
    parsed = [Requirement(line) for line in lines if line]
    names = [canonicalize_name(requirement.name) for requirement in parsed]
    assert len(set(names)) == len(names), f"{name} names a package twice"
    return dict(zip(names, parsed, strict=True))


def pins() -> dict[str, Version]:
    """The exact version of every package in constraints.txt, by normalised name."""
    found = {}
    for name, requirement in requirements("constraints.txt").items():
        specifiers = list(requirement.specifier)
        assert len(specifiers) == 1 and specifiers[0].operator == "==", f"constraints.txt does not pin {name} exactly"
        found[name] = Version(specifiers[0].version)
    return found


def module_of(package: str) -> str:
    """The name that a package is imported by."""
    return MODULES.get(package, package.replace("-", "_"))


def closure(wanted: list[Requirement]) -> set[str]:
    """Installed packages that these requirements pull in, themselves included, by normalised name."""
    found: set[str] = set()
    waiting = [(canonicalize_name(requirement.name), frozenset(requirement.extras)) for requirement in wanted]
    seen = set()
    while waiting:
        name, extras = item = waiting.pop()
        if item in seen:
            continue
        seen.add(item)
        try:
            requires = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        found.add(name)
        for requirement in map(Requirement, requires):
            if applies(requirement, extras):
                waiting.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return found


def applies(requirement: Requirement, extras: frozenset[str]) -> bool:
    """Whether a package's requirement holds here, when the package was asked for with these extras."""
    here = default_environment()
    return requirement.marker is None or any(requirement.marker.evaluate({**here, "extra": e}) for e in {"", *extras})


def modules_outside(files: tuple[str, ...] = ("requirements.txt",)) -> set[str]:
    """Installed top-level modules that these requirement files do not bring: what their user does not have."""
    brought = closure([requirement for file in files for requirement in requirements(file).values()])
    return {
        module
        for module, owners in metadata.packages_distributions().items()
        if module.isidentifier()
        and module not in sys.stdlib_module_names
        and not any(canonicalize_name(owner) in brought for owner in owners)
    }
