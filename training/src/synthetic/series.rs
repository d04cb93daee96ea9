//! The daily half of the market: seven series around their levels, on week-days, blank on some of them.

use contracts::files::{DailyFile, DailyRow};
use contracts::ids::SeriesId;
use contracts::time::DayNumber;

use super::SyntheticSpec;
use super::draws::Draws;

/// A series: its level, and the standard deviation of its daily move relative to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Driver {
    pub name: &'static str,
    pub level: f64,
    pub daily: f64,
}

const fn driver(name: &'static str, level: f64, daily: f64) -> Driver {
    Driver { name, level, daily }
}

/// The dollar index, one half of the signal.
pub(super) const DXY: Driver = driver("dxy", 103.0, 0.004);
/// Mexican pesos per dollar, the other half.
pub(super) const USDMXN: Driver = driver("usdmxn", 18.5, 0.007);
/// All series, in the order of the file.
pub(super) const DRIVERS: [Driver; 7] = [
    driver("brent", 75.0, 0.018),
    driver("col10y", 11.0, 0.009),
    DXY,
    driver("embi", 320.0, 0.015),
    USDMXN,
    driver("ust10y", 4.2, 0.012),
    driver("vix", 17.0, 0.06),
];

/// Share of its distance to the level that a series closes in a day: half of it is gone after seven weeks.
const REVERSION: f64 = 0.02;
/// Week-days without a value, in a thousand.
const BLANK_PER_MILLE: u32 = 20;
/// Days before the first session from which there are values: a full window of 252 daily values, with room for blanks and holidays.
const LEAD_DAYS: i32 = 420;
/// Random streams of the series begin here; those below belong to the bars.
const STREAM_BASE: u64 = 1 << 32;
/// Decimals kept, as a file of daily values has them.
const DECIMALS: f64 = 10_000.0;

/// Day 0 (1970-01-01) was a Thursday.
pub(super) const fn is_weekday(day: DayNumber) -> bool {
    (day.0 + 3).rem_euclid(7) < 5
}

/// Values by date, then by series.
pub(super) fn generate(spec: &SyntheticSpec) -> DailyFile {
    let days = || (spec.first_day.0 - LEAD_DAYS..=spec.last_day.0).map(DayNumber);
    let mut rows = Vec::new();
    for (series, driver) in DRIVERS.iter().enumerate() {
        let mut draws = Draws::new(spec.seed, STREAM_BASE + series as u64);
        // Where a series is after a long time, so that the beginning is like the rest.
        let settled = driver.daily / libm::sqrt(REVERSION * (2.0 - REVERSION));
        let mut distance = settled * draws.normal();
        for date in days().filter(|day| is_weekday(*day)) {
            distance = distance * (1.0 - REVERSION) + driver.daily * draws.normal();
            let value = (driver.level * libm::exp(distance) * DECIMALS).round() / DECIMALS;
            if !draws.per_mille(BLANK_PER_MILLE) {
                rows.push(DailyRow {
                    series,
                    date,
                    value,
                    arrived_at: None,
                });
            }
        }
    }
    rows.sort_by_key(|row| (row.date, row.series));
    DailyFile {
        series: DRIVERS.iter().map(id).collect(),
        rows,
    }
}

pub(super) fn id(driver: &Driver) -> SeriesId {
    SeriesId::parse(driver.name).expect("the table above holds series names")
}
