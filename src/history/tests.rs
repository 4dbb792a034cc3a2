//! Data sets on the disk: what is written reads back, what was changed is refused, what was cut off still reads.

use std::collections::BTreeMap;
use std::fs;

use super::*;
use crate::domain::{Micros, Price, PriceDelta, Resolution};

fn minute() -> Resolution {
    "1m".parse().unwrap()
}

fn at(minute: i64) -> UtcMicros {
    UtcMicros(1_398_902_400_000_000 + minute * 60_000_000)
}

fn ohlc(prices: [&str; 4]) -> Ohlc {
    let [open, high, low, close] = prices.map(|text| text.parse::<Price>().unwrap());
    Ohlc { open, high, low, close }
}

fn trades() -> Rows {
    let row = |n: i64, volume| TradeRow { start: at(n), prices: ohlc(["70.5", "70.75", "70.25", "70.5"]), volume };
    Rows::One(vec![row(0, Some(28_111_481_032.0)), row(1, None), row(5, Some(0.25))])
}

fn quotes() -> Rows {
    let bid = ohlc(["1.38676", "1.3869", "1.3866", "1.3868"]);
    let offer = ohlc(["1.38686", "1.387", "1.3867", "1.3869"]);
    Rows::Two(vec![HistoryBar { start: at(0), bid, offer, quotes: 7 }])
}

fn manifest(symbol: &str) -> Manifest {
    Manifest {
        version: MANIFEST_VERSION,
        source: "yahoo".to_owned(),
        symbol: symbol.to_owned(),
        interval: minute(),
        file: String::new(),
        sha256: String::new(),
        sides: Sides::One,
        spread: "0.03".parse().unwrap(),
        price_decimals: 0,
        adjustment: Adjustment::Splits,
        zone: Some("America/New_York".to_owned()),
        currency: None,
        rows: 0,
        from: at(0),
        to: at(0),
        dropped: BTreeMap::from([("empty".to_owned(), 41)]),
        request: BTreeMap::from([("interval".to_owned(), "1m".to_owned())]),
        gaps: Gaps::default(),
        covered: vec![TimeSpan { from: at(0), to: at(6) }],
        fetched: Fetched { first_at: at(9), at: at(9), requests: 1 },
    }
}

/// A data folder with one data set.
fn stored(rows: &Rows) -> (tempfile::TempDir, PathBuf) {
    let data = tempfile::tempdir().unwrap();
    let folder = Folder::open(data.path(), "yahoo", "CL=F", minute()).unwrap();
    folder.store(&mut manifest("CL=F"), rows, Format::Csv).unwrap();
    let dir = folder.path().to_owned();
    (data, dir)
}

#[test]
fn a_data_set_reads_back_by_folder_manifest_and_name() {
    let (data, dir) = stored(&trades());
    let read = load(&dir).unwrap();
    assert_eq!(load(&dir.join("manifest.toml")).unwrap(), read);
    assert_eq!(find(data.path(), "yahoo/CL=F/1m").unwrap(), dir);
    let m = &read.manifest;
    assert_eq!((m.rows, m.from, m.to, m.price_decimals, m.sides), (3, at(0), at(6), 2, Sides::One));
    assert_eq!((m.gaps.count, m.gaps.bars, m.gaps.longest[0]), (1, 3, Gap { from: at(2), to: at(5) }));
    // Half of the spread of 0.03 on either side.
    assert_eq!(read.bars[0].bid, ohlc(["70.485", "70.735", "70.235", "70.485"]));
    assert_eq!(read.bars[0].offer, ohlc(["70.515", "70.765", "70.265", "70.515"]));
    assert_eq!(list(data.path()).unwrap(), [read.manifest]);
    assert_eq!(files::read(&dir).unwrap().1, trades());

    let (_data, dir) = stored(&quotes());
    let Rows::Two(want) = quotes() else { panic!("two sides") };
    assert_eq!(load(&dir).unwrap().bars, want);
}

#[test]
fn what_is_not_there_is_told_with_what_is() {
    let (data, _) = stored(&trades());
    let error = find(data.path(), "yahoo/CL=F/1h").unwrap_err();
    assert!(error.is_usage() && error.to_string().contains("yahoo/CL=F/1m"), "{error}");
    for name in ["", "../history/yahoo/CL=F/1m", "yahoo", "/"] {
        assert!(find(data.path(), name).unwrap_err().is_usage(), "{name:?}");
    }
    let error = find(&data.path().join("none"), "x").unwrap_err();
    assert!(error.to_string().contains("arena fetch"), "{error}");
    for symbol in ["", ".x", "a/b", "a b", "a\\b", &"x".repeat(65)] {
        let error = Folder::open(data.path(), "csv", symbol, minute()).unwrap_err();
        assert!(matches!(error, HistoryError::Name { .. }), "{symbol:?}: {error}");
    }
}

