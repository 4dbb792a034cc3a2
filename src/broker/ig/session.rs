//! A login, pure: what proves who we are, when it has to be renewed, and when it may be.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use rsa::pkcs8::DecodePublicKey;
use rsa::{Pkcs1v15Encrypt, PublicKey};
use secrecy::{ExposeSecret, SecretString};

use super::wire::{AccountType, Balance, EncryptionKey};

/// A version 2 login is made anew when it is this old, in milliseconds: IG ends it after at most 72 hours.
const LOGIN_AGE_MAX: u64 = 70 * 3_600_000;

/// And when nothing was asked by it for this long: IG ends it after 6 hours without use.
const LOGIN_IDLE_MAX: u64 = 5 * 3_600_000;

/// An access token is refreshed this long before it expires, at most half of its life.
const REFRESH_AHEAD: u64 = 15_000;

/// How to log in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LoginVersion {
    /// Client and account token in headers.
    #[default]
    Two,
    /// Access tokens of a minute's life, refreshed.
    Three,
}

/// What a request proves itself with.
#[derive(Clone)]
pub(super) enum Proof {
    /// `CST` and `X-SECURITY-TOKEN`.
    Tokens { client: SecretString, account: SecretString },
    /// `Authorization: Bearer`, and what gets the next one.
    Bearer { access: SecretString, refresh: SecretString, lives: u64 },
}

/// A login.
#[derive(Clone)]
pub struct Login {
    pub(super) proof: Proof,
    /// The account that requests are for.
    pub account: String,
    /// Where prices are streamed.
    pub streaming: String,
    /// What the account is for; a version 3 login does not say.
    pub kind: Option<AccountType>,
    /// Its money at the login; a version 3 login does not say.
    pub balance: Option<Balance>,
    /// Its currency; a version 3 login does not say.
    pub currency: Option<String>,
    /// Whether it may deal; a version 3 login does not say.
    pub may_deal: Option<bool>,
    /// When the proof was given, in milliseconds of the client's clock.
    pub(super) since: u64,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("account", &self.account).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// What a login needs before its next request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Need {
    /// Nothing.
    Nothing,
    /// New tokens for the refresh token.
    Refresh,
    /// A new login.
    Login,
}

impl Login {
    /// What it needs at `now`, last used at `used`.
    pub(super) fn need(&self, now: u64, used: u64) -> Need {
        let age = now.saturating_sub(self.since);
        match &self.proof {
            Proof::Tokens { .. } if age >= LOGIN_AGE_MAX || now.saturating_sub(used) >= LOGIN_IDLE_MAX => Need::Login,
            Proof::Bearer { lives, .. } if age + REFRESH_AHEAD.min(lives / 2) >= *lives => Need::Refresh,
            _ => Need::Nothing,
        }
    }
}

/// When logging in is allowed: never soon after the last time, and never again after a refusal for good. Two logins
/// soon after one another may be answered with tokens that are dead already; and keys are revoked for hammering.
#[derive(Clone, Debug)]
pub(super) struct LoginGate {
    spacing: u64,
    last: Option<u64>,
    closed: Option<String>,
}

impl LoginGate {
    pub(super) fn new(spacing: u64) -> Self {
        Self { spacing, last: None, closed: None }
    }

    /// How long to wait before logging in.
    ///
    /// # Errors
    /// IG's word, where it refused for good.
    pub(super) fn wait(&self, now: u64) -> Result<u64, String> {
        match &self.closed {
            Some(why) => Err(why.clone()),
            None => Ok(self.last.map_or(0, |last| (last + self.spacing).saturating_sub(now))),
        }
    }

    pub(super) fn begun(&mut self, now: u64) {
        self.last = Some(now);
    }

    pub(super) fn refused_for_good(&mut self, why: &str) {
        self.closed = Some(why.to_owned());
    }
}

/// Why a password cannot be encrypted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the password cannot be encrypted: {0}")]
pub struct CannotEncrypt(String);

