//! Any bytes as what a server says, line by line, over connections that come and go: no panic, and never nothing to do
//! without having said that it is over.
//! `cargo +nightly fuzz run session`

#![no_main]

use arena::lightstreamer::session::{Action, Event};
use arena::lightstreamer::{Credentials, Delivery, Mode, Session, Subscription, Timing};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
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
});
