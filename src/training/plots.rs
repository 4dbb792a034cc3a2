//! Pictures of what a model said and what became of it, as SVG: the same data gives the same bytes.
//!
//! Ratios are drawn as moves in basis points, since a ratio of 1.00012 says little to the eye.

use std::ops::Range;

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Points drawn at most, so that a long split is still a small picture; evenly chosen by their place.
const POINTS_MAX: usize = 3_000;
/// Bars of a distribution.
const BINS: usize = 60;
/// Groups of equal size in which means are drawn.
const GROUPS: usize = 10;

const WIDTH: u32 = 820;
const BACKGROUND: RGBColor = RGBColor(255, 255, 255);
const INK: RGBColor = RGBColor(28, 29, 31);
const SOFT: RGBColor = RGBColor(95, 100, 107);
const LINE: RGBColor = RGBColor(230, 230, 227);
const BLUE: RGBColor = RGBColor(43, 98, 184);
const ORANGE: RGBColor = RGBColor(200, 90, 20);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Strings take whatever is drawn into them, and no area is too small for what it holds.
const DRAWN: &str = "an SVG in memory can be drawn";

fn basis_points(ratio: f64) -> f64 {
    (ratio - 1.0) * 1e4
}

/// Every pair of finite moves, predicted and actual, in basis points.
fn moves(y_pred: &[f64], y_true: &[f64]) -> Vec<(f64, f64)> {
    let pairs = y_pred.iter().zip(y_true).map(|(predicted, actual)| (basis_points(*predicted), basis_points(*actual)));
    pairs.filter(|(predicted, actual)| predicted.is_finite() && actual.is_finite()).collect()
}

/// At most [`POINTS_MAX`] of them, evenly by place.
fn thinned<T: Copy>(all: &[T]) -> impl Iterator<Item = T> + '_ {
    all.iter().step_by(all.len().div_ceil(POINTS_MAX).max(1)).copied()
}

/// The value below which a share of `sorted` lies.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = (share * sorted.len().saturating_sub(1) as f64).round();
    #[expect(clippy::cast_possible_truncation, reason = "a place in the list")]
    let at = at as usize;
    sorted.get(at).copied().unwrap_or_default()
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

/// Nearly all of the values, with a little room; the few beyond are drawn at the edge. Never empty.
fn range_of(sorted: &[f64]) -> Range<f64> {
    let (low, high) = (quantile(sorted, 0.002), quantile(sorted, 0.998));
    let room = ((high - low) * 0.06).max(high.abs().max(low.abs()) * 1e-6).max(1e-9);
    low - room..high + room
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// As many decimals as tell two marks of such a range apart.
fn label(range: &Range<f64>) -> impl Fn(&f64) -> String + use<> {
    let step = (range.end - range.start) / 8.0;
    #[expect(clippy::cast_possible_truncation, reason = "at most nine")]
    let decimals = (1.0 - step.log10()).ceil().clamp(0.0, 9.0) as usize;
    move |value: &f64| {
        let text = format!("{value:.decimals$}");
        let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
        if text == "-0" { "0".to_owned() } else { text.replace('-', "\u{2212}") }
    }
}

fn draw(height: u32, title: &str, subtitle: &str, body: impl FnOnce(&Area<'_>)) -> String {
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, (WIDTH, height)).into_drawing_area();
        root.fill(&BACKGROUND).expect(DRAWN);
        let style = |size, color: &RGBColor| ("sans-serif", size).into_font().color(color);
        root.draw_text(title, &style(20, &INK), (24, 18)).expect(DRAWN);
        root.draw_text(subtitle, &style(14, &SOFT), (24, 45)).expect(DRAWN);
        body(&root.margin(70, 12, 12, 24));
        root.present().expect(DRAWN);
    }
    text
}

