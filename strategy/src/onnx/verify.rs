//! The comparisons that decide what may run: reduced against original, dense against ONNX Runtime.

use contracts::action::ActionRule;
use contracts::reason::Position;

use crate::action::decide;
use crate::limits::{DENSE_TOLERANCE, NEAR_TIE};
use crate::policy::{CHECKED_BATCHES, Head, Policy, infer_in_batches, same_bits};

/// Position of the first maximum.
fn first_maximum(logits: &[f32]) -> usize {
    let mut best = 0;
    for (i, value) in logits.iter().enumerate() {
        if *value > logits[best] {
            best = i;
        }
    }
    best
}

/// Difference between the two largest of three.
fn gap(logits: &[f32]) -> f32 {
    let best = first_maximum(logits);
    let others = logits.iter().enumerate().filter(|(i, _)| *i != best);
    others
        .map(|(_, value)| logits[best] - value)
        .fold(f32::INFINITY, f32::min)
}

/// The action of one row; `None` where the output means nothing.
pub(super) fn action_of(rule: &ActionRule, head: Head, row: &[f32]) -> Option<Position> {
    decide(rule, head, row).ok().map(|decision| decision.action)
}

/// Distance of one row from the nearest place where its action changes.
fn margin(rule: &ActionRule, head: Head, row: &[f32]) -> f64 {
    match (head, rule) {
        (Head::Logits, _) => f64::from(gap(row)),
        (
            Head::Scalar,
            ActionRule::Continuous {
                long_above,
                short_below,
            },
        ) => {
            let a = f64::from(row[0]).clamp(-1.0, 1.0);
            (a - long_above).abs().min((a - short_below).abs())
        }
        (Head::Scalar | Head::Index, _) => f64::INFINITY,
    }
}

/// Compares a reduced graph with the original's outputs, row by row, at batch 1, 2, 7 and 64: bit for bit, or, where the original gives
/// the index of the reduced graph's logits, the same index except on near ties, which are counted.
///
/// # Errors
/// What differs, in words.
pub(super) fn reduced_equals(
    reference: &[f32],
    reference_head: Head,
    reduced: &mut impl Policy,
    rows: &[f32],
) -> Result<usize, String> {
    let mut near_ties = 0;
    for size in std::iter::once(1).chain(CHECKED_BATCHES) {
        let out = infer_in_batches(reduced, rows, size).map_err(|e| format!("at batch {size} {e}"))?;
        if reduced.head() == reference_head {
            if !same_bits(&out, reference) {
                return Err(format!("its bits differ from the original's at batch {size}"));
            }
            continue;
        }
        let mut ties = 0;
        for (row, (logits, index)) in out.chunks_exact(3).zip(reference).enumerate() {
            ties += usize::from(gap(logits) < NEAR_TIE);
            let chosen = first_maximum(logits);
            #[expect(clippy::cast_precision_loss, reason = "0, 1 or 2")]
            let same = chosen as f32 == *index;
            // Written so that a NaN gap is a difference.
            if !same && !matches!(gap(logits).partial_cmp(&NEAR_TIE), Some(o) if o.is_lt()) {
                return Err(format!(
                    "row {row} at batch {size} chooses {chosen} where the original chooses {index}"
                ));
            }
        }
        near_ties = near_ties.max(ties);
    }
    Ok(near_ties)
}

/// How close a dense chain is to ONNX Runtime.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Closeness {
    /// Largest |dense − ORT|.
    pub(super) max_difference: f32,
    /// Rows within [`DENSE_TOLERANCE`] of a threshold or a tie, where the action may differ.
    pub(super) band_rows: usize,
}

/// Compares a dense chain with ONNX Runtime's outputs of the same graph.
///
/// # Errors
/// What differs, in words.
pub(super) fn dense_close(
    reference: &[f32],
    dense: &mut impl Policy,
    rows: &[f32],
    rule: &ActionRule,
) -> Result<Closeness, String> {
    let out = infer_in_batches(dense, rows, 64).map_err(|e| e.to_string())?;
    let head = dense.head();
    let mut closeness = Closeness {
        max_difference: 0.0,
        band_rows: 0,
    };
    let pairs = out
        .chunks_exact(head.width())
        .zip(reference.chunks_exact(head.width()));
    for (row, (ours, theirs)) in pairs.enumerate() {
        for (a, b) in ours.iter().zip(theirs) {
            let difference = (a - b).abs();
            // Written so that a NaN is a difference.
            if !matches!(difference.partial_cmp(&DENSE_TOLERANCE), Some(o) if o.is_le()) {
                return Err(format!("row {row}: dense gives {a:e}, ONNX Runtime {b:e}"));
            }
            closeness.max_difference = closeness.max_difference.max(difference);
        }
        let in_band = margin(rule, head, theirs) <= f64::from(DENSE_TOLERANCE);
        closeness.band_rows += usize::from(in_band);
        if !in_band && action_of(rule, head, ours) != action_of(rule, head, theirs) {
            return Err(format!(
                "row {row}: dense and ONNX Runtime lead to different actions"
            ));
        }
    }
    Ok(closeness)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::InferError;
    use contracts::action::ActionKind;

    /// Answers its rows unchanged.
    struct Echo(Head);

    impl Policy for Echo {
        fn width(&self) -> usize {
            self.0.width()
        }
        fn head(&self) -> Head {
            self.0
        }
        fn infer(&mut self, rows: &[f32], out: &mut [f32]) -> Result<(), InferError> {
            out.copy_from_slice(rows);
            Ok(())
        }
    }

    #[test]
    fn near_ties_are_counted_and_clear_differences_refused() {
        let rows = [0.0, 1.0, 0.5, 2.0, 2.0 + 5e-7, 0.0];
        let mut echo = Echo(Head::Logits);
        assert_eq!(reduced_equals(&[1.0, 1.0], Head::Index, &mut echo, &rows), Ok(1));
        assert_eq!(reduced_equals(&[1.0, 0.0], Head::Index, &mut echo, &rows), Ok(1));
        let error = reduced_equals(&[2.0, 0.0], Head::Index, &mut echo, &rows).expect_err("row 0 differs");
        assert!(error.contains("row 0"), "{error}");
        let nan = [f32::NAN, 0.0, 1.0];
        assert!(reduced_equals(&[2.0], Head::Index, &mut echo, &nan).is_err());
    }

    #[test]
    fn bits_decide_where_heads_are_equal() {
        let mut echo = Echo(Head::Scalar);
        assert_eq!(
            reduced_equals(&[0.5, 0.0], Head::Scalar, &mut echo, &[0.5, 0.0]),
            Ok(0)
        );
        assert!(reduced_equals(&[0.5, -0.0], Head::Scalar, &mut echo, &[0.5, 0.0]).is_err());
    }

    #[test]
    fn the_band_forgives_the_action_and_nothing_forgives_the_distance() {
        let rule = ActionKind::Continuous.default_rule();
        let mut echo = Echo(Head::Scalar);
        let close = dense_close(&[0.329_999, -0.7], &mut echo, &[0.330_001, -0.7], &rule).expect("within");
        assert_eq!(close.band_rows, 1);
        assert!(close.max_difference > 1e-6 && close.max_difference < 1e-5);
        assert!(dense_close(&[0.5], &mut echo, &[0.500_02], &rule).is_err());
        assert!(dense_close(&[f32::NAN], &mut echo, &[f32::NAN], &rule).is_err());
    }
}
