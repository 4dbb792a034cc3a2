//! The canonical bytes of the journal's entries.
//!
//! An entry is a version byte and its fields in the postcard encoding, which tells its own end, so that a lane reads
//! back without an index and an old journal stays readable when a field is added under a new version.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Lane, Store, StoreError};
use crate::domain::{
    BreakKind, CloseReason, ContentHash, DealReference, Direction, Epic, Micros, ModelId, Money, PastBar, Prediction,
    Price, PriceDelta, RiskUnit, SeatIdx, Shortfall, Size, Tick, UtcMicros,
};

/// The version of everything below.
pub const VERSION: u8 = 1;

/// Lane [`Lane::Session`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum SessionEntry {
    /// The configuration in force from here on: hash and canonical text.
    Configured {
        /// SHA-256 of the text.
        hash: String,
        /// The keys that can change a journal.
        canonical: String,
    },
    /// Bars of these streams closed together at `time`, after so many quotes of each epic in all.
    Closed {
        /// Their end.
        time: UtcMicros,
        /// The streams, in order.
        streams: Vec<u16>,
        /// Accepted quotes so far by epic, so that a replay closes at the same place in the stream.
        quotes: Vec<u64>,
    },
    /// A seat was suspended from outside (a deadline), before the round at `time`.
    Suspended {
        /// The round.
        time: UtcMicros,
        /// The candidate.
        model: ModelId,
        /// Why.
        reason: String,
    },
    /// Something went wrong and was survived: a feed gap, a full disk, a reload that was refused.
    Fault {
        /// Event time.
        time: UtcMicros,
        /// One word.
        kind: String,
        /// A sentence.
        text: String,
    },
    /// A reload was applied: what changed.
    Reloaded {
        /// Event time.
        time: UtcMicros,
        /// The difference, as JSON.
        difference: String,
    },
    /// The windows of a stream began with bars of the past. No model was asked about them.
    WarmedUp {
        /// The stream.
        stream: u16,
        /// The data set, by name.
        source: String,
        /// SHA-256 of its data file.
        sha256: String,
        /// The bars that the windows hold, oldest first: a replay of the session begins with the same.
        bars: Vec<PastBar>,
    },
    /// Quotes are missing.
    Gap {
        /// The last moment before it.
        from: UtcMicros,
        /// The first moment after it.
        to: UtcMicros,
        /// Whose quotes.
        epics: Vec<u16>,
        /// Accepted quotes so far by epic: its place in the stream.
        quotes: Vec<u64>,
        /// Why.
        reason: String,
    },
    /// A dealing rule of a market is another one than when it was last read.
    Ruled {
        /// Event time of the last round before it was read.
        time: UtcMicros,
        /// The market.
        epic: Epic,
        /// The rule, by the broker's name.
        rule: String,
        /// With its unit; empty: it was not there.
        was: String,
        /// With its unit; empty: it is not there any more.
        is: String,
    },
}

/// Lane [`Lane::Bars`]: its entries are the bars themselves.
pub type BarEntry = PastBar;

