//! A core that comes back from its journal: under the clock it was told, with the positions it had, and halted to the last order.

use std::path::Path;
use std::sync::{Arc, Mutex};

use contracts::features::FeatureContract;
use contracts::ids::SeriesId;
use contracts::reason::{Latch, OriginReason, Position};
use contracts::time::{UnixNanos, UtcMillis};
use engine::bundle::{Bundle, BundleCell, Holder, OnSwap};
use engine::clock::ManualClock;
use engine::core::record::Record;
use engine::core::snapshot::CoreImage;
use engine::core::{ClockMode, Core, CoreOptions, Input, SeriesIndex};
use engine::drivers::live::{RecoverError, levelling, restore};
use engine::drivers::outlet::{Numbers, Outgoing, Outlet, Publish};
use engine::drivers::pump::Pump;
use engine::drivers::start::{open_journal, start_run};
use engine::drivers::warm::{KnownDaily, KnownHistory, warm};
use engine::journal::{JournalOptions, JournalReader, RealDisk};
use engine::limits::{WARM_BARS_MARGIN, WARM_BARS_PER_SETTLED};
use strategy::plan::FeaturePlan;
use testkit::market::{Market, MarketSpec};
use testkit::rig::{self, Rig};

/// Bars after which every operator is settled.
const SETTLED: usize = 400;

#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Publish for Told {
    fn publish(&mut self, outgoing: &Outgoing<'_>) -> std::io::Result<()> {
        let text = serde_json::to_string(&outgoing.message)?;
        self.0.lock().expect("nobody panics with it").push(text);
        Ok(())
    }
}

impl Told {
    fn flattened(&self) -> usize {
        let told = self.0.lock().expect("nobody panics with it");
        told.iter().filter(|text| text.contains("\"flatten\"")).count()
    }
}

struct Scene {
    market: Market,
    features: FeatureContract,
    options: CoreOptions,
    inputs: Vec<Input>,
}

/// An engine's core with its journal.
struct Run {
    pump: Pump<Told>,
    cell: Arc<BundleCell>,
    told: Told,
}

impl Run {
    fn position(&self) -> Position {
        self.pump.core().positions().next().expect("one instrument")
    }

    fn run(&mut self, inputs: &[Input]) {
        self.pump.run(inputs).expect("a journal that can be written");
    }
}

impl Scene {
    fn new() -> Self {
        Self::of_days(30)
    }

    fn of_days(days: u32) -> Self {
        let features = rig::features("technical_8");
        let market = Market::generate(&MarketSpec::usdcop_like(21, "USDCOP", days));
        Self {
            inputs: rig::inputs_of(&market, &features),
            options: rig::options(&market.instruments, &features),
            features,
            market,
        }
    }

    fn bundle(&self, generation: u64) -> Arc<Bundle> {
        let bundle = rig::bundle(&self.features, &self.options, generation, 8);
        let mut bundle = Arc::into_inner(bundle).expect("not shared yet");
        bundle.terms.on_swap = OnSwap::Flatten;
        Arc::new(bundle)
    }

    /// Starts on the journal in `dir`, as an engine does.
    fn start(&self, dir: &Path, clock: ClockMode) -> Result<Run, RecoverError> {
        let opened = open_journal(dir, JournalOptions::default()).expect("a sound journal");
        let cell = Arc::new(BundleCell::default());
        let options = CoreOptions {
            clock,
            ..self.options.clone()
        };
        let mut core = Core::new(options, Holder::new(Arc::clone(&cell), 0));
        let plan = FeaturePlan::new(&self.features).expect("a shipped contract");
        restore(&opened.recovered, std::slice::from_mut(&mut core), |_| {
            Some((self.features.hash(), plan))
        })?;
        assert_eq!(core.options().clock, clock, "the settings' word counts");
        let first: Vec<Input> = levelling(std::slice::from_ref(&core))
            .into_iter()
            .map(|(_, input)| input)
            .collect();
        let writer = start_run(opened, core.options(), UnixNanos(1)).expect("a journal of our own");
        let told = Told::default();
        let outlet = Outlet::new(Numbers::Journal(Box::new(writer)), told.clone());
        let mut run = Run {
            pump: Pump::new(core, outlet, ManualClock::at(UnixNanos(1))),
            cell,
            told,
        };
        run.run(&first);
        Ok(run)
    }

    /// A run that has decided for a position; gives the inputs after that.
    fn with_open_position(&self, dir: &Path) -> (Run, usize) {
        let mut run = self.start(dir, ClockMode::Feed).expect("an empty journal");
        run.cell.publish(self.bundle(1));
        for (at, input) in self.inputs.iter().enumerate() {
            run.run(std::slice::from_ref(input));
            if at > SETTLED && run.position() != Position::Flat {
                return (run, at + 1);
            }
        }
        panic!("the seeded model never opened a position");
    }

