//! States as bytes, little-endian on every machine.
//!
//! ```text
//! "ocac" version:u8 kind:u8 mode:u8 dtype:u8 outputs:u64, then by state:
//! exact        per output: count:u64 flags:u8, then for the sum (and the squares):
//!              negative:u8 low:u16 digits:u16 digit:u32...   magnitude without zero digits at either end
//! compensated  counts:u64... then each part:f64...
//! integers     counts:u64... sums:i128... squares:[u64; 3]...
//! extremes     keys:i64... seen:u8...
//! truths       counts:u64... nonzero:u64...
//! first false  indices:i64...
//! places       keys:i64... indices:i64...
//! pairs        every part: bytes:u64, the bytes of its accumulator
//! products     floats: mantissas:f64... exponents:i64... flags:u8...; integers: magnitudes:u64... flags:u8...
//! count        counts:u64...
//! distinct     registers:u8...
//! sketch       per output: nans:u64 buckets:u64, then for those that are not empty: bucket:u32 count:u64
//! ```
//! Equal elements give equal bytes, in any order and partition, for all but the compensated sums: exact digits are
//! written settled, everything else is unique as it is.

use super::accumulator::{Accumulator, State};
use super::distinct::REGISTERS;
use super::exact::{FLAGS_ALL, Superaccumulator, negate_if_negative};
use super::pairs::Pairs;
use super::sketch::Sketch;
use super::{AccumulatorKind, SumMode, product, whole_product};
use crate::error::{Error, Result};
use crate::nd::DType;

const MAGIC: [u8; 4] = *b"ocac";
/// Raised whenever the layout or the meaning of a state changes.
const VERSION: u8 = 1;

const MODES: [SumMode; 5] = [SumMode::Exact, SumMode::Neumaier, SumMode::Kahan, SumMode::Pairwise, SumMode::Naive];

fn kind_codes(kind: AccumulatorKind) -> [u8; 2] {
    let mode_code = |mode| MODES.iter().position(|known| *known == mode).unwrap_or(0) as u8;
    match kind {
        AccumulatorKind::Sum(mode) => [0, mode_code(mode)],
        AccumulatorKind::Moments(mode) => [1, mode_code(mode)],
        AccumulatorKind::Min => [2, 0],
        AccumulatorKind::Max => [3, 0],
        AccumulatorKind::Any => [4, 0],
        AccumulatorKind::All => [5, 0],
        AccumulatorKind::CountNonzero => [6, 0],
        AccumulatorKind::FirstFalse => [7, 0],
        AccumulatorKind::ArgMin => [8, 0],
        AccumulatorKind::ArgMax => [9, 0],
        AccumulatorKind::Product => [10, 0],
        AccumulatorKind::NanSum(mode) => [11, mode_code(mode)],
        AccumulatorKind::NanMoments(mode) => [12, mode_code(mode)],
        AccumulatorKind::NanMin => [13, 0],
        AccumulatorKind::NanMax => [14, 0],
        AccumulatorKind::NanArgMin => [15, 0],
        AccumulatorKind::NanArgMax => [16, 0],
        AccumulatorKind::NanProduct => [17, 0],
        AccumulatorKind::Dot(mode) => [18, mode_code(mode)],
        AccumulatorKind::Weighted(mode) => [19, mode_code(mode)],
        AccumulatorKind::Comoments(mode) => [20, mode_code(mode)],
        AccumulatorKind::Count => [32, 0],
        AccumulatorKind::Distinct => [33, 0],
        AccumulatorKind::Sketch => [34, 0],
    }
}