#[test]
fn a_changed_byte_is_refused_with_both_hashes() {
    let (_data, dir) = stored(&trades());
    let file = dir.join("bars.csv");
    let text = fs::read_to_string(&file).unwrap();
    let want = load(&dir).unwrap().manifest.sha256;
    fs::write(&file, text.replacen("70.75", "70.76", 1)).unwrap();
    let Err(HistoryError::Changed { want: said, got, .. }) = load(&dir) else { panic!("not refused") };
    assert_eq!((said, got.len()), (want.clone(), 64));
    assert!(load(&dir).unwrap_err().to_string().contains(&want));
    fs::remove_file(&file).unwrap();
    assert!(matches!(load(&dir), Err(HistoryError::Unreadable { .. })));
    fs::write(dir.join("manifest.toml"), "version = 1\nfrob = 2\n").unwrap();
    assert!(matches!(load(&dir), Err(HistoryError::Manifest { .. })));
}

#[test]
fn a_manifest_leads_nowhere_else() {
    let (_data, dir) = stored(&trades());
    let path = dir.join("manifest.toml");
    let text = fs::read_to_string(&path).unwrap();
    for (from, to) in [("bars.csv", "../../secret"), ("version = 1", "version = 2"), ("\"0.03\"", "\"-0.03\"")] {
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
        assert!(matches!(load(&dir), Err(HistoryError::Manifest { .. })), "{to}");
    }
    fs::write(&path, text.replacen("\"0.03\"", "\"150\"", 1)).unwrap();
    assert!(matches!(load(&dir), Err(HistoryError::Spread { .. })));
}

#[test]
fn a_change_that_is_cut_off_anywhere_leaves_the_old_or_the_new() {
    let (_data, dir) = stored(&trades());
    let old: Vec<Vec<u8>> = ["bars.csv", "manifest.toml"].iter().map(|f| fs::read(dir.join(f)).unwrap()).collect();
    let data = tempfile::tempdir().unwrap();
    let folder = Folder::open(data.path(), "yahoo", "CL=F", minute()).unwrap();
    folder.store(&mut manifest("CL=F"), &quotes(), Format::Csv).unwrap();
    let fresh: Vec<Vec<u8>> =
        ["bars.csv", "manifest.toml"].iter().map(|f| fs::read(folder.path().join(f)).unwrap()).collect();
    drop(folder);
    // Cut after the next manifest, after the data, and after both; with and without an older data set.
    for (bars, main, rows) in [(&old[0], Some(&old[1]), 3), (&fresh[0], Some(&old[1]), 1), (&fresh[0], None, 1)] {
        let data = tempfile::tempdir().unwrap();
        let folder = Folder::open(data.path(), "yahoo", "CL=F", minute()).unwrap();
        let dir = folder.path();
        fs::write(dir.join("bars.csv"), bars).unwrap();
        fs::write(dir.join("manifest.next.toml"), &fresh[1]).unwrap();
        fs::write(dir.join("bars.csv.partial"), "half").unwrap();
        if let Some(main) = main {
            fs::write(dir.join("manifest.toml"), main).unwrap();
        }
        assert_eq!(load(dir).unwrap().bars.len(), rows);
        assert_eq!(find(data.path(), "yahoo/CL=F/1m").unwrap(), dir);
        assert_eq!(folder.read().unwrap().unwrap().1.len(), rows);
        folder.store(&mut manifest("CL=F"), &trades(), Format::Csv).unwrap();
        assert_eq!(load(dir).unwrap().bars.len(), 3);
        let mut names: Vec<_> =
            fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, [".lock", "bars.csv", "manifest.toml"]);
    }
}

#[test]
fn one_writer_at_a_time() {
    let (data, _) = stored(&trades());
    let first = Folder::open(data.path(), "yahoo", "CL=F", minute()).unwrap();
    let error = Folder::open(data.path(), "yahoo", "CL=F", minute()).unwrap_err();
    assert!(error.to_string().contains("yahoo/CL=F/1m is being fetched"), "{error}");
    Folder::open(data.path(), "yahoo", "BZ=F", minute()).unwrap();
    drop(first);
    Folder::open(data.path(), "yahoo", "CL=F", minute()).unwrap();
}

#[test]
fn the_hash_of_the_content_leaves_out_when_it_was_fetched() {
    let one = manifest("CL=F");
    let mut other = one.clone();
    other.fetched.at = at(99);
    other.covered.clear();
    assert_eq!(one.content_hash(), other.content_hash());
    other.spread = PriceDelta::from_micros(1);
    assert_ne!(one.content_hash(), other.content_hash());
}

#[test]
fn gaps_are_counted_and_the_longest_named() {
    let starts = (0..100).map(|n| at(n * 2 + i64::from(n > 50) * 10));
    let gaps = Gaps::between(starts, minute());
    assert_eq!((gaps.count, gaps.bars, gaps.longest.len()), (99, 109, 20));
    assert!(gaps.longest.iter().any(|gap| gap.to - gap.from == Micros(11 * 60_000_000)));
    assert!(gaps.longest.windows(2).all(|pair| pair[0].from < pair[1].from));
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes: Vec<u8>, text in "start,end,open,high,low,close,volume\n[-0-9TZ:.,\n]{0,80}") {
        for text in [String::from_utf8_lossy(&bytes).into_owned(), text] {
            for sides in [Sides::One, Sides::Two] {
                if let Ok(rows) = Rows::from_csv(&text, sides, minute()) {
                    proptest::prop_assert_eq!(Rows::from_csv(&rows.to_csv(minute()), sides, minute()), Ok(rows));
                }
            }
        }
    }
}
