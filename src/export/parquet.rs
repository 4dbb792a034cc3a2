//! Rows as Parquet: times as microseconds in UTC, prices and money as exact decimals, every column optional.

use std::io::{self, Write};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Decimal128Builder, Float64Builder, RecordBatch, StringBuilder,
    TimestampMicrosecondBuilder, UInt64Builder,
};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use super::{Cell, Column, Kind, Sink};

/// Digits of a decimal, and how many of them are places.
const DECIMAL: (u8, i8) = (20, 6);
/// Rows that are gathered before they are written.
const BATCH_ROWS: usize = 65_536;

/// One column in the making.
enum Builder {
    Text(StringBuilder),
    Time(TimestampMicrosecondBuilder),
    Flag(BooleanBuilder),
    Count(UInt64Builder),
    Float(Float64Builder),
    Decimal(Decimal128Builder),
}

impl Builder {
    fn of(kind: Kind) -> Self {
        match kind {
            Kind::Text => Self::Text(StringBuilder::new()),
            Kind::Time => Self::Time(TimestampMicrosecondBuilder::new().with_timezone("UTC")),
            Kind::Flag => Self::Flag(BooleanBuilder::new()),
            Kind::Count => Self::Count(UInt64Builder::new()),
            Kind::Float => Self::Float(Float64Builder::new()),
            Kind::Decimal => Self::Decimal(Decimal128Builder::new().with_data_type(type_of(kind))),
        }
    }

    fn push(&mut self, cell: &Cell<'_>) -> io::Result<()> {
        match (self, cell) {
            (Self::Text(column), Cell::Text(text)) => column.append_value(text),
            (Self::Text(column), Cell::Empty) => column.append_null(),
            (Self::Time(column), Cell::Time(time)) => column.append_value(time.0),
            (Self::Time(column), Cell::Empty) => column.append_null(),
            (Self::Flag(column), Cell::Flag(flag)) => column.append_value(*flag),
            (Self::Flag(column), Cell::Empty) => column.append_null(),
            (Self::Count(column), Cell::Count(n)) => column.append_value(*n),
            (Self::Count(column), Cell::Empty) => column.append_null(),
            (Self::Float(column), Cell::Float(value)) => column.append_value(*value),
            (Self::Float(column), Cell::Empty) => column.append_null(),
            (Self::Decimal(column), Cell::Decimal(micros)) => column.append_value(i128::from(*micros)),
            (Self::Decimal(column), Cell::Empty) => column.append_null(),
            (_, cell) => return Err(io::Error::other(format!("{cell:?} is not of its column's kind"))),
        }
        Ok(())
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(column) => Arc::new(column.finish()),
            Self::Time(column) => Arc::new(column.finish()),
            Self::Flag(column) => Arc::new(column.finish()),
            Self::Count(column) => Arc::new(column.finish()),
            Self::Float(column) => Arc::new(column.finish()),
            Self::Decimal(column) => Arc::new(column.finish()),
        }
    }
}

fn type_of(kind: Kind) -> DataType {
    match kind {
        Kind::Text => DataType::Utf8,
        Kind::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        Kind::Flag => DataType::Boolean,
        Kind::Count => DataType::UInt64,
        Kind::Float => DataType::Float64,
        Kind::Decimal => DataType::Decimal128(DECIMAL.0, DECIMAL.1),
    }
}

/// Writes Parquet, a group of rows at a time.
pub struct Parquet<W: Write + Send> {
    state: State<W>,
}

enum State<W: Write + Send> {
    /// Before the columns are known.
    New(Option<W>),
    Open {
        writer: Box<ArrowWriter<W>>,
        schema: Arc<Schema>,
        columns: Vec<Builder>,
        rows: usize,
    },
}

impl<W: Write + Send> std::fmt::Debug for Parquet<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Parquet")
    }
}

impl<W: Write + Send> Parquet<W> {
    /// Into `out`.
    pub fn new(out: W) -> Self {
        Self { state: State::New(Some(out)) }
    }

    /// Writes the rest and the footer; without it there is no file.
    ///
    /// # Errors
    /// What the writer says.
    pub fn finish(mut self) -> io::Result<W> {
        self.flush()?;
        match self.state {
            State::Open { writer, .. } => writer.into_inner().map_err(io::Error::other),
            State::New(_) => Err(io::Error::other("a table without columns")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        let State::Open { writer, schema, columns, rows } = &mut self.state else { return Ok(()) };
        if *rows > 0 {
            let arrays = columns.iter_mut().map(Builder::finish).collect();
            let batch = RecordBatch::try_new(Arc::clone(schema), arrays).map_err(io::Error::other)?;
            writer.write(&batch).map_err(io::Error::other)?;
            writer.flush().map_err(io::Error::other)?;
            *rows = 0;
        }
        Ok(())
    }
}

impl<W: Write + Send> Sink for Parquet<W> {
    fn begin(&mut self, columns: &[Column]) -> io::Result<()> {
        let State::New(out) = &mut self.state else { return Err(io::Error::other("its columns are known already")) };
        let out = out.take().ok_or_else(|| io::Error::other("it has begun already"))?;
        let fields: Vec<Field> =
            columns.iter().map(|column| Field::new(column.name, type_of(column.kind), true)).collect();
        let schema = Arc::new(Schema::new(fields));
        let settings = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let writer = ArrowWriter::try_new(out, Arc::clone(&schema), Some(settings)).map_err(io::Error::other)?;
        let columns = columns.iter().map(|column| Builder::of(column.kind)).collect();
        self.state = State::Open { writer: Box::new(writer), schema, columns, rows: 0 };
        Ok(())
    }

    fn row(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        let State::Open { columns, rows, .. } = &mut self.state else {
            return Err(io::Error::other("a row before the columns"));
        };
        for (column, cell) in columns.iter_mut().zip(cells) {
            column.push(cell)?;
        }
        *rows += 1;
        if *rows >= BATCH_ROWS { self.flush() } else { Ok(()) }
    }
}
