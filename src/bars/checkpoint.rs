//! The state of a [`Resampler`] as bytes, so that a restarted arena goes on in the middle of its bars.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Resampler;
use crate::domain::{EpicIdx, Ohlc, PastBar, Resolution, StreamIdx, Tick, UtcMicros};
use crate::flow::Warmup;

const VERSION: u8 = 1;

/// Why a checkpoint cannot be taken up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// The bytes are no checkpoint of this version.
    #[error("checkpoint of bars cannot be read: {0}")]
    Corrupt(String),
    /// It was made with other markets.
    #[error("checkpoint of bars holds {got} markets, want {want}")]
    Markets {
        /// How many it holds.
        got: usize,
        /// How many there are.
        want: usize,
    },
}

#[derive(Serialize, Deserialize)]
struct Checkpoint {
    version: u8,
    event_time: UtcMicros,
    next_seq: u64,
    late: u64,
    epics: Vec<EpicPart>,
    streams: Vec<StreamPart>,
}

#[derive(Serialize, Deserialize)]
struct EpicPart {
    quotes: u64,
    rows: u64,
    last: Option<UtcMicros>,
    base: u64,
    round_from: u64,
    ticks: Vec<Tick>,
}

#[derive(Serialize, Deserialize)]
struct StreamPart {
    epic: EpicIdx,
    resolution: Resolution,
    seq: u64,
    window: u32,
    mids2: Vec<f64>,
    start: UtcMicros,
    open: Option<OpenPart>,
}

#[derive(Serialize, Deserialize)]
struct OpenPart {
    bid: Ohlc,
    offer: Ohlc,
    ticks: u32,
    quotes: u32,
    quotes_from: u64,
}

/// What a stream began with, while its first bar is open. These stand behind a checkpoint, where there are any.
#[derive(Serialize, Deserialize)]
struct WarmedPart {
    epic: EpicIdx,
    resolution: Resolution,
    source: String,
    sha256: String,
    bars: Vec<PastBar>,
}

impl Resampler {
    /// Everything that later rounds depend on.
    ///
    /// # Panics
    /// Never: the encoding into memory cannot fail.
    #[must_use]
    pub fn checkpoint(&self) -> Vec<u8> {
        let epics = self.folder.epics.iter().zip(&self.carries).map(|(state, carry)| EpicPart {
            quotes: state.quotes,
            rows: state.rows,
            last: state.last,
            base: carry.base,
            round_from: carry.round_from,
            ticks: carry.ticks.clone(),
        });
        let streams = self.folder.streams.iter().zip(&self.windows).map(|(stream, mids2)| {
            let bar = &stream.bar;
            let open = stream.open_end().map(|_| OpenPart {
                bid: bar.bid,
                offer: bar.offer,
                ticks: bar.ticks,
                quotes: bar.quotes,
                quotes_from: bar.quotes_from,
            });
            StreamPart {
                epic: stream.epic,
                resolution: stream.resolution,
                seq: bar.seq,
                window: bar.window,
                mids2: mids2.clone(),
                start: bar.start,
                open,
            }
        });
        let checkpoint = Checkpoint {
            version: VERSION,
            event_time: self.folder.event_time,
            next_seq: self.seq,
            late: self.late,
            epics: epics.collect(),
            streams: streams.collect(),
        };
        let bytes = postcard::to_allocvec(&checkpoint).expect("checkpoints encode into memory");
        let warmed = self.folder.streams.iter().zip(&self.warmed).filter_map(|(stream, warmed)| {
            let Warmup { source, sha256, bars, .. } = &**warmed.as_ref()?;
            let (source, sha256, bars) = (source.clone(), sha256.clone(), bars.clone());
            Some(WarmedPart { epic: stream.epic, resolution: stream.resolution, source, sha256, bars })
        });
        let warmed: Vec<WarmedPart> = warmed.collect();
        if warmed.is_empty() {
            return bytes;
        }
        postcard::to_extend(&warmed, bytes).expect("checkpoints encode into memory")
    }

