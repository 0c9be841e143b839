"""The contract that every paper fulfils: predict a belief, absorb a wish, decode, and say how likely a text is."""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from diffusion.core.checkpoint import Checkpoint, build, distinct, locate, read, write
from diffusion.core.errors import StudioError
from diffusion.core.rng import BatchRng, Rng
from diffusion.core.schedules import DiscreteNoise
from diffusion.core.types import Gaussian, Prediction, Request, Space
from diffusion.text import source
from diffusion.text.labels import LabelSet
from diffusion.text.vocab import END, PAD, UNK, Vocabulary


@dataclass(frozen=True, slots=True)
class SpeedPath:
    """How a model's network is evaluated: the path's name, and the prepared copy of the network (None: the model's own)."""

    name: str
    network: Callable[..., Tensor] | None


class DiffusionModel(nn.Module, ABC):
    """One paper's process around the common backbone.

    Class attributes: `slug` names it everywhere; `title` is for people; `source` says that it reads a source text;
    `hard` says that masks of allowed words are honoured exactly, as a state of words allows; `guides_logits` that guidance
    acts on the logits of the belief, otherwise on the point that the sampler consumes; `samplers` lists the samplers that
    fit, best first; `space` says what its states are; `paths` the speed paths of its network; `weightless` says that it needs
    no checkpoint;
    `temperature` is the default of sampling, tuned on held-out training rows where it is not 1.
    """

    network: nn.Module

    slug: ClassVar[str]
    title: ClassVar[str]
    source: ClassVar[bool] = False
    hard: ClassVar[bool] = True
    guides_logits: ClassVar[bool] = True
    samplers: ClassVar[tuple[str, ...]]
    space: ClassVar[Space]
    config_type: ClassVar[type]
    weightless: ClassVar[bool] = False
    temperature: ClassVar[float] = 1.0
    paths: ClassVar[tuple[str, ...]] = ("fp32",)

    config: Any
    vocab: Vocabulary
    labels: LabelSet
    length: int
    card: dict[str, Any]
    hash: str

    def __init__(self, config: Any, vocab: Vocabulary, labels: LabelSet) -> None:
        super().__init__()
        self.config, self.vocab, self.labels = config, vocab, labels
        self.card, self.hash = {}, "untrained"
        self.path = SpeedPath("fp32", None)

    @classmethod
    def from_checkpoint(cls, opened: Checkpoint) -> Self:
        """The model of an opened checkpoint, in fp32 and ready to sample.

        Raises:
            StudioError: the weights do not fit the configuration.
        """
        model = build(cls, cls.config_type, opened)
        model.card, model.hash = opened.card, opened.hash
        return model

    @classmethod
    def from_pretrained(cls, name: str, revision: str | None = None) -> Self:
        """The model of a checkpoint folder, a bundled slug or a Hub id.

        Raises:
            StudioError: there is no such checkpoint, it is damaged, or it is another paper's.
        """
        opened = read(locate(name, revision))
        if opened.slug != cls.slug:
            raise StudioError(f"'{opened.folder}' holds a checkpoint of '{opened.slug}', not of '{cls.slug}'. "
                              f"Load it with diffusion.load().")
        return cls.from_checkpoint(opened)

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes a checkpoint folder, weights in bf16."""
        write(Path(folder), self, distinct(self), self.card)

    def push_to_hub(self, repo_id: str, **options: Any) -> str:
        """Uploads the checkpoint to the Hub and returns its address; options go to `HfApi.create_repo`."""
        from huggingface_hub import HfApi

        api = HfApi()
        api.create_repo(repo_id, exist_ok=True, **options)
        with tempfile.TemporaryDirectory() as folder:
            self.save_pretrained(folder)
            return str(api.upload_folder(repo_id=repo_id, folder_path=folder))

    @abstractmethod
    def prior(self, request: Request, rng: Rng) -> Any:
        """A state of pure noise for each seed."""

    @abstractmethod
    def predict(self, state: Any, t: float, request: Request) -> Prediction:
        """The belief at time t, classifier-free guidance included."""

    @abstractmethod
    def absorb(self, prediction: Prediction, wanted: Tensor) -> Prediction:
        """The prediction with its logits changed by `wanted` nats, of a shape that broadcasts to (B, L, V).

        A zero wish is the identity, bitwise; -inf rules a word out.
        """

    @abstractmethod
    def decode(self, state: Any) -> Tensor:
        """Word ids (B, L) of a state at time 0."""

    def finish(self, state: Any, prediction: Prediction) -> Tensor:
        """The finished text (B, L) after the last step, from its state and its steered prediction."""
        return self.decode(state)

    @abstractmethod
    def noise(self, tokens: Tensor, t: float, rng: Rng) -> Any:
        """The state at time t of the forward process started from tokens (B, L)."""

    @abstractmethod
    def survival(self, t: float) -> Tensor:
        """alpha_bar at time t, the share of signal power or of words that noise has left: (1,), or (L,) by position."""

    @abstractmethod
    def glimpse(self, state: Any, t: float) -> Tensor:
        """What a noisy state says by itself, before a network has read its context: log-probabilities (B, L, V).

        Every position is taken alone, with all words equally likely beforehand.
        """

    @abstractmethod
    def loss(self, tokens: Tensor, label: Tensor, rng: BatchRng, source: Tensor | None = None) -> Tensor:
        """Training loss of each row, (B,), for tokens (B, L) and labels (B, S)."""

    @abstractmethod
    def bound(self, tokens: Tensor, label: Tensor, rng: BatchRng) -> Tensor:
        """Upper bound of each row's negative log-likelihood, (B,) nats, by Monte Carlo over time."""

    def evaluate(self, *inputs: Tensor) -> Tensor:
        """The network's output, on the speed path in use; where gradients are wanted, always on plain fp32."""
        fast = None if torch.is_grad_enabled() else self.path.network
        return (self.network if fast is None else fast)(*inputs)

    def network_inputs(self, batch: int) -> tuple[Tensor, ...]:
        """Inputs of the right shapes for `batch` rows, to time the network with; for papers with several speed paths."""
        raise NotImplementedError(f"{self.slug} has one speed path")

    def network_shape(self) -> str:
        """What sets the network's speed, as a key of the cache of timings."""
        return "x".join(str(size) for size in (sum(p.numel() for p in self.parameters()), self.length))

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def label_batch(self, request: Request) -> Tensor:
        """The request's label for every seed, (B, S); all unknown where the request has none."""
        label = self.labels.free() if request.label is None else request.label
        return label.to(self.device).expand(len(request.seeds), -1)

    def source_batch(self, request: Request) -> Tensor:
        """The request's source for every seed, (B, M); the empty source where the request has none.

        Raises:
            StudioError: it is no row of ids, nor one for each seed, or an id is not one of a source.
        """
        row = source.empty() if request.source is None else request.source
        most, batch = source.size(self.vocab, self.labels), len(request.seeds)
        if row.dim() > 2 or (row.dim() == 2 and len(row) not in (1, batch)) or not 1 <= row.shape[-1] <= source.LENGTH:
            raise StudioError(f"A source of shape {tuple(row.shape)} is no row of at most {source.LENGTH} ids, nor {batch} of "
                              f"them. Make it with diffusion.text.source.encode().")
        if int(row.min()) < 0 or int(row.max()) >= most:
            raise StudioError(f"A source holds ids from 0 to {most - 1}; got {int(row.min())} to {int(row.max())}. "
                              f"Make it with diffusion.text.source.encode().")
        return row.to(self.device).expand(batch, -1)

    def no_control(self) -> str | None:
        """Why words cannot be steered in this very model, as a sentence; None when they can."""
        return None

    def after_step(self, step: int) -> None:
        """Called in training after `step` steps of optimisation; for what a paper fits beside its weights."""

    def sharpness(self, request: Request) -> float:
        """What divides the logits of a belief: the request's temperature, or the paper's own where it names none."""
        return self.temperature if request.temperature is None else request.temperature

    def never(self) -> Tensor:
        """Words that no text holds, (L, V) true where forbidden: UNK anywhere, END and PAD at the first position."""
        forbidden = torch.zeros(self.length, len(self.vocab), dtype=torch.bool)
        forbidden[:, UNK] = True
        forbidden[0, [END, PAD]] = True
        return forbidden


