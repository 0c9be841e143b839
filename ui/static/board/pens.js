// Two pens with the same strokes: one draws on a canvas, one writes SVG, so that a saved picture is what is on the screen.

class CanvasPen {
  constructor(canvas, width, height) {
    const ratio = window.devicePixelRatio || 1;
    const wide = Math.round(width * ratio), high = Math.round(height * ratio);
    if (canvas.width !== wide || canvas.height !== high) Object.assign(canvas, {width: wide, height: high});
    this.paper = canvas.getContext("2d");
    this.paper.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.paper.textBaseline = "middle";
  }
  rect(x, y, width, height, colour, opacity = 1) {
    this.paper.globalAlpha = opacity;
    this.paper.fillStyle = colour;
    this.paper.fillRect(x, y, width, height);
    this.paper.globalAlpha = 1;
  }
  text(text, x, y, {colour, size = 11, weight = 400, align = "left"}) {
    this.paper.font = `${weight} ${size}px ${FONT}`;
    this.paper.fillStyle = colour;
    this.paper.textAlign = align;
    this.paper.fillText(text, x, y);
  }
  copy(canvas, width, height) { this.paper.drawImage(canvas, 0, 0, width, height); }
  clipped(x, y, width, height, work) {
    this.paper.save();
    this.paper.beginPath();
    this.paper.rect(x, y, width, height);
    this.paper.clip();
    work();
    this.paper.restore();
  }
}

class SvgPen {
  constructor(width, height) {
    this.node = document.createElementNS(SVG, "svg");
    for (const [name, value] of Object.entries({xmlns: SVG, width, height, viewBox: `0 0 ${width} ${height}`})) this.node.setAttribute(name, value);
  }
  rect(x, y, width, height, fill, opacity = 1) {
    draw("rect", {x, y, width, height, fill, ...(opacity < 1 ? {opacity} : {})}, this.node);
  }
  text(text, x, y, {colour, size = 11, weight = 400, align = "left"}) {
    const anchor = {left: "start", center: "middle", right: "end"}[align];
    draw("text", {x, y: y + size * 0.35, fill: colour, "font-size": size, "font-weight": weight, "text-anchor": anchor,
      "font-family": FONT}, this.node, text);
  }
  clipped(x, y, width, height, work) { work(); }       // the whole picture is drawn, nothing is scrolled away
}

const FONT = "ui-sans-serif, system-ui, sans-serif", WIDTHS = new Map();
let RULER = null;
function shortened(text, width, size) {                // the text, or as much of it as is that wide, with an ellipsis
  const key = `${text}|${Math.round(width)}|${size}`;
  if (!WIDTHS.has(key)) {
    RULER ??= document.createElement("canvas").getContext("2d");
    RULER.font = `400 ${size}px ${FONT}`;
    let short = text;
    while (short.length > 1 && RULER.measureText(short === text ? text : `${short}…`).width > width) short = short.slice(0, -1);
    WIDTHS.set(key, short === text ? text : `${short}…`);
  }
  return WIDTHS.get(key);
}
