// A plotly figure on the page: drawn when it can first be seen, in the page's colours, with frames, tools and events.
//
// Events bubble from its box as CustomEvents: "figure-click" {trace, index, id, x, y, z, frame}, "figure-hover" (the same, or
// null when the pointer leaves), "figure-select" {ids} (null: the selection was cleared), "figure-frame" {index, name}.
// `id` is the point's customdata.

const NARROW = 560;                                      // pixels; on a phone the legend stands under the drawing, not beside it

class FigureView {
  constructor(box, settings) {
    Object.assign(this, {box, settings, message: null, shown: false, drawing: Promise.resolve(), frames: [], index: 0,
                         marked: new Set(), caught: new Set()});
    box.figureView = this;
    this.tools = new FigureTools(this);
    this.canvas = make("div", "tdl-figure-canvas", "", box);
    this.canvas.style.minHeight = `${settings.height}px`;
    this.deck = new FigureDeck(this);
    this.caption = make("p", "tdl-figure-caption", "", box);
    this.alert = make("p", "tdl-alert", "", box);
    this.alert.hidden = true;
    this.alert.setAttribute("role", "alert");
    this.watchSight();
    this.watchTheme();
  }

  show(message) {
    if (message && JSON.stringify(message) === JSON.stringify(this.message)) return;
    if (this.caught.size && message?.points !== this.message?.points) this.select(null);   // other points: the lasso is over
    this.message = message;
    this.box.hidden = !message;
    if (message && this.shown) this.draw();
  }

  watchSight() {
    new IntersectionObserver(entries => {
      const first = !this.shown && entries.some(entry => entry.isIntersecting);
      this.shown ||= first;
      if (first && this.message) this.draw();
    }, {rootMargin: "200px"}).observe(this.box);
    let width = 0;
    new ResizeObserver(() => {
      const now = this.canvas.clientWidth;
      if (now && now !== width && this.ready)
        if (now < NARROW === width < NARROW) this.plotly.Plots.resize(this.canvas); else this.draw();
      width = now;
    }).observe(this.canvas);
  }

  watchTheme() {
    const root = document.body;
    let dark = root.classList.contains("dark");
    new MutationObserver(() => {
      const now = root.classList.contains("dark");
      if (now !== dark && this.ready) this.draw();
      dark = now;
    }).observe(root, {attributes: true, attributeFilter: ["class"]});
  }

  draw() {                                               // one after the other: plotly draws a node once at a time
    this.drawing = this.drawing.then(() => this.drawNow()).catch(error => this.complain(error));
    return this.drawing;
  }

  async drawNow() {
    const wanted = this.message;
    if (!this.plotly) await this.load();
    if (wanted !== this.message) return;                 // a newer figure waits behind this one
    const figure = this.figure(wanted), solid = isSolid(figure);
    if (solid && !webgl()) return this.complain(new Error("3-D needs WebGL, which this browser does not offer. Choose 2-D."));
    if (this.ready && this.solid !== solid) this.clear();
    this.alert.hidden = true;
    const same = wanted.layout?.uirevision, kept = this.ready && same !== undefined && this.revision === same;
    this.solid = solid;
    this.redrawing = true;                               // plotly gives up its outline then, and calls that a selection of nothing
    await this.plotly.react(this.canvas, figure).finally(() => { this.redrawing = false; });
    this.sketched?.remove();
    if (!this.ready) this.listen();
    Object.assign(this, {ready: true, frames: figure.frames || [], revision: same});
    this.caption.textContent = wanted.caption || "";
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", wanted.label || wanted.caption || "figure");
    this.tools.refresh();
    this.deck.refresh(kept ? this.index : wanted.start ?? this.frames.length - 1);
    this.tell("drawn", {});
  }

  async load() {                                         // meanwhile a flat figure is seen as a sketch
    this.sketched?.remove();
    this.sketched = sketch(this.figure(this.message), this.canvas, pageColours(this.box));
    await new Promise(painted => requestAnimationFrame(() => setTimeout(painted)));    // before the code holds up the page
    this.plotly = await loadPlotly(this.settings.source);
  }

  mark(ids) {                                            // marks points by their customdata, whatever figure is shown
    this.marked = new Set(ids);
    this.drawing = this.drawing.then(async () => {
      if (!this.ready) return;
      const old = this.canvas.data.findIndex(trace => trace.meta === "marked");
      if (old >= 0) await this.plotly.deleteTraces(this.canvas, old);
      const more = inColours(this.marks(this.canvas.data), pageColours(this.box));
      if (more.length) await this.plotly.addTraces(this.canvas, more);
    }).catch(error => this.complain(error));
  }

