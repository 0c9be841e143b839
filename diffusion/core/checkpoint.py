"""Checkpoints: a folder of safetensors and JSON. Nothing is ever unpickled.

`model.safetensors` weights (bf16; tables and scales that a paper keeps beside them in fp32) · `config.json` what to build ·
`vocab.json`, `labels.json` words and slots, whose fingerprints stand in the configuration · `card.json` how it was trained
and what was measured · `README.md` the card.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import types
import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from diffusion.core import model_card
from diffusion.core.errors import StudioError
from diffusion.text import domain
from diffusion.text.labels import LabelSet
from diffusion.text.vocab import Vocabulary

BUNDLED = domain.bundled().checkpoints
WEIGHTS, CONFIG, VOCAB, LABELS, CARD = "model.safetensors", "config.json", "vocab.json", "labels.json", "card.json"
README = "README.md"
FORMAT = 1
Model = typing.TypeVar("Model", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """An opened checkpoint: what to build, and the weights to put into it."""

    folder: Path
    slug: str
    config: dict[str, Any]
    vocab: Vocabulary
    labels: LabelSet
    card: dict[str, Any]
    weights: dict[str, Tensor]
    hash: str


def locate(name: str, revision: str | None = None) -> Path:
    """The folder of a checkpoint: a local folder, the slug of a bundled one, or a repository on the Hub.

    Raises:
        StudioError: it is none of them, or the Hub cannot be reached.
    """
    if name and Path(name).is_dir():
        return Path(name)
    if name and (BUNDLED / name).is_dir():
        return BUNDLED / name
    if name.count("/") != 1 or Path(name).is_absolute() or name.startswith("."):
        bundled = sorted(path.name for path in BUNDLED.glob("*") if path.is_dir())
        raise StudioError(f"There is no checkpoint '{name}'. Give a folder, a Hub id like user/name, "
                          f"or one that is bundled: {', '.join(bundled) or 'none is'}.")
    from huggingface_hub import snapshot_download
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=["*.safetensors", "*.json", "README.md"]))
    except Exception as error:
        raise StudioError(f"The checkpoint '{name}' could not be had from the Hub ({type(error).__name__}: {error}). "
                          f"Check the name and the connection, or give a local folder.") from error


def read(folder: Path) -> Checkpoint:
    """Opens a checkpoint folder and checks that its parts belong together.

    Raises:
        StudioError: a part is missing, truncated, pickled, or of another vocabulary; the file is named.
    """
    pickles = [path.name for path in folder.iterdir() if path.suffix in {".bin", ".pt", ".pth", ".pkl", ".ckpt"}]
    if not (folder / WEIGHTS).is_file():
        found = f" It holds {pickles[0]}, a pickle, which is never opened." if pickles else ""
        raise StudioError(f"'{folder}' has no {WEIGHTS}.{found} Save the model with save_pretrained().")
    info = _json(folder / CONFIG)
    missing = {"format", "model", "config", "vocab", "labels"} - set(info)
    if missing or info["format"] != FORMAT:
        raise StudioError(f"'{folder / CONFIG}' is not a checkpoint of format {FORMAT} "
                          f"({'lacks ' + ', '.join(sorted(missing)) if missing else info['format']}).")
    vocab, labels = Vocabulary.load(folder / VOCAB), LabelSet.load(folder / LABELS)
    for kind, file, part, told in (("vocabulary", VOCAB, vocab, info["vocab"]),
                                   ("labels", LABELS, labels, info["labels"])):
        if part.fingerprint != told:
            raise StudioError(f"The {kind} in '{folder / file}' has the fingerprint {part.fingerprint}, but {CONFIG} "
                              f"was written for {told}. Take both files from the same checkpoint.")
    try:
        weights = load_file(folder / WEIGHTS)
    except (SafetensorError, OSError) as error:
        raise StudioError(f"'{folder / WEIGHTS}' is truncated or not a safetensors file ({error}). "
                          f"Fetch it again.") from error
    digest = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()[:12]
    card = _json(folder / CARD) if (folder / CARD).is_file() else {}
    return Checkpoint(folder, info["model"], info["config"], vocab, labels, card, weights, digest)


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StudioError(f"'{path}' is missing or not JSON ({error}). Take it from the same checkpoint.") from error
    if not isinstance(value, dict):
        raise StudioError(f"'{path}' must hold a JSON object.")
    return value


def distinct(model: nn.Module) -> dict[str, Tensor]:
    """The state of a model, with tensors that are tied to each other named once."""
    seen: set[int] = set()
    kept = {}
    for name, tensor in model.state_dict().items():
        if tensor.data_ptr() not in seen:
            seen.add(tensor.data_ptr())
            kept[name] = tensor
    return kept


@torch.no_grad()
def fill(model: nn.Module, checkpoint: Checkpoint) -> None:
    """Copies the weights into a model, in fp32.

    Raises:
        StudioError: a weight is missing, left over, or of another shape; the first is named.
    """
    path, own = checkpoint.folder / WEIGHTS, distinct(model)
    for name in sorted(set(own) ^ set(checkpoint.weights)):
        where = "lacks" if name in own else "has"
        raise StudioError(f"'{path}' {where} '{name}', which the model {'needs' if name in own else 'does not have'}. "
                          f"Its {CONFIG} and its weights belong to different models.")
    for name, tensor in checkpoint.weights.items():
        if tensor.shape != own[name].shape:
            raise StudioError(f"'{path}' holds '{name}' of shape {tuple(tensor.shape)}, but the model that {CONFIG} "
                              f"describes has {tuple(own[name].shape)}. Take both files from the same checkpoint.")
    for name, tensor in checkpoint.weights.items():
        own[name].copy_(tensor)
    model.eval()


def build(kind: Callable[[Any, Vocabulary, LabelSet], Model], config_type: type, checkpoint: Checkpoint) -> Model:
    """The model of an opened checkpoint, in fp32 and ready to be used.

    Args:
        kind: what makes it of a configuration, words and labels.

    Raises:
        StudioError: the configuration makes no sense, or the weights do not fit it.
    """
    path = checkpoint.folder / CONFIG
    try:
        model = kind(config_from(config_type, checkpoint.config), checkpoint.vocab, checkpoint.labels)
    except StudioError as error:
        raise StudioError(f"'{path}': {error}") from error
    except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError, RuntimeError) as error:
        why = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise StudioError(f"'{path}' describes no model that could be built ({why}). "
                          f"Take it from the checkpoint that the weights are of.") from error
    fill(model, checkpoint)
    return model


class Writable(typing.Protocol):
    """What a checkpoint tells of a model besides its weights."""

    slug: str
    config: Any
    vocab: Vocabulary
    labels: LabelSet

    def named_buffers(self) -> Iterable[tuple[str, Tensor]]: ...


def write(folder: Path, model: Writable, weights: dict[str, Tensor], card: dict[str, Any]) -> None:
    """Writes a checkpoint folder with the card also as a README.md for the Hub.

    Weights are rounded to bf16. Buffers keep their type: a noise schedule rounded to 8 bits is another schedule.
    """
    vocab, labels = model.vocab, model.labels
    folder.mkdir(parents=True, exist_ok=True)
    info = {"format": FORMAT, "model": model.slug, "config": dataclasses.asdict(model.config),
            "vocab": vocab.fingerprint, "labels": labels.fingerprint}
    buffers = {name for name, _ in model.named_buffers()}
    kept = {name: tensor.detach().to("cpu", tensor.dtype if name in buffers else torch.bfloat16).contiguous()
            for name, tensor in weights.items()}
    save_file(kept, folder / WEIGHTS, metadata={"format": "pt"})
    for name, value in ((CONFIG, info), (CARD, card)):
        (folder / name).write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (folder / VOCAB).write_text(vocab.to_json(), encoding="utf-8")
    (folder / LABELS).write_text(labels.to_json(), encoding="utf-8")
    (folder / README).write_text(model_card.render(model.slug, len(vocab), labels.slots, card), encoding="utf-8")


def config_from(kind: type, values: dict[str, Any]) -> Any:
    """A configuration dataclass from its JSON: nested dataclasses and tuples restored.

    Raises:
        StudioError: a field is unknown.
    """
    hints = typing.get_type_hints(kind)
    unknown = sorted(set(values) - set(hints))
    if unknown:
        raise StudioError(f"The configuration has a field '{unknown[0]}' that this version of {kind.__module__} does "
                          f"not know. Update the project, or take a checkpoint of this version.")
    restored = {}
    for name, value in values.items():
        hint = hints[name]
        if dataclasses.is_dataclass(hint) and isinstance(value, dict):
            value = config_from(hint, value)
        elif typing.get_origin(hint) is tuple and not isinstance(hint, types.UnionType):
            value = tuple(value)
        restored[name] = value
    return kind(**restored)
