"""Checkpoints: what is written comes back, what does not belong together is refused, and nothing is unpickled."""

import json
import os
import pickle
import shutil
from pathlib import Path

import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file, save_file

import diffusion
from diffusion.core import checkpoint, model_card
from diffusion.core.errors import StudioError
from diffusion.papers.autoregressive import Autoregressive
from diffusion.papers.diffusion_lm import DiffusionLM
from diffusion.text.vocab import SPECIALS, Vocabulary
from tests.tiny import tiny_model


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.fixture
def folder(tmp_path):
    tiny_model("diffusion-lm").save_pretrained(tmp_path / "saved")
    return tmp_path / "saved"


def edit(path, **changes):
    value = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**value, **changes}), encoding="utf-8")


def refused(folder, *parts):
    with pytest.raises(StudioError) as error:
        diffusion.load(str(folder))
    for part in parts:
        assert str(part) in str(error.value), str(error.value)
    assert str(error.value).endswith(".") and "\n" not in str(error.value)


# ---- what is written comes back


@pytest.mark.parametrize("slug", ["diffusion-lm", "ar"])
def test_weights_words_labels_config_and_card_come_back(tmp_path, slug):
    model = tiny_model(slug)
    model.card = {"recipe": "none", "minutes": 0.5}
    model.save_pretrained(tmp_path / "saved")
    again = diffusion.load(str(tmp_path / "saved"))
    assert type(again) is type(model) and again.config == model.config and again.card == model.card
    assert again.vocab.words == model.vocab.words and again.labels.slots == model.labels.slots
    for name, value in checkpoint.distinct(model).items():
        assert torch.equal(checkpoint.distinct(again)[name], value.bfloat16().float()), name
    assert not again.training and all(weight.dtype == torch.float32 for weight in again.parameters())


def test_saving_what_was_loaded_gives_the_same_files_and_the_same_hash(tmp_path, folder):
    model = diffusion.load(str(folder))
    model.save_pretrained(tmp_path / "again")
    for path in folder.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()
    assert diffusion.load(str(tmp_path / "again")).hash == model.hash != "untrained"


def test_tied_weights_are_stored_once_and_still_tied(tmp_path):
    model = tiny_model("ar")
    model.save_pretrained(tmp_path)
    stored = sum(value.numel() for value in load_file(tmp_path / checkpoint.WEIGHTS).values())
    assert stored == sum(weight.numel() for weight in model.parameters())
    network = diffusion.load(str(tmp_path)).model.network
    assert network.lm_head.weight.data_ptr() == network.transformer.wte.weight.data_ptr()


def test_the_card_is_also_a_readme_for_the_hub(tmp_path):
    model = tiny_model("diffusion-lm")
    model.card = {"recipe": "r|1", "steps": 12_345, "dataset": "some/places", "licence_of_data": "CC0",
                  "measured": {"bits per token": 2.5}, "curve": [{"valid": 3.0}, {"valid": 1.5}]}  # fmt: skip
    model.save_pretrained(tmp_path)
    readme = (tmp_path / "README.md").read_text(encoding="utf-8")
    front = readme.split("---\n")[1]
    assert "license: apache-2.0\n" in front and "datasets:\n- some/places\n" in front and "- diffusion-lm\n" in front
    for part in ("| recipe | r/1 |", "| steps | 12,345 |", "| bits per token | 2.5 |", "3.0 … 1.5", "CC0."):
        assert part in readme


def test_a_card_without_facts_claims_nothing():
    readme = model_card.render("judge", 817, {"area": ("harbour",)}, {})
    assert "Nothing is recorded" in readme and "datasets:" not in readme and "## Measured" not in readme
    assert "steers nothing" in readme


# ---- what does not belong together is refused


@pytest.mark.parametrize("name", [checkpoint.WEIGHTS, checkpoint.CONFIG, checkpoint.VOCAB, checkpoint.LABELS])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    refused(folder, folder, name)


def test_a_missing_card_is_no_fault(folder):
    (folder / checkpoint.CARD).unlink()
    assert diffusion.load(str(folder)).card == {}


