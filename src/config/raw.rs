//! The table of every key: what is known, what it defaults to, and the source of `docs/CONFIG.md`.

/// One key of `arena.toml`.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its table: `arena`, `markets[]`, `models[].params`.
    pub table: &'static str,
    /// Its name in that table.
    pub name: &'static str,
    /// The type in words.
    pub kind: &'static str,
    /// The unit, or nothing.
    pub unit: &'static str,
    /// What is accepted.
    pub range: &'static str,
    /// What holds where the key is not written.
    pub default: Otherwise,
    /// What it does.
    pub meaning: &'static str,
}

/// What holds where a key is not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// The key has to be written.
    Required,
    /// Nothing; the text says what that means.
    Nothing(&'static str),
    /// This value, as TOML.
    Value(&'static str),
    /// This value, as TOML; nothing else is accepted until the named part is built.
    Unbuilt(&'static str, &'static str),
}

const fn key(
    table: &'static str,
    name: &'static str,
    kind: &'static str,
    unit: &'static str,
    range: &'static str,
    default: Otherwise,
    meaning: &'static str,
) -> Key {
    Key { table, name, kind, unit, range, default, meaning }
}

/// A key of a part that does not exist yet.
const fn unbuilt(table: &'static str, name: &'static str, default: &'static str, part: &'static str) -> Key {
    key(table, name, "", "", "the default alone", Otherwise::Unbuilt(default, part), "")
}

use Otherwise::{Nothing, Required, Value};

/// What every text of an enumerated key may be; shared with the readers.
pub(super) const DIRECTIONS: &str = "\"long\", \"short\" or \"both\"";
/// The kinds of models that are not trained.
pub(super) const KINDS: &str = "\"momentum\", \"mean_reversion\", \"breakout\", \"random\" or \"process\"";

/// Every key, table by table.
#[rustfmt::skip] // a table is read by its rows
pub const KEYS: &[Key] = &[
    // [arena]
    key("arena", "name", "text", "", "1 to 64 of letters, digits, `.`, `_`, `-`", Value("\"arena\""), "The arena's name."),
    key("arena", "data", "path", "", "not empty", Value("\"data\""), "Where store, recorded sessions and exports live; relative to the configuration file."),
    key("arena", "models", "path", "", "not empty", Value("\"models\""), "The local registry; relative to the configuration file."),
    key("arena", "seed", "whole number", "", "0 to 9223372036854775807", Value("7"), "Every random draw derives from it."),
    key("arena", "models_per_host", "whole number or text", "seats", "1 to 100000, or \"auto\"", Value("\"auto\""), "Seats in one model actor. `auto`: 1 up to 512 candidates, 64 beyond. Changes no result."),
    key("arena", "arbiters", "whole number or text", "threads", "1 to 64, or \"auto\"", Value("\"auto\""), "Threads that run model actors. `auto`: the number of cores less one, 1 to 8. Changes no result."),
    key("arena", "record_predictions", "true or false", "", "", Value("true"), "Whether every prediction is journalled."),
    key("arena", "model_deadline", "length of time", "", "1ms to 1h", Value("\"2s\""), "Live: how long a model may think about one bar before it is suspended."),
    key("arena", "disk_floor_mb", "whole number", "MB of 1,000,000 bytes", "0 to 1000000000", Value("500"), "Free space under which recording and live dealing stop."),
    // [store]
    key("store", "quotes_max_age", "length of time or text", "", "1d to 7320d, or \"off\"", Value("\"off\""), "Raw quotes older than this, in event time, are deleted; a session that lost quotes cannot be replayed. Bars stay."),
    key("store", "quotes_max_mb", "whole number or text", "MB of 1,000,000 bytes", "1 to 1000000000, or \"off\"", Value("\"off\""), "The oldest raw quotes are deleted when all of them take about more than this."),
    key("store", "predictions_max_age", "length of time or text", "", "1d to 7320d, or \"off\"", Value("\"off\""), "Predictions older than this are deleted; orders and trades stay for ever."),
    key("store", "predictions_max_mb", "whole number or text", "MB of 1,000,000 bytes", "1 to 1000000000, or \"off\"", Value("\"off\""), "The oldest predictions are deleted when the lanes of all candidates take about more than this."),
    // [feed]
    key("feed", "source", "text", "", "\"sim\", \"ig\" or \"replay\"", Value("\"sim\""), "Where quotes come from: the seeded synthetic market, IG's stream, or recorded files. Not built yet: \"nats\"."),
    key("feed", "speed", "number", "event seconds in a second", "0 to 1000000", Value("1.0"), "How fast sim and replay run; 0: as fast as they can."),
    key("feed", "edge_r", "number", "R a trade", "0 to 0.6", Value("0.0"), "`source = \"sim\"`: what the synthetic market's planted rule earns on average after costs; 0: a market without an edge."),
    key("feed", "record", "true or false", "", "", Value("true"), "Whether raw quotes are kept, so that the session can be replayed."),
    key("feed", "quotes", "table of epic = path", "", "epics of [[markets]]", Nothing("no files"), "`source = \"replay\"`: the quote file of each epic; relative to the configuration file."),
    // [bars]
    key("bars", "grace", "length of time", "", "0s to 1m", Value("\"500ms\""), "Live: how long after its end a bar waits for late quotes."),
    key("bars", "reset_after", "length of time", "", "1s to 366d", Value("\"1h\""), "A longer silence between two quotes clears the models' windows."),
    // [server]
    key("server", "listen", "text", "", "ADDRESS:PORT, such as 127.0.0.1:8787", Value("\"127.0.0.1:8787\""), "Leaderboard, API and /metrics."),
    // [ig]
    key("ig", "environment", "text", "", "\"demo\" or \"live\"", Value("\"demo\""), "Play money or real money. Real money also needs `arena run --live`."),
    key("ig", "account", "text", "", "an account of yours, or empty", Value("\"\""), "The account that is dealt on; empty: the preferred one."),
    key("ig", "prices", "text", "", "\"price\" or \"chart\"", Value("\"price\""), "The subscription that quotes come from: `PRICE`, the prices that can be dealt at, up to 38 markets; or `CHART … TICK`, every tick, up to 19."),
    key("ig", "rest_url", "address", "", "http to this machine, or https", Nothing("IG's own for the environment"), "Where a simulator stands in for IG. Credentials come from IG_API_KEY, IG_IDENTIFIER and IG_PASSWORD, never from a file."),
    // [[markets]]
    key("markets[]", "epic", "text", "", "1 to 64 of letters, digits, `.`, `_`, `-`, each epic once", Required, "IG's identifier of the market."),
    key("markets[]", "currency", "text", "", "three capital letters, the same in every market", Value("\"GBP\""), "The currency it deals in."),
    key("markets[]", "point", "number", "price", "0.000001 to 1000000", Value("0.0001"), "The price change that is one point. Where it is not written, `check` says what is assumed."),
    key("markets[]", "value_per_point", "number", "money per point per unit of size", "0.000001 to 1000000", Value("1.0"), "What a move of one point makes at size 1."),
    key("markets[]", "size_min", "number", "size", "0.000001 to 1000000", Value("0.5"), "The least size that can be dealt."),
    key("markets[]", "stop_min_points", "number", "points", "0 to 1000000", Value("2"), "The least distance of a stop."),
    key("markets[]", "gap_allowance_points", "number", "points", "0 to 1000000", Value("20"), "The worst move beyond a stop that is planned for; part of the risk unit."),
    key("markets[]", "funding_annual_rate", "number", "ratio a year", "0 to 10", Value("0.025"), "Charged on what is open at 22:00 Europe/London, long and short."),
    key("markets[]", "session", "text", "", "hours such as \"Sun 22:00-Fri 22:00 Europe/London\"", Nothing("always open"), "When entries are allowed; several ranges are separated by commas. Nothing is closed at its end."),
    // [paper]
    key("paper", "latency", "length of time", "", "0s to 1h, less than the shortest bar", Value("\"250ms\""), "From the close of the bar to the earliest fill."),
    key("paper", "slippage_points", "number", "points", "0 to 1000000", Value("0.0"), "Added to every market fill and stop fill."),
    // [risk]
    key("risk", "max_live_positions", "whole number", "", "1 to 1000", Value("1"), "Live positions at once. `[risk]` binds live dealing alone."),
    key("risk", "max_daily_loss", "number", "money", "above 0, to 1000000000", Value("200.0"), "Live loss of one UTC day that halts live dealing."),
    key("risk", "max_live_size", "number", "size", "above 0, to 1000000", Value("1.0"), "The largest live size."),
    key("risk", "stale_quote", "length of time", "", "1ms to 1d", Value("\"30s\""), "A quote older than this opens nothing."),
    // [promotion]
    key("promotion", "mode", "text", "", "\"auto\", \"manual\" or \"off\"", Value("\"auto\""), "`auto` moves a candidate that has passed to live, `manual` marks it eligible and waits for `arena promote`, `off` promotes nothing."),
    key("promotion", "live_slots", "whole number", "", "1 to 1000", Value("1"), "How many may be live at once, at most one a market."),
    key("promotion", "max_live_risk", "number or text", "money", "above 0, to 1000000000, or \"off\"", Value("\"off\""), "What all live candidates may risk together: the sum of their risk units at full size."),
    key("promotion", "alpha", "number", "probability", "above 0, below 0.5", Value("0.05"), "Chance that any candidate without an edge ever passes the evidence gate under this budget. *"),
    key("promotion", "alpha_slots", "whole number", "", "1 to 1000000", Value("128"), "M: candidates that can gather evidence at once; the rest wait for a slot. *"),
    key("promotion", "slot_reuse", "text", "", "\"spend\" or \"inherit\"", Value("\"spend\""), "What a slot's next occupant starts with: a shrinking share of the slot, or the leaver's wealth. *"),
    key("promotion", "slot_first_share", "number", "", "above 0, to 1", Value("0.8"), "q: the first occupant's share of its slot under `spend`. *"),
    key("promotion", "slot_dead", "number", "", "0 to below 1", Value("1e-6"), "Slots whose next start wealth is below this are not used again."),
    key("promotion", "unit", "text", "", "\"episode\" or \"round\"", Value("\"episode\""), "One outcome of the evidence: from flat to flat, or a trading day over `round_risk_r`. *"),
    key("promotion", "floor_r", "number", "R", "1 to 1000", Value("3.0"), "B: no outcome may fall below minus this; a model may have its own. *"),
    key("promotion", "cap_r", "number", "R", "above keep_edge_r and min_useful_edge_r, to 1000", Value("10.0"), "H: gains are cut at this in the detectors of decay and the bounds from above; a model may have its own. *"),
    key("promotion", "null_edge_r", "number", "R", "0 to 1000", Value("0.0"), "m0: the mean that is held to be no edge. *"),
    key("promotion", "cost_stress", "number", "", "1 to 1000", Value("1.25"), "Modelled costs are multiplied by this before an outcome is scored. *"),
    key("promotion", "bets", "whole number", "", "2 to 64", Value("12"), "K: how many bets the mixture holds. *"),
    key("promotion", "lambda_min", "number", "", "above 0, below lambda_cap / (floor_r + null_edge_r)", Value("0.01"), "The smallest bet. *"),
    key("promotion", "lambda_cap", "number", "", "above 0, below 1", Value("0.9"), "The largest bet is this over floor_r + null_edge_r. *"),
    key("promotion", "min_episodes", "whole number", "episodes", "1 to 1000000000", Value("100"), "Gate G2."),
    key("promotion", "min_days", "whole number", "days", "0 to 100000", Value("30"), "Gate G3: days since the first entry."),
    key("promotion", "min_active_days", "whole number", "days", "0 to 100000", Value("20"), "Gate G4: days with an episode."),
    key("promotion", "max_paper_drawdown_r", "number or text", "R", "above 0, to 1000000, or \"off\"", Value("\"off\""), "Gate G5: the deepest drawdown on paper."),
    key("promotion", "min_dsr", "number", "probability", "0 to below 1", Value("0.90"), "Gate G6: the deflated Sharpe ratio; 0 switches it off."),
    key("promotion", "min_lcb_r", "number", "R", "0 to 1000", Value("0.0"), "Gate G8: the lower bound of the mean at the level of the evidence gate."),
    key("promotion", "max_top_share", "number", "share", "above 0, to 1", Value("0.5"), "Gate G9: what the largest hundredth of the wins may have brought; 1 switches it off."),
    key("promotion", "confirm_events", "whole number", "evaluations", "1 to 1000000", Value("1"), "How many evaluations in a row must pass."),
    key("promotion", "ramp", "list of numbers", "share of the target size", "above 0, increasing, the last 1", Value("[0.25, 0.5, 1.0]"), "Live size steps: shares of the candidate's size."),
    key("promotion", "ramp_episodes", "whole number", "episodes", "1 to 1000000", Value("30"), "Live episodes on a step of the ramp before the next, with every detector quiet."),
    key("promotion", "swap_alpha", "number", "probability", "above 0, below 0.5", Value("0.10"), "Chance that a challenger that is no better takes over, in one reign."),
    key("promotion", "swap_slots", "whole number", "", "1 to 100000", Value("20"), "Challengers that share it."),
    key("promotion", "min_reign_days", "whole number", "days", "0 to 100000", Value("10"), "How long a champion is safe from a challenger."),
    key("promotion", "round_risk_r", "number", "R", "above 0, to 1000000", Value("10.0"), "The risk budget of a trading day: a round's outcome is what closed in it over this. *"),
    key("promotion", "round_floor_r", "number", "budgets", "1 to 1000", Value("3.0"), "No round may fall below minus this; with `unit = \"round\"` it is B. *"),
    key("promotion", "round_cap_r", "number", "budgets", "above keep_edge_r and min_useful_edge_r, to 1000", Value("10.0"), "No round may rise above this in the challenger test; with `unit = \"round\"` it is H. *"),
    key("promotion", "keep_edge_r", "number", "R", "-1000 to 1000", Value("0.0"), "Demotion D5 and gate G7: the mean that is to be kept."),
    key("promotion", "detector_arl", "number", "episodes", "above 1, to 1e12", Value("1000.0"), "Expected episodes to a false alarm of decay."),
    key("promotion", "dd_limit_r", "number or text", "R", "above 0, to 1000000, or \"auto\"", Value("\"auto\""), "Demotion D6: drawdown of a champion. `auto`: what is reached after dd_target_episodes on average, 8 to 40."),
    key("promotion", "dd_target_episodes", "whole number", "episodes", "1 to 1000000000", Value("3000"), "For `dd_limit_r = \"auto\"`."),
    key("promotion", "hard_drawdown_pct", "number", "percent of capital", "above 0, to 100", Value("10.0"), "Demotion D2: live drawdown of a champion in money, open position marked."),
    key("promotion", "capital", "number", "money", "above 0, to 1000000000000", Value("10000.0"), "Account money that percentages are of."),
    key("promotion", "parity_tol_r", "number", "R", "0 to 1000", Value("0.03"), "How much worse than paper live may be on average."),
    key("promotion", "parity_cap_r", "number", "R", "above 0, to 1000", Value("0.5"), "Differences of live and paper are cut at this."),
    key("promotion", "parity_hard_r", "number", "R", "above 0, to 1000", Value("1.0"), "One difference beyond this alarms at once."),
    key("promotion", "parity_miss_rate", "number", "share", "above 0, below 0.1", Value("0.02"), "Signals that may go missing live, or be extra."),
    key("promotion", "parity_arl", "number", "signals", "above 1, to 1e12", Value("1000.0"), "Expected signals to a false alarm of parity."),
    key("promotion", "max_feed_gap", "length of time", "", "1s to 366d, or \"off\"", Value("\"2h\""), "Demotion D3: the longest silence of a champion's market within its session (without `session`: not over a Saturday or Sunday)."),
    key("promotion", "max_clock_skew", "length of time", "", "1ms to 1h, or \"off\"", Value("\"5s\""), "Demotion D3: how far the venue's stamps and our clock may differ."),
    key("promotion", "max_rejects", "whole number or text", "orders", "1 to 1000, or \"off\"", Value("5"), "Demotion D3: orders in a row that the broker refused."),
    key("promotion", "cooldown_days", "whole number", "days", "0 to 100000", Value("14"), "After a demotion."),
    key("promotion", "cooldown_episodes", "whole number", "episodes", "0 to 1000000000", Value("50"), "After a demotion."),
    key("promotion", "max_reentries", "whole number", "", "0 to 1000000", Value("2"), "How often a lineage may come back."),
    key("promotion", "min_useful_edge_r", "number", "R", "-1000 to 1000", Value("0.05"), "Retires a candidate whose mean is surely below this (95 %)."),
    key("promotion", "futility_e", "number", "", "0 to below 1", Value("0.05"), "Retires a candidate whose e-value falls below this; 0: never."),
    key("promotion", "max_episodes", "whole number", "episodes", "1 to 4000000000", Value("20000"), "Retires a candidate that has not passed by then. A low one retires real small edges."),
    key("promotion", "max_idle_days", "whole number", "days", "1 to 100000", Value("60"), "Retires a candidate that has closed nothing for so long."),
    key("promotion", "anchor", "text", "", "a file, an http(s) address, mlflow:EXPERIMENT, or nothing", Value("\"\""), "Where the head of the audit chain is noted as well, out of this machine's reach: a file is appended to, an address gets a POST, an experiment of MLflow has it in tags. A file is relative to the configuration file."),
    // Other parts to come.
    key("registry", "mlflow", "text", "", "\"\", or http://HOST:PORT or https://HOST:PORT", Value("\"\""), "The MLflow server: trainings are logged to it, `model = \"mlflow:…\"` is fetched from it, and the alias `champion` is kept there. Empty: that of MLFLOW_TRACKING_URI, else none. Name and password, or a token, stand in the variables that MLflow's own client reads."),
    key("registry", "onnxruntime", "path", "", "\"\", or a library", Value("\"\""), "The library of ONNX Runtime (libonnxruntime.so), for models in the ONNX format; relative to the configuration file. Empty: that of ORT_DYLIB_PATH, else none. Needs the cargo feature `onnx`."),
    // [notify]
    key("notify", "events", "list of texts", "", "of the default's words", Value("[\"eligible\", \"promotion\", \"demotion\", \"retirement\", \"suspension\", \"halt\", \"resume\", \"break\", \"outage\"]"), "What is told."),
    key("notify", "webhook", "address", "", "\"\", http(s)://…, or \"$NAME\"", Value("\"\""), "Gets every message as a JSON `POST`; `$NAME`: the variable of the environment that holds an address which is itself a secret. A bearer token comes from ARENA_WEBHOOK_TOKEN."),
    key("notify", "telegram", "text", "", "\"\", or a chat", Value("\"\""), "The chat that a Telegram bot writes to. The bot's token comes from ARENA_TELEGRAM_TOKEN."),
    key("notify", "telegram_url", "address", "", "http to this machine, or https", Value("\"https://api.telegram.org\""), "Where the Bot API is."),
    key("notify", "smtp", "address", "", "\"\", smtps://HOST:PORT or smtp://HOST:PORT", Value("\"\""), "The mail server: `smtps` with TLS, `smtp` with STARTTLS, on this machine without. Name and password come from ARENA_SMTP_USER and ARENA_SMTP_PASSWORD."),
    key("notify", "email_from", "text", "", "a mail address", Value("\"\""), "Who writes; required with `smtp`."),
    key("notify", "email_to", "list of texts", "", "up to 100 mail addresses", Value("[]"), "Who reads; required with `smtp`."),
    key("notify", "subject", "template", "", "docs/NOTIFICATIONS.md tells its variables", Value("\"[{{ arena }} {{ environment }}] {{ summary }}\""), "The first line of a message, and the subject of a mail."),
    key("notify", "text", "template", "", "docs/NOTIFICATIONS.md tells its variables", Value("\"{{ summary }}{% if reason %}\\n{{ reason }}{% endif %}{% if amounts %}\\n{{ amounts }}{% endif %}\\n{{ time }}{% if page %}\\n{{ page }}{% endif %}\""), "The text of a message."),
    key("notify", "burst", "whole number", "messages", "1 to 1000", Value("10"), "How many go to a channel within `digest_every`; what comes beyond is counted and told in one message at its end."),
    key("notify", "digest_every", "length of time", "", "1s to 1d", Value("\"10m\""), "See `burst`."),
    key("notify", "give_up", "length of time", "", "1ms to 1d", Value("\"1h\""), "How long a delivery that fails is tried again."),
    key("notify", "page", "address", "", "\"\", or http(s)://…", Value("\"\""), "The page's address in messages; empty: that of `server.listen`."),
    key("mirror", "sql", "text", "", "\"\", or postgres://USER@HOST:PORT/DATABASE or mysql://USER@HOST:PORT/DATABASE", Value("\"\""), "The database that the journal is copied to (docs/MIRROR.md); empty: that of ARENA_MIRROR_SQL, else none. The password is in ARENA_MIRROR_PASSWORD. Needs the cargo feature `sql`."),
    key("mirror", "quotes", "true or false", "", "", Value("false"), "Whether raw quotes are copied as well."),
    unbuilt("cluster", "nats", "\"\"", "several machines over NATS"),
    // [[models]]
    key("models[]", "name", "text", "", "1 to 64 of letters, digits, `.`, `_`, `-`", Nothing("the kind"), "The candidate's name; swept values are added to it. Each candidate's name is unique."),
    key("models[]", "epic", "text", "", "an epic of [[markets]]", Nothing("the only market"), "Its market; to be written where there are several."),
    key("models[]", "bar", "length of time", "", "1s to 1h in whole seconds, dividing a day", Value("\"1m\""), "The length of its bars."),
    key("models[]", "kind", "text", "", KINDS, Nothing("then `model` is required"), "A rule, or a strategy of your own (docs/MODELS.md)."),
    key("models[]", "model", "text", "", "name@version, name@alias, mlflow:name/version or mlflow:name@alias", Nothing("then `kind` is required"), "A trained version of the registry, or of MLflow. An alias is followed once: the arena keeps to the version that it led to."),
    key("models[]", "params", "table", "", "the keys of its kind", Nothing("no parameters"), "The parameters of its kind, below."),
    key("models[]", "threshold", "number", "ratio", "above 0, to 1000; with `model` alone", Nothing("1"), "A trained model trades when `y_pred` is beyond it (short: below 2 less it). A rule has `params.threshold`."),
    key("models[]", "max_distance", "number or table", "", "a quantile above 0, to 1, or { absolute = above 0 }; with `model` alone", Nothing("no gate"), "The nearness gate of a trained model: beyond the distance that this share of its training rows keeps within, or beyond this distance, it takes no stance."),
    key("models[]", "warmup", "text", "", "a data set of `arena fetch`, of the same bars", Nothing("a data set of its epic in `data/history`, if there is one"), "What its stream's windows begin with in a new store, where it ends right before the first quote. Never evidence."),
    key("models[]", "direction", "text", "", DIRECTIONS, Value("\"both\""), "The sides that it may take."),
    key("models[]", "predict_every", "whole number", "bars", "1 to 1000000", Value("1"), "Bars between predictions."),
    key("models[]", "hold", "length of time", "", "1s to 366d", Nothing("required; with `model` the horizon that it was trained for"), "The time exit, from the fill."),
    key("models[]", "stop", "number", "points from the fill", "above 0, to 1000000, at least stop_min_points", Required, "A model without stop, limit and hold is refused."),
    key("models[]", "limit", "number", "points from the fill", "above 0, to 1000000", Required, "A model without stop, limit and hold is refused."),
    key("models[]", "size", "number", "size", "above 0, to 1000000, at least size_min", Value("1.0"), "Its size in every trade."),
    key("models[]", "floor_r", "number", "R", "1 to 1000", Nothing("promotion.floor_r"), "Its own B."),
    key("models[]", "cap_r", "number", "R", "above promotion.keep_edge_r and min_useful_edge_r, to 1000", Nothing("promotion.cap_r"), "Its own H."),
    key("models[]", "sweep", "table of key = list", "", "keys of this table, `\"params.lookback\"` too", Nothing("no sweep"), "Every combination of the listed values becomes a candidate, the last key changing fastest."),
    key("models[].params", "lookback", "whole number", "bars", "1 to 100000", Nothing("required; `process`: 0"), "momentum, mean_reversion, breakout: how far back the rule looks. process: how far back an answer may rest on bars; they are fed again after a restart."),
    key("models[].params", "threshold", "number", "ratio less one", "0 to 1000", Value("0"), "momentum, mean_reversion: the least move."),
    key("models[].params", "rate", "number", "probability", "above 0, to 1", Required, "random: the chance of a signal at a bar."),
    key("models[].params", "command", "list of texts", "", "1 to 1000 texts", Required, "process: the program and its arguments, started in the folder of the configuration file."),
    key("models[].params", "files", "list of paths", "", "files, relative to the configuration file", Nothing("the arguments that are files"), "process: what the strategy is made of. Its identity is the SHA-256 over the command and these files."),
    key("models[].params", "deadline", "length of time", "", "1ms to arena.model_deadline", Value("\"200ms\""), "process: how long an answer may take in a live run."),
];

/// The tables of a file, with what is said of each.
const TABLES: &[(&str, &str, &str)] = &[
    ("arena", "[arena]", "The arena as a whole."),
    (
        "store",
        "[store]",
        "How much a store that runs for months keeps. What is deleted is told in the journal, in the log and in the report.",
    ),
    ("feed", "[feed]", "Where quotes come from."),
    ("bars", "[bars]", "How quotes become bars."),
    ("server", "[server]", "The surface."),
    ("ig", "[ig]", "The connection to IG, used with `feed.source = \"ig\"`."),
    ("markets[]", "[[markets]]", "One for each market: its dealing rules. At least one; all in one currency."),
    ("paper", "[paper]", "The paper broker."),
    ("risk", "[risk]", "What binds live dealing, and never the paper."),
    ("promotion", "[promotion]", "Who trades live. A change of a key marked * opens a new budget of evidence."),
    ("registry", "[registry]", "Where trained models are kept beside the local folder."),
    (
        "notify",
        "[notify]",
        "Who is told of what while `arena run` goes on (docs/NOTIFICATIONS.md). Nobody is where no channel is named; replays and `arena demo` tell nobody.",
    ),
    ("mirror", "[mirror]", "A copy of the records in a database."),
    ("cluster", "[cluster]", "More than one machine."),
    ("models[]", "[[models]]", "One for each rule or trained model. At least one."),
    ("models[].params", "[models.params]", "The parameters of a kind."),
];

/// The key `name` of `table`.
pub(super) fn find(table: &str, name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.table == table && key.name == name)
}

