//! `arena evidence`: every statistic of a list of outcomes, wherever it comes from.
//!
//! A list that cannot be used whole is refused with the row and the reason: an outcome that is left out, or cut off at
//! the floor, would make the evidence worth nothing.

use std::fmt::Write as _;
use std::io::Read;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::Shared;
use super::output::{Align, Columns, FAILED, Failure, USAGE, number, print, print_json};
use crate::statistics::record::{Figure, Record, Terms};

/// `arena evidence`.
#[derive(Args, Clone, Debug, Default)]
pub struct EvidenceArgs {
    /// A CSV with a column `x` (or one column), or JSON such as {"x": [0.5, -1], "floor_r": 3}; `-` or nothing reads
    /// standard input
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The floor: no outcome lies below minus this many R [default: 3]
    #[arg(long, value_name = "R")]
    pub floor: Option<f64>,
    /// The cap on gains where a bound from above is needed [default: 10]
    #[arg(long, value_name = "R")]
    pub cap: Option<f64>,
    /// The mean that is no edge [default: 0]
    #[arg(long, value_name = "R")]
    pub null_edge: Option<f64>,
    /// Chance of a false promotion, shared by all slots [default: 0.05]
    #[arg(long, value_name = "P")]
    pub alpha: Option<f64>,
    /// How many candidates share it [default: 128]
    #[arg(long, value_name = "N")]
    pub slots: Option<u32>,
    /// How many tries the deflated Sharpe ratio counts [default: the slots]
    #[arg(long, value_name = "N")]
    pub trials: Option<u64>,
    /// Outcomes a year, for what is told a year [default: 252]
    #[arg(long, value_name = "N")]
    pub per_year: Option<f64>,
}

/// The document of `--json`.
#[derive(Debug, Serialize)]
struct Answer {
    terms: Terms,
    #[serde(flatten)]
    record: Record,
}

pub(super) fn evidence(shared: &Shared, args: &EvidenceArgs) -> Result<(), Failure> {
    let text = read(args)?;
    let wrong = |why: String| Failure::new(USAGE, why);
    let (xs, terms) = outcomes(&text, args).map_err(wrong)?;
    terms.check().map_err(wrong)?;
    check(&xs, &terms).map_err(wrong)?;
    let record = Record::of(&xs.iter().map(|(_, x)| *x).collect::<Vec<f64>>(), &terms);
    if shared.json { print_json(&Answer { terms, record }) } else { print(&table(&record, &terms)) }
}

fn read(args: &EvidenceArgs) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let named = args.file.as_ref().filter(|path| path.as_os_str() != "-");
    let done = match named {
        Some(path) => std::fs::File::open(path).and_then(|mut file| file.read_to_end(&mut bytes)),
        None => std::io::stdin().lock().read_to_end(&mut bytes),
    };
    let name = named.map_or_else(|| "standard input".to_owned(), |path| path.display().to_string());
    done.map_err(|error| Failure::new(FAILED, format!("{name} cannot be read: {error}")))?;
    String::from_utf8(bytes).map_err(|_| Failure::new(USAGE, format!("{name} is not UTF-8 text")))
}

/// Outcomes with the rows they stand in.
type Rows = Vec<(usize, f64)>;

/// What a text says, with what the command line says put over it.
fn outcomes(text: &str, args: &EvidenceArgs) -> Result<(Rows, Terms), String> {
    let start = text.trim_start_matches('\u{feff}').trim_start();
    let (rows, mut terms, has_trials) =
        if start.starts_with(['{', '[']) { from_json(start)? } else { from_csv(start)? };
    let put = |target: &mut f64, given: Option<f64>| {
        if let Some(given) = given {
            *target = given;
        }
    };
    put(&mut terms.floor_r, args.floor);
    put(&mut terms.cap_r, args.cap);
    put(&mut terms.null_edge_r, args.null_edge);
    put(&mut terms.alpha, args.alpha);
    put(&mut terms.per_year, args.per_year);
    terms.slots = args.slots.unwrap_or(terms.slots);
    if let Some(trials) = args.trials {
        terms.trials = trials;
    } else if !has_trials {
        terms.trials = u64::from(terms.slots);
    }
    Ok((rows, terms))
}

