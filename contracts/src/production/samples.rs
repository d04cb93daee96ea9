//! Contracts for this crate's tests, signed with keys of known seeds.

use super::*;
use crate::features::{Calendar, FeatureSpec, OperatorSpec, RangeSource, Weekday, WeeklySession};
use crate::hash::Digest;
use crate::signing::{KeyPurpose, TrustedKey};

pub(crate) fn contract_key() -> SigningKey {
    SigningKey::from_seed([1; 32])
}

pub(crate) fn vote_key() -> SigningKey {
    SigningKey::from_seed([2; 32])
}

pub(crate) fn backtest_key() -> SigningKey {
    SigningKey::from_seed([3; 32])
}

pub(crate) fn trusted() -> TrustedKeys {
    let entry = |purpose, key: &SigningKey| TrustedKey {
        purpose,
        public_key: key.public_key(),
    };
    TrustedKeys::new(vec![
        entry(KeyPurpose::Contract, &contract_key()),
        entry(KeyPurpose::Vote, &vote_key()),
        entry(KeyPurpose::Backtest, &backtest_key()),
    ])
}

fn features() -> FeatureContract {
    let feature = |name: &str, operator, clip| FeatureSpec {
        name: name.to_owned(),
        operator,
        clip,
    };
    let text = r#"{"days":["mon","tue","wed","thu","fri"],"open":"08:00","close":"13:00"}"#;
    let session: WeeklySession = serde_json::from_str(text).unwrap();
    assert_eq!(session.days[0], Weekday::Mon);
    FeatureContract {
        name: crate::ids::FeatureContractName::parse("sample_3").unwrap(),
        version: "1.0.0".to_owned(),
        calendar: Calendar {
            name: crate::ids::CalendarName::parse("sample").unwrap(),
            zone: "America/Bogota".to_owned(),
            sessions: vec![session],
            holidays: vec![],
            sessions_per_year: 242.0,
        },
        macro_rules: std::collections::BTreeMap::new(),
        price_bounds: std::collections::BTreeMap::new(),
        gap_reset_bars: None,
        features: vec![
            feature(
                "log_ret_5m",
                OperatorSpec::LogReturn { bars: 1 },
                Some([-0.05, 0.05]),
            ),
            feature(
                "atr_pct",
                OperatorSpec::Natr {
                    period: 10,
                    range: RangeSource::Close,
                },
                None,
            ),
            feature("time_normalized", OperatorSpec::SessionTime, None),
        ],
    }
}

fn unsigned() -> ProductionContract {
    let feature_contract = features();
    let action = ActionBinding {
        rule: crate::action::ActionKind::Continuous.default_rule(),
        output: "53".to_owned(),
        position_source: PositionSource::Signal,
    };
    let model_hash = Digest::of(b"model");
    let norm_stats_hash = Digest::of(b"norm stats");
    let feature_contract_hash = jcs::digest(&feature_contract).unwrap();
    let bundle = bundle_hash(model_hash, norm_stats_hash, feature_contract_hash, &action).unwrap();
    ProductionContract {
        schema_version: ProductionContractV1,
        origin: ContractOrigin::Local,
        environment: Environment::parse(LOCAL_ENVIRONMENT).unwrap(),
        slot: SlotId::parse("usdcop-5m").unwrap(),
        instruments: Instruments::Any(AnyInstrument::Any),
        bar_interval_s: 300,
        model_id: model_id(None, bundle).unwrap(),
        experiment: None,
        hashes: Hashes {
            model_hash,
            exec_hash: Some(Digest::of(b"exec")),
            norm_stats_hash,
            feature_contract_hash,
            feature_order_hash: Digest::of(b"log_ret_5m,atr_pct,time_normalized"),
            bundle_hash: bundle,
            config_hash: None,
            dataset_hash: None,
        },
        artifacts: Artifacts {
            model: Digest::of(b"model"),
            exec: Some(Digest::of(b"exec")),
            norm_stats: Digest::of(b"norm stats"),
            golden: Digest::of(b"golden"),
        },
        feature_contract,
        action,
        numerics: Numerics::dense(),
        on_swap: OnSwap::Adopt,
        on_stale: OnStale::FlattenAfterS(600),
        offline_grace_hours: 72,
        max_bar_age_s: 60,
        golden_limits: GoldenLimits::default(),
        votes: None,
        approver: None,
        approved_at: None,
        issued_at: UtcMillis(1_767_618_300_000),
        key_id: contract_key().key_id(),
        generation: 1_767_618_300,
        lineage: Lineage::default(),
        signatures: vec![],
    }
}

