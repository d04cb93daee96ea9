//! Written, made safe, published: in this order under every driver. The publisher looks at the disk before it believes a message.

use engine::core::record::Durability;
use engine::journal::sim::SimDisk;
use engine::journal::{JournalReader, message, open};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use testkit::guard::HangGuard;

use super::*;

const FAILURES: usize = 8;
/// Most inputs of a batch.
const BATCH_MAX: usize = 7;
/// Bytes for which a disk that fills up has room, at most: a part of what the inputs give.
const ROOM_MAX: usize = 100_000;
/// Syncs after which one fails, at most: fewer than the batches.
const SYNCS_MAX: u32 = 200;

/// Knows what is in the journal on a disk: under [`Durability::Disk`] what a power loss would leave, else what was written.
pub struct Witness {
    disk: SimDisk,
    durability: Durability,
    next_lsn: u64,
    written: BTreeMap<u64, String>,
}

impl Witness {
    fn new(disk: &SimDisk, durability: Durability) -> Self {
        Self {
            disk: disk.clone(),
            durability,
            next_lsn: 1,
            written: BTreeMap::new(),
        }
    }

    /// The record of message `seq` is in the journal and says `text`.
    pub fn assert_written(&mut self, seq: u64, text: &str) {
        if !self.written.contains_key(&seq) {
            self.look();
        }
        let written = self.written.get(&seq).map(String::as_str);
        assert_eq!(
            written,
            Some(text),
            "message {seq} was published before its record"
        );
    }

    /// Reads on as far as the journal goes.
    fn look(&mut self) {
        let disk = match self.durability {
            Durability::Disk => self.disk.synced(),
            Durability::Process => self.disk.clone(),
        };
        let reader = JournalReader::offline(Arc::new(disk)).expect("a sound journal");
        let mut cursor = reader.from_lsn(self.next_lsn).expect("nothing was deleted");
        while let Some(read) = cursor.read().expect("sound records") {
            self.next_lsn = read.header.lsn + 1;
            let record = read.record().expect("a record of this build");
            if let Some(message) = message(&read.header, &record) {
                let text = serde_json::to_string(&message).expect("JSON");
                self.written.insert(read.header.seq, text);
            }
        }
    }
}

fn options(durability: Durability) -> JournalOptions {
    JournalOptions {
        durability,
        ..journal_options()
    }
}

/// One core over the journal on `disk`, and what it publishes.
fn pump(scene: &Scene, disk: &SimDisk, durability: Durability) -> (Pump<ToTest>, Receiver<String>) {
    let opened = open(Arc::new(disk.clone()), options(durability)).expect("a journal that can be mended");
    let cell = Arc::new(BundleCell::default());
    let mut cores = scene.cores(&cell);
    let plan = FeaturePlan::new(&scene.features).expect("a plan");
    let plan = (scene.features.hash(), plan);
    restore(&opened.recovered, &mut cores, |_| Some(plan)).expect("a journal of this build");
    let clock = SystemClock::shared();
    let now = engine::clock::Clock::now(&*clock);
    let writer = start_run(opened, cores[0].options(), now).expect("room for a start");
    cell.publish(scene.bundle(1, 5));
    let (sender, messages) = channel();
    let to_test = ToTest::new(sender, Some(Witness::new(disk, durability)));
    let outlet = Outlet::new(Numbers::Journal(Box::new(writer)), to_test);
    (Pump::new(cores.remove(0), outlet, clock), messages)
}

/// Runs into a failing disk again and again; what each batch publishes is in the journal by then, a failed one publishes nothing.
fn one_core(durability: Durability, fault: impl Fn(&SimDisk, &mut ChaCha8Rng)) {
    let scene = Scene::new(25, 3, 16, 1);
    let inputs: Vec<Input> =
        replay::inputs(&scene.tape, &scene.options.instruments, &scene.options.series).collect();
    let disk = SimDisk::default();
    let mut rng = ChaCha8Rng::seed_from_u64(0x6f72_6465);
    let (mut failures, mut published) = (0, Vec::new());
    for _ in 0..FAILURES {
        let (mut pump, messages) = pump(&scene, &disk, durability);
        fault(&disk, &mut rng);
        // What the journal has is dropped at the door.
        let mut left = &inputs[..];
        while !left.is_empty() {
            let (batch, later) = left.split_at(rng.random_range(1..=BATCH_MAX).min(left.len()));
            left = later;
            let run = pump.run(batch);
            let told: Vec<String> = messages.try_iter().collect();
            if let Err(error) = run {
                assert!(matches!(error, OutletError::Journal(_)), "{error:?}");
                assert_eq!(told, Vec::<String>::new(), "of a batch that failed");
                failures += 1;
                break;
            }
            published.extend(told);
        }
        drop(pump);
        disk.set_room(None);
        disk.fail_sync_after(None);
        if durability == Durability::Disk {
            disk.lose_power(&mut rng);
        }
    }
    assert!(failures > FAILURES / 2, "{failures} failures");
    let (mut pump, messages) = pump(&scene, &disk, durability);
    pump.run(&inputs).expect("the disk is mended");
    published.extend(messages.try_iter());
    let answers = answered(&parsed(&published));
    assert!(answers.values().all(|count| *count == 1), "published twice");
    assert!(answers.len() > scene.bars / 2, "{} bars", answers.len());
}

#[test]
fn one_core_publishes_what_is_written_though_the_disk_fills_up() {
    one_core(Durability::Process, |disk, rng| {
        disk.set_room(Some(rng.random_range(1..ROOM_MAX)));
    });
}

#[test]
fn one_core_publishes_what_is_on_disk_though_it_fills_up() {
    one_core(Durability::Disk, |disk, rng| {
        disk.set_room(Some(rng.random_range(1..ROOM_MAX)));
    });
}

#[test]
fn one_core_publishes_what_is_on_disk_though_syncs_fail() {
    one_core(Durability::Disk, |disk, rng| {
        disk.fail_sync_after(Some(rng.random_range(0..SYNCS_MAX)));
    });
}

#[test]
fn the_threads_of_a_pipeline_keep_the_order_too() {
    let _guard = HangGuard::new("a pipeline over a simulated disk");
    for (shards, durability) in [
        (1, Durability::Process),
        (1, Durability::Disk),
        (2, Durability::Disk),
    ] {
        let scene = Scene::new(26, 5, 8, shards);
        let disk = SimDisk::default();
        let opened = open(Arc::new(disk.clone()), options(durability)).expect("an empty journal");
        let witness = Witness::new(&disk, durability);
        let bundle = scene.bundle(1, 5);
        let mut running = Running::over(&scene, opened, Wait::Park, Pace::Max, bundle, Some(witness));
        running.until_results(scene.bars);
        every_bar_has_one_result(&scene, &running.stop());
    }
}
