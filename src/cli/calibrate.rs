//! `arena calibrate`: tournaments on the promoter under the configured `[promotion]`, and studies of its parts.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use plotters::prelude::*;
use serde::Serialize;

use super::output::{Align, Columns, FAILED, Failure, USAGE, complain, number, print, print_json};
use super::{Shared, not_negative};
use crate::calibrate::Payoff;
use crate::calibrate::reach::{out_of_reach, unreachable_gates};
use crate::calibrate::studies::{Design, Study, StudyRow};
use crate::calibrate::tournament::{Ending, Setting, Tournament, evidence_only, play};
use crate::config::{self, LoadError, PromotionConfig};

/// `arena calibrate`.
#[derive(Args, Clone, Debug)]
pub struct CalibrateArgs {
    /// How many candidates take part in a tournament
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub candidates: u32,
    /// How alike any two of them trade, 0 to below 1
    #[arg(long, value_name = "RHO", default_value_t = 0.0, value_parser = correlation)]
    pub correlation: f64,
    /// Shapes of outcomes: -1/+1, -1/+0.5, -1/+0.1, -1/+3, gap, t3, regimes, or STOP/LIMIT such as -1/+2; repeat for more
    #[arg(long, value_name = "SHAPE", default_value = "-1/+1", value_parser = payoff, allow_hyphen_values = true)]
    pub payoff: Vec<Payoff>,
    /// True edges in R of one candidate among those without; 0 is always looked at; repeat for more
    #[arg(long, value_name = "R", default_values_t = [0.1, 0.2], value_parser = not_negative)]
    pub edge: Vec<f64>,
    /// Episodes of each candidate
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub episodes: u64,
    /// Episodes a day, for what is told in days
    #[arg(long, value_name = "N", default_value_t = 10.0, value_parser = positive)]
    pub per_day: f64,
    /// How often each is played
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub replicates: u64,
    /// Every draw derives from it
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Only the evidence gate, with a slot for each candidate and nobody retired
    #[arg(long)]
    pub evidence_only: bool,
    /// Study a part instead, in the designs of the published figures: null, power, swap, demote, parity, coverage, recycle
    /// or full; repeat for more
    #[arg(long, value_name = "NAME", value_parser = study)]
    pub study: Vec<Study>,
    /// Only designs of a study whose name contains this
    #[arg(long, value_name = "TEXT", requires = "study", allow_hyphen_values = true)]
    pub only: Option<String>,
    /// Draw when the candidates with an edge are promoted, as SVG
    #[arg(long, value_name = "FILE", conflicts_with = "study")]
    pub plot: Option<PathBuf>,
    /// Threads [default: as many as there are cores]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
}

fn correlation(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..1.0).contains(&value) => Ok(value),
        _ => Err("want a number from 0, below 1".to_owned()),
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value > 0.0 => Ok(value),
        _ => Err("want a number above 0".to_owned()),
    }
}

fn payoff(text: &str) -> Result<Payoff, String> {
    let two_points = || {
        let (low, high) = text.split_once('/')?;
        let (low, high) = (low.parse::<f64>().ok()?, high.trim_start_matches('+').parse::<f64>().ok()?);
        (low.is_finite() && high.is_finite() && low < 0.0 && high > 0.0).then_some(Payoff::TwoPoint { low, high })
    };
    Payoff::named(text).or_else(two_points).ok_or_else(|| {
        let names: Vec<_> = Payoff::ALL.into_iter().map(|(name, _)| name).collect();
        format!("want one of {}, or STOP/LIMIT such as -1/+2", names.join(", "))
    })
}

fn study(text: &str) -> Result<Study, String> {
    let found = Study::ALL.into_iter().find(|(name, _)| *name == text).map(|(_, study)| study);
    let names: Vec<_> = Study::ALL.into_iter().map(|(name, _)| name).collect();
    found.ok_or_else(|| format!("want one of {}", names.join(", ")))
}

/// `calibrate --json`.
#[derive(Debug, Serialize)]
struct Answer {
    seed: u64,
    replicates: u64,
    candidates: u32,
    episodes: u64,
    per_day: f64,
    tournaments: Vec<Tournament>,
    studies: Vec<StudyRow>,
    warnings: Vec<String>,
}

