//! The two latches: what sets them, what they do, what clears them.

use contracts::reason::{Latch, Position};
use contracts::time::UtcMillis;
use engine::core::Input;
use engine::core::record::Record;
use testkit::market::{Market, MarketSpec};
use testkit::rig::{self, Rig};

use super::results;

struct Halted {
    rig: Rig,
    rest: Vec<Input>,
}

/// A core that has decided for a position, and the inputs after that.
fn with_open_position() -> Halted {
    let features = rig::features("technical_8");
    let market = Market::generate(&MarketSpec::usdcop_like(21, "USDCOP", 30));
    let options = rig::options(&market.instruments, &features);
    let mut rig = Rig::new(options.clone());
    rig.cell.publish(rig::bundle(&features, &options, 1, 8));
    let inputs = rig::inputs_of(&market, &features);
    for (at, input) in inputs.iter().enumerate() {
        let seen = results(rig.step(std::slice::from_ref(input)));
        if at > 400
            && seen
                .last()
                .is_some_and(|(.., position)| *position != Position::Flat)
        {
            return Halted {
                rig,
                rest: inputs[at + 1..].to_vec(),
            };
        }
    }
    panic!("the seeded model never opened a position");
}

fn directive(number: u64, halted: bool, clears: [bool; 2]) -> Input {
    Input::Directive {
        number,
        halted,
        clears_control: clears[0],
        clears_local: clears[1],
        issued_at: UtcMillis(0),
        renew_by: UtcMillis(i64::MAX),
    }
}

fn flattened(rig: &mut Rig, inputs: &[Input]) -> usize {
    rig.step(inputs)
        .iter()
        .filter(|r| matches!(r, Ok(Record::Flatten(_))))
        .count()
}

#[test]
fn a_halt_flattens_once_and_withholds_until_a_directive_names_its_latch() {
    let Halted { mut rig, rest } = with_open_position();
    assert_eq!(flattened(&mut rig, &[Input::Halt { latch: Latch::Local }]), 1);
    assert_eq!(flattened(&mut rig, &[Input::Halt { latch: Latch::Local }]), 0);
    assert_eq!(
        flattened(
            &mut rig,
            &[Input::Halt {
                latch: Latch::Control
            }]
        ),
        0
    );
    let words = |rig: &mut Rig, input: &Input| results(rig.step(std::slice::from_ref(input)))[0].1.clone();
    assert_eq!(words(&mut rig, &rest[0]), "halted");
    rig.step(&[directive(1, false, [false, false])]);
    assert_eq!(
        words(&mut rig, &rest[1]),
        "halted",
        "a routine directive clears nothing"
    );
    rig.step(&[directive(2, false, [true, false])]);
    assert_eq!(
        words(&mut rig, &rest[2]),
        "halted",
        "the local latch is still set"
    );
    rig.step(&[directive(2, false, [true, true])]);
    assert_eq!(
        words(&mut rig, &rest[3]),
        "halted",
        "a replayed number is no directive"
    );
    rig.step(&[directive(3, false, [false, true])]);
    assert_eq!(words(&mut rig, &rest[4]), "signal");
}

#[test]
fn a_directive_that_halts_sets_the_control_latch() {
    let Halted { mut rig, rest } = with_open_position();
    assert_eq!(flattened(&mut rig, &[directive(1, true, [true, true])]), 1);
    assert_eq!(results(rig.step(&rest[..1]))[0].1, "halted");
    rig.step(&[directive(2, false, [true, false])]);
    assert_eq!(results(rig.step(&rest[1..2]))[0].1, "signal");
}

#[test]
fn a_swap_clears_no_latch() {
    let Halted { mut rig, rest } = with_open_position();
    rig.step(&[Input::Halt { latch: Latch::Local }]);
    let features = rig::features("technical_8");
    let next = rig::bundle(&features, &rig.core.options().clone(), 2, 9);
    rig.cell.publish(next);
    assert_eq!(results(rig.step(&rest[..1]))[0].1, "halted");
    assert_eq!(rig.core.counters().swaps, 2);
}
