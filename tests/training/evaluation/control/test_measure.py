"""Control is measured end to end on tiny models with tiny analysers: rows, floor, ceiling, bars, and runs that go on."""

import dataclasses
import json
import re
import shutil
import sys
from dataclasses import dataclass
from typing import ClassVar

import pytest

import controllers
from controllers.base import Controller, Score, knob
from controllers.linguistics import bundled
from controllers.probes import reader
from controllers.settings import Setting, setting
from diffusion.core import checkpoint
from diffusion.core.types import Request
from tests.support import evaluation, tiny_treebank
from training import __main__ as training_main
from training.evaluation.control import command, measure, origins, tables, targets
from training.evaluation.control.measure import Course, Job, Run
from training.evaluation.control.readings import Readings
from training.evaluation.control.scoring import Scoring
from training.evaluation.control.settings import varied
from training.evaluation.control.wishes import Count, Value
from training.evaluation.ledger import Ledger
from training.evaluation.quality.measure import Bench

STEPS = Setting(options=(("steps", 2),))


@dataclass(frozen=True)
class Still(Controller):
    """A controller that wants nothing, under the name of one that does."""

    text: str = knob("", unit="tags", about="what is not brought about")

    slug: ClassVar[str] = "pos"
    title: ClassVar[str] = "Still"
    example: ClassVar[str] = "DET"
    has_strength: ClassVar[bool] = True

    @classmethod
    def parse(cls, text, context):
        return cls(text)

    @property
    def target(self):
        return self.text

    def log_prob(self, probs):
        return probs[:, 0].amax(-1).log()

    def score(self, words):
        return Score(0.0, "nothing was asked")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return evaluation.write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def bench(folder):
    return Bench.open(folder, evaluation.model(), evaluation.judge())


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    """Checkpoints and analysers as a copy of the lab ships them, tiny."""
    made = evaluation.write_checkpoints(tmp_path_factory.mktemp("shipped"))
    for role in bundled.ROLES:
        for kind in origins.KINDS:
            shutil.copytree(tiny_treebank.trained(kind), made / "linguistics" / f"{role}-{kind}")
    return made


@pytest.fixture
def lab(shipped, monkeypatch):
    monkeypatch.setattr(checkpoint, "BUNDLED", shipped)
    monkeypatch.setattr(bundled, "FOLDER", shipped / "linguistics")
    monkeypatch.setattr(reader, "FOLDER", shipped / "no-readers")
    monkeypatch.setattr(controllers, "CONTROLLERS", {**controllers.CONTROLLERS, "pos": Still})
    monkeypatch.setattr(command, "CONTROLLERS", controllers.CONTROLLERS)
    return shipped


def evaluate(monkeypatch, *arguments):
    argv = ["evaluate", *map(str, arguments)]
    monkeypatch.setattr(sys, "argv", ["training", *argv])
    return training_main.main(argv)


def row(result, control):
    return next(row for row in result["tables"][0]["rows"] if row["control"] == control)


# ---- the command


