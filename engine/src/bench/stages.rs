//! The stages of a bar's way through the core, and the way as a whole, for one [`Subject`].

use std::hint::black_box;
use std::sync::Arc;

use contracts::action::Raw;
use contracts::bar::Bar;
use contracts::hash::ContractDigest;
use contracts::ids::ModelId;
use contracts::numerics::Executor;
use contracts::reason::Position;
use contracts::time::UnixNanos;
use strategy::normalise::Normaliser;
use strategy::plan::FeaturePlan;
use strategy::policy::{Policy as _, PolicyExec};
use strategy::strategy::Strategy;

use super::{Stage, Subject};
use crate::bundle::{Bundle, BundleCell, Holder, Loaded, OnSwap, Terms};
use crate::core::record::{BarRecord, Outcome};
use crate::core::{ClockMode, Core, CoreOptions, Input, Records};
use crate::drivers::load::fresh;
use crate::drivers::pump::records_for;

/// What no figure of these stages holds.
pub const EXCLUDED: &str = "the feed's socket and text, batches of several bars, the journal's write and sync, rendering to JSON, \
     the clients' sockets, waiting in queues";

/// The bare policy on ONNX Runtime, beside which the others are read.
pub const RUN_WITH_BINDING: &str = "infer 1 row: ONNX Runtime, RunWithBinding alone";
/// The same policy on the dense executor.
pub const INFER_DENSE: &str = "infer 1 row: dense";
/// A bar's whole way on the dense executor.
pub const BAR_DENSE: &str = "bar to record: dense";
/// A bar's whole way on ONNX Runtime.
pub const BAR_ORT: &str = "bar to record: ONNX Runtime";

/// The ratios worth reading: what, over what.
pub const RATIOS: [(&str, &str); 4] = [
    (BAR_DENSE, RUN_WITH_BINDING),
    (BAR_ORT, RUN_WITH_BINDING),
    (BAR_DENSE, BAR_ORT),
    (INFER_DENSE, RUN_WITH_BINDING),
];

/// Stages that can be measured here, and why others cannot.
#[derive(Debug)]
pub struct Stages {
    /// In the order in which a bar meets them.
    pub stages: Vec<Stage>,
    /// What is left out, with the reason.
    pub left_out: Vec<String>,
}

/// The subject's stages.
///
/// # Panics
/// Never: a [`Subject`]'s parts have been checked against each other.
#[must_use]
pub fn all(subject: &Subject) -> Stages {
    let mut left_out = Vec::new();
    let mut policies = Vec::new();
    for executor in [Executor::Dense, Executor::Ort] {
        match subject
            .policy(executor)
            .and_then(|alone| Ok((alone, subject.policy(executor)?)))
        {
            Ok(pair) => policies.push(pair),
            Err(error) => left_out.push(format!("{executor}: {error}")),
        }
    }
    let mut stages = vec![
        Stage::new(
            "one look at the clock (two are in every single figure)",
            |operations| {
                for _ in 0..operations {
                    black_box(std::time::Instant::now());
                }
            },
        ),
        features(subject),
        normalise(subject),
    ];
    let Some((first, _)) = policies.first() else {
        return Stages { stages, left_out };
    };
    let head = first.head();
    let strategy = Strategy::new(&subject.features, &subject.stats, &subject.model.rule, head)
        .expect("the subject's parts fit each other");
    let strategy = Arc::new(strategy);
    let observations = observations(subject);
    let mut raw = vec![0.0; head.width()];
    let mut whole = Vec::new();
    for (mut alone, within) in policies {
        let ran = alone.infer(&observations[..subject.features.width()], &mut raw);
        debug_assert!(ran.is_ok(), "one row of the subject's width");
        whole.push(bar_to_record(subject, &strategy, within));
        stages.push(infer(&observations, alone));
    }
    stages.push(decide(&strategy, raw));
    stages.push(record(subject, &observations));
    stages.extend(whole);
    Stages { stages, left_out }
}

/// The bars after the settled one, each with the daily values before it, told one by one.
struct Walk {
    inputs: Arc<[Input]>,
    next: usize,
}

impl Walk {
    fn begin(subject: &Subject) -> (&[Input], Self) {
        let (before, _) = subject.inputs.split_at(subject.settled);
        let walk = Self {
            inputs: Arc::clone(&subject.inputs),
            next: subject.settled,
        };
        (before, walk)
    }

