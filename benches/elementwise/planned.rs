//! A planned expression, run by the virtual machine on one thread straight from memory into memory.

use outcore::{
    Array, DType, Dims, Region, Session,
    kernel::{BlockContext, GlobalAccumulator, Isa, Machine, Operand, Prepared, Stores},
    nd::{Grid, SourceFacts, StoreLayout, shape::c_strides},
    numeric::Accumulator,
    plan::{ReadFrom, Stage},
    store::Source,
};
use std::sync::Arc;

/// What the planner is told of an array that the benchmark holds itself.
struct Held(SourceFacts);

impl Source for Held {
    fn facts(&self) -> &SourceFacts {
        &self.0
    }
    fn read(&self, _region: &Region, _out: &mut [u8]) -> outcore::Result<()> {
        unreachable!("the benchmark binds memory itself")
    }
}

/// An array for plans, called `name`.
pub fn held(session: &Session, name: &str, dtype: DType, shape: &[usize], swapped: bool) -> Array {
    session.from_source(Arc::new(Held(SourceFacts {
        name: name.to_string(),
        shape: shape.to_vec(),
        dtype,
        dims: Dims::unnamed(shape.len()),
        layout: StoreLayout::Dense { strides: c_strides(shape) },
        swapped,
        encoded_bytes: (shape.iter().product::<usize>() * dtype.size()) as u64,
        read_scratch_bytes: 0,
        mappable: true,
        resident: true,
        identity: String::new(),
    })))
}

/// See the module.
pub struct Planned {
    stage: Stage,
    prepared: Prepared,
    machine: Machine,
    blocks: Vec<Region>,
    /// Input of every read, by the first letter of its name: `a` is 0.
    inputs: Vec<usize>,
    /// Strides of every slot.
    strides: Vec<Vec<i64>>,
    accumulators: Vec<Accumulator>,
    accumulator_strides: Vec<Vec<i64>>,
    compressed: Vec<usize>,
    pub out_bytes: usize,
}

impl Planned {
    /// Plans `array`; says why where it takes more than one pass.
    pub fn new(session: &Session, array: &Array) -> Result<Planned, String> {
        let plan = session.plan([array]).map_err(|error| error.to_string())?;
        let [stage] = plan.stages.as_slice() else { return Err(format!("{} stages", plan.stages.len())) };
        let stage = stage.clone();
        let prepared = Prepared::new(&stage.program, Isa::detect()).map_err(|error| error.to_string())?;
        let mut strides = vec![vec![0; stage.space.len()]; stage.program.slots.len()];
        let mut inputs = Vec::new();
        for read in &stage.reads {
            let ReadFrom::Source(source) = read.from else { return Err("reads a temp".to_string()) };
            let name = &plan.sources[source.0 as usize].name;
            inputs.push((name.as_bytes()[0] - b'a') as usize);
            strides[read.slot.0 as usize] = read.map.steps.iter().map(|step| step[0]).collect();
        }
        for write in &stage.writes {
            let shape: Vec<usize> = write.axes.iter().map(|axis| axis.map_or(1, |axis| stage.space[axis])).collect();
            for (axis, stride) in write.axes.iter().zip(c_strides(&shape)) {
                if let Some(axis) = axis {
                    strides[write.slot.0 as usize][*axis] = stride;
                }
            }
        }
        let (mut accumulators, mut accumulator_strides) = (Vec::new(), Vec::new());
        for reduction in &stage.reductions {
            let accumulation = &stage.program.accumulators[reduction.acc.0 as usize];
            let shape: Vec<usize> = reduction.kept.iter().map(|&axis| stage.space[axis]).collect();
            let mut along = vec![0; stage.space.len()];
            reduction.kept.iter().zip(c_strides(&shape)).for_each(|(&axis, stride)| along[axis] = stride);
            accumulators
                .push(Accumulator::new(accumulation.kind, accumulation.dtype, reduction.outputs).map_err(|error| error.to_string())?);
            accumulator_strides.push(along);
        }
        let grid = Grid::new(stage.space.clone(), stage.block.clone());
        let blocks = (0..grid.count()).map(|index| grid.region(index)).collect();
        let output = &plan.outputs[0];
        let out_bytes = output.shape.iter().product::<usize>() * output.dtype.size();
        let compressed = vec![0; stage.program.slots.len()];
        let machine = Machine::new();
        Ok(Planned { stage, prepared, machine, blocks, inputs, strides, accumulators, accumulator_strides, compressed, out_bytes })
    }

    /// Computes the result. `inputs` are bytes with the place of the first element, `a` first.
    pub fn run(&mut self, inputs: &[(&[u8], usize)], out: &mut [u8]) -> outcore::Result<()> {
        let Planned { stage, prepared, machine, blocks, strides, accumulators, accumulator_strides, compressed, .. } = self;
        accumulators.iter_mut().for_each(Accumulator::reset);
        let mut operands: Vec<Operand<'_>> = stage.program.slots.iter().map(|_| Operand::Local).collect();
        for (read, &input) in stage.reads.iter().zip(&self.inputs) {
            let (bytes, byte_offset) = inputs[input];
            let slot = read.slot.0 as usize;
            operands[slot] = Operand::Input { bytes, first: 0, strides: &strides[slot], byte_offset };
        }
        if let Some(write) = stage.writes.first() {
            let slot = write.slot.0 as usize;
            operands[slot] = Operand::Output {
                bytes: &mut out[..self.out_bytes],
                first: 0,
                strides: &strides[slot],
                stores: Stores::of_result(self.out_bytes as u64),
            };
        }
        let mut globals: Vec<GlobalAccumulator<'_>> = accumulators
            .iter_mut()
            .zip(accumulator_strides.iter())
            .map(|(accumulator, strides)| GlobalAccumulator { accumulator, base: 0, strides })
            .collect();
        let place = |strides: &[i64], start: &[usize]| strides.iter().zip(start).map(|(stride, &start)| stride * start as i64).sum::<i64>();
        for block in blocks {
            for read in &stage.reads {
                if let Operand::Input { first, .. } = &mut operands[read.slot.0 as usize] {
                    *first = read.map.linear(&block.start);
                }
            }
            for operand in &mut operands {
                if let Operand::Output { first, strides, .. } = operand {
                    *first = place(strides, &block.start);
                }
            }
            for global in &mut globals {
                global.base = place(global.strides, &block.start);
            }
            let context = BlockContext { space: &stage.space, start: &block.start, shape: &block.shape };
            machine.run(prepared, &context, &mut operands, &mut globals, &[], compressed)?;
        }
        drop(globals);
        for (reduction, accumulator) in stage.reductions.iter().zip(accumulators.iter()) {
            for (finish, _) in &reduction.finishes {
                let dtype = stage.program.accumulators[reduction.acc.0 as usize].dtype;
                let count = reduction.outputs;
                accumulator.finish(*finish, dtype, 0, count, &mut out[..self.out_bytes])?;
            }
        }
        Ok(())
    }
}
