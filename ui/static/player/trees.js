// Syntax trees: reading Penn brackets and drawing them, phrases that were asked for and are not there marked.

function readTree(text) {                          // {label, children, word} or null where the brackets do not hold together
  const pieces = text.match(/[()]|[^\s()]+/g) ?? [], stack = [];
  let root = null;
  for (const piece of pieces) {
    if (root) return null;
    if (piece === "(") stack.push({label: null, children: []});
    else if (piece === ")") {
      const node = stack.pop();
      if (!node) return null;
      node.label ??= "";
      if (stack.length) stack.at(-1).children.push(node);
      else root = node;
    } else if (!stack.length) return null;
    else if (stack.at(-1).label === null) stack.at(-1).label = piece;
    else stack.at(-1).children.push({label: piece, word: true, children: []});
  }
  return stack.length ? null : root;
}

const ROOTS = new Set(["TOP", "ROOT", "S1", "VROOT", ""]);

function isPhrase(node) {                          // neither a word, nor the tag of one, nor the root
  const tag = !node.children.length || (node.children.length === 1 && node.children[0].word);
  return !node.word && !tag && !ROOTS.has(node.label);
}

function placeTree(node, depth, state, gap) {      // leaves side by side, parents over the middle of their children
  node.depth = depth;
  state.depth = Math.max(state.depth, depth);
  node.first = state.leaves;
  if (!node.children.length) {
    node.x = state.x + gap(node.label) / 2;
    state.x += gap(node.label);
    state.leaves += 1;                             // a word, or in a target the tag that stands for one
  } else {
    node.children.forEach(child => placeTree(child, depth + 1, state, gap));
    node.x = (node.children[0].x + node.children.at(-1).x) / 2;
  }
  node.stop = state.leaves;
}

// Draws a tree into a node. `missing(first, stop, label)` says of a phrase, words counted from 0, whether it is to be marked.
function drawTree(into, tree, missing = () => false) {
  into.textContent = "";
  if (!tree) return;
  const level = 27, state = {x: 6, depth: 0, leaves: 0};
  placeTree(tree, 0, state, label => Math.max(22, 7.2 * label.length + 12));
  const height = level * state.depth + 26, width = state.x + 6;
  const svg = draw("svg", {viewBox: `0 0 ${width} ${height}`, width, height, class: "tdl-tree", role: "img"}, into);
  svg.setAttribute("aria-label", "syntax tree");
  const walk = node => {
    const y = 14 + level * node.depth;
    for (const child of node.children) {
      draw("line", {x1: node.x, y1: y + 5, x2: child.x, y2: y + level - 12, class: "tdl-branch"}, svg);
      walk(child);
    }
    const kind = node.word ? "tdl-leaf" : isPhrase(node) && missing(node.first, node.stop, node.label) ? "tdl-node tdl-missing" : "tdl-node";
    draw("text", {x: node.x, y: y + 2, class: kind, "text-anchor": "middle"}, svg, node.label || "·");
  };
  walk(tree);
}

function drawTreeOf(into, text) {                  // of brackets as they are typed: nothing while they do not hold together
  drawTree(into, text.trim().startsWith("(") ? readTree(text) : null);
}
