//! Which database, and by what right.
//!
//! `[mirror] sql` is an address without a password, which is in `ARENA_MIRROR_PASSWORD`; `ARENA_MIRROR_SQL` is a whole
//! address, password and all, and goes before the configured one. What is shown of an address never holds a password.

use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};
use sqlx::mysql::MySqlConnectOptions;
use sqlx::postgres::PgConnectOptions;

use super::MirrorError;
use crate::config::is_mirror_address;

/// A whole address, password and all.
pub const ADDRESS: &str = "ARENA_MIRROR_SQL";
/// The password to the configured address.
pub const PASSWORD: &str = "ARENA_MIRROR_PASSWORD";

/// The kinds of databases that are copied to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// PostgreSQL.
    Postgres,
    /// MariaDB, or MySQL.
    MySql,
}

/// A database of the operator's.
#[derive(Clone, Debug)]
pub struct Target {
    address: SecretString,
    password: Option<SecretString>,
    server: Server,
    shown: String,
}

impl Target {
    /// The database of `[mirror] sql`, or of the environment; `None` where neither names one.
    ///
    /// # Errors
    /// [`MirrorError::Address`] where what the environment names is none.
    pub fn named(configured: Option<&str>) -> Result<Option<Self>, MirrorError> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        match (variable(ADDRESS), configured) {
            (Some(address), _) => Self::of(ADDRESS, address.trim(), None).map(Some),
            (None, Some(address)) => {
                Self::of("[mirror] sql", address, variable(PASSWORD).map(SecretString::from)).map(Some)
            }
            (None, None) => Ok(None),
        }
    }

    /// The database at `address`, which `from` names, by `password` where the address holds none.
    ///
    /// # Errors
    /// [`MirrorError::Address`].
    pub fn of(from: &str, address: &str, password: Option<SecretString>) -> Result<Self, MirrorError> {
        let shown = without_password(address);
        let wrong = || {
            let want = "postgres://USER@HOST:PORT/DATABASE or mysql://USER@HOST:PORT/DATABASE";
            MirrorError::Address(format!("{from} is {shown:?}; want {want}"))
        };
        let server = match address.split("://").next() {
            Some("postgres" | "postgresql") => Server::Postgres,
            _ => Server::MySql,
        };
        let is_readable = match server {
            Server::Postgres => PgConnectOptions::from_str(address).is_ok(),
            Server::MySql => MySqlConnectOptions::from_str(address).is_ok(),
        };
        if !is_mirror_address(&shown) || !is_readable {
            return Err(wrong());
        }
        Ok(Self { address: address.to_owned().into(), password, server, shown })
    }

    /// What kind of database it is.
    #[must_use]
    pub fn server(&self) -> Server {
        self.server
    }

    /// Its address, without a password.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Whole, for the driver alone.
    pub(super) fn address(&self) -> &str {
        self.address.expose_secret()
    }

    /// For the driver alone.
    pub(super) fn password(&self) -> Option<&str> {
        self.password.as_ref().map(ExposeSecret::expose_secret)
    }
}

/// An address with what stands between its name and its host left out, and what is asked of the driver.
fn without_password(address: &str) -> String {
    let address = address.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = address.split_once("://") else { return "…".to_owned() };
    let (login, place) = rest.rsplit_once('@').map_or((None, rest), |(login, place)| (Some(login), place));
    match login.map(|login| login.split(':').next().unwrap_or_default()) {
        Some(name) => format!("{scheme}://{name}@{place}"),
        None => format!("{scheme}://{place}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_ever_shown() {
        for (address, shown) in [
            ("postgres://me:se@cr:et@db.example:5432/arena?sslmode=require", "postgres://me@db.example:5432/arena"),
            ("mysql://me@127.0.0.1/arena", "mysql://me@127.0.0.1/arena"),
            ("postgresql://127.0.0.1/arena?password=secret", "postgresql://127.0.0.1/arena"),
            ("secret", "…"),
        ] {
            assert_eq!(without_password(address), shown);
        }
        let target = Target::of("x", "postgres://me:secret@127.0.0.1/arena", None).unwrap();
        assert!(!format!("{target:?}").contains("secret"), "{target:?}");
        let with = Target::of("x", "mysql://me@127.0.0.1/arena", Some("secret".to_owned().into())).unwrap();
        assert!(!format!("{with:?}").contains("secret"), "{with:?}");
        assert_eq!((target.server(), with.server()), (Server::Postgres, Server::MySql));
    }

    #[test]
    fn what_is_no_address_is_told_without_its_password() {
        for address in ["sqlite://a:secret@b/c", "postgres://a:secret@b", "postgres://a:secret@b:port/c", "secret"] {
            let told = Target::of("ARENA_MIRROR_SQL", address, None).unwrap_err().to_string();
            assert!(told.starts_with("ARENA_MIRROR_SQL is") && !told.contains("secret"), "{told}");
        }
    }
}
