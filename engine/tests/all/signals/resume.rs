//! Reconnecting: one unbroken sequence, or the name of what is missing.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use engine::edges::EpochStart;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::kit::{End, Rig, Setup, publish, run, text_of};

#[test]
fn reconnects_at_random_points_under_live_traffic_give_the_journal() {
    let total = 12_000;
    for seed in 0..4 {
        run(async {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let rig = Rig::start(Setup::default()).await;
            let (address, journal) = (rig.address, Arc::clone(&rig.journal));
            let (mut publisher, writes) = (rig.publisher, Arc::clone(&rig.journal));
            let mut pace = ChaCha8Rng::seed_from_u64(seed + 100);
            let live = tokio::spawn(async move {
                while publish(&mut publisher, &writes, pace.random_range(1..8)) <= total {
                    for _ in 0..pace.random_range(0..6) {
                        tokio::task::yield_now().await;
                    }
                }
                publisher
            });
            let mut received: Vec<String> = Vec::new();
            let (mut connections, mut gaps) = (0, 0);
            while (received.len() as u64) < total {
                let mut client = super::kit::Client::open(address, "all").await.unwrap();
                connections += 1;
                let from = received.len() as u64 + 1;
                client
                    .send(json!({"op": "subscribe", "instruments": "*", "resume_from": from, "epoch": 1}))
                    .await;
                let mut left = random.random_range(1..400);
                while left > 0 && (received.len() as u64) < total {
                    // A stream that was closed for slowness is one more reason to reconnect.
                    let Ok(text) = client.text().await else { break };
                    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
                    match value["type"].as_str().unwrap() {
                        "withheld" => received.push(text),
                        "gap" => {
                            assert_eq!(value["refill"], true);
                            gaps += 1;
                        }
                        "welcome" | "progress" => {}
                        "error" => assert_eq!(value["code"], "slow_consumer"),
                        other => panic!("{other}"),
                    }
                    left -= 1;
                }
                if random.random_range(0..4) == 0 {
                    // Away long enough to be older than the ring.
                    let until = (journal.next.load(Ordering::SeqCst) + 200).min(total);
                    while journal.next.load(Ordering::SeqCst) < until {
                        tokio::task::yield_now().await;
                    }
                }
            }
            let publisher = live.await.unwrap();
            assert!(publisher.hub().ring().next_seq() > total);
            for (k, text) in received.iter().enumerate() {
                assert_eq!(*text, text_of(k as u64 + 1));
            }
            assert!(
                connections > 10,
                "seed {seed}: {connections} connections, {gaps} gaps"
            );
        });
    }
}

#[test]
fn after_a_restart_the_journal_continues_the_stream() {
    run(async {
        // The ring of the new process is empty: everything below 501 comes from the journal, with the same bytes.
        let mut rig = Rig::start(Setup {
            next_seq: 501,
            ..Setup::default()
        })
        .await;
        let mut client = rig.resume(7).await;
        assert!(client.expect_seqs(7, 500).await.is_empty());
        rig.publish(10);
        assert!(client.expect_seqs(501, 510).await.is_empty());
        let mut caught_up = rig.resume(511).await;
        rig.publish(1);
        assert!(caught_up.expect_seqs(511, 511).await.is_empty());
    });
}

#[test]
fn what_retention_has_removed_is_named_exactly() {
    run(async {
        let mut rig = Rig::start(Setup {
            next_seq: 1_000,
            ..Setup::default()
        })
        .await;
        rig.publish(500);
        rig.journal.oldest.store(800, Ordering::SeqCst);
        let mut client = rig.connect().await;
        client
            .send(json!({"op": "subscribe", "instruments": "*", "resume_from": 5, "epoch": 1}))
            .await;
        let welcome = client.object().await;
        assert_eq!(
            (&welcome["oldest_seq"], &welcome["next_seq"]),
            (&json!(800), &json!(1_500))
        );
        assert_eq!(
            client.object().await,
            json!({"type": "gap", "from": 5, "to": 799, "refill": false})
        );
        assert!(client.expect_seqs(800, 1_499).await.is_empty());

        // Everything but the ring is gone.
        rig.journal.oldest.store(u64::MAX, Ordering::SeqCst);
        let mut client = rig.resume(1_400).await;
        assert_eq!(
            client.object().await,
            json!({"type": "gap", "from": 1_400, "to": 1_435, "refill": false})
        );
        assert!(client.expect_seqs(1_436, 1_499).await.is_empty());
    });
}

#[test]
fn a_journal_that_cannot_be_read_ends_the_stream_and_says_so() {
    run(async {
        let rig = Rig::start(Setup {
            next_seq: 500,
            ..Setup::default()
        })
        .await;
        rig.journal.broken.store(true, Ordering::SeqCst);
        let mut client = rig.resume(1).await;
        let (seen, end) = client.drain().await;
        assert_eq!(seen[0]["code"], "history_failed");
        assert!(
            seen[0]["detail"]
                .as_str()
                .unwrap()
                .contains("seg-7.log: offset 12")
        );
        assert_eq!(end, End::Closed(1011, "history_failed".into()));
    });
}

#[test]
fn another_epoch_rewinds_and_a_future_seq_is_refused() {
    run(async {
        let starts = [(1, 1), (2, 400), (4, 450)];
        let epochs = starts
            .map(|(epoch, first_seq)| EpochStart { epoch, first_seq })
            .to_vec();
        let mut rig = Rig::start(Setup {
            next_seq: 500,
            epochs,
            ..Setup::default()
        })
        .await;
        rig.publish(1);
        for (epoch, resume_from, rewound, first) in [
            (1, 480, Some(400), 400),
            (1, 300, Some(400), 300),
            (2, 700, Some(450), 450),
            (3, 460, Some(450), 450),
            (4, 480, None, 480),
        ] {
            let mut client = rig.connect().await;
            client
                .send(json!({"op": "subscribe", "instruments": "*", "resume_from": resume_from, "epoch": epoch}))
                .await;
            assert_eq!(client.object().await["epoch"], 4);
            if let Some(first_seq) = rewound {
                let told = json!({"type": "rewound", "epoch": 4, "first_seq": first_seq});
                assert_eq!(client.object().await, told, "epoch {epoch}");
            }
            assert!(client.expect_seqs(first, 500).await.is_empty());
        }
        for subscribe in [
            json!({"op": "subscribe", "instruments": "*", "resume_from": 502, "epoch": 4}),
            json!({"op": "subscribe", "instruments": "*", "resume_from": 502}),
            json!({"op": "subscribe", "instruments": "*", "resume_from": 1, "epoch": 5}),
        ] {
            let mut client = rig.connect().await;
            client.send(subscribe).await;
            let (seen, end) = client.drain().await;
            assert_eq!(seen[1]["code"], "ahead");
            assert_eq!(end, End::Closed(1008, "ahead".into()));
        }
        let mut next = rig.connect().await;
        next.send(json!({"op": "subscribe", "instruments": "*", "resume_from": 501, "epoch": 4}))
            .await;
        next.object().await;
        rig.publish(1);
        assert!(next.expect_seqs(501, 501).await.is_empty());
    });
}
