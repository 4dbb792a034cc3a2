//! Dealing rules as IG tells them, pure but for their reading: what live dealing in a market is held to, what keeps it
//! from being dealt in, and what changed since the last time.
//!
//! The configuration says what the arena believes of a market; IG's rules can only make it stricter. Figures come with a
//! unit: points are of the configured `point`, a percentage is of the price of the moment it is read (of the offer for
//! the least distance, of the bid for the greatest, so that neither is too loose), and the least size is a size whatever
//! unit it claims. Rules drift within days, so that they are read again and compared as they were told, not as distances:
//! a percentage of another price is no other rule.
//!
//! Whether `point` and `value_per_point` are right is told by `scalingFactor` (points in one unit of the price), by the
//! number that `onePipMeans` begins with, and by `valueOfOnePip`, where IG fills them in. A point that agrees with one of
//! the first two passes; where IG tells neither, nothing can be said and the configuration is believed.

use serde::{Deserialize, Serialize};

use super::broker::Terms;
use super::fault::IgError;
use super::number::Number;
use super::rest::Rest;
use super::wire::{Account, AccountType, DealingRules, Instrument, MarketDetails, Rule, RuleUnit, Snapshot};
use crate::domain::{Decimal, Epic, Market, PriceDelta, Size};

/// The expiry of what has none, on an account for spread bets and on one for contracts.
const WITHOUT_END: [&str; 2] = ["DFB", "-"];

/// Something about a market that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleChange {
    /// The market.
    pub epic: Epic,
    /// What of it.
    pub what: String,
    /// Before.
    pub was: String,
    /// Now.
    pub is: String,
}

impl std::fmt::Display for RuleChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} was {}, is {}", self.epic, self.what, self.was, self.is)
    }
}

