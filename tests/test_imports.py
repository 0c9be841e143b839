"""The import rules hold in every file, and the checker that says so finds planted violations."""

from pathlib import Path

import pytest

from tests.support.imports import module_names, project_files, violations

ROOT = Path(__file__).resolve().parent.parent
KNOWN = module_names(ROOT)
FILES = [file.relative_to(ROOT).as_posix() for file in project_files(ROOT)]
PLANTED_TREE = frozenset({"diffusion", "diffusion.core", "diffusion.core.beliefs", "diffusion.sedd", "diffusion.rdlm",
                          "controllers", "controllers.base", "ui", "ui.studio", "ui.forms", "ui.tab_studio", "training",
                          "training.recipes"})  # fmt: skip

BROKEN = [
    ("diffusion/core/vocab.py", "import torch\nimport transformers", 2, "transformers only inside functions"),
    ("diffusion/core/loop.py", "def f():\n    import transformers", 2, "not import transformers"),
    ("diffusion/nn/backbone.py", "import einops", 1, "not import einops"),
    ("diffusion/core/loop.py", "from diffusion.sedd import Sedd", 1, "diffusion.sedd"),
    ("diffusion/core/loop.py", "from .. import sedd", 1, "diffusion.sedd"),
    ("diffusion/core/loop.py", "from diffusion import PAPERS", 1, "may not import diffusion"),
    ("diffusion/sedd.py", "from . import rdlm", 1, "diffusion.rdlm"),
    ("diffusion/sedd.py", "from .rdlm import Rdlm", 1, "diffusion.rdlm"),
    ("diffusion/sedd.py", "import transformers", 1, "not import transformers"),
    ("diffusion/__init__.py", "from controllers import base", 1, "controllers.base"),
    ("controllers/length.py", "from diffusion import sedd", 1, "diffusion.sedd"),
    ("controllers/length.py", "if TYPE_CHECKING:\n    from diffusion.sedd import Sedd", 2, "diffusion.sedd"),
    ("controllers/length.py", "import importlib\nimportlib.import_module('ui.studio')", 2, "ui.studio"),
    ("controllers/length.py", "import training.recipes", 1, "training.recipes"),
    ("controllers/linguistics/tagger.py", "import spacy", 1, "spacy only inside functions"),
    ("controllers/linguistics/parser.py", "class P:\n    import benepar", 2, "benepar only inside functions"),
    ("controllers/linguistics/parser.py", "try:\n    from nltk import Tree\nfinally:\n    pass", 2, "nltk only"),
    ("controllers/pos.py", "def f():\n    import spacy", 2, "not import spacy"),
    ("training/loop.py", "def f():\n    from ui import studio", 2, "ui.studio"),
    ("training/loop.py", "from torch import nn\nimport tensorboard", 2, "tensorboard only inside functions"),
    ("ui/studio.py", "import gradio as gr", 1, "not import gradio"),
    ("ui/studio.py", "from ui import forms", 1, "ui.forms"),
    ("ui/figures.py", "from .tab_studio import build", 1, "ui.tab_studio"),
    ("ui/cli.py", "from training import recipes", 1, "training.recipes"),
    ("ui/tab_studio.py", "import torch", 1, "not import torch"),
    ("ui/forms.py", "from diffusion.core import beliefs", 1, "diffusion.core.beliefs"),
    ("app.py", "from diffusion import PAPERS", 1, "may not import diffusion"),
    ("app.py", "import os\nimport gradio\ntry:\n    import spaces\nfinally:\n    pass", 4, "spaces"),
    ("ui.py", "import os", 1, "belongs to no area"),
]
ALLOWED = [
    ("diffusion/core/vocab.py", "def f():\n    from transformers import PreTrainedTokenizerFast"),
    ("diffusion/core/loop.py", "from __future__ import annotations\nimport json, torch\nfrom .beliefs import Belief"),
    ("diffusion/autoregressive.py", "from transformers import GPT2Config"),
    ("diffusion/sedd.py", "import torch.nn.functional as F\nfrom diffusion.core import beliefs"),
    ("diffusion/__init__.py", "from . import sedd\nfrom diffusion.core.beliefs import Belief"),
    ("controllers/length.py", "from diffusion.core.beliefs import Belief\nfrom controllers.base import Controller"),
    ("controllers/linguistics/tagger.py", "def load():\n    import spacy\n    from nltk import Tree"),
    ("controllers/linguistics/tagger.py", "if TYPE_CHECKING:\n    import spacy"),
    ("training/loop.py", "from accelerate import Accelerator\nfrom diffusion import sedd\nfrom .recipes import A"),
    ("training/loop.py", "def f():\n    from torch.utils.tensorboard import SummaryWriter\n    import tensorboard"),
    ("ui/studio.py", "from diffusion import PAPERS\nfrom controllers import CONTROLLERS\nfrom ui import figures"),
    ("ui/tab_studio.py", "import gradio as gr\nfrom ui import forms, studio"),
    ("app.py", "import os\ntry:\n    import spaces\nfinally:\n    pass\nfrom ui import cli, tab_studio"),
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
