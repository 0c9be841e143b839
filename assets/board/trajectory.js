// The Trajectory tab: one board, or two in lockstep, with one clock, the candidates of a chosen cell, and the curves of the run.

const MODES = [["confidence", "confidence"], ["entropy", "entropy"], ["pressure", "controller pressure"]];

class Trajectory {
  constructor(root, {scale, inks, makeGif}) {
    Object.assign(this, {root, scale, inks, makeGif, runs: [], sample: 0, frame: 0, playing: null, turn: 0, place: null, message: {}});
    root.trajectory = this;
    this.build();
  }

  build() {
    const bar = make("div", "tdl-bar", "", this.root);
    this.badge = make("span", "tdl-badge", "", bar);
    this.status = make("span", "tdl-status", "", bar);
    this.status.setAttribute("role", "status");
    this.which = this.menu(bar, "Sample", [], () => { this.sample = Number(this.which.value); this.arrange(); });
    this.mode = this.menu(bar, "Colour", MODES, () => this.restyle());
    this.pads = this.tick(bar, "padding", "Show every position, not only those up to END", () => this.restyle());
    this.every = this.tick(bar, "every step", "A row for every step, not only some of them", () => this.restyle());
    const tools = make("span", "tdl-tools", "", bar);
    this.gif = this.tool(tools, "Save GIF", "The words of this sample, step by step, as a moving picture", () => this.saveGif());
    this.png = this.tool(tools, "Save PNG", "The board as a picture", () => this.savePng());
    this.alert = make("div", "tdl-alert", "", this.root);
    this.alert.setAttribute("role", "alert");
    this.alert.hidden = true;
    this.deck = make("div", "tdl-deck", "", this.root);
    for (const [sign, label, act] of [["«", "First step", () => this.seek(0)], ["‹", "One step back", () => this.seek(this.frame - 1)],
      ["▶", "Play", () => this.toggle()], ["›", "One step on", () => this.seek(this.frame + 1)], ["»", "Last step", () => this.seek(Infinity)]]) {
      const key = make("button", "tdl-key", sign, this.deck);
      key.type = "button";
      key.setAttribute("aria-label", label);
      key.addEventListener("click", act);
      if (sign === "▶") this.play = key;
    }
    this.slider = make("input", "tdl-slider", "", this.deck);
    Object.assign(this.slider, {type: "range", min: 0, max: 0, value: 0, step: 1});
    this.slider.setAttribute("aria-label", "Step");
    this.slider.addEventListener("input", () => this.seek(Number(this.slider.value)));
    this.clock = make("span", "tdl-clock", "", this.deck);
    this.legend = make("div", "tdl-legend", "", this.root);
    this.pair = make("div", "tdl-board-pair", "", this.root);
    this.foot = make("div", "tdl-board-foot", "", this.root);
    this.candidates = make("section", "tdl-board-candidates", "", this.foot);
    this.summary = make("section", "tdl-board-summary", "", this.foot);
    this.plot = make("div", "tdl-plot", "", this.root);
    this.curves = new Curves(this.plot, frame => this.seek(frame));
    this.root.addEventListener("dragover", event => { event.preventDefault(); this.root.classList.add("tdl-over"); });
    this.root.addEventListener("dragleave", () => this.root.classList.remove("tdl-over"));
    this.root.addEventListener("drop", event => this.dropped(event));
  }

  menu(bar, label, entries, act) {
    const box = make("label", "tdl-board-menu", "", bar), menu = make("select", "tdl-speed", "", box);
    box.prepend(document.createTextNode(`${label} `));
    for (const [value, title] of entries) make("option", "", title, menu).value = value;
    menu.addEventListener("change", act);
    return menu;
  }

  tick(bar, label, title, act) {
    const box = make("label", "tdl-board-menu", "", bar), input = make("input", "", "", box);
    input.type = "checkbox";
    box.append(` ${label}`);
    box.title = title;
    input.addEventListener("change", act);
    return input;
  }

  tool(tools, label, title, act) {
    const button = make("button", "tdl-tool", label, tools);
    button.type = "button";
    button.title = title;
    button.addEventListener("click", act);
    return button;
  }

  // ---- what is shown

