//! What an entry of `[[models]]` names that lies outside: a trained version, a strategy of the user's own, a data set.

use crate::domain::{Micros, ModelSpec};

use super::models::{Entry, Expanded, MaxDistance, Reference, Surroundings};
use super::problem::{Faults, MISSING};
use super::read::Field;

/// How long a strategy's answer may take where nothing is written.
const DEADLINE: Micros = Micros(200_000);
/// The longest lookback that is taken.
const LOOKBACK_MAX: u32 = 100_000;
/// The most arguments, and the most files, of a strategy.
const WORDS_MAX: usize = 1_000;

/// Reads `model` and looks up what it leads to.
pub(super) fn reference(field: &Field<'_>, around: &Surroundings<'_>, faults: &mut Faults) -> Option<Reference> {
    const WANT: &str = "a reference such as \"name@version\"";
    let written = field.words(faults, WANT)?.to_owned();
    if written.trim().is_empty() {
        return field.fault(faults, WANT);
    }
    match around.resolver.version(around.places?, &written) {
        Ok(version) if version.lookback > LOOKBACK_MAX => field
            .fault(faults, format!("a version whose rows need at most {LOOKBACK_MAX} bars, not {}", version.lookback)),
        Ok(version) => Some(Reference { written, version }),
        Err(want) => field.fault(faults, want),
    }
}

/// Reads `warmup` and makes sure that there is such a data set.
pub(super) fn data_set(field: &Field<'_>, around: &Surroundings<'_>, faults: &mut Faults) -> Option<String> {
    const WANT: &str = "a data set such as \"csv/EURUSD/1m\"";
    let name = field.words(faults, WANT)?.to_owned();
    match around.resolver.data_set(around.places?, &name) {
        Ok(_) => Some(name),
        Err(want) => field.fault(faults, want),
    }
}

/// Reads a list of texts.
pub(super) fn words(field: &Field<'_>, faults: &mut Faults) -> Option<Vec<String>> {
    const WANT: &str = "a list of texts, such as [\"python3\", \"strategies/fade.py\"]";
    let Some(items) = field.items() else { return field.fault(faults, WANT) };
    let words: Option<Vec<String>> =
        items.map(|item| item.words(faults, "a text").map(str::to_owned)).collect::<Vec<_>>().into_iter().collect();
    let words = words?;
    if words.is_empty() || words.len() > WORDS_MAX || words.iter().any(|word| word.contains('\0')) {
        return field.fault(faults, WANT);
    }
    Some(words)
}

impl Entry<'_> {
    /// A version of the registry, with threshold and nearness gate.
    pub(super) fn trained(
        &self,
        reference: &Reference,
        at: &[usize],
        out: &mut Expanded,
        faults: &mut Faults,
    ) -> Option<ModelSpec> {
        let (Reference { written, version }, path) = (reference, self.section.path());
        if *written != version.exact && !out.pins.iter().any(|(known, _)| known == written) {
            out.pins.push((written.clone(), version.exact.clone()));
        }
        let bar_at = self.bar.of(at);
        if bar_at.value.is_some_and(|bar| bar != version.bar) {
            bar_at.fault(faults, format!("\"{}\", the bar that {} was trained on", version.bar, version.exact));
        }
        let hold_at = self.hold.of(at);
        if let Some(hold) = hold_at.value.filter(|hold| *hold != version.horizon()) {
            let (exact, horizon) = (&version.exact, version.horizon());
            out.notice(format!("{path}: hold is {hold}, yet {exact} was trained for a horizon of {horizon}"));
        }
        let threshold_at = self.threshold.of(at);
        let threshold = if threshold_at.is_there { threshold_at.value } else { Some(1.0) };
        if threshold.is_some_and(|threshold| threshold < 1.0) {
            out.notice(format!("{path}: with a threshold below 1 a prediction of no change at all is a long signal"));
        }
        let gate_at = self.max_distance.of(at);
        let max_distance = match gate_at.value {
            None if gate_at.is_there => return None,
            None => None,
            Some(gate) => {
                let resolved = match gate {
                    MaxDistance::Quantile(quantile) => version.distance_at(quantile),
                    MaxDistance::Absolute(distance) => version.distance_at(1.0).map(|_| distance),
                };
                if resolved.is_none() {
                    let want =
                        format!("no gate: {} is of the kind {}, which has no neighbours", version.exact, version.kind);
                    gate_at.fault(faults, want);
                    return None;
                }
                resolved
            }
        };
        Some(ModelSpec::Trained {
            artefact: version.artefact,
            features: version.features.clone(),
            threshold: threshold?,
            max_distance,
            lookback: version.lookback,
        })
    }

    /// A strategy of the user's own.
    pub(super) fn process(
        &self,
        at: &[usize],
        around: &Surroundings<'_>,
        out: &mut Expanded,
        faults: &mut Faults,
    ) -> Option<ModelSpec> {
        let command_at = self.command.of(at);
        let command = self.required("command", command_at, faults);
        let (files_at, deadline_at, lookback_at) = (self.files.of(at), self.deadline.of(at), self.lookback.of(at));
        let deadline = if deadline_at.is_there { deadline_at.value } else { Some(DEADLINE) };
        if let (Some(deadline), Some(most)) = (deadline, around.model_deadline)
            && deadline > most
        {
            // Beyond it the thread of all its neighbours is given up.
            let got = if deadline_at.is_there { deadline_at.text.as_str() } else { MISSING };
            faults.push(
                deadline_at.at,
                &deadline_at.path,
                got,
                format!("at most arena.model_deadline, which is {most}"),
            );
        }
        let command = command?;
        if files_at.is_there && files_at.value.is_none() {
            return None;
        }
        let program = match around.resolver.program(around.places?, &command, files_at.value.as_deref()) {
            Ok(program) => program,
            Err(want) => {
                let spot = if files_at.is_there { files_at.there() } else { command_at.there() };
                let (place, path) = spot?;
                let got = if files_at.is_there { &files_at.text } else { &command_at.text };
                faults.push(place, path, got.clone(), want);
                return None;
            }
        };
        if program.files == 0 {
            let path = self.section.path();
            out.notice(format!(
                "{path}: no argument of params.command is a file: its identity covers the command alone; name what it is \
                 made of with params.files"
            ));
        }
        let lookback = if lookback_at.is_there { lookback_at.value? } else { 0 };
        Some(ModelSpec::Process { program: program.hash, command, lookback, deadline: deadline? })
    }
}
