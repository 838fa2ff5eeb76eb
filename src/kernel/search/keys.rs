//! Elements as integers that order as they do, and the search among them.

use super::{BIN, Find, LANES, LEFT};
use std::hint::select_unpredictable;

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
        // One after the other: their steps overlap, as none waits for another element's, and nothing has to be gathered.
        for lane in 0..LANES {
            let key = elements[lane].key();
            let below = self.below::<WHAT>(key).min(self.count);
            found[lane] = if WHAT == BIN { self.bin(below, key) } else { below as i32 };
        }
        found
    }
}

impl<K: Copy + Ord> KeyTable<K> {
    /// How many keys are below this one, or not above it.
    #[inline(always)]
    fn below<const WHAT: u8>(&self, key: K) -> usize {
        let mask = self.keys.len() - 1;
        let passes = |probe: K| if WHAT == LEFT { probe < key } else { probe <= key };
        let (mut place, mut half) = (0, self.keys.len() / 2);
        while half > 0 {
            place = select_unpredictable(passes(self.keys[(place + half - 1) & mask]), place + half, place);
            half /= 2;
        }
        place + usize::from(passes(self.keys[place & mask]))
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
