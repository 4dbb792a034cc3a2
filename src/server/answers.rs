//! The handlers: one question to [`Control`], one JSON answer, and every error as `{"error": sentence}`.

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, ContentType};
use actix_web::{Error, HttpResponse, HttpResponseBuilder, web};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Surface;
use crate::control::{
    BARS_LAST, BARS_MAX, Command, ControlError, PREDICTIONS_LAST, PREDICTIONS_MAX, RECORDS_LAST, RECORDS_MAX,
};
use crate::domain::ModelId;
use crate::telemetry;

/// A model's name out of the path, percent-decoded.
type Name = Result<web::Path<String>, Error>;
/// The body of a command as it came.
type Body = Result<web::Bytes, Error>;
/// The whole arena, as handlers see it.
type Arena = web::Data<Surface>;

/// An answer that is `{"error": sentence}`.
pub(super) fn problem(code: StatusCode, sentence: &str) -> HttpResponse {
    HttpResponse::build(code).json(json!({ "error": sentence }))
}

/// What is wrong with a request, before the arena hears of it.
struct Fault(StatusCode, String);

impl Fault {
    fn bad(sentence: &str) -> Self {
        Self(StatusCode::BAD_REQUEST, sentence.to_owned())
    }

    fn answer(&self) -> HttpResponse {
        problem(self.0, &self.1)
    }
}

pub(super) fn refusal(error: &ControlError) -> HttpResponse {
    let (code, body) = match error {
        ControlError::NoSuchModel { candidates, .. } => {
            (StatusCode::NOT_FOUND, json!({ "error": error.to_string(), "candidates": candidates }))
        }
        ControlError::Refused(_) => (StatusCode::CONFLICT, json!({ "error": error.to_string() })),
        ControlError::Invalid(_) => (StatusCode::BAD_REQUEST, json!({ "error": error.to_string() })),
        ControlError::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, json!({ "error": error.to_string() })),
    };
    HttpResponse::build(code).json(body)
}

fn answer<T: Serialize>(result: Result<T, ControlError>) -> HttpResponse {
    match result {
        Ok(value) => HttpResponse::Ok().json(value),
        Err(error) => refusal(&error),
    }
}

fn name(path: Name) -> Result<String, Fault> {
    path.map(web::Path::into_inner).map_err(|_| Fault::bad("the model's name cannot be read"))
}

pub(super) async fn health() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "ok": true }))
}

pub(super) async fn ready(arena: Arena) -> HttpResponse {
    let board = arena.control.board();
    let reason = if !board.health.is_recording {
        Some(format!("the store does not record: {}", board.health.fault.as_deref().unwrap_or("no reason given")))
    } else if board.time.is_none() {
        Some("no bar has closed yet".to_owned())
    } else {
        None
    };
    match reason {
        None => HttpResponse::Ok().json(json!({ "ready": true })),
        Some(reason) => HttpResponse::ServiceUnavailable().json(json!({ "ready": false, "error": reason })),
    }
}

pub(super) async fn metrics(arena: Arena) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(telemetry::metrics::render(&arena.control.board()))
}

pub(super) async fn openapi(arena: Arena) -> HttpResponse {
    HttpResponse::Ok().insert_header(ContentType::json()).body(arena.openapi.clone())
}

pub(super) async fn leaderboard(arena: Arena) -> HttpResponse {
    let board = arena.control.board();
    HttpResponse::Ok().json(json!({ "time": board.time, "models": board.rows, "halted_by": board.desk.halted_by }))
}

pub(super) async fn model(arena: Arena, path: Name) -> HttpResponse {
    match name(path) {
        Ok(name) => answer(arena.control.model(name).await),
        Err(fault) => fault.answer(),
    }
}

/// What may stand behind the `?` of trades.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TradesQuery {
    last: Option<usize>,
}

