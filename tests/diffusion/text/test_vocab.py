"""The vocabulary: one definition of words, the same for our code, the tokenizers library and transformers."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from diffusion.core.errors import StudioError
from diffusion.text.vocab import END, PAD, SPECIALS, UNK, Vocabulary, detokenise, split

SENTENCES = [
    "Tidewater is a pub near Quay Hall.",
    "It's cheap, isn't it?",
    "The pubs' menu costs £10.50, or $1,000 for ten.",
    "Open 10:30 till 22:00; closed on Sundays!",
    "A family-friendly place (rated 4 out of 5) in the old town.",
    'Guests call it "a real find" and "good value".',
    "They call it 'cosy' and they'd go again.",
    "Café Juniper's tea room: fish/meat, 20-25% off.",
    "We've been there, they're nice, I'll go, I'm sure.",
]
CHARACTERS = st.text(st.characters(codec="utf-8"), max_size=40)
VOCAB = Vocabulary.build(SENTENCES, more_than=0)


def squeezed(text):
    """A text without its white space."""
    return "".join(unicodedata.normalize("NFC", text).split())


# ---- words


@given(CHARACTERS)
def test_splitting_loses_nothing_but_white_space(text):
    assert squeezed("".join(split(text))) == squeezed(text)


@given(CHARACTERS)
def test_splitting_the_words_again_changes_nothing(text):
    assert split(" ".join(split(text))) == split(text)


def test_a_lone_surrogate_is_read_as_a_question_mark():
    assert split("a \ud800 pub") == ["a", "?", "pub"] and VOCAB.encode("\udcff") == VOCAB.encode("?")


def test_words_are_the_same_however_accents_are_composed():
    assert split("Cafe\u0301 Juniper") == split("Café Juniper") == ["Café", "Juniper"]


@pytest.mark.parametrize("text", SENTENCES)
def test_detokenising_is_the_inverse_of_splitting(text):
    assert detokenise(split(text)) == text


@given(CHARACTERS)
def test_detokenising_keeps_every_character_in_order(text):
    assert squeezed(detokenise(split(text))) == squeezed(text)


@given(st.lists(st.sampled_from(VOCAB.words[3:]), max_size=12))
def test_what_was_detokenised_has_no_double_white_space(words):
    text = detokenise(words)
    assert "  " not in text and text == text.strip()


# ---- ids


@given(st.lists(st.sampled_from(VOCAB.words[3:]), max_size=20))
def test_words_become_ids_and_ids_words(words):
    ids = VOCAB.encode(" ".join(words))
    assert ids == [VOCAB.ids[word] for word in words]
    assert VOCAB.tokens(ids) == words


@given(CHARACTERS)
def test_encoding_agrees_with_the_tokenizers_library(text):
    assert VOCAB.encode(text) == VOCAB.tokenizer.encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize("text", SENTENCES)
def test_natural_and_tokenised_text_have_the_same_ids(text):
    assert VOCAB.encode(text) == VOCAB.encode(" ".join(split(text)))
    assert VOCAB.text(VOCAB.encode(text)) == text


def test_the_names_of_the_specials_are_no_specials_in_a_text():
    assert not {PAD, END} & set(VOCAB.encode("[PAD] [END] PAD END [UNK]"))


def test_a_row_is_text_end_and_padding_or_nothing():
    assert VOCAB.row("a pub", 5).tolist() == [VOCAB.id("a"), VOCAB.id("pub"), END, PAD, PAD]
    assert VOCAB.row("a pub", 3).tolist()[-1] == END
    assert VOCAB.row("a pub", 2) is None
    assert VOCAB.text(VOCAB.row("a pub", 9)) == "a pub"


def test_nothing_after_the_first_end_is_text():
    assert VOCAB.tokens([VOCAB.id("a"), PAD, UNK, END, VOCAB.id("pub"), END]) == ["a", "[UNK]"]


def test_an_unknown_word_names_the_nearest():
    with pytest.raises(StudioError, match=r"'Tidewaters'.*'Tidewater'"):
        VOCAB.id("Tidewaters")
    for special in SPECIALS:
        with pytest.raises(StudioError, match="not among"):
            VOCAB.id(special)


# ---- building


def test_words_seen_more_often_than_asked_are_kept_most_frequent_first():
    vocab = Vocabulary.build(["b b b a a a", "c c", "d d d d e"], more_than=2)
    assert vocab.words == (*SPECIALS, "d", "a", "b")


def test_the_fingerprint_is_that_of_the_words_in_their_order():
    words = [*SPECIALS, "a", "b", "c"]
    same, other, shorter = (Vocabulary(list_) for list_ in (words, [*SPECIALS, "b", "a", "c"], words[:-1]))
    assert Vocabulary(words).fingerprint == same.fingerprint
    assert len({same.fingerprint, other.fingerprint, shorter.fingerprint}) == 3


def test_specials_come_first_and_every_word_once():
    with pytest.raises(StudioError, match="starts with"):
        Vocabulary(["a", "b", "c", "d"])
    with pytest.raises(StudioError, match="'a' stands in it twice"):
        Vocabulary([*SPECIALS, "a", "b", "a"])


# ---- files


def test_a_vocabulary_comes_back_from_its_file(tmp_path):
    path = tmp_path / "vocab.json"
    path.write_text(VOCAB.to_json(), encoding="utf-8")
    assert Vocabulary.load(path).words == VOCAB.words and Vocabulary.load(path).fingerprint == VOCAB.fingerprint


@pytest.mark.parametrize("content", [b"", b"{}", b'["[PAD]", 3]', b"\xff", b'["a", "b", "c"]'])
def test_a_file_that_is_no_vocabulary_is_refused_by_name(tmp_path, content):
    path = tmp_path / "vocab.json"
    path.write_bytes(content)
    with pytest.raises(StudioError, match=r"vocab\.json|starts with"):
        Vocabulary.load(path)
    with pytest.raises(StudioError, match=r"gone\.json"):
        Vocabulary.load(tmp_path / "gone.json")


# ---- transformers


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Our tokenizer as transformers has it, before and after its own save and load, by both of its doors."""
    folder = tmp_path_factory.mktemp("tokenizer")
    tokenizer = VOCAB.as_transformers()
    tokenizer.save_pretrained(folder)
    return [tokenizer, PreTrainedTokenizerFast.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)]


@pytest.mark.parametrize("text", [*SENTENCES, "unseen words , Cafe\u0301 !", "", "   ", "a\tb\n c", "£ 5 . 5"])
def test_transformers_gives_the_same_ids_also_after_its_own_save_and_load(saved, text):
    for tokenizer in saved:
        assert tokenizer(text, add_special_tokens=False)["input_ids"] == VOCAB.encode(text)
        assert (tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id) == (PAD, END, UNK)
        assert len(tokenizer) == len(VOCAB)


@given(CHARACTERS.filter(lambda text: not any(special in text for special in SPECIALS)))
def test_transformers_agrees_on_any_text_without_specials(text):
    assert VOCAB.as_transformers()(text, add_special_tokens=False)["input_ids"] == VOCAB.encode(text)


def test_transformers_brings_ids_back_to_words(saved):
    for tokenizer in saved:
        ids = VOCAB.encode(SENTENCES[0])
        assert tokenizer.convert_ids_to_tokens(ids) == split(SENTENCES[0])
