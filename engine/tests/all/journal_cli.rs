//! `engine journal ls | cat | bars` on a journal as an engine leaves it.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use contracts::action::Raw;
use contracts::bar::Bar;
use contracts::reason::{Latch, Position, Withheld};
use contracts::time::{UnixNanos, UtcMillis};
use engine::core::record::{BarRecord, BootId, Outcome, Records};
use engine::journal::{JournalOptions, RealDisk, Start, open};

const STEP_MS: i64 = 300_000;

/// Twenty bars, the close of each a number with 17 digits, over several segments; a halt at the end, and a stop.
fn write_journal(dir: &Path) -> Vec<Bar> {
    let options = JournalOptions {
        segment_bytes: 1_500,
        ..JournalOptions::default()
    };
    let start = Start {
        time: UnixNanos(0),
        boot: BootId([1; 16]),
        engine_version: "test",
        shards: 1,
        instruments: &["USDCOP"],
    };
    let disk = Arc::new(RealDisk::locked(dir).unwrap());
    let mut writer = open(disk, options).unwrap().start(&start).unwrap();
    let mut bars = Vec::new();
    for n in 1..=20_i32 {
        let close = 3_700.0 + f64::from(n) / 3.0;
        let close_time = UtcMillis(i64::from(n) * STEP_MS);
        let bar = Bar {
            close_time,
            open: close,
            high: close + 0.1,
            low: close - 0.1,
            close,
            volume: 0.0,
        };
        let mut records = Records::default();
        if writer.wants_snapshot(0) {
            records.push_snapshot(0, 1, b"state");
        }
        records.push_bar(&BarRecord {
            instrument: "USDCOP",
            bar,
            received_at: UnixNanos(0),
            now: UnixNanos(0),
            decided_at: UnixNanos(0),
            backfilled: false,
            simulated: false,
            origin: None,
            observation: &[],
            raw: Raw::None,
            confidence: 0.0,
            outcome: Outcome::Withheld {
                reason: Withheld::NoModel,
                series: "",
            },
            position_before: Position::Flat,
            position_after: Position::Flat,
            generation: 0,
            model_id: "",
            contract: [0; 32],
        });
        writer.append(&mut records, UnixNanos(0)).unwrap();
        writer.commit().unwrap();
        bars.push(bar);
    }
    let mut records = Records::default();
    records.push_halt(Latch::Local, UtcMillis(0), true);
    writer.append(&mut records, UnixNanos(0)).unwrap();
    writer.stop(UnixNanos(0)).unwrap();
    bars
}

fn journal(args: &[&str], dir: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_engine"));
    command.arg("journal").arg(args[0]).arg(dir).args(&args[1..]);
    command.output().unwrap()
}

fn lines(output: &Output) -> Vec<String> {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout.clone())
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn bars_come_back_with_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    let written = write_journal(dir.path());
    let printed = lines(&journal(&["bars", "--instrument", "USDCOP"], dir.path()));
    assert_eq!(printed[0], "close_time,open,high,low,close,volume");
    let read: Vec<Bar> = printed[1..]
        .iter()
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            let number = |i: usize| fields[i].parse().unwrap();
            Bar {
                close_time: UtcMillis::parse(fields[0]).unwrap(),
                open: number(1),
                high: number(2),
                low: number(3),
                close: number(4),
                volume: number(5),
            }
        })
        .collect();
    assert_eq!(read.len(), written.len());
    assert!(
        read.iter()
            .zip(&written)
            .all(|(read, written)| read.same_bits(written))
    );
    let some = journal(
        &[
            "bars",
            "--instrument",
            "USDCOP",
            "--from",
            "1970-01-01T00:10:00Z",
            "--to",
            "1970-01-01T00:15:00Z",
        ],
        dir.path(),
    );
    assert_eq!(lines(&some).len(), 3);
    assert_eq!(
        lines(&journal(&["bars", "--instrument", "EURUSD"], dir.path())).len(),
        1
    );
}

#[test]
fn every_record_is_one_line_and_every_segment_is_listed() {
    let dir = tempfile::tempdir().unwrap();
    write_journal(dir.path());
    let records = lines(&journal(&["cat"], dir.path()));
    for (i, line) in records.iter().enumerate() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(value["lsn"], i + 1);
    }
    assert!(records[0].contains(r#""kind":"start""#), "{}", records[0]);
    assert!(records[records.len() - 1].contains(r#""kind":"stop""#));
    let bars = lines(&journal(
        &["cat", "--kind", "bar", "--from-seq", "15"],
        dir.path(),
    ));
    assert_eq!(bars.len(), 6);
    assert!(bars[0].contains(r#""seq":15"#), "{}", bars[0]);
    assert_eq!(
        lines(&journal(&["cat", "--kind", "halt,stop"], dir.path())).len(),
        2
    );
    let listed = lines(&journal(&["ls"], dir.path()));
    assert!(listed.len() > 3, "{listed:?}");
    assert!(
        listed[1].starts_with("00000000000000000001.seg\t1\t1\t1970-01-01T00:00:00Z\t"),
        "{}",
        listed[1]
    );
}

#[test]
fn a_flipped_byte_is_named_with_its_file_and_offset() {
    let dir = tempfile::tempdir().unwrap();
    write_journal(dir.path());
    let first = dir.path().join("00000000000000000001.seg");
    let mut bytes = std::fs::read(&first).unwrap();
    let at = bytes.len() - 10;
    bytes[at] ^= 4;
    std::fs::write(&first, &bytes).unwrap();
    let output = journal(&["cat"], dir.path());
    assert_eq!(output.status.code(), Some(65));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("00000000000000000001.seg is corrupt at byte "),
        "{said}"
    );
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(journal(&["ls"], empty.path()).status.code(), Some(66));
}
