//! `arena fetch`: history into data sets below the data folder.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::client::data_folder;
use super::output::{Align, Columns, FAILED, Failure, REFUSED, USAGE, complain, print, print_json};
use super::resample::resample;
use super::{Shared, block_on, length};
use crate::broker::ig::connect::{Address, Credentials};
use crate::clock::{Clock, ManualClock, SystemClock};
use crate::config::IgEnvironment;
use crate::domain::{Decimal, Micros, PriceDelta, Resolution, UtcMicros};
use crate::feed::{Input, OnBad};
use crate::history::csv::{CsvError, Imported, Stamp, counted, read_bars};
use crate::history::ig::{self, IgHistoryError};
use crate::history::yahoo::{self, Client, Manners, Order, Report, Step, YahooError};
use crate::history::{
    Adjustment, Fetched, Folder, Format, Gaps, HistoryBar, HistoryError, MANIFEST_VERSION, Manifest, Rows, Sides,
};

/// `arena fetch`.
#[derive(Debug, Subcommand)]
pub enum FetchCommand {
    /// From Yahoo Finance: shares, futures, currencies; one price a bar, no bid and offer
    Yahoo(YahooArgs),
    /// From a CSV file (or .csv.gz) of bars or of quotes
    Csv(CsvArgs),
    /// From IG: bid and offer, within IG's weekly allowance
    Ig(IgArgs),
    /// Show the data sets that there are
    List(PlaceArgs),
}

