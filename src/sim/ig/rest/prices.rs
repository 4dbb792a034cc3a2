//! `/prices`: bars of the past, in three versions, each bar costing one point.

use serde_json::{Value, json};

use super::{Answer, ApiError, Caller, Page, Request};
use crate::domain::{Epic, Ohlc, UtcMicros};
use crate::sim::ig::history::{Candle, Scale};
use crate::sim::ig::text::{iso, local, number, parse_iso, parse_utc, slashed_local};
use crate::sim::ig::world::World;

/// Bars of one request at most, pages or not.
const BARS_MAX: usize = 100_000;

/// Which bars are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Last(usize),
    /// Both ends included.
    Between(UtcMicros, UtcMicros),
}

impl World {
    pub(super) fn prices(
        &mut self,
        request: &Request,
        caller: &Caller,
        epic: &str,
        path: &[&str],
    ) -> Result<Answer, ApiError> {
        let query = request.parameters()?;
        let malformed = || ApiError::new(400, "error.malformed.date");
        match path {
            [] => {
                let scale = scale(query.get("resolution").unwrap_or("MINUTE"))?;
                let time = |name: &str| query.get(name).map(|text| parse_iso(text).ok_or_else(malformed)).transpose();
                let wanted = match (time("from")?, time("to")?) {
                    (None, None) => Wanted::Last(query.number("max", 10)?),
                    (from, to) => {
                        let to = to.unwrap_or(self.time());
                        Wanted::Between(from.unwrap_or(UtcMicros(to.0 - scale.depth().0)), to)
                    }
                };
                let page = Page::of(&query, 20)?;
                let bars = self.bars(epic, scale, wanted)?;
                let (size, shown) = (bars.len(), page.cut(&bars));
                self.spend(caller, shown.len())?;
                let prices: Vec<Value> = shown.iter().map(|bar| bar_json(bar, 3)).collect();
                let paging = page.json(size);
                Ok(Answer::ok(json!({
                    "prices": prices,
                    "instrumentType": self.kind(epic),
                    "metadata": { "allowance": self.allowance(caller), "size": shown.len(), "pageData": paging },
                })))
            }
            [resolution] => {
                let time = |name: &str| -> Result<UtcMicros, ApiError> {
                    parse_utc(query.get(name).ok_or_else(malformed)?, "%Y:%m:%d-%H:%M:%S").ok_or_else(malformed)
                };
                let wanted = if query.get("startdate").is_some() || query.get("enddate").is_some() {
                    Wanted::Between(time("startdate")?, time("enddate")?)
                } else {
                    Wanted::Last(query.number("max", 10)?)
                };
                self.plain_prices(caller, epic, scale(resolution)?, wanted, 1)
            }
            [resolution, count] => {
                let count = count.parse().map_err(|_| ApiError::new(400, "invalid.request.numPoints"))?;
                self.plain_prices(caller, epic, scale(resolution)?, Wanted::Last(count), 2)
            }
            [resolution, from, to] => {
                let time = |part: &str| parse_utc(part, "%Y-%m-%d %H:%M:%S").ok_or_else(malformed);
                self.plain_prices(caller, epic, scale(resolution)?, Wanted::Between(time(from)?, time(to)?), 2)
            }
            _ => Err(ApiError::new(404, "invalid.url")),
        }
    }

    /// Versions 1 and 2: all bars at once, the allowance beside them.
    fn plain_prices(
        &mut self,
        caller: &Caller,
        epic: &str,
        scale: Scale,
        wanted: Wanted,
        version: u8,
    ) -> Result<Answer, ApiError> {
        let bars = self.bars(epic, scale, wanted)?;
        self.spend(caller, bars.len())?;
        let prices: Vec<Value> = bars.iter().map(|bar| bar_json(bar, version)).collect();
        Ok(Answer::ok(json!({
            "prices": prices,
            "instrumentType": self.kind(epic),
            "allowance": self.allowance(caller),
        })))
    }

    fn kind(&self, epic: &str) -> Option<String> {
        self.board(epic).map(|board| board.listing.kind.clone())
    }

    fn bars(&mut self, epic: &str, scale: Scale, wanted: Wanted) -> Result<Vec<Candle>, ApiError> {
        let now = self.time();
        let board = self.boards.get_mut(&Epic::from(epic));
        let board = board.ok_or_else(|| ApiError::new(404, "error.price-history.io-error"))?;
        let bars = match wanted {
            Wanted::Last(count) if count > BARS_MAX => return Err(ApiError::new(400, "invalid.request.max")),
            Wanted::Last(count) => board.history.last(scale, count, now),
            Wanted::Between(from, to) if from > to => return Err(ApiError::new(400, "error.invalid.daterange")),
            Wanted::Between(from, to) => {
                let from = from.max(UtcMicros(now.0 - scale.depth().0));
                let to = to.min(now);
                if from > to { Vec::new() } else { board.history.bars(scale, from, UtcMicros(to.0 + 1)) }
            }
        };
        Ok(bars.into_iter().filter(|bar| !matches!(wanted, Wanted::Between(_, to) if bar.start > to)).collect())
    }

    fn spend(&mut self, caller: &Caller, points: usize) -> Result<(), ApiError> {
        let now = self.time();
        if self.allowances.spend(&self.limits, &owner(caller), points, now) {
            Ok(())
        } else {
            Err(ApiError::new(403, "error.public-api.exceeded-account-historical-data-allowance"))
        }
    }

    fn allowance(&self, caller: &Caller) -> Value {
        let points = self.allowances.points(&self.limits, &owner(caller), self.time());
        json!({
            "remainingAllowance": points.left,
            "totalAllowance": points.total,
            "allowanceExpiry": points.expiry,
        })
    }
}

fn owner(caller: &Caller) -> String {
    format!("{} {}", caller.key, caller.account)
}

fn scale(name: &str) -> Result<Scale, ApiError> {
    Scale::named(name).ok_or_else(|| ApiError::new(400, "error.price-history.io-error"))
}

fn bar_json(bar: &Candle, version: u8) -> Value {
    let price = |part: fn(&Ohlc) -> crate::domain::Price| json!({ "bid": number(part(&bar.bid)), "ask": number(part(&bar.offer)), "lastTraded": null });
    let stamp = if version == 1 { local(bar.start, "%Y:%m:%d-%H:%M:%S") } else { slashed_local(bar.start) };
    let mut json = json!({
        "snapshotTime": stamp,
        "snapshotTimeUTC": iso(bar.start),
        "openPrice": price(|side| side.open),
        "closePrice": price(|side| side.close),
        "highPrice": price(|side| side.high),
        "lowPrice": price(|side| side.low),
        "lastTradedVolume": bar.ticks,
    });
    if version < 3
        && let Some(fields) = json.as_object_mut()
    {
        fields.shift_remove("snapshotTimeUTC");
    }
    json
}
