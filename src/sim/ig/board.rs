//! One market as it stands: its last quote, its day, its candles, its status, and how REST shows them.

use serde_json::{Value, json};

use crate::domain::{Direction, Market, Price, PriceDelta, Tick, UtcMicros};

use super::history::{Candle, History, Scale};
use super::listing::{Listing, Rule};
use super::past::Past;
use super::prices::{Prices, Source, quote_about};
use super::text::{clock_local, clock_utc, number, slashed_local_millis};

/// What can be done on a market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Tradeable,
    Closed,
    EditsOnly,
    Offline,
    Auction,
    AuctionNoEdits,
    Suspended,
}

/// Each status with its names: over REST, in `MARKET_STATE`, in `DLG_FLAG`.
const STATUSES: [(Status, &str, &str, &str); 7] = [
    (Status::Tradeable, "TRADEABLE", "TRADEABLE", "DEAL"),
    (Status::Closed, "CLOSED", "CLOSED", "CLOSED"),
    (Status::EditsOnly, "EDITS_ONLY", "EDIT", "EDIT"),
    (Status::Offline, "OFFLINE", "OFFLINE", "CLOSED"),
    (Status::Auction, "ON_AUCTION", "AUCTION", "AUCTION"),
    (Status::AuctionNoEdits, "ON_AUCTION_NO_EDITS", "AUCTION_NO_EDIT", "AUCTIONNOEDIT"),
    (Status::Suspended, "SUSPENDED", "SUSPENDED", "SUSPEND"),
];

impl Status {
    /// The status with that name over REST.
    pub(super) fn named(name: &str) -> Option<Self> {
        STATUSES.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    fn row(self) -> &'static (Self, &'static str, &'static str, &'static str) {
        STATUSES.iter().find(|row| row.0 == self).expect("every status has a row")
    }

    /// Its name over REST.
    pub(super) fn word(self) -> &'static str {
        self.row().1
    }

    /// Its name in `MARKET_STATE`.
    pub(super) fn state(self) -> &'static str {
        self.row().2
    }

    /// Its name in `DLG_FLAG`, padded as it is sent.
    pub(super) fn flag(self) -> String {
        format!("{:<13}", self.row().3)
    }
}

/// The lengths of candles that can be streamed, with their names in items.
pub(super) const CANDLES: [(&str, i64); 4] =
    [("SECOND", 1_000_000), ("1MINUTE", 60_000_000), ("5MINUTE", 300_000_000), ("HOUR", 3_600_000_000)];

/// A streamed candle: the one that forms, or the last one that was finished.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Forming {
    /// The candle and whether it is finished.
    pub(super) candle: Option<(Candle, bool)>,
}

/// One market.
#[derive(Debug)]
pub(super) struct Board {
    pub(super) listing: Listing,
    /// The same as the arithmetic of money takes it.
    pub(super) rules: Market,
    source: Source,
    pub(super) history: History,
    pub(super) last: Tick,
    /// The bar of the present day.
    day: Candle,
    pub(super) candles: [Forming; 4],
    /// A status that was set from outside, and until when.
    forced: Option<(Status, UtcMicros)>,
    /// The status that was published last.
    pub(super) shown: Status,
}

impl Board {
    pub(super) fn new(listing: Listing, prices: Prices, seed: u64, start: UtcMicros) -> Self {
        let spec = listing.spec(0.0);
        let is_made = matches!(prices, Prices::Made { .. });
        let mut source = Source::new(&listing, prices, seed, start);
        // What is recorded or cut out of a week begins at a price of its own: the past leads to that one.
        let point = listing.point.micros() as f64;
        let first = if is_made { None } else { source.take() };
        let mid = first.map_or(listing.start.micros() as f64, |tick| tick.mid2() as f64 / 2.0);
        let end = first.map_or(start, |tick| tick.time.max(start));
        let mut history = History::new(Past::new(spec, seed, end, mid / point));
        let last = first.unwrap_or_else(|| quote_about(mid, point, listing.tick, start));
        if first.is_some() {
            history.add(&last);
        }
        let day = history.day(start).unwrap_or_else(|| Candle::of(start, &last));
        let candles = CANDLES.map(|(_, length)| {
            let scale = Scale::Length(length);
            let bar = history.bars(scale, scale.floor(start), UtcMicros(start.0 + 1)).pop();
            Forming { candle: bar.map(|candle| (candle, false)) }
        });
        let shown = if listing.is_open(start) { Status::Tradeable } else { Status::Closed };
        Self { rules: listing.rules(), listing, source, history, last, day, candles, forced: None, shown }
    }

    /// The time of the next quote of its own.
    pub(super) fn peek(&self) -> Option<UtcMicros> {
        self.source.peek()
    }

    /// The next quote of its own.
    pub(super) fn take(&mut self) -> Option<Tick> {
        self.source.take()
    }

    /// Moves every quote from here on.
    pub(super) fn jump(&mut self, by: PriceDelta) {
        self.source.jump(by);
    }

    /// A quote from outside, which the market's own go on from.
    pub(super) fn note(&mut self, tick: Tick) {
        self.source.note(tick);
    }

