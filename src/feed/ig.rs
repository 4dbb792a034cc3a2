//! IG's stream as a feed: prices to quotes, outages to gaps.
//!
//! Times are those that IG stamps, in UTC; a price without one, or without both sides, is no quote. An outage that the
//! stream went on from without a loss is none. After any other, and at the start of every run, a gap comes before the
//! next quotes, so that no bar is built over what is missing.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use super::{BadCounts, Feed, FeedError, FeedEvent, QuoteBlock};
use crate::broker::ig::stream::{News, RawPrice, Stream};
use crate::clock::Clock;
use crate::domain::{BadQuote, DecimalError, EpicIdx, Micros, Price, Tick, UtcMicros};

/// Quotes that travel together at most.
const BLOCK_TICKS: usize = 1_024;

/// How long stamps of a market are held against our clock before the difference is told, and by how many quotes at
/// least: the smallest delay among them is the one that the way added least to.
const SKEW_SPAN: Micros = Micros(10 * Micros::SECOND.0);
const SKEW_QUOTES: u32 = 5;

/// Prices of IG.
#[derive(Debug)]
pub struct Ig {
    /// Held, so that the stream lives as long as its feed.
    stream: Option<Stream>,
    news: mpsc::Receiver<News>,
    clock: Arc<dyn Clock>,
    epics: Vec<EpicState>,
    bad: BadCounts,
    is_up: bool,
    /// What ended a block, and has its own turn.
    waiting: Option<News>,
    /// Gaps to be told before the next quotes.
    gaps: Vec<FeedEvent>,
    /// Differences of clocks that were measured and not told yet.
    skews: VecDeque<(EpicIdx, Micros)>,
}

#[derive(Clone, Debug, Default)]
struct EpicState {
    last: Option<Tick>,
    /// Quotes may be missing before the next one, and why.
    lost: Option<String>,
    delays: Option<Delays>,
}

/// How late the quotes of a market were, by our clock.
#[derive(Clone, Copy, Debug)]
struct Delays {
    since: UtcMicros,
    quotes: u32,
    least: Micros,
}

impl EpicState {
    /// Holds a stamp against the clock; the difference, where enough of them were.
    fn measure(&mut self, stamp: UtcMicros, now: UtcMicros) -> Option<Micros> {
        let delay = now - stamp;
        let delays = self.delays.get_or_insert(Delays { since: now, quotes: 0, least: delay });
        delays.quotes += 1;
        delays.least = delays.least.min(delay);
        let is_done = delays.quotes >= SKEW_QUOTES && now - delays.since >= SKEW_SPAN;
        is_done.then(|| self.delays.take()).flatten().map(|delays| delays.least)
    }
}

impl Ig {
    /// A feed of `n_epics` markets from a stream and its news. `stream` may be `None` where somebody else holds it.
    #[must_use]
    pub fn new(stream: Option<Stream>, news: mpsc::Receiver<News>, n_epics: usize, clock: Arc<dyn Clock>) -> Self {
        Self {
            stream,
            news,
            clock,
            epics: vec![EpicState::default(); n_epics],
            bad: BadCounts::default(),
            is_up: false,
            waiting: None,
            gaps: Vec::new(),
            skews: VecDeque::new(),
        }
    }

    async fn pull(&mut self) -> Result<Option<FeedEvent>, FeedError> {
        loop {
            if !self.gaps.is_empty() {
                let gap = self.gaps.remove(0);
                if let FeedEvent::Gap { epics, .. } = &gap {
                    crate::telemetry::ig::gap(epics.len());
                }
                return Ok(Some(gap));
            }
            let news = match self.waiting.take() {
                Some(news) => news,
                None => match self.news.recv().await {
                    Some(news) => news,
                    None => return Err(FeedError::Stream("the stream ended by itself".to_owned())),
                },
            };
            match news {
                News::Price(price) => {
                    let block = self.block(&price);
                    // A gap that the block begins behind comes before it.
                    if !self.gaps.is_empty() {
                        self.waiting = Some(News::Price(price));
                        continue;
                    }
                    if !block.is_empty() {
                        return Ok(Some(FeedEvent::Quotes(block)));
                    }
                }
                other => self.take_notice(other)?,
            }
        }
    }

    fn take_notice(&mut self, news: News) -> Result<(), FeedError> {
        match news {
            News::Price(_) => {}
            News::Market { epic, is_open, word } => tracing::info!(epic, is_open, %word, "market state"),
            News::Down(why) => {
                tracing::warn!(%why, "IG's stream is down");
                self.is_up = false;
            }
            News::Recovered => {
                tracing::info!("IG's stream goes on without a loss");
                self.is_up = true;
            }
            News::Opened => {
                self.is_up = true;
                let epics = (0..self.epics.len()).map(|epic| EpicIdx(narrow(epic))).collect();
                let reason = "no connection to the stream".to_owned();
                // What was before this feed began is known to whoever keeps the bars.
                self.gaps.push(FeedEvent::Gap { from: None, to: self.clock.now(), epics, reason });
            }
            News::Lost { epic, why } => self.epics[epic].lost = Some(why),
            News::Over(why) => return Err(FeedError::Stream(why)),
        }
        Ok(())
    }

