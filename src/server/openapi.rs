//! The description of this API in OpenAPI 3.1, written beside the routes that it describes.

use serde_json::{Map, Value, json};

use super::{Endpoint, ROUTES, RouteEntry};
use crate::control::{BARS_LAST, BARS_MAX, PREDICTIONS_LAST, PREDICTIONS_MAX, RECORDS_LAST, RECORDS_MAX};
use crate::domain::BreakKind;

/// The whole document.
pub(super) fn document() -> Value {
    let mut paths = Map::new();
    for entry in ROUTES {
        let mut item = Map::new();
        if entry.path.contains("{model}") {
            item.insert("parameters".to_owned(), json!([{ "$ref": "#/components/parameters/model" }]));
        }
        if entry.path.contains("{table}") {
            item.insert("parameters".to_owned(), json!([{ "$ref": "#/components/parameters/table" }]));
        }
        item.insert(entry.method.to_ascii_lowercase(), operation(entry));
        paths.insert(entry.path.to_owned(), Value::Object(item));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "arena",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "MIT", "identifier": "MIT" },
            "description": "The leaderboard and the controls of an arena. Money and prices are decimal strings, ratios \
                and statistics are numbers, undefined or infinite is null, times are ISO 8601 in UTC with Z.",
        },
        "servers": [{ "url": "/" }],
        "tags": [
            { "name": "read", "description": "What the arena knows." },
            { "name": "command", "description": "What an operator may ask of it; every one needs the token." },
            { "name": "watch", "description": "What supervisors ask." },
        ],
        "paths": paths,
        "components": {
            "securitySchemes": { "token": {
                "type": "http", "scheme": "bearer",
                "description": "ARENA_TOKEN, or the content of arena.token in the data folder.",
            } },
            "parameters": { "model": {
                "name": "model", "in": "path", "required": true, "schema": { "type": "string" },
                "description": "The name of a candidate, percent-encoded.",
                "example": "momentum:lookback=3,hold=3m",
            }, "table": {
                "name": "table", "in": "path", "required": true,
                "schema": { "enum": crate::export::Table::ALL.map(crate::export::Table::name) },
                "description": "The table.",
            } },
            "responses": responses(),
            "schemas": schemas(),
        },
    })
}

