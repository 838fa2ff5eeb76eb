//! Products of matrices: which axes of a block are rows, columns and inner places, and where their sums go.

use super::{Operand, execute::Execution, prepare::Prepared};
use crate::{
    error::{Error, Result},
    kernel::{
        product::{
            GROUP, Outputs, Panels, ProductKernel, SEGMENT, SegmentKernel, Side, fit,
            whole::{self, Digits},
        },
        program::{Product, Program, SlotId, SlotKind, Step},
        simd::Kernels,
    },
    nd::DType,
};

/// A product resolved for one instruction set.
pub(in crate::kernel) struct PreparedProduct {
    left: usize,
    right: Option<usize>,
    mirrored: [usize; 2],
    inner: Vec<usize>,
    pub(super) acc: usize,
    /// Elements of both sides.
    pub(super) dtype: DType,
    /// Multiplies them, or their digits.
    kernel: ProductKernel,
    /// Writes results of one segment to the slot that they all go to; `None` if they go to others, or are of another dtype.
    of_segment: Option<(SegmentKernel, usize)>,
}

impl PreparedProduct {
    pub(super) fn new(program: &Program, kernels: &Kernels, product: &Product) -> Result<PreparedProduct> {
        let slot = |slot: SlotId| &program.slots[slot.0 as usize];
        let dtype = slot(product.left).dtype;
        let right = product.right.map_or(dtype, |right| slot(right).dtype);
        let factors = if whole::digits(dtype) > 1 { DType::F64 } else { dtype };
        let kernel = (kernels.product)(factors).filter(|_| dtype == right);
        let kernel = kernel.ok_or_else(|| Error::internal(format!("a product of {dtype} and {right}")))?;
        let (left, acc) = (product.left.0 as usize, product.acc.0 as usize);
        let right = product.right.map(|right| right.0 as usize);
        let of_segment = match &program.accumulators[acc].finishes[..] {
            [(_, to)] if slot(*to).dtype == dtype => (kernels.product_of_segment)(dtype).map(|kernel| (kernel, to.0 as usize)),
            _ => None,
        };
        let (mirrored, inner) = (product.mirrored, product.inner.clone());
        Ok(PreparedProduct { left, right, mirrored, inner, acc, dtype, kernel, of_segment })
    }
}

/// What products of a block need, kept from block to block.
#[derive(Default)]
pub(super) struct Multiplying {
    roles: Roles,
    pub sums: Vec<f64>,
    panels: Panels,
    digits: Digits,
    /// How many planes of sums there are.
    pub planes: usize,
    /// Places and inner places of both sides.
    left: Places,
    right: Places,
    /// Where rows and columns go among the outputs.
    pub row_outputs: Vec<i64>,
    pub column_outputs: Vec<i64>,
}

#[derive(Default)]
struct Places {
    places: Vec<i64>,
    inner: Vec<i64>,
}

impl Multiplying {
    pub(super) fn held_bytes(&self) -> u64 {
        let own = [&self.left.places, &self.left.inner, &self.right.places, &self.right.inner, &self.row_outputs, &self.column_outputs];
        let lists = own.into_iter().chain(&self.roles.batch_firsts).chain(&self.roles.outer);
        let lists: usize = lists.map(Vec::capacity).sum();
        (8 * (self.sums.capacity() + lists)) as u64 + self.panels.held_bytes() + self.digits.held_bytes()
    }
}

/// Whether a product adds one group of inner places in a block of at most `shape`, whose sums are results without an accumulator.
pub(super) fn is_direct(program: &Program, acc: usize, shape: &[usize]) -> bool {
    let mut products = program.steps.iter().filter_map(|step| if let Step::Product(product) = step { Some(product) } else { None });
    products.find(|product| product.acc.0 as usize == acc).is_some_and(|product| {
        let (last, outer) = product.inner.split_last().map_or((1, &[][..]), |(&last, outer)| (shape[last], outer));
        last <= GROUP && outer.iter().all(|&axis| shape[axis] <= 1)
    })
}

/// Bytes that [`Multiplying`] holds at most for blocks of at most `shape`: what the products of a program need one after the other.
pub(super) fn bytes_max(program: &Program, shape: &[usize]) -> u64 {
    let products = program.steps.iter().filter_map(|step| if let Step::Product(product) = step { Some(product) } else { None });
    let mut most = [0u64; 7];
    for product in products {
        let needs = needs_of(program, product, shape);
        most.iter_mut().zip(needs).for_each(|(most, need)| *most = need.max(*most));
    }
    most.into_iter().fold(0, u64::saturating_add)
}