/// Lane [`Lane::Seat`]. A trade lies in three entries (ordered, opened, closed) that carry only what is new, since a
/// replay of a thousand candidates writes half a million of them; [`crate::ledger::read_trades`] puts them together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum SeatEntry {
    /// The first entry of the lane: what every trade of the seat shares.
    Registered {
        /// Its size.
        size: Size,
        /// Distance of the stop.
        stop: PriceDelta,
        /// Distance of the limit.
        limit: PriceDelta,
        /// Time exit, from the fill.
        hold: Micros,
        /// From the close of a bar to the earliest fill.
        latency: Micros,
        /// The length of its bars: how long an order is valid.
        bar: Micros,
        /// Its risk unit.
        risk: RiskUnit,
        /// Its identity without generation.
        content_hash: ContentHash,
    },
    /// A belief at a bar's close, and whether an order came of it.
    Predicted {
        /// The close.
        time: UtcMicros,
        /// The belief and stance; neither distance nor abstention.
        #[serde(with = "plain_prediction")]
        prediction: Prediction,
        /// Whether an order came of it.
        is_acted: bool,
    },
    /// An order was made.
    Ordered {
        /// The close of the bar.
        time: UtcMicros,
        /// The side.
        direction: Direction,
        /// The belief behind it.
        y_pred: Option<f64>,
    },
    /// The order filled.
    Opened {
        /// From the order to the fill.
        after: Micros,
        /// At what level, slippage included.
        level: Price,
    },
    /// The order found no quote in time.
    Lapsed,
    /// A dealing rule refused the order.
    Refused {
        /// The close of the signal.
        time: UtcMicros,
        /// Which rule.
        reason: Refusal,
    },
    /// The deal was closed again.
    Closed {
        /// From the fill to the close.
        after: Micros,
        /// At what level, slippage included.
        level: Price,
        /// Why.
        reason: CloseReason,
        /// Net profit.
        profit: Money,
        /// Slippage and funding.
        costs: Money,
        /// The outcome in R, costs stressed, as it was formed.
        x: f64,
        /// Furthest move against it.
        adverse: PriceDelta,
        /// Furthest move in its favour.
        favourable: PriceDelta,
    },
    /// The model was suspended at this bar.
    Suspended {
        /// The close of the bar.
        time: UtcMicros,
        /// What it did.
        reason: Fault,
    },
    /// A belief with a distance, or one that the nearness gate kept from a stance.
    Estimated {
        /// The close.
        time: UtcMicros,
        /// The belief and stance.
        prediction: Prediction,
        /// Whether an order came of it.
        is_acted: bool,
    },
}

/// A prediction without distance and abstention: most have neither, and the journals of before have no others.
mod plain_prediction {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::domain::{Prediction, Signal};

    pub(super) fn serialize<S: Serializer>(prediction: &Prediction, serializer: S) -> Result<S::Ok, S::Error> {
        (prediction.y_pred, prediction.signal).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Prediction, D::Error> {
        let (y_pred, signal) = <(Option<f64>, Signal)>::deserialize(deserializer)?;
        Ok(Prediction::of(y_pred, signal))
    }
}

/// Why a paper order was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The market's session is closed.
    Session,
}

/// What a model did to be suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// It panicked.
    Panic,
    /// It predicted something that is not finite.
    Nan,
    /// It took longer than `[arena] model_deadline` over one bar.
    Deadline,
    /// A strategy's process answered later than its deadline.
    Late,
    /// A strategy's process could not be started, or ended.
    Dead,
    /// A strategy's process answered with something that is no answer.
    Nonsense,
    /// Its artefact or program is not at hand.
    Absent,
}

impl Fault {
    /// Why a seat is suspended, as a sentence without a full stop.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Panic => "its model panicked",
            Self::Nan => "its model predicted something that is not finite",
            Self::Deadline => "its model took longer than [arena] model_deadline over one bar",
            Self::Late => "its process answered later than params.deadline",
            Self::Dead => "its process could not be started, or ended",
            Self::Nonsense => "its process answered with something that is no answer",
            Self::Absent => "its artefact or program is not at hand",
        }
    }

    /// Whether it can come at another bar, or not at all, when the same session is replayed: then the session says
    /// where it came.
    #[must_use]
    pub fn is_outside(self) -> bool {
        matches!(self, Self::Late | Self::Dead | Self::Nonsense)
    }

    /// The fault of a recorded sentence; what was once told in other words is a deadline missed.
    #[must_use]
    pub fn of_sentence(sentence: &str) -> Self {
        let known = [Self::Late, Self::Dead, Self::Nonsense];
        known.into_iter().find(|fault| fault.sentence() == sentence).unwrap_or(Self::Deadline)
    }
}

/// Lane [`Lane::Seals`]: the signature of one audit record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// The record's number.
    pub seq: u64,
    /// The hash that is signed, as its text.
    pub hash: String,
    /// The signature, in hexadecimal digits.
    pub sig: String,
    /// The public key that it was made with, in hexadecimal digits.
    pub key: String,
    /// When it was made, by the clock on the wall.
    pub wall: UtcMicros,
}

