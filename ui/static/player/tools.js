// Making nodes of a page. Every text goes in through textContent, never as HTML.

const SVG = "http://www.w3.org/2000/svg";

function make(tag, kind = "", text = "", parent = null) {
  const node = document.createElement(tag);
  if (kind) node.className = kind;
  if (text !== "") node.textContent = text;
  if (parent) parent.append(node);
  return node;
}

function draw(tag, values, parent, text = "") {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(values)) node.setAttribute(name, value);
  if (text) node.textContent = text;
  parent.append(node);
  return node;
}
