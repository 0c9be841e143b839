// What the steps of one sample say about its words: where each position's word last changed (it commits), where it changed at all
// (it flips), how sure it was. Pure functions on a recorded run.

function lifelines(run, sample) {
  const {N, B, L, K} = run.size, {ids, top_ids, top_probs, entropy, pressure} = run.arrays;
  const at = (frame, place) => (frame * B + sample) * L + place;
  let used = 0;                                    // positions up to the last END or word of any step
  const end = place => ids[at(N - 1, place)] !== 0;
  for (let place = 0; place < L; place++) if (end(place)) used = place + 1;
  const commits = [], flips = [], moved = [];
  for (let place = 0; place < L; place++) {
    let last = 0, count = 0, push = 0;
    for (let frame = 0; frame < N; frame++) {
      push += pressure[at(frame, place)];
      if (frame && ids[at(frame, place)] !== ids[at(frame - 1, place)]) { last = frame; count += 1; }
    }
    commits.push(last);
    flips.push(count);
    moved.push(push);
  }
  const cell = (frame, place) => {
    const spot = at(frame, place), id = ids[spot];
    let prob = 0;
    for (let k = spot * K; k < (spot + 1) * K; k++) if (top_ids[k] === id) { prob = top_probs[k]; break; }
    const changed = frame > 0 && id !== ids[at(frame - 1, place)];
    return {name: run.name(id), special: id in SPECIAL, prob, entropy: entropy[spot], pressure: pressure[spot], changed,
      commits: frame === commits[place] && frame > 0};
  };
  const highest = values => values.reduce((best, value) => Math.max(best, value), 0);
  const rows = frame => frame * B + sample;
  const most = array => {
    let best = 0;
    for (let frame = 0; frame < N; frame++) for (let place = 0; place < L; place++) best = Math.max(best, array[rows(frame) * L + place]);
    return best;
  };
  return {count: N, length: L, used: Math.max(1, used), commits, flips, moved, cell, mostEntropy: most(entropy), mostPressure: most(pressure),
    mostFlips: highest(flips), words: Array.from({length: L}, (_, place) => run.name(ids[at(N - 1, place)]))};
}

function summary(life) {                           // which positions commit first and last, which flip most, as words
  const places = Array.from({length: life.used}, (_, place) => place).filter(place => life.words[place] !== "PAD");
  const say = place => `${life.words[place]} (${place + 1})`;
  const byCommit = [...places].sort((one, other) => life.commits[one] - life.commits[other]);
  const byFlips = [...places].filter(place => life.flips[place]).sort((one, other) => life.flips[other] - life.flips[one]);
  return {first: byCommit.slice(0, 3).map(say), last: byCommit.slice(-3).reverse().map(say), flips: byFlips.slice(0, 3).map(say),
    mean: places.reduce((sum, place) => sum + life.commits[place] + 1, 0) / Math.max(1, places.length)};
}
