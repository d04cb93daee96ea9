//! The reconciler against a source in memory and cores that adopt when told.

use std::collections::BTreeMap;

use contracts::directive::{Directive, DirectiveV1};
use contracts::hash::{ContractDigest, Digest};
use contracts::ids::{Environment, SlotId};
use contracts::time::UtcMillis;

use super::*;
use crate::bundle::make::Made;
use crate::bundle::testing::{key, made, options, trusted};
use crate::bundle::{BundleCell, FetchError, Holder};
use crate::core::input::Input;
use crate::edges::control::{ControlReceiver, control_queue};

#[derive(Default)]
struct Offered {
    gone: bool,
    contract: Option<Vec<u8>>,
    directive: Option<Vec<u8>>,
    artifacts: BTreeMap<ArtifactHash, Vec<u8>>,
    fetched: usize,
}

pub(super) type Shared<T> = Arc<Mutex<T>>;

struct Memory(Shared<Offered>);

impl Memory {
    fn get<T>(&self, get: impl FnOnce(&Offered) -> T) -> Result<T, FetchError> {
        let desired = self.0.lock().unwrap();
        if desired.gone {
            return Err(FetchError::Unavailable(std::io::Error::other("gone")));
        }
        Ok(get(&desired))
    }
}

impl ContractSource for Memory {
    fn contract(&mut self) -> Result<Option<Vec<u8>>, FetchError> {
        self.get(|desired| desired.contract.clone())
    }
    fn artifact(&mut self, hash: ArtifactHash, _: usize) -> Result<Vec<u8>, FetchError> {
        self.0.lock().unwrap().fetched += 1;
        self.get(|desired| desired.artifacts.get(&hash).cloned())?
            .ok_or(FetchError::Missing)
    }
}

impl DirectiveSource for Memory {
    fn directive(&mut self) -> Result<Option<Vec<u8>>, FetchError> {
        self.get(|desired| desired.directive.clone())
    }
}

pub(super) struct Receipts(pub(super) Shared<Vec<Receipt>>);

impl ReceiptSink for Receipts {
    fn receipt(&mut self, receipt: &Receipt) {
        self.0.lock().unwrap().push(receipt.clone());
    }
}

#[derive(Default)]
pub(super) struct Told {
    accepted: Vec<u64>,
    publishing: Vec<u64>,
    warmed: usize,
}

pub(super) struct Rest(pub(super) Shared<Told>);

impl Engine for Rest {
    fn warm(&mut self, _: &ProductionContract, _: &Loaded) -> Result<Vec<Box<WarmState>>, String> {
        self.0.lock().unwrap().warmed += 1;
        Ok(Vec::new())
    }
    fn accepted(&mut self, verified: &Verified, _: &[u8], _: &mut dyn ArtifactSource) {
        let generation = verified.contract.generation;
        self.0.lock().unwrap().accepted.push(generation);
    }
    fn publishing(&mut self, verified: &Verified) {
        let generation = verified.contract.generation;
        self.0.lock().unwrap().publishing.push(generation);
    }
    fn swapped(&mut self, generation: u64) -> Option<u64> {
        Some(generation + 1_000)
    }
}

struct Rig {
    follower: Follower,
    directives: Directives,
    desired: Shared<Offered>,
    receipts: Shared<Vec<Receipt>>,
    told: Shared<Told>,
    control: ControlReceiver,
    core: Holder,
}

