"""The form: an order's settings and the controls' knobs as widgets, and the way from widgets to an order and back.

What a paper and a sampler can do decides what is shown: a sampler's own options, the kinds of controls, and for a paper that reads
a source a source form with a menu for each slot.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from html import escape
from typing import Any

import gradio as gr

from ui.components import cards
from ui.components.glossary import COLUMNS
from ui.components.player import pack
from ui.service import meaning
from ui.service.advice import advice, advised
from ui.service.catalogue import PaperInfo, SamplerInfo
from ui.service.messages import attempt
from ui.service.options import OPTIONS, STEERING, Option
from ui.service.run_spec import MAX_SAMPLES, Order, mistake
from ui.service.studio import Studio

SLOTS = 8                        # slots that a label can have in the form; E2E has eight
ANY = ""                         # a slot that a source does not name
PATHS = ("", "auto", "fp32", "onednn", "bf16", "compiled")
ROLL = "() => Math.floor(Math.random() * 1000000)"
CODE = re.compile("`([^`]*)`")
HIDDEN: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "queue": False}


class Menu(gr.Dropdown):
    """A menu whose choices another menu changes: a value of the choices before may still arrive, and the order is checked anyway.
    Gradio's dropdown answers it with an error of the server."""

    def get_block_name(self) -> str:
        """The page draws it as any other dropdown."""
        return "dropdown"

    def preprocess(self, payload: Any) -> Any:
        """The value as it came."""
        return payload


