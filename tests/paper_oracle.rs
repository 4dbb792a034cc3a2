//! The ledgers of the built program against the rules written down a second time, in Python, by fractions: every level,
//! time, reason and sum of money of every trade over a week of real quotes must be equal to the millionth.

#![expect(clippy::unwrap_used, reason = "a test fails where its own set-up does")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use arena::domain::{Decimal, UtcMicros};
use serde_json::{Value, json};

const EPIC: &str = "CS.D.EURUSD.TODAY.IP";

fn quotes() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/market-data/ticks/eurusd_oanda_ticks_2014-05-01_09.csv.gz")
}

fn micros(value: &Value) -> i64 {
    value.as_str().unwrap().parse::<Decimal>().unwrap().0
}

fn time(value: &Value) -> i64 {
    value.as_str().unwrap().parse::<UtcMicros>().unwrap().0
}

#[test]
fn every_trade_of_a_real_week_equals_an_independent_reckoning() {
    let has_python = Command::new("python3").arg("--version").stdout(Stdio::null()).status().is_ok_and(|s| s.success());
    if !has_python || !quotes().is_file() {
        eprintln!("skipped: needs python3 and {}", quotes().display());
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut models = String::new();
    let mut asked = Vec::new();
    for (kind, lookback, threshold, stop) in [
        ("momentum", 2, "0.00003", 4),
        ("momentum", 13, "0.0002", 10),
        ("mean_reversion", 3, "0.00005", 6),
        ("mean_reversion", 5, "0.0001", 8),
    ] {
        models.push_str(&format!(
            "[[models]]\nname = \"{kind}-{lookback}\"\nkind = \"{kind}\"\nbar = \"1m\"\n\
             params = {{ lookback = {lookback}, threshold = {threshold} }}\nhold = \"3m\"\nstop = {stop}\nlimit = 12\n\
             size = 1.5\n"
        ));
        asked.push(json!({
            "kind": kind, "lookback": lookback, "threshold": threshold, "stop": stop, "limit": 12,
            "hold_us": 180_000_000, "bar_us": 60_000_000, "latency_us": 250_000, "slip_micros": 30,
            "size": "1.5", "point_micros": 100, "rate": "0.025", "session": true,
        }));
    }
    let config = dir.path().join("arena.toml");
    let text = format!(
        "[paper]\nslippage_points = 0.3\n[[markets]]\nepic = \"{EPIC}\"\npoint = 0.0001\nsize_min = 0.5\n\
         stop_min_points = 2\ngap_allowance_points = 20\nfunding_annual_rate = 0.025\n\
         session = \"Sun 22:00-Fri 22:00 Europe/London\"\n{models}"
    );
    std::fs::write(&config, text).unwrap();
    let arena = |arguments: &[&str]| {
        let ran = Command::new(env!("CARGO_BIN_EXE_arena")).args(arguments).arg("-c").arg(&config).output().unwrap();
        assert!(ran.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
        ran.stdout
    };
    let store = dir.path().join("store");
    let store = store.to_str().unwrap();
    arena(&["replay", "--quotes", &format!("{EPIC}={}", quotes().display()), "--out", store, "-q"]);

    let mut oracle = Command::new("python3")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/paper_broker.py"))
        .arg(quotes())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    serde_json::to_writer(oracle.stdin.take().unwrap(), &asked).unwrap();
    let answer = oracle.wait_with_output().unwrap();
    assert!(answer.status.success());
    let want: Vec<Vec<Value>> = serde_json::from_slice(&answer.stdout).unwrap();

    for (terms, want) in asked.iter().zip(&want) {
        let name = format!("{}-{}", terms["kind"].as_str().unwrap(), terms["lookback"]);
        let trades: Vec<Value> =
            serde_json::from_slice(&arena(&["trades", &name, "--store", store, "--json"])).unwrap();
        let got: Vec<Value> = trades
            .iter()
            .map(|trade| {
                let side = if trade["direction"] == "long" { 1 } else { -1 };
                json!([
                    time(&trade["opened"]),
                    time(&trade["closed"]),
                    side,
                    micros(&trade["open_level"]),
                    micros(&trade["close_level"]),
                    trade["reason"],
                    micros(&trade["profit"]),
                ])
            })
            .collect();
        assert!(want.len() > 500, "{name}: {} trades", want.len());
        assert_eq!(got.len(), want.len(), "{name}");
        for (got, want) in got.iter().zip(want) {
            assert_eq!(got, want, "{name}");
        }
    }
}
