//! Swaps as fast as they can be asked for, against a running engine: no bar is lost, generations never go back, the last one is
//! adopted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use contracts::ids::InstrumentId;
use contracts::numerics::Executor;
use engine::bundle::make::Made;
use engine::config::DriverKind;
use engine::feeds::file_server::{Release, Tape};
use serde_json::Value;
use testkit::guard::HangGuard;
use testkit::live::{Engine, MakeSpec, Run, bars_tape, lay, made, signing_key};
use testkit::market::{Market, MarketSpec};
use testkit::{rig, test_name};

/// How long swaps are asked for.
const LASTS: Duration = Duration::from_secs(5);
/// Models taken in turn: more than the engine spares, so that some are built anew.
const MODELS: u32 = 6;

/// The contract in another generation, signed afresh.
fn in_generation(made: &Made, generation: u64) -> Vec<u8> {
    let mut contract = made.contract.clone();
    contract.generation = generation;
    contract.signatures.clear();
    contract
        .sign(&signing_key())
        .expect("a contract's numbers are finite");
    serde_json::to_vec(&contract).expect("a contract is plain data")
}

#[test]
fn swaps_as_fast_as_possible_lose_no_bar_and_the_last_is_adopted() {
    let test = test_name!();
    let _guard = HangGuard::lasting(test, Duration::from_secs(300));
    let features = rig::features("technical_8");
    let market = Market::generate(&MarketSpec::many(31, 4, 400));
    let bars = market.instruments.iter().cloned().zip(market.bars.clone());
    let tape = Arc::new(bars_tape(&features, bars, []));
    let models: Vec<Made> = (1..=MODELS)
        .map(|seed| {
            made(&MakeSpec {
                features: &features,
                seed: u64::from(seed),
                executor: Executor::Dense,
                generation: 1,
                hidden: 16,
            })
        })
        .collect();
    let (release, pace) = Release::new();
    let run = Run {
        tape: Arc::clone(&tape),
        pace,
        driver: DriverKind::Inline,
        batch_rows_max: 64,
    };
    let engine = Engine::start(run, |contracts| lay(contracts, &models[0]));
    let mut client = engine.subscribe();
    let mut closes: Vec<_> = closes(&tape).collect();
    let after_the_last = closes.pop().expect("the market has bars");
    let (mut closes, mut expected) = (closes.into_iter(), 0);
    let asking = AtomicBool::new(true);
    let last = std::thread::scope(|scope| {
        let asker = scope.spawn(|| ask(&engine, &models, &asking));
        // The feed goes on in lockstep with the client, so that bars and swaps fall between each other.
        while asking.load(Ordering::Acquire) {
            let Some((close_time, count)) = closes.next() else {
                break;
            };
            release.up_to(close_time);
            expected += count;
            client.read_results(expected);
        }
        asking.store(false, Ordering::Release);
        asker.join().expect("the asking thread ends")
    });
    let adopted = format!("\"generation\":{last},");
    client.read_until("the adoption of the last", |text| {
        text.starts_with("{\"type\":\"model_swapped\"") && text.contains(&adopted)
    });
    // A fast machine may have used up all but the last close.
    let (close_time, count) = closes.next().unwrap_or(after_the_last);
    release.up_to(close_time);
    expected += count;
    client.read_results(expected);
    let client = engine.stop_read_by(client);

    let messages: Vec<Value> = client
        .published
        .iter()
        .map(|text| serde_json::from_str(text).expect("a message is JSON"))
        .collect();
    let seqs = messages.iter().map(|message| message["seq"].as_u64());
    assert!(
        seqs.eq((1..=messages.len() as u64).map(Some)),
        "the sequence has a hole"
    );
    let of = |kind: &str| -> Vec<u64> {
        let fits = messages.iter().filter(|message| message["type"] == kind);
        fits.filter_map(|message| message["generation"].as_u64())
            .collect()
    };
    let (swapped, signals) = (of("model_swapped"), of("signal"));
    assert!(swapped.windows(2).all(|pair| pair[0] < pair[1]), "{swapped:?}");
    assert!(
        signals.windows(2).all(|pair| pair[0] <= pair[1]),
        "generations went back"
    );
    assert_eq!(signals.last(), Some(&last));
    assert_eq!(client.results, expected);
    let mut results: Vec<(String, String)> = messages
        .iter()
        .filter(|message| message["type"] == "signal" || message["type"] == "withheld")
        .map(|message| {
            (
                message["bar_close_time"].to_string(),
                message["instrument"].to_string(),
            )
        })
        .collect();
    results.sort_unstable();
    results.dedup();
    assert_eq!(results.len(), expected, "a bar has two results");
    assert!(swapped.len() > 10, "{} swaps show too little", swapped.len());
}

/// Asks for one generation after the other until the time is over; gives the last.
fn ask(engine: &Engine, models: &[Made], asking: &AtomicBool) -> u64 {
    let begun = Instant::now();
    let mut generation = 1;
    let folder = engine::follower::Directory::new(&engine.contracts());
    for made in models {
        for (hash, bytes) in &made.artifacts {
            folder
                .store_artifact(*hash, bytes)
                .expect("an artifact can be written");
        }
    }
    for made in models.iter().cycle() {
        if begun.elapsed() >= LASTS || !asking.load(Ordering::Acquire) {
            break;
        }
        generation += 1;
        folder
            .store_contract(&in_generation(made, generation))
            .expect("the contract can be written");
        engine.live().look_for_contract();
    }
    asking.store(false, Ordering::Release);
    generation
}

/// Close times with how many bars close then.
fn closes(tape: &Tape) -> impl Iterator<Item = (contracts::time::UtcMillis, usize)> + use<> {
    let instruments: Vec<InstrumentId> = tape.instruments().cloned().collect();
    let mut counts = std::collections::BTreeMap::new();
    for (_, bar) in tape.merged(&instruments, &std::collections::BTreeMap::new()) {
        *counts.entry(bar.close_time).or_insert(0) += 1;
    }
    counts.into_iter()
}
