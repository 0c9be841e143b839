// Lanes side by side, one for each run that is compared: live while they run, afterwards on one clock, with the words that differ
// from a chosen lane marked and a table of what was measured.

function common(one, other) {                      // the places of `one` whose words stand in a longest common row of both
  const sizes = Array.from({length: one.length + 1}, () => new Array(other.length + 1).fill(0));
  for (let i = one.length - 1; i >= 0; i--) for (let j = other.length - 1; j >= 0; j--)
    sizes[i][j] = one[i] === other[j] ? sizes[i + 1][j + 1] + 1 : Math.max(sizes[i + 1][j], sizes[i][j + 1]);
  const kept = new Set();
  for (let i = 0, j = 0; i < one.length && j < other.length;) {
    if (one[i] === other[j]) { kept.add(i); i += 1; j += 1; } else if (sizes[i + 1][j] >= sizes[i][j + 1]) i += 1; else j += 1;
  }
  return kept;
}

class Lanes {
  constructor(root, {scale, inks, server = null}) {
    Object.assign(this, {root, scale, inks, server, told: [], runs: new Map(), table: [], share: 1, reference: "", playing: null, turn: 0});
    root.lanes = this;
    const bar = make("div", "tdl-bar", "", root);
    this.badge = make("span", "tdl-badge", "", bar);
    this.status = make("span", "tdl-status", "", bar);
    this.status.setAttribute("role", "status");
    const tools = make("span", "tdl-tools", "", bar);
    this.link = this.tool(tools, "Copy link", "A link that compares these runs again, word for word",
      () => copyText(addressOf(this.query), this.link));
    this.page = this.tool(tools, "Save page", "These lanes as one HTML file that plays them", () => this.savePage());
    this.alert = make("div", "tdl-alert", "", root);
    this.alert.setAttribute("role", "alert");
    this.deck = make("div", "tdl-deck", "", root);
    this.play = make("button", "tdl-key", "▶", this.deck);
    this.play.type = "button";
    this.play.setAttribute("aria-label", "Play");
    this.play.addEventListener("click", () => this.toggle());
    this.slider = make("input", "tdl-slider", "", this.deck);
    Object.assign(this.slider, {type: "range", min: 0, max: 1000, value: 1000});
    this.slider.setAttribute("aria-label", "Common clock");
    this.slider.addEventListener("input", () => this.seek(Number(this.slider.value) / 1000));
    this.clock = this.menu("Clock", [["entropy", "entropy of the belief"], ["steps", "share of the steps"]], () => this.seek(this.share));
    this.marks = this.menu("Differences from", [], () => { this.reference = this.marks.value; this.seek(this.share); });
    this.at = make("span", "tdl-clock", "", this.deck);
    this.grid = make("div", "tdl-lanes", "", root);
    this.figures = make("div", "tdl-table-box", "", root);
    this.empty();
  }

  tool(parent, label, title, act) {
    const button = make("button", "tdl-tool", label, parent);
    Object.assign(button, {type: "button", title});
    button.addEventListener("click", act);
    return button;
  }

  menu(label, entries, act) {
    const box = make("label", "tdl-board-menu", "", this.deck), menu = make("select", "tdl-speed", "", box);
    box.prepend(document.createTextNode(`${label} `));
    for (const [value, title] of entries) make("option", "", title, menu).value = value;
    menu.addEventListener("change", act);
    return menu;
  }

  async show(message) {
    const turn = ++this.turn;
    this.alert.hidden = message.kind !== "error";
    if (message.kind === "error") { this.alert.textContent = message.sentence; return; }
    if (message.kind === "empty") { this.empty(); return; }
    if (message.kind === "stopped") { this.badge.textContent = "Stopped"; return; }
    if (message.kind === "lanes") this.begin(message);
    if (message.kind === "live") this.live(message.lanes);
    if (message.kind === "done" || message.kind === "stored") await this.done(message, turn);
  }

  empty() {
    this.badge.hidden = true;
    this.link.hidden = this.page.hidden = true;
    this.alert.hidden = true;
    this.deck.hidden = true;
    this.grid.textContent = "";
    this.figures.textContent = "";
    this.open();
    make("p", "tdl-empty", "Every ticked paper gets the same prompt and the same seeds. They take turns, one step each, so that you can watch " +
      "them settle side by side.", this.grid);
  }

  open() {                                         // stored runs, once the lanes are looked at and nothing has been compared yet
    if (!this.server?.stored_runs || this.opened) return;
    this.opened = new IntersectionObserver(async ([{isIntersecting}]) => {
      if (!isIntersecting) return;
      this.opened.disconnect();
      const {turn} = this, text = await this.server.stored_runs("");
      if (text && turn === this.turn) await this.show(JSON.parse(text));
    });
    this.opened.observe(this.root);
  }

  offer(query) {                                   // the link that compares the same runs again
    this.query = query;
    this.link.hidden = !query;
  }

  begin({told, note, query}) {
    this.pause();
    this.offer(query);
    this.page.hidden = true;
    this.badge.hidden = false;
    this.badge.textContent = "Running";
    this.badge.dataset.state = "Running";
    this.status.textContent = note;
    this.runs = new Map();
    this.figures.textContent = "";
    this.deck.hidden = true;
    this.lanes(told);
  }

  lanes(told) {
    this.told = told;
    this.grid.textContent = "";
    this.boxes = new Map(told.map(({name, title, why}) => {
      const box = make("section", "tdl-lane", "", this.grid);
      make("h3", "", title, box);
      const words = make("div", "tdl-lane-words", "", box);
      if (why) make("p", "tdl-lane-why", why, words);
      const foot = make("p", "tdl-tip-foot", "", box);
      return [name, {words, foot}];
    }));
  }

