//! Two payloads of one kind: equal, or the first field that is not.

use std::fmt::Debug;

use contracts::action::Raw;

use super::RAW_TOLERANCE;
use crate::core::record::{BarView, Kind, Outcome, Record};
use crate::core::snapshot::CoreImage;

/// A field that is not the same.
pub(super) struct Field {
    pub name: String,
    pub journaled: String,
    pub recomputed: String,
}

impl Field {
    fn of(name: impl Into<String>, journaled: impl Debug, recomputed: impl Debug) -> Option<Self> {
        Some(Self {
            name: name.into(),
            journaled: format!("{journaled:?}"),
            recomputed: format!("{recomputed:?}"),
        })
    }
}

macro_rules! first {
    ($a:expr, $b:expr; $($field:ident),* $(,)?) => {{
        $(if $a.$field != $b.$field {
            return Field::of(stringify!($field), &$a.$field, &$b.$field);
        })*
    }};
}

/// The first field in which `journaled` is not `recomputed`; both are payloads of `kind`. With `tolerant`, raw outputs may be
/// [`RAW_TOLERANCE`] apart and the confidence that follows from them any.
pub(super) fn differing(kind: Kind, journaled: &[u8], recomputed: &[u8], tolerant: bool) -> Option<Field> {
    if journaled == recomputed {
        return None;
    }
    match (Record::decode(kind, journaled), Record::decode(kind, recomputed)) {
        (Ok(Record::Bar(a)), Ok(Record::Bar(b))) => bar(&a, &b, tolerant),
        (Ok(Record::Snapshot(a)), Ok(Record::Snapshot(b))) => {
            first!(a, b; shard, shards);
            match (CoreImage::parse(a.state), CoreImage::parse(b.state)) {
                (Ok(image), Ok(other)) => snapshot(&image, &other, a.shard == 0),
                _ => Field::of("state", "unreadable", "a core's state"),
            }
        }
        (Ok(a), Ok(b)) => record(&a, &b),
        _ => Field::of("payload", journaled, recomputed),
    }
}

fn record(a: &Record<'_>, b: &Record<'_>) -> Option<Field> {
    match (a, b) {
        (Record::Macro(a), Record::Macro(b)) => first!(a, b; series, date, value, arrived_at),
        (Record::Position(a), Record::Position(b)) => first!(a, b; instrument, position, as_of),
        (Record::Directive(a), Record::Directive(b)) => {
            first!(a, b; number, halted, clears_control, clears_local, issued_at, renew_by);
        }
        (Record::Halt(a), Record::Halt(b)) => first!(a, b; latch, time, changed),
        (Record::Resume(a), Record::Resume(b)) => first!(a, b; latch, time),
        (Record::Flatten(a), Record::Flatten(b)) => {
            first!(a, b; instrument, position_before, cause, generation, time);
        }
        (Record::Swap(a), Record::Swap(b)) => {
            first!(a, b; shard, generation, digest, model_id, previous_model_id);
        }
        (Record::Swapped(a), Record::Swapped(b)) => {
            first!(a, b; generation, digest, model_id, previous_model_id);
        }
        (Record::State(a), Record::State(b)) => first!(a, b; instrument, state, since),
        (Record::Gap(a), Record::Gap(b)) => first!(a, b; instrument, from, to),
        (Record::LevelShift(a), Record::LevelShift(b)) => {
            first!(a, b; instrument, close_time, from_close, to_close);
        }
        (Record::Conflict(a), Record::Conflict(b)) => first!(a, b; instrument, kept, offered),
        _ => {}
    }
    // Equal as values and not as bytes: a float that is no number.
    Field::of("payload", a, b)
}

fn bar(a: &BarView<'_>, b: &BarView<'_>, tolerant: bool) -> Option<Field> {
    first!(a, b; instrument);
    if !a.bar.same_bits(&b.bar) {
        return Field::of("bar", a.bar, b.bar);
    }
    first!(a, b; received_at, now, backfilled, simulated, origin);
    if a.observation.len() != b.observation.len() {
        return Field::of("observation", a.observation.len(), b.observation.len());
    }
    for (i, (a, b)) in a.observation.iter().zip(b.observation.iter()).enumerate() {
        if a.to_bits() != b.to_bits() {
            return Field::of(format!("observation[{i}]"), a, b);
        }
    }
    if !same_raw(a.raw, b.raw, tolerant) {
        return Field::of("raw", a.raw, b.raw);
    }
    match (&a.outcome, &b.outcome) {
        (Outcome::Decided { action: a }, Outcome::Decided { action: b }) if a != b => {
            return Field::of("action", a, b);
        }
        (Outcome::Decided { .. }, Outcome::Decided { .. }) => {}
        (a, b) if a != b => return Field::of("reason", a, b),
        _ => {}
    }
    if !tolerant && a.confidence.to_bits() != b.confidence.to_bits() {
        return Field::of("confidence", a.confidence, b.confidence);
    }
    first!(a, b; position_before, position_after, generation, model_id);
    if a.contract != b.contract {
        return Field::of("contract", hex::encode(a.contract), hex::encode(b.contract));
    }
    if tolerant {
        return None;
    }
    Field::of("payload", "other bytes", "the same values")
}

fn same_raw(a: Raw, b: Raw, tolerant: bool) -> bool {
    let close = |a: f32, b: f32| a.to_bits() == b.to_bits() || (tolerant && (a - b).abs() <= RAW_TOLERANCE);
    match (a, b) {
        (Raw::Scalar(a), Raw::Scalar(b)) => close(a, b),
        (Raw::Logits(a), Raw::Logits(b)) => a.iter().zip(b).all(|(a, b)| close(*a, b)),
        (a, b) => a == b,
    }
}

fn snapshot(a: &CoreImage, b: &CoreImage, speaks_for_slot: bool) -> Option<Field> {
    first!(a, b; clock, now, features_of, generation, latches, directive);
    if speaks_for_slot {
        first!(a, b; slot_said);
    }
    if a.macros != b.macros {
        return Field::of(
            "macros",
            a.macros.as_ref().map(Vec::len),
            b.macros.as_ref().map(Vec::len),
        );
    }
    for (a, b) in a.slots.iter().zip(&b.slots) {
        let at = |field: &str| format!("{}.{field}", a.name);
        if a.name != b.name {
            return Field::of("instrument", &a.name, &b.name);
        }
        let same_bars =
            a.recent.len() == b.recent.len() && a.recent.iter().zip(&b.recent).all(|(a, b)| a.same_bits(b));
        if !same_bars {
            return Field::of(at("recent"), a.recent.last(), b.recent.last());
        }
        if (a.position, a.reported_as_of, a.said) != (b.position, b.reported_as_of, b.said) {
            return Field::of(
                at("position"),
                (a.position, a.reported_as_of, a.said),
                (b.position, b.reported_as_of, b.said),
            );
        }
        if a.features != b.features {
            return Field::of(at("features"), "operators", "other operators");
        }
    }
    if a.slots.len() != b.slots.len() {
        return Field::of("instruments", a.slots.len(), b.slots.len());
    }
    // A core that does not speak for the slot may have learned in a recovery what was said last.
    None
}
