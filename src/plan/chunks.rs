//! Grids of chunks beside grids of runs: where they meet, and how many bytes a grid of runs decodes.

use crate::{
    nd::{Grid, IndexMap, Region, SourceFacts, StoreLayout},
    plan::reads::reach_of,
};

/// Steps along an axis of a chunked store from which on its coordinates are picked out of their chunks rather than read with the gaps.
const WIDE_STEP: u64 = 4;
/// Runs that are counted one by one; grids repeat, so that what is counted of more is taken for all.
const RUNS_MAX: usize = 1 << 13;
/// Picked coordinates that are counted one by one, of all those runs together.
const COORDINATES_MAX: usize = 1 << 17;

/// Lengths along the axes of a pass that runs are multiples of, and how much shorter the first run is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grain {
    /// Lengths; 1 where any will do.
    pub length: Vec<usize>,
    /// What the first run lacks.
    pub origin: Vec<usize>,
}

impl Grain {
    /// Any runs.
    #[must_use]
    pub fn none(rank: usize) -> Self {
        Grain { length: vec![1; rank], origin: vec![0; rank] }
    }

    /// Whether any runs will do.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.length.iter().all(|&length| length == 1)
    }

    /// Runs that meet the chunks of what is written: `axes` are the stage axes of its axes.
    #[must_use]
    pub fn of_output(axes: &[Option<usize>], chunk: &[usize], space: &[usize]) -> Self {
        let mut grain = Grain::none(space.len());
        for (axis, &length) in axes.iter().zip(chunk) {
            if let Some(axis) = *axis {
                grain.length[axis] = length.clamp(1, space[axis].max(1));
            }
        }
        grain
    }

    /// Runs that meet the chunks of a source of chunks, as it is seen through `map`.
    #[must_use]
    pub fn of_source(map: &IndexMap, chunk: &[usize], space: &[usize]) -> Self {
        let mut grain = Grain::none(space.len());
        for axis in (0..space.len()).filter(|&axis| space[axis] > 1 && !map.is_gathered(axis)) {
            let Some(store) = (0..map.store_rank()).find(|&store| map.steps[axis][store] != 0) else { continue };
            let (length, first) = boundaries(chunk[store].max(1), map.offset[store], map.steps[axis][store]);
            // Where no chunk ends inside, the axis is best whole.
            let whole = first >= space[axis] || (first == 0 && length >= space[axis]);
            grain.length[axis] = if whole { space[axis] } else { length };
            grain.origin[axis] = if whole { 0 } else { (length - first % length) % length };
        }
        grain
    }

    /// Runs that meet both grids, axis by axis; where a length would outgrow the axis it is whole, and where the two never meet
    /// this one stays.
    #[must_use]
    pub fn and(&self, other: &Grain, space: &[usize]) -> Self {
        let mut both = self.clone();
        for axis in 0..space.len() {
            let ((a, first), (b, second)) = ((self.length[axis], self.origin[axis]), (other.length[axis], other.origin[axis]));
            let step = gcd(a, b).max(1);
            if b == 1 || first % step != second % step {
                continue;
            }
            let length = a.saturating_mul(b / step);
            if length >= space[axis] {
                (both.length[axis], both.origin[axis]) = (space[axis].max(1), 0);
                continue;
            }
            let origin = (0..b / step).map(|times| first + times * a).find(|origin| origin % b == second % b);
            (both.length[axis], both.origin[axis]) = (length, origin.unwrap_or(0));
        }
        both
    }
}

/// Distance of the chunk boundaries along a view axis, and the first one: a coordinate that begins another chunk than the one before.
pub(super) fn boundaries(chunk: usize, offset: i64, step: i64) -> (usize, usize) {
    let (inside, size) = (offset.rem_euclid(chunk as i64) as usize, step.unsigned_abs() as usize);
    let length = (chunk / gcd(chunk, size)).max(1);
    let first = if step > 0 { ((chunk - inside) % chunk).div_ceil(size) } else { inside / size + 1 };
    (length, first)
}

pub(super) fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The least common multiple of lengths; one of 0 counts as 1.
#[must_use]
pub fn lcm(a: usize, b: usize) -> usize {
    let (a, b) = (a.max(1), b.max(1));
    (a / gcd(a, b)).saturating_mul(b)
}

/// The chunk shape of a source of chunks.
#[must_use]
pub fn chunk_of(facts: Option<&SourceFacts>) -> Option<&[usize]> {
    match facts {
        Some(SourceFacts { layout: StoreLayout::Chunked { chunk }, .. }) => Some(chunk),
        _ => None,
    }
}

