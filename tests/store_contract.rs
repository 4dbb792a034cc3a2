//! One suite of calls against every `Store`, and what only the one on disk must keep: reopening, its lock, its floor,
//! and whole commits after a kill.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use arena::store::entry::{encode, read_lane};
use arena::store::{Commit, Lane, Memory, Sled, Store, StoreError, journal_hash};

const CHILD_DIR: &str = "ARENA_STORE_CONTRACT_DIR";
const FULL_DIR: &str = "ARENA_STORE_CONTRACT_FULL_DIR";

fn block(texts: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for text in texts {
        encode(&(*text).to_owned(), &mut bytes);
    }
    bytes
}

fn commit_of(blocks: &[(Lane, &[&str])], records: &[(&str, &str)]) -> Commit {
    let mut commit = Commit::default();
    for (lane, texts) in blocks {
        commit.append(*lane, block(texts));
    }
    commit.records = records.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
    commit
}

fn on_each(mut check: impl FnMut(&mut dyn Store)) {
    check(&mut Memory::default());
    let dir = tempfile::tempdir().unwrap();
    check(&mut Sled::open(dir.path(), 0).unwrap());
}

#[test]
fn entries_come_back_in_order_and_lanes_in_theirs() {
    on_each(|store| {
        let lanes = [Lane::Desk, Lane::Seat(300), Lane::Seat(2), Lane::Quotes(1), Lane::Session];
        for n in 0..40 {
            let text = format!("entry {n}");
            let texts = [text.as_str(), "and another"];
            let blocks: Vec<(Lane, &[&str])> = lanes.iter().map(|lane| (*lane, &texts[..])).collect();
            store.commit(commit_of(&blocks, &[])).unwrap();
        }
        assert_eq!(
            store.lanes().unwrap(),
            [Lane::Session, Lane::Quotes(1), Lane::Seat(2), Lane::Seat(300), Lane::Desk]
        );
        for lane in lanes {
            let read: Vec<String> = read_lane(store, lane).unwrap();
            let want: Vec<String> = (0..40).flat_map(|n| [format!("entry {n}"), "and another".to_owned()]).collect();
            assert_eq!(read, want, "{lane:?}");
        }
        assert_eq!(store.read(Lane::Audit).count(), 0);
    });
}

#[test]
fn records_are_replaced_and_absent_ones_are_none() {
    on_each(|store| {
        store.commit(commit_of(&[], &[("head", "1"), ("board", "x"), ("empty", "")])).unwrap();
        store.commit(commit_of(&[], &[("head", "2")])).unwrap();
        assert_eq!(store.record("head").unwrap().unwrap(), b"2");
        assert_eq!(store.record("board").unwrap().unwrap(), b"x");
        assert_eq!(store.record("empty").unwrap().unwrap(), b"");
        assert_eq!(store.record("hea").unwrap(), None);
        assert_eq!(store.lanes().unwrap(), []);
    });
}

#[test]
fn one_hash_however_the_blocks_are_cut() {
    let texts: Vec<String> = (0..3_000).map(|n| format!("a longer text of entry number {n}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let mut hashes = Vec::new();
    for pieces in [1, 7, 500, 3_000] {
        on_each(|store| {
            for piece in texts.chunks(pieces) {
                store.commit(commit_of(&[(Lane::Bars(3), piece), (Lane::Audit, piece)], &[])).unwrap();
            }
            assert_eq!(read_lane::<String>(store, Lane::Bars(3)).unwrap(), texts);
            hashes.push(journal_hash(store).unwrap());
        });
    }
    assert_eq!(hashes.len(), 8);
    assert!(hashes.iter().all(|hash| *hash == hashes[0]), "{hashes:?}");
    on_each(|store| {
        store.commit(commit_of(&[(Lane::Bars(3), &texts[1..])], &[])).unwrap();
        assert_ne!(journal_hash(store).unwrap(), hashes[0]);
    });
}

#[test]
fn a_reopened_store_goes_on_where_it_ended() {
    let dir = tempfile::tempdir().unwrap();
    let before = {
        let mut store = Sled::open(dir.path(), 0).unwrap();
        for _ in 0..300 {
            store
                .commit(commit_of(&[(Lane::Seat(0), &["a", "b"]), (Lane::Seat(1), &["c"])], &[("head", "9")]))
                .unwrap();
        }
        store.flush().unwrap();
        journal_hash(&store).unwrap()
    };
    let mut store = Sled::open_existing(dir.path()).unwrap();
    assert_eq!(journal_hash(&store).unwrap(), before);
    assert_eq!(store.record("head").unwrap().unwrap(), b"9");
    store.commit(commit_of(&[(Lane::Seat(0), &["last"]), (Lane::Desk, &["first"])], &[])).unwrap();
    let seat: Vec<String> = read_lane(&store, Lane::Seat(0)).unwrap();
    assert_eq!((seat.len(), seat[0].as_str(), seat[600].as_str()), (601, "a", "last"));
    assert_eq!(store.lanes().unwrap(), [Lane::Seat(0), Lane::Seat(1), Lane::Desk]);
    assert!(store.size_on_disk() > 0);
}

#[test]
fn a_second_opening_is_refused_as_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let first = Sled::open(dir.path(), 0).unwrap();
    for second in [Sled::open(dir.path(), 0), Sled::open_existing(dir.path())] {
        let error = second.unwrap_err();
        assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    }
    drop(first);
    Sled::open_existing(dir.path()).unwrap();
}

#[test]
fn a_folder_without_a_store_is_missing_and_stays_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    for path in [dir.path().to_owned(), dir.path().join("nowhere")] {
        let error = Sled::open_existing(&path).unwrap_err();
        assert!(matches!(error, StoreError::Missing { .. }), "{error}");
    }
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);

    // Somebody else's sled database is no store of ours, and is not written to.
    let foreign = dir.path().join("foreign");
    sled::open(&foreign).unwrap().insert("theirs", "x").unwrap();
    for opened in [Sled::open(&foreign, 0), Sled::open_existing(&foreign)] {
        let error = opened.unwrap_err();
        assert!(matches!(error, StoreError::Missing { .. }), "{error}");
    }

    let file = dir.path().join("file");
    std::fs::write(&file, "x").unwrap();
    assert!(matches!(Sled::open(&file, 0), Err(StoreError::Io(_))));
}

