//! Runs and what is read off them, each on a thread of its own.

use std::sync::Arc;

use backtest::baseline::compare;
use backtest::causality::{self, Original};
use backtest::drift;
use backtest::market::Market;
use backtest::outcome::Outcome;
use backtest::run::prepare::{Prepared, prepare};
use backtest::run::sessions::SessionFinder;
use backtest::run::{RunError, run_seen};
use contracts::evidence::{BaselineComparison, Causality, ExecutionSettings, FeatureDrift, MarketHash};
use contracts::experiment::DateRange;
use contracts::hash::ArtifactHash;
use contracts::ids::ModelId;
use contracts::time::DayNumber;
use strategy::calendar::Calendar;

use super::kept::KeepError;
use super::lab::Lab;
use super::ledger::{self, Look, Origin};
use super::subject::Subject;
use crate::jobs::{JobError, Stage, Work};
use crate::market::{Month, SourceList, SourcePartition};
use crate::markets::{self, Loaded};
use crate::registry::Stage as ModelStage;

/// Reads and verifies a registered model.
pub(super) async fn load(work: &Work, id: &ModelId) -> Result<Arc<Subject>, JobError> {
    let missing = |what: &dyn std::fmt::Display| JobError::Missing(what.to_string());
    let store = &work.app.store;
    let model = store.model(id).await?.ok_or_else(|| missing(id))?;
    let experiment = store.experiment(&model.contract_id).await?;
    let experiment = experiment.ok_or_else(|| missing(&model.contract_id))?;
    let artifacts = work.app.artifacts.clone();
    let loaded = work
        .compute(move || Subject::load(&artifacts, model, experiment))
        .await?;
    Ok(Arc::new(loaded?))
}

/// Reads the market of the experiment's instrument.
async fn market(work: &Work, subject: &Subject) -> Result<Loaded, JobError> {
    let experiment = &subject.experiment;
    let source = markets::find(&work.app, &experiment.instrument, &experiment.feature_contract).await?;
    let artifacts = work.app.artifacts.clone();
    Ok(work.compute(move || source.read(&artifacts)).await??)
}

/// The partitions among which those of a run over a window are: months that begin after it are left out, so that what comes later makes
/// no other list.
fn used(partitions: Vec<SourcePartition>, last: DayNumber) -> Arc<[SourcePartition]> {
    // The last session may end a day later in UTC.
    let month = Month::of_date(DayNumber(last.0.saturating_add(1)));
    let until = |partition: &SourcePartition| month.is_none_or(|month| partition.month <= month);
    partitions.into_iter().filter(until).collect()
}

/// The market up to the end of a window: bars that came since do not make another run of it.
pub(super) fn until(market: &Market, calendar: &Calendar, last: DayNumber) -> Market {
    let mut finder = SessionFinder::new(calendar);
    let up_to = |bar: &&contracts::bar::Bar| finder.find(bar.close_time).date <= last;
    let mut daily = market.daily.clone();
    daily.rows.retain(|row| row.date <= last);
    Market {
        instrument: market.instrument.clone(),
        bars: market.bars.iter().take_while(up_to).copied().collect(),
        daily,
    }
}

/// What is run, on what, how.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    pub subject: Arc<Subject>,
    /// Its end is the window's.
    pub market: Arc<Market>,
    /// What it was read from; none where that is files.
    pub sources: Arc<[SourcePartition]>,
    pub window: DateRange,
    pub settings: ExecutionSettings,
}

impl Setting {
    /// The experiment's own: its holdout and its costs.
    pub async fn of(work: &Work, id: &ModelId) -> Result<(Self, Arc<Market>), JobError> {
        let subject = load(work, id).await?;
        let Loaded { market, partitions } = market(work, &subject).await?;
        let whole = Arc::new(market);
        let window = subject.experiment.frozen.data.test;
        let (all, seen_by) = (whole.clone(), subject.clone());
        let cut = work
            .compute(move || until(&all, seen_by.strategy.calendar(), window.end))
            .await?;
        let setting = Self {
            settings: subject.settings(),
            subject,
            market: Arc::new(cut),
            sources: used(partitions, window.end),
            window,
        };
        Ok((setting, whole))
    }

    /// Runs it in this thread.
    pub fn run(&self, lab: &Lab, stage: &Stage) -> Result<Ran, RunError> {
        let candidate = self.subject.candidate();
        let mut sight = lab.eyes.open(candidate.strategy, &self.market)?;
        let (outcome, prepared) = run_seen(
            &mut *sight,
            candidate,
            &self.market,
            self.window,
            &self.settings,
            lab.options,
            &|progress| stage.at(progress),
        )?;
        Ok(Ran { outcome, prepared })
    }

    /// Runs it on a thread of its own.
    pub async fn ran(
        &self,
        work: &Work,
        name: &'static str,
        share: (f64, f64),
    ) -> Result<Arc<Ran>, JobError> {
        let (setting, lab, stage) = (self.clone(), work.lab.clone(), work.reporter.stage(name, share));
        let ran = work.compute(move || setting.run(&lab, &stage)).await?;
        Ok(Arc::new(ran?))
    }
}