    /// Sets the status until a time.
    pub(super) fn force(&mut self, status: Status, until: UtcMicros) {
        self.forced = Some((status, until));
    }

    /// Back to what its hours say.
    pub(super) fn unforce(&mut self) {
        self.forced = None;
    }

    /// What can be done on it at `now`.
    pub(super) fn status(&self, now: UtcMicros) -> Status {
        match self.forced {
            Some((status, until)) if now < until => status,
            _ if self.source.is_over() || !self.listing.is_open(now) => Status::Closed,
            _ => Status::Tradeable,
        }
    }

    /// Takes in a quote.
    pub(super) fn on_quote(&mut self, tick: &Tick) {
        self.history.add(tick);
        if tick.time.day() == self.day.start.day() {
            self.day.add(tick);
        } else {
            self.day = Candle::of(tick.time, tick);
        }
        self.last = *tick;
    }

    /// The end of the first candle of length `at` that forms.
    pub(super) fn candle_end(&self, at: usize) -> Option<UtcMicros> {
        let (candle, is_done) = self.candles[at].candle?;
        (!is_done).then_some(UtcMicros(candle.start.0 + CANDLES[at].1))
    }

    /// Twice the mid of the first quote of the day.
    fn open_mid2(&self) -> i64 {
        self.day.bid.open.micros() + self.day.offer.open.micros()
    }

    /// The middle of the day's first quote.
    pub(super) fn open_mid(&self) -> Price {
        Price::from_micros(self.open_mid2() / 2)
    }

    /// The highest and lowest middle of the day.
    pub(super) fn range(&self) -> (Price, Price) {
        let (high, low) = self.day.mid2_range();
        (Price::from_micros(high / 2), Price::from_micros(low / 2))
    }

    /// How far the middle has come since the day began.
    pub(super) fn change(&self) -> PriceDelta {
        PriceDelta::from_micros((self.last.mid2() - self.open_mid2()) / 2)
    }

    /// The same in hundredths of a percent, as whole micro-percents.
    pub(super) fn change_percent(&self) -> PriceDelta {
        let parts = i128::from(self.last.mid2() - self.open_mid2()) * 10_000 / i128::from(self.open_mid2().max(1));
        PriceDelta::from_micros(i64::try_from(parts).unwrap_or(0) * 10_000)
    }

    /// Quotes of the day so far.
    pub(super) fn volume(&self) -> u32 {
        self.day.ticks
    }

    /// The price at which a position of this direction is closed now.
    pub(super) fn closing(&self, direction: Direction) -> Price {
        match direction {
            Direction::Long => self.last.bid,
            Direction::Short => self.last.offer,
        }
    }

    /// The market as positions and searches show it.
    pub(super) fn summary(&self, now: UtcMicros) -> Value {
        let (high, low) = self.range();
        json!({
            "instrumentName": self.listing.name,
            "expiry": self.listing.expiry,
            "epic": self.listing.epic.as_str(),
            "instrumentType": self.listing.kind,
            "lotSize": 1.0,
            "high": number(high),
            "low": number(low),
            "percentageChange": number(self.change_percent()),
            "netChange": number(self.change()),
            "bid": number(self.last.bid),
            "offer": number(self.last.offer),
            "updateTime": clock_local(self.last.time),
            "updateTimeUTC": clock_utc(self.last.time),
            "delayTime": 0,
            "streamingPricesAvailable": true,
            "marketStatus": self.status(now).word(),
            "scalingFactor": self.scaling(),
        })
    }

    /// The same as working orders show it.
    pub(super) fn order_summary(&self, now: UtcMicros) -> Value {
        let mut summary = self.summary(now);
        summary["exchangeId"] = json!(format!("SIM_{}", self.listing.market_id));
        summary["updateTime"] = json!(slashed_local_millis(self.last.time));
        summary
    }

    /// The same as searches show it.
    pub(super) fn found(&self, now: UtcMicros) -> Value {
        let mut summary = self.summary(now);
        summary["otcTradeable"] = json!(true);
        summary
    }

    /// Points in one unit of the price.
    fn scaling(&self) -> i64 {
        (1_000_000 / self.listing.point.micros().max(1)).max(1)
    }

    /// All about the market: instrument, dealing rules, snapshot.
    pub(super) fn details(&self, now: UtcMicros) -> Value {
        json!({ "instrument": self.instrument(), "dealingRules": self.dealing_rules(), "snapshot": self.snapshot(now) })
    }

