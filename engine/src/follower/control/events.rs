//! Server-sent events, as far as the follower needs them: the data of each event, in order.

use std::collections::VecDeque;

use futures_util::StreamExt as _;

use super::client::{AskError, Reply};
use crate::limits::CONTROL_EVENT_BYTES_MAX;

/// A stream of events that has begun.
pub(super) struct Events {
    reply: Reply,
    lines: Lines,
}

impl Events {
    pub(super) const fn new(reply: Reply) -> Self {
        Self {
            reply,
            lines: Lines::new(),
        }
    }

    /// What came next: `Some` data of an event, `None` a sign of life. Losing the future loses nothing.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<u8>>, AskError> {
        loop {
            if let Some(data) = self.lines.complete.pop_front() {
                return Ok(Some(data));
            }
            let part = match self.reply.body.next().await {
                None => return Err(AskError::Broken("the stream ended".into())),
                Some(Err(error)) => return Err(AskError::Broken(error.into())),
                Some(Ok(part)) => part,
            };
            self.lines.push(&part)?;
            if self.lines.complete.is_empty() {
                return Ok(None);
            }
        }
    }
}

/// Bytes become events; see the HTML standard, "server-sent events". Lines end with LF or CRLF; comments and other fields are
/// left out.
struct Lines {
    line: Vec<u8>,
    data: Vec<u8>,
    complete: VecDeque<Vec<u8>>,
}

impl Lines {
    const fn new() -> Self {
        Self {
            line: Vec::new(),
            data: Vec::new(),
            complete: VecDeque::new(),
        }
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), AskError> {
        for &byte in bytes {
            if byte == b'\n' {
                self.end_line();
            } else {
                self.line.push(byte);
            }
            let held = self.line.len() + self.data.len();
            if held > CONTROL_EVENT_BYTES_MAX {
                return Err(AskError::TooLarge {
                    bytes: u64::try_from(held).unwrap_or(u64::MAX),
                    bytes_max: CONTROL_EVENT_BYTES_MAX,
                });
            }
        }
        Ok(())
    }

    fn end_line(&mut self) {
        let line = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        if line.is_empty() {
            if !self.data.is_empty() {
                self.complete.push_back(std::mem::take(&mut self.data));
            }
        } else if let Some(data) = line.strip_prefix(b"data:") {
            self.data
                .extend_from_slice(data.strip_prefix(b" ").unwrap_or(data));
        }
        self.line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_whole_however_they_were_cut() {
        let text =
            b": keep-alive\n\ndata: {\"a\":1}\r\n\r\nevent: x\ndata:two\ndata: lines\n\ndata: unfinished";
        for cut in 1..text.len() {
            let mut lines = Lines::new();
            for part in text.chunks(cut) {
                lines.push(part).unwrap();
            }
            let found: Vec<_> = lines.complete.iter().map(Vec::as_slice).collect();
            assert_eq!(found, [b"{\"a\":1}".as_slice(), b"twolines"], "cut at {cut}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_given_up() {
        let mut lines = Lines::new();
        lines.push(&vec![b'x'; CONTROL_EVENT_BYTES_MAX]).unwrap();
        assert!(matches!(lines.push(b"x"), Err(AskError::TooLarge { .. })));
    }
}
