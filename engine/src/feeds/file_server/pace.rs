//! When a bar of a file is sent.

use std::sync::Arc;
use std::time::Duration;

use contracts::limits::BAR_INTERVAL_MS;
use contracts::native::Speed;
use contracts::time::UtcMillis;
use tokio::sync::watch;
use tokio::time::Instant;

/// How fast a file is played.
#[derive(Debug, Clone)]
pub enum Pace {
    /// As fast as the socket takes it.
    Max,
    /// This many times as fast as the market. Nights and other holes last one bar: nobody waits nineteen hours for the
    /// next session of a file.
    Times(f64),
    /// Up to a market time that [`Release`] moves: the clock of tests.
    Released(watch::Receiver<UtcMillis>),
}

impl From<Speed> for Pace {
    fn from(speed: Speed) -> Self {
        match speed {
            Speed::Max => Self::Max,
            Speed::Times(factor) => Self::Times(factor),
        }
    }
}

/// Moves the market time of [`Pace::Released`]. Clonable.
#[derive(Debug, Clone)]
pub struct Release(Arc<watch::Sender<UtcMillis>>);

impl Release {
    /// A pace that sends nothing until told.
    #[must_use]
    pub fn new() -> (Self, Pace) {
        let (sender, receiver) = watch::channel(UtcMillis(i64::MIN));
        (Self(Arc::new(sender)), Pace::Released(receiver))
    }

    /// Lets everything up to and including `close_time` go.
    pub fn up_to(&self, close_time: UtcMillis) {
        self.0.send_replace(close_time);
    }

    /// Lets everything go.
    pub fn all(&self) {
        self.up_to(UtcMillis(i64::MAX));
    }
}

impl Pace {
    /// What the hello says.
    pub(super) fn speed(&self) -> Speed {
        match self {
            Self::Times(factor) => Speed::Times(*factor),
            Self::Max | Self::Released(_) => Speed::Max,
        }
    }

    /// True when every close time is to be pushed out at once, not in blocks.
    pub(super) const fn is_paced(&self) -> bool {
        !matches!(self, Self::Max)
    }
}

/// One client's place in time.
#[derive(Debug)]
pub(super) struct Pacer {
    pace: Pace,
    /// When the next close time is due, and the last one that was sent.
    due: Instant,
    last: Option<UtcMillis>,
}

impl Pacer {
    pub(super) fn new(pace: Pace) -> Self {
        Self {
            pace,
            due: Instant::now(),
            last: None,
        }
    }

    /// Returns when bars of `close_time` may be sent; the first may at once. Losing the future loses nothing.
    pub(super) async fn wait(&mut self, close_time: UtcMillis) {
        match &mut self.pace {
            Pace::Max => {}
            Pace::Times(factor) => {
                if let Some(last) = self.last.replace(close_time) {
                    let wall = wall_between(last, close_time, *factor);
                    match self.due.checked_add(wall) {
                        Some(due) => self.due = due,
                        // Slower than any clock can count.
                        None => std::future::pending().await,
                    }
                }
                tokio::time::sleep_until(self.due).await;
            }
            Pace::Released(until) => {
                // Nobody left to move the time: nothing more is sent, as asked.
                if until.wait_for(|until| *until >= close_time).await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "at most one bar interval in milliseconds"
)]
fn wall_between(last: UtcMillis, next: UtcMillis, factor: f64) -> Duration {
    let market_ms = (next.0 - last.0).clamp(0, BAR_INTERVAL_MS);
    Duration::try_from_secs_f64(market_ms as f64 / 1_000.0 / factor).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_night_lasts_one_bar() {
        let wall = |from: i64, to: i64, factor| wall_between(UtcMillis(from), UtcMillis(to), factor);
        assert_eq!(wall(0, BAR_INTERVAL_MS, 1.0), Duration::from_secs(300));
        assert_eq!(wall(0, BAR_INTERVAL_MS, 100.0), Duration::from_secs(3));
        assert_eq!(wall(0, 100 * BAR_INTERVAL_MS, 100.0), Duration::from_secs(3));
        assert_eq!(wall(5, 5, 100.0), Duration::ZERO);
        assert!(wall(0, BAR_INTERVAL_MS, f64::MIN_POSITIVE) > Duration::from_secs(1 << 31));
    }
}
