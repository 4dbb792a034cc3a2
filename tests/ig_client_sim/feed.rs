//! The feed over the simulator's stream: every quote once, and a gap wherever one may be missing.
//!
//! The simulator's clock stands and the tests give the quotes, so that what was made is known to the last one.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use arena::broker::ig::stream::{News, PriceSource, Stream, StreamError, StreamOptions};
use arena::domain::{Micros, Price, PriceDelta, Tick, UtcMicros};
use arena::feed::ig::Ig;
use arena::feed::{Feed, FeedEvent};
use arena::lightstreamer::Timing;
use arena::sim::ig::{Config, Fault, Kind, Length, Listing, Prices, Quoted};
use tokio::sync::mpsc;

use crate::bench::{Bench, FTSE, still, until};

const BOTH: [PriceSource; 2] = [PriceSource::Price, PriceSource::Chart];

/// What a feed gave.
#[derive(Clone, Debug, PartialEq)]
enum Heard {
    Quote(Tick),
    Gap(String),
    Over(String),
}

struct Listening {
    bench: Bench,
    heard: Arc<Mutex<Vec<Heard>>>,
    /// What the stream said of its connection: `down`, `recovered`, `opened`.
    said: Arc<Mutex<Vec<&'static str>>>,
    /// Quotes made so far.
    made: i64,
}

/// Timing for those that have no time.
fn hasty() -> Timing {
    Timing {
        keepalive_millis: 500,
        grace_millis: 300,
        inactivity_millis: 2_000,
        answer_millis: 500,
        recover_millis: 2_500,
        pause_millis: 50,
        pause_max_millis: 300,
        stable_millis: 500,
    }
}

impl Listening {
    async fn start(source: PriceSource) -> Self {
        Self::with(source, |_| {}).await
    }

    async fn with(source: PriceSource, change: impl FnOnce(&mut StreamOptions)) -> Self {
        let bench = Bench::new(still());
        let mut options = StreamOptions::of(vec![FTSE.to_owned()], source, 7);
        options.timing = hasty();
        change(&mut options);
        let wanted = options.subscriptions();
        let (stream, mut news) = Stream::start(bench.rest.clone(), None, options).await.unwrap();
        let (forward, forwarded) = mpsc::channel(1_024);
        let said: Arc<Mutex<Vec<&'static str>>> = Arc::default();
        let noted = Arc::clone(&said);
        tokio::spawn(async move {
            while let Some(news) = news.recv().await {
                let word = match &news {
                    News::Down(_) => Some("down"),
                    News::Recovered => Some("recovered"),
                    News::Opened => Some("opened"),
                    _ => None,
                };
                noted.lock().unwrap().extend(word);
                if forward.send(news).await.is_err() {
                    return;
                }
            }
        });
        let mut feed = Ig::new(Some(stream), forwarded, 1, bench.clock());
        let heard: Arc<Mutex<Vec<Heard>>> = Arc::default();
        let told = Arc::clone(&heard);
        tokio::spawn(async move {
            loop {
                let event = feed.next().await;
                let mut told = told.lock().unwrap();
                match event {
                    Ok(Some(FeedEvent::Quotes(block))) => told.extend(block.ticks.into_iter().map(Heard::Quote)),
                    Ok(Some(FeedEvent::Gap { reason, .. })) => told.push(Heard::Gap(reason)),
                    Ok(other) => panic!("{other:?}"),
                    Err(error) => return told.push(Heard::Over(error.to_string())),
                }
            }
        });
        until("every subscription", || bench.sim.state()["sessions"]["subscriptions"] == wanted).await;
        Self { bench, heard, said, made: 0 }
    }

