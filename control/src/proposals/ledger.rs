//! Looks at a holdout, counted by instrument and session dates.
//!
//! A look is one bundle under one set of costs, evaluated on any session of a window. N is the number of distinct looks at the session
//! that was looked at most; a run again, or over ticks that were revised since, is the same look. What was looked at is noted before a
//! figure is used.
//!
//! A look is told by whoever ran it, or computed by the control plane itself. Both are rows: what is told first does not stand in the way of
//! what is computed later, and of one look's figures the computed one counts.

use std::borrow::Cow;
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

/// Whose word a look's figure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Of whoever says they ran it.
    Told,
    /// Of the control plane, which ran it.
    Computed,
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

/// What a row's costs begin with when the control plane computed its figure. No settings begin like that, so nobody can tell one.
const COMPUTED: &str = r#"{"computed":true,"#;

/// The costs of a row, as [`Look::costs`] has them, and whose word its figure is.
pub(crate) fn origin(costs: &str) -> (Origin, Cow<'_, str>) {
    match costs.strip_prefix(COMPUTED) {
        Some(rest) => (Origin::Computed, Cow::Owned(format!("{{{rest}"))),
        None => (Origin::Told, Cow::Borrowed(costs)),
    }
}

/// As they stand in the row.
fn marked(origin: Origin, costs: String) -> String {
    match (origin, costs.strip_prefix('{')) {
        (Origin::Computed, Some(rest)) => format!("{COMPUTED}{rest}"),
        _ => costs,
    }
}

/// Notes a look with its event; false when the same was noted before: a told one by anybody, a computed one by the control plane.
///
/// # Errors
/// [`LookError`].
pub async fn note(
    app: &App,
    tx: &mut Tx,
    look: &Look,
    by: Origin,
    actor: &str,
    at: UtcMillis,
) -> Result<bool, LookError> {
    let costs = look.costs()?;
    if by == Origin::Told && known(tx, look, &costs).await? {
        return Ok(false);
    }
    let row = LookRow {
        instrument: look.instrument.clone(),
        first_session: look.first_session,
        last_session: look.last_session,
        bundle_hash: look.bundle_hash,
        costs: marked(by, costs),
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

/// Whether the same look is there, told or computed.
async fn known(tx: &mut Tx, look: &Look, costs: &str) -> Result<bool, StoreError> {
    let rows = tx
        .looks(&look.instrument, look.first_session, look.last_session)
        .await?;
    Ok(rows.iter().any(|row| {
        (row.first_session, row.last_session) == (look.first_session, look.last_session)
            && row.bundle_hash == look.bundle_hash
            && origin(&row.costs).1 == costs
    }))
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
        let mut here = BTreeMap::new();
        for row in rows
            .iter()
            .filter(|row| row.first_session <= session && session <= row.last_session)
        {
            let (origin, costs) = origin(&row.costs);
            let figure = here
                .entry((row.bundle_hash, costs))
                .or_insert((origin, row.sharpe_per_session));
            if (figure.0, origin) != (Origin::Computed, Origin::Told) {
                *figure = (origin, row.sharpe_per_session);
            }
        }
        if here.len() > most.number as usize {
            most = Counted {
                number: u32::try_from(here.len()).unwrap_or(u32::MAX),
                sharpes: here.into_values().filter_map(|(_, sharpe)| sharpe).collect(),
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

    #[test]
    fn of_one_look_the_computed_figure_counts_whatever_was_told_before_or_after_it() {
        let told = |sharpe| LookRow {
            sharpe_per_session: sharpe,
            ..look(1, r#"{"settings":{}}"#, 0, 9)
        };
        let computed = |sharpe| LookRow {
            costs: marked(Origin::Computed, told(None).costs),
            ..told(sharpe)
        };
        assert_eq!(
            origin(&computed(None).costs),
            (Origin::Computed, told(None).costs.into())
        );
        for rows in [
            [told(Some(2.5)), computed(Some(0.1)), told(Some(-2.5))],
            [computed(Some(0.1)), told(Some(2.5)), told(None)],
        ] {
            let found = count(&rows, DayNumber(0), DayNumber(9));
            assert_eq!((found.number, found.sharpes), (1, vec![0.1]));
        }
        let undefined = count(&[told(Some(2.5)), computed(None)], DayNumber(0), DayNumber(9));
        assert_eq!((undefined.number, undefined.sharpes), (1, vec![]));
    }
}
