//! The commands and their help. Each family has its file; this one holds what they share: the tree that clap reads,
//! and the way from arguments to an exit code.

mod audit;
mod backup;
mod calibrate;
pub mod check;
mod client;
mod demo;
mod demo_models;
mod doctor;
mod evidence;
mod export;
pub mod fetch;
mod graph;
mod ig;
mod init;
mod inspect;
mod lockstep;
mod man;
mod mirror;
mod mlflow;
mod models;
mod narrate;
mod notify;
mod operate;
pub mod output;
mod ready;
pub mod reference;
mod report;
pub mod resample;
mod run;
pub mod sim;
mod tail;
mod train;
mod train_file;
mod tree;
mod watch;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{ArgAction, Args, FromArgMatches, Parser, Subcommand, ValueEnum};
use serde_json::json;

pub use self::audit::{AuditCommand, AuditExportArgs, VerifyArgs};
pub use self::backup::{BackupArgs, RestoreArgs};
pub use self::calibrate::CalibrateArgs;
pub use self::client::Client;
pub use self::evidence::EvidenceArgs;
pub use self::export::{ExportArgs, ExportFormat};
pub use self::fetch::FetchCommand;
pub use self::graph::mermaid;
pub use self::inspect::{Leaderboard, leaderboard_text};
pub use self::man::ManArgs;
pub use self::mirror::MirrorArgs;
pub use self::models::ModelsCommand;
use self::output::Failure;
pub use self::report::ReportArgs;
pub use self::resample::ResampleArgs;
pub use self::tail::TailArgs;
pub use self::train::TrainArgs;
pub use self::tree::{sim_tree, tree};
use crate::domain::Micros;
use crate::feed::OnBad;
use crate::telemetry::log;

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 refused by a rule, 4 the arena \
                          cannot be reached, 5 no such model";
const SHARED: &str = "Options of every command";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "arena",
    version,
    about = "Tries many strategies at once on paper and lets only a proven one trade for real",
    after_help = EXIT_CODES
)]
pub struct Cli {
    /// What every command shares.
    #[command(flatten)]
    pub shared: Shared,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options that every command shares.
#[derive(Args, Clone, Debug, Default)]
pub struct Shared {
    /// The configuration [default: arena.toml]
    #[arg(short = 'c', long = "config", value_name = "FILE", global = true, help_heading = SHARED)]
    pub config: Option<PathBuf>,
    /// Print one JSON document and nothing else
    #[arg(long, global = true, help_heading = SHARED)]
    pub json: bool,
    /// No progress, no logs but errors
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = SHARED)]
    pub quiet: bool,
    /// More logs; twice for all
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = SHARED)]
    pub verbose: u8,
    /// How log lines on standard error look
    #[arg(long, global = true, value_name = "FORMAT", value_enum, default_value_t, help_heading = SHARED)]
    pub log: log::Format,
}

impl Shared {
    /// The configuration's path.
    #[must_use]
    pub fn config(&self) -> &Path {
        self.config.as_deref().unwrap_or(Path::new("arena.toml"))
    }
}

