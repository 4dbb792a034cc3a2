// Plots: drawn for the width that they have, with a cursor for mouse, finger and keyboard.
const drawn = new WeakMap();
const watcher = new ResizeObserver(entries => { for (const entry of entries) drawn.get(entry.target)?.(entry.contentRect.width); });
const LEFT = 56, RIGHT = 10, TOP = 8, BOTTOM = 20;

function niceStep(range, count) {
  const raw = range / Math.max(1, count), power = 10 ** Math.floor(Math.log10(raw)), unit = raw / power;
  return (unit < 1.5 ? 1 : unit < 3.5 ? 2 : unit < 7.5 ? 5 : 10) * power;
}
function ticks(low, high, count) {
  const step = niceStep(high - low || 1, count), all = [];
  for (let at = Math.ceil(low / step - 1e-9) * step; at <= high + step * 1e-9 && all.length < 20; at += step) all.push(Math.abs(at) < step * 1e-9 ? 0 : at);
  return { all, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}
function extent(values, pad) {
  let low = Infinity, high = -Infinity;
  for (const value of values) if (Number.isFinite(value)) { if (value < low) low = value; if (value > high) high = value; }
  if (low > high) return [0, 1];
  if (low === high) { const by = Math.abs(low) * 1e-3 || 1; return [low - by, high + by]; }
  const by = (high - low) * pad;
  return [low - by, high + by];
}
const round1 = value => Math.round(value * 10) / 10;
const line = points => { let path = "", pen = "M"; for (const point of points) { if (!point) { pen = "M"; continue; } path += pen + round1(point[0]) + " " + round1(point[1]); pen = "L"; } return path; };
const rule = (x1, y1, x2, y2, cls) => svg("line", { x1: round1(x1), x2: round1(x2), y1: round1(y1), y2: round1(y2), class: cls });
const label = (x, y, value, anchor, cls) => svg("text", { x: round1(x), y: round1(y), "text-anchor": anchor || "start", class: cls, textContent: null }, document.createTextNode(value));
const timeText = (ms, span) => { const iso = new Date(ms).toISOString(); return span > 2 * 864e5 ? iso.slice(5, 10) : iso.slice(11, 16); };

// The frame of a plot: grid, names of levels at the left, moments at the bottom. `times` are those of places 0, 1, 2 …
function axes(width, height, y, { times, format, top = TOP, bottom = BOTTOM, x, xFormat }) {
  const inner = { left: LEFT, right: width - RIGHT, top, bottom: height - bottom };
  const [low, high] = y, atY = value => inner.bottom - (value - low) / (high - low) * (inner.bottom - inner.top);
  const count = x ? x[1] - x[0] : Math.max(1, (times ? times.length : 2) - 1), first = x ? x[0] : 0;
  const atX = value => inner.left + (value - first) / (count || 1) * (inner.right - inner.left);
  const nodes = [], levels = ticks(low, high, Math.max(2, (inner.bottom - inner.top) / 34));
  for (const value of levels.all) {
    nodes.push(rule(inner.left, atY(value), inner.right, atY(value), "grid"));
    nodes.push(label(inner.left - 6, atY(value) + 4, format ? format(value, levels.digits) : fixed(value, levels.digits), "end", "tick"));
  }
  if (bottom >= BOTTOM) {
    const places = Math.max(2, Math.floor((inner.right - inner.left) / 92));
    if (times && times.length > 1) {
      const span = times.at(-1) - times[0], n = Math.min(places, times.length);
      for (let i = 0; i < n; i++) {
        const at = Math.round(i * (times.length - 1) / (n - 1 || 1));
        nodes.push(label(atX(at), height - 5, timeText(times[at], span), i === 0 ? "start" : i === n - 1 ? "end" : "middle", "tick"));
      }
    } else if (x) {
      const across = ticks(x[0], x[1], places);
      for (const value of across.all) nodes.push(label(atX(value), height - 5, xFormat ? xFormat(value, across.digits) : fixed(value, across.digits), "middle", "tick"));
    }
  }
  return { nodes, atX, atY, inner };
}

// `draw(width)` gives { nodes, inner, atX }, `read(place)` what the cursor says there, `count` how many places there are.
function plot({ name, height, draw, count, read }) {
  const box = el("div", { className: "plot", tabIndex: read ? 0 : -1, role: read ? "group" : "img", "aria-label": name });
  if (read) box.setAttribute("aria-roledescription", "plot");
  box.style.height = height + "px";
  const readout = el("p", { className: "readout", "aria-live": "polite" });
  let width = 0, made = null, cursor = null, at = null;
  const render = wide => {
    wide = Math.floor(wide);
    if (wide <= 0 || wide === width) return;
    width = wide;
    made = draw(width, height);
    cursor = svg("line", { class: "cursor", y1: made.inner.top, y2: made.inner.bottom, visibility: "hidden" });
    box.replaceChildren(svg("svg", { width, height, viewBox: "0 0 " + width + " " + height, "aria-hidden": "true" }, made.nodes, cursor));
    if (at !== null) point(at, true);
  };
  const point = (place, quiet) => {
    if (!made || !count) return;
    at = Math.max(0, Math.min(count - 1, Math.round(place)));
    const x = round1(made.atX(at));
    cursor.setAttribute("x1", x); cursor.setAttribute("x2", x); cursor.setAttribute("visibility", "visible");
    if (!quiet) text(readout, read(at));
  };
  if (read) {
    box.addEventListener("pointermove", event => {
      if (!made) return;
      const x = event.clientX - box.getBoundingClientRect().left, { left, right } = made.inner;
      point((x - left) / (right - left) * (count - 1));
    });
    box.addEventListener("pointerleave", () => { if (document.activeElement !== box && cursor) { cursor.setAttribute("visibility", "hidden"); text(readout, ""); at = null; } });
    box.addEventListener("blur", () => { if (cursor) cursor.setAttribute("visibility", "hidden"); text(readout, ""); at = null; });
    box.addEventListener("keydown", event => {
      const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      point(at === null ? count - 1 : Math.max(0, Math.min(count - 1, at + step)));
    });
  }
  drawn.set(box, render);
  watcher.observe(box);
  return read ? [box, readout] : [box];
}

// A sparkline in a viewBox; the long way of the page is that 2,000 rows must cost little.
function spark(curve, width, height, pad) {
  if (!curve || curve.length === 0) return { path: "", zero: -99 };
  const points = curve.length === 1 ? [0, curve[0]] : curve;
  let low = Math.min(...points), high = Math.max(...points);
  // Zero belongs into the picture unless it would flatten the line.
  if (Math.min(Math.abs(low), Math.abs(high)) <= high - low) { low = Math.min(0, low); high = Math.max(0, high); }
  const scale = (height - 2 * pad) / (high - low || 1), step = width / (points.length - 1);
  const y = r => round1(height - pad - (r - low) * scale);
  return { path: line(points.map((r, i) => [i * step, y(r)])), zero: low <= 0 && high >= 0 ? y(0) : -99 };
}