/// Axes with a light grid.
fn chart<'a, 'b>(
    area: &'a Area<'b>,
    (x, x_label): (Range<f64>, &str),
    (y, y_label): (Range<f64>, &str),
    x_format: &dyn Fn(&f64) -> String,
) -> Chart<'a, 'b> {
    let y_format = label(&y);
    let mut chart = ChartBuilder::on(area)
        .set_label_area_size(LabelAreaPosition::Left, 74)
        .set_label_area_size(LabelAreaPosition::Bottom, 52)
        .build_cartesian_2d(x, y)
        .expect(DRAWN);
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(LINE)
        .axis_style(SOFT)
        .x_labels(8)
        .y_labels(7)
        .x_label_formatter(x_format)
        .y_label_formatter(&y_format)
        .label_style(("sans-serif", 13).into_font().color(&SOFT))
        .axis_desc_style(("sans-serif", 14).into_font().color(&INK))
        .x_desc(x_label)
        .y_desc(y_label)
        .draw()
        .expect(DRAWN);
    chart
}

/// A short text at a place of a chart, to its right.
fn note(chart: &Chart<'_, '_>, at: (f64, f64), text: &str, color: &RGBColor) {
    let style = ("sans-serif", 13).into_font().color(color).pos(Pos::new(HPos::Left, VPos::Top));
    let (x, y) = chart.backend_coord(&at);
    let (left, top) = chart.plotting_area().get_pixel_range();
    let place = (x - left.start + 5, y - top.start + 3);
    chart.plotting_area().strip_coord_spec().draw_text(text, &style, place).expect(DRAWN);
}

fn line(chart: &mut Chart<'_, '_>, points: [(f64, f64); 2], style: ShapeStyle) {
    chart.draw_series(LineSeries::new(points, style)).expect(DRAWN);
}

/// What was predicted against what came true, both as ratios and row by row, with the mean of each tenth of the
/// predictions and the line on which both would be equal. `title` names the model and the split.
#[must_use]
pub fn predicted_against_actual(title: &str, y_pred: &[f64], y_true: &[f64]) -> String {
    let pairs = moves(y_pred, y_true);
    let subtitle = format!(
        "Predicted against actual, {} rows; orange: means of ten groups of equal size, with two standard errors",
        pairs.len()
    );
    let x = range_of(&sorted(pairs.iter().map(|pair| pair.0)));
    let y = range_of(&sorted(pairs.iter().map(|pair| pair.1)));
    draw(560, title, &subtitle, |area| {
        let x_format = label(&x);
        let axes = ((x.clone(), "predicted move, basis points"), (y.clone(), "actual move, basis points"));
        let mut chart = chart(area, axes.0, axes.1, &x_format);
        let inside = |(predicted, actual): (f64, f64)| (predicted.clamp(x.start, x.end), actual.clamp(y.start, y.end));
        let dots = thinned(&pairs).map(|pair| dot(inside(pair)));
        chart.draw_series(dots).expect(DRAWN);
        let (low, high) = (x.start.max(y.start), x.end.min(y.end));
        if low < high {
            line(&mut chart, [(low, low), (high, high)], SOFT.stroke_width(1));
            let place = low + (high - low) * 0.8;
            note(&chart, (place, place + (y.end - y.start) * 0.06), "actual = predicted", &SOFT);
        }
        let mut by_prediction = pairs.clone();
        by_prediction.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        for group in by_prediction.chunks(pairs.len().div_ceil(GROUPS).max(1)) {
            let (predicted, actual): (Vec<f64>, Vec<f64>) = group.iter().copied().unzip();
            let (at, height) = (mean(&predicted).clamp(x.start, x.end), mean(&actual));
            let squares: Vec<f64> = actual.iter().map(|value| (value - height).powi(2)).collect();
            let error = 2.0 * (mean(&squares) / group.len() as f64).sqrt();
            let ends = [(at, (height - error).max(y.start)), (at, (height + error).min(y.end))];
            line(&mut chart, ends, ORANGE.stroke_width(2));
            let dot = Circle::new((at, height.clamp(y.start, y.end)), 5, ORANGE.filled());
            chart.draw_series([dot]).expect(DRAWN);
        }
    })
}

