//! The catalogue of tests a reviewer can ask for.

use crate::words::words;

words! {
    /// A test of the catalogue.
    MoreTestName {
        /// Everything costs twice as much.
        CostsX2 = "costs_x2",
        /// Every order fills one bar later.
        Latency1Bar = "latency_1_bar",
        /// Other sessions than the holdout's.
        OtherWindow = "other_window",
        /// Every price is a little off.
        Noise = "noise",
        /// The model's own decisions at other times: what it would have earned by chance.
        BlockShuffledNull = "block_shuffled_null",
        /// The part of the holdout in which it did worst.
        WorstRegime = "worst_regime",
    }
}
