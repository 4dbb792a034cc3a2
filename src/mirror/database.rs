//! The two databases: how a connection is made, what is asked before the first row, and how a batch becomes a transaction.
//!
//! Every cell travels as text, and the database is told its column's type: exact decimals and microseconds pass through
//! no float and no clock of a driver. A row whose key is there already changes nothing, or, in the tables whose rows tell of
//! something that goes on, becomes what it is now.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection as _, Row as _, SqlSafeStr, query};

use super::assemble::{Batch, Texts};
use super::cursor::{Cursor, lane_of, name_of, number_of};
use super::sheets::Place;
use super::target::{Server, Target};
use super::{MirrorError, Sheet};
use crate::domain::UtcMicros;
use crate::export::Kind;
use crate::store::Lane;

/// How long the database may take to let us in,
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// and over one transaction.
const WRITE_PATIENCE: Duration = Duration::from_secs(120);
/// Rows in one statement of PostgreSQL.
const ROWS_MAX: usize = 5_000;
/// Values in one statement of MariaDB, which takes 65,535.
const VALUES_MAX: usize = 20_000;

/// An open connection.
enum Connection {
    Postgres(Box<PgConnection>),
    MySql(Box<MySqlConnection>),
}

/// The copy of one arena.
pub(super) struct Database {
    connection: Connection,
    shown: String,
    statements: Statements,
}

/// One query over either connection.
macro_rules! on_either {
    ($connection:expr, $on:ident => $body:expr) => {
        match $connection {
            Connection::Postgres($on) => {
                let $on = &mut **$on;
                $body
            }
            Connection::MySql($on) => {
                let $on = &mut **$on;
                $body
            }
        }
    };
}

impl Database {
    /// Connects, and brings the tables to their present form.
    pub(super) async fn open(target: &Target) -> Result<Self, MirrorError> {
        let mut database = Self::connect(target).await?;
        database.migrate().await?;
        Ok(database)
    }

    /// Connects, and changes nothing.
    pub(super) async fn connect(target: &Target) -> Result<Self, MirrorError> {
        let shown = target.shown().to_owned();
        let failed = |why: String| MirrorError::Database { target: target.shown().to_owned(), why };
        let connected = async {
            match target.server() {
                Server::Postgres => {
                    let mut options = PgConnectOptions::from_str(target.address())?.application_name("arena");
                    if let Some(password) = target.password() {
                        options = options.password(password);
                    }
                    let on = options.disable_statement_logging().connect().await?;
                    Ok::<_, sqlx::Error>(Connection::Postgres(Box::new(on)))
                }
                Server::MySql => {
                    let mut options = MySqlConnectOptions::from_str(target.address())?;
                    if let Some(password) = target.password() {
                        options = options.password(password);
                    }
                    let mut on = options.disable_statement_logging().connect().await?;
                    // What does not fit is an error, never cut.
                    query("set session sql_mode = concat(@@sql_mode, ',STRICT_ALL_TABLES')").execute(&mut on).await?;
                    Ok(Connection::MySql(Box::new(on)))
                }
            }
        };
        let connected = tokio::time::timeout(CONNECT_PATIENCE, connected).await;
        let connection = connected
            .map_err(|_| failed(format!("it did not answer within {} s", CONNECT_PATIENCE.as_secs())))?
            .map_err(|error| failed(error.to_string()))?;
        let statements = Statements::of(target.server());
        Ok(Self { connection, shown, statements })
    }

