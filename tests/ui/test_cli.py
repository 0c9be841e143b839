"""The command line: the same texts as the studio's, one JSON line a sample, one sentence for a mistake."""

import dataclasses
import io
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from controllers import CONTROLLERS
from controllers.strategies import STRATEGIES
from diffusion import PAPERS, Trace
from diffusion.core.checkpoint import BUNDLED
from diffusion.core.checkpoint import LABELS as LABELS_FILE
from diffusion.text.labels import LabelSet, parse_meaning
from tests.ui.conftest import LENGTH, READERS
from ui import cli
from ui.service.run_spec import MAX_TEXT, Order
from ui.service.studio import MAX_LOADED

ROOT = Path(__file__).resolve().parents[2]
SMALL = Order(steps=6, samples=3, seed=5, controls=("length=7", "infill=the ___ Wharf ___2 ."))
SOURCE = Order(paper=READERS[0], steps=4, samples=2, candidates=3, source="food[Italian], area[riverside]")
CONTROLS = [part for control in SMALL.controls for part in ("--control", control)]
FLAGS = ["--steps", "6", "--samples", "3", "--seed", "5", *CONTROLS]
SENTENCE_LIMIT = 500


@pytest.fixture
def command(checkpoints, capsys):
    """Runs a command on the tiny checkpoints; returns exit code, output and errors."""

    def run(*arguments):
        tiny = ["--device", "cpu", "--compute", "fp32", "--checkpoints", str(checkpoints)]
        try:
            code = cli.run(cli.parse([*tiny, *arguments]))
        except SystemExit as stop:
            code = stop.code
        return code, *capsys.readouterr()

    return run


# ---- output

@pytest.mark.parametrize("paper", ["diffusion-lm", "ar"])
def test_generate_prints_one_json_line_a_sample_with_the_studios_texts(command, studio, paper):
    code, out, err = command("generate", "--paper", paper, *FLAGS, "--json")
    assert (code, err) == (0, "")
    lines = [json.loads(line) for line in out.splitlines()]
    trace = studio.start(dataclasses.replace(SMALL, paper=paper)).run()
    for line, result in zip(lines, studio.results(trace), strict=True):
        assert {key: line[key] for key in ("text", "tokens", "seed", "nfe", "controls")} == {
            "text": result.text, "tokens": result.tokens, "seed": result.seed, "nfe": result.nfe,
            "controls": result.controls}
        assert line["paper"] == paper and line["sampler"] == PAPERS[paper].samplers[0]
        assert line["checkpoint"] == studio.model(paper).hash and line["path"] == "fp32 cpu"
        assert 0 < line["seconds"] < 60 and line["torch"]
        assert [(item["control"], item["target"], item["score"]) for item in line["controls"]] == [
            ("length", "7", 1.0), ("infill", "the ___ Wharf ___2 .", 1.0)]
        assert not {"[PAD]", "[END]", "[UNK]"} & set(line["tokens"])


def test_generate_prints_seed_text_and_controls_for_people(command, studio):
    code, out, _ = command("generate", *FLAGS)
    results = studio.results(studio.start(SMALL).run())
    lines = out.splitlines()
    assert code == 0
    assert lines[::3] == [f"{result.seed}: {result.text}" for result in results]
    assert all(line.startswith("    ✓ length=7: ") for line in lines[1::3])
    assert all(line.startswith("    ✓ infill=the ___ Wharf ___2 .: ") for line in lines[2::3])


def test_a_control_that_failed_is_marked_so():
    verdict = {"control": "length", "target": "7", "score": 0.5, "detail": "8 words"}
    result = cli.Result("a", ["a"], 1, 1, 0.1, True, [verdict])
    assert cli.as_text([result]) == "1: a\n    ✗ length=7: 8 words"


def test_a_pinned_word_is_reported_where_it_did_not_hold_or_was_only_a_preference():
    pins = [{"position": 0, "word": "a", "held": True}, {"position": 1, "word": "b", "held": False}]
    result = cli.Result("a", ["a"], 1, 1, 0.1, True, [], pins)
    lost = "    ✗ 'b' does not stand at position 2"
    assert cli.as_text([result]) == f"1: a\n{lost}"
    assert cli.as_text([result], hard=False) == f"1: a\n    ✓ 'a' stands at position 1\n{lost}"


