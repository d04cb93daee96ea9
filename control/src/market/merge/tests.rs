//! Merging and comparing, on a few rows each.

use super::*;

fn at(hour: i64) -> UtcMillis {
    UtcMillis(hour * 3_600_000)
}

fn bar(hour: i64, close: f64) -> Bar {
    Bar {
        close_time: at(hour),
        open: 1.0,
        high: 9.0,
        low: 0.5,
        close,
        volume: 0.0,
    }
}

fn value(day: i32, value: f64, arrived: Option<i64>) -> DailyValue {
    DailyValue {
        date: DayNumber(day),
        value,
        arrived_at: arrived.map(at),
    }
}

fn counts(added: u64, changed: u64, unchanged: u64) -> Counts {
    Counts {
        added,
        changed,
        unchanged,
    }
}

#[test]
fn bars_are_added_replaced_or_left_and_the_same_again_is_nothing() {
    let first = vec![bar(3, 1.0), bar(1, 1.0)];
    let (known, counted) = merge(None, Rows::Bars(first.clone()), at(0)).unwrap();
    assert_eq!(counted, counts(2, 0, 0));
    let (again, counted) = merge(Some(known.clone()), Rows::Bars(first), at(0)).unwrap();
    assert!(again == known && counted.is_nothing() && counted.unchanged == 2);

    let next = Rows::Bars(vec![bar(2, 1.0), bar(3, 2.0)]);
    let (after, counted) = merge(Some(known.clone()), next, at(0)).unwrap();
    assert_eq!(counted, counts(1, 1, 0));
    assert_eq!(after, Rows::Bars(vec![bar(1, 1.0), bar(2, 1.0), bar(3, 2.0)]));
    assert_eq!(compare(Some(&known), &after), Ok(counts(1, 1, 1)));
    assert_eq!(compare(None, &after), Ok(counts(3, 0, 0)));

    let twice = Rows::Bars(vec![bar(1, 1.0), bar(1, 2.0)]);
    assert!(matches!(merge(None, twice, at(0)), Err(MergeError::Twice { .. })));
    let same = Rows::Bars(vec![bar(1, 1.0), bar(1, 1.0)]);
    assert_eq!(merge(None, same, at(0)).unwrap().1, counts(1, 0, 0));
    let other = Rows::Daily(vec![value(1, 1.0, None)]);
    assert_eq!(merge(Some(known), other, at(0)), Err(MergeError::Kinds));
}

#[test]
fn a_bar_that_is_gone_is_named() {
    let known = Rows::Bars(vec![bar(1, 1.0), bar(2, 1.0), bar(3, 1.0)]);
    for gone in 1..=3 {
        let left = (1..=3).filter(|hour| *hour != gone).map(|hour| bar(hour, 1.0));
        let lost = compare(Some(&known), &Rows::Bars(left.collect())).unwrap_err();
        assert_eq!(lost.at, at(gone).to_string());
    }
}

#[test]
fn another_value_of_a_date_is_a_version_with_its_arrival() {
    let first = Rows::Daily(vec![value(2, 1.0, None), value(1, 1.0, Some(40))]);
    let (known, counted) = merge(None, first.clone(), at(100)).unwrap();
    assert_eq!(counted, counts(2, 0, 0));
    let (again, counted) = merge(Some(known.clone()), first, at(101)).unwrap();
    assert!(again == known && counted.is_nothing());

    // One says when it arrived, the other came now.
    let new = Rows::Daily(vec![
        value(1, 2.0, Some(50)),
        value(2, 3.0, None),
        value(3, 7.0, None),
    ]);
    let (after, counted) = merge(Some(known.clone()), new.clone(), at(100)).unwrap();
    assert_eq!(counted, counts(1, 2, 0));
    let expected = vec![
        value(1, 1.0, Some(40)),
        value(1, 2.0, Some(50)),
        value(2, 1.0, None),
        value(2, 3.0, Some(100)),
        value(3, 7.0, None),
    ];
    assert_eq!(after, Rows::Daily(expected));
    assert_eq!(compare(Some(&known), &after), Ok(counts(1, 2, 2)));
    let (again, counted) = merge(Some(after.clone()), new, at(200)).unwrap();
    assert!(again == after && counted.is_nothing(), "{counted:?}");

    // An older version told again with its arrival is known; a value that goes back to it without one is new.
    let old = Rows::Daily(vec![value(1, 1.0, Some(40))]);
    assert!(merge(Some(after.clone()), old, at(300)).unwrap().1.is_nothing());
    let back = Rows::Daily(vec![value(2, 1.0, None)]);
    let (back, counted) = merge(Some(after.clone()), back, at(300)).unwrap();
    assert_eq!(counted, counts(0, 1, 0));
    assert_eq!(compare(Some(&after), &back), Ok(counts(0, 1, 5)));
}