    /// Up to the next bar and with it.
    fn part(&mut self) -> &[Input] {
        let from = self.next;
        let rest = &self.inputs[from..];
        let bar = rest.iter().position(|input| matches!(input, Input::Bar { .. }));
        self.next = from + bar.map_or(rest.len(), |at| at + 1);
        &self.inputs[from..self.next]
    }
}

fn features(subject: &Subject) -> Stage {
    let plan = FeaturePlan::new(&subject.features).expect("it compiled when the subject was made");
    let mut state = plan.new_instrument(&subject.instruments[0]);
    let mut macros = plan.new_macros();
    let mut row = vec![0.0; plan.width()];
    let mut observe = move |inputs: &[Input]| {
        for input in inputs {
            match *input {
                Input::Macro {
                    series,
                    date,
                    value,
                    arrived_at,
                } => {
                    macros.insert(usize::from(series.0), date, value, arrived_at);
                }
                Input::Bar { bar, .. } => {
                    black_box(plan.observe(&mut state, &mut macros, &bar, Position::Flat, &mut row));
                }
                _ => {}
            }
        }
    };
    let (before, mut walk) = Walk::begin(subject);
    observe(before);
    let name = format!("features ({} of them)", subject.features.width());
    Stage::new(name, move |operations| {
        for _ in 0..operations {
            observe(walk.part());
        }
    })
    .at_most(subject.bars as u64)
}

fn normalise(subject: &Subject) -> Stage {
    let (normaliser, rows) = (normaliser(subject), subject.rows.clone());
    let width = subject.features.width();
    let mut observation = vec![0.0; width];
    let mut at = 0;
    Stage::new("normalise", move |operations| {
        for _ in 0..operations {
            at = if at + width == rows.len() { 0 } else { at + width };
            normaliser.apply(black_box(&rows[at..at + width]), &mut observation);
        }
        black_box(&observation);
    })
}

fn normaliser(subject: &Subject) -> Normaliser {
    Normaliser::new(&subject.features, &subject.stats).expect("checked when the subject was made")
}

fn observations(subject: &Subject) -> Vec<f32> {
    let normaliser = normaliser(subject);
    let mut all = vec![0.0; subject.rows.len()];
    let width = subject.features.width();
    for (row, observation) in subject.rows.chunks(width).zip(all.chunks_mut(width)) {
        normaliser.apply(row, observation);
    }
    all
}

fn infer(observations: &[f32], mut policy: PolicyExec) -> Stage {
    let name = match policy.executor() {
        Executor::Dense => INFER_DENSE,
        Executor::Ort => RUN_WITH_BINDING,
    };
    let (rows, width) = (observations.to_vec(), policy.width());
    let mut out = vec![0.0; policy.head().width()];
    let mut at = 0;
    Stage::new(name, move |operations| {
        for _ in 0..operations {
            at = if at + width == rows.len() { 0 } else { at + width };
            policy
                .infer(black_box(&rows[at..at + width]), &mut out)
                .expect("one row of a policy that ran before");
        }
        black_box(&out);
    })
}

fn decide(strategy: &Arc<Strategy>, raw: Vec<f32>) -> Stage {
    let strategy = Arc::clone(strategy);
    Stage::new("decide", move |operations| {
        for _ in 0..operations {
            let _decision = black_box(strategy.decide(black_box(&raw)));
        }
    })
}

fn record(subject: &Subject, observations: &[f32]) -> Stage {
    let bar = first_bar(subject);
    let observation = observations[..subject.features.width()].to_vec();
    let instrument = subject.instruments[0].clone();
    let mut records = records_for(1);
    Stage::new("record", move |operations| {
        for _ in 0..operations {
            records.clear();
            records.push_bar(black_box(&BarRecord {
                instrument: instrument.as_str(),
                bar,
                received_at: UnixNanos(1),
                now: UnixNanos(2),
                decided_at: UnixNanos(3),
                backfilled: false,
                simulated: true,
                origin: None,
                observation: &observation,
                raw: Raw::Scalar(0.5),
                confidence: 0.5,
                outcome: Outcome::Decided {
                    action: Position::Long,
                },
                position_before: Position::Flat,
                position_after: Position::Long,
                generation: 1,
                model_id: MODEL_ID,
                contract: [7; 32],
            }));
            black_box(&records);
        }
    })
}

const MODEL_ID: &str = "local-000000000000";

