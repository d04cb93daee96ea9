//! How far a job is, from the thread that computes to the database.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use backtest::run::Progress;

/// What was last said.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Said {
    /// From 0 to 1.
    pub progress: f64,
    /// What it is at.
    pub note: Option<String>,
}

/// Where a computation says how far it is; whoever shows it reads the last word.
#[derive(Debug, Clone, Default)]
pub struct Reporter(Arc<Mutex<Said>>);

impl Reporter {
    /// The last word.
    #[must_use]
    pub fn said(&self) -> Said {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Begins a stage that goes from one share of the whole to another.
    #[must_use]
    pub fn stage(&self, name: &'static str, (from, to): (f64, f64)) -> Stage {
        let stage = Stage {
            reporter: self.clone(),
            name,
            from,
            to,
            begun: Instant::now(),
        };
        stage.say(0.0, name.to_owned());
        stage
    }
}

/// A part of a job.
#[derive(Debug)]
pub struct Stage {
    reporter: Reporter,
    name: &'static str,
    from: f64,
    to: f64,
    begun: Instant,
}

impl Stage {
    /// A run is so far: bars a second, and what is left at that rate.
    pub fn at(&self, progress: Progress) {
        let share = progress.done as f64 / progress.total.max(1) as f64;
        let rate = progress.rate(self.begun.elapsed()).filter(|_| progress.done > 0);
        let note = match rate {
            Some((per_second, left)) => format!(
                "{}: {} of {} bars, {per_second:.0} bars/s, {:.0} s left",
                self.name,
                progress.done,
                progress.total,
                left.as_secs_f64()
            ),
            None => format!("{}: {} of {} bars", self.name, progress.done, progress.total),
        };
        self.say(share, note);
    }

    fn say(&self, share: f64, note: String) {
        let said = Said {
            progress: self.from + share * (self.to - self.from),
            note: Some(note),
        };
        *self.reporter.0.lock().unwrap_or_else(PoisonError::into_inner) = said;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_a_share_of_the_whole_and_says_its_rate() {
        let reporter = Reporter::default();
        assert_eq!(reporter.said(), Said::default());
        let stage = reporter.stage("backtest", (0.2, 0.6));
        assert_eq!(reporter.said().progress, 0.2);
        stage.at(Progress { done: 0, total: 200 });
        assert_eq!(reporter.said().note.as_deref(), Some("backtest: 0 of 200 bars"));
        stage.at(Progress {
            done: 100,
            total: 200,
        });
        let said = reporter.said();
        assert!((said.progress - 0.4).abs() < 1e-12);
        let note = said.note.unwrap();
        assert!(
            note.starts_with("backtest: 100 of 200 bars, ") && note.contains("bars/s"),
            "{note}"
        );
        // An empty run divides by nothing.
        stage.at(Progress { done: 0, total: 0 });
        assert_eq!(reporter.said().progress, 0.2);
    }
}
