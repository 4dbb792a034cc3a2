//! What clients ask of the streaming side: create, bind, control.

use std::time::{Duration, Instant};

use crate::domain::{Epic, UtcMicros};
use crate::sim::ig::world::World;

use super::SESSIONS_MAX;
use super::delta::argument;
use super::items::{Item, Mode, account_values};
use super::request::Parameters;
use super::session::{Session, Subscription};

/// Bytes of one request at most.
pub(super) const REQUEST_BYTES: usize = 50_000;
const KEEPALIVE_DEFAULT: u64 = 5_000;
const KEEPALIVE_BOUNDS: (u64, u64) = (500, 30_000);

/// A bind that was granted.
#[derive(Clone, Debug)]
pub(super) struct Granted {
    pub(super) session: String,
    pub(super) binding: u64,
    /// CONOK and what comes with it.
    pub(super) head: String,
}

/// A refusal on the level of the session, as its frame.
pub(super) fn conerr(code: i32, text: &str) -> String {
    format!("CONERR,{code},{}\r\n", argument(text))
}

/// A refusal of one request.
fn reqerr(id: &str, code: i32, text: &str) -> String {
    format!("REQERR,{id},{code},{}\r\n", argument(text))
}

impl World {
    /// Opens a stream session for whoever has tokens that live.
    pub(super) fn create_session(&mut self, parameters: &Parameters) -> Result<Granted, String> {
        if let Some(code) = self.faults.create_refusal() {
            return Err(conerr(code, "Refused"));
        }
        if self.now < self.maintenance_until {
            return Err(conerr(10, "New sessions blocked"));
        }
        match parameters.get("LS_adapter_set") {
            None | Some("" | "DEFAULT") => {}
            Some(_) => return Err(conerr(2, "Requested Adapter Set not available")),
        }
        let Some(account) = parameters.get("LS_password").and_then(|password| self.account_of(password)) else {
            return Err(conerr(1, "User/password check failed"));
        };
        if self.hub.sessions.len() >= SESSIONS_MAX {
            return Err(conerr(7, "Too many sessions"));
        }
        let keepalive = keepalive(parameters).unwrap_or(Duration::from_millis(KEEPALIVE_DEFAULT));
        let id = format!("S{:016x}", self.rng.next_u64());
        let mut session = Session::new(&account, keepalive, inactivity(parameters));
        session.bind(None);
        let binding = session.binding;
        let head = head(&id, &session, parameters);
        self.hub.sessions.insert(id.clone(), session);
        Ok(Granted { session: id, binding, head })
    }

    /// The account behind `CST-…|XST-…`.
    fn account_of(&mut self, password: &str) -> Option<String> {
        let (client, account) = password.split_once('|')?;
        let (client, account) = (client.strip_prefix("CST-")?, account.strip_prefix("XST-")?);
        let login = self.sessions.by_tokens(Some(client), Some(account), &self.delays, self.now);
        login.ok().map(|login| login.account)
    }

    /// Takes a session over, from where it stopped or from where the client stands.
    pub(super) fn bind_session(&mut self, parameters: &Parameters, own: Option<&str>) -> Result<Granted, String> {
        let id = parameters.get("LS_session").or(own).unwrap_or_default().to_owned();
        let recovery = match parameters.get("LS_recovery_from") {
            None => None,
            Some(text) => Some(text.parse::<u64>().map_err(|_| conerr(65, "Bad value of LS_recovery_from"))?),
        };
        if !self.hub.sessions.contains_key(&id) {
            return Err(conerr(20, "Session not found"));
        }
        if recovery.is_some() && self.faults.is_recovery_refused() {
            self.hub.forget(&id);
            return Err(conerr(4, "Recovery not possible"));
        }
        let Some(session) = self.hub.sessions.get_mut(&id) else { return Err(conerr(20, "Session not found")) };
        if let Some(end) = &session.end {
            let frame = end.frame();
            self.hub.forget(&id);
            return Err(frame);
        }
        let Some(from) = session.bind(recovery) else {
            self.hub.forget(&id);
            return Err(conerr(4, "Recovery not possible"));
        };
        if let Some(keepalive) = keepalive(parameters) {
            session.keepalive = keepalive;
        }
        if let Some(inactivity) = inactivity(parameters) {
            session.inactivity = Some(inactivity);
        }
        let binding = session.binding;
        let mut head = head(&id, session, parameters);
        if recovery.is_some() {
            head.push_str(&format!("PROG,{from}\r\n"));
        }
        Ok(Granted { session: id, binding, head })
    }

