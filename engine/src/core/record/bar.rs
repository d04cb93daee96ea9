//! The bar record: the accepted bar's bits and what it came to, in one record.

use contracts::action::Raw;
use contracts::bar::Bar;
use contracts::reason::{Origin, Position, Withheld};
use contracts::time::{UnixNanos, UtcMillis};

use super::bytes::{F32s, Malformed, Put, Take, VERSION};
use super::{Kind, Payload};

/// Where `close_time` lies in the payload: right behind the version.
const CLOSE_TIME_AT: usize = 1;
/// Where `decided_at` lies: patched when the whole batch is decided.
const DECIDED_AT: usize = CLOSE_TIME_AT + 6 * 8 + 2 * 8;
/// Where the instrument's name lies.
const INSTRUMENT_AT: usize = DECIDED_AT + 8;

const BACKFILLED: u8 = 1;
const SIMULATED: u8 = 2;
const HAS_ORIGIN: u8 = 4;

/// What a bar came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome<'a> {
    /// The model decided; published as `signal`.
    Decided {
        /// The position decided for.
        action: Position,
    },
    /// No new decision; published as `withheld`.
    Withheld {
        /// Why.
        reason: Withheld,
        /// The series' name for [`Withheld::Stale`], else empty.
        series: &'a str,
    },
}

/// An accepted bar and its result. `O` is how the observation lies: `&[f32]` when written, [`F32s`] when read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BarRecord<'a, O = &'a [f32]> {
    /// Whose.
    pub instrument: &'a str,
    /// The bar.
    pub bar: Bar,
    /// When its last byte was read.
    pub received_at: UnixNanos,
    /// The core's clock when it was processed.
    pub now: UnixNanos,
    /// When the batch it was in had been decided; see [`super::Records::stamp_decided`].
    pub decided_at: UnixNanos,
    /// History fetched after a gap.
    pub backfilled: bool,
    /// The clock was the feed's.
    pub simulated: bool,
    /// Where the instrument's operators began; `None` before the first used bar.
    pub origin: Option<Origin>,
    /// What the model saw or would have seen; empty when not every feature was defined.
    pub observation: O,
    /// What the model said.
    pub raw: Raw,
    /// Confidence of the decision in \[0, 1\]; 0 when there is none.
    pub confidence: f64,
    /// What it came to.
    pub outcome: Outcome<'a>,
    /// Position before it.
    pub position_before: Position,
    /// Position after it.
    pub position_after: Position,
    /// Generation that decided; 0 without a model.
    pub generation: u64,
    /// Model that decided; empty without one.
    pub model_id: &'a str,
    /// Digest of its contract; zeros without one.
    pub contract: [u8; 32],
}

/// A bar record as it is read.
pub type BarView<'a> = BarRecord<'a, F32s<'a>>;

impl Payload for BarRecord<'_> {
    const KIND: Kind = Kind::Bar;

    fn put(&self, to: &mut Vec<u8>) {
        let mut put = Put(to);
        put.u8(VERSION);
        put_bar(&mut put, &self.bar);
        put.i64(self.received_at.0);
        put.i64(self.now.0);
        put.i64(self.decided_at.0);
        put.text(self.instrument);
        let flag = |set, bit| if set { bit } else { 0 };
        put.u8(flag(self.backfilled, BACKFILLED)
            | flag(self.simulated, SIMULATED)
            | flag(self.origin.is_some(), HAS_ORIGIN));
        if let Some(origin) = self.origin {
            put.code(origin.reason);
            put.i64(origin.first_close_time.0);
            put.u64(origin.bars);
        }
        put.f32s(self.observation);
        put_raw(&mut put, self.raw);
        put.f64(self.confidence);
        match self.outcome {
            Outcome::Decided { action } => {
                put.u8(1);
                put.code(action);
            }
            Outcome::Withheld { reason, series } => {
                put.u8(2);
                put.withheld(reason);
                put.text(series);
            }
        }
        put.code(self.position_before);
        put.code(self.position_after);
        put.u64(self.generation);
        put.text(self.model_id);
        put.bytes(&self.contract);
    }
}

