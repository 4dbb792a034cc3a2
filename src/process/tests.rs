//! A child in its good and its bad hours. Most are plain shell; one is the Python example, where there is a Python.

use std::time::{Duration, Instant};

use super::*;
use crate::domain::{Bar, Direction, UtcMicros};
use crate::ledger::testing::{minute, tick};

fn strategy(command: &[&str], lookback: u32, deadline: Option<i64>) -> Strategy {
    Strategy {
        model: "mine".to_owned(),
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        dir: PathBuf::from(env!("CARGO_MANIFEST_DIR")),
        epic: "CS.D.EURUSD.TODAY.IP".to_owned(),
        resolution: "1m".parse().unwrap(),
        lookback,
        deadline: deadline.map(|ms| Micros(ms * 1_000)),
    }
}

/// What `script` answers at each bar, run by the shell.
fn shell(script: &str, lookback: u32, deadline: Option<i64>) -> Process {
    Process::start(strategy(&["sh", "-c", script], lookback, deadline))
}

/// The `seq`-th minute with this bid at its end, as the `window`-th bar of its window.
fn bar(seq: u64, window: usize) -> Bar {
    let at = i64::try_from(seq).unwrap() * 60_000;
    let close = format!("1.{:04}", 1_000 + seq);
    let mut bar = minute(seq, vec![tick(at + 1_000, "1.1", "1.1001"), tick(at + 30_000, &close, "1.3")]);
    bar.mids2 = crate::domain::Span::of(vec![1.0; window]);
    bar
}

fn ask(process: &mut Process, bar: &Bar) -> Option<Prediction> {
    process.on_bar(&BarContext { bar, mids2: &bar.mids2 })
}

const ALWAYS_LONG: &str = r#"while read line; do echo '{"signal":"long","y_pred":1.5,"distance":0.25}'; done"#;

#[test]
fn a_line_says_all_of_a_bar() {
    let past = PastBar { start: UtcMicros(0), bid: bar(0, 1).bid, offer: bar(0, 1).offer, ticks: 2 };
    let line = line_of(&strategy(&[], 3, None), &past, 2, true);
    let want = "{\"epic\":\"CS.D.EURUSD.TODAY.IP\",\"bar\":\"1m\",\"start\":\"1970-01-01T00:00:00Z\",\
                \"end\":\"1970-01-01T00:01:00Z\",\
                \"bid\":{\"open\":\"1.1\",\"high\":\"1.1\",\"low\":\"1.1\",\"close\":\"1.1\"},\
                \"offer\":{\"open\":\"1.1001\",\"high\":\"1.3\",\"low\":\"1.1001\",\"close\":\"1.3\"},\
                \"quotes\":2,\"window\":2,\"warmup\":true}\n";
    assert_eq!(line, want);
}

#[test]
fn answers_count_once_the_window_is_full() {
    let mut process = shell(ALWAYS_LONG, 2, None);
    let answers: Vec<bool> =
        (0..5).map(|seq| ask(&mut process, &bar(seq, 1 + usize::try_from(seq).unwrap())).is_some()).collect();
    assert_eq!(answers, [false, false, true, true, true]);
    // The windows were cleared.
    assert!(ask(&mut process, &bar(9, 1)).is_none() && ask(&mut process, &bar(10, 2)).is_none());
    let told = ask(&mut process, &bar(11, 3)).unwrap();
    let (y_pred, distance, signal) = (Some(1.5), Some(0.25), Some(Direction::Long));
    assert_eq!(told, Prediction { y_pred, distance, signal, is_abstained: false });
    assert_eq!(process.fault(), None);
}

#[test]
fn what_was_before_is_told_as_far_as_the_window_reaches() {
    // Answers with the number of lines so far as a ratio.
    let script = r#"n=0; while read line; do n=$((n+1)); echo "{\"signal\":\"none\",\"y_pred\":$n}"; done"#;
    for (past, window, answer) in [
        (5, 6, Some(4.0)), // three of five, then the present one
        (5, 3, None),      // two of them belong to the window
        (2, 6, None),      // no more are known
        (3, 4, Some(4.0)),
        (0, 1, None),
    ] {
        let mut process = shell(script, 3, None);
        let bars: Vec<PastBar> = (0..past)
            .map(|seq| bar(seq, 1))
            .map(|bar| PastBar { start: bar.start, bid: bar.bid, offer: bar.offer, ticks: bar.ticks })
            .collect();
        process.warm(&bars);
        let told = ask(&mut process, &bar(past, window));
        assert_eq!(told.and_then(|told| told.y_pred), answer, "{past} before, window {window}");
    }
}

