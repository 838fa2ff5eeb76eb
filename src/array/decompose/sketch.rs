//! Principal components without the matrix of covariances: the range of the data is found from random directions
//! (Halko, Martinsson and Tropp, "Finding structure with randomness", 2011).
//!
//! Directions are multiplied by the covariances, which takes a read of the data and no more memory than the directions, and are made
//! orthogonal again; those along which the data varies most grow fastest. What the data is in their span is decomposed exactly.

use super::{
    mean_of, narrowed,
    pca::{Found, PcaOptions},
    small,
};
use crate::{
    array::{
        axes::axis,
        below::{orthonormal, symmetric_eigen},
        elementwise::promoted,
        matrix::compute,
        node::Array,
        random::Random,
        session::Session,
        size::show_memory,
        words::DType,
    },
    error::{Error, Result},
};
use ndarray::{Array1, Array2, Ix1, Ix2, s};

/// The first `count` components of a matrix of `rows` samples.
pub(super) fn sketched(value: &Array, rows: usize, count: usize, options: &PcaOptions) -> Result<Found> {
    let session = value.session();
    let columns = value.shape()?[1];
    let width = count.saturating_add(options.oversampled).min(columns);
    check_directions(&session, width, columns)?;
    let divisor = (rows as u64 - options.ddof) as f64;
    let (mean, total) = moments(&session, value, options.ddof)?;
    let away = (promoted(value, DType::F64)? - session.from_ndarray(mean.clone())).checked()?;
    let random = Random::new(options.seed).normal::<f64>([width, columns], 0.0, 1.0);
    let mut directions = orthonormal(session.adopt(random).eval::<f64, Ix2>()?);
    let turned = |directions: &Array2<f64>| session.from_ndarray(directions.t().as_standard_layout().into_owned());
    for _ in 0..=options.powers {
        let along = away.matmul(&turned(&directions));
        let grown = small(compute(&session, &[("directions", &along.t().matmul(&away))])?.pop())?;
        if grown.iter().any(|value| !value.is_finite()) {
            return Err(Error::data("pca: products of samples are beyond what f64 holds").hint("scale the samples down"));
        }
        directions = orthonormal(grown);
    }
    let along = (away.matmul(&turned(&directions)).gram() / divisor).checked()?;
    let inside = small(compute(&session, &[("covariances of directions", &along)])?.pop())?;
    let eigen = symmetric_eigen(&inside).map_err(|error| error.context("pca"))?;
    let mut vectors = eigen.vectors.slice(s![..count, ..]).dot(&directions);
    for mut row in vectors.rows_mut() {
        let farthest = row.iter().fold(0.0f64, |farthest, &value| if value.abs() > farthest.abs() { value } else { farthest });
        row.mapv_inplace(|value| if farthest < 0.0 { -value } else { value });
    }
    Ok(Found { mean, total, values: eigen.values, vectors })
}

/// Means of columns, and the sum of their variances: one read.
fn moments(session: &Session, value: &Array, ddof: u64) -> Result<(Array1<f64>, f64)> {
    let variances = promoted(value, DType::F64)?.var(axis(0).ddof(ddof));
    let mean = narrowed(&mean_of(value), DType::F64)?;
    let mut found = compute(session, &[("mean", &mean), ("variances", &variances)])?.into_iter();
    let mut next = || found.next().ok_or_else(|| Error::internal("a job lost its result"))?.into_ndarray::<f64, Ix1>();
    let (mean, variances) = (next()?, next()?);
    if let Some(column) = variances.iter().position(|variance| !variance.is_finite()) {
        let text = format!("pca: the variance of column {column} is {}", variances[column]);
        return Err(Error::data(text).hint("`outcore verify --finite` counts NaN and infinities; leave out their rows"));
    }
    Ok((mean, variances.sum()))
}

/// An error if the budget does not hold so many directions: those that are multiplied, their products, and copies of both.
fn check_directions(session: &Session, width: usize, columns: usize) -> Result<()> {
    let (needed, budget) = ((width as u64).saturating_mul(columns as u64).saturating_mul(8 * 5), session.limits().memory_bytes);
    if needed <= budget {
        return Ok(());
    }
    let text = format!("pca by {width} directions of {columns} elements takes {}; the memory budget is {}", show_memory(needed), show_memory(budget));
    Err(Error::refused(text).hint("ask for fewer components, or give more memory").with_needed_bytes(needed))
}
