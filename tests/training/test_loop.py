"""The training loop: what it computes, by closed forms; that it learns; that looking and resuming disturb nothing."""

import json
import math

import pytest
import torch

from diffusion.core import checkpoint
from diffusion.core.errors import StudioError
from diffusion.papers.autoregressive import LanguageModel
from tests.support.tiny_training import tiny, tiny_corpus
from training import export, progress, state
from training.card import card
from training.loop import Options, begin, follow, rate, start, train
from training.run import Run


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    """One thread, which is faster for models this small, and no TensorBoard, which is slow to import."""
    monkeypatch.setattr(progress, "_board", lambda folder, step: None)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def trained(folder, steps, name="tiny", **options):
    """A run of that many steps, of a recipe as long."""
    return train(tiny(name, steps=steps), tiny_corpus(name), Options(folder, **{"look_every": 0, **options}))


def tensors(folder):
    return state.read(folder)[0]


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


# ---- closed forms


def test_the_rate_warms_up_stays_and_falls_to_zero_over_the_second_half():
    recipe = tiny(steps=1000, warmup=10, lr=0.5)
    assert [rate(recipe, step) for step in (0, 4, 9)] == pytest.approx([0.05, 0.25, 0.5])
    assert {rate(recipe, step) for step in range(9, 501)} == {0.5}
    for step in (500, 600, 750, 999):
        assert rate(recipe, step) == pytest.approx(0.5 * (1000 - step) / 500)
    assert rate(recipe, 1000) == 0


def test_the_rate_needs_no_warm_up():
    assert rate(tiny(steps=1000, warmup=0, lr=0.5), 0) == 0.5


def test_ema_weights_are_the_weighted_mean_of_all_weights_so_far():
    model = torch.nn.Linear(3, 2)
    first = {name: value.detach().clone() for name, value in model.named_parameters()}
    ema = {name: value.clone() for name, value in first.items()}
    run = Run(tiny(ema=0.6), model, None, ema, torch.Generator())
    seen, decays = [first["weight"].double()], [0.0]
    for step in range(1, 12):
        with torch.no_grad():
            for weight in model.parameters():
                weight.copy_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(step)))
        run.step = step
        follow(run)
        seen.append(model.weight.detach().double().clone())
        decays.append(min(0.6, (1 + step) / (10 + step)))
    shares = [(1 - decay) * math.prod(decays[index + 1:]) for index, decay in enumerate(decays)]
    assert sum(shares) == pytest.approx(1)
    expected = sum(share * weight for share, weight in zip(shares, seen, strict=True))
    assert torch.allclose(run.ema["weight"].double(), expected, atol=1e-6)
    assert torch.equal(seen[-1].float(), model.weight.detach())


# ---- learning


LEARNS = [("tiny", 110, 0.45), ("tiny-ar", 60, 0.3), ("tiny-judge", 60, 0.3)]


@pytest.mark.parametrize(("name", "steps", "most"), LEARNS)
def test_the_loss_falls_below_a_fraction_of_that_of_the_untrained_model(tmp_path, name, steps, most):
    data = tiny_corpus(name)
    before = progress.valid_loss(start(tiny(name), data, Options(tmp_path)).model.eval(), data, 16)
    run = trained(tmp_path, steps, name)
    with run.averaged() as model:
        assert progress.valid_loss(model, data, 16) < most * before


def test_the_judge_learns_from_the_second_half_of_the_rows():
    half, whole = tiny_corpus("tiny-judge").train, tiny_corpus("tiny-ar").train
    assert len(half.tokens) == len(whole.tokens) // 2
    rows = set(map(tuple, whole.tokens.tolist()))
    assert all(tuple(row) in rows for row in half.tokens.tolist())


# ---- looking


