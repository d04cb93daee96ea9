//! Notifications: what people are told outside the plane.
//!
//! A notice is written to the outbox in the transaction of the change it tells of, with one delivery for each target of the settings
//! that asked for its kind: what did not happen is not told, and what happened is told at least once. A task of `control serve` sends
//! the deliveries, tries again with growing pauses, and gives up after the last ([`crate::limits::DELIVERY_PAUSES_S`]).

mod deliver;
mod guard;
mod message;
mod network;
mod settings;

use contracts::ids::{PersonId, SlotId};
use contracts::reason::Latch;
use contracts::time::UtcMillis;
use serde_json::{Value, json};

pub use self::deliver::Deliverer;
pub use self::guard::{Lookup, SystemLookup};
pub use self::message::{SIGNATURE_HEADER, TIMESTAMP_HEADER, signature};
pub use self::network::{Network, why_refused};
pub use self::settings::{TargetKind, WebhookConfig, WebhookError};
use crate::app::App;
use crate::audit::heads::SignedHead;
use crate::limits::NOTICE_WORDS_BYTES_MAX;
use crate::store::{ProposalRow, ReceiptRow, StoreError, Tx};
use crate::words::words;

words! {
    /// What a notice is about; the settings choose among these.
    NoticeKind {
        /// The first vote was cast.
        Proposed = "proposed",
        /// A proposal was approved.
        Approved = "approved",
        /// A proposal was rejected.
        Rejected = "rejected",
        /// A proposal runs out within a day.
        ExpiringSoon = "expiring_soon",
        /// An engine refused a model.
        EngineRefused = "engine_refused",
        /// A slot was halted.
        Halted = "halted",
        /// A slot goes on.
        Resumed = "resumed",
        /// A head of the audit chain was signed.
        AuditHead = "audit_head",
    }
}

