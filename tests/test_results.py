"""Every number that is shown was measured: result files name what made them, and the documentation is drawn from them."""

import json
import re

import pytest

from controllers.matchers.slot_matcher import FINGERPRINT
from diffusion.core.checkpoint import BUNDLED, WEIGHTS
from diffusion.core.errors import StudioError
from training.evaluation.control import origins
from training.evaluation.report import readme
from training.evaluation.report.readme import drawn, outdated, pages, write
from training.evaluation.report.results import (
    ROOT,
    Bar,
    Result,
    Table,
    bars,
    command_line,
    fingerprint,
    load_all,
    round_off,
)

NEEDED = {"what", "paper", "command", "commit", "seeds", "device", "machine", "torch", "path", "checkpoints", "matcher",
          "judge", "data", "tables"}
README = ROOT / "README.md"


def objections(result: dict, shipped: dict[str, str]) -> list[str]:
    """What a result file lacks, or says about checkpoints that are not those that ship."""
    missing = [f"lacks '{name}'" for name in sorted(NEEDED - set(result))]
    if missing:
        return missing
    wrong = [f"was measured on '{slug}' {found}, but {shipped.get(slug, 'none')} ships"
             for slug, found in result["checkpoints"].items() if shipped.get(slug) != found]
    wrong += ["names no commit"] if result["commit"] in {"", "unknown"} else []
    wrong += ["names a folder of one machine"] if re.search(r"(?<!\S)/\w", result["command"]) else []
    wrong += ["was judged by another slot matcher"] if result["matcher"] != FINGERPRINT else []
    return wrong + (["names another judge"] if result["judge"] != result["checkpoints"].get("judge") else [])


def shipped() -> dict[str, str]:
    """Hash of each bundled checkpoint by slug."""
    return {path.parent.name: fingerprint(path) for path in BUNDLED.glob(f"*/{WEIGHTS}")}


def example(**changes) -> dict:
    table = Table.of("Texts", [{"sampler": "ddim", "perplexity / human": 6.54321}])
    checkpoints = {"diffusion-lm": "abc", "judge": "def"}
    made = Result("quality, free", "diffusion-lm", command_line(["quality"]), {"samples": "0-3"}, "cpu: a processor",
                  "fp32", checkpoints, [table])
    return {**made.to_dict(), "commit": "1234567", **changes}


# ---- what ships


def test_shipped_results_name_their_origin_and_the_shipped_checkpoints():
    found = shipped() | origins.analysers() | origins.readers()
    broken = {name: wrong for name, result in load_all().items() if (wrong := objections(result, found))}
    assert not broken


def test_every_shipped_checkpoint_has_been_measured():
    measured = {slug for result in load_all().values() for slug in result["checkpoints"]}
    assert set(shipped()) <= measured


def test_results_in_the_documentation_are_those_in_the_files():
    names = [path.relative_to(ROOT).as_posix() for path in outdated(load_all())]
    assert not names, f"out of date: {readme.COMMAND}"


def test_stored_table_is_the_one_that_the_other_files_make():
    results = load_all()
    assert readme.TABLE not in results or readme.same(results[readme.TABLE], readme.one_table(results)), (
        "results/table.json is out of date: python -m training evaluate readme")