/// The axes of a run along which a chunked store is picked: gathered ones, and those with wide steps.
#[must_use]
pub fn picked_axes(map: &IndexMap, run: &[usize]) -> Vec<usize> {
    let wide = |axis: usize| map.steps[axis].iter().any(|step| step.unsigned_abs() >= WIDE_STEP);
    (0..run.len()).filter(|&axis| run[axis] > 1 && !map.is_broadcast(axis) && (map.is_gathered(axis) || wide(axis))).collect()
}

/// What a run of picked coordinates holds: elements of its buffer, and of the box that pieces are picked out of.
#[must_use]
pub fn picked_elements(map: &IndexMap, picked: &[usize], part: &[usize], chunk: &[usize], store: &[usize]) -> (u64, u64) {
    let still: Vec<usize> = (0..part.len()).map(|axis| if picked.contains(&axis) { 1 } else { part[axis] }).collect();
    let inner = extents(map, &still);
    let count = picked.iter().fold(1, |count: u64, &axis| count.saturating_mul(part[axis] as u64));
    let spread = |place: usize| {
        let reach = |&&axis: &&usize| single_store_axis(map, axis) == Some(place);
        // The farthest that two places of one chunk lie apart.
        let along = picked.iter().filter(reach).map(|&axis| {
            let step = if map.is_gathered(axis) { 1 } else { map.steps[axis][place].unsigned_abs().max(1) };
            (chunk[place] as u64).saturating_sub(1) / step * step
        });
        (inner[place] + along.sum::<u64>()).min(store[place].max(1) as u64)
    };
    let around = (0..map.store_rank()).map(spread).fold(1, u64::saturating_mul);
    (count.saturating_mul(inner.iter().copied().fold(1, u64::saturating_mul)), around)
}

/// Lengths of the box of store coordinates that a box of `shape` without gathered axes takes.
fn extents(map: &IndexMap, shape: &[usize]) -> Vec<u64> {
    let along =
        |store: usize| (0..shape.len()).map(|axis| (shape[axis] as u64 - 1) * map.steps[axis][store].unsigned_abs()).sum::<u64>() + 1;
    (0..map.store_rank()).map(along).collect()
}

/// The one store axis that a view axis steps along.
#[must_use]
pub fn single_store_axis(map: &IndexMap, axis: usize) -> Option<usize> {
    let mut along = (0..map.store_rank()).filter(|&store| map.steps[axis][store] != 0);
    along.next().filter(|_| along.next().is_none())
}

/// Bytes that the runs of a pass decode of a source: whole chunks, cut at the ends of the array, as often as a run touches them.
#[must_use]
pub fn bytes_decoded(map: &IndexMap, facts: &SourceFacts, chunk: &[usize], space: &[usize], runs: &Grid) -> u64 {
    if space.contains(&0) || facts.shape.contains(&0) {
        return 0;
    }
    let mut bytes = facts.dtype.size() as f64;
    for (axes, stores) in parts(map) {
        bytes *= covered(map, &facts.shape, chunk, space, runs, &axes, &stores);
    }
    bytes as u64
}

/// The axes of a view and of its store in parts that have nothing to do with each other.
fn parts(map: &IndexMap) -> Vec<(Vec<usize>, Vec<usize>)> {
    let mut parts: Vec<(Vec<usize>, Vec<usize>)> = (0..map.store_rank()).map(|store| (Vec::new(), vec![store])).collect();
    for axis in 0..map.rank() {
        let touches = |part: &(Vec<usize>, Vec<usize>)| part.1.iter().any(|&store| map.steps[axis][store] != 0);
        let (joined, mut rest): (Vec<_>, Vec<_>) = parts.into_iter().partition(touches);
        let mut whole = (vec![axis], Vec::new());
        for (axes, stores) in joined {
            whole.0.extend(axes);
            whole.1.extend(stores);
        }
        rest.push(whole);
        parts = rest;
    }
    parts
}

