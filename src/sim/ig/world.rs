//! The venue: markets, accounts, sessions, streams, and the order in which things happen to them.
//!
//! Everything here is plain state that is told the time. What happens is a function of the seed, of the times that it is
//! told, and of the requests between them.

use std::collections::BTreeMap;

use serde_json::json;
use tokio::sync::watch;

use crate::domain::{CloseReason, Direction, Epic, Micros, Price, Size, Tick, UtcMicros, next_funding};
use crate::sim::rng::Rng;

use super::accounts::{Account, Position};
use super::allowances::Allowances;
use super::board::{Board, CANDLES, Status};
use super::clock::VenueClock;
use super::config::{Config, Delays, Limits};
use super::dealing::{Asked, Update};
use super::faults::{Fault, Faults, Kind, decimal};
use super::history::Candle;
use super::requests::RequestLog;
use super::sessions::Sessions;
use super::stream::Hub;
use super::watchlists::Watchlists;

/// The sums of an account are told at most this often while only prices move.
const ACCOUNT_PAUSE: i64 = 1_000_000;

/// Tells transports to let go of their sockets.
#[derive(Debug)]
pub(super) struct Cutter {
    /// Streams.
    pub(super) streams: watch::Sender<u64>,
    /// Streams and everything else.
    pub(super) all: watch::Sender<u64>,
}

/// The venue.
#[derive(Debug)]
pub(super) struct World {
    pub(super) username: String,
    pub(super) password: String,
    /// Keys and whether they are enabled.
    pub(super) keys: BTreeMap<String, bool>,
    pub(super) limits: Limits,
    pub(super) delays: Delays,
    pub(super) seed: u64,
    /// Where streams connect, as logins answer it.
    pub(super) endpoint: String,
    pub(super) clock: VenueClock,
    /// The time that everything is worked off to.
    pub(super) now: UtcMicros,
    pub(super) boards: BTreeMap<Epic, Board>,
    /// The order in which markets were declared, in which searches list them.
    pub(super) epics: Vec<Epic>,
    pub(super) accounts: BTreeMap<String, Account>,
    pub(super) sessions: Sessions,
    pub(super) allowances: Allowances,
    pub(super) faults: Faults,
    pub(super) requests: RequestLog,
    pub(super) hub: Hub,
    pub(super) watchlists: Watchlists,
    pub(super) cutter: Cutter,
    pub(super) maintenance_until: UtcMicros,
    pub(super) rng: Rng,
    /// What is told on streams later, by time and order.
    later: BTreeMap<(UtcMicros, u64), (String, Update)>,
    serial: u64,
    /// When the sums of an account were told last.
    told: BTreeMap<String, UtcMicros>,
}

impl World {
    /// The venue at its start.
    pub(super) fn new(config: Config, endpoint: String) -> Self {
        let clock = VenueClock::new(config.pace);
        let now = clock.now();
        let epics: Vec<Epic> = config.markets.iter().map(|quoted| quoted.listing.epic.clone()).collect();
        let boards: BTreeMap<Epic, Board> = config
            .markets
            .into_iter()
            .map(|quoted| {
                let epic = quoted.listing.epic.clone();
                (epic, Board::new(quoted.listing, quoted.prices, config.seed, now))
            })
            .collect();
        Self {
            username: config.username,
            password: config.password,
            keys: config.api_keys.into_iter().map(|key| (key, true)).collect(),
            limits: config.limits,
            delays: config.delays,
            seed: config.seed,
            endpoint,
            clock,
            now,
            watchlists: Watchlists::new(&epics),
            boards,
            epics,
            accounts: config.accounts.into_iter().map(|spec| (spec.id.clone(), Account::new(spec))).collect(),
            sessions: Sessions::new(config.seed),
            allowances: Allowances::default(),
            faults: Faults::new(config.seed),
            requests: RequestLog::default(),
            hub: Hub::new(config.is_market_mute),
            cutter: Cutter { streams: watch::Sender::new(0), all: watch::Sender::new(0) },
            maintenance_until: UtcMicros(i64::MIN),
            rng: Rng::new(config.seed, "venue"),
            later: BTreeMap::new(),
            serial: 0,
            told: BTreeMap::new(),
        }
    }

    /// The preferred account.
    ///
    /// # Panics
    /// Without one, which the configuration rules out.
    pub(super) fn preferred(&self) -> String {
        let preferred = self.accounts.values().find(|account| account.spec.is_preferred);
        preferred.expect("one account is preferred").spec.id.clone()
    }

