//! Interleaved blocks, their medians, and single operations in a histogram.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// A single operation is recorded up to a minute.
const LONGEST_NS: u64 = 60_000_000_000;

/// Something to measure.
pub struct Stage {
    /// What one operation is, such as `parse a native bar`.
    pub name: String,
    /// How many operations there are, where they end: bars of a file.
    pub most: Option<u64>,
    /// Performs that many operations; consumes their results with `std::hint::black_box`.
    pub run: Box<dyn FnMut(u64)>,
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stage")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Stage {
    /// A stage that never ends.
    pub fn new(name: impl Into<String>, run: impl FnMut(u64) + 'static) -> Self {
        Self {
            name: name.into(),
            most: None,
            run: Box::new(run),
        }
    }

    /// The same, with at most that many operations.
    #[must_use]
    pub fn at_most(mut self, operations: u64) -> Self {
        self.most = Some(operations);
        self
    }
}

/// How long to measure.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Blocks per stage.
    pub blocks: usize,
    /// A block holds as many operations as fill about this time.
    pub block: Duration,
    /// Operations per block that are timed one by one, besides.
    pub singles: u64,
}

impl Plan {
    /// What is quoted.
    pub const FULL: Self = Self {
        blocks: 41,
        block: Duration::from_millis(50),
        singles: 500,
    };
    /// Shows that it runs.
    pub const QUICK: Self = Self {
        blocks: 3,
        block: Duration::from_millis(1),
        singles: 4,
    };

    /// Operations of a block of a stage that has `most` of them: all blocks, the search for their size and the single ones fit.
    /// At least 1, whatever there is.
    #[must_use]
    pub fn share(&self, most: u64) -> u64 {
        // The search doubles up to the size found, so it takes twice that.
        let parts = self.blocks as u64 + 2;
        (most / parts).saturating_sub(self.singles_of(most)).max(1)
    }

    /// Single operations per block: never more than half of what there is.
    fn singles_of(&self, most: u64) -> u64 {
        self.singles.min(most / (self.blocks as u64 + 2) / 2)
    }
}

/// One stage's figures, in nanoseconds per operation.
#[derive(Debug, Clone)]
pub struct Row {
    /// The stage.
    pub name: String,
    /// Operations in a block.
    pub operations: u64,
    /// Nanoseconds per operation of every block, in the order in which the blocks ran.
    pub blocks: Vec<f64>,
    /// Operations timed one by one; two looks at the clock are part of each.
    pub singles: Histogram<u64>,
}

impl Row {
    /// Median of the blocks.
    #[must_use]
    pub fn median(&self) -> f64 {
        quantile(&self.blocks, 50)
    }

    /// Fastest block.
    #[must_use]
    pub fn min(&self) -> f64 {
        quantile(&self.blocks, 0)
    }

    /// Nine blocks in ten are at most this.
    #[must_use]
    pub fn p90(&self) -> f64 {
        quantile(&self.blocks, 90)
    }

    /// How often this takes what `other` takes: the median over the blocks that ran side by side.
    #[must_use]
    pub fn ratio(&self, other: &Self) -> f64 {
        let pairs: Vec<f64> = self
            .blocks
            .iter()
            .zip(&other.blocks)
            .map(|(a, b)| a / b)
            .collect();
        quantile(&pairs, 50)
    }
}

/// NaN without samples.
fn quantile(samples: &[f64], per_cent: usize) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
        .get(sorted.len().saturating_sub(1) * per_cent / 100)
        .copied()
        .unwrap_or(f64::NAN)
}

/// Measures all stages, taking turns.
///
/// # Panics
/// Never: the histogram's bounds are constant.
#[must_use]
pub fn measure(stages: &mut [Stage], plan: Plan) -> Vec<Row> {
    let mut rows: Vec<Row> = stages
        .iter_mut()
        .map(|stage| Row {
            name: stage.name.clone(),
            operations: calibrate(stage, &plan),
            blocks: Vec::with_capacity(plan.blocks),
            singles: Histogram::new_with_bounds(1, LONGEST_NS, 3)
                .expect("constant bounds that hdrhistogram accepts"),
        })
        .collect();
    for _ in 0..plan.blocks {
        for (stage, row) in stages.iter_mut().zip(&mut rows) {
            let took = timed(stage, row.operations);
            row.blocks.push(per_operation(took, row.operations));
            for _ in 0..stage.most.map_or(plan.singles, |most| plan.singles_of(most)) {
                let ns = u64::try_from(timed(stage, 1).as_nanos()).unwrap_or(LONGEST_NS);
                row.singles.saturating_record(ns);
            }
        }
    }
    rows
}

/// Doubles the number of operations until they fill a block or there are no more.
fn calibrate(stage: &mut Stage, plan: &Plan) -> u64 {
    let most = stage.most.map_or(1 << 40, |most| plan.share(most));
    let mut operations = 1;
    while timed(stage, operations) < plan.block && operations * 2 <= most {
        operations *= 2;
    }
    operations
}

fn timed(stage: &mut Stage, operations: u64) -> Duration {
    let started = Instant::now();
    (stage.run)(operations);
    started.elapsed()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a figure of a benchmark, far below 2^53"
)]
fn per_operation(took: Duration, operations: u64) -> f64 {
    took.as_nanos() as f64 / operations as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};
    use std::rc::Rc;

    #[test]
    fn stages_take_turns_and_single_operations_are_counted() {
        let order = Rc::new(RefCell::new(String::new()));
        let stage = |letter: char| {
            let order = Rc::clone(&order);
            Stage::new(letter, move |_| order.borrow_mut().push(letter))
        };
        let plan = Plan {
            blocks: 3,
            block: Duration::ZERO,
            singles: 2,
        };
        let rows = measure(&mut [stage('a'), stage('b')], plan);
        assert_eq!(
            order.borrow().as_str(),
            "abaaabbbaaabbbaaabbb",
            "once each to find the size of a block; then a block and two single ones, three times"
        );
        assert!(
            rows.iter()
                .all(|row| row.singles.len() == 6 && row.blocks.len() == 3)
        );
    }

    #[test]
    fn a_stage_that_ends_is_never_asked_for_more_than_there_is() {
        for most in [90, 1_000, 54_321] {
            let done = Rc::new(Cell::new(0));
            let count = Rc::clone(&done);
            let stage = Stage::new("ends", move |n| count.set(count.get() + n)).at_most(most);
            let plan = Plan {
                block: Duration::from_secs(3_600),
                ..Plan::FULL
            };
            let rows = measure(&mut [stage], plan);
            assert!(done.get() <= most, "{} of {most}", done.get());
            assert!(
                done.get() >= most / 5,
                "{} of {most} shows too little",
                done.get()
            );
            assert_eq!(rows[0].blocks.len(), 41);
        }
    }

    #[test]
    fn figures_are_of_the_blocks_and_a_ratio_is_of_neighbours() {
        let row = |blocks: &[f64]| Row {
            name: "x".into(),
            operations: 1,
            blocks: blocks.to_vec(),
            singles: Histogram::new(3).unwrap(),
        };
        // The machine was ten times slower during the last block: that changes no ratio.
        let (a, b) = (row(&[6.0, 2.0, 40.0]), row(&[3.0, 1.0, 20.0]));
        assert_eq!((a.min(), a.median(), a.p90()), (2.0, 6.0, 6.0));
        assert_eq!(a.ratio(&b), 2.0);
        assert!(row(&[]).median().is_nan());
    }
}
