"""The examples for programs run against the running app, as they stand in the documentation."""

import re
from pathlib import Path

import pytest

API = Path(__file__).resolve().parents[2] / "docs" / "API.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", API.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_every_example_of_the_documentation_runs(app_url, capsys):
    names: dict[str, object] = {}
    assert len(BLOCKS) > 4
    for block in BLOCKS:
        exec(compile(block.replace("http://127.0.0.1:7860", app_url), str(API), "exec"), names)
    printed = capsys.readouterr().out
    assert "1 of 16" in printed and "9 words" in printed
    assert "diffusion-lm ['ancestral'" in printed and "length 12" in printed
    assert re.search(r"SEDD \d+% of the signal", printed)
    assert f"{app_url}?trace=opening" in printed


def test_a_mistake_is_a_sentence_for_the_program(app_url):
    from gradio_client import Client
    from gradio_client.exceptions import AppError

    lab = Client(app_url, verbose=False)
    with pytest.raises(AppError, match="no sentence"):
        lab.predict(text=" ", api_name="/noise")
    last = list(lab.submit(steps=0, api_name="/generate"))[-1]
    assert '"kind":"error"' in last and "steps" in last