/// Where data sets are.
#[derive(Args, Clone, Debug, Default)]
pub struct PlaceArgs {
    /// The data folder [default: that of the configuration, else data]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// What the spread of one-sided bars is.
#[derive(Args, Clone, Debug, Default)]
pub struct SpreadArgs {
    /// What the offer lies above the bid: in price units (0.03), or in points (3pt, with --point)
    #[arg(long, value_name = "SPREAD")]
    pub spread: Option<Spread>,
    /// What one point is in price units, for a spread in points [example: 0.01]
    #[arg(long, value_name = "PRICE", requires = "spread", value_parser = point)]
    pub point: Option<Decimal>,
}

/// `arena fetch yahoo`.
#[derive(Args, Clone, Debug)]
pub struct YahooArgs {
    /// The market as Yahoo writes it [example: CL=F, EURUSD=X, ^GSPC, AAPL]
    #[arg(long, value_name = "TICKER")]
    pub ticker: String,
    /// The length of the bars: 1m, 2m, 5m, 15m, 30m, 1h, 90m, 4h or 1d
    #[arg(long, value_name = "TIME", value_parser = interval)]
    pub interval: Resolution,
    /// The first day, or moment in UTC [example: 2026-11-01, 2026-11-01T06:00:00Z]
    #[arg(long, value_name = "DATE", value_parser = moment)]
    pub from: UtcMicros,
    /// The day or moment before which it ends [default: now]
    #[arg(long, value_name = "DATE", value_parser = moment)]
    pub to: Option<UtcMicros>,
    /// The spread to train with.
    #[command(flatten)]
    pub spread: SpreadArgs,
    /// Divide prices by later dividends too (bars of 1d alone)
    #[arg(long)]
    pub adjusted: bool,
    /// Forget what was fetched before, and fetch all of it anew
    #[arg(long)]
    pub again: bool,
    /// The form of the data file [default: as it is, else csv]
    #[arg(long, value_name = "FORM", value_enum)]
    pub format: Option<Format>,
    /// Where data sets are.
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Who is asked
    #[arg(long, value_name = "URL", default_value = yahoo::DEFAULT_BASE)]
    pub base_url: String,
    /// What this program calls itself [default: Mozilla/5.0 (compatible; arena/VERSION)]
    #[arg(long, value_name = "TEXT")]
    pub user_agent: Option<String>,
    /// The least time between two requests.
    #[arg(long, value_name = "TIME", hide = true, value_parser = length)]
    pub pace: Option<Micros>,
    /// The first wait after too many requests.
    #[arg(long, value_name = "TIME", hide = true, value_parser = length)]
    pub backoff: Option<Micros>,
    /// Another time of day than that of the machine.
    #[arg(long, value_name = "DATE", hide = true, value_parser = moment)]
    pub now: Option<UtcMicros>,
}

/// `arena fetch csv`.
#[derive(Args, Clone, Debug)]
#[command(group = clap::ArgGroup::new("file").required(true).args(["bars", "quotes"]))]
pub struct CsvArgs {
    /// A file of bars: time_utc (or start, date), then bid and ask, or open, high, low, close
    #[arg(long, value_name = "FILE")]
    pub bars: Option<PathBuf>,
    /// A file of quotes: time_utc, bid, ask
    #[arg(long, value_name = "FILE")]
    pub quotes: Option<PathBuf>,
    /// What to call the market
    #[arg(long, value_name = "NAME")]
    pub symbol: String,
    /// The length of the bars, such as 1m, 1h or 1d
    #[arg(long, value_name = "TIME", value_parser = interval)]
    pub interval: Resolution,
    /// Which end of a bar its time names
    #[arg(long, value_name = "END", value_enum, default_value_t, conflicts_with = "quotes")]
    pub stamp: Stamp,
    /// The spread to train with.
    #[command(flatten)]
    pub spread: SpreadArgs,
    /// What to do about rows that cannot be used
    #[arg(long, value_name = "HOW", value_enum, default_value_t)]
    pub on_bad: OnBad,
    /// The form of the data file
    #[arg(long, value_name = "FORM", value_enum, default_value_t)]
    pub format: Format,
    /// Where data sets are.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// `arena fetch ig`.
#[derive(Args, Clone, Debug)]
#[command(group = clap::ArgGroup::new("bars").required(true).args(["from", "last"]))]
pub struct IgArgs {
    /// The market as IG writes it [example: CC.D.CL.USS.IP]
    #[arg(long, value_name = "EPIC")]
    pub epic: String,
    /// The length of the bars: 1s, 1m, 2m, 3m, 5m, 10m, 15m, 30m, 1h, 2h, 3h, 4h or 1d
    #[arg(long, visible_alias = "resolution", value_name = "TIME", value_parser = interval)]
    pub interval: Resolution,
    /// The first day, or moment in UTC
    #[arg(long, value_name = "DATE", value_parser = moment)]
    pub from: Option<UtcMicros>,
    /// The day or moment before which it ends [default: now]
    #[arg(long, value_name = "DATE", value_parser = moment, conflicts_with = "last")]
    pub to: Option<UtcMicros>,
    /// The last so many bars that are finished, instead of --from
    #[arg(long, value_name = "N")]
    pub last: Option<u32>,
    /// Spend more than a tenth of the points that are left of the week
    #[arg(long)]
    pub yes: bool,
    /// Which of IG's services the key is for
    #[arg(long, value_name = "WHICH", value_enum, default_value_t)]
    pub environment: IgEnvironment,
    /// A simulator on this machine instead [example: http://127.0.0.1:9000/gateway/deal]
    #[arg(long, value_name = "URL")]
    pub rest_url: Option<String>,
    /// The form of the data file [default: as it is, else csv]
    #[arg(long, value_name = "FORM", value_enum)]
    pub format: Option<Format>,
    /// Where data sets are.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// A spread in price units or in points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spread {
    amount: Decimal,
    is_points: bool,
}

impl FromStr for Spread {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let points = ["points", "pt", "p"].iter().find_map(|unit| text.strip_suffix(unit));
        let amount: Decimal = points.unwrap_or(text).trim().parse().map_err(|e| format!("{e}: want 0.03 or 3pt"))?;
        if !(0..=MAX_SPREAD_MICROS).contains(&amount.0) {
            return Err("want 0 or more, and no more than a million".to_owned());
        }
        Ok(Self { amount, is_points: points.is_some() })
    }
}

/// A wait that is told where no progress bar shows it.
const LONG_WAIT: Duration = Duration::from_secs(5);
/// A million price units: beyond that it is a slip of the keyboard.
const MAX_SPREAD_MICROS: i64 = 1_000_000_000_000;

impl SpreadArgs {
    fn price(&self) -> Result<Option<PriceDelta>, Failure> {
        let usage = |sentence: &str| Failure::new(USAGE, sentence);
        let Some(spread) = self.spread else { return Ok(None) };
        match (spread.is_points, self.point) {
            (false, None) => Ok(Some(PriceDelta::from_micros(spread.amount.0))),
            (false, Some(_)) => Err(usage("--point is for a spread in points, such as --spread 3pt")),
            (true, None) => Err(usage("a spread in points needs --point, the size of one point in price units")),
            (true, Some(point)) => {
                let micros = i128::from(spread.amount.0) * i128::from(point.0) / 1_000_000;
                let micros = i64::try_from(micros).ok().filter(|micros| *micros <= MAX_SPREAD_MICROS);
                micros.map(|micros| Some(PriceDelta::from_micros(micros))).ok_or_else(|| usage("--spread is too wide"))
            }
        }
    }
}

fn point(text: &str) -> Result<Decimal, String> {
    let point: Decimal = text.parse().map_err(|e: crate::domain::DecimalError| e.to_string())?;
    if point.0 > 0 { Ok(point) } else { Err("want more than 0".to_owned()) }
}

fn interval(text: &str) -> Result<Resolution, String> {
    let wrong = "want whole seconds that divide a day evenly and at most a day, such as 1m, 15m, 1h or 1d";
    text.parse().map_err(|_| wrong.to_owned())
}

/// A day as its midnight UTC, or a moment.
fn moment(text: &str) -> Result<UtcMicros, String> {
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    whole.parse().map_err(|_| "want a day or a moment in UTC, such as 2026-11-01 or 2026-11-01T06:00:00Z".to_owned())
}

impl From<HistoryError> for Failure {
    fn from(error: HistoryError) -> Self {
        Self::new(if error.is_usage() { USAGE } else { FAILED }, error.to_string())
    }
}

impl From<YahooError> for Failure {
    fn from(error: YahooError) -> Self {
        Self::new(if error.is_usage() { USAGE } else { FAILED }, error.to_string())
    }
}

impl From<IgHistoryError> for Failure {
    fn from(error: IgHistoryError) -> Self {
        let code = match &error {
            error if error.is_usage() => USAGE,
            error if error.is_refusal() => REFUSED,
            _ => FAILED,
        };
        Self::new(code, error.to_string())
    }
}

impl From<CsvError> for Failure {
    fn from(error: CsvError) -> Self {
        Self::new(if error.is_usage() { USAGE } else { FAILED }, error.to_string())
    }
}

/// Runs the command.
///
/// # Errors
/// [`USAGE`] for what was named wrongly, [`REFUSED`] for what is too dear, else [`FAILED`]; what was stored before stays.
pub(super) fn fetch(shared: &Shared, command: &FetchCommand) -> Result<(), Failure> {
    match command {
        FetchCommand::Yahoo(args) => from_yahoo(shared, args),
        FetchCommand::Csv(args) => from_csv(shared, args),
        FetchCommand::Ig(args) => from_ig(shared, args),
        FetchCommand::List(place) => list(shared, place),
    }
}

fn data_of(shared: &Shared, place: &PlaceArgs) -> Result<PathBuf, Failure> {
    place.data.clone().map_or_else(|| data_folder(shared), Ok)
}

fn from_yahoo(shared: &Shared, args: &YahooArgs) -> Result<(), Failure> {
    let data = data_of(shared, &args.place)?;
    let order = Order {
        ticker: args.ticker.clone(),
        interval: args.interval,
        from: args.from,
        to: args.to,
        spread: args.spread.price()?,
        is_adjusted: args.adjusted,
        is_again: args.again,
        format: args.format,
    };
    let mut manners = Manners { base: args.base_url.clone(), ..Manners::default() };
    if let Some(user_agent) = &args.user_agent {
        manners.user_agent.clone_from(user_agent);
    }
    let wait = |micros: Micros| Duration::from_micros(micros.0.unsigned_abs());
    manners.pace = args.pace.map_or(manners.pace, wait);
    manners.backoff = args.backoff.map_or(manners.backoff, wait);
    let manual = ManualClock::default();
    let clock: &dyn Clock = match args.now {
        Some(now) => {
            manual.set(now);
            &manual
        }
        None => &SystemClock,
    };
    let progress = bar(shared.quiet, "{bar:40} {pos}/{len} requests  {elapsed}  {msg}");
    let watch = |step: Step| match step {
        Step::Windows { done, total } => {
            progress.set_length(total);
            progress.set_position(done);
            progress.set_message("");
        }
        Step::Waiting { why, wait } => {
            let sentence = format!("{why}: waiting {:.0} s", wait.as_secs_f64());
            if progress.is_hidden() && !shared.quiet && wait >= LONG_WAIT {
                complain(&sentence);
            }
            progress.set_message(sentence);
        }
    };
    let mut client = Client::new(manners)?;
    let report = block_on(async { Ok(yahoo::fetch(&data, &order, &mut client, clock, &watch).await?) })?;
    progress.finish_and_clear();
    let name = format!("yahoo/{}/{}", args.ticker, args.interval);
    answer(shared, &data, &name, &report)
}

fn from_csv(shared: &Shared, args: &CsvArgs) -> Result<(), Failure> {
    args.format.check()?;
    let data = data_of(shared, &args.place)?;
    let spread = args.spread.price()?;
    let path = args.bars.as_ref().or(args.quotes.as_ref()).expect("clap asks for one of them");
    let input = Input::from(path.as_path());
    let progress = bar(shared.quiet, "{bar:40} {percent:>3} %  {elapsed}");
    progress.set_length(1_000);
    let show = |done: f64| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 1,000")]
        progress.set_position((done.clamp(0.0, 1.0) * 1_000.0) as u64);
    };
    let imported = match &args.quotes {
        Some(_) => from_quotes(&input, args, &show)?,
        None => read_bars(&input, args.interval, args.stamp, args.on_bad, &show)?,
    };
    progress.finish_and_clear();
    let mut notices = Vec::new();
    let spread = match (imported.rows.sides(), spread) {
        (Sides::Two, Some(_)) => {
            let sentence = "the file has bid and offer, so that --spread has no place";
            return Err(Failure::new(USAGE, sentence));
        }
        (Sides::One, None) => {
            notices.push(
                "the file has no bid and offer, and no --spread was given: a model trained on this pays no spread"
                    .to_owned(),
            );
            PriceDelta::ZERO
        }
        (_, spread) => spread.unwrap_or_default(),
    };
    let folder = Folder::open(&data, "csv", &args.symbol, args.interval)?;
    let stored = store(&folder, args, path, &imported, spread);
    folder.leave();
    let report = Report {
        new_rows: imported.rows.len() as u64,
        manifest: Some(stored?),
        requests: 0,
        dropped: imported.dropped,
        notices,
    };
    answer(shared, &data, &format!("csv/{}/{}", args.symbol, args.interval), &report)
}

