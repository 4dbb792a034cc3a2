//! What a market of the simulator is: its name, its dealing rules with their units, and where its quotes come from.
//!
//! The rules are numbers of this file's making, of the size that IG's have; a file of `[[markets]]` replaces them.

use serde::Deserialize;

use crate::domain::{Decimal, Epic, Market, Money, Price, PriceDelta, Size, UtcMicros};
use crate::sim::market::MarketSpec;

/// A dealing rule: a value, in points of the market or in percent of the level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Percent of the level, not points.
    pub is_percentage: bool,
    /// How much.
    pub value: Decimal,
}

impl Rule {
    /// So many millionths of a point.
    #[must_use]
    pub const fn points(micros: i64) -> Self {
        Self { is_percentage: false, value: Decimal(micros) }
    }

    /// So many millionths of a percent.
    #[must_use]
    pub const fn percent(micros: i64) -> Self {
        Self { is_percentage: true, value: Decimal(micros) }
    }

    /// The distance that it means at `level`, where a point is `point`.
    #[must_use]
    pub fn distance(&self, level: Price, point: PriceDelta) -> PriceDelta {
        let value = i128::from(self.value.0);
        let micros = if self.is_percentage {
            value * i128::from(level.micros()) / 100_000_000
        } else {
            value * i128::from(point.micros()) / 1_000_000
        };
        PriceDelta::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
    }
}

/// A currency that a market can be dealt in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Currency {
    /// `GBP`.
    pub code: String,
    /// `£`.
    pub symbol: String,
    /// What one unit of it is worth in the account's currency.
    pub rate: Decimal,
    /// The one that a client takes where it has no reason for another.
    pub is_default: bool,
}

/// When a market is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hours {
    /// Day and night, weekends too: so that a test can be run at any time.
    #[default]
    Always,
    /// Sunday 22:00 to Friday 22:00 in London.
    Week,
    /// Never: it has a last price and no quotes.
    Closed,
}

/// One market.
#[derive(Clone, Debug, PartialEq)]
pub struct Listing {
    /// IG's name of it.
    pub epic: Epic,
    /// What people call it.
    pub name: String,
    /// `INDICES`, `CURRENCIES`, …
    pub kind: String,
    /// `DFB` or dated for spread bets, `-` for contracts.
    pub expiry: String,
    /// The key of client sentiment.
    pub market_id: String,
    /// The price change that is one point.
    pub point: PriceDelta,
    /// Prices are multiples of this.
    pub tick: PriceDelta,
    /// Money for one point at size 1, in the currency of the deal.
    pub value_per_point: Money,
    /// The currencies it can be dealt in; the first default one counts.
    pub currencies: Vec<Currency>,
    /// Percent of the position's value that is held as deposit.
    pub margin_percent: Decimal,
    /// The least size.
    pub size_min: Size,
    /// Sizes are multiples of this.
    pub size_step: Size,
    /// The largest size that is dealt without a dealer.
    pub size_max: Size,
    /// Least distance of stops and limits.
    pub stop_min: Rule,
    /// Least distance of guaranteed stops.
    pub guaranteed_min: Rule,
    /// Largest distance of stops and limits.
    pub stop_max: Rule,
    /// Least step of a trailing stop.
    pub step_min: Rule,
    /// Whether guaranteed stops exist.
    pub is_guaranteed_allowed: bool,
    /// Whether trailing stops exist.
    pub is_trailing_allowed: bool,
    /// `AVAILABLE_DEFAULT_OFF`, `AVAILABLE_DEFAULT_ON` or `NOT_AVAILABLE`.
    pub market_orders: String,
    /// Charged on what is open at 22:00 London, a year.
    pub funding_annual_rate: Decimal,
    /// Where the mid stands at the start.
    pub start: Price,
    /// When it is open.
    pub hours: Hours,
}

