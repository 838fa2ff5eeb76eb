//! Smallest and largest elements, as integer keys: keys order as the elements do, `-0 < +0`, and NaN is the most
//! extreme of all, so that it stays. A minimum is the maximum of the complemented keys.

use super::axes::{Absorb, Columns, Rows};
use super::lanes::{Cell, LANES, LaneFold, WIDE, fold_run, fold_strip};
use super::memory::reserved;
use super::{element::Truth, memory::add_each};
use half::{bf16, f16};
use std::marker::PhantomData;

/// The largest key of each output, widened to i64, and whether there was an element.
#[derive(Clone, Debug)]
pub(super) struct Extremes {
    pub keys: Vec<i64>,
    pub seen: Vec<u8>,
}

impl Extremes {
    pub(super) fn new(outputs: usize) -> Self {
        let mut made = Self { keys: reserved(outputs), seen: reserved(outputs) };
        made.reset();
        made
    }

    /// Bytes per output.
    pub(super) const OUTPUT_BYTES: u64 = 9;

    pub(super) fn reset(&mut self) {
        self.keys.fill(i64::MIN);
        self.seen.fill(0);
    }

    pub(super) fn merge_run(&mut self, at: usize, other: &Self, from: usize, count: usize) {
        add_each(&mut self.keys[at..at + count], &other.keys[from..from + count], i64::max);
        add_each(&mut self.seen[at..at + count], &other.seen[from..from + count], |a, b| a | b);
    }

    /// Whether elements were absorbed and all were NaN that is skipped, if `T` is a float.
    pub(super) fn is_hollow<T: Keyed>(&self, at: usize) -> bool {
        self.seen[at] != 0 && self.keys[at] == T::LOWEST.into()
    }

    /// The native bits of one output's extreme of `T`; `None` if nothing was absorbed.
    pub(super) fn bits<T: Keyed>(&self, at: usize, smallest: bool) -> Option<u64> {
        (self.seen[at] != 0).then(|| T::bits(self.keys[at], smallest))
    }
}

/// An element with an ordering key.
pub(super) trait Keyed: Cell {
    /// A signed integer of the element's width.
    type Key: Copy + Ord + Into<i64>;
    /// The key that no element is below.
    const LOWEST: Self::Key;
    /// The key that no element is above.
    const HIGHEST: Self::Key;
    /// The key whose bits are all set.
    const ALL_ONES: Self::Key;
    /// The key of the element, complemented for minima; NaN is the highest either way.
    fn key(self, smallest: bool) -> Self::Key;
    /// The native bits of the element with this key; NaN is canonical, and what the lowest key of a float stands for.
    fn bits(key: i64, smallest: bool) -> u64;
    /// Whether the element is NaN.
    fn is_nan(self) -> bool;
    /// The key of the element with both zeros as one, complemented by `mask` (0 or -1); `nan` for NaN.
    fn place_key(self, mask: Self::Key, nan: Self::Key) -> Self::Key;
    /// A small number as a key.
    fn small(number: usize) -> Self::Key;
}

macro_rules! keyed_wholes {
    ($($t:ty, $key:ty, $flip:expr;)*) => {$(
        impl Keyed for $t {
            type Key = $key;
            const LOWEST: $key = <$key>::MIN;
            const HIGHEST: $key = <$key>::MAX;
            const ALL_ONES: $key = -1;
            #[inline(always)]
            fn key(self, smallest: bool) -> $key { (self as $key ^ $flip) ^ -<$key>::from(smallest) }
            fn bits(key: i64, smallest: bool) -> u64 { u64::from_ne_bytes((i64::from((key as $key ^ -<$key>::from(smallest)) ^ $flip)).to_ne_bytes()) }
            #[inline(always)]
            fn is_nan(self) -> bool { false }
            #[inline(always)]
            fn place_key(self, mask: $key, _nan: $key) -> $key { (self as $key ^ $flip) ^ mask }
            #[inline(always)]
            fn small(number: usize) -> $key { number as $key }
        }
    )*};
}
keyed_wholes! {
    i8, i8, 0; i16, i16, 0; i32, i32, 0; i64, i64, 0;
    u8, i8, i8::MIN; u16, i16, i16::MIN; u32, i32, i32::MIN; u64, i64, i64::MIN;
}

impl Keyed for Truth {
    type Key = i8;
    const LOWEST: i8 = i8::MIN;
    const HIGHEST: i8 = i8::MAX;
    const ALL_ONES: i8 = -1;
    #[inline(always)]
    fn key(self, smallest: bool) -> i8 {
        i8::from(self.0 != 0) ^ -i8::from(smallest)
    }
    fn bits(key: i64, smallest: bool) -> u64 {
        u64::from(key as i8 ^ -i8::from(smallest) != 0)
    }
    #[inline(always)]
    fn is_nan(self) -> bool {
        false
    }
    #[inline(always)]
    fn place_key(self, mask: i8, _nan: i8) -> i8 {
        i8::from(self.0 != 0) ^ mask
    }
    #[inline(always)]
    fn small(number: usize) -> i8 {
        number as i8
    }
}

