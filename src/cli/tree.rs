//! The tree of commands as people see it: what the definitions of clap say, with examples. `--help`, the man pages, the
//! completions and `docs/CLI.md` are all made from it.

use clap::{Arg, Command, CommandFactory};

use super::Cli;
use super::sim::SimArgs;

/// Commands with lines that can be typed as they stand. `docs/CLI.md` shows them in the order of the commands, and
/// `tests/docs_commands` types them there, one after the other in one folder.
const EXAMPLES: &[(&str, &[&str])] = &[
    ("demo", &["arena demo", "arena demo --for 2m --seed 11", "arena demo --for 1m --edge 0 --json"]),
    ("init", &["arena init", "arena init -c second.toml"]),
    ("check", &["arena check", "arena check --json"]),
    ("doctor", &["arena doctor"]),
    ("run", &["arena run --log json 2>>arena.log", "arena run"]),
    (
        "replay",
        &[
            "arena replay --quotes CS.D.EURUSD.TODAY.IP=quotes.csv.gz --out data/may",
            "arena replay --bars CS.D.EURUSD.TODAY.IP=bars.csv --json",
        ],
    ),
    ("resample", &["arena resample --quotes quotes.csv.gz --every 1m -o bars.csv"]),
    ("fetch yahoo", &["arena fetch yahoo --ticker CL=F --interval 1m --from 2026-11-01 --spread 0.03"]),
    (
        "fetch csv",
        &[
            "arena fetch csv --quotes quotes.csv.gz --symbol EURUSD --interval 1m",
            "arena fetch csv --bars gold.csv.gz --symbol GOLD --interval 1m --on-bad stop",
        ],
    ),
    ("fetch ig", &["arena fetch ig --epic CS.D.EURUSD.TODAY.IP --interval 1h --last 500"]),
    ("fetch list", &["arena fetch list"]),
    (
        "train",
        &[
            "arena train --kind ridge --data yahoo/CL=F/1m --name ridge-crude --horizon 5",
            "arena train --kind knn --data yahoo/CL=F/1m --name knn --sweep k=5,15 --top 2",
        ],
    ),
    ("models list", &["arena models list"]),
    ("models show", &["arena models show ridge-crude@1", "arena models show ridge-crude --json"]),
    ("models verify", &["arena models verify", "arena models verify ridge-crude@1"]),
    (
        "models alias",
        &["arena models alias ridge-crude@1 champion", "arena models alias ridge-crude champion --remove"],
    ),
    ("models push", &["arena models push ridge-crude@1 --mlflow http://127.0.0.1:5000"]),
    ("models pull", &["arena models pull mlflow:ridge-crude/1 --mlflow http://127.0.0.1:5000"]),
    ("models import", &["arena models import crude.onnx --name crude"]),
    ("leaderboard", &["arena leaderboard", "arena leaderboard --watch", "arena leaderboard --store data/may --json"]),
    ("show", &["arena show momentum:lookback=3,threshold=0.00002"]),
    (
        "trades",
        &[
            "arena trades momentum:lookback=3,threshold=0.00002 --json",
            "arena trades momentum:lookback=3,threshold=0.00002 --store data/may",
        ],
    ),
    ("explain", &["arena explain momentum:lookback=3,threshold=0.00002"]),
    (
        "promote",
        &[
            "arena promote momentum:lookback=3,threshold=0.00002  # exit 3: gates missed",
            "arena promote random:rate=0.02 --override --reason \"rehearsal\"",
        ],
    ),
    ("demote", &["arena demote random:rate=0.02 --reason \"rehearsal over\""]),
    ("retire", &["arena retire momentum:lookback=5,threshold=0.00002 --reason \"not believed in\""]),
    ("halt", &["arena halt --reason \"news at half past\""]),
    ("resume", &["arena resume --reason \"calm again\""]),
    ("budget open", &["arena budget open --reason \"new families\"  # exit 3 while a slot is free"]),
    ("reload", &["arena reload"]),
    (
        "export",
        &["arena export --table trades -o trades.csv.gz", "arena export --table bars --store data/may -o all-bars.csv"],
    ),
    ("tail", &["arena tail", "arena tail quotes,trades -n 20 --json"]),
    ("backup", &["arena backup backups/monday", "arena backup backups/may --store data/may"]),
    ("restore", &["arena restore backups/may --store data/restored"]),
    ("mirror", &["arena mirror", "arena mirror --store data/may"]),
    ("notify test", &["arena notify test"]),
    (
        "calibrate",
        &[
            "arena calibrate --study power --replicates 1000",
            "arena calibrate --candidates 10 --replicates 60 --edge 0.2 --plot plot.svg",
        ],
    ),
    ("evidence", &["arena evidence outcomes.csv --floor 3", "printf '0.5\\n-1\\n1.2\\n' | arena evidence --json"]),
    ("report", &["arena report", "arena report --store data/may -o may.html"]),
    ("graph", &["arena graph"]),
    ("audit verify", &["arena audit verify", "arena audit verify --store data/may"]),
    ("audit export", &["arena audit export -o audit.jsonl"]),
    ("completions", &["arena completions bash"]),
    ("man", &["arena man fetch yahoo", "arena man -o man"]),
];

