//! The tables of the copy: those of the export, with what makes a row's key and what a trader asks for besides.
//!
//! `docs/schema.dbml` is where they are declared, and what the migrations are made of; a test holds this list against it.

use crate::domain::UtcMicros;
use crate::export::{Cell, Column, Kind, Table};

use Kind::{Count, Decimal, Text};

/// A table of the copy.
#[derive(Clone, Copy, Debug)]
pub struct Sheet {
    /// Its name.
    pub name: &'static str,
    /// The table of the export whose columns it has.
    table: Option<Table>,
    /// Columns before those.
    lead: &'static [(&'static str, Kind)],
    /// Columns after those.
    extra: &'static [(&'static str, Kind)],
    /// The columns of its primary key.
    pub key: &'static [&'static str],
    /// Whether a row stays as it was written.
    pub is_final: bool,
}

/// All of them, each at the number of its place.
pub const SHEETS: [Sheet; 10] = [
    of(Table::Trades, &[("seat", Count)], &[("bought_for", Decimal), ("sold_at", Decimal)], &["seat", "deal_id"], true),
    of(Table::Predictions, &[("seat", Count)], &[], &["seat", "time"], false),
    of(Table::Bars, &[], &[], &["epic", "bar", "start"], true),
    of(Table::Quotes, &[("n", Count)], &[], &["epic", "time_utc", "n"], true),
    of(Table::Lifecycle, &[("seq", Count)], &[], &["seq"], true),
    of(Table::Orders, &[("seat", Count)], &[], &["seat", "made"], false),
    of(Table::Deals, &[], &[], &["reference"], false),
    of(Table::Faults, &[("seq", Count)], &[], &["seq"], true),
    of(Table::Models, &[], &[], &["seat"], false),
    Sheet {
        name: "model_data",
        table: None,
        lead: &[
            ("seat", Count),
            ("n", Count),
            ("reference", Text),
            ("kind", Text),
            ("name", Text),
            ("sha256", Text),
            ("range", Text),
        ],
        extra: &[],
        key: &["seat", "n"],
        is_final: false,
    },
];

/// Where a table stands in [`SHEETS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Trades,
    Predictions,
    Bars,
    Quotes,
    Lifecycle,
    Orders,
    Deals,
    Faults,
    Models,
    ModelData,
}

impl Place {
    pub(super) fn sheet(self) -> &'static Sheet {
        &SHEETS[self as usize]
    }
}

const fn of(
    table: Table,
    lead: &'static [(&'static str, Kind)],
    extra: &'static [(&'static str, Kind)],
    key: &'static [&'static str],
    is_final: bool,
) -> Sheet {
    Sheet { name: table.name(), table: Some(table), lead, extra, key, is_final }
}

impl Sheet {
    /// Its columns.
    #[must_use]
    pub fn columns(&self) -> Vec<Column> {
        let own = |columns: &[(&'static str, Kind)]| -> Vec<Column> {
            columns.iter().map(|(name, kind)| Column { name, kind: *kind }).collect()
        };
        let table = self.table.map(Table::columns).unwrap_or_default();
        [own(self.lead), table, own(self.extra)].concat()
    }

    /// The places of its key among its columns.
    pub(super) fn key_places(&self) -> Vec<usize> {
        let columns = self.columns();
        self.key.iter().filter_map(|key| columns.iter().position(|column| column.name == *key)).collect()
    }
}

/// A cell as the text that both databases read; they are told the type of its column.
pub(super) fn text_of(cell: &Cell<'_>) -> Option<String> {
    match cell {
        Cell::Empty => None,
        // Neither database keeps a zero character.
        Cell::Text(text) => Some(text.replace('\0', "\u{fffd}")),
        Cell::Time(time) => Some(time_text(*time)),
        Cell::Flag(flag) => Some(if *flag { "1" } else { "0" }.to_owned()),
        Cell::Count(n) => Some(n.to_string()),
        Cell::Float(value) => value.is_finite().then(|| value.to_string()),
        Cell::Decimal(micros) => Some(crate::domain::Money::from_micros(*micros).to_string()),
    }
}

/// A time as `2014-05-01 00:00:00.25`.
fn time_text(time: UtcMicros) -> String {
    time.to_string().trim_end_matches('Z').replace('T', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_declared_schema_has_these_tables_columns_types_and_keys() {
        let schema = include_str!("../../docs/schema.dbml");
        for sheet in &SHEETS {
            let table = schema.split(&format!("Table {} {{\n", sheet.name)).nth(1).expect(sheet.name);
            let (fields, rest) = table.split_once("\n\n").expect("an empty line after the fields");
            let declared: Vec<(&str, Kind)> = fields
                .lines()
                .map(|line| {
                    let mut words = line.split_whitespace();
                    let (name, kind) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
                    let kind = match kind.split('(').next().unwrap_or("") {
                        "text" | "varchar" => Kind::Text,
                        "timestamp" => Kind::Time,
                        "boolean" => Kind::Flag,
                        "bigint" => Kind::Count,
                        "float8" => Kind::Float,
                        "numeric" => Kind::Decimal,
                        other => panic!("{other}"),
                    };
                    (name, kind)
                })
                .collect();
            let columns: Vec<(&str, Kind)> = sheet.columns().iter().map(|column| (column.name, column.kind)).collect();
            assert_eq!(declared, columns, "{}", sheet.name);
            assert!(rest.contains(&format!("({}) [pk]", sheet.key.join(", "))), "{}: {:?}", sheet.name, sheet.key);
            assert_eq!(sheet.key_places().len(), sheet.key.len());
        }
        for (place, name) in [(Place::Trades, "trades"), (Place::Deals, "deals"), (Place::ModelData, "model_data")] {
            assert_eq!(place.sheet().name, name);
        }
    }

    #[test]
    fn cells_are_texts_that_databases_read() {
        assert_eq!(text_of(&Cell::Time(UtcMicros(250_000))).as_deref(), Some("1970-01-01 00:00:00.25"));
        assert_eq!(text_of(&Cell::Decimal(-1_500_000)).as_deref(), Some("-1.5"));
        assert_eq!(text_of(&Cell::Float(f64::INFINITY)), None);
        assert_eq!(text_of(&Cell::Text("a\0b".into())).as_deref(), Some("a\u{fffd}b"));
    }
}
