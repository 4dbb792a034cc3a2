"use strict";
// Making and changing elements, numbers and times, asking the arena. All text goes through textContent.
const $ = id => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const STATES = ["live", "eligible", "shadow", "warming", "suspended", "retired"];

function el(tag, props, ...kids) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(props || {})) {
    if (value === null || value === undefined) continue;
    if (key in node && key !== "role") node[key] = value; else node.setAttribute(key, value);
  }
  for (const kid of kids.flat(3)) if (kid !== null && kid !== undefined && kid !== "") node.append(kid);
  return node;
}
function svg(tag, props, ...kids) {
  const node = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(props || {})) if (value !== null && value !== undefined) node.setAttribute(key, value);
  for (const kid of kids.flat(2)) if (kid !== null && kid !== undefined && kid !== "") node.append(kid);
  return node;
}
const text = (node, value) => { if (node.textContent !== value) node.textContent = value; };
const attr = (node, key, value) => { if (node.getAttribute(key) !== value) node.setAttribute(key, value); };
const show = (node, is) => { if (node.hidden === is) node.hidden = !is; };

const money2 = new Intl.NumberFormat("en-GB", { minimumFractionDigits: 2, maximumFractionDigits: 2, signDisplay: "exceptZero" });
const whole = new Intl.NumberFormat("en-GB");
const isNone = value => value === null || value === undefined;
const minus = string => string.replace("-", "−");
const money = value => isNone(value) ? "–" : minus(money2.format(+value));
const fixed = (value, digits, plus) => isNone(value) ? "–" : minus((plus && value > 0 ? "+" : "") + (+value).toFixed(digits));
const percent = value => isNone(value) ? "–" : minus(Math.round(value * 100) + " %");
const tone = value => isNone(value) || +value === 0 ? "none" : +value > 0 ? "up" : "down";
const short = value => value >= 1e6 ? (value / 1e6).toFixed(2) + " M" : whole.format(value);
const words = value => value.replaceAll("_", " ");
const level = value => isNone(value) ? "–" : String(value);
const plural = (count, one, many) => whole.format(count) + " " + (count === 1 ? one : many || one + "s");
function number(value) {
  if (isNone(value)) return "–";
  const size = Math.abs(value);
  if (size && size < 1e-3) return minus((+value).toFixed(Math.min(12, 1 - Math.floor(Math.log10(size)))).replace(/0+$/, ""));
  return minus(size >= 1000 ? whole.format(Math.round(value)) : String(+(+value).toPrecision(3)));
}
const stamp = iso => iso ? iso.slice(0, 10) + " " + iso.slice(11, 19) : "–";
const clock = iso => iso ? iso.slice(5, 10) + " " + iso.slice(11, 16) : "–";
// Microseconds of the arena are beyond what a Date holds; plots do with milliseconds.
const millis = iso => Date.parse(iso.replace(/(\.\d{3})\d+Z$/, "$1Z"));
function lasting(ms) {
  const s = Math.max(0, ms / 1000);
  if (s < 90) return Math.round(s) + " s";
  if (s < 5400) return Math.round(s / 60) + " min";
  if (s < 129600) return +(s / 3600).toFixed(1) + " h";
  return +(s / 86400).toFixed(1) + " days";
}
// Days as people say them; what lies around a value is told in the unit of the value.
const unitOf = days => days < 1 ? [24, "h", "hours"] : [1, "d", "days"];
function daysText(days, low, high) {
  if (days < 1 / 24) return "less than an hour";
  if (days > 3650) return "more than ten years";
  const [times, , name] = unitOf(days), one = value => number(value > 1000 ? Math.round(value * times / 100) * 100 : +(value * times).toPrecision(2));
  return one(days) + " " + name + (isNone(low) ? "" : isNone(high) ? ", at best " + one(low) : " (" + one(low) + " to " + one(high) + ")");
}
function split(name) {
  const at = name.indexOf(":");
  return at < 0 ? [name, ""] : [name.slice(0, at), name.slice(at + 1).replaceAll(",", ", ")];
}
// The whole name, which may end its lines after a comma.
const breakable = name => name.split(/(?<=[,:])/).flatMap(part => [part, el("wbr")]);
const href = name => "#/model/" + encodeURIComponent(name);
const link = (name, ...kids) => el("a", { href: href(name) }, kids.length ? kids : breakable(name));
const stateTag = state => el("span", { className: "state " + state, textContent: state });

async function ask(path) {
  const answer = await fetch("/api/v1/" + path);
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.error);
  return body;
}
const askModel = (name, path) => ask("models/" + encodeURIComponent(name) + path);

// Heads are [name, is it a number]; a cell is text, [text, class], or an element. On a phone a row becomes a list of pairs;
// the roles are written out, because a table that is laid out otherwise loses its own.
function table(caption, heads, lines) {
  const cell = (value, i) => {
    const [shown, more] = Array.isArray(value) ? value : [value, ""];
    const td = el("td", { role: "cell", className: ((heads[i][1] ? "num " : "") + (more || "")).trim() }, shown instanceof Node ? shown : String(shown));
    td.dataset.label = heads[i][0];
    return td;
  };
  return el("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": caption }, el("table", { className: heads.length > 3 ? "plain stack" : "plain", role: "table", "aria-label": caption },
    el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, heads.map(([name, num]) => el("th", { role: "columnheader", scope: "col", textContent: name, className: num ? "num" : "" })))),
    el("tbody", { role: "rowgroup" }, lines.map(line => el("tr", { role: "row" }, line.map(cell))))));
}
const none = sentence => el("p", { className: "none", textContent: sentence });
const sub = (...kids) => el("p", { className: "sub" }, kids);
const fact = (name, value, cls, size) => el("div", { className: size || "" }, el("dt", { textContent: name }), el("dd", { className: cls || "" }, value));
const facts = (...pairs) => el("dl", { className: "facts" }, pairs);

// A part of a view that is made anew only when what it shows has changed, so that focus and scroll stay where they are.
function part(cls, id, name) {
  const body = el("div", { className: "body" });
  const node = el("section", { className: "part " + cls, id, "aria-labelledby": id + "-h" }, el("h3", { id: id + "-h", textContent: name }), body);
  let seen = null;
  node.fill = (data, make) => {
    const key = JSON.stringify(data);
    if (key === seen) return;
    seen = key;
    body.replaceChildren(...[make()].flat(3).filter(kid => kid !== null && kid !== undefined && kid !== ""));
  };
  node.name = value => text(node.firstChild, value);
  return node;
}

// What is said aloud: at most one sentence in five seconds, and never the figures.
const saying = { queue: [], timer: 0 };
function say(sentence) {
  saying.queue.push(sentence);
  if (saying.timer) return;
  saying.timer = setTimeout(() => {
    const all = saying.queue.splice(0);
    text($("say"), all.length > 3 ? all.length + " models changed their state" : all.join(". "));
    saying.timer = setTimeout(() => { saying.timer = 0; if (saying.queue.length) say(saying.queue.shift()); }, 5000);
  }, 100);
}
let toastTimer = 0;
function toast(sentence) {
  const node = $("toast");
  node.hidden = false;
  text(node, sentence);
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { node.hidden = true; }, 8000);
}
