//! Arguments of sin, cos and tan modulo pi/2, as a sum of two doubles and a quadrant.
//!
//! Up to [`NEAR`] three parts of pi/2 are subtracted. Beyond, `x = M 2^(16 b - 24)` with an integer `M` below 2^68, and
//! `M` is multiplied by 2^(16 b - 24) * 2/pi modulo 4, which a table holds to 210 bits: the product modulo 4 is the
//! quadrant and the fraction, right for every finite number.

use super::{
    coefficients::{HALF_PI, TWO_OVER_PI},
    exp::ROUND,
    pair::{Pair, fast_two_sum, multiply, select, two_product, two_sum},
    real::Double,
};

/// Magnitudes up to this need no table.
pub(super) const NEAR: f64 = 1_073_741_824.0;

/// `|x|` up to [`NEAR`]; the quadrant is in the low bits.
#[inline(always)]
pub(super) fn reduce_near<V: Double>(magnitude: V) -> (Pair<V>, V) {
    let shifted = magnitude.mul_add(V::of(std::f64::consts::FRAC_2_PI), V::of(ROUND));
    let k = shifted - V::of(ROUND);
    // The first difference is exact: it is a multiple of 2^-53 below 2.
    let first = k.mul_add(V::of(-HALF_PI[0]), magnitude);
    let second = two_product(k, V::of(HALF_PI[1]));
    // Without error whichever is greater: the first is a multiple of the last place of the second.
    let sum = fast_two_sum(first, -second.0);
    (Pair(sum.0, k.mul_add(V::of(-HALF_PI[2]), sum.1 - second.1)), shifted)
}

/// One pass of error-free sums: the head in the first, the errors behind it.
#[inline(always)]
fn distill(terms: &mut [f64; 7]) {
    let mut index = 0;
    let mut head = terms[0];
    while index < 6 {
        let sum = two_sum(head, terms[index + 1]);
        head = sum.0;
        terms[index + 1] = sum.1;
        index += 1;
    }
    terms[0] = head;
}

/// `|x|` from [`NEAR`] up; nonsense for infinities.
#[inline(always)]
pub(super) fn reduce_far(magnitude: f64) -> (Pair, f64) {
    let bits = magnitude.to_bits();
    let place = (bits >> 52).wrapping_sub(1051);
    let bucket = (place >> 4) as usize & 63;
    let x = f64::from_bits((bits & 0x000f_ffff_ffff_ffff) | (((place & 15) + 1023 + 52) << 52));
    let p0 = two_product(x, TWO_OVER_PI[0][bucket]);
    let p1 = two_product(x, TWO_OVER_PI[1][bucket]);
    let p2 = two_product(x, TWO_OVER_PI[2][bucket]);
    let p3 = x * TWO_OVER_PI[3][bucket];
    // Multiples of 2^20 do not count.
    const COARSE: f64 = ROUND * 1_048_576.0;
    let coarse = p0.0 - ((p0.0 + COARSE) - COARSE);
    let mut terms = [coarse, p0.1, p1.0, p1.1, p2.0, p2.1, p3];
    distill(&mut terms);
    let shifted = terms[0] + ROUND;
    terms[0] -= shifted - ROUND;
    distill(&mut terms);
    let low = terms[1] + (terms[2] + (terms[3] + (terms[4] + (terms[5] + terms[6]))));
    (multiply(fast_two_sum(terms[0], low), Pair(HALF_PI[0], HALF_PI[1])), shifted)
}

/// Any finite `|x|`.
#[inline(always)]
pub(super) fn reduce(magnitude: f64) -> (Pair, f64) {
    let (near, far) = (reduce_near(magnitude), reduce_far(magnitude));
    let is_near = magnitude <= NEAR;
    (select(is_near, near.0, far.0), if is_near { near.1 } else { far.1 })
}
