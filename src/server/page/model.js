// The view of one model: its trades on the price, what it predicted, its gates, its twin, where it came from.
const TRADES = 500, TRADES_LISTED = 200, PREDICTIONS = 400;
const BAR_CHOICES = [120, 300, 1000, 2000];
const model = { name: null, parts: null, asked: 0, bars: 300, seen: -1, at: 0, took: 0, timer: 0, data: null };

// What a gate asks, for who reads it for the first time.
const GATES = {
  "G1 evidence": "log wealth of bets on its edge against the chance of luck",
  "G2 episodes": "closed episodes",
  "G3 days": "days since its first episode",
  "G4 active days": "days on which an episode closed",
  "G5 drawdown": "deepest fall of the cumulated R",
  "G6 deflated sharpe": "Sharpe ratio after all trials that were made",
  "G7 decay": "detector of an edge that fades",
  "G8 family bound": "lower bound of the mean at the level of the gate, R",
  "G9 top share": "share of the profit from the best hundredth of wins",
  "G10 faults": "outcomes that broke a rule",
  "G11 cooldown days": "days since the last demotion",
  "G11 cooldown episodes": "episodes since the last demotion",
  "G11 reentries": "demotions so far",
};

function openModel(name) {
  clearTimeout(model.timer);
  Object.assign(model, { name, seen: -1, data: null, timer: 0 });
  const heading = el("h2", { id: "h-model", tabIndex: -1 }, breakable(name));
  const about = el("p", { className: "sub", textContent: "loading…" });
  const buttons = el("div", { className: "actions", role: "group", "aria-label": "What may be done with it" });
  const parts = model.parts = {
    about, buttons,
    facts: part("w12 bare", "m-facts", "In figures"),
    price: part("w8", "m-price", "Trades on the price"),
    gates: part("w4 tall", "m-gates", "Gates"),
    equity: part("w8", "m-equity", "Equity and drawdown"),
    told: part("w8", "m-told", "Predicted and true over time"),
    scatter: part("w4", "m-scatter", "Predicted against true"),
    near: part("w8", "m-near", "Distance to what it has learned"),
    lineage: part("w4", "m-lineage", "Where it came from"),
    stats: part("w12", "m-stats", "Statistics"),
    twin: part("w12", "m-twin", "Live beside its paper twin"),
    life: part("w12", "m-life", "Life and audit records"),
    trades: part("w8", "m-trades", "Trades"),
    settings: part("w4", "m-settings", "Settings"),
  };
  const choice = el("select", { id: "bars" }, BAR_CHOICES.map(n => el("option", { value: n, textContent: "last " + whole.format(n) + " bars", selected: n === model.bars })));
  choice.addEventListener("change", () => { model.bars = +choice.value; loadModel(); });
  parts.price.firstChild.after(el("div", { className: "choice" }, el("label", { className: "hide", htmlFor: "bars", textContent: "How much of the price to show" }), choice));
  const { facts: figures, ...rest } = parts;
  $("v-model").replaceChildren(
    el("div", { className: "headline" }, el("div", {}, el("p", { className: "back" }, el("a", { href: "#/", textContent: "← Leaderboard" })), heading, about), buttons),
    figures,
    el("div", { className: "grid" }, Object.values(rest).filter(node => node.classList.contains("part"))));
  loadModel();
}
async function loadModel() {
  const { name } = model, turn = ++model.asked, begun = performance.now();
  try {
    const [about, gates, trades, told, bars, equity, decisions] = await Promise.all([
      askModel(name, ""), askModel(name, "/explain"), askModel(name, "/trades?last=" + TRADES), askModel(name, "/predictions?last=" + PREDICTIONS),
      askModel(name, "/bars?last=" + model.bars), askModel(name, "/equity"), ask("decisions?last=50&model=" + encodeURIComponent(name))]);
    if (turn !== model.asked || model.name !== name || route().view !== "model") return;
    model.data = { about, gates, trades, told, bars, equity, decisions };
    model.at = performance.now();
    model.took = model.at - begun;
    fillModel();
  } catch (error) {
    if (turn === model.asked && model.parts) text(model.parts.about, String(error.message || error));
  }
}
// Asked again when its row has changed, but not more than once in five seconds, and less often where answers take long:
// reading costs the arena something.
function freshenModel() {
  if (!model.name || !model.data || model.timer || route().view !== "model") return;
  const row = rowOf(model.name);
  if (!row || row.version === model.seen) return;
  model.timer = setTimeout(() => { model.timer = 0; const now = rowOf(model.name); if (now) model.seen = now.version; if (route().view === "model") loadModel(); }, Math.max(0, Math.max(5000, 20 * model.took) - (performance.now() - model.at)));
}
const rowOf = name => { let last = null; for (const row of rows.values()) if (row.model === name && (!last || row.rank < last.rank)) last = row; return last; };

