//! Floats taken apart: fraction and whole number, mantissa and exponent.

use super::{node::Array, words::DType};

impl Array {
    /// Fraction and whole part, both with the sign of the element: NumPy's `modf`.
    ///
    /// ```
    /// let x = outcore::Session::default_session().from_ndarray(ndarray::array![2.5f32, -0.25]);
    /// let (fraction, whole) = x.modf();
    /// assert_eq!(fraction.eval::<f32, _>()?, ndarray::array![0.5, -0.25]);
    /// assert_eq!(whole.eval::<f32, _>()?, ndarray::array![2.0, -0.0]);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn modf(&self) -> (Array, Array) {
        let value = self.to_float();
        let whole = value.trunc();
        let fraction = Array::select(&value.isinf(), &Array::scalar(0.0), &(&value - &whole));
        (fraction.copysign(&value), whole)
    }

    /// Mantissa of a magnitude from 0.5 to below 1, and exponent as `i32`, with `x = mantissa * 2^exponent`: NumPy's `frexp`. Zeros,
    /// infinities and NaN are their own mantissa, with exponent 0.
    ///
    /// ```
    /// let x = outcore::Session::default_session().from_ndarray(ndarray::array![6.0f64, -0.125]);
    /// let (mantissa, exponent) = x.frexp();
    /// assert_eq!(mantissa.eval::<f64, _>()?, ndarray::array![0.75, -0.5]);
    /// assert_eq!(exponent.eval::<i32, _>()?, ndarray::array![3, -2]);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn frexp(&self) -> (Array, Array) {
        let value = self.to_float();
        let Ok(dtype) = value.dtype() else { return (value.clone(), value) };
        // Subnormals are lifted out of their range first; narrow floats are all normal in f32.
        let (computed, smallest, lift) =
            if dtype == DType::F64 { (dtype, f64::MIN_POSITIVE, 64) } else { (DType::F32, f64::from(f32::MIN_POSITIVE), 32) };
        let wide = value.astype(computed);
        let plain = wide.isfinite().logical_and(wide.not_equal(0.0));
        let small = wide.abs().less(smallest);
        let lifted = Array::select(&small, &(&wide * f64::from(2f32.powi(lift))), &wide);
        let lifted = Array::select(&plain, &lifted, &Array::scalar(1.0));
        // The logarithm may round across a power of two; the mantissa tells.
        let guess = (lifted.abs().log2().floor() + 1.0).astype(DType::I32);
        let mantissa = lifted.ldexp(-&guess).abs();
        let exponent = guess + mantissa.greater_equal(1.0).astype(DType::I32) - mantissa.less(0.5).astype(DType::I32);
        let mantissa = Array::select(&plain, &lifted.ldexp(-&exponent), &wide).astype(dtype);
        let exponent = exponent - small.astype(DType::I32) * i64::from(lift);
        (mantissa, Array::select(&plain, &exponent, &Array::scalar(0)))
    }
}

#[cfg(test)]
mod tests {
    use crate::{DType, Session};
    use ndarray::Ix1;

    #[test]
    fn mantissa_and_exponent_make_the_number() {
        let powers = (-1074..1024).flat_map(|power| {
            let one = if power < -1022 { f64::from_bits(1 << (power + 1074)) } else { 2f64.powi(power) };
            [one, one.next_down(), -one.next_up()]
        });
        let numbers: Vec<f64> = powers.chain([0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::MAX]).collect();
        let x = Session::default_session().from_ndarray(ndarray::Array1::from_vec(numbers.clone()));
        let (mantissa, exponent) = x.frexp();
        assert_eq!(exponent.dtype().expect("a dtype"), DType::I32);
        let (found, exponents) = (mantissa.eval::<f64, Ix1>().expect("mantissas"), exponent.eval::<i32, Ix1>().expect("exponents"));
        for ((number, mantissa), exponent) in numbers.iter().zip(found).zip(exponents) {
            if *number == 0.0 || number.is_infinite() {
                assert!(mantissa.to_bits() == number.to_bits() && exponent == 0, "{number}");
            } else {
                assert!((0.5..1.0).contains(&mantissa.abs()), "{number:e}: {mantissa}");
                // In two steps, so that none of them leaves the range.
                let half = exponent / 2;
                assert_eq!(mantissa * 2f64.powi(half) * 2f64.powi(exponent - half), *number);
            }
        }
    }
}
