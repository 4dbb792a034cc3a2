//! Requests of the streaming protocol: a name, and lines of parameters.

use crate::sim::ig::text::pairs;

/// The parameters of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::sim::ig) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads one line; `None` where it is not decodable.
    pub(in crate::sim::ig) fn parse(line: &str) -> Option<Self> {
        pairs(line, false).map(Self)
    }

    /// The value of a parameter.
    pub(in crate::sim::ig) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether a parameter is `true`.
    pub(in crate::sim::ig) fn is_true(&self, name: &str) -> bool {
        self.get(name) == Some("true")
    }

    /// A parameter as a whole number.
    pub(in crate::sim::ig) fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }

    /// Adds what comes by another way, unless it is there.
    pub(in crate::sim::ig) fn or(mut self, others: &[(String, String)]) -> Self {
        for (name, value) in others {
            if self.get(name).is_none() {
                self.0.push((name.clone(), value.clone()));
            }
        }
        self
    }
}

/// A message: its name and its lines of parameters, none for `wsok`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sim::ig) struct Request {
    pub(in crate::sim::ig) name: String,
    pub(in crate::sim::ig) lines: Vec<Parameters>,
}

/// Reads a message as it comes over WebSocket; `None` where it is malformed.
pub(in crate::sim::ig) fn parse(text: &str) -> Option<Request> {
    let (name, body) = text.split_once("\r\n").unwrap_or((text, ""));
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
        return None;
    }
    Some(Request { name: name.to_owned(), lines: lines(body)? })
}

/// Reads a body: one line of parameters for each request in it.
pub(in crate::sim::ig) fn lines(body: &str) -> Option<Vec<Parameters>> {
    let body = body.strip_suffix("\r\n").unwrap_or(body);
    if body.is_empty() {
        return Some(Vec::new());
    }
    body.split("\r\n").map(Parameters::parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_a_name_and_lines() {
        let control = parse("control\r\nLS_reqId=1&LS_op=add\r\nLS_reqId=2&LS_group=MARKET%3AX%20Y").unwrap();
        assert_eq!((control.name.as_str(), control.lines.len()), ("control", 2));
        assert_eq!(control.lines[1].get("LS_group"), Some("MARKET:X Y"));
        assert_eq!(parse("wsok").unwrap().lines, []);
        assert_eq!(parse("heartbeat\r\n\r\n").unwrap().lines, []);
        assert_eq!(parse("heartbeat\r\n").unwrap().lines, []);
        for bad in ["", "\r\n", "Control\r\n", "a b", "control\r\nLS_reqId=%4"] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}
