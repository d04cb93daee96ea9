//! A control plane behind TLS: followed when its authority is named, otherwise not believed.

use std::net::SocketAddr;

use testkit::tls::Authority;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::kit::database;
use crate::place::Place;
use crate::plane::Plane;

/// Speaks TLS in front of `plane`, as a proxy does.
async fn front(plane: SocketAddr, acceptor: TlsAcceptor) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // Whoever leaves, leaves: the engine tries again.
                if let (Ok(mut socket), Ok(mut plane)) =
                    (acceptor.accept(socket).await, TcpStream::connect(plane).await)
                {
                    drop(copy_bidirectional(&mut socket, &mut plane).await);
                }
            });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plane_behind_tls_is_followed_when_its_authority_is_named() {
    let plane = Plane::start(database::sqlite().await).await;
    let mut place = Place::new(&plane);
    let (_, proposal) = plane.proposed(1, None).await;
    plane.deploy(&proposal).await;
    let authority = Authority::new();
    let front = front(plane.address(), authority.server("localhost", 2100)).await;
    let url = format!("https://localhost:{}", front.port());

    let mut engine = place.start(&url, 0).await;
    engine.assert_withheld("no_model").await;
    let page = engine.metrics();
    assert!(
        !page.contains("engine_control_failures_total{reason=\"tls\"} 0\n"),
        "{page}"
    );
    let from = engine.stop().await;

    authority.write(&place.path("ca.pem"));
    place.in_control = format!("ca_file = \"{}\"", place.path("ca.pem").display());
    let mut engine = place.start(&url, from).await;
    engine.assert_signals(1).await;
    engine.stop().await;
}
