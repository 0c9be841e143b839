"""Readers read any belief, what follows END does not matter to them, and their files come back as they were."""

import json

import pytest
import torch

from controllers.base import Context
from controllers.probes import reader
from controllers.probes.heads import NONE
from controllers.probes.reader import Reader, ReaderConfig
from diffusion import StudioError
from diffusion.text.labels import LabelSet
from diffusion.text.vocab import END, PAD, Vocabulary
from tests.controllers.small import CONTEXT, LABELS, VOCAB, one_hot, random_belief

CLASSES = {"tags": (("NOUN", "VERB", "DET"),), "chart": ((NONE, "NP", "VP"),), "slots": (("absent", "a"), ("absent", "b", "c"))}
KINDS = sorted(CLASSES)
WORDS = ["The", "Vaults", "is", "a", "cheap", "pub", "."]


def small(kind: str) -> Reader:
    torch.manual_seed(3)
    config = ReaderConfig(kind, len(VOCAB), CLASSES[kind], ("DT", "NN"), width=16, layers=2, heads=2, length=32)
    built = Reader(config, VOCAB.fingerprint, LABELS.fingerprint if kind == "slots" else "")
    built.lexicon.normal_()
    return built


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "FOLDER", tmp_path)
    return tmp_path


@pytest.mark.parametrize("kind", KINDS)
def test_certain_and_open_beliefs_are_read_and_have_finite_gradients(kind):
    built = small(kind)
    uniform = torch.full((1, 16, len(VOCAB)), 1 / len(VOCAB))
    for probs in (uniform, one_hot(WORDS), one_hot([]), random_belief(1)):
        asked = probs.clone().requires_grad_()
        logits = built(asked)
        slope = torch.autograd.grad(logits.log_softmax(-1)[..., 0].sum(), asked)[0]
        assert torch.isfinite(logits).all() and torch.isfinite(slope).all() and slope.abs().max() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_is_the_slope(kind):
    built, logits = small(kind).double(), random_belief(4).log().double().requires_grad_()
    weights = torch.randn(built(logits.softmax(-1)).shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def value(at: torch.Tensor) -> torch.Tensor:
        return (weights * built(at.softmax(-1)).log_softmax(-1)).sum()
    slope = torch.autograd.grad(value(logits), logits)[0]
    direction = torch.randn(logits.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    with torch.no_grad():
        ahead, behind = value(logits + 1e-5 * direction), value(logits - 1e-5 * direction)
    assert float(ahead - behind) / 2e-5 == pytest.approx(float((slope * direction).sum()), rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_what_follows_the_end_does_not_matter(kind):
    built, short = small(kind), one_hot(WORDS, len(WORDS) + 1)
    padding = torch.nn.functional.one_hot(torch.full((1, 8), PAD), len(VOCAB)).float()
    noise = random_belief(2, batch=1, length=8)
    count = len(WORDS)
    read = [_words(kind, built(torch.cat([short, rest], 1)), count) for rest in (short[:, :0], padding, noise)]
    assert torch.allclose(read[0], read[1], atol=1e-5) and torch.allclose(read[0], read[2], atol=1e-5)


def _words(kind: str, logits: torch.Tensor, count: int) -> torch.Tensor:
    return logits if kind == "slots" else logits[:, :count, :count] if kind == "chart" else logits[:, :count]


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_that_ends_elsewhere_is_read_otherwise(kind):
    built, longer, shorter = small(kind), one_hot(WORDS), one_hot(WORDS[:4])
    assert not torch.allclose(_words(kind, built(longer), 4), _words(kind, built(shorter), 4), atol=1e-3)


def test_some_spans_are_read_as_in_the_whole_chart():
    built, probs = small("chart"), random_belief(5)
    features, _ = built.features(probs)
    some = built.head.spans(features, torch.tensor([0, 3]), torch.tensor([2, 3]))
    assert torch.allclose(some, built(probs)[:, [0, 3], [2, 3]], atol=1e-6)


def test_slots_are_parted_into_groups():
    built = small("slots")
    first, second = built.groups(built(random_belief(0)))
    assert first.shape == (2, 2) and second.shape == (2, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_files_bring_back_what_was_saved_up_to_sixteen_bits(kind, folder):
    built = small(kind)
    with torch.no_grad():
        for tensor in built.state_dict().values():
            tensor.copy_(tensor.half().float())
    built.save(folder / "mine")
    loaded = Reader.load("mine")
    assert torch.allclose(loaded(one_hot(WORDS)), built(one_hot(WORDS)), atol=1e-6)
    assert torch.equal(loaded.lexicon, built.lexicon) and loaded.config == built.config
    assert not any(weight.requires_grad for weight in loaded.parameters())
    assert Reader.load("mine") is loaded and Reader.for_beliefs("mine", one_hot(WORDS)) is loaded
    assert Reader.for_beliefs("mine", one_hot(WORDS).double())(one_hot(WORDS).double()).dtype == torch.float64


def test_a_reader_that_was_trained_again_is_read_again(folder):
    small("tags").save(folder / "mine")
    before = Reader.load("mine")
    changed = small("tags")
    with torch.no_grad():
        changed.embedding += 1
    changed.save(folder / "mine")
    assert not torch.equal(Reader.load("mine").embedding, before.embedding)


def test_a_reader_of_other_words_or_slots_is_refused_with_both_fingerprints():
    words, slots = Vocabulary([*VOCAB.words, "new"]), LabelSet({"area": ("here",)})
    with pytest.raises(StudioError, match=f"{VOCAB.fingerprint}.*{words.fingerprint}.*training controller tags"):
        small("tags").fits(Context(words, LABELS, 16), "pos=DET")
    with pytest.raises(StudioError, match=f"{LABELS.fingerprint}.*{slots.fingerprint}"):
        small("slots").fits(Context(VOCAB, slots, 16), "semantic=area:riverside")
    small("tags").fits(Context(VOCAB, slots, 16), "pos=DET")
    with pytest.raises(StudioError, match=r"at most 32 positions.*writes 40"):
        small("tags").fits(Context(VOCAB, LABELS, 40), "pos=DET")
    small("slots").fits(CONTEXT, "semantic=area:riverside")


def test_a_missing_reader_names_the_command_that_trains_it(folder):
    with pytest.raises(StudioError, match=r"no reader 'chart'.*python -m training controller chart --data"):
        Reader.load("chart")


@pytest.mark.parametrize("harm", ["truncate", "no config", "other sizes"])
def test_damaged_files_are_told(folder, harm):
    small("tags").save(folder / "mine")
    weights, config = folder / "mine" / reader.WEIGHTS, folder / "mine" / reader.CONFIG
    if harm == "truncate":
        weights.write_bytes(weights.read_bytes()[:500])
    elif harm == "no config":
        config.unlink()
    else:
        info = json.loads(config.read_text())
        info["config"]["width"] = 32
        config.write_text(json.dumps(info))
    with pytest.raises(StudioError, match="holds no reader"):
        Reader.load("mine")


def test_the_end_is_weighed_by_its_probability():
    probs = one_hot(WORDS).clone()
    probs[:, 3] = 0.25 * torch.nn.functional.one_hot(torch.tensor(END), len(VOCAB)) + 0.75 * probs[:, 3]
    _, log_alive = small("tags").features(probs)
    assert log_alive[0, :4].exp().tolist() == pytest.approx([1, 1, 1, 1])
    assert log_alive[0, 4:8].exp().tolist() == pytest.approx([0.75] * 4) and float(log_alive[0, 8]) < -10
