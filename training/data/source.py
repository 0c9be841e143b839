"""Where rows come from: a folder of files, or a data set of the Hub by its name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from diffusion.core.errors import StudioError

_PARTS = {"train": r"(^|[^a-z])train", "valid": r"(^|[^a-z])(valid|dev)"}
_CONVERTED = "refs/convert/parquet"      # where the Hub keeps a parquet copy of every data set


@dataclass(frozen=True, slots=True)
class Source:
    """Files of the training and the validation part, and the name under which a card mentions them."""

    name: str
    train: tuple[Path, ...]
    valid: tuple[Path, ...]


def locate(name: str | Path) -> Source:
    """The files of a local folder, or of a Hub data set like `tuetschek/e2e_nlg`, which is downloaded.

    Raises:
        StudioError: there is no such folder or data set, or a part of it is missing.
    """
    folder, text = Path(name), str(name)
    if folder.is_dir():
        return _parts(folder, folder.resolve().name)
    if text.count("/") != 1 or text.startswith((".", "/", "~")) or text.endswith("/"):
        raise StudioError(f"There are no data '{text}'. Give a folder that holds train.csv and valid.csv, "
                          f"or the name of a data set on the Hub, like tuetschek/e2e_nlg.")
    found = _download(text, None)
    if not _files(found):
        found = _download(text, _CONVERTED)
    return _parts(found, text)


def _download(name: str, revision: str | None) -> Path:
    """The data set's CSV and parquet files, in the Hub's cache."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, repo_type="dataset", revision=revision,
                                      allow_patterns=["*.csv", "*.parquet"]))
    except Exception as error:
        raise StudioError(f"The data set '{name}' could not be had from the Hub ({type(error).__name__}: {error}). "
                          f"Check the name and the connection, or give a folder of CSV files.") from error


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in {".csv", ".parquet"} and path.is_file())


def _parts(folder: Path, name: str) -> Source:
    files = _files(folder)
    return Source(name, _part(folder, "train", files), _part(folder, "valid", files))


def _part(folder: Path, part: str, files: Sequence[Path]) -> tuple[Path, ...]:
    """The file of a part by its plain name, else the one whose path names the part; parquet may come in several."""
    if (folder / f"{part}.csv").is_file():
        return (folder / f"{part}.csv",)
    named = [path for path in files if re.search(_PARTS[part], path.relative_to(folder).as_posix().lower())]
    tables = [path for path in named if path.suffix == ".csv"]
    if not named:
        held = ", ".join(path.name for path in files[:5]) or "no CSV file"
        raise StudioError(f"There is no file '{folder / part}.csv' ('{folder}' holds {held}). "
                          f"Give train.csv and valid.csv, each with the columns mr,ref.")
    if len(tables) > 1:
        raise StudioError(f"'{folder}' holds several files for the part '{part}': "
                          f"{', '.join(path.name for path in tables)}. Call the one to use {part}.csv.")
    return tuple(tables or named)
