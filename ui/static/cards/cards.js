// The control panel: controllers as cards that can be added, changed and removed. Its value is the list of controls as the command
// line writes them, ["length=12", "pos=DET * NOUN@4"]; `kinds` says what there is to add. Every text goes in through textContent.

const NUMBER = /^(.*)@\s*([0-9]+(?:\.[0-9]+)?)\s*$/s;

class ControlCards {
  constructor(root, {kinds, emit, fromSentence}) {
    Object.assign(this, {root, kinds, emit, fromSentence, cards: [], sent: null});
    root.controlCards = this;
    this.list = make("div", "tdl-card-list", "", root);
    this.menu = make("div", "tdl-add", "", root);
    this.menu.setAttribute("role", "group");
    this.menu.setAttribute("aria-label", "Add a control");
    this.render();
  }

  // ---- value

  set(text) {                                      // controls from Python; what this panel sent itself is no news
    if (text === this.sent) return;
    this.sent = text;
    let controls = [];
    try { controls = JSON.parse(text || "[]"); } catch { controls = []; }
    this.cards = controls.map(control => this.read(control));
    this.render();
  }

  setKinds(kinds) {
    this.kinds = kinds;
    this.render();
  }

  kind(slug) { return this.kinds.find(kind => kind.slug === slug) ?? {slug, title: slug, caption: "", example: "", form: "text", unknown: true}; }

  read(control) {
    const [, slug, rest] = /^\s*([^=]*?)\s*=(.*)$/s.exec(control) ?? [null, control.trim(), ""];
    const kind = this.kind(slug), strong = kind.nats !== undefined && NUMBER.exec(rest);
    const own = strong && !(kind.at && !strong[1].includes("@"));      // a span's own @ is no strength
    return {slug, target: (own ? strong[1] : rest).trim(), nats: own ? Number(strong[2]) : null};
  }

  write({slug, target, nats}) { return `${slug}=${target.trim()}${nats === null ? "" : `@${nats}`}`; }

  changed() {
    const text = JSON.stringify(this.cards.filter(card => card.target.trim()).map(card => this.write(card)));
    if (text === this.sent) return;
    this.sent = text;
    this.emit(text);
  }

  // ---- drawing

  render() {
    this.list.textContent = "";
    this.cards.forEach((card, place) => this.list.append(this.draw(card, place)));
    this.menu.textContent = "";
    for (const kind of this.kinds) {
      const button = make("button", "tdl-add-one", `+ ${kind.title}`, this.menu);
      button.type = "button";
      const taken = !kind.repeats && this.cards.some(card => card.slug === kind.slug);
      button.disabled = Boolean(kind.lacks) || taken;
      button.title = kind.lacks || (taken ? `${kind.title} can be given once` : kind.caption);
      button.addEventListener("click", () => this.add(kind));
    }
  }

  add(kind) {
    this.cards.push({slug: kind.slug, target: "", nats: null});
    this.render();
    this.list.lastChild.querySelector("input, textarea, select")?.focus();
  }

  remove(place) {
    this.cards.splice(place, 1);
    this.render();
    this.changed();
    (this.list.children[Math.min(place, this.cards.length - 1)]?.querySelector("input, textarea, select") ??
      this.menu.querySelector("button:not(:disabled)"))?.focus();
  }

  draw(card, place) {
    const kind = this.kind(card.slug), box = make("section", "tdl-card");
    box.dataset.slug = card.slug;
    box.setAttribute("aria-label", `Control ${place + 1}: ${kind.title}`);
    const head = make("div", "tdl-card-head", "", box);
    const name = make("b", "", kind.title, head);
    name.title = kind.caption;
    if (kind.nats !== undefined) this.strength(card, kind, head);
    const away = make("button", "tdl-away", "×", head);
    away.type = "button";
    away.setAttribute("aria-label", `Remove ${kind.title}`);
    away.addEventListener("click", () => this.remove(place));
    if (kind.form === "slots") this.slots(card, kind, box);
    else this.text(card, kind, box);
    if (kind.lacks) make("p", "tdl-card-lacks", kind.lacks, box);
    return box;
  }

  strength(card, kind, head) {
    const label = make("label", "tdl-nats", "", head), input = make("input", "", "", label);
    Object.assign(input, {type: "number", min: 0, max: kind.most, step: 0.5, placeholder: String(kind.nats), value: card.nats ?? ""});
    input.setAttribute("aria-label", `Strength of ${kind.title}, nats`);
    label.title = "Largest change of a logit that this control may ask for in one step";
    make("span", "", "nats", label);
    input.addEventListener("input", () => {
      card.nats = input.value === "" || !input.validity.valid ? null : Number(input.value);
      this.changed();
    });
  }

