//! The report of whole arenas: its figures against the store they are of, and one HTML file that needs nobody else.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "support/runs.rs"]
mod runs;

use std::path::Path;
use std::process::{Command, Output};

use arena::domain::Money;
use arena::ledger::read_trades;
use arena::report::{Report, gather, render};
use arena::store::{Memory, Sled, Store};
use runs::{Kept, PLANTED, SEVERAL};

/// A run in which the planted rule goes live, kept in `store`.
fn run_into(store: Box<dyn Store>) {
    let config = runs::config(SEVERAL);
    let quotes = runs::synthetic(&config, 5, 200_000);
    runs::run(runs::plan(config, Box::new(runs::replay(&quotes)), store));
}

fn several() -> (Kept, Report) {
    let kept = Kept::default();
    run_into(Box::new(kept.clone()));
    let report = gather(&kept).unwrap();
    (kept, report)
}

#[test]
fn figures_are_those_of_the_store() {
    let (kept, report) = several();
    assert_eq!((report.arena.as_str(), report.currency.as_str(), report.is_done), ("proof", "GBP", true));
    assert_eq!(report.models.len(), 9);
    let mut n = 0;
    for model in &report.models {
        let name = model.row.model.as_str();
        let seat = (0..9).find(|seat| {
            let trades = read_trades(&kept, *seat).unwrap();
            trades.len() as u64 == model.trades
                && trades.iter().map(|t| t.profit).sum::<arena::domain::Money>() == model.row.net_profit
        });
        assert!(seat.is_some(), "{name} has the trades of a seat");
        let (low, mean, high) = (model.low_r.unwrap_or(-9.0), model.mean_r.unwrap_or(0.0), model.high_r.unwrap_or(9.0));
        assert!(low <= mean + 0.05 && mean <= high + 0.05, "{name}: {low} {mean} {high}");
        n += model.trades;
    }
    assert!(n > 500, "{n} trades");
    assert_eq!(report.outcomes.counts.iter().sum::<u64>(), n);
    assert_eq!(report.exits.iter().map(|group| group.n).sum::<u64>(), n);
    assert_eq!(report.hours.iter().map(|group| group.n).sum::<u64>(), n);
    assert!(report.summary.live.iter().any(|name| name == PLANTED), "{:?}", report.summary.live);
    assert!(report.summary.headline.contains("leads 9 candidates"), "{}", report.summary.headline);
    assert!(report.promotion.iter().any(|(key, value)| key == "alpha_slots" && value == "16"));

    // The last point of the evidence is where the leaderboard says it stands.
    let planted = report.focus.iter().find(|focus| focus.model == PLANTED).expect("it stands among the first");
    let row = &report.models.iter().find(|model| model.row.model.as_str() == PLANTED).expect("its row").row;
    let gate = &planted.gates.as_ref().expect("its gates").gates[0];
    let told = planted.curve.last().and_then(|point| point.evidence).expect("its evidence");
    let want = (gate.value.unwrap() - gate.limit.unwrap()) / std::f64::consts::LN_10;
    assert!((told - want).abs() < 1e-6, "{told} is not {want}; {:?}", row.log10_e);
    let said = planted.predictions.as_ref().expect("momentum predicts a ratio");
    assert!(said.n > 100 && said.groups.len() == 10);

    assert!(!report.live.trades.is_empty(), "there were live trades");
    for trade in &report.live.trades {
        let parts = trade.shortfall.parts().iter().fold(Money::ZERO, |sum, (_, part)| sum + *part);
        assert_eq!(parts, trade.shortfall.whole, "{}", trade.reference);
    }
    let weekly = report.weekly.as_ref().expect("long enough to compare");
    assert!((0.0..=1.0).contains(&weekly.superior.consistent) && weekly.candidates == 9);
}

#[test]
fn the_html_is_one_file_that_asks_nobody_and_runs_nothing() {
    let (_, report) = several();
    let html = render(Some(&report), None);
    assert!(html.starts_with("<!doctype html>") && html.ends_with("</html>\n"));
    for forbidden in
        ["<script", "javascript:", "<link", "<img", "<iframe", "@import", "url(", " onload=", "NaN", ">inf<"]
    {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
    let outside: Vec<&str> = html.match_indices("http").map(|(at, _)| &html[at..(at + 26).min(html.len())]).collect();
    assert!(
        outside.iter().all(|text| text.starts_with("http://www.w3.org/2000/svg") || text.starts_with("http-equiv")),
        "{outside:?}"
    );
    for section in [
        "Who is promoted",
        "How far to trust it",
        "Leaderboard",
        "Equity",
        "Drawdown",
        "Evidence and the gate",
        "Distribution of R",
        "Exits by reason",
        "Results by hour",
        "Calibration of predictions",
        "Comparisons over the whole record",
        "Is the best of them more than luck?",
        "SPA",
        "StepM",
        "MCS",
        "PBO",
        "Live against paper",
        "Data quality",
        "Terms and rules",
        "@media print",
        "prefers-color-scheme: dark",
    ] {
        assert!(html.contains(section), "{section}");
    }
    assert!(html.matches("<svg").count() > 10 && html.matches("<svg").count() == html.matches("</svg>").count());
    assert!(html.len() < 1_500_000, "{} bytes", html.len());
    assert_eq!(html, render(Some(&report), None), "the same figures give the same bytes");
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report, "figures survive the way over HTTP");
}

#[test]
fn an_arena_that_has_not_begun_has_a_report() {
    let report = gather(&Memory::default()).unwrap();
    let html = render(Some(&report), None);
    assert!(html.contains("No candidate yet") && html.contains("Too little to compare"));
}

fn arena(arguments: &[&str], dir: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_arena")).args(arguments).current_dir(dir).output().unwrap()
}

#[test]
fn the_command_writes_a_file_or_prints_the_figures() {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("kept");
    run_into(Box::new(Sled::open(&store, 0).unwrap()));
    let done = arena(&["report", "--store", "kept", "-o", "r.html"], dir.path());
    assert!(done.status.success() && done.stdout.is_empty(), "{done:?}");
    let html = std::fs::read_to_string(dir.path().join("r.html")).unwrap();
    let done = arena(&["report", "--store", "kept", "--json"], dir.path());
    let report: Report = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(render(Some(&report), None), html, "both are of the same figures");

    let done = arena(&["report", "--store", "nowhere"], dir.path());
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    assert!(!dir.path().join("report.html").exists());
    let done = arena(&["report", "--url", "127.0.0.1:1"], dir.path());
    assert_eq!(done.status.code(), Some(4), "{done:?}");

    let flags = ["calibrate", "--json", "--candidates", "3", "--episodes", "60", "--replicates", "4", "-q"];
    let measured = arena(&flags, dir.path());
    std::fs::write(dir.path().join("c.json"), &measured.stdout).unwrap();
    let done = arena(&["report", "--calibration", "c.json", "-o", "-"], dir.path());
    let html = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success() && html.contains("4 tournaments of 3 candidates") && html.contains("<svg"), "{html}");
    let done = arena(&["report", "--calibration", "r.html"], dir.path());
    assert_eq!(done.status.code(), Some(2), "{done:?}");
}
