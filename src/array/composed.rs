//! Elementwise functions made of several operations of the kernel, where the roundings are NumPy's.

use super::{
    elementwise::promoted,
    node::Array,
    operand::{Operand, ScalarSide},
    words::{BinaryOp, DType, Scalar},
};
use crate::error::{Error, Result};

/// Exponents beyond these leave nothing of any float but 0 and infinity: from the smallest `f64` past the largest are 2098 steps.
/// Every float that exponents are given in holds it exactly, `f16` too.
const LDEXP_MAX: i64 = 2200;

impl Array {
    /// The array itself; an error for `bool`, as in NumPy.
    #[must_use]
    #[track_caller]
    pub fn positive(&self) -> Array {
        match self.dtype() {
            Ok(DType::Bool) => self.then(Err(Error::mismatch("positive is not defined for bool").hint("cast first"))),
            _ => self.clone(),
        }
    }

    /// Absolute value as a float.
    #[must_use]
    #[track_caller]
    pub fn fabs(&self) -> Array {
        self.to_float().abs()
    }

    /// `1 / x`; of integers the whole part, which is 0 but for 1 and -1.
    #[must_use]
    #[track_caller]
    pub fn reciprocal(&self) -> Array {
        match self.dtype() {
            Ok(dtype) if dtype.is_float() => Array::binary_scalar(BinaryOp::Divide, self, Scalar::Int(1), ScalarSide::Left),
            Ok(DType::Bool) => self.astype(DType::I8).reciprocal(),
            Ok(dtype) => self.abs().equal(1).astype(dtype) * self,
            Err(_) => self.clone(),
        }
    }

    /// Degrees to radians.
    #[must_use]
    #[track_caller]
    pub fn deg2rad(&self) -> Array {
        self.scaled(f64::from(std::f32::consts::PI / 180.0), std::f64::consts::PI / 180.0)
    }

    /// Radians to degrees.
    #[must_use]
    #[track_caller]
    pub fn rad2deg(&self) -> Array {
        self.scaled(f64::from(180.0 / std::f32::consts::PI), 180.0 / std::f64::consts::PI)
    }

    /// Times a factor; narrow floats multiply in `f32` and round after.
    #[track_caller]
    fn scaled(&self, narrow: f64, wide: f64) -> Array {
        let value = self.to_float();
        match value.dtype() {
            Ok(DType::F64) => value * wide,
            Ok(DType::F32) => value * narrow,
            Ok(dtype) => (value.astype(DType::F32) * narrow).astype(dtype),
            Err(_) => value,
        }
    }

    /// As the smallest float that holds the dtype (at most `f64`), which is what functions of floats begin with.
    #[track_caller]
    pub(super) fn to_float(&self) -> Array {
        self.then(self.known().and_then(|meta| promoted(self, meta.dtype.to_float())))
    }

    /// The distance to the next float away from zero.
    #[must_use]
    #[track_caller]
    pub fn spacing(&self) -> Array {
        let value = self.to_float();
        // Adding 0 makes -0 the zero whose neighbour is positive.
        let outward = Array::scalar(f64::INFINITY).copysign(&value + 0.0);
        value.nextafter(outward) - &value
    }

    /// The whole numbers nearest to the elements times 10^`decimals`, ties to even, divided by it again: NumPy's `round`.
    ///
    /// Elements that have no more than these decimals, because neighbours of their dtype lie farther apart, stay as they are (NumPy
    /// multiplies and divides them too, which moves them, or gives NaN where the power is infinite). Integers stay integers; with
    /// `decimals` below zero they are rounded to tens, hundreds and so on, and wrap if that leaves their dtype.
    #[must_use]
    #[track_caller]
    pub fn round(&self, decimals: i32) -> Array {
        let Ok(dtype) = self.dtype() else { return self.clone() };
        if dtype.is_integer() && decimals >= 0 {
            return self.clone();
        }
        if decimals == 0 {
            return self.rint();
        }
        let power = 10f64.powi(decimals.saturating_abs());
        // A power that the dtype does not hold is one of a wider dtype.
        match dtype {
            DType::F16 if power > half::f16::MAX.to_f64() => return self.astype(DType::F32).round(decimals).astype(dtype),
            DType::BF16 | DType::F32 if power > f64::from(f32::MAX) => return self.astype(DType::F64).round(decimals).astype(dtype),
            _ => {}
        }
        let value = if dtype.is_float() { self.clone() } else { self.astype(DType::F64) };
        let rounded = match (decimals > 0, power.is_finite()) {
            (true, true) => value.to_decimals(power),
            (true, false) => value,
            (false, true) => (value / power).rint() * power,
            // Half of such a power is above every number: zeros, with their sign.
            (false, false) => Array::select(&value.isfinite(), &(&value * 0.0), &value),
        };
        match dtype {
            // As integers wrap anywhere, and are counted: what does not fit a narrow dtype is no float any more.
            _ if dtype.is_integer() && dtype.size() < 8 => rounded.astype(DType::I64).astype(dtype),
            _ if dtype.is_integer() => rounded.astype(dtype),
            _ => rounded,
        }
    }