    async fn migrate(&mut self) -> Result<(), MirrorError> {
        let migrator = |sql: &'static str| {
            let kind = MigrationType::Simple;
            Migrator::with_migrations(vec![Migration::new(1, "tables".into(), kind, sql.into_sql_str(), false)])
        };
        let connection = &mut self.connection;
        let done = async {
            match connection {
                Connection::Postgres(on) => {
                    run(&migrator(include_str!("migrations/postgres/1_tables.sql")), &mut **on).await
                }
                Connection::MySql(on) => {
                    let migrator = migrator(include_str!("migrations/mysql/1_tables.sql"));
                    match run(&migrator, &mut **on).await {
                        Err(MigrateError::Dirty(1)) if forget_a_beginning(&mut *on).await? => {
                            run(&migrator, &mut **on).await
                        }
                        done => done,
                    }
                }
            }
        };
        let done = done.await;
        done.map_err(|error| match error {
            MigrateError::VersionMissing(version) => self.refused(format!(
                "has tables of a newer arena (migration {version}): install that arena, or name another database"
            )),
            MigrateError::VersionMismatch(version) => self.refused(format!(
                "has tables that another program made (migration {version} is not ours): name another database"
            )),
            MigrateError::Dirty(version) => self.refused(format!(
                "has tables that are none of ours, in the way of migration {version}: name another database"
            )),
            other => self.failed(&other),
        })
    }

    /// Makes sure that the copy is of this arena: the first one that comes has it.
    pub(super) async fn claim(&mut self, name: &str, identity: &str) -> Result<(), MirrorError> {
        let Database { connection, statements, .. } = self;
        let claimed = async {
            on_either!(connection, on => {
                query(AssertSqlSafe(statements.claim.clone())).bind(name).bind(identity).execute(&mut *on).await?;
                let row = query("select name, identity from mirror_arena where id = 1").fetch_one(&mut *on).await?;
                Ok::<(String, String), sqlx::Error>((row.try_get(0)?, row.try_get(1)?))
            })
        };
        let (known, held) = claimed.await.map_err(|error| self.failed(&error))?;
        if held == identity {
            return Ok(());
        }
        Err(self.refused(format!(
            "holds the records of another arena ({known:?}, begun as {}; this one is {name:?}, begun as {}): name \
             another database",
            &held[..held.len().min(8)],
            &identity[..identity.len().min(8)]
        )))
    }

    /// How far each lane was copied.
    pub(super) async fn cursors(&mut self) -> Result<BTreeMap<Lane, Cursor>, MirrorError> {
        const ASK: &str = "select lane, entries, cut, at_micros, ties, settled_micros, lost from mirror_cursors";
        let read = async {
            on_either!(&mut self.connection, on => {
                let mut cursors = BTreeMap::new();
                for row in query(ASK).fetch_all(&mut *on).await? {
                    let count = |at: usize| Ok::<u64, sqlx::Error>(row.try_get::<i64, _>(at)?.unsigned_abs());
                    let time = |at: usize| Ok::<_, sqlx::Error>(row.try_get::<Option<i64>, _>(at)?.map(UtcMicros));
                    let cursor = Cursor {
                        entries: count(1)?,
                        cut: count(2)?,
                        at: time(3)?,
                        ties: count(4)?,
                        settled: time(5)?,
                        lost: count(6)?,
                    };
                    if let Some(lane) = lane_of(row.try_get::<i64, _>(0)?) {
                        cursors.insert(lane, cursor);
                    }
                }
                Ok::<_, sqlx::Error>(cursors)
            })
        };
        read.await.map_err(|error| self.failed(&error))
    }

    /// Writes rows and cursors, all of them or none.
    pub(super) async fn write(&mut self, batch: &Batch) -> Result<(), MirrorError> {
        let mut sheets: BTreeMap<Place, Vec<&Texts>> = BTreeMap::new();
        for ((place, _), row) in &batch.rows {
            sheets.entry(*place).or_default().push(row);
        }
        let cursors: Vec<Texts> = batch.cursors.iter().map(|(lane, cursor)| cursor_texts(*lane, cursor)).collect();
        let Database { connection, statements, .. } = self;
        let written = async {
            match connection {
                Connection::Postgres(on) => {
                    let mut transaction = on.begin().await?;
                    for (place, rows) in sheets {
                        postgres(&mut transaction, statements.of_sheet(place), &rows).await?;
                    }
                    postgres(&mut transaction, &statements.cursors, &cursors.iter().collect::<Vec<_>>()).await?;
                    transaction.commit().await
                }
                Connection::MySql(on) => {
                    let mut transaction = on.begin().await?;
                    for (place, rows) in sheets {
                        mysql(&mut transaction, statements.of_sheet(place), &rows).await?;
                    }
                    mysql(&mut transaction, &statements.cursors, &cursors.iter().collect::<Vec<_>>()).await?;
                    transaction.commit().await
                }
            }
        };
        match tokio::time::timeout(WRITE_PATIENCE, written).await {
            Ok(done) => done.map_err(|error| self.failed(&error)),
            Err(_) => {
                let why = format!("it did not take {} rows within {} s", batch.rows.len(), WRITE_PATIENCE.as_secs());
                Err(MirrorError::Database { target: self.shown.clone(), why })
            }
        }
    }

    fn failed(&self, error: &dyn std::error::Error) -> MirrorError {
        MirrorError::Database { target: self.shown.clone(), why: error.to_string() }
    }

    fn refused(&self, why: String) -> MirrorError {
        MirrorError::Refused { target: self.shown.clone(), why }
    }
}

