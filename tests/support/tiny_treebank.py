"""A treebank of twelve sentences written for the tests, and a tagger and a parser that learned it by heart."""

import atexit
import contextlib
import io
import shutil
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from unittest.mock import patch

from controllers.linguistics.brackets import read
from training.data import treebank
from training.linguistics import train as linguistics
from training.linguistics.train import ParserSize, TaggerSize

SENTENCES = (
    ("(ROOT (S (NP (NNP Zizzi)) (VP (VBZ is) (NP (DT a) (JJ cheap) (NN pub))) (. .)))", "PROPN AUX DET ADJ NOUN PUNCT"),
    ("(ROOT (S (NP (PRP It)) (VP (VBZ serves) (NP (JJ French) (NN food))) (. .)))", "PRON VERB ADJ NOUN PUNCT"),
    ("(ROOT (S (NP (DT The) (NN pub)) (VP (VBZ is) (PP (IN near) (NP (DT the) (NN river)))) (. .)))",
     "DET NOUN AUX ADP DET NOUN PUNCT"),
    ("(ROOT (S (NP (NNS Families)) (VP (VBP love) (NP (PRP it))) (. !)))", "NOUN VERB PRON PUNCT"),
    ("(ROOT (S (NP (PRP They)) (VP (VBP do) (RB n't) (VP (VB serve) (NP (NN wine)))) (. .)))",
     "PRON AUX PART VERB NOUN PUNCT"),
    ("(ROOT (S (NP (DT The) (NN food)) (VP (VBZ is) (ADJP (JJ good) (CC and) (JJ cheap))) (. .)))",
     "DET NOUN AUX ADJ CCONJ ADJ PUNCT"),
    ("(ROOT (SQ (VBZ Is) (NP (DT the) (NN pub)) (ADJP (JJ cheap)) (. ?)))", "AUX DET NOUN ADJ PUNCT"),
    ("(ROOT (NP (NP (DT A) (NN pub)) (PP (IN with) (NP (JJ good) (NN wine)))))", "DET NOUN ADP ADJ NOUN"),
    ("(ROOT (S (NP (NN Wine)) (VP (VBZ costs) (NP (CD 4.50) (NNS pounds))) (. .)))", "NOUN VERB NUM NOUN PUNCT"),
    ("(ROOT (S (NP (NNP Zizzi) (PRN (-LRB- -LRB-) (NP (DT a) (NN pub)) (-RRB- -RRB-))) (VP (VBZ is) (ADJP (JJ good))) (. .)))",
     "PROPN PUNCT DET NOUN PUNCT AUX ADJ PUNCT"),
    ("(ROOT (S (NP (PRP You)) (VP (MD can) (VP (VB eat) (ADVP (RB there)) (PP (IN with) (NP (NNS families))))) (. .)))",
     "PRON AUX VERB ADV ADP NOUN PUNCT"),
    ("(ROOT (S (PP (IN Near) (NP (DT the) (NN river))) (, ,) (NP (NNS families)) (VP (VBP eat) (NP (NN food))) (. .)))",
     "ADP DET NOUN PUNCT NOUN VERB NOUN PUNCT"),
)
TAGGERS = {"labeller": TaggerSize(32, 2, (200, 100, 100, 100), epochs=40, batch=4, dropout=0.0, lr=5e-3)}
PARSERS = {"labeller": ParserSize(64, 1, 2, 32, 64, 64, epochs=60, batch=4, lr=5e-3, warmup=10, rare=1, dropout=0.0)}


def write(folder: Path) -> Path:
    """Writes the sentences as all three parts of a treebank: what is learned here is learned by heart."""
    folder.mkdir(parents=True, exist_ok=True)
    trees = "".join(f"{tree}\n" for tree, _ in SENTENCES)
    blocks = []
    for line, universal in SENTENCES:
        tree = read(line)
        rows = zip(tree.words(), universal.split(), tree.tags(), strict=True)
        blocks.append("".join("\t".join(row) + "\n" for row in rows))
    for part in treebank.PARTS:
        trees_file, tags_file = treebank.files(folder, part)
        trees_file.write_text(trees, encoding="utf-8")
        tags_file.write_text("\n".join(blocks), encoding="utf-8")
    return folder


@cache
def trained(kind: str) -> Path:
    """The folder of the tiny "tagger" or "parser", made by the command that makes the shipped ones; once per process."""
    from training.__main__ import main

    folder = Path(mkdtemp(prefix="tiny-linguistics-"))
    atexit.register(shutil.rmtree, folder, True)
    data = write(folder / "treebank")
    command = ["linguistics", kind, "--data", str(data), "--output", str(folder / kind), "--seed", "3"]
    said = io.StringIO()
    with (patch.object(linguistics, "TAGGERS", TAGGERS), patch.object(linguistics, "PARSERS", PARSERS),
          patch("sys.argv", ["training", *command]), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said)):
        assert main(command) == 0, said.getvalue()
    return folder / kind
