//! The golden self-test: the policy a core is about to run, in its own buffers, answers as the contract says.

use contracts::action::ActionRule;
use contracts::golden::Golden;
use contracts::production::GoldenLimits;
use contracts::time::UnixNanos;
use strategy::policy::{Head, Policy as _, PolicyExec};
use strategy::strategy::Strategy;

use super::RefusedReason;
use crate::clock::Clock;
use crate::limits::GOLDEN_TIMED_BLOCKS;

/// Runs every golden row alone and in a batch, and compares outputs, positions and time.
///
/// # Errors
/// [`RefusedReason::Width`], [`RefusedReason::NotFinite`], [`RefusedReason::GoldenMismatch`], [`RefusedReason::GoldenAction`],
/// [`RefusedReason::TooSlow`], [`RefusedReason::Infer`].
pub(super) fn run(
    policy: &mut PolicyExec,
    strategy: &Strategy,
    rule: &ActionRule,
    golden: &Golden,
    limits: &GoldenLimits,
    clock: &dyn Clock,
) -> Result<(), RefusedReason> {
    widths(policy, strategy, golden)?;
    let rows = golden.rows();
    let (alone, row_us) = timed(policy, &rows, clock)?;
    compare(&alone, strategy, rule, golden, limits)?;
    let mut together = vec![0.0; alone.len()];
    policy.infer(&rows, &mut together).map_err(RefusedReason::Infer)?;
    compare(&together, strategy, rule, golden, limits)?;
    if row_us > u64::from(limits.row_us_max) {
        return Err(RefusedReason::TooSlow {
            found_us: row_us,
            limit_us: limits.row_us_max,
        });
    }
    Ok(())
}

fn widths(policy: &PolicyExec, strategy: &Strategy, golden: &Golden) -> Result<(), RefusedReason> {
    let head = policy.head().width();
    for (what, found, expected) in [
        ("model", policy.width(), strategy.width()),
        ("golden observation", golden.width(), strategy.width()),
        ("golden output", golden.output_width(), head),
    ] {
        if found != expected {
            return Err(RefusedReason::Width {
                what,
                found,
                expected,
            });
        }
    }
    Ok(())
}

/// Outputs row by row, and the median microseconds of a row: over blocks, since a clock is too coarse for one row.
fn timed(policy: &mut PolicyExec, rows: &[f32], clock: &dyn Clock) -> Result<(Vec<f32>, u64), RefusedReason> {
    let (width, head) = (policy.width(), policy.head().width());
    let count = rows.len() / width;
    let per_block = count.div_ceil(GOLDEN_TIMED_BLOCKS).max(1);
    let mut out = vec![0.0; count * head];
    let mut blocks = Vec::with_capacity(GOLDEN_TIMED_BLOCKS);
    for (rows, out) in rows
        .chunks(per_block * width)
        .zip(out.chunks_mut(per_block * head))
    {
        let UnixNanos(begun) = clock.now();
        for (row, out) in rows.chunks(width).zip(out.chunks_mut(head)) {
            policy.infer(row, out).map_err(RefusedReason::Infer)?;
        }
        let UnixNanos(ended) = clock.now();
        // A clock stepped back in between shows nothing: the other blocks do.
        let nanos = u64::try_from(ended - begun).unwrap_or(0);
        let rows = u64::try_from(rows.len() / width).unwrap_or(1);
        blocks.push(nanos / rows / 1_000);
    }
    blocks.sort_unstable();
    Ok((out, blocks[blocks.len() / 2]))
}

fn compare(
    outputs: &[f32],
    strategy: &Strategy,
    rule: &ActionRule,
    golden: &Golden,
    limits: &GoldenLimits,
) -> Result<(), RefusedReason> {
    let head = strategy.head();
    let rows = outputs
        .chunks(head.width())
        .zip(&golden.outputs)
        .zip(&golden.actions);
    for (row, ((found, expected), action)) in rows.enumerate() {
        let decision = strategy
            .decide(found)
            .map_err(|_| RefusedReason::NotFinite { row })?;
        let close = |(a, b): (&f32, &f32)| (f64::from(*a) - f64::from(*b)).abs() <= limits.raw_abs_max;
        if !found.iter().zip(expected).all(close) {
            return Err(RefusedReason::GoldenMismatch {
                row,
                found: found.to_vec(),
                expected: expected.clone(),
                limit: limits.raw_abs_max,
            });
        }
        if decision.action != *action && !in_band(rule, head, expected, limits.action_band) {
            return Err(RefusedReason::GoldenAction { row });
        }
    }
    Ok(())
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

    use super::*;

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
