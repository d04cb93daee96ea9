//! A latency histogram any thread may record into without a lock.
//!
//! The buckets are those of an HDR histogram: 128 per power of two, so a value is known to 0.8 %. `hdrhistogram`'s own concurrent
//! form takes a mutex to read and queues per writer; one array of atomics does for nanoseconds up to 68 s. Reading copies into an
//! `hdrhistogram::Histogram`, which answers the quantiles.

use std::sync::atomic::{AtomicU64, Ordering};

use hdrhistogram::Histogram;

/// log2 of the sub-buckets per power of two.
const SUB_BITS: u32 = 7;
/// Values are recorded up to 2^36 − 1 ns (68 s); longer ones count as that.
const MAX_BITS: u32 = 36;
const LONGEST_NS: u64 = (1 << MAX_BITS) - 1;
const BUCKETS: usize = ((MAX_BITS - SUB_BITS + 1) << SUB_BITS) as usize;

/// Durations in nanoseconds.
#[derive(Debug)]
pub struct LatencyHistogram {
    counts: Box<[AtomicU64]>,
    sum_ns: AtomicU64,
    max_ns: AtomicU64,
}

impl Default for LatencyHistogram {
    fn default() -> Self {
        Self {
            counts: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            sum_ns: AtomicU64::new(0),
            max_ns: AtomicU64::new(0),
        }
    }
}

/// The bucket of a value ≤ [`LONGEST_NS`]: the position of its highest bit chooses the power, the 7 bits below it the sub-bucket.
const fn bucket(ns: u64) -> usize {
    let above = (u64::BITS - ns.leading_zeros()).saturating_sub(SUB_BITS + 1);
    ((above as usize) << SUB_BITS) + (ns >> above) as usize
}

/// The largest value of a bucket.
const fn highest(bucket: usize) -> u64 {
    let sub = 1_usize << SUB_BITS;
    if bucket < 2 * sub {
        return bucket as u64;
    }
    let above = bucket / sub - 1;
    (((bucket % sub + sub) as u64 + 1) << above) - 1
}

impl LatencyHistogram {
    /// Records one duration; a negative one (the clock was stepped) counts as 0.
    pub fn record_ns(&self, ns: i64) {
        let ns = u64::try_from(ns).unwrap_or(0).min(LONGEST_NS);
        self.counts[bucket(ns)].fetch_add(1, Ordering::Relaxed);
        self.sum_ns.fetch_add(ns, Ordering::Relaxed);
        self.max_ns.fetch_max(ns, Ordering::Relaxed);
    }

    /// Sum of all durations, in nanoseconds.
    #[must_use]
    pub fn sum_ns(&self) -> u64 {
        self.sum_ns.load(Ordering::Relaxed)
    }

    /// The longest duration, in nanoseconds.
    #[must_use]
    pub fn max_ns(&self) -> u64 {
        self.max_ns.load(Ordering::Relaxed)
    }

    /// A copy that answers quantiles; each value is its bucket's highest.
    #[must_use]
    pub fn snapshot(&self) -> Histogram<u64> {
        let mut copy =
            Histogram::new_with_bounds(1, LONGEST_NS, 3).expect("constant bounds that hdrhistogram accepts");
        for (k, count) in self.counts.iter().enumerate() {
            let count = count.load(Ordering::Relaxed);
            if count > 0 {
                copy.saturating_record_n(highest(k), count);
            }
        }
        copy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_its_bucket_within_one_part_in_128() {
        assert_eq!(bucket(LONGEST_NS), BUCKETS - 1);
        let mut last = None;
        for ns in (0..100_000)
            .chain((17..36).flat_map(|b| [(1 << b) - 1, 1 << b, (1 << b) + 1]))
            .chain([LONGEST_NS])
        {
            let k = bucket(ns);
            assert!(highest(k) >= ns, "{ns}");
            assert!(k == 0 || highest(k - 1) < ns, "{ns}");
            assert!(highest(k) - ns <= ns / 128, "{ns}");
            assert!(last.is_none_or(|last| k >= last), "{ns}");
            last = Some(k);
        }
    }

    #[test]
    fn quantiles_are_those_of_the_values() {
        let histogram = LatencyHistogram::default();
        std::thread::scope(|scope| {
            for part in 0..4 {
                let histogram = &histogram;
                scope.spawn(move || (0..25_000).for_each(|k| histogram.record_ns((k * 4 + part) * 10)));
            }
        });
        let copy = histogram.snapshot();
        assert_eq!(copy.len(), 100_000);
        for quantile in [0.5, 0.9, 0.99, 0.999] {
            let exact = quantile * 1e6;
            let found = copy.value_at_quantile(quantile) as f64;
            assert!(
                (found - exact).abs() / exact < 0.01,
                "{quantile}: {found} for {exact}"
            );
        }
        assert_eq!(histogram.max_ns(), 999_990);
        assert_eq!(histogram.sum_ns(), 499_995 * 100_000);
        histogram.record_ns(-5);
        histogram.record_ns(i64::MAX);
        assert_eq!(histogram.max_ns(), LONGEST_NS);
        assert_eq!(histogram.snapshot().len(), 100_002);
    }
}
