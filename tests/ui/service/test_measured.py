"""Pages of papers: numbers come from files about the very checkpoint, each with its command; what was not measured is said."""

import json
import re
from html import escape

import pytest

from diffusion import PAPERS
from ui.components import paper_page
from ui.components.glossary import COLUMNS
from ui.plots.svg import Line, chart, doublings, ticks
from ui.service import facts, measured
from ui.service.lessons import LESSONS
from ui.service.studio import Studio

RESULT = {"what": "quality, free", "paper": "sedd", "command": "python -m training evaluate <b> --json x", "device": "cpu",
          "path": "fp32", "torch": "2.13", "commit": "abc", "checkpoints": {"sedd": "aaa"}, "options": {"rows": "valid"},
          "tables": [{"caption": "Texts <i>", "show": ["sampler", "perplexity"],
                      "rows": [{"sampler": "<u>", "perplexity": 1.23456, "hidden": 9}, {"sampler": "x", "perplexity": None}]}]}
ABLATION = {**RESULT, "what": "ablations", "paper": "all papers", "checkpoints": {}, "tables": [
    {"caption": "Variants", "show": ["ablation", "variant", "bits", "seconds"],
     "rows": [{"ablation": "order", "variant": "on", "bits": 2.5}, {"ablation": "other", "variant": "off", "bits": 9.75}]},
    {"caption": "Claims", "show": [], "rows": [
        {"ablation": "order", "paper": "sedd", "claim": "It helps.", "source": "Lou"},
        {"ablation": "other", "paper": "rdlm", "claim": "So does this.", "source": "Jo"}]}]}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "free.json").write_text(json.dumps(RESULT))
    (tmp_path / "tuned.json").write_text(json.dumps({**RESULT, "options": {"rows": "tuning"}}))
    (tmp_path / "old.json").write_text(json.dumps({**RESULT, "checkpoints": {"sedd": "bbb"}}))
    (tmp_path / "ablations.json").write_text(json.dumps(ABLATION))
    facts.read.cache_clear()
    return tmp_path


def test_measurements_are_those_of_the_checkpoint_with_tuning_last(folder):
    found = measured.of_checkpoint("sedd", "aaa", folder)
    assert [(item.file, item.tuned) for item in found] == [("free", False), ("tuned", True)]
    assert measured.of_checkpoint("sedd", "ccc", folder) == []


def test_a_measurement_shows_its_columns_and_its_command_and_escapes_every_text(folder):
    page = paper_page.measurement(measured.of_checkpoint("sedd", "aaa", folder)[0])
    assert "1.235" in page and "–" in page and "hidden" not in page
    assert "python -m training evaluate &lt;b&gt; --json x" in page and "results/free.json" in page
    assert not re.search(r"<(b|i|u)>", page)


def test_ablations_are_shown_for_the_paper_that_makes_the_claim(folder):
    (claim, table, measurement), = measured.ablations("sedd", folder)
    assert claim["source"] == "Lou" and table.caption == "It helps." and measurement.file == "ablations"
    assert table.show == ["variant", "bits"] and [row["bits"] for row in table.rows] == [2.5]
    assert measured.ablations("ld4lg", folder) == []


def test_what_was_not_measured_is_said_with_the_command_that_measures_it():
    paper = next(paper for paper in Studio(checkpoints="nowhere").papers() if paper.slug == "ld4lg")
    assert "There is no checkpoint" in paper_page.training(paper, {}, "")
    assert "evaluate quality --paper ld4lg" in paper_page.numbers(paper, "")


@pytest.mark.parametrize("slug", ["diffusion-lm", "sedd", "ar"])
def test_every_number_of_a_shipped_paper_s_page_stands_in_a_result_file_or_its_card(slug):
    studio = Studio()
    paper = next(paper for paper in studio.papers() if paper.slug == slug)
    page = paper_page.numbers(paper, studio.digest(slug))
    given = {measured.plain(value) for item in measured.of_checkpoint(slug, studio.digest(slug))
             for table in item.tables for row in table.rows for value in row.values()}
    claims = measured.ablations(slug)
    given |= {measured.plain(value) for _, table, _ in claims for row in table.rows for value in row.values()}
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", page)
    import html
    assert cells and {html.unescape(cell) for cell in cells} <= given | {"–"}
    commands = re.findall(r'class="tdl-origin"><code>([^<]*)</code>', page)
    assert len(commands) == len(measured.of_checkpoint(slug, studio.digest(slug))) + len(claims)


def test_the_training_curve_is_that_of_the_card():
    studio = Studio()
    card = studio.card("sedd")
    page = paper_page.training(next(p for p in studio.papers() if p.slug == "sedd"), card, studio.digest("sedd"))
    points = re.findall(r'points="([^"]*)"', page)
    assert [len(line.split()) for line in points] == [len(card["curve"]), sum("valid" in row for row in card["curve"])]
    assert studio.digest("sedd") in page and card["licence_of_data"].split(" (")[0] in page


