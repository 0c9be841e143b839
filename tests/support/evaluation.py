"""A tiny world to measure in: sentences of our own with E2E's slots, a random model and judge, their checkpoints."""

import csv
import itertools
from functools import cache
from pathlib import Path

import torch

import diffusion
from diffusion.core import checkpoint
from diffusion.core.model import DiffusionModel
from diffusion.nn.backbone import BackboneConfig
from diffusion.papers.autoregressive import Config as JudgeConfig
from diffusion.papers.autoregressive import LanguageModel
from diffusion.papers.diffusion_lm import Config, DiffusionLM
from diffusion.text.labels import LabelSet, parse_meaning
from diffusion.text.vocab import Vocabulary
from tests import tiny
from training.data.corpus import Row

LENGTH = 48
_NAMES, _TYPES, _FOODS = ("Zizzi", "Cocum", "Aromi", "Strada"), ("pub", "restaurant"), ("Italian", "French", "Indian")
_AREAS, _KIDS = ("riverside", "city centre"), ("yes", "no")
_CHILDREN = {"yes": "Children are welcome at every table .", "no": "It is not a place for children ."}


def rows() -> list[Row]:
    """96 rows, one for every choice of five slots."""
    return [Row(f"name[{name}], eatType[{kind}], food[{food}], area[{area}], familyFriendly[{kids}]",
                f"{name} is a {kind} with {food} food in the {area} . {_CHILDREN[kids]}")
            for name, kind, food, area, kids in itertools.product(_NAMES, _TYPES, _FOODS, _AREAS, _KIDS)]


@cache
def world() -> tuple[Vocabulary, LabelSet]:
    """Words and slots of all rows."""
    made = rows()
    return Vocabulary.build((row.text for row in made), 0), LabelSet.build(parse_meaning(row.meaning) for row in made)


def model(seed: int = 0) -> DiffusionLM:
    """A Diffusion-LM of random weights, large enough that texts differ from seed to seed."""
    vocab, labels = world()
    torch.manual_seed(seed)
    backbone = BackboneConfig(width=32, layers=1, heads=2, length=LENGTH, label_sizes=labels.sizes, time_width=16)
    made = DiffusionLM(Config(backbone, embedding_width=8), vocab, labels).eval()
    with torch.no_grad():
        for parameter in made.network.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.3)
    return made


def paper(slug: str) -> DiffusionModel:
    """A small model of any paper with random weights, every number of them drawn."""
    vocab, labels = world()
    kind = diffusion.PAPERS[slug]
    config = tiny.shrunk(kind.config_type(), {**tiny.SIZES, "length": LENGTH, "label_sizes": labels.sizes})
    torch.manual_seed(0)
    made = kind(config, vocab, labels).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.3)
    return made


def judge(seed: int = 1, **changes: int) -> LanguageModel:
    """A judge of random weights."""
    vocab, labels = world()
    torch.manual_seed(seed)
    config = JudgeConfig(width=16, layers=1, heads=2, length=changes.get("length", LENGTH), label_sizes=labels.sizes)
    return LanguageModel(config, vocab, labels).eval()


def write_data(folder: Path) -> Path:
    """A data folder: three rows of four in train.csv, every fourth in valid.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in (("train", [row for index, row in enumerate(rows()) if index % 4]), ("valid", rows()[::4])):
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("mr", "ref"), *((row.meaning, row.text) for row in part)])
    return folder


def write_checkpoints(folder: Path, seed: int = 0) -> Path:
    """Checkpoints of the model and the judge under `folder`, each by its slug."""
    made = judge()
    model(seed).save_pretrained(folder / "diffusion-lm")
    checkpoint.write(folder / "judge", made, checkpoint.distinct(made), {})
    return folder
