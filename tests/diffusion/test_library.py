"""The calls that a researcher writes first work, or say in one sentence how they are written."""

import numpy as np
import pytest
import torch

import diffusion
from controllers import steer
from diffusion import Request, StudioError, Trace, generate, load

ORACLE = load("oracle")


def test_fields_by_name_are_the_request():
    named = generate(ORACLE, steps=8, seeds=[1, 2]).run()
    assert (named.ids == generate(ORACLE, Request(steps=8, seeds=(1, 2))).run().ids).all()
    assert len(named.frames) == 8


def test_one_seed_is_a_tuple_of_one():
    assert Request(seeds=1).seeds == (1,)
    assert Request(seeds=[3, 4]).seeds == (3, 4)
    drawn = Request(seeds=np.arange(2)).seeds
    assert drawn == (0, 1) and {type(seed) for seed in drawn} == {int}


def test_texts_run_the_trace_and_come_back_from_a_file_named_by_text(tmp_path):
    trace = generate(ORACLE, steps=8, seeds=(1, 2))
    texts = trace.texts
    assert len(texts) == 2 and all(texts)
    assert texts == [ORACLE.vocab.text(row) for row in trace.ids]
    trace.save(str(tmp_path / "run.json"))
    assert Trace.load(str(tmp_path / "run.json")).texts == texts


def test_a_control_from_a_script_holds():
    trace = generate(ORACLE, strategy=steer(ORACLE, "length=6"), seeds=(1, 2), steps=8)
    assert [len(ORACLE.vocab.tokens(row)) for row in trace.run().ids] == [6, 6]


def test_stream_takes_the_same_fields():
    steps = list(diffusion.stream(ORACLE, steps=8, seeds=5))
    assert len(steps) == 8
    assert torch.equal(steps[-1].ids, torch.from_numpy(generate(ORACLE, steps=8, seeds=5).run().ids.astype("int64")))


@pytest.mark.parametrize(("call", "said"), [
    (lambda: generate(ORACLE, step=8), "'steps'"), (lambda: generate("oracle", steps=8), "load("),
    (lambda: generate(ORACLE, 8), "steps=8"), (lambda: Request(seeds="1"), "seeds=1"), (lambda: Request(seeds=(1.5,)), "whole"),
    (lambda: Request(seeds=True), "whole"),
    (lambda: Request(steps="8"), "'steps'"), (lambda: Request(steps=8.0), "'steps'"),
    (lambda: generate(ORACLE, strategy="absorb"), "steer"), (lambda: steer(ORACLE), "length=12"),
    (lambda: steer(ORACLE, ["length=12"]), "length=12"), (lambda: steer(ORACLE, "length=12", strategy="absrob"), "absorb"),
    (lambda: generate(ORACLE, label={"food": "Martian"}), "food"), (lambda: steer(ORACLE, "lenght=12"), "length")])
def test_a_call_that_cannot_work_says_how_it_is_written(call, said):
    with pytest.raises(StudioError) as raised:
        call()
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.slow
def test_source_and_label_are_encoded_for_the_model():
    model = load("seqdiffuseq")
    label = {next(iter(model.labels.slots)): next(iter(model.labels.slots.values()))[0]}
    by_text = generate(model, source=", ".join(f"{slot}[{value}]" for slot, value in label.items()), label=label, steps=4, seeds=1)
    from diffusion.text import source
    encoded = Request(source=source.from_label(model.labels.encode(label, rest=0), model.vocab, model.labels),
                      label=model.labels.encode(label, rest=0), steps=4, seeds=(1,))
    assert by_text.texts == generate(model, encoded).texts


@pytest.mark.slow
def test_the_five_lines_of_the_readme_print_texts(capsys):
    readme = (diffusion.core.checkpoint.BUNDLED.parents[3] / "README.md").read_text(encoding="utf-8")
    code = readme.partition("```python\n")[2].partition("```")[0]
    assert len(code.strip().splitlines()) <= 6
    exec(code, {})
    assert all(line.strip() for line in capsys.readouterr().out.strip().splitlines())
