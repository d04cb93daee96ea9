//! The pipeline driver fed by a file server: the same messages as a replay with one core, the same per instrument with two.

#[path = "pipeline/failing.rs"]
mod failing;
#[path = "pipeline/order.rs"]
mod order;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use contracts::features::FeatureContract;
use contracts::native::FeedMode;
use contracts::reason::Latch;
use contracts::time::UtcMillis;
use engine::bundle::{Bundle, BundleCell, Holder};
use engine::clock::SystemClock;
use engine::core::{Core, CoreOptions, Input};
use engine::drivers::inbox::Inbox;
use engine::drivers::intake::DriverEnd;
use engine::drivers::live::restore;
use engine::drivers::outlet::{Numbers, Outgoing, Outlet, OutletError, Publish};
use engine::drivers::pipeline::{Pipeline, PipelineParts};
use engine::drivers::pump::Pump;
use engine::drivers::replay;
use engine::drivers::ring::Wait;
use engine::drivers::start::{open_journal, start_run};
use engine::edges::control::{ControlSender, control_queue};
use engine::feeds::file_server::{
    FileServer, FileServerOptions, Pace, Release, Tape, TapeMacro, visible_everywhere,
};
use engine::feeds::symbols::SymbolTable;
use engine::feeds::{FeedOptions, FeedService, Source};
use engine::journal::{JournalOptions, Opened, Syncer};
use engine::metrics::Metrics;
use serde_json::Value;
use strategy::plan::FeaturePlan;
use testkit::guard::HANG;
use testkit::market::{Market, MarketSpec};
use testkit::rig;
use tokio::sync::watch;

/// Small enough that segments, and with them snapshots of every core, begin all the time.
const SEGMENT_BYTES: u64 = 400_000;

struct ToTest {
    sender: Sender<String>,
    /// Sees to it that nothing comes before its record.
    witness: Option<order::Witness>,
}

impl ToTest {
    const fn new(sender: Sender<String>, witness: Option<order::Witness>) -> Self {
        Self { sender, witness }
    }
}

impl Publish for ToTest {
    fn publish(&mut self, outgoing: &Outgoing<'_>) -> std::io::Result<()> {
        let text = serde_json::to_string(&outgoing.message)?;
        if let Some(witness) = &mut self.witness {
            witness.assert_written(outgoing.seq, &text);
        }
        // A test that has seen enough no longer listens.
        drop(self.sender.send(text));
        Ok(())
    }
}

struct Scene {
    tape: Arc<Tape>,
    features: FeatureContract,
    options: CoreOptions,
    bars: usize,
    /// A close in the midst, and how many bars have closed by then.
    middle: (UtcMillis, usize),
}

impl Scene {
    fn new(seed: u64, instruments: usize, days: u32, shards: u16) -> Self {
        let features = rig::features("technical_8");
        let market = Market::generate(&MarketSpec::many(seed, instruments, days));
        let in_order = market.in_order();
        let middle = in_order[in_order.len() / 2].1.close_time;
        let by_then = in_order
            .iter()
            .filter(|(_, bar)| bar.close_time <= middle)
            .count();
        let macros = market.macros.iter().map(|point| TapeMacro {
            series: point.series.clone(),
            date: point.date,
            value: point.value,
            arrived_at: None,
            visible_at: visible_everywhere(point.date),
        });
        let bars = market
            .instruments
            .iter()
            .cloned()
            .zip(market.bars.iter().cloned());
        Self {
            tape: Arc::new(Tape::new(bars, macros.collect()).expect("a market is in order")),
            options: CoreOptions {
                shards,
                ..rig::options(&market.instruments, &features)
            },
            features,
            bars: in_order.len(),
            middle: (middle, by_then),
        }
    }

    fn bundle(&self, generation: u64, seed: u64) -> Arc<Bundle> {
        rig::bundle(&self.features, &self.options, generation, seed)
    }

    fn cores(&self, cell: &Arc<BundleCell>) -> Vec<Core> {
        let core = |shard| {
            let options = CoreOptions {
                shard,
                ..self.options.clone()
            };
            Core::new(options, Holder::new(Arc::clone(cell), usize::from(shard)))
        };
        (0..self.options.shards).map(core).collect()
    }

