//! The journal's copy in a real PostgreSQL and a real MariaDB: the rows of the export, once each, whatever was killed or
//! away meanwhile.
//!
//! `scripts/test` starts both servers and says where they are: `ARENA_POSTGRES_URL` and `ARENA_MARIADB_URL`, addresses of
//! servers with a user that may make databases, such as `postgres://arena@127.0.0.1:5432/postgres`. Without one its tests
//! say that they were skipped. `ARENA_DBML2SQL` is the program of that name.

#![cfg(feature = "sql")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod process;
#[path = "support/runs.rs"]
mod runs;

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use arena::domain::Micros;
use arena::export::{Cell, Column, Kind, Selection, Sink, Table, write};
use arena::mirror::{Mirror, SHEETS, Server, Target};
use arena::store::{Retention, Sled, Store};
use indicatif::ProgressBar;
use process::{Live, PATIENCE, Ran, arena_with, easy, folder};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};

const SERVERS: [(&str, Server); 2] = [("ARENA_POSTGRES_URL", Server::Postgres), ("ARENA_MARIADB_URL", Server::MySql)];

/// A database of its own on one of the servers.
struct Database {
    server: Server,
    admin: String,
    name: String,
    url: String,
}

/// A database named after the test on every server that there is.
fn databases(test: &str) -> Vec<Database> {
    let mut found = Vec::new();
    for (variable, server) in SERVERS {
        let Some(admin) = std::env::var(variable).ok().filter(|url| !url.is_empty()) else {
            println!("skipped: {variable} names no server (scripts/test starts one)");
            continue;
        };
        let name = format!("arena_{test}_{}", std::process::id());
        let base = admin.rsplit_once('/').unwrap().0;
        let database = Database { server, url: format!("{base}/{name}"), admin, name };
        database.admin(&format!("drop database if exists {}", database.name));
        database.admin(&format!("create database {}", database.name));
        found.push(database);
    }
    found
}

fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

impl Database {
    fn admin(&self, sql: &str) {
        self.ask_at(&self.admin, sql);
    }

    /// Every row, its columns being texts.
    fn ask(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        self.ask_at(&self.url, sql)
    }

    fn ask_at(&self, url: &str, sql: &str) -> Vec<Vec<Option<String>>> {
        wait(async {
            match self.server {
                Server::Postgres => {
                    let mut on = sqlx::PgConnection::connect(url).await.unwrap();
                    let rows = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_all(&mut on).await.unwrap();
                    rows.iter().map(|row| (0..row.len()).map(|at| row.get(at)).collect()).collect()
                }
                Server::MySql => {
                    let mut on = sqlx::MySqlConnection::connect(url).await.unwrap();
                    let rows = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_all(&mut on).await.unwrap();
                    rows.iter().map(|row| (0..row.len()).map(|at| row.get(at)).collect()).collect()
                }
            }
        })
    }

    /// How many rows a query of whatever types finds, of which at least one cell holds something.
    fn number_of_rows(&self, sql: &str) -> usize {
        use sqlx::ValueRef as _;
        wait(async {
            match self.server {
                Server::Postgres => {
                    let mut on = sqlx::PgConnection::connect(&self.url).await.unwrap();
                    let rows = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_all(&mut on).await.expect(sql);
                    rows.iter().filter(|row| (0..row.len()).any(|at| !row.try_get_raw(at).unwrap().is_null())).count()
                }
                Server::MySql => {
                    let mut on = sqlx::MySqlConnection::connect(&self.url).await.unwrap();
                    let rows = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_all(&mut on).await.expect(sql);
                    rows.iter().filter(|row| (0..row.len()).any(|at| !row.try_get_raw(at).unwrap().is_null())).count()
                }
            }
        })
    }

    fn count(&self, table: &str) -> u64 {
        let cast = if self.server == Server::Postgres { "text" } else { "char" };
        self.ask(&format!("select cast(count(*) as {cast}) from {table}"))[0][0].as_deref().unwrap().parse().unwrap()
    }

