//! A batch of one decided bar into the journal: one `write(2)`; under durability `disk` an `fdatasync` besides.

use contracts::action::Raw;
use contracts::reason::Position;
use contracts::time::UnixNanos;
use engine::bench::Stage;
use engine::core::CoreOptions;
use engine::core::record::{BarRecord, Durability, Outcome, Records};
use engine::drivers::start::{open_journal, start_run};
use engine::journal::JournalOptions;
use testkit::market::{Market, MarketSpec};

/// A batch under durability `process`.
pub const JOURNAL_PROCESS: &str = "journal a bar: write";
/// A batch under durability `disk`.
pub const JOURNAL_DISK: &str = "journal a bar: write and fdatasync";

/// Bars that are written at most: about 100 MB.
const BARS: u64 = 300_000;

pub(super) fn stages() -> Vec<Stage> {
    [
        (Durability::Process, JOURNAL_PROCESS),
        (Durability::Disk, JOURNAL_DISK),
    ]
    .into_iter()
    .map(|(durability, name)| stage(durability, name))
    .collect()
}

fn stage(durability: Durability, name: &str) -> Stage {
    let folder = tempfile::tempdir().expect("a folder for a journal");
    let market = Market::generate(&MarketSpec::usdcop_like(2, "USDCOP", 7));
    let options = JournalOptions {
        durability,
        ..JournalOptions::default()
    };
    let core = CoreOptions::single(market.instruments.clone().into());
    let opened = open_journal(folder.path(), options).expect("an empty folder");
    let mut writer = start_run(opened, &core, UnixNanos(1)).expect("a journal can be begun");
    let bar = market.bars[0][0];
    let observation: Vec<f32> = (0..15_u8).map(|i| f32::from(i) * 0.1 - 0.7).collect();
    let mut records = Records::with_capacity(1 << 16, 64);
    Stage::new(name, move |operations| {
        // The folder lasts as long as the stage.
        let _kept = &folder;
        for _ in 0..operations {
            records.clear();
            records.push_bar(&BarRecord {
                instrument: "USDCOP",
                bar,
                received_at: UnixNanos(1),
                now: UnixNanos(2),
                decided_at: UnixNanos(3),
                backfilled: false,
                simulated: false,
                origin: None,
                observation: &observation,
                raw: Raw::Scalar(0.5),
                confidence: 0.5,
                outcome: Outcome::Decided {
                    action: Position::Long,
                },
                position_before: Position::Flat,
                position_after: Position::Long,
                generation: 1,
                model_id: "local-0123456789ab",
                contract: [7; 32],
            });
            writer
                .append(&mut records, UnixNanos(4))
                .expect("the disk takes it");
            writer.commit().expect("the disk takes it");
        }
    })
    .at_most(BARS)
}
