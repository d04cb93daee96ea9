//! The golden self-test: the policy a core is about to run, in its own buffers, answers as the contract says, and in time.

use contracts::action::ActionRule;
use contracts::golden::Golden;
use contracts::production::GoldenLimits;
use contracts::time::UnixNanos;
use strategy::golden::check::{self, CheckError};
use strategy::policy::{Policy as _, PolicyExec};
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
    check::widths(policy, strategy.width(), golden)?;
    let rows = golden.rows();
    let head = strategy.head();
    let (alone, row_us) = timed(policy, &rows, clock)?;
    check::outputs(&alone, rule, head, golden, limits)?;
    let mut together = vec![0.0; alone.len()];
    policy.infer(&rows, &mut together).map_err(RefusedReason::Infer)?;
    check::outputs(&together, rule, head, golden, limits)?;
    if row_us > u64::from(limits.row_us_max) {
        return Err(RefusedReason::TooSlow {
            found_us: row_us,
            limit_us: limits.row_us_max,
        });
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

impl From<CheckError> for RefusedReason {
    fn from(error: CheckError) -> Self {
        match error {
            CheckError::Width {
                what,
                found,
                expected,
            } => Self::Width {
                what,
                found,
                expected,
            },
            CheckError::NotFinite { row } => Self::NotFinite { row },
            CheckError::Mismatch {
                row,
                found,
                expected,
                limit,
            } => Self::GoldenMismatch {
                row,
                found,
                expected,
                limit,
            },
            CheckError::Action { row } => Self::GoldenAction { row },
            CheckError::Infer(error) => Self::Infer(error),
        }
    }
}
