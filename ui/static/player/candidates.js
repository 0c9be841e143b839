// What a position might have become at a step: its most probable words, and how far the controls moved it.

function candidates(tip, {words, entropy, pressure}) {
  for (const [word, prob] of words) {
    if (prob < 0.0005) continue;
    const line = make("div", "tdl-candidate", "", tip);
    make("span", "tdl-word", word, line);
    make("span", "tdl-track", "", line).style.setProperty("--p", prob);
    make("span", "tdl-number", `${(100 * prob).toFixed(1)} %`, line);
  }
  const moved = pressure > 0.0005 ? ` · moved by controls ${pressure.toFixed(2)} nats` : "";
  make("div", "tdl-tip-foot", `entropy ${entropy.toFixed(2)} nats${moved}`, tip);
}
