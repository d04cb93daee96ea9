//! The environment beside the backtest, and episodes.

use std::collections::BTreeSet;

use backtest::run::{Candidate, RunOptions, run};
use contracts::action::{ActionKind, ActionRule, PositionSource};
use contracts::evidence::ExecutionSettings;
use contracts::experiment::{FillRule, OvernightRule};
use contracts::numerics::Executor;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use strategy::policy::source::{Graph, ModelRef};
use strategy::policy::{Head, Policy as _, PolicySource};
use strategy::strategy::Strategy;

use super::*;
use crate::export::onnx;
use crate::limits::EPISODE_SESSIONS;
use crate::ppo::evaluate::evaluate;
use crate::ppo::net::Layout;
use crate::reward::Reward;
use crate::samples::Sample;

/// The sample with stretches of bars that do not move, and days without a macro series: orders wait, bars are withheld.
fn sample() -> Sample {
    let mut sample = Sample::new(&[], 31, 0.6);
    let mut close = 0.0;
    for (at, bar) in sample.market.bars.iter_mut().enumerate() {
        if at % 40 > 33 {
            (bar.open, bar.high, bar.low, bar.close) = (close, close, close, close);
        }
        close = bar.close;
    }
    let gone = contracts::time::DayNumber::parse("2025-02-01").unwrap();
    sample
        .market
        .daily
        .rows
        .retain(|row| row.series != 2 || !(0..12).contains(&(row.date.0 - gone.0)));
    sample
}

fn strategy(sample: &Sample) -> Strategy {
    let rule = ActionRule::Continuous {
        long_above: 0.1,
        short_below: -0.1,
    };
    Strategy::new(
        &sample.contract.feature_contract,
        &sample.norm_stats,
        &rule,
        Head::Scalar,
    )
    .unwrap()
}

/// Follows the last bar, and clings a little to the position it sees.
fn policy(sample: &Sample) -> PolicySource {
    let features = &sample.contract.feature_contract.features;
    let layout = Layout::new(features.len(), &[], 1);
    let mut parameters = vec![0.0; layout.count()];
    for (weight, feature) in parameters.iter_mut().zip(features) {
        *weight = match feature.name.as_str() {
            "log_ret_5m" => 1.0,
            "position" => 0.3,
            _ => 0.05,
        };
    }
    PolicySource::new(&ModelRef {
        bytes: &onnx(&layout, &parameters, ActionKind::Continuous, None),
        graph: Graph::Reduced,
        executor: Executor::Dense,
        action_output: "action",
        kind: ActionKind::Continuous,
        width: features.len(),
    })
    .unwrap()
}

fn window<'a>(sample: &Sample, strategy: &'a Strategy, settings: ExecutionSettings) -> Window<'a> {
    let frozen = &sample.contract.frozen;
    let reward = Reward::new(&frozen.reward, &settings).unwrap();
    Window::new(
        "train",
        strategy,
        &sample.market,
        frozen.data.train,
        settings,
        reward,
    )
    .unwrap()
}

fn variants(settings: ExecutionSettings) -> Vec<ExecutionSettings> {
    let mut all = Vec::new();
    for position_source in [PositionSource::Signal, PositionSource::Feedback] {
        for (fill, latency_bars) in [
            (FillRule::NextOpen, 1),
            (FillRule::NextOpen, 3),
            (FillRule::SameClose, 1),
        ] {
            for overnight in [OvernightRule::Hold, OvernightRule::Flatten] {
                all.push(ExecutionSettings {
                    position_source,
                    fill,
                    latency_bars,
                    overnight,
                    stale_after_bars: 2,
                    ..settings
                });
            }
        }
    }
    all
}

