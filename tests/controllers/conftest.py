"""Controllers are tested with readers and an analyser of a small grammar."""

import pytest

from tests.controllers import grammar


@pytest.fixture(scope="session")
def fitted_readers(tmp_path_factory):
    """A folder with a reader of each kind for the small world."""
    return grammar.fitted(tmp_path_factory.mktemp("readers"))


@pytest.fixture(autouse=True)
def small_grammar(monkeypatch, fitted_readers):
    """Readers and analysers of the small world instead of the shipped ones."""
    grammar.install(monkeypatch, fitted_readers)
