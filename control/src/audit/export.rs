//! The chain as a file: one event a line, with its hash and signature, so that it can be checked without the database.

use std::io::{self, BufRead, Write};

use contracts::signing::TrustedKeys;

use super::Stored;
use super::heads::SignedHead;
use super::verify::{ChainCheck, Report};
use crate::limits::CHAIN_PAGE_ROWS;
use crate::store::{AuditFilter, Store, StoreError};

/// Why there is no export, or it cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The file.
    #[error("the export cannot be read or written")]
    Io(#[from] io::Error),
    /// The database.
    #[error("the database did not answer")]
    Store(#[from] StoreError),
}

/// Writes one event as a line.
///
/// # Errors
/// The writer's.
pub fn write_line(out: &mut dyn Write, event: &Stored) -> io::Result<()> {
    serde_json::to_writer(&mut *out, event)?;
    out.write_all(b"\n")
}

/// Writes all events after `after`; returns how many.
///
/// # Errors
/// [`ExportError`].
pub async fn write(store: &Store, after: u64, out: &mut dyn Write) -> Result<u64, ExportError> {
    let (mut last, mut count) = (after, 0);
    loop {
        let filter = AuditFilter {
            after: last,
            ..AuditFilter::default()
        };
        let page = store.audit_events(&filter, CHAIN_PAGE_ROWS).await?;
        let Some(newest) = page.last() else {
            return Ok(count);
        };
        last = newest.event.seq;
        for event in &page {
            write_line(out, event)?;
            count += 1;
        }
    }
}

/// Checks an export of the whole chain: its links, hashes and signatures, and the heads.
///
/// # Errors
/// [`ExportError::Io`].
pub fn check(
    input: &mut dyn BufRead,
    trusted: &TrustedKeys,
    heads: &[SignedHead],
) -> Result<Report, ExportError> {
    let mut chain = ChainCheck::new(trusted, heads);
    for (number, line) in (1_u64..).zip(input.lines()) {
        match serde_json::from_str(&line?) {
            Ok(event) => chain.step(&event),
            Err(error) => {
                chain.unreadable(number, &error);
                break;
            }
        }
    }
    let (report, _) = chain.end();
    Ok(report)
}
