// A page to keep: what a component shows, as one HTML file. The server gives the page with its code and style; what it is to show is
// here already and is put in as JSON.

function savePage(name, page, shown) {
  const text = JSON.stringify(shown).replaceAll("<", "\\u003c");         // so that no text can end the script
  saveFile(`${name}.html`, new Blob([page.replace("{shown}", () => text)], {type: "text/html"}));
}
