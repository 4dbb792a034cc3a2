//! Rows of any CSV file, plain or gzip, as fields by name: for readers that know what the columns mean.

use super::FeedError;
use super::field::{self, TimeFormat};
use super::lines::{Input, Lines};
use crate::domain::{DecimalError, Price, UtcMicros};

/// Reads a file row by row.
#[derive(Debug)]
pub struct RowReader {
    lines: Lines,
    header: Vec<String>,
    line: u64,
}

impl RowReader {
    /// Opens `input` and reads its header.
    ///
    /// # Errors
    /// [`FeedError::Unreadable`].
    pub fn open(input: &Input) -> Result<Self, FeedError> {
        let mut lines = Lines::open(input)?;
        let bytes = lines.whole()?;
        let end = bytes.iter().position(|&b| b == b'\n').unwrap_or(bytes.len());
        let mut names = Vec::new();
        field::split(&bytes[..end], &mut names);
        let header = names.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        let used = (end + 1).min(bytes.len());
        lines.advance(used);
        Ok(Self { lines, header, line: 1 })
    }

    /// The names of the columns.
    #[must_use]
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// Gives the fields of the next row that is not blank to `each`, with the number of its line and its text; `false`
    /// at the end of the file.
    ///
    /// # Errors
    /// [`FeedError::Unreadable`], and what `each` says.
    pub fn next<E: From<FeedError>>(
        &mut self,
        mut each: impl FnMut(&[&[u8]], u64, &[u8]) -> Result<(), E>,
    ) -> Result<bool, E> {
        loop {
            let bytes = self.lines.whole()?;
            if bytes.is_empty() {
                return Ok(false);
            }
            self.line += 1;
            let end = bytes.iter().position(|&b| b == b'\n').unwrap_or(bytes.len() - 1);
            let line = &bytes[..end];
            let is_blank = line.trim_ascii().is_empty();
            let result = if is_blank {
                Ok(())
            } else {
                let mut fields = Vec::with_capacity(self.header.len());
                field::split(line, &mut fields);
                each(&fields, self.line, line)
            };
            self.lines.advance(end + 1);
            result?;
            if !is_blank {
                return Ok(true);
            }
        }
    }

    /// The error for a header that does not say what it should.
    #[must_use]
    pub fn wrong_header(&self, want: &'static str) -> FeedError {
        let got: String = self.header.join(",").chars().take(200).collect();
        FeedError::Header { file: self.lines.name().to_owned(), got, want }
    }

    /// What error messages call the file.
    #[must_use]
    pub fn name(&self) -> &str {
        self.lines.name()
    }

    /// How much of the file has been read, from 0 to 1.
    #[must_use]
    pub fn progress(&self) -> f64 {
        self.lines.progress()
    }
}

/// The time that a field says in ISO 8601.
#[must_use]
pub fn time(field: &[u8]) -> Option<UtcMicros> {
    TimeFormat::Iso.read(field)
}

/// The price that a field says.
///
/// # Errors
/// Why it says none.
pub fn price(field: &[u8]) -> Result<Price, DecimalError> {
    field::price(field)
}

/// A row as text for a message, cut after 200 bytes.
#[must_use]
pub fn excerpt(line: &[u8]) -> String {
    field::excerpt(line)
}
