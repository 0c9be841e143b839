"""What there is to choose from: papers and samplers as menus show them, read off their classes. No model is loaded for it."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from diffusion import DiffusionModel
    from diffusion.text.labels import LabelSet
    from diffusion.text.vocab import Vocabulary

MEGABYTE = 2**20


@dataclass(frozen=True)
class SamplerInfo:
    """A sampler as a menu shows it.

    Attributes:
        options: settings that it reads and not every sampler does, see `ui.service.options`.
        heeds_steps: its number of steps is the one that is asked for.
        usual_steps: a number of steps that serves it well.
    """

    slug: str
    title: str
    caption: str
    options: tuple[str, ...] = ()
    heeds_steps: bool = True
    usual_steps: int = 64


@dataclass(frozen=True)
class StrategyInfo:
    """A way of steering as a menu shows it; `options` are settings that it reads, see `ui.service.options`."""

    slug: str
    title: str
    caption: str
    options: tuple[str, ...]


@dataclass(frozen=True)
class PaperInfo:
    """A paper's checkpoint as a menu shows it; of a paper without one, the place where it would be.

    Attributes:
        slug: the checkpoint's name; a paper's first checkpoint is named as the paper.
        paper: slug of the paper.
        hard: masks of allowed words are honoured exactly.
        source: it reads a source text.
        available: its checkpoint is here, or it needs none.
        temperature: what it samples with unless told otherwise.
        megabytes: size of its weights on disk; 0 where there are none.
        strategies: the ways of steering that fit it, the common one first.
    """

    slug: str
    title: str
    caption: str
    samplers: tuple[SamplerInfo, ...]
    hard: bool
    source: bool
    available: bool
    temperature: float = 1.0
    megabytes: float = 0.0
    strategies: tuple[StrategyInfo, ...] = ()
    paper: str = ""

    def strategy(self, slug: str) -> StrategyInfo:
        """The strategy of a slug; the common one where none of that slug fits the paper."""
        return next((strategy for strategy in self.strategies if strategy.slug == slug), self.strategies[0])

    def sampler(self, slug: str) -> SamplerInfo:
        """The sampler of a slug; the paper's first where it has no such sampler."""
        return next((sampler for sampler in self.samplers if sampler.slug == slug), self.samplers[0])


def kind_of(slug: str, folder: Path) -> type[DiffusionModel]:
    """The paper of a checkpoint's name: what its folder says, else the paper of that name.

    Raises:
        StudioError: there is neither, or a folder named as one paper holds a checkpoint of another.
    """
    from diffusion import PAPERS
    from diffusion.core.checkpoint import CONFIG
    from diffusion.core.errors import StudioError, known_or_raise

    said = model_of(folder) if slug and slug not in (".", "..") and "/" not in slug and "\\" not in slug else None
    if slug in PAPERS and said in PAPERS and said != slug:
        raise StudioError(f"The folder '{slug}' holds a checkpoint of {PAPERS[said].title}, as its {CONFIG} says. "
                          f"Give the folder a name that is no paper's, such as '{said}-2'.")
    if said in PAPERS:
        return PAPERS[said]
    others = [path.name for path in further(folder.parent)]
    return PAPERS[known_or_raise("paper or checkpoint", slug, [*PAPERS, *others])]


def model_of(folder: Path) -> str | None:
    """The kind of model that a checkpoint's folder names, a paper's slug or `judge`; None where it cannot be read."""
    try:
        said = json.loads((folder / "config.json").read_text(encoding="utf-8"))["model"]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return said if isinstance(said, str) else None


def further(root: Path) -> list[Path]:
    """The folders of further checkpoints of papers: those that are not named as a paper."""
    from diffusion import PAPERS

    found = sorted(root.glob("*/config.json")) if root.is_dir() else []
    return [path.parent for path in found if path.parent.name not in PAPERS and model_of(path.parent) in PAPERS]


def papers(folder_of: Callable[[str], Path]) -> list[PaperInfo]:
    """All papers, those without a checkpoint included, and after each its further checkpoints.

    Args:
        folder_of: where the checkpoint of a slug would lie.
    """
    from controllers.base import foreign
    from controllers.strategies import STRATEGIES
    from diffusion import PAPERS, SAMPLERS

    strategies = [(kind, StrategyInfo(slug, kind.title, caption(kind), kind.options)) for slug, kind in STRATEGIES.items()]
    samplers = {slug: SamplerInfo(slug, kind.title, caption(kind), kind.options, kind.heeds_steps, kind.usual_steps)
                for slug, kind in SAMPLERS.items()}
    others = further(folder_of("any").parent)
    names = [(name, kind) for slug, kind in PAPERS.items()
             for name in (slug, *(path.name for path in others if model_of(path) == slug))]
    return [PaperInfo(name, kind.title if name == kind.slug else f"{kind.title} ({name})", caption(kind),
                      tuple(samplers[sampler] for sampler in kind.samplers), kind.hard, kind.source,
                      kind.weightless or folder_of(name).is_dir(), kind.temperature, megabytes(folder_of(name)),
                      tuple(info for strategy, info in strategies if not foreign(strategy, kind)), kind.slug)
            for name, kind in names]


def words_labels_length(folder: Path) -> tuple[Vocabulary, LabelSet, int]:
    """The words, labels and number of positions of a checkpoint, without its weights.

    Raises:
        StudioError: a file is missing or damaged.
    """
    from diffusion.core.checkpoint import CONFIG, LABELS, VOCAB
    from diffusion.core.errors import StudioError
    from diffusion.text.labels import LabelSet
    from diffusion.text.vocab import Vocabulary

    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))["config"]
        length = config.get("backbone", config)["length"]
    except (OSError, ValueError, LookupError, AttributeError) as error:
        raise StudioError(f"'{folder / CONFIG}' does not say how long a text is ({type(error).__name__}). "
                          f"Take it from the checkpoint that the weights are of.") from error
    return Vocabulary.load(folder / VOCAB), LabelSet.load(folder / LABELS), length


def caption(kind: type) -> str:
    """The class's docstring on one line, as visitors read it."""
    return " ".join((inspect.getdoc(kind) or "").split())


def megabytes(folder: Path) -> float:
    """Size of the weights in a checkpoint folder."""
    return sum(path.stat().st_size for path in folder.rglob("*.safetensors")) / MEGABYTE
