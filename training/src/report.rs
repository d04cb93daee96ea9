//! The learning curves as one self-contained page, in the parts of the backtest's report.

use std::fmt::Write as _;

use backtest::report::chart::{line, number};
use backtest::report::escape::escape;
use backtest::report::page;

use crate::ppo::curve::{Curve, Point};
use crate::ppo::{Ended, Trained};
use crate::reward::TERMS;

/// Steps named below a chart, at most.
const LABELS: usize = 8;

/// The page about a training.
#[must_use]
pub fn html(title: &str, trained: &Trained) -> String {
    let curve = &trained.curve;
    let mut body = format!(
        "<p>{} updates · {} environment steps · {} gradient steps · {}</p>",
        curve.points.len(),
        trained.steps,
        trained.gradient_steps,
        match trained.ended {
            Ended::Finished => "all planned steps were made",
            Ended::EarlyStop => "ended early: the validation window had shown nothing better for a while",
            Ended::Stopped => "broken off",
        }
    );
    body.push_str(&chosen(curve));
    body.push_str(&charts(curve));
    body.push_str(&terms(curve.points.last()));
    page(title, &body)
}

/// Which update the model is from, and what it did on the validation window.
fn chosen(curve: &Curve) -> String {
    let best = curve
        .best
        .and_then(|best| curve.points.iter().find(|point| point.update == best));
    let Some((point, found)) = best.and_then(|point| Some((point, point.validation?))) else {
        return "<p class=\"note\">No evaluated policy made two different decisions on the validation window; the last parameters are exported.</p>"
            .to_owned();
    };
    let sharpe = found.sharpe.map_or_else(|| "undefined".to_owned(), number);
    format!(
        "<h2>Exported: update {}</h2><table><tr><th>on the validation window</th><th>value</th></tr>\
         <tr><td>mean reward of a decision</td><td>{}</td></tr><tr><td>net return</td><td>{}</td></tr>\
         <tr><td>Sharpe ratio, annual</td><td>{sharpe}</td></tr><tr><td>maximum drawdown</td><td>{}</td></tr>\
         <tr><td>trades</td><td>{}</td></tr></table>\
         <p class=\"note\">Chosen as the best of several on this window, so these figures flatter; the holdout judges.</p>",
        point.update,
        number(found.reward),
        number(found.net_return),
        number(found.max_drawdown),
        found.trades
    )
}

fn charts(curve: &Curve) -> String {
    let all = &curve.points;
    let evaluated: Vec<&Point> = all.iter().filter(|point| point.validation.is_some()).collect();
    let every: Vec<&Point> = all.iter().collect();
    let chart = |title: &str, points: &[&Point], value: &dyn Fn(&Point) -> f64| {
        let values: Vec<f64> = points.iter().map(|point| value(point)).collect();
        line(title, &values, &[], &labels(points))
    };
    let validation = |title: &str, value: fn(&crate::ppo::evaluate::Evaluation) -> f64| {
        chart(title, &evaluated, &|point| {
            point.validation.as_ref().map_or(0.0, value)
        })
    };
    [
        chart("Mean reward of a step, training", &every, &|point| point.reward),
        validation("Mean reward of a decision, validation", |found| found.reward),
        validation("Net return, validation, %", |found| found.net_return * 100.0),
        chart("Entropy of the policy, nats", &every, &|point| point.entropy),
        chart("Divergence from the collecting policy, nats", &every, &|point| {
            point.kl
        }),
        chart("Share of clipped ratios", &every, &|point| point.clip_fraction),
        chart("Squared error of the critic", &every, &|point| point.value_loss),
        chart(
            "Variance of the returns that the critic explains",
            &every,
            &|point| point.explained_variance.unwrap_or(0.0),
        ),
    ]
    .concat()
}

/// Environment steps below the places of some points.
fn labels(points: &[&Point]) -> Vec<(usize, String)> {
    let every = points.len().div_ceil(LABELS).max(1);
    points
        .iter()
        .enumerate()
        .step_by(every)
        .map(|(at, point)| (at, format!("{} steps", point.steps)))
        .collect()
}

/// What the reward of the last rollout was made of.
fn terms(last: Option<&Point>) -> String {
    let Some(last) = last else { return String::new() };
    let mut out =
        "<h2>Reward of a step in the last rollout</h2><table><tr><th>term</th><th>weighted</th></tr>"
            .to_owned();
    for (term, value) in TERMS.iter().zip(last.terms) {
        let name = serde_json::to_value(term).unwrap_or_default();
        let name = escape(name.as_str().unwrap_or_default());
        write!(out, "<tr><td>{name}</td><td>{}</td></tr>", number(value))
            .expect("writing to a string never fails");
    }
    out.push_str("</table>");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ppo::evaluate::Evaluation;

    fn point(update: u64, validation: Option<f64>) -> Point {
        Point {
            update,
            steps: update * 1_000,
            reward: 0.125,
            terms: [0.5, -0.25, 0.0, 0.0, -0.125, 0.0],
            episodes: 3,
            ruined: 0,
            entropy: 1.4,
            kl: 0.01,
            clip_fraction: 0.1,
            policy_loss: -0.01,
            value_loss: 0.5,
            explained_variance: None,
            std: Some(1.0),
            validation: validation.map(|reward| Evaluation {
                reward,
                net_return: 0.0375,
                sharpe: Some(1.5),
                max_drawdown: 0.02,
                trades: 42,
                varied: true,
            }),
        }
    }

    fn trained(best: Option<u64>) -> Trained {
        Trained {
            onnx: Vec::new(),
            curve: Curve {
                points: (1..=20)
                    .map(|update| point(update, (update % 2 == 0).then_some(0.25)))
                    .collect(),
                best,
            },
            steps: 20_000,
            gradient_steps: 3_000,
            ended: Ended::EarlyStop,
        }
    }

    #[test]
    fn both_curves_and_the_chosen_update_are_shown_and_the_title_is_text() {
        let page = html("<b>model</b>", &trained(Some(8)));
        assert_eq!(page.matches("<polyline").count(), 8);
        for part in [
            "&lt;b&gt;model",
            "Exported: update 8",
            "0.0375",
            "16000 steps",
            "transaction_cost",
            "ended early",
        ] {
            assert!(page.contains(part), "{part}");
        }
        assert!(!page.contains("<script") && !page.contains("NaN"));
    }

    #[test]
    fn a_policy_that_never_moved_is_called_so() {
        let page = html("model", &trained(None));
        assert!(page.contains("No evaluated policy made two different decisions"));
    }
}
