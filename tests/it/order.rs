//! Order statistics, sorting, first and distinct elements, in memory budgets and blocks that force several passes: against sorting
//! everything, and the same bits whatever the session.

use outcore::{AnyArray, Array, Destination, ErrorKind, Job, Quantiles, Session, axis};

fn sessions() -> Vec<Session> {
    let made = |memory: u64, threads, block: Option<u64>| {
        let builder = Session::builder().memory(memory).threads(threads);
        block.map_or(Session::builder().memory(memory).threads(threads), |bytes| builder.block_bytes(bytes)).build().unwrap()
    };
    vec![made(256 << 20, 1, None), made(256 << 20, 2, Some(4096)), made(3 << 20, 2, Some(1 << 15)), made(5 << 20, 3, Some(1000))]
}

fn numbers(count: usize, kind: usize) -> Vec<f64> {
    let mut state = 88_172_645_463_325_252u64 + kind as u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let number = |index: usize| match kind {
        0 => (random() >> 11) as f64 / 1e15,
        1 => index as f64,
        2 => 3.5,
        3 => (random() % 2) as f64,
        4 => f64::from_bits(random()),
        5 => f64::NAN,
        _ => {
            if random() % 50 == 0 {
                f64::NAN
            } else {
                -((random() % 1000) as f64)
            }
        }
    };
    (0..count).map(number).collect()
}

/// The ascending numbers of a line, NaN left out, and how many there are of those.
fn sorted(line: impl Iterator<Item = f64>) -> (Vec<f64>, usize) {
    let all: Vec<f64> = line.collect();
    let mut numbers: Vec<f64> = all.iter().copied().filter(|number| !number.is_nan()).collect();
    numbers.sort_by(f64::total_cmp);
    let nan = all.len() - numbers.len();
    (numbers, nan)
}

fn middle(line: &[f64]) -> f64 {
    let half = line.len() / 2;
    match line.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => line[half],
        _ => line[half - 1] / 2.0 + line[half] / 2.0,
    }
}

fn same(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-15 * a.abs().max(1e-300)
}

#[test]
fn medians_of_all_elements_are_those_of_the_sorted_array() {
    // More than a million elements, so that a sample comes first.
    for kind in 0..7 {
        let values = numbers(1_100_000, kind);
        let (line, nan) = sorted(values.iter().copied());
        let wanted = if nan > 0 { f64::NAN } else { middle(&line) };
        for session in sessions() {
            let x = session.from_ndarray(ndarray::Array1::from_vec(values.clone()));
            let both = session.eval_all([&x.median(..), &x.nanmedian(..)]).unwrap();
            let found: Vec<f64> = both.iter().map(|array| array.as_slice::<f64>().unwrap()[0]).collect();
            assert!(same(found[0], wanted) && same(found[1], middle(&line)), "kind {kind}: {found:?}, not {wanted} and {}", middle(&line));
        }
    }
}

#[test]
fn medians_along_an_axis_are_those_of_sorted_lines() {
    let (rows, columns) = (30_011, 37);
    for kind in [0, 1, 3, 4, 6] {
        let values = numbers(rows * columns, kind);
        let matrix = ndarray::Array2::from_shape_vec((rows, columns), values).unwrap();
        for session in sessions() {
            let x = session.from_ndarray(matrix.clone());
            let down = x.nanmedian(0).eval::<f64, ndarray::Ix1>().unwrap();
            for (column, found) in matrix.columns().into_iter().zip(down) {
                assert!(same(found, middle(&sorted(column.iter().copied()).0)), "kind {kind}");
            }
            let across = x.median(1).eval::<f64, ndarray::Ix1>().unwrap();
            for (row, found) in matrix.rows().into_iter().zip(across).step_by(17) {
                let (line, nan) = sorted(row.iter().copied());
                assert!(same(found, if nan > 0 { f64::NAN } else { middle(&line) }), "kind {kind}");
            }
        }
    }
}

#[test]
fn lanes_beyond_the_room_are_found_in_parts() {
    let (rows, columns) = (2000, 1500);
    let matrix = ndarray::Array2::from_shape_vec((rows, columns), numbers(rows * columns, 0)).unwrap();
    let session = Session::builder().memory("3MiB").threads(2).build().unwrap();
    let x = session.from_ndarray(matrix.clone());
    let quartiles = x.quantile([0.0, 0.5], 0);
    assert!(quartiles.explain().unwrap().contains("parts before this plan"), "{}", quartiles.explain().unwrap());
    let found = quartiles.eval::<f64, ndarray::Ix2>().unwrap();
    for (column, found) in matrix.columns().into_iter().zip(found.columns()) {
        let (line, _) = sorted(column.iter().copied());
        assert!(found[0] == line[0] && same(found[1], middle(&line)));
    }
}