/// What happened, for people.
#[derive(Debug, Clone, Copy)]
pub enum Notice<'a> {
    /// The first vote was cast: a person may vote now.
    Proposed(&'a ProposalRow),
    /// The second vote: yes.
    Approved {
        /// About what.
        proposal: &'a ProposalRow,
        /// Who.
        by: &'a PersonId,
        /// What they said.
        notes: Option<&'a str>,
        /// The contract's number, where it was deployed at once.
        generation: Option<u64>,
    },
    /// The second vote: no.
    Rejected {
        /// About what.
        proposal: &'a ProposalRow,
        /// Who.
        by: &'a PersonId,
        /// What they said.
        notes: Option<&'a str>,
    },
    /// Nobody has voted, and the time is running out.
    ExpiringSoon(&'a ProposalRow),
    /// An engine refused a contract and goes on with what it had.
    EngineRefused {
        /// What it reported.
        receipt: &'a ReceiptRow,
        /// Why: a stable word.
        code: Option<&'a str>,
        /// The same for people.
        detail: Option<&'a str>,
    },
    /// The control latch was set.
    Halted {
        /// Where.
        slot: &'a SlotId,
        /// Who.
        by: &'a PersonId,
        /// Why.
        reason: &'a str,
    },
    /// Two people agreed to go on.
    Resumed {
        /// Where.
        slot: &'a SlotId,
        /// Who asked.
        requested_by: &'a PersonId,
        /// Who confirmed.
        by: &'a PersonId,
        /// What was cleared.
        latches: &'a [Latch],
        /// Why.
        reason: &'a str,
    },
    /// A head of the audit chain, to be kept where the plane's host cannot change it.
    AuditHead(&'a SignedHead),
}

impl Notice<'_> {
    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> NoticeKind {
        match self {
            Self::Proposed(_) => NoticeKind::Proposed,
            Self::Approved { .. } => NoticeKind::Approved,
            Self::Rejected { .. } => NoticeKind::Rejected,
            Self::ExpiringSoon(_) => NoticeKind::ExpiringSoon,
            Self::EngineRefused { .. } => NoticeKind::EngineRefused,
            Self::Halted { .. } => NoticeKind::Halted,
            Self::Resumed { .. } => NoticeKind::Resumed,
            Self::AuditHead(_) => NoticeKind::AuditHead,
        }
    }

    /// What it is about: a proposal or a slot.
    #[must_use]
    pub fn subject(&self) -> String {
        match self {
            Self::Proposed(proposal)
            | Self::ExpiringSoon(proposal)
            | Self::Approved { proposal, .. }
            | Self::Rejected { proposal, .. } => proposal.proposal_id.to_string(),
            Self::EngineRefused { receipt, .. } => receipt.slot.to_string(),
            Self::Halted { slot, .. } | Self::Resumed { slot, .. } => slot.to_string(),
            Self::AuditHead(signed) => signed.head.seq.to_string(),
        }
    }

    /// One line for people.
    #[must_use]
    pub fn text(&self) -> String {
        let said = |words: Option<&str>| {
            words
                .map(|words| format!(": {}", short(words)))
                .unwrap_or_default()
        };
        match self {
            Self::Proposed(proposal) => format!(
                "{} for slot {}: the first vote is {} ({}). The second vote is open until {}.",
                proposal.proposal_id,
                proposal.slot,
                crate::store::recommendation_word(proposal.recommendation),
                short(&proposal.reason),
                proposal.expires_at,
            ),
            Self::Approved {
                proposal,
                by,
                notes,
                generation,
            } => {
                let deployed = generation.map_or_else(
                    || "not deployed yet".to_owned(),
                    |generation| format!("in production as generation {generation}"),
                );
                format!(
                    "{} for slot {} was approved by {by} ({deployed}){}",
                    proposal.proposal_id,
                    proposal.slot,
                    said(*notes)
                )
            }
            Self::Rejected { proposal, by, notes } => format!(
                "{} for slot {} was rejected by {by}{}",
                proposal.proposal_id,
                proposal.slot,
                said(*notes)
            ),
            Self::ExpiringSoon(proposal) => format!(
                "{} for slot {} runs out at {} and nobody has voted",
                proposal.proposal_id, proposal.slot, proposal.expires_at
            ),
            Self::EngineRefused {
                receipt,
                code,
                detail,
            } => {
                let which = receipt.generation.map_or_else(
                    || "a contract".to_owned(),
                    |generation| format!("generation {generation}"),
                );
                format!(
                    "engine {} of slot {} refused {which} ({}){}",
                    receipt.engine_id,
                    receipt.slot,
                    short(code.unwrap_or("no code")),
                    said(*detail)
                )
            }
            Self::Halted { slot, by, reason } => format!("slot {slot} was halted by {by}: {}", short(reason)),
            Self::Resumed {
                slot,
                requested_by,
                by,
                latches,
                reason,
            } => {
                let latches: Vec<String> = latches.iter().map(|latch| json!(latch).to_string()).collect();
                format!(
                    "slot {slot} goes on (cleared: {}): asked by {requested_by}, confirmed by {by}: {}",
                    latches.join(", ").replace('"', ""),
                    short(reason)
                )
            }
            Self::AuditHead(signed) => {
                let SignedHead { head, signature } = signed;
                format!(
                    "audit head: event {} is {}, signed by {}",
                    head.seq, head.hash, signature.key_id
                )
            }
        }
    }

    fn detail(&self) -> Value {
        let about = |proposal: &ProposalRow| {
            json!({
                "proposal_id": proposal.proposal_id, "model_id": proposal.model_id, "slot": proposal.slot,
                "experiment_name": proposal.experiment_name, "recommendation": proposal.recommendation,
                "evidence_digest": proposal.evidence_digest, "expires_at": proposal.expires_at,
            })
        };
        match self {
            Self::Proposed(proposal) | Self::ExpiringSoon(proposal) => about(proposal),
            Self::Approved {
                proposal,
                by,
                notes,
                generation,
            } => {
                json!({"proposal": about(proposal), "by": by, "notes": notes, "generation": generation})
            }
            Self::Rejected { proposal, by, notes } => {
                json!({"proposal": about(proposal), "by": by, "notes": notes})
            }
            Self::EngineRefused {
                receipt,
                code,
                detail,
            } => json!({
                "engine_id": receipt.engine_id, "slot": receipt.slot, "generation": receipt.generation,
                "contract": receipt.contract, "code": code, "detail": detail,
            }),
            Self::Halted { slot, by, reason } => json!({"slot": slot, "by": by, "reason": reason}),
            Self::Resumed {
                slot,
                requested_by,
                by,
                latches,
                reason,
            } => json!({
                "slot": slot, "requested_by": requested_by, "by": by, "latches": latches, "reason": reason,
            }),
            Self::AuditHead(signed) => json!(signed),
        }
    }
}

/// What somebody else wrote, cut to what fits a line.
fn short(words: &str) -> String {
    let mut end = words.len().min(NOTICE_WORDS_BYTES_MAX);
    while !words.is_char_boundary(end) {
        end -= 1;
    }
    let cut = if end < words.len() { "…" } else { "" };
    let line: String = words[..end]
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    format!("{line}{cut}")
}

/// Writes a notice into the outbox, and one delivery for each target that wants its kind, within the caller's transaction. It is sent
/// soon after the commit; a rollback takes it back.
///
/// # Errors
/// [`StoreError`].
pub async fn post(app: &App, tx: &mut Tx, notice: &Notice<'_>) -> Result<(), StoreError> {
    let now = app.now();
    let kind = notice.kind();
    let payload = json!({"text": notice.text(), "detail": notice.detail()});
    let outbox = tx.insert_notice(kind, &notice.subject(), &payload, now).await?;
    let wanting = app.config.webhooks.iter().filter(|target| target.wants(kind));
    for target in wanting {
        tx.insert_delivery(outbox, &target.name, now).await?;
    }
    Ok(())
}

/// Tells of every open proposal that runs out within `within_ms`, once each. Returns how many were told of.
///
/// # Errors
/// [`StoreError`] of the first that could not be told of.
pub async fn tell_expiring(app: &App, within_ms: i64) -> Result<usize, StoreError> {
    let before: UtcMillis = app.now().plus_ms(within_ms);
    let mut told = 0;
    for id in app.store.untold_expiring(before).await? {
        let mut tx = app.store.begin().await?;
        let proposal = tx.proposal_for_update(&id).await?;
        let open = proposal.filter(|row| {
            row.status == crate::store::ProposalStatus::PendingApproval && row.expires_at <= before
        });
        let Some(proposal) = open else { continue };
        match post(app, &mut tx, &Notice::ExpiringSoon(&proposal)).await {
            // Another process was first.
            Err(StoreError::Conflict { .. }) => continue,
            other => other?,
        }
        tx.commit().await?;
        app.tell(crate::app::Changed::Proposal {
            proposal_id: proposal.proposal_id.to_string(),
        });
        told += 1;
    }
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_others_are_cut_and_stay_on_their_line() {
        assert_eq!(short("a\nb\u{7}c"), "a b c");
        let long = "é".repeat(NOTICE_WORDS_BYTES_MAX);
        let cut = short(&long);
        assert!(cut.ends_with('…') && cut.len() <= NOTICE_WORDS_BYTES_MAX + '…'.len_utf8());
    }
}
