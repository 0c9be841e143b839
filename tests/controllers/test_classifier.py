"""A class is pulled by what a reader reads; without a reader a sentence says how to train one."""

import pytest
import torch

from controllers.base import why_not
from controllers.classifier import Classifier
from controllers.matchers import slot_matcher
from controllers.probes import reader
from diffusion import StudioError, generate
from tests.controllers.readers import save_readers
from tests.controllers.small import CONTEXT, LABELS, VOCAB, control, model, one_hot, random_belief, request, steering


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a reader of slots that knows the words of every value."""
    path = tmp_path_factory.mktemp("readers")
    save_readers(path)
    return path


@pytest.fixture(autouse=True)
def _trained(small_grammar, folder, monkeypatch):
    monkeypatch.setattr(reader, "FOLDER", folder)


def test_the_target_is_written_in_the_order_of_the_label_set():
    assert control("classifier=food:Italian,area:riverside").target == "area:riverside,food:Italian"


@pytest.mark.parametrize(("text", "said"), [
    ("foood:Italian", "Unknown slot 'foood'.*'food'"),
    ("food:Itallian", "Unknown value for the slot 'food': 'Itallian'.*'Italian'"),
    ("food", "Write classifier=food:Italian"),
    ("food:Italian,food:French", "The classifier gives the slot 'food' two values"),
])  # fmt: skip
def test_a_class_that_cannot_be_is_refused(text, said):
    with pytest.raises(StudioError, match=said):
        Classifier.parse(text, CONTEXT)


def test_the_log_probability_is_the_readers_own():
    probs = random_belief(3)
    read = reader.Reader.load("slots")
    area, food = (list(LABELS.slots).index(slot) for slot in ("area", "food"))
    groups = read.groups(read(probs))
    wanted = groups[area].log_softmax(-1)[:, 2] + groups[food].log_softmax(-1)[:, 0]        # riverside; absent
    assert torch.allclose(control("classifier=area:riverside,food:absent").log_prob(probs), wanted)


@pytest.mark.parametrize("target", ["food:Italian", "food:absent", "food:French,area:riverside"])
def test_the_wish_raises_the_log_probability(target):
    controller, logits = control(f"classifier={target}"), random_belief(1, batch=4, sharpness=1.0).log()
    wish = controller.wish(logits)
    assert 0 < wish.abs().max() <= 1
    raised = controller.log_prob((logits + 0.1 * wish).softmax(-1)) - controller.log_prob(logits.softmax(-1))
    assert (raised > 0).all()


def test_the_wish_fades_when_the_class_is_there():
    logits = (one_hot(["a", "Italian", "pub", "by", "the", "riverside", "."]) + 1e-2).log()
    assert control("classifier=food:Italian").wish(logits).abs().max() < 0.1
    assert control("classifier=food:French").wish(logits).abs().max() > 0.5


def test_the_matcher_is_not_called_while_sampling_and_judges_after(monkeypatch):
    assert control("classifier=food:Italian").score(["A", "Italian", "pub", "."]).success == 1
    assert control("classifier=food:absent").score(["A", "Italian", "pub", "."]).success == 0
    for name in ("named", "named_values", "named_strictly", "_read"):
        monkeypatch.setattr(slot_matcher, name, None)
    generate(model("diffusion-lm"), request(2), steering(control("classifier=food:Italian"))).run()


def test_a_missing_reader_names_the_command(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "FOLDER", tmp_path)
    assert "python -m training controller slots" in Classifier.lacks(CONTEXT)
    assert "python -m training controller slots" in why_not(model("diffusion-lm"), Classifier)
    with pytest.raises(StudioError, match="training controller slots"):
        generate(model("diffusion-lm"), request(), steering(control("classifier=food:Italian"))).run()


def test_a_reader_of_other_labels_is_refused():
    context = type(CONTEXT)(VOCAB, type(LABELS)({"food": ("French", "Italian")}), 16)
    with pytest.raises(StudioError, match="label set"):
        control("classifier=food:Italian", context).fits(context)
    assert "label set" in Classifier.lacks(context)
