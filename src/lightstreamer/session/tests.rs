//! The machine against a server that is played by hand, and against one that cuts connections at random.

use proptest::prelude::*;

use super::*;
use crate::lightstreamer::{Mode, Update};

const KEY: Key = 7;

fn prices() -> Subscription {
    Subscription {
        items: vec!["CHART:A:TICK".to_owned()],
        fields: vec!["BID".to_owned(), "UTM".to_owned()],
        mode: Mode::Distinct,
        adapter: Some("Pricing".to_owned()),
        wants_snapshot: true,
        silent_after_millis: None,
    }
}

struct Play {
    session: Session,
    now: u64,
    connection: u64,
    is_open: bool,
    sent: Vec<String>,
    told: Vec<Delivery>,
    waits: Vec<u64>,
}

impl Play {
    fn new() -> Self {
        let credentials = Credentials { user: Some("ABC12".to_owned()), password: "CST-a|XST-b".into() };
        let session = Session::new(credentials, None, Timing::default(), 7);
        let mut play =
            Self { session, now: 1_000, connection: 0, is_open: false, sent: vec![], told: vec![], waits: vec![] };
        play.event(Event::Start);
        play
    }

    /// A session that streams, subscribed.
    fn streaming() -> Self {
        let mut play = Self::new();
        play.event(Event::Subscribe(KEY, prices()));
        play.connect();
        play.lines(&["WSOK", "CONOK,S1,50000,5000,*", "SUBOK,1,1,2", "CONF,1,unlimited,filtered", "EOS,1,1"]);
        assert_eq!(play.take_told(), [Delivery::Opened, Delivery::Subscribed(KEY), Delivery::SnapshotEnd(KEY, 0)]);
        play.sent.clear();
        play
    }

    fn event(&mut self, event: Event<'_>) {
        let mut out = Vec::new();
        self.session.handle(self.now, event, &mut out);
        for action in out {
            match action {
                Action::Connect(number, _) => (self.connection, self.is_open) = (number, false),
                Action::Send(text) => self.sent.push(text),
                Action::Disconnect => self.is_open = false,
                Action::Deliver(delivery) => self.told.push(delivery),
            }
        }
    }

    fn connect(&mut self) {
        self.is_open = true;
        self.event(Event::Connected(self.connection));
    }

    fn lines(&mut self, lines: &[&str]) {
        for line in lines {
            self.event(Event::Line(self.connection, line));
        }
    }

    fn cut(&mut self) {
        self.is_open = false;
        self.event(Event::Closed(self.connection, "cut".to_owned()));
    }

    /// Lets time pass until something is due, and does it.
    fn wake(&mut self) {
        let at = self.session.next_wake().expect("something is due");
        self.waits.push(at.saturating_sub(self.now));
        self.now = self.now.max(at);
        self.event(Event::Tick);
    }

    /// Lets time pass on a connection that is up, until `done`, for at most two minutes.
    fn pass(&mut self, done: impl Fn(&Self) -> bool) {
        for _ in 0..240 {
            if done(self) {
                return;
            }
            self.now += 500;
            if self.now.is_multiple_of(5_000) {
                self.lines(&["PROBE"]);
            }
            if self.session.next_wake().is_some_and(|at| at <= self.now) {
                self.event(Event::Tick);
            }
        }
        panic!("two minutes have passed");
    }

    fn take_told(&mut self) -> Vec<Delivery> {
        std::mem::take(&mut self.told)
    }

    fn take_sent(&mut self) -> Vec<String> {
        std::mem::take(&mut self.sent)
    }

    /// The bids of the updates told since.
    fn take_bids(&mut self) -> Vec<String> {
        let bid = |delivery| match delivery {
            Delivery::Update(Update { values, .. }) => Some(values[0].as_deref().unwrap_or("null").to_owned()),
            _ => None,
        };
        self.take_told().into_iter().filter_map(bid).collect()
    }
}

