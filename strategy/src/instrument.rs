//! What is remembered of one instrument between two bars.

use contracts::features::PriceBounds;
use contracts::ids::InstrumentId;
use contracts::reason::OriginReason;
use contracts::time::UtcMillis;

pub use contracts::reason::Origin;

use crate::bytes::{
    LoadStateError, put_f64, put_i64, put_u8, put_u64, take_f64, take_i64, take_u8, take_u64,
};
use crate::calendar::{Calendar, Place};
use crate::operators::{AnyBarOperator, BarOperator as _};
use crate::plan::FeaturePlan;

/// The last used bar's close.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LastUsed {
    /// When it closed.
    pub close_time: UtcMillis,
    /// At which price.
    pub close: f64,
}

/// Operators of one instrument and what the acceptance of its next bar depends on.
#[derive(Debug)]
pub struct InstrumentState {
    pub(crate) operators: Box<[AnyBarOperator]>,
    pub(crate) bounds: PriceBounds,
    /// Reason of the coming or current origin.
    reason: OriginReason,
    first_close_time: UtcMillis,
    bars: u64,
    pub(crate) last_used: Option<LastUsed>,
    /// Close of the bar before, if that was quarantined for its level alone.
    pub(crate) pending_level: Option<f64>,
    /// Cache of the calendar's last answer; not part of the saved state.
    place: Place,
}

impl InstrumentState {
    pub(crate) fn new(plan: &FeaturePlan, instrument: &InstrumentId) -> Self {
        Self::with_bounds(plan, plan.bounds_of(instrument))
    }

    fn with_bounds(plan: &FeaturePlan, bounds: PriceBounds) -> Self {
        Self {
            operators: plan.fresh_operators().into(),
            bounds,
            reason: OriginReason::First,
            first_close_time: UtcMillis::default(),
            bars: 0,
            last_used: None,
            pending_level: None,
            place: Place::default(),
        }
    }

    /// Names the reason for which a new state begins, before its first bar: a swap to another feature contract.
    #[must_use]
    pub const fn beginning(mut self, reason: OriginReason) -> Self {
        self.reason = reason;
        self
    }

    /// Where the operators began; `None` before the first used bar.
    #[must_use]
    pub fn origin(&self) -> Option<Origin> {
        (self.bars > 0).then_some(Origin {
            reason: self.reason,
            first_close_time: self.first_close_time,
            bars: self.bars,
        })
    }

    /// The last used bar's close, also across a restart of the operators.
    #[must_use]
    pub const fn last_used(&self) -> Option<LastUsed> {
        self.last_used
    }

    /// The last used bar's close price.
    #[must_use]
    pub fn last_used_close(&self) -> Option<f64> {
        self.last_used.map(|last| last.close)
    }

    /// Bars used since the origin.
    #[must_use]
    pub const fn bars(&self) -> u64 {
        self.bars
    }

    /// The calendar's answer for an instant, cached for as long as it holds.
    pub(crate) fn locate(&mut self, calendar: &Calendar, at: UtcMillis) -> Place {
        if !self.place.valid.contains(at) {
            self.place = calendar.locate(at);
        }
        self.place
    }

    pub(crate) fn restart(&mut self) {
        for operator in &mut self.operators {
            operator.reset();
        }
        self.reason = OriginReason::Rewarm;
        self.bars = 0;
    }

    /// Counts a used bar.
    pub(crate) const fn count(&mut self, used: LastUsed) {
        if self.bars == 0 {
            self.first_close_time = used.close_time;
        }
        self.bars += 1;
        self.last_used = Some(used);
        self.pending_level = None;
    }

    /// Appends the state's bits.
    pub fn save(&self, out: &mut Vec<u8>) {
        put_u8(out, reason_code(self.reason));
        put_i64(out, self.first_close_time.0);
        put_u64(out, self.bars);
        put_f64(out, self.bounds.price_min);
        put_f64(out, self.bounds.price_max);
        put_u8(out, u8::from(self.last_used.is_some()));
        if let Some(last) = self.last_used {
            put_i64(out, last.close_time.0);
            put_f64(out, last.close);
        }
        put_u8(out, u8::from(self.pending_level.is_some()));
        if let Some(level) = self.pending_level {
            put_f64(out, level);
        }
        for operator in &self.operators {
            operator.save(out);
        }
    }

    pub(crate) fn load(plan: &FeaturePlan, input: &mut &[u8]) -> Result<Self, LoadStateError> {
        let reason = reason_of(take_u8(input)?)?;
        let first_close_time = UtcMillis(take_i64(input)?);
        let bars = take_u64(input)?;
        let bounds = PriceBounds {
            price_min: take_f64(input)?,
            price_max: take_f64(input)?,
        };
        let mut state = Self::with_bounds(plan, bounds);
        (state.reason, state.first_close_time, state.bars) = (reason, first_close_time, bars);
        if take_flag(input)? {
            state.last_used = Some(LastUsed {
                close_time: UtcMillis(take_i64(input)?),
                close: take_f64(input)?,
            });
        }
        if take_flag(input)? {
            state.pending_level = Some(take_f64(input)?);
        }
        for operator in &mut state.operators {
            operator.load(input)?;
        }
        Ok(state)
    }
}

const fn reason_code(reason: OriginReason) -> u8 {
    match reason {
        OriginReason::First => 0,
        OriginReason::Rewarm => 1,
        OriginReason::Swap => 2,
    }
}

const fn reason_of(code: u8) -> Result<OriginReason, LoadStateError> {
    Ok(match code {
        0 => OriginReason::First,
        1 => OriginReason::Rewarm,
        2 => OriginReason::Swap,
        _ => return Err(LoadStateError("an unknown reason of an origin")),
    })
}

fn take_flag(input: &mut &[u8]) -> Result<bool, LoadStateError> {
    match take_u8(input)? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(LoadStateError("a flag is neither 0 nor 1")),
    }
}