/// Bytes of the panels of both sides, of sums, and of lists of rows, columns, inner places and batches.
fn needs_of(program: &Program, product: &Product, shape: &[usize]) -> [u64; 7] {
    let reduced = &program.accumulators[product.acc.0 as usize].reduced;
    let length = |wanted: &dyn Fn(usize) -> bool| {
        shape.iter().enumerate().filter(|(axis, _)| wanted(*axis)).fold(1usize, |product, (_, &length)| product.saturating_mul(length))
    };
    let [rows, columns] = [&product.left_axes, &product.right_axes].map(|axes| length(&|axis| !reduced[axis] && axes[axis]));
    let outputs = length(&|axis| !reduced[axis]);
    let inner = length(&|axis| product.inner.contains(&axis));
    let dtype = program.slots[product.left.0 as usize].dtype;
    let size = if whole::digits(dtype) > 1 { size_of::<f64>() } else { dtype.size() };
    let batches = outputs / rows.saturating_mul(columns).max(1) + 1;
    let [left, right] = [rows, columns].map(|places| {
        let digits = Digits::side_bytes_max(places, inner, dtype);
        Panels::side_bytes_max(places, inner.min(GROUP), size).saturating_add(digits)
    });
    let sums = (outputs as u64).saturating_mul(8 * whole::planes(dtype) as u64);
    let list = |count: usize| (count as u64).saturating_mul(16);
    [left, right, sums, list(rows), list(columns), list(inner), list(2 * batches)]
}

/// An axis of the block as a product sees it: its length, and distances in the left side, in the right side and among the outputs.
#[derive(Clone, Copy)]
pub(super) struct ProductAxis {
    pub length: usize,
    left: i64,
    right: i64,
    pub output: i64,
}

/// The axes of a block by their roles, and where everything lies.
#[derive(Default)]
pub(super) struct Roles {
    batches: Vec<ProductAxis>,
    pub rows: Vec<ProductAxis>,
    pub columns: Vec<ProductAxis>,
    /// The last one is walked within a product, the others from one to the next.
    inner: Vec<ProductAxis>,
    /// Where the last inner axis begins in the space.
    start: usize,
    /// Whether the sides are exchanged, so that results that lie beside each other are a row: the products are the same.
    turned: bool,
    /// The first elements of every batch in the left side, in the right side and among the outputs.
    batch_firsts: [Vec<i64>; 3],
    /// Distances of all places of the inner axes but the last one, in the left side and in the right side.
    outer: [Vec<i64>; 2],
    /// Elements between neighbours in the left side, in the right side and among the outputs, per axis of the block.
    strides: [Vec<i64>; 3],
}

impl Roles {
    /// Exchanges the sides.
    fn turn(&mut self) {
        std::mem::swap(&mut self.rows, &mut self.columns);
        let axes = self.rows.iter_mut().chain(&mut self.columns).chain(&mut self.batches).chain(&mut self.inner);
        axes.for_each(|axis| std::mem::swap(&mut axis.left, &mut axis.right));
    }

    fn last(&self) -> ProductAxis {
        self.inner.last().copied().unwrap_or(ProductAxis { length: 1, left: 0, right: 0, output: 0 })
    }
}