function fillModel() {
  const { parts } = model, { about, gates, trades, told, bars, equity, decisions } = model.data, row = about.row;
  const known = rowOf(row.model) || {};
  const stats = row.statistics || {};
  text(parts.about, row.ticket + " · " + row.epic);
  actions(parts.buttons, row, gates);
  parts.facts.fill([row, known.ucb95_r, known.effective_episodes, gates.expected_days_to_decision, gates.expected_days_low, gates.expected_days_high], () => facts(
    fact("State", stateTag(row.state)), fact("Rank", String(row.rank)),
    fact("Mean R", fixed(row.mean_r, 3, true), tone(row.mean_r)),
    fact("95 % interval, R", isNone(row.mean_r) ? "–" : (isNone(row.lcb95_r) ? "?" : fixed(row.lcb95_r, 2, true)) + " to " + (isNone(known.ucb95_r) ? "?" : fixed(known.ucb95_r, 2, true))),
    fact("Episodes", whole.format(row.episodes)),
    fact("Effective", isNone(known.effective_episodes) ? "–" : whole.format(Math.round(known.effective_episodes))),
    fact("Progress to gate", percent(row.progress)),
    fact("Decision in", decisionText(gates), "", "wide"),
    fact("Net, " + row.currency, money(row.net_profit), tone(row.net_profit)),
    fact("Win rate", percent(row.win_rate) + (isNone(stats.win_rate_low) ? "" : " (" + percent(stats.win_rate_low) + " to " + percent(stats.win_rate_high) + ")")),
    fact("Profit factor", fixed(row.profit_factor, 2)), fact("Exposure", percent(row.exposure)),
    fact("Drawdown", row.max_drawdown_r ? fixed(-row.max_drawdown_r, 1) + " R" : "–"),
    fact("Open on paper", row.open_position ? row.open_position.direction + " at " + row.open_position.open_level : "nothing"),
    row.flags.length ? fact("Flags", row.flags.map(words).join(", ")) : null));
  show(parts.stats, Boolean(row.statistics));
  parts.stats.fill(stats, () => statistics(stats));
  parts.price.fill([bars, trades, row.open_position], () => pricePlot(bars, trades, row.open_position));
  parts.gates.name("Gates: " + gates.gates.filter(gate => gate.verdict === "pass").length + " of " + gates.gates.length + " passed");
  parts.gates.fill(gates, () => gateTable(gates));
  parts.equity.fill(equity, () => equityPlot(equity, row.currency));
  parts.told.fill(told, () => toldPlot(told));
  parts.scatter.fill(told, () => scatterPlot(told));
  parts.near.fill([told, about.nearness, about.lineage], () => nearPlot(told, about.nearness));
  parts.lineage.fill([about.lineage, about.content_hash], () => lineage(about));
  const live = about.live && about.live.length ? about.live : (board.desk && board.desk.trades || []).filter(deal => deal.model === row.model);
  parts.twin.fill([live, about.shortfall, gates.breaks], () => twin(live, about.shortfall, gates.breaks, row.currency));
  parts.life.fill([decisions, about.lifecycle], () => decisionTable(decisions, "What was decided about it", false));
  parts.trades.name(trades.length > TRADES_LISTED || row.episodes > trades.length ? "The last " + Math.min(TRADES_LISTED, trades.length) + " trades" : "Trades");
  parts.trades.fill(trades, () => tradeTable(trades, row.currency));
  parts.settings.fill(about.settings, () => [el("dl", { className: "pairs" }, about.settings.map(([key, value]) => [el("dt", { textContent: words(key) }), el("dd", { textContent: value })])),
    sub("generation " + about.generation + (about.registered ? ", registered " + stamp(about.registered) + " UTC" : ""))]);
}
// None of these is right at all times at once, as the evidence and its bounds are: they describe.
function statistics(all) {
  const by = (key, digits, unit) => isNone(all[key]) ? "–" : fixed(all[key], digits) + (unit || "");
  return [facts(
    fact("Alpha slot", isNone(all.slot) ? "none" : String(all.slot)), fact("Days", by("days", 1)), fact("Active days", isNone(all.active_days) ? "–" : String(all.active_days)), fact("Episodes a day", by("episodes_per_day", 1)),
    fact("Bound at the gate", by("lcb_family_r", 3, " R")), fact("Deviation", by("sd_r", 2, " R")), fact("Sharpe", by("sharpe", 3)), fact("Sharpe, a year", by("sharpe_annual", 2) + (isNone(all.sharpe_annual_lo) ? "" : " (Lo " + fixed(all.sharpe_annual_lo, 2) + ")")),
    fact("Sortino", by("sortino", 3)), fact("Calmar", by("calmar", 2)), fact("P(Sharpe > 0)", by("psr", 3)), fact("Deflated Sharpe", by("dsr", 3)), fact("Least track record", isNone(all.min_track_record) ? "–" : whole.format(Math.ceil(all.min_track_record))),
    fact("Drawdown now", by("drawdown_r", 1, " R") + (isNone(all.drawdown_pct) ? "" : ", " + fixed(all.drawdown_pct, 2) + " %")), fact("Payoff ratio", by("payoff_ratio", 2)), fact("Costs a trade", by("costs_r", 3, " R")), fact("Turnover a day", by("turnover", 2)),
    fact("Decay detector", isNone(all.decay) ? "–" : number(all.decay) + " of " + number(all.decay_limit))), sub("They describe what was, for one look. The evidence, its bounds and the gates are what decides.")];
}
function decisionText({ expected_days_to_decision: days, expected_days_low: low, expected_days_high: high }) {
  return isNone(days) ? "cannot be told" : daysText(days, low, high);
}

