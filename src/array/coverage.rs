//! Which part of an array has been written: boxes that never overlap, merged where they join.

use super::words::Region;

/// Boxes written so far.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    boxes: Vec<Region>,
}

impl Coverage {
    /// Adds a box. If it overlaps one that is there, nothing changes and that one is returned.
    pub fn add(&mut self, region: Region) -> Result<(), Region> {
        if region.is_empty() {
            return Ok(());
        }
        if let Some(there) = self.boxes.iter().find(|there| overlap(there, &region)) {
            return Err(there.clone());
        }
        // Boxes that share a face become one, so that rows written in any order stay few boxes.
        let mut grown = region;
        while let Some((index, merged)) = self.boxes.iter().enumerate().find_map(|(index, there)| Some((index, join(there, &grown)?))) {
            self.boxes.swap_remove(index);
            grown = merged;
        }
        self.boxes.push(grown);
        Ok(())
    }

    /// The first box (C order of its first element) of an array of `shape` that is not covered.
    pub fn first_missing(&self, shape: &[usize]) -> Option<Region> {
        let mut missing = vec![Region::whole(shape)];
        missing.retain(|region| !region.is_empty());
        for there in &self.boxes {
            missing = missing.into_iter().flat_map(|region| without(region, there)).collect();
        }
        missing.into_iter().min_by(|a, b| a.start.cmp(&b.start))
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
}