    /// Whole multiples of 1 / `power`, except where all numbers of the dtype that are near are such.
    #[track_caller]
    fn to_decimals(&self, power: f64) -> Array {
        let digits = match self.dtype() {
            Ok(DType::F16) => 11,
            Ok(DType::BF16) => 8,
            Ok(DType::F32) => 24,
            _ => 53,
        };
        let scaled = self * power;
        Array::select(&scaled.abs().less(2f64.powi(digits)), &(scaled.rint() / power), self)
    }

    /// Power in `f64`, whatever the operands are.
    #[must_use]
    #[track_caller]
    pub fn float_power(&self, exponent: impl Into<Operand>) -> Array {
        let base = self.astype(DType::F64);
        match exponent.into() {
            Operand::Array(exponent) => base.power(exponent.astype(DType::F64)),
            Operand::Scalar(exponent) => base.power(exponent.to_f64()),
        }
    }

    /// Quotient rounded down and remainder: Python's `divmod`.
    #[must_use]
    #[track_caller]
    pub fn divmod(&self, divisor: impl Into<Operand>) -> (Array, Array) {
        let divisor = divisor.into();
        (self.floor_divide(divisor.clone()), self.remainder(divisor))
    }

    /// `x * 2^exponent`, rounded once; exponents are integers.
    #[must_use]
    #[track_caller]
    pub fn ldexp(&self, exponent: impl Into<Operand>) -> Array {
        let exponent = exponent.into();
        let value = match (self.literal(), &exponent) {
            // An integer literal gives way to the smallest float, as in NumPy.
            (Some(Scalar::Int(_)), Operand::Array(by)) if by.dtype().is_ok_and(DType::is_integer) => self.astype(DType::F16),
            _ => self.to_float(),
        };
        let Ok(dtype) = value.dtype() else { return value };
        // bf16 cannot hold the exponents; what f32 would round lies far below its last bit.
        let computed = if dtype == DType::BF16 { DType::F32 } else { dtype };
        let exponent = match exponent {
            Operand::Scalar(Scalar::Float(number)) => return self.then(Err(bad_exponent(&format!("the float {number}")))),
            Operand::Scalar(number) => {
                let most = i128::from(LDEXP_MAX);
                Operand::Scalar(Scalar::Float(number.to_i128().clamp(-most, most) as f64))
            }
            Operand::Array(array) => match array.dtype() {
                Ok(found) if found.is_float() || found == DType::U64 => return self.then(Err(bad_exponent(found.name()))),
                // What one byte holds is within the bounds.
                Ok(found) if found.size() == 1 => array.astype(computed).into(),
                _ => array.clip(-LDEXP_MAX, LDEXP_MAX).astype(computed).into(),
            },
        };
        value.astype(computed).with(BinaryOp::Ldexp, exponent).astype(dtype)
    }

    /// Zero for elements below it: `maximum(x, 0)`.
    #[must_use]
    #[track_caller]
    pub fn relu(&self) -> Array {
        match self.dtype() {
            Ok(DType::Bool) => self.clone(),
            _ => self.maximum(0),
        }
    }

