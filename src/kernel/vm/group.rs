//! Absorbs tiles by labels.

use super::{
    action::Source,
    execute::{Execution, View},
    prepare::PreparedSweep,
};
use crate::{
    error::{Error, Result},
    kernel::watch::TileCheck,
    nd::{DType, Element, shape::show},
    numeric::{Accumulator, Elements, Groups, Labels, Outside, TileAxis},
};

/// `(accumulator, tile, axes, base, groups)`: the first element whose label is no group, where that is refused.
pub(crate) type GroupKernel = fn(&mut Accumulator, Elements<'_>, &[TileAxis], usize, &Groups<'_>) -> std::result::Result<(), usize>;

/// A tile into the groups of an accumulator.
#[derive(Clone, Copy)]
pub(super) struct GroupAction {
    pub acc: usize,
    pub track: usize,
    pub src: Source,
    pub size: usize,
    pub labels: Source,
    pub dtype: DType,
    pub outside: Outside,
    pub kernel: GroupKernel,
    pub check: Option<TileCheck>,
}

impl Execution<'_, '_, '_, '_> {
    pub(super) fn group(&mut self, sweep: &PreparedSweep, action: &GroupAction) -> Result<()> {
        self.ask(&action.src, action.size, action.check);
        self.tile_axes(action.track, None);
        let machine = &mut *self.machine;
        let nest = &machine.nest;
        let base = nest.offsets[action.track] as usize;
        let view = View::new(&machine.registers, &machine.buffers, &machine.locals, self.operands);
        let (tile, uniform) = view.read(&action.src, nest.elements, action.size);
        let (labels, labels_uniform) = view.read(&action.labels, nest.elements, action.dtype.size());
        let Some(global) = self.prepared.globals[action.acc] else { return Err(Error::internal("groups of a local reduction")) };
        let accumulator = &mut *self.accumulators[global].accumulator;
        let count = self.prepared.accumulations[action.acc].groups;
        let groups = Groups {
            labels: match action.dtype {
                DType::I32 => Labels::Narrow(labels.as_chunks().0),
                _ => Labels::Wide(labels.as_chunks().0),
            },
            uniform: labels_uniform,
            count,
            stride: accumulator.outputs() / count.max(1),
            outside: action.outside,
        };
        let tile = if uniform { Elements::Uniform(tile) } else { Elements::Dense(tile) };
        let outcome = (action.kernel)(accumulator, tile, &machine.tile_axes, base, &groups);
        outcome.map_err(|element| self.label_fault(sweep, element, action, count))
    }

    #[cold]
    fn label_fault(&self, sweep: &PreparedSweep, element: usize, action: &GroupAction, count: usize) -> Error {
        let machine = &*self.machine;
        let view = View::new(&machine.registers, &machine.buffers, &machine.locals, self.operands);
        let size = action.dtype.size();
        let (labels, uniform) = view.read(&action.labels, machine.nest.elements, size);
        let bytes = &labels[if uniform { 0 } else { element * size }..][..size];
        let label = if action.dtype == DType::I32 { i64::from(i32::from_bytes(bytes)) } else { i64::from_bytes(bytes) };
        let place = show(&self.coordinate(sweep, element));
        Error::data(format!("label {label} at index {place} is none of {count} groups"))
            .hint("labels are 0 to groups - 1: more groups, a selection as in `x[x >= 0]`, or, in group_sum and its kin, `skip=True`")
    }
}
