//! The report of an arena: the figures of a store, and one HTML file made of them.
//!
//! [`gather`] reads a store, of a running arena or at rest, of a live run or a replay; [`render`] turns what it found into
//! text. Neither opens a file: whoever has a store may ask for the figures, whoever has the figures may draw them, and
//! `arena report --json` prints those that the HTML is made of.

mod calibration;
mod figures;
mod gather;
mod html;
mod live;
mod plot;
mod sections;
mod summary;
mod text;
mod trust;
mod weekly;

pub use self::calibration::Calibration;
pub use self::figures::{
    AnnualSharpe, BootstrapMean, DistanceGroup, FaultFigures, Focus, GapFigures, GateCount, Group, Histogram,
    LiveFigures, LiveShortfall, ModelFigures, OverfittingFigures, Point, PredictionGroup, Predictions, Quality, Report,
    SharpeDifference, ShortfallSum, Summary, SuperiorFigures, Weekly,
};
pub use self::gather::gather;
pub use self::html::render;
