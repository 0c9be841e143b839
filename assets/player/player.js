// The trace player: draws a run from its frames, live or replayed. It knows nothing of Gradio and asks no server: scrubbing,
// playing and reading candidates all happen here. Every text goes in through textContent, never as HTML.

const ABOUT = {PAD: "padding: nothing stands here", END: "end of the text", UNK: "a word outside the vocabulary"};

function infill(words, places) {                   // the pattern that fixes the words at these places and leaves all else open
  const last = Math.max(-1, ...places), pieces = [];
  let open = 0;
  for (let place = 0; place <= last; place++) {
    if (!places.has(place)) { open++; continue; }
    if (open) pieces.push(`___${open}`);
    pieces.push(words[place]);
    open = 0;
  }
  const end = words.indexOf("END"), more = (end < 0 ? words.length : end) - 1 > last;
  return pieces.length ? [...pieces, ...(more ? ["___"] : [])].join(" ") : "";
}

class TracePlayer {
  constructor(root, {scale, inks, savePage = null, pin = null}) {
    Object.assign(this, {root, scale, inks, savePage, pin, run: null, frame: 0, playing: null, allPads: false, held: null, turn: 0});
    root.tracePlayer = this;
    root.tabIndex = 0;
    root.setAttribute("role", "group");
    root.setAttribute("aria-label", "Run, step by step. Arrow keys step, space plays.");
    this.build();
    this.listen();
    this.empty("");
  }

  build() {
    const bar = make("div", "tdl-bar", "", this.root);
    this.badge = make("span", "tdl-badge", "", bar);
    this.status = make("span", "tdl-status", "", bar);
    this.status.setAttribute("role", "status");
    const tools = make("span", "tdl-tools", "", bar);
    this.tools = {};
    for (const [name, label, title] of [["link", "Copy link", "A link that runs this again, word for word"],
      ["save", "Save trace", "Every step of this run as JSON"], ["page", "Save page", "This player as one HTML file"],
      ["open", "Open trace", "Play a trace file; it can also be dropped here"]]) {
      const button = this.tools[name] = make("button", "tdl-tool", label, tools);
      button.type = "button";
      button.title = title;
    }
    this.alert = make("div", "tdl-alert", "", this.root);
    this.alert.setAttribute("role", "alert");
    this.alert.hidden = true;
    this.given = make("div", "tdl-given", "", this.root);
    this.samples = make("div", "tdl-samples", "", this.root);
    this.deck = make("div", "tdl-deck", "", this.root);
    this.buttons = {};
    for (const [name, sign, label] of [["first", "«", "First step"], ["back", "‹", "One step back"], ["play", "▶", "Play"],
      ["next", "›", "One step on"], ["last", "»", "Last step"]]) {
      const button = this.buttons[name] = make("button", "tdl-key", sign, this.deck);
      button.type = "button";
      button.setAttribute("aria-label", label);
      button.title = label;
    }
    this.slider = make("input", "tdl-slider", "", this.deck);
    Object.assign(this.slider, {type: "range", min: 0, max: 0, value: 0, step: 1});
    this.slider.setAttribute("aria-label", "Step");
    this.clock = make("span", "tdl-clock", "", this.deck);
    this.speed = make("select", "tdl-speed", "", this.deck);
    this.speed.setAttribute("aria-label", "Speed of playing");
    for (const factor of [0.25, 0.5, 1, 2, 4]) {
      const option = make("option", "", `${factor}×`, this.speed);
      option.value = factor;
      option.selected = factor === 1;
    }
    this.buildLegend();
    this.plot = make("div", "tdl-plot", "", this.root);
    this.line = make("div", "tdl-line", "", this.root);
    this.tip = make("div", "tdl-tip", "", this.root);
    this.tip.hidden = true;
    this.file = make("input", "", "", this.root);
    Object.assign(this.file, {type: "file", accept: ".json,application/json", hidden: true});
  }

