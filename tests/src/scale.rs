//! How long the long tests are.
//!
//! `TWOVOTE_SOAK` is the share of the full length: `1` is `cargo xtask soak`, `0.1` what CI runs and the default.

use std::sync::LazyLock;

/// Share of the full length when `TWOVOTE_SOAK` is not set.
pub const SHARE_DEFAULT: f64 = 0.1;

static SHARE: LazyLock<f64> = LazyLock::new(|| match std::env::var("TWOVOTE_SOAK") {
    Ok(text) => parse(&text)
        .unwrap_or_else(|| panic!("TWOVOTE_SOAK is `{text}`: a number above 0 and up to 10 is expected")),
    Err(_) => SHARE_DEFAULT,
});

fn parse(text: &str) -> Option<f64> {
    text.trim()
        .parse::<f64>()
        .ok()
        .filter(|share| *share > 0.0 && *share <= 10.0)
}

/// `full` scaled by the share, at least 1.
///
/// # Panics
/// When `TWOVOTE_SOAK` is no number above 0 and up to 10.
#[must_use]
pub fn soak(full: u64) -> u64 {
    scaled(full, *SHARE)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "counts of test rounds are far below 2^53"
)]
fn scaled(full: u64, share: f64) -> u64 {
    ((full as f64 * share).round() as u64).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_scales_and_never_to_nothing() {
        assert_eq!(scaled(10_000, 0.1), 1_000);
        assert_eq!(scaled(3, 0.1), 1);
        assert_eq!(scaled(7, 1.0), 7);
    }

    #[test]
    fn only_a_share_is_one() {
        assert_eq!(parse(" 0.5 "), Some(0.5));
        for bad in ["", "0", "-1", "NaN", "11", "all"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
