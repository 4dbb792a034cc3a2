//! The figures of a report as one HTML file: no outside host, no script, plots as inline SVG.

use std::fmt::Write as _;

use super::calibration::Calibration;
use super::figures::{Focus, Group, Histogram, ModelFigures, Report};
use super::plot::{Axis, Plot, interval};
use super::text::{count, days, escape, list, maybe, percent, ratio};
use super::{sections, trust};
use crate::domain::UtcMicros;
use crate::flow::State;

const STYLE: &str = include_str!("style.css");
/// Rows of the leaderboard.
const ROWS_MAX: usize = 60;
pub(super) const WRITES: &str = "strings take what is written to them";

/// The report as HTML; with what `arena calibrate` measured where there is that.
#[must_use]
pub fn render(report: Option<&Report>, calibration: Option<&Calibration>) -> String {
    let name = report.map_or("Calibration", |report| report.arena.as_str());
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'\">\n<title>{} – arena report</title>\n\
         <style>\n{STYLE}</style></head>\n<body><main>\n",
        escape(name)
    );
    if let Some(report) = report {
        head(report, &mut html);
        leaderboard(report, &mut html);
        curves(report, &mut html);
        outcomes(report, &mut html);
        sections::predictions(report, &mut html);
        sections::distances(report, &mut html);
        trust::weekly(report, &mut html);
        sections::live(report, &mut html);
        trust::quality(report, &mut html);
    }
    if let Some(calibration) = calibration {
        calibration.render(report.is_none(), &mut html);
    }
    if let Some(report) = report {
        trust::terms(report, &mut html);
    }
    html.push_str("</main></body></html>\n");
    html
}

/// The class of the series at a place.
pub(super) fn class(at: usize) -> &'static str {
    ["s1", "s2", "s3", "s4", "s5", "s6"][at % 6]
}

pub(super) fn figure(title: &str, caption: &str, body: &str) -> String {
    format!("<figure><h3>{}</h3><figcaption>{}</figcaption>{body}</figure>\n", escape(title), escape(caption))
}

/// A paragraph of its own.
pub(super) fn note(text: &str) -> String {
    format!("<p class=\"note\">{}</p>\n", escape(text))
}

/// A table whose cells are HTML already; names of columns are text.
pub(super) fn table(columns: &[&str], rows: &[Vec<String>]) -> String {
    let mut html = String::from("<div class=\"scroll\"><table><thead><tr>");
    for (at, column) in columns.iter().enumerate() {
        // Above what is text.
        let is_left = rows.first().and_then(|row| row.get(at)).is_some_and(|cell| cell.starts_with("<td"));
        let class = if is_left { " class=\"l\"" } else { "" };
        write!(html, "<th scope=\"col\"{class}>{}</th>", escape(column)).expect(WRITES);
    }
    html.push_str("</tr></thead><tbody>");
    for row in rows {
        html.push_str("<tr>");
        for cell in row {
            // A cell that brings its own tag keeps it.
            if cell.starts_with("<td") {
                html.push_str(cell);
            } else {
                write!(html, "<td>{cell}</td>").expect(WRITES);
            }
        }
        html.push_str("</tr>");
    }
    html.push_str("</tbody></table></div>\n");
    html
}

pub(super) fn name_cell(name: &str) -> String {
    // Swept names are long: they break between their keys.
    format!("<td class=\"name\">{}</td>", escape(name).replace(',', ",<wbr>"))
}

pub(super) fn wide_cell(text: &str) -> String {
    format!("<td class=\"wide\">{}</td>", escape(text))
}

/// To the minute.
pub(super) fn clock(time: UtcMicros) -> String {
    time.to_string().get(..16).unwrap_or_default().replace('T', " ")
}

fn bullets(title: &str, sentences: &[String]) -> String {
    let mut html = format!("<div class=\"card\"><h3>{title}</h3><ul>");
    for sentence in sentences {
        write!(html, "<li>{}.</li>", escape(sentence)).expect(WRITES);
    }
    html.push_str("</ul></div>\n");
    html
}

