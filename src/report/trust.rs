//! Sections of the HTML about how far the rest of it is to be trusted: comparisons, data, terms.

use std::fmt::Write as _;

use super::figures::{Report, Weekly};
use super::html::{WRITES, clock, name_cell, names, note, table, wide_cell};
use super::text::{count, escape, maybe, percent, ratio};

/// The comparisons of a fixed sample.
pub(super) fn weekly(report: &Report, html: &mut String) {
    html.push_str("<h2>Comparisons over the whole record</h2>\n");
    let Some(weekly) = &report.weekly else {
        html.push_str(&note(
            "Too little to compare: fewer than twenty days and fewer than twenty hours saw a closed trade.",
        ));
        return;
    };
    html.push_str(&note(&format!(
        "Of outcomes in R added up over the {}s in which anybody traded ({} of them, {} of {} candidates that have \
         traded, the first that were registered), by {} resamples of the stationary bootstrap with blocks of {} {}s on average. \
         Right for one look at a time: nobody is promoted by them.",
        weekly.period,
        weekly.periods,
        weekly.candidates,
        weekly.traded,
        count(weekly.resamples as u64),
        ratio(weekly.block, 1),
        weekly.period
    )));
    html.push_str("<div class=\"card\"><h3>Is the best of them more than luck?</h3>");
    html.push_str(&table(&["", "value", "what it says"], &verdicts(weekly)));
    html.push_str("</div>\n");
    let sharpes: Vec<Vec<String>> = weekly
        .sharpes
        .iter()
        .zip(&weekly.means)
        .map(|(sharpe, mean)| {
            vec![
                name_cell(&sharpe.model),
                format!("{} ({} to {})", ratio(mean.mean_r, 3), ratio(mean.low_r, 3), ratio(mean.high_r, 3)),
                format!("{} ± {}", maybe(sharpe.annual, 2), maybe(sharpe.error.map(|error| error * 2.0), 2)),
                maybe(sharpe.autocorrelation, 2),
                maybe(sharpe.lo, 2),
            ]
        })
        .collect();
    let mean = format!("R a {} (95 %)", weekly.period);
    html.push_str("<div class=\"card\"><h3>Means and Sharpe ratios</h3>");
    html.push_str(&table(&["model", &mean, "Sharpe a year", "autocorr.", "by Lo"], &sharpes));
    html.push_str("</div>\n");
    if !weekly.differences.is_empty() {
        let differences: Vec<Vec<String>> = weekly
            .differences
            .iter()
            .map(|told| {
                vec![
                    name_cell(&told.against),
                    format!("{} ± {}", maybe(told.difference, 3), maybe(told.error.map(|error| error * 2.0), 3)),
                    maybe(told.p, 3),
                ]
            })
            .collect();
        let leader = weekly.differences.first().map_or("", |told| told.model.as_str());
        write!(html, "<div class=\"card fit\"><h3>Sharpe ratio of {} less that of</h3>", escape(leader)).expect(WRITES);
        let column = format!("difference a {}", weekly.period);
        html.push_str(&table(&["", &column, "p (Ledoit and Wolf)"], &differences));
        html.push_str("</div>\n");
    }
}

fn verdicts(weekly: &Weekly) -> Vec<Vec<String>> {
    let superior = &weekly.superior;
    let mut rows = vec![vec![
        wide_cell("SPA, Hansen's p-value"),
        format!("{} ({} to {})", ratio(superior.consistent, 3), ratio(superior.lower, 3), ratio(superior.upper, 3)),
        wide_cell("the chance of a best this good if nobody were better than not trading; below 0.05 is rare by luck"),
    ]];
    rows.push(vec![
        wide_cell("StepM, Romano and Wolf"),
        weekly.better.len().to_string(),
        format!("<td class=\"wide\">better than not trading, all at once at 5 %: {}</td>", names(&weekly.better)),
    ]);
    let set: Vec<String> = weekly.confidence_set.iter().map(|(name, _)| name.clone()).collect();
    rows.push(vec![
        wide_cell("MCS, model confidence set"),
        format!("{} of {}", set.len(), weekly.candidates),
        format!("<td class=\"wide\">cannot be told from the best at 10 %: {}</td>", names(&set)),
    ]);
    if let Some(told) = &weekly.overfitting {
        rows.push(vec![
            wide_cell("PBO, back-test overfitting"),
            percent(told.probability, 0),
            wide_cell(&format!(
                "of {} splits of the record in two: how often the best of one half is below the median of the other; \
                 about half means that the ranking is noise",
                told.splits
            )),
        ]);
    }
    rows
}

