//! The recommendation read back from a whole evidence document is the one its parts give.

use contracts::evidence::{Candidate, Causality, Evidence, EvidenceV1, Holdout, MarketHash};
use contracts::experiment::{Gate, MIN_DSR_DEFAULT, Severity, SuccessCriteria};
use contracts::hash::Digest;
use contracts::ids::{ContractId, ModelId, SlotId};
use contracts::production::Recommendation;
use contracts::time::UtcMillis;

use super::{Defect, Facts, criteria, of_evidence};
use crate::baseline::compare;
use crate::metrics::measure_all;
use crate::outcome::Outcome;
use crate::samples::{noise, normals};
use crate::stats::trials::TrialStats;

fn edge(seed: u64, mean: f64) -> Outcome {
    noise(&normals(seed, 250).iter().map(|z| mean + z).collect::<Vec<_>>())
}

fn evidence(run: &Outcome, base: Option<(&Outcome, bool)>) -> Evidence {
    let trials = TrialStats::new(1, 0, &[], run.sessions.len());
    let measured = measure_all(run, Some(&trials));
    let id = |text: &str| ModelId::parse(text).unwrap();
    let baseline =
        base.map(|(base, in_sample)| compare(run, base, id("base-0123456789ab"), in_sample).unwrap());
    let asked = SuccessCriteria {
        min_sharpe: 0.5,
        max_drawdown: 0.9,
        min_win_rate: 0.3,
        min_trades: 50,
        improvement_threshold: 0.05,
        min_dsr: MIN_DSR_DEFAULT,
        min_psr: Some(Gate {
            value: 0.9,
            severity: Severity::Block,
        }),
        min_track_record: None,
        max_drawdown_upper95: None,
        min_p_better: None,
        max_psi: None,
    };
    let facts = Facts {
        metrics: &measured.metrics,
        resamples: measured.resamples.as_ref(),
        sessions_per_year: run.sessions_per_year,
        baseline: baseline.as_ref(),
        drift: &[],
    };
    Evidence {
        schema_version: EvidenceV1,
        candidate: Candidate {
            model_id: id("new-0123456789ab"),
            bundle_hash: Digest::of(b"bundle"),
            model_hash: Digest::of(b"model"),
            exec_hash: None,
            norm_stats_hash: Digest::of(b"norm"),
            feature_contract_hash: Digest::of(b"features"),
            dataset_hash: None,
            contract_id: ContractId::parse("CTR-EXP-x-1.0.0").unwrap(),
            config_hash: Digest::of(b"config"),
        },
        slot: SlotId::parse("slot").unwrap(),
        holdout: Holdout {
            instrument: run.instrument.clone(),
            first_session: measured.metrics.test_period_start,
            last_session: measured.metrics.test_period_end,
            sessions: measured.metrics.sessions,
            bars: run.bars.len() as u64,
            market_hash: MarketHash::of(b"market"),
            sources: None,
        },
        settings: run.settings,
        fingerprint: run.fingerprint,
        counts: run.counts.clone(),
        criteria: criteria(&asked, &facts),
        metrics: measured.metrics,
        baseline,
        looks: trials.looks(),
        causality: Causality {
            cuts: 32,
            look_ahead: None,
        },
        self_test_passed: true,
        drift: Vec::new(),
        more_tests: Vec::new(),
        caveats: Vec::new(),
    }
}

#[test]
fn promote_review_and_reject() {
    let (good, poor, base) = (edge(31, 0.3), edge(32, -0.2), edge(33, 0.05));
    let alone = of_evidence(&evidence(&good, None));
    assert_eq!(alone.recommendation, Recommendation::Promote, "{alone:?}");
    let document = evidence(&good, Some((&base, false)));
    let against = of_evidence(&document);
    assert_eq!(against.recommendation, Recommendation::Promote, "{against:?}");
    let p = document.baseline.as_ref().unwrap().p_better.value.unwrap();
    assert_eq!(
        against.confidence,
        Some(p.min(document.metrics.dsr.value.unwrap()))
    );
    let seen = of_evidence(&evidence(&good, Some((&base, true))));
    assert_eq!(
        (seen.recommendation, seen.confidence),
        (Recommendation::Review, Some(p))
    );
    let rejected = of_evidence(&evidence(&poor, Some((&base, false))));
    assert_eq!(
        (rejected.recommendation, rejected.not_overridable),
        (Recommendation::Reject, None)
    );
    assert!(rejected.confidence.unwrap() > 0.9, "{rejected:?}");
    assert!(rejected.reason.contains("min_sharpe:") && rejected.reason.contains("improvement_threshold:"));
}

#[test]
fn what_cannot_be_overruled_is_found_in_the_document() {
    let good = edge(31, 0.3);
    let mut document = evidence(&good, None);
    document.self_test_passed = false;
    assert_eq!(of_evidence(&document).not_overridable, Some(Defect::SelfTest));
    document.causality.look_ahead = Some("feature `x` at bar 12".to_owned());
    let found = of_evidence(&document);
    assert_eq!(
        (found.not_overridable, found.confidence),
        (Some(Defect::LookAhead), Some(1.0))
    );
    assert!(
        found.reason.starts_with("look_ahead: feature `x` at bar 12"),
        "{}",
        found.reason
    );
    let mut ruined = good;
    ruined.ruined = Some(UtcMillis(0));
    let found = of_evidence(&evidence(&ruined, None));
    assert_eq!(
        (found.recommendation, found.not_overridable),
        (Recommendation::Reject, Some(Defect::Ruined))
    );
}

#[test]
fn evidence_has_a_digest_that_every_figure_moves() {
    let document = evidence(&edge(31, 0.3), None);
    let digest = document.digest().unwrap();
    assert_eq!(
        digest,
        evidence(&edge(31, 0.3), None).digest().unwrap(),
        "the same run twice"
    );
    assert_ne!(digest, evidence(&edge(34, 0.3), None).digest().unwrap());
    let text = serde_json::to_string(&document).unwrap();
    let read: Evidence = serde_json::from_str(&text).unwrap();
    assert_eq!(read.digest().unwrap(), digest);
    assert_eq!(of_evidence(&read), of_evidence(&document));
}
