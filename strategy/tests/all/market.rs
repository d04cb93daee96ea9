//! The bars and daily values the tests run on: generated ones, which `oracle/regenerate.py` generates alike, and real ones.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use contracts::bar::{Bar, Stamp};
use contracts::features::{FeatureContract, load_contract};
use contracts::files::{BarFileOptions, read_bars, read_daily};
use contracts::ids::{InstrumentId, SeriesId};
use contracts::limits::BAR_INTERVAL_MS;
use contracts::time::{DayNumber, UtcMillis};

const DAY_MS: i64 = 86_400_000;
const SERIES: [&str; 7] = ["brent", "col10y", "dxy", "embi", "usdmxn", "ust10y", "vix"];

/// One daily value of a series.
#[derive(Debug, Clone)]
pub struct Daily {
    pub series: SeriesId,
    pub date: DayNumber,
    pub value: f64,
}

/// What a test runs on.
#[derive(Debug, Clone)]
pub struct Market {
    pub instrument: InstrumentId,
    pub bars: Vec<Bar>,
    pub daily: Vec<Daily>,
}

/// SplitMix64.
pub struct Draw(pub u64);

impl Draw {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> i64 {
        i64::try_from(self.next() % n).expect("a small number")
    }
}

/// A shipped feature contract.
pub fn contract(name: &str) -> FeatureContract {
    let path = format!("{}/../config/features/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
    load_contract(Path::new(&path)).unwrap()
}

/// Twelve bars from 08:00 Bogota on every week-day of 600 days, flat at first and in the middle, and seven daily walks.
pub fn generated() -> Market {
    generated_with_flat(2_000..2_500)
}

/// The same with another flat stretch in the middle.
pub fn generated_with_flat(middle: std::ops::Range<usize>) -> Market {
    let mut draw = Draw(7);
    let (mut ticks, mut bars) = (400_000_i64, Vec::new());
    let monday = DayNumber::parse("2021-01-04").unwrap();
    for offset in (0..600).filter(|offset| offset % 7 < 5) {
        for slot in 1..=12 {
            let i = bars.len();
            let flat = i < 40 || middle.contains(&i);
            let (up, mut wick, mut under) = (draw.below(81), draw.below(13), draw.below(13));
            let open = ticks;
            if flat {
                (wick, under) = (0, 0);
            } else {
                ticks += up - 40;
            }
            let price = |ticks: i64| ticks as f64 / 100.0;
            bars.push(Bar {
                close_time: UtcMillis(
                    i64::from(monday.0 + offset) * DAY_MS + 13 * 3_600_000 + slot * BAR_INTERVAL_MS,
                ),
                open: price(open),
                high: price(open.max(ticks) + wick),
                low: price(open.min(ticks) - under),
                close: price(ticks),
                volume: 0.0,
            });
        }
    }
    Market {
        instrument: InstrumentId::parse("USDCOP").unwrap(),
        bars,
        daily: generated_daily(),
    }
}

fn generated_daily() -> Vec<Daily> {
    let first = DayNumber::parse("2019-10-01").unwrap();
    let mut daily = Vec::new();
    for (seed, name) in (100..).zip(SERIES) {
        let (mut draw, mut ticks) = (Draw(seed), 50_000_i64);
        for day in 0..1_060 {
            let (step, blank) = (draw.below(401), draw.below(5) == 0);
            ticks += step - 200;
            if !blank {
                daily.push(Daily {
                    series: SeriesId::parse(name).unwrap(),
                    date: DayNumber(first.0 + day),
                    value: ticks as f64 / 1_000.0,
                });
            }
        }
    }
    daily
}

/// Five-minute bars without a pause.
pub fn steady_bars(first_close: &str, n: usize, seed: u64) -> Vec<Bar> {
    let first = UtcMillis::parse(first_close).unwrap();
    let mut draw = Draw(seed);
    let mut ticks = 1_000_000_i64;
    (0..n as i64)
        .map(|i| {
            let open = ticks;
            ticks += draw.below(201) - 100;
            let price = |ticks: i64| ticks as f64 / 1_000.0;
            Bar {
                close_time: first.plus_ms(i * BAR_INTERVAL_MS),
                open: price(open),
                high: price(open.max(ticks) + draw.below(20)),
                low: price(open.min(ticks) - draw.below(20)),
                close: price(ticks),
                volume: 1.0,
            }
        })
        .collect()
}

fn shared(test: &str, name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/data")
        .join(name);
    if path.is_file() {
        return Some(path);
    }
    // The handle, not the macro: the test runner's capture must not swallow it.
    drop(writeln!(
        std::io::stderr(),
        "SKIPPED: {test}: ../shared/data not found"
    ));
    None
}

/// The real USD/COP bars and daily series, if they are there.
pub fn usdcop(test: &str) -> Option<Market> {
    let bars = read_bars(
        &shared(test, "usdcop_5m.csv.gz")?,
        &BarFileOptions::stamped(Stamp::Open),
    )
    .unwrap();
    let file = read_daily(&shared(test, "macro_daily.csv")?).unwrap();
    let wanted = |row: &&contracts::files::DailyRow| SERIES.contains(&file.series[row.series].as_str());
    let daily = file.rows.iter().filter(wanted).map(|row| Daily {
        series: file.series[row.series].clone(),
        date: row.date,
        value: row.value,
    });
    Some(Market {
        instrument: InstrumentId::parse("USDCOP").unwrap(),
        bars: bars.bars,
        daily: daily.collect(),
    })
}

/// The real EUR/USD bars, if they are there.
pub fn eurusd(test: &str) -> Option<Market> {
    let bars = read_bars(
        &shared(test, "eurusd_5m.csv.gz")?,
        &BarFileOptions::stamped(Stamp::Open),
    )
    .unwrap();
    Some(Market {
        instrument: InstrumentId::parse("EURUSD").unwrap(),
        bars: bars.bars,
        daily: Vec::new(),
    })
}
