//! Overnight funding: what is open at 22:00 London is charged, long and short alike.

use crate::domain::{Money, UtcMicros, next_funding};

use crate::sim::ig::accounts::funding;
use crate::sim::ig::records::Transaction;
use crate::sim::ig::world::World;

impl World {
    /// When the next position is charged.
    pub(in crate::sim::ig) fn next_night(&self) -> Option<UtcMicros> {
        let all = self.accounts.values().flat_map(|owner| owner.positions.iter());
        all.map(|position| position.funding.0).min()
    }

    /// Charges every position whose night has come.
    pub(in crate::sim::ig) fn charge_nights(&mut self, now: UtcMicros) {
        for owner in self.accounts.values_mut() {
            let mut charges = Vec::new();
            for position in owner.positions.iter_mut().filter(|position| position.funding.0 <= now) {
                let (at, days) = position.funding;
                position.funding = next_funding(at);
                let Some(board) = self.boards.get(&position.epic) else { continue };
                let charge = funding(board, position, days);
                if charge == Money::ZERO {
                    continue;
                }
                charges.push(Transaction {
                    at,
                    opened: position.opened,
                    name: format!("Daily funding {} {}", days, board.listing.name),
                    period: board.listing.expiry.clone(),
                    amount: -charge,
                    kind: "WITH",
                    reference: position.deal_id[position.deal_id.len().saturating_sub(8)..].to_owned(),
                    deal: None,
                    decimals: board.listing.decimals(),
                });
            }
            for charge in charges {
                owner.cash += charge.amount;
                owner.book(charge);
            }
        }
    }
}
