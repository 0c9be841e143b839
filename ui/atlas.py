"""Maps of the words of papers: what the embedding tab asks of the studio. No gradio here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ui import space, views
from ui.messages import attempt
from ui.order import mistake
from ui.space import Course, Projection, WordSpace

if TYPE_CHECKING:
    from diffusion import Trace
    from ui.studio import Studio

CAPTIONS = {"pca2": "The two axes along which the words differ most.", "pca3": "The three axes along which the words differ most.",
            "umap": "UMAP keeps neighbourhoods; distances between far groups mean little.",
            "tsne": "t-SNE keeps neighbourhoods; distances between far groups mean little."}


class Atlas:
    """Spaces, projections and colours of the papers of a studio, each computed once."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self._spaces: dict[str, WordSpace] = {}
        self._projections: dict[tuple[str, str], Projection] = {}

    def space(self, slug: str) -> WordSpace:
        """The words of a paper with their vectors.

        Raises:
            StudioError: the paper has no vectors of single words, or its checkpoint is missing.
        """
        if slug not in self._spaces:
            model = self.studio.model(slug)
            vectors, about, diffuses = views.vectors_of(model)
            self._spaces[slug] = WordSpace(tuple(model.vocab.words), vectors, about, diffuses)
        return self._spaces[slug]

    def projection(self, slug: str, view: str) -> Projection:
        """A projection by its name: computed here, or stored with the checkpoint.

        Raises:
            StudioError: it is not stored for this checkpoint; the command that computes it is named.
        """
        key = slug, view
        if key not in self._projections:
            if view.startswith("pca"):
                self._projections[key] = space.pca(self.space(slug).vectors, int(view[-1]))
            else:
                stored = space.stored(slug, self.studio.digest(slug))
                if view not in stored:
                    raise mistake(f"There is no {view} map of this checkpoint of '{slug}'. "
                                  f"Compute it: python -m training maps --paper {slug}.")
                self._projections[key] = stored[view]
        return self._projections[key]

    def groups(self, slug: str, colour: str) -> list[str]:
        """The group of every word, by which it is coloured.

        Raises:
            StudioError: the table of parts of speech is not here, or is of other words.
        """
        words = self.space(slug).words
        if colour == "slot":
            return space.by_slot(words, self.studio.labels(slug))
        if colour != "tag":
            return [""] * len(words)
        from controllers.reader import Reader

        reader = Reader.load("tags")
        if reader.vocab != self.studio.context(slug).vocab.fingerprint:
            raise mistake("The table of parts of speech is of other words than this paper's. Colour by slot, or by nothing.")
        return space.by_tag(reader.lexicon.numpy(), reader.config.lexicon)

    def map(self, slug: str, view: str, colour: str, search: str, trace: Trace | None) -> tuple[dict[str, Any], str]:
        """The figure of the map and its caption.

        Raises:
            StudioError: there is no such map, or the word that was searched is not one of the model's.
        """
        words, projection = self.space(slug), self.projection(slug, view)
        found = self._found(words, search)
        run = sorted({int(index) for index in np.unique(trace.ids)} - {0, 1, 2}) if trace and trace.info["paper"] == slug else []
        groups, uncoloured = attempt(lambda: self.groups(slug, colour))
        figure = space.figure(words, projection, groups or [""] * len(words.words), found, run)
        return figure, f"{words.about} {CAPTIONS[view]} {uncoloured}".rstrip()

    def _found(self, words: WordSpace, search: str) -> list[int]:
        wanted = search.strip().casefold()
        if not wanted:
            return []
        exact = [index for index, word in enumerate(words.words) if word.casefold() == wanted]
        part = [index for index, word in enumerate(words.words) if index >= space.SPECIALS and wanted in word.casefold()]
        if not exact and not part:
            from diffusion.core.errors import nearest

            raise mistake(f"The model knows no word like '{search.strip()[:40]}'. "
                          f"The nearest: {nearest(search.strip()[:40], words.words)}.")
        return exact or part[:24]

    def near(self, slug: str, index: int) -> tuple[str, list[tuple[str, float]]]:
        """A word with its nearest others.

        Raises:
            StudioError: there is no such word.
        """
        words = self.space(slug)
        if not 0 <= index < len(words.words):
            raise mistake("Click a point to see its neighbours.")
        found = space.neighbours(words, words.vectors[index], 10)
        return words.words[index], [pair for pair in found if pair[0] != words.words[index]][:9]

    def caught(self, slug: str, places: Sequence[int], trace: Trace | None) -> list[tuple[str, bool]]:
        """The words of a selection, each with whether it stands in the run; those that do come first."""
        words = self.space(slug).words
        run = {int(index) for index in np.unique(trace.ids)} if trace and trace.info["paper"] == slug else set()
        found = sorted({place for place in places if 0 <= place < len(words)}, key=lambda place: (place not in run, place))
        return [(words[place], place in run) for place in found]

    def follow(self, trace: Trace, view: str, colour: str, sample: int, position: int) -> tuple[dict[str, Any], str, list[tuple]]:
        """The map with the way of one position of a run's sample, counted from 1, and what it was nearest to at each step.

        The run is made again, which gives the same text, since traces keep words and not vectors.

        Raises:
            StudioError: the run has no such sample or position, or its paper has no path through this space.
        """
        slug = trace.info["paper"]
        words = self.space(slug)
        if not words.diffuses:
            raise mistake(f"A position of '{slug}' has no path through this space. {words.about} Run Diffusion-LM or SeqDiffuSeq.")
        views.check(trace, sample, position)
        course = self.course(trace, sample - 1)
        projection, told = self.projection(slug, view), space.journey(words, course, position - 1)
        groups, _ = attempt(lambda: self.groups(slug, colour))
        figure = space.figure(words, projection, groups or [""] * len(words.words))
        rows = [(step + 1, words.words[told["x"][step]], float(told["x distance"][step]), words.words[told["x0_hat"][step]],
                 float(told["x0_hat distance"][step]), step > 0 and told["x0_hat"][step] != told["x0_hat"][step - 1])
                for step in range(len(course.ids))]
        note = (f"Position {position} of sample {sample}: grey is the noisy point x_t, in colour what the model predicts of it. "
                + ("" if projection.axes is not None else "On this map a vector stands at its nearest word."))
        return space.with_path(figure, words, projection, course, position - 1), note, rows

    def course(self, trace: Trace, sample: int) -> Course:
        """The vectors of one sample of a run, by running it again with its own seed.

        Raises:
            StudioError: the order of the run cannot be read or run, or the text came out otherwise.
        """
        taken = views.again(self.studio, trace, sample, lambda step: (
            step.state.x[0].cpu().numpy().astype("f2"), step.state.x0_hat[0].cpu().numpy().astype("f2"),
            step.ids[0].cpu().numpy(), step.t))
        x, x0_hat, ids, times = zip(*taken, strict=True)
        return Course(np.stack(x), np.stack(x0_hat), np.stack(ids), times)
