// plotly.js, from the app's own server, fetched once when the first figure is seen.

function loadPlotly(path) {
  window.tdlPlotly ||= new Promise((resolve, reject) => {
    const {root = "", api_prefix: prefix = ""} = window.gradio_config || {};
    const others = window.Plotly, node = document.createElement("script");
    node.src = `${root.replace(/\/$/, "")}${prefix}/file=${encodeURI(path)}`;
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