/// What is wrong with the data.
pub(super) fn quality(report: &Report, html: &mut String) {
    let quality = &report.quality;
    let health = &quality.health;
    html.push_str("<h2>Data quality</h2>\n<div class=\"two\">");
    let mut rows = vec![vec!["good quotes".to_owned(), count(health.quotes)]];
    for (kind, n) in health.bad_quotes.iter().filter(|(_, n)| *n > 0) {
        rows.push(vec![format!("refused: {}", escape(&kind.replace('_', " "))), count(*n)]);
    }
    for (epic, resolution, n) in &health.bars {
        rows.push(vec![format!("bars of {} {}", escape(epic), escape(resolution)), count(*n)]);
    }
    rows.push(vec!["rounds".to_owned(), count(health.rounds)]);
    rows.push(vec!["gaps".to_owned(), count(quality.n_gaps)]);
    rows.push(vec!["hours in gaps".to_owned(), ratio(quality.gap_seconds / 3_600.0, 2)]);
    rows.push(vec!["paper orders without a quote in time".to_owned(), count(quality.lapsed)]);
    rows.push(vec!["paper orders refused by a rule".to_owned(), count(quality.refused)]);
    for (kind, n) in &quality.fault_counts {
        rows.push(vec![format!("survived: {}", escape(&kind.replace('_', " "))), count(*n)]);
    }
    html.push_str("<div class=\"card\"><h3>In numbers</h3>");
    html.push_str(&table(&["", "count"], &rows));
    html.push_str("</div>");
    if quality.gaps.is_empty() {
        html.push_str("<div class=\"card\"><h3>Gaps</h3><p>No gap in the quotes was noticed.</p></div>");
    } else {
        let rows: Vec<Vec<String>> = quality
            .gaps
            .iter()
            .rev()
            .take(20)
            .map(|gap| {
                let minutes = (gap.to - gap.from).as_secs_f64() / 60.0;
                vec![
                    clock(gap.from),
                    ratio(minutes, 1),
                    wide_cell(&format!("{}: {}", gap.epics.join(", "), gap.reason)),
                ]
            })
            .collect();
        html.push_str("<div class=\"card\"><h3>Latest gaps</h3>");
        html.push_str(&table(&["from, UTC", "minutes", "whose and why"], &rows));
        html.push_str("</div>");
    }
    html.push_str("</div>\n");
    if !quality.deleted.is_empty() {
        html.push_str("<div class=\"card\"><h3>Deleted by retention</h3><ul>");
        for sentence in quality.deleted.iter().rev().take(20) {
            write!(html, "<li>{}.</li>", escape(sentence)).expect(WRITES);
        }
        html.push_str("</ul></div>\n");
    }
    if !quality.faults.is_empty() {
        let rows: Vec<Vec<String>> = quality
            .faults
            .iter()
            .rev()
            .take(20)
            .map(|fault| vec![clock(fault.time), escape(&fault.kind.replace('_', " ")), wide_cell(&fault.text)])
            .collect();
        html.push_str("<div class=\"card\"><h3>Latest faults that were survived</h3>");
        html.push_str(&table(&["time, UTC", "kind", "what"], &rows));
        html.push_str("</div>\n");
    }
}

/// What the words mean, and the rules in force.
pub(super) fn terms(report: &Report, html: &mut String) {
    const TERMS: [(&str, &str); 9] = [
        ("R", "profit over the risk unit that was fixed before the entry; evidence is made of it with costs stressed"),
        ("interval", "lower and upper bound of the mean, right at all times at once with 95 % for one candidate alone"),
        ("E", "the e-value: how many times its stake a bet against \"no edge on average\" has made"),
        (
            "the gate",
            "the wealth that lets any of all slots' candidates through without an edge with chance alpha at most",
        ),
        ("max DD", "the deepest fall of the cumulated R below its peak"),
        ("PF", "profit factor: gross win over gross loss, in R"),
        ("twin", "the paper ledger that goes on beside a live candidate"),
        ("basis point", "a hundredth of a per cent of the price"),
        ("SPA, StepM, MCS, PBO", "comparisons of a fixed sample; see the section about them"),
    ];
    html.push_str("<h2>Terms and rules</h2>\n<dl class=\"terms\">");
    for (term, meaning) in TERMS {
        write!(html, "<dt>{}</dt><dd>{}</dd>", escape(term), escape(meaning)).expect(WRITES);
    }
    html.push_str("</dl>\n");
    if !report.promotion.is_empty() {
        html.push_str("<p class=\"note\">[promotion] in force:</p><ul class=\"keys\">");
        for (key, value) in &report.promotion {
            write!(html, "<li><b>{}</b> {}</li>", escape(key), escape(value)).expect(WRITES);
        }
        html.push_str("</ul>\n");
    }
}
