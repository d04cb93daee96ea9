//! Pure computation: calendar, online features, normalisation, policy inference, discretisation.
//!
//! [`strategy::Strategy`] = observe (per bar) → infer (per batch) → decide (per bar). Training, backtest and live call the
//! same code; there is no clock, no socket and no thread in here.

pub mod action;
pub mod bytes;
pub mod calendar;
pub mod golden;
pub mod instrument;
pub mod limits;
pub mod macros;
pub mod normalise;
pub mod onnx;
pub mod operators;
pub mod plan;
pub mod policy;
mod quarantine;
pub mod strategy;
