//! The `replay` driver: a file's bars through the core, as fast as it goes, on the feed's clock.
//!
//! The order is that of the file server's: by close time, then by instrument, each daily value before the first bar that may see
//! it. So a live engine that was fed by the server writes the same messages.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};

use contracts::ids::{InstrumentId, SeriesId};
use contracts::production::{ContractOrigin, ProductionContract};
use contracts::time::{UnixNanos, UtcMillis};

use super::outlet::{Outgoing, OutletError, Publish};
use super::pump::Pump;
use crate::core::{ClockMode, Input, InstrumentIndex, SeriesIndex};
use crate::feeds::file_server::{Tape, TapeMacro};
use crate::limits::PUMP_INPUTS_MAX;

/// Messages as JSON lines.
pub struct Lines<W: Write>(BufWriter<W>);

impl<W: Write> Lines<W> {
    /// Writes to `sink`, buffered.
    pub fn new(sink: W) -> Self {
        Self(BufWriter::new(sink))
    }

    /// Writes what is buffered.
    ///
    /// # Errors
    /// When the sink cannot be written.
    pub fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

impl<W: Write + Send> Publish for Lines<W> {
    fn publish(&mut self, outgoing: &Outgoing<'_>) -> std::io::Result<()> {
        serde_json::to_writer(&mut self.0, &outgoing.message)?;
        self.0.write_all(b"\n")
    }
}

/// What a replay tells its core first: a voted contract is confirmed for all time, because files have no control plane. Its journal
/// holds it as directive 0, the number before all others. A local contract needs none.
#[must_use]
pub fn confirmation(contract: &ProductionContract) -> Option<Input> {
    (contract.origin == ContractOrigin::Votes).then_some(CONFIRMED)
}

const CONFIRMED: Input = Input::Directive {
    number: 0,
    halted: false,
    clears_control: false,
    clears_local: false,
    // Grace is added to it.
    issued_at: UtcMillis(i64::MAX / 2),
    renew_by: UtcMillis(i64::MAX),
};

/// A tape as inputs for a core with these instruments and series; series the slot does not know are left out.
pub fn inputs<'a>(
    tape: &'a Tape,
    instruments: &'a [InstrumentId],
    series: &'a [SeriesId],
) -> impl Iterator<Item = Input> + 'a {
    let places: BTreeMap<&InstrumentId, u32> = instruments.iter().zip(0..).collect();
    let mut daily = tape.macros().iter().peekable();
    let merged = tape.merged(instruments, &BTreeMap::new());
    let bars = merged.into_iter().flat_map(move |(instrument, bar)| {
        let mut due: Vec<Input> = Vec::new();
        while let Some(value) = daily.next_if(|value| value.visible_at <= bar.close_time) {
            due.extend(macro_input(value, series));
        }
        due.push(Input::Bar {
            instrument: InstrumentIndex(places[instrument]),
            bar: *bar,
            received_at: UnixNanos(bar.close_time.0.saturating_mul(1_000_000)),
            backfilled: false,
        });
        due
    });
    std::iter::once(Input::Mode {
        clock: ClockMode::Feed,
    })
    .chain(bars)
}

fn macro_input(value: &TapeMacro, series: &[SeriesId]) -> Option<Input> {
    let place = series.iter().position(|name| *name == value.series)?;
    Some(Input::Macro {
        series: SeriesIndex(u8::try_from(place).ok()?),
        date: value.date,
        value: value.value,
        arrived_at: value.arrived_at,
    })
}

/// Runs all inputs; `progress` is told how many after every step.
///
/// # Errors
/// [`OutletError`].
pub fn run<P: Publish>(
    pump: &mut Pump<P>,
    inputs: impl Iterator<Item = Input>,
    mut progress: impl FnMut(u64),
) -> Result<(), OutletError> {
    let mut part = Vec::with_capacity(PUMP_INPUTS_MAX);
    for input in inputs {
        part.push(input);
        if part.len() == PUMP_INPUTS_MAX {
            pump.run(&part)?;
            progress(part.len() as u64);
            part.clear();
        }
    }
    pump.run(&part)?;
    progress(part.len() as u64);
    Ok(())
}
