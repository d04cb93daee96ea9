//! What the sections of an experiment must be by themselves and to each other.

use super::{
    DateRange, EnvironmentSection, EvaluationSection, Experiment, Gate, OnStale, PpoSection, Promotion,
    RewardSection, TrainingSection,
};
use crate::features::is_version;
use crate::limits::{
    BAR_AGE_S_MAX, COMMAND_WORDS_MAX, DESCRIPTION_BYTES_MAX, EXPERIMENT_NAME_BYTES_MAX, NET_LAYERS_MAX,
    NET_UNITS_MAX, OFFLINE_GRACE_HOURS_MAX, OUTPUT_NAME_BYTES_MAX, WAIT_DAYS_MAX,
};
use crate::strict::Step;

/// How far the sum of the reward weights may be from 1: six decimals of thirds still pass, a forgotten weight does not.
pub const WEIGHTS_TOLERANCE: f64 = 1e-6;

/// Most a change of position may cost, in basis points: all of it.
const COST_BPS_MAX: f64 = 10_000.0;

/// Where, and what is expected.
type Found = (Vec<Step>, String);
type Check = Result<(), Found>;

/// The first fault.
pub fn fault(experiment: &Experiment) -> Option<Found> {
    all(experiment).err()
}

fn all(experiment: &Experiment) -> Check {
    identity(experiment)?;
    windows(experiment)?;
    environment(&experiment.environment)?;
    match &experiment.training {
        TrainingSection::Ppo(ppo) => training(ppo)?,
        TrainingSection::Command { command, .. } => need(
            (1..=COMMAND_WORDS_MAX).contains(&command.len()) && !command[0].is_empty(),
            "training.command",
            || format!("1 to {COMMAND_WORDS_MAX} words are expected, the first a program"),
        )?,
    }
    reward(&experiment.reward)?;
    evaluation(&experiment.evaluation)?;
    promotion(&experiment.promotion)
}

fn need(holds: bool, path: &str, detail: impl FnOnce() -> String) -> Check {
    if holds {
        return Ok(());
    }
    let steps = path.split('.').map(|key| Step::Key(key.to_owned()));
    Err((steps.collect(), detail()))
}

/// `value` in `low..=high`; `open` leaves `low` itself out.
fn within(value: f64, low: f64, high: f64, open: bool, path: &str) -> Check {
    let holds = value.is_finite() && value <= high && if open { value > low } else { value >= low };
    let word = if open { "above" } else { "at least" };
    need(holds, path, || {
        let most = if high.is_finite() {
            format!(" and at most {high}")
        } else {
            String::new()
        };
        format!("{value} is not {word} {low}{most}")
    })
}

fn counted(value: u32, high: u32, path: &str) -> Check {
    need((1..=high).contains(&value), path, || {
        format!("{value} is not within 1 to {high}")
    })
}

fn identity(experiment: &Experiment) -> Check {
    let (id, features) = (&experiment.experiment, &experiment.features);
    need(
        id.name.as_str().len() <= EXPERIMENT_NAME_BYTES_MAX,
        "experiment.name",
        || format!("at most {EXPERIMENT_NAME_BYTES_MAX} characters: model and proposal ids begin with it"),
    )?;
    for (version, path) in [
        (&id.version, "experiment.version"),
        (&features.version, "features.version"),
    ] {
        need(is_version(version), path, || {
            format!("`{version}` is no version such as 1.0.0")
        })?;
    }
    need(
        id.description.len() <= DESCRIPTION_BYTES_MAX,
        "experiment.description",
        || format!("at most {DESCRIPTION_BYTES_MAX} bytes"),
    )
}

fn windows(experiment: &Experiment) -> Check {
    let data = &experiment.data;
    let named = [
        ("train", data.train),
        ("validation", data.validation),
        ("test", data.test),
    ];
    for (name, DateRange { start, end }) in named {
        need(start <= end, &format!("data.{name}.end"), || {
            format!("{end} is before the start {start}")
        })?;
    }
    for [(name, earlier), (next, later)] in [[named[0], named[1]], [named[1], named[2]]] {
        need(earlier.end < later.start, &format!("data.{next}.start"), || {
            let (start, end) = (later.start, earlier.end);
            format!(
                "{start} is not after the end of {name}, {end}: the windows must not overlap, and {name} comes first"
            )
        })?;
    }
    Ok(())
}

fn environment(section: &EnvironmentSection) -> Check {
    let finite = f64::MAX;
    within(
        section.initial_capital,
        0.0,
        finite,
        true,
        "environment.initial_capital",
    )?;
    // A share of the capital: nothing is borrowed.
    within(section.position_size, 0.0, 1.0, true, "environment.position_size")?;
    let costs = [
        (section.transaction_cost_bps, "environment.transaction_cost_bps"),
        (section.slippage_bps, "environment.slippage_bps"),
    ];
    for (value, path) in costs {
        within(value, 0.0, COST_BPS_MAX, false, path)?;
    }
    need(
        section.stale_after_bars >= 1,
        "environment.stale_after_bars",
        || "at least 1 is expected".to_owned(),
    )?;
    if let Err(error) = section.action.rule.check() {
        return need(false, "environment.action", || error.to_string());
    }
    if let Some(name) = &section.action.action_output {
        need(
            (1..=OUTPUT_NAME_BYTES_MAX).contains(&name.len()),
            "environment.action.action_output",
            || {
                format!(
                    "1 to {OUTPUT_NAME_BYTES_MAX} bytes are expected; leave it out for the first that fits"
                )
            },
        )?;
    }
    Ok(())
}

