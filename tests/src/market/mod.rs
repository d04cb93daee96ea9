//! A generated market: seeded, repeatable, with the properties of real five-minute bars that matter to the code.
//!
//! Log returns have clustered volatility (a GARCH(1,1) recursion), fat tails (Student t, 4 degrees of freedom), more
//! movement at the ends of a session than in its middle, and jumps overnight; prices are doubles with full mantissas,
//! so that most need 17 digits; some bars are missing. Macro series are daily, mean reverting, blank on some days.
//! Nothing here uses the code under test: the session grid is plain arithmetic in UTC.

mod files;
mod noise;
mod series;

use contracts::bar::Bar;
use contracts::ids::{InstrumentId, SeriesId};
use contracts::time::{DayNumber, UtcMillis};
use rand::Rng as _;

pub use files::MarketFiles;
use noise::Noise;

const DAY_MS: i64 = 86_400_000;
const BAR_MS: i64 = contracts::limits::BAR_INTERVAL_MS;

/// When bars exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grid {
    /// Monday to Friday 08:00–13:00 in Bogota, which is 13:00–18:00 UTC all year: 60 bars a session.
    Bogota,
    /// Every five minutes of every day: 288 bars a day.
    AroundTheClock,
}

impl Grid {
    /// Bars of a full session.
    #[must_use]
    pub const fn bars_per_session(self) -> u32 {
        match self {
            Self::Bogota => 60,
            Self::AroundTheClock => 288,
        }
    }

    const fn first_open_ms(self) -> i64 {
        match self {
            Self::Bogota => 13 * 3_600_000,
            Self::AroundTheClock => 0,
        }
    }

    const fn has_session(self, day: DayNumber) -> bool {
        match self {
            Self::Bogota => is_weekday(day),
            Self::AroundTheClock => true,
        }
    }
}

/// Day 0 (1970-01-01) was a Thursday.
const fn is_weekday(day: DayNumber) -> bool {
    (day.0 + 3).rem_euclid(7) < 5
}

/// What to generate.
#[derive(Debug, Clone)]
pub struct MarketSpec {
    /// The same seed gives the same market, bit for bit.
    pub seed: u64,
    /// Whose bars.
    pub instruments: Vec<InstrumentId>,
    /// When bars exist.
    pub grid: Grid,
    /// First UTC day.
    pub first_day: DayNumber,
    /// Calendar days from there, weekends included.
    pub days: u32,
    /// Bars left out, in a thousand.
    pub missing_per_mille: u32,
    /// Macro series begin this many calendar days before `first_day`.
    pub macro_lead_days: u32,
}

impl MarketSpec {
    /// One instrument on the Bogota grid: enough macro history for a full 252-day window at the first bar.
    ///
    /// # Panics
    /// When `instrument` is no instrument name.
    #[must_use]
    pub fn usdcop_like(seed: u64, instrument: &str, days: u32) -> Self {
        Self {
            seed,
            instruments: vec![InstrumentId::parse(instrument).expect("an instrument name")],
            grid: Grid::Bogota,
            first_day: DayNumber::parse("2025-01-06").expect("a date"),
            days,
            missing_per_mille: 2,
            macro_lead_days: 500,
        }
    }

    /// `count` instruments `SYN00`, `SYN01`, … over the same days.
    ///
    /// # Panics
    /// When `count` is above 100.
    #[must_use]
    pub fn many(seed: u64, count: usize, days: u32) -> Self {
        assert!(count <= 100, "two digits number the instruments");
        let name = |i| InstrumentId::parse(&format!("SYN{i:02}")).expect("an instrument name");
        Self {
            instruments: (0..count).map(name).collect(),
            ..Self::usdcop_like(seed, "SYN00", days)
        }
    }
}

/// One daily value.
#[derive(Debug, Clone, PartialEq)]
pub struct MacroPoint {
    /// Which series.
    pub series: SeriesId,
    /// Observation date.
    pub date: DayNumber,
    /// The value.
    pub value: f64,
}

