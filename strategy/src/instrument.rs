//! Instrument.
