//! The accept loop: signal clients go to a session, everything else to the HTTP service.
//!
//! The first [`DRIVER_CLIENTS_MAX`] signal clients run on the driver's own runtime, where the message they wait for is published:
//! no hand-over between threads on their path. Further ones, heads, HTTP, reads of the journal and the ticker run on the runtime
//! [`SignalServer::run`] is called on.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::{Request, create_response, write_response};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::history::History;
use super::http;
use super::hub::Hub;
use super::positions::{ClientId, PositionDesk};
use super::session::Session;
use super::tokens::{Grant, Tokens};
use super::transport::{Head, Metered, read_head};
use super::wake::WakeSeat;
use crate::clock::SharedClock;
use crate::config::Scope;
use crate::limits::{
    ACCEPT_RETRY_MS, CLIENT_MESSAGE_BYTES_MAX, CLIENT_READ_BUFFER_BYTES, CLIENT_WRITE_BUFFER_BYTES,
    DRIVER_CLIENTS_MAX, HTTP_CONNECTIONS_MAX, REQUEST_HEAD_WITHIN_MS, TICK_MS, TOKENS_RELOAD_MS,
};
use crate::metrics::{Metrics, count};

/// Connections the kernel holds until they are accepted.
const BACKLOG: u32 = 1_024;

/// What the server serves.
pub struct Parts {
    /// The signal hub.
    pub hub: Arc<Hub>,
    /// The journal, read back.
    pub history: Arc<dyn History>,
    /// Who may connect.
    pub tokens: Arc<Tokens>,
    /// Reported positions.
    pub desk: PositionDesk,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Wall time: token expiry and the latency histogram.
    pub clock: SharedClock,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("hub", &self.hub)
            .finish_non_exhaustive()
    }
}

/// Where and how it listens.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// Address; port 0 takes a free one.
    pub listen: SocketAddr,
    /// `SO_SNDBUF` of every connection; the system's default without it. Tests set it, so that the kernel cannot hide a slow client.
    pub send_buffer_bytes: Option<u32>,
    /// The driver's runtime, if it serves clients.
    pub driver: Option<Handle>,
    /// Whether the server moves the hub's time and reads the tokens again on its own; tests do both by hand.
    pub own_ticks: bool,
}

/// The address cannot be listened on: another process has it, or the machine does not.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {listen}: choose another `listen` in engine.toml, or end the process that has it")]
pub struct BindError {
    /// The address.
    pub listen: SocketAddr,
    /// The operating system's reason.
    #[source]
    pub source: io::Error,
}

/// What sessions and HTTP handlers share.
pub(super) struct Shared {
    pub(super) hub: Arc<Hub>,
    pub(super) history: Arc<dyn History>,
    pub(super) tokens: Arc<Tokens>,
    pub(super) desk: PositionDesk,
    pub(super) metrics: Arc<Metrics>,
    pub(super) clock: SharedClock,
    /// Where reads of the journal run, also for clients of the driver's runtime.
    pub(super) io: Handle,
    sessions: watch::Sender<usize>,
    on_driver: AtomicUsize,
    next_client: AtomicU64,
}

/// The service: listens from [`Self::bind`] on, serves in [`Self::run`].
pub struct SignalServer {
    listener: TcpListener,
    options: ServerOptions,
    shared: Arc<Shared>,
    stop: watch::Receiver<bool>,
}

impl fmt::Debug for SignalServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignalServer")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// To ask it things and to end it.
#[derive(Clone)]
pub struct ServerHandle {
    local_addr: SocketAddr,
    shared: Arc<Shared>,
    stop: Arc<watch::Sender<bool>>,
}

impl fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerHandle")
            .field("local_addr", &self.local_addr)
            .finish_non_exhaustive()
    }
}

impl ServerHandle {
    /// Where it listens.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Reads the token list again now and makes every stream check itself.
    ///
    /// # Errors
    /// [`crate::config::ConfigError`]: the last good list stays in force.
    pub fn reload_tokens(&self) -> Result<bool, crate::config::ConfigError> {
        let outcome = self.shared.tokens.reload();
        match &outcome {
            Ok(true) => {
                tracing::info!("tokens read again");
                self.shared.hub.wake();
            }
            Ok(false) => {}
            Err(_) => count(&self.shared.metrics.token_reload_failures),
        }
        outcome
    }

