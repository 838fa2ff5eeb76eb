//! Scans: running sums, products and extremes along an axis, with a state per line that is carried from block to block.
//!
//! A [`Scan`] is given the blocks of an array so that along every line they come in order. What it gives depends on the
//! line's elements alone and never on how they were cut:
//!
//! | scan | state of a line | value at an element |
//! |---|---|---|
//! | exact sum of floats | superaccumulator, and a pair of f64 | the pair, begun from the exact sum every [`SEGMENT`] elements; the exact sum rounded once at the last element of every segment and of the axis |
//! | other sums of floats | a pair of f64, or one f64 | the running sum |
//! | product of floats | f64 | the running product |
//! | sum, product of integers | i64 or u64 | exact; the first that does not fit is an error |
//! | maximum, minimum | ordering key | NaN stays once seen, `-0 < +0` |

mod extremes;
mod floats;
mod lanes;
mod wholes;

#[cfg(test)]
mod tests;

use super::InstructionSet;
use super::SumMode;
use super::element::Truth;
use super::memory::reserved;
use crate::error::Result;
use crate::nd::DType;
use floats::FloatSums;
use half::{bf16, f16};
use serde::{Deserialize, Serialize};

/// Elements of a line after which an exact running sum begins again from the exact state.
pub const SEGMENT: usize = 4096;

/// What a scan accumulates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ScanKind {
    /// Running sums.
    Sum(SumMode),
    /// Running products.
    Product,
    /// Largest element so far.
    Maximum,
    /// Smallest element so far.
    Minimum,
}

/// A block of the scanned array: dense, C order.
#[derive(Clone, Copy, Debug)]
pub struct ScanBlock<'a> {
    /// Lengths of the block.
    pub shape: &'a [usize],
    /// The axis that is scanned.
    pub axis: usize,
    /// Coordinate of the block's first elements along the axis.
    pub start: usize,
    /// Length of the whole axis.
    pub length: usize,
    /// Line of the first element.
    pub base: usize,
    /// Lines between neighbours, per axis; 0 along the scanned one.
    pub steps: &'a [i64],
}

/// The carried states of a number of lines.
#[derive(Clone, Debug)]
pub struct Scan {
    kind: ScanKind,
    dtype: DType,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    Sums(Box<FloatSums>),
    Products(Vec<f64>),
    Wholes(Vec<u64>),
    Keys(Vec<i64>),
}

impl Scan {
    /// Scans of `lines` lines that have not begun. `dtype` is that of the elements and of the results: sums and products of
    /// integers are of `i64` and `u64` only.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Refused`] if so many states cannot be addressed.
    pub fn new(kind: ScanKind, dtype: DType, lines: usize) -> Result<Self> {
        let state = match kind {
            ScanKind::Maximum | ScanKind::Minimum => State::Keys(reserved(lines)),
            ScanKind::Sum(mode) if dtype.is_float() => State::Sums(Box::new(FloatSums::new(mode, dtype, lines)?)),
            ScanKind::Product if dtype.is_float() => State::Products(reserved(lines)),
            ScanKind::Sum(_) | ScanKind::Product => State::Wholes(reserved(lines)),
        };
        let mut made = Self { kind, dtype, state };
        made.reset();
        Ok(made)
    }

    /// Every byte the states of so many lines hold.
    #[must_use]
    pub fn state_bytes_max(kind: ScanKind, dtype: DType, lines: usize) -> u64 {
        let own = size_of::<Self>() as u64;
        let lines = lines as u64;
        own.saturating_add(match kind {
            ScanKind::Sum(mode) if dtype.is_float() => FloatSums::state_bytes_max(mode, dtype, lines),
            _ => lines.saturating_mul(8),
        })
    }

    /// All lines begin again.
    pub fn reset(&mut self) {
        match &mut self.state {
            State::Sums(sums) => sums.reset(),
            State::Products(products) => products.fill(1.0),
            State::Wholes(wholes) => wholes.fill(u64::from(self.kind == ScanKind::Product)),
            State::Keys(keys) => keys.fill(i64::MIN),
        }
    }

    /// Scans the next block: `input` and `output` are its elements. Every line's blocks come in order.
    ///
    /// `I` is the instruction set whose loops run; the result does not depend on it.
    ///
    /// # Errors
    /// The place in the block (C order) of the first result that does not fit its integer dtype.
    ///
    /// # Panics
    /// If the bytes are not those of the block, or a line lies outside the states.
    pub fn advance<I: InstructionSet>(&mut self, block: &ScanBlock<'_>, input: &[u8], output: &mut [u8]) -> Result<(), usize> {
        let count: usize = block.shape.iter().product();
        assert!(input.len() == count * self.dtype.size() && input.len() == output.len(), "the bytes of a block");
        if count == 0 {
            return Ok(());
        }
        let smallest = self.kind == ScanKind::Minimum;
        macro_rules! keys {
            ($t:ty, $keys:expr) => {{
                extremes::advance::<I, $t>($keys, smallest, block, input, output);
                Ok(())
            }};
        }
        macro_rules! floats {
            ($state:expr, $advance:ident) => {{
                match self.dtype {
                    DType::F16 => floats::$advance::<I, f16>($state, block, input, output),
                    DType::BF16 => floats::$advance::<I, bf16>($state, block, input, output),
                    DType::F32 => floats::$advance::<I, f32>($state, block, input, output),
                    _ => floats::$advance::<I, f64>($state, block, input, output),
                }
                Ok(())
            }};
        }
        match &mut self.state {
            State::Sums(sums) => floats!(sums, advance_sums),
            State::Products(products) => floats!(products, advance_products),
            State::Wholes(state) => {
                wholes::advance::<I>(state, self.kind == ScanKind::Product, self.dtype == DType::U64, block, input, output)
            }
            State::Keys(keys) => match self.dtype {
                DType::Bool => keys!(Truth, keys),
                DType::I8 => keys!(i8, keys),
                DType::I16 => keys!(i16, keys),
                DType::I32 => keys!(i32, keys),
                DType::I64 => keys!(i64, keys),
                DType::U8 => keys!(u8, keys),
                DType::U16 => keys!(u16, keys),
                DType::U32 => keys!(u32, keys),
                DType::U64 => keys!(u64, keys),
                DType::F16 => keys!(f16, keys),
                DType::BF16 => keys!(bf16, keys),
                DType::F32 => keys!(f32, keys),
                DType::F64 => keys!(f64, keys),
            },
        }
    }
}