@pytest.mark.parametrize("paper", READERS)
def test_a_source_goes_in_and_all_candidates_come_out_the_chosen_one_first(command, studio, paper):
    order = dataclasses.replace(SOURCE, paper=paper)
    flags = ["--paper", paper, "--steps", "4", "--samples", "2", "--source", SOURCE.source, "--candidates", "3"]
    code, out, err = command("generate", *flags, "--json")
    assert (code, err) == (0, "")
    results = studio.results(studio.start(order).run())
    for place, line in enumerate(map(json.loads, out.splitlines())):
        group = results[3 * place: 3 * place + 3]
        assert line["source"] == SOURCE.source
        assert sorted(map(str, line["candidates"])) == sorted(
            str({"seed": result.seed, "text": result.text, "agreement": result.agreement}) for result in group)
        found = [candidate["agreement"] for candidate in line["candidates"]]
        assert found == sorted(found, reverse=True)
        assert (line["text"], line["seed"]) == (line["candidates"][0]["text"], line["candidates"][0]["seed"])
    _, out, _ = command("generate", *flags)
    assert all(f"{result.seed}: {result.text}" in out for result in results)
    assert out.count("chosen of 3 candidates") == 2


def test_a_paper_that_takes_pins_as_a_preference_says_so_and_reports_each(command, monkeypatch):
    monkeypatch.setattr(PAPERS["diffusion-lm"], "hard", False)
    code, out, err = command("generate", *FLAGS)
    assert code == 0
    assert err.count("as a preference") == err.count("\n") == 1
    assert out.count("'the' stands at position 1") == 3


@pytest.mark.parametrize("example", [line for line in cli._EXAMPLES.splitlines() if "--source" in line])
def test_the_source_in_the_help_is_one_that_its_paper_reads(example):
    options = cli.parse(shlex.split(example)[2:])
    assert PAPERS[options.paper].source
    labels = LabelSet.load(BUNDLED / "diffusion-lm" / LABELS_FILE)
    assert labels.encode(parse_meaning(options.source)).sum() > 0


def test_how_many_models_stay_is_a_flag_or_a_variable(monkeypatch, capsys):
    assert cli.studio_of(cli.parse([]))._models._most == cli.parse([]).max_loaded == MAX_LOADED
    assert cli.parse(["--max-loaded", "3"]).max_loaded == 3
    monkeypatch.setenv(cli.KEPT, "2")
    assert (cli.parse([]).max_loaded, cli.parse(["--max-loaded", "3"]).max_loaded) == (2, 3)
    for wrong in ("0", "-1", "many", ""):
        monkeypatch.setenv(cli.KEPT, wrong)
        with pytest.raises(SystemExit) as stop:
            cli.parse([])
        err = capsys.readouterr().err
        assert stop.value.code == 2 and cli.KEPT in err and f"'{wrong}'" in err and err.count("\n") == 1


def test_each_sample_can_be_ordered_again_alone_by_its_seed(command):
    _, together, _ = command("generate", "--steps", "6", "--seed", "7", "--samples", "4")
    alone = [command("generate", "--steps", "6", "--seed", str(seed), "--samples", "1")[1] for seed in (7, 8, 9, 10)]
    assert "".join(alone) == together


def test_every_flag_has_the_default_of_an_order(command):
    options = vars(cli.parse(["generate"]))
    for field in dataclasses.fields(Order):
        default = () if field.name == "controls" else field.default
        assert field.name == "compute" or (tuple(options["controls"]) if field.name == "controls" else
                                           options[field.name]) == default
    assert (options["compute"], options["device"], options["json"], options["save"]) == ("auto", "auto", False, None)


def test_flags_of_the_studio_count_before_and_after_the_command():
    assert cli.parse(["--compute", "fp32", "generate"]).compute == "fp32"
    assert cli.parse(["generate", "--compute", "bf16"]).compute == "bf16"
    assert cli.parse(["--device", "cpu"]).command is None


def test_advised_takes_over_what_works_best_and_says_so(command):
    asked = ("generate", "--samples", "1", "--seed", "3", "--control", "infill=the ___ .")
    _, by_hand, _ = command(*asked, "--sampler", "renoise", "--steps", "32")
    code, out, err = command(*asked, "--steps", "5", "--advised")
    assert (code, out) == (0, by_hand)
    assert "sampler Re-noise (generation by q), steps 32" in err
    assert "Nothing better" in command("generate", "--samples", "1", "--steps", "2", "--advised")[2]


