//! Cash, the open trade and what was paid.
//!
//! Quantity is fixed at entry: initial capital × position size / fill price, so that profits are not compounded. Every change costs
//! its notional at the fill times the all-in rate; a flip closes and opens, so it pays twice.

use contracts::bar::Bar;
use contracts::evidence::ExecutionSettings;
use contracts::reason::Position;

use crate::outcome::Trade;

/// The part of a run that is money.
#[derive(Debug)]
pub struct Book {
    capital_at_work: f64,
    rate: f64,
    cash: f64,
    open: Option<Open>,
    /// Costs since the last [`Self::take_cost`].
    cost: f64,
    /// Notional traded.
    pub turnover: f64,
    /// Closed trades in order of exit.
    pub trades: Vec<Trade>,
}

/// The open trade.
#[derive(Debug, Clone, Copy)]
struct Open {
    position: Position,
    quantity: f64,
    bar: Bar,
    price: f64,
    cost: f64,
    /// Closes before it.
    since: u32,
}

/// Where and at which price a change happens.
#[derive(Debug, Clone, Copy)]
pub struct Fill {
    /// The bar.
    pub bar: Bar,
    /// At its open or its close.
    pub price: f64,
    /// Used bars of the window that have closed by then.
    pub closes: u32,
    /// Only because the run ends.
    pub forced: bool,
}

impl Book {
    /// The initial capital, nothing held.
    pub fn new(settings: &ExecutionSettings) -> Self {
        Self {
            capital_at_work: settings.initial_capital * settings.position_size,
            rate: (settings.transaction_cost_bps + settings.slippage_bps) / 1e4,
            cash: settings.initial_capital,
            open: None,
            cost: 0.0,
            turnover: 0.0,
            trades: Vec::new(),
        }
    }

    /// What is held.
    pub fn held(&self) -> Position {
        self.open.map_or(Position::Flat, |open| open.position)
    }

    /// Net equity at a price; the cost of closing is not in it.
    pub fn equity(&self, price: f64) -> f64 {
        self.cash + self.open.map_or(0.0, |open| open.gross(price))
    }

    /// Changes what is held; nothing happens where it is held already.
    pub fn change(&mut self, to: Position, fill: Fill) {
        if to == self.held() {
            return;
        }
        if let Some(open) = self.open.take() {
            let gross = open.gross(fill.price);
            let cost = open.cost + self.pay(open.quantity * fill.price);
            self.cash += gross;
            self.trades.push(Trade {
                entry_time: open.bar.close_time,
                exit_time: fill.bar.close_time,
                position: open.position.as_i8(),
                quantity: open.quantity,
                entry_price: open.price,
                exit_price: fill.price,
                gross,
                cost,
                net: gross - cost,
                bars: fill.closes - open.since,
                forced: fill.forced,
            });
        }
        if to != Position::Flat {
            let quantity = self.capital_at_work / fill.price;
            self.open = Some(Open {
                position: to,
                quantity,
                bar: fill.bar,
                price: fill.price,
                cost: self.pay(quantity * fill.price),
                since: fill.closes,
            });
        }
    }

    /// Costs since they were last taken.
    pub const fn cost(&self) -> f64 {
        self.cost
    }

    /// Costs since the last time this was asked.
    pub fn take_cost(&mut self) -> f64 {
        std::mem::take(&mut self.cost)
    }

    fn pay(&mut self, notional: f64) -> f64 {
        let cost = notional * self.rate;
        self.turnover += notional;
        self.cost += cost;
        self.cash -= cost;
        cost
    }
}

impl Open {
    fn gross(&self, price: f64) -> f64 {
        self.position.as_f64() * self.quantity * (price - self.price)
    }
}