/// The tree that the command line is read with.
#[must_use]
pub fn tree() -> Command {
    dressed(Cli::command(), "")
}

/// The tree of `arena-sim`, which has no commands.
#[must_use]
pub fn sim_tree() -> Command {
    SimArgs::command().mut_args(worded)
}

/// The examples of a command, named as `fetch yahoo`.
pub(super) fn examples(name: &str) -> &'static [&'static str] {
    EXAMPLES.iter().find(|(known, _)| *known == name).map_or(&[], |(_, lines)| lines)
}

/// `command` and all below it with their examples, and the words of an option within its help, so that a page of help is
/// short enough to be read.
fn dressed(command: Command, name: &str) -> Command {
    let below = |sub: Command| {
        let sub_name = format!("{name} {}", sub.get_name()).trim_start().to_owned();
        dressed(sub, &sub_name)
    };
    let command = command.mut_args(worded).mut_subcommands(below);
    let lines = examples(name);
    if lines.is_empty() { command } else { command.after_help(format!("Examples:\n  {}", lines.join("\n  "))) }
}

/// An option whose words have a meaning each, with them in its help: clap would give each a line of its own.
fn worded(arg: Arg) -> Arg {
    let words: Vec<String> = arg
        .get_possible_values()
        .iter()
        .filter_map(|word| {
            let what = word.get_help()?.to_string();
            let mut letters = what.chars();
            let first = letters.next()?.to_lowercase();
            Some(format!("{} ({first}{})", word.get_name(), letters.as_str()))
        })
        .collect();
    let Some(help) = arg.get_help().filter(|_| !words.is_empty()).map(ToString::to_string) else {
        return arg;
    };
    let (what, usual) = help.split_once(" [").map_or((help.as_str(), String::new()), |(a, b)| (a, format!(" [{b}")));
    arg.help(format!("{what}: {}{usual}", words.join(", "))).hide_possible_values(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(command: &Command, name: &str, found: &mut Vec<String>) {
        for sub in command.get_subcommands() {
            let name = format!("{name} {}", sub.get_name()).trim_start().to_owned();
            if sub.has_subcommands() { leaves(sub, &name, found) } else { found.push(name) }
        }
    }

    #[test]
    fn every_command_has_an_example() {
        let mut commands = Vec::new();
        leaves(&tree(), "", &mut commands);
        assert!(commands.len() > 40, "{commands:?}");
        for name in commands {
            assert!(!examples(&name).is_empty(), "EXAMPLES has none of `arena {name}`");
        }
    }
}
