//! Decompositions against plain ones in `f64`: Jacobi's rotations, sums written down.

use crate::array::linalg_tests::session as on_grid;
use crate::{Array, ErrorKind, IoMode, PcaMethod, PcaOptions, Session};
use ndarray::{Array1, Array2, Axis, Ix2, array, s};

/// Samples whose columns depend on each other, of very different scales.
fn samples(rows: usize, columns: usize, seed: u64) -> Array2<f64> {
    let mut state = seed | 1;
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / (1u64 << 23) as f64 - 1.0
    };
    let plain = Array2::from_shape_simple_fn((rows, columns), &mut next);
    let mixed = Array2::from_shape_simple_fn((columns, columns), &mut next);
    let scaled = Array2::from_shape_fn((columns, columns), |(i, j)| mixed[(i, j)] * 0.6f64.powi(i as i32));
    // Elements that f32 holds, and means far from zero.
    (plain.dot(&scaled) + 3.0).mapv(|value| f64::from(value as f32))
}

/// Eigenvalues in falling order and eigenvectors as rows, by Jacobi's rotations.
fn jacobi(matrix: &Array2<f64>) -> (Vec<f64>, Array2<f64>) {
    let order = matrix.nrows();
    let (mut a, mut v) = (matrix.clone(), Array2::<f64>::eye(order));
    for _ in 0..60 {
        for p in 0..order {
            for q in p + 1..order {
                if a[(p, q)].abs() < 1e-300 {
                    continue;
                }
                let theta = (a[(q, q)] - a[(p, p)]) / (2.0 * a[(p, q)]);
                let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
                let c = 1.0 / t.hypot(1.0);
                let sine = t * c;
                for k in 0..order {
                    let (x, y) = (a[(k, p)], a[(k, q)]);
                    (a[(k, p)], a[(k, q)]) = (c * x - sine * y, sine * x + c * y);
                }
                for k in 0..order {
                    let (x, y) = (a[(p, k)], a[(q, k)]);
                    (a[(p, k)], a[(q, k)]) = (c * x - sine * y, sine * x + c * y);
                    let (x, y) = (v[(p, k)], v[(q, k)]);
                    (v[(p, k)], v[(q, k)]) = (c * x - sine * y, sine * x + c * y);
                }
            }
        }
    }
    let mut places: Vec<usize> = (0..order).collect();
    places.sort_by(|&i, &j| a[(j, j)].total_cmp(&a[(i, i)]));
    (places.iter().map(|&place| a[(place, place)]).collect(), v.select(Axis(0), &places))
}

fn covariance(data: &Array2<f64>) -> Array2<f64> {
    let centred = data - &data.mean_axis(Axis(0)).unwrap();
    centred.t().dot(&centred) / (data.nrows() - 1) as f64
}

#[track_caller]
fn near(found: &Array2<f64>, wanted: &Array2<f64>, tolerance: f64) {
    assert_eq!(found.dim(), wanted.dim());
    let worst = (found - wanted).iter().fold(0.0f64, |worst, difference| worst.max(difference.abs()));
    assert!(worst <= tolerance, "{worst:e} apart\n{found}\n{wanted}");
}

fn sessions() -> Vec<Session> {
    vec![on_grid(2, 0, "256MiB", IoMode::Auto), on_grid(3, 2048, "24MiB", IoMode::Read)]
}

fn f64s(array: &Array) -> Array2<f64> {
    array.cast::<f64>().eval::<f64, Ix2>().unwrap()
}

#[test]
fn covariances_and_correlations_are_those_of_the_centred_samples() {
    let data = samples(5000, 7, 1);
    let want = covariance(&data);
    for session in sessions() {
        let x = session.from_ndarray(data.mapv(|value| value as f32));
        near(&x.cov_matrix(1).eval().unwrap(), &want, 1e-12);
        near(&x.cov_matrix(0).eval().unwrap(), &(&want * (4999.0 / 5000.0)), 1e-12);
        let found: Array2<f64> = x.corr_matrix().eval().unwrap();
        near(&found, &Array2::from_shape_fn((7, 7), |(i, j)| want[(i, j)] / (want[(i, i)] * want[(j, j)]).sqrt()), 1e-12);
        assert!(found.diag().iter().all(|&one| one == 1.0) && found.iter().all(|value| value.abs() <= 1.0));
    }
    let flat = Session::default_session().from_ndarray(array![[1.0, 2.0], [1.0, 3.0]]).corr_matrix();
    let found: Array2<f64> = flat.eval().unwrap();
    assert!(found[(0, 0)].is_nan() && found[(0, 1)].is_nan() && found[(1, 1)] == 1.0, "{found}");
}

