//! A refusal is audited before it is answered.

use super::Api;
use super::access::Caller;
use super::problem::Problem;
use crate::audit::{self, Action, Refusal};
use crate::causes::causes;

/// Notes that what was tried on `subject` was refused.
pub(super) async fn note(
    api: &Api,
    caller: &Caller,
    attempted: Action,
    subject: &str,
    code: &'static str,
    detail: &(dyn std::fmt::Display + Sync),
) -> Result<(), Problem> {
    let refusal = Refusal {
        attempted,
        subject,
        code,
        detail,
    };
    audit::note_refusal(&api.app, &caller.actor, refusal)
        .await
        .map_err(|error| Problem::internal(&error))
}

/// A refusal is an event; a failure inside is not.
pub(super) async fn note_refused(
    api: &Api,
    caller: &Caller,
    attempted: Action,
    subject: &str,
    code: Option<&'static str>,
    why: &(dyn std::error::Error + Sync + 'static),
) -> Result<(), Problem> {
    match code {
        Some(code) => note(api, caller, attempted, subject, code, &causes(why)).await,
        None => Ok(()),
    }
}
