//! `arena tail`: quotes, bars, predictions and trades of a running arena, as they are journalled.

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde_json::Value;

use super::output::{Failure, print};
use super::{Client, Shared, block_on};
use crate::export::TailKind;

/// `arena tail`.
#[derive(Args, Clone, Debug)]
pub struct TailArgs {
    /// What to show, between commas [default: bars, predictions and trades]
    #[arg(
        value_name = "KIND",
        value_delimiter = ',',
        value_parser = PossibleValuesParser::new(TailKind::ALL.map(|(name, _)| name)).map(|name: String| name)
    )]
    pub kinds: Vec<String>,
    /// Only what is of this model
    #[arg(long, value_name = "MODEL")]
    pub model: Option<String>,
    /// Only what is of this market
    #[arg(long, value_name = "EPIC")]
    pub epic: Option<String>,
    /// End after so many lines
    #[arg(short = 'n', long, value_name = "N")]
    pub lines: Option<u64>,
    /// The running arena [default: ARENA_URL, else the configuration's, else http://127.0.0.1:8787]
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
}

pub(super) fn tail(shared: &Shared, args: &TailArgs) -> Result<(), Failure> {
    let client = Client::reading(args.url.as_deref(), shared)?;
    let kinds = if args.kinds.is_empty() { "bars,predictions,trades".to_owned() } else { args.kinds.join(",") };
    let mut query = vec![("kinds", kinds.as_str())];
    query.extend(args.model.as_deref().map(|model| ("model", model)));
    query.extend(args.epic.as_deref().map(|epic| ("epic", epic)));
    let mut events = Events::default();
    let mut left = args.lines.unwrap_or(u64::MAX);
    let ended = block_on(async {
        let shown = client.stream(&["tail"], &query, |bytes| {
            for event in events.take(bytes) {
                if left == 0 {
                    return Err(enough());
                }
                print(&if shared.json { format!("{event}\n") } else { line(&event) })?;
                left -= 1;
            }
            if left == 0 { Err(enough()) } else { Ok(()) }
        });
        tokio::select! {
            ended = shown => ended,
            stopped = tokio::signal::ctrl_c() => stopped.map_err(Failure::from),
        }
    });
    match ended {
        Err(failure) if failure == enough() => Ok(()),
        ended => ended,
    }
}

/// As many lines as were asked for: an end, and nothing to say.
fn enough() -> Failure {
    Failure::new(super::output::DONE, "")
}

/// Puts server-sent events together.
#[derive(Default)]
struct Events {
    rest: Vec<u8>,
}

impl Events {
    fn take(&mut self, bytes: &[u8]) -> Vec<Value> {
        self.rest.extend_from_slice(bytes);
        let mut events = Vec::new();
        while let Some(at) = self.rest.windows(2).position(|two| two == b"\n\n") {
            let event: Vec<u8> = self.rest.drain(..at + 2).collect();
            let text = String::from_utf8_lossy(&event);
            let data = text.lines().find_map(|line| line.strip_prefix("data: "));
            events.extend(data.and_then(|data| serde_json::from_str(data).ok()));
        }
        events
    }
}

/// One event as a line for people.
fn line(event: &Value) -> String {
    let text = |key: &str| match &event[key] {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let number = |key: &str, decimals: usize| {
        event[key].as_f64().map_or_else(|| "-".to_owned(), |value| format!("{value:.decimals$}"))
    };
    let (time, told) = match event["kind"].as_str().unwrap_or_default() {
        "quote" => (text("time"), format!("quote       {}  {} / {}", text("epic"), text("bid"), text("offer"))),
        "bar" => {
            let (epic, bar) = (text("epic"), text("bar"));
            let (bid, offer, quotes) = (text("bid_close"), text("offer_close"), text("quotes"));
            (text("end"), format!("bar         {epic} {bar}  {bid} / {offer}, {quotes} quotes"))
        }
        "prediction" => {
            let acted = if event["acted"] == true { ", ordered" } else { "" };
            let abstained = if event["abstained"] == true { ", abstained" } else { "" };
            let said = format!("{} {}{acted}{abstained}", text("signal"), number("y_pred", 6));
            (text("time"), format!("prediction  {}  {said}", text("model")))
        }
        "trade" => {
            let (model, direction, reason) = (text("model"), text("direction"), text("reason"));
            let (open, close, profit) = (text("open_level"), text("close_level"), text("profit"));
            let r = number("r", 2);
            (text("closed"), format!("trade       {model}  {direction} {open} to {close}, {reason}: {profit}, {r} R"))
        }
        "missed" => return format!("-- {} commits came too fast and were left out\n", text("commits")),
        other => (text("time"), other.to_owned()),
    };
    format!("{time:<27}  {told}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_put_together_however_they_come() {
        let stream = "retry: 2000\n\nevent: quote\ndata: {\"kind\":\"quote\",\"time\":\"2014-05-01T00:00:00Z\",\"epic\":\"E\",\
                      \"bid\":\"1.1\",\"offer\":\"1.2\"}\n\n: still here\n\nevent: missed\ndata: {\"kind\":\"missed\",\"commits\":3}\n\n";
        for piece in [1, 5, stream.len()] {
            let mut events = Events::default();
            let told: Vec<Value> = stream.as_bytes().chunks(piece).flat_map(|chunk| events.take(chunk)).collect();
            assert_eq!(told.len(), 2, "{piece}");
            assert_eq!(line(&told[0]), "2014-05-01T00:00:00Z         quote       E  1.1 / 1.2\n");
            assert!(line(&told[1]).contains("3 commits"));
        }
    }
}