    /// So many quotes, a millisecond apart, each another price.
    fn quote(&mut self, count: i64) -> Vec<Tick> {
        (0..count)
            .map(|_| {
                self.made += 1;
                self.bench.sim.advance(Micros(1_000));
                let bid = Price::from_micros(9_700_000_000 + self.made * 500_000);
                let offer = bid + PriceDelta::from_micros(1_000_000);
                self.bench.sim.quote(FTSE, bid, offer).unwrap();
                let now = self.bench.sim.now();
                Tick { time: UtcMicros(now.0 / 1_000 * 1_000), bid, offer }
            })
            .collect()
    }

    fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// The quotes so far, without the present price that a subscription begins with.
    fn ticks(&self) -> Vec<Tick> {
        let made = Price::from_micros(9_700_000_000);
        let of = |heard| if let Heard::Quote(tick) = heard { Some(tick).filter(|tick| tick.bid > made) } else { None };
        self.heard().into_iter().filter_map(of).collect()
    }

    /// How often the stream said so of its connection.
    fn said(&self, word: &str) -> usize {
        self.said.lock().unwrap().iter().filter(|said| **said == word).count()
    }

    fn gaps(&self) -> Vec<String> {
        self.heard()
            .into_iter()
            .filter_map(|heard| if let Heard::Gap(why) = heard { Some(why) } else { None })
            .collect()
    }

    async fn until_last(&self, tick: Tick) {
        until("the last quote", || self.ticks().last() == Some(&tick)).await;
    }

    /// `before` came, then `lost` did not or in part behind a gap, then `after` came, all in order and each once.
    fn assert_gap(&self, before: &[Tick], lost: &[Tick], after: &[Tick]) {
        let heard = self.heard();
        let place = |tick: &Tick| heard.iter().position(|heard| *heard == Heard::Quote(*tick));
        let (last, first) = (place(before.last().unwrap()).unwrap(), place(&after[0]).unwrap());
        let gap = heard[last..first].iter().position(|heard| matches!(heard, Heard::Gap(_)));
        let gap = last + gap.unwrap_or_else(|| panic!("no gap over what was lost: {heard:?}"));
        for tick in lost {
            assert!(place(tick).is_none_or(|at| at > gap), "{tick:?} before the gap");
        }
        let ticks = self.ticks();
        assert!(ticks.windows(2).all(|pair| pair[0].time < pair[1].time), "in order, each once");
        for tick in before.iter().chain(after) {
            assert!(ticks.contains(tick), "{tick:?} is missing");
        }
        assert!(lost.iter().any(|tick| !ticks.contains(tick)), "nothing was lost, so there should be no gap");
    }
}

#[tokio::test]
async fn every_quote_comes_once() {
    for source in BOTH {
        let mut listening = Listening::start(source).await;
        let made = listening.quote(2_000);
        listening.until_last(made[1_999]).await;
        assert_eq!(listening.ticks(), made, "{source:?}");
        assert_eq!(listening.gaps(), ["no connection to the stream"], "the one that a session begins with");
    }
}

