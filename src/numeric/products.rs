//! Exact sums of products: of two operands (dot, weighted mean, covariance), and of powers (skew, kurtosis).
//!
//! A product of two floats is the sum of two f64s, the rounded product and what rounding lost, and of one for narrow elements;
//! powers are products of those. The f64s are added up by `exact`. Products that leave the range where nothing is lost
//! are multiplied as integers and added one by one.

use super::AccumulatorKind;
use super::axes::{InstructionSet, Piece, TileAxis, each_element, each_part};
use super::element::Float;
use super::exact::{self, FLAG_NOT_NEGATIVE_ZERO, Form, Superaccumulator};
use super::round::decompose;
use crate::nd::DType;
use half::{bf16, f16};

/// Elements that are multiplied at a time.
const PART: usize = 1024;
/// Magnitudes of products below this may lose bits: `2^-968`.
const PRODUCT_MIN: f64 = f64::from_bits((1023 - 968) << 52);
/// Magnitudes of f64s whose powers up to the fourth lose nothing: `2^-216` to `2^254`.
const BASE_MIN: f64 = f64::from_bits((1023 - 216) << 52);
const BASE_MAX: f64 = f64::from_bits((1023 + 254) << 52);
/// The f64s that a third and a fourth power are the sum of.
const TERMS: [usize; 2] = [4, 6];

/// The states of a kind of sums of products: the products first, of powers the moments.
pub(super) fn forms(kind: AccumulatorKind, dtype: DType) -> Option<Vec<Form>> {
    Some(match kind {
        AccumulatorKind::Dot => vec![exact::product_form(dtype, 2)],
        AccumulatorKind::Weighted => vec![exact::product_form(dtype, 2), exact::form(dtype, false)],
        AccumulatorKind::Comoments => vec![exact::product_form(dtype, 2), exact::form(dtype, true), exact::form(dtype, true)],
        AccumulatorKind::Powers => vec![exact::form(dtype, true), exact::product_form(dtype, 3), exact::product_form(dtype, 4)],
        _ => return None,
    })
}

/// Adds the products of two tiles, and each tile to the states behind those of the products: with two states the second, with
/// three both.
pub(super) fn absorb_pair<I: InstructionSet>(
    states: &mut [Superaccumulator],
    dtype: DType,
    [a, b]: [&[u8]; 2],
    axes: &[TileAxis],
    base: usize,
) {
    match states {
        [_, of_b] => exact::absorb::<I>(of_b, dtype, b, axes, base),
        [_, of_a, of_b] => {
            exact::absorb::<I>(of_a, dtype, a, axes, base);
            exact::absorb::<I>(of_b, dtype, b, axes, base);
        }
        _ => {}
    }
    let products = &mut states[0];
    match dtype {
        DType::F16 => add_products::<I, f16>(products, a.as_chunks().0, b.as_chunks().0, axes, base),
        DType::BF16 => add_products::<I, bf16>(products, a.as_chunks().0, b.as_chunks().0, axes, base),
        DType::F32 => add_products::<I, f32>(products, a.as_chunks().0, b.as_chunks().0, axes, base),
        _ => add_products::<I, f64>(products, a.as_chunks().0, b.as_chunks().0, axes, base),
    }
}

/// Adds a tile's powers up to the fourth.
pub(super) fn absorb_powers<I: InstructionSet>(states: &mut [Superaccumulator], dtype: DType, tile: &[u8], axes: &[TileAxis], base: usize) {
    exact::absorb::<I>(&mut states[0], dtype, tile, axes, base);
    let powers = &mut states[1..];
    match dtype {
        DType::F16 => add_powers::<I, f16>(powers, tile.as_chunks().0, axes, base),
        DType::BF16 => add_powers::<I, bf16>(powers, tile.as_chunks().0, axes, base),
        DType::F32 => add_powers::<I, f32>(powers, tile.as_chunks().0, axes, base),
        _ => add_powers::<I, f64>(powers, tile.as_chunks().0, axes, base),
    }
}

/// The sum of two f64s that a product is, and whether it is that. A part that is zero is a negative zero, the identity.
#[inline(always)]
fn product(a: f64, b: f64) -> ([f64; 2], bool) {
    let high = a * b;
    let low = a.mul_add(b, -high);
    let whole = high.abs() >= PRODUCT_MIN && high.abs() < f64::INFINITY;
    ([high, if low == 0.0 { -0.0 } else { low }], whole || a == 0.0 || b == 0.0)
}

/// Products of a part, to be compiled for an instruction set.
struct Products<'p, T: Float> {
    a: &'p [T::Bytes],
    b: &'p [T::Bytes],
    parts: &'p mut [[f64; PART]; 2],
    /// Whether any is not the sum of its parts.
    far: &'p mut bool,
}

impl<T: Float> Piece for Products<'_, T> {
    #[inline(always)]
    fn go(self) {
        let [highs, lows] = self.parts;
        let mut far = false;
        for (((&a, &b), high), low) in self.a.iter().zip(self.b).zip(highs).zip(lows) {
            let (a, b) = (T::read(a).widen(), T::read(b).widen());
            if T::SQUARE_IS_F64 {
                *high = a * b;
            } else {
                let ([first, second], whole) = product(a, b);
                (*high, *low) = (first, second);
                far |= !whole;
            }
        }
        *self.far = far;
    }
}

