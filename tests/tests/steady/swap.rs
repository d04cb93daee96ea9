//! Swaps in lockstep through the real follower and builder, a tenth of them bad: no bar without its result, no generation lost,
//! nothing allocated or freed on the core's thread, no memory kept.

#![expect(clippy::unwrap_used, reason = "a test fails where it panics")]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use contracts::bar::Bar;
use contracts::hash::{ArtifactHash, Digest};
use contracts::ids::{Environment, InstrumentId, SlotId};
use contracts::numerics::{Executor, Numerics};
use contracts::production::{self, ProductionContract};
use contracts::signing::{KeyPurpose, SigningKey, TrustedKey, TrustedKeys};
use contracts::time::{UnixNanos, UtcMillis};
use engine::bundle::make::Made;
use engine::bundle::{ArtifactSource, BuildOptions, FetchError, Keeper, Loaded, Serves, Verified, WarmState};
use engine::clock::Clock;
use engine::core::CoreOptions;
use engine::core::record::Record;
use engine::drivers::load::fresh;
use engine::follower::{
    ContractSource, DirectiveGate, Engine, Follower, FollowerParts, Looks as _, Receipt, ReceiptSink,
};
use strategy::onnx::testmodels::{nan_output, wrong_width};
use strategy::policy::library;
use testkit::live::{MakeSpec, made, signing_key};
use testkit::rig::{Rig, bar_input, features, options};
use testkit::steady::alloc::{Counts, counted};
use testkit::steady::child;
use testkit::{scale, test_name};

/// Swaps of a soak.
const SWAPS: u64 = 10_000;
/// Bars between two swaps.
const BARS_BETWEEN: i64 = 200;
/// One swap in so many is bad.
const BAD_EVERY: u64 = 10;
/// Models taken in turn: more than the keeper spares, so that each is built anew.
const MODELS: u64 = 8;
/// What memory may have grown by after the first tenth.
const GROWTH_BYTES_MAX: u64 = 4 << 20;
/// Features of the models.
const WIDTH: usize = 8;

/// A clock that moves by a step at every look; 0 stands still.
#[derive(Debug, Default)]
struct SteppingClock {
    now: AtomicI64,
    step: AtomicI64,
}

impl Clock for SteppingClock {
    fn now(&self) -> UnixNanos {
        let step = self.step.load(Ordering::SeqCst);
        UnixNanos(self.now.fetch_add(step, Ordering::SeqCst))
    }
}

#[derive(Default)]
struct Desired {
    contract: Vec<u8>,
    artifacts: BTreeMap<ArtifactHash, Vec<u8>>,
}

struct Source(Arc<Mutex<Desired>>);

impl ContractSource for Source {
    fn contract(&mut self) -> Result<Option<Vec<u8>>, FetchError> {
        Ok(Some(self.0.lock().unwrap().contract.clone()))
    }
    fn artifact(&mut self, hash: ArtifactHash, _: usize) -> Result<Vec<u8>, FetchError> {
        let desired = self.0.lock().unwrap();
        desired.artifacts.get(&hash).cloned().ok_or(FetchError::Missing)
    }
}

struct Receipts(Arc<Mutex<Vec<Receipt>>>);

impl ReceiptSink for Receipts {
    fn receipt(&mut self, receipt: &Receipt) {
        self.0.lock().unwrap().push(receipt.clone());
    }
}

/// The rest of the engine: the first bundle brings fresh operators, the others go on with those of the core.
struct Rest {
    options: CoreOptions,
    warmed: bool,
}

impl Engine for Rest {
    fn warm(&mut self, _: &ProductionContract, loaded: &Loaded) -> Result<Vec<Box<WarmState>>, String> {
        if std::mem::replace(&mut self.warmed, true) {
            return Ok(Vec::new());
        }
        Ok(vec![Box::new(fresh(loaded, &self.options))])
    }
    fn accepted(&mut self, _: &Verified, _: &[u8], _: &mut dyn ArtifactSource) {}
    fn publishing(&mut self, _: &Verified) {}
    fn swapped(&mut self, generation: u64) -> Option<u64> {
        Some(generation)
    }
}

/// Contracts of every kind.
struct Shelf {
    good: Vec<Made>,
    nan_library: contracts::hash::LibraryHash,
}

/// What is wrong with a contract, and the word the receipt has for it.
const BAD: [&str; 7] = [
    "wrong_hash",
    "bad_signature",
    "older_generation",
    "wrong_width",
    "not_finite",
    "golden_mismatch",
    "too_slow",
];

