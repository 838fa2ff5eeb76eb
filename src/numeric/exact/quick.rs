//! The common finish of an exact state: all of it lies in the window, and integers of a few limbs decide. It is the same
//! rounding of the same number as the long way, without memory.

use super::rapid;
use super::state::{FLAG_INFINITY, FLAG_LOST, FLAG_NAN, FLAG_NEGATIVE_INFINITY, FLAG_NOT_NEGATIVE_ZERO, Superaccumulator};
use super::window::WINDOW_LIMBS;
use crate::numeric::Finish;
use crate::numeric::big::{Quotient, quotient_of};
use crate::numeric::round::FloatFormat;

/// Limbs of a sum that is squared: a sign, 63 bits of room and two digits.
const SUM_LIMBS: usize = 3;
/// Limbs of `n Q` and `S^2` on one scale.
const DEVIATION_LIMBS: usize = 8;

/// The bits of `what` of one output in `format`; `None` where the long way has to decide.
pub(in crate::numeric) fn statistic(state: &Superaccumulator, what: Finish, format: FloatFormat, at: usize) -> Option<u64> {
    let (flags, count) = (state.flags[at], state.counts[at]);
    let special = FLAG_NAN | FLAG_INFINITY | FLAG_NEGATIVE_INFINITY | FLAG_LOST;
    if flags & special != 0 || !state.is_compact(at) || flags & FLAG_NOT_NEGATIVE_ZERO == 0 || count == 0 {
        return None;
    }
    if let Some(bits) = rapid::statistic(state, what, format, at) {
        return Some(bits);
    }
    let (sum, negative, exponent) = state.windows.limbs(at, false)?;
    let (ddof, root) = match what {
        Finish::Sum => return Some(format.pack(negative, quotient_of(&sum, exponent, 1, false))),
        Finish::Mean => return Some(format.pack(negative, quotient_of(&sum, exponent, u128::from(count), false))),
        Finish::Var { ddof } => (ddof, false),
        Finish::Std { ddof } => (ddof, true),
        Finish::Norm if state.form.widths[1] > 0 => {
            let (squares, _, exponent) = state.windows.limbs(at, true)?;
            let quotient = quotient_of(&squares, exponent, 1, true);
            return Some(if quotient.leading == 0 { format.zero(false) } else { format.pack_root(quotient) });
        }
        _ => return None,
    };
    if state.form.widths[1] == 0 || count <= ddof || sum[SUM_LIMBS..].iter().any(|limb| *limb != 0) {
        return None;
    }
    let (squares, _, squares_exponent) = state.windows.limbs(at, true)?;
    let deviation = deviation(&sum, &squares, count, u32::try_from(squares_exponent - 2 * exponent).ok()?)?;
    let divisor = u128::from(count) * u128::from(count - ddof);
    let quotient = quotient_of(&deviation, 2 * exponent, divisor, root);
    if quotient.leading == 0 {
        return Some(format.zero(false));
    }
    Some(if root { format.pack_root(quotient) } else { format.pack(false, quotient) })
}

/// `count * squares * 2^shift - sum^2`, unless `shift` is a limb or more.
fn deviation(sum: &[u64; WINDOW_LIMBS], squares: &[u64; WINDOW_LIMBS], count: u64, shift: u32) -> Option<[u64; DEVIATION_LIMBS]> {
    if shift >= 64 {
        return None;
    }
    let mut counted = [0; DEVIATION_LIMBS];
    let mut carry = 0_u128;
    for (to, limb) in counted.iter_mut().zip(squares) {
        let product = u128::from(*limb) * u128::from(count) + carry;
        *to = product as u64;
        carry = product >> 64;
    }
    counted[WINDOW_LIMBS] = carry as u64;
    if shift > 0 {
        for at in (1..DEVIATION_LIMBS).rev() {
            counted[at] = counted[at] << shift | counted[at - 1] >> (64 - shift);
        }
        counted[0] <<= shift;
    }
    let mut square = [0_u64; DEVIATION_LIMBS];
    for (at, &left) in sum[..SUM_LIMBS].iter().enumerate() {
        let mut carry = 0_u128;
        for (offset, &right) in sum[..SUM_LIMBS].iter().enumerate() {
            let product = u128::from(left) * u128::from(right) + u128::from(square[at + offset]) + carry;
            square[at + offset] = product as u64;
            carry = product >> 64;
        }
        square[at + SUM_LIMBS] = carry as u64;
    }
    let mut borrow = false;
    for (limb, square) in counted.iter_mut().zip(square) {
        let (rest, first) = limb.overflowing_sub(square);
        let (rest, second) = rest.overflowing_sub(u64::from(borrow));
        *limb = rest;
        borrow = first || second;
    }
    (!borrow).then_some(counted)
}

impl FloatFormat {
    /// The square root of a quotient that has an even exponent, rounded once.
    pub(in crate::numeric) fn pack_root(self, square: Quotient) -> u64 {
        // The root of the whole part rounded down is the root rounded down: 63 bits of it and a sticky bit decide.
        let leading = square.leading.isqrt();
        let inexact = square.inexact || leading * leading != square.leading;
        self.pack(false, Quotient { leading, exponent: square.exponent / 2, inexact })
    }
}
