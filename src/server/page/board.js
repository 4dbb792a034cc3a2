// The leaderboard: what is known of the rows, the columns, and the few rows that are in sight.
const OVERSCAN = 8;
const rows = new Map();
const board = { arena: "arena", time: null, done: false, health: null, desk: null, lifecycle: [], known: false };
let view = [], filter = "all", needle = "", sort = { key: "rank", down: false }, span = .5, current = 0;

const COLUMNS = [
  { key: "rank", name: "#", long: "Rank", width: 44, num: true, make: () => [], paint: (td, row) => text(td, String(row.rank)) },
  { key: "model", name: "Model", width: 0, make() {
      return [el("a", { className: "name", tabIndex: -1 }, el("b"), el("span", { className: "params" })), el("i", { className: "epic" })];
    }, paint(td, row) {
      const [name, epic] = td.children, [family, rest] = split(row.model);
      text(name.firstChild, family); text(name.lastChild, rest || row.ticket); text(epic, row.epic);
      attr(name, "href", href(row.model)); attr(td, "title", row.model);
    } },
  { key: "state", name: "State", width: 104, make: () => [el("span")], paint(td, row) {
      const tag = td.firstChild; text(tag, row.state); attr(tag, "class", "state " + row.state);
    } },
  { key: "episodes", name: "Episodes", width: 86, num: true, down: true, make: () => [el("span"), el("small")], paint(td, row) {
      const effective = row.effective_episodes;
      text(td.firstChild, whole.format(row.episodes)); text(td.lastChild, isNone(effective) ? "" : "eff. " + whole.format(Math.round(effective)));
      attr(td, "title", isNone(effective) ? "closed episodes" : row.episodes + " closed episodes tell as much as " + Math.round(effective) + " independent ones");
    } },
  { key: "mean_r", name: "Mean R, 95 % interval", width: 204, down: true, make() {
      return [el("span", { className: "v" }), svg("svg", { viewBox: "0 0 100 18", preserveAspectRatio: "none", "aria-hidden": "true" },
        svg("line", { x1: 50, x2: 50, y1: 0, y2: 18, class: "zero" }), svg("line", { y1: 9, y2: 9, class: "range" }),
        svg("line", { y1: 5, y2: 13, class: "end" }), svg("line", { y1: 5, y2: 13, class: "end" }), svg("line", { y1: 3, y2: 15, class: "mean" })),
        el("span", { className: "hide" })];
    }, paint(td, row) {
      const [value, chart, aloud] = td.children, [, range, low, high, mark] = chart.children, { mean_r: mean, lcb95_r: from, ucb95_r: to } = row;
      text(value, fixed(mean, 2, true)); attr(value, "class", "v " + (isNone(mean) ? "none" : tone(mean)));
      const told = isNone(mean) ? "no episode yet" : "95 % interval from " + (isNone(from) ? "unknown" : fixed(from, 2, true)) + " to " + (isNone(to) ? "unknown" : fixed(to, 2, true)) + " R";
      text(aloud, told); attr(td, "title", told + "; the scale is ±" + span + " R");
      const at = r => String(Math.max(1, Math.min(99, 50 + 49 * r / span)));
      attr(chart, "class", isNone(mean) ? "void" : from > 0 ? "sure" : to < 0 ? "lost" : "");
      if (isNone(mean)) return;
      attr(range, "x1", at(isNone(from) ? -span : from)); attr(range, "x2", at(isNone(to) ? span : to));
      attr(low, "x1", at(from ?? -span)); attr(low, "x2", at(from ?? -span)); attr(low, "visibility", isNone(from) || from < -span ? "hidden" : "visible");
      attr(high, "x1", at(to ?? span)); attr(high, "x2", at(to ?? span)); attr(high, "visibility", isNone(to) || to > span ? "hidden" : "visible");
      attr(mark, "x1", at(mean)); attr(mark, "x2", at(mean));
    } },
  { key: "progress", name: "Progress to gate", width: 136, down: true, make() {
      return [el("span", { className: "v" }), svg("svg", { viewBox: "0 0 100 18", preserveAspectRatio: "none", "aria-hidden": "true" },
        svg("rect", { x: 0, y: 7, width: 100, height: 4, class: "track" }), svg("rect", { x: 0, y: 7, height: 4 }))];
    }, paint(td, row) {
      const [value, chart] = td.children, bar = chart.children[1], p = row.progress;
      text(value, percent(p)); attr(value, "class", "v " + (isNone(p) ? "none" : p >= 1 ? "up" : ""));
      attr(bar, "width", String(Math.max(0, Math.min(1, p ?? 0)) * 100)); attr(bar, "class", p >= 1 ? "full" : "part");
      attr(td, "title", isNone(p) ? "no evidence yet" : "log wealth over the log of the gate: " + fixed(p, 3) + "; log10 of the evidence: " + fixed(row.log10_e, 2));
    } },
  { key: "expected_days", name: "Decision in", width: 104, num: true, cls: "days", make: () => [el("span"), el("small")], paint(td, row) {
      const { expected_days: days, expected_days_low: low, expected_days_high: high } = row, is = !isNone(days), [times, unit] = unitOf(days ?? 1);
      const few = value => value * times >= 1000 ? ">1000" : number(+(value * times).toPrecision(2));
      text(td.firstChild, is ? days < .02 ? "now" : few(days) + " " + unit : "–"); attr(td.firstChild, "class", is ? "" : "none");
      text(td.lastChild, is && days >= .02 && !isNone(low) ? isNone(high) ? "from " + few(low) : few(low) + "–" + few(high) : "");
      attr(td, "title", is ? "expected time to a decision at the present rate and mean: " + daysText(days, low, high) + (isNone(high) ? ", at worst never" : "") : "cannot be told, or never comes at the present mean");
    } },
  { key: "net_profit", name: "Net", width: 92, num: true, cls: "net", down: true, make: () => [], paint(td, row) {
      text(td, money(row.net_profit)); attr(td, "class", "c-net num " + tone(row.net_profit)); attr(td, "title", row.net_profit + " " + row.currency);
    } },
  { key: "max_drawdown_r", name: "Drawdown", width: 84, num: true, cls: "dd", down: true, make: () => [], paint(td, row) {
      text(td, row.max_drawdown_r ? fixed(-row.max_drawdown_r, 1) + " R" : "–");
    } },
  { key: "equity", name: "Equity, R", width: 124, cls: "curve", down: true, make: () => [svg("svg", { viewBox: "0 0 100 28", preserveAspectRatio: "none", "aria-hidden": "true" },
      svg("line", { x1: 0, x2: 100, class: "base" }), svg("path", {})), el("span", { className: "hide" })],
    paint(td, row) {
      if (td.curve === row.curve) return;
      td.curve = row.curve;
      const [zero, path] = td.firstChild.children, made = spark(row.curve, 100, 28, 3), last = row.curve.at(-1);
      attr(zero, "y1", String(made.zero)); attr(zero, "y2", String(made.zero)); attr(zero, "visibility", made.zero < 0 ? "hidden" : "visible"); attr(path, "d", made.path);
      attr(path, "class", tone(last));
      const told = last === undefined ? "no trade yet" : "cumulated " + fixed(last, 2, true) + " R";
      text(td.lastChild, told); attr(td, "title", told);
    } },
  { key: "flags", name: "Flags", width: 112, make: () => [], paint(td, row) {
      const now = row.flags.join() + (row.open_position ? row.open_position.direction : "");
      if (td.flags === now) return;
      td.flags = now;
      const side = row.open_position && (row.open_position.direction === "long" ? "▲ long" : "▼ short");
      td.replaceChildren(...row.flags.map(flag => el("span", { className: "tag " + flag, textContent: words(flag) })), side ? el("span", { className: "tag position", textContent: side, title: "open paper position" }) : "");
    } },
];
for (const column of COLUMNS) column.cls ??= { model: "name", mean_r: "mean" }[column.key] ?? column.key;

