//! `engine replay --verify` as a process: contracts and artifacts from a folder, keys, exit codes.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use contracts::bar::Stamp;
use contracts::numerics::{Executor, Isa};
use contracts::production::ProductionContract;
use contracts::signing::SigningKey;
use engine::bundle::make::Made;
use engine::cli::Exit;
use testkit::live::{MakeSpec, made, signing_key};
use testkit::market::{Market, MarketSpec};
use testkit::process::binary;
use testkit::rig;

use super::edit::{decided, places, rewrite};

/// Days of bars: the features settle, and decisions follow.
const DAYS: u32 = 30;

struct Replayed {
    folder: tempfile::TempDir,
}

impl Replayed {
    /// A market through `engine replay` with a journal, under a contract for `executor` that `edit` has changed.
    fn new(executor: Executor, edit: impl FnOnce(&mut ProductionContract)) -> Self {
        let folder = tempfile::tempdir().expect("a folder of our own");
        let features = rig::features("usdcop_15");
        let mut made = made(&MakeSpec {
            features: &features,
            seed: 5,
            executor,
            generation: 100,
            hidden: 16,
        });
        edit(&mut made.contract);
        made.contract.signatures.clear();
        made.contract.sign(&signing_key()).expect("plain data");
        let here = Self { folder };
        here.lay(&made);
        let market = Market::generate(&MarketSpec::usdcop_like(3, "USDCOP", DAYS));
        let files = market
            .write(&here.path("market"), Stamp::Close)
            .expect("a folder of our own");
        let mut replay = Command::new(binary("engine"));
        replay
            .args(["replay", "--stamp", "close", "--instrument", "USDCOP"])
            .arg("--contract")
            .arg(here.path("contract.json"))
            .arg("--artifacts")
            .arg(here.path("made"))
            .arg("--bars")
            .arg(&files.bars[0])
            .arg("--macro")
            .arg(&files.macros)
            .arg("--out")
            .arg(here.path("signals.jsonl"))
            .arg("--journal")
            .arg(here.path("journal"));
        let output = replay.output().expect("a built engine");
        assert!(output.status.success(), "{}", text(&output.stderr));
        here
    }

    fn lay(&self, made: &Made) {
        let artifacts = self.path("made");
        std::fs::create_dir_all(&artifacts).expect("a folder of our own");
        for (hash, bytes) in &made.artifacts {
            std::fs::write(artifacts.join(hash.to_hex()), bytes).expect("a folder of our own");
        }
        let json = serde_json::to_vec(&made.contract).expect("plain data");
        std::fs::write(self.path("contract.json"), json).expect("a folder of our own");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn verify(&self, more: &[&str]) -> Output {
        let mut verify = Command::new(binary("engine"));
        verify.args(["replay", "--verify"]).arg(self.path("journal"));
        verify.args(more).output().expect("a built engine")
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[track_caller]
fn ended(output: &Output, exit: Exit) -> (String, String) {
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(i32::from(exit.code())), "{out}{err}");
    (out, err)
}

fn named(path: &Path) -> &str {
    path.to_str().expect("a folder of our own")
}

#[test]
fn contracts_come_from_their_folder_and_count_under_trusted_keys_only() {
    let replayed = Replayed::new(Executor::Dense, |_| {});
    let (out, err) = ended(&replayed.verify(&[]), Exit::Done);
    assert!(
        out.starts_with("verified: ") && out.contains("1 generations"),
        "{out}"
    );
    assert!(out.contains("end: stopped in order in record "), "{out}");
    assert!(err.contains("signature: not pinned"), "{err}");

    let key = signing_key().public_key().to_hex();
    let (out, err) = ended(&replayed.verify(&["--trusted-key", &key]), Exit::Done);
    assert!(
        out.starts_with("verified: ") && !err.contains("not pinned"),
        "{out}{err}"
    );

    let other = SigningKey::from_seed([77; 32]).public_key().to_hex();
    let (out, err) = ended(&replayed.verify(&["--trusted-key", &other]), Exit::Refused);
    assert!(out.is_empty() && err.contains("contracts/100.json"), "{out}{err}");

    // The contracts may be kept elsewhere.
    let kept = replayed.path("kept");
    std::fs::create_dir(&kept).expect("a folder of our own");
    for name in ["contracts", "artifacts"] {
        std::fs::rename(replayed.path("journal").join(name), kept.join(name)).expect("a folder of our own");
    }
    let (out, err) = ended(&replayed.verify(&[]), Exit::NoInput);
    assert!(out.is_empty() && err.contains("--contracts"), "{out}{err}");
    let (out, _) = ended(&replayed.verify(&["--contracts", named(&kept)]), Exit::Done);
    assert!(out.starts_with("verified: "), "{out}");

    // Another contract of the same generation is not the one that ran.
    let file = kept.join("contracts/100.json");
    let json = std::fs::read(&file).expect("a folder of our own");
    let mut contract = ProductionContract::parse(&json).expect("the contract that ran");
    contract.issued_at = contract.issued_at.plus_ms(1);
    contract.signatures.clear();
    contract.sign(&signing_key()).expect("plain data");
    std::fs::write(&file, serde_json::to_vec(&contract).expect("plain data")).expect("a folder of our own");
    let (_, err) = ended(&replayed.verify(&["--contracts", named(&kept)]), Exit::Differs);
    assert!(err.contains("digest is"), "{err}");
}

#[test]
fn bits_of_another_machine_are_not_compared_and_the_exit_code_says_so() {
    let here = Isa::of_this_machine();
    let elsewhere = if here == Isa::Aarch64 {
        Isa::X86_64
    } else {
        Isa::Aarch64
    };
    let replayed = Replayed::new(Executor::Ort, |contract| contract.numerics.isa = elsewhere);
    let (out, err) = ended(&replayed.verify(&[]), Exit::OtherNumerics);
    assert!(out.starts_with("verified: "), "{out}");
    assert!(
        err.contains("bits were not compared") && err.contains("actions agree") && err.contains("0.00001"),
        "{err}"
    );

    // What lies outside the tolerance is a difference all the same.
    let journal = replayed.path("journal");
    let places = places(&journal);
    let target = places
        .iter()
        .rfind(|place| place.is_bar(decided))
        .expect("decisions");
    rewrite(&journal, target, |bar, _| {
        if let contracts::action::Raw::Scalar(raw) = &mut bar.raw {
            *raw += 0.001;
        }
    });
    let (_, err) = ended(&replayed.verify(&[]), Exit::Differs);
    let record = format!("record {} ", target.header.lsn);
    assert!(err.contains(&record) && err.contains("raw is"), "{err}");
}