fn head(report: &Report, html: &mut String) {
    let health = &report.quality.health;
    let span = match (health.from, report.time) {
        (Some(from), Some(to)) => format!("{} to {} UTC", clock(from), clock(to)),
        (_, Some(to)) => format!("as of {} UTC", clock(to)),
        _ => "before the first bar".to_owned(),
    };
    let state = if report.is_done { "its feed has ended" } else { "its feed goes on" };
    write!(
        html,
        "<header><h1>{}</h1><p>Report of an arena, {span}; {state}. R is profit over the risk fixed before the \
         entry.</p></header>\n<p class=\"headline\">{}.</p>\n<dl class=\"tiles\">",
        escape(&report.arena),
        escape(&report.summary.headline)
    )
    .expect(WRITES);
    let mut tile = |name: &str, value: String, below: String| {
        write!(html, "<div><dt>{name}</dt><dd>{value}<small>{}</small></dd></div>", escape(&below)).expect(WRITES);
    };
    let live = report.summary.live.len();
    let trades: u64 = report.models.iter().map(|model| model.trades).sum();
    tile("candidates", count(report.models.len() as u64), format!("{live} live"));
    tile("closed trades", count(trades), format!("{} R a trade", maybe(report.outcomes.mean_r, 3)));
    if let Some(leader) = report.models.first() {
        let progress = leader.row.progress.map_or_else(|| "\u{2013}".to_owned(), |share| percent(share.max(0.0), 0));
        tile("leader's evidence", progress, "of what the gate asks for".to_owned());
        let (wait, below) = match leader.days_to_decision {
            _ if leader.missed.is_empty() => ("passed".to_owned(), "every gate"),
            Some(wait) => (days(wait), "expected from now"),
            None => ("\u{2013}".to_owned(), "none in sight"),
        };
        tile("its decision", wait, below.to_owned());
    }
    let bad = report.quality.bad_share.map_or_else(|| "\u{2013}".to_owned(), |share| percent(share, 2));
    tile("bad quotes", bad, format!("{} good ones, {} gaps", count(health.quotes), report.quality.n_gaps));
    let desk = if report.live.state.is_empty() { "\u{2013}" } else { report.live.state.as_str() };
    tile("live dealing", escape(&desk.replace('_', " ")), format!("{} {}", report.live.net_profit, report.currency));
    html.push_str("</dl>\n<div class=\"two\">");
    html.push_str(&bullets("Who is promoted, and why", &report.summary.promotion));
    html.push_str(&bullets("How far to trust it", &report.summary.trust));
    html.push_str("</div>\n");
    let gates = &report.summary.gates;
    if !gates.is_empty() {
        let rows: Vec<Vec<String>> = gates
            .iter()
            .map(|gate| {
                let share = gate.missed as f64 / gate.of.max(1) as f64;
                vec![escape(&gate.gate), gate.missed.to_string(), meter(share)]
            })
            .collect();
        let of = gates.first().map_or(0, |gate| gate.of);
        write!(html, "<div class=\"card fit\"><h3>Gates missed by the {of} candidates on paper</h3>").expect(WRITES);
        html.push_str(&table(&["gate", "missed by", "share"], &rows));
        html.push_str("</div>\n");
    }
}

fn meter(share: f64) -> String {
    let width = (share.clamp(0.0, 1.0) * 100.0).round();
    format!("<span class=\"meter\"><i style=\"width:{width}%\"></i></span><b>{}</b>", percent(share, 0))
}

