"""The tags that targets may name: universal parts of speech, Penn tags of words, and usual sizes of phrases."""

from __future__ import annotations

UNIVERSAL = ("ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM", "PART", "PRON", "PROPN", "PUNCT", "SCONJ", "SYM",
             "VERB", "X")
PENN = ("CC", "CD", "DT", "EX", "FW", "IN", "JJ", "JJR", "JJS", "LS", "MD", "NN", "NNP", "NNPS", "NNS", "PDT", "POS", "PRP", "PRP$",
        "RB", "RBR", "RBS", "RP", "SYM", "TO", "UH", "VB", "VBD", "VBG", "VBN", "VBP", "VBZ", "WDT", "WP", "WP$", "WRB", ",",
        ".", ":", "``", "''", "-LRB-", "-RRB-", "#", "$", "HYPH", "NFP", "ADD", "AFX", "GW", "XX")
# Words of a phrase that a target leaves open, where it does not say how many: a choice of ours, near what E2E's phrases have.
USUAL_WORDS = {"NP": 2, "PP": 3, "VP": 3, "S": 5, "SBAR": 4, "ADJP": 2, "ADVP": 1, "QP": 2, "PRT": 1, "WHNP": 1, "CONJP": 2}
OTHERWISE = 2