/// A run and what it saw.
#[derive(Debug)]
pub(super) struct Ran {
    pub outcome: Outcome,
    pub prepared: Prepared,
}

/// Stores the list of what a run was read from, which its evidence names.
pub(super) async fn keep_sources(work: &Work, setting: &Setting) -> Result<Option<ArtifactHash>, JobError> {
    if setting.sources.is_empty() {
        return Ok(None);
    }
    let list = SourceList::new(setting.sources.to_vec()).to_bytes()?;
    let store = work.app.artifacts.clone();
    let kept = work.compute(move || store.put(&list)).await?;
    Ok(Some(kept.map_err(KeepError::Artifact)?))
}

/// Notes a look, before its figures are used.
pub(super) async fn look(work: &Work, look: &Look) -> Result<(), JobError> {
    let mut tx = work.app.store.begin().await?;
    let (app, by) = (&work.app, Origin::Computed);
    ledger::note(app, &mut tx, look, by, &work.created_by, app.now()).await?;
    tx.commit().await?;
    Ok(())
}

/// What is asked of a run beside its figures.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scrutiny {
    pub causality: Causality,
    pub drift: Vec<FeatureDrift>,
    pub market_hash: MarketHash,
}

pub(super) async fn scrutinise(work: &Work, setting: &Setting, ran: &Arc<Ran>) -> Result<Scrutiny, JobError> {
    let (setting, ran, lab) = (setting.clone(), ran.clone(), work.lab.clone());
    drop(work.reporter.stage("check for look-ahead, drift", (0.6, 0.9)));
    let scrutiny = work.compute(move || {
        let candidate = setting.subject.candidate();
        let eyes = |market: &Market| lab.eyes.open(candidate.strategy, market);
        let original = Original {
            prepared: &ran.prepared,
            rows: &ran.outcome.bars,
            fingerprint: &ran.outcome.fingerprint,
        };
        let causality = causality::check_with(
            &eyes,
            candidate,
            &setting.market,
            setting.window,
            &setting.settings,
            lab.options,
            original,
        )?;
        Ok::<_, RunError>(Scrutiny {
            causality,
            drift: drifted(&setting, &lab, &ran.prepared)?,
            market_hash: setting.market.hash(),
        })
    });
    Ok(scrutiny.await??)
}

/// From the training window to the holdout; without bars of the training window the drift is unknown, and a gate on it fails.
fn drifted(setting: &Setting, lab: &Lab, holdout: &Prepared) -> Result<Vec<FeatureDrift>, RunError> {
    let subject = &setting.subject;
    let train = subject.experiment.frozen.data.train;
    let mut finder = SessionFinder::new(subject.strategy.calendar());
    let bars = &setting.market.bars;
    let end = bars
        .iter()
        .take_while(|bar| finder.find(bar.close_time).date <= train.end)
        .count();
    let mut sight = lab.eyes.open(&subject.strategy, &setting.market)?;
    let trained = match prepare(&subject.strategy, &mut *sight, &setting.market, train, end) {
        Ok(prepared) => prepared.features,
        Err(RunError::NoSession { .. }) => Vec::new(),
        Err(error) => return Err(error),
    };
    let features = &subject.experiment.feature_contract.features;
    let names: Vec<&str> = features.iter().map(|feature| feature.name.as_str()).collect();
    Ok(drift::drift(&names, &trained, &holdout.features))
}

/// The slot's production model beside the candidate.
#[derive(Debug)]
pub(super) struct Beside {
    pub subject: Arc<Subject>,
    pub outcome: Outcome,
    pub comparison: BaselineComparison,
}

/// Runs the slot's production model on the same bars and costs; none in an empty slot.
pub(super) async fn beside(
    work: &Work,
    setting: &Setting,
    ran: &Arc<Ran>,
) -> Result<Option<Arc<Beside>>, JobError> {
    let slot = &setting.subject.model.slot;
    let production = work
        .app
        .store
        .models(Some(ModelStage::Production), Some(slot), 1)
        .await?;
    let Some(production) = production.first() else {
        return Ok(None);
    };
    let subject = load(work, &production.model_id).await?;
    let base = Setting {
        subject: subject.clone(),
        ..setting.clone()
    };
    let (lab, new) = (work.lab.clone(), ran.clone());
    let stage = work
        .reporter
        .stage("the production model on the same bars", (0.4, 0.6));
    let found = work.compute(move || {
        let outcome = base.run(&lab, &stage)?.outcome;
        let data = &subject.experiment.frozen.data;
        let in_sample = data.instrument == new.outcome.instrument
            && (data.train.overlaps(&base.window) || data.validation.overlaps(&base.window));
        let id = subject.model.model_id.clone();
        let comparison = compare(&new.outcome, &outcome, id, in_sample)?;
        Ok::<_, JobError>(Beside {
            subject,
            outcome,
            comparison,
        })
    });
    Ok(Some(Arc::new(found.await??)))
}