    /// What one core writes about the whole tape without any thread.
    fn replayed(&self, bundle: Arc<Bundle>) -> Vec<String> {
        let cell = Arc::new(BundleCell::default());
        cell.publish(bundle);
        let core = self.cores(&cell).remove(0);
        let (sender, messages) = channel();
        let numbers = Numbers::Counted {
            next_lsn: 1,
            next_seq: 1,
        };
        let mut pump = Pump::new(
            core,
            Outlet::new(numbers, ToTest::new(sender, None)),
            SystemClock::shared(),
        );
        let inputs = replay::inputs(&self.tape, &self.options.instruments, &self.options.series);
        replay::run(&mut pump, inputs, |_| ()).expect("the test listens");
        drop(pump);
        messages.into_iter().collect()
    }
}

/// A running pipeline with a journal in a directory.
struct Running {
    messages: Receiver<String>,
    control: ControlSender,
    stop: watch::Sender<bool>,
    cell: Arc<BundleCell>,
    thread: JoinHandle<(Option<Outlet<ToTest>>, Option<DriverEnd>)>,
    seen: Vec<String>,
    results: usize,
}

fn journal_options() -> JournalOptions {
    JournalOptions {
        segment_bytes: SEGMENT_BYTES,
        ..JournalOptions::default()
    }
}

impl Running {
    fn start(scene: &Scene, dir: &Path, wait: Wait, pace: Pace, bundle: Arc<Bundle>) -> Self {
        let opened = open_journal(dir, journal_options()).expect("a journal");
        Self::over(scene, opened, wait, pace, bundle, None)
    }

    fn over(
        scene: &Scene,
        opened: Opened,
        wait: Wait,
        pace: Pace,
        bundle: Arc<Bundle>,
        witness: Option<order::Witness>,
    ) -> Self {
        let clock = SystemClock::shared();
        let after = scene.options.instruments.iter();
        let after = after.map(|name| opened.recovered.carry.last_close.get(name.as_str()).copied());
        let after: Vec<_> = after.collect();
        let cell = Arc::new(BundleCell::default());
        let mut cores = scene.cores(&cell);
        let plan = (
            scene.features.hash(),
            FeaturePlan::new(&scene.features).expect("a plan"),
        );
        restore(&opened.recovered, &mut cores, |_| Some(plan)).expect("a journal of this build");
        let writer =
            start_run(opened, cores[0].options(), engine::clock::Clock::now(&*clock)).expect("a start");
        cell.publish(bundle);
        let (sender, messages) = channel();
        let inbox = Arc::new(Inbox::default());
        let wake = Arc::clone(&inbox);
        let (control, control_in) = control_queue(move || wake.wake());
        let (stop, stopped) = watch::channel(false);
        let (tape, options) = (Arc::clone(&scene.tape), scene.options.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let tasks = tokio::task::LocalSet::new();
            tasks.block_on(&runtime.expect("a runtime"), async move {
                let mode = FeedMode::Replay;
                let served = FileServerOptions { tape, pace, mode };
                let address = "127.0.0.1:0".parse().expect("an address");
                let (server, feed) = FileServer::bind(address, served).await.expect("a free port");
                tokio::spawn(server.run());
                let symbols =
                    SymbolTable::plain(&options.instruments, &options.series).expect("names differ");
                let mut feed_options = FeedOptions::new(feed.url(), Source::Native, symbols, 3);
                feed_options.after = after;
                let told = Arc::clone(&clock);
                let (service, feed) =
                    FeedService::new(feed_options, move || told.now(), None).expect("a feed's options");
                let pipeline = Pipeline::start(PipelineParts {
                    outlet: Outlet::new(Numbers::Journal(Box::new(writer)), ToTest::new(sender, witness)),
                    first: Vec::new(),
                    wait,
                    inbox,
                    control: control_in,
                    clock,
                    metrics: Metrics::new(cores.len()),
                    syncer: Syncer::spawn().expect("a thread"),
                    feed,
                    cores,
                });
                pipeline.expect("threads").run(service, stopped).await
            })
        });
        Self {
            messages,
            control,
            stop,
            cell,
            thread,
            seen: Vec::new(),
            results: 0,
        }
    }

    /// Reads on until a message fits; returns it.
    fn until(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            let text = self.messages.recv_timeout(HANG).expect("a message comes");
            let message: Value = serde_json::from_str(&text).expect("JSON");
            self.results += usize::from(is_result(&message));
            self.seen.push(text);
            if fits(&message) {
                return message;
            }
        }
    }

    fn until_results(&mut self, count: usize) {
        while self.results < count {
            self.until(is_result);
        }
    }

    /// Waits until its journal has failed; returns what was published before.
    fn failed(mut self) -> Vec<String> {
        let (_, end) = self.thread.join().expect("the driver's thread");
        assert!(
            matches!(end, Some(DriverEnd::Outlet(OutletError::Journal(_)))),
            "{end:?}"
        );
        self.seen.extend(self.messages);
        self.seen
    }

    /// Stops it in order; returns all messages.
    fn stop(mut self) -> Vec<String> {
        self.stop.send_replace(true);
        let (outlet, end) = self.thread.join().expect("the driver's thread");
        assert!(end.is_none(), "{end:?}");
        let (numbers, to_test) = outlet.expect("the journal's thread").into_parts();
        drop(to_test);
        if let Numbers::Journal(writer) = numbers {
            writer
                .stop(engine::clock::Clock::now(&*SystemClock::shared()))
                .expect("a stop record");
        }
        self.seen.extend(self.messages);
        self.seen
    }
}

