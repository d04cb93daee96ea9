//! A server on a free port, its publisher, and clients that read one message at a time.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use contracts::bar::{Bar, Ohlcv};
use contracts::hash::TokenHash;
use contracts::ids::{EngineId, Environment, InstrumentId, SlotId};
use contracts::reason::{Position, Withheld};
use contracts::time::{UnixNanos, UtcMillis};
use contracts::wire::{ClockMode, Reason, ServerMessage, WithheldBar};
use engine::clock::ManualClock;
use engine::config::{Scope, TokenEntry};
use engine::core::input::InstrumentIndex;
use engine::edges::{
    EpochStart, History, HistoryEntry, HistoryError, Hub, HubOptions, Identity, InboxFull, Parts,
    PositionDesk, PositionSink, Publication, Publisher, ServerHandle, ServerOptions, Serving, SignalServer,
    Tokens,
};
use engine::metrics::Metrics;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// A hang guard, never a measurement.
const GUARD: Duration = Duration::from_secs(60);

/// Runs a test on one thread under the hang guard.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async { tokio::time::timeout(GUARD, test).await.expect("the test hangs") })
}

/// Message `seq` of every test: A has the odd ones, B the even ones.
pub fn instrument_of(seq: u64) -> &'static str {
    if seq % 2 == 1 { "A" } else { "B" }
}

pub fn text_of(seq: u64) -> String {
    let price = 4_000.0 + (seq % 97) as f64 / 8.0;
    ServerMessage::Withheld(WithheldBar {
        seq,
        instrument: instrument_of(seq).into(),
        bar_close_time: UtcMillis(i64::try_from(seq).unwrap() * 300_000),
        bar: Ohlcv {
            open: price,
            high: price,
            low: price,
            close: price,
            volume: 0.0,
        },
        reason: Reason::new(Withheld::Warming, ""),
        simulated: false,
    })
    .to_json()
}

/// A journal that costs no memory: what it holds follows from the seq.
#[derive(Debug)]
pub struct Journal {
    pub oldest: AtomicU64,
    pub next: AtomicU64,
    pub broken: std::sync::atomic::AtomicBool,
}

impl History for Journal {
    fn oldest_seq(&self) -> u64 {
        self.oldest.load(Ordering::SeqCst)
    }
    fn read(&self, from_seq: u64, max: usize, out: &mut Vec<HistoryEntry>) -> Result<(), HistoryError> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(HistoryError {
                detail: "seg-7.log: offset 12: bad checksum".into(),
                source: None,
            });
        }
        let from = from_seq.max(self.oldest_seq());
        out.extend(
            (from..self.next.load(Ordering::SeqCst))
                .take(max)
                .map(|seq| HistoryEntry {
                    seq,
                    instrument: Some(instrument_of(seq).into()),
                    text: text_of(seq),
                }),
        );
        Ok(())
    }
    fn bars(
        &self,
        instrument: &str,
        from: UtcMillis,
        to: UtcMillis,
        max: usize,
        out: &mut Vec<Bar>,
    ) -> Result<(), HistoryError> {
        let closes = |seq: u64| UtcMillis(i64::try_from(seq).unwrap() * 300_000);
        out.extend(
            (self.oldest_seq()..self.next.load(Ordering::SeqCst))
                .filter(|seq| instrument_of(*seq) == instrument && closes(*seq) >= from && closes(*seq) <= to)
                .take(max)
                .map(|seq| Bar {
                    close_time: closes(seq),
                    open: 1.5,
                    high: 1.5,
                    low: 1.5,
                    close: 1.5,
                    volume: 0.0,
                }),
        );
        Ok(())
    }
}

#[derive(Debug, Default)]
pub struct Inbox(pub Mutex<Vec<(u32, i8, String)>>);
impl PositionSink for Inbox {
    fn report(
        &self,
        instrument: InstrumentIndex,
        position: Position,
        as_of: UtcMillis,
    ) -> Result<(), InboxFull> {
        self.0
            .lock()
            .unwrap()
            .push((instrument.0, position.as_i8(), as_of.to_string()));
        Ok(())
    }
}

