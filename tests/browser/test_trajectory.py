"""The Trajectory tab in a real browser: life-lines with known answers, two runs in lockstep, scrubbing without the server."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.page import dark_page, faint, state
from ui.components import theme

expect.set_options(timeout=20_000)
BOARD = "document.querySelector('.tdl-board').trajectory"
# Words of one sample, a row a step: 3 soup, 4 tea, 5 bread, 1 END, 0 PAD.
WORDS = [[3, 4, 3, 0], [5, 4, 4, 1], [3, 4, 1, 0], [3, 4, 1, 0]]
MADE = """words => {
  const N = words.length, L = words[0].length, ids = Int16Array.from(words.flat());
  const of = value => Float32Array.from(ids, (_, at) => value(Math.floor(at / L), at % L));
  window.made = {size: {N, B: 1, L, K: 1}, arrays: {ids, top_ids: ids, top_probs: of(() => 0.5), entropy: of(() => 1),
    pressure: of((frame, place) => place === 1 ? frame : 0)}, name: id => `w${id}`};
}"""


@pytest.fixture(scope="module")
def app(tiny_app):
    """The lab on tiny random models, opening on a stored run of the oracle."""
    return tiny_app


@pytest.fixture
def bare(browser_context) -> Page:
    """An empty page with the board's code."""
    page = browser_context.new_page()
    page.add_script_tag(content=theme.script(*theme.READER, theme.BOARD))
    page.evaluate(MADE, WORDS)
    return page


@pytest.fixture
def board(browser_page) -> Page:
    """The tab, showing the stored run."""
    state(browser_page, "Stored run")
    browser_page.get_by_role("tab", name="Trajectory").click()
    browser_page.wait_for_function(f"{BOARD}?.lives")
    return browser_page


def clocks(page: Page) -> list[int]:
    """The step of each board and the one that the clock names, 1 first."""
    return page.evaluate(f"[{BOARD}.one.frame + 1, {BOARD}.two.frame + 1, parseInt({BOARD}.deck.clock.textContent.slice(5))]")


def test_a_position_commits_where_its_word_last_changes_and_flips_where_it_changes(bare):
    lives = bare.evaluate("""(() => {
      const one = new Lives(made, 0);
      return {commit: [...one.commit], flips: [...one.flips], end: one.end, first: one.first(2), most: one.ranked(one.flips),
        at: [...one.pressureAt], in: [...one.pressureIn]};
    })()""")
    assert lives["commit"] == [2, 0, 2, 2]
    assert lives["flips"] == [2, 0, 2, 2]
    assert lives["end"] == 3
    assert lives["first"] == [1, 0]
    assert lives["most"] == [0, 2]
    assert lives["at"] == [0, 6, 0, 0] and lives["in"] == [0, 1, 2, 3]


def test_runs_of_different_length_are_in_step_by_their_share_of_steps(bare):
    frames = [[0, 4, 7], [3, 4, 7], [1, 4, 7], [5, 9, 9], [0, 1, 5]]
    pairs = bare.evaluate("frames => frames.map(([frame, own, other]) => partner(frame, own, other))", frames)
    assert pairs == [0, 6, 2, 5, 4]

def test_a_word_counts_as_changed_where_the_other_run_has_another_at_the_same_step(bare):
    differ = bare.evaluate("""(() => {
      const one = new Lives(made, 0), ids = Int16Array.from([3, 4, 3, 0, 5, 4, 5, 1, 3, 4, 1, 0, 3, 5, 1, 0]);
      Object.assign(made.arrays, {ids, top_ids: ids});
      const two = new Lives(made, 0);
      return [[0, 0], [1, 2], [3, 1], [3, 3]].map(([frame, place]) => changed(one, two, frame, place));
    })()""")
    assert differ == [False, True, True, False]


def test_the_board_opens_on_the_run_of_the_player_and_scrubs_without_the_server(board, page_log):
    assert board.evaluate(f"[{BOARD}.lives.steps, {BOARD}.lives.run.seeds]") == [24, [3, 4]]
    expect(board.locator(".tdl-rank-title")).to_have_text(["Commit first", "Flip most", "Most pressure"])
    board.wait_for_timeout(1000)
    before = len(page_log.asked)
    slider = board.locator(".tdl-board .tdl-slider")
    for step in (0, 7, 23, 3):
        slider.fill(str(step))
        assert clocks(board)[::2] == [step + 1] * 2
    board.locator(".tdl-mode", has_text="Entropy").click()
    canvas = board.locator(".tdl-canvas").first
    canvas.click(position={"x": 60, "y": 100})
    expect(board.locator(".tdl-board .tdl-tip-foot")).to_contain_text("nats")
    frame = clocks(board)[0]
    canvas.press("ArrowDown")
    assert clocks(board)[0] == frame + 1
    canvas.press("Escape")
    expect(board.locator(".tdl-board .tdl-tip")).to_be_hidden()
    board.locator(".tdl-board .tdl-key").first.click()
    board.locator(".tdl-board").get_by_role("button", name="Play").click()
    board.wait_for_function(f"{BOARD}.frame === 23")
    assert len(page_log.asked) == before


