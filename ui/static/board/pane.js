// One run as a board: positions across, steps down. Only the cells in view are drawn; a life-line is written once, where it begins.

const AXIS = 34, HEAD = 40, WORD = 12;

class Pane {
  constructor(parent, board) {
    Object.assign(this, {board, lives: null, other: null, frame: 0});
    this.box = make("section", "tdl-pane", "", parent);
    this.title = make("h3", "tdl-pane-title", "", this.box);
    this.scroller = make("div", "tdl-scroller", "", this.box);
    this.spacer = make("div", "tdl-spacer", "", this.scroller);
    this.canvas = make("canvas", "tdl-canvas", "", this.spacer);
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "img");
    this.scroller.addEventListener("scroll", () => { this.render(); board.scrolled(this); }, {passive: true});
    this.canvas.addEventListener("click", event => this.press(event));
    this.canvas.addEventListener("keydown", event => board.walk(event, this));
  }

  show(lives, other, title) {
    Object.assign(this, {lives, other});
    this.box.hidden = !lives;
    this.title.textContent = title;
  }

  get shown() { return this.board.columns; }

  layout(columnWidth, rowHeight, height) {
    if (!this.lives) return;
    Object.assign(this, {columnWidth, rowHeight});
    const full = HEAD + this.lives.steps * rowHeight + 1, wide = AXIS + this.shown * columnWidth + 1;
    this.scroller.style.height = `${Math.min(full, height) + 2 + (wide > this.scroller.clientWidth ? 14 : 0)}px`;
    Object.assign(this.spacer.style, {width: `${wide}px`, height: `${full}px`});
    this.render();
  }

  seek(frame) {
    this.frame = frame;
    const {scroller, rowHeight} = this, top = frame * rowHeight, room = scroller.clientHeight - HEAD;
    if (top < scroller.scrollTop || top + rowHeight > scroller.scrollTop + room - 4)
      scroller.scrollTop = Math.max(0, top - room / 2);
    this.render();
  }

  render() {
    if (!this.lives || this.box.hidden) return;
    const {scroller, canvas} = this, width = Math.min(scroller.clientWidth, this.spacer.offsetWidth);
    const height = Math.min(scroller.clientHeight, this.spacer.offsetHeight);
    if (!width || !height) return;
    Object.assign(canvas.style, {width: `${width}px`, height: `${height}px`});
    const view = {x: scroller.scrollLeft, y: scroller.scrollTop, width, height}, {board, lives, other, columnWidth, rowHeight} = this;
    const drawn = [...Object.values(view), window.devicePixelRatio, board.mode, board.ink, board.tops, board.columns, lives, other, columnWidth, rowHeight];
    if (!this.drawn?.every((value, at) => value === drawn[at])) {      // a step on changes what stands over the cells, not them
      this.drawn = drawn;
      this.still ??= document.createElement("canvas");
      this.cells(new CanvasPen(this.still, width, height), view);
    }
    const pen = new CanvasPen(canvas, width, height);
    pen.copy(this.still, width, height);
    this.over(pen, view);
  }

  // ---- drawing; `view` is the part of the board that is seen

  bounds(view) {
    const {lives, columnWidth, rowHeight, shown} = this;
    return {first: Math.max(0, Math.floor(view.x / columnWidth)), last: Math.min(shown, Math.ceil((view.x + view.width - AXIS) / columnWidth)),
      top: Math.max(0, Math.floor(view.y / rowHeight)), low: Math.min(lives.steps, Math.ceil((view.y + view.height - HEAD) / rowHeight)),
      x: place => AXIS + place * columnWidth - view.x, y: frame => HEAD + frame * rowHeight - view.y};
  }

  cells(pen, view) {
    const {first, last, top, low, x, y} = this.bounds(view), {ink} = this.board;
    pen.rect(0, 0, view.width, view.height, ink.paper);
    pen.clipped(AXIS, HEAD, view.width - AXIS, view.height - HEAD, () => {
      for (let place = first; place < Math.min(last, this.lives.length); place++) this.column(pen, place, top, low, x(place), y);
    });
    pen.clipped(0, HEAD, AXIS, view.height - HEAD, () => this.axis(pen, top, low, y));
    pen.text("step", AXIS - 6, HEAD - 9, {colour: ink.soft, size: 10, align: "right"});
  }

  over(pen, view) {                                    // the step shown, what comes after it in pale, and its words as the head
    const {first, last, x, y} = this.bounds(view), {frame, lives, columnWidth, rowHeight} = this, {ink, chosen} = this.board;
    pen.clipped(AXIS, HEAD, view.width - AXIS, view.height - HEAD, () => {
      if (frame < lives.steps - 1)
        pen.rect(AXIS, y(frame + 1), view.width - AXIS, Math.max(0, view.height - y(frame + 1)), ink.paper, 0.74);
      pen.rect(AXIS, y(frame + 1) - 1, view.width - AXIS, 1.5, ink.text);
      if (chosen === null) return;
      for (const [dx, dy, width, height] of [[0, 0, columnWidth, 1.5], [0, rowHeight - 1.5, columnWidth, 1.5], [0, 0, 1.5, rowHeight],
        [columnWidth - 1.5, 0, 1.5, rowHeight]]) pen.rect(x(chosen) + dx, y(frame) + dy, width, height, ink.accent);
    });
    pen.clipped(AXIS, 0, view.width - AXIS, HEAD, () => {
      for (let place = first; place < last; place++) this.head(pen, place, x(place));
    });
  }

  column(pen, place, top, low, x, y) {                 // cells of one colour in a row are one rectangle
    const {lives, columnWidth, rowHeight, other} = this, {ink} = this.board, width = columnWidth - 1;
    for (let frame = top; frame < low;) {
      const colour = this.board.colour(lives, frame, place), id = lives.id(frame, place);
      let next = frame + 1;
      while (next < low && lives.id(next, place) === id && this.board.colour(lives, next, place) === colour) next++;
      pen.rect(x, y(frame), width, (next - frame) * rowHeight, this.board.fill(colour));
      frame = next;
    }
    for (let frame = top; frame < low;) {              // life-lines: a gap where they begin, the word where it fits
      let from = frame, next = frame + 1;
      while (from > 0 && lives.id(from - 1, place) === lives.id(frame, place)) from--;
      while (next < lives.steps && lives.id(next, place) === lives.id(frame, place)) next++;
      if (from > 0 && rowHeight >= 3.5) pen.rect(x, y(from) - 0.5, width, 1, ink.paper);       // thinner rows would drown in gaps
      if (from > 0 && next === lives.steps) {            // framed, so that it is seen on pale cells and on deep ones
        pen.rect(x, y(from) - 2, width, 4.5, ink.paper);
        pen.rect(x, y(from) - 1, width, 2.5, ink.commit);
      }
      this.name(pen, place, Math.max(from, frame), next, x, y);
      frame = next;
    }
    if (!other) return;
    for (let frame = top; frame < low; frame++)
      if (changed(lives, other, frame, place)) pen.rect(x, y(frame), 3, rowHeight + 0.5, ink.changed);
  }

  name(pen, place, frame, next, x, y) {
    const {lives, columnWidth, rowHeight} = this, room = (next - frame) * rowHeight;
    if (room < WORD - 1) return;
    const at = Math.min(frame + Math.floor(WORD / rowHeight / 2), next - 1), size = lives.special(frame, place) ? 9 : 11;
    pen.text(shortened(lives.word(frame, place), columnWidth - 9, size), x + 5, y(frame) + Math.min(room, Math.max(WORD + 1, rowHeight)) / 2,
      {colour: this.board.inkOn(this.board.colour(lives, at, place)), size});
  }

  head(pen, place, x) {                                // the position, and its word at the step shown
    const {lives, other, frame, columnWidth} = this, {ink} = this.board;
    const pinned = this.lives.run.info.pins?.[lives.sample]?.includes(place);
    pen.text(String(place + 1), x + 3, 8, {colour: pinned ? ink.pin : ink.soft, size: 10, weight: pinned ? 700 : 400});
    if (place >= lives.length) return;
    const colour = this.board.colour(lives, frame, place), size = lives.special(frame, place) ? 9 : 12;
    pen.rect(x, 16, columnWidth - 1, HEAD - 19, this.board.fill(colour));
    if (other && changed(lives, other, frame, place)) pen.rect(x, HEAD - 6, columnWidth - 1, 3, ink.changed);
    pen.text(shortened(lives.word(frame, place), columnWidth - 8, size), x + 4, 16 + (HEAD - 19) / 2,
      {colour: this.board.inkOn(colour), size, weight: 500});
  }

  axis(pen, top, low, y) {
    const {rowHeight, lives} = this, every = [1, 2, 5, 10, 20, 50, 100, 200, 500].find(step => step * rowHeight >= 15) ?? 1000;
    for (let frame = top; frame < low; frame++)
      if ((frame + 1) % every === 0 || frame === 0)
        pen.text(String(lives.run.step(frame).index + 1), AXIS - 6, Math.max(HEAD + 6, y(frame) + rowHeight / 2), {colour: this.board.ink.soft, size: 10, align: "right"});
  }

  picture(pen) {                                       // the whole board, for saving
    const view = {x: 0, y: 0, width: this.spacer.offsetWidth, height: this.spacer.offsetHeight};
    this.cells(pen, view);
    this.over(pen, view);
    return pen;
  }

  press(event) {
    const box = this.canvas.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    const place = Math.floor((x - AXIS + this.scroller.scrollLeft) / this.columnWidth);
    const frame = y < HEAD ? this.frame : Math.floor((y - HEAD + this.scroller.scrollTop) / this.rowHeight);
    if (x < AXIS || place >= this.lives.length) this.board.choose(this, null, frame);
    else this.board.choose(this, place, Math.min(this.lives.steps - 1, frame));
  }

  corner(place) {                                      // where a cell of the frame shown is on the page
    const box = this.canvas.getBoundingClientRect();
    return {left: box.left + AXIS + place * this.columnWidth - this.scroller.scrollLeft,
      bottom: box.top + HEAD + (this.frame + 1) * this.rowHeight - this.scroller.scrollTop};
  }
}