    /// A column as the text that [`Rows`] makes of a cell.
    fn exact(&self, column: &Column) -> String {
        let (name, kind) = (column.name, column.kind);
        match (self.server, kind) {
            (Server::Postgres, Kind::Time) => format!("(extract(epoch from \"{name}\") * 1000000)::bigint::text"),
            (Server::Postgres, Kind::Decimal) => format!("(\"{name}\" * 1000000)::bigint::text"),
            (Server::Postgres, Kind::Flag) => format!("\"{name}\"::int::text"),
            (Server::Postgres, _) => format!("\"{name}\"::text"),
            (Server::MySql, Kind::Time) => {
                format!("cast(timestampdiff(microsecond, '1970-01-01 00:00:00', `{name}`) as char)")
            }
            (Server::MySql, Kind::Decimal) => format!("cast(cast(`{name}` * 1000000 as signed) as char)"),
            (Server::MySql, _) => format!("cast(`{name}` as char)"),
        }
    }

    /// All rows of a table of the export, sorted.
    fn rows(&self, table: Table) -> Vec<Vec<Option<String>>> {
        let columns = table.columns();
        let list: Vec<String> = columns.iter().map(|column| self.exact(column)).collect();
        let mut rows = self.ask(&format!("select {} from {}", list.join(", "), table.name()));
        for row in &mut rows {
            for (cell, column) in row.iter_mut().zip(&columns) {
                if column.kind == Kind::Float {
                    *cell = cell.take().map(|text| format!("{:?}", text.parse::<f64>().unwrap()));
                }
            }
        }
        rows.sort();
        rows
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let force = if self.server == Server::Postgres { " with (force)" } else { "" };
        self.admin(&format!("drop database if exists {}{force}", self.name));
    }
}

/// The rows of an export, each cell an exact text.
#[derive(Default)]
struct Rows(Vec<Vec<Option<String>>>);

impl Sink for Rows {
    fn begin(&mut self, _: &[Column]) -> io::Result<()> {
        Ok(())
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        let text = |cell: &Cell<'_>| match cell {
            Cell::Empty => None,
            Cell::Text(text) => Some(text.to_string()),
            Cell::Time(time) => Some(time.0.to_string()),
            Cell::Flag(flag) => Some(u8::from(*flag).to_string()),
            Cell::Count(n) => Some(n.to_string()),
            Cell::Float(value) => Some(format!("{value:?}")),
            Cell::Decimal(micros) => Some(micros.to_string()),
        };
        self.0.push(cells.iter().map(text).collect());
        Ok(())
    }
}

fn exported(store: &dyn Store, table: Table) -> Vec<Vec<Option<String>>> {
    let mut rows = Rows::default();
    write(store, table, &Selection::default(), &mut rows).unwrap();
    rows.0.sort();
    rows.0
}

/// Every table holds the rows of the export and no others; how many there are by table.
#[track_caller]
fn assert_equal(database: &Database, store: &dyn Store) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for table in Table::ALL {
        let (want, got) = (exported(store, table), database.rows(table));
        let about = format!("{table:?} in {}", database.url);
        assert_eq!(got.len(), want.len(), "{about}: number of rows");
        for (got, want) in got.iter().zip(&want) {
            assert_eq!(got, want, "{about}");
        }
        counts.insert(table.name(), want.len());
    }
    counts
}

/// An arena with live deals, at rest in `dir`.
fn recorded(dir: &Path, quotes: usize) -> Sled {
    let config = runs::config(runs::SEVERAL);
    let quotes = runs::synthetic(&config, 5, quotes);
    let store = Sled::open(dir, 0).unwrap();
    runs::run(runs::plan(config, Box::new(runs::replay(&quotes)), Box::new(store)));
    Sled::open_existing(dir).unwrap()
}

fn mirror(database: &Database, dir: &Path, store: &Path) -> Ran {
    let store = store.display().to_string();
    let variables = [("ARENA_MIRROR_SQL", database.url.as_str())];
    arena_with(dir, &variables, &["mirror", "--quotes", "--json", "--store", &store])
}

