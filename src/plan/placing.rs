//! Where the axes of what is computed in a pass lie among the axes of the pass.
//!
//! A pass walks a space. What it computes has axes of its own, each of which is one of the space: the rows of a result, say, and the
//! places that a product adds over. Names are all that axes of a space are to what is computed over them, so that whatever has as many
//! places, lies whole in a block and is no other axis of the same value will do.

use crate::{
    expr::Reduction,
    nd::{IndexMap, shape::c_strides},
};

/// For every axis of a value the axis of the pass that it is; `None`: one of one place, which the pass may lack.
pub type Axes = Vec<Option<usize>>;

/// The axes of a value whose shape is that of the pass.
#[must_use]
pub fn identity(rank: usize) -> Axes {
    (0..rank).map(Some).collect()
}

/// From coordinates of the pass to those of the value.
#[must_use]
pub fn map_of(axes: &[Option<usize>], space: &[usize]) -> IndexMap {
    let steps = (0..space.len()).map(|own| axes.iter().map(|axis| i64::from(*axis == Some(own))).collect());
    IndexMap::affine(space.to_vec(), vec![0; axes.len()], steps.collect())
}

/// The axes of the pass that a value has.
#[must_use]
pub fn flags(axes: &[Option<usize>], space: &[usize]) -> Vec<bool> {
    (0..space.len()).map(|own| space[own] > 1 && axes.contains(&Some(own))).collect()
}

/// Whether axes come in their order.
#[must_use]
pub fn is_ordered(axes: &[Option<usize>]) -> bool {
    axes.iter().flatten().is_sorted()
}

/// What is reduced, among the axes of a pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its axes.
    pub axes: Axes,
    /// The axes of the pass that the result does not have: a block in which they were cut would compute it more than once.
    pub others: Vec<bool>,
    /// The space with the axes that it lacked.
    pub space: Vec<usize>,
}

/// Places what `reduction` reduces, an array of `shape`, so that its result is `seen` by a pass over `space`; new axes are `added` to the
/// space at most.
#[must_use]
pub fn place(reduction: &Reduction, shape: &[usize], seen: &IndexMap, space: &[usize], added: usize) -> Option<Placed> {
    if seen.shape != space || seen.offset != [0] || !seen.maps.is_empty() {
        return None;
    }
    let is_reduced = |axis: &usize| reduction.axes.contains(axis);
    let kept: Vec<usize> = (0..shape.len()).filter(|axis| !is_reduced(axis)).collect();
    let strides = c_strides(&kept.iter().map(|&axis| shape[axis]).collect::<Vec<_>>());
    let steps = seen.strides();
    let wanted = |axis: usize| kept.iter().position(|&own| own == axis).map_or(0, |place| strides[place]);
    if shape == space && (0..space.len()).all(|axis| space[axis] <= 1 || steps[axis] == wanted(axis)) {
        let others = (0..space.len()).map(|axis| is_reduced(&axis)).collect();
        return Some(Placed { axes: identity(space.len()), others, space: space.to_vec() });
    }
    let mut axes: Axes = vec![None; shape.len()];
    let moves = |own: usize| space[own] > 1 && steps[own] != 0;
    for own in (0..space.len()).filter(|&own| moves(own)) {
        let meets = |axis: &&usize| axes[**axis].is_none() && shape[**axis] == space[own] && wanted(**axis) == steps[own];
        let axis = *kept.iter().find(meets)?;
        axes[axis] = Some(own);
    }
    if kept.iter().any(|&axis| shape[axis] > 1 && axes[axis].is_none()) {
        return None;
    }
    let mut wider = space.to_vec();
    for axis in (0..shape.len()).filter(|axis| is_reduced(axis) && shape[*axis] > 1) {
        let is_free = |own: &usize| wider[*own] == shape[axis] && !axes.contains(&Some(*own));
        let own = (0..wider.len()).find(is_free).or_else(|| (wider.len() < space.len() + added).then_some(wider.len()))?;
        if own == wider.len() {
            wider.push(shape[axis]);
        }
        axes[axis] = Some(own);
    }
    let others = (0..wider.len()).map(|own| own >= space.len() || !moves(own)).collect();
    Some(Placed { axes, others, space: wider })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        nd::DType,
        numeric::{Finish, SumMode},
    };

    fn over(axes: &[usize]) -> Reduction {
        Reduction { finish: Finish::Matmul, axes: axes.to_vec(), keepdims: false, mode: SumMode::Exact, dtype: DType::F64 }
    }

    #[test]
    fn inner_axes_are_whatever_is_free_or_new() {
        // A result of (7, 5) that a pass over (5, 7) sees turned, with three places inside.
        let seen = IndexMap::dense(&[7, 5], &[5, 1]).permute(&[1, 0]);
        let placed = place(&over(&[2]), &[7, 5, 3], &seen, &[5, 7], 1).unwrap();
        assert_eq!(placed.axes, [Some(1), Some(0), Some(2)]);
        assert_eq!((placed.space, placed.others), (vec![5, 7, 3], vec![false, false, true]));
        assert_eq!(place(&over(&[2]), &[7, 5, 3], &seen, &[5, 7], 0), None);
        // An axis that the result does not have will do.
        let seen = IndexMap::dense(&[7], &[1]).broadcast_to(&[3, 7]);
        let placed = place(&over(&[1]), &[7, 3], &seen, &[3, 7], 0).unwrap();
        assert_eq!((placed.axes, placed.others), (vec![Some(1), Some(0)], vec![true, false]));
    }

    #[test]
    fn other_views_have_no_place() {
        let backwards = IndexMap::affine(vec![7], vec![6], vec![vec![-1]]);
        assert_eq!(place(&over(&[1]), &[7, 3], &backwards, &[7], 1), None);
        let half = IndexMap::dense(&[7], &[1]);
        assert_eq!(place(&over(&[1]), &[14, 3], &half, &[7], 1), None);
        let map = map_of(&[Some(1), None, Some(0)], &[5, 7]);
        assert_eq!((map.shape, map.steps), (vec![5, 7], vec![vec![0, 0, 1], vec![1, 0, 0]]));
    }
}