fn rig(cache: Option<Directory>, accepted: Option<Accepted>, number: Option<u64>) -> Rig {
    let cell = Arc::new(BundleCell::default());
    let (sender, control) = control_queue(|| ());
    let (desired, receipts, told) = (Shared::<Offered>::default(), Shared::default(), Shared::default());
    let gate = DirectiveGate::new(
        Environment::parse("local").unwrap(),
        SlotId::parse("test").unwrap(),
        trusted(),
        number,
    );
    let gate = Arc::new(Mutex::new(gate));
    Rig {
        directives: Directives::new(DirectiveParts {
            source: Box::new(Memory(Arc::clone(&desired))),
            cache: cache.clone(),
            gate: Arc::clone(&gate),
            control: sender,
            bell: Bell::default(),
        }),
        follower: Follower::new(FollowerParts {
            source: Box::new(Memory(Arc::clone(&desired))),
            cache,
            options: options(1),
            accepted,
            gate,
            receipts: Box::new(Receipts(Arc::clone(&receipts))),
            keeper: Keeper::new(Arc::clone(&cell)),
            engine: Box::new(Rest(Arc::clone(&told))),
        }),
        desired,
        receipts,
        told,
        control,
        core: Holder::new(cell, 0),
    }
}

impl Rig {
    fn look(&mut self) {
        self.directives.look();
        self.follower.look();
    }

    fn offer(&self, made: &Made) {
        let mut desired = self.desired.lock().unwrap();
        desired.contract = Some(made.json.clone());
        desired.artifacts.extend(made.artifacts.clone());
    }

    /// What a core does between two batches.
    fn adopt(&mut self) -> Option<u64> {
        if self.core.take() {
            self.core.bundle()?.note_adopted();
        }
        self.core.bundle().map(|bundle| bundle.terms.generation)
    }

    fn outcomes(&self) -> Vec<String> {
        let receipts = std::mem::take(&mut *self.receipts.lock().unwrap());
        let text = |receipt: Receipt| match receipt {
            Receipt::Serving { generation, seq, .. } => format!("serving {generation} at {seq}"),
            Receipt::Refused { code, .. } => format!("refused {code}"),
            Receipt::Superseded { generation, .. } => format!("superseded {generation}"),
        };
        receipts.into_iter().map(text).collect()
    }
}

#[test]
fn good_contracts_are_served_and_bad_ones_change_nothing() {
    let mut rig = rig(None, None, None);
    rig.look();
    assert_eq!(rig.adopt(), None);
    rig.offer(&made(1, 10));
    rig.look();
    assert_eq!(rig.adopt(), Some(10));
    rig.look();
    rig.look();
    assert_eq!(rig.outcomes(), ["serving 10 at 1010"]);

    let mut bad = made(2, 11);
    bad.json = String::from_utf8(bad.json)
        .unwrap()
        .replace("\"max_bar_age_s\": 60", "\"max_bar_age_s\": 61")
        .into_bytes();
    rig.offer(&bad);
    rig.look();
    rig.look();
    assert_eq!(rig.adopt(), Some(10));
    assert_eq!(rig.outcomes(), ["refused bad_signature"], "told once");

    rig.offer(&made(3, 9));
    rig.look();
    assert_eq!(rig.outcomes(), ["refused older_generation"]);
    rig.offer(&made(3, 10));
    rig.look();
    assert_eq!(rig.outcomes(), ["refused generation_taken"]);
    rig.offer(&made(3, 12));
    rig.look();
    assert_eq!(rig.adopt(), Some(12));
    rig.look();
    assert_eq!(rig.outcomes(), ["serving 12 at 1012"]);
    assert_eq!(rig.told.lock().unwrap().accepted, [10, 12]);
}

#[test]
fn what_is_replaced_before_its_adoption_is_superseded() {
    let mut rig = rig(None, None, None);
    rig.offer(&made(1, 10));
    rig.look();
    rig.offer(&made(2, 11));
    rig.look();
    assert_eq!(rig.adopt(), Some(11));
    rig.look();
    assert_eq!(rig.outcomes(), ["superseded 10", "serving 11 at 1011"]);
}

#[test]
fn a_passing_failure_is_tried_again_and_told_once() {
    let mut rig = rig(None, None, None);
    let good = made(1, 10);
    rig.desired.lock().unwrap().contract = Some(good.json.clone());
    for _ in 0..3 {
        rig.look();
    }
    assert_eq!(rig.outcomes(), ["refused not_available"]);
    rig.offer(&good);
    rig.look();
    assert_eq!(rig.adopt(), Some(10));
}

