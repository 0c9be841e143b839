"""The import rules hold in every file, and the checker that says so finds planted violations."""

from pathlib import Path

import pytest

from tests.support.imports import module_names, project_files, violations

ROOT = Path(__file__).resolve().parent.parent
KNOWN = module_names(ROOT)
FILES = [file.relative_to(ROOT).as_posix() for file in project_files(ROOT)]
PLANTED_TREE = frozenset({"diffusion", "diffusion.core", "diffusion.core.beliefs", "diffusion.papers", "diffusion.papers.sedd",
                          "diffusion.papers.rdlm", "controllers", "controllers.base", "ui", "ui.service", "ui.service.studio",
                          "ui.components", "ui.components.forms", "ui.plots", "ui.plots.figures", "ui.tabs", "ui.tabs.generate",
                          "training", "training.recipes"})  # fmt: skip

BROKEN = [
    ("diffusion/core/loop.py", "def f():\n    import transformers", 2, "not import transformers"),
    ("diffusion/text/vocab.py", "import torch\nimport transformers", 2, "transformers only inside functions"),
    ("diffusion/nn/backbone.py", "import einops", 1, "not import einops"),
    ("diffusion/core/loop.py", "from diffusion.papers.sedd import Sedd", 1, "diffusion.papers.sedd"),
    ("diffusion/core/loop.py", "from ..papers import sedd", 1, "diffusion.papers.sedd"),
    ("diffusion/core/loop.py", "from diffusion import PAPERS", 1, "may not import diffusion"),
    ("diffusion/papers/sedd.py", "from . import rdlm", 1, "diffusion.papers.rdlm"),
    ("diffusion/papers/sedd.py", "from .rdlm import Rdlm", 1, "diffusion.papers.rdlm"),
    ("diffusion/papers/sedd.py", "import sklearn", 1, "not import sklearn"),
    ("diffusion/__init__.py", "from controllers import base", 1, "controllers.base"),
    ("controllers/length.py", "from diffusion.papers import sedd", 1, "diffusion.papers.sedd"),
    ("controllers/length.py", "if TYPE_CHECKING:\n    from diffusion.papers.sedd import Sedd", 2, "diffusion.papers.sedd"),
    ("controllers/length.py", "import importlib\nimportlib.import_module('ui.service.studio')", 2, "ui.service.studio"),
    ("controllers/length.py", "import training.recipes", 1, "training.recipes"),
    ("controllers/linguistics/tagger.py", "import spacy", 1, "spacy only inside functions"),
    ("controllers/linguistics/parser.py", "class P:\n    import benepar", 2, "benepar only inside functions"),
    ("controllers/linguistics/parser.py", "try:\n    from nltk import Tree\nfinally:\n    pass", 2, "nltk only"),
    ("controllers/pos.py", "def f():\n    import spacy", 2, "not import spacy"),
    ("training/loop.py", "def f():\n    from ui.service import studio", 2, "ui.service.studio"),
    ("training/loop.py", "from torch import nn\nimport tensorboard", 2, "tensorboard only inside functions"),
    ("ui/service/studio.py", "import gradio as gr", 1, "not import gradio"),
    ("ui/service/studio.py", "from ui.components import forms", 1, "ui.components.forms"),
    ("ui/plots/figures.py", "from ..tabs.generate import build", 1, "ui.tabs.generate"),
    ("ui/plots/figures.py", "from ui.service import studio", 1, "ui.service.studio"),
    ("ui/cli.py", "from training import recipes", 1, "training.recipes"),
    ("ui/tabs/generate.py", "import torch", 1, "not import torch"),
    ("ui/components/forms.py", "from diffusion.core import beliefs", 1, "diffusion.core.beliefs"),
    ("app.py", "from diffusion import PAPERS", 1, "may not import diffusion"),
    ("app.py", "import os\nimport gradio\ntry:\n    import spaces\nfinally:\n    pass", 4, "spaces"),
    ("other.py", "import os", 1, "belongs to no folder"),
]
ALLOWED = [
    ("diffusion/text/vocab.py", "def f():\n    from transformers import PreTrainedTokenizerFast"),
    ("diffusion/core/loop.py", "from __future__ import annotations\nimport json, torch\nfrom .beliefs import Belief"),
    ("diffusion/papers/autoregressive.py", "from transformers import GPT2Config"),
    ("diffusion/papers/sedd.py", "import torch.nn.functional as F\nfrom diffusion.core import beliefs"),
    ("diffusion/__init__.py", "from .papers import sedd\nfrom diffusion.core.beliefs import Belief"),
    ("controllers/length.py", "from diffusion.core.beliefs import Belief\nfrom controllers.base import Controller"),
    ("controllers/linguistics/tagger.py", "def load():\n    import spacy\n    from nltk import Tree"),
    ("controllers/linguistics/tagger.py", "if TYPE_CHECKING:\n    import spacy"),
    ("training/loop.py", "from accelerate import Accelerator\nfrom diffusion.papers import sedd\nfrom .recipes import A"),
    ("training/loop.py", "def f():\n    from torch.utils.tensorboard import SummaryWriter\n    import tensorboard"),
    ("ui/service/studio.py", "from diffusion import PAPERS\nfrom controllers import CONTROLLERS\nfrom ui.plots import figures"),
    ("ui/tabs/generate.py", "import gradio as gr\nfrom ui.components import forms\nfrom ui.service import studio"),
    ("app.py", "import os\ntry:\n    import spaces\nfinally:\n    pass\nfrom ui.tabs import generate"),
]  # fmt: skip


@pytest.mark.parametrize("path", FILES)
def test_file_imports_only_what_its_layer_may(path):
    broken = violations(path, (ROOT / path).read_text(encoding="utf-8"), KNOWN)
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize(("path", "source", "line", "why"), BROKEN)
def test_checker_finds_a_planted_violation(path, source, line, why):
    found = violations(path, source, PLANTED_TREE)
    assert len(found) == 1, found
    assert found[0].startswith(f"{path}:{line}: ")
    assert why in found[0]


@pytest.mark.parametrize(("path", "source"), ALLOWED)
def test_checker_lets_an_allowed_import_pass(path, source):
    assert violations(path, source, PLANTED_TREE) == []