@pytest.mark.parametrize("path", [README, *sorted(readme.PAGES_FOLDER.glob("*.md"))], ids=lambda path: path.name)
def test_every_number_in_a_table_of_results_stands_in_a_result_file(path):
    text = path.read_text(encoding="utf-8")
    text = text.partition(readme.BEGIN)[2].partition(readme.FINISH)[0] if path == README else text
    values = (value for result in load_all().values() for table in result["tables"] for row in table["rows"]
              for value in row.values())
    stored = {float(value) for value in values if isinstance(value, int | float)}
    cells = [cell.strip() for line in text.splitlines() if line.startswith("|") for cell in line.strip("|").split("|")]
    shown = {float(cell) for cell in cells if re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", cell)}
    assert not shown - stored
    assert shown or path == readme.PAGES_FOLDER / readme.INDEX


def test_the_readmes_headline_table_is_short():
    table = readme.headline(load_all())
    assert 2 <= len(table.rows) <= 10
    assert table.rows[0]["model"] == "human text"


# ---- the checks themselves


def test_whole_result_of_shipped_checkpoints_raises_no_objection():
    assert objections(example(), {"diffusion-lm": "abc", "judge": "def"}) == []


@pytest.mark.parametrize("name", sorted(NEEDED))
def test_result_without_a_field_is_found(name):
    result = example()
    del result[name]
    assert objections(result, {"diffusion-lm": "abc", "judge": "def"}) == [f"lacks '{name}'"]


@pytest.mark.parametrize(("changes", "why"), [
    ({"checkpoints": {"diffusion-lm": "xyz", "judge": "def"}}, "'diffusion-lm' xyz, but abc ships"),
    ({"checkpoints": {"diffusion-lm": "untrained", "judge": "def"}}, "untrained"),
    ({"commit": "unknown"}, "no commit"),
    ({"command": "python -m training evaluate quality --data /somewhere/e2e"}, "folder of one machine"),
    ({"matcher": "000"}, "slot matcher"),
    ({"judge": "abc"}, "another judge"),
])  # fmt: skip
def test_planted_fault_in_a_result_is_found(changes, why):
    found = objections(example(**changes), {"diffusion-lm": "abc", "judge": "def"})
    assert len(found) == 1
    assert why in found[0]


def headlined() -> dict:
    row = {"sampler": "ancestral", "steps": 64, "texts": 128, "perplexity / human": 6.54321}
    return {"free": example(tables=[{"caption": "Texts", "rows": Table.of("", [row]).rows, "show": list(row)}])}


def test_a_number_changed_by_hand_in_the_readme_is_found():
    results = headlined()
    text = drawn("Before <!-- results -->\nold\n<!-- /results --> after", results)
    assert text.startswith("Before <!-- results -->")
    assert text.endswith("<!-- /results --> after")
    assert "6.543" in text
    assert drawn(text, results) == text
    changed = text.replace("6.543", "5.543")
    assert drawn(changed, results) == text != changed


def test_a_page_changed_by_hand_or_made_by_nothing_is_found_and_mended(tmp_path):
    results, front, folder = headlined(), tmp_path / "README.md", tmp_path / "results"
    front.write_text("<!-- results -->\n<!-- /results -->", encoding="utf-8")
    write(outdated(results, front, folder))
    assert "6.543" in (folder / "free.md").read_text(encoding="utf-8") and not outdated(results, front, folder)
    page = folder / "free.md"
    page.write_text(page.read_text(encoding="utf-8").replace("6.543", "5.543"), encoding="utf-8")
    (folder / "gone.md").write_text("| 1 |", encoding="utf-8")
    found = outdated(results, front, folder)
    assert set(found) == {page, folder / "gone.md"} and found[folder / "gone.md"] is None
    write(found)
    assert not outdated(results, front, folder) and not (folder / "gone.md").exists()


def test_every_number_in_the_tables_of_a_page_stands_in_a_result_file():
    row = {"sampler": "ddim", "perplexity": 6.54321, "verbatim %": 0.0, "steps": 64, "low": 1.23456e-5, "high": 12345.6}
    result = example(what="quality, length", tables=[{"caption": "Texts", "rows": Table.of("", [row]).rows, "show": list(row)}])
    cells = re.findall(r"^\| ddim \|(.*)\|$", pages({"free": result})["prompts.md"], re.MULTILINE)[0].split("|")
    stored = json.loads(json.dumps(result))["tables"][0]["rows"][0]
    stored = {float(value) for value in stored.values() if value != "ddim"}
    assert {float(cell) for cell in cells} == stored


def test_a_measurement_that_no_page_names_stands_among_the_others():
    made = pages({"new": example(what="something new")})
    assert set(made) == {readme.INDEX, "other.md"} and "6.543" in made["other.md"] and "(other.md)" in made[readme.INDEX]
    assert readme.NOTHING in pages({})[readme.INDEX]


@pytest.mark.parametrize("text", ["none", "<!-- results -->", "<!-- /results --> <!-- results -->",
                                  "<!-- results --> <!-- results --> <!-- /results -->"])
def test_readme_without_its_markers_is_refused(text):
    with pytest.raises(StudioError, match="once each"):
        drawn(text, {})


def test_bars_are_met_at_their_limits_and_missed_beyond():
    table = bars(Bar("a", 1.6, 0.8, 1.6), Bar("b", 0.79, 0.8, 1.6), Bar("c", 90.0, low=90), Bar("d", 1.31, high=1.3))
    assert [row["met"] for row in table.rows] == [True, False, True, False]
    assert table.rows[0]["bar"] == "at least 0.8 and at most 1.6"


def test_numbers_keep_four_digits_and_whole_numbers_all():
    assert [round_off(value) for value in (3.14159, 123456, 0.000123456, "a", None, True)] == [
        3.142, 123456, 0.0001235, "a", None, True]


def test_commands_are_repeated_without_folders_of_one_machine():
    words = ["quality", "--data", "/home/somebody/e2e", "--paper", "diffusion-lm", "--json", "/out/a b.json"]
    expected = "quality --data e2e --paper diffusion-lm --json 'a b.json'"
    assert command_line(words) == f"python -m training evaluate {expected}"
