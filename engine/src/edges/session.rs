//! One client's stream: what it says, what it is sent, how it ends.
//!
//! A single polled state machine rather than tasks with a channel between: nothing is queued for a client but the replies to its own
//! messages and what tungstenite holds back (see `limits.rs`), and while the socket takes nothing, nothing is taken from the ring.
//! Woken by its socket, by its seat in the hub's wake list (messages, ticks, tokens, the end) or by a finished read of the journal.
//! Time is the hub's tick; the wall clock serves token expiry and the latency histogram only.

use std::collections::{BTreeSet, VecDeque};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use contracts::time::UnixNanos;
use contracts::wire::{
    ClientMessage, Error, ErrorCode, Fault, InstrumentFilter, Rewound, ServerMessage, Subscribe,
};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error as WsError, Message, protocol::CloseFrame};

use super::cursor::{Cursor, Filter, Step};
use super::history::{HistoryEntry, HistoryError};
use super::hub::Life;
use super::positions::ClientId;
use super::server::Shared;
use super::tokens::Grant;
use super::transport::Metered;
use super::wake::WakeSeat;
use crate::limits::{
    CLOSE_WITHIN_MS, HEARTBEAT_MS, REPLIES_WAITING_MAX, SEND_MESSAGES_PER_TURN, SUBSCRIBE_WITHIN_MS,
    WRITE_STALL_MS,
};
use crate::metrics::{Stage, count};

/// Why a stream ended, as `engine_signal_client_ends_total` counts it.
type EndWord = &'static str;

#[derive(Debug)]
struct Ending {
    code: CloseCode,
    reason: &'static str,
    word: EndWord,
    sent: bool,
    /// From here on the socket is dropped as it is.
    deadline_ms: u64,
}

type Fetch = JoinHandle<Result<Vec<HistoryEntry>, HistoryError>>;

/// A client after its upgrade.
pub(super) struct Session {
    socket: WebSocketStream<Metered<TcpStream>>,
    shared: Arc<Shared>,
    grant: Grant,
    token_version: u64,
    id: ClientId,
    seat: WakeSeat,
    cursor: Option<Cursor>,
    fetch: Option<Fetch>,
    replies: VecDeque<ServerMessage<'static>>,
    ending: Option<Ending>,
    /// The client has closed, or sent what cannot be read on: nothing more is read.
    deaf: bool,
    started_ms: u64,
    heartbeat_ms: u64,
    checked_ms: u64,
    /// Bytes written and tick when the socket last took something, while it owes us.
    stalled_at: Option<(u64, u64)>,
    unflushed: bool,
    /// When the bars behind the unflushed live messages were received.
    unflushed_bars: Vec<UnixNanos>,
}

impl Session {
    pub(super) fn new(
        socket: WebSocketStream<Metered<TcpStream>>,
        shared: Arc<Shared>,
        grant: Grant,
        id: ClientId,
        seat: WakeSeat,
    ) -> Self {
        let now_ms = shared.hub.tick_ms();
        let welcome = shared.hub.welcome(shared.history.oldest_seq());
        Self {
            socket,
            // Compared with the list of now at the first poll: an entry that went in between is noticed.
            token_version: u64::MAX,
            shared,
            grant,
            id,
            seat,
            cursor: None,
            fetch: None,
            replies: VecDeque::from([welcome]),
            ending: None,
            deaf: false,
            started_ms: now_ms,
            heartbeat_ms: now_ms,
            checked_ms: now_ms,
            stalled_at: None,
            unflushed: false,
            unflushed_bars: Vec::with_capacity(SEND_MESSAGES_PER_TURN),
        }
    }

