//! How far a backtest is, on a terminal's last line: bars per second and the time that is left.

use std::cell::Cell;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use backtest::run::Progress;

/// A line at most this often.
const PERIOD: Duration = Duration::from_millis(200);

/// Runs something that tells how far it is; at its end the rate is logged.
pub fn shown<T>(work: impl FnOnce(&dyn Fn(Progress)) -> T) -> T {
    let begun = Instant::now();
    let terminal = std::io::stderr().is_terminal();
    let (told, total) = (Cell::new(None::<Instant>), Cell::new(0));
    let done = work(&|progress: Progress| {
        total.set(progress.total);
        let due = told.get().is_none_or(|at| at.elapsed() >= PERIOD);
        if !terminal || !(due || progress.done == progress.total) {
            return;
        }
        told.set(Some(Instant::now()));
        say(&format!("\r{}\x1b[K", line(progress, begun.elapsed())));
    });
    if terminal {
        say("\r\x1b[K");
    }
    let progress = Progress {
        done: total.get(),
        total: total.get(),
    };
    if let Some((per_second, _)) = progress.rate(begun.elapsed()) {
        tracing::info!(
            bars = progress.total,
            per_second = per_second.round(),
            "backtest computed"
        );
    }
    done
}

fn say(text: &str) {
    let mut stderr = std::io::stderr();
    // A terminal that is gone sees nothing; the work goes on.
    drop(stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush()));
}

fn line(progress: Progress, elapsed: Duration) -> String {
    let Progress { done, total } = progress;
    let percent = (done * 100).checked_div(total).unwrap_or(100);
    match progress.rate(elapsed) {
        Some((per_second, left)) if done > 0 => {
            let seconds = left.as_secs();
            format!(
                "{percent} %  {done} of {total} bars  {per_second:.0} bars/s  {:02}:{:02} left",
                seconds / 60,
                seconds % 60
            )
        }
        _ => format!("{percent} %  {done} of {total} bars"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_the_rate_and_what_is_left() {
        let half = Progress {
            done: 500,
            total: 1_000,
        };
        let said = line(half, Duration::from_secs(5));
        assert_eq!(said, "50 %  500 of 1000 bars  100 bars/s  00:05 left");
        let none = Progress { done: 0, total: 0 };
        assert_eq!(line(none, Duration::ZERO), "100 %  0 of 0 bars");
    }
}
