"""The one table joins what was measured apart, and bars between papers hold exactly where they should."""

import pytest

from training.evaluation.report import cards, readme, table
from training.evaluation.report.results import BARS, Bar, Result, Table, bars


def result(what, paper, lines, *more, **options):
    tables = [{"caption": each.caption, "rows": each.rows, "show": each.show} for each in (Table.of("Rows", lines), *more)]
    made = Result(what, paper, "python -m training evaluate", {}, "cpu", "fp32", {paper: "abc"}, [], options)
    return {**made.to_dict(), "tables": tables, "commit": "1234567"}


def human(texts=500, **changes):
    return {"sampler": "human text", "texts": texts, "perplexity / human": 1.0, "MAUVE": 0.97, "verbatim %": 0.2, **changes}


def sampled(sampler, steps, ratio=1.1, distinct=1.0):
    return {"sampler": sampler, "steps": steps, "texts": 500, "NFE": steps, "perplexity / human": ratio,
            "distinct-4 / human": distinct, "MAUVE": 0.9}


def bits(free, told=2.0, name="bits per token"):
    return [{"slots": "unknown", "texts": 1000, name: free, "± (95%)": 0.07},
            {"slots": "the row's own", "texts": 1000, name: told, "± (95%)": 0.07}]


def several(**changes):
    made = {
        "free-diffusion-lm": result("quality, free", "diffusion-lm", [human(), sampled("ancestral", 64, 1.2),
                                                                     sampled("ancestral", 256, 1.0, 0.9)],
                                    bars(Bar("perplexity / human (ancestral, 64 steps)", 1.2, 0.8, 1.5))),
        "free-sedd": result("quality, free", "sedd", [human(), sampled("analytic", 16, 1.0, 0.95), sampled("analytic", 64, 1.4)]),
        "likelihood-sedd": result("likelihood", "sedd", bits(2.7)),
        "likelihood-rdlm": result("likelihood", "rdlm", bits(2.8)),
        "speed-sedd": result("speed", "sedd", [{"path": "fp32", "seconds": 9.0, "chosen": True}],
                             Table.of("Grid", [{"sampler": "analytic", "steps": 64, "NFE": 64, "seconds": 0.7}])),
        "tuning-free-sedd": result("quality, free", "sedd", [human(128), sampled("analytic", 64, 0.5)],
                                   bars(Bar("tuned", 0.5)), rows="tuning"),
    }
    return {**made, **changes}


def met(results):
    return {row["what"]: row["met"] for row in table.all_bars(results).rows}


def test_a_row_joins_samples_seconds_and_bits():
    rows = {(row["paper"], row.get("steps")): row for row in table.papers(several()).rows}
    found = rows["SEDD", 64]
    assert (found["perplexity / human"], found["s for 4"], found["bits"], found["bits, told"]) == (1.4, 0.7, 2.7, 2.0)
    assert "s for 4" not in rows["SEDD", 16]             # not timed
    assert rows["human text", None]["MAUVE"] == 0.97
    assert rows["RDLM", None]["bits"] == 2.8             # measured by its likelihood alone
    assert len([row for row in table.papers(several()).rows if row["paper"] == "human text"]) == 1


def test_a_number_that_is_no_bound_stands_in_a_column_of_its_own():
    results = several(**{"likelihood-rdlm": result("likelihood", "rdlm", bits(2.1, name="bits per token, not a bound"))})
    row = next(row for row in table.papers(results).rows if row["paper"] == "RDLM")
    assert row["bits, no bound"] == 2.1 and "bits" not in row
    assert "RDLM's bits above SEDD's" not in met(results)


def test_rows_for_tuning_are_in_no_table_and_no_bar():
    assert 0.5 not in [row.get("perplexity / human") for row in table.papers(several()).rows]
    assert "tuned" not in met(several())
    assert "tuned" not in cards.measured("sedd", several())


