//! Rows against the chain, and documents against their signatures.

use contracts::directive::Directive;
use contracts::hash::ArtifactHash;
use contracts::jcs;
use contracts::production::ProductionContract;
use contracts::signing::TrustedKeys;
use serde_json::{Value, json};

use super::verify::{Report, Told};
use super::{ROWS, Stored};
use crate::artifacts::ArtifactStore;
use crate::store::{Store, StoreError, TOLD, time_text};
pub(super) use crate::votes::LOG;

/// A slot nobody has moved yet has no event.
fn is_new_slot(table: &str, row: &Value) -> bool {
    table == "slots" && row["generation"] == 0 && row["halted"] == 0 && row["halted_by"] == Value::Null
}

/// Every row of every told table.
pub(super) async fn compare(store: &Store, mut told: Told, report: &mut Report) -> Result<(), StoreError> {
    for table in TOLD {
        for (name, holds) in store.told_rows(table).await? {
            report.rows += 1;
            let place = format!("{} {name}", table.name);
            match told.rows.remove(&(table.name.to_owned(), name)) {
                Some((_, said)) if same(Some(&said), Some(&holds)) => {}
                Some((seq, Value::Null)) => {
                    report.found("row", place, format!("event {seq} says it was deleted"))
                }
                Some((seq, said)) => report.found("row", place, difference(seq, &said, &holds)),
                None if is_new_slot(table.name, &holds) => {}
                None => report.found("row", place, "no event tells of it: it was added by hand"),
            }
        }
    }
    let gone = told.rows.iter().filter(|(_, (_, said))| !said.is_null());
    for ((table, name), (seq, _)) in gone {
        report.found(
            "row",
            format!("{table} {name}"),
            format!("event {seq} tells of it, and it is gone"),
        );
    }
    log(store, told, report).await
}

/// Equal in canonical form: an event, which is stored in it, writes 1.0 as 1.
fn same(said: Option<&Value>, holds: Option<&Value>) -> bool {
    let canonical = |value: &Value| jcs::to_canonical(value).ok();
    said == holds
        || said
            .and_then(canonical)
            .zip(holds.and_then(canonical))
            .is_some_and(|(a, b)| a == b)
}

/// One row against the newest of `events` that tells of it: what it holds now, or what is wrong with it.
pub(crate) fn as_told(
    events: &[Stored],
    trusted: &TrustedKeys,
    table: &str,
    name: &str,
    holds: Option<&Value>,
) -> Result<(), String> {
    let telling = |stored: &&Stored| stored.event.body[ROWS][table].get(name).is_some();
    let Some(newest) = events.iter().rev().find(telling) else {
        return Err("no event tells of its row: it was added by hand".to_owned());
    };
    let seq = newest.event.seq;
    if !newest.is_genuine(trusted) {
        return Err(format!("audit event {seq}, which tells of its row, was altered"));
    }
    let said = &newest.event.body[ROWS][table][name];
    match holds {
        Some(holds) if same(Some(holds), Some(said)) => Ok(()),
        Some(holds) => Err(difference(seq, said, holds)),
        None => Err(format!("event {seq} tells of its row, and it is gone")),
    }
}

/// Which columns differ, and what the event says of them.
fn difference(seq: u64, said: &Value, holds: &Value) -> String {
    if said.is_string() {
        return format!("its columns are others than event {seq} tells of, which holds their hash");
    }
    let (Some(said), Some(holds)) = (said.as_object(), holds.as_object()) else {
        return format!("event {seq} says nothing that could be compared");
    };
    let columns = said
        .keys()
        .chain(holds.keys().filter(|column| !said.contains_key(*column)));
    let differ: Vec<String> = columns
        .filter(|column| !same(said.get(*column), holds.get(*column)))
        .map(|column| {
            let shown = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), Value::to_string);
            format!(
                "{column} is {}, event {seq} says {}",
                shown(holds.get(column)),
                shown(said.get(column))
            )
        })
        .collect();
    differ.join("; ")
}

/// The plan's log: each row says what its event says, and each end of a proposal has its row.
async fn log(store: &Store, mut told: Told, report: &mut Report) -> Result<(), StoreError> {
    for row in store.approval_log().await? {
        report.rows += 1;
        let place = format!("approval_audit_log {}", row.id);
        let Some(end) = told.ends.remove(&row.audit_seq) else {
            let detail = format!(
                "event {} tells of no end of a proposal, or has its row already",
                row.audit_seq
            );
            report.found("log", place, detail);
            continue;
        };
        let event = &end.event;
        let mut said = event.body[LOG].clone();
        said["action"] = json!(event.action);
        said["proposal_id"] = json!(event.subject);
        said["created_at"] = json!(time_text(event.created_at));
        if said != row.said {
            report.found("log", place, difference(event.seq, &said, &row.said));
        }
    }
    for seq in told.ends.keys() {
        report.found(
            "log",
            format!("event {seq}"),
            "its row in approval_audit_log is gone",
        );
    }
    Ok(())
}

/// Signed contracts: each is what its row says, and its signatures carry it.
pub(super) async fn contracts(
    store: &Store,
    trusted: &TrustedKeys,
    report: &mut Report,
) -> Result<(), StoreError> {
    for slot in store.slots().await? {
        for row in store.contracts_of(&slot.slot, u32::MAX).await? {
            let place = format!("production_contracts {}", row.digest);
            let contract = match ProductionContract::parse(row.contract.as_bytes()) {
                Ok(contract) => contract,
                Err(error) => {
                    report.found("contract", place, error);
                    continue;
                }
            };
            if contract.digest() != Ok(row.digest) {
                report.found("contract", place, "its digest is another: its bytes were altered");
            } else if let Err(error) = contract.verify(trusted) {
                report.found("contract", place, error);
            }
        }
    }
    Ok(())
}

/// Signed directives: each is what its row says, and no slot's number is below its newest.
pub(super) async fn directives(
    store: &Store,
    trusted: &TrustedKeys,
    report: &mut Report,
) -> Result<(), StoreError> {
    for slot in store.slots().await? {
        let mut highest = 0;
        for (number, text) in store.directives_of(&slot.slot).await? {
            report.rows += 1;
            highest = highest.max(number);
            let place = format!("directives {} {number}", slot.slot);
            match Directive::parse(text.as_bytes()) {
                Err(error) => report.found("directive", place, error),
                Ok(directive) if directive.number != number || directive.slot != slot.slot => {
                    report.found("directive", place, "its row names another directive");
                }
                Ok(directive) => {
                    if let Err(error) = directive.verify(trusted) {
                        report.found("directive", place, error);
                    }
                }
            }
        }
        if slot.directive_number < highest {
            let detail = format!(
                "directive_number is {}, and number {highest} was given",
                slot.directive_number
            );
            report.found("row", format!("slots {}", slot.slot), detail);
        }
    }
    Ok(())
}

/// Artifacts of models and backtests: each is there with its bytes.
pub(super) async fn artifacts(
    store: &Store,
    artifacts: &dyn ArtifactStore,
    report: &mut Report,
) -> Result<(), StoreError> {
    for (place, column, hash) in store.named_artifacts().await? {
        let Ok(hash) = ArtifactHash::parse(hash.trim_start_matches("sha256:")) else {
            report.found("artifact", place, format!("{column} is no hash"));
            continue;
        };
        report.artifacts += 1;
        if let Err(error) = artifacts.get(hash) {
            report.found("artifact", place, format!("{column}: {error}"));
        }
    }
    Ok(())
}