fn kind_of(codes: [u8; 2]) -> Option<AccumulatorKind> {
    let mode = *MODES.get(usize::from(codes[1]))?;
    Some(match codes {
        [0, _] => AccumulatorKind::Sum(mode),
        [1, _] => AccumulatorKind::Moments(mode),
        [2, 0] => AccumulatorKind::Min,
        [3, 0] => AccumulatorKind::Max,
        [4, 0] => AccumulatorKind::Any,
        [5, 0] => AccumulatorKind::All,
        [6, 0] => AccumulatorKind::CountNonzero,
        [7, 0] => AccumulatorKind::FirstFalse,
        [8, 0] => AccumulatorKind::ArgMin,
        [9, 0] => AccumulatorKind::ArgMax,
        [10, 0] => AccumulatorKind::Product,
        [11, _] => AccumulatorKind::NanSum(mode),
        [12, _] => AccumulatorKind::NanMoments(mode),
        [13, 0] => AccumulatorKind::NanMin,
        [14, 0] => AccumulatorKind::NanMax,
        [15, 0] => AccumulatorKind::NanArgMin,
        [16, 0] => AccumulatorKind::NanArgMax,
        [17, 0] => AccumulatorKind::NanProduct,
        [18, _] => AccumulatorKind::Dot(mode),
        [19, _] => AccumulatorKind::Weighted(mode),
        [20, _] => AccumulatorKind::Comoments(mode),
        [32, 0] => AccumulatorKind::Count,
        [33, 0] => AccumulatorKind::Distinct,
        [34, 0] => AccumulatorKind::Sketch,
        _ => return None,
    })
}

impl Accumulator {
    /// The state as bytes; equal for equal elements, whatever their order, tiles and merges, except for the modes
    /// of sums that are not exact.
    #[must_use]
    pub fn serialise(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(MAGIC);
        out.push(VERSION);
        out.extend(kind_codes(self.kind));
        out.push(DType::ALL.iter().position(|dtype| *dtype == self.dtype).unwrap_or(0) as u8);
        put(&mut out, &[self.outputs as u64], u64::to_le_bytes);
        match &self.state {
            State::Exact(state) => put_exact(&mut out, state),
            State::Compensated(state) => {
                put(&mut out, &state.counts, u64::to_le_bytes);
                for part in &state.parts {
                    put(&mut out, part, f64::to_le_bytes);
                }
            }
            State::Whole(state) => {
                put(&mut out, &state.counts, u64::to_le_bytes);
                put(&mut out, &state.sums, i128::to_le_bytes);
                put(&mut out, state.squares.as_flattened(), u64::to_le_bytes);
            }
            State::Extremes(state) => {
                put(&mut out, &state.keys, i64::to_le_bytes);
                out.extend(&state.seen);
            }
            State::Truths(state) => {
                put(&mut out, &state.counts, u64::to_le_bytes);
                put(&mut out, &state.nonzero, u64::to_le_bytes);
            }
            State::FirstZero(state) => put(&mut out, &state.indices, i64::to_le_bytes),
            State::Places(state) => {
                put(&mut out, &state.keys, i64::to_le_bytes);
                put(&mut out, &state.indices, i64::to_le_bytes);
            }
            State::Products(state) => {
                put(&mut out, &state.mantissas, f64::to_le_bytes);
                put(&mut out, &state.exponents, i64::to_le_bytes);
                out.extend(&state.flags);
            }
            State::WholeProducts(state) => {
                put(&mut out, &state.magnitudes, u64::to_le_bytes);
                out.extend(&state.flags);
            }
            State::Pairs(state) => put_pairs(&mut out, state),
            State::Tallies(state) => put(&mut out, &state.counts(), u64::to_le_bytes),
            State::Distinct(state) => out.extend(&state.registers),
            State::Sketch(state) => (0..self.outputs).for_each(|at| put_sketch(&mut out, state, at)),
        }
        out
    }

    /// The accumulator whose [`Accumulator::serialise`] gave `bytes`.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Data`] for anything else.
    pub fn deserialise(bytes: &[u8]) -> Result<Self> {
        let corrupt = |what: &str| Error::data(format!("a serialised accumulator of {} bytes is corrupt: {what}", bytes.len()));
        let mut reader = Reader { rest: bytes };
        let made = read_accumulator(&mut reader).ok_or_else(|| corrupt("its header or its length is wrong"))?;
        // One comparison covers every rule of the form: ranges, order, trailing bytes, digits that are not canonical.
        if made.serialise() != bytes {
            return Err(corrupt("it is not in canonical form"));
        }
        Ok(made)
    }
}

fn put<T: Copy, const N: usize>(out: &mut Vec<u8>, values: &[T], bytes: impl Fn(T) -> [u8; N]) {
    out.extend(values.iter().flat_map(|value| bytes(*value)));
}