pub(super) async fn trades(arena: Arena, path: Name, query: Result<web::Query<TradesQuery>, Error>) -> HttpResponse {
    let Ok(query) = query else {
        return Fault::bad("the only parameter is last=N, the number of latest trades").answer();
    };
    let name = match name(path) {
        Ok(name) => name,
        Err(fault) => return fault.answer(),
    };
    let trades = arena.control.trades(name).await;
    answer(trades.map(|mut trades| {
        let excess = trades.len().saturating_sub(query.last.unwrap_or(usize::MAX));
        trades.drain(..excess);
        trades
    }))
}

pub(super) async fn predictions(
    arena: Arena,
    path: Name,
    query: Result<web::Query<TradesQuery>, Error>,
) -> HttpResponse {
    let last = query.map(|query| query.last.unwrap_or(PREDICTIONS_LAST));
    match (name(path), last) {
        (Ok(name), Ok(last)) if last <= PREDICTIONS_MAX => answer(arena.control.predictions(name, last).await),
        (Ok(_), _) => {
            let what = "the number of latest predictions";
            Fault::bad(&format!("the only parameter is last=N, {what}, at most {PREDICTIONS_MAX}")).answer()
        }
        (Err(fault), _) => fault.answer(),
    }
}

pub(super) async fn bars(arena: Arena, path: Name, query: Result<web::Query<TradesQuery>, Error>) -> HttpResponse {
    let last = query.map(|query| query.last.unwrap_or(BARS_LAST));
    match (name(path), last) {
        (Ok(name), Ok(last)) if last <= BARS_MAX => answer(arena.control.bars(name, last).await),
        (Ok(_), _) => {
            Fault::bad(&format!("the only parameter is last=N, the number of latest bars, at most {BARS_MAX}")).answer()
        }
        (Err(fault), _) => fault.answer(),
    }
}

pub(super) async fn equity(arena: Arena, path: Name) -> HttpResponse {
    match name(path) {
        Ok(name) => answer(arena.control.equity(name).await),
        Err(fault) => fault.answer(),
    }
}

/// What may stand behind the `?` of decisions.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DecisionsQuery {
    model: Option<String>,
    last: Option<usize>,
}

pub(super) async fn decisions(arena: Arena, query: Result<web::Query<DecisionsQuery>, Error>) -> HttpResponse {
    match query.map(web::Query::into_inner) {
        Ok(DecisionsQuery { model, last }) if last.is_none_or(|last| last <= RECORDS_MAX) => {
            answer(arena.control.decisions(model, last.unwrap_or(RECORDS_LAST)).await)
        }
        _ => {
            let what = "the parameters are model=NAME and last=N, the number of latest records";
            Fault::bad(&format!("{what}, at most {RECORDS_MAX}")).answer()
        }
    }
}

pub(super) async fn feed(arena: Arena, query: Result<web::Query<TradesQuery>, Error>) -> HttpResponse {
    match query.map(|query| query.last.unwrap_or(RECORDS_LAST)) {
        Ok(last) if last <= RECORDS_MAX => answer(arena.control.feed(last).await),
        _ => {
            let what = "the only parameter is last=N, the number of latest gaps and notes";
            Fault::bad(&format!("{what}, at most {RECORDS_MAX}")).answer()
        }
    }
}

pub(super) async fn explain(arena: Arena, path: Name) -> HttpResponse {
    match name(path) {
        Ok(name) => answer(arena.control.explain(name).await),
        Err(fault) => fault.answer(),
    }
}

pub(super) async fn desk(arena: Arena) -> HttpResponse {
    HttpResponse::Ok().json(&arena.control.board().desk)
}

pub(super) async fn lifecycle(arena: Arena) -> HttpResponse {
    HttpResponse::Ok().json(&arena.control.board().lifecycle)
}

pub(super) async fn audit(arena: Arena) -> HttpResponse {
    answer(arena.control.audit().await)
}

/// The body of a command; all of it may be left out.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Wish {
    reason: Option<String>,
    #[serde(rename = "override")]
    is_override: Option<bool>,
}

