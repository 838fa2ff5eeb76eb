//! Jobs from end to end: through the planner, the engine and the stores.

use super::*;
use crate::{DType, ErrorKind, SumMode, ZarrOptions};
use ndarray::{Array1, Array2, Array3, Ix2, array, s};
use std::{fs, path::Path};

fn session() -> Session {
    Session::builder().memory("64MiB").threads(2).build().unwrap()
}

fn numbers(rows: usize, columns: usize) -> Array2<f32> {
    Array2::from_shape_fn((rows, columns), |(a, b)| ((a * 31 + b * 7) % 101) as f32 - 50.0)
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().to_string()).collect();
    names.sort();
    names
}

#[test]
fn elementwise_and_reductions_are_numbers() {
    let ses = session();
    let data = numbers(200, 33);
    let x = ses.from_ndarray(data.clone());
    let y: Array2<f32> = ((&x * 2.0 - 1) / 4.0).eval().unwrap();
    assert_eq!(y, data.mapv(|v| (v * 2.0 - 1.0) / 4.0));
    let total: f32 = x.sum(..).item().unwrap();
    assert_eq!(total, data.iter().map(|&v| f64::from(v)).sum::<f64>() as f32);
    let columns: Array1<f32> = x.max(0).eval().unwrap();
    assert_eq!(columns, data.map_axis(ndarray::Axis(0), |lane| lane.iter().copied().fold(f32::MIN, f32::max)));
    let count: i64 = x.greater(0.0).count_nonzero(..).item().unwrap();
    assert_eq!(count, data.iter().filter(|v| **v > 0.0).count() as i64);
    let z: Array2<f32> = ((&x - x.mean(0)) / x.std(axis(0).ddof(1)).maximum(1e-12)).eval().unwrap();
    assert!(z.mean_axis(ndarray::Axis(0)).unwrap().iter().all(|mean| mean.abs() < 1e-5));
    let picked: Array2<f32> = where_(x.less(0.0), 0.0, &x).slice(s![5..;-3, ..4]).eval().unwrap();
    assert_eq!(picked, data.mapv(|v| if v < 0.0 { 0.0 } else { v }).slice(s![5..;-3, ..4]));
    assert!(x.eval::<f64, Ix2>().unwrap_err().to_string().contains("f32"));
    assert!(x.eval::<f32, ndarray::Ix1>().is_err());
    assert!(x.item::<f32>().is_err());
}

#[test]
fn memory_layouts_come_in_as_they_are() {
    let ses = session();
    let data = numbers(6, 5);
    let cases: Vec<Array2<f32>> = vec![
        data.clone().reversed_axes(),
        data.clone().slice_move(s![..;-1, ..]),
        data.clone().slice_move(s![.., ..;-1]).reversed_axes(),
        data.clone().slice_move(s![..;2, 1..4]),
        data.clone().slice_move(s![..0, ..]),
        data.clone().slice_move(s![2..3, ..;-2]),
    ];
    for case in cases {
        let computed: Array2<f32> = (ses.from_ndarray(case.clone()) + 1.0).eval().unwrap();
        assert_eq!(computed, case.mapv(|v| v + 1.0));
    }
}

#[test]
fn created_arrays_have_numpy_values() {
    let ses = session();
    assert_eq!(ses.arange(1, 8, 2).eval::<i64, _>().unwrap(), array![1, 3, 5, 7]);
    assert_eq!(ses.arange(1.0, 0.0, -0.25).eval::<f64, _>().unwrap(), array![1.0, 0.75, 0.5, 0.25]);
    assert_eq!(ses.linspace(0.0, 1.0, 5).eval::<f64, _>().unwrap(), array![0.0, 0.25, 0.5, 0.75, 1.0]);
    assert_eq!(ses.eye::<u8>(2).eval::<u8, _>().unwrap(), array![[1, 0], [0, 1]]);
    assert_eq!(ses.full([2], 2.5).eval::<f64, _>().unwrap(), array![2.5, 2.5]);
    assert_eq!(ses.ones::<f32>([1, 2]).eval::<f32, _>().unwrap(), array![[1.0, 1.0]]);
    assert_eq!(Array::scalar(3).power(2).item::<i64>().unwrap(), 9);
    assert_eq!(ses.arange(0, 6, 1).reshape([2, -1]).t().eval::<i64, _>().unwrap(), array![[0, 3], [1, 4], [2, 5]]);
}

