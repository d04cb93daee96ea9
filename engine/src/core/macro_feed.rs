//! The macro values a core has, and the last few as they came, for a swap to catch up with.
//!
//! The slot's series have dense indices of their own ([`super::options::CoreOptions::series`]); a contract names some of them, in
//! its own order. The map from one to the other is made when a bundle is adopted.

use contracts::ids::SeriesId;
use contracts::time::{DayNumber, UtcMillis};
use strategy::macros::{MacroInsert, MacroState};

use super::input::SeriesIndex;
use crate::limits::{MACROS_KEPT, SERIES_MAX};

/// One value as it came in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MacroValue {
    /// Which series of the slot.
    pub series: SeriesIndex,
    /// Observation date.
    pub date: DayNumber,
    /// The value.
    pub value: f64,
    /// Arrival; `None`: the publication rule alone.
    pub arrived_at: Option<UtcMillis>,
}

/// Macro state of one core.
pub struct MacroFeed {
    state: Option<MacroState>,
    /// Per series of the slot: its place in the contract.
    places: [Option<u8>; SERIES_MAX],
    recent: [Option<MacroValue>; MACROS_KEPT],
    next: usize,
}

impl Default for MacroFeed {
    fn default() -> Self {
        Self {
            state: None,
            places: [None; SERIES_MAX],
            recent: [None; MACROS_KEPT],
            next: 0,
        }
    }
}

impl MacroFeed {
    /// The state, while a contract is adopted.
    pub const fn state_mut(&mut self) -> Option<&mut MacroState> {
        self.state.as_mut()
    }

    /// The state, for a snapshot.
    #[must_use]
    pub const fn state(&self) -> Option<&MacroState> {
        self.state.as_ref()
    }

    /// Puts `state` in, learns the contract's order of the slot's series, and hands the old state back, so that nothing is
    /// freed here.
    pub fn replace(
        &mut self,
        state: MacroState,
        slot: &[SeriesId],
        contract: &[SeriesId],
    ) -> Option<MacroState> {
        self.places = [None; SERIES_MAX];
        for (place, series) in self.places.iter_mut().zip(slot) {
            *place = contract
                .iter()
                .position(|s| s == series)
                .and_then(|at| u8::try_from(at).ok());
        }
        self.state.replace(state)
    }

    /// True when the operators have this value already, or no contract wants its series.
    #[must_use]
    pub fn knows(&self, series: SeriesIndex, date: DayNumber, value: f64) -> bool {
        let place = self.places.get(usize::from(series.0)).copied().flatten();
        match (place, &self.state) {
            (Some(place), Some(state)) => state.knows(usize::from(place), date, value),
            _ => true,
        }
    }

    /// Takes a value; `None` when no contract wants the series.
    pub fn insert(&mut self, value: MacroValue) -> Option<MacroInsert> {
        self.recent[self.next] = Some(value);
        self.next = (self.next + 1) % MACROS_KEPT;
        self.apply(value)
    }

    /// Applies the kept values again: after a swap, those the warmed state has not seen. Known ones change nothing.
    pub fn catch_up(&mut self) {
        for i in 0..MACROS_KEPT {
            if let Some(value) = self.recent[(self.next + i) % MACROS_KEPT] {
                self.apply(value);
            }
        }
    }

    fn apply(&mut self, value: MacroValue) -> Option<MacroInsert> {
        let place = (*self.places.get(usize::from(value.series.0))?)?;
        let state = self.state.as_mut()?;
        Some(state.insert(usize::from(place), value.date, value.value, value.arrived_at))
    }
}
