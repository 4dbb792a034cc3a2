//! What the fuzz targets do with any bytes, as plain functions: the crate `arena-fuzz` feeds them from libFuzzer, and
//! `tests/fuzz_targets.rs` of the arena from its own generator.

use arena::lightstreamer::frame::Frame;
use arena::lightstreamer::session::{Action, Event};
use arena::lightstreamer::values::{ITEM_BYTES_MAX, Item};
use arena::lightstreamer::{Credentials, Delivery, Mode, Session, Subscription, Timing};

/// Update lines of one item: no panic, and never more memory than an item may have.
pub fn values(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut item = Item::new(3);
    for line in text.split('\n') {
        drop(Frame::parse(line));
        drop(item.apply(line));
        let held: usize = item.values().iter().flatten().map(|value| value.len()).sum();
        assert!(held <= ITEM_BYTES_MAX);
    }
}

/// What a server says, line by line, over connections that come and go: no panic, and never nothing to do without having
/// said that it is over.
pub fn session(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let credentials = Credentials { user: None, password: "p".into() };
    let mut session = Session::new(credentials, None, Timing::default(), 1);
    let (mut now, mut connection, mut is_over) = (0, 0, false);
    let mut step = |session: &mut Session, now: u64, event: Event<'_>| {
        let mut out = Vec::new();
        session.handle(now, event, &mut out);
        for action in out {
            match action {
                Action::Connect(number, _) => connection = number,
                Action::Deliver(Delivery::Ended(_) | Delivery::CredentialsRefused(_)) => is_over = true,
                _ => {}
            }
        }
        (connection, is_over)
    };
    let wanted = Subscription {
        items: vec!["A".into(), "B".into()],
        fields: vec!["X".into(), "Y".into()],
        mode: Mode::Merge,
        adapter: None,
        wants_snapshot: true,
        silent_after_millis: Some(1_000),
    };
    step(&mut session, now, Event::Subscribe(1, wanted));
    let (mut socket, _) = step(&mut session, now, Event::Start);
    (socket, _) = step(&mut session, now, Event::Connected(socket));
    for line in text.split('\n') {
        now += 100;
        let event = match line {
            "!cut" => Event::Closed(socket, "cut".into()),
            "!connected" => Event::Connected(socket),
            "!tick" => {
                now = now.max(session.next_wake().unwrap_or(now));
                Event::Tick
            }
            line => Event::Line(socket, line),
        };
        let over;
        (socket, over) = step(&mut session, now, event);
        assert!(over || session.next_wake().is_some());
    }
}
