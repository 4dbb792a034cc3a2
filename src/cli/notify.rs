//! `arena notify test`: whether the channels of `[notify]` deliver.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::output::{DONE, FAILED, Failure, USAGE, print, print_json};
use super::{Shared, block_on, ready};
use crate::clock::{Clock, SystemClock};
use crate::notify::{Notify, OpenError};

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        Self::new(USAGE, error.to_string())
    }
}

/// Sends one message to each channel.
pub(super) fn test(shared: &Shared) -> Result<u8, Failure> {
    let config = ready::load(shared)?.config;
    let Some(notify) = Notify::open(&config, config.listen)? else {
        let why = "[notify] names no channel: set webhook, smtp or telegram (docs/NOTIFICATIONS.md)";
        return Err(Failure::new(USAGE, why));
    };
    let results = block_on(async { Ok(notify.test(SystemClock.now()).await) })?;
    let is_ok = results.iter().all(|(_, _, result)| result.is_ok());
    if shared.json {
        let channels: Vec<Value> = results
            .iter()
            .map(|(channel, place, result)| {
                let why = result.as_ref().err().map(ToString::to_string);
                json!({ "channel": channel, "place": place, "ok": result.is_ok(), "why": why })
            })
            .collect();
        print_json(&json!({ "ok": is_ok, "channels": channels }))?;
    } else {
        let mut text = String::new();
        for (channel, place, result) in &results {
            let told = match result {
                Ok(()) => "delivered".to_owned(),
                Err(error) => format!("NOT delivered: {error}"),
            };
            writeln!(text, "{channel:<9} {place}\n{:<9} {told}", "").expect("strings take what is written to them");
        }
        print(&text)?;
    }
    Ok(if is_ok { DONE } else { FAILED })
}
