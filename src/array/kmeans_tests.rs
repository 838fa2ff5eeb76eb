//! Clusters against a plain implementation, and the same bits on every grid.

use crate::array::linalg_tests::session as on_grid;
use crate::{ErrorKind, IoMode, KMeansEnd, KMeansOptions, Session};
use ndarray::{Array1, Array2, Axis, Ix1, array, s};

/// Rows around a few centres.
fn rows(count: usize, columns: usize, centres: usize, seed: u64) -> Array2<f32> {
    let mut state = seed | 1;
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    let middles = Array2::from_shape_simple_fn((centres, columns), || 2.0 * next());
    Array2::from_shape_fn((count, columns), |(row, column)| middles[(row * 7 % centres, column)] + next())
}

/// Inertia per iteration, centroids and labels of a plain implementation in `f64`, whose centroids are rounded to `f32`.
fn naive(data: &Array2<f32>, start: &Array2<f64>, iterations: usize) -> (Vec<f64>, Array2<f64>, Vec<i32>) {
    let data = data.mapv(f64::from);
    let mut centroids = start.mapv(|value| f64::from(value as f32));
    let nearest = |centroids: &Array2<f64>| -> (Vec<i32>, f64) {
        let mut sum = 0.0;
        let labels = data.rows().into_iter().map(|row| {
            let squares = centroids.rows().into_iter().map(|centroid| (&row - &centroid).mapv(|value| value * value).sum());
            let (label, square) = squares.enumerate().fold((0, f64::INFINITY), |best, next| if next.1 < best.1 { next } else { best });
            sum += square;
            label as i32
        });
        (labels.collect(), sum)
    };
    let mut inertia = Vec::new();
    for _ in 0..iterations {
        let (labels, sum) = nearest(&centroids);
        inertia.push(sum);
        for place in 0..centroids.nrows() {
            let own: Vec<usize> = (0..data.nrows()).filter(|&row| labels[row] == place as i32).collect();
            if !own.is_empty() {
                let mean = data.select(Axis(0), &own).mean_axis(Axis(0)).unwrap();
                centroids.row_mut(place).assign(&mean.mapv(|value| f64::from(value as f32)));
            }
        }
    }
    let labels = nearest(&centroids).0;
    (inertia, centroids, labels)
}

fn sessions() -> Vec<Session> {
    vec![on_grid(2, 0, "256MiB", IoMode::Auto), on_grid(1, 700, "64MiB", IoMode::Read), on_grid(3, 20_000, "96MiB", IoMode::Mmap)]
}

#[test]
fn passes_are_those_of_a_plain_implementation_on_any_grid() {
    let data = rows(3000, 11, 5, 1);
    let start = data.slice(s![..6, ..]).mapv(f64::from);
    let (inertia, centroids, labels) = naive(&data, &start, 7);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npy");
    Session::default_session().from_ndarray(data.clone()).save(&path).unwrap();
    let mut before = None;
    for session in sessions() {
        for x in [session.open(&path), session.from_ndarray(data.clone()), session.from_ndarray(data.t().to_owned()).t()] {
            let found = x.kmeans(KMeansOptions::new(6).start(start.clone()).iterations(7).tolerance(0.0)).unwrap();
            assert_eq!(found.inertia.len(), 7);
            for (one, other) in found.inertia.iter().zip(&inertia) {
                assert!((one - other).abs() <= 1e-9 * other, "{one} {other}");
            }
            let apart = (&found.centroids - &centroids).iter().fold(0f64, |worst, value| worst.max(value.abs()));
            assert!(apart < 1e-6, "{apart:e}");
            assert_eq!(found.sizes.iter().sum::<u64>(), 3000);
            assert_eq!(found.assign(&x).eval::<i32, Ix1>().unwrap().to_vec(), labels);
            assert_eq!(before.get_or_insert_with(|| found.clone()), &found);
        }
    }
}

#[test]
fn clusters_are_found_again_from_a_seed() {
    let data = rows(4000, 8, 4, 2) * 0.05 + rows(4000, 8, 4, 3);
    let mut before = None;
    for session in sessions() {
        let x = session.from_ndarray(data.clone());
        let found = x.kmeans(KMeansOptions::new(9).seed(5).sample(500)).unwrap();
        assert_eq!(found.end, KMeansEnd::Converged);
        assert!(found.inertia.windows(2).all(|pair| pair[1] <= pair[0]), "{:?}", found.inertia);
        assert_eq!(before.get_or_insert_with(|| found.clone()), &found);
    }
    let x = Session::default_session().from_ndarray(data);
    let other = x.kmeans(KMeansOptions::new(9).seed(6).sample(500)).unwrap();
    assert_ne!(before.unwrap().centroids, other.centroids);
}