#[test]
fn a_fixed_policy_walks_as_in_the_backtest_bit_by_bit_in_every_setting() {
    let sample = sample();
    let strategy = strategy(&sample);
    let source = policy(&sample);
    let candidate = Candidate {
        strategy: &strategy,
        source: &source,
        golden: &[],
    };
    let dates = sample.contract.frozen.data.train;
    let (mut seen, mut delayed) = (BTreeSet::new(), 0);
    for settings in variants((&sample.contract.frozen.environment).into()) {
        // The backtest has its window's last bar as its market's last too.
        let market = up_to(&strategy, &sample.market, dates.end);
        let wanted = run(
            candidate,
            &market,
            dates,
            &settings,
            RunOptions::default(),
            &|_| {},
        )
        .unwrap();
        let window = window(&sample, &strategy, settings);
        let mut environment = Environment::whole(&window);
        let mut policy = source.make(&[]).unwrap();
        let (mut row, mut raw) = (vec![0.0; strategy.width()], [0.0]);
        let (mut net, mut end) = (0.0, None);
        while environment.asks() {
            environment.observe(&mut row);
            policy.infer(&row, &mut raw).unwrap();
            let taken = environment.take(strategy.decide(&raw).map(|decision| decision.action));
            let money = window.reward.params().unit_bps / 1e4 * settings.initial_capital;
            let weights = &sample.contract.frozen.reward.weights;
            let weight = |term| weights[&term];
            net += taken.terms[0] / weight(contracts::experiment::RewardTerm::Pnl) * money
                + taken.terms[1] / weight(contracts::experiment::RewardTerm::TransactionCost) * money;
            end = taken.end;
        }
        assert_eq!(end, Some(End::Finished));
        let (bars, walk) = environment.into_parts();
        assert_eq!(bars, wanted.bars, "{settings:?}");
        assert_eq!(walk.book.trades, wanted.trades, "{settings:?}");
        assert_eq!(walk.counts.delayed_fills, wanted.counts.delayed_fills);
        assert!(wanted.trades.len() > 50, "{} trades", wanted.trades.len());
        assert!(
            wanted
                .counts
                .withheld
                .keys()
                .any(|reason| reason.starts_with("stale")),
            "{:?}",
            wanted.counts
        );
        // Profits less costs of all decisions are what the whole run gained.
        let gained = bars.last().unwrap().equity - settings.initial_capital;
        assert!((net - gained).abs() < 1e-6, "{net}, not {gained}");
        seen.insert(wanted.fingerprint.to_hex());
        delayed += wanted.counts.delayed_fills;
    }
    assert_eq!(seen.len(), 12, "every setting changes something");
    assert!(delayed > 0, "some orders waited for a bar that moves");
}

#[test]
fn episodes_begin_with_sessions_last_a_month_and_can_be_walked_again() {
    let sample = sample();
    let strategy = strategy(&sample);
    let window = window(&sample, &strategy, (&sample.contract.frozen.environment).into());
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut starts = BTreeSet::new();
    for _ in 0..200 {
        let episode = window.draw(&mut rng);
        starts.insert(episode.from);
        let steps = &window.prepared().steps;
        assert!(episode.from == 0 || steps[episode.from].session > steps[episode.from - 1].session);
        let sessions: BTreeSet<_> = steps[episode.from..episode.until]
            .iter()
            .filter(|step| step.row.is_some())
            .map(|step| step.session)
            .collect();
        assert_eq!(sessions.len(), EPISODE_SESSIONS);
        assert!(window.holds(episode));
    }
    assert!(starts.len() > 1, "several starts are drawn: {starts:?}");

    let episode = window.draw(&mut rng);
    let mut environment = Environment::new(&window, episode);
    let (mut taken, mut at) = (None, 0_usize);
    let (mut row, mut again) = (vec![0.0; strategy.width()], vec![0.0; strategy.width()]);
    while taken.is_none() {
        if at % 97 == 0 {
            let (episode, decisions) = environment.so_far();
            let mut other = Environment::replayed(&window, episode, decisions).unwrap();
            environment.observe(&mut row);
            other.observe(&mut again);
            assert_eq!(row, again);
            assert_eq!(
                environment.take(Ok(Position::Long)),
                other.take(Ok(Position::Long)),
                "decision {at}"
            );
        }
        let decision = [
            Ok(Position::Long),
            Ok(Position::Short),
            Err(NotFinite),
            Ok(Position::Flat),
        ][at / 3 % 4];
        taken = environment.take(decision).end;
        at += 1;
    }
    assert_eq!(taken, Some(End::Truncated));
    let (_, decisions) = environment.so_far();
    assert!(
        Environment::replayed(&window, episode, decisions).is_err(),
        "it is over"
    );
    let elsewhere = Episode {
        from: episode.from + 1,
        ..episode
    };
    assert!(Environment::replayed(&window, elsewhere, &[]).is_err());
}