pub(super) fn calibrate(shared: &Shared, args: &CalibrateArgs) -> Result<(), Failure> {
    let promotion = promotion_of(shared)?;
    let mut answer = Answer {
        seed: args.seed,
        replicates: args.replicates,
        candidates: args.candidates,
        episodes: args.episodes,
        per_day: args.per_day,
        tournaments: Vec::new(),
        studies: Vec::new(),
        warnings: Vec::new(),
    };
    if !args.study.is_empty() {
        let wanted = |design: &Design| args.only.as_deref().is_none_or(|text| design.name.contains(text));
        let designs: Vec<Design> = args.study.iter().flat_map(|study| study.designs()).filter(wanted).collect();
        if designs.is_empty() {
            return Err(Failure::new(USAGE, "no design of these studies has such a name"));
        }
        let progress = bar(shared, designs.len() as u64 * args.replicates);
        for design in &designs {
            let measures = spread(args, &progress, |replicate| design.replicate(&promotion, args.seed, replicate));
            answer.studies.push(design.row(&measures));
        }
        progress.finish_and_clear();
        return if shared.json { print_json(&answer) } else { print(&studies_text(&answer.studies)) };
    }

    let settings = settings(args, &promotion)?;
    answer.warnings = unreachable_gates(&settings[0].promotion, args.candidates, args.per_day);
    let edges = settings.iter().filter(|setting| setting.edge > 0.0);
    answer.warnings.extend(edges.filter_map(|setting| {
        out_of_reach(&setting.promotion, setting.payoff, setting.edge, setting.candidates, setting.per_day)
    }));
    let progress = bar(shared, settings.len() as u64 * args.replicates);
    let mut curves = Vec::new();
    for setting in &settings {
        let endings: Vec<Ending> = spread(args, &progress, |replicate| play(setting, replicate));
        answer.tournaments.push(Tournament::of(setting, &endings));
        curves.push(endings);
    }
    progress.finish_and_clear();
    if let Some(path) = &args.plot {
        plot(path, &settings, &curves)
            .map_err(|why| Failure::new(FAILED, format!("{} cannot be written: {why}", path.display())))?;
    }
    if shared.json {
        return print_json(&answer);
    }
    answer.warnings.iter().for_each(|warning| complain(&format!("warning: {warning}")));
    print(&tournaments_text(&answer))
}

/// `[promotion]` of the configuration; its defaults where there is no file and none was named.
fn promotion_of(shared: &Shared) -> Result<PromotionConfig, Failure> {
    match config::load(shared.config(), &*crate::deploy::Shelf::new()) {
        Ok(config) => Ok(config.promotion),
        Err(LoadError::Unreadable { .. }) if shared.config.is_none() => Ok(PromotionConfig::default()),
        Err(error) => Err(Failure::new(USAGE, error.to_string())),
    }
}

fn settings(args: &CalibrateArgs, promotion: &PromotionConfig) -> Result<Vec<Setting>, Failure> {
    let mut settings = Vec::new();
    for payoff in &args.payoff {
        let mut edges = vec![0.0];
        edges.extend(args.edge.iter().copied().filter(|edge| *edge > 0.0));
        for edge in edges {
            if !payoff.allows(edge) {
                return Err(Failure::new(USAGE, format!("{} cannot have a mean of {edge} R", payoff.name())));
            }
            let promotion =
                if args.evidence_only { evidence_only(promotion, args.candidates) } else { promotion.clone() };
            settings.push(Setting {
                promotion,
                candidates: args.candidates,
                correlation: args.correlation,
                payoff: *payoff,
                edge,
                episodes: args.episodes,
                per_day: args.per_day,
                seed: args.seed,
            });
        }
    }
    Ok(settings)
}

fn bar(shared: &Shared, length: u64) -> ProgressBar {
    if shared.quiet || shared.json {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {percent:>3} %  {elapsed} of about {duration}");
    ProgressBar::new(length).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Runs every replicate, on several threads; the results stand in order of replicate whatever the threads did.
fn spread<T: Send>(args: &CalibrateArgs, progress: &ProgressBar, run: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = args.threads.unwrap_or(cores).clamp(1, 256);
    let next = AtomicU64::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let replicate = next.fetch_add(1, Ordering::Relaxed);
            if replicate >= args.replicates {
                return done;
            }
            done.push((replicate, run(replicate)));
            progress.inc(1);
        }
    };
    let mut all: Vec<(u64, T)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a replicate does not panic")).collect()
    });
    all.sort_by_key(|(replicate, _)| *replicate);
    all.into_iter().map(|(_, result)| result).collect()
}

fn percent(share: f64) -> String {
    number(Some(100.0 * share), 1)
}