/// The names of the tables that may stand at the top of a file.
pub(super) fn top_level() -> impl Iterator<Item = &'static str> {
    TABLES.iter().map(|(table, _, _)| table.trim_end_matches("[]")).filter(|table| !table.contains('.'))
}

/// What to say of a key or table that stands at the top of a file and is none of ours there.
pub(super) fn nearest_at_the_top(unknown: &str) -> String {
    // A key that has lost its table is told its way home.
    match KEYS.iter().find(|key| key.name == unknown && !key.table.contains('.')) {
        Some(key) if !top_level().any(|table| table == unknown) => {
            let header = TABLES.iter().find(|(table, _, _)| *table == key.table).map_or(key.table, |table| table.1);
            format!("\"{unknown}\" under its table, {header}")
        }
        _ => nearest(unknown, top_level()),
    }
}

/// What to say of an unknown key: the known one that comes nearest, or all that there are.
pub(super) fn nearest<'k>(unknown: &str, known: impl Iterator<Item = &'k str>) -> String {
    let known: Vec<&str> = known.collect();
    let lower = unknown.to_lowercase();
    let best = known
        .iter()
        .map(|name| (strsim::jaro_winkler(&lower, name), *name))
        .filter(|(likeness, _)| *likeness >= 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0).then_with(|| b.1.cmp(a.1)));
    match best {
        Some((_, name)) => format!("the known key \"{name}\""),
        None if known.is_empty() => "no key here".to_owned(),
        None => format!("one of {}", known.join(", ")),
    }
}

