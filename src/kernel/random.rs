//! Random values that are functions of a seed, a stream and an index: no state, so any part of an array has the values it has
//! in the whole, whatever cuts it.
//!
//! Philox 4x32-10 (J. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): the key is the seed, the low half
//! of the counter the index divided by the values of a block, the high half the stream. A block of four words is four `f32`, two
//! `f64` or `i64`, or two pairs (`f32`) and one pair (`f64`) of normals by G. Box and M. Muller's transform.

use crate::{
    kernel::{
        math::{self, Lanes},
        program::Law,
    },
    nd::Scalar,
    numeric::{InstructionSet, Piece},
};
use bytemuck::{Pod, cast_slice, cast_slice_mut};
use std::marker::PhantomData;

/// What is drawn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draw {
    pub law: Law,
    pub seed: u64,
    pub stream: u64,
}

/// `(what, index of the first value, distance of the indices, out)`: native elements of the dtype of the law; floats are `f32` or
/// `f64` by the size that the law's caller wants, see [`draw`].
pub(crate) type DrawKernel = fn(&Draw, i64, i64, &mut [u8], usize);

/// Blocks that are computed side by side.
const LANES: usize = 16;

/// Four words of each of the blocks.
type Words = [[u32; LANES]; 4];

/// Ten rounds on the blocks `counters` of a stream.
#[inline(always)]
fn philox(seed: u64, stream: u64, counters: &[u64; LANES]) -> Words {
    let mut words = [[0u32; LANES]; 4];
    for lane in 0..LANES {
        words[0][lane] = counters[lane] as u32;
        words[1][lane] = (counters[lane] >> 32) as u32;
        words[2][lane] = stream as u32;
        words[3][lane] = (stream >> 32) as u32;
    }
    let mut key = [seed as u32, (seed >> 32) as u32];
    for _ in 0..10 {
        for lane in 0..LANES {
            let first = u64::from(words[0][lane]) * 0xd251_1f53;
            let third = u64::from(words[2][lane]) * 0xcd9e_8d57;
            words[0][lane] = (third >> 32) as u32 ^ words[1][lane] ^ key[0];
            words[1][lane] = third as u32;
            words[2][lane] = (first >> 32) as u32 ^ words[3][lane] ^ key[1];
            words[3][lane] = first as u32;
        }
        key = [key[0].wrapping_add(0x9e37_79b9), key[1].wrapping_add(0xbb67_ae85)];
    }
    words
}

/// A law in one dtype: what the words of blocks become.
trait Values: Copy {
    type Value: Pod;
    /// The values of a block: an array of 4 or 2.
    type Block: Pod;
    const PER_BLOCK: usize = size_of::<Self::Block>() / size_of::<Self::Value>();
    /// The values of all blocks, with the vectors of `I`.
    fn values<I: Lanes>(self, words: &Words) -> [Self::Block; LANES];
}

/// The values of blocks, one by one: the compiler finds the vectors.
#[inline(always)]
fn each<B: Pod>(words: &Words, values: impl Fn([u32; 4]) -> B) -> [B; LANES] {
    let mut made = [B::zeroed(); LANES];
    for lane in 0..LANES {
        made[lane] = values([words[0][lane], words[1][lane], words[2][lane], words[3][lane]]);
    }
    made
}

#[inline(always)]
fn long(low: u32, high: u32) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

#[derive(Clone, Copy)]
struct Uniform<F> {
    low: F,
    span: F,
    /// The largest value below the bound.
    last: F,
}

macro_rules! uniform {
    ($float:ty, $per_block:expr, |$words:ident| $units:expr) => {
        impl Uniform<$float> {
            fn new(low: Scalar, high: Scalar) -> Self {
                let (low, high) = (low.to_f64() as $float, high.to_f64() as $float);
                Uniform { low, span: high - low, last: if high > low { high.next_down() } else { low } }
            }
        }

        impl Values for Uniform<$float> {
            type Value = $float;
            type Block = [$float; $per_block];

            #[inline(always)]
            fn values<I: Lanes>(self, words: &Words) -> [Self::Block; LANES] {
                each(words, |$words| {
                    let units: Self::Block = $units;
                    units.map(|unit| {
                        let value = unit.mul_add(self.span, self.low);
                        if value > self.last { self.last } else { value }
                    })
                })
            }
        }
    };
}
uniform!(f32, 4, |words| words.map(|word| (word >> 8) as i32 as f32 * (1.0 / 16_777_216.0)));
uniform!(f64, 2, |words| {
    let unit = |low, high| (long(low, high) >> 11) as i64 as f64 * (1.0 / 9_007_199_254_740_992.0);
    [unit(words[0], words[1]), unit(words[2], words[3])]
});