    /// Does one line of a control request. Returns the reply and whether the socket is to be closed.
    pub(super) fn control(&mut self, parameters: &Parameters, own: Option<&str>, is_http: bool) -> (String, bool) {
        let Some(id) = parameters.get("LS_reqId").filter(|id| !id.is_empty()) else {
            return ("ERROR,65,Missing LS_reqId\r\n".to_owned(), false);
        };
        let id = argument(id);
        let session = parameters.get("LS_session").or(own).unwrap_or_default().to_owned();
        let is_known = self.hub.sessions.get(&session).is_some_and(|session| session.end.is_none());
        if !is_known {
            return (reqerr(&id, 20, "Session not found"), false);
        }
        self.hear(&session);
        let is_quiet = parameters.get("LS_ack") == Some("false") && !is_http;
        let operation = parameters.get("LS_op");
        let done = match operation {
            Some("add") => self.subscribe(&session, parameters),
            Some("delete") => self.unsubscribe(&session, parameters),
            Some("reconf") => self.reconfigure(&session, parameters),
            Some("constrain") => self.constrain(&session, parameters),
            Some("force_rebind") => self.rebind(&session),
            Some("destroy") => self.destroy(&session, parameters),
            _ => Err((65, "Unknown LS_op".to_owned())),
        };
        match done {
            Ok(()) => {
                let is_suppressed = is_quiet && matches!(operation, Some("add" | "delete"));
                let reply = if is_suppressed { String::new() } else { format!("REQOK,{id}\r\n") };
                let is_ending = matches!(operation, Some("destroy" | "force_rebind"));
                (reply, is_ending && parameters.is_true("LS_close_socket"))
            }
            Err((code, text)) => (reqerr(&id, code, &text), false),
        }
    }

    /// The client of a session has been heard.
    pub(super) fn hear(&mut self, session: &str) {
        if let Some(session) = self.hub.sessions.get_mut(session) {
            session.heard = Instant::now();
        }
    }