/// The commands, ordered by use.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the whole job on a made-up market: no account, no file needed
    Demo(DemoArgs),
    /// Write a first configuration, every key explained
    Init,
    /// Tell every fault of the configuration and what would be right
    Check,
    /// Tell what is wrong with this installation and how to mend it
    Doctor,
    /// Run the arena that the configuration declares
    Run(RunArgs),
    /// Run it over recorded prices, as fast as it can
    Replay(ReplayArgs),
    /// Turn recorded quotes into bars
    Resample(ResampleArgs),
    /// Fetch past prices to train on
    #[command(subcommand)]
    Fetch(FetchCommand),
    /// Fit models to the past and register the best
    Train(Box<TrainArgs>),
    /// Look after trained models: list, show, verify, send to and take from MLflow
    #[command(subcommand)]
    Models(ModelsCommand),
    /// Rank the models
    Leaderboard(LeaderboardArgs),
    /// Show all about one model
    Show(ModelArgs),
    /// List the closed trades of one model, or its live deals beside their paper twins
    Trades(TradesArgs),
    /// Show what a model still lacks to trade for real, and how long that may take
    Explain(ModelArgs),
    /// Let a model that has passed trade for real
    Promote(PromoteArgs),
    /// Take a live model back to paper
    Demote(LifecycleArgs),
    /// End a model for good; its record stays
    Retire(LifecycleArgs),
    /// Close all live positions and stop live dealing
    Halt(DealingArgs),
    /// Let live dealing go on; refused while a deal is in doubt or the books differ
    Resume(DealingArgs),
    /// Spend more alpha: audited, for an arena whose slots are used up
    #[command(subcommand)]
    Budget(BudgetCommand),
    /// Make a running arena read its configuration again
    Reload(ReachArgs),
    /// Try the channels that tell what happens: webhook, mail, Telegram
    #[command(subcommand)]
    Notify(NotifyCommand),
    /// Write a table of the journal as CSV or Parquet
    Export(ExportArgs),
    /// Copy the journal of an arena at rest to a database; a running one does so by itself
    Mirror(MirrorArgs),
    /// Show quotes, bars, predictions and trades as they come
    Tail(TailArgs),
    /// Copy the store of an arena, running or at rest
    Backup(BackupArgs),
    /// Bring a backup back
    Restore(RestoreArgs),
    /// Measure what the configured promotion promises, on simulated tournaments
    Calibrate(CalibrateArgs),
    /// Tell every statistic of a list of outcomes in R, wherever it comes from
    Evidence(EvidenceArgs),
    /// Make one HTML file of all there is to know of an arena
    Report(ReportArgs),
    /// Draw what the configuration declares, as Mermaid
    Graph,
    /// Examine the record of every decision
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Print the completions of a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Print a man page, or write all of them
    Man(ManArgs),
}

/// `arena demo`.
#[derive(Args, Clone, Debug)]
pub struct DemoArgs {
    /// End by itself after this time, counted from the start [example: 2m]
    #[arg(long = "for", value_name = "TIME", value_parser = length)]
    pub length: Option<Micros>,
    /// Draw another market
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Event seconds in one second once a model is live, up to 60
    #[arg(long, value_name = "X", value_parser = speed)]
    pub speed: Option<f64>,
    /// What the planted rule earns on average, in R a trade after costs; 0 plants none
    #[arg(long, value_name = "R", default_value_t = 0.3, value_parser = not_negative)]
    pub edge: f64,
    /// Serve the page here [default: 8787, or a free one where that is taken]
    #[arg(long, value_name = "PORT")]
    pub port: Option<u16>,
}

/// `arena run`.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// Deal with real money at IG, where the configuration says environment = "live" too
    #[arg(long)]
    pub live: bool,
}

/// A file of quotes or bars and the market it is of, as `EPIC=FILE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpicFile {
    /// The market.
    pub epic: String,
    /// The file.
    pub file: PathBuf,
}

impl FromStr for EpicFile {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((epic, file)) if !epic.is_empty() && !file.is_empty() => {
                Ok(Self { epic: epic.to_owned(), file: PathBuf::from(file) })
            }
            _ => Err("want EPIC=FILE, such as CS.D.EURUSD.TODAY.IP=quotes.csv.gz".to_owned()),
        }
    }
}

/// `arena replay`.
#[derive(Args, Clone, Debug)]
#[command(group = clap::ArgGroup::new("source").required(true).args(["quotes", "bars", "session"]))]
pub struct ReplayArgs {
    /// Recorded quotes of one market (CSV, CSV.gz); repeat for more markets
    #[arg(long, value_name = "EPIC=FILE")]
    pub quotes: Vec<EpicFile>,
    /// Recorded bars of one market, where its quotes are not known; repeat for more
    #[arg(long, value_name = "EPIC=FILE")]
    pub bars: Vec<EpicFile>,
    /// A session that `arena run` recorded
    #[arg(long, value_name = "NAME")]
    pub session: Option<String>,
    /// Keep the store here, for --store of the reading commands
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// What to do about rows that cannot be used
    #[arg(long, value_name = "HOW", value_enum, default_value_t)]
    pub on_bad: OnBad,
}

