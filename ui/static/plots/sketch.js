// A flat figure as plain dots where plotly will draw it: seen at once, while the drawing code is still on its way.

const LEGEND = 150;                                      // pixels that a legend takes beside the drawing

function sketch(figure, parent, colour) {
  const {data, layout} = figure, {xaxis = {}, yaxis = {}, margin, height} = layout, width = parent.clientWidth;
  if (!xaxis.range || !yaxis.range || !width) return null;
  const canvas = make("canvas", "tdl-sketch", "", parent), scale = window.devicePixelRatio || 1, pen = canvas.getContext("2d");
  Object.assign(canvas, {width: width * scale, height: height * scale});
  Object.assign(canvas.style, {width: `${width}px`, height: `${height}px`});
  pen.scale(scale, scale);
  const right = width < NARROW ? margin.r : LEGEND, [left, top] = [margin.l, margin.t];
  const place = (value, [low, high], start, size) => start + size * (value - low) / (high - low);
  pen.strokeStyle = colour("--tdl-line");
  pen.strokeRect(left, top, width - left - right, height - top - margin.b);
  for (const {x = [], y = [], marker = {}} of data) {
    const single = typeof marker.color === "string" && marker.color !== "";
    pen.fillStyle = single ? marker.color : colour("--tdl-c1v");
    pen.strokeStyle = marker.line?.color || "transparent";
    pen.lineWidth = marker.line?.width || 0;
    pen.globalAlpha = marker.opacity ?? 1;
    x.forEach((value, index) => {
      pen.beginPath();
      pen.arc(place(value, xaxis.range, left, width - left - right), place(y[index], yaxis.range, height - margin.b, top + margin.b - height),
              (marker.size || 6) / 2, 0, 2 * Math.PI);
      pen.fill();
      if (pen.lineWidth && marker.line) pen.stroke();
    });
  }
  return canvas;
}
