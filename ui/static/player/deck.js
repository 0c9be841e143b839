// The deck under a run: to its first, last or next step, playing at a chosen speed, and the step and noise level that are shown.

const KEYS = [["first", "«", "First step"], ["back", "‹", "One step back"], ["play", "▶", "Play"], ["next", "›", "One step on"],
  ["last", "»", "Last step"]];

class Deck {
  // The host has a `root`, the `frame` that it shows, the `count` of its frames, and `seek(frame)`; a run plays for `seconds` at most.
  constructor(parent, host, seconds) {
    Object.assign(this, {host, seconds, playing: null, keys: {}});
    const box = this.box = make("div", "tdl-deck", "", parent);
    const acts = {first: () => host.seek(0), back: () => host.seek(host.frame - 1), play: () => this.toggle(),
      next: () => host.seek(host.frame + 1), last: () => host.seek(Infinity)};
    for (const [name, sign, label] of KEYS) {
      const key = this.keys[name] = make("button", "tdl-key", sign, box);
      Object.assign(key, {type: "button", title: label});
      key.setAttribute("aria-label", label);
      key.addEventListener("click", acts[name]);
    }
    this.slider = make("input", "tdl-slider", "", box);
    Object.assign(this.slider, {type: "range", min: 0, max: 0, value: 0, step: 1});
    this.slider.setAttribute("aria-label", "Step");
    this.slider.addEventListener("input", () => host.seek(Number(this.slider.value)));
    this.clock = make("span", "tdl-clock", "", box);
    this.clock.title = "t is how much noise is left: 1 all noise, 0 the text";
    this.speed = make("select", "tdl-speed", "", box);
    this.speed.setAttribute("aria-label", "Speed of playing");
    for (const factor of [0.25, 0.5, 1, 2, 4]) make("option", "", `${factor}×`, this.speed).value = factor;
    this.speed.value = 1;
  }

  show(run) {
    const {frame, count} = this.host, step = run.step(frame);
    this.slider.max = count - 1;
    this.slider.value = frame;
    this.clock.textContent = `step ${step.index + 1}/${run.total} · t ${step.t.toFixed(2)}`;
    this.slider.setAttribute("aria-valuetext", this.clock.textContent);
  }

  toggle() { if (this.playing) this.pause(); else this.start(); }

  start() {
    const {host} = this;
    if (!host.count) return;
    if (host.frame >= host.count - 1) host.seek(0);
    let before = performance.now(), part = 0;
    const rate = Math.max(12, host.count / this.seconds);               // steps a second
    const tick = now => {
      part += (now - before) / 1000 * rate * Number(this.speed.value);
      before = now;
      const steps = Math.floor(part);
      part -= steps;
      if (steps) host.seek(host.frame + steps);
      if (host.frame >= host.count - 1 || !host.root.isConnected) { this.pause(); return; }
      this.playing = requestAnimationFrame(tick);
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
    Object.assign(this.keys.play, {textContent: sign, title: label});
    this.keys.play.setAttribute("aria-label", label);
  }
}
