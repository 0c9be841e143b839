// The forward-noise playground: one sentence under every paper's noise, all times of it at once, so that dragging t asks no
// server. Every text goes in through textContent, never as HTML.

const NOTHING = -1, PLOT = {width: 230, height: 78, left: 36, right: 6, high: 6, low: 62};

class NoisePlayground {
  constructor(root, {scale, inks, show, first}) {
    Object.assign(this, {root, scale, inks, ask: show, data: null, at: 0, cards: [], playing: null});
    root.noisePlayground = this;
    this.build();
    this.load(first());
  }

  build() {
    make("p", "tdl-noise-intro", "Drag the time t: what does each paper's noise leave of a sentence, before any model has tried to " +
      "read it? All papers see the same t, but not the same share of signal: that is what their schedules decide.", this.root);
    const form = make("form", "tdl-noise-form", "", this.root);
    const label = make("label", "tdl-noise-label", "Sentence", form);
    this.sentence = make("input", "tdl-noise-sentence", "", label);
    Object.assign(this.sentence, {type: "text", maxLength: 2000, spellcheck: false});
    const seed = make("label", "tdl-noise-label tdl-noise-seed", "Seed of the noise", form);
    this.seed = make("input", "", "", seed);
    Object.assign(this.seed, {type: "number", min: 0, step: 1, value: 0});
    this.go = make("button", "tdl-noise-go", "Put noise on it", form);
    form.addEventListener("submit", event => {
      event.preventDefault();
      this.load(this.ask(this.sentence.value, Number(this.seed.value)));
    });
    this.alert = make("div", "tdl-alert", "", this.root);
    this.alert.setAttribute("role", "alert");
    this.alert.hidden = true;
    const deck = make("div", "tdl-deck", "", this.root);
    this.button = make("button", "tdl-key", "▶", deck);
    Object.assign(this.button, {type: "button", title: "Play"});
    this.button.setAttribute("aria-label", "Play the noise from text to nothing");
    this.button.addEventListener("click", () => this.toggle());
    make("span", "tdl-noise-end", "text", deck);
    this.slider = make("input", "tdl-slider", "", deck);
    Object.assign(this.slider, {type: "range", min: 0, max: 0, value: 0, step: 1});
    this.slider.setAttribute("aria-label", "Time t, from text at 0 to noise at 1");
    this.slider.addEventListener("input", () => { this.pause(); this.seek(Number(this.slider.value)); });
    make("span", "tdl-noise-end", "noise", deck);
    this.clock = make("span", "tdl-clock", "", deck);
    this.list = make("div", "tdl-noise-list", "", this.root);
    this.legend();
  }

  legend() {
    const legend = make("div", "tdl-legend", "", this.root);
    make("span", "", "How probable the word shown is, judged by its own place alone", legend);
    const bar = make("span", "tdl-scale", "", legend);
    this.scale.forEach((colour, place) => {
      const cell = make("i", "", place % 5 ? "" : String(place * 10), bar);
      Object.assign(cell.style, {background: colour, color: this.inks[place]});
    });
    make("span", "", "%", legend);
    make("span", "tdl-chip tdl-noise-other tdl-plain", "word", legend);
    make("span", "", "no longer the sentence's own", legend);
    make("span", "tdl-chip tdl-noise-gone", "", legend);
    make("span", "", "nothing left: every word is equally probable", legend);
  }

  async load(promise) {
    this.go.disabled = true;
    this.root.setAttribute("aria-busy", "true");
    try {
      const answer = JSON.parse(await promise);
      if (answer.error) this.complain(answer.error);
      else if (answer.papers) this.show(answer);
    } catch {
      this.complain("The server did not answer. Load the page again.");
    } finally {
      this.go.disabled = false;
      this.root.removeAttribute("aria-busy");
    }
  }

  complain(sentence) {
    this.alert.textContent = sentence;
    this.alert.hidden = !sentence;
  }

  show(data) {
    this.pause();
    this.data = data;
    this.sentence.value = data.text;
    this.seed.value = data.seed;
    const swapped = data.unknown.map(({word, shown}) => `'${word}' by '${shown}'`);
    this.complain(swapped.length ? `Not among the words these models know, and replaced by the nearest known: ${swapped.join(", ")}.` : "");
    this.slider.max = data.times.length - 1;
    this.list.textContent = "";
    this.cards = data.papers.map(paper => this.card(paper));
    this.seek(Math.min(this.at || Math.round(data.times.length / 5), data.times.length - 1));
  }

  card(paper) {
    const box = make("article", "tdl-noise-card", "", this.list), head = make("header", "", "", box);
    make("h3", "", paper.title, head);
    make("span", "tdl-noise-space", paper.space, head);
    const body = make("div", "tdl-noise-body", "", box), words = make("p", "tdl-words", "", body);
    const chips = paper.positions.map((own, place) => {
      const chip = make("span", "tdl-chip", "", words);
      chip.addEventListener("pointerenter", () => { chip.title = this.about(paper, place); });
      words.append(" ");
      return chip;
    });
    const side = make("div", "tdl-noise-side", "", body), plot = this.plot(paper, side);
    make("p", "tdl-noise-caption", paper.caption, box);
    return {paper, chips, ...plot};
  }

