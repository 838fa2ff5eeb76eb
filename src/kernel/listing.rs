//! Programs as text: one line per slot, accumulator and instruction. The form is stable.

use crate::kernel::program::{AccId, Arg, Generator, Instr, Program, Reg, SlotId, SlotKind, Step};
use std::fmt;

impl fmt::Display for Reg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.0)
    }
}

impl fmt::Display for SlotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s{}", self.0)
    }
}

impl fmt::Display for AccId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a{}", self.0)
    }
}

impl fmt::Display for Arg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Arg::Reg(reg) => reg.fmt(f),
            Arg::Const(value) => value.fmt(f),
        }
    }
}

/// The axes that are marked, as `[0 2]`.
struct Axes<'a>(&'a [bool]);

impl fmt::Display for Axes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let marked = self.0.iter().enumerate().filter(|(_, marked)| **marked);
        let names: Vec<String> = marked.map(|(axis, _)| axis.to_string()).collect();
        write!(f, "[{}]", names.join(" "))
    }
}

fn lower(name: &impl fmt::Debug) -> String {
    let mut out = String::new();
    for letter in format!("{name:?}").chars() {
        if letter.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

impl fmt::Display for Instr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Instr::Load { dst, slot } => write!(f, "{dst} = load {slot}"),
            Instr::Generate { dst, dtype, generator, offset, strides } => {
                match generator {
                    Generator::Arange { start, step } => write!(f, "{dst} = arange.{dtype} {start} step {step}")?,
                    Generator::Linspace { start, stop, step, .. } => write!(f, "{dst} = linspace.{dtype} {start} to {stop} step {step}")?,
                    Generator::Random { law, seed, stream } => write!(f, "{dst} = random.{dtype} {law} seed {seed} stream {stream}")?,
                }
                write!(f, " index {offset} + {strides:?}")
            }
            Instr::Unary { op, dtype, dst, a } => write!(f, "{dst} = {}.{dtype} {a}", lower(op)),
            Instr::Binary { op, dtype, dst, a, b } => write!(f, "{dst} = {}.{dtype} {a}, {b}", lower(op)),
            Instr::Select { dtype, dst, mask, a, b } => write!(f, "{dst} = select.{dtype} {mask}, {a}, {b}"),
            Instr::Cast { from, to, mode, dst, a } => write!(f, "{dst} = cast.{from}.{to} {a} {}", lower(mode)),
            Instr::Search { table, search, dtype, dst, a } => {
                write!(f, "{dst} = search_{}.{dtype} {a} among {} {}", lower(search), table.len(), table.dtype)
            }
            Instr::Store { slot, src } => write!(f, "store {slot}, {src}"),
            Instr::Reduce { acc, src } => write!(f, "reduce {acc}, {src}"),
            Instr::ReducePairs { acc, a, b } => write!(f, "reduce {acc}, {a}, {b}"),
            Instr::Group { acc, src, labels, dtype, outside } => write!(f, "group.{dtype} {acc}, {src} by {labels} {}", lower(outside)),
            Instr::Compress { slot, src, mask } => write!(f, "compress {slot}, {src}, {mask}"),
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, slot) in self.slots.iter().enumerate() {
            write!(f, "s{index}: ")?;
            match &slot.kind {
                SlotKind::Input => write!(f, "input {}", slot.dtype)?,
                SlotKind::Output => write!(f, "output {}", slot.dtype)?,
                SlotKind::Halo { extra } => write!(f, "local {} with {extra:?} behind", slot.dtype)?,
                SlotKind::Local { axes } => write!(f, "local {} over {}", slot.dtype, Axes(axes))?,
            }
            writeln!(f, "{}", if slot.swapped { " swapped" } else { "" })?;
        }
        for (index, acc) in self.accumulators.iter().enumerate() {
            write!(f, "a{index}: {:?} of {} reduces {}", acc.kind, acc.dtype, Axes(&acc.reduced))?;
            if acc.groups != 1 {
                write!(f, ", {} groups", acc.groups)?;
            }
            for (finish, slot) in &acc.finishes {
                write!(f, ", {finish:?} into {slot}")?;
            }
            writeln!(f)?;
        }
        for step in &self.steps {
            match step {
                Step::Call { closure, input, output } => writeln!(f, "call {closure}: {input} -> {output}")?,
                Step::Fold { fold, input } => writeln!(f, "fold {fold}: {input}")?,
                Step::Product(product) => match product.right {
                    Some(right) => writeln!(f, "product: {} @ {right} -> {}", product.left, product.acc)?,
                    None => writeln!(f, "product: {} @ itself, axes {:?} exchanged -> {}", product.left, product.mirrored, product.acc)?,
                },
                Step::Scan { scan, input, output } => writeln!(f, "scan {scan}: {input} -> {output}")?,
                Step::Sweep(sweep) | Step::Halo { sweep, .. } => {
                    if let Step::Halo { extra, .. } = step {
                        write!(f, "with {extra:?} behind: ")?;
                    }
                    let (axes, registers) = (Axes(&sweep.axes), sweep.registers);
                    writeln!(f, "sweep {axes}, {registers} registers of {} elements", sweep.tile_elements)?;
                    for instr in &sweep.code {
                        writeln!(f, "  {instr}")?;
                    }
                }
            }
        }
        Ok(())
    }
}
