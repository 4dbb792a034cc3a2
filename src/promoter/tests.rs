//! The promoter from outside: lives of candidates, worked by hand or held against another way to the same end.

use proptest::prelude::*;

use super::*;
use crate::config::{PromotionConfig, PromotionMode};
use crate::control::ControlError;
use crate::domain::{ContentHash, Episode, Money, Price, SeatIdx, Size, UtcMicros};
use crate::flow::{Change, State, Verdict};

pub(super) fn config() -> PromotionConfig {
    PromotionConfig { min_days: 0, min_active_days: 0, min_dsr: 0.0, ..PromotionConfig::default() }
}

pub(super) const HOUR: i64 = 3_600_000_000;
pub(super) const DAY: i64 = 24 * HOUR;

fn info(seat: SeatIdx, model: &str, content: u8) -> RegisterInfo {
    RegisterInfo {
        seat,
        model: model.into(),
        content_hash: ContentHash([content; 32]),
        floor_r: 3.0,
        cap_r: 10.0,
        market: "A".to_owned(),
        rho_micros: 1e7,
    }
}

/// A promoter with its rounds an hour apart; every audit record is kept.
pub(super) struct Arena {
    pub(super) promoter: Promoter,
    pub(super) time: UtcMicros,
    numbers: Vec<u64>,
    pub(super) audit: Vec<String>,
    in_position: Vec<u32>,
}

impl Arena {
    pub(super) fn new(config: &PromotionConfig, candidates: u32) -> Self {
        let mut arena = Self {
            promoter: Promoter::new(config, "EUR", "c0ffee"),
            time: UtcMicros(0),
            numbers: Vec::new(),
            audit: Vec::new(),
            in_position: Vec::new(),
        };
        for seat in 0..candidates {
            arena.add(&format!("m{seat}"), u8::try_from(seat % 256).unwrap());
        }
        arena
    }

    pub(super) fn add(&mut self, model: &str, content: u8) -> SeatIdx {
        self.add_in(model, "A", content)
    }

    pub(super) fn add_in(&mut self, model: &str, market: &str, content: u8) -> SeatIdx {
        let seat = SeatIdx(u32::try_from(self.numbers.len()).unwrap());
        self.numbers.push(0);
        let info = RegisterInfo { market: market.to_owned(), ..info(seat, model, content) };
        self.promoter.register(self.time, &info);
        self.promoter.on_warm(seat, self.time);
        seat
    }

    pub(super) fn episode(&mut self, seat: u32, x: f64) -> Episode {
        let number = &mut self.numbers[seat as usize];
        *number += 1;
        Episode {
            seat: SeatIdx(seat),
            number: *number,
            made: UtcMicros(self.time.0 + HOUR / 8),
            opened: UtcMicros(self.time.0 + HOUR / 4),
            closed: UtcMicros(self.time.0 + HOUR / 2),
            open_level: Price::ZERO,
            close_level: Price::ZERO,
            profit: Money::from_micros(1_000_000),
            costs: Money::ZERO,
            rho_micros: 1e7,
            x,
        }
    }

    /// One round, an hour later, in which these outcomes came.
    pub(super) fn round(&mut self, outcomes: &[(u32, f64)]) -> Vec<Change> {
        let mut episodes: Vec<_> = outcomes.iter().map(|(seat, x)| self.episode(*seat, *x)).collect();
        self.time.0 += HOUR;
        let busy = &self.in_position;
        let changes = self.promoter.on_round(self.time, &mut episodes, |seat| !busy.contains(&seat.0));
        self.audit.extend(self.promoter.take_audit());
        changes
    }

    /// Wins of one R until a change comes.
    pub(super) fn win(&mut self, seat: u32) -> Vec<Change> {
        for _ in 0..1_000 {
            let changes = self.round(&[(seat, 1.0)]);
            if !changes.is_empty() {
                return changes;
            }
        }
        panic!("a thousand wins changed nothing");
    }

    pub(super) fn state(&self, seat: u32) -> State {
        self.promoter.state(SeatIdx(seat))
    }

    pub(super) fn verified(&mut self) -> VerifyReport {
        self.audit.extend(self.promoter.take_audit());
        verify(self.audit.iter().cloned()).unwrap()
    }
}