#[test]
fn an_engine_starts_from_its_cache_with_the_source_gone() {
    let folder = tempfile::tempdir().unwrap();
    let cache = || Some(Directory::new(&folder.path().join("cache")));
    let good = made(1, 10);
    let digest = good.contract.digest().unwrap();
    let mut first = rig(cache(), None, None);
    first.offer(&good);
    first.desired.lock().unwrap().directive = Some(directive(7, None));
    first.look();
    assert_eq!(first.adopt(), Some(10));
    assert!(first.control.pop().is_some());

    let accepted = Accepted {
        generation: 10,
        digest,
    };
    let mut second = rig(cache(), Some(accepted), Some(7));
    second.desired.lock().unwrap().gone = true;
    second.look();
    assert_eq!(second.adopt(), Some(10));
    assert!(
        second.told.lock().unwrap().accepted.is_empty(),
        "the journal knows it already"
    );
    assert_eq!(
        second.told.lock().unwrap().publishing,
        [10],
        "what is served is known after a restart too"
    );
    assert!(
        second.control.pop().is_none(),
        "directive 7 is in the journal already"
    );

    // A flipped byte in the cache: the source is asked again.
    let path = folder
        .path()
        .join("cache/artifacts")
        .join(good.contract.artifacts.golden.to_hex());
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let mut third = rig(cache(), Some(accepted), Some(7));
    third.offer(&good);
    third.look();
    assert_eq!(third.adopt(), Some(10));
    assert_eq!(third.desired.lock().unwrap().fetched, 1);
}

/// One that halts.
pub(super) fn directive(number: u64, contract: Option<ContractDigest>) -> Vec<u8> {
    let mut directive = Directive {
        schema_version: DirectiveV1,
        environment: Environment::parse("local").unwrap(),
        slot: SlotId::parse("test").unwrap(),
        generation: u64::from(contract.is_some()),
        contract,
        halted: true,
        clears: vec![],
        number,
        issued_at: UtcMillis(0),
        renew_by: UtcMillis(1),
        signatures: vec![],
    };
    directive.sign(&key()).unwrap();
    serde_json::to_vec(&directive).unwrap()
}