fn operation(entry: &RouteEntry) -> Value {
    let (id, summary, tag) = match entry.endpoint {
        Endpoint::Page => ("page", "The leaderboard page", "read"),
        Endpoint::Metrics => ("metrics", "Metrics in the Prometheus text format", "watch"),
        Endpoint::Health => ("health", "Whether the process answers", "watch"),
        Endpoint::Ready => ("ready", "Whether a bar has closed and the store records", "watch"),
        Endpoint::Leaderboard => ("leaderboard", "The leaderboard, best first", "read"),
        Endpoint::Model => ("model", "One model in full", "read"),
        Endpoint::Trades => ("trades", "Its closed trades, in order of close", "read"),
        Endpoint::Predictions => {
            ("predictions", "Its last recorded predictions with what became of them, oldest first", "read")
        }
        Endpoint::Bars => ("bars", "The last closed bars of its stream, oldest first", "read"),
        Endpoint::Equity => ("equity", "Its equity and drawdown over all closed trades", "read"),
        Endpoint::Explain => ("explain", "Its gates with value, limit and verdict", "read"),
        Endpoint::Desk => ("desk", "Live dealing: state, profit, trades beside their paper twins", "read"),
        Endpoint::Lifecycle => ("lifecycle", "Changes of state, oldest first", "read"),
        Endpoint::Events => ("events", "The board as server-sent events", "read"),
        Endpoint::Decisions => ("decisions", "Audit records in short, of one model or of all, oldest first", "read"),
        Endpoint::Feed => ("feed", "The last gaps in the quotes and what else happened to the session", "read"),
        Endpoint::Audit => ("audit", "Audit records, oldest first", "read"),
        Endpoint::Report => {
            ("report", "The figures of a report over the whole store, as `arena report --json`", "read")
        }
        Endpoint::Export => ("export", "A table of the journal as CSV or Parquet", "read"),
        Endpoint::Tail => ("tail", "Quotes, bars, predictions and trades as they are journalled", "read"),
        Endpoint::Backup => ("backup", "The whole store, as `arena backup` keeps it", "command"),
        Endpoint::OpenApi => ("openapi", "This document", "read"),
        Endpoint::Promote => ("promote", "Moves a model that passed its gates to live", "command"),
        Endpoint::Demote => ("demote", "Takes a live model back to the shadow", "command"),
        Endpoint::Retire => ("retire", "Ends a model for good", "command"),
        Endpoint::Halt => ("halt", "Closes live positions and stops live dealing", "command"),
        Endpoint::Resume => ("resume", "Lets live dealing go on", "command"),
        Endpoint::OpenBudget => ("openBudget", "Opens a further budget of alpha", "command"),
        Endpoint::Reload => ("reload", "Reads the configuration again and applies what changed", "command"),
    };
    let mut operation = Map::new();
    operation.insert("operationId".to_owned(), json!(id));
    operation.insert("summary".to_owned(), json!(summary));
    operation.insert("tags".to_owned(), json!([tag]));
    if let Some(limits) = limits_of_last(entry.endpoint) {
        let mut schema = json!({ "type": "integer", "minimum": 0 });
        if let Some((usual, most)) = limits {
            schema["maximum"] = json!(most);
            schema["default"] = json!(usual);
        }
        let mut parameters = vec![json!({
            "name": "last", "in": "query", "required": false,
            "schema": schema, "description": "Only so many of the latest.",
        })];
        if entry.endpoint == Endpoint::Decisions {
            parameters.push(json!({
                "name": "model", "in": "query", "required": false,
                "schema": { "type": "string" }, "description": "Only those about this candidate.",
            }));
        }
        operation.insert("parameters".to_owned(), Value::Array(parameters));
    }
    let query = |names: &[(&str, &str)]| -> Vec<Value> {
        let parameter = |(name, what): &(&str, &str)| json!({ "name": name, "in": "query", "required": false, "schema": { "type": "string" }, "description": what });
        names.iter().map(parameter).collect()
    };
    let (model, epic) = (("model", "Only what is of this model."), ("epic", "Only what is of this market."));
    match entry.endpoint {
        Endpoint::Export => {
            let names = [model, epic, ("format", "csv, or parquet where it was built with that feature.")];
            operation.insert("parameters".to_owned(), query(&names).into());
        }
        Endpoint::Tail => {
            let names =
                [("kinds", "Some of quotes, bars, predictions, trades, between commas; all of them."), model, epic];
            operation.insert("parameters".to_owned(), query(&names).into());
        }
        _ => {}
    }
    if tag == "command" {
        operation.insert("security".to_owned(), json!([{ "token": [] }]));
        if let Some(schema) = body_schema(entry.endpoint) {
            let body = json!({ "required": false, "content": { "application/json": { "schema": schema } } });
            operation.insert("requestBody".to_owned(), body);
        }
    }
    operation.insert("responses".to_owned(), answers(entry, tag));
    Value::Object(operation)
}

/// Whether a route takes `last`, and then how many are usual and how many the most.
fn limits_of_last(endpoint: Endpoint) -> Option<Option<(usize, usize)>> {
    match endpoint {
        Endpoint::Trades => Some(None),
        Endpoint::Predictions => Some(Some((PREDICTIONS_LAST, PREDICTIONS_MAX))),
        Endpoint::Bars => Some(Some((BARS_LAST, BARS_MAX))),
        Endpoint::Decisions | Endpoint::Feed => Some(Some((RECORDS_LAST, RECORDS_MAX))),
        _ => None,
    }
}