fn kind(message: &Value) -> &str {
    message["type"].as_str().unwrap_or_default()
}

fn is_result(message: &Value) -> bool {
    matches!(kind(message), "signal" | "withheld")
}

fn parsed(texts: &[String]) -> Vec<Value> {
    texts
        .iter()
        .map(|text| serde_json::from_str(text).expect("JSON"))
        .collect()
}

/// The text without the members that tell when it was made.
fn timeless(text: &str) -> String {
    let mut text = text.to_owned();
    for name in ["\"received_at\":", "\"decided_at\":", "\"latency_ns\":"] {
        if let Some(start) = text.find(name) {
            let length = text[start..].find([',', '}']).expect("a member ends");
            text.replace_range(start..start + length, "");
        }
    }
    text
}

/// Bars answered, by instrument and close.
fn answered(messages: &[Value]) -> BTreeMap<(String, String), usize> {
    let mut counts = BTreeMap::new();
    for message in messages.iter().filter(|message| is_result(message)) {
        let word = |name: &str| message[name].as_str().expect("a text").to_owned();
        *counts
            .entry((word("instrument"), word("bar_close_time")))
            .or_default() += 1;
    }
    counts
}

/// Per instrument its messages in order, without their numbers.
fn by_instrument(texts: &[String]) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for text in texts {
        let mut message: Value = serde_json::from_str(&timeless_json(text)).expect("JSON");
        let fields = message.as_object_mut().expect("an object");
        fields.remove("seq");
        if let Some(instrument) = fields.get("instrument").and_then(Value::as_str) {
            all.entry(instrument.to_owned())
                .or_default()
                .push(message.to_string());
        }
    }
    all
}

fn timeless_json(text: &str) -> String {
    let mut message: Value = serde_json::from_str(text).expect("JSON");
    let fields = message.as_object_mut().expect("an object");
    for name in ["received_at", "decided_at", "latency_ns"] {
        fields.remove(name);
    }
    message.to_string()
}

fn every_bar_has_one_result(scene: &Scene, texts: &[String]) {
    let messages = parsed(texts);
    let counts = answered(&messages);
    assert_eq!(counts.len(), scene.bars, "every bar is answered");
    assert!(counts.values().all(|count| *count == 1), "and once");
    assert!(
        messages.iter().any(|message| kind(message) == "signal"),
        "some by a signal"
    );
    let seqs: Vec<u64> = messages
        .iter()
        .filter_map(|message| message["seq"].as_u64())
        .collect();
    assert!(
        seqs.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "numbers have no hole"
    );
}

fn runs_whole(shards: u16, wait: Wait) -> (Scene, Vec<String>) {
    let scene = Scene::new(21, 64, 6, shards);
    let dir = tempfile::tempdir().expect("a folder");
    let mut running = Running::start(&scene, dir.path(), wait, Pace::Max, scene.bundle(1, 5));
    running.until_results(scene.bars);
    let texts = running.stop();
    every_bar_has_one_result(&scene, &texts);
    (scene, texts)
}

fn one_core_is_a_replay(wait: Wait) {
    let (scene, texts) = runs_whole(1, wait);
    let expected = scene.replayed(scene.bundle(1, 5));
    assert_eq!(texts.len(), expected.len());
    for (text, expected) in texts.iter().zip(&expected) {
        assert_eq!(timeless(text), timeless(expected));
    }
}

