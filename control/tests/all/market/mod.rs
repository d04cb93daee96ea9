//! The market store: ingests, what they refuse, what is read from it.

mod by_hand;
mod ingest;
mod listing;
mod publish;
mod reading;