def test_the_same_noise_without_controls_stands_beside_in_lockstep(board, page_log, screenshot):
    board.locator(".tdl-compare").click()
    board.wait_for_function(f"{BOARD}.others")
    assert board.evaluate(f"[{BOARD}.second.run.info.order.controls, {BOARD}.second.run.seeds]") == [[], [3, 4]]
    assert board.evaluate(f"{BOARD}.others.pressureIn.every(value => value === 0)")
    assert board.evaluate(f"{BOARD}.lives.pressureIn.some(value => value > 0)")
    marks = board.evaluate(f"[{BOARD}.ink.changed, {BOARD}.ink.pin, ...{BOARD}.pressures, ...{BOARD}.scale]")
    assert len(set(marks)) == len(marks), "what differs has a colour of its own"
    expect(board.locator(".tdl-versus")).to_contain_text("From the same noise")
    expect(board.locator(".tdl-versus")).to_contain_text("nats of pressure")
    assert board.evaluate(f"{BOARD}.columns") == board.evaluate(f"Math.max({BOARD}.lives.end, {BOARD}.others.end)")
    board.wait_for_timeout(500)
    before = len(page_log.asked)
    for step in (4, 17):
        board.locator(".tdl-board .tdl-slider").fill(str(step))
        assert clocks(board) == [step + 1] * 3
    assert len(page_log.asked) == before
    screenshot(board, "trajectory-compare")
    board.locator(".tdl-bench select").last.select_option("none")
    expect(board.locator(".tdl-pane").nth(1)).to_be_hidden()


def test_a_new_run_comes_to_the_board_and_a_kept_one_can_stand_beside_it(board):
    board.get_by_role("tab", name="Generate").click()
    for _ in range(2):
        board.locator(".tdl-example", has_text="16 fast steps").click()
        board.wait_for_function("document.querySelector('#player .tdl').tracePlayer.run.frames")
        state(board, "Done")
    board.get_by_role("tab", name="Trajectory").click()
    board.wait_for_function(f"{BOARD}.lives.steps === 16")
    kept = board.locator(".tdl-bench select").last
    kept.select_option(index=1)
    board.wait_for_function(f"{BOARD}.others")


def test_trace_files_are_played_and_others_refused_and_pictures_can_be_kept(board, tmp_path):
    trace = json.loads(board.evaluate(f"JSON.stringify({BOARD}.first.message.trace)"))
    (tmp_path / "mine.json").write_text(json.dumps(trace))
    (tmp_path / "other.json").write_text('{"format": 1}')
    file = board.locator("#board input[type=file]")
    file.set_input_files(tmp_path / "mine.json")
    board.wait_for_function(f"{BOARD}.first.message.note === 'mine.json'")
    for name, start in (("GIF", b"GIF89a"), ("SVG", b"<svg"), ("PNG", b"\x89PNG")):
        with board.expect_download() as download:
            board.locator(".tdl-board .tdl-tool", has_text=name).click()
        kept = Path(download.value.path()).read_bytes()
        assert kept.startswith(start)
        if name == "SVG":                                # the marks of commitment have a frame, to be seen on cells of any colour
            assert 0 < kept.count(b'height="2.5"') == kept.count(b'height="4.5"')
    file.set_input_files(tmp_path / "other.json")
    expect(board.locator(".tdl-board .tdl-alert")).to_contain_text("not a trace of this lab")


def test_a_saved_page_plays_both_boards_without_a_server(board, browser_context, page_log):
    trace = json.loads(board.evaluate(f"JSON.stringify({BOARD}.first.message.trace)"))
    board.evaluate(f"trace => {BOARD}.open({{kind: 'trace', id: '', note: '</script><b>', trace}}, true)", trace)
    board.wait_for_function(f"{BOARD}.others")
    board.locator(".tdl-bench select").first.select_option(index=1)
    board.locator(".tdl-board .tdl-mode", has_text="Entropy").click()
    with board.expect_download() as download:
        board.locator(".tdl-board .tdl-tool", has_text="Save page").click()
    saved, before = browser_context.new_page(), len(page_log.asked)
    saved.set_content(Path(download.value.path()).read_text(encoding="utf-8"))
    saved.wait_for_function(f"{BOARD}?.others")
    expect(saved.locator(".tdl-pane-title").nth(1)).to_contain_text("</script><b>")
    assert saved.evaluate(f"[{BOARD}.sample, {BOARD}.mode, {BOARD}.lives.run.seeds]") == [1, "entropy", [3, 4]]
    saved.locator(".tdl-slider").fill("0")
    saved.get_by_role("button", name="Play").click()
    saved.wait_for_function(f"{BOARD}.frame === 23 && {BOARD}.two.frame === 23")
    expect(saved.locator(".tdl-tool", has_text="Save page")).to_be_hidden()
    assert len(page_log.asked) == before
    assert not faint(saved)
    assert not faint(dark_page(saved))
    saved.wait_for_function(f"{BOARD}.ink.paper === '#1b1c1c'")         # the canvas too


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_only_the_board_scrolls_sideways(board, screenshot, scheme):
    board.emulate_media(color_scheme=scheme)
    board.set_viewport_size({"width": 390, "height": 844})
    board.wait_for_timeout(300)
    assert board.evaluate("document.documentElement.scrollWidth") <= 390
    assert board.evaluate(f"{BOARD}.one.columnWidth") >= 46
    screenshot(board, f"trajectory-phone-{scheme}")
