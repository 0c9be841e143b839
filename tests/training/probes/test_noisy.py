"""Training of classifiers on noisy vectors: noise of the model's own process, means by hand, learning, pauses, and the command."""

import dataclasses
import json

import pytest
import torch

from controllers.probes.heads import CHART, SLOTS, TAGS
from controllers.probes.noisy import NAME, NoisyReader, fingerprint
from controllers.probes.reader import CARD, WEIGHTS
from diffusion import StudioError
from diffusion.core.checkpoint import BUNDLED
from diffusion.text.vocab import UNK
from tests.controllers import grammar
from tests.controllers.grammar import SENTENCES, Grammar
from tests.controllers.small import LABELS, LENGTH, VOCAB, model
from training import state
from training.__main__ import main
from training.data import labelled
from training.data.corpus import Encoded, Row
from training.data.labelled import Labelled
from training.probes import cli as controller_cli
from training.probes import noisy
from training.probes.noisy import Noiser, NoisyExamples, NoisyTraining, losses, measure, tags_wanted
from training.probes.train import IGNORED, Recipe

RECIPE = Recipe(32, 1, 240, batch=16, lr=4e-3, warmup=10)
SAID = {"Italian": "food[Italian]", "French": "food[French]", "city centre": "area[city centre]", "riverside": "area[riverside]"}


@pytest.fixture(scope="module")
def written():
    return model("diffusion-lm")


def rows():
    return [Row(", ".join(pair for word, pair in SAID.items() if word in text) or "name[Aromi]", text) for text in SENTENCES]


@pytest.fixture(scope="module")
def examples():
    found = [Labelled(each.words, each.universal, each.penn, 1, str(each.tree)) for each in Grammar().analyse_all(SENTENCES)]
    return NoisyExamples.of(found, Encoded.encode(rows(), VOCAB, LABELS, LENGTH), VOCAB, LABELS)


@pytest.fixture(scope="module")
def trained(written, examples, tmp_path_factory):
    training = NoisyTraining.begin(examples, RECIPE, written)
    before = value(training.reader, examples, written)
    training.run(examples, Noiser(written, torch.Generator()), 60, lambda line: None, tmp_path_factory.mktemp("run"))
    return training.reader.eval(), before


def value(reader, examples, written, t=0.1):
    """Cross-entropies of all rows at one noise level."""
    noiser = Noiser(written, torch.Generator().manual_seed(9))
    at = torch.full((len(examples.tokens),), t)
    targets = {kind: part.targets for kind, part in examples.parts.items()}
    with torch.no_grad():
        return losses(reader, noiser(examples.tokens, at), at, targets, examples.lengths.tolist())


def test_vectors_follow_the_models_own_forward_process(written):
    noiser, table = Noiser(written, torch.Generator().manual_seed(0)), written.table().detach()
    tokens = torch.full((4000, 2), UNK + 3)
    clean = table[tokens[0, 0]]
    assert torch.allclose(noiser(tokens[:2], torch.zeros(2)), clean.expand(2, 2, -1), atol=1e-6)
    for t in (0.25, 1.0):
        x, signal = noiser(tokens, torch.full((4000,), t)), float(written.alpha_bar(torch.tensor(t)))
        assert torch.allclose(x.mean((0, 1)), signal**0.5 * clean, atol=0.06)
        assert torch.allclose(x.var((0, 1)), torch.full_like(clean, 1 - signal), atol=0.06)
    times = noiser.times(5000)
    assert times.min() == 0 and times.max() == 1 and len(times.unique()) == 201


def test_what_is_no_word_has_a_tag_too():
    wanted = tags_wanted([torch.tensor([3, IGNORED]), torch.tensor([1, 2, 4])], [2, 3], 5, 19)
    assert wanted.tolist() == [[3, IGNORED, 17, 18, 18], [1, 2, 4, 17, 18]]


@torch.no_grad()
def test_losses_are_means_by_hand(written, examples):
    reader, few = grammar.noisy_reader(written), examples.first(3)
    found = value(reader, few, written)
    noiser = Noiser(written, torch.Generator().manual_seed(9))
    features = reader.features(noiser(few.tokens, torch.full((3,), 0.1)), 0.1)
    tags, spans, slots = [], [], []
    for row, length in enumerate(few.lengths.tolist()):
        target = [*few.parts[TAGS].targets[row].tolist(), 17, *[18] * (LENGTH - length - 1)]
        tags += [reader.tags(features)[row, place, each] for place, each in enumerate(target)]
        labels = {(first, last): label for first, last, label in few.parts[CHART].targets[row].tolist()}
        for first in range(length):
            for last in range(first, length):
                ends = torch.tensor([first]), torch.tensor([last])
                spans.append(reader.spans(features, *ends)[row, 0, labels.get((first, last), 0)])
        slots += [each[row, few.parts[SLOTS].targets[row][place]] for place, each in enumerate(reader.slots(features))]
    for kind, each in ((TAGS, tags), (CHART, spans), (SLOTS, slots)):
        assert float(found[kind]) == pytest.approx(-float(torch.stack(each).mean()), rel=1e-4)