  buildLegend() {
    const legend = make("div", "tdl-legend", "", this.root);
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
    const go = {first: () => this.seek(0), back: () => this.seek(this.frame - 1), play: () => this.toggle(),
      next: () => this.seek(this.frame + 1), last: () => this.seek(Infinity)};
    for (const [name, act] of Object.entries(go)) this.buttons[name].addEventListener("click", act);
    this.slider.addEventListener("input", () => this.seek(Number(this.slider.value)));
    this.tools.link.addEventListener("click", () => this.copyLink());
    this.tools.save.addEventListener("click", () => this.download("trace.json", JSON.stringify(this.message.trace)));
    this.tools.page.addEventListener("click", () => this.savePlayer());
    this.tools.open.addEventListener("click", () => this.file.click());
    this.file.addEventListener("change", () => { this.play(this.file.files[0]); this.file.value = ""; });
    this.root.addEventListener("dragover", event => { event.preventDefault(); this.root.classList.add("tdl-over"); });
    this.root.addEventListener("dragleave", () => this.root.classList.remove("tdl-over"));
    this.root.addEventListener("drop", event => {
      event.preventDefault();
      this.root.classList.remove("tdl-over");
      this.play(event.dataTransfer.files[0]);
    });
    this.samples.addEventListener("pointerover", event => { if (!this.held) this.point(event.target); });
    this.samples.addEventListener("pointerleave", () => { if (!this.held) this.tip.hidden = true; });
    this.samples.addEventListener("click", event => {
      const same = this.held === event.target;
      this.held = !same && event.target.classList.contains("tdl-chip") ? event.target : null;
      this.point(this.held);
    });
    this.keys = event => this.key(event);
    document.addEventListener("keydown", this.keys);
    this.curves = new Curves(this.plot, frame => this.seek(frame));
  }

