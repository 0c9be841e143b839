// The candidates of a word, beside it while it is pointed at, or held by a click or by the arrow keys; a held word of the last step
// can be pinned.

function infill(words, places) {                   // the pattern that fixes the words at these places and leaves all else open
  const last = Math.max(-1, ...places), pieces = [];
  let open = 0;
  for (let place = 0; place <= last; place++) {
    if (!places.has(place)) { open++; continue; }
    if (open) pieces.push(`___${open}`);
    pieces.push(words[place]);
    open = 0;
  }
  const end = words.indexOf("END"), more = (end < 0 ? words.length : end) - 1 > last;
  return pieces.length ? [...pieces, ...(more ? ["___"] : [])].join(" ") : "";
}

class Tip {
  constructor(player) {
    Object.assign(this, {player, held: null, picked: new Map()});          // text to the places of its words that were pinned
    this.box = make("div", "tdl-tip", "", player.root);
    this.box.hidden = true;
    this.box.setAttribute("role", "status");
    const {samples} = player;
    samples.addEventListener("pointerover", event => { if (!this.held) this.point(event.target); });
    samples.addEventListener("pointerleave", () => { if (!this.held) this.box.hidden = true; });
    samples.addEventListener("click", event => {
      const same = this.held === event.target;
      this.hold(!same && event.target.classList.contains("tdl-chip") ? event.target : null);
    });
    samples.addEventListener("keydown", event => this.key(event));
  }

  key(event) {                                     // in a text the arrows go from word to word, not from step to step
    const row = this.player.rows.find(each => each.words === event.target), by = {ArrowLeft: -1, ArrowRight: 1}[event.key];
    if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter" && !this.box.hidden) this.box.querySelector("button")?.focus();
    else if (by) {
      const words = row.chips.filter(chip => !chip.hidden), at = words.indexOf(this.held) + by;
      this.hold(words[Math.max(0, Math.min(words.length - 1, at))] ?? null);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  hold(chip) {
    this.held?.removeAttribute("data-held");
    this.held = chip;
    chip?.setAttribute("data-held", "");
    this.point(chip);
  }

  close() {
    this.hold(null);
    this.box.hidden = true;
  }

  reset() {                                        // of a new run nothing is held or pinned yet
    this.close();
    this.picked = new Map();
  }

  follow() { if (!this.box.hidden && this.held) this.point(this.held); }

  point(chip) {
    const {run, rows, frame, pin} = this.player, {box} = this;
    const sample = chip?.classList?.contains("tdl-chip") ? rows.findIndex(row => row.words.contains(chip)) : -1;
    const found = sample >= 0 && !chip.hidden ? run.candidates(frame, sample, chip.place) : null;
    box.hidden = !found;
    if (!found) return;
    box.textContent = "";
    const head = make("div", "tdl-tip-head", `position ${chip.place + 1}`, box), {pins} = rows[sample], wanted = pins.get(chip.place);
    if (pins.has(chip.place)) make("span", "tdl-lock", wanted && wanted !== chip.textContent ? ` asked for: ${wanted}` : " pinned", head);
    candidates(box, found);
    if (this.held && pin && frame === run.count - 1 && !chip.classList.contains("tdl-special")) this.offerPin(sample, chip);
    box.classList.toggle("tdl-tip-held", Boolean(this.held));
    this.stand(chip.getBoundingClientRect(), this.player.root.getBoundingClientRect());
  }

  stand(at, room) {                                // under the word, or over it where the window ends
    const {box} = this, high = box.offsetHeight, above = window.innerHeight - at.bottom < high + 8 && at.top > high + 8;
    box.style.left = `${Math.max(4, Math.min(at.left - room.left, room.width - box.offsetWidth - 8))}px`;
    box.style.top = `${(above ? at.top - high - 6 : at.bottom + 6) - room.top}px`;
  }

  offerPin(sample, chip) {                         // a button that puts the word, where it stands, into the form's infill
    const {player} = this, places = this.picked.get(sample) ?? new Set(), on = places.has(chip.place);
    const button = make("button", "tdl-pin", on ? "Take the pin away" : "Pin this word", this.box);
    button.type = "button";
    button.addEventListener("click", () => {
      if (on) places.delete(chip.place);
      else places.add(chip.place);
      this.picked = new Map([[sample, places]]);   // an infill is one text's
      const pattern = infill(player.rows[sample].chips.map(each => each.textContent), places);
      player.pin(pattern);
      player.status.textContent = pattern ? `In the form: ${pattern}. Press Generate.` : "No word is pinned.";
      this.point(chip);
      player.rows[sample].words.focus({preventScroll: true});              // the button is gone; the arrows go on from its word
    });
  }
}
