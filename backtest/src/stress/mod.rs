//! What a run is held against beyond its own figures: other costs, other prices, other times, its worst part, and chance.

pub mod noise;
pub mod null;
pub mod parts;

use contracts::evidence::ExecutionSettings;

/// The same with everything costing twice as much.
#[must_use]
pub fn dearer(settings: &ExecutionSettings) -> ExecutionSettings {
    ExecutionSettings {
        transaction_cost_bps: 2.0 * settings.transaction_cost_bps,
        slippage_bps: 2.0 * settings.slippage_bps,
        ..*settings
    }
}

/// The same with every order filled one bar later.
#[must_use]
pub fn later(settings: &ExecutionSettings) -> ExecutionSettings {
    ExecutionSettings {
        latency_bars: settings.latency_bars + 1,
        ..*settings
    }
}
