//! Who is logged in: client and account tokens, bearer tokens, their lives, and the key for passwords.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rsa::pkcs8::EncodePublicKey;

use crate::domain::{Micros, UtcMicros};
use crate::sim::rng::Rng;

use super::config::Delays;

/// Sessions that are kept; the one used longest ago goes first.
const SESSIONS_MAX: usize = 1_000;
/// Bits of the key for passwords: enough for a simulator, and quickly made.
const KEY_BITS: usize = 1_024;

/// Why a request is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    ClientMissing,
    AccountMissing,
    ClientInvalid,
    AccountInvalid,
    BearerInvalid,
}

impl Denied {
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::ClientMissing => "error.security.client-token-missing",
            Self::AccountMissing => "error.security.account-token-missing",
            Self::ClientInvalid => "error.security.client-token-invalid",
            Self::AccountInvalid => "error.security.account-token-invalid",
            Self::BearerInvalid => "error.security.oauth-token-invalid",
        }
    }
}

/// One login.
#[derive(Clone, Debug)]
pub(super) struct Login {
    pub(super) client_token: String,
    pub(super) account_token: String,
    pub(super) account: String,
    born: UtcMicros,
    used: UtcMicros,
    /// Access and refresh token, and when they were made.
    bearer: Option<(String, String, UtcMicros)>,
}

/// A pair of bearer tokens, to be told.
#[derive(Clone, Debug)]
pub(super) struct Bearer {
    pub(super) access: String,
    pub(super) refresh: String,
}

/// All logins.
#[derive(Debug)]
pub(super) struct Sessions {
    rng: Rng,
    logins: BTreeMap<String, Login>,
    key: Option<rsa::PrivateKey>,
}

impl Sessions {
    pub(super) fn new(seed: u64) -> Self {
        Self { rng: Rng::new(seed, "tokens"), logins: BTreeMap::new(), key: None }
    }

    fn token(&mut self, digits: usize) -> String {
        let mut text = String::with_capacity(digits + 16);
        while text.len() < digits {
            text.push_str(&format!("{:016x}", self.rng.next_u64()));
        }
        text.truncate(digits);
        text
    }

    /// A new login on an account.
    pub(super) fn login(&mut self, account: &str, is_bearer: bool, now: UtcMicros) -> Login {
        if self.logins.len() >= SESSIONS_MAX
            && let Some(oldest) =
                self.logins.values().min_by_key(|login| login.used).map(|login| login.client_token.clone())
        {
            self.logins.remove(&oldest);
        }
        let login = Login {
            client_token: self.token(64),
            account_token: self.token(64).to_uppercase(),
            account: account.to_owned(),
            born: now,
            used: now,
            bearer: is_bearer.then(|| (self.token(36), self.token(36), now)),
        };
        self.logins.insert(login.client_token.clone(), login.clone());
        login
    }

    /// The bearer tokens of a login.
    pub(super) fn bearer(&self, login: &Login) -> Option<Bearer> {
        let (access, refresh, _) = login.bearer.clone()?;
        Some(Bearer { access, refresh })
    }

    /// New bearer tokens for a refresh token that lives.
    pub(super) fn refresh(&mut self, token: &str, delays: &Delays, now: UtcMicros) -> Option<Bearer> {
        let (access, refresh) = (self.token(36), self.token(36));
        let life = delays.access_life.0 + delays.refresh_life.0;
        let login = self.logins.values_mut().find(|login| {
            login.bearer.as_ref().is_some_and(|(_, refresh, made)| refresh == token && now.0 < made.0 + life)
        })?;
        login.bearer = Some((access.clone(), refresh.clone(), now));
        login.used = now;
        Some(Bearer { access, refresh })
    }

    /// The login that two tokens belong to.
    pub(super) fn by_tokens(
        &mut self,
        client: Option<&str>,
        account: Option<&str>,
        delays: &Delays,
        now: UtcMicros,
    ) -> Result<Login, Denied> {
        let client = client.ok_or(Denied::ClientMissing)?;
        let account = account.ok_or(Denied::AccountMissing)?;
        let login = self.logins.get_mut(client).ok_or(Denied::ClientInvalid)?;
        let end = (login.used + delays.token_life).min(login.born + delays.token_life_max);
        if now >= end {
            self.logins.remove(client);
            return Err(Denied::ClientInvalid);
        }
        if login.account_token != account {
            return Err(Denied::AccountInvalid);
        }
        login.used = now;
        Ok(login.clone())
    }

    /// The login that an access token belongs to.
    pub(super) fn by_bearer(&mut self, token: &str, delays: &Delays, now: UtcMicros) -> Result<Login, Denied> {
        let life: Micros = delays.access_life;
        let login = self
            .logins
            .values_mut()
            .find(|login| login.bearer.as_ref().is_some_and(|(access, _, made)| access == token && now < *made + life));
        let login = login.ok_or(Denied::BearerInvalid)?;
        login.used = now;
        Ok(login.clone())
    }

