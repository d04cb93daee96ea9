//! Building what an engine obeys: from signed statements, never from a status column.

use contracts::experiment::Promotion;
use contracts::hash::Digest;
use contracts::ids::{ModelId, PersonId, ProposalId, SlotId};
use contracts::jcs::JcsError;
use contracts::limits::BAR_INTERVAL_MS;
use contracts::production::{
    Artifacts, ContractError, ContractOrigin, ExperimentRef, GoldenLimits, Hashes, Instruments, Lineage,
    ProductionContract, ProductionContractV1, VerifyError, Votes,
};
use contracts::signing::TrustedKeys;
use contracts::time::UtcMillis;

use crate::app::App;
use crate::artifacts::ArtifactError;
use crate::store::{Cause, ContractRow, ExperimentRow, ModelRow, PeriodRow, SlotRow, StoreError, Tx};

/// What a contract is made of.
#[derive(Debug)]
pub struct Parts<'a> {
    /// The slot, locked.
    pub slot: &'a SlotRow,
    /// The model.
    pub model: &'a ModelRow,
    /// Its experiment.
    pub experiment: &'a ExperimentRow,
    /// Both votes, and what followed them.
    pub votes: Votes,
    /// What ran before.
    pub previous: Option<&'a ModelId>,
    /// Why this one runs now.
    pub cause: Cause,
    /// Who allowed it.
    pub allowed_by: &'a PersonId,
    /// What [`check_artifacts`] said before the transaction began.
    pub intact: Result<(), ArtifactError>,
    /// Now.
    pub at: UtcMillis,
}

