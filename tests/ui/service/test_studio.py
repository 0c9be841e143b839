"""The studio on tiny models: what it lists, what it keeps, what it runs, and what it refuses."""

import dataclasses
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch

import controllers
from diffusion import PAPERS, SAMPLERS
from diffusion.core.errors import StudioError
from diffusion.selection import minimum_bayes_risk
from tests.ui.conftest import LABELS, LENGTH, READERS, VOCAB, in_threads
from ui import VERSION
from ui.service.run_spec import MAX_SEED, Order
from ui.service.studio import Studio

ROOT = Path(__file__).resolve().parents[3]
SMALL = Order(steps=6, samples=3, seed=5)
CONTROLS = ("length=7", "infill=the ___ Wharf ___2 .", "label=food:Italian")
AR = dataclasses.replace(SMALL, paper="ar")


# ---- what there is

def test_importing_the_studio_and_the_command_line_brings_neither_torch_nor_gradio():
    code = "import sys, ui.service.studio, ui.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "ui.service.studio" in done.stdout.split()
    assert not {"torch", "gradio", "numpy", "transformers"} & set(done.stdout.split())


def test_the_version_is_the_projects():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == VERSION


def test_every_paper_is_listed_with_its_samplers_and_captions(studio):
    papers = {paper.slug: paper for paper in studio.papers()}
    assert list(papers) == list(PAPERS)
    for slug, kind in PAPERS.items():
        assert papers[slug].title == kind.title
        assert [sampler.slug for sampler in papers[slug].samplers] == list(kind.samplers)
        assert papers[slug].caption
        for sampler in papers[slug].samplers:
            assert sampler.caption and sampler.title == SAMPLERS[sampler.slug].title
        assert papers[slug].available
        assert (papers[slug].hard, papers[slug].source) == (kind.hard, kind.source)
        assert (papers[slug].megabytes == 0) == kind.weightless


def test_a_paper_without_checkpoint_is_listed_as_not_available_and_refused_by_name(tmp_path):
    studio = Studio(device="cpu", checkpoints=tmp_path)
    assert not next(paper for paper in studio.papers() if paper.slug == "diffusion-lm").available
    with pytest.raises(StudioError, match="Diffusion-LM has no checkpoint in"):
        studio.start(Order())


def test_labels_are_known_before_a_model_is_loaded_and_are_the_models(studio):
    before = studio.labels("diffusion-lm")
    assert not studio.is_loaded("diffusion-lm")
    assert before == dict(LABELS.slots) == dict(studio.model("diffusion-lm").labels.slots)
    assert before == studio.labels("diffusion-lm")


# ---- devices

@pytest.mark.parametrize("device", ["tpu", "cuda:9"])
def test_an_unknown_device_is_refused(checkpoints, device):
    with pytest.raises(StudioError, match=f"Unknown device '{device}'.*'cpu'"):
        Studio(device=device, checkpoints=checkpoints).start(SMALL)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_device_that_this_machine_lacks_is_refused(checkpoints):
    with pytest.raises(StudioError, match="no device 'cuda'"):
        Studio(device="cuda", checkpoints=checkpoints).start(SMALL)


# ---- runs

@pytest.mark.parametrize("order", [SMALL, AR, dataclasses.replace(SMALL, sampler="ddim", eta=0.5, controls=CONTROLS)])
def test_a_sample_is_the_same_text_alone_and_in_a_batch_and_again(texts, order):
    together = texts(order)
    assert len(set(together)) > 1, "seeds that all give one text would prove nothing"
    assert [texts(order, seed=seed, samples=1)[0] for seed in order.seeds] == together == texts(order)


def test_threads_with_different_seeds_get_what_they_would_get_one_after_the_other(studio, texts):
    orders = [dataclasses.replace(SMALL, seed=seed, controls=CONTROLS if seed % 2 else ()) for seed in (10, 21, 30, 41)]
    serial = [texts(order) for order in orders]
    assert in_threads([lambda order=order: texts(order) for order in orders]) == serial


