//! Signing a slot's desired state.

use contracts::directive::{Directive, DirectiveV1};
use contracts::hash::ContractDigest;
use contracts::jcs::JcsError;
use contracts::reason::Latch;

use crate::app::App;
use crate::contract;
use crate::limits::{DIRECTIVE_RENEW_MS, DIRECTIVES_SEARCHED_MAX};
use crate::store::{SlotRow, StoreError, Tx};

/// Why no directive was signed.
#[derive(Debug, thiserror::Error)]
pub enum DirectiveError {
    /// The database.
    #[error("the directive was not stored")]
    Store(#[from] StoreError),
    /// A number has no canonical form.
    #[error("the directive has no canonical form")]
    Jcs(#[from] JcsError),
    /// The stored contract is not one this plane signed: the database was edited, nothing is signed about it.
    #[error("the newest contract of the slot does not verify: the database was edited")]
    Contract,
}

/// What a directive is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct About {
    /// Number and digest of the contract; none for a slot that runs nothing.
    contract: Option<(u64, ContractDigest)>,
    /// Whether its model is the one that may run.
    in_production: bool,
}

/// Signs and stores the slot's next directive: the newest contract, the control latch as it stands, and the latches that two people
/// agreed to clear (none in a routine one). A contract whose model is no longer the slot's production model is named as halted, whatever
/// the latch says. The slot's row must be locked.
///
/// # Errors
/// [`DirectiveError`].
pub async fn issue(
    app: &App,
    tx: &mut Tx,
    slot: &SlotRow,
    clears: &[Latch],
) -> Result<Directive, DirectiveError> {
    let about = running(app, tx, slot).await?;
    let halted = slot.halted || (about.contract.is_some() && !about.in_production);
    sign(app, tx, slot, about.contract, halted, clears).await
}

/// Signs and stores a directive that stops the slot, which never fails for what is stored about its contract: where the newest one does
/// not verify, the newest directive that does says what runs, and where there is none, nothing shall run. True beside it when the
/// newest contract verified.
///
/// # Errors
/// [`DirectiveError`]: the database does not answer.
pub(super) async fn issue_halt(
    app: &App,
    tx: &mut Tx,
    slot: &SlotRow,
) -> Result<(Directive, bool), DirectiveError> {
    let (contract, verified) = match running(app, tx, slot).await {
        Ok(about) => (about.contract, true),
        Err(DirectiveError::Store(error)) if !matches!(error, StoreError::Corrupt { .. }) => {
            return Err(error.into());
        }
        Err(_) => (last_told(app, tx, slot).await?, false),
    };
    Ok((sign(app, tx, slot, contract, true, &[]).await?, verified))
}

async fn sign(
    app: &App,
    tx: &mut Tx,
    slot: &SlotRow,
    contract: Option<(u64, ContractDigest)>,
    halted: bool,
    clears: &[Latch],
) -> Result<Directive, DirectiveError> {
    let at = app.now();
    let mut clears = clears.to_vec();
    clears.sort();
    clears.dedup();
    let mut directive = Directive {
        schema_version: DirectiveV1,
        environment: slot.environment.clone(),
        slot: slot.slot.clone(),
        generation: contract.map_or(0, |(generation, _)| generation),
        contract: contract.map(|(_, digest)| digest),
        halted,
        clears,
        number: slot.directive_number + 1,
        issued_at: at,
        renew_by: at.plus_ms(DIRECTIVE_RENEW_MS),
        signatures: Vec::new(),
    };
    directive.sign(app.keys.contract())?;
    tx.insert_directive(&directive).await?;
    Ok(directive)
}

/// True while the slot's newest contract is about another model than the one in production: it was withdrawn. The row must be locked.
///
/// # Errors
/// [`DirectiveError`].
pub(super) async fn runs_no_production_model(
    app: &App,
    tx: &mut Tx,
    slot: &SlotRow,
) -> Result<bool, DirectiveError> {
    let about = running(app, tx, slot).await?;
    Ok(about.contract.is_some() && !about.in_production)
}

/// The contract the slot should run, if the stored one still verifies.
async fn running(app: &App, tx: &mut Tx, slot: &SlotRow) -> Result<About, DirectiveError> {
    let Some(row) = tx.newest_contract(&slot.slot).await? else {
        return Ok(About {
            contract: None,
            in_production: false,
        });
    };
    let contract =
        contract::verified(&row, &slot.slot, app.keys.trusted()).ok_or(DirectiveError::Contract)?;
    let production = tx.production_model(&slot.slot).await?;
    Ok(About {
        contract: Some((row.generation, row.digest)),
        in_production: production.is_some_and(|model| model.model_id == contract.model_id),
    })
}

/// The contract that the newest directive names which verifies.
async fn last_told(
    app: &App,
    tx: &mut Tx,
    slot: &SlotRow,
) -> Result<Option<(u64, ContractDigest)>, DirectiveError> {
    let told = tx
        .newest_directives(&slot.slot, DIRECTIVES_SEARCHED_MAX)
        .await?
        .iter()
        .filter_map(|text| Directive::parse(text.as_bytes()).ok())
        .find(|told| {
            let same = told.slot == slot.slot && told.environment == slot.environment;
            same && told.verify(app.keys.trusted()).is_ok()
        });
    Ok(told.and_then(|told| Some((told.generation, told.contract?))))
}