class GaussianModel(DiffusionModel):
    """A paper whose state is Gaussian: what the Gaussian samplers need of it besides the contract.

    Attributes:
        renoise_power: re-noising steps at times u ** this, u at even distances; below 1 most steps are where nearly all is noise.
    """

    space: ClassVar[Space] = Space.GAUSSIAN
    renoise_power: ClassVar[float] = 1.0

    @abstractmethod
    def signal(self, t: float) -> Tensor:
        """alpha_bar at time t: (), or (L, 1) where every position has its own."""

    def survival(self, t: float) -> Tensor:
        """alpha_bar at time t, (1,) or (L,)."""
        return self.signal(t).reshape(-1)

    def signal_for(self, x: Tensor, t: float) -> Tensor:
        """alpha_bar at time t of the positions of x (B, l, D), which may be fewer than the model has; () or (l, 1)."""
        signal = self.signal(t)
        return signal[: x.shape[1]] if signal.dim() else signal

    @abstractmethod
    def clamp(self, x0_hat: Tensor) -> Tensor:
        """x0_hat with every vector replaced by the nearest one that means a word."""

    def prior(self, request: Request, rng: Rng) -> Gaussian:
        """Standard normal noise, (B, L, D)."""
        x = rng.normal(request.length, self.state_width)
        return Gaussian(x, torch.zeros_like(x))

    @property
    @abstractmethod
    def state_width(self) -> int:
        """D, the width of a state vector."""


class DiscreteModel(DiffusionModel):
    """A paper whose state is word ids (B, L), masked or replaced at random: what its samplers need besides the contract.

    Attributes:
        mask: the id of the mask, behind those of the words; no state of replaced words holds it.
        noise_schedule: how many words have been masked or replaced by when.
        certain: nats by which a committed word leads every other in a belief, before any steering.
    """

    space: ClassVar[Space] = Space.MASKED
    certain: ClassVar[float] = 30.0
    mask: int
    noise_schedule: DiscreteNoise

    def survival(self, t: float) -> Tensor:
        """The probability that a word has not been replaced by time t, (1,)."""
        return torch.tensor([1 - self.noise_schedule.replaced(t)])

    @abstractmethod
    def score(self, logits: Tensor, ids: Tensor, t: Tensor) -> Tensor:
        """The ratios p_t(x with y at l) / p_t(x) (B, L, N) that a belief (B, L, V) means for states (B, L) at times (B,)."""
