//! Records that came from outside become inputs again.

use contracts::reason::{FlattenCause, LiveState};
use contracts::time::UnixNanos;

use super::super::{Context, Difference, Line, VerifyError};
use super::{Shard, image_of, nanos, unsaid};
use crate::core::record::Record;
use crate::core::{ClockMode, Input, SeriesIndex};

impl Shard {
    /// A record that nothing is due before.
    pub(super) fn begin(&mut self, line: &Line<'_>, context: &mut Context<'_>) -> Result<(), VerifyError> {
        self.follow_mode(if line.header.simulated {
            ClockMode::Feed
        } else {
            ClockMode::Wall
        });
        match &line.record {
            Record::Bar(_) => return self.bar(line, context),
            Record::Swap(_) | Record::Directive(_) | Record::LevelShift(_) => {
                self.hold(line);
                return Ok(());
            }
            Record::State(state) => match (state.instrument, state.state) {
                (Some(name), LiveState::StaleFeed) => {
                    let instrument = self.instrument(line, name)?;
                    self.forget_said();
                    self.core
                        .retrace_silence(instrument, state.since, &mut self.records);
                }
                (None, _) if !line.header.simulated => {
                    self.step(&[Input::Clock {
                        now: nanos(state.since),
                    }]);
                }
                _ => {
                    self.hold(line);
                    return Ok(());
                }
            },
            Record::Flatten(order) if order.cause == FlattenCause::StaleFeed => {
                let instrument = self.instrument(line, order.instrument)?;
                self.forget_said();
                self.core
                    .retrace_stale_flatten(instrument, order.time, &mut self.records);
            }
            Record::Halt(halt) => {
                self.core.set_clock(nanos(halt.time));
                self.step(&[Input::Halt { latch: halt.latch }]);
            }
            Record::Macro(value) => {
                let series = &self.core.options().series;
                let place = series.iter().position(|name| name.as_str() == value.series);
                let Some(series) = place.and_then(|at| u8::try_from(at).ok()).map(SeriesIndex) else {
                    return Err(Difference::of(line, "series", value.series, "no name of a series").into());
                };
                self.step(&[Input::Macro {
                    series,
                    date: value.date,
                    value: value.value,
                    arrived_at: value.arrived_at,
                }]);
            }
            Record::Position(report) => {
                let instrument = self.instrument(line, report.instrument)?;
                self.step(&[Input::Position {
                    instrument,
                    position: report.position,
                    as_of: report.as_of,
                }]);
            }
            Record::Gap(gap) => {
                let instrument = self.instrument(line, gap.instrument)?;
                self.step(&[Input::Gap {
                    instrument,
                    from: gap.from,
                    to: gap.to,
                }]);
            }
            Record::Conflict(conflict) => {
                let instrument = self.instrument(line, conflict.instrument)?;
                self.step(&[Input::Bar {
                    instrument,
                    bar: conflict.offered,
                    received_at: UnixNanos(0),
                    backfilled: false,
                }]);
            }
            Record::Snapshot(snapshot) => {
                let image = image_of(line, snapshot.state)?;
                self.follow_mode(image.clock);
                self.core.set_clock(image.now);
                self.step(&[Input::Snapshot]);
            }
            _ => return Err(unsaid(line)),
        }
        self.confirm(line, context)
    }

    /// Steps the held directive, at the time of what it caused.
    pub(super) fn directive(
        &mut self,
        next: Option<&Line<'_>>,
        context: &mut Context<'_>,
    ) -> Result<(), VerifyError> {
        let held = self.held.remove(0);
        let line = held.line();
        let Record::Directive(directive) = line.record else {
            return Err(unsaid(&line));
        };
        let caused_at = next.and_then(|next| match &next.record {
            Record::Resume(resume) => Some(resume.time),
            Record::Halt(halt) if directive.halted => Some(halt.time),
            Record::State(state) if state.instrument.is_none() => Some(state.since),
            _ => None,
        });
        if let Some(at) = caused_at {
            self.core.set_clock(nanos(at));
        }
        self.step(&[Input::Directive {
            number: directive.number,
            halted: directive.halted,
            clears_control: directive.clears_control,
            clears_local: directive.clears_local,
            issued_at: directive.issued_at,
            renew_by: directive.renew_by,
        }]);
        self.confirm(&line, context)
    }
}
