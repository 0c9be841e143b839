// What the colours of the boards mean, and what a run shows in words.

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