    fn history(&self) -> KnownHistory {
        let place = |series: SeriesIndex| -> SeriesId { self.options.series[usize::from(series.0)].clone() };
        let daily = self.inputs.iter().filter_map(|input| match *input {
            Input::Macro {
                series,
                date,
                value,
                arrived_at,
            } => Some(KnownDaily {
                series: place(series),
                date,
                value,
                arrived_at,
            }),
            _ => None,
        });
        let name = self.market.instruments[0].clone();
        KnownHistory {
            bars: [(name, self.market.bars[0].clone())].into(),
            daily: daily.collect(),
        }
    }
}

#[test]
fn a_journal_of_the_other_clock_is_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    let scene = Scene::new();
    drop(scene.with_open_position(dir.path()));
    let refused = scene.start(dir.path(), ClockMode::Wall).err().expect("refused");
    let said = refused.to_string();
    assert!(
        said.contains("`clock = \"feed\"`") && said.contains("`clock = \"wall\"`"),
        "{said}"
    );
    assert!(scene.start(dir.path(), ClockMode::Feed).is_ok());
}

#[test]
fn a_restart_is_no_swap_and_keeps_the_position() {
    let dir = tempfile::tempdir().expect("a folder");
    let scene = Scene::new();
    let (run, _) = scene.with_open_position(dir.path());
    let held = run.position();
    drop(run);
    for _ in 0..2 {
        let mut run = scene.start(dir.path(), ClockMode::Feed).expect("a sound journal");
        run.cell.publish(scene.bundle(1));
        run.run(&[]);
        assert_eq!(run.pump.core().counters().swaps, 1);
        assert_eq!((run.position(), run.told.flattened()), (held, 0));
        // A snapshot remembers as records do.
        run.run(&[Input::Snapshot]);
    }
    let mut run = scene.start(dir.path(), ClockMode::Feed).expect("a sound journal");
    run.cell.publish(scene.bundle(2));
    run.run(&[]);
    assert_eq!((run.position(), run.told.flattened()), (Position::Flat, 1));
}

#[test]
fn a_halt_whose_orders_were_torn_off_orders_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let scene = Scene::new();
    let (mut run, _) = scene.with_open_position(dir.path());
    let segment = std::fs::read_dir(dir.path())
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .find(|path| path.extension().is_some_and(|end| end == "seg"))
        .expect("a segment");
    let before = std::fs::metadata(&segment).expect("a segment").len();
    run.run(&[Input::Halt { latch: Latch::Local }]);
    assert_eq!(run.told.flattened(), 1);
    drop(run);
    let whole = std::fs::read(&segment).expect("a segment");
    let before = usize::try_from(before).expect("a small file");
    let (mut lost, mut without) = (0, 0);
    for end in (before..whole.len()).step_by(7).chain([whole.len()]) {
        let torn = tempfile::tempdir().expect("a folder");
        let name = segment.file_name().expect("a file");
        std::fs::write(torn.path().join(name), &whole[..end]).expect("a folder of our own");
        let mut run = scene.start(torn.path(), ClockMode::Feed).expect("a torn tail");
        let halted = run.pump.core().is_halted();
        assert_eq!(run.position() == Position::Flat, halted, "cut at {end}");
        lost += usize::from(run.told.flattened() == 1);
        without += usize::from(!halted);
        // One that is flat is not ordered closed again.
        let ordered = run.told.flattened();
        if halted {
            run.run(&[Input::Halt {
                latch: Latch::Control,
            }]);
        }
        assert_eq!(run.told.flattened(), ordered);
    }
    assert!(lost > 0 && without > 0, "cuts before and behind the halt");
}

#[test]
fn a_warm_up_ends_with_the_last_journaled_bar() {
    let dir = tempfile::tempdir().expect("a folder");
    let scene = Scene::new();
    let (run, next) = scene.with_open_position(dir.path());
    drop(run);
    let last = scene.inputs[..next].iter().rev().find_map(|input| match input {
        Input::Bar { bar, .. } => Some(*bar),
        _ => None,
    });
    assert!(
        scene.market.bars[0].last() != last.as_ref(),
        "the files go on after the journal"
    );
    let bundle = scene.bundle(1);
    let reader = JournalReader::offline(Arc::new(RealDisk::unlocked(dir.path()))).expect("a sound journal");
    let cores = std::slice::from_ref(&scene.options);
    let warmed = warm(
        &bundle.loaded,
        cores,
        &scene.history(),
        Some(&reader),
        OriginReason::First,
    );
    let warmed = warmed.expect("a sound journal");
    assert_eq!(warmed[0].last, [last]);
    assert_eq!(warmed[0].through, [last.map(|bar| bar.close_time)]);
    // Where there is no journal, all of the files.
    let cold = warm(&bundle.loaded, cores, &scene.history(), None, OriginReason::First).expect("files");
    assert_eq!(cold[0].last, [scene.market.bars[0].last().copied()]);
}

