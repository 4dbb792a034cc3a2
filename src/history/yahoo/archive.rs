//! The archive: what is missing is asked for, window by window, and put beside what is there.

use std::collections::{BTreeMap, VecDeque};

use super::client::Client;
use super::reply::{self, Bars, Chart, Refusal};
use super::{Interval, Micros, Path, Step, UtcMicros, YahooError};
use crate::clock::Clock;
use crate::domain::{PriceDelta, Resolution};
use crate::history::{
    Adjustment, Fetched, Folder, Format, Gaps, MANIFEST_VERSION, Manifest, Rows, Sides, TimeSpan, TradeRow, spans,
};

const SOURCE: &str = "yahoo";
/// How many stored bars are asked for again beside a missing stretch, to see whether the past is still the same.
const OVERLAP_BARS: usize = 3;
/// Stored bars further away than this from what is missing are not asked for again: days over a holiday, and others over
/// a long weekend.
const OVERLAP_DAYS: (i64, i64) = (10, 4);
/// How much longer than a window a request may be for them: windows are a day shorter than what Yahoo gives at once.
const OVERLAP_ROOM: Micros = Micros(Micros::DAY.0 / 2);
/// Two closes that differ by more are no correction of a price.
const TOLERANCE: f64 = 0.01;
/// The same for adjusted closes, which move by every dividend.
const TOLERANCE_ADJUSTED: f64 = 0.0002;
/// A refused window is not cut below this.
const WINDOW_MIN: Micros = Micros::DAY;

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Order {
    /// As Yahoo writes it.
    pub ticker: String,
    /// The length of the bars.
    pub interval: Resolution,
    /// From when.
    pub from: UtcMicros,
    /// Until when, exclusive; `None`: now.
    pub to: Option<UtcMicros>,
    /// The spread that bid and offer are made with; `None`: the stored one, else 0.
    pub spread: Option<PriceDelta>,
    /// Divide by later dividends too.
    pub is_adjusted: bool,
    /// Forget what is stored.
    pub is_again: bool,
    /// The form of the data file; `None`: the stored one, else CSV.
    pub format: Option<Format>,
}

/// What was done.
#[derive(Clone, Debug)]
pub struct Report {
    /// The manifest as it is now; `None` where there is not one bar.
    pub manifest: Option<Manifest>,
    /// Bars that were not there before.
    pub new_rows: u64,
    /// Requests of this run.
    pub requests: u64,
    /// Rows left out in this run, by kind.
    pub dropped: BTreeMap<String, u64>,
    /// What a person should know.
    pub notices: Vec<String>,
}

/// The state of one run.
struct Run<'a> {
    order: &'a Order,
    interval: Interval,
    folder: &'a Folder,
    clock: &'a dyn Clock,
    name: String,
    manifest: Option<Manifest>,
    /// What was there before this run.
    stored: BTreeMap<UtcMicros, TradeRow>,
    rows: BTreeMap<UtcMicros, TradeRow>,
    covered: Vec<TimeSpan>,
    spread: PriceDelta,
    format: Format,
    dropped: BTreeMap<String, u64>,
    before: BTreeMap<String, u64>,
    notices: Vec<String>,
    new_rows: u64,
    requests_before: u64,
    beside_the_grid: u64,
    zone: Option<String>,
    currency: Option<String>,
}

/// Fetches what of `order` is missing in the data set below the data folder `data`.
///
/// The data set is whole after every window, so that a run that is ended goes on where it stopped.
///
/// # Errors
/// [`YahooError`]; the windows before the one that failed are stored.
pub async fn fetch(
    data: &Path,
    order: &Order,
    client: &mut Client,
    clock: &dyn Clock,
    watch: &dyn Fn(Step),
) -> Result<Report, YahooError> {
    let interval = Interval::of(order.interval).ok_or_else(|| {
        YahooError::Usage(format!("Yahoo has no bars of {}: want one of {}", order.interval, Interval::words()))
    })?;
    if order.is_adjusted && !interval.is_daily() {
        return Err(YahooError::Usage("Yahoo adjusts bars of 1d for dividends, and no others".to_owned()));
    }
    let now = clock.now();
    let asked = TimeSpan { from: order.from, to: order.to.unwrap_or(now) };
    if asked.from >= now {
        return Err(YahooError::Usage(format!("--from {} lies in the future", asked.from)));
    }
    if asked.from >= asked.to {
        return Err(YahooError::Usage(format!("--from {} is not before --to {}", asked.from, asked.to)));
    }
    order.format.unwrap_or_default().check()?;
    let folder = Folder::open(data, SOURCE, &order.ticker, order.interval)?;
    let result = match Run::begin(order, interval, &folder, clock) {
        Ok(mut run) => run.all(asked, now, client, watch).await.map(|()| run.report(client)),
        Err(error) => Err(error),
    };
    folder.leave();
    result
}

