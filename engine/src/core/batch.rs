//! Bars that wait together: observed one by one, inferred as one batch, recorded in their order.
//!
//! All buffers are made once, for the largest batch and the widest contract, so nothing is allocated per bar. Two bars of one
//! instrument never share a batch: the second one's observation depends on the first one's decision.

use contracts::bar::Bar;
use contracts::limits::{FEATURES_MAX, RAW_OUTPUTS_MAX};
use contracts::reason::Withheld;
use contracts::time::{UnixNanos, UtcMillis};
use strategy::instrument::Origin;

/// A bar between observation and record.
#[derive(Debug, Clone, Copy)]
pub struct Waiting {
    /// Place of its instrument among this core's own.
    pub local: usize,
    /// The bar.
    pub bar: Bar,
    /// When it was received.
    pub received_at: UnixNanos,
    /// The core's clock when it was observed.
    pub now: UnixNanos,
    /// History fetched after a gap.
    pub backfilled: bool,
    /// Whether it was used (in session, not quarantined).
    pub used: bool,
    /// Why it will give no decision.
    pub withheld: Option<Withheld>,
    /// Whether an operator has not settled, whatever else withholds the bar.
    pub warming: bool,
    /// Whether the observation holds the full vector.
    pub defined: bool,
    /// Where the operators began.
    pub origin: Option<Origin>,
    /// The level before and after, when this bar confirmed a shift.
    pub level_shift: Option<strategy::strategy::LevelShift>,
    /// First and last close missing between the last used bar of this session and this one, unless a gap input told it.
    pub missing: Option<(UtcMillis, UtcMillis)>,
    /// A gap input came right before it.
    pub gap_told: bool,
    /// Its row in the inference input.
    pub row: Option<usize>,
}

/// The buffers of a batch.
pub struct Batch {
    waiting: Vec<Waiting>,
    observations: Vec<f32>,
    rows: Vec<f32>,
    outputs: Vec<f32>,
    /// Raw features of the bar at hand, before normalisation.
    pub features: Vec<f64>,
    rows_len: usize,
    rows_max: usize,
    width: usize,
}

impl Batch {
    /// Buffers for `rows_max` bars of the widest contract.
    #[must_use]
    pub fn new(rows_max: usize) -> Self {
        Self {
            waiting: Vec::with_capacity(rows_max),
            observations: vec![0.0; rows_max * FEATURES_MAX],
            rows: vec![0.0; rows_max * FEATURES_MAX],
            outputs: vec![0.0; rows_max * RAW_OUTPUTS_MAX],
            features: vec![0.0; FEATURES_MAX],
            rows_len: 0,
            rows_max,
            width: 0,
        }
    }

    /// Bars waiting.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// True when no bar waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// True when no further bar fits.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.waiting.len() == self.rows_max
    }

    /// Begins a batch of observations `width` wide.
    pub fn begin(&mut self, width: usize) {
        self.waiting.clear();
        self.rows_len = 0;
        self.width = width;
    }

    /// Where the next bar's observation goes, and the scratch for its features.
    pub fn scratch(&mut self) -> (&mut [f64], &mut [f32]) {
        let at = self.waiting.len() * self.width;
        (
            &mut self.features[..self.width],
            &mut self.observations[at..at + self.width],
        )
    }

    /// Adds a bar whose observation [`Batch::scratch`] has received; it gets a row when nothing withholds it.
    pub fn push(&mut self, mut bar: Waiting) {
        if bar.withheld.is_none() {
            let from = self.waiting.len() * self.width;
            let to = self.rows_len * self.width;
            self.rows[to..to + self.width].copy_from_slice(&self.observations[from..from + self.width]);
            bar.row = Some(self.rows_len);
            self.rows_len += 1;
        }
        self.waiting.push(bar);
    }

    /// Rows to infer.
    #[must_use]
    pub const fn rows_len(&self) -> usize {
        self.rows_len
    }

    /// The rows, and where their outputs (`outputs_width` per row) go.
    pub fn inference(&mut self, outputs_width: usize) -> (&[f32], &mut [f32]) {
        (
            &self.rows[..self.rows_len * self.width],
            &mut self.outputs[..self.rows_len * outputs_width],
        )
    }

    /// The `i`-th waiting bar.
    #[must_use]
    pub fn waiting(&self, i: usize) -> Waiting {
        self.waiting[i]
    }

    /// The `i`-th bar's observation; empty when not all features are defined.
    #[must_use]
    pub fn observation(&self, i: usize) -> &[f32] {
        if !self.waiting[i].defined {
            return &[];
        }
        &self.observations[i * self.width..(i + 1) * self.width]
    }

    /// The outputs of a row.
    #[must_use]
    pub fn output(&self, row: usize, outputs_width: usize) -> &[f32] {
        &self.outputs[row * outputs_width..(row + 1) * outputs_width]
    }
}