/// Elements that the runs along `axes` cover of the store's axes `stores`, in whole chunks, all runs together.
fn covered(map: &IndexMap, shape: &[usize], chunk: &[usize], space: &[usize], runs: &Grid, axes: &[usize], stores: &[usize]) -> f64 {
    let along: Vec<usize> = axes.iter().map(|&axis| runs.count_along(axis).max(1)).collect();
    let count = along.iter().fold(1, |count: usize, &runs| count.saturating_mul(runs));
    let neighbours = reach_of(map, space, &vec![0; space.len()]);
    let mut region = Region::new(vec![0; space.len()], vec![1; space.len()]);
    let mut sum = 0.0;
    let picked = picked_axes(map, runs.block()).into_iter().filter(|axis| axes.contains(axis)).map(|axis| runs.block()[axis]);
    let counted = count.min(RUNS_MAX).min(COORDINATES_MAX / picked.product::<usize>().clamp(1, COORDINATES_MAX)).max(1);
    for index in 0..counted {
        let mut rest = index;
        for (&axis, &runs_along) in axes.iter().zip(&along) {
            let (start, length) = runs.along(axis, rest % runs_along);
            (region.start[axis], region.shape[axis]) = (start, length + neighbours[axis]);
            rest /= runs_along;
        }
        sum += touched(map, shape, chunk, &region, axes, stores);
    }
    sum * (count as f64 / counted as f64)
}

/// Elements of the chunks that one run touches along the store axes `stores`.
fn touched(map: &IndexMap, shape: &[usize], chunk: &[usize], region: &Region, axes: &[usize], stores: &[usize]) -> f64 {
    let picked: Vec<usize> = picked_axes(map, &region.shape).into_iter().filter(|axis| axes.contains(axis)).collect();
    let Some(&first) = picked.first() else {
        let span = map.span(region);
        return stores.iter().map(|&store| in_chunks(span[store].start, span[store].end, chunk[store], shape[store]) as f64).product();
    };
    // The chunks of one axis after the other, and of what is picked along it the groups that are read at once.
    let mut part = Region::new(region.start.clone(), region.shape.clone());
    let groups = groups(map, chunk, first, region.start[first]..region.end(first).min(region.start[first] + COORDINATES_MAX));
    let share = region.shape[first] as f64 / groups.iter().map(|group| group.coordinates.len()).sum::<usize>().max(1) as f64;
    let mut sum = 0.0;
    let mut held = map.clone();
    held.steps[first] = vec![0; map.store_rank()];
    for group in &groups {
        part.shape[first] = 1;
        for store in 0..map.store_rank() {
            held.offset[store] = map.offset[store] + group.low * map.steps[first][store];
        }
        sum += touched_between(&held, shape, chunk, &part, axes, stores, (map, first, group));
    }
    sum * share
}

/// As [`touched`], of a group that spans several places along one axis: the box of all of them is read.
fn touched_between(
    held: &IndexMap,
    shape: &[usize],
    chunk: &[usize],
    part: &Region,
    axes: &[usize],
    stores: &[usize],
    (map, axis, group): (&IndexMap, usize, &Group),
) -> f64 {
    if !picked_axes(held, &part.shape).iter().any(|other| axes.contains(other)) {
        let span = held.span(part);
        let along = |&store: &usize| {
            let more = (group.high - group.low) * map.steps[axis][store];
            let (low, high) = (span[store].start as i64 + more.min(0), span[store].end as i64 + more.max(0));
            in_chunks(low as usize, high as usize, chunk[store], shape[store]) as f64
        };
        return stores.iter().map(along).product();
    }
    touched(held, shape, chunk, part, axes, stores)
}

/// Elements of the chunks that touch `low..high` of an axis.
fn in_chunks(low: usize, high: usize, chunk: usize, length: usize) -> usize {
    let chunk = chunk.max(1);
    (high.div_ceil(chunk) * chunk).min(length).saturating_sub(low / chunk * chunk)
}

/// Coordinates along a picked axis that are read together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The lowest place.
    pub low: i64,
    /// The highest place.
    pub high: i64,
    /// Place and coordinate of each, by place.
    pub coordinates: Vec<(i64, usize)>,
}