fn put_sketch(out: &mut Vec<u8>, state: &Sketch, at: usize) {
    let mut buckets = 0_u64;
    state.each(at, |_, _| buckets += 1);
    put(out, &[state.nans[at], buckets], u64::to_le_bytes);
    state.each(at, |bucket, count| {
        put(out, &[bucket as u32], u32::to_le_bytes);
        put(out, &[count], u64::to_le_bytes);
    });
}

fn read_sketch(reader: &mut Reader<'_>, state: &mut Sketch, at: usize) -> Option<()> {
    state.nans[at] = u64::from_le_bytes(reader.take()?);
    for _ in 0..u64::from_le_bytes(reader.take()?) {
        let (bucket, count) = (u32::from_le_bytes(reader.take()?), u64::from_le_bytes(reader.take()?));
        if !state.put(at, bucket as usize, count) {
            return None;
        }
    }
    Some(())
}

fn put_exact(out: &mut Vec<u8>, state: &Superaccumulator) {
    for at in 0..state.counts.len() {
        put(out, &[state.counts[at]], u64::to_le_bytes);
        out.push(state.flags[at] & FLAGS_ALL);
        for squares in [false, true] {
            if state.form.widths[usize::from(squares)] == 0 {
                continue;
            }
            let mut digits = state.settled(at, squares);
            let negative = negate_if_negative(&mut digits);
            // The highest digit may hold more than 32 bits: as two digits every sum has one form.
            let highest = digits.last().copied().unwrap_or(0) as u64;
            let last = digits.len() - 1;
            digits[last] = (highest & 0xffff_ffff) as i64;
            digits.push((highest >> 32) as i64);
            let low = digits.iter().position(|digit| *digit != 0).unwrap_or(0);
            let end = digits.iter().rposition(|digit| *digit != 0).map_or(low, |at| at + 1);
            out.push(u8::from(negative));
            put(out, &[low as u16, (end - low) as u16], u16::to_le_bytes);
            put(out, &digits[low..end], |digit| (digit as u32).to_le_bytes());
        }
    }
}

/// The states of a sum over pairs, without what depends on how the pairs were cut into pieces.
fn put_pairs(out: &mut Vec<u8>, state: &Pairs) {
    for (place, part) in state.parts().enumerate() {
        let bytes = if state.is_product(place) { part.without_counts().serialise() } else { part.serialise() };
        put(out, &[bytes.len() as u64], u64::to_le_bytes);
        out.extend(bytes);
    }
}

fn read_pairs(reader: &mut Reader<'_>, state: &mut Pairs) -> Option<()> {
    for part in state.parts_mut() {
        let length = usize::try_from(u64::from_le_bytes(reader.take()?)).ok()?;
        let (bytes, rest) = reader.rest.split_at_checked(length)?;
        reader.rest = rest;
        let read = Accumulator::deserialise(bytes).ok()?;
        if (read.kind, read.dtype, read.outputs) != (part.kind, part.dtype, part.outputs) {
            return None;
        }
        *part = read;
    }
    Some(())
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*head)
    }

    fn fill<T, const N: usize>(&mut self, values: &mut [T], from: impl Fn([u8; N]) -> T) -> Option<()> {
        for value in values {
            *value = from(self.take()?);
        }
        Some(())
    }
}

/// The fewest bytes an output of this kind takes, so that a corrupt number of outputs is found before it allocates.
fn output_bytes_min(kind: AccumulatorKind, dtype: DType) -> usize {
    match kind.plain() {
        AccumulatorKind::Sum(_) | AccumulatorKind::Moments(_) if dtype.is_float() => 14,
        AccumulatorKind::Sum(_) | AccumulatorKind::Moments(_) => 24,
        AccumulatorKind::Min | AccumulatorKind::Max => 9,
        AccumulatorKind::Any | AccumulatorKind::All | AccumulatorKind::CountNonzero => 16,
        AccumulatorKind::FirstFalse | AccumulatorKind::Count => 8,
        AccumulatorKind::Distinct => REGISTERS,
        AccumulatorKind::Sketch => 16,
        AccumulatorKind::ArgMin | AccumulatorKind::ArgMax => 16,
        kind if kind.is_paired() => 14,
        _ if dtype.is_float() => 17,
        _ => 9,
    }
}

