//! What follows a slice: the seats' reports go to the promoter, its changes and the live seats' tickets to the desk,
//! everything to the journal, and the whole onto the board.
//!
//! It is pure but for the broker and the desk's journal behind their seams. The director's actors and the plain calls of
//! [`crate::pipeline`] both end here, so that what a slice means is written once. Rounds are taken one by one whatever
//! the slice: no result depends on where slices are cut.

mod commands;
mod dealer;
mod journal;
mod live;
mod opening;
mod past;
mod rounds;
mod show;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

pub use self::dealer::Outside;
use self::dealer::SliceJournal;
use self::opening::{
    ended_record, json_record, lane_number, of_lanes, open_promoter, postcard_record, seat_record, settings_of,
    text_record, widened,
};
use self::past::Past;
use self::rounds::{EventsOfRound, RoundEvents, flat_at};
use crate::config::{Config, EvidenceUnit};
use crate::control::ControlError;
use crate::desk::{Desk, DeskCheckpoint, LiveRight};
use crate::domain::{Candidate, Episode, Market, ModelSpec, SeatIdx, StreamIdx, UtcMicros};
use crate::flow::{Board, Change, DealTicket, LastOutcome, LedgerSummary, Round, Slice, State};
use crate::models::ModelFactory;
use crate::promoter::{Promoter, RegisterInfo};
use crate::seats::director::Gathered;
use crate::seats::{Seat, SeatReport, SharedSeat};
use crate::sim::venue::Venue;
use crate::store::entry::{DeskEntry, SessionEntry, encode, read_lane};
use crate::store::views::{self, Head, RosterEntry};
use crate::store::{Commit, Lane, Store, StoreError};

/// The record of what the last configuration declared: name and content of each candidate.
const DECLARED: &str = "declared";

/// Lifecycle changes that the board keeps.
const LIFECYCLE_MAX: usize = 1_000;

/// Why an arena could not go on from its store.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The configuration does not fit what the store was begun with.
    #[error("{0}")]
    Configuration(String),
    /// A record is not what this version writes.
    #[error("record {name:?} of the store cannot be read: {why}")]
    Record {
        /// Which.
        name: String,
        /// How.
        why: String,
    },
}

/// The checkpoint of every seat, and the resampler's.
pub type Checkpoints = (Vec<(SeatIdx, Vec<u8>)>, Vec<u8>);

/// Where a restarted arena goes on.
#[derive(Clone, Debug, Default)]
pub struct Resume {
    /// The resampler's checkpoint.
    pub bars: Vec<u8>,
    /// Whether the feed had ended.
    pub is_done: bool,
    /// Event time of the last round.
    pub time: Option<UtcMicros>,
}

/// What a slice led to.
#[derive(Clone, Debug, Default)]
pub struct Settled {
    /// Lifecycle changes, in order.
    pub changes: Vec<Change>,
    /// What the desk journalled.
    pub desk: Vec<DeskEntry>,
    /// Something happened that must be durable at once: a lifecycle change or a live intent.
    pub is_weighty: bool,
}

/// The arena behind the seats.
#[derive(Debug)]
pub struct Settlement {
    config: Arc<Config>,
    roster: Vec<RosterEntry>,
    candidates: BTreeMap<SeatIdx, Candidate>,
    unregistered: BTreeSet<SeatIdx>,
    promoter: Promoter,
    desk: Desk,
    venue: Arc<Venue>,
    outside: Option<Outside>,
    /// The account that the desk's book is of; empty: the venue of this process.
    account: String,
    /// The rules that live dealing is held to.
    live_markets: Arc<Vec<Market>>,
    /// The dealing rules as the broker last told them, by epic.
    rules: BTreeMap<String, Vec<(String, String)>>,
    journal: SliceJournal,
    commit: Commit,
    is_flat: Vec<bool>,
    summaries: BTreeMap<SeatIdx, LedgerSummary>,
    lifecycle: Vec<Arc<Change>>,
    head: Head,
    epic_lanes: Vec<u16>,
    stream_lanes: Vec<u16>,
    accepted: Vec<u64>,
    bars: Vec<u64>,
    bad: Vec<(String, u64)>,
    from: Option<UtcMicros>,
    to: Option<UtcMicros>,
    explained: BTreeSet<SeatIdx>,
    /// Seats whose last summary is in the store, since nobody will be able to ask them for one.
    kept: BTreeSet<SeatIdx>,
    /// What each seat believed when it made its last ticket, by the number of the deal.
    beliefs: BTreeMap<SeatIdx, (u64, Option<f64>)>,
    /// The last belief of each seat that became a closed trade.
    outcomes: BTreeMap<SeatIdx, LastOutcome>,
    is_ending: bool,
    round_micros: u64,
    recording_fault: Option<String>,
    keeps_quotes: bool,
    past: Past,
}

