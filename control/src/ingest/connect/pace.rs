//! Time, as a fetch needs it: what time it is, waiting, and chance for the pauses.

use std::time::{Duration, Instant};

/// Waits and draws.
pub trait Pace {
    /// Time since some fixed moment.
    fn elapsed(&self) -> Duration;
    /// Waits.
    fn pause(&self, how_long: Duration) -> impl Future<Output = ()>;
    /// A number in [0, 1), so that many clients do not come back at the same moment.
    fn draw(&self) -> f64;
}

/// The machine's time and chance.
#[derive(Debug, Clone, Copy)]
pub struct SystemPace {
    begun: Instant,
}

impl SystemPace {
    /// From now.
    #[must_use]
    pub fn start() -> Self {
        Self {
            begun: Instant::now(),
        }
    }
}

impl Pace for SystemPace {
    fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    async fn pause(&self, how_long: Duration) {
        tokio::time::sleep(how_long).await;
    }

    fn draw(&self) -> f64 {
        use crate::auth::{Random as _, SystemRandom};
        let mut bytes = [0; 4];
        SystemRandom.fill(&mut bytes);
        f64::from(u32::from_le_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
    }
}
