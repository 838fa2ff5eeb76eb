//! What the rows of a matrix are along some directions, multiplied by the rows again: covariances times directions, in one walk and without
//! the covariances.
//!
//! Rows are taken in groups that their numbers make, whatever blocks they come in: a group is multiplied row after row, and what groups
//! give is added up exactly. So the result is a function of the rows alone. A group that blocks or runs cut waits until it is whole.

use super::{
    product::RowProducts,
    simd::{Isa, enter, kernels},
    vm::{BlockFold, BlockFunction},
};
use crate::{
    error::{Error, Result},
    nd::DType,
    numeric::{Accumulator, AccumulatorKind, Finish, Piece, SumMode, TileAxis},
};
use ndarray::{Array1, Array2};
use std::{any::Any, collections::BTreeMap, ops::Range, sync::Arc};

/// Sums of groups do not depend on what comes first.
const SUM: AccumulatorKind = AccumulatorKind::Sum(SumMode::Exact);
/// Bytes of a group in `f64`, and how many rows it has at least and at most.
const GROUP_BYTES: usize = 2 << 20;
const GROUP_ROWS: Range<usize> = 4..64;
/// Sums of a group that are made together.
const TOGETHER: usize = 512;

/// What is made of the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Directions times the products of all pairs of columns: directions by columns.
    Grown,
    /// The products of all pairs of directions: directions by directions.
    Inside,
}

/// Directions, and what they are to be multiplied with.
pub struct Directions {
    wanted: Wanted,
    /// Dtype of the rows.
    dtype: DType,
    rows: usize,
    columns: usize,
    count: usize,
    /// Elements in `f64`, direction by direction.
    elements: Vec<f64>,
    /// What is taken off every row.
    mean: Vec<f64>,
    isa: Isa,
}

impl Directions {
    /// Directions (one a row) for a matrix of `rows` rows in `dtype` (`f32` or `f64`), from which `mean` is taken off.
    #[must_use]
    pub fn new(directions: &Array2<f64>, mean: &Array1<f64>, rows: usize, dtype: DType, wanted: Wanted, isa: Isa) -> Directions {
        let (count, columns) = directions.dim();
        let (elements, mean) = (directions.iter().copied().collect(), mean.to_vec());
        Directions { wanted, dtype, rows, columns, count, elements, mean, isa }
    }

    /// Bytes that all states share.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        8 * (self.elements.len() + self.mean.len()) as u64
    }

    /// Bytes that one state holds at most.
    #[must_use]
    pub fn state_bytes(&self) -> u64 {
        let group = self.group_rows();
        let sums = Accumulator::state_bytes_max(SUM, DType::F64, self.result_length());
        // Groups wait at both ends of what came so far, and at both of what is merged.
        let waiting = (4 * group * self.row_bytes()) as u64;
        let products = RowProducts::bytes_max(group, self.count, self.columns, size_of::<f64>());
        sums.saturating_add(waiting).saturating_add(products).saturating_add((8 * group * self.columns) as u64 + 16 * 1024)
    }

    /// Elements of the result.
    #[must_use]
    pub fn result_length(&self) -> usize {
        self.count.saturating_mul(self.result_width())
    }

    fn result_width(&self) -> usize {
        if self.wanted == Wanted::Grown { self.columns } else { self.count }
    }

    /// Rows of a group: a function of the columns alone.
    fn group_rows(&self) -> usize {
        (GROUP_BYTES / (8 * self.columns.max(1))).clamp(GROUP_ROWS.start, GROUP_ROWS.end)
    }

    fn row_bytes(&self) -> usize {
        self.columns * self.dtype.size()
    }
}

/// Directions as a function that folds blocks of whole rows.
pub struct SketchRows {
    directions: Arc<Directions>,
    name: String,
}

impl SketchRows {
    /// A fold that errors and plans call `name`.
    #[must_use]
    pub fn new(directions: Directions, name: String) -> SketchRows {
        SketchRows { directions: Arc::new(directions), name }
    }
}

impl BlockFunction for SketchRows {
    fn name(&self) -> &str {
        &self.name
    }

