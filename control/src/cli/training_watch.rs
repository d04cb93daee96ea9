//! How far a training is: a bar on a terminal, a line in the log elsewhere.

use std::io::IsTerminal as _;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use training::ppo::Progress;
use training::ppo::curve::Point;

use crate::research::training::Told;

/// Lines of the log come at most this often.
const PERIOD: Duration = Duration::from_secs(2);

/// Watches one training.
pub struct Watch {
    /// When the first update was told, and the steps made by then: a rate counts from there.
    begun: OnceLock<(Instant, u64)>,
    bar: Option<OnceLock<ProgressBar>>,
    logged: std::sync::Mutex<Option<Instant>>,
}

impl Watch {
    /// With a bar where stderr is a terminal.
    pub fn new() -> Self {
        Self {
            begun: OnceLock::new(),
            bar: std::io::stderr().is_terminal().then(OnceLock::new),
            logged: std::sync::Mutex::new(None),
        }
    }

    /// Shows it.
    pub fn told(&self, told: Told<'_>) {
        match told {
            Told::Line(line) => tracing::info!(target: "trainer", "{line}"),
            Told::Update(progress) => self.update(progress),
        }
    }

    fn update(&self, progress: &Progress<'_>) {
        let steps = progress.point.steps;
        let (at, from) = *self.begun.get_or_init(|| (Instant::now(), steps));
        let rate = (steps > from).then(|| (steps - from) as f64 / at.elapsed().as_secs_f64());
        let over = progress.point.steps >= progress.planned_steps;
        let message = line(progress.point, rate);
        if let Some(bar) = &self.bar {
            let bar = bar.get_or_init(|| bar_of(progress.planned_steps));
            bar.set_position(progress.point.steps);
            bar.set_message(message);
            if over {
                bar.finish();
            }
            return;
        }
        let Ok(mut logged) = self.logged.lock() else {
            return;
        };
        if over || logged.is_none_or(|at| at.elapsed() >= PERIOD) {
            *logged = Some(Instant::now());
            tracing::info!(
                steps,
                resumed = progress.resumed_steps,
                of = progress.planned_steps,
                best = progress.best,
                "training: {message}"
            );
        }
    }
}

fn bar_of(steps: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{percent:>3} % {bar:24} {pos}/{len} steps, {eta} left  {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// What a person looks for in a training under way.
fn line(point: &Point, rate: Option<f64>) -> String {
    let mut text = format!(
        "reward {:+.4}  entropy {:.3}  KL {:.4}",
        point.reward, point.entropy, point.kl
    );
    if let Some(rate) = rate {
        text.push_str(&format!("  {rate:.0} steps/s"));
    }
    if let Some(validation) = &point.validation {
        text.push_str(&format!("  validation {:+.4}", validation.reward));
    }
    text
}