#[derive(Clone, Copy)]
struct Normal<F> {
    mean: F,
    std: F,
}

/// Sine and cosine of `turn` * 2 pi / 2^32: the quarter is a matter of bits, the rest an angle within pi / 4 (the polynomials of
/// fdlibm for f64 and of Cephes for f32).
macro_rules! turn {
    ($name:ident, $float:ty, $bits:ty, $signed:ty, $scale:expr, [$($sine:expr),*], [$($cosine:expr),*]) => {
        #[inline(always)]
        fn $name(turn: $bits) -> ($float, $float) {
            const QUARTER: u32 = <$bits>::BITS - 2;
            let quarter = turn.wrapping_add(1 << (QUARTER - 1)) >> QUARTER;
            let angle = turn.wrapping_sub(quarter << QUARTER) as $signed as $float * $scale;
            let square = angle * angle;
            let mut sine: $float = 0.0;
            $(sine = sine.mul_add(square, $sine);)*
            let sine = (square * angle).mul_add(sine, angle);
            let mut cosine: $float = 0.0;
            $(cosine = cosine.mul_add(square, $cosine);)*
            let cosine = (square * square).mul_add(cosine, (-0.5 as $float).mul_add(square, 1.0));
            let (swapped, down, left) = (quarter & 1 == 1, quarter >= 2, quarter == 1 || quarter == 2);
            let (up, right) = if swapped { (cosine, sine) } else { (sine, cosine) };
            (if down { -up } else { up }, if left { -right } else { right })
        }
    };
}
turn!(
    turn_f32,
    f32,
    u32,
    i32,
    1.462_918_1e-9,
    [-1.951_529_6e-4, 8.332_161e-3, -1.666_665_5e-1],
    [2.443_315_7e-5, -1.388_731_6e-3, 4.166_664_6e-2]
);
turn!(
    turn_f64,
    f64,
    u64,
    i64,
    3.4061215800865545e-19,
    [
        1.589_690_995_211_55e-10,
        -2.505_076_025_340_686_3e-8,
        2.755_731_370_707_006_8e-6,
        -1.984_126_982_985_795e-4,
        8.333_333_333_322_49e-3,
        -1.666_666_666_666_663_2e-1
    ],
    [
        -1.135_964_755_778_819_5e-11,
        2.087_572_321_298_175e-9,
        -2.755_731_435_139_066_4e-7,
        2.480_158_728_947_673e-5,
        -1.388_888_888_887_411e-3,
        4.166_666_666_666_66e-2
    ]
);

impl Values for Normal<f32> {
    type Value = f32;
    type Block = [f32; 4];

    #[inline(always)]
    fn values<I: Lanes>(self, words: &Words) -> [[f32; 4]; LANES] {
        let (mut units, mut logarithms) = ([[0.0; LANES]; 2], [[0.0; LANES]; 2]);
        for pair in 0..2 {
            for lane in 0..LANES {
                // Through a signed conversion, which every instruction set has.
                units[pair][lane] = ((words[2 * pair][lane] >> 1) as i32 as f32 + 0.25) * (1.0 / 2_147_483_648.0);
            }
        }
        let uniform = units.as_flattened();
        math::map!(I::F32Twice, math::log_single, logarithms.as_flattened_mut(), uniform);
        let mut made = [[0.0; 4]; LANES];
        for pair in 0..2 {
            let (mut sines, mut cosines) = ([0.0; LANES], [0.0; LANES]);
            for lane in 0..LANES {
                let radius = (-2.0 * logarithms[pair][lane]).sqrt();
                let (sine, cosine) = turn_f32(words[2 * pair + 1][lane]);
                sines[lane] = (radius * sine).mul_add(self.std, self.mean);
                cosines[lane] = (radius * cosine).mul_add(self.std, self.mean);
            }
            for lane in 0..LANES {
                made[lane][2 * pair] = cosines[lane];
                made[lane][2 * pair + 1] = sines[lane];
            }
        }
        made
    }
}