#[tokio::test]
async fn cut_sockets_lose_and_double_nothing_where_recovery_is_accepted() {
    for source in BOTH {
        let mut listening = Listening::start(source).await;
        let mut made = listening.quote(50);
        for round in 0..6 {
            listening.bench.fault(Kind::CutSockets { all: round % 2 == 1 });
            // While it is down, while it comes back, and after.
            for _ in 0..20 {
                made.extend(listening.quote(10));
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        listening.until_last(*made.last().unwrap()).await;
        assert_eq!(listening.ticks(), made, "{source:?}");
        assert_eq!(listening.gaps().len(), 1, "{source:?}: {:?}", listening.gaps());
        // A cut that falls into the recovery of the one before is one outage with it.
        until("as many recoveries as outages", || listening.said("down") == listening.said("recovered")).await;
        assert!((2..=6).contains(&listening.said("down")), "{} outages", listening.said("down"));
    }
}

#[tokio::test]
async fn where_recovery_is_refused_there_is_a_gap() {
    for source in BOTH {
        let mut listening = Listening::start(source).await;
        let before = listening.quote(50);
        listening.until_last(before[49]).await;
        listening.bench.fault(Kind::RefuseRecovery);
        listening.bench.fault(Kind::CutSockets { all: false });
        let lost = listening.quote(50);
        until("a second session", || listening.gaps().len() == 2).await;
        until("its subscriptions", || listening.bench.sim.state()["sessions"]["bound"] == 1).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        let after = listening.quote(50);
        listening.until_last(after[49]).await;
        listening.assert_gap(&before, &lost, &after);
        assert_eq!((listening.said("opened"), listening.said("recovered")), (2, 0));
    }
}

#[tokio::test]
async fn a_session_that_is_forgotten_or_ended_leaves_a_gap() {
    for kinds in [
        vec![Kind::ForgetSessions, Kind::CutSockets { all: false }],
        vec![Kind::End { code: 48, text: "Maximum duration".to_owned() }],
        // The same user elsewhere, and dead tokens: a login is needed on the way back.
        vec![Kind::ExpireTokens, Kind::End { code: 48, text: "Maximum duration".to_owned() }],
        vec![Kind::RefuseCreate { code: 5 }, Kind::End { code: 41, text: "Timeout".to_owned() }],
    ] {
        let mut listening = Listening::start(PriceSource::Chart).await;
        let before = listening.quote(20);
        listening.until_last(before[19]).await;
        for kind in &kinds {
            listening.bench.fault(kind.clone());
        }
        let lost = listening.quote(20);
        until("a second session", || listening.gaps().len() == 2).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        let after = listening.quote(20);
        listening.until_last(after[19]).await;
        listening.assert_gap(&before, &lost, &after);
    }
}

#[tokio::test]
async fn a_stall_is_noticed_and_what_it_swallowed_is_a_gap_or_comes_later() {
    // Shorter than recovery is tried: nothing is lost.
    let mut listening = Listening::start(PriceSource::Price).await;
    let mut made = listening.quote(20);
    listening.until_last(made[19]).await;
    listening.bench.fault(Kind::Stall { length: Length(Micros(60_000_000)) });
    made.extend(listening.quote(20));
    tokio::time::sleep(Duration::from_millis(1_300)).await;
    assert_eq!(listening.ticks().len(), 20, "a connected socket is not a live feed");
    listening.bench.sim.advance(Micros(60_000_000));
    until("the rest", || listening.ticks().len() == 40).await;
    assert_eq!((listening.ticks(), listening.gaps().len()), (made, 1));

    // Longer: a new session, and a gap.
    let mut listening = Listening::with(PriceSource::Price, |options| options.timing.recover_millis = 700).await;
    let before = listening.quote(20);
    listening.until_last(before[19]).await;
    listening.bench.fault(Kind::Stall { length: Length(Micros(60_000_000)) });
    let lost = listening.quote(20);
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    listening.bench.sim.advance(Micros(60_000_000));
    until("a second session", || listening.gaps().len() == 2).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let after = listening.quote(20);
    listening.until_last(after[19]).await;
    listening.assert_gap(&before, &lost, &after);
}

#[tokio::test]
async fn a_market_that_falls_silent_on_a_live_stream_is_a_gap() {
    for source in BOTH {
        let mut listening = Listening::with(source, |options| options.silent_after_millis = 700).await;
        let before = listening.quote(20);
        listening.until_last(before[19]).await;
        listening.bench.fault(Kind::Mute { epic: Some(FTSE.to_owned()), length: Length(Micros(60_000_000)) });
        let lost = listening.quote(20);
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        listening.bench.sim.advance(Micros(60_000_000));
        tokio::time::sleep(Duration::from_millis(100)).await;
        let after = listening.quote(20);
        listening.until_last(after[19]).await;
        listening.assert_gap(&before, &lost, &after);
    }
}

#[tokio::test]
async fn a_loop_and_a_websocket_that_is_refused_lose_nothing() {
    for source in BOTH {
        let mut listening = Listening::start(source).await;
        let mut made = listening.quote(20);
        for _ in 0..3 {
            listening.bench.fault(Kind::Loop);
            for _ in 0..10 {
                made.extend(listening.quote(5));
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        until("what came before", || listening.ticks().len() == made.len()).await;
        let before = listening.said("down");
        listening.bench.sim.fault(Fault { times: Some(3), ..Fault::once(Kind::RefuseWebsocket) });
        listening.bench.fault(Kind::CutSockets { all: false });
        made.extend(listening.quote(20));
        until("it came back", || listening.said("recovered") == before + 1).await;
        until("every quote", || listening.ticks().len() == made.len()).await;
        assert_eq!(listening.said("down"), before + 1, "{source:?}");
        assert_eq!(listening.ticks(), made, "{source:?}");
        assert_eq!(listening.gaps().len(), 1, "{source:?}: {:?}", listening.gaps());
    }
}

#[tokio::test]
async fn bad_frames_are_survived_without_a_loss() {
    for frame in
        ["U,1,1,%zz|1", "U,1,9,1|2|3", "U,77,1,x", "GARBAGE", "U,1,1,1|2|3|4|5|6|7|8", "PROG,x", "CONF,1", "U,,,"]
    {
        let mut listening = Listening::start(PriceSource::Chart).await;
        let mut made = listening.quote(10);
        listening.bench.fault(Kind::BadFrame { frame: frame.to_owned() });
        for _ in 0..10 {
            made.extend(listening.quote(5));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        until("the last quote", || listening.ticks().last() == made.last()).await;
        assert_eq!(listening.ticks(), made, "{frame}");
        assert_eq!(listening.gaps().len(), 1, "{frame}: {:?}", listening.said.lock().unwrap());
    }
}

#[tokio::test]
async fn maintenance_ends_the_stream_and_it_comes_back_with_a_gap() {
    let mut listening = Listening::start(PriceSource::Price).await;
    let before = listening.quote(20);
    listening.until_last(before[19]).await;
    listening.bench.fault(Kind::Maintenance { length: Length(Micros(3_600_000_000)) });
    tokio::time::sleep(Duration::from_millis(700)).await;
    listening.bench.sim.advance(Micros(3_600_000_000));
    let lost = listening.quote(20);
    until("a second session", || listening.gaps().len() == 2).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let after = listening.quote(20);
    listening.until_last(after[19]).await;
    listening.assert_gap(&before, &lost, &after);
}

#[tokio::test]
async fn one_connection_carries_forty_subscriptions_and_no_more() {
    let epics: Vec<String> = (0..39).map(|n| format!("IX.D.M{n:02}.DAILY.IP")).collect();
    let markets = epics.iter().map(|epic| Quoted {
        listing: Listing { start: "9700".parse().unwrap(), ..Listing::guess(epic) },
        prices: Prices::Given,
    });
    let bench = Bench::new(Config { markets: markets.collect(), ..still() });
    for (source, count, most) in [(PriceSource::Price, 39, 38), (PriceSource::Chart, 20, 19)] {
        let options = |count: usize| StreamOptions::of(epics[..count].to_vec(), source, 7);
        let refused = Stream::start(bench.rest.clone(), None, options(count)).await.unwrap_err();
        assert!(matches!(refused, StreamError::TooMany(..)), "{refused}");
        let (stream, mut news) = Stream::start(bench.rest.clone(), None, options(most)).await.unwrap();
        until("forty subscriptions", || bench.sim.state()["sessions"]["subscriptions"] == 40).await;
        while let Ok(news) = news.try_recv() {
            assert!(!format!("{news:?}").contains("Over"), "{news:?}");
        }
        stream.stop().await;
        until("none", || bench.sim.state()["sessions"]["subscriptions"] == 0).await;
    }
}
