//! Moves that do not fit their neighbourhood, and closes at another level.
//!
//! A move is measured in the median move of the bars around it: a median does not follow the jump itself, and a mean over flat stretches
//! would make every second bar a jump. What is found is a flag: no bar is dropped for it.

use contracts::bar::Bar;
use contracts::time::UtcMillis;
use serde::Serialize;

use super::super::{Listed, median};
use super::sessions::Session;
use crate::limits::{JUMP_AROUND_BARS, JUMP_AROUND_MIN, JUMP_MEDIANS, LEVEL_AGREES, LEVEL_FACTOR};

/// Moves that stand out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Jumps {
    /// Median moves of the neighbourhood that a jump exceeds.
    pub medians: f64,
    /// The largest first.
    pub bars: Listed<Jump>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Jump {
    /// Close of the bar.
    pub close_time: UtcMillis,
    /// Close before.
    pub from: f64,
    /// Close.
    pub to: f64,
    /// The move in percent.
    pub percent: f64,
    /// The move in median moves of the bars around.
    pub medians: f64,
    /// True when the next bar takes more than half of it back.
    pub taken_back: bool,
}

/// How a close at another level goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LevelKind {
    /// The next bar is not there: live, this bar is quarantined.
    Single,
    /// The next bar agrees: live, the operators restart there.
    Shift,
}

/// A close at ×5 or more, or a fifth or less, of the last one that counts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Level {
    /// Close of the bar.
    pub close_time: UtcMillis,
    /// The last close that counts.
    pub last: f64,
    /// The close.
    pub close: f64,
    /// One by the other.
    pub factor: f64,
    /// How it goes on.
    pub kind: LevelKind,
}

/// Closes at another level, as the strategy would meet them.
pub fn levels(bars: &[Bar]) -> Vec<Level> {
    let mut levels = Vec::new();
    let mut last: Option<f64> = None;
    for (at, bar) in bars.iter().enumerate() {
        let Some(before) = last else {
            last = Some(bar.close);
            continue;
        };
        let factor = bar.close / before;
        if factor < LEVEL_FACTOR && factor > 1.0 / LEVEL_FACTOR {
            last = Some(bar.close);
            continue;
        }
        let agrees = bars
            .get(at + 1)
            .is_some_and(|next| (next.close / bar.close - 1.0).abs() <= LEVEL_AGREES);
        if agrees {
            last = Some(bar.close);
        }
        levels.push(Level {
            close_time: bar.close_time,
            last: before,
            close: bar.close,
            factor,
            kind: if agrees {
                LevelKind::Shift
            } else {
                LevelKind::Single
            },
        });
    }
    levels
}

/// Moves inside sessions that exceed [`JUMP_MEDIANS`] of the moves around them; those to and from another level are left to [`levels`].
pub fn find(sessions: &[Session<'_>], levels: &[Level]) -> Jumps {
    let elsewhere: std::collections::HashSet<UtcMillis> =
        levels.iter().map(|level| level.close_time).collect();
    let moves = moves(sessions, &elsewhere);
    let mut jumps: Vec<Jump> = Vec::new();
    let mut around = Vec::with_capacity(2 * JUMP_AROUND_BARS);
    for (at, one) in moves.iter().enumerate() {
        around.clear();
        let near = at.saturating_sub(JUMP_AROUND_BARS)..moves.len().min(at + JUMP_AROUND_BARS + 1);
        around.extend(
            near.filter(|other| *other != at)
                .map(|other| moves[other].size)
                .filter(|size| *size > 0.0),
        );
        if around.len() < JUMP_AROUND_MIN || one.size == 0.0 {
            continue;
        }
        let Some(usual) = median(&mut around) else {
            continue;
        };
        let medians = one.size / usual;
        if medians < JUMP_MEDIANS {
            continue;
        }
        let next = moves.get(at + 1).filter(|next| next.from_time == one.close_time);
        let taken_back = next.is_some_and(|next| {
            let (there, back) = (one.to - one.from, next.to - next.from);
            there * back < 0.0 && back.abs() > there.abs() / 2.0
        });
        jumps.push(Jump {
            close_time: one.close_time,
            from: one.from,
            to: one.to,
            percent: (one.to / one.from - 1.0) * 100.0,
            medians,
            taken_back,
        });
    }
    jumps.sort_by(|a, b| b.medians.total_cmp(&a.medians));
    Jumps {
        medians: JUMP_MEDIANS,
        bars: jumps.into_iter().collect(),
    }
}

/// From one close to the next of a session.
struct Move {
    from_time: UtcMillis,
    close_time: UtcMillis,
    from: f64,
    to: f64,
    /// Against the close before, without sign.
    size: f64,
}

fn moves(sessions: &[Session<'_>], elsewhere: &std::collections::HashSet<UtcMillis>) -> Vec<Move> {
    let mut moves = Vec::new();
    for session in sessions {
        for pair in session.bars.windows(2) {
            let (before, bar) = (pair[0], pair[1]);
            if elsewhere.contains(&before.close_time) || elsewhere.contains(&bar.close_time) {
                continue;
            }
            moves.push(Move {
                from_time: before.close_time,
                close_time: bar.close_time,
                from: before.close,
                to: bar.close,
                size: (bar.close / before.close - 1.0).abs(),
            });
        }
    }
    moves
}