pub(super) fn steps(changes: &[Change]) -> Vec<(u32, State, State)> {
    changes.iter().map(|change| (change.seat.0, change.from, change.to)).collect()
}

#[test]
fn a_winner_goes_from_warming_to_live_and_its_record_bears_it_out() {
    let mut arena = Arena::new(&config(), 2);
    assert!(arena.promoter.is_quiet());
    let changes = arena.win(0);
    assert_eq!(steps(&changes), [(0, State::Shadow, State::Eligible), (0, State::Eligible, State::Live)]);
    assert!(changes.iter().all(|change| change.time == arena.time), "stamped with the round's time");
    let row = arena.promoter.row(SeatIdx(0));
    assert_eq!((row.episodes, row.state, row.slot, row.start_wealth), (100, State::Live, Some(0), Some(0.8)));
    assert!(row.progress.unwrap() > 1.0 && row.lcb95_r.unwrap() > 0.0 && row.flags.is_empty());
    assert!(!arena.promoter.is_quiet());
    let report = arena.verified();
    assert_eq!((report.promotions, report.recomputed, report.records), (1, 1, 6));
}

#[test]
fn evidence_counts_only_what_was_opened_since_registration_and_nothing_twice() {
    let mut arena = Arena::new(&config(), 1);
    arena.time = UtcMicros(10 * HOUR);
    let seat = arena.add("late", 9);
    let mut early = arena.episode(1, 1.0);
    early.opened = UtcMicros(10 * HOUR - 1);
    let at = Episode { number: 2, opened: UtcMicros(10 * HOUR), ..early };
    arena.promoter.on_round(arena.time, &mut [early, at, at], |_| true);
    assert_eq!(arena.promoter.row(seat).episodes, 1);
    arena.promoter.on_round(arena.time, &mut [at, early], |_| true);
    assert_eq!(arena.promoter.row(seat).episodes, 1);
}

#[test]
fn order_within_a_round_is_by_closing_time_then_seat() {
    let run = |is_reversed: bool| {
        let mut arena = Arena::new(&PromotionConfig { min_episodes: 1, alpha_slots: 2, ..config() }, 2);
        for _ in 0..60 {
            let mut episodes = [arena.episode(0, 0.9), arena.episode(1, 0.8)];
            if is_reversed {
                episodes.reverse();
            }
            arena.time.0 += HOUR;
            arena.promoter.on_round(arena.time, &mut episodes, |_| true);
        }
        arena.promoter.checkpoint()
    };
    assert_eq!(run(false), run(true));
}

#[test]
fn the_best_of_the_ready_is_taken_and_the_next_waits() {
    let mut arena = Arena::new(&config(), 3);
    let mut all = Vec::new();
    for _ in 0..100 {
        all.extend(arena.round(&[(0, 0.5), (1, 1.0), (2, -0.1)]));
    }
    assert_eq!(
        steps(&all),
        [(0, State::Shadow, State::Eligible), (1, State::Shadow, State::Eligible), (1, State::Eligible, State::Live),]
    );
    let mut order = [0, 1, 2].map(SeatIdx);
    order.sort_by_key(|seat| arena.promoter.ranking(*seat));
    assert_eq!(order.map(|seat| seat.0), [1, 0, 2]);
    let refusal = arena.promoter.promote("m0", arena.time, None, false, true).unwrap_err();
    assert_eq!(refusal, ControlError::Refused("no live slot is free: m1 must be demoted first".to_owned()));

    // The slot is free again, but the next in line is in a position: it waits for its flat point.
    arena.promoter.demote("m1", arena.time, Some("enough")).unwrap();
    arena.in_position = vec![0];
    assert_eq!(arena.round(&[]), []);
    assert_eq!(arena.state(0), State::Eligible);
    assert!(!arena.promoter.is_quiet());
    arena.in_position.clear();
    assert_eq!(steps(&arena.round(&[])), [(0, State::Eligible, State::Live)]);
    let report = arena.verified();
    assert_eq!((report.promotions, report.demotions, report.recomputed), (2, 1, 3));
}

#[test]
fn an_eligible_candidate_that_no_longer_passes_goes_back() {
    let mut arena = Arena::new(&PromotionConfig { mode: PromotionMode::Manual, ..config() }, 1);
    assert_eq!(steps(&arena.win(0)), [(0, State::Shadow, State::Eligible)]);
    let mut changes = Vec::new();
    while changes.is_empty() {
        changes = arena.round(&[(0, -1.0)]);
    }
    assert_eq!(steps(&changes), [(0, State::Eligible, State::Shadow)]);
    assert_eq!(changes[0].reason, "no longer passes G1 evidence, G8 family bound");
    assert!(arena.promoter.is_quiet());
    arena.verified();
}

