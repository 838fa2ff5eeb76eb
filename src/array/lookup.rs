//! Places of elements in a small sorted table: `searchsorted`, `digitize`.

use super::{
    elementwise::convert,
    node::Array,
    words::{BinaryOp, CastMode, DType, Scalar},
};
use crate::{
    error::{Error, Result},
    expr::Op,
    kernel::program::{Search, TABLE_MAX, Table},
    nd::shape::show,
};

/// On which side of equal elements of a table a place lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Side {
    /// Before them: how many elements of the table are smaller.
    #[default]
    Left,
    /// Behind them: how many are smaller or equal.
    Right,
}

/// A small sorted table: numbers, or an array of one axis, which is computed before what is looked up in it.
#[derive(Clone, Debug)]
pub enum Edges {
    /// Numbers.
    Given(Vec<f64>),
    /// An array of one axis.
    Computed(Array),
}

impl From<Vec<f64>> for Edges {
    fn from(edges: Vec<f64>) -> Self {
        Edges::Given(edges)
    }
}
impl From<&[f64]> for Edges {
    fn from(edges: &[f64]) -> Self {
        Edges::Given(edges.to_vec())
    }
}
impl<const N: usize> From<[f64; N]> for Edges {
    fn from(edges: [f64; N]) -> Self {
        Edges::Given(edges.to_vec())
    }
}
impl From<Array> for Edges {
    fn from(edges: Array) -> Self {
        Edges::Computed(edges)
    }
}
impl From<&Array> for Edges {
    fn from(edges: &Array) -> Self {
        Edges::Computed(edges.clone())
    }
}

impl Array {
    /// For every element its place in a sorted table, as `i64`: NumPy's `searchsorted(table, x, side)`. NaN is above all else.
    ///
    /// ```
    /// use outcore::{Session, array::Side};
    /// let x = Session::default_session().from_ndarray(ndarray::array![0.5, 1.0, 7.0]);
    /// assert_eq!(x.places_in([1.0, 2.0, 3.0], Side::Left).eval::<i64, _>()?, ndarray::array![0, 0, 3]);
    /// assert_eq!(x.places_in([1.0, 2.0, 3.0], Side::Right).eval::<i64, _>()?, ndarray::array![0, 1, 3]);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn places_in(&self, table: impl Into<Edges>, side: Side) -> Array {
        let search = if side == Side::Left { Search::Left } else { Search::Right };
        self.then(searched(self, &table.into(), search))
    }

    /// For every element the number of its bin among sorted `bins`, as NumPy's `digitize`: bins are closed below, or above
    /// where `side` is [`Side::Right`]. Numbers that fall from one to the next are taken from behind.
    #[must_use]
    #[track_caller]
    pub fn digitize(&self, bins: impl Into<Edges>, closed: Side) -> Array {
        // The place behind equal elements is the bin that is closed below.
        let side = if closed == Side::Left { Side::Right } else { Side::Left };
        match bins.into() {
            Edges::Given(edges) if edges.len() > 1 && edges.windows(2).all(|pair| pair[1] <= pair[0]) && edges.first() != edges.last() => {
                let length = edges.len() as i64;
                let places = self.places_in(edges.into_iter().rev().collect::<Vec<f64>>(), side);
                Array::binary_scalar(BinaryOp::Subtract, &places, Scalar::from(length), super::operand::ScalarSide::Left)
            }
            edges => self.places_in(edges, side),
        }
    }
}

/// The places of `value` in `table`.
pub(super) fn searched(value: &Array, table: &Edges, search: Search) -> Result<Array> {
    let dtype = value.known()?.dtype;
    let table = match table {
        Edges::Given(edges) => {
            let table = Table::new(DType::F64, edges.iter().map(|edge| edge.to_bits()).collect());
            let table = checked(&table, dtype, search)?;
            return Array::make(Op::Search { table: Some(table), search }, vec![value.clone()]);
        }
        Edges::Computed(table) => table,
    };
    let meta = table.known()?;
    if meta.rank() != 1 {
        return Err(Error::mismatch(format!("a table has one axis, this one has shape {}", show(&meta.shape))).hint("as in `ravel(table)`"));
    }
    let met = dtype.promote(meta.dtype);
    let value = if !dtype.is_float() && !met.is_float() { convert(value, met, CastMode::Checked)? } else { value.clone() };
    if value.known()?.dtype != met && Table::meeting(value.known()?.dtype, meta.dtype) != DType::F64 && !value.known()?.dtype.is_float() {
        return Err(Error::internal(format!("{dtype} does not meet a table of {}", meta.dtype)));
    }
    Array::make(Op::Search { table: None, search }, vec![value, table.clone()])
}

/// A table as elements of `dtype` are looked up in it; an error if it is not sorted.
pub(super) fn checked(table: &Table, dtype: DType, search: Search) -> Result<Table> {
    if table.len() > TABLE_MAX {
        return Err(Error::refused(format!("a table of {} elements; {TABLE_MAX} is the most that is searched", table.len())));
    }
    let values = table.floats();
    if search == Search::Bin {
        if let Some(at) = values.iter().position(|edge| edge.is_nan()) {
            return Err(Error::data(format!("edge {at} of the bins is not a number"))
                .hint("the range of data with a NaN or an infinity, or one that overflows, has no bins: give a range, or select first, as in x[isfinite(x)]"));
        }
        if values.len() < 2 {
            let text = if values.is_empty() { "no edges make no bin" } else { "one edge makes no bin" };
            return Err(Error::mismatch(text).hint("a bin has two edges, as in `[0, 1]`; a number alone is how many bins there are"));
        }
    }
    match table.first_fall() {
        Some(at) => Err(Error::data(format!("the table falls at index {at}: {} comes after {}", values[at], values[at - 1]))
            .hint("a table is sorted; sort it first, or flip it")),
        None => Ok(table.for_elements(dtype, search)),
    }
}
