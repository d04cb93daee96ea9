//! `--verify`: an honest journal passes; whoever changes a record, checksum included, is named by number and field.

mod crash;
mod edit;
mod market;
mod numerics;
mod shards;
mod silence;
mod store;
mod tamper;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use contracts::features::FeatureContract;
use contracts::reason::Latch;
use contracts::time::{UnixNanos, UtcMillis};
use engine::bundle::{BundleCell, Holder, Terms};
use engine::clock::ManualClock;
use engine::core::record::BootId;
use engine::core::recovery::Recovery;
use engine::core::snapshot::CoreImage;
use engine::core::{Core, CoreOptions, Input};
use engine::drivers::outlet::{Numbers, Outgoing, Outlet, Publish};
use engine::drivers::pump::Pump;
use engine::drivers::verify::{Model, ModelError, Models, Summary, VerifyError, verify};
use engine::journal::{JournalOptions, JournalReader, Opened, RealDisk, Start, Writer, open};
use testkit::market::{Market, MarketSpec};
use testkit::rig;

const SEGMENT_BYTES: u64 = 60_000;

struct Nobody;

impl Publish for Nobody {
    fn publish(&mut self, _: &Outgoing<'_>) -> std::io::Result<()> {
        Ok(())
    }
}

/// Seeded models by generation.
struct Seeded {
    options: CoreOptions,
    /// Seconds of silence after which their contracts close a position.
    flatten_after_s: Option<u32>,
    /// True when their positions are reported.
    is_feedback: bool,
    /// Generations whose bits this machine does not give.
    foreign: BTreeSet<u64>,
    by_generation: BTreeMap<u64, (FeatureContract, u64)>,
}

impl Models for Seeded {
    fn model(&mut self, generation: u64, _cores: u16) -> Result<Model, ModelError> {
        let (features, seed) = self
            .by_generation
            .get(&generation)
            .ok_or_else(|| ModelError::Missing {
                path: format!("contracts/{generation}.json"),
            })?;
        let bundle = rig::bundle(features, &self.options, generation, *seed);
        Ok(Model {
            terms: Terms {
                flatten_after_s: self.flatten_after_s,
                is_feedback: self.is_feedback,
                ..bundle.terms.clone()
            },
            loaded: Arc::clone(&bundle.loaded),
            other_numerics: self
                .foreign
                .contains(&generation)
                .then(|| "another machine".to_owned()),
        })
    }
}

/// A market, its slot, and the models the journals below ran under.
struct Scene {
    inputs: Vec<Input>,
    options: CoreOptions,
    models: Seeded,
}

impl Scene {
    fn new(shards: u16) -> Self {
        let (first, second) = (rig::features("usdcop_15"), rig::features("usdcop_15_ohlc"));
        let market = Market::generate(&MarketSpec::many(17, 3, 25));
        let mut options = rig::options(&market.instruments, &first);
        options.shards = shards;
        let by_generation = BTreeMap::from([
            (1, (first.clone(), 12)),
            (2, (first.clone(), 13)),
            (3, (second, 14)),
        ]);
        Self {
            inputs: rig::inputs_of(&market, &first),
            models: Seeded {
                options: options.clone(),
                flatten_after_s: None,
                is_feedback: false,
                foreign: BTreeSet::new(),
                by_generation,
            },
            options,
        }
    }

    fn opened(&self, dir: &Path) -> Opened {
        let disk = RealDisk::locked(dir).expect("a directory of our own");
        let options = JournalOptions {
            segment_bytes: SEGMENT_BYTES,
            ..JournalOptions::default()
        };
        open(Arc::new(disk), options).expect("a sound journal")
    }

    fn start(&self, opened: Opened) -> Writer {
        let names: Vec<&str> = self
            .options
            .instruments
            .iter()
            .map(|name| name.as_str())
            .collect();
        let start = Start {
            time: UnixNanos(0),
            boot: BootId([1; 16]),
            engine_version: "0.1.0",
            shards: self.options.shards,
            instruments: &names,
        };
        opened.start(&start).expect("a journal that can be written")
    }

    fn bundle(&self, generation: u64, seen: usize) -> Arc<engine::bundle::Bundle> {
        let (features, seed) = &self.models.by_generation[&generation];
        let mut bundle = rig::warmed(features, &self.options, generation, *seed, &self.inputs[..seen]);
        let own = Arc::get_mut(&mut bundle).expect("not shared yet");
        own.terms.is_feedback = self.models.is_feedback;
        own.terms.flatten_after_s = self.models.flatten_after_s;
        bundle
    }

    fn pump(&self, core: Core, writer: Writer) -> Pump<Nobody> {
        let outlet = Outlet::new(Numbers::Journal(Box::new(writer)), Nobody);
        Pump::new(core, outlet, ManualClock::at(UnixNanos(77)))
    }

    fn core(&self) -> (Core, Arc<BundleCell>) {
        let cell = Arc::new(BundleCell::default());
        let holder = Holder::new(Arc::clone(&cell), 0);
        (Core::new(self.options.clone(), holder), cell)
    }