/// Bytes of results in every session.
fn everywhere(values: &[f64], shape: [usize; 2], make: impl Fn(&Array) -> Vec<Array>) -> Vec<AnyArray> {
    let mut first: Option<Vec<AnyArray>> = None;
    for session in sessions() {
        let x = session.from_ndarray(ndarray::Array2::from_shape_vec(shape, values.to_vec()).unwrap());
        let found = session.eval_all(&make(&x)).unwrap();
        if let Some(first) = &first {
            for (at, (a, b)) in first.iter().zip(&found).enumerate() {
                assert_eq!((a.shape(), a.bytes()), (b.shape(), b.bytes()), "result {at} in {session:?}");
            }
        }
        first.get_or_insert(found);
    }
    first.unwrap()
}

#[test]
fn results_do_not_depend_on_budget_blocks_or_threads() {
    for kind in [0, 3, 4, 6] {
        let values = numbers(60_000, kind);
        everywhere(&values, [3000, 20], |x| {
            let (first, places) = x.top_k(7, 0, true);
            let (last, last_places) = x.top_k(3, 1, false);
            vec![
                x.quantile(Quantiles::from([0.1, 0.5, 0.999]).skip_nan(), ..),
                x.quantile([0.25, 0.75], 0),
                x.percentile(90.0, axis(1).keepdims()),
                x - x.median(0),
                first,
                places,
                last,
                last_places,
                x.sort(1),
                x.argsort(1),
            ]
        });
    }
    let few: Vec<f64> = numbers(60_000, 0).iter().map(|number| (number * 10.0).round()).collect();
    let found = everywhere(&few, [3000, 20], |x| {
        let (values, counts) = x.unique_counts();
        vec![values, counts]
    });
    assert_eq!(found[1].as_slice::<i64>().unwrap().iter().sum::<i64>(), 60_000);
    assert!(found[0].as_slice::<f64>().unwrap().is_sorted());
}

#[test]
fn first_elements_are_those_of_the_sorted_line() {
    for kind in [0, 1, 2, 3, 6] {
        let values = numbers(50_000, kind);
        for (largest, session) in
            [true, false].into_iter().flat_map(|largest| sessions().into_iter().map(move |session| (largest, session)))
        {
            let x = session.from_ndarray(ndarray::Array1::from_vec(values.clone()));
            let (found, places) = x.top_k(100, 0, largest);
            let found = found.eval::<f64, ndarray::Ix1>().unwrap();
            let places = places.eval::<i64, ndarray::Ix1>().unwrap();
            let mut order: Vec<usize> = (0..values.len()).collect();
            let key = |&at: &usize| if values[at].is_nan() { f64::INFINITY } else { values[at] };
            order.sort_by(|a, b| if largest { key(b).total_cmp(&key(a)) } else { key(a).total_cmp(&key(b)) });
            for (rank, &at) in order.iter().take(100).enumerate() {
                assert!(same(found[rank], values[at]) && places[rank] == at as i64, "kind {kind} rank {rank}");
            }
        }
    }
}

#[test]
fn quantiles_of_one_array_share_their_passes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npy");
    let session = Session::builder().memory("64MiB").threads(2).build().unwrap();
    let values = ndarray::Array1::from_vec(numbers(2_000_000, 0));
    session.from_ndarray(values).save(&path).unwrap();
    let x = session.open(&path);
    let job = Job::new(&session)
        .output("low", &x.quantile(0.1, ..), Destination::Memory)
        .output("high", &x.quantile(0.9, ..), Destination::Memory)
        .output("scaled", &(&x / x.median(..)).sum(..), Destination::Memory);
    let report = job.run().unwrap().report;
    // A sample, a pass, and the pass of the sum.
    assert_eq!(report.stats.passes[0], (x.source_name().unwrap().to_string(), 3));
    assert!(report.stats.bytes_read < 16_000_000 * 2 + 16_000_000, "{}", report.stats.bytes_read);
    let text = job.explain().unwrap();
    assert!(text.contains("phases: 3 times: quantiles are found in a sample and one or two passes before this plan"), "{text}");
}

