//! The TOML document as a tree in which every key and value knows its place and its own text.
//!
//! The text of a number is kept beside its value, because prices, sizes and money are read exactly.

use toml_edit::{Document, InlineTable, Item, Key, Table as TomlTable, Value as TomlValue};

use super::problem::{Faults, Lines};

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// The first byte of it; of a table, of its header.
    pub(super) at: usize,
    /// As written, where that is one short line; else its kind in words.
    pub(super) text: String,
    /// What it is.
    pub(super) value: Value,
}

/// The kinds of TOML that a configuration may hold.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// A string.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number with a point or exponent, NaN and infinities included.
    Float(f64),
    /// True or false.
    Bool(bool),
    /// A date or time, which no key takes.
    Time,
    /// An array, of tables too.
    List(Vec<Node>),
    /// A table of either notation.
    Table(Table),
}

/// The keys of a table in the order in which they are written.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    /// The keys.
    pub(super) entries: Vec<Entry>,
}

/// A key with its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// The key.
    pub(super) key: String,
    /// The first byte of it.
    pub(super) at: usize,
    /// Its value.
    pub(super) node: Node,
}

impl Table {
    /// The entry of `key`.
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }
}

/// The most lines that are looked past for further syntax faults.
const SYNTAX_FAULTS_MAX: usize = 20;

/// Reads a document, noting syntax faults; `None` where too little of it can be read to look further.
///
/// A faulty line is looked past, so that the faults behind it are found in the same go. That holds as long as one
/// fault stays inside of its line: an unclosed bracket or string drags its followers along, and ends the search.
pub(super) fn read(text: &str, faults: &mut Faults) -> Option<Table> {
    let lines = Lines::of(text);
    let mut readable = text.to_owned();
    let mut last_line = 0;
    for _ in 0..SYNTAX_FAULTS_MAX {
        let error = match Document::parse(readable.as_str()) {
            Ok(document) => return Some(table_of(document.as_table(), &readable)),
            Err(error) => error,
        };
        let at = error.span().map_or(0, |span| span.start).min(readable.len());
        let (line, _) = lines.place(at);
        if last_line != 0 && line <= last_line + 1 {
            return None;
        }
        last_line = line;
        faults.push(at, "", format!("not readable: {}", one_line(error.message())), "valid TOML");
        let range = lines.range(at);
        if readable[range.clone()].trim_start().starts_with('[') {
            return None;
        }
        // The same number of bytes, so that every other place stays where it is.
        let blank = " ".repeat(range.len());
        readable.replace_range(range, &blank);
    }
    None
}

/// A value of its own, such as a default.
///
/// # Panics
/// If `text` is not a TOML value: it comes from the table of keys.
pub(super) fn value_of(text: &str) -> Node {
    let source = format!("v = {text}");
    let document = Document::parse(source.as_str()).expect("defaults are written as TOML");
    let table = table_of(document.as_table(), &source);
    table.entries.into_iter().next().expect("one key was written").node
}

fn one_line(message: &str) -> String {
    message.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(", ")
}

fn start(span: Option<std::ops::Range<usize>>, otherwise: usize) -> usize {
    span.map_or(otherwise, |span| span.start)
}

fn entry(key: &Key, node: Node) -> Entry {
    Entry { key: key.get().to_owned(), at: start(key.span(), node.at), node }
}

/// Dotted keys and reopened tables are gathered by their table; the order as written is that of the keys' places.
fn in_written_order(mut entries: Vec<Entry>) -> Table {
    entries.sort_by_key(|entry| entry.at);
    Table { entries }
}

fn table_of(table: &TomlTable, text: &str) -> Table {
    let keys = table.iter().filter_map(|(name, _)| table.get_key_value(name));
    in_written_order(keys.filter_map(|(key, item)| Some(entry(key, node_of_item(item, key, text)?))).collect())
}

