//! Wilson's score interval of a share: sensible also at 0 of n and n of n, where the usual interval has no width.

use contracts::evidence::Interval;

use super::normal;

/// The two-sided interval of `hits` out of `n` at confidence `level`; `None` for n = 0. Wilson (1927).
#[must_use]
pub fn wilson(hits: u64, n: u64, level: f64) -> Option<Interval> {
    if n == 0 {
        return None;
    }
    let z = -normal::quantile((1.0 - level) / 2.0);
    let (n, share) = (n as f64, hits as f64 / n as f64);
    let z2 = z * z / n;
    let centre = (share + z2 / 2.0) / (1.0 + z2);
    let half = z / (1.0 + z2) * ((share * (1.0 - share) + z2 / 4.0) / n).sqrt();
    Some(Interval {
        low: if hits == 0 { 0.0 } else { centre - half },
        high: if hits as f64 == n { 1.0 } else { centre + half },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_of_newcombe_1998() {
        let rows = [
            (81, 263, 0.2553, 0.3662),
            (15, 148, 0.0624, 0.1605),
            (0, 20, 0.0, 0.1611),
            (1, 29, 0.0061, 0.1718),
        ];
        for (hits, n, low, high) in rows {
            let interval = wilson(hits, n, 0.95).unwrap();
            assert!((interval.low - low).abs() < 5e-5, "{hits}/{n}: {interval:?}");
            assert!((interval.high - high).abs() < 5e-5, "{hits}/{n}: {interval:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn it_holds_the_share_and_stays_a_share(n in 1u64..100_000, part in 0.0..=1.0_f64) {
            let hits = (n as f64 * part) as u64;
            let share = hits as f64 / n as f64;
            let interval = wilson(hits, n, 0.95).unwrap();
            proptest::prop_assert!(0.0 <= interval.low && interval.low <= share + 1e-12);
            proptest::prop_assert!(share - 1e-12 <= interval.high && interval.high <= 1.0);
        }
    }

    #[test]
    fn none_of_nothing_and_mirrored() {
        assert_eq!(wilson(0, 0, 0.95), None);
        let (a, b) = (wilson(3, 10, 0.95).unwrap(), wilson(7, 10, 0.95).unwrap());
        assert!((a.low - (1.0 - b.high)).abs() < 1e-15 && (a.high - (1.0 - b.low)).abs() < 1e-15);
        assert_eq!(wilson(9, 9, 0.95).unwrap().high, 1.0);
    }
}