def test_a_saved_run_replays_to_the_printed_text(command, tmp_path):
    _, out, _ = command("generate", *FLAGS, "--json", "--save", str(tmp_path / "run.json"))
    trace = Trace.load(tmp_path / "run.json")
    assert len(trace.frames) == 6
    printed = [json.loads(line)["text"] for line in out.splitlines()]
    assert [result["text"] for result in trace.info["results"]] == printed


def test_papers_lists_every_paper_sampler_and_control(command):
    code, out, _ = command("papers")
    assert code == 0
    for slug, kind in PAPERS.items():
        line = next(line for line in out.splitlines() if line.split()[:1] == [slug])
        assert all(sampler in line for sampler in kind.samplers)
        assert ("reads a source" in line) == kind.source
    for slug, kind in CONTROLLERS.items():
        assert f"'{slug}={kind.example}'" in out
    for slug, kind in STRATEGIES.items():
        line = next(line for line in out.splitlines() if line.split()[:1] == [slug])
        assert kind.title in line and "--particles" in line and all(paper in line for paper in kind.papers)


def test_help_shows_a_command_that_can_be_copied(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.parse(["--help"])
    assert stop.value.code == 0
    assert "--control 'label=food:Italian,area:riverside' --guidance-scale 2 --json" in capsys.readouterr().out


# ---- markup, and terminals that are not UTF-8

def test_markup_in_a_text_comes_out_as_text(command):
    markup = "infill=<img onerror ___>"
    code, out, _ = command("generate", "--samples", "1", "--steps", "4", "--json", "--control", markup)
    line = json.loads(out)
    assert code == 0
    assert line["tokens"][:3] == ["<", "img", "onerror"] and line["tokens"][-1] == ">"
    assert line["text"].startswith("< img onerror")


def test_a_terminal_without_accents_gets_all_of_the_json_and_most_of_the_text(command, monkeypatch):
    flags = ["--samples", "1", "--steps", "4", "--control", "infill=Café ___2 ."]
    printed = {}
    for form in ("--save", "--json"):
        terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
        monkeypatch.setattr(sys, "stdout", terminal)
        assert command("generate", *flags, form, *([os.devnull] if form == "--save" else []))[0] == 0
        printed[form] = terminal.buffer.getvalue().decode("ascii")
    assert printed["--save"].startswith("0: Caf? ") and "    yes infill=Caf? ___2 .: " in printed["--save"]
    assert json.loads(printed["--json"])["tokens"][0] == "Café"


# ---- what is refused

BAD = [
    (["--paper", "difusion-lm"], ["'difusion-lm'", "'diffusion-lm'"]),
    (["--sampler", "dimm"], ["'dimm'", "'ddim'"]),
    (["--sampler", "left-to-right"], ["left-to-right", "ddim"]),
    (["--compute", "warp"], ["'warp'", "fp32"]),
    (["--device", "tpu"], ["'tpu'", "cpu"]),
    (["--strategy", "force"], ["'force'", "'absorb'"]),
    (["--control", "lenght=5"], ["lenght", "length"]),
    (["--control", "label=fod:Italian"], ["fod", "food"]),
    (["--control", "label=food:Italien"], ["Italien", "Italian"]),
    (["--control", "infill=the ___ Resturant ."], ["Resturant"]),
    (["--control", "infill=the ___ restauran ."], ["restauran", "restaurant"]),
    (["--steps", "0"], ["steps 0", "1 to 2000"]),
    (["--steps", "-1"], ["steps -1", "1 to 2000"]),
    (["--steps", "1000000000000"], ["1000000000000", "1 to 2000"]),
    (["--steps", "many"], ["--steps", "'many'"]),
    (["--samples", "0"], ["samples 0", "1 to 64"]),
    (["--samples", "-2"], ["samples -2", "1 to 64"]),
    (["--samples", "1000000"], ["1000000", "1 to 64"]),
    (["--seed", "-1"], ["seed -1"]),
    (["--guidance-scale", "nan"], ["guidance scale nan", "0 to 20"]),
    (["--guidance-scale", "inf"], ["guidance scale inf", "0 to 20"]),
    (["--temperature", "0"], ["temperature 0.0"]),
    (["--control", "length=5", "--control", "infill=the a is near food in and it"], ["length=5", "infill=the a is"]),
    (["--control", f"length={LENGTH + 100}"], [f"{LENGTH + 100}", f"{LENGTH - 1}"]),
    (["--control", "len\ngth=5"], ["length"]),
    (["--control", "infill=caf\udce9 ___"], ["not UTF-8"]),
    (["--control", ""], ["empty"]),
    (["--control", "infill="], ["infill"]),
    (["--control", "infill=" + "a " * MAX_TEXT], ["too long", f"{MAX_TEXT}"]),
    (["--control", "infill=" + "a " * (MAX_TEXT // 2 - 10)], ["infill"]),
    (["--control", "infill=<script>alert(1)</script>"], ["'script'"]),
    (["--save", "/no/such/folder/run.json"], ["/no/such/folder"]),
    (["--no-such-flag"], ["--no-such-flag"]),
    (["--sampler", "dpm-solver++", "--clamp", "0.5"], ["'dpm-solver++' does not read 'clamp'", "choose ancestral or ddim"]),
    (["--eta", "0.5"], ["'ancestral' does not read 'eta'", "choose ddim"]),
    (["--mix-share", "0.5"], ["does not read 'mix-share'"]),
    (["--revise", "2"], ["does not read 'revise', nor does any other of Diffusion-LM"]),
    (["--revise", "0.5"], ["--revise", "'0.5'"]),
    (["--eta", "1.5", "--sampler", "ddim"], ["eta 1.5", "0 to 1"]),
    (["--source", "food[Italian]"], ["Diffusion-LM reads no source", *(PAPERS[slug].title for slug in READERS)]),
    (["--candidates", "3"], ["Diffusion-LM reads no source"]),
    (["--samples", "20", "--candidates", "10"], ["200 texts", "at most 64"]),
    (["--paper", READERS[0], "--source", "foood[Italian]"], ["'foood'", "'food'"]),
    (["--paper", READERS[0], "--source", "food[Italien]"], ["'Italien'", "'Italian'"]),
    (["--paper", READERS[0], "--source", "food[Italian"], ["food[Italian"]),
    (["--paper", READERS[0], "--source", "Itallian place"], ["'Itallian'", "'Italian'"]),
    (["--paper", READERS[0], "--source", "place " * 50], ["50 tokens"]),
]  # fmt: skip


@pytest.mark.parametrize(("flags", "named"), BAD, ids=[" ".join(flags)[:40] for flags, _ in BAD])
def test_a_mistake_is_answered_with_one_sentence_and_exit_code_2(command, flags, named):
    arguments = [flag for flag in ("--steps", "--samples") if flag not in flags for flag in (flag, "2")]
    code, out, err = command("generate", *arguments, *flags)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1 and "Traceback" not in err and len(err) < SENTENCE_LIMIT
    for name in named:
        assert name in err


def test_a_mistake_reaches_the_shell_as_exit_code_2_without_a_traceback():
    done = subprocess.run([sys.executable, "app.py", "generate", "--steps", "0"], cwd=ROOT, capture_output=True,
                          stdin=subprocess.DEVNULL, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "The number of steps 0 is not possible; choose 1 to 2000.\n"


@pytest.mark.skipif(sys.platform == "win32", reason="pipes end differently there")
def test_a_reader_that_has_seen_enough_ends_the_output_quietly(checkpoints):
    pipe = f"{sys.executable} app.py generate --compute fp32 --steps 1 --checkpoints {checkpoints} | true"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {pipe}"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_file_that_cannot_be_written_is_named(command, tmp_path):
    code, _, err = command("generate", "--steps", "2", "--samples", "1", "--save", str(tmp_path))
    assert code == 2 and str(tmp_path) in err and err.count("\n") == 1


def test_an_address_that_cannot_be_had_is_answered_with_one_sentence(capsys):
    def launch():
        raise OSError("Cannot find empty port in range: 7860-7860.")

    assert cli.serve(launch) == 2
    err = capsys.readouterr().err
    assert "7860-7860" in err and "GRADIO_SERVER_PORT" in err and err.count("\n") == 1