#[test]
fn components_are_the_eigenvectors_of_the_covariances_on_any_grid() {
    let data = samples(5000, 9, 2);
    let (values, vectors) = jacobi(&covariance(&data));
    let total: f64 = values.iter().sum();
    let mut before = None;
    for session in sessions() {
        let x = session.from_ndarray(data.mapv(|value| value as f32));
        let pca = x.pca(PcaOptions::new().components(4)).unwrap();
        for place in 0..4 {
            assert!((pca.explained_variance[place] - values[place]).abs() < 1e-13 * values[0], "{pca:?}\n{values:?}");
            assert!((pca.explained_variance_ratio[place] - values[place] / total).abs() < 1e-13);
            let turned = pca.components.row(place).dot(&vectors.row(place));
            assert!((turned.abs() - 1.0).abs() < 1e-10, "component {place}: {turned}");
            let farthest = pca.components.row(place).iter().fold(0.0f64, |a, &b| if b.abs() > a.abs() { b } else { a });
            assert!(farthest > 0.0);
        }
        // Exact sums: the same bits on any grid.
        let found = (pca.mean.clone(), pca.components.clone(), pca.explained_variance.clone());
        assert_eq!(before.get_or_insert_with(|| found.clone()), &found);
        let want = (&data - &pca.mean).dot(&pca.components.t());
        near(&f64s(&pca.transform(&x)), &want, 1e-4);
        near(&f64s(&pca.transform(&session.from_ndarray(data.clone()))), &want, 1e-12);
        let scale = pca.whiten_scale().unwrap();
        let white = pca.whiten(&session.from_ndarray(data.clone()));
        near(&f64s(&white), &(&want * &scale), 1e-11);
        near(&white.cov_matrix(1).eval().unwrap(), &Array2::eye(4), 1e-11);
    }
}

#[test]
fn all_components_give_the_samples_back() {
    let data = samples(300, 5, 3);
    let x = Session::default_session().from_ndarray(data.clone());
    let pca = x.pca(PcaOptions::new()).unwrap();
    near(&f64s(&pca.inverse_transform(&pca.transform(&x))), &data, 1e-13);
    assert!((pca.explained_variance_ratio.sum() - 1.0).abs() < 1e-13);
}

#[test]
fn components_of_fewer_samples_than_features() {
    let data = samples(4, 6, 4);
    let pca = Session::default_session().from_ndarray(data.clone()).pca(PcaOptions::new()).unwrap();
    assert_eq!(pca.components.dim(), (4, 6));
    assert!(pca.explained_variance[3] < 1e-12 * pca.explained_variance[0]);
    near(&pca.components.dot(&pca.components.t()), &Array2::eye(4), 1e-12);
    let error = pca.whiten(&Session::default_session().from_ndarray(data)).error().unwrap();
    assert!(error.message().contains("component 3") && error.hint_text() == Some("ask for 3 components"), "{error}");
}