    /// Serves the client to its end.
    pub(super) async fn run(mut self) {
        let word = poll_fn(|cx| self.poll(cx)).await;
        self.shared.desk.release(self.id);
        self.shared.metrics.client_ends.add(word, 1);
        tracing::debug!(client = self.id.0, token = %self.grant.name, reason = word, "signal client gone");
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<EndWord> {
        // Before looking at anything, so that whatever changes while we look wakes us again.
        self.seat.register(cx.waker());
        if let Some(word) = self.look_around() {
            return Poll::Ready(word);
        }
        if let Some(word) = self.read(cx) {
            return Poll::Ready(word);
        }
        let was_full = self.replies.len() >= REPLIES_WAITING_MAX;
        if let Some(word) = self.write(cx) {
            return Poll::Ready(word);
        }
        if was_full && self.replies.len() < REPLIES_WAITING_MAX {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// Time, token and life.
    fn look_around(&mut self) -> Option<EndWord> {
        let now_ms = self.shared.hub.tick_ms();
        if let Some(ending) = &self.ending {
            return (now_ms >= ending.deadline_ms).then_some(ending.word);
        }
        let version = self.shared.tokens.version();
        if version != self.token_version || now_ms != self.checked_ms {
            (self.token_version, self.checked_ms) = (version, now_ms);
            let wall = self.shared.clock.now().to_millis();
            if let Err(code) = self.shared.tokens.still_valid(&self.grant, wall) {
                let detail = format!("the token `{}` is no longer valid here", self.grant.name);
                self.refuse(code, detail, CloseCode::Policy, "token");
                return None;
            }
        }
        let written = self.socket.get_ref().written();
        match &mut self.stalled_at {
            Some((bytes, since_ms)) if *bytes != written => (*bytes, *since_ms) = (written, now_ms),
            Some((_, since_ms)) if now_ms.saturating_sub(*since_ms) >= WRITE_STALL_MS => {
                let detail = format!("took nothing for {} s", WRITE_STALL_MS / 1_000);
                self.refuse(
                    ErrorCode::SlowConsumer,
                    detail,
                    CloseCode::Policy,
                    "slow_consumer",
                );
                return None;
            }
            _ => {}
        }
        match &self.cursor {
            None if now_ms.saturating_sub(self.started_ms) >= SUBSCRIBE_WITHIN_MS => {
                let detail = format!("no subscribe within {} s", SUBSCRIBE_WITHIN_MS / 1_000);
                self.refuse(ErrorCode::SubscribeTimeout, detail, CloseCode::Policy, "protocol");
            }
            None => self.end_with_the_engine(),
            Some(cursor)
                if now_ms.saturating_sub(self.heartbeat_ms) >= HEARTBEAT_MS && self.replies.is_empty() =>
            {
                self.heartbeat_ms = now_ms;
                self.replies.push_back(cursor.progress(&self.shared.hub));
            }
            Some(_) => {}
        }
        None
    }

    fn read(&mut self, cx: &mut Context<'_>) -> Option<EndWord> {
        while !self.deaf && self.replies.len() < REPLIES_WAITING_MAX {
            match self.socket.poll_next_unpin(cx) {
                Poll::Pending => return None,
                Poll::Ready(None) => return Some(self.word_or("client_closed")),
                Poll::Ready(Some(Err(WsError::Capacity(_)))) => {
                    self.deaf = true;
                    self.end(CloseCode::Size, "message too long", "protocol");
                }
                Poll::Ready(Some(Err(_))) => return Some(self.word_or("broken")),
                Poll::Ready(Some(Ok(message))) => self.hear(message),
            }
        }
        None
    }

    fn word_or(&self, otherwise: EndWord) -> EndWord {
        self.ending.as_ref().map_or(otherwise, |ending| ending.word)
    }

    fn hear(&mut self, message: Message) {
        match message {
            // tungstenite has queued the answer; the reads that follow flush it and then end.
            Message::Close(_) => {
                if self.ending.is_none() {
                    self.end(CloseCode::Normal, "", "client_closed");
                }
                if let Some(ending) = &mut self.ending {
                    ending.sent = true;
                }
            }
            Message::Ping(_) => self.unflushed = true,
            Message::Pong(_) | Message::Frame(_) => {}
            _ if self.ending.is_some() => {}
            Message::Binary(_) => self.malformed("a text frame is expected, not a binary one".into()),
            Message::Text(text) => match serde_json::from_str(&text) {
                Ok(ClientMessage::Subscribe(subscribe)) => self.subscribe(subscribe),
                Ok(ClientMessage::Position(report)) => {
                    let outcome = self
                        .shared
                        .desk
                        .report(self.id, &self.grant, &report, &self.shared.hub);
                    if let Err(refused) = outcome {
                        self.reply_error(refused.code, refused.detail);
                    }
                }
                Err(error) => self.malformed(error.to_string()),
            },
        }
    }

    fn subscribe(&mut self, subscribe: Subscribe) {
        if self.cursor.is_some() {
            let detail = "one subscribe per stream: open another stream".to_owned();
            return self.refuse(
                ErrorCode::AlreadySubscribed,
                detail,
                CloseCode::Policy,
                "protocol",
            );
        }
        let hub = Arc::clone(&self.shared.hub);
        let filter = match self.filter(&subscribe.instruments) {
            Ok(filter) => filter,
            Err((code, detail)) => return self.refuse(code, detail, CloseCode::Policy, "protocol"),
        };
        let start = match subscribe.resume_from {
            None => {
                let snapshot = hub.snapshot(&filter);
                let start = snapshot.through + 1;
                self.replies.push_back(ServerMessage::Snapshot(snapshot));
                start
            }
            Some(wanted) => {
                let (ours, theirs) = (hub.epoch(), subscribe.epoch.unwrap_or_else(|| hub.epoch()));
                let rewound = hub.rewound_since(theirs);
                let start = rewound.map_or(wanted, |first| wanted.min(first)).max(1);
                let next = hub.ring().next_seq();
                if theirs > ours || start > next {
                    let detail = format!(
                        "resume_from {wanted} in epoch {theirs}: the engine is at next_seq {next} in epoch {ours}"
                    );
                    return self.refuse(ErrorCode::Ahead, detail, CloseCode::Policy, "protocol");
                }
                if let Some(first_seq) = rewound {
                    self.replies.push_back(ServerMessage::Rewound(Rewound {
                        epoch: ours,
                        first_seq,
                        simulated: hub.simulated(),
                    }));
                }
                start
            }
        };
        self.heartbeat_ms = hub.tick_ms();
        self.cursor = Some(Cursor::new(start, filter));
    }

    /// What is asked for, as far as the slot has it and the token allows it.
    fn filter(&self, asked: &InstrumentFilter) -> Result<Filter, (ErrorCode, String)> {
        let hub = &self.shared.hub;
        let allowed = self.grant.instruments.as_ref();
        let names: Vec<_> = match (asked, allowed) {
            (InstrumentFilter::All, None) => return Ok(Filter::All),
            (InstrumentFilter::All, Some(allowed)) => allowed
                .iter()
                .filter(|name| hub.index_of(name.as_str()).is_some())
                .collect(),
            (InstrumentFilter::Only(asked), _) => {
                for name in asked {
                    if hub.index_of(name.as_str()).is_none() {
                        let detail = format!("{name} is not an instrument of this slot");
                        return Err((ErrorCode::UnknownInstrument, detail));
                    }
                    if allowed.is_some_and(|allowed| !allowed.contains(name)) {
                        return Err((ErrorCode::Forbidden, format!("this token does not cover {name}")));
                    }
                }
                asked.iter().collect()
            }
        };
        Ok(Filter::Only {
            indices: names
                .iter()
                .filter_map(|name| hub.index_of(name.as_str()))
                .collect(),
            names: names
                .iter()
                .map(|name| name.as_str().into())
                .collect::<BTreeSet<_>>(),
        })
    }

    fn write(&mut self, cx: &mut Context<'_>) -> Option<EndWord> {
        let mut budget = SEND_MESSAGES_PER_TURN;
        loop {
            match self.socket.poll_ready_unpin(cx) {
                Poll::Pending => break,
                Poll::Ready(Err(_)) => return Some(self.word_or("broken")),
                Poll::Ready(Ok(())) => {}
            }
            if budget == 0 {
                cx.waker().wake_by_ref();
                break;
            }
            budget -= 1;
            let Some(message) = self.next_message(cx, &mut budget) else {
                break;
            };
            if self.socket.start_send_unpin(message).is_err() {
                return Some(self.word_or("broken"));
            }
            self.unflushed = true;
        }
        if self.unflushed {
            match self.socket.poll_flush_unpin(cx) {
                Poll::Pending => {
                    let now = (self.socket.get_ref().written(), self.shared.hub.tick_ms());
                    self.stalled_at.get_or_insert(now);
                }
                Poll::Ready(Err(_)) => return Some(self.word_or("broken")),
                Poll::Ready(Ok(())) => self.flushed(),
            }
        }
        let closed = self.deaf && !self.unflushed && self.ending.as_ref().is_some_and(|ending| ending.sent);
        closed.then(|| self.word_or("broken"))
    }

    fn flushed(&mut self) {
        self.unflushed = false;
        self.stalled_at = None;
        if !self.unflushed_bars.is_empty() {
            let (now, histogram) = (
                self.shared.clock.now(),
                self.shared.metrics.stage(Stage::ReceivedToWritten),
            );
            for received_at in self.unflushed_bars.drain(..) {
                histogram.record_ns(now.0.saturating_sub(received_at.0));
            }
        }
    }

    /// The next message for the socket, `None` when there is none now.
    fn next_message(&mut self, cx: &mut Context<'_>, budget: &mut usize) -> Option<Message> {
        loop {
            if let Some(reply) = self.replies.pop_front() {
                return Some(Message::text(reply.to_json()));
            }
            if let Some(ending) = &mut self.ending {
                if ending.sent {
                    return None;
                }
                ending.sent = true;
                return Some(Message::Close(Some(CloseFrame {
                    code: ending.code,
                    reason: ending.reason.into(),
                })));
            }
            if self.poll_fetch(cx) {
                continue;
            }
            let hub = &self.shared.hub;
            match self.cursor.as_mut()?.step(hub, hub.tick_ms()) {
                Step::Live(message) => {
                    self.unflushed_bars.extend(message.received_at);
                    return Some(Message::Text(message.text.clone()));
                }
                Step::Past(text) => return Some(Message::text(text)),
                Step::Tell(message) => {
                    if matches!(&message, ServerMessage::Gap(gap) if gap.refill) {
                        count(&self.shared.metrics.client_gaps);
                    }
                    return Some(Message::text(message.to_json()));
                }
                Step::Fetch { from, max } => {
                    let history = Arc::clone(&self.shared.history);
                    self.fetch = Some(self.shared.io.spawn_blocking(move || {
                        let mut entries = Vec::with_capacity(max);
                        history.read(from, max, &mut entries).map(|()| entries)
                    }));
                }
                Step::Again if *budget == 0 => {
                    cx.waker().wake_by_ref();
                    return None;
                }
                Step::Again => *budget -= 1,
                Step::Wait => {
                    let caught_up = self
                        .cursor
                        .as_ref()
                        .is_some_and(|cursor| cursor.is_caught_up(hub));
                    if !caught_up || hub.life() == Life::Running {
                        return None;
                    }
                    self.end_with_the_engine();
                }
                Step::Close(code) => {
                    let detail = "fell out of the ring twice within a minute".to_owned();
                    self.refuse(code, detail, CloseCode::Policy, "slow_consumer");
                }
            }
        }
    }

    /// True when a read of the journal has come back.
    fn poll_fetch(&mut self, cx: &mut Context<'_>) -> bool {
        let (Some(fetch), Some(cursor)) = (&mut self.fetch, &mut self.cursor) else {
            return false;
        };
        let Poll::Ready(outcome) = Pin::new(fetch).poll(cx) else {
            return false;
        };
        self.fetch = None;
        match outcome {
            Ok(Ok(entries)) => cursor.fetched(entries, &self.shared.hub),
            Ok(Err(error)) => {
                tracing::error!(%error, "a client's range cannot be read from the journal");
                self.refuse(
                    ErrorCode::HistoryFailed,
                    error.to_string(),
                    CloseCode::Error,
                    "history",
                );
            }
            // The runtime is shutting down: so is this stream.
            Err(_) => self.end(CloseCode::Away, "shutdown", "shutdown"),
        }
        true
    }

    fn end_with_the_engine(&mut self) {
        match self.shared.hub.life() {
            Life::Running => {}
            Life::Stopping => self.end(CloseCode::Away, "shutdown", "shutdown"),
            Life::Faulted(code) => {
                let simulated = self.shared.hub.simulated();
                self.replies
                    .push_back(ServerMessage::Fault(Fault { code, simulated }));
                self.end(CloseCode::Error, "fault", "fault");
            }
        }
    }

    fn malformed(&mut self, detail: String) {
        self.refuse(ErrorCode::Malformed, detail, CloseCode::Policy, "protocol");
    }

    fn reply_error(&mut self, code: ErrorCode, detail: String) {
        let simulated = self.shared.hub.simulated();
        self.replies.push_back(ServerMessage::Error(Error {
            code,
            detail: detail.into(),
            simulated,
        }));
    }

    fn refuse(&mut self, code: ErrorCode, detail: String, close: CloseCode, word: EndWord) {
        if self.ending.is_none() {
            self.reply_error(code, detail);
            self.end(close, code.word(), word);
        }
    }

    fn end(&mut self, code: CloseCode, reason: &'static str, word: EndWord) {
        let deadline_ms = self.shared.hub.tick_ms() + CLOSE_WITHIN_MS;
        self.ending.get_or_insert(Ending {
            code,
            reason,
            word,
            sent: false,
            deadline_ms,
        });
    }
}
