//! Every way a contract can be bad, and that a swap frees nothing on a core.

use std::sync::Arc;

use contracts::action::{ActionKind, PositionSource};
use contracts::golden::Golden;
use contracts::hash::{ArtifactHash, Digest};
use contracts::ids::{Environment, InstrumentId, SlotId};
use contracts::numerics::{NUMERICS_VERSION, Numerics};
use contracts::production::{Instruments, ProductionContract};
use contracts::signing::{KeyPurpose, SigningKey, TrustedKey, TrustedKeys};
use strategy::onnx::testmodels::{nan_output, wrong_width};
use strategy::policy::Policy as _;

use super::build::{load, verify};
use super::make::Made;
use super::testing::{SteppingClock, key, made, options};
use super::*;

fn build(made: &Made, options: &BuildOptions, accepted: Option<&Accepted>) -> Result<Loaded, RefusedReason> {
    let verified = verify(&made.json, options, accepted)?;
    load(&verified.contract, options, &mut made.artifacts.clone())
}

fn code(result: Result<Loaded, RefusedReason>) -> &'static str {
    match result {
        Ok(_) => "accepted",
        Err(reason) => reason.code(),
    }
}

/// The contract edited (its hashes kept consistent where the edit does so) and signed afresh.
fn edited(edit: impl FnOnce(&mut ProductionContract)) -> Made {
    let mut made = made(1, 100);
    edit(&mut made.contract);
    made.contract.signatures.clear();
    made.contract.sign(&key()).unwrap();
    made.json = serde_json::to_vec(&made.contract).unwrap();
    made
}

/// One artifact replaced under its true address, everything signed afresh.
fn with_artifact(place: impl FnOnce(&mut ProductionContract, ArtifactHash), bytes: Vec<u8>) -> Made {
    let hash = ArtifactHash::of(&bytes);
    let mut made = edited(|contract| place(contract, hash));
    made.artifacts.insert(hash, bytes);
    made
}

/// The bundle hash and the model id after an edit of what they cover.
fn rehash(contract: &mut ProductionContract) {
    let hashes = &mut contract.hashes;
    let bundle = contracts::production::bundle_hash(
        hashes.model_hash,
        hashes.norm_stats_hash,
        hashes.feature_contract_hash,
        &contract.action,
    );
    hashes.bundle_hash = bundle.unwrap();
    contract.model_id = contracts::production::model_id(None, hashes.bundle_hash).unwrap();
}

#[test]
fn a_made_contract_is_accepted_with_a_policy_for_every_core() {
    let loaded = build(&made(1, 100), &options(3), None).unwrap();
    assert_eq!(loaded.seats.len(), 3);
    for seat in &loaded.seats {
        assert_eq!(seat.pop().unwrap().width(), super::testing::WIDTH);
    }
}

#[test]
fn a_contract_that_was_altered_is_refused() {
    let good = made(1, 100);
    let text = String::from_utf8(good.json.clone()).unwrap();
    let altered = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        let mut made = made(1, 100);
        made.json = text.replacen(from, to, 1).into_bytes();
        code(build(&made, &options(1), None))
    };
    assert_eq!(
        altered("\"max_bar_age_s\": 60", "\"max_bar_age_s\": 61"),
        "bad_signature"
    );
    assert_eq!(
        altered("\"generation\": 100", "\"generation\": 101"),
        "bad_signature"
    );
    assert_eq!(
        altered("\"slot\": \"test\"", "\"slot\": \"tesu\""),
        "bad_signature"
    );
    assert_eq!(altered("0.33", "0.34"), "wrong_hash");
    assert_eq!(altered("\"bars\": 1", "\"bars\": 2"), "wrong_hash");
    assert_eq!(
        altered("\"version\": \"1.0.0\"", "\"version\": \"1.0.1\""),
        "wrong_hash"
    );
    assert_eq!(altered("{", "{\"more\": 1,"), "bad_contract");

    let mut unsigned = edited(|_| ());
    unsigned.contract.signatures.clear();
    unsigned.json = serde_json::to_vec(&unsigned.contract).unwrap();
    assert_eq!(code(build(&unsigned, &options(1), None)), "bad_signature");
}

#[test]
fn only_trusted_keys_of_the_right_purpose_count() {
    let with = |purpose, key: &SigningKey| BuildOptions {
        trusted: Some(TrustedKeys::new(vec![TrustedKey {
            purpose,
            public_key: key.public_key(),
        }])),
        ..options(1)
    };
    let other = SigningKey::from_seed([8; 32]);
    let good = made(1, 100);
    assert_eq!(
        code(build(&good, &with(KeyPurpose::Contract, &other), None)),
        "bad_signature"
    );
    assert_eq!(
        code(build(&good, &with(KeyPurpose::Vote, &key()), None)),
        "bad_signature"
    );
    assert_eq!(
        code(build(&good, &with(KeyPurpose::Contract, &key()), None)),
        "accepted"
    );
    let unpinned = BuildOptions {
        trusted: None,
        ..options(1)
    };
    assert_eq!(code(build(&good, &unpinned, None)), "accepted");
}

