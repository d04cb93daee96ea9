//! What would count no more without a key: the newest contract and directive of each slot.

use std::path::Path;

use contracts::directive::Directive;
use contracts::ids::KeyId;
use contracts::signing::{KeyPurpose, TrustedKey, TrustedKeys};

use super::{CliError, Exit, OrExit, block_on};
use crate::contract;
use crate::keys;
use crate::store::{Store, StoreError};

/// What depends on the key, one text each: it verifies under the keys of `folder` and would not without this one.
///
/// # Errors
/// [`Exit::Unavailable`] when the database cannot be read, [`Exit::Refused`] when the keys cannot.
pub fn dependents(
    database: &str,
    folder: &Path,
    purpose: KeyPurpose,
    id: &KeyId,
) -> Result<Vec<String>, CliError> {
    let all = keys::trusted(folder).or_exit(Exit::Refused, "the keys cannot be read", "")?;
    let is_it = |key: &TrustedKey| key.purpose == purpose && key.public_key.key_id() == *id;
    let rest = all.iter().copied().filter(|key| !is_it(key)).collect();
    let (now, then) = (TrustedKeys::new(all), TrustedKeys::new(rest));
    block_on(async {
        let hint = "check its URL, that it runs, and that `control migrate` was run; --although-in-use revokes without asking it";
        let store = Store::open(database).await;
        let store = store.or_exit(Exit::Unavailable, "the database cannot be opened", hint)?;
        let found = in_use(&store, &now, &then).await;
        found.or_exit(Exit::Unavailable, "the database cannot be read", hint)
    })?
}

async fn in_use(store: &Store, now: &TrustedKeys, then: &TrustedKeys) -> Result<Vec<String>, StoreError> {
    let mut found = Vec::new();
    for row in store.slots().await? {
        let slot = row.slot;
        if let Some(row) = store.newest_contract(&slot).await? {
            let holds = |keys: &TrustedKeys| contract::verified(&row, &slot, keys).is_some();
            if holds(now) && !holds(then) {
                found.push(format!("contract {} of {slot}", row.generation));
            }
        }
        let newest = store.newest_directive(&slot).await?;
        if let Some(directive) = newest.and_then(|text| Directive::parse(text.as_bytes()).ok())
            && directive.verify(now).is_ok()
            && directive.verify(then).is_err()
        {
            found.push(format!("directive {} of {slot}", directive.number));
        }
    }
    Ok(found)
}
