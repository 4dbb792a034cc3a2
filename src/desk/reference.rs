//! What we call a deal: a function of the intention alone, so that the same intention is never dealt twice.

use sha2::{Digest, Sha256};

use crate::domain::{DealReference, UtcMicros};

/// IG's limit.
pub const REFERENCE_LENGTH_MAX: usize = 30;

const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
const NAME_LENGTH: usize = 8;
const TAIL_LENGTH: usize = 12;

/// `arena-hash8-tail`: readable in the broker's own screens as to which arena and model dealt, unique by its tail.
///
/// The tail digests the whole arena name, the hash, the deal's number and the close that made it. The close is in it
/// because a number is given again when its paper order lapses: two intentions, two references.
#[must_use]
pub fn deal_reference(arena: &str, hash8: &str, deal: u64, made: UtcMicros) -> DealReference {
    let mut hasher = Sha256::new();
    for part in [arena.as_bytes(), hash8.as_bytes()] {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.update(deal.to_be_bytes());
    hasher.update(made.0.to_be_bytes());
    let digest = hasher.finalize();
    let mut number = digest[..8].iter().fold(0u64, |n, byte| n << 8 | u64::from(*byte));
    let mut text = format!("{}-{}-", safe(arena, "arena"), safe(hash8, "model"));
    for _ in 0..TAIL_LENGTH {
        text.push(char::from(DIGITS[usize::try_from(number % 36).expect("a digit fits")]));
        number /= 36;
    }
    debug_assert!(text.len() <= REFERENCE_LENGTH_MAX);
    text.into()
}

/// At most eight characters that the broker takes; `otherwise` where none is left.
fn safe(name: &str, otherwise: &str) -> String {
    let kept: String =
        name.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')).take(NAME_LENGTH).collect();
    if kept.is_empty() { otherwise.to_owned() } else { kept }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_names_its_arena_and_its_model() {
        let at = UtcMicros(1_398_902_400_000_000);
        let one = deal_reference("demo", "1a2b3c4d", 1, at);
        assert!(one.as_str().starts_with("demo-1a2b3c4d-"), "{one}");
        assert_eq!(one, deal_reference("demo", "1a2b3c4d", 1, at), "the same intention has the same name");
        assert_ne!(one, deal_reference("demo", "1a2b3c4d", 2, at));
        assert_ne!(one, deal_reference("demo", "1a2b3c4d", 1, UtcMicros(at.0 + 60_000_000)), "a number given again");
        assert_ne!(
            deal_reference("long-arena-one", "1a2b3c4d", 1, at),
            deal_reference("long-arena-two", "1a2b3c4d", 1, at),
            "names that are alike where they are cut"
        );
    }

    proptest::proptest! {
        #[test]
        fn every_reference_has_the_shape_that_the_broker_takes(
            arena in ".*", hash8 in ".{0,12}", deal: u64, made: i64,
        ) {
            let reference = deal_reference(&arena, &hash8, deal, UtcMicros(made));
            let text = reference.as_str();
            proptest::prop_assert!((1..=REFERENCE_LENGTH_MAX).contains(&text.len()), "{}", text);
            proptest::prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "{}", text);
        }
    }
}
