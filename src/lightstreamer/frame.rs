//! The lines of TLCP: server lines to [`Frame`]s, our requests to text.
//!
//! A server line is a tag and its arguments, separated by commas; arguments are percent-encoded where they hold one.
//! Tags that we do not know are told as such and ignored by the session; a known tag with wrong arguments is an error,
//! since the session can then no longer tell what it missed.
//! Source: TLCP specification 2.5.0, Lightstreamer.

use std::fmt::Write;

/// Texts that a server sends for people are cut after so many bytes.
const TEXT_BYTES_MAX: usize = 500;

/// One line of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A session was made, or bound again.
    ConOk {
        /// Its name.
        session: &'a str,
        /// The longest request that the server reads, in bytes.
        request_limit: u64,
        /// The longest silence of the server, in milliseconds.
        keepalive_millis: u64,
        /// Where this session's requests go, if not where it was made.
        control_link: Option<&'a str>,
    },
    /// No session.
    ConErr(Fault),
    /// The session is over.
    End(Fault),
    /// Bind again; the delay counts for polling only.
    Loop {
        /// In milliseconds.
        delay_millis: u64,
    },
    /// A keepalive.
    Probe,
    /// Seconds since the bind.
    Sync(u64),
    /// After a recovery: how many notifications lie before the next one.
    Prog(u64),
    /// A notice that asks for nothing: the server's name, our address, the bandwidth, filling.
    Notice,
    /// A subscription is active.
    SubOk {
        /// Our number of it.
        sub: u64,
        /// How many items.
        items: u64,
        /// How many fields.
        fields: u64,
    },
    /// The frequency that was granted.
    Conf {
        /// The subscription.
        sub: u64,
    },
    /// Values of one item.
    Update {
        /// The subscription.
        sub: u64,
        /// The item, from 1.
        item: u64,
        /// As they came: see [`super::values`].
        values: &'a str,
    },
    /// The snapshot of an item is complete.
    SnapshotEnd {
        /// The subscription.
        sub: u64,
        /// The item, from 1.
        item: u64,
    },
    /// The item begins anew.
    Cleared {
        /// The subscription.
        sub: u64,
        /// The item, from 1.
        item: u64,
    },
    /// Updates were thrown away by the server.
    Lost {
        /// The subscription.
        sub: u64,
        /// The item, from 1.
        item: u64,
        /// How many.
        count: u64,
    },
    /// A subscription is gone.
    Unsubscribed {
        /// The subscription.
        sub: u64,
    },
    /// A request was taken.
    ReqOk {
        /// Its number.
        request: u64,
    },
    /// A request was refused.
    ReqErr {
        /// Its number.
        request: u64,
        /// Why.
        fault: Fault,
    },
    /// A request was refused whose number could not be read.
    Error(Fault),
    /// The socket speaks TLCP.
    WsOk,
    /// What became of a message; it counts among the notifications.
    Message,
    /// A tag of a later protocol.
    Unknown,
}

/// A code and a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text} (code {code})")]
pub struct Fault {
    /// See the specification; zero and below are the application's.
    pub code: i64,
    /// For people.
    pub text: String,
}

/// A line of a known tag that does not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {line:?}")]
pub struct BadFrame {
    /// What is wrong.
    pub what: &'static str,
    /// The line, cut.
    pub line: String,
}

impl BadFrame {
    pub(super) fn new(what: &'static str, line: &str) -> Self {
        Self { what, line: cut(line, 200).to_owned() }
    }
}