    /// The quotes of this price and of those that wait behind it.
    fn block(&mut self, first: &RawPrice) -> QuoteBlock {
        let mut block = QuoteBlock::default();
        self.add(first, &mut block);
        while self.gaps.is_empty() && block.ticks.len() < BLOCK_TICKS {
            match self.news.try_recv() {
                Ok(News::Price(price)) if self.epics[price.epic].lost.is_none() => self.add(&price, &mut block),
                Ok(other) => {
                    self.waiting = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        block
    }

    fn add(&mut self, price: &RawPrice, block: &mut QuoteBlock) {
        let tick = match tick_of(price) {
            Ok(Some(tick)) => tick,
            Ok(None) => return,
            Err(kind) => return self.bad.count(kind),
        };
        let state = &mut self.epics[price.epic];
        let epic = EpicIdx(narrow(price.epic));
        if let Some(last) = state.last {
            if tick.time < last.time {
                return self.bad.count(BadQuote::OutOfOrder);
            }
            // A subscription tells the present price first: the same one again is no news, and nothing was missed.
            if price.is_snapshot && tick == last {
                state.lost = None;
                return;
            }
            if let Some(reason) = state.lost.take() {
                let (from, to) = (Some(last.time), tick.time);
                self.gaps.push(FeedEvent::Gap { from, to, epics: vec![epic], reason });
                return;
            }
        }
        state.lost = None;
        state.last = Some(tick);
        // The present price of a subscription may be as old as it likes.
        if !price.is_snapshot
            && let Some(skew) = state.measure(tick.time, self.clock.now())
        {
            self.skews.push_back((epic, skew));
        }
        block.extend(epic, &[tick]);
    }
}

/// A price as a quote; `None` where one side is null, as outside of hours.
fn tick_of(price: &RawPrice) -> Result<Option<Tick>, BadQuote> {
    let (Some(bid), Some(offer)) = (price.bid.as_deref(), price.offer.as_deref()) else { return Ok(None) };
    let millis: i64 = price.time.as_deref().and_then(|text| text.parse().ok()).ok_or(BadQuote::Unparsable)?;
    let micros = millis.checked_mul(1_000).ok_or(BadQuote::Unparsable)?;
    let level = |text: &str| match text.parse::<Price>() {
        Ok(level) => Ok(level),
        Err(DecimalError::NotFinite) => Err(BadQuote::NotFinite),
        Err(_) => Err(BadQuote::Unparsable),
    };
    let tick = Tick { time: UtcMicros(micros), bid: level(bid)?, offer: level(offer)? };
    if tick.bid <= Price::ZERO || tick.offer <= Price::ZERO {
        return Err(BadQuote::NonPositive);
    }
    if tick.bid > tick.offer {
        return Err(BadQuote::Crossed);
    }
    Ok(Some(tick))
}

fn narrow(epic: usize) -> u16 {
    u16::try_from(epic).expect("a stream has at most 40 markets")
}

impl Feed for Ig {
    fn next(&mut self) -> BoxFuture<'_, Result<Option<FeedEvent>, FeedError>> {
        self.pull().boxed()
    }

    fn bad_quotes(&self) -> &BadCounts {
        &self.bad
    }

    fn progress(&self) -> Option<f64> {
        None
    }

    /// What was before is not there any more: the gap that a session begins with says so.
    fn skip(&mut self, _accepted_per_epic: &[u64]) -> Result<(), FeedError> {
        Ok(())
    }

    fn clock_skew(&mut self) -> Option<(EpicIdx, Micros)> {
        self.skews.pop_front()
    }

    fn is_whole(&self) -> bool {
        self.is_up && self.gaps.is_empty() && self.stream.as_ref().is_none_or(|_| !self.news.is_closed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    fn price(epic: usize, bid: &str, offer: &str, millis: &str) -> News {
        let value = |text: &str| (text != "null").then(|| text.into());
        News::Price(RawPrice { epic, bid: value(bid), offer: value(offer), time: value(millis), is_snapshot: false })
    }

    fn snapshot(epic: usize, bid: &str, millis: &str) -> News {
        match price(epic, bid, "2", millis) {
            News::Price(raw) => News::Price(RawPrice { is_snapshot: true, ..raw }),
            other => other,
        }
    }

    /// What a feed makes of this news, in words, and what it refused.
    fn told(news: Vec<News>) -> (Vec<String>, String) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (sender, receiver) = mpsc::channel(1_000);
            for one in news {
                sender.send(one).await.unwrap();
            }
            drop(sender);
            let clock = Arc::new(ManualClock::default());
            clock.set(UtcMicros(9_000_000));
            let mut feed = Ig::new(None, receiver, 2, clock);
            let mut all = Vec::new();
            loop {
                match feed.next().await {
                    Ok(Some(FeedEvent::Quotes(block))) => {
                        for (epic, run) in block.iter_runs() {
                            all.extend(run.iter().map(|t| format!("{}@{} {} {}", epic.0, t.time.0, t.bid, t.offer)));
                        }
                    }
                    Ok(Some(FeedEvent::Gap { from, to, epics, reason })) => {
                        all.push(format!("gap {:?} {} {:?} {reason}", from.map(|at| at.0), to.0, epics));
                    }
                    Ok(other) => panic!("{other:?}"),
                    Err(error) => {
                        all.push(error.to_string());
                        return (all, feed.bad_quotes().to_string());
                    }
                }
            }
        })
    }

    #[test]
    fn stamps_are_held_against_our_clock_and_the_least_delay_is_told() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (sender, receiver) = mpsc::channel(1_000);
            let clock = Arc::new(ManualClock::default());
            let mut feed = Ig::new(None, receiver, 2, Arc::<ManualClock>::clone(&clock));
            let mut told = Vec::new();
            // Our clock is six seconds ahead of the venue's; the way adds up to half a second. The other market is
            // four seconds behind: stamps of the future.
            for (second, way) in (100..).zip([500, 80, 300, 20, 40, 400, 90, 70, 60, 200, 300, 10, 25]) {
                clock.set(UtcMicros(second * 1_000_000));
                sender.send(price(0, "1", "2", &(second * 1_000 - 6_000 - way).to_string())).await.unwrap();
                sender.send(price(1, "1", "2", &(second * 1_000 + 4_000 - way).to_string())).await.unwrap();
                assert!(matches!(feed.next().await, Ok(Some(FeedEvent::Quotes(_)))));
                told.extend(std::iter::from_fn(|| feed.clock_skew()).map(|(epic, skew)| (epic.0, skew.0)));
            }
            assert_eq!(told, [(0, 6_020_000), (1, -3_980_000)], "once in ten seconds");
        });
    }

    const START: &str = "gap None 9000000 [EpicIdx(0), EpicIdx(1)] no connection to the stream";
    const END: &str = "stream: the stream ended by itself";

    #[test]
    fn prices_become_quotes_with_their_own_times() {
        let (all, bad) = told(vec![
            News::Opened,
            price(0, "1.1", "1.2", "5000"),
            price(1, "null", "7", "5001"),
            price(1, "6.5", "7", "5002"),
            News::Market { epic: 0, is_open: false, word: "CLOSED".to_owned() },
            price(0, "1.1", "1.2", "5000"),
        ]);
        assert_eq!(all, [START, "0@5000000 1.1 1.2", "1@5002000 6.5 7", "0@5000000 1.1 1.2", END]);
        assert_eq!(bad, "0 bad");
    }

    #[test]
    fn what_is_no_quote_is_counted_by_kind() {
        let (all, bad) = told(vec![
            price(0, "1.1", "1.2", "5000"),
            price(0, "1.3", "1.2", "5001"),
            price(0, "x", "1.2", "5002"),
            price(0, "NaN", "1.2", "5003"),
            price(0, "0", "1.2", "5004"),
            price(0, "1.1", "1.2", "null"),
            price(0, "1.1", "1.2", "99999999999999999999"),
            price(0, "1.1", "1.2", "4999"),
        ]);
        assert_eq!(all, ["0@5000000 1.1 1.2", END]);
        assert_eq!(bad, "3 unparsable, 1 not_finite, 1 non_positive, 1 crossed, 1 out_of_order");
    }

    #[test]
    fn an_outage_is_a_gap_and_a_recovery_is_none() {
        let (all, _) = told(vec![
            News::Opened,
            price(0, "1", "2", "1"),
            News::Down("cut".to_owned()),
            News::Recovered,
            price(0, "1", "2", "2"),
            News::Down("cut".to_owned()),
            News::Opened,
            price(0, "1", "2", "3"),
        ]);
        assert_eq!(all, [START, "0@1000 1 2", "0@2000 1 2", START, "0@3000 1 2", END]);
    }

    #[test]
    fn a_silent_market_has_a_gap_unless_its_price_is_still_the_same() {
        let lost = |epic| News::Lost { epic, why: "silent".to_owned() };
        let (all, _) = told(vec![
            price(0, "1", "2", "1"),
            price(1, "1", "2", "1"),
            lost(0),
            lost(1),
            snapshot(0, "1", "1"),
            price(0, "1", "2", "9"),
            snapshot(1, "1.5", "7"),
            price(1, "1", "2", "9"),
        ]);
        let gap = "gap Some(1000) 7000 [EpicIdx(1)] silent";
        assert_eq!(all, ["0@1000 1 2", "1@1000 1 2", "0@9000 1 2", gap, "1@7000 1.5 2", "1@9000 1 2", END]);
    }

    #[test]
    fn a_stream_that_is_over_is_an_error() {
        let (all, _) = told(vec![News::Over("user/password check failed (code 1)".to_owned())]);
        assert_eq!(all, ["stream: user/password check failed (code 1)"]);
    }
}
