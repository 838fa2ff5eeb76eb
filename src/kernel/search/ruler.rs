//! Tables with even steps: the place of an element is computed.
//!
//! With `t(x) = (x - first) * scale - 1/2`, each operation rounded once, `t` never falls as `x` grows. So if every mark `j` of the
//! table has `|t(mark) - (j - 1/2)| <= d`, an element between the marks `j` and `j + 1` has `t` within `d` of `j - 1/2` to
//! `j + 1/2`, and where `t` is at most `1/2 - d` away from a whole number, that number is `j`. Elsewhere it is off by one at most,
//! and two comparisons tell.

use super::{BIN, Find, LANES, RIGHT, keys::Key};

/// How far a mark may be from its computed place.
const DEVIATION_MAX: f64 = 0.25;

/// A float that a table can consist of.
pub(super) trait Mark: Key + Default + PartialOrd {
    /// `1.5 * 2^(bits of the mantissa)`: adding it rounds to a whole number, which the low bits then hold.
    const MAGIC: Self;
    fn of(value: f64) -> Self;
    fn wide(self) -> f64;
    fn subtract(self, other: Self) -> Self;
    fn add(self, other: Self) -> Self;
    fn multiply(self, other: Self) -> Self;
    fn absolute(self) -> Self;
    /// The whole number that was rounded to by adding [`Mark::MAGIC`].
    fn whole(self) -> i32;
}

macro_rules! marks {
    ($($t:ty, $magic:expr;)*) => {$(
        impl Mark for $t {
            const MAGIC: $t = $magic;
            fn of(value: f64) -> $t { value as $t }
            fn wide(self) -> f64 { f64::from(self) }
            #[inline(always)]
            fn subtract(self, other: $t) -> $t { self - other }
            #[inline(always)]
            fn add(self, other: $t) -> $t { self + other }
            #[inline(always)]
            fn multiply(self, other: $t) -> $t { self * other }
            #[inline(always)]
            fn absolute(self) -> $t { self.abs() }
            #[inline(always)]
            fn whole(self) -> i32 { self.to_bits().wrapping_sub($magic.to_bits()) as i32 }
        }
    )*};
}
marks! {
    f32, 12_582_912.0_f32;
    f64, 6_755_399_441_055_744.0_f64;
}

/// An evenly spaced table.
pub(super) struct Ruler<W> {
    first: W,
    last: W,
    scale: W,
    half: W,
    /// How far a computed place may be from a whole number to be believed.
    trusted: W,
    /// One less than there are marks, and the same as an element.
    bins: i32,
    end: W,
    before: W,
    /// The marks, filled up to a power of two.
    marks: Vec<W>,
}

impl<W: Mark> Ruler<W> {
    /// The ruler of a table, if it is one.
    pub fn new(table: &[W]) -> Option<Self> {
        let (&[first, .., last], bins) = (table, table.len().checked_sub(1)?) else { return None };
        // The whole numbers of an f32 and of the tables' length.
        if bins >= 1 << 21 {
            return None;
        }
        let scale = W::of(bins as f64 / (last.wide() - first.wide()));
        let mut marks = table.to_vec();
        marks.resize(table.len().next_power_of_two(), last);
        let (end, before, half) = (W::of(bins as f64), W::of(-1.0), W::of(0.5));
        let mut made = Ruler { first, last, scale, half, trusted: half, bins: bins as i32, end, before, marks };
        let deviations = table.iter().enumerate().map(|(at, mark)| (made.computed(*mark).wide() - (at as f64 - 0.5)).abs());
        // A NaN counts as far off.
        let farthest = deviations.fold(0.0, |most: f64, one| if one <= most { most } else { one });
        let near = farthest <= DEVIATION_MAX;
        if !near || !table.windows(2).all(|pair| pair[0] < pair[1]) {
            return None;
        }
        made.trusted = W::of(0.5 - farthest * 1.01 - 1.0 / 4096.0);
        Some(made)
    }

    #[inline(always)]
    fn computed(&self, element: W) -> W {
        element.subtract(self.first).multiply(self.scale).subtract(self.half)
    }

    /// Corrects the places of elements inside by comparisons.
    #[inline(always)]
    fn correct<const WHAT: u8>(&self, elements: &[W; LANES], places: &mut [i32; LANES]) {
        let mask = self.marks.len() - 1;
        for lane in 0..LANES {
            let element = elements[lane];
            let guess = if WHAT == BIN { places[lane] } else { places[lane] - 1 };
            let guess = guess.clamp(0, self.bins - 1);
            let (low, high) = (self.marks[guess as usize & mask], self.marks[(guess as usize + 1) & mask]);
            let bin = guess - i32::from(element < low) + i32::from(element >= high);
            let place = match WHAT {
                BIN => bin.min(self.bins - 1),
                RIGHT => bin + 1,
                _ => bin + i32::from(self.marks[bin.max(0) as usize & mask] < element),
            };
            let inside = element >= self.first && element <= self.last;
            places[lane] = if inside { place } else { places[lane] };
        }
    }
}

impl Ruler<f64> {
    /// A ruler whose bins have the same whole numbers as those of `table`, none of which lies on a mark.
    pub fn between(table: &[f64]) -> Option<Self> {
        const WHOLE_MAX: f64 = (1_u64 << 51) as f64;
        if table.len() < 2 || !table.iter().all(|edge| edge.abs() < WHOLE_MAX) {
            return None;
        }
        let mut marks: Vec<f64> = table.iter().map(|edge| edge.ceil() - 0.5).collect();
        if let (Some(mark), Some(last)) = (marks.last_mut(), table.last()) {
            *mark = last.floor() + 0.5;
        }
        Ruler::new(&marks)
    }
}

impl<W: Mark> Find<W> for Ruler<W> {
    #[inline(always)]
    fn find<const WHAT: u8>(&self, elements: &[W; LANES]) -> [i32; LANES] {
        let mut places = [0; LANES];
        let mut doubt = false;
        for lane in 0..LANES {
            let element = elements[lane];
            let inside = (element >= self.first) & (element <= self.last);
            let computed = self.computed(element);
            // What is outside, or no number, becomes some whole number.
            let computed = if computed > self.before { computed } else { self.before };
            let computed = if computed < self.end { computed } else { self.end };
            let rounded = computed.add(W::MAGIC);
            let off = computed.subtract(rounded.subtract(W::MAGIC)).absolute();
            doubt |= inside & (off > self.trusted);
            let place = rounded.whole();
            places[lane] = if WHAT == BIN {
                if inside { place } else { -1 }
            } else if inside {
                place + 1
            } else if element < self.first {
                0
            } else {
                self.bins + 1
            };
        }
        if doubt {
            self.correct::<WHAT>(elements, &mut places);
        }
        places
    }
}
