//! `arena resample`: a file of quotes in, a file of bars out.
//!
//! What stands in the output is whole: a file gets its name when everything in it has reached the disk. The last bar,
//! which no later quote has passed, is written too.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::bars::{Closings, FoldedBar, Folder};
use crate::domain::{EpicIdx, Micros, Resolution};
use crate::feed::csv::{BLOCK_TICKS, QuoteReader};
use crate::feed::{BadCounts, FeedError, Input, OnBad};

const HEADER: &str =
    "start,end,bid_open,bid_high,bid_low,bid_close,offer_open,offer_high,offer_low,offer_close,quotes\n";

/// `arena resample`.
#[derive(clap::Args, Clone, Debug)]
pub struct ResampleArgs {
    /// Recorded quotes (CSV, CSV.gz)
    #[arg(long, value_name = "FILE")]
    pub quotes: PathBuf,
    /// The length of a bar: whole seconds that divide a day evenly, such as 10s, 1m or 1h
    #[arg(long, value_name = "TIME", value_parser = every)]
    pub every: Resolution,
    /// Write here instead of standard output; gzip where the name ends in .gz
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// What to do about rows that cannot be used
    #[arg(long, value_name = "HOW", value_enum, default_value_t)]
    pub on_bad: OnBad,
}

fn every(text: &str) -> Result<Resolution, String> {
    let length: Micros = text.parse().map_err(|e: crate::domain::TimeError| e.to_string())?;
    Resolution::new(length).ok_or_else(|| "not whole seconds that divide a day evenly".to_owned())
}

/// Why there are no bars.
#[derive(Debug, thiserror::Error)]
pub enum ResampleError {
    /// The quotes cannot be used.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// The bars cannot be written.
    #[error("{to}: cannot be written: {source}")]
    Write {
        /// Where to.
        to: String,
        /// What the system said.
        source: io::Error,
    },
}

impl ResampleError {
    /// What the process ends with: 2 for the wrong file, 0 where the reader of our output has left, else 1.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Feed(error) if error.is_usage() => 2,
            Self::Write { source, .. } if source.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::Feed(_) | Self::Write { .. } => 1,
        }
    }
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Good quotes.
    pub quotes: u64,
    /// Bars written.
    pub bars: u64,
    /// Refused rows.
    pub bad: BadCounts,
}

/// Runs the command: bars as CSV to `args.out` or standard output, or with `is_json` one document there; bad rows, and
/// the progress where a person watches and `is_quiet` does not forbid it, to standard error.
///
/// # Errors
/// [`ResampleError`].
pub fn run(args: &ResampleArgs, is_json: bool, is_quiet: bool) -> Result<(), ResampleError> {
    let progress = watch(is_quiet);
    let input = Input::from(args.quotes.as_path());
    let fold = |each: &mut dyn FnMut(&FoldedBar) -> Result<(), ResampleError>| {
        resample(&input, args.every, args.on_bad, each, &|done| progress.set_position(per_mille(done)))
    };
    let mut rows = Vec::new();
    let summary = if let Some(path) = &args.out {
        let mut target = Target::create(path)?;
        let summary = write_csv(&mut target.writer, path.display().to_string(), fold)?;
        target.finish()?;
        summary
    } else if is_json {
        fold(&mut |bar| {
            rows.push(row_json(bar));
            Ok(())
        })?
    } else {
        let mut out = BufWriter::new(io::stdout().lock());
        write_csv(&mut out, "standard output".to_owned(), fold)?
    };
    progress.finish_and_clear();
    if is_json {
        let document = document(args, &summary, rows);
        let failed = |source| ResampleError::Write { to: "standard output".to_owned(), source };
        writeln!(io::stdout().lock(), "{document:#}").map_err(failed)?;
    }
    if summary.bad.total() > 0 {
        // Where standard error is closed there is nobody to tell.
        drop(writeln!(io::stderr().lock(), "arena: {}: rows left out: {}", input.name(), summary.bad));
    }
    Ok(())
}

/// Folds the quotes of `input` into bars and hands each to `each`, the unclosed last one included.
///
/// # Errors
/// Those of reading, and of `each`.
pub fn resample(
    input: &Input,
    every: Resolution,
    on_bad: OnBad,
    each: &mut dyn FnMut(&FoldedBar) -> Result<(), ResampleError>,
    progress: &dyn Fn(f64),
) -> Result<Summary, ResampleError> {
    let epic = EpicIdx(0);
    let mut reader = QuoteReader::open(input, on_bad)?;
    let mut folder = Folder::new(&[(epic, every)], 1, 0, Micros::DAY);
    let mut ticks = Vec::with_capacity(BLOCK_TICKS);
    let mut closed = Closings::default();
    let mut bars = 0;
    loop {
        ticks.clear();
        let has_more = reader.read(&mut ticks, BLOCK_TICKS)?;
        folder.push(epic, &ticks, &mut closed);
        if !has_more {
            folder.take_open(&mut closed);
        }
        bars += closed.bars.len() as u64;
        closed.bars.iter().try_for_each(&mut *each)?;
        closed.clear();
        progress(reader.progress());
        if !has_more {
            return Ok(Summary { quotes: reader.good(), bars, bad: *reader.bad() });
        }
    }
}