#[test]
fn empty_clusters_keep_their_centroid_and_ties_go_to_the_lowest() {
    let session = Session::default_session();
    let x = session.from_ndarray(array![[0.0, 0.0], [2.0, 0.0], [1.0, 0.0]]);
    let start = array![[0.0, 0.0], [2.0, 0.0], [2.0, 0.0], [50.0, 50.0]];
    let data = session.from_ndarray(ndarray::concatenate![Axis(0), array![[0.0, 0.0], [2.0, 0.0], [1.0, 0.0]], array![[2.0, 0.0]]]);
    let found = data.kmeans(KMeansOptions::new(4).start(start).iterations(20).tolerance(0.0)).unwrap();
    assert_eq!(found.sizes, [2, 2, 0, 0]);
    assert_eq!(found.centroids, array![[0.5, 0.0], [2.0, 0.0], [2.0, 0.0], [50.0, 50.0]]);
    assert_eq!((found.end, &found.inertia[..]), (KMeansEnd::Converged, &[1.0, 0.5][..]));
    assert_eq!(found.assign(&x).eval::<i32, Ix1>().unwrap(), array![0, 1, 0]);
    // More clusters than different rows.
    let same = session.from_ndarray(Array2::<f32>::ones((5, 3))).kmeans(KMeansOptions::new(4)).unwrap();
    assert_eq!((same.sizes, same.inertia), (vec![5, 0, 0, 0], vec![0.0]));
}

#[test]
fn rows_with_nan_are_named_or_left_out() {
    let mut data = rows(2000, 4, 3, 4);
    data[(1234, 2)] = f32::NAN;
    data[(1500, 0)] = f32::INFINITY;
    let clean = Array2::from_shape_fn((1998, 4), |(row, column)| data[(row + usize::from(row >= 1234) + usize::from(row >= 1499), column)]);
    let start = data.slice(s![..3, ..]).mapv(f64::from);
    let options = KMeansOptions::new(3).start(start);
    for session in sessions() {
        let x = session.from_ndarray(data.clone());
        let error = x.kmeans(options.clone()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data);
        assert!(error.message().contains("2 rows") && error.message().contains("row 1234"), "{error}");
        let found = x.kmeans(options.clone().skip_nan()).unwrap();
        let want = session.from_ndarray(clean.clone()).kmeans(options.clone()).unwrap();
        assert_eq!((found.skipped, &found.centroids, &found.inertia), (2, &want.centroids, &want.inertia));
        let labels: Array1<i32> = found.assign(&x).eval().unwrap();
        assert_eq!((labels[1234], labels[1500]), (-1, -1));
        assert_eq!(labels.iter().filter(|&&label| label >= 0).count(), 1998);
        let error = want.assign(&x).eval::<i32, Ix1>().unwrap_err();
        assert!(error.message().contains("row 1234") || error.message().contains("row 1500"), "{error}");
    }
}

#[test]
fn every_dtype_is_clustered() {
    let session = Session::default_session();
    let x = session.from_ndarray(array![[0i16, 1], [1, 0], [90, 91], [91, 92]]);
    let start = array![[0.0, 0.0], [80.0, 80.0]];
    for array in [x.clone(), x.cast::<half::f16>(), x.cast::<f64>(), x.cast::<u8>()] {
        let found = array.kmeans(KMeansOptions::new(2).start(start.clone())).unwrap();
        assert_eq!(found.centroids, array![[0.5, 0.5], [90.5, 91.5]]);
        assert_eq!(found.assign(&array).eval::<i32, Ix1>().unwrap(), array![0, 0, 1, 1]);
    }
}

#[test]
fn what_makes_no_clusters_is_refused() {
    let session = Session::default_session();
    let x = session.from_ndarray(rows(10, 2, 2, 1));
    let said = |options| x.kmeans(options).unwrap_err().to_string();
    assert!(said(KMeansOptions::new(11)).contains("11 clusters of 10 rows"));
    assert!(said(KMeansOptions::new(0)).contains("0 clusters"));
    assert!(said(KMeansOptions::new(2).tolerance(2.0)).contains('2'));
    assert!(said(KMeansOptions::new(2).iterations(0)).contains("one iteration"));
    assert!(said(KMeansOptions::new(2).start(array![[1.0, 2.0, 3.0]])).contains("(1, 3)"));
    assert!(said(KMeansOptions::new(8).sample(3)).contains("sample of 3 rows"));
    let error = session.arange(0, 5, 1).kmeans(KMeansOptions::new(1)).unwrap_err();
    assert!(error.message().contains("(5,)"), "{error}");
    let found = x.kmeans(KMeansOptions::new(2)).unwrap();
    assert!(found.assign(&session.zeros::<f32>([4, 3])).error().unwrap().message().contains("centroids of 2"));
}