/// A signed local contract.
pub(crate) fn local() -> ProductionContract {
    let mut contract = unsigned();
    contract.sign(&contract_key()).unwrap();
    contract
}

/// A signed contract with two signed votes.
pub(crate) fn voted() -> ProductionContract {
    let mut contract = unsigned();
    let name = ExperimentName::parse("usdcop_ppo_baseline").unwrap();
    let bundle = contract.hashes.bundle_hash;
    contract.origin = ContractOrigin::Votes;
    contract.environment = Environment::parse("paper").unwrap();
    contract.instruments = Instruments::Listed(vec![InstrumentId::parse("USDCOP").unwrap()]);
    contract.model_id = model_id(Some(&name), bundle).unwrap();
    contract.experiment = Some(ExperimentRef {
        contract_id: ContractId::parse("CTR-EXP-usdcop_ppo_baseline-1.0.0").unwrap(),
        name,
        version: "1.0.0".to_owned(),
    });
    contract.hashes.config_hash = Some(Digest::of(b"config"));
    contract.hashes.dataset_hash = Some(Digest::of(b"dataset"));
    let proposal_id = ProposalId::parse(&format!("PROP-{}-1", contract.model_id)).unwrap();
    let first = FirstVote {
        proposal_id: proposal_id.clone(),
        evidence_digest: Digest::of(b"evidence"),
        model_id: contract.model_id.clone(),
        bundle_hash: bundle,
        slot: contract.slot.clone(),
        baseline_model_id: None,
        recommendation: Recommendation::Promote,
        issued_at: contract.issued_at.plus_ms(-86_400_000),
    };
    let second = SecondVote {
        proposal_id: proposal_id.clone(),
        evidence_digest: first.evidence_digest,
        model_id: contract.model_id.clone(),
        bundle_hash: bundle,
        slot: contract.slot.clone(),
        baseline_model_id: None,
        decision: Decision::Approve,
        voter: PersonId::parse("vera").unwrap(),
        voted_at: contract.issued_at.plus_ms(-1_000),
        deploy_by: contract.issued_at.plus_ms(7 * 86_400_000),
    };
    contract.approver = Some(second.voter.clone());
    contract.approved_at = Some(second.voted_at);
    contract.lineage.proposal_id = Some(proposal_id);
    contract.votes = Some(Votes {
        first: Signed::new(first, &backtest_key()).unwrap(),
        second: Signed::new(second, &vote_key()).unwrap(),
        promote: None,
        rollback: None,
    });
    contract.sign(&contract_key()).unwrap();
    contract
}

/// Writes the files of `tests/golden/v1` when asked to (`WRITE_SAMPLES=1`), and otherwise checks that they are these samples.
#[test]
fn the_committed_files_are_these_samples() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/v1");
    let pretty = |text: serde_json::Result<String>| (text.unwrap() + "\n").into_bytes();
    let public = |purpose, key: SigningKey| crate::signing::PublicKeyFile {
        schema_version: crate::signing::PublicKeyV1,
        key_id: key.key_id(),
        purpose,
        public_key: key.public_key(),
    };
    let directive = crate::directive::tests::sample();
    let files = [
        (
            "contract_local.json",
            pretty(serde_json::to_string_pretty(&local())),
        ),
        (
            "contract_voted.json",
            pretty(serde_json::to_string_pretty(&voted())),
        ),
        ("directive.json", pretty(serde_json::to_string_pretty(&directive))),
        ("golden.json", crate::golden::tests::sample().to_bytes().unwrap()),
        (
            "contract.pub",
            pretty(serde_json::to_string_pretty(&public(
                KeyPurpose::Contract,
                contract_key(),
            ))),
        ),
        (
            "vote.pub",
            pretty(serde_json::to_string_pretty(&public(
                KeyPurpose::Vote,
                vote_key(),
            ))),
        ),
        (
            "backtest.pub",
            pretty(serde_json::to_string_pretty(&public(
                KeyPurpose::Backtest,
                backtest_key(),
            ))),
        ),
    ];
    for (name, bytes) in files {
        let path = folder.join(name);
        if std::env::var_os("WRITE_SAMPLES").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, &bytes).unwrap();
        }
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "{}", path.display());
    }
}
