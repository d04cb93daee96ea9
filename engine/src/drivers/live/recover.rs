//! From an opened journal to cores in the state that died.

use std::path::Path;

use contracts::hash::FeatureContractHash;
use contracts::production::ProductionContract;
use contracts::reason::{Latch, Position};
use strategy::plan::FeaturePlan;

use crate::core::bytes::BadBytes;
use crate::core::confirmation::NewestDirective;
use crate::core::latches::Latches;
use crate::core::record::Record;
use crate::core::recovery::Recovery;
use crate::core::snapshot::CoreImage;
use crate::core::{ClockMode, Core, Input};
use crate::drivers::load::CONTRACTS_DIR;
use crate::journal::{ReadError, Recovered};

/// Why the state cannot be brought back. Nothing is signalled on a guess.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The journal cannot be read; it names file and offset.
    #[error("the journal cannot be read")]
    Read(#[from] ReadError),
    /// A snapshot of another build, or one that does not fit its feature contract.
    #[error(
        "a snapshot in the journal cannot be restored; start once with the build that wrote it, or set the journal aside"
    )]
    Snapshot(#[from] BadBytes),
    /// The journal's times are of another clock than the settings name: bars of a replay would count as live ones, or the reverse.
    #[error(
        "the journal was written under `clock = \"{}\"`, the settings say `clock = \"{}\"`; set that back, or name another journal directory",
        word(*.journal),
        word(*.settings)
    )]
    Clock {
        /// Of the journal.
        journal: ClockMode,
        /// Of the settings.
        settings: ClockMode,
    },
}

const fn word(clock: ClockMode) -> &'static str {
    match clock {
        ClockMode::Wall => "wall",
        ClockMode::Feed => "feed",
    }
}

const fn clock_of(simulated: bool) -> ClockMode {
    if simulated {
        ClockMode::Feed
    } else {
        ClockMode::Wall
    }
}

fn same_clock(journal: ClockMode, settings: ClockMode) -> Result<(), RecoverError> {
    match journal == settings {
        true => Ok(()),
        false => Err(RecoverError::Clock { journal, settings }),
    }
}

/// The feature plan the journal's operators are of, from the contract kept beside it; `None` when it is not there, or is another.
fn plan_of(dir: &Path, image: &CoreImage) -> Option<(FeatureContractHash, FeaturePlan)> {
    let wanted = image.features_of?;
    let path = dir.join(CONTRACTS_DIR).join(format!("{}.json", image.generation));
    let contract = ProductionContract::parse(&std::fs::read(path).ok()?).ok()?;
    let features = &contract.feature_contract;
    (features.hash() == wanted).then_some(())?;
    Some((wanted, FeaturePlan::new(features).ok()?))
}

/// Restores every core and applies the records after its snapshot. Returns the feature contract whose operators the cores have
/// now; `None` when they must be warmed.
///
/// # Errors
/// [`RecoverError`].
pub fn recover(
    dir: &Path,
    recovered: &Recovered,
    cores: &mut [Core],
) -> Result<Option<FeatureContractHash>, RecoverError> {
    restore(recovered, cores, |image| plan_of(dir, image))
}

/// The same with the feature plan from elsewhere: `plan_of` finds the one of a snapshot's operators.
///
/// # Errors
/// [`RecoverError`].
pub fn restore(
    recovered: &Recovered,
    cores: &mut [Core],
    plan_of: impl FnOnce(&CoreImage) -> Option<(FeatureContractHash, FeaturePlan)>,
) -> Result<Option<FeatureContractHash>, RecoverError> {
    let mut images = Vec::new();
    for snapshot in &recovered.snapshots {
        images.push((snapshot.shard, snapshot.lsn, CoreImage::parse(&snapshot.state)?));
    }
    let same_features = images
        .windows(2)
        .all(|pair| pair[0].2.features_of == pair[1].2.features_of);
    let plan = images
        .first()
        .filter(|_| same_features)
        .and_then(|(_, _, image)| plan_of(image));
    let plan = plan.as_ref().map(|(hash, plan)| (*hash, plan));
    // Every core records what it was told, so with an unchanged number of cores each reads only what is its own.
    let shards = cores.first().map_or(0, |core| core.options().shards);
    let mut written_by_as_many = recovered.snapshots.first().is_none_or(|s| s.shards == shards);
    for core in cores.iter_mut() {
        let own = core.options().shard;
        for (shard, _, image) in &images {
            if *shard == own || !written_by_as_many {
                same_clock(image.clock, core.options().clock)?;
                core.restore(image, plan)?;
            }
        }
    }
    let Some(own_clock) = cores.first().map(|core| core.options().clock) else {
        return Ok(plan.map(|(hash, _)| hash));
    };
    let mut recoveries: Vec<_> = cores
        .iter_mut()
        .map(|core| {
            (
                core.options().shard,
                Recovery::new(core, plan.map(|(_, plan)| plan)),
            )
        })
        .collect();
    let mut records = recovered.records()?;
    while let Some(read) = records.read()? {
        let record = read.record()?;
        match &record {
            Record::Start(start) => written_by_as_many = start.shards == shards,
            Record::Bar(bar) => same_clock(clock_of(bar.simulated), own_clock)?,
            _ => {}
        }
        let shard = read.header.shard;
        let behind = images
            .iter()
            .find(|(of, ..)| *of == shard)
            .map_or(0, |(_, lsn, _)| *lsn);
        if read.header.lsn <= behind {
            continue;
        }
        for (own, recovery) in &mut recoveries {
            if shard == *own || !written_by_as_many {
                recovery.apply(&record);
            }
        }
    }
    Ok(plan.map(|(hash, _)| hash))
}

