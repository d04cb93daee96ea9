//! The comparison with golden vectors: the policy that shall run answers as the contract says, row by row and in a batch.

use contracts::action::ActionRule;
use contracts::golden::Golden;
use contracts::production::GoldenLimits;

use crate::action::decide;
use crate::policy::{Head, InferError, Policy};

/// Why a policy is not the one the golden vectors were made with.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Golden vectors, model and features are not of one width.
    #[error("its {what} is {found} wide, {expected} is expected")]
    Width {
        /// Which.
        what: &'static str,
        /// As found.
        found: usize,
        /// As expected.
        expected: usize,
    },
    /// The model gives no number on a golden row.
    #[error("its model's output is not finite on golden row {row}")]
    NotFinite {
        /// From 0.
        row: usize,
    },
    /// The model answers otherwise.
    #[error("golden row {row} gives {found:?}, {expected:?} is expected (limit {limit:e})")]
    Mismatch {
        /// From 0.
        row: usize,
        /// The outputs here.
        found: Vec<f32>,
        /// The golden ones.
        expected: Vec<f32>,
        /// How far they may be apart.
        limit: f64,
    },
    /// The outputs agree, the position they lead to does not.
    #[error("golden row {row} leads to another position")]
    Action {
        /// From 0.
        row: usize,
    },
    /// The model fails on the golden rows.
    #[error("its model fails on the golden rows")]
    Infer(#[source] InferError),
}

/// Checks that model, features (`width`) and golden vectors are of one width.
///
/// # Errors
/// [`CheckError::Width`].
pub fn widths(policy: &impl Policy, width: usize, golden: &Golden) -> Result<(), CheckError> {
    let head = policy.head().width();
    for (what, found, expected) in [
        ("model", policy.width(), width),
        ("golden observation", golden.width(), width),
        ("golden output", golden.output_width(), head),
    ] {
        if found != expected {
            return Err(CheckError::Width {
                what,
                found,
                expected,
            });
        }
    }
    Ok(())
}

/// Compares outputs (row by row, of one head) with the golden ones, and the positions they lead to.
///
/// # Errors
/// [`CheckError::NotFinite`], [`CheckError::Mismatch`], [`CheckError::Action`].
pub fn outputs(
    outputs: &[f32],
    rule: &ActionRule,
    head: Head,
    golden: &Golden,
    limits: &GoldenLimits,
) -> Result<(), CheckError> {
    let rows = outputs
        .chunks(head.width())
        .zip(&golden.outputs)
        .zip(&golden.actions);
    for (row, ((found, expected), action)) in rows.enumerate() {
        let decision = decide(rule, head, found).map_err(|_| CheckError::NotFinite { row })?;
        let close = |(a, b): (&f32, &f32)| (f64::from(*a) - f64::from(*b)).abs() <= limits.raw_abs_max;
        if !found.iter().zip(expected).all(close) {
            return Err(CheckError::Mismatch {
                row,
                found: found.to_vec(),
                expected: expected.clone(),
                limit: limits.raw_abs_max,
            });
        }
        if decision.action != *action && !in_band(rule, head, expected, limits.action_band) {
            return Err(CheckError::Action { row });
        }
    }
    Ok(())
}

/// Runs every golden row alone and all in one batch, and compares.
///
/// # Errors
/// [`CheckError`].
pub fn run(
    policy: &mut impl Policy,
    rule: &ActionRule,
    golden: &Golden,
    limits: &GoldenLimits,
) -> Result<(), CheckError> {
    widths(policy, golden.width(), golden)?;
    let (rows, head, width) = (golden.rows(), policy.head(), policy.width());
    let mut out = vec![0.0; golden.observations.len() * head.width()];
    for (row, out) in rows.chunks(width).zip(out.chunks_mut(head.width())) {
        policy.infer(row, out).map_err(CheckError::Infer)?;
    }
    outputs(&out, rule, head, golden, limits)?;
    policy.infer(&rows, &mut out).map_err(CheckError::Infer)?;
    outputs(&out, rule, head, golden, limits)
}

/// True when an output lies so near a threshold or a tie that a last bit may turn the action.
fn in_band(rule: &ActionRule, head: Head, output: &[f32], band: f64) -> bool {
    match (rule, head) {
        (
            ActionRule::Continuous {
                long_above,
                short_below,
            },
            _,
        ) => {
            let raw = output.first().map_or(0.0, |x| f64::from(*x));
            [long_above, short_below]
                .iter()
                .any(|threshold| (raw - **threshold).abs() <= band)
        }
        (_, Head::Logits) => {
            let mut sorted: Vec<f64> = output.iter().map(|x| f64::from(*x)).collect();
            sorted.sort_by(f64::total_cmp);
            matches!(sorted.as_slice(), [.., second, best] if best - second <= band)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use contracts::action::ActionKind;
    use contracts::golden::GoldenSource;
    use contracts::limits::GOLDEN_ROWS;

    use super::*;
    use crate::golden::{Answers, vectors};

    /// Twice its input, or, when it is `odd`, something else in a batch.
    struct Twice {
        odd: bool,
    }

    impl Policy for Twice {
        fn width(&self) -> usize {
            1
        }
        fn head(&self) -> Head {
            Head::Scalar
        }
        fn infer(&mut self, rows: &[f32], out: &mut [f32]) -> Result<(), InferError> {
            let extra = if self.odd && rows.len() > 1 { 0.5 } else { 0.0 };
            for (row, out) in rows.iter().zip(out) {
                *out = row * 2.0 + extra;
            }
            Ok(())
        }
    }

    #[test]
    fn a_policy_that_answers_otherwise_alone_or_in_a_batch_is_found() {
        let rule = ActionKind::Continuous.default_rule();
        let rows: Vec<f32> = (0u8..=255).map(|n| f32::from(n) / 256.0 - 0.5).collect();
        let twice: Vec<f32> = rows.iter().map(|row| row * 2.0).collect();
        let answers = Answers {
            rule: &rule,
            head: Head::Scalar,
            outputs: &twice,
        };
        let mut golden = vectors(GoldenSource::Bars, &rows, 1, answers).unwrap();
        assert_eq!(golden.observations.len(), GOLDEN_ROWS);
        let limits = GoldenLimits::default();
        run(&mut Twice { odd: false }, &rule, &golden, &limits).unwrap();
        let odd = run(&mut Twice { odd: true }, &rule, &golden, &limits).unwrap_err();
        assert!(matches!(odd, CheckError::Mismatch { row: 0, .. }), "{odd}");
        golden.actions[3] = contracts::reason::Position::Flat;
        let turned = run(&mut Twice { odd: false }, &rule, &golden, &limits).unwrap_err();
        assert!(matches!(turned, CheckError::Action { row: 3 }), "{turned}");
    }

    #[test]
    fn the_band_lies_around_thresholds_and_ties_only() {
        let rule = ActionKind::Continuous.default_rule();
        let near = |raw| in_band(&rule, Head::Scalar, &[raw], 1e-5);
        assert!(near(0.330_001) && near(-0.329_999));
        assert!(!near(0.331) && !near(0.0));
        let rule = ActionKind::Index.default_rule();
        assert!(in_band(&rule, Head::Logits, &[1.0, 0.3, 1.000_001], 1e-5));
        assert!(!in_band(&rule, Head::Logits, &[1.0, 0.3, 1.1], 1e-5));
        assert!(!in_band(&rule, Head::Index, &[1.0], 1e-5));
    }
}
