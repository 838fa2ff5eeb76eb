//! The nearest centroid of every row of a block.

use crate::{
    error::{Error, Result},
    kernel::{
        Isa,
        product::{Factor, ProductKernel, RowProducts, SEGMENT, SegmentKernel},
        simd::{enter, kernels},
    },
    nd::DType,
    numeric::{Accumulator, Piece, TileAxis},
};
use ndarray::Array2;
use std::marker::PhantomData;

/// Rows that are multiplied at a time, and centroids: what they give stays in the second-level cache.
const ROWS: usize = 128;
const CENTROIDS: usize = 256;
/// Sums that are compared, or added, side by side.
const LANES: usize = 8;
/// The label of a row that is near to nothing.
pub(super) const NOWHERE: i32 = -1;

/// Centroids in the dtype of the rows, ready to be compared with them.
#[derive(Clone)]
pub struct Centroids {
    dtype: DType,
    count: usize,
    columns: usize,
    bytes: Vec<u8>,
    /// Half the square of each one's length.
    halves: Vec<f64>,
    isa: Isa,
    kernel: ProductKernel,
    /// For rows that are no longer than a segment.
    of_segment: Option<SegmentKernel>,
    pub(super) absorb: AbsorbKernel,
}

/// Adds a tile to sums.
type AbsorbKernel = fn(&mut Accumulator, &[u8], &[TileAxis], usize, i64);

impl Centroids {
    /// The rows of `centroids`, rounded to `dtype`, for loops of `isa`.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Internal`] for another dtype than `f32` and `f64`.
    pub fn new(centroids: &Array2<f64>, dtype: DType, isa: Isa) -> Result<Centroids> {
        let kernels = kernels(isa);
        let kernel = (kernels.product)(dtype).ok_or_else(|| Error::internal(format!("centroids of {dtype}")))?;
        let bytes: Vec<u8> = match dtype {
            DType::F32 => centroids.iter().flat_map(|&value| (value as f32).to_ne_bytes()).collect(),
            _ => centroids.iter().flat_map(|&value| value.to_ne_bytes()).collect(),
        };
        let half = |row: ndarray::ArrayView1<'_, f64>| {
            let rounded = |value: f64| if dtype == DType::F32 { f64::from(value as f32) } else { value };
            row.iter().map(|&value| rounded(value) * rounded(value)).sum::<f64>() / 2.0
        };
        let halves = centroids.rows().into_iter().map(half).collect();
        let (count, columns) = centroids.dim();
        let of_segment = (kernels.product_of_segment)(dtype).filter(|_| columns <= SEGMENT);
        Ok(Centroids { dtype, count, columns, bytes, halves, isa, kernel, of_segment, absorb: kernels.absorb })
    }

    /// Number of centroids.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Elements of each.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Dtype of the rows.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The elements' bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Rows of a block of so many bytes.
    pub(super) fn rows_of(&self, shape: &[usize]) -> Result<usize> {
        match shape {
            [rows, columns] if *columns == self.columns => Ok(*rows),
            _ => Err(Error::internal(format!("a block {shape:?} of rows of {} elements", self.columns))),
        }
    }

    pub(super) fn row_bytes(&self) -> usize {
        self.columns * self.dtype.size()
    }
}

/// What looking takes, kept from block to block.
#[derive(Default)]
pub(super) struct Nearest {
    products: RowProducts,
    best: Vec<f64>,
    /// The nearest centroid of every row of the last block; [`NOWHERE`] for rows that are not finite.
    pub labels: Vec<i32>,
    /// The square of the distance to it.
    pub squares: Vec<f64>,
}

impl Nearest {
    /// Bytes that are held at most for blocks of at most so many rows.
    pub fn bytes_max(count: usize, columns: usize, size: usize, rows: usize) -> u64 {
        let count = count.min(CENTROIDS);
        RowProducts::bytes_max(ROWS, count, columns, size) + 8 * ROWS as u64 + 16 * rows as u64
    }

    /// Fills `labels` and `squares` for the rows of a block.
    pub fn find(&mut self, centroids: &Centroids, rows: &[u8]) {
        let size = centroids.row_bytes();
        self.labels.clear();
        self.squares.clear();
        for some in rows.chunks(ROWS * size) {
            self.look(centroids, some, some.len() / size);
        }
        match centroids.dtype {
            DType::F32 => self.measure::<f32>(centroids, rows),
            _ => self.measure::<f64>(centroids, rows),
        }
    }

    /// Labels of a few rows.
    fn look(&mut self, centroids: &Centroids, rows: &[u8], count: usize) {
        let first = self.labels.len();
        self.labels.resize(first + count, NOWHERE);
        self.best.clear();
        self.best.resize(count, f64::INFINITY);
        for from in (0..centroids.count).step_by(CENTROIDS) {
            let some = from..(from + CENTROIDS).min(centroids.count);
            let (left, right) = ((rows, 0..count), (&centroids.bytes[..], some.clone()));
            let (halves, best, labels) = (&centroids.halves[some], &mut self.best, &mut self.labels[first..]);
            match centroids.of_segment {
                Some(kernel) => {
                    self.products.write(kernel, left, right, centroids.columns);
                    enter(centroids.isa, Labelling { products: &self.products.results, halves, from, best, labels });
                }
                None => {
                    self.products.fill(centroids.kernel, left, right, centroids.columns);
                    enter(centroids.isa, Labelling { products: &self.products.sums, halves, from, best, labels });
                }
            }
        }
    }

