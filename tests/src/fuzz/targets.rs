//! The parsers: feeds, wire, contracts, ONNX, journal records, settings.

use std::path::Path;
use std::sync::Arc;

use contracts::directive::Directive;
use contracts::golden::Golden;
use contracts::ids::{InstrumentId, SeriesId};
use contracts::norm_stats::NormStats;
use contracts::production::ProductionContract;
use contracts::time::UnixNanos;
use contracts::wire::{ClientMessage, ServerMessage};
use engine::config::EngineConfig;
use engine::core::record::{Kind, Record};
use engine::feeds::codec::Source;
use engine::feeds::decoder::FeedDecoder;
use engine::feeds::symbols::SymbolTable;
use engine::journal::JournalOptions;
use engine::journal::sim::SimDisk;
use strategy::onnx::testmodels;

use super::Target;
use crate::shared::{repository, shared_data};

/// Grace of a candle without a final flag, in milliseconds; any number does.
const GRACE_MS: i64 = 2_000;

/// All parsers.
///
/// # Panics
/// When a corpus cannot be read.
#[must_use]
pub fn targets() -> Vec<Target> {
    let mut all: Vec<Target> = Source::ALL.iter().map(|source| feed(*source)).collect();
    all.push(text(
        "wire_client",
        json_files("contracts/tests/golden/wire"),
        |text| {
            drop(serde_json::from_str::<ClientMessage>(text));
        },
    ));
    all.push(text(
        "wire_server",
        json_files("contracts/tests/golden/wire"),
        |text| {
            drop(ServerMessage::parse(text));
        },
    ));
    let documents = json_files("contracts/tests/golden/v1");
    all.push(bytes("contract", documents.clone(), |bytes| {
        drop(ProductionContract::parse(bytes))
    }));
    all.push(bytes("directive", documents.clone(), |bytes| {
        drop(Directive::parse(bytes))
    }));
    all.push(bytes("golden_vectors", documents, |bytes| {
        drop(Golden::parse(bytes))
    }));
    all.push(bytes("norm_stats", vec![NORM_STATS.to_vec()], |bytes| {
        drop(NormStats::parse(bytes))
    }));
    all.push(text(
        "engine_toml",
        vec![read(&repository().join("config/engine.toml"))],
        |text| {
            drop(EngineConfig::parse(text, Path::new("engine.toml")));
        },
    ));
    all.push(bytes(
        "experiment",
        files(&repository().join("config/experiments"), "usdcop"),
        |bytes| match contracts::experiment::parse(bytes, "experiment.yaml") {
            // What is accepted is kept as JSON: it must come back.
            Ok(parsed) => {
                let kept = serde_json::to_string(&parsed.experiment).expect("an experiment is plain data");
                assert_eq!(serde_json::from_str(&kept).ok(), Some(parsed.experiment));
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        },
    ));
    let mut models: Vec<Vec<u8>> = testmodels::all_dense(3, 4)
        .into_iter()
        .map(|model| model.bytes)
        .collect();
    models.extend(testmodels::all_general(3, 4).into_iter().map(|model| model.bytes));
    all.push(bytes("onnx", models, |bytes| {
        match strategy::onnx::admit::admit(bytes, 4) {
            // What is admitted is looked into further, and written again.
            Ok(admitted) => drop(strategy::onnx::chain::to_chain(&admitted.model, 4)),
            Err(error) => assert!(!error.code().is_empty() && !error.to_string().is_empty()),
        }
    }));
    all.push(bytes(
        "journal_record",
        vec![vec![1; 64], vec![0; 200]],
        |bytes| {
            if let Some((kind, payload)) = bytes.split_first()
                && let Some(kind) = Kind::ALL.get(usize::from(*kind) % Kind::ALL.len())
            {
                std::hint::black_box(Record::decode(*kind, payload).is_ok());
            }
        },
    ));
    let segment = read(&repository().join("engine/tests/golden/segment.v1.hex"));
    let segment = hex_bytes(&String::from_utf8_lossy(&segment));
    all.push(bytes("journal_segment", vec![segment], |bytes| {
        let disk = SimDisk::default();
        disk.put("00000000000000000001.seg", bytes);
        let disk = Arc::new(disk);
        if let Ok(opened) = engine::journal::open(disk, JournalOptions::default()) {
            let mut cursor = opened.recovered.records().expect("what was opened can be read");
            while let Ok(Some(read)) = cursor.read() {
                std::hint::black_box(read.record().is_ok());
            }
        }
    }));
    all
}

/// The bytes a golden file of hexadecimal digits stands for.
fn hex_bytes(digits: &str) -> Vec<u8> {
    let digits = digits.trim().as_bytes();
    let nibble = |digit: u8| {
        char::from(digit)
            .to_digit(16)
            .expect("a golden file of hexadecimal digits")
    };
    digits
        .chunks_exact(2)
        .map(|pair| u8::try_from(nibble(pair[0]) << 4 | nibble(pair[1])).expect("two nibbles are a byte"))
        .collect()
}

const NORM_STATS: &[u8] =
    br#"{"metadata":{"version":"1.0.0","experiment":"e","fit_start":"2020-03-01","fit_end":"2024-12-31",
"sample_count":10,"dataset_hash":"0000000000000000000000000000000000000000000000000000000000000000"},
"features":{"rsi_9":{"mean":50.0,"std":10.0,"min":0.0,"max":100.0,"count":10}}}"#;

