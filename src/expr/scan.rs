//! Scans: names, result dtypes, views that may pass below.

use crate::{
    error::{Error, Result},
    expr::Meta,
    nd::{DType, shape::show},
    numeric::ScanKind,
};

impl ScanKind {
    /// NumPy's name of the scan.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ScanKind::Sum(_) => "cumsum",
            ScanKind::Product => "cumprod",
            ScanKind::Maximum => "cummax",
            ScanKind::Minimum => "cummin",
        }
    }
}

/// The dtype a scan of `dtype` gives, unless another is asked for: sums and products of integers are of 64 bits.
#[must_use]
pub fn scanned_dtype(kind: ScanKind, dtype: DType) -> DType {
    match kind {
        ScanKind::Maximum | ScanKind::Minimum => dtype,
        ScanKind::Sum(_) | ScanKind::Product if dtype.is_float() => dtype,
        ScanKind::Sum(_) | ScanKind::Product if dtype.is_unsigned() => DType::U64,
        ScanKind::Sum(_) | ScanKind::Product => DType::I64,
    }
}

pub(super) fn infer_scan(kind: ScanKind, axis: usize, value: &Meta) -> Result<Meta> {
    if axis >= value.rank() {
        return Err(Error::usage(format!("{} along axis {axis} of shape {}", kind.name(), show(&value.shape))));
    }
    debug_assert_eq!(scanned_dtype(kind, value.dtype), value.dtype, "the builder inserts casts");
    Ok(value.clone())
}
