//! Minutes and ticks, breaks and clocks, by hand.

use super::*;

const ONE: InstrumentIndex = InstrumentIndex(0);

fn minute(close_minute: i64, price: f64) -> Bar {
    Bar {
        close_time: UtcMillis(close_minute * MINUTE_MS),
        open: price,
        high: price + 0.5,
        low: price - 0.5,
        close: price + 0.25,
        volume: 2.0,
    }
}

fn push(a: &mut Aggregate, bar: Bar, correction: bool) -> Vec<Outcome> {
    let mut seen = Vec::new();
    a.minute(ONE, bar, correction, &mut |o| seen.push(o));
    seen
}

#[test]
fn five_minutes_make_a_bar() {
    let mut a = Aggregate::new(1);
    for k in 1..5 {
        assert!(push(&mut a, minute(k, 10.0 + k as f64), false).is_empty());
    }
    let expected = Bar {
        close_time: UtcMillis(300_000),
        open: 11.0,
        high: 15.5,
        low: 10.5,
        close: 15.25,
        volume: 10.0,
    };
    assert_eq!(
        push(&mut a, minute(5, 15.0), false),
        [Outcome::Bar(ONE, expected)]
    );
}

#[test]
fn missing_minutes_are_counted_and_the_next_window_closes_the_last() {
    let mut a = Aggregate::new(1);
    push(&mut a, minute(2, 10.0), false);
    push(&mut a, minute(4, 11.0), false);
    let seen = push(&mut a, minute(6, 12.0), false);
    assert_eq!(seen[..3], [Outcome::Count(FeedRefusal::MissingMinute); 3]);
    let Outcome::Bar(_, bar) = seen[3] else {
        panic!("{seen:?}")
    };
    assert_eq!((bar.open, bar.close, bar.volume), (10.0, 11.25, 4.0));
    assert_eq!(
        push(&mut a, minute(3, 9.0), false),
        [Outcome::Count(FeedRefusal::LateMinute)]
    );
}

#[test]
fn grace_closes_what_the_last_minute_does_not() {
    let mut a = Aggregate::new(1);
    push(&mut a, minute(1, 10.0), false);
    let mut seen = Vec::new();
    a.poll(UtcMillis(302_999), 3_000, &mut |o| seen.push(o));
    assert!(seen.is_empty());
    a.poll(UtcMillis(303_000), 3_000, &mut |o| seen.push(o));
    assert_eq!(seen.len(), 5);
}

#[test]
fn the_same_minute_again_is_a_duplicate_a_conflict_or_a_correction() {
    let mut a = Aggregate::new(1);
    push(&mut a, minute(1, 10.0), false);
    assert_eq!(
        push(&mut a, minute(1, 10.0), false),
        [Outcome::Count(FeedRefusal::DuplicateMinute)]
    );
    assert_eq!(
        push(&mut a, minute(1, 10.1), false),
        [Outcome::Count(FeedRefusal::ConflictMinute)]
    );
    assert!(push(&mut a, minute(1, 12.0), true).is_empty());
    for k in 2..5 {
        push(&mut a, minute(k, 11.0), false);
    }
    let [Outcome::Bar(_, first)] = push(&mut a, minute(5, 11.0), false)[..] else {
        panic!("a bar")
    };
    assert_eq!(first.open, 12.0);
    let [Outcome::Bar(_, again)] = push(&mut a, minute(5, 20.0), true)[..] else {
        panic!("a corrected bar")
    };
    assert_eq!((again.close_time, again.close), (first.close_time, 20.25));
    assert_eq!(
        push(&mut a, minute(5, 21.0), false),
        [Outcome::Count(FeedRefusal::ConflictMinute)]
    );
}

#[test]
fn an_impossible_minute_makes_an_impossible_bar() {
    for bad in 1..=5 {
        let mut a = Aggregate::new(1);
        let mut seen = Vec::new();
        for k in 1..=5 {
            let mut bar = minute(k, 10.0);
            if k == bad {
                bar.high = 1.0;
            }
            seen = push(&mut a, bar, false);
        }
        let [Outcome::Bar(_, bar)] = seen[..] else {
            panic!("a bar")
        };
        assert!(!bar.is_possible(), "minute {bad}");
    }
}

