//! From the wire to the wire: a bar's text into a running engine's feed socket, its signal out of a client's, on the loopback; and beside
//! it the same text through a bare echo, which is what two hand-overs between the sockets cost without an engine.

use std::net::SocketAddr;
use std::path::PathBuf;

use contracts::bar::Bar;
use contracts::native::{FeedMode, NativeHello, NativeMessage, Speed};
use contracts::numerics::Executor;
use engine::bench::Stage;
use engine::clock::SystemClock;
use engine::drivers::live::{Live, LiveOptions};
use engine::feeds::FeedLimits;
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use testkit::faulty_feed::bar_text;
use testkit::live::{MakeSpec, TOKEN, lay, made, settings};
use testkit::market::{Grid, Market, MarketSpec};
use testkit::rig;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{WebSocketStream, accept_async, client_async};

type Socket = WebSocketStream<TcpStream>;

/// The text of a bar there and back.
pub const WIRE_ECHO: &str = "wire to wire: bare echo of a bar's text";
/// The text of a bar in, its signal out.
pub const WIRE_SIGNAL: &str = "wire to wire: bar to signal, inline driver";

/// Bars until every operator has settled.
const SETTLED: usize = 400;
/// The feed's side of the connection is read once in so many bars, to answer pings.
const READ_EVERY: usize = 64;

pub(super) fn stages() -> Vec<Stage> {
    vec![echo(), signals()]
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    (listener, address)
}

async fn accepted(listener: &TcpListener) -> Socket {
    let (stream, _) = listener.accept().await.expect("the other side connects");
    stream.set_nodelay(true).expect("a socket that is there");
    accept_async(stream).await.expect("a handshake")
}

async fn connected(address: SocketAddr) -> Socket {
    let stream = TcpStream::connect(address).await.expect("the other side listens");
    stream.set_nodelay(true).expect("a socket that is there");
    let mut request = format!("ws://{address}/v1/signals")
        .into_client_request()
        .expect("an address");
    let bearer = format!("Bearer {TOKEN}").parse().expect("a header");
    request.headers_mut().insert("authorization", bearer);
    client_async(request, stream).await.expect("a handshake").0
}

async fn send(socket: &mut Socket, text: &str) {
    socket
        .send(Message::text(text))
        .await
        .expect("the other side is there");
}

/// The next text that answers a bar.
async fn answer(socket: &mut Socket) {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) if is_answer(&text) => return,
            Some(Ok(_)) => {}
            ended => panic!("the stream ended: {ended:?}"),
        }
    }
}

/// A `signal`, a `withheld`, or the bar itself from the echo.
fn is_answer(text: &str) -> bool {
    ["signal", "withheld", "bar"].iter().any(|kind| {
        text.strip_prefix("{\"type\":\"")
            .is_some_and(|rest| rest.starts_with(kind))
    })
}

fn market() -> Market {
    Market::generate(&MarketSpec {
        grid: Grid::AroundTheClock,
        missing_per_mille: 0,
        ..MarketSpec::many(5, 1, 60)
    })
}

fn texts(market: &Market) -> Vec<String> {
    let name = market.instruments[0].as_str();
    market.bars[0]
        .iter()
        .map(|bar: &Bar| bar_text(name, bar))
        .collect()
}

fn echo() -> Stage {
    let texts = texts(&market());
    let runtime = runtime();
    let (sender, address) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = self::runtime();
        runtime.block_on(async {
            let (listener, address) = listener().await;
            sender.send(address).expect("the stage waits for it");
            let mut socket = accepted(&listener).await;
            // The other side leaves when the stage is dropped.
            while let Some(Ok(message)) = socket.next().await {
                if message.is_text() && socket.send(message).await.is_err() {
                    return;
                }
            }
        });
    });
    let address = address.recv().expect("the echo listens");
    let mut socket = runtime.block_on(connected(address));
    let mut at = 0;
    Stage::new(WIRE_ECHO, move |operations| {
        runtime.block_on(async {
            for _ in 0..operations {
                send(&mut socket, &texts[at]).await;
                answer(&mut socket).await;
                at = (at + 1) % texts.len();
            }
        });
    })
}

/// An engine under the inline driver, with this program as its feed and its client.
struct Wired {
    runtime: Runtime,
    /// The feed's side and the client.
    sockets: Option<(Socket, Socket)>,
    live: Option<Live>,
    _folder: tempfile::TempDir,
}

impl Wired {
    fn start(market: &Market) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the engine");
        let contracts: PathBuf = folder.path().join("contract");
        std::fs::create_dir_all(&contracts).expect("a folder for contracts");
        let features = rig::features("technical_8");
        lay(
            &contracts,
            &made(&MakeSpec {
                features: &features,
                seed: 5,
                executor: Executor::Dense,
                generation: 100,
                hidden: 64,
            }),
        );
        let runtime = runtime();
        let (listener, address) = runtime.block_on(listener());
        let live = Live::start(LiveOptions {
            config: settings(folder.path(), &format!("ws://{address}/"), &market.instruments),
            config_path: None,
            clock: SystemClock::shared(),
            send_buffer_bytes: None,
            batch_rows_max: 64,
            feed_limits: FeedLimits::default(),
        })
        .unwrap_or_else(|error| panic!("the engine does not start: {error:?}"));
        let sockets = runtime.block_on(async {
            let mut feed = accepted(&listener).await;
            let asked = feed.next().await;
            assert!(matches!(asked, Some(Ok(Message::Text(_)))), "{asked:?}");
            let hello = NativeMessage::Hello(NativeHello {
                mode: FeedMode::Replay,
                speed: Speed::Max,
            });
            send(&mut feed, &hello.to_json().expect("a hello is JSON")).await;
            let mut client = connected(live.address()).await;
            let subscribe = "{\"op\":\"subscribe\",\"instruments\":\"*\",\"resume_from\":1}";
            send(&mut client, subscribe).await;
            (feed, client)
        });
        Self {
            runtime,
            sockets: Some(sockets),
            live: Some(live),
            _folder: folder,
        }
    }

    fn pass(&mut self, texts: &[String], at: usize) {
        let (feed, client) = self.sockets.as_mut().expect("taken only at the end");
        self.runtime.block_on(async {
            send(feed, &texts[at]).await;
            answer(client).await;
            if at.is_multiple_of(READ_EVERY) {
                // What the engine says to its feed is only pings; reading answers them.
                let _ping = feed.next().now_or_never();
            }
        });
    }
}

impl Drop for Wired {
    fn drop(&mut self) {
        // An engine that stops waits for clients that are still there.
        self.sockets = None;
        if let Some(live) = self.live.take() {
            // The figures are taken: a failure at the end is the next run's to show.
            drop(live.stop());
        }
    }
}

fn signals() -> Stage {
    let market = market();
    let texts = texts(&market);
    let mut wired = Wired::start(&market);
    for at in 0..SETTLED {
        wired.pass(&texts, at);
    }
    let most = texts.len() - SETTLED;
    let mut at = SETTLED;
    Stage::new(WIRE_SIGNAL, move |operations| {
        for _ in 0..operations {
            wired.pass(&texts, at);
            at += 1;
        }
    })
    .at_most(most as u64)
}
