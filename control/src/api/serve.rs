//! Listening, and stopping gracefully.

use std::future::{Future, IntoFuture as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;

use super::router_with;
use crate::app::App;
use crate::auth::Random;
use crate::limits::SHUTDOWN_S;

/// Ends when the process is told to stop (SIGINT or SIGTERM); both are heard from this call on.
///
/// # Errors
/// That of the signal handlers.
pub fn told_to_stop() -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
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
