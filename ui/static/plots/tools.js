// What stands around a figure: buttons to move, choose and save, and the deck that steps through its frames.

function make(tag, kind = "", text = "", parent = null) {
  const node = document.createElement(tag);
  if (kind) node.className = kind;
  if (text !== "") node.textContent = text;
  if (parent) parent.append(node);
  return node;
}

class FigureTools {
  constructor(view) {
    this.view = view;
    this.bar = make("div", "tdl-figure-tools", "", view.box);
    this.bar.setAttribute("role", "toolbar");
    this.bar.setAttribute("aria-label", "Figure");
    this.modes = make("span", "tdl-figure-modes", "", this.bar);
    this.button("Reset", "Show everything again", () => this.reset());
    this.button("SVG", "Save as SVG", () => view.save("svg"));
    this.button("PNG", "Save as PNG", () => view.save("png"));
  }

  button(text, title, action, parent = this.bar) {
    const node = make("button", "tdl-figure-tool", text, parent);
    Object.assign(node, {type: "button", title, onclick: action});
    return node;
  }

  refresh() {
    const {solid, message, canvas} = this.view, modes = solid ? [["Turn", "orbit"], ["Move", "pan"]]
      : [["Move", "pan"], ["Zoom", "zoom"], ...(message.lasso ? [["Lasso", "lasso"]] : [])];
    this.modes.textContent = "";
    for (const [text, mode] of modes) {
      const node = this.button(text, `Dragging: ${text.toLowerCase()}`, () => this.choose(mode), this.modes);
      node.dataset.mode = mode;
    }
    this.mark(solid ? canvas.layout.scene?.dragmode || "orbit" : canvas.layout.dragmode);
  }

  choose(mode) {
    const {plotly, canvas, solid} = this.view;
    plotly.relayout(canvas, solid ? {"scene.dragmode": mode} : {dragmode: mode});
    this.mark(mode);
  }

  mark(mode) {
    for (const node of this.modes.children) node.setAttribute("aria-pressed", String(node.dataset.mode === mode));
  }

  reset() {
    const {plotly, canvas, message, solid, box} = this.view, changes = {}, layout = message.layout || {};
    if (solid) changes["scene.camera"] = layout.scene?.camera || {eye: {x: 1.25, y: 1.25, z: 1.25}};
    else for (const key of Object.keys(canvas._fullLayout).filter(name => /^[xy]axis\d*$/.test(name))) {
      if (layout[key]?.range) changes[`${key}.range`] = [...layout[key].range];
      else changes[`${key}.autorange`] = layout[key]?.autorange || true;
    }
    plotly.relayout(canvas, {...changes, selections: []});
    plotly.restyle(canvas, {selectedpoints: null});
    this.view.select(null);
    box.dispatchEvent(new CustomEvent("figure-reset", {bubbles: true}));
  }
}

class FigureDeck {
  constructor(view) {
    this.view = view;
    this.node = make("div", "tdl-deck", "", view.box);
    this.play = make("button", "tdl-key", "▶", this.node);
    this.slider = make("input", "tdl-slider", "", this.node);
    this.clock = make("span", "tdl-clock", "", this.node);
    this.play.type = "button";
    Object.assign(this.slider, {type: "range", min: 0, max: 0, value: 0});
    this.slider.setAttribute("aria-label", "Step");
    this.play.setAttribute("aria-label", "Play");
    this.slider.oninput = () => { this.stop(); view.frame(Number(this.slider.value)); };
    this.play.onclick = () => this.timer ? this.stop() : this.start();
    this.node.hidden = true;
  }

  refresh(index) {
    this.stop();
    const {frames, message} = this.view;
    this.node.hidden = frames.length < 2 || message.deck === false;
    this.slider.max = Math.max(frames.length - 1, 0);
    if (frames.length) this.view.frame(Math.min(Math.max(index, 0), frames.length - 1));
  }

  mark(index) {
    const {frames} = this.view;
    this.slider.value = index;
    this.clock.textContent = frames[index].name;
    this.slider.setAttribute("aria-valuetext", frames[index].name);
  }

  start() {
    if (this.view.index >= this.view.frames.length - 1) this.view.frame(0);
    const pause = Math.max(1000 / 30, 4000 / this.view.frames.length);   // a run in about four seconds
    this.timer = setInterval(() => {
      if (this.view.index >= this.view.frames.length - 1 || !this.node.isConnected) return this.stop();
      this.view.frame(this.view.index + 1);
    }, pause);
    this.play.textContent = "❚❚";
    this.play.setAttribute("aria-label", "Pause");
  }

  stop() {
    clearInterval(this.timer);
    this.timer = undefined;
    this.play.textContent = "▶";
    this.play.setAttribute("aria-label", "Play");
  }
}
