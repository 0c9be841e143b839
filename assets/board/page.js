// The boards as a page to keep: the runs with what is chosen of them, and how the page shows them again.

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
