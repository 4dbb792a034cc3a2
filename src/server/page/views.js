// Dealing (champions beside their twins), history (decisions and their records), feed (health and gaps).
const PARTS = ["delay", "spread", "slippage", "rejection", "funding", "sizing", "rounding"];
const WHY = {
  delay: "the market moved between the paper fill and the live one", spread: "another spread at the live fill", slippage: "a fill further from the quote",
  rejection: "only one of the two traded", funding: "other overnight charges", sizing: "another size than on paper", rounding: "left over by rounding",
};

// Live less paper, split: bars to the left cost money.
function splitBars(parts, currency) {
  const values = PARTS.filter(name => !isNone(parts[name]) && (+parts[name] !== 0 || name !== "rounding")).map(name => [name, +parts[name]]);
  const most = Math.max(...values.map(([, value]) => Math.abs(value)), 1e-9);
  return el("table", { className: "plain split" }, el("caption", { className: "hide", textContent: "Live less paper by part, in " + currency }),
    el("thead", { className: "hide" }, el("tr", {}, ["Part", "Bar", "Amount", "What it is"].map(name => el("th", { scope: "col", textContent: name })))),
    el("tbody", {}, values.map(([name, value]) => el("tr", {},
      el("th", { scope: "row", textContent: name }),
      el("td", {}, svg("svg", { class: "split-bar", viewBox: "-50 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" }, svg("line", { x1: 0, x2: 0, y1: 0, y2: 10, class: "zero" }), svg("rect", { x: value < 0 ? round1(value / most * 48) : 0, width: round1(Math.abs(value) / most * 48), y: 1.5, height: 7, class: tone(value) }))),
      el("td", { className: "num " + tone(value), textContent: money(value) }), el("td", { className: "why", textContent: WHY[name] })))));
}
function shortfallBlock(all, currency) {
  if (!all) return none("The split of the shortfall: none yet. It is told for each live trade once both it and its twin are over.");
  const took = (live, paper, unit) => (isNone(live) ? "–" : number(live) + unit) + (isNone(paper) ? "" : ", on paper " + number(+paper) + unit);
  return [facts(fact("Live less paper, " + currency, money(all.total.whole), tone(all.total.whole)), fact("Trades in it", whole.format(all.trades)), fact("Entry after", took(all.delay_seconds, all.paper_delay_seconds, " s"), "", "wide"), fact("Slippage, in price", took(all.slippage, all.paper_slippage, ""), "", "wide")),
    splitBars(all.total, currency)];
}
function dealTable(deals, currency, withModel) {
  const heads = [["Opened"], ["Side"], ["Size", 1], ["Entry", 1], ["Exit", 1], ["Ended by"], ["Live, " + currency, 1], ["Paper", 1], ["Shortfall", 1], ["Of it most"]];
  if (withModel) heads.splice(1, 0, ["Model"]);
  return table("Live trades beside their paper twins, newest first", heads, deals.map(deal => {
    const largest = deal.shortfall ? PARTS.map(name => [name, +deal.shortfall[name]]).sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]))[0] : null;
    const cells = [stamp(deal.opened), deal.direction, deal.size, level(deal.open_level), level(deal.close_level), deal.reason || deal.status, [money(deal.profit), tone(deal.profit)], [money(deal.twin_profit), tone(deal.twin_profit)],
      [deal.shortfall ? money(deal.shortfall.whole) : "–", deal.shortfall ? tone(deal.shortfall.whole) : "none"], largest && largest[1] ? largest[0] : "–"];
    if (withModel) cells.splice(1, 0, [link(deal.model, split(deal.model)[0]), "model"]);
    return cells;
  }));
}
function breakTable(breaks) {
  return table("Where the books differed, newest first", [["Time"], ["Name"], ["What"], ["Now"]], breaks.slice().reverse().map(found => [stamp(found.time), words(found.kind), [found.text, "wrap"], [found.is_mended ? "mended" : "dealing halted", found.is_mended ? "up" : "down"]]));
}
function twin(live, all, breaks, currency) {
  if (!live.length && !all) return none("It has not traded live. Once it is promoted, each live trade stands here beside that of its paper twin, with what lies between them: delay, spread, slippage, rejection, funding, sizing.");
  const closed = live.filter(deal => deal.status === "closed"), sum = key => closed.reduce((total, deal) => total + (+deal[key] || 0), 0);
  return [el("div", { className: "two" }, el("div", {}, shortfallBlock(all, currency)), el("div", {},
      facts(fact("Live, listed", money(sum("profit")), tone(sum("profit"))), fact("Paper twin", money(sum("twin_profit")), tone(sum("twin_profit"))), fact("Closed", whole.format(closed.length)), fact("Open", whole.format(live.length - closed.length))),
      live.length ? dealTable(live, currency, false) : none("No live trade is listed any more."))),
    breaks && breaks.length ? [el("h4", { textContent: "Where the books differed" }), breakTable(breaks)] : ""];
}

