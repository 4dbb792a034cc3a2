//! Signatures over audit records: an arena signs the hash of each record with its own Ed25519 key, outside of what is
//! hashed, so that a replay has the same hashes without it.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
/// What an arena signs with.
pub struct Sealer(SigningKey);

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The secret half never shows.
        f.debug_tuple("Sealer").field(&self.key()).finish()
    }
}

impl Sealer {
    /// From the 32 bytes of the secret key.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(secret))
    }

    /// The public key, in hexadecimal digits.
    #[must_use]
    pub fn key(&self) -> String {
        to_hex(self.0.verifying_key().as_bytes())
    }

    /// Signs the hash of a record; the signature in hexadecimal digits.
    #[must_use]
    pub fn sign(&self, hash: &str) -> String {
        to_hex(&self.0.sign(hash.as_bytes()).to_bytes())
    }
}

/// Whether `sig` is the signature of `hash` under `key`.
pub(super) fn is_signed(hash: &str, sig: &str, key: &str) -> bool {
    let read = || -> Option<bool> {
        let key = VerifyingKey::from_bytes(&from_hex::<32>(key)?).ok()?;
        let signature = Signature::from_bytes(&from_hex::<64>(sig)?);
        Some(key.verify_strict(hash.as_bytes(), &signature).is_ok())
    };
    read().unwrap_or(false)
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N || !text.is_ascii() {
        return None;
    }
    for (byte, at) in bytes.iter_mut().zip((0..text.len()).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_its_hash_and_key_alone() {
        let sealer = Sealer::new(&[7; 32]);
        let (sig, key) = (sealer.sign("abcd"), sealer.key());
        assert!(is_signed("abcd", &sig, &key));
        assert!(!is_signed("abce", &sig, &key));
        assert!(!is_signed("abcd", &sig, &Sealer::new(&[8; 32]).key()));
        assert!(!is_signed("abcd", "00", &key) && !is_signed("abcd", &sig, "xy"));
        assert!(!format!("{sealer:?}").contains("0707"), "the secret does not show");
    }
}
