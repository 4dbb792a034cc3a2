//! What an account holds: cash, positions, working orders, and the sums over them. All of it exact.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Value, json};

use crate::domain::{Decimal, Direction, Epic, Money, Price, PriceDelta, Size, UtcMicros, div_half_even};

use super::board::Board;
use super::config::AccountSpec;
use super::records::{Activity, Transaction};
use super::text::{iso, number, number_or_null, slashed_local_millis};

/// Activities and transactions that are remembered.
const RECORDS_MAX: usize = 10_000;
/// Deal references that are remembered to tell a duplicate.
const REFERENCES_MAX: usize = 10_000;

/// A stop that follows the price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trailing {
    pub(super) distance: PriceDelta,
    pub(super) step: PriceDelta,
}

/// An open position.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Position {
    pub(super) deal_id: String,
    pub(super) reference: String,
    pub(super) epic: Epic,
    pub(super) direction: Direction,
    pub(super) size: Size,
    pub(super) level: Price,
    pub(super) stop: Option<Price>,
    pub(super) limit: Option<Price>,
    pub(super) is_guaranteed: bool,
    pub(super) trailing: Option<Trailing>,
    pub(super) currency: String,
    pub(super) opened: UtcMicros,
    /// The first moment at which it is listed.
    pub(super) listed: UtcMicros,
    /// The next overnight funding, and how many days it charges.
    pub(super) funding: (UtcMicros, i64),
}

/// A stop or a limit of an order: at a level, or so far from where it fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leg {
    Level(Price),
    Distance(PriceDelta),
}

impl Leg {
    /// The level that it means for a position filled at `fill`; `sign` is 1 where it lies above.
    pub(super) fn level(self, fill: Price, sign: i64) -> Price {
        match self {
            Self::Level(level) => level,
            Self::Distance(distance) => Price::from_micros(fill.micros() + sign * distance.micros()),
        }
    }

    /// The distance that it means.
    pub(super) fn distance(self, fill: Price) -> PriceDelta {
        match self {
            Self::Level(level) => PriceDelta::from_micros((level - fill).micros().abs()),
            Self::Distance(distance) => distance,
        }
    }
}

/// A working order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct WorkingOrder {
    pub(super) deal_id: String,
    pub(super) reference: String,
    pub(super) epic: Epic,
    pub(super) direction: Direction,
    pub(super) size: Size,
    pub(super) level: Price,
    /// `STOP`; otherwise `LIMIT`.
    pub(super) is_stop: bool,
    pub(super) stop: Option<Leg>,
    pub(super) limit: Option<Leg>,
    pub(super) is_guaranteed: bool,
    pub(super) is_force_open: bool,
    pub(super) currency: String,
    pub(super) created: UtcMicros,
    /// When it lapses.
    pub(super) until: Option<UtcMicros>,
}

impl WorkingOrder {
    pub(super) fn kind(&self) -> &'static str {
        if self.is_stop { "STOP" } else { "LIMIT" }
    }
}

/// A deal's confirm and when it can be read.
#[derive(Clone, Debug)]
pub(super) struct Confirm {
    pub(super) body: Value,
    pub(super) from: UtcMicros,
    pub(super) until: UtcMicros,
}

/// The sums of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) balance: Money,
    pub(super) deposit: Money,
    pub(super) profit_loss: Money,
}

impl Sums {
    pub(super) fn available(&self) -> Money {
        self.balance + self.profit_loss - self.deposit
    }

    pub(super) fn equity(&self) -> Money {
        self.balance + self.profit_loss
    }

    pub(super) fn json(&self) -> Value {
        json!({
            "balance": number(self.balance),
            "deposit": number(self.deposit),
            "profitLoss": number(self.profit_loss),
            "available": number(self.available()),
        })
    }
}

/// One account.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) spec: AccountSpec,
    pub(super) cash: Money,
    pub(super) positions: Vec<Position>,
    pub(super) orders: Vec<WorkingOrder>,
    pub(super) confirms: BTreeMap<String, Confirm>,
    pub(super) activities: VecDeque<Activity>,
    pub(super) transactions: VecDeque<Transaction>,
    pub(super) is_trailing_enabled: bool,
    pub(super) status: &'static str,
    references: BTreeSet<String>,
    reference_order: VecDeque<String>,
}