fn leaderboard(report: &Report, html: &mut String) {
    html.push_str("<h2>Leaderboard</h2>\n<p class=\"note\">Mean of closed trades in R, with an interval that is right \
                   at all times at once (95 %, each candidate alone, costs stressed); an open end means that nothing is \
                   known there. Whether a candidate may trade for real is decided by the gate and not by this interval.</p>\n");
    let shown = &report.models[..report.models.len().min(ROWS_MAX)];
    let ends = shown.iter().flat_map(|model| [model.low_r, model.mean_r, model.high_r]).flatten();
    let (low, high) = ends.fold((-0.1f64, 0.1f64), |(low, high), x| (low.min(x), high.max(x)));
    // One bound that says next to nothing would squeeze all others together.
    let scale = (low.max(-1.0), high.min(1.0));
    let row = |model: &ModelFigures| {
        let row = &model.row;
        let mean = model.mean_r.map_or_else(String::new, |mean| interval(model.low_r, mean, model.high_r, scale));
        let sign = if model.mean_r.is_some_and(|mean| mean > 0.0) { "up" } else { "down" };
        vec![
            row.rank.to_string(),
            name_cell(row.model.as_str()),
            format!("<td class=\"l{}\">{}</td>", if row.state == State::Live { " live" } else { "" }, row.state.word()),
            count(model.trades),
            format!("<span class=\"{sign}\">{}</span>", maybe(model.mean_r, 3)),
            mean,
            row.progress.map_or_else(|| "\u{2013}".to_owned(), |progress| meter(progress.max(0.0))),
            maybe(row.log10_e, 2),
            ratio(row.max_drawdown_r, 1),
            maybe(model.profit_factor, 2),
            row.win_rate.map_or_else(|| "\u{2013}".to_owned(), |share| percent(share, 0)),
            ratio(row.net_profit.as_f64(), 2),
        ]
    };
    let columns = [
        "#",
        "model",
        "state",
        "trades",
        "mean R",
        "interval",
        "to the gate",
        "log10 E",
        "max DD R",
        "PF",
        "wins",
        "net",
    ];
    html.push_str("<div class=\"card long\">");
    html.push_str(&table(&columns, &shown.iter().map(row).collect::<Vec<_>>()));
    html.push_str("</div>\n");
    if report.models.len() > ROWS_MAX {
        let more = report.models.len() - ROWS_MAX;
        writeln!(
            html,
            "<p class=\"note\">{more} more stand in the report's JSON (<code>arena report --json</code>).</p>"
        )
        .expect(WRITES);
    }
}

/// The names of the candidates that are looked at closely, in their colours.
pub(super) fn legend<'a>(names: impl IntoIterator<Item = (&'static str, &'a str)>) -> String {
    let mut html = String::from("<div class=\"legend\">");
    for (class, name) in names {
        write!(html, "<span class=\"{class}\">{}</span>", escape(name)).expect(WRITES);
    }
    html.push_str("</div>");
    html
}

fn focus_legend(report: &Report) -> String {
    legend(report.focus.iter().enumerate().map(|(at, focus)| (class(at), focus.model.as_str())))
}

fn curves(report: &Report, html: &mut String) {
    let times = || report.focus.iter().flat_map(|focus| &focus.curve).map(|point| point.time);
    let (Some(from), Some(to)) = (times().min(), times().max()) else { return };
    write!(
        html,
        "<h2>Equity, drawdown and evidence</h2>\n<p class=\"note\">The {} candidates that stand first, trade by \
         trade on paper.</p>\n",
        report.focus.len()
    )
    .expect(WRITES);
    type Shape = fn(&str, Axis, Axis) -> Plot;
    let plot = |shape: Shape, name: &str, label: &str, of: &dyn Fn(&super::figures::Point) -> Option<f64>| {
        let values = report.focus.iter().flat_map(|focus| &focus.curve).filter_map(of);
        let mut plot = shape(name, Axis::time(from, to), Axis::of(values.chain([0.0]), label));
        for (at, focus) in report.focus.iter().enumerate().rev() {
            plot.line(class(at), focus.curve.iter().map(|point| (point.time.0 as f64, of(point))));
        }
        plot
    };
    let equity = plot(Plot::new, "Cumulated R", "cumulated R", &|point| Some(point.equity_r));
    let drawdown = plot(Plot::new, "Drawdown in R", "R below the peak", &|point| Some(-point.drawdown_r));
    html.push_str(&focus_legend(report));
    html.push_str("<div class=\"two\">");
    html.push_str(&figure("Equity", "Sum of the outcomes of closed trades.", &equity.draw()));
    html.push_str(&figure("Drawdown", "How far that sum is below its highest so far.", &drawdown.draw()));
    html.push_str("</div>\n");
    if report.focus.iter().any(|focus| focus.curve.iter().any(|point| point.evidence.is_some())) {
        let name = "Evidence against no edge";
        let mut evidence = plot(Plot::wide, name, "log10 of wealth over the gate", &|point| point.evidence);
        evidence.level(0.0, "the gate");
        html.push_str(&figure(
            "Evidence and the gate",
            "Wealth of a bet against \"no edge on average\", begun anew with each generation; a candidate that reaches \
             the gate has passed it, however often one looked before.",
            &evidence.draw(),
        ));
    } else if report.promotion.iter().any(|(key, value)| key == "unit" && value == "round") {
        html.push_str(
            "<p class=\"note\">Evidence is formed of rounds here, not of trades: only its present value is \
                       told, in the leaderboard.</p>\n",
        );
    }
}

