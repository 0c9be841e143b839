"""Parts of speech: the chances of tags are those of enumeration, gaps are laid where they fit, and mistakes are named."""

import itertools

import pytest
import torch

from controllers import pos
from controllers.base import Controlled
from controllers.linguistics.tagsets import UNIVERSAL
from controllers.pos import GAP, PartsOfSpeech, laid
from controllers.strategies.absorb import Absorb
from diffusion import StudioError, generate
from diffusion.text.vocab import END, PAD, SPECIALS
from tests.controllers.grammar import TAG_OF
from tests.controllers.small import CONTEXT, LENGTH, VOCAB, control, model, one_hot, random_belief, request, write


def chance(target: str, probs: torch.Tensor) -> float:
    """By enumeration: every number of words, every way to lay the pieces."""
    pieces, total = target.split(), 0.0
    share = {tag: torch.tensor([float(place >= len(SPECIALS) and TAG_OF.get(each) == tag) for place, each in enumerate(VOCAB.words)]
    )
             for tag in UNIVERSAL}
    word = torch.tensor([float(index > END) for index in range(len(VOCAB))])
    gaps = [place for place, piece in enumerate(pieces) if piece == GAP]
    for sizes in itertools.product(range(probs.shape[1]), repeat=len(gaps)):
        row = list(itertools.chain.from_iterable(
            ["*"] * sizes[gaps.index(place)] if piece == GAP else [piece] for place, piece in enumerate(pieces)))
        if len(row) < probs.shape[1]:
            chances = [float((probs[0, place] * share.get(piece, word)).sum()) for place, piece in enumerate(row)]
            total += float(torch.tensor(chances).prod() * probs[0, len(row), END])
    return total


@pytest.mark.parametrize("target", ["DET NOUN", "DET * NOUN", "... NOUN", "DET ... NOUN ...", "* ... *"])
def test_log_prob_is_that_of_enumerating_all_ways(target):
    probs = random_belief(3, batch=1, sharpness=0.5, length=7)
    assert float(control(f"pos={target}").log_prob(probs).exp()) == pytest.approx(chance(target, probs), rel=1e-3)


def test_the_wish_of_fixed_tags_is_the_table_of_the_tags(monkeypatch):
    monkeypatch.setattr(pos, "CONTEXT_NATS", 0.0)
    wish = control("pos=DET NOUN").wish(random_belief(1).log())
    for index, word in enumerate(VOCAB.words):
        if index >= len(SPECIALS):
            assert (float(wish[0, 0, index]) > -1) == (TAG_OF.get(word) == "DET")
            assert (float(wish[0, 1, index]) > -1) == (TAG_OF.get(word) == "NOUN")
    assert not wish[:, 2:].any() and not wish[..., [PAD, END]].any()


def test_beside_the_table_the_wish_raises_the_tags_that_the_reader_sees(monkeypatch):
    controller, logits = control("pos=DET NOUN"), random_belief(1).log()
    share = torch.zeros(2, LENGTH, 2)
    share[:, 0, 0] = share[:, 1, 1] = 1                  # both tags are where they are
    whole = controller.wish(logits)
    monkeypatch.setattr(pos, "CONTEXT_NATS", 0.0)
    moved = logits + 0.1 * (whole - controller.wish(logits))
    before, after = (controller._in_context(each.softmax(-1), share) for each in (logits, moved))
    assert (after > before).all()


def test_the_wish_of_a_gap_falls_where_the_text_makes_room_for_it():
    probs = 0.9 * one_hot(["The", "cheap", "pub"], LENGTH) + 0.1 / len(VOCAB)
    wish = control("pos=DET ... NOUN").wish(probs.log())
    noun, adjective = VOCAB.ids["pub"], VOCAB.ids["cheap"]
    assert float(wish[0, 2, adjective]) < -5 < float(wish[0, 2, noun])       # the last word is to be the noun
    assert float(wish[0, 1, adjective]) > -1                                  # the gap takes anything


def test_steered_texts_have_the_tags_and_the_number_of_words():
    vague = model("diffusion-lm", 0.1)
    texts = write(vague, ["pos=DET ADJ NOUN VERB NOUN PUNCT@20"], request(4, steps=8))
    assert all(len(words) == 6 for words in texts)
    scores = PartsOfSpeech.parse("DET ADJ NOUN VERB NOUN PUNCT", CONTEXT).score_all(texts)
    free = write(vague, ["length=6"], request(4, steps=8))
    floor = PartsOfSpeech.parse("DET ADJ NOUN VERB NOUN PUNCT", CONTEXT).score_all(free)
    assert sum(score.success for score in scores) > sum(score.success for score in floor) + 1


def test_gaps_leave_the_number_of_words_free_within_what_fits():
    asked = Absorb([Controlled(control("pos=DET ... PUNCT"))]).request(request(1))
    assert asked.words == (2, LENGTH - 1)
    assert len(generate(model("diffusion-lm"), request(2), Absorb([Controlled(control("pos=DET ... PUNCT"))])).run().ids) == 2


@pytest.mark.parametrize(("target", "tags", "expected"), [
    ("DET NOUN", "DET NOUN", "DET NOUN"), ("DET ... NOUN", "DET ADJ ADJ NOUN", "DET ... ... NOUN"),
    ("... PUNCT", "DET NOUN PUNCT", "... ... PUNCT"), ("DET NOUN", "DET", "DET NOUN")])
def test_a_target_is_laid_over_tags_where_most_fit(target, tags, expected):
    assert laid(target.split(), tags.split()) == expected.split()


def test_the_verdict_names_what_is_wrong():
    score = control("pos=DET ADJ NOUN").score(["The", "pub", "pub"])
    assert score.success == pytest.approx(2 / 3) and "pub is NOUN, not ADJ" in score.detail
    assert score.parts == {"kind": "tags", "wanted": ["DET", "ADJ", "NOUN"], "found": ["DET", "NOUN", "NOUN"]}
    assert "1 words too many" in control("pos=DET").score(["The", "pub"]).detail
    assert control("pos=DET NOUN").score([]).success == 0


def test_a_target_is_taken_from_a_sentence():
    assert PartsOfSpeech.of_sentence("The Vaults is a cheap pub.", CONTEXT) == "DET PROPN AUX DET ADJ NOUN PUNCT"


@pytest.mark.parametrize(("target", "named"), [
    ("DET NOUM", "'NOUN'"), ("xyzzy", "xyzzy"), (" ".join(["DET"] * LENGTH), f"{LENGTH} tags are too many"),
    ("...", "ask for nothing")])
def test_mistakes_are_named(target, named):
    with pytest.raises(StudioError, match=named):
        PartsOfSpeech.parse(target, CONTEXT)


def test_a_length_that_cannot_hold_the_tags_is_named_with_them():
    with pytest.raises(StudioError, match=r"length=3.*pos=DET NOUN.*contradict"):
        write(model("diffusion-lm"), ["length=3", "pos=DET NOUN"], request(1))