/// Which arena a reading command asks.
#[derive(Args, Clone, Debug, Default)]
pub struct ReadingArgs {
    /// The running arena [default: ARENA_URL, else the configuration's, else http://127.0.0.1:8787]
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Read the store of an arena at rest instead
    #[arg(long, value_name = "DIR", conflicts_with = "url")]
    pub store: Option<PathBuf>,
}

/// Which arena an operating command tells, and by what right.
#[derive(Args, Clone, Debug, Default)]
pub struct ReachArgs {
    /// The running arena [default: ARENA_URL, else the configuration's, else http://127.0.0.1:8787]
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// The arena's token [default: data/arena.token beside the configuration]
    #[arg(long, value_name = "TOKEN", env = "ARENA_TOKEN", hide_env_values = true)]
    pub token: Option<String>,
}

/// `arena leaderboard`.
#[derive(Args, Clone, Debug)]
pub struct LeaderboardArgs {
    /// Fill the terminal with it and keep it up to date: sort, filter, look closer, operate
    #[arg(long, conflicts_with = "store")]
    pub watch: bool,
    /// The arena's token, to operate it from --watch [default: data/arena.token beside the configuration]
    #[arg(long, value_name = "TOKEN", env = "ARENA_TOKEN", hide_env_values = true, requires = "watch")]
    pub token: Option<String>,
    /// Which arena.
    #[command(flatten)]
    pub reading: ReadingArgs,
}

/// A reading command about one model.
#[derive(Args, Clone, Debug)]
pub struct ModelArgs {
    /// Its name, or its ticket name@version#hash8
    pub model: String,
    /// Which arena.
    #[command(flatten)]
    pub reading: ReadingArgs,
}

/// `arena trades`.
#[derive(Args, Clone, Debug)]
pub struct TradesArgs {
    /// Its name, or its ticket name@version#hash8
    pub model: String,
    /// The live deals, each beside its paper twin: the last 200 of the arena
    #[arg(long)]
    pub live: bool,
    /// Which arena.
    #[command(flatten)]
    pub reading: ReadingArgs,
}

/// `arena promote`.
#[derive(Args, Clone, Debug)]
pub struct PromoteArgs {
    /// Its name, or its ticket name@version#hash8
    pub model: String,
    /// Why; kept in the audit record
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Obey although gates are missed; needs a reason, and is marked for ever
    #[arg(long = "override", requires = "reason")]
    pub is_override: bool,
    /// Which arena.
    #[command(flatten)]
    pub reach: ReachArgs,
}

/// `arena demote`, `arena retire`.
#[derive(Args, Clone, Debug)]
pub struct LifecycleArgs {
    /// Its name, or its ticket name@version#hash8
    pub model: String,
    /// Why; kept in the audit record
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Which arena.
    #[command(flatten)]
    pub reach: ReachArgs,
}

/// `arena halt`, `arena resume`.
#[derive(Args, Clone, Debug)]
pub struct DealingArgs {
    /// Why; kept in the journal
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Which arena.
    #[command(flatten)]
    pub reach: ReachArgs,
}

/// `arena budget`.
#[derive(Debug, Subcommand)]
pub enum BudgetCommand {
    /// Open a further budget of alpha, as many slots again; needs a reason, and adds to the chance of a false promotion
    Open(DealingArgs),
}

/// `arena notify`.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum NotifyCommand {
    /// Send one test message to each channel that the configuration names
    Test,
}

/// The shells that completions exist for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// GNU bash.
    Bash,
    /// zsh.
    Zsh,
    /// fish.
    Fish,
}

/// Parses, dispatches, tells what went wrong. Returns the exit code.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let parsed = tree().try_get_matches_from(&arguments).and_then(|found| Cli::from_arg_matches(&found));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(e) => {
            // Help and version go to standard output and are no error; a closed pipe is nobody's fault.
            drop(e.print());
            if !e.use_stderr() {
                return output::DONE;
            }
            if arguments.iter().take_while(|argument| *argument != "--").any(|argument| argument == "--json") {
                let document = json!({ "error": usage_sentence(&e), "candidates": [] });
                drop(output::print_json(&document));
            }
            return output::USAGE;
        }
    };
    let is_json = cli.shared.json;
    if let Err(error) = block_on(async { Ok(outlive_file_limit()?) }) {
        return error.report(is_json);
    }
    match dispatch(cli) {
        Ok(code) => code,
        Err(failure) => failure.report(is_json),
    }
}