#[test]
fn manual_waits_for_the_operator_and_off_lets_nobody_through() {
    let mut arena = Arena::new(&PromotionConfig { mode: PromotionMode::Manual, ..config() }, 1);
    arena.win(0);
    assert_eq!(arena.round(&[]), []);
    let changes = arena.promoter.promote("m0", arena.time, None, false, true).unwrap();
    assert_eq!(steps(&changes), [(0, State::Eligible, State::Live)]);
    assert_eq!(arena.verified().promotions, 1);

    let mut arena = Arena::new(&PromotionConfig { mode: PromotionMode::Off, ..config() }, 1);
    for _ in 0..200 {
        assert_eq!(arena.round(&[(0, 1.0)]), []);
    }
    let refusal = arena.promoter.promote("m0", arena.time, None, false, true).unwrap_err();
    assert_eq!(refusal, ControlError::Refused("[promotion] mode is off".to_owned()));
}

#[test]
fn promote_names_the_gates_it_misses_and_obeys_an_override_with_a_reason_for_ever_marked() {
    let mut arena = Arena::new(&PromotionConfig { min_days: 30, ..config() }, 1);
    arena.round(&[(0, 1.0)]);
    let promoter = &mut arena.promoter;
    assert_eq!(
        promoter.promote("m0", arena.time, Some("please"), false, true).unwrap_err(),
        ControlError::Refused("m0 misses G1 evidence, G2 episodes, G3 days, G8 family bound, G9 top share".to_owned())
    );
    for reason in [None, Some("  ")] {
        assert!(matches!(promoter.promote("m0", arena.time, reason, true, true), Err(ControlError::Invalid(_))));
    }
    // In a position: it waits, and the round that finds it flat promotes it.
    assert_eq!(promoter.promote("m0", arena.time, Some("a hunch"), true, false), Ok(vec![]));
    assert!(!promoter.is_quiet());
    arena.in_position = vec![0];
    assert_eq!(arena.round(&[]), []);
    arena.in_position.clear();
    let changes = arena.round(&[]);
    assert_eq!((steps(&changes), changes[0].reason.as_str()), (vec![(0, State::Shadow, State::Live)], "a hunch"));
    arena.promoter.demote("m0", arena.time, None).unwrap();
    assert_eq!(arena.promoter.row(SeatIdx(0)).flags, ["override"], "a new generation is marked as well");
    arena.promoter.retire("m0", arena.time, None).unwrap();
    let again = arena.add("m0", 0);
    assert_eq!(arena.promoter.row(again).flags, ["override"], "and so is one that comes back");
    assert_eq!(arena.verified().promotions, 1);
}

#[test]
fn names_that_are_none_are_answered_with_what_there_is() {
    let mut arena = Arena::new(&config(), 0);
    arena.add("momentum:lookback=3", 1);
    arena.add("momentum:lookback=5", 2);
    arena.add("coin", 3);
    let near = |name: &str, arena: &Arena| match arena.promoter.seat_of(name) {
        Err(ControlError::NoSuchModel { candidates, .. }) => candidates,
        other => panic!("{other:?}"),
    };
    assert_eq!(near("momentum", &arena), ["momentum:lookback=3", "momentum:lookback=5"]);
    assert_eq!(near("coim", &arena), ["coin"]);
    assert!(near("zzz", &arena).is_empty());
    assert_eq!(arena.promoter.seat_of("coin"), Ok(SeatIdx(2)));
    let refusal = arena.promoter.demote("coin", arena.time, None).unwrap_err();
    assert_eq!(refusal, ControlError::Refused("coin is shadow, not live".to_owned()));
}

