// The Trajectory tab: boards of one or two runs, with one scrubber and one clock. All but a further run happens in the browser.

const MODES = {confidence: "Confidence", entropy: "Entropy", pressure: "Pressure"};

class Board {
  constructor(root, {scale, inks, pressures, pressureInks, stored, server, ask}) {
    Object.assign(this, {root, scale, inks, pressures, pressureInks, stored, server, ask, mode: "confidence", frame: 0, chosen: null,
      allPads: false, zoom: null, first: null, second: null, sample: 0, kept: []});
    root.trajectory = this;
    this.build();
    this.listen();
    this.tint();
  }

  get count() { return this.lives?.steps ?? 0; }

  build() {
    const bar = make("div", "tdl-bar", "", this.root);
    this.about = make("span", "tdl-status tdl-board-about", "", bar);
    const tools = make("span", "tdl-tools", "", bar);
    this.tools = Object.fromEntries([["open", "Open trace", "Play a trace file; it can also be dropped here"],
      ["save", "Save trace", "Every step of this run as JSON"], ["page", "Save page", "What is shown here as one HTML file that plays it"], ["gif", "GIF", "This sample as an animated picture"],
      ["svg", "SVG", "The board as SVG"], ["png", "PNG", "The board as PNG"]].map(([name, label, title]) => [name, this.button(tools, "tdl-tool", label, title)]));
    this.alert = make("div", "tdl-alert", "", this.root);
    this.alert.setAttribute("role", "alert");
    this.alert.hidden = true;
    this.place = make("p", "tdl-place", "", this.root);
    this.place.setAttribute("role", "status");
    this.place.hidden = true;
    const bench = make("div", "tdl-bench", "", this.root);
    this.samples = this.select(bench, "Sample", []);
    this.modes = make("span", "tdl-switch", "", bench);
    this.modes.setAttribute("role", "group");
    this.modes.setAttribute("aria-label", "What colours show");
    for (const [mode, label] of Object.entries(MODES)) this.button(this.modes, "tdl-mode", label, "", () => this.setMode(mode)).dataset.mode = mode;
    this.pads = this.button(bench, "tdl-tool", "", "Positions behind the END of the text", () => { this.allPads = !this.allPads; this.arrange(); });
    const zoom = make("label", "tdl-zoom", "Zoom", bench);
    this.zoomer = make("input", "", "", zoom);
    Object.assign(this.zoomer, {type: "range", min: 0, max: 100, value: 0});
    this.compare = this.button(bench, "tdl-compare", "Compare with the same noise, uncontrolled", "Runs the same order and seed without its controls",
      () => this.counterfactual());
    this.beside = this.select(bench, "Beside it", []);
    this.legend = make("div", "tdl-legend", "", this.root);
    this.panes = make("div", "tdl-panes", "", this.root);
    this.one = new Pane(this.panes, this);
    this.two = new Pane(this.panes, this);
    this.deck = new Deck(this.root, this, 4);
    this.summary = make("div", "tdl-summary", "", this.root);
    const plot = make("div", "tdl-plot", "", this.root);
    this.panels = new Panels(plot, frame => this.seek(frame));
    this.tip = make("div", "tdl-tip", "", this.root);
    this.tip.hidden = true;
    this.files = new TraceFiles(this.root, (trace, name) => this.read(trace, name), sentence => this.complain(sentence));
  }

  button(parent, kind, label, title, act = null) {
    const button = make("button", kind, label, parent);
    button.type = "button";
    if (title) button.title = title;
    if (act) button.addEventListener("click", act);
    return button;
  }

  select(parent, label, choices) {
    const box = make("label", "tdl-select", label, parent), select = make("select", "tdl-speed", "", box);
    this.options(select, choices);
    return select;
  }

  options(select, choices) {
    select.textContent = "";
    for (const [value, label] of choices) make("option", "", label, select).value = value;
  }

