// Pictures to keep: a plot of the page as SVG or PNG, with the colours that it has on the page.

const STYLED = ["fill", "stroke", "stroke-width", "stroke-dasharray", "opacity", "font-size", "font-family", "font-weight"];

function standalone(svg) {                             // a copy that needs no style sheet
  const copy = svg.cloneNode(true), from = [svg, ...svg.querySelectorAll("*")], to = [copy, ...copy.querySelectorAll("*")];
  copy.setAttribute("xmlns", SVG);
  from.forEach((node, place) => {
    const style = getComputedStyle(node);
    for (const name of STYLED) if (style.getPropertyValue(name)) to[place].style.setProperty(name, style.getPropertyValue(name));
  });
  return new XMLSerializer().serializeToString(copy);
}

function saveFile(name, blob) {
  const link = make("a");
  link.href = URL.createObjectURL(blob);
  link.download = `text-diffusion-${name}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function saveSvg(name, text) { saveFile(`${name}.svg`, new Blob([text], {type: "image/svg+xml"})); }

async function savePng(name, svg, width, height, paper) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  await image.decode();
  const canvas = document.createElement("canvas"), sharp = Math.min(2, 16000 / Math.max(width, height));
  Object.assign(canvas, {width: Math.round(width * sharp), height: Math.round(height * sharp)});
  const pen = canvas.getContext("2d");
  pen.fillStyle = paper;
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(image, 0, 0, canvas.width, canvas.height);
  canvas.toBlob(blob => saveFile(`${name}.png`, blob), "image/png");
}

function pictureButtons(parent, name, svg, paper) {    // two small buttons that keep a plot
  const box = make("span", "tdl-keep", "", parent);
  for (const kind of ["SVG", "PNG"]) {
    const button = make("button", "tdl-copy", kind, box);
    button.type = "button";
    button.title = `Save this plot as ${kind}`;
    button.addEventListener("click", () => {
      if (kind === "SVG") saveSvg(name, standalone(svg));
      else savePng(name, standalone(svg), svg.clientWidth, svg.clientHeight, paper());
    });
  }
}