#[test]
fn a_session_begins_as_observed_clients_begin_theirs() {
    let mut play = Play::new();
    play.event(Event::Subscribe(KEY, prices()));
    assert!(play.sent.is_empty(), "nothing before the socket is open");
    play.connect();
    assert_eq!(
        play.take_sent(),
        [
            "wsok",
            "create_session\r\nLS_keepalive_millis=5000&LS_inactivity_millis=10000&LS_send_sync=false&LS_user=ABC12\
             &LS_cid=mgQkwtwdysogQz2BJ4Ji%20kOj2Bg&LS_cause=api&LS_password=CST-a%7CXST-b",
        ]
    );
    play.lines(&["WSOK", "CONOK,S1,50000,5000,*", "SERVNAME,Lightstreamer HTTP Server", "CONS,unlimited"]);
    assert_eq!(
        play.take_sent(),
        ["control\r\nLS_reqId=1&LS_op=add&LS_subId=1&LS_mode=DISTINCT&LS_group=CHART%3AA%3ATICK&LS_schema=BID%20UTM\
          &LS_data_adapter=Pricing&LS_snapshot=true&LS_ack=false"]
    );
    play.lines(&["SUBOK,1,1,2", "CONF,1,unlimited,filtered", "U,1,1,1.1|5", "EOS,1,1", "U,1,1,1.2|"]);
    let update = |is_snapshot, changed: &[usize], bid: &str| {
        let values = vec![Some(bid.into()), Some("5".into())];
        Delivery::Update(Update { key: KEY, item: 0, is_snapshot, changed: changed.to_vec(), values })
    };
    assert_eq!(
        play.take_told(),
        [
            Delivery::Opened,
            Delivery::Subscribed(KEY),
            update(true, &[0, 1], "1.1"),
            Delivery::SnapshotEnd(KEY, 0),
            update(false, &[0], "1.2"),
        ]
    );
}

#[test]
fn no_secret_is_in_what_is_shown_of_an_action() {
    let action = Action::Send("create_session\r\nLS_password=CST-secret".to_owned());
    assert_eq!(format!("{action:?}"), "Send(\"create_session\")");
    let play = Play::new();
    assert!(!format!("{:?}", play.session).contains("CST-a"));
}

#[test]
fn a_lost_connection_is_recovered_without_loss_or_repetition() {
    let mut play = Play::streaming();
    play.lines(&["U,1,1,1|5", "U,1,1,2|"]);
    assert_eq!(play.take_bids(), ["1", "2"]);
    play.cut();
    assert_eq!(play.take_told(), [Delivery::Down("cut".to_owned())]);
    play.wake();
    play.connect();
    // SUBOK, CONF, EOS and two updates.
    assert!(play.take_sent()[1].contains("LS_session=S1") && play.sent.is_empty());
    play.cut();
    play.wake();
    play.connect();
    let bind = play.take_sent().remove(1);
    assert!(bind.starts_with("bind_session\r\n") && bind.ends_with("&LS_recovery_from=5"), "{bind}");
    play.lines(&["CONOK,S1,50000,5000,*", "PROG,3", "U,1,1,1|", "U,1,1,2|", "U,1,1,3|"]);
    assert_eq!(play.told[0], Delivery::Recovered);
    assert_eq!(play.take_bids(), ["3"], "what came before comes again, and is left out");
}

#[test]
fn a_loop_is_bound_again_on_the_same_socket() {
    let mut play = Play::streaming();
    play.lines(&["U,1,1,1|5", "LOOP,0"]);
    let sent = play.take_sent();
    assert_eq!(sent.len(), 1);
    assert!(sent[0].starts_with("bind_session\r\nLS_session=S1") && !sent[0].contains("recovery_from"), "{}", sent[0]);
    play.lines(&["CONOK,S1,50000,5000,*", "U,1,1,|6"]);
    assert_eq!(play.take_bids(), ["1", "1"], "unchanged is relative to what was before the loop");
}

