//! A test that a reviewer asked for: what it changes, what it says.

use std::sync::Arc;

use backtest::market::Market;
use backtest::metrics::measure;
use backtest::outcome::Outcome;
use backtest::run::sessions::{SessionFinder, listed};
use backtest::stress;
use contracts::evidence::{Metrics, MoreTest};
use contracts::experiment::DateRange;
use contracts::ids::ProposalId;
use contracts::time::DayNumber;
use serde_json::{Value, json};

use super::catalogue::MoreTestName;
use super::kept::{self, KeepError, Told, keep};
use super::lab::Lab;
use super::ledger::Look;
use super::measure::{Ran, Setting, look, until};
use super::revise::{Again, New, again, append, end};
use crate::jobs::{JobError, Stage, Work};
use crate::limits::OTHER_WINDOW_SESSIONS_MIN;
use crate::store::{BacktestRow, Purpose};

/// Makes a test of the catalogue and appends what it found. It is a look at the holdout, whatever it finds.
pub(crate) async fn more_test(work: &Work, id: &ProposalId, test: MoreTestName) -> Result<(), JobError> {
    let Again { setting, whole, ran } = match again(work, id).await? {
        Ok(again) => again,
        Err(over) => return end(work, &over).await,
    };
    let stage = work.reporter.stage(test.word(), (0.3, 0.8));
    let (asked, lab) = ((setting.clone(), whole, ran.clone()), work.lab.clone());
    let tested = work
        .compute(move || perform(test, &asked.0, &asked.1, &asked.2, &lab, &stage))
        .await??;
    look(work, &tested.look(test, &setting, &ran)).await?;
    let tested = Arc::new(tested);
    let described = describe(work, test, &setting, &ran, &tested).await?;
    let finding = tested.finding(&described.metrics, &described.before);
    let new = New::Test(Box::new(MoreTest {
        test: test.word().to_owned(),
        parameters: tested.parameters.clone(),
        fingerprint: tested.outcome.fingerprint,
        metrics: described.metrics,
        finding,
    }));
    Box::pin(append(work, id, &setting, &ran, new, &[described.row])).await
}

/// A run with what was changed for it.
#[derive(Debug)]
struct Tested {
    outcome: Outcome,
    parameters: Value,
    /// The finding's beginning: what was changed, in words.
    changed: String,
    /// Looked at all sessions of the holdout, though the run is over some of them.
    whole_holdout: bool,
    /// The figures are the model's, not chance's.
    of_the_model: bool,
}

impl Tested {
    fn look(&self, test: MoreTestName, setting: &Setting, ran: &Ran) -> Look {
        let bundle = setting.subject.model.bundle_hash;
        let changed = json!({"test": test.word(), "parameters": self.parameters});
        let own = Look::of(&self.outcome, bundle, Some(changed));
        let over = Look::of(
            if self.whole_holdout {
                &ran.outcome
            } else {
                &self.outcome
            },
            bundle,
            None,
        );
        Look {
            first_session: over.first_session,
            last_session: over.last_session,
            sessions: over.sessions,
            sharpe_per_session: own.sharpe_per_session.filter(|_| self.of_the_model),
            ..own
        }
    }

    fn finding(&self, metrics: &Metrics, before: &Metrics) -> String {
        let sharpe = |metrics: &Metrics| match metrics.sharpe_ratio.value {
            Some(value) => format!("{value:.2}"),
            None => "undefined".to_owned(),
        };
        format!(
            "{}: Sharpe ratio {} instead of {}, total return {} instead of {}",
            self.changed,
            sharpe(metrics),
            sharpe(before),
            percent(metrics),
            percent(before)
        )
    }
}

fn percent(metrics: &Metrics) -> String {
    match metrics.total_return.value {
        Some(value) => format!("{:.2} %", 100.0 * value),
        None => "undefined".to_owned(),
    }
}

/// The test's run, described.
struct Described {
    metrics: Metrics,
    /// The proposal's own figures.
    before: Metrics,
    row: BacktestRow,
}

/// Figures and files of the test's run.
async fn describe(
    work: &Work,
    test: MoreTestName,
    setting: &Setting,
    ran: &Arc<Ran>,
    tested: &Arc<Tested>,
) -> Result<Described, JobError> {
    let (setting, ran, tested) = (setting.clone(), ran.clone(), tested.clone());
    let (store, by, at) = (
        work.app.artifacts.clone(),
        work.created_by.clone(),
        work.app.now(),
    );
    let described = work.compute(move || {
        let (metrics, before) = (measure(&tested.outcome, None), measure(&ran.outcome, None));
        let title = format!("{} – {}", setting.subject.model.model_id, test.word());
        let told = Told {
            title: &title,
            metrics: &metrics,
            criteria: &[],
            caveats: std::slice::from_ref(&tested.changed),
        };
        let files = keep(&store, &tested.outcome, told)?;
        let (subject, outcome) = (&setting.subject, &tested.outcome);
        let row = kept::row(Purpose::MoreTests, subject, outcome, &metrics, files, (&by, at));
        Ok::<_, KeepError>(Described { metrics, before, row })
    });
    Ok(described.await??)
}