pub struct Rig {
    pub hub: Arc<Hub>,
    pub publisher: Publisher,
    pub journal: Arc<Journal>,
    pub inbox: Arc<Inbox>,
    pub metrics: Arc<Metrics>,
    pub clock: Arc<ManualClock>,
    pub handle: ServerHandle,
    pub address: SocketAddr,
}

/// What a test may choose.
pub struct Setup {
    pub ring: usize,
    /// The next seq at start; everything below it is in the journal.
    pub next_seq: u64,
    pub epochs: Vec<EpochStart>,
    pub tokens: Arc<Tokens>,
    pub clock: ClockMode,
    pub driver: Option<tokio::runtime::Handle>,
    pub clients_max: usize,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            ring: 64,
            next_seq: 1,
            epochs: vec![EpochStart {
                epoch: 1,
                first_seq: 1,
            }],
            tokens: Tokens::fixed(vec![token(
                "all",
                &[Scope::SignalsRead, Scope::PositionsWrite, Scope::MetricsRead],
            )]),
            clock: ClockMode::Wall,
            driver: None,
            clients_max: 64,
        }
    }
}

/// An entry for the token text `name`, valid until second 1,000 of 1970 (the rig's clock starts at 0).
pub fn token(name: &str, scopes: &[Scope]) -> TokenEntry {
    TokenEntry {
        name: name.into(),
        sha256: TokenHash::of(name.as_bytes()),
        scopes: scopes.to_vec(),
        expires: UtcMillis(1_000_000),
        instruments: None,
    }
}

pub fn instrument(name: &str) -> InstrumentId {
    InstrumentId::parse(name).unwrap()
}

impl Rig {
    pub async fn start(setup: Setup) -> Self {
        let (hub, publisher) = Hub::new(HubOptions {
            identity: Identity {
                engine_id: EngineId::parse("engine-t").unwrap(),
                slot: SlotId::parse("slot-t").unwrap(),
                environment: Environment::parse("local").unwrap(),
                clock: setup.clock,
            },
            serving: Serving::default(),
            instruments: vec![instrument("A"), instrument("B")],
            positions: vec![Position::Long, Position::Flat],
            halted: false,
            next_seq: setup.next_seq,
            epochs: setup.epochs,
            ring_messages: setup.ring,
            clients_max: setup.clients_max,
        });
        let journal = Arc::new(Journal {
            oldest: AtomicU64::new(1),
            next: AtomicU64::new(setup.next_seq),
            broken: false.into(),
        });
        let inbox = Arc::new(Inbox::default());
        let (metrics, clock) = (Metrics::new(1), ManualClock::at(UnixNanos(0)));
        let options = ServerOptions {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            // Small, so that the kernel cannot hide a slow client.
            send_buffer_bytes: Some(4_096),
            driver: setup.driver,
            own_ticks: false,
        };
        let parts = Parts {
            hub: Arc::clone(&hub),
            history: Arc::clone(&journal) as _,
            tokens: setup.tokens,
            desk: PositionDesk::new(Arc::clone(&inbox) as _, []),
            metrics: Arc::clone(&metrics),
            clock: Arc::clone(&clock) as _,
        };
        let (server, handle) = SignalServer::bind(options, parts).await.unwrap();
        tokio::spawn(server.run());
        let address = handle.local_addr();
        Self {
            hub,
            publisher,
            journal,
            inbox,
            metrics,
            clock,
            handle,
            address,
        }
    }

    /// Journals, then publishes, the next `n` messages; the new next seq.
    pub fn publish(&mut self, n: u64) -> u64 {
        publish(&mut self.publisher, &self.journal, n)
    }

    pub async fn connect(&self) -> Client {
        self.connect_as("all").await.unwrap()
    }

