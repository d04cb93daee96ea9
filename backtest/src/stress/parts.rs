//! A holdout in consecutive parts of about as many sessions: a figure over all of it hides the part in which the model would have been
//! switched off.

use contracts::experiment::DateRange;
use contracts::time::DayNumber;

use crate::limits::REGIME_PARTS;

/// [`REGIME_PARTS`] windows that share no session and leave none out; fewer where there are fewer sessions.
#[must_use]
pub fn parts(sessions: &[DayNumber]) -> Vec<DateRange> {
    let count = REGIME_PARTS.min(sessions.len());
    (0..count)
        .map(|part| {
            let cut = |part: usize| part * sessions.len() / count;
            DateRange {
                start: sessions[cut(part)],
                end: sessions[cut(part + 1) - 1],
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_session_is_in_one_part() {
        for count in [1, 3, 4, 5, 11, 170] {
            let sessions: Vec<DayNumber> = (0..count).map(|n| DayNumber(10 + 2 * n)).collect();
            let found = parts(&sessions);
            assert_eq!(found.len(), REGIME_PARTS.min(sessions.len()));
            for session in &sessions {
                let holding = found.iter().filter(|part| part.contains(*session)).count();
                assert_eq!(holding, 1, "{session} of {count}");
            }
        }
        assert!(parts(&[]).is_empty());
    }
}