@pytest.mark.parametrize("kept", [0, 5, 100, -1])
def test_truncated_weights_are_refused(folder, kept):
    path = folder / checkpoint.WEIGHTS
    path.write_bytes(path.read_bytes()[:kept])
    refused(folder, path, "truncated", "Fetch it again")


@pytest.mark.parametrize("name", [checkpoint.CONFIG, checkpoint.VOCAB, checkpoint.LABELS, checkpoint.CARD])
@pytest.mark.parametrize("content", ["{", "[1, 2]", "3", "\ud800"])
def test_json_that_is_broken_or_something_else_is_refused_by_name(folder, name, content):
    (folder / name).write_bytes(content.encode("utf-8", "surrogatepass"))
    refused(folder, folder / name)


def test_a_foreign_vocabulary_is_refused_with_both_fingerprints(folder):
    foreign = Vocabulary([*SPECIALS, *(f"w{index}" for index in range(9))])
    (folder / checkpoint.VOCAB).write_text(foreign.to_json(), encoding="utf-8")
    refused(folder, folder / checkpoint.VOCAB, foreign.fingerprint, tiny_model("diffusion-lm").vocab.fingerprint,
            "Take both files from the same checkpoint")  # fmt: skip


def test_foreign_labels_are_refused(folder):
    (folder / checkpoint.LABELS).write_text('{"dish": ["soup", "pie"], "heat": ["hot"]}', encoding="utf-8")
    refused(folder, "labels", folder / checkpoint.LABELS)


def test_a_weight_of_another_shape_is_refused_with_both_shapes(folder):
    weights = load_file(folder / checkpoint.WEIGHTS)
    weights["bias"] = torch.zeros(5)
    save_file(weights, folder / checkpoint.WEIGHTS)
    refused(folder, folder / checkpoint.WEIGHTS, "'bias'", "(5,)", "(12,)")


@pytest.mark.parametrize(("change", "verb"), [("lacks", "needs"), ("has", "does not have")])
def test_a_weight_missing_or_left_over_is_refused(folder, change, verb):
    weights = load_file(folder / checkpoint.WEIGHTS)
    if change == "lacks":
        del weights["bias"]
    else:
        weights["bias2"] = torch.zeros(1)
    save_file(weights, folder / checkpoint.WEIGHTS)
    refused(folder, folder / checkpoint.WEIGHTS, change, "'bias", verb)


def test_an_unknown_field_of_the_configuration_is_refused(folder):
    config = json.loads((folder / checkpoint.CONFIG).read_text(encoding="utf-8"))["config"]
    edit(folder / checkpoint.CONFIG, config={**config, "wings": 2})
    refused(folder, "'wings'", "Update the project")
    edit(folder / checkpoint.CONFIG, config={**config, "backbone": {**config["backbone"], "wheels": 4}})
    refused(folder, "'wheels'")


@pytest.mark.parametrize("config", [[], "x", {"backbone": "x"}, {"backbone": {"width": "w"}}, {"embedding_width": -1}])
def test_a_configuration_of_no_sense_is_refused(folder, config):
    edit(folder / checkpoint.CONFIG, config=config)
    refused(folder, folder / checkpoint.CONFIG)


def test_another_format_and_an_unknown_paper_are_refused(folder):
    edit(folder / checkpoint.CONFIG, format=99)
    refused(folder, folder / checkpoint.CONFIG, "format 1", "99")
    edit(folder / checkpoint.CONFIG, format=1, model="diffusion-ml")
    refused(folder, "'diffusion-ml'", "'diffusion-lm'")


def test_a_checkpoint_of_another_paper_says_what_it_is(folder):
    with pytest.raises(StudioError, match="'diffusion-lm', not of 'ar'"):
        Autoregressive.from_pretrained(str(folder))


