//! SHA-256 of what went in, what was decided and what came of it. No interval and no time of day is in it.

use contracts::evidence::{ExecutionSettings, Fingerprint, MarketHash};
use contracts::experiment::DateRange;
use sha2::{Digest as _, Sha256};

use crate::outcome::{BarRow, Trade};

/// Bits of every number, in order.
///
/// # Panics
/// Never: settings are plain data.
pub fn fingerprint(
    market: MarketHash,
    window: DateRange,
    settings: &ExecutionSettings,
    bars: &[BarRow],
    trades: &[Trade],
) -> Fingerprint {
    let mut hasher = Sha256::new();
    hasher.update(b"twovote/run/v1");
    hasher.update(market.as_bytes());
    hasher.update(window.start.0.to_le_bytes());
    hasher.update(window.end.0.to_le_bytes());
    let settings = serde_json::to_vec(settings).expect("settings are plain data with text keys");
    hasher.update((settings.len() as u64).to_le_bytes());
    hasher.update(settings);
    hasher.update((bars.len() as u64).to_le_bytes());
    for row in bars {
        hasher.update(row.bar.close_time.0.to_le_bytes());
        hasher.update([row.decided.as_i8().to_le_bytes(), row.held.as_i8().to_le_bytes()].concat());
        hasher.update(row.equity.to_bits().to_le_bytes());
        hasher.update(row.cost.to_bits().to_le_bytes());
    }
    hasher.update((trades.len() as u64).to_le_bytes());
    for trade in trades {
        hasher.update(trade.entry_time.0.to_le_bytes());
        hasher.update(trade.exit_time.0.to_le_bytes());
        hasher.update(trade.position.to_le_bytes());
        for number in [
            trade.quantity,
            trade.entry_price,
            trade.exit_price,
            trade.gross,
            trade.cost,
            trade.net,
        ] {
            hasher.update(number.to_bits().to_le_bytes());
        }
        hasher.update(trade.bars.to_le_bytes());
        hasher.update([u8::from(trade.forced)]);
    }
    Fingerprint::from_bytes(hasher.finalize().into())
}
