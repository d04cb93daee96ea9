//! The routine directive: while a model is in production it is signed again every quarter of an hour, so that an engine knows that the
//! plane still stands behind what it runs. It clears nothing.

use contracts::directive::Directive;
use contracts::ids::SlotId;

use super::directive::{self, DirectiveError};
use crate::app::{App, Changed};
use crate::limits::DIRECTIVE_PERIOD_MS;
use crate::store::StoreError;

/// Why a slot has no fresh directive.
#[derive(Debug, thiserror::Error)]
pub enum RenewError {
    /// It cannot be signed.
    #[error("no directive can be signed for {slot}")]
    Directive {
        /// Which slot.
        slot: SlotId,
        /// Why.
        source: DirectiveError,
    },
    /// The database.
    #[error("the database did not answer")]
    Store(#[from] StoreError),
}

/// Signs a directive for every slot with a production model whose newest is a quarter of an hour old. Slots that fail are returned
/// beside those that were renewed: one edited row stops its own slot only.
///
/// # Errors
/// [`RenewError::Store`] when the slots cannot be read.
pub async fn renew(app: &App) -> Result<(Vec<SlotId>, Vec<RenewError>), RenewError> {
    let (mut renewed, mut failed) = (Vec::new(), Vec::new());
    for slot in app.store.slots().await? {
        match renew_one(app, &slot.slot).await {
            Ok(true) => renewed.push(slot.slot),
            Ok(false) => {}
            Err(error) => failed.push(error),
        }
    }
    Ok((renewed, failed))
}

async fn renew_one(app: &App, slot: &SlotId) -> Result<bool, RenewError> {
    let mut tx = app.store.begin().await?;
    let Some(row) = tx.slot_for_update(slot).await? else {
        return Ok(false);
    };
    let newest = app.store.newest_directive(slot).await?;
    let newest = newest.and_then(|text| Directive::parse(text.as_bytes()).ok());
    let due = newest.is_none_or(|directive| app.now().0 - directive.issued_at.0 >= DIRECTIVE_PERIOD_MS);
    if !due || tx.production_model(slot).await?.is_none() {
        return Ok(false);
    }
    directive::issue(app, &mut tx, &row, &[])
        .await
        .map_err(|source| RenewError::Directive {
            slot: slot.clone(),
            source,
        })?;
    tx.commit().await?;
    app.tell(Changed::Slot { slot: slot.clone() });
    Ok(true)
}
