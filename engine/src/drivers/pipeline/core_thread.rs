//! One core on its own thread: inputs from its ring, records into the next empty batch.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Batch, CoreFlags, ToJournal};
use crate::clock::SharedClock;
use crate::core::{Core, Input};
use crate::drivers::ring::{Consumer, Producer, Woken};
use crate::limits::PUMP_INPUTS_MAX;
use crate::metrics::{Metrics, Stage};

pub(super) struct CoreThread {
    pub core: Core,
    pub inputs: Consumer<Input>,
    pub free: Consumer<Box<Batch>>,
    pub out: Producer<ToJournal>,
    pub flags: Arc<CoreFlags>,
    pub clock: SharedClock,
    pub metrics: Arc<Metrics>,
}

impl Drop for CoreThread {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Whoever waits for this core would wait for ever. When the journal is gone too, nobody waits.
            let _gone = self.out.push(ToJournal::Lost);
        }
    }
}

impl CoreThread {
    /// Runs until the feed's end of the ring is gone and everything in it is done, or the journal is gone.
    pub fn run(mut self) {
        let mut inputs = Vec::with_capacity(PUMP_INPUTS_MAX + 2);
        let mut through = 0;
        while let Some(mut batch) = self.free.take() {
            loop {
                if !self.wait_for_work() {
                    return;
                }
                let taken = self.gather(&mut inputs, &mut batch);
                through += taken;
                batch.through = through;
                self.step(&inputs, &mut batch);
                // An idle look that said nothing keeps its batch.
                if taken > 0 || !batch.records.is_empty() {
                    break;
                }
            }
            if self.out.push(ToJournal::Batch(batch)).is_err() {
                return;
            }
        }
    }

    /// False when nothing will come any more.
    fn wait_for_work(&self) -> bool {
        let flags = &*self.flags;
        let called = || flags.nudged.load(Ordering::Acquire) || flags.snapshot.load(Ordering::Acquire);
        loop {
            if !self.inputs.is_empty() || called() {
                return true;
            }
            if self.inputs.wait_unless(called) == Woken::Closed {
                return false;
            }
        }
    }

    /// The inputs of the next step: a snapshot if one is asked for, the time, and what waits. Returns how many waited.
    fn gather(&self, inputs: &mut Vec<Input>, batch: &mut Batch) -> u64 {
        self.flags.nudged.store(false, Ordering::Release);
        inputs.clear();
        batch.snapshot = self.flags.snapshot.swap(false, Ordering::AcqRel);
        if batch.snapshot {
            inputs.push(Input::Snapshot);
        }
        inputs.push(Input::Clock {
            now: self.clock.now(),
        });
        let mut taken = 0;
        while taken < PUMP_INPUTS_MAX
            && let Some(input) = self.inputs.pop()
        {
            inputs.push(input);
            taken += 1;
        }
        taken as u64
    }

    fn step(&mut self, inputs: &[Input], batch: &mut Batch) {
        batch.records.clear();
        let begun = self.clock.now();
        self.core.step(inputs, &mut batch.records);
        batch.at = self.clock.now();
        batch.records.stamp_decided(batch.at);
        if !batch.records.is_empty() {
            self.metrics.stage(Stage::Step).record_ns(batch.at.0 - begun.0);
        }
        let shard = self.core.options().shard;
        self.metrics.cores[usize::from(shard)].store(self.core.counters());
        if shard == 0 {
            let latches = u64::from(self.core.latches().to_bits());
            self.metrics.latches.store(latches, Ordering::Relaxed);
        }
    }
}