for (const column of COLUMNS) {
  const col = el("col", { className: "w-" + column.cls });
  if (column.width) col.style.width = column.width + "px";
  $("cols").append(col);
  const button = el("button", { type: "button", textContent: column.name, "aria-label": column.long });
  button.addEventListener("click", () => sortBy(column));
  $("heads").append(el("th", { role: "columnheader", scope: "col", className: "c-" + column.cls + (column.num ? " num" : "") }, button));
  if (column.key !== "flags") $("order").append(el("option", { value: column.key, textContent: "Sort by " + (column.long || column.name).toLowerCase() }));
}
$("order").addEventListener("change", () => { sort = { key: "", down: false }; sortBy(COLUMNS.find(column => column.key === $("order").value)); });
for (const state of ["all", ...STATES]) {
  const button = el("button", { type: "button" }, state[0].toUpperCase() + state.slice(1), el("span"));
  button.dataset.state = state;
  button.addEventListener("click", () => { filter = state; scrollUp(); refresh(); });
  $("states").append(button);
}
$("search").addEventListener("input", () => { needle = $("search").value.trim().toLowerCase(); scrollUp(); refresh(); });
function sortBy(column) {
  sort = sort.key === column.key ? { key: column.key, down: !sort.down } : { key: column.key, down: !!column.down };
  scrollUp();
  refresh();
}
function scrollUp() { current = 0; const top = $("list").getBoundingClientRect().top + scrollY; if (scrollY > top) scrollTo(0, top); }
function valueOf(row, key) {
  switch (key) {
    case "net_profit": return +row.net_profit;
    case "state": return STATES.indexOf(row.state);
    case "equity": return row.curve.at(-1) ?? null;
    case "flags": return row.flags.length ? row.flags.join() : null;
    default: return row[key] ?? null;
  }
}
function choose() {
  const chosen = [];
  for (const row of rows.values()) {
    if (filter !== "all" && row.state !== filter) continue;
    if (needle && !row.find.includes(needle) && !row.flags.some(flag => words(flag).includes(needle) || flag.includes(needle))) continue;
    chosen.push(row);
  }
  const { key, down } = sort, sign = down ? -1 : 1;
  for (const row of chosen) row.by = valueOf(row, key);
  chosen.sort((a, b) => {
    const x = a.by, y = b.by;
    if (x === null || y === null) return (x === null) - (y === null) || a.rank - b.rank;
    return x < y ? -sign : x > y ? sign : a.rank - b.rank;
  });
  view = chosen;
}