impl Account {
    pub(super) fn new(spec: AccountSpec) -> Self {
        Self {
            cash: spec.balance,
            spec,
            positions: Vec::new(),
            orders: Vec::new(),
            confirms: BTreeMap::new(),
            activities: VecDeque::new(),
            transactions: VecDeque::new(),
            is_trailing_enabled: true,
            status: "ENABLED",
            references: BTreeSet::new(),
            reference_order: VecDeque::new(),
        }
    }

    /// Whether contracts for difference are dealt on it.
    pub(super) fn is_contracts(&self) -> bool {
        self.spec.kind == "CFD"
    }

    /// Remembers a reference; false where it was used before.
    pub(super) fn use_reference(&mut self, reference: &str) -> bool {
        if !self.references.insert(reference.to_owned()) {
            return false;
        }
        self.reference_order.push_back(reference.to_owned());
        if self.reference_order.len() > REFERENCES_MAX
            && let Some(oldest) = self.reference_order.pop_front()
        {
            self.references.remove(&oldest);
        }
        true
    }

    pub(super) fn record(&mut self, activity: Activity) {
        self.activities.push_front(activity);
        self.activities.truncate(RECORDS_MAX);
    }

    pub(super) fn book(&mut self, transaction: Transaction) {
        self.transactions.push_front(transaction);
        self.transactions.truncate(RECORDS_MAX);
    }

    /// Forgets confirms that nobody can read any more.
    pub(super) fn expire_confirms(&mut self, now: UtcMicros) {
        self.confirms.retain(|_, confirm| now < confirm.until);
    }

    /// The sums at the quotes of now.
    pub(super) fn sums(&self, boards: &BTreeMap<Epic, Board>) -> Sums {
        let (mut deposit, mut profit_loss) = (Money::ZERO, Money::ZERO);
        for position in &self.positions {
            let Some(board) = boards.get(&position.epic) else { continue };
            deposit += margin(board, &position.currency, position.size, position.level);
            profit_loss += profit(board, position, position.size, board.closing(position.direction)).1;
        }
        Sums { balance: self.cash, deposit, profit_loss }
    }

    /// The account as `GET /accounts` lists it.
    pub(super) fn json(&self, boards: &BTreeMap<Epic, Board>) -> Value {
        json!({
            "accountId": self.spec.id,
            "accountName": self.spec.name,
            "accountAlias": null,
            "status": self.status,
            "accountType": self.spec.kind,
            "preferred": self.spec.is_preferred,
            "balance": self.sums(boards).json(),
            "currency": "GBP",
            "canTransferFrom": true,
            "canTransferTo": true,
        })
    }
}

/// Money rounded half to even to pennies, in which accounts are kept.
pub(super) fn to_pennies(money: Money) -> Money {
    let pennies = div_half_even(i128::from(money.micros()), 10_000) * 10_000;
    Money::from_micros(i64::try_from(pennies).unwrap_or(money.micros()))
}

/// Money of a deal's currency in pennies of the account's.
fn to_account(money: Money, rate: Decimal) -> Money {
    let micros = div_half_even(i128::from(money.micros()) * i128::from(rate.0), 1_000_000);
    to_pennies(Money::from_micros(i64::try_from(micros).unwrap_or(i64::MAX)))
}

fn rate(board: &Board, currency: &str) -> Decimal {
    board.listing.currency_of(currency).map_or(Decimal(1_000_000), |currency| currency.rate)
}

/// What `size` of a position makes when closed at `level`: in the deal's currency and in the account's, in pennies.
pub(super) fn profit(board: &Board, position: &Position, size: Size, level: Price) -> (Money, Money) {
    let moved = PriceDelta::from_micros((level - position.level).micros() * position.direction.sign());
    let money = board.rules.money(moved, size);
    (to_pennies(money), to_account(money, rate(board, &position.currency)))
}

/// The deposit for `size` at `level`, in pennies of the account's currency.
pub(super) fn margin(board: &Board, currency: &str, size: Size, level: Price) -> Money {
    let whole = board.rules.money(PriceDelta::from_micros(level.micros()), size);
    let part = div_half_even(i128::from(whole.micros()) * i128::from(board.listing.margin_percent.0), 100_000_000);
    to_account(Money::from_micros(i64::try_from(part).unwrap_or(i64::MAX)), rate(board, currency))
}

/// What a night costs a position, in pennies of the account's currency.
pub(super) fn funding(board: &Board, position: &Position, days: i64) -> Money {
    let night = board.rules.funding(board.last.mid2(), position.size);
    to_account(Money::from_micros(night.micros().saturating_mul(days)), rate(board, &position.currency))
}

