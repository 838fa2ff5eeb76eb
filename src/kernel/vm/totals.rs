//! Where the sums of a product of matrices go: to an accumulator, or to results at once.

use super::{
    execute::Execution,
    product::{Multiplying, PreparedProduct, Roles, is_dense},
};
use crate::{
    error::Result,
    kernel::{product::whole, program::CastMode},
    nd::DType,
    numeric::{TileAxis, write_integer},
};

impl Execution<'_, '_, '_, '_> {
    /// Adds the sums of a group to the accumulator.
    pub(super) fn absorb_sums(&mut self, product: &PreparedProduct, multiplying: &mut Multiplying, roles: &Roles, output: usize) {
        let axes = &mut self.machine.tile_axes;
        axes.clear();
        let outputs = roles.rows.iter().chain(&roles.columns);
        axes.extend(outputs.map(|axis| TileAxis { length: axis.length, output_step: axis.output, index_step: 0 }));
        if axes.is_empty() {
            axes.push(TileAxis { length: 1, output_step: 0, index_step: 0 });
        }
        let accumulator = match (self.prepared.globals[product.acc], &mut self.machine.accumulators[product.acc]) {
            (Some(global), _) => &mut *self.accumulators[global].accumulator,
            (None, Some(local)) => &mut local.accumulator,
            (None, None) => return,
        };
        let count = (multiplying.sums.len() / whole::planes(product.dtype)).max(1);
        for (plane, sums) in multiplying.sums.chunks_exact_mut(count).take(multiplying.planes).enumerate() {
            if plane > 0 {
                sums.iter_mut().for_each(|sum| *sum *= whole::weight(plane));
            }
            (self.prepared.kernels.absorb)(accumulator, bytemuck::cast_slice(sums), axes, output, 0);
        }
    }

    /// The planes of the one group that there is add up to the results.
    pub(super) fn write_totals(&mut self, product: &PreparedProduct, multiplying: &Multiplying, output: usize) -> Result<()> {
        let columns = multiplying.column_outputs.len();
        let count = multiplying.row_outputs.len() * columns;
        let beside = is_dense(&[0], &multiplying.column_outputs);
        for (_, slot) in &self.prepared.accumulations[product.acc].finishes {
            let dtype = self.prepared.slots[slot.0 as usize].dtype;
            let to = self.machine.locals[slot.0 as usize].bytes_mut();
            let sums = &multiplying.sums[..multiplying.planes * count];
            for (row, first) in multiplying.row_outputs.iter().enumerate() {
                let first = output + *first as usize;
                let line = row * columns..(row + 1) * columns;
                if multiplying.planes == 1 && beside {
                    let out = &mut to[first * dtype.size()..][..columns * dtype.size()];
                    if whole::write_line(&sums[line.clone()], dtype, out) {
                        continue;
                    }
                }
                for (at, column) in line.zip(&multiplying.column_outputs) {
                    let total = whole::total(sums[at..].iter().step_by(count).copied());
                    write_integer(total, dtype, &mut to[(first + *column as usize) * dtype.size()..][..dtype.size()])?;
                }
            }
        }
        Ok(())
    }

    /// The sums of the one group that there is are the results.
    pub(super) fn write_sums(&mut self, product: &PreparedProduct, multiplying: &mut Multiplying, roles: &Roles, output: usize) {
        // Every NaN of a result is the same; most blocks have none.
        if multiplying.sums.iter().fold(false, |found, sum| found | sum.is_nan()) {
            multiplying.sums.iter_mut().filter(|sum| sum.is_nan()).for_each(|sum| *sum = f64::NAN);
        }
        for (_, slot) in &self.prepared.accumulations[product.acc].finishes {
            let dtype = self.prepared.slots[slot.0 as usize].dtype;
            let to = self.machine.locals[slot.0 as usize].bytes_mut();
            let narrow = (self.prepared.kernels.cast)(DType::F64, dtype, CastMode::Checked);
            let lines = multiplying.sums.chunks_exact(multiplying.column_outputs.len());
            let beside = roles.columns.last().is_none_or(|last| last.output == 1) && roles.columns.len() <= 1;
            for (line, row) in lines.zip(&multiplying.row_outputs) {
                let first = output + *row as usize;
                if beside {
                    narrow(&mut to[first * dtype.size()..][..line.len() * dtype.size()], bytemuck::cast_slice(line));
                    continue;
                }
                for (sum, column) in line.iter().zip(&multiplying.column_outputs) {
                    let place = first + *column as usize;
                    narrow(&mut to[place * dtype.size()..][..dtype.size()], bytemuck::bytes_of(sum));
                }
            }
        }
    }
}