def test_columns_are_explained_where_they_are_shown(monkeypatch):
    found = [measured.Measurement.of("free", RESULT)]
    monkeypatch.setattr(paper_page.measured, "of_checkpoint", lambda *_: found)
    paper = next(paper for paper in Studio().papers() if paper.slug == "sedd")
    page = paper_page.numbers(paper, "aaa")
    assert "What the columns mean" in page and f"<dt>perplexity</dt><dd>{escape(COLUMNS['perplexity'])}</dd>" in page
    assert "<dt>MAUVE</dt>" not in page and f'title="{escape(COLUMNS["perplexity"])}"' in page


def test_what_judges_and_steers_is_explained_beside_its_numbers():
    page = paper_page.judges({}, "")
    assert set(paper_page.ABOUT) == set(measured.TRAINED)
    assert all(escape(about) in page for about in paper_page.ABOUT.values())


def test_every_meaning_is_of_a_column_that_a_shipped_file_has():
    shown = {name for _, result in measured.results().items() for table in result["tables"] for name in table["show"]}
    assert set(COLUMNS) <= shown


def test_ticks_of_doublings_are_powers_of_two():
    assert doublings(8, 256) == [8, 16, 32, 64, 128, 256] and doublings(9, 40) == [8, 16, 32]
    picture = chart([Line("a", [(8, 1.0), (16, 2.0), (32, 3.0)], 1)], "evaluations", "loss", "", doubling=True)
    first, middle, last = (float(point.split(",")[0]) for point in re.search(r'points="([^"]+)"', picture)[1].split())
    assert abs(middle - (first + last) / 2) < 0.2


def test_a_chart_keeps_its_lines_inside_and_is_named():
    picture = chart([Line("a <b>", [(0, 1.0), (50, 3.0), (100, 2.0)], 1)], "step", "loss", "falls")
    points = [tuple(map(float, pair.split(","))) for pair in re.search(r'points="([^"]*)"', picture)[1].split()]
    assert points[0][0] < points[1][0] < points[2][0] and points[1][1] < points[2][1] < points[0][1]
    assert all(0 <= x <= 560 and 0 <= y <= 190 for x, y in points)
    assert 'aria-label="falls"' in picture and "a &lt;b&gt;" in picture
    assert ticks(0, 0.7) == [0, 0.2, 0.4, 0.6, 0.8] and ticks(0, 0) == [0, 0.5, 1]


def test_every_paper_has_a_lesson_of_three_sentences_and_two_equations():
    assert set(LESSONS) == set(PAPERS)
    for slug, lesson in LESSONS.items():
        assert all(sentence.endswith(".") and sentence.count(". ") == 0 for sentence in lesson.idea), slug
        for equation in (lesson.forward, lesson.reverse):
            braces = equation.replace(r"\{", "").replace(r"\}", "")
            assert braces.count("{") == braces.count("}") and "$" not in equation
        assert bool(lesson.arxiv) == bool(lesson.paper)


def test_the_arxiv_number_is_the_one_in_the_paper_s_file():
    import inspect

    for slug, lesson in LESSONS.items():
        if lesson.arxiv:
            assert lesson.arxiv in inspect.getmodule(PAPERS[slug]).__doc__, slug


def test_the_judges_page_names_the_judge_s_and_the_matcher_s_numbers():
    studio = Studio()
    page = paper_page.judges(studio.card("judge"), studio.digest("judge"))
    assert "perplexity of" in page and "training evaluate matcher" in page


def test_a_card_of_a_tagger_is_shown_with_what_it_reaches(tmp_path, monkeypatch):
    (tmp_path / "judge-tagger").mkdir()
    card = {"measured": {"dev": {"upos": 0.9512}, "test": {"upos": 0.9433}}, "command": "python -m training linguistics tagger",
            "sentences": 12000}
    (tmp_path / "judge-tagger" / "card.json").write_text(json.dumps(card))
    monkeypatch.setattr(measured, "TRAINED", {"Taggers and parsers": (tmp_path, "python -m y"),
                                             "Trained controllers": (tmp_path / "none", "python -m x")})
    page = paper_page.judges({}, "")
    assert "judge-tagger" in page and "0.9433" in page and "12,000" in page and card["command"] in page
    assert "None is in the box. To train them: <code>python -m x</code>" in page


def test_a_card_that_holds_rows_is_shown_by_its_own_columns():
    rows = [{"entropy, nats": "up to 0.5", "accuracy": 0.9}, {"entropy, nats": "up to 3", "accuracy": 0.4}]
    table = measured.scores({"measured": rows})
    assert list(table.show) == ["entropy, nats", "accuracy"] and list(table.rows) == rows
    assert measured.scores({"measured": []}) is None
