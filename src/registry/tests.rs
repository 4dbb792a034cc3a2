//! What the registry promises: whole, unchangeable, numbered once.

use std::collections::BTreeSet;
use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::LazyLock;

use super::*;
use crate::training::plan::{Plan, Request};
use crate::training::testing::{T0, data_set};
use crate::training::train::{Maker, Trained, train};

/// A model with its card.
static TRAINED: LazyLock<Trained> = LazyLock::new(|| {
    let values = [("kind", "ols"), ("name", "made"), ("data", "made/UP/1m"), ("seed", "3")];
    let values = values.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let plan = Plan::of(&Request { values, ..Request::default() }).unwrap();
    let maker = Maker { at: T0, version: "0", commit: Some("abc") };
    train(&data_set(700, 3), &plan, &maker, NonZeroUsize::MIN, &|| ()).unwrap().best.remove(0)
});

fn registry() -> (tempfile::TempDir, Registry) {
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::open(folder.path().join("models"));
    (folder, registry)
}

fn register(registry: &Registry) -> Resolved {
    registry.register(&TRAINED.card, &TRAINED.artefact).unwrap()
}

/// Writes over a file that is read-only.
fn overwrite(path: &Path, bytes: &[u8]) {
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn what_is_registered_resolves_and_loads() {
    let (_folder, registry) = registry();
    assert!(registry.names().unwrap().is_empty() && !registry.folder().exists());
    let first = register(&registry);
    let second = register(&registry);
    assert_eq!((first.version, second.version), (1, 2));
    for (reference, version) in [("made@1", 1), ("made@2", 2), ("made@latest", 2), ("made", 2)] {
        let resolved = registry.resolve(reference).unwrap();
        assert_eq!(resolved.version, version, "{reference}");
        assert_eq!(resolved.artefact, TRAINED.card.artefact);
        assert_eq!(resolved.card, TRAINED.card, "a card is read as it was written");
        assert_eq!(registry.load(&resolved).unwrap().to_bytes(), TRAINED.artefact);
    }
    assert_eq!(registry.names().unwrap(), ["made"]);
    assert_eq!(registry.versions("made").unwrap(), [1, 2]);
    let entries: BTreeSet<String> =
        fs::read_dir(&first.folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(entries, BTreeSet::from([CARD_FILE.to_owned(), MODEL_FILE.to_owned()]));
    for name in entries {
        assert!(fs::metadata(first.folder.join(&name)).unwrap().permissions().readonly(), "{name}");
    }
}

#[test]
fn what_is_not_there_is_told_with_what_is() {
    let (_folder, registry) = registry();
    register(&registry);
    for (reference, near) in [
        ("made@2", vec!["made@1"]),
        ("made@champion", vec!["made@1"]),
        ("other@1", vec!["made"]),
        ("other", vec!["made"]),
    ] {
        match registry.resolve(reference).unwrap_err() {
            RegistryError::Missing { candidates, .. } => assert_eq!(candidates, near, "{reference}"),
            other => panic!("{reference}: {other}"),
        }
    }
    assert!(matches!(registry.resolve("../made@1"), Err(RegistryError::Reference(_))));
}

#[test]
fn any_changed_byte_is_refused_with_both_hashes() {
    let (_folder, registry) = registry();
    let resolved = register(&registry);
    let model = resolved.folder.join(MODEL_FILE);
    for at in [0, TRAINED.artefact.len() / 2, TRAINED.artefact.len() - 1] {
        let mut bytes = TRAINED.artefact.clone();
        bytes[at] ^= 1;
        overwrite(&model, &bytes);
        let resolved = registry.resolve("made@1").unwrap();
        let error = registry.load(&resolved).unwrap_err().to_string();
        assert!(error.contains(&TRAINED.card.artefact.hex()) && error.contains(&hash_of(&bytes).hex()), "{error}");
    }
    overwrite(&model, &TRAINED.artefact);
    assert!(registry.load(&registry.resolve("made@1").unwrap()).is_ok());

    let path = resolved.folder.join(CARD_FILE);
    let card = fs::read(&path).unwrap();
    for at in (0..card.len()).step_by(7).chain([card.len() - 1]) {
        let mut bytes = card.clone();
        bytes[at] ^= 1;
        overwrite(&path, &bytes);
        let error = registry.resolve("made@1").expect_err("every byte of a card counts").to_string();
        assert!(error.contains(CARD_FILE) && !error.ends_with('.'), "{error}");
    }
    let edited = String::from_utf8(card.clone()).unwrap().replace("horizon_bars = 5", "horizon_bars = 6");
    overwrite(&path, edited.as_bytes());
    let error = registry.resolve("made@1").unwrap_err();
    assert!(matches!(&error, RegistryError::Altered { want, got, .. } if want != got), "{error}");
    // Cut off anywhere, it is no card.
    for length in [0, 10, card.len() / 2, card.len() - 1] {
        overwrite(&path, &card[..length]);
        assert!(registry.resolve("made@1").is_err(), "{length}");
    }
}

#[test]
fn a_card_sealed_again_still_has_to_be_that_of_its_artefact() {
    let card = Card { horizon_bars: 6, ..TRAINED.card.clone() };
    let error = Card::parse(&card.to_text().unwrap()).unwrap_err();
    assert!(matches!(error, CardError::Identity { .. }), "{error}");
    let (_folder, registry) = registry();
    assert!(registry.register(&card, &TRAINED.artefact).is_err());
    assert!(registry.register(&TRAINED.card, b"something else").is_err());
    assert!(registry.names().unwrap().is_empty());
    let later = Card { format: 2, ..TRAINED.card.clone() };
    assert_eq!(Card::parse(&later.to_text().unwrap()), Err(CardError::Format(2)));
}

#[test]
fn time_taken_is_no_part_of_the_identity_and_what_predicts_is() {
    let of = |change: &dyn Fn(&mut Card)| {
        let mut card = TRAINED.card.clone();
        change(&mut card);
        card.identity_of()
    };
    let identity = TRAINED.card.identity;
    assert_eq!(of(&|card| card.made.seconds += 1.0), identity);
    assert_eq!(of(&|card| card.made.commit = None), identity);
    assert_eq!(of(&|card| card.name = "other".to_owned()), identity);
    assert_ne!(of(&|card| card.artefact.0[0] ^= 1), identity);
    assert_ne!(of(&|card| card.features.spread ^= true), identity);
    assert_ne!(of(&|card| card.horizon_bars += 1), identity);
}

#[test]
fn concurrent_writers_of_one_name_each_get_a_number() {
    let (_folder, registry) = registry();
    let versions: Vec<u32> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..8).map(|_| scope.spawn(|| register(&registry).version)).collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    assert_eq!(versions.iter().copied().collect::<BTreeSet<_>>(), (1..=8).collect());
    for version in versions {
        let resolved = registry.resolve(&format!("made@{version}")).unwrap();
        assert!(registry.load(&resolved).is_ok());
    }
}

#[test]
fn what_the_dead_left_behind_is_no_version_and_is_cleared_away() {
    let (_folder, registry) = registry();
    register(&registry);
    let left = registry.folder().join("made/.new-2");
    fs::create_dir(&left).unwrap();
    fs::write(left.join(MODEL_FILE), b"half").unwrap();
    assert_eq!(registry.versions("made").unwrap(), [1]);
    assert_eq!(register(&registry).version, 2);
    assert!(!left.exists());
}

#[test]
fn a_number_is_not_given_twice() {
    let (_folder, registry) = registry();
    register(&registry);
    fs::remove_dir_all(register(&registry).folder).unwrap();
    assert_eq!(register(&registry).version, 3);
}

#[test]
fn aliases_lead_to_versions_and_can_be_taken_away() {
    let (_folder, registry) = registry();
    register(&registry);
    register(&registry);
    registry.set_alias("made", "champion", Some(1)).unwrap();
    registry.set_alias("made", "challenger", Some(2)).unwrap();
    assert_eq!(registry.resolve("made@champion").unwrap().version, 1);
    registry.set_alias("made", "champion", Some(2)).unwrap();
    assert_eq!(registry.resolve("made@champion").unwrap().version, 2);
    registry.set_alias("made", "champion", None).unwrap();
    assert!(registry.resolve("made@champion").is_err());
    assert_eq!(registry.aliases("made").unwrap().len(), 1);
    assert!(matches!(registry.set_alias("made", "champion", Some(9)), Err(RegistryError::Missing { .. })));
    assert!(matches!(registry.set_alias("made", "latest", Some(1)), Err(RegistryError::Reference(_))));
    assert!(matches!(registry.set_alias("other", "champion", Some(1)), Err(RegistryError::Missing { .. })));
    assert!(!registry.folder().join("other").exists(), "a question makes no folder");
    fs::write(registry.folder().join("made").join(ALIAS_FILE), "champion = \"two\"\n").unwrap();
    assert!(matches!(registry.resolve("made@champion"), Err(RegistryError::Malformed { .. })));
}

#[test]
fn a_registry_that_cannot_be_written_says_so_and_keeps_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("models");
    fs::write(&place, "a file where the folder should be").unwrap();
    let error = Registry::open(&place).register(&TRAINED.card, &TRAINED.artefact).unwrap_err();
    assert!(error.to_string().starts_with("cannot write "), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn quantiles_of_distances_read_both_ways() {
    let quantiles: Vec<f64> = (0..=100).map(|n| f64::from(n) * 0.02).collect();
    let distances = Distances::new(&quantiles, Some(1.5));
    for (share, distance) in [(0.0, 0.0), (0.5, 1.0), (0.995, 1.99), (1.0, 2.0)] {
        assert!((distances.at(share).unwrap() - distance).abs() < 1e-12, "{share}");
        assert!((distances.beyond(distance) - (1.0 - share)).abs() < 1e-12, "{share}");
    }
    assert!((distances.abstained - 0.25).abs() < 1e-12);
    assert_eq!((distances.at(-0.1), distances.at(1.1), distances.at(f64::NAN)), (None, None, None));
    assert!((distances.beyond(-1.0) - 1.0).abs() < 1e-12 && distances.beyond(3.0) == 0.0);
    // Many rows at one distance: none of them is beyond it.
    assert!(Distances::new(&[1.0; 101], None).beyond(1.0) == 0.0);
}
