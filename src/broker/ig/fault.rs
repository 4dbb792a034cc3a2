//! What went wrong with a request, told apart by what its sender must do.

/// The longest part of an answer that is repeated to people.
const TEXT_BYTES_MAX: usize = 300;

/// Why a request did not bring what it was for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IgError {
    /// IG has not seen it.
    #[error("not sent: {0}")]
    NotSent(String),
    /// IG may have seen it; it did not answer, or not in a way that tells.
    #[error("no answer: {0}")]
    NoAnswer(String),
    /// IG answered with an error.
    #[error("{code} (HTTP {status})")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// IG's word for it.
        code: String,
    },
    /// IG answered well, with something that does not read.
    #[error("answer not understood: {0}")]
    NotUnderstood(String),
}

/// What to do about an error that IG answered with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// Log in again, once, and repeat.
    LogIn,
    /// Wait, and repeat.
    Later,
    /// Key, client or account are at fault: stop for good.
    Stop,
    /// This request is at fault, or what it asks for is not there: the same again will not help.
    Request,
}

/// An allowance of IG.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Allowance {
    /// Dealing requests of the account, a minute.
    Trading,
    /// Other requests of the account, a minute.
    Account,
    /// Other requests of the key, a minute.
    Application,
    /// Points of past prices, a week.
    History,
}

impl Allowance {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Trading, Self::Account, Self::Application, Self::History];

    /// The word for it in metrics.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Trading => "trading",
            Self::Account => "account",
            Self::Application => "application",
            Self::History => "history",
        }
    }

    /// The allowance that an error says is used up.
    #[must_use]
    pub fn exceeded(code: &str) -> Option<Self> {
        Some(match code.strip_prefix("error.public-api.exceeded-")? {
            "account-trading-allowance" => Self::Trading,
            "account-allowance" => Self::Account,
            "api-key-allowance" => Self::Application,
            "account-historical-data-allowance" => Self::History,
            _ => return None,
        })
    }
}

impl IgError {
    /// What to do about it.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::NotSent(_) | Self::NoAnswer(_) => Class::Later,
            Self::NotUnderstood(_) => Class::Request,
            Self::Refused { status, code } => class_of(*status, code),
        }
    }

    /// IG's word, where it answered with one.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            _ => None,
        }
    }

    /// An answer of this status and body.
    #[must_use]
    pub fn of_answer(status: u16, body: &[u8]) -> Self {
        let said = serde_json::from_slice::<super::wire::ErrorBody>(body);
        // An empty 405, and whatever a gateway says on its own, tells nothing of the request behind it.
        let is_behind = status >= 500 || status == 405 || (said.is_err() && status != 404);
        match said {
            Ok(said) if !(status >= 500 || status == 405) => Self::Refused { status, code: short(&said.error_code) },
            Ok(said) => Self::NoAnswer(format!("{} (HTTP {status})", short(&said.error_code))),
            Err(_) if is_behind => {
                Self::NoAnswer(format!("HTTP {status} {}", short(&String::from_utf8_lossy(body))).trim_end().to_owned())
            }
            Err(_) => Self::Refused { status, code: "not found".to_owned() },
        }
    }
}

fn short(text: &str) -> String {
    text[..text.floor_char_boundary(TEXT_BYTES_MAX)].to_owned()
}

