//! Scans from the door down: the same bits whatever the blocks, the threads and the budget.

use super::{linalg_tests::session, *};
use crate::{IoMode, nd::DType, numeric::SumMode};
use ndarray::{Array2, Array3, ArrayD, Axis, s};

fn sessions() -> Vec<Session> {
    let grids = [("256MiB", 1, 0), ("256MiB", 3, 64), ("64MiB", 2, 1 << 10), ("64MiB", 2, 40_000)];
    grids.map(|(memory, threads, block)| session(threads, block, memory, IoMode::Auto)).into()
}

fn noise(shape: (usize, usize, usize)) -> Array3<f64> {
    let mut seed = 5_u64;
    Array3::from_shape_fn(shape, |_| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let exponent = (seed >> 40) as i32 % 60 - 30;
        ((seed >> 11) as f64 / (1u64 << 53) as f64 - 0.5) * f64::from(exponent).exp2()
    })
}

/// The scan by a plain loop over every line; exact in f64 for small integers.
fn plain(values: &ArrayD<f64>, axis: usize, step: impl Fn(f64, f64) -> f64) -> ArrayD<f64> {
    let mut out = values.clone();
    for mut lane in out.lanes_mut(Axis(axis)) {
        for at in 1..lane.len() {
            lane[at] = step(lane[at - 1], lane[at]);
        }
    }
    out
}

#[test]
fn small_integers_are_scanned_along_every_axis() {
    let values = noise((7, 11, 13)).mapv(|value| (value * 1e3).rem_euclid(7.0).floor() - 3.0).into_dyn();
    for session in sessions() {
        let x = session.from_ndarray(values.clone());
        for axis in 0..3 {
            for (scanned, want) in [
                (x.cumsum(axis), plain(&values, axis, |a, b| a + b)),
                (x.cummax(axis), plain(&values, axis, f64::max)),
                (x.cummin(axis), plain(&values, axis, f64::min)),
                ((x.cumsum(axis) * 2.0).cumsum(axis), plain(&plain(&values, axis, |a, b| a + b).mapv(|v| v * 2.0), axis, |a, b| a + b)),
                (x.astype(DType::I8).cumsum(axis).astype(DType::F64), plain(&values, axis, |a, b| a + b)),
                (x.cumsum(axis).cummax((axis + 1) % 3), plain(&plain(&values, axis, |a, b| a + b), (axis + 1) % 3, f64::max)),
            ] {
                assert_eq!(scanned.eval::<f64, _>().unwrap(), want, "axis {axis}");
            }
            let seen = x.cumsum(axis).slice(s![1..5, ..;3, 2..]).transpose();
            let want = plain(&values, axis, |a, b| a + b).slice(s![1..5, ..;3, 2..]).to_owned().reversed_axes().into_dyn();
            assert_eq!(seen.eval::<f64, _>().unwrap(), want);
        }
        let flat = plain(&values.flatten().into_dyn().to_owned(), 0, |a, b| a + b);
        assert_eq!(x.cumsum(..).eval::<f64, _>().unwrap(), flat);
    }
}

#[test]
fn sums_are_the_same_for_every_cut_and_end_in_the_sum() {
    let values = noise((9000, 3, 2));
    for (axis, values) in [(0, values.clone()), (2, values.permuted_axes([1, 2, 0]).as_standard_layout().to_owned())] {
        let mut first: Option<Vec<u64>> = None;
        for session in sessions() {
            let x = session.from_ndarray(values.clone());
            let scanned = x.cumsum(axis);
            let found = scanned.eval::<f64, ndarray::IxDyn>().unwrap();
            let last = found.index_axis(Axis(axis), 8999).to_owned();
            assert_eq!(last.mapv(f64::to_bits), x.sum(axis).eval::<f64, ndarray::IxDyn>().unwrap().mapv(f64::to_bits));
            let bits: Vec<u64> = found.iter().map(|value| value.to_bits()).collect();
            assert_eq!(first.get_or_insert_with(|| bits.clone()), &bits);
        }
    }
}

