//! Contracts and options for tests of bundles and of the follower.

use std::sync::Arc;

use contracts::features::FeatureContract;
use contracts::ids::{Environment, InstrumentId, SlotId};
use contracts::signing::{KeyPurpose, SigningKey, TrustedKey, TrustedKeys};
use contracts::time::{UnixNanos, UtcMillis};
use strategy::golden::GoldenInputs;
use strategy::onnx::testmodels::{Shape, TestModel, ppo_continuous};

use super::make::{Made, MakeRequest, make};
use super::{BuildOptions, Serves};
use crate::clock::ManualClock;

pub(crate) const WIDTH: usize = 3;

pub(crate) fn key() -> SigningKey {
    SigningKey::from_seed([9; 32])
}

pub(crate) fn trusted() -> TrustedKeys {
    TrustedKeys::new(vec![TrustedKey {
        purpose: KeyPurpose::Contract,
        public_key: key().public_key(),
    }])
}

/// Three features on a calendar that never closes.
pub(crate) fn features() -> FeatureContract {
    let text = r#"{
        "name": "sample_3", "version": "1.0.0",
        "calendar": {"name": "always", "zone": "UTC", "holidays": [], "sessions_per_year": 365,
            "sessions": [{"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "open": "00:00", "close": "24:00"}]},
        "features": [
            {"name": "log_ret_5m", "kind": "log_return", "params": {"bars": 1}},
            {"name": "position", "kind": "position"},
            {"name": "time_normalized", "kind": "session_time"}
        ]}"#;
    serde_json::from_str(text).unwrap()
}

pub(crate) fn norm_stats() -> Vec<u8> {
    br#"{"metadata": {"version": "1.0.0", "experiment": "sample", "fit_start": "2025-01-01", "fit_end": "2025-02-01", "sample_count": 100,
        "dataset_hash": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        "features": {"log_ret_5m": {"mean": 0.0, "std": 0.001, "min": -0.01, "max": 0.01, "count": 100}}}"#
        .to_vec()
}

/// A small dense model; the seed makes it another one.
pub(crate) fn model(seed: u64) -> TestModel {
    let mut shape = Shape::new(seed, WIDTH);
    shape.hidden = vec![8, 8];
    ppo_continuous(&shape)
}

/// A local contract of generation `seconds` for the slot `test`, with its files.
pub(crate) fn made(seed: u64, seconds: i64) -> Made {
    make(MakeRequest {
        model: &model(seed).bytes,
        norm_stats: &norm_stats(),
        features: features(),
        slot: SlotId::parse("test").unwrap(),
        action_output: Some("53"),
        executor: None,
        golden: GoldenInputs::Drawn,
        created_at: UtcMillis(seconds * 1_000),
        key: &key(),
    })
    .unwrap()
}

pub(crate) fn options(cores: u16) -> BuildOptions {
    BuildOptions {
        serves: Some(Serves {
            environment: Environment::parse("local").unwrap(),
            slot: SlotId::parse("test").unwrap(),
            instruments: vec![InstrumentId::parse("USDCOP").unwrap()],
            allow_local_contracts: true,
        }),
        trusted: Some(trusted()),
        cores,
        clock: ManualClock::at(UnixNanos(0)),
    }
}

/// A clock that moves on by a fixed step at every look.
#[derive(Debug)]
pub(crate) struct SteppingClock {
    clock: Arc<ManualClock>,
    step_ms: i64,
}

impl SteppingClock {
    pub(crate) fn shared(step_ms: i64) -> Arc<Self> {
        Arc::new(Self {
            clock: ManualClock::at(UnixNanos(0)),
            step_ms,
        })
    }
}

impl crate::clock::Clock for SteppingClock {
    fn now(&self) -> UnixNanos {
        self.clock.advance_ms(self.step_ms);
        self.clock.now()
    }
}
