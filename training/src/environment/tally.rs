//! Counting from one decision to the next what the reward is made of.

use contracts::reason::Position;

use crate::reward::Change;

/// Marks of the last decision, and counts since.
#[derive(Debug, Clone)]
pub(super) struct Tally {
    /// Net equity at the last mark.
    equity: f64,
    /// Highest equity at any mark, the initial capital included.
    peak: f64,
    /// Costs of closed bars, and those of them that were marked.
    paid: f64,
    marked: f64,
    /// Bars without a position in a row.
    idle: u32,
    /// The standing decision.
    standing: Position,
    since: Change,
}

impl Tally {
    pub(super) fn new(capital: f64) -> Self {
        Self {
            equity: capital,
            peak: capital,
            paid: 0.0,
            marked: 0.0,
            idle: 0,
            standing: Position::Flat,
            since: Change::default(),
        }
    }

    /// A bar has opened with this position.
    pub(super) fn opened(&mut self, held: Position, grace: u32) {
        if held == Position::Flat {
            self.idle = self.idle.saturating_add(1);
            self.since.idle_bars += u32::from(self.idle > grace);
        } else {
            self.idle = 0;
            self.since.held_bars += 1;
        }
    }

    /// A decision was made; without one the decision before it stands. Counting begins anew.
    pub(super) fn decided(&mut self, decision: Option<Position>) {
        let decision = decision.unwrap_or(self.standing);
        self.since = Change {
            moved: (decision.as_i8() - self.standing.as_i8()).unsigned_abs(),
            ..Change::default()
        };
        self.standing = decision;
    }

    /// A bar has closed and cost this much.
    pub(super) fn paid(&mut self, cost: f64) {
        self.paid += cost;
    }

    /// Equity now, and costs of the bar that is open: what happened since the last mark.
    pub(super) fn mark(&mut self, equity: f64, open_cost: f64) -> Change {
        let paid = self.paid + open_cost;
        let depth = self.peak - self.equity;
        let change = Change {
            net: equity - self.equity,
            cost: paid - self.marked,
            deeper: (self.peak.max(equity) - equity - depth).max(0.0),
            ..self.since
        };
        (self.equity, self.marked) = (equity, paid);
        self.peak = self.peak.max(equity);
        change
    }
}
