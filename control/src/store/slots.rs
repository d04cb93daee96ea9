//! Slots, the contracts and directives signed for them, and what ran when.

use contracts::directive::Directive;
use contracts::hash::ContractDigest;
use contracts::ids::{Environment, ModelId, PersonId, ProposalId, SlotId};
use contracts::time::UtcMillis;
use sqlx::any::AnyRow;

use super::text::{Columns, json, number, time};
use super::tx::exactly_one;
use super::{Dialect, Store, StoreError, Tx};
use crate::words::words;

const TABLE: &str = "slots";

/// A slot's numbers and its control latch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotRow {
    /// The slot.
    pub slot: SlotId,
    /// Where it lives.
    pub environment: Environment,
    /// Highest generation ever given.
    pub generation: u64,
    /// Highest directive number ever given.
    pub directive_number: u64,
    /// The control latch as last ordered.
    pub halted: bool,
    /// By whom.
    pub halted_by: Option<PersonId>,
    /// When.
    pub halted_at: Option<UtcMillis>,
}

/// A signed production contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContractRow {
    /// The slot.
    pub slot: SlotId,
    /// Its number.
    pub generation: u64,
    /// Its digest.
    pub digest: ContractDigest,
    /// The model.
    pub model_id: ModelId,
    /// The document's exact bytes.
    pub contract: String,
    /// When it was signed.
    pub issued_at: UtcMillis,
}

words! {
    /// Why a model came into production.
    Cause {
        /// An approval that deploys.
        Approve = "approve",
        /// A later promotion.
        Promote = "promote",
        /// A return.
        Rollback = "rollback",
    }
}

/// What ran in a slot from when to when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeriodRow {
    /// The slot.
    pub slot: SlotId,
    /// The contract's number.
    pub generation: u64,
    /// The model.
    pub model_id: ModelId,
    /// The contract.
    pub contract_digest: ContractDigest,
    /// The proposal behind it.
    pub proposal_id: Option<ProposalId>,
    /// Why.
    pub cause: Cause,
    /// Who allowed it.
    pub allowed_by: PersonId,
    /// From.
    pub started_at: UtcMillis,
    /// To; open for the one that runs.
    pub ended_at: Option<UtcMillis>,
}

