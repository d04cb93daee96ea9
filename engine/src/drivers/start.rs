//! How a run begins: the journal opened and judged, `start` and `contract` written.

use std::path::Path;
use std::sync::Arc;

use contracts::time::UnixNanos;

use super::outlet::{Outlet, OutletError, Publish};
use crate::bundle::Verified;
use crate::core::record::ContractRecord;
use crate::core::{CoreOptions, Records};
use crate::journal::{
    BootIdError, JournalError, JournalOptions, Opened, RealDisk, Start, Writer, boot_id, open,
};

/// Why a run cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The directory cannot be used. Another engine may hold it.
    #[error("the journal's directory cannot be used; another engine may be running on it")]
    Directory(#[source] std::io::Error),
    /// The journal is damaged or cannot be read; it names file and offset.
    #[error("the journal cannot be opened")]
    Journal(#[from] JournalError),
    /// The machine does not say when it was booted.
    #[error("the boot id cannot be read")]
    Boot(#[from] BootIdError),
    /// A replay begins with an empty journal.
    #[error("it holds a journal already")]
    NotEmpty,
}

/// Opens the journal in `dir` for this process alone.
///
/// # Errors
/// [`StartError`].
pub fn open_journal(dir: &Path, options: JournalOptions) -> Result<Opened, StartError> {
    let disk = RealDisk::locked(dir).map_err(StartError::Directory)?;
    Ok(open(Arc::new(disk), options)?)
}

/// Writes the `start` record of this run.
///
/// # Errors
/// [`StartError`].
pub fn start_run(opened: Opened, core: &CoreOptions, now: UnixNanos) -> Result<Writer, StartError> {
    let names: Vec<&str> = core
        .instruments
        .iter()
        .map(contracts::ids::InstrumentId::as_str)
        .collect();
    Ok(opened.start(&Start {
        time: now,
        boot: boot_id()?,
        engine_version: env!("CARGO_PKG_VERSION"),
        shards: core.shards,
        instruments: &names,
    })?)
}

/// Notes an accepted contract: its generation is taken for ever.
///
/// # Errors
/// [`OutletError`].
pub fn note_contract<P: Publish>(
    outlet: &mut Outlet<P>,
    verified: &Verified,
    now: UnixNanos,
) -> Result<(), OutletError> {
    let mut records = Records::default();
    push_contract(&mut records, verified);
    outlet.take(&mut records, now)
}

/// The same while the journal has no driver yet.
///
/// # Errors
/// [`JournalError`].
pub fn note_first_contract(
    writer: &mut Writer,
    verified: &Verified,
    now: UnixNanos,
) -> Result<(), JournalError> {
    let mut records = Records::default();
    push_contract(&mut records, verified);
    writer.append(&mut records, now)?;
    writer.commit()
}

/// Adds the record of an accepted contract.
pub fn push_contract(records: &mut Records, verified: &Verified) {
    let contract = &verified.contract;
    records.push_contract(&ContractRecord {
        generation: contract.generation,
        digest: verified.digest,
        model_id: contract.model_id.as_str(),
        slot: contract.slot.as_str(),
        environment: contract.environment.as_str(),
        origin: contract.origin,
    });
}

/// Begins an empty journal for a replay under one contract.
///
/// # Errors
/// [`StartError`]; [`StartError::NotEmpty`] when something was written there before.
pub fn begin_journal(
    dir: &Path,
    options: JournalOptions,
    core: &CoreOptions,
    now: UnixNanos,
    verified: &Verified,
) -> Result<Writer, StartError> {
    let opened = open_journal(dir, options)?;
    if opened.recovered.next_lsn > 1 {
        return Err(StartError::NotEmpty);
    }
    let mut writer = start_run(opened, core, now)?;
    note_first_contract(&mut writer, verified, now)?;
    Ok(writer)
}
