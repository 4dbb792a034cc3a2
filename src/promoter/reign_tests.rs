//! The promoter from outside, beyond the evidence: reigns and how they end, challengers, rounds, budgets, copies.

use super::tests::{Arena, DAY, HOUR, config, steps};
use super::*;
use crate::config::{EvidenceUnit, PromotionConfig, PromotionMode, SlotReuse};
use crate::control::ControlError;
use crate::domain::{Micros, Money, SeatIdx, Size, UtcMicros};
use crate::flow::{Change, LiveOutcome, State};
use crate::statistics::record::{Record, Terms};

const SEAT: SeatIdx = SeatIdx(0);

/// An arena whose first candidate has just been promoted.
fn reigning(config: &PromotionConfig) -> Arena {
    let mut arena = Arena::new(config, 1);
    let changes = arena.win(0);
    assert_eq!(changes.last().map(|change| change.to), Some(State::Live));
    arena
}

fn live(arena: &mut Arena, outcomes: &[LiveOutcome]) -> Vec<Change> {
    let changes = arena.promoter.on_live(arena.time, outcomes);
    arena.audit.extend(arena.promoter.take_audit());
    changes
}

fn closed(x: f64) -> LiveOutcome {
    LiveOutcome::Closed { seat: SEAT, x }
}

#[test]
fn the_ramp_climbs_with_live_episodes_and_the_size_with_it() {
    let mut arena = reigning(&PromotionConfig { ramp_episodes: 3, ..config() });
    let size = |arena: &Arena| {
        let of = |text: &str| text.parse::<Size>().unwrap();
        arena.promoter.live_size(SEAT, of("1"), of("0.1")).to_string()
    };
    let mut sizes = vec![size(&arena)];
    for _ in 0..9 {
        assert_eq!(live(&mut arena, &[closed(0.5)]), []);
        sizes.push(size(&arena));
    }
    assert_eq!(sizes, ["0.25", "0.25", "0.25", "0.5", "0.5", "0.5", "1", "1", "1", "1"]);
    assert_eq!(arena.audit.iter().filter(|record| record.contains("\"kind\":\"ramp\"")).count(), 2);
    arena.verified();
}

#[test]
fn a_champion_whose_edge_turned_negative_is_demoted_within_the_published_delay() {
    // Mean -0.2 R at -1/+1 with the cap at the real limit: 162 episodes on average; the drawdown limit out of the way.
    let mut arena = reigning(&PromotionConfig { cap_r: 1.0, dd_limit_r: Some(1e6), ..config() });
    let mut count = 0;
    let changes = loop {
        count += 1;
        let changes = live(&mut arena, &[closed(if count % 5 < 2 { 1.0 } else { -1.0 })]);
        if !changes.is_empty() {
            break changes;
        }
        assert!(count < 400, "no alarm");
    };
    assert_eq!(steps(&changes), [(0, State::Live, State::Shadow)]);
    assert!(changes[0].reason.starts_with("its live edge has decayed"), "{}", changes[0].reason);
    assert!(count > 20, "{count}");
    let row = arena.promoter.row(SEAT);
    assert_eq!((row.generation, row.episodes), (1, 0), "evidence starts again");
    let report = arena.verified();
    assert_eq!((report.promotions, report.demotions), (1, 1));
}

