"""Maps that are stored: PCA against numpy's SVD, a file that says what was written, and none for another checkpoint."""

import argparse

import numpy as np
import pytest

import diffusion
from diffusion import StudioError, maps
from tests.tiny import WORDS, tiny_model, tiny_vocab
from training import maps as command


def quick(vectors, name, progress=None):
    """In place of UMAP and t-SNE: the first coordinates, so that it is seen which map is which."""
    return vectors[:, :int(name[-1])] * (10 if name.startswith("tsne") else 1)


@pytest.fixture
def model(monkeypatch):
    """A tiny Diffusion-LM that the command finds under its slug, and fast maps."""
    made = tiny_model("diffusion-lm")
    made.hash = "0123456789ab"
    monkeypatch.setattr(diffusion, "load", lambda slug: made)
    monkeypatch.setattr(maps, "fit", quick)
    return made


def test_pca_is_that_of_numpys_singular_values(model):
    made = command.made(model)
    table = model.table().detach().numpy()
    left, sizes, _ = np.linalg.svd(table - table.mean(0), full_matrices=False)
    np.testing.assert_allclose(np.abs(made.maps["pca3"]), np.abs(left * sizes)[:, :3], atol=1e-5)
    np.testing.assert_allclose(made.told, (sizes**2 / (sizes**2).sum())[:3], rtol=1e-5)
    plane = made.projection("pca2")
    np.testing.assert_array_equal(plane.points, made.maps["pca3"][:, :2])
    assert plane.told == made.told[:2]


def test_a_file_gives_back_what_was_made_to_a_thousandth_of_its_extent(model, tmp_path):
    made = command.made(model, tuple(range(12)))
    made.save(tmp_path / "a.json")
    read = maps.read(tmp_path / "a.json", model.hash)
    assert (read.checkpoint, read.vocab, read.diffuses, read.counts) == (model.hash, model.vocab.fingerprint, True, made.counts)
    assert set(read.maps) == {"pca3", "umap2", "umap3", "tsne2", "tsne3"}
    for name, points in made.maps.items():
        np.testing.assert_allclose(read.maps[name], points, atol=0.0051 * np.ptp(points, axis=0).max())
        assert read.maps[name].shape == (len(model.vocab), int(name[-1]))
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_map_of_another_checkpoint_and_a_damaged_file_are_refused(model, tmp_path):
    path = tmp_path / "a.json"
    command.made(model).save(path)
    assert maps.read(path, "ba9876543210") is None
    assert maps.read(tmp_path / "none.json", model.hash) is None
    path.write_text(path.read_text()[:-40])
    assert maps.read(path, model.hash) is None


def test_words_are_counted_in_the_training_texts_and_what_is_unknown_counts_as_unk():
    vocab = tiny_vocab()
    counted = dict(zip(vocab.words, command.count(["The soup is hot .", "soup and soup or bread"], vocab), strict=True))
    assert {word: counted[word] for word in WORDS if counted[word]} == {"soup": 3, "is": 1, "hot": 1, ".": 1, "and": 1, "bread": 1}
    assert counted["[UNK]"] == 2


def test_the_command_keeps_counts_that_it_is_not_asked_to_make_again(model, tmp_path):
    data, output = tmp_path / "data", tmp_path / "maps"
    data.mkdir()
    for part in ("train", "valid"):
        (data / f"{part}.csv").write_text("mr,ref\ndish[soup],soup is hot .\n", encoding="utf-8")
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    for arguments in (["--data", str(data)], []):
        args = parser.parse_args(["maps", "--paper", "diffusion-lm", "--output", str(output), *arguments])
        assert args.run(args) == 0
        assert sum(maps.read(output / "diffusion-lm.json", model.hash).counts) == 4
    assert maps.counts(model.vocab.fingerprint, output)[model.vocab.ids["soup"]] == 1
    assert maps.counts("another vocabulary", output) == ()
    assert "soup is hot" not in (output / "diffusion-lm.json").read_text()


def test_a_paper_without_vectors_of_words_has_no_map():
    with pytest.raises(StudioError, match="no vector for a single word"):
        command.made(tiny_model("rdlm"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["umap3", "tsne2"])
def test_maps_that_are_not_linear_are_always_the_same(name):
    vectors = np.random.default_rng(1).normal(size=(60, 8)).astype("f4")
    shares = []
    once, again = maps.fit(vectors, name, shares.append), maps.fit(vectors, name)
    assert once.shape == (60, int(name[-1]))
    np.testing.assert_array_equal(once, again)
    assert name.startswith("tsne") or shares == sorted(shares)
