//! Sweeps: one entry of `[[models]]` becomes every combination of its listed values, in written order.

use std::collections::BTreeSet;

use super::problem::{Faults, MISSING, UNKNOWN};
use super::raw;
use super::read::{Field, Section};
use super::tree::{Node, Value};

/// The most candidates that an arena takes.
pub(super) const CANDIDATES_MAX: usize = 100_000;

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// The seed of a candidate's own generator: FNV-1a over its name, started at the arena's seed.
///
/// Written out here, so that neither a new compiler nor another candidate changes what it draws.
#[must_use]
pub fn seat_seed(arena_seed: u64, name: &str) -> u64 {
    name.bytes().fold(arena_seed ^ FNV_OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME))
}

/// A swept key with its values.
#[derive(Debug)]
pub(super) struct Axis<'t> {
    /// As written: `stop`, `params.lookback`.
    pub(super) key: String,
    /// The values, at least one.
    pub(super) values: Vec<Field<'t>>,
    /// Their texts in a candidate's name.
    pub(super) texts: Vec<String>,
}

/// The sweep of one entry; without one it has no axis and a single combination.
#[derive(Debug, Default)]
pub(super) struct Sweep<'t> {
    /// In written order.
    pub(super) axes: Vec<Axis<'t>>,
}

impl<'t> Sweep<'t> {
    /// Reads `[models.sweep]` of `entry`; a key or list with a fault is left out.
    pub(super) fn read(entry: &Section<'t>, faults: &mut Faults) -> Self {
        let mut sweep = Self::default();
        let Some(written) = entry.get("sweep") else { return sweep };
        let path = entry.path_of("sweep");
        let Value::Table(table) = &written.node.value else {
            faults.push(written.node.at, &path, written.node.text.clone(), "a table [models.sweep] of key = list");
            return sweep;
        };
        let mut keys: Vec<(String, usize, &Node)> = Vec::new();
        for key in &table.entries {
            match (key.key.as_str(), &key.node.value) {
                // Written as [models.sweep.params] or with dots and no quotes: the same is meant.
                ("params", Value::Table(params)) => {
                    keys.extend(params.entries.iter().map(|p| (format!("params.{}", p.key), p.at, &p.node)));
                }
                (name, _) => keys.push((name.to_owned(), key.at, &key.node)),
            }
        }
        keys.sort_by_key(|(_, at, _)| *at);
        for (key, at, node) in keys {
            sweep.read_axis(&path, key, at, node, faults);
        }
        sweep
    }

    fn read_axis(&mut self, sweep_path: &str, key: String, at: usize, node: &Node, faults: &mut Faults) {
        let path = if key.contains('.') { format!("{sweep_path}.{key:?}") } else { format!("{sweep_path}.{key}") };
        if key == "params" || key == "sweep" {
            faults.push(at, &path, "no single key", "single keys, such as \"params.lookback\" = [3, 5]");
            return;
        }
        let known = match key.strip_prefix("params.") {
            Some(name) => raw::find("models[].params", name),
            None => raw::find("models[]", &key),
        };
        if known.is_none() {
            let names = raw::KEYS.iter().filter_map(|known| match known.table {
                "models[].params" => Some(format!("params.{}", known.name)),
                "models[]" if known.name != "params" && known.name != "sweep" => Some(known.name.to_owned()),
                _ => None,
            });
            let names: Vec<String> = names.collect();
            faults.push(at, &path, UNKNOWN, raw::nearest(&key, names.iter().map(String::as_str)));
            return;
        }
        let field = Field::of(node, path);
        let Some(values) = field.items().map(Iterator::collect::<Vec<_>>) else {
            field.fault::<()>(faults, "a list of values");
            return;
        };
        if values.is_empty() {
            field.fault::<()>(faults, "a list of at least one value");
            return;
        }
        if self.axes.iter().any(|axis| axis.key == key) {
            faults.push(at, &field.path, "swept twice", "one list for it");
            return;
        }
        let mut seen = BTreeSet::new();
        let texts: Vec<String> = values.iter().map(text_in_name).collect();
        for (value, text) in values.iter().zip(&texts) {
            if !seen.insert(text) {
                value.fault::<()>(faults, "values that differ from one another");
            }
        }
        self.axes.push(Axis { key, values, texts });
    }

    /// How many combinations there are; `None` beyond all bounds.
    pub(super) fn combinations(&self) -> Option<usize> {
        self.axes.iter().try_fold(1_usize, |product, axis| product.checked_mul(axis.values.len()))
    }

    /// The place of `key` among the axes.
    pub(super) fn axis(&self, key: &str) -> Option<usize> {
        self.axes.iter().position(|axis| axis.key == key)
    }

