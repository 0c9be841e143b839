"""The Space: its settings are valid, its folder holds the app and nothing else, and the app runs from it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support.packages import modules_outside, pins
from tests.support.server import running_app, status

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "scripts" / "space.py"
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
HARDWARE = {
    "cpu-basic", "cpu-upgrade", "zero-a10g", "t4-small", "t4-medium", "l4x1", "l4x4", "a10g-small", "a10g-large",
    "a10g-largex2", "a10g-largex4", "a100-large", "l40sx1", "l40sx4", "l40sx8", "h100", "h100x8",
}  # fmt: skip
KEYS = {
    "title", "emoji", "colorFrom", "colorTo", "sdk", "sdk_version", "python_version", "app_file", "license",
    "short_description", "tags", "models", "datasets", "pinned", "suggested_hardware", "preload_from_hub",
    "startup_duration_timeout", "thumbnail", "header", "fullWidth",
}  # fmt: skip


def assemble(out: Path, root: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Runs the script as `make space` does."""
    command = [sys.executable, str(SCRIPT), "--root", str(root), "--out", str(out)]
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    out = tmp_path_factory.mktemp("build") / "space"
    done = assemble(out)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"hf upload USER/NAME {out} . --repo-type space"
    return out


@pytest.fixture
def small_project(tmp_path):
    """A project with the real settings, an empty app and a checkpoint of four bytes."""
    root = tmp_path / "project"
    for folder in ("diffusion/__pycache__", "controllers", "ui", "training", "tests", "assets/domains/small/checkpoints/tiny"):
        (root / folder).mkdir(parents=True)
    for name in ("README.md", "LICENSE", "requirements.txt", "constraints.txt"):
        shutil.copyfile(ROOT / name, root / name)
    for name in ("app.py", "diffusion/__init__.py", "diffusion/__pycache__/a.pyc", "training/a.py", "ui/.hidden"):
        (root / name).touch()
    (root / "assets/domains/small/checkpoints/tiny/model.safetensors").write_bytes(b"tiny")
    return root


@pytest.fixture(scope="module")
def settings():
    head = re.match(r"---\n(.*?\n)---\n", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    return yaml.safe_load(head[1])


def test_settings_are_ones_that_the_hub_knows(settings):
    assert set(settings) <= KEYS
    assert {settings["colorFrom"], settings["colorTo"]} <= COLOURS
    assert settings["sdk"] == "gradio"
    assert settings["license"] == "apache-2.0"
    assert settings["suggested_hardware"] in HARDWARE
    assert settings["pinned"] in (True, False)
    assert 0 < len(settings["short_description"]) <= 60
    assert settings["title"]
    assert all(isinstance(tag, str) for tag in settings["tags"])
    on_the_hub = [name for key in ("models", "datasets") for name in settings.get(key, [])]
    assert all(re.fullmatch(r"[\w.-]+/[\w.-]+", name) for name in on_the_hub)


def test_settings_name_what_the_tests_ran_with(settings):
    assert settings["sdk_version"] == str(pins()["gradio"])
    assert settings["python_version"] == "3.12"
    assert (ROOT / settings["app_file"]).is_file()


def test_emoji_is_one_emoji(settings):
    assert 1 <= len(settings["emoji"]) <= 2
    assert not settings["emoji"].isascii()


def test_folder_holds_the_app_and_nothing_else(space):
    assert {path.name for path in space.iterdir()} == {
        "README.md", "LICENSE", "requirements.txt", "app.py", "diffusion", "controllers", "ui", "assets",
    }  # fmt: skip
    inside = [path.relative_to(space) for path in space.rglob("*")]
    assert not [path for path in inside if {"tests", "__pycache__"} & set(path.parts) or path.suffix == ".pyc"]
    assert not [path for path in inside if path.suffix in {".pt", ".pth", ".pkl", ".pickle", ".ckpt"}]
    assert any(path.suffix == ".safetensors" for path in inside)


def test_small_project_is_assembled_without_caches_and_training(small_project, tmp_path):
    out = tmp_path / "space"
    assert assemble(out, small_project).returncode == 0
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert files == {
        "README.md", "LICENSE", "requirements.txt", "app.py", "diffusion/__init__.py",
        "assets/domains/small/checkpoints/tiny/model.safetensors",
    }  # fmt: skip


def test_an_earlier_build_is_replaced_and_nothing_else_is(small_project, tmp_path):
    out = tmp_path / "space"
    assert assemble(out, small_project).returncode == 0
    (out / "left-over.txt").touch()
    assert assemble(out, small_project).returncode == 0
    assert not (out / "left-over.txt").exists()
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").touch()
    refused = assemble(tmp_path / "letters", small_project)
    assert refused.returncode == 1
    assert "not an earlier build" in refused.stderr
    assert (tmp_path / "letters" / "dear.txt").exists()
    assert "the project itself" in assemble(small_project, small_project).stderr


def test_missing_assets_are_named(small_project, tmp_path):
    shutil.rmtree(small_project / "assets" / "domains")
    assert "no checkpoint in" in one_sentence(assemble(tmp_path / "space", small_project))
    shutil.rmtree(small_project / "assets")
    assert "assets/ missing" in one_sentence(assemble(tmp_path / "space", small_project))


@pytest.mark.parametrize("name", ["weights.pt", "innocent.json", "archive.npz"])
def test_a_pickle_is_refused_whatever_its_name(small_project, tmp_path, name):
    import pickle
    import zipfile

    file = small_project / "assets" / name
    if name.endswith(".npz"):
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("archive/data.pkl", pickle.dumps([1]))
    else:
        file.write_bytes(pickle.dumps({"weights": [1, 2, 3]}))
    assert f"assets/{name}: pickled" in one_sentence(assemble(tmp_path / "space", small_project))


def test_more_than_the_hub_takes_is_refused(small_project, tmp_path):
    with (small_project / "assets" / "huge.safetensors").open("wb") as file:
        file.truncate(10**9 + 1)  # sparse: takes no room until it is copied
    said = one_sentence(assemble(tmp_path / "space", small_project))
    assert "the Hub takes 1000 MB" in said
    assert "assets/huge.safetensors" in said


def test_another_gradio_than_the_pinned_one_is_refused(small_project, tmp_path):
    readme = small_project / "README.md"
    readme.write_text(re.sub(r"sdk_version: .*", "sdk_version: 5.0.0", readme.read_text()))
    assert "README.md asks for gradio 5.0.0" in one_sentence(assemble(tmp_path / "space", small_project))


@pytest.mark.slow
def test_app_runs_from_the_space_with_the_run_time_packages_alone(space, tmp_path):
    with running_app(space, tmp_path, hidden=modules_outside()) as app:
        assert status(app.url) == 200
        assert status(app.url + "config") == 200
        process = app.process
    assert process.poll() is not None
    assert status(app.url) is None
    assert not app.foreign_hosts(), "the server asked for foreign hosts:\n" + "\n".join(app.foreign_hosts())
    assert not list(space.rglob("__pycache__"))


def one_sentence(done: subprocess.CompletedProcess[str]) -> str:
    """What a refused build said: one line, and no traceback."""
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    return done.stderr