impl Seal {
    /// A record's text with this seal noted at its end, outside of what is hashed.
    #[must_use]
    pub fn note(&self, record: &str) -> String {
        match record.strip_suffix('}') {
            Some(open) if !open.contains(r#","sig":"#) => {
                let Self { sig, key, wall, .. } = self;
                format!(r#"{open},"sig":"{sig}","key":"{key}","wall":"{wall}"}}"#)
            }
            _ => record.to_owned(),
        }
    }
}

/// Lane [`Lane::Upkeep`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UpkeepEntry {
    /// Retention deleted entries of a lane.
    Deleted {
        /// Event time of the deletion.
        time: UtcMicros,
        /// Whose.
        lane: Lane,
        /// How many: quotes of a lane of quotes, predictions of a seat's.
        entries: u64,
        /// Their bytes.
        bytes: u64,
        /// The time of the oldest.
        from: UtcMicros,
        /// The time of the youngest.
        to: UtcMicros,
        /// SHA-256 of those bytes, in order.
        sha256: String,
    },
}

impl UpkeepEntry {
    /// What was done, as a sentence without a full stop.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Self::Deleted { time, lane, entries, bytes, from, to, .. } = self;
        let what = match lane {
            Lane::Quotes(lane) => format!("quotes of lane {lane}"),
            Lane::Seat(seat) => format!("predictions of seat {seat}"),
            other => format!("entries of {other:?}"),
        };
        format!("{entries} {what} from {from} to {to} ({bytes} bytes) were deleted at {time}")
    }
}

/// Lane [`Lane::Desk`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum DeskEntry {
    /// About to be sent; flushed before it is.
    OpenIntent {
        /// Event time.
        time: UtcMicros,
        /// Ours.
        reference: DealReference,
        /// The candidate.
        model: ModelId,
        /// Its registration number.
        seat: SeatIdx,
        /// The market.
        epic: Epic,
        /// The number of the deal in its seat.
        deal: u64,
        /// The side.
        direction: Direction,
        /// How much.
        size: Size,
        /// Distance of the stop, in millionths of the price.
        stop: i64,
        /// Distance of the limit, in millionths of the price.
        limit: i64,
        /// Time exit, from the fill.
        hold: Micros,
    },
    /// About to be closed; flushed before it is sent.
    CloseIntent {
        /// Event time.
        time: UtcMicros,
        /// The position's reference.
        reference: DealReference,
        /// Why.
        reason: CloseReason,
    },
    /// The broker opened it.
    Opened {
        /// Event time.
        time: UtcMicros,
        /// Ours.
        reference: DealReference,
        /// Theirs.
        deal_id: String,
        /// The level of the fill.
        level: Price,
        /// The stop at the broker.
        stop_level: Price,
        /// The limit at the broker.
        limit_level: Price,
    },
    /// The broker, or our own risk rules before it, refused.
    Rejected {
        /// Event time.
        time: UtcMicros,
        /// Ours.
        reference: DealReference,
        /// Why.
        reason: String,
    },
    /// Nobody knows yet whether it was dealt.
    Unknown {
        /// Event time.
        time: UtcMicros,
        /// Ours.
        reference: DealReference,
    },
    /// It is closed.
    Closed {
        /// Event time.
        time: UtcMicros,
        /// Ours.
        reference: DealReference,
        /// The level of the exit.
        level: Price,
        /// Why.
        reason: CloseReason,
        /// Live profit.
        profit: Money,
    },
    /// Live dealing stopped.
    Halted {
        /// Event time.
        time: UtcMicros,
        /// Why.
        reason: String,
    },
    /// Live dealing goes on.
    Resumed {
        /// Event time.
        time: UtcMicros,
        /// Who or why.
        reason: String,
    },
    /// A position of our book that the broker does not know was given up by an operator; its profit is not known.
    WrittenOff {
        /// Event time.
        time: UtcMicros,
        /// Ours.
        reference: DealReference,
        /// Who or why.
        reason: String,
    },
    /// Our book and the broker's differed.
    Broken {
        /// Event time.
        time: UtcMicros,
        /// The difference by its name.
        kind: BreakKind,
        /// The reference that the position carries, ours or not.
        reference: DealReference,
        /// Whose deal it is, if it is one of ours.
        seat: Option<SeatIdx>,
        /// The market; empty where it concerns no position.
        epic: Epic,
        /// A sentence with the figures.
        text: String,
        /// Our book equals the broker's again; if not, live dealing halted.
        is_mended: bool,
    },
    /// Somebody else closed a part of a position.
    PartlyClosed {
        /// Event time.
        time: UtcMicros,
        /// Ours.
        reference: DealReference,
        /// How much of it.
        size: Size,
        /// What is left of it.
        left: Size,
        /// The level of the exit.
        level: Price,
        /// What the part made, charges left out.
        profit: Money,
    },
    /// The broker holds another size than we asked for: our book takes it.
    Resized {
        /// Event time.
        time: UtcMicros,
        /// Ours.
        reference: DealReference,
        /// The broker's.
        size: Size,
    },
    /// A live deal was set beside its paper twin.
    Shortfall {
        /// Event time.
        time: UtcMicros,
        /// Ours.
        reference: DealReference,
        /// Live less paper, in parts.
        shortfall: Shortfall,
        /// From the close of the bar to the live fill, if there was one.
        delay: Option<Micros>,
        /// Live fills at the market that a quote is known of.
        fills: u32,
        /// How much worse than the quote they were in all, in price.
        slippage: PriceDelta,
    },
}