    fn fold(&self) -> Option<Box<dyn BlockFold>> {
        let directions = Arc::clone(&self.directions);
        let sums = Accumulator::new(SUM, DType::F64, directions.result_length()).ok()?;
        Some(Box::new(State { directions, sums, waiting: BTreeMap::new(), centred: Vec::new(), products: RowProducts::default() }))
    }
}

/// Rows of a group that are there.
struct Part {
    bytes: Vec<u8>,
    count: usize,
}

struct State {
    directions: Arc<Directions>,
    sums: Accumulator,
    /// Groups that are not whole, by their number.
    waiting: BTreeMap<usize, Part>,
    centred: Vec<f64>,
    products: RowProducts,
}

impl State {
    /// Takes rows that begin at row `first`, of one group.
    fn rows(&mut self, first: usize, rows: &[u8]) -> Result<()> {
        let (length, row_bytes) = (self.directions.group_rows(), self.directions.row_bytes());
        let group = first / length;
        let whole = length.min(self.directions.rows - group * length);
        let count = rows.len() / row_bytes;
        if count == whole {
            return self.group(rows);
        }
        let part = self.waiting.entry(group).or_insert_with(|| Part { bytes: vec![0; whole * row_bytes], count: 0 });
        part.bytes[(first - group * length) * row_bytes..][..rows.len()].copy_from_slice(rows);
        part.count += count;
        if part.count == whole
            && let Some(part) = self.waiting.remove(&group)
        {
            self.group(&part.bytes)?;
        }
        Ok(())
    }

    /// Takes in a whole group.
    fn group(&mut self, rows: &[u8]) -> Result<()> {
        let directions = Arc::clone(&self.directions);
        let Directions { isa, columns, count, .. } = *directions;
        let mean = directions.mean.iter().cycle();
        self.centred.clear();
        match directions.dtype {
            DType::F32 => {
                let elements = rows.as_chunks::<4>().0.iter().map(|bytes| f64::from(f32::from_ne_bytes(*bytes)));
                self.centred.extend(elements.zip(mean).map(|(element, mean)| element - mean));
            }
            _ => self.centred.extend(rows.as_chunks::<8>().0.iter().zip(mean).map(|(bytes, mean)| f64::from_ne_bytes(*bytes) - mean)),
        }
        let kernel = (kernels(isa).product)(DType::F64).ok_or_else(|| Error::internal("no products of f64"))?;
        let height = self.centred.len() / columns;
        let sides = [bytemuck::cast_slice(&self.centred), bytemuck::cast_slice(&directions.elements)];
        self.products.fill(kernel, (sides[0], 0..height), (sides[1], 0..count), columns);
        let along = &self.products.sums;
        let (right, width) = if directions.wanted == Wanted::Grown { (&self.centred, columns) } else { (along, count) };
        let mut line = [0.0; TOGETHER];
        for direction in 0..count {
            for from in (0..width).step_by(TOGETHER) {
                let line = &mut line[..TOGETHER.min(width - from)];
                enter(isa, Sums { along, count, direction, right, width, from, line: &mut *line });
                let axes = [TileAxis { length: line.len(), output_step: 1, index_step: 0 }];
                (kernels(isa).absorb)(&mut self.sums, bytemuck::cast_slice(line), &axes, direction * width + from, 0);
            }
        }
        Ok(())
    }
}

/// Some sums of a group: what its rows are along a direction, times their elements from `from` on.
struct Sums<'a> {
    along: &'a [f64],
    count: usize,
    direction: usize,
    right: &'a [f64],
    width: usize,
    from: usize,
    line: &'a mut [f64],
}

impl Piece for Sums<'_> {
    #[inline(always)]
    fn go(self) {
        let Sums { along, count, direction, right, width, from, line } = self;
        line.fill(0.0);
        for (along, row) in along.chunks_exact(count).zip(right.chunks_exact(width)) {
            let factor = along[direction];
            for (sum, element) in line.iter_mut().zip(&row[from..]) {
                *sum = factor.mul_add(*element, *sum);
            }
        }
    }
}