#[test]
fn each_limit_of_live_dealing_takes_a_champion_back() {
    let rows: [(&str, PromotionConfig, Vec<LiveOutcome>, &str); 6] = [
        (
            "drawdown in R",
            PromotionConfig { dd_limit_r: Some(2.5), ..config() },
            vec![closed(0.5), closed(-1.0), closed(-1.0), closed(-1.0)],
            "live drawdown of 3.00 R, limit 2.50 R",
        ),
        ("floor", config(), vec![closed(-3.5)], "a live outcome of -3.500 R broke the floor of -3 R"),
        ("not a number", config(), vec![closed(f64::NAN)], "a live outcome is not a number"),
        (
            "refused orders",
            PromotionConfig { max_rejects: Some(2), ..config() },
            vec![
                LiveOutcome::Order { seat: SEAT, is_refused: true },
                LiveOutcome::Order { seat: SEAT, is_refused: false },
                LiveOutcome::Order { seat: SEAT, is_refused: true },
                LiveOutcome::Order { seat: SEAT, is_refused: true },
            ],
            "the broker refused 2 orders in a row, limit 2",
        ),
        (
            "drawdown in money",
            PromotionConfig { hard_drawdown_pct: 10.0, capital: 1_000.0, ..config() },
            vec![
                LiveOutcome::Profit { seat: SEAT, profit: "100".parse::<Money>().unwrap() },
                LiveOutcome::Profit { seat: SEAT, profit: "-10".parse::<Money>().unwrap() },
            ],
            "live drawdown of 10.00 % of the capital, limit 10 %",
        ),
        (
            "one slip",
            config(),
            vec![LiveOutcome::Paired { seat: SEAT, q: -1.1 }],
            "live and paper differ by -1.100 R in one deal, limit 1",
        ),
    ];
    for (name, config, outcomes, reason) in rows {
        let mut arena = reigning(&config);
        for outcome in &outcomes[..outcomes.len() - 1] {
            assert_eq!(live(&mut arena, &[*outcome]), [], "{name}");
        }
        let changes = live(&mut arena, &outcomes[outcomes.len() - 1..]);
        assert_eq!(steps(&changes), [(0, State::Live, State::Shadow)], "{name}");
        assert_eq!(changes[0].reason, reason, "{name}");
        assert_eq!(live(&mut arena, &[closed(-1.0)]), [], "{name}: what comes late is nobody's");
        arena.verified();
    }
}

#[test]
fn a_live_breach_of_the_floor_bars_the_content() {
    let mut arena = reigning(&config());
    live(&mut arena, &[closed(-3.5)]);
    let row = arena.promoter.row(SEAT);
    assert_eq!((row.slot, row.flags.contains(&"floor_breach".to_owned())), (None, true), "{:?}", row.flags);
}

#[test]
fn a_drift_of_live_from_paper_stops_all_promotions_until_an_operator_clears_it() {
    let rules = PromotionConfig { cooldown_days: 0, cooldown_episodes: 0, ..config() };
    let mut arena = Arena::new(&rules, 2);
    arena.win(0);
    let mut count = 0;
    while live(&mut arena, &[LiveOutcome::Paired { seat: SEAT, q: -0.1 }]).is_empty() {
        count += 1;
        assert!(count < 200, "no alarm");
    }
    // 66 on average in the published figures for a mean of -0.1.
    assert!((20..120).contains(&count), "{count}");
    assert!(arena.promoter.stopped().is_some_and(|why| why.contains("live is worse than paper")));
    for _ in 0..120 {
        arena.round(&[(1, 1.0)]);
    }
    assert_eq!(arena.state(1), State::Eligible, "nobody is promoted");
    let refusal = arena.promoter.promote("m1", arena.time, None, false, true).unwrap_err();
    assert!(matches!(&refusal, ControlError::Refused(why) if why.contains("promotions have stopped")), "{refusal}");
    assert!(arena.promoter.clear_stop(arena.time, "slippage was mended"));
    assert!(!arena.promoter.clear_stop(arena.time, "again"));
    assert_eq!(steps(&arena.round(&[])), [(1, State::Eligible, State::Live)]);
    arena.verified();
}

#[test]
fn signals_that_go_missing_are_noticed() {
    let mut arena = reigning(&config());
    for _ in 0..300 {
        assert_eq!(live(&mut arena, &[LiveOutcome::Signal { seat: SEAT, is_missed: false }]), []);
    }
    let missed = (1..20).find(|_| !live(&mut arena, &[LiveOutcome::Signal { seat: SEAT, is_missed: true }]).is_empty());
    assert!(missed.is_some_and(|n| n <= 6), "{missed:?}");
    assert!(arena.promoter.stopped().is_some_and(|why| why.contains("signals go missing")));
}