def test_the_trace_says_all_that_its_text_depends_on(studio):
    order = dataclasses.replace(SMALL, controls=CONTROLS)
    info = studio.start(order).info
    model = studio.model("diffusion-lm")
    assert info["order"] == order.to_dict()
    assert (info["paper"], info["sampler"], info["seeds"]) == ("diffusion-lm", "ancestral", [5, 6, 7])
    assert info["words"] == list(VOCAB.words)
    assert (info["path"], info["torch"], info["version"]) == ("fp32 cpu", torch.__version__, VERSION)
    assert info["checkpoint"] == model.hash and len(model.hash) == 12
    json.dumps(info)


def test_pins_are_where_the_infills_own_words_stand_in_the_finished_text(studio):
    trace = studio.start(dataclasses.replace(SMALL, controls=CONTROLS)).run()
    for row, pins in zip(trace.ids, trace.info["pins"], strict=True):
        assert [VOCAB.words[row[position]] for position in pins[:3]] == ["the", "Wharf", "."]
    assert all(words[:3] == ["the", "Wharf", "."] for words in trace.info["pinned"])
    assert studio.start(SMALL).info["pins"] == studio.start(SMALL).info["pinned"] == [[], [], []]


def test_a_pinned_word_that_does_not_stand_where_it_was_asked_for_has_not_held(studio):
    trace = studio.start(dataclasses.replace(SMALL, controls=("infill=the Wharf ___",))).run()
    trace.frames[-1].ids[0][1] = VOCAB.ids["Café"]
    held = [[pin["held"] for pin in result.pins] for result in studio.results(trace)]
    assert held == [[True, False], [True, True], [True, True]]


def test_the_speed_path_is_named_and_another_can_be_ordered(studio):
    assert studio.start(dataclasses.replace(SMALL, compute="bf16")).info["path"] == "bf16 cpu"
    with pytest.raises(StudioError, match="Unknown speed path 'warp'"):
        studio.start(dataclasses.replace(SMALL, compute="warp"))


def test_a_broken_speed_path_leaves_the_studio_serving(studio, texts):
    with pytest.raises(StudioError):
        studio.start(dataclasses.replace(SMALL, compute="warp"))
    assert len(texts(SMALL)) == SMALL.samples


def test_a_paper_that_takes_masks_as_a_preference_says_so(studio, monkeypatch):
    order = dataclasses.replace(SMALL, controls=CONTROLS)
    assert studio.start(order).info["notes"] == []
    monkeypatch.setattr(PAPERS["diffusion-lm"], "hard", False)
    notes = studio.start(order).info["notes"]
    assert len(notes) == 1 and "Diffusion-LM honours 'Length' and 'Infill' as a preference" in notes[0]


def test_a_control_that_a_paper_cannot_take_is_refused_with_the_reason(studio, monkeypatch):
    monkeypatch.setattr(controllers.CONTROLLERS["length"], "lacks",
                        classmethod(lambda kind, context: "There is nothing to count here."))
    with pytest.raises(StudioError, match="nothing to count"):
        studio.start(dataclasses.replace(SMALL, controls=("length=7",)))


# ---- a source, and candidates

FROM_SOURCE = Order(paper=READERS[0], steps=4, samples=2, seed=5, candidates=3, source=" food[Italian],  area[riverside] ")


@pytest.mark.parametrize("paper", READERS)
def test_the_source_reaches_the_model_and_the_trace(studio, paper):
    sources = {" food[Italian],  area[riverside] ": "food[Italian], area[riverside]", "a cheap place": "a cheap place", " ": ""}
    beliefs = []
    for given, told in sources.items():
        trace = studio.start(dataclasses.replace(FROM_SOURCE, paper=paper, candidates=1, source=given))
        assert trace.info["source"] == told
        beliefs.append(next(iter(trace)).top_probs.tobytes())
    assert len(set(beliefs)) == len(beliefs)