function pricePlot({ bars, epic, resolution }, trades, open) {
  if (!bars.length) return none("No bar has closed yet.");
  const mid = (bar, side) => (+bar["bid_" + side] + +bar["offer_" + side]) / 2;
  const times = bars.map(bar => millis(bar.start)), length = millis(bars[0].end) - times[0];
  const ohlc = bars.map(bar => [mid(bar, "open"), mid(bar, "high"), mid(bar, "low"), mid(bar, "close")]);
  // A place between bars is found by time, so that nights and weekends take no room.
  const place = ms => {
    let low = 0, high = times.length;
    while (low < high) { const at = (low + high) >> 1; if (times[at] <= ms) low = at + 1; else high = at; }
    return low === 0 ? -1 : low - 1 + Math.min(1, (ms - times[low - 1]) / length) - .5;
  };
  const shown = trades.map(trade => ({ trade, from: place(millis(trade.opened)), to: place(millis(trade.closed)) })).filter(({ to }) => to >= 0);
  const levels = ohlc.flatMap(([, high, low]) => [high, low]).concat(shown.flatMap(({ trade }) => [+trade.open_level, +trade.close_level]));
  if (open) levels.push(+open.open_level);
  const y = extent(levels, .04);
  const won = shown.filter(({ trade }) => +trade.profit > 0).length;
  const name = epic + ", " + bars.length + " bars of " + resolution + " from " + stamp(bars[0].start) + ", " + plural(shown.length, "trade") + ", " + won + " of them won";
  const nodes = plot({ name, height: 320, count: bars.length, read: i => {
    const [o, h, l, c] = ohlc[i].map(value => +value.toPrecision(8));
    const there = shown.filter(({ from, to }) => from <= i + .5 && to >= i - .5).map(({ trade }) => trade.direction + " " + trade.open_level + " → " + trade.close_level + " (" + trade.reason + ", " + fixed(trade.r, 2, true) + " R)");
    return stamp(bars[i].start) + "  open " + o + "  high " + h + "  low " + l + "  close " + c + (there.length ? "  ·  " + there.slice(0, 3).join("; ") : "");
  }, draw(width, height) {
    const { nodes, atX, atY, inner } = axes(width, height, y, { times });
    const wide = (inner.right - inner.left) / bars.length;
    if (wide >= 2.4) {
      const body = Math.max(1.4, Math.min(9, wide * .62));
      const paths = { up: "", down: "" }, wicks = { up: "", down: "" };
      ohlc.forEach(([o, h, l, c], i) => {
        const side = c >= o ? "up" : "down", x = round1(atX(i)), top = atY(Math.max(o, c)), tall = Math.max(.8, atY(Math.min(o, c)) - top);
        wicks[side] += "M" + x + " " + round1(atY(h)) + "V" + round1(atY(l));
        paths[side] += "M" + round1(x - body / 2) + " " + round1(top) + "h" + round1(body) + "v" + round1(tall) + "h" + -round1(body) + "z";
      });
      for (const side of ["up", "down"]) nodes.push(svg("path", { d: wicks[side], class: "wick " + side }), svg("path", { d: paths[side], class: "candle " + side }));
    } else {
      const high = ohlc.map(([, h], i) => [atX(i), atY(h)]), low = ohlc.map(([, , l], i) => [atX(i), atY(l)]).reverse();
      nodes.push(svg("path", { d: line(high) + line(low).replace("M", "L") + "Z", class: "band" }), svg("path", { d: line(ohlc.map(([, , , c], i) => [atX(i), atY(c)])), class: "price" }));
    }
    const small = shown.length > 120 ? 3 : 4.5;
    for (const { trade, from, to } of shown) {
      const isLong = trade.direction === "long", cls = +trade.profit > 0 ? "won" : "lost", x = atX(Math.max(0, from)), at = atY(+trade.open_level);
      nodes.push(svg("g", { class: "trade " + cls }, svg("line", { x1: round1(x), y1: round1(at), x2: round1(atX(to)), y2: round1(atY(+trade.close_level)) }),
        from >= 0 ? svg("path", { d: "M" + round1(x - small) + " " + round1(at + (isLong ? small : -small)) + "h" + 2 * small + "l" + -small + " " + (isLong ? -2 : 2) * small + "z" }) : "",
        svg("circle", { cx: round1(atX(to)), cy: round1(atY(+trade.close_level)), r: small * .62 })));
    }
    if (open) {
      const x = atX(Math.max(0, place(millis(open.opened)))), at = atY(+open.open_level), up = open.direction === "long";
      nodes.push(rule(x, at, inner.right, at, "open"), svg("path", { d: "M" + round1(x - 5) + " " + round1(at + (up ? 5 : -5)) + "h10l-5 " + (up ? -10 : 10) + "z", class: "opened" }));
      for (const value of [open.stop_level, open.limit_level]) { const yy = atY(+value); if (yy > inner.top && yy < inner.bottom) nodes.push(rule(x, yy, inner.right, yy, "exit")); }
    }
    return { nodes, inner, atX };
  } });
  return [...nodes, el("p", { className: "key" }, key("▲", "", "long"), key("▼", "", "short"), key("", "won", "won"), key("", "lost", "lost"), el("span", { textContent: "mid prices, " + resolution + " bars; " + (shown.length ? plural(shown.length, "trade") + ", " + won + " won" : "no trade in this stretch") }))];
}
const key = (sign, cls, name) => el("span", { className: "mark " + cls }, sign ? sign + " " : "", name);

