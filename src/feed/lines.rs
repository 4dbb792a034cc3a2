//! Whole lines of a file, plain or gzip, out of one buffer that is used again and again.

use std::fmt;
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;

use super::FeedError;

/// How much is read at a time.
const CHUNK_BYTES: usize = 256 * 1024;
/// No line of quotes is this long: a file without line ends is refused before it fills the memory.
const LINE_BYTES_MAX: usize = 1024 * 1024;
/// The byte order mark of UTF-8.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Something to read rows from.
#[derive(Clone, Debug)]
pub enum Input {
    /// A file, gzip or not.
    File(PathBuf),
    /// Bytes in memory under a name, gzip or not.
    Memory {
        /// What error messages call it.
        name: String,
        /// The bytes.
        bytes: Arc<[u8]>,
    },
}

impl Input {
    /// What error messages call it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Memory { name, .. } => name.clone(),
        }
    }
}

impl From<&Path> for Input {
    fn from(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

impl From<PathBuf> for Input {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

/// Counts what went through, so that progress is known under the decompressor.
struct Counting<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(into)?;
        self.read.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

/// Hands out runs of whole lines.
pub(super) struct Lines {
    name: String,
    source: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
    total: u64,
    buffer: Vec<u8>,
    /// `buffer[at..whole]` is whole lines not yet taken; `buffer[whole..filled]` is the beginning of the next.
    at: usize,
    whole: usize,
    filled: usize,
    is_at_end: bool,
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("name", &self.name).field("total", &self.total).finish_non_exhaustive()
    }
}

impl Lines {
    /// Opens `input`; a byte order mark is left out.
    pub(super) fn open(input: &Input) -> Result<Self, FeedError> {
        let name = input.name();
        let fail = |why: io::Error| FeedError::Unreadable { file: name.clone(), why: why.to_string() };
        let read = Arc::new(AtomicU64::new(0));
        let (raw, total): (Box<dyn Read + Send>, u64) = match input {
            Input::File(path) => {
                let file = File::open(path).map_err(fail)?;
                let total = file.metadata().map_err(fail)?.len();
                (Box::new(Counting { inner: file, read: Arc::clone(&read) }), total)
            }
            Input::Memory { bytes, .. } => {
                let inner = Cursor::new(Arc::clone(bytes));
                (Box::new(Counting { inner, read: Arc::clone(&read) }), bytes.len() as u64)
            }
        };
        let (magic, source) = peek(raw).map_err(fail)?;
        let source: Box<dyn Read + Send> = if magic == [0x1f, 0x8b] {
            Box::new(MultiGzDecoder::new(io::BufReader::with_capacity(CHUNK_BYTES, source)))
        } else {
            source
        };
        let mut lines = Self {
            name,
            source,
            read,
            total,
            buffer: vec![0; CHUNK_BYTES],
            at: 0,
            whole: 0,
            filled: 0,
            is_at_end: false,
        };
        while lines.filled < BOM.len() && !lines.is_at_end {
            lines.fill()?;
        }
        if lines.buffer[..lines.filled].starts_with(BOM) {
            lines.buffer.copy_within(BOM.len()..lines.filled, 0);
            lines.filled -= BOM.len();
            lines.whole = lines.whole.saturating_sub(BOM.len());
        }
        Ok(lines)
    }

    /// The name of the input.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whole lines, each with its line end, as many as are at hand; empty at the end of the input.
    ///
    /// The last line gets a line end where it has none. What is used of them is told to [`Lines::advance`].
    pub(super) fn whole(&mut self) -> Result<&[u8], FeedError> {
        while self.at == self.whole && !self.is_at_end {
            self.fill()?;
        }
        Ok(&self.buffer[self.at..self.whole])
    }

    /// The same lines again, without reading.
    pub(super) fn at_hand(&self) -> &[u8] {
        &self.buffer[self.at..self.whole]
    }

    /// Takes `n` bytes of whole lines.
    pub(super) fn advance(&mut self, n: usize) {
        debug_assert!(self.at + n <= self.whole, "only whole lines are taken");
        self.at += n;
    }

    /// How much of the input has been read, from 0 to 1.
    pub(super) fn progress(&self) -> f64 {
        if self.total == 0 {
            return 1.0;
        }
        (self.read.load(Ordering::Relaxed) as f64 / self.total as f64).min(1.0)
    }

    fn fill(&mut self) -> Result<(), FeedError> {
        let fail = |name: &str, why: String| FeedError::Unreadable { file: name.to_owned(), why };
        self.buffer.copy_within(self.at..self.filled, 0);
        self.filled -= self.at;
        self.whole -= self.at;
        self.at = 0;
        if self.filled + 1 >= self.buffer.len() {
            if self.buffer.len() >= LINE_BYTES_MAX {
                return Err(fail(&self.name, format!("a line is longer than {LINE_BYTES_MAX} bytes")));
            }
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        // One byte stays free for the line end that the last line may lack.
        let room = self.buffer.len() - 1;
        let n = loop {
            match self.source.read(&mut self.buffer[self.filled..room]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other.map_err(|error| fail(&self.name, error.to_string()))?,
            }
        };
        if n == 0 {
            self.is_at_end = true;
            if self.filled > self.whole {
                self.buffer[self.filled] = b'\n';
                self.filled += 1;
                self.whole = self.filled;
            }
            return Ok(());
        }
        let fresh = self.filled;
        self.filled += n;
        if let Some(last) = self.buffer[fresh..self.filled].iter().rposition(|&byte| byte == b'\n') {
            self.whole = fresh + last + 1;
        }
        Ok(())
    }
}

/// The first two bytes, and a reader that still begins with them.
fn peek(mut raw: Box<dyn Read + Send>) -> io::Result<([u8; 2], Box<dyn Read + Send>)> {
    let mut magic = [0; 2];
    let mut n = 0;
    while n < magic.len() {
        match raw.read(&mut magic[n..]) {
            Ok(0) => break,
            Ok(more) => n += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let head = Cursor::new(magic[..n].to_vec());
    Ok((magic, Box::new(head.chain(raw))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn memory(bytes: &[u8]) -> Input {
        Input::Memory { name: "memory".into(), bytes: bytes.into() }
    }

    fn all(input: &Input) -> Result<Vec<u8>, FeedError> {
        let mut lines = Lines::open(input)?;
        let mut out = Vec::new();
        loop {
            let whole = lines.whole()?;
            if whole.is_empty() {
                return Ok(out);
            }
            out.extend_from_slice(whole);
            let n = whole.len();
            lines.advance(n);
        }
    }

    #[test]
    fn every_input_ends_its_last_line_and_loses_its_byte_order_mark() {
        for (bytes, want) in [
            (&b""[..], &b""[..]),
            (b"a", b"a\n"),
            (b"a\nb", b"a\nb\n"),
            (b"a\nb\n", b"a\nb\n"),
            (b"\xef\xbb\xbfa\n", b"a\n"),
            (b"\xef\xbb\xbf", b""),
            (b"\xef\xbb", b"\xef\xbb\n"),
        ] {
            assert_eq!(all(&memory(bytes)).unwrap(), want, "{bytes:?}");
        }
    }

    #[test]
    fn gzip_is_known_by_its_first_bytes_and_a_cut_one_is_an_error() {
        let text: Vec<u8> = (0..200_000).flat_map(|n| format!("{n}\n").into_bytes()).collect();
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&text).unwrap();
        let packed = encoder.finish().unwrap();
        assert_eq!(all(&memory(&packed)).unwrap(), text);
        let twice = [packed.clone(), packed.clone()].concat();
        assert_eq!(all(&memory(&twice)).unwrap().len(), 2 * text.len());
        for cut in [2, 10, packed.len() / 2, packed.len() - 1] {
            let error = all(&memory(&packed[..cut])).unwrap_err();
            assert!(matches!(error, FeedError::Unreadable { .. }), "{cut}: {error}");
        }
    }

    #[test]
    fn a_file_without_line_ends_is_refused() {
        let error = all(&memory(&vec![b'x'; 3 * LINE_BYTES_MAX])).unwrap_err();
        assert!(error.to_string().contains("longer than"), "{error}");
    }
}
