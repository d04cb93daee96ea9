//! What every end of a proposal leaves behind: an event in the chain and a row in the plan's log.

use contracts::ids::ModelId;
use contracts::time::UtcMillis;
use serde_json::{Value, json};

use crate::app::App;
use crate::audit::{self, Action, AppendError, Event};
use crate::auth::Actor;
use crate::store::{ApprovalLog, ProposalRow, Tx};

/// The member of an event's body that says what the row of the plan's log says.
pub(crate) const LOG: &str = "log";
/// Who the log names for what the plane does by itself.
const CONTROL: &str = "control";

/// An end of a proposal.
#[derive(Debug)]
pub(super) struct Ended<'a> {
    /// What happened.
    pub action: Action,
    /// To which proposal.
    pub proposal: &'a ProposalRow,
    /// Who did it; nobody when its time ran out.
    pub actor: Option<&'a Actor>,
    /// What they said.
    pub notes: Option<&'a str>,
    /// What ran in the slot.
    pub previous: Option<&'a ModelId>,
    /// What the changed rows hold now.
    pub body: Value,
}

/// Notes it all within the transaction of the change.
pub(super) async fn record(
    app: &App,
    tx: &mut Tx,
    ended: Ended<'_>,
    at: UtcMillis,
) -> Result<(), AppendError> {
    let Ended {
        action,
        proposal,
        actor,
        mut body,
        ..
    } = ended;
    body[LOG] = json!({
        "model_id": proposal.model_id, "reviewer": actor.map_or(CONTROL, |actor| actor.person.as_str()),
        "reviewer_email": actor.and_then(|actor| actor.email.as_deref()), "notes": ended.notes,
        "previous_production_model": ended.previous, "client_ip": actor.and_then(|actor| actor.client_ip.as_deref()),
        "user_agent": actor.and_then(|actor| actor.user_agent.as_deref()),
    });
    let event = Event {
        actor: actor.map_or_else(|| CONTROL.to_owned(), Actor::audit_name),
        action,
        subject: proposal.proposal_id.to_string(),
        body,
    };
    let audit_seq = audit::append(tx, app.keys.audit(), at, event).await?;
    tx.insert_approval_log(&ApprovalLog {
        action,
        model_id: &proposal.model_id,
        proposal_id: &proposal.proposal_id,
        reviewer: actor.map_or(CONTROL, |actor| actor.person.as_str()),
        reviewer_email: actor.and_then(|actor| actor.email.as_deref()),
        notes: ended.notes,
        previous_production_model: ended.previous,
        client_ip: actor.and_then(|actor| actor.client_ip.as_deref()),
        user_agent: actor.and_then(|actor| actor.user_agent.as_deref()),
        audit_seq,
        created_at: at,
    })
    .await?;
    Ok(())
}