#[test]
fn ticks_fold_into_minutes_and_the_close_belongs_to_the_next_bar() {
    let mut a = Aggregate::new(1);
    let mut seen = Vec::new();
    for (ms, price) in [
        (0, 5.0),
        (30_000, 7.0),
        (60_000, 4.0),
        (299_999, 6.0),
        (300_000, 8.0),
    ] {
        a.tick(ONE, UtcMillis(ms), price, &mut |o| seen.push(o));
    }
    let Some(Outcome::Bar(_, bar)) = seen.pop() else {
        panic!("a bar")
    };
    assert_eq!((bar.open, bar.high, bar.low, bar.close), (5.0, 7.0, 4.0, 6.0));
    assert_eq!(seen, [Outcome::Count(FeedRefusal::MissingMinute); 2]);
    a.tick(ONE, UtcMillis(1), 1.0, &mut |o| seen.push(o));
    assert_eq!(seen.last(), Some(&Outcome::Count(FeedRefusal::LateMinute)));
}

#[test]
fn a_bar_that_began_before_the_connection_could_hear_is_left_out() {
    let mut a = Aggregate::new(1);
    // Subscribed at 00:02:30; what began from 00:02:35 on is heard.
    a.connected(UtcMillis(150_000));
    assert!(push(&mut a, minute(4, 10.0), false).is_empty());
    assert_eq!(
        push(&mut a, minute(5, 11.0), false),
        [Outcome::Count(FeedRefusal::PartialWindow)]
    );
    // A correction of a minute does not make the rest known.
    assert_eq!(
        push(&mut a, minute(5, 12.0), true),
        [Outcome::Count(FeedRefusal::LateMinute)]
    );
    // The next one was heard from its beginning: its missing minutes are missing at the source.
    assert!(push(&mut a, minute(8, 10.0), false).is_empty());
    let seen = push(&mut a, minute(10, 11.0), false);
    assert_eq!(seen[..3], [Outcome::Count(FeedRefusal::MissingMinute); 3]);
    assert!(matches!(seen[3..], [Outcome::Bar(..)]), "{seen:?}");
}

#[test]
fn a_window_is_heard_from_its_beginning_when_the_subscription_was_in_force_by_then() {
    for (connected_ms, bars) in [(295_000, 1), (295_001, 0)] {
        let mut a = Aggregate::new(1);
        a.connected(UtcMillis(connected_ms));
        let mut seen = Vec::new();
        a.tick(ONE, UtcMillis(300_500), 8.0, &mut |o| seen.push(o));
        a.tick(ONE, UtcMillis(600_000), 9.0, &mut |o| seen.push(o));
        let delivered = seen.iter().filter(|o| matches!(o, Outcome::Bar(..))).count();
        assert_eq!(delivered, bars, "connected at {connected_ms}: {seen:?}");
    }
}

#[test]
fn after_a_break_a_bar_needs_all_its_minutes_and_one_of_ticks_is_left_out() {
    for (after_break, whole) in [(4, true), (5, false)] {
        let mut a = Aggregate::new(1);
        for k in 1..4 {
            push(&mut a, minute(k, 10.0), false);
        }
        a.connected(UtcMillis(200_000));
        let seen: Vec<_> = (after_break..=5)
            .flat_map(|k| push(&mut a, minute(k, 10.0), false))
            .collect();
        match seen[..] {
            [Outcome::Bar(..)] => assert!(whole),
            [Outcome::Count(FeedRefusal::PartialWindow)] => assert!(!whole),
            _ => panic!("{seen:?}"),
        }
    }
    let mut a = Aggregate::new(1);
    let mut seen = Vec::new();
    for k in 0..5 {
        a.tick(ONE, UtcMillis(k * MINUTE_MS), 5.0, &mut |o| seen.push(o));
        if k == 3 {
            a.connected(UtcMillis(k * MINUTE_MS + 1));
        }
    }
    a.poll(UtcMillis(303_000), 3_000, &mut |o| seen.push(o));
    assert_eq!(seen, [Outcome::Count(FeedRefusal::PartialWindow)]);
}

#[test]
fn a_clock_that_was_ahead_at_the_opening_does_not_keep_bars_out() {
    let mut a = Aggregate::new(1);
    a.connected(UtcMillis(i64::MAX / 2));
    a.listening(UtcMillis(250_000));
    push(&mut a, minute(6, 10.0), false);
    let seen = push(&mut a, minute(10, 10.0), false);
    assert!(matches!(seen.last(), Some(Outcome::Bar(..))), "{seen:?}");
}
