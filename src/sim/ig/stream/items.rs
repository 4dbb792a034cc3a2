//! The items that can be subscribed: their names, modes and fields.

use crate::domain::{Money, PriceDelta, UtcMicros};
use crate::sim::ig::accounts::Sums;
use crate::sim::ig::board::{Board, CANDLES};
use crate::sim::ig::history::Candle;
use crate::sim::ig::text::{clock_local, fixed};

/// How an item's updates are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sim::ig) enum Mode {
    Merge,
    Distinct,
}

/// One item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sim::ig) enum Item {
    /// `PRICE:{account}:{epic}`
    Price { account: String, epic: String },
    /// `MARKET:{epic}`, `L1:{epic}`
    Market { epic: String },
    /// `CHART:{epic}:TICK`
    Tick { epic: String },
    /// `CHART:{epic}:{scale}`, by its place among the candles.
    Candle { epic: String, scale: usize },
    /// `ACCOUNT:{account}`
    Account { account: String },
    /// `TRADE:{account}`
    Trade { account: String },
}

impl Item {
    /// The item of that name, if there can be one.
    pub(in crate::sim::ig) fn parse(name: &str) -> Option<Self> {
        let mut parts = name.split(':');
        let kind = parts.next()?;
        let first = parts.next().filter(|part| !part.is_empty())?.to_owned();
        let second = parts.next();
        if parts.next().is_some() {
            return None;
        }
        Some(match (kind, second) {
            ("PRICE", Some(epic)) => Self::Price { account: first, epic: epic.to_owned() },
            ("MARKET" | "L1", None) => Self::Market { epic: first },
            ("CHART", Some("TICK")) => Self::Tick { epic: first },
            ("CHART", Some(scale)) => {
                let scale = CANDLES.iter().position(|(name, _)| *name == scale)?;
                Self::Candle { epic: first, scale }
            }
            ("ACCOUNT", None) => Self::Account { account: first },
            ("TRADE", None) => Self::Trade { account: first },
            _ => return None,
        })
    }

    /// The epic whose market it follows.
    pub(in crate::sim::ig) fn epic(&self) -> Option<&str> {
        match self {
            Self::Price { epic, .. } | Self::Market { epic } | Self::Tick { epic } | Self::Candle { epic, .. } => {
                Some(epic)
            }
            Self::Account { .. } | Self::Trade { .. } => None,
        }
    }

    /// The account that it is of.
    pub(in crate::sim::ig) fn account(&self) -> Option<&str> {
        match self {
            Self::Price { account, .. } | Self::Account { account } | Self::Trade { account } => Some(account),
            _ => None,
        }
    }

    /// The one mode that it has.
    pub(in crate::sim::ig) fn mode(&self) -> Mode {
        match self {
            Self::Tick { .. } | Self::Trade { .. } => Mode::Distinct,
            _ => Mode::Merge,
        }
    }

    /// The data adapter that it comes from.
    pub(in crate::sim::ig) fn adapter(&self) -> &'static str {
        if matches!(self, Self::Price { .. }) { "Pricing" } else { "DEFAULT" }
    }

    /// Its kind: a subscription holds items of one.
    pub(in crate::sim::ig) fn kind(&self) -> u8 {
        match self {
            Self::Price { .. } => 0,
            Self::Market { .. } => 1,
            Self::Tick { .. } => 2,
            Self::Candle { .. } => 3,
            Self::Account { .. } => 4,
            Self::Trade { .. } => 5,
        }
    }

    /// The values of `fields` as the market stands; a field that the item does not know is null.
    pub(in crate::sim::ig) fn values(&self, fields: &[String], board: &Board, now: UtcMicros) -> Vec<Option<String>> {
        let value = |field: &String| match self {
            Self::Price { .. } => price(field, board, now),
            Self::Market { .. } => market(field, board, now),
            Self::Tick { .. } => tick(field, board),
            Self::Candle { scale, .. } => candle(field, board, board.candles[*scale].candle),
            Self::Account { .. } | Self::Trade { .. } => None,
        };
        fields.iter().map(value).collect()
    }
}

fn millis(time: UtcMicros) -> String {
    time.0.div_euclid(1_000).to_string()
}

/// A percentage with two places.
fn percent(value: PriceDelta) -> String {
    fixed(value.micros(), 2)
}

fn price(field: &str, board: &Board, now: UtcMicros) -> Option<String> {
    let (high, low) = board.range();
    Some(match field {
        "BIDPRICE1" => board.last.bid.to_string(),
        "ASKPRICE1" => board.last.offer.to_string(),
        "MID_OPEN" => board.open_mid().to_string(),
        "HIGH" => high.to_string(),
        "LOW" => low.to_string(),
        "NET_CHG" => board.change().to_string(),
        "NET_CHG_PCT" => percent(board.change_percent()),
        "TIMESTAMP" => millis(board.last.time),
        "DLG_FLAG" => board.status(now).flag(),
        "DELAY" => "0".to_owned(),
        "BIDQUOTEID" | "ASKQUOTEID" => format!("{:x}", board.last.time.0),
        "BIDSIZE1" | "ASKSIZE1" | "C1BIDSIZE1" | "C1ASKSIZE1" => board.listing.size_max.to_string(),
        "CURRENCY0" | "CURRENCY1" => board.listing.currency().code.clone(),
        _ => return None,
    })
}