#[test]
fn bars_between_predictions_are_told_too() {
    let script = r#"n=0; while read line; do n=$((n+1)); echo "{\"signal\":\"none\",\"y_pred\":$n}"; done"#;
    let mut process = shell(script, 0, None);
    for seq in 0..3 {
        let bar = bar(seq, 1);
        process.pass(&BarContext { bar: &bar, mids2: &bar.mids2 });
    }
    assert_eq!(ask(&mut process, &bar(3, 1)).unwrap().y_pred, Some(4.0));
}

#[test]
fn late_dead_and_nonsense_are_told_apart() {
    let good = r#"{"signal":"none"}"#;
    for (script, want) in [
        (format!("read line; echo '{good}'; read line; sleep 20; echo '{good}'"), ModelFault::Late),
        (format!("read line; echo '{good}'"), ModelFault::Dead),
        (format!("read line; echo '{good}'; exit 3"), ModelFault::Dead),
        (format!("read line; echo '{good}'; read line; echo later"), ModelFault::Nonsense),
        (format!("read line; echo '{good}'; read line; echo '{{\"signal\":\"up\"}}'"), ModelFault::Nonsense),
        (
            format!("read line; echo '{good}'; read line; echo '{{\"signal\":\"long\",\"y_pred\":NaN}}'"),
            ModelFault::Nonsense,
        ),
        (format!("read line; echo '{good}'; read line; echo '{{\"y_pred\":1}}'"), ModelFault::Nonsense),
        (
            format!("read line; echo '{good}'; read line; echo '{good}'; echo '{good}'; read line; sleep 20"),
            ModelFault::Nonsense,
        ),
        (
            format!("read line; echo '{good}'; read line; head -c 70000 /dev/zero | tr '\\0' x; echo; read line"),
            ModelFault::Nonsense,
        ),
    ] {
        let mut process = shell(&script, 0, Some(300));
        assert!(ask(&mut process, &bar(0, 1)).is_some(), "{script}: {:?}", process.fault());
        let begun = Instant::now();
        let mut seq = 1;
        while process.fault().is_none() && seq < 4 {
            ask(&mut process, &bar(seq, 1));
            // What it says unasked must have arrived to be noticed.
            std::thread::sleep(Duration::from_millis(50));
            seq += 1;
        }
        assert_eq!(process.fault(), Some(want), "{script}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{script}");
        assert_eq!(ask(&mut process, &bar(9, 1)), None);
    }
}

#[test]
fn a_program_that_is_not_there_ends_its_seat_and_nothing_else() {
    let mut process = Process::start(strategy(&["./no/such/program"], 0, None));
    assert_eq!(ask(&mut process, &bar(0, 1)), None);
    assert_eq!(process.fault(), Some(ModelFault::Dead));
}

#[test]
fn a_child_ends_with_its_model_whether_it_heeds_that_or_not() {
    let dir = tempfile::tempdir().unwrap();
    for (number, rest) in ["while read line; do :; done", "trap '' TERM INT HUP; sleep 600 & wait"].iter().enumerate() {
        let note = dir.path().join(format!("{number}"));
        let script = format!("echo $$ > {}; read line; echo '{{\"signal\":\"none\"}}'; {rest}", note.display());
        let mut process = shell(&script, 0, None);
        assert!(ask(&mut process, &bar(0, 1)).is_some());
        let pid = std::fs::read_to_string(&note).unwrap();
        let is_running = || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
            !stat.is_empty() && !stat.contains(") Z ")
        };
        assert!(is_running());
        let begun = Instant::now();
        process.end();
        assert!(!is_running(), "{rest}");
        assert!(begun.elapsed() < Duration::from_secs(2), "{rest}");
    }
}

#[test]
fn the_python_example_fades() {
    if std::process::Command::new("python3").arg("--version").output().is_err() {
        println!("skipped: no python3");
        return;
    }
    let command = ["python3", "examples/strategies/fade.py", "2", "0.00001"];
    let mut process = Process::start(strategy(&command, 2, None));
    let told: Vec<Option<Prediction>> =
        (0..4).map(|seq| ask(&mut process, &bar(seq, 1 + usize::try_from(seq).unwrap()))).collect();
    assert_eq!((told[0], told[1]), (None, None));
    // Bids of 1.1002 and 1.1, offers of 1.3: the mid rose by a twelve-thousandth.
    let told = told[2].unwrap();
    assert_eq!(told.signal, Some(Direction::Short));
    assert!((told.y_pred.unwrap() - (2.0 - 2.4002 / 2.4)).abs() < 1e-12);
}