  key(event) {
    if (!this.root.isConnected) return document.removeEventListener("keydown", this.keys);
    const here = event.target === document.body || this.root.contains(event.target);
    const typing = ["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName) && event.target !== this.slider;
    if (!here || !this.root.offsetParent || typing || event.ctrlKey || event.metaKey || event.altKey || !this.run?.count) return undefined;
    if (event.key === " " && event.target.tagName === "BUTTON") return undefined;
    const acts = {ArrowLeft: () => this.seek(this.frame - 1), ArrowRight: () => this.seek(this.frame + 1), " ": () => this.toggle(),
      Home: () => this.seek(0), End: () => this.seek(Infinity), Escape: () => { this.held = null; this.tip.hidden = true; }};
    const act = acts[event.key];
    if (!act) return undefined;
    event.preventDefault();
    return act();
  }

  // ---- messages: start, live, trace, error, empty

  async show(message) {
    if (message.kind === "error") return this.complain(message.sentence);
    const turn = ++this.turn;
    this.alert.hidden = true;
    if (message.kind === "empty") return this.empty(message.sentence);
    this.pause();
    if (message.kind === "trace") return this.showTrace(message, turn);
    if (message.kind === "start" || !(this.run instanceof Running) || this.run.id !== message.id) {
      this.message = message;
      this.run = new Running(message);
      this.run.id = message.id;
      this.arrange("Running", message.note ?? "");
      this.root.dispatchEvent(new CustomEvent("run-begins", {bubbles: true}));
      const top = this.root.getBoundingClientRect();
      if (top.top < 0 || top.top > window.innerHeight - 160) this.root.scrollIntoView({block: "start"});
    }
    if (message.kind === "live") {
      this.run.add(message);
      this.status.textContent = `step ${message.index + 1} of ${message.steps}`;
      this.seek(Infinity);
    }
    return undefined;
  }

  async showTrace(message, turn) {
    let run;
    try {
      run = await readTrace(message.trace);
    } catch (error) {
      return this.complain(`This is not a trace of this lab (${error.message}). Use a file that was saved here.`);
    }
    if (turn !== this.turn) return undefined;      // a newer message came while this one was being read
    this.message = message;
    this.run = run;
    const last = run.step(run.count - 1), whole = last.s === 0;
    const state = whole ? "" : `stopped at step ${run.count} of ${run.total}`;
    this.arrange(message.stored ? "Stored run" : whole ? "Done" : "Stopped", message.note || state);
    this.seek(Infinity);
    this.root.dispatchEvent(new CustomEvent("run-shown", {bubbles: true}));
    return undefined;
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

  arrange(badge, status) {                         // new run: rows, verdicts, buttons
    const {run, message} = this, whole = run instanceof Recorded;
    this.badge.textContent = badge;
    this.badge.hidden = !badge;
    this.badge.dataset.state = badge;
    this.status.textContent = status;
    this.tip.hidden = true;
    this.held = null;
    this.picked = new Map();                       // text to the places of its words that were pinned by a click
    this.frame = 0;
    this.tools.link.hidden = !message.query;
    offerCitation(this);
    this.tools.save.hidden = !whole;
    this.tools.page.hidden = !whole || !this.savePage || message.id === undefined;
    this.deck.hidden = this.plot.hidden = !run;
    this.samples.textContent = "";
    this.showGiven(run?.info ?? {});
    this.rows = (run?.seeds ?? []).map((seed, text) => this.addRow(seed, text));
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
    const results = this.run?.info.results ?? [], size = this.run?.info.candidates ?? 1;
    const key = text => Math.floor(text / size) * size + (results[text]?.rank ?? text % size);
    return this.rows.map((_, text) => text).sort((one, other) => key(one) - key(other));
  }

  addRow(seed, text) {
    const {info} = this.run, result = info.results?.[text], many = (info.candidates ?? 1) > 1;
    const other = many && result && result.rank > 0, box = make("article", `tdl-sample${other ? " tdl-candidate-text" : ""}`);
    const head = make("div", "tdl-seed", "", box);
    make("span", "", `seed ${seed}`, head);
    const words = make("p", "tdl-words", "", box);
    const pads = make("button", "tdl-pads", "", words);
    pads.type = "button";
    pads.addEventListener("click", () => { this.allPads = !this.allPads; this.render(); });
    if (many && typeof result?.agreement === "number") {
      const mark = make("span", "tdl-rank", `${result.rank ? "" : "chosen, "}BLEU ${result.agreement.toFixed(0)}`, head);
      mark.title = "Mean sentence BLEU with the sample's other candidates; the candidate with the most is chosen";
    }
    if (result) {
      const copy = make("button", "tdl-copy", "copy", head);
      copy.type = "button";
      copy.title = "Copy the text";
      copy.addEventListener("click", () => copyText(result.text, copy));
      this.addVerdicts(box, result);
    }
    const names = info.pinned?.[text] ?? [];
    return {box, words, pads, chips: [], pins: new Map((info.pins?.[text] ?? []).map((place, index) => [place, names[index]]))};
  }

  addVerdicts(box, {controls, pins = [], tokens = []}) {
    const told = this.run.info.hard === false ? pins : pins.filter(pin => !pin.held);
    if (!controls.length && !told.length) return;
    const list = make("ul", "tdl-verdicts", "", box);
    for (const {control, target, score, detail} of controls) {
      const item = make("li", score >= 1 ? "tdl-yes" : "tdl-no", "", list);
      make("b", "", score >= 1 ? "✓" : "✗", item);
      make("span", "tdl-control", score > 0 && score < 1 ? ` ${control} ${Math.round(100 * score)} %` : ` ${control}`, item);
      make("span", "tdl-detail", ` ${detail}`, item);
      item.title = `${control}=${target}`;
    }
    for (const verdict of controls) if (verdict.parts) drawParts(box, verdict, tokens);
    for (const {position, word, held} of told) {
      const item = make("li", held ? "tdl-yes" : "tdl-no", "", list);
      make("b", "", held ? "✓" : "✗", item);
      make("span", "tdl-control", ` ${word}`, item);
      make("span", "tdl-detail", held ? " held" : ` not at position ${position + 1}`, item);
    }
  }

  about() {
    const {info} = this.run, last = this.run instanceof Recorded ? this.run.steps.at(-1) : null;
    const cost = last ? [`${last.nfe} network evaluations`, `${last.seconds.toFixed(2)} s`] : [];
    const [paper, path] = [info.title ?? info.paper, info.path && `path ${info.path}`];
    return [paper, info.sampler, info.steps && `${info.steps} steps`, info.strategy && `steered by ${info.strategy}`, path, info.checkpoint && `checkpoint ${info.checkpoint}`,
      ...cost].filter(Boolean).join(" · ");
  }

  // ---- a frame

  seek(frame) {
    if (!this.run?.count) return;
    this.frame = Math.max(0, Math.min(this.run.count - 1, frame));
    this.render();
  }

  render() {
    const {run, frame} = this, step = run.step(frame);
    this.rows.forEach((row, sample) => this.renderRow(row, run.row(frame, sample)));
    this.slider.max = run.count - 1;
    this.slider.value = frame;
    this.clock.textContent = `step ${step.index + 1}/${run.total} · t ${step.t.toFixed(2)}`;
    this.slider.setAttribute("aria-valuetext", this.clock.textContent);
    if (!this.tip.hidden && this.held) this.point(this.held);
    this.curves.show(run, frame);
  }

  renderRow({words, pads, chips, pins}, row) {
    let end = row.length;
    while (end > 0 && row[end - 1][0] === "PAD" && row[end - 1][2]) end--;
    const padding = row.length - end, shown = this.allPads ? row.length : end;
    while (chips.length < shown) {
      const chip = make("span", "tdl-chip");
      chip.place = chips.length;
      words.insertBefore(chip, pads);
      words.insertBefore(document.createTextNode(" "), pads);
      chips.push(chip);
    }
    chips.forEach((chip, place) => {
      chip.hidden = place >= shown;
      if (place < shown) this.paint(chip, row[place], this.pinMark(pins, row, place));
    });
    pads.hidden = padding === 0;
    pads.textContent = this.allPads ? "hide PAD" : `PAD × ${padding}`;
    pads.title = this.allPads ? "Fold the padding" : `${padding} positions of padding; show them`;
  }

  pinMark(pins, row, place) {                      // one lock for each run of pins; a pin that does not hold shows it
    const holds = at => pins.has(at) && (pins.get(at) ?? row[at][0]) === row[at][0];
    if (!pins.has(place)) return "";
    if (!holds(place)) return " tdl-pinned tdl-lost";
    return place > 0 && holds(place - 1) ? " tdl-pinned" : " tdl-pinned tdl-locked";
  }

  paint(chip, [name, percent, special], pinned) {
    const place = special ? -1 : Math.min(10, Math.max(0, Math.round(percent / 10)));
    const state = `${place}|${pinned}`;
    if (chip.textContent !== name) chip.textContent = name;
    if (chip.state === state) return;
    chip.state = state;
    chip.className = `tdl-chip${special ? " tdl-special" : ""}${pinned}`;
    chip.title = special ? ABOUT[name] ?? "" : "";
    chip.style.background = special ? "" : this.scale[place];
    chip.style.color = special ? "" : this.inks[place];
  }

  point(chip) {                                    // the candidates of a word, beside it
    const sample = chip?.classList?.contains("tdl-chip") ? this.rows.findIndex(row => row.words.contains(chip)) : -1;
    const found = sample >= 0 && !chip.hidden ? this.run.candidates(this.frame, sample, chip.place) : null;
    this.tip.hidden = !found;
    if (!found) return;
    this.tip.textContent = "";
    const head = make("div", "tdl-tip-head", `position ${chip.place + 1}`, this.tip);
    const {pins} = this.rows[sample], wanted = pins.get(chip.place);
    if (pins.has(chip.place)) make("span", "tdl-lock", wanted && wanted !== chip.textContent ? ` asked for: ${wanted}` : " pinned", head);
    for (const [word, prob] of found.words) {
      if (prob < 0.0005) continue;
      const line = make("div", "tdl-candidate", "", this.tip);
      make("span", "tdl-word", word, line);
      make("span", "tdl-track", "", line).style.setProperty("--p", prob);
      make("span", "tdl-number", `${(100 * prob).toFixed(1)} %`, line);
    }
    const moved = found.pressure > 0.0005 ? ` · moved by controls ${found.pressure.toFixed(2)} nats` : "";
    make("div", "tdl-tip-foot", `entropy ${found.entropy.toFixed(2)} nats${moved}`, this.tip);
    if (this.held && this.pin && this.frame === this.run.count - 1 && !chip.classList.contains("tdl-special")) this.offerPin(sample, chip);
    this.tip.classList.toggle("tdl-tip-held", Boolean(this.held));
    const box = this.root.getBoundingClientRect(), at = chip.getBoundingClientRect();
    const left = Math.min(at.left - box.left, box.width - this.tip.offsetWidth - 8);
    const above = window.innerHeight - at.bottom < this.tip.offsetHeight + 8 && at.top > this.tip.offsetHeight + 8;
    this.tip.style.left = `${Math.max(4, left)}px`;
    this.tip.style.top = `${(above ? at.top - this.tip.offsetHeight - 6 : at.bottom + 6) - box.top}px`;
  }

  offerPin(sample, chip) {                         // a button that puts the word, where it stands, into the form's infill
    const places = this.picked.get(sample) ?? new Set(), on = places.has(chip.place);
    const button = make("button", "tdl-pin", on ? "Take the pin away" : "Pin this word", this.tip);
    button.type = "button";
    button.addEventListener("click", () => {
      if (on) places.delete(chip.place);
      else places.add(chip.place);
      this.picked = new Map([[sample, places]]);   // an infill is one text's
      const pattern = infill(this.rows[sample].chips.map(each => each.textContent), places);
      this.pin(pattern);
      this.status.textContent = pattern ? `In the form: ${pattern}. Press Generate.` : "No word is pinned.";
      this.point(chip);
    });
  }

  // ---- playing

  toggle() { if (this.playing) this.pause(); else this.start(); }

  start() {
    if (!this.run?.count) return;
    if (this.frame >= this.run.count - 1) this.seek(0);
    let before = performance.now(), part = 0;
    const rate = Math.max(12, this.run.count / 6);                      // steps a second: a run lasts at most 6 s
    const tick = now => {
      part += (now - before) / 1000 * rate * Number(this.speed.value);
      before = now;
      const steps = Math.floor(part);
      part -= steps;
      if (steps) this.seek(this.frame + steps);
      if (this.frame >= this.run.count - 1) return this.pause();
      this.playing = requestAnimationFrame(tick);
      return undefined;
    };
    this.playing = requestAnimationFrame(tick);
    this.mark("❚❚", "Pause");
  }

  pause() {
    cancelAnimationFrame(this.playing);
    this.playing = null;
    this.mark("▶", "Play");
  }

  mark(sign, label) {
    this.buttons.play.textContent = sign;
    this.buttons.play.title = label;
    this.buttons.play.setAttribute("aria-label", label);
  }

  // ---- files and links

  async play(file) {
    if (!file) return;
    try {
      const trace = JSON.parse(await file.text());
      await this.show({kind: "trace", stored: true, note: file.name, trace});
    } catch {
      this.complain(`'${file.name}' is not a trace of this lab. Use a file that was saved here.`);
    }
  }

  async savePlayer() {
    const page = await this.savePage(this.message.id);
    if (page) this.download("run.html", page);
    else this.complain("This run is no longer kept. Run it again: the same order gives the same text.");
  }

  copyLink() { copyText(addressOf(this.message.query), this.tools.link); }

  download(name, text) { saveFile(name, new Blob([text])); }
}
