//! A core with a model, made in process: no files, no ONNX Runtime, no threads.
//!
//! The model is a small dense chain whose weights come from a seed; the scaler is fixed. That is enough to test everything the
//! core does with a model, because to the core a model is rows in and numbers out.

mod model;
pub mod ort;

pub use model::{bundle, chain, strategy, warmed};
pub use strategy::onnx::testmodels::norm_stats;

use std::path::PathBuf;
use std::sync::Arc;

use contracts::bar::Bar;
use contracts::features::{FeatureContract, load_contract};

use contracts::ids::{InstrumentId, SeriesId};
use contracts::time::{DayNumber, UnixNanos};
use engine::bundle::{BundleCell, Holder};
use engine::core::{ClockMode, Core, CoreOptions, Input, InstrumentIndex, Records, SeriesIndex};
use engine::drivers::pump::records_for;

use crate::market::Market;

/// A feature contract of `config/features/`.
///
/// # Panics
/// When the file is not what the repository holds.
#[must_use]
pub fn features(name: &str) -> FeatureContract {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    load_contract(&root.join("config/features").join(format!("{name}.yaml")))
        .expect("a shipped feature contract")
}

/// One core on the feed's clock, a cell to publish bundles in, and its records.
pub struct Rig {
    /// The core.
    pub core: Core,
    /// Where bundles are published.
    pub cell: Arc<BundleCell>,
    /// What the last steps wrote.
    pub records: Records,
}

/// Options for `instruments` on the feed's clock, with the series of `features`.
#[must_use]
pub fn options(instruments: &[InstrumentId], features: &FeatureContract) -> CoreOptions {
    let series: Vec<SeriesId> = features.macro_rules.keys().cloned().collect();
    CoreOptions {
        clock: ClockMode::Feed,
        series: series.into(),
        ..CoreOptions::single(instruments.into())
    }
}

impl Rig {
    /// A core that has seen nothing and has no model.
    #[must_use]
    pub fn new(options: CoreOptions) -> Self {
        let cell = Arc::new(BundleCell::default());
        let records = records_for(options.instruments.len());
        let holder = Holder::new(Arc::clone(&cell), usize::from(options.shard));
        Self {
            core: Core::new(options, holder),
            cell,
            records,
        }
    }

    /// Steps the core; the records of this step replace those of the last.
    pub fn step(&mut self, inputs: &[Input]) -> &Records {
        self.records.clear();
        self.core.step(inputs, &mut self.records);
        &self.records
    }
}

/// A bar as an input that was received when it closed.
#[must_use]
pub fn bar_input(instrument: usize, bar: Bar) -> Input {
    Input::Bar {
        instrument: InstrumentIndex(u32::try_from(instrument).unwrap_or(u32::MAX)),
        bar,
        received_at: UnixNanos(bar.close_time.0 * 1_000_000),
        backfilled: false,
    }
}

/// The whole market in order, daily values before the first bar that may see them under any calendar.
#[must_use]
pub fn inputs_of(market: &Market, features: &FeatureContract) -> Vec<Input> {
    let place = |series: &SeriesId| features.macro_rules.keys().position(|s| s == series);
    let mut daily: Vec<(DayNumber, Input)> = Vec::new();
    for point in &market.macros {
        if let Some(series) = place(&point.series).and_then(|at| u8::try_from(at).ok()) {
            let input = Input::Macro {
                series: SeriesIndex(series),
                date: point.date,
                value: point.value,
                arrived_at: None,
            };
            daily.push((point.date, input));
        }
    }
    daily.sort_by_key(|(date, _)| *date);
    let mut daily = daily.into_iter().peekable();
    let mut inputs = Vec::new();
    for (instrument, bar) in market.in_order() {
        let today = bar.close_time.0.div_euclid(86_400_000);
        while let Some((_, input)) = daily.next_if(|(date, _)| i64::from(date.0) < today) {
            inputs.push(input);
        }
        inputs.push(bar_input(instrument, bar));
    }
    inputs
}
