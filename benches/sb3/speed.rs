//! Training speed: environment steps a second of the built-in trainer, with the shipped baseline's network and hyperparameters on generated bars.
//!
//! `cargo run --release -p training --example speed -- measure [THREADS] [STEPS]` prints the figure. `… -- export DIR` writes what `sb3.py` beside this
//! file needs to train the same thing with Stable-Baselines3: the same observations, prices, episodes, reward and settings, and the rewards
//! of a scripted episode, so that it can show that its environment is this one.
#![expect(clippy::print_stdout, reason = "the figures are this program's data")]
#![expect(clippy::disallowed_methods, reason = "what measures needs a clock")]

use std::error::Error;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use backtest::market::Market;
use contracts::bar::Bar;
use contracts::experiment::TrainingSection;
use contracts::experiment::contract::ExperimentContract;
use contracts::features::FeatureContract;
use contracts::files::{DailyFile, DailyRow};
use contracts::reason::Position;
use contracts::time::{DayNumber, UtcMillis};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use strategy::calendar::Calendar;
use strategy::onnx::testmodels::norm_stats;
use strategy::policy::Head;
use strategy::strategy::Strategy;
use training::environment::{Environment, Window};
use training::limits::ENVIRONMENTS;
use training::ppo::{TrainOptions, TrainingPlan, train};
use training::reward::Reward;

type Failure = Box<dyn Error>;

/// Steps of a measurement: some thirty updates.
const STEPS: u64 = 500_000;
/// Decisions of the scripted episode.
const SCRIPTED: usize = 500;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["export", folder] => export(Path::new(folder)),
        ["measure"] => measure(2, STEPS),
        ["measure", threads] => measure(threads.parse()?, STEPS),
        ["measure", threads, steps] => measure(threads.parse()?, steps.parse()?),
        _ => Err("export DIR, or measure [THREADS] [STEPS]".into()),
    }
}

/// The shipped baseline.
fn contract() -> Result<ExperimentContract, Failure> {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
    let path = config.join("experiments/usdcop_ppo_baseline.yaml");
    let yaml = std::fs::read(&path)?;
    Ok(ExperimentContract::from_yaml(
        &yaml,
        &path.to_string_lossy(),
        &config.join("features"),
        UtcMillis(0),
    )?)
}

/// A random walk in every session from half a year before the train window to the end of the validation window.
fn market(contract: &ExperimentContract) -> Result<Market, Failure> {
    let (features, data) = (&contract.feature_contract, &contract.frozen.data);
    let calendar = Calendar::new(&features.calendar)?;
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let first = DayNumber(data.train.start.0 - 180);
    let midnight = |day: i32| calendar.midnight(DayNumber(day)).ok_or("a day of the calendar");
    let (mut at, end) = (
        midnight(first.0)?.plus_ms(300_000),
        midnight(data.validation.end.0 + 1)?,
    );
    let (mut close, mut bars) = (4_000.0_f64, Vec::new());
    while at <= end {
        if calendar.in_session(at) {
            let open = close;
            close *= 1.0 + rng.random_range(-0.001..0.001);
            bars.push(Bar {
                close_time: at,
                open,
                high: open.max(close),
                low: open.min(close),
                close,
                volume: 1.0,
            });
        }
        at = at.plus_ms(300_000);
    }
    Ok(Market {
        instrument: data.instrument.clone(),
        bars,
        daily: daily(features, first.0 - 400, data.validation.end.0, &mut rng),
    })
}

fn daily(features: &FeatureContract, first: i32, last: i32, rng: &mut ChaCha8Rng) -> DailyFile {
    let series: Vec<_> = features.macro_rules.keys().cloned().collect();
    let mut rows = Vec::new();
    for date in first..=last {
        for place in 0..series.len() {
            rows.push(DailyRow {
                series: place,
                date: DayNumber(date),
                value: 100.0 + rng.random_range(-5.0..5.0),
                arrived_at: None,
            });
        }
    }
    DailyFile { series, rows }
}

