//! The core's whole state as bytes: what a segment of the journal begins with, and what recovery starts from.
//!
//! Instruments are named, so a restart with another number of shards finds them; feature state is a block of its own, so that a
//! core under another feature contract can step over it and be warmed instead.

use contracts::bar::Bar;
use contracts::hash::FeatureContractHash;
use contracts::reason::{LiveState, Position};
use contracts::time::{UnixNanos, UtcMillis};
use strategy::plan::FeaturePlan;

use super::accept::RecentBars;
use super::bytes::{BadBytes, Put, Take};
use super::confirmation::NewestDirective;
use super::input::ClockMode;
use super::latches::Latches;
use super::record::Records;
use super::slot::InstrumentSlot;
use super::step::Core;

const VERSION: u8 = 2;
const STATES: [LiveState; 6] = [
    LiveState::Live,
    LiveState::Warming,
    LiveState::StaleFeed,
    LiveState::Halted,
    LiveState::NoModel,
    LiveState::ContractExpiring,
];

/// One instrument of a snapshot.
#[derive(Debug, Clone)]
pub struct SlotImage {
    /// Its name.
    pub name: String,
    /// The last accepted bars, oldest first.
    pub recent: Vec<Bar>,
    /// What is held.
    pub position: Position,
    /// As of when it was reported.
    pub reported_as_of: Option<UtcMillis>,
    /// The state last published.
    pub said: Option<LiveState>,
    /// While that is `stale_feed`: the one before.
    pub before_silence: Option<LiveState>,
    /// Operators, as the strategy saved them.
    pub features: Option<Vec<u8>>,
}

/// A parsed snapshot of one core.
#[derive(Debug, Clone)]
pub struct CoreImage {
    /// Which time ruled.
    pub clock: ClockMode,
    /// The core's time.
    pub now: UnixNanos,
    /// Which feature contract the operators are of.
    pub features_of: Option<FeatureContractHash>,
    /// The running generation; 0 without a model.
    pub generation: u64,
    /// The generation under which the positions came about; 0 before the first.
    pub ran: u64,
    /// The halt latches.
    pub latches: Latches,
    /// The newest directive.
    pub directive: Option<NewestDirective>,
    /// The slot state last published.
    pub slot_said: Option<LiveState>,
    /// Macro state, as the strategy saved it.
    pub macros: Option<Vec<u8>>,
    /// The instruments.
    pub slots: Vec<SlotImage>,
}

fn put_said(put: &mut Put<'_>, said: Option<LiveState>) {
    let place = said.and_then(|said| STATES.iter().position(|s| *s == said));
    put.u8(place.and_then(|at| u8::try_from(at).ok()).unwrap_or(u8::MAX));
}

fn take_said(take: &mut Take<'_>) -> Result<Option<LiveState>, BadBytes> {
    match take.u8()? {
        u8::MAX => Ok(None),
        at => STATES.get(usize::from(at)).copied().map(Some).ok_or(BadBytes),
    }
}

/// Added to the place of `stale_feed` for each place of the state before it, counted from 1; 0 when there was none.
const BEFORE_STEP: u8 = 16;

fn put_slot_said(put: &mut Put<'_>, slot: &InstrumentSlot) {
    let place = |state: LiveState| STATES.iter().position(|s| *s == state);
    let number = |place: Option<usize>| place.and_then(|at| u8::try_from(at).ok());
    let before = slot
        .before_silence
        .filter(|_| slot.said == Some(LiveState::StaleFeed));
    let before = number(before.and_then(place)).map_or(0, |at| at + 1);
    let said = number(slot.said.and_then(place));
    put.u8(said.map_or(u8::MAX, |at| at + before * BEFORE_STEP));
}

/// The state last published and, while it is `stale_feed`, the one before.
type Said = (Option<LiveState>, Option<LiveState>);

fn take_slot_said(take: &mut Take<'_>) -> Result<Said, BadBytes> {
    let byte = take.u8()?;
    if byte == u8::MAX {
        return Ok((None, None));
    }
    let state = |at: u8| STATES.get(usize::from(at)).copied().ok_or(BadBytes);
    let said = state(byte % BEFORE_STEP)?;
    match byte / BEFORE_STEP {
        0 => Ok((Some(said), None)),
        _ if said != LiveState::StaleFeed => Err(BadBytes),
        before => Ok((Some(said), Some(state(before - 1)?))),
    }
}

fn take_position(take: &mut Take<'_>) -> Result<Position, BadBytes> {
    Position::try_from(take.i64()?).map_err(|_| BadBytes)
}

impl Core {
    /// Adds a snapshot of this core to `out`; only between batches.
    pub(super) fn on_snapshot(&mut self, out: &mut Records) {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        self.save(&mut scratch);
        out.push_snapshot(self.options.shard, self.options.shards, &scratch);
        self.scratch = scratch;
    }

