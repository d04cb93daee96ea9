//! From a snapshot and the records after it back to the state that died, bit for bit.
//!
//! Bars go through the same acceptance and the same observation as live; what was decided is taken from the record, not inferred
//! again: a position that was published must come back even under another build.

use std::collections::HashMap;

use contracts::limits::FEATURES_MAX;
use contracts::reason::{Latch, Position};
use strategy::plan::FeaturePlan;

use super::confirmation::NewestDirective;
use super::input::SeriesIndex;
use super::macro_feed::MacroValue;
use super::record::{BarView, Record};
use super::step::Core;

/// Applies records to a core that has been restored from a snapshot, or is new.
pub struct Recovery<'a> {
    core: &'a mut Core,
    plan: Option<&'a FeaturePlan>,
    places: HashMap<String, usize>,
    features: Vec<f64>,
}

impl<'a> Recovery<'a> {
    /// Begins; `plan` is the one whose operators the core was restored with, `None` when it will be warmed instead.
    pub fn new(core: &'a mut Core, plan: Option<&'a FeaturePlan>) -> Self {
        let places = core
            .slots
            .iter()
            .enumerate()
            .map(|(at, slot)| (slot.name.to_string(), at))
            .collect();
        Self {
            core,
            plan,
            places,
            features: vec![0.0; FEATURES_MAX],
        }
    }

    /// Applies one record; those of other cores' instruments change nothing here.
    pub fn apply(&mut self, record: &Record<'_>) {
        match record {
            Record::Bar(bar) => self.bar(bar),
            Record::Macro(value) => {
                let series = self
                    .core
                    .options
                    .series
                    .iter()
                    .position(|s| s.as_str() == value.series);
                if let Some(series) = series.and_then(|at| u8::try_from(at).ok()) {
                    self.core.macros.insert(MacroValue {
                        series: SeriesIndex(series),
                        date: value.date,
                        value: value.value,
                        arrived_at: value.arrived_at,
                    });
                }
            }
            Record::Gap(gap) => {
                if let Some(at) = self.place(gap.instrument) {
                    self.core.slots[at].gap_told = true;
                }
            }
            Record::Position(report) => {
                if let Some(at) = self.place(report.instrument) {
                    self.core.slots[at].position = report.position;
                    self.core.slots[at].reported_as_of = Some(report.as_of);
                }
            }
            Record::Flatten(order) => {
                if let Some(at) = self.place(order.instrument) {
                    self.core.slots[at].position = Position::Flat;
                }
            }
            Record::Halt(halt) => {
                self.core.latches.put(halt.latch, true);
            }
            Record::Resume(resume) => {
                self.core.latches.put(resume.latch, false);
            }
            Record::Directive(directive) => {
                self.core.directive = Some(NewestDirective {
                    number: directive.number,
                    issued_at: directive.issued_at,
                    renew_by: directive.renew_by,
                });
                if directive.halted {
                    self.core.latches.put(Latch::Control, true);
                }
            }
            Record::State(state) => match state.instrument {
                None => self.core.slot_said = Some(state.state),
                Some(name) => {
                    if let Some(at) = self.place(name) {
                        self.core.slots[at].note_said(state.state);
                    }
                }
            },
            _ => {}
        }
    }

    fn place(&self, instrument: &str) -> Option<usize> {
        self.places.get(instrument).copied()
    }

    fn bar(&mut self, record: &BarView<'_>) {
        let Some(at) = self.place(record.instrument) else {
            return;
        };
        self.core.now = record.now;
        // Not taken from `swap`: what that record orders may have been torn off behind it, and is ordered again then.
        if record.generation != 0 {
            self.core.ran = record.generation;
        }
        let slot = &mut self.core.slots[at];
        slot.gap_told = false;
        slot.recent.push(record.bar);
        slot.silence.bar_seen(record.bar.close_time);
        if let (Some(plan), Some(features), Some(macros)) =
            (self.plan, slot.features.as_mut(), self.core.macros.state_mut())
        {
            plan.observe(
                features,
                macros,
                &record.bar,
                record.position_before,
                &mut self.features[..plan.width()],
            );
        }
        slot.position = record.position_after;
    }
}