/// The rules that live dealing in one market is held to.
#[derive(Clone, Debug, PartialEq)]
pub struct MarketRules {
    /// The market as configured, made as strict as IG is.
    pub market: Market,
    /// What its deals are written with.
    pub terms: Terms,
    /// The least distance of a stop or limit.
    pub distance_min: PriceDelta,
    /// The greatest; `None` where IG tells none.
    pub distance_max: Option<PriceDelta>,
    /// Where IG is stricter than the configuration: `was` is configured, `is` holds.
    pub tightened: Vec<RuleChange>,
    /// Why it cannot be dealt in here, a sentence each; none where it can.
    pub faults: Vec<String>,
    /// Whether it can be dealt at the market's price; where not that is among the faults too, as no other way is known.
    pub allows_market_orders: bool,
    /// The rules in IG's own words, by name.
    told: Vec<(&'static str, String)>,
}

impl MarketRules {
    /// The rules in IG's own words, by name.
    #[must_use]
    pub fn told(&self) -> &[(&'static str, String)] {
        &self.told
    }
}

/// Reads the rules of every market, on the account of the login.
///
/// # Errors
/// [`IgError`]; an epic that IG does not know is named in it.
pub async fn read_rules(rest: &Rest, markets: &[Market]) -> Result<Vec<MarketRules>, IgError> {
    let id = rest.login().await?.account.clone();
    let accounts = rest.accounts().await?;
    let account = accounts.iter().find(|account| account.account_id == id);
    let account = account.ok_or_else(|| IgError::NotUnderstood(format!("account {id} is not in the list")))?;
    let epics: Vec<String> = markets.iter().map(|market| market.epic.to_string()).collect();
    let details = match rest.markets(&epics).await {
        Err(IgError::Refused { status: 404, code }) => return Err(unknown_epic(rest, &epics, code).await),
        other => other?,
    };
    let rules = markets.iter().map(|market| {
        let of_market = details.iter().find(|details| details.instrument.epic == market.epic.as_str());
        let details = of_market.ok_or_else(|| IgError::NotUnderstood(format!("no rules of {}", market.epic)))?;
        Ok(rules_of(details, market, account))
    });
    rules.collect()
}

/// A list with one unknown epic is refused as a whole, and not told which one it was.
async fn unknown_epic(rest: &Rest, epics: &[String], code: String) -> IgError {
    for epic in epics {
        match rest.market(epic).await {
            Ok(_) => {}
            Err(IgError::Refused { status, code }) => {
                return IgError::Refused { status, code: format!("{code}: {epic}") };
            }
            Err(error) => return error,
        }
    }
    IgError::Refused { status: 404, code }
}

/// What IG's rules make of a configured market.
#[must_use]
pub fn rules_of(details: &MarketDetails, market: &Market, account: &Account) -> MarketRules {
    let (instrument, rules, snapshot) = (&details.instrument, &details.dealing_rules, &details.snapshot);
    let mut faults = of_point(instrument, snapshot, market);
    faults.extend(of_currency(instrument, market, account));
    faults.extend(of_expiry(instrument, account));
    let flags = [
        (instrument.stops_limits_allowed, "takes no stops and limits, without which nothing is dealt"),
        (instrument.force_open_allowed, "takes no position beside another, which one with a stop needs"),
        (instrument.streaming_prices_available, "is not streamed"),
    ];
    faults.extend(flags.iter().filter(|(flag, _)| *flag == Some(false)).map(|(_, why)| (*why).to_owned()));
    if let Some(late) = snapshot.delay_time.filter(|delay| delay.micros() > 0) {
        faults.push(format!("has prices that are {late} minutes late"));
    }
    let allows_market_orders = rules.market_order_preference.as_deref() != Some("NOT_AVAILABLE");
    if !allows_market_orders {
        faults.push("takes no orders at the market's price, and no others are made".to_owned());
    }

    let distance = |rule: &Option<Rule>, price: Option<Number>, up: bool| match rule {
        Some(Rule { unit, value: Some(value) }) => distance_of(unit, *value, price, market.point, up),
        _ => Ok(None),
    };
    let (least, greatest) = (&rules.min_normal_stop_or_limit_distance, &rules.max_stop_or_limit_distance);
    let least = distance(least, snapshot.offer.or(snapshot.bid), true).unwrap_or_else(|why| {
        faults.push(format!("has a least stop distance that cannot be told: {why}"));
        None
    });
    let distance_max = distance(greatest, snapshot.bid.or(snapshot.offer), false).unwrap_or_else(|why| {
        faults.push(format!("has a greatest stop distance that cannot be told: {why}"));
        None
    });

    let mut held = market.clone();
    let size_min = rules.min_deal_size.as_ref().and_then(|rule| rule.value);
    held.size_min = market.size_min.max(Size::from_micros(size_min.map_or(0, Number::micros)));
    held.stop_min_points = market.stop_min_points.max(points_up(least.unwrap_or(PriceDelta::ZERO), market.point));
    let distance_min = held.distance(held.stop_min_points).or(least).unwrap_or(PriceDelta::ZERO);
    if let Some(max) = distance_max.filter(|max| *max < distance_min) {
        faults.push(format!("takes no stop at all: the least distance is {distance_min}, the greatest {max}"));
    }

    let stricter = [
        ("size_min", market.size_min.to_string(), held.size_min.to_string()),
        ("stop_min_points", market.stop_min_points.to_string(), held.stop_min_points.to_string()),
    ];
    let change = |(what, was, is): (&str, String, String)| RuleChange {
        epic: market.epic.clone(),
        what: what.to_owned(),
        was,
        is,
    };
    MarketRules {
        terms: Terms {
            expiry: instrument.expiry.clone().unwrap_or_default(),
            currency: market.currency.clone(),
            point: market.point,
        },
        distance_min,
        distance_max,
        tightened: stricter.into_iter().filter(|(_, was, is)| was != is).map(change).collect(),
        faults: faults.into_iter().map(|why| format!("{} {why}", market.epic)).collect(),
        allows_market_orders,
        told: in_words(instrument, rules, snapshot),
        market: held,
    }
}

/// What IG tells otherwise than before, of one market.
#[must_use]
pub fn changes(was: &MarketRules, is: &MarketRules) -> Vec<RuleChange> {
    let value = |rules: &MarketRules, name: &str| {
        let found = rules.told.iter().find(|(known, _)| *known == name);
        found.map_or_else(|| "not told".to_owned(), |(_, value)| value.clone())
    };
    let mut names: Vec<&str> = is.told.iter().map(|(name, _)| *name).collect();
    names.extend(was.told.iter().map(|(name, _)| *name).filter(|name| is.told.iter().all(|(known, _)| known != name)));
    let change = |name: &str| RuleChange {
        epic: is.market.epic.clone(),
        what: name.to_owned(),
        was: value(was, name),
        is: value(is, name),
    };
    names.into_iter().map(change).filter(|change| change.was != change.is).collect()
}

/// The rules in words that two readings can be compared by. What is not told is not there.
fn in_words(instrument: &Instrument, rules: &DealingRules, snapshot: &Snapshot) -> Vec<(&'static str, String)> {
    let rule = |rule: &Option<Rule>| {
        let Rule { unit, value } = rule.as_ref()?;
        let value = value.as_ref()?;
        Some(match unit {
            RuleUnit::Points => format!("{value} points"),
            RuleUnit::Percentage => format!("{value} %"),
            RuleUnit::Other(unit) => format!("{value} {unit}"),
        })
    };
    let flag = |flag: Option<bool>| flag.map(|flag| if flag { "yes" } else { "no" }.to_owned());
    let currencies = instrument.currencies.as_ref().map(|currencies| {
        let codes: Vec<&str> = currencies.iter().map(|currency| currency.code.as_str()).collect();
        codes.join(", ")
    });
    let least_size = rules.min_deal_size.as_ref().and_then(|rule| rule.value);
    [
        ("the least size", least_size.map(|size| size.to_string())),
        ("the least stop distance", rule(&rules.min_normal_stop_or_limit_distance)),
        ("the least distance of a guaranteed stop", rule(&rules.min_controlled_risk_stop_distance)),
        ("the greatest stop distance", rule(&rules.max_stop_or_limit_distance)),
        ("the step of a trailing stop", rule(&rules.min_step_distance)),
        ("dealing at the market's price", rules.market_order_preference.clone()),
        ("the expiry", instrument.expiry.clone()),
        ("the currencies", currencies),
        ("stops and limits allowed", flag(instrument.stops_limits_allowed)),
        ("positions side by side allowed", flag(instrument.force_open_allowed)),
        ("prices streamed", flag(instrument.streaming_prices_available)),
        ("points in one unit of the price", snapshot.scaling_factor.map(|factor| factor.to_string())),
        ("one point", instrument.one_pip_means.clone()),
        ("the value of one point", instrument.value_of_one_pip.clone()),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect()
}

/// The distance of prices that a rule means, rounded to a millionth, up or down.
fn distance_of(
    unit: &RuleUnit,
    value: Number,
    price: Option<Number>,
    point: PriceDelta,
    up: bool,
) -> Result<Option<PriceDelta>, String> {
    let (factor, divisor) = match unit {
        RuleUnit::Points => (i128::from(point.micros()), 1_000_000),
        RuleUnit::Percentage => {
            let price = price.ok_or_else(|| format!("it is {value} % of a price, and there is no price now"))?;
            (i128::from(price.micros()), 100_000_000)
        }
        RuleUnit::Other(unit) => return Err(format!("it is {value} {unit}, which is neither points nor a percentage")),
    };
    let scaled = i128::from(value.micros()) * factor;
    let micros = scaled.div_euclid(divisor) + i128::from(up && scaled.rem_euclid(divisor) != 0);
    let micros = i64::try_from(micros).map_err(|_| format!("{value} is out of range"))?;
    Ok(Some(PriceDelta::from_micros(micros)))
}

/// A distance in points: exactly, or where no point of six decimals says it, in whole points, rounded up.
fn points_up(distance: PriceDelta, point: PriceDelta) -> Decimal {
    let (scaled, point) = (i128::from(distance.micros()) * 1_000_000, i128::from(point.micros()).max(1));
    let points = if scaled % point == 0 {
        scaled / point
    } else {
        let whole = i128::from(distance.micros()).div_euclid(point) + 1;
        whole * 1_000_000
    };
    Decimal(i64::try_from(points).unwrap_or(i64::MAX))
}

/// Whether what IG tells of the size of a point and its value contradicts the configuration.
fn of_point(instrument: &Instrument, snapshot: &Snapshot, market: &Market) -> Vec<String> {
    let mut faults = Vec::new();
    let factor = snapshot.scaling_factor.filter(|factor| factor.micros() > 0);
    let by_factor = factor.map(|factor| 1_000_000_000_000 / factor.micros());
    let by_text = instrument.one_pip_means.as_deref().and_then(leading_number).map(Number::micros);
    let point = market.point.micros();
    let told: Vec<i64> = by_factor.into_iter().chain(by_text).filter(|micros| *micros > 0).collect();
    if !told.is_empty() && !told.contains(&point) {
        let mut says = Vec::new();
        if let Some(factor) = factor {
            says.push(format!("scalingFactor {factor}"));
        }
        if let Some(text) = &instrument.one_pip_means {
            says.push(format!("onePipMeans {text:?}"));
        }
        let want = PriceDelta::from_micros(told[0]);
        let says = says.join(", ");
        faults.push(format!("is configured with a point of {}; IG says {want} ({says})", market.point));
    }
    let default = instrument.currencies.iter().flatten().find(|currency| currency.is_default == Some(true));
    // A value is in the default currency: of another one it says nothing.
    if default.is_none_or(|currency| currency.code == market.currency)
        && let Some(text) = instrument.value_of_one_pip.as_deref()
        && let Some(value) = leading_number(text)
        && value.micros() != market.value_per_point.micros()
    {
        let configured = market.value_per_point;
        faults.push(format!("is configured with {configured} a point; IG says {value} (valueOfOnePip {text:?})"));
    }
    faults
}

/// The number that a text begins with, such as `0.0001 USD/EUR`.
fn leading_number(text: &str) -> Option<Number> {
    Number::parse(&text.split_whitespace().next()?.replace(',', ""))
}

fn of_currency(instrument: &Instrument, market: &Market, account: &Account) -> Vec<String> {
    let mut faults = Vec::new();
    let codes: Vec<&str> = instrument.currencies.iter().flatten().map(|currency| currency.code.as_str()).collect();
    if !codes.is_empty() && !codes.contains(&market.currency.as_str()) {
        faults.push(format!("is dealt in {}, not in {} as configured", codes.join(", "), market.currency));
    }
    // Results are booked in the account's currency: the ledger has one, and no rate to another.
    if let Some(currency) = account.currency.as_deref().filter(|currency| *currency != market.currency) {
        let id = &account.account_id;
        faults.push(format!("is configured in {}, and account {id} is kept in {currency}", market.currency));
    }
    faults
}

fn of_expiry(instrument: &Instrument, account: &Account) -> Option<String> {
    let expiry = instrument.expiry.as_deref().unwrap_or("not told");
    if !WITHOUT_END.contains(&expiry) {
        return Some(format!("has an end ({expiry}); dealt in are markets without one: DFB, or - for contracts"));
    }
    match &account.account_type {
        AccountType::Spreadbet if expiry != "DFB" => {
            Some(format!("is a contract, and account {} is for spread bets", account.account_id))
        }
        AccountType::Cfd if expiry != "-" => {
            Some(format!("is a spread bet, and account {} is for contracts", account.account_id))
        }
        AccountType::Physical => Some(format!("cannot be dealt in on {}, an account for shares", account.account_id)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