#[test]
fn below_the_floor_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Sled::open(dir.path(), u64::MAX).unwrap();
    let error = store.commit(commit_of(&[(Lane::Audit, &["x"])], &[("head", "1")])).unwrap_err();
    assert!(matches!(error, StoreError::DiskFloor { floor_mb: u64::MAX, .. }), "{error}");
    assert_eq!(store.lanes().unwrap(), []);
    assert_eq!(store.record("head").unwrap(), None);
    assert!(arena::store::free_disk_mb(dir.path()).unwrap() > 0);
    assert_eq!(arena::store::free_disk_mb(Path::new("/nowhere/at/all")), None);
}

/// The child of the next test: commits and flushes until it is killed. Does nothing unless asked.
#[test]
fn child_commits_until_killed() {
    let Ok(dir) = std::env::var(CHILD_DIR) else { return };
    let mut store = Sled::open(Path::new(&dir), 0).unwrap();
    let first = read_lane::<String>(&store, Lane::Seat(1)).unwrap().len();
    for n in first.. {
        let text = format!("{n} {}", "x".repeat(n * 37 % 900));
        let head = (n + 1).to_string();
        store
            .commit(commit_of(
                &[(Lane::Seat(1), &[&text]), (Lane::Seat(2), &[&text]), (Lane::Desk, &[&text])],
                &[("head", &head)],
            ))
            .unwrap();
        if n % 97 == 96 {
            store.flush().unwrap();
            println!("flushed {}", n + 1);
        }
    }
}

#[test]
fn a_kill_leaves_a_whole_number_of_commits_and_all_that_were_flushed() {
    let dir = tempfile::tempdir().unwrap();
    for flushes in [1, 5, 23, 60, 2] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_commits_until_killed", "--nocapture"])
            .env(CHILD_DIR, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let acknowledged: usize = lines
            .filter_map(|line| line.unwrap().strip_prefix("flushed ").map(|n| n.parse().unwrap()))
            .nth(flushes)
            .expect("the child flushes until it is killed");
        child.kill().unwrap();
        child.wait().unwrap();

        let store = Sled::open_existing(dir.path()).unwrap();
        let head: usize = String::from_utf8(store.record("head").unwrap().unwrap()).unwrap().parse().unwrap();
        assert!(head >= acknowledged, "{head} commits of {acknowledged} acknowledged ones");
        for lane in [Lane::Seat(1), Lane::Seat(2), Lane::Desk] {
            let texts: Vec<String> = read_lane(&store, lane).unwrap();
            assert_eq!(texts.len(), head, "{lane:?}");
            for (n, text) in texts.iter().enumerate() {
                assert_eq!(text.split(' ').next(), Some(n.to_string().as_str()), "{lane:?}");
            }
        }
    }
}