#[test]
fn what_does_not_fit_is_refused_with_a_budget_that_does() {
    let session = |memory: u64| Session::builder().memory(memory).threads(1).build().unwrap();
    let values = ndarray::Array1::from_vec(numbers(300_000, 0));
    let median = |memory: u64| session(memory).from_ndarray(values.clone()).median(..).item::<f64>();
    let needed = median(200_000).unwrap_err().needed_bytes().unwrap();
    assert!(median(needed).is_ok(), "{needed}");
    let unique = session(4 << 20).from_ndarray(values.clone()).unique().eval_any().unwrap_err();
    assert!(unique.kind() == ErrorKind::Refused && unique.to_string().contains("distinct elements"), "{unique}");
    let about: f64 = unique.message().split(' ').find_map(|word| word.parse().ok()).unwrap();
    let distinct = values.iter().map(|value| value.to_bits()).collect::<std::collections::HashSet<_>>().len();
    assert!((about / distinct as f64 - 1.0).abs() < 0.04, "{about} of {distinct}");
    assert!(session(unique.needed_bytes().unwrap()).from_ndarray(values.clone()).unique().eval_any().is_ok());
    let sort = session(1 << 20).from_ndarray(values.clone()).sort(0).eval_any().unwrap_err();
    assert!(sort.kind() == ErrorKind::Refused && sort.to_string().contains("for a line"), "{sort}");
    let wide = session(1 << 20).zeros::<f64>([100_000, 100_000]);
    assert_eq!(wide.median(0).eval_any().unwrap_err().kind(), ErrorKind::Refused);
    assert_eq!(session(1 << 20).zeros::<f64>([5]).quantile(1.5, ..).error().unwrap().kind(), ErrorKind::Usage);
    assert!(session(1 << 20).zeros::<f64>([5]).top_k(6, 0, true).0.error().is_some());
}

#[test]
fn lists_of_quantiles_are_those_of_each() {
    let session = Session::builder().memory("64MiB").threads(2).build().unwrap();
    let values = ndarray::Array3::from_shape_vec([40, 30, 11], numbers(13_200, 0)).unwrap();
    let quantiles = [0.9, 0.0, 0.25, 1.0, 0.5];
    for axes in [vec![0], vec![1], vec![2], vec![0, 2], vec![1, 2]] {
        for array in [session.from_ndarray(values.clone()), session.from_ndarray(values.mapv(|value| (value * 1e3) as i16))] {
            let all = array.quantile(quantiles.to_vec(), outcore::axis(axes.clone())).eval_any().unwrap();
            for (place, quantile) in quantiles.into_iter().enumerate() {
                let one = array.quantile(quantile, outcore::axis(axes.clone())).eval_any().unwrap();
                let length = one.bytes().len();
                assert_eq!(&all.bytes()[place * length..][..length], one.bytes(), "{quantile} over {axes:?}");
            }
        }
    }
}

#[test]
fn phases_end_when_they_are_cancelled() {
    let session = Session::builder().memory("64MiB").threads(1).build().unwrap();
    let x = session.from_ndarray(ndarray::Array1::from_vec(numbers(3_000_000, 0)));
    session.cancel();
    assert_eq!(x.median(..).item::<f64>().unwrap_err().kind(), ErrorKind::Cancelled);
    session.resume();
    assert!(x.median(..).item::<f64>().is_ok());
}

#[test]
fn masks_and_inputs_meet_phases() {
    let session = Session::builder().memory("64MiB").threads(2).build().unwrap();
    let x = session.from_ndarray(ndarray::Array1::from_vec(numbers(10_000, 3)));
    let chosen = x.compress(&x.greater(0.5));
    assert_eq!(chosen.median(..).item::<f64>().unwrap(), 1.0);
    let above = x.compress(&x.greater(x.median(..)));
    assert!(above.shape().is_err() && above.max(..).checked().is_ok());
    assert_eq!(x.compress(&x.greater_equal(x.quantile(0.0, ..))).eval_any().unwrap().len(), 10_000);
    assert_eq!(x.unique().sum(..).item::<f64>().unwrap(), 1.0);
    let input = session.input::<f64, 1>("x", [None]);
    let compiled = session.compile([&input.median(..), &input.sort(0)]).unwrap();
    for _ in 0..2 {
        let found = compiled.run_all(&[("x", ndarray::array![3.0, 1.0, 2.0].into())]).unwrap();
        assert_eq!((found[0].as_slice::<f64>().unwrap(), found[1].as_slice::<f64>().unwrap()), (&[2.0][..], &[1.0, 2.0, 3.0][..]));
    }
}