impl Tx {
    /// Makes the slot known; its environment never changes.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn ensure_slot(
        &mut self,
        slot: &SlotId,
        environment: &Environment,
        at: UtcMillis,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO slots (slot, environment, created_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        )
        .bind(slot.to_string())
        .bind(environment.to_string())
        .bind(time(at))
        .execute(self.statement()?)
        .await?;
        Ok(())
    }

    /// The slot, which nobody else gives numbers in before this transaction ends. Whatever changes what a slot runs takes this first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn slot_for_update(&mut self, slot: &SlotId) -> Result<Option<SlotRow>, StoreError> {
        let sql = match self.dialect() {
            Dialect::Sqlite => "SELECT * FROM slots WHERE slot = $1",
            Dialect::Postgres => "SELECT * FROM slots WHERE slot = $1 FOR UPDATE",
        };
        let row = sqlx::query(sql)
            .bind(slot.to_string())
            .fetch_optional(self.statement()?)
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// Stores a signed contract and notes its generation as given.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn insert_contract(&mut self, row: &ContractRow) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO production_contracts (slot, generation, contract_digest, model_id, contract, issued_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(row.slot.to_string())
        .bind(number(row.generation))
        .bind(row.digest.to_hex())
        .bind(row.model_id.to_string())
        .bind(row.contract.as_str())
        .bind(time(row.issued_at))
        .execute(self.statement()?)
        .await?;
        let done = sqlx::query("UPDATE slots SET generation = $2 WHERE slot = $1 AND generation < $2")
            .bind(row.slot.to_string())
            .bind(number(row.generation))
            .execute(self.statement()?)
            .await?;
        self.changed("production_contracts", vec![row.digest.to_hex().into()]);
        self.changed(TABLE, vec![row.slot.to_string().into()]);
        exactly_one(TABLE, done.rows_affected())
    }

    /// Ends the open production period, if there is one, and opens another where one is given.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn turn_period(
        &mut self,
        slot: &SlotId,
        next: Option<&PeriodRow>,
        at: UtcMillis,
    ) -> Result<(), StoreError> {
        let ended = sqlx::query(
            "UPDATE production_periods SET ended_at = $2 WHERE slot = $1 AND ended_at IS NULL RETURNING generation",
        )
        .bind(slot.to_string())
        .bind(time(at))
        .fetch_all(self.statement()?)
        .await?;
        for row in &ended {
            let generation = Columns::of("production_periods", row).count("generation")?;
            self.changed(
                "production_periods",
                vec![slot.to_string().into(), generation.into()],
            );
        }
        let Some(next) = next else { return Ok(()) };
        sqlx::query(
            "INSERT INTO production_periods (slot, generation, model_id, contract_digest, proposal_id, cause, allowed_by,
                started_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(next.slot.to_string())
        .bind(number(next.generation))
        .bind(next.model_id.to_string())
        .bind(next.contract_digest.to_hex())
        .bind(next.proposal_id.as_ref().map(ProposalId::to_string))
        .bind(next.cause.word())
        .bind(next.allowed_by.to_string())
        .bind(time(next.started_at))
        .execute(self.statement()?)
        .await?;
        self.changed(
            "production_periods",
            vec![slot.to_string().into(), next.generation.into()],
        );
        Ok(())
    }

    /// Stores a signed directive and notes its number as given.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn insert_directive(&mut self, directive: &Directive) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO directives (slot, number, generation, halted, clears, directive, issued_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(directive.slot.to_string())
        .bind(number(directive.number))
        .bind(number(directive.generation))
        .bind(i64::from(directive.halted))
        .bind(json(&directive.clears))
        .bind(json(directive))
        .bind(time(directive.issued_at))
        .execute(self.statement()?)
        .await?;
        let done =
            sqlx::query("UPDATE slots SET directive_number = $2 WHERE slot = $1 AND directive_number < $2")
                .bind(directive.slot.to_string())
                .bind(number(directive.number))
                .execute(self.statement()?)
                .await?;
        exactly_one(TABLE, done.rows_affected())
    }

    /// The slot's newest directives, as signed, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn newest_directives(&mut self, slot: &SlotId, limit: u32) -> Result<Vec<String>, StoreError> {
        let rows =
            sqlx::query("SELECT directive FROM directives WHERE slot = $1 ORDER BY number DESC LIMIT $2")
                .bind(slot.to_string())
                .bind(i64::from(limit))
                .fetch_all(self.statement()?)
                .await?;
        rows.iter()
            .map(|row| Columns::of("directives", row).text("directive"))
            .collect()
    }

    /// Every slot with the highest numbers that were given to it or reported by an engine: generation, directive.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn highest_numbers(&mut self) -> Result<Vec<(SlotId, u64, u64)>, StoreError> {
        let rows = sqlx::query(
            "SELECT slots.slot AS slot, slots.generation AS generation, slots.directive_number AS directive_number,
                COALESCE(MAX(engines.generation_highest), 0) AS generation_seen,
                COALESCE(MAX(engines.directive_highest), 0) AS directive_seen
             FROM slots LEFT JOIN engines ON engines.slot = slots.slot
             GROUP BY slots.slot, slots.generation, slots.directive_number ORDER BY slots.slot",
        )
        .fetch_all(self.statement()?)
        .await?;
        rows.iter()
            .map(|row| {
                let row = Columns::of(TABLE, row);
                let generation = row.count("generation")?.max(row.count("generation_seen")?);
                let directive = row.count("directive_number")?.max(row.count("directive_seen")?);
                Ok((row.parsed("slot")?, generation, directive))
            })
            .collect()
    }

    /// The slot's next contract and directive have numbers above these. Numbers never go back.
    ///
    /// # Errors
    /// [`StoreError::Refused`] for numbers below those that were given; [`StoreError::RowCount`] when there is no such slot.
    pub async fn raise_numbers(
        &mut self,
        slot: &SlotId,
        generation: u64,
        directive_number: u64,
    ) -> Result<(), StoreError> {
        let done = sqlx::query("UPDATE slots SET generation = $2, directive_number = $3 WHERE slot = $1")
            .bind(slot.to_string())
            .bind(number(generation))
            .bind(number(directive_number))
            .execute(self.statement()?)
            .await?;
        self.changed(TABLE, vec![slot.to_string().into()]);
        exactly_one(TABLE, done.rows_affected())
    }

    /// Sets or clears the control latch.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn set_halted(
        &mut self,
        slot: &SlotId,
        by: Option<&PersonId>,
        at: UtcMillis,
    ) -> Result<(), StoreError> {
        let done =
            sqlx::query("UPDATE slots SET halted = $2, halted_by = $3, halted_at = $4 WHERE slot = $1")
                .bind(slot.to_string())
                .bind(i64::from(by.is_some()))
                .bind(by.map(PersonId::to_string))
                .bind(by.map(|_| time(at)))
                .execute(self.statement()?)
                .await?;
        self.changed(TABLE, vec![slot.to_string().into()]);
        exactly_one(TABLE, done.rows_affected())
    }

    /// The contract of the slot's newest generation, within the transaction.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn newest_contract(&mut self, slot: &SlotId) -> Result<Option<ContractRow>, StoreError> {
        let row = sqlx::query(NEWEST_CONTRACT)
            .bind(slot.to_string())
            .fetch_optional(self.statement()?)
            .await?;
        row.as_ref().map(read_contract).transpose()
    }
}

