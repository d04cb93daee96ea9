//! Drives a connector to its end: one request at a time, at the allowed rate, asked again where that may help, and never for ever.

use std::time::Duration;

use super::{Connector, Pace, Page, Refusal, Transport, TransportError};
use crate::limits::{
    FETCH_PAGES_MAX, FETCH_PAUSE_FIRST_MS, FETCH_PAUSE_MAX_MS, FETCH_TRIES_MAX, FETCH_WAIT_ASKED_MAX_S,
    TOO_MANY_PAUSE_MS,
};

/// Why a fetch ended without its rows. Nothing was kept.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Nobody answers.
    #[error("{vendor} does not answer after {tries} tries")]
    Silent {
        /// Who.
        vendor: &'static str,
        /// How often it was asked.
        tries: u32,
        /// The last error.
        source: TransportError,
    },
    /// It answers with a fault that does not pass.
    #[error("{vendor} answers with a fault after {tries} tries: {detail}")]
    Faulty {
        /// Who.
        vendor: &'static str,
        /// How often it was asked.
        tries: u32,
        /// Its words.
        detail: String,
    },
    /// It says it is asked too often.
    #[error(
        "{vendor} says it is asked too often, after {tries} tries: lower requests_per_minute in the source file, or wait for the day's credits"
    )]
    TooMany {
        /// Who.
        vendor: &'static str,
        /// How often it was asked.
        tries: u32,
    },
    /// It does not accept the key.
    #[error("{vendor} does not accept the key: {detail}")]
    Key {
        /// Who.
        vendor: &'static str,
        /// Its words, the key cut out.
        detail: String,
    },
    /// It refuses the request, or its answer is not what it should be.
    #[error("{vendor}: {detail}")]
    Refused {
        /// Who.
        vendor: &'static str,
        /// What is wrong.
        detail: String,
    },
    /// Its pages do not end.
    #[error(
        "{vendor} has more than {FETCH_PAGES_MAX} pages, or sends the same one again: name a shorter time with --from and --to"
    )]
    Endless {
        /// Who.
        vendor: &'static str,
    },
}

/// What was fetched.
#[derive(Debug, Clone, PartialEq)]
pub struct Fetched<R> {
    /// The rows of all pages, in the vendor's order.
    pub rows: Vec<R>,
    /// Rows that cannot be read: number from 1 over all pages, and why.
    pub bad: Vec<(u64, String)>,
    /// Requests that were answered with a page.
    pub pages: u32,
}

/// Fetches every page; `told` hears how many there are so far.
///
/// # Errors
/// [`FetchError`].
pub async fn all<C: Connector>(
    connector: &C,
    transport: &impl Transport,
    pace: &impl Pace,
    requests_per_minute: u32,
    mut told: impl FnMut(u32, usize),
) -> Result<Fetched<C::Row>, FetchError> {
    let vendor = connector.vendor();
    let apart = Duration::from_secs(60) / requests_per_minute.max(1);
    let mut asked: Option<Duration> = None;
    let mut fetched = Fetched {
        rows: Vec::new(),
        bad: Vec::new(),
        pages: 0,
    };
    let mut at = Some(connector.first());
    let mut seen: Vec<C::Cursor> = Vec::new();
    while let Some(cursor) = at {
        if fetched.pages >= FETCH_PAGES_MAX || seen.contains(&cursor) {
            return Err(FetchError::Endless { vendor });
        }
        let page = page(connector, transport, pace, apart, &mut asked, &cursor).await?;
        let before = fetched.rows.len() as u64 + fetched.bad.len() as u64;
        fetched.rows.extend(page.rows);
        fetched
            .bad
            .extend(page.bad.into_iter().map(|(row, fault)| (before + row, fault)));
        fetched.pages += 1;
        told(fetched.pages, fetched.rows.len());
        seen.push(cursor);
        at = page.next;
    }
    Ok(fetched)
}

/// One page, asked for until it is there or there is no hope.
async fn page<C: Connector>(
    connector: &C,
    transport: &impl Transport,
    pace: &impl Pace,
    apart: Duration,
    asked: &mut Option<Duration>,
    cursor: &C::Cursor,
) -> Result<Page<C::Row, C::Cursor>, FetchError> {
    let vendor = connector.vendor();
    let request = connector.request(cursor);
    let mut tries = 0;
    loop {
        if let Some(asked) = *asked {
            let wait = (asked + apart).saturating_sub(pace.elapsed());
            if !wait.is_zero() {
                pace.pause(wait).await;
            }
        }
        *asked = Some(pace.elapsed());
        tries += 1;
        let last = tries >= FETCH_TRIES_MAX;
        let (least, wished) = match transport.get(&request).await {
            Err(source) if last => {
                return Err(FetchError::Silent {
                    vendor,
                    tries,
                    source,
                });
            }
            Err(error) => {
                tracing::warn!(vendor, tries, %error, "no answer: asked again");
                (Duration::ZERO, None)
            }
            Ok(answer) => match connector.read(cursor, &answer) {
                Ok(page) => return Ok(page),
                Err(Refusal::Key(detail)) => return Err(FetchError::Key { vendor, detail }),
                Err(Refusal::Lasting(detail)) => return Err(FetchError::Refused { vendor, detail }),
                Err(Refusal::TooMany) if last => return Err(FetchError::TooMany { vendor, tries }),
                Err(Refusal::Passing(detail)) if last => {
                    return Err(FetchError::Faulty {
                        vendor,
                        tries,
                        detail,
                    });
                }
                Err(Refusal::TooMany) => {
                    tracing::warn!(vendor, tries, "asked too often: waits");
                    (Duration::from_millis(TOO_MANY_PAUSE_MS), answer.retry_after)
                }
                Err(Refusal::Passing(detail)) => {
                    tracing::warn!(vendor, tries, detail, "a fault that may pass: asked again");
                    (Duration::ZERO, answer.retry_after)
                }
            },
        };
        pace.pause(pause(tries, least, wished, pace.draw())).await;
    }
}

/// The pause after a number of tries: doubling, with up to a half taken off by chance; longer where the vendor wishes, within bounds.
fn pause(tries: u32, least: Duration, wished: Option<Duration>, drawn: f64) -> Duration {
    let doubled = FETCH_PAUSE_FIRST_MS << (tries - 1).min(16);
    let full = Duration::from_millis(doubled.min(FETCH_PAUSE_MAX_MS));
    let with_chance = full.mul_f64(1.0 - drawn.clamp(0.0, 1.0) / 2.0);
    let wished = wished.unwrap_or_default();
    with_chance
        .max(least)
        .max(wished.min(Duration::from_secs(FETCH_WAIT_ASKED_MAX_S)))
}