    /// Works off everything that is due by the clock.
    pub(super) fn sync(&mut self) {
        let now = self.clock.now();
        self.advance(now);
    }

    /// Works off everything that is due until `to`, in order of time.
    ///
    /// At one time: faults, ends of candles, quotes by epic, nights, lapses of orders, what is told later.
    pub(super) fn advance(&mut self, to: UtcMicros) {
        while let Some(at) = self.next_due().filter(|at| *at <= to) {
            self.now = self.now.max(at);
            self.work();
        }
        self.now = self.now.max(to);
        self.show_statuses();
    }

    /// When something is due next.
    pub(super) fn next_due(&self) -> Option<UtcMicros> {
        let quotes = self.boards.values().filter_map(Board::peek);
        let candles = self.boards.values().flat_map(|board| (0..CANDLES.len()).filter_map(|at| board.candle_end(at)));
        let later = self.later.keys().next().map(|(at, _)| *at);
        let rest = [later, self.faults.next_due(), self.next_lapse(), self.next_night()];
        quotes.chain(candles).chain(rest.into_iter().flatten()).min()
    }

    /// Works off what is due at the present time.
    fn work(&mut self) {
        let now = self.now;
        for kind in self.faults.take_due(now) {
            self.happen(&kind);
        }
        self.finish_candles(now);
        let due: Vec<Epic> = self
            .boards
            .iter()
            .filter(|(_, board)| board.peek().is_some_and(|at| at <= now))
            .map(|(epic, _)| epic.clone())
            .collect();
        for epic in due {
            while let Some(tick) = self.due_quote(&epic, now) {
                self.on_quote(&epic, &tick);
            }
        }
        if self.next_night().is_some_and(|at| at <= now) {
            self.charge_nights(now);
        }
        if self.next_lapse().is_some_and(|at| at <= now) {
            self.lapse_orders(now);
        }
        while let Some(entry) = self.later.first_entry().filter(|entry| entry.key().0 <= now) {
            let (account, update) = entry.remove();
            self.hub.on_trade(&account, &update);
        }
    }

    fn due_quote(&mut self, epic: &Epic, now: UtcMicros) -> Option<Tick> {
        let board = self.boards.get_mut(epic)?;
        if board.peek()? <= now { board.take() } else { None }
    }

    fn finish_candles(&mut self, now: UtcMicros) {
        for board in self.boards.values_mut() {
            for at in 0..CANDLES.len() {
                if board.candle_end(at).is_some_and(|end| end <= now) {
                    if let Some((_, is_done)) = &mut board.candles[at].candle {
                        *is_done = true;
                    }
                    self.hub.on_candle(board, at, now);
                }
            }
        }
    }

    /// A quote: the market moves, deals are triggered, streams are told.
    pub(super) fn on_quote(&mut self, epic: &Epic, tick: &Tick) {
        let now = self.now;
        let is_offline = now < self.maintenance_until;
        let Some(board) = self.boards.get_mut(epic) else { return };
        board.on_quote(tick);
        for (at, (_, length)) in CANDLES.iter().enumerate() {
            let start = UtcMicros(tick.time.0.div_euclid(*length) * length);
            match &mut board.candles[at].candle {
                Some((candle, false)) if candle.start == start => candle.add(tick),
                slot => *slot = Some((Candle::of(start, tick), false)),
            }
        }
        board.shown = board.status(now);
        let is_dealt = board.shown == Status::Tradeable && !is_offline;
        self.hub.on_quote(board, now);
        if is_dealt {
            self.trigger(epic, tick);
        }
        self.tell_accounts(epic);
    }

    /// Tells the sums of accounts that hold something on a market, not too often.
    fn tell_accounts(&mut self, epic: &Epic) {
        let now = self.now;
        let moved: Vec<String> = self
            .accounts
            .values()
            .filter(|owner| owner.positions.iter().any(|position| position.epic == *epic))
            .map(|owner| owner.spec.id.clone())
            .collect();
        for account in moved {
            if self.told.get(&account).is_none_or(|at| now.0 - at.0 >= ACCOUNT_PAUSE) {
                self.publish_account(&account);
            }
        }
    }

    /// Tells the sums of an account.
    pub(super) fn publish_account(&mut self, account: &str) {
        if !self.hub.has_account(account) {
            return;
        }
        let Some(owner) = self.accounts.get(account) else { return };
        let sums = owner.sums(&self.boards);
        self.hub.on_account(account, &sums);
        self.told.insert(account.to_owned(), self.now);
    }

