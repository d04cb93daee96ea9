//! Registering: the same content again changes nothing, other content under the same name and version is refused with what differs.

use contracts::experiment::TrainingSection;
use contracts::experiment::contract::{ExperimentContract, ExperimentContractError, ExperimentContractV1};
use contracts::experiment::diff::Change;
use contracts::hash::Digest;
use contracts::ids::{ContractId, InstrumentId, PersonId, SlotId};
use contracts::jcs;
use serde_json::json;
use training::reward::{Reward, RewardError};

use crate::app::App;
use crate::audit::{self, Action, AppendError, Event};
use crate::auth::Actor;
use crate::config::SlotConfig;
use crate::store::{ExperimentRow, StoreError, Tx};

/// What somebody hands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Register {
    /// The file's bytes.
    pub yaml: Vec<u8>,
    /// How errors name it.
    pub file: String,
}

/// What is registered now.
#[derive(Debug, Clone, PartialEq)]
pub struct Registered {
    /// As stored; of an earlier registration its author and time.
    pub experiment: ExperimentRow,
    /// False when the same content was there already.
    pub created: bool,
}

/// Why nothing was registered; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The role or the token's scope does not carry it.
    #[error("registering an experiment needs the role researcher, and of a token the scope research:write")]
    Forbidden,
    /// The file, or the feature contract it names.
    #[error(transparent)]
    Contract(#[from] ExperimentContractError),
    /// The built-in trainer does not know its reward.
    #[error(transparent)]
    Reward(#[from] RewardError),
    /// The slot is not in the settings.
    #[error("slot {0} is not in control.toml: add it with its environment and instruments")]
    UnknownSlot(SlotId),
    /// The slot runs something else.
    #[error("slot {slot} does not run {instrument}: control.toml lists its instruments")]
    Instrument {
        /// The slot.
        slot: SlotId,
        /// The experiment's.
        instrument: InstrumentId,
    },
    /// Name and version are taken by other content.
    #[error(
        "{contract_id} is registered with other content ({}): give it another version",
        summary(changes)
    )]
    Differs {
        /// Which.
        contract_id: ContractId,
        /// From what is registered to what was handed in.
        changes: Vec<Change>,
    },
    /// The audit event was not stored.
    #[error("the registration was not audited")]
    Audit(#[from] AppendError),
    /// The database.
    #[error("the database did not answer")]
    Store(#[from] StoreError),
}

impl RegisterError {
    /// A stable word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Forbidden => "forbidden",
            Self::Contract(error) => error.code(),
            Self::Reward(_) => "reward_invalid",
            Self::UnknownSlot(_) => "unknown_slot",
            Self::Instrument { .. } => "instrument_not_in_slot",
            Self::Differs { .. } => "experiment_differs",
            Self::Audit(_) => "audit",
            Self::Store(_) => "store",
        }
    }
}

/// The first three changes, and how many more.
fn summary(changes: &[Change]) -> String {
    let shown: Vec<String> = changes.iter().take(3).map(Change::to_string).collect();
    match changes.len() - shown.len() {
        0 => shown.join("; "),
        more => format!("{}; {more} more", shown.join("; ")),
    }
}

/// Registers an experiment.
///
/// # Errors
/// [`RegisterError`].
pub async fn register(app: &App, actor: &Actor, request: &Register) -> Result<Registered, RegisterError> {
    if !actor.may_research() {
        return Err(RegisterError::Forbidden);
    }
    let now = app.now();
    let contract = ExperimentContract::from_yaml(&request.yaml, &request.file, &app.config.features, now)?;
    check_reward(&contract)?;
    let settings = slot_settings(app, &contract)?;
    let row = row(contract, &actor.person);
    let mut tx = app.store.begin().await?;
    if let Some(found) = tx.experiment(&row.contract_id).await? {
        return same(found, row);
    }
    tx.ensure_slot(&row.slot, &settings.environment, now).await?;
    match tx.insert_experiment(&row).await {
        Ok(()) => {}
        // Somebody registered it between the look and the insert: theirs counts.
        Err(StoreError::Conflict { rule }) => {
            drop(tx);
            let found = app.store.experiment(&row.contract_id).await?;
            return same(found.ok_or(StoreError::Conflict { rule })?, row);
        }
        Err(error) => return Err(error.into()),
    }
    note(app, &mut tx, actor, &row).await?;
    tx.commit().await?;
    Ok(Registered {
        experiment: row,
        created: true,
    })
}