fn read_accumulator(reader: &mut Reader<'_>) -> Option<Accumulator> {
    if reader.take()? != MAGIC || reader.take()? != [VERSION] {
        return None;
    }
    let kind = kind_of(reader.take()?)?;
    let [dtype] = reader.take()?;
    let dtype = *DType::ALL.get(usize::from(dtype))?;
    let outputs = usize::try_from(u64::from_le_bytes(reader.take()?)).ok()?;
    if outputs > reader.rest.len() / output_bytes_min(kind, dtype) {
        return None;
    }
    let mut made = Accumulator::new(kind, dtype, outputs).ok()?;
    match &mut made.state {
        State::Exact(state) => read_exact(reader, state)?,
        State::Compensated(state) => {
            reader.fill(&mut state.counts, u64::from_le_bytes)?;
            for part in &mut state.parts {
                reader.fill(part, f64::from_le_bytes)?;
            }
        }
        State::Whole(state) => {
            reader.fill(&mut state.counts, u64::from_le_bytes)?;
            reader.fill(&mut state.sums, i128::from_le_bytes)?;
            reader.fill(state.squares.as_flattened_mut(), u64::from_le_bytes)?;
        }
        State::Extremes(state) => {
            reader.fill(&mut state.keys, i64::from_le_bytes)?;
            reader.fill(&mut state.seen, |[seen]| u8::from(seen != 0))?;
        }
        State::Truths(state) => {
            reader.fill(&mut state.counts, u64::from_le_bytes)?;
            reader.fill(&mut state.nonzero, u64::from_le_bytes)?;
        }
        State::FirstZero(state) => reader.fill(&mut state.indices, i64::from_le_bytes)?,
        State::Places(state) => {
            reader.fill(&mut state.keys, i64::from_le_bytes)?;
            reader.fill(&mut state.indices, i64::from_le_bytes)?;
        }
        State::Products(state) => {
            reader.fill(&mut state.mantissas, f64::from_le_bytes)?;
            reader.fill(&mut state.exponents, i64::from_le_bytes)?;
            reader.fill(&mut state.flags, |[flags]| flags & product::FLAGS_ALL)?;
            if state.mantissas.iter().any(|mantissa| !(1.0..2.0).contains(&mantissa.abs())) {
                return None;
            }
        }
        State::WholeProducts(state) => {
            reader.fill(&mut state.magnitudes, u64::from_le_bytes)?;
            reader.fill(&mut state.flags, |[flags]| flags & whole_product::FLAGS_ALL)?;
        }
        State::Pairs(state) => read_pairs(reader, state)?,
        State::Distinct(state) => {
            reader.fill(&mut state.registers, |[register]| register)?;
            if !state.is_valid() {
                return None;
            }
        }
        State::Sketch(state) => {
            for at in 0..outputs {
                read_sketch(reader, state, at)?;
            }
        }
        State::Tallies(state) => {
            for at in 0..outputs {
                state.set(at, u64::from_le_bytes(reader.take()?));
            }
        }
    }
    Some(made)
}

fn read_exact(reader: &mut Reader<'_>, state: &mut Superaccumulator) -> Option<()> {
    let widths = state.form.widths;
    for at in 0..state.counts.len() {
        state.counts[at] = u64::from_le_bytes(reader.take()?);
        [state.flags[at]] = reader.take()?;
        if state.flags[at] & !FLAGS_ALL != 0 {
            return None;
        }
        state.grow();
        for squares in [false, true] {
            if widths[usize::from(squares)] > 0 {
                let (negative, digits) = read_digits(reader, widths[usize::from(squares)])?;
                state.add_digits(at, squares, negative, &digits, 0);
            }
        }
    }
    Some(())
}

/// Whether a number is negative, and the digits of its magnitude.
fn read_digits(reader: &mut Reader<'_>, width: usize) -> Option<(bool, Vec<i64>)> {
    let [negative] = reader.take()?;
    let low = usize::from(u16::from_le_bytes(reader.take()?));
    let count = usize::from(u16::from_le_bytes(reader.take()?));
    let mut digits = vec![0; width];
    for at in low..low + count {
        let digit = i64::from(u32::from_le_bytes(reader.take()?));
        if at < width {
            digits[at] = digit;
        } else if at == width && digit <= i64::from(i32::MAX) {
            digits[at - 1] |= digit << 32;
        } else {
            return None;
        }
    }
    Some((negative != 0, digits))
}
