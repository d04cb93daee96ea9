//! The recommendation in words: every criterion that is missed, with what was asked and what was found.

use contracts::evidence::{CriterionName, CriterionResult};

use crate::limits::P_BETTER_MIN;

/// A criterion's name as the experiment writes it.
#[must_use]
pub const fn word(name: CriterionName) -> &'static str {
    match name {
        CriterionName::MinSharpe => "min_sharpe",
        CriterionName::MaxDrawdown => "max_drawdown",
        CriterionName::MinWinRate => "min_win_rate",
        CriterionName::MinTrades => "min_trades",
        CriterionName::ImprovementThreshold => "improvement_threshold",
        CriterionName::MinDsr => "min_dsr",
        CriterionName::MinPsr => "min_psr",
        CriterionName::MinTrackRecord => "min_track_record",
        CriterionName::MaxDrawdownUpper95 => "max_drawdown_upper95",
        CriterionName::MinPBetter => "min_p_better",
        CriterionName::MaxPsi => "max_psi",
    }
}

const fn is_upper_bound(name: CriterionName) -> bool {
    matches!(
        name,
        CriterionName::MaxDrawdown | CriterionName::MaxDrawdownUpper95 | CriterionName::MaxPsi
    )
}

/// Why a criterion is missed.
pub(super) fn missed(row: &CriterionResult) -> String {
    let name = word(row.name);
    let (bound, threshold) = (
        if is_upper_bound(row.name) {
            "at most"
        } else {
            "at least"
        },
        number(row.threshold),
    );
    let Some(actual) = row.actual else {
        return format!("{name}: undefined, {bound} {threshold} is asked");
    };
    let found = number(actual);
    if row.name == CriterionName::ImprovementThreshold && actual >= row.threshold {
        let p = row.p_pass.map_or_else(|| "undefined".to_owned(), number);
        return format!(
            "{name}: {found}, but P(ΔSharpe > 0) is {p}, at least {} is asked",
            number(P_BETTER_MIN)
        );
    }
    format!("{name}: {found}, {bound} {threshold} is asked")
}

/// At most four decimals, no trailing zeros; as it is where four would hide it.
pub(super) fn number(value: f64) -> String {
    let short = format!("{value:.4}");
    let short = short.trim_end_matches('0').trim_end_matches('.');
    if value != 0.0 && matches!(short, "0" | "-0") {
        format!("{value:e}")
    } else if short == "-0" {
        "0".to_owned()
    } else {
        short.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use contracts::experiment::Severity;

    use super::*;

    fn row(name: CriterionName, threshold: f64, actual: Option<f64>, p_pass: Option<f64>) -> CriterionResult {
        CriterionResult {
            name,
            threshold,
            actual,
            ci95: None,
            p_pass,
            passed: false,
            severity: Severity::Block,
        }
    }

    #[test]
    fn in_words() {
        let cases = [
            (
                row(CriterionName::MinSharpe, 0.5, Some(0.314_159), Some(0.2)),
                "min_sharpe: 0.3142, at least 0.5 is asked",
            ),
            (
                row(CriterionName::MaxDrawdown, 0.15, Some(0.2), None),
                "max_drawdown: 0.2, at most 0.15 is asked",
            ),
            (
                row(CriterionName::MinWinRate, 0.45, None, None),
                "min_win_rate: undefined, at least 0.45 is asked",
            ),
            (
                row(CriterionName::ImprovementThreshold, 0.05, Some(0.1), Some(0.62)),
                "improvement_threshold: 0.1, but P(ΔSharpe > 0) is 0.62, at least 0.8 is asked",
            ),
            (
                row(CriterionName::ImprovementThreshold, 0.05, Some(0.01), Some(0.9)),
                "improvement_threshold: 0.01, at least 0.05 is asked",
            ),
        ];
        for (row, expected) in cases {
            assert_eq!(missed(&row), expected);
        }
    }

    #[test]
    fn a_word_is_what_json_says() {
        for name in [
            CriterionName::MinSharpe,
            CriterionName::MaxDrawdown,
            CriterionName::MinWinRate,
            CriterionName::MinTrades,
            CriterionName::ImprovementThreshold,
            CriterionName::MinDsr,
            CriterionName::MinPsr,
            CriterionName::MinTrackRecord,
            CriterionName::MaxDrawdownUpper95,
            CriterionName::MinPBetter,
            CriterionName::MaxPsi,
        ] {
            assert_eq!(serde_json::to_value(name).unwrap(), word(name));
        }
    }

    #[test]
    fn numbers_are_short_and_never_hidden() {
        assert_eq!(number(50.0), "50");
        assert_eq!(number(-0.25), "-0.25");
        assert_eq!(number(-0.0), "0");
        assert_eq!(number(0.000_012), "1.2e-5");
    }
}