fn tournaments_text(answer: &Answer) -> String {
    let mut columns = Columns::new(
        vec![
            ("payoff", Align::Left),
            ("edge", Align::Right),
            ("false %", Align::Right),
            ("95 %", Align::Right),
            ("found %", Align::Right),
            ("episodes", Align::Right),
            ("days", Align::Right),
            ("retired %", Align::Right),
            ("regret R", Align::Right),
        ],
        0,
    );
    for told in &answer.tournaments {
        let share = &told.false_promotions;
        columns.row(vec![
            told.payoff.clone(),
            told.edge.to_string(),
            percent(share.share),
            format!("{}-{}", percent(share.low), percent(share.high)),
            told.power.map_or_else(|| "-".to_owned(), |power| percent(power.share)),
            told.median_episodes.map_or_else(|| "-".to_owned(), |k| k.to_string()),
            number(told.median_days, 1),
            told.retired.map_or_else(|| "-".to_owned(), |retired| percent(retired.share)),
            number(told.power.map(|_| told.regret_r), 1),
        ]);
    }
    format!(
        "{}\n{} tournaments of {} candidates over {} episodes each, seed {}; false: one without an edge was first; \
         episodes and days: median until the one with the edge is promoted\n",
        columns.render(),
        answer.replicates,
        answer.candidates,
        answer.episodes,
        answer.seed
    )
}

fn studies_text(rows: &[StudyRow]) -> String {
    let mut text = String::new();
    for row in rows {
        text.push_str(&format!("{:?}: {} ({} replicates)\n", row.study, row.design, row.replicates));
        for cell in &row.cells {
            text.push_str(&format!("  {:<24} {:>12}\n", cell.column, number(cell.value, 4)));
        }
    }
    text
}

/// The share of replicates in which the one with the edge was promoted, by episode.
fn plot(path: &Path, settings: &[Setting], curves: &[Vec<Ending>]) -> Result<(), String> {
    const COLOURS: [RGBColor; 6] = [
        RGBColor(31, 119, 180),
        RGBColor(214, 96, 14),
        RGBColor(34, 139, 34),
        RGBColor(178, 24, 43),
        RGBColor(117, 81, 168),
        RGBColor(90, 90, 90),
    ];
    let told = |error: &dyn std::fmt::Display| error.to_string();
    let most = settings.iter().map(|setting| setting.episodes).max().unwrap_or(1);
    let root = SVGBackend::new(path, (820, 460)).into_drawing_area();
    root.fill(&WHITE).map_err(|error| told(&error))?;
    let mut chart = ChartBuilder::on(&root)
        .caption("Promoted, by episodes of each candidate", ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(52)
        .build_cartesian_2d(0f64..most as f64, 0f64..100f64)
        .map_err(|error| told(&error))?;
    chart
        .configure_mesh()
        .x_desc("episodes")
        .y_desc("% of tournaments")
        .light_line_style(RGBColor(235, 235, 235))
        .draw()
        .map_err(|error| told(&error))?;
    for (at, (setting, endings)) in settings.iter().zip(curves).enumerate() {
        let colour = COLOURS[at % COLOURS.len()];
        let is_null = setting.edge <= setting.promotion.null_edge_r;
        let counts = |(seat, _): &(u32, u64)| is_null || *seat == 0;
        let mut times: Vec<u64> = endings.iter().filter_map(|e| e.promoted.filter(counts)).map(|(_, k)| k).collect();
        times.sort_unstable();
        let step = 100.0 / endings.len() as f64;
        let mut points = vec![(0.0, 0.0)];
        for (rank, time) in times.iter().enumerate() {
            points.push((*time as f64, rank as f64 * step));
            points.push((*time as f64, (rank + 1) as f64 * step));
        }
        points.push((setting.episodes as f64, times.len() as f64 * step));
        let name = if is_null {
            format!("{}, no edge (false)", setting.payoff.name())
        } else {
            format!("{}, {} R", setting.payoff.name(), setting.edge)
        };
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)))
            .map_err(|error| told(&error))?
            .label(name)
            .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.85))
        .border_style(RGBColor(200, 200, 200))
        .position(SeriesLabelPosition::LowerRight)
        .draw()
        .map_err(|error| told(&error))?;
    root.present().map_err(|error| told(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_read_by_name_and_by_their_points() {
        assert_eq!(payoff("gap"), Ok(Payoff::Gap));
        assert_eq!(payoff("-1/+2"), Ok(Payoff::TwoPoint { low: -1.0, high: 2.0 }));
        for text in ["", "x", "1/2", "-1/-2", "-inf/+1"] {
            assert!(payoff(text).is_err(), "{text}");
        }
        assert_eq!(study("null"), Ok(Study::Null));
        assert!(study("nul").is_err() && correlation("1").is_err() && positive("0").is_err());
    }
}
