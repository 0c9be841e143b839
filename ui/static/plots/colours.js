// A figure in the colours of the page: what names a CSS variable gets its value, and what names no colour gets the page's own.

const VARIABLE = /^var\((--[\w-]+)\)$/;

function inColours(value, colour) {
  if (typeof value === "string") {
    const found = VARIABLE.exec(value);
    return found ? colour(found[1]) : value;
  }
  if (Array.isArray(value)) return value.map(item => inColours(item, colour));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, inColours(item, colour)]));
}

function pageColours(node) {
  const style = getComputedStyle(node);
  return name => style.getPropertyValue(name).trim() || "#808080";
}

function mixed(base, given) {                            // given values win; objects are joined key by key
  const plain = value => value !== null && typeof value === "object" && !Array.isArray(value);
  const joined = {...base};
  for (const [key, value] of Object.entries(given || {}))
    joined[key] = plain(value) && plain(base[key]) ? mixed(base[key], value) : value;
  return joined;
}

function pageLayout(layout, colour, height, narrow) {
  const [text, soft, line, paper] = ["--tdl-text", "--tdl-soft", "--tdl-line", "--tdl-paper"].map(colour);
  const axis = {gridcolor: line, linecolor: line, zerolinecolor: line, zeroline: false, automargin: true,
                tickfont: {color: soft, size: 11}, title: {font: {color: soft, size: 12}}};
  const clear = "rgba(0,0,0,0)";
  const base = {height, autosize: true, paper_bgcolor: clear, plot_bgcolor: clear, hovermode: "closest", dragmode: "pan",
                font: {family: "ui-sans-serif, system-ui, sans-serif", size: 12, color: text},
                margin: {l: 44, r: 12, t: 12, b: 40}, colorway: [1, 2, 3, 4, 5].map(place => colour(`--tdl-c${place}v`)),
                hoverlabel: {bgcolor: paper, bordercolor: line, font: {color: text, size: 12}},
                legend: {font: {color: text, size: 11}, bgcolor: clear, itemsizing: "constant",
                         ...(narrow ? {orientation: "h", x: 0, y: -0.26, yanchor: "top"} : {})}};
  for (const key of Object.keys({xaxis: 0, yaxis: 0, ...layout})) if (/^[xy]axis\d*$/.test(key)) base[key] = axis;
  for (const key of Object.keys(layout || {})) if (/^scene\d*$/.test(key))
    base[key] = {xaxis: axis, yaxis: axis, zaxis: axis, bgcolor: clear};
  return mixed(base, layout);
}