/// Bars and macro values, in memory.
#[derive(Debug, Clone)]
pub struct Market {
    /// As in the spec.
    pub instruments: Vec<InstrumentId>,
    /// Per instrument, ascending by close time.
    pub bars: Vec<Vec<Bar>>,
    /// Ascending by date, then by series.
    pub macros: Vec<MacroPoint>,
}

impl Market {
    /// Generates the market of a spec.
    #[must_use]
    pub fn generate(spec: &MarketSpec) -> Self {
        let bars = (0..spec.instruments.len())
            .map(|i| bars_of(spec, i as u64))
            .collect();
        Self {
            instruments: spec.instruments.clone(),
            bars,
            macros: series::generate(spec),
        }
    }

    /// All bars in the order a live feed has them: by close time, then by instrument.
    #[must_use]
    pub fn in_order(&self) -> Vec<(usize, Bar)> {
        let mut all: Vec<(usize, Bar)> = self
            .bars
            .iter()
            .enumerate()
            .flat_map(|(i, bars)| bars.iter().map(move |bar| (i, *bar)))
            .collect();
        all.sort_by_key(|(instrument, bar)| (bar.close_time, *instrument));
        all
    }
}

fn bars_of(spec: &MarketSpec, instrument: u64) -> Vec<Bar> {
    let mut noise = Noise::new(spec.seed, instrument);
    let mut path = Path::new(&mut noise);
    let mut bars = Vec::new();
    for offset in 0..spec.days {
        let day = DayNumber(spec.first_day.0 + i32::try_from(offset).expect("days fit 31 bits"));
        if !spec.grid.has_session(day) {
            continue;
        }
        path.overnight(&mut noise);
        let count = spec.grid.bars_per_session();
        let open_ms = i64::from(day.0) * DAY_MS + spec.grid.first_open_ms();
        for k in 0..count {
            let close_time = UtcMillis(open_ms + (i64::from(k) + 1) * BAR_MS);
            let bar = path.next_bar(close_time, f64::from(k) / f64::from(count), &mut noise);
            if noise.rng.random_range(0..1_000) >= spec.missing_per_mille {
                bars.push(bar);
            }
        }
    }
    bars
}

/// GARCH(1,1) of a five-minute return: long-run variance (about 6 basis points a bar), reaction, persistence.
const VARIANCE: f64 = 3.6e-7;
const REACTION: f64 = 0.08;
const PERSISTENCE: f64 = 0.90;

struct Path {
    price: f64,
    variance: f64,
}

impl Path {
    fn new(noise: &mut Noise) -> Self {
        Self {
            price: 1_000.0 + 4_000.0 * noise.uniform(),
            variance: VARIANCE,
        }
    }

    /// A jump between sessions: half a percent, typically.
    fn overnight(&mut self, noise: &mut Noise) {
        self.price *= libm::exp(0.005 * noise.student_t4());
    }

