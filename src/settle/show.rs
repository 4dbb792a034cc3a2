//! The board that a settlement shows.

use std::sync::Arc;

use super::Settlement;
use crate::control::ControlError;
use crate::domain::{Micros, SeatIdx};
use crate::flow::{Board, Health, LedgerSummary, Nearness, PositionRow, Row, State, Statistics};
use crate::store::views;

impl Settlement {
    /// The board as of the last round.
    #[must_use]
    pub fn board(&self) -> Board {
        let registered = 0..u32::try_from(self.promoter.seats()).expect("an arena has fewer than 2^32 trials");
        let mut order: Vec<SeatIdx> = registered.map(SeatIdx).collect();
        order.sort_by_cached_key(|seat| self.promoter.ranking(*seat));
        let mut rows = Vec::with_capacity(order.len());
        let mut curves = Vec::with_capacity(order.len());
        let mut nearness = Vec::with_capacity(order.len());
        let (watched, variance) = (self.promoter.watch_list(), self.promoter.cross_variance());
        let mut outlooks = Vec::with_capacity(order.len());
        let mut outcomes = Vec::with_capacity(order.len());
        let waiting = self.unregistered.iter().copied();
        for (at, seat) in order.into_iter().chain(waiting).enumerate() {
            let rank = u32::try_from(at + 1).unwrap_or(u32::MAX);
            if let Some(mut row) = self.row(seat, rank) {
                row.statistics = self.statistics(seat, variance);
                if watched.contains(&seat) {
                    row.flags.push("watch".to_owned());
                }
                rows.push(Arc::new(row));
                nearness.push(self.nearness(seat).map(Arc::new));
                outcomes.push(self.outcomes.get(&seat).copied());
                outlooks.push(Arc::new(self.state(seat).map(|_| self.promoter.outlook(seat)).unwrap_or_default()));
                curves.push(Arc::new(self.summaries.get(&seat).map(|s| s.curve.clone()).unwrap_or_default()));
            }
        }
        let streams = self.config.streams();
        Board {
            arena: self.config.arena.name.clone(),
            time: self.head.time,
            rows,
            curves,
            nearness,
            outlooks,
            outcomes,
            slots: self.promoter.slot_counts(),
            lifecycle: self.lifecycle.clone(),
            desk: self.desk.view(),
            health: Health {
                from: self.from,
                to: self.to,
                quotes: self.head.quotes,
                bad_quotes: self.bad.clone(),
                bars: streams
                    .iter()
                    .zip(&self.bars)
                    .map(|((epic, resolution), count)| {
                        (self.config.market(*epic).epic.to_string(), resolution.to_string(), *count)
                    })
                    .collect(),
                rounds: self.head.rounds,
                round_micros: self.round_micros,
                is_recording: self.is_recording(),
                fault: self.recording_fault.clone(),
                notify_fault: None,
            },
            is_done: self.head.is_done,
        }
    }

    /// The seat of a name, a ticket, or the id of a paper deal.
    ///
    /// # Errors
    /// [`ControlError::NoSuchModel`] with what comes near.
    pub fn find_with_deals(&self, name: &str) -> Result<SeatIdx, ControlError> {
        views::find_with_deals(&self.roster, name).map(|entry| SeatIdx(entry.seat))
    }

    /// How often the nearness gate of a seat, if it has one, kept it from a stance.
    fn nearness(&self, seat: SeatIdx) -> Option<Nearness> {
        let lineage = self.roster.get(seat.0 as usize)?.lineage.as_ref()?;
        let (max_distance, training_share) = (lineage.max_distance?, lineage.training_abstentions);
        let (predictions, abstentions) =
            self.summaries.get(&seat).map_or((0, 0), |summary| (summary.predictions, summary.abstentions));
        let share = (predictions > 0).then(|| abstentions as f64 / predictions as f64);
        Some(Nearness { max_distance, predictions, abstentions, share, training_share })
    }

    /// The further figures of a registered seat, from evidence and ledger.
    fn statistics(&self, seat: SeatIdx, cross_variance: Option<f64>) -> Option<Statistics> {
        self.state(seat)?;
        let mut statistics = self.promoter.statistics(seat, cross_variance);
        let (ledger, candidate) = (self.summaries.get(&seat)?, self.candidates.get(&seat));
        let finite = |value: f64| value.is_finite().then_some(value);
        let rho = candidate.map_or(f64::NAN, |candidate| candidate.risk.rho_micros);
        statistics.costs_r = finite(ledger.costs.micros() as f64 / ledger.trades as f64 / rho);
        let registered = self.roster.get(seat.0 as usize)?.registered;
        let days = self.head.time.map_or(0.0, |now| (now - registered).0 as f64 / Micros::DAY.0 as f64);
        let average_equity = self.config.promotion.capital + 0.5 * ledger.equity.as_f64();
        let has_traded = days > 0.0 && average_equity > 0.0;
        statistics.turnover = finite(ledger.turnover / days / average_equity).filter(|_| has_traded);
        Some(statistics)
    }

    fn row(&self, seat: SeatIdx, rank: u32) -> Option<Row> {
        let entry = self.roster.get(seat.0 as usize)?;
        let evidence = self.state(seat).map(|_| self.promoter.row(seat));
        let empty = LedgerSummary::empty(seat);
        let ledger = self.summaries.get(&seat).unwrap_or(&empty);
        let ratio = |a: f64, b: f64| (b > 0.0).then(|| a / b);
        let mut flags = evidence.as_ref().map(|row| row.flags.clone()).unwrap_or_default();
        if let Some(candidate) = self.candidates.get(&seat).filter(|_| ledger.position.is_some()) {
            let marked = (ledger.equity - ledger.net_profit).micros() as f64 / candidate.risk.rho_micros;
            if evidence.is_some() && self.promoter.bears_open_loss(seat, marked) == Some(false) {
                flags.push("open_loss".to_owned());
            }
        }
        Some(Row {
            rank,
            model: entry.model.as_str().into(),
            ticket: entry.ticket.clone(),
            epic: entry.epic.clone(),
            state: evidence.as_ref().map_or(State::Warming, |row| row.state),
            episodes: evidence.as_ref().map_or(0, |row| row.episodes),
            wins: ledger.wins,
            net_profit: ledger.net_profit,
            currency: entry.currency.clone(),
            mean_r: evidence.as_ref().and_then(|row| row.mean_r),
            lcb95_r: evidence.as_ref().and_then(|row| row.lcb95_r),
            log10_e: evidence.as_ref().and_then(|row| row.log10_e),
            progress: evidence.as_ref().and_then(|row| row.progress),
            max_drawdown_r: evidence.as_ref().map_or(0.0, |row| row.max_drawdown_r),
            profit_factor: ratio(ledger.gross_win.as_f64(), ledger.gross_loss.as_f64()),
            win_rate: ratio(ledger.wins as f64, ledger.trades as f64),
            exposure: ledger.exposure,
            open_position: ledger.position.as_ref().map(PositionRow::from),
            flags,
            statistics: None,
        })
    }
}