#[test]
fn each_directive_reaches_the_cores_once_and_in_order() {
    let mut rig = rig(None, None, Some(4));
    let mut say = |json: Vec<u8>| {
        rig.desired.lock().unwrap().directive = Some(json);
        rig.look();
        rig.look();
        std::iter::from_fn(|| rig.control.pop())
            .map(|pending| match pending.input {
                Input::Directive { number, halted, .. } => (number, halted),
                other => panic!("{other:?}"),
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(say(directive(5, None)), [(5, true)]);
    assert_eq!(say(directive(5, None)), []);
    assert_eq!(say(directive(3, None)), []);
    assert_eq!(say(b"{}".to_vec()), []);
    assert_eq!(say(directive(8, None)), [(8, true)]);
}

#[test]
fn a_voted_contract_waits_until_the_directive_names_it() {
    let mut verified = verify(&made(1, 10).json, &options(1), None).unwrap();
    let other = Desired::Contract(Digest::of(b"other"));
    assert!(is_wanted(&verified, other), "a local one needs no directive");
    verified.contract.origin = ContractOrigin::Votes;
    assert!(!is_wanted(&verified, other));
    assert!(is_wanted(&verified, Desired::Contract(verified.digest)));
    assert!(
        is_wanted(&verified, Desired::Anything),
        "there has been no directive"
    );
    assert!(
        !is_wanted(&verified, Desired::Nothing),
        "a signed: this slot runs nothing"
    );
    assert!(!is_wanted(&verified, Desired::Unknown), "the newest is not known");
}

#[test]
fn a_directive_that_names_no_contract_wants_none_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let cache = || Some(Directory::new(&folder.path().join("cache")));
    let mut first = rig(cache(), None, None);
    assert_eq!(first.follower.desired(), Desired::Anything);
    first.desired.lock().unwrap().directive = Some(directive(5, None));
    first.look();
    assert_eq!(first.follower.desired(), Desired::Nothing);

    let mut second = rig(cache(), None, Some(5));
    second.desired.lock().unwrap().gone = true;
    assert_eq!(second.follower.desired(), Desired::Unknown);
    second.look();
    assert_eq!(second.follower.desired(), Desired::Nothing);
}

#[test]
fn a_directive_handed_in_by_an_operator_is_obeyed_and_cached() {
    let folder = tempfile::tempdir().unwrap();
    let cache = || Some(Directory::new(&folder.path().join("cache")));
    let digest = Digest::of(b"another");
    let mut first = rig(cache(), None, Some(4));
    first.desired.lock().unwrap().directive = Some(directive(5, None));
    first.look();
    let handed_in = directive(6, Some(digest));
    {
        let mut gate = first.follower.parts.gate.lock().unwrap();
        let checked = gate.check(&handed_in).unwrap();
        gate.accept(&checked, &handed_in);
    }
    first.look();
    assert_eq!(first.follower.desired(), Desired::Contract(digest));

    // The source still has the older one.
    let mut second = rig(cache(), None, Some(6));
    second.desired.lock().unwrap().directive = Some(directive(5, None));
    second.look();
    assert_eq!(second.follower.desired(), Desired::Contract(digest));
    assert!(second.control.pop().is_none(), "both are in the journal already");
}

#[test]
fn the_cached_contract_stands_in_only_for_a_source_that_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let cache = || Some(Directory::new(&folder.path().join("cache")));
    let mut first = rig(cache(), None, None);
    first.offer(&made(1, 10));
    first.look();
    assert_eq!(first.adopt(), Some(10));

    let mut second = rig(cache(), None, None);
    second.look();
    assert_eq!(second.adopt(), None, "the source says that there is no contract");
    second.desired.lock().unwrap().gone = true;
    second.look();
    assert_eq!(second.adopt(), Some(10));
}

#[test]
fn a_core_that_cannot_catch_up_is_warmed_again_and_then_given_up() {
    let mut rig = rig(None, None, None);
    rig.offer(&made(1, 10));
    rig.look();
    for _ in 0..WARM_TRIES_MAX {
        rig.follower.parts.keeper.cell().newest().unwrap().note_behind();
        rig.look();
    }
    rig.look();
    assert_eq!(rig.told.lock().unwrap().warmed, WARM_TRIES_MAX as usize);
    assert_eq!(rig.outcomes(), ["refused warm_failed"]);
}

#[test]
fn a_contract_that_one_core_runs_is_warmed_until_all_do() {
    let mut rig = rig(None, None, None);
    rig.follower.parts.options.cores = 2;
    rig.offer(&made(1, 10));
    rig.look();
    rig.follower.parts.keeper.cell().newest().unwrap().note_adopted();
    let tries = 2 * WARM_TRIES_MAX;
    for _ in 0..tries {
        rig.follower.parts.keeper.cell().newest().unwrap().note_behind();
        rig.look();
    }
    assert_eq!(rig.told.lock().unwrap().warmed, 1 + tries as usize);
    assert_eq!(rig.outcomes(), [""; 0], "two models never go on side by side");
    let newest = rig.follower.parts.keeper.cell().newest().unwrap();
    newest.note_adopted();
    newest.note_adopted();
    rig.look();
    assert_eq!(rig.outcomes(), ["serving 10 at 1010"]);
}

#[test]
fn the_thread_looks_when_rung_and_ends_when_told() {
    let mut rig = rig(None, None, None);
    let good = made(1, 10);
    rig.offer(&good);
    let bell = Bell::default();
    let forever = std::time::Duration::from_secs(3_600);
    bell.ring();
    let thread = spawn(rig.follower, bell.clone(), forever).unwrap();
    bell.end();
    rig.follower = thread.join().unwrap();
    assert_eq!(rig.follower.published_generation(), Some(10));
    assert_eq!(rig.adopt(), Some(10));
}