#[test]
fn a_demoted_candidate_starts_again_and_waits() {
    let mut arena = Arena::new(&config(), 1);
    arena.win(0);
    let demoted_at = arena.time;
    let changes = arena.promoter.demote("m0", demoted_at, Some("a new year")).unwrap();
    assert_eq!(steps(&changes), [(0, State::Live, State::Shadow)]);
    let row = arena.promoter.row(SeatIdx(0));
    assert_eq!((row.generation, row.episodes, row.slot, row.start_wealth), (1, 0, Some(1), Some(0.8)));
    assert_eq!(arena.promoter.trials(), 2);
    // What was open at the demotion is no evidence of the new generation.
    let mut open = arena.episode(0, 1.0);
    open.opened = demoted_at;
    arena.promoter.on_round(arena.time, &mut [open], |_| true);
    assert_eq!(arena.promoter.row(SeatIdx(0)).episodes, 0);
    // An hour an episode: 14 days are 336 rounds, 100 episodes would otherwise be enough.
    let changes = arena.win(0);
    assert_eq!(steps(&changes).last(), Some(&(0, State::Eligible, State::Live)));
    assert_eq!(arena.time.0 - demoted_at.0, 14 * DAY);
    let gates = arena.promoter.explain(SeatIdx(0), arena.time).gates;
    let cooldown: Vec<_> =
        gates.iter().filter(|gate| gate.gate.starts_with("G11")).map(|gate| (gate.value, gate.limit)).collect();
    assert_eq!(cooldown, [(Some(14.0), Some(14.0)), (Some(336.0), Some(50.0)), (Some(1.0), Some(2.0))]);
    assert_eq!(arena.verified().demotions, 1);
}

#[test]
fn a_lineage_comes_back_no_more_often_than_allowed() {
    let mut arena = Arena::new(&PromotionConfig { cooldown_days: 0, max_reentries: 1, ..config() }, 1);
    for generation in 0..2 {
        arena.win(0);
        arena.promoter.demote("m0", arena.time, None).unwrap();
        assert_eq!(arena.promoter.row(SeatIdx(0)).generation, generation + 1);
    }
    for _ in 0..300 {
        assert_eq!(arena.round(&[(0, 1.0)]), []);
    }
    // Other content under the same name does not escape it.
    arena.promoter.retire("m0", arena.time, None).unwrap();
    let other = arena.add("m0", 77);
    for _ in 0..300 {
        assert_eq!(arena.round(&[(other.0, 1.0)]), []);
    }
    assert_eq!(arena.promoter.explain(other, arena.time).expected_days_to_decision, None);
    assert_eq!(
        arena.promoter.promote("m0", arena.time, None, false, true).unwrap_err(),
        ControlError::Refused("m0 misses G11 reentries".to_owned())
    );
}

#[test]
fn a_floor_breach_demotes_at_once_and_bars_the_content_for_good() {
    let mut arena = Arena::new(&config(), 2);
    arena.win(0);
    let changes = arena.round(&[(0, -3.5)]);
    assert_eq!(steps(&changes), [(0, State::Live, State::Shadow)]);
    assert_eq!(changes[0].reason, "an outcome of -3.500 R broke the floor of -3 R");
    let row = arena.promoter.row(SeatIdx(0));
    assert_eq!((row.generation, row.slot, row.log10_e), (1, None, None));
    assert_eq!(row.flags, ["no_slot", "floor_breach"]);
    arena.round(&[(1, -4.0)]);
    let row = arena.promoter.row(SeatIdx(1));
    assert_eq!((row.state, row.slot, row.lcb95_r), (State::Shadow, None, None));
    assert_eq!(row.flags, ["floor_breach"]);
    for _ in 0..300 {
        assert_eq!(arena.round(&[(0, 1.0), (1, 1.0)]), []);
    }
    arena.verified();
}

#[test]
fn an_outcome_that_is_no_number_is_refused_and_blocks() {
    let mut arena = Arena::new(&config(), 1);
    arena.round(&[(0, f64::NAN)]);
    for _ in 0..300 {
        assert_eq!(arena.round(&[(0, 1.0)]), []);
    }
    let row = arena.promoter.row(SeatIdx(0));
    assert_eq!((row.episodes, row.flags), (300, vec!["data".to_owned()]));
    assert_eq!(arena.promoter.explain(SeatIdx(0), arena.time).expected_days_to_decision, None);
}