#[test]
fn where_recovery_is_refused_a_new_session_says_so_and_asks_for_everything_again() {
    for refusal in ["CONERR,4,cannot recover", "CONERR,20,unknown session", "CONERR,21,elsewhere", "PROG,9"] {
        let mut play = Play::streaming();
        play.lines(&["U,1,1,1|5"]);
        play.cut();
        play.wake();
        play.connect();
        if refusal.starts_with("PROG") {
            play.lines(&["CONOK,S1,50000,5000,*"]);
        }
        play.lines(&[refusal]);
        play.take_told();
        play.wake();
        play.connect();
        assert!(play.sent.iter().any(|text| text.starts_with("create_session")), "{refusal}: {:?}", play.sent);
        play.sent.clear();
        play.lines(&["CONOK,S2,50000,5000,*"]);
        assert!(play.take_sent()[0].contains("LS_reqId=2&LS_op=add&LS_subId=1&"), "{refusal}");
        assert_eq!(play.take_told(), [Delivery::Opened]);
        play.lines(&["SUBOK,1,1,2", "U,1,1,|5"]);
        assert!(matches!(play.told.last(), Some(Delivery::Down(_))), "{refusal}: nothing is left of the old values");
    }
}

#[test]
fn recovery_is_given_up_when_it_takes_too_long() {
    let mut play = Play::streaming();
    play.cut();
    let begun = play.now;
    loop {
        play.wake();
        play.connect();
        let sent = play.take_sent();
        let is_recovery = sent.iter().any(|text| text.starts_with("bind_session"));
        assert_eq!(is_recovery, play.now - begun < 15_000, "after {} ms", play.now - begun);
        if !is_recovery {
            return;
        }
        play.cut();
    }
}

#[test]
fn a_server_that_falls_silent_is_taken_for_dead_after_its_keepalive_and_grace() {
    let mut play = Play::streaming();
    play.now += 5_000;
    play.lines(&["PROBE"]);
    let heard = play.now;
    while play.told.is_empty() {
        play.wake();
    }
    assert_eq!(play.now - heard, 7_000);
    assert_eq!(play.take_told(), [Delivery::Down("nothing heard for 7000 ms".to_owned())]);
}

#[test]
fn a_client_that_has_nothing_to_say_says_that_it_is_there() {
    let mut play = Play::streaming();
    let begun = play.now;
    play.pass(|play| !play.sent.is_empty());
    assert_eq!(play.take_sent(), ["heartbeat\r\n\r\n"]);
    assert_eq!(play.now - begun, 8_000, "within what was promised");
}

#[test]
fn what_cannot_be_read_is_asked_for_again_once_and_then_in_a_new_session() {
    for bad in
        ["U,1,1,1", "U,1,9,1|2", "U,1,0,1|2", "U,1,x,1|2", "U,1,1,%zz|2", "SUBOK,1,1,3", "PROG,1", "CONOK,S9,1,1,*"]
    {
        let mut play = Play::streaming();
        play.lines(&[bad]);
        assert!(matches!(play.told[..], [Delivery::BadFrame(_), Delivery::Down(_)]), "{bad}: {:?}", play.told);
        play.wake();
        play.connect();
        assert!(play.take_sent()[1].ends_with("LS_recovery_from=3"), "{bad}");
        play.lines(&["CONOK,S1,50000,5000,*", "PROG,3", bad]);
        play.wake();
        play.connect();
        assert!(play.take_sent().last().unwrap().starts_with("create_session"), "{bad}: the same again");
    }
}

#[test]
fn wrong_credentials_are_waited_for_and_not_tried_again() {
    let mut play = Play::new();
    play.connect();
    play.lines(&["CONERR,1,user/password check failed"]);
    assert!(matches!(play.take_told()[..], [Delivery::Down(_), Delivery::CredentialsRefused(_)]));
    assert_eq!(play.session.next_wake(), None);
    play.sent.clear();
    play.event(Event::Credentials(Credentials { user: None, password: "CST-c|XST-d".into() }));
    play.connect();
    assert!(play.take_sent()[1].contains("CST-c%7CXST-d"));
}

#[test]
fn codes_are_heeded() {
    for (line, wait, is_over) in [
        ("END,48,maximum duration", 0..=100, false),
        ("END,35,another session", 60_000..=60_000, false),
        ("CONERR,5,overloaded", 5_000..=5_000, false),
        ("END,32,by the server", 0..=100, false),
        ("CONERR,-1,Invalid account type", 0..=100, false),
        ("CONERR,2,no such adapter set", 0..=0, true),
        ("CONERR,3,protocol", 0..=0, true),
    ] {
        let mut play = if line.starts_with("END") { Play::streaming() } else { Play::new() };
        if line.starts_with("CONERR") {
            play.connect();
        }
        play.lines(&[line]);
        assert_eq!(matches!(play.told.last(), Some(Delivery::Ended(_))), is_over, "{line}");
        assert_eq!(play.session.next_wake().is_none(), is_over, "{line}");
        if !is_over {
            play.wake();
            assert!(wait.contains(&play.waits[0]), "{line}: {}", play.waits[0]);
            play.connect();
            assert!(play.sent.last().unwrap().starts_with("create_session"), "{line}");
        }
    }
}

