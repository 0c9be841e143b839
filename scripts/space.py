"""Assembles the Hugging Face Space: what the app needs to run, and nothing else, in one folder.

The Space is the app. Tests, training code, caches and build files stay behind; README.md brings the Space's settings at
its top. Needs nothing but Python: `make space`, or `python scripts/space.py --out FOLDER`.
"""

import argparse
import re
import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILES = ("README.md", "LICENSE", "requirements.txt", "app.py")
FOLDERS = ("diffusion", "controllers", "ui", "assets")
LEFT_OUT = ("__pycache__", "*.pyc", "*.pyo", ".*")

# The Hub's limits: https://huggingface.co/docs/hub/storage-limits; a Space's repository may hold 1 GB.
SPACE_BYTES = 10**9
FOLDER_ENTRIES = 10_000
PICKLE_SUFFIXES = {".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib"}


class SpaceError(Exception):
    """Why the Space cannot be assembled, in a sentence for the person who asked for it."""


def main() -> int:
    """Builds the folder, and prints the one command that uploads it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=ROOT, help="the project (default: the one this script is in)")
    parser.add_argument("--out", type=Path, default=None, help="the folder to build (default: build/space)")
    args = parser.parse_args()
    root = args.root.resolve()
    out = (args.out or root / "build" / "space").resolve()
    try:
        build(root, out)
    except SpaceError as error:
        print(f"space: {error}", file=sys.stderr)
        return 1
    files = list(walk(out))
    size = sum(file.stat().st_size for file in files)
    shown = out.relative_to(Path.cwd()) if out.is_relative_to(Path.cwd()) else out
    print(f"{shown}: {len(files)} files, {size / 1e6:.1f} MB. To upload it:")
    print(f"hf upload USER/NAME {shown} . --repo-type space")
    return 0


def build(root: Path, out: Path) -> None:
    """Checks the project, then makes `out` afresh from it and checks what came of it."""
    check_present(root)
    check_settings(root)
    clear(root, out)
    out.mkdir(parents=True)
    for name in FILES:
        shutil.copyfile(root / name, out / name)
    for name in FOLDERS:
        shutil.copytree(root / name, out / name, ignore=shutil.ignore_patterns(*LEFT_OUT))
    check_no_pickles(out)
    check_limits(out)


def check_present(root: Path) -> None:
    """All parts of the app are there, with at least one trained checkpoint."""
    missing = [name for name in FILES if not (root / name).is_file()]
    missing += [f"{name}/" for name in FOLDERS if not (root / name).is_dir()]
    if missing:
        raise SpaceError(f"{', '.join(missing)} missing in {root}; run this in a complete clone of the project.")
    if not any((root / "assets" / "domains").glob("*/checkpoints/*/*.safetensors")):
        raise SpaceError(
            f"no checkpoint in {root / 'assets' / 'domains'}, and the app would open without a model; "
            "get the assets with a full clone, or train one: python -m training train --help"
        )


def check_settings(root: Path) -> None:
    """README.md starts with the Space's settings, and they name the gradio that the tests ran with."""
    head = re.match(r"---\n(.*?\n)---\n", (root / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    if not head:
        raise SpaceError("README.md does not start with the Space's settings between two lines of '---'.")
    version = re.search(r"^sdk_version:\s*[\"']?([\w.]+)", head[1], re.MULTILINE)
    pin = re.search(r"^gradio==(\S+)", (root / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    if not version or not pin or version[1] != pin[1]:
        raise SpaceError(
            f"README.md asks for gradio {version[1] if version else '(no sdk_version)'}, constraints.txt pins "
            f"{pin[1] if pin else '(no gradio)'}; make sdk_version the pinned one."
        )


def clear(root: Path, out: Path) -> None:
    """Removes an earlier build; refuses to remove anything else."""
    if not out.exists():
        return
    if root.is_relative_to(out):
        raise SpaceError(f"{out} holds the project itself; give --out a folder of its own.")
    earlier = (out / "app.py").is_file() and (out / "README.md").is_file() and not (out / ".git").exists()
    if not out.is_dir() or (any(out.iterdir()) and not earlier):
        raise SpaceError(f"{out} exists and is not an earlier build; give --out a new folder, or remove it yourself.")
    shutil.rmtree(out)


def check_no_pickles(out: Path) -> None:
    """Nothing in the Space can run code by being loaded."""
    pickles = [str(file.relative_to(out)) for file in walk(out) if is_pickle(file)]
    if pickles:
        raise SpaceError(f"{', '.join(pickles)}: pickled; assets are safetensors, JSON or pictures. Convert or remove.")


def is_pickle(file: Path) -> bool:
    """A file named or written as a pickle, alone or in an archive (as torch.save writes it)."""
    if file.suffix in PICKLE_SUFFIXES:
        return True
    with file.open("rb") as stream:
        head = stream.read(4)
        if head == b"PK\x03\x04":
            return any(name.endswith((".pkl", ".pickle")) for name in zipfile.ZipFile(stream).namelist())
        if head[:1] != b"\x80" or head[1:2] not in (b"\x02", b"\x03", b"\x04", b"\x05"):
            return False
        stream.seek(-1, 2)
        return stream.read(1) == b"."


def check_limits(out: Path) -> None:
    """The Hub takes it: the size of the whole, and the number of entries in each folder."""
    sizes = sorted(((file.stat().st_size, str(file.relative_to(out))) for file in walk(out)), reverse=True)
    total = sum(size for size, _ in sizes)
    if total > SPACE_BYTES:
        largest = ", ".join(f"{name} ({size / 1e6:.0f} MB)" for size, name in sizes[:3])
        raise SpaceError(
            f"{total / 1e6:.0f} MB, and the Hub takes {SPACE_BYTES / 1e6:.0f} MB in a Space; the largest: {largest}."
        )
    for folder in (out, *(path for path in out.rglob("*") if path.is_dir())):
        entries = sum(1 for _ in folder.iterdir())
        if entries > FOLDER_ENTRIES:
            raise SpaceError(f"{folder.relative_to(out)} holds {entries} entries, and the Hub takes {FOLDER_ENTRIES}.")


def walk(folder: Path) -> Iterator[Path]:
    """All files below a folder, in a fixed order."""
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


if __name__ == "__main__":
    sys.exit(main())
