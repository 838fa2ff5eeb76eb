//! What a coordinate becomes on its way to a store where that is not affine: rolls, repeats, borders, lists of indices.

use serde::{Deserialize, Serialize};
use std::{fmt, ops::Range, sync::Arc};

/// One step of an [`AxisMap`], from an index to an index.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AxisStep {
    /// `start + step * i`.
    Affine {
        /// Where 0 goes.
        start: i64,
        /// Distance.
        step: i64,
    },
    /// `i` modulo the length: rolls and tiles.
    Modulo(usize),
    /// `i` divided by a count, rounded down: repeats.
    Divide(usize),
    /// The nearest index of an axis of the length: borders that repeat the edge.
    Clamp(usize),
    /// Mirrored at both ends of an axis of the length; with `edge` the edge itself is seen twice.
    Mirror {
        /// Length of the axis.
        length: usize,
        /// NumPy's `symmetric` and not `reflect`.
        edge: bool,
    },
    /// The element of a list.
    List(Arc<[usize]>),
    /// A permutation of the length, by a key.
    Shuffle {
        /// Length of the axis.
        length: usize,
        /// Which permutation.
        key: u64,
    },
}

impl AxisStep {
    fn at(&self, index: i64) -> i64 {
        match self {
            AxisStep::Affine { start, step } => start + step * index,
            AxisStep::Modulo(length) => index.rem_euclid(*length as i64),
            AxisStep::Divide(by) => index.div_euclid(*by as i64),
            AxisStep::Clamp(length) => index.clamp(0, *length as i64 - 1),
            AxisStep::Mirror { length, edge } => mirror(index, *length as i64, *edge),
            // Out of the list there is nothing; whoever asks has checked.
            AxisStep::List(list) => list.get(index as usize).map_or(-1, |&place| place as i64),
            AxisStep::Shuffle { length, key } => shuffle(index as u64, *length as u64, *key) as i64,
        }
    }
}

impl AxisStep {
    /// Bounds of where the indices from `low` to `high` go.
    fn bounds(&self, (low, high): (i64, i64)) -> (i64, i64) {
        let (first, last) = (self.at(low), self.at(high));
        match self {
            AxisStep::Affine { .. } | AxisStep::Divide(_) | AxisStep::Clamp(_) => (first.min(last), first.max(last)),
            AxisStep::Modulo(length) if low.div_euclid(*length as i64) == high.div_euclid(*length as i64) => (first, last),
            AxisStep::Mirror { length, .. } if (0..*length as i64).contains(&low) && (0..*length as i64).contains(&high) => (low, high),
            AxisStep::Modulo(length) | AxisStep::Mirror { length, .. } | AxisStep::Shuffle { length, .. } => (0, *length as i64 - 1),
            AxisStep::List(list) => {
                let places = list.get(low.max(0) as usize..=high.max(0) as usize).unwrap_or_default().iter().map(|&place| place as i64);
                places.fold((i64::MAX, i64::MIN), |(low, high), place| (low.min(place), high.max(place)))
            }
        }
    }
}

/// Where `index` goes in a permutation of `0..length`: a Feistel network over the next even power of two, walked until it comes
/// back into range (J. Black, P. Rogaway, "Ciphers with arbitrary finite domains", CT-RSA 2002). No memory, for any length.
pub fn shuffle(index: u64, length: u64, key: u64) -> u64 {
    if length < 2 {
        return index;
    }
    let half_bits = (u64::BITS - (length - 1).leading_zeros()).div_ceil(2);
    let mask = (1 << half_bits) - 1;
    let mut place = index;
    loop {
        let (mut left, mut right) = (place >> half_bits, place & mask);
        for round in 0..8 {
            (left, right) = (right, left ^ (mix(right ^ mix(key.wrapping_add(round))) & mask));
        }
        place = left << half_bits | right;
        if place < length {
            return place;
        }
    }
}

/// The index that [`AxisStep::Shuffle`] sends to `place`: the rounds backwards.
#[must_use]
pub fn unshuffle(place: u64, length: u64, key: u64) -> u64 {
    if length < 2 {
        return place;
    }
    let half_bits = (u64::BITS - (length - 1).leading_zeros()).div_ceil(2);
    let mask = (1 << half_bits) - 1;
    let mut index = place;
    loop {
        let (mut left, mut right) = (index >> half_bits, index & mask);
        for round in (0..8).rev() {
            (left, right) = (right ^ (mix(left ^ mix(key.wrapping_add(round))) & mask), left);
        }
        index = left << half_bits | right;
        if index < length {
            return index;
        }
    }
}

/// The finalizer of SplitMix64.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

/// `index` folded back into `0..length`.
fn mirror(index: i64, length: i64, edge: bool) -> i64 {
    if length == 1 {
        return 0;
    }
    let period = if edge { 2 * length } else { 2 * length - 2 };
    let place = index.rem_euclid(period);
    let back = period - place - i64::from(edge);
    place.min(back)
}

/// Steps from an index of a view to an index below it, first to last; none is the identity.
///
/// ```
/// use outcore::nd::{AxisMap, axis_map::AxisStep};
/// let rolled = AxisMap::of([AxisStep::Affine { start: -1, step: 1 }, AxisStep::Modulo(4)]);
/// assert_eq!((0..4).map(|index| rolled.at(index)).collect::<Vec<_>>(), [3, 0, 1, 2]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AxisMap(Vec<AxisStep>);

impl AxisMap {
    /// The map of `steps`.
    #[must_use]
    pub fn of(steps: impl IntoIterator<Item = AxisStep>) -> Self {
        let mut made = AxisMap::default();
        steps.into_iter().for_each(|step| made.push(step));
        made
    }