/// Fills `to` with the elements between neighbours of a slot, per axis of the block, and gives its first element.
fn layout(to: &mut Vec<i64>, slot: usize, prepared: &Prepared, shape: &[usize], operands: &[Operand<'_>]) -> i64 {
    match (&operands[slot], &prepared.slots[slot].kind) {
        (Operand::Input { strides, first, .. }, _) => {
            to.clear();
            to.extend_from_slice(strides);
            return *first;
        }
        (_, SlotKind::Local { axes }) => dense(to, shape, |axis| axes[axis]),
        _ => dense(to, shape, |_| false),
    }
    0
}

/// Fills `to` with the strides of a dense array of those axes of a box that it has.
fn dense(to: &mut Vec<i64>, shape: &[usize], has: impl Fn(usize) -> bool) {
    to.clear();
    to.resize(shape.len(), 0);
    let mut next = 1;
    for axis in (0..shape.len()).rev().filter(|&axis| has(axis)) {
        to[axis] = next;
        next *= shape[axis] as i64;
    }
}

/// Fills `to` with the distances of all places of `axes`, the last one fastest.
fn places(to: &mut Vec<i64>, axes: &[ProductAxis], first: i64, step: impl Fn(&ProductAxis) -> i64) {
    to.clear();
    to.push(first);
    for axis in axes.iter().rev() {
        let inner = to.len();
        for place in inner..inner * axis.length {
            to.push(to[place - inner] + step(axis));
        }
    }
}

/// Whether rows follow each other without a gap.
pub(super) fn is_dense(rows: &[i64], columns: &[i64]) -> bool {
    let are_steps = |places: &[i64], step: usize| places.iter().enumerate().all(|(at, &place)| place == (at * step) as i64);
    are_steps(columns, 1) && are_steps(rows, columns.len())
}

impl Execution<'_, '_, '_, '_> {
    /// Multiplies what the block has of both sides, and absorbs the sums; those of a local accumulator are finished.
    pub(super) fn product(&mut self, product: &PreparedProduct) -> Result<()> {
        let mut multiplying = std::mem::take(&mut self.machine.multiplying);
        let mut roles = std::mem::take(&mut multiplying.roles);
        self.assign(product, &mut roles);
        let result = self.multiply(product, &roles, &mut multiplying);
        multiplying.roles = roles;
        self.machine.multiplying = multiplying;
        result
    }

    fn multiply(&mut self, product: &PreparedProduct, roles: &Roles, multiplying: &mut Multiplying) -> Result<()> {
        let is_local = self.prepared.globals[product.acc].is_none();
        let direct = is_local && roles.last().length <= GROUP && roles.outer[0].len() == 1;
        if is_local && !direct {
            let reduced = &self.prepared.accumulations[product.acc].reduced;
            let outputs = reduced.iter().zip(self.block.shape).filter(|(reduced, _)| !**reduced).map(|(_, &length)| length).product();
            self.local_of(product.acc, outputs)?;
        }
        if !is_local && !roles.start.is_multiple_of(GROUP) {
            return Err(Error::internal(format!("a product begins at {}, inside a group", roles.start)));
        }
        places(&mut multiplying.row_outputs, &roles.rows, 0, |axis| axis.output);
        places(&mut multiplying.column_outputs, &roles.columns, 0, |axis| axis.output);
        let [left, right, output] = &roles.batch_firsts;
        if let Some((kernel, slot)) = product.of_segment.filter(|_| direct && roles.last().length <= SEGMENT)
            && is_dense(&multiplying.row_outputs, &multiplying.column_outputs)
        {
            let mut results = std::mem::take(&mut self.machine.locals[slot]);
            for ((&left, &right), &output) in left.iter().zip(right).zip(output) {
                places(&mut multiplying.left.places, &roles.rows, left, |axis| axis.left);
                places(&mut multiplying.right.places, &roles.columns, right, |axis| axis.right);
                let results = &mut results.bytes_mut()[output as usize * size_of::<f32>()..];
                self.write_segment(product, kernel, roles, multiplying, results);
            }
            self.machine.locals[slot] = results;
            return Ok(());
        }
        let sums = multiplying.row_outputs.len() * multiplying.column_outputs.len() * whole::planes(product.dtype);
        fit(&mut multiplying.sums, sums);
        for ((&left, &right), &output) in left.iter().zip(right).zip(output) {
            places(&mut multiplying.left.places, &roles.rows, left, |axis| axis.left);
            places(&mut multiplying.right.places, &roles.columns, right, |axis| axis.right);
            self.batch(product, roles, multiplying, output as usize, direct)?;
        }
        if is_local && !direct { self.finish_local(product.acc, true) } else { Ok(()) }
    }

    /// All groups of inner places of one batch.
    fn batch(
        &mut self,
        product: &PreparedProduct,
        roles: &Roles,
        multiplying: &mut Multiplying,
        output: usize,
        direct: bool,
    ) -> Result<()> {
        let last = roles.last();
        for (&left, &right) in roles.outer[0].iter().zip(&roles.outer[1]) {
            for from in (0..last.length).step_by(GROUP) {
                let group = from as i64..(from + GROUP).min(last.length) as i64;
                multiplying.left.inner.clear();
                multiplying.left.inner.extend(group.clone().map(|at| left + at * last.left));
                multiplying.right.inner.clear();
                multiplying.right.inner.extend(group.map(|at| right + at * last.right));
                self.multiply_group(product, roles, multiplying);
                match direct {
                    true if whole::planes(product.dtype) > 1 => self.write_totals(product, multiplying, output)?,
                    true => self.write_sums(product, multiplying, roles, output),
                    false => self.absorb_sums(product, multiplying, roles, output),
                }
            }
        }
        Ok(())
    }

    fn multiply_group(&self, product: &PreparedProduct, roles: &Roles, multiplying: &mut Multiplying) {
        let Multiplying { sums, panels, digits, planes, left, right, .. } = multiplying;
        let (left, right, outputs) = self.sides(product, roles, [left, right]);
        *planes = 1;
        if whole::digits(product.dtype) > 1 {
            *planes = digits.multiply((product.kernel, product.dtype), sums, [left, right], outputs, panels);
        } else {
            sums.fill(0.0);
            (product.kernel)(sums, left, right, outputs, panels);
        }
    }

    /// The one segment that there is of a batch, whose sums are `results`.
    fn write_segment(
        &self,
        product: &PreparedProduct,
        kernel: SegmentKernel,
        roles: &Roles,
        multiplying: &mut Multiplying,
        results: &mut [u8],
    ) {
        let Multiplying { panels, left, right, row_outputs, column_outputs, .. } = multiplying;
        let last = roles.last();
        for (side, step) in [(&mut *left, last.left), (&mut *right, last.right)] {
            side.inner.clear();
            side.inner.extend((0..last.length as i64).map(|at| at * step));
        }
        let bytes = row_outputs.len() * column_outputs.len() * size_of::<f32>();
        let (left, right, outputs) = self.sides(product, roles, [left, right]);
        kernel(&mut results[..bytes], left, right, outputs, panels);
    }

    fn sides<'a>(&'a self, product: &PreparedProduct, roles: &Roles, places: [&'a Places; 2]) -> (Side<'a>, Side<'a>, Outputs) {
        let bytes = |slot: usize| match &self.operands[slot] {
            Operand::Input { bytes, byte_offset, .. } => &bytes[*byte_offset..],
            _ => self.machine.locals[slot].bytes(),
        };
        let [left, right] = [product.left, product.right.unwrap_or(product.left)];
        let [left, right] = if roles.turned { [right, left] } else { [left, right] };
        let [left_places, right_places] = places;
        let left = Side { bytes: bytes(left), places: &left_places.places, inner: &left_places.inner };
        let right = Side { bytes: bytes(right), places: &right_places.places, inner: &right_places.inner };
        let outputs = if product.right.is_none() && left.places == right.places { Outputs::Symmetric } else { Outputs::All };
        (left, right, outputs)
    }

    /// Sorts the axes of the block by what they are to the product.
    fn assign(&self, product: &PreparedProduct, roles: &mut Roles) {
        let shape = self.block.shape;
        let reduced = &self.prepared.accumulations[product.acc].reduced;
        let [left, right, output] = &mut roles.strides;
        let mut first_left = layout(left, product.left, self.prepared, shape, self.operands);
        let mut first_right = layout(right, product.right.unwrap_or(product.left), self.prepared, shape, self.operands);
        if product.right.is_none() {
            right.swap(product.mirrored[0], product.mirrored[1]);
        }
        let base = match self.prepared.globals[product.acc] {
            Some(global) => {
                output.clear();
                output.extend_from_slice(self.accumulators[global].strides);
                self.accumulators[global].base
            }
            None => {
                dense(output, shape, |axis| !reduced[axis]);
                0
            }
        };
        [&mut roles.batches, &mut roles.rows, &mut roles.columns, &mut roles.inner].into_iter().for_each(Vec::clear);
        roles.start = 0;
        let is_long = |axis: &usize| shape[*axis] > 1 || self.block.space[*axis] > 1;
        let own = |axis: usize| ProductAxis { length: shape[axis], left: left[axis], right: right[axis], output: output[axis] };
        for one in (0..shape.len()).filter(|&axis| !reduced[axis]).filter(is_long).map(own) {
            match (one.left != 0, one.right != 0) {
                (true, false) => roles.rows.push(one),
                (false, true) => roles.columns.push(one),
                _ => roles.batches.push(one),
            }
        }
        for axis in product.inner.iter().copied().filter(is_long) {
            roles.start = self.block.start[axis];
            roles.inner.push(own(axis));
        }
        let beside = |axes: &[ProductAxis]| axes.last().is_some_and(|axis| axis.output == 1);
        roles.turned = product.right.is_some() && beside(&roles.rows) && !beside(&roles.columns);
        if roles.turned {
            roles.turn();
            std::mem::swap(&mut first_left, &mut first_right);
        }
        let [left, right, output] = &mut roles.batch_firsts;
        places(left, &roles.batches, first_left, |axis| axis.left);
        places(right, &roles.batches, first_right, |axis| axis.right);
        places(output, &roles.batches, base, |axis| axis.output);
        let outer = roles.inner.split_last().map_or(&[][..], |(_, outer)| outer);
        let [left, right] = &mut roles.outer;
        places(left, outer, 0, |axis| axis.left);
        places(right, outer, 0, |axis| axis.right);
    }
}
