// One text of a run: its seed, its words as chips coloured by confidence, and what became of its controls.

const ABOUT = {PAD: "padding: nothing stands here", END: "end of the text", UNK: "a word outside the vocabulary"};

class TextRow {
  constructor(info, seed, text, {scale, inks, fold}) {
    const result = info.results?.[text], names = info.pinned?.[text] ?? [];
    Object.assign(this, {info, scale, inks, chips: []});
    this.pins = new Map((info.pins?.[text] ?? []).map((place, index) => [place, names[index]]));
    this.rank = result?.rank;
    const many = (info.candidates ?? 1) > 1;
    this.box = make("article", `tdl-sample${many && result && result.rank > 0 ? " tdl-candidate-text" : ""}`);
    const head = make("div", "tdl-seed", "", this.box);
    make("span", "", `seed ${seed}`, head);
    this.words = make("p", "tdl-words", "", this.box);
    this.words.tabIndex = 0;
    this.words.setAttribute("role", "group");
    this.words.setAttribute("aria-label", `Text of seed ${seed}. Left and right go from word to word and tell its candidates.`);
    this.pads = make("button", "tdl-pads", "", this.words);
    this.pads.type = "button";
    this.pads.addEventListener("click", fold);
    if (many && typeof result?.agreement === "number") {
      const mark = make("span", "tdl-rank", `${result.rank ? "" : "chosen, "}BLEU ${result.agreement.toFixed(0)}`, head);
      mark.title = "Mean sentence BLEU with the sample's other candidates; the candidate with the most is chosen";
    }
    if (!result) return;
    const copy = make("button", "tdl-copy", "copy", head);
    Object.assign(copy, {type: "button", title: "Copy the text"});
    copy.addEventListener("click", () => copyText(result.text, copy));
    this.verdicts(result);
  }

  verdicts({controls, pins = [], tokens = []}) {
    const told = this.info.hard === false ? pins : pins.filter(pin => !pin.held);
    if (!controls.length && !told.length) return;
    const list = make("ul", "tdl-verdicts", "", this.box);
    const tell = (yes, name, detail) => {
      const item = make("li", yes ? "tdl-yes" : "tdl-no", "", list);
      make("b", "", yes ? "✓" : "✗", item);
      make("span", "tdl-control", ` ${name}`, item);
      make("span", "tdl-detail", ` ${detail}`, item);
      return item;
    };
    for (const {control, target, score, detail} of controls) {
      const name = score > 0 && score < 1 ? `${control} ${Math.round(100 * score)} %` : control;
      tell(score >= 1, name, detail).title = `${control}=${target}`;
    }
    for (const verdict of controls) if (verdict.parts) drawParts(this.box, verdict, tokens);
    for (const {position, word, held} of told) tell(held, word, held ? "held" : `not at position ${position + 1}`);
  }

  show(row, allPads) {                             // the words of a frame; padding behind them is folded unless all is to be seen
    const {words, pads, chips} = this;
    let end = row.length;
    while (end > 0 && row[end - 1][0] === "PAD" && row[end - 1][2]) end--;
    const padding = row.length - end, shown = allPads ? row.length : end;
    while (chips.length < shown) {
      const chip = make("span", "tdl-chip");
      chip.place = chips.length;
      words.insertBefore(chip, pads);
      words.insertBefore(document.createTextNode(" "), pads);
      chips.push(chip);
    }
    chips.forEach((chip, place) => {
      chip.hidden = place >= shown;
      if (place < shown) this.paint(chip, row[place], this.pinMark(row, place));
    });
    pads.hidden = padding === 0;
    pads.textContent = allPads ? "hide PAD" : `PAD × ${padding}`;
    pads.title = allPads ? "Fold the padding" : `${padding} positions of padding; show them`;
  }

  pinMark(row, place) {                            // one lock for each run of pins; a pin that does not hold shows it
    const {pins} = this, holds = at => pins.has(at) && (pins.get(at) ?? row[at][0]) === row[at][0];
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
}