#[test]
fn masks_select() {
    let ses = session();
    let data = numbers(50, 4);
    let x = ses.from_ndarray(data.clone());
    let flat: Array1<f32> = x.compress(&x.greater(10.0)).eval().unwrap();
    assert_eq!(flat.to_vec(), data.iter().copied().filter(|v| *v > 10.0).collect::<Vec<_>>());
    let rows = x.compress(&x.sum(1).greater(0.0));
    let want: Vec<_> = data.outer_iter().filter(|row| row.sum() > 0.0).collect();
    let chosen: Array2<f32> = rows.eval().unwrap();
    assert_eq!(chosen.nrows(), want.len());
    assert!(chosen.outer_iter().zip(&want).all(|(a, b)| a == *b));
    // A mask that depends on another selection, and a number that depends on both.
    let most: f32 = rows.compress(&rows.less(0.0)).max(..).item().unwrap();
    assert_eq!(most, want.iter().flat_map(|row| row.iter().copied()).filter(|v| *v < 0.0).fold(f32::MIN, f32::max));
    assert!(ses.explain([&rows]).unwrap().len() > 10);
}

#[test]
fn files_are_published_together_or_not_at_all() {
    let ses = session();
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    let data = numbers(100, 8);
    let x = ses.from_ndarray(data.clone());
    let report = ses.save_all([(&(&x + 1.0), path("y.npy")), (&x.mean(0), path("m.npy"))], Save::new()).unwrap();
    assert!(report.stats.bytes_written >= 100 * 8 * 4 && report.seconds > 0.0);
    assert_eq!(names(folder.path()), ["m.npy", "y.npy"]);
    let y = ses.open(path("y.npy"));
    assert_eq!(y.eval::<f32, Ix2>().unwrap(), data.mapv(|v| v + 1.0));
    let kind = |result: crate::Result<RunReport>| result.unwrap_err().kind();
    assert_eq!(kind(x.save(path("y.npy"))), ErrorKind::Output);
    assert_eq!(kind(ses.save_all([(&(&y * 2.0), path("missing/../missing/./y.npy"))], Save::new())), ErrorKind::Output);
    let itself = folder.path().join(".").join("y.npy");
    let error = ses.save_all([(&(&y * 2.0), itself)], Save::new().overwrite()).unwrap_err();
    assert!(error.to_string().contains("is the input"), "{error}");
    assert_eq!(kind(ses.save_all([(&x, path("a.npy")), (&x, path("a.npy"))], Save::new())), ErrorKind::Output);
    ses.save_all([(&x, path("m.npy"))], Save::new().overwrite()).unwrap();
    // A false assertion and a failing cast leave nothing.
    let job = Job::new(&ses).output("z", &x, Destination::Path(path("z.npy"))).assert("x > 0", &x.greater(0.0));
    let error = job.run().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Assert, "{error}");
    assert!(error.to_string().contains("x > 0"), "{error}");
    assert!((&x * 1e9).astype(DType::I8).save(path("z.npy")).is_err());
    assert_eq!(names(folder.path()), ["m.npy", "y.npy"]);
    assert_eq!(ses.open(path("m.npy")).shape().unwrap(), [100, 8]);
}

#[test]
fn results_count_against_the_budget() {
    let ses = Session::builder().memory("8MiB").threads(1).build().unwrap();
    let big = ses.zeros::<f32>([4096, 1024]);
    let error = big.eval_any().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.to_string().contains("blocks") && error.to_string().contains("16.00 MiB"), "{error}");
    assert_eq!(big.sum(..).item::<f32>().unwrap(), 0.0);
    let (mut rows, mut next) = (0, 0);
    for block in big.blocks(Rows(100)) {
        let block = block.unwrap();
        assert_eq!(block.region().start, [next, 0]);
        rows += block.view::<f32, Ix2>().unwrap().nrows();
        next += 100;
    }
    assert_eq!(rows, 4096);
    assert!(big.blocks(Rows(4096)).next().unwrap().is_err());
}