    /// What a combination adds to the entry's name: `:lookback=3,stop=6`.
    pub(super) fn suffix(&self, combination: &[usize]) -> String {
        let parts =
            self.axes.iter().zip(combination).filter(|(axis, _)| axis.key != "name").map(|(axis, at)| {
                format!("{}={}", axis.key.strip_prefix("params.").unwrap_or(&axis.key), axis.texts[*at])
            });
        let parts: Vec<String> = parts.collect();
        if parts.is_empty() { String::new() } else { format!(":{}", parts.join(",")) }
    }

    /// Moves on to the next combination, the last key fastest; false after the last.
    pub(super) fn advance(&self, combination: &mut [usize]) -> bool {
        for (axis, at) in self.axes.iter().zip(combination.iter_mut()).rev() {
            *at += 1;
            if *at < axis.values.len() {
                return true;
            }
            *at = 0;
        }
        false
    }
}

/// The shortest TOML text of a value, without quotes and without an exponent.
fn text_in_name(field: &Field<'_>) -> String {
    match field.value() {
        Value::Text(text) => text.clone(),
        Value::Integer(n) => n.to_string(),
        Value::Float(x) if x.is_finite() && x.fract().abs() < f64::MIN_POSITIVE => format!("{x:.1}"),
        Value::Float(x) => x.to_string(),
        _ => field.text().to_owned(),
    }
}

/// One value that a key may take in a combination.
#[derive(Debug)]
pub(super) struct Spot<T> {
    /// Where a fault of it is reported.
    pub(super) at: usize,
    /// Its name.
    pub(super) path: String,
    /// As written.
    pub(super) text: String,
    /// What it is; `None` where it is faulty or absent.
    pub(super) value: Option<T>,
    /// Whether it is written or has a default.
    pub(super) is_there: bool,
}

impl<T> Spot<T> {
    /// Notes that it does not fit beside the others of its combination.
    pub(super) fn fault(&self, faults: &mut Faults, want: impl Into<String>) {
        faults.push(self.at, &self.path, if self.is_there { &self.text } else { MISSING }, want);
    }
}

/// Every value that a key takes over the combinations of an entry.
#[derive(Debug)]
pub(super) struct Choice<T> {
    axis: Option<usize>,
    spots: Vec<Spot<T>>,
}

impl<T> Choice<T> {
    /// Reads `key` of `section`, called `swept_as` in the sweep. Without `or_default` an unwritten key is absent.
    pub(super) fn read(
        section: &Section<'_>,
        sweep: &Sweep<'_>,
        key: &str,
        swept_as: &str,
        or_default: bool,
        faults: &mut Faults,
        read: impl Fn(&Field<'_>, &mut Faults) -> Option<T>,
    ) -> Self {
        let spot = |field: &Field<'_>, faults: &mut Faults| Spot {
            at: field.at,
            path: field.path.clone(),
            text: field.text().to_owned(),
            value: read(field, faults),
            is_there: true,
        };
        let written = section.written(key).map(|field| spot(&field, faults));
        if let Some(axis) = sweep.axis(swept_as) {
            let spots = sweep.axes[axis].values.iter().map(|field| spot(field, faults)).collect();
            return Self { axis: Some(axis), spots };
        }
        let only = match written {
            Some(spot) => Some(spot),
            None if or_default => section.field(key, faults).map(|field| spot(&field, faults)),
            None => None,
        };
        let absent = || Spot {
            at: section.at(),
            path: section.path_of(key),
            text: MISSING.to_owned(),
            value: None,
            is_there: false,
        };
        Self { axis: None, spots: vec![only.unwrap_or_else(absent)] }
    }

    /// The value of one combination.
    pub(super) fn of(&self, combination: &[usize]) -> &Spot<T> {
        &self.spots[self.axis.map_or(0, |axis| combination[axis])]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tree;

    #[test]
    fn values_print_as_the_shortest_toml() {
        for (toml, text) in [
            ("3", "3"),
            ("0x10", "16"),
            ("1_000", "1000"),
            ("3e-5", "0.00003"),
            ("0.00003", "0.00003"),
            ("8.0", "8.0"),
            ("8.50", "8.5"),
            ("\"3m\"", "3m"),
            ("true", "true"),
        ] {
            assert_eq!(text_in_name(&Field::of(&tree::value_of(toml), String::new())), text, "{toml}");
        }
    }

    #[test]
    fn seeds_depend_on_the_name_and_the_arena_alone() {
        // FNV-1a of "a" is a published vector: af63dc4c8601ec8c.
        assert_eq!(seat_seed(0, "a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(seat_seed(0, ""), FNV_OFFSET);
        assert_ne!(seat_seed(7, "random"), seat_seed(8, "random"));
        assert_ne!(seat_seed(7, "random:rate=0.1"), seat_seed(7, "random:rate=0.2"));
    }
}
