//! History from IG: bid and offer of every bar, within a weekly allowance of points, one a bar.
//!
//! What it will cost is found out first and agreed to; what was fetched once is not asked for again. Only the time in UTC
//! of a bar is believed: those of the account's zone repeat an hour every autumn, and in which zone IG takes the times that
//! it is asked with is disputed, so that bars from outside of what was asked for stop the run.

use std::collections::BTreeMap;
use std::path::Path;

use super::table::is_whole;
use super::yahoo::Report;
use super::{Folder, Format, HistoryBar, HistoryError, Manifest, Rows, TimeSpan, spans};
use crate::broker::ig::wire::{HistoryAllowance, PriceBar, Resolution as Word, TwoSided};
use crate::broker::ig::{Allowance, Class, IgError, PRICES_PAGE, Rest, Stretch};
use crate::clock::Clock;
use crate::domain::{Micros, Ohlc, Price, Resolution, UtcMicros};

const SOURCE: &str = "ig";

/// Every request is one page of at most so many bars.
const WINDOW_BARS: i64 = 500;
const _: () = assert!(PRICES_PAGE == 500, "a window is a page");

/// Lengths of bars, with IG's word for each and how far back it keeps them, in days.
const RESOLUTIONS: [(&str, Word, i64); 13] = [
    ("1s", Word::Second, 4),
    ("1m", Word::Minute, 40),
    ("2m", Word::Minute2, 40),
    ("3m", Word::Minute3, 40),
    ("5m", Word::Minute5, 360),
    ("10m", Word::Minute10, 360),
    ("15m", Word::Minute15, 360),
    ("30m", Word::Minute30, 360),
    ("1h", Word::Hour, 360),
    ("2h", Word::Hour2, 360),
    ("3h", Word::Hour3, 360),
    ("4h", Word::Hour4, 360),
    ("1d", Word::Day, 15 * 365),
];

/// Which bars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// From a time, until another one or now.
    Between(UtcMicros, Option<UtcMicros>),
    /// The last so many that are finished.
    Last(u32),
}

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Order {
    /// The market.
    pub epic: String,
    /// The length of the bars.
    pub interval: Resolution,
    /// Which bars.
    pub wanted: Wanted,
    /// The form of the data file; `None`: the stored one, else CSV.
    pub format: Option<Format>,
}

/// What a run will cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// Points at most: a bar that the market did not make costs none.
    pub points: i64,
    /// Points that are left of the week.
    pub left: i64,
    /// Points a week.
    pub total: i64,
    /// Seconds until all are there again.
    pub expiry_seconds: i64,
}

impl Cost {
    /// Whether it is more than a tenth of what is left, so that somebody has to agree.
    #[must_use]
    pub fn is_dear(&self) -> bool {
        self.points * 10 > self.left
    }
}

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { points, left, total, expiry_seconds } = self;
        let days = expiry_seconds / 86_400;
        write!(f, "at most {points} points; {left} of {total} are left, all are there again in {days} days")
    }
}

/// Bars that are there, of so many at most.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Asked for and answered.
    pub done: u64,
    /// In all.
    pub total: u64,
}

/// Why there is no history, or less than was asked for. What was stored before stays.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum IgHistoryError {
    /// The order makes no sense: wrong usage.
    #[error("{0}")]
    Usage(String),
    /// The data set cannot be read or written.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// More than is left: refused.
    #[error("this costs {0}: ask for less, or for longer bars")]
    TooDear(Cost),
    /// Dear, and nobody agreed: refused.
    #[error("this costs {0}: give --yes to spend them")]
    NotAgreed(Cost),
    /// The allowance is used up on the way.
    #[error(
        "IG's allowance of past prices is used up for this week: run the same command again when it is there again; it \
         goes on where it stopped"
    )]
    UsedUp,
    /// Bars came that were not asked for.
    #[error(
        "IG was asked for bars from {from} to {to} and answered with one of {got}: it takes times in another zone than \
         UTC for this account; take --last N, which needs none"
    )]
    OtherZone {
        /// The first moment asked for.
        from: UtcMicros,
        /// Where it ends.
        to: UtcMicros,
        /// What came.
        got: UtcMicros,
    },
    /// A bar without a time in UTC.
    #[error("IG answered a bar without snapshotTimeUTC ({0:?}): its time cannot be told")]
    Timeless(String),
    /// There are rows, and not one of them can be used.
    #[error("not one good bar ({dropped}){hint}")]
    NothingGood {
        /// What was left out.
        dropped: String,
        /// What may help.
        hint: &'static str,
    },
    /// IG refused or did not answer.
    #[error("IG gives no prices of {epic}: {why}{hint}")]
    Ig {
        /// The market.
        epic: String,
        /// What happened.
        why: IgError,
        /// What may help.
        hint: &'static str,
    },
}