impl BlockFold for State {
    fn take(&mut self, start: &[usize], shape: &[usize], input: &[u8]) -> Result<()> {
        let [count, columns] = *shape else { return Err(Error::internal(format!("directions in a block of {} axes", shape.len()))) };
        if columns != self.directions.columns {
            return Err(Error::internal(format!("directions in rows of {columns} of {} elements", self.directions.columns)));
        }
        let (length, row_bytes) = (self.directions.group_rows(), self.directions.row_bytes());
        let (mut row, last) = (start[0], start[0] + count);
        while row < last {
            let end = ((row / length + 1) * length).min(last);
            self.rows(row, &input[(row - start[0]) * row_bytes..(end - start[0]) * row_bytes])?;
            row = end;
        }
        Ok(())
    }

    fn merge(&mut self, other: Box<dyn BlockFold>) -> Result<()> {
        let other = other.taken::<State>()?;
        self.sums.merge_run(0, &other.sums, 0, other.sums.outputs());
        for (group, part) in other.waiting {
            let Some(mut own) = self.waiting.remove(&group) else {
                self.waiting.insert(group, part);
                continue;
            };
            // Places that the other one has not filled are zeros there, and the other way round.
            own.bytes.iter_mut().zip(&part.bytes).for_each(|(to, from)| *to |= from);
            own.count += part.count;
            if own.count * self.directions.row_bytes() == own.bytes.len() {
                self.group(&own.bytes)?;
            } else {
                self.waiting.insert(group, own);
            }
        }
        Ok(())
    }

    fn into_state(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }

    fn finish(self: Box<Self>, out: &mut [u8]) -> Result<()> {
        if !self.waiting.is_empty() {
            return Err(Error::internal(format!("{} groups of rows are not whole", self.waiting.len())));
        }
        self.sums.finish(Finish::Sum, DType::F64, 0, self.sums.outputs(), out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The result for rows in blocks of `block`, dealt to three states.
    fn folded(x: &Array2<f64>, directions: &Array2<f64>, mean: &Array1<f64>, wanted: Wanted, block: usize, isa: Isa) -> Vec<f64> {
        let (rows, columns) = x.dim();
        let directions = Directions::new(directions, mean, rows, DType::F64, wanted, isa);
        let length = directions.result_length();
        let function = SketchRows::new(directions, "sketch".into());
        let mut states: Vec<Box<dyn BlockFold>> = (0..3).map(|_| function.fold().unwrap()).collect();
        let bytes: Vec<u8> = x.iter().flat_map(|value| value.to_ne_bytes()).collect();
        for (place, part) in bytes.chunks(block * columns * 8).enumerate() {
            states[place % 3].take(&[place * block, 0], &[part.len() / (columns * 8), columns], part).unwrap();
        }
        let mut first = states.remove(0);
        states.into_iter().for_each(|state| first.merge(state).unwrap());
        let mut out = vec![0; 8 * length];
        first.finish(&mut out).unwrap();
        out.as_chunks::<8>().0.iter().map(|bytes| f64::from_ne_bytes(*bytes)).collect()
    }

    #[test]
    fn blocks_and_states_do_not_show() {
        let mut state = 7u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f64 / f64::from(1 << 23) - 1.0
        };
        // The last matrix has groups of four rows only.
        for (rows, columns, count) in [(331, 700, 5), (64, 3, 2), (1, 9, 1), (27, 70_000, 2)] {
            let x = Array2::from_shape_simple_fn((rows, columns), &mut next);
            let (directions, mean) = (Array2::from_shape_simple_fn((count, columns), &mut next), Array1::from_elem(columns, 0.25));
            let centred = &x - &mean;
            let along = centred.dot(&directions.t());
            for (wanted, want) in [(Wanted::Grown, along.t().dot(&centred)), (Wanted::Inside, along.t().dot(&along))] {
                let isas = Isa::available();
                let found = folded(&x, &directions, &mean, wanted, rows, isas[0]);
                let size = (rows * columns) as f64;
                assert!(found.iter().zip(&want).all(|(one, other)| (one - other).abs() <= 1e-13 * size), "{wanted:?} {rows} {columns}");
                for (block, isa) in [1, 7, 64, 100].into_iter().zip(isas.into_iter().cycle()) {
                    assert_eq!(folded(&x, &directions, &mean, wanted, block, isa), found, "{wanted:?} {rows} {columns} {block} {isa:?}");
                }
            }
        }
    }
}
