//! Vendors over HTTP behind one trait.
//!
//! A [`Connector`] knows a vendor's requests and answers and nothing else: no socket, no clock. [`fetch::all`] drives it through a
//! [`Transport`] (HTTP, or a test's) at the pace of a [`Pace`] (the machine's time, or a test's). A key stands in an environment variable;
//! it is never logged, and cut out of whatever a vendor says before that becomes an error.

pub mod fetch;
pub mod fred;
pub mod http;
pub mod key;
pub mod pace;
pub mod twelvedata;

use std::time::Duration;

pub use self::fetch::{FetchError, all};
pub use self::key::Key;
pub use self::pace::{Pace, SystemPace};

/// A request: GET.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Path below the vendor's address, without a leading `/`.
    pub path: &'static str,
    /// Parameters, without the key.
    pub query: Vec<(&'static str, String)>,
    /// Where the key goes.
    pub key: KeyPlace,
}

/// Where a vendor wants its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPlace {
    /// In the header `Authorization: apikey KEY`.
    Authorization,
    /// In the query, under this name.
    Query(&'static str),
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP's.
    pub status: u16,
    /// The pause that the vendor asks for.
    pub retry_after: Option<Duration>,
    /// The bytes, within [`crate::limits::VENDOR_ANSWER_BYTES_MAX`].
    pub body: Vec<u8>,
}

/// Why there is no answer. Nothing in it holds the key.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct TransportError {
    /// What failed.
    pub what: String,
    /// The error behind it, without the address.
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Sends requests.
pub trait Transport {
    /// One request, one answer, whatever its status.
    fn get(&self, request: &Request) -> impl Future<Output = Result<Answer, TransportError>>;
}

/// What a vendor's answer comes to when it is no page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Asked too often: wait and ask again.
    TooMany,
    /// A fault that may pass: ask again.
    Passing(String),
    /// The key is missing, wrong or not allowed to have this.
    Key(String),
    /// It will stay: the request or the answer is wrong.
    Lasting(String),
}

/// A page of rows and what to ask next.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<R, C> {
    /// The rows, in the vendor's order.
    pub rows: Vec<R>,
    /// Rows that cannot be read: number on the page from 1, and why.
    pub bad: Vec<(u64, String)>,
    /// Where to go on; nowhere at the end.
    pub next: Option<C>,
}

/// A vendor.
pub trait Connector {
    /// What a row is.
    type Row;
    /// Where in the pages it stands.
    type Cursor: Clone + PartialEq + std::fmt::Debug;

    /// Who it is, for messages.
    fn vendor(&self) -> &'static str;

    /// Where it begins.
    fn first(&self) -> Self::Cursor;

    /// The request at a place.
    fn request(&self, at: &Self::Cursor) -> Request;

    /// Reads an answer.
    ///
    /// # Errors
    /// [`Refusal`].
    fn read(&self, at: &Self::Cursor, answer: &Answer) -> Result<Page<Self::Row, Self::Cursor>, Refusal>;
}

/// A vendor's own words in an error: one line, not too long.
fn said(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(crate::limits::VENDOR_WORDS_CHARS_MAX)
        .collect()
}

/// What an HTTP status says where the body says nothing a program understands.
fn by_status(answer: &Answer) -> Option<Refusal> {
    let shown = || {
        format!(
            "HTTP {}: {}",
            answer.status,
            said(&String::from_utf8_lossy(&answer.body))
        )
    };
    match answer.status {
        200 => None,
        429 => Some(Refusal::TooMany),
        401 | 403 => Some(Refusal::Key(shown())),
        408 | 500..=599 => Some(Refusal::Passing(shown())),
        _ => Some(Refusal::Lasting(shown())),
    }
}

#[cfg(test)]
mod tests;