    /// Goes on where a checkpoint was made. Streams are known by epic and resolution: those that the checkpoint lacks
    /// begin afresh, those that are no longer wanted are dropped; a longer lookback fills with time.
    ///
    /// # Errors
    /// [`RestoreError`]; the resampler is then as it was.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<(), RestoreError> {
        let corrupt = |why: &str| RestoreError::Corrupt(why.to_owned());
        let (version, _) = bytes.split_first().ok_or_else(|| corrupt("it is empty"))?;
        if *version != VERSION {
            return Err(corrupt(&format!("version {version} is not {VERSION}")));
        }
        let (saved, rest): (Checkpoint, &[u8]) =
            postcard::take_from_bytes(bytes).map_err(|e| corrupt(&e.to_string()))?;
        let warmed: Vec<WarmedPart> = match rest {
            [] => Vec::new(),
            rest => postcard::from_bytes(rest).map_err(|e| corrupt(&e.to_string()))?,
        };
        if saved.epics.len() != self.carries.len() {
            return Err(RestoreError::Markets { got: saved.epics.len(), want: self.carries.len() });
        }
        let mut next = self.clone();
        for (place, part) in saved.epics.into_iter().enumerate() {
            let is_whole = part.base.checked_add(part.ticks.len() as u64) == Some(part.quotes);
            if !is_whole || part.round_from < part.base || part.round_from > part.quotes {
                return Err(corrupt("quotes are missing"));
            }
            let state = &mut next.folder.epics[place];
            (state.quotes, state.rows, state.last) = (part.quotes, part.rows, part.last);
            let carry = &mut next.carries[place];
            (carry.base, carry.round_from, carry.ticks) = (part.base, part.round_from, part.ticks);
        }
        for part in saved.streams {
            let is_same = |s: &super::fold::Stream| s.epic == part.epic && s.resolution == part.resolution;
            let Some(place) = next.folder.streams.iter().position(is_same) else {
                continue;
            };
            let (quotes, base) =
                (&next.folder.epics[usize::from(part.epic.0)].quotes, &next.carries[usize::from(part.epic.0)].base);
            let Some(end) = part.start.0.checked_add(part.resolution.length().0) else {
                return Err(corrupt("a bar ends beyond time"));
            };
            let bar = &mut next.folder.streams[place].bar;
            (bar.seq, bar.start, bar.end) = (part.seq, part.start, UtcMicros(end));
            let held = part.mids2.len().min(next.folder.window_max as usize - 1);
            next.windows[place] = part.mids2[part.mids2.len() - held..].to_vec();
            bar.window = part.window.min(u32::try_from(held).unwrap_or(u32::MAX));
            if let Some(open) = part.open {
                let to = open.quotes_from.checked_add(u64::from(open.quotes));
                if open.quotes_from < *base || to.is_none_or(|to| to > *quotes) {
                    return Err(corrupt("a bar lacks its quotes"));
                }
                (bar.bid, bar.offer) = (open.bid, open.offer);
                (bar.ticks, bar.quotes, bar.quotes_from) = (open.ticks, open.quotes, open.quotes_from);
                next.folder.reopen(place);
            }
        }
        for WarmedPart { epic, resolution, source, sha256, bars } in warmed {
            let is_same = |s: &super::fold::Stream| s.epic == epic && s.resolution == resolution;
            if let Some(place) = next.folder.streams.iter().position(is_same) {
                let stream = StreamIdx(u16::try_from(place).map_err(|_| corrupt("too many streams"))?);
                next.warmed[place] = Some(Arc::new(Warmup { stream, source, sha256, bars }));
            }
        }
        next.folder.event_time = saved.event_time;
        next.seq = saved.next_seq;
        next.late = saved.late;
        *self = next;
        Ok(())
    }
}