#[test]
fn a_silent_feed_or_a_clock_that_is_off_takes_the_champion_of_that_market_back() {
    let hours = |h: i64| UtcMicros(h * HOUR);
    let quiet = (hours(0), Micros(0));
    let mut arena = reigning(&config());
    let promoter = &mut arena.promoter;
    let time = arena.time;
    let open = |_| true;
    assert_eq!(promoter.on_quotes(time, "A", (hours(0), hours(1)), quiet, open), []);
    assert_eq!(promoter.on_quotes(time, "A", (hours(3), hours(4)), quiet, open), [], "two hours are allowed");
    assert_eq!(promoter.on_quotes(time, "B", (hours(90), hours(91)), quiet, open), [], "nobody is live there");
    assert_eq!(promoter.on_quotes(time, "A", (hours(9), hours(10)), quiet, |_| false), [], "closed hours do not count");
    assert_eq!(promoter.on_clock_skew(time, "A", Micros(4_000_000)), []);
    let mut twin = promoter.clone();
    let changes = promoter.on_quotes(time, "A", (hours(13), hours(14)), quiet, open);
    assert_eq!(changes[0].reason, "no quote of A for 3h, limit 2h");
    let changes = twin.on_clock_skew(time, "A", Micros(-6_000_000));
    assert_eq!(changes[0].reason, "clocks differ by -6s in A, limit 5s");
}

/// Rounds of a day each: what every candidate closes in it.
fn day(arena: &mut Arena, outcomes: &[(u32, f64)]) -> Vec<Change> {
    let changes = arena.round(outcomes);
    arena.time.0 += DAY - HOUR;
    changes
}

#[test]
fn a_better_challenger_takes_over_on_common_rounds_and_an_equal_one_does_not() {
    let rules = PromotionConfig {
        alpha_slots: 2,
        min_episodes: 20,
        ramp: vec![1.0],
        min_reign_days: 5,
        round_risk_r: 1.0,
        round_floor_r: 1.0,
        round_cap_r: 2.0,
        ..config()
    };
    for (challenger, is_swapped) in [(1.5, true), (0.5, false)] {
        let mut arena = Arena::new(&rules, 2);
        let mut all = Vec::new();
        for k in 0..200 {
            // The first is ahead at first, so that it reigns when the other becomes ready.
            let late = if k < 60 { 0.0 } else { challenger };
            all.extend(day(&mut arena, &[(0, 0.5), (1, late)]));
        }
        let swapped: Vec<_> = all.iter().filter(|change| change.seat.0 == 1 && change.to == State::Live).collect();
        assert_eq!(!swapped.is_empty(), is_swapped, "{challenger}: {:?}", steps(&all));
        let report = arena.verified();
        assert_eq!(report.promotions, 1 + u64::from(is_swapped));
        if is_swapped {
            assert_eq!(swapped[0].reason, "better than m0 on common rounds");
            assert!(steps(&all).contains(&(0, State::Live, State::Shadow)), "the old champion is demoted");
        }
    }
}

#[test]
fn each_market_has_its_own_champion_and_all_of_them_together_a_cap_on_risk() {
    let rules = PromotionConfig { live_slots: 3, alpha_slots: 8, ..config() };
    let run = |rules: &PromotionConfig| {
        let mut arena = Arena::new(rules, 0);
        for (model, market) in [("a", "A"), ("b", "A"), ("c", "B"), ("d", "C")] {
            arena.add_in(model, market, arena_content(model));
        }
        for _ in 0..140 {
            arena.round(&[(0, 1.0), (1, 0.9), (2, 0.8), (3, 0.7)]);
        }
        let live: Vec<u32> = arena.promoter.live().map(|seat| seat.0).collect();
        arena.verified();
        live
    };
    assert_eq!(run(&rules), [0, 2, 3], "one a market, the better of two");
    // Each risks 10; a fourth part of the markets has to wait.
    assert_eq!(run(&PromotionConfig { max_live_risk: Some(25.0), ..rules.clone() }), [0, 2]);
    assert_eq!(run(&PromotionConfig { live_slots: 1, ..rules }), [0]);
}