fn write_csv<W: Write>(
    out: &mut W,
    to: String,
    fold: impl FnOnce(&mut dyn FnMut(&FoldedBar) -> Result<(), ResampleError>) -> Result<Summary, ResampleError>,
) -> Result<Summary, ResampleError> {
    let failed = |source| ResampleError::Write { to: to.clone(), source };
    let mut line = String::new();
    let mut is_begun = false;
    let summary = fold(&mut |bar| {
        line.clear();
        if !std::mem::replace(&mut is_begun, true) {
            line.push_str(HEADER);
        }
        write_row(&mut line, bar);
        out.write_all(line.as_bytes()).map_err(failed)
    })?;
    out.flush().map_err(failed)?;
    Ok(summary)
}

fn write_row(line: &mut String, bar: &FoldedBar) {
    let (bid, offer) = (&bar.bid, &bar.offer);
    writeln!(
        line,
        "{},{},{},{},{},{},{},{},{},{},{}",
        bar.start,
        bar.end,
        bid.open,
        bid.high,
        bid.low,
        bid.close,
        offer.open,
        offer.high,
        offer.low,
        offer.close,
        bar.ticks
    )
    .expect("text is written into memory");
}

fn row_json(bar: &FoldedBar) -> Value {
    let (bid, offer) = (&bar.bid, &bar.offer);
    json!({
        "start": bar.start, "end": bar.end,
        "bid_open": bid.open, "bid_high": bid.high, "bid_low": bid.low, "bid_close": bid.close,
        "offer_open": offer.open, "offer_high": offer.high, "offer_low": offer.low, "offer_close": offer.close,
        "quotes": bar.ticks,
    })
}

/// With a file named, the document says where the bars are; else it holds them.
fn document(args: &ResampleArgs, summary: &Summary, rows: Vec<Value>) -> Value {
    let bad: serde_json::Map<String, Value> =
        summary.bad.iter().map(|(kind, n)| (kind.word().to_owned(), n.into())).collect();
    let mut document = json!({
        "every": args.every.to_string(), "quotes": summary.quotes, "bad_quotes": bad, "count": summary.bars,
    });
    match &args.out {
        Some(path) => document["out"] = path.display().to_string().into(),
        None => document["bars"] = rows.into(),
    }
    document
}

/// A file that gets its name when it is whole.
struct Target {
    path: PathBuf,
    /// The name until then; `None` where something that is no plain file (a pipe, a device) is written to directly.
    partial: Option<PathBuf>,
    writer: Box<dyn Finish>,
}

/// A writer that can be brought to its end.
trait Finish: Write {
    /// Writes what is left, and sees to it that it survives a crash.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

impl Finish for BufWriter<File> {
    fn finish(self: Box<Self>) -> io::Result<()> {
        durable(&self.into_inner()?)
    }
}

impl Finish for BufWriter<GzEncoder<File>> {
    fn finish(self: Box<Self>) -> io::Result<()> {
        durable(&self.into_inner()?.finish()?)
    }
}

fn durable(file: &File) -> io::Result<()> {
    if file.metadata()?.is_file() { file.sync_all() } else { Ok(()) }
}

impl Target {
    fn create(path: &Path) -> Result<Self, ResampleError> {
        let is_special = fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir());
        let partial = (!is_special).then(|| {
            let mut name = OsString::from(path);
            name.push(".partial");
            PathBuf::from(name)
        });
        let write_to = partial.as_deref().unwrap_or(path);
        let opened = match &partial {
            Some(partial) => File::create(partial),
            None => File::options().write(true).open(path),
        };
        let failed = |source| ResampleError::Write { to: write_to.display().to_string(), source };
        let file = opened.map_err(failed)?;
        let writer: Box<dyn Finish> = if path.extension().is_some_and(|end| end == "gz") {
            Box::new(BufWriter::new(GzEncoder::new(file, Compression::default())))
        } else {
            Box::new(BufWriter::new(file))
        };
        Ok(Self { path: path.to_owned(), partial, writer })
    }

    fn finish(mut self) -> Result<(), ResampleError> {
        let writer = std::mem::replace(&mut self.writer, Box::new(Finished));
        let result = writer.finish().and_then(|()| match &self.partial {
            Some(partial) => fs::rename(partial, &self.path),
            None => Ok(()),
        });
        let to = self.path.display().to_string();
        result.map_err(|source| ResampleError::Write { to, source })?;
        self.partial = None;
        Ok(())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Some(partial) = &self.partial {
            // The command has failed with a reason of its own; a partial file that stays behind is named as such.
            drop(fs::remove_file(partial));
        }
    }
}

