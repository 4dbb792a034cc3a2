//! What `arena calibrate --json` printed, as a section of a report: what the configured promotion promises.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::html::{WRITES, figure, note, table, wide_cell};
use super::plot::{Axis, Plot};
use super::text::{count, days, escape, percent, ratio};

/// The document of `arena calibrate --json`, as far as a report shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    seed: u64,
    replicates: u64,
    candidates: u32,
    episodes: u64,
    per_day: f64,
    tournaments: Vec<Tournament>,
    #[serde(default)]
    studies: Vec<StudyRow>,
    #[serde(default)]
    warnings: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Tournament {
    payoff: String,
    correlation: f64,
    edge: f64,
    false_promotions: Share,
    power: Option<Share>,
    median_episodes: Option<u64>,
    median_days: Option<f64>,
    ninety_episodes: Option<u64>,
    retired: Option<Share>,
    regret_r: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Share {
    count: u64,
    of: u64,
    share: f64,
    low: f64,
    high: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct StudyRow {
    study: String,
    design: String,
    replicates: usize,
    cells: Vec<Cell>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Cell {
    column: String,
    value: Option<f64>,
}

impl Calibration {
    /// Writes the section; `is_alone` where it is the whole report.
    pub(super) fn render(&self, is_alone: bool, html: &mut String) {
        let title = "What the configured promotion promises";
        if is_alone {
            writeln!(
                html,
                "<header><h1>{title}</h1><p>Report of a calibration: simulated tournaments on the promoter itself.\
                 </p></header>"
            )
            .expect(WRITES);
        } else {
            writeln!(html, "<h2>{title}</h2>").expect(WRITES);
        }
        if !self.warnings.is_empty() {
            html.push_str("<div class=\"card\"><h3 class=\"warn\">Warnings</h3><ul>");
            for warning in &self.warnings {
                write!(html, "<li>{}.</li>", escape(warning)).expect(WRITES);
            }
            html.push_str("</ul></div>\n");
        }
        if !self.tournaments.is_empty() {
            self.tournaments(html);
        }
        if !self.studies.is_empty() {
            self.studies(html);
        }
    }

    fn tournaments(&self, html: &mut String) {
        html.push_str(&note(&format!(
            "{} tournaments of {} candidates over {} episodes each, {} episodes a day, seed {}. Where an edge is named, one \
             candidate has it and all others have none; a false promotion is one without an edge that was promoted first.",
            count(self.replicates),
            count(u64::from(self.candidates)),
            count(self.episodes),
            ratio(self.per_day, 0),
            self.seed
        )));
        let share = |share: &Share| {
            format!("{} ({} to {})", percent(share.share, 1), percent(share.low, 1), percent(share.high, 1))
        };
        let dash = || "\u{2013}".to_owned();
        let row = |told: &Tournament| {
            vec![
                escape(&told.payoff),
                ratio(told.edge, 2),
                share(&told.false_promotions),
                told.power.as_ref().map_or_else(dash, share),
                told.median_episodes.map_or_else(dash, count),
                told.ninety_episodes.map_or_else(dash, count),
                told.median_days.map_or_else(dash, days),
                told.retired.as_ref().map_or_else(dash, |retired| percent(retired.share, 1)),
                told.power.map_or_else(dash, |_| ratio(told.regret_r, 1)),
            ]
        };
        let columns = [
            "payoff",
            "edge R",
            "false (95 %)",
            "found (95 %)",
            "median episodes",
            "nine tenths by",
            "median time",
            "retired",
            "regret R",
        ];
        html.push_str("<div class=\"card\">");
        html.push_str(&table(&columns, &self.tournaments.iter().map(row).collect::<Vec<_>>()));
        html.push_str("</div>\n<div class=\"two\" style=\"margin-top:18px\">");
        html.push_str(&figure(
            "False promotions",
            "Share of the tournaments, with its 95 % interval.",
            &self.shares(|told| Some(&told.false_promotions), "s5"),
        ));
        if self.tournaments.iter().any(|told| told.power.is_some()) {
            html.push_str(&figure(
                "True edges found",
                "Share of the tournaments in which the one with the edge was promoted.",
                &self.shares(|told| told.power.as_ref(), "s2"),
            ));
        }
        html.push_str("</div>\n");
    }

    fn shares(&self, of: impl Fn(&Tournament) -> Option<&Share>, class: &str) -> String {
        let told: Vec<(&Tournament, &Share)> =
            self.tournaments.iter().filter_map(|told| Some((told, of(told)?))).collect();
        let names: Vec<String> =
            told.iter().map(|(told, _)| format!("{} {} R", told.payoff, ratio(told.edge, 2))).collect();
        let most = told.iter().map(|(_, share)| share.high * 100.0);
        let mut plot =
            Plot::new("Shares", Axis::names(&names, ""), Axis::of(most.chain([0.0, 5.0]), "% of tournaments"));
        plot.level(5.0, "5 %");
        for (at, (_, share)) in (0u32..).zip(&told) {
            let title = format!("{} of {}", share.count, share.of);
            plot.whisker(class, f64::from(at) + 0.5, (share.low * 100.0, share.high * 100.0));
            plot.dot(class, (f64::from(at) + 0.5, share.share * 100.0), None, &title);
        }
        plot.draw()
    }

    fn studies(&self, html: &mut String) {
        let row = |told: &StudyRow| {
            let cells: Vec<String> = told
                .cells
                .iter()
                .map(|cell| {
                    let value = cell.value.map_or_else(|| "\u{2013}".to_owned(), |value| ratio(value, 4));
                    format!("{} {value}", cell.column)
                })
                .collect();
            vec![
                escape(&told.study),
                wide_cell(&told.design),
                told.replicates.to_string(),
                wide_cell(&cells.join("; ")),
            ]
        };
        html.push_str("<div class=\"card long\"><h3>Studies</h3>");
        let columns = ["study", "design", "replicates", "figures"];
        html.push_str(&table(&columns, &self.studies.iter().map(row).collect::<Vec<_>>()));
        html.push_str("</div>\n");
    }
}
