//! The one door data comes in by.
//!
//! A connection's text goes through three small machines, none of which knows a socket or a clock:
//! [`codec`] (one per source: text → candles, ticks, daily values), [`candles`] (candles of sources without a final flag
//! become final) and [`aggregate`] (ticks and minutes become five minutes). [`decoder::FeedDecoder`] is the three in a row;
//! what leaves it, [`event::FeedEvent`], holds closed five-minute bars only, names resolved to dense indices. [`client`] is what
//! knows sockets: it connects ([`options`] says where and as whom), reconnects, resumes, back-fills from [`history`] and counts
//! every refusal.

mod address;
mod aggregate;
mod announced;
mod candles;
pub mod client;
pub mod codec;
mod connection;
pub mod counters;
pub mod credentials;
pub mod decoder;
pub mod event;
pub mod file_server;
mod held;
pub mod history;
pub mod options;
pub mod symbols;

pub use client::{FeedHandle, FeedService};
pub use codec::Source;
pub use event::{FeedEvent, FeedRefusal, FeedSink};
pub use options::{FeedError, FeedLimits, FeedOptions};