/// That the built-in trainer knows every parameter of the reward; a program of one's own reads them as it likes.
///
/// # Errors
/// [`RewardError`] naming the parameter.
pub fn check_reward(contract: &ExperimentContract) -> Result<(), RewardError> {
    let frozen = &contract.frozen;
    match frozen.training {
        TrainingSection::Ppo(_) => Reward::new(&frozen.reward, &(&frozen.environment).into()).map(drop),
        TrainingSection::Command { .. } => Ok(()),
    }
}

fn slot_settings<'a>(app: &'a App, contract: &ExperimentContract) -> Result<&'a SlotConfig, RegisterError> {
    let (slot, instrument) = (&contract.frozen.slot, &contract.frozen.data.instrument);
    let settings = app.config.slots.get(slot);
    let settings = settings.ok_or_else(|| RegisterError::UnknownSlot(slot.clone()))?;
    if settings.instruments.contains(instrument) {
        return Ok(settings);
    }
    Err(RegisterError::Instrument {
        slot: slot.clone(),
        instrument: instrument.clone(),
    })
}

fn same(found: ExperimentRow, handed_in: ExperimentRow) -> Result<Registered, RegisterError> {
    let changes = contract_of(&found).differences(&contract_of(&handed_in));
    if changes.is_empty() {
        return Ok(Registered {
            experiment: found,
            created: false,
        });
    }
    Err(RegisterError::Differs {
        contract_id: found.contract_id,
        changes,
    })
}

/// In the registration's transaction: what the row then holds, so that a row edited later contradicts it.
async fn note(app: &App, tx: &mut Tx, actor: &Actor, row: &ExperimentRow) -> Result<(), AppendError> {
    let frozen: Digest<()> = jcs::digest(&row.frozen)?;
    let event = Event {
        actor: actor.audit_name(),
        action: Action::ExperimentRegistered,
        subject: row.contract_id.to_string(),
        body: json!({
            "name": row.name, "version": row.version, "slot": row.slot, "instrument": row.instrument,
            "config_hash": row.config_hash, "source_hash": row.source_hash,
            "feature_order_hash": row.feature_order_hash, "feature_contract_hash": row.feature_contract_hash,
            "reward_config_hash": row.reward_config_hash, "date_ranges_version": row.date_ranges_version,
            "frozen_hash": frozen, "created_by": row.created_by,
        }),
    };
    audit::append(tx, app.keys.audit(), row.created_at, event)
        .await
        .map(drop)
}

fn row(contract: ExperimentContract, created_by: &PersonId) -> ExperimentRow {
    ExperimentRow {
        contract_id: contract.contract_id,
        name: contract.name,
        version: contract.version,
        config_hash: contract.config_hash,
        source_hash: contract.source_hash,
        feature_order_hash: contract.feature_order_hash,
        feature_contract_hash: contract.feature_contract_hash,
        reward_config_hash: contract.reward_config_hash,
        date_ranges_version: contract.date_ranges_version,
        slot: contract.frozen.slot.clone(),
        instrument: contract.frozen.data.instrument.clone(),
        frozen: contract.frozen,
        feature_contract: contract.feature_contract,
        created_by: created_by.clone(),
        created_at: contract.created_at,
    }
}

/// The contract a row holds.
#[must_use]
pub fn contract_of(row: &ExperimentRow) -> ExperimentContract {
    ExperimentContract {
        schema_version: ExperimentContractV1,
        contract_id: row.contract_id.clone(),
        name: row.name.clone(),
        version: row.version.clone(),
        config_hash: row.config_hash,
        source_hash: row.source_hash,
        feature_order_hash: row.feature_order_hash,
        feature_contract_hash: row.feature_contract_hash,
        reward_config_hash: row.reward_config_hash,
        date_ranges_version: row.date_ranges_version.clone(),
        frozen: row.frozen.clone(),
        feature_contract: row.feature_contract.clone(),
        created_at: row.created_at,
    }
}
