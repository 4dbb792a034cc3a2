//! Writes the commit into builds that are meant to be kept, for the cards of trained models.
//!
//! Without git or outside of a repository a build simply does not know. The development profile does not ask: it is
//! built between commits, and asking would build everything anew after each.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=ARENA_COMMIT");
    // A packager who builds from an archive may say it.
    if std::env::var_os("ARENA_COMMIT").is_some() || std::env::var("PROFILE").as_deref() != Ok("release") {
        return;
    }
    for watched in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", watched]).filter(|path| Path::new(path).exists()) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    for watched in ["src", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={watched}");
    }
    let Some(commit) = git(&["rev-parse", "HEAD"]) else { return };
    let changes = git(&["status", "--porcelain", "--", "src", "build.rs", "Cargo.toml", "Cargo.lock"]);
    let is_clean = changes.is_some_and(|changes| changes.is_empty());
    println!("cargo::rustc-env=ARENA_COMMIT={commit}{}", if is_clean { "" } else { " with changes" });
}

fn git(arguments: &[&str]) -> Option<String> {
    let answer = Command::new("git").args(arguments).output().ok().filter(|answer| answer.status.success())?;
    Some(String::from_utf8(answer.stdout).ok()?.trim().to_owned())
}
