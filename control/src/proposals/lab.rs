//! What measurements are made with: through whose eyes a market is seen, and in how many threads.

use std::sync::Arc;

use backtest::market::Market;
use backtest::run::sight::{Sight, StrategySight};
use backtest::run::{RunError, RunOptions};
use strategy::strategy::Strategy;

/// Opens eyes that have seen nothing of a market yet.
///
/// Everything is run through them, and so is the check for look-ahead; a test hands in eyes that peek.
pub trait Eyes: Send + Sync + std::fmt::Debug {
    /// Opens them.
    ///
    /// # Errors
    /// [`RunError`] when the market lacks what the strategy asks for.
    fn open<'a>(&self, strategy: &'a Strategy, market: &Market) -> Result<Box<dyn Sight + 'a>, RunError>;
}

/// The strategy as it runs live.
#[derive(Debug, Clone, Copy, Default)]
pub struct Live;

impl Eyes for Live {
    fn open<'a>(&self, strategy: &'a Strategy, market: &Market) -> Result<Box<dyn Sight + 'a>, RunError> {
        Ok(Box::new(StrategySight::new(strategy, market)?))
    }
}

/// Eyes and threads.
#[derive(Debug, Clone)]
pub struct Lab {
    /// Through which everything is seen.
    pub eyes: Arc<dyn Eyes>,
    /// How runs are computed.
    pub options: RunOptions,
}

impl Lab {
    /// As live, in so many threads.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        Self {
            eyes: Arc::new(Live),
            options: RunOptions {
                threads: threads.max(1),
                batched: true,
            },
        }
    }
}