# ---- nothing is unpickled


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_a_pickle_under_the_name_of_the_weights_is_refused_and_not_run(folder, tmp_path, protocol):
    planted = pickle.dumps(Evil(tmp_path / "ran"), protocol)
    (folder / checkpoint.WEIGHTS).write_bytes(planted)
    refused(folder, folder / checkpoint.WEIGHTS, "not a safetensors file")
    assert not (tmp_path / "ran").exists()
    pickle.loads(planted)  # noqa: S301
    assert (tmp_path / "ran").exists()  # it would have run


def test_weights_saved_by_torch_are_refused_and_not_run(folder, tmp_path):
    torch.save(Evil(tmp_path / "ran"), folder / checkpoint.WEIGHTS)
    refused(folder, folder / checkpoint.WEIGHTS)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.pkl", "weights.ckpt"])
def test_a_pickle_in_place_of_the_weights_is_named_and_not_run(folder, tmp_path, name):
    (folder / checkpoint.WEIGHTS).unlink()
    torch.save(Evil(tmp_path / "ran"), folder / name)
    refused(folder, folder, name, "never opened", "save_pretrained")
    assert not (tmp_path / "ran").exists()


def test_a_pickle_beside_the_weights_is_left_alone(folder, tmp_path):
    torch.save(Evil(tmp_path / "ran"), folder / "pytorch_model.bin")
    assert diffusion.load(str(folder)).hash
    assert not (tmp_path / "ran").exists()


# ---- the Hub


def test_a_checkpoint_of_the_hub_is_loaded_without_its_pickles(monkeypatch, folder):
    asked = []

    def download(name, *, revision, allow_patterns):
        asked.append((name, revision))
        for pickled in ("x.bin", "x.pt", "x.pkl", "x.py"):
            assert not any(Path(pickled).match(pattern) for pattern in allow_patterns)
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    model = diffusion.load("somebody/places", revision="v2")
    assert isinstance(model, DiffusionLM) and asked == [("somebody/places", "v2")]
    assert DiffusionLM.from_pretrained("somebody/places").hash == model.hash


def test_a_hub_that_cannot_be_reached_is_a_sentence(monkeypatch):
    def download(name, **options):
        raise OSError("no route")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    refused("somebody/places", "somebody/places", "no route", "give a local folder")


@pytest.mark.parametrize("name", ["nothing-of-that-name", "/no/such/folder", "./a", "a/b/c", ""])
def test_a_name_that_is_no_checkpoint_is_refused_without_asking_the_hub(monkeypatch, name):
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *args, **kwargs: pytest.fail("the Hub was asked"))
    refused(name, f"'{name}'", "Hub id like user/name")


def test_a_bundled_checkpoint_is_found_by_its_slug(monkeypatch, folder):
    monkeypatch.setattr(checkpoint, "BUNDLED", folder.parent)
    assert checkpoint.locate("saved") == folder


def test_push_to_hub_uploads_the_folder_that_save_pretrained_writes(monkeypatch, tmp_path, folder):
    calls = []

    class FakeApi:
        def create_repo(self, repo_id, **options):
            calls.append((repo_id, options))

        def upload_folder(self, *, repo_id, folder_path):
            shutil.copytree(folder_path, tmp_path / "hub")
            return f"https://hub/{repo_id}"

    monkeypatch.setattr(huggingface_hub, "HfApi", FakeApi)
    model = diffusion.load(str(folder))
    assert model.push_to_hub("me/places", private=True) == "https://hub/me/places"
    assert calls == [("me/places", {"exist_ok": True, "private": True})]
    assert diffusion.load(str(tmp_path / "hub")).hash == model.hash
    assert (tmp_path / "hub" / "README.md").is_file()


# ---- what ships


def test_shipped_checkpoints_open_and_hold_what_was_promised():
    for path in sorted(checkpoint.BUNDLED.glob("*/")):
        opened = checkpoint.read(path)
        assert opened.slug == path.name
        most = 22_000_000 if path.name == "ld4lg" else 11_000_000             # LD4LG ships a language model and an autoencoder too
        assert (path / checkpoint.WEIGHTS).stat().st_size <= most
        assert all(opened.card[key] for key in ("recipe", "steps", "minutes", "hardware", "commit", "licence_of_data"))
        assert (path / checkpoint.README).is_file()