/// `docs/CONFIG.md`.
#[must_use]
pub fn reference_markdown() -> String {
    let mut out = String::from(
        "# Configuration\n\n\
         Made from the table of keys in `src/config/raw.rs`; a test keeps the two equal \
         (`ARENA_UPDATE_DOCS=1 cargo test --test config_cases` writes this file anew).\n\n\
         `arena check` reports every fault of a file in one go, with line, column and what would be right, and exits \
         with 2. Nothing starts on a faulty file. Unknown keys are faults. Keys of parts that are not built yet are \
         accepted at their default and refused otherwise. Every key of a `[[models]]` entry can be swept.\n\n\
         Lengths of time are texts such as `\"250ms\"`, `\"30s\"`, `\"3m\"`, `\"1h\"`, `\"2d\"`. Prices, points, sizes \
         and money are read exactly from the text, with at most six decimals; a distance in points must be a whole \
         number of millionths of a price.\n\n\
         The configuration hash in the journal covers every key that can change a result. It leaves out \
         `arena.models_per_host`, `arena.arbiters`, `arena.data`, `arena.models`, `arena.model_deadline`, \
         `arena.disk_floor_mb`, all of `[store]`, `[notify]` and `[mirror]`, `feed.speed`, `feed.record`, the paths of `feed.quotes`, `bars.grace`, `ig.rest_url` and `server.listen`; \
         all of `[ig]` where quotes come from elsewhere.\n",
    );
    for (table, header, about) in TABLES {
        out.push_str(&format!("\n## `{header}`\n\n{about}\n\n| key | type | unit | range | default | meaning |\n"));
        out.push_str("|---|---|---|---|---|---|\n");
        for key in KEYS.iter().filter(|key| key.table == *table) {
            out.push_str(&row(key));
        }
    }
    out
}

