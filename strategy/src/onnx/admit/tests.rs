//! Good models pass, each bad one is refused for its own reason, and no bytes at all make admission panic.

use ort::session::builder::GraphOptimizationLevel;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::onnx::testmodels;
use crate::policy::library;
use crate::policy::runtime::session_builder;

const WIDTH: usize = 15;

#[test]
fn every_good_model_is_admitted() {
    let models = testmodels::all_dense(1, WIDTH)
        .into_iter()
        .chain(testmodels::all_general(1, WIDTH));
    for model in models {
        let admitted = admit(&model.bytes, WIDTH).expect(model.name);
        assert_eq!(admitted.input.dims(7), [7, WIDTH]);
    }
}

#[test]
fn every_bad_model_is_refused_for_its_own_reason() {
    let found: Vec<(&str, AdmitError)> = testmodels::all_refused(1, WIDTH)
        .into_iter()
        .map(|bad| (bad.name, admit(&bad.bytes, WIDTH).expect_err(bad.name)))
        .collect();
    for (name, error) in &found {
        let fits = match *name {
            "wrong width" => matches!(
                error,
                AdmitError::Width {
                    found: 16,
                    width: 15,
                    ..
                }
            ),
            "external initializer" | "external constant" | "external sparse initializer" => {
                matches!(error, AdmitError::ExternalData { .. })
            }
            "foreign domain" => {
                matches!(error, AdmitError::ForeignDomain { domain, .. } if domain == "com.microsoft")
            }
            "function" => matches!(error, AdmitError::Function { .. }),
            "loop" => error.code() == "control_flow",
            "random" => error.code() == "random_numbers",
            "recurrent" => error.code() == "recurrent_state",
            "training batch normalisation" => error.code() == "state_outputs",
            "giant initializer" | "overflowing initializer" => {
                matches!(error, AdmitError::GiantTensor { tensor, .. } if tensor == "net.weight")
            }
            "giant sparse initializer" => {
                matches!(error, AdmitError::GiantTensor { tensor, .. } if tensor == "sparse")
            }
            "negative initializer" => matches!(error, AdmitError::NegativeDimension { .. }),
            "sub-graph" => matches!(error, AdmitError::SubGraph { .. }),
            "huge opset" => *error == AdmitError::Opset { opset: 99 },
            "no opset" => *error == AdmitError::Opset { opset: 0 },
            "huge IR version" => *error == AdmitError::IrVersion { version: 99 },
            "two inputs" => matches!(error, AdmitError::Inputs { inputs } if inputs == "obs, state_in"),
            "integer input" | "flat input" | "dynamic width" => matches!(error, AdmitError::InputType { .. }),
            "fixed batch" => matches!(error, AdmitError::FixedBatch { batch: 64, .. }),
            "too many nodes" => *error == AdmitError::TooManyNodes { nodes: 10_003 },
            "no protobuf" | "empty" => matches!(error, AdmitError::NotOnnx { .. }),
            other => panic!("no expectation for {other}"),
        };
        assert!(fits, "{name}: {error}");
    }
    assert_eq!(found.len(), 26);
}

#[test]
fn a_file_beyond_the_limit_is_not_even_decoded() {
    let bytes = vec![0; MODEL_BYTES_MAX + 1];
    assert_eq!(
        admit(&bytes, WIDTH).err(),
        Some(AdmitError::TooLarge { bytes: bytes.len() })
    );
}

#[test]
fn the_version_limits_are_those_of_the_pinned_runtime() {
    let runtime = library::runtime().expect("run `cargo xtask setup` first");
    let loads = |opset, ir| {
        let bytes = testmodels::versions(1, WIDTH, opset, ir);
        session_builder(runtime, GraphOptimizationLevel::Disable)
            .expect("a builder")
            .commit_from_memory(&bytes)
            .is_ok()
    };
    assert!(loads(OPSET_MAX, 8), "opset {OPSET_MAX} is not supported");
    assert!(
        !loads(OPSET_MAX + 1, 8),
        "opset {} is supported too",
        OPSET_MAX + 1
    );
    assert!(
        loads(17, IR_VERSION_MAX),
        "IR version {IR_VERSION_MAX} is not supported"
    );
    assert!(
        !loads(17, IR_VERSION_MAX + 1),
        "IR version {} is supported too",
        IR_VERSION_MAX + 1
    );
}

/// Flips, cuts, repeats and inserts bytes.
fn mutate(rng: &mut ChaCha8Rng, original: &[u8]) -> Vec<u8> {
    let mut bytes = original.to_vec();
    for _ in 0..rng.random_range(1..=8) {
        if bytes.is_empty() {
            break;
        }
        let at = rng.random_range(0..bytes.len());
        match rng.random_range(0..5) {
            0 => bytes[at] ^= 1 << rng.random_range(0..8),
            1 => bytes[at] = rng.random(),
            2 => bytes.truncate(at),
            3 => bytes.insert(at, rng.random()),
            _ => {
                let end = (at + rng.random_range(1..64)).min(bytes.len());
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
        }
    }
    bytes
}

#[test]
fn twenty_thousand_mutations_never_panic() {
    let models: Vec<Vec<u8>> = [testmodels::tiny(1, WIDTH), testmodels::tiny(2, WIDTH).fixed()]
        .iter()
        .flat_map(|shape| {
            [
                testmodels::ppo_discrete(shape).bytes,
                testmodels::keras_logits(shape).bytes,
                testmodels::convolution(shape).bytes,
            ]
        })
        .collect();
    let mut rng = ChaCha8Rng::seed_from_u64(20_000);
    let mut admitted = 0;
    for i in 0..20_000 {
        let bytes = mutate(&mut rng, &models[i % models.len()]);
        admitted += usize::from(admit(&bytes, WIDTH).is_ok());
    }
    // Most mutations hit weights; if nearly none or nearly all passed, this test would look at nothing.
    assert!((1_000..19_000).contains(&admitted), "{admitted} were admitted");
}
