//! What an account's history lists: activities and transactions, as the several versions write them.

use serde_json::{Value, json};

use crate::domain::{Money, Price, Size, UtcMicros};

use super::text::{fixed, iso, local};

/// Something that was done, or refused, on an account.
#[derive(Clone, Debug)]
pub(super) struct Activity {
    pub(super) at: UtcMicros,
    pub(super) epic: String,
    pub(super) period: String,
    pub(super) deal_id: String,
    pub(super) channel: &'static str,
    /// `POSITION`, `WORKING_ORDER`, `EDIT_STOP_AND_LIMIT`, `SYSTEM`.
    pub(super) kind: &'static str,
    pub(super) is_accepted: bool,
    pub(super) description: String,
    /// As shown where details are asked for.
    pub(super) details: Value,
}

impl Activity {
    fn status(&self) -> &'static str {
        if self.is_accepted { "ACCEPTED" } else { "REJECTED" }
    }

    /// As version 2 and 3 list it.
    pub(super) fn json(&self, is_detailed: bool) -> Value {
        json!({
            "date": iso(self.at),
            "epic": self.epic,
            "period": self.period,
            "dealId": self.deal_id,
            "channel": self.channel,
            "type": self.kind,
            "status": self.status(),
            "description": self.description,
            "details": if is_detailed { self.details.clone() } else { Value::Null },
        })
    }

    /// As version 1 lists it: every field a text.
    pub(super) fn texts(&self, number: usize) -> Value {
        let text = |name: &str| match &self.details[name] {
            Value::Null => "-".to_owned(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let sign = if self.details["direction"] == "SELL" { '-' } else { '+' };
        let size = self.details["size"].as_f64().map_or_else(|| "-".to_owned(), |size| format!("{sign}{size:.2}"));
        json!({
            "epic": self.epic,
            "dealId": self.deal_id,
            "activityHistoryId": format!("{number:010}"),
            "date": local(self.at, "%d/%m/%y"),
            "time": local(self.at, "%H:%M"),
            "activity": if self.kind == "EDIT_STOP_AND_LIMIT" { "S&L" } else { "Order" },
            "marketName": text("marketName"),
            "period": self.period,
            "result": self.description,
            "channel": if self.channel == "SYSTEM" { "System" } else { "Web" },
            "currency": text("currency"),
            "size": size,
            "level": text("level"),
            "stop": text("stopLevel"),
            "stopType": if self.details["stopLevel"].is_null() { "-" } else { "N" },
            "limit": text("limitLevel"),
            "actionStatus": if self.is_accepted { "ACCEPT" } else { "REJECT" },
        })
    }

    /// The value that a filter compares, by its name.
    pub(super) fn field(&self, name: &str) -> Option<String> {
        Some(match name {
            "epic" => self.epic.clone(),
            "period" => self.period.clone(),
            "dealId" => self.deal_id.clone(),
            "channel" => self.channel.to_owned(),
            "type" => self.kind.to_owned(),
            "status" => self.status().to_owned(),
            "description" => self.description.clone(),
            "date" => iso(self.at),
            other => match &self.details[other.strip_prefix("details.").unwrap_or(other)] {
                Value::String(text) => text.clone(),
                Value::Null => return None,
                value => value.to_string(),
            },
        })
    }
}

/// Money that moved on an account.
#[derive(Clone, Debug)]
pub(super) struct Transaction {
    pub(super) at: UtcMicros,
    pub(super) opened: UtcMicros,
    pub(super) name: String,
    pub(super) period: String,
    pub(super) amount: Money,
    /// `DEAL`, `DEPO`, `WITH`, …
    pub(super) kind: &'static str,
    pub(super) reference: String,
    /// Level at the opening and at the close, with the decimals of the market, and the size with its sign.
    pub(super) deal: Option<(Price, Price, Size, bool)>,
    pub(super) decimals: u32,
}

impl Transaction {
    /// As listed.
    pub(super) fn json(&self) -> Value {
        let level = |price: Price| price_text(price, self.decimals);
        let (open, close, size) = match self.deal {
            Some((open, close, size, is_short)) => {
                (level(open), level(close), format!("{}{size}", if is_short { '-' } else { '+' }))
            }
            None => ("-".to_owned(), "0".to_owned(), "-".to_owned()),
        };
        json!({
            "date": iso(self.at),
            "dateUtc": iso(self.at),
            "openDateUtc": iso(self.opened),
            "instrumentName": self.name,
            "period": self.period,
            "profitAndLoss": amount_text(self.amount),
            "transactionType": self.kind,
            "reference": self.reference,
            "openLevel": open,
            "closeLevel": close,
            "size": size,
            "currency": "£",
            "cashTransaction": self.deal.is_none(),
        })
    }
}

/// A level with at least the market's decimals, and all that it has.
fn price_text(price: Price, decimals: u32) -> String {
    let plain = price.to_string();
    let written = plain.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let wanted = decimals.max(u32::try_from(written).unwrap_or(6));
    fixed(price.micros(), wanted)
}

/// `£-1,234.50`.
fn amount_text(amount: Money) -> String {
    let text = fixed(amount.micros(), 2);
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("-", digits));
    let (whole, pennies) = digits.split_once('.').unwrap_or((digits, "00"));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("£{sign}{grouped}.{pennies}")
}

