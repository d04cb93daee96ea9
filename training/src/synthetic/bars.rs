//! The bars: one path of prices through the sessions of a calendar.

use contracts::bar::Bar;
use contracts::limits::BAR_INTERVAL_MS;
use contracts::time::{DayNumber, UtcMillis};
use strategy::calendar::{Calendar, Place, Span};

use super::draws::Draws;
use super::edge::Signals;
use super::{Kind, SyntheticSpec};

/// Standard deviation of the log return of a session from its open to its close, without the edge.
pub const SESSION_VOLATILITY: f64 = 0.006;
/// Expected log return of a session for a signal of 1, in [`SESSION_VOLATILITY`].
pub const EDGE_PER_SESSION: f64 = 1.0;

/// Of the jump between two sessions, without an expectation.
const OVERNIGHT_VOLATILITY: f64 = 0.0025;
/// GARCH(1,1): how much of the variance is the last shock's, and how much is kept.
const REACTION: f64 = 0.08;
const PERSISTENCE: f64 = 0.90;
/// Most that the variance of a bar rises above its long-run value: a cluster, no end of the world.
const VARIANCE_RATIO_MAX: f64 = 25.0;
/// First price.
const LEVEL: f64 = 4_000.0;
/// Prices are multiples of one over this.
const TICKS: f64 = 100.0;

/// Every bar of the sessions that open on the spec's days, but for the missing ones.
pub(super) fn generate(spec: &SyntheticSpec, calendar: &Calendar, signals: Option<&Signals>) -> Vec<Bar> {
    let Some((from, to)) = calendar
        .midnight(spec.first_day)
        .zip(calendar.midnight(DayNumber(spec.last_day.0 + 1)))
    else {
        return Vec::new();
    };
    let mut path = Path {
        draws: Draws::new(spec.seed, 0),
        gaps: Draws::new(spec.seed, 1),
        coins: Draws::new(spec.seed, 2),
        price: LEVEL,
        ratio: 1.0,
    };
    let mut bars = Vec::new();
    let (mut place, mut session, mut drive) = (Place::default(), None, 0.0);
    let first = from.0.div_euclid(BAR_INTERVAL_MS) + 1;
    for close in (first..=to.0.div_euclid(BAR_INTERVAL_MS)).map(|bar| UtcMillis(bar * BAR_INTERVAL_MS)) {
        let open = close.bar_open();
        if !place.valid.contains(open) {
            place = calendar.locate(open);
        }
        let Some(span) = place.session.filter(|span| close <= span.end) else {
            continue;
        };
        if session != Some(span) {
            session = Some(span);
            drive = signals.map_or(0.0, |signals| signals.at(open));
            path.overnight();
        }
        let bar = path.next_bar(close, &span, drive, spec.kind);
        if !path.gaps.per_mille(spec.missing_per_mille) {
            bars.push(bar);
        }
    }
    bars
}

struct Path {
    draws: Draws,
    /// Which bars are missing: a stream of its own, so that prices do not depend on it.
    gaps: Draws,
    /// The coins of [`Kind::Noise`]: likewise.
    coins: Draws,
    price: f64,
    /// Variance over its long-run value.
    ratio: f64,
}

impl Path {
    fn overnight(&mut self) {
        self.price *= libm::exp(OVERNIGHT_VOLATILITY * self.draws.student());
    }

    fn next_bar(&mut self, close_time: UtcMillis, session: &Span, drive: f64, kind: Kind) -> Bar {
        let bars = (session.end.0 - session.start.0) as f64 / BAR_INTERVAL_MS as f64;
        let through = (close_time.0 - session.start.0) as f64 / BAR_INTERVAL_MS as f64 - 0.5;
        let season = season(through / bars);
        let usual = SESSION_VOLATILITY / libm::sqrt(bars);
        // The drift of a bar is its share of the session's variance: strong when much moves, so that no time of day is worth more.
        let drift = EDGE_PER_SESSION * SESSION_VOLATILITY / bars * season * season * drive;
        let drift = match kind {
            Kind::Edge => drift,
            Kind::Noise => drift * self.coins.coin(),
        };
        let shock = libm::sqrt(self.ratio) * self.draws.student();
        let spread = usual * season * libm::sqrt(self.ratio);
        let ratio = (1.0 - REACTION - PERSISTENCE) + REACTION * shock * shock + PERSISTENCE * self.ratio;
        self.ratio = ratio.min(VARIANCE_RATIO_MAX);
        let open = self.price * libm::exp(0.05 * spread * self.draws.normal());
        let close = open * libm::exp(drift + usual * season * shock);
        let high = open.max(close) * libm::exp(0.5 * spread * self.draws.normal().abs());
        let low = open.min(close) * libm::exp(-0.5 * spread * self.draws.normal().abs());
        let volume = libm::floor(1_000.0 * season * libm::exp(0.8 * self.draws.normal()));
        self.price = close;
        Bar {
            close_time,
            open: tick(open),
            high: tick(high),
            low: tick(low),
            close: tick(close),
            volume,
        }
    }
}

/// Rounding is monotonous: low ≤ open, close ≤ high holds after it.
fn tick(price: f64) -> f64 {
    (price * TICKS).round() / TICKS
}

/// Volatility over the session, `through` from 0 to 1: a U whose mean square is 1, three times as high at the ends as in the middle.
fn season(through: f64) -> f64 {
    let off = 2.0 * through - 1.0;
    // ∫(1 + 2u²)² over [−1, 1] is 2 × (1 + 4/3 + 4/5).
    (1.0 + 2.0 * off * off) / libm::sqrt(1.0 + 4.0 / 3.0 + 4.0 / 5.0)
}