#[test]
fn other_modes_do_not_depend_on_cuts_either() {
    let values: Array2<f32> = noise((300, 40, 1)).index_axis_move(Axis(2), 0).mapv(|value| value as f32);
    for mode in [SumMode::Naive, SumMode::Neumaier] {
        let mut first = None;
        for session in sessions() {
            let bits =
                session.from_ndarray(values.clone()).cumsum(axis(0).sum(mode)).eval::<f32, ndarray::IxDyn>().unwrap().mapv(f32::to_bits);
            assert_eq!(first.get_or_insert_with(|| bits.clone()), &bits);
        }
    }
}

#[test]
fn a_scan_feeds_reductions_and_selections() {
    for session in sessions() {
        let x = session.arange(0, 1000, 1).reshape([50, 20]);
        let scanned = x.cumsum(0);
        let want: i64 = (0..20i64)
            .map(|column| {
                (0..50)
                    .scan(0, |sum, row| {
                        *sum += row * 20 + column;
                        Some(*sum)
                    })
                    .sum::<i64>()
            })
            .sum();
        assert_eq!(scanned.sum(..).eval::<i64, ndarray::Ix0>().unwrap().into_scalar(), want);
        let picked = scanned.compress(&x.mean(1).greater(900.0)).eval::<i64, ndarray::IxDyn>().unwrap();
        assert_eq!(picked.shape(), [5, 20]);
        assert_eq!(picked[[4, 3]], (0..50).map(|row| row * 20 + 3).sum::<i64>());
    }
}

#[test]
fn an_overflow_names_its_place() {
    for session in sessions() {
        let mut values = Array2::<i64>::ones((600, 5));
        values[[0, 3]] = i64::MAX - 100;
        let error = session.from_ndarray(values).cumsum(0).eval::<i64, ndarray::IxDyn>().unwrap_err().to_string();
        assert!(error.contains("(101, 3)") && error.contains("i64"), "{error}");
    }
}

#[test]
fn windows_and_differences_are_views_and_slices() {
    for session in sessions() {
        let values = noise((40, 7, 1)).index_axis_move(Axis(2), 0);
        let x = session.from_ndarray(values.clone());
        let windows = x.sliding_window_view(5, 0);
        assert_eq!(windows.shape().unwrap(), [36, 7, 5]);
        let found = windows.max(-1).eval::<f64, ndarray::Ix2>().unwrap();
        let doubled = (&x * 2.0).sliding_window_view(5, 0).max(-1).eval::<f64, ndarray::Ix2>().unwrap();
        for ((row, column), &value) in found.indexed_iter() {
            let want = values.slice(s![row..row + 5, column]).fold(f64::NEG_INFINITY, |a, &b| a.max(b));
            assert_eq!((value, doubled[[row, column]]), (want, want * 2.0));
        }
        let both = x.sliding_window_view(3, 0).sliding_window_view(2, 1).eval::<f64, ndarray::IxDyn>().unwrap();
        assert_eq!(both.shape(), [38, 6, 3, 2]);
        assert_eq!(both[[4, 3, 2, 1]], values[[6, 4]]);
        let second = x.diff(2, 0).eval::<f64, ndarray::Ix2>().unwrap();
        assert_eq!(second[[3, 2]], (values[[5, 2]] - values[[4, 2]]) - (values[[4, 2]] - values[[3, 2]]));
        assert_eq!(x.greater(0.0).diff(1, -1).dtype().unwrap(), DType::Bool);
        assert!(x.sliding_window_view(41, 0).error().is_some());
    }
}

