// The curves under the words: entropy, and each control's probability, over the steps; a cursor stands at the frame shown.

const MINUS = "\u2212", HEIGHT = 104, LEFT = 34, RIGHT = 8, HIGH = 8, LOW = HEIGHT - 18;

function average(values) { return values.reduce((sum, value) => sum + value, 0) / values.length; }

class Curves {
  constructor(node, seek) {
    Object.assign(this, {node, seek, panels: [], run: null, count: 0, width: 0, frame: 0});
    new ResizeObserver(() => { if (this.node.clientWidth !== this.width) this.draw(this.run); }).observe(node);
  }

  clear() {
    this.node.textContent = "";
    this.panels = [];
    this.run = null;
  }

  show(run, frame) {                               // draws anew only when there is more to draw
    this.frame = frame;
    if (this.run !== run || this.count !== run.count) this.draw(run);
    else this.move(frame);
  }

  draw(run) {
    const width = this.width = this.node.clientWidth;
    this.clear();
    this.run = run;
    this.count = run?.count ?? 0;
    if (!this.count || !width) return;
    const steps = Array.from({length: run.count}, (_, frame) => run.step(frame)), many = run.seeds.length > 1;
    const samples = run.seeds.map((_, sample) => steps.map(step => step.entropy[sample]));
    const thin = many ? samples.map(values => ({values, kind: "tdl-thin"})) : [];
    const controls = Object.keys(steps[0].satisfaction ?? {});
    const half = controls.length && width > 560 ? Math.floor(width / 2) - 8 : width;
    const mean = {values: steps.map(step => average(step.entropy)), kind: "tdl-c0", name: many ? "mean" : `seed ${run.seeds[0]}`};
    this.panel({title: "Entropy of the belief, mean over positions", unit: " nats", width: half,
      top: Math.max(0.5, ...samples.flat())}, steps, [...thin, mean]);
    if (controls.length)
      this.panel({title: "Controls: probability before they are enforced", unit: "", width: half, top: 1}, steps,
        controls.map((name, place) => ({name, kind: `tdl-c${1 + place % 5}`,
          values: steps.map(step => average(step.satisfaction[name]))})));
    this.move(Math.min(this.frame, run.count - 1));
  }

  panel({title, unit, width, top}, steps, lines) {
    const box = make("figure", "tdl-panel", "", this.node), head = make("figcaption", "", "", box);
    box.style.width = `${width}px`;
    make("span", "tdl-panel-title", title, head);
    const total = Math.max(2, this.run.total);
    const x = index => LEFT + (width - LEFT - RIGHT) * index / (total - 1), y = value => LOW - (LOW - HIGH) * value / top;
    const svg = draw("svg", {width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}`, role: "img", "aria-label": title}, box);
    for (const value of [0, top / 2, top]) {
      draw("line", {x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value), class: "tdl-grid"}, svg);
      draw("text", {x: LEFT - 5, y: y(value) + 3.5, "text-anchor": "end"}, svg, String(Number(value.toFixed(top <= 1 ? 2 : 1))));
    }
    for (const [index, anchor] of [[0, "start"], [Math.round((total - 1) / 2), "middle"], [total - 1, "end"]])
      draw("text", {x: x(index), y: HEIGHT - 4, "text-anchor": anchor}, svg, index ? String(index + 1) : "step 1");
    for (const {values, kind} of lines)
      draw("polyline", {class: `tdl-curve ${kind}`,
        points: values.map((value, place) => `${x(steps[place].index).toFixed(1)},${y(value).toFixed(1)}`).join(" ")}, svg);
    const cursor = draw("line", {class: "tdl-cursor", x1: 0, x2: 0, y1: HIGH, y2: LOW}, svg);
    const named = lines.filter(line => line.name).map(line => {
      const key = make("span", `tdl-keyline ${line.kind}`, "", head);
      make("i", "", "", key);
      return {...line, label: make("span", "", "", key)};
    });
    pictureButtons(head, "curves", svg, () => getComputedStyle(box).getPropertyValue("--tdl-paper"));
    this.panels.push({cursor, x, named, unit});
    this.drag(svg, steps, at => (at - LEFT) / (width - LEFT - RIGHT) * (total - 1));
  }

  drag(svg, steps, indexAt) {                      // a press on the plot goes to the nearest step
    const go = event => {
      const index = indexAt(event.clientX - svg.getBoundingClientRect().left);
      const far = place => Math.abs(steps[place].index - index);
      this.seek(steps.reduce((best, _, place) => far(place) < far(best) ? place : best, 0));
    };
    svg.addEventListener("pointerdown", event => {
      svg.setPointerCapture(event.pointerId);
      svg.onpointermove = go;
      go(event);
    });
    for (const name of ["pointerup", "pointercancel"]) svg.addEventListener(name, () => { svg.onpointermove = null; });
  }

  move(frame) {
    this.frame = frame;
    if (!this.panels.length) return;
    const {index} = this.run.step(frame);
    for (const {cursor, x, named, unit} of this.panels) {
      cursor.setAttribute("transform", `translate(${x(index).toFixed(1)} 0)`);
      for (const {label, name, values} of named) {
        const value = values[frame], small = value > 0 && value < 0.01;
        const text = `${name} ${small ? value.toExponential(0).replace("-", MINUS) : value.toFixed(2)}${unit}`;
        if (label.textContent !== text) label.textContent = text;
      }
    }
  }
}