impl IgHistoryError {
    /// Whether the user named the wrong thing (exit code 2), not the right thing that then failed (1).
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Usage(_) => true,
            Self::History(error) => error.is_usage(),
            _ => false,
        }
    }

    /// Whether a rule of ours refused it (exit code 3).
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::TooDear(_) | Self::NotAgreed(_))
    }
}

/// Fetches what of `order` is missing in the data set below the data folder `data`, once `agree` says yes to what it
/// costs.
///
/// The data set is whole after every answer, so that a run that is ended goes on where it stopped.
///
/// # Errors
/// [`IgHistoryError`]; what came before is stored.
pub async fn fetch(
    data: &Path,
    order: &Order,
    rest: &Rest,
    clock: &dyn Clock,
    agree: &dyn Fn(&Cost) -> bool,
    watch: &dyn Fn(Progress),
) -> Result<(Report, Option<Cost>), IgHistoryError> {
    let word = RESOLUTIONS.iter().find(|(length, ..)| length.parse() == Ok(order.interval));
    let (_, word, days) = word.ok_or_else(|| {
        let words: Vec<&str> = RESOLUTIONS.iter().map(|(length, ..)| *length).collect();
        IgHistoryError::Usage(format!("IG has no bars of {}: want one of {}", order.interval, words.join(", ")))
    })?;
    let now = clock.now();
    let usage = |sentence: String| Err(IgHistoryError::Usage(sentence));
    match order.wanted {
        Wanted::Last(0) => return usage("--last 0 asks for nothing: want at least 1".to_owned()),
        Wanted::Between(from, _) if from >= now => return usage(format!("--from {from} lies in the future")),
        Wanted::Between(from, Some(to)) if from >= to => {
            return usage(format!("--from {from} is not before --to {to}"));
        }
        _ => {}
    }
    order.format.unwrap_or_default().check()?;
    let folder = Folder::open(data, SOURCE, &order.epic, order.interval)?;
    let result = match Run::begin(order, word, &folder, clock, rest) {
        Ok(mut run) => match run.all(Micros(days * Micros::DAY.0), agree, watch).await {
            Ok(cost) => Ok((run.report(), cost)),
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    };
    folder.leave();
    result
}

/// One question to IG, of one page or several.
struct Ask {
    stretch: Stretch,
    /// Where the bars may lie; `None` where IG chooses.
    span: Option<TimeSpan>,
    bars: i64,
}

/// The state of one run.
struct Run<'a> {
    order: &'a Order,
    word: &'a Word,
    folder: &'a Folder,
    clock: &'a dyn Clock,
    rest: &'a Rest,
    manifest: Manifest,
    rows: BTreeMap<UtcMicros, HistoryBar>,
    format: Format,
    is_stored: bool,
    requests: u64,
    dropped: BTreeMap<String, u64>,
    notices: Vec<String>,
    new_rows: u64,
}