/// Stands where a writer was that has been brought to its end.
struct Finished;

impl Write for Finished {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Finish for Finished {
    fn finish(self: Box<Self>) -> io::Result<()> {
        Ok(())
    }
}

fn watch(is_quiet: bool) -> ProgressBar {
    if is_quiet || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {percent:>3} %  {elapsed}").expect("the template is sound");
    ProgressBar::new(1_000).with_style(style)
}

fn per_mille(done: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it lies between 0 and 1,000")]
    let whole = (done.clamp(0.0, 1.0) * 1_000.0) as u64;
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    const QUOTES: &str = "time_utc,bid,ask\n\
        2014-05-01T00:00:00.292Z,1.38676,1.38686\n\
        2014-05-01T00:00:59.999Z,1.3867,1.387\n\
        2014-05-01T00:00:59.999Z,1.4,1.3\n\
        2014-05-01T00:02:00Z,2,3\n";
    const BARS: &str = "start,end,bid_open,bid_high,bid_low,bid_close,offer_open,offer_high,offer_low,offer_close,quotes\n\
        2014-05-01T00:00:00Z,2014-05-01T00:01:00Z,1.38676,1.38676,1.3867,1.3867,1.38686,1.387,1.38686,1.387,2\n\
        2014-05-01T00:02:00Z,2014-05-01T00:03:00Z,2,2,2,2,3,3,3,3,1\n";

    fn args(folder: &Path, quotes: &str, out: &str) -> ResampleArgs {
        let file = folder.join("quotes.csv");
        fs::write(&file, quotes).unwrap();
        let out = Some(folder.join(out));
        ResampleArgs { quotes: file, every: "1m".parse().unwrap(), out, on_bad: OnBad::Skip }
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn bars_are_written_plain_and_packed_the_last_one_included() {
        let folder = tempfile::tempdir().unwrap();
        run(&args(folder.path(), QUOTES, "bars.csv"), false, true).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("bars.csv")).unwrap(), BARS);
        run(&args(folder.path(), QUOTES, "bars.csv.gz"), false, true).unwrap();
        let packed = File::open(folder.path().join("bars.csv.gz")).unwrap();
        let mut text = String::new();
        flate2::read::GzDecoder::new(packed).read_to_string(&mut text).unwrap();
        assert_eq!(text, BARS);
        assert_eq!(names(folder.path()), ["bars.csv", "bars.csv.gz", "quotes.csv"]);
    }

    #[test]
    fn our_own_output_reads_back_as_bars() {
        let input = Input::Memory { name: "bars.csv".into(), bytes: BARS.as_bytes().into() };
        let mut reader = crate::feed::bar_csv::BarReader::open(&input, EpicIdx(0), None, OnBad::Stop).unwrap();
        let mut rows = std::collections::VecDeque::new();
        while reader.read(&mut rows, 100).unwrap() {}
        assert_eq!(rows.iter().map(|row| row.ticks).collect::<Vec<_>>(), [2, 1]);
    }

    #[test]
    fn a_failure_leaves_no_file_and_has_its_code() {
        let folder = tempfile::tempdir().unwrap();
        for (quotes, on_bad, code) in
            [("time,bid,ask\n", OnBad::Skip, 2), ("time_utc,bid,ask\n", OnBad::Skip, 1), (QUOTES, OnBad::Stop, 1)]
        {
            let args = ResampleArgs { on_bad, ..args(folder.path(), quotes, "bars.csv") };
            let error = run(&args, false, true).unwrap_err();
            assert_eq!(error.exit_code(), code, "{error}");
            assert_eq!(names(folder.path()), ["quotes.csv"]);
        }
        let nowhere = args(folder.path(), QUOTES, "no/such/folder/bars.csv");
        assert_eq!(run(&nowhere, false, true).unwrap_err().exit_code(), 1);
    }

    #[test]
    fn the_document_holds_the_bars_or_says_where_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let mut args = args(folder.path(), QUOTES, "bars.csv");
        let summary = Summary { quotes: 3, bars: 2, bad: BadCounts::default() };
        assert!(document(&args, &summary, Vec::new())["out"].is_string());
        args.out = None;
        let input = Input::from(args.quotes.as_path());
        let mut rows = Vec::new();
        let each = &mut |bar: &FoldedBar| {
            rows.push(row_json(bar));
            Ok(())
        };
        let summary = resample(&input, args.every, args.on_bad, each, &|_| ()).unwrap();
        insta::assert_json_snapshot!(document(&args, &summary, rows));
    }

    #[test]
    fn lengths_that_make_no_bars_are_refused() {
        assert_eq!(every("10s").unwrap().to_string(), "10s");
        for text in ["7m", "500ms", "2d", "fast", "0s"] {
            assert!(every(text).is_err(), "{text}");
        }
    }
}
