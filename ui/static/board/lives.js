// What one sample of a trace says about its words over the steps. Pure: no page, no drawing.
//
// A position commits at the first step from which its word stays the same to the end; it flips at each step whose word is not
// that of the step before. Positions and steps count from 0 here, from 1 on the page.

class Lives {
  constructor(run, sample) {
    const {N, B, L, K} = run.size, {ids, top_ids, top_probs, entropy, pressure} = run.arrays;
    Object.assign(this, {run, sample, steps: N, length: L});
    this.ids = new Int16Array(N * L);
    this.values = {confidence: new Float32Array(N * L), entropy: new Float32Array(N * L), pressure: new Float32Array(N * L)};
    for (let frame = 0; frame < N; frame++) {
      for (let place = 0; place < L; place++) {
        const from = (frame * B + sample) * L + place, to = frame * L + place, id = ids[from];
        let k = from * K;
        while (k < (from + 1) * K && top_ids[k] !== id) k++;
        this.ids[to] = id;
        this.values.confidence[to] = k < (from + 1) * K ? top_probs[k] : 0;
        this.values.entropy[to] = entropy[from];
        this.values.pressure[to] = Math.max(0, pressure[from]);
      }
    }
    this.count();
  }

  count() {
    const {steps, length} = this, pressure = this.values.pressure;
    this.commit = new Int32Array(length);
    this.flips = new Int32Array(length);
    this.pressureAt = new Float64Array(length);        // nats, over all steps
    this.pressureIn = new Float64Array(steps);         // nats, over all positions
    for (let frame = 0; frame < steps; frame++) {
      for (let place = 0; place < length; place++) {
        if (frame && this.id(frame, place) !== this.id(frame - 1, place)) {
          this.flips[place]++;
          this.commit[place] = frame;
        }
        this.pressureAt[place] += pressure[frame * length + place];
        this.pressureIn[frame] += pressure[frame * length + place];
      }
    }
    let end = length;
    while (end > 1 && this.id(steps - 1, end - 1) === 0) end--;
    this.end = end;                                    // positions up to the text's END; behind it there is only padding
  }

  id(frame, place) { return this.ids[frame * this.length + place]; }
  word(frame, place) { return this.run.name(this.id(frame, place)); }
  special(frame, place) { return this.id(frame, place) in SPECIAL; }
  value(mode, frame, place) { return this.values[mode][frame * this.length + place]; }
  most(mode) { return this.values[mode].reduce((most, value) => Math.max(most, value), 0); }
  mean(mode, frame) { return average(this.values[mode].subarray(frame * this.length, (frame + 1) * this.length)); }

  ranked(values, most = 5) {                           // places up to END, the largest value first, those with none left out
    return Array.from({length: this.end}, (_, place) => place).filter(place => values[place] > 0)
      .sort((one, other) => values[other] - values[one] || one - other).slice(0, most);
  }

  first(most = 5) {                                    // places up to END, those that commit first
    return Array.from({length: this.end}, (_, place) => place)
      .sort((one, other) => this.commit[one] - this.commit[other] || one - other).slice(0, most);
  }
}

// Two runs in step: a frame of the one is shown with the frame of the other that has passed the same share of its steps.
function partner(frame, steps, others) { return steps > 1 ? Math.round(frame * (others - 1) / (steps - 1)) : others - 1; }

function changed(one, other, frame, place) {
  const there = partner(frame, one.steps, other.steps);
  return place < one.length && place < other.length && one.word(frame, place) !== other.word(there, place);
}
