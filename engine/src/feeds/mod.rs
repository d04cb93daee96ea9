//! The one door data comes in by.
//!
//! A connection's text goes through three small machines, none of which knows a socket or a clock:
//! [`codec`] (one per source: text → candles, ticks, daily values), [`candles`] (candles of sources without a final flag
//! become final) and [`aggregate`] (ticks and minutes become five minutes). [`decoder::FeedDecoder`] is the three in a row;
//! what leaves it, [`event::FeedEvent`], holds closed five-minute bars only, names resolved to dense indices.

mod aggregate;
mod candles;
pub mod codec;
pub mod decoder;
pub mod event;
pub mod symbols;
