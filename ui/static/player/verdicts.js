// What became of a control, drawn: tags under the words, the tree that was asked for beside the one that was written, spans
// bracketed, slots checked. What was asked for and is not there is marked.

function drawParts(box, {control, target, score, parts}, words) {
  const draws = {tags: tagsOf, tree: treesOf, spans: spansOf, slots: slotsOf}[parts.kind];
  if (!draws) return;
  const details = make("details", "tdl-parts", "", box), head = make("summary", "", "", details);
  make("span", "", `${control}, drawn`, head);
  details.title = `${control}=${target}`;
  const body = make("div", "tdl-parts-body", "", details), fill = () => { if (!body.hasChildNodes()) draws(body, parts, words); };
  details.addEventListener("toggle", fill);
  if (score < 1 && parts.kind !== "tree") { details.open = true; fill(); }
}

function tagsOf(body, {wanted, found}, words) {
  const row = make("div", "tdl-tagged", "", body);
  for (let place = 0; place < Math.max(wanted.length, found.length); place++) {
    const want = wanted[place], got = found[place], right = want === got || want === "*";
    const cell = make("span", right ? "tdl-tag" : "tdl-tag tdl-missing", "", row);
    make("b", "", words[place] ?? "–", cell);
    make("i", "", got ?? "nothing", cell);
    if (!right) make("s", "", want === undefined ? "nothing asked" : `asked ${want}`, cell);
  }
}

function phrases(tree) {                           // "first stop label" of every phrase
  const found = new Set();
  const walk = node => {
    if (isPhrase(node)) found.add(`${node.first} ${node.stop} ${node.label}`);
    node.children.forEach(walk);
  };
  placeTree(tree, 0, {x: 0, depth: 0, leaves: 0}, () => 1);
  walk(tree);
  return found;
}

function treesOf(body, {wanted, found}) {
  const both = [["asked for", wanted, found], ["written", found, wanted]].map(([title, own, other]) => [title, readTree(own), readTree(other)]);
  for (const [title, own, other] of both) {
    const figure = make("figure", "tdl-tree-box", "", body);
    make("figcaption", "", own && other ? `${title} (underlined: not in the other)` : title, figure);
    const others = other ? phrases(other) : new Set();
    drawTree(make("div", "", "", figure), own, (first, stop, label) => other && !others.has(`${first} ${stop} ${label}`));
  }
}

function spansOf(body, {wanted, found}, words) {
  const have = new Set(found.map(span => span.join(" ")));
  for (const [first, last, label] of wanted) {
    const held = have.has([first, last, label].join(" ")), row = make("p", "tdl-spanned", "", body);
    words.forEach((word, place) => {
      if (place + 1 === first) make("b", held ? "tdl-yes" : "tdl-no", `[${label} `, row);
      make("span", place + 1 >= first && place < last ? "tdl-within" : "", `${word} `, row);
      if (place + 1 === last) make("b", held ? "tdl-yes" : "tdl-no", "] ", row);
    });
    const there = found.filter(span => span[0] === first && span[1] === last).map(span => span[2]);
    if (!held) make("i", "tdl-no", there.length ? `these words are ${there.join(", ")}` : "these words are no phrase", row);
  }
}

function slotsOf(body, {said, missed}) {
  const list = make("ul", "tdl-verdicts", "", body);
  for (const [names, kind, sign] of [[said, "tdl-yes", "✓"], [missed, "tdl-no", "✗"]]) for (const name of names) {
    const item = make("li", kind, "", list);
    make("b", "", sign, item);
    make("span", "", ` ${name}`, item);
  }
}