impl<'a> Run<'a> {
    fn begin(
        order: &'a Order,
        word: &'a Word,
        folder: &'a Folder,
        clock: &'a dyn Clock,
        rest: &'a Rest,
    ) -> Result<Self, IgHistoryError> {
        let stored = folder.read()?;
        let is_stored = stored.is_some();
        let (manifest, rows) = match stored {
            Some((manifest, Rows::Two(bars))) => (manifest, bars),
            Some((manifest, Rows::One(_))) => {
                return Err(IgHistoryError::Usage(format!(
                    "{} holds one price a bar, which IG does not give",
                    manifest.name()
                )));
            }
            None => (Manifest::made(SOURCE, &order.epic, order.interval, clock.now()), Vec::new()),
        };
        let old = if manifest.file == Format::Parquet.file() { Format::Parquet } else { Format::Csv };
        Ok(Self {
            order,
            word,
            folder,
            clock,
            rest,
            rows: rows.into_iter().map(|bar| (bar.start, bar)).collect(),
            format: order.format.unwrap_or(old),
            is_stored,
            manifest,
            requests: 0,
            dropped: BTreeMap::new(),
            notices: Vec::new(),
            new_rows: 0,
        })
    }

    fn length(&self) -> Micros {
        self.order.interval.length()
    }

    /// How many bars a span has at most.
    fn bars(&self, span: TimeSpan) -> i64 {
        ((span.to - span.from).0 + self.length().0 - 1) / self.length().0
    }

    /// What has to be asked.
    fn asks(&mut self, depth: Micros) -> Vec<Ask> {
        let now = self.order.interval.floor(self.clock.now());
        match self.order.wanted {
            Wanted::Between(from, to) => {
                let oldest = self.order.interval.floor(UtcMicros(now.0 - depth.0));
                let from = self.order.interval.floor(from);
                if from < oldest {
                    let days = depth.0 / Micros::DAY.0;
                    let interval = self.order.interval;
                    self.notices
                        .push(format!("IG keeps {interval} bars for about {days} days: fetching from {oldest}"));
                }
                let span =
                    TimeSpan { from: from.max(oldest), to: self.order.interval.floor(to.unwrap_or(now)).min(now) };
                let window = Some(Micros(self.length().0 * WINDOW_BARS));
                let missing = spans::missing(span, &self.manifest.covered);
                let windows = missing.into_iter().flat_map(|span| spans::pieces(span, window));
                let ask = |span: TimeSpan| Ask {
                    // Both ends are included at IG.
                    stretch: Stretch::Between(span.from, UtcMicros(span.to.0 - 1_000_000)),
                    span: Some(span),
                    bars: self.bars(span),
                };
                windows.map(ask).collect()
            }
            Wanted::Last(count) => {
                let count = i64::from(count);
                // What lies at the end already, in one piece, need not be paid for again.
                let had = self.manifest.covered.last().copied();
                let n_had = had.map_or(0, |had| self.rows.range(had.from..had.to).count());
                let since = had.map_or(i64::MAX, |had| self.bars(TimeSpan { from: had.to.min(now), to: now }));
                let n_had = i64::try_from(n_had).unwrap_or(i64::MAX);
                let needed = if n_had >= count.saturating_sub(since) { since.min(count) } else { count };
                if needed == 0 {
                    return Vec::new();
                }
                // The one that still forms is the last of them.
                let bars = needed + 1;
                let stretch = Stretch::Last(usize::try_from(bars).unwrap_or(usize::MAX));
                vec![Ask { stretch, span: None, bars }]
            }
        }
    }