fn two_cores_agree_per_instrument(wait: Wait) {
    let (_, texts) = runs_whole(2, wait);
    let single = Scene::new(21, 64, 6, 1);
    let expected = by_instrument(&single.replayed(single.bundle(1, 5)));
    assert_eq!(by_instrument(&texts), expected);
    let swapped = parsed(&texts)
        .iter()
        .filter(|message| kind(message) == "model_swapped")
        .count();
    assert_eq!(swapped, 1, "said once, when the last core has adopted");
}

#[test]
fn one_core_parked_writes_what_a_replay_writes() {
    one_core_is_a_replay(Wait::Park);
}

#[test]
fn one_core_spinning_writes_what_a_replay_writes() {
    one_core_is_a_replay(Wait::Spin);
}

#[test]
fn two_cores_parked_agree_with_one_per_instrument() {
    two_cores_agree_per_instrument(Wait::Park);
}

#[test]
fn two_cores_spinning_agree_with_one_per_instrument() {
    two_cores_agree_per_instrument(Wait::Spin);
}

#[test]
fn a_halt_closes_every_position_of_every_core_once() {
    let scene = Scene::new(22, 5, 12, 2);
    let dir = tempfile::tempdir().expect("a folder");
    let (release, pace) = Release::new();
    release.up_to(scene.middle.0);
    let mut running = Running::start(&scene, dir.path(), Wait::Park, pace, scene.bundle(1, 5));
    running.until_results(scene.middle.1);
    let before = parsed(&running.seen);
    let halt = running
        .control
        .submit(Input::Halt { latch: Latch::Local })
        .expect("room");
    halt.wait_blocking().expect("journaled and synced");
    release.all();
    running.until_results(scene.bars);
    let texts = running.stop();
    every_bar_has_one_result(&scene, &texts);
    let after = &parsed(&texts)[before.len()..];
    let mut held = BTreeMap::new();
    for signal in before.iter().filter(|message| kind(message) == "signal") {
        held.insert(signal["instrument"].to_string(), signal["action"].as_i64());
    }
    held.retain(|_, action| *action != Some(0));
    let flattened: Vec<String> = after
        .iter()
        .filter(|message| kind(message) == "flatten")
        .map(|message| message["instrument"].to_string())
        .collect();
    assert!(!held.is_empty(), "something was open");
    assert_eq!(flattened.len(), held.len());
    assert!(flattened.iter().all(|instrument| held.contains_key(instrument)));
    for message in after.iter().filter(|message| is_result(message)) {
        assert_eq!(message["reason"], "halted", "{message}");
    }
}

#[test]
fn idle_cores_adopt_and_every_later_signal_is_of_the_new_model() {
    let scene = Scene::new(23, 5, 12, 2);
    let dir = tempfile::tempdir().expect("a folder");
    let (release, pace) = Release::new();
    release.up_to(scene.middle.0);
    let first = scene.bundle(1, 5);
    let mut running = Running::start(&scene, dir.path(), Wait::Park, pace, Arc::clone(&first));
    running.until_results(scene.middle.1);
    running.cell.publish(scene.bundle(2, 6));
    let swapped = running.until(|message| message["generation"] == 2);
    assert_eq!(kind(&swapped), "model_swapped");
    assert_eq!(swapped["previous_model_id"], "rig-5");
    release.all();
    running.until_results(scene.bars);
    let texts = running.stop();
    every_bar_has_one_result(&scene, &texts);
    for message in parsed(&texts).iter().filter(|message| kind(message) == "signal") {
        let later = message["seq"].as_u64() > swapped["seq"].as_u64();
        assert_eq!(message["generation"], if later { 2 } else { 1 });
    }
}

#[test]
fn a_restart_goes_on_where_both_cores_were() {
    let scene = Scene::new(24, 6, 12, 2);
    let dir = tempfile::tempdir().expect("a folder");
    let (release, pace) = Release::new();
    release.up_to(scene.middle.0);
    let mut running = Running::start(&scene, dir.path(), Wait::Park, pace, scene.bundle(1, 5));
    running.until_results(scene.middle.1);
    let mut texts = running.stop();
    let mut running = Running::start(&scene, dir.path(), Wait::Park, Pace::Max, scene.bundle(1, 5));
    running.until_results(scene.bars - scene.middle.1);
    texts.extend(running.stop());
    every_bar_has_one_result(&scene, &texts);
    let single = Scene::new(24, 6, 12, 1);
    assert_eq!(
        by_instrument(&texts),
        by_instrument(&single.replayed(single.bundle(1, 5)))
    );
}
