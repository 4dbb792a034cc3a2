//! JSON patches: a JSON text as operations on the one before it.
//!
//! What a patch adds or copies is counted as it goes, and so is the depth, so that no patch makes much of little.
//! Source: RFC 6902 and, for paths, RFC 6901.

use serde_json::Value;

/// Values within values; the parser stops at the same depth.
const DEPTH_MAX: usize = 100;

/// What `patch` makes of `before`, written anew; `None` where either is no JSON, an operation does not fit, or more than
/// `bytes_max` came together on the way.
#[must_use]
pub(super) fn apply(before: &str, patch: &str, bytes_max: usize) -> Option<String> {
    let mut document: Value = serde_json::from_str(before).ok()?;
    let Value::Array(operations) = serde_json::from_str(patch).ok()? else { return None };
    let mut room = bytes_max.checked_sub(before.len())?;
    for operation in &operations {
        one(&mut document, operation, &mut room)?;
    }
    serde_json::to_string(&document).ok().filter(|text| text.len() <= bytes_max)
}

fn one(document: &mut Value, operation: &Value, room: &mut usize) -> Option<()> {
    let path = pointer(operation.get("path")?.as_str()?)?;
    let from = || pointer(operation.get("from")?.as_str()?);
    match operation.get("op")?.as_str()? {
        "add" => put(document, &path, operation.get("value")?.clone(), room),
        "replace" => {
            let place = document.pointer_mut(operation.get("path")?.as_str()?)?;
            let value = operation.get("value")?.clone();
            charge(&value, path.len(), room)?;
            *place = value;
            Some(())
        }
        "remove" => take(document, &path).map(drop),
        "copy" => {
            let value = document.pointer(operation.get("from")?.as_str()?)?.clone();
            put(document, &path, value, room)
        }
        "move" => {
            let from = from()?;
            // A value cannot be moved into itself.
            if path.len() > from.len() && path[..from.len()] == from[..] {
                return None;
            }
            let value = take(document, &from)?;
            put(document, &path, value, room)
        }
        "test" => (document.pointer(operation.get("path")?.as_str()?)? == operation.get("value")?).then_some(()),
        _ => None,
    }
}

/// The steps of a path: `~1` is a slash and `~0` a tilde.
fn pointer(path: &str) -> Option<Vec<String>> {
    if path.is_empty() {
        return Some(Vec::new());
    }
    let steps = path.strip_prefix('/')?.split('/');
    Some(steps.map(|step| step.replace("~1", "/").replace("~0", "~")).collect())
}

/// Counts a value that is put in at `depth`.
fn charge(value: &Value, depth: usize, room: &mut usize) -> Option<()> {
    if depth > DEPTH_MAX {
        return None;
    }
    let bytes = match value {
        Value::String(text) => text.len() + 2,
        Value::Array(items) => {
            items.iter().try_for_each(|item| charge(item, depth + 1, room))?;
            2 + items.len()
        }
        Value::Object(members) => {
            members.values().try_for_each(|member| charge(member, depth + 1, room))?;
            2 + members.keys().map(|key| key.len() + 4).sum::<usize>()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => 5,
    };
    *room = room.checked_sub(bytes)?;
    Some(())
}

fn parent<'a>(document: &'a mut Value, steps: &[String]) -> Option<&'a mut Value> {
    steps.iter().try_fold(document, |value, step| match value {
        Value::Array(items) => items.get_mut(place(step)?),
        Value::Object(members) => members.get_mut(step),
        _ => None,
    })
}

/// A place in an array: digits without a leading zero.
fn place(step: &str) -> Option<usize> {
    let is_plain = step.bytes().all(|byte| byte.is_ascii_digit()) && (step == "0" || !step.starts_with('0'));
    step.parse().ok().filter(|_| is_plain)
}

fn put(document: &mut Value, path: &[String], value: Value, room: &mut usize) -> Option<()> {
    charge(&value, path.len(), room)?;
    let Some((last, steps)) = path.split_last() else {
        *document = value;
        return Some(());
    };
    *room = room.checked_sub(last.len())?;
    match parent(document, steps)? {
        Value::Array(items) => {
            let at = if last == "-" { items.len() } else { place(last)? };
            if at > items.len() {
                return None;
            }
            items.insert(at, value);
        }
        Value::Object(members) => drop(members.insert(last.clone(), value)),
        _ => return None,
    }
    Some(())
}