    async fn all(
        &mut self,
        depth: Micros,
        agree: &dyn Fn(&Cost) -> bool,
        watch: &dyn Fn(Progress),
    ) -> Result<Option<Cost>, IgHistoryError> {
        let asks = self.asks(depth);
        let mut cost = None;
        if !asks.is_empty() {
            let points: i64 = asks.iter().map(|ask| ask.bars).sum();
            let left = self.left().await?;
            let found = Cost {
                points,
                left: left.remaining_allowance,
                total: left.total_allowance,
                expiry_seconds: left.allowance_expiry,
            };
            if points > found.left {
                return Err(IgHistoryError::TooDear(found));
            }
            if !agree(&found) {
                return Err(IgHistoryError::NotAgreed(found));
            }
            cost = Some(found);
            let total = points.unsigned_abs();
            let mut done = 0;
            watch(Progress { done, total });
            for ask in &asks {
                self.answer(ask, &mut |bars| watch(Progress { done: done + bars, total })).await?;
                done += ask.bars.unsigned_abs();
                watch(Progress { done, total });
            }
        }
        if self.rows.is_empty() {
            if self.dropped.keys().any(|kind| kind != "unfinished") {
                let words: Vec<String> = self.dropped.iter().map(|(kind, n)| format!("{n} {kind}")).collect();
                let hint = if self.dropped.contains_key("off_grid") {
                    ": its bars do not begin on whole multiples of their length in UTC, as those of the arena do; an \
                     --interval of 1h or less fits"
                } else {
                    ""
                };
                return Err(IgHistoryError::NothingGood { dropped: words.join(", "), hint });
            }
            self.notices.push("there is not one whole bar in that time: the market was closed".to_owned());
        } else if self.is_stored && self.manifest.file != self.format.file() {
            self.store()?;
        }
        Ok(cost)
    }

    /// What is left of the week: told with every answer, so that one bar is asked for.
    async fn left(&mut self) -> Result<HistoryAllowance, IgHistoryError> {
        let answer = self.rest.prices(&self.order.epic, self.word, &Stretch::Last(1), 1).await;
        self.requests += 1;
        answer.map_err(|why| self.error(why))?;
        let told = self.rest.history_allowance();
        told.ok_or_else(|| self.error(IgError::NotUnderstood("no word of the allowance".to_owned())))
    }

    async fn answer(&mut self, ask: &Ask, watch: &mut dyn FnMut(u64)) -> Result<(), IgHistoryError> {
        let mut first = None;
        let mut n_bars = 0;
        for page in 1.. {
            let answer = self.rest.prices(&self.order.epic, self.word, &ask.stretch, page).await;
            self.requests += 1;
            let prices = answer.map_err(|why| self.error(why))?;
            let reached = self.take(&prices.prices, ask.span)?;
            first = first.or(reached.map(|span| span.from));
            let n_pages = prices.metadata.and_then(|metadata| metadata.page_data).map_or(1, |data| data.total_pages);
            let is_last = i64::try_from(page).is_ok_and(|page| page >= n_pages);
            // A window is answered for with its last page; the last so many bars as far as they have come.
            let covered = match (ask.span, first, reached) {
                (Some(span), ..) => is_last.then_some(span),
                (None, Some(from), Some(reached)) => Some(TimeSpan { from, to: reached.to }),
                _ => None,
            };
            if let Some(span) = covered {
                spans::join(&mut self.manifest.covered, span);
            }
            self.store()?;
            n_bars += prices.prices.len() as u64;
            watch(n_bars);
            if is_last {
                break;
            }
        }
        Ok(())
    }

    /// Puts bars beside those that are there; from where to where the finished ones reach.
    fn take(&mut self, bars: &[PriceBar], span: Option<TimeSpan>) -> Result<Option<TimeSpan>, IgHistoryError> {
        let now = self.clock.now();
        let mut reached: Option<TimeSpan> = None;
        for bar in bars {
            let text = bar.snapshot_time_utc.as_deref();
            let start: Option<UtcMicros> =
                text.and_then(|text| format!("{}Z", text.trim_end_matches('Z')).parse().ok());
            let start = start.ok_or_else(|| IgHistoryError::Timeless(bar.snapshot_time.clone()))?;
            if let Some(span) = span.filter(|span| start < span.from || start >= span.to) {
                return Err(IgHistoryError::OtherZone { from: span.from, to: span.to, got: start });
            }
            let end = start + self.length();
            if end > now {
                self.drop_one("unfinished");
                continue;
            }
            let from = reached.map_or(start, |span| span.from.min(start));
            reached = Some(TimeSpan { from, to: reached.map_or(end, |span| span.to.max(end)) });
            match self.read(bar, start) {
                Ok(row) => self.new_rows += u64::from(self.rows.insert(start, row).is_none()),
                Err(kind) => self.drop_one(kind),
            }
        }
        Ok(reached)
    }