    /// NaN becomes `nan`, the infinities `posinf` and `neginf` (`None`: the largest and the smallest number of the dtype).
    #[must_use]
    #[track_caller]
    pub fn nan_to_num(&self, nan: f64, posinf: Option<f64>, neginf: Option<f64>) -> Array {
        let Ok(dtype) = self.dtype() else { return self.clone() };
        if !dtype.is_float() {
            return self.clone();
        }
        let largest = match dtype {
            DType::F16 => half::f16::MAX.to_f64(),
            DType::BF16 => half::bf16::MAX.to_f64(),
            DType::F32 => f64::from(f32::MAX),
            _ => f64::MAX,
        };
        let [positive, negative, hole] = [posinf.unwrap_or(largest), neginf.unwrap_or(-largest), nan].map(Array::scalar);
        let bounded = Array::select(&self.equal(f64::INFINITY), &positive, self);
        let bounded = Array::select(&self.equal(f64::NEG_INFINITY), &negative, &bounded);
        Array::select(&self.isnan(), &hole, &bounded)
    }

    /// The element of the first choice whose condition is true, `default` where none is: NumPy's `select`.
    ///
    /// ```
    /// use outcore::{Array, Session};
    /// let x = Session::default_session().from_ndarray(ndarray::array![-2f32, 0.5, 7.0]);
    /// let y = Array::select_first(&[(x.less(0.0), (&x * 0.0).into()), (x.greater(1.0), 1.0.into())], &x);
    /// assert_eq!(y.dtype()?, outcore::DType::F32);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn select_first(choices: &[(Array, Operand)], default: impl Into<Operand>) -> Array {
        let default = default.into().into_array();
        let values: Vec<Array> = choices.iter().map(|(_, value)| value.clone().into_array()).collect();
        let dtype = match common_dtype(values.iter().chain([&default])) {
            Ok(dtype) => dtype,
            Err(error) => return Array::settle(Err(error), None),
        };
        let mut result = default.astype(dtype);
        for ((condition, _), value) in choices.iter().zip(&values).rev() {
            result = Array::select(condition, &value.astype(dtype), &result);
        }
        result
    }
}

#[cold]
fn bad_exponent(what: &str) -> Error {
    Error::mismatch(format!("ldexp needs integers as exponents, not {what}")).hint("`x * exp2(y)` takes any exponent")
}

