//! Every table as CSV and as Parquet, read by what traders read tables with: pandas, polars and DuckDB.
//!
//! `scripts/test` installs the three and names their Python in `ARENA_PYTHON`; without it the test says that it was
//! skipped. What needs no Python is tested in any case.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test ends where something unexpected happens, and says what it skipped"
)]

#[path = "support/runs.rs"]
mod runs;

use std::path::Path;
use std::process::Command;

use arena::export::{Csv, Selection, Table, write};
use arena::store::{Sled, Store};

/// An arena with live deals, gaps aside, at rest in `dir`.
fn recorded(dir: &Path) {
    let config = runs::config(runs::SEVERAL);
    let quotes = runs::synthetic(&config, 5, 60_000);
    let store = Sled::open(dir, 0).unwrap();
    runs::run(runs::plan(config, Box::new(runs::replay(&quotes)), Box::new(store)));
}

fn export(store: &Path, table: Table, out: &Path) {
    let done = Command::new(env!("CARGO_BIN_EXE_arena"))
        .args(["export", "--table", table.name(), "--store"])
        .arg(store)
        .arg("-o")
        .arg(out)
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
}

#[test]
fn every_table_has_its_columns_and_its_rows() {
    let dir = tempfile::tempdir().unwrap();
    recorded(dir.path());
    let store = Sled::open_existing(dir.path()).unwrap();
    for table in Table::ALL {
        let mut csv = Csv::new(Vec::new());
        let rows = write(&store, table, &Selection::default(), &mut csv).unwrap();
        let text = String::from_utf8(csv.into_inner()).unwrap();
        let names: Vec<&str> = table.columns().iter().map(|column| column.name).collect();
        assert_eq!(text.lines().next(), Some(names.join(",").as_str()), "{table:?}");
        assert_eq!(text.lines().count() as u64, rows + 1, "{table:?}");
        assert!(rows > 0 || table == Table::Faults, "{table:?} has rows");
        let one = Selection { model: Some(runs::PLANTED.to_owned()), epic: None };
        let of_one = write(&store, table, &one, &mut Csv::new(Vec::new())).unwrap();
        assert!(of_one < rows || matches!(table, Table::Faults | Table::Deals), "{table:?}: {of_one} of {rows}");
    }
    let unknown = Selection { model: None, epic: Some("NO.SUCH".to_owned()) };
    let told = write(&store, Table::Bars, &unknown, &mut Csv::new(Vec::new())).unwrap_err().to_string();
    assert!(told.contains("there are CS.D.EURUSD.TODAY.IP, CS.D.GBPUSD.TODAY.IP"), "{told}");

    // A snapshot of a store that is written on exports what there was.
    let snapshot = store.snapshot().unwrap();
    drop(store);
    let mut csv = Csv::new(Vec::new());
    assert!(write(&*snapshot, Table::Trades, &Selection::default(), &mut csv).unwrap() > 100);
}

#[cfg(feature = "parquet")]
#[test]
fn pandas_polars_and_duckdb_read_every_table() {
    let Ok(python) = std::env::var("ARENA_PYTHON") else {
        println!("skipped: ARENA_PYTHON names no Python with pandas, polars and DuckDB; scripts/test installs one");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let (store, out) = (dir.path().join("store"), dir.path().join("out"));
    std::fs::create_dir(&out).unwrap();
    recorded(&store);
    for table in Table::ALL {
        for ending in ["csv", "parquet"] {
            export(&store, table, &out.join(format!("{}.{ending}", table.name())));
        }
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/exports_read.py");
    let read = Command::new(python).arg(script).arg(&out).output().unwrap();
    assert!(
        read.status.success(),
        "{}{}",
        String::from_utf8_lossy(&read.stdout),
        String::from_utf8_lossy(&read.stderr)
    );
    println!("{}", String::from_utf8_lossy(&read.stdout));
}
