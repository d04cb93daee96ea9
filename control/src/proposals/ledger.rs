//! Looks at a holdout, counted by instrument and session dates.
//!
//! A look is one bundle under one set of costs, evaluated on any session of a window. N is the number of distinct looks at the session
//! that was looked at most; a run again, or over ticks that were revised since, is the same look. What was looked at is noted before a
//! figure is used.

use std::collections::BTreeMap;

use backtest::outcome::Outcome;
use backtest::stats::sharpe;
use backtest::stats::trials::TrialStats;
use contracts::evidence::{ExecutionSettings, Fingerprint};
use contracts::hash::BundleHash;
use contracts::ids::InstrumentId;
use contracts::jcs::{self, JcsError};
use contracts::time::{DayNumber, UtcMillis};
use serde::Serialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::audit::{self, Action, AppendError, Event};
use crate::store::{LookRow, StoreError, Tx};

/// Why a look was not noted; no figure may be used then.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// A number of the settings cannot be hashed.
    #[error("the settings have no canonical form")]
    Jcs(#[from] JcsError),
    /// The audit event was not stored.
    #[error("the look was not audited")]
    Audit(#[from] AppendError),
    /// The database.
    #[error("the database did not answer")]
    Store(#[from] StoreError),
}

/// A look.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// At which instrument.
    pub instrument: InstrumentId,
    /// First session.
    pub first_session: DayNumber,
    /// Last session.
    pub last_session: DayNumber,
    /// Listed sessions.
    pub sessions: u32,
    /// With what.
    pub bundle_hash: BundleHash,
    /// Under which costs.
    pub settings: ExecutionSettings,
    /// What a test changed beside them.
    pub test: Option<Value>,
    /// The run.
    pub fingerprint: Fingerprint,
    /// What it earned per session; none where that is undefined, or is no figure of the model.
    pub sharpe_per_session: Option<f64>,
}

impl Look {
    /// The look a run was.
    ///
    /// # Panics
    /// For an outcome without a listed session, which no run has.
    #[must_use]
    pub fn of(outcome: &Outcome, bundle_hash: BundleHash, test: Option<Value>) -> Self {
        let first = outcome
            .sessions
            .first()
            .expect("a run's window has a listed session");
        let last = outcome
            .sessions
            .last()
            .expect("a run's window has a listed session");
        let returns: Vec<f64> = outcome.sessions.iter().map(|session| session.value).collect();
        let sharpe = match outcome.ruined {
            Some(_) => None,
            None => sharpe::moments(&returns).ok().map(|moments| moments.sharpe()),
        };
        Self {
            instrument: outcome.instrument.clone(),
            first_session: first.session,
            last_session: last.session,
            sessions: u32::try_from(outcome.sessions.len()).unwrap_or(u32::MAX),
            bundle_hash,
            settings: outcome.settings,
            test,
            fingerprint: outcome.fingerprint,
            sharpe_per_session: sharpe.filter(|sharpe| sharpe.is_finite()),
        }
    }

    /// Canonical JSON of everything but bundle and window that makes another look.
    pub(crate) fn costs(&self) -> Result<String, JcsError> {
        #[derive(Serialize)]
        struct Costs<'a> {
            settings: &'a ExecutionSettings,
            #[serde(skip_serializing_if = "Option::is_none")]
            test: Option<&'a Value>,
        }
        jcs::to_canonical(&Costs {
            settings: &self.settings,
            test: self.test.as_ref(),
        })
    }
}

/// Notes a look with its event; false when the same was noted before.
///
/// # Errors
/// [`LookError`].
pub async fn note(
    app: &App,
    tx: &mut Tx,
    look: &Look,
    actor: &str,
    at: UtcMillis,
) -> Result<bool, LookError> {
    let row = LookRow {
        instrument: look.instrument.clone(),
        first_session: look.first_session,
        last_session: look.last_session,
        bundle_hash: look.bundle_hash,
        costs: look.costs()?,
        fingerprint: look.fingerprint,
        sharpe_per_session: look.sharpe_per_session,
        sessions: look.sessions,
        created_by: actor.to_owned(),
        created_at: at,
    };
    if !tx.insert_look(&row).await? {
        return Ok(false);
    }
    let event = Event {
        actor: actor.to_owned(),
        action: Action::HoldoutLook,
        subject: look.instrument.to_string(),
        body: json!({
            "first_session": row.first_session, "last_session": row.last_session, "bundle_hash": row.bundle_hash,
            "settings": look.settings, "test": look.test, "fingerprint": row.fingerprint,
            "sharpe_per_session": row.sharpe_per_session, "sessions": row.sessions,
        }),
    };
    audit::append(tx, app.keys.audit(), at, event).await?;
    Ok(true)
}