class Form:
    """The widgets of an order, built where it is made.

    `inputs` are all widgets of an order in a fixed order, `shown` what else the form shows; `read` makes an order of the inputs'
    values, `fill` the updates of both that show an order. `advice` and `take` are rendered by whoever places the form.
    """

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.papers = {paper.slug: paper for paper in studio.papers() if paper.available}
        self.start = Order(paper=Order.paper if Order.paper in self.papers else next(iter(self.papers)))
        paper = self._paper(self.start.paper)
        self._build_paper(paper)
        self._build_source(paper)
        self._build_settings(paper)
        self._build_controls(paper)
        self._build_rest(paper)
        self.inputs = [self.paper, self.sampler, self.steps, self.samples, self.seed, self.guidance, self.temperature,
                       *self.options.values(), self.strategy, *self.steering.values(), self.compute, self.source,
                       self.candidates, self.controls]
        self.shown = [self.about, self.preference, self.menus, *self.slots]
        self._connect()

    # ---- widgets

    def _build_paper(self, paper: PaperInfo) -> None:
        with gr.Row(elem_classes="tdl-row"):
            self.paper = gr.Dropdown([(info.title, slug) for slug, info in self.papers.items()], value=paper.slug, label="Paper",
                                     filterable=False, min_width=120, elem_id="paper")
            self.sampler = Menu(samplers(paper), value=paper.samplers[0].slug, label="Sampler", filterable=False,
                                min_width=120, elem_id="sampler")
        self.about = gr.HTML(self._about(paper, paper.samplers[0]), elem_classes="tdl-about", elem_id="about")

    def _build_settings(self, paper: PaperInfo) -> None:
        self.steps = gr.Slider(1, 256, paper.samplers[0].usual_steps, step=1, label="Steps", elem_id="steps", buttons=[],
                               visible=paper.samplers[0].heeds_steps)
        with gr.Row(elem_classes="tdl-row"):
            self.samples = gr.Number(Order.samples, label="Samples", precision=0, min_width=60, elem_id="samples")
            self.candidates = gr.Number(Order.candidates, label="Candidates", precision=0, min_width=70, elem_id="candidates",
                                        minimum=1, maximum=MAX_SAMPLES, visible=paper.source)
            self.seed = gr.Number(Order.seed, label="Seed of the first", precision=0, min_width=80, elem_id="seed", scale=2)
            dice = gr.Button("⚄", size="sm", min_width=34, scale=0, elem_id="dice", elem_classes="tdl-dice")
        dice.click(None, None, self.seed, js=ROLL, api_visibility="private")

    def _build_source(self, paper: PaperInfo) -> None:
        self.source = gr.Textbox(label="Source to write from; empty: it writes freely", lines=1, max_lines=4, elem_id="source",
                                 placeholder="name[Wildwood], food[French]", visible=paper.source)
        slots = self._slots(paper.slug)
        with gr.Accordion("The source, slot by slot", open=True, elem_id="menus", visible=paper.source) as self.menus, \
                gr.Row(elem_classes="tdl-row tdl-slots"):
            self.slots = [gr.Dropdown(**self._slot(slots, place), min_width=120, elem_id=f"slot-{place}") for place in range(SLOTS)]

    def _build_controls(self, paper: PaperInfo) -> None:
        gr.HTML("<h2>Controls</h2>", elem_classes="tdl-subhead")
        self.controls = cards.cards(self.studio.kinds(paper.slug), paper.slug, self._read_sentence)
        self.objection = gr.HTML("", visible=False, elem_id="objection", elem_classes="tdl-objection")
        self.advice = gr.HTML("", visible=False, render=False, elem_classes="tdl-advice", elem_id="advice")
        self.take = gr.Button("Use", size="sm", visible=False, render=False, min_width=48, scale=0, elem_id="take")
        self.preference = gr.HTML(preference_html(paper), visible=not paper.hard, elem_classes="tdl-about", elem_id="preference")
        self.guidance = gr.Slider(0, 10, Order.guidance_scale, step=0.1, label="Guidance scale", elem_id="guidance", buttons=[],
                                  visible=paper.source, info="label and source: 0 ignores, 1 follows, more insists")

    def _build_rest(self, paper: PaperInfo) -> None:
        with gr.Accordion("More settings", open=False, elem_id="settings"):
            self.temperature = gr.Slider(0.05, 2, paper.temperature, step=0.05, label="Temperature", elem_id="temperature",
                                         buttons=[], info="divides every belief's logits: below 1 is surer")
            self.options = {name: option_slider(option, name in paper.samplers[0].options) for name, option in OPTIONS.items()}
            self.strategy = Menu(strategies(paper), value=paper.strategies[0].slug, label="Steering", filterable=False,
                                 elem_id="strategy")
            with gr.Accordion("Steering, in detail", open=False, elem_id="steering"):
                self.steering = {name: option_slider(option, name in paper.strategies[0].options)
                                 for name, option in STEERING.items()}
            self.compute = gr.Dropdown([(name or "this server's own", name) for name in PATHS], value="", label="Speed path",
                                       elem_id="compute", filterable=False)

    def _connect(self) -> None:
        adapted = [self.sampler, self.about, self.steps, *self.options.values()]
        self.paper.input(self._change_paper, [self.paper, self.source],
                         [*adapted, self.strategy, *self.steering.values(), self.temperature, self.source, self.candidates,
                          self.preference, self.controls, self.menus, *self.slots], **HIDDEN)
        changed = [self.controls.input, self.controls.change, self.paper.change]
        gr.on(changed, self._change_controls, [self.paper, self.controls], [self.objection, self.guidance],
              trigger_mode="always_last", **HIDDEN)
        asking = [*changed, self.source.change, self.sampler.change, self.strategy.change,
                  *(slider.release for slider in (self.steps, self.temperature, *self.steering.values()))]
        gr.on(asking, self._advise, self.inputs, [self.advice, self.take], trigger_mode="always_last", **HIDDEN)
        self.take.click(self._take, self.inputs, [*self.inputs, *self.shown, self.advice, self.take], **HIDDEN)
        self.sampler.input(self._change_sampler, [self.paper, self.sampler], adapted[1:], **HIDDEN)
        self.strategy.input(self._change_strategy, [self.paper, self.strategy], [*self.steering.values()], **HIDDEN)
        typed = [self.source.input, self.source.blur]    # what is pasted over a text that came from here is seen on leaving
        gr.on(typed, self._read_source, [self.paper, self.source], self.slots, trigger_mode="always_last", **HIDDEN)
        for place, menu in enumerate(self.slots):
            menu.input(partial(self._choose_slot, place), [self.paper, self.source, menu], self.source, **HIDDEN)

    def _slot(self, slots: Mapping[str, Sequence[str]], place: int, value: str = ANY) -> dict[str, Any]:
        """What the menu of a slot shows; there may be fewer slots than menus."""
        if place >= len(slots):
            return {"choices": [("not said", ANY)], "value": ANY, "label": "", "visible": False}
        name, values = list(slots.items())[place]
        return {"choices": [("not said", ANY), *((each, each) for each in values)], "value": value, "label": name, "visible": True}

    def _menus(self, paper: PaperInfo, values: Mapping[str, str]) -> list[Any]:
        """Updates of all menus, so that they show these values."""
        slots = self._slots(paper.slug)
        names = [*slots, *[""] * (SLOTS - len(slots))]
        return [gr.update(**self._slot(slots, place, values.get(name, ANY))) for place, name in enumerate(names)]

    # ---- what there is

    def _paper(self, slug: str) -> PaperInfo:
        return self.papers.get(slug) or next(iter(self.papers.values()))

    def _slots(self, slug: str) -> dict[str, tuple[str, ...]]:
        """The slots of a paper; none where its checkpoint is not here."""
        return dict(list(self.studio.labels(slug).items())[:SLOTS]) if slug in self.papers else {}

    def _about(self, paper: PaperInfo, sampler: SamplerInfo) -> str:
        return about_html(paper, sampler, self.studio.facts(paper.slug))

    # ---- what a choice changes

    def _change_paper(self, slug: str, source: str) -> list[Any]:
        """A paper brings its samplers and its settings; what was typed stays, also where it is not shown."""
        paper = self._paper(slug)
        return [gr.update(choices=samplers(paper), value=paper.samplers[0].slug), *self._change_sampler(slug, ""),
                gr.update(choices=strategies(paper), value=paper.strategies[0].slug), *self._change_strategy(slug, ""),
                paper.temperature, gr.update(visible=paper.source), gr.update(visible=paper.source),
                gr.update(value=preference_html(paper), visible=not paper.hard),
                gr.HTML(kinds=self.studio.kinds(paper.slug), paper=paper.slug), gr.update(visible=paper.source),
                *self._read_source(slug, source)]

    def _change_sampler(self, slug: str, chosen: str) -> list[Any]:
        paper = self._paper(slug)
        sampler = paper.sampler(chosen)
        return [self._about(paper, sampler), gr.update(value=sampler.usual_steps, visible=sampler.heeds_steps),
                *(gr.update(visible=name in sampler.options) for name in self.options)]

    def _change_strategy(self, slug: str, chosen: str) -> list[Any]:
        options = self._paper(slug).strategy(chosen).options
        return [gr.update(visible=name in options) for name in self.steering]

    def _change_controls(self, slug: str, value: str) -> list[Any]:
        """What speaks against the controls, before they are run; guidance can be set where something is asked for by it."""
        paper, controls = self._paper(slug), cards.controls_of(value)
        order = Order(paper=paper.slug, controls=controls)
        _, sentence = attempt(order.check)
        sentence = sentence or self.studio.objection(order)
        guided = paper.source or any(control.startswith("label=") for control in controls)
        return [gr.update(value=f"<p role='status'>{_safe([sentence])}</p>", visible=bool(sentence)), gr.update(visible=guided)]

    def _advise(self, *values: Any) -> list[Any]:
        """What was found to work better for what is asked than what the form shows; nothing while a value is not possible."""
        order, _ = attempt(lambda: self.read(values))
        sentence = advice(order) if order else ""
        return [gr.update(value=f"<p role='status'>{_safe([sentence])}</p>", visible=bool(sentence)),
                gr.update(visible=bool(sentence))]

    def _take(self, *values: Any) -> list[Any]:
        """The form with what was found to work better."""
        order, _ = attempt(lambda: self.read(values))
        untouched = [gr.skip()] * (len(self.inputs) + len(self.shown))
        return [*(self.fill(advised(order)) if order else untouched), *[gr.update(visible=False)] * 2]

    def _read_sentence(self, slug: str, sentence: str, paper: str) -> str:
        """The target that a sentence has, or what is wrong, as JSON text for the panel."""
        target, wrong = attempt(lambda: self.studio.target_of(slug, sentence, self._paper(paper).slug))
        return pack({"sentence": wrong} if target is None else {"target": target})

    def _read_source(self, slug: str, source: str) -> list[Any]:
        """The menus follow the text."""
        paper = self._paper(slug)
        return self._menus(paper, meaning.menus(source or "", self._slots(slug)) if paper.source else {})

    def _choose_slot(self, place: int, slug: str, source: str, value: str) -> Any:
        """The text follows a menu, where menus are about the source."""
        slots = self._slots(slug)
        if not self._paper(slug).source or place >= len(slots):
            return gr.skip()
        return meaning.rewritten(source or "", list(slots)[place], value or "", slots)

    # ---- widgets to order and back

    def read(self, values: Sequence[Any]) -> Order:
        """The order of the widgets' values; widgets that the chosen paper and sampler hide have no say.

        Raises:
            StudioError: a value is not possible; it is named.
        """
        if len(values) != len(self.inputs):
            raise mistake(f"The form has {len(self.inputs)} values; got {len(values)}.")
        rest = list(values)
        slug, sampler, steps, samples_, seed, guidance, temperature = (rest.pop(0) for _ in range(7))
        options = {name: rest.pop(0) for name in self.options}
        strategy = rest.pop(0) or Order.strategy
        options |= {name: rest.pop(0) for name in self.steering}
        compute, source, candidates, controls = rest
        paper = self._paper(slug or "")
        read_here = (*paper.sampler(sampler or "").options, *paper.strategy(strategy).options)
        order = Order(paper=slug or "", sampler=sampler or "", steps=steps, samples=samples_, seed=seed, guidance_scale=guidance,
                      temperature=temperature, controls=cards.controls_of(controls), compute=compute or "", strategy=strategy,
                      source=(source or "") if paper.source else "", candidates=candidates if paper.source else 1,
                      **{name: value for name, value in options.items() if name in read_here})
        order.check()
        return order

    def fill(self, order: Order) -> list[Any]:
        """An update for every widget of `inputs` and `shown`, so that they show an order; what it uses is open to see."""
        paper = self._paper(order.paper)
        sampler = paper.sampler(order.sampler)
        slots = self._slots(order.paper)
        menus = self._menus(paper, meaning.menus(order.source, slots))
        guided = paper.source or any(control.startswith("label=") for control in order.controls)
        read_here = (*sampler.options, *paper.strategy(order.strategy).options)
        options, steering = ([reach(getattr(order, name), option.high, visible=name in read_here) for name, option in table.items()]
                             for table in (OPTIONS, STEERING))
        return [order.paper, gr.update(choices=samplers(paper), value=order.sampler or sampler.slug),
                reach(order.steps, 256, visible=sampler.heeds_steps), order.samples, order.seed,
                reach(order.guidance_scale, 10, visible=guided),
                reach(paper.temperature if order.temperature is None else order.temperature, 2), *options,
                gr.update(choices=strategies(paper), value=order.strategy), *steering, order.compute,
                gr.update(value=order.source, visible=paper.source), gr.update(value=order.candidates, visible=paper.source),
                gr.HTML(value=cards.value_of(order.controls), kinds=self.studio.kinds(paper.slug), paper=paper.slug),
                self._about(paper, sampler), gr.update(value=preference_html(paper), visible=not paper.hard),
                gr.update(visible=paper.source), *menus]