fn training(ppo: &PpoSection) -> Check {
    need(ppo.total_timesteps >= 1, "training.total_timesteps", || {
        "at least 1 is expected".to_owned()
    })?;
    counted(ppo.n_steps, u32::MAX, "training.n_steps")?;
    counted(ppo.batch_size, u32::MAX, "training.batch_size")?;
    counted(ppo.n_epochs, u32::MAX, "training.n_epochs")?;
    within(ppo.learning_rate, 0.0, 1.0, true, "training.learning_rate")?;
    within(ppo.gamma, 0.0, 1.0, false, "training.gamma")?;
    within(ppo.gae_lambda, 0.0, 1.0, false, "training.gae_lambda")?;
    within(ppo.clip_range, 0.0, 1.0, true, "training.clip_range")?;
    within(ppo.ent_coef, 0.0, f64::MAX, false, "training.ent_coef")?;
    within(ppo.vf_coef, 0.0, f64::MAX, false, "training.vf_coef")?;
    within(ppo.max_grad_norm, 0.0, f64::MAX, true, "training.max_grad_norm")?;
    need(
        (1..=NET_LAYERS_MAX).contains(&ppo.net_arch.len()),
        "training.net_arch",
        || {
            format!(
                "{} layers; 1 to {NET_LAYERS_MAX} are possible",
                ppo.net_arch.len()
            )
        },
    )?;
    for (index, units) in ppo.net_arch.iter().enumerate() {
        if !(1..=NET_UNITS_MAX).contains(units) {
            let path = ["training", "net_arch"].map(|key| Step::Key(key.to_owned()));
            let detail = format!("{units} units; 1 to {NET_UNITS_MAX} are possible");
            return Err((path.into_iter().chain([Step::Index(index)]).collect(), detail));
        }
    }
    Ok(())
}

fn reward(section: &RewardSection) -> Check {
    for (term, weight) in &section.weights {
        let term = serde_json::to_value(term).unwrap_or_default();
        let path = format!("reward.weights.{}", term.as_str().unwrap_or_default());
        within(*weight, 0.0, 1.0, false, &path)?;
    }
    let sum: f64 = section.weights.values().sum();
    need((sum - 1.0).abs() <= WEIGHTS_TOLERANCE, "reward.weights", || {
        format!("they sum to {sum}, 1 is expected (within {WEIGHTS_TOLERANCE:e})")
    })
}

fn evaluation(section: &EvaluationSection) -> Check {
    let criteria = &section.success_criteria;
    let path = |name: &str| format!("evaluation.success_criteria.{name}");
    let any = f64::MAX;
    within(criteria.min_sharpe, -any, any, false, &path("min_sharpe"))?;
    within(criteria.max_drawdown, 0.0, 1.0, true, &path("max_drawdown"))?;
    within(criteria.min_win_rate, 0.0, 1.0, false, &path("min_win_rate"))?;
    within(
        criteria.improvement_threshold,
        0.0,
        any,
        false,
        &path("improvement_threshold"),
    )?;
    let gates: [(Option<Gate>, &str, f64); 6] = [
        (Some(criteria.min_dsr), "min_dsr.value", 1.0),
        (criteria.min_psr, "min_psr.value", 1.0),
        (criteria.min_p_better, "min_p_better.value", 1.0),
        (criteria.max_drawdown_upper95, "max_drawdown_upper95.value", 1.0),
        (criteria.min_track_record, "min_track_record.value", any),
        (criteria.max_psi, "max_psi.value", any),
    ];
    for (gate, name, high) in gates {
        if let Some(gate) = gate {
            within(gate.value, 0.0, high, false, &path(name))?;
        }
    }
    Ok(())
}

fn promotion(section: &Promotion) -> Check {
    counted(
        section.expires_in_days,
        WAIT_DAYS_MAX,
        "promotion.expires_in_days",
    )?;
    counted(
        section.deploy_within_days,
        WAIT_DAYS_MAX,
        "promotion.deploy_within_days",
    )?;
    counted(section.max_bar_age_s, BAR_AGE_S_MAX, "promotion.max_bar_age_s")?;
    counted(
        section.offline_grace_hours,
        OFFLINE_GRACE_HOURS_MAX,
        "promotion.offline_grace_hours",
    )?;
    if let OnStale::FlattenAfterS(seconds) = section.on_stale {
        counted(seconds, u32::MAX, "promotion.on_stale.flatten_after_s")?;
    }
    Ok(())
}
