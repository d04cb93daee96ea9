//! Where an axis has its lines: round numbers, and months.

use contracts::time::DayNumber;

use crate::outcome::BarRow;

/// Lines of an axis, at most.
const LINES: f64 = 6.0;
/// Months named below a chart, at most.
const MONTHS: usize = 12;

/// Round numbers from the lowest to the highest value: multiples of 1, 2 or 5 times a power of ten, as texts without idle digits.
#[must_use]
pub fn round_numbers(low: f64, high: f64) -> Vec<(f64, String)> {
    let raw = (high - low) / LINES;
    if !(raw.is_finite() && raw > 0.0) {
        return Vec::new();
    }
    // From the text of the number, so that no logarithm has to be right in its last bit.
    let scientific = format!("{raw:e}");
    let exponent: i32 = scientific
        .split_once('e')
        .and_then(|(_, exponent)| exponent.parse().ok())
        .unwrap_or(0);
    let (times, exponent) = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|times| times * 10_f64.powi(exponent) >= raw)
        .map_or((1.0, exponent + 1), |times| (times, exponent));
    let step = times * 10_f64.powi(exponent);
    let places = usize::try_from(-exponent).unwrap_or(0);
    let (first, last) = ((low / step).ceil() as i64, (high / step).floor() as i64);
    (first..=last)
        .map(|n| {
            let value = n as f64 * step;
            (value, format!("{value:.places$}"))
        })
        .collect()
}

/// Places at which a month begins, with its name; every second, third, … where there are many.
#[must_use]
pub fn months(bars: &[BarRow]) -> Vec<(usize, String)> {
    months_of(bars.iter().map(|row| row.session))
}

/// The same of dates in order.
#[must_use]
pub fn months_of(dates: impl Iterator<Item = DayNumber>) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut before: Option<DayNumber> = None;
    for (at, date) in dates.enumerate() {
        if before == Some(date) {
            continue;
        }
        before = Some(date);
        let month: String = date.to_string().chars().take(7).collect();
        if found.last().is_none_or(|(_, last)| *last != month) {
            found.push((at, month));
        }
    }
    let every = found.len().div_ceil(MONTHS).max(1);
    found.into_iter().step_by(every).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::noise;

    fn texts(low: f64, high: f64) -> Vec<String> {
        round_numbers(low, high)
            .into_iter()
            .map(|(_, text)| text)
            .collect()
    }

    #[test]
    fn lines_are_at_round_numbers_inside_the_range() {
        assert_eq!(texts(83_345.0, 100_547.0), ["85000", "90000", "95000", "100000"]);
        assert_eq!(texts(-17.11, 0.0), ["-15", "-10", "-5", "0"]);
        assert_eq!(texts(0.0, 0.05), ["0.00", "0.01", "0.02", "0.03", "0.04", "0.05"]);
        assert_eq!(texts(0.0, 5.1), ["0", "1", "2", "3", "4", "5"]);
        assert_eq!(texts(-1.0, 1.0), ["-1.0", "-0.5", "0.0", "0.5", "1.0"]);
        assert!(texts(1.0, 1.0).is_empty() && texts(0.0, f64::INFINITY).is_empty());
    }

    #[test]
    fn months_begin_where_they_do() {
        let mut run = noise(&[1.0; 40]);
        for (at, row) in run.bars.iter_mut().enumerate() {
            row.session = contracts::time::DayNumber(20_089 + at as i32);
        }
        let found = months(&run.bars);
        assert_eq!(found, [(0, "2025-01".to_owned()), (31, "2025-02".to_owned())]);
        assert!(months(&[]).is_empty());
    }
}
