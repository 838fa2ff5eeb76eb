//! [`Pca`]: principal components.

use super::{check_room, covariances, mean_of, narrowed, sketch::sketched};
use crate::{
    array::{
        below::symmetric_eigen,
        matrix::{compute, float_of, matrix},
        node::Array,
    },
    error::{Error, ErrorKind, Result},
    nd::shape::show,
};
use ndarray::{Array1, Array2, Axis, Ix1, Ix2, s};

/// Variances below this part of the largest are the rounding of sums.
const NOISE: f64 = 1e-13;
/// What helps where the covariances do not fit.
const FEWER: &str = "ask for a few components (`-k`), which random directions find (`--method randomized`), or give more memory";

/// What [`Array::pca`] is to find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PcaOptions {
    components: Option<usize>,
    pub(super) ddof: u64,
    method: PcaMethod,
    pub(super) seed: u64,
    pub(super) powers: usize,
    pub(super) oversampled: usize,
}

/// How [`Array::pca`] finds components.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PcaMethod {
    /// By the covariances where the budget holds them, else from random directions.
    #[default]
    Auto,
    /// By the covariances: columns by columns in memory.
    Exact,
    /// From random directions: columns by components in memory, and more reads of the data.
    Randomized,
}

impl Default for PcaOptions {
    fn default() -> Self {
        PcaOptions::new()
    }
}

impl PcaOptions {
    /// All components there are; variances divide by `n - 1`.
    #[must_use]
    pub fn new() -> PcaOptions {
        PcaOptions { components: None, ddof: 1, method: PcaMethod::Auto, seed: 0, powers: 2, oversampled: 10 }
    }

    /// The first `count` components only.
    #[must_use]
    pub fn components(mut self, count: usize) -> PcaOptions {
        self.components = Some(count);
        self
    }

    /// Variances divide by `n - ddof`.
    #[must_use]
    pub fn ddof(mut self, ddof: u64) -> PcaOptions {
        self.ddof = ddof;
        self
    }

    /// How components are found.
    #[must_use]
    pub fn method(mut self, method: PcaMethod) -> PcaOptions {
        self.method = method;
        self
    }

    /// What random directions are made of (default: 0).
    #[must_use]
    pub fn seed(mut self, seed: u64) -> PcaOptions {
        self.seed = seed;
        self
    }

    /// How often random directions are multiplied by the covariances after the first time (default: 2). More are needed where the
    /// variances of the wanted components and of those behind them are close.
    #[must_use]
    pub fn powers(mut self, powers: usize) -> PcaOptions {
        self.powers = powers;
        self
    }

    /// How many random directions there are besides one for each component (default: 10).
    #[must_use]
    pub fn oversampled(mut self, directions: usize) -> PcaOptions {
        self.oversampled = directions;
        self
    }
}

/// Principal components of a matrix of samples.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Pca {
    /// The mean of every column.
    pub mean: Array1<f64>,
    /// One direction a row, those of larger variance first; of length one, and orthogonal. Of the elements of a row the one farthest
    /// from zero is positive, so that signs are the same for any grid.
    pub components: Array2<f64>,
    /// The variance of the samples along every component.
    pub explained_variance: Array1<f64>,
    /// The same as parts of the variance of all columns together.
    pub explained_variance_ratio: Array1<f64>,
    /// Number of samples.
    pub samples: usize,
    /// How they were found: [`PcaMethod::Exact`] or [`PcaMethod::Randomized`].
    pub method: PcaMethod,
}

impl Array {
    /// The principal components of a matrix whose rows are samples, in two passes over the data: the means, and the covariances in
    /// `f64`, whose eigenvectors they are. Variances below about 1e-15 of the largest are rounding, never below zero.
    ///
    /// Memory holds the covariances (columns by columns) and what their sums take, not the samples. Where the budget does not hold them
    /// a few components are found from random directions instead ([`PcaMethod`]), in more reads of the data; those whose variance
    /// stands out are the same to many digits, the last of them to few.
    ///
    /// ```
    /// use outcore::{PcaOptions, Session};
    /// let x = Session::default_session().from_ndarray(ndarray::array![[1f32, 2.0], [2.0, 4.0], [3.0, 6.0]]);
    /// let pca = x.pca(PcaOptions::new().components(1))?;
    /// assert!((pca.explained_variance[0] - 5.0).abs() < 1e-12);
    /// assert!((pca.explained_variance_ratio[0] - 1.0).abs() < 1e-12);
    /// let projected = pca.transform(&x).eval::<f32, ndarray::Ix2>()?;
    /// assert!((projected[(2, 0)] - 5f32.sqrt()).abs() < 1e-6);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the array is no matrix, has fewer than two rows or fewer rows and columns than components are asked for, if NaN or
    /// infinities are among its elements, or if the budget does not hold the covariances.
    pub fn pca(&self, options: PcaOptions) -> Result<Pca> {
        let [rows, columns] = matrix(self, "pca")?;
        let most = rows.min(columns);
        if rows < 2 || columns == 0 {
            return Err(Error::mismatch(format!("pca of {}: it takes two samples and a feature", show(&[rows, columns]))));
        }
        let count = options.components.unwrap_or(most);
        if count == 0 || count > most {
            return Err(Error::usage(format!("{count} components of {}: there are 1 to {most}", show(&[rows, columns]))));
        }
        if options.ddof >= rows as u64 {
            return Err(Error::usage(format!("variances of {rows} samples cannot divide by n - {}", options.ddof)));
        }
        let (found, method) = match options.method {
            PcaMethod::Exact => (by_covariances(self, &options)?, PcaMethod::Exact),
            PcaMethod::Randomized => (sketched(self, rows, count, &options)?, PcaMethod::Randomized),
            PcaMethod::Auto => match by_covariances(self, &options) {
                Err(error) if error.kind() == ErrorKind::Refused && count.saturating_add(options.oversampled) < columns => {
                    (sketched(self, rows, count, &options)?, PcaMethod::Randomized)
                }
                found => (found?, PcaMethod::Exact),
            },
        };
        let Found { mean, total, values, vectors } = found;
        let explained_variance = values.slice(s![..count]).mapv(|value| value.max(0.0));
        let explained_variance_ratio = explained_variance.mapv(|value| if total > 0.0 { value / total } else { 0.0 });
        let components = vectors.slice(s![..count, ..]).to_owned();
        Ok(Pca { mean, components, explained_variance, explained_variance_ratio, samples: rows, method })
    }
}