#[test]
fn every_table_equals_the_export_and_a_second_time_changes_nothing() {
    let databases = databases("tables");
    if databases.is_empty() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    drop(recorded(&path, 60_000));
    for database in databases {
        let first = mirror(&database, dir.path(), &path).is(0).json();
        let store = Sled::open_existing(&path).unwrap();
        let counts = assert_equal(&database, &store);
        for (table, n) in &counts {
            assert!(*n > 0 || *table == "faults", "{table} has rows");
            let written = first["rows"].get(*table).and_then(serde_json::Value::as_u64).unwrap_or(0);
            // What came of a prediction or an order may be known a transaction later.
            let is_final = !matches!(*table, "predictions" | "orders" | "deals" | "models");
            assert!(
                written == *n as u64 || (!is_final && written > *n as u64),
                "{table}: {written} written, {n} there"
            );
        }
        let wrong = "trades where bought_for <> (case direction when 'long' then open_level else close_level end) or \
                     sold_at <> (case direction when 'long' then close_level else open_level end)";
        assert_eq!(database.count(wrong), 0);
        drop(store);
        let second = mirror(&database, dir.path(), &path).is(0).json();
        // Told again is what is small, and predictions made since the first one that still waits.
        for (table, n) in second["rows"].as_object().unwrap() {
            let n = usize::try_from(n.as_u64().unwrap()).unwrap();
            assert!(matches!(table.as_str(), "models" | "predictions") && n * 10 < counts["predictions"], "{second}");
        }
        let store = Sled::open_existing(&path).unwrap();
        assert_eq!(assert_equal(&database, &store), counts);
    }
}

#[test]
fn what_retention_deleted_before_it_was_copied_is_counted_and_told() {
    for database in databases("retention") {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        let mut store = recorded(&path, 120_000);
        let before = exported(&store, Table::Quotes).len() + exported(&store, Table::Predictions).len();
        let hours = Some(Micros(4 * 3_600_000_000));
        let retention = Retention { quotes_max_age: hours, predictions_max_age: hours, ..Retention::default() };
        while retention.apply(&mut store).unwrap() {}
        let quotes = exported(&store, Table::Quotes);
        let predictions = exported(&store, Table::Predictions).len();
        let deleted = before - quotes.len() - predictions;
        assert!(deleted > 0 && !quotes.is_empty(), "{deleted} of {before}");
        drop(store);
        let told = mirror(&database, dir.path(), &path).is(0).json();
        assert_eq!(told["lost"], deleted);
        assert_eq!(database.rows(Table::Quotes), quotes);
        assert_eq!(database.count("predictions"), predictions as u64);
        assert_eq!(mirror(&database, dir.path(), &path).is(0).json()["lost"], 0, "told once");
        let sum = if database.server == Server::Postgres { "text" } else { "char" };
        let lost = database.ask(&format!("select cast(sum(lost) as {sum}) from mirror_cursors"));
        assert_eq!(lost[0][0].as_deref(), Some(deleted.to_string().as_str()), "and kept");
    }
}

#[test]
fn a_database_of_another_arena_or_of_a_newer_one_is_refused() {
    for database in databases("refused") {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (dir.path().join("one"), dir.path().join("other"));
        drop(recorded(&one, 5_000));
        let config = runs::config(runs::ONE);
        let quotes = runs::synthetic(&config, 6, 5_000);
        runs::run(runs::plan(config, Box::new(runs::replay(&quotes)), Box::new(Sled::open(&other, 0).unwrap())));
        mirror(&database, dir.path(), &one).is(0);
        let rows = database.count("bars");
        mirror(&database, dir.path(), &other).fails(3, "holds the records of another arena (\"proof\"");
        assert_eq!(database.count("bars"), rows);
        database.ask("update mirror_cursors set entries = entries + 3 where name = 'session'");
        mirror(&database, dir.path(), &one).fails(3, "holds more of this arena than its store does (in lane session)");
        let bytes = if database.server == Server::Postgres { "'\\x00'" } else { "x'00'" };
        database.ask(&format!(
            "insert into _sqlx_migrations (version, description, installed_on, success, checksum, execution_time) values \
             (99, 'later', now(), true, {bytes}, 0)"
        ));
        mirror(&database, dir.path(), &one).fails(3, "has tables of a newer arena (migration 99)");
        // Tables of somebody else are in the way, and stay as they are.
        for table in ["_sqlx_migrations", "trades"] {
            database.ask(&format!("drop table {table}"));
        }
        database.ask("create table trades (mine integer)");
        mirror(&database, dir.path(), &one).is(1);
        let again = mirror(&database, dir.path(), &one);
        assert!(again.code == 1 || again.code == 3, "{again:?}");
        assert_eq!(database.count("trades"), 0);
    }
}