#[test]
fn blocks_come_in_order_and_may_be_left_early() {
    let ses = session();
    let data = numbers(1003, 7);
    let y = ses.from_ndarray(data.clone()) * 3.0;
    let mut all = Vec::new();
    for block in y.blocks(Rows(64)) {
        all.extend(block.unwrap().view::<f32, Ix2>().unwrap().iter().copied());
    }
    assert_eq!(all, data.iter().map(|v| v * 3.0).collect::<Vec<_>>());
    let mut some = y.blocks(Rows(10));
    assert!(some.next().unwrap().is_ok());
    drop(some);
    let means: Vec<_> = y.mean(0).blocks(Rows(3)).collect::<crate::Result<_>>().unwrap();
    assert_eq!(means.iter().map(|block| block.region().shape[0]).collect::<Vec<_>>(), [3, 3, 1]);
    assert_eq!(y.blocks(Rows(0)).count(), 1);
}

#[test]
fn results_too_large_for_a_cache_are_whole() {
    let ses = Session::builder().memory("400MiB").threads(2).build().unwrap();
    let data = numbers(2999, 3001);
    let x = ses.from_ndarray(data.clone());
    assert_eq!(((&x * 2.0 - 1) / 4.0).eval::<f32, Ix2>().unwrap(), data.mapv(|v| (v * 2.0 - 1.0) / 4.0));
    assert_eq!(x.t().eval::<f32, Ix2>().unwrap(), data.t());
    assert_eq!(x.slice(s![..;-1, ..]).cast::<f64>().eval::<f64, Ix2>().unwrap(), data.slice(s![..;-1, ..]).mapv(f64::from));
}

#[test]
fn views_receive_results() {
    let ses = session();
    let x = ses.from_ndarray(numbers(30, 4));
    let mut wide = Array2::<f32>::zeros((30, 8));
    x.eval_into(wide.slice_mut(s![.., ..;2])).unwrap();
    assert_eq!(wide.slice(s![.., ..;2]), numbers(30, 4));
    assert!(wide.slice(s![.., 1..;2]).iter().all(|v| *v == 0.0));
    assert!(x.eval_into(wide.view_mut()).is_err());
}

#[test]
fn block_functions_run_fail_and_panic() {
    let ses = session();
    let data = numbers(40, 6);
    let x = ses.from_ndarray(data.clone()).named(["row", "dim"]);
    let soft = x.map_blocks::<f32, f64>(MapSpec::named("norm/1").whole("dim").scratch_bytes(64), |block, mut out| {
        for (from, mut to) in block.outer_iter().zip(out.outer_iter_mut()) {
            let total: f64 = from.iter().map(|v| f64::from(*v)).sum();
            to.iter_mut().zip(&from).for_each(|(to, from)| *to = f64::from(*from) - total);
        }
        Ok(())
    });
    let want = Array2::from_shape_fn((40, 6), |(a, b)| f64::from(data[[a, b]]) - data.row(a).iter().map(|v| f64::from(*v)).sum::<f64>());
    assert_eq!(soft.eval::<f64, Ix2>().unwrap(), want);
    assert_eq!((&soft + 1.0).sum(..).item::<f64>().unwrap(), want.sum() + 240.0);
    let failing = x.map_blocks::<f32, f32>(MapSpec::named("fail/1"), |_, _| Err(Box::new(std::fmt::Error)));
    let error = failing.eval_any().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closure);
    assert!(error.downcast_ref::<std::fmt::Error>().is_some());
    let panicking = x.map_blocks::<f32, f32>(MapSpec::named("panic/1"), |_, _| panic!("on purpose"));
    assert_eq!(panicking.eval_any().unwrap_err().kind(), ErrorKind::Closure);
    assert!(x.map_blocks::<f64, f64>(MapSpec::named("dtype/1"), |_, _| Ok(())).error().is_some());
}

#[test]
fn compiled_plans_run_for_any_shape() {
    let ses = session();
    let q = ses.input::<f32, 2>("q", [None, Some(4)]);
    let weights = ses.from_ndarray(array![1f32, 2.0, 3.0, 4.0]);
    let compiled = ses.compile([&(&q * &weights).sum(1), &q.mean(0)]).unwrap();
    for rows in [1, 7, 7, 300] {
        let data = numbers(rows, 4);
        let [sums, means] = compiled.run([("q", data.clone().into())]).unwrap();
        let want = data.dot(&array![1f32, 2.0, 3.0, 4.0]);
        assert_eq!(sums.into_ndarray::<f32, ndarray::Ix1>().unwrap(), want);
        assert_eq!(means.shape(), [4]);
    }
    assert!(compiled.run::<1, 1>([("q", numbers(2, 4).into())]).is_err());
    let picked = ses.compile([&q.compress(&q.greater(0.0))]).unwrap();
    for rows in [3, 50] {
        let [chosen] = picked.run([("q", numbers(rows, 4).into())]).unwrap();
        assert_eq!(chosen.len(), numbers(rows, 4).iter().filter(|v| **v > 0.0).count());
    }
}