    fn save(&self, bytes: &mut Vec<u8>) {
        let mut put = Put(bytes);
        put.u8(VERSION);
        put.u8(u8::from(self.options.clock == ClockMode::Feed));
        put.i64(self.now.0);
        put.u8(u8::from(self.features_of.is_some()));
        put.0.extend_from_slice(
            self.features_of
                .map_or([0; 32], |hash| *hash.as_bytes())
                .as_slice(),
        );
        put.u64(self.holder.bundle().map_or(0, |b| b.terms.generation));
        put.u64(self.ran);
        put.u8(self.latches.to_bits());
        put.u8(u8::from(self.directive.is_some()));
        let none = NewestDirective {
            number: 0,
            issued_at: UtcMillis(0),
            renew_by: UtcMillis(0),
        };
        let directive = self.directive.unwrap_or(none);
        put.u64(directive.number);
        put.i64(directive.issued_at.0);
        put.i64(directive.renew_by.0);
        put_said(&mut put, self.slot_said);
        put.u8(u8::from(self.macros.state().is_some()));
        put.block(|out| {
            if let Some(state) = self.macros.state() {
                state.save(out);
            }
        });
        put.u32(u32::try_from(self.slots.len()).unwrap_or(u32::MAX));
        for slot in &self.slots {
            put.text(slot.name.as_str());
            put.u32(u32::try_from(slot.recent.iter().count()).unwrap_or(0));
            for bar in slot.recent.iter() {
                put.i64(bar.close_time.0);
                for value in [bar.open, bar.high, bar.low, bar.close, bar.volume] {
                    put.f64(value);
                }
            }
            put.i64(i64::from(slot.position.as_i8()));
            put.opt_i64(slot.reported_as_of.map(|t| t.0));
            put_slot_said(&mut put, slot);
            put.u8(u8::from(slot.features.is_some()));
            put.block(|out| {
                if let Some(features) = &slot.features {
                    features.save(out);
                }
            });
        }
    }

    /// Takes over what of `image` concerns this core: its instruments, and the slot's state. Operators are taken when `plan`
    /// is of the same feature contract, and left for the builder to warm otherwise. Which time rules stays as the core was told.
    ///
    /// A core that takes over from several is given the image of each: it is halted where any of them was, and has the newest
    /// directive.
    ///
    /// # Errors
    /// [`BadBytes`] when the operators' bytes do not parse; the core is then unusable.
    pub fn restore(
        &mut self,
        image: &CoreImage,
        plan: Option<(FeatureContractHash, &FeaturePlan)>,
    ) -> Result<(), BadBytes> {
        self.now = image.now;
        self.ran = image.ran;
        self.latches = self.latches.or(image.latches);
        let number = |directive: Option<NewestDirective>| directive.map_or(0, |directive| directive.number);
        if number(image.directive) >= number(self.directive) {
            self.directive = image.directive;
        }
        self.slot_said = image.slot_said;
        let plan = plan.filter(|(hash, _)| image.features_of == Some(*hash));
        if let Some((hash, plan)) = plan {
            if let Some(bytes) = &image.macros {
                let macros = plan.load_macros(&mut bytes.as_slice()).map_err(|_| BadBytes)?;
                self.macros.replace(macros, &self.options.series, plan.series());
            }
            self.features_of = Some(hash);
        }
        for slot in &mut self.slots {
            if let (Some((_, plan)), None) = (plan, &slot.features) {
                slot.features = Some(plan.new_instrument(&slot.name));
            }
            let Some(found) = image.slots.iter().find(|s| s.name == slot.name.as_str()) else {
                continue;
            };
            slot.recent = RecentBars::default();
            for bar in &found.recent {
                slot.recent.push(*bar);
                slot.silence.bar_seen(bar.close_time);
            }
            slot.position = found.position;
            slot.reported_as_of = found.reported_as_of;
            slot.said = found.said;
            slot.before_silence = found.before_silence;
            if let (Some((_, plan)), Some(bytes)) = (plan, &found.features) {
                slot.features = Some(
                    plan.load_instrument(&mut bytes.as_slice())
                        .map_err(|_| BadBytes)?,
                );
            }
        }
        Ok(())
    }
}

impl CoreImage {
    /// Parses a snapshot's bytes.
    ///
    /// # Errors
    /// [`BadBytes`] when they end early, go on too long, or are of another version.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadBytes> {
        let mut take = Take(bytes);
        if take.u8()? != VERSION {
            return Err(BadBytes);
        }
        let clock = if take.u8()? == 1 {
            ClockMode::Feed
        } else {
            ClockMode::Wall
        };
        let now = UnixNanos(take.i64()?);
        let has_features = take.u8()? == 1;
        let digest = take.digest()?;
        let features_of = has_features.then(|| FeatureContractHash::from_bytes(digest));
        let generation = take.u64()?;
        let ran = take.u64()?;
        let latches = Latches::from_bits(take.u8()?).ok_or(BadBytes)?;
        let has_directive = take.u8()? == 1;
        let directive = NewestDirective {
            number: take.u64()?,
            issued_at: UtcMillis(take.i64()?),
            renew_by: UtcMillis(take.i64()?),
        };
        let slot_said = take_said(&mut take)?;
        let has_macros = take.u8()? == 1;
        let macros = take.block()?;
        let count = take.u32()?;
        let mut slots = Vec::new();
        for _ in 0..count {
            slots.push(take_slot(&mut take)?);
        }
        if !take.0.is_empty() {
            return Err(BadBytes);
        }
        Ok(Self {
            clock,
            now,
            features_of,
            generation,
            ran,
            latches,
            directive: has_directive.then_some(directive),
            slot_said,
            macros: has_macros.then(|| macros.to_vec()),
            slots,
        })
    }
}

fn take_slot(take: &mut Take<'_>) -> Result<SlotImage, BadBytes> {
    let name = take.text()?.to_owned();
    let count = take.u32()?;
    let mut recent = Vec::new();
    for _ in 0..count {
        recent.push(Bar {
            close_time: UtcMillis(take.i64()?),
            open: take.f64()?,
            high: take.f64()?,
            low: take.f64()?,
            close: take.f64()?,
            volume: take.f64()?,
        });
    }
    let position = take_position(take)?;
    let reported_as_of = take.opt_i64()?.map(UtcMillis);
    let (said, before_silence) = take_slot_said(take)?;
    let has_features = take.u8()? == 1;
    let features = take.block()?;
    Ok(SlotImage {
        name,
        recent,
        position,
        reported_as_of,
        said,
        before_silence,
        features: has_features.then(|| features.to_vec()),
    })
}