fn row(key: &Key) -> String {
    let cell = |text: &str| if text.is_empty() { "–".to_owned() } else { text.replace('|', "\\|") };
    let (kind, default, meaning) = match key.default {
        Required => (key.kind.to_owned(), "required".to_owned(), key.meaning.to_owned()),
        Nothing(what) => (key.kind.to_owned(), what.to_owned(), key.meaning.to_owned()),
        Value(value) => (key.kind.to_owned(), format!("`{value}`"), key.meaning.to_owned()),
        Otherwise::Unbuilt(value, part) => {
            let default = if value.is_empty() { String::new() } else { format!("`{value}`") };
            (kind_of(value).to_owned(), default, format!("Not built yet: {part}."))
        }
    };
    let cells = [&format!("`{}`", key.name), &kind, key.unit, key.range, &default, &meaning].map(cell);
    format!("| {} |\n", cells.join(" | "))
}

fn kind_of(default: &str) -> &'static str {
    match default.as_bytes().first() {
        None | Some(b'"') => "text",
        Some(_) if default.contains('.') => "number",
        Some(_) => "whole number",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_named() {
        let known = || KEYS.iter().filter(|key| key.table == "promotion").map(|key| key.name);
        assert_eq!(nearest("min_episode", known()), "the known key \"min_episodes\"");
        assert_eq!(nearest("Alpha", known()), "the known key \"alpha\"");
        assert!(nearest("zzz", known()).starts_with("one of mode, live_slots"));
    }

    #[test]
    fn every_key_belongs_to_a_table_and_stands_once() {
        for (at, key) in KEYS.iter().enumerate() {
            assert!(TABLES.iter().any(|(table, _, _)| *table == key.table), "{key:?}");
            assert!(!KEYS[..at].iter().any(|k| (k.table, k.name) == (key.table, key.name)), "{key:?} twice");
        }
    }
}
