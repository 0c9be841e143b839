// The curves under the boards: entropy of the sample, the controls' satisfaction, and the pressure that the controls took.

class Panels extends Curves {
  plot(lives, other) {
    this.lives = lives;
    this.other = other;
    this.draw(lives.run);
  }

  draw(run) {
    const width = this.width = this.node.clientWidth, {lives, other} = this;
    this.clear();
    this.run = run;
    this.count = run?.count ?? 0;
    if (!lives || !this.count || !width) return;
    const {sample} = lives, steps = Array.from({length: run.count}, (_, frame) => run.step(frame));
    const controls = Object.keys(steps[0].satisfaction ?? {}), pushed = lives.pressureIn.some(value => value > 0.0005);
    const wanted = 1 + (controls.length > 0) + pushed, across = width > 860 ? wanted : width > 560 ? Math.min(2, wanted) : 1;
    const size = Math.floor((width - 16 * (across - 1)) / across);
    const there = frame => partner(frame, lives.steps, other.steps);
    const entropy = steps.map(step => step.entropy[sample]), lines = [{values: entropy, kind: "tdl-c0", name: other ? "first" : "mean"}];
    if (other) lines.push({values: steps.map((_, frame) => other.run.step(there(frame)).entropy[other.sample]), kind: "tdl-c2", name: "second"});
    this.panel({title: "Entropy of the belief, mean over positions", unit: " nats", width: size,
      top: Math.max(0.5, ...lines.flatMap(line => line.values))}, steps, lines);
    if (controls.length)
      this.panel({title: "Controls: probability before they are enforced", unit: "", width: size, top: 1}, steps,
        controls.map((name, place) => ({name, kind: `tdl-c${1 + place % 5}`, values: steps.map(step => step.satisfaction[name][sample])})));
    if (pushed) {
      const values = Array.from(lives.pressureIn);
      this.panel({title: "Pressure of the controls, sum over positions", unit: " nats", width: size, top: Math.max(0.5, ...values)}, steps,
        [{values, kind: "tdl-c2", name: "all"}]);
    }
    this.move(Math.min(this.frame, run.count - 1));
  }
}