def test_training_lowers_every_cross_entropy_and_noise_raises_it(written, examples, trained):
    reader, before = trained
    clear, noised = (value(reader, examples, written, t) for t in (0.1, 0.9))
    for kind in (TAGS, CHART, SLOTS):
        assert clear[kind] < 0.6 * before[kind] and clear[kind] < noised[kind]


def test_measures_are_told_by_noise_level(written, examples, trained):
    found = measure(trained[0], examples, written)
    assert [row["t"] for row in found] == list(noisy.TIMES) and found[0]["alpha_bar"] == pytest.approx(1, abs=1e-3)
    assert found[0]["accuracy of tags"] > found[-1]["accuracy of tags"] + 0.1
    assert all(0 <= row[name] <= 1 for row in found for name in ("F1 of labelled spans", "accuracy of slots"))


def test_a_training_that_paused_is_the_training_that_did_not(written, examples, tmp_path, monkeypatch):
    recipe = dataclasses.replace(RECIPE, steps=6)
    whole, part = (NoisyTraining.begin(examples, recipe, written) for _ in range(2))
    noiser = Noiser(written, torch.Generator())
    whole.run(examples, noiser, 60, lambda line: None, tmp_path / "whole")
    part.run(examples, noiser, 0, lambda line: None, tmp_path / "part")
    assert part.step == 1
    again = NoisyTraining.begin(examples, recipe, written)
    again.resume(tmp_path / "part")
    again.run(examples, noiser, 60, lambda line: None, tmp_path / "part")
    pairs = zip(whole.reader.state_dict().values(), again.reader.state_dict().values(), strict=True)
    assert again.step == 6 and all(torch.equal(one, other) for one, other in pairs)
    with pytest.raises(StudioError, match="another training"):
        NoisyTraining.begin(examples, recipe, model("diffusion-lm", scale=0.4)).resume(tmp_path / "part")
    assert state.found(tmp_path / "part")


def test_the_command_writes_classifiers_with_a_card_and_says_for_whom(tmp_path, monkeypatch, capsys):
    data = tmp_path / "data"
    data.mkdir()
    lines = [f'"{row.meaning}","{row.text}"' for row in rows() * 40]
    for part in ("train", "valid"):
        (data / f"{part}.csv").write_text("\n".join(["mr,ref", *lines]) + "\n")
    read = controller_cli.read(str(data), [], LENGTH)
    small = type(model("diffusion-lm"))
    config = dataclasses.replace(model("diffusion-lm").config)
    config = dataclasses.replace(config, backbone=dataclasses.replace(config.backbone, label_sizes=read.labels.sizes))
    small(config, read.vocab, read.labels).save_pretrained(tmp_path / "model")
    monkeypatch.setattr(controller_cli, "Analyser", lambda **names: Grammar())
    monkeypatch.setattr(controller_cli, "_labelled_by", lambda kind, analyser: {"parser": "of the grammar"})
    monkeypatch.setattr(labelled, "_key", lambda texts, analyser, trees: str(len(texts)))
    output = tmp_path / NAME
    asked = ["controller", NAME, "--data", str(data), "--output", str(output), "--run", str(tmp_path / "run")]
    assert main([*asked, "--model", str(tmp_path / "model"), "--steps", "3"]) == 0
    card = json.loads((output / CARD).read_text())
    assert card["reader"] == NAME and card["steps"] == card["planned steps"] == 3 and list(card["vectors of"]) == ["diffusion-lm"]
    assert card["bytes"] == (output / WEIGHTS).stat().st_size and [row["t"] for row in card["measured"]] == list(noisy.TIMES)
    told = (output / "README.md").read_text()
    assert "langevin" in told and "| vectors of | diffusion-lm" in told and "alpha_bar" in told and "beliefs of" not in told
    loaded = NoisyReader.load(str(output))
    assert loaded.embeddings == fingerprint(small.from_pretrained(str(tmp_path / "model"))) and loaded.config.slot_names == (
        *read.labels.slots,)
    assert main([*asked, "--model", str(tmp_path / "model"), "--steps", "3"]) == 2 and "--resume" in capsys.readouterr().err
    if (BUNDLED / "sedd").is_dir():
        assert main([*asked, "--model", "sedd"]) == 2 and "one Diffusion-LM, not for 'sedd'" in capsys.readouterr().err
