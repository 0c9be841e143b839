"""Constituency trees by benepar's ChartParser, of words as this project splits them.

Our parsers are kept as safetensors and JSON and turned into benepar's object when they are loaded; nothing is unpickled.
benepar, and transformers with it, are imported when the first parser is loaded.

Source: Kitaev and Klein 2018, arXiv 1805.01052; benepar 0.2.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from controllers.linguistics import bundled
from controllers.linguistics.brackets import ROOT, Tree
from diffusion.core.errors import StudioError

if TYPE_CHECKING:
    from benepar.parse_chart import ChartParser

WEIGHTS, CONFIG = "model.safetensors", "config.json"
_WORDS_AT_ONCE = 1000
# One sign for what is written in several ways, as in benepar's plugin; and prices in one currency, as spaCy's norms have it.
_PLAIN = {"`": "'", "‘": "'", "’": "'", "‹": "'", "›": "'", "«": '"', "»": '"', "“": '"', "”": '"', "„": '"', "—": "-",
          "–": "-", "£": "$", "€": "$"}


def plain(words: Sequence[str]) -> list[str]:
    """Words as the parser reads them, now and in training: with plain quotation marks, dashes and one currency."""
    return [_PLAIN.get(word, word) for word in words]


@dataclass(frozen=True)
class Example:
    """A sentence in the form that benepar asks for (its `BaseInputExample`); `tree` is nltk's, or None."""

    words: list[str]
    tree: Any = None

    @property
    def space_after(self) -> list[bool]:
        """White space after every word: ours are split."""
        return [True] * len(self.words)

    def leaves(self) -> list[str]:
        """The words of the tree."""
        return self.words

    def pos(self) -> list[tuple[str, str]]:
        """Words with their tags, unknown ones without a tree."""
        return self.tree.pos() if self.tree is not None else [(word, "UNK") for word in self.words]


class Parser:
    """A benepar parser that is given our words, so that its leaves are they.

    Args:
        model: benepar's object.
        name: how messages call it.
    """

    def __init__(self, model: ChartParser, name: str) -> None:
        self.model, self.name = model.eval(), name

    @classmethod
    def load(cls, name: str | Path) -> Parser:
        """A shipped parser ("labeller", "judge"), a folder that `save` wrote, or a model of benepar's by name or path.

        Raises:
            StudioError: benepar or the model is not there; the sentence says what to install.
        """
        folder = bundled.locate(name, "parser")
        _package()
        if folder is not None and (folder / WEIGHTS).is_file() and not (folder / "benepar_model.bin").is_file():
            return cls(_built(folder), str(name))
        return cls(_foreign(str(name)), str(name))

    def save(self, folder: Path) -> None:
        """Writes the weights, rounded to 16 bits, and what they are built into."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {key: value.detach().cpu().half().contiguous() for key, value in self.model.state_dict().items()}
        save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
        (folder / CONFIG).write_text(json.dumps(self.model.config, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

    @property
    def longest(self) -> int | None:
        """The number of words that a sentence may have; None where the model does not say."""
        positions = self.model.add_timing
        return None if positions is None else positions.timing_table.shape[0] - 2

    def parse(self, sentences: Sequence[Sequence[str]]) -> list[Tree]:
        """The tree of each sentence, with the root `TOP`, its leaves the words that were given.

        Raises:
            StudioError: a sentence has no word, or more than the parser takes.
        """
        for words in sentences:
            if not words or (self.longest is not None and len(words) > self.longest):
                raise StudioError(f"The parser '{self.name}' takes sentences of 1 to {self.longest or 'some hundred'} words; "
                                  f"one has {len(words)}. Split the text, or give another parser.")
        examples = [Example(plain(words)) for words in sentences]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*arg_constraints.*")         # torch_struct's distributions
            trees = self.model.parse(examples, subbatch_max_tokens=_WORDS_AT_ONCE)
        read = (from_nltk(tree) for tree in trees)
        return [tree.with_leaves(zip(words, tree.tags(), strict=True)) for tree, words in zip(read, sentences, strict=True)]


def from_nltk(tree: Any) -> Tree:
    """Our tree of nltk's."""
    return Tree(tree.label(), tuple(child if isinstance(child, str) else from_nltk(child) for child in tree))


def to_nltk(tree: Tree) -> Any:
    """nltk's tree of ours, with the root that benepar takes away."""
    from nltk import Tree as Nltk

    def turned(node: Tree | str) -> Any:
        return node if isinstance(node, str) else Nltk(node.label, [turned(child) for child in node.children])
    return Nltk(ROOT, [turned(child) for child in (tree.children if tree.label in ("ROOT", ROOT, "") else (tree,))])


def chart_parser(config: dict[str, Any]) -> ChartParser:
    """benepar's parser of a configuration, with random weights."""
    _package()
    from benepar.nkutil import HParams
    from benepar.parse_chart import ChartParser

    return ChartParser(**{**config, "hparams": HParams(**config["hparams"])})


def _package() -> None:
    """Imports benepar and mends what the pinned transformers took from it.

    Raises:
        StudioError: it is not installed.
    """
    try:
        import benepar  # noqa: F401
    except ImportError as error:
        raise StudioError(f"Syntax trees need benepar, which cannot be imported ({error}). "
                          f"Install it: pip install benepar.") from error
    from transformers import PreTrainedTokenizerBase

    # transformers 5 dropped this method of its tokenizers. benepar 0.2 calls it once to see where a pretrained encoder
    # wants its special tokens; without it benepar_en3 and its like cannot be built (self-attentive-parser, issue 111).
    if not hasattr(PreTrainedTokenizerBase, "build_inputs_with_special_tokens"):
        PreTrainedTokenizerBase.build_inputs_with_special_tokens = _with_special_tokens


def _with_special_tokens(tokenizer: Any, ids: list[int]) -> list[int]:
    """The ids between those that the tokenizer puts around a text."""
    bare = tokenizer.encode("a", add_special_tokens=False)
    full = tokenizer.encode("a", add_special_tokens=True)
    first = next(index for index in range(len(full)) if full[index:index + len(bare)] == bare)
    return [*full[:first], *ids, *full[first + len(bare):]]


def _built(folder: Path) -> ChartParser:
    """The parser of a folder that `Parser.save` wrote.

    Raises:
        StudioError: a file is missing or damaged, or the two do not belong together.
    """
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        weights = load_file(folder / WEIGHTS)
        model = chart_parser(config)
        model.load_state_dict({key: value.float() for key, value in weights.items()})
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RuntimeError, SafetensorError) as error:
        raise StudioError(f"'{folder}' holds no parser that could be built ({type(error).__name__}: "
                          f"{' '.join(str(error).split())[:200]}). Its {CONFIG} and {WEIGHTS} must be of one training.") from error
    return model


def _foreign(name: str) -> ChartParser:
    """A parser of benepar's own format. torch reads it without running anything that is in it.

    Raises:
        StudioError: there is none of that name or path, or it cannot be read.
    """
    from benepar.integrations.downloader import load_trained_model

    try:
        return load_trained_model(name)
    except LookupError as error:
        raise StudioError(f"There is no benepar parser '{name}'. Install one (python -c \"import benepar; "
                          f"benepar.download('benepar_en3')\"), give its path, or use one of "
                          f"{', '.join(bundled.ROLES)}.") from error
    except Exception as error:
        raise StudioError(f"The benepar parser '{name}' cannot be read ({type(error).__name__}: "
                          f"{' '.join(str(error).split())[:200]}). Give a model that benepar 0.2 wrote.") from error
