//! Halt: from the command line, the file and a directive; closes what is open, holds across restarts, and ends only by a signed
//! directive that names the latch.

mod unwritten;

use std::process::{Command, Output};
use std::sync::Arc;

use contracts::directive::{Directive, DirectiveV1};
use contracts::ids::{Environment, SlotId};
use contracts::reason::Latch;
use contracts::signing::SigningKey;
use contracts::time::UtcMillis;
use serde_json::Value;
use testkit::faulty_feed::{FaultyFeed, Script, Step, bar_text};
use testkit::market::{Market, MarketSpec};
use testkit::process::binary;
use tokio::sync::Notify;

use super::client::is_result;
use super::place::{SLOT, key};
use super::{Client, Heard, Place};

/// Bars of the market that come before the test begins to look: enough for every operator.
const WARM_BARS: usize = 400;

/// One bar per word of the test, after [`WARM_BARS`] without one.
struct Told {
    feed: FaultyFeed,
    next: Arc<Notify>,
}

impl Told {
    async fn start(place: &Place, from: usize) -> Self {
        let next = Arc::new(Notify::new());
        let name = place.market.instruments[0].as_str();
        let mut steps = Vec::new();
        for (at, bar) in place.market.bars[0].iter().enumerate().skip(from) {
            if at >= WARM_BARS {
                steps.push(Step::Await(Arc::clone(&next)));
            }
            steps.push(Step::Text(bar_text(name, bar)));
        }
        let feed = FaultyFeed::replaying(vec![Script::Play(steps)]).await;
        Self { feed, next }
    }

    /// Lets the next bar through and gives its result.
    async fn bar(&self, client: &mut Client) -> Value {
        self.next.notify_one();
        client.until("the bar's result", is_result).await
    }

    /// Lets bars through until a position is open; gives how many.
    async fn until_open(&self, client: &mut Client) -> usize {
        for bars in 1.. {
            let result = self.bar(client).await;
            if result["type"] == "signal" && result["action"] != 0 {
                return bars;
            }
        }
        unreachable!("the numbers do not end before the bars do")
    }
}

fn place() -> Place {
    let market = Market::generate(&MarketSpec::usdcop_like(21, "USDCOP", 30));
    Place::new(market, "technical_8")
}

fn directive(number: u64, clears: &[Latch], halted: bool) -> Directive {
    Directive {
        schema_version: DirectiveV1,
        environment: Environment::parse("local").unwrap(),
        slot: SlotId::parse(SLOT).unwrap(),
        generation: 0,
        contract: None,
        halted,
        clears: clears.to_vec(),
        number,
        issued_at: UtcMillis(0),
        renew_by: UtcMillis(1),
        signatures: vec![],
    }
}

fn signed(mut directive: Directive, key: &SigningKey) -> Directive {
    directive.sign(key).unwrap();
    directive
}

fn resume(place: &Place, directive: &Directive) -> Output {
    let file = place.path("directive-by-hand.json");
    std::fs::write(&file, serde_json::to_vec(directive).unwrap()).unwrap();
    let mut command = Command::new(binary("engine"));
    command
        .arg("resume")
        .arg(&file)
        .arg("--socket")
        .arg(place.path("halt.sock"));
    command.output().unwrap()
}