impl<'a> Frame<'a> {
    /// Reads one line, without its CRLF.
    ///
    /// # Errors
    /// [`BadFrame`] where a known tag has too few arguments or no numbers where numbers belong.
    pub fn parse(line: &'a str) -> Result<Self, BadFrame> {
        let (tag, rest) = line.split_once(',').map_or((line, None), |(tag, rest)| (tag, Some(rest)));
        let mut arguments = Arguments { line, rest };
        Ok(match tag {
            "U" => Self::Update { sub: arguments.number()?, item: arguments.number()?, values: arguments.remainder()? },
            "PROBE" => Self::Probe,
            "SYNC" => Self::Sync(arguments.number()?),
            "CONOK" => Self::ConOk {
                session: arguments.text()?,
                request_limit: arguments.number()?,
                keepalive_millis: arguments.number()?,
                control_link: Some(arguments.text()?).filter(|link| *link != "*"),
            },
            "CONERR" => Self::ConErr(arguments.fault()?),
            "END" => Self::End(arguments.fault()?),
            "LOOP" => Self::Loop { delay_millis: arguments.number()? },
            "PROG" => Self::Prog(arguments.number()?),
            "SERVNAME" | "CLIENTIP" | "CONS" | "NOOP" => Self::Notice,
            "SUBOK" | "SUBCMD" => {
                Self::SubOk { sub: arguments.number()?, items: arguments.number()?, fields: arguments.number()? }
            }
            "CONF" => Self::Conf { sub: arguments.number()? },
            "EOS" => Self::SnapshotEnd { sub: arguments.number()?, item: arguments.number()? },
            "CS" => Self::Cleared { sub: arguments.number()?, item: arguments.number()? },
            "OV" => Self::Lost { sub: arguments.number()?, item: arguments.number()?, count: arguments.number()? },
            "UNSUB" => Self::Unsubscribed { sub: arguments.number()? },
            "REQOK" => match rest {
                // The answer to a heartbeat has no number.
                None => Self::Notice,
                Some(_) => Self::ReqOk { request: arguments.number()? },
            },
            "REQERR" => Self::ReqErr { request: arguments.number()?, fault: arguments.fault()? },
            "ERROR" => Self::Error(arguments.fault()?),
            "WSOK" => Self::WsOk,
            "MSGDONE" | "MSGFAIL" => Self::Message,
            _ => Self::Unknown,
        })
    }

    /// Whether it is one of the notifications that recovery counts.
    #[must_use]
    pub fn is_counted(&self) -> bool {
        matches!(
            self,
            Self::Update { .. }
                | Self::SubOk { .. }
                | Self::Conf { .. }
                | Self::SnapshotEnd { .. }
                | Self::Cleared { .. }
                | Self::Lost { .. }
                | Self::Unsubscribed { .. }
                | Self::Message
        )
    }
}

struct Arguments<'a> {
    line: &'a str,
    rest: Option<&'a str>,
}

impl<'a> Arguments<'a> {
    fn text(&mut self) -> Result<&'a str, BadFrame> {
        let rest = self.rest.ok_or_else(|| BadFrame::new("too few arguments", self.line))?;
        let (argument, after) = rest.split_once(',').map_or((rest, None), |(argument, after)| (argument, Some(after)));
        self.rest = after;
        Ok(argument)
    }

    fn number(&mut self) -> Result<u64, BadFrame> {
        let text = self.text()?;
        let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|_| is_plain).ok_or_else(|| BadFrame::new("not a number", self.line))
    }

    fn remainder(&mut self) -> Result<&'a str, BadFrame> {
        self.rest.take().ok_or_else(|| BadFrame::new("too few arguments", self.line))
    }

    fn fault(&mut self) -> Result<Fault, BadFrame> {
        let code = self.text()?.parse().map_err(|_| BadFrame::new("not a code", self.line))?;
        let text = self.rest.take().unwrap_or_default();
        let text = percent_decode(text).unwrap_or_else(|| text.to_owned());
        Ok(Fault { code, text: cut(&text, TEXT_BYTES_MAX).to_owned() })
    }
}

/// At most so many bytes of `text`, ending at a character.
fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