  plot(paper, side) {
    const {width, height, left, right, high, low} = PLOT, last = this.data.times.length - 1;
    const x = place => left + (width - left - right) * place / last, y = share => low - (low - high) * share;
    const svg = draw("svg", {viewBox: `0 0 ${width} ${height}`, role: "img", class: "tdl-noise-plot",
      "aria-label": `${paper.title}: share of signal and of readable words over time t from 0 to 1`}, side);
    for (const share of [0, 0.5, 1]) {
      draw("line", {x1: left, x2: width - right, y1: y(share), y2: y(share), class: "tdl-grid"}, svg);
      draw("text", {x: left - 4, y: y(share) + 3.5, "text-anchor": "end"}, svg, `${share * 100}${share === 1 ? " %" : ""}`);
    }
    for (const [place, text, anchor] of [[0, "t 0", "start"], [last / 2, "0.5", "middle"], [last, "1", "end"]])
      draw("text", {x: x(place), y: height - 4, "text-anchor": anchor}, svg, text);
    const line = values => values.map((value, place) => `${x(place).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
    if (paper.survival.some(([, least, most]) => most - least > 0.01)) {
      const back = paper.survival.map((_, place) => paper.survival.length - 1 - place);
      const band = [...paper.survival.map((row, place) => [place, row[2]]), ...back.map(place => [place, paper.survival[place][1]])];
      draw("polygon", {class: "tdl-noise-band", points: band.map(([place, value]) => `${x(place).toFixed(1)},${y(value).toFixed(1)}`).join(" ")}, svg);
    }
    draw("polyline", {class: "tdl-curve tdl-c1", points: line(paper.survival.map(row => row[0]))}, svg);
    draw("polyline", {class: "tdl-curve tdl-c2", points: line(paper.kept)}, svg);
    const cursor = draw("line", {class: "tdl-cursor", y1: high, y2: low}, svg);
    const keys = make("div", "tdl-noise-keys", "", side);
    const [signal, kept] = ["tdl-c1", "tdl-c2"].map(kind => {
      const key = make("span", `tdl-keyline ${kind}`, "", keys);
      make("i", "", "", key);
      return make("span", "", "", key);
    });
    return {cursor, x, signal, kept};
  }

  about(paper, place) {
    const at = this.at, own = paper.positions[place].replace(/[[\]]/g, ""), name = id => paper.words[id].replace(/^\[(.*)\]$/, "$1");
    if (paper.ids[at][place] === NOTHING) return `'${own}' stood here; nothing of it is left`;
    const found = [`'${name(paper.ids[at][place])}' ${paper.percent[at][place]} %`];
    if (paper.next[at][place] !== NOTHING) found.push(`'${name(paper.next[at][place])}' ${paper.next_percent[at][place]} %`);
    return `'${own}' stood here; most probable now: ${found.join(", ")}; '${own}' is number ${paper.rank[at][place]}`;
  }

  seek(at) {
    if (!this.data) return;
    this.at = at;
    this.slider.value = at;
    this.clock.textContent = `t ${this.data.times[at].toFixed(2)}`;
    this.slider.setAttribute("aria-valuetext", this.clock.textContent);
    for (const {paper, chips, cursor, x, signal, kept} of this.cards) {
      chips.forEach((chip, place) => this.paint(chip, paper, place));
      for (const end of ["x1", "x2"]) cursor.setAttribute(end, x(at).toFixed(1));
      const words = paper.positions.length - 1;
      signal.textContent = `signal left ${Math.round(100 * paper.survival[at][0])} %`;
      kept.textContent = `words that survive ${Math.round(words * paper.kept[at])} of ${words}`;
    }
  }

  paint(chip, paper, place) {
    const id = paper.ids[this.at][place], gone = id === NOTHING, name = gone ? "" : paper.words[id];
    const other = !gone && name !== paper.positions[place], special = /^\[(PAD|END|UNK)\]$/.test(name);
    const level = Math.min(10, Math.max(0, Math.round(paper.percent[this.at][place] / 10))), state = `${id}|${level}`;
    if (chip.state === state) return;
    chip.state = state;
    chip.textContent = gone ? "" : name.replace(/^\[(.*)\]$/, "$1");
    chip.setAttribute("aria-label", gone ? "hidden" : chip.textContent);
    chip.className = `tdl-chip${gone ? " tdl-noise-gone" : ""}${other ? " tdl-noise-other" : ""}${special ? " tdl-noise-special" : ""}`;
    chip.style.background = gone ? "" : this.scale[level];
    chip.style.color = gone ? "" : this.inks[level];
  }

  toggle() { if (this.playing) this.pause(); else this.play(); }

  play() {
    if (!this.data) return;
    const last = this.data.times.length - 1;
    let from = this.at >= last ? 0 : this.at, begun = null;
    this.button.textContent = "❚❚";
    const tick = now => {
      begun ??= now;
      const at = Math.min(last, from + Math.floor((now - begun) / 90));
      if (at !== this.at) this.seek(at);
      if (at >= last || !this.root.isConnected) return this.pause();
      this.playing = requestAnimationFrame(tick);
      return undefined;
    };
    this.playing = requestAnimationFrame(tick);
  }

  pause() {
    cancelAnimationFrame(this.playing);
    this.playing = null;
    this.button.textContent = "▶";
  }
}