/// The password as a login with `encryptedPassword` wants it: RSA (PKCS#1 v1.5) over base64 of `password|timestamp`,
/// again in base64.
///
/// # Errors
/// [`CannotEncrypt`] where the key is none, or is too short for the password.
pub fn encrypt_password(password: &SecretString, key: &EncryptionKey) -> Result<SecretString, CannotEncrypt> {
    let cannot = |why: &dyn fmt::Display| CannotEncrypt(why.to_string());
    let der = STANDARD.decode(&key.encryption_key).map_err(|why| cannot(&why))?;
    let public = PublicKey::from_public_key_der(&der).map_err(|why| cannot(&why))?;
    let plain = SecretString::from(STANDARD.encode(format!("{}|{}", password.expose_secret(), key.time_stamp)));
    let cipher = public
        .encrypt(&mut UnwrapErr(SysRng), Pkcs1v15Encrypt, plain.expose_secret().as_bytes())
        .map_err(|why| cannot(&why))?;
    Ok(STANDARD.encode(cipher).into())
}

#[cfg(test)]
mod tests {
    use rsa::PrivateKey;
    use rsa::pkcs8::EncodePublicKey;

    use super::*;

    #[test]
    fn a_password_is_encrypted_so_that_the_holder_of_the_key_reads_it() {
        let private = PrivateKey::new(&mut UnwrapErr(SysRng), 1_024).unwrap();
        let der = private.to_public_key().to_public_key_der().unwrap();
        let key = EncryptionKey { encryption_key: STANDARD.encode(der.as_bytes()), time_stamp: 1_700_000_000_123 };
        let sent = encrypt_password(&"pass|wörd".into(), &key).unwrap();
        let cipher = STANDARD.decode(sent.expose_secret()).unwrap();
        let plain = private.decrypt(Pkcs1v15Encrypt, &cipher).unwrap();
        assert_eq!(STANDARD.decode(plain).unwrap(), "pass|wörd|1700000000123".as_bytes());
        assert_ne!(sent.expose_secret(), encrypt_password(&"pass|wörd".into(), &key).unwrap().expose_secret());
        let long = SecretString::from("x".repeat(350));
        assert!(encrypt_password(&long, &key).is_err(), "too long for this key");
        for bad in ["", "!!", "AAAA"] {
            let key = EncryptionKey { encryption_key: bad.to_owned(), time_stamp: 1 };
            assert!(encrypt_password(&"p".into(), &key).is_err());
        }
    }

    #[test]
    fn a_login_is_renewed_before_it_ends() {
        let tokens = Proof::Tokens { client: "a".into(), account: "b".into() };
        let login = |proof| Login {
            proof,
            account: "A".to_owned(),
            streaming: String::new(),
            kind: None,
            balance: None,
            currency: None,
            may_deal: None,
            since: 1_000,
        };
        let hour = 3_600_000;
        let two = login(tokens);
        assert_eq!(two.need(10 * hour, 10 * hour - 60_000), Need::Nothing, "use keeps it alive");
        assert_eq!(two.need(10 * hour, 5 * hour), Need::Login, "it was idle");
        assert_eq!(two.need(71 * hour, 71 * hour), Need::Login, "it is old");
        let three = login(Proof::Bearer { access: "a".into(), refresh: "b".into(), lives: 60_000 });
        assert_eq!(three.need(45_999, 45_999), Need::Nothing);
        assert_eq!(three.need(46_000, 46_000), Need::Refresh);
        let short = login(Proof::Bearer { access: "a".into(), refresh: "b".into(), lives: 4_000 });
        assert_eq!((short.need(2_999, 0), short.need(3_000, 0)), (Need::Nothing, Need::Refresh));
        assert!(!format!("{two:?}{three:?}").contains('"') || !format!("{two:?}").contains("client"));
    }

    #[test]
    fn logins_are_spaced_and_stop_for_good() {
        let mut gate = LoginGate::new(60_000);
        assert_eq!(gate.wait(5), Ok(0));
        gate.begun(5);
        assert_eq!(gate.wait(10_005), Ok(50_000));
        assert_eq!(gate.wait(60_005), Ok(0));
        gate.refused_for_good("error.security.invalid-details");
        assert_eq!(gate.wait(1_000_000), Err("error.security.invalid-details".to_owned()));
    }
}
