//! From a place in the tree to a value of ours, or to a fault that says what would be right.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use crate::domain::{Decimal, DecimalError, Micros};

use super::problem::{Faults, MISSING, UNKNOWN};
use super::raw::{self, KEYS, Key, Otherwise};
use super::tree::{self, Entry, Node, Table, Value};

/// One value with its place and its name.
#[derive(Clone, Debug)]
pub(super) struct Field<'t> {
    /// Where a fault of it is reported.
    pub(super) at: usize,
    /// The name of the key, such as `models[0].stop`.
    pub(super) path: String,
    node: Cow<'t, Node>,
}

/// A table with its name, its place and what is known about its keys.
#[derive(Clone, Debug)]
pub(super) struct Section<'t> {
    table: Cow<'t, Table>,
    at: usize,
    path: String,
    schema: &'static str,
}

impl<'t> Section<'t> {
    /// The table at the top of the file, of which no keys are checked.
    pub(super) fn root(table: &'t Table) -> Self {
        Self { table: Cow::Borrowed(table), at: 0, path: String::new(), schema: "" }
    }

    /// The table `name` inside of this one; an empty one where there is none. Unknown keys in it are faults.
    pub(super) fn section(&self, name: &str, faults: &mut Faults) -> Self {
        let path = self.path_of(name);
        let empty = Self { table: Cow::Owned(Table::default()), at: self.at, path: path.clone(), schema: "" };
        let schema = KEYS.iter().map(|key| key.table).find(|table| *table == schema_path(&path)).unwrap_or("");
        let Some(entry) = self.get(name) else { return Self { schema, ..empty } };
        let Value::Table(table) = entry.node.value.clone() else {
            faults.push(entry.node.at, &path, entry.node.text.clone(), format!("a table [{path}]"));
            return Self { schema, ..empty };
        };
        let section = Self { table: Cow::Owned(table), at: entry.node.at, path, schema };
        section.refuse_unknown(faults);
        section
    }

    /// The tables `[[name]]`; unknown keys in them are faults.
    pub(super) fn sections(&self, name: &str, schema: &'static str, faults: &mut Faults) -> Vec<Self> {
        let Some(entry) = self.get(name) else { return Vec::new() };
        let Value::List(list) = &entry.node.value else {
            let want = format!("tables, each under [[{name}]]");
            faults.push(entry.node.at, name, entry.node.text.clone(), want);
            return Vec::new();
        };
        let mut sections = Vec::with_capacity(list.len());
        for (i, node) in list.iter().enumerate() {
            let path = format!("{name}[{i}]");
            match &node.value {
                Value::Table(table) => {
                    let section = Self { table: Cow::Owned(table.clone()), at: node.at, path, schema };
                    section.refuse_unknown(faults);
                    sections.push(section);
                }
                _ => faults.push(node.at, &path, node.text.clone(), format!("a table under [[{name}]]")),
            }
        }
        sections
    }

    fn refuse_unknown(&self, faults: &mut Faults) {
        for entry in &self.table.entries {
            if raw::find(self.schema, &entry.key).is_none() {
                faults.push(entry.at, &self.path_of(&entry.key), UNKNOWN, self.nearest(&entry.key));
            }
        }
    }

    /// What to say of a key that this table does not know.
    pub(super) fn nearest(&self, unknown: &str) -> String {
        raw::nearest(unknown, KEYS.iter().filter(|key| key.table == self.schema).map(|key| key.name))
    }

    /// Where the table begins.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// What it is called.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The entry of `name`, if it is written.
    pub(super) fn get(&self, name: &str) -> Option<&Entry> {
        self.table.get(name)
    }

    /// The full name of a key of it.
    pub(super) fn path_of(&self, name: &str) -> String {
        let is_bare = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        let name = if is_bare { Cow::Borrowed(name) } else { Cow::Owned(format!("{name:?}")) };
        if self.path.is_empty() { name.into_owned() } else { format!("{}.{name}", self.path) }
    }

    fn known(&self, name: &str) -> &'static Key {
        raw::find(self.schema, name).expect("the readers ask for keys of the table of keys alone")
    }

    /// The value of `name` if it is written; no fault if it is not.
    pub(super) fn written(&self, name: &str) -> Option<Field<'t>> {
        let entry = self.get(name)?;
        Some(Field { at: entry.node.at, path: self.path_of(name), node: Cow::Owned(entry.node.clone()) })
    }

    /// The value of `name` or its default; a fault where it has none.
    pub(super) fn field(&self, name: &str, faults: &mut Faults) -> Option<Field<'t>> {
        if let Some(field) = self.written(name) {
            return Some(field);
        }
        let key = self.known(name);
        match key.default {
            Otherwise::Value(text) | Otherwise::Unbuilt(text, _) if !text.is_empty() => {
                Some(Field { at: self.at, path: self.path_of(name), node: Cow::Owned(tree::value_of(text)) })
            }
            Otherwise::Required => {
                self.miss(name, faults);
                None
            }
            _ => None,
        }
    }

    /// Notes that `name` has to be written and is not.
    pub(super) fn miss(&self, name: &str, faults: &mut Faults) {
        let key = self.known(name);
        let unit = if key.unit.is_empty() { String::new() } else { format!(" in {}", key.unit) };
        faults.push(self.at, &self.path_of(name), MISSING, format!("a {}{unit}: {}", key.kind, key.range));
    }

    /// Refuses every key of a part that does not exist yet unless it stands at its default.
    pub(super) fn refuse_unbuilt(&self, faults: &mut Faults) {
        for entry in &self.table.entries {
            let Some(Key { default: Otherwise::Unbuilt(default, part), .. }) = raw::find(self.schema, &entry.key)
            else {
                continue;
            };
            let want = if default.is_empty() {
                format!("no such key (not built yet: {part})")
            } else if is_same(&entry.node.value, &tree::value_of(default).value) {
                continue;
            } else {
                format!("{default} (not built yet: {part})")
            };
            faults.push(entry.node.at, &self.path_of(&entry.key), entry.node.text.clone(), want);
        }
    }
}

