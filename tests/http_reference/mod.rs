//! `docs/HTTP.md`, made from the description that the server gives of itself.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// The whole page.
pub(crate) fn page(openapi: &Value) -> String {
    let mut text = "# HTTP\n\nEvery route of the page's address and every document that is answered, for looking up; what goes with them in use \
        is in [CONTRACTS.md](CONTRACTS.md#http). This page is made from\n`GET /api/v1/openapi.json` (`ARENA_UPDATE_DOCS=1 cargo test \
        --test server_api the_reference` rewrites this file). A route marked *token* needs `Authorization: Bearer TOKEN`.\n\n"
        .to_owned();
    text.push_str("## Routes\n\n| route | does | takes | answers |\n|---|---|---|---|\n");
    for (path, item) in members(&openapi["paths"]) {
        for (method, operation) in members(item).iter().filter(|(method, _)| *method != "parameters") {
            let mark = if operation["security"].is_null() { "" } else { " *token*" };
            let route = format!("`{} {path}`{mark}", method.to_uppercase());
            let summary = operation["summary"].as_str().expect("a summary");
            text.push_str(&format!("| {route} | {summary} | {} | {} |\n", takes(operation), answers(operation)));
        }
    }
    text.push_str("\n## Refusals\n\n| status | means |\n|---|---|\n");
    let refusals = members(&openapi["components"]["responses"]);
    for (code, name) in [
        (400, "Invalid"),
        (401, "Unauthorized"),
        (403, "Forbidden"),
        (404, "NoSuchModel"),
        (409, "Refused"),
        (413, "TooLarge"),
        (503, "Unavailable"),
    ] {
        let what = refusals[name]["description"].as_str().expect("a description");
        writeln!(text, "| {code} | {what} |").expect("strings take what is written to them");
    }
    assert_eq!(refusals.len(), 7, "every refusal has its line");
    text.push_str("\n## Documents\n\nMembers in their order; *or null* where a value may be undefined, *optional* where a member may be left out.\n");
    for (name, schema) in members(&openapi["components"]["schemas"]) {
        write!(text, "\n### {name}\n\n{}\n", document(schema)).expect("strings take what is written to them");
    }
    text
}

fn members(value: &Value) -> &Map<String, Value> {
    value.as_object().expect("an object")
}

fn takes(operation: &Value) -> String {
    let mut parts: Vec<String> = operation["parameters"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|parameter| {
            let schema = &parameter["schema"];
            let limits = match (schema["default"].as_u64(), schema["maximum"].as_u64()) {
                (Some(usual), Some(most)) => format!(" ({usual}, at most {most})"),
                _ => String::new(),
            };
            format!("`{}`{limits}", parameter["name"].as_str().expect("a name"))
        })
        .collect();
    let body = &operation["requestBody"]["content"]["application/json"]["schema"];
    if !body.is_null() {
        parts.push(kind(body));
    }
    parts.join(", ")
}

fn answers(operation: &Value) -> String {
    let responses = members(&operation["responses"]);
    let content = members(&responses["200"]["content"]);
    let mut parts: Vec<String> = content
        .iter()
        .map(|(media, content)| match (media.as_str(), kind(&content["schema"])) {
            ("application/json", kind) => kind,
            (media, kind) if kind.starts_with('[') => format!("{kind} as `{media}`"),
            (media, _) => format!("`{media}`"),
        })
        .collect();
    parts.extend(responses.keys().filter(|code| *code != "200").cloned());
    parts.join(", ")
}

/// What a schema asks for, in words.
fn kind(schema: &Value) -> String {
    if let Some(to) = schema["$ref"].as_str() {
        let name = to.rsplit('/').next().expect("a name");
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        return choices.iter().map(kind).collect::<Vec<_>>().join(" or ");
    }
    if let Some(words) = schema["enum"].as_array() {
        return words
            .iter()
            .map(|word| format!("`{}`", word.as_str().unwrap_or("null")))
            .collect::<Vec<_>>()
            .join(", ");
    }
    if !schema["const"].is_null() {
        return format!("`{}`", schema["const"]);
    }
    let one = |word: &str| match word {
        "array" => format!("list of {}", kind(&schema["items"])),
        "object" if !schema["properties"].is_null() => format!("({})", properties(schema)),
        "string" => "text".to_owned(),
        "integer" => "whole number".to_owned(),
        "boolean" => "true or false".to_owned(),
        other => other.to_owned(),
    };
    match &schema["type"] {
        Value::String(word) => one(word),
        Value::Array(words) => words.iter().filter_map(Value::as_str).map(one).collect::<Vec<_>>().join(" or "),
        _ => "anything".to_owned(),
    }
}

fn properties(schema: &Value) -> String {
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let member = |(name, of): (&String, &Value)| {
        let optional = if required.contains(&name.as_str()) { "" } else { ", optional" };
        format!("`{name}` {}{optional}", kind(of))
    };
    members(&schema["properties"]).iter().map(member).collect::<Vec<_>>().join("; ")
}

fn document(schema: &Value) -> String {
    let what = if schema["properties"].is_null() { kind(schema) } else { properties(schema) };
    let mut text = what;
    if let Some(pattern) = schema["pattern"].as_str() {
        write!(text, " that matches `{pattern}`").expect("strings take what is written to them");
    }
    if let Some(format) = schema["format"].as_str() {
        write!(text, ", a {format}").expect("strings take what is written to them");
    }
    text + "."
}