def test_candidates_have_seeds_of_their_own_that_can_be_ordered_alone(studio, texts):
    trace = studio.start(FROM_SOURCE).run()
    assert trace.info["seeds"] == [5, 1000005, 2000005, 6, 1000006, 2000006]
    alone = [texts(FROM_SOURCE, seed=seed, samples=1, candidates=1)[0] for seed in trace.info["seeds"]]
    assert alone == [result.text for result in studio.results(trace)]
    last = Order(seed=MAX_SEED, samples=2, candidates=3).seeds
    assert len(set(last)) == 6 and all(0 <= seed < 2**32 for seed in last)


def test_of_each_samples_candidates_the_one_closest_to_the_others_is_chosen(studio):
    results = studio.results(studio.start(FROM_SOURCE).run())
    assert [result.sample for result in results] == [0, 0, 0, 1, 1, 1]
    for group in (results[:3], results[3:]):
        choice = minimum_bayes_risk([result.text for result in group])
        assert [result.rank for result in group].index(0) == choice.index
        assert [result.agreement for result in group] == list(choice.scores)
        assert sorted(result.rank for result in group) == [0, 1, 2]


def test_candidates_of_a_stopped_run_are_not_compared(studio):
    trace = studio.start(FROM_SOURCE)
    next(iter(trace))
    assert {(result.rank, result.agreement) for result in studio.results(trace)} == {(0, None)}


# ---- results

def test_results_hold_what_each_control_came_to(studio):
    trace = studio.start(dataclasses.replace(SMALL, controls=CONTROLS)).run()
    results = studio.results(trace)
    assert [result.seed for result in results] == [5, 6, 7]
    for result, row in zip(results, trace.ids, strict=True):
        assert result.finished and result.nfe == trace.frames[-1].nfe
        assert result.tokens == VOCAB.tokens(row) and len(result.tokens) == 7
        assert result.text == VOCAB.text(row)
        assert [(item["control"], item["score"]) for item in result.controls[:2]] == [("length", 1.0), ("infill", 1.0)]
        assert all(item["detail"] and f"{item['control']}={item['target']}" == text
                   for item, text in zip(result.controls, CONTROLS, strict=True))


def test_the_judge_is_called_on_finished_text_only(studio, monkeypatch):
    def score(self, words):
        raise AssertionError("judged too early")

    monkeypatch.setattr(controllers.CONTROLLERS["length"], "score", score)
    trace = studio.start(dataclasses.replace(SMALL, controls=("length=7",)))
    next(iter(trace))
    unfinished = studio.results(trace)
    assert [(result.finished, result.controls) for result in unfinished] == [(False, [])] * 3
    trace.run()
    with pytest.raises(AssertionError, match="judged too early"):
        studio.results(trace)


def test_a_run_without_frames_has_no_results(studio):
    assert studio.results(studio.start(SMALL)) == []


def test_a_stored_trace_shows_its_results_without_its_model(studio, tmp_path):
    trace = studio.start(dataclasses.replace(SMALL, controls=CONTROLS)).run()
    results = studio.results(trace)
    trace.save(tmp_path / "run.json")
    elsewhere = Studio(checkpoints=tmp_path)
    assert elsewhere.results(elsewhere.open(tmp_path / "run.json")) == results


@pytest.mark.parametrize("spoil", [
    lambda info: info.update(words=["[PAD]", "[END]"]),
    lambda info: info.update(words=info["words"][:4]),
    lambda info: info.update(words="text"),
    lambda info: info.update(seeds=[1]),
    lambda info: info.update(order=[]),
    lambda info: info.pop("words"),
    lambda info: info.update(results=[{"text": "a"}]),
    lambda info: info.update(results=5),
    lambda info: info.update(results=[dict(info["results"][0], pins=[{}])]),
    lambda info: (info.pop("results"), info.update(candidates=0)),
    lambda info: (info.pop("results"), info.update(pinned=[["a"]])),
    lambda info: (info.pop("results"), info.update(pins="none")),
    lambda info: info.update(results=[dict(info["results"][0], controls=[{}])]),
])  # fmt: skip
def test_a_trace_file_whose_parts_do_not_fit_is_refused(studio, tmp_path, spoil):
    trace = studio.start(SMALL).run()
    studio.results(trace)
    spoil(trace.info)
    trace.save(tmp_path / "run.json")
    with pytest.raises(StudioError):
        studio.results(studio.open(tmp_path / "run.json"))