/// `markets[3]` is described under `markets[]`.
fn schema_path(path: &str) -> String {
    match (path.find('['), path.find(']')) {
        (Some(from), Some(to)) if from < to => format!("{}[]{}", &path[..from], &path[to + 1..]),
        _ => path.to_owned(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "defaults are small numbers")]
fn is_same(written: &Value, default: &Value) -> bool {
    let number = |value: &Value| match value {
        Value::Integer(n) => Some(*n as f64),
        Value::Float(n) => Some(*n),
        _ => None,
    };
    match (written, default) {
        (Value::Text(a), Value::Text(b)) => a == b,
        (a, b) => number(a).is_some() && number(a) == number(b),
    }
}

/// What a decimal may be, in words and in millionths.
#[derive(Clone, Copy, Debug)]
pub(super) struct DecimalRange {
    /// The least, in millionths.
    pub(super) least: i64,
    /// The most, in millionths.
    pub(super) most: i64,
}

impl DecimalRange {
    /// From nothing to `most` units.
    pub(super) const fn upto(most: i64) -> Self {
        Self { least: 0, most: most * 1_000_000 }
    }

    /// From one millionth to `most` units.
    pub(super) const fn positive(most: i64) -> Self {
        Self { least: 1, most: most * 1_000_000 }
    }

    fn words(self) -> String {
        let most = Decimal(self.most);
        match self.least {
            1 => format!("a number above 0, at most {most}, with at most six decimals"),
            least => format!("a number from {} to {most} with at most six decimals", Decimal(least)),
        }
    }
}

/// What a float may be.
#[derive(Clone, Copy, Debug)]
pub(super) enum FloatRange {
    /// `from..=to`.
    From(f64, f64),
    /// Above the first, up to the second.
    Above(f64, f64),
    /// Strictly between.
    Between(f64, f64),
    /// From the first, below the second.
    Below(f64, f64),
}

impl FloatRange {
    fn holds(self, x: f64) -> bool {
        match self {
            Self::From(a, b) => x >= a && x <= b,
            Self::Above(a, b) => x > a && x <= b,
            Self::Between(a, b) => x > a && x < b,
            Self::Below(a, b) => x >= a && x < b,
        }
    }

    fn words(self) -> String {
        match self {
            Self::From(a, b) => format!("a number from {a} to {b}"),
            Self::Above(a, b) => format!("a number above {a}, at most {b}"),
            Self::Between(a, b) => format!("a number above {a} and below {b}"),
            Self::Below(a, b) => format!("a number from {a}, below {b}"),
        }
    }
}

impl<'t> Field<'t> {
    /// A value inside of a list or table.
    pub(super) fn of(node: &Node, path: String) -> Self {
        Self { at: node.at, path, node: Cow::Owned(node.clone()) }
    }

    /// What kind of value it is.
    pub(super) fn value(&self) -> &Value {
        &self.node.value
    }

    /// The value as it is written.
    pub(super) fn text(&self) -> &str {
        &self.node.text
    }

    /// Notes that it is not what it has to be.
    pub(super) fn fault<T>(&self, faults: &mut Faults, want: impl Into<String>) -> Option<T> {
        faults.push(self.at, &self.path, self.node.text.clone(), want);
        None
    }

    /// The same of a value that is not to be shown.
    pub(super) fn secret_fault<T>(&self, faults: &mut Faults, want: impl Into<String>) -> Option<T> {
        faults.push(self.at, &self.path, "a text that is not shown", want);
        None
    }

    /// Its items, if it is a list.
    pub(super) fn items(&self) -> Option<impl Iterator<Item = Field<'t>>> {
        let Value::List(list) = &self.node.value else { return None };
        Some(list.iter().enumerate().map(|(i, node)| Field::of(node, format!("{}[{i}]", self.path))))
    }

    /// A text.
    pub(super) fn words(&self, faults: &mut Faults, want: &str) -> Option<&str> {
        match &self.node.value {
            Value::Text(text) => Some(text),
            _ => self.fault(faults, want),
        }
    }

    /// A name: 1 to 64 of letters, digits, `.`, `_` and `-`.
    pub(super) fn name(&self, faults: &mut Faults) -> Option<String> {
        const WANT: &str = "a text of 1 to 64 letters, digits, \".\", \"_\" and \"-\"";
        let text = self.words(faults, WANT)?;
        let is_fit = (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        if is_fit { Some(text.to_owned()) } else { self.fault(faults, WANT) }
    }

    /// One of a few words.
    pub(super) fn one_of<T: Copy>(&self, faults: &mut Faults, words: &[(&str, T)], want: &str) -> Option<T> {
        match &self.node.value {
            Value::Text(text) => match words.iter().find(|(word, _)| word == text) {
                Some((_, value)) => Some(*value),
                None => self.fault(faults, want),
            },
            _ => self.fault(faults, want),
        }
    }

    /// True or false.
    pub(super) fn flag(&self, faults: &mut Faults) -> Option<bool> {
        match self.node.value {
            Value::Bool(flag) => Some(flag),
            _ => self.fault(faults, "true or false"),
        }
    }

    /// A whole number.
    pub(super) fn whole(&self, faults: &mut Faults, range: RangeInclusive<i64>) -> Option<i64> {
        match self.node.value {
            Value::Integer(n) if range.contains(&n) => Some(n),
            Value::Integer(n) if n < *range.start() => self.fault(faults, format!("at least {}", range.start())),
            Value::Integer(_) => self.fault(faults, format!("at most {}", range.end())),
            _ => self.fault(faults, format!("a whole number from {} to {}", range.start(), range.end())),
        }
    }

    /// A whole number of 32 bits.
    pub(super) fn count(&self, faults: &mut Faults, range: RangeInclusive<u32>) -> Option<u32> {
        let n = self.whole(faults, i64::from(*range.start())..=i64::from(*range.end()))?;
        Some(u32::try_from(n).expect("the range is one of 32 bits"))
    }

    /// A float for statistics; whole numbers are taken too.
    pub(super) fn float(&self, faults: &mut Faults, range: FloatRange) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "every accepted range is exact in a float")]
        let x = match self.node.value {
            Value::Integer(n) => n as f64,
            // A negative zero is a zero: the two must not make two identities.
            Value::Float(x) => x + 0.0,
            _ => f64::NAN,
        };
        if range.holds(x) { Some(x) } else { self.fault(faults, range.words()) }
    }

    /// An exact decimal, read from the text.
    pub(super) fn decimal(&self, faults: &mut Faults, range: DecimalRange) -> Option<Decimal> {
        let read = match self.node.value {
            // Not from the text, which may be hexadecimal.
            Value::Integer(n) => exact(&n.to_string()),
            Value::Float(_) => exact(&self.node.text),
            _ => return self.fault(faults, range.words()),
        };
        match read {
            Ok(d) if (range.least..=range.most).contains(&d.0) => Some(d),
            _ => self.fault(faults, range.words()),
        }
    }

    /// A length of time.
    pub(super) fn length(&self, faults: &mut Faults, least: Micros, most: Micros) -> Option<Micros> {
        let want = || format!("a length of time from {least} to {most}, such as \"30s\"");
        let Value::Text(text) = &self.node.value else { return self.fault(faults, want()) };
        match text.parse::<Micros>() {
            Ok(length) if (least..=most).contains(&length) => Some(length),
            _ => self.fault(faults, want()),
        }
    }
}

