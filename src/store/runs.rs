//! The runs of elements that a box of a C-order array is made of.

use crate::{error::Result, nd::Region, nd::shape::c_strides};

/// Calls `visit(place in the array, place in the box, length)` for every longest run of elements that is contiguous in
/// both an array of `shape` and a box of it, in C order. The box lies inside the array.
pub(super) fn for_each_run(shape: &[usize], region: &Region, mut visit: impl FnMut(usize, usize, usize) -> Result<()>) -> Result<()> {
    if region.is_empty() {
        return Ok(());
    }
    // Axes from `inner` on make one run: all of them whole, except the first, which may be a part.
    let mut inner = shape.len();
    let mut length = 1;
    while inner > 0 {
        inner -= 1;
        length *= region.shape[inner];
        if region.shape[inner] != shape[inner] {
            break;
        }
    }
    let strides = c_strides(shape);
    let mut place: usize = region.start.iter().zip(&strides).map(|(&start, &stride)| start * stride as usize).sum();
    let mut step = vec![0; inner];
    for run in 0..region.shape[..inner].iter().product() {
        visit(place, run * length, length)?;
        for axis in (0..inner).rev() {
            let stride = strides[axis] as usize;
            step[axis] += 1;
            place += stride;
            if step[axis] < region.shape[axis] {
                break;
            }
            place -= stride * region.shape[axis];
            step[axis] = 0;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(shape: &[usize], start: &[usize], lengths: &[usize]) -> Vec<(usize, usize, usize)> {
        let mut found = Vec::new();
        for_each_run(shape, &Region::new(start, lengths), |array, part, length| {
            found.push((array, part, length));
            Ok(())
        })
        .unwrap();
        found
    }

    #[test]
    fn boxes_fall_into_longest_runs() {
        assert_eq!(runs(&[], &[], &[]), [(0, 0, 1)]);
        assert_eq!(runs(&[10], &[2], &[3]), [(2, 0, 3)]);
        assert_eq!(runs(&[4, 5], &[1, 0], &[2, 5]), [(5, 0, 10)]);
        assert_eq!(runs(&[4, 5], &[1, 1], &[2, 3]), [(6, 0, 3), (11, 3, 3)]);
        assert_eq!(runs(&[2, 3, 4], &[0, 1, 0], &[2, 2, 4]), [(4, 0, 8), (16, 8, 8)]);
        assert_eq!(runs(&[2, 2, 2], &[0, 0, 1], &[2, 2, 1]), [(1, 0, 1), (3, 1, 1), (5, 2, 1), (7, 3, 1)]);
        assert_eq!(runs(&[2, 3], &[1, 0], &[1, 3]), [(3, 0, 3)]);
        assert_eq!(runs(&[4, 5], &[1, 1], &[0, 3]), []);
    }
}