  live(lanes) {
    this.status.textContent = "";
    for (const [name, thin] of Object.entries(lanes)) {
      const box = this.boxes?.get(name);
      if (!box) continue;
      this.rows(box.words, thin.rows, null);
      const mean = thin.entropy.reduce((sum, value) => sum + value, 0) / thin.entropy.length;
      box.foot.textContent = `step ${thin.index + 1} of ${thin.steps} · entropy ${mean.toFixed(2)} nats`;
    }
  }

  async done({kind, lanes, told, table, query}, turn) {
    const names = Object.keys(lanes), runs = await Promise.all(names.map(name => readTrace(lanes[name].trace)));
    if (turn !== this.turn) return;
    this.kept = {kind: "done", lanes: Object.fromEntries(names.map(name => [name, {trace: lanes[name].trace}])), told, table};
    this.page.hidden = !this.server || !names.length;                      // a saved page has no server to ask
    this.badge.hidden = false;
    this.badge.textContent = this.badge.dataset.state = kind === "stored" ? "Stored runs" : "Done";
    this.status.textContent = kind === "stored" ? "of the same seeds; press Compare for your own" : "";
    this.offer(query);
    this.lanes(told);
    this.runs = new Map(names.map((name, place) => [name, runs[place]]));
    this.marks.textContent = "";
    make("option", "", "none", this.marks).value = "";
    for (const {name, title} of told) if (this.runs.has(name)) make("option", "", title, this.marks).value = name;
    this.marks.value = this.reference = names.includes(this.reference) ? this.reference : "";
    this.deck.hidden = !names.length;
    this.measured(table);
    this.seek(1);
  }

  async savePage() { savePage("lanes", await this.server.page_of(""), this.kept); }

  // ---- the common clock

  frameOf(run, share) {                            // the frame of a run at a point of the clock, 0 noise, 1 text
    if (this.clock.value === "steps" || share >= 1) return Math.min(run.count - 1, Math.floor(share * run.count));
    const level = (1 - share) * this.highest, mean = frame => average(run.entropy[frame]);
    for (let frame = 0; frame < run.count; frame++) if (mean(frame) <= level) return frame;
    return run.count - 1;
  }

  get highest() { return Math.max(...[...this.runs.values()].map(run => average(run.entropy[0]))); }

  seek(share) {
    if (!this.runs.size) return;
    this.share = Math.max(0, Math.min(1, share));
    this.slider.value = Math.round(1000 * this.share);
    this.at.textContent = this.clock.value === "steps" ? `${Math.round(100 * this.share)} % of the steps` :
      `entropy ${((1 - this.share) * this.highest).toFixed(2)} nats`;
    const other = this.runs.get(this.reference);
    for (const [name, run] of this.runs) {
      const box = this.boxes.get(name), frame = this.frameOf(run, this.share), seen = other && name !== this.reference ? other : null;
      const rows = run.seeds.map((_, sample) => this.trimmed(run.row(frame, sample)));
      const theirs = seen && seen.seeds.map((_, sample) => this.trimmed(seen.row(this.frameOf(seen, this.share), sample)).map(chip => chip[0]));
      this.rows(box.words, rows, theirs);
      box.foot.textContent = `step ${frame + 1} of ${run.count} · entropy ${average(run.entropy[frame]).toFixed(2)} nats`;
    }
  }

  trimmed(row) {
    let end = row.length;
    while (end > 0 && row[end - 1][0] === "PAD") end--;
    return row.slice(0, end);
  }

  rows(into, rows, theirs) {
    into.textContent = "";
    rows.forEach((row, sample) => {
      const kept = theirs?.[sample] ? common(row.map(chip => chip[0]), theirs[sample]) : null, line = make("p", "tdl-words", "", into);
      row.forEach(([name, percent, special], place) => {
        const differs = kept && !kept.has(place), chip = make("span", `tdl-chip${special ? " tdl-special" : ""}${differs ? " tdl-differs" : ""}`, name, line);
        if (!special) {
          const level = Math.min(10, Math.max(0, Math.round(percent / 10)));
          Object.assign(chip.style, {background: this.scale[level], color: this.inks[level]});
        }
        line.append(" ");
      });
    });
  }

  toggle() { if (this.playing) this.pause(); else this.start(); }

  start() {
    if (this.share >= 1) this.seek(0);
    let before = performance.now();
    const tick = now => {
      this.seek(this.share + (now - before) / 6000);
      before = now;
      if (this.share >= 1) { this.pause(); return; }
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

  // ---- the table

  measured(rows) {
    this.figures.textContent = "";
    const told = name => rows.some(row => row[name] !== null && row[name] !== undefined);         // of no run: no column
    const columns = [...new Set(rows.flatMap(row => Object.keys(row)))].filter(name => name !== "why" && told(name));
    const table = make("table", "tdl-numbers", "", this.figures), head = make("tr", "", "", make("thead", "", "", table));
    for (const name of columns) make("th", "", name, head).scope = "col";
    const body = make("tbody", "", "", table);
    for (const row of rows) {
      const line = make("tr", "", "", body);
      if (row.why) {
        make("td", "", row.paper, line);
        make("td", "tdl-no", row.why, line).colSpan = Math.max(1, columns.length - 1);
      } else for (const name of columns) make("td", "", row[name] === null || row[name] === undefined ? "–" : this.shown(row[name]), line);
    }
    make("p", "tdl-soft", "NFE, seconds, the judge's perplexity and the controls are of this run; seconds are a lane's own work, without the " +
      "turns of the others. Bits a token were measured on held-out text, megabytes are the checkpoint's. A dash: not measured.", this.figures);
  }

  shown(value) { return typeof value === "number" ? String(Number(value.toFixed(value < 10 ? 2 : 1))) : value; }
}