#[test]
fn writers_cover_every_element_once() {
    let ses = session();
    let folder = folder();
    let path = folder.path().join("w.npy");
    let data = Array3::from_shape_fn((10, 4, 3), |(a, b, c)| (a * 100 + b * 10 + c) as i32);
    let writer = ses.create::<i32>(&path, [10, 4, 3]).unwrap();
    std::thread::scope(|scope| {
        let (writer, data) = (&writer, &data);
        for start in [5, 0] {
            scope.spawn(move || writer.write(s![start..start + 5, .., ..], data.slice(s![start..start + 5, .., ..])).unwrap());
        }
    });
    assert!(writer.write(s![3, .., ..], data.slice(s![3, .., ..])).unwrap_err().to_string().contains("overlaps"));
    writer.finish().unwrap();
    assert_eq!(ses.open(&path).eval::<i32, ndarray::Ix3>().unwrap(), data);
    let path = folder.path().join("gap.npy");
    let writer = ses.create::<i32>(&path, [10, 4]).unwrap();
    let plane = data.slice(s![.., .., 0]);
    writer.write(s![..6, ..], plane.slice(s![..6, ..])).unwrap();
    writer.write(s![7.., ..], plane.slice(s![7.., ..])).unwrap();
    writer.write(s![6, 1..], plane.slice(s![6, 1..])).unwrap();
    assert!(writer.write(s![6, ..1], plane.slice(s![6, ..2])).is_err());
    let error = writer.finish().unwrap_err();
    assert!(error.to_string().contains("[6:7, 0:1]"), "{error}");
    assert_eq!(names(folder.path()), ["w.npy"]);
}

#[test]
fn writers_of_chunks_take_whole_ones() {
    let ses = session();
    let folder = folder();
    let data = numbers(10, 6);
    let path = folder.path().join("w.zarr");
    let writer = ses.create::<f32>(folder.path().join("w.zarr?chunks=4,3&shards=none&codec=none"), [10, 6]).unwrap();
    let error = writer.write(s![..3, ..], data.slice(s![..3, ..])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    assert!(error.to_string().contains("cuts chunks of (4, 3)\n  try: on axis 0 begin and end at multiples of 4"), "{error}");
    // Columns of a wider array are not in C order.
    writer.write(s![4.., ..3], data.slice(s![4.., ..3])).unwrap();
    writer.write(s![4.., 3..], data.slice(s![4.., 3..])).unwrap();
    writer.write(s![..4, ..], data.slice(s![..4, ..])).unwrap();
    assert!(writer.write(s![..4, ..], data.slice(s![..4, ..])).unwrap_err().to_string().contains("overlaps"));
    writer.finish().unwrap();
    let corner: Vec<u8> = data.slice(s![4..8, 3..]).iter().flat_map(|value| value.to_ne_bytes()).collect();
    assert_eq!(fs::read(path.join("c/1/1")).unwrap(), corner);
    assert_eq!(names(folder.path()), ["w.zarr"]);
}

#[test]
fn outputs_lie_apart_from_inputs_and_each_other() {
    let ses = session();
    let folder = folder();
    fs::create_dir(folder.path().join("in")).unwrap();
    std::os::unix::fs::symlink("in", folder.path().join("in.zarr")).unwrap();
    let path = |name: &str| folder.path().join(name);
    ses.from_ndarray(numbers(4, 2)).save(path("in/x.npy")).unwrap();
    let x = ses.open(path("in/x.npy"));
    let said = |outputs: Vec<&str>, save: Save| {
        let outputs: Vec<_> = outputs.into_iter().map(|name| (&x, path(name))).collect();
        ses.save_all(outputs, save).unwrap_err().to_string()
    };
    assert!(said(vec!["in.zarr?codec=none"], Save::new().overwrite()).contains("lies inside the output"));
    assert!(said(vec!["in/../in.zarr"], Save::new().overwrite()).contains("lies inside the output"));
    assert!(said(vec!["o.zarr", "o.zarr/a"], Save::new()).contains("one output lies inside the other"));
    assert!(said(vec!["o.zarr", "o.zarr?codec=none"], Save::new()).contains("two outputs go to one file"));
    assert!(said(vec!["o.npy"], Save::new().zarr(ZarrOptions::default().with("codec", "lz4").unwrap())).contains("for Zarr outputs"));
    ses.save_all([(&x, path("in.zarr/y"))], Save::new()).unwrap();
    assert_eq!(names(folder.path()), ["in", "in.zarr"]);
}

#[test]
fn a_cancelled_session_stops_and_resumes() {
    let ses = session();
    let x = ses.from_ndarray(numbers(10, 10));
    ses.cancel();
    assert_eq!(x.sum(..).eval_any().unwrap_err().kind(), ErrorKind::Cancelled);
    ses.resume();
    assert!(x.sum(..).eval_any().is_ok());
}

#[test]
fn a_spawned_job_is_joined_cancelled_and_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let ses = session();
    let x = ses.from_ndarray(numbers(10, 10));
    let running = Job::new(&ses).output("sum", &x.sum(..), Destination::Memory).spawn().unwrap();
    let result = running.join().unwrap();
    assert!(result.arrays[0].is_some());
    // A closure that waits until the job is told to stop: nothing is published, the session goes on.
    for drops in [false, true] {
        let path = folder.path().join("y.npy");
        let slow = x.map_blocks::<f32, f32>(MapSpec::named("slow/1"), |_, _| {
            std::thread::sleep(std::time::Duration::from_millis(300));
            Ok(())
        });
        let running = Job::new(&ses).output("y", &slow, Destination::Path(path.clone())).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(50));
        if drops {
            drop(running);
        } else {
            running.cancel();
            assert_eq!(running.join().unwrap_err().kind(), ErrorKind::Cancelled);
        }
        assert!(!path.exists());
        assert!(names(folder.path()).is_empty());
        assert!(!ses.is_cancelled());
    }
    ses.cancel();
    let refused = Job::new(&ses).output("sum", &x.sum(..), Destination::Memory).spawn().unwrap();
    assert_eq!(refused.join().unwrap_err().kind(), ErrorKind::Cancelled);
}

