// Trace files: chosen in a dialog or dropped on a component, and read as JSON.

class TraceFiles {
  // `read(trace, name)` takes what a file holds and may refuse it by throwing; `complain(sentence)` tells the visitor.
  constructor(root, read, complain) {
    Object.assign(this, {read, complain});
    this.input = make("input", "", "", root);
    Object.assign(this.input, {type: "file", accept: ".json,application/json", hidden: true});
    this.input.addEventListener("change", () => { this.take(this.input.files[0]); this.input.value = ""; });
    const over = on => root.classList.toggle("tdl-over", on);
    root.addEventListener("dragover", event => { event.preventDefault(); over(true); });
    root.addEventListener("dragleave", () => over(false));
    root.addEventListener("drop", event => { event.preventDefault(); over(false); this.take(event.dataTransfer.files[0]); });
  }

  ask() { this.input.click(); }

  async take(file) {
    if (!file) return;
    try {
      await this.read(JSON.parse(await file.text()), file.name);
    } catch {
      this.complain(`'${file.name}' is not a trace of this lab. Use a file that was saved here.`);
    }
  }
}
