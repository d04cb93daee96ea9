//! The signed statements of people: second votes, later promotions, rollbacks. What is signed, not what a status column says, is what
//! a production contract is built from.

use contracts::ids::{ModelId, ProposalId, SlotId};
use contracts::production::{Promote, Rollback, SecondVote, Signed};
use contracts::time::UtcMillis;

use super::text::{Columns, json, time};
use super::{StoreError, Tx};

/// A statement to keep.
#[derive(Debug, Clone, Copy)]
pub enum StatementRow<'a> {
    /// Yes or no about a proposal.
    Second(&'a Signed<SecondVote>),
    /// An approved model goes into production.
    Promote(&'a Signed<Promote>),
    /// An earlier one comes back.
    Rollback(&'a Signed<Rollback>),
}

impl StatementRow<'_> {
    fn parts(&self) -> (&'static str, Option<&ProposalId>, &ModelId, &SlotId, String) {
        match self {
            Self::Second(signed) => {
                let said = &signed.statement;
                (
                    "second",
                    Some(&said.proposal_id),
                    &said.model_id,
                    &said.slot,
                    json(signed),
                )
            }
            Self::Promote(signed) => {
                let said = &signed.statement;
                (
                    "promote",
                    Some(&said.proposal_id),
                    &said.model_id,
                    &said.slot,
                    json(signed),
                )
            }
            Self::Rollback(signed) => {
                let said = &signed.statement;
                ("rollback", None, &said.model_id, &said.slot, json(signed))
            }
        }
    }
}

impl Tx {
    /// Keeps a statement.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn insert_statement(&mut self, row: StatementRow<'_>, at: UtcMillis) -> Result<(), StoreError> {
        let (kind, proposal, model, slot, statement) = row.parts();
        let row = sqlx::query(
            "INSERT INTO vote_statements (kind, proposal_id, model_id, slot, statement, created_at)
             VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
        )
        .bind(kind)
        .bind(proposal.map(ProposalId::to_string))
        .bind(model.to_string())
        .bind(slot.to_string())
        .bind(statement)
        .bind(time(at))
        .fetch_one(self.statement()?)
        .await?;
        let id = Columns::of("vote_statements", &row).count("id")?;
        self.changed("vote_statements", vec![id.into()]);
        Ok(())
    }

    /// The second vote about a proposal, as signed. Its signature is the caller's to verify.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn second_vote(
        &mut self,
        proposal: &ProposalId,
    ) -> Result<Option<Signed<SecondVote>>, StoreError> {
        let row = sqlx::query(
            "SELECT statement FROM vote_statements WHERE kind = 'second' AND proposal_id = $1 ORDER BY id DESC LIMIT 1",
        )
        .bind(proposal.to_string())
        .fetch_optional(self.statement()?)
        .await?;
        row.map(|row| Columns::of("vote_statements", &row).json("statement"))
            .transpose()
    }
}