/// MariaDB makes tables one by one, in no transaction: whoever is killed meanwhile leaves some of them, all empty. Drops
/// those; whether it could: a table that holds something, or has other columns, is none of ours.
async fn forget_a_beginning(on: &mut MySqlConnection) -> Result<bool, MigrateError> {
    const COLUMNS: &str = "select cast(column_name as char) from information_schema.columns \
                           where table_schema = database() and table_name = ? order by ordinal_position";
    on.lock().await?;
    let sheets = super::SHEETS.iter().map(|sheet| {
        let columns = sheet.columns().iter().map(|column| column.name).collect::<Vec<_>>();
        (sheet.name, columns)
    });
    let cursors = CURSOR.iter().map(|(name, _)| *name).collect();
    let own = [("mirror_cursors", cursors), ("mirror_arena", vec!["id", "name", "identity"])];
    let mut left = Vec::new();
    let mut is_ours = true;
    for (table, columns) in sheets.chain(own) {
        let there = query(COLUMNS).bind(table).fetch_all(&mut *on).await?;
        let there = there.iter().map(|row| row.try_get::<String, _>(0)).collect::<Result<Vec<_>, _>>()?;
        if there.is_empty() {
            continue;
        }
        let first = query(AssertSqlSafe(format!("select 1 from `{table}` limit 1"))).fetch_optional(&mut *on).await?;
        is_ours &= there == columns && first.is_none();
        left.push(table);
    }
    if is_ours {
        for table in left {
            query(AssertSqlSafe(format!("drop table `{table}`"))).execute(&mut *on).await?;
        }
        query("delete from _sqlx_migrations where version = 1 and success = false").execute(&mut *on).await?;
    }
    on.unlock().await?;
    Ok(is_ours)
}

async fn run<C: Migrate>(migrator: &Migrator, on: &mut C) -> Result<(), MigrateError> {
    migrator.run_direct(None, on, false).await
}

/// Each column as one array: one statement, however many rows.
async fn postgres(on: &mut PgConnection, statement: &Statement, rows: &[&Texts]) -> Result<(), sqlx::Error> {
    for rows in rows.chunks(ROWS_MAX) {
        let mut query = query(AssertSqlSafe(statement.head.clone()));
        for at in 0..statement.columns {
            query = query.bind(rows.iter().map(|row| row[at].clone()).collect::<Vec<Option<String>>>());
        }
        query.execute(&mut *on).await?;
    }
    Ok(())
}

/// Every value by itself.
async fn mysql(on: &mut MySqlConnection, statement: &Statement, rows: &[&Texts]) -> Result<(), sqlx::Error> {
    let row = format!("({})", vec!["?"; statement.columns].join(","));
    for rows in rows.chunks(VALUES_MAX / statement.columns.max(1)) {
        let values = vec![row.as_str(); rows.len()].join(",");
        // Few batches have the same number of rows: their statements are not worth keeping.
        let mut query =
            query(AssertSqlSafe(format!("{} {values} {}", statement.head, statement.tail))).persistent(false);
        for value in rows.iter().flat_map(|row| row.iter()) {
            query = query.bind(value.as_deref());
        }
        query.execute(&mut *on).await?;
    }
    Ok(())
}