fn measure(threads: usize, steps: u64) -> Result<(), Failure> {
    let mut contract = contract()?;
    if let TrainingSection::Ppo(section) = &mut contract.frozen.training {
        section.total_timesteps = steps;
    }
    let (market, norm_stats) = (market(&contract)?, norm_stats(&contract.feature_contract));
    let plan = TrainingPlan {
        contract: &contract,
        market: &market,
        norm_stats: &norm_stats,
    };
    let options = TrainOptions {
        threads,
        checkpoint: None,
    };
    // From the first update on: observing the market once is no step.
    let mut began: Option<(Instant, u64)> = None;
    let mut rate = None;
    let trained = train(&plan, &options, &mut |progress| {
        let (since, from) = *began.get_or_insert_with(|| (Instant::now(), progress.point.steps));
        if progress.point.steps > from {
            rate = Some((progress.point.steps - from) as f64 / since.elapsed().as_secs_f64());
        }
        ControlFlow::Continue(())
    })?;
    let rate = rate.ok_or("too few steps for a figure")?;
    println!(
        "built-in PPO, {ENVIRONMENTS} environments, {threads} threads, {} steps, evaluations included: {rate:.0} steps/s",
        trained.steps
    );
    Ok(())
}

fn export(folder: &Path) -> Result<(), Failure> {
    let contract = contract()?;
    let (market, norm_stats) = (market(&contract)?, norm_stats(&contract.feature_contract));
    let frozen = &contract.frozen;
    let rule = &frozen.environment.action.rule;
    let strategy = Strategy::new(&contract.feature_contract, &norm_stats, rule, Head::Scalar)?;
    let settings = (&frozen.environment).into();
    let reward = Reward::new(&frozen.reward, &settings)?;
    let params = *reward.params();
    let window = Window::new("train", &strategy, &market, frozen.data.train, settings, reward)?;
    let prepared = window.prepared();
    if window.rows() != prepared.steps.len() {
        return Err("sb3.py expects that every bar can be decided on".into());
    }
    std::fs::create_dir_all(folder)?;
    let width = strategy.width();
    let (mut observations, mut row) = (Vec::new(), vec![0.0; width]);
    for features in prepared.features.chunks_exact(width) {
        strategy.observe_as(Position::Flat, &mut features.to_vec(), &mut row);
        observations.extend(row.iter().flat_map(|x| x.to_le_bytes()));
    }
    std::fs::write(folder.join("observations.f32"), observations)?;
    let prices = prepared
        .steps
        .iter()
        .flat_map(|step| [step.bar.open, step.bar.close]);
    let prices: Vec<u8> = prices.flat_map(f64::to_le_bytes).collect();
    std::fs::write(folder.join("prices.f64"), prices)?;
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let drawn = |_| {
        let episode = window.draw(&mut rng);
        [episode.from, episode.until]
    };
    let episodes: Vec<[usize; 2]> = (0..1_000).map(drawn).collect();
    let names = contract.feature_contract.features.iter();
    let document = json!({
        "width": width,
        "position": names.map(|feature| feature.name.as_str()).position(|name| name == "position"),
        "episodes": episodes,
        "environments": ENVIRONMENTS,
        "training": frozen.training,
        "environment": frozen.environment,
        "weights": frozen.reward.weights,
        "params": {
            "unit_bps": params.unit_bps,
            "holding_per_bar": params.holding_per_bar,
            "inactivity_per_bar": params.inactivity_per_bar,
            "inactivity_grace_bars": params.inactivity_grace_bars,
            "churn_per_change": params.churn_per_change,
        },
        "scripted": scripted(&window),
    });
    std::fs::write(folder.join("plan.json"), serde_json::to_vec(&document)?)?;
    println!("{} bars in {}", prepared.steps.len(), folder.display());
    Ok(())
}

/// Decisions of one episode with the rewards they gave.
fn scripted(window: &Window<'_>) -> serde_json::Value {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let episode = window.draw(&mut rng);
    let mut environment = Environment::new(window, episode);
    let mut taken = Vec::new();
    for at in 0..SCRIPTED {
        // Stretches of one position, some long enough for the grace of inactivity to end.
        let position = match at / 17 % 5 {
            0 | 3 => Position::Flat,
            1 => Position::Long,
            _ => Position::Short,
        };
        let step = environment.take(Ok(position));
        taken.push(json!([position.as_i8(), step.reward()]));
        if step.end.is_some() {
            break;
        }
    }
    json!({"from": episode.from, "until": episode.until, "taken": taken})
}
