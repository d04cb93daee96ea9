//! One core and its outlet on one thread: inputs in, records out. The `inline` and the `replay` driver are loops around it.

use std::sync::Arc;

use contracts::time::UnixNanos;

use super::outlet::{Outlet, OutletError, Publish};
use crate::clock::SharedClock;
use crate::core::{Core, Input, Records};
use crate::limits::{PUMP_INPUTS_MAX, RECORDS_BYTES_PER_INPUT, RECORDS_BYTES_SLACK, RECORDS_PER_INPUT};
use crate::metrics::{Metrics, Stage};

/// A core, its records and where they go.
pub struct Pump<P> {
    core: Core,
    records: Records,
    outlet: Outlet<P>,
    clock: SharedClock,
    metrics: Option<Arc<Metrics>>,
}

/// An arena that holds what a step of [`PUMP_INPUTS_MAX`] inputs can write for `instruments` instruments: besides the records
/// of the inputs, one `state` and one `flatten` each.
#[must_use]
pub fn records_for(instruments: usize) -> Records {
    let inputs = PUMP_INPUTS_MAX + 2 * instruments;
    Records::with_capacity(
        inputs * RECORDS_BYTES_PER_INPUT + RECORDS_BYTES_SLACK,
        inputs * RECORDS_PER_INPUT,
    )
}

impl<P: Publish> Pump<P> {
    /// A pump; `clock` stamps `decided_at` and the journal.
    #[must_use]
    pub fn new(core: Core, outlet: Outlet<P>, clock: SharedClock) -> Self {
        let records = records_for(core.options().instruments.len());
        Self {
            core,
            records,
            outlet,
            clock,
            metrics: None,
        }
    }

    /// The same pump, timing its steps.
    #[must_use]
    pub fn measured(mut self, metrics: Arc<Metrics>) -> Self {
        self.metrics = Some(metrics);
        self
    }

    /// The core.
    #[must_use]
    pub const fn core(&self) -> &Core {
        &self.core
    }

    /// Where records go.
    pub const fn outlet(&mut self) -> &mut Outlet<P> {
        &mut self.outlet
    }

    /// Steps the core through `inputs`, at most [`PUMP_INPUTS_MAX`] at a time, and lets the records out after each step.
    ///
    /// # Errors
    /// [`OutletError`]; nothing of the failed batch was published.
    pub fn run(&mut self, inputs: &[Input]) -> Result<(), OutletError> {
        if self.outlet.wants_snapshot(self.core.options().shard) {
            self.step(&[Input::Snapshot])?;
        }
        for part in inputs.chunks(PUMP_INPUTS_MAX) {
            self.step(part)?;
        }
        if inputs.is_empty() {
            self.step(&[])?;
        }
        Ok(())
    }

    fn step(&mut self, inputs: &[Input]) -> Result<(), OutletError> {
        self.records.clear();
        let begun = self.clock.now();
        self.core.step(inputs, &mut self.records);
        let now: UnixNanos = self.clock.now();
        self.records.stamp_decided(now);
        if self.records.is_empty() {
            return Ok(());
        }
        if let Some(metrics) = &self.metrics {
            metrics.stage(Stage::Step).record_ns(now.0 - begun.0);
        }
        self.outlet.take(&mut self.records, now)
    }

    /// Everything written is on disk when this returns.
    ///
    /// # Errors
    /// [`OutletError::Journal`].
    pub fn sync(&mut self) -> Result<(), OutletError> {
        if let Some(writer) = self.outlet.writer() {
            writer.sync()?;
        }
        Ok(())
    }

    /// Takes the pump apart, for the orderly end.
    pub fn into_parts(self) -> (Core, Outlet<P>) {
        (self.core, self.outlet)
    }
}