impl Listing {
    /// A market with the rules that a spread bet on it would have, knowing its name alone.
    ///
    /// Currency pairs and gold are known by their epics and start near a price of theirs; anything else is an index.
    #[must_use]
    pub fn guess(epic: &str) -> Self {
        let known = [
            ("EURUSD", "EUR/USD", "100", 1_085_000),
            ("GBPUSD", "GBP/USD", "100", 1_270_000),
            ("GOLD", "Spot Gold", "100000", 2_050_000_000),
            ("USCGC", "Spot Gold", "100000", 2_050_000_000),
        ];
        let found = known.iter().find(|(word, ..)| epic.to_uppercase().contains(word));
        let is_contract = epic.contains(".CFD.") || epic.contains(".IFM") || epic.contains(".MINI.");
        let (name, point, start) = match found {
            Some((_, name, point, start)) => (*name, point.parse::<i64>().unwrap_or(1), *start),
            None => (epic, 1_000_000, 10_000_000_000),
        };
        let is_currency = point == 100;
        Self {
            epic: epic.into(),
            name: name.to_owned(),
            kind: if is_currency {
                "CURRENCIES"
            } else if found.is_some() {
                "COMMODITIES"
            } else {
                "INDICES"
            }
            .to_owned(),
            expiry: if is_contract { "-" } else { "DFB" }.to_owned(),
            market_id: epic.split('.').nth(2).unwrap_or(epic).to_owned(),
            point: PriceDelta::from_micros(point),
            tick: PriceDelta::from_micros((point / 10).max(1)),
            value_per_point: Money::from_micros(1_000_000),
            currencies: vec![pounds(true), dollars(false)],
            margin_percent: Decimal(if is_currency { 3_330_000 } else { 5_000_000 }),
            size_min: Size::from_micros(500_000),
            size_step: Size::from_micros(10_000),
            size_max: Size::from_micros(1_000_000_000),
            stop_min: Rule::points(if is_currency { 2_000_000 } else { 4_000_000 }),
            guaranteed_min: Rule::percent(500_000),
            stop_max: Rule::percent(75_000_000),
            step_min: Rule::points(1_000_000),
            is_guaranteed_allowed: true,
            is_trailing_allowed: true,
            market_orders: "AVAILABLE_DEFAULT_OFF".to_owned(),
            funding_annual_rate: Decimal(25_000),
            start: Price::from_micros(start),
            hours: Hours::Always,
        }
    }

    /// As [`Self::guess`], with the rules that an arena's configuration has for the market.
    #[must_use]
    pub fn of(market: &Market) -> Self {
        let spec = MarketSpec::of(market, 0.0);
        let currency = match market.currency.as_str() {
            "GBP" => pounds(true),
            "USD" => dollars(true),
            code => {
                Currency { code: code.to_owned(), symbol: code.to_owned(), rate: Decimal(1_000_000), is_default: true }
            }
        };
        Self {
            point: market.point,
            tick: spec.tick,
            value_per_point: market.value_per_point,
            currencies: vec![currency],
            size_min: market.size_min,
            size_step: Size::from_micros(market.size_min.micros().clamp(1, 10_000)),
            stop_min: Rule { is_percentage: false, value: market.stop_min_points },
            funding_annual_rate: market.funding_annual_rate,
            start: spec.start,
            ..Self::guess(market.epic.as_str())
        }
    }

    /// The shape of its quotes where they are made up, with an edge of `edge_r` in it.
    #[must_use]
    pub fn spec(&self, edge_r: f64) -> MarketSpec {
        let market = self.rules();
        MarketSpec { start: self.start, tick: self.tick, ..MarketSpec::of(&market, edge_r) }
    }

    /// The rules as the arena's arithmetic of money takes them.
    #[must_use]
    pub fn rules(&self) -> Market {
        Market {
            epic: self.epic.clone(),
            currency: self.currency().code.clone(),
            point: self.point,
            value_per_point: self.value_per_point,
            size_min: self.size_min,
            stop_min_points: self.stop_min.value,
            gap_allowance_points: Decimal(0),
            funding_annual_rate: self.funding_annual_rate,
            session: None,
        }
    }

    /// The default currency.
    ///
    /// # Panics
    /// If the market has no currency; [`Listing::check`] sees to that.
    #[must_use]
    pub fn currency(&self) -> &Currency {
        let default = self.currencies.iter().find(|currency| currency.is_default);
        default.or(self.currencies.first()).expect("a market has a currency")
    }

    /// The currency of that code, if the market is dealt in it.
    #[must_use]
    pub fn currency_of(&self, code: &str) -> Option<&Currency> {
        self.currencies.iter().find(|currency| currency.code == code)
    }

    /// Whether it is a contract for difference, by its expiry.
    #[must_use]
    pub fn is_contract(&self) -> bool {
        self.expiry == "-"
    }

    /// Decimals of a price on its grid.
    #[must_use]
    pub fn decimals(&self) -> u32 {
        (0..=6).find(|n| (self.tick.micros() * 10_i64.pow(*n)) % 1_000_000 == 0).unwrap_or(6)
    }

    /// Whether it is open at `time` by its hours.
    #[must_use]
    pub fn is_open(&self, time: UtcMicros) -> bool {
        match self.hours {
            Hours::Always => true,
            Hours::Closed => false,
            Hours::Week => crate::sim::market::is_week_open(time),
        }
    }

