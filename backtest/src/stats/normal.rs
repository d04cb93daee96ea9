//! The standard normal distribution: density, distribution function and its inverse, to about 1e-15 relative.
//!
//! Everything a gate decides goes through these three, so they rest on `libm` (the same bits on every machine) and not on the
//! platform's maths.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

/// 1/√2 − [`FRAC_1_SQRT_2`]: what rounding took from it.
const FRAC_1_SQRT_2_LOW: f64 = -4.833_646_656_726_457e-17;
/// 1/√(2π).
const FRAC_1_SQRT_2PI: f64 = 0.398_942_280_401_432_7;

/// φ(x) = exp(−x²/2)/√(2π).
#[must_use]
pub fn pdf(x: f64) -> f64 {
    FRAC_1_SQRT_2PI * libm::exp(-0.5 * x * x)
}

/// Φ(x) = ½·erfc(−x/√2).
///
/// In the tail erfc magnifies a relative error of its argument by 2z², so −x/√2 is kept as a sum of two numbers and the second
/// enters through erfc's derivative, −2/√π·exp(−z²).
#[must_use]
pub fn cdf(x: f64) -> f64 {
    let z = -x * FRAC_1_SQRT_2;
    if !z.is_finite() {
        return 0.5 * libm::erfc(z);
    }
    let z_low = libm::fma(-x, FRAC_1_SQRT_2, -z) - x * FRAC_1_SQRT_2_LOW;
    0.5 * (libm::erfc(z) - FRAC_2_SQRT_PI * libm::exp(-z * z) * z_low)
}

/// 1 − Φ(x), without the cancellation.
#[must_use]
pub fn survival(x: f64) -> f64 {
    cdf(-x)
}

/// Φ⁻¹(p); −∞ at 0, ∞ at 1, NaN outside [0, 1].
///
/// Wichura (1988), *Algorithm AS 241: The Percentage Points of the Normal Distribution*, routine PPND16: three rational
/// approximations, around the centre and for √(−ln p) below and above 5.
#[must_use]
pub fn quantile(p: f64) -> f64 {
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180_625 - q * q;
        return q * ratio(&CENTRE, r);
    }
    let tail = if q < 0.0 { p } else { 1.0 - p };
    if tail.is_nan() || tail < 0.0 {
        return f64::NAN;
    }
    let r = libm::sqrt(-libm::log(tail));
    let x = if tail == 0.0 {
        f64::INFINITY
    } else if r <= 5.0 {
        ratio(&NEAR, r - 1.6)
    } else {
        ratio(&FAR, r - 5.0)
    };
    if q < 0.0 { -x } else { x }
}

/// Numerator and denominator, constant term first.
type Rational = [[f64; 8]; 2];

fn ratio([above, below]: &Rational, r: f64) -> f64 {
    let polynomial = |terms: &[f64; 8]| terms.iter().rev().fold(0.0, |sum, term| sum * r + term);
    polynomial(above) / polynomial(below)
}

const CENTRE: Rational = [
    [
        3.387_132_872_796_366_5,
        1.331_416_678_917_843_8e2,
        1.971_590_950_306_551_3e3,
        1.373_169_376_550_946e4,
        4.592_195_393_154_987e4,
        6.726_577_092_700_87e4,
        3.343_057_558_358_813e4,
        2.509_080_928_730_122_7e3,
    ],
    [
        1.0,
        4.231_333_070_160_091e1,
        6.871_870_074_920_579e2,
        5.394_196_021_424_751e3,
        2.121_379_430_158_659_7e4,
        3.930_789_580_009_271e4,
        2.872_908_573_572_194_3e4,
        5.226_495_278_852_854e3,
    ],
];
const NEAR: Rational = [
    [
        1.423_437_110_749_683_5,
        4.630_337_846_156_546,
        5.769_497_221_460_691,
        3.647_848_324_763_204_5,
        1.270_458_252_452_368_4,
        2.417_807_251_774_506e-1,
        2.272_384_498_926_918_4e-2,
        7.745_450_142_783_414e-4,
    ],
    [
        1.0,
        2.053_191_626_637_759,
        1.676_384_830_183_803_8,
        6.897_673_349_851e-1,
        1.481_039_764_274_800_8e-1,
        1.519_866_656_361_645_7e-2,
        5.475_938_084_995_345e-4,
        1.050_750_071_644_416_9e-9,
    ],
];
const FAR: Rational = [
    [
        6.657_904_643_501_103,
        5.463_784_911_164_114,
        1.784_826_539_917_291_3,
        2.965_605_718_285_048_7e-1,
        2.653_218_952_657_612_4e-2,
        1.242_660_947_388_078_4e-3,
        2.711_555_568_743_487_6e-5,
        2.010_334_399_292_288_1e-7,
    ],
    [
        1.0,
        5.998_322_065_558_88e-1,
        1.369_298_809_227_358e-1,
        1.487_536_129_085_061_5e-2,
        7.868_691_311_456_133e-4,
        1.846_318_317_510_054_8e-5,
        1.421_511_758_316_446e-7,
        2.044_263_103_389_939_8e-15,
    ],
];