    /// Tells an account something at a time to come.
    pub(super) fn tell_later(&mut self, at: UtcMicros, account: &str, update: Update) {
        self.serial += 1;
        self.later.insert((at, self.serial), (account.to_owned(), update));
    }

    /// Tells streams of statuses that have changed without a quote.
    fn show_statuses(&mut self) {
        let now = self.now;
        for board in self.boards.values_mut() {
            let status = board.status(now);
            if status != board.shown {
                board.shown = status;
                self.hub.on_status(board, now);
            }
        }
    }

    /// A quote from outside, at the present time.
    pub(super) fn quote(&mut self, epic: &Epic, bid: Price, offer: Price) -> Result<(), String> {
        if bid > offer || bid.micros() <= 0 {
            return Err(format!("{bid} and {offer} are no quote"));
        }
        let now = self.now;
        let board = self.boards.get_mut(epic).ok_or_else(|| format!("no market {epic}"))?;
        let tick = Tick { time: now.max(board.last.time), bid, offer };
        board.note(tick);
        self.on_quote(epic, &tick);
        Ok(())
    }

    /// Whether a fault names markets and accounts that are there.
    pub(super) fn fits(&self, fault: &Fault) -> Result<(), String> {
        let market = |epic: &str| {
            if self.board(epic).is_some() { Ok(()) } else { Err(format!("no market {epic}")) }
        };
        match &fault.kind {
            Kind::Mute { epic: Some(epic), .. } | Kind::Jump { epic, .. } => market(epic),
            Kind::MarketStatus { epic, status, .. } => {
                market(epic)?;
                if Status::named(status).is_some() { Ok(()) } else { Err(format!("no status {status}")) }
            }
            Kind::PositionAppears { epic, account, direction, .. } => {
                market(epic)?;
                if !matches!(direction.as_str(), "BUY" | "SELL") {
                    return Err(format!("{direction} is neither BUY nor SELL"));
                }
                match account {
                    Some(account) if !self.accounts.contains_key(account) => Err(format!("no account {account}")),
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// Something that happens by itself.
    pub(super) fn happen(&mut self, kind: &Kind) {
        let now = self.now;
        match kind {
            Kind::Stall { length } => self.hub.stalled_until = now + length.0,
            Kind::Mute { epic, length } => self.hub.mute(epic.as_deref(), now + length.0),
            Kind::Maintenance { length } => self.maintain(length.0),
            Kind::MarketStatus { epic, status, length } => {
                let board = self.boards.get_mut(&Epic::from(epic.as_str()));
                if let (Some(board), Some(status)) = (board, Status::named(status)) {
                    board.force(status, now + length.0);
                }
            }
            Kind::Jump { epic, points } => self.jump(&Epic::from(epic.as_str()), *points),
            Kind::CutSockets { all } => {
                let sender = if *all { &self.cutter.all } else { &self.cutter.streams };
                sender.send_modify(|count| *count += 1);
            }
            Kind::ExpireTokens => self.sessions.expire_all(),
            Kind::ForgetSessions => self.hub.forget_all(),
            Kind::End { code, text } => self.hub.end_all(*code, text),
            Kind::Loop => self.hub.loop_all(),
            Kind::BadFrame { frame } => self.hub.notice_all(frame),
            Kind::PositionAppears { .. } => self.appear(kind),
            Kind::PositionCloses { deal_id, size } => {
                if let Some((account, position)) = self.found(deal_id.as_deref()) {
                    let size = size.map_or(position.size, |size| Size::from_micros(decimal(size).0)).min(position.size);
                    let Some(board) = self.boards.get(&position.epic) else { return };
                    let level = board.closing(position.direction);
                    self.exit(&account, &position.deal_id, size, level, CloseReason::Time);
                }
            }
            Kind::PositionVanishes { deal_id } => {
                if let Some((account, position)) = self.found(deal_id.as_deref())
                    && let Some(owner) = self.accounts.get_mut(&account)
                {
                    owner.positions.retain(|held| held.deal_id != position.deal_id);
                }
            }
            Kind::PositionChanges { deal_id, size, drop_stop, drop_limit } => {
                if let Some((account, position)) = self.found(deal_id.as_deref())
                    && let Some(owner) = self.accounts.get_mut(&account)
                    && let Some(held) = owner.positions.iter_mut().find(|held| held.deal_id == position.deal_id)
                {
                    held.size = size.map_or(held.size, |size| Size::from_micros(decimal(size).0));
                    held.stop = held.stop.filter(|_| !drop_stop);
                    held.limit = held.limit.filter(|_| !drop_limit);
                }
            }
            // The others wait for what they spoil.
            _ => {}
        }
    }

    /// Tokens and streams end, markets are offline.
    fn maintain(&mut self, length: Micros) {
        self.maintenance_until = self.now + length;
        self.sessions.expire_all();
        self.hub.end_all(48, "Maintenance");
        for board in self.boards.values_mut() {
            board.force(Status::Offline, self.maintenance_until);
        }
    }

    /// Every price of a market moves, and the first of the moved ones is quoted at once.
    fn jump(&mut self, epic: &Epic, points: f64) {
        let now = self.now;
        let Some(board) = self.boards.get_mut(epic) else { return };
        let by = super::dealing::distance(board, decimal(points));
        board.jump(by);
        let tick = Tick { time: now.max(board.last.time), bid: board.last.bid + by, offer: board.last.offer + by };
        board.note(tick);
        self.on_quote(epic, &tick);
    }

    /// The position of that deal id or reference, or the first one there is.
    fn found(&self, deal_id: Option<&str>) -> Option<(String, Position)> {
        let all = self
            .accounts
            .iter()
            .flat_map(|(account, owner)| owner.positions.iter().map(move |position| (account, position)));
        let is_meant = |position: &Position| {
            deal_id.is_none_or(|deal_id| position.deal_id == deal_id || position.reference == deal_id)
        };
        all.filter(|(_, position)| is_meant(position))
            .map(|(account, position)| (account.clone(), position.clone()))
            .next()
    }

    fn appear(&mut self, kind: &Kind) {
        let Kind::PositionAppears { account, epic, direction, size, stop_distance, limit_distance, reference } = kind
        else {
            return;
        };
        let account = account.clone().unwrap_or_else(|| self.preferred());
        let direction = if direction == "SELL" { Direction::Short } else { Direction::Long };
        let (deal_id, drawn) = (self.new_deal_id(), self.new_reference());
        let now = self.now;
        let Some(board) = self.board(epic) else { return };
        let level = crate::sim::rules::entry(direction, &board.last, crate::domain::PriceDelta::ZERO);
        let leg = |points: &Option<f64>, sign: i64| {
            points.map(|points| Asked::Points(decimal(points)).leg(board).level(level, sign))
        };
        let position = Position {
            deal_id,
            reference: reference.clone().unwrap_or(drawn),
            epic: Epic::from(epic.as_str()),
            direction,
            size: Size::from_micros(decimal(*size).0),
            level,
            stop: leg(stop_distance, -direction.sign()),
            limit: leg(limit_distance, direction.sign()),
            is_guaranteed: false,
            trailing: None,
            currency: board.listing.currency().code.clone(),
            opened: now,
            listed: now,
            funding: next_funding(now),
        };
        if let Some(owner) = self.accounts.get_mut(&account) {
            owner.positions.push(position);
        }
    }

    /// What the control endpoint shows of the whole.
    pub(super) fn json(&self) -> serde_json::Value {
        let (sessions, bound, subscriptions) = self.hub.counts();
        json!({
            "now": self.now.to_string(),
            "speed": self.clock.speed(),
            "holds": self.clock.holds(),
            "sessions": { "all": sessions, "bound": bound, "subscriptions": subscriptions },
            "faults": self.faults.json(),
            "requests": self.requests.totals(),
            "positions": self.positions_json(),
        })
    }

    /// What is open on every account.
    fn positions_json(&self) -> Vec<serde_json::Value> {
        let of_account = |(id, account): (&String, &Account)| {
            let line = |position: &Position| {
                json!({
                    "account": id,
                    "deal_id": position.deal_id,
                    "reference": position.reference,
                    "epic": position.epic,
                    "direction": if position.direction == Direction::Long { "BUY" } else { "SELL" },
                    "size": position.size.to_string(),
                    "level": position.level.to_string(),
                    "stop": position.stop.map(|level| level.to_string()),
                    "limit": position.limit.map(|level| level.to_string()),
                    "opened": position.opened.to_string(),
                })
            };
            account.positions.iter().map(line).collect::<Vec<_>>()
        };
        self.accounts.iter().flat_map(of_account).collect()
    }
}
