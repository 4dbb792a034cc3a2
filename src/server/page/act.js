// What an operator may do: each with a reason, a second look, and the token.
let token = "";
const ACTS = {
  halt: { name: "Halt dealing", path: "halt", isGrave: true, done: "Live dealing is halted",
    what: () => { const open = openDeals(); return "Closes " + (open ? plural(open, "open live position") : "whatever is open at the broker") + " and stops live dealing. Paper goes on untouched, and so does everybody's evidence."; } },
  resume: { name: "Resume dealing", path: "resume", done: "Live dealing goes on", what: () => "Lets live dealing go on" + (board.desk && board.desk.reason ? ", which stands still because: " + board.desk.reason : "") + ". The arena refuses while the reason still stands." },
  promote: { name: "Promote", done: "promoted", what: (row, gates) => { const missed = missing(gates); return missed.length ? "It misses " + missed.join(", ") + ". The arena refuses, unless you override its gates; the mark of that stays for ever." : "It passed every gate. It begins to trade for real at the first step of the ramp."; }, canOverride: true },
  demote: { name: "Demote", done: "demoted", what: () => "Takes it back to the shadow: its live positions are closed, and its evidence begins anew." },
  retire: { name: "Retire", done: "retired", isGrave: true, word: "retire", what: () => "Ends it for good; its record stays and counts among the trials. This cannot be undone." },
};
const openDeals = () => (board.desk ? board.desk.trades : []).filter(deal => ["open", "sent", "unknown"].includes(deal.status)).length;
const missing = gates => gates ? gates.gates.filter(gate => gate.verdict !== "pass").map(gate => gate.gate) : [];

function actions(host, row, gates) {
  const may = { promote: ["warming", "shadow", "eligible"].includes(row.state), demote: row.state === "live", retire: row.state !== "retired" };
  for (const act of ["promote", "demote", "retire"]) {
    let button = host.querySelector("[data-act=" + act + "]");
    if (!button) {
      button = el("button", { type: "button", textContent: ACTS[act].name + "…", className: ACTS[act].isGrave ? "danger" : "" });
      button.dataset.act = act;
      button.addEventListener("click", () => confirmAct(act, model.data.about.row, model.data.gates));
      host.append(button);
    }
    show(button, may[act]);
  }
}
function confirmAct(act, row, gates) {
  const { name, what, word, canOverride, isGrave, done } = ACTS[act], box = $("ask"), opener = document.activeElement;
  const misses = act === "promote" ? missing(gates) : [];
  const reason = el("textarea", { id: "a-reason", rows: 2, required: true, maxLength: 1000 });
  const override = canOverride && misses.length ? el("input", { type: "checkbox", id: "a-override" }) : null;
  const typed = el("input", { id: "a-word", autocomplete: "off", spellcheck: false, autocapitalize: "off" });
  const key = el("input", { type: "password", id: "a-token", autocomplete: "off", value: token, required: true });
  const problem = el("p", { className: "problem", role: "alert", hidden: true });
  const go = el("button", { type: "submit", textContent: row ? name + " it" : name, className: isGrave ? "danger solid" : "solid" });
  const cancel = el("button", { type: "button", textContent: "Cancel" });
  const asked = () => word || (override && override.checked ? "override" : null);
  const typedRow = el("div", { className: "field" }, el("label", { htmlFor: "a-word" }), typed);
  const sayWord = () => { const needed = asked(); show(typedRow, Boolean(needed)); typedRow.firstChild.textContent = needed ? "Type “" + needed + "” to confirm" : ""; };
  if (override) override.addEventListener("change", sayWord);
  sayWord();
  const form = el("form", { noValidate: true },
    el("h2", { id: "a-title" }, name + (row ? " " : "?"), row ? el("span", {}, breakable(row.model), "?") : ""),
    el("p", { id: "a-what", textContent: what(row, gates) }),
    el("div", { className: "field" }, el("label", { htmlFor: "a-reason", textContent: "Reason, for the record" }), reason),
    override ? el("div", { className: "check" }, override, el("label", { htmlFor: "a-override", textContent: "Override the gates that it misses" })) : "",
    typedRow,
    el("div", { className: "field" }, el("label", { htmlFor: "a-token", textContent: "Token" }), key, el("small", { id: "a-hint", textContent: "ARENA_TOKEN, or the content of arena.token in the data folder. This page forgets it when it is closed or loaded again." })),
    problem, el("div", { className: "buttons" }, cancel, go));
  key.setAttribute("aria-describedby", "a-hint");
  const complain = (sentence, field) => { problem.hidden = false; text(problem, sentence); if (field) { field.setAttribute("aria-invalid", "true"); field.focus(); } };
  form.addEventListener("submit", async event => {
    event.preventDefault();
    problem.hidden = true;
    for (const field of [reason, typed, key]) field.removeAttribute("aria-invalid");
    if (!reason.value.trim()) return complain("A reason is needed: it goes into the record.", reason);
    const needed = asked();
    if (needed && typed.value.trim().toLowerCase() !== needed) return complain("Type “" + needed + "” to confirm.", typed);
    if (!key.value.trim()) return complain("The token is needed.", key);
    go.disabled = true;
    try {
      const path = row ? "models/" + encodeURIComponent(row.model) + "/" + act : ACTS[act].path, body = { reason: reason.value.trim() };
      if (override && override.checked) body.override = true;
      const answer = await fetch("/api/v1/" + path, { method: "POST", headers: { "Authorization": "Bearer " + key.value.trim(), "Content-Type": "application/json" }, body: JSON.stringify(body) });
      const told = await answer.json();
      if (answer.status === 401) token = "";
      if (!answer.ok) return complain(told.error, answer.status === 401 ? key : null);
      token = key.value.trim();
      box.close();
      toast([row ? row.model + " is " + done : done, ...(told.notes || [])].join(". ") + ".");
      if (route().view === "model") loadModel();
      loadHistory();
    } catch (error) {
      complain("The arena does not answer: " + String(error.message || error));
    } finally { go.disabled = false; }
  });
  cancel.addEventListener("click", () => box.close());
  box.onclose = () => { box.replaceChildren(); if (opener && opener.isConnected && !opener.hidden) opener.focus(); else document.querySelector(".view:not([hidden]) [tabindex='-1']")?.focus(); };
  box.replaceChildren(form);
  box.showModal();
  reason.focus();
}
$("halt").addEventListener("click", () => confirmAct("halt"));
$("resume").addEventListener("click", () => confirmAct("resume"));