    /// What is wrong with it, in one sentence.
    ///
    /// # Errors
    /// The sentence.
    pub fn check(&self) -> Result<(), String> {
        let epic = self.epic.as_str();
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '_';
        let say = |what: &str| Err(format!("market {epic}: {what}"));
        if !(6..=30).contains(&epic.len()) || !epic.chars().all(is_name) {
            return say("an epic is 6 to 30 of A-Z, a-z, 0-9, '.' and '_'");
        }
        if self.tick.micros() <= 0 || self.point < self.tick {
            return say("the tick must be above zero and no larger than the point");
        }
        if self.currencies.is_empty() {
            return say("no currency");
        }
        if self.start.micros() < 1_000 * self.point.micros() {
            return say("the start must be at least 1,000 points");
        }
        if self.size_min.micros() <= 0 || self.size_step.micros() <= 0 || self.value_per_point.micros() <= 0 {
            return say("sizes and the value of a point must be above zero");
        }
        if self.margin_percent.0 <= 0 || self.margin_percent.0 > 100_000_000 {
            return say("margin_percent must be above 0, at most 100");
        }
        Ok(())
    }
}

/// Pounds, the currency of the accounts.
fn pounds(is_default: bool) -> Currency {
    Currency { code: "GBP".to_owned(), symbol: "£".to_owned(), rate: Decimal(1_000_000), is_default }
}

fn dollars(is_default: bool) -> Currency {
    Currency { code: "USD".to_owned(), symbol: "$".to_owned(), rate: Decimal(790_000), is_default }
}

/// The markets of `arena-sim` where no file names others: open, but for the DAX, and two for contracts.
#[must_use]
pub fn defaults() -> Vec<Listing> {
    let index = |epic: &str, name: &str, start: i64, stop_min: i64| Listing {
        name: name.to_owned(),
        start: Price::from_micros(start * 1_000_000),
        stop_min: Rule::points(stop_min * 1_000_000),
        ..Listing::guess(epic)
    };
    let contract = |listing: Listing, currency: Currency, value: i64| Listing {
        currencies: vec![currency],
        value_per_point: Money::from_micros(value * 1_000_000),
        ..listing
    };
    vec![
        index("IX.D.FTSE.DAILY.IP", "FTSE 100", 9_700, 4),
        Listing::guess("CS.D.GBPUSD.TODAY.IP"),
        Listing { hours: Hours::Closed, ..index("IX.D.DAX.DAILY.IP", "Germany 40", 23_800, 10) },
        Listing::guess("CS.D.EURUSD.TODAY.IP"),
        Listing::guess("CS.D.USCGC.TODAY.IP"),
        Listing {
            kind: "COMMODITIES".to_owned(),
            stop_min: Rule::percent(200_000),
            ..index("CC.D.CL.USS.IP", "Oil - US Crude", 5_900, 6)
        },
        contract(index("IX.D.FTSE.IFM.IP", "FTSE 100 Cash (£10)", 9_700, 4), pounds(true), 10),
        contract(Listing::guess("CS.D.EURUSD.CFD.IP"), dollars(true), 10),
    ]
}

/// A decimal in TOML, written as a number or as text.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "toml::Value")]
struct Number(Decimal);

