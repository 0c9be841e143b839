"""LD4LG: names of one thing agree, wishes reach the latents, texts obey masks, and a foreign language model can write."""

from __future__ import annotations

import pytest
import torch

import diffusion
from controllers.base import why_not
from controllers.infill import Infill
from controllers.label import Label
from diffusion.core import schedules
from diffusion.core.errors import StudioError
from diffusion.core.rng import BatchRng, Rng
from diffusion.papers.ld4lg import LD4LG, NUDGE, REACH
from diffusion.text.vocab import END, PAD
from tests.contract.papers import SEEDS, Wish, ask, believe, model, sources, text_rows, told
from tests.tiny import shrunk, tiny_model

NAME = "ld4lg"


# ---- the process


def test_the_cosine_schedule_has_the_values_of_the_paper_and_its_log_snr_stays_within_15():
    times = torch.tensor([0.1, 0.25, 0.5, 0.75, 0.9], dtype=torch.float64)
    expected = torch.tensor([0.9755, 0.8536, 0.5, 0.1464, 0.0245], dtype=torch.float64)
    torch.testing.assert_close(schedules.clamped_cosine(times), expected, rtol=0, atol=5e-5)
    ends = schedules.clamped_cosine(torch.tensor([0.0, 1.0], dtype=torch.float64)).logit()
    torch.testing.assert_close(ends, torch.tensor([15.0, -15.0], dtype=torch.float64), rtol=0, atol=1e-6)