impl Tx {
    /// The newest contract under which a model ran in the slot.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn contract_of_model(
        &mut self,
        slot: &SlotId,
        model: &ModelId,
    ) -> Result<Option<ContractRow>, StoreError> {
        let row = sqlx::query(
            "SELECT * FROM production_contracts WHERE slot = $1 AND model_id = $2 ORDER BY generation DESC LIMIT 1",
        )
        .bind(slot.to_string())
        .bind(model.to_string())
        .fetch_optional(self.statement()?)
        .await?;
        row.as_ref().map(read_contract).transpose()
    }
}

impl Store {
    /// All slots.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn slots(&self) -> Result<Vec<SlotRow>, StoreError> {
        let rows = sqlx::query("SELECT * FROM slots ORDER BY slot")
            .fetch_all(self.pool())
            .await?;
        rows.iter().map(read).collect()
    }

    /// The slot.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn slot(&self, slot: &SlotId) -> Result<Option<SlotRow>, StoreError> {
        let row = sqlx::query("SELECT * FROM slots WHERE slot = $1")
            .bind(slot.to_string())
            .fetch_optional(self.pool())
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// The contract of the slot's newest generation.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn newest_contract(&self, slot: &SlotId) -> Result<Option<ContractRow>, StoreError> {
        let row = sqlx::query(NEWEST_CONTRACT)
            .bind(slot.to_string())
            .fetch_optional(self.pool())
            .await?;
        row.as_ref().map(read_contract).transpose()
    }

    /// All contracts of a slot, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn contracts_of(&self, slot: &SlotId, limit: u32) -> Result<Vec<ContractRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM production_contracts WHERE slot = $1 ORDER BY generation DESC LIMIT $2",
        )
        .bind(slot.to_string())
        .bind(i64::from(limit))
        .fetch_all(self.pool())
        .await?;
        rows.iter().map(read_contract).collect()
    }

    /// The slot's newest directive, as signed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn newest_directive(&self, slot: &SlotId) -> Result<Option<String>, StoreError> {
        let row =
            sqlx::query("SELECT directive FROM directives WHERE slot = $1 ORDER BY number DESC LIMIT 1")
                .bind(slot.to_string())
                .fetch_optional(self.pool())
                .await?;
        row.map(|row| Columns::of("directives", &row).text("directive"))
            .transpose()
    }

    /// What ran in the slot, newest first; with `as_of` only what ran then.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn periods(
        &self,
        slot: &SlotId,
        as_of: Option<UtcMillis>,
    ) -> Result<Vec<PeriodRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM production_periods WHERE slot = $1
               AND ($2 IS NULL OR (started_at <= $2 AND (ended_at IS NULL OR ended_at > $2)))
             ORDER BY generation DESC",
        )
        .bind(slot.to_string())
        .bind(as_of.map(time))
        .fetch_all(self.pool())
        .await?;
        rows.iter().map(read_period).collect()
    }
}

const NEWEST_CONTRACT: &str =
    "SELECT * FROM production_contracts WHERE slot = $1 ORDER BY generation DESC LIMIT 1";

fn read(row: &AnyRow) -> Result<SlotRow, StoreError> {
    let row = Columns::of(TABLE, row);
    Ok(SlotRow {
        slot: row.parsed("slot")?,
        environment: row.parsed("environment")?,
        generation: row.count("generation")?,
        directive_number: row.count("directive_number")?,
        halted: row.flag("halted")?,
        halted_by: row.parsed_or_null("halted_by")?,
        halted_at: row.time_or_null("halted_at")?,
    })
}

pub(super) fn read_contract(row: &AnyRow) -> Result<ContractRow, StoreError> {
    let row = Columns::of("production_contracts", row);
    Ok(ContractRow {
        slot: row.parsed("slot")?,
        generation: row.count("generation")?,
        digest: row.parsed("contract_digest")?,
        model_id: row.parsed("model_id")?,
        contract: row.text("contract")?,
        issued_at: row.time("issued_at")?,
    })
}

fn read_period(row: &AnyRow) -> Result<PeriodRow, StoreError> {
    let row = Columns::of("production_periods", row);
    Ok(PeriodRow {
        slot: row.parsed("slot")?,
        generation: row.count("generation")?,
        model_id: row.parsed("model_id")?,
        contract_digest: row.parsed("contract_digest")?,
        proposal_id: row.parsed_or_null("proposal_id")?,
        cause: row.parsed("cause")?,
        allowed_by: row.parsed("allowed_by")?,
        started_at: row.time("started_at")?,
        ended_at: row.time_or_null("ended_at")?,
    })
}
