//! How streams end with the engine, and on which runtime they live.

use contracts::wire::FaultCode;
use serde_json::json;

use super::kit::{End, Rig, Setup, run};

#[test]
fn a_planned_end_sends_what_is_published_and_closes_1001() {
    run(async {
        let mut rig = Rig::start(Setup {
            next_seq: 2_001,
            ..Setup::default()
        })
        .await;
        let mut behind = rig.resume(1).await;
        let mut idle = rig.connect().await;
        idle.object().await;
        rig.publish(5);
        let handle = rig.handle.clone();
        let stopped = tokio::spawn(async move { handle.stop().await });
        let (seen, end) = behind.drain().await;
        let seqs: Vec<_> = seen.iter().filter_map(|value| value["seq"].as_u64()).collect();
        assert!(seqs.iter().copied().eq(1..=2_005), "{} of 2005", seqs.len());
        assert_eq!(end, End::Closed(1001, "shutdown".into()));
        assert_eq!(idle.drain().await, (vec![], End::Closed(1001, "shutdown".into())));
        stopped.await.unwrap();
        assert!(rig.connect_as("all").await.is_err(), "nobody is let in any more");
    });
}

#[test]
fn a_fault_is_said_after_everything_published() {
    run(async {
        for code in FaultCode::ALL {
            let mut rig = Rig::start(Setup::default()).await;
            let mut client = rig.resume(1).await;
            rig.publish(3);
            rig.hub.fault(code);
            let (seen, end) = client.drain().await;
            assert_eq!(
                seen.iter().map(|value| value["seq"].as_u64()).collect::<Vec<_>>(),
                [Some(1), Some(2), Some(3), None]
            );
            assert_eq!(seen[3], json!({"type": "fault", "code": code.word()}));
            assert_eq!(end, End::Closed(1011, "fault".into()));
        }
    });
}

#[test]
fn the_first_sixteen_live_on_the_drivers_runtime() {
    let driver = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let handle = driver.handle().clone();
    run(async {
        let mut rig = Rig::start(Setup {
            driver: Some(handle),
            ..Setup::default()
        })
        .await;
        let mut clients = Vec::new();
        for _ in 0..17 {
            let mut client = rig.connect().await;
            client
                .send(json!({"op": "subscribe", "instruments": "*", "resume_from": 1}))
                .await;
            clients.push(client);
        }
        rig.publish(2);
        // Nobody drives the driver yet: only the seventeenth is served.
        let mut last = clients.pop().unwrap();
        last.object().await;
        assert!(last.expect_seqs(1, 2).await.is_empty());
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let thread = std::thread::spawn(move || driver.block_on(stopped));
        for client in &mut clients {
            client.object().await;
            assert!(client.expect_seqs(1, 2).await.is_empty());
        }
        drop(last);
        let handle = rig.handle.clone();
        let ended = tokio::spawn(async move { handle.stop().await });
        for client in &mut clients {
            assert_eq!(client.drain().await.1, End::Closed(1001, "shutdown".into()));
        }
        ended.await.unwrap();
        stop.send(()).unwrap();
        thread.join().unwrap().unwrap();
    });
}

#[test]
fn no_seat_is_an_answer() {
    run(async {
        let rig = Rig::start(Setup {
            clients_max: 1,
            ..Setup::default()
        })
        .await;
        let first = rig.connect().await;
        let Err(tokio_tungstenite::tungstenite::Error::Http(response)) = rig.connect_as("all").await else {
            panic!("a second client was let in");
        };
        assert_eq!(response.status(), 503);
        drop(first);
        while rig.hub.clients() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(rig.connect_as("all").await.is_ok());
    });
}