fn arena_content(model: &str) -> u8 {
    model.as_bytes()[0]
}

#[test]
fn with_rounds_for_outcomes_days_count_and_a_restart_finds_them_again() {
    let rules = PromotionConfig { unit: EvidenceUnit::Round, round_risk_r: 2.0, min_episodes: 10, ..config() };
    let mut arena = Arena::new(&rules, 2);
    let mut ledger = Vec::new();
    for k in 0..30 {
        // Three trades a day; the second candidate trades on every other day alone.
        for _ in 0..3 {
            let mut episodes = vec![arena.episode(0, 0.5)];
            if k % 2 == 0 {
                episodes.push(arena.episode(1, -0.25));
            }
            arena.time.0 += HOUR;
            arena.promoter.on_round(arena.time, &mut episodes, |_| true);
            ledger.extend(episodes);
        }
        arena.time.0 += DAY - 3 * HOUR;
    }
    let row = arena.promoter.row(SEAT);
    assert_eq!((row.episodes, row.mean_r), (29, Some(0.75)), "three halves over a budget of two, the last day is open");
    let idle = arena.promoter.row(SeatIdx(1));
    assert_eq!(idle.episodes, 29, "a day without a trade is a round of zero");
    assert!((idle.mean_r.unwrap() + 0.375 * 15.0 / 29.0).abs() < 1e-12);
    let lean = arena.promoter.checkpoint_without_episodes();
    let of = |seat| ledger.iter().copied().filter(|e| e.seat == seat).collect::<Vec<_>>();
    let back = Promoter::restore_with(&lean, of).unwrap();
    assert_eq!(back.checkpoint(), arena.promoter.checkpoint());
    for _ in 0..40 {
        day(&mut arena, &[(0, 1.5)]);
    }
    assert_eq!(arena.state(0), State::Live);
    arena.verified();
}

#[test]
fn a_new_budget_needs_a_reason_and_all_slots_taken_and_lets_the_waiting_begin() {
    let mut arena = Arena::new(&PromotionConfig { alpha_slots: 2, ..config() }, 3);
    arena.round(&[(2, 1.0)]);
    let refusal = arena.promoter.open_budget(arena.time, Some("  ")).unwrap_err();
    assert!(matches!(refusal, ControlError::Invalid(_)));
    assert_eq!(arena.promoter.open_budget(arena.time, Some("more ideas")), Ok(1));
    let row = arena.promoter.row(SeatIdx(2));
    assert_eq!((row.slot, row.start_wealth, row.episodes), (Some(2), Some(0.8), 0), "evidence begins now");
    let refusal = arena.promoter.open_budget(arena.time, Some("even more")).unwrap_err();
    assert_eq!(refusal, ControlError::Refused("1 alpha slots are free: no new budget is needed".to_owned()));
    let changes = arena.win(2);
    assert_eq!(changes.last().map(|change| change.to), Some(State::Live));
    arena.verified();
    assert!(arena.audit.iter().any(|record| record.contains("the chance of a false promotion is 0.1 in all")));
}

#[test]
fn who_has_no_prospects_retires_and_the_slot_goes_on_by_the_rule_of_reuse() {
    for reuse in [SlotReuse::Spend, SlotReuse::Inherit] {
        let rules = PromotionConfig { alpha_slots: 1, slot_reuse: reuse, ..config() };
        let mut arena = Arena::new(&rules, 1);
        let mut changes = Vec::new();
        while changes.is_empty() {
            changes = arena.round(&[(0, -0.5)]);
        }
        assert_eq!(steps(&changes), [(0, State::Shadow, State::Retired)]);
        let row = arena.promoter.row(SEAT);
        assert_eq!((row.episodes, row.slot), (100, None), "as soon as min_episodes allow");
        assert!(row.flags.contains(&"futile".to_owned()));
        let wealth = 10f64.powf(row.log10_e.unwrap()) * row.start_wealth.unwrap();
        let next = arena.add("heir", 9);
        let start = arena.promoter.row(next).start_wealth.unwrap();
        let want = if reuse == SlotReuse::Spend { start_wealth(0.8, 2) } else { wealth };
        assert!((start - want).abs() < 1e-12 * want, "{reuse:?}: {start} {want}");
        // Its ledger goes on and is scored, and nothing comes of it any more.
        assert_eq!(arena.round(&[(0, 5.0)]), []);
        let after = arena.promoter.row(SEAT);
        assert_eq!((after.episodes, after.state, after.slot), (101, State::Retired, None));
        arena.verified();
    }
}

