// The trace player: draws a run from its frames, live or replayed. It knows nothing of Gradio and asks no server: scrubbing,
// playing and reading candidates all happen here. Every text goes in through textContent, never as HTML.

const TOOLS = [["link", "Copy link", "A link that runs this again, word for word"],
  ["save", "Save trace", "Every step of this run as JSON"], ["page", "Save page", "This player as one HTML file"],
  ["open", "Open trace", "Play a trace file; it can also be dropped here"]];

class TracePlayer {
  constructor(root, {scale, inks, savePage = null, pin = null}) {
    Object.assign(this, {root, scale, inks, savePage, pin, run: null, frame: 0, allPads: false, turn: 0});
    root.tracePlayer = this;
    root.tabIndex = 0;
    root.setAttribute("role", "group");
    root.setAttribute("aria-label", "Run, step by step. Arrow keys step, space plays.");
    this.build();
    this.listen();
    this.empty("");
  }

  get count() { return this.run?.count ?? 0; }

  build() {
    const bar = make("div", "tdl-bar", "", this.root);
    this.badge = make("span", "tdl-badge", "", bar);
    this.status = make("span", "tdl-status", "", bar);
    this.status.setAttribute("role", "status");
    const tools = make("span", "tdl-tools", "", bar);
    this.tools = Object.fromEntries(TOOLS.map(([name, label, title]) => {
      const button = make("button", "tdl-tool", label, tools);
      return [name, Object.assign(button, {type: "button", title})];
    }));
    this.alert = make("div", "tdl-alert", "", this.root);
    this.alert.setAttribute("role", "alert");
    this.alert.hidden = true;
    this.given = make("div", "tdl-given", "", this.root);
    this.samples = make("div", "tdl-samples", "", this.root);
    this.deck = new Deck(this.root, this, 6);
    this.buildLegend(make("div", "tdl-legend", "", this.root));
    this.plot = make("div", "tdl-plot", "", this.root);
    this.curves = new Curves(this.plot, frame => this.seek(frame));
    this.line = make("div", "tdl-line", "", this.root);
    this.tip = new Tip(this);
    this.files = new TraceFiles(this.root, (trace, note) => this.show({kind: "trace", stored: true, note, trace}),
      sentence => this.complain(sentence));
  }

  buildLegend(legend) {
    make("span", "", "Confidence in the word shown", legend);
    const bar = make("span", "tdl-scale", "", legend);
    this.scale.forEach((colour, place) => {
      const cell = make("i", "", place % 5 ? "" : String(place * 10), bar);
      Object.assign(cell.style, {background: colour, color: this.inks[place]});
    });
    make("span", "", "%", legend);
    make("span", "tdl-chip tdl-special", "END", legend);
    make("span", "", "end of the text", legend);
    make("span", "tdl-chip tdl-pinned tdl-locked tdl-plain", "given", legend);
    make("span", "", "word you pinned", legend);
  }

  listen() {
    const {link, save, page, open} = this.tools;
    link.addEventListener("click", () => copyText(addressOf(this.message.query), link));
    save.addEventListener("click", () => this.download("trace.json", JSON.stringify(this.message.trace)));
    page.addEventListener("click", () => this.savePlayer());
    open.addEventListener("click", () => this.files.ask());
    this.keys = event => this.key(event);
    document.addEventListener("keydown", this.keys);
  }

