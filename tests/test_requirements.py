"""The requirement files agree with each other, with the README, and with what the app imports."""

import re
import sys
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.support.imports import PROJECT, imports, module_names, project_files
from tests.support.packages import closure, module_of, modules_outside, pins, requirements

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENT_FILES = ("requirements.txt", "requirements-train.txt", "requirements-dev.txt")
OPTIONAL = {"spaces"}  # a Space on ZeroGPU brings it; app.py does without
APP_FILES = [file.relative_to(ROOT).as_posix() for file in project_files(ROOT) if "training" not in file.parts]
RANGES = [(file, name) for file in REQUIREMENT_FILES for name in requirements(file)]


@pytest.mark.parametrize(("file", "name"), RANGES)
def test_range_admits_its_pin(file, name):
    pin = pins().get(name)
    assert pin is not None, f"{name} of {file} is not pinned in constraints.txt"
    assert requirements(file)[name].specifier.contains(pin), f"{file}: {requirements(file)[name]} does not admit {pin}"


def test_no_package_stands_in_two_files():
    names = [name for _, name in RANGES]
    assert sorted(set(names)) == sorted(names)


def test_everything_that_is_pulled_in_is_pinned():
    wanted = [requirement for file in REQUIREMENT_FILES for requirement in requirements(file).values()]
    gpu = re.compile(r"(nvidia|cuda)-.*|triton")
    loose = {name for name in closure(wanted) - set(pins()) if not gpu.fullmatch(name)}
    assert not loose, f"not in constraints.txt: {', '.join(sorted(loose))}"


@pytest.mark.parametrize("version", ["2.9.0", "2.9.1", "2.11.0", "2.13.0"])
def test_torch_range_admits_what_zerogpu_offers(version):
    assert requirements("requirements.txt")["torch"].specifier.contains(version)


def test_torch_is_pinned_without_a_local_version():
    assert re.search(r"^torch==\d+\.\d+\.\d+$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)


def test_readme_sdk_version_is_the_pinned_gradio():
    version = re.search(r"^sdk_version:\s*\"?([\d.]+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert Version(version[1]) == pins()["gradio"]
    assert requirements("requirements.txt")["gradio"].specifier.contains(version[1])


@pytest.mark.parametrize("path", APP_FILES)
def test_app_code_imports_run_time_packages_only(path):
    provided = {module_of(name) for name in requirements("requirements.txt")} | OPTIONAL | set(PROJECT)
    foreign = [
        f"{path}:{item.line}: {item.module}"
        for item in imports(path, (ROOT / path).read_text(encoding="utf-8"), module_names(ROOT))
        if item.module.partition(".")[0] not in provided | sys.stdlib_module_names
    ]
    assert not foreign, "not in requirements.txt: " + ", ".join(foreign)


def test_modules_outside_the_run_time_packages_are_known():
    outside = modules_outside()
    assert {"pytest", "playwright", "diffusers", "tensorboard", "hypothesis"} <= outside
    assert not outside & {module_of(canonicalize_name(name)) for name in requirements("requirements.txt")}
    assert not outside & {"yaml", "PIL", "pandas", "fastapi", "tqdm"}
