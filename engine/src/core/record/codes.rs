//! The numbers of the closed sets of words on disk. They are never reused.

use contracts::reason::{FlattenCause, Latch, LiveState, OriginReason, Position, Withheld};
use contracts::wire::ContractOrigin;

use super::bytes::{Malformed, Put, Take};
use super::run::Durability;

/// A word that is one byte on disk.
pub(super) trait Code: Sized + Copy {
    fn code(self) -> u8;
    fn from_code(code: u8) -> Option<Self>;
}

macro_rules! codes {
    ($($type:ident { $($variant:ident = $code:literal),* $(,)? })*) => {$(
        impl Code for $type {
            fn code(self) -> u8 {
                match self { $(Self::$variant => $code,)* }
            }
            fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }
        }
    )*};
}

codes! {
    FlattenCause { Halt = 1, Swap = 2, StaleFeed = 3 }
    LiveState { Live = 1, Warming = 2, StaleFeed = 3, Halted = 4, NoModel = 5, ContractExpiring = 6 }
    Latch { Control = 1, Local = 2 }
    OriginReason { First = 1, Rewarm = 2, Swap = 3 }
    Position { Short = 1, Flat = 2, Long = 3 }
    Durability { Process = 1, Disk = 2 }
    ContractOrigin { Votes = 1, Local = 2 }
}

impl Put<'_> {
    pub fn code(&mut self, word: impl Code) {
        self.u8(word.code());
    }

    /// Two bytes: the reason, and the index of the series for a stale one.
    pub fn withheld(&mut self, reason: Withheld) {
        let (code, index) = match reason {
            Withheld::OffSession => (1, 0),
            Withheld::Quarantined => (2, 0),
            Withheld::Halted => (3, 0),
            Withheld::NoModel => (4, 0),
            Withheld::Unconfirmed => (5, 0),
            Withheld::Late => (6, 0),
            Withheld::Warming => (7, 0),
            Withheld::Stale(index) => (8, index),
            Withheld::NoPosition => (9, 0),
            Withheld::NotFinite => (10, 0),
        };
        self.u8(code);
        self.u8(index);
    }
}

impl Take<'_> {
    pub fn code<T: Code>(&mut self, field: &'static str) -> Result<T, Malformed> {
        T::from_code(self.u8(field)?).ok_or(Malformed { field })
    }

    pub fn withheld(&mut self, field: &'static str) -> Result<Withheld, Malformed> {
        let [code, index] = self.array(field)?;
        match (code, index) {
            (1, 0) => Ok(Withheld::OffSession),
            (2, 0) => Ok(Withheld::Quarantined),
            (3, 0) => Ok(Withheld::Halted),
            (4, 0) => Ok(Withheld::NoModel),
            (5, 0) => Ok(Withheld::Unconfirmed),
            (6, 0) => Ok(Withheld::Late),
            (7, 0) => Ok(Withheld::Warming),
            (8, index) => Ok(Withheld::Stale(index)),
            (9, 0) => Ok(Withheld::NoPosition),
            (10, 0) => Ok(Withheld::NotFinite),
            _ => Err(Malformed { field }),
        }
    }
}