/// "File size limit exceeded", on Linux and the BSDs.
const SIGXFSZ: i32 = 25;

/// Once heard, a file that may grow no further (`ulimit -f`) is an error of its write instead of a sudden death.
fn outlive_file_limit() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    // The handler stays when the listener goes.
    signal(SignalKind::from_raw(SIGXFSZ)).map(drop)
}

/// What clap says in a paragraph, a list and a hint, as one sentence.
fn usage_sentence(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = first.split_whitespace().collect();
    words.join(" ").trim_start_matches("error: ").to_owned()
}

fn dispatch(cli: Cli) -> Result<u8, Failure> {
    let shared = &cli.shared;
    match cli.command {
        // These seven tell their own exit code: a faulty file, a cut feed and a stopped run differ.
        Command::Demo(args) => return demo::demo(shared, &args),
        Command::Check => return run::check(shared),
        Command::Doctor => return doctor::doctor(shared),
        Command::Run(args) => return run::run(shared, &args),
        Command::Replay(args) => return run::replay(shared, &args),
        Command::Resample(args) => return run::resample(shared, &args),
        Command::Notify(NotifyCommand::Test) => return notify::test(shared),

        Command::Init => init::init(shared),
        Command::Fetch(command) => fetch::fetch(shared, &command),
        Command::Train(args) => train::train(shared, &args),
        Command::Models(command) => models::models(shared, &command),
        Command::Leaderboard(args) => inspect::leaderboard(shared, &args),
        Command::Show(args) => inspect::show(shared, &args),
        Command::Trades(args) => inspect::trades(shared, &args),
        Command::Explain(args) => inspect::explain(shared, &args),
        Command::Promote(args) => operate::promote(shared, args),
        Command::Demote(args) => operate::demote(shared, args),
        Command::Retire(args) => operate::retire(shared, args),
        Command::Halt(args) => operate::halt(shared, args),
        Command::Resume(args) => operate::resume(shared, args),
        Command::Budget(BudgetCommand::Open(args)) => operate::open_budget(shared, args),
        Command::Reload(reach) => operate::reload(shared, &reach),
        Command::Export(args) => export::export(shared, &args),
        Command::Mirror(args) => mirror::mirror(shared, &args),
        Command::Tail(args) => tail::tail(shared, &args),
        Command::Backup(args) => backup::backup(shared, &args),
        Command::Restore(args) => backup::restore(shared, &args),
        Command::Calibrate(args) => calibrate::calibrate(shared, &args),
        Command::Evidence(args) => evidence::evidence(shared, &args),
        Command::Report(args) => report::report(shared, &args),
        Command::Graph => graph::graph(shared),
        Command::Audit(AuditCommand::Verify(args)) => audit::verify(shared, &args),
        Command::Audit(AuditCommand::Export(args)) => audit::export(shared, &args),
        Command::Completions { shell } => completions(shared, shell),
        Command::Man(args) => man::man(shared, &args),
    }
    .map(|()| output::DONE)
}

fn completions(shared: &Shared, shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    let mut tree = tree();
    let generator = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    clap_complete::generate(generator, &mut tree, "arena", &mut script);
    let script = String::from_utf8_lossy(&script);
    if shared.json { output::print_json(&json!({ "script": script })) } else { output::print(&script) }
}

/// Runs `future` to its end on this thread.
fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(future)
}

fn length(text: &str) -> Result<Micros, String> {
    match text.parse::<Micros>() {
        Ok(length) if length > Micros(0) => Ok(length),
        Ok(_) => Err("want a length above zero".to_owned()),
        Err(e) => Err(e.to_string()),
    }
}

fn not_negative(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => Err("want a number, 0 or above".to_owned()),
    }
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value <= 60.0 => Ok(value),
        _ => Err("want a number above 0, at most 60".to_owned()),
    }
}