    fn subscribe(&mut self, id: &str, parameters: &Parameters) -> Result<(), (i32, String)> {
        let fail = |code: i32, text: &str| Err((code, text.to_owned()));
        let Some(number) = parameters.number("LS_subId").and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0) else {
            return fail(65, "Bad or missing LS_subId");
        };
        let adapter = match parameters.get("LS_data_adapter") {
            None | Some("" | "DEFAULT") => "DEFAULT",
            Some("Pricing") => "Pricing",
            Some(_) => return fail(17, "Data Adapter not found"),
        };
        let words = |name: &str| -> Vec<String> {
            parameters
                .get(name)
                .unwrap_or_default()
                .split(' ')
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect()
        };
        let (names, fields) = (words("LS_group"), words("LS_schema"));
        if names.is_empty() {
            return fail(21, "Bad group name");
        }
        if fields.is_empty() {
            return fail(23, "Bad schema name");
        }
        if parameters.get("LS_selector").is_some_and(|selector| !selector.is_empty()) {
            return fail(25, "Bad selector name");
        }
        let mode = match parameters.get("LS_mode") {
            Some("MERGE") => Mode::Merge,
            Some("DISTINCT") => Mode::Distinct,
            Some("RAW" | "COMMAND") => return fail(24, "Mode not allowed for these items"),
            _ => return fail(65, "Bad or missing LS_mode"),
        };
        let snapshot = match parameters.get("LS_snapshot") {
            None | Some("false") => false,
            Some("true") => true,
            Some(n) if mode == Mode::Distinct && n.parse::<u32>().is_ok() => true,
            Some(_) => return fail(65, "Bad value of LS_snapshot"),
        };
        let pause = frequency(parameters.get("LS_requested_max_frequency")).map_err(|text| (65, text.to_owned()))?;
        let items = self.items(id, &names, adapter)?;
        if items.iter().any(|item| item.mode() != mode) {
            return fail(24, "Mode not allowed for these items");
        }
        let most = self.limits.subscriptions;
        let Some(session) = self.hub.sessions.get_mut(id) else { return fail(20, "Session not found") };
        if session.subscriptions.contains_key(&number) {
            return fail(65, "LS_subId already in use");
        }
        if session.subscriptions.len() >= most {
            return fail(-2, &format!("Subscription limit of {most} exceeded"));
        }
        let subscription = Subscription::new(items.clone(), fields.clone(), mode, pause);
        session.subscriptions.insert(number, subscription);
        session.push(format!("SUBOK,{number},{},{}", items.len(), fields.len()));
        let granted = pause.map_or_else(|| "unlimited".to_owned(), |pause| format!("{:.1}", 1.0 / pause.as_secs_f64()));
        session.push(format!("CONF,{number},{granted},filtered"));
        for (at, item) in items.iter().enumerate() {
            self.hub.listen(item, (id.to_owned(), number, at));
            if snapshot {
                self.snapshot(id, number, at, item, &fields);
            }
        }
        Ok(())
    }

    /// The items of a group, each one known and of the session's account.
    fn items(&self, id: &str, names: &[String], adapter: &str) -> Result<Vec<Item>, (i32, String)> {
        let account = self.hub.sessions.get(id).map(|session| session.account.clone()).unwrap_or_default();
        let mut items: Vec<Item> = Vec::with_capacity(names.len());
        for name in names {
            let bad = || (21, format!("Bad item {name}"));
            let item = Item::parse(name).ok_or_else(bad)?;
            if item.account().is_some_and(|of| of != account) {
                return Err((-1, "Invalid account type".to_owned()));
            }
            if item.epic().is_some_and(|epic| !self.boards.contains_key(&Epic::from(epic))) || item.adapter() != adapter
            {
                return Err(bad());
            }
            if items.first().is_some_and(|first| first.kind() != item.kind()) {
                return Err((21, "Items of several kinds in one group".to_owned()));
            }
            items.push(item);
        }
        Ok(items)
    }

    /// What a new subscription is told first.
    fn snapshot(&mut self, id: &str, number: u32, at: usize, item: &Item, fields: &[String]) {
        let now: UtcMicros = self.now;
        let is_mute = matches!(item, Item::Market { .. }) && self.hub.is_market_mute;
        let values = match item {
            _ if is_mute => None,
            Item::Account { account } => {
                self.accounts.get(account).map(|owner| account_values(fields, &owner.sums(&self.boards)))
            }
            Item::Trade { .. } | Item::Tick { .. } => None,
            Item::Candle { epic, scale } => {
                let board = self.boards.get(&Epic::from(epic.as_str()));
                board
                    .filter(|board| board.candles[*scale].candle.is_some())
                    .map(|board| item.values(fields, board, now))
            }
            Item::Price { epic, .. } | Item::Market { epic } => {
                self.boards.get(&Epic::from(epic.as_str())).map(|board| item.values(fields, board, now))
            }
        };
        let Some(session) = self.hub.sessions.get_mut(id) else { return };
        if let Some(values) = values {
            session.update(number, at, values, Instant::now());
        }
        if item.mode() == Mode::Distinct {
            session.push(format!("EOS,{number},{}", at + 1));
        }
    }

    fn unsubscribe(&mut self, id: &str, parameters: &Parameters) -> Result<(), (i32, String)> {
        let number = subscription_number(parameters)?;
        let session = self.hub.sessions.get_mut(id).ok_or((20, "Session not found".to_owned()))?;
        if session.subscriptions.remove(&number).is_none() {
            return Err((19, "Subscription not found".to_owned()));
        }
        session.push(format!("UNSUB,{number}"));
        self.hub.unlisten(|place| place.0 == id && place.1 == number);
        Ok(())
    }

    fn reconfigure(&mut self, id: &str, parameters: &Parameters) -> Result<(), (i32, String)> {
        let number = subscription_number(parameters)?;
        let pause = frequency(parameters.get("LS_requested_max_frequency")).map_err(|text| (65, text.to_owned()))?;
        let session = self.hub.sessions.get_mut(id).ok_or((20, "Session not found".to_owned()))?;
        let subscription = session.subscriptions.get_mut(&number).ok_or((19, "Subscription not found".to_owned()))?;
        subscription.pause = pause;
        let granted = pause.map_or_else(|| "unlimited".to_owned(), |pause| format!("{:.1}", 1.0 / pause.as_secs_f64()));
        session.push(format!("CONF,{number},{granted},filtered"));
        Ok(())
    }

    fn constrain(&mut self, id: &str, parameters: &Parameters) -> Result<(), (i32, String)> {
        let wanted = parameters.get("LS_requested_max_bandwidth").unwrap_or("unlimited");
        if wanted != "unlimited" && !wanted.parse::<f64>().is_ok_and(|kilobits| kilobits > 0.0) {
            return Err((65, "Bad value of LS_requested_max_bandwidth".to_owned()));
        }
        // The bandwidth of a loopback is not rationed: the wish is granted as no limit.
        let session = self.hub.sessions.get_mut(id).ok_or((20, "Session not found".to_owned()))?;
        session.notice("CONS,unlimited");
        Ok(())
    }

    fn rebind(&mut self, id: &str) -> Result<(), (i32, String)> {
        let session = self.hub.sessions.get_mut(id).ok_or((20, "Session not found".to_owned()))?;
        if session.unbound.is_none() {
            session.is_looping = true;
            session.bell.notify_one();
        }
        Ok(())
    }

    fn destroy(&mut self, id: &str, parameters: &Parameters) -> Result<(), (i32, String)> {
        let code = match parameters.get("LS_cause_code").map(str::parse::<i32>) {
            None => 31,
            Some(Ok(code)) if code <= 0 => code,
            Some(_) => return Err((65, "Bad value of LS_cause_code".to_owned())),
        };
        let text = if code == 31 { "Destroy invoked by client" } else { "" };
        self.hub.end(id, code, parameters.get("LS_cause_message").unwrap_or(text));
        Ok(())
    }
}