fn market(field: &str, board: &Board, now: UtcMicros) -> Option<String> {
    let (high, low) = board.range();
    Some(match field {
        "BID" => board.last.bid.to_string(),
        "OFFER" => board.last.offer.to_string(),
        "HIGH" => high.to_string(),
        "LOW" => low.to_string(),
        "MID_OPEN" => board.open_mid().to_string(),
        "CHANGE" => board.change().to_string(),
        "CHANGE_PCT" => percent(board.change_percent()),
        "UPDATE_TIME" => clock_local(board.last.time),
        "MARKET_DELAY" => "0".to_owned(),
        "MARKET_STATE" => board.status(now).state().to_owned(),
        _ => return None,
    })
}

/// What ticks and candles tell of the day.
fn of_day(field: &str, board: &Board) -> Option<String> {
    let (high, low) = board.range();
    Some(match field {
        "DAY_OPEN_MID" => board.open_mid().to_string(),
        "DAY_NET_CHG_MID" => board.change().to_string(),
        "DAY_PERC_CHG_MID" => percent(board.change_percent()),
        "DAY_HIGH" => high.to_string(),
        "DAY_LOW" => low.to_string(),
        _ => return None,
    })
}

fn tick(field: &str, board: &Board) -> Option<String> {
    match field {
        "BID" => Some(board.last.bid.to_string()),
        "OFR" => Some(board.last.offer.to_string()),
        "UTM" => Some(millis(board.last.time)),
        _ => of_day(field, board),
    }
}

fn candle(field: &str, board: &Board, forming: Option<(Candle, bool)>) -> Option<String> {
    let of_day = of_day(field, board);
    if of_day.is_some() {
        return of_day;
    }
    let (candle, is_done) = forming?;
    Some(match field {
        "UTM" => millis(candle.start),
        "BID_OPEN" => candle.bid.open.to_string(),
        "BID_HIGH" => candle.bid.high.to_string(),
        "BID_LOW" => candle.bid.low.to_string(),
        "BID_CLOSE" => candle.bid.close.to_string(),
        "OFR_OPEN" => candle.offer.open.to_string(),
        "OFR_HIGH" => candle.offer.high.to_string(),
        "OFR_LOW" => candle.offer.low.to_string(),
        "OFR_CLOSE" => candle.offer.close.to_string(),
        "CONS_END" => if is_done { "1" } else { "0" }.to_owned(),
        "CONS_TICK_COUNT" | "LTV" => candle.ticks.to_string(),
        "TTV" => board.volume().to_string(),
        _ => return None,
    })
}

/// The values of an account's fields.
pub(in crate::sim::ig) fn account_values(fields: &[String], sums: &Sums) -> Vec<Option<String>> {
    let money = |money: Money| fixed(money.micros(), 2);
    let value = |field: &String| {
        Some(match field.as_str() {
            "PNL" | "PNL_NLR" => money(sums.profit_loss),
            "PNL_LR" | "MARGIN_LR" | "AMOUNT_DUE" => "0.00".to_owned(),
            "DEPOSIT" | "MARGIN" | "MARGIN_NLR" | "USED_MARGIN" => money(sums.deposit),
            "AVAILABLE_CASH" | "AVAILABLE_TO_DEAL" => money(sums.available()),
            "FUNDS" => money(sums.balance),
            "EQUITY" => money(sums.equity()),
            "EQUITY_USED" => {
                let equity = sums.equity().micros().max(1);
                let hundredths = i128::from(sums.deposit.micros()) * 100_000_000 / i128::from(equity);
                fixed(i64::try_from(hundredths).unwrap_or(i64::MAX), 2)
            }
            _ => return None,
        })
    };
    fields.iter().map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_items_or_nothing() {
        for (name, is_item) in [
            ("PRICE:A:IX.D.X.IP", true),
            ("PRICE:A", false),
            ("MARKET:IX.D.X.IP", true),
            ("L1:IX.D.X.IP", true),
            ("CHART:IX.D.X.IP:TICK", true),
            ("CHART:IX.D.X.IP:5MINUTE", true),
            ("CHART:IX.D.X.IP:2MINUTE", false),
            ("CHART:IX.D.X.IP", false),
            ("ACCOUNT:A", true),
            ("TRADE:A", true),
            ("TRADE:", false),
            ("TRADE:A:B", false),
            ("NEWS:A", false),
        ] {
            assert_eq!(Item::parse(name).is_some(), is_item, "{name}");
        }
        assert_eq!(Item::parse("TRADE:A").unwrap().mode(), Mode::Distinct);
        assert_eq!(Item::parse("L1:X").unwrap(), Item::parse("MARKET:X").unwrap());
    }
}