fn from_json(text: &str) -> Result<(Rows, Terms, bool), String> {
    let document: Value = serde_json::from_str(text)
        .or_else(|error| serde_json::from_str(&named(text)).map_err(|_| error))
        .map_err(|error| format!("the JSON cannot be read: {error}"))?;
    let (list, rest) = match document {
        Value::Array(list) => (Value::Array(list), Value::Object(serde_json::Map::new())),
        Value::Object(mut keys) => {
            let list = keys.remove("x").ok_or("the JSON has no \"x\": want {\"x\": [0.5, -1, …]}")?;
            (list, Value::Object(keys))
        }
        _ => return Err("the JSON is neither a list nor an object".to_owned()),
    };
    let Value::Array(list) = list else { return Err("\"x\" is no list of numbers".to_owned()) };
    let has_trials = rest.get("trials").is_some();
    let terms: Terms = serde_json::from_value(rest).map_err(|error| format!("the JSON cannot be read: {error}"))?;
    let number = |(at, value): (usize, &Value)| {
        let row = at + 1;
        value.as_f64().map(|x| (row, x)).ok_or_else(|| format!("row {row}: {value} is not a number"))
    };
    Ok((list.iter().enumerate().map(number).collect::<Result<_, _>>()?, terms, has_trials))
}

/// The words that other programs write into their JSON where no number is, as texts: so the row can be told.
fn named(text: &str) -> String {
    ["-Infinity", "Infinity", "NaN"].iter().fold(text.to_owned(), |text, word| {
        // What is a text already, or the rest of a longer word, stays.
        let parts: Vec<&str> = text.split(word).collect();
        parts.iter().skip(1).fold(parts[0].to_owned(), |done, part| {
            let mark = if done.ends_with(['"', '-']) { "" } else { "\"" };
            format!("{done}{mark}{word}{mark}{part}")
        })
    })
}

/// Names of the column of outcomes, the first of them that there is.
const COLUMNS: [&str; 4] = ["x", "r", "outcome", "outcome_r"];

fn from_csv(text: &str) -> Result<(Rows, Terms, bool), String> {
    let mut lines =
        text.lines().enumerate().map(|(at, line)| (at + 1, line.trim())).filter(|(_, line)| !line.is_empty());
    let Some((first_row, first)) = lines.next() else { return Err("there is no outcome".to_owned()) };
    let separator = [';', '\t', ','].into_iter().find(|mark| first.contains(*mark)).unwrap_or(',');
    let cells = |line: &str| cells(line, separator);
    let header = cells(first);
    let is_header = header.iter().all(|cell| cell.parse::<f64>().is_err());
    let column = match (is_header, header.len()) {
        (true, _) => {
            let named = |name: &&str| header.iter().position(|cell| cell.eq_ignore_ascii_case(name));
            let found = COLUMNS.iter().find_map(named);
            if let Some(twice) = found.filter(|at| header.iter().filter(|cell| **cell == header[*at]).count() > 1) {
                return Err(format!("row {first_row}: two columns are called {:?}", header[twice]));
            }
            // One column is the one, if what stands above it is a name and not an outcome gone wrong.
            found.or_else(|| (header.len() == 1 && is_name(&header[0])).then_some(0)).ok_or_else(|| {
                if header.len() == 1 {
                    return format!("row {first_row}: {:?} is not a number", header[0]);
                }
                format!("row {first_row}: no column is called {}: {}", COLUMNS.join(", "), header.join(", "))
            })?
        }
        (false, 1) => 0,
        (false, count) => return Err(format!("row {first_row}: {count} columns and no header: want a column `x`")),
    };
    let body = (!is_header).then_some((first_row, first)).into_iter().chain(lines);
    let number = |(row, line): (usize, &str)| {
        let cells = cells(line);
        // A comma for the decimal point would make two cells of a number.
        if cells.iter().skip(header.len()).any(|cell| !cell.is_empty()) {
            return Err(format!("row {row}: {} columns, and {} in row {first_row}", cells.len(), header.len()));
        }
        let cell = cells.get(column).map_or("", String::as_str);
        match cell.parse::<f64>() {
            Ok(x) => Ok((row, x)),
            Err(_) if cell.is_empty() => Err(format!("row {row}: there is no outcome")),
            Err(_) => Err(format!("row {row}: {cell:?} is not a number")),
        }
    };
    Ok((body.map(number).collect::<Result<_, _>>()?, Terms::default(), false))
}

