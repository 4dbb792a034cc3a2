//! Rows as lines of comma separated fields.

use std::io::{self, Write};

use super::{Cell, Column, Sink};
use crate::domain::Money;

/// Writes CSV with a header.
#[derive(Debug)]
pub struct Csv<W> {
    out: W,
}

impl<W: Write> Csv<W> {
    /// Into `out`, which had best be buffered.
    pub fn new(out: W) -> Self {
        Self { out }
    }

    /// The writer, to be flushed or finished.
    pub fn into_inner(self) -> W {
        self.out
    }

    fn text(&mut self, text: &str) -> io::Result<()> {
        // Names of swept candidates hold commas.
        if text.contains([',', '"', '\n', '\r']) {
            write!(self.out, "\"{}\"", text.replace('"', "\"\""))
        } else {
            self.out.write_all(text.as_bytes())
        }
    }
}

impl<W: Write> Sink for Csv<W> {
    fn begin(&mut self, columns: &[Column]) -> io::Result<()> {
        let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
        writeln!(self.out, "{}", names.join(","))
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        for (at, cell) in cells.iter().enumerate() {
            if at > 0 {
                self.out.write_all(b",")?;
            }
            match cell {
                Cell::Empty => {}
                Cell::Text(text) => self.text(text)?,
                Cell::Time(time) => write!(self.out, "{time}")?,
                Cell::Flag(flag) => write!(self.out, "{flag}")?,
                Cell::Count(n) => write!(self.out, "{n}")?,
                Cell::Float(value) if value.is_finite() => write!(self.out, "{value}")?,
                Cell::Float(_) => {}
                // Every exact number prints alike.
                Cell::Decimal(micros) => write!(self.out, "{}", Money::from_micros(*micros))?,
            }
        }
        self.out.write_all(b"\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::UtcMicros;
    use crate::export::Kind;

    #[test]
    fn fields_are_quoted_where_they_must_be_and_empty_where_there_is_nothing() {
        let mut csv = Csv::new(Vec::new());
        let columns = ["a", "b", "c", "d", "e", "f"].map(|name| Column { name, kind: Kind::Text });
        csv.begin(&columns).expect("memory");
        csv.row(&[
            Cell::Text("x:a=1,b=\"2\"".into()),
            Cell::Time(UtcMicros(0)),
            Cell::Flag(true),
            Cell::Float(f64::NAN),
            Cell::Decimal(-1_500_000),
            Cell::Empty,
        ])
        .expect("memory");
        let text = String::from_utf8(csv.into_inner()).expect("text");
        assert_eq!(text, "a,b,c,d,e,f\n\"x:a=1,b=\"\"2\"\"\",1970-01-01T00:00:00Z,true,,-1.5,\n");
    }
}