fn class_of(status: u16, code: &str) -> Class {
    /// Words of section 8 of IG's list whose tokens can be had anew.
    const TOKENS: [&str; 7] = [
        "client-token-missing",
        "client-token-invalid",
        "account-token-missing",
        "account-token-invalid",
        "oauth-token-invalid",
        "failure-invalid-client-security-token",
        "failure.missing.credentials",
    ];
    /// Beginnings of words after which nobody may ask again: keys are revoked for it.
    const STOPS: [&str; 8] = [
        "error.security.",
        "error.public-api.failure.kyc",
        "error.public-api.failure.pending",
        "error.public-api.failure.preferred",
        "error.public-api.failure.stockbroking",
        "error.public-api.failure.encryption",
        "authentication.failure",
        "endpoint.unavailable.for.api-key",
    ];
    if TOKENS.iter().any(|token| code.ends_with(token)) {
        return Class::LogIn;
    }
    if Allowance::exceeded(code).is_some()
        || status >= 500
        || matches!(
            code,
            "system.error" | "error.security.authentication.timeout" | "error.security.get.session.timeout"
        )
    {
        return Class::Later;
    }
    // Right after a deal its position may not be there yet for a second request about it.
    if code.starts_with("error.service.execution.find") || code.contains("notional.details.null") {
        return Class::Later;
    }
    if STOPS.iter().any(|stop| code.starts_with(stop)) {
        return Class::Stop;
    }
    Class::Request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_fall_into_their_classes() {
        for (status, code, want) in [
            (401, "error.security.client-token-invalid", Class::LogIn),
            (401, "error.security.account-token-invalid", Class::LogIn),
            (401, "error.security.account-token-missing", Class::LogIn),
            (401, "error.security.oauth-token-invalid", Class::LogIn),
            (401, "service.security.authentication.failure-invalid-client-security-token", Class::LogIn),
            (403, "error.public-api.exceeded-account-allowance", Class::Later),
            (403, "error.public-api.exceeded-api-key-allowance", Class::Later),
            (403, "error.public-api.exceeded-account-trading-allowance", Class::Later),
            (403, "error.public-api.exceeded-account-historical-data-allowance", Class::Later),
            (400, "error.service.execution.find", Class::Later),
            (400, "error.service.marketdata.position.notional.details.null.error", Class::Later),
            (403, "error.security.api-key-invalid", Class::Stop),
            (403, "error.security.api-key-revoked", Class::Stop),
            (400, "error.security.api-key-missing", Class::Stop),
            (401, "error.security.invalid-details", Class::Stop),
            (401, "error.security.too-many-failed-attempts", Class::Stop),
            (401, "error.security.account-suspended", Class::Stop),
            (401, "error.public-api.failure.preferred.account.not.set", Class::Stop),
            (401, "error.public-api.failure.kyc.required", Class::Stop),
            (401, "authentication.failure.not-a-client-account", Class::Stop),
            (403, "endpoint.unavailable.for.api-key", Class::Stop),
            (400, "validation.null-not-allowed.request", Class::Request),
            (400, "error.malformed.date", Class::Request),
            (404, "error.confirms.deal-not-found", Class::Request),
            (404, "error.public-api.epic-not-found", Class::Request),
            (403, "unauthorised.access.to.equity.exception", Class::Request),
        ] {
            let body = format!("{{\"errorCode\":\"{code}\"}}");
            let error = IgError::of_answer(status, body.as_bytes());
            assert_eq!(error.class(), want, "{status} {code}");
            assert_eq!(error.code(), Some(code));
        }
    }

    #[test]
    fn an_answer_that_does_not_tell_is_none() {
        for (status, body) in [
            (405, ""),
            (500, "{\"errorCode\":\"system.error\"}"),
            (500, "{\"errorCode\":\"error.positions.generic\"}"),
            (504, "{\"errorCode\":\"error.security.authentication.timeout\"}"),
            (502, "<html>bad gateway</html>"),
            (400, "<html>"),
            (403, ""),
        ] {
            let error = IgError::of_answer(status, body.as_bytes());
            assert!(matches!(error, IgError::NoAnswer(_)), "{status} {body}: {error:?}");
            assert_eq!(error.class(), Class::Later, "{status} {body}");
        }
        assert!(IgError::of_answer(500, "x".repeat(10_000).as_bytes()).to_string().len() < 400);
        assert_eq!(IgError::of_answer(404, b"").class(), Class::Request);
    }

    #[test]
    fn each_allowance_has_its_error() {
        for (code, want) in [
            ("error.public-api.exceeded-api-key-allowance", Some(Allowance::Application)),
            ("error.public-api.exceeded-account-allowance", Some(Allowance::Account)),
            ("error.public-api.exceeded-account-trading-allowance", Some(Allowance::Trading)),
            ("error.public-api.exceeded-account-historical-data-allowance", Some(Allowance::History)),
            ("error.public-api.epic-not-found", None),
        ] {
            assert_eq!(Allowance::exceeded(code), want);
        }
    }
}