/// The cells of a line. What stands in quotation marks is one cell, whatever is in it; two of them are one.
fn cells(line: &str, separator: char) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut is_quoted = false;
    let parts: Vec<&str> = line.split('"').collect();
    for (at, part) in parts.iter().enumerate() {
        let cell = cells.last_mut().expect("there is one from the beginning");
        if is_quoted {
            cell.push_str(part);
        } else if part.is_empty() && at > 0 && at + 1 < parts.len() {
            cell.push('"');
        } else {
            let mut parts = part.split(separator);
            cell.push_str(parts.next().unwrap_or_default());
            cells.extend(parts.map(str::to_owned));
        }
        is_quoted = !is_quoted;
    }
    cells.iter().map(|cell| cell.trim().to_owned()).collect()
}

/// Whether a text looks like the name of a column.
fn is_name(text: &str) -> bool {
    COLUMNS.iter().any(|name| text.eq_ignore_ascii_case(name))
}

/// Refuses what evidence cannot be made of.
fn check(rows: &[(usize, f64)], terms: &Terms) -> Result<(), String> {
    if rows.is_empty() {
        return Err("there is no outcome".to_owned());
    }
    for (row, x) in rows {
        if !x.is_finite() {
            return Err(format!("row {row}: {x} is not a finite number"));
        }
        if *x < -terms.floor_r {
            return Err(format!(
                "row {row}: {x} R is below the floor of -{} R: the floor is what the evidence rests on, so that the \
                 list proves nothing under it",
                terms.floor_r
            ));
        }
    }
    Ok(())
}

