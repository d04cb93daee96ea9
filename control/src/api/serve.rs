//! Listening, and stopping gracefully.

use std::future::{Future, IntoFuture as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;

use super::router_with;
use crate::app::App;
use crate::auth::{Random, SystemRandom};
use crate::limits::SHUTDOWN_S;

/// Serves until the process is told to stop (SIGINT or SIGTERM).
///
/// # Errors
/// The listener's, or that of the signal handlers.
pub async fn serve(app: App, listener: TcpListener) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let stop = async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
    };
    serve_until(app, Arc::new(SystemRandom), listener, stop).await
}

/// Serves until `stop`: streams end then, other requests have ten seconds.
///
/// # Errors
/// The listener's.
pub async fn serve_until(
    app: App,
    random: Arc<dyn Random>,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let (order, stopping) = watch::channel(false);
    let router = router_with(app, random, stopping.clone());
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let mut graceful = stopping.clone();
    let server = axum::serve(listener, service).with_graceful_shutdown(async move {
        graceful.wait_for(|stop| *stop).await.ok();
    });
    tokio::spawn(async move {
        stop.await;
        order.send_replace(true);
    });
    let mut ordered = stopping;
    let late = async move {
        ordered.wait_for(|stop| *stop).await.ok();
        tokio::time::sleep(Duration::from_secs(SHUTDOWN_S)).await;
    };
    tokio::select! {
        done = server.into_future() => done,
        () = late => Ok(()),
    }
}
