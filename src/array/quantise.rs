//! Fewer bytes for every number: int8 with scales, one bit, fewer dimensions; and back. Compositions; the planner fuses them.

use super::{
    axes::{Axes, axis},
    node::Array,
    normalise::Norm,
    order::Quantiles,
    words::{BinaryOp, DType, Scalar, SliceItem},
};
use crate::{
    error::{Error, Result},
    expr::Op,
    nd::shape::{normalize_axis, show},
};

/// The largest code of an int8: codes are symmetric, -128 is none.
const CODE_MAX: f64 = 127.0;
/// Codes of eight elements are one byte.
const BITS: usize = 8;

/// What shares a scale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScaleOf {
    /// Every row (the last axis) has its own: one read.
    #[default]
    Row,
    /// Every column (all axes but the last) has its own: one read to find them, one for the codes.
    Column,
    /// The array has one.
    Whole,
}

/// How int8 codes are made.
///
/// ```
/// use outcore::{Int8, ScaleOf};
/// let how = Int8::per(ScaleOf::Column).clip(99.9);
/// # let _ = how;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Int8 {
    scale_of: ScaleOf,
    clip_percent: Option<f64>,
}

impl Int8 {
    /// Symmetric codes from -127 to 127 of `x / scale`, where a scale is the largest magnitude divided by 127.
    #[must_use]
    pub fn per(scale_of: ScaleOf) -> Int8 {
        Int8 { scale_of, clip_percent: None }
    }

    /// The scale is that of this percentile of the magnitudes, and what is larger gets the largest code: a few outliers do
    /// not take the digits of all others.
    #[must_use]
    pub fn clip(mut self, percent: f64) -> Int8 {
        self.clip_percent = Some(percent);
        self
    }
}

/// Codes and what they are multiplied by. Saved together, they are computed in the same passes.
#[derive(Clone, Debug)]
pub struct Quantised {
    /// The codes: int8, of the shape of the array.
    pub codes: Array,
    /// The scales, with an axis of length 1 wherever a scale is shared: `codes * scales` is the array again.
    pub scales: Array,
}

