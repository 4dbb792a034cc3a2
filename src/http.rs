//! The one place where HTTP clients and TLS settings begin.
//!
//! rustls takes its cryptography from a provider that the process installs once. Building a client without one panics,
//! so every client, and every TLS socket, is made through here.

use std::sync::Once;
use std::time::Duration;

/// Installs the provider of rustls; more than once does nothing.
pub fn install_tls() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // An error means that somebody else was quicker with a provider of their own, which serves as well.
        drop(rustls::crypto::ring::default_provider().install_default());
    });
}

/// A client in the making, with the provider in place.
pub fn client() -> reqwest::ClientBuilder {
    install_tls();
    reqwest::Client::builder()
}

/// `wait` and up to a quarter more, so that many clients do not come back together.
pub fn jittered(wait: Duration) -> Duration {
    let mut byte = [0; 1];
    // Without chance the wait is the plain one.
    let share = getrandom::fill(&mut byte).map_or(0, |()| u32::from(byte[0]));
    wait + wait / 4 * share / 255
}
