"""Who may import whom, read off the folders, and a checker that reads syntax trees."""

import ast
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

PROJECT = ("diffusion", "controllers", "training", "ui", "app")
TENSORS = frozenset({"torch", "numpy", "safetensors", "tokenizers", "huggingface_hub"})
LAYERS = ("diffusion.core", "diffusion.text", "diffusion.nn", "diffusion.samplers", "diffusion.spheres")
LINGUISTICS = frozenset({"spacy", "benepar", "nltk"})


@dataclass(frozen=True)
class Area:
    """What the files of a folder may import: project modules, packages, and packages inside functions only."""

    project: tuple[str, ...]
    packages: frozenset[str] = TENSORS
    in_functions: frozenset[str] = frozenset()


_LAYER = Area(LAYERS)
_CONTROLLERS = ("diffusion.core", "diffusion.text", "controllers")
_TRAINING = Area(("diffusion", "controllers", "training"), TENSORS | {"transformers", "accelerate", "tqdm"},
                 LINGUISTICS | {"tensorboard", "pyarrow", "sacrebleu", "mauve"})
# A folder's rule holds for all below it that has no rule of its own.
AREAS = {
    "diffusion": Area(("diffusion",), in_functions=frozenset({"umap", "sklearn", "threadpoolctl", "sacrebleu"})),
    "diffusion/core": _LAYER,
    "diffusion/text": Area(LAYERS, in_functions=frozenset({"transformers"})),
    "diffusion/nn": Area(LAYERS, in_functions=frozenset({"transformers"})),
    "diffusion/samplers": _LAYER,
    "diffusion/spheres": _LAYER,
    "diffusion/papers": Area(LAYERS, TENSORS | {"transformers"}),
    "controllers": Area(_CONTROLLERS),
    "controllers/linguistics": Area(_CONTROLLERS, in_functions=LINGUISTICS | {"transformers"}),
    "training": _TRAINING,
    "ui": Area(("diffusion", "controllers", "ui.service"), in_functions=frozenset()),
    "ui/service": Area(("diffusion", "controllers", "ui.service", "ui.plots"), TENSORS | {"plotly"}, frozenset({"spaces"})),
    "ui/plots": Area(("diffusion", "ui.plots"), TENSORS | {"plotly", "PIL"}),
    "ui/components": Area(("ui.service", "ui.plots", "ui.components"), frozenset({"gradio"})),
    "ui/tabs": Area(("ui.service", "ui.plots", "ui.components", "ui.tabs"), frozenset({"gradio"})),
    ".": Area(("ui",), frozenset({"spaces", "gradio"})),
}


@dataclass(frozen=True)
class Import:
    """One imported module; `deferred` when it is imported inside a function, or for type checkers only."""

    module: str
    line: int
    deferred: bool


def violations(path: str, source: str, known: frozenset[str]) -> list[str]:
    """The rules that a file breaks, each as `file:line: sentence`.

    Args:
        path: the file's path below the project's root, with slashes.
        source: its text.
        known: the names of all modules of the project, to tell `from package import module` from `... import name`.
    """
    folder = next((parent.as_posix() for parent in Path(path).parents if parent.as_posix() in AREAS), ".")
    if folder == "." and path != "app.py":
        return [f"{path}:1: belongs to no folder of tests/support/imports.py"]
    found = list(imports(path, source, known))
    broken = [f"{path}:{item.line}: {why}" for item in found if (why := objection(folder, item))]
    return broken + (late_spaces(path, found) if path == "app.py" else [])


def objection(folder: str, item: Import) -> str | None:
    """Why a folder's files may not import this module, or None if they may."""
    area, top = AREAS[folder], item.module.partition(".")[0]
    if top in PROJECT:
        allowed = any(item.module == name or item.module.startswith(f"{name}.") for name in area.project)
        own = item.module == top == folder.partition("/")[0]          # what a package says of itself: ui.VERSION
        return None if allowed or (own and top == "ui") else f"{folder} may not import {item.module}"
    if top in sys.stdlib_module_names or top in area.packages or (item.deferred and top in area.in_functions):
        return None
    if top in area.in_functions:
        return f"{folder} may import {top} only inside functions"
    return f"{folder} may not import {top}"


def late_spaces(path: str, found: Iterable[Import]) -> list[str]:
    """`spaces` patches torch, so in app.py it comes before all that could import torch."""
    packages = [item for item in found if item.module.partition(".")[0] not in sys.stdlib_module_names]
    outside = sorted(packages, key=lambda item: item.line)
    late = [item for item in outside[1:] if item.module == "spaces"]
    return [f"{path}:{item.line}: spaces is not the first package that app.py imports" for item in late]


def imports(path: str, source: str, known: frozenset[str]) -> Iterator[Import]:
    """All imports of a file, relative ones resolved, `importlib.import_module("literal")` included."""
    parts = list(Path(path).with_suffix("").parts)
    package = parts[:-1]
    for node, deferred in walk(ast.parse(source, filename=path)):
        for module in modules_of(node, package, known):
            yield Import(module, node.lineno, deferred)


def walk(node: ast.AST, deferred: bool = False) -> Iterator[tuple[ast.AST, bool]]:
    """All nodes, each with whether it runs later than the import of its file (or never)."""
    yield node, deferred
    for name, value in ast.iter_fields(node):
        in_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and name == "body"
        for_checkers = isinstance(node, ast.If) and name == "body" and "TYPE_CHECKING" in ast.unparse(node.test)
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from walk(child, deferred or in_function or for_checkers)


def modules_of(node: ast.AST, package: list[str], known: frozenset[str]) -> list[str]:
    """The modules that one statement or call imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        above = package[: len(package) - node.level + 1] if node.level else []
        base = ".".join([*above, *([node.module] if node.module else [])])
        return sorted({f"{base}.{a.name}" if f"{base}.{a.name}" in known else base for a in node.names})
    if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        called, name = ast.unparse(node.func), node.args[0].value
        if called in {"importlib.import_module", "import_module", "__import__"} and isinstance(name, str):
            return [f"{'.'.join(package)}{name}" if name.startswith(".") else name]
    return []


def project_files(root: Path) -> list[Path]:
    """The Python files that the rules are about."""
    folders = (root / name for name in PROJECT[:-1])
    files = [file for folder in folders for file in folder.rglob("*.py")]
    return sorted(files) + [file for file in [root / "app.py"] if file.exists()]


def module_names(root: Path) -> frozenset[str]:
    """The dotted names of all modules and packages of the project."""
    paths = (file.relative_to(root).with_suffix("") for file in project_files(root))
    return frozenset(".".join(path.parts).removesuffix(".__init__") for path in paths)