impl<'a> Run<'a> {
    fn begin(
        order: &'a Order,
        interval: Interval,
        folder: &'a Folder,
        clock: &'a dyn Clock,
    ) -> Result<Self, YahooError> {
        let stored = if order.is_again { None } else { folder.read()? };
        let mut run = Self {
            order,
            interval,
            folder,
            clock,
            name: format!("{SOURCE}/{}/{}", order.ticker, order.interval),
            manifest: None,
            stored: BTreeMap::new(),
            rows: BTreeMap::new(),
            covered: Vec::new(),
            spread: order.spread.unwrap_or_default(),
            format: order.format.unwrap_or_default(),
            dropped: BTreeMap::new(),
            before: BTreeMap::new(),
            notices: Vec::new(),
            new_rows: 0,
            requests_before: 0,
            beside_the_grid: 0,
            zone: None,
            currency: None,
        };
        let Some((manifest, rows)) = stored else { return Ok(run) };
        let Rows::One(rows) = rows else {
            let why = format!("{} holds two-sided bars, which Yahoo does not give", run.name);
            return Err(YahooError::Usage(why));
        };
        if manifest.adjustment != run.adjustment() {
            let (is, other) = match manifest.adjustment {
                Adjustment::SplitsAndDividends => ("adjusted", "without --adjusted"),
                _ => ("unadjusted", "with --adjusted"),
            };
            return Err(YahooError::Usage(format!(
                "{} holds {is} prices, and this asks {other}: give --again to fetch all of it anew, or another --data \
                 folder",
                run.name
            )));
        }
        run.rows = rows.into_iter().map(|row| (row.start, row)).collect();
        run.stored.clone_from(&run.rows);
        run.covered.clone_from(&manifest.covered);
        run.spread = order.spread.unwrap_or(manifest.spread);
        run.format =
            order.format.unwrap_or(if manifest.file == Format::Parquet.file() { Format::Parquet } else { Format::Csv });
        run.before.clone_from(&manifest.dropped);
        run.requests_before = manifest.fetched.requests;
        run.zone.clone_from(&manifest.zone);
        run.currency.clone_from(&manifest.currency);
        run.manifest = Some(manifest);
        Ok(run)
    }

    fn adjustment(&self) -> Adjustment {
        if self.order.is_adjusted { Adjustment::SplitsAndDividends } else { Adjustment::Splits }
    }