/// A settlement with the seats that belong to it.
#[derive(Debug)]
pub struct Opened {
    /// The settlement.
    pub settlement: Settlement,
    /// Every active candidate's seat, by registration number.
    pub seats: Vec<SharedSeat>,
    /// Where to go on; `None` at the very beginning.
    pub resume: Option<Resume>,
}

impl Settlement {
    /// Opens an arena over its store: goes on from what is there, registers what is new, retires what is gone.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(config: Arc<Config>, store: &dyn Store, models: &ModelFactory) -> Result<Opened, OpenError> {
        let mut head: Head = json_record(store, views::HEAD)?;
        let epics: Vec<String> = config.markets.iter().map(|market| market.epic.to_string()).collect();
        if head.time.is_some() && head.epics != epics {
            return Err(OpenError::Configuration(format!(
                "this store was begun with the markets {}, this configuration has {}: name another [arena] data folder",
                head.epics.join(", "),
                epics.join(", ")
            )));
        }
        let roster: Vec<RosterEntry> = json_record(store, views::ROSTER)?;
        let board: Board = json_record(store, views::BOARD)?;
        let epic_lanes = config.markets.iter().map(|m| lane_number(&mut head.epics, m.epic.to_string())).collect();
        let streams = config.streams();
        let mut stream_names = std::mem::take(&mut head.streams);
        let stream_lanes: Vec<u16> = streams
            .iter()
            .map(|(epic, resolution)| {
                lane_number(&mut stream_names, (config.market(*epic).epic.to_string(), resolution.to_string()))
            })
            .collect();
        head.streams = stream_names;