/// How often a window was looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Counted {
    /// Distinct looks at its most looked-at session.
    pub number: u32,
    /// Their Sharpe ratios per session, where they have one.
    pub sharpes: Vec<f64>,
}

impl Counted {
    /// For a deflated Sharpe ratio.
    #[must_use]
    pub fn trials(&self, declared: u32, sessions: usize) -> TrialStats {
        TrialStats::new(self.number, declared, &self.sharpes, sessions)
    }
}

/// Counts the looks at the sessions from `first` to `last`.
///
/// # Errors
/// [`StoreError`].
pub async fn counted(
    tx: &mut Tx,
    instrument: &InstrumentId,
    first: DayNumber,
    last: DayNumber,
) -> Result<Counted, StoreError> {
    Ok(count(&tx.looks(instrument, first, last).await?, first, last))
}

/// The session that was looked at most is the first of some look, or the first of the window.
fn count(rows: &[LookRow], first: DayNumber, last: DayNumber) -> Counted {
    let mut most = Counted {
        number: 0,
        sharpes: Vec::new(),
    };
    let starts = rows.iter().map(|row| row.first_session.max(first));
    for session in starts.filter(|session| *session <= last) {
        let here: BTreeMap<(BundleHash, &str), Option<f64>> = rows
            .iter()
            .filter(|row| row.first_session <= session && session <= row.last_session)
            .map(|row| ((row.bundle_hash, row.costs.as_str()), row.sharpe_per_session))
            .collect();
        if here.len() > most.number as usize {
            most = Counted {
                number: u32::try_from(here.len()).unwrap_or(u32::MAX),
                sharpes: here.into_values().flatten().collect(),
            };
        }
    }
    most
}

#[cfg(test)]
mod tests {
    use contracts::hash::Digest;

    use super::*;

    fn look(bundle: u8, costs: &str, first: i32, last: i32) -> LookRow {
        LookRow {
            instrument: InstrumentId::parse("X").unwrap(),
            first_session: DayNumber(first),
            last_session: DayNumber(last),
            bundle_hash: Digest::of(&[bundle]),
            costs: costs.to_owned(),
            fingerprint: Digest::of(b"run"),
            sharpe_per_session: Some(f64::from(bundle)),
            sessions: 10,
            created_by: "rita".to_owned(),
            created_at: UtcMillis(0),
        }
    }

    fn number(rows: &[LookRow], first: i32, last: i32) -> u32 {
        count(rows, DayNumber(first), DayNumber(last)).number
    }

    #[test]
    fn looks_are_counted_at_the_session_they_meet_in() {
        let rows = [look(1, "a", 0, 9), look(2, "a", 5, 14), look(3, "a", 12, 20)];
        assert_eq!(
            number(&rows, 0, 20),
            2,
            "1 and 2 meet from 5 to 9, 2 and 3 from 12 to 14"
        );
        assert_eq!(number(&rows, 10, 11), 1);
        assert_eq!(number(&rows, 21, 30), 0);
        assert_eq!(number(&rows, 15, 20), 1);
    }

    #[test]
    fn one_bundle_at_the_same_costs_is_one_look_however_often() {
        let rows = [
            look(1, "a", 0, 9),
            look(1, "a", 2, 9),
            look(1, "b", 0, 9),
            look(2, "a", 0, 9),
        ];
        let found = count(&rows, DayNumber(0), DayNumber(9));
        assert_eq!(found.number, 3);
        let mut sharpes = found.sharpes;
        sharpes.sort_by(f64::total_cmp);
        assert_eq!(sharpes, [1.0, 1.0, 2.0]);
    }
}