@pytest.mark.parametrize("name", ["tiny", "tiny-ar", "tiny-judge"])
def test_looking_at_a_run_does_not_disturb_it_and_sees_the_same_again(tmp_path, name):
    run, data = trained(tmp_path, 3, name), tiny_corpus(name)
    torch.manual_seed(4)
    before = {key: value.clone() for key, value in checkpoint.distinct(run.model).items()}
    random = torch.get_rng_state(), run.generator.get_state()
    seen = progress.look(run, data)
    assert seen == progress.look(run, data) and set(seen) == {"valid", "sample"}
    assert seen["sample"] and math.isfinite(seen["valid"])
    assert equal(before, checkpoint.distinct(run.model)) and run.model.training
    assert torch.equal(random[0], torch.get_rng_state()) and torch.equal(random[1], run.generator.get_state())


def test_a_look_sees_the_ema_weights(tmp_path):
    run = trained(tmp_path, 3)
    with run.averaged() as model:
        assert equal(dict(run.ema), checkpoint.distinct(model)) and not model.training
    assert not equal(dict(run.ema), checkpoint.distinct(run.model))


def test_the_weights_come_back_when_a_look_breaks_off(tmp_path):
    run = trained(tmp_path, 3)
    before = {key: value.clone() for key, value in checkpoint.distinct(run.model).items()}
    with pytest.raises(KeyboardInterrupt), run.averaged():
        raise KeyboardInterrupt
    assert equal(before, checkpoint.distinct(run.model)) and run.model.training


# ---- resuming