/// Quotes folded by the rule by which the arena folds live ones.
fn from_quotes(input: &Input, args: &CsvArgs, show: &dyn Fn(f64)) -> Result<Imported, Failure> {
    let mut bars = Vec::new();
    let each = &mut |bar: &crate::bars::FoldedBar| {
        bars.push(HistoryBar { start: bar.start, bid: bar.bid, offer: bar.offer, quotes: bar.ticks });
        Ok(())
    };
    let summary = resample(input, args.interval, args.on_bad, each, show)
        .map_err(|error| Failure::new(error.exit_code(), error.to_string()))?;
    let dropped = summary.bad.iter().filter(|(_, n)| *n > 0).map(|(kind, n)| (kind.word().to_owned(), n)).collect();
    Ok(Imported { rows: Rows::Two(bars), dropped })
}

fn store(
    folder: &Folder,
    args: &CsvArgs,
    path: &Path,
    imported: &Imported,
    spread: PriceDelta,
) -> Result<Manifest, Failure> {
    let now = SystemClock.now();
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let kind = if args.quotes.is_some() { "quotes" } else { "bars" };
    let stamp = if args.stamp == Stamp::End { "end" } else { "start" };
    let request = [(kind, file.as_str()), ("stamp", stamp)];
    let mut manifest = Manifest {
        version: MANIFEST_VERSION,
        source: "csv".to_owned(),
        symbol: args.symbol.clone(),
        interval: args.interval,
        file: String::new(),
        sha256: String::new(),
        sides: imported.rows.sides(),
        spread,
        price_decimals: 0,
        adjustment: Adjustment::None,
        zone: None,
        currency: None,
        rows: 0,
        from: UtcMicros(0),
        to: UtcMicros(0),
        dropped: imported.dropped.clone(),
        request: request.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        gaps: Gaps::default(),
        covered: Vec::new(),
        fetched: Fetched { first_at: now, at: now, requests: 0 },
    };
    // A pipe has been read to its end; only a file can be read again.
    if path.is_file() {
        manifest.request.insert("file_sha256".to_owned(), crate::history::hash_of_file(path)?);
    }
    folder.store(&mut manifest, &imported.rows, args.format)?;
    Ok(manifest)
}