impl Shelf {
    fn new() -> Self {
        let features = features("technical_8");
        let make = |seed| {
            made(&MakeSpec {
                features: &features,
                seed,
                executor: Executor::Dense,
                generation: 1,
                hidden: 8,
            })
        };
        Self {
            good: (1..=MODELS).map(make).collect(),
            nan_library: library::runtime()
                .expect("`cargo xtask setup` fetches it")
                .sha256(),
        }
    }

    /// Model `n`'s contract in this generation after an edit, signed.
    fn contract(
        &self,
        n: u64,
        generation: u64,
        key: &SigningKey,
        edit: impl FnOnce(&mut ProductionContract),
    ) -> Vec<u8> {
        let mut contract = self.good[place(n)].contract.clone();
        contract.generation = generation;
        edit(&mut contract);
        contract.signatures.clear();
        contract.sign(key).unwrap();
        serde_json::to_vec(&contract).unwrap()
    }

    fn good(&self, n: u64, generation: u64) -> Desired {
        Desired {
            contract: self.contract(n, generation, &signing_key(), |_| ()),
            artifacts: self.good[place(n)].artifacts.clone(),
        }
    }

    /// A contract that must be refused with the word `kind`.
    fn bad(&self, kind: &str, n: u64, generation: u64) -> Desired {
        let mut desired = self.good(n, generation);
        match kind {
            "wrong_hash" => {
                let model = self.good[place(n)].contract.artifacts.golden;
                desired.artifacts.get_mut(&model).unwrap()[40] ^= 1;
            }
            "bad_signature" => {
                let other = SigningKey::from_seed([8; 32]);
                desired.contract = self.contract(n, generation, &other, |_| ());
            }
            "older_generation" => desired.contract = self.contract(n, 1, &signing_key(), |_| ()),
            "wrong_width" => self.replace(&mut desired, n, generation, wrong_width(1, WIDTH), false),
            "not_finite" => self.replace(&mut desired, n, generation, nan_output(1, WIDTH), true),
            "golden_mismatch" => {
                let other = &self.good[place(n + 1)];
                let golden = other.contract.artifacts.golden;
                desired.artifacts.insert(golden, other.artifacts[&golden].clone());
                desired.contract =
                    self.contract(n, generation, &signing_key(), |c| c.artifacts.golden = golden);
            }
            // The contract is good; the clock is not.
            _ => {}
        }
        desired
    }

    /// The model replaced, every hash made to fit.
    fn replace(&self, desired: &mut Desired, n: u64, generation: u64, model: Vec<u8>, on_ort: bool) {
        let hash = ArtifactHash::of(&model);
        desired.artifacts.insert(hash, model);
        desired.contract = self.contract(n, generation, &signing_key(), |contract| {
            contract.artifacts.model = hash;
            contract.artifacts.exec = Some(hash);
            contract.hashes.model_hash = Digest::from_bytes(*hash.as_bytes());
            contract.hashes.exec_hash = Some(Digest::from_bytes(*hash.as_bytes()));
            if on_ort {
                contract.action.output = "action".to_owned();
                contract.numerics = Numerics::ort(self.nan_library);
            }
            let hashes = &mut contract.hashes;
            hashes.bundle_hash = production::bundle_hash(
                hashes.model_hash,
                hashes.norm_stats_hash,
                hashes.feature_contract_hash,
                &contract.action,
            )
            .unwrap();
            contract.model_id = production::model_id(None, contract.hashes.bundle_hash).unwrap();
        });
    }
}

fn place(n: u64) -> usize {
    usize::try_from(n % MODELS).unwrap()
}

/// Resident memory of this process in bytes.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4_096
}

/// A bar every five minutes whose price goes up and down.
fn bar(n: i64) -> Bar {
    #[expect(clippy::cast_precision_loss, reason = "two million bars are far below 2^53")]
    let close = 4_000.0 + 20.0 * libm::sin(n as f64 / 7.0) + (n % 11) as f64 / 8.0;
    Bar {
        close_time: UtcMillis(1_736_121_600_000 + n * 300_000),
        open: close - 1.0,
        high: close + 2.0,
        low: close - 2.0,
        close,
        volume: 100.0,
    }
}

