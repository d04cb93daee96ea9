//! Operators prepared by the builder for a core that cannot go on with its own.

use contracts::bar::Bar;
use contracts::time::UtcMillis;
use strategy::instrument::InstrumentState;
use strategy::macros::MacroState;

/// What one core takes over at adoption. Boxed, so that taking it moves a pointer and the old state leaves the same way.
pub struct WarmState {
    /// One per owned instrument, in local order; `None` only in a box that came back from a core that had none.
    pub instruments: Vec<Option<InstrumentState>>,
    /// Macro values; `None` as above.
    pub macros: Option<MacroState>,
    /// Per owned instrument: close of the last bar applied; `None` when none was.
    pub through: Vec<Option<UtcMillis>>,
    /// Per owned instrument: that bar. A core that has accepted none yet begins after it.
    pub last: Vec<Option<Bar>>,
}