/// `BUY` or `SELL`.
pub(super) fn side(direction: Direction) -> &'static str {
    match direction {
        Direction::Long => "BUY",
        Direction::Short => "SELL",
    }
}

impl Position {
    /// The level of the stop as a distance in points.
    pub(super) fn points(board: &Board, delta: PriceDelta) -> Decimal {
        let micros = i128::from(delta.micros()) * 1_000_000 / i128::from(board.listing.point.micros().max(1));
        Decimal(i64::try_from(micros).unwrap_or(i64::MAX))
    }

    /// As `GET /positions` shows it, by the names of that version.
    pub(super) fn json(&self, board: &Board, version: u8, now: UtcMicros) -> Value {
        let points = |delta: PriceDelta| Self::points(board, delta);
        let mut position = json!({
            "contractSize": number(board.listing.value_per_point),
            "createdDate": slashed_local_millis(self.opened),
            "createdDateUTC": iso(self.opened),
            "dealId": self.deal_id,
            "dealReference": self.reference,
            "size": number(self.size),
            "direction": side(self.direction),
            "limitLevel": number_or_null(self.limit),
            "level": number(self.level),
            "currency": self.currency,
            "controlledRisk": self.is_guaranteed,
            "stopLevel": number_or_null(self.stop),
            "trailingStep": number_or_null(self.trailing.map(|trailing| points(trailing.step))),
            "trailingStopDistance": number_or_null(self.trailing.map(|trailing| points(trailing.distance))),
            "limitedRiskPremium": null,
        });
        let mut market = board.summary(now);
        if version == 1
            && let (Some(position), Some(market)) = (position.as_object_mut(), market.as_object_mut())
        {
            position.insert("dealSize".to_owned(), number(self.size));
            position.insert("openLevel".to_owned(), number(self.level));
            for name in ["createdDateUTC", "dealReference", "size", "level"] {
                position.shift_remove(name);
            }
            market.shift_remove("updateTimeUTC");
        }
        json!({ "position": position, "market": market })
    }
}

impl WorkingOrder {
    /// As `GET /workingorders` shows it, by the names of that version.
    pub(super) fn json(&self, board: &Board, version: u8, now: UtcMicros) -> Value {
        let points =
            |leg: Option<Leg>| number_or_null(leg.map(|leg| Position::points(board, leg.distance(self.level))));
        let mut market = board.order_summary(now);
        let good_till = self.until.map(|until| super::text::utc(until, "%Y/%m/%d %H:%M"));
        let data = if version == 1 {
            if let Some(market) = market.as_object_mut() {
                market.shift_remove("updateTimeUTC");
            }
            json!({
                "dealId": self.deal_id,
                "direction": side(self.direction),
                "epic": self.epic.as_str(),
                "size": number(self.size),
                "level": number(self.level),
                "goodTill": good_till.unwrap_or_else(|| "GTC".to_owned()),
                "createdDate": slashed_local_millis(self.created),
                "controlledRisk": self.is_guaranteed,
                "trailingTriggerIncrement": null,
                "trailingTriggerDistance": null,
                "trailingStopDistance": null,
                "trailingStopIncrement": null,
                "requestType": format!("{}_ORDER", self.kind()),
                "contingentStop": points(self.stop),
                "currencyCode": self.currency,
                "contingentLimit": points(self.limit),
                "dma": false,
                "limitedRiskPremium": null,
            })
        } else {
            json!({
                "dealId": self.deal_id,
                "direction": side(self.direction),
                "epic": self.epic.as_str(),
                "orderSize": number(self.size),
                "orderLevel": number(self.level),
                "timeInForce": if self.until.is_some() { "GOOD_TILL_DATE" } else { "GOOD_TILL_CANCELLED" },
                "createdDate": slashed_local_millis(self.created),
                "createdDateUTC": iso(self.created),
                "goodTillDate": good_till,
                "goodTillDateISO": self.until.map(|until| super::text::utc(until, "%Y-%m-%dT%H:%M")),
                "guaranteedStop": self.is_guaranteed,
                "orderType": self.kind(),
                "stopDistance": points(self.stop),
                "limitDistance": points(self.limit),
                "currencyCode": self.currency,
                "dma": false,
                "limitedRiskPremium": null,
            })
        };
        json!({ "workingOrderData": data, "marketData": market })
    }
}
