//! The criteria table: what was asked, what was found, how likely it holds.

use contracts::evidence::{
    BaselineComparison, CriterionName as Name, CriterionResult, FeatureDrift, Measured, Metrics, Undefined,
};
use contracts::experiment::{Gate, Severity, SuccessCriteria};

use crate::limits::P_BETTER_MIN;
use crate::metrics::Resamples;
use crate::stats::normal;

/// What the criteria are held against.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Figures of the candidate.
    pub metrics: &'a Metrics,
    /// Its resamples; absent for a ruined run.
    pub resamples: Option<&'a Resamples>,
    /// Sessions of a year, for the annual Sharpe ratio of a resample.
    pub sessions_per_year: f64,
    /// The production model beside it; absent in an empty slot.
    pub baseline: Option<&'a BaselineComparison>,
    /// Drift of the features.
    pub drift: &'a [FeatureDrift],
}

/// The table, in the order of the experiment's section: the plan's four, the improvement where there is a baseline, then the optional gates.
///
/// `p_pass` is the share of resamples that meet the criterion; for the two that compare with the baseline it is P(ΔSharpe > 0). It is absent
/// where nothing is left to chance: the number of trades, the drift, and a figure that is undefined.
#[must_use]
pub fn criteria(asked: &SuccessCriteria, facts: &Facts<'_>) -> Vec<CriterionResult> {
    let m = facts.metrics;
    let per_session = asked.min_sharpe / facts.sessions_per_year.sqrt();
    let chance = |values: fn(&Resamples) -> &Vec<f64>, holds: &dyn Fn(f64) -> bool| {
        facts.resamples.map(|r| Resamples::share(values(r), holds))
    };
    let block = |value| Gate {
        value,
        severity: Severity::Block,
    };
    let mut table = vec![
        at_least(Name::MinSharpe, block(asked.min_sharpe), m.sharpe_ratio)
            .chance(chance(|r| &r.sharpe, &|v| v >= per_session)),
        at_most(Name::MaxDrawdown, block(asked.max_drawdown), m.max_drawdown)
            .chance(chance(|r| &r.drawdown, &|v| v <= asked.max_drawdown)),
        at_least(Name::MinWinRate, block(asked.min_win_rate), m.win_rate)
            .chance(chance(|r| &r.win_rate, &|v| v >= asked.min_win_rate)),
        at_least(
            Name::MinTrades,
            block(f64::from(asked.min_trades)),
            count(m.total_trades),
        ),
    ];
    if let Some(baseline) = facts.baseline {
        table.push(improvement(asked.improvement_threshold, baseline));
    }
    let score = |gate: Gate| normal::quantile(gate.value);
    table.push(
        at_least(Name::MinDsr, asked.min_dsr, m.dsr)
            .chance(chance(|r| &r.dsr_score, &|v| v >= score(asked.min_dsr))),
    );
    if let Some(gate) = asked.min_psr {
        table.push(
            at_least(Name::MinPsr, gate, m.psr).chance(chance(|r| &r.psr_score, &|v| v >= score(gate))),
        );
    }
    if let Some(gate) = asked.min_track_record {
        table.push(
            at_least(Name::MinTrackRecord, gate, track_record(m))
                .chance(chance(|r| &r.track_record, &|v| v >= gate.value)),
        );
    }
    if let Some(gate) = asked.max_drawdown_upper95 {
        table.push(
            at_most(Name::MaxDrawdownUpper95, gate, m.max_drawdown_upper95)
                .chance(chance(|r| &r.drawdown, &|v| v <= gate.value)),
        );
    }
    if let (Some(gate), Some(baseline)) = (asked.min_p_better, facts.baseline) {
        table.push(at_least(Name::MinPBetter, gate, baseline.p_better).chance(baseline.p_better.value));
    }
    if let Some(gate) = asked.max_psi {
        table.push(at_most(Name::MaxPsi, gate, largest_drift(facts.drift)));
    }
    table.into_iter().map(|row| row.0).collect()
}

/// A row without its chance.
struct Row(CriterionResult);

impl Row {
    /// An undefined figure fails for certain, whatever its resamples do.
    fn chance(mut self, p_pass: Option<f64>) -> Self {
        self.0.p_pass = p_pass.filter(|_| self.0.actual.is_some());
        self
    }

    fn new(name: Name, gate: Gate, figure: Measured, met: impl FnOnce(f64) -> bool) -> Self {
        Self(CriterionResult {
            name,
            threshold: gate.value,
            actual: figure.value,
            ci95: figure.ci95,
            p_pass: None,
            passed: figure.value.is_some_and(met),
            severity: gate.severity,
        })
    }
}

fn at_least(name: Name, gate: Gate, figure: Measured) -> Row {
    Row::new(name, gate, figure, |value| value >= gate.value)
}

fn at_most(name: Name, gate: Gate, figure: Measured) -> Row {
    Row::new(name, gate, figure, |value| value <= gate.value)
}

/// Met when the improvement reaches the threshold and P(ΔSharpe > 0) reaches [`P_BETTER_MIN`]; missing it leads to REVIEW.
fn improvement(threshold: f64, baseline: &BaselineComparison) -> Row {
    let gate = Gate {
        value: threshold,
        severity: Severity::Warn,
    };
    let sure = baseline.p_better.value.is_some_and(|p| p >= P_BETTER_MIN);
    Row::new(
        Name::ImprovementThreshold,
        gate,
        baseline.sharpe_improvement,
        |value| sure && value >= threshold,
    )
    .chance(baseline.p_better.value)
}

fn count(trades: u64) -> Measured {
    Measured {
        value: Some(trades as f64),
        ci95: None,
        undefined: None,
    }
}

/// Sessions over the minimum track record length.
fn track_record(metrics: &Metrics) -> Measured {
    let length = metrics.min_track_record_sessions;
    Measured {
        value: length.value.map(|n| f64::from(metrics.sessions) / n),
        ci95: None,
        undefined: length.undefined,
    }
}

/// The largest index; undefined as soon as one feature's is, since that one could be the largest.
fn largest_drift(drift: &[FeatureDrift]) -> Measured {
    let unknown = Measured::none(Undefined::NoData);
    if drift.iter().any(|feature| feature.psi.value.is_none()) {
        return unknown;
    }
    drift
        .iter()
        .map(|feature| feature.psi)
        .max_by(|a, b| a.value.unwrap_or(0.0).total_cmp(&b.value.unwrap_or(0.0)))
        .unwrap_or(unknown)
}

#[cfg(test)]
mod tests;
