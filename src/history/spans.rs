//! Which stretches of time a source has answered for, and which it has not.

use super::TimeSpan;
use crate::domain::Micros;

/// Adds `span` to stretches that are in order and apart from one another, and keeps them so.
pub(super) fn join(covered: &mut Vec<TimeSpan>, span: TimeSpan) {
    if span.from >= span.to {
        return;
    }
    covered.push(span);
    covered.sort();
    let mut joined: Vec<TimeSpan> = Vec::with_capacity(covered.len());
    for next in covered.drain(..) {
        match joined.last_mut() {
            Some(last) if next.from <= last.to => last.to = last.to.max(next.to),
            _ => joined.push(next),
        }
    }
    *covered = joined;
}

/// What of `span` lies in none of these stretches, in order.
pub(super) fn missing(span: TimeSpan, covered: &[TimeSpan]) -> Vec<TimeSpan> {
    let mut found = Vec::new();
    let mut from = span.from;
    for known in covered.iter().filter(|known| known.to > span.from && known.from < span.to) {
        if from < known.from {
            found.push(TimeSpan { from, to: known.from });
        }
        from = from.max(known.to);
    }
    if from < span.to {
        found.push(TimeSpan { from, to: span.to });
    }
    found
}

/// `span` in pieces of at most `longest`.
pub(super) fn pieces(span: TimeSpan, longest: Option<Micros>) -> Vec<TimeSpan> {
    let Some(longest) = longest else { return vec![span] };
    let mut found = Vec::new();
    let mut from = span.from;
    while from < span.to {
        let to = span.to.min(from + longest);
        found.push(TimeSpan { from, to });
        from = to;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::UtcMicros;

    fn span(from: i64, to: i64) -> TimeSpan {
        TimeSpan { from: UtcMicros(from), to: UtcMicros(to) }
    }

    #[test]
    fn stretches_grow_together_and_what_lies_between_is_missing() {
        let mut covered = Vec::new();
        for (from, to) in [(10, 20), (30, 40), (40, 45), (18, 22), (7, 7)] {
            join(&mut covered, span(from, to));
        }
        assert_eq!(covered, [span(10, 22), span(30, 45)]);
        for (asked, want) in [
            (span(0, 50), vec![span(0, 10), span(22, 30), span(45, 50)]),
            (span(12, 20), vec![]),
            (span(15, 35), vec![span(22, 30)]),
            (span(45, 50), vec![span(45, 50)]),
            (span(0, 10), vec![span(0, 10)]),
        ] {
            assert_eq!(missing(asked, &covered), want, "{asked:?}");
        }
    }

    #[test]
    fn pieces_cover_what_they_are_cut_from() {
        assert_eq!(pieces(span(0, 10), Some(Micros(4))), [span(0, 4), span(4, 8), span(8, 10)]);
        assert_eq!(pieces(span(0, 10), None), [span(0, 10)]);
        assert_eq!(pieces(span(0, 8), Some(Micros(4))).len(), 2);
    }
}
