"""What the tabs of a page share: the studio, and the run that is being looked at."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr

from ui.service import messages
from ui.service.messages import Message
from ui.service.studio import Studio


@dataclass
class Page:
    """One page of the lab, built inside a Blocks.

    Attributes:
        studio: loads models and runs orders.
        opening: the stored run that the page opens on.
        key: id of the newest run in the studio's traces, empty until there is one; tabs listen to its `change`.
        stored: the opening run's trace; None where there is none. `first` is the message that shows it.
    """

    studio: Studio
    opening: Path = messages.OPENING
    key: gr.State = field(init=False)
    stored: Any = field(init=False)
    first: Message = field(init=False)

    def __post_init__(self) -> None:
        self.stored, self.first = messages.opening(self.studio, self.opening)
        self.key = gr.State("")

    @property
    def traces(self) -> Path:
        """The folder of the stored runs."""
        return self.opening.parent

    def trace(self, key: str) -> Any:
        """The run of an id; the opening run for the empty one.

        Raises:
            StudioError: it is no longer kept.
        """
        return self.studio.traces.get(key) if key or self.stored is None else self.stored