// A pool of elements between two spacers; only what changed in a row is touched.
const pads = [0, 1].map(() => { const td = el("td"); td.style.padding = "0"; return el("tr", { className: "pad", "aria-hidden": "true" }, td); });
const pool = [];
$("rows").append(...pads);
let rowHeight = 46;
function measure() { rowHeight = parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--row")) || 46; }
function makeRow() {
  const tr = el("tr", { className: "row", role: "row" });
  tr.slots = COLUMNS.map(column => { const td = el("td", { role: "cell", className: "c-" + column.cls + (column.num ? " num" : "") }, column.make()); tr.append(td); return td; });
  return tr;
}
function inSight() {
  const top = -$("rows").getBoundingClientRect().top, count = Math.ceil(innerHeight / rowHeight) + 3 * OVERSCAN;
  // In steps, so that most frames of a scroll have nothing to do.
  const first = Math.floor(top / rowHeight / OVERSCAN - 1) * OVERSCAN;
  const from = Math.max(0, Math.min(first, view.length - count));
  return [from, Math.min(view.length, from + count)];
}
function paint() {
  if ($("v-board").hidden) return;
  const [from, to] = inSight();
  const active = document.activeElement, held = active && active.className === "name" ? active.closest("tr").id_ : null;
  // Elements go round: a row that stays in sight keeps its own, and only those that come into sight are written.
  const moved = pool.length ? from - pool[0].place : 0;
  if (moved > 0 && moved < pool.length) { const gone = pool.splice(0, moved); pool.push(...gone); pads[1].before(...gone); }
  if (moved < 0 && -moved < pool.length) { const gone = pool.splice(moved); pool.unshift(...gone); pads[0].after(...gone); }
  while (pool.length < to - from) { const tr = makeRow(); pool.push(tr); pads[1].before(tr); }
  while (pool.length > to - from) pool.pop().remove();
  pads[0].firstChild.style.height = from * rowHeight + "px";
  pads[1].firstChild.style.height = (view.length - to) * rowHeight + "px";
  show(pads[0], from > 0); show(pads[1], to < view.length);
  current = Math.max(0, Math.min(current, view.length - 1));
  const stop = current < from || current >= to ? from : current;
  let again = null;
  for (let i = from; i < to; i++) {
    const tr = pool[i - from], row = view[i], name = tr.slots[1].firstChild;
    const wants = i === stop ? 0 : -1;
    if (name.tabIndex !== wants) name.tabIndex = wants;
    if (tr.id_ === row.id && tr.version === row.version && tr.span_ === span && tr.place === i) continue;
    if (tr.id_ !== row.id && held === row.id) again = name;
    tr.id_ = row.id; tr.version = row.version; tr.span_ = span; tr.place = i;
    attr(tr, "aria-rowindex", String(i + 2));
    for (let c = 0; c < COLUMNS.length; c++) COLUMNS[c].paint(tr.slots[c], row);
  }
  if (again) again.focus({ preventScroll: true });
}
function refresh() {
  choose();
  const counts = new Map();
  for (const row of rows.values()) counts.set(row.state, (counts.get(row.state) || 0) + 1);
  for (const button of $("states").children) {
    const state = button.dataset.state, count = state === "all" ? rows.size : counts.get(state) || 0;
    text(button.lastChild, whole.format(count));
    attr(button, "aria-pressed", String(filter === state));
    show(button, count > 0 || state === "all" || filter === state);
  }
  const heads = $("heads").children;
  COLUMNS.forEach((column, i) => column.key === sort.key ? attr(heads[i], "aria-sort", sort.down ? "descending" : "ascending") : heads[i].removeAttribute("aria-sort"));
  if (sort.key !== "flags" && $("order").value !== sort.key) $("order").value = sort.key;
  // One scale for all intervals, in steps, so that it does not tremble with every trade.
  const extents = view.filter(row => !isNone(row.mean_r)).map(row => Math.max(Math.abs(row.mean_r), Math.min(1.5, Math.abs(row.lcb95_r ?? 0)), Math.min(1.5, Math.abs(row.ucb95_r ?? 0)))).sort((a, b) => a - b);
  const wanted = extents.length ? extents[Math.floor(extents.length * .6)] : .5;
  span = [.1, .15, .2, .3, .5, .75, 1, 1.5, 2, 3, 5].find(step => step >= wanted) ?? 10;
  attr($("board"), "aria-rowcount", String(view.length + 1));
  attr($("board"), "data-rows", String(view.length));
  text($("shown"), board.known && view.length !== rows.size ? whole.format(view.length) + " of " + whole.format(rows.size) : "");
  const isEmpty = board.known && view.length === 0, isWaiting = rows.size === 0;
  show($("empty"), isEmpty); show($("board"), !isEmpty); show($("tools"), !isWaiting);
  if (isEmpty) {
    text($("empty").firstChild, isWaiting ? "Waiting for the first bar…" : "No model fits");
    text($("empty").lastChild, isWaiting ? "Models appear here as soon as the feed has closed one." : "Change the search or choose another state.");
  }
  paint();
}
let isPainting = false;
function paintSoon() { if (!isPainting) { isPainting = true; requestAnimationFrame(() => { isPainting = false; paint(); }); } }
addEventListener("scroll", paintSoon, { passive: true });
addEventListener("resize", () => { measure(); paintSoon(); });
$("rows").addEventListener("click", event => {
  const tr = event.target.closest("tr.row");
  if (!tr || event.target.closest("a") || String(getSelection())) return;
  location.hash = href(rows.get(tr.id_).model);
});
$("rows").addEventListener("focusin", event => { const tr = event.target.closest("tr.row"); if (tr) current = tr.place; });
$("rows").addEventListener("keydown", event => {
  const page = Math.max(1, Math.floor(innerHeight / rowHeight) - 2);
  const step = { ArrowUp: -1, ArrowDown: 1, PageUp: -page, PageDown: page, Home: -Infinity, End: Infinity }[event.key];
  if (step === undefined || event.target.className !== "name") return;
  event.preventDefault();
  goTo(Math.max(0, Math.min(view.length - 1, current + step)));
});
function goTo(place) {
  current = place;
  const top = $("rows").getBoundingClientRect().top + place * rowHeight, head = 40;
  if (top < head) scrollBy(0, top - head); else if (top + rowHeight > innerHeight) scrollBy(0, top + rowHeight - innerHeight);
  paint();
  pool.find(tr => tr.place === place)?.slots[1].firstChild.focus({ preventScroll: true });
}