  key(event) {
    if (!this.root.isConnected) { document.removeEventListener("keydown", this.keys); return; }
    const here = event.target === document.body || this.root.contains(event.target);
    const typing = ["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName) && event.target !== this.deck.slider;
    if (!here || !this.root.offsetParent || typing || event.ctrlKey || event.metaKey || event.altKey || !this.count) return;
    if (event.key === " " && event.target.tagName === "BUTTON") return;
    const acts = {ArrowLeft: () => this.seek(this.frame - 1), ArrowRight: () => this.seek(this.frame + 1),
      " ": () => this.deck.toggle(), Home: () => this.seek(0), End: () => this.seek(Infinity), Escape: () => this.tip.close()};
    if (!acts[event.key]) return;
    event.preventDefault();
    acts[event.key]();
  }

  // ---- messages: start, live, trace, error, empty

  async show(message) {
    if (message.kind === "error") { this.complain(message.sentence); return; }
    const turn = ++this.turn;
    this.alert.hidden = true;
    if (message.kind === "empty") { this.empty(message.sentence); return; }
    this.deck.pause();
    if (message.kind === "trace") { await this.showTrace(message, turn); return; }
    if (message.kind === "start" || !(this.run instanceof Running) || this.run.id !== message.id) this.begin(message);
    if (message.kind === "live") {
      this.run.add(message);
      this.status.textContent = `step ${message.index + 1} of ${message.steps}`;
      this.seek(Infinity);
    }
  }

  begin(message) {
    this.message = message;
    this.run = new Running(message);
    this.run.id = message.id;
    this.arrange("Running", message.note ?? "");
    this.root.dispatchEvent(new CustomEvent("run-begins", {bubbles: true}));
    const {top} = this.root.getBoundingClientRect();
    if (top < 0 || top > window.innerHeight - 160) this.root.scrollIntoView({block: "start"});
  }

  async showTrace(message, turn) {
    let run;
    try {
      run = await readTrace(message.trace);
    } catch (error) {
      this.complain(`This is not a trace of this lab (${error.message}). Use a file that was saved here.`);
      return;
    }
    if (turn !== this.turn) return;                // a newer message came while this one was being read
    this.message = message;
    this.run = run;
    const last = run.step(run.count - 1), whole = last.s === 0;
    const state = whole ? "" : `stopped at step ${run.count} of ${run.total}`;
    this.arrange(message.stored ? "Stored run" : whole ? "Done" : "Stopped", message.note || state);
    this.seek(Infinity);
    this.root.dispatchEvent(new CustomEvent("run-shown", {bubbles: true}));
  }

  complain(sentence) {
    this.alert.textContent = sentence;
    this.alert.hidden = false;
    if (this.run instanceof Running) this.empty("");
  }

  empty(sentence) {
    this.run = null;
    this.message = {};
    this.arrange("", "");
    if (sentence) make("p", "tdl-empty", sentence, this.samples);
  }

  // ---- a run, then its frames

  arrange(badge, status) {                         // new run: rows, verdicts, buttons
    const {run, message} = this, whole = run instanceof Recorded;
    this.badge.textContent = badge;
    this.badge.hidden = !badge;
    this.badge.dataset.state = badge;
    this.status.textContent = status;
    this.tip.reset();
    this.frame = 0;
    this.tools.link.hidden = !message.query;
    offerCitation(this);
    this.tools.save.hidden = !whole;
    this.tools.page.hidden = !whole || !this.savePage || message.id === undefined;
    this.deck.box.hidden = this.plot.hidden = !run;
    this.samples.textContent = "";
    this.showGiven(run?.info ?? {});
    const look = {scale: this.scale, inks: this.inks, fold: () => { this.allPads = !this.allPads; this.render(); }};
    this.rows = (run?.seeds ?? []).map((seed, text) => new TextRow(run.info, seed, text, look));
    this.samples.append(...this.ordered().map(text => this.rows[text].box));
    this.line.textContent = run ? this.about() : "";
    this.curves.clear();
  }

  showGiven({source, notes}) {                     // what the texts are written from, and what a reader should know
    this.given.textContent = "";
    if (source) {
      make("span", "tdl-given-head", "Source", this.given);
      make("q", "tdl-source", source, this.given);
    }
    for (const note of notes ?? []) make("p", "tdl-note", note, this.given);
    this.given.hidden = !this.given.hasChildNodes();
  }

  ordered() {                                      // sample by sample, of each the chosen candidate first
    const size = this.run?.info.candidates ?? 1;
    const key = text => Math.floor(text / size) * size + (this.rows[text].rank ?? text % size);
    return this.rows.map((_, text) => text).sort((one, other) => key(one) - key(other));
  }

  about() {
    const {info} = this.run, last = this.run instanceof Recorded ? this.run.steps.at(-1) : null;
    const cost = last ? [`${last.nfe} network evaluations`, `${last.seconds.toFixed(2)} s`] : [];
    const [paper, path] = [info.title ?? info.paper, info.path && `path ${info.path}`];
    return [paper, info.sampler, info.steps && `${info.steps} steps`, info.strategy && `steered by ${info.strategy}`, path,
      info.checkpoint && `checkpoint ${info.checkpoint}`, ...cost].filter(Boolean).join(" · ");
  }

  seek(frame) {
    if (!this.count) return;
    this.frame = Math.max(0, Math.min(this.count - 1, frame));
    this.render();
  }

  render() {
    const {run, frame} = this;
    this.rows.forEach((row, sample) => row.show(run.row(frame, sample), this.allPads));
    this.deck.show(run);
    this.tip.follow();
    this.curves.show(run, frame);
  }

  // ---- what can be kept

  async savePlayer() {
    const page = await this.savePage(this.message.id);
    if (page) this.download("run.html", page);
    else this.complain("This run is no longer kept. Run it again: the same order gives the same text.");
  }

  download(name, text) { saveFile(name, new Blob([text])); }
}
