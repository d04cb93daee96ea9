//! Norm_stats.