#[test]
fn threads_and_budgets_do_not_change_bits() {
    let data = numbers(3000, 40);
    let mut seen: Option<(AnyArray, AnyArray)> = None;
    for (threads, block) in [(1, None), (2, Some(4096)), (4, Some(1 << 16))] {
        let mut builder = Session::builder().memory("32MiB").threads(threads).sum(SumMode::Exact);
        if let Some(bytes) = block {
            builder = builder.block_bytes(bytes);
        }
        let ses = builder.build().unwrap();
        let x = ses.from_ndarray(data.clone()) * 0.1;
        let results = ses.eval_all([&x.var(0), &((&x - x.mean(..)).exp().sum(1))]).unwrap();
        let pair = (results[0].clone(), results[1].clone());
        if let Some(before) = &seen {
            assert_eq!((before.0.bytes(), before.1.bytes()), (pair.0.bytes(), pair.1.bytes()));
        }
        seen = Some(pair);
    }
}

#[test]
fn a_chain_of_100_000_operators_evaluates() {
    let ses = session();
    let mut x = ses.from_ndarray(array![1f32, 2.0]);
    for _ in 0..100_000 {
        x = x + 1.0;
    }
    assert_eq!(x.eval::<f32, _>().unwrap(), array![100_001f32, 100_002.0]);
}

#[test]
fn a_compiled_plan_runs_in_microseconds() {
    let ses = session();
    let q = ses.input::<f32, 1>("q", [None]);
    let compiled = ses.compile([&((&q * 2.0 + 1.0).sqrt())]).unwrap();
    let data: Bound = Array1::<f32>::ones(1000).into();
    let mut best = f64::INFINITY;
    for _ in 0..200 {
        let started = std::time::Instant::now();
        let [y] = compiled.run([("q", data.clone())]).unwrap();
        best = best.min(started.elapsed().as_secs_f64());
        assert_eq!(y.len(), 1000);
    }
    // The promise is 20 us for an optimised build; this one may be a debug build on a busy machine.
    assert!(best < 2e-3, "{best} s");
    if std::env::var_os("OUTCORE_TEST_TIMES").is_some() {
        println!("compiled run over 1,000 elements: {:.1} us", best * 1e6);
    }
}
