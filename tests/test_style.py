"""Files and functions stay short enough to be read at one sitting."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.imports import project_files

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = [file.relative_to(ROOT).as_posix() for file in sorted((ROOT / "ui" / "static").rglob("*.js"))]
FILES = [file.relative_to(ROOT).as_posix() for file in project_files(ROOT)]
FILE_LINES = 350  # aim: 300
FUNCTION_LINES = 60  # docstring not counted; aim: nine of ten at most 25


def long_functions(path: str, source: str) -> Iterator[str]:
    """Every function above the limit, as `file:line: sentence`."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = node.end_lineno - node.lineno + 1
            if ast.get_docstring(node, clean=False) is not None:
                lines -= node.body[0].end_lineno - node.body[0].lineno + 1
            if lines > FUNCTION_LINES:
                yield f"{path}:{node.lineno}: {node.name} has {lines} lines without its docstring, of {FUNCTION_LINES}"


@pytest.mark.parametrize("path", FILES)
def test_file_and_its_functions_are_short(path):
    source = (ROOT / path).read_text(encoding="utf-8")
    lines = len(source.splitlines())
    assert lines <= FILE_LINES, f"{path}: {lines} lines, of {FILE_LINES}: split it"
    assert not list(long_functions(path, source))


@pytest.mark.parametrize("path", SCRIPTS)
def test_a_file_of_the_pages_code_is_short(path):
    lines = len((ROOT / path).read_text(encoding="utf-8").splitlines())
    assert lines <= FILE_LINES, f"{path}: {lines} lines, of {FILE_LINES}: split it"


def test_a_long_function_is_found_and_its_docstring_is_not_counted():
    body = "    x = 1\n" * 59
    assert not list(long_functions("a.py", f'def f():\n    """One.\n\n    Two.\n    """\n{body}'))
    assert list(long_functions("a.py", f"def f():\n{body}    x = 2\n")) == [
        "a.py:1: f has 61 lines without its docstring, of 60"
    ]