    async fn all(
        &mut self,
        asked: TimeSpan,
        now: UtcMicros,
        client: &mut Client,
        watch: &dyn Fn(Step),
    ) -> Result<(), YahooError> {
        let interval = self.interval;
        let (span, is_cut) = interval.within_reach(asked, now);
        if is_cut {
            self.notices.push(format!(
                "Yahoo keeps {} bars for about {} days: fetching from {}",
                self.interval.word,
                self.interval.oldest.map_or(0, |back| back.0 / Micros::DAY.0 + 1),
                span.from
            ));
        }
        let mut waiting: VecDeque<TimeSpan> = spans::missing(span, &self.covered).into();
        let windows =
            |waiting: &VecDeque<TimeSpan>| waiting.iter().map(|gap| interval.windows(*gap).len() as u64).sum::<u64>();
        let mut done = 0;
        let mut is_stale = true;
        while !waiting.is_empty() {
            watch(Step::Windows { done, total: done + windows(&waiting) });
            let Some(next) = waiting.pop_front() else { break };
            let (window, wide) = self.with_overlap(next);
            if window.to < next.to {
                waiting.push_front(TimeSpan { from: window.to, to: next.to });
            }
            match client.chart(&self.order.ticker, &self.interval, wide, watch).await {
                Ok(chart) => {
                    self.take(&chart, window, wide)?;
                    done += 1;
                    is_stale = !self.store(client)?;
                }
                Err(Refusal::TooLong(said)) => {
                    let half = self.interval.resolution.floor(UtcMicros(window.from.0.midpoint(window.to.0)));
                    if window.to - window.from <= WINDOW_MIN || half <= window.from {
                        return Err(YahooError::Refused { said });
                    }
                    waiting.push_front(TimeSpan { from: half, to: window.to });
                    waiting.push_front(TimeSpan { from: window.from, to: half });
                }
                Err(Refusal::TooOld(said)) => {
                    // The edge of what they keep moves while we ask, and is not quite where we think: a day later.
                    let later = window.from + Micros::DAY;
                    let is_edge = self.interval.oldest_at(self.clock.now()).is_some_and(|oldest| window.to > oldest);
                    if !is_edge || later >= window.to {
                        let (interval, from) = (self.interval.word, window.from);
                        return Err(YahooError::TooOld { interval, from, said });
                    }
                    self.notices.push(format!("Yahoo no longer has {} bars before {later}", self.interval.word));
                    waiting.push_front(TimeSpan { from: later, to: window.to });
                }
                Err(refusal) => return Err(self.error(refusal, client)),
            }
        }
        watch(Step::Windows { done, total: done });
        let is_set_anew =
            self.manifest.as_ref().is_some_and(|m| m.spread != self.spread || m.file != self.format.file());
        if is_stale && is_set_anew {
            self.store(client)?;
        }
        if self.rows.is_empty() {
            return self.nothing();
        }
        if self.spread == PriceDelta::ZERO {
            self.notices.push(
                "Yahoo gives no bid and offer, and no --spread was given: a model trained on this pays no spread"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// Nothing at all: a silent market is no fault, rows of which none is good are one.
    fn nothing(&mut self) -> Result<(), YahooError> {
        let ordinary = ["live", "unfinished", "outside"];
        if self.dropped.keys().any(|kind| !ordinary.contains(&kind.as_str())) {
            let words: Vec<String> = self.dropped.iter().map(|(kind, n)| format!("{n} {kind}")).collect();
            let hint = if self.beside_the_grid > 0 {
                ": its bars do not begin on whole multiples of their length in UTC, as those of the arena do; an \
                 --interval of 30m or less fits"
            } else {
                ""
            };
            return Err(YahooError::NothingGood { dropped: words.join(", "), hint });
        }
        self.notices.push(
            "there is not one whole bar in that time: the market was closed, or the time is yet to come".to_owned(),
        );
        Ok(())
    }

    /// As much from the beginning of `window` as one request gives, and the same with a few stored bars that touch it:
    /// where the request would grow too long by those, its window ends earlier.
    fn with_overlap(&self, mut window: TimeSpan) -> (TimeSpan, TimeSpan) {
        let length = self.interval.resolution.length();
        let days = if self.interval.is_daily() { OVERLAP_DAYS.0 } else { OVERLAP_DAYS.1 };
        let is_near = |a: UtcMicros, b: UtcMicros| (b - a).0 <= days * Micros::DAY.0;
        let is_had = |time: UtcMicros| self.interval.oldest_at(self.clock.now()).is_none_or(|oldest| time >= oldest);
        let longest = self.interval.longest;
        let fits = |from: UtcMicros, to: UtcMicros| {
            longest.is_none_or(|longest| to - from <= Micros(longest.0 + OVERLAP_ROOM.0))
        };
        if let Some(longest) = longest {
            window.to = window.to.min(window.from + longest);
        }
        let before = self.stored.range(..window.from).rev().map(|(start, _)| *start).take(OVERLAP_BARS);
        let from = before.filter(|start| is_near(*start, window.from) && is_had(*start)).last().unwrap_or(window.from);
        if let Some(longest) = longest.filter(|_| !fits(from, window.to)) {
            window.to = from + longest;
        }
        let after = self.stored.range(window.to..).map(|(start, _)| *start + length).take(OVERLAP_BARS);
        let to = after.filter(|end| is_near(window.to, *end) && fits(from, *end)).last().unwrap_or(window.to);
        (window, TimeSpan { from, to })
    }

    /// Puts the bars of a chart beside those that are there.
    fn take(&mut self, chart: &Chart, window: TimeSpan, wide: TimeSpan) -> Result<(), YahooError> {
        if let Some(served) = &chart.granularity
            && served.parse::<Resolution>().ok() != Some(self.interval.resolution)
        {
            return Err(YahooError::Granularity { asked: self.interval.word, served: served.clone() });
        }
        if let Some(symbol) = chart.symbol.as_ref().filter(|s| !s.eq_ignore_ascii_case(&self.order.ticker)) {
            let notice = format!("Yahoo answered for {symbol}");
            if !self.notices.contains(&notice) {
                self.notices.push(notice);
            }
        }
        let now = self.clock.now();
        let bars = reply::bars(chart, &self.interval, wide, now, self.order.is_adjusted)
            .map_err(|refusal| self.nonsense(refusal))?;
        self.compare(&bars)?;
        for (kind, n) in &bars.dropped {
            *self.dropped.entry((*kind).to_owned()).or_default() += n;
        }
        self.beside_the_grid += bars.beside_the_grid;
        for row in &bars.rows {
            self.new_rows += u64::from(self.rows.insert(row.start, *row).is_none());
        }
        for split in &chart.splits {
            if let Some(time) = split.checked_mul(1_000_000).map(UtcMicros) {
                self.notices.push(format!("a split on {time}: Yahoo has divided all prices before it"));
            }
        }
        spans::join(&mut self.covered, TimeSpan { from: window.from, to: window.to.min(bars.settled) });
        self.zone = chart.zone.clone().or(self.zone.take());
        self.currency = chart.currency.clone().or(self.currency.take());
        Ok(())
    }

    /// Whether what is stored and what comes now are of one past.
    fn compare(&self, bars: &Bars) -> Result<(), YahooError> {
        let tolerance = if self.order.is_adjusted { TOLERANCE_ADJUSTED } else { TOLERANCE };
        let mut both = 0;
        let mut first = None;
        let mut n_other = 0;
        for row in &bars.rows {
            let Some(stored) = self.rows.get(&row.start) else { continue };
            both += 1;
            let factor = stored.prices.close.as_f64() / row.prices.close.as_f64();
            if (factor - 1.0).abs() > tolerance {
                n_other += 1;
                first = first.or(Some((row.start, factor)));
            }
        }
        match first {
            // One of several is a correction; all of them are another past.
            Some((time, factor)) if n_other == both => {
                Err(YahooError::Disagrees { name: self.name.clone(), time, factor })
            }
            _ => Ok(()),
        }
    }

    /// Writes what there is; whether there was anything.
    fn store(&mut self, client: &Client) -> Result<bool, YahooError> {
        if self.rows.is_empty() {
            return Ok(false);
        }
        let now = self.clock.now();
        let mut dropped = self.before.clone();
        for (kind, n) in &self.dropped {
            *dropped.entry(kind.clone()).or_default() += n;
        }
        let order = self.order;
        let mut request = BTreeMap::from([
            ("ticker".to_owned(), order.ticker.clone()),
            ("interval".to_owned(), self.interval.word.to_owned()),
            ("from".to_owned(), order.from.to_string()),
            ("adjusted".to_owned(), order.is_adjusted.to_string()),
            ("host".to_owned(), client.host()),
        ]);
        if let Some(to) = order.to {
            request.insert("to".to_owned(), to.to_string());
        }
        let rows = Rows::One(self.rows.values().copied().collect());
        let mut manifest = Manifest {
            version: MANIFEST_VERSION,
            source: SOURCE.to_owned(),
            symbol: order.ticker.clone(),
            interval: order.interval,
            file: String::new(),
            sha256: String::new(),
            sides: Sides::One,
            spread: self.spread,
            price_decimals: 0,
            adjustment: self.adjustment(),
            zone: self.zone.clone(),
            currency: self.currency.clone(),
            rows: 0,
            from: UtcMicros(0),
            to: UtcMicros(0),
            dropped,
            request,
            gaps: Gaps::default(),
            covered: self.covered.clone(),
            fetched: Fetched {
                first_at: self.manifest.as_ref().map_or(now, |stored| stored.fetched.first_at),
                at: now,
                requests: self.requests_before + client.requests(),
            },
        };
        self.folder.store(&mut manifest, &rows, self.format)?;
        self.manifest = Some(manifest);
        Ok(true)
    }

    fn error(&self, refusal: Refusal, client: &Client) -> YahooError {
        let (ticker, host) = (self.order.ticker.clone(), client.host());
        match refusal {
            Refusal::TooMany => YahooError::TooMany,
            Refusal::Away(why) => YahooError::Away { host, why },
            Refusal::NotFound(said) => YahooError::NotFound { ticker, said },
            Refusal::Unauthorized(said) => YahooError::Unauthorized { said },
            Refusal::Consent => YahooError::Consent,
            Refusal::TooOld(said) | Refusal::TooLong(said) | Refusal::BadRequest(said) => YahooError::Refused { said },
            Refusal::Nonsense(why) => YahooError::Nonsense { host, why },
        }
    }

    fn nonsense(&self, refusal: Refusal) -> YahooError {
        match refusal {
            Refusal::Nonsense(why) => YahooError::Nonsense { host: "Yahoo".to_owned(), why },
            other => YahooError::Nonsense { host: "Yahoo".to_owned(), why: format!("{other:?}") },
        }
    }

    fn report(self, client: &Client) -> Report {
        Report {
            manifest: self.manifest,
            new_rows: self.new_rows,
            requests: client.requests(),
            dropped: self.dropped,
            notices: self.notices,
        }
    }
}
