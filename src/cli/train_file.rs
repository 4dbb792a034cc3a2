//! Training files: what `arena train` takes on its command line, as TOML.
//!
//! ```toml
//! [train]
//! kind = "ridge"
//! name = "ridge-crude"
//! data = "yahoo/CL=F/1m"
//! horizon = 5
//! split = [0.7, 0.15, 0.15]
//! features = { lags = 8, returns = [5, 20], spread = true }
//! set = { alpha = 0.01 }
//! sweep = { lags = [4, 8, 16] }
//! ```
//!
//! The keys may also stand at the top of the file.

use std::path::Path;

use toml_edit::{DocumentMut, Item, TableLike, Value};

use super::output::{Failure, USAGE};
use crate::training::plan::Request;

/// Whether the file at `path` is a training file: it has a `kind` at its top, or a table `[train]`.
pub(super) fn is_one(path: &Path) -> bool {
    let document = std::fs::read_to_string(path).ok().and_then(|text| text.parse::<DocumentMut>().ok());
    document.is_some_and(|document| document.contains_key("kind") || document.contains_key("train"))
}

/// What the training file at `path` asks for.
///
/// # Errors
/// [`USAGE`] with every fault of its shape; what the values mean is the plan's to judge.
pub(super) fn read(path: &Path) -> Result<Request, Failure> {
    let text = std::fs::read_to_string(path).map_err(|e| Failure::new(USAGE, format!("{}: {e}", path.display())))?;
    let document: DocumentMut = text.parse().map_err(|e: toml_edit::TomlError| torn(path, &text, &e))?;
    let table: &dyn TableLike = match document.get("train") {
        Some(train) => match train.as_table_like() {
            Some(table) => table,
            None => return Err(Failure::new(USAGE, format!("{}: train is no table", path.display()))),
        },
        None => document.as_table(),
    };
    request(table).map_err(|faults| Failure::new(USAGE, format!("{}: {}", path.display(), faults.join("; "))))
}

/// Text that is no TOML, with the place.
pub(super) fn torn(path: &Path, text: &str, error: &toml_edit::TomlError) -> Failure {
    let line = error.span().map_or(1, |span| 1 + text[..span.start.min(text.len())].matches('\n').count());
    Failure::new(USAGE, format!("{}:{line}: {}", path.display(), error.message().trim().replace('\n', "; ")))
}

fn request(table: &dyn TableLike) -> Result<Request, Vec<String>> {
    let mut request = Request::default();
    let mut faults = Vec::new();
    for (key, item) in table.iter() {
        let read = match key {
            "set" => pairs(key, item).map(|set| request.set = set),
            "sweep" => swept(item).map(|sweep| request.sweep = sweep),
            "features" => features(item).map(|text| request.values.push((key.to_owned(), text))),
            "max_distance" => gate(item).map(|text| request.values.push((key.to_owned(), text))),
            key => text(key, item, ",").map(|text| request.values.push((key.to_owned(), text))),
        };
        faults.extend(read.err());
    }
    if faults.is_empty() { Ok(request) } else { Err(faults) }
}

/// A value as the command line has it; several are joined by `joint`.
fn text(key: &str, item: &Item, joint: &str) -> Result<String, String> {
    let value = item.as_value().ok_or_else(|| format!("{key} is a table; want a value"))?;
    value_text(key, value, joint)
}

fn value_text(key: &str, value: &Value, joint: &str) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.value().clone()),
        Value::Integer(whole) => Ok(whole.value().to_string()),
        Value::Float(number) => Ok(number.value().to_string()),
        Value::Boolean(is) => Ok(is.value().to_string()),
        Value::Array(values) => {
            let parts: Result<Vec<String>, String> = values.iter().map(|value| value_text(key, value, "+")).collect();
            Ok(parts?.join(joint))
        }
        Value::Datetime(_) | Value::InlineTable(_) => {
            Err(format!("{key} is {}; want text, a number, true, false or a list of those", value.type_name()))
        }
    }
}

fn pairs(key: &str, item: &Item) -> Result<Vec<(String, String)>, String> {
    let table = item.as_table_like().ok_or_else(|| format!("{key} is no table; want {key} = {{ NAME = VALUE }}"))?;
    table.iter().map(|(name, item)| Ok((name.to_owned(), text(&format!("{key}.{name}"), item, "+")?))).collect()
}

fn swept(item: &Item) -> Result<Vec<(String, Vec<String>)>, String> {
    let table = item.as_table_like().ok_or("sweep is no table; want sweep = { NAME = [VALUE, VALUE] }")?;
    let list = |(name, item): (&str, &Item)| {
        let key = format!("sweep.{name}");
        let values = item.as_array().ok_or_else(|| format!("{key} is no list; want [VALUE, VALUE]"))?;
        let texts: Result<Vec<String>, String> = values.iter().map(|value| value_text(&key, value, "+")).collect();
        Ok((name.to_owned(), texts?))
    };
    table.iter().map(list).collect()
}

fn features(item: &Item) -> Result<String, String> {
    if item.is_str() {
        return text("features", item, ",");
    }
    let parts: Vec<String> =
        pairs("features", item)?.into_iter().map(|(key, value)| format!("{key}={value}")).collect();
    Ok(parts.join(","))
}

fn gate(item: &Item) -> Result<String, String> {
    let Some(table) = item.as_table_like() else { return text("max_distance", item, ",") };
    match table.get("absolute") {
        Some(distance) if table.len() == 1 => Ok(format!("absolute={}", text("max_distance.absolute", distance, ",")?)),
        _ => Err("max_distance is a table; want a number or { absolute = DISTANCE }".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Request, Vec<String>> {
        let document: DocumentMut = text.parse().unwrap();
        request(document.get("train").and_then(Item::as_table_like).unwrap_or(document.as_table()))
    }

    #[test]
    fn a_training_file_says_what_the_command_line_would() {
        let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let request = read_text(
            "[train]\nkind = \"stack\"\nhorizon = 5\nsplit = [0.7, 0.2, 0.1]\nmax_distance = { absolute = 0.002 }\n\
             features = { lags = 8, returns = [5, 20], spread = true }\n\
             [train.set]\nalpha = 0.5\ntails = [5, 20]\n[train.sweep]\nlags = [4, 8]\nreturns = [[1, 2], 3]\n",
        )
        .unwrap();
        assert_eq!(
            request.values,
            owned(&[
                ("kind", "stack"),
                ("horizon", "5"),
                ("split", "0.7,0.2,0.1"),
                ("max_distance", "absolute=0.002"),
                ("features", "lags=8,returns=5+20,spread=true"),
            ])
        );
        assert_eq!(request.set, owned(&[("alpha", "0.5"), ("tails", "5+20")]));
        let sweep = [("lags", vec!["4", "8"]), ("returns", vec!["1+2", "3"])]
            .map(|(key, values)| (key.to_owned(), values.into_iter().map(str::to_owned).collect()));
        assert_eq!(request.sweep, sweep);
    }

    #[test]
    fn every_fault_of_a_shape_is_told_at_once() {
        let faults =
            read_text("set = 3\nsweep = { k = 3 }\nmax_distance = { share = 1 }\nkind = 1979-05-27\n").unwrap_err();
        assert_eq!(faults.len(), 4, "{faults:?}");
    }
}
