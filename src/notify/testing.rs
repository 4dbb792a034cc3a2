//! What the tests of this room share.

/// The rest of a configuration.
pub(super) const MARKET: &str = r#"
[[markets]]
epic = "E"
point = 0.0001

[[models]]
name = "m"
kind = "random"
params = { rate = 0.1 }
hold = "5m"
stop = 4
limit = 4
"#;