@pytest.mark.parametrize(("changes", "missed"), [
    ({}, set()),
    ({"likelihood-rdlm": result("likelihood", "rdlm", bits(2.91))}, {"RDLM's bits above SEDD's"}),
    ({"free-sedd": result("quality, free", "sedd", [human(), sampled("analytic", 16, 1.01, 0.89), sampled("analytic", 64, 1.2)])},
     {"perplexity / human, SEDD analytic, 16 steps, against Diffusion-LM ancestral, 256",
      "distinct-4 / human, SEDD analytic, 16 steps, against Diffusion-LM ancestral, 256"}),
])
def test_bars_between_papers_are_missed_where_one_is_worse(changes, missed):
    good = result("quality, free", "sedd", [human(), sampled("analytic", 16, 1.0, 0.95), sampled("analytic", 64, 1.3)])
    found = met(several(**{"free-sedd": good, **changes}))
    assert {name for name, ok in found.items() if not ok} == missed


def test_the_second_best_paper_decides_whether_two_are_good():
    name = "perplexity / human of the second best paper (64 steps)"
    rows = {row["what"]: row for row in table.all_bars(several()).rows}
    assert (rows[name]["value"], rows[name]["met"]) == (1.4, False)


def test_the_stored_table_is_out_of_date_when_a_number_changes():
    stored = readme.one_table(several()).to_dict()
    assert readme.same(stored, readme.one_table(several()))
    assert readme.same(stored, readme.one_table({**several(), "table": stored}))      # it does not count itself
    changed = several(**{"likelihood-rdlm": result("likelihood", "rdlm", bits(2.79))})
    assert not readme.same(stored, readme.one_table(changed))
    assert readme.one_table({}) is None and readme.same(None, None)


def test_every_subject_has_a_page_and_tuning_stands_apart():
    made = readme.pages(several())
    assert set(made) == {"README.md", "free.md", "bars.md", "likelihood.md", "speed.md", "tuning-quality.md"}
    assert "| SEDD | analytic | 64 |" in made["free.md"] and BARS in made["bars.md"]
    assert "## sedd: quality, free, on rows held out for tuning (tuning-free-sedd)" in made["tuning-quality.md"]
    assert all(f"({name})" in made["README.md"] for name in made if name != "README.md")


def test_the_headline_has_a_row_for_each_model_with_its_first_sampler_at_64_steps():
    rows = {row["model"]: row for row in readme.headline(several()).rows}
    assert list(rows) == ["human text", "Diffusion-LM", "SEDD", "RDLM"]
    assert (rows["SEDD"]["sampler"], rows["SEDD"]["perplexity / human"], rows["SEDD"]["bits"]) == ("analytic", 1.4, 2.7)
    assert rows["RDLM"] == {"model": "RDLM", "bits": 2.8}
    row = {"control": "content", "part": "content", "targets": 50, "success %": 91.0, "success, ceiling %": 98.0}
    control = result("control", "sedd", [{**row, "targets": 2, "success %": 1.0}, row])
    rows = {row["model"]: row for row in readme.headline(several(**{"control-sedd": control})).rows}
    assert (rows["SEDD"]["content %"], rows["human text"]["content %"]) == (91.0, 98.0)
    assert readme.headline({}) is None


def test_a_card_names_the_bars_and_bits_of_its_paper_alone():
    found = cards.measured("diffusion-lm", several())
    assert found == {"perplexity / human (ancestral, 64 steps)": "1.2 (bar: at least 0.8 and at most 1.5)"}
    assert cards.measured("sedd", several()) == {"bits per token, slots unknown, 1000 texts": "2.7 ± 0.07",
                                                 "bits per token, slots the row's own, 1000 texts": "2 ± 0.07"}


def test_control_of_all_papers_stands_in_one_table_with_its_bars_and_what_it_means():
    row = {"control": "length", "part": "length", "success %": 99.0, "success, floor %": 3.0}
    control = {f"control-{slug}": result("control", slug, [row], bars(Bar("length, %", 99.0, low=100.0)))
               for slug in ("sedd", "diffusion-lm")}
    tuning = {"tuning-control-sedd": result("control", "sedd", [{**row, "success %": 1.0}], rows="tuning")}
    made = table.control({**several(), **control, **tuning})
    assert [(each["paper"], each["success %"]) for each in made.rows] == [("Diffusion-LM", 99.0), ("SEDD", 99.0)]
    assert met(control) == {"length, %": False}
    page = readme.pages({**several(), **control})["control.md"]
    assert readme.CONTROL_EXPLAINED in page and f"`{readme.SHOWN}/control-sedd.json`" in page
    assert table.control(several()) is None and "control.md" not in readme.pages(several())