#[test]
fn every_artifact_is_hashed_before_it_is_used() {
    let good = made(1, 100);
    assert_eq!(good.artifacts.len(), 4);
    for hash in good.artifacts.keys() {
        let mut tampered = made(1, 100);
        let bytes = tampered.artifacts.get_mut(hash).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        let runs = *hash != good.contract.artifacts.model || good.contract.artifacts.exec.is_some();
        assert!(runs);
        assert_eq!(code(build(&tampered, &options(1), None)), "wrong_hash");
        let mut missing = made(1, 100);
        missing.artifacts.remove(hash);
        let refused = build(&missing, &options(1), None).map(drop).unwrap_err();
        assert_eq!(refused.code(), "not_available");
        assert!(refused.is_passing());
    }
    let mut stats = super::testing::norm_stats();
    let from = stats.windows(5).position(|w| w == b"0.001").unwrap();
    stats[from + 4] = b'2';
    let other = with_artifact(|c, hash| c.artifacts.norm_stats = hash, stats);
    assert_eq!(code(build(&other, &options(1), None)), "wrong_hash");
}

#[test]
fn another_engines_contract_is_refused() {
    let against = |edit: fn(&mut Serves)| {
        let mut options = options(1);
        edit(options.serves.as_mut().unwrap());
        code(build(&made(1, 100), &options, None))
    };
    assert_eq!(against(|s| s.allow_local_contracts = false), "local_not_allowed");
    assert_eq!(
        against(|s| s.environment = Environment::parse("paper").unwrap()),
        "environment_mismatch"
    );
    assert_eq!(
        against(|s| s.slot = SlotId::parse("other").unwrap()),
        "slot_mismatch"
    );
    let listed = |names: &[&str]| {
        let names = names
            .iter()
            .map(|name| InstrumentId::parse(name).unwrap())
            .collect();
        edited(|c| c.instruments = Instruments::Listed(names))
    };
    assert_eq!(code(build(&listed(&["USDCOP"]), &options(1), None)), "accepted");
    assert_eq!(
        code(build(&listed(&["EURUSD"]), &options(1), None)),
        "instruments_mismatch"
    );
    assert_eq!(
        code(build(&listed(&["EURUSD", "USDCOP"]), &options(1), None)),
        "instruments_mismatch"
    );
}

#[test]
fn generations_never_go_back_and_are_given_once() {
    let good = made(1, 100);
    let digest = good.contract.digest().unwrap();
    let after = |generation, digest| code(build(&good, &options(1), Some(&Accepted { generation, digest })));
    assert_eq!(after(99, Digest::of(b"x")), "accepted");
    assert_eq!(
        after(100, digest),
        "accepted",
        "the one that runs, after a restart"
    );
    assert_eq!(after(100, Digest::of(b"x")), "generation_taken");
    assert_eq!(after(101, digest), "older_generation");
}

#[test]
fn a_model_that_is_another_broken_or_too_slow_is_refused() {
    // Golden vectors of another model.
    let other = made(2, 100);
    let golden = other.artifacts[&other.contract.artifacts.golden].clone();
    let mismatch = with_artifact(|c, hash| c.artifacts.golden = hash, golden);
    assert_eq!(code(build(&mismatch, &options(1), None)), "golden_mismatch");

    // Outputs as they are, one position turned round.
    let own = made(1, 100);
    let mut golden = Golden::parse(&own.artifacts[&own.contract.artifacts.golden]).unwrap();
    let clear = golden.outputs.iter().position(|out| out[0].abs() < 0.3).unwrap();
    golden.actions[clear] = contracts::reason::Position::Long;
    let turned = with_artifact(|c, hash| c.artifacts.golden = hash, golden.to_bytes().unwrap());
    assert_eq!(code(build(&turned, &options(1), None)), "golden_mismatch");

    let replaced = |bytes: Vec<u8>| {
        with_artifact(
            |c, hash| {
                c.artifacts.model = hash;
                c.artifacts.exec = Some(hash);
                c.hashes.model_hash = Digest::from_bytes(*hash.as_bytes());
                c.hashes.exec_hash = Some(Digest::from_bytes(*hash.as_bytes()));
                rehash(c);
            },
            bytes,
        )
    };
    let wide = replaced(wrong_width(1, super::testing::WIDTH));
    assert_eq!(code(build(&wide, &options(1), None)), "wrong_width");
    assert_eq!(
        code(build(&replaced(b"no model".to_vec()), &options(1), None)),
        "not_admitted"
    );

    let slow = BuildOptions {
        clock: SteppingClock::shared(40_000),
        ..options(1)
    };
    assert_eq!(code(build(&made(1, 100), &slow, None)), "too_slow");
    let over_budget = BuildOptions {
        clock: SteppingClock::shared(100),
        ..options(1)
    };
    let refused = build(&made(1, 100), &over_budget, None).map(drop).unwrap_err();
    assert!(matches!(refused, RefusedReason::TooSlow { .. }), "{refused}");
}