/// Why no contract was signed; nothing moves.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The slot is not in the settings.
    #[error("slot {0} is not in control.toml: add it with its environment and instruments")]
    UnknownSlot(SlotId),
    /// A statement is not carried by its signatures, or is about something else: the database was edited.
    #[error("the signed statements do not carry this contract")]
    Votes(#[source] VerifyError),
    /// An artifact is missing or was altered.
    #[error("an artifact of the model is not as registered")]
    Artifact(#[from] ArtifactError),
    /// The registered parts contradict each other: the database was edited.
    #[error("the registered parts contradict each other")]
    Inconsistent(#[source] ContractError),
    /// A number has no canonical form.
    #[error("the contract has no canonical form")]
    Jcs(#[from] JcsError),
    /// The database.
    #[error("the contract was not stored")]
    Store(#[from] StoreError),
}

impl BuildError {
    /// True where what is stored is not what was registered and signed.
    #[must_use]
    pub const fn is_altered(&self) -> bool {
        matches!(
            self,
            Self::Votes(_)
                | Self::Inconsistent(_)
                | Self::Artifact(ArtifactError::Missing(_) | ArtifactError::Altered { .. })
        )
    }
}

/// Reads and hashes every artifact of the model, if it is registered. Before the transaction, because it can take long and a transaction
/// holds the write lock; which artifacts a model has never changes.
///
/// # Errors
/// [`StoreError`]; what is wrong with an artifact is in the answer, to be told in its turn.
pub async fn check_artifacts(app: &App, model: &ModelId) -> Result<Result<(), ArtifactError>, StoreError> {
    let Some(model) = app.store.model(model).await? else {
        return Ok(Ok(()));
    };
    let store = app.artifacts.clone();
    let read = move || {
        artifacts_of(&model)
            .all()
            .try_for_each(|artifact| store.get(artifact).map(drop))
    };
    let checked = tokio::task::spawn_blocking(read).await;
    Ok(checked.expect("reading files does not panic, and is waited for"))
}

fn artifacts_of(model: &ModelRow) -> Artifacts {
    Artifacts {
        model: Digest::from_bytes(*model.model_hash.as_bytes()),
        exec: model.exec_hash.map(|hash| Digest::from_bytes(*hash.as_bytes())),
        norm_stats: model.norm_stats_artifact,
        golden: model.golden,
    }
}

/// Builds, signs, verifies and stores the slot's next contract, and opens its production period.
///
/// Everything an engine will check is checked here first, with the same code.
///
/// # Errors
/// [`BuildError`].
///
/// # Panics
/// Never: a contract is plain data with text keys.
pub async fn issue(
    app: &App,
    tx: &mut Tx,
    parts: Parts<'_>,
) -> Result<(ProductionContract, ContractRow), BuildError> {
    let mut contract = assemble(app, &parts)?;
    parts.intact?;
    contract.sign(app.keys.contract())?;
    let text = serde_json::to_string_pretty(&contract).expect("a contract is plain data with text keys");
    let contract = ProductionContract::parse(text.as_bytes()).map_err(BuildError::Inconsistent)?;
    contract.verify(app.keys.trusted()).map_err(BuildError::Votes)?;
    let row = ContractRow {
        slot: parts.slot.slot.clone(),
        generation: contract.generation,
        digest: contract.digest()?,
        model_id: contract.model_id.clone(),
        contract: text,
        issued_at: parts.at,
    };
    tx.insert_contract(&row).await?;
    let period = PeriodRow {
        slot: row.slot.clone(),
        generation: row.generation,
        model_id: row.model_id.clone(),
        contract_digest: row.digest,
        proposal_id: proposal_of(&contract),
        cause: parts.cause,
        allowed_by: parts.allowed_by.clone(),
        started_at: parts.at,
        ended_at: None,
    };
    tx.turn_period(&row.slot, Some(&period), parts.at).await?;
    Ok((contract, row))
}

/// The contract of a stored row, when it is the one this plane signed for this slot: signatures, digest, number, slot and model.
/// `None` otherwise: the database was edited, or a key it depends on was revoked.
#[must_use]
pub fn verified(row: &ContractRow, slot: &SlotId, trusted: &TrustedKeys) -> Option<ProductionContract> {
    let contract = ProductionContract::parse(row.contract.as_bytes()).ok()?;
    let same = contract.slot == *slot
        && row.slot == *slot
        && contract.generation == row.generation
        && contract.model_id == row.model_id
        && contract.digest().ok()? == row.digest;
    (same && contract.votes.is_some() && contract.verify(trusted).is_ok()).then_some(contract)
}

fn proposal_of(contract: &ProductionContract) -> Option<ProposalId> {
    contract
        .votes
        .as_ref()
        .map(|votes| votes.second.statement.proposal_id.clone())
}

fn assemble(app: &App, parts: &Parts<'_>) -> Result<ProductionContract, BuildError> {
    let slot = &parts.slot.slot;
    let settings = app
        .config
        .slots
        .get(slot)
        .ok_or_else(|| BuildError::UnknownSlot(slot.clone()))?;
    let (model, experiment) = (parts.model, parts.experiment);
    let second = &parts.votes.second.statement;
    let promotion: &Promotion = &experiment.frozen.promotion;
    let mut instruments = settings.instruments.clone();
    instruments.sort();
    instruments.dedup();
    Ok(ProductionContract {
        schema_version: ProductionContractV1,
        origin: ContractOrigin::Votes,
        environment: settings.environment.clone(),
        slot: slot.clone(),
        instruments: Instruments::Listed(instruments),
        bar_interval_s: u32::try_from(BAR_INTERVAL_MS / 1000).unwrap_or_default(),
        model_id: model.model_id.clone(),
        experiment: Some(ExperimentRef {
            name: experiment.name.clone(),
            version: experiment.version.clone(),
            contract_id: experiment.contract_id.clone(),
        }),
        hashes: Hashes {
            model_hash: model.model_hash,
            exec_hash: model.exec_hash,
            norm_stats_hash: model.norm_stats_hash,
            feature_contract_hash: model.feature_contract_hash,
            feature_order_hash: model.feature_order_hash,
            bundle_hash: model.bundle_hash,
            config_hash: Some(model.config_hash),
            dataset_hash: model.dataset_hash,
        },
        artifacts: artifacts_of(model),
        feature_contract: experiment.feature_contract.clone(),
        action: model.action.clone(),
        numerics: model.numerics,
        on_swap: promotion.on_swap,
        on_stale: promotion.on_stale,
        offline_grace_hours: promotion.offline_grace_hours,
        max_bar_age_s: promotion.max_bar_age_s,
        golden_limits: GoldenLimits::default(),
        approver: Some(second.voter.clone()),
        approved_at: Some(second.voted_at),
        issued_at: parts.at,
        key_id: app.keys.contract().key_id(),
        generation: parts.slot.generation + 1,
        lineage: Lineage {
            proposal_id: Some(second.proposal_id.clone()),
            training_run: model.training_run.clone(),
            backtest: None,
            previous_model_id: parts.previous.cloned(),
        },
        votes: Some(parts.votes.clone()),
        signatures: Vec::new(),
    })
}