#[test]
fn generations_rise_when_content_comes_back_and_not_on_restart() {
    let mut arena = Arena::new(&config(), 1);
    let info = info(SeatIdx(0), "m0", 0);
    assert_eq!(arena.promoter.register(arena.time, &info), 0, "a restart");
    assert_eq!(arena.promoter.trials(), 1);
    let changes = arena.promoter.retire_removed(arena.time, |_, _| false);
    assert_eq!(steps(&changes), [(0, State::Shadow, State::Retired)]);
    assert_eq!(arena.promoter.retire_removed(arena.time, |_, _| false), []);
    let changed = RegisterInfo { seat: SeatIdx(1), content_hash: ContentHash([5; 32]), ..info.clone() };
    assert_eq!(arena.promoter.register(arena.time, &changed), 0, "another content is another identity");
    arena.promoter.retire_removed(arena.time, |_, content| *content != ContentHash([5; 32]));
    let back = RegisterInfo { seat: SeatIdx(2), ..info };
    assert_eq!(arena.promoter.register(arena.time, &back), 1, "the first content is back");
    assert_eq!(arena.promoter.trials(), 3, "trials are never forgotten");
    assert_eq!(arena.promoter.seat_of("m0"), Ok(SeatIdx(2)));
    arena.verified();
}

#[test]
fn more_candidates_than_slots_leaves_the_rest_without_evidence() {
    let mut arena = Arena::new(&PromotionConfig { alpha_slots: 2, ..config() }, 3);
    for _ in 0..300 {
        arena.round(&[(2, 1.0)]);
    }
    let row = arena.promoter.row(SeatIdx(2));
    assert_eq!((row.episodes, row.log10_e, row.progress, row.state), (300, None, None, State::Shadow));
    assert_eq!(row.flags, ["no_slot"]);
    assert!(row.lcb95_r.unwrap() > 0.5, "it has every statistic");
    let explained = arena.promoter.explain(SeatIdx(2), arena.time);
    assert_eq!((explained.gates[0].value, explained.gates[0].verdict), (None, Verdict::Fail));
    assert_eq!(explained.expected_days_to_decision, None);
    // A slot that is freed goes to the next who registers.
    arena.promoter.retire("m0", arena.time, None).unwrap();
    let next = arena.add("m3", 3);
    let row = arena.promoter.row(next);
    assert_eq!((row.slot, row.start_wealth), (Some(0), Some(start_wealth(0.8, 2))));
    arena.verified();
}

#[test]
fn a_suspended_champion_leaves_the_live_slot() {
    let mut arena = Arena::new(&config(), 2);
    for _ in 0..100 {
        arena.round(&[(0, 1.0), (1, 0.9)]);
    }
    assert_eq!((arena.state(0), arena.state(1)), (State::Live, State::Eligible));
    let changes = arena.promoter.on_suspended(SeatIdx(0), arena.time, "panicked");
    assert_eq!(steps(&changes), [(0, State::Live, State::Suspended)]);
    assert_eq!(arena.promoter.on_suspended(SeatIdx(0), arena.time, "again"), []);
    assert_eq!(steps(&arena.round(&[])), [(1, State::Eligible, State::Live)]);
    assert_eq!(arena.promoter.live().collect::<Vec<_>>(), [SeatIdx(1)]);
    let refusal = arena.promoter.promote("m0", arena.time, Some("now"), true, true).unwrap_err();
    assert_eq!(refusal, ControlError::Refused("m0 is suspended".to_owned()));
    arena.verified();
}

#[test]
fn passing_must_be_confirmed_in_a_row() {
    let mut arena = Arena::new(&PromotionConfig { confirm_events: 3, ..config() }, 1);
    arena.win(0);
    assert_eq!(arena.promoter.row(SeatIdx(0)).episodes, 102);
    arena.verified();
}

#[test]
fn a_new_configuration_takes_effect_or_is_refused_by_its_keys() {
    let mut arena = Arena::new(&PromotionConfig { mode: PromotionMode::Manual, ..config() }, 1);
    arena.win(0);
    let refusal = arena
        .promoter
        .reconfigure(arena.time, &PromotionConfig { alpha: 0.1, bets: 6, ..config() }, "beef")
        .unwrap_err();
    assert!(refusal.to_string().contains("alpha, bets cannot change"), "{refusal}");
    let off = PromotionConfig { mode: PromotionMode::Off, ..config() };
    let changes = arena.promoter.reconfigure(arena.time, &off, "beef").unwrap();
    assert_eq!(steps(&changes), [(0, State::Eligible, State::Shadow)]);
    assert_eq!(arena.promoter.reconfigure(arena.time, &off, "beef").unwrap(), []);
    arena.promoter.reconfigure(arena.time, &config(), "cafe").unwrap();
    assert_eq!(steps(&arena.round(&[(0, 1.0)])).last(), Some(&(0, State::Eligible, State::Live)));
    arena.verified();
}

