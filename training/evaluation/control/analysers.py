"""`evaluate analysers`: how far labeller and judge agree on human text of the corpus, which is the ceiling of syntax control.

Neither saw such text in training, and nobody tagged or parsed it by hand: agreement is all that can be measured.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Sequence

from controllers.linguistics.analysis import Analysis
from controllers.linguistics.brackets import Brackets, Tree, compare, punctuation
from diffusion.text.vocab import split
from training.data import corpus, source
from training.evaluation import common as evaluation
from training.evaluation.control import origins, readings
from training.evaluation.control.readings import JUDGE, LABELLER
from training.evaluation.control.targets import SENTENCE
from training.evaluation.control.wishes import spans
from training.evaluation.quality import measure as quality
from training.evaluation.report.results import Result, Row, Table, command_line

TEXTS = 500
Pair = tuple[Analysis, Analysis]         # the labeller's, the judge's


def run(args: argparse.Namespace) -> int:
    """Measures agreement on human texts of the validation part.

    Raises:
        StudioError: the data or an analyser is not to be had.
    """
    files = source.locate(args.data).valid
    texts = [tuple(split(row.text)) for row in quality.shuffled(corpus.read_part(files))[:args.texts]]
    labeller, judge = (each.read(texts, trees=True) for each in readings.both().values())
    pairs = list(zip(labeller, judge, strict=True))
    single = [(one, other) for one, other in pairs if one.sentences == other.sentences and len(one.sentences) == 1
              and SENTENCE[0] <= len(one.words) <= SENTENCE[1]]
    rows = [agreement("all", pairs), *([agreement("one sentence, as targets are", single)] if single else [])]
    table = Table.of(f"Agreement of {JUDGE} with {LABELLER} on {len(texts)} human texts, percent", rows)
    evaluation.publish(Result("analysers", f"{LABELLER} and {JUDGE}", command_line(evaluation.arguments()),
                              {"rows": quality.ROW_SEED}, "cpu", "none", origins.analysers(), [table],
                              data=evaluation.hashes(files)), args.json)
    return 0


def agreement(name: str, pairs: Sequence[Pair]) -> Row:
    """The figures of agreement, in percent; tags and labels where the labeller's count as wanted.

    `F1 by text` is the mean over texts, as control is scored; the others count over all texts together.
    """
    def same(tags: Callable[[Analysis], Sequence[str]]) -> float:
        equal = [a == b for one, other in pairs for a, b in zip(tags(one), tags(other), strict=True)]
        return 100 * statistics.fmean(equal)

    each = [compare(one.tree, other.tree) for one, other in pairs]
    inner = [compare(one.tree, other.tree, punctuation(one.penn)) for one, other in pairs]
    return {"texts": name, "number": len(pairs), "words": sum(len(one.words) for one, _ in pairs),
            "sentences": 100 * statistics.fmean(one.sentences == other.sentences for one, other in pairs),
            "UPOS": same(lambda found: found.universal), "Penn": same(lambda found: found.penn),
            "bracket F1": 100 * sum(each, Brackets()).f1, "F1 by text": 100 * statistics.fmean(counts.f1 for counts in each),
            "F1 without punctuation": 100 * sum(inner, Brackets()).f1,
            "spans": 100 * statistics.fmean(found for one, other in pairs for found in _found(one.tree, other.tree))}


def _found(wanted: Tree, tree: Tree) -> list[bool]:
    """For each span that could be a target whether the other tree has it too, with the same labels."""
    there = set(spans(tree))
    whole = len(wanted.words())
    return [span in there for span in spans(wanted) if (span.start, span.stop) != (0, whole)]