fn outcomes(report: &Report, html: &mut String) {
    if report.outcomes.mean_r.is_none() {
        return;
    }
    html.push_str("<h2>Outcomes</h2>\n<div class=\"two\">");
    let all = format!(
        "All {} trades: mean {} R, median {} R.",
        count(report.outcomes.counts.iter().sum()),
        maybe(report.outcomes.mean_r, 3),
        maybe(report.outcomes.median_r, 3)
    );
    html.push_str(&figure("Distribution of R, all candidates", &all, &bars(&report.outcomes, "s1")));
    if let Some(Focus { model, outcomes, .. }) = report.focus.first() {
        let own = format!(
            "{} trades: mean {} R, median {} R.",
            count(outcomes.counts.iter().sum()),
            maybe(outcomes.mean_r, 3),
            maybe(outcomes.median_r, 3)
        );
        html.push_str(&figure(&format!("Distribution of R, {model}"), &own, &bars(outcomes, "s2")));
    }
    html.push_str("</div>\n<div class=\"two\" style=\"margin-top:18px\">");
    let leader = report.focus.first();
    html.push_str("<div class=\"card\"><h3>Exits by reason</h3>");
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut add = |who: &str, groups: &[Group]| {
        let all: u64 = groups.iter().map(|group| group.n).sum();
        for group in groups {
            rows.push(vec![
                name_cell(who),
                group.name.clone(),
                count(group.n),
                percent(group.n as f64 / all.max(1) as f64, 0),
                format!("{} ± {}", maybe(group.mean_r, 3), maybe(group.error_r, 3)),
            ]);
        }
    };
    add("all candidates", &report.exits);
    if let Some(leader) = leader {
        add(&leader.model, &leader.exits);
    }
    html.push_str(&table(&["whose", "reason", "trades", "share", "mean R"], &rows));
    html.push_str("</div>");
    let caption = "Mean of the trades by the UTC hour of their entry, with two standard errors.";
    html.push_str(&figure("Results by hour", caption, &hours(report, leader)));
    html.push_str("</div>\n");
}

fn bars(histogram: &Histogram, class: &str) -> String {
    let Histogram { from_r, step_r, counts, .. } = histogram;
    let to = from_r + step_r * counts.len() as f64;
    let most = counts.iter().copied().max().unwrap_or_default();
    let mut plot = Plot::new(
        "Distribution of outcomes",
        Axis::span(*from_r, to, "outcome in R"),
        Axis::of([0.0, most as f64], "trades"),
    );
    for (at, n) in counts.iter().enumerate().filter(|(_, n)| **n > 0) {
        let left = from_r + step_r * at as f64;
        let title = format!("{} to {} R: {n} trades", ratio(left, 3), ratio(left + step_r, 3));
        plot.bar(class, (left, left + step_r), *n as f64, &title);
    }
    plot.draw()
}

fn hours(report: &Report, leader: Option<&Focus>) -> String {
    let names: Vec<String> = report.hours.iter().map(|group| group.name.clone()).collect();
    let own = leader.map(|leader| leader.hours.as_slice()).unwrap_or_default();
    // The few trades of one candidate in an hour have wide errors: the scale is that of the means.
    let means = report.hours.iter().chain(own).filter_map(|group| group.mean_r);
    let mut plot = Plot::new("Mean R by hour", Axis::names(&names, "UTC hour"), Axis::of(means.chain([0.0]), "mean R"));
    for (at, group) in (0u32..).zip(&report.hours) {
        let mut mark = |class: &str, group: &Group, shift: f64| {
            let Some(mean) = group.mean_r else { return };
            let title =
                format!("{}:00, {} trades, {} ± {} R", group.name, group.n, ratio(mean, 3), maybe(group.error_r, 3));
            plot.dot(class, (f64::from(at) + 0.5 + shift, mean), group.error_r, &title);
        };
        mark("s1", group, -0.14);
        if let Some(own) = own.iter().find(|own| own.name == group.name) {
            mark("s2", own, 0.14);
        }
    }
    let second = leader.map(|leader| ("s2", leader.model.as_str()));
    legend([("s1", "all candidates")].into_iter().chain(second)) + &plot.draw()
}

/// Names as a sentence carries them.
pub(super) fn names(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { escape(&list(names, 12)) }
}
