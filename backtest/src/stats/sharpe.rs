//! The Sharpe ratio of a series, and its annual form.

use contracts::evidence::Undefined;

use super::moments::Moments;

/// Moments of a series of returns, or why it has no Sharpe ratio.
///
/// # Errors
/// [`Undefined::TooFew`] below two values, [`Undefined::ZeroVariance`] when all are equal.
pub fn moments(returns: &[f64]) -> Result<Moments, Undefined> {
    if returns.len() < 2 {
        return Err(Undefined::TooFew);
    }
    Moments::of(returns).ok_or(Undefined::ZeroVariance)
}

/// SR·√q: from one period to q of them, exact where returns are independent ([`super::annualise`] corrects for correlation).
#[must_use]
pub fn annual(sharpe_per_period: f64, periods_per_year: f64) -> f64 {
    sharpe_per_period * periods_per_year.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_why_there_is_none() {
        assert_eq!(moments(&[0.1]), Err(Undefined::TooFew));
        assert_eq!(moments(&[0.0; 5]), Err(Undefined::ZeroVariance));
        // mean 1, std √2.
        assert!((moments(&[0.0, 2.0]).unwrap().sharpe() - 0.5_f64.sqrt()).abs() < 1e-15);
        assert_eq!(annual(0.1, 256.0), 1.6);
    }
}
