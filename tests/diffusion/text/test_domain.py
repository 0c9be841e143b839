"""A domain's folder says what it is, and every mistake in it is one sentence that names file, rule and way out."""

import json

import pytest

from diffusion.core.errors import StudioError
from diffusion.text import domain
from diffusion.text.domain import FILE, Domain
from ui.service import assets

SAID = {"format": 1, "title": "Birds", "description": "What birds do.", "language": "en", "licence": "CC0 1.0",
        "source": "made for a test", "tokenizer": "words", "length": 24}


def folder(tmp_path, **changes):
    values = {name: value for name, value in {**SAID, **changes}.items() if value is not None}
    (tmp_path / FILE).write_text(json.dumps(values), encoding="utf-8")
    return tmp_path


def test_a_folder_is_read_with_the_places_of_its_parts(tmp_path):
    found = domain.locate(str(folder(tmp_path)))
    assert (found.title, found.length, found.name) == ("Birds", 24, tmp_path.name)
    parts = [found.checkpoints, found.probes, found.maps, found.traces, found.results]
    assert [part.name for part in parts] == ["checkpoints", "probes", "maps", "traces", "results"]
    assert {part.parent for part in parts} == {tmp_path}


@pytest.mark.parametrize(("changes", "said"), [
    ({"title": None}, "lacks 'title'"), ({"titel": "Birds"}, "'titel'"), ({"format": 2}, "reads format 1"),
    ({"length": "24"}, "whole number"), ({"length": True}, "whole number"), ({"length": 1}, "2 to 4096"),
    ({"description": ""}, "not empty"), ({"tokenizer": "syllables"}, "words or characters"), ({"title": ["a"] * 99}, "got ['a'")])
def test_a_mistake_names_file_and_rule(tmp_path, changes, said):
    with pytest.raises(StudioError) as raised:
        Domain.open(folder(tmp_path, **changes))
    sentence = str(raised.value)
    assert said in sentence
    assert FILE in sentence
    assert len(sentence.replace(str(tmp_path), "")) < 300 and "\n" not in sentence


@pytest.mark.parametrize("text", ["", "[]", "{", "\udc80", "[" * 100_000])
def test_a_damaged_file_is_one_sentence(tmp_path, text):
    (tmp_path / FILE).write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(StudioError, match=FILE):
        Domain.open(tmp_path)


def test_an_unknown_name_names_the_bundled_domains():
    with pytest.raises(StudioError, match=domain.names()[0]):
        domain.locate("no such domain")


def test_the_light_way_to_the_bundled_domain_is_the_same():
    assert domain.bundled().folder == assets.DOMAIN
    assert domain.bundled().traces == assets.TRACES