fn from_ig(shared: &Shared, args: &IgArgs) -> Result<(), Failure> {
    let data = data_of(shared, &args.place)?;
    let wanted = match (args.from, args.last) {
        (Some(from), _) => ig::Wanted::Between(from, args.to),
        (None, Some(last)) => ig::Wanted::Last(last),
        (None, None) => unreachable!("clap asks for one of them"),
    };
    let order = ig::Order { epic: args.epic.clone(), interval: args.interval, wanted, format: args.format };
    let rest_url = args.rest_url.as_deref().unwrap_or(args.environment.rest_url());
    if args.rest_url.is_some() && !is_loopback(rest_url) {
        let sentence = format!("--rest-url {rest_url} is not on this machine: the keys go to IG alone");
        return Err(Failure::new(USAGE, sentence));
    }
    let (rest_url, credentials) = (rest_url.to_owned(), Credentials::from_environment()?);
    let rest = Address { rest_url, account: String::new(), credentials }.client()?;
    let agree = |cost: &ig::Cost| {
        let is_asked = cost.is_dear() && !args.yes;
        if !shared.quiet && !is_asked {
            complain(&format!("this costs {cost}"));
        }
        !is_asked || (!shared.json && !shared.quiet && is_agreed(cost))
    };
    let progress = bar(shared.quiet, "{bar:40} {pos}/{len} bars  {elapsed}");
    let watch = |step: ig::Progress| {
        progress.set_length(step.total);
        progress.set_position(step.done);
    };
    let fetched = block_on(async {
        let fetched = ig::fetch(&data, &order, &rest, &SystemClock, &agree, &watch).await;
        // The login would live for hours: whoever knows its tokens could deal by them.
        if let Err(error) = rest.log_out().await {
            tracing::debug!(%error, "not logged out of IG");
        }
        Ok(fetched?)
    });
    progress.finish_and_clear();
    let (report, cost) = fetched?;
    let points = cost.map(|cost| json!({ "at_most": cost.points, "left_before": cost.left, "a_week": cost.total }));
    answer_with(shared, &data, &format!("ig/{}/{}", args.epic, args.interval), &report, Some(("points", json!(points))))
}

