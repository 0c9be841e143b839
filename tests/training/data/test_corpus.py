"""Rows: what is refused and how, what is held out, in which order batches come, how labels are hidden."""

import collections
import itertools
import sys
import types

import huggingface_hub
import pytest
import torch

from diffusion.core.errors import StudioError
from diffusion.text.labels import ABSENT, UNKNOWN, LabelSet
from diffusion.text.vocab import END, Vocabulary, split
from tests.data import make_tiny
from tests.support.tiny_training import TINY, tiny, tiny_corpus
from training.data import corpus as data, source
from training.data.corpus import Encoded, Row

GOOD = b"mr,ref\nname[Tidewater],Tidewater is a pub.\n"
REFUSED = [
    (b"", ["(none)", "mr and ref"]),
    (b"mr,ref\n", ["no rows"]),
    (b"mr,text\nname[A],A.\n", ["mr, text", "mr and ref"]),
    (GOOD + b'"name[A], food[Greek]",\n', ["Row 3", "lacks"]),
    (GOOD + b"name[A]\n", ["Row 3", "lacks"]),
    (GOOD + b'name[A],"two\nlines"\nname[B],\n', ["Row 4", "lacks"]),
    (GOOD + b"name[A],Caf\xe9 A.\n", ["Row 3", "UTF-8"]),
    (GOOD + b'name[A],"two\nlines"\nname[B],B.\nname[C],\xff\n', ["Row 5", "UTF-8"]),
    (GOOD + b"\xff\xfe,B.\n", ["Row 3", "UTF-8"]),
    (b"mr,ref\r\nname[A]," + b"x" * 200_000 + b"\r\n", ["no CSV file after row 1", "131072"]),
]


def numbered(count, per_meaning=3):
    return [Row(f"name[N{index // per_meaning}]", f"text {index}") for index in range(count)]