  async show(message) {                            // {left, right?, status?} or {kind: "error", sentence}
    const turn = ++this.turn;
    this.alert.hidden = message.kind !== "error";
    if (message.kind === "error") { this.alert.textContent = message.sentence; return; }
    this.status.textContent = message.status ?? "";
    if (!message.left) return;
    try {
      const runs = await Promise.all([message.left, message.right].filter(Boolean).map(each => readTrace(each.trace)));
      if (turn !== this.turn) return;
      this.message = message;
      this.runs = runs;
    } catch (error) {
      this.alert.hidden = false;
      this.alert.textContent = `This is not a trace of this lab (${error.message}). Use a file that was saved here.`;
      return;
    }
    const [left] = this.runs;
    this.which.textContent = "";
    left.seeds.forEach((seed, sample) => { make("option", "", `${sample + 1}, seed ${seed}`, this.which).value = sample; });
    this.sample = Math.min(this.sample, left.seeds.length - 1);
    this.which.value = this.sample;
    this.badge.textContent = message.left.stored ? "Stored run" : "Newest run";
    this.arrange();
  }

  arrange() {
    this.pause();
    const both = this.runs.length > 1, lives = this.runs.map(run => lifelines(run, Math.min(this.sample, run.seeds.length - 1)));
    this.lives = lives;
    this.pair.textContent = "";
    this.pair.classList.toggle("tdl-two", both);
    const titles = both ? ["with the controls", "the same noise without them"] : [""];
    this.boards = lives.map((life, index) => {
      const board = new Board(make("div", "tdl-board-side", "", this.pair), {scale: this.scale, inks: this.inks, title: titles[index],
        onSeek: frame => this.seek(Math.round(frame * this.count / life.count)), onPick: place => this.pick(place)});
      board.show(life, both ? lives[1 - index] : null);
      return board;
    });
    this.place = null;
    this.restyle();
    this.tell();
    this.frame = 0;
    this.curves.clear();
    this.seek(Infinity);
  }

  get count() { return this.runs[0]?.count ?? 0; }

  restyle() {
    for (const board of this.boards ?? []) {
      Object.assign(board, {mode: this.mode.value, allPads: this.pads.checked, every: this.every.checked});
      board.draw();
    }
    this.legend.textContent = "";
    const life = this.lives?.[0];
    if (!life) return;
    const top = {confidence: 1, entropy: life.mostEntropy, pressure: life.mostPressure}[this.mode.value];
    const [title, low, high] = {confidence: ["probability of the word", "0", "1"], entropy: ["entropy of the position, nats", top.toFixed(1), "0"],
      pressure: ["how far the controls moved the belief, nats", top.toFixed(1), "0"]}[this.mode.value];
    make("span", "", `Colour: ${title}`, this.legend);
    const bar = make("span", "tdl-scale", "", this.legend);
    this.scale.forEach((colour, place) => {
      const cell = make("i", "", place === 0 ? low : place === 10 ? high : "", bar);
      Object.assign(cell.style, {background: colour, color: this.inks[place]});
    });
    make("span", "", "line above a word: it changes no more · corner: it changed", this.legend);
  }

  tell() {                                         // the run in sentences
    this.summary.textContent = "";
    make("h3", "", "What the steps say", this.summary);
    const say = (head, text) => {
      const line = make("p", "", "", this.summary);
      make("b", "", `${head} `, line);
      make("span", "", text, line);
    };
    const [life, other] = this.lives, told = summary(life);
    say("Settle first:", told.first.join(", "));
    say("Settle last:", told.last.join(", "));
    say("Change most:", told.flips.join(", ") || "no word changes");
    say("On average", `a word settles at step ${told.mean.toFixed(0)} of ${life.count}`);
    if (life.mostPressure > .0005) {
      const total = life.moved.reduce((sum, value) => sum + value, 0);
      const most = life.moved.map((value, place) => [value, place]).sort((one, two) => two[0] - one[0]).slice(0, 3).filter(pair => pair[0] > .01);
      say("Pressure:", `${total.toFixed(1)} nats over all positions and steps${most.length ? `, most at ${most.map(([value, place]) =>
        `${life.words[place]} (${place + 1}) ${value.toFixed(1)}`).join(", ")}` : ""}`);
    }
    if (!other) return;
    const places = Math.max(life.used, other.used), changed = [];
    for (let place = 0; place < places; place++) if (life.words[place] !== other.words[place]) changed.push(place);
    say("Because of the controls", changed.length ? `${changed.length} of ${places} positions have another word: ${changed.slice(0, 8).map(place =>
      `${other.words[place]} → ${life.words[place]}`).join(", ")}${changed.length > 8 ? " …" : ""}` : "no word is another one");
  }

