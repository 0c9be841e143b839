"""SeqDiffuSeq reads its source once and heeds it, and its schedule is fitted when and by what it should be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import Mock

import pytest
import torch
from torch import Tensor

import diffusion
from diffusion.core.errors import StudioError
from diffusion.core.rng import BatchRng
from diffusion.core.types import Gaussian, Request
from diffusion.papers.seqdiffuseq import Config, SeqDiffuSeq
from diffusion.text import source
from diffusion.text.vocab import END, PAD
from tests.tiny import SIZES, shrunk, tiny_labels, tiny_model, tiny_vocab

SLUG, SEEDS, STEPS = "seqdiffuseq", (3, 1, 4), 5
MODEL = tiny_model(SLUG)


def said(text: str) -> Tensor:
    """A source, (M,)."""
    return source.encode(text, MODEL.vocab, MODEL.labels)


SOUP, TEA = said("dish[soup], heat[hot]"), said("dish[tea]")


def ask(**options: object) -> Request:
    """A request for three texts."""
    return Request(**{"length": MODEL.length, "seeds": SEEDS, "steps": STEPS, "temperature": 1.0, **options})


def beliefs(model: SeqDiffuSeq, request: Request) -> Tensor:
    """Logits of every step of a run, (steps, B, L, V)."""
    return torch.stack([step.free for step in diffusion.stream(model, request)])


def fresh(**changes: object) -> SeqDiffuSeq:
    """A model of the tiny sizes with fields of its configuration changed, in training mode."""
    config = shrunk(Config(), {**SIZES, "label_sizes": tiny_labels().sizes, **changes})
    torch.manual_seed(0)
    return SeqDiffuSeq(config, tiny_vocab(), tiny_labels()).train()


@contextmanager
def counted(model: SeqDiffuSeq) -> Iterator[list[tuple[int, ...]]]:
    """The shapes of the sources that the encoder reads meanwhile."""
    shapes: list[tuple[int, ...]] = []
    handle = model.encoder.register_forward_hook(lambda module, inputs, output: shapes.append(tuple(inputs[0].shape)))
    try:
        yield shapes
    finally:
        handle.remove()


# ---- the source


@pytest.mark.parametrize("scale", [1.0, 2.5])
@pytest.mark.parametrize("rows", [SOUP, torch.stack([SOUP, TEA, said("")])], ids=["one for all", "one each"])
def test_a_cached_source_gives_bit_for_bit_what_encoding_it_at_every_step_gives(rows, scale):
    cached, again = tiny_model(SLUG), tiny_model(SLUG)
    again.cache_source = False
    request = ask(source=rows, guidance_scale=scale)
    with counted(cached) as few, counted(again) as many:
        assert torch.equal(beliefs(cached, request), beliefs(again, request))
    assert len(few) == 1 and len(many) == STEPS


def test_a_source_that_all_rows_share_is_encoded_as_one_row_without_its_padding():
    with counted(tiny := tiny_model(SLUG)) as shapes:
        beliefs(tiny, ask(source=SOUP))
        beliefs(tiny, ask())
    assert shapes == [(1, 5), (1, 1)]


def test_runs_with_different_sources_know_nothing_of_each_other():
    used = tiny_model(SLUG)
    for rows in (SOUP, TEA, None, SOUP):
        assert torch.equal(beliefs(used, ask(source=rows)), beliefs(tiny_model(SLUG), ask(source=rows)))


def test_runs_that_alternate_know_nothing_of_each_other():
    used = tiny_model(SLUG)
    pairs = zip(diffusion.stream(used, ask(source=SOUP)), diffusion.stream(used, ask(source=TEA)), strict=True)
    soup, tea = zip(*((first.free, second.free) for first, second in pairs), strict=True)
    assert torch.equal(torch.stack(soup), beliefs(tiny_model(SLUG), ask(source=SOUP)))
    assert torch.equal(torch.stack(tea), beliefs(tiny_model(SLUG), ask(source=TEA)))


@pytest.mark.parametrize("part", ["embedding.weight", "encoder.markers", "encoder.norm.weight"])
def test_new_weights_make_the_cache_forget(part):
    used, other = tiny_model(SLUG), tiny_model(SLUG)
    before = beliefs(used, ask(source=SOUP))
    for model in (used, other):
        with torch.no_grad():
            model.get_parameter(part).mul_(-2)
    after = beliefs(used, ask(source=SOUP))
    assert torch.equal(after, beliefs(other, ask(source=SOUP))) and not torch.equal(after, before)


def test_the_source_has_a_say_and_no_source_is_the_empty_one():
    free = beliefs(MODEL, ask())
    assert not torch.equal(beliefs(MODEL, ask(source=SOUP)), free)
    assert not torch.equal(beliefs(MODEL, ask(source=SOUP)), beliefs(MODEL, ask(source=TEA)))
    assert torch.equal(beliefs(MODEL, ask(source=said(""))), free)
    torch.testing.assert_close(beliefs(MODEL, ask(source=source.empty().expand(3, -1))), free, rtol=1e-4, atol=1e-4)


def test_every_row_reads_its_own_source():
    together = beliefs(MODEL, ask(source=torch.stack([SOUP, TEA, said("bread and tea")])))
    for row, rows in enumerate((SOUP, TEA, said("bread and tea"))):
        alone = beliefs(MODEL, ask(source=rows[None], seeds=SEEDS[row:row + 1]))
        torch.testing.assert_close(alone[:, 0], together[:, row], rtol=1e-4, atol=1e-4)
        shared = beliefs(MODEL, ask(source=rows))
        torch.testing.assert_close(shared[:, row], together[:, row], rtol=1e-4, atol=1e-4)


def test_a_slot_marker_is_not_a_word_and_padding_is_not_read():
    assert not torch.equal(beliefs(MODEL, ask(source=said("dish[soup]"))), beliefs(MODEL, ask(source=said("soup"))))
    ids, words = torch.stack([SOUP, TEA]), MODEL.table()
    with torch.no_grad():
        wide = MODEL.encoder(ids, source.mask(ids), words)
        narrow = MODEL.encoder(ids[:, :5], source.mask(ids[:, :5]), words)
    torch.testing.assert_close(wide[0, :5], narrow[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(wide[1, :3], narrow[1, :3], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_guidance_contrasts_with_neither_label_nor_source(scale):
    label = MODEL.labels.encode({"heat": "hot"}, rest=0)
    state = MODEL.noise(torch.tensor([[3, 4, 5, END, *[PAD] * 6]] * 3), 0.6, BatchRng(torch.Generator().manual_seed(0), 3))
    with torch.no_grad():
        free = MODEL.predict(state, 0.6, ask())
        told = MODEL.predict(state, 0.6, ask(label=label, source=SOUP))
        guided = MODEL.predict(state, 0.6, ask(label=label, source=SOUP, guidance_scale=scale, guidance_limit=1e9))
        ignored = MODEL.predict(state, 0.6, ask(label=label, source=SOUP, guidance_scale=0.0))
    possible = torch.isfinite(free.logits)
    expected = torch.lerp(free.logits[possible], told.logits[possible], scale)
    torch.testing.assert_close(guided.logits[possible], expected, rtol=1e-4, atol=1e-4)
    assert torch.equal(ignored.logits, free.logits)
    assert (free.nfe, told.nfe, guided.nfe, ignored.nfe) == (1, 1, 2, 1)
    assert MODEL.predict(state, 0.6, ask(guidance_scale=scale)).nfe == 1         # nothing to contrast


@pytest.mark.parametrize("rows", [SOUP.expand(2, -1), torch.cat([SOUP, SOUP]), torch.full((40,), 99), SOUP[None, None]])
def test_what_is_no_source_is_refused(rows):
    with pytest.raises(StudioError, match=r"source\.encode"):
        beliefs(MODEL, ask(source=rows))


def test_a_paper_that_reads_no_source_says_so():
    with pytest.raises(StudioError, match="Diffusion-LM reads no source"):
        next(diffusion.stream(tiny_model("diffusion-lm"), ask(source=SOUP)))


# ---- training


TEXTS = torch.tensor([[3, 4, 5, 6, END, *[PAD] * 5], [4, 5, END, *[PAD] * 7]] * 8)


def loss(model: SeqDiffuSeq, seed: int = 0, rows: Tensor | None = None) -> Tensor:
    """Of sixteen rows."""
    label = model.labels.free().expand(len(TEXTS), -1)
    return model.loss(TEXTS, label, BatchRng(torch.Generator().manual_seed(seed), len(TEXTS)), rows)


def test_training_notes_errors_of_words_and_end_but_not_of_pad():
    model = fresh()
    before = model.schedule.counts.clone()
    loss(model)
    noted = (model.schedule.counts - before).sum(0)
    assert noted.tolist() == [16, 16, 16, 8, 8, 0, 0, 0, 0, 0]
    assert (model.schedule.counts - before).sum(1).gt(0).sum() == 16           # sixteen times in as many bins


def test_what_is_noted_is_the_squared_error_of_the_predicted_point():
    """A network without weights believes in all words alike."""
    model = fresh(self_conditioning=False)
    with torch.no_grad():
        model.network.outputs.weight.zero_()
        model.network.outputs.bias.zero_()
    before = model.schedule.sums.clone()
    loss(model)
    table = model.table()
    expected = (table[TEXTS] - table.mean(0)).square().mean(-1) * (TEXTS != PAD)
    torch.testing.assert_close((model.schedule.sums - before).sum(0), expected.sum(0).detach(), rtol=1e-4, atol=1e-4)


def test_evaluation_notes_nothing():
    model = fresh().eval()
    before = {name: value.clone() for name, value in model.schedule.state_dict().items()}
    with torch.no_grad():
        loss(model)
        model.bound(TEXTS, model.labels.free().expand(16, -1), BatchRng(torch.Generator(), 16))
    assert all(torch.equal(value, before[name]) for name, value in model.schedule.state_dict().items())


def test_the_schedule_is_refitted_every_stride_after_the_third_and_never_without_one():
    for stride, expected in ((4, [12, 16, 20]), (0, [])):
        model = fresh(refit_stride=stride)
        model.schedule.clear = Mock()
        refits = []
        for step in range(1, 22):
            model.after_step(step)
            refits += [step] * model.schedule.clear.call_count
            model.schedule.clear.reset_mock()
        assert refits == expected


def test_a_refit_changes_what_noise_is_added_and_stays_in_the_checkpoint_exactly(tmp_path):
    model = fresh(refit_stride=1)
    before = model.signal(0.5)
    for step in range(1, 5):
        loss(model, step)
        model.after_step(step)
    assert not torch.equal(model.signal(0.5), before) and model.signal(0.5).unique().numel() > 1
    model.save_pretrained(tmp_path)
    loaded = SeqDiffuSeq.from_pretrained(str(tmp_path))
    assert all(torch.equal(value, loaded.schedule.state_dict()[name]) for name, value in model.schedule.state_dict().items())


@pytest.mark.parametrize("told", [True, False])
def test_the_network_knows_a_positions_noise_level_where_it_is_told(told):
    """With a free norm nothing else in the network's input depends on the schedule."""
    model = fresh(tell_noise=told, embedding_scale=None).eval()
    torch.nn.init.normal_(model.network.outputs.weight, generator=torch.Generator().manual_seed(0))
    x = torch.randn(3, 10, 8, generator=torch.Generator().manual_seed(1))
    state = Gaussian(x, torch.zeros_like(x))
    with torch.no_grad():
        before = model.predict(state, 0.5, ask()).logits
        model.schedule.alpha_bar[:, 4] **= 2
        after = model.predict(state, 0.5, ask()).logits
    assert torch.equal(after, before) != told


def test_a_batch_without_a_source_is_one_of_empty_sources():
    model = fresh().eval()
    with torch.no_grad():
        torch.testing.assert_close(loss(model), loss(model, rows=source.empty().expand(16, -1)), rtol=0, atol=0)
        assert not torch.equal(loss(tiny_model(SLUG)), loss(tiny_model(SLUG), rows=SOUP.expand(16, -1)))
