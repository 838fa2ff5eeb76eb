//! [`Array::kmeans`]: clusters of rows. What touches elements is `kernel::cluster`.

mod batches;

use super::{
    axes::axis,
    below::{Assign, BlockFunction, Centroids, Lloyd, Pass, plus_plus},
    elementwise::promoted,
    function::BlockCode,
    matrix::{RowFold, float_of, matrix_of_elements},
    node::Array,
    random::Random,
    session::Session,
    size::show_memory,
    words::DType,
};
use crate::{
    error::{Error, Result},
    expr::{FunctionFacts, FunctionRole},
    nd::shape::show,
    plan::grid::BLOCK_BYTES,
};
use ndarray::{Array2, Axis, Ix1, Ix2, s};
use std::sync::Arc;

/// Rows of the sample per cluster, and at least.
const SAMPLED_PER_CLUSTER: usize = 32;
const SAMPLED_MIN: usize = 4096;
/// The stream of a seed that rows are drawn from with their weights; the other one chooses the sample.
const DRAWS: u64 = 1;

/// What [`Array::kmeans`] is to do.
#[derive(Clone, Debug, PartialEq)]
pub struct KMeansOptions {
    clusters: usize,
    seed: u64,
    iterations: usize,
    tolerance: f64,
    sample: Option<usize>,
    start: Option<Array2<f64>>,
    batch: Option<usize>,
    rows: OddRows,
}

/// What becomes of rows with NaN or infinities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OddRows {
    Refused,
    Skipped,
}

impl KMeansOptions {
    /// So many clusters: seed 0, up to 100 iterations, the end where inertia falls by less than 1e-4 of itself.
    #[must_use]
    pub fn new(clusters: usize) -> KMeansOptions {
        let rows = OddRows::Refused;
        KMeansOptions { clusters, seed: 0, iterations: 100, tolerance: 1e-4, sample: None, start: None, batch: None, rows }
    }

    /// What random numbers are made of.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> KMeansOptions {
        self.seed = seed;
        self
    }

    /// The most iterations: one read of the data each.
    #[must_use]
    pub fn iterations(mut self, iterations: usize) -> KMeansOptions {
        self.iterations = iterations;
        self
    }

    /// The part of itself by which inertia has to fall for another iteration; with 0 centroids have to stand still.
    #[must_use]
    pub fn tolerance(mut self, tolerance: f64) -> KMeansOptions {
        self.tolerance = tolerance;
        self
    }

    /// Rows of the sample that the first centroids are chosen from (default: 32 a cluster, at least 4096).
    #[must_use]
    pub fn sample(mut self, rows: usize) -> KMeansOptions {
        self.sample = Some(rows);
        self
    }

    /// The centroids to begin with, one a row, instead of chosen ones.
    #[must_use]
    pub fn start(mut self, centroids: Array2<f64>) -> KMeansOptions {
        self.start = Some(centroids);
        self
    }

    /// Iterations look at `rows` rows each that the seed draws, instead of at all (Sculley's mini-batches): centroids are the means of all
    /// rows that were drawn for them. Every row is drawn once before any is drawn again. A tolerance is compared with what ten batches
    /// bring together; iterations end when twice in a row they bring less.
    #[must_use]
    pub fn batch(mut self, rows: usize) -> KMeansOptions {
        self.batch = Some(rows);
        self
    }

    /// Leaves out rows with NaN or infinities, instead of refusing them; their label is -1.
    #[must_use]
    pub fn skip_nan(mut self) -> KMeansOptions {
        self.rows = OddRows::Skipped;
        self
    }
}

/// Why iterations ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KMeansEnd {
    /// Inertia fell by less than the tolerance, or centroids stood still.
    Converged,
    /// As many iterations as were allowed.
    Iterations,
}

/// Clusters of rows.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct KMeans {
    /// The centroids after the last iteration, one a row: numbers that the dtype of the rows holds (`f32` or `f64`).
    pub centroids: Array2<f64>,
    /// Rows of every cluster in the last iteration; with batches, in all of them.
    pub sizes: Vec<u64>,
    /// The sum of the squares of all distances to the centroids with which each iteration began; with batches, of the rows of each.
    pub inertia: Vec<f64>,
    /// Rows that were left out; with batches, as often as they were drawn.
    pub skipped: u64,
    /// Why it ended.
    pub end: KMeansEnd,
    dtype: DType,
    rows: OddRows,
}