    /// Distances of all rows to their centroids; those that are not finite are of rows that are near to nothing.
    fn measure<T: Factor>(&mut self, centroids: &Centroids, rows: &[u8]) {
        let (labels, squares) = (&mut self.labels, &mut self.squares);
        enter(centroids.isa, Measuring::<T> { centroids, rows, labels, squares, elements: PhantomData });
    }
}

/// Gives rows the label of a centroid that is nearer than what they have had.
struct Labelling<'a, T> {
    /// A line for every row.
    products: &'a [T],
    halves: &'a [f64],
    /// The number of the first of the centroids.
    from: usize,
    best: &'a mut [f64],
    labels: &'a mut [i32],
}

impl<T: Factor> Piece for Labelling<'_, T> {
    #[inline(always)]
    fn go(self) {
        let lines = self.products.chunks_exact(self.halves.len()).zip(self.best).zip(self.labels);
        for ((products, best), label) in lines {
            let least = least_score(products, self.halves);
            if least < *best {
                *best = least;
                let place = products.iter().zip(self.halves).position(|(product, half)| half - product.wide() == least);
                *label = place.map_or(*label, |place| (self.from + place) as i32);
            }
        }
    }
}

/// Fills the squares of the distances of rows to the centroids of their labels.
struct Measuring<'a, T> {
    centroids: &'a Centroids,
    rows: &'a [u8],
    labels: &'a mut [i32],
    squares: &'a mut Vec<f64>,
    elements: PhantomData<T>,
}

impl<T: Factor> Piece for Measuring<'_, T> {
    #[inline(always)]
    fn go(self) {
        let size = self.centroids.row_bytes();
        for (row, label) in self.rows.chunks_exact(size).zip(self.labels) {
            let square = match usize::try_from(*label) {
                Ok(place) => square_between::<T>(row, &self.centroids.bytes[place * size..][..size]),
                Err(_) => f64::NAN,
            };
            if !square.is_finite() {
                *label = NOWHERE;
            }
            self.squares.push(square);
        }
    }
}

/// The smallest of what is left of halves without their products; NaN is none.
#[inline(always)]
fn least_score<T: Factor>(products: &[T], halves: &[f64]) -> f64 {
    let mut least = [f64::INFINITY; LANES];
    let (lines, rest) = products.as_chunks::<LANES>();
    let (half_lines, half_rest) = halves.as_chunks::<LANES>();
    for (line, halves) in lines.iter().zip(half_lines) {
        for lane in 0..LANES {
            let score = halves[lane] - line[lane].wide();
            least[lane] = if score < least[lane] { score } else { least[lane] };
        }
    }
    let mut smallest = least.into_iter().fold(f64::INFINITY, |a, b| if b < a { b } else { a });
    for (product, half) in rest.iter().zip(half_rest) {
        let score = half - product.wide();
        smallest = if score < smallest { score } else { smallest };
    }
    smallest
}

/// The square of the distance of two rows: differences in `f64`, added up in lanes.
#[inline(always)]
fn square_between<T: Factor>(one: &[u8], other: &[u8]) -> f64 {
    let wide = |bytes: &[u8]| bytemuck::pod_read_unaligned::<T>(bytes).wide();
    let mut sums = [0.0; LANES];
    let mut pairs = one.chunks_exact(LANES * size_of::<T>()).zip(other.chunks_exact(LANES * size_of::<T>()));
    for (one, other) in &mut pairs {
        for lane in 0..LANES {
            let place = lane * size_of::<T>()..(lane + 1) * size_of::<T>();
            let difference = wide(&one[place.clone()]) - wide(&other[place]);
            sums[lane] += difference * difference;
        }
    }
    let done = one.len() / (LANES * size_of::<T>()) * LANES * size_of::<T>();
    let rest = one[done..].chunks_exact(size_of::<T>()).zip(other[done..].chunks_exact(size_of::<T>()));
    for (sum, (one, other)) in sums.iter_mut().zip(rest) {
        let difference = wide(one) - wide(other);
        *sum += difference * difference;
    }
    sums.into_iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::product::GROUP;
    use ndarray::array;

    #[test]
    fn ties_go_to_the_lowest_and_nan_nowhere() {
        let centroids = array![[0.0, 0.0], [2.0, 0.0], [2.0, 0.0], [1.0, 5.0]];
        let rows = [1.0, 0.0, 1.9, 0.0, f64::NAN, 0.0, 1.0, 4.0, f64::INFINITY, 0.0];
        for dtype in [DType::F32, DType::F64] {
            let bytes: Vec<u8> = match dtype {
                DType::F32 => rows.iter().flat_map(|&value| (value as f32).to_ne_bytes()).collect(),
                _ => rows.iter().flat_map(|value| value.to_ne_bytes()).collect(),
            };
            let mut nearest = Nearest::default();
            nearest.find(&Centroids::new(&centroids, dtype, Isa::detect()).unwrap(), &bytes);
            assert_eq!(nearest.labels, [0, 1, NOWHERE, 3, NOWHERE]);
            assert_eq!([nearest.squares[0], nearest.squares[3]], [1.0, 1.0]);
        }
    }

    #[test]
    fn many_centroids_and_columns_are_compared_in_parts() {
        let (count, columns) = (CENTROIDS + 3, GROUP + 9);
        let centroids = Array2::from_shape_fn((count, columns), |(row, column)| f64::from(u8::from(column % count == row)));
        let centroids = Centroids::new(&centroids, DType::F64, Isa::detect()).unwrap();
        let mut nearest = Nearest::default();
        nearest.find(&centroids, &centroids.bytes.clone());
        assert!(nearest.labels.iter().copied().eq(0..count as i32));
        assert!(nearest.squares.iter().all(|&square| square == 0.0));
    }
}