@pytest.mark.parametrize("t", [0.02, 0.5, 0.98])
def test_velocity_noise_and_point_are_three_names_of_one_thing(t):
    paper, signal = model(NAME), model(NAME).signal(t).double()
    x, eps = torch.randn(2, 5, 4, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    z, v = signal.sqrt() * x + (1 - signal).sqrt() * eps, signal.sqrt() * eps - (1 - signal).sqrt() * x
    torch.testing.assert_close(paper.point(z, v, signal), x)
    torch.testing.assert_close((1 - signal).sqrt() * z + signal.sqrt() * v, eps)


def test_latents_have_root_mean_square_1_in_every_vector():
    with torch.no_grad():
        x = model(NAME).codec.encode(text_rows(NAME))
    torch.testing.assert_close(x.square().mean(-1), torch.ones(5, 4))


def test_the_frozen_parts_get_no_gradient_and_the_others_do():
    paper = tiny_model(NAME).train()
    label = told(NAME).expand(5, -1)
    paper.loss(text_rows(NAME), label, BatchRng(torch.Generator().manual_seed(0), 5), *sources(NAME)).mean().backward()
    frozen = {name.split(".")[0] for name, weight in paper.named_parameters() if weight.grad is None}
    assert frozen == {"codec"}
    assert all(weight.grad.abs().any() for name, weight in paper.named_parameters() if not name.startswith("codec"))


def test_a_source_is_read_once_in_a_run_and_has_a_say():
    paper, read = tiny_model(NAME), []
    encode = paper.codec.language_model.encode
    paper.codec.language_model.encode = lambda ids: (read.append(len(ids)), encode(ids))[1]
    told_rows = sources(NAME)[0]
    with_source = diffusion.generate(paper, ask(NAME, source=told_rows[0])).run()
    assert read == [1]                                   # five rows, six steps, one source
    without = diffusion.generate(paper, ask(NAME)).run()
    assert not torch.equal(torch.from_numpy(with_source.frames[0].entropy), torch.from_numpy(without.frames[0].entropy))


def test_guidance_contrasts_with_neither_label_nor_source():
    told_by_both = {"label": told(NAME), "source": sources(NAME)[0][0]}
    free, conditional = believe(NAME).native, believe(NAME, **told_by_both).native
    assert torch.equal(believe(NAME, **told_by_both, guidance_scale=0.0).native, free)
    guided = believe(NAME, **told_by_both, guidance_scale=3.0).native
    torch.testing.assert_close(guided, free + 3 * (conditional - free), rtol=1e-4, atol=1e-5)


# ---- wishes


def test_a_small_wish_moves_the_probe_by_what_was_asked_to_first_order():
    free, paper = believe(NAME), model(NAME)
    wanted = torch.zeros_like(free.logits)
    wanted[:, 3, 7] = 0.01
    steered = paper.absorb(free, wanted)
    change = steered.logits.softmax(-1) - free.logits.softmax(-1)
    before, after = (paper.codec.logits(point, paper.length).double() for point in (free.native, steered.native))
    torch.testing.assert_close((change * (after - before)).sum((1, 2)), (change * wanted).double().sum((1, 2)),
                               rtol=0.05, atol=0)
    assert (after.softmax(-1)[:, 3, 7] > before.softmax(-1)[:, 3, 7]).all()


@pytest.mark.parametrize(("others", "reach"), [(-torch.inf, NUDGE), (-9.0, REACH)])
def test_what_is_ruled_out_moves_the_latents_less_far_than_a_wish(others, reach):
    free, paper = believe(NAME), model(NAME)
    wanted = torch.full_like(free.logits, others)
    wanted[..., 5] = 0
    moved = (paper.absorb(free, wanted).native - free.native).square().sum((1, 2)).sqrt()
    limit = reach * free.native.square().sum((1, 2)).sqrt()
    assert (moved <= limit * 1.0001).all() and (moved > 0.9 * limit).any()


@pytest.mark.parametrize("words", [1, 5, 9])
def test_the_decoder_writes_no_word_that_the_last_belief_rules_out(words):
    paper = model(NAME)
    allowed = torch.zeros(paper.length, len(paper.vocab), dtype=torch.bool)
    allowed[:words, 4::2] = True
    allowed[0], allowed[words, END], allowed[words + 1:, PAD] = False, True, True
    allowed[0, 7] = True
    wish = Wish(torch.zeros(allowed.shape).masked_fill(~allowed, -torch.inf))
    rows = torch.from_numpy(diffusion.generate(paper, ask(NAME), wish).run().ids.astype("int64"))
    assert allowed.expand(len(rows), -1, -1).gather(-1, rows[..., None]).all()


def test_beam_search_with_the_settings_of_the_paper_writes_texts_too():
    greedy = model(NAME)
    paper = LD4LG(shrunk(greedy.config, {"decoding": "paper"}), greedy.vocab, greedy.labels)
    paper.load_state_dict(greedy.state_dict())
    for row in diffusion.generate(paper, ask(NAME)).run().ids.tolist():
        end = row.index(END)
        assert 1 <= end < paper.length and set(row[end + 1:]) <= {PAD} and min(row[:end]) > 2
        grams = [tuple(row[place:place + 3]) for place in range(end - 2)]
        assert len(grams) == len(set(grams))             # no three words twice


# ---- a foreign language model


def foreign(name: str) -> LD4LG:
    """A tiny LD4LG around the model in a folder."""
    tiny = model(NAME)
    config = shrunk(tiny.config, {"name": name, "length": tiny.length})
    torch.manual_seed(0)
    return LD4LG(config, tiny.vocab, tiny.labels).eval()


@pytest.fixture(params=["t5", "bart"])
def folder(request, tmp_path):
    """A random T5 or BART with a tokenizer of its own, saved as transformers saves them."""
    from tokenizers.processors import TemplateProcessing
    from transformers import BartConfig, BartForConditionalGeneration, T5Config, T5ForConditionalGeneration

    vocab = model(NAME).vocab
    torch.manual_seed(0)
    if request.param == "t5":
        network = T5ForConditionalGeneration(T5Config(
            vocab_size=20, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2, decoder_start_token_id=PAD,
            pad_token_id=PAD, eos_token_id=END))
    else:
        network = BartForConditionalGeneration(BartConfig(
            vocab_size=20, d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
            encoder_ffn_dim=16, decoder_ffn_dim=16, max_position_embeddings=40, decoder_start_token_id=END,
            pad_token_id=PAD, eos_token_id=END, bos_token_id=END, forced_eos_token_id=END))
    tokenizer = vocab.as_transformers()
    tokenizer._tokenizer.post_processor = TemplateProcessing(single="$A [END]", special_tokens=[("[END]", END)])
    network.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    return str(tmp_path)


def test_a_foreign_language_model_writes_from_label_and_source_and_takes_no_words(folder):
    paper = foreign(folder)
    request = ask(NAME, label=told(NAME), source=sources(NAME)[0][0], guidance_scale=2.0)
    trace = diffusion.generate(paper, request).run()
    assert trace.ids.shape == (len(SEEDS), paper.length) and all((row == END).sum() == 1 for row in trace.ids)
    assert "whose tokens are not this lab's words" in why_not(paper, Infill)
    assert why_not(paper, Label) is None and why_not(model(NAME), Infill) is None
    free = diffusion.generate(paper, request)
    with pytest.raises(StudioError, match=r"no wish about a word can reach it"):
        diffusion.generate(paper, request, Wish(torch.zeros(paper.length, len(paper.vocab)))).run()
    assert free is not None


def test_a_foreign_language_model_is_trained_around_and_named_not_copied(folder, tmp_path):
    paper = foreign(folder)
    rows, label = text_rows(NAME), told(NAME).expand(5, -1)
    paper.loss(rows, label, BatchRng(torch.Generator().manual_seed(0), 5), *sources(NAME)).mean().backward()
    assert paper.network.inputs.weight.grad is not None
    assert torch.isfinite(paper.bound(rows, label, BatchRng(torch.Generator().manual_seed(0), 5))).all()
    assert not [name for name in paper.state_dict() if "language_model" in name]
    paper.save_pretrained(tmp_path / "checkpoint")
    again = diffusion.load(str(tmp_path / "checkpoint"))
    assert again.config.language_model.name == folder
    states = [each.noise(rows, 0.5, Rng(SEEDS)) for each in (paper, again)]
    torch.testing.assert_close(states[0].x, states[1].x, rtol=0, atol=0.05)      # the autoencoder in bf16


def test_a_language_model_that_is_none_is_refused_by_name(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(StudioError, match="could not be opened as an encoder-decoder"):
        foreign(str(tmp_path / "empty"))
