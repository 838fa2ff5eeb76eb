//! Tests of arrays in memory: every kind of strides read in place, and the laws.

use super::*;
use crate::store::suite::{self, Naming, TargetCase};
use ndarray::{Array, Array3, Axis, Slice, s};

/// Reads an array through its source, element by element.
fn through<T: Element>(source: &dyn Source) -> (Vec<usize>, Vec<T>) {
    let map = source.index_map();
    let grid = crate::nd::Grid::new(map.shape.clone(), vec![1; map.shape.len()]);
    let element = |index: usize| {
        let place = map.linear(&grid.region(index).start) as usize;
        let window = source.window(place..place + 1).unwrap().unwrap();
        T::from_bytes(&window)
    };
    let elements = (0..map.shape.iter().product()).map(element).collect();
    (map.shape, elements)
}

fn sample() -> Array3<i32> {
    Array::from_iter(0..2 * 3 * 4).into_shape_with_order((2, 3, 4)).unwrap()
}

#[test]
fn arrays_of_any_strides_are_read_in_place() {
    let mut reversed = sample();
    reversed.invert_axis(Axis(1));
    let mut stepped = sample();
    stepped.slice_axis_inplace(Axis(2), Slice::new(0, None, -2));
    let mut inner = sample();
    inner.slice_collapse(s![1.., 1..2, 1..3]);
    let mut empty = sample();
    empty.slice_collapse(s![.., 1..1, ..]);
    for (array, whole) in [
        (sample(), true),
        (sample().permuted_axes([2, 0, 1]), true),
        (reversed, false),
        (stepped, false),
        (inner, true), // one row of four: a run of two elements
        (empty, true),
    ] {
        let shared = array.clone().into_shared().into_dyn();
        let lowest = shared.iter().map(|element| std::ptr::from_ref(element) as usize).min();
        let source = MemorySource::from_array(shared.clone());
        assert_eq!(through::<i32>(&source), (array.shape().to_vec(), array.iter().copied().collect()));
        assert_eq!(source.facts().shape == array.shape(), whole, "{:?}", array.strides());
        if whole {
            assert_eq!(source.index_map(), IndexMap::of_source(source.facts()));
        }
        let window = source.window(0..source.facts().count()).unwrap().unwrap();
        assert!(lowest.is_none_or(|lowest| lowest == window.as_ptr() as usize), "no copy");
        suite::check_source(&source, &window);
    }
}

#[test]
fn windows_outlive_their_source() {
    let source = MemorySource::from_vec(&[3], vec![1.0f32, 2.0, 3.0]).unwrap();
    let window = source.window(1..3).unwrap().unwrap();
    drop(source);
    assert_eq!(&*window, bytemuck::cast_slice::<f32, u8>(&[2.0, 3.0]));
}

#[test]
fn vectors_and_bytes_are_checked_against_the_shape() {
    suite::check_source(&MemorySource::from_vec(&[2, 2], vec![true, false, true, true]).unwrap(), &[1, 0, 1, 1]);
    suite::check_source(&MemorySource::from_bytes(DType::U16, &[], AlignedBytes::from(&[7, 0][..])).unwrap(), &[7, 0]);
    assert!(
        MemorySource::from_vec(&[2, 2], vec![1u8]).is_err_and(|error| error.message().contains("1 elements for an array of shape (2, 2)"))
    );
    assert!(MemorySource::from_bytes(DType::F64, &[2], AlignedBytes::zeroed(15)).is_err());
    let named = |names: &[&str]| MemorySource::from_vec(&[1, 1], vec![1u8]).unwrap().with_dims(Dims::named(names).unwrap());
    assert!(named(&["row", "column"]).is_ok() && named(&["row"]).is_err());
}

#[test]
fn targets_keep_the_laws() {
    for dtype in DType::ALL {
        for shape in [&[][..], &[0, 3], &[7], &[4, 1, 5]] {
            suite::check_target(&TargetCase {
                create: &|| MemoryTarget::new(dtype, shape),
                read_back: &|target| {
                    let source = target.take_source().unwrap();
                    Some(source.window(0..source.facts().count()).unwrap().unwrap().to_vec())
                },
                is_clean: &|| true,
                remove: &|| {},
                named: Naming::Nameless,
            });
        }
    }
}

#[test]
fn published_arrays_are_taken_once() {
    let target = MemoryTarget::new(DType::F64, &[2, 2]).unwrap();
    assert!(target.take_array::<f64>().is_err());
    for row in [1, 0] {
        target.write(&Region::new([row, 0], [1, 2]), bytemuck::cast_slice(&[row as f64, 5.0])).unwrap();
    }
    target.publish().unwrap();
    assert!(target.take_array::<f32>().unwrap_err().message().contains("f64, not f32"));
    assert_eq!(target.take_array::<f64>().unwrap(), ndarray::arr2(&[[0.0, 5.0], [1.0, 5.0]]).into_dyn());
    assert!(target.take_source().is_err_and(|error| error.message().contains("twice")));
    assert!(MemoryTarget::new(DType::F64, &[usize::MAX]).is_err());
    if cfg!(miri) {
        return; // There an allocation that is refused ends the interpreter.
    }
    assert!(MemoryTarget::new(DType::F64, &[1 << 59]).is_err_and(|error| error.needed_bytes() == Some(1 << 62)));
}

#[test]
fn boxes_without_gaps_are_lent_and_count_when_they_are_finished() {
    let target = MemoryTarget::new(DType::I32, &[3, 4]).unwrap();
    assert!(target.lend(&Region::new([0, 1], [2, 2])).unwrap().is_none());
    assert!(target.lend(&Region::new([2, 0], [2, 4])).is_err());
    let mut rows = target.lend(&Region::new([1, 0], [2, 4])).unwrap().unwrap();
    assert!(target.write(&Region::new([0, 0], [2, 4]), &[0; 32]).is_err(), "a part of it is lent");
    bytemuck::cast_slice_mut::<u8, i32>(rows.bytes_mut()).fill(7);
    rows.finish();
    assert!(target.publish().is_err(), "the first row is missing");
    target.lend(&Region::new([0, 1], [1, 3])).unwrap().unwrap().finish();
    target.write(&Region::new([0, 0], [1, 1]), &5i32.to_ne_bytes()).unwrap();
    target.publish().unwrap();
    assert_eq!(target.take_array::<i32>().unwrap(), ndarray::arr2(&[[5, 0, 0, 0], [7; 4], [7; 4]]).into_dyn());
    let bools = MemoryTarget::new(DType::Bool, &[2]).unwrap();
    assert!(bools.lend(&Region::whole(&[2])).unwrap().is_none());
    bools.write(&Region::whole(&[2]), &[0, 9]).unwrap();
    bools.publish().unwrap();
    assert_eq!(bools.take_array::<bool>().unwrap(), ndarray::arr1(&[false, true]).into_dyn());
}