fn inline_table_of(table: &InlineTable, text: &str) -> Table {
    let keys = table.iter().filter_map(|(name, _)| table.get_key_value(name));
    in_written_order(keys.filter_map(|(key, item)| Some(entry(key, node_of_item(item, key, text)?))).collect())
}

fn node_of_item(item: &Item, key: &Key, text: &str) -> Option<Node> {
    let key_at = start(key.span(), 0);
    match item {
        Item::None => None,
        Item::Value(value) => Some(node_of_value(value, key_at, text)),
        Item::Table(table) => Some(Node {
            at: start(table.span(), key_at),
            text: "a table".to_owned(),
            value: Value::Table(table_of(table, text)),
        }),
        Item::ArrayOfTables(tables) => {
            let list = tables.iter().map(|table| Node {
                at: start(table.span(), key_at),
                text: "a table".to_owned(),
                value: Value::Table(table_of(table, text)),
            });
            let list: Vec<Node> = list.collect();
            let at = list.first().map_or(key_at, |node| node.at);
            Some(Node { at, text: "a list of tables".to_owned(), value: Value::List(list) })
        }
    }
}

fn node_of_value(value: &TomlValue, key_at: usize, text: &str) -> Node {
    let span = value.span();
    let at = start(span.clone(), key_at);
    let written = span.and_then(|span| text.get(span)).unwrap_or("").trim();
    let (value, kind) = match value {
        TomlValue::String(s) => (Value::Text(s.value().clone()), "a text"),
        TomlValue::Integer(n) => (Value::Integer(*n.value()), "a whole number"),
        TomlValue::Float(n) => (Value::Float(*n.value()), "a number"),
        TomlValue::Boolean(b) => (Value::Bool(*b.value()), "true or false"),
        TomlValue::Datetime(_) => (Value::Time, "a time"),
        TomlValue::Array(array) => {
            (Value::List(array.iter().map(|item| node_of_value(item, at, text)).collect()), "a list")
        }
        TomlValue::InlineTable(table) => (Value::Table(inline_table_of(table, text)), "a table"),
    };
    let is_short = !written.is_empty() && written.chars().count() <= 80 && !written.contains('\n');
    Node { at, text: if is_short { written.to_owned() } else { kind.to_owned() }, value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stand_in_written_order_with_their_places() {
        let text = "[a]\n\"b.c\" = [1, 2]\nd.e = 1\nf = 2\nd.g = 3\n";
        let mut faults = Faults::default();
        let root = read(text, &mut faults).unwrap();
        assert!(faults.is_empty());
        let a = &root.entries[0];
        assert_eq!((a.key.as_str(), a.node.at), ("a", 0));
        let Value::Table(table) = &a.node.value else { panic!("a table") };
        let keys: Vec<_> = table.entries.iter().map(|e| (e.key.as_str(), e.at)).collect();
        assert_eq!(keys, [("b.c", 4), ("d", 19), ("f", 27)]);
        let Value::List(list) = &table.entries[0].node.value else { panic!("a list") };
        assert_eq!((list[1].at, list[1].text.as_str()), (16, "2"));
    }

    #[test]
    fn a_faulty_line_does_not_hide_the_next() {
        let mut faults = Faults::default();
        let root = read("a = \nb = 1\nc = 1\nb = 2\nd = 3\n", &mut faults).unwrap();
        assert_eq!(root.entries.iter().map(|e| e.key.as_str()).collect::<Vec<_>>(), ["b", "c", "d"]);
        let places: Vec<_> = faults.into_problems("f", "a = \nb = 1\nc = 1\nb = 2\nd = 3\n");
        assert_eq!(places.iter().map(|p| p.line).collect::<Vec<_>>(), [1, 4]);
    }

    #[test]
    fn an_unclosed_list_is_one_fault() {
        let text = "a = [1,\n2\n[b]\nc = 1\n";
        let mut faults = Faults::default();
        read(text, &mut faults);
        let problems = faults.into_problems("f", text);
        assert!((1..=2).contains(&problems.len()), "{problems:?}");
    }
}