/// Appends one entry's canonical bytes to `out`.
///
/// # Panics
/// Never for the types of this module: their encoding into memory cannot fail.
pub fn encode<T: Serialize>(entry: &T, out: &mut Vec<u8>) {
    out.push(VERSION);
    let bytes = std::mem::take(out);
    *out = postcard::to_extend(entry, bytes).expect("entries encode into memory");
}

/// One short entry, written into room that was made at once: growing the lane's memory field by field would cost more
/// than the rest of a trade, and so would copying what was just written byte by byte.
struct Short<'a> {
    bytes: &'a mut [u8; SHORT_MAX],
    len: usize,
}

/// No entry of a trade is longer: version, kind, reason, six numbers of at most ten bytes and a float.
const SHORT_MAX: usize = 96;

impl Short<'_> {
    fn push(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.len += 1;
    }

    /// Small magnitudes first (the sign goes to the lowest bit), then seven bits a byte, the lowest first.
    #[inline]
    fn number(&mut self, number: i64) {
        let mut rest = (number.cast_unsigned() << 1) ^ (number >> 63).cast_unsigned();
        while rest >= 0x80 {
            self.push(rest.to_le_bytes()[0] | 0x80);
            rest >>= 7;
        }
        self.push(rest.to_le_bytes()[0]);
    }

    fn float(&mut self, float: f64) {
        self.bytes[self.len..self.len + 8].copy_from_slice(&float.to_le_bytes());
        self.len += 8;
    }
}

/// Appends one entry of a seat: the bytes of [`encode`], but those of a trade written out, since a replay of a thousand
/// candidates writes two million of them.
///
/// # Panics
/// Never: see [`encode`].
pub fn encode_seat(entry: &SeatEntry, out: &mut Vec<u8>) {
    let kind = match entry {
        SeatEntry::Ordered { .. } => 2,
        SeatEntry::Opened { .. } => 3,
        SeatEntry::Closed { .. } => 6,
        _ => return encode(entry, out),
    };
    let from = out.len();
    out.resize(from + SHORT_MAX, 0);
    let bytes = out[from..].first_chunk_mut().expect("the room was made");
    let mut short = Short { bytes, len: 0 };
    short.push(VERSION);
    short.push(kind);
    match *entry {
        SeatEntry::Ordered { time, direction, y_pred } => {
            short.number(time.0);
            short.push(direction as u8);
            short.push(u8::from(y_pred.is_some()));
            if let Some(y_pred) = y_pred {
                short.float(y_pred);
            }
        }
        SeatEntry::Opened { after, level } => {
            short.number(after.0);
            short.number(level.micros());
        }
        SeatEntry::Closed { after, level, reason, profit, costs, x, adverse, favourable } => {
            short.number(after.0);
            short.number(level.micros());
            short.push(reason as u8);
            short.number(profit.micros());
            short.number(costs.micros());
            short.float(x);
            short.number(adverse.micros());
            short.number(favourable.micros());
        }
        _ => {}
    }
    let to = from + short.len;
    out.truncate(to);
}

