//! A window of the market, observed once: what is seen of it depends on no decision but for the position's place.

use backtest::market::Market;
use backtest::run::RunError;
use backtest::run::prepare::{Prepared, prepare};
use backtest::run::sessions::SessionFinder;
use backtest::run::sight::StrategySight;
use contracts::evidence::ExecutionSettings;
use contracts::experiment::DateRange;
use contracts::time::DayNumber;
use rand::Rng;
use strategy::strategy::Strategy;

use super::Episode;
use crate::limits::EPISODE_SESSIONS;
use crate::reward::Reward;

/// Why there is nothing to learn in.
#[derive(Debug, thiserror::Error)]
pub enum WindowError {
    /// The bars or the window are unusable.
    #[error("the {name} window ({} to {}) cannot be prepared", window.start, window.end)]
    Run {
        /// `train` or `validation`.
        name: &'static str,
        /// Its dates.
        window: DateRange,
        /// Why.
        source: Box<RunError>,
    },
    /// Fewer than two bars of it can be decided on.
    #[error(
        "the {name} window ({} to {}) has {rows} bars that can be decided on, at least 2 are needed; give bars before it so that the features settle, or a longer window",
        window.start,
        window.end
    )]
    TooShort {
        /// `train` or `validation`.
        name: &'static str,
        /// Its dates.
        window: DateRange,
        /// Bars there are.
        rows: usize,
    },
}

/// A window ready to be walked.
#[derive(Debug)]
pub struct Window<'a> {
    pub(super) strategy: &'a Strategy,
    pub(super) prepared: Prepared,
    pub(super) settings: ExecutionSettings,
    pub(super) reward: Reward,
    /// Places of the first step of each session that can be decided on, in order.
    starts: Vec<usize>,
    /// Place of the last step that can be decided on.
    last: usize,
}

impl<'a> Window<'a> {
    /// Observes the market up to the window's last bar; bars before the window warm the operators up, bars after it are not read.
    ///
    /// # Errors
    /// [`WindowError`].
    pub fn new(
        name: &'static str,
        strategy: &'a Strategy,
        market: &Market,
        window: DateRange,
        settings: ExecutionSettings,
        reward: Reward,
    ) -> Result<Self, WindowError> {
        let failed = |source| WindowError::Run {
            name,
            window,
            source: Box::new(source),
        };
        let market = up_to(strategy, market, window.end);
        let mut sight = StrategySight::new(strategy, &market).map_err(failed)?;
        let prepared = prepare(strategy, &mut sight, &market, window, market.bars.len()).map_err(failed)?;
        let mut starts = Vec::new();
        let (mut session, mut last) = (None, 0);
        for (at, step) in prepared
            .steps
            .iter()
            .enumerate()
            .filter(|(_, step)| step.row.is_some())
        {
            if session != Some(step.session) {
                session = Some(step.session);
                starts.push(at);
            }
            last = at;
        }
        let rows = prepared.rows(strategy.width());
        if rows < 2 {
            return Err(WindowError::TooShort { name, window, rows });
        }
        Ok(Self {
            strategy,
            prepared,
            settings,
            reward,
            starts,
            last,
        })
    }

    /// Bars that can be decided on.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.prepared.rows(self.strategy.width())
    }

    /// What was observed.
    #[must_use]
    pub const fn prepared(&self) -> &Prepared {
        &self.prepared
    }

    /// The strategy it is seen with.
    #[must_use]
    pub const fn strategy(&self) -> &'a Strategy {
        self.strategy
    }

    /// How orders are filled and paid for.
    #[must_use]
    pub const fn settings(&self) -> &ExecutionSettings {
        &self.settings
    }

    /// An episode that begins with a session, every possible one as likely as any other.
    pub fn draw(&self, rng: &mut impl Rng) -> Episode {
        let last_start = self.starts.len().saturating_sub(EPISODE_SESSIONS);
        let start = rng.random_range(0..=last_start as u64) as usize;
        self.episode(start)
    }

    fn episode(&self, start: usize) -> Episode {
        Episode {
            from: self.starts[start],
            until: self
                .starts
                .get(start + EPISODE_SESSIONS)
                .copied()
                .unwrap_or(self.last),
        }
    }

    /// Whether [`Self::draw`] could have given it.
    pub(super) fn holds(&self, episode: Episode) -> bool {
        self.starts
            .binary_search(&episode.from)
            .is_ok_and(|start| self.episode(start) == episode)
    }
}

/// The market without the bars of sessions after a date.
pub(crate) fn up_to(strategy: &Strategy, market: &Market, last: DayNumber) -> Market {
    let mut finder = SessionFinder::new(strategy.calendar());
    let upto = market
        .bars
        .partition_point(|bar| finder.find(bar.close_time).date <= last);
    Market {
        instrument: market.instrument.clone(),
        bars: market.bars[..upto].to_vec(),
        daily: market.daily.clone(),
    }
}
