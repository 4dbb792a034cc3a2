//! The one place where HTTP clients and TLS settings begin.
//!
//! rustls takes its cryptography from a provider that the process installs once. Building a client without one panics,
//! so every client, and every TLS socket, is made through here.

use std::sync::Once;

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
