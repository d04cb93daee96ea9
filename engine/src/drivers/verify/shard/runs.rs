//! How a run begins, and what it leaves to the next when it ends, in order or not.

use std::sync::Arc;

use contracts::hash::FeatureContractHash;
use strategy::plan::FeaturePlan;

use super::super::{Context, Line, Model, VerifyError};
use super::recovered::Recovered;
use super::swap::bundle_of;
use super::{Held, Shard, image_of};
use crate::core::Input;
use crate::core::record::{Header, Kind, Record};
use crate::core::snapshot::CoreImage;
use crate::drivers::load::fresh;

impl Shard {
    /// The core's state as a snapshot would hold it.
    pub(super) fn image(&mut self) -> Result<CoreImage, VerifyError> {
        self.step(&[Input::Snapshot]);
        let state = self.records.iter().find_map(|record| match record {
            Ok(Record::Snapshot(snapshot)) => CoreImage::parse(snapshot.state).ok(),
            _ => None,
        });
        self.forget_said();
        state.ok_or(VerifyError::Empty)
    }

    /// Begins with the first snapshot of a running core.
    pub(super) fn first_snapshot(
        &mut self,
        line: &Line<'_>,
        context: &mut Context<'_>,
    ) -> Result<(), VerifyError> {
        let Record::Snapshot(snapshot) = &line.record else {
            context.summary.skipped += 1;
            return Ok(());
        };
        let image = image_of(line, snapshot.state)?;
        if image.generation == 0 && image.features_of.is_some() {
            // Between a start and its first swap nobody says which contract the operators are of.
            context.summary.skipped += 1;
            return Ok(());
        }
        let shards = context.shards;
        let mut options = self.core.options().clone();
        options.shards = shards;
        let mut born = Self::new(options);
        if image.generation != 0 {
            let model = context.model(image.generation, line.header.lsn)?;
            let options = born.core.options().clone();
            let warm = (0..shards).map(|_| fresh(&model.loaded, &options));
            born.cell.publish(Arc::new(bundle_of(&model, warm.collect())));
            born.step(&[]);
            born.forget_said();
            born.adopted = Some(image.generation);
            born.model = Some(model);
            born.given = true;
            context.summary.generations.insert(image.generation);
        }
        born.recovered = Recovered::of(&image);
        born.restore(&image)
            .map_err(|_| VerifyError::Snapshot { lsn: line.header.lsn })?;
        *self = born;
        Ok(())
    }

    fn restore(&mut self, image: &CoreImage) -> Result<(), crate::core::bytes::BadBytes> {
        let model = self.model.clone();
        let plan: Option<(FeatureContractHash, &FeaturePlan)> = model
            .as_ref()
            .map(|model| (model.terms.feature_contract_hash, model.loaded.strategy.plan()));
        self.core.restore(image, plan)?;
        self.core.retrace();
        self.follow_mode(image.clock);
        Ok(())
    }

    /// What a recovery finds when the run ends here, with the model whose operators they are.
    pub fn end_of_run(&mut self, context: &mut Context<'_>) -> Result<Option<Legacy>, VerifyError> {
        context.summary.unfinished += self.end(context)?;
        context.summary.owed += self.owed().map_or(0, |(_, count)| count);
        let due: Vec<Held> = self.due();
        let mut image = self.image()?;
        undo(&mut image, &due);
        self.recovered.put(&mut image);
        Ok(Some(Legacy {
            image,
            model: self.model.clone(),
            given: self.given,
            recovered: self.recovered.clone(),
        }))
    }

    /// The journal, or a run, ends: what waits is stepped, what is left over belongs to a batch that was cut.
    pub fn end(&mut self, context: &mut Context<'_>) -> Result<u64, VerifyError> {
        match self.held.first().map(|held| held.header.kind) {
            Some(Kind::Directive) => self.directive(None, context)?,
            Some(Kind::Swap) if self.stands_alone(context)? => self.swap(None, context)?,
            _ => {}
        }
        let left = self.held.len() as u64;
        self.held.clear();
        Ok(left)
    }

    /// The first record the core said after the journal's last, and how many there are: the journal should have them.
    pub fn owed(&self) -> Option<(Kind, u64)> {
        let due = self.records.entries().get(self.confirmed..)?;
        due.first().map(|entry| (entry.kind, due.len() as u64))
    }

    fn due(&self) -> Vec<Held> {
        let due = self.records.entries().iter().skip(self.confirmed);
        due.map(|entry| Held {
            header: Header {
                lsn: u64::MAX,
                seq: 0,
                synced_lsn: 0,
                epoch: 0,
                len: 0,
                kind: entry.kind,
                shard: 0,
                simulated: false,
            },
            payload: self.records.payload(*entry).to_vec(),
        })
        .collect()
    }

    /// Takes over what the run before left in the journal.
    pub fn inherit(&mut self, legacy: &Legacy) -> Result<(), VerifyError> {
        self.model.clone_from(&legacy.model);
        self.given = legacy.given;
        self.recovered.add(&legacy.recovered);
        self.restore(&legacy.image).map_err(|_| VerifyError::Empty)?;
        // A recovery knows of a gap that was told; a snapshot does not say it.
        for (name, (from, to)) in &legacy.recovered.gaps {
            if let Some(instrument) = self.place(name) {
                self.step(&[Input::Gap {
                    instrument,
                    from: *from,
                    to: *to,
                }]);
            }
        }
        self.forget_said();
        Ok(())
    }
}

/// What a run leaves to the next.
pub(in super::super) struct Legacy {
    image: CoreImage,
    model: Option<Model>,
    given: bool,
    recovered: Recovered,
}

/// Takes back what the core did and the journal does not have: the batch was cut there. A halt that is due follows the directive
/// that ordered it, and a recovery finds the latch there.
fn undo(image: &mut CoreImage, due: &[Held]) {
    for held in due.iter().rev() {
        match held.line().record {
            Record::Flatten(order) => {
                for slot in &mut image.slots {
                    if slot.name == order.instrument {
                        slot.position = order.position_before;
                    }
                }
            }
            Record::Resume(resume) => {
                image.latches.put(resume.latch, true);
            }
            _ => {}
        }
    }
}