def test_every_control_has_success_floor_ceiling_and_cost(lab, folder, tmp_path, monkeypatch, capsys):
    file = tmp_path / "control.json"
    arguments = ("control", "--data", folder, "--controls", "length,infill,class,pos", "--targets", 3, "--samples", 2,
                 "--option", "steps=2", "--compute", "fp32", "--json", file)
    assert evaluate(monkeypatch, *arguments) == 0
    result = json.loads(file.read_text(encoding="utf-8"))
    assert [each["control"] for each in result["tables"][0]["rows"]] == ["pos", "length", "infill", "class"]
    for each in result["tables"][0]["rows"]:
        assert {"success %", "success, floor %", "success, ceiling %", "perplexity / free", "distinct-4", "verbatim %", "NFE",
                "s for 4", "times free", "best of 2 %"} <= set(each)
        guided = each["control"] == "class"              # its chosen setting asks the network twice a step
        assert each["NFE"] == (4 if guided else 2)
        chosen, = varied(setting("diffusion-lm", each["control"]), 1, None, {"steps": [2]})
        assert each["setting"] == str(chosen)
    length, infill, tags = (row(result, control) for control in ("length", "infill", "pos"))
    assert length["success %"] == infill["success %"] == length["success, ceiling %"] == infill["success, ceiling %"] == 100
    assert length["success, floor %"] < 50 and infill["success, floor %"] == 0
    assert tags["success, ceiling %"] == 100             # the labeller on the text that it labelled
    assert tags["success %"] == tags["success, floor %"]                     # what wants nothing changes nothing
    assert tags["judge's / ceiling"] == pytest.approx(tags["judge's success %"] / tags["judge's success, ceiling %"], abs=1e-3)
    assert set(result["checkpoints"]) == {"diffusion-lm", "judge", "labeller-tagger", "labeller-parser", "judge-tagger",
                                          "judge-parser"}
    bars = {each["what"]: each["met"] for each in result["tables"][-1]["rows"]}
    assert bars["length, %"] is True and bars["pos, %"] is False
    assert "infill, perplexity of the filled text / human" in bars and "length, seconds for 4 samples (fp32)" in bars
    assert any(name.startswith("class, ") for name in bars)

    measured = []
    monkeypatch.setattr(Run, "row", lambda self, kind: measured.append(self.job.control) or {})
    assert evaluate(monkeypatch, *arguments) == 0        # all is there
    assert measured == []
    assert evaluate(monkeypatch, *arguments, "--plan") == 0
    planned = [line for line in capsys.readouterr().out.splitlines() if line.startswith("diffusion-lm ")]
    assert len(planned) == 4 and all(line.split()[-4:] == ["1", "1", "0", "0"] for line in planned)


def test_an_interrupted_run_goes_on_where_it_was(lab, folder, tmp_path, monkeypatch):
    file = tmp_path / "control.json"
    arguments = ("control", "--data", folder, "--controls", "length,infill", "--targets", 2, "--samples", 2, "--option", "steps=2",
                 "--compute", "fp32", "--json", file)
    measured, original = [], Run.row

    def interrupted(self, kind):
        measured.append(self.job.control)
        if self.job.control == "infill":
            raise KeyboardInterrupt
        return original(self, kind)

    monkeypatch.setattr(Run, "row", interrupted)
    assert evaluate(monkeypatch, *arguments) == 130
    assert [each["control"] for each in json.loads(file.read_text(encoding="utf-8"))["tables"][0]["rows"]] == ["length"]
    monkeypatch.setattr(Run, "row", lambda self, kind: measured.append(f"{self.job.control} again") or original(self, kind))
    assert evaluate(monkeypatch, *arguments) == 0
    assert measured == ["length", "infill", "infill again"]


def test_rows_of_another_size_give_way_and_other_controls_stay(lab, folder, tmp_path, monkeypatch):
    file = tmp_path / "control.json"
    shared = ("control", "--data", folder, "--samples", 2, "--option", "steps=2", "--compute", "fp32", "--json", file)
    assert evaluate(monkeypatch, *shared, "--controls", "length,infill", "--targets", 2) == 0
    assert evaluate(monkeypatch, *shared, "--controls", "length", "--targets", 3) == 0
    rows = json.loads(file.read_text(encoding="utf-8"))["tables"][0]["rows"]
    assert [(each["control"], each["targets"]) for each in rows] == [("length", 3), ("infill", 2)]


