// The board of a run: positions across, steps down, each cell the word that stood there, coloured by how sure the model was. Drawn on
// a canvas, so that 64 positions at 200 steps scrub at the screen's own rate.

const LEAST_ROW = 17, LEFT_PAD = 44, HEAD_ROW = 38;

class Board {
  constructor(root, {scale, inks, title, onSeek, onPick}) {
    Object.assign(this, {root, scale, inks, onSeek, onPick, life: null, frame: 0, mode: "confidence", allPads: false, every: false, picked: null,
      other: null});
    root.textContent = "";
    this.title = make("h3", "tdl-board-title", title, root);
    this.box = make("div", "tdl-board-box", "", root);
    this.canvas = make("canvas", "tdl-board", "", this.box);
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "img");
    this.canvas.addEventListener("click", event => this.pick(event));
    this.canvas.addEventListener("keydown", event => this.key(event));
    new ResizeObserver(() => this.draw()).observe(this.box);
  }

  show(life, other = null) {                       // `other` is the board beside it, to mark the words that differ
    this.life = life;
    this.other = other;
    this.picked = null;
    this.draw();
  }

  get columns() { return this.allPads ? this.life.length : this.life.used; }
  get stride() { return this.every ? 1 : Math.max(1, Math.ceil(this.life.count / 24)); }
  get steps() {                                    // the steps that have a row: evenly apart, the last one always
    const {count} = this.life, {stride} = this, rows = [];
    for (let frame = count - 1; frame >= 0; frame -= stride) rows.unshift(frame);
    return rows;
  }

  colours(cell) {
    if (this.mode === "confidence") return this.shade(cell.special && cell.name === "PAD" && cell.prob > .99 ? null : cell.prob);
    if (this.mode === "entropy") return this.shade(1 - cell.entropy / Math.max(.01, this.life.mostEntropy));
    return this.shade(1 - Math.min(1, cell.pressure / Math.max(.01, this.life.mostPressure)));
  }

  shade(share) {
    if (share === null) return [this.wash, this.soft];
    const place = Math.min(10, Math.max(0, Math.round(10 * share)));
    return [this.scale[place], this.inks[place]];
  }

  draw() {
    if (!this.life || !this.box.clientWidth) return;
    const style = getComputedStyle(this.root);
    [this.text, this.soft, this.line, this.wash, this.accent, this.no] = ["text", "soft", "line", "wash", "accent", "no"]
      .map(name => style.getPropertyValue(`--tdl-${name}`).trim());
    const ratio = window.devicePixelRatio || 1, columns = this.columns, rows = this.steps;
    const room = (this.box.clientWidth - LEFT_PAD - 2) / columns;
    this.wide = Math.max(54, Math.min(96, room));
    this.tall = LEAST_ROW;
    const width = LEFT_PAD + this.wide * columns + 1, height = HEAD_ROW + this.tall * rows.length + 1;
    Object.assign(this.canvas.style, {width: `${width}px`, height: `${height}px`});
    Object.assign(this.canvas, {width: Math.round(width * ratio), height: Math.round(height * ratio)});
    const pen = this.pen = this.canvas.getContext("2d", {willReadFrequently: true});
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.textBaseline = "middle";
    this.head(pen, columns);
    rows.forEach((frame, row) => this.row(pen, frame, row, rows[row - 1] ?? -1, columns));
    this.canvas.setAttribute("aria-label", `Board of ${columns} positions at ${rows.length} of ${this.life.count} steps; the arrow keys move ` +
      "the chosen cell");
    this.base = pen.getImageData(0, 0, this.canvas.width, this.canvas.height);
    this.cursor();
  }

  head(pen, columns) {
    pen.font = "600 11.5px ui-sans-serif, system-ui, sans-serif";
    for (let place = 0; place < columns; place++) {
      const x = LEFT_PAD + place * this.wide, differs = this.other && this.other.words[place] !== this.life.words[place];
      pen.fillStyle = differs ? this.no : this.text;
      this.clipped(pen, this.life.words[place], x + 3, 11, this.wide - 5);
      pen.fillStyle = this.soft;
      pen.font = "10px ui-sans-serif, system-ui, sans-serif";
      const commit = this.life.commits[place], flips = this.life.flips[place];
      this.clipped(pen, `${place + 1} · step ${commit + 1}${flips > 1 ? ` · ${flips}×` : ""}`, x + 3, 26, this.wide - 5);
      pen.font = "600 11.5px ui-sans-serif, system-ui, sans-serif";
      if (differs) { pen.fillStyle = this.no; pen.fillRect(x + 1, HEAD_ROW - 4, this.wide - 3, 2); }
    }
  }

  row(pen, frame, row, before, columns) {
    const y = HEAD_ROW + row * this.tall;
    pen.font = "10px ui-sans-serif, system-ui, sans-serif";
    pen.fillStyle = this.soft;
    pen.textAlign = "right";
    pen.fillText(String(frame + 1), LEFT_PAD - 6, y + this.tall / 2);
    pen.textAlign = "left";
    pen.font = "11.5px ui-sans-serif, system-ui, sans-serif";
    for (let place = 0; place < columns; place++) {
      const x = LEFT_PAD + place * this.wide, cell = this.life.cell(frame, place), [ground, ink] = this.colours(cell);
      pen.fillStyle = ground;
      pen.fillRect(x, y, this.wide - 1, this.tall - 1);
      pen.fillStyle = cell.special ? this.mode === "confidence" && cell.name === "PAD" ? this.soft : ink : ink;
      pen.font = cell.special ? "9.5px ui-sans-serif, system-ui, sans-serif" : "11.5px ui-sans-serif, system-ui, sans-serif";
      this.clipped(pen, cell.name, x + 4, y + this.tall / 2, this.wide - 8);
      const commit = this.life.commits[place];
      if (commit > before && commit <= frame && commit > 0) {          // the last change of the word lies in this row
        pen.fillStyle = this.text;
        pen.fillRect(x, y, this.wide - 1, 2);
      } else if (this.changedSince(before, frame, place)) {
        pen.fillStyle = ink;
        pen.beginPath();
        pen.moveTo(x + this.wide - 7, y + 1);
        pen.lineTo(x + this.wide - 1, y + 1);
        pen.lineTo(x + this.wide - 1, y + 7);
        pen.fill();
      }
    }
  }

  changedSince(before, frame, place) {
    for (let at = Math.max(1, before + 1); at <= frame; at++) if (this.life.cell(at, place).changed) return true;
    return false;
  }

  clipped(pen, text, x, y, width) {
    let shown = text;
    if (pen.measureText(shown).width > width) {
      while (shown.length > 1 && pen.measureText(`${shown}…`).width > width) shown = shown.slice(0, -1);
      shown += "…";
    }
    pen.fillText(shown, x, y);
  }

  // ---- the step and the cell that are looked at

  seek(frame) {
    this.frame = frame;
    if (this.base) this.cursor();
  }

  rowOf(frame) {
    const rows = this.steps;
    let best = 0;
    rows.forEach((each, row) => { if (each <= frame) best = row; });
    return best;
  }

  cursor() {
    const {pen} = this, y = HEAD_ROW + this.rowOf(this.frame) * this.tall, width = LEFT_PAD + this.wide * this.columns;
    pen.putImageData(this.base, 0, 0);
    pen.strokeStyle = this.accent;
    pen.lineWidth = 2;
    pen.strokeRect(LEFT_PAD - 1, y - 1, width - LEFT_PAD + 1, this.tall + 1);
    if (this.picked !== null) {
      pen.strokeStyle = this.text;
      pen.strokeRect(LEFT_PAD + this.picked * this.wide, y, this.wide - 1, this.tall - 1);
    }
    if (this.life.count > 1) this.keepInView(y);
  }

  keepInView(y) {
    const {scrollTop, clientHeight} = this.box;
    if (y < scrollTop || y + this.tall > scrollTop + clientHeight) this.box.scrollTop = y - clientHeight / 2;
  }

  pick(event) {
    if (!this.life) return;
    const box = this.canvas.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    const place = Math.floor((x - LEFT_PAD) / this.wide), row = Math.floor((y - HEAD_ROW) / this.tall), rows = this.steps;
    if (place < 0 || place >= this.columns) return;
    this.picked = place;
    this.onSeek(rows[Math.min(rows.length - 1, Math.max(0, row))]);
    this.onPick(place);
  }

  key(event) {
    if (!this.life) return;
    const moves = {ArrowLeft: -1, ArrowRight: 1}, steps = {ArrowUp: -this.stride, ArrowDown: this.stride};
    if (!(event.key in moves) && !(event.key in steps)) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key in steps) return this.onSeek(this.frame + steps[event.key]);
    this.picked = Math.max(0, Math.min(this.columns - 1, (this.picked ?? -1) + moves[event.key]));
    this.onPick(this.picked);
  }

  png() { return this.canvas.toDataURL("image/png"); }
}
