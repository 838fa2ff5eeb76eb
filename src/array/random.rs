//! Random arrays: every element is a function of a seed, a stream and its index, so no result depends on how it is cut.

use super::{
    axes::AxisRef,
    elementwise::{constant, convert},
    node::Array,
    words::{BinaryOp, CastMode, DType, Element, Scalar},
};
use crate::{
    error::{Error, Result},
    expr::Op,
    kernel::program::{Generator, Law},
    nd::{AxisMap, axis_map::AxisStep, shape::element_count},
};
use std::ops::Range;

/// Where random arrays come from: a seed, and a stream of it.
///
/// Element `i` (in C order) of an array of random values is a function of seed, stream and `i` alone (Philox 4x32-10): a slice has
/// the values it has in the whole, and the same call gives the same array again. Arrays that shall be independent of each other
/// take different streams.
///
/// ```
/// use outcore::Random;
/// let noise = Random::new(7).stream(1).normal::<f32>([1_000_000, 128], 0.0, 1.0);
/// let part = noise.slice(ndarray::s![500..501, ..]).eval::<f32, ndarray::Ix2>()?;
/// assert_eq!(part.shape(), [1, 128]);
/// # Ok::<(), outcore::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Random {
    seed: u64,
    stream: u64,
}

impl Random {
    /// Stream 0 of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Random {
        Random { seed, stream: 0 }
    }

    /// Another stream of the seed, independent of all others.
    #[must_use]
    pub fn stream(self, stream: u64) -> Random {
        Random { stream, ..self }
    }

    /// Values evenly from `low` to below `high`. A float dtype; 24 random bits of an `f32`, 53 of an `f64`.
    #[must_use]
    #[track_caller]
    pub fn uniform<T: Element>(&self, shape: impl AsRef<[usize]>, low: f64, high: f64) -> Array {
        self.floats(shape.as_ref(), T::DTYPE, "uniform", (low, high))
    }

    /// Normally distributed values (Box and Muller's transform, up to 6.6 standard deviations in `f32` and 8.6 in `f64`). A float dtype.
    #[must_use]
    #[track_caller]
    pub fn normal<T: Element>(&self, shape: impl AsRef<[usize]>, mean: f64, std: f64) -> Array {
        self.floats(shape.as_ref(), T::DTYPE, "normal", (mean, std))
    }

    /// Integers evenly from the range. Their probabilities differ by less than its length / 2^64.
    #[must_use]
    #[track_caller]
    pub fn integers<T: Element>(&self, shape: impl AsRef<[usize]>, range: Range<i64>) -> Array {
        Array::settle(self.try_integers(shape.as_ref(), T::DTYPE, range.start.into()..range.end.into()), None)
    }

    /// True with a probability, as `bool`.
    #[must_use]
    #[track_caller]
    pub fn bernoulli(&self, shape: impl AsRef<[usize]>, probability: f64) -> Array {
        Array::settle(self.try_bernoulli(shape.as_ref(), probability), None)
    }

    /// The numbers from 0 to before `length` in a random order, as `i64`: a function of the place, so no memory.
    #[must_use]
    #[track_caller]
    pub fn permutation(&self, length: usize) -> Array {
        Array::arange(Scalar::Int(0), Scalar::Int(length as i128), Scalar::Int(1), None).shuffle(*self, 0)
    }

    pub(super) fn floats(&self, shape: &[usize], dtype: DType, name: &str, (first, second): (f64, f64)) -> Array {
        Array::settle(self.try_floats(shape, dtype, name, (first, second)), None)
    }

    fn try_floats(self, shape: &[usize], dtype: DType, name: &str, (first, second): (f64, f64)) -> Result<Array> {
        if !dtype.is_float() {
            return Err(Error::usage(format!("{name} values are floats; {dtype} was asked for")).hint("cast the result, or take integers"));
        }
        if !first.is_finite() || !second.is_finite() {
            return Err(Error::usage(format!("{name} values from {first} and {second}: both must be finite")));
        }
        let wide = if dtype == DType::F64 { DType::F64 } else { DType::F32 };
        let (a, b) = (Scalar::Float(first), Scalar::Float(second));
        let law = match name {
            "uniform" if second < first => {
                return Err(Error::usage(format!("uniform values from {first} to {second}: the bounds are the wrong way round")));
            }
            "uniform" => Law::Uniform { low: a, high: b },
            _ if second < 0.0 => return Err(Error::usage(format!("a standard deviation of {second} does not exist"))),
            _ => Law::Normal { mean: a, std: b },
        };
        let values = convert(&self.drawn(shape, law, wide)?, dtype, CastMode::Checked)?;
        match law {
            // What lies just below the bound would round to it.
            Law::Uniform { .. } if dtype != wide && first < second => {
                let last = constant(Scalar::Float(below(second, dtype)), dtype)?;
                Array::make(Op::Binary(BinaryOp::Minimum), vec![values, last])
            }
            _ => Ok(values),
        }
    }

    /// The end of the range may be one past the dtype.
    pub(super) fn try_integers(self, shape: &[usize], dtype: DType, range: Range<i128>) -> Result<Array> {
        let Range { start: low, end: high } = range;
        if high <= low {
            return Err(Error::usage(format!("there are no integers from {low} to before {high}")));
        }
        let fits = |value| Scalar::Int(value).fits(dtype);
        if !fits(low) || !fits(high - 1) {
            let error = Error::mismatch(format!("integers from {low} to {} do not fit {dtype}", high - 1));
            return Err(error.hint("take a dtype that holds both, as in `dtype=u64`"));
        }
        let count = u64::try_from(high - low).map_err(|_| {
            Error::usage(format!("the integers from {low} to {} are 2^64, one more than can be drawn from", high - 1))
                .hint("leave one of them out")
        })?;
        // Drawing adds modulo 2^64: the bits of an i64 are those of the u64.
        let mode = if dtype == DType::U64 { CastMode::Wrap } else { CastMode::Checked };
        convert(&self.drawn(shape, Law::Integers { low: low as i64, count }, DType::I64)?, dtype, mode)
    }

    pub(super) fn try_bernoulli(self, shape: &[usize], probability: f64) -> Result<Array> {
        if !(0.0..=1.0).contains(&probability) {
            return Err(Error::usage(format!("a probability of {probability} is not between 0 and 1")));
        }
        self.drawn(shape, Law::Bernoulli { probability: Scalar::Float(probability) }, DType::Bool)
    }

    fn drawn(self, shape: &[usize], law: Law, dtype: DType) -> Result<Array> {
        let length = element_count(shape, dtype.size())?;
        let generator = Generator::Random { law, seed: self.seed, stream: self.stream };
        let flat = Array::make(Op::Sequence { generator, length, dtype }, Vec::new())?;
        if shape.len() == 1 {
            return Ok(flat);
        }
        Array::make(Op::Reshape(shape.iter().map(|&length| length as i64).collect()), vec![flat])
    }

    /// The key of a permutation.
    pub(super) fn key(self) -> u64 {
        self.seed ^ self.stream.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

impl Array {
    /// The elements along `axis` in a random order: whole rows change places. A view that is gathered when it is read, which
    /// reads the rows of a file in that order.
    #[must_use]
    #[track_caller]
    pub fn shuffle(&self, random: Random, axis: impl Into<AxisRef>) -> Array {
        let axis = axis.into();
        let made = self.axis_of(&axis).and_then(|axis| {
            let length = self.length_of(axis)?;
            if length < 2 {
                return Ok(self.clone());
            }
            let map = AxisMap::of([AxisStep::Shuffle { length, key: random.key() }]);
            Array::make(Op::Gather { axis, map, length }, vec![self.clone()])
        });
        self.then(made)
    }
}

/// The largest number of `dtype`, of 16 bits, that lies below `bound`.
fn below(bound: f64, dtype: DType) -> f64 {
    let read = |bits: u16| if dtype == DType::F16 { half::f16::from_bits(bits).to_f64() } else { half::bf16::from_bits(bits).to_f64() };
    let near = if dtype == DType::F16 { half::f16::from_f64(bound).to_bits() } else { half::bf16::from_f64(bound).to_bits() };
    match near {
        bits if read(bits) < bound => read(bits),
        0 | 0x8000 => read(0x8001),
        bits if bits < 0x8000 => read(bits - 1),
        bits => read(bits + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Session;
    use ndarray::{Ix1, Ix2};

    fn session(threads: usize, block: u64) -> Session {
        Session::builder().threads(threads).block_bytes(block).build().expect("a session")
    }

    #[test]
    fn a_slice_has_the_values_of_the_whole() {
        let random = Random::new(42).stream(3);
        let arrays = [
            random.normal::<f32>([57, 33], 1.0, 2.0),
            random.uniform::<f64>([57, 33], -1.0, 1.0),
            random.integers::<i64>([57, 33], -5..100).cast::<f64>(),
            random.bernoulli([57, 33], 0.25).cast::<f32>(),
            random.normal::<f64>([57, 33], 0.0, 1.0).shuffle(random, 1),
        ];
        for array in arrays {
            let array = array.cast::<f64>();
            let whole = session(1, 1 << 20).adopt(array.clone()).eval::<f64, Ix2>().expect("values");
            let cut = session(2, 512).adopt(array.clone()).eval::<f64, Ix2>().expect("values");
            assert_eq!(whole, cut);
            let part = session(1, 1 << 20).adopt(array.t().slice(ndarray::s![3..9, ..])).eval::<f64, Ix2>().expect("values");
            assert_eq!(part, whole.t().slice(ndarray::s![3..9, ..]));
        }
    }

    #[test]
    fn moments_are_those_of_the_law() {
        let count = 1 << 20;
        let random = Random::new(1);
        let moments = |array: Array| {
            let (mean, std) = (array.mean(..), array.std(..));
            (mean.item::<f64>().expect("a mean"), std.item::<f64>().expect("a deviation"))
        };
        let near = |(mean, std): (f64, f64), want: (f64, f64)| {
            assert!((mean - want.0).abs() < 0.005 && (std - want.1).abs() < 0.005, "{mean} {std}, expected {want:?}");
        };
        near(moments(random.normal::<f32>([count], 0.5, 1.0).cast::<f64>()), (0.5, 1.0));
        near(moments(random.normal::<f64>([count], 0.5, 1.0)), (0.5, 1.0));
        near(moments(random.uniform::<f32>([count], 0.0, 1.0).cast::<f64>()), (0.5, (1.0f64 / 12.0).sqrt()));
        near(moments(random.integers::<i64>([count], 0..10).cast::<f64>() / 10.0), (0.45, 8.25f64.sqrt() / 10.0));
        near(moments(random.bernoulli([count], 0.3).cast::<f64>()), (0.3, 0.21f64.sqrt()));
        let streams = random.normal::<f64>([count], 0.0, 1.0) * random.stream(1).normal::<f64>([count], 0.0, 1.0);
        near(moments(streams), (0.0, 1.0));
    }

    #[test]
    fn permutations_have_every_number_once() {
        let found = Random::new(5).permutation(1000).eval::<i64, Ix1>().expect("numbers");
        let mut sorted = found.to_vec();
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..1000));
        assert_ne!(found, Random::new(5).stream(1).permutation(1000).eval::<i64, Ix1>().expect("numbers"));
    }

    #[test]
    fn what_cannot_be_drawn_is_refused() {
        let random = Random::new(0);
        let said = |array: Array| array.checked().expect_err("refused").to_string();
        assert!(said(random.uniform::<i32>([3], 0.0, 1.0)).contains("floats"));
        assert!(said(random.uniform::<f32>([3], 1.0, 0.0)).contains("wrong way round"));
        assert!(said(random.normal::<f32>([3], 0.0, -1.0)).contains("-1"));
        assert!(said(random.integers::<u8>([3], -1..5)).contains("do not fit u8"));
        assert!(said(random.integers::<u8>([3], 5..5)).contains("no integers"));
        assert!(said(random.bernoulli([3], 1.5)).contains("1.5"));
    }
}
