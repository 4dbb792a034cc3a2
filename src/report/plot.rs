//! Small plots as inline SVG. Colours are classes, so that one style sheet serves light, dark and paper; what a mark
//! means is its `<title>`, which browsers show without a script.

use std::fmt::Write as _;

use super::gather::nice_step;
use super::text::{escape, ratio};
use crate::domain::UtcMicros;

/// Of a picture that takes half a page, and of one that takes all of it: text is as large in both.
const HALF: (f64, f64) = (500.0, 270.0);
const WHOLE: (f64, f64) = (1_060.0, 300.0);
const LEFT: f64 = 62.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 42.0;
/// Marks that an axis aims at.
const MARKS: f64 = 5.0;
const WRITES: &str = "strings take what is written to them";

/// One axis: its span, its marks, and what it is of.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    marks: Vec<(f64, String)>,
    label: String,
}

impl Axis {
    /// Over all of `values`, with room to the next mark.
    pub(super) fn of(values: impl IntoIterator<Item = f64>, label: &str) -> Self {
        let finite = values.into_iter().filter(|value| value.is_finite());
        let (mut low, mut high) =
            finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        if high - low < 1e-9 * high.abs().max(1.0) {
            (low, high) = (low - 0.5, high + 0.5);
        }
        let step = nice_step((high - low) / MARKS);
        let (first, last) = ((low / step).floor(), (high / step).ceil());
        let decimals = decimals(step);
        let mut marks = Vec::new();
        let mut at = first;
        while at <= last + 0.5 {
            marks.push((at * step, ratio(at * step, decimals)));
            at += 1.0;
        }
        Self { low: first * step, high: last * step, marks, label: label.to_owned() }
    }

    /// Over a span that is drawn as it is; marks are round values within it.
    pub(super) fn span(low: f64, high: f64, label: &str) -> Self {
        let mut axis = Self::of([low, high], label);
        (axis.low, axis.high) = (low, high);
        axis.marks.retain(|(at, _)| (low..=high).contains(at));
        axis
    }

    /// Of times.
    pub(super) fn time(from: UtcMicros, to: UtcMicros) -> Self {
        const MINUTE: f64 = 60e6;
        const DAY: f64 = 86_400e6;
        let (low, high) = (from.0 as f64, (to.0 as f64).max(from.0 as f64 + MINUTE));
        let span = high - low;
        let steps = [1.0, 5.0, 15.0, 60.0, 180.0, 360.0].map(|minutes| minutes * MINUTE);
        let days = [1.0, 2.0, 5.0, 7.0, 14.0, 30.0, 60.0, 90.0, 180.0, 365.0, 730.0, 1_825.0].map(|days| days * DAY);
        let step = steps.into_iter().chain(days).find(|step| span / step <= 4.6).unwrap_or(3_650.0 * DAY);
        let mut marks = Vec::new();
        let mut at = (low / step).ceil() * step;
        while at <= high {
            #[expect(clippy::cast_possible_truncation, reason = "between two times")]
            let text = UtcMicros(at as i64).to_string();
            let shown = if step < DAY { &text[5..16] } else { &text[..10] };
            marks.push((at, shown.replace('T', " ")));
            at += step;
        }
        Self { low, high, marks, label: String::new() }
    }

    /// Of names, each at the middle of a unit: the first spans 0 to 1.
    pub(super) fn names(names: &[String], label: &str) -> Self {
        // So many that their texts do not run into each other.
        let stride = names.len().div_ceil(12).max(1);
        let marks = (0u32..).zip(names).step_by(stride);
        let marks = marks.map(|(at, name)| (f64::from(at) + 0.5, name.clone())).collect();
        Self { low: 0.0, high: names.len().max(1) as f64, marks, label: label.to_owned() }
    }

    fn share(&self, value: f64) -> f64 {
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }
}

/// Decimals that tell two marks a step apart from each other.
fn decimals(step: f64) -> usize {
    let text = format!("{step:.9}");
    text.split_once('.').map_or(0, |(_, rest)| rest.trim_end_matches('0').len())
}

/// A plot in the making.
#[derive(Debug)]
pub(super) struct Plot {
    x: Axis,
    y: Axis,
    width: f64,
    height: f64,
    name: String,
    body: String,
}

impl Plot {
    /// Over half a page; `name` is what a screen reader says of it.
    pub(super) fn new(name: &str, x: Axis, y: Axis) -> Self {
        Self { x, y, width: HALF.0, height: HALF.1, name: name.to_owned(), body: String::new() }
    }

    /// Over a whole page.
    pub(super) fn wide(name: &str, x: Axis, y: Axis) -> Self {
        Self { width: WHOLE.0, height: WHOLE.1, ..Self::new(name, x, y) }
    }

