//! `engine replay` in process: the same tape and contract without sockets.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use contracts::ids::InstrumentId;
use engine::bundle::build::verify;
use engine::bundle::make::Made;
use engine::bundle::{BuildOptions, BundleCell, Holder};
use engine::clock::SystemClock;
use engine::core::{ClockMode, Core, CoreOptions};
use engine::drivers::load::{fresh_bundle, series_of};
use engine::drivers::outlet::{Numbers, Outlet};
use engine::drivers::pump::Pump;
use engine::drivers::replay::{Lines, inputs, run};
use engine::feeds::file_server::Tape;

/// A sink whose bytes can be had afterwards.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The messages `engine replay` writes for a tape under a contract, a line each.
///
/// # Panics
/// When the contract is refused.
#[must_use]
pub fn replayed(made: &Made, tape: &Tape) -> Vec<String> {
    let build = BuildOptions {
        serves: None,
        trusted: None,
        cores: 1,
        clock: SystemClock::shared(),
    };
    let verified = verify(&made.json, &build, None).expect("a contract just made");
    let instruments: Vec<InstrumentId> = tape.instruments().cloned().collect();
    let options = CoreOptions {
        clock: ClockMode::Feed,
        series: series_of(&verified.contract),
        ..CoreOptions::single(instruments.into())
    };
    let cores = std::slice::from_ref(&options);
    let bundle = fresh_bundle(&verified, &build, &mut made.artifacts.clone(), cores).expect("its artifacts");
    let cell = Arc::new(BundleCell::default());
    let core = Core::new(options.clone(), Holder::new(Arc::clone(&cell), 0));
    let sink = Memory::default();
    let numbers = Numbers::Counted {
        next_lsn: 1,
        next_seq: 1,
    };
    let lines = Lines::new(sink.clone());
    let mut pump = Pump::new(core, Outlet::new(numbers, lines), build.clock.clone());
    cell.publish(bundle);
    let stream = inputs(tape, &options.instruments, &options.series);
    run(&mut pump, stream, |_| ()).expect("memory takes all lines");
    let (_, outlet) = pump.into_parts();
    outlet.into_parts().1.flush().expect("memory takes all lines");
    let bytes = std::mem::take(&mut *sink.0.lock().unwrap_or_else(PoisonError::into_inner));
    let text = String::from_utf8(bytes).expect("JSON is UTF-8");
    text.lines().map(str::to_owned).collect()
}
