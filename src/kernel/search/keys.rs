//! Elements as integers that order as they do, and the search among them.

use super::{BIN, Find, LANES, LEFT};
use std::hint::select_unpredictable;

/// Searches side by side.
const BESIDE: usize = 4;

/// A type with an integer key: equal for equal elements, in their order, NaN above all numbers.
pub(super) trait Key: Copy {
    type Of: Copy + Ord;
    fn key(self) -> Self::Of;
}

macro_rules! float_keys {
    ($($t:ty, $key:ty, $infinity:expr;)*) => {$(
        impl Key for $t {
            type Of = $key;
            #[inline(always)]
            fn key(self) -> $key {
                // Adding zero makes the two zeros one.
                let bits = (self + 0.0).to_bits() as $key;
                let ordered = bits ^ ((bits >> (<$key>::BITS - 1)) & <$key>::MAX);
                if bits & <$key>::MAX > $infinity { <$key>::MAX - 1 } else { ordered }
            }
        }
    )*};
}
float_keys! {
    f32, i32, 0x7f80_0000;
    f64, i64, 0x7ff0_0000_0000_0000;
}

impl Key for i64 {
    type Of = i64;
    #[inline(always)]
    fn key(self) -> i64 {
        self
    }
}

impl Key for u64 {
    type Of = i64;
    #[inline(always)]
    fn key(self) -> i64 {
        (self ^ 1 << 63) as i64
    }
}

/// A sorted table of keys, filled up to a power of two.
pub(super) struct KeyTable<K> {
    keys: Vec<K>,
    count: usize,
}

impl<K: Copy + Ord + Top> KeyTable<K> {
    pub fn new(mut keys: Vec<K>) -> Self {
        let count = keys.len();
        keys.resize(count.max(1).next_power_of_two(), K::TOP);
        KeyTable { keys, count }
    }
}

/// A key that fills a table up.
pub(super) trait Top {
    const TOP: Self;
}

impl Top for i32 {
    const TOP: i32 = i32::MAX;
}

impl Top for i64 {
    const TOP: i64 = i64::MAX;
}

impl<W: Key> Find<W> for KeyTable<W::Of> {
    #[inline(always)]
    fn find<const WHAT: u8>(&self, elements: &[W; LANES]) -> [i32; LANES] {
        let mut found = [0; LANES];
        for (found, elements) in found.as_chunks_mut::<BESIDE>().0.iter_mut().zip(elements.as_chunks::<BESIDE>().0) {
            let keys = elements.map(W::key);
            let below = self.below::<WHAT>(keys);
            for lane in 0..BESIDE {
                let below = below[lane].min(self.count);
                found[lane] = if WHAT == BIN { self.bin(below, keys[lane]) } else { below as i32 };
            }
        }
        found
    }
}

impl<K: Copy + Ord> KeyTable<K> {
    /// How many keys are below each of these, or not above it. Every step of a search waits for a load; several searches wait
    /// together.
    #[inline(always)]
    fn below<const WHAT: u8>(&self, keys: [K; BESIDE]) -> [usize; BESIDE] {
        let mask = self.keys.len() - 1;
        let passes = |probe: K, key: K| if WHAT == LEFT { probe < key } else { probe <= key };
        let (mut places, mut half) = ([0; BESIDE], self.keys.len() / 2);
        while half > 0 {
            for lane in 0..BESIDE {
                let probe = self.keys[(places[lane] + half - 1) & mask];
                places[lane] = select_unpredictable(passes(probe, keys[lane]), places[lane] + half, places[lane]);
            }
            half /= 2;
        }
        for lane in 0..BESIDE {
            places[lane] += usize::from(passes(self.keys[places[lane] & mask], keys[lane]));
        }
        places
    }

    /// The bin of a key that so many edges are not above: the last edge belongs to the last bin.
    #[inline(always)]
    fn bin(&self, below: usize, key: K) -> i32 {
        if below < self.count {
            below as i32 - 1
        } else if self.count > 1 && key == self.keys[self.count - 1] {
            below as i32 - 2
        } else {
            -1
        }
    }
}