impl Array {
    /// Clusters of the rows of a matrix by Lloyd's algorithm: one read of the data per iteration.
    ///
    /// The first centroids are chosen by k-means++ from a sample of rows. A row belongs to the nearest centroid, of equal ones to the
    /// lowest; a cluster without rows keeps its centroid. Products are computed in `f32` for rows of `f32` and narrower floats, else
    /// in `f64`; rows far from zero beside their distances are better centred first. Sums are exact, so that every bit depends on
    /// the rows and the options alone, not on blocks or threads.
    ///
    /// ```
    /// use outcore::{KMeansOptions, Session};
    /// let x = Session::default_session().from_ndarray(ndarray::array![[0f32, 0.0], [0.0, 1.0], [9.0, 9.0], [9.0, 8.0]]);
    /// let found = x.kmeans(KMeansOptions::new(2).seed(1))?;
    /// let labels = found.assign(&x).eval::<i32, ndarray::Ix1>()?;
    /// assert!(labels[0] == labels[1] && labels[2] == labels[3] && labels[0] != labels[2]);
    /// assert_eq!(found.inertia.last(), Some(&1.0));
    /// # Ok::<(), outcore::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the array is no matrix, has fewer rows than clusters are asked for, or rows with NaN or infinities that are not skipped.
    pub fn kmeans(&self, options: KMeansOptions) -> Result<KMeans> {
        matrix_of_elements(self, "kmeans")?;
        let rows = promoted(self, float_of(self.dtype()?))?;
        let session = self.session();
        check(&options, &rows)?;
        let dtype = rows.dtype()?;
        let rounded = |value: f64| if dtype == DType::F32 { f64::from(value as f32) } else { value };
        let start = match &options.start {
            Some(start) => start.clone(),
            None => chosen(&session, &rows, &options)?,
        };
        let mut found = KMeans {
            centroids: start.mapv_into(rounded),
            sizes: Vec::new(),
            inertia: Vec::new(),
            skipped: 0,
            end: KMeansEnd::Iterations,
            dtype,
            rows: options.rows,
        };
        if let Some(batch) = options.batch {
            batches::by_batches(&session, &rows, &options, batch, &mut found)?;
            found.centroids.mapv_inplace(rounded);
            return Ok(found);
        }
        while found.end == KMeansEnd::Iterations && found.inertia.len() < options.iterations {
            let pass = pass(&session, &rows, &found.centroids)?;
            if pass.skipped > 0 && options.rows == OddRows::Refused {
                return Err(odd_rows(&rows, "", pass.skipped));
            }
            let mut stands = true;
            for ((mut to, mean), size) in found.centroids.rows_mut().into_iter().zip(pass.means.rows()).zip(&pass.sizes) {
                let moved = mean.mapv(rounded);
                if *size > 0 && to != moved {
                    to.assign(&moved);
                    stands = false;
                }
            }
            let before = found.inertia.last().copied().unwrap_or(f64::INFINITY);
            if stands || (options.tolerance > 0.0 && before.is_finite() && before - pass.inertia <= options.tolerance * before) {
                found.end = KMeansEnd::Converged;
            }
            (found.sizes, found.skipped) = (pass.sizes, pass.skipped);
            found.inertia.push(pass.inertia);
        }
        Ok(found)
    }
}

impl KMeans {
    /// The label of every row of a matrix, lazily, as `i32`: the place of its nearest centroid, the lowest of equal ones. A row with NaN
    /// or infinities is an error when it is computed, or gets -1 with [`KMeansOptions::skip_nan`].
    #[must_use]
    #[track_caller]
    pub fn assign(&self, x: &Array) -> Array {
        x.then(self.labels(x))
    }

    /// The centroids as an array of the dtype that they were found in.
    #[must_use]
    pub fn array(&self, session: &Session) -> Array {
        let wide = session.from_ndarray(self.centroids.clone());
        wide.then(promoted(&wide, self.dtype))
    }

    fn labels(&self, x: &Array) -> Result<Array> {
        let [count, columns] = [self.centroids.nrows(), self.centroids.ncols()];
        let shape = &x.known()?.shape;
        if shape.len() != 2 || shape[1].known() != Some(columns) {
            return Err(Error::mismatch(format!("centroids of {columns} elements, the array has shape {}", show(shape))));
        }
        let rows = x.clone();
        let rows = promoted(&rows, self.dtype)?;
        let centroids = Centroids::new(&self.centroids, self.dtype, x.session().isa())?;
        let skips = self.rows == OddRows::Skipped;
        let facts = FunctionFacts {
            name: name(if skips { "labels or -1" } else { "labels" }, &centroids),
            input: self.dtype,
            output: DType::I32,
            whole: vec![1],
            scratch_bytes: Assign::scratch_bytes(&centroids, 16 * BLOCK_BYTES),
            role: FunctionRole::Map,
        };
        debug_assert_eq!(count, centroids.count(), "one centroid a row");
        let code: Arc<dyn BlockFunction> = Arc::new(Assign::new(facts.name.clone(), centroids, skips));
        // All elements of a row are its label, so that their minimum is too.
        rows.make_mapped(Arc::new(BlockCode { facts, code }))?.min(1).checked()
    }
}

