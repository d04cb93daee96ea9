//! Signing a slot's desired state.

use contracts::directive::{Directive, DirectiveV1};
use contracts::hash::ContractDigest;
use contracts::jcs::JcsError;
use contracts::reason::Latch;

use crate::app::App;
use crate::limits::DIRECTIVE_RENEW_MS;
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

/// Signs and stores the slot's next directive: the newest contract, the control latch as it stands, and the latches that two people
/// agreed to clear (none in a routine one). The slot's row must be locked.
///
/// # Errors
/// [`DirectiveError`].
pub async fn issue(
    app: &App,
    tx: &mut Tx,
    slot: &SlotRow,
    clears: &[Latch],
) -> Result<Directive, DirectiveError> {
    let at = app.now();
    let contract = running(app, tx, slot).await?;
    let mut clears = clears.to_vec();
    clears.sort();
    clears.dedup();
    let mut directive = Directive {
        schema_version: DirectiveV1,
        environment: slot.environment.clone(),
        slot: slot.slot.clone(),
        generation: contract.map_or(0, |(generation, _)| generation),
        contract: contract.map(|(_, digest)| digest),
        halted: slot.halted,
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

/// The contract the slot should run, if the stored one still verifies.
async fn running(
    app: &App,
    tx: &mut Tx,
    slot: &SlotRow,
) -> Result<Option<(u64, ContractDigest)>, DirectiveError> {
    let Some(row) = tx.newest_contract(&slot.slot).await? else {
        return Ok(None);
    };
    let contract = contracts::production::ProductionContract::parse(row.contract.as_bytes())
        .map_err(|_| DirectiveError::Contract)?;
    let same = contract.generation == row.generation
        && contract.slot == slot.slot
        && contract.digest()? == row.digest;
    if !same || contract.verify(app.keys.trusted()).is_err() {
        return Err(DirectiveError::Contract);
    }
    Ok(Some((row.generation, row.digest)))
}
