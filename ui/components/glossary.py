"""What the columns of result tables mean, in a sentence for a reader who meets them for the first time. No gradio here."""

from __future__ import annotations

from collections.abc import Iterable

COLUMNS = {
    "texts": "how many texts the row is the mean of",
    "NFE": "network evaluations: how often the network ran to write a batch",
    "perplexity": "the judge's, a language model that took no part; lower is more fluent, and very low is dull",
    "perplexity / human": "the perplexity over that of as many texts by people; 1 is as fluent as people",
    "perplexity / free": "the perplexity over that of the same seeds without control; 1 is no loss of fluency",
    "± (95%)": "half the width of the 95 % confidence interval of the figure before it",
    "temperature": "of the model's belief: below 1 it keeps to the more probable words",
    "MAUVE": "how alike texts and human texts are spread, 0 to 1, in the judge's hidden states; comparable for as many texts only",
    "distinct-1": "different words, as a share of all words: variety",
    "distinct-4": "different rows of four words, as a share of all: variety",
    "distinct-4, free": "the same of the same seeds without control",
    "distinct-4 / human": "distinct-4 over that of as many texts by people; 1 is as varied as people",
    "self-BLEU %": "how much a text repeats the other texts; lower is more varied",
    "verbatim %": "texts that stand word for word among the training texts",
    "copied 4-grams %": "rows of four words that occur in the training texts",
    "entropy": "of the distribution of words over all texts, in nats: variety of the vocabulary",
    "words": "mean length of a text",
    "bits per token": "bits that a word of held-out text, or its END, costs the model, at most; lower is better",
    "draws": "how often noise was drawn for each text to estimate the bits",
    "slots": "what the model was told of a text: nothing, or its own label",
    "strict bound": "whether the bits are an upper bound for certain",
    "success %": "how well the texts do what was asked, mean over targets",
    "success ±": "standard deviation of the success over targets",
    "success, floor %": "the success of the same seeds without control",
    "success, ceiling %": "the success of human text",
    "judge's success %": "the success by an analyser that saw none of the training of the controls",
    "judge's / ceiling": "the judge's success over what it says of human text",
    "named %": "texts that name the value that was asked for",
    "invented %": "texts that name a value nobody asked for",
    "missing %": "given values that a text leaves out",
    "wrong %": "given values for which a text names another",
    "slot error %": "missing, wrong and invented together",
    "BLEU-4": "overlap with human references in rows of up to four words, 0 to 100",
    "ROUGE-L": "overlap with human references in the longest common row of words, 0 to 100",
    "choice": "whether one text was drawn, or the best of several kept by agreement (minimum Bayes risk)",
    "s for 4": "seconds for four texts",
    "first frame s": "seconds until the first step can be seen",
    "loop s": "seconds of all steps",
    "pins exact %": "given words that stand where they were put",
}


def meanings(columns: Iterable[str]) -> list[tuple[str, str]]:
    """Of these columns those that need a word, each once, with what they mean."""
    return [(name, COLUMNS[name]) for name in dict.fromkeys(columns) if name in COLUMNS]