#[test]
fn live_size_is_the_first_step_of_the_ramp_within_its_bounds() {
    let of = |step: f64, size: &str, least: &str| {
        let arena = Arena::new(&PromotionConfig { ramp: vec![step, 1.0], ..config() }, 1);
        arena.promoter.live_size(SeatIdx(0), size.parse::<Size>().unwrap(), least.parse::<Size>().unwrap()).to_string()
    };
    assert_eq!(of(0.25, "1", "0.1"), "0.25");
    assert_eq!(of(0.25, "1", "0.5"), "0.5", "at least what the market deals");
    assert_eq!(of(0.25, "0.3", "0.5"), "0.3", "never above its own");
    assert_eq!(of(0.29, "100", "0.1"), "29");
    assert_eq!(of(0.25, "0.000007", "0.000001"), "0.000001", "rounded down");
}

#[test]
fn expected_days_shrink_as_evidence_comes_in() {
    let mut arena = Arena::new(&PromotionConfig { min_days: 30, ..config() }, 2);
    for _ in 0..50 {
        arena.round(&[(0, 0.4), (1, -0.1)]);
    }
    let days = |arena: &Arena, seat| arena.promoter.explain(SeatIdx(seat), arena.time).expected_days_to_decision;
    let before = days(&arena, 0).unwrap();
    assert!((before - (30.0 - 49.75 / 24.0)).abs() < 1e-9, "the calendar is the slowest gate: {before}");
    assert_eq!(days(&arena, 1), None, "a loser never gets there");
    assert_eq!(Arena::new(&config(), 1).promoter.explain(SeatIdx(0), UtcMicros(0)).expected_days_to_decision, None);
    arena.time.0 += 40 * DAY;
    for _ in 0..150 {
        arena.round(&[(0, 0.4)]);
    }
    assert!(arena.state(0) == State::Live || days(&arena, 0).unwrap() < before);
}

/// Outcomes of three candidates, one of them good, with refusals and operators in between.
fn busy(arena: &mut Arena, from: u32, to: u32) {
    for i in from..to {
        let wave = f64::from(i % 7) / 7.0;
        let mut outcomes = vec![(0, if i % 4 == 0 { -1.0 } else { 1.0 }), (1, 0.8 - wave * 1.5)];
        if i % 3 == 0 {
            outcomes.push((2, wave - 0.9));
        }
        arena.round(&outcomes);
        if i == 250 {
            arena.promoter.demote("m0", arena.time, None).unwrap();
        }
    }
}

#[test]
fn a_restored_promoter_goes_on_bit_by_bit() {
    let config = PromotionConfig { alpha_slots: 3, ..config() };
    let mut whole = Arena::new(&config, 3);
    busy(&mut whole, 0, 700);
    for cut in [1, 130, 251, 699] {
        let mut arena = Arena::new(&config, 3);
        busy(&mut arena, 0, cut);
        arena.promoter = Promoter::restore(&arena.promoter.checkpoint()).unwrap();
        busy(&mut arena, cut, 700);
        assert_eq!(arena.promoter.checkpoint(), whole.promoter.checkpoint(), "cut at {cut}");
        assert_eq!(arena.audit, whole.audit, "cut at {cut}");
    }
    assert!(whole.verified().promotions >= 1);
}

#[test]
fn a_lean_checkpoint_and_the_ledger_give_the_same_promoter() {
    let mut arena = Arena::new(&config(), 2);
    let mut ledger = Vec::new();
    for _ in 0..40 {
        let mut episodes = vec![arena.episode(0, 0.5), arena.episode(1, f64::NAN), arena.episode(1, -0.5)];
        arena.time.0 += HOUR;
        arena.promoter.on_round(arena.time, &mut episodes, |_| true);
        ledger.extend(episodes);
    }
    let lean = arena.promoter.checkpoint_without_episodes();
    let of = |seat| ledger.iter().copied().filter(|e| e.seat == seat).collect::<Vec<_>>();
    let back = Promoter::restore_with(&lean, of).unwrap();
    assert_eq!(back.checkpoint(), arena.promoter.checkpoint());
    assert!(lean.len() < arena.promoter.checkpoint().len());
    let error = Promoter::restore_with(&lean, |_| Vec::new()).unwrap_err();
    assert!(error.to_string().contains("m0 counted 40 episodes, its ledger has 0"), "{error}");
}

