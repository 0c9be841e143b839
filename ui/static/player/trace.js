// reading a trace: base64 of zlib of little-endian arrays, as diffusion/core/trace.py writes it

const SPECIAL = {0: "PAD", 1: "END", 2: "UNK"};

let HALF = null;                                   // every 16-bit float as a number; made once
function halves(ints) {
  HALF ??= Float32Array.from({length: 65536}, (_, bits) => {
    const sign = bits >> 15 ? -1 : 1, power = (bits >> 10) & 31, rest = bits & 1023;
    if (power === 31) return rest ? NaN : sign * Infinity;
    return sign * (power ? 2 ** (power - 15) * (1 + rest / 1024) : 2 ** -14 * rest / 1024);
  });
  return Float32Array.from(ints, bits => HALF[bits]);
}

async function unpack(packed, isFloat) {
  const bytes = Uint8Array.from(atob(packed.data), letter => letter.charCodeAt(0));
  const raw = await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).arrayBuffer();
  const count = packed.shape.reduce((product, size) => product * size, 1);
  if (raw.byteLength !== 2 * count) throw new Error("an array is not of its own size");
  return isFloat ? halves(new Uint16Array(raw)) : new Int16Array(raw);
}

async function readTrace(trace) {
  if (trace?.format !== 1) throw new Error("it is not of format 1");
  const {info, steps, arrays} = trace, shape = arrays.top_ids.shape, [N, B, L, K] = shape;
  if (steps.length !== N || info.seeds.length !== B || shape.length !== 4) throw new Error("its parts do not fit together");
  const names = ["ids", "top_ids", "top_probs", "entropy", "pressure"];
  const read = await Promise.all(names.map(name => unpack(arrays[name], !name.endsWith("ids"))));
  return new Recorded(info, steps, {N, B, L, K}, Object.fromEntries(names.map((name, place) => [name, read[place]])));
}

class Recorded {                                   // a whole trace, read from its arrays when a frame is drawn
  constructor(info, steps, size, arrays) {
    Object.assign(this, {info, steps, size, arrays, count: size.N, total: info.steps ?? size.N, seeds: info.seeds});
    const {N, B, L} = size, entropy = arrays.entropy;
    this.entropy = steps.map((_, frame) => Array.from({length: B}, (_, row) => {
      const start = (frame * B + row) * L;
      return entropy.subarray(start, start + L).reduce((sum, value) => sum + value, 0) / L;
    }));
    this.length = L;
  }
  name(id) { return SPECIAL[id] ?? this.info.words[id] ?? "?"; }
  step(frame) { return {index: frame, ...this.steps[frame], entropy: this.entropy[frame]}; }
  row(frame, sample) {
    const {B, L, K} = this.size, {ids, top_ids, top_probs} = this.arrays, start = (frame * B + sample) * L, row = [];
    for (let place = 0; place < L; place++) {
      const at = start + place, id = ids[at];
      let prob = 0;
      for (let k = at * K; k < (at + 1) * K; k++) if (top_ids[k] === id) { prob = top_probs[k]; break; }
      row.push([this.name(id), 100 * prob, id in SPECIAL ? 1 : 0]);
    }
    return row;
  }
  candidates(frame, sample, place) {
    const {B, L, K} = this.size, {top_ids, top_probs, entropy, pressure} = this.arrays, at = (frame * B + sample) * L + place;
    const words = Array.from({length: K}, (_, k) => [this.name(top_ids[at * K + k]), top_probs[at * K + k]]);
    return {words, entropy: entropy[at], pressure: pressure[at]};
  }
}

class Running {                                    // what a live run has sent so far
  constructor(message) {
    Object.assign(this, {info: message.info ?? {}, seeds: message.seeds, total: message.steps, frames: [], length: 0});
  }
  add(message) { this.frames.push(message); this.length = message.length; }
  get count() { return this.frames.length; }
  step(frame) { return this.frames[frame]; }
  row(frame, sample) {
    const {rows, length} = this.frames[frame], row = rows[sample].slice();
    while (row.length < length) row.push(["PAD", 0, 1]);
    return row;
  }
  candidates() { return null; }                    // thin frames carry none; the whole trace does
}