#[test]
fn damaged_files_are_an_error_or_a_store_but_never_a_panic() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    {
        let mut store = Sled::open(&whole, 0).unwrap();
        let texts: Vec<String> = (0..2_000).map(|n| format!("{n} {}", "x".repeat(n % 200))).collect();
        for piece in texts.chunks(50) {
            let piece: Vec<&str> = piece.iter().map(String::as_str).collect();
            store.commit(commit_of(&[(Lane::Seat(1), &piece), (Lane::Audit, &piece)], &[("head", "1")])).unwrap();
            store.flush().unwrap();
        }
    }
    let db = std::fs::read(whole.join("db")).unwrap();
    for n in 0..40 {
        let damaged = dir.path().join(format!("damaged {n}"));
        std::fs::create_dir(&damaged).unwrap();
        std::fs::copy(whole.join("conf"), damaged.join("conf")).unwrap();
        let mut bytes = db.clone();
        match n {
            0 => bytes.clear(),
            1 => bytes.truncate(db.len() / 2),
            2 => bytes.truncate(db.len() - 1),
            _ => {
                for at in (n * 7_919 % 5_000..bytes.len()).step_by(db.len() / 50 + n) {
                    bytes[at] ^= 0x55;
                }
            }
        }
        std::fs::write(damaged.join("db"), bytes).unwrap();
        let opened = std::panic::catch_unwind(|| {
            Sled::open_existing(&damaged).map(|store| {
                let lanes = store.lanes().unwrap_or_default();
                lanes
                    .into_iter()
                    .map(|lane| read_lane::<String>(&store, lane).map_or(0, |texts| texts.len()))
                    .sum::<usize>()
            })
        });
        // Refused, or a whole number of commits of a hundred entries each: what a crash may leave, and nothing else.
        let is_whole = |entries: usize| entries.is_multiple_of(100);
        assert!(opened.as_ref().is_ok_and(|store| store.as_ref().map_or(true, |n| is_whole(*n))), "{n}: {opened:?}");
    }
}

/// The child of the next test: commits until the disk refuses. Does nothing unless asked.
#[test]
fn child_commits_until_the_disk_is_full() {
    let Ok(dir) = std::env::var(FULL_DIR) else { return };
    let mut store = Sled::open(Path::new(&dir), 0).unwrap();
    for n in 0.. {
        let text = format!("{n} {}", "x".repeat(4_000));
        let outcome = store
            .commit(commit_of(&[(Lane::Seat(1), &[&text]), (Lane::Seat(2), &[&text])], &[]))
            .and_then(|()| store.flush());
        match outcome {
            Ok(()) => println!("flushed {}", n + 1),
            Err(error) => {
                println!("refused {error}");
                // What follows may find room or not; nothing panics.
                let more = store.commit(commit_of(&[(Lane::Desk, &["x"])], &[])).and_then(|()| store.flush());
                println!("then {more:?}");
                return;
            }
        }
    }
}

#[test]
fn a_full_disk_is_an_error_and_what_was_flushed_stays() {
    let dir = tempfile::tempdir().unwrap();
    // A limit on the size of a file stands in for the end of the disk: the same calls fail.
    let limited = "trap '' XFSZ; ulimit -f 8000; exec \"$0\" --exact child_commits_until_the_disk_is_full --nocapture";
    let child = Command::new("bash")
        .args(["-c", limited])
        .arg(std::env::current_exe().unwrap())
        .env(FULL_DIR, dir.path())
        .output()
        .unwrap();
    let out = String::from_utf8(child.stdout).unwrap();
    let err = String::from_utf8(child.stderr).unwrap();
    assert!(child.status.success() && out.contains("refused store failed: "), "{out}{err}");
    assert!(!err.contains("panicked"), "{err}");
    let flushed = out.lines().filter(|line| line.starts_with("flushed ")).count();
    let store = Sled::open_existing(dir.path()).unwrap();
    for lane in [Lane::Seat(1), Lane::Seat(2)] {
        let texts: Vec<String> = read_lane(&store, lane).unwrap();
        assert!(texts.len() >= flushed && flushed > 10, "{} of {flushed}", texts.len());
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(12))]

    /// Whatever is appended in whatever portions, through tails, slots, blocks and epochs, reads as in memory.
    #[test]
    fn the_store_on_disk_reads_as_the_one_in_memory(
        portions in proptest::collection::vec((0u32..6, 1usize..5_000, 1usize..40), 1..60),
        repeats in 1usize..120,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut memory = Memory::default();
        for _ in 0..2 {
            let mut sled = Sled::open(dir.path(), 0).unwrap();
            assert_eq!(journal_hash(&sled).unwrap(), journal_hash(&memory).unwrap());
            for n in 0..repeats {
                for (lane, length, every) in &portions {
                    if n % every == 0 {
                        let text = "x".repeat(*length);
                        let commit = commit_of(&[(Lane::Seat(*lane), &[&text]), (Lane::Session, &["y"])], &[]);
                        sled.commit(commit.clone()).unwrap();
                        memory.commit(commit).unwrap();
                    }
                }
            }
            assert_eq!(journal_hash(&sled).unwrap(), journal_hash(&memory).unwrap());
        }
    }
}
