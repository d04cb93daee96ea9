//! Bars and daily values for a feature contract where nobody gives any: a seeded walk on the contract's own calendar.

use contracts::bar::Bar;
use contracts::features::FeatureContract;
use contracts::ids::{InstrumentId, SeriesId};
use contracts::limits::BAR_INTERVAL_MS;
use contracts::time::{DayNumber, UtcMillis};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use strategy::onnx::testmodels::normal;
use strategy::plan::FeaturePlan;

use crate::feeds::file_server::{Tape, TapeError, TapeMacro};

const DAY_MS: i64 = 86_400_000;
/// 2019-01-01: where the shipped calendars begin.
const FIRST_DAY: DayNumber = DayNumber(17_897);
/// Calendar days of daily values before the first bar: more than any window of the shipped features.
const LEAD_DAYS: i32 = 500;
/// Standard deviation of a bar's return, and of a day's.
const BAR_SD: f64 = 0.000_4;
const DAY_SD: f64 = 0.01;
/// Share of the distance to its level that a price closes per step: the walk stays inside every sensible bound.
const REVERSION: f64 = 0.001;
/// Where a price begins when the contract sets no bounds for it.
const LEVEL: f64 = 100.0;

/// `bars` bars of `instrument`, inside the sessions of `features`, with daily values of every series it uses.
///
/// # Errors
/// [`TapeError`] never, as bars come in order.
pub fn tape(
    plan: &FeaturePlan,
    features: &FeatureContract,
    instrument: &InstrumentId,
    bars: usize,
    seed: u64,
) -> Result<Tape, TapeError> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let level = features
        .price_bounds
        .get(instrument)
        .map_or(LEVEL, |bounds| (bounds.price_min * bounds.price_max).sqrt());
    let walk = walk(plan, &mut rng, level, bars);
    let last = walk.last().map_or(0, |bar| bar.close_time.0);
    let days = i32::try_from(last / DAY_MS).unwrap_or(i32::MAX);
    let daily = features
        .macro_rules
        .keys()
        .enumerate()
        .flat_map(|(place, series)| values(plan, &mut rng, place, series, days))
        .collect();
    Tape::new([(instrument.clone(), walk)], daily)
}

fn walk(plan: &FeaturePlan, rng: &mut ChaCha8Rng, level: f64, bars: usize) -> Vec<Bar> {
    let first = i64::from(FIRST_DAY.0) * DAY_MS;
    let mut last = level;
    (1..)
        .map(|n| UtcMillis(first + n * BAR_INTERVAL_MS))
        .filter(|close_time| plan.calendar().in_session(*close_time))
        .take(bars)
        .map(|close_time| {
            let open = last;
            last = stepped(rng, open, level, BAR_SD);
            let wick = |rng: &mut ChaCha8Rng| 1.0 + f64::from(normal(rng).abs()) * BAR_SD / 2.0;
            Bar {
                close_time,
                open,
                high: open.max(last) * wick(rng),
                low: open.min(last) / wick(rng),
                close: last,
                volume: 0.0,
            }
        })
        .collect()
}

fn values(
    plan: &FeaturePlan,
    rng: &mut ChaCha8Rng,
    place: usize,
    series: &SeriesId,
    days: i32,
) -> Vec<TapeMacro> {
    let level = LEVEL / 10.0;
    let mut value = level;
    (FIRST_DAY.0 - LEAD_DAYS..=days)
        .map(DayNumber)
        .filter_map(|date| {
            value = stepped(rng, value, level, DAY_SD);
            Some(TapeMacro {
                series: series.clone(),
                date,
                value,
                arrived_at: None,
                visible_at: plan.visible_at(place, date, None)?,
            })
        })
        .collect()
}

fn stepped(rng: &mut ChaCha8Rng, from: f64, level: f64, sd: f64) -> f64 {
    from * (1.0 + f64::from(normal(rng)) * sd) + (level - from) * REVERSION
}
