//! What a run produced: equity per bar, trades, sessions, counts.

use contracts::bar::Bar;
use contracts::evidence::{ExecutionCounts, ExecutionSettings, Fingerprint};
use contracts::ids::InstrumentId;
use contracts::reason::Position;
use contracts::time::{DayNumber, UtcMillis};
use serde::{Deserialize, Serialize};

/// One used bar of the window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BarRow {
    /// The bar.
    pub bar: Bar,
    /// Local session date.
    pub session: DayNumber,
    /// What the strategy decided at its close; the decision before it where the bar was withheld.
    pub decided: Position,
    /// What was held at its close, fills at its open included.
    pub held: Position,
    /// Net equity at its close, in quote currency.
    pub equity: f64,
    /// Costs paid at this bar.
    pub cost: f64,
}

/// One round trip, costs of both ends in it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Trade {
    /// Close time of the bar at whose open (or close) it was entered.
    pub entry_time: UtcMillis,
    /// The same of its exit.
    pub exit_time: UtcMillis,
    /// Long or short.
    pub position: i8,
    /// Units of the instrument, fixed at entry.
    pub quantity: f64,
    /// Fill price of the entry.
    pub entry_price: f64,
    /// Fill price of the exit.
    pub exit_price: f64,
    /// Before costs.
    pub gross: f64,
    /// Of entry and exit.
    pub cost: f64,
    /// gross − cost.
    pub net: f64,
    /// Used bars held.
    pub bars: u32,
    /// Closed only because the window ended.
    pub forced: bool,
}

/// One listed session, with or without bars.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SessionReturn {
    /// Local date.
    pub session: DayNumber,
    /// Equity at its last bar / equity at the last bar before it − 1; 0 without bars.
    pub value: f64,
}

/// A finished run.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Of what.
    pub instrument: InstrumentId,
    /// How.
    pub settings: ExecutionSettings,
    /// Every used bar of the window until its end or ruin.
    pub bars: Vec<BarRow>,
    /// Closed trades in order of exit.
    pub trades: Vec<Trade>,
    /// Every listed session of the window.
    pub sessions: Vec<SessionReturn>,
    /// Sessions of a year, from the calendar.
    pub sessions_per_year: f64,
    /// Counts.
    pub counts: ExecutionCounts,
    /// Notional traded.
    pub turnover: f64,
    /// When equity fell to 0 or below, which ended the run.
    pub ruined: Option<UtcMillis>,
    /// Of inputs, actions, trades and equity.
    pub fingerprint: Fingerprint,
}