    fn instrument(&self) -> Value {
        let listing = &self.listing;
        let currencies: Vec<Value> = listing
            .currencies
            .iter()
            .map(|currency| {
                let base = if currency.rate.0 == 0 { 1.0 } else { 1.0 / currency.rate.as_f64() };
                json!({
                    "code": currency.code,
                    "symbol": currency.symbol,
                    "baseExchangeRate": (base * 1e6).round() / 1e6,
                    "exchangeRate": number(currency.rate),
                    "isDefault": currency.is_default,
                })
            })
            .collect();
        let code = &listing.currency().code;
        json!({
            "epic": listing.epic.as_str(),
            "expiry": listing.expiry,
            "name": listing.name,
            "forceOpenAllowed": true,
            "stopsLimitsAllowed": true,
            "lotSize": 1.0,
            "unit": if listing.is_contract() { "CONTRACTS" } else { "AMOUNT" },
            "type": listing.kind,
            "controlledRiskAllowed": listing.is_guaranteed_allowed,
            "streamingPricesAvailable": true,
            "marketId": listing.market_id,
            "currencies": currencies,
            "sprintMarketsMinimumExpiryTime": null,
            "sprintMarketsMaximumExpiryTime": null,
            "marginDepositBands": [
                { "min": 0, "max": null, "margin": number(listing.margin_percent), "currency": code },
            ],
            "marginFactor": number(listing.margin_percent),
            "marginFactorUnit": "PERCENTAGE",
            "slippageFactor": { "unit": "pct", "value": 50.0 },
            "limitedRiskPremium": { "value": 0.0, "unit": "POINTS" },
            "openingHours": null,
            "expiryDetails": null,
            "rolloverDetails": null,
            "newsCode": listing.market_id,
            "chartCode": listing.market_id,
            "country": null,
            "valueOfOnePip": super::text::fixed(listing.value_per_point.micros(), 2),
            "onePipMeans": listing.point.to_string(),
            "contractSize": listing.value_per_point.to_string(),
            "specialInfo": [],
        })
    }

    fn dealing_rules(&self) -> Value {
        let rule = |rule: Rule| {
            json!({
                "unit": if rule.is_percentage { "PERCENTAGE" } else { "POINTS" },
                "value": number(rule.value),
            })
        };
        let listing = &self.listing;
        json!({
            "minStepDistance": rule(listing.step_min),
            "minDealSize": { "unit": "POINTS", "value": number(listing.size_min) },
            "minControlledRiskStopDistance": rule(listing.guaranteed_min),
            "minNormalStopOrLimitDistance": rule(listing.stop_min),
            "maxStopOrLimitDistance": rule(listing.stop_max),
            "controlledRiskSpacing": rule(listing.stop_min),
            "marketOrderPreference": listing.market_orders,
            "trailingStopsPreference": if listing.is_trailing_allowed { "AVAILABLE" } else { "NOT_AVAILABLE" },
        })
    }

    /// The prices of now.
    pub(super) fn snapshot(&self, now: UtcMicros) -> Value {
        let (high, low) = self.range();
        json!({
            "marketStatus": self.status(now).word(),
            "netChange": number(self.change()),
            "percentageChange": number(self.change_percent()),
            "updateTime": clock_local(self.last.time),
            "delayTime": 0,
            "bid": number(self.last.bid),
            "offer": number(self.last.offer),
            "high": number(high),
            "low": number(low),
            "binaryOdds": null,
            "decimalPlacesFactor": self.listing.decimals(),
            "scalingFactor": self.scaling(),
            "controlledRiskExtraSpread": 0.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::ig::listing::Hours;

    fn board(hours: Hours) -> (Board, UtcMicros) {
        let start: UtcMicros = "2025-01-08T09:30:05Z".parse().unwrap();
        let listing = Listing { hours, ..Listing::guess("IX.D.FTSE.DAILY.IP") };
        let prices = Prices::Made { edge_r: 0.0, silence_max: None };
        (Board::new(listing, prices, 7, start), start)
    }

    #[test]
    fn the_day_has_its_open_range_and_change() {
        let (mut board, start) = board(Hours::Always);
        let open = board.open_mid();
        let price = |points: i64| Price::from_micros(points * 1_000_000);
        board.on_quote(&Tick { time: start, bid: price(20_000), offer: price(20_001) });
        assert_eq!(board.range().0.to_string(), "20000.5");
        assert_eq!(board.open_mid(), open);
        assert_eq!(board.change(), "20000.5".parse::<Price>().unwrap() - open);
        let next = UtcMicros(start.0 + 86_400_000_000);
        board.on_quote(&Tick { time: next, bid: price(30_000), offer: price(30_001) });
        assert_eq!((board.open_mid().to_string().as_str(), board.change().to_string().as_str()), ("30000.5", "0"));
    }

    #[test]
    fn a_status_that_was_forced_ends_by_itself() {
        let (mut board, start) = board(Hours::Always);
        assert_eq!(board.status(start), Status::Tradeable);
        board.force(Status::EditsOnly, UtcMicros(start.0 + 10));
        assert_eq!(board.status(start), Status::EditsOnly);
        assert_eq!(board.status(UtcMicros(start.0 + 10)), Status::Tradeable);
        let (closed, start) = self::board(Hours::Closed);
        assert_eq!(closed.status(start), Status::Closed);
        assert!(closed.last.bid < closed.last.offer);
    }

    #[test]
    fn flags_are_padded_to_thirteen() {
        for (status, ..) in STATUSES {
            assert_eq!(status.flag().len(), 13);
            assert_eq!(Status::named(status.word()), Some(status));
        }
    }
}