def test_seconds_are_taken_again_and_nothing_else_changes(lab, folder, tmp_path, monkeypatch, capsys):
    file = tmp_path / "control.json"
    shared = ("control", "--data", folder, "--targets", 2, "--option", "steps=2", "--compute", "fp32", "--json", file)
    assert evaluate(monkeypatch, *shared, "--controls", "length", "--retime") == 2
    assert re.search("no rows of Diffusion-LM .* on the path 'fp32'", capsys.readouterr().err) and not file.exists()
    assert evaluate(monkeypatch, *shared, "--controls", "length,infill", "--samples", 2) == 0
    before = json.loads(file.read_text(encoding="utf-8"))
    monkeypatch.setattr(Run, "row", lambda self, kind: pytest.fail("texts were measured again"))
    monkeypatch.setattr(measure, "timed", lambda write: write() and next(seconds))
    seconds = iter([4.0, 2.0])
    assert evaluate(monkeypatch, *shared, "--controls", "length", "--retime", "--threads", 1) == 0
    after = json.loads(file.read_text(encoding="utf-8"))
    (length, infill), (old, kept) = after["tables"][0]["rows"], before["tables"][0]["rows"]
    assert length == {**old, "s for 4": 4.0, "times free": 2.0, "threads": 1} and infill == kept
    assert [bar["value"] for bar in after["tables"][-1]["rows"] if bar["what"] == "length, seconds for 4 samples (fp32)"] == [4.0]
    assert before["command"] in after["options"]["earlier"] and "--retime" in after["command"]


def test_targets_are_written_outside_and_read_again(lab, tmp_path, monkeypatch, capsys):
    folder = evaluation.write_data(tmp_path / "data")
    single = "".join(f'"food[French], area[riverside]","{text}"\n' for text in (
        "It serves French food .", "They serve French wine .", "French food is good and cheap ."))
    (folder / "valid.csv").write_text("mr,ref\n" + single * 9, encoding="utf-8")
    assert evaluate(monkeypatch, "targets", "--data", folder, "--targets", 2, "--output", tmp_path / "targets") == 0
    assert (tmp_path / "targets" / "target_pos.json").is_file()
    shared = ("control", "--data", folder, "--samples", 2, "--targets", 2, "--option", "steps=2", "--compute", "fp32", "--json",
              tmp_path / "control.json", "--targets-file", tmp_path / "targets")
    assert evaluate(monkeypatch, *shared) == 0
    result = json.loads((tmp_path / "control.json").read_text(encoding="utf-8"))
    assert {"pos", "class"} <= {each["control"] for each in result["tables"][0]["rows"]}
    assert "target_pos.json" in result["data"] and row(result, "class")["success, ceiling %"] > 0
    capsys.readouterr()
    assert evaluate(monkeypatch, *shared, "--controls", "length") == 2
    assert "no targets for 'length'" in capsys.readouterr().err


def test_analysers_agree_with_themselves(lab, folder, tmp_path, monkeypatch):
    file = tmp_path / "analysers.json"
    assert evaluate(monkeypatch, "analysers", "--data", folder, "--texts", 6, "--json", file) == 0
    table = json.loads(file.read_text(encoding="utf-8"))["tables"][0]
    assert table["rows"][0]["UPOS"] == table["rows"][0]["bracket F1"] == table["rows"][0]["spans"] == 100


@pytest.mark.parametrize(("arguments", "why"), [
    (("--controls", "lenght"), "Unknown control 'lenght'.*'length'"), (("--option", "stepz=2"), "Unknown option 'stepz'.*'steps'"),
    (("--option", "steps=two"), "steps"), (("--option", "seeds=1"), "Unknown option 'seeds'"),
])
def test_what_cannot_be_measured_is_refused_in_a_sentence(lab, folder, monkeypatch, capsys, arguments, why):
    try:
        code = evaluate(monkeypatch, "control", "--data", folder, *arguments)
    except SystemExit as error:
        code = error.code
    assert code == 2
    assert re.search(why, capsys.readouterr().err)


# ---- its parts


def test_floor_texts_are_those_of_the_same_seeds_without_control(bench):
    course = Course(bench, {}, samples=3)
    request = Run(course, Job("length", STEPS, targets.draw("length", bench.human, 2, {}))).request
    free = course.free(request, 2)
    assert course.free(request, 3)[:2] == free           # more targets go on
    assert free[1][2] == measure.quality.finished(bench.model, request.with_(seeds=(5,)))[0]