#[test]
fn one_core_in_the_place_of_two_is_halted_where_either_was() {
    let features = rig::features("technical_8");
    let market = Market::generate(&MarketSpec::many(31, 2, 3));
    let two = CoreOptions {
        shards: 2,
        ..rig::options(&market.instruments, &features)
    };
    let image = |shard: u16, latch: Option<Latch>, number: u64| {
        let options = CoreOptions { shard, ..two.clone() };
        let mut rig = Rig::new(options);
        let directive = Input::Directive {
            number,
            halted: false,
            clears_control: false,
            clears_local: false,
            issued_at: UtcMillis(1),
            renew_by: UtcMillis(2),
        };
        rig.step(&[directive]);
        if let Some(latch) = latch {
            rig.step(&[Input::Halt { latch }]);
        }
        let records = rig.step(&[Input::Snapshot]);
        let state = records.iter().find_map(|record| match record {
            Ok(Record::Snapshot(snapshot)) => CoreImage::parse(snapshot.state).ok(),
            _ => None,
        });
        state.expect("a snapshot")
    };
    for (first, second) in [(Some(Latch::Local), None), (None, Some(Latch::Local))] {
        for (older, newer) in [(4, 5), (5, 4)] {
            let mut core = Rig::new(rig::options(&market.instruments, &features)).core;
            for image in [image(0, first, older), image(1, second, newer)] {
                core.restore(&image, None).expect("a snapshot just written");
            }
            assert!(core.is_halted() && core.latches().is_set(Latch::Local));
            assert!(!core.latches().is_set(Latch::Control));
            assert_eq!(core.directive().map(|directive| directive.number), Some(5));
        }
    }
    let mut core = Rig::new(rig::options(&market.instruments, &features)).core;
    for image in [image(0, Some(Latch::Local), 4), image(1, Some(Latch::Control), 4)] {
        core.restore(&image, None).expect("a snapshot just written");
    }
    assert!(core.latches().is_set(Latch::Local) && core.latches().is_set(Latch::Control));
}

#[test]
fn a_warm_up_from_a_long_journal_keeps_its_end_and_is_settled() {
    let dir = tempfile::tempdir().expect("a folder");
    let scene = Scene::of_days(90);
    let strategy = rig::strategy(&scene.features);
    let settled_after = usize::try_from(strategy.plan().settled_after_bars()).expect("few");
    let bars_max = WARM_BARS_PER_SETTLED * settled_after + WARM_BARS_MARGIN;
    let (newest, seen) = scene.market.bars[0].split_last().expect("bars");
    assert!(
        seen.len() > bars_max + 500,
        "a journal longer than what is kept: {bars_max}"
    );
    let is_seen =
        |input: &&Input| !matches!(input, Input::Bar { bar, .. } if bar.close_time == newest.close_time);
    let mut run = scene
        .start(dir.path(), ClockMode::Feed)
        .expect("an empty journal");
    for input in scene.inputs.iter().filter(is_seen) {
        run.run(std::slice::from_ref(input));
    }
    drop(run);

    let bundle = scene.bundle(1);
    let reader = JournalReader::offline(Arc::new(RealDisk::unlocked(dir.path()))).expect("a sound journal");
    let cores = std::slice::from_ref(&scene.options);
    let nothing = KnownHistory::default();
    let warmed = warm(&bundle.loaded, cores, &nothing, Some(&reader), OriginReason::Swap);
    let mut warmed = warmed.expect("a sound journal").remove(0);
    assert_eq!(warmed.last, [seen.last().copied()]);
    let kept = warmed.instruments[0].as_mut().expect("operators");
    let origin = kept.origin().expect("bars were used");
    assert_eq!(origin.reason, OriginReason::Swap);
    assert_eq!(origin.first_close_time, seen[seen.len() - bars_max].close_time);
    assert_eq!(origin.bars, bars_max as u64);

    // Against operators that saw every bar: settled ones give the same features within their promise.
    let mut whole = strategy.new_instrument(&scene.market.instruments[0]);
    let mut macros = strategy.new_macros();
    let (mut expected, mut row) = (vec![0.0; strategy.width()], vec![0.0; strategy.width()]);
    for bar in &scene.market.bars[0] {
        strategy.observe(
            &mut whole,
            &mut macros,
            bar,
            Position::Flat,
            &mut expected,
            &mut row,
        );
    }
    let mut found = vec![0.0; strategy.width()];
    let observed = bundle.loaded.strategy.observe(
        kept,
        warmed.macros.as_mut().expect("macros"),
        newest,
        Position::Flat,
        &mut found,
        &mut row,
    );
    assert_eq!(observed.withheld, None);
    for (found, expected) in found.iter().zip(&expected) {
        assert!(
            (found - expected).abs() <= 1e-6 * expected.abs().max(1.0),
            "{found} {expected}"
        );
    }
}