#[test]
fn what_has_no_components_is_refused() {
    let session = Session::default_session();
    let kind = |array: Array2<f64>, count| session.from_ndarray(array).pca(PcaOptions::new().components(count)).unwrap_err();
    assert!(kind(array![[1.0, 2.0]], 1).message().contains("two samples"));
    let error = kind(array![[1.0, 2.0], [3.0, 4.0]], 3);
    assert!(error.message().contains("3 components of (2, 2): there are 1 to 2"), "{error}");
    let error = kind(array![[1.0, f64::NAN], [3.0, 4.0]], 1);
    assert_eq!(error.kind(), ErrorKind::Data);
    let error = session.arange(0, 10, 1).pca(PcaOptions::new()).unwrap_err();
    assert!(error.message().contains("(10,)"), "{error}");
    let narrow = Session::builder().memory("1MiB").threads(1).build().unwrap();
    let error = narrow.zeros::<f32>([300, 256]).pca(PcaOptions::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    let pca = session.from_ndarray(samples(10, 3, 1)).pca(PcaOptions::new()).unwrap();
    let error = pca.transform(&session.zeros::<f32>([10, 4])).error().unwrap();
    assert!(error.message().contains("components of 3 features") && error.message().contains("(10, 4)"), "{error}");
}

#[test]
fn triangles_and_orthogonal_columns_multiply_to_the_matrix() {
    let mut data = samples(2000, 6, 5);
    // Nearly dependent columns: one round of Cholesky's method would leave `q` far from orthogonal.
    let close = data.column(0).to_owned() + data.column(5).mapv(|value| value * 3e-5);
    data.column_mut(5).assign(&close);
    for session in sessions() {
        let found = session.from_ndarray(data.clone()).qr().unwrap();
        let q = f64s(&found.q);
        near(&q.t().dot(&q), &Array2::eye(6), 1e-13);
        near(&q.dot(&found.r), &data, 1e-9);
        assert!((0..6).all(|row| found.r[(row, row)] > 0.0 && (0..row).all(|column| found.r[(row, column)] == 0.0)));
    }
    let sum = &data.column(0) + &data.column(1);
    data.column_mut(3).assign(&sum);
    let error = Session::default_session().from_ndarray(data.clone()).qr().unwrap_err();
    assert!(error.message().contains("column 3 is a combination"), "{error}");
    let error = Session::default_session().from_ndarray(data.slice(s![..4, ..]).to_owned()).qr().unwrap_err();
    assert!(error.message().contains("(4, 6)"), "{error}");
}

#[test]
fn singular_values_are_roots_of_eigenvalues() {
    let data = samples(2000, 6, 6);
    let (values, vectors) = jacobi(&data.t().dot(&data));
    for session in sessions() {
        let found = session.from_ndarray(data.clone()).svd(5).unwrap();
        for place in 0..5 {
            assert!((found.singular_values[place] - values[place].sqrt()).abs() < 1e-10 * values[0].sqrt());
            assert!((found.right.row(place).dot(&vectors.row(place)).abs() - 1.0).abs() < 1e-10);
        }
        let left = f64s(&found.left);
        near(&left.t().dot(&left), &Array2::eye(5), 1e-9);
    }
    let mut flat = data;
    flat.column_mut(5).fill(0.0);
    let found = Session::default_session().from_ndarray(flat).svd(6).unwrap();
    assert!(found.left.error().unwrap().message().contains("left singular vector 5"));
}

#[test]
fn least_squares_solve_badly_scaled_equations() {
    let mut data = samples(3000, 4, 7);
    data.column_mut(2).mapv_inplace(|value| value * 1e6);
    let truth = array![[1.5, -2.0], [0.25, 3.0], [1e-6, 0.0], [-4.0, 0.5]];
    let noise = samples(3000, 2, 8).mapv(|value| (value - 3.0) * 0.01);
    let targets = data.dot(&truth) + &noise;
    // The normal equations of the naive solution, by elimination.
    let gram = data.t().dot(&data);
    for session in sessions() {
        let x = session.from_ndarray(data.clone());
        let found = x.lstsq(&session.from_ndarray(targets.clone())).unwrap();
        let rest = &targets - data.dot(&found.coefficients);
        // What is left is orthogonal to every column.
        let slope = data.t().dot(&rest);
        for (place, value) in slope.indexed_iter() {
            let length = gram[(place.0, place.0)].sqrt() * rest.column(place.1).dot(&rest.column(place.1)).sqrt();
            assert!(value.abs() < 1e-11 * length, "{place:?}: {value:e} of {length:e}");
        }
        for (column, squares) in found.residual_squares.iter().enumerate() {
            let want = rest.column(column).dot(&rest.column(column));
            assert!((squares - want).abs() < 1e-10 * want);
        }
        let one = x.lstsq(&session.from_ndarray(targets.column(0).to_owned())).unwrap();
        assert_eq!(one.coefficients.column(0), found.coefficients.column(0));
    }
    let session = Session::default_session();
    let error = session.from_ndarray(data).lstsq(&session.from_ndarray(Array1::<f64>::zeros(7))).unwrap_err();
    assert!(error.message().contains("(3000, 4) and (7,)"), "{error}");
}

#[test]
fn components_take_two_reads_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npy");
    let session = Session::builder().memory("16MiB").threads(2).build().unwrap();
    session.from_ndarray(samples(100_000, 16, 9).mapv(|value| value as f32)).save(&path).unwrap();
    let x = session.open(&path);
    let job = crate::Job::new(&session).output("covariance", &x.cov_matrix(1), crate::Destination::Memory);
    let job = job.output("mean", &x.mean(crate::axis(0).dtype(crate::DType::F64)), crate::Destination::Memory);
    let passes = job.run().unwrap().report.stats.passes;
    assert_eq!(passes.iter().map(|(_, times)| *times).collect::<Vec<_>>(), [2], "{passes:?}");
}