/// Reads the body of a command; an empty one asks for nothing special.
fn wish(body: Body, may_override: bool) -> Result<Wish, Fault> {
    let bytes = body.map_err(|error| {
        let code = error.as_response_error().status_code();
        let sentence = match code {
            StatusCode::PAYLOAD_TOO_LARGE => "the body is larger than 16 kB".to_owned(),
            _ => format!("the body cannot be read: {error}"),
        };
        Fault(code, sentence)
    })?;
    let wish: Wish = if bytes.iter().all(u8::is_ascii_whitespace) {
        Wish::default()
    } else {
        serde_json::from_slice(&bytes).map_err(|error| Fault::bad(&format!("the body is wrong: {error}")))?
    };
    if wish.is_override.is_some() && !may_override {
        return Err(Fault::bad("only promote can be overridden"));
    }
    let has_reason = wish.reason.as_deref().is_some_and(|reason| !reason.trim().is_empty());
    if wish.is_override == Some(true) && !has_reason {
        return Err(Fault::bad("an override needs a reason"));
    }
    Ok(wish)
}

async fn obey(arena: &Surface, command: Command) -> HttpResponse {
    tracing::info!(?command, "operator command");
    let result = arena.control.command(command).await;
    if let Err(error) = &result {
        tracing::warn!(%error, "operator command not obeyed");
    }
    answer(result)
}

pub(super) async fn promote(arena: Arena, path: Name, body: Body) -> HttpResponse {
    match (name(path), wish(body, true)) {
        (Ok(name), Ok(Wish { reason, is_override })) => {
            let is_override = is_override.unwrap_or(false);
            obey(&arena, Command::Promote { model: ModelId::from(name), reason, is_override }).await
        }
        (Err(fault), _) | (_, Err(fault)) => fault.answer(),
    }
}

pub(super) async fn demote(arena: Arena, path: Name, body: Body) -> HttpResponse {
    match (name(path), wish(body, false)) {
        (Ok(name), Ok(Wish { reason, .. })) => {
            obey(&arena, Command::Demote { model: ModelId::from(name), reason }).await
        }
        (Err(fault), _) | (_, Err(fault)) => fault.answer(),
    }
}

pub(super) async fn retire(arena: Arena, path: Name, body: Body) -> HttpResponse {
    match (name(path), wish(body, false)) {
        (Ok(name), Ok(Wish { reason, .. })) => {
            obey(&arena, Command::Retire { model: ModelId::from(name), reason }).await
        }
        (Err(fault), _) | (_, Err(fault)) => fault.answer(),
    }
}

pub(super) async fn halt(arena: Arena, body: Body) -> HttpResponse {
    match wish(body, false) {
        Ok(Wish { reason, .. }) => obey(&arena, Command::Halt { reason }).await,
        Err(fault) => fault.answer(),
    }
}

pub(super) async fn open_budget(arena: Arena, body: Body) -> HttpResponse {
    match wish(body, false) {
        Ok(Wish { reason, .. }) => obey(&arena, Command::OpenBudget { reason }).await,
        Err(fault) => fault.answer(),
    }
}

pub(super) async fn resume(arena: Arena, body: Body) -> HttpResponse {
    match wish(body, false) {
        Ok(Wish { reason, .. }) => obey(&arena, Command::Resume { reason }).await,
        Err(fault) => fault.answer(),
    }
}

pub(super) async fn reload(arena: Arena, body: Body) -> HttpResponse {
    match wish(body, false) {
        Ok(Wish { reason: None, .. }) => obey(&arena, Command::Reload).await,
        Ok(_) => Fault::bad("a reload takes no reason: the file says what changed").answer(),
        Err(fault) => fault.answer(),
    }
}

pub(super) async fn unknown_route() -> HttpResponse {
    problem(StatusCode::NOT_FOUND, "no such route; /api/v1/openapi.json lists them")
}

pub(super) async fn wrong_method(method: &'static str) -> HttpResponse {
    let body: Value = json!({ "error": format!("this route answers {method}") });
    HttpResponseBuilder::new(StatusCode::METHOD_NOT_ALLOWED).insert_header((ALLOW, method)).json(body)
}