fn body_schema(endpoint: Endpoint) -> Option<Value> {
    match endpoint {
        Endpoint::Promote => Some(schema_ref("Promotion")),
        Endpoint::Reload | Endpoint::Backup => None,
        _ => Some(schema_ref("Command")),
    }
}

fn answers(entry: &RouteEntry, tag: &str) -> Value {
    let json_of = |schema: Value| json!({ "application/json": { "schema": schema } });
    let text = |kind: &str| json!({ kind: { "schema": { "type": "string" } } });
    let list = |name: &str| json_of(json!({ "type": "array", "items": schema_ref(name) }));
    let content = match entry.endpoint {
        Endpoint::Page => text("text/html"),
        Endpoint::Metrics => text("text/plain"),
        Endpoint::Health => json_of(object(&[("ok", json!({ "const": true }))])),
        Endpoint::Ready => json_of(object(&[("ready", json!({ "const": true }))])),
        Endpoint::Leaderboard => json_of(schema_ref("Leaderboard")),
        Endpoint::Model => json_of(schema_ref("Model")),
        Endpoint::Trades => list("Trade"),
        Endpoint::Predictions => list("Prediction"),
        Endpoint::Bars => json_of(schema_ref("Bars")),
        Endpoint::Equity => json_of(schema_ref("Equity")),
        Endpoint::Decisions => list("Decision"),
        Endpoint::Feed => json_of(schema_ref("Feed")),
        Endpoint::Explain => json_of(schema_ref("Explanation")),
        Endpoint::Desk => json_of(schema_ref("Desk")),
        Endpoint::Lifecycle => list("Change"),
        Endpoint::Events => json!({ "text/event-stream": { "schema": schema_ref("BoardEvent") } }),
        Endpoint::Audit => json_of(json!({ "type": "array", "items": { "type": "object" } })),
        Endpoint::Export => text("text/csv"),
        Endpoint::Tail => text("text/event-stream"),
        Endpoint::Backup => {
            json!({ "application/octet-stream": { "schema": { "type": "string", "format": "binary" } } })
        }
        Endpoint::Report | Endpoint::OpenApi => json_of(json!({ "type": "object" })),
        _ => json_of(schema_ref("Done")),
    };
    let mut answers = Map::new();
    answers.insert("200".to_owned(), json!({ "description": "Done.", "content": content }));
    let mut refer = |code: &str, name: &str| {
        answers.insert(code.to_owned(), json!({ "$ref": format!("#/components/responses/{name}") }));
    };
    if tag == "command"
        || limits_of_last(entry.endpoint).is_some()
        || matches!(entry.endpoint, Endpoint::Export | Endpoint::Tail)
    {
        refer("400", "Invalid");
    }
    if tag == "command" {
        refer("401", "Unauthorized");
    }
    refer("403", "Forbidden");
    if entry.path.contains("{model}") || entry.endpoint == Endpoint::Decisions {
        refer("404", "NoSuchModel");
    }
    if tag == "command" {
        refer("409", "Refused");
        refer("413", "TooLarge");
    }
    let can_be_unavailable = tag == "command"
        || entry.path.contains("{model}")
        || matches!(
            entry.endpoint,
            Endpoint::Ready
                | Endpoint::Events
                | Endpoint::Audit
                | Endpoint::Decisions
                | Endpoint::Feed
                | Endpoint::Report
                | Endpoint::Export
                | Endpoint::Tail
        );
    if can_be_unavailable {
        refer("503", "Unavailable");
    }
    Value::Object(answers)
}

fn responses() -> Value {
    let problem = |description: &str, schema: &str| json!({ "description": description, "content": { "application/json": { "schema": schema_ref(schema) } } });
    json!({
        "Invalid": problem("The request makes no sense as it stands.", "Problem"),
        "Unauthorized": problem("The token is missing or wrong; repeated failures are slowed.", "Problem"),
        "Forbidden": problem("The Host is no name of this arena, or the page that asks is of another origin.", "Problem"),
        "NoSuchModel": problem("No candidate of that name.", "NoSuchModel"),
        "Refused": problem("A rule says no.", "Problem"),
        "TooLarge": problem("The body is too large.", "Problem"),
        "Unavailable": problem("The arena is stopping, not ready, or has no place left.", "Problem"),
    })
}