macro_rules! keyed_floats {
    ($($t:ty, $key:ty, $infinity:expr, $nan:expr;)*) => {$(
        impl Keyed for $t {
            type Key = $key;
            const LOWEST: $key = <$key>::MIN;
            const HIGHEST: $key = <$key>::MAX;
            const ALL_ONES: $key = -1;
            #[inline(always)]
            fn key(self, smallest: bool) -> $key {
                let bits = self.to_bits() as $key;
                // Negative numbers order backwards by their bits: complement all but the sign.
                let ordered = bits ^ ((bits >> (<$key>::BITS - 1)) & <$key>::MAX);
                if bits & <$key>::MAX > $infinity { <$key>::MAX } else { ordered ^ -<$key>::from(smallest) }
            }
            fn bits(key: i64, smallest: bool) -> u64 {
                let key = key as $key;
                if key == <$key>::MAX || key == <$key>::MIN {
                    return $nan;
                }
                let ordered = key ^ -<$key>::from(smallest);
                u64::from_ne_bytes(i64::from(ordered ^ ((ordered >> (<$key>::BITS - 1)) & <$key>::MAX)).to_ne_bytes())
            }
            #[inline(always)]
            fn is_nan(self) -> bool { self.to_bits() as $key & <$key>::MAX > $infinity }
            #[inline(always)]
            fn place_key(self, mask: $key, nan: $key) -> $key {
                let bits = self.to_bits() as $key;
                let magnitude = bits & <$key>::MAX;
                // The order by bits, made backwards for negative numbers; negating rather than complementing makes -0 be 0.
                let sign = bits >> (<$key>::BITS - 1);
                let ordered = (magnitude ^ sign).wrapping_sub(sign);
                if magnitude > $infinity { nan } else { ordered ^ mask }
            }
            #[inline(always)]
            fn small(number: usize) -> $key { number as $key }
        }
    )*};
}
keyed_floats! {
    f16, i16, 0x7c00, 0x7e00;
    bf16, i16, 0x7f80, 0x7fc0;
    f32, i32, 0x7f80_0000, 0x7fc0_0000;
    f64, i64, 0x7ff0_0000_0000_0000, 0x7ff8_0000_0000_0000;
}

/// An element read as its key, padded with the lowest key, which is also that of a NaN that is skipped.
#[derive(Clone, Copy)]
struct Key<T: Keyed, const SMALLEST: bool, const SKIP: bool>(T::Key);

impl<T: Keyed, const SMALLEST: bool, const SKIP: bool> Cell for Key<T, SMALLEST, SKIP> {
    type Bytes = T::Bytes;
    const PAD: Self = Key(T::LOWEST);
    #[inline(always)]
    fn read(bytes: T::Bytes) -> Self {
        let value = T::read(bytes);
        Key(if SKIP && value.is_nan() { T::LOWEST } else { value.key(SMALLEST) })
    }
}

struct Fold<T: Keyed> {
    largest: [T::Key; LANES],
}

impl<T: Keyed, const SMALLEST: bool, const SKIP: bool> LaneFold<Key<T, SMALLEST, SKIP>> for Fold<T> {
    #[inline(always)]
    fn block_rows(&self) -> usize {
        usize::MAX
    }
    #[inline(always)]
    fn step(&mut self, row: &[Key<T, SMALLEST, SKIP>; LANES]) {
        for lane in 0..LANES {
            self.largest[lane] = self.largest[lane].max(row[lane].0);
        }
    }
    #[inline(always)]
    fn flush(&mut self) {}
}

/// A state as the kernel of one element type sees it.
pub(super) struct Target<'a, T, const SMALLEST: bool, const SKIP: bool> {
    pub state: &'a mut Extremes,
    pub element: PhantomData<T>,
}

/// The largest key of each of [`WIDE`] columns.
#[inline(always)]
fn largest_of_rows<T: Keyed, const SMALLEST: bool, const SKIP: bool>(cells: &[T::Bytes], rows: Rows) -> [T::Key; WIDE] {
    let mut largest = [T::LOWEST; WIDE];
    for row in 0..rows.count {
        if let Some(row) = cells[row * rows.stride..].first_chunk::<WIDE>() {
            for lane in 0..WIDE {
                largest[lane] = largest[lane].max(Key::<T, SMALLEST, SKIP>::read(row[lane]).0);
            }
        }
    }
    largest
}

impl<T: Keyed, const SMALLEST: bool, const SKIP: bool> Target<'_, T, SMALLEST, SKIP> {
    #[inline(always)]
    fn add(&mut self, output: usize, key: T::Key) {
        self.state.keys[output] = self.state.keys[output].max(key.into());
        self.state.seen[output] = 1;
    }
}

impl<T: Keyed, const SMALLEST: bool, const SKIP: bool> Absorb<T::Bytes> for Target<'_, T, SMALLEST, SKIP> {
    #[inline(always)]
    fn run(&mut self, cells: &[T::Bytes], output: usize) {
        let mut fold = Fold::<T> { largest: [T::LOWEST; LANES] };
        let wide = Rows { count: cells.len() / WIDE, stride: WIDE };
        fold_run::<Key<T, SMALLEST, SKIP>, _>(&mut fold, &cells[wide.count * WIDE..]);
        let mut largest = T::LOWEST;
        if wide.count > 0 {
            for key in largest_of_rows::<T, SMALLEST, SKIP>(cells, wide) {
                largest = largest.max(key);
            }
        }
        for lane in 0..LANES {
            largest = largest.max(fold.largest[lane]);
        }
        self.add(output, largest);
    }

    #[inline(always)]
    fn columns(&mut self, cells: &[T::Bytes], rows: Rows, columns: Columns) {
        let mut first = 0;
        while first + WIDE <= columns.count {
            let panel = columns.part(first, WIDE);
            for (lane, key) in largest_of_rows::<T, SMALLEST, SKIP>(&cells[first..], rows).into_iter().enumerate() {
                self.add(panel.output(lane), key);
            }
            first += WIDE;
        }
        while first < columns.count {
            let strip = columns.part(first, LANES.min(columns.count - first));
            let mut fold = Fold::<T> { largest: [T::LOWEST; LANES] };
            fold_strip::<Key<T, SMALLEST, SKIP>, _>(&mut fold, &cells[first..], rows, strip.count);
            for lane in 0..strip.count {
                self.add(strip.output(lane), fold.largest[lane]);
            }
            first += LANES;
        }
    }
}
