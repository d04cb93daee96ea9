//! What a run reads: bars of one instrument and daily values, with an identity of their own.

use contracts::bar::Bar;
use contracts::evidence::MarketHash;
use contracts::files::DailyFile;
use contracts::ids::InstrumentId;
use sha2::{Digest as _, Sha256};

/// Bars in order of time and daily values in the order they became known.
#[derive(Debug, Clone, PartialEq)]
pub struct Market {
    /// Whose bars they are.
    pub instrument: InstrumentId,
    /// The bars; those before a run's window warm the operators up.
    pub bars: Vec<Bar>,
    /// Daily values; empty for features without macro series.
    pub daily: DailyFile,
}

impl Market {
    /// SHA-256 of instrument, bars and daily values: every bit of every number, in order.
    #[must_use]
    pub fn hash(&self) -> MarketHash {
        let mut hasher = Sha256::new();
        hasher.update(b"twovote/market/v1");
        text(&mut hasher, self.instrument.as_str());
        hasher.update((self.bars.len() as u64).to_le_bytes());
        for bar in &self.bars {
            hasher.update(bar.close_time.0.to_le_bytes());
            for number in [bar.open, bar.high, bar.low, bar.close, bar.volume] {
                hasher.update(number.to_bits().to_le_bytes());
            }
        }
        hasher.update((self.daily.series.len() as u64).to_le_bytes());
        for series in &self.daily.series {
            text(&mut hasher, series.as_str());
        }
        for row in &self.daily.rows {
            hasher.update((row.series as u64).to_le_bytes());
            hasher.update(row.date.0.to_le_bytes());
            hasher.update(row.value.to_bits().to_le_bytes());
            hasher.update([u8::from(row.arrived_at.is_some())]);
            hasher.update(row.arrived_at.unwrap_or_default().0.to_le_bytes());
        }
        MarketHash::from_bytes(hasher.finalize().into())
    }
}

fn text(hasher: &mut Sha256, text: &str) {
    hasher.update((text.len() as u64).to_le_bytes());
    hasher.update(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use contracts::files::DailyRow;
    use contracts::ids::SeriesId;
    use contracts::time::{DayNumber, UtcMillis};

    use super::*;

    #[test]
    fn every_bit_counts() {
        let market = Market {
            instrument: InstrumentId::parse("TEST").unwrap(),
            bars: vec![Bar::default(); 2],
            daily: DailyFile {
                series: vec![SeriesId::parse("dxy").unwrap()],
                rows: vec![DailyRow {
                    series: 0,
                    date: DayNumber(1),
                    value: 1.0,
                    arrived_at: None,
                }],
            },
        };
        let changes: [fn(&mut Market); 7] = [
            |m| m.instrument = InstrumentId::parse("OTHER").unwrap(),
            |m| m.bars[1].volume = -0.0,
            |m| m.bars[0].close = f64::MIN_POSITIVE,
            |m| m.bars.truncate(1),
            |m| m.daily.rows[0].value = 2.0,
            |m| m.daily.rows[0].arrived_at = Some(UtcMillis(0)),
            |m| m.daily.series[0] = SeriesId::parse("vix").unwrap(),
        ];
        let mut hashes = vec![market.hash()];
        for change in changes {
            let mut other = market.clone();
            change(&mut other);
            hashes.push(other.hash());
        }
        for (at, hash) in hashes.iter().enumerate() {
            assert!(!hashes[..at].contains(hash), "change {at} left the hash alone");
        }
    }
}
