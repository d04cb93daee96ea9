//! What the core says: one record per thing that happened, encoded as it will lie in the journal.
//!
//! A record is its payload (a version byte, then little-endian fields with the exact bits of every float) behind a
//! [`Header`] that the journal fills in. Names are inline, so the message a client gets is a pure function of one record
//! and needs no table beside it. [`Records`] is the arena the core writes into; nothing here allocates once it is made.

mod arena;
mod bar;
mod bytes;
mod codes;
mod header;
mod market;
mod run;
mod slot;

pub use arena::{Entry, Records};
pub use bar::{BarRecord, BarView, Outcome, bar_key};
pub use bytes::{F32s, Malformed, Names};
pub use header::{HEADER_BYTES, Header};
pub use market::{ConflictRecord, GapRecord, LevelShiftRecord, MacroRecord, PositionRecord};
pub use run::{BootId, Durability, SnapshotRecord, StartRecord, StartView, StopRecord};
pub use slot::{
    ContractRecord, DirectiveRecord, FlattenRecord, HaltRecord, ResumeRecord, StateRecord, SwapRecord,
    SwappedRecord,
};

use bytes::Take;

/// A payload that can be written; reading is [`Record::decode`].
pub trait Payload {
    /// Its kind.
    const KIND: Kind;
    /// Appends the payload's bytes, the version byte first.
    fn put(&self, to: &mut Vec<u8>);
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $word:literal, $published:literal;)*) => {
        /// What a record is about. The numbers are part of the disk format and are never reused.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Kind { $($(#[$doc])* $variant = $code,)* }

        impl Kind {
            /// Every kind, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The kind with this number.
            #[must_use]
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }

            /// Its number on disk.
            #[must_use]
            pub const fn code(self) -> u8 {
                self as u8
            }

            /// Its word, as `engine journal cat` prints it.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// True when a record of this kind is a message to clients and so gets a `seq`.
            #[must_use]
            pub const fn is_published(self) -> bool {
                match self { $(Self::$variant => $published,)* }
            }
        }
    };
}

kinds! {
    /// An accepted bar and what it came to; published as `signal` or `withheld`.
    Bar = 1, "bar", true;
    /// A daily value arrived.
    Macro = 2, "macro", false;
    /// A position was reported by its owner.
    Position = 3, "position", false;
    /// A contract was accepted: its generation is taken for ever.
    Contract = 4, "contract", false;
    /// A directive was accepted: its number is taken for ever.
    Directive = 5, "directive", false;
    /// A latch was set.
    Halt = 6, "halt", false;
    /// A latch was cleared.
    Resume = 7, "resume", false;
    /// An open position was ordered closed; published.
    Flatten = 8, "flatten", true;
    /// One core adopted a model.
    Swap = 9, "swap", false;
    /// The last core adopted it; published as `model_swapped`.
    Swapped = 10, "swapped", true;
    /// The slot or an instrument entered a state; published.
    State = 11, "state", true;
    /// Bars the feed could not deliver.
    Gap = 12, "gap", false;
    /// A quarantined level was confirmed by the bar after it.
    LevelShift = 13, "level_shift", false;
    /// A second bar for a known close time, with other content.
    Conflict = 14, "conflict", false;
    /// The engine started.
    Start = 15, "start", false;
    /// The engine stopped in order: everything before is on disk.
    Stop = 16, "stop", false;
    /// One core's whole state, at the beginning of a segment.
    Snapshot = 17, "snapshot", false;
}

/// One decoded record; names and lists borrow from the payload.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(
    missing_docs,
    reason = "each variant is documented at its Kind and its record type"
)]
pub enum Record<'a> {
    Bar(BarView<'a>),
    Macro(MacroRecord<'a>),
    Position(PositionRecord<'a>),
    Contract(ContractRecord<'a>),
    Directive(DirectiveRecord),
    Halt(HaltRecord),
    Resume(ResumeRecord),
    Flatten(FlattenRecord<'a>),
    Swap(SwapRecord<'a>),
    Swapped(SwappedRecord<'a>),
    State(StateRecord<'a>),
    Gap(GapRecord<'a>),
    LevelShift(LevelShiftRecord<'a>),
    Conflict(ConflictRecord<'a>),
    Start(StartView<'a>),
    Stop(StopRecord),
    Snapshot(SnapshotRecord<'a>),
}

impl<'a> Record<'a> {
    /// Decodes a payload; every byte of it must be accounted for.
    ///
    /// # Errors
    /// [`Malformed`] naming the field that does not hold, for bytes this version did not write.
    pub fn decode(kind: Kind, payload: &'a [u8]) -> Result<Self, Malformed> {
        let mut take = Take::new(payload);
        let record = match kind {
            Kind::Bar => Self::Bar(BarRecord::take(&mut take)?),
            Kind::Macro => Self::Macro(MacroRecord::take(&mut take)?),
            Kind::Position => Self::Position(PositionRecord::take(&mut take)?),
            Kind::Contract => Self::Contract(ContractRecord::take(&mut take)?),
            Kind::Directive => Self::Directive(DirectiveRecord::take(&mut take)?),
            Kind::Halt => Self::Halt(HaltRecord::take(&mut take)?),
            Kind::Resume => Self::Resume(ResumeRecord::take(&mut take)?),
            Kind::Flatten => Self::Flatten(FlattenRecord::take(&mut take)?),
            Kind::Swap => Self::Swap(SwapRecord::take(&mut take)?),
            Kind::Swapped => Self::Swapped(SwappedRecord::take(&mut take)?),
            Kind::State => Self::State(StateRecord::take(&mut take)?),
            Kind::Gap => Self::Gap(GapRecord::take(&mut take)?),
            Kind::LevelShift => Self::LevelShift(LevelShiftRecord::take(&mut take)?),
            Kind::Conflict => Self::Conflict(ConflictRecord::take(&mut take)?),
            Kind::Start => Self::Start(StartRecord::take(&mut take)?),
            Kind::Stop => Self::Stop(StopRecord::take(&mut take)?),
            Kind::Snapshot => Self::Snapshot(SnapshotRecord::take(&mut take)?),
        };
        take.end()?;
        Ok(record)
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Bar(_) => Kind::Bar,
            Self::Macro(_) => Kind::Macro,
            Self::Position(_) => Kind::Position,
            Self::Contract(_) => Kind::Contract,
            Self::Directive(_) => Kind::Directive,
            Self::Halt(_) => Kind::Halt,
            Self::Resume(_) => Kind::Resume,
            Self::Flatten(_) => Kind::Flatten,
            Self::Swap(_) => Kind::Swap,
            Self::Swapped(_) => Kind::Swapped,
            Self::State(_) => Kind::State,
            Self::Gap(_) => Kind::Gap,
            Self::LevelShift(_) => Kind::LevelShift,
            Self::Conflict(_) => Kind::Conflict,
            Self::Start(_) => Kind::Start,
            Self::Stop(_) => Kind::Stop,
            Self::Snapshot(_) => Kind::Snapshot,
        }
    }
}

#[cfg(test)]
mod tests;