/// The dtype in which several values meet: first the arrays, then the literals that give way to them.
fn common_dtype<'a>(values: impl Iterator<Item = &'a Array> + Clone) -> Result<DType> {
    let mut met: Option<DType> = None;
    let mut arrays = values.clone().filter(|value| value.literal().is_none());
    if let Some(first) = arrays.next() {
        arrays.try_for_each(|array| super::promotion::meet("select", first, array).map(drop))?;
    }
    for value in values.clone().filter(|value| value.literal().is_none()) {
        let dtype = value.known()?.dtype;
        met = Some(met.map_or(dtype, |met| met.promote(dtype)));
    }
    for literal in values.filter_map(Array::literal) {
        met = Some(match met {
            Some(met) => crate::expr::elementwise::weak_promote(literal, met)?,
            None => literal.default_dtype(),
        });
    }
    met.ok_or_else(|| Error::usage("select needs a choice"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::array::Session;
    use half::bf16;
    use std::f32::consts::{FRAC_PI_2, PI};

    fn brain(values: &[f32]) -> Array {
        let values: Vec<bf16> = values.iter().map(|value| bf16::from_f32(*value)).collect();
        Session::default_session().from_ndarray(ndarray::Array1::from_vec(values))
    }

    fn values(array: &Array) -> Vec<f32> {
        assert_eq!(array.dtype().unwrap(), DType::BF16);
        array.eval::<bf16, ndarray::Ix1>().unwrap().iter().map(|value| value.to_f32()).collect()
    }

    #[test]
    fn bf16_has_every_composition() {
        let x = brain(&[1.0, -2.5, 3.5, f32::INFINITY, -0.0]);
        assert_eq!(values(&x.ldexp(300))[..2], [f32::INFINITY, f32::NEG_INFINITY]);
        assert_eq!(values(&x.ldexp(-133))[..2], [2f32.powi(-133), -2f32.powi(-132)], "2.5 units round to two");
        assert_eq!(values(&x.spacing())[..2], [2f32.powi(-7), -2f32.powi(-6)]);
        assert_eq!(values(&x.spacing())[4], 2f32.powi(-133));
        assert_eq!(values(&x.round(0)), [1.0, -2.0, 4.0, f32::INFINITY, -0.0]);
        assert_eq!(
            values(&x.reciprocal()),
            [1.0, bf16::from_f32(-0.4).to_f32(), bf16::from_f32(1.0 / 3.5).to_f32(), 0.0, f32::NEG_INFINITY]
        );
        assert_eq!(values(&x.nan_to_num(0.0, None, None))[3], bf16::MAX.to_f32());
        assert_eq!(values(&x.relu()), [1.0, 0.0, 3.5, f32::INFINITY, 0.0]);
        assert_eq!(values(&brain(&[180.0, 90.0]).deg2rad()), [bf16::from_f32(PI).to_f32(), bf16::from_f32(FRAC_PI_2).to_f32()]);
    }

    #[test]
    fn ldexp_is_right_from_the_smallest_number_to_the_largest() {
        let session = Session::default_session();
        let x = session.from_ndarray(ndarray::array![1.7e308, 5e-324, -5e-324, f64::MIN_POSITIVE, 1.0, 3.0, -0.0, f64::INFINITY]);
        let cases: [(i64, [f64; 8]); 7] = [
            (-2100, [0.0, 0.0, -0.0, 0.0, 0.0, 0.0, -0.0, f64::INFINITY]),
            (2100, [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::INFINITY, f64::INFINITY, f64::INFINITY, -0.0, f64::INFINITY]),
            (2097, [f64::INFINITY, 2f64.powi(1023), -(2f64.powi(1023)), f64::INFINITY, f64::INFINITY, f64::INFINITY, -0.0, f64::INFINITY]),
            // 1.7e308 is 0.95 of 2^1024: 0.95 of the smallest number, then 0.47 and 0.95 of a half.
            (-2098, [5e-324, 0.0, -0.0, 0.0, 0.0, 0.0, -0.0, f64::INFINITY]),
            (-2099, [0.0, 0.0, -0.0, 0.0, 0.0, 0.0, -0.0, f64::INFINITY]),
            // Ties are rounded to even: half of the smallest number, and three halves.
            (-1075, [1.7e308 / 2f64.powi(537) / 2f64.powi(538), 0.0, -0.0, 0.0, 0.0, 1e-323, -0.0, f64::INFINITY]),
            (i64::MIN, [0.0, 0.0, -0.0, 0.0, 0.0, 0.0, -0.0, f64::INFINITY]),
        ];
        for isa in crate::kernel::Isa::available() {
            let session = Session::builder().isa(isa).build().unwrap();
            for (exponent, wanted) in &cases {
                let mut all = vec![x.ldexp(*exponent), x.ldexp(session.from_ndarray(ndarray::Array1::from_elem(8, *exponent)))];
                if let Ok(exponent) = i16::try_from(*exponent) {
                    all.push(x.ldexp(session.from_ndarray(ndarray::Array1::from_elem(8, exponent))));
                    all.push(x.ldexp(session.from_ndarray(ndarray::Array1::from_elem(8, i32::from(exponent)))));
                }
                if let Ok(exponent) = u16::try_from(*exponent) {
                    all.push(x.ldexp(session.from_ndarray(ndarray::Array1::from_elem(8, exponent))));
                    all.push(x.ldexp(session.from_ndarray(ndarray::Array1::from_elem(8, u32::from(exponent)))));
                }
                for array in all {
                    let found = session.adopt(array).eval::<f64, ndarray::Ix1>().unwrap();
                    let same = found.iter().zip(wanted).all(|(a, b)| a.to_bits() == b.to_bits());
                    assert!(same, "{isa:?} {exponent}: {found:e} instead of {wanted:?}");
                }
            }
        }
        let near = session.from_ndarray(ndarray::array![127i8, -128, 0]);
        let found = session.from_ndarray(ndarray::array![1f32, 1.0, 1.0]).ldexp(&near).eval::<f32, ndarray::Ix1>().unwrap();
        assert_eq!(found, ndarray::array![2f32.powi(127), 2f32.powi(-128), 1.0]);
    }

    #[test]
    fn rounding_moves_only_what_has_such_decimals() {
        let session = Session::default_session();
        let x = session.from_ndarray(ndarray::array![-31.0, 1.0, 2.5, 0.1, 1e300, f64::INFINITY, -0.0, 5e-324]);
        let all = x.eval::<f64, ndarray::Ix1>().unwrap();
        for decimals in [308, 309, 400] {
            let found = x.round(decimals).eval::<f64, ndarray::Ix1>().unwrap();
            assert_eq!(found.slice(ndarray::s![..7]), all.slice(ndarray::s![..7]), "{decimals}");
        }
        assert_eq!(
            x.round(25).eval::<f64, ndarray::Ix1>().unwrap(),
            ndarray::array![-31.0, 1.0, 2.5, 0.1, 1e300, f64::INFINITY, -0.0, 0.0]
        );
        assert_eq!(x.round(0).eval::<f64, ndarray::Ix1>().unwrap()[2], 2.0);
        let found = x.round(-309).eval::<f64, ndarray::Ix1>().unwrap();
        assert_eq!(found, ndarray::array![0.0, 0.0, 0.0, 0.0, 0.0, f64::INFINITY, 0.0, 0.0]);
        assert!(found[0].is_sign_negative() && found[6].is_sign_negative());
        assert!(session.from_ndarray(ndarray::array![f64::NAN]).round(309).eval::<f64, ndarray::Ix1>().unwrap()[0].is_nan());
        let narrow = session.from_ndarray(ndarray::array![1.5f32, 3e38, 1e-40, f32::INFINITY]);
        assert_eq!(narrow.round(39).eval::<f32, ndarray::Ix1>().unwrap(), ndarray::array![1.5, 3e38, 0.0, f32::INFINITY]);
        assert_eq!(narrow.round(-39).eval::<f32, ndarray::Ix1>().unwrap(), ndarray::array![0.0, 0.0, 0.0, f32::INFINITY]);
        let half = session.from_ndarray(ndarray::array![0.001f32, 65504.0, 49000.0]).cast::<half::f16>();
        let of = |array: &Array| array.cast::<f32>().eval::<f32, ndarray::Ix1>().unwrap().to_vec();
        assert_eq!(of(&half.round(5))[..2], of(&half)[..2]);
        assert_eq!(of(&half.round(-5)), [0.0, f32::INFINITY, 0.0], "the nearest of 65504 is 1e5");
        let bytes = session.from_ndarray(ndarray::array![-128i8, 127, 14, 15, 25]);
        assert_eq!(bytes.round(-1).eval::<i8, ndarray::Ix1>().unwrap(), ndarray::array![126, -126, 10, 20, 20], "as NumPy, and counted");
        assert_eq!(bytes.round(-400).eval::<i8, ndarray::Ix1>().unwrap(), ndarray::array![0, 0, 0, 0, 0]);
    }

    #[test]
    fn what_has_no_meaning_is_an_error() {
        let session = Session::default_session();
        let truth = session.from_ndarray(ndarray::array![true, false]);
        let x = session.from_ndarray(ndarray::array![1f32, 2.0]);
        for failed in [truth.positive(), -&truth, truth.sign(), x.ldexp(0.5), x.ldexp(&x), &x << 1, x.bitwise_count(), x.gcd(3)] {
            assert!(failed.error().is_some());
        }
        assert!(Array::select_first(&[], 0).checked().is_ok(), "the default alone");
        let wide = session.from_ndarray(ndarray::array![1u64, u64::MAX]);
        let signed = session.from_ndarray(ndarray::array![-1i64, i64::MAX]);
        assert_eq!(signed.less(&wide).eval::<bool, ndarray::Ix1>().unwrap(), ndarray::array![true, true]);
        assert_eq!(wide.less_equal(&signed).eval::<bool, ndarray::Ix1>().unwrap(), ndarray::array![false, false]);
        assert_eq!(signed.not_equal(&wide).eval::<bool, ndarray::Ix1>().unwrap(), ndarray::array![true, true]);
    }
}
