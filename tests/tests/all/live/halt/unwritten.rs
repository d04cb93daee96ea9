//! A halt the journal cannot take: in force to the end of the engine, and again from the next start on.

use contracts::reason::Latch;
use engine::core::record::Kind;
use testkit::process::Process;

use super::*;
use crate::live::journal;

/// Size of the newest segment: a file limit at it is a full disk.
fn journal_bytes(place: &Place) -> u64 {
    let files = std::fs::read_dir(place.path("journal")).unwrap().flatten();
    let segments = files.filter(|file| file.path().extension().is_some_and(|end| end == "seg"));
    let newest = segments.max_by_key(std::fs::DirEntry::file_name).unwrap();
    newest.metadata().unwrap().len()
}

/// Reads to the end of the stream; no result and no order may come.
async fn silence_to_the_end(client: &mut Client) {
    while let Heard::Message(message, _) = client.next().await {
        assert!(message["type"] != "flatten" && !is_result(&message), "{message}");
    }
}

fn kinds(place: &Place) -> Vec<Kind> {
    journal(&place.path("journal"))
        .iter()
        .map(|entry| entry.kind)
        .collect()
}

/// The engine again, and a client that reads on where the journal ended.
async fn again(place: &Place, told: &Told, top: &str) -> (Process, Client) {
    let entries = journal(&place.path("journal"));
    let next = entries.iter().map(|entry| entry.seq).max().unwrap_or(0) + 1;
    let (engine, address) = place.engine_with(&told.feed.url(), "journal", top);
    let client = Client::connect(address, Some((next, 1))).await;
    (engine, client)
}

async fn holds(top: &str, by_file: bool) {
    let place = place();
    let told = Told::start(&place, 0).await;
    let (engine, address) = place.engine_with(&told.feed.url(), "journal", top);
    let mut client = Client::connect(address, Some((1, 1))).await;
    for _ in 0..WARM_BARS {
        client.until("a result", is_result).await;
    }
    let bars = WARM_BARS + told.until_open(&mut client).await;
    engine.limit_files(journal_bytes(&place));
    if by_file {
        std::fs::write(place.path("HALT"), b"").unwrap();
    } else {
        let mut command = Command::new(binary("engine"));
        command.arg("halt").arg("--socket").arg(place.path("halt.sock"));
        assert!(!command.output().unwrap().status.success(), "not acknowledged");
    }
    told.next.notify_one();
    silence_to_the_end(&mut client).await;
    assert_eq!(engine.end().code(), Some(74));
    assert!(!kinds(&place).contains(&Kind::Halt), "the disk was full");
    assert!(place.path("HALT").exists(), "left for the next start");

    // On the mended disk: the order that closes what is open, nothing but `halted` after it, also across one more restart.
    let told = Told::start(&place, bars).await;
    let (engine, mut client) = again(&place, &told, top).await;
    assert_halted(&told, &mut client).await;
    assert!(kinds(&place).contains(&Kind::Halt));
    engine.signal(libc::SIGTERM);
    assert!(engine.end().success());
    std::fs::remove_file(place.path("HALT")).unwrap();
    let told = Told::start(&place, bars + 3).await;
    let (_engine, mut client) = again(&place, &told, top).await;
    assert_eq!(told.bar(&mut client).await["reason"], "halted");
    let clears = signed(directive(2, &[Latch::Local], false), &key());
    assert!(resume(&place, &clears).status.success());
    assert_eq!(told.bar(&mut client).await["type"], "signal");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_halt_that_cannot_be_written_is_not_cancelled() {
    holds("", false).await;
    holds("", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_is_it_under_a_pipeline() {
    holds("driver = \"pipeline\"", false).await;
    holds("driver = \"pipeline\"\nshards = 2", false).await;
}