impl TryFrom<toml::Value> for Number {
    type Error = String;
    fn try_from(value: toml::Value) -> Result<Self, String> {
        let text = match &value {
            toml::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        text.parse().map(Self).map_err(|error| format!("{text:?} is {error}"))
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    markets: Vec<RawMarket>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMarket {
    epic: String,
    name: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    expiry: Option<String>,
    point: Option<Number>,
    tick: Option<Number>,
    value_per_point: Option<Number>,
    currency: Option<String>,
    exchange_rate: Option<Number>,
    margin_percent: Option<Number>,
    size_min: Option<Number>,
    size_step: Option<Number>,
    size_max: Option<Number>,
    stop_min_points: Option<Number>,
    stop_min_percent: Option<Number>,
    guaranteed: Option<bool>,
    trailing: Option<bool>,
    market_orders: Option<bool>,
    funding_annual_rate: Option<Number>,
    start: Option<Number>,
    hours: Option<Hours>,
}

/// The markets that the text of a `--markets` file declares.
///
/// # Errors
/// One sentence: what is wrong and where.
pub fn parse(text: &str) -> Result<Vec<Listing>, String> {
    let file: RawFile = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
    let mut listings: Vec<Listing> = Vec::new();
    for raw in file.markets {
        let listing = raw.listing();
        listing.check()?;
        if listings.iter().any(|other| other.epic == listing.epic) {
            return Err(format!("market {} is there twice", listing.epic));
        }
        listings.push(listing);
    }
    if listings.is_empty() { Err("no [[markets]]".to_owned()) } else { Ok(listings) }
}

impl RawMarket {
    fn listing(self) -> Listing {
        let guess = Listing::guess(&self.epic);
        let micros = |number: Option<Number>, other: i64| number.map_or(other, |number| number.0.0);
        let point = micros(self.point, guess.point.micros());
        let tick = micros(self.tick, if self.point.is_some() { (point / 10).max(1) } else { guess.tick.micros() });
        let currency = match (self.currency.as_deref(), self.exchange_rate) {
            (None | Some("GBP"), None) => None,
            (code, rate) => {
                let code = code.unwrap_or("GBP").to_owned();
                let symbol = match code.as_str() {
                    "GBP" => "£",
                    "USD" => "$",
                    "EUR" => "E",
                    other => other,
                };
                let rate = rate.map_or(Decimal(1_000_000), |rate| rate.0);
                Some(Currency { symbol: symbol.to_owned(), code, rate, is_default: true })
            }
        };
        let stop_min = match (self.stop_min_points, self.stop_min_percent) {
            (_, Some(percent)) => Rule { is_percentage: true, value: percent.0 },
            (Some(points), None) => Rule { is_percentage: false, value: points.0 },
            (None, None) => guess.stop_min,
        };
        let orders = if self.market_orders == Some(false) { "NOT_AVAILABLE" } else { "AVAILABLE_DEFAULT_OFF" };
        Listing {
            name: self.name.unwrap_or(guess.name),
            kind: self.kind.unwrap_or(guess.kind),
            expiry: self.expiry.unwrap_or(guess.expiry),
            point: PriceDelta::from_micros(point),
            tick: PriceDelta::from_micros(tick),
            value_per_point: Money::from_micros(micros(self.value_per_point, guess.value_per_point.micros())),
            currencies: currency.map_or(guess.currencies, |currency| vec![currency]),
            margin_percent: Decimal(micros(self.margin_percent, guess.margin_percent.0)),
            size_min: Size::from_micros(micros(self.size_min, guess.size_min.micros())),
            size_step: Size::from_micros(micros(self.size_step, guess.size_step.micros())),
            size_max: Size::from_micros(micros(self.size_max, guess.size_max.micros())),
            stop_min,
            is_guaranteed_allowed: self.guaranteed.unwrap_or(true),
            is_trailing_allowed: self.trailing.unwrap_or(true),
            market_orders: orders.to_owned(),
            funding_annual_rate: Decimal(micros(self.funding_annual_rate, guess.funding_annual_rate.0)),
            start: Price::from_micros(micros(self.start, guess.start.micros()) / tick.max(1) * tick.max(1)),
            hours: self.hours.unwrap_or_default(),
            ..guess
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_markets_are_sound_and_differ() {
        let listings = defaults();
        for listing in &listings {
            listing.check().unwrap();
        }
        let mut epics: Vec<&str> = listings.iter().map(|listing| listing.epic.as_str()).collect();
        epics.sort_unstable();
        epics.dedup();
        assert_eq!(epics.len(), listings.len());
    }

    #[test]
    fn a_rule_is_in_points_or_in_percent_of_the_level() {
        let (level, point): (Price, PriceDelta) = ("1.25".parse().unwrap(), "0.0001".parse().unwrap());
        assert_eq!(Rule::points(2_000_000).distance(level, point).to_string(), "0.0002");
        assert_eq!(Rule::percent(2_000_000).distance(level, point).to_string(), "0.025");
    }

    #[test]
    fn a_file_of_markets_is_read_exactly_or_refused_in_one_sentence() {
        let good =
            "[[markets]]\nepic = \"CS.D.EURUSD.TODAY.IP\"\nstop_min_percent = 0.5\nsize_min = \"0.04\"\nstart = 1.1\n";
        let listings = parse(good).unwrap();
        assert_eq!(listings[0].stop_min, Rule::percent(500_000));
        assert_eq!(listings[0].size_min.to_string(), "0.04");
        assert_eq!((listings[0].start.to_string().as_str(), listings[0].decimals()), ("1.1", 5));
        for (text, why) in [
            ("markets = []", "no [[markets]]"),
            ("[[markets]]\nepic = \"X\"", "an epic is 6 to 30"),
            ("[[markets]]\nepic = \"IX.D.X.IP\"\ncolour = 1", "unknown field"),
            ("[[markets]]\nepic = \"IX.D.X.IP\"\npoint = \"1e-9\"", "six decimals"),
            ("[[markets]]\nepic = \"IX.D.X.IP\"\n[[markets]]\nepic = \"IX.D.X.IP\"", "twice"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
