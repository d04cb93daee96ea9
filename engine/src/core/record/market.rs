//! Records of what came in beside accepted bars: macro values, positions, gaps, level shifts, conflicts.

use contracts::bar::Bar;
use contracts::reason::Position;
use contracts::time::{DayNumber, UtcMillis};

use super::bar::{put_bar, take_bar};
use super::bytes::{Malformed, Put, Take, VERSION};
use super::{Kind, Payload};

/// A daily value arrived.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MacroRecord<'a> {
    /// Its series.
    pub series: &'a str,
    /// Observation date.
    pub date: DayNumber,
    /// The value.
    pub value: f64,
    /// When it arrived; `None` for history, visible by the contract's rule alone.
    pub arrived_at: Option<UtcMillis>,
}

impl Payload for MacroRecord<'_> {
    const KIND: Kind = Kind::Macro;
    fn put(&self, to: &mut Vec<u8>) {
        let mut put = Put(to);
        put.u8(VERSION);
        put.text(self.series);
        put.i32(self.date.0);
        put.f64(self.value);
        put.bool(self.arrived_at.is_some());
        if let Some(at) = self.arrived_at {
            put.i64(at.0);
        }
    }
}

impl<'a> MacroRecord<'a> {
    pub(super) fn take(take: &mut Take<'a>) -> Result<Self, Malformed> {
        take.version()?;
        Ok(Self {
            series: take.text("series")?,
            date: DayNumber(take.i32("date")?),
            value: take.f64("value")?,
            arrived_at: match take.bool("arrived_at")? {
                true => Some(UtcMillis(take.i64("arrived_at")?)),
                false => None,
            },
        })
    }
}

/// A position was reported by its owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PositionRecord<'a> {
    /// Whose.
    pub instrument: &'a str,
    /// What is held.
    pub position: Position,
    /// As of when.
    pub as_of: UtcMillis,
}

impl Payload for PositionRecord<'_> {
    const KIND: Kind = Kind::Position;
    fn put(&self, to: &mut Vec<u8>) {
        let mut put = Put(to);
        put.u8(VERSION);
        put.text(self.instrument);
        put.code(self.position);
        put.i64(self.as_of.0);
    }
}

impl<'a> PositionRecord<'a> {
    pub(super) fn take(take: &mut Take<'a>) -> Result<Self, Malformed> {
        take.version()?;
        Ok(Self {
            instrument: take.text("instrument")?,
            position: take.code("position")?,
            as_of: UtcMillis(take.i64("as_of")?),
        })
    }
}

/// Bars the feed could not deliver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GapRecord<'a> {
    /// Whose.
    pub instrument: &'a str,
    /// First missing close time.
    pub from: UtcMillis,
    /// Last missing close time.
    pub to: UtcMillis,
}

impl Payload for GapRecord<'_> {
    const KIND: Kind = Kind::Gap;
    fn put(&self, to: &mut Vec<u8>) {
        let mut put = Put(to);
        put.u8(VERSION);
        put.text(self.instrument);
        put.i64(self.from.0);
        put.i64(self.to.0);
    }
}

impl<'a> GapRecord<'a> {
    pub(super) fn take(take: &mut Take<'a>) -> Result<Self, Malformed> {
        take.version()?;
        Ok(Self {
            instrument: take.text("instrument")?,
            from: UtcMillis(take.i64("from")?),
            to: UtcMillis(take.i64("to")?),
        })
    }
}

/// A quarantined level was confirmed: the operators restarted from this bar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LevelShiftRecord<'a> {
    /// Whose.
    pub instrument: &'a str,
    /// Close time of the confirming bar.
    pub close_time: UtcMillis,
    /// Last used close before the shift.
    pub from_close: f64,
    /// Close of the confirming bar.
    pub to_close: f64,
}

impl Payload for LevelShiftRecord<'_> {
    const KIND: Kind = Kind::LevelShift;
    fn put(&self, to: &mut Vec<u8>) {
        let mut put = Put(to);
        put.u8(VERSION);
        put.text(self.instrument);
        put.i64(self.close_time.0);
        put.f64(self.from_close);
        put.f64(self.to_close);
    }
}

impl<'a> LevelShiftRecord<'a> {
    pub(super) fn take(take: &mut Take<'a>) -> Result<Self, Malformed> {
        take.version()?;
        Ok(Self {
            instrument: take.text("instrument")?,
            close_time: UtcMillis(take.i64("close_time")?),
            from_close: take.f64("from_close")?,
            to_close: take.f64("to_close")?,
        })
    }
}

/// A second bar for a known close time, with other content; the first stays.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConflictRecord<'a> {
    /// Whose.
    pub instrument: &'a str,
    /// The bar that stays.
    pub kept: Bar,
    /// The bar that was dropped.
    pub offered: Bar,
}

impl Payload for ConflictRecord<'_> {
    const KIND: Kind = Kind::Conflict;
    fn put(&self, to: &mut Vec<u8>) {
        let mut put = Put(to);
        put.u8(VERSION);
        put.text(self.instrument);
        put_bar(&mut put, &self.kept);
        put_bar(&mut put, &self.offered);
    }
}

impl<'a> ConflictRecord<'a> {
    pub(super) fn take(take: &mut Take<'a>) -> Result<Self, Malformed> {
        take.version()?;
        Ok(Self {
            instrument: take.text("instrument")?,
            kept: take_bar(take)?,
            offered: take_bar(take)?,
        })
    }
}