fn first_bar(subject: &Subject) -> Bar {
    let bar = subject.inputs[subject.settled..]
        .iter()
        .find_map(|input| match input {
            Input::Bar { bar, .. } => Some(*bar),
            _ => None,
        });
    bar.expect("the settled bar is a bar")
}

/// Everything between an input and its record: accept, features, normalise, infer, decide, record.
fn bar_to_record(subject: &Subject, strategy: &Arc<Strategy>, policy: PolicyExec) -> Stage {
    let name = match policy.executor() {
        Executor::Dense => BAR_DENSE,
        Executor::Ort => BAR_ORT,
    };
    let (mut core, mut records) = core(subject, strategy, policy);
    let (before, mut walk) = Walk::begin(subject);
    for input in before {
        records.clear();
        core.step(std::slice::from_ref(input), &mut records);
    }
    Stage::new(name, move |operations| {
        for _ in 0..operations {
            records.clear();
            core.step(walk.part(), &mut records);
            black_box(&records);
        }
    })
    .at_most(subject.bars as u64)
}

fn core(subject: &Subject, strategy: &Arc<Strategy>, policy: PolicyExec) -> (Core, Records) {
    let options = CoreOptions {
        clock: ClockMode::Feed,
        series: strategy.series().into(),
        ..CoreOptions::single(Arc::clone(&subject.instruments))
    };
    let terms = Terms {
        generation: 1,
        digest: ContractDigest::of(b"bench"),
        model_id: ModelId::parse(MODEL_ID).expect("a model's id"),
        feature_contract_hash: subject.features.hash(),
        is_local: true,
        is_feedback: false,
        max_bar_age_ms: 60_000,
        offline_grace_hours: 72,
        on_swap: OnSwap::Adopt,
        flatten_after_s: None,
    };
    let head = policy.head();
    let loaded = Arc::new(Loaded::new(Arc::clone(strategy), head, vec![Box::new(policy)]));
    let warm = vec![Box::new(fresh(&loaded, &options))];
    let cell = Arc::new(BundleCell::default());
    cell.publish(Arc::new(Bundle::new(terms, loaded, warm)));
    let core = Core::new(options, Holder::new(cell, 0));
    (core, records_for(subject.instruments.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::{Plan, Row, measure};

    fn measured(subject: &Subject) -> (Vec<Row>, Vec<String>) {
        let mut all = all(subject);
        (measure(&mut all.stages, Plan::QUICK), all.left_out)
    }

    #[test]
    fn every_stage_is_measured_as_often_as_planned() {
        let subject = Subject::seeded(3, 1_500, None).unwrap();
        let (rows, left_out) = measured(&subject);
        assert!(
            left_out.is_empty(),
            "`cargo xtask setup` fetches it: {left_out:?}"
        );
        assert_eq!(rows.len(), 9);
        for row in &rows {
            assert_eq!(row.blocks.len(), Plan::QUICK.blocks, "{}", row.name);
            assert_eq!(row.singles.len(), 12, "{}", row.name);
        }
        for (of, to) in RATIOS {
            assert!(
                [of, to]
                    .iter()
                    .all(|name| rows.iter().any(|row| row.name == *name))
            );
        }
    }

    #[test]
    fn what_is_measured_is_deciding_not_withholding() {
        let subject = Subject::seeded(3, 1_500, None).unwrap();
        let policy = subject.policy(Executor::Dense).unwrap();
        let strategy = Strategy::new(
            &subject.features,
            &subject.stats,
            &subject.model.rule,
            policy.head(),
        );
        let (mut core, mut records) = core(&subject, &Arc::new(strategy.unwrap()), policy);
        for input in subject.inputs.iter() {
            records.clear();
            core.step(std::slice::from_ref(input), &mut records);
        }
        assert_eq!(core.counters().signals, subject.full as u64);
    }

    #[test]
    fn an_executor_that_is_not_possible_is_named_and_the_rest_measured() {
        let mut subject = Subject::seeded(3, 1_500, None).unwrap();
        // The original graph of a contract without a reduced one: `dense` cannot run it.
        subject.model.graph = strategy::policy::source::Graph::Original;
        let (rows, left_out) = measured(&subject);
        assert!(
            left_out.len() == 1 && left_out[0].starts_with("dense: "),
            "{left_out:?}"
        );
        assert!(rows.iter().any(|row| row.name == BAR_ORT));
        assert!(rows.iter().all(|row| row.name != BAR_DENSE));
    }
}