def test_a_class_is_asked_with_its_scale_and_free_texts_know_nothing_of_it(bench):
    setting = Setting(options=(("steps", 2), ("guidance_scale", 2.0)))
    course = Course(bench, {}, samples=2)
    run = Run(course, Job("class", setting, targets.draw("class", bench.human, 1, {})))
    seen = []
    monkey = pytest.MonkeyPatch()
    monkey.setattr(measure.diffusion, "stream", lambda model, request, strategy: seen.append(strategy.request(request)) or iter(()))
    run.steps(run.job.targets[0], range(2))
    monkey.undo()
    asked, = seen
    assert asked.guidance_scale == 2.0 and (asked.label > 0).sum() == 1
    free = measure.unsteered(run.request)
    assert free.guidance_scale == 1.0 and free.label is None and free.steps == 2


def test_a_control_without_a_strength_of_its_own_takes_the_settings(bench, monkeypatch):
    monkeypatch.setattr(controllers, "CONTROLLERS", {"pos": Still})
    target = targets.Target((measure.PARTS["pos"][0](("DET", "NOUN")),), ("a", "b"))
    request = Request(length=evaluation.LENGTH)
    assert [each.nats for each in measure.controls(bench.model, request, target, Setting((7.0,)))] == [7.0]
    assert [each.nats for each in measure.controls(bench.model, request, target, Setting())] == [4.0]


def test_the_mean_is_over_targets_and_its_spread_too():
    scoring = Scoring([Count(1), Count(2), Count(3)], Readings(None))
    texts = [[("a",)] * 4, [("a", "b"), ("a",)], [("a",)]]
    row = scoring.row(texts, [[("a",)]] * 3, [[("a",)], [("a", "b")], [("a", "b", "c")]])
    assert row["success %"] == pytest.approx(50) and row["success ±"] == pytest.approx(100 * (1 / 6) ** 0.5)
    assert row["success, floor %"] == pytest.approx(100 / 3) and row["success, ceiling %"] == 100
    assert row["within 2 %"] == 100


def test_a_target_without_human_text_is_left_out_of_the_ceiling():
    scoring = Scoring([Value("food", "French"), Value("food", "Indian")], Readings(None))
    assert scoring.mean([[("French",)], []]) == 100 and scoring.mean([[], []]) is None
    assert scoring.by_slot([[("French",)], [("French",)]]) == {"food %": 50}


def test_the_best_text_is_the_one_that_the_controllers_like_most(bench):
    course = Course(bench, {}, samples=3)
    run = Run(course, Job("length", STEPS, [targets.Target((Count(2),), ("a", "b")), targets.Target((Count(3),), None)]))
    run.drawn = ([[(3, 4, 5), (3, 4), (3,)], [(3, 4, 5, 6), (3,), (3, 4, 5)]], 2.0)
    assert run.best == [1, 2]


def test_a_controls_row_is_kept_by_what_it_was_made_with(bench):
    job = Job("content+pos", Setting((2.0, 4.0)), targets.draw("length", bench.human, 2, {}))
    keys = list(job.keys(10).values())
    assert [key["part"] for key in keys] == ["content", "pos"]
    assert keys[0]["setting"] == "nats 2+4" and keys[0]["targets"] == 2 and keys[0]["samples"] == 10
    ledger = Ledger(rows=[{**keys[0], "success %": 1.0}])
    assert ledger.find(keys[0]) and not ledger.find(keys[1])


def test_all_papers_stand_in_one_table_of_control():
    results = [{"paper": slug, "tables": [{"rows": [{"control": "length", "part": "length", "success %": 99.0}]}]}
               for slug in ("sedd", "rdlm")]
    made = tables.together(results)
    assert [each["paper"] for each in made.rows] == ["SEDD", "RDLM"] and tables.together([]) is None


def test_human_recall_is_that_of_all_texts_whose_meaning_has_the_slot(bench):
    human = [dataclasses.replace(bench.human[0], meaning=meaning, text=text) for meaning, text in (
        ("food[French]", "It serves French food ."), ("food[French]", "It is a pub ."),
        ("area[riverside], food[Indian]", "Indian ."))]
    course = Course(dataclasses.replace(bench, human=human), {}, samples=2)
    assert course.recall == {"food": pytest.approx(200 / 3), "area": 0.0}
    assert course.saying["food", "French"] == [("It", "serves", "French", "food", "."), ("It", "is", "a", "pub", ".")]
