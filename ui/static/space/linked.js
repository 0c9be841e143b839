// Words of the run and points of the map, linked: a lasso marks its words in the run, and words that are pressed are marked in
// the map. Runs inside the map's component, which has `view` and `box`; the words are buttons in #space-run.

const chosen = new Set(), caught = new Set();

function markRun() {
  for (const word of document.querySelectorAll("#space-run [data-word]")) {
    const id = Number(word.dataset.word);
    word.classList.toggle("tdl-caught", caught.has(id));
    word.setAttribute("aria-pressed", String(chosen.has(id)));
  }
}

function press(event) {
  const word = event.target.closest?.("#space-run [data-word]");
  if (!word) return;
  const id = Number(word.dataset.word);
  if (!chosen.delete(id)) chosen.add(id);
  markRun();
  view.mark(chosen);
}

function catchWords(ids) {
  caught.clear();
  for (const id of ids || []) caught.add(id);
  markRun();
}

document.addEventListener("click", press);
box.addEventListener("figure-select", event => catchWords(event.detail?.ids));
box.addEventListener("figure-drawn", markRun);
new MutationObserver(markRun).observe(document.querySelector("#space-run"), {childList: true, subtree: true});