fn is_loopback(url: &str) -> bool {
    let host = url.strip_prefix("http://").map(|rest| rest.split(['/', ':']).next().unwrap_or_default());
    matches!(host, Some("127.0.0.1" | "localhost")) || url.starts_with("http://[::1]")
}

/// Asks the person at the terminal, if there is one.
fn is_agreed(cost: &ig::Cost) -> bool {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return false;
    }
    complain(&format!("this costs {cost}. Go on? [y/N]"));
    let mut line = String::new();
    io::stdin().read_line(&mut line).is_ok() && matches!(line.trim(), "y" | "Y" | "yes")
}

/// Tells what was done.
fn answer(shared: &Shared, data: &Path, name: &str, report: &Report) -> Result<(), Failure> {
    answer_with(shared, data, name, report, None)
}

/// The same, with one more field in the document.
fn answer_with(
    shared: &Shared,
    data: &Path,
    name: &str,
    report: &Report,
    more: Option<(&str, Value)>,
) -> Result<(), Failure> {
    if !shared.quiet {
        report.notices.iter().for_each(|notice| complain(notice));
    }
    if shared.json {
        let mut document = match &report.manifest {
            Some(manifest) => row_json(manifest),
            None => json!({ "dataset": name, "rows": 0, "from": null, "to": null, "gaps": Gaps::default() }),
        };
        document["folder"] = crate::history::root(data).join(name).display().to_string().into();
        document["new_rows"] = report.new_rows.into();
        document["requests"] = report.requests.into();
        document["dropped"] = json!(report.dropped);
        document["notices"] = json!(report.notices);
        if let Some((key, value)) = more {
            document[key] = value;
        }
        return print_json(&document);
    }
    let Some(manifest) = &report.manifest else { return print(&format!("{name}: no bars\n")) };
    let mut text = format!(
        "{name}: {} bars from {} to {}, {} gaps; {} new, {} requests\n",
        manifest.rows, manifest.from, manifest.to, manifest.gaps.count, report.new_rows, report.requests
    );
    if !report.dropped.is_empty() {
        text.push_str(&format!("left out: {}\n", counted(&report.dropped)));
    }
    print(&text)
}