#[test]
fn a_password_is_in_no_message() {
    let dir = folder(&easy(&[]));
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    drop(recorded(&dir.path().join("data/store"), 500));
    for scheme in ["postgres", "mysql"] {
        let url = format!("{scheme}://me:hunter2@{gone}/x");
        let ran =
            arena_with(dir.path(), &[("ARENA_MIRROR_SQL", &url)], &["mirror", "-v", "--store", "data/store"]).is(1);
        assert!(!format!("{ran:?}").contains("hunter2"), "{ran:?}");
        assert!(ran.err.contains(&format!("{scheme}://me@{gone}/x")), "{ran:?}");
        let config = format!("{}\n[mirror]\nsql = \"{url}\"\n", easy(&[]));
        std::fs::write(dir.path().join("arena.toml"), config).unwrap();
        let ran = arena_with(dir.path(), &[], &["check"]).is(2);
        assert!(!format!("{ran:?}").contains("hunter2") && ran.out.contains("ARENA_MIRROR_PASSWORD"), "{ran:?}");
    }
    std::fs::write(dir.path().join("arena.toml"), easy(&[])).unwrap();
    arena_with(dir.path(), &[], &["mirror"]).fails(2, "no database is named");
}

/// A way to a database that can be closed: who is on it then is cut off.
struct Gate {
    address: SocketAddr,
    is_open: Arc<AtomicBool>,
    passing: Arc<Mutex<Vec<TcpStream>>>,
}

impl Gate {
    fn before(database: &Database, is_open: bool) -> Self {
        let place = database.url.split_once("://").unwrap().1;
        let place = place.rsplit_once('@').map_or(place, |(_, place)| place).split('/').next().unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let gate = Self {
            address: listener.local_addr().unwrap(),
            is_open: Arc::new(AtomicBool::new(is_open)),
            passing: Arc::default(),
        };
        let (is_open, passing) = (Arc::clone(&gate.is_open), Arc::clone(&gate.passing));
        thread::spawn(move || {
            for from in listener.incoming() {
                let Ok(from) = from else { return };
                if !is_open.load(Ordering::SeqCst) {
                    continue;
                }
                let to = TcpStream::connect(&place).unwrap();
                for (a, b) in [(&from, &to), (&to, &from)] {
                    let (mut a, mut b) = (a.try_clone().unwrap(), b.try_clone().unwrap());
                    passing.lock().unwrap().push(a.try_clone().unwrap());
                    thread::spawn(move || pass(&mut a, &mut b));
                }
            }
        });
        gate
    }

    fn url(&self, database: &Database) -> String {
        let (scheme, place) = database.url.split_once("://").unwrap();
        let (login, place) = place.rsplit_once('@').unwrap();
        format!("{scheme}://{login}@{}/{}", self.address, place.split_once('/').unwrap().1)
    }

    fn open(&self) {
        self.is_open.store(true, Ordering::SeqCst);
    }