#[test]
fn a_model_that_gives_no_number_is_refused() {
    let library = strategy::policy::library::runtime().unwrap().sha256();
    let made = with_artifact(
        |c, hash| {
            c.artifacts.model = hash;
            c.artifacts.exec = Some(hash);
            c.hashes.model_hash = Digest::from_bytes(*hash.as_bytes());
            c.hashes.exec_hash = Some(Digest::from_bytes(*hash.as_bytes()));
            c.action.output = "action".to_owned();
            c.numerics = Numerics::ort(library);
            rehash(c);
        },
        nan_output(1, super::testing::WIDTH),
    );
    assert_eq!(code(build(&made, &options(1), None)), "not_finite");
}

#[test]
fn numerics_this_build_has_not_are_refused() {
    let newer = edited(|c| c.numerics.version = NUMERICS_VERSION + 1);
    assert_eq!(code(build(&newer, &options(1), None)), "unsupported_numerics");
    let other_library = edited(|c| c.numerics = Numerics::ort(Digest::of(b"other")));
    assert_eq!(
        code(build(&other_library, &options(1), None)),
        "unsupported_numerics"
    );
}

#[test]
fn a_rule_that_cannot_read_the_output_is_refused() {
    let logits = edited(|c| {
        c.action.rule = ActionKind::Logits.default_rule();
        rehash(c);
    });
    assert_ne!(code(build(&logits, &options(1), None)), "accepted");
    let feedback = edited(|c| {
        c.action.position_source = PositionSource::Feedback;
        rehash(c);
    });
    let terms = Terms::of(&feedback.contract, feedback.contract.digest().unwrap());
    assert!(terms.is_feedback && terms.is_local);
    assert_eq!(code(build(&feedback, &options(1), None)), "accepted");
}

fn bundle(made: &Made, loaded: Arc<Loaded>) -> Arc<Bundle> {
    let terms = Terms::of(&made.contract, made.contract.digest().unwrap());
    Arc::new(Bundle::new(terms, loaded, vec![]))
}

#[test]
fn a_core_frees_nothing_and_a_rollback_finds_its_policies_back() {
    let cell = Arc::new(BundleCell::default());
    let mut keeper = Keeper::new(Arc::clone(&cell));
    let mut holders: Vec<Holder> = (0..2)
        .map(|shard| Holder::new(Arc::clone(&cell), shard))
        .collect();
    let mut published = Vec::new();
    for seed in 1..=6 {
        let made = made(seed, i64::try_from(seed).unwrap());
        let key = LoadedKey::of(&made.contract);
        let bundle = bundle(&made, Arc::new(build(&made, &options(2), None).unwrap()));
        published.push((made, key, Arc::downgrade(&bundle)));
        keeper.publish(key, bundle);
        for holder in &mut holders {
            let before = published
                .len()
                .checked_sub(2)
                .map(|n| published[n].2.strong_count());
            assert!(holder.take());
            let after = published
                .len()
                .checked_sub(2)
                .map(|n| published[n].2.strong_count());
            assert!(
                after.is_none_or(|count| count > 0),
                "freed on a core: {before:?} → {after:?}"
            );
            let (bundle, policy) = holder.current().unwrap();
            assert_eq!(bundle.terms.generation, seed);
            let mut out = [0.0];
            policy.infer(&[0.0; super::testing::WIDTH], &mut out).unwrap();
        }
    }
    keeper.sweep();
    assert_eq!(keeper.len(), 1 + crate::limits::RETIRED_BUNDLES_KEPT);
    let alive: Vec<bool> = published
        .iter()
        .map(|(_, _, weak)| weak.strong_count() > 0)
        .collect();
    assert_eq!(alive, [false, false, false, true, true, true]);

    let (made, key, _) = &published[4];
    let back = keeper.loaded(key.unwrap()).unwrap();
    assert!(
        back.seats.iter().all(|seat| seat.is_full()),
        "the cores put their policies back"
    );
    keeper.publish(*key, bundle(made, back));
    for holder in &mut holders {
        assert!(holder.take());
        assert_eq!(holder.bundle().unwrap().terms.generation, 5);
    }
    assert!(
        keeper.loaded(published[0].1.unwrap()).is_none(),
        "freed by the keeper"
    );
}