#[test]
fn a_candidate_that_no_longer_trades_retires() {
    let mut arena = Arena::new(&PromotionConfig { max_idle_days: 5, ..config() }, 2);
    let mut all = Vec::new();
    for k in 0..10 {
        let outcomes: &[(u32, f64)] = if k < 2 { &[(0, 0.1), (1, 0.1)] } else { &[(1, 0.1)] };
        all.extend(day(&mut arena, outcomes));
    }
    assert_eq!(steps(&all), [(0, State::Shadow, State::Retired)]);
    assert!(all[0].reason.starts_with("it has closed nothing for"), "{}", all[0].reason);
    arena.verified();
}

#[test]
fn copies_are_marked_and_copying_never_helps() {
    let outcome = |k: u32| if k.is_multiple_of(3) { -1.0 } else { 1.0 };
    let first_live = |copies: u32| {
        let mut arena = Arena::new(&PromotionConfig { alpha_slots: 8, ..config() }, 1 + copies);
        for k in 0..600 {
            let outcomes: Vec<(u32, f64)> = (0..=copies).map(|seat| (seat, outcome(k))).collect();
            if arena.round(&outcomes).iter().any(|change| change.to == State::Live) {
                return (k, arena);
            }
        }
        panic!("never live");
    };
    let (alone, _) = first_live(0);
    let (with_copies, arena) = first_live(3);
    assert_eq!(alone, with_copies, "a copy passes when the original does");
    assert_eq!(arena.promoter.row(SeatIdx(2)).flags, ["copy_of:m0"]);
    assert!(arena.promoter.row(SEAT).flags.is_empty());
}

#[test]
fn a_reign_survives_a_checkpoint_bit_by_bit() {
    let mut arena = reigning(&config());
    live(&mut arena, &[closed(0.3), LiveOutcome::Paired { seat: SEAT, q: 0.01 }, closed(-1.0)]);
    let mut back = Promoter::restore(&arena.promoter.checkpoint()).unwrap();
    let rest = [closed(-1.0), LiveOutcome::Signal { seat: SEAT, is_missed: true }, closed(0.2)];
    assert_eq!(back.on_live(arena.time, &rest), arena.promoter.on_live(arena.time, &rest));
    assert_eq!(back.checkpoint(), arena.promoter.checkpoint());
}

#[test]
fn other_keys_of_watching_take_effect_at_once() {
    let mut arena = reigning(&config());
    live(&mut arena, &[closed(-1.0), closed(-1.0)]);
    let strict = PromotionConfig { dd_limit_r: Some(2.5), keep_edge_r: 0.1, ..config() };
    arena.promoter.reconfigure(arena.time, &strict, "beef").unwrap();
    let changes = live(&mut arena, &[closed(-1.0)]);
    assert_eq!(changes[0].reason, "live drawdown of 3.00 R, limit 2.50 R");
    arena.verified();
}