impl<'a> BarRecord<'a> {
    pub(super) fn take(take: &mut Take<'a>) -> Result<BarView<'a>, Malformed> {
        take.version()?;
        let bar = take_bar(take)?;
        let received_at = UnixNanos(take.i64("received_at")?);
        let now = UnixNanos(take.i64("now")?);
        let decided_at = UnixNanos(take.i64("decided_at")?);
        let instrument = take.text("instrument")?;
        let flags = take.u8("flags")?;
        if flags & !(BACKFILLED | SIMULATED | HAS_ORIGIN) != 0 {
            return Err(Malformed { field: "flags" });
        }
        let origin = if flags & HAS_ORIGIN == 0 {
            None
        } else {
            Some(Origin {
                reason: take.code("origin.reason")?,
                first_close_time: UtcMillis(take.i64("origin.first_close_time")?),
                bars: take.u64("origin.bars")?,
            })
        };
        Ok(BarRecord {
            instrument,
            bar,
            received_at,
            now,
            decided_at,
            backfilled: flags & BACKFILLED != 0,
            simulated: flags & SIMULATED != 0,
            origin,
            observation: take.f32s("observation")?,
            raw: take_raw(take)?,
            confidence: take.f64("confidence")?,
            outcome: match take.u8("outcome")? {
                1 => Outcome::Decided {
                    action: take.code("action")?,
                },
                2 => Outcome::Withheld {
                    reason: take.withheld("reason")?,
                    series: take.text("series")?,
                },
                _ => return Err(Malformed { field: "outcome" }),
            },
            position_before: take.code("position_before")?,
            position_after: take.code("position_after")?,
            generation: take.u64("generation")?,
            model_id: take.text("model_id")?,
            contract: take.array("contract")?,
        })
    }
}

/// The instrument and close time of an encoded bar record, without decoding the rest.
///
/// # Errors
/// [`Malformed`] when the payload is too short for them or of another version.
pub fn bar_key(payload: &[u8]) -> Result<(&str, UtcMillis), Malformed> {
    let mut take = Take::new(payload);
    take.version()?;
    let close_time = UtcMillis(take.i64("close_time")?);
    take.slice(INSTRUMENT_AT - CLOSE_TIME_AT - 8, "bar")?;
    Ok((take.text("instrument")?, close_time))
}

/// Writes `decided_at` into an encoded bar record.
pub(super) fn patch_decided(payload: &mut [u8], at: UnixNanos) {
    payload[DECIDED_AT..DECIDED_AT + 8].copy_from_slice(&at.0.to_le_bytes());
}

pub(super) fn put_bar(put: &mut Put<'_>, bar: &Bar) {
    put.i64(bar.close_time.0);
    for value in [bar.open, bar.high, bar.low, bar.close, bar.volume] {
        put.f64(value);
    }
}

pub(super) fn take_bar(take: &mut Take<'_>) -> Result<Bar, Malformed> {
    Ok(Bar {
        close_time: UtcMillis(take.i64("close_time")?),
        open: take.f64("open")?,
        high: take.f64("high")?,
        low: take.f64("low")?,
        close: take.f64("close")?,
        volume: take.f64("volume")?,
    })
}

fn put_raw(put: &mut Put<'_>, raw: Raw) {
    match raw {
        Raw::None => put.u8(0),
        Raw::Scalar(value) => {
            put.u8(1);
            put.f32(value);
        }
        Raw::Logits(values) => {
            put.u8(2);
            values.into_iter().for_each(|value| put.f32(value));
        }
        Raw::Index(index) => {
            put.u8(3);
            put.i64(index);
        }
    }
}

fn take_raw(take: &mut Take<'_>) -> Result<Raw, Malformed> {
    Ok(match take.u8("raw")? {
        0 => Raw::None,
        1 => Raw::Scalar(take.f32("raw")?),
        2 => Raw::Logits([take.f32("raw")?, take.f32("raw")?, take.f32("raw")?]),
        3 => Raw::Index(take.i64("raw")?),
        _ => return Err(Malformed { field: "raw" }),
    })
}