/// What single cores must be told first, so that all are under the same latches and directive.
///
/// A crash in the midst of a control input can leave it in the records of some cores only; nobody got an acknowledgement then, and
/// inputs of this kind come one after the other, so cores differ by one at most. The cores that lack it get it now: their
/// `flatten` orders and records follow as they would have. A core that is halted with a position open lost the orders behind its
/// halt: it is halted again.
#[must_use]
pub fn levelling(cores: &[Core]) -> Vec<(usize, Input)> {
    let known: Vec<_> = cores
        .iter()
        .map(|core| (core.latches(), core.directive()))
        .collect();
    let mut inputs = level(&known);
    for (shard, core) in cores.iter().enumerate() {
        let told = inputs.iter().any(|(of, _)| *of == shard);
        let open = core.positions().any(|position| position != Position::Flat);
        let set = [Latch::Control, Latch::Local]
            .into_iter()
            .find(|latch| core.latches().is_set(*latch));
        if let (false, true, Some(latch)) = (told, open, set) {
            inputs.push((shard, Input::Halt { latch }));
        }
    }
    inputs
}

fn level(known: &[(Latches, Option<NewestDirective>)]) -> Vec<(usize, Input)> {
    let number = |directive: Option<NewestDirective>| directive.map_or(0, |directive| directive.number);
    let newest = known
        .iter()
        .map(|(_, directive)| number(*directive))
        .max()
        .unwrap_or(0);
    let ahead = known.iter().filter(|(_, directive)| number(*directive) == newest);
    let is_set = |latch: Latch| ahead.clone().any(|(latches, _)| latches.is_set(latch));
    let (control, local) = (is_set(Latch::Control), is_set(Latch::Local));
    let directive = ahead.clone().find_map(|(_, directive)| *directive);
    let mut inputs = Vec::new();
    for (shard, (latches, held)) in known.iter().enumerate() {
        let behind = number(*held) < newest;
        if let (true, Some(directive)) = (behind, directive) {
            let input = Input::Directive {
                number: directive.number,
                halted: control,
                clears_control: !control,
                clears_local: !local,
                issued_at: directive.issued_at,
                renew_by: directive.renew_by,
            };
            inputs.push((shard, input));
        }
        for (latch, set) in [(Latch::Control, control && !behind), (Latch::Local, local)] {
            if set && !latches.is_set(latch) {
                inputs.push((shard, Input::Halt { latch }));
            }
        }
    }
    inputs
}

#[cfg(test)]
mod tests {
    use contracts::time::UtcMillis;

    use super::*;

    fn state(bits: u8, number: u64) -> (Latches, Option<NewestDirective>) {
        let directive = NewestDirective {
            number,
            issued_at: UtcMillis(1),
            renew_by: UtcMillis(2),
        };
        (
            Latches::from_bits(bits).unwrap(),
            (number > 0).then_some(directive),
        )
    }

    #[test]
    fn equal_cores_are_told_nothing() {
        assert_eq!(level(&[state(1, 4), state(1, 4)]), []);
        assert_eq!(level(&[state(0, 0)]), []);
    }

    #[test]
    fn a_halt_that_reached_one_core_reaches_the_others() {
        let halt = Input::Halt { latch: Latch::Local };
        assert_eq!(
            level(&[state(0, 4), state(2, 4), state(0, 4)]),
            [(0, halt), (2, halt)]
        );
    }

    #[test]
    fn a_directive_that_reached_one_core_reaches_the_others() {
        let told = level(&[state(0, 5), state(3, 4)]);
        assert!(
            matches!(
                told[..],
                [(
                    1,
                    Input::Directive {
                        number: 5,
                        halted: false,
                        clears_control: true,
                        clears_local: true,
                        ..
                    }
                )]
            ),
            "{told:?}"
        );
        let told = level(&[state(0, 4), state(1, 5)]);
        assert!(
            matches!(
                told[..],
                [(
                    0,
                    Input::Directive {
                        number: 5,
                        halted: true,
                        clears_control: false,
                        ..
                    }
                )]
            ),
            "{told:?}"
        );
    }
}