  marks(data) {
    const found = new Map();
    for (const trace of data) (trace.customdata || []).forEach((id, place) => {
      if (this.marked.has(id)) found.set(id, {trace, place});
    });
    if (!found.size) return [];
    const points = [...found.values()], [{trace: {type}}] = points, column = key => points.map(({trace, place}) => trace[key][place]);
    return [{type, meta: "marked", mode: "markers", name: "chosen", text: column("text"), customdata: [...found.keys()],
             hovertemplate: "%{text}<extra></extra>", x: column("x"), y: column("y"),
             ...(type === "scatter3d" ? {z: column("z")} : {unselected: {marker: {opacity: 1}}}),
             marker: {size: type === "scatter3d" ? 8 : 13, symbol: "diamond", color: "var(--tdl-accent)"}}];
  }

  keep(data) {                                           // what a lasso caught stays caught in other colours and views
    if (!this.caught.size || !this.message.lasso) return data;
    const places = ids => (ids || []).flatMap((id, place) => this.caught.has(id) ? [place] : []);
    return data.map(trace => trace.meta === "marked" ? trace : {...trace, selectedpoints: places(trace.customdata)});
  }

  select(ids) {
    this.caught = new Set(ids || []);
    this.tell("select", ids && {ids});
  }

  figure(message) {
    const colour = pageColours(this.box), {layout = {}, frames = [], data} = inColours(
      {...message, data: [...this.keep(message.data), ...this.marks(message.data)]}, colour);
    const config = {displayModeBar: false, displaylogo: false, responsive: false, scrollZoom: Boolean(message.zoom),
                    doubleClick: "reset", showTips: false};
    const narrow = this.canvas.clientWidth < NARROW;
    return {data, layout: pageLayout(layout, colour, this.settings.height, narrow), frames, config};
  }

  listen() {
    this.canvas.on("plotly_click", event => this.tell("click", this.point(event.points[0])));
    this.canvas.on("plotly_hover", event => this.tell("hover", this.point(event.points[0])));
    this.canvas.on("plotly_unhover", () => this.tell("hover", null));
    const caught = event => event?.points
      ? [...new Set(event.points.map(point => point.customdata).filter(id => id !== undefined))] : null;
    for (const name of ["plotly_selected", "plotly_deselect"])
      this.canvas.on(name, event => { if (!this.redrawing) this.select(caught(event)); });
  }

  point(point) {
    const {curveNumber: trace, pointNumber: index, customdata: id = null, x = null, y = null, z = null} = point;
    return {trace, index, id, x, y, z, frame: this.frames.length ? this.index : null};
  }

  tell(name, detail) {
    this.box.dispatchEvent(new CustomEvent(`figure-${name}`, {bubbles: true, detail}));
  }

  async frame(index) {                                   // shows a frame without asking the server
    if (!this.ready || !this.frames[index]) return;
    this.index = index;
    this.deck.mark(index);
    const redraw = this.solid || Boolean(this.message.lasso);          // plotly's lasso fails on traces that only moved
    const now = {mode: "immediate", transition: {duration: 0}, frame: {duration: 0, redraw}};
    await this.plotly.animate(this.canvas, [this.frames[index].name], now).catch(() => {});   // a later frame overtook it
    this.tell("frame", {index, name: this.frames[index].name});
  }

  clear() {                                              // gives a scene's WebGL context back: browsers keep few
    for (const canvas of this.canvas.querySelectorAll("canvas"))
      canvas.getContext("webgl2")?.getExtension("WEBGL_lose_context")?.loseContext()
        ?? canvas.getContext("webgl")?.getExtension("WEBGL_lose_context")?.loseContext();
    this.plotly.purge(this.canvas);
    this.ready = false;
  }

  complain(error) {
    this.alert.textContent = error.message;
    this.alert.hidden = false;
  }

  async save(format) {
    const figure = this.figure(this.message), {clientWidth: width, clientHeight: height} = this.canvas;
    const live = this.canvas._fullLayout ? {data: this.canvas.data, layout: this.canvas.layout} : figure;
    const layout = {...live.layout, paper_bgcolor: pageColours(this.box)("--tdl-paper")};
    const name = this.message.name || "figure";
    await this.plotly.downloadImage({data: live.data, layout, config: figure.config},
                                    {format, width, height, scale: format === "png" ? 2 : 1, filename: name});
  }
}

function isSolid(figure) {
  return figure.data.some(trace => /3d$|^surface$|^mesh3d$/.test(trace.type || ""));
}

function webgl() {
  const canvas = document.createElement("canvas"), context = canvas.getContext("webgl2") || canvas.getContext("webgl");
  context?.getExtension("WEBGL_lose_context")?.loseContext();
  return Boolean(context);
}
