"""Maps of the words of papers: what the embedding tab asks of the studio. No gradio here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from diffusion import maps
from diffusion.maps import Projection, WordMaps
from ui.service import space, views
from ui.service.fitting import Fitting, Job
from ui.service.messages import attempt
from ui.service.run_spec import mistake
from ui.service.space import Course, WordSpace

if TYPE_CHECKING:
    from diffusion import Trace
    from ui.service.studio import Studio

LINEAR = "The {} axes along which the words differ most."
CURVED = "{} keeps neighbourhoods; distances between far groups mean little."


class Atlas:
    """Spaces, projections and colours of the papers of a studio, each computed once.

    What is stored with a checkpoint is shown without loading its model.
    """

    def __init__(self, studio: Studio, fitting: Fitting | None = None, folder: Path = maps.BUNDLED) -> None:
        self.studio, self._fitting, self._folder = studio, fitting or Fitting(), folder
        self._spaces: dict[str, WordSpace] = {}
        self._projections: dict[tuple[str, str], Projection] = {}
        self._stored: dict[str, WordMaps | None] = {}
        self._counts: dict[str, tuple[int, ...]] = {}

    def space(self, slug: str) -> WordSpace:
        """The words of a paper with their vectors; the model is loaded for it.

        Raises:
            StudioError: the paper has no vectors of single words, or its checkpoint is missing.
        """
        if slug not in self._spaces:
            model = self.studio.model(slug)
            vectors, diffuses = maps.vectors_of(model)
            self._spaces[slug] = WordSpace(tuple(model.vocab.words), vectors, views.about(diffuses), diffuses)
        return self._spaces[slug]

    def stored(self, slug: str) -> WordMaps | None:
        """What is stored of this very checkpoint; None where there is nothing."""
        if slug not in self._stored:
            digest = self.studio.digest(slug)
            self._stored[slug] = maps.read(self._folder / f"{slug}.json", digest) if digest else None
        return self._stored[slug]

    def words(self, slug: str) -> tuple[str, ...]:
        """The words of a paper, read without its weights.

        Raises:
            StudioError: its checkpoint is missing.
        """
        return tuple(self.studio.context(slug).vocab.words)

    def projection(self, slug: str, view: str) -> Projection | None:
        """A projection as it is shown: stored with the checkpoint, or computed; None where it is still being computed.

        Raises:
            StudioError: the paper has no vectors of single words, or the map could not be computed.
        """
        stored = self.stored(slug)
        found = stored.projection(view) if stored else None
        if found is not None or view.startswith("pca"):
            return found or self.exact(slug, view)
        points = self._job(slug, view).points
        return None if points is None else Projection(points)

    def exact(self, slug: str, view: str) -> Projection | None:
        """A projection that also places vectors which are no word's: of PCA with its axes, for which the model is loaded.

        Raises:
            StudioError: as `projection`.
        """
        if not view.startswith("pca"):
            return self.projection(slug, view)
        if (slug, view) not in self._projections:
            self._projections[slug, view] = maps.pca(self.space(slug).vectors, int(view[-1]))
        return self._projections[slug, view]

    def _job(self, slug: str, view: str) -> Job:
        return self._fitting.job(f"{slug}-{self.studio.digest(slug)}", view, self.space(slug).vectors)

    def waiting(self, slug: str, view: str) -> tuple[str, float | None]:
        """How far a map is that is being computed: a sentence, and the share of it that is done where that is known.

        Raises:
            StudioError: as `projection`.
        """
        job = self._job(slug, view)
        return job.sentence(f"{maps.METHODS[view[:-1]]} in {view[-1]}-D", len(self.words(slug))), job.share

    def counts(self, slug: str) -> tuple[int, ...]:
        """How often each word stands in the training texts.

        Raises:
            StudioError: it was not counted.
        """
        vocab = self.studio.context(slug).vocab.fingerprint
        if vocab not in self._counts:
            self._counts[vocab] = maps.counts(vocab, self._folder)
        if not any(self._counts[vocab]):
            raise mistake("How often this paper's words stand in the training texts was not counted: "
                          f"python -m training maps --paper {slug} --data FOLDER. Colour by slot, or by nothing.")
        return self._counts[vocab]

    def groups(self, slug: str, colour: str) -> list[str]:
        """The group of every word, by which it is coloured.

        Raises:
            StudioError: the table of parts of speech is not here, or is of other words.
        """
        words = self.words(slug)
        if colour == "slot":
            return space.by_slot(words, self.studio.labels(slug))
        if colour != "tag":
            return [""] * len(words)
        from controllers.probes.reader import Reader

        reader = Reader.load("tags")
        if reader.vocab != self.studio.context(slug).vocab.fingerprint:
            raise mistake("The table of parts of speech is of other words than this paper's. Colour by slot, or by nothing.")
        return space.by_tag(reader.lexicon.numpy(), reader.config.lexicon)

    def map(self, slug: str, view: str, colour: str, search: str, trace: Trace | None) -> tuple[dict[str, Any], str] | None:
        """The figure of the map and its caption; None where the map is still being computed.

        Raises:
            StudioError: there is no such map, or the word that was searched is not one of the model's.
        """
        projection, stored, words = self.projection(slug, view), self.stored(slug), self.words(slug)
        if projection is None:
            return None
        diffuses = stored.diffuses if stored else self.space(slug).diffuses
        kind = LINEAR.format({"2": "two", "3": "three"}[view[-1]]) if view.startswith("pca") else \
            CURVED.format(maps.METHODS[view[:-1]])
        coloured, why = self._coloured(slug, colour)
        run = sorted(self.of_run(slug, trace) - set(range(space.SPECIALS)))
        figure = space.figure(words, projection, **coloured, chosen=self._found(words, search), run=run)
        return figure, f"{views.about(diffuses)} {kind} {why}".rstrip()

    def _coloured(self, slug: str, colour: str) -> tuple[dict[str, Any], str]:
        """By what the words are coloured, as `space.figure` takes it; and why they are not."""
        if colour == "frequency":
            counts, why = attempt(lambda: self.counts(slug))
            return {"counts": counts or ()}, why
        groups, why = attempt(lambda: self.groups(slug, colour))
        return {"groups": groups or ()}, why

    def _found(self, words: Sequence[str], search: str) -> list[int]:
        wanted = search.strip().casefold()
        if not wanted:
            return []
        exact = [index for index, word in enumerate(words) if word.casefold() == wanted]
        part = [index for index, word in enumerate(words) if index >= space.SPECIALS and wanted in word.casefold()]
        if not exact and not part:
            from diffusion.core.errors import nearest

            raise mistake(f"The model knows no word like '{search.strip()[:40]}'. "
                          f"The nearest: {nearest(search.strip()[:40], words)}.")
        return exact or part[:24]

    def of_run(self, slug: str, trace: Trace | None) -> set[int]:
        """The words of a run as words of a paper, whatever paper the run is of."""
        return {place for row in range(len(trace.ids) if trace else 0) for _, place in self.written(slug, trace, row)
                if place is not None}

    def written(self, slug: str, trace: Trace, row: int) -> list[tuple[str, int | None]]:
        """The words of a run's sample, each with its place among the words of a paper; None where the paper lacks it."""
        words = self.words(slug)
        places = {word: place for place, word in enumerate(words)}
        return [(trace.info["words"][index], places.get(trace.info["words"][index])) for index in trace.ids[row].tolist()]

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
        words, run = self.words(slug), self.of_run(slug, trace)
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
        projection, told = self.exact(slug, view), space.journey(words, course, position - 1)
        if projection is None:
            raise mistake("This map is still being computed. Follow the position through PCA, or wait.")
        figure = space.figure(words.words, projection, **self._coloured(slug, colour)[0])
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