  text(card, kind, box) {
    const input = make("textarea", "tdl-card-target", "", box);
    Object.assign(input, {rows: 1, value: card.target, placeholder: kind.example, spellcheck: false});
    input.setAttribute("aria-label", `${kind.title}: target`);
    const fit = () => { input.style.height = "auto"; input.style.height = `${Math.min(160, input.scrollHeight + 2)}px`; };
    const set = text => { card.target = text; input.value = text; fit(); this.changed(); shape?.(text); };
    input.addEventListener("input", () => { card.target = input.value.replace(/\n/g, " "); fit(); this.changed(); shape?.(card.target); });
    const row = make("div", "tdl-card-tools", "", box);
    const say = (label, title, act) => {
      const button = make("button", "tdl-card-tool", label, row);
      button.type = "button";
      button.title = title;
      button.addEventListener("click", act);
    };
    say("example", kind.example, () => set(kind.example));
    if (kind.sentence) say("from a sentence", "Take the target from a sentence of yours", () => this.ask(card, kind, box, set));
    for (const [sign, title] of kind.palette ?? []) say(sign, title, () => set(`${input.value.trim()} ${sign}`.trim()));
    const drawn = kind.form === "tree" ? make("div", "tdl-card-tree", "", box) : null;
    const shape = drawn && (text => drawTreeOf(drawn, text));
    shape?.(card.target);
    requestAnimationFrame(fit);
  }

  ask(card, kind, box, set) {                      // a line for a sentence, whose tags or tree become the target
    if (box.querySelector(".tdl-card-ask")) return;
    const line = make("form", "tdl-card-ask", "", box), input = make("input", "", "", line);
    Object.assign(input, {type: "text", placeholder: "The Vaults is a cheap pub near Café Rouge ."});
    input.setAttribute("aria-label", "Sentence to take the target from");
    make("button", "tdl-card-tool", "take", line).type = "submit";
    const note = make("p", "tdl-card-lacks", "", line);
    line.addEventListener("submit", async event => {
      event.preventDefault();
      note.textContent = "reading …";
      const {target, sentence} = JSON.parse(await this.fromSentence(kind.slug, input.value));
      note.textContent = sentence ?? "";
      if (target) { set(target); line.remove(); }
    });
    input.focus();
  }

  slots(card, kind, box) {                         // menus for slots that can be said; free words where the kind takes them
    const parts = card.target.split(",").map(part => part.trim()).filter(Boolean);
    const told = new Map(), others = [];
    for (const part of parts) {
      const [, slot, value] = /^([^:]*):(.*)$/s.exec(part) ?? [null, "", part];
      if (kind.choices[slot.trim()]?.includes(value.trim()) && !told.has(slot.trim())) told.set(slot.trim(), value.trim());
      else others.push(part);
    }
    const write = () => {
      card.target = [...[...told].filter(([, value]) => value).map(([slot, value]) => `${slot}:${value}`), ...others].join(",");
      this.changed();
    };
    const grid = make("div", "tdl-card-slots", "", box);
    for (const [slot, values] of Object.entries(kind.choices)) {
      const label = make("label", "", "", grid), menu = make("select", "", "", label);
      make("span", "", slot, label);
      label.prepend(label.lastChild);
      menu.setAttribute("aria-label", `${kind.title}: ${slot}`);
      for (const value of ["", ...values]) {
        const option = make("option", "", value === "" ? "any" : value === "absent" ? "not mentioned" : value, menu);
        option.value = value;
      }
      menu.value = told.get(slot) ?? "";
      menu.classList.toggle("tdl-told", Boolean(menu.value));
      menu.addEventListener("change", () => { told.set(slot, menu.value); menu.classList.toggle("tdl-told", Boolean(menu.value)); write(); });
    }
    if (!kind.words && !others.length) return;
    const input = make("input", "tdl-card-target", "", box);
    Object.assign(input, {type: "text", value: others.join(", "), placeholder: "further: word:cheap, word:garden"});
    input.setAttribute("aria-label", `${kind.title}: further words`);
    input.addEventListener("input", () => {
      others.splice(0, others.length, ...input.value.split(",").map(part => part.trim()).filter(Boolean));
      write();
    });
  }
}