/// Undoes percent-encoding; `None` where an escape is none, or the bytes are no UTF-8.
#[must_use]
pub fn percent_decode(text: &str) -> Option<String> {
    if !text.contains('%') {
        return Some(text.to_owned());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        let [high, low] = [digits[0], digits[1]].map(|digit| char::from(digit).to_digit(16));
        bytes.push(u8::try_from(high? << 4 | low?).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

/// Percent-encodes what a parameter may not hold as it is; a space becomes `%20`.
pub fn percent_encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("writing into a string cannot fail");
        }
    }
}

/// The parameter line of a request: `a=b&c=d`, encoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters(String);

impl Parameters {
    /// Adds `name=value`.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl AsRef<str>) -> Self {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        self.0.push_str(name);
        self.0.push('=');
        percent_encode(value.as_ref(), &mut self.0);
        self
    }

    /// Adds `name=value` for a number.
    #[must_use]
    pub fn with_number(self, name: &str, value: u64) -> Self {
        self.with(name, value.to_string())
    }

    /// The line.
    #[must_use]
    pub fn line(&self) -> &str {
        &self.0
    }
}

/// A whole request of one parameter line.
#[must_use]
pub fn request(name: &str, parameters: &Parameters) -> String {
    format!("{name}\r\n{}", parameters.line())
}

/// Says that we are alive; its parameter line is empty.
pub const HEARTBEAT: &str = "heartbeat\r\n\r\n";