  // ---- a step

  seek(frame) {
    if (!this.count) return;
    this.frame = Math.max(0, Math.min(this.count - 1, frame));
    this.slider.max = this.count - 1;
    this.slider.value = this.frame;
    const step = this.runs[0].step(this.frame);
    this.clock.textContent = `step ${this.frame + 1}/${this.runs[0].total} · t ${step.t.toFixed(2)}`;
    this.boards.forEach((board, index) => board.seek(this.matching(index)));
    this.curves.show(this.runs[0], this.frame);
    this.candidatesOf(this.place);
  }

  matching(index) {                                // the step of another run at the same share of its steps
    const {count} = this.runs[index];
    return Math.min(count - 1, Math.round(this.frame * (count - 1) / Math.max(1, this.count - 1)));
  }

  pick(place) {
    this.place = place;
    for (const board of this.boards) { board.picked = place; board.cursor(); }
    this.candidatesOf(place);
  }

  candidatesOf(place) {
    this.candidates.textContent = "";
    make("h3", "", place === null ? "Candidates" : `Position ${place + 1} at step ${this.frame + 1}`, this.candidates);
    if (place === null) { make("p", "tdl-soft", "Click a cell to see what else could have stood there.", this.candidates); return; }
    const columns = make("div", "tdl-board-columns", "", this.candidates);
    this.runs.forEach((run, index) => {
      const sample = Math.min(this.sample, run.seeds.length - 1);
      if (place >= run.size.L) return;
      const found = run.candidates(this.matching(index), sample, place), column = make("div", "", "", columns);
      if (this.runs.length > 1) make("div", "tdl-tip-head", index ? "without controls" : "with controls", column);
      for (const [word, prob] of found.words) {
        if (prob < .0005) continue;
        const line = make("div", "tdl-candidate", "", column);
        make("span", "tdl-word", word, line);
        make("span", "tdl-track", "", line).style.setProperty("--p", prob);
        make("span", "tdl-number", `${(100 * prob).toFixed(1)} %`, line);
      }
      const pressure = found.pressure > .0005 ? ` · moved by controls ${found.pressure.toFixed(2)} nats` : "";
      make("div", "tdl-tip-foot", `entropy ${found.entropy.toFixed(2)} nats${pressure}`, column);
    });
  }

  toggle() { if (this.playing) this.pause(); else this.start(); }

  start() {
    if (!this.count) return;
    if (this.frame >= this.count - 1) this.seek(0);
    let before = performance.now(), part = 0;
    const rate = Math.max(12, this.count / 6);
    const tick = now => {
      part += (now - before) / 1000 * rate;
      before = now;
      const steps = Math.floor(part);
      part -= steps;
      if (steps) this.seek(this.frame + steps);
      if (this.frame >= this.count - 1) { this.pause(); return; }
      this.playing = requestAnimationFrame(tick);
    };
    this.playing = requestAnimationFrame(tick);
    this.play.textContent = "❚❚";
    this.play.setAttribute("aria-label", "Pause");
  }

  pause() {
    cancelAnimationFrame(this.playing);
    this.playing = null;
    this.play.textContent = "▶";
    this.play.setAttribute("aria-label", "Play");
  }

  // ---- files

  async dropped(event) {
    event.preventDefault();
    this.root.classList.remove("tdl-over");
    const file = event.dataTransfer.files[0];
    if (!file) return;
    try {
      await this.show({left: {stored: true, trace: JSON.parse(await file.text())}, status: file.name});
    } catch {
      this.show({kind: "error", sentence: `'${file.name}' is not a trace of this lab. Use a file that was saved here.`});
    }
  }

  async saveGif() {
    const label = this.gif.textContent;
    this.gif.textContent = "drawing …";
    const data = await this.makeGif(this.message.left?.id ?? "", this.sample);
    this.gif.textContent = label;
    if (data) this.download(`data:image/gif;base64,${data}`, "gif");
    else this.show({kind: "error", sentence: "This run is no longer kept. Run it again: the same order gives the same text."});
  }

  savePng() { if (this.boards?.length) this.download(this.boards[0].png(), "png"); }

  download(address, ending) {
    const link = make("a");
    link.href = address;
    link.download = `text-diffusion-trajectory.${ending}`;
    link.click();
  }
}