impl Array {
    /// Codes of one byte and their scales: `rint(x / scale)`, clipped to -127..127, with NumPy's roundings. Scales are `f64` of an `f64` and
    /// of wide integers, else `f32`; 1 where all elements are 0. NaN and infinities have no code: casting them is an error.
    ///
    /// ```
    /// use outcore::{Int8, ScaleOf, Session};
    /// let x = Session::default_session().from_ndarray(ndarray::array![[0.5f32, -1.0], [0.0, 0.0], [30.0, 254.0]]);
    /// let quantised = x.quantize_int8(Int8::per(ScaleOf::Row));
    /// assert_eq!(quantised.codes.eval::<i8, ndarray::Ix2>()?, ndarray::array![[64, -127], [0, 0], [15, 127]]);
    /// let back = quantised.codes.dequantize(&quantised.scales).eval::<f32, ndarray::Ix2>()?;
    /// assert_eq!(back[[2, 0]], 30.0);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn quantize_int8(&self, how: Int8) -> Quantised {
        let value = self.at_least_single();
        let axes = match self.scale_axes(how) {
            Ok(axes) => axes,
            Err(error) => return Quantised { codes: self.then(Err(error.clone())), scales: self.then(Err(error)) },
        };
        let magnitudes = value.abs();
        let largest = match how.clip_percent {
            None => magnitudes.max(axes),
            Some(percent) => magnitudes.percentile(Quantiles::from(percent), axes),
        };
        let scales = &largest / CODE_MAX;
        let scales = super::elementwise::where_(scales.equal(0.0), Scalar::Float(1.0), &scales);
        let codes = (&value / &scales).rint().clip(-CODE_MAX, CODE_MAX).astype(DType::I8);
        Quantised { codes, scales }
    }

    /// The numbers that codes stand for: `codes * scales`, in the dtype of the scales.
    #[must_use]
    #[track_caller]
    pub fn dequantize(&self, scales: &Array) -> Array {
        match scales.dtype() {
            Ok(dtype) => self.astype(dtype) * scales,
            Err(error) => self.then(Err(error)),
        }
    }

    /// One bit for every element along the last axis: 1 where it is greater than 0 (NaN is not), eight to a byte, the first one the highest
    /// bit; the last byte is filled with 0. As `np.packbits(x > 0, axis=-1)`.
    ///
    /// ```
    /// let x = outcore::Session::default_session().from_ndarray(ndarray::array![[1f32, -1.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.5, 3.0]]);
    /// let bits = x.pack_bits();
    /// assert_eq!(bits.eval::<u8, ndarray::Ix2>()?, ndarray::array![[0b1010_0001, 0b1000_0000]]);
    /// assert_eq!(bits.unpack_bits(9).eval::<u8, ndarray::Ix2>()?, ndarray::array![[1, 0, 1, 0, 0, 0, 0, 1, 1]]);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn pack_bits(&self) -> Array {
        self.then(self.try_pack())
    }

    fn try_pack(&self) -> Result<Array> {
        let (last, length) = self.last_axis("bits are packed")?;
        let is_set = if self.dtype()? == DType::Bool { self.clone() } else { self.greater(0) };
        let bits = is_set.astype(DType::U8);
        let missing = length.next_multiple_of(BITS) - length;
        if missing == 0 {
            return bits.bytes_of_bits(last);
        }
        // Across padding there is no view of bytes: every place of a bit is loaded by itself.
        let bits = bits.pad_end(last, missing)?;
        let mut shifted: Vec<Array> = Vec::with_capacity(BITS);
        for place in 0..BITS {
            let mut items = vec![SliceItem::FULL; last + 1];
            items[last] = SliceItem::Range { start: Some(place as i64), stop: None, step: BITS as i64 };
            let one = Array::make(Op::Slice(items), vec![bits.clone()])?;
            shifted.push(if place + 1 == BITS { one } else { one * (1i64 << (BITS - 1 - place)) });
        }
        let whole = shifted.into_iter().reduce(|all, one| Array::binary(BinaryOp::BitwiseOr, &all, &one));
        whole.ok_or_else(|| Error::internal("eight bits are not none"))?.checked()
    }

    /// The bytes that eights of bits along the last axis are: sums of powers of two, each bit loaded once.
    fn bytes_of_bits(&self, last: usize) -> Result<Array> {
        let mut shape: Vec<i64> = self.shape()?.iter().map(|&length| length as i64).collect();
        shape[last] /= BITS as i64;
        shape.push(BITS as i64);
        let places = self.session().from_ndarray(ndarray::Array1::from_shape_fn(BITS, |place| 1u8 << (BITS - 1 - place)));
        (self.reshape(shape) * &places).sum(axis(-1).dtype(DType::U8)).checked()
    }

    /// The first `count` bits along the last axis, as `u8` of 0 and 1: what [`Array::pack_bits`] packed. As
    /// `np.unpackbits(x, axis=-1, count=count)`.
    #[must_use]
    #[track_caller]
    pub fn unpack_bits(&self, count: usize) -> Array {
        self.then(self.try_unpack(count))
    }

    fn try_unpack(&self, count: usize) -> Result<Array> {
        let (last, length) = self.last_axis("bits are unpacked")?;
        if self.dtype()? != DType::U8 {
            return Err(Error::mismatch(format!("packed bits are u8, the array is {}", self.dtype()?)));
        }
        if count > length * BITS {
            let text = format!("{length} bytes have {} bits, {count} are wanted", length * BITS);
            return Err(Error::mismatch(text).hint("the number of dimensions before they were packed"));
        }
        let shifts = (self.session().arange(0, BITS as i64, 1) * -1 + (BITS as i64 - 1)).astype(DType::U8);
        let bits = (self.insert_axis(last as i64 + 1) >> &shifts) & 1;
        let mut shape: Vec<i64> = self.shape()?.iter().map(|&length| length as i64).collect();
        shape[last] *= BITS as i64;
        bits.reshape(shape).first_along(last, count)
    }

    /// The first `dimensions` along the last axis, rows scaled to a norm of 1: what embeddings are that were trained to be cut (Matryoshka).
    /// Rows of zeros stay.
    #[must_use]
    #[track_caller]
    pub fn truncate(&self, dimensions: usize) -> Array {
        let made = self.last_axis("dimensions are cut off").and_then(|(last, length)| {
            if dimensions == 0 || dimensions > length {
                let text = format!("{dimensions} dimensions of shape {}, whose rows have {length}", show(&self.shape()?));
                return Err(Error::mismatch(text).hint(format!("a number from 1 to {length}")));
            }
            self.first_along(last, dimensions)?.normalize(Norm::L2, -1, f64::MIN_POSITIVE).checked()
        });
        self.then(made)
    }

    /// As a float of at least 32 bits.
    #[track_caller]
    fn at_least_single(&self) -> Array {
        let value = self.to_float();
        match value.dtype() {
            Ok(DType::F16 | DType::BF16) => value.astype(DType::F32),
            _ => value,
        }
    }

    fn scale_axes(&self, how: Int8) -> Result<Axes> {
        let (last, _) = self.last_axis("numbers are quantised")?;
        if let Some(percent) = how.clip_percent.filter(|percent| !(*percent > 0.0 && *percent <= 100.0)) {
            return Err(Error::usage(format!("clipping at the percentile {percent}: it lies above 0, and up to 100")));
        }
        Ok(match how.scale_of {
            ScaleOf::Row => axis(-1),
            ScaleOf::Column => axis((0..last as i64).collect::<Vec<_>>()),
            ScaleOf::Whole => Axes::all(),
        }
        .keepdims())
    }

    /// Place and length of the last axis.
    fn last_axis(&self, what: &str) -> Result<(usize, usize)> {
        let rank = self.known()?.rank();
        if rank == 0 {
            return Err(Error::mismatch(format!("{what} along the last axis, a single number has none")));
        }
        let last = normalize_axis(-1, rank)?;
        Ok((last, self.length_of(last)?))
    }

    fn first_along(&self, axis: usize, count: usize) -> Result<Array> {
        let mut items = vec![SliceItem::FULL; axis + 1];
        items[axis] = SliceItem::Range { start: None, stop: Some(count as i64), step: 1 };
        Array::make(Op::Slice(items), vec![self.clone()])
    }

    /// Zeros behind the end of an axis.
    fn pad_end(&self, axis: usize, count: usize) -> Result<Array> {
        let mut widths = vec![(0, 0); axis + 1];
        widths[axis] = (0, count);
        self.pad(&widths, super::gather::Pad::Constant(Scalar::Int(0))).checked()
    }
}

#[cfg(test)]
#[path = "quantise_tests.rs"]
mod tests;
