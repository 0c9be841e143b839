"""Parts of speech by a spaCy pipeline, of words as this project splits them.

spaCy and what it needs are imported when the first pipeline is loaded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from controllers.linguistics import bundled
from diffusion.core.errors import StudioError

if TYPE_CHECKING:
    from spacy.language import Language


@dataclass(frozen=True, slots=True)
class Tagged:
    """Tags of words.

    Attributes:
        universal: a part of speech for each word: NOUN, VERB, ...
        penn: the finer tag of the Penn Treebank: NNS, VBZ, ...
        starts: the first word of each sentence, where the pipeline finds sentences itself; else None.
    """

    words: tuple[str, ...]
    universal: tuple[str, ...]
    penn: tuple[str, ...]
    starts: tuple[int, ...] | None = None


class Tagger:
    """A spaCy pipeline that is given our words, so that its tags fit them one to one.

    Args:
        pipeline: what tags; it must set universal and Penn tags.
        name: how messages call it.
    """

    def __init__(self, pipeline: Language, name: str) -> None:
        self.pipeline, self.name = pipeline, name

    @classmethod
    def load(cls, name: str | Path) -> Tagger:
        """A shipped tagger ("labeller", "judge"), a folder that spaCy wrote, or an installed pipeline by its name.

        Raises:
            StudioError: spaCy or the pipeline is not installed; the sentence says what to install.
        """
        folder = bundled.locate(name, "tagger")
        try:
            import spacy
        except ImportError as error:
            raise StudioError("Parts of speech need spaCy, which is not installed. Install it: pip install spacy.") from error
        try:
            return cls(spacy.load(folder or str(name)), str(name))
        except OSError as error:
            if folder is not None:
                raise StudioError(f"'{folder}' is no whole spaCy pipeline ({error}). Give a folder that spaCy's to_disk "
                                  f"wrote.") from error
            raise StudioError(f"There is no spaCy pipeline '{name}'. Install it (python -m spacy download {name}), give "
                              f"a folder, or use one of {', '.join(bundled.ROLES)}.") from error
        except (ValueError, ImportError) as error:
            raise StudioError(f"The spaCy pipeline '{name}' cannot be loaded ({' '.join(str(error).split())[:200]}). "
                              f"Install what it needs, and the version that fits this spaCy.") from error

    def tag(self, rows: Iterable[Sequence[str]]) -> list[Tagged]:
        """Tags of each row of words; a row may hold several sentences.

        Raises:
            StudioError: the pipeline leaves words without tags.
        """
        from spacy.tokens import Doc

        documents = [Doc(self.pipeline.vocab, words=list(words)) for words in rows]
        tagged = []
        for document in self.pipeline.pipe(documents):
            universal = tuple(word.pos_ for word in document)
            penn = tuple(word.tag_ for word in document)
            for kind, tags in (("universal", universal), ("Penn", penn)):
                if not all(tags):
                    raise StudioError(f"The spaCy pipeline '{self.name}' gives '{document[tags.index('')]}' no {kind} "
                                      f"tag. Use a pipeline with a tagger and parts of speech, like en_core_web_sm.")
            own = document.has_annotation("SENT_START")
            starts = tuple(word.i for word in document if word.is_sent_start) if own else None
            tagged.append(Tagged(tuple(word.text for word in document), universal, penn, starts))
        return tagged