/// What components are made of: variances in falling order, and a direction for each.
pub(super) struct Found {
    pub mean: Array1<f64>,
    /// The variances of all columns together.
    pub total: f64,
    pub values: Array1<f64>,
    pub vectors: Array2<f64>,
}

/// By the eigenvectors of the covariances.
fn by_covariances(value: &Array, options: &PcaOptions) -> Result<Found> {
    let session = value.session();
    let few = |error: Error| if error.kind() == ErrorKind::Refused { error.hint(FEWER) } else { error };
    check_room(&session, "pca", value.shape()?[1]).map_err(few)?;
    let covariance = covariances(value, "pca", options.ddof)?;
    let found = compute(&session, &[("mean", &mean_of(value)), ("covariance", &covariance)]).map_err(few)?;
    let mut found = found.into_iter();
    let lost = || Error::internal("a job lost its result");
    let mean = found.next().ok_or_else(lost)?.into_ndarray::<f64, Ix1>()?;
    let covariance = found.next().ok_or_else(lost)?.into_ndarray::<f64, Ix2>()?;
    let eigen = symmetric_eigen(&covariance).map_err(|error| error.context("pca"))?;
    Ok(Found { mean, total: covariance.diag().sum(), values: eigen.values, vectors: eigen.vectors })
}

impl Pca {
    /// `(x - mean) @ components.T`, lazily, for any array of samples with as many columns: `f32` for `f32` and what it holds, else
    /// `f64`.
    #[must_use]
    #[track_caller]
    pub fn transform(&self, x: &Array) -> Array {
        x.then(self.projected(x, self.components.clone()))
    }

    /// [`Pca::transform`] with every component divided by its standard deviation, so that all have variance one. An error if a
    /// component has none.
    #[must_use]
    #[track_caller]
    pub fn whiten(&self, x: &Array) -> Array {
        let made = self.whiten_scale().and_then(|scale| self.projected(x, &self.components * &scale.insert_axis(Axis(1))));
        x.then(made)
    }

    /// What projections are back among the features: `y @ components + mean`, lazily.
    #[must_use]
    #[track_caller]
    pub fn inverse_transform(&self, y: &Array) -> Array {
        let made = y.dtype().and_then(|dtype| {
            let dtype = float_of(dtype);
            let session = y.session();
            let components = narrowed(&session.from_ndarray(self.components.clone()), dtype)?;
            let mean = narrowed(&session.from_ndarray(self.mean.clone()), dtype)?;
            (narrowed(y, dtype)?.matmul(&components) + mean).checked()
        });
        y.then(made)
    }

    /// What [`Pca::whiten`] multiplies projections by: one over the standard deviation along every component.
    ///
    /// # Errors
    /// If the samples do not vary along a component beyond rounding.
    pub fn whiten_scale(&self) -> Result<Array1<f64>> {
        let largest = self.explained_variance.first().copied().unwrap_or(0.0);
        let flat = self.explained_variance.iter().position(|&variance| variance <= largest * NOISE);
        match flat {
            None => Ok(self.explained_variance.mapv(|variance| 1.0 / variance.sqrt())),
            Some(place) => {
                let text = format!(
                    "whitening divides by the variance of component {place}, which is {:e} beside the largest of {largest:e}",
                    self.explained_variance[place]
                );
                Err(Error::data(text).hint(format!("ask for {place} components")))
            }
        }
    }

    fn projected(&self, x: &Array, components: Array2<f64>) -> Result<Array> {
        let shape = &x.known()?.shape;
        let columns = components.ncols();
        if shape.len() != 2 || shape[1].known() != Some(columns) {
            return Err(Error::mismatch(format!("components of {columns} features, the array has shape {}", show(shape))));
        }
        let (session, dtype) = (x.session(), float_of(x.dtype()?));
        let mean = narrowed(&session.from_ndarray(self.mean.clone()), dtype)?;
        let turned = narrowed(&session.from_ndarray(components.reversed_axes().as_standard_layout().into_owned()), dtype)?;
        (narrowed(x, dtype)? - mean).matmul(&turned).checked()
    }
}
