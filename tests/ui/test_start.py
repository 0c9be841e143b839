"""The page is built without what only a figure, a map, a tagger or training needs, so that the server answers soon."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NOT_FOR_THE_PAGE = {"accelerate", "benepar", "matplotlib", "nltk", "numba", "plotly", "scipy", "sklearn", "spacy", "tensorboard",
                    "transformers", "umap"}


def test_building_the_page_imports_nothing_heavy_that_it_does_not_need():
    code = "import sys; from app import build_app; from ui.service.studio import Studio; build_app(Studio()); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    modules = set(done.stdout.splitlines()[-1].split())
    assert {"gradio", "ui.tabs.embedding"} <= modules
    assert not NOT_FOR_THE_PAGE & modules