# ---- links

def test_a_link_orders_the_same_run_and_names_what_was_left_open(studio, texts):
    order = dataclasses.replace(SMALL, controls=("infill=Café Rouge ___ <b>&amp; .",))
    again = Order.from_query(studio.link(order, "http://127.0.0.1:7860/?old=1#top").partition("?")[2])
    assert again == dataclasses.replace(order, sampler="ancestral")
    expected = texts(SMALL)
    link = studio.link(SMALL, "https://lab.example/x")
    assert link.startswith("https://lab.example/x?paper=diffusion-lm&sampler=ancestral&steps=6&")
    named = Order.from_query(link.partition("?")[2])
    assert (named.sampler, named.compute) == ("ancestral", "fp32")
    assert texts(named) == expected


# ---- what is refused

BAD = [
    ({"paper": "difusion-lm"}, "Unknown paper or checkpoint 'difusion-lm'.*'diffusion-lm'"),
    ({"paper": "../checkpoints"}, "Unknown paper"),
    ({"paper": "someone/model"}, "Unknown paper"),
    ({"sampler": "ddimm"}, "Unknown sampler 'ddimm'.*'ddim'"),
    ({"sampler": "left-to-right"}, "does not fit Diffusion-LM"),
    ({"strategy": "force"}, "Unknown strategy 'force'.*'absorb'"),
    ({"steps": 0}, "number of steps 0"),
    ({"controls": ("lenght=5",)}, "lenght.*length"),
    ({"controls": ("length",)}, "length"),
    ({"controls": ("length=",)}, "length"),
    ({"controls": ("length=0",)}, "0"),
    ({"controls": (f"length={LENGTH}",)}, f"{LENGTH - 1}"),
    ({"controls": ("infill=",)}, "infill"),
    ({"controls": ("infill=the ___ Resturant .",)}, "Resturant"),
    ({"controls": ("label=foood:Italian",)}, "foood.*food"),
    ({"controls": ("label=food:Italiann",)}, "Italiann.*Italian"),
    ({"controls": ("length=5", "infill=the a is near serves food in and it")}, "length=5.*infill=the a is"),
    ({"controls": ("label=food:Italian", "label=food:Chinese")}, "Italian.*Chinese"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "sentence"), BAD, ids=[str(changes)[:40] for changes, _ in BAD])
def test_what_cannot_be_run_is_refused_at_the_start_and_the_studio_serves_on(studio, texts, changes, sentence):
    with pytest.raises(StudioError, match=sentence) as caught:
        studio.start(dataclasses.replace(SMALL, **changes))
    assert "\n" not in str(caught.value)
    assert len(texts(SMALL)) == SMALL.samples


def test_the_oracle_runs_without_a_checkpoint_on_text_of_its_corpus(tmp_path):
    studio = Studio(device="cpu", checkpoints=tmp_path)
    trace = studio.start(Order(paper="oracle", steps=32, samples=4)).run()
    assert trace.info["path"] == "fp32 cpu"
    assert all(result.tokens for result in studio.results(trace))


def test_an_order_that_names_the_path_in_use_needs_no_second_copy_of_the_model(checkpoints):
    studio = Studio(device="cpu", checkpoints=checkpoints)                # takes the fastest path by itself
    used = studio.speed_paths([Order(paper="sedd", compute="fp32")])["sedd"]
    assert studio.is_loaded("sedd", used) and studio.model("sedd", used) is studio.model("sedd")
    other = next(path for path in ("fp32", "onednn") if path != used)
    assert not studio.is_loaded("sedd", other) and studio.model("sedd", other) is not studio.model("sedd")
