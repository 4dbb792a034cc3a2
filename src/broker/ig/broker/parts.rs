//! Closings of a deal, of parts of it and of the rest, as IG's activity tells them.

use super::{BEFORE, IgBroker, of_read};
use crate::broker::ig::deals::{price, utc};
use crate::broker::ig::wire::{ActionType, Activity, DealVerdict};
use crate::broker::{BrokerError, Deal, Exit};
use crate::domain::Size;

impl IgBroker {
    /// Every closing of a deal, oldest first.
    pub(super) async fn exits_now(&self, deal: &Deal) -> Result<Vec<Exit>, BrokerError> {
        let activity = self.rest.activity(deal.opened - BEFORE, None).await.map_err(|error| of_read(&error))?;
        Ok(exits_in(&activity, deal.id.as_str()))
    }
}

/// What of the activity closed the deal `id` or a part of it. A request that closed several deals does not tell how much
/// of each: it is left out.
fn exits_in(activity: &[Activity], id: &str) -> Vec<Exit> {
    let accepted = activity.iter().filter(|activity| activity.status != Some(DealVerdict::Rejected));
    let mut exits: Vec<(bool, Exit)> = accepted
        .filter_map(|activity| {
            let details = activity.details.as_ref()?;
            let [action] = details.actions.as_slice() else { return None };
            let is_last = match action.action_type {
                ActionType::PositionPartiallyClosed => false,
                ActionType::PositionClosed | ActionType::PositionDeleted => true,
                _ => return None,
            };
            let is_of_it = action.affected_deal_id.as_deref() == Some(id);
            let exit = Exit {
                time: utc(&activity.date)?,
                level: price(details.level?),
                size: Size::from_micros(details.size?.micros()),
            };
            is_of_it.then_some((is_last, exit))
        })
        .collect();
    exits.sort_by_key(|(is_last, exit)| (*is_last, exit.time));
    exits.into_iter().map(|(_, exit)| exit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_before_the_rest_and_rejections_are_none() {
        let line = |date: &str, kind: &str, id: &str, size: &str, level: &str, status: &str| {
            format!(
                r#"{{"date":"{date}","epic":"E","period":"DFB","dealId":"X","channel":"WEB","type":"POSITION",
                "status":"{status}","description":"","details":{{"dealReference":"r","direction":"SELL","size":{size},
                "level":{level},"actions":[{{"actionType":"{kind}","affectedDealId":"{id}"}}]}}}}"#
            )
        };
        // Newest first, as IG lists them.
        let lines = [
            line("2025-01-08T09:32:00", "POSITION_CLOSED", "DI1", "0.5", "9701.5", "ACCEPTED"),
            line("2025-01-08T09:31:30", "POSITION_CLOSED", "DI1", "1", "9700", "REJECTED"),
            line("2025-01-08T09:31:00", "POSITION_PARTIALLY_CLOSED", "DI1", "0.3", "9700.5", "ACCEPTED"),
            line("2025-01-08T09:30:30", "POSITION_PARTIALLY_CLOSED", "DI2", "0.2", "9700", "ACCEPTED"),
            line("2025-01-08T09:30:00", "POSITION_OPENED", "DI1", "0.8", "9699", "ACCEPTED"),
        ];
        let activity: Vec<Activity> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        let exit = |time: &str, level: &str, size: &str| Exit {
            time: time.parse().unwrap(),
            level: level.parse().unwrap(),
            size: size.parse().unwrap(),
        };
        assert_eq!(
            exits_in(&activity, "DI1"),
            [exit("2025-01-08T09:31:00Z", "9700.5", "0.3"), exit("2025-01-08T09:32:00Z", "9701.5", "0.5")]
        );
    }
}