#[test]
fn bytes_that_are_no_checkpoint_are_refused() {
    let good = Arena::new(&config(), 2).promoter.checkpoint();
    assert_eq!(Promoter::restore(&[9, 9]).unwrap_err(), RestoreError::Version { got: 9 });
    for bytes in [&[][..], &good[..1], &good[..good.len() / 2]] {
        assert!(matches!(Promoter::restore(bytes), Err(RestoreError::Corrupt(_))), "{}", bytes.len());
    }
}

mod chain {
    use super::*;

    fn records() -> Vec<String> {
        let mut arena = Arena::new(&config(), 2);
        arena.win(0);
        arena.promoter.demote("m0", arena.time, None).unwrap();
        arena.verified();
        arena.audit
    }

    fn fault(records: Vec<String>) -> VerifyError {
        verify(records.into_iter()).unwrap_err()
    }

    /// Records with `from` written as `to` in one of them and every hash made to fit again.
    fn forged(at: usize, from: &str, to: &str) -> Vec<String> {
        let mut prev = GENESIS.to_owned();
        let mut forged = Vec::new();
        for (i, record) in records().into_iter().enumerate() {
            let mut record: serde_json::Value = serde_json::from_str(&record).unwrap();
            if i == at {
                let body = record["body"].to_string();
                assert!(body.contains(from), "{from} is not in {body}");
                record["body"] = serde_json::from_str(&body.replacen(from, to, 1)).unwrap();
            }
            let signed = super::super::audit::signed_text(i as u64 + 1, &prev, &record["body"]);
            prev = super::super::audit::hex(signed.as_bytes());
            forged.push(format!("{},\"hash\":\"{prev}\"}}", &signed[..signed.len() - 1]));
        }
        forged
    }

    #[test]
    fn the_first_record_that_is_altered_missing_or_moved_is_named() {
        let records = records();
        assert_eq!(records.len(), 7);
        let edited = |at: usize, f: &dyn Fn(&mut Vec<String>)| {
            let mut copy = records.clone();
            f(&mut copy);
            (at, fault(copy)).1
        };
        assert_eq!(edited(2, &|r| r[2] = r[2].replace("m1", "mx")), VerifyError::Altered { seq: 3 });
        assert_eq!(edited(5, &|r| r[5] = r[5].replacen("\"0.8\"", "\"0.9\"", 1)), VerifyError::Altered { seq: 6 });
        assert_eq!(edited(1, &|r| drop(r.remove(1))), VerifyError::Missing { expected: 2, got: 3 });
        assert_eq!(edited(0, &|r| drop(r.remove(0))), VerifyError::Missing { expected: 1, got: 2 });
        assert_eq!(edited(3, &|r| r.insert(3, r[1].clone())), VerifyError::OutOfOrder { expected: 4, got: 2 });
        assert!(matches!(edited(3, &|r| r[3] = "{}".to_owned()), VerifyError::Malformed { place: 4, .. }));
        assert!(matches!(edited(3, &|r| r[3].truncate(50)), VerifyError::Malformed { place: 4, .. }));
    }