def encoded(count=50, length=12, seed=0):
    """Rows of three to ten words; row i is recognisable by its label."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.zeros(count, length, dtype=torch.long)
    for row in tokens:
        words = int(torch.randint(3, 11, (), generator=generator))
        row[:words], row[words] = 5, END
    return Encoded(tokens, torch.arange(count)[:, None].expand(-1, 2), 0)


# ---- files


@pytest.mark.parametrize(("content", "parts"), REFUSED)
def test_a_bad_file_is_refused_by_name_and_row(tmp_path, content, parts):
    path = tmp_path / "train.csv"
    path.write_bytes(content)
    with pytest.raises(StudioError) as error:
        data.read_csv(path)
    for part in [str(path), *parts]:
        assert part in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    (tmp_path / "train.csv").write_bytes(GOOD)
    with pytest.raises(StudioError, match=r"no file '.*valid\.csv'.*holds train\.csv"):
        source.locate(tmp_path)
    with pytest.raises(StudioError, match=r"no file '.*gone\.csv'"):
        data.read_csv(tmp_path / "gone.csv")


def test_a_name_that_is_neither_folder_nor_data_set_is_refused():
    for name in ("nowhere", "/no/such/folder", "./here/too", "a/b/c"):
        with pytest.raises(StudioError, match="tuetschek/e2e_nlg"):
            source.locate(name)


def test_byte_order_mark_and_the_hubs_column_names_are_read(tmp_path):
    path = tmp_path / "train.csv"
    path.write_bytes(b"\xef\xbb\xbfhuman_reference,meaning_representation\nTidewater.,name[Tidewater]\n")
    assert data.read_csv(path) == [Row("name[Tidewater]", "Tidewater.")]


def test_a_meaning_that_cannot_be_read_names_file_and_row(tmp_path):
    for name, last in (("train", b""), ("valid", b"name,B.\n")):
        (tmp_path / f"{name}.csv").write_bytes(GOOD + last)
    with pytest.raises(StudioError, match=r"Row 3 of '.*valid\.csv'.*Not a meaning"):
        data.load_corpus(tmp_path, tiny(), 48)


def test_a_value_that_training_never_saw_names_file_and_row(tmp_path):
    (tmp_path / "train.csv").write_bytes(GOOD)
    (tmp_path / "valid.csv").write_bytes(GOOD + b"name[Tidewaters],B.\n")
    with pytest.raises(StudioError, match=r"Row 3 of '.*valid\.csv'.*'Tidewaters'.*nearest known: 'Tidewater'"):
        data.load_corpus(tmp_path, tiny(), 48)


def test_two_files_for_one_part_are_not_guessed_between(tmp_path):
    for name in ("train-old", "train-new", "valid"):
        (tmp_path / f"{name}.csv").write_bytes(GOOD)
    with pytest.raises(StudioError, match=r"train-new\.csv, train-old\.csv.*train\.csv"):
        source.locate(tmp_path)
    (tmp_path / "train.csv").write_bytes(GOOD)
    assert source.locate(tmp_path).train == (tmp_path / "train.csv",)


# ---- the Hub


def fake_hub(monkeypatch, revisions):
    """The Hub with one data set, whose revisions lie in local folders; returns the calls that it got."""
    calls = []

    def download(name, *, repo_type, revision, allow_patterns):
        calls.append((name, repo_type, revision))
        if revision not in revisions:
            raise OSError("no such revision")
        return str(revisions[revision])

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    return calls


def test_a_data_set_of_the_hub_is_read_by_its_name(monkeypatch, tmp_path):
    (tmp_path / "trainset.csv").write_bytes(GOOD.replace(b"mr,ref", b"meaning_representation,human_reference"))
    (tmp_path / "devset.csv").write_bytes(GOOD.replace(b"mr,ref", b"meaning_representation,human_reference"))
    calls = fake_hub(monkeypatch, {None: tmp_path})
    corpus = data.load_corpus("somebody/places", tiny(), 48)
    assert calls == [("somebody/places", "dataset", None)]
    assert corpus.source == "somebody/places"
    assert corpus.labels.slots == {"name": ("Tidewater",)}


def test_a_data_set_that_is_a_script_is_read_from_the_hubs_parquet_copy(monkeypatch, tmp_path):
    copy = tmp_path / "copy"
    for part in ("train", "validation", "test"):
        (copy / "default" / part).mkdir(parents=True)
        (copy / "default" / part / "0000.parquet").write_bytes(b"")
    (tmp_path / "script").mkdir()
    calls = fake_hub(monkeypatch, {None: tmp_path / "script", "refs/convert/parquet": copy})
    found = source.locate("somebody/places")
    assert [revision for *_, revision in calls] == [None, "refs/convert/parquet"]
    assert found.train == (copy / "default" / "train" / "0000.parquet",)
    assert found.valid == (copy / "default" / "validation" / "0000.parquet",)


def test_a_hub_that_cannot_be_reached_is_a_sentence(monkeypatch):
    fake_hub(monkeypatch, {})
    with pytest.raises(StudioError, match=r"somebody/places.*no such revision.*folder"):
        source.locate("somebody/places")


def test_parquet_without_pyarrow_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(StudioError, match="pip install pyarrow"):
        data.read_parquet(tmp_path / "0000.parquet")


def test_parquet_rows_are_those_of_its_table(monkeypatch, tmp_path):
    records = [{"meaning_representation": "name[A]", "human_reference": "A."}, {"meaning_representation": "name[B]",
                                                                               "human_reference": None}]  # fmt: skip
    table = types.SimpleNamespace(column_names=list(records[0]), to_pylist=lambda: records)
    parquet = types.SimpleNamespace(read_table=lambda path: table)
    monkeypatch.setitem(sys.modules, "pyarrow", types.SimpleNamespace(ArrowException=ValueError, parquet=parquet))
    with pytest.raises(StudioError, match=r"Row 3 of .*0000\.parquet.*lacks"):
        data.read_parquet(tmp_path / "0000.parquet")
    records.pop()
    assert data.read_parquet(tmp_path / "0000.parquet") == [Row("name[A]", "A.")]


# ---- parts


def test_held_out_rows_are_whole_meanings_and_as_many_as_asked_for():
    rows = numbered(900)
    kept, held = data.hold_out(rows, 60)
    assert len(held) == 60 and sorted(kept + held, key=rows.index) == rows
    assert not {row.meaning for row in kept} & {row.meaning for row in held}
    assert data.hold_out(rows, 60) == (kept, held)


def test_never_more_than_a_tenth_is_held_out():
    kept, held = data.hold_out(numbered(300, per_meaning=1), 2000)
    assert (len(kept), len(held)) == (270, 30)


def test_the_judges_half_is_half_of_the_rows_each_once_and_always_the_same():
    rows = numbered(101)
    half = data.second_half(rows)
    assert len(half) == 51 and len({row.text for row in half}) == 51
    assert set(half) <= set(rows) and half == data.second_half(rows)


def test_rows_that_do_not_fit_are_left_out_and_counted():
    vocab, labels = Vocabulary(["[PAD]", "[END]", "[UNK]", "a"]), LabelSet({"name": ["A"]})
    rows = [Row("name[A]", "a " * count) for count in (3, 4, 5)]
    assert [Encoded.encode(rows, vocab, labels, length).left_out for length in (4, 5, 6)] == [2, 1, 0]
    with pytest.raises(StudioError, match="None of the 3 texts fits into 2"):
        Encoded.encode(rows, vocab, labels, 2)


def test_facts_count_what_is_there():
    facts = tiny_corpus().facts()
    assert (facts["rows"], facts["held_out"], facts["valid_rows"], facts["left_out"]) == (270, 30, 40, 0)


# ---- batches


def test_an_epoch_of_batches_has_every_row_once():
    batches = list(itertools.islice(data.batches(encoded(48), 8, 3, 0, None, 0.0), 12))
    for epoch in (batches[:6], batches[6:]):
        assert sorted(torch.cat([labels[:, 0] for _, labels in epoch]).tolist()) == list(range(48))
    assert batches[0][1].tolist() != batches[6][1].tolist()


@pytest.mark.parametrize("start", [0, 1, 5, 6, 7, 23])
def test_batches_can_be_resumed_from_any_number(start):
    everything = list(itertools.islice(data.batches(encoded(), 8, 3, 0, 6, 0.5), 30))
    again = list(itertools.islice(data.batches(encoded(), 8, 3, start, 6, 0.5), 30 - start))
    for (tokens, labels), (their_tokens, their_labels) in zip(everything[start:], again, strict=True):
        assert torch.equal(tokens, their_tokens) and torch.equal(labels, their_labels)


def test_the_order_of_batches_depends_on_the_seed():
    first, second = (next(data.batches(encoded(), 8, seed, 0, None, 0.0))[1].tolist() for seed in (3, 4))
    assert first != second


def test_short_batches_hold_whole_texts_and_are_the_share_asked_for():
    widths = collections.Counter()
    for tokens, _ in itertools.islice(data.batches(encoded(), 8, 3, 0, 8, 0.75), 400):
        widths[tokens.shape[1]] += 1
        assert len(tokens) and (tokens == END).any(1).all()
    assert set(widths) == {8, 12}
    assert abs(widths[8] / 400 - 0.75) < 0.09  # four standard deviations


def test_no_batch_is_empty_where_no_row_is_short():
    assert all(len(tokens) for tokens, _ in itertools.islice(data.batches(encoded(), 8, 3, 0, 3, 1.0), 10))


# ---- labels


def test_labels_are_hidden_wholly_in_30_not_at_all_in_35_and_at_a_rate_in_35_percent():
    rows, slots = 40_000, 8
    labels = torch.full((rows, slots), ABSENT)
    hidden = data.hide(labels, torch.Generator().manual_seed(0)) == UNKNOWN
    count = hidden.sum(1)
    by_rate = 0.35 / (slots + 1)  # a uniform rate makes every number of hidden slots equally likely
    expected = {0: 0.35 + by_rate, slots: 0.30 + by_rate, **dict.fromkeys(range(1, slots), by_rate)}
    for number, share in expected.items():
        deviation = (share * (1 - share) / rows) ** 0.5
        assert abs((count == number).float().mean().item() - share) < 4 * deviation, number


def test_hiding_changes_nothing_but_to_unknown():
    labels = torch.randint(1, 9, (500, 8), generator=torch.Generator().manual_seed(1))
    hidden = data.hide(labels, torch.Generator().manual_seed(2))
    assert ((hidden == labels) | (hidden == UNKNOWN)).all()


# ---- the tiny corpus


def test_the_tiny_corpus_is_what_its_script_makes():
    for name, rows in make_tiny.parts().items():
        assert [(row.meaning, row.text) for row in data.read_csv(TINY / name)] == rows


def test_the_tiny_corpus_has_no_meaning_in_both_parts_and_names_what_it_says():
    train, valid = (data.read_csv(TINY / f"{part}.csv") for part in ("train", "valid"))
    assert (len(train), len(valid)) == (300, 40)
    assert not {row.meaning for row in train} & {row.meaning for row in valid}
    for row in train + valid:
        assert split(data.meaning(row)["name"]) and data.meaning(row)["name"] in row.text
