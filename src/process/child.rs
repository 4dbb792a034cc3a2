//! The child itself: its pipes, the threads that read them, and its end.
//!
//! At most one line is under way, so that neither pipe can fill up while the other is waited for.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

use super::Strategy;
use crate::models::ModelFault;

/// The longest line that is taken, in bytes.
const LINE_MAX: u64 = 64 * 1024;
/// How long a child gets to end once its standard input has closed.
const GRACE: Duration = Duration::from_millis(500);
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// What is ours and none of a strategy's business.
const SECRETS: [&str; 4] = ["ARENA_TOKEN", "IG_API_KEY", "IG_IDENTIFIER", "IG_PASSWORD"];

/// Why a child can go on no longer.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) fault: ModelFault,
    pub(super) why: String,
}

impl Broken {
    pub(super) fn dead(why: &str) -> Self {
        Self { fault: ModelFault::Dead, why: why.to_owned() }
    }
}

/// What its standard output brought.
enum Told {
    Line(String),
    TooLong,
    NotText,
}

/// A child that runs.
#[derive(Debug)]
pub(super) struct Child {
    child: std::process::Child,
    stdin: Option<ChildStdin>,
    told: Receiver<Told>,
}

impl Child {
    pub(super) fn start(strategy: &Strategy) -> std::io::Result<Self> {
        let (program, arguments) = strategy.command.split_first().ok_or(std::io::ErrorKind::InvalidInput)?;
        // A program with a folder in its name lies in ours; any other is looked for where programs are.
        let dir = std::path::absolute(strategy.dir.join("."))?;
        let program = if program.contains('/') { dir.join(program).into_os_string() } else { program.into() };
        let mut command = Command::new(program);
        // A group of its own: a Ctrl-C in the terminal is for the arena, which ends its children in order.
        command.args(arguments).current_dir(dir).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for name in SECRETS {
            command.env_remove(name);
        }
        let mut child = command.spawn()?;
        let stdin = child.stdin.take();
        let (teller, told) = sync_channel(2);
        if let Some(stdout) = child.stdout.take() {
            thread("strategy-out", move || tell_lines(stdout, &teller))?;
        }
        if let Some(stderr) = child.stderr.take() {
            let model = strategy.model.clone();
            thread("strategy-err", move || log_lines(stderr, &model))?;
        }
        Ok(Self { child, stdin, told })
    }

    /// Sends a line and waits for one.
    ///
    /// # Errors
    /// Late, dead or nonsense.
    pub(super) fn ask(&mut self, line: &str, patience: Duration) -> Result<String, Broken> {
        let nonsense = |why: &str| Broken { fault: ModelFault::Nonsense, why: why.to_owned() };
        match self.told.try_recv() {
            Ok(_) => return Err(nonsense("it said more than one line to a bar")),
            Err(TryRecvError::Disconnected) => return Err(Broken::dead("its standard output has closed")),
            Err(TryRecvError::Empty) => {}
        }
        let Some(stdin) = &mut self.stdin else { return Err(Broken::dead("its standard input has closed")) };
        if let Err(error) = stdin.write_all(line.as_bytes()).and_then(|()| stdin.flush()) {
            return Err(Broken::dead(&format!("its standard input: {error}")));
        }
        match self.told.recv_timeout(patience) {
            Ok(Told::Line(text)) => Ok(text),
            Ok(Told::TooLong) => Err(nonsense("its line is longer than 64 kB")),
            Ok(Told::NotText) => Err(nonsense("its line is not UTF-8")),
            Err(RecvTimeoutError::Timeout) => {
                let why = format!("no answer within {} ms", patience.as_millis());
                Err(Broken { fault: ModelFault::Late, why })
            }
            Err(RecvTimeoutError::Disconnected) => {
                let how = self.child.try_wait().ok().flatten().map_or_else(String::new, |status| format!(": {status}"));
                Err(Broken::dead(&format!("it ended without an answer{how}")))
            }
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // Most end by themselves once there is nothing more to read.
        drop(self.stdin.take());
        let until = Instant::now() + GRACE;
        while Instant::now() < until {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(LOOK_EVERY),
                Ok(Some(_)) | Err(_) => return,
            }
        }
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            tracing::warn!(pid = self.child.id(), %error, "a strategy's process may not have ended");
        }
    }
}

fn thread(name: &str, run: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run).map(drop)
}

/// One line without its end; `None` at the end of the stream.
fn next_line(reader: &mut impl BufRead) -> Option<Told> {
    let mut bytes = Vec::new();
    let read = reader.take(LINE_MAX).read_until(b'\n', &mut bytes).ok()?;
    if read == 0 {
        return None;
    }
    if bytes.last() != Some(&b'\n') && read as u64 == LINE_MAX {
        return Some(Told::TooLong);
    }
    while bytes.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        bytes.pop();
    }
    Some(String::from_utf8(bytes).map_or(Told::NotText, Told::Line))
}

fn tell_lines(stdout: impl Read, teller: &SyncSender<Told>) {
    let mut reader = BufReader::new(stdout);
    while let Some(told) = next_line(&mut reader) {
        if teller.send(told).is_err() {
            return;
        }
    }
}

fn log_lines(stderr: impl Read, model: &str) {
    let mut reader = BufReader::new(stderr);
    while let Some(told) = next_line(&mut reader) {
        match told {
            Told::Line(text) => tracing::warn!(model, "{text}"),
            Told::TooLong | Told::NotText => tracing::warn!(model, "a line that cannot be shown"),
        }
    }
}