const dealing = { parts: null };
function openDealing() {
  dealing.parts = { state: part("w12", "d-state", "State of live dealing"), twins: part("w12", "d-twins", "Champions beside their paper twins"), deals: part("w12", "d-deals", "Live trades"), breaks: part("w12", "d-breaks", "Differences between our book and the broker's") };
  $("v-dealing").replaceChildren(el("h2", { id: "h-dealing", tabIndex: -1, textContent: "Dealing" }), el("div", { className: "grid" }, Object.values(dealing.parts)));
  fillDealing();
}
function fillDealing() {
  const { parts } = dealing, { desk } = board;
  if (!parts || !desk || route().view !== "dealing") return;
  const money_ = currency(), champions = [...rows.values()].filter(row => row.state === "live").sort((a, b) => a.rank - b.rank);
  parts.state.fill([desk.state, desk.reason, desk.day_profit, desk.net_profit, desk.halted_by, champions.map(row => row.model)], () => [
    facts(fact("State", el("span", { className: "state " + desk.state, textContent: words(desk.state) })), fact("Day profit, " + money_, money(desk.day_profit), tone(desk.day_profit)), fact("Since the beginning, " + money_, money(desk.net_profit), tone(desk.net_profit)),
      fact("Champions", champions.length ? whole.format(champions.length) : "none")),
    champions.length ? el("ul", { className: "champions" }, champions.map(row => el("li", {}, link(row.model), " ", el("span", { className: "none", textContent: row.epic })))) : "",
    desk.reason ? sub("Halted: " + desk.reason) : "", desk.halted_by ? sub("The books differ: " + words(desk.halted_by)) : ""]);
  const shortfalls = desk.shortfalls || [];
  parts.twins.fill(shortfalls, () => shortfalls.length ? shortfalls.map(all => el("div", { className: "champion" }, el("h4", {}, link(all.model)), shortfallBlock(all, money_))) : none("None yet: no live trade and its paper twin are both over."));
  parts.deals.fill(desk.trades, () => desk.trades.length ? dealTable(desk.trades, money_, true) : none("No live position, and none closed yet."));
  const breaks = desk.breaks || [];
  parts.breaks.fill(breaks, () => breaks.length ? breakTable(breaks) : none("None: whenever they were compared, the books were equal."));
}

// Decisions in short; behind each its record's hashes.
function decisionTable(decisions, caption, withModel) {
  if (!decisions.length) return none("Nothing has been decided yet.");
  const heads = [["No", 1], ["Time, UTC"], ["Decision"], ["Change"], ["Why"], ["By"], ["Episodes", 1], ["Record"]];
  if (withModel) heads.splice(2, 0, ["Model"]);
  return table(caption + ", newest first", heads, decisions.slice().reverse().map(one => {
    const change = one.to && one.from && one.from !== one.to ? el("span", {}, one.from + " → ", stateTag(one.to)) : one.to ? stateTag(one.to) : "–";
    const record = el("details", {}, el("summary", { textContent: one.hash.slice(0, 8) + (one.is_signed ? " signed" : ""), "aria-label": "audit record " + one.seq }),
      el("p", {}, "hash ", el("code", { textContent: one.hash })), el("p", {}, "before it ", el("code", { textContent: one.prev })),
      one.missed.length ? el("p", { textContent: "gates missed then: " + one.missed.join(", ") }) : "");
    const cells = [String(one.seq), stamp(one.time), words(one.kind), change, [one.reason, "wrap"], one.by, one.episodes === null ? "–" : whole.format(one.episodes), record];
    if (withModel) cells.splice(2, 0, [one.model ? link(one.model) : "all", "model"]);
    return cells;
  }));
}
const history_ = { part: null, seen: 0 };
async function openHistory() {
  history_.part = part("w12 bare", "t-all", "Decisions");
  $("v-history").replaceChildren(el("h2", { id: "h-history", tabIndex: -1, textContent: "History" }),
    sub("Every change of a model's life is one audit record, chained to the one before by its hash. “arena audit verify” proves the chain; “arena audit export” writes all of it."), history_.part);
  await loadHistory();
}
async function loadHistory() {
  if (!history_.part || route().view !== "history") return;
  try {
    const decisions = await ask("decisions?last=300");
    history_.part.fill(decisions, () => decisionTable(decisions, "Decisions", true));
  } catch (error) { history_.part.fill(String(error), () => none(String(error.message || error))); }
}