/// What came true less what was predicted: from row to row, the oldest first, and how often.
#[must_use]
pub fn residuals(title: &str, y_pred: &[f64], y_true: &[f64]) -> String {
    let residuals: Vec<f64> = moves(y_pred, y_true).iter().map(|(predicted, actual)| actual - predicted).collect();
    let points: Vec<(f64, f64)> = residuals.iter().enumerate().map(|(row, value)| (row as f64, *value)).collect();
    let values = sorted(residuals.into_iter());
    let average = mean(&values);
    let deviation = mean(&values.iter().map(|value| (value - average).powi(2)).collect::<Vec<_>>()).sqrt();
    let subtitle = format!(
        "Residuals (actual less predicted), {} rows; mean {}, standard deviation {} basis points",
        values.len(),
        short(average),
        short(deviation)
    );
    let y = range_of(&values);
    let x = 0.0..(values.len().max(2) - 1) as f64;
    draw(800, title, &subtitle, |area| {
        let (upper, lower) = area.split_vertically(370);
        let x_format = label(&x);
        let axes = ((x.clone(), "row of the split, oldest first"), (y.clone(), "residual, basis points"));
        let mut by_row = chart(&upper, axes.0, axes.1, &x_format);
        let dots = thinned(&points).map(|(row, value)| dot((row, value.clamp(y.start, y.end))));
        by_row.draw_series(dots).expect(DRAWN);
        line(&mut by_row, [(x.start, 0.0), (x.end, 0.0)], SOFT.stroke_width(1));
        let lower = lower.margin(22, 0, 0, 0);
        distribution(&lower, &values, &y, "residual, basis points", &[(average, "mean".to_owned())]);
    })
}

/// One row.
fn dot(at: (f64, f64)) -> Circle<(f64, f64), i32> {
    Circle::new(at, 2, BLUE.mix(0.28).filled())
}

/// How far the rows were from their neighbours, with the training quantiles that the nearness gate goes by.
/// `quantiles` are the 101 of the training distances, of 0 %, 1 % and so on.
///
/// `None` where no row has a distance.
#[must_use]
pub fn distances(title: &str, distances: &[f64], quantiles: &[f64]) -> Option<String> {
    let values = sorted(distances.iter().copied().filter(|value| value.is_finite()));
    if values.is_empty() {
        return None;
    }
    let subtitle = format!(
        "Mean distance to the neighbours, {} rows; orange: quantiles of the training distances, leave-one-out",
        values.len()
    );
    let marks: Vec<(f64, String)> = [50, 90, 99]
        .into_iter()
        .filter_map(|percent| Some((*quantiles.get(percent)?, format!("{percent} %"))))
        .filter(|(value, _)| value.is_finite())
        .collect();
    let widest = marks.iter().map(|(value, _)| *value).fold(quantile(&values, 0.998), f64::max);
    let range = 0.0..(widest * 1.08).max(1e-12);
    Some(draw(480, title, &subtitle, |area| {
        distribution(area, &values, &range, "distance, in units of the features", &marks);
    }))
}

/// Bars of equal width over `range`, and marked values.
fn distribution(area: &Area<'_>, values: &[f64], range: &Range<f64>, x_label: &str, marks: &[(f64, String)]) {
    let width = (range.end - range.start) / BINS as f64;
    let mut counts = [0_u32; BINS];
    for value in values {
        #[expect(clippy::cast_possible_truncation, reason = "below the number of bins")]
        let at = ((value - range.start) / width).clamp(0.0, (BINS - 1) as f64) as usize;
        counts[at] += 1;
    }
    let top = f64::from(counts.iter().copied().max().unwrap_or_default().max(1)) * 1.12;
    let x_format = label(range);
    let mut chart = chart(area, (range.clone(), x_label), (0.0..top, "rows"), &x_format);
    let bars = counts.iter().enumerate().filter(|(_, count)| **count > 0).map(|(at, count)| {
        let left = range.start + at as f64 * width;
        Rectangle::new([(left + width * 0.06, 0.0), (left + width * 0.94, f64::from(*count))], BLUE.mix(0.75).filled())
    });
    chart.draw_series(bars).expect(DRAWN);
    for (nth, (value, text)) in marks.iter().enumerate() {
        if range.contains(value) {
            line(&mut chart, [(*value, 0.0), (*value, top)], ORANGE.stroke_width(2));
            // Below each other, so that marks that lie close do not write over one another.
            note(&chart, (*value, top * (1.0 - 0.07 * nth as f64)), text, &ORANGE);
        }
    }
}