#[cfg(test)]
mod tests {
    use super::*;

    fn close(actual: f64, expected: f64) -> bool {
        (actual - expected).abs() <= 1e-15 * expected.abs()
    }

    #[test]
    fn distribution_function_to_1e_15_relative() {
        // ½·erfc(−x/√2) of exactly these numbers, in 40 digits.
        let rows = [
            (0.0, 0.5),
            (-0.0001, 0.499_960_105_772_026_3),
            (0.3, 0.617_911_422_188_952_7),
            (-0.5, 0.308_537_538_725_986_9),
            (1.0, 0.841_344_746_068_542_9),
            (-1.0, 0.158_655_253_931_457_05),
            (1.959_963_984_540_054, 0.975),
            (-2.5, 0.006_209_665_325_776_135),
            (-5.0, 2.866_515_718_791_939e-7),
            (5.0, 0.999_999_713_348_428_1),
            (-8.25, 7.919_726_314_642_477e-17),
            (-13.7, 5.076_214_811_597_879e-43),
            (-20.0, 2.753_624_118_606_233_7e-89),
            (-30.3, 5.731_723_503_315_496e-202),
            (-37.5, 4.605_353_009_581_955e-308),
        ];
        for (x, expected) in rows {
            assert!(close(cdf(x), expected), "Φ({x}) = {:e}, not {expected:e}", cdf(x));
            assert!(close(survival(-x), expected), "{x}");
        }
    }

    #[test]
    fn quantile_to_1e_15_relative() {
        // The inverse of the same function at exactly these numbers, by bisection in 40 digits.
        let rows = [
            (1e-300, -37.047_096_299_361_2),
            (1e-100, -21.273_453_560_965_326),
            (1e-20, -9.262_340_089_798_407),
            (1e-9, -5.997_807_015_007_686_5),
            (1e-5, -4.264_890_793_922_825),
            (0.001, -3.090_232_306_167_813_6),
            (0.01, -2.326_347_874_040_841),
            (0.02, -2.053_748_910_631_823),
            (0.024, -1.977_368_428_181_946_8),
            (0.025, -1.959_963_984_540_054_3),
            (0.05, -1.644_853_626_951_472_6),
            (0.0749, -1.440_238_267_527_963_7),
            (0.0751, -1.438_825_392_752_54),
            (0.2, -0.841_621_233_572_914_2),
            (0.4999, -0.000_250_662_830_088_007_47),
            (0.500_000_1, 2.506_628_273_311_648e-7),
            (0.7, 0.524_400_512_708_040_7),
            (0.9249, 1.438_825_392_752_540_3),
            (0.9251, 1.440_238_267_527_964),
            (0.975, 1.959_963_984_540_053_8),
            (0.99, 2.326_347_874_040_840_8),
            (0.999_999, 4.753_424_308_817_087),
            (0.999_999_999_9, 6.361_340_889_697_422),
        ];
        for (p, expected) in rows {
            assert!(
                close(quantile(p), expected),
                "{p}: {:e}, not {expected:e}",
                quantile(p)
            );
        }
    }

    #[test]
    fn at_and_beyond_the_ends() {
        assert_eq!(quantile(0.5), 0.0);
        assert_eq!((quantile(0.0), quantile(1.0)), (f64::NEG_INFINITY, f64::INFINITY));
        assert!(quantile(-0.1).is_nan() && quantile(1.1).is_nan() && quantile(f64::NAN).is_nan());
        assert_eq!((cdf(f64::NEG_INFINITY), cdf(f64::INFINITY)), (0.0, 1.0));
        assert!(cdf(f64::NAN).is_nan());
    }

    proptest::proptest! {
        #[test]
        fn one_undoes_the_other(x in -8.0..0.0_f64) {
            proptest::prop_assert!((quantile(cdf(x)) - x).abs() < 1e-14 * (1.0 + x.abs()));
        }
    }
}
