// Playing and scrubbing the boards, what the colours mean, and what a run shows in words.

class Deck {
  constructor(parent, board) {
    Object.assign(this, {board, playing: null});
    const box = make("div", "tdl-deck", "", parent), keys = {};
    for (const [name, sign, label, act] of [["first", "«", "First step", () => board.seek(0)], ["back", "‹", "One step back", () => board.seek(board.frame - 1)],
      ["play", "▶", "Play", () => this.toggle()], ["next", "›", "One step on", () => board.seek(board.frame + 1)], ["last", "»", "Last step", () => board.seek(Infinity)]]) {
      keys[name] = board.button(box, "tdl-key", sign, label, act);
      keys[name].setAttribute("aria-label", label);
    }
    this.key = keys.play;
    this.slider = make("input", "tdl-slider", "", box);
    Object.assign(this.slider, {type: "range", min: 0, max: 0, value: 0, step: 1});
    this.slider.setAttribute("aria-label", "Step");
    this.slider.addEventListener("input", () => board.seek(Number(this.slider.value)));
    this.clock = make("span", "tdl-clock", "", box);
    this.speed = make("select", "tdl-speed", "", box);
    this.speed.setAttribute("aria-label", "Speed of playing");
    for (const factor of [0.25, 0.5, 1, 2, 4]) make("option", "", `${factor}×`, this.speed).value = factor;
    this.speed.value = 1;
  }

  show(frame, lives) {
    this.slider.max = lives.steps - 1;
    this.slider.value = frame;
    this.clock.textContent = `step ${lives.run.step(frame).index + 1}/${lives.run.total} · t ${lives.run.step(frame).t.toFixed(2)}`;
    this.slider.setAttribute("aria-valuetext", this.clock.textContent);
  }

  toggle() { if (this.playing) this.pause(); else this.start(); }

  start() {
    const {board} = this;
    if (!board.lives) return;
    if (board.frame >= board.lives.steps - 1) board.seek(0);
    let before = performance.now(), part = 0;
    const rate = Math.max(12, board.lives.steps / 4);                   // steps a second: a run lasts at most 4 s
    const tick = now => {
      part += (now - before) / 1000 * rate * Number(this.speed.value);
      before = now;
      const steps = Math.floor(part);
      part -= steps;
      if (steps) board.seek(board.frame + steps);
      if (board.frame >= board.lives.steps - 1 || !board.root.isConnected) return this.pause();
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
    Object.assign(this.key, {textContent: sign, title: label});
    this.key.setAttribute("aria-label", label);
  }
}

function legend(board) {
  const {legend: node, mode, tops} = board, pressed = mode === "pressure", colours = pressed ? board.pressures : board.scale;
  const inks = pressed ? board.pressureInks : board.inks, last = colours.length - 1;
  node.textContent = "";
  make("span", "", {confidence: "Probability of the word shown", entropy: "Entropy of the belief", pressure: "Pressure: how far the controls moved the belief"}[mode], node);
  const bar = make("span", "tdl-scale", "", node);
  colours.forEach((_, at) => {
    const place = mode === "entropy" ? last - at : at;
    const label = {confidence: at * 10, entropy: (tops.entropy * at / last).toFixed(1), pressure: (tops.pressure * (at / last) ** 2).toFixed(1)}[mode];
    const cell = make("i", "", at % (pressed ? last : 5) ? "" : String(label), bar);
    Object.assign(cell.style, {background: colours[place], color: inks[place]});
  });
  make("span", "", mode === "confidence" ? "%" : "nats", node);
  for (const [kind, text] of [["tdl-mark-commit", "the word stays from here"], ["tdl-mark-flip", "the word flips"],
    ...(board.others ? [["tdl-mark-changed", "not the word of the other run"]] : [])]) {
    const key = make("span", "tdl-mark", "", node);
    make("i", kind, "", key);
    make("span", "", text, key);
  }
}

function describe(board) {                             // which words commit first, flip most, took most pressure; what the guidance changed
  const {summary: node, lives, others} = board, last = lives.steps - 1;
  node.textContent = "";
  const list = (title, places, value, at = place => lives.commit[place]) => {
    if (!places.length) return;
    const line = make("div", "tdl-rank-line", "", node);
    make("span", "tdl-rank-title", title, line);
    for (const place of places) {
      const chip = board.button(line, "tdl-jump", `${place + 1} ${lives.word(last, place)}`, "Show this position", () => { board.chosen = null; board.choose(board.one, place, at(place)); });
      make("small", "", value(place), chip);
    }
  };
  if (others) versus(board, node);
  list("Commit first", lives.first(), place => `step ${lives.commit[place] + 1}`);
  list("Flip most", lives.ranked(lives.flips), place => `${lives.flips[place]}×`);
  list("Most pressure", lives.ranked(lives.pressureAt.map(value => value < 0.005 ? 0 : value)), place => `${lives.pressureAt[place].toFixed(2)} nats`);
}

function versus({lives, others, first, second}, node) {
  const last = lives.steps - 1, width = Math.max(lives.end, others.end), places = Array.from({length: width}, (_, place) => place);
  const differ = places.filter(place => changed(lives, others, last, place));
  const total = lives.pressureIn.reduce((sum, value) => sum + value, 0), most = lives.pressureIn.indexOf(Math.max(...lives.pressureIn));
  const cost = total > 0.005 ? ` The controls took ${total.toFixed(1)} nats of pressure, most in step ${most + 1} (${lives.pressureIn[most].toFixed(2)} nats).` : "";
  const noise = first.run.seeds[lives.sample] === second.run.seeds[others.sample] && first.run.info.paper === second.run.info.paper ? "From the same noise, " : "";
  const words = `${differ.length} of ${width} positions end with another word.`;
  make("p", "tdl-versus", (noise ? noise + words : words) + cost, node);
  if (lives.steps !== others.steps)
    make("p", "tdl-note", `The runs have ${lives.steps} and ${others.steps} steps; both show the same share of theirs.`, node);
}

function candidates(tip, {words, entropy, pressure}) {
  for (const [word, prob] of words) {
    if (prob < 0.0005) continue;
    const line = make("div", "tdl-candidate", "", tip);
    make("span", "tdl-word", word, line);
    make("span", "tdl-track", "", line).style.setProperty("--p", prob);
    make("span", "tdl-number", `${(100 * prob).toFixed(1)} %`, line);
  }
  make("div", "tdl-tip-foot", `entropy ${entropy.toFixed(2)} nats · pressure ${pressure.toFixed(2)} nats`, tip);
}
