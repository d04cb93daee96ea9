//! A client that stops reading.

use std::process::Command;

use serde_json::{Value, json};

use super::kit::{Client, End, Rig, Setup, run};

/// Messages a slow client misses; at some 230 bytes each far more than all buffers between.
const MISSED: u64 = 10_000;
/// Published at once; below the ring's half, so that a client that reads does not fall out.
const BATCH: u64 = 20;

/// Publishes `n` messages in batches and waits for `fast` to have read each batch before the next.
async fn publish_in_step(rig: &mut Rig, fast: &mut Client, n: u64) {
    for _ in 0..n / BATCH {
        let next = rig.publish(BATCH);
        fast.expect_seqs(next - BATCH, next - 1).await;
    }
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4_096
}

/// Reads on until seq `last`, naming gaps as `(from, to, refill)`; every seq exactly once and in order.
async fn read_on(client: &mut Client, next: u64, last: u64) -> Vec<(u64, u64, bool)> {
    let gap = |value: &Value| {
        assert_eq!(value["type"], "gap", "{value}");
        (
            value["from"].as_u64().unwrap(),
            value["to"].as_u64().unwrap(),
            value["refill"].as_bool().unwrap(),
        )
    };
    client.expect_seqs(next, last).await.iter().map(gap).collect()
}

#[test]
fn a_slow_client_delays_nobody_costs_little_and_gets_everything() {
    // Memory is the process's: the body runs in a process of its own.
    if std::env::var_os("ENGINE_TEST_ALONE").is_none() {
        let output = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "signals::slow::a_slow_client_delays_nobody_costs_little_and_gets_everything",
                "--nocapture",
            ])
            .env("ENGINE_TEST_ALONE", "1")
            .output()
            .unwrap();
        let text =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}");
        assert!(text.contains("1 passed"), "{text}");
        return;
    }
    run(async {
        let mut rig = Rig::start(Setup::default()).await;
        let (mut fast, mut slow) = (rig.resume(1).await, rig.resume(1).await);
        // Everything that grows once has grown: buffers, ring, the fast client's path.
        for first in (1..=2_000).step_by(BATCH as usize) {
            publish_in_step(&mut rig, &mut fast, BATCH).await;
            slow.expect_seqs(first, first + BATCH - 1).await;
        }
        let before = resident_bytes();
        publish_in_step(&mut rig, &mut fast, MISSED).await;
        let grown = resident_bytes().saturating_sub(before);
        assert!(
            grown < 2 << 20,
            "resident memory grew by {grown} bytes over {MISSED} messages not read"
        );

        let last = 2_000 + MISSED;
        let gaps = read_on(&mut slow, 2_001, last).await;
        let [(from, to, true)] = gaps[..] else {
            panic!("{gaps:?}")
        };
        assert!(
            from > 2_000 && to <= last && to - from > MISSED / 2,
            "{from}..{to}"
        );

        // Again within a minute: closed.
        publish_in_step(&mut rig, &mut fast, MISSED).await;
        let (seen, end) = slow.drain().await;
        let seqs: Vec<u64> = seen.iter().filter_map(|value| value["seq"].as_u64()).collect();
        assert!(seqs.iter().copied().eq(last + 1..=last + seqs.len() as u64));
        assert!(
            seqs.len() < 2_000,
            "what the buffers held, not the whole range: {}",
            seqs.len()
        );
        assert_eq!(seen.last().unwrap()["code"], "slow_consumer");
        assert_eq!(end, End::Closed(1008, "slow_consumer".into()));
        let page = rig.metrics.render();
        assert!(page.contains("engine_signal_gaps_total 1\n"), "{page}");
        fast.send(json!({"op": "subscribe", "instruments": "*"})).await;
        assert_eq!(
            fast.object().await["code"],
            "already_subscribed",
            "the fast client is still served"
        );
    });
}

#[test]
fn falling_out_again_after_a_minute_is_forgiven() {
    run(async {
        let mut rig = Rig::start(Setup::default()).await;
        let (mut fast, mut slow) = (rig.resume(1).await, rig.resume(1).await);
        let mut last = 0;
        for minute in 0..3 {
            rig.hub.tick(minute * 60_000);
            for client in [&mut fast, &mut slow] {
                // The heartbeat of the new minute, so that it does not come in between.
                if minute > 0 {
                    assert_eq!(client.object().await["type"], "progress");
                }
            }
            publish_in_step(&mut rig, &mut fast, MISSED).await;
            let gaps = read_on(&mut slow, last + 1, last + MISSED).await;
            assert_eq!(gaps.len(), 1, "{gaps:?}");
            last += MISSED;
        }
    });
}

#[test]
fn a_write_that_moves_nothing_for_half_a_minute_ends_the_stream() {
    run(async {
        let mut rig = Rig::start(Setup::default()).await;
        let (mut fast, slow) = (rig.resume(1).await, rig.resume(1).await);
        publish_in_step(&mut rig, &mut fast, MISSED).await;
        // The slow client's writes have stalled by now; the fast one takes its heartbeats.
        for seconds in (5..=40).step_by(5) {
            rig.hub.tick(seconds * 1_000);
            assert_eq!(fast.object().await["type"], "progress");
        }
        while rig.hub.clients() > 1 {
            tokio::task::yield_now().await;
        }
        assert!(
            rig.metrics
                .render()
                .contains("engine_signal_client_ends_total{reason=\"slow_consumer\"} 1\n")
        );
        drop(slow);
        let next = rig.publish(1);
        fast.expect_seqs(next - 1, next - 1).await;
    });
}
