//! From the criteria table to PROMOTE, REVIEW or REJECT.
//!
//! | | |
//! |---|---|
//! | look-ahead, ruin, failed self-test | REJECT, which nobody may overrule |
//! | any blocking criterion failed | REJECT |
//! | a warning criterion or the improvement missed, or the baseline has seen the holdout | REVIEW |
//! | otherwise | PROMOTE |

use contracts::evidence::{CriterionName, CriterionResult, Defect, Evidence, Undefined};
use contracts::experiment::Severity;
use contracts::production::Recommendation;
use serde::{Deserialize, Serialize};

use super::reason::{missed, word};

/// What the table does not say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Circumstances<'a> {
    /// What the causality check found, in words.
    pub look_ahead: Option<&'a str>,
    /// Equity fell to 0 or below.
    pub ruined: bool,
    /// The golden vectors were reproduced before the run.
    pub self_test_passed: bool,
    /// The production model beside it.
    pub baseline: Option<Beside>,
    /// Deflated Sharpe ratio.
    pub dsr: Option<f64>,
}

/// What a recommendation needs of the comparison with the production model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Beside {
    /// Its train or validation window reaches into the holdout.
    pub in_sample: bool,
    /// P(ΔSharpe > 0).
    pub p_better: Option<f64>,
}

impl<'a> Circumstances<'a> {
    /// As an evidence document states them.
    #[must_use]
    pub fn of(evidence: &'a Evidence) -> Self {
        Self {
            look_ahead: evidence.causality.look_ahead.as_deref(),
            ruined: evidence.metrics.sharpe_ratio.undefined == Some(Undefined::Ruined),
            self_test_passed: evidence.self_test_passed,
            baseline: evidence.baseline.as_ref().map(|baseline| Beside {
                in_sample: baseline.in_sample,
                p_better: baseline.p_better.value,
            }),
            dsr: evidence.metrics.dsr.value,
        }
    }

    fn defects(&self) -> Vec<(Defect, String)> {
        let mut found = Vec::new();
        if let Some(what) = self.look_ahead {
            found.push((Defect::LookAhead, format!("look_ahead: {what}")));
        }
        if self.ruined {
            found.push((Defect::Ruined, "ruined: equity fell to 0 or below".to_owned()));
        }
        if !self.self_test_passed {
            let words = "self_test: the golden vectors were not reproduced before the run";
            found.push((Defect::SelfTest, words.to_owned()));
        }
        found
    }
}

/// The first vote's content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FirstVoteResult {
    /// What L4 recommends.
    pub recommendation: Recommendation,
    /// How sure it is, from 0 to 1; absent where the figure it rests on is undefined.
    pub confidence: Option<f64>,
    /// Why, in words; names every criterion that is missed.
    pub reason: String,
    /// Why a person may not overrule it.
    pub not_overridable: Option<Defect>,
}

/// The plan's criteria: a table without one of them is no table to promote on.
const REQUIRED: [CriterionName; 4] = [
    CriterionName::MinSharpe,
    CriterionName::MaxDrawdown,
    CriterionName::MinWinRate,
    CriterionName::MinTrades,
];

/// The recommendation: a pure function of the table and its circumstances.
///
/// Confidence: PROMOTE → the smaller of DSR and P(ΔSharpe > 0); REVIEW → P(ΔSharpe > 0), or DSR without a baseline; REJECT → 1 − the
/// largest `p_pass` of a failed blocking criterion, and 1 where one of them failed for certain (no `p_pass`) or a [`Defect`] was found.
#[must_use]
pub fn recommend(table: &[CriterionResult], circumstances: &Circumstances<'_>) -> FirstVoteResult {
    let defects = circumstances.defects();
    let failed = |severity| -> Vec<&CriterionResult> {
        table
            .iter()
            .filter(|row| !row.passed && row.severity == severity)
            .collect()
    };
    let (blocks, mut warnings) = (failed(Severity::Block), words(&failed(Severity::Warn)));
    let mut refusals: Vec<String> = defects.iter().map(|(_, reason)| reason.clone()).collect();
    refusals.extend(words(&blocks));
    let absent = absent(table);
    refusals.extend(
        absent
            .iter()
            .map(|name| format!("{}: not in the table", word(*name))),
    );
    if let Some(beside) = circumstances.baseline {
        if !has(table, CriterionName::ImprovementThreshold) {
            warnings.push("improvement_threshold: not in the table".to_owned());
        }
        if beside.in_sample {
            warnings.push(
                "in_sample: the production model was trained or validated on sessions of the holdout"
                    .to_owned(),
            );
        }
    }
    let not_overridable = defects.first().map(|(defect, _)| *defect);
    if !refusals.is_empty() {
        let certain = !defects.is_empty() || !absent.is_empty();
        refusals.extend(warnings);
        return FirstVoteResult {
            recommendation: Recommendation::Reject,
            confidence: Some(if certain { 1.0 } else { surely_failed(&blocks) }),
            reason: refusals.join("; "),
            not_overridable,
        };
    }
    let p_better = circumstances.baseline.map(|beside| beside.p_better);
    if !warnings.is_empty() {
        return FirstVoteResult {
            recommendation: Recommendation::Review,
            confidence: p_better.unwrap_or(circumstances.dsr),
            reason: warnings.join("; "),
            not_overridable,
        };
    }
    let confidence = match p_better {
        None => circumstances.dsr,
        Some(p) => circumstances.dsr.zip(p).map(|(dsr, p)| dsr.min(p)),
    };
    let reason = if p_better.is_some() {
        "every criterion is met, the improvement over the production model among them"
    } else {
        "every criterion is met; the slot has no production model to compare with"
    };
    FirstVoteResult {
        recommendation: Recommendation::Promote,
        confidence,
        reason: reason.to_owned(),
        not_overridable,
    }
}

/// [`recommend`] from a whole evidence document.
#[must_use]
pub fn of_evidence(evidence: &Evidence) -> FirstVoteResult {
    recommend(&evidence.criteria, &Circumstances::of(evidence))
}

fn words(rows: &[&CriterionResult]) -> Vec<String> {
    rows.iter().map(|row| missed(row)).collect()
}

fn has(table: &[CriterionResult], name: CriterionName) -> bool {
    table.iter().any(|row| row.name == name)
}

fn absent(table: &[CriterionResult]) -> Vec<CriterionName> {
    REQUIRED.into_iter().filter(|name| !has(table, *name)).collect()
}

/// 1 − the best chance among the failed; one that is no matter of chance settles it.
fn surely_failed(blocks: &[&CriterionResult]) -> f64 {
    let chances: Option<Vec<f64>> = blocks.iter().map(|row| row.p_pass).collect();
    let best = chances.map_or(0.0, |chances| chances.into_iter().fold(0.0, f64::max));
    1.0 - best.clamp(0.0, 1.0)
}