impl Values for Normal<f64> {
    type Value = f64;
    type Block = [f64; 2];

    #[inline(always)]
    fn values<I: Lanes>(self, words: &Words) -> [[f64; 2]; LANES] {
        let mut units = [0.0; LANES];
        for lane in 0..LANES {
            units[lane] = ((long(words[0][lane], words[1][lane]) >> 11) as i64 as f64 + 0.5) * (1.0 / 9_007_199_254_740_992.0);
        }
        let mut logarithms = [0.0; LANES];
        math::map!(I::F64Twice, math::log, &mut logarithms, units);
        let (mut sines, mut cosines) = ([0.0; LANES], [0.0; LANES]);
        for lane in 0..LANES {
            let radius = (-2.0 * logarithms[lane]).sqrt();
            let (sine, cosine) = turn_f64(long(words[2][lane], words[3][lane]));
            sines[lane] = (radius * sine).mul_add(self.std, self.mean);
            cosines[lane] = (radius * cosine).mul_add(self.std, self.mean);
        }
        let mut made = [[0.0; 2]; LANES];
        for lane in 0..LANES {
            made[lane] = [cosines[lane], sines[lane]];
        }
        made
    }
}

#[derive(Clone, Copy)]
struct Integers {
    low: i64,
    count: u64,
}

impl Values for Integers {
    type Value = i64;
    type Block = [i64; 2];

    #[inline(always)]
    fn values<I: Lanes>(self, words: &Words) -> [[i64; 2]; LANES] {
        let value = |low, high| {
            let place = ((u128::from(long(low, high)) * u128::from(self.count)) >> 64) as u64;
            self.low.wrapping_add(place as i64)
        };
        each(words, |words| [value(words[0], words[1]), value(words[2], words[3])])
    }
}

/// True below the bound.
#[derive(Clone, Copy)]
struct Bernoulli(u64);

impl Values for Bernoulli {
    type Value = u8;
    type Block = [u8; 4];

    #[inline(always)]
    fn values<I: Lanes>(self, words: &Words) -> [[u8; 4]; LANES] {
        each(words, |words| words.map(|word| u8::from(u64::from(word) < self.0)))
    }
}

/// Values at indices that lie `step` apart, with the vectors of `I`.
struct Series<'a, I, V: Values> {
    values: V,
    seed: u64,
    stream: u64,
    from: u64,
    step: i64,
    out: &'a mut [V::Value],
    vectors: PhantomData<fn() -> I>,
}

impl<I: Lanes, V: Values> Piece for Series<'_, I, V> {
    /// One loop for all steps: what is called in one place is compiled where it stands.
    #[inline(always)]
    fn go(self) {
        let per_block = V::PER_BLOCK as u64;
        // Neighbours share blocks; else every value has one.
        let distance = if self.step == 1 { per_block } else { self.step as u64 };
        let (mut index, mut at) = (self.from, 0);
        while at < self.out.len() {
            let first = if self.step == 1 { index - index % (LANES as u64 * per_block) } else { index };
            let mut blocks = [0; LANES];
            for lane in 0..LANES {
                blocks[lane] = first.wrapping_add(distance.wrapping_mul(lane as u64)) / per_block;
            }
            let made = self.values.values::<I>(&philox(self.seed, self.stream, &blocks));
            let made: &[V::Value] = cast_slice(&made);
            let out = &mut self.out[at..];
            let count = if self.step == 1 {
                let skip = (index - first) as usize;
                let count = out.len().min(made.len() - skip);
                out[..count].copy_from_slice(&made[skip..skip + count]);
                count
            } else {
                for (lane, out) in out.iter_mut().enumerate().take(LANES) {
                    let place = first.wrapping_add(distance.wrapping_mul(lane as u64)) % per_block;
                    *out = made[lane * V::PER_BLOCK + place as usize];
                }
                LANES
            };
            index = index.wrapping_add_signed(count as i64 * self.step);
            at += count;
        }
    }
}

fn series<I: InstructionSet + Lanes, V: Values>(values: V, draw: &Draw, from: i64, step: i64, out: &mut [u8]) {
    let Draw { seed, stream, .. } = *draw;
    I::enter(Series::<I, V> { values, seed, stream, from: from as u64, step, out: cast_slice_mut(out), vectors: PhantomData });
}