fn perform(
    test: MoreTestName,
    setting: &Setting,
    whole: &Market,
    ran: &Ran,
    lab: &Lab,
    stage: &Stage,
) -> Result<Tested, JobError> {
    let settings = &setting.settings;
    let tested = |outcome, parameters, changed: String| Tested {
        outcome,
        parameters,
        changed,
        whole_holdout: false,
        of_the_model: true,
    };
    match test {
        MoreTestName::CostsX2 => {
            let changed = Setting {
                settings: stress::dearer(settings),
                ..setting.clone()
            };
            let bps = changed.settings.transaction_cost_bps + changed.settings.slippage_bps;
            let outcome = changed.run(lab, stage)?.outcome;
            Ok(tested(
                outcome,
                json!({"bps": bps}),
                format!("a change costs {bps} basis points"),
            ))
        }
        MoreTestName::Latency1Bar => {
            let changed = Setting {
                settings: stress::later(settings),
                ..setting.clone()
            };
            let bars = changed.settings.latency_bars;
            let outcome = changed.run(lab, stage)?.outcome;
            let words = "every order fills one bar later".to_owned();
            Ok(tested(outcome, json!({"latency_bars": bars}), words))
        }
        MoreTestName::OtherWindow => {
            let window = other_window(setting, whole);
            let market = until(whole, setting.subject.strategy.calendar(), window.end);
            let changed = Setting {
                market: Arc::new(market),
                window,
                ..setting.clone()
            };
            let outcome = changed.run(lab, stage)?.outcome;
            let words = format!("the sessions from {} to {}", window.start, window.end);
            Ok(tested(outcome, json!(window), words))
        }
        MoreTestName::Noise => {
            let (market, deviation) = stress::noise::noisy(&setting.market, &ran.outcome.fingerprint);
            let changed = Setting {
                market: Arc::new(market),
                ..setting.clone()
            };
            let outcome = changed.run(lab, stage)?.outcome;
            let bps = 1e4 * deviation;
            let words = format!("every price is off by {bps:.2} basis points (standard deviation)");
            Ok(tested(outcome, json!({"deviation": deviation}), words))
        }
        MoreTestName::BlockShuffledNull => {
            let null = stress::null::shuffled(&ran.outcome, &ran.prepared, setting.window)?;
            let (shuffles, p) = (null.sharpes.len(), null.p_value);
            let words = format!(
                "the model's own decisions at other times do as well with p = {p:.3} ({shuffles} shuffles); their median"
            );
            Ok(Tested {
                of_the_model: false,
                ..tested(null.median, json!({"shuffles": shuffles, "p_value": p}), words)
            })
        }
        MoreTestName::WorstRegime => worst(setting, ran, lab, stage).map(|(outcome, window, parts)| Tested {
            whole_holdout: true,
            ..tested(
                outcome,
                json!({"parts": parts, "start": window.start, "end": window.end}),
                format!("the worst of {parts} parts, {} to {}", window.start, window.end),
            )
        }),
    }
}

/// The sessions after the holdout, where there are enough by now; else the validation's.
fn other_window(setting: &Setting, whole: &Market) -> DateRange {
    let data = &setting.subject.experiment.frozen.data;
    let calendar = setting.subject.strategy.calendar();
    let last = whole
        .bars
        .last()
        .map(|bar| SessionFinder::new(calendar).find(bar.close_time).date);
    let after = DateRange {
        start: DayNumber(data.test.end.0 + 1),
        // The last day there are bars of may not be over.
        end: DayNumber(last.map_or(i32::MIN, |last| last.0.saturating_sub(1))),
    };
    if after.start <= after.end && listed(calendar, after).len() >= OTHER_WINDOW_SESSIONS_MIN {
        after
    } else {
        data.validation
    }
}

/// Runs every part of the holdout by itself: the one with the lowest Sharpe ratio, an undefined one counting as 0.
fn worst(
    setting: &Setting,
    ran: &Ran,
    lab: &Lab,
    stage: &Stage,
) -> Result<(Outcome, DateRange, usize), JobError> {
    let sessions: Vec<DayNumber> = ran
        .outcome
        .sessions
        .iter()
        .map(|session| session.session)
        .collect();
    let parts = stress::parts::parts(&sessions);
    let count = parts.len();
    let mut worst: Option<(f64, Outcome, DateRange)> = None;
    for window in parts {
        let part = Setting {
            window,
            ..setting.clone()
        };
        let outcome = part.run(lab, stage)?.outcome;
        let bundle = setting.subject.model.bundle_hash;
        let sharpe = match outcome.ruined {
            Some(_) => f64::NEG_INFINITY,
            None => Look::of(&outcome, bundle, None).sharpe_per_session.unwrap_or(0.0),
        };
        if worst.as_ref().is_none_or(|(lowest, ..)| sharpe < *lowest) {
            worst = Some((sharpe, outcome, window));
        }
    }
    let none = || JobError::NothingToTest("the holdout has no session".to_owned());
    let (_, outcome, window) = worst.ok_or_else(none)?;
    Ok((outcome, window, count))
}
