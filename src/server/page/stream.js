// The head with its three sentences, the ways between views, and the stream of events behind all of it.
const VIEWS = { board: "Leaderboard", dealing: "Dealing", history: "History", feed: "Feed" };
function route() {
  const hash = location.hash.replace(/^#\/?/, "");
  if (hash.startsWith("model/")) {
    try { return { view: "model", name: decodeURIComponent(hash.slice(6)) }; } catch { return { view: "board" }; }
  }
  return { view: hash in VIEWS && hash !== "board" ? hash : "board" };
}
let scrolled = 0, before = null;
function go() {
  const { view: to, name } = route(), was = before;
  if (was === "board") scrolled = lastScroll;
  before = to;
  for (const node of document.querySelectorAll(".view")) show(node, node.id === "v-" + to);
  for (const a of $("nav").children) a.getAttribute("href") === (to === "board" || to === "model" ? "#/" : "#/" + to) ? a.setAttribute("aria-current", to === "model" ? "true" : "page") : a.removeAttribute("aria-current");
  if (to === "model") openModel(name); else { clearTimeout(model.timer); model.name = null; }
  if (to === "dealing") openDealing();
  if (to === "history") openHistory();
  if (to === "feed") openFeed();
  document.body.dataset.view = to;
  titled();
  if (to === "board") { measure(); refresh(); scrollTo(0, was && was !== "board" ? scrolled : 0); paint(); } else scrollTo(0, 0);
  if (was === null) return;
  // A reader hears where it is; coming back to the board one stands on the row that one came from.
  if (to === "board") { const tr = pool.find(row => row.place === current); (tr ? tr.slots[1].firstChild : $("h-board")).focus({ preventScroll: true }); }
  else $("h-" + to)?.focus({ preventScroll: true });
}
let lastScroll = 0;
addEventListener("scroll", () => { if (!$("v-board").hidden) lastScroll = scrollY; }, { passive: true });
addEventListener("hashchange", go);
function titled() {
  const { view: to, name } = route(), title = (to === "model" ? name : VIEWS[to]) + " · " + board.arena + " · arena";
  if (document.title !== title) document.title = title;
}

// ---- the three sentences ------------------------------------------------------------------------------------------
let leader = { name: null, gates: null, at: 0, isAsking: false };
async function askLeader() {
  const first = leading();
  if (!first || leader.isAsking || (leader.name === first.model && performance.now() - leader.at < 4000)) return;
  leader.isAsking = true;
  try { leader = { name: first.model, gates: await askModel(first.model, "/explain"), at: performance.now(), isAsking: false }; }
  catch { leader = { name: first.model, gates: null, at: performance.now(), isAsking: false }; }
  brief();
}
const leading = () => { let best = null; for (const row of rows.values()) if (!["retired", "suspended"].includes(row.state) && (!best || row.rank < best.rank)) best = row; return best; };
// Rewritten only where the words differ, so that focus and selection stay.
function sentence(id, cls, pieces) {
  const node = $(id), said = pieces.map(piece => typeof piece === "string" ? piece : piece.model).join("") + cls;
  if (node.said === said) return;
  const hadFocus = node.contains(document.activeElement);
  node.said = said;
  node.className = cls;
  node.lastElementChild.replaceChildren(...pieces.map(piece => typeof piece === "string" ? piece : link(piece.model)));
  if (hadFocus) node.querySelector("a")?.focus({ preventScroll: true });
}
function gateWords(gate) {
  const name = gate.gate.replace(/^G\d+ /, "");
  if (isNone(gate.value)) return name + " (not known yet)";
  return name + " (" + number(gate.value) + (isNone(gate.limit) ? "" : " of " + number(gate.limit)) + ")";
}
function brief() {
  askLeader();
  const first = leading();
  if (!board.known) return;
  if (!first) {
    sentence("b-lead", "wait", ["No model yet: the first bar has not closed."]);
    sentence("b-live", "wait", ["Nobody is promoted: nobody has traded yet."]);
  } else {
    const where = isNone(first.mean_r) ? [" leads without an episode yet."] : [" leads with " + fixed(first.mean_r, 2, true) + " R a trade over " + plural(first.episodes, "episode") +
      (isNone(first.lcb95_r) || isNone(first.ucb95_r) ? "" : ", with 95 % confidence between " + fixed(first.lcb95_r, 2, true) + " and " + fixed(first.ucb95_r, 2, true)) +
      (isNone(first.progress) ? "." : first.progress >= 1 ? "; its evidence is past the gate." : "; " + percent(Math.max(0, first.progress)) + " of the way to the gate.")];
    sentence("b-lead", first.lcb95_r > 0 ? "good" : "wait", [{ model: first.model }, ...where]);
    why(first);
  }
  const state = feedState();
  sentence("b-feed", state.cls === "live" ? "good" : state.cls === "suspended" ? "bad" : "wait", [state.sentence]);
}
function why(first) {
  const halted = board.desk && board.desk.state === "halted";
  const live = [...rows.values()].filter(row => row.state === "live").sort((a, b) => a.rank - b.rank), ready = [...rows.values()].filter(row => row.state === "eligible").sort((a, b) => a.rank - b.rank);
  if (live.length) {
    const since = board.lifecycle.findLast(change => change.model === live[0].model && change.to === "live");
    const says = [{ model: live[0].model }, (live.length > 1 ? " and " + plural(live.length - 1, "other") + " trade" : " trades") + " live" + (since ? " since " + clock(since.time) : "") + "; today " + money(board.desk && board.desk.day_profit) + " " + currency() + " so far" + (halted ? ". Dealing is halted: " + (board.desk.reason || "no reason given") : "") + "."];
    if (ready.length) says.push(" " + plural(ready.length, "model") + " passed every gate and " + (ready.length === 1 ? "waits." : "wait."));
    return sentence("b-live", halted ? "bad" : "good", says);
  }
  if (ready.length) return sentence("b-live", halted ? "bad" : "good", ["Nobody trades live yet. ", { model: ready[0].model }, " passed every gate and waits to be promoted" + (halted ? ", but dealing is halted: " + (board.desk.reason || "no reason given") : "") + "."]);
  const { gates, name } = leader, missed = gates && name === first.model ? gates.gates.filter(gate => gate.verdict !== "pass") : null;
  if (!missed) return sentence("b-live", "wait", ["Nobody is promoted: nobody has passed every gate."]);
  if (!missed.length) return sentence("b-live", "wait", ["Nobody is promoted yet: the leader passes every gate, and has to go on doing so for a few episodes."]);
  const few = missed.slice(0, missed.length > 3 ? 2 : 3).map(gateWords);
  if (missed.length > 3) few.push(missed.length - 2 + " more");
  const told = few.length > 1 ? few.slice(0, -1).join(", ") + " and " + few.at(-1) : few[0];
  const days = gates.expected_days_to_decision;
  sentence("b-live", halted ? "bad" : "wait", ["Nobody is promoted: the leader passes " + (gates.gates.length - missed.length) + " of " + gates.gates.length + " gates and still misses " + told + ". " +
    (isNone(days) ? "At its present mean a decision never comes." : "A decision is likely in " + decisionText(gates) + ".") + (halted ? " Dealing is halted: " + (board.desk.reason || "no reason given") + "." : "")]);
}
const SILENT_MS = 60000;
function feedState() {
  const { health } = board;
  if (!health) return { word: "unknown", cls: "warming", sentence: "Nothing is known of the feed yet.", silence: 0 };
  const bad = health.bad_quotes.reduce((sum, [, n]) => sum + n, 0), gaps = feed.gaps ? feed.gaps.gaps : null, last = gaps && gaps.at(-1);
  // Where quotes carry the present time, their own time tells how old they are; elsewhere what this page has seen.
  const seen = isNone(feed.changed) ? 0 : performance.now() - feed.changed, age = health.to ? Date.now() - millis(health.to) : -1;
  const silence = age > 0 && age < 7 * 864e5 ? Math.max(seen, age) : seen;
  const tail = (gaps ? gaps.length ? "; " + plural(gaps.length, "gap") + ", the last from " + clock(last.from) + " for " + lasting(millis(last.to) - millis(last.from)) : "; no gap" : "") + "; " + (bad ? whole.format(bad) + " of " + short(health.quotes + bad) + " quotes refused." : "no quote refused.");
  if (!health.is_recording) return { word: "not recorded", cls: "suspended", sentence: "Not recorded: the store does not record" + (health.fault ? ", " + health.fault : "") + ".", silence };
  if (board.done) return { word: "ended", cls: "retired", sentence: "Ended: the feed came to its end" + tail, silence };
  if (!health.quotes) return { word: "waiting", cls: "warming", sentence: "Waiting for the first quote.", silence };
  if (lost) return { word: "not seen", cls: "suspended", sentence: "Not seen: this page has lost its connection to the arena.", silence };
  if (silence > SILENT_MS) return { word: "silent", cls: "suspended", sentence: "Silent: no quote for " + lasting(Math.round(silence / 10000) * 10000) + tail, silence };
  const pace = isNone(feed.rate) ? "" : ": " + (feed.rate >= 10 ? short(+feed.rate.toPrecision(2)) : feed.rate >= 1 ? "a few" : "less than one") + " quotes a second";
  return { word: "healthy", cls: "live", sentence: "Healthy" + pace + tail, silence };
}
function head() {
  text($("arena"), board.arena); titled();
  text($("time"), board.time ? stamp(board.time) + " UTC" + (board.done ? ", feed ended" : "") : board.known ? "no bar yet" : "connecting…");
  const { desk, health } = board, halted = desk && desk.state === "halted";
  if (desk) text($("dealing"), desk.state ? "Dealing: " + words(desk.state) + (openDeals() ? ", " + openDeals() + " open" : "") : "");
  show($("halt"), Boolean(desk) && !halted); show($("resume"), Boolean(halted));
  const faults = [];
  if (halted) faults.push("Live dealing is halted" + (desk.reason ? ": " + desk.reason : "."));
  if (health && !health.is_recording) faults.push("The store does not record" + (health.fault ? ": " + health.fault : "."));
  if (health && health.notify_fault) faults.push("Notifications do not go out: " + health.notify_fault);
  const alarm = faults.join(" · ");
  if ($("alarm").textContent !== alarm) { text($("alarm"), alarm); if (alarm) say(alarm); }
  show($("alarm"), faults.length > 0);
  brief();
}

// ---- the stream ---------------------------------------------------------------------------------------------------
let isDirty = false, lost = false;
function apply(event) {
  if (event.full) { rows.clear(); board.lifecycle = []; feed.seen = null; }
  for (const id of event.gone || []) rows.delete(id);
  for (const patch of event.rows || []) {
    const row = rows.get(patch.id) || { version: 0 };
    if (row.state && patch.state && patch.state !== row.state) say(row.model + " is now " + patch.state);
    Object.assign(row, patch);
    row.version++;
    if (!row.find || patch.model || patch.ticket) row.find = (row.model + " " + row.epic + " " + row.ticket).toLowerCase();
    rows.set(patch.id, row);
  }
  for (const key of ["arena", "time", "done", "health", "desk"]) if (key in event) board[key] = event[key];
  if (event.health) {
    const now = performance.now(), { quotes } = event.health;
    if (feed.changed === null || (feed.seen && quotes !== feed.seen.quotes)) feed.changed = now;
    if (!feed.seen) feed.seen = { at: now, quotes };
    else if (now - feed.seen.at > 2000) {
      const fresh = (quotes - feed.seen.quotes) * 1000 / (now - feed.seen.at);
      feed.rate = feed.rate === null ? fresh : feed.rate * .6 + fresh * .4;
      feed.seen = { at: now, quotes };
    }
  }
  if (event.lifecycle) { board.lifecycle = board.lifecycle.concat(event.lifecycle).slice(-200); if (!event.full) loadHistory(); }
  board.known = true;
  if (isDirty) return;
  isDirty = true;
  requestAnimationFrame(() => {
    isDirty = false;
    head();
    if (!$("v-board").hidden) refresh();
    fillDealing(); fillFeed(); freshenModel();
    const root = document.documentElement;
    root.dataset.events = String(+(root.dataset.events || 0) + 1);
  });
}
let wait = 1000;
function connect() {
  const stream = new EventSource("/api/v1/events");
  stream.addEventListener("open", () => { wait = 1000; if (lost) say("Connected again"); lost = false; show($("lost"), false); $("pulse").className = "on"; brief(); });
  stream.addEventListener("board", event => apply(JSON.parse(event.data)));
  stream.addEventListener("error", () => {
    $("pulse").className = "off";
    const told = board.known ? "Connection lost, trying again. What stands below is from " + (board.time ? stamp(board.time) + " UTC." : "before.") : "The arena does not answer; trying again.";
    if (!lost) say("Connection lost");
    lost = true;
    text($("lost"), told); show($("lost"), true);
    brief();
    // A stream that was refused is not tried again by the browser.
    if (stream.readyState === EventSource.CLOSED) { setTimeout(connect, wait); wait = Math.min(15000, wait * 2); }
  });
}
setInterval(() => { brief(); fillFeed(); }, 5000);
setInterval(loadFeed, 30000);
measure();
head();
go();
connect();
loadFeed();
