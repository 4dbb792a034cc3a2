//! The live path: from the quote that closes a bar to the reports of 1,000 candidates, through the model actors with a
//! deadline. One JSON line a packing of the actors.

mod workload;

use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use actix::System;
use arena::bars::Resampler;
use arena::config::Config;
use arena::domain::{EpicIdx, SeatIdx, StreamIdx, Tick};
use arena::feed::QuoteBlock;
use arena::flow::{SLICE_ROUNDS_MAX, Slice};
use arena::seats::director::FanOut;
use arena::seats::{Seat, SharedSeat, Wants};
use serde_json::{Value, json};
use workload::{cpu_seconds, peak_rss_mb, rounded};

const MODELS: u32 = 1_000;
/// Rounds that fill the windows and are not timed.
const WARM: usize = 64;
const ROUNDS: usize = 1_000;
/// Between two rounds, so that every thread has gone to sleep as it would live.
const PAUSE: Duration = Duration::from_millis(4);
const EPIC: EpicIdx = EpicIdx(0);

fn seats(config: &Config) -> Vec<SharedSeat> {
    let market = config.market(EPIC);
    let seat = |(idx, candidate)| {
        let model = arena::models::build(candidate);
        Seat::new(SeatIdx(idx), StreamIdx(0), candidate, market, model, config.arena.record_predictions)
    };
    (0..).zip(&config.candidates).map(seat).map(|seat| Arc::new(Mutex::new(seat))).collect()
}

/// Seconds of every timed round, in order of length, and CPU seconds of one round.
async fn rounds(config: &Config, minutes: &[&[Tick]]) -> (Vec<f64>, f64) {
    let deadline = Duration::from_micros(config.arena.model_deadline.0.unsigned_abs());
    let seats = seats(config);
    let mut fan_out = FanOut::start(&seats, config.arena.models_per_host, config.arena.arbiters, Some(deadline));
    let mut resampler =
        Resampler::new(&config.streams(), config.markets.len(), config.lookback_max(), config.bars.reset_after);
    let mut closed = Vec::new();
    let mut seconds = Vec::with_capacity(ROUNDS);
    let mut cpu = 0.0;
    for (number, minute) in minutes.iter().enumerate() {
        let (first, rest) = minute.split_first().expect("a minute has quotes");
        let is_timed = number > WARM;
        if is_timed {
            tokio::time::sleep(PAUSE).await;
        }
        let (cpu_began, began) = (cpu_seconds(), Instant::now());
        resampler.push(QuoteBlock::of_one(EPIC, vec![*first]), &mut closed);
        if !closed.is_empty() {
            let slice = Arc::new(Slice { rounds: std::mem::take(&mut closed) });
            assert!(slice.rounds.len() <= SLICE_ROUNDS_MAX);
            let gathered = fan_out.run(&slice, Wants::default()).await.expect("every host answers");
            if is_timed {
                seconds.push(began.elapsed().as_secs_f64());
                cpu += cpu_seconds() - cpu_began;
            }
            assert!(gathered.stuck.is_empty(), "no model of the workload is slow");
        }
        resampler.push(QuoteBlock::of_one(EPIC, rest.to_vec()), &mut closed);
        assert!(closed.is_empty(), "a bar closes with the first quote after it");
    }
    fan_out.stop();
    seconds.sort_by(f64::total_cmp);
    let count = seconds.len() as f64;
    (seconds, cpu / count)
}

fn line(variant: &str, seconds: &[f64], cpu: f64) -> Value {
    let at = |share: f64| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in the list")]
        let place = ((seconds.len() - 1) as f64 * share).round() as usize;
        rounded(seconds[place] * 1e6)
    };
    json!({
        "workload": "live", "peer": "arena", "variant": variant, "unit": "us/round", "value": at(0.99),
        "ops": seconds.len(), "seconds": rounded(seconds.iter().sum()), "wall": at(0.5),
        "peak_rss_mb": peak_rss_mb().map(f64::round),
        "note": format!(
            "value is p99 and wall p50 of elapsed time; p90 {}, longest {}, CPU time {} us a round",
            at(0.9), at(1.0), rounded(cpu * 1e6)
        ),
    })
}

fn main() {
    let minute = 60_000_000;
    let ticks = workload::ticks((WARM + ROUNDS + 2) as u64 * 47);
    let minutes: Vec<&[Tick]> = ticks.chunk_by(|a, b| a.time.0 / minute == b.time.0 / minute).collect();
    let minutes = &minutes[..(WARM + 1 + ROUNDS).min(minutes.len())];
    for (variant, per_host) in [("1,000 candidates, 64 a host (auto)", None), ("1,000 candidates, 1 a host", Some(1))] {
        let config = workload::arena(MODELS, false, false, per_host);
        let (seconds, cpu) = System::new().block_on(rounds(&config, minutes));
        writeln!(std::io::stdout(), "{}", line(variant, &seconds, cpu)).expect("standard output takes a line");
    }
}
