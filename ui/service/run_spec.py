"""An order: everything that a person chooses for a run, as plain values that fit into a link, a file or a command line.

Imports nothing heavy, so that a command line can be read and a form be filled before torch is there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from ui.service.options import EVERY

if TYPE_CHECKING:
    from diffusion.core.errors import StudioError

MAX_STEPS, MAX_SAMPLES, MAX_TEXT, MAX_CONTROLS = 2000, 64, 2000, 16
MAX_ROWS = 256                                   # texts that are written at once, copies that compete included
MAX_SEED = 2**32 - MAX_SAMPLES                   # torch's generators tell 2^32 seeds apart, and no more
CANDIDATE_STRIDE = 1_000_000                     # between the seeds of a sample's candidates
_WHOLE = {"steps", "samples", "seed", "candidates", *(name for name, option in EVERY.items() if option.whole)}
DEVICES = ("auto", "cpu", "cuda", "mps")
SPEED_PATHS = ("auto", "fp32", "onednn", "bf16", "compiled")
_RANGES: dict[str, tuple[float, float]] = {
    "steps": (1, MAX_STEPS), "samples": (1, MAX_SAMPLES), "seed": (0, MAX_SEED),
    "candidates": (1, MAX_SAMPLES), "guidance_scale": (0, 20), "temperature": (0, 10),
    **{name: (option.low, option.high) for name, option in EVERY.items()}}
_TITLES = {"steps": "number of steps", "samples": "number of samples", "candidates": "number of candidates",
           "guidance_scale": "guidance scale", "mix_share": "mix share", "inner_steps": "number of inner steps",
           "window_from": "start of the window", "window_until": "end of the window", "particles": "number of particles"}
_IN_LINK = {"controls": "control"}               # named once for each control: control=...&control=...


def mistake(sentence: str) -> StudioError:
    """A StudioError, imported when it is needed: importing it brings torch along."""
    from diffusion.core.errors import StudioError

    return StudioError(sentence)


def brief(value: object) -> str:
    """A value as it may stand in a sentence: quoted if it is text, never long."""
    if isinstance(value, int) and value.bit_length() > 1000:     # Python does not print numbers of any length
        return "with more than 300 digits"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else f"{text[:80]}…"


@dataclass(frozen=True)
class Order:
    """What to run. Sample i uses the seed `seed + i`, so that each sample can be ordered again alone.

    Of several candidates for a sample the first uses the sample's own seed, and each further one a seed that is
    `CANDIDATE_STRIDE` higher, so that candidates can be ordered again alone too.

    Attributes:
        paper: slug of the paper.
        sampler: slug of the sampler; empty for the paper's first.
        guidance_scale: classifier-free guidance: 0 ignores the label, 1 is conditional, above 1 sharpened.
        temperature: divides the logits of every belief, below 1 is sharper; None for the paper's own default.
        clamp, eta, mix, mix_share, revise: settings of some samplers, see `ui.service.options`.
        source: what a sequence-to-sequence paper writes from, ``name[Wildwood], food[French]`` or plain words.
        candidates: texts written for each sample, of which the one closest to the others is chosen.
        strategy: slug of the way of steering.
        inner_steps, fluency, window_from, window_until, particles, rerank: settings of some strategies, see `ui.service.options`.
            They have nothing to do where there is no control.
        controls: as on the command line, ``length=12``.
        compute: speed path; empty for the studio's own.
    """

    paper: str = "diffusion-lm"
    sampler: str = ""
    steps: int = 64
    samples: int = 4
    seed: int = 0
    guidance_scale: float = 1.0
    temperature: float | None = None
    clamp: float = 0.0
    eta: float = 0.0
    mix: float = 1.0
    mix_share: float = 1.0
    revise: int = 0
    source: str = ""
    candidates: int = 1
    strategy: str = "absorb"
    inner_steps: int = 0
    fluency: float = 0.0
    window_from: float = 0.0
    window_until: float = 1.0
    particles: int = 1
    rerank: int = 1
    controls: tuple[str, ...] = ()
    compute: str = ""

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seed of each text: sample by sample, its candidates side by side."""
        return tuple(seed if number == 0 else (seed + number * CANDIDATE_STRIDE) % (MAX_SEED + 1)
                     for seed in range(self.seed, self.seed + self.samples) for number in range(self.candidates))

    @property
    def given(self) -> tuple[str, ...]:
        """The options of samplers and strategies that differ from their default."""
        return tuple(name for name, option in EVERY.items() if getattr(self, name) != option.default)

    def check(self) -> None:
        """Refuses what no run can start from, before any model is loaded.

        Raises:
            StudioError: a value is of another kind, out of range or too long; it is named with its rule.
        """
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is None and field.default is None:
                continue
            if field.name == "controls":
                self._check_controls(value)
            elif isinstance(field.default, str):
                _check_text(f"The {field.name}", value)
            else:
                _check_number(field.name, value, whole=field.name in _WHOLE)
        if self.samples * self.candidates > MAX_SAMPLES:
            raise mistake(f"{self.samples} samples of {self.candidates} candidates each are {self.samples * self.candidates} "
                          f"texts; at most {MAX_SAMPLES} are possible. Ask for fewer.")
        if (rows := self.samples * self.candidates * self.particles * self.rerank) > MAX_ROWS:
            raise mistake(f"{self.samples * self.candidates} texts with {self.particles} particles, each chosen among "
                          f"{self.rerank}, are {rows} at once; at most {MAX_ROWS} are possible. Ask for fewer.")
        if self.window_from > self.window_until:
            raise mistake(f"Wishes cannot act from {self.window_from} until {self.window_until} of the time. "
                          f"Let the window end after its start.")

    @staticmethod
    def _check_controls(controls: object) -> None:
        if not isinstance(controls, tuple):
            raise mistake(f"The controls are a tuple of texts like 'length=12'; got {brief(controls)}.")
        if len(controls) > MAX_CONTROLS:
            raise mistake(f"{len(controls)} controls are too many; at most {MAX_CONTROLS} are possible.")
        for control in controls:
            _check_text("A control", control)
            if not control.strip():
                raise mistake("A control is empty; write it like length=12, or leave it out.")

    # ---- as a dictionary, and as the query of a link

    def to_dict(self) -> dict[str, Any]:
        """The order as JSON values."""
        return {**dataclasses.asdict(self), "controls": list(self.controls)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Order:
        """The inverse of `to_dict`, checked; what is not named keeps its default.

        Raises:
            StudioError: a key is unknown, or a value is not possible.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        unknown = [key for key in values if key not in known]
        if unknown:
            raise mistake(f"An order has no {brief(str(unknown[0]))}; it has {', '.join(known)}.")
        given = dict(values)
        if isinstance(given.get("controls"), list):
            given["controls"] = tuple(given["controls"])
        order = cls(**given)
        order.check()
        return order

    def to_query(self) -> str:
        """The order as the query of a link, without its question mark; empty texts and options not given are left out."""
        quiet = {name for name in EVERY if name not in self.given} | ({"candidates"} if self.candidates == 1 else set())
        pairs = [(name, value) for name, value in dataclasses.asdict(self).items()
                 if name != "controls" and name not in quiet and value not in ("", None)]
        return urlencode([*pairs, *((_IN_LINK["controls"], control) for control in self.controls)])

    @classmethod
    def from_query(cls, query: str | Mapping[str, Any]) -> Order:
        """The order of a link: the text after its question mark, or its keys and values (a value may be a list).

        Keys that begin with two underscores belong to Gradio (`__theme`) and are passed over.

        Raises:
            StudioError: a key is unknown or stands twice, or a value is not possible; it is named.
        """
        values: dict[str, Any] = {}
        controls: list[str] = []
        numbers = {name: int if name in _WHOLE else float for name in _RANGES}
        for key, text in pairs(query):
            if key.startswith("__"):
                continue
            if key == _IN_LINK["controls"]:
                controls.append(text)
            elif key in values:
                raise mistake(f"The link names {brief(key)} twice; give it once.")
            elif key == "controls":
                raise mistake("The link has no 'controls'; name each control by itself, control=length%3D12.")
            else:
                values[key] = _number(key, text, numbers[key]) if key in numbers else text
        return cls.from_dict({**values, "controls": controls})


def pairs(query: str | Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Keys and texts of a query in order; starlette's mapping keeps repeated keys in `multi_items`, others as lists."""
    if isinstance(query, str):
        try:
            return parse_qsl(query.removeprefix("?"), keep_blank_values=True, max_num_fields=100)
        except ValueError as error:
            raise mistake(f"The link cannot be read ({error}); copy it again.") from error
    items = query.multi_items() if hasattr(query, "multi_items") else query.items()
    return [(str(key), str(text)) for key, value in items
            for text in (value if isinstance(value, list | tuple) else [value])]


def _number(name: str, text: str, kind: type) -> float:
    try:
        return kind(text)
    except ValueError as error:
        what = "a whole number" if kind is int else "a number"
        raise mistake(f"The {_TITLES.get(name, name)} must be {what}; got {brief(text)}.") from error


def _check_text(title: str, value: object) -> None:
    if not isinstance(value, str):
        raise mistake(f"{title} must be text; got {brief(value)}.")
    if any("\ud800" <= letter <= "\udfff" for letter in value):   # how Python keeps bytes that are not UTF-8
        raise mistake(f"{title} holds letters that are not UTF-8 ({brief(value)}). Write it again.")
    if len(value) > MAX_TEXT:
        raise mistake(f"{title} of {len(value)} characters is too long ({brief(value)}); {MAX_TEXT} are allowed.")


def _check_number(name: str, value: object, whole: bool) -> None:
    title, (low, high) = _TITLES.get(name, name), _RANGES[name]
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        raise mistake(f"The {title} must be {'a whole number' if whole else 'a number'}; got {brief(value)}.")
    positive = name == "temperature"             # it divides, so 0 itself is not possible
    if not low <= value <= high or (positive and value <= low):      # a NaN lies in no range
        span = f"above {low} and at most {high}" if positive else f"{low} to {high}"
        raise mistake(f"The {title} {brief(value)} is not possible; choose {span}.")
