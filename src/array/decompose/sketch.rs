//! Principal components without the matrix of covariances: the range of the data is found from random directions
//! (Halko, Martinsson and Tropp, "Finding structure with randomness", 2011).
//!
//! Directions are multiplied by the covariances, which takes a read of the data and no more memory than the directions, and are made
//! orthogonal again; those along which the data varies most grow fastest. What the data is in their span is decomposed exactly.

use super::{
    mean_of,
    pca::{Found, PcaOptions},
};
use crate::{
    array::{
        axes::axis,
        below::{Directions, SketchRows, Wanted, orthonormal, symmetric_eigen},
        elementwise::promoted,
        matrix::{RowFold, compute, float_of},
        node::Array,
        random::Random,
        session::Session,
        size::show_memory,
        words::DType,
    },
    error::{Error, Result},
};
use ndarray::{Array1, Array2, Ix1, Ix2, s};
use std::sync::Arc;

/// The first `count` components of a matrix of `rows` samples.
pub(super) fn sketched(value: &Array, rows: usize, count: usize, options: &PcaOptions) -> Result<Found> {
    let session = value.session();
    let columns = value.shape()?[1];
    let width = count.saturating_add(options.oversampled).min(columns);
    check_directions(&session, width, columns)?;
    let divisor = (rows as u64 - options.ddof) as f64;
    let (mean, total) = moments(&session, value, options.ddof)?;
    let rows = promoted(value, float_of(value.dtype()?))?;
    let walk = |directions: &Array2<f64>, wanted| walked(&session, &rows, directions, &mean, wanted);
    let random = Random::new(options.seed).normal::<f64>([width, columns], 0.0, 1.0);
    let mut directions = orthonormal(session.adopt(random).eval::<f64, Ix2>()?);
    for _ in 0..=options.powers {
        let grown = walk(&directions, Wanted::Grown)?;
        if grown.iter().any(|value| !value.is_finite()) {
            return Err(Error::data("pca: products of samples are beyond what f64 holds").hint("scale the samples down"));
        }
        directions = orthonormal(grown);
    }
    let inside = walk(&directions, Wanted::Inside)? / divisor;
    let eigen = symmetric_eigen(&inside).map_err(|error| error.context("pca"))?;
    let mut vectors = eigen.vectors.slice(s![..count, ..]).dot(&directions);
    for mut row in vectors.rows_mut() {
        let farthest = row.iter().fold(0.0f64, |farthest, &value| if value.abs() > farthest.abs() { value } else { farthest });
        row.mapv_inplace(|value| if farthest < 0.0 { -value } else { value });
    }
    Ok(Found { mean, total, values: eigen.values, vectors })
}

/// One read of the data: its rows are multiplied with directions.
fn walked(session: &Session, rows: &Array, directions: &Array2<f64>, mean: &Array1<f64>, wanted: Wanted) -> Result<Array2<f64>> {
    let (count, columns) = directions.dim();
    let digest = blake3::hash(bytemuck::cast_slice(&directions.iter().copied().collect::<Vec<f64>>())).to_hex();
    let name = format!("{count} directions, {wanted:?}, {}/1", &digest[..16]);
    let directions = Directions::new(directions, mean, rows.shape()?[0], rows.dtype()?, wanted, session.isa());
    let (state_bytes, held_bytes, length) = (directions.state_bytes(), directions.held_bytes(), directions.result_length());
    let code = Arc::new(SketchRows::new(directions, name.clone()));
    let (found, _) = RowFold { name, code, state_bytes, held_bytes, length }.run(session, rows)?;
    let width = if wanted == Wanted::Grown { columns } else { count };
    Array2::from_shape_vec((count, width), found).map_err(|error| Error::internal(format!("products with directions: {error}")))
}

/// Means of columns, and the sum of their variances: one read.
fn moments(session: &Session, value: &Array, ddof: u64) -> Result<(Array1<f64>, f64)> {
    let variances = promoted(value, DType::F64)?.var(axis(0).ddof(ddof));
    let mut found = compute(session, &[("mean", &mean_of(value)), ("variances", &variances)])?.into_iter();
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
    let text = format!(
        "pca by {width} directions of {columns} elements takes {}; the memory budget is {}",
        show_memory(needed),
        show_memory(budget)
    );
    Err(Error::refused(text).hint("ask for fewer components, or give more memory").with_needed_bytes(needed))
}
