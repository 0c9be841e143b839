"""A vocabulary of characters: text8's form, its inverse, and checkpoints that remember of what their texts are made."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import diffusion
from diffusion.core.rng import BatchRng
from diffusion.core.types import Request
from diffusion.papers.rdlm import RDLM
from diffusion.text.characters import ALPHABET, text8
from diffusion.text.vocab import END, KINDS, PAD, SPECIALS, UNK, Characters, Vocabulary
from tests.tiny import SIZES, shrunk, tiny_labels, tiny_vocab

VOCAB = Characters()
ANY_TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
IN_FORM = st.text(ALPHABET, max_size=40).map(lambda text: " ".join(text.split()))


@pytest.mark.parametrize(("text", "expected"), [
    ("The Vaults, a pub.", "the vaults a pub"),
    ("It costs £20-25!", "it costs two zero two five"),
    ("  Café\tNo. 4\n", "cafe no four"),
    ("it's", "it s"),
    ("x2y", "x two y"),
    ("…", ""),
])  # fmt: skip
def test_text_takes_the_form_of_text8(text, expected):
    assert text8(text) == expected


@given(ANY_TEXT)
def test_the_form_holds_letters_and_single_spaces_alone_and_is_its_own_form(text):
    form = text8(text)
    assert set(form) <= set(ALPHABET) and form == " ".join(form.split()) and text8(form) == form


@given(IN_FORM)
def test_characters_become_ids_and_ids_the_same_characters(text):
    ids = VOCAB.encode(text)
    assert len(ids) == len(text) and VOCAB.text(ids) == text and not {PAD, END, UNK} & set(ids)


@given(ANY_TEXT)
def test_no_text_has_an_unknown_character_and_the_tokenizers_library_agrees(text):
    assert UNK not in VOCAB.encode(text)
    assert VOCAB.encode(text) == VOCAB.tokenizer.encode(text, add_special_tokens=False).ids


def test_a_row_of_characters_ends_and_is_padded():
    assert VOCAB.row("A pub.", 7).tolist() == [*VOCAB.encode("a pub"), END, PAD]
    assert VOCAB.row("A pub.", 5) is None
    assert VOCAB.text(VOCAB.row("A pub.", 9)) == "a pub"


def test_symbols_are_the_same_whatever_texts_it_is_built_from():
    built = KINDS["characters"].build(["anything", "at all"])
    assert built.words == (*SPECIALS, *ALPHABET) and built.fingerprint == VOCAB.fingerprint
    assert len({VOCAB.fingerprint, tiny_vocab().fingerprint}) == 2


@pytest.mark.parametrize("vocab", [VOCAB, tiny_vocab()])
def test_a_vocabulary_file_and_a_list_of_words_remember_their_kind(vocab, tmp_path):
    (tmp_path / "vocab.json").write_text(vocab.to_json(), encoding="utf-8")
    for again in (Vocabulary.load(tmp_path / "vocab.json"), Vocabulary.of(list(vocab.words))):
        assert type(again) is type(vocab) and again.kind == vocab.kind and again.fingerprint == vocab.fingerprint
        assert again.encode("soup is hot.") == vocab.encode("soup is hot.")


def test_transformers_has_the_same_characters():
    assert VOCAB.as_transformers()("Soup, 4 pounds", add_special_tokens=False)["input_ids"] == VOCAB.encode("soup four pounds")


@pytest.fixture(scope="module")
def model():
    labels = tiny_labels()
    config = shrunk(RDLM.config_type(), {**SIZES, "label_sizes": labels.sizes})
    torch.manual_seed(0)
    return RDLM(config, VOCAB, labels).eval()


def test_a_character_is_one_digit(model):
    assert (model.count, model.base) == (1, len(VOCAB))


def test_a_checkpoint_of_characters_comes_back_as_one_and_writes_characters(model, tmp_path):
    model.save_pretrained(tmp_path)
    again = diffusion.load(str(tmp_path))
    assert again.vocab.kind == "characters"
    trace = diffusion.generate(again, Request(length=again.length, seeds=(1, 2), steps=3)).run()
    for row in trace.ids:
        text = again.vocab.text(row)
        assert 1 <= len(text) < again.length and set(text) <= set(ALPHABET)


def test_its_bound_and_its_loss_are_finite(model):
    rows = torch.stack([VOCAB.row("hot soup", model.length), VOCAB.row("tea", model.length)])
    label = model.labels.free().expand(2, -1)
    for measure in (model.loss, model.bound):
        with torch.no_grad():
            assert torch.isfinite(measure(rows, label, BatchRng(torch.Generator().manual_seed(0), 2))).all()