#[test]
fn a_refused_subscription_is_told_and_left() {
    let mut play = Play::streaming();
    play.event(Event::Subscribe(8, prices()));
    play.lines(&["REQERR,2,21,bad group", "U,2,1,1|2"]);
    let fault = Fault { code: 21, text: "bad group".to_owned() };
    assert_eq!(play.take_told(), [Delivery::Refused(8, fault)]);
    assert!(play.session.is_streaming());
}

#[test]
fn requests_that_a_cut_may_have_swallowed_are_sent_again() {
    let mut play = Play::streaming();
    play.event(Event::Subscribe(8, prices()));
    play.event(Event::Unsubscribe(KEY));
    assert!(play.take_sent()[1].contains("LS_op=delete&LS_subId=1"));
    play.cut();
    play.wake();
    play.connect();
    play.sent.clear();
    play.lines(&["CONOK,S1,50000,5000,*", "PROG,3"]);
    assert!(play.take_sent()[0].contains("LS_reqId=4&LS_op=delete&LS_subId=1"), "the giving up is repeated at once");
    play.wake();
    let again = play.take_sent().remove(0);
    assert!(again.contains("LS_op=delete&LS_subId=2") && again.contains("LS_op=add&LS_subId=3"), "{again}");
    play.lines(&["SUBOK,2,1,2", "U,2,1,1|1", "SUBOK,3,1,2", "U,3,1,2|2"]);
    assert_eq!(play.take_bids(), ["2"], "what the given up one says is left out");
}

#[test]
fn long_batches_are_cut_at_what_the_server_reads() {
    let mut play = Play::new();
    for key in 0..10 {
        play.event(Event::Subscribe(key, prices()));
    }
    play.connect();
    play.sent.clear();
    play.lines(&["CONOK,S1,400,5000,*"]);
    assert_eq!(play.sent.iter().map(|text| text.matches("LS_op=add").count()).sum::<usize>(), 10);
    assert!(play.sent.iter().all(|text| text.len() <= 400) && play.sent.len() >= 5);
}

#[test]
fn a_silent_item_is_told_again_and_again_while_the_connection_is_up() {
    let mut play = Play::streaming();
    play.event(Event::Subscribe(8, Subscription { silent_after_millis: Some(20_000), ..prices() }));
    play.lines(&["SUBOK,2,1,2", "U,2,1,1|1"]);
    play.take_told();
    let begun = play.now;
    let mut ages = Vec::new();
    while ages.len() < 3 {
        play.pass(|play| !play.told.is_empty());
        ages.extend(play.take_told().into_iter().map(|told| match told {
            Delivery::Silent { key: 8, item: 0, age_millis } => (play.now - begun, age_millis),
            other => panic!("{other:?}"),
        }));
    }
    assert_eq!(ages, [(20_000, 20_000), (40_000, 40_000), (60_000, 60_000)]);
    play.sent.clear();
    play.event(Event::Resubscribe(8));
    assert!(play.sent[0].contains("LS_op=delete&LS_subId=2") && play.sent[0].contains("LS_op=add&LS_subId=3"));
    play.event(Event::Rebuild("silent".to_owned()));
    assert!(play.sent[1].contains("LS_op=destroy"));
    play.wake();
    play.connect();
    assert!(play.sent.last().unwrap().starts_with("create_session"));
}

#[test]
fn what_an_older_socket_says_is_void() {
    let mut play = Play::streaming();
    let old = play.connection;
    play.cut();
    play.wake();
    play.connect();
    play.lines(&["CONOK,S1,50000,5000,*", "PROG,3"]);
    play.take_told();
    play.event(Event::Line(old, "U,1,1,9|9"));
    play.event(Event::Closed(old, "late".to_owned()));
    assert_eq!(play.take_told(), []);
}