    fn drop_one(&mut self, kind: &str) {
        *self.dropped.entry(kind.to_owned()).or_default() += 1;
    }

    /// A bar, or what is wrong with it.
    fn read(&self, bar: &PriceBar, start: UtcMicros) -> Result<HistoryBar, &'static str> {
        if self.order.interval.floor(start) != start {
            return Err("off_grid");
        }
        let side = |of: fn(&TwoSided) -> Option<crate::broker::ig::number::Number>| -> Option<Ohlc> {
            let level = |price: &TwoSided| of(price).map(|number| Price::from_micros(number.micros()));
            Some(Ohlc {
                open: level(&bar.open_price)?,
                high: level(&bar.high_price)?,
                low: level(&bar.low_price)?,
                close: level(&bar.close_price)?,
            })
        };
        let (Some(bid), Some(offer)) = (side(|price| price.bid), side(|price| price.ask)) else { return Err("empty") };
        if [bid, offer].iter().any(|side| side.low <= Price::ZERO) {
            return Err("non_positive");
        }
        if bid.open > offer.open || bid.close > offer.close {
            return Err("crossed");
        }
        if !is_whole(&bid) || !is_whole(&offer) {
            return Err("contradictory");
        }
        let quotes = bar.last_traded_volume.map_or(0, |volume| volume.micros() / 1_000_000);
        Ok(HistoryBar { start, bid, offer, quotes: u32::try_from(quotes).unwrap_or(0) })
    }

    /// Writes what there is, if there is anything.
    fn store(&mut self) -> Result<(), IgHistoryError> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let mut manifest = self.manifest.clone();
        for (kind, n) in &self.dropped {
            *manifest.dropped.entry(kind.clone()).or_default() += n;
        }
        let wanted = match self.order.wanted {
            Wanted::Between(from, None) => vec![("from", from.to_string())],
            Wanted::Between(from, Some(to)) => vec![("from", from.to_string()), ("to", to.to_string())],
            Wanted::Last(count) => vec![("last", count.to_string())],
        };
        manifest.request = wanted.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        manifest.request.insert("resolution".to_owned(), self.word.word().to_owned());
        manifest.fetched.at = self.clock.now();
        manifest.fetched.requests += self.requests;
        let rows = Rows::Two(self.rows.values().copied().collect());
        self.folder.store(&mut manifest, &rows, self.format)?;
        self.is_stored = true;
        // Counts of this run are added to those of the runs before, once.
        let (dropped, requests) = (self.manifest.dropped.clone(), self.manifest.fetched.requests);
        self.manifest = manifest;
        (self.manifest.dropped, self.manifest.fetched.requests) = (dropped, requests);
        Ok(())
    }

    fn error(&self, why: IgError) -> IgHistoryError {
        if why.code().and_then(Allowance::exceeded) == Some(Allowance::History) {
            return IgHistoryError::UsedUp;
        }
        let hint = match (why.class(), why.code()) {
            (Class::Stop, _) => "; look at IG_API_KEY, IG_IDENTIFIER, IG_PASSWORD and --environment",
            (_, Some("error.price-history.io-error")) => "; it knows no such epic, or no bars of this length of it",
            (_, Some("unauthorised.access.to.equity.exception")) => "; prices of shares are not for this account",
            (Class::Later, _) => "; run the same command again later: it goes on where it stopped",
            _ => "",
        };
        IgHistoryError::Ig { epic: self.order.epic.clone(), why, hint }
    }

    fn report(mut self) -> Report {
        for (kind, n) in &self.dropped {
            *self.manifest.dropped.entry(kind.clone()).or_default() += n;
        }
        self.manifest.fetched.requests += self.requests;
        Report {
            manifest: self.is_stored.then_some(self.manifest),
            new_rows: self.new_rows,
            requests: self.requests,
            dropped: self.dropped,
            notices: self.notices,
        }
    }
}

#[cfg(test)]
mod tests;
