//! A model is adopted again: under which operators, and at what time, lies in the records behind it.

use std::sync::Arc;

use contracts::ids::InstrumentId;
use contracts::reason::FlattenCause;

use super::super::{Context, Line, Model, VerifyError};
use super::{Shard, image_of, nanos, unsaid};
use crate::bundle::{Bundle, WarmState};
use crate::core::CoreOptions;
use crate::core::record::{Record, SwapRecord};
use crate::core::snapshot::CoreImage;
use crate::drivers::load::fresh;

impl Shard {
    /// Publishes the model of the held swap and lets the core adopt it.
    pub(super) fn swap(
        &mut self,
        next: Option<&Line<'_>>,
        context: &mut Context<'_>,
    ) -> Result<(), VerifyError> {
        let held = self.held.first().expect("called for a held swap");
        let (header, line) = (held.header, held.line());
        let Record::Swap(SwapRecord { generation, .. }) = line.record else {
            return Err(unsaid(&line));
        };
        let model = context.model(generation, header.lsn)?;
        let image = match next.map(|next| (next, &next.record)) {
            Some((next, Record::Snapshot(snapshot))) => Some(image_of(next, snapshot.state)?),
            _ => None,
        };
        let probe = bundle_of(&model, Vec::new());
        if let Some(image) = &image
            && self.adopted.is_none()
            && !self.core.needs_warm(&probe)
        {
            self.forget_operators_unless(image)?;
        }
        let mut warm = Vec::new();
        if self.core.needs_warm(&probe) {
            let fresh = fresh(&model.loaded, self.core.options());
            let given = image
                .as_ref()
                .map(|image| given(image, &model, self.core.options()));
            let state = match given {
                Some(Some(given)) => {
                    self.given = !same_operators(&given, &fresh);
                    given
                }
                Some(None) => return Err(VerifyError::Snapshot { lsn: header.lsn + 1 }),
                None => fresh,
            };
            // The seats are counted by core: those of other cores stay empty here.
            for _ in 0..self.core.options().shard {
                warm.push(WarmState {
                    instruments: Vec::new(),
                    macros: None,
                    through: Vec::new(),
                    last: Vec::new(),
                });
            }
            warm.push(state);
            if let Some(image) = &image {
                self.follow_mode(image.clock);
                self.core.set_clock(image.now);
            }
        }
        match next.map(|next| &next.record) {
            Some(Record::Flatten(order)) if order.cause == FlattenCause::Swap => {
                self.core.set_clock(nanos(order.time));
            }
            Some(Record::State(state)) if state.instrument.is_none() => {
                self.core.set_clock(nanos(state.since));
            }
            _ => {}
        }
        self.cell.publish(Arc::new(bundle_of(&model, warm)));
        self.step(&[]);
        self.adopted = Some(generation);
        self.model = Some(model);
        context.summary.generations.insert(generation);
        self.confirm_held(context)
    }

    /// Whether the held swap needs no operators from a snapshot behind it. One that does and was cut off before that snapshot is not
    /// adopted here: a recovery finds the operators of the model before, too.
    pub(super) fn stands_alone(&self, context: &mut Context<'_>) -> Result<bool, VerifyError> {
        let held = self.held.first().expect("called for a held swap");
        let Record::Swap(SwapRecord { generation, .. }) = held.line().record else {
            return Ok(false);
        };
        let model = context.model(generation, held.header.lsn)?;
        Ok(!self.core.needs_warm(&bundle_of(&model, Vec::new())))
    }

    /// An engine that could not recover its operators was given others: so is this core, if `image` says so.
    fn forget_operators_unless(&mut self, image: &CoreImage) -> Result<(), VerifyError> {
        let own = self.image()?;
        let same = own.macros == image.macros
            && own.slots.len() == image.slots.len()
            && own
                .slots
                .iter()
                .zip(&image.slots)
                .all(|(a, b)| a.features == b.features);
        if !same {
            let mut anew = Self::new(self.core.options().clone());
            anew.held = std::mem::take(&mut self.held);
            anew.recovered = std::mem::take(&mut self.recovered);
            anew.follow_mode(own.clock);
            anew.core.restore(&own, None).map_err(|_| VerifyError::Empty)?;
            anew.core.retrace();
            *self = anew;
        }
        Ok(())
    }
}

pub(super) fn bundle_of(model: &Model, warm: Vec<WarmState>) -> Bundle {
    let warm = warm.into_iter().map(Box::new).collect();
    Bundle::new(model.terms.clone(), Arc::clone(&model.loaded), warm)
}

/// The operators in a snapshot; `None` when they are not of this model.
fn given(image: &CoreImage, model: &Model, options: &CoreOptions) -> Option<WarmState> {
    let strategy = &model.loaded.strategy;
    let macros = strategy
        .load_macros(&mut image.macros.as_ref()?.as_slice())
        .ok()?;
    let (mut instruments, mut last) = (Vec::new(), Vec::new());
    for name in options.owned() {
        let slot = image
            .slots
            .iter()
            .find(|slot| slot.name == InstrumentId::as_str(name))?;
        instruments.push(Some(
            strategy
                .load_instrument(&mut slot.features.as_ref()?.as_slice())
                .ok()?,
        ));
        last.push(slot.recent.last().copied());
    }
    Some(WarmState {
        instruments,
        macros: Some(macros),
        through: last.iter().map(|bar| bar.map(|bar| bar.close_time)).collect(),
        last,
    })
}

fn same_operators(a: &WarmState, b: &WarmState) -> bool {
    let bytes = |state: &WarmState| {
        let mut bytes = Vec::new();
        for instrument in state.instruments.iter().flatten() {
            instrument.save(&mut bytes);
        }
        if let Some(macros) = &state.macros {
            macros.save(&mut bytes);
        }
        bytes
    };
    bytes(a) == bytes(b)
}
