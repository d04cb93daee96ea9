//! Two cores, one journal.

use std::sync::Arc;

use contracts::reason::Latch;
use contracts::time::UnixNanos;
use engine::bundle::Bundle;
use engine::core::Input;
use engine::core::record::Records;
use engine::drivers::pump::records_for;
use engine::journal::Writer;
use testkit::rig::Rig;

use super::{Scene, directive, verified};
use engine::core::CoreOptions;

struct Two {
    rigs: Vec<Rig>,
    writer: Writer,
    waiting: Option<Arc<Bundle>>,
    previous: String,
}

impl Two {
    fn publish(&mut self, bundle: Arc<Bundle>) {
        for rig in &self.rigs {
            rig.cell.publish(Arc::clone(&bundle));
        }
        self.waiting = Some(bundle);
    }

    fn write(&mut self, shard: usize, inputs: &[Input]) {
        let rig = &mut self.rigs[shard];
        rig.step(inputs);
        rig.records.stamp_decided(UnixNanos(5));
        self.writer
            .append(&mut rig.records, UnixNanos(5))
            .expect("a journal that can be written");
        self.writer.commit().expect("a journal that can be written");
    }

    /// The second core lags: each takes the whole part before the other sees it.
    fn run(&mut self, inputs: &[Input]) {
        for shard in 0..2 {
            if self
                .writer
                .wants_snapshot(u16::try_from(shard).expect("a journal that can be written"))
            {
                self.write(shard, &[Input::Snapshot]);
            }
            self.write(shard, inputs);
        }
        if let Some(bundle) = self.waiting.take_if(|bundle| bundle.adopted_by() == 2) {
            let mut records = Records::default();
            let terms = &bundle.terms;
            let before = (!self.previous.is_empty()).then_some(self.previous.as_str());
            records.push_swapped(terms.generation, terms.digest, terms.model_id.as_str(), before);
            self.previous = terms.model_id.to_string();
            self.writer
                .append(&mut records, UnixNanos(5))
                .expect("a journal that can be written");
            self.writer.commit().expect("a journal that can be written");
        }
    }
}

#[test]
fn every_core_is_verified_by_its_own_records() {
    let dir = tempfile::tempdir().expect("a journal that can be written");
    let mut scene = Scene::new(2);
    let rigs = (0..2).map(|shard| {
        let mut rig = Rig::new(CoreOptions {
            shard,
            ..scene.options.clone()
        });
        rig.records = records_for(scene.options.instruments.len()).for_shard(shard);
        rig
    });
    let mut two = Two {
        rigs: rigs.collect(),
        writer: scene.start(scene.opened(dir.path())),
        waiting: None,
        previous: String::new(),
    };
    let n = scene.inputs.len();
    two.publish(scene.bundle(1, 0));
    for part in scene.inputs[..n / 2].chunks(50) {
        two.run(part);
    }
    two.run(&[Input::Halt { latch: Latch::Local }]);
    for part in scene.inputs[n / 2..n * 6 / 10].chunks(50) {
        two.run(part);
    }
    two.run(&[directive(1, false, true)]);
    two.publish(scene.bundle(3, n * 6 / 10));
    for part in scene.inputs[n * 6 / 10..n * 8 / 10].chunks(50) {
        two.run(part);
    }
    two.writer
        .stop(UnixNanos(6))
        .expect("a journal that can be written");
    drop(two.rigs);
    let summary = match verified(dir.path(), &mut scene.models) {
        Ok(summary) => summary,
        Err(error) => panic!("{error}"),
    };
    assert!(summary.segments > 2 && summary.signals > 100, "{summary:?}");
    assert_eq!(summary.generations.iter().copied().collect::<Vec<_>>(), [1, 3]);
    assert_eq!(summary.unfinished, 0);

    // Old segments deleted: what is left is verified from its snapshots on.
    let mut files: Vec<_> = std::fs::read_dir(dir.path())
        .expect("a journal that can be written")
        .map(|e| e.expect("a journal that can be written").path())
        .collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "seg"));
    files.sort();
    for file in &files[..files.len() / 2] {
        std::fs::remove_file(file).expect("a journal that can be written");
    }
    let rest = match verified(dir.path(), &mut scene.models) {
        Ok(summary) => summary,
        Err(error) => panic!("{error}"),
    };
    assert!(rest.bars > 0 && rest.bars < summary.bars, "{rest:?}");
    assert_eq!(rest.bars, rest.bars_on_given_operators);
}
