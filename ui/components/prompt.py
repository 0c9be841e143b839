"""What the comparing tabs ask for: one prompt for several runs, as a small form without paper and sampler; links fill it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from ui.components import cards
from ui.components.player import pack
from ui.service.messages import attempt
from ui.service.run_spec import Order
from ui.service.studio import Studio

# Ends the code of a component of a comparing tab: once the tab is there to be filled, it follows the page's address.
FOLLOW = "setTimeout(() => trigger('follow', {query: location.search}));"


class Prompt:
    """Samples, seed, guidance and controls; `inputs` are its widgets in a fixed order, `read` makes an order of their values.

    `paths` has the speed path of each paper for which a link named one; it belongs to the inputs.

    Args:
        paper: slug of the paper whose controls the panel offers.
        name: begins the ids of its widgets.
        source: whether a source can be given.
    """

    def __init__(self, studio: Studio, paper: str, name: str, source: bool) -> None:
        self.studio = studio
        with gr.Row(elem_classes="tdl-row"):
            self.samples = gr.Number(2, label="Samples", precision=0, min_width=60, elem_id=f"{name}-samples")
            self.seed = gr.Number(Order.seed, label="Seed of the first", precision=0, min_width=80, elem_id=f"{name}-seed")
            self.guidance = gr.Number(Order.guidance_scale, label="Guidance scale", min_width=80, elem_id=f"{name}-guidance")
        self.source = gr.Textbox(label="Source, for papers that read one", lines=1, visible=source, elem_id=f"{name}-source",
                                 placeholder="name[Wildwood], food[French]")
        gr.HTML("<h2>Controls</h2>", elem_classes="tdl-subhead")
        self.controls = cards.cards(studio.kinds(paper), paper, self._read_sentence, f"{name}-controls")
        self.paths = gr.State({})
        self.inputs = [self.samples, self.seed, self.guidance, self.source, self.controls, self.paths]

    def read(self, values: Sequence[Any], paper: str, **more: Any) -> Order:
        """The order of the widgets' values for a paper.

        Raises:
            StudioError: a value is not possible; it is named.
        """
        samples, seed, guidance, source, controls, paths = values
        order = Order(paper=paper, samples=samples, seed=seed, guidance_scale=guidance, source=source or "",
                      controls=cards.controls_of(controls), compute=paths.get(paper, ""), **more)
        order.check()
        return order

    def fill(self, orders: Sequence[Order]) -> list[Any]:
        """A value for each of `inputs`, so that they show what the orders share."""
        first = orders[0]
        return [first.samples, first.seed, first.guidance_scale, first.source, cards.value_of(first.controls),
                {order.paper: order.compute for order in orders if order.compute}]

    def _read_sentence(self, slug: str, sentence: str, paper: str) -> str:
        target, wrong = attempt(lambda: self.studio.target_of(slug, sentence, paper))
        return pack({"sentence": wrong} if target is None else {"target": target})
