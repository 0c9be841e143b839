"""Classifiers on noisy vectors: distributions, exact slopes, files that come back, and models that they refuse."""

import pytest
import torch

from controllers.probes import noisy, reader
from controllers.probes.noisy import NAME, STEPS, NoisyReader, fingerprint
from diffusion import StudioError
from diffusion.papers.diffusion_lm import DiffusionLM
from diffusion.text.labels import LabelSet
from tests.controllers.grammar import noisy_reader
from tests.controllers.small import LABELS, LENGTH, control, model

CONTROLS = ["pos=DET * NOUN VERB", "pos=DET ... NOUN", "tree=(S (NP (DT) (NN)) (VP 3))", "span=NP@2-4",
            "classifier=food:Italian,area:absent", "semantic=food:Italian,area:riverside"]


@pytest.fixture(scope="module")
def written():
    return model("diffusion-lm")


def vectors(seed=0, rows=2, dtype=torch.float32):
    return torch.randn(rows, LENGTH, 8, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def test_every_answer_is_a_distribution(written):
    built = noisy_reader(written)
    features = built.features(vectors(), 0.3)
    told = [built.tags(features), built.spans(features, torch.tensor([0, 3]), torch.tensor([2, 3])), *built.slots(features)]
    assert features.shape == (2, LENGTH, 32)
    for each in told:
        assert torch.allclose(each.exp().sum(-1), torch.ones(each.shape[:-1]), atol=1e-5)
    assert len(told) == 2 + len(LABELS.slots)


def test_the_time_is_a_row_of_a_table_for_each_of_the_papers_steps_and_none(written):
    built = noisy_reader(written)
    assert built.times.shape[0] == STEPS + 1 == 201
    x = vectors()
    both = built.features(x, torch.tensor([0.0, 1.0]))
    assert torch.allclose(both[:1], built.features(x[:1], 0.0), atol=1e-6)
    assert torch.allclose(both[1:], built.features(x[1:], 1.0), atol=1e-6)
    assert not torch.allclose(both[:1], built.features(x[:1], 0.5), atol=1e-3)
    assert torch.equal(built.features(x, 0.5), built.features(x, 0.5 + 0.4 / STEPS))           # the nearest row


@pytest.mark.parametrize("text", CONTROLS)
def test_the_slope_of_every_controls_loss_is_that_of_finite_differences(written, text):
    built, wish, x = noisy_reader(written).double(), control(text), vectors(3, dtype=torch.float64).requires_grad_()

    def value(at):
        return wish.noisy_loss(built, built.features(at, 0.4))
    found = value(x)
    slope = torch.autograd.grad(found.sum(), x)[0]
    direction = vectors(4, dtype=torch.float64)
    with torch.no_grad():
        change = value(x + 1e-5 * direction) - value(x - 1e-5 * direction)
    assert found.shape == (2,) and (found > 0).all()
    assert torch.allclose(change / 2e-5, (slope * direction).sum((1, 2)), rtol=1e-5, atol=1e-9)


def test_cross_entropies_are_means_over_what_has_a_label(written):
    built = noisy_reader(written)
    features = built.features(vectors(), 0.4)
    tags, names = built.tags(features), built.config.tags[0]
    wanted = ["DET", None, "NOUN", "VERB", "END", *["PAD"] * (LENGTH - 5)]
    each = [tags[:, place, names.index(name)] for place, name in enumerate(wanted) if name]
    assert torch.allclose(control(CONTROLS[0]).noisy_loss(built, features), -torch.stack(each).mean(0), atol=1e-6)
    told = dict(zip(LABELS.slots, built.slots(features), strict=True))
    both = torch.stack([told["food"][:, 1 + LABELS.slots["food"].index("Italian")], told["area"][:, 0]])
    assert torch.allclose(control("classifier=food:Italian,area:absent").noisy_loss(built, features), -both.mean(0), atol=1e-6)
    span = built.spans(features, torch.tensor([1]), torch.tensor([3]))[:, 0]
    phrase = [index for index, name in enumerate(built.config.chart[0]) if "NP" in name.split("::")]
    assert torch.allclose(control("span=NP@2-4").noisy_loss(built, features), -span[:, phrase].logsumexp(-1), atol=1e-6)


def test_gaps_are_weighed_over_all_their_layouts(written):
    built = noisy_reader(written)
    features = built.features(vectors(), 0.4)
    layouts = [control("pos=" + " ".join(["DET", *["*"] * size, "NOUN"])) for size in range(LENGTH - 2)]
    told, names = built.tags(features), built.config.tags[0]
    word = told[..., :-2].logsumexp(-1)
    total = []
    for layout in layouts:
        last = len(layout.tags) - 1
        inside = word[:, 1:last].sum(1)
        total.append(told[:, 0, names.index("DET")] + inside + told[:, last, names.index("NOUN")] + told[:, last + 1, -2])
    expected = -torch.stack(total).logsumexp(0) / LENGTH
    assert torch.allclose(control("pos=DET ... NOUN").noisy_loss(built, features), expected, atol=1e-5)


def test_a_phrase_that_the_classifiers_never_saw_is_named(written):
    built = noisy_reader(written)
    object.__setattr__(built.config, "chart", (("", "PP"),))
    with pytest.raises(StudioError, match=r"know no phrase 'NP'.*'absorb'"):
        control("span=NP@2-4").noisy_loss(built, built.features(vectors(), 0.4))


# ---- belonging and files

def test_a_fingerprint_names_embeddings_and_noise_and_survives_a_checkpoint(written, tmp_path):
    written.save_pretrained(tmp_path / "saved")
    assert fingerprint(DiffusionLM.from_pretrained(str(tmp_path / "saved"))) == fingerprint(written)
    other = model("diffusion-lm", scale=0.4)
    noisier = model("diffusion-lm")
    noisier.entry_variance = 0.01
    assert len({fingerprint(each) for each in (written, other, noisier)}) == 3


def test_other_embeddings_slots_and_lengths_are_refused_in_a_sentence(written):
    built, other = noisy_reader(written), model("diffusion-lm", scale=0.4)
    built.fits(written, LENGTH)
    with pytest.raises(StudioError, match=f"{fingerprint(written)}.*{fingerprint(other)}.*controller noisy.*langevin-denoiser"):
        built.fits(other, LENGTH)
    with pytest.raises(StudioError, match=f"at most {LENGTH} positions.*{LENGTH + 1}"):
        built.fits(written, LENGTH + 1)
    built.labels = LabelSet({"area": ("here",)}).fingerprint
    with pytest.raises(StudioError, match=f"label set {built.labels}.*{LABELS.fingerprint}"):
        built.fits(written, LENGTH)


def test_files_bring_back_what_was_saved_up_to_sixteen_bits(written, tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "FOLDER", tmp_path)
    with pytest.raises(StudioError, match="training controller noisy"):
        NoisyReader.load(NAME)
    built = noisy_reader(written)
    with torch.no_grad():
        for tensor in built.state_dict().values():
            tensor.copy_(tensor.half().float())
    built.save(tmp_path / NAME)
    loaded = NoisyReader.load(NAME)
    assert loaded.config == built.config and loaded.embeddings == built.embeddings and loaded.labels == built.labels
    assert torch.equal(loaded.features(vectors(), 0.3), built.features(vectors(), 0.3))
    assert NoisyReader.suited(NAME, vectors()) is loaded and not any(weight.requires_grad for weight in loaded.parameters())
    assert NoisyReader.suited(NAME, vectors().double()).features(vectors().double(), 0.3).dtype == torch.float64
    (tmp_path / NAME / reader.WEIGHTS).write_bytes(b"no")
    with pytest.raises(StudioError, match="holds no reader"):
        NoisyReader.load(NAME)


def test_every_tag_of_words_and_of_what_is_none_has_a_class(written):
    assert noisy_reader(written).config.tags[0][-2:] == noisy.ENDS == ("END", "PAD")
