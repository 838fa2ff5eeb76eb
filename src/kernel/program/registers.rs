//! Register allocation by linear scan: a register is free again after the last use of its value.

use super::{Arg, Instr, Reg, Sweep};
use std::collections::{BTreeSet, HashMap};

/// Maps the one-value-one-register code of a sweep to as few registers as its live ranges need.
///
/// A destination never shares the register of an operand of the same instruction, so kernels have no aliases.
#[must_use]
pub fn allocate(axes: Vec<bool>, mut code: Vec<Instr>, tile_elements: usize) -> Sweep {
    let mut last_use: HashMap<Reg, usize> = HashMap::new();
    for (place, instruction) in code.iter_mut().enumerate() {
        visit(instruction, &mut |register, _| {
            last_use.insert(*register, place);
        });
    }
    let mut free: BTreeSet<u32> = BTreeSet::new();
    let mut taken: HashMap<Reg, Reg> = HashMap::new();
    let mut registers = 0;
    for (place, instruction) in code.iter_mut().enumerate() {
        let mut ending: Vec<Reg> = Vec::new();
        visit(instruction, &mut |register, is_destination| {
            let virtual_register = *register;
            if is_destination {
                let real = free.pop_first().unwrap_or_else(|| {
                    registers += 1;
                    registers - 1
                });
                taken.insert(virtual_register, Reg(real));
            }
            *register = taken[&virtual_register];
            if last_use[&virtual_register] == place && !ending.contains(register) {
                ending.push(*register);
            }
        });
        free.extend(ending.iter().map(|register| register.0));
    }
    Sweep { axes, code, registers, tile_elements }
}

/// Calls `see(register, is_destination)` for every register of an instruction.
pub(crate) fn visit(instruction: &mut Instr, see: &mut dyn FnMut(&mut Reg, bool)) {
    let arg = |arg: &mut Arg, see: &mut dyn FnMut(&mut Reg, bool)| {
        if let Arg::Reg(register) = arg {
            see(register, false);
        }
    };
    match instruction {
        Instr::Load { dst, .. } | Instr::Generate { dst, .. } => see(dst, true),
        Instr::Unary { dst, a, .. } | Instr::Search { dst, a, .. } => {
            arg(a, see);
            see(dst, true);
        }
        Instr::Binary { dst, a, b, .. } => {
            arg(a, see);
            arg(b, see);
            see(dst, true);
        }
        Instr::Select { dst, mask, a, b, .. } => {
            see(mask, false);
            arg(a, see);
            arg(b, see);
            see(dst, true);
        }
        Instr::Cast { dst, a, .. } => {
            see(a, false);
            see(dst, true);
        }
        Instr::Store { src, .. } | Instr::Reduce { src, .. } => arg(src, see),
        Instr::ReducePairs { a, b, .. } => {
            arg(a, see);
            arg(b, see);
        }
        Instr::Group { src, labels, .. } => {
            arg(src, see);
            arg(labels, see);
        }
        Instr::Compress { src, mask, .. } => {
            arg(src, see);
            arg(mask, see);
        }
    }
}
