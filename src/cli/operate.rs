//! Commands that tell a running arena to do something.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::output::{Failure, print, print_json};
use super::{Client, DealingArgs, LifecycleArgs, PromoteArgs, ReachArgs, Shared, block_on};
use crate::control::Done;

pub(super) fn promote(shared: &Shared, args: PromoteArgs) -> Result<(), Failure> {
    let body = json!({ "reason": args.reason, "override": args.is_override });
    tell(shared, &args.reach, &["models", &args.model, "promote"], &body)
}

pub(super) fn demote(shared: &Shared, args: LifecycleArgs) -> Result<(), Failure> {
    tell(shared, &args.reach, &["models", &args.model, "demote"], &json!({ "reason": args.reason }))
}

pub(super) fn retire(shared: &Shared, args: LifecycleArgs) -> Result<(), Failure> {
    tell(shared, &args.reach, &["models", &args.model, "retire"], &json!({ "reason": args.reason }))
}

pub(super) fn halt(shared: &Shared, args: DealingArgs) -> Result<(), Failure> {
    tell(shared, &args.reach, &["halt"], &json!({ "reason": args.reason }))
}

pub(super) fn resume(shared: &Shared, args: DealingArgs) -> Result<(), Failure> {
    tell(shared, &args.reach, &["resume"], &json!({ "reason": args.reason }))
}

pub(super) fn open_budget(shared: &Shared, args: DealingArgs) -> Result<(), Failure> {
    tell(shared, &args.reach, &["budget"], &json!({ "reason": args.reason }))
}

pub(super) fn reload(shared: &Shared, reach: &ReachArgs) -> Result<(), Failure> {
    tell(shared, reach, &["reload"], &json!({}))
}

fn tell(shared: &Shared, reach: &ReachArgs, path: &[&str], body: &Value) -> Result<(), Failure> {
    let client = Client::operating(reach, shared)?;
    let done: Done = block_on(client.post(path, body))?;
    if shared.json { print_json(&done) } else { print(&done_text(&done)) }
}

pub(super) fn done_text(done: &Done) -> String {
    let mut text = String::new();
    for change in &done.changes {
        writeln!(text, "{}: {} -> {}, {}", change.model, change.from.word(), change.to.word(), change.reason)
            .expect("strings take what is written to them");
    }
    for note in &done.notes {
        text.push_str(note);
        text.push('\n');
    }
    if text.is_empty() { "done\n".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SeatIdx;
    use crate::flow::{Change, State};

    #[test]
    fn what_was_done_is_told_line_by_line() {
        let change = Change {
            time: "2014-05-01T00:00:00Z".parse().unwrap(),
            seat: SeatIdx(1),
            model: "m".into(),
            from: State::Eligible,
            to: State::Live,
            reason: "asked by the operator".to_owned(),
        };
        let done = Done { changes: vec![change], notes: vec!["2 live positions closed".to_owned()] };
        assert_eq!(done_text(&done), "m: eligible -> live, asked by the operator\n2 live positions closed\n");
        assert_eq!(done_text(&Done::default()), "done\n");
    }
}