fn check(options: &KMeansOptions, rows: &Array) -> Result<()> {
    let shape = rows.shape()?;
    let clusters = options.clusters;
    if shape[0] == 0 {
        return Err(Error::usage(format!("there are no rows to cluster: the shape is {}", show(&shape))));
    }
    if clusters == 0 || clusters > shape[0] || i32::try_from(clusters).is_err() {
        return Err(Error::usage(format!("{clusters} clusters of {} rows: there are 1 to {}", shape[0], shape[0].min(i32::MAX as usize))));
    }
    if options.iterations == 0 {
        return Err(Error::usage("kmeans takes at least one iteration"));
    }
    if options.batch == Some(0) {
        return Err(Error::usage("a batch has at least one row"));
    }
    if !(0.0..1.0).contains(&options.tolerance) {
        return Err(Error::usage(format!("a tolerance of {} is not from 0 to below 1", options.tolerance)));
    }
    match &options.start {
        Some(start) if start.dim() != (clusters, shape[1]) || start.iter().any(|value| !value.is_finite()) => {
            let text = format!("{clusters} centroids of {} finite elements to begin with, not {}", shape[1], show(start.shape()));
            Err(Error::mismatch(text))
        }
        _ => Ok(()),
    }
}

/// Centroids to begin with, from a sample.
fn chosen(session: &Session, rows: &Array, options: &KMeansOptions) -> Result<Array2<f64>> {
    let shape = rows.shape()?;
    let asked = options.sample.unwrap_or(options.clusters.saturating_mul(SAMPLED_PER_CLUSTER).max(SAMPLED_MIN));
    // The sample and a copy of it take no more than an eighth of the memory.
    let room = session.limits().memory_bytes / 8 / (16 * shape[1] as u64);
    let count = asked.min(shape[0]).min(usize::try_from(room).unwrap_or(usize::MAX));
    if count < options.clusters {
        if asked < options.clusters {
            return Err(Error::usage(format!("{} clusters cannot be chosen from a sample of {count} rows", options.clusters)));
        }
        let needed = (options.clusters as u64).saturating_mul(16 * shape[1] as u64).saturating_mul(8);
        let text = format!(
            "{} clusters are chosen from as many sampled rows at least, of which an eighth of the memory budget of {} holds {count}",
            options.clusters,
            show_memory(session.limits().memory_bytes)
        );
        let hint = format!("--memory {needed} ({}) at least, or fewer clusters", show_memory(needed));
        return Err(Error::refused(text).hint(hint).with_needed_bytes(needed));
    }
    let random = Random::new(options.seed);
    let picked = if count < shape[0] { rows.shuffle(random, 0).slice(s![..count, ..]) } else { rows.clone() };
    let sample = session.adopt(promoted(&picked.checked()?, DType::F64)?).eval::<f64, Ix2>()?;
    let finite: Vec<usize> = (0..count).filter(|&row| sample.row(row).iter().all(|value| value.is_finite())).collect();
    if finite.len() < count && options.rows == OddRows::Refused {
        let of = if count < shape[0] { " of a sample" } else { "" };
        return Err(odd_rows(rows, of, (count - finite.len()) as u64));
    }
    if finite.len() < options.clusters {
        let text = format!("{} of {count} sampled rows are finite, too few for {} clusters", finite.len(), options.clusters);
        return Err(Error::data(text).hint("take a larger sample"));
    }
    let sample = if finite.len() < count { sample.select(Axis(0), &finite) } else { sample };
    let draws = session.adopt(random.stream(DRAWS).uniform::<f64>([options.clusters], 0.0, 1.0)).eval::<f64, Ix1>()?;
    Ok(sample.select(Axis(0), &plus_plus(sample.view(), &draws.to_vec())))
}

/// One read of all rows.
fn pass(session: &Session, rows: &Array, centroids: &Array2<f64>) -> Result<Pass> {
    let (count, columns) = centroids.dim();
    let centroids = Centroids::new(centroids, rows.dtype()?, session.isa())?;
    let (length, state_bytes) = (Lloyd::result_length(&centroids), Lloyd::state_bytes(&centroids));
    let name = name("kmeans", &centroids);
    let code = Arc::new(Lloyd::new(name.clone(), centroids));
    let (found, _) = RowFold { name, code, state_bytes, held_bytes: 0, length }.run(session, rows)?;
    Pass::read(&found, count, columns)
}

/// The name of a function with these centroids: another one has another name.
fn name(what: &str, centroids: &Centroids) -> String {
    let digest = blake3::hash(centroids.bytes()).to_hex();
    format!("{what} of {} clusters, {}/1", centroids.count(), &digest[..16])
}

/// The error of rows that are not finite, with the first of them.
fn odd_rows(rows: &Array, of: &str, count: u64) -> Error {
    let first = rows.isfinite().all(1).argmin(axis(0)).item::<i64>();
    let place = first.map_or_else(|_| String::new(), |row| format!(", the first is row {row}"));
    let text = format!("{count} rows{of} have NaN or infinities{place}");
    Error::data(text).hint("leave them out with `skip_nan`, `--skip-nan`")
}