/// The entries of a block.
///
/// # Errors
/// [`StoreError::Corrupt`] where the bytes are no whole entries of this version.
pub fn decode<T: DeserializeOwned>(lane: Lane, block: &[u8]) -> Result<Vec<T>, StoreError> {
    let mut entries = Vec::new();
    each(lane, block, |entry, _| entries.push(entry))?;
    Ok(entries)
}

/// The same, each with the number of bytes up to its end.
///
/// # Errors
/// As [`decode`].
pub fn decode_placed<T: DeserializeOwned>(lane: Lane, block: &[u8]) -> Result<Vec<(T, usize)>, StoreError> {
    let mut entries = Vec::new();
    each(lane, block, |entry, left| entries.push((entry, block.len() - left)))?;
    Ok(entries)
}

/// Hands every entry on, with the number of bytes behind it.
fn each<T: DeserializeOwned>(lane: Lane, mut block: &[u8], mut take: impl FnMut(T, usize)) -> Result<(), StoreError> {
    let corrupt = |why: String| StoreError::Corrupt { lane: format!("{lane:?}"), why };
    while let Some((version, rest)) = block.split_first() {
        if *version != VERSION {
            return Err(corrupt(format!("version {version} is not {VERSION}")));
        }
        let (entry, rest) = postcard::take_from_bytes(rest).map_err(|e| corrupt(e.to_string()))?;
        take(entry, rest.len());
        block = rest;
    }
    Ok(())
}

/// Every entry of a lane, from its beginning.
///
/// # Errors
/// Whatever reading or decoding fails with.
pub fn read_lane<T: DeserializeOwned>(store: &dyn Store, lane: Lane) -> Result<Vec<T>, StoreError> {
    let mut entries = Vec::new();
    for block in store.read(lane) {
        entries.extend(decode(lane, &block?)?);
    }
    Ok(entries)
}

/// A quote lane's entries are the ticks themselves.
pub type QuoteEntry = Tick;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn entries_of_a_trade_are_written_as_the_encoding_says(
            numbers in prop::array::uniform6(any::<i64>()), shift in 0u32..64, x in any::<f64>(), which in 0usize..3,
        ) {
            let [time, level, profit, costs, adverse, favourable] = numbers.map(|number| number >> shift);
            let reason = [CloseReason::Stop, CloseReason::Limit, CloseReason::Time][which];
            let direction = if which == 0 { Direction::Long } else { Direction::Short };
            let level = Price::from_micros(level);
            for entry in [
                SeatEntry::Ordered { time: UtcMicros(time), direction, y_pred: (which > 0).then_some(x) },
                SeatEntry::Opened { after: Micros(time), level },
                SeatEntry::Lapsed,
                SeatEntry::Closed {
                    after: Micros(time),
                    level,
                    reason,
                    profit: Money::from_micros(profit),
                    costs: Money::from_micros(costs),
                    x,
                    adverse: PriceDelta::from_micros(adverse),
                    favourable: PriceDelta::from_micros(favourable),
                },
            ] {
                let (mut plain, mut short) = (Vec::new(), Vec::new());
                encode(&entry, &mut plain);
                encode_seat(&entry, &mut short);
                prop_assert_eq!(plain, short);
            }
        }
    }
}