fn bytes(name: &str, seeds: Vec<Vec<u8>>, run: impl Fn(&[u8]) + 'static) -> Target {
    Target {
        name: name.into(),
        seeds,
        run: Box::new(run),
    }
}

fn text(name: &str, seeds: Vec<Vec<u8>>, run: impl Fn(&str) + 'static) -> Target {
    bytes(name, seeds, move |bytes| run(&String::from_utf8_lossy(bytes)))
}

/// A message of a feed, whatever it is, leads to events or to an error; a closed bar is on the grid.
fn feed(source: Source) -> Target {
    let name = format!("feed_{}", source.word());
    let mut seeds = files(&repository().join("tests/corpus").join(&name), "");
    if let Some(samples) = shared_data().map(|folder| folder.join("feeds")) {
        seeds.extend(files(&samples, source.word()));
    }
    assert!(!seeds.is_empty(), "tests/corpus/{name} holds no message");
    let instruments: Vec<InstrumentId> = ["USDCOP", "BTCUSDT", "BTC-USDT", "BTC/USD", "XA.BTC-USD", "AM.SPY"]
        .map(|name| InstrumentId::parse(name).expect("a name"))
        .to_vec();
    let series = [SeriesId::parse("dxy").expect("a name")];
    let symbols = SymbolTable::plain(&instruments, &series).expect("names differ");
    text(&name, seeds, move |text| {
        let mut decoder = FeedDecoder::new(source, symbols.clone(), GRACE_MS);
        let mut events = Vec::new();
        // Twice: what a message leaves behind must not trip the next one.
        for _ in 0..2 {
            drop(decoder.text(text, UnixNanos(1_767_617_100_000_000_000), &mut events));
        }
        decoder.reconnect(UnixNanos(1_767_617_250_000_000_000));
        drop(decoder.text(text, UnixNanos(1_767_617_400_000_000_000), &mut events));
        decoder.poll(UnixNanos(1_893_456_000_000_000_000), &mut events);
        for event in &events {
            if let engine::feeds::event::FeedEvent::Bar { bar, .. } = event {
                assert!(bar.close_time.is_on_bar_grid(), "{bar:?}");
            }
        }
    })
}

fn json_files(folder: &str) -> Vec<Vec<u8>> {
    files(&repository().join(folder), "")
}

/// The files of a folder whose name begins with `prefix`, in order; none where there is no folder.
fn files(folder: &Path, prefix: &str) -> Vec<Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("a listed entry can be read").path())
        .collect();
    paths.retain(|path| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(prefix))
    });
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