        let promoter = open_promoter(&config, store)?;
        let desk_entries: Vec<DeskEntry> = read_lane(store, Lane::Desk)?;
        let desk = Desk::recover(postcard_record::<DeskCheckpoint>(store, "desk")?, &desk_entries);
        let venue = Arc::new(Venue::new(config.markets.iter().filter_map(|market| {
            // A configuration that loads has whole slippage in every market that a model trades.
            Some((market.clone(), config.costs_in(market)?))
        })));
        if let Some(checkpoint) = postcard_record(store, "venue")? {
            venue.restore(checkpoint);
        }
        let accepted: Vec<u64> = postcard_record(store, "accepted")?.unwrap_or_default();
        let bars: Vec<u64> = postcard_record(store, "bars_closed")?.unwrap_or_default();
        let is_new = head.time.is_none();
        let resume = store.record("bars")?.map(|bars| Resume { bars, is_done: head.is_done, time: head.time });
        let mut settlement = Self {
            is_flat: vec![true; roster.len()],
            summaries: BTreeMap::new(),
            candidates: BTreeMap::new(),
            unregistered: BTreeSet::new(),
            lifecycle: board.lifecycle,
            promoter,
            desk,
            venue,
            outside: None,
            account: text_record(store, dealer::ACCOUNT)?,
            live_markets: Arc::new(config.markets.clone()),
            rules: json_record(store, dealer::RULES)?,
            journal: SliceJournal::default(),
            commit: Commit::default(),
            accepted: widened(accepted, config.markets.len()),
            bars: of_lanes(&bars, &stream_lanes),
            bad: board.health.bad_quotes,
            from: board.health.from,
            to: board.health.to,
            explained: BTreeSet::new(),
            kept: BTreeSet::new(),
            beliefs: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            is_ending: false,
            round_micros: 0,
            recording_fault: None,
            keeps_quotes: config.feed.record,
            past: Past::read(store, &stream_lanes, config.lookback_max())?,
            epic_lanes,
            stream_lanes,
            head,
            roster,
            config: Arc::clone(&config),
        };
        settlement.reconfigure(is_new)?;
        let seats = settlement.seat_all(store, models)?;
        Ok(Opened { settlement, seats, resume })
    }

    /// Puts the configuration into force where it is another than the store's last one.
    fn reconfigure(&mut self, is_new: bool) -> Result<(), OpenError> {
        if let Some(time) = self.head.time.filter(|_| self.head.config_hash != self.config.hash) {
            let (promotion, hash) = (&self.config.promotion, &self.config.hash);
            let changes = self
                .promoter
                .reconfigure(time, promotion, hash)
                .map_err(|error| OpenError::Configuration(error.to_string()))?;
            self.take_changes(&changes);
        }
        self.note_configuration(is_new);
        Ok(())
    }

    /// Remembers what the configuration declares, so that a restart can tell a candidate that was retired and is still
    /// declared from one that comes back.
    fn declare(&mut self) {
        let declared: Vec<(String, String)> =
            self.config.candidates.iter().map(|c| (c.id.to_string(), c.content_hash.hex())).collect();
        let bytes = serde_json::to_vec(&declared).expect("names are plain JSON");
        self.commit.records.push((DECLARED.to_owned(), bytes));
    }

    /// Writes the configuration down where it is new.
    fn note_configuration(&mut self, is_new: bool) {
        if is_new || self.head.config_hash != self.config.hash {
            let entry =
                SessionEntry::Configured { hash: self.config.hash.clone(), canonical: self.config.canonical.clone() };
            self.session(&entry);
            self.head.config_hash.clone_from(&self.config.hash);
        }
    }

    /// A seat for every candidate: the one it had in this store, as it was, or a new one.
    fn seat_all(&mut self, store: &dyn Store, models: &ModelFactory) -> Result<Vec<SharedSeat>, OpenError> {
        let config = Arc::clone(&self.config);
        let mut seats = Vec::with_capacity(config.candidates.len());
        let declared: BTreeSet<(String, String)> = json_record(store, DECLARED)?;
        for candidate in &config.candidates {
            let hash = candidate.content_hash.hex();
            let known = self
                .roster
                .iter()
                .rposition(|entry| entry.model == candidate.id.as_str() && entry.content_hash == hash);
            let is_retired = |at: usize| self.state(SeatIdx(self.roster[at].seat)) == Some(State::Retired);
            let was_declared = declared.contains(&(candidate.id.to_string(), hash));
            // Whom the record retired keeps its paper ledger as long as it is declared: it ended within a slice, and no
            // result may depend on where that was cut.
            let goes_on = |at: usize| was_declared && self.promoter.is_futile(SeatIdx(self.roster[at].seat));
            if known.is_some_and(|at| is_retired(at) && was_declared && !goes_on(at)) {
                // It was retired and has been declared ever since: a restart does not bring it back.
                continue;
            }
            let Some(at) = known.filter(|at| !is_retired(*at) || goes_on(*at)) else {
                let (_, seat) = self.seat_new(candidate, models);
                seats.push(seat);
                continue;
            };
            let idx = SeatIdx(self.roster[at].seat);
            let mut seat = self.make_seat(idx, candidate, models);
            if let Some(bytes) = store.record(&seat_record(idx))? {
                seat.restore(&bytes)
                    .map_err(|error| OpenError::Record { name: seat_record(idx), why: error.to_string() })?;
            }
            if self.state(idx) == Some(State::Suspended) {
                // A model that was left behind with its thread could not be asked for a state that says so.
                seat.retire();
            }
            self.is_flat[at] = seat.is_flat();
            self.summaries.insert(idx, seat.summary());
            self.candidates.insert(idx, candidate.clone());
            if self.state(idx).is_none() {
                self.unregistered.insert(idx);
            }
            seats.push(Arc::new(Mutex::new(seat)));
        }
        self.read_ended(store)?;
        self.retire_missing();
        self.declare();
        if let Some(time) = self.head.time {
            // Numbers have no holes, so a newcomer is registered before it can be taken out again.
            self.register_waiting(time);
        }
        let rights = self.rights_of_live();
        self.desk.set_rights(rights);
        Ok(seats)
    }

    /// What the ledgers of retired seats came to: they have no seat any more, and their record stays.
    fn read_ended(&mut self, store: &dyn Store) -> Result<(), OpenError> {
        let ended =
            self.roster.iter().map(|entry| SeatIdx(entry.seat)).filter(|seat| !self.summaries.contains_key(seat));
        for seat in ended.collect::<Vec<_>>() {
            if let Some(summary) = json_record::<Option<LedgerSummary>>(store, &ended_record(seat))? {
                self.summaries.insert(seat, summary);
                self.kept.insert(seat);
            }
        }
        Ok(())
    }

    /// Retires every registered candidate that the configuration no longer declares; its record stays.
    fn retire_missing(&mut self) {
        let time = self.head.time.unwrap_or_default();
        let kept: BTreeSet<_> = self.config.candidates.iter().map(|c| (c.id.clone(), c.content_hash)).collect();
        let changes = self.promoter.retire_removed(time, |id, hash| kept.contains(&(id.clone(), *hash)));
        self.take_changes(&changes);
    }

    fn make_seat(&self, idx: SeatIdx, candidate: &Candidate, models: &ModelFactory) -> Seat {
        let stream = self.config.streams().binary_search(&(candidate.epic, candidate.resolution));
        let stream = StreamIdx(
            u16::try_from(stream.expect("a candidate's stream is one of the configuration's"))
                .expect("an arena has fewer than 65,536 streams"),
        );
        let market = self.config.market(candidate.epic);
        let records = self.config.arena.record_predictions;
        let mut seat = Seat::new(idx, stream, candidate, market, models(candidate), records);
        if self.config.promotion.unit == EvidenceUnit::Round {
            seat.tell_marks();
        }
        if matches!(candidate.spec, ModelSpec::Process { .. }) {
            // All others see in their window what they need.
            seat.warm(&self.past.of(stream));
        }
        seat
    }

    fn seat_new(&mut self, candidate: &Candidate, models: &ModelFactory) -> (SeatIdx, SharedSeat) {
        let number = u32::try_from(self.roster.len()).expect("an arena has fewer than 2^32 trials");
        let idx = SeatIdx(number);
        let market = self.config.market(candidate.epic);
        self.roster.push(RosterEntry {
            seat: number,
            model: candidate.id.to_string(),
            ticket: candidate.ticket(0).to_string(),
            version: candidate.version.clone(),
            epic: market.epic.to_string(),
            resolution: candidate.resolution.to_string(),
            content_hash: candidate.content_hash.hex(),
            generation: 0,
            generations_began: Vec::new(),
            registered: self.head.time.unwrap_or_default(),
            settings: settings_of(candidate),
            currency: market.currency.clone(),
            floor_r: candidate.risk.floor_r,
            hold: candidate.hold,
            lineage: candidate.lineage.as_deref().cloned(),
        });
        let seat = self.make_seat(idx, candidate, models);
        self.is_flat.push(true);
        self.summaries.insert(idx, seat.summary());
        self.candidates.insert(idx, candidate.clone());
        self.unregistered.insert(idx);
        (idx, Arc::new(Mutex::new(seat)))
    }

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// Whether nobody is eligible or live and the desk has nothing open: rounds may travel in slices.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.promoter.is_quiet() && self.desk.is_quiet()
    }

    /// How often the desk compared its book with the broker's and found them equal, and different.
    #[must_use]
    pub fn books_compared(&self) -> (u64, u64) {
        self.desk.compared()
    }

    /// Whether any round was settled, in this run or before: until then there is nothing to keep.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.head.time.is_some()
    }

    /// Whether any candidate is live.
    #[must_use]
    pub fn has_live(&self) -> bool {
        !self.desk.is_quiet()
    }

    /// Takes a slice that every seat has run.
    pub async fn settle(&mut self, slice: &Slice, gathered: Gathered) -> Settled {
        self.register_new(slice);
        let Gathered { report, stuck } = gathered;
        let mut reports = report.reports;
        for summary in report.summaries {
            self.summaries.insert(summary.seat, summary);
        }
        self.note_stuck(slice, &stuck, &mut reports);
        let with_episodes = reports.iter().filter(|report| !report.episodes.is_empty());
        self.explained.extend(with_episodes.map(|report| report.seat));
        self.note_outcomes(&reports);
        let mut events = RoundEvents::of(&reports, slice.rounds.len());
        let mut settled = Settled::default();
        for (number, round) in slice.rounds.iter().enumerate() {
            let of_round = events.next(number);
            self.note_outside_faults(round, &of_round);
            self.keep_round(round);
            self.settle_round(round, of_round, &reports, number, &mut settled).await;
        }
        for report in &mut reports {
            if let Some((_, is_flat)) = report.flat.last() {
                self.is_flat[report.seat.0 as usize] = *is_flat;
            }
            self.commit.append(Lane::Seat(report.seat.0), std::mem::take(&mut report.entries));
        }
        let written = self.journal.take();
        settled.is_weighty |= !settled.changes.is_empty() || !settled.desk.is_empty();
        let mut bytes = Vec::new();
        written.iter().for_each(|entry| encode(entry, &mut bytes));
        self.commit.append(Lane::Desk, bytes);
        settled
    }

    async fn settle_round(
        &mut self,
        round: &Round,
        events: EventsOfRound<'_>,
        reports: &[SeatReport],
        number: usize,
        settled: &mut Settled,
    ) {
        let mut changes = Vec::new();
        for &seat in events.warmed {
            changes.extend(self.promoter.on_warm(seat.1, round.time));
        }
        for &(_, seat, fault) in events.faults {
            changes.extend(self.promoter.on_suspended(seat, round.time, fault.sentence()));
        }
        if !events.episodes.is_empty() || !self.promoter.is_quiet() {
            let mut episodes: Vec<Episode> = events.episodes.iter().map(|(_, episode)| *episode).collect();
            let flat_before = &self.is_flat;
            let is_flat = |seat: SeatIdx| flat_at(reports, seat, number).unwrap_or(flat_before[seat.0 as usize]);
            changes.extend(self.promoter.on_round(round.time, &mut episodes, is_flat));
        }
        self.note_marks(reports, number, round.time);
        changes.extend(self.watch_feed(round));
        let rights = self.take_changes(&changes);
        if !(self.desk.is_quiet() && changes.is_empty()) {
            let tickets = self.live_tickets(reports, number);
            for (_, episode) in events.episodes {
                if self.desk.is_live(episode.seat)
                    && let Some(candidate) = self.candidates.get(&episode.seat)
                {
                    self.desk.on_paper_episode(episode, candidate.size);
                }
            }
            let ends = self.ends();
            let hook = ends.hook();
            let context = ends.context(&self.journal, &hook);
            let written = self.desk.on_round(round, &changes, &rights, &tickets, &context).await;
            self.note_breaks(&written);
            settled.desk.extend(written);
            let fallen = self.judge_live(round.time);
            if !fallen.is_empty() {
                self.take_changes(&fallen);
                self.tell_desk(round.time, &fallen, &[]).await;
                changes.extend(fallen);
            }
        }
        settled.changes.append(&mut changes);
    }

    /// Puts the belief of each seat's last ticket beside the trade that came of it. A lapsed order leaves its number to
    /// the next one, so that the newest ticket of a number is the one that counts.
    fn note_outcomes(&mut self, reports: &[SeatReport]) {
        let belief = |(_, ticket): &(u32, DealTicket)| (ticket.deal, ticket.y_pred);
        for report in reports {
            if let Some((_, episode)) = report.episodes.last() {
                let before = self.beliefs.get(&report.seat).copied();
                let mut known = report.tickets.iter().rev().map(belief).chain(before);
                if let Some((_, Some(y_pred))) = known.find(|(deal, _)| *deal == episode.number) {
                    let (open_level, close_level) = (episode.open_level, episode.close_level);
                    self.outcomes.insert(report.seat, LastOutcome { y_pred, open_level, close_level });
                }
            }
            if let Some(newest) = report.tickets.last().map(belief) {
                self.beliefs.insert(report.seat, newest);
            }
        }
    }

    /// The tickets that live seats made in round `number`.
    fn live_tickets(&self, reports: &[SeatReport], number: usize) -> Vec<DealTicket> {
        let live = self.candidates.keys().filter(|seat| self.desk.is_live(**seat) || self.is_live(**seat));
        live.filter_map(|seat| reports.binary_search_by_key(seat, |report| report.seat).ok())
            .flat_map(|at| reports[at].tickets.iter().filter(|(round, _)| *round as usize == number))
            .map(|(_, ticket)| *ticket)
            .collect()
    }

    /// The state of a seat; `None` before its registration.
    fn state(&self, seat: SeatIdx) -> Option<State> {
        ((seat.0 as usize) < self.promoter.seats()).then(|| self.promoter.state(seat))
    }

    fn is_live(&self, seat: SeatIdx) -> bool {
        self.state(seat) == Some(State::Live)
    }

    fn generation(&self, seat: SeatIdx) -> u32 {
        self.state(seat).map_or(0, |_| self.promoter.row(seat).generation)
    }

    /// Registers the candidates that wait for the first event time.
    fn register_new(&mut self, slice: &Slice) {
        let Some(round) = slice.rounds.first() else { return };
        let first = round.bars.iter().map(|bar| bar.start).min().unwrap_or(round.time);
        self.register_waiting(self.head.time.unwrap_or(first));
    }

    fn register_waiting(&mut self, time: UtcMicros) {
        for seat in std::mem::take(&mut self.unregistered) {
            let Some(candidate) = self.candidates.get(&seat) else { continue };
            let generation = self.promoter.register(
                time,
                &RegisterInfo {
                    seat,
                    model: candidate.id.clone(),
                    content_hash: candidate.content_hash,
                    floor_r: candidate.risk.floor_r,
                    cap_r: candidate.risk.cap_r,
                    market: self.config.market(candidate.epic).epic.to_string(),
                    rho_micros: candidate.risk.rho_micros,
                },
            );
            let entry = &mut self.roster[seat.0 as usize];
            entry.registered = time;
            entry.generation = generation;
            entry.ticket = candidate.ticket(generation).to_string();
            entry.generations_began = (0..generation).map(|_| time).collect();
            self.explained.insert(seat);
        }
        self.keep_audit();
    }

    /// Notes changes of state everywhere they show, and gives the rights of those that lead to live.
    fn take_changes(&mut self, changes: &[Change]) -> Vec<LiveRight> {
        if changes.is_empty() {
            return Vec::new();
        }
        self.keep_audit();
        let mut rights = Vec::new();
        for change in changes {
            self.explained.insert(change.seat);
            let generation = self.generation(change.seat);
            if let Some(entry) = self.roster.get_mut(change.seat.0 as usize)
                && generation > entry.generation
            {
                entry.generation = generation;
                entry.generations_began.push(change.time);
                if let Some(candidate) = self.candidates.get(&change.seat) {
                    entry.ticket = candidate.ticket(generation).to_string();
                }
            }
            rights.extend(self.right_of(change));
            self.lifecycle.push(Arc::new(change.clone()));
        }
        let surplus = self.lifecycle.len().saturating_sub(LIFECYCLE_MAX);
        self.lifecycle.drain(..surplus);
        rights
    }

    fn right_of(&self, change: &Change) -> Option<LiveRight> {
        let candidate = self.candidates.get(&change.seat)?;
        let market = self.config.market(candidate.epic);
        let size = self.promoter.live_size(change.seat, candidate.size, market.size_min);
        LiveRight::of(change, candidate, self.generation(change.seat), market, size)
    }

    /// The rights of the seats that are live when an arena starts again.
    fn rights_of_live(&self) -> Vec<LiveRight> {
        let live = self.candidates.iter().filter(|(seat, _)| self.is_live(**seat));
        live.filter_map(|(seat, candidate)| {
            self.right_of(&Change {
                time: self.head.time.unwrap_or_default(),
                seat: *seat,
                model: candidate.id.clone(),
                from: State::Live,
                to: State::Live,
                reason: "restart".to_owned(),
            })
        })
        .collect()
    }

    /// The seat of a name as users write it.
    ///
    /// # Errors
    /// [`ControlError::NoSuchModel`] with what comes near.
    pub fn find(&self, name: &str) -> Result<SeatIdx, ControlError> {
        views::find(&self.roster, name).map(|entry| SeatIdx(entry.seat))
    }

    fn named(&self, name: &str) -> Result<(SeatIdx, String), ControlError> {
        let entry = views::find(&self.roster, name)?;
        Ok((SeatIdx(entry.seat), entry.model.clone()))
    }

    /// The roster's entry of a seat.
    #[must_use]
    pub fn roster_entry(&self, seat: SeatIdx) -> Option<&RosterEntry> {
        self.roster.get(seat.0 as usize)
    }

    /// The gates of a seat.
    #[must_use]
    pub fn explain(&self, seat: SeatIdx) -> Option<crate::flow::Explanation> {
        self.state(seat)?;
        let mut explanation = self.promoter.explain(seat, self.head.time.unwrap_or_default());
        explanation.breaks = self.breaks_of(seat);
        Some(explanation)
    }

    /// Its lifecycle, as far as the board keeps it.
    #[must_use]
    pub fn lifecycle_of(&self, seat: SeatIdx) -> Vec<Change> {
        self.lifecycle.iter().filter(|change| change.seat == seat).map(|change| (**change).clone()).collect()
    }

    /// Numbers that come from the shell: refused rows, and how long the last slice took.
    pub fn note_health(&mut self, bad: Vec<(String, u64)>, round_micros: u64) {
        (self.bad, self.round_micros) = (bad, round_micros);
    }

    /// Writes a fault down that was survived.
    pub fn note_fault(&mut self, kind: &str, text: &str) {
        let time = self.head.time.unwrap_or_default();
        self.session(&SessionEntry::Fault { time, kind: kind.to_owned(), text: text.to_owned() });
    }

    /// The store records no longer: nothing may be dealt for real, and the surface says so. Paper goes on in memory.
    pub async fn stop_recording(&mut self, fault: &str) {
        if self.recording_fault.is_none() {
            self.recording_fault = Some(fault.to_owned());
            let time = self.head.time.unwrap_or_default();
            // Halting cannot fail on the venue of this process; the reason is what matters.
            if let Err(error) = self.on_desk(time, Some(fault), None).await {
                tracing::error!(%error, "live dealing could not be halted");
            }
        }
        self.commit = Commit::default();
    }

    /// Whether the store still records.
    #[must_use]
    pub fn is_recording(&self) -> bool {
        self.recording_fault.is_none()
    }

    /// The run ends: its last commit writes the gates of every seat as they stand now, and what its ledger came to, for
    /// the case that it is no longer declared when the arena starts again.
    pub fn conclude(&mut self) {
        self.is_ending = true;
        self.kept.clear();
        self.explained.extend(self.candidates.keys());
    }

    /// The feed has ended.
    pub fn finish(&mut self) {
        self.head.is_done = true;
    }

    /// What has gathered since the last commit. With `checkpoints` (every seat's, and the resampler's `bars`) it is a
    /// place to go on from; without, entries alone.
    pub fn take_commit(&mut self, checkpoints: Option<Checkpoints>) -> Commit {
        let mut commit = std::mem::take(&mut self.commit);
        if let Some((seats, bars)) = checkpoints {
            let records = &mut commit.records;
            records.extend(seats.into_iter().map(|(seat, bytes)| (seat_record(seat), bytes)));
            records.push(("bars".to_owned(), bars));
            records.push(("promoter".to_owned(), self.promoter.checkpoint_without_episodes()));
            let postcards = [
                ("desk", postcard::to_stdvec(&self.desk.checkpoint())),
                ("venue", postcard::to_stdvec(&self.venue.checkpoint())),
                ("accepted", postcard::to_stdvec(&self.accepted)),
                ("bars_closed", postcard::to_stdvec(&self.bars_by_lane())),
            ];
            for (name, bytes) in postcards {
                records.push((name.to_owned(), bytes.expect("checkpoints encode into memory")));
            }
            let mut json = |name: String, value: serde_json::Result<Vec<u8>>| {
                records.push((name, value.expect("records are plain JSON")));
            };
            json(views::HEAD.to_owned(), serde_json::to_vec(&self.head));
            json(views::ROSTER.to_owned(), serde_json::to_vec(&self.roster));
            for (seat, summary) in &self.summaries {
                let is_ended = self.is_ending || self.state(*seat) == Some(State::Retired);
                if is_ended && self.kept.insert(*seat) {
                    json(ended_record(*seat), serde_json::to_vec(summary));
                }
            }
            for seat in std::mem::take(&mut self.explained) {
                if let Some(explanation) = self.explain(seat) {
                    json(views::explain_record(seat.0), serde_json::to_vec(&explanation));
                }
            }
            let board = self.board();
            commit.records.push((views::BOARD.to_owned(), serde_json::to_vec(&board).expect("a board is plain JSON")));
        }
        commit
    }
}
