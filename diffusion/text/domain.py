"""A domain: a body of text with all that belongs to it, as a folder.

`domain.json` says what it is; beside it are `checkpoints/` (a folder each), `probes/` (for controllers), `maps/`, `traces/`
(stored runs) and `results/`. A domain needs no code.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from diffusion.core.errors import StudioError, known_or_raise, nearest

DOMAINS = Path(__file__).resolve().parents[2] / "assets" / "domains"
FILE = "domain.json"
FORMAT = 1
TOKENIZERS = ("words", "characters")
MAX_LENGTH = 4096


@dataclass(frozen=True, slots=True)
class Domain:
    """What a domain says of itself, and where its parts are.

    Attributes:
        folder: the domain's folder; its name is the domain's name.
        title, description: for people; the description is one sentence.
        language: of the texts, as a BCP 47 tag such as `en`.
        licence, source: of the data that the models were trained on.
        tokenizer: kind of the vocabulary, one of `TOKENIZERS`.
        length: positions of a text, L.
    """

    folder: Path
    title: str
    description: str
    language: str
    licence: str
    source: str
    tokenizer: str
    length: int

    @classmethod
    def open(cls, folder: str | Path) -> Domain:
        """Reads a domain's folder.

        Raises:
            StudioError: there is no such folder, or its `domain.json` is missing, damaged, or breaks a rule; the file, the rule
                and a way out are named.
        """
        path = Path(folder) / FILE
        values = _json(path)
        wanted = {field.name: field.type for field in fields(cls) if field.name != "folder"}
        if missing := [name for name in ("format", *wanted) if name not in values]:
            raise StudioError(f"'{path}' lacks '{missing[0]}'. Add it; a domain says {', '.join(['format', *wanted])}.")
        if unknown := [name for name in values if name not in ("format", *wanted)]:
            raise StudioError(f"'{path}' has an unknown entry '{unknown[0][:60]}'. "
                              f"The nearest known: {nearest(unknown[0], wanted)}.")
        if values["format"] != FORMAT:
            raise StudioError(f"'{path}' has the format {str(values['format'])[:60]}; this version reads format {FORMAT}.")
        for name, kind in wanted.items():
            if type(values[name]).__name__ != kind or values[name] == "":
                rule = "a whole number" if kind == "int" else "text that is not empty"
                raise StudioError(f"'{name}' in '{path}' must be {rule}; got {' '.join(repr(values[name]).split())[:60]}.")
        if values["tokenizer"] not in TOKENIZERS:
            raise StudioError(f"'{path}' names an unknown tokenizer '{values['tokenizer'][:60]}'. "
                              f"Choose {' or '.join(TOKENIZERS)}.")
        if not 2 <= values["length"] <= MAX_LENGTH:
            raise StudioError(f"The length in '{path}' is {values['length']}; a text has 2 to {MAX_LENGTH} positions.")
        return cls(Path(folder), **{name: values[name] for name in wanted})

    @property
    def name(self) -> str:
        """The folder's name: how command lines and links name the domain."""
        return self.folder.name

    @property
    def checkpoints(self) -> Path:
        """Holds a folder for each checkpoint."""
        return self.folder / "checkpoints"

    @property
    def probes(self) -> Path:
        """Holds a folder for each probe, and the table of phrases."""
        return self.folder / "probes"

    @property
    def maps(self) -> Path:
        """Holds a map of words for each checkpoint."""
        return self.folder / "maps"

    @property
    def traces(self) -> Path:
        """Holds the stored runs."""
        return self.folder / "traces"

    @property
    def results(self) -> Path:
        """Holds what was measured, a JSON file for each command."""
        return self.folder / "results"


def locate(name: str) -> Domain:
    """A domain by its folder, or a bundled one by its name.

    Raises:
        StudioError: it is neither (the bundled ones are named), or it is damaged.
    """
    if name and Path(name).is_dir():
        return Domain.open(name)
    return Domain.open(DOMAINS / known_or_raise("domain", name, names()))


def names() -> list[str]:
    """The names of the bundled domains, in alphabetical order."""
    return sorted(path.parent.name for path in DOMAINS.glob(f"*/{FILE}"))


@cache
def bundled() -> Domain:
    """The domain that the lab opens: the first bundled one.

    Raises:
        StudioError: none is bundled.
    """
    if not names():
        raise StudioError(f"No domain is in '{DOMAINS}'. Get the assets with a full clone.")
    return Domain.open(DOMAINS / names()[0])


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise StudioError(f"'{path}' is missing or not JSON ({' '.join(str(error).split())[:60]}). A domain's folder holds {FILE}; "
                          f"see docs/extending.md.") from error
    if not isinstance(value, dict):
        raise StudioError(f"'{path}' must hold a JSON object, not a {type(value).__name__}.")
    return value