    fn close(&self) {
        self.is_open.store(false, Ordering::SeqCst);
        for stream in self.passing.lock().unwrap().drain(..) {
            // One that has ended already is as good.
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

fn pass(from: &mut TcpStream, to: &mut TcpStream) {
    let mut bytes = [0; 16_384];
    while let Ok(n) = from.read(&mut bytes) {
        if n == 0 || to.write_all(&bytes[..n]).is_err() {
            break;
        }
    }
    drop(to.shutdown(Shutdown::Both));
}

#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "waited too long until {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// A configuration of a fast market that is copied to `url`.
fn copied_to(url: &str) -> String {
    let fast = easy(&[("speed = 0", "speed = 3600"), ("alpha = 0.4", "alpha = 0.45")]);
    format!("{fast}\n[mirror]\nsql = \"{url}\"\nquotes = true\n")
}

fn metric(live: &Live, name: &str) -> f64 {
    let (_, text) = live.get("/metrics");
    let line = text.lines().find(|line| line.starts_with(name) && line[name.len()..].starts_with([' ', '{']));
    line.and_then(|line| line.rsplit(' ').next()).map_or(0.0, |value| value.parse().unwrap())
}

#[test]
fn a_killed_arena_and_a_database_that_is_away_leave_every_row_once() {
    for database in databases("killed") {
        let gate = Gate::before(&database, false);
        let dir = folder(&copied_to(&gate.url(&database)));
        let store = dir.path().join("data/store");
        // The database is stopped at the start: the arena trades, and says so.
        let live = Live::start(dir.path());
        live.until("bars close", |live| metric(live, "arena_rounds_total") > 20.0);
        live.until("it is told", |live| metric(live, "arena_mirror_errors_total") > 0.0);
        assert!(metric(&live, "arena_mirror_up") < 0.5);
        gate.open();
        live.until("rows come", |live| metric(live, "arena_mirror_up") > 0.5);
        until("trades are there", || database.count("trades") > 0);
        // It goes away, and comes back: what it costs is lag.
        gate.close();
        let rounds = metric(&live, "arena_rounds_total");
        live.until("the loss is noticed", |live| metric(live, "arena_mirror_up") < 0.5);
        live.until("the arena goes on", |live| metric(live, "arena_rounds_total") > rounds + 20.0);
        live.until("the lag grows", |live| metric(live, "arena_mirror_lag_seconds") >= 1.0);
        let bars = database.count("bars");
        gate.open();
        until("it catches up", || database.count("bars") > bars + 20);
        // kill -9, while rows are on their way.
        let mut live = live;
        for pause in [700, 930, 1_390] {
            thread::sleep(Duration::from_millis(pause));
            live.signal("KILL");
            drop(live);
            live = Live::start(dir.path());
            let bars = database.count("bars");
            until("it goes on", || database.count("bars") > bars + 20);
        }
        let ran = live.interrupt(PATIENCE).is(0);
        let told = ran.err.matches("the database does not take the records").count();
        assert!(told <= 1, "{ran:?}");
        let copied = mirror(&database, dir.path(), &store).is(0).json();
        assert_eq!(copied["lost"], 0);
        let counts = assert_equal(&database, &Sled::open_existing(&store).unwrap());
        for table in ["trades", "predictions", "bars", "quotes", "orders", "models", "lifecycle"] {
            assert!(counts[table] > 0, "{table}: {counts:?}");
        }
    }
}

#[test]
fn a_copy_that_is_killed_at_any_moment_goes_on() {
    for database in databases("cut") {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        drop(recorded(&path, 60_000));
        let mut ended = 0;
        // The first ones are in the middle of making the tables.
        for kill in 0..12_u64 {
            let mut child = Command::new(env!("CARGO_BIN_EXE_arena"))
                .args(["mirror", "--quotes", "-q", "--store"])
                .arg(&path)
                .env("ARENA_MIRROR_SQL", &database.url)
                .current_dir(dir.path())
                .spawn()
                .unwrap();
            thread::sleep(Duration::from_millis(60 + 90 * kill));
            ended += usize::from(child.try_wait().unwrap().is_some());
            child.kill().unwrap();
            child.wait().unwrap();
        }
        println!("{ended} of 12 were done before they were killed");
        mirror(&database, dir.path(), &path).is(0);
        assert_equal(&database, &Sled::open_existing(&path).unwrap());
    }
}

/// What Grafana makes of a query over all of time with every model chosen.
fn written_out(sql: &str, models: &str, server: Server) -> String {
    let mut made = sql.replace("$model", models);
    while let Some(at) = made.find("$__timeFilter(") {
        let from = at + "$__timeFilter(".len();
        let to = from + made[from..].find(')').unwrap();
        let column = &made[from..to];
        let filter = match server {
            Server::Postgres => format!("{column} BETWEEN '1970-01-02T00:00:00Z' AND '2037-01-01T00:00:00Z'"),
            Server::MySql => format!("{column} BETWEEN FROM_UNIXTIME(86400) AND FROM_UNIXTIME(2114380800)"),
        };
        made.replace_range(at..=to, &filter);
    }
    assert!(!made.contains('$'), "{made}");
    made
}

#[test]
fn every_query_of_the_dashboards_finds_something_in_its_database() {
    // A faultless session has no faults.
    const MAY_BE_EMPTY: [&str; 1] = ["Faults"];
    for database in databases("panels") {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store");
        drop(recorded(&path, 60_000));
        mirror(&database, dir.path(), &path).is(0);
        let name = if database.server == Server::Postgres { "postgres" } else { "mariadb" };
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("dashboards/grafana/records-{name}.json"));
        let dashboard: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        let variables = dashboard["templating"]["list"].as_array().unwrap();
        let model = variables.iter().find(|variable| variable["name"] == "model").unwrap();
        let models = database.ask(model["query"].as_str().unwrap());
        let models: Vec<String> = models.iter().map(|row| format!("'{}'", row[0].as_deref().unwrap())).collect();
        assert!(models.len() > 3, "{models:?}");
        let mut asked = 0;
        for panel in dashboard["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let sql = written_out(target["rawSql"].as_str().unwrap(), &models.join(","), database.server);
                let rows = database.number_of_rows(&sql);
                let title = panel["title"].as_str().unwrap();
                assert!(rows > 0 || MAY_BE_EMPTY.contains(&title), "{title} finds nothing by {sql}");
                asked += 1;
            }
        }
        assert!(asked > 15, "{asked} queries");
    }
}

#[test]
fn the_library_copies_as_the_command_does() {
    for database in databases("library") {
        let dir = tempfile::tempdir().unwrap();
        let store = recorded(dir.path(), 5_000);
        let target = Target::of("test", &database.url, None).unwrap();
        let copied = Mirror::new(target, false).copy(&store, &ProgressBar::hidden()).unwrap();
        assert_eq!(copied.rows.get("quotes"), None, "quotes are copied where they are asked for");
        for sheet in SHEETS.iter().filter(|sheet| sheet.name != "quotes") {
            assert_eq!(copied.rows.get(sheet.name).copied().unwrap_or(0), database.count(sheet.name), "{}", sheet.name);
        }
    }
}

#[test]
fn the_migrations_are_what_dbml2sql_makes_of_the_schema() {
    let Some(program) = std::env::var_os("ARENA_DBML2SQL") else {
        println!("skipped: ARENA_DBML2SQL names no dbml2sql (scripts/test installs it with npm)");
        return;
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for server in ["postgres", "mysql"] {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("made.sql");
        let done = Command::new(&program)
            .arg(root.join("docs/schema.dbml"))
            .arg(format!("--{server}"))
            .arg("-o")
            .arg(&out)
            .current_dir(dir.path())
            .output()
            .unwrap();
        assert!(done.status.success(), "{done:?}");
        // When it was made is the one thing that differs from time to time.
        let made = std::fs::read_to_string(out).unwrap();
        let made: String =
            made.lines().filter(|line| !line.starts_with("-- Generated at")).map(|l| format!("{l}\n")).collect();
        let held = std::fs::read_to_string(root.join(format!("src/mirror/migrations/{server}/1_tables.sql"))).unwrap();
        assert_eq!(made, held, "{server}: make it again with dbml2sql, or add a migration where one was released");
    }
}