fn halt(place: &Place) {
    let mut command = Command::new(binary("engine"));
    let output = command
        .arg("halt")
        .arg("--socket")
        .arg(place.path("halt.sock"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The one order that closes the open position, and nothing but `halted` after it.
async fn assert_halted(told: &Told, client: &mut Client) {
    let order = client
        .until("the flatten", |message| {
            message["type"] == "flatten" || is_result(message)
        })
        .await;
    assert_eq!(
        (&order["type"], &order["cause"]),
        (&"flatten".into(), &"halt".into()),
        "{order}"
    );
    assert_ne!(order["position_before"], 0);
    for _ in 0..3 {
        told.next.notify_one();
        let after = client
            .until("a result", |message| {
                message["type"] == "flatten" || is_result(message)
            })
            .await;
        assert_eq!(after["reason"], "halted", "{after}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_halt_by_command_holds_until_a_signed_directive_names_its_latch() {
    let place = place();
    let told = Told::start(&place, 0).await;
    let (engine, address) = place.engine(&told.feed.url(), "journal");
    let mut client = Client::connect(address, Some((1, 1))).await;
    for _ in 0..WARM_BARS {
        client.until("a result", is_result).await;
    }
    let mut bars = WARM_BARS + told.until_open(&mut client).await;
    halt(&place);
    assert_halted(&told, &mut client).await;
    bars += 3;

    let clears = [Latch::Local];
    let stranger = SigningKey::from_seed([22; 32]);
    let mut other_slot = directive(9, &clears, false);
    other_slot.slot = SlotId::parse("other").unwrap();
    for (refused, code) in [
        (directive(9, &clears, false), "bad_signature"),
        (signed(directive(9, &clears, false), &stranger), "bad_signature"),
        (signed(other_slot, &key()), "slot_mismatch"),
        (signed(directive(9, &[], false), &key()), "clears_nothing"),
    ] {
        let output = resume(&place, &refused);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(code), "{said}");
        assert_eq!(told.bar(&mut client).await["reason"], "halted");
        bars += 1;
    }
    // One that clears the other latch is accepted, and this one stays.
    assert!(
        resume(&place, &signed(directive(3, &[Latch::Control], false), &key()))
            .status
            .success()
    );
    assert_eq!(told.bar(&mut client).await["reason"], "halted");
    // A routine re-issue and another model, both through the followed directory.
    let routine = serde_json::to_vec(&signed(directive(4, &[], false), &key())).unwrap();
    std::fs::write(place.path("contract/directive.json"), routine).unwrap();
    place.contract(8, 2_000);
    client
        .until("the swap", |message| message["type"] == "model_swapped")
        .await;
    assert_eq!(told.bar(&mut client).await["reason"], "halted");
    bars += 2;
    engine.signal(libc::SIGTERM);
    assert!(engine.end().success());

    let told = Told::start(&place, bars).await;
    let (_engine, address) = place.engine(&told.feed.url(), "journal");
    let mut client = Client::connect(address, None).await;
    let snapshot = client
        .until("the snapshot", |message| message["type"] == "snapshot")
        .await;
    assert_eq!(snapshot["halted"], true);
    assert_eq!(
        told.bar(&mut client).await["reason"],
        "halted",
        "across the restart"
    );
    let said =
        String::from_utf8(resume(&place, &signed(directive(4, &clears, false), &key())).stderr).unwrap();
    assert!(said.contains("replayed"), "{said}");
    assert_eq!(told.bar(&mut client).await["reason"], "halted");
    let output = resume(&place, &signed(directive(5, &clears, false), &key()));
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(told.bar(&mut client).await["type"], "signal");
}

/// Ways to halt, and the latch that is set then.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Command,
    File,
    Directive,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_to_halt_outlives_a_kill() {
    for (way, latch) in [
        (Way::Command, Latch::Local),
        (Way::File, Latch::Local),
        (Way::Directive, Latch::Control),
    ] {
        let place = place();
        let told = Told::start(&place, 0).await;
        let (mut engine, address) = place.engine(&told.feed.url(), "journal");
        let mut client = Client::connect(address, Some((1, 1))).await;
        for _ in 0..WARM_BARS {
            client.until("a result", is_result).await;
        }
        let bars = WARM_BARS + told.until_open(&mut client).await + 3;
        let (file, by_directive) = (place.path("HALT"), place.path("contract/directive.json"));
        match way {
            Way::Command => halt(&place),
            Way::File => std::fs::write(&file, b"").unwrap(),
            Way::Directive => {
                let json = serde_json::to_vec(&signed(directive(1, &[], true), &key())).unwrap();
                std::fs::write(&by_directive, json).unwrap();
            }
        }
        assert_halted(&told, &mut client).await;
        engine.kill();

        // What halted it is gone: only the journal knows.
        for gone in [&file, &by_directive] {
            if gone.exists() {
                std::fs::remove_file(gone).unwrap();
            }
        }
        let told = Told::start(&place, bars).await;
        let (_engine, address) = place.engine(&told.feed.url(), "journal");
        let mut client = Client::connect(address, None).await;
        let snapshot = client
            .until("the snapshot", |message| message["type"] == "snapshot")
            .await;
        assert_eq!(snapshot["halted"], true);
        assert_eq!(told.bar(&mut client).await["reason"], "halted");
        let other = match latch {
            Latch::Local => Latch::Control,
            Latch::Control => Latch::Local,
        };
        let not_this = signed(directive(2, &[other], false), &key());
        assert!(resume(&place, &not_this).status.success());
        assert_eq!(told.bar(&mut client).await["reason"], "halted");
        let clears = signed(directive(3, &[latch], false), &key());
        assert!(resume(&place, &clears).status.success());
        assert_eq!(told.bar(&mut client).await["type"], "signal");
    }
}
