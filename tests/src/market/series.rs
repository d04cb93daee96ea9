//! The macro half of the generated market: daily, mean reverting, blank on some days.

use contracts::ids::SeriesId;
use contracts::time::DayNumber;
use rand::Rng as _;

use super::noise::Noise;
use super::{MacroPoint, MarketSpec, is_weekday};

/// Name, level it returns to, daily standard deviation in per mille of it.
const SERIES: [(&str, f64, f64); 7] = [
    ("brent", 75.0, 18.0),
    ("col10y", 11.0, 9.0),
    ("dxy", 103.0, 4.0),
    ("embi", 320.0, 15.0),
    ("usdmxn", 18.5, 7.0),
    ("ust10y", 4.2, 12.0),
    ("vix", 17.0, 60.0),
];

/// Share of the distance to its level that a series closes in a day.
const REVERSION: f64 = 0.02;
/// Weekdays without a value, in a thousand.
const BLANK_PER_MILLE: u32 = 20;
/// Random streams of the series begin here; those below belong to instruments.
const STREAM_BASE: u64 = 1 << 32;

pub(super) fn generate(spec: &MarketSpec) -> Vec<MacroPoint> {
    let first = spec.first_day.0 - i32::try_from(spec.macro_lead_days).expect("days fit 31 bits");
    let last = spec.first_day.0 + i32::try_from(spec.days).expect("days fit 31 bits");
    let mut points = Vec::new();
    for (index, (name, level, sd_per_mille)) in SERIES.iter().enumerate() {
        let series = SeriesId::parse(name).expect("the table above holds series names");
        let mut noise = Noise::new(spec.seed, STREAM_BASE + index as u64);
        let mut distance = 0.0;
        for day in (first..last).map(DayNumber) {
            if !is_weekday(day) {
                continue;
            }
            distance = distance * (1.0 - REVERSION) + sd_per_mille / 1_000.0 * noise.normal();
            if noise.rng.random_range(0..1_000) >= BLANK_PER_MILLE {
                points.push(MacroPoint {
                    series: series.clone(),
                    date: day,
                    value: level * libm::exp(distance),
                });
            }
        }
    }
    points.sort_by(|a, b| (a.date, &a.series).cmp(&(b.date, &b.series)));
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_has_a_full_window_before_the_first_bar() {
        let spec = MarketSpec::usdcop_like(5, "USDCOP", 10);
        let points = generate(&spec);
        for (name, level, _) in SERIES {
            let before = points
                .iter()
                .filter(|p| p.series.as_str() == name && p.date < spec.first_day)
                .count();
            assert!(before >= 252, "{name}: {before}");
            let inside = |p: &MacroPoint| p.value > level * 0.2 && p.value < level * 5.0;
            assert!(
                points.iter().filter(|p| p.series.as_str() == name).all(inside),
                "{name}"
            );
        }
        assert!(points.iter().all(|p| is_weekday(p.date)));
    }
}