#[test]
fn an_attempt_without_end_is_spaced_out() {
    let mut play = Play::new();
    for _ in 0..12 {
        play.cut();
        play.wake();
    }
    assert!(play.waits.last().is_some_and(|wait| (15_000..=30_000).contains(wait)), "{:?}", play.waits);
    assert_eq!(play.told.len(), 1, "an outage is told once");
}

/// A step of the server at random.
#[derive(Clone, Debug)]
enum Step {
    Publish(u8),
    Loop,
    Cut,
    /// A cut while notifications are under way: so many of them are lost on the way.
    CutLosing(u8),
    Garble,
    Probe,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1u8..6).prop_map(Step::Publish),
        1 => Just(Step::Loop),
        1 => Just(Step::Cut),
        2 => (1u8..4).prop_map(Step::CutLosing),
        1 => Just(Step::Garble),
        1 => Just(Step::Probe),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    /// Whatever happens to its connections, what a session tells is what its server published, in order, once.
    #[test]
    fn no_update_is_lost_or_doubled(steps in steps(), overlaps in prop::collection::vec(0usize..10, 60)) {
        let mut play = Play::streaming();
        let mut log: Vec<String> =
            ["SUBOK,1,1,2", "CONF,1,unlimited,filtered", "EOS,1,1"].map(str::to_owned).to_vec();
        let (mut published, mut got) = (Vec::new(), Vec::new());
        for (step, overlap) in steps.iter().zip(&overlaps) {
            let mut lost = 0;
            let mut is_cut = false;
            match step {
                Step::Publish(count) => for _ in 0..*count {
                    let bid = published.len().to_string();
                    let line = format!("U,1,1,{bid}|{}", if published.is_empty() { "5" } else { "" });
                    play.lines(&[&line]);
                    log.push(line);
                    published.push(bid);
                },
                Step::Loop => play.lines(&["LOOP,0", "CONOK,S1,50000,5000,*"]),
                Step::Cut => is_cut = true,
                Step::CutLosing(count) => (is_cut, lost) = (true, *count),
                Step::Garble => play.lines(&["U,1,1,garbled"]),
                Step::Probe => play.lines(&["PROBE"]),
            }
            for _ in 0..lost {
                let bid = published.len().to_string();
                log.push(format!("U,1,1,{bid}|{}", if published.is_empty() { "5" } else { "" }));
                published.push(bid);
            }
            if is_cut {
                play.cut();
            }
            while !play.session.is_streaming() {
                play.wake();
                play.sent.clear();
                play.connect();
                let bind = play.take_sent().remove(1);
                let Some((_, from)) = bind.split_once("LS_recovery_from=") else {
                    // Two lines in a row that could not be read: a new session, as another test has it.
                    prop_assert!(matches!(step, Step::Garble), "{:?} {}", step, bind);
                    return Ok(());
                };
                let from: usize = from.parse().unwrap();
                let begin = from.saturating_sub(*overlap);
                play.lines(&["CONOK,S1,50000,5000,*", &format!("PROG,{begin}")]);
                let again: Vec<&str> = log[begin..].iter().map(String::as_str).collect();
                play.lines(&again);
            }
            play.now += 100;
            got.extend(play.take_bids());
        }
        prop_assert_eq!(got, published);
    }

    /// Any lines in any order: no panic, and always something to do next or an end that was told.
    #[test]
    fn no_line_hurts(lines in prop::collection::vec(prop_oneof![
        ".{0,40}",
        "(U|SUBOK|SUBCMD|EOS|CS|OV|UNSUB|CONF|PROG|LOOP|END|CONERR|CONOK|REQERR|ERROR),[0-9]{1,2}(,[0-9a-z|#$^]{0,6}){0,4}",
        Just("CONOK,S1,50000,5000,*".to_owned()),
    ], 0..60)) {
        let mut play = Play::streaming();
        for line in &lines {
            play.lines(&[line]);
            if !play.is_open && play.session.next_wake().is_some() && !play.session.is_streaming() {
                play.wake();
                play.connect();
            }
            let is_over = play.told.iter().any(|t| matches!(t, Delivery::Ended(_) | Delivery::CredentialsRefused(_)));
            prop_assert!(is_over || play.session.next_wake().is_some());
        }
    }
}
