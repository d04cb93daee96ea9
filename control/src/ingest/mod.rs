//! L0: from files and vendors to checked rows, with a report of what is wrong with them.
//!
//! `source` says what rows mean (columns, stamp, zone, which vendor id feeds which series), `read` takes them from files and `connect` from
//! vendors over HTTP, `order` puts them in order and finds repetitions, `quality` says what is odd about them, `page` shows that to people.
//! Nothing is repaired: a row is kept as it is, or left out and named.

pub mod connect;
pub mod order;
pub mod page;
pub mod quality;
pub mod read;
pub mod source;
