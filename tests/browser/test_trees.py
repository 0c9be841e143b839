"""Trees beside each other: equal ones have no mark, of different ones exactly the phrases that the other lacks have one."""

from pathlib import Path

import pytest

PLAYER = Path(__file__).resolve().parents[2] / "ui" / "static" / "player"
ASKED = "(S (NP (*) (*)) (VP (VBZ) (NP (DT) (NN))) (.))"
SAME = "(TOP (S (NP (DT The) (NN pub)) (VP (VBZ serves) (NP (DT a) (NN meal))) (. .)))"
OTHER = "(TOP (S (NP (DT The) (NN pub)) (VP (VBZ is) (PP (IN by) (NP (NN water)))) (. .)))"


@pytest.mark.parametrize(("written", "marked"), [(SAME, []), (OTHER, ["NP", "NP", "PP"])])
def test_phrases_that_the_other_tree_lacks_are_marked(browser, written, marked):
    page = browser.new_page()
    page.set_content("<div></div>")
    for name in ("tools.js", "trees.js", "verdicts.js"):
        page.add_script_tag(path=PLAYER / name)
    page.evaluate("([wanted, found]) => treesOf(document.querySelector('div'), {wanted, found})", [ASKED, written])
    assert sorted(page.locator(".tdl-missing").all_text_contents()) == marked
    page.close()
