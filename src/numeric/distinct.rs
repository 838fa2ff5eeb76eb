//! How many different elements there are, about: HyperLogLog. An element's hash chooses a register, which keeps the most leading
//! zeros of the rest. Registers merge as maxima, so the state is a function of the set of elements.
//!
//! The estimate is Ertl's, without bias from the first element on. Its standard error is `1.04 / sqrt(REGISTERS)`: 0.8 percent.

use super::axes::{Absorb, Columns, Rows};
use super::lanes::Cell;
use super::memory::add_each;
use super::memory::reserved;
use half::{bf16, f16};
use std::marker::PhantomData;

const REGISTER_BITS: u32 = 14;
/// Registers of an output, a byte each.
pub(super) const REGISTERS: usize = 1 << REGISTER_BITS;
/// The most leading zeros that the rest of a hash has, plus one.
const RANK_MAX: usize = 64 - REGISTER_BITS as usize + 1;
/// Elements that are hashed side by side.
const HASHED: usize = 16;

/// Registers of all outputs.
#[derive(Clone, Debug)]
pub(super) struct Distinct {
    pub registers: Vec<u8>,
}

impl Distinct {
    pub(super) fn new(outputs: usize) -> Self {
        Self { registers: reserved(outputs * REGISTERS) }
    }

    /// Bytes per output.
    pub(super) const OUTPUT_BYTES: u64 = REGISTERS as u64;

    pub(super) fn reset(&mut self) {
        self.registers.fill(0);
    }

    pub(super) fn merge_run(&mut self, at: usize, other: &Self, from: usize, count: usize) {
        let (to, of) = (at * REGISTERS..(at + count) * REGISTERS, from * REGISTERS..(from + count) * REGISTERS);
        add_each(&mut self.registers[to], &other.registers[of], u8::max);
    }

    /// Whether all registers are such that elements can have left them.
    pub(super) fn is_valid(&self) -> bool {
        self.registers.iter().all(|register| usize::from(*register) <= RANK_MAX)
    }

    /// About how many different elements an output took.
    pub(super) fn estimate(&self, at: usize) -> u64 {
        let mut counts = [0_u32; RANK_MAX + 1];
        for register in &self.registers[at * REGISTERS..(at + 1) * REGISTERS] {
            counts[usize::from(*register).min(RANK_MAX)] += 1;
        }
        let all = REGISTERS as f64;
        let mut sum = all * full(1.0 - f64::from(counts[RANK_MAX]) / all);
        for rank in (1..RANK_MAX).rev() {
            sum = 0.5 * (sum + f64::from(counts[rank]));
        }
        sum += all * empty(f64::from(counts[0]) / all);
        // As float to integer conversion saturates, an infinite sum gives 0.
        (all * all / (2.0 * std::f64::consts::LN_2 * sum)).round() as u64
    }
}

/// What the share of registers that nothing came to adds: `x + sum of x^(2^k) 2^(k-1)`.
fn empty(share: f64) -> f64 {
    if share == 1.0 {
        return f64::INFINITY;
    }
    let (mut power, mut weight, mut sum) = (share, 1.0, share);
    loop {
        power *= power;
        let before = sum;
        sum += power * weight;
        weight += weight;
        if sum == before {
            return sum;
        }
    }
}

/// What the share of registers that are not full takes away: `(1 - x - sum of (1 - x^(2^-k))^2 2^-k) / 3`.
fn full(share: f64) -> f64 {
    if share == 0.0 || share == 1.0 {
        return 0.0;
    }
    let (mut root, mut weight, mut sum) = (share, 1.0, 1.0 - share);
    loop {
        root = root.sqrt();
        let before = sum;
        weight *= 0.5;
        sum -= (1.0 - root) * (1.0 - root) * weight;
        if sum == before {
            return sum / 3.0;
        }
    }
}

/// A cell whose equal elements have equal words: zeros are one, and so are NaNs.
pub(super) trait Word: Cell {
    fn word(self) -> u64;
}

macro_rules! words {
    ($($t:ty)*) => {$(
        impl Word for $t {
            #[inline(always)]
            fn word(self) -> u64 { self as u64 }
        }
    )*};
}
words!(i8 i16 i32 i64 u8 u16 u32 u64);

impl Word for super::element::Truth {
    #[inline(always)]
    fn word(self) -> u64 {
        u64::from(self.0 != 0)
    }
}

macro_rules! float_words {
    ($($t:ty)*) => {$(
        impl Word for $t {
            #[inline(always)]
            fn word(self) -> u64 {
                let wide = super::element::Float::widen(self) + 0.0;
                if wide.is_nan() { f64::NAN.to_bits() } else { wide.to_bits() }
            }
        }
    )*};
}
float_words!(f16 bf16 f32 f64);

/// A word whose bits all depend on all bits of `word` (SplitMix64).
#[inline(always)]
fn hash(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// A state as the kernel of one element type sees it.
pub(super) struct Target<'a, T> {
    pub state: &'a mut Distinct,
    pub element: PhantomData<T>,
}

#[inline(always)]
fn note(registers: &mut [u8], hash: u64) {
    let rank = (hash << REGISTER_BITS | 1 << (REGISTER_BITS - 1)).leading_zeros() as u8 + 1;
    let register = &mut registers[(hash >> (64 - REGISTER_BITS)) as usize % REGISTERS];
    *register = rank.max(*register);
}

impl<T: Word> Absorb<T::Bytes> for Target<'_, T> {
    #[inline(always)]
    fn run(&mut self, cells: &[T::Bytes], output: usize) {
        let registers = &mut self.state.registers[output * REGISTERS..(output + 1) * REGISTERS];
        let (rows, rest) = cells.as_chunks::<HASHED>();
        for row in rows {
            let mut hashes = [0; HASHED];
            for lane in 0..HASHED {
                hashes[lane] = hash(T::read(row[lane]).word());
            }
            for lane in 0..HASHED {
                note(registers, hashes[lane]);
            }
        }
        for cell in rest {
            note(registers, hash(T::read(*cell).word()));
        }
    }

    #[inline(always)]
    fn columns(&mut self, cells: &[T::Bytes], rows: Rows, columns: Columns) {
        for column in 0..columns.count {
            let output = columns.output(column);
            let registers = &mut self.state.registers[output * REGISTERS..(output + 1) * REGISTERS];
            for row in 0..rows.count {
                note(registers, hash(T::read(cells[row * rows.stride + column]).word()));
            }
        }
    }
}