    /// Puts a login on another account, with a new account token.
    pub(super) fn switch(&mut self, client: &str, account: &str) -> Option<Login> {
        let token = self.token(64).to_uppercase();
        let login = self.logins.get_mut(client)?;
        account.clone_into(&mut login.account);
        login.account_token = token;
        Some(login.clone())
    }

    /// Ends a login.
    pub(super) fn logout(&mut self, client: &str) {
        self.logins.remove(client);
    }

    /// Ends all.
    pub(super) fn expire_all(&mut self) {
        self.logins.clear();
    }

    /// The public key for passwords, as DER in base64; made when it is first asked for.
    pub(super) fn public_key(&mut self) -> Option<String> {
        if self.key.is_none() {
            self.key = rsa::PrivateKey::new(&mut getrandom::SysRng, KEY_BITS).ok();
        }
        let der = self.key.as_ref()?.to_public_key().to_public_key_der().ok()?;
        Some(STANDARD.encode(der.as_bytes()))
    }

    /// The password in an encrypted one, if it was encrypted with our key at a time near `now`.
    pub(super) fn decrypt(&self, text: &str, now: UtcMicros) -> Option<String> {
        let sealed = STANDARD.decode(text).ok()?;
        let opened = self.key.as_ref()?.pkcs1v15_decrypt(&sealed).ok()?;
        let plain = String::from_utf8(STANDARD.decode(opened).ok()?).ok()?;
        let (password, stamp) = plain.rsplit_once('|')?;
        let stamp: i64 = stamp.parse().ok()?;
        let age = now.0 / 1_000 - stamp;
        (-60_000..=600_000).contains(&age).then(|| password.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UtcMicros = UtcMicros(1_736_328_605_000_000);

    fn at(seconds: i64) -> UtcMicros {
        UtcMicros(NOW.0 + seconds * 1_000_000)
    }

    #[test]
    fn tokens_live_by_use_and_die_in_the_end() {
        let delays = Delays::default();
        let mut sessions = Sessions::new(7);
        let login = sessions.login("A", false, NOW);
        let hour = 3_600;
        let mut ask = |seconds: i64, account: &str| {
            sessions
                .by_tokens(Some(&login.client_token), Some(account), &delays, at(seconds))
                .map(|login| login.account)
        };
        assert_eq!(ask(5 * hour, &login.account_token), Ok("A".to_owned()));
        assert_eq!(ask(10 * hour, &login.account_token), Ok("A".to_owned()));
        assert_eq!(ask(10 * hour, "other"), Err(Denied::AccountInvalid));
        assert_eq!(ask(17 * hour, &login.account_token), Err(Denied::ClientInvalid));
        let again = sessions.login("A", false, NOW);
        let mut hours = 0;
        let life = loop {
            hours += 5;
            let answer =
                sessions.by_tokens(Some(&again.client_token), Some(&again.account_token), &delays, at(hours * hour));
            if answer.is_err() {
                break hours;
            }
        };
        assert_eq!(life, 75, "72 hours are the most, asked every 5");
    }

    #[test]
    fn a_refresh_gives_two_new_tokens_before_and_after_the_old_one_died() {
        let delays = Delays::default();
        let mut sessions = Sessions::new(7);
        let login = sessions.login("A", true, NOW);
        let first = sessions.bearer(&login).unwrap();
        assert!(sessions.by_bearer(&first.access, &delays, at(59)).is_ok());
        assert_eq!(sessions.by_bearer(&first.access, &delays, at(60)).unwrap_err(), Denied::BearerInvalid);
        let second = sessions.refresh(&first.refresh, &delays, at(600)).unwrap();
        assert_ne!((&first.access, &first.refresh), (&second.access, &second.refresh));
        assert!(sessions.by_bearer(&second.access, &delays, at(601)).is_ok());
        assert!(sessions.refresh(&first.refresh, &delays, at(601)).is_none());
        assert!(sessions.refresh(&second.refresh, &delays, at(600 + 700)).is_none());
    }

    #[test]
    fn a_password_is_read_with_our_key_at_its_time_alone() {
        let mut sessions = Sessions::new(7);
        assert!(sessions.decrypt("AAAA", NOW).is_none());
        drop(sessions.public_key().unwrap());
        let key = sessions.key.as_ref().unwrap().to_public_key();
        let seal = |stamp: i64| {
            let plain = STANDARD.encode(format!("pa|ss|{stamp}"));
            STANDARD.encode(key.pkcs1v15_encrypt(plain.as_bytes()).unwrap())
        };
        assert_eq!(sessions.decrypt(&seal(NOW.0 / 1_000), NOW).as_deref(), Some("pa|ss"));
        assert_eq!(sessions.decrypt(&seal(NOW.0 / 1_000 - 3_600_000), NOW), None);
    }
}