function equityPlot({ points, trades }, currency) {
  if (!points.length) return none("No trade yet.");
  const times = points.map(point => millis(point.time)), all = [0, ...points.map(point => point.r)], last = points.at(-1);
  const deepest = Math.max(...points.map(point => point.drawdown_r));
  const y = extent(all, .05), yd = [-(deepest || 1) * 1.06, 0];
  const name = plural(trades, "trade") + ": " + fixed(last.r, 2, true) + " R, " + money(last.net_profit) + " " + currency + ", deepest drawdown " + fixed(deepest, 1) + " R";
  return [...plot({ name, height: 250, count: points.length, read: i => {
    const point = points[i];
    return stamp(point.time) + "  trade " + point.trade + "  " + fixed(point.r, 2, true) + " R  " + money(point.net_profit) + " " + currency + "  below its peak " + fixed(point.drawdown_r, 2) + " R";
  }, draw(width, height) {
    const upper = axes(width, height - 92, y, { times, bottom: 4, format: (value, digits) => fixed(value, digits) });
    const lower = axes(width, height, yd, { times, top: height - 84 });
    const step = points.map((point, i) => [upper.atX(i), upper.atY(point.r)]), zero = upper.atY(Math.max(y[0], Math.min(y[1], 0)));
    const fall = points.map((point, i) => [lower.atX(i), lower.atY(-point.drawdown_r)]);
    const close = (path, at) => path && path + "L" + round1(upper.inner.right) + " " + round1(at) + "L" + round1(upper.inner.left) + " " + round1(at) + "Z";
    const one = points.length === 1;
    return { inner: { ...upper.inner, bottom: lower.inner.bottom }, atX: upper.atX, nodes: [...upper.nodes, ...lower.nodes, rule(upper.inner.left, zero, upper.inner.right, zero, "zero"),
      svg("path", { d: close(line(step), zero), class: "fill " + tone(last.r) }), svg("path", { d: line(step), class: "curve " + tone(last.r) }),
      svg("path", { d: close(line(fall), lower.atY(0)), class: "fill down" }), svg("path", { d: line(fall), class: "curve thin down" }),
      one ? svg("circle", { cx: step[0][0], cy: step[0][1], r: 3, class: "dot" }) : "",
      label(upper.inner.left + 6, 18, "cumulated R", "start", "name"), label(upper.inner.left + 6, height - 26, "below its peak, R", "start", "name")] };
  } }), sub("Over " + name + ".")];
}

