"""A schedule that is fitted in training is resumed bit for bit, reads sources, and reaches the checkpoint exactly."""

import dataclasses

import pytest
import torch

from diffusion.papers import seqdiffuseq
from diffusion.papers.seqdiffuseq import SeqDiffuSeq
from tests.support.tiny_training import RECIPES, tiny_corpus
from training import export, state
from training import loop as training
from training.loop import Options, train

_TINY = RECIPES["tiny"]
RECIPE = dataclasses.replace(_TINY, model="seqdiffuseq", config=seqdiffuseq.Config(_TINY.config.backbone, refit_stride=1), steps=7)


def tensors(folder):
    """The tensors of the newest resume state."""
    return state.read(folder)[0]


def test_a_run_in_two_parts_equals_one_in_one_part_refits_included(tmp_path, monkeypatch):
    data, options = tiny_corpus(), {"look_every": 0, "save_every": 4}
    train(RECIPE, data, Options(tmp_path / "one", **options))
    with monkeypatch.context() as patch:
        patch.setattr(training, "advance", interrupted_at(6, training.advance))
        with pytest.raises(KeyboardInterrupt):
            train(RECIPE, data, Options(tmp_path / "two", **options))
    early = tensors(tmp_path / "two")
    train(RECIPE, data, Options(tmp_path / "two", resume=True, **options))
    one, two = tensors(tmp_path / "one"), tensors(tmp_path / "two")
    assert one.keys() == two.keys() and all(torch.equal(value, two[name]) for name, value in one.items())
    assert not torch.equal(one["model.schedule.alpha_bar"], early["model.schedule.alpha_bar"])


def interrupted_at(steps, advance):
    """A step of training that is killed once the run has made that many."""
    def broken(run, *args):
        if run.step == steps:
            raise KeyboardInterrupt
        return advance(run, *args)

    return broken


def test_the_checkpoint_has_the_newest_schedule_and_not_an_average(tmp_path):
    run = train(RECIPE, tiny_corpus(), Options(tmp_path / "run", look_every=0))
    loaded = SeqDiffuSeq.from_pretrained(str(export.write(run, tiny_corpus(), "tiny", tmp_path / "checkpoint")))
    for name, value in run.model.schedule.state_dict().items():
        assert torch.equal(loaded.schedule.state_dict()[name], value)
    assert loaded.schedule.alpha_bar[200].unique().numel() > 1


def test_training_feeds_sources_of_which_some_are_empty(tmp_path, monkeypatch):
    seen = []
    plain = SeqDiffuSeq.training_condition
    monkeypatch.setattr(SeqDiffuSeq, "training_condition", lambda self, label, rows: seen.append(rows) or plain(self, label, rows))
    train(RECIPE, tiny_corpus(), Options(tmp_path, look_every=0))
    rows = torch.cat(seen)
    empty = (rows[:, 0] == 1).float().mean().item()
    assert 0.1 < empty < 0.5 and int(rows.max()) >= len(tiny_corpus().vocab)