fn table(record: &Record, terms: &Terms) -> String {
    let mut columns = Columns::new(vec![("", Align::Left), ("value", Align::Right), ("", Align::Left)], 2);
    let mut row = |name: &str, value: Figure, decimals: usize, note: &str| {
        columns.row(vec![name.to_owned(), number(Some(value.0), decimals), note.to_owned()]);
    };
    let (evidence, bounds, watch, plain) = (&record.evidence, &record.bounds, &record.watch, &record.plain);
    row("log10 e", evidence.log10_e, 3, "evidence against no edge");
    row("log wealth", evidence.log_wealth, 3, &format!("of {:.3} that promote", evidence.threshold.0));
    row("lower bound, 95 %", bounds.lcb95.exact, 4, "R, at all times at once");
    row("lower bound, gate", bounds.lcb_family.exact, 4, &format!("R, for one of {} slots", terms.slots));
    row("upper bound, 95 %", bounds.ucb95.exact, 4, &format!("R, gains cut at {} R", terms.cap_r));
    row("decay detector", watch.decay, 2, &format!("alarm at {}", terms.detector_arl));
    row("drawdown", watch.drawdown_r, 2, "R now");
    row("deepest drawdown", watch.max_drawdown_r, 2, &format!("R; a champion's limit {:.1}", watch.dd_limit_r.0));
    row("mean", plain.mean_r, 4, "R");
    row("standard deviation", plain.sd_r, 4, "R");
    row("skew", plain.skew, 3, "");
    row("kurtosis", plain.kurtosis, 3, "normal 3");
    row("Sharpe", plain.sharpe, 4, "an outcome");
    row("Sharpe a year", plain.sharpe_annual, 3, &format!("{} outcomes a year", terms.per_year));
    row("by Lo's factor", plain.sharpe_annual_lo, 3, "where neighbours are correlated");
    row("PSR", plain.psr, 4, "one look");
    row("DSR", plain.dsr, 4, &format!("one look, {} tries", terms.trials));
    row("least track record", plain.min_track_record, 1, "outcomes, 95 %");
    row("Sortino a year", plain.sortino_annual, 3, "");
    row("growth a year", plain.cagr, 4, &format!("{} of the equity a R", terms.risk_fraction));
    row("deepest fall", plain.max_drawdown, 4, "of that equity");
    row("Calmar", plain.calmar, 3, "");
    let low_high = format!("{} to {}", number(Some(plain.win_rate_low.0), 3), number(Some(plain.win_rate_high.0), 3));
    row("win rate", plain.win_rate, 4, &format!("95 %: {low_high}, one look"));
    row("profit factor", plain.profit_factor, 3, "");
    row("payoff ratio", plain.payoff_ratio, 3, "");
    row("top share", plain.top_share, 4, "of the largest hundredth of wins");
    let mut text = format!("{} outcomes\n\n{}\n", record.n, columns.render());
    let verdict = match (evidence.passes, evidence.first_passed) {
        (true, Some(first)) => format!("passes the evidence gate, first with outcome {first}\n"),
        (false, Some(first)) => format!("passed the evidence gate with outcome {first} and does not now\n"),
        _ => "does not pass the evidence gate\n".to_owned(),
    };
    text.push_str(&verdict);
    if watch.is_useless {
        writeln!(text, "its mean is surely below {} R", terms.min_useful_edge_r).expect("strings take what is written");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Result<(Rows, Terms), String> {
        let (rows, terms) = outcomes(text, &EvidenceArgs::default())?;
        terms.check()?;
        check(&rows, &terms)?;
        Ok((rows, terms))
    }

    #[test]
    fn lists_are_read_from_csv_and_json() {
        for text in [
            "x\n0.5\n-1\n",
            "0.5\n-1",
            "\u{feff}closed,R,profit\n2024-01-01,0.5,3\n2024-01-02,-1,-6\n",
            "a;x\n1;0.5\n\n2;-1\n",
            "\"x\"\n\"0.5\"\n\"-1\"",
            "note,x,y\n\"a, \"\"b\"\", 7\",0.5,3\n,-1,\n",
            "x\n0.5,\n-1\n",
            "[0.5, -1]",
            "{\"x\": [0.5, -1]}",
        ] {
            let (rows, _) = told(text).unwrap_or_else(|why| panic!("{text:?}: {why}"));
            let xs: Vec<f64> = rows.into_iter().map(|(_, x)| x).collect();
            assert!((xs[0] - 0.5).abs() < 1e-15 && (xs[1] + 1.0).abs() < 1e-15 && xs.len() == 2, "{text:?}");
        }
        let (_, terms) = told("{\"x\": [1], \"floor_r\": 4, \"slots\": 7, \"alpha\": 0.1}").unwrap();
        assert_eq!((terms.slots, terms.trials), (7, 7), "tries follow the slots");
        let args = EvidenceArgs { floor: Some(5.0), trials: Some(3), ..EvidenceArgs::default() };
        let (_, terms) = outcomes("{\"x\": [1], \"floor_r\": 4}", &args).unwrap();
        assert!((terms.floor_r - 5.0).abs() < 1e-15 && terms.trials == 3, "the command line has the last word");
    }

    #[test]
    fn what_is_no_list_of_outcomes_is_refused_with_row_and_reason() {
        for (text, why) in [
            ("", "there is no outcome"),
            ("x\n", "there is no outcome"),
            ("[]", "there is no outcome"),
            ("x\n1\nabc\n", "row 3: \"abc\" is not a number"),
            ("abc\n1\n", "row 1: \"abc\" is not a number"),
            ("1\nNaN\n", "row 2: NaN is not a finite number"),
            ("1\ninf\n", "row 2: inf is not a finite number"),
            ("x\n1\n-3.5\n", "row 3: -3.5 R is below the floor of -3 R"),
            ("a,x\n1,2\n1\n", "row 3: there is no outcome"),
            ("a,b\n1,2\n", "row 1: no column is called x, r, outcome, outcome_r: a, b"),
            ("1,2\n3,4\n", "row 1: 2 columns and no header"),
            ("{\"x\": [1, \"NaN\"]}", "row 2: \"NaN\" is not a number"),
            ("{\"x\": [1, null]}", "row 2: null is not a number"),
            ("{\"x\": [1, NaN, \"a\"]}", "row 2: \"NaN\" is not a number"),
            ("[1, -Infinity]", "row 2: \"-Infinity\" is not a number"),
            ("x\n1,5\n", "row 2: 2 columns, and 1 in row 1"),
            ("x,x\n1,5\n", "row 1: two columns are called \"x\""),
            ("{\"x\": 3}", "\"x\" is no list"),
            ("{\"y\": [3]}", "has no \"x\""),
            ("{\"x\": [1], \"flor_r\": 3}", "unknown field `flor_r`"),
            ("{\"x\": [1], \"alpha\": 0}", "alpha is 0"),
            ("{\"x\": [1", "cannot be read"),
        ] {
            let found = told(text).expect_err(text);
            assert!(found.contains(why), "{text:?}: {found}");
        }
    }

    #[test]
    fn the_table_keeps_to_the_width() {
        let xs: Vec<f64> = (0..60).map(|k| if k % 3 == 0 { -1.0 } else { 0.75 }).collect();
        let text = table(&Record::of(&xs, &Terms::default()), &Terms::default());
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.contains("does not pass the evidence gate"), "{text}");
    }
}
