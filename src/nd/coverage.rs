//! Which part of an array has been written: boxes that never overlap, merged where they join.

use super::Region;

/// Boxes written so far.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    boxes: Vec<Region>,
}

impl Coverage {
    /// Adds a box. If it overlaps one that is there, nothing changes and that one is the error.
    pub fn add(&mut self, region: Region) -> Result<(), Region> {
        if region.is_empty() {
            return Ok(());
        }
        if let Some(there) = self.boxes.iter().find(|there| overlap(there, &region)) {
            return Err(there.clone());
        }
        self.join_in(region);
        Ok(())
    }

    /// Adds a box, whatever of it is there already.
    pub fn cover(&mut self, region: &Region) {
        for piece in self.missing_in(region) {
            self.join_in(piece);
        }
    }

    /// Whether every element of a box is there.
    #[must_use]
    pub fn has(&self, region: &Region) -> bool {
        region.is_empty() || self.missing_in(region).is_empty()
    }

    /// The boxes, none of which overlaps another.
    #[must_use]
    pub fn boxes(&self) -> &[Region] {
        &self.boxes
    }

    /// Number of elements.
    #[must_use]
    pub fn count(&self) -> usize {
        self.boxes.iter().map(Region::count).sum()
    }

    /// What of a box is not there, as boxes.
    fn missing_in(&self, region: &Region) -> Vec<Region> {
        let mut missing = vec![region.clone()];
        missing.retain(|region| !region.is_empty());
        for there in &self.boxes {
            if missing.is_empty() {
                break;
            }
            missing = missing.into_iter().flat_map(|region| without(region, there)).collect();
        }
        missing
    }

    /// Adds a box that overlaps none. Boxes that share a face become one, so that rows written in any order stay few boxes.
    fn join_in(&mut self, region: Region) {
        let mut grown = region;
        while let Some((index, merged)) = self.boxes.iter().enumerate().find_map(|(index, there)| Some((index, join(there, &grown)?))) {
            self.boxes.swap_remove(index);
            grown = merged;
        }
        self.boxes.push(grown);
    }

    /// The first box (C order of its first element) of an array of `shape` that is not covered.
    #[must_use]
    pub fn first_missing(&self, shape: &[usize]) -> Option<Region> {
        self.missing_in(&Region::whole(shape)).into_iter().min_by(|a, b| a.start.cmp(&b.start))
    }
}

fn overlap(a: &Region, b: &Region) -> bool {
    (0..a.rank()).all(|axis| a.start[axis] < b.end(axis) && b.start[axis] < a.end(axis))
}

/// The box of both, if they are equal on all axes but one and adjoin there.
fn join(a: &Region, b: &Region) -> Option<Region> {
    let mut other = (0..a.rank()).filter(|&axis| a.start[axis] != b.start[axis] || a.shape[axis] != b.shape[axis]);
    let axis = other.next()?;
    if other.next().is_some() || (a.end(axis) != b.start[axis] && b.end(axis) != a.start[axis]) {
        return None;
    }
    let mut merged = a.clone();
    merged.start[axis] = a.start[axis].min(b.start[axis]);
    merged.shape[axis] += b.shape[axis];
    Some(merged)
}

/// `region` without `hole`, as boxes.
fn without(region: Region, hole: &Region) -> Vec<Region> {
    if !overlap(&region, hole) {
        return vec![region];
    }
    let mut rest = Vec::new();
    let mut left = region;
    for axis in 0..left.rank() {
        let (start, end) = (left.start[axis], left.end(axis));
        let (from, to) = (hole.start[axis].max(start), hole.end(axis).min(end));
        for (first, last) in [(start, from), (to, end)] {
            if first < last {
                let mut piece = left.clone();
                (piece.start[axis], piece.shape[axis]) = (first, last - first);
                rest.push(piece);
            }
        }
        (left.start[axis], left.shape[axis]) = (from, to - from);
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_merge_and_the_first_gap_is_found() {
        let shape = [4, 6];
        let mut coverage = Coverage::default();
        assert_eq!(coverage.first_missing(&shape), Some(Region::whole(&shape)));
        for (start, size) in [([2, 0], [2, 6]), ([0, 3], [1, 3]), ([0, 0], [1, 2]), ([1, 0], [1, 6])] {
            coverage.add(Region::new(start, size)).unwrap();
        }
        assert_eq!(coverage.first_missing(&shape), Some(Region::new([0, 2], [1, 1])));
        assert_eq!(coverage.add(Region::new([3, 5], [1, 1])), Err(Region::new([1, 0], [3, 6])));
        coverage.add(Region::new([0, 2], [1, 1])).unwrap();
        assert_eq!((coverage.first_missing(&shape), coverage.boxes.len()), (None, 1));
        let mut none = Coverage::default();
        assert_eq!(none.first_missing(&[0, 3]), None);
        assert_eq!(none.first_missing(&[]), Some(Region::whole(&[])));
        none.add(Region::whole(&[])).unwrap();
        assert_eq!(none.first_missing(&[]), None);
    }

    #[test]
    fn boxes_that_overlap_are_counted_once() {
        let shape = [6, 5];
        let mut coverage = Coverage::default();
        for (start, size) in [([0, 0], [3, 5]), ([2, 1], [3, 3]), ([2, 1], [3, 3]), ([0, 0], [0, 5])] {
            coverage.cover(&Region::new(start, size));
        }
        let inside = |row: usize, column: usize| row < 3 || (row < 5 && (1..4).contains(&column));
        for row in 0..6 {
            for column in 0..5 {
                assert_eq!(coverage.has(&Region::new([row, column], [1, 1])), inside(row, column), "{row} {column}");
            }
        }
        assert_eq!(coverage.count(), 21);
        assert!(coverage.has(&Region::new([1, 1], [4, 3])) && !coverage.has(&Region::new([1, 0], [3, 2])));
        coverage.cover(&Region::whole(&shape));
        assert_eq!((coverage.count(), coverage.first_missing(&shape)), (30, None));
    }
}