/// An exact decimal; an exponent that no such decimal can have is out of range before it is looked at.
fn exact(text: &str) -> Result<Decimal, DecimalError> {
    if let Some((mantissa, exponent)) = text.split_once(['e', 'E']) {
        let is_zero = mantissa.bytes().all(|b| matches!(b, b'0' | b'.' | b'_' | b'+' | b'-'));
        if is_zero {
            return Ok(Decimal(0));
        }
        if exponent.replace('_', "").parse::<i32>().is_ok_and(|e| (-400..=400).contains(&e)) {
            return format!("{mantissa}e{}", exponent.replace('_', "")).parse();
        }
        return Err(DecimalError::OutOfRange);
    }
    text.parse()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_from_the_text() {
        for (text, want) in [
            ("0.1", Ok(100_000)),
            ("1_0.5", Ok(10_500_000)),
            ("25e-1", Ok(2_500_000)),
            ("0e999999999999", Ok(0)),
            ("1e-2147483648", Err(DecimalError::OutOfRange)),
            ("1e2147483647", Err(DecimalError::OutOfRange)),
            ("1e1_0", Ok(10_000_000_000_000_000)),
        ] {
            assert_eq!(exact(text), want.map(Decimal), "{text}");
        }
    }

    #[test]
    fn every_default_is_toml() {
        for key in KEYS {
            match key.default {
                Otherwise::Value(text) | Otherwise::Unbuilt(text, _) if !text.is_empty() => {
                    tree::value_of(text);
                }
                _ => {}
            }
        }
    }
}