    fn push(&mut self, step: AxisStep) {
        match (self.0.last_mut(), step) {
            (_, AxisStep::Affine { start: 0, step: 1 }) => {}
            (Some(AxisStep::Affine { start, step }), AxisStep::Affine { start: outer, step: factor }) => {
                let joined = AxisStep::Affine { start: outer + factor * *start, step: factor * *step };
                self.0.pop();
                self.push(joined);
            }
            (_, step) => self.0.push(step),
        }
    }

    /// This map, and `after` applied to what it gives.
    #[must_use]
    pub fn then(&self, after: &AxisMap) -> Self {
        AxisMap::of(self.0.iter().chain(&after.0).cloned())
    }

    /// Whether every index stays.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        self.0.is_empty()
    }

    /// Start and step, if that is all there is.
    #[must_use]
    pub fn affine(&self) -> Option<(i64, i64)> {
        match &self.0[..] {
            [] => Some((0, 1)),
            [AxisStep::Affine { start, step }] => Some((*start, *step)),
            _ => None,
        }
    }

    /// Where `index` goes. Indices outside the view's axis have no meaning.
    #[must_use]
    pub fn at(&self, index: i64) -> i64 {
        self.0.iter().fold(index, |index, step| step.at(index))
    }

    /// Bounds of the places that the indices of `range`, which is not empty, go to: the lowest and the highest one, or less and more.
    #[must_use]
    pub fn bounds(&self, range: Range<usize>) -> (i64, i64) {
        self.0.iter().fold((range.start as i64, range.end as i64 - 1), |bounds, step| step.bounds(bounds))
    }
}

impl fmt::Display for AxisStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AxisStep::Affine { start, step } => write!(f, "{start} + {step} i"),
            AxisStep::Modulo(length) => write!(f, "mod {length}"),
            AxisStep::Divide(by) => write!(f, "div {by}"),
            AxisStep::Clamp(length) => write!(f, "clamp {length}"),
            AxisStep::Mirror { length, edge } => write!(f, "{} {length}", if *edge { "symmetric" } else { "reflect" }),
            AxisStep::List(list) => write!(f, "list of {}", list.len()),
            AxisStep::Shuffle { length, key } => write!(f, "shuffle {length} by {key}"),
        }
    }
}

/// `-1 + 1 i, mod 4`: the steps in order.
impl fmt::Display for AxisMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(if steps.is_empty() { "identity".to_string() } else { steps.join(", ") }.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(map: &AxisMap, count: i64) -> Vec<i64> {
        (0..count).map(|index| map.at(index)).collect()
    }

    #[test]
    fn steps_do_what_numpy_does() {
        let from = |start| AxisStep::Affine { start, step: 1 };
        assert_eq!(places(&AxisMap::of([AxisStep::Divide(2)]), 6), [0, 0, 1, 1, 2, 2]);
        assert_eq!(places(&AxisMap::of([AxisStep::Modulo(3)]), 7), [0, 1, 2, 0, 1, 2, 0]);
        assert_eq!(places(&AxisMap::of([from(-2), AxisStep::Clamp(3)]), 7), [0, 0, 0, 1, 2, 2, 2]);
        // np.pad([0, 1, 2], 4, mode="reflect") and "symmetric".
        assert_eq!(places(&AxisMap::of([from(-4), AxisStep::Mirror { length: 3, edge: false }]), 11), [0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2]);
        assert_eq!(places(&AxisMap::of([from(-4), AxisStep::Mirror { length: 3, edge: true }]), 11), [2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0]);
        assert_eq!(places(&AxisMap::of([from(-1), AxisStep::Mirror { length: 1, edge: false }]), 3), [0, 0, 0]);
        assert_eq!(AxisMap::of([AxisStep::Modulo(5)]).bounds(3..9), (0, 4));
        assert_eq!(AxisMap::of([from(5), AxisStep::Modulo(5)]).bounds(1..4), (1, 3));
        assert_eq!(AxisMap::of([AxisStep::List([3, 9, 1, 4].into())]).bounds(1..4), (1, 9));
    }

    #[test]
    fn shuffles_are_permutations() {
        for length in [1, 2, 3, 5, 64, 100, 1000] {
            let map = AxisMap::of([AxisStep::Shuffle { length, key: 7 }]);
            let mut found = places(&map, length as i64);
            assert!(found.iter().enumerate().all(|(index, &place)| unshuffle(place as u64, length as u64, 7) == index as u64), "{length}");
            let moved = found.iter().enumerate().filter(|(index, place)| *index as i64 != **place).count();
            assert!(length < 64 || moved > length * 9 / 10, "{length}: {moved}");
            found.sort_unstable();
            assert!(found.into_iter().eq(0..length as i64), "{length}");
        }
        let by = |key| places(&AxisMap::of([AxisStep::Shuffle { length: 100, key }]), 100);
        assert_ne!(by(1), by(2));
    }

    #[test]
    fn affine_steps_join() {
        let affine = |start, step| AxisMap::of([AxisStep::Affine { start, step }]);
        let list = AxisMap::of([AxisStep::List([7, 5, 6].into())]);
        let chain = affine(2, -1).then(&affine(1, 1)).then(&affine(-1, 1)).then(&list);
        assert_eq!(chain, affine(2, -1).then(&list));
        assert_eq!(places(&chain, 3), [6, 5, 7]);
        assert!(affine(3, 1).then(&affine(-3, 1)).is_identity());
        assert_eq!(affine(4, -2).bounds(0..3), (0, 4));
    }
}