#[test]
fn random_directions_find_the_components_that_stand_out() {
    // Variances fall by 0.36 from one component to the next.
    let data = samples(3000, 60, 11);
    let options = PcaOptions::new().components(5).seed(4);
    let exact = Session::default_session().from_ndarray(data.clone()).pca(options.clone()).unwrap();
    assert_eq!(exact.method, PcaMethod::Exact);
    let mut before = None;
    for session in sessions() {
        let x = session.from_ndarray(data.clone());
        let found = x.pca(options.clone().method(PcaMethod::Randomized)).unwrap();
        assert_eq!((found.method, &found.mean, found.samples), (PcaMethod::Randomized, &exact.mean, 3000));
        for place in 0..5 {
            let (one, other) = (found.explained_variance[place], exact.explained_variance[place]);
            assert!((one - other).abs() < 1e-10 * exact.explained_variance[0], "component {place}: {one} {other}");
            assert!((found.explained_variance_ratio[place] - exact.explained_variance_ratio[place]).abs() < 1e-10);
        }
        // Signs too.
        near(&found.components, &exact.components, 1e-6);
        near(&found.components.dot(&found.components.t()), &Array2::eye(5), 1e-12);
        let bits = (found.components.clone(), found.explained_variance.clone());
        assert_eq!(before.get_or_insert_with(|| bits.clone()), &bits);
    }
    let x = Session::default_session().from_ndarray(data);
    let other = x.pca(options.clone().method(PcaMethod::Randomized).seed(5).powers(0).oversampled(0)).unwrap();
    assert_ne!(before.unwrap().0, other.components);
    // Without powers and spare directions the subspace is only about right.
    let angle = other.components.row(0).dot(&exact.components.row(0));
    assert!(angle > 0.95 && other.explained_variance[0] <= exact.explained_variance[0] * (1.0 + 1e-12), "{angle}");
}

#[test]
fn random_directions_are_taken_where_covariances_do_not_fit() {
    let narrow = Session::builder().memory("8MiB").threads(1).build().unwrap();
    let wide =
        Array2::from_shape_fn((300, 900), |(row, column)| ((row * (column % 3 + 1)) % 17) as f32 + (row % 2) as f32 * (column % 2) as f32);
    let x = narrow.from_ndarray(wide.clone());
    let options = PcaOptions::new().components(3);
    let found = x.pca(options.clone()).unwrap();
    let exact = Session::default_session().from_ndarray(wide.clone()).pca(options.clone()).unwrap();
    assert_eq!((found.method, exact.method), (PcaMethod::Randomized, PcaMethod::Exact));
    near(&found.components.dot(&exact.components.t()).mapv(f64::abs), &Array2::eye(3), 1e-6);
    let error = x.pca(options.clone().method(PcaMethod::Exact)).unwrap_err();
    assert!(error.kind() == ErrorKind::Refused && error.hint_text().is_some_and(|hint| hint.contains("randomized")), "{error}");
    assert_eq!(x.pca(PcaOptions::new()).unwrap_err().kind(), ErrorKind::Refused);
    let tiny = Session::builder().memory("1MiB").threads(1).build().unwrap().from_ndarray(wide.clone());
    let error = tiny.pca(PcaOptions::new().components(200).method(PcaMethod::Randomized)).unwrap_err();
    assert!(error.message().contains("210 directions of 900"), "{error}");
    let mut odd = wide;
    odd[(7, 11)] = f32::NAN;
    let error = narrow.from_ndarray(odd).pca(options).unwrap_err();
    assert!(error.kind() == ErrorKind::Data && error.message().contains("column 11"), "{error}");
}

#[test]
fn random_directions_of_samples_that_vary_along_few() {
    // Rank one: what is behind it is no direction of the data, but still a direction.
    let data = Array2::from_shape_fn((40, 30), |(row, column)| row as f64 * (column as f64 + 1.0));
    let x = Session::default_session().from_ndarray(data);
    let found = x.pca(PcaOptions::new().components(4).method(PcaMethod::Randomized)).unwrap();
    let exact = x.pca(PcaOptions::new().components(1)).unwrap();
    near(&found.components.slice(s![..1, ..]).to_owned(), &exact.components, 1e-12);
    near(&found.components.dot(&found.components.t()), &Array2::eye(4), 1e-12);
    assert!(found.explained_variance.iter().skip(1).all(|&variance| variance < 1e-12 * found.explained_variance[0]), "{found:?}");
    let flat = Session::default_session().from_ndarray(Array2::<f64>::ones((10, 5)));
    let found = flat.pca(PcaOptions::new().components(2).method(PcaMethod::Randomized)).unwrap();
    assert_eq!((found.explained_variance.to_vec(), found.explained_variance_ratio.to_vec()), (vec![0.0; 2], vec![0.0; 2]));
}