fn follower(
    rig: &Rig,
    options: &CoreOptions,
    desired: &Arc<Mutex<Desired>>,
    receipts: &Arc<Mutex<Vec<Receipt>>>,
    clock: &Arc<SteppingClock>,
) -> Follower {
    let (environment, slot) = (
        Environment::parse("local").unwrap(),
        SlotId::parse("test").unwrap(),
    );
    let trusted = TrustedKeys::new(vec![TrustedKey {
        purpose: KeyPurpose::Contract,
        public_key: signing_key().public_key(),
    }]);
    Follower::new(FollowerParts {
        source: Box::new(Source(Arc::clone(desired))),
        cache: None,
        options: BuildOptions {
            serves: Some(Serves {
                environment: environment.clone(),
                slot: slot.clone(),
                instruments: options.instruments.to_vec(),
                allow_local_contracts: true,
            }),
            trusted: Some(trusted.clone()),
            cores: 1,
            clock: Arc::clone(clock) as _,
        },
        accepted: None,
        gate: Arc::new(Mutex::new(DirectiveGate::new(environment, slot, trusted, None))),
        receipts: Box::new(Receipts(Arc::clone(receipts))),
        keeper: Keeper::new(Arc::clone(&rig.cell)),
        engine: Box::new(Rest {
            options: options.clone(),
            warmed: false,
        }),
    })
}

#[test]
fn swaps_in_lockstep_lose_no_bar_and_cost_the_core_no_memory() {
    let test = test_name!();
    if !child::is_child(test) {
        // Alone in its process: other tests of this binary would count as its memory.
        let output = child::again(test, &[]);
        child::assert_passed(&output);
        let said = String::from_utf8_lossy(&output.stderr);
        said.lines()
            .filter(|line| line.contains("swaps: "))
            .for_each(|line| writeln!(std::io::stderr(), "{line}").unwrap());
        return;
    }
    let (shelf, contract) = (Shelf::new(), features("technical_8"));
    let options = options(&[InstrumentId::parse("USDCOP").unwrap()], &contract);
    let mut rig = Rig::new(options.clone());
    let desired = Arc::new(Mutex::new(shelf.good(0, 2)));
    let (receipts, clock) = (
        Arc::<Mutex<Vec<Receipt>>>::default(),
        Arc::<SteppingClock>::default(),
    );
    let mut follower = follower(&rig, &options, &desired, &receipts, &clock);
    follower.look();
    rig.step(&[]);
    follower.look();
    receipts.lock().unwrap().clear();

    let swaps = scale::soak(SWAPS);
    let (mut running, mut generation, mut bars, mut first_tenth) = (2, 2, 0, 0);
    let mut refused: BTreeMap<&str, u64> = BTreeMap::new();
    for swap in 1..=swaps {
        generation += 1;
        let is_bad = swap % BAD_EVERY == 0;
        let kind = BAD[usize::try_from(swap / BAD_EVERY % 7).unwrap()];
        *desired.lock().unwrap() = if is_bad {
            shelf.bad(kind, swap, generation)
        } else {
            shelf.good(swap, generation)
        };
        let is_slow = is_bad && kind == "too_slow";
        clock
            .step
            .store(if is_slow { 40_000_000_000 } else { 0 }, Ordering::SeqCst);
        follower.look();
        clock.step.store(0, Ordering::SeqCst);
        if !is_bad {
            running = generation;
        }
        let mut results = 0;
        for _ in 0..BARS_BETWEEN {
            let input = [bar_input(0, bar(bars))];
            bars += 1;
            let (_, counts) = counted(|| {
                rig.step(&input);
            });
            assert_eq!(counts, Counts::default(), "swap {swap}");
            for record in rig.records.iter() {
                if let Ok(Record::Bar(bar)) = record {
                    results += 1;
                    assert_eq!(bar.generation, running, "swap {swap}, bad {is_bad} {kind}");
                }
            }
        }
        assert_eq!(results, BARS_BETWEEN, "swap {swap}");
        // A bad contract must not come again while its clock is good.
        if !is_bad {
            follower.look();
        }
        let given = std::mem::take(&mut *receipts.lock().unwrap());
        match (is_bad, given.as_slice()) {
            (true, [Receipt::Refused { code, .. }]) => {
                assert_eq!(code, kind, "swap {swap}");
                *refused.entry(kind).or_default() += 1;
            }
            (false, [Receipt::Serving { generation, .. }]) => assert_eq!(*generation, running),
            other => panic!("swap {swap} {kind}: {other:?}"),
        }
        if swap == swaps / 10 {
            first_tenth = resident();
        }
    }
    let last = resident();
    writeln!(
        std::io::stderr(),
        "swaps: {swaps}, of them refused: {refused:?}; resident bytes after the first tenth: {first_tenth}, after the last: {last}"
    )
    .unwrap();
    assert!(
        last <= first_tenth + GROWTH_BYTES_MAX,
        "{first_tenth} bytes after the first tenth, {last} after the last"
    );
    assert_eq!(refused.values().sum::<u64>(), swaps / BAD_EVERY);
    assert_eq!(rig.core.counters().swaps, 1 + swaps - swaps / BAD_EVERY);
    assert!(rig.core.counters().signals > 0);
}