fn subscription_number(parameters: &Parameters) -> Result<u32, (i32, String)> {
    let number = parameters.number("LS_subId").and_then(|number| u32::try_from(number).ok());
    number.ok_or((65, "Bad or missing LS_subId".to_owned()))
}

/// The pause between updates that a frequency means; none where it is unlimited.
fn frequency(text: Option<&str>) -> Result<Option<Duration>, &'static str> {
    match text {
        None | Some("" | "unlimited" | "unfiltered") => Ok(None),
        Some(text) => match text.parse::<f64>() {
            Ok(rate) if rate.is_finite() && rate >= 0.001 => Ok(Some(Duration::from_secs_f64(1.0 / rate))),
            _ => Err("Bad value of LS_requested_max_frequency"),
        },
    }
}

fn keepalive(parameters: &Parameters) -> Option<Duration> {
    let millis = parameters.number("LS_keepalive_millis")?;
    Some(Duration::from_millis(millis.clamp(KEEPALIVE_BOUNDS.0, KEEPALIVE_BOUNDS.1)))
}

fn inactivity(parameters: &Parameters) -> Option<Duration> {
    parameters.number("LS_inactivity_millis").filter(|millis| *millis > 0).map(Duration::from_millis)
}

/// CONOK, and the notices unless they are not wanted.
fn head(id: &str, session: &Session, parameters: &Parameters) -> String {
    let mut head = format!("CONOK,{id},{REQUEST_BYTES},{},*\r\n", session.keepalive.as_millis());
    if !parameters.is_true("LS_reduce_head") {
        head.push_str("SERVNAME,Lightstreamer HTTP Server\r\nCLIENTIP,127.0.0.1\r\nCONS,unlimited\r\n");
    }
    head
}