/// Asks whether the socket speaks TLCP; it has no parameter line.
pub const WSOK: &str = "wsok";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_frame_of_the_specification_reads() {
        let fault = |code, text: &str| Fault { code, text: text.to_owned() };
        for (line, want) in [
            (
                "CONOK,S73d162c183916f0dT2729905,50000,5000,*",
                Frame::ConOk {
                    session: "S73d162c183916f0dT2729905",
                    request_limit: 50_000,
                    keepalive_millis: 5_000,
                    control_link: None,
                },
            ),
            (
                "CONOK,S1,50000,5000,push2.example.com",
                Frame::ConOk {
                    session: "S1",
                    request_limit: 50_000,
                    keepalive_millis: 5_000,
                    control_link: Some("push2.example.com"),
                },
            ),
            ("SUBOK,3,1,10", Frame::SubOk { sub: 3, items: 1, fields: 10 }),
            ("SUBCMD,3,1,10,1,2", Frame::SubOk { sub: 3, items: 1, fields: 10 }),
            ("CONF,3,unlimited,filtered", Frame::Conf { sub: 3 }),
            ("CONF,3,3.0,filtered", Frame::Conf { sub: 3 }),
            ("U,3,1,20:00:33|3.04|a,b|#|$", Frame::Update { sub: 3, item: 1, values: "20:00:33|3.04|a,b|#|$" }),
            ("U,3,1,", Frame::Update { sub: 3, item: 1, values: "" }),
            ("EOS,3,1", Frame::SnapshotEnd { sub: 3, item: 1 }),
            ("CS,3,1", Frame::Cleared { sub: 3, item: 1 }),
            ("OV,3,1,5", Frame::Lost { sub: 3, item: 1, count: 5 }),
            ("UNSUB,3", Frame::Unsubscribed { sub: 3 }),
            ("CONS,50", Frame::Notice),
            ("SERVNAME,Lightstreamer HTTP Server", Frame::Notice),
            ("CLIENTIP,127.0.0.1", Frame::Notice),
            ("NOOP,sending filler", Frame::Notice),
            ("PROBE", Frame::Probe),
            ("SYNC,120", Frame::Sync(120)),
            ("PROG,24576", Frame::Prog(24_576)),
            ("LOOP,0", Frame::Loop { delay_millis: 0 }),
            ("END,31,Destroy invoked by client", Frame::End(fault(31, "Destroy invoked by client"))),
            ("END,48", Frame::End(fault(48, ""))),
            ("REQOK,4", Frame::ReqOk { request: 4 }),
            ("REQOK", Frame::Notice),
            ("REQERR,4,21,no%2C not this", Frame::ReqErr { request: 4, fault: fault(21, "no, not this") }),
            ("ERROR,67,text", Frame::Error(fault(67, "text"))),
            ("CONERR,1,text", Frame::ConErr(fault(1, "text"))),
            ("CONERR,-1,Invalid account type", Frame::ConErr(fault(-1, "Invalid account type"))),
            ("WSOK", Frame::WsOk),
            ("MSGDONE,seq,1,", Frame::Message),
            ("MSGFAIL,seq,1,33,late", Frame::Message),
            ("TOMORROW,1,2", Frame::Unknown),
            ("", Frame::Unknown),
        ] {
            assert_eq!(Frame::parse(line), Ok(want), "{line}");
        }
    }

    #[test]
    fn a_known_tag_with_wrong_arguments_is_told() {
        for line in ["U,1,1", "U,x,1,a", "U,+1,1,a", "U,1,,a", "PROG,", "PROG", "CONOK,S1,5,5", "END,", "CONERR,a,b"] {
            assert!(Frame::parse(line).is_err(), "{line}");
        }
        let long = format!("PROG,{}", "é".repeat(1_000));
        assert!(Frame::parse(&long).unwrap_err().to_string().len() < 300, "what is told of a bad line is short");
    }

    #[test]
    fn the_notifications_that_recovery_counts_are_those_of_the_specification() {
        for (line, counted) in [
            ("U,1,1,a", true),
            ("SUBOK,1,1,1", true),
            ("SUBCMD,1,1,1,1,2", true),
            ("UNSUB,1", true),
            ("EOS,1,1", true),
            ("CS,1,1", true),
            ("OV,1,1,1", true),
            ("CONF,1,unlimited,filtered", true),
            ("MSGDONE,a,1,", true),
            ("MSGFAIL,a,1,3,b", true),
            ("REQOK,1", false),
            ("REQERR,1,1,a", false),
            ("PROBE", false),
            ("SYNC,1", false),
            ("CONS,1", false),
            ("LOOP,0", false),
            ("PROG,1", false),
            ("NEW,1", false),
        ] {
            assert_eq!(Frame::parse(line).unwrap().is_counted(), counted, "{line}");
        }
    }

    #[test]
    fn requests_are_written_as_observed_clients_write_them() {
        let add = Parameters::default()
            .with_number("LS_reqId", 1)
            .with("LS_op", "add")
            .with("LS_group", "MARKET:IX.D.FTSE.DAILY.IP MARKET:CS.D.GBPUSD.TODAY.IP")
            .with("LS_snapshot", "true");
        assert_eq!(
            request("control", &add),
            "control\r\nLS_reqId=1&LS_op=add&LS_group=MARKET%3AIX.D.FTSE.DAILY.IP%20MARKET%3ACS.D.GBPUSD.TODAY.IP\
             &LS_snapshot=true"
        );
        assert_eq!(Parameters::default().with("LS_password", "CST-a|XST-b").line(), "LS_password=CST-a%7CXST-b");
    }

    #[test]
    fn escapes_that_are_none_are_not_decoded() {
        for bad in ["%", "%2", "%zz", "%+1", "%ff", "a%C3"] {
            assert_eq!(percent_decode(bad), None, "{bad}");
        }
        assert_eq!(percent_decode("%C3%a9%7C%25").as_deref(), Some("é|%"));
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself(text in ".*") {
            let mut encoded = String::new();
            percent_encode(&text, &mut encoded);
            prop_assert!(encoded.bytes().all(|byte| byte.is_ascii_graphic() && !b"&=+,|".contains(&byte)));
            prop_assert_eq!(percent_decode(&encoded), Some(text));
        }

        #[test]
        fn no_line_panics(line in ".*", tag in "U|CONOK|SUBOK|END|REQERR|OV|CONERR|PROG") {
            Frame::parse(&line).ok();
            Frame::parse(&format!("{tag},{line}")).ok();
        }
    }
}