    /// No new connections; clients get what is published and close 1001 (after [`Hub::fault`]: `fault` and 1011). Returns when the
    /// last is gone. The driver's runtime must go on running until then.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        self.shared.hub.stop();
        let mut sessions = self.shared.sessions.subscribe();
        // The sender lives in `shared`, which we hold: this ends with the count, not with an error.
        drop(sessions.wait_for(|count| *count == 0).await);
    }
}

impl SignalServer {
    /// Listens.
    ///
    /// # Errors
    /// [`BindError`].
    pub async fn bind(options: ServerOptions, parts: Parts) -> Result<(Self, ServerHandle), BindError> {
        let listener = listen(&options).map_err(|source| BindError {
            listen: options.listen,
            source,
        })?;
        let local_addr = listener.local_addr().unwrap_or(options.listen);
        let shared = Arc::new(Shared {
            hub: parts.hub,
            history: parts.history,
            tokens: parts.tokens,
            desk: parts.desk,
            metrics: parts.metrics,
            clock: parts.clock,
            io: Handle::current(),
            sessions: watch::Sender::new(0),
            on_driver: AtomicUsize::new(0),
            next_client: AtomicU64::new(1),
        });
        let (sender, stop) = watch::channel(false);
        let handle = ServerHandle {
            local_addr,
            shared: Arc::clone(&shared),
            stop: Arc::new(sender),
        };
        let server = Self {
            listener,
            options,
            shared,
            stop,
        };
        Ok((server, handle))
    }

    /// Serves until [`ServerHandle::stop`].
    pub async fn run(mut self) {
        let ticker = self
            .options
            .own_ticks
            .then(|| tokio::spawn(tick(Arc::clone(&self.shared))));
        let slots = Arc::new(Semaphore::new(HTTP_CONNECTIONS_MAX));
        let router = http::router(Arc::clone(&self.shared));
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                _ = self.stop.wait_for(|stop| *stop) => break,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors, or a connection that is gone already: wait for others to end instead of spinning.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(ACCEPT_RETRY_MS)).await;
                    continue;
                }
            };
            let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else {
                tracing::debug!(%peer, "too many connections that are no signal clients");
                continue;
            };
            let (shared, router, driver) = (
                Arc::clone(&self.shared),
                router.clone(),
                self.options.driver.clone(),
            );
            tokio::spawn(async move {
                if let Err(error) = welcome(stream, shared, router, driver, slot).await {
                    tracing::debug!(%peer, %error, "connection ended");
                }
            });
        }
        drop(self.listener);
        let mut sessions = self.shared.sessions.subscribe();
        drop(sessions.wait_for(|count| *count == 0).await);
        if let Some(ticker) = ticker {
            ticker.abort();
        }
    }
}

fn listen(options: &ServerOptions) -> io::Result<TcpListener> {
    let socket = if options.listen.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    socket.set_reuseaddr(true)?;
    if let Some(bytes) = options.send_buffer_bytes {
        // Accepted sockets inherit it.
        socket.set_send_buffer_size(bytes)?;
    }
    socket.bind(options.listen)?;
    socket.listen(BACKLOG)
}

/// Moves the hub's time and reads the tokens again.
async fn tick(shared: Arc<Shared>) {
    let started = Instant::now();
    let mut ticks = interval(Duration::from_millis(TICK_MS));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut reload_at_ms = TOKENS_RELOAD_MS;
    loop {
        ticks.tick().await;
        let now_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        shared.hub.tick(now_ms);
        if now_ms >= reload_at_ms {
            reload_at_ms = now_ms + TOKENS_RELOAD_MS;
            let tokens = Arc::clone(&shared.tokens);
            let reloaded = tokio::task::spawn_blocking(move || tokens.reload()).await;
            match reloaded {
                Ok(Ok(true)) => {
                    tracing::info!("tokens read again");
                    shared.hub.wake();
                }
                Ok(Err(error)) => {
                    let reason = std::error::Error::source(&error)
                        .map(ToString::to_string)
                        .unwrap_or_default();
                    tracing::warn!(%error, reason, "the token list is not replaced");
                    count(&shared.metrics.token_reload_failures);
                }
                Ok(Ok(false)) | Err(_) => {}
            }
        }
    }
}

