//! Interleaved blocks and their medians.

use std::time::{Duration, Instant};

/// Something to measure.
pub struct Stage {
    /// What one operation is, such as `parse a native bar`.
    pub name: String,
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
    /// A stage.
    pub fn new(name: impl Into<String>, run: impl FnMut(u64) + 'static) -> Self {
        Self {
            name: name.into(),
            run: Box::new(run),
        }
    }
}

/// How long to measure.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Blocks per stage.
    pub blocks: usize,
    /// A block holds as many operations as fill about this time.
    pub block: Duration,
}

impl Plan {
    /// What is quoted.
    pub const FULL: Self = Self {
        blocks: 41,
        block: Duration::from_millis(50),
    };
    /// Shows that it runs.
    pub const QUICK: Self = Self {
        blocks: 3,
        block: Duration::from_millis(1),
    };
}

/// One stage's figures, in nanoseconds per operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The stage.
    pub name: String,
    /// Operations in a block.
    pub operations: u64,
    /// Median of the blocks.
    pub ns_median: f64,
    /// Fastest block.
    pub ns_min: f64,
    /// Nine blocks in ten are at most this.
    pub ns_p90: f64,
}

/// Measures all stages, taking turns.
#[must_use]
pub fn measure(stages: &mut [Stage], plan: Plan) -> Vec<Row> {
    let operations: Vec<u64> = stages
        .iter_mut()
        .map(|stage| calibrate(stage, plan.block))
        .collect();
    let mut samples: Vec<Vec<f64>> = vec![Vec::with_capacity(plan.blocks); stages.len()];
    for _ in 0..plan.blocks {
        for (index, stage) in stages.iter_mut().enumerate() {
            samples[index].push(per_operation(stage, operations[index]));
        }
    }
    stages
        .iter()
        .zip(samples)
        .zip(operations)
        .map(|((stage, samples), operations)| summary(stage.name.clone(), operations, samples))
        .collect()
}

/// Doubles the number of operations until they fill a block.
fn calibrate(stage: &mut Stage, block: Duration) -> u64 {
    let mut operations = 1;
    loop {
        let started = Instant::now();
        (stage.run)(operations);
        if started.elapsed() >= block || operations >= 1 << 40 {
            return operations;
        }
        operations *= 2;
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a figure of a benchmark, far below 2^53"
)]
fn per_operation(stage: &mut Stage, operations: u64) -> f64 {
    let started = Instant::now();
    (stage.run)(operations);
    started.elapsed().as_nanos() as f64 / operations as f64
}

fn summary(name: String, operations: u64, mut samples: Vec<f64>) -> Row {
    samples.sort_by(f64::total_cmp);
    let at = |per_cent: usize| samples[(samples.len() - 1) * per_cent / 100];
    Row {
        name,
        operations,
        ns_median: at(50),
        ns_min: at(0),
        ns_p90: at(90),
    }
}

/// The figures as a Markdown table.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let mut text =
        String::from("| operation | median ns | min ns | p90 ns | per block |\n|---|---:|---:|---:|---:|\n");
    for row in rows {
        text.push_str(&format!(
            "| {} | {:.0} | {:.0} | {:.0} | {} |\n",
            row.name, row.ns_median, row.ns_min, row.ns_p90, row.operations
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;

    #[test]
    fn stages_take_turns() {
        let order = Rc::new(RefCell::new(String::new()));
        let stage = |letter: char| {
            let order = Rc::clone(&order);
            Stage::new(letter, move |_| order.borrow_mut().push(letter))
        };
        let mut stages = [stage('a'), stage('b')];
        let rows = measure(
            &mut stages,
            Plan {
                blocks: 3,
                block: Duration::ZERO,
            },
        );
        assert_eq!(
            order.borrow().as_str(),
            "abababab",
            "once each to calibrate, then three blocks"
        );
        assert_eq!(rows.len(), 2);
    }

    #[test]
    fn a_summary_is_of_the_blocks() {
        let row = summary("x".into(), 7, vec![5.0, 1.0, 3.0]);
        assert_eq!((row.ns_min, row.ns_median), (1.0, 3.0));
        assert!(table(&[row]).ends_with("| x | 3 | 1 | 3 | 7 |\n"));
    }
}
