//! Accuracy against the platform's functions (themselves within 1 ULP), and special values.

use super::*;
use crate::kernel::oracle::Bits;

fn ordered(x: f64) -> i64 {
    let bits = x.to_bits() as i64;
    if bits < 0 { i64::MIN.wrapping_sub(bits) } else { bits }
}

/// Distance in representable numbers; 0 for two NaNs.
fn distance(a: f64, b: f64) -> u64 {
    if a.is_nan() && b.is_nan() {
        return 0;
    }
    if a.is_nan() != b.is_nan() { u64::MAX } else { ordered(a).wrapping_sub(ordered(b)).unsigned_abs() }
}

fn distance_f32(a: f32, b: f32) -> u64 {
    if a.is_nan() || b.is_nan() {
        return if a.is_nan() == b.is_nan() { 0 } else { u64::MAX };
    }
    let ordered = |x: f32| {
        let bits = i64::from(x.to_bits() as i32);
        if bits < 0 { i64::from(i32::MIN) - bits } else { bits }
    };
    ordered(a).wrapping_sub(ordered(b)).unsigned_abs()
}

const SPECIALS: [f64; 22] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    2.0,
    -2.0,
    3.0,
    -3.0,
    0.5,
    -0.5,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
    f64::MIN_POSITIVE,
    5e-324,
    f64::MAX,
    -1e300,
    1e300,
    4_503_599_627_370_497.0,
    9_007_199_254_740_993.0,
    1.000_000_000_000_000_2,
    0.999_999_999_999_999_9,
];

fn values(count: usize, seed: u64) -> impl Iterator<Item = f64> {
    let mut bits = Bits(seed);
    let random = (0..count).map(move |index| match index % 4 {
        0 => f64::from_bits(bits.next()),
        1 => (bits.next() as f64 / u64::MAX as f64 - 0.5) * 1500.0,
        2 => 1.0 + (bits.next() as f64 / u64::MAX as f64 - 0.5) / (1u64 << (bits.next() % 50)) as f64,
        _ => f64::from_bits(bits.next() >> 12 >> (bits.next() % 52)),
    });
    SPECIALS.into_iter().chain(random)
}

#[test]
fn exp_and_log_are_close_everywhere() {
    let (mut exp_worst, mut log_worst) = (0, 0);
    for x in values(400_000, 1) {
        let (exp, log) = (distance(exp_f64(x), x.exp()), distance(log_f64(x), x.ln()));
        assert!(exp <= 1 && log <= 1, "{x:e}: exp {:e}, not {:e}; log {:e}, not {:e}", exp_f64(x), x.exp(), log_f64(x), x.ln());
        (exp_worst, log_worst) = (exp.max(exp_worst), log.max(log_worst));
    }
    assert_eq!((exp_f64(0.0), log_f64(1.0)), (1.0, 0.0));
}

/// The narrow functions are the wide ones rounded, but for what lies within 2^-20 ULP of a tie.
#[test]
fn narrow_functions_round_the_wide_ones() {
    let mut bits = Bits(2);
    let mut differ = 0;
    for index in 0..400_000u32 {
        let x = if index % 2 == 0 { f32::from_bits(bits.next() as u32) } else { (bits.next() as f32 / u64::MAX as f32 - 0.5) * 220.0 };
        for (ours, exact) in [(exp_f32(x), f64::from(x).exp() as f32), (log_f32(x), f64::from(x).ln() as f32)] {
            assert!(distance_f32(ours, exact) <= 1, "{x:e}: {ours:e}, not {exact:e}");
            differ += distance_f32(ours, exact);
        }
        let y = f32::from_bits(bits.next() as u32);
        for y in [y, index as f32 % 7.0 - 3.0, 0.5] {
            let (ours, exact) = (power_f32(x, y), f64::from(x).powf(f64::from(y)) as f32);
            assert!(distance_f32(ours, exact) <= 1, "{x:e} ** {y:e}: {ours:e}, not {exact:e}");
            differ += distance_f32(ours, exact);
        }
    }
    assert!(differ < 10, "{differ}");
}

#[test]
fn power_is_close_and_its_special_cases_are_those_of_c() {
    let same = |x: f64, y: f64| {
        let (ours, theirs) = (power_f64(x, y), x.powf(y));
        let sign = ours.is_nan() || ours.is_sign_negative() == theirs.is_sign_negative();
        assert!(distance(ours, theirs) <= 1 && sign, "{x:e} ** {y:e}: {ours:e}, not {theirs:e}");
    };
    for x in SPECIALS {
        for y in SPECIALS {
            same(x, y);
            if x.abs() < 1e30 || x.abs() > 1e39 {
                let (ours, theirs) = (power_f32(x as f32, y as f32), (x as f32).powf(y as f32));
                assert!(distance_f32(ours, theirs) <= 1, "{x:e} ** {y:e}: {ours:e}, not {theirs:e}");
            }
        }
    }
    let mut bits = Bits(3);
    for (index, x) in values(300_000, 4).enumerate() {
        // Exponents that use the whole range of results.
        // Signalling NaNs are quieted: C libraries differ about their powers.
        let x = if x.is_nan() { f64::NAN } else { x };
        let y = (bits.next() as f64 / u64::MAX as f64 - 0.5) * 1480.0 / x.abs().ln();
        same(x.abs(), y);
        same(x, y.round());
        same(x, index as f64 % 9.0 - 4.0);
    }
    for x in -100..100 {
        assert_eq!(power_f64(f64::from(x), 3.0), f64::from(x * x * x));
        assert_eq!(power_f64(f64::from(x) / 8.0, 1.0), f64::from(x) / 8.0);
    }
}