/// Fills `out` with elements of `size` bytes: the values at `from`, `from + step` and so on.
pub(crate) fn draw<I: InstructionSet + Lanes>(draw: &Draw, from: i64, step: i64, out: &mut [u8], size: usize) {
    match draw.law {
        Law::Uniform { low, high } if size == 4 => series::<I, _>(Uniform::<f32>::new(low, high), draw, from, step, out),
        Law::Uniform { low, high } => series::<I, _>(Uniform::<f64>::new(low, high), draw, from, step, out),
        Law::Normal { mean, std } if size == 4 => {
            series::<I, _>(Normal { mean: mean.to_f64() as f32, std: std.to_f64() as f32 }, draw, from, step, out);
        }
        Law::Normal { mean, std } => series::<I, _>(Normal { mean: mean.to_f64(), std: std.to_f64() }, draw, from, step, out),
        Law::Integers { low, count } => series::<I, _>(Integers { low, count }, draw, from, step, out),
        Law::Bernoulli { probability } => {
            let bound = (probability.to_f64() * 4_294_967_296.0).round() as u64;
            series::<I, _>(Bernoulli(bound), draw, from, step, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::simd::{Isa, kernels};

    /// The known answers of the authors' Random123.
    #[test]
    fn blocks_are_those_of_the_reference() {
        let block = |key: [u64; 2], counter: [u64; 4]| {
            let pair = |low: u64, high: u64| low | high << 32;
            let words = philox(pair(key[0], key[1]), pair(counter[2], counter[3]), &[pair(counter[0], counter[1]); LANES]);
            words.map(|word| word[LANES - 1])
        };
        assert_eq!(block([0; 2], [0; 4]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        let ones = 0xffff_ffff;
        assert_eq!(block([ones; 2], [ones; 4]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        let pi = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
        assert_eq!(block([0xa409_3822, 0x299f_31d0], pi), [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    }

    #[test]
    fn every_set_and_every_step_draws_the_same() {
        let float = Scalar::Float;
        let laws = [
            (Law::Uniform { low: float(-1.0), high: float(2.0) }, 4),
            (Law::Uniform { low: float(-1.0), high: float(2.0) }, 8),
            (Law::Normal { mean: float(0.5), std: float(1.5) }, 4),
            (Law::Normal { mean: float(0.5), std: float(1.5) }, 8),
            (Law::Integers { low: -3, count: 1000 }, 8),
            (Law::Bernoulli { probability: float(0.3) }, 1),
        ];
        for (law, size) in laws {
            let what = Draw { law, seed: 9, stream: 4 };
            let drawn = |isa: Isa, from: i64, step: i64, count: usize| {
                let mut out = vec![0u64; count];
                let bytes: &mut [u8] = &mut cast_slice_mut(&mut out)[..count * size];
                (kernels(isa).draw)(&what, from, step, bytes, size);
                bytes.to_vec()
            };
            let whole = drawn(Isa::Baseline, 0, 1, 500);
            for isa in Isa::available() {
                assert_eq!(drawn(isa, 0, 1, 500), whole, "{law} {isa:?}");
                assert_eq!(drawn(isa, 37, 1, 200), whole[37 * size..237 * size], "{law} {isa:?}");
                for (from, step) in [(5, 3), (499, -2)] {
                    let apart = drawn(isa, from, step, 100);
                    for (place, value) in apart.chunks(size).enumerate() {
                        let index = (from + step * place as i64) as usize;
                        assert_eq!(value, &whole[index * size..][..size], "{law} {isa:?} {index}");
                    }
                }
            }
        }
    }

    #[test]
    fn turns_are_sines_and_cosines() {
        for step in 0..4096u32 {
            let turn = step << 20 | 0x0003_9a51;
            let angle = f64::from(turn) * std::f64::consts::TAU / 4_294_967_296.0;
            let (sine, cosine) = turn_f32(turn);
            assert!((f64::from(sine) - angle.sin()).abs() < 2e-7 && (f64::from(cosine) - angle.cos()).abs() < 2e-7, "{turn}");
            let (sine, cosine) = turn_f64(u64::from(turn) << 32);
            assert!((sine - angle.sin()).abs() < 1e-15 && (cosine - angle.cos()).abs() < 1e-15, "{turn}");
        }
    }
}
