// A link to this page: the address that a query has here, and the clipboard.

function addressOf(query) { return `${location.origin}${location.pathname}${query}`; }

async function copyText(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {                                        // pages without https have no clipboard; a selection still copies
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  const label = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = label; }, 1200);
}
