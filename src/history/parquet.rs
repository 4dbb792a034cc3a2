//! Data files as Parquet: times as microseconds in UTC, prices as exact decimals, no index column.

use std::fs::File;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Decimal128Array, Float64Array, RecordBatch, TimestampMicrosecondArray, UInt32Array,
};
use arrow::datatypes::DataType;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use super::table::is_whole;
use super::{HistoryBar, Rows, Sides, TradeRow};
use crate::domain::{Ohlc, Price, Resolution, UtcMicros};

/// Digits of a price, and how many of them are decimals.
const PRICE: (u8, i8) = (20, 6);
const PARTS: [&str; 4] = ["open", "high", "low", "close"];

/// The whole file.
///
/// # Errors
/// What the writer says.
pub(super) fn to_bytes(rows: &Rows, interval: Resolution) -> Result<Vec<u8>, String> {
    let starts: Vec<i64> = rows.starts().iter().map(|start| start.0).collect();
    let times = |times: Vec<i64>| -> ArrayRef { Arc::new(TimestampMicrosecondArray::from(times).with_timezone("UTC")) };
    let ends = starts.iter().map(|start| start + interval.length().0).collect();
    let mut columns: Vec<(String, ArrayRef, bool)> =
        vec![("start".to_owned(), times(starts), false), ("end".to_owned(), times(ends), false)];
    let mut side = |name: &str, prices: Vec<Ohlc>| -> Result<(), String> {
        let of: [fn(&Ohlc) -> Price; 4] = [|o| o.open, |o| o.high, |o| o.low, |o| o.close];
        for (part, of) in PARTS.into_iter().zip(of) {
            let values = prices.iter().map(|ohlc| i128::from(of(ohlc).micros()));
            let array = Decimal128Array::from_iter_values(values)
                .with_precision_and_scale(PRICE.0, PRICE.1)
                .map_err(|e| e.to_string())?;
            columns.push((format!("{name}{part}"), Arc::new(array), false));
        }
        Ok(())
    };
    match rows {
        Rows::Two(bars) => {
            side("bid_", bars.iter().map(|bar| bar.bid).collect())?;
            side("offer_", bars.iter().map(|bar| bar.offer).collect())?;
            let quotes = UInt32Array::from_iter_values(bars.iter().map(|bar| bar.quotes));
            columns.push(("quotes".to_owned(), Arc::new(quotes), false));
        }
        Rows::One(rows) => {
            side("", rows.iter().map(|row| row.prices).collect())?;
            let volume = Float64Array::from_iter(rows.iter().map(|row| row.volume));
            columns.push(("volume".to_owned(), Arc::new(volume), true));
        }
    }
    let batch = RecordBatch::try_from_iter_with_nullable(columns).map_err(|e| e.to_string())?;
    let settings = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(settings)).map_err(|e| e.to_string())?;
    writer.write(&batch).map_err(|e| e.to_string())?;
    writer.close().map_err(|e| e.to_string())?;
    Ok(bytes)
}

/// Reads what [`to_bytes`] wrote.
///
/// # Errors
/// What is wrong with it.
pub(super) fn from_file(file: File, sides: Sides, interval: Resolution) -> Result<Rows, String> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .and_then(ParquetRecordBatchReaderBuilder::build)
        .map_err(|e| e.to_string())?;
    let mut rows = match sides {
        Sides::Two => Rows::Two(Vec::new()),
        Sides::One => Rows::One(Vec::new()),
    };
    let mut last = None;
    for batch in reader {
        let batch = batch.map_err(|e| e.to_string())?;
        let starts = times(&batch, "start")?;
        let ends = times(&batch, "end")?;
        let mut starts_of = Vec::with_capacity(batch.num_rows());
        for at in 0..batch.num_rows() {
            let start = UtcMicros(starts.value(at));
            super::table::check_place(start, last)?;
            if ends.value(at) != start.0 + interval.length().0 {
                return Err(format!("the bar at {start} is none of {interval}"));
            }
            last = Some(start);
            starts_of.push(start);
        }
        match &mut rows {
            Rows::Two(bars) => {
                let (bids, offers) = (side(&batch, "bid_")?, side(&batch, "offer_")?);
                let quotes: &UInt32Array = column(&batch, "quotes")?;
                for (at, (start, (bid, offer))) in starts_of.into_iter().zip(bids.into_iter().zip(offers)).enumerate() {
                    bars.push(HistoryBar { start, bid, offer, quotes: quotes.value(at) });
                }
            }
            Rows::One(rows) => {
                let volumes: &Float64Array = column(&batch, "volume")?;
                for (at, (start, prices)) in starts_of.into_iter().zip(side(&batch, "")?).enumerate() {
                    let volume = volumes.is_valid(at).then(|| volumes.value(at));
                    rows.push(TradeRow { start, prices, volume });
                }
            }
        }
    }
    Ok(rows)
}

fn column<'a, T: 'static>(batch: &'a RecordBatch, name: &str) -> Result<&'a T, String> {
    let found = batch.column_by_name(name).and_then(|column| column.as_any().downcast_ref());
    found.ok_or_else(|| format!("no column {name} of its type"))
}

fn times<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a TimestampMicrosecondArray, String> {
    let column: &TimestampMicrosecondArray = column(batch, name)?;
    if column.null_count() > 0 { Err(format!("{name} has rows without a time")) } else { Ok(column) }
}

fn side(batch: &RecordBatch, name: &str) -> Result<Vec<Ohlc>, String> {
    let mut columns = Vec::with_capacity(PARTS.len());
    for part in PARTS {
        let name = format!("{name}{part}");
        let column: &Decimal128Array = column(batch, &name)?;
        if column.data_type() != &DataType::Decimal128(PRICE.0, PRICE.1) || column.null_count() > 0 {
            return Err(format!("the column {name} holds no prices"));
        }
        columns.push(column);
    }
    let price = |column: &Decimal128Array, at: usize| {
        i64::try_from(column.value(at)).map(Price::from_micros).map_err(|_| "a price is out of range".to_owned())
    };
    (0..batch.num_rows())
        .map(|at| {
            let [open, high, low, close] =
                [price(columns[0], at)?, price(columns[1], at)?, price(columns[2], at)?, price(columns[3], at)?];
            let made = Ohlc { open, high, low, close };
            if is_whole(&made) { Ok(made) } else { Err(format!("the prices of row {} contradict one another", at + 1)) }
        })
        .collect()
}