fn row_json(manifest: &Manifest) -> Value {
    json!({
        "dataset": manifest.name(), "source": manifest.source, "symbol": manifest.symbol,
        "interval": manifest.interval.to_string(), "rows": manifest.rows, "from": manifest.from, "to": manifest.to,
        "gaps": manifest.gaps, "dropped": manifest.dropped, "sides": manifest.sides, "spread": manifest.spread,
        "adjustment": manifest.adjustment, "file": manifest.file, "sha256": manifest.sha256,
        "content_hash": manifest.content_hash().hex(), "fetched": manifest.fetched.at,
    })
}

fn list(shared: &Shared, place: &PlaceArgs) -> Result<(), Failure> {
    let manifests = crate::history::list(&data_of(shared, place)?)?;
    if shared.json {
        let rows: Vec<Value> = manifests.iter().map(row_json).collect();
        return print_json(&json!({ "datasets": rows }));
    }
    if manifests.is_empty() {
        return print("no data sets yet; make one with `arena fetch yahoo`, `arena fetch ig` or `arena fetch csv`\n");
    }
    let header = vec![
        ("data set", Align::Left),
        ("bars", Align::Right),
        ("from", Align::Left),
        ("to", Align::Left),
        ("gaps", Align::Right),
        ("spread", Align::Right),
    ];
    let mut columns = Columns::new(header, 0);
    for manifest in &manifests {
        let day = |time: UtcMicros| time.to_string().chars().take(16).collect::<String>().replace('T', " ");
        let spread = match manifest.sides {
            Sides::Two => "own".to_owned(),
            Sides::One => manifest.spread.to_string(),
        };
        let cells = [
            manifest.name(),
            manifest.rows.to_string(),
            day(manifest.from),
            day(manifest.to),
            manifest.gaps.count.to_string(),
            spread,
        ];
        columns.row(cells.to_vec());
    }
    print(&columns.render())
}

fn bar(is_quiet: bool, template: &str) -> ProgressBar {
    if is_quiet || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    ProgressBar::new(0).with_style(ProgressStyle::with_template(template).expect("the template is sound"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(spread: &str, point: Option<&str>) -> Result<Option<PriceDelta>, Failure> {
        let point = point.map(|text| super::point(text).unwrap());
        SpreadArgs { spread: Some(spread.parse().unwrap()), point }.price()
    }

    #[test]
    fn a_spread_is_of_price_units_or_of_points() {
        assert_eq!(spread("0.03", None).unwrap(), Some(PriceDelta::from_micros(30_000)));
        for text in ["3pt", "3points", "3 p"] {
            assert_eq!(spread(text, Some("0.01")).unwrap(), Some(PriceDelta::from_micros(30_000)), "{text}");
        }
        assert_eq!(spread("3pt", None).unwrap_err().code, USAGE);
        assert_eq!(spread("3", Some("0.01")).unwrap_err().code, USAGE);
        assert_eq!(spread("1000000pt", Some("1000000")).unwrap_err().code, USAGE);
        assert_eq!(SpreadArgs::default().price().unwrap(), None);
        for text in ["", "pt", "-1", "x", "nan", "1e9", "0.0000001"] {
            assert!(text.parse::<Spread>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_day_is_its_midnight() {
        assert_eq!(moment("2026-11-01"), moment("2026-11-01T00:00:00Z"));
        for text in ["", "2026-13-01", "yesterday", "2026-11-01T00:00", "1.11.2026"] {
            assert!(moment(text).is_err(), "{text}");
        }
        for text in ["1wk", "1mo", "7m", "0m", "2d", ""] {
            assert!(interval(text).is_err(), "{text}");
        }
    }
}