#[test]
fn ruin_ends_an_episode() {
    let sample = sample();
    let strategy = strategy(&sample);
    let settings = ExecutionSettings {
        transaction_cost_bps: 4_000.0,
        ..(&sample.contract.frozen.environment).into()
    };
    let window = window(&sample, &strategy, settings);
    let mut environment = Environment::new(&window, window.draw(&mut ChaCha8Rng::seed_from_u64(2)));
    let mut rewards = Vec::new();
    let end = loop {
        let position = if rewards.len() % 2 == 0 {
            Position::Long
        } else {
            Position::Short
        };
        let taken = environment.take(Ok(position));
        rewards.push(taken.reward());
        if let Some(end) = taken.end {
            break end;
        }
    };
    assert_eq!(end, End::Ruined);
    assert!(rewards.len() < 10 && rewards.iter().all(|reward| reward.is_finite()));
}

#[test]
fn ruin_on_a_withheld_bar_ends_the_walk_in_training_and_evaluation() {
    // Withheld between bars that can be decided on, and from some bar to the window's end.
    for to_the_end in [false, true] {
        let mut sample = sample();
        if to_the_end {
            let gone = contracts::time::DayNumber::parse("2025-02-01").unwrap();
            let rows = &mut sample.market.daily.rows;
            rows.retain(|row| row.series != 2 || row.date < gone);
        }
        let strategy = strategy(&sample);
        let base = (&sample.contract.frozen.environment).into();
        let seen = window(&sample, &strategy, base);
        let steps = &seen.prepared().steps;
        let decidable = |at: &usize| steps[*at].row.is_some();
        let first = (0..steps.len()).find(decidable).unwrap();
        let place = (first..steps.len()).find(|at| !decidable(at)).unwrap();
        assert_eq!((place..steps.len()).any(|at| decidable(&at)), !to_the_end);
        let settings = ExecutionSettings {
            // The order of the first decision is filled at this very bar, and costs more than there is.
            latency_bars: u32::try_from(place - first).unwrap(),
            transaction_cost_bps: 20_000.0,
            stale_after_bars: 100_000,
            fill: FillRule::NextOpen,
            overnight: OvernightRule::Hold,
            ..base
        };
        let window = window(&sample, &strategy, settings);
        let mut row = vec![0.0; strategy.width()];
        let mut environment = Environment::whole(&window);
        let end = loop {
            environment.observe(&mut row);
            if let Some(end) = environment.take(Ok(Position::Long)).end {
                break end;
            }
        };
        assert_eq!(end, End::Ruined, "at step {place}");
        assert!(!environment.asks(), "nothing follows ruin");
        let (bars, walk) = environment.into_parts();
        assert_eq!(walk.ruined, Some(steps[place].bar.close_time));
        assert_eq!(bars.len(), place + 1);
        // Long from the first decision on, too.
        let layout = Layout::new(strategy.width(), &[], 1);
        let mut parameters = vec![0.0; layout.count()];
        *parameters.last_mut().unwrap() = 1.0;
        let chain = layout.chain(&parameters, Head::Scalar).unwrap();
        let found = evaluate(&window, &chain).unwrap();
        assert_eq!((found.max_drawdown, found.sharpe), (1.0, None));
        assert!(found.reward.is_finite());
    }
}
