"""The form: an order's settings and the controls' knobs as widgets, and the way from widgets to an order and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import gradio as gr

from ui.order import Order, mistake
from ui.studio import PaperInfo, Studio
from ui.wishes import Wishes, further_controls

SLOTS = 8                        # slots that a label can have in the form; E2E has eight
ANY = ""                         # a slot that is not asked for
PATHS = ("", "auto", "fp32", "onednn", "bf16", "compiled")
ROLL = "() => Math.floor(Math.random() * 1000000)"


class Form:
    """The widgets of an order, built where it is made.

    `inputs` are all widgets in a fixed order; `read` makes an order of their values, `fill` the updates that show an order.
    """

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.papers = {paper.slug: paper for paper in studio.papers() if not paper.source}
        self.boxes = further_controls()
        usable = [slug for slug, paper in self.papers.items() if paper.available]
        self.start = Order(paper=usable[0] if usable and Order.paper not in usable else Order.paper)
        self._build_settings()
        self._build_controls()
        self._build_rest()
        self.inputs = [self.paper, self.sampler, self.steps, self.samples, self.seed, self.guidance, self.temperature,
                       self.clamp, self.eta, self.compute, self.length, self.infill, *self.slots, *self.own, self.more]
        self.paper.input(self._change_paper, [self.paper], [self.sampler, self.about, self.temperature, *self.slots],
                         api_visibility="private", show_progress="hidden", queue=False)

    # ---- widgets

    def _build_settings(self) -> None:
        chosen = self._paper(self.start.paper)
        with gr.Row(elem_classes="tdl-row"):
            self.paper = gr.Dropdown([(paper_title(paper), slug) for slug, paper in self.papers.items()], value=self.start.paper,
                              label="Paper", filterable=False, min_width=120, elem_id="paper")
            self.sampler = gr.Dropdown(samplers(chosen), value=first(chosen), label="Sampler", filterable=False, min_width=120,
                                elem_id="sampler")
        self.about = gr.HTML(caption_html(chosen), elem_classes="tdl-about")
        self.steps = gr.Slider(1, 256, Order.steps, step=1, label="Steps", elem_id="steps", buttons=[])
        with gr.Row(elem_classes="tdl-row"):
            self.samples = gr.Number(Order.samples, label="Samples", precision=0, min_width=60, elem_id="samples")
            self.seed = gr.Number(Order.seed, label="Seed of the first", precision=0, min_width=90, elem_id="seed", scale=2)
            dice = gr.Button("⚄", size="sm", min_width=34, scale=0, elem_id="dice", elem_classes="tdl-dice")
        dice.click(None, None, self.seed, js=ROLL, api_visibility="private")

    def _build_controls(self) -> None:
        slots = self._slots(self.start.paper)
        self.length = gr.Textbox(label="Number of words", lines=1, elem_id="length", placeholder="any, or 12, or 10-14")
        self.infill = gr.Textbox(label="Text with blanks: ___ any words, ___3 three", lines=1, max_lines=4, elem_id="infill",
                                 placeholder="The Vaults is a ___ near Café Rouge .")
        with gr.Accordion("What the text says", open=False, elem_id="label") as self.label:
            self.guidance = gr.Slider(0, 10, Order.guidance_scale, step=0.1, label="Guidance scale", elem_id="guidance", buttons=[],
                                  info="0 ignores what is asked, 1 follows, above 1 insists")
            with gr.Row(elem_classes="tdl-row tdl-slots"):
                self.slots = [gr.Dropdown(**self._slot(slots, place), min_width=120, elem_id=f"slot-{place}")
                              for place in range(SLOTS)]
        self.own = [gr.Textbox(label=box.title, info=box.caption, placeholder=box.example, elem_id=f"control-{box.slug}")
                    for box in self.boxes]

    def _build_rest(self) -> None:
        with gr.Accordion("More settings", open=False, elem_id="settings"):
            self.temperature = gr.Slider(0.05, 2, self._paper(self.start.paper).temperature, step=0.05, label="Temperature",
                                         elem_id="temperature", buttons=[], info="divides every belief's logits: below 1 is surer")
            self.clamp = gr.Slider(0, 1, Order.clamp, step=0.05, label="Clamping", elem_id="clamp", buttons=[],
                               info="share of the steps, at the end, that round to words")
            self.eta = gr.Slider(0, 1, Order.eta, step=0.05, label="Eta", elem_id="eta", buttons=[],
                             info="share of the ancestral noise that DDIM adds")
            self.compute = gr.Dropdown([(name or "this server's own", name) for name in PATHS], value="", label="Speed path",
                                elem_id="compute", filterable=False)
            self.more = gr.Textbox(label="Further controls, one a line", lines=1, max_lines=6, elem_id="more",
                                   placeholder="length=12")

    def _slot(self, slots: dict[str, tuple[str, ...]], place: int) -> dict[str, Any]:
        """What the menu of a slot shows; there may be fewer slots than menus."""
        if place >= len(slots):
            return {"choices": [("any", ANY)], "value": ANY, "label": "", "visible": False}
        name, values = list(slots.items())[place]
        named = [value for value in values if value != "absent"]
        return {"choices": [("any", ANY), ("not mentioned", "absent"), *((value, value) for value in named)], "value": ANY,
                "label": name, "visible": True}

    # ---- what there is

    def _paper(self, slug: str) -> PaperInfo:
        return self.papers.get(slug) or next(iter(self.papers.values()))

    def _slots(self, slug: str) -> dict[str, tuple[str, ...]]:
        """The slots of a paper; none where its checkpoint is not here."""
        paper = self.papers.get(slug)
        return dict(list(self.studio.labels(slug).items())[:SLOTS]) if paper and paper.available else {}

    def _change_paper(self, slug: str) -> list[Any]:
        paper, slots = self._paper(slug), self._slots(slug)
        return [gr.update(choices=samplers(paper), value=first(paper)), caption_html(paper), paper.temperature,
                *(gr.update(**self._slot(slots, place)) for place in range(SLOTS))]

    # ---- widgets to order and back

    def read(self, values: Sequence[Any]) -> Order:
        """The order of the widgets' values.

        Raises:
            StudioError: a value is not possible; it is named.
        """
        if len(values) != len(self.inputs):
            raise mistake(f"The form has {len(self.inputs)} values; got {len(values)}.")
        paper, sampler, steps, samples, seed, guidance, temperature, clamp, eta, compute, length, infill, *rest = values
        chosen, own, more = rest[:SLOTS], rest[SLOTS:-1], rest[-1]
        slots = self._slots(paper) if any(chosen) else {}
        label = {slot: value for slot, value in zip(slots, chosen, strict=False) if value}
        wishes = Wishes(length or "", infill or "", label,
                        {box.slug: text or "" for box, text in zip(self.boxes, own, strict=True)}, tuple((more or "").splitlines()))
        order = Order(paper=paper or "", sampler=sampler or "", steps=steps, samples=samples, seed=seed,
                      guidance_scale=guidance, temperature=temperature, clamp=clamp, eta=eta,
                      controls=wishes.controls(), compute=compute or "")
        order.check()
        return order

    def fill(self, order: Order) -> list[Any]:
        """An update for every widget of `inputs`, so that they show an order."""
        paper, slots = self._paper(order.paper), self._slots(order.paper)
        wishes = Wishes.of(order.controls, slots, [box.slug for box in self.boxes])
        menus = []
        for place in range(SLOTS):
            shown = self._slot(slots, place)
            menus.append(gr.update(**{**shown, "value": wishes.label.get(shown["label"], ANY)}))
        return [order.paper, gr.update(choices=samplers(paper), value=order.sampler or first(paper)),
                reach(order.steps, 256), order.samples, order.seed, reach(order.guidance_scale, 10),
                reach(paper.temperature if order.temperature is None else order.temperature, 2),
                order.clamp, order.eta, order.compute, wishes.length, wishes.infill, *menus,
                *(wishes.own.get(box.slug, "") for box in self.boxes), "\n".join(wishes.more)]

    def opened(self, order: Order) -> list[Any]:
        """Updates of caption and accordion: what an order uses is open to see."""
        return [caption_html(self._paper(order.paper)), gr.update(open=any(text.startswith("label=") for text in order.controls))]


def reach(value: float, most: float) -> Any:
    """A slider that reaches as far as the value it has to show."""
    return gr.update(value=value, maximum=max(most, value))


def samplers(paper: PaperInfo) -> list[tuple[str, str]]:
    """A paper's samplers for a menu, best first."""
    return [(sampler.title, sampler.slug) for sampler in paper.samplers]


def first(paper: PaperInfo) -> str:
    """The sampler that a paper prefers."""
    return paper.samplers[0].slug


def paper_title(paper: PaperInfo) -> str:
    """A paper for a menu; one without a checkpoint says so."""
    return paper.title if paper.available else f"{paper.title} (no checkpoint)"


def caption_html(paper: PaperInfo) -> str:
    """A paper's caption: its first sentence, and all of it on demand."""
    sentence, _, rest = paper.caption.partition(". ")
    more = f"<details><summary>{_safe([sentence])}.</summary>{_safe([rest])}</details>"
    return more if rest else f"<p>{_safe([sentence])}</p>"


def _safe(texts: Iterable[str]) -> str:
    return "".join(texts).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