#[test]
fn rows_longer_than_a_block_are_never_cut() {
    let data = rows(40, 3000, 3, 6);
    let start = data.slice(s![..3, ..]).mapv(f64::from);
    let wanted = Session::default_session().from_ndarray(data.clone()).kmeans(KMeansOptions::new(3).start(start.clone())).unwrap();
    let session = Session::builder().threads(2).block_bytes(512).build().unwrap();
    let x = session.from_ndarray(data.clone());
    assert_eq!(x.kmeans(KMeansOptions::new(3).start(start)).unwrap(), wanted);
    let spec = crate::StateSpec::named("longest row/1").whole(1);
    let least = x.reduce_with::<f32, i64, usize>(
        spec,
        || usize::MAX,
        |least, block| {
            *least = block.shape()[1].min(*least);
            Ok(())
        },
        |least, other| *least = other.min(*least),
        |least, mut out| {
            out.fill(least as i64);
            Ok(())
        },
    );
    assert_eq!(least.item::<i64>().unwrap(), 3000);
}

/// Batches as they are drawn, and centroids as means of all rows that were ever drawn for them.
fn naive_batches(session: &Session, data: &Array2<f32>, start: &Array2<f64>, batch: usize, iterations: usize) -> (Vec<f64>, Array2<f64>) {
    let rows = session.from_ndarray(data.clone());
    let (mut centroids, mut inertia) = (start.clone(), Vec::new());
    let mut had: Vec<Vec<Array1<f64>>> = vec![Vec::new(); start.nrows()];
    for place in 0..iterations {
        let dealt = data.nrows() / batch;
        let order = rows.shuffle(crate::Random::new(3).stream(2 + (place / dealt) as u64), 0).eval::<f32, ndarray::Ix2>().unwrap();
        let drawn = order.slice(s![place % dealt * batch..(place % dealt + 1) * batch, ..]).to_owned();
        let (found, _, _) = naive(&drawn, &centroids, 1);
        inertia.push(found[0]);
        let (_, _, labels) = naive(&drawn, &centroids, 0);
        drawn.rows().into_iter().zip(&labels).for_each(|(row, &label)| had[label as usize].push(row.mapv(f64::from)));
        for (mut centroid, rows) in centroids.rows_mut().into_iter().zip(&had).filter(|(_, rows)| !rows.is_empty()) {
            let sum = rows.iter().fold(Array1::zeros(data.ncols()), |sum: Array1<f64>, row| sum + row);
            centroid.assign(&(sum / rows.len() as f64));
        }
    }
    (inertia, centroids)
}

#[test]
fn batches_are_those_of_a_plain_implementation_on_any_grid() {
    let data = rows(1000, 6, 4, 8);
    let start = data.slice(s![..5, ..]).mapv(f64::from);
    let mut before = None;
    let options = KMeansOptions::new(5).start(start.clone()).seed(3).batch(300).iterations(8).tolerance(0.0);
    for session in sessions() {
        let (inertia, centroids) = naive_batches(&session, &data, &start, 300, 8);
        let found = session.from_ndarray(data.clone()).kmeans(options.clone()).unwrap();
        assert_eq!((found.inertia.len(), found.end), (8, KMeansEnd::Iterations));
        assert!(
            found.inertia.iter().zip(&inertia).all(|(one, other)| (one - other).abs() <= 1e-6 * other),
            "{:?}\n{inertia:?}",
            found.inertia
        );
        let apart = (&found.centroids - &centroids).iter().fold(0f64, |worst, value| worst.max(value.abs()));
        assert!(apart < 1e-6, "{apart:e}");
        assert_eq!(found.sizes.iter().sum::<u64>(), 2400);
        assert_eq!(before.get_or_insert_with(|| found.clone()), &found);
    }
    // A batch of all rows is no larger than they are; far clusters are found from a few rows.
    let session = Session::default_session();
    let far = session.from_ndarray(Array2::from_shape_fn((5000, 3), |(row, column)| (row % 4 * 100) as f32 + data[(row % 1000, column)]));
    let found = far.kmeans(KMeansOptions::new(4).seed(1).batch(200).iterations(1000)).unwrap();
    let whole = far.kmeans(KMeansOptions::new(4).seed(1)).unwrap();
    assert_eq!(found.end, KMeansEnd::Converged);
    assert!((&found.centroids - &whole.centroids).iter().all(|apart| apart.abs() < 0.2), "{}\n{}", found.centroids, whole.centroids);
    let all = far.kmeans(KMeansOptions::new(4).seed(1).batch(99_999).iterations(1)).unwrap();
    assert_eq!(all.sizes.iter().sum::<u64>(), 5000);
}

#[test]
fn batches_with_nan_are_refused_or_left_out() {
    let mut data = rows(400, 3, 2, 9);
    data[(77, 1)] = f32::NAN;
    let session = Session::default_session();
    let x = session.from_ndarray(data.clone());
    let options = KMeansOptions::new(2).start(data.slice(s![..2, ..]).mapv(f64::from)).batch(100).iterations(4);
    let error = x.kmeans(options.clone()).unwrap_err();
    assert!(error.message().contains("1 rows of a batch") && error.message().contains("row 77"), "{error}");
    let found = x.kmeans(options.clone().skip_nan()).unwrap();
    assert_eq!((found.skipped, found.sizes.iter().sum::<u64>()), (1, 399));
    assert_eq!(x.kmeans(options.batch(0)).unwrap_err().kind(), ErrorKind::Usage);
}
