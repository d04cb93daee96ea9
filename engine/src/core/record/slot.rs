//! Records of what was ordered and adopted: contracts, directives, latches, swaps, states, flatten orders.

use contracts::hash::ContractDigest;
use contracts::reason::{FlattenCause, Latch, LiveState, Position};
use contracts::time::UtcMillis;
use contracts::wire::ContractOrigin;

use super::bytes::{Malformed, Put, Take, VERSION};
use super::{Kind, Payload};

/// A contract was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContractRecord<'a> {
    /// Its generation.
    pub generation: u64,
    /// Its digest.
    pub digest: ContractDigest,
    /// Its model.
    pub model_id: &'a str,
    /// Its slot.
    pub slot: &'a str,
    /// Its environment.
    pub environment: &'a str,
    /// Who stands behind it.
    pub origin: ContractOrigin,
}

impl Payload for ContractRecord<'_> {
    const KIND: Kind = Kind::Contract;
    fn put(&self, to: &mut Vec<u8>) {
        let mut put = Put(to);
        put.u8(VERSION);
        put.u64(self.generation);
        put.bytes(self.digest.as_bytes());
        put.text(self.model_id);
        put.text(self.slot);
        put.text(self.environment);
        put.code(self.origin);
    }
}

impl<'a> ContractRecord<'a> {
    pub(super) fn take(take: &mut Take<'a>) -> Result<Self, Malformed> {
        take.version()?;
        Ok(Self {
            generation: take.u64("generation")?,
            digest: ContractDigest::from_bytes(take.array("digest")?),
            model_id: take.text("model_id")?,
            slot: take.text("slot")?,
            environment: take.text("environment")?,
            origin: take.code("origin")?,
        })
    }
}

/// A directive was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DirectiveRecord {
    /// Its number.
    pub number: u64,
    /// It sets the control latch.
    pub halted: bool,
    /// It clears the control latch.
    pub clears_control: bool,
    /// It clears the local latch.
    pub clears_local: bool,
    /// Issued at.
    pub issued_at: UtcMillis,
    /// To be renewed by.
    pub renew_by: UtcMillis,
}

impl Payload for DirectiveRecord {
    const KIND: Kind = Kind::Directive;
    fn put(&self, to: &mut Vec<u8>) {
        let mut put = Put(to);
        put.u8(VERSION);
        put.u64(self.number);
        put.bool(self.halted);
        put.bool(self.clears_control);
        put.bool(self.clears_local);
        put.i64(self.issued_at.0);
        put.i64(self.renew_by.0);
    }
}

impl DirectiveRecord {
    pub(super) fn take(take: &mut Take<'_>) -> Result<Self, Malformed> {
        take.version()?;
        Ok(Self {
            number: take.u64("number")?,
            halted: take.bool("halted")?,
            clears_control: take.bool("clears_control")?,
            clears_local: take.bool("clears_local")?,
            issued_at: UtcMillis(take.i64("issued_at")?),
            renew_by: UtcMillis(take.i64("renew_by")?),
        })
    }
}

/// A latch was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HaltRecord {
    /// Which.
    pub latch: Latch,
    /// When.
    pub time: UtcMillis,
    /// False when it was set already.
    pub changed: bool,
}

impl Payload for HaltRecord {
    const KIND: Kind = Kind::Halt;
    fn put(&self, to: &mut Vec<u8>) {
        let mut put = Put(to);
        put.u8(VERSION);
        put.code(self.latch);
        put.i64(self.time.0);
        put.bool(self.changed);
    }
}

impl HaltRecord {
    pub(super) fn take(take: &mut Take<'_>) -> Result<Self, Malformed> {
        take.version()?;
        Ok(Self {
            latch: take.code("latch")?,
            time: UtcMillis(take.i64("time")?),
            changed: take.bool("changed")?,
        })
    }
}

/// A latch was cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResumeRecord {
    /// Which.
    pub latch: Latch,
    /// When.
    pub time: UtcMillis,
}

impl Payload for ResumeRecord {
    const KIND: Kind = Kind::Resume;
    fn put(&self, to: &mut Vec<u8>) {
        let mut put = Put(to);
        put.u8(VERSION);
        put.code(self.latch);
        put.i64(self.time.0);
    }
}

impl ResumeRecord {
    pub(super) fn take(take: &mut Take<'_>) -> Result<Self, Malformed> {
        take.version()?;
        Ok(Self {
            latch: take.code("latch")?,
            time: UtcMillis(take.i64("time")?),
        })
    }
}

