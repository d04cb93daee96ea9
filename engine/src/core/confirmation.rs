//! How long a contract may be obeyed without word from the control plane.
//!
//! From `offline_grace_hours` after the newest directive's `issued_at`, or from its `renew_by`, whichever comes first, bars are
//! `withheld: unconfirmed`; for [`EXPIRY_WARNING_MS`] before that the slot says `contract_expiring`. A local contract needs no
//! directive.

use contracts::time::UtcMillis;

use crate::limits::EXPIRY_WARNING_MS;

const HOUR_MS: i64 = 3_600_000;

/// The newest directive, as far as time is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewestDirective {
    /// Its number; strictly increasing.
    pub number: u64,
    /// When it was issued.
    pub issued_at: UtcMillis,
    /// Until when it says it must be renewed.
    pub renew_by: UtcMillis,
}

/// What the clock says about a contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmation {
    /// Confirmed for at least the warning time.
    Confirmed,
    /// Confirmed, but not for long.
    Expiring,
    /// Not confirmed: withhold.
    Unconfirmed,
}

/// The instant from which the contract is unconfirmed.
#[must_use]
pub fn unconfirmed_from(directive: &NewestDirective, offline_grace_hours: u32) -> UtcMillis {
    directive
        .issued_at
        .plus_ms(i64::from(offline_grace_hours) * HOUR_MS)
        .min(directive.renew_by)
}

/// Judges a voted contract at `now`.
#[must_use]
pub fn confirmation(
    directive: Option<&NewestDirective>,
    offline_grace_hours: u32,
    now: UtcMillis,
) -> Confirmation {
    let Some(directive) = directive else {
        return Confirmation::Unconfirmed;
    };
    let end = unconfirmed_from(directive, offline_grace_hours);
    if now >= end {
        Confirmation::Unconfirmed
    } else if now >= end.plus_ms(-EXPIRY_WARNING_MS) {
        Confirmation::Expiring
    } else {
        Confirmation::Confirmed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sooner_of_grace_and_renewal_counts() {
        let issued = UtcMillis(0);
        let directive = |renew_hours: i64| NewestDirective {
            number: 1,
            issued_at: issued,
            renew_by: UtcMillis(renew_hours * HOUR_MS),
        };
        let at =
            |hours: i64, renew: i64| confirmation(Some(&directive(renew)), 72, UtcMillis(hours * HOUR_MS));
        assert_eq!(at(47, 168), Confirmation::Confirmed);
        assert_eq!(at(48, 168), Confirmation::Expiring);
        assert_eq!(at(72, 168), Confirmation::Unconfirmed);
        assert_eq!(at(30, 30), Confirmation::Unconfirmed);
        assert_eq!(at(29, 30), Confirmation::Expiring);
        assert_eq!(confirmation(None, 72, UtcMillis(0)), Confirmation::Unconfirmed);
    }
}
