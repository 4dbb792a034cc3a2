//! Sections of the HTML about predictions and about live dealing.

use std::fmt::Write as _;

use super::figures::{Focus, Predictions, Report};
use super::html::{WRITES, class, clock, figure, name_cell, note, table};
use super::plot::{Axis, Plot};
use super::text::{count, escape, maybe, percent, ratio};

/// What was predicted against what came, candidate by candidate.
pub(super) fn predictions(report: &Report, html: &mut String) {
    let told: Vec<(usize, &Focus, &Predictions)> = report
        .focus
        .iter()
        .enumerate()
        .filter_map(|(at, focus)| Some((at, focus, focus.predictions.as_ref()?)))
        .collect();
    html.push_str("<h2>Calibration of predictions</h2>\n");
    if told.is_empty() {
        html.push_str(&note(
            "None of the candidates that stand first predicts a ratio, or [arena] record_predictions is off.",
        ));
        return;
    }
    html.push_str(&note(
        "Predicted against actual move of its own side (a short inverted), in basis points: means of tenths of the \
         predictions with two standard errors. On the dashed line a prediction is as large as what came of it; a flat \
         row of dots means that it says nothing.",
    ));
    html.push_str("<div class=\"two\">");
    for (at, focus, told) in told {
        let x = Axis::of(told.groups.iter().map(|group| group.predicted_bp), "predicted, basis points");
        let ends = told.groups.iter().flat_map(|g| [g.actual_bp - g.error_bp, g.actual_bp + g.error_bp]);
        let y = Axis::of(ends.chain([0.0]), "actual, basis points");
        let mut plot = Plot::new(&format!("Predicted against actual, {}", focus.model), x, y);
        plot.diagonal("actual = predicted");
        for group in &told.groups {
            let title = format!(
                "{} predictions of {} bp on average: {} ± {} bp came",
                group.n,
                ratio(group.predicted_bp, 2),
                ratio(group.actual_bp, 2),
                ratio(group.error_bp, 2)
            );
            plot.dot(class(at), (group.predicted_bp, group.actual_bp), Some(group.error_bp), &title);
        }
        let caption = format!(
            "{} predictions of the last {}; slope {} (1 is honest), correlation {}, bias {} bp.",
            count(told.n),
            count(told.last as u64),
            maybe(told.slope, 2),
            maybe(told.correlation, 3),
            maybe(told.bias_bp, 2)
        );
        html.push_str(&figure(&focus.model, &caption, &plot.draw()));
        html.push_str(&figure(
            &format!("{}, one by one", focus.model),
            "Some of the same predictions, evenly by time.",
            &cloud(told, class(at)),
        ));
    }
    html.push_str("</div>\n");
}

fn cloud(told: &Predictions, class: &str) -> String {
    // A few wild ones would squeeze all others together.
    let inner = |of: &dyn Fn(&(f64, f64)) -> f64| -> Vec<f64> {
        let mut values: Vec<f64> = told.sample.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        let cut = values.len() / 100;
        values[cut..values.len() - cut].to_vec()
    };
    let x = Axis::of(inner(&|pair| pair.0), "predicted, basis points");
    let y = Axis::of(inner(&|pair| pair.1), "actual, basis points");
    let mut plot = Plot::new("Predicted against actual, one by one", x, y);
    plot.cloud(class, &told.sample);
    plot.diagonal("actual = predicted");
    plot.draw()
}

/// Results by the distance to what a model was trained on.
pub(super) fn distances(report: &Report, html: &mut String) {
    let told: Vec<&Focus> = report.focus.iter().filter(|focus| !focus.distances.is_empty()).collect();
    if told.is_empty() {
        return;
    }
    html.push_str("<h2>Distance to the training data</h2>\n");
    html.push_str(&note(
        "Fifths of the predictions by their mean distance to the neighbours that they rest on, nearest first. Where errors \
         grow with the distance, the nearness gate is worth having.",
    ));
    for focus in told {
        let row = |group: &super::figures::DistanceGroup| {
            vec![
                format!("{} to {}", ratio(group.from, 4), ratio(group.to, 4)),
                count(group.n),
                count(group.abstained),
                maybe(group.error_bp, 2),
                count(group.trades),
                format!("{} ± {}", maybe(group.mean_r, 3), maybe(group.error_r, 3)),
            ]
        };
        write!(html, "<div class=\"card\"><h3>{}</h3>", escape(&focus.model)).expect(WRITES);
        if let Some(near) = &focus.nearness {
            write!(
                html,
                "<p class=\"note\">Its gate stands at {}: {} of {} predictions were kept from a stance ({}); of the \
                 training rows it was {}.</p>",
                ratio(near.max_distance, 4),
                count(near.abstentions),
                count(near.predictions),
                near.share.map_or_else(|| "\u{2013}".to_owned(), |share| percent(share, 1)),
                near.training_share.map_or_else(|| "\u{2013}".to_owned(), |share| percent(share, 1))
            )
            .expect(WRITES);
        }
        let columns = ["distance", "predictions", "abstained", "mean error, bp", "trades", "mean R"];
        html.push_str(&table(&columns, &focus.distances.iter().map(row).collect::<Vec<_>>()));
        html.push_str("</div>\n");
    }
}

/// Live trades beside their paper twins.
pub(super) fn live(report: &Report, html: &mut String) {
    let live = &report.live;
    html.push_str("<h2>Live against paper</h2>\n");
    if let Some(reason) = &live.reason {
        writeln!(html, "<p class=\"warn\">Live dealing is halted: {}.</p>", escape(reason)).expect(WRITES);
    }
    if live.trades.is_empty() {
        let rejected =
            if live.rejected > 0 { format!(" {} orders were never dealt.", live.rejected) } else { String::new() };
        html.push_str(&note(&format!("No live trade with a paper twin has been closed yet.{rejected}")));
        return;
    }
    html.push_str(&note(&format!(
        "Shortfall is live profit less that of the paper twin, in parts that sum to it; below zero live made less. {} \
         orders were never dealt.",
        live.rejected
    )));
    let money = |money: crate::domain::Money| money.to_string().replace('-', "\u{2212}");
    let sums: Vec<Vec<String>> = live
        .by_model
        .iter()
        .map(|sum| {
            let mut row = vec![name_cell(&sum.model), count(sum.trades)];
            row.extend([sum.profit, sum.shortfall.whole].map(money));
            row.extend(sum.shortfall.parts().iter().map(|(_, part)| money(*part)));
            row
        })
        .collect();
    let (mut sum, mut points) = (0.0, vec![]);
    for trade in &live.trades {
        sum += trade.shortfall.whole.as_f64();
        points.push((trade.time.0 as f64, Some(sum)));
    }
    html.push_str("<div class=\"card\"><h3>Shortfall by candidate</h3>");
    let mut titles = vec!["model", "live trades", "profit", "shortfall"];
    titles.extend(crate::domain::Shortfall::default().parts().iter().map(|(name, _)| *name));
    html.push_str(&table(&titles, &sums));
    html.push_str("</div>\n");
    if let (Some(first), Some(last)) = (live.trades.first(), live.trades.last()) {
        let y = Axis::of(points.iter().filter_map(|(_, y)| *y).chain([0.0]), &report.currency);
        let mut plot = Plot::wide("Cumulated shortfall", Axis::time(first.time, last.time), y);
        plot.line("s5", points);
        let caption = format!("{} live trades, {} to {} UTC.", live.trades.len(), clock(first.time), clock(last.time));
        html.push_str(&figure("Cumulated shortfall", &caption, &plot.draw()));
    }
}
