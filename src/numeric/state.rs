//! States as results: the canonical bytes of one output, in a place of fixed size, so that a plan can hand them out as it hands
//! out numbers.
//!
//! A place is `length:u32` and as many bytes of [`Accumulator::serialise`]; what is left is zeros.

use super::accumulator::Accumulator;
use super::compensated::Compensated;
use super::distinct::REGISTERS;
use super::{AccumulatorKind, SumMode, exact, pairs, sketch::Sketch};
use crate::error::{Error, Result};
use crate::nd::DType;

/// Bytes in front of every state: magic, version, kind, dtype, number of outputs.
const HEADER_BYTES: usize = 16;
const LENGTH_BYTES: usize = 4;

/// Bytes of the place of one state.
pub(super) fn state_bytes(kind: AccumulatorKind, dtype: DType) -> usize {
    LENGTH_BYTES + serialised_bytes_max(kind, dtype)
}

/// The most bytes that one output takes as bytes.
fn serialised_bytes_max(kind: AccumulatorKind, dtype: DType) -> usize {
    let sums = |mode: SumMode, moments: bool| {
        if !dtype.is_float() {
            8 + 16 + 24
        } else if mode == SumMode::Exact {
            // Sign, place and length, and the digits; the highest one may be written as two.
            let widths = exact::form(dtype, moments).widths;
            9 + widths.iter().filter(|&&width| width > 0).map(|width| 5 + 4 * (width + 1)).sum::<usize>()
        } else {
            Compensated::output_bytes(moments) as usize
        }
    };
    let body = match kind.plain() {
        AccumulatorKind::Sum(mode) => sums(mode, false),
        AccumulatorKind::Moments(mode) => sums(mode, true),
        AccumulatorKind::Product if dtype.is_float() => 17,
        AccumulatorKind::Min | AccumulatorKind::Max | AccumulatorKind::Product => 9,
        AccumulatorKind::FirstFalse | AccumulatorKind::Count => 8,
        AccumulatorKind::Distinct => REGISTERS,
        AccumulatorKind::Sketch => 16 + 12 * (Sketch::output_bytes(dtype) as usize / 8),
        kind if kind.is_paired() => {
            pairs::forms(kind, dtype).iter().flatten().map(|(kind, dtype)| 8 + serialised_bytes_max(*kind, *dtype)).sum()
        }
        // Truths and places are two numbers.
        _ => 16,
    };
    HEADER_BYTES + body
}

impl Accumulator {
    /// An empty accumulator of one output for `finish`.
    ///
    /// # Errors
    /// None: one output fits.
    pub fn empty_for(finish: super::Finish, mode: SumMode, dtype: DType) -> Result<Self> {
        Self::new(AccumulatorKind::of(finish, mode), dtype, 1)
    }

    /// Writes the states of the outputs `from..from + count`, each into its place.
    pub(super) fn write_states(&self, kind: AccumulatorKind, from: usize, count: usize, out: &mut [u8]) -> Result<()> {
        let size = state_bytes(kind, self.dtype);
        if kind != self.kind || out.len() != count * size {
            return Err(Error::internal(format!("{} bytes for {count} states of {kind:?}, made by {:?}", out.len(), self.kind)));
        }
        let mut one = Self::new(self.kind, self.dtype, 1)?;
        for (at, place) in out.chunks_exact_mut(size).enumerate() {
            self.check(from + at)?;
            one.reset();
            one.merge_run(0, self, from + at, 1);
            let bytes = one.serialise();
            place.fill(0);
            let (length, state) = place.split_at_mut(LENGTH_BYTES);
            let room = state.get_mut(..bytes.len()).ok_or_else(|| Error::internal(format!("a state of {} bytes", bytes.len())))?;
            length.copy_from_slice(&(bytes.len() as u32).to_le_bytes());
            room.copy_from_slice(&bytes);
        }
        Ok(())
    }

    /// The bytes of the state in a place that a plan filled ([`super::Finish::State`]): [`Accumulator::deserialise`] reads them.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Internal`] for anything else.
    pub fn state_in(place: &[u8]) -> Result<&[u8]> {
        let read = || {
            let (length, rest) = place.split_first_chunk::<LENGTH_BYTES>()?;
            rest.get(..u32::from_le_bytes(*length) as usize)
        };
        read().ok_or_else(|| Error::internal(format!("{} bytes are no place of a state", place.len())))
    }

    /// Elements that came to one output of a sum, moments, truths or counts: those that are not NaN, where NaN is left out.
    #[must_use]
    pub fn absorbed(&self, at: usize) -> u64 {
        self.count(at)
    }
}
