"""LD4LG's three stages: damaged texts, the fitted temperature, the gate, and each stage beginning where the last one ended."""

from __future__ import annotations

import dataclasses
import itertools
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

import diffusion
from diffusion.core import checkpoint
from diffusion.core.errors import StudioError
from diffusion.core.rng import BatchRng
from diffusion.nn.autoencoder import AutoencoderConfig
from diffusion.nn.backbone import BackboneConfig
from diffusion.nn.language_model import LanguageModelConfig
from diffusion.papers import ld4lg
from diffusion.text.vocab import END, PAD
from tests.support.tiny_training import LENGTH, tiny_corpus
from training import export, progress, recipes
from training.card import card
from training.loop import Options, train
from training.stages import gate, latent

SENTINEL = 50
MODEL = LanguageModelConfig(width=32, layers=1, heads=2, length=LENGTH)
SIZES = AutoencoderConfig(latents=6, latent_width=8, width=32, layers=1, heads=2)
CONFIGS = {
    "ld4lg-language-model": latent.LanguageModelRun(MODEL),
    "ld4lg-autoencoder": latent.AutoencoderRun(MODEL, SIZES, LENGTH),
    "ld4lg": ld4lg.Config(BackboneConfig(width=32, layers=1, heads=2, length=LENGTH, time_width=16), MODEL, SIZES),
}


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    """One thread, which is faster for models this small, and no TensorBoard, which is slow to import."""
    monkeypatch.setattr(progress, "_board", lambda folder, step: None)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def texts(rows: int, words: int = 30) -> Tensor:
    """Texts of the same number of words, all different, (rows, words + 4)."""
    row = [*range(3, 3 + words), END, PAD, PAD, PAD]
    return torch.tensor(row).expand(rows, -1)


def rng(rows: int) -> BatchRng:
    return BatchRng(torch.Generator().manual_seed(0), rows)


# ---- damaged texts


def test_a_damaged_text_is_the_text_with_spans_replaced_by_one_sentinel_each():
    for row in latent.damaged(texts(200), SENTINEL, rng(200)).tolist():
        end = row.index(END)
        assert set(row[end + 1:]) <= {PAD}
        kept = [word for word in row[:end] if word != SENTINEL]
        assert kept == sorted(set(kept))                 # in order, each once
        for left, right in itertools.pairwise(row[:end + 1]):
            assert (left, right) != (SENTINEL, SENTINEL)
            if SENTINEL not in (left, right):            # nothing is missing without a sentinel
                assert right in (left + 1, END)
        missing = 30 - len(kept)
        assert (missing == 0) == (SENTINEL not in row)


def test_spans_have_three_words_and_the_share_of_missing_words_is_even_from_0_to_a_half():
    rows = latent.damaged(texts(4_000), SENTINEL, rng(4_000))
    spans, kept = (rows == SENTINEL).sum(1), (rows >= 3).sum(1) - (rows == SENTINEL).sum(1)
    missing = 30 - kept
    assert float(missing.sum() / spans.sum()) == pytest.approx(latent.SPAN, rel=0.1)
    assert float(missing.float().mean() / 30) == pytest.approx((1 - latent.WHOLE) * latent.MOST / 2, rel=0.07)
    assert latent.WHOLE < float((missing == 0).float().mean()) < latent.WHOLE + 0.15
    assert float((missing > 0.6 * 30).float().mean()) < 0.05


def test_strange_words_stand_in_some_rows_in_the_place_of_words_alone():
    rows = latent.scattered(texts(4_000), 40, rng(4_000))
    changed = rows != texts(4_000)
    assert not changed[:, 30:].any()                     # END and PAD stay
    assert rows[changed].min() == 3 and rows[changed].max() == 39        # any word, no special one
    touched = changed.any(1)
    assert float(touched.float().mean()) == pytest.approx(latent.STRANGE_ROWS, abs=0.03)
    assert float(changed[touched][:, :30].float().mean()) == pytest.approx(latent.STRANGE, rel=0.1)


# ---- what is fitted and measured


@pytest.mark.parametrize("sharpness", [0.6, 1.0, 2.0])
def test_the_fitted_temperature_undoes_a_belief_that_is_too_sharp(sharpness):
    logits = torch.randn(400, 6, 12, generator=torch.Generator().manual_seed(0)) * 2
    tokens = torch.multinomial(logits.flatten(0, 1).softmax(-1), 1, generator=torch.Generator().manual_seed(1)).view(400, 6)
    probe = SimpleNamespace(temperature=torch.ones(()))
    model = SimpleNamespace(beliefs=lambda rows, rng: sharpness * logits, codec=SimpleNamespace(autoencoder=probe))
    assert gate.fit_temperature(model, tokens) == pytest.approx(sharpness, rel=0.12)
    assert float(probe.temperature) == pytest.approx(sharpness, rel=0.12)


class Forgetful:
    """A codec that brings back all but every n-th text."""

    def __init__(self, every: int) -> None:
        self.every = every

    def parameters(self):
        return iter([torch.zeros(1)])

    def encode(self, tokens):
        return tokens

    def write(self, x, length, unknown):
        assert unknown                                   # a text with an unknown word can come back too
        lost = torch.arange(len(x)) % self.every == 0
        return torch.where(lost[:, None], PAD, x)


def held_out(rows: int) -> SimpleNamespace:
    return SimpleNamespace(tuning=SimpleNamespace(tokens=texts(rows)))


def test_the_gate_lets_latents_through_that_bring_95_percent_back(capsys):
    found = gate.check(Forgetful(25), held_out(400), below=False)
    assert found["exactly_back"] == pytest.approx(0.95, abs=0.02) and not found["below_gate"]
    assert "of 400 held-out texts come back exactly" in capsys.readouterr().err