/// Whether an activity fits a filter of the form `epic==A,epic==B;status!=REJECTED`: `,` is or, `;` is and, and binds
/// closer. `None` where the text is no filter.
pub(super) fn is_match(filter: &str, activity: &Activity) -> Option<bool> {
    let filter = filter.trim();
    let mut any = false;
    for group in filter.split(',') {
        let mut all = true;
        for term in group.split(';') {
            let term = term.trim().trim_matches(['(', ')']);
            let (name, wanted, is_equal) = match (term.split_once("!="), term.split_once("==")) {
                (Some((name, wanted)), _) => (name, wanted, false),
                (None, Some((name, wanted))) => (name, wanted, true),
                (None, None) => return None,
            };
            let is_same = activity.field(name.trim()).is_some_and(|value| value == wanted.trim());
            all &= is_same == is_equal;
        }
        any |= all;
    }
    Some(any)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn activity() -> Activity {
        Activity {
            at: "2025-01-08T09:30:05Z".parse().unwrap(),
            epic: "IX.D.FTSE.DAILY.IP".into(),
            period: "DFB".into(),
            deal_id: "DIAAAA1".into(),
            channel: "PUBLIC_WEB_API",
            kind: "POSITION",
            is_accepted: true,
            description: "Position opened: 1".into(),
            details: json!({"size": 0.6, "direction": "SELL", "marketName": "FTSE 100", "currency": "£", "level": 9700.5}),
        }
    }

    #[test]
    fn amounts_have_the_sign_after_the_currency_and_commas() {
        for (micros, want) in
            [(-4_200_000, "£-4.20"), (1_234_567_890_000, "£1,234,567.89"), (0, "£0.00"), (999_000_000, "£999.00")]
        {
            assert_eq!(amount_text(Money::from_micros(micros)), want);
        }
    }

    #[test]
    fn filters_join_by_or_and_and() {
        for (filter, want) in [
            ("epic==IX.D.FTSE.DAILY.IP", Some(true)),
            ("epic==X,type==POSITION", Some(true)),
            ("epic==X;type==POSITION", Some(false)),
            ("status!=REJECTED;direction==SELL", Some(true)),
            ("details.size==0.6", Some(true)),
            ("nonsense", None),
        ] {
            assert_eq!(is_match(filter, &activity()), want, "{filter}");
        }
    }

    #[test]
    fn version_one_writes_texts() {
        let texts = activity().texts(3);
        assert_eq!(texts["size"], "-0.60");
        assert_eq!((texts["date"].as_str(), texts["stop"].as_str()), (Some("08/01/25"), Some("-")));
        assert!(texts.as_object().unwrap().values().all(Value::is_string));
    }
}