const CURSOR: [(&str, Kind); 8] = [
    ("lane", Kind::Count),
    ("name", Kind::Text),
    ("entries", Kind::Count),
    ("cut", Kind::Count),
    ("at_micros", Kind::Count),
    ("ties", Kind::Count),
    ("settled_micros", Kind::Count),
    ("lost", Kind::Count),
];

fn cursor_texts(lane: Lane, cursor: &Cursor) -> Texts {
    let Cursor { entries, cut, at, ties, settled, lost } = *cursor;
    let time = |time: Option<UtcMicros>| time.map(|time| time.0.to_string());
    let count = |count: u64| Some(count.to_string());
    let lane_number = Some(number_of(lane).to_string());
    vec![
        lane_number,
        Some(name_of(lane)),
        count(entries),
        count(cut),
        time(at),
        count(ties),
        time(settled),
        count(lost),
    ]
}

/// How rows are written to one table.
struct Statement {
    /// What stands before the values; the whole of it for PostgreSQL.
    head: String,
    /// What stands after them.
    tail: String,
    columns: usize,
}

struct Statements {
    sheets: Vec<Statement>,
    cursors: Statement,
    claim: String,
}

impl Statements {
    fn of(server: Server) -> Self {
        let of_sheet = |sheet: &Sheet| {
            let columns: Vec<(&str, Kind)> = sheet.columns().iter().map(|column| (column.name, column.kind)).collect();
            Statement::of(server, sheet.name, &columns, sheet.key, sheet.is_final)
        };
        let claim = match server {
            Server::Postgres => {
                "insert into mirror_arena (id, name, identity) values (1, $1, $2) on conflict do nothing"
            }
            Server::MySql => {
                "insert into mirror_arena (id, name, identity) values (1, ?, ?) on duplicate key update id = id"
            }
        };
        Self {
            sheets: super::SHEETS.iter().map(of_sheet).collect(),
            cursors: Statement::of(server, "mirror_cursors", &CURSOR, &["lane"], false),
            claim: claim.to_owned(),
        }
    }

    fn of_sheet(&self, place: Place) -> &Statement {
        &self.sheets[place as usize]
    }
}

impl Statement {
    fn of(server: Server, table: &str, columns: &[(&str, Kind)], key: &[&str], is_final: bool) -> Self {
        let list = |of: &dyn Fn(&(&str, Kind)) -> String| columns.iter().map(of).collect::<Vec<_>>().join(", ");
        let changes = |of: &dyn Fn(&str) -> String| {
            let others = columns.iter().map(|(name, _)| *name).filter(|name| !key.contains(name));
            others.map(of).collect::<Vec<_>>().join(", ")
        };
        let (head, tail) = match server {
            Server::Postgres => {
                let names = list(&|(name, _)| format!("\"{name}\""));
                let typed = list(&|(name, kind)| format!("r.\"{name}\"::{}", postgres_type(*kind)));
                let arrays: Vec<String> = (1..=columns.len()).map(|at| format!("${at}::text[]")).collect();
                let then = if is_final {
                    "nothing".to_owned()
                } else {
                    format!("update set {}", changes(&|name| format!("\"{name}\" = excluded.\"{name}\"")))
                };
                let key: Vec<String> = key.iter().map(|name| format!("\"{name}\"")).collect();
                let head = format!(
                    "insert into \"{table}\" ({names}) select {typed} from unnest({}) as r({names}) on conflict ({}) do {then}",
                    arrays.join(", "),
                    key.join(", ")
                );
                (head, String::new())
            }
            Server::MySql => {
                let names = list(&|(name, _)| format!("`{name}`"));
                // Not `insert ignore`, which would pass over every other fault of a row as well.
                let then = if is_final {
                    key.first().map(|name| format!("`{name}` = `{name}`")).unwrap_or_default()
                } else {
                    changes(&|name| format!("`{name}` = values(`{name}`)"))
                };
                (format!("insert into `{table}` ({names}) values"), format!("on duplicate key update {then}"))
            }
        };
        Self { head, tail, columns: columns.len() }
    }
}

fn postgres_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "text",
        Kind::Time => "timestamp",
        Kind::Flag => "boolean",
        Kind::Count => "bigint",
        Kind::Float => "float8",
        Kind::Decimal => "numeric",
    }
}