    /// `through` is the share of the session that has passed: volatility is a U over it.
    fn next_bar(&mut self, close_time: UtcMillis, through: f64, noise: &mut Noise) -> Bar {
        let season = 0.7 + 1.8 * (through - 0.5) * (through - 0.5) * 4.0;
        let shock = libm::sqrt(self.variance) * noise.student_t4();
        self.variance = VARIANCE * (1.0 - REACTION - PERSISTENCE)
            + REACTION * shock * shock
            + PERSISTENCE * self.variance;
        let spread = libm::sqrt(self.variance) * season;
        let open = self.price * libm::exp(0.1 * spread * noise.normal());
        let close = open * libm::exp(season * shock);
        let high = open.max(close) * libm::exp(0.5 * spread * noise.normal().abs());
        let low = open.min(close) * libm::exp(-0.5 * spread * noise.normal().abs());
        let volume = 1_000.0 * season * libm::exp(0.8 * noise.normal());
        self.price = close;
        Bar {
            close_time,
            open,
            high,
            low,
            close,
            volume,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_bits_and_another_seed_does_not() {
        let one = Market::generate(&MarketSpec::many(7, 3, 10));
        let two = Market::generate(&MarketSpec::many(7, 3, 10));
        let other = Market::generate(&MarketSpec::many(8, 3, 10));
        assert!(
            one.bars
                .iter()
                .flatten()
                .zip(two.bars.iter().flatten())
                .all(|(a, b)| a.same_bits(b))
        );
        assert_eq!(one.macros, two.macros);
        assert!(!one.bars[0][0].same_bits(&other.bars[0][0]));
        assert!(!one.bars[0][0].same_bits(&one.bars[1][0]), "instruments differ");
    }

    #[test]
    fn every_bar_is_possible_in_session_and_later_than_the_one_before() {
        let market = Market::generate(&MarketSpec::usdcop_like(1, "USDCOP", 60));
        let bars = &market.bars[0];
        assert!(
            bars.len() > 2_400 && bars.len() < 2_640,
            "{} bars: 44 sessions with a few missing",
            bars.len()
        );
        assert!(bars.iter().all(Bar::is_possible));
        assert!(
            bars.windows(2)
                .all(|pair| pair[0].close_time < pair[1].close_time)
        );
        for bar in bars {
            let in_day = bar.close_time.0.rem_euclid(DAY_MS);
            assert!(bar.close_time.is_on_bar_grid());
            assert!(
                (13 * 3_600_000 + 300_000..=18 * 3_600_000).contains(&in_day),
                "{}",
                bar.close_time
            );
        }
    }

    #[test]
    fn prices_need_all_their_digits() {
        let market = Market::generate(&MarketSpec::usdcop_like(2, "USDCOP", 30));
        let digits = |x: f64| x.to_string().chars().filter(char::is_ascii_digit).count();
        let long = market.bars[0]
            .iter()
            .filter(|bar| digits(bar.close) >= 16)
            .count();
        assert!(
            long * 10 > market.bars[0].len() * 9,
            "{long} of {}",
            market.bars[0].len()
        );
        assert!(market.bars[0].iter().any(|bar| digits(bar.close) == 17));
    }

    #[test]
    fn returns_are_fat_tailed_clustered_and_seasonal() {
        let spec = MarketSpec {
            missing_per_mille: 0,
            ..MarketSpec::usdcop_like(3, "USDCOP", 700)
        };
        let market = Market::generate(&spec);
        let returns: Vec<f64> = market.bars[0]
            .iter()
            .map(|bar| libm::log(bar.close / bar.open))
            .collect();
        let n = returns.len() as f64;
        let second = returns.iter().map(|r| r * r).sum::<f64>() / n;
        let fourth = returns.iter().map(|r| r.powi(4)).sum::<f64>() / n;
        assert!(
            fourth / (second * second) > 5.0,
            "kurtosis {}",
            fourth / (second * second)
        );
        let abs: Vec<f64> = returns.iter().map(|r| r.abs()).collect();
        let mean = abs.iter().sum::<f64>() / n;
        let variance: f64 = abs.iter().map(|x| (x - mean) * (x - mean)).sum();
        let lagged: f64 = abs
            .windows(2)
            .map(|pair| (pair[0] - mean) * (pair[1] - mean))
            .sum();
        assert!(
            lagged / variance > 0.1,
            "autocorrelation of |r| {}",
            lagged / variance
        );
        let at = |k: usize| abs.iter().skip(k).step_by(60).sum::<f64>();
        assert!(
            at(0) > at(30) && at(59) > at(30),
            "ends of the session move more than its middle"
        );
    }

    #[test]
    fn the_order_of_a_feed_is_by_time_then_by_instrument() {
        let market = Market::generate(&MarketSpec::many(4, 5, 7));
        let order = market.in_order();
        assert_eq!(order.len(), market.bars.iter().map(Vec::len).sum::<usize>());
        assert!(
            order
                .windows(2)
                .all(|p| (p[0].1.close_time, p[0].0) < (p[1].1.close_time, p[1].0))
        );
    }
}