def test_the_gate_refuses_others_with_the_number_unless_told_and_then_the_card_says_so():
    with pytest.raises(StudioError, match=r"Only 50\.0% of 400 .* 95%.*--below-gate"):
        gate.check(Forgetful(2), held_out(400), below=False)
    assert gate.check(Forgetful(2), held_out(400), below=True) == {"exactly_back": 0.5, "below_gate": True}


# ---- the three runs


def run_of(slug: str, folder, steps: int = 3, **options):
    recipe = dataclasses.replace(recipes.RECIPES[f"{slug}-e2e-small"], config=CONFIGS[slug], steps=steps, batch=8, short=24)
    run = train(recipe, tiny_corpus(), Options(folder / slug, look_every=steps, **options))
    return run, str(export.write(run, tiny_corpus(), slug, folder / f"{slug}-checkpoint"))


def test_each_stage_begins_where_the_last_one_ended_and_the_last_one_samples(tmp_path):
    first, language_model = run_of("ld4lg-language-model", tmp_path)
    second, autoencoder = run_of("ld4lg-autoencoder", tmp_path, init_from=language_model)
    third, finished = run_of("ld4lg", tmp_path, init_from=autoencoder, below_gate=True)
    weights = [checkpoint.read(checkpoint.locate(folder)).weights for folder in (language_model, autoencoder, finished)]
    for name, value in weights[0].items():               # trained once, and then frozen
        assert torch.equal(value, weights[1][f"codec.{name}"])
    for name, value in weights[1].items():
        assert name.endswith("temperature") or torch.equal(value, weights[2][name])
    assert not torch.equal(weights[2]["network.inputs.weight"], torch.zeros_like(weights[2]["network.inputs.weight"]))
    told = card(third, tiny_corpus(), "ld4lg")
    assert told["below_gate"] and 0 <= told["exactly_back"] < 0.95 and told["init_from"]["steps"] == 3
    assert float(weights[2]["codec.autoencoder.temperature"]) == pytest.approx(told["probe_temperature"], abs=1e-3)
    assert "sample" in first.history[-1] and "valid" in second.history[-1]
    model = diffusion.load(finished)
    rows = diffusion.generate(model, diffusion.Request(seeds=(1, 2), steps=3)).run().ids
    assert rows.shape == (2, LENGTH) and all((row == END).sum() == 1 for row in rows)


def test_diffusion_does_not_start_below_the_gate(tmp_path):
    _, language_model = run_of("ld4lg-language-model", tmp_path, steps=1)
    _, autoencoder = run_of("ld4lg-autoencoder", tmp_path, steps=1, init_from=language_model)
    with pytest.raises(StudioError, match="diffusion starts from 95% on"):
        run_of("ld4lg", tmp_path, steps=1, init_from=autoencoder)


def test_a_stage_of_another_size_is_refused_by_the_weight(tmp_path):
    _, language_model = run_of("ld4lg-language-model", tmp_path, steps=1)
    other = dataclasses.replace(CONFIGS["ld4lg-autoencoder"], language_model=dataclasses.replace(MODEL, width=16))
    recipe = dataclasses.replace(recipes.RECIPES["ld4lg-autoencoder-e2e-small"], config=other, steps=1)
    with pytest.raises(StudioError, match=r"holds 'language_model\.network.*of shape"):
        train(recipe, tiny_corpus(), Options(tmp_path / "other", init_from=language_model))


def test_a_stage_without_the_one_before_is_refused(tmp_path):
    for slug in ("ld4lg-autoencoder", "ld4lg"):
        with pytest.raises(StudioError, match=r"--init-from"):
            run_of(slug, tmp_path, steps=1)


def test_stages_whose_texts_have_many_lengths_are_not_compiled_and_say_so(tmp_path):
    with pytest.raises(StudioError, match=r"LD4LG's language model is trained without --compile"):
        run_of("ld4lg-language-model", tmp_path, steps=1, compile=True)


def test_a_foreign_language_model_is_for_recipes_with_an_autoencoder():
    config = latent.around(CONFIGS["ld4lg"], "facebook/bart-base")
    assert config.language_model.name == "facebook/bart-base" and config.autoencoder == SIZES
    with pytest.raises(StudioError, match="no place for one"):
        latent.around(recipes.RECIPES["diffusion-lm-e2e-small"].config, "t5-small")


def test_an_autoencoder_is_trained_around_a_foreign_language_model_and_diffusion_in_its_latents(tmp_path):
    from tokenizers.processors import TemplateProcessing
    from transformers import T5Config, T5ForConditionalGeneration

    vocab, folder = tiny_corpus().vocab, tmp_path / "foreign"
    T5ForConditionalGeneration(T5Config(vocab_size=len(vocab) + 7, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2,
                                        decoder_start_token_id=PAD, pad_token_id=PAD, eos_token_id=END)).save_pretrained(folder)
    tokenizer = vocab.as_transformers()
    tokenizer._tokenizer.post_processor = TemplateProcessing(single="$A [END]", special_tokens=[("[END]", END)])
    tokenizer.save_pretrained(folder)
    start = None
    for slug in ("ld4lg-autoencoder", "ld4lg"):
        recipe = dataclasses.replace(recipes.RECIPES[f"{slug}-e2e-small"], steps=1, batch=4, short=24,
                                     config=latent.around(CONFIGS[slug], str(folder)))
        run = train(recipe, tiny_corpus(), Options(tmp_path / slug, look_every=1, init_from=start, below_gate=True))
        start = str(export.write(run, tiny_corpus(), slug, tmp_path / f"{slug}-checkpoint"))
        assert not any("language_model" in name for name in checkpoint.read(checkpoint.locate(start)).weights)
    assert diffusion.load(start).no_control() is not None