  listen() {
    this.samples.addEventListener("change", () => { this.sample = Number(this.samples.value); this.chosen = null; this.arrange(); });
    this.zoomer.addEventListener("input", () => { this.zoom = Number(this.zoomer.value) / 100; this.layout(); });
    this.beside.addEventListener("change", () => this.put(this.beside.value));
    const acts = {open: () => this.pick(false), save: () => saveTrace(this), page: () => saveBoard(this), gif: () => saveGif(this),
      svg: () => savePicture(this, "svg"), png: () => savePicture(this, "png")};
    for (const [name, act] of Object.entries(acts)) this.tools[name].addEventListener("click", act);
    this.tools.page.hidden = this.tools.gif.hidden = !this.server;         // a saved page has no server to ask
    this.root.addEventListener("drop", () => { this.forSecond = false; }, true);          // a file that is dropped is the first run
    this.shown = event => { if (this.root.isConnected) this.follow(event.target.tracePlayer); else document.removeEventListener("run-shown", this.shown); };
    document.addEventListener("run-shown", this.shown);
    new ResizeObserver(() => this.layout()).observe(this.root);
    const repaint = () => { this.tint(); this.layout(); };
    new MutationObserver(repaint).observe(document.body, {attributes: true, attributeFilter: ["class"]});
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => setTimeout(repaint, 50));
  }

  tint() {                                             // the theme's colours, for the canvas
    const style = getComputedStyle(this.root), of = name => style.getPropertyValue(`--tdl-${name}`).trim();
    this.ink = {text: of("text"), soft: of("soft"), paper: of("paper"), accent: of("accent"), changed: of("c4v"), pin: of("pin"), commit: of("c0v")};
  }

  // ---- which runs

  follow(player) {                                     // the run that the page's player shows, once it is whole
    if (!player?.run?.arrays || player.message === this.first?.message) return;
    this.take(player.run, player.message);
  }

  async handle(message) {                              // what Python says: look at the player, fetch a run, or news of the second run
    if (message.kind === "second") return this.news(message.message);
    if (message.kind === "key" && message.key !== this.first?.message.id) return this.fetch(message.key, false);
    if (message.kind !== "player") return undefined;
    const player = document.querySelector("#player .tdl")?.tracePlayer;
    if (player?.run) return this.follow(player);
    return this.first ? undefined : this.fetch("", false);
  }

  async fetch(key, second) { return this.open(JSON.parse(await this.server.run_of(key)), second); }

  async open(message, second) {
    if (message.kind !== "trace") return this.complain(message.sentence);
    try {
      const run = await readTrace(message.trace);
      return second ? this.takeSecond(run, message) : this.take(run, message);
    } catch (error) {
      return this.complain(`This is not a trace of this lab (${error.message}). Use a file that was saved here.`);
    }
  }

  take(run, message) {
    this.first = {run, message};
    this.second = null;
    Object.assign(this, {sample: 0, chosen: null, busy: false});
    if (message.id && !this.kept.some(kept => kept.id === message.id)) this.kept.unshift({id: message.id, title: named(run)});
    this.options(this.samples, run.seeds.map((seed, place) => [place, `${place + 1}, seed ${seed}`]));
    this.arrange();
    this.seek(Infinity);
  }

  takeSecond(run, message) {
    this.second = {run, message};
    this.busy = false;
    this.arrange();
  }

  complain(sentence) {
    this.alert.textContent = sentence;
    this.alert.hidden = false;
    this.busy = false;
    if (this.first) this.arrange(false);
  }

  counterfactual() {
    if (this.busy) return this.leave();
    this.busy = true;
    this.runningKey = "";
    this.compare.textContent = "Waiting …";
    this.alert.hidden = true;
    return this.ask({order: JSON.stringify(this.first.run.info.order)});
  }

  news(message) {                                      // how far the second run is, or its place in the queue
    if (message.kind === "waiting") return this.wait(message);
    this.place.hidden = true;
    if (message.kind === "error") return this.complain(message.sentence);
    if (message.kind === "trace") return this.open(message, true);
    this.runningKey = message.id;
    if (this.busy) this.compare.textContent = message.kind === "live" ? `Stop: step ${message.index + 1} of ${message.steps}` : message.note;
    return undefined;
  }

  wait({ticket, ahead, sentence}) {                    // none ahead: it begins, or its place was given up
    if (!this.busy) return;
    this.runningKey = ticket;
    this.place.hidden = !ahead;
    this.place.textContent = ahead ? `${sentence} It begins by itself.` : "";
    this.compare.textContent = ahead ? "Leave the queue" : "Starting …";
  }

  leave() {
    if (!this.place.hidden) {
      this.busy = false;
      this.arrange();
    }
    return this.runningKey && this.server.end_run(this.runningKey);
  }

  put(choice) {                                        // what is chosen to stand beside the run
    const [kind, ...rest] = choice.split(":"), key = rest.join(":");
    this.alert.hidden = true;
    if (kind === "none") { this.second = null; return this.arrange(); }
    if (kind === "file") { this.pick(true); return this.arrange(); }
    if (kind === "stored") return this.server.stored_run(key).then(text => this.open(JSON.parse(text), true));
    return kind === "run" ? this.fetch(key, true) : undefined;
  }

  pick(second) { this.forSecond = second; this.files.ask(); }

  read(trace, note) {
    this.alert.hidden = true;
    return this.open({kind: "trace", id: "", stored: true, note, trace}, this.forSecond);
  }

  // ---- drawing

  arrange(calm = true) {
    const {first, second} = this;
    if (calm) this.alert.hidden = true;
    this.lives = new Lives(first.run, this.sample);
    const alike = second ? Math.min(this.sample, second.run.seeds.length - 1) : 0;
    this.others = second ? new Lives(second.run, alike) : null;
    const whole = Math.max(first.run.length, second?.run.length ?? 0), ends = Math.max(this.lives.end, this.others?.end ?? 0);
    this.columns = this.allPads ? whole : ends;
    this.pads.hidden = whole === ends;
    this.pads.textContent = this.allPads ? "hide PAD" : `PAD × ${whole - ends}`;
    this.about.textContent = named(first.run);
    this.one.show(this.lives, this.others, second ? `First: ${controlled(first.run)}` : "");
    this.two.show(this.others, this.lives, second ? `Second: ${second.message.note || controlled(second.run)} · seed ${second.run.seeds[alike]}` : "");
    const order = first.run.info.order, can = Boolean(order?.controls?.length) && Boolean(this.ask);
    this.compare.hidden = !can;
    if (!this.busy) {
      this.compare.textContent = "Compare with the same noise, uncontrolled";
      this.place.hidden = true;
    }
    const chosen = second ? "now" : "none";
    this.options(this.beside, [["none", "nothing"], ...(second ? [["now", second.message.note || controlled(second.run)]] : []),
      ...this.kept.filter(kept => kept.id !== first.message.id && kept.id !== second?.message.id).map(({id, title}) => [`run:${id}`, title]),
      ...this.stored.map(([name, title]) => [`stored:${name}`, `stored: ${title}`]), ["file", "a trace file …"]]);
    this.beside.value = chosen;
    this.tops = {entropy: Math.max(0.1, this.lives.most("entropy"), this.others?.most("entropy") ?? 0),
      pressure: Math.max(this.lives.most("pressure"), this.others?.most("pressure") ?? 0)};
    describe(this);
    this.setMode(this.mode);
    this.panels.plot(this.lives, this.others);
    this.seek(Math.min(this.frame, this.lives.steps - 1));
  }

  setMode(mode) {
    this.mode = mode;
    for (const button of this.modes.children) button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
    legend(this);
    this.layout();
  }

  layout() {
    if (!this.lives || !this.root.clientWidth) return;
    const width = this.root.clientWidth, phone = width < 600, pair = Boolean(this.others);
    const fits = pair && this.columns * 46 + AXIS <= (width - 16) / 2, room = fits ? (width - 16) / 2 : width;
    this.panes.classList.toggle("tdl-beside", fits);
    const column = Math.min(96, Math.max(phone ? 50 : 46, Math.floor((room - AXIS - 2) / this.columns)));
    const high = pair && !fits ? 230 : phone ? 330 : 380, steps = Math.max(this.lives.steps, this.others?.steps ?? 0);
    const low = Math.min(20, Math.max(1.5, (high - HEAD - 2) / steps)), row = low + (this.zoom ?? 0) * (20 - low);
    this.zoomer.parentNode.hidden = low > 15;
    for (const pane of [this.one, this.two]) pane.layout(column, row, high);
    this.point();
  }

  colour(lives, frame, place) {                        // place on the scale of the mode
    const value = lives.value(this.mode, frame, place), last = this.scale.length - 1;
    if (this.mode === "confidence") return Math.min(last, Math.max(0, Math.round(value * last)));
    if (this.mode === "entropy") return last - Math.round(last * Math.min(1, value / this.tops.entropy));
    return this.tops.pressure > 0.0005 ? Math.round((this.pressures.length - 1) * Math.sqrt(value / this.tops.pressure)) : 0;
  }
  fill(colour) { return (this.mode === "pressure" ? this.pressures : this.scale)[colour]; }
  inkOn(colour) { return (this.mode === "pressure" ? this.pressureInks : this.inks)[colour]; }

  seek(frame) {
    if (!this.lives) return;
    this.frame = Math.max(0, Math.min(this.lives.steps - 1, frame));
    this.one.seek(this.frame);
    if (this.others) this.two.seek(partner(this.frame, this.lives.steps, this.others.steps));
    this.deck.show(this.lives.run);
    this.panels.move(this.frame);
    this.one.canvas.setAttribute("aria-label", `Board of ${this.lives.steps} steps and ${this.columns} positions. ` +
      `Step ${this.frame + 1}: ${Array.from({length: this.lives.end}, (_, place) => this.lives.word(this.frame, place)).join(" ")}`);
    this.point();
  }

  scrolled(from) {
    const to = from === this.one ? this.two : this.one;
    if (!this.others || this.scrolling === from) return;
    this.scrolling = to;
    to.scroller.scrollLeft = from.scroller.scrollLeft;
    requestAnimationFrame(() => { this.scrolling = null; });
    this.point();
  }

  // ---- one cell

  choose(pane, place, frame) {
    const own = pane === this.one ? frame : partner(frame, this.others.steps, this.lives.steps);
    this.chosen = this.chosen === place && own === this.frame ? null : place;
    this.held = pane;
    this.seek(own);
  }

  walk(event, pane) {
    const {chosen, lives} = this, acts = {ArrowUp: () => this.seek(this.frame - 1), ArrowDown: () => this.seek(this.frame + 1),
      ArrowLeft: () => this.choose(pane, Math.max(0, (chosen ?? 1) - 1), pane.frame),
      ArrowRight: () => this.choose(pane, Math.min(lives.length - 1, (chosen ?? -1) + 1), pane.frame),
      Home: () => this.seek(0), End: () => this.seek(Infinity), " ": () => this.deck.toggle(), Escape: () => { this.chosen = null; this.seek(this.frame); }};
    if (!acts[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    acts[event.key]();
  }

  point() {                                            // the candidates of the chosen cell
    const pane = this.held === this.two && this.others ? this.two : this.one, {chosen} = this;
    this.tip.hidden = chosen === null || !this.lives || chosen >= pane.lives.length;
    if (this.tip.hidden) return;
    const found = pane.lives.run.candidates(pane.frame, pane.lives.sample, chosen);
    this.tip.textContent = "";
    make("div", "tdl-tip-head", `position ${chosen + 1}, step ${pane.frame + 1}${this.others ? `, ${pane === this.one ? "first" : "second"}` : ""}`, this.tip);
    candidates(this.tip, found);
    const box = this.root.getBoundingClientRect(), at = pane.corner(chosen);
    const high = this.tip.offsetHeight, under = at.bottom + 6 - box.top;
    this.tip.style.left = `${Math.max(4, Math.min(at.left - box.left, box.width - this.tip.offsetWidth - 8))}px`;
    this.tip.style.top = `${window.innerHeight - at.bottom < high + 8 ? Math.max(4, under - high - pane.rowHeight - 12) : under}px`;
  }
}

function named(run) {
  const {info} = run;
  return [info.title ?? info.paper, info.sampler, `${run.count} steps`, `seed ${run.seeds[0]}`, ...(info.order?.controls ?? [])].filter(Boolean).join(" · ");
}

function controlled(run) { return run.info.order?.controls?.length ? "with controls" : "without controls"; }