#[test]
fn versions_never_go_backwards_and_two_at_once_are_refused() {
    let known = Rows::Daily(vec![value(1, 1.0, Some(40))]);
    let early = Rows::Daily(vec![value(1, 2.0, Some(40))]);
    let error = merge(Some(known.clone()), early, at(100)).unwrap_err();
    assert!(matches!(error, MergeError::Backwards { .. }), "{error}");
    let unknown = Rows::Daily(vec![value(1, 2.0, None)]);
    let error = merge(Some(known), unknown, at(40)).unwrap_err();
    assert!(matches!(error, MergeError::Backwards { .. }), "{error}");
    let twice = Rows::Daily(vec![value(1, 1.0, None), value(1, 2.0, None)]);
    assert!(matches!(merge(None, twice, at(0)), Err(MergeError::Twice { .. })));
}

#[test]
fn a_version_that_is_gone_or_was_replaced_is_named() {
    let known = Rows::Daily(vec![
        value(1, 1.0, None),
        value(1, 2.0, Some(40)),
        value(2, 5.0, None),
    ]);
    for after in [
        vec![value(1, 1.0, None), value(2, 5.0, None)],
        vec![value(1, 2.0, Some(40)), value(2, 5.0, None)],
        vec![value(1, 1.0, None), value(1, 3.0, Some(40)), value(2, 5.0, None)],
        vec![value(1, 1.0, None), value(1, 2.0, Some(41)), value(2, 5.0, None)],
        vec![value(2, 5.0, None)],
    ] {
        let lost = compare(Some(&known), &Rows::Daily(after.clone())).unwrap_err();
        assert_eq!(lost.at, DayNumber(1).to_string(), "{after:?}");
    }
    let short = Rows::Daily(vec![value(1, 1.0, None), value(1, 2.0, Some(40))]);
    assert_eq!(
        compare(Some(&known), &short).unwrap_err().at,
        DayNumber(2).to_string()
    );
    assert!(compare(Some(&known), &Rows::Bars(vec![bar(1, 1.0)])).is_err());
}

#[test]
fn the_same_input_with_an_unknown_first_arrival_restores_no_value() {
    let input = Rows::Daily(vec![value(1, 1.0, None), value(1, 2.0, Some(40))]);
    let (known, counted) = merge(None, input.clone(), at(100)).unwrap();
    assert_eq!(counted, counts(1, 1, 0));
    let (again, counted) = merge(Some(known.clone()), input, at(200)).unwrap();
    assert_eq!(again, known);
    assert_eq!(counted, counts(0, 0, 2));
    // A later version comes on top; the value alone goes back; a first version that was never known is no news of today.
    let more = vec![
        value(1, 1.0, None),
        value(1, 2.0, Some(40)),
        value(1, 3.0, Some(50)),
    ];
    let (_, counted) = merge(Some(known.clone()), Rows::Daily(more), at(200)).unwrap();
    assert_eq!(counted, counts(0, 1, 2));
    let alone = Rows::Daily(vec![value(1, 1.0, None)]);
    let (_, counted) = merge(Some(known.clone()), alone, at(200)).unwrap();
    assert_eq!(counted, counts(0, 1, 0));
    let anew = Rows::Daily(vec![value(1, 7.0, None), value(1, 2.0, Some(40))]);
    let error = merge(Some(known), anew, at(200)).unwrap_err();
    assert!(matches!(error, MergeError::Rewritten { .. }), "{error}");
}

/// Every batch of one date with values 1 to 3 or nothing, unknown and at the hours 1 to 3.
fn batches() -> Vec<Vec<DailyValue>> {
    let slots = [None, Some(1), Some(2), Some(3)];
    let batch = |number: u32| {
        let told = slots.iter().zip(0..).filter_map(|(arrived, slot)| {
            let digit = number / 4_u32.pow(slot) % 4;
            (digit > 0).then(|| value(1, f64::from(digit), *arrived))
        });
        told.collect()
    };
    (1..4_u32.pow(4)).map(batch).collect()
}

#[test]
fn whatever_was_merged_merges_again_to_nothing() {
    let mut taken = 0;
    for first in batches() {
        let (known, _) = merge(None, Rows::Daily(first.clone()), at(10)).unwrap();
        let (again, counted) = merge(Some(known.clone()), Rows::Daily(first.clone()), at(20)).unwrap();
        assert!(again == known && counted.is_nothing(), "{first:?}: {again:?}");
        for second in batches() {
            let new = Rows::Daily(second.clone());
            let Ok((after, counted)) = merge(Some(known.clone()), new.clone(), at(20)) else {
                continue;
            };
            taken += 1;
            let differs = compare(Some(&known), &after).unwrap();
            assert_eq!((differs.added, differs.changed), (counted.added, counted.changed));
            let Rows::Daily(versions) = &after else {
                panic!("daily values");
            };
            let rising = versions
                .windows(2)
                .all(|two| two[0].arrived_at < two[1].arrived_at);
            assert!(rising, "{first:?}, {second:?}: {versions:?}");
            let lone = second.iter().all(|value| value.arrived_at.is_none());
            let now = versions.iter().any(|value| value.arrived_at == Some(at(20)));
            assert!(lone || !now, "{first:?}, {second:?}: {versions:?}");
            let (again, counted) = merge(Some(after.clone()), new, at(30)).unwrap();
            assert!(again == after && counted.is_nothing(), "{first:?}, {second:?}");
        }
    }
    assert!(taken > 10_000, "{taken}");
}
