//! The one line a failed verification ends with.

use std::fmt;

use contracts::time::UtcMillis;

use super::{Line, VerifyError};
use crate::core::record::{Kind, Record};

/// The first record that is not what the core says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The record.
    pub lsn: u64,
    /// The message; 0 when it is none.
    pub seq: u64,
    /// What it is.
    pub kind: Kind,
    /// Whose, where it is an instrument's.
    pub instrument: Option<String>,
    /// Which bar, where it is a bar's.
    pub close_time: Option<UtcMillis>,
    /// The field.
    pub field: String,
    /// What the journal holds.
    pub journaled: String,
    /// What the core says.
    pub recomputed: String,
}

impl Difference {
    pub(super) fn of(
        line: &Line<'_>,
        field: impl Into<String>,
        journaled: impl fmt::Display,
        recomputed: impl fmt::Display,
    ) -> Box<Self> {
        let (instrument, close_time) = match &line.record {
            Record::Bar(bar) => (Some(bar.instrument), Some(bar.bar.close_time)),
            Record::Position(report) => (Some(report.instrument), None),
            Record::Flatten(order) => (Some(order.instrument), None),
            Record::State(state) => (state.instrument, None),
            Record::Gap(gap) => (Some(gap.instrument), None),
            Record::LevelShift(shift) => (Some(shift.instrument), Some(shift.close_time)),
            Record::Conflict(conflict) => (Some(conflict.instrument), Some(conflict.kept.close_time)),
            _ => (None, None),
        };
        Box::new(Self {
            lsn: line.header.lsn,
            seq: line.header.seq,
            kind: line.header.kind,
            instrument: instrument.map(str::to_owned),
            close_time,
            field: field.into(),
            journaled: journaled.to_string(),
            recomputed: recomputed.to_string(),
        })
    }
}

impl From<Box<Difference>> for VerifyError {
    fn from(difference: Box<Difference>) -> Self {
        Self::Differs(difference)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record {} ({}", self.lsn, self.kind.word())?;
        if self.seq != 0 {
            write!(f, ", seq {}", self.seq)?;
        }
        if let Some(instrument) = &self.instrument {
            write!(f, ", {instrument}")?;
        }
        if let Some(close) = self.close_time {
            write!(f, ", close {close}")?;
        }
        write!(
            f,
            "): {} is {} in the journal, recomputed {}",
            self.field, self.journaled, self.recomputed
        )
    }
}