#[test]
fn what_is_open_over_midnight_is_marked_to_market_where_rounds_are_the_unit() {
    let rules = PromotionConfig { unit: EvidenceUnit::Round, round_risk_r: 1.0, ..config() };
    let mut arena = Arena::new(&rules, 2);
    // A risk unit is 10 in money.
    let mark = |arena: &mut Arena, hour: i64, money: &str| {
        arena.promoter.on_mark(SEAT, UtcMicros(hour * HOUR), UtcMicros(HOUR), money.parse::<Money>().unwrap());
    };
    let round_at = |arena: &mut Arena, hour: i64, outcomes: &[(u32, f64)]| {
        arena.time = UtcMicros(hour * HOUR);
        arena.round(outcomes)
    };
    round_at(&mut arena, 0, &[(1, 0.1)]);
    mark(&mut arena, 23, "5");
    mark(&mut arena, 25, "9");
    round_at(&mut arena, 26, &[(1, 0.1)]);
    mark(&mut arena, 30, "7");
    mark(&mut arena, 48, "-2");
    round_at(&mut arena, 50, &[(0, 1.0), (1, 0.1)]);
    // What was opened before its evidence began does not count, here as everywhere.
    arena.promoter.on_mark(SEAT, UtcMicros(51 * HOUR), UtcMicros(-1), "1000".parse::<Money>().unwrap());
    round_at(&mut arena, 74, &[(1, 0.1)]);
    // 0.5 by midnight of the first day, then -0.2 at the next, and 1 in all: 0.5 - 0.7 + 1.2.
    let told = arena.promoter.row(SEAT);
    assert_eq!(told.episodes, 3);
    assert!((told.mean_r.unwrap() - 1.0 / 3.0).abs() < 1e-12, "{told:?}");
    assert!((told.max_drawdown_r - 0.7).abs() < 1e-12, "{told:?}");
    let sd = arena.promoter.statistics(SEAT, None).sd_r.unwrap();
    let mean = 1.0f64 / 3.0;
    let squares = [0.5f64, -0.7, 1.2].map(|x| (x - mean).powi(2));
    assert!((sd - (squares.iter().sum::<f64>() / 2.0).sqrt()).abs() < 1e-12, "{sd}");
    let lean = arena.promoter.checkpoint_without_episodes();
    let back = Promoter::restore_with(&lean, |_| Vec::new()).unwrap();
    assert_eq!(back.checkpoint(), arena.promoter.checkpoint(), "no ledger is needed for rounds");
}

#[test]
fn nobody_goes_live_where_the_clocks_are_apart() {
    let mut arena = Arena::new(&config(), 1);
    let seconds = |n: i64| Micros(n * 1_000_000);
    assert_eq!(arena.promoter.on_clock_skew(arena.time, "A", seconds(-6)), []);
    for _ in 0..150 {
        assert_eq!(arena.round(&[(0, 1.0)]), []);
    }
    assert!(arena.promoter.row(SEAT).flags.contains(&"clock".to_owned()));
    assert_eq!(arena.promoter.statistics(SEAT, None).failing_gates, ["G10 faults"]);
    assert_eq!(arena.promoter.on_clock_skew(arena.time, "A", seconds(1)), []);
    let changes = arena.round(&[(0, 1.0)]);
    assert_eq!(steps(&changes), [(0, State::Shadow, State::Eligible), (0, State::Eligible, State::Live)]);
    // An eligible one waits as well, and an operator is refused.
    let mut manual = Arena::new(&PromotionConfig { mode: PromotionMode::Manual, ..config() }, 1);
    manual.win(0);
    manual.promoter.on_clock_skew(manual.time, "A", seconds(6));
    let refusal = manual.promoter.promote("m0", manual.time, None, false, true).unwrap_err();
    assert_eq!(refusal, ControlError::Refused("the clocks are too far apart in A".to_owned()));
    arena.verified();
}

#[test]
fn several_that_do_well_together_are_watched_before_any_of_them_passes() {
    let mut arena = Arena::new(&PromotionConfig { alpha_slots: 8, min_episodes: 5, ..config() }, 8);
    let mut watched = Vec::new();
    while watched.is_empty() {
        assert_eq!(arena.round(&[(0, 1.0), (2, 1.0), (3, 1.0), (5, 1.0), (6, -0.5)]), [], "nobody passes");
        watched = arena.promoter.watch_list().into_iter().map(|seat| seat.0).collect();
    }
    // With four of eight, a wealth of 8 / (0.05 · 4) will do where one alone needs 8 / 0.05.
    assert_eq!(watched, [0, 2, 3, 5]);
    let wealth = arena.promoter.row(SEAT).progress.unwrap() * arena.promoter.threshold();
    assert!((40f64.ln()..80f64.ln()).contains(&wealth), "{}", wealth.exp());
}