    pub async fn connect_as(&self, token: &str) -> Result<Client, WsError> {
        Client::open(self.address, token).await
    }

    /// A client that has subscribed from `seq` on, its welcome read.
    pub async fn resume(&self, seq: u64) -> Client {
        let mut client = self.connect().await;
        client
            .send(json!({"op": "subscribe", "instruments": "*", "resume_from": seq, "epoch": 1}))
            .await;
        assert_eq!(client.object().await["type"], "welcome");
        client.settle().await;
        client
    }
}

pub fn publish(publisher: &mut Publisher, journal: &Journal, n: u64) -> u64 {
    for _ in 0..n {
        let seq = journal.next.fetch_add(1, Ordering::SeqCst);
        publisher.publish(Publication {
            seq,
            instrument: Some(instrument_of(seq)),
            position_after: None,
            halted: None,
            received_at: Some(UnixNanos(0)),
            text: text_of(seq).into(),
        });
    }
    publisher.wake();
    journal.next.load(Ordering::SeqCst)
}

/// How a stream ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    Closed(u16, String),
    Broken,
}

pub struct Client {
    socket: WebSocketStream<TcpStream>,
}

impl Client {
    pub async fn open(address: SocketAddr, token: &str) -> Result<Self, WsError> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(4_096)?;
        let stream = socket.connect(address).await?;
        let mut request = format!("ws://{address}/v1/signals").into_client_request()?;
        if !token.is_empty() {
            request
                .headers_mut()
                .insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        let (socket, _) = client_async(request, stream).await?;
        Ok(Self { socket })
    }

    pub async fn send(&mut self, message: Value) {
        self.send_text(&message.to_string()).await;
    }

    pub async fn send_text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    pub async fn send_raw(&mut self, message: Message) {
        self.socket.send(message).await.unwrap();
    }

    /// Returns when the engine has taken everything sent so far: it answers in order. Only while nothing else is on its way.
    pub async fn settle(&mut self) {
        self.send_raw(Message::Ping(Vec::new().into())).await;
        let answer = self.socket.next().await.unwrap().unwrap();
        assert!(matches!(answer, Message::Pong(_)), "{answer}");
    }

    /// The next text, or how the stream ended.
    pub async fn text(&mut self) -> Result<String, End> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => return Ok(text.to_string()),
                Some(Ok(Message::Close(Some(frame)))) => {
                    // Sends the answer and waits for the engine to hang up.
                    while let Some(Ok(_)) = self.socket.next().await {}
                    return Err(End::Closed(frame.code.into(), frame.reason.to_string()));
                }
                Some(Ok(Message::Close(None))) | Some(Err(_)) | None => return Err(End::Broken),
                Some(Ok(_)) => {}
            }
        }
    }

    pub async fn object(&mut self) -> Value {
        serde_json::from_str(&self.text().await.unwrap()).unwrap()
    }

    /// Reads to the end of the stream; everything before it and the end.
    pub async fn drain(&mut self) -> (Vec<Value>, End) {
        let mut seen = Vec::new();
        loop {
            match self.text().await {
                Ok(text) => seen.push(serde_json::from_str(&text).unwrap()),
                Err(end) => return (seen, end),
            }
        }
    }

    /// Reads published messages up to `last`, checks their bytes and that each follows its predecessor; other messages are returned.
    pub async fn expect_seqs(&mut self, first: u64, last: u64) -> Vec<Value> {
        let (mut next, mut others) = (first, Vec::new());
        while next <= last {
            let text = self
                .text()
                .await
                .unwrap_or_else(|end| panic!("{end:?} before seq {next}"));
            let value: Value = serde_json::from_str(&text).unwrap();
            match value["seq"].as_u64() {
                Some(seq) => {
                    assert_eq!(seq, next);
                    assert_eq!(text, text_of(seq));
                    next += 1;
                }
                None => others.push(value),
            }
        }
        others
    }
}