const feed = { parts: null, gaps: null, rate: null, seen: null, changed: null };
function openFeed() {
  feed.parts = { health: part("w12", "f-health", "Health"), gaps: part("w8", "f-gaps", "Gaps"), bad: part("w4", "f-bad", "Refused quotes"), bars: part("w4", "f-bars", "Bars"), notes: part("w8", "f-notes", "What else happened to the session") };
  $("v-feed").replaceChildren(el("h2", { id: "h-feed", tabIndex: -1, textContent: "Feed" }), el("div", { className: "grid" }, Object.values(feed.parts)));
  fillFeed();
  loadFeed();
}
async function loadFeed() {
  try { feed.gaps = await ask("feed?last=200"); } catch { feed.gaps = null; }
  brief();
  fillFeed();
}
function fillFeed() {
  const { parts } = feed, { health } = board;
  if (!parts || !health || route().view !== "feed") return;
  const state = feedState();
  parts.health.fill([health, state.word, Math.round(feed.rate || 0), Math.round(state.silence / 5000)], () => facts(
    fact("Feed", el("span", { className: "state " + state.cls, textContent: state.word })), fact("Quotes", whole.format(health.quotes)), fact("A second", isNone(feed.rate) ? "–" : short(Math.round(feed.rate))),
    fact("Last quote", health.to ? stamp(health.to) + " UTC" : "–"), fact("First quote", health.from ? stamp(health.from) + " UTC" : "–"),
    fact("Rounds", whole.format(health.rounds)), fact("Last round took", health.rounds ? (health.round_micros / 1000).toFixed(1) + " ms" : "–"),
    fact("Store", health.is_recording ? "records" : "does not record" + (health.fault ? ": " + health.fault : ""), health.is_recording ? "" : "down")));
  const bad = health.bad_quotes.filter(([, n]) => n), all = health.quotes + bad.reduce((sum, [, n]) => sum + n, 0);
  parts.bad.fill(health.bad_quotes, () => bad.length ? table("Refused quotes by kind", [["Kind"], ["Quotes", 1], ["Share", 1]], bad.map(([kind, n]) => [words(kind), whole.format(n), (100 * n / all).toPrecision(2) + " %"])) : none("None: every quote was good."));
  parts.bars.fill(health.bars, () => health.bars.length ? table("Closed bars by stream", [["Market"], ["Length"], ["Bars", 1]], health.bars.map(([epic, length, n]) => [epic, length, whole.format(n)])) : none("No bar has closed yet."));
  const view = feed.gaps;
  parts.gaps.fill(view && [view.gaps, view.since], () => {
    if (!view) return none("The gaps could not be read.");
    const since = view.since ? "since " + stamp(view.since) + " UTC" : "since the session began";
    return [view.gaps.length ? table("Gaps, newest first", [["From, UTC"], ["To"], ["Length", 1], ["Markets"], ["Why"]], view.gaps.slice().reverse().map(gap => [stamp(gap.from), stamp(gap.to).slice(11), lasting(millis(gap.to) - millis(gap.from)), [gap.epics.join(", "), "wrap"], [gap.reason, "wrap"]])) : none("No gap " + since + "."),
      view.gaps.length ? sub(plural(view.gaps.length, "gap") + " " + since + ". No bar that a gap touches counts.") : ""];
  });
  parts.notes.fill(view && view.notes, () => !view || !view.notes.length ? none("Nothing else.") : table("Events of the session, newest first", [["Time, UTC"], ["Kind"], ["What"]], view.notes.slice().reverse().map(note => [stamp(note.time), words(note.kind), [note.text, "wrap"]])));
}
const currency = () => { for (const row of rows.values()) return row.currency; return ""; };
