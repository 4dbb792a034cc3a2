//! The control endpoint below `/sim`: the clock, faults, quotes, limits, and the requests that were made.

use hyper::Method;
use serde_json::{Value, json};

use crate::domain::{Epic, Micros, UtcMicros};

use super::faults::Fault;
use super::rest::{Answer, ApiError, Body};
use super::server::Shared;
use super::text::pairs;
use super::world::World;

fn wrong(sentence: impl Into<String>) -> ApiError {
    ApiError::new(400, sentence)
}

/// Answers a request below `/sim`; a refusal says in one sentence what was wrong.
pub(super) fn answer(shared: &Shared, method: &Method, path: &str, query: &str, body: &[u8]) -> Answer {
    let done = {
        let mut world = shared.enter();
        route(&mut world, method.as_str(), path, query, body)
    };
    shared.wake();
    match done {
        Ok(body) => Answer { status: 200, body: Some(body), ..Answer::default() },
        Err(error) => Answer { status: error.status, body: Some(json!({ "error": error.code })), ..Answer::default() },
    }
}

fn route(world: &mut World, method: &str, path: &str, query: &str, body: &[u8]) -> Result<Value, ApiError> {
    match (method, path) {
        ("GET", "" | "/state") => Ok(world.json()),
        ("GET", "/clock") => Ok(clock(world)),
        ("POST", "/clock") => set_clock(world, body),
        ("GET", "/faults") => Ok(world.faults.json()),
        ("POST", "/faults") => add_faults(world, body),
        ("DELETE", "/faults") => {
            world.faults.clear();
            for board in world.boards.values_mut() {
                board.unforce();
            }
            world.hub.stalled_until = UtcMicros(i64::MIN);
            world.maintenance_until = UtcMicros(i64::MIN);
            Ok(world.faults.json())
        }
        ("GET", "/requests") => {
            let query = pairs(query, true).unwrap_or_default();
            let since = query.iter().find(|(name, _)| name == "since").map_or("0", |(_, value)| value.as_str());
            let since = since.parse().map_err(|_| wrong("since is a number of a request"))?;
            Ok(world.requests.json(since))
        }
        ("DELETE", "/requests") => {
            world.requests.clear();
            Ok(world.requests.json(0))
        }
        ("POST", "/quotes") => quote(world, body),
        ("POST", "/limits") => set_limits(world, body),
        ("POST", "/market-items") => {
            let is_mute = read(body)?.needed_flag("mute")?;
            world.hub.set_market_mute(is_mute);
            Ok(json!({ "mute": is_mute }))
        }
        _ => Err(ApiError::new(404, format!("{method} /sim{path} is not there"))),
    }
}

fn read(body: &[u8]) -> Result<Body, ApiError> {
    Body::parse(body).map_err(|_| wrong("want a JSON object"))
}

fn clock(world: &World) -> Value {
    json!({ "now": world.clock.now().to_string(), "speed": world.clock.speed(), "holds": world.clock.holds() })
}

/// `{"speed"}`, `{"advance": "10s"}` or `{"to": time}`, or several, in this order.
fn set_clock(world: &mut World, body: &[u8]) -> Result<Value, ApiError> {
    let body = read(body)?;
    let speed = body.decimal("speed")?;
    let advance = body.text("advance")?.map(|text| text.parse::<Micros>()).transpose();
    let advance = advance.map_err(|error| wrong(format!("advance is {error}")))?;
    let to = body.text("to")?.map(|text| text.parse::<UtcMicros>()).transpose();
    let to = to.map_err(|error| wrong(format!("to is {error}")))?;
    if speed.is_none() && advance.is_none() && to.is_none() {
        return Err(wrong("want speed, advance or to"));
    }
    if let Some(speed) = speed {
        if speed.0 < 0 {
            return Err(wrong("a speed is 0 or above"));
        }
        world.clock.set_speed(speed.as_f64());
    }
    if let Some(by) = advance {
        world.clock.advance(by);
    }
    if let Some(to) = to {
        let by = Micros(to.0 - world.clock.now().0);
        if by.0 < 0 {
            return Err(wrong(format!("{to} has passed")));
        }
        world.clock.advance(by);
    }
    world.sync();
    Ok(clock(world))
}

/// A fault, a list of them, or `{"seed", "faults"}`.
fn add_faults(world: &mut World, body: &[u8]) -> Result<Value, ApiError> {
    let value: Value = serde_json::from_slice(body).map_err(|error| wrong(format!("no JSON: {error}")))?;
    let seed = value.get("seed").and_then(Value::as_u64);
    let list = match value {
        Value::Array(list) => list,
        Value::Object(mut fields) if fields.contains_key("faults") => match fields.shift_remove("faults") {
            Some(Value::Array(list)) => list,
            _ => return Err(wrong("faults is a list")),
        },
        one => vec![one],
    };
    let faults: Vec<Fault> = list.into_iter().map(Fault::parse).collect::<Result<_, _>>().map_err(wrong)?;
    for fault in &faults {
        world.fits(fault).map_err(wrong)?;
    }
    if let Some(seed) = seed {
        world.faults.reseed(seed);
    }
    let now = world.now;
    for fault in faults {
        world.faults.add(fault, now);
    }
    world.sync();
    Ok(world.faults.json())
}

/// `{"epic", "bid", "offer"}`: a quote now.
fn quote(world: &mut World, body: &[u8]) -> Result<Value, ApiError> {
    let body = read(body)?;
    let epic = body.needed("epic")?;
    let (bid, offer) = (body.level("bid")?, body.level("offer")?);
    let (bid, offer) = bid.zip(offer).ok_or_else(|| wrong("want epic, bid and offer"))?;
    world.quote(&Epic::from(epic.as_str()), bid, offer).map_err(wrong)?;
    Ok(json!({ "at": world.now.to_string() }))
}

/// `{"application", "account", "trading", "history"}`: a number, or null for none; what is absent stays.
fn set_limits(world: &mut World, body: &[u8]) -> Result<Value, ApiError> {
    let value: Value = serde_json::from_slice(body).map_err(|error| wrong(format!("no JSON: {error}")))?;
    let Value::Object(fields) = value else { return Err(wrong("want a JSON object")) };
    for (name, value) in fields {
        let limit = match value {
            Value::Null => None,
            value => {
                let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
                Some(number.ok_or_else(|| wrong(format!("{name} is a number or null")))?)
            }
        };
        match name.as_str() {
            "application" => world.limits.application = limit,
            "account" => world.limits.account = limit,
            "trading" => world.limits.trading = limit,
            "history" => world.limits.history = limit,
            _ => return Err(wrong(format!("no limit is called {name}"))),
        }
    }
    let limits = &world.limits;
    Ok(json!({
        "application": limits.application,
        "account": limits.account,
        "trading": limits.trading,
        "history": limits.history,
        "subscriptions": limits.subscriptions,
    }))
}
