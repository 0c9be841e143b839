"""Who may import whom: the layers of the project, and a checker that reads syntax trees."""

import ast
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

PROJECT = ("diffusion", "controllers", "training", "ui", "app")
TENSORS = frozenset({"torch", "numpy", "safetensors", "tokenizers", "huggingface_hub"})
LAYERS = ("diffusion.core", "diffusion.nn", "diffusion.samplers")
LINGUISTICS = frozenset({"spacy", "benepar", "nltk"})
GRADIO_SIDE = ("ui.tab_*", "ui.tabs", "ui.page", "ui.forms", "ui.cards", "ui.prompt",
               "ui.player", "ui.plots", "ui.board", "ui.theme", "ui.playground", "ui.endpoints", "ui.place")


@dataclass(frozen=True)
class Area:
    """Files under one rule: which project modules they may import, which packages, and which inside functions only."""

    name: str
    files: tuple[str, ...]
    project: tuple[str, ...]
    packages: frozenset[str] = TENSORS
    in_functions: frozenset[str] = frozenset()
    except_project: tuple[str, ...] = ()


# The first area whose pattern matches a file is its area.
AREAS = (
    Area("diffusion/core/vocab", ("diffusion/core/vocab.py",), LAYERS, in_functions=frozenset({"transformers"})),
    Area("diffusion/nn/language_model", ("diffusion/nn/language_model.py",), LAYERS, in_functions=frozenset({"transformers"})),
    Area("diffusion/core, nn, samplers", ("diffusion/core/*", "diffusion/nn/*", "diffusion/samplers/*"), LAYERS),
    Area("diffusion's entry", ("diffusion/__init__.py",), ("diffusion",)),
    Area("a paper on transformers", ("diffusion/autoregressive.py",), LAYERS,
         TENSORS | {"transformers"}),
    Area("reading by the judge", ("diffusion/judging.py",), (*LAYERS, "diffusion.autoregressive")),
    Area("the choice among candidates", ("diffusion/selection.py",), LAYERS, in_functions=frozenset({"sacrebleu"})),
    Area("maps of words", ("diffusion/maps.py",), LAYERS, in_functions=frozenset({"umap", "sklearn", "threadpoolctl"})),
    Area("a paper", ("diffusion/*.py",), LAYERS),
    Area("controllers/linguistics/parser", ("controllers/linguistics/parser.py",), ("diffusion.core", "controllers"),
         in_functions=LINGUISTICS | {"transformers"}),          # mends what benepar takes from it
    Area("controllers/linguistics", ("controllers/linguistics/*",), ("diffusion.core", "controllers"),
         in_functions=LINGUISTICS),
    Area("controllers", ("controllers/*",), ("diffusion.core", "controllers")),
    Area("training", ("training/*",), ("diffusion", "controllers", "training"),
         TENSORS | {"transformers", "accelerate", "tqdm"},
         LINGUISTICS | {"tensorboard", "pyarrow", "sacrebleu", "mauve"}),
    Area("ui's Gradio side", ("ui/tab_*", "ui/tabs.py", "ui/page.py", "ui/forms.py", "ui/cards.py", "ui/prompt.py",
         "ui/player.py", "ui/plots.py", "ui/board.py", "ui/theme.py",
                                "ui/playground.py", "ui/endpoints.py", "ui/place.py"), ("ui",), frozenset({"gradio"})),
    Area("ui/zerogpu", ("ui/zerogpu.py",), ("diffusion", "ui"), in_functions=frozenset({"spaces"}), except_project=GRADIO_SIDE),
    Area("a run as a GIF", ("ui/gif.py",), ("diffusion", "ui"), frozenset({"PIL"}), except_project=GRADIO_SIDE),
    Area("ui without Gradio", ("ui/*",), ("diffusion", "controllers", "ui"), TENSORS | {"plotly"},
         except_project=GRADIO_SIDE),
    Area("app.py", ("app.py",), ("ui",), frozenset({"spaces", "gradio"})),
)  # fmt: skip


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
    area = next((area for area in AREAS if any(fnmatch(path, pattern) for pattern in area.files)), None)
    if area is None:
        return [f"{path}:1: belongs to no area of tests/support/imports.py"]
    found = list(imports(path, source, known))
    broken = [f"{path}:{item.line}: {why}" for item in found if (why := objection(area, item))]
    return broken + (late_spaces(path, found) if path == "app.py" else [])


def objection(area: Area, item: Import) -> str | None:
    """Why this area may not import this module, or None if it may."""
    top = item.module.partition(".")[0]
    if top in PROJECT:
        allowed = any(item.module == name or item.module.startswith(f"{name}.") for name in area.project)
        barred = any(fnmatch(item.module, pattern) for pattern in area.except_project)
        return None if allowed and not barred else f"{area.name} may not import {item.module}"
    if top in sys.stdlib_module_names or top in area.packages or (item.deferred and top in area.in_functions):
        return None
    if top in area.in_functions:
        return f"{area.name} may import {top} only inside functions"
    return f"{area.name} may not import {top}"


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