const basis = ratio => isNone(ratio) ? null : (ratio - 1) * 1e4;
// What a prediction expected for its own side: y_true is inverted for a short, and so is this.
const expected = one => isNone(one.y_pred) ? null : one.signal === "short" ? 1 / one.y_pred : one.y_pred;
function toldPlot(told) {
  const known = told.filter(one => !isNone(one.y_pred));
  if (!known.length) return none(told.length ? "This kind of model predicts a side and no level." : "No prediction yet.");
  const times = known.map(one => millis(one.time)), pred = known.map(one => basis(expected(one))), truth = known.map(one => basis(one.y_true));
  const y = extent([...pred, ...truth.filter(value => value !== null), 0], .05);
  return [...plot({ name: "The last " + known.length + " predictions beside what came, in basis points", height: 226, count: known.length, read: i => {
    const one = known[i];
    return stamp(one.time) + "  predicted " + fixed(pred[i], 2, true) + "  came " + (truth[i] === null ? "not known yet" : fixed(truth[i], 2, true)) + " bp" + (one.acted ? "  traded " + (one.signal || "") : one.abstained ? "  abstained" : "");
  }, draw(width, height) {
    const { nodes, atX, atY, inner } = axes(width, height, y, { times });
    const path = values => line(values.map((value, i) => value === null ? null : [atX(i), atY(value)]));
    return { inner, atX, nodes: [...nodes, rule(inner.left, atY(0), inner.right, atY(0), "zero"), svg("path", { d: path(truth), class: "truth" }), svg("path", { d: path(pred), class: "pred" }),
      known.map((one, i) => one.acted ? svg("circle", { cx: round1(atX(i)), cy: round1(atY(pred[i])), r: 2.6, class: "acted" }) : one.abstained ? rule(atX(i), inner.bottom, atX(i), inner.bottom - 5, "abstained") : "")] };
  } }), el("p", { className: "key" }, el("span", { className: "mark pred", textContent: "y_pred" }), el("span", { className: "mark truth", textContent: "y_true" }), el("span", { textContent: "for its own side (a short inverted), less 1, in basis points; dots: traded; ticks below: abstained" }))];
}
function scatterPlot(told) {
  const dots = told.filter(one => !isNone(one.y_pred) && !isNone(one.y_true)).map(one => ({ one, x: basis(expected(one)), y: basis(one.y_true) }));
  if (!dots.length) return none("No prediction has met its outcome yet.");
  const most = at => Math.max(...dots.map(dot => Math.abs(dot[at]))) * 1.06 || 1, x = most("x"), y = most("y");
  const right = dots.filter(dot => dot.x * dot.y > 0).length, mean = at => dots.reduce((sum, dot) => sum + dot[at], 0) / dots.length, mx = mean("x"), my = mean("y");
  const sum = (f) => dots.reduce((all, dot) => all + f(dot), 0), spread = Math.sqrt(sum(d => (d.x - mx) ** 2) * sum(d => (d.y - my) ** 2));
  const r = spread ? sum(d => (d.x - mx) * (d.y - my)) / spread : null;
  const name = right + " of " + dots.length + " predictions on the side that came (" + percent(right / dots.length) + ")" + (r === null ? "" : ", correlation " + fixed(r, 2));
  return [...plot({ name, height: 226, draw(width, height) {
    const { nodes, atX, atY, inner } = axes(width, height, [-y, y], { x: [-x, x] });
    // Where y_true = y_pred, as far as it lies in the picture.
    const reach = Math.min(x, y);
    return { inner, atX, nodes: [...nodes, rule(inner.left, atY(0), inner.right, atY(0), "zero"), rule(atX(0), inner.top, atX(0), inner.bottom, "zero"), rule(atX(-reach), atY(-reach), atX(reach), atY(reach), "equal"),
      dots.map(dot => svg("circle", { cx: round1(atX(dot.x)), cy: round1(atY(dot.y)), r: dot.one.acted ? 3.2 : 2, class: "pair" + (dot.one.abstained ? " hollow" : dot.x * dot.y > 0 ? " right" : " wrong") }))] };
  } }), sub(name + ". Across y_pred, up y_true, for its own side (a short inverted), in basis points; large: traded; hollow: abstained.")];
}
function nearPlot(told, near) {
  const known = told.filter(one => !isNone(one.distance));
  const tail = near ? facts(fact("Largest distance", number(near.max_distance)), fact("Abstained", whole.format(near.abstentions) + " of " + whole.format(near.predictions)), fact("Share", percent(near.share)), fact("In training", percent(near.training_share))) : null;
  if (!known.length) return [none(near ? "No distance recorded yet." : "This kind of model looks at no neighbours, so that none is too far."), tail];
  const times = known.map(one => millis(one.time)), gate = near ? near.max_distance : null;
  const y = extent([0, ...known.map(one => one.distance), ...(gate === null ? [] : [gate])], .05);
  y[0] = 0;
  const far = known.filter(one => one.abstained).length;
  return [...plot({ name: "Mean distance to the neighbours of the last " + known.length + " predictions, " + far + " abstained", height: 168, count: known.length, read: i => stamp(known[i].time) + "  distance " + number(known[i].distance) + (known[i].abstained ? "  abstained" : ""), draw(width, height) {
    const { nodes, atX, atY, inner } = axes(width, height, y, { times, format: value => number(value) });
    return { inner, atX, nodes: [...nodes, gate === null ? "" : [rule(inner.left, atY(gate), inner.right, atY(gate), "gate"), label(inner.right, atY(gate) - 4, "gate", "end", "name")],
      known.map((one, i) => svg("circle", { cx: round1(atX(i)), cy: round1(atY(one.distance)), r: 2, class: "near" + (one.abstained ? " hollow" : "") }))] };
  } }), tail];
}
function gateTable(gates) {
  const bar = gate => {
    if (isNone(gate.value) || isNone(gate.limit) || gate.limit <= 0 || gate.verdict === "pass") return "";
    const share = Math.max(0, Math.min(1, gate.value < gate.limit ? gate.value / gate.limit : gate.limit / gate.value));
    return svg("svg", { class: "meter", viewBox: "0 0 100 4", preserveAspectRatio: "none", "aria-hidden": "true" }, svg("rect", { width: 100, height: 4, class: "track" }), svg("rect", { width: round1(share * 100), height: 4, class: "part" }));
  };
  const sign = { pass: "✓ pass", fail: "✗ fail", unknown: "? unknown" };
  return [el("div", { className: "gates" }, table("Gates", [["Gate"], ["Value", 1], ["Limit", 1], ["Missing", 1], ["Verdict"]], gates.gates.map(gate => [
    el("div", { title: GATES[gate.gate] || "" }, gate.gate, el("small", { textContent: GATES[gate.gate] || "" }), bar(gate)),
    number(gate.value), isNone(gate.limit) ? "off" : number(gate.limit), gate.verdict === "pass" ? "" : number(gate.missing), [sign[gate.verdict], { pass: "up", fail: "down", unknown: "none" }[gate.verdict]]]))),
    sub(isNone(gates.expected_days_to_decision) ? "When a decision comes cannot be told; at the present mean it may never come." : "At the present rate and mean a decision comes in " + decisionText(gates) + ".")];
}
function lineage(about) {
  const { lineage: from } = about, hash = value => el("code", { title: value, textContent: value.slice(0, 12) + "…" });
  const steps = [["This candidate", el("span", {}, "content ", hash(about.content_hash))]];
  if (from) {
    steps.push(["Version of the registry", el("span", {}, from.reference, " (" + from.kind + "), artefact ", hash(from.artefact))]);
    steps.push(["Trained on", from.symbol + " in bars of " + from.bar + ", " + plural(from.horizon_bars, "bar") + " ahead; card " + from.card]);
    for (const set of from.data) steps.push(["Data set", el("span", {}, set.name + ", " + set.range + ", SHA-256 ", hash(set.sha256))]);
  }
  return [el("ol", { className: "chain" }, steps.map(([name, what]) => el("li", {}, el("b", { textContent: name }), el("div", {}, what)))),
    from ? "" : sub("A rule: its parameters are all that it is, and it was trained on nothing.")];
}
function tradeTable(trades, currency) {
  if (!trades.length) return none("No trade yet.");
  return table("Closed trades, newest first", [["Closed"], ["Side"], ["Entry", 1], ["Exit", 1], ["Why"], ["Profit, " + currency, 1], ["R", 1], ["y_pred", 1], ["y_true", 1], ["Deal"]],
    trades.slice(-TRADES_LISTED).reverse().map(trade => [stamp(trade.closed), trade.direction, level(trade.open_level), level(trade.close_level), trade.reason, [money(trade.profit), tone(trade.profit)], fixed(trade.r, 2, true), fixed(trade.y_pred, 5), fixed(trade.y_true, 5), [trade.deal_id, "none"]]));
}