def test_a_run_in_two_parts_equals_one_in_one_part(tmp_path, monkeypatch):
    recipe, data = tiny(steps=8), tiny_corpus()
    train(recipe, data, Options(tmp_path / "one", look_every=0))
    with monkeypatch.context() as patch:
        patch.setattr("training.loop.advance", breaking_after(5))
        with pytest.raises(KeyboardInterrupt):
            train(recipe, data, Options(tmp_path / "two", save_every=3, look_every=2))
    assert state.read(tmp_path / "two")[1]["step"] == 3
    train(recipe, data, Options(tmp_path / "two", resume=True, save_every=3, look_every=2))
    assert equal(tensors(tmp_path / "one"), tensors(tmp_path / "two"))
    lines = [json.loads(line) for line in (tmp_path / "two" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 3, 4, 6, 8]
    assert all(line["sample"] for line in lines if line["step"] % 2 == 0)


def breaking_after(steps):
    from training.loop import advance

    def broken(run, tokens, labels, data, accelerator):
        if run.step == steps:
            raise KeyboardInterrupt
        return advance(run, tokens, labels, data, accelerator)

    return broken


def test_resume_without_a_state_starts_at_the_beginning(tmp_path):
    trained(tmp_path / "one", 3)
    trained(tmp_path / "two", 3, resume=True)
    assert equal(tensors(tmp_path / "one"), tensors(tmp_path / "two"))


def test_a_folder_with_a_run_is_not_overwritten_unasked(tmp_path):
    trained(tmp_path, 2)
    with pytest.raises(StudioError, match="--resume"):
        trained(tmp_path, 2)


def test_a_run_is_not_resumed_with_another_recipe_or_model(tmp_path):
    trained(tmp_path, 2)
    with pytest.raises(StudioError, match="steps = 2, not 3"):
        trained(tmp_path, 3, resume=True)
    with pytest.raises(StudioError, match="began with"):
        trained(tmp_path, 2, "tiny-ar", resume=True)
    info = json.loads((state.found(tmp_path)[0] / state.INFO).read_text())
    (state.found(tmp_path)[0] / state.INFO).write_text(json.dumps({key: info[key] for key in info if key != "recipe"}))
    with pytest.raises(StudioError, match="does not fit this model at"):
        trained(tmp_path, 2, "tiny-ar", resume=True)


def test_the_state_of_a_bare_language_model_is_the_baselines(tmp_path):
    run = trained(tmp_path / "ar", 2, "tiny-ar")
    old = {name.replace("ema.model.", "ema.").replace("model.model.", "model."): value
           for name, value in tensors(tmp_path / "ar").items()}
    state.write(tmp_path / "old", 2, old, {"seconds": 1.0, "history": []})
    bare = LanguageModel(run.model.config, run.model.vocab, run.model.labels)
    assert {f"ema.{name}" for name in checkpoint.distinct(bare)} == {name for name in old if name.startswith("ema.")}
    again = start(tiny("tiny-ar", steps=2), tiny_corpus("tiny-ar"), Options(tmp_path / "old"))
    again.restore(tmp_path / "old")
    assert equal(again.ema, run.ema) and equal(checkpoint.distinct(again.model), checkpoint.distinct(run.model))


# ---- ends and beginnings


def test_no_minutes_means_no_step_and_still_a_state(tmp_path):
    assert trained(tmp_path, 5, max_minutes=0.0).step == 0
    assert state.read(tmp_path)[1]["step"] == 0
    assert trained(tmp_path, 5, resume=True).step == 5


def test_a_loss_that_is_not_finite_ends_the_run_before_it_is_saved(tmp_path, monkeypatch):
    def diverged(run, tokens, labels, data, accelerator):
        run.step += 1
        return {"loss": torch.tensor(math.nan)}

    monkeypatch.setattr("training.loop.advance", diverged)
    with pytest.raises(StudioError, match="loss is nan at step 2"):
        trained(tmp_path, 5, save_every=2)
    assert not state.found(tmp_path)


def test_a_run_that_starts_from_a_checkpoint_has_its_weights_a_fresh_optimiser_and_says_so(tmp_path):
    first, data = trained(tmp_path / "first", 3), tiny_corpus()
    folder = export.write(first, data, "tiny", tmp_path / "checkpoint")
    options = Options(tmp_path / "second", init_from=str(folder), look_every=0)
    second = start(tiny(steps=3), data, options)
    for name, value in checkpoint.distinct(second.model).items():
        assert torch.equal(value, first.ema[name].bfloat16().float()) and torch.equal(value, second.ema[name])
    assert not second.optimiser.state_dict()["state"] and second.step == 0 and second.model.training
    finished = train(tiny(steps=3), data, options)
    told = card(finished, data, "tiny")["init_from"]
    assert told["name"] == "/".join(folder.parts[-2:]) and told["hash"] == checkpoint.read(folder).hash
    assert told["steps"] == 3 and told["recipe"] == "tiny" and "init_from" not in told
    assert card(finished, data, "tiny")["init_from"] == told
    resumed = train(tiny(steps=3), data, Options(tmp_path / "second", resume=True, look_every=0))
    assert card(resumed, data, "tiny")["init_from"] == told
    assert card(first, data, "tiny")["init_from"] is None
    again = export.write(finished, data, "tiny", tmp_path / "again")
    third = start(tiny(steps=3), data, Options(tmp_path / "third", init_from=str(again), look_every=0))
    assert third.about["init_from"]["init_from"] == told         # the whole way is told


def test_a_checkpoint_of_another_paper_is_no_start(tmp_path):
    folder = export.write(trained(tmp_path / "run", 1, "tiny-ar"), tiny_corpus("tiny-ar"), "tiny-ar", tmp_path / "ar")
    with pytest.raises(StudioError, match="paper ar, this run diffusion-lm"):
        trained(tmp_path / "next", 1, init_from=str(folder))


def test_several_processes_are_refused(tmp_path):
    class Several:
        num_processes = 4

    with pytest.raises(StudioError, match="not in 4"):
        begin(tiny(), tiny_corpus(), Options(tmp_path), Several())


def test_the_card_says_how_a_checkpoint_came_to_be(tmp_path):
    run, data = trained(tmp_path, 4, look_every=2, save_every=1), tiny_corpus()
    told = card(run, data, "tiny")
    assert (told["recipe"], told["steps"], told["rows"], told["held_out"]) == ("tiny", 4, 270, 30)
    assert told["parameters"] == sum(weight.numel() for weight in run.model.parameters())
    assert told["hardware"].endswith("1 thread, cpu") and told["torch"] == torch.__version__ and told["commit"]
    assert [line["step"] for line in told["curve"]] == [1, 2, 3, 4]
    assert all("valid" in line for line in told["curve"][1::2]) and not any("sample" in line for line in told["curve"])
    assert told["dataset"] is None and told["licence_of_data"] is None  # it is not E2E, and nothing is claimed
    json.dumps(told)