fn schema_ref(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// An object all of whose members are always there.
fn object(members: &[(&str, Value)]) -> Value {
    let properties: Map<String, Value> =
        members.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    let required: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
    json!({ "type": "object", "properties": properties, "required": required })
}

/// The same without a member that must be there.
fn partial(members: &[(&str, Value)]) -> Value {
    let mut schema = object(members);
    if let Some(schema) = schema.as_object_mut() {
        schema.shift_remove("required");
    }
    schema
}

fn schemas() -> Value {
    let text = || json!({ "type": "string" });
    let text_or_null = || json!({ "type": ["string", "null"] });
    let number = || json!({ "type": "number" });
    let number_or_null = || json!({ "type": ["number", "null"] });
    let count = || json!({ "type": "integer", "minimum": 0 });
    let count_or_null = || json!({ "type": ["integer", "null"], "minimum": 0 });
    let flag = || json!({ "type": "boolean" });
    let numbers = || json!({ "type": "array", "items": { "type": "number" } });
    let list = |name: &str| json!({ "type": "array", "items": schema_ref(name) });
    let or_null = |name: &str| json!({ "oneOf": [schema_ref(name), { "type": "null" }] });
    let words = |words: &[&str]| json!({ "type": "string", "enum": words });
    let (decimal, time) = (|| schema_ref("Decimal"), || schema_ref("Time"));

    let row = [
        ("rank", json!({ "type": "integer", "minimum": 1 })),
        ("model", text()),
        ("ticket", text()),
        ("epic", text()),
        ("state", schema_ref("State")),
        ("episodes", count()),
        ("wins", count()),
        ("net_profit", decimal()),
        ("currency", text()),
        ("mean_r", number_or_null()),
        ("lcb95_r", number_or_null()),
        ("log10_e", number_or_null()),
        ("progress", number_or_null()),
        ("max_drawdown_r", number_or_null()),
        ("profit_factor", number_or_null()),
        ("win_rate", number_or_null()),
        ("exposure", number_or_null()),
        ("open_position", or_null("Position")),
        ("flags", json!({ "type": "array", "items": { "type": "string" } })),
    ];
    let mut event_row = row.to_vec();
    event_row.push(("id", text()));
    event_row.push(("curve", numbers()));
    for figure in ["ucb95_r", "effective_episodes", "expected_days", "expected_days_low", "expected_days_high"] {
        event_row.push((figure, number_or_null()));
    }

    let mut all = Map::new();
    let mut put = |name: &str, schema: Value| all.insert(name.to_owned(), schema);
    put("Decimal", json!({ "type": "string", "pattern": "^-?[0-9]+(\\.[0-9]{1,6})?$" }));
    put("Time", json!({ "type": "string", "format": "date-time" }));
    put("State", words(&["warming", "shadow", "eligible", "live", "retired", "suspended"]));
    put("Direction", words(&["long", "short"]));
    put("CloseReason", words(&["stop", "limit", "time", "demoted", "session", "halt", "outside"]));
    put("Problem", object(&[("error", text())]));
    put(
        "NoSuchModel",
        object(&[("error", text()), ("candidates", json!({ "type": "array", "items": { "type": "string" } }))]),
    );
    put("Command", partial(&[("reason", text_or_null())]));
    put("Promotion", partial(&[("reason", text_or_null()), ("override", json!({ "type": ["boolean", "null"] }))]));
    put(
        "Done",
        object(&[("changes", list("Change")), ("notes", json!({ "type": "array", "items": { "type": "string" } }))]),
    );
    put(
        "Change",
        object(&[
            ("time", time()),
            ("seat", count()),
            ("model", text()),
            ("from", schema_ref("State")),
            ("to", schema_ref("State")),
            ("reason", text()),
        ]),
    );
    put(
        "Position",
        object(&[
            ("direction", schema_ref("Direction")),
            ("size", decimal()),
            ("opened", time()),
            ("open_level", decimal()),
            ("stop_level", decimal()),
            ("limit_level", decimal()),
            ("deadline", time()),
        ]),
    );
    put(
        "Statistics",
        object(&[
            ("slot", count_or_null()),
            ("start_wealth", number_or_null()),
            ("days", number_or_null()),
            ("active_days", count()),
            ("episodes_per_day", number_or_null()),
            ("lcb_family_r", number_or_null()),
            ("sd_r", number_or_null()),
            ("sharpe", number_or_null()),
            ("sharpe_annual", number_or_null()),
            ("sharpe_annual_lo", number_or_null()),
            ("sortino", number_or_null()),
            ("calmar", number_or_null()),
            ("psr", number_or_null()),
            ("dsr", number_or_null()),
            ("dsr_cross", number_or_null()),
            ("min_track_record", number_or_null()),
            ("drawdown_r", number()),
            ("drawdown_pct", number_or_null()),
            ("max_drawdown_pct", number_or_null()),
            ("win_rate_decided", number_or_null()),
            ("win_rate_low", number_or_null()),
            ("win_rate_high", number_or_null()),
            ("payoff_ratio", number_or_null()),
            ("turnover", number_or_null()),
            ("costs_r", number_or_null()),
            ("decay", number_or_null()),
            ("decay_limit", number()),
            ("failing_gates", json!({ "type": "array", "items": { "type": "string" } })),
        ]),
    );
    let mut row_with_statistics = row.to_vec();
    row_with_statistics.push(("statistics", or_null("Statistics")));
    put("Row", object(&row_with_statistics));
    put(
        "Leaderboard",
        object(&[("time", or_null("Time")), ("models", list("Row")), ("halted_by", or_null("BreakKind"))]),
    );
    put(
        "Trade",
        object(&[
            ("model", text()),
            ("ticket", text()),
            ("deal_id", text()),
            ("epic", text()),
            ("direction", schema_ref("Direction")),
            ("size", decimal()),
            ("opened", time()),
            ("closed", time()),
            ("open_level", decimal()),
            ("close_level", decimal()),
            ("stop_level", decimal()),
            ("limit_level", decimal()),
            ("reason", schema_ref("CloseReason")),
            ("profit", decimal()),
            ("costs", decimal()),
            ("r", number()),
            ("y_pred", number_or_null()),
            ("y_true", number_or_null()),
        ]),
    );
    put(
        "Prediction",
        object(&[
            ("model", text()),
            ("ticket", text()),
            ("epic", text()),
            ("time", time()),
            ("signal", or_null("Direction")),
            ("acted", flag()),
            ("abstained", flag()),
            ("y_pred", number_or_null()),
            ("distance", number_or_null()),
            ("y_true", number_or_null()),
        ]),
    );
    put(
        "Gate",
        object(&[
            ("gate", text()),
            ("value", number_or_null()),
            ("limit", number_or_null()),
            ("verdict", words(&["pass", "fail", "unknown"])),
            ("missing", number_or_null()),
        ]),
    );
    put(
        "Explanation",
        object(&[
            ("model", text()),
            ("state", schema_ref("State")),
            ("gates", list("Gate")),
            ("expected_days_to_decision", number_or_null()),
            ("expected_days_low", number_or_null()),
            ("expected_days_high", number_or_null()),
            ("breaks", list("Break")),
        ]),
    );
    let pair = json!({ "type": "array", "prefixItems": [{ "type": "string" }, { "type": "string" }], "items": false });
    put(
        "Model",
        object(&[
            ("row", schema_ref("Row")),
            ("content_hash", text()),
            ("generation", count()),
            ("registered", or_null("Time")),
            ("settings", json!({ "type": "array", "items": pair })),
            ("curve", numbers()),
            ("lifecycle", list("Change")),
            ("nearness", or_null("Nearness")),
            ("lineage", or_null("Lineage")),
            ("live", list("LiveTrade")),
            ("shortfall", or_null("ShortfallTotal")),
        ]),
    );
    put(
        "Nearness",
        object(&[
            ("max_distance", number()),
            ("predictions", count()),
            ("abstentions", count()),
            ("share", number_or_null()),
            ("training_share", number_or_null()),
        ]),
    );
    let level = |name: &'static str| (name, decimal());
    put(
        "Bar",
        object(&[
            ("start", time()),
            ("end", time()),
            level("bid_open"),
            level("bid_high"),
            level("bid_low"),
            level("bid_close"),
            level("offer_open"),
            level("offer_high"),
            level("offer_low"),
            level("offer_close"),
            ("quotes", count()),
        ]),
    );
    put("Bars", object(&[("epic", text()), ("resolution", text()), ("bars", list("Bar"))]));
    put(
        "EquityPoint",
        object(&[
            ("time", time()),
            ("trade", count()),
            ("r", number()),
            ("net_profit", decimal()),
            ("drawdown_r", number()),
        ]),
    );
    put("Equity", object(&[("trades", count()), ("points", list("EquityPoint"))]));
    put(
        "Decision",
        object(&[
            ("seq", count()),
            ("time", time()),
            ("kind", text()),
            ("by", text()),
            ("model", text_or_null()),
            ("from", or_null("State")),
            ("to", or_null("State")),
            ("reason", text()),
            ("episodes", json!({ "type": ["integer", "null"], "minimum": 0 })),
            ("missed", json!({ "type": "array", "items": { "type": "string" } })),
            ("prev", text()),
            ("hash", text()),
            ("is_signed", flag()),
        ]),
    );
    put(
        "Gap",
        object(&[
            ("from", time()),
            ("to", time()),
            ("epics", json!({ "type": "array", "items": { "type": "string" } })),
            ("reason", text()),
        ]),
    );
    put("Note", object(&[("time", or_null("Time")), ("kind", text()), ("text", text())]));
    put("Feed", object(&[("gaps", list("Gap")), ("notes", list("Note")), ("since", or_null("Time"))]));
    put("DataOrigin", object(&[("name", text()), ("sha256", text()), ("range", text())]));
    put(
        "Lineage",
        object(&[
            ("reference", text()),
            ("kind", text()),
            ("artefact", text()),
            ("card", text()),
            ("symbol", text()),
            ("bar", text()),
            ("horizon_bars", count()),
            ("data", list("DataOrigin")),
            ("max_distance", number_or_null()),
            ("training_abstentions", number_or_null()),
        ]),
    );
    put(
        "LiveTrade",
        object(&[
            ("model", text()),
            ("deal_reference", text()),
            ("deal_id", text_or_null()),
            ("status", words(&["sent", "open", "closed", "rejected", "unknown"])),
            ("direction", schema_ref("Direction")),
            ("size", decimal()),
            ("opened", or_null("Time")),
            ("open_level", or_null("Decimal")),
            ("stop_level", or_null("Decimal")),
            ("limit_level", or_null("Decimal")),
            ("closed", or_null("Time")),
            ("close_level", or_null("Decimal")),
            ("reason", or_null("CloseReason")),
            ("profit", or_null("Decimal")),
            ("twin_profit", or_null("Decimal")),
            ("twin_open_level", or_null("Decimal")),
            ("twin_close_level", or_null("Decimal")),
            ("shortfall", or_null("Shortfall")),
        ]),
    );
    let parts = ["whole", "delay", "spread", "slippage", "rejection", "funding", "sizing", "rounding"];
    put("Shortfall", object(&parts.map(|part| (part, decimal()))));
    put(
        "ShortfallTotal",
        object(&[
            ("seat", count()),
            ("model", text()),
            ("trades", count()),
            ("total", schema_ref("Shortfall")),
            ("delay_seconds", number_or_null()),
            ("paper_delay_seconds", number_or_null()),
            ("slippage", number_or_null()),
            ("paper_slippage", or_null("Decimal")),
        ]),
    );
    put("BreakKind", words(&BreakKind::ALL.map(BreakKind::word)));
    put(
        "Break",
        object(&[
            ("time", time()),
            ("kind", schema_ref("BreakKind")),
            ("deal_reference", text()),
            ("seat", json!({ "type": ["integer", "null"], "minimum": 0 })),
            ("model", text_or_null()),
            ("epic", text()),
            ("text", text()),
            ("is_mended", flag()),
        ]),
    );
    put(
        "Desk",
        object(&[
            ("state", words(&["live", "paper_only", "halted"])),
            ("reason", text_or_null()),
            ("day_profit", decimal()),
            ("net_profit", decimal()),
            ("trades", list("LiveTrade")),
            ("halted_by", or_null("BreakKind")),
            ("breaks", list("Break")),
            ("shortfalls", list("ShortfallTotal")),
        ]),
    );
    let tuple = |items: &[&str]| {
        let items: Vec<Value> = items.iter().map(|kind| json!({ "type": kind })).collect();
        json!({ "type": "array", "items": { "type": "array", "prefixItems": items, "items": false } })
    };
    put(
        "Health",
        object(&[
            ("quotes", count()),
            ("bad_quotes", tuple(&["string", "integer"])),
            ("bars", tuple(&["string", "string", "integer"])),
            ("rounds", count()),
            ("fault", text_or_null()),
            ("notify_fault", text_or_null()),
            ("is_recording", flag()),
            ("fault", text_or_null()),
        ]),
    );
    put("EventRow", {
        let mut schema = partial(&event_row);
        schema["required"] = json!(["id"]);
        schema
    });
    let mut event = partial(&[
        ("full", json!({ "const": true })),
        ("arena", text()),
        ("time", or_null("Time")),
        ("done", flag()),
        ("health", schema_ref("Health")),
        ("desk", schema_ref("Desk")),
        ("lifecycle", list("Change")),
        ("rows", list("EventRow")),
        ("gone", json!({ "type": "array", "items": { "type": "string" } })),
    ]);
    event["description"] = json!(
        "The data of an event named board. The first of a connection is full; later ones carry the members, rows and \
         cells that changed. Lifecycle holds new changes, gone the ids of rows that are no more. Statistics have six \
         significant digits."
    );
    put("BoardEvent", event);
    Value::Object(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_described_and_nothing_else() {
        let document = document();
        let paths = document["paths"].as_object().unwrap();
        let operations: usize = paths
            .values()
            .map(|item| item.as_object().unwrap().keys().filter(|key| *key != "parameters").count())
            .sum();
        assert_eq!(operations, ROUTES.len());
        for entry in ROUTES {
            let operation = &paths[entry.path][entry.method.to_ascii_lowercase()];
            assert!(operation["summary"].is_string(), "{} {}", entry.method, entry.path);
            assert_eq!(operation["security"].is_array(), entry.method == "POST", "{}", entry.path);
        }
    }

    #[test]
    fn every_reference_points_at_something() {
        fn walk(value: &Value, document: &Value) {
            match value {
                Value::Object(members) => {
                    if let Some(target) = members.get("$ref").and_then(Value::as_str) {
                        let pointer = target.trim_start_matches('#');
                        assert!(document.pointer(pointer).is_some(), "{target} points nowhere");
                    }
                    members.values().for_each(|member| walk(member, document));
                }
                Value::Array(items) => items.iter().for_each(|item| walk(item, document)),
                _ => {}
            }
        }
        let document = document();
        walk(&document, &document);
    }
}