#[test]
fn the_statistics_of_a_row_are_those_of_its_outcomes() {
    let mut arena = Arena::new(&config(), 3);
    let outcome = |k: u32| if k.is_multiple_of(3) { -1.0 } else { 0.75 };
    let xs: Vec<f64> = (0..60).map(outcome).collect();
    for x in &xs {
        arena.round(&[(0, *x), (1, -*x)]);
    }
    let (cross, trials) = (arena.promoter.cross_variance(), arena.promoter.trials());
    let told = arena.promoter.statistics(SEAT, cross);
    let record = Record::of(&xs, &Terms { trials, ..Terms::default() });
    let plain = &record.plain;
    for (name, got, want) in [
        ("sd", told.sd_r, plain.sd_r.0),
        ("sharpe", told.sharpe, plain.sharpe.0),
        ("psr", told.psr, plain.psr.0),
        ("dsr", told.dsr, plain.dsr.0),
        ("track record", told.min_track_record, plain.min_track_record.0),
        ("payoff", told.payoff_ratio, plain.payoff_ratio.0),
        ("low", told.win_rate_low, plain.win_rate_low.0),
        ("high", told.win_rate_high, plain.win_rate_high.0),
        ("decay", told.decay, record.watch.decay.0),
        ("drawdown", Some(told.drawdown_r), record.watch.drawdown_r.0),
    ] {
        assert!(got.is_some_and(|got| (got - want).abs() < 1e-9), "{name}: {got:?}, {want}");
    }
    // Two ratios of the same size either side of 0: their variance is twice the square.
    let ratio = plain.sharpe.0;
    assert!((cross.unwrap() - 2.0 * ratio * ratio).abs() < 1e-12);
    let deflated = arena.promoter.statistics(SeatIdx(1), cross).dsr_cross.unwrap();
    assert!(deflated < 0.01 && told.dsr_cross.unwrap() < told.psr.unwrap(), "{deflated}, {told:?}");
    // A drawdown of 1 R is 10 of a capital of 10,000.
    assert!((told.max_drawdown_pct.unwrap() - 0.1).abs() < 1e-9, "{told:?}");
    let idle = arena.promoter.statistics(SeatIdx(2), cross);
    let nothing = [idle.sd_r, idle.sharpe, idle.sortino, idle.psr, idle.dsr, idle.dsr_cross, idle.calmar];
    assert_eq!(nothing, [None; 7], "undefined is null");
    assert!(idle.failing_gates.len() >= 2 && idle.days.is_none());
}

#[test]
fn the_expected_days_heed_every_gate_that_time_can_open() {
    let days = |rules: PromotionConfig| {
        let mut arena = Arena::new(&rules, 1);
        for k in 0..60 {
            arena.round(&[(0, if k % 5 < 2 { -1.0 } else { 1.0 })]);
        }
        let told = arena.promoter.explain(SEAT, arena.time);
        (told.expected_days_to_decision, told.expected_days_low, told.expected_days_high)
    };
    let (plain, low, _) = days(config());
    let plain = plain.unwrap();
    assert!(low.unwrap() < plain);
    // A mean of 0.2 R brings a deflated ratio of 0.99999999 later than the evidence.
    assert!(days(PromotionConfig { min_dsr: 0.999_999_99, ..config() }).0.unwrap() > 1.5 * plain);
    assert!(days(PromotionConfig { min_lcb_r: 0.1, ..config() }).0.unwrap() > 1.5 * plain);
    assert_eq!(days(PromotionConfig { min_lcb_r: 0.3, ..config() }).0, None, "beyond its mean");
    assert_eq!(days(PromotionConfig { max_paper_drawdown_r: Some(1.5), ..config() }).0, None, "it was deeper");
}
