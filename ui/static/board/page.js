// What can be kept of the boards: the trace, pictures, and a page that holds the runs with what is chosen of them.

function saveTrace({first}) { saveFile("trace.json", new Blob([JSON.stringify(first.message.trace)])); }

async function saveGif(board) {
  const {first: {message}, sample, tools, server} = board, label = tools.gif.textContent;
  tools.gif.textContent = "Drawing …";
  const answer = await server.gif_of([message.id, sample, message.id ? "" : JSON.stringify(message.trace)]);
  tools.gif.textContent = label;
  if (answer.startsWith("data:")) saveFile("run.gif", await (await fetch(answer)).blob());
  else board.complain(answer);
}

function savePicture({one, ink}, kind) {
  const [width, height] = [one.spacer.offsetWidth, one.spacer.offsetHeight];
  const svg = new XMLSerializer().serializeToString(one.picture(new SvgPen(width, height)).node);
  if (kind === "svg") saveSvg("board", svg);
  else savePng("board", svg, width, height, ink.paper);
}

async function saveBoard(board) {
  const {first, second, sample, mode, frame} = board;
  const runs = [first, second].filter(Boolean).map(({message: {note, trace}}) => ({kind: "trace", id: "", stored: true, note, trace}));
  savePage("board", await board.server.page_of(""), {runs, sample, mode, frame});
}

async function showBoard(board, {runs: [first, second], sample, mode, frame}) {
  await board.open(first, false);
  if (second) await board.open(second, true);
  Object.assign(board, {sample, mode, frame});
  board.samples.value = sample;
  board.arrange();
}