/// An open position was ordered closed; after it the position is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlattenRecord<'a> {
    /// Whose.
    pub instrument: &'a str,
    /// What was held.
    pub position_before: Position,
    /// Why.
    pub cause: FlattenCause,
    /// Generation that was running; 0 without a model.
    pub generation: u64,
    /// When.
    pub time: UtcMillis,
}

impl Payload for FlattenRecord<'_> {
    const KIND: Kind = Kind::Flatten;
    fn put(&self, to: &mut Vec<u8>) {
        let mut put = Put(to);
        put.u8(VERSION);
        put.text(self.instrument);
        put.code(self.position_before);
        put.code(self.cause);
        put.u64(self.generation);
        put.i64(self.time.0);
    }
}

impl<'a> FlattenRecord<'a> {
    pub(super) fn take(take: &mut Take<'a>) -> Result<Self, Malformed> {
        take.version()?;
        Ok(Self {
            instrument: take.text("instrument")?,
            position_before: take.code("position_before")?,
            cause: take.code("cause")?,
            generation: take.u64("generation")?,
            time: UtcMillis(take.i64("time")?),
        })
    }
}

/// One core adopted a model: decisions after this record are its.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SwapRecord<'a> {
    /// The core.
    pub shard: u16,
    /// The new generation.
    pub generation: u64,
    /// The new contract.
    pub digest: ContractDigest,
    /// The new model.
    pub model_id: &'a str,
    /// The model before; empty when there was none.
    pub previous_model_id: &'a str,
}

impl Payload for SwapRecord<'_> {
    const KIND: Kind = Kind::Swap;
    fn put(&self, to: &mut Vec<u8>) {
        let mut put = Put(to);
        put.u8(VERSION);
        put.u16(self.shard);
        put.u64(self.generation);
        put.bytes(self.digest.as_bytes());
        put.text(self.model_id);
        put.text(self.previous_model_id);
    }
}

impl<'a> SwapRecord<'a> {
    pub(super) fn take(take: &mut Take<'a>) -> Result<Self, Malformed> {
        take.version()?;
        Ok(Self {
            shard: take.u16("shard")?,
            generation: take.u64("generation")?,
            digest: ContractDigest::from_bytes(take.array("digest")?),
            model_id: take.text("model_id")?,
            previous_model_id: take.text("previous_model_id")?,
        })
    }
}

/// The last core adopted the model; published as `model_swapped`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SwappedRecord<'a> {
    /// The new generation.
    pub generation: u64,
    /// The new contract.
    pub digest: ContractDigest,
    /// The new model.
    pub model_id: &'a str,
    /// The model before; empty when there was none.
    pub previous_model_id: &'a str,
}

impl Payload for SwappedRecord<'_> {
    const KIND: Kind = Kind::Swapped;
    fn put(&self, to: &mut Vec<u8>) {
        let mut put = Put(to);
        put.u8(VERSION);
        put.u64(self.generation);
        put.bytes(self.digest.as_bytes());
        put.text(self.model_id);
        put.text(self.previous_model_id);
    }
}

impl<'a> SwappedRecord<'a> {
    pub(super) fn take(take: &mut Take<'a>) -> Result<Self, Malformed> {
        take.version()?;
        Ok(Self {
            generation: take.u64("generation")?,
            digest: ContractDigest::from_bytes(take.array("digest")?),
            model_id: take.text("model_id")?,
            previous_model_id: take.text("previous_model_id")?,
        })
    }
}

/// The slot or an instrument entered a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateRecord<'a> {
    /// Whose; `None` for the slot.
    pub instrument: Option<&'a str>,
    /// The state.
    pub state: LiveState,
    /// Since when.
    pub since: UtcMillis,
}

impl Payload for StateRecord<'_> {
    const KIND: Kind = Kind::State;
    fn put(&self, to: &mut Vec<u8>) {
        let mut put = Put(to);
        put.u8(VERSION);
        put.text(self.instrument.unwrap_or(""));
        put.code(self.state);
        put.i64(self.since.0);
    }
}

impl<'a> StateRecord<'a> {
    pub(super) fn take(take: &mut Take<'a>) -> Result<Self, Malformed> {
        take.version()?;
        let instrument = take.text("instrument")?;
        Ok(Self {
            instrument: (!instrument.is_empty()).then_some(instrument),
            state: take.code("state")?,
            since: UtcMillis(take.i64("since")?),
        })
    }
}
