//! A decided bar into the record arena.

use std::hint::black_box;

use contracts::action::Raw;
use contracts::reason::Position;
use contracts::time::UnixNanos;
use engine::core::record::{BarRecord, Outcome, Records};
use testkit::market::{Market, MarketSpec};

use crate::blocks::Stage;

pub(super) fn stages() -> Vec<Stage> {
    let bar = Market::generate(&MarketSpec::usdcop_like(2, "USDCOP", 7)).bars[0][0];
    let observation: Vec<f32> = (0..15_u8).map(|i| f32::from(i) * 0.1 - 0.7).collect();
    let mut records = Records::with_capacity(1 << 20, 4_096);
    vec![Stage::new(
        "encode a decided bar with 15 features",
        move |operations| {
            for _ in 0..operations {
                if records.remaining_bytes() < 4_096 || records.len() == 4_096 {
                    records.clear();
                }
                records.push_bar(black_box(&BarRecord {
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
                }));
            }
            black_box(&records);
        },
    )]
}
