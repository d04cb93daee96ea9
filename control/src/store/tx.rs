//! A transaction: whatever belongs together.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{Any, AnyConnection, Transaction};

use super::told::Key;
use super::{Dialect, StoreError};

/// Lets one statement fail, as a crash before it would: the transaction is then never committed.
#[derive(Debug, Default)]
pub struct FaultPlan {
    /// The statement, counted from 1 within a transaction (its commit is one too); 0 lets all pass.
    fail_before: AtomicU32,
    /// Statements of the longest transaction so far.
    longest: AtomicU32,
}

impl FaultPlan {
    /// From now on fails before this statement of every transaction.
    pub fn fail_before(&self, statement: u32) {
        self.fail_before.store(statement, Ordering::SeqCst);
    }

    /// Statements of the longest transaction so far.
    #[must_use]
    pub fn longest(&self) -> u32 {
        self.longest.load(Ordering::SeqCst)
    }
}

/// A transaction that writes; dropped without [`Tx::commit`] it changes nothing.
#[derive(Debug)]
pub struct Tx {
    inner: Transaction<'static, Any>,
    dialect: Dialect,
    faults: Option<Arc<FaultPlan>>,
    statements: u32,
    /// Rows of told tables that no event has told of yet.
    pub(super) untold: BTreeSet<(&'static str, Vec<Key>)>,
}

impl Tx {
    pub(super) const fn new(
        inner: Transaction<'static, Any>,
        dialect: Dialect,
        faults: Option<Arc<FaultPlan>>,
    ) -> Self {
        Self {
            inner,
            dialect,
            faults,
            statements: 0,
            untold: BTreeSet::new(),
        }
    }

    /// The connection, for one statement.
    ///
    /// # Errors
    /// [`StoreError::Planned`] in a test.
    pub(in crate::store) fn statement(&mut self) -> Result<&mut AnyConnection, StoreError> {
        self.count()?;
        Ok(&mut self.inner)
    }

    /// Which database it is: only locks are spelled differently.
    pub(in crate::store) const fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Makes it all true.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing was changed (or, when the connection broke during the commit, the caller cannot know and must
    /// read again).
    pub async fn commit(mut self) -> Result<(), StoreError> {
        self.count()?;
        Ok(self.inner.commit().await?)
    }

    fn count(&mut self) -> Result<(), StoreError> {
        self.statements += 1;
        if let Some(plan) = &self.faults {
            plan.longest.fetch_max(self.statements, Ordering::SeqCst);
            if plan.fail_before.load(Ordering::SeqCst) == self.statements {
                return Err(StoreError::Planned {
                    statement: self.statements,
                });
            }
        }
        Ok(())
    }
}

/// An update that must change exactly one row.
///
/// # Errors
/// [`StoreError::RowCount`].
pub(in crate::store) fn exactly_one(table: &'static str, rows: u64) -> Result<(), StoreError> {
    if rows == 1 {
        Ok(())
    } else {
        Err(StoreError::RowCount { table, rows })
    }
}