    /// Without the last bits of floats and the hashes over them, which may differ from one maths library to another.
    fn rounded(value: &serde_json::Value) -> serde_json::Value {
        use serde_json::Value;
        match value {
            Value::String(text) if text.len() == 64 => "(64 digits)".into(),
            Value::String(text) if text.contains('.') => {
                text.parse::<f64>().map_or_else(|_| value.clone(), |x| format!("{x:.6}").into())
            }
            Value::Array(items) => items.iter().map(rounded).collect(),
            Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), rounded(value))).collect(),
            other => other.clone(),
        }
    }

    #[test]
    fn the_shape_of_a_promotion_record_is_kept() {
        let tiny = PromotionConfig { alpha: 0.4, alpha_slots: 1, slot_first_share: 0.9, min_episodes: 2, ..config() };
        let mut arena = Arena::new(&PromotionConfig { bets: 2, ..tiny }, 1);
        arena.win(0);
        let record: serde_json::Value = serde_json::from_str(arena.audit.last().unwrap()).unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(&rounded(&record)).unwrap());
    }

    #[test]
    fn a_record_replaced_whole_breaks_the_link_behind_it() {
        let mut records = records();
        records[2] = forged(2, "\"reason\":\"", "\"reason\":\"so ")[2].clone();
        assert_eq!(fault(records), VerifyError::Unlinked { seq: 4 });
    }

    #[test]
    fn a_chain_forged_with_fitting_hashes_fails_where_a_decision_does_not_follow() {
        // Record 6 is the promotion: a hundred wins of one R.
        for (from, to, what) in [
            ("\"10000000.0\",\"1.0\"]", "\"10000000.0\",\"0.9\"]", "sums"),
            ("\"confirmed\":1", "\"confirmed\":0", "does not pass every gate"),
            ("\"is_passed\":true", "\"is_passed\":false", "verdict of G1 evidence"),
            ("\"min_episodes\":100", "\"min_episodes\":101", "verdict of G2 episodes"),
            ("\"start_wealth\":\"0.8\"", "\"start_wealth\":\"0.9\"", "start wealth"),
            ("\"alpha\":\"0.05\"", "\"alpha\":\"0.04\"", "threshold"),
            ("\"active_days\":5", "\"active_days\":6", "days"),
            ("\"ready\":[{", "\"ready\":[],\"spare\":[{", "not among the ready"),
        ] {
            match fault(forged(5, from, to)) {
                VerifyError::Decision { seq: 6, model, what: found } => {
                    assert_eq!(model, "m0");
                    assert!(found.contains(what), "{from}: {found}");
                }
                other => panic!("{from}: {other}"),
            }
        }
        assert_eq!(verify(forged(5, "\"", "\"").into_iter()).unwrap().recomputed, 2, "unforged, it holds");
    }

    #[test]
    fn wall_time_and_a_reader_that_prints_again_change_nothing() {
        let records: Vec<String> = records()
            .iter()
            .map(|record| serde_json::from_str::<serde_json::Value>(record).unwrap().to_string())
            .map(|record| with_wall_time(&record, UtcMicros(5)))
            .collect();
        let report = verify(records.into_iter()).unwrap();
        assert_eq!((report.records, report.promotions, report.demotions, report.recomputed), (7, 1, 1, 2));
        assert_eq!(verify(std::iter::empty()).unwrap().last_hash, GENESIS);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever passes stricter gates passes weaker ones no later.
    #[test]
    fn adding_a_gate_never_adds_a_promotion(
        xs in prop::collection::vec(-1.0f64..1.5, 100..400), min in 0u32..300, days in 0u32..15, active in 0u32..15,
    ) {
        let first = |config: &PromotionConfig| {
            let mut arena = Arena::new(config, 1);
            xs.iter().position(|x| arena.round(&[(0, *x)]).iter().any(|change| change.to == State::Live))
        };
        let weak = PromotionConfig { min_episodes: 0, alpha_slots: 4, ..config() };
        let strict =
            PromotionConfig { min_episodes: min, min_days: days, min_active_days: active, ..weak.clone() };
        match (first(&weak), first(&strict)) {
            (None, Some(at)) => prop_assert!(false, "promoted at {} by the stricter gates alone", at),
            (Some(weak), Some(strict)) => prop_assert!(weak <= strict),
            _ => {}
        }
    }

    /// Nothing that comes in makes it panic, and every chain that comes out verifies.
    #[test]
    fn any_outcomes_leave_a_chain_that_verifies(
        xs in prop::collection::vec((0u32..3, prop_oneof![
            8 => -1.0f64..2.0, 1 => Just(0.0), 1 => -4.0f64..-2.0, 1 => Just(f64::NAN), 1 => Just(f64::INFINITY),
        ]), 0..400),
    ) {
        let mut arena = Arena::new(&PromotionConfig { min_episodes: 5, alpha_slots: 2, ..config() }, 3);
        for outcome in xs {
            arena.round(&[outcome]);
            for seat in 0..3 {
                let row = arena.promoter.row(SeatIdx(seat));
                prop_assert!(row.lcb95_r.is_none_or(f64::is_finite));
            }
        }
        arena.verified();
    }
}