/// Finds out what a connection wants and gives it to whom it concerns. `slot` is held until the connection is a signal client or over.
async fn welcome(
    mut stream: TcpStream,
    shared: Arc<Shared>,
    router: axum::Router,
    driver: Option<Handle>,
    slot: tokio::sync::OwnedSemaphorePermit,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let head = timeout(
        Duration::from_millis(REQUEST_HEAD_WITHIN_MS),
        read_head(&mut stream),
    )
    .await
    .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    match head {
        Head::Http { bytes } => http::serve(stream, bytes, router).await,
        Head::Signals { request, rest } => {
            let (grant, seat, response) = match admit(&request, &shared) {
                Ok(admitted) => admitted,
                Err(refusal) => return stream.write_all(&refusal).await,
            };
            stream.write_all(&response).await?;
            drop(slot);
            open(stream, rest, shared, grant, seat, driver)
        }
    }
}

/// The grant, a seat and the 101 response; or the bytes that refuse.
fn admit(request: &Request, shared: &Shared) -> Result<(Grant, WakeSeat, Vec<u8>), Vec<u8>> {
    let header = request
        .headers()
        .get("authorization")
        .and_then(|value| value.to_str().ok());
    let grant = shared
        .tokens
        .authorise(header, Scope::SignalsRead, shared.clock.now().to_millis())
        .map_err(|refused| {
            count(&shared.metrics.auth_refused);
            http::raw_problem(refused.status(), http::auth_code(&refused), &refused.to_string())
        })?;
    let mut response = Vec::with_capacity(256);
    create_response(request)
        .and_then(|switching| write_response(&mut response, &switching))
        .map_err(|error| http::raw_problem(400, "no_upgrade", &error.to_string()))?;
    let seat = shared.hub.seat().ok_or_else(|| {
        http::raw_problem(
            503,
            "full",
            "all places for signal clients are taken: signals.clients_max",
        )
    })?;
    Ok((grant, seat, response))
}

/// Counts a session while it lives, and its place on the driver if it has one.
struct Counted {
    shared: Arc<Shared>,
    on_driver: bool,
}

impl Counted {
    fn new(shared: Arc<Shared>, wants_driver: bool) -> Self {
        shared.sessions.send_modify(|count| *count += 1);
        shared.metrics.clients.fetch_add(1, Ordering::Relaxed);
        let take = |taken: usize| (taken < DRIVER_CLIENTS_MAX).then_some(taken + 1);
        let on_driver = wants_driver
            && shared
                .on_driver
                .fetch_update(Ordering::AcqRel, Ordering::Acquire, take)
                .is_ok();
        Self { shared, on_driver }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if self.on_driver {
            self.shared.on_driver.fetch_sub(1, Ordering::AcqRel);
        }
        self.shared.metrics.clients.fetch_sub(1, Ordering::Relaxed);
        self.shared.sessions.send_modify(|count| *count -= 1);
    }
}

/// Starts the session on the driver's runtime while it has room, else here.
fn open(
    stream: TcpStream,
    rest: Vec<u8>,
    shared: Arc<Shared>,
    grant: Grant,
    seat: WakeSeat,
    driver: Option<Handle>,
) -> io::Result<()> {
    let counted = Counted::new(Arc::clone(&shared), driver.is_some());
    let id = ClientId(shared.next_client.fetch_add(1, Ordering::Relaxed));
    // A socket belongs to the runtime it was made on: it moves as the plain socket it is.
    let plain = stream.into_std()?;
    let on_driver = counted.on_driver;
    tracing::debug!(client = id.0, token = %grant.name, on_driver, "signal client");
    let session = async move {
        let _counted = counted;
        match TcpStream::from_std(plain) {
            Ok(stream) => {
                let config = WebSocketConfig::default()
                    .read_buffer_size(CLIENT_READ_BUFFER_BYTES)
                    .write_buffer_size(CLIENT_WRITE_BUFFER_BYTES)
                    .max_message_size(Some(CLIENT_MESSAGE_BYTES_MAX))
                    .max_frame_size(Some(CLIENT_MESSAGE_BYTES_MAX));
                let socket = WebSocketStream::from_partially_read(
                    Metered::new(stream),
                    rest,
                    Role::Server,
                    Some(config),
                )
                .await;
                Session::new(socket, shared, grant, id, seat).run().await;
            }
            Err(error) => tracing::warn!(%error, client = id.0, "a socket could not be moved to its runtime"),
        }
    };
    match driver.filter(|_| on_driver) {
        Some(driver) => drop(driver.spawn(session)),
        None => drop(tokio::spawn(session)),
    }
    Ok(())
}
