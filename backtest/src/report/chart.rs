//! Charts as inline SVG: a line over the bars, and a histogram. No script, no file beside it.

use std::fmt::Write as _;

use super::axis::round_numbers;
use super::escape::escape;

const WIDTH: f64 = 1_000.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 90.0;
const BOTTOM: f64 = 24.0;
/// Points of a line: more would not be seen.
const POINTS: usize = 1_000;
/// More marks than this are drawn as points.
const MARKS_AS_DOTS: usize = 200;

/// A mark on a line: where (index of the value) and whether it is an entry to long, to short, or an exit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mark {
    /// Index of the value.
    pub at: usize,
    /// At which value.
    pub value: f64,
    /// `long`, `short` or `exit`: a class of the page's style.
    pub class: &'static str,
}

/// A line of values; `labels` stand below the places they name. Of every stretch too short to be seen, lowest and highest value are drawn,
/// so that no extreme is lost.
#[must_use]
pub fn line(title: &str, values: &[f64], marks: &[Mark], labels: &[(usize, String)]) -> String {
    let Some((low, high)) = range(values.iter().copied()) else {
        return String::new();
    };
    let x = |at: usize| LEFT + (WIDTH - LEFT) * at as f64 / (values.len().max(2) - 1) as f64;
    let y = |value: f64| (HEIGHT - BOTTOM) * (1.0 - (value - low) / (high - low));
    let mut svg = open(title);
    for (value, text) in round_numbers(low, high) {
        push(
            &mut svg,
            format_args!(
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{0:.1}\" y2=\"{0:.1}\"/><text x=\"{1}\" y=\"{2:.1}\" text-anchor=\"end\">{text}</text>",
                y(value),
                LEFT - 6.0,
                y(value) + 4.0
            ),
        );
    }
    for (at, text) in labels {
        push(
            &mut svg,
            format_args!(
                "<line class=\"grid\" x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"0\" y2=\"{1}\"/><text x=\"{0:.1}\" y=\"{2}\">{3}</text>",
                x(*at),
                HEIGHT - BOTTOM,
                HEIGHT - 6.0,
                escape(text)
            ),
        );
    }
    svg.push_str("<polyline points=\"");
    let stretch = values.len().div_ceil(POINTS).max(1);
    for (part, chunk) in values.chunks(stretch).enumerate() {
        for at in extremes(chunk) {
            push(
                &mut svg,
                format_args!("{:.1},{:.1} ", x(part * stretch + at), y(chunk[at])),
            );
        }
    }
    svg.push_str("\"/>");
    // Many marks are points, few are dots.
    let radius = if marks.len() > MARKS_AS_DOTS { 1.2 } else { 3.0 };
    for mark in marks {
        push(
            &mut svg,
            format_args!(
                "<circle class=\"{}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"{radius}\"/>",
                mark.class,
                x(mark.at),
                y(mark.value.clamp(low, high))
            ),
        );
    }
    svg.push_str("</svg>");
    svg
}

/// How many values lie in each of `bins` equal parts of their range.
#[must_use]
pub fn histogram(title: &str, values: &[f64], bins: usize) -> String {
    let Some((low, high)) = range(values.iter().copied()) else {
        return String::new();
    };
    let mut counts = vec![0_u32; bins];
    for value in values {
        let bin = ((value - low) / (high - low) * bins as f64) as usize;
        counts[bin.min(bins - 1)] += 1;
    }
    let most = f64::from(counts.iter().copied().max().unwrap_or(1).max(1));
    let wide = (WIDTH - LEFT) / bins as f64;
    let mut svg = open(title);
    for (bin, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let tall = (HEIGHT - BOTTOM - 14.0) * f64::from(*count) / most;
        let (x, y) = (LEFT + wide * bin as f64, HEIGHT - BOTTOM - tall);
        push(
            &mut svg,
            format_args!(
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{tall:.1}\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{count}</text>",
                wide - 2.0,
                x + wide / 2.0,
                y - 3.0
            ),
        );
    }
    for (value, text) in round_numbers(low, high) {
        let x = LEFT + (WIDTH - LEFT) * (value - low) / (high - low);
        push(
            &mut svg,
            format_args!(
                "<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{text}</text>",
                HEIGHT - 6.0
            ),
        );
    }
    svg.push_str("</svg>");
    svg
}

fn open(title: &str) -> String {
    let title = escape(title);
    format!(
        "<h2>{title}</h2><svg viewBox=\"0 -10 {WIDTH} {}\" role=\"img\" aria-label=\"{title}\">",
        HEIGHT + 10.0
    )
}

fn push(out: &mut String, what: std::fmt::Arguments<'_>) {
    out.write_fmt(what).expect("writing to a string never fails");
}

/// Lowest and highest value, apart; none without values.
fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let (low, high) = values
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
    let pad = if low == high {
        low.abs().max(1.0) * 0.01
    } else {
        0.0
    };
    (low <= high).then_some((low - pad, high + pad))
}

/// Places of the lowest and the highest value, in order.
fn extremes(chunk: &[f64]) -> Vec<usize> {
    let by = |a: &usize, b: &usize| chunk[*a].total_cmp(&chunk[*b]);
    let mut found: Vec<usize> = [(0..chunk.len()).min_by(by), (0..chunk.len()).max_by(by)]
        .into_iter()
        .flatten()
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// A number with as many places as its size asks for.
#[must_use]
pub fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 1_000.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_extreme_of_a_long_line_is_lost() {
        let mut values = vec![1.0; 50_000];
        values[33_333] = 9.0;
        let svg = line("t", &values, &[], &[(0, "<b>".to_owned())]);
        assert!(svg.contains(",0.0 "), "the peak is at the top edge");
        assert!(svg.len() < 60_000, "{} bytes", svg.len());
        assert!(svg.contains("&lt;b&gt;") && !svg.contains("<b>"));
    }

    #[test]
    fn nothing_to_draw_is_no_chart_and_a_constant_is_one() {
        assert_eq!(line("t", &[], &[], &[]), "");
        assert_eq!(histogram("t", &[f64::NAN], 3), "");
        assert!(!line("t", &[0.0, 0.0], &[], &[]).contains("NaN"));
    }

    #[test]
    fn every_value_is_in_a_bin() {
        let svg = histogram("t", &[0.0, 0.1, 0.9, 1.0], 2);
        assert_eq!(svg.matches("middle\">2</text>").count(), 2, "{svg}");
    }
}