def option_slider(option: Option, visible: bool) -> gr.Slider:
    """The widget of a sampler's option."""
    return gr.Slider(option.low, option.high, option.default, step=option.step, label=option.title, elem_id=option.name, buttons=[],
                     info=f"{option.about} ({option.unit})", visible=visible)


def reach(value: float, most: float, **more: Any) -> Any:
    """A slider that reaches as far as the value it has to show."""
    return gr.update(value=value, maximum=max(most, value), **more)


def samplers(paper: PaperInfo) -> list[tuple[str, str]]:
    """A paper's samplers for a menu, best first."""
    return [(sampler.title, sampler.slug) for sampler in paper.samplers]


def strategies(paper: PaperInfo) -> list[tuple[str, str]]:
    """The ways of steering that fit a paper, for a menu."""
    return [(strategy.title, strategy.slug) for strategy in paper.strategies]


def preference_html(paper: PaperInfo) -> str:
    """What a visitor should know before pinning a word in a paper that cannot promise it."""
    return (f"<p class='tdl-note'>{_safe([paper.title])} takes words and lengths as a preference, not as a promise. "
            f"Each result shows which held.</p>")


def about_html(paper: PaperInfo, sampler: SamplerInfo, facts: str) -> str:
    """The captions of a paper and a sampler, each a sentence with the rest on demand, and what was measured."""
    told = escape(" · ".join(f"{name}: {COLUMNS[name]}" for name in ("bits per token", "perplexity / human", "s for 4")))
    measured = f'<p class="tdl-facts" title="{told}">{_safe([facts])}</p>' if facts else ""
    return caption_html(paper.caption) + caption_html(sampler.caption, sampler.title) + measured


def caption_html(caption: str, title: str = "") -> str:
    """A caption: its first sentence, and all of it on demand; what stands between backticks is set as code."""
    sentence, _, rest = CODE.sub(r"<code>\1</code>", _safe([caption])).partition(". ")
    head = f"<b>{_safe([title])}</b> " if title else ""
    if not rest:
        return f"<p>{head}{sentence}</p>"
    return f"<details><summary>{head}{sentence}.</summary>{rest}</details>"


def _safe(texts: Iterable[str]) -> str:
    return "".join(texts).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
