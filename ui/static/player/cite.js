// "Cite": a run's citation as text, BibTeX or JSON, with this page's own address in it. Shown under the player's bar.

function offerCitation(player) {
  if (!player.tools.cite) {
    const button = player.tools.cite = make("button", "tdl-tool", "Cite");
    Object.assign(button, {type: "button", title: "How to cite this run: versions, seeds, checkpoint, link"});
    button.setAttribute("aria-expanded", "false");
    player.tools.link.after(button);
    const box = player.cite = make("div", "tdl-cite", "");
    player.alert.after(box);
    box.hidden = true;
    const bar = make("div", "tdl-cite-bar", "", box), text = make("pre", "tdl-cite-text", "", box);
    text.tabIndex = 0;
    text.setAttribute("aria-label", "Citation");
    const show = kind => {
      text.textContent = player.message.cite[kind].replaceAll("{link}", addressOf(player.message.query));
      for (const [name, choice] of Object.entries(choices)) choice.setAttribute("aria-pressed", String(name === kind));
    };
    const choices = Object.fromEntries([["text", "Text"], ["bibtex", "BibTeX"], ["json", "JSON"]].map(([kind, title]) => {
      const choice = make("button", "tdl-tool", title, bar);
      choice.type = "button";
      choice.addEventListener("click", () => show(kind));
      return [kind, choice];
    }));
    const copy = make("button", "tdl-tool tdl-cite-copy", "Copy", bar);
    copy.type = "button";
    copy.addEventListener("click", () => copyText(text.textContent, copy));
    button.addEventListener("click", () => {
      box.hidden = !box.hidden;
      button.setAttribute("aria-expanded", String(!box.hidden));
      if (!box.hidden) show("text");
      player.tip.follow();                             // the words have moved
    });
  }
  player.tools.cite.hidden = !player.message.query || !player.message.cite?.text;
  player.cite.hidden = true;
  player.tools.cite.setAttribute("aria-expanded", "false");
}