fn add_products<I: InstructionSet, T: Float>(state: &mut Superaccumulator, a: &[T::Bytes], b: &[T::Bytes], axes: &[TileAxis], base: usize) {
    let mut parts = [[-0.0; PART]; 2];
    each_part(axes, base, PART, |range, axes, base| {
        let (a, b) = (&a[range.clone()], &b[range]);
        let mut far = false;
        I::enter(Products::<T> { a, b, parts: &mut parts, far: &mut far });
        if far {
            each_element(axes, base, 0, |at, output, _| {
                let (a, b) = (T::read(a[at]).widen(), T::read(b[at]).widen());
                let ([high, _], whole) = product(a, b);
                if !whole {
                    let finite = a.is_finite() && b.is_finite();
                    (parts[0][at], parts[1][at]) = (if finite { -0.0 } else { high }, -0.0);
                    if finite {
                        add_integers(state, output, &[a, b]);
                    }
                }
            });
        }
        for parts in parts.iter().take(if T::SQUARE_IS_F64 { 1 } else { 2 }) {
            exact::absorb::<I>(state, DType::F64, bytemuck::cast_slice(&parts[..a.len()]), axes, base);
        }
    });
}

/// Adds the product of two to four finite factors, whatever its exponent.
fn add_integers(state: &mut Superaccumulator, output: usize, factors: &[f64]) {
    // 53 bits at a time, so that a product of the next factor and a limb and a carry fits.
    let (mut limbs, mut exponent, mut negative) = ([1_u128, 0, 0, 0], 0, false);
    for factor in factors {
        let (mantissa, power) = decompose(*factor);
        let mut carry = 0;
        for limb in &mut limbs {
            let total = *limb * u128::from(mantissa) + carry;
            *limb = total & ((1 << 53) - 1);
            carry = total >> 53;
        }
        exponent += power;
        negative ^= factor.is_sign_negative();
    }
    for (at, limb) in limbs.into_iter().enumerate().filter(|(_, limb)| *limb != 0) {
        state.add(output, false, limb, negative, exponent + 53 * at as i32);
    }
    state.flags[output] |= FLAG_NOT_NEGATIVE_ZERO;
}

/// The f64s that the third and the fourth power of an element are the sums of, and whether they are.
#[inline(always)]
fn powers<T: Float>(value: f64) -> ([[f64; 6]; 2], bool) {
    let (mut thirds, mut fourths) = ([-0.0; 6], [-0.0; 6]);
    let whole = value == 0.0 || value.abs() >= BASE_MIN && value.abs() < BASE_MAX;
    let ([high, low], _) = product(value, value);
    ([thirds[0], thirds[1]], [fourths[0], fourths[1]]) = (product(value, high).0, product(high, high).0);
    if T::SQUARE_IS_F64 {
        // No power of a narrow element leaves the range.
        return ([thirds, fourths], value.is_finite());
    }
    [thirds[2], thirds[3]] = product(value, low).0;
    [fourths[2], fourths[3]] = product(high + high, low).0;
    [fourths[4], fourths[5]] = product(low, low).0;
    ([thirds, fourths], whole)
}

/// Powers of a part, to be compiled for an instruction set.
struct Powers<'p, T: Float> {
    cells: &'p [T::Bytes],
    terms: &'p mut [[[f64; PART]; 6]; 2],
    far: &'p mut bool,
}

impl<T: Float> Piece for Powers<'_, T> {
    #[inline(always)]
    fn go(self) {
        let mut far = false;
        for (at, &cell) in self.cells.iter().enumerate().take(PART) {
            let (of, whole) = powers::<T>(T::read(cell).widen());
            for power in 0..2 {
                for term in 0..if T::SQUARE_IS_F64 { 2 } else { TERMS[power] } {
                    self.terms[power][term][at] = of[power][term];
                }
            }
            far |= !whole;
        }
        *self.far = far;
    }
}

fn add_powers<I: InstructionSet, T: Float>(states: &mut [Superaccumulator], cells: &[T::Bytes], axes: &[TileAxis], base: usize) {
    let mut terms = [[[-0.0; PART]; 6]; 2];
    each_part(axes, base, PART, |range, axes, base| {
        let cells = &cells[range];
        let mut far = false;
        I::enter(Powers::<T> { cells, terms: &mut terms, far: &mut far });
        if far {
            each_element(axes, base, 0, |at, output, _| {
                let value = T::read(cells[at]).widen();
                if powers::<T>(value).1 {
                    return;
                }
                for (power, (state, terms)) in states.iter_mut().zip(&mut terms).enumerate() {
                    for term in terms.iter_mut() {
                        term[at] = -0.0;
                    }
                    // The flags of the moments tell of what is not finite.
                    if value.is_finite() {
                        add_integers(state, output, &[value; 4][..power + 3]);
                    }
                }
            });
        }
        for (power, (state, terms)) in states.iter_mut().zip(&terms).enumerate() {
            for term in terms.iter().take(if T::SQUARE_IS_F64 { 2 } else { TERMS[power] }) {
                exact::absorb::<I>(state, DType::F64, bytemuck::cast_slice(&term[..cells.len()]), axes, base);
            }
        }
    });
}