fn short(value: f64) -> String {
    format!("{value:.2}").replace('-', "\u{2212}")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Moves of a seeded generator, of which a small part was foreseen, and distances.
    fn rows(n: usize) -> [Vec<f64>; 3] {
        let mut state = 9_u64;
        let mut draw = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64
        };
        let mut normal = || (0..12).map(|_| draw()).sum::<f64>() - 6.0;
        let foreseen: Vec<f64> = (0..n).map(|_| normal() * 1.5e-4).collect();
        let actual = foreseen.iter().map(|move_| 1.0 + move_ * 0.8 + normal() * 6e-4 - 0.5e-4).collect();
        let distances = (0..n).map(|_| 0.001 * (1.0 + normal().abs())).collect();
        [foreseen.iter().map(|move_| 1.0 + move_).collect(), actual, distances]
    }

    fn quantiles() -> Vec<f64> {
        (0..=100).map(|percent| 0.0008 + 0.00004 * f64::from(percent)).collect()
    }

    fn all([y_pred, y_true, d]: &[Vec<f64>; 3]) -> Vec<String> {
        let mut svgs =
            vec![predicted_against_actual("knn-crude@3 <test>", y_pred, y_true), residuals("m & n", y_pred, y_true)];
        svgs.extend(distances("knn-crude@3, test", d, &quantiles()));
        svgs
    }

    #[test]
    fn pictures_are_whole_small_and_the_same_every_time() {
        let rows = rows(20_000);
        let svgs = all(&rows);
        assert_eq!(svgs.len(), 3);
        for svg in &svgs {
            assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"));
            assert!(svg.len() < 600_000, "{} bytes", svg.len());
            assert!(!svg.contains("NaN") && !svg.contains("inf"));
        }
        assert_eq!(svgs, all(&rows));
        assert!(svgs[0].contains("knn-crude@3 &lt;test&gt;"), "a title is text, not markup");
        assert!(svgs[0].contains("predicted move, basis points") && svgs[0].contains("20000 rows"));
        assert!(svgs[1].contains("oldest first") && svgs[2].contains("99 %"));
    }

    #[test]
    fn whatever_the_rows_there_is_a_picture() {
        for (y_pred, y_true, distance) in [
            (vec![], vec![], vec![0.0]),
            (vec![1.0], vec![1.0], vec![0.0]),
            (vec![1.0; 50], vec![1.0; 50], vec![0.0; 50]),
            (vec![f64::NAN, 1.0], vec![1.0, f64::INFINITY], vec![f64::NAN, f64::INFINITY, 1.0]),
            (vec![1e300, -1e300], vec![-1e300, 1e300], vec![1e300, 1e-300]),
        ] {
            for svg in all(&[y_pred, y_true, distance]) {
                assert!(svg.trim_end().ends_with("</svg>"));
            }
        }
        assert!(distances("none", &[], &quantiles()).is_none());
        assert!(distances("no quantiles", &[1.0], &[]).is_some());
    }

    #[test]
    fn marks_have_as_many_decimals_as_tell_them_apart() {
        for (range, value, want) in [
            (-10.0..10.0, -2.5, "\u{2212}2.5"),
            (0.0..0.004, 0.0005, "0.0005"),
            (0.0..3_000.0, 500.0, "500"),
            (-1.0..1.0, -0.0, "0"),
        ] {
            assert_eq!(label(&range)(&value), want, "{range:?}");
        }
    }
}
