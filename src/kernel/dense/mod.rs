//! Small dense matrices in `f64`: what is decomposed after all data has been read and added up.
//!
//! Their order is that of the columns of a matrix of samples, never that of its rows.

mod cholesky;
mod eigen;
mod orthonormal;

pub use cholesky::{Deficient, cholesky, inverse_of_upper, solve};
pub use eigen::{Eigen, eigen_bytes, symmetric_eigen};
pub use orthonormal::orthonormal;
