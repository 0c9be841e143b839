// plotly.js, from the app's own server, fetched ahead where that costs nobody anything, and run when the first figure is seen.

function fileAddress(path) {
  const {root = "", api_prefix: prefix = ""} = window.gradio_config || {};
  return `${root.replace(/\/$/, "")}${prefix}/file=${encodeURI(path)}`;
}

function fetchAhead(path) {                              // fetched, not run: running it would hold up whoever uses the page
  if (navigator.connection?.saveData) return;
  document.head.append(Object.assign(document.createElement("link"), {rel: "prefetch", as: "script", href: fileAddress(path)}));
}

function loadPlotly(path) {
  window.tdlPlotly ||= new Promise((resolve, reject) => {
    const others = window.Plotly, node = document.createElement("script");
    node.src = fileAddress(path);
    node.onload = () => {
      const ours = window.Plotly;
      if (others) window.Plotly = others;                // gr.Plot brings an older one, and goes on with it
      resolve(ours);
    };
    node.onerror = () => {
      window.tdlPlotly = undefined;
      reject(new Error("The drawing code did not load. Reload the page."));
    };
    document.head.append(node);
  });
  return window.tdlPlotly;
}