    fn across(&self, x: f64) -> f64 {
        LEFT + self.x.share(x) * (self.width - LEFT - RIGHT)
    }

    fn down(&self, y: f64) -> f64 {
        self.height - BOTTOM - self.y.share(y) * (self.height - TOP - BOTTOM)
    }

    /// Joins points from left to right; those without a value leave a break.
    pub(super) fn line(&mut self, class: &str, points: impl IntoIterator<Item = (f64, Option<f64>)>) {
        let mut path = String::new();
        let mut is_down = false;
        for (x, y) in points {
            let Some(y) = y.filter(|y| y.is_finite()) else {
                is_down = false;
                continue;
            };
            let verb = if is_down { 'L' } else { 'M' };
            write!(path, "{verb}{:.1} {:.1}", self.across(x), self.down(y)).expect(WRITES);
            is_down = true;
        }
        write!(self.body, r#"<path class="line {class}" d="{path}"/>"#).expect(WRITES);
    }

    /// A bar from `from` to `to` along the axis, from 0 to `y`.
    pub(super) fn bar(&mut self, class: &str, (from, to): (f64, f64), y: f64, title: &str) {
        let (left, right) = (self.across(from), self.across(to));
        let (zero, end) = (self.down(0.0), self.down(y));
        let (top, height) = (zero.min(end), (zero - end).abs());
        // A gap of a point or so between neighbours.
        let room = ((right - left) * 0.08).min(1.0);
        write!(
            self.body,
            r#"<rect class="bar {class}" x="{:.1}" y="{top:.1}" width="{:.1}" height="{:.1}"><title>{}</title></rect>"#,
            left + room,
            (right - left - 2.0 * room).max(0.5),
            height.max(0.5),
            escape(title)
        )
        .expect(WRITES);
    }

    /// A dot, with a whisker where there is an error.
    pub(super) fn dot(&mut self, class: &str, (x, y): (f64, f64), error: Option<f64>, title: &str) {
        if let Some(error) = error {
            self.whisker(class, x, (y - error, y + error));
        }
        let (at, height) = (self.across(x), self.down(y));
        write!(self.body, "<g class=\"mark {class}\"><title>{}</title>", escape(title)).expect(WRITES);
        write!(self.body, r#"<circle cx="{at:.1}" cy="{height:.1}" r="4"/></g>"#).expect(WRITES);
    }

    /// A span of `y` at `x`.
    pub(super) fn whisker(&mut self, class: &str, x: f64, (low, high): (f64, f64)) {
        let (at, low, high) = (self.across(x), self.down(low), self.down(high));
        write!(self.body, r#"<path class="line {class}" d="M{at:.1} {low:.1}V{high:.1}"/>"#).expect(WRITES);
    }

    /// Many faint points.
    pub(super) fn cloud(&mut self, class: &str, points: &[(f64, f64)]) {
        let mut path = String::new();
        for (x, y) in points {
            write!(path, "M{:.1} {:.1}h0", self.across(*x), self.down(*y)).expect(WRITES);
        }
        write!(self.body, r#"<path class="cloud {class}" d="{path}"/>"#).expect(WRITES);
    }

    /// A level across the whole plot, with a word at its right end.
    pub(super) fn level(&mut self, y: f64, word: &str) {
        let at = self.down(y);
        write!(
            self.body,
            r#"<path class="level" d="M{LEFT} {at:.1}H{:.1}"/><text class="note" text-anchor="end" x="{:.1}" y="{:.1}">{}</text>"#,
            self.width - RIGHT,
            self.width - RIGHT - 4.0,
            at - 5.0,
            escape(word)
        )
        .expect(WRITES);
    }

    /// The line on which both axes say the same.
    pub(super) fn diagonal(&mut self, word: &str) {
        let (low, high) = (self.x.low.max(self.y.low), self.x.high.min(self.y.high));
        if low >= high {
            return;
        }
        let at = |value: f64| (self.across(value), self.down(value));
        let ((x0, y0), (x1, y1)) = (at(low), at(high));
        write!(
            self.body,
            r#"<path class="level" d="M{x0:.1} {y0:.1}L{x1:.1} {y1:.1}"/><text class="note" text-anchor="end" x="{:.1}" y="{:.1}">{}</text>"#,
            x1 - 8.0,
            y1 + 12.0,
            escape(word)
        )
        .expect(WRITES);
    }

    /// The finished picture.
    pub(super) fn draw(self) -> String {
        let Self { x, y, width, height, name, body } = &self;
        let bottom = height - BOTTOM;
        let mut svg = format!(
            r#"<svg viewBox="0 0 {width} {height}" role="img" aria-label="{}" xmlns="http://www.w3.org/2000/svg">"#,
            escape(name)
        );
        for (value, text) in &y.marks {
            let at = self.down(*value);
            let class = if value.abs() < 1e-12 { "zero" } else { "grid" };
            write!(
                svg,
                r#"<path class="{class}" d="M{LEFT} {at:.1}H{:.1}"/><text text-anchor="end" x="{:.1}" y="{:.1}">{text}</text>"#,
                width - RIGHT,
                LEFT - 7.0,
                at + 4.0
            )
            .expect(WRITES);
        }
        for (value, text) in &x.marks {
            let at = self.across(*value);
            // Kept within the picture, whatever its length.
            let anchor = if at > width - RIGHT - 24.0 { "end" } else { "middle" };
            write!(
                svg,
                r#"<path class="tick" d="M{at:.1} {bottom:.1}v4"/><text text-anchor="{anchor}" x="{at:.1}" y="{:.1}">{}</text>"#,
                bottom + 17.0,
                escape(text)
            )
            .expect(WRITES);
        }
        write!(
            svg,
            r#"<path class="axis" d="M{LEFT} {bottom:.1}H{:.1}"/><text class="label" text-anchor="middle" x="{:.1}" y="{:.1}">{}</text><text class="label" text-anchor="middle" transform="translate(12 {:.1}) rotate(-90)">{}</text>"#,
            width - RIGHT,
            (LEFT + width - RIGHT) / 2.0,
            height - 7.0,
            escape(&x.label),
            (TOP + bottom) / 2.0,
            escape(&y.label)
        )
        .expect(WRITES);
        svg.push_str(body);
        svg.push_str("</svg>");
        svg
    }
}

/// An interval on a shared scale, for a cell of a table.
pub(super) fn interval(low: Option<f64>, middle: f64, high: Option<f64>, scale: (f64, f64)) -> String {
    const SIZE: f64 = 140.0;
    let at = |value: f64| ((value - scale.0) / (scale.1 - scale.0)).clamp(0.0, 1.0) * (SIZE - 8.0) + 4.0;
    let (from, to) = (low.map_or(0.0, at), high.map_or(SIZE, at));
    let zero = at(0.0);
    format!(
        r#"<svg class="cell" viewBox="0 0 {SIZE} 18" aria-hidden="true"><path class="zero" d="M{zero:.1} 1V17"/><path class="line s1" d="M{from:.1} 9H{to:.1}"/><circle class="s1 fill" cx="{:.1}" cy="9" r="3.6"/></svg>"#,
        at(middle)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_a_few_round_marks_over_all_values() {
        for values in
            [vec![0.13, 7.9], vec![-0.002, 0.001], vec![5.0, 5.0], vec![], vec![f64::NAN, 1e9], vec![-3.0, 0.0]]
        {
            let axis = Axis::of(values.clone(), "x");
            assert!((2..=10).contains(&axis.marks.len()), "{values:?}: {:?}", axis.marks);
            for value in values.into_iter().filter(|value| value.is_finite()) {
                assert!(axis.low <= value && value <= axis.high);
            }
            let texts: std::collections::BTreeSet<&String> = axis.marks.iter().map(|(_, text)| text).collect();
            assert_eq!(texts.len(), axis.marks.len(), "marks can be told apart: {:?}", axis.marks);
        }
        let (from, to): (UtcMicros, UtcMicros) =
            ("2014-05-01T00:00:00Z".parse().unwrap(), "2014-06-20T00:00:00Z".parse().unwrap());
        let axis = Axis::time(from, to);
        assert!((3..=8).contains(&axis.marks.len()) && axis.marks[0].1.starts_with("2014-0"), "{:?}", axis.marks);
        assert!(!Axis::time(from, from).marks.is_empty());
    }

    #[test]
    fn text_is_no_markup_and_no_number_is_lost() {
        let mut plot = Plot::new("a <b>", Axis::of([0.0, 10.0], "x & y"), Axis::of([0.0, 1.0], "y"));
        plot.line("s1", [(0.0, Some(0.0)), (5.0, None), (6.0, Some(f64::NAN)), (9.0, Some(1.0)), (10.0, Some(0.5))]);
        plot.bar("s1", (1.0, 2.0), 0.5, "<script>");
        plot.dot("s2", (3.0, 0.5), Some(0.1), "dot");
        plot.cloud("s2", &[(1.0, 1.0)]);
        plot.level(0.3, "gate");
        plot.diagonal("equal");
        let svg = plot.draw();
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>"));
        assert!(svg.contains("a &lt;b&gt;") && svg.contains("&lt;script&gt;") && !svg.contains("NaN"));
        let line = svg.split(r#"class="line s1" d=""#).nth(1).expect("the line").split('"').next().expect("its path");
        assert_eq!(line.matches('M').count(), 2, "a missing value is a break: {line}");
    }
}