#[test]
fn user_code_keeps_states_along_lines_and_over_blocks() {
    let values = noise((50, 9, 4)).mapv(|value| (value * 1e3).rem_euclid(9.0).floor());
    for session in sessions() {
        let x = session.from_ndarray(values.clone());
        for axis in 0..3 {
            let running = x.scan_with::<f64, f32, f64>(
                StateSpec::named("running/1").heap_bytes(8),
                axis,
                || 0.0,
                |sum, line, mut out| {
                    for (value, out) in line.iter().zip(&mut out) {
                        *sum += value;
                        *out = *sum as f32;
                    }
                    Ok(())
                },
            );
            let found = (running.cast::<f64>() + 1.0).eval::<f64, ndarray::IxDyn>().unwrap();
            assert_eq!(found, plain(&values.clone().into_dyn(), axis, |a, b| a + b) + 1.0);
        }
        let ends = x.reduce_with::<f64, f64, Vec<f64>>(
            StateSpec::named("ends/1").shape([2]).heap_bytes(64),
            Vec::new,
            |seen, block| {
                seen.extend(block.iter());
                *seen = vec![seen[0], seen[seen.len() - 1]];
                Ok(())
            },
            |state, other| state.extend(other),
            |state, mut out| {
                out.assign(&ndarray::arr1(&[state[0], state[state.len() - 1]]).into_dyn());
                Ok(())
            },
        );
        // Runs come in their order.
        assert_eq!(ends.eval::<f64, ndarray::Ix1>().unwrap().to_vec(), [values[[0, 0, 0]], values[[49, 8, 3]]]);
        let failing = x.scan_with::<f64, f64, ()>(StateSpec::named("no/1"), 0, || (), |(), _, _| panic!("never"));
        let error = failing.eval::<f64, ndarray::IxDyn>().unwrap_err().to_string();
        assert!(error.contains("no/1") && error.contains("never"), "{error}");
    }
}

#[test]
fn functions_see_neighbours_whatever_the_blocks() {
    let values = noise((23, 17, 3));
    let sum = |block: ndarray::ArrayViewD<'_, f64>, mut out: ndarray::ArrayViewMutD<'_, f64>| {
        for (at, out) in out.indexed_iter_mut() {
            let (row, column, last) = (at[0], at[1], at[2]);
            *out = block[[row, column, last]] - 2.0 * block[[row + 1, column + 3, last]] + block[[row + 2, column + 1, last]];
        }
        Ok(())
    };
    let spec = || OverlapSpec::named("stencil/1").depth(0, 1, 1).depth(1, 2, 1);
    for session in sessions() {
        let x = session.from_ndarray(values.clone());
        for (boundary, operand) in
            [(None, &x * 1.0), (Some(Pad::Edge), x.clone()), (Some(Pad::Reflect), &x + 1.0), (Some(Pad::Constant(7.into())), x.clone())]
        {
            let operand_spec = boundary.map_or_else(spec, |boundary| spec().boundary(boundary));
            let padded = boundary.map_or_else(|| operand.clone(), |boundary| operand.pad(&[(1, 1), (2, 1), (0, 0)], boundary));
            let wide = padded.eval::<f64, ndarray::Ix3>().unwrap().into_dyn();
            let mapped = operand.map_overlap::<f64, f64>(operand_spec, sum);
            let mut want = ArrayD::zeros(mapped.shape().unwrap());
            sum(wide.view(), want.view_mut()).unwrap();
            assert_eq!(mapped.eval::<f64, ndarray::IxDyn>().unwrap(), want, "{boundary:?}");
            let after = (&mapped * 2.0).cumsum(0).max(..).eval::<f64, ndarray::Ix0>().unwrap().into_scalar();
            let scanned = session.from_ndarray(want.mapv(|value| value * 2.0)).cumsum(0).max(..);
            assert_eq!(after, scanned.eval::<f64, ndarray::Ix0>().unwrap().into_scalar());
        }
        assert!(x.map_overlap::<f64, f64>(OverlapSpec::named("deep/1").depth(0, 20, 20), sum).error().is_some());
    }
}