fn take(document: &mut Value, path: &[String]) -> Option<Value> {
    let Some((last, steps)) = path.split_last() else { return Some(document.take()) };
    match parent(document, steps)? {
        Value::Array(items) => {
            let at = place(last)?;
            (at < items.len()).then(|| items.remove(at))
        }
        Value::Object(members) => members.shift_remove(last),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn operations_do_what_the_standard_says() {
        for (before, patch, want) in [
            (r#"{"foo":"bar"}"#, r#"[{"op":"add","path":"/baz","value":"qux"}]"#, Some(r#"{"foo":"bar","baz":"qux"}"#)),
            (r#"{"foo":[1,2]}"#, r#"[{"op":"add","path":"/foo/1","value":9}]"#, Some(r#"{"foo":[1,9,2]}"#)),
            (r#"{"foo":[1]}"#, r#"[{"op":"add","path":"/foo/-","value":[2]}]"#, Some(r#"{"foo":[1,[2]]}"#)),
            (r#"{"a":1,"b":2}"#, r#"[{"op":"remove","path":"/a"}]"#, Some(r#"{"b":2}"#)),
            (r#"[1,2,3]"#, r#"[{"op":"remove","path":"/1"}]"#, Some("[1,3]")),
            (r#"{"a":1}"#, r#"[{"op":"replace","path":"/a","value":null}]"#, Some(r#"{"a":null}"#)),
            (
                r#"{"a":{"x":1},"b":{}}"#,
                r#"[{"op":"move","from":"/a/x","path":"/b/y"}]"#,
                Some(r#"{"a":{},"b":{"y":1}}"#),
            ),
            (r#"{"a":{"x":1}}"#, r#"[{"op":"copy","from":"/a","path":"/b"}]"#, Some(r#"{"a":{"x":1},"b":{"x":1}}"#)),
            (r#"{"a":1}"#, r#"[{"op":"test","path":"/a","value":1}]"#, Some(r#"{"a":1}"#)),
            (r#"{"a":1}"#, r#"[{"op":"test","path":"/a","value":2}]"#, None),
            (r#"{"a/b":1,"m~n":2}"#, r#"[{"op":"remove","path":"/a~1b"},{"op":"remove","path":"/m~0n"}]"#, Some("{}")),
            (r#"{"a":1}"#, r#"[{"op":"replace","path":"","value":[]}]"#, Some("[]")),
            (r#"{"a":1}"#, r#"[{"op":"replace","path":"/b","value":1}]"#, None),
            (r#"{"a":{}}"#, r#"[{"op":"move","from":"/a","path":"/a/b"}]"#, None),
            ("[1]", r#"[{"op":"add","path":"/01","value":1}]"#, None),
            ("[1]", r#"[{"op":"add","path":"/3","value":1}]"#, None),
            ("nope", "[]", None),
            ("{}", "{}", None),
        ] {
            assert_eq!(apply(before, patch, 1_000).as_deref(), want, "{before} {patch}");
        }
    }

    #[test]
    fn a_short_patch_cannot_make_much() {
        let doubling: Vec<_> = (0..60).map(|n| format!(r#"{{"op":"copy","from":"","path":"/a{n}"}}"#)).collect();
        assert_eq!(apply(r#"{"a":1}"#, &format!("[{}]", doubling.join(",")), 100_000), None);
        let deepening: Vec<_> =
            (0..200).map(|n| format!(r#"{{"op":"add","path":"{}/a","value":{{}}}}"#, "/a".repeat(n))).collect();
        assert_eq!(apply("{}", &format!("[{}]", deepening.join(",")), 100_000), None);
    }

    proptest! {
        #[test]
        fn no_patch_panics(before in "[\\[\\]{}:,\"a0-9]{0,40}", patch in "[\\[\\]{}:,\"a0-9/]{0,60}") {
            prop_assert!(apply(&before, &patch, 1_000).is_none_or(|text| text.len() <= 1_000));
        }
    }
}