/// The coordinates of `range` along a picked axis, in groups that lie in one chunk each, by their place in the store.
#[must_use]
pub fn groups(map: &IndexMap, chunk: &[usize], axis: usize, range: std::ops::Range<usize>) -> Vec<Group> {
    let mut places: Vec<(i64, usize)> = range.map(|index| (map.place(axis, index), index)).collect();
    places.sort_unstable();
    let single = single_store_axis(map, axis).map(|store| (map.offset[store], map.steps[axis][store], chunk[store].max(1) as i64));
    // Which chunk a place belongs to; a diagonal is picked place by place.
    let of = |place: i64| single.map_or(place, |(offset, step, chunk)| (offset + step * place).div_euclid(chunk));
    let mut groups: Vec<Group> = Vec::new();
    for (place, index) in places {
        match groups.last_mut() {
            Some(group) if of(group.low) == of(place) => {
                group.high = place;
                group.coordinates.push((place, index));
            }
            _ => groups.push(Group { low: place, high: place, coordinates: vec![(place, index)] }),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nd::{AxisMap, axis_map::AxisStep, slice::AxisSlice};

    fn facts(shape: &[usize], chunk: &[usize]) -> SourceFacts {
        SourceFacts {
            name: "x".into(),
            shape: shape.to_vec(),
            dtype: crate::nd::DType::U8,
            dims: crate::nd::Dims::unnamed(shape.len()),
            layout: StoreLayout::Chunked { chunk: chunk.to_vec() },
            swapped: false,
            encoded_bytes: 0,
            read_scratch_bytes: 0,
            mappable: false,
            resident: false,
            identity: String::new(),
        }
    }

    fn range(start: usize, step: i64, length: usize) -> AxisSlice {
        AxisSlice::Range { start, step, length }
    }

    #[test]
    fn grains_meet_the_chunks_behind_slices() {
        let whole = IndexMap::identity(&[1000]);
        for (slice, length, origin) in [
            (range(100, 1, 900), 64, 36),
            (range(128, 1, 800), 64, 0),
            (range(999, -1, 1000), 64, 24),
            (range(3, 4, 240), 16, 0),
            (range(10, 3, 300), 64, 46),
        ] {
            let map = whole.slice(&[slice]);
            let grain = Grain::of_source(&map, &[64], &map.shape);
            assert_eq!((grain.length[0], grain.origin[0]), (length, origin), "{slice:?}");
            let AxisSlice::Range { step, .. } = slice else { continue };
            if 64 % step == 0 {
                let runs = Grid::new(map.shape.clone(), grain.length.clone()).moved(&grain.origin);
                let span = map.span(&Region::whole(&map.shape))[0].clone();
                let once = in_chunks(span.start, span.end, 64, 1000);
                assert_eq!(bytes_decoded(&map, &facts(&[1000], &[64]), &[64], &map.shape, &runs), once as u64, "{slice:?}");
            }
        }
        let small = whole.slice(&[range(70, 1, 50)]);
        assert_eq!(Grain::of_source(&small, &[64], &[50]), Grain { length: vec![50], origin: vec![0] });
    }

    #[test]
    fn grains_of_two_grids_meet_or_the_first_stays() {
        let grain = |length: usize, origin: usize| Grain { length: vec![length], origin: vec![origin] };
        assert_eq!(grain(4, 0).and(&grain(6, 0), &[100]), grain(12, 0));
        assert_eq!(grain(4, 2).and(&grain(6, 0), &[100]), grain(12, 6));
        assert_eq!(grain(4, 1).and(&grain(6, 0), &[100]), grain(4, 1));
        assert_eq!(grain(4, 0).and(&grain(6, 0), &[10]), grain(10, 0));
        assert_eq!(grain(4, 3).and(&Grain::none(1), &[10]), grain(4, 3));
    }

    #[test]
    fn bytes_decoded_are_whole_chunks_of_every_run() {
        let facts = facts(&[100, 60], &[32, 16]);
        let map = IndexMap::identity(&[100, 60]);
        let count =
            |map: &IndexMap, run: &[usize]| bytes_decoded(map, &facts, &[32, 16], &map.shape, &Grid::new(map.shape.clone(), run.to_vec()));
        assert_eq!(count(&map, &[32, 60]), 6000);
        assert_eq!(count(&map, &[16, 60]), (32 + 32 + 32 + 32 + 32 + 32 + 4) * 60);
        assert_eq!(count(&map.permute(&[1, 0]), &[16, 32]), 6000);
        // One column of 16 with all rows; a stretched axis reads it again for every run along it.
        let column = map.slice(&[range(0, 1, 100), AxisSlice::Fixed(20)]);
        assert_eq!(count(&column, &[100]), 1600);
        let twice = column.broadcast_to(&[10, 100]);
        assert_eq!(count(&twice, &[5, 100]), 3200);
        // Every twentieth row: chunks without one are not decoded.
        let rows = map.slice(&[range(1, 40, 3), range(0, 1, 60)]);
        assert_eq!(count(&rows, &[3, 60]), (32 + 32 + 32) * 60);
        let taken = map.gather(0, &AxisMap::of([AxisStep::List([99, 0, 98, 1].into())]), 4);
        assert_eq!(count(&taken, &[4, 60]), (4 + 32) * 60);
        assert_eq!(count(&taken, &[1, 60]), (4 + 32 + 4 + 32) * 60);
        let diagonal = map.diagonal(0, 1, 0).unwrap();
        assert_eq!(count(&diagonal, &[60]), 64 * 60);
    }
}