    /// Two runs: a swap, a halt and its end, a swap to other features, and a crash in between.
    fn journal(&self, dir: &Path) {
        let n = self.inputs.len();
        let (core, cell) = self.core();
        let mut pump = self.pump(core, self.start(self.opened(dir)));
        cell.publish(self.bundle(1, 0));
        let run = |pump: &mut Pump<Nobody>, from: usize, to: usize| {
            for part in self.inputs[from..to].chunks(7) {
                pump.run(part).expect("a journal that can be written");
            }
        };
        run(&mut pump, 0, n * 4 / 10);
        pump.run(&[Input::Halt { latch: Latch::Local }])
            .expect("a journal of our own");
        run(&mut pump, n * 4 / 10, n * 4 / 10 + 60);
        pump.run(&[directive(1, false, false), directive(2, false, true)])
            .expect("a journal of our own");
        run(&mut pump, n * 4 / 10 + 60, n / 2);
        cell.publish(self.bundle(2, 0));
        run(&mut pump, n / 2, n * 6 / 10);
        cell.publish(self.bundle(3, n * 6 / 10 - 20));
        run(&mut pump, n * 6 / 10, n * 7 / 10);
        drop(pump);
        let mut pump = self.recovered_pump(dir, 3);
        run(&mut pump, n * 7 / 10, n * 8 / 10);
        pump.run(&[directive(3, true, false)])
            .expect("a journal of our own");
        run(&mut pump, n * 8 / 10, n * 85 / 100);
        let (_, mut outlet) = pump.into_parts();
        outlet.writer().expect("a journal").sync().expect("a disk");
    }

    /// An engine that begins again where the journal ends, with the model of `generation` wanted.
    fn recovered_pump(&self, dir: &Path, generation: u64) -> Pump<Nobody> {
        let opened = self.opened(dir);
        let (mut core, cell) = self.core();
        self.recover(&mut core, &opened);
        let pump = self.pump(core, self.start(opened));
        cell.publish(self.bundle(generation, 0));
        pump
    }

    /// A run that stops before it has read anything.
    fn stop(&self, dir: &Path) {
        let writer = self.start(self.opened(dir));
        writer.stop(UnixNanos(9)).expect("a journal of our own");
    }

    fn recover(&self, core: &mut Core, opened: &Opened) {
        let snapshot = &opened.recovered.snapshots[0];
        let image = CoreImage::parse(&snapshot.state).expect("a journal of our own");
        let features = &self.models.by_generation[&image.generation].0;
        let strategy = rig::strategy(features);
        core.restore(&image, Some((features.hash(), strategy.plan())))
            .expect("a journal of our own");
        let mut recovery = Recovery::new(core, Some(strategy.plan()));
        let mut cursor = opened.recovered.records().expect("a journal of our own");
        while let Some(read) = cursor.read().expect("a journal of our own") {
            if read.header.lsn > snapshot.lsn {
                recovery.apply(&read.record().expect("a journal of our own"));
            }
        }
    }
}

fn directive(number: u64, halted: bool, clears_local: bool) -> Input {
    Input::Directive {
        number,
        halted,
        clears_control: false,
        clears_local,
        issued_at: UtcMillis(1),
        renew_by: UtcMillis(i64::MAX),
    }
}

fn verified(dir: &Path, models: &mut Seeded) -> Result<Summary, VerifyError> {
    let reader = JournalReader::offline(Arc::new(RealDisk::unlocked(dir))).expect("segments");
    verify(&reader, models, |_, _| {})
}

#[test]
fn an_honest_journal_passes() {
    let dir = tempfile::tempdir().expect("a journal of our own");
    let mut scene = Scene::new(1);
    scene.journal(dir.path());
    let summary = match verified(dir.path(), &mut scene.models) {
        Ok(summary) => summary,
        Err(error) => panic!("{error}"),
    };
    assert_eq!(summary.starts, 2);
    assert!(summary.segments > 3, "{summary:?}");
    assert_eq!(summary.generations.iter().copied().collect::<Vec<_>>(), [1, 2, 3]);
    assert!(
        summary.signals > 100 && summary.bars > summary.signals,
        "{summary:?}"
    );
    assert!(summary.bars_on_given_operators > 0 && summary.bars_on_given_operators < summary.bars);
    assert_eq!(
        (summary.skipped, summary.unfinished, summary.torn_bytes),
        (0, 0, 0)
    );
}

#[test]
fn a_missing_contract_is_named() {
    let dir = tempfile::tempdir().expect("a journal of our own");
    Scene::new(1).journal(dir.path());
    let args = engine::cli::verify::Args {
        verify: dir.path().to_owned(),
        contracts: None,
    };
    let error = engine::cli::verify::run_verify(&args, None).expect_err("no contract was kept");
    assert_eq!(error.exit(), engine::cli::Exit::NoInput);
    let report = error.report();
    assert!(
        report.contains("generation 1") && report.contains("contracts/1.json"),
        "{report}"
    );
}
