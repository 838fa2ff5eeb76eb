//! A program resolved for one instruction set: function pointers, tracks, and what a machine must hold.

use super::{
    BlockContext, Operand,
    action::{Operation, Track},
    builder::Builder,
    in_place,
    nest::{Order, Role},
    pieces::Pieces,
    product::PreparedProduct,
    rows::Rows,
};
use crate::{
    error::{Error, Result},
    kernel::{
        program::{Accumulation, Instr, Program, Reg, Slot, SlotKind, Step, Sweep},
        simd::{Isa, Kernels, kernels},
        watch::Watch,
    },
    nd::DType,
};
use std::sync::atomic::{AtomicU64, Ordering};

/// A program with its function pointers, made once and shared by all workers.
pub struct Prepared {
    /// Distinguishes programs, so that a machine knows when its buffers are another program's.
    pub(super) id: u64,
    /// Programs for pieces of one program have its slots, and its buffers.
    pub(super) family: u64,
    pub(super) slots: Vec<Slot>,
    pub(super) accumulations: Vec<Accumulation>,
    /// Position among the global accumulators, per accumulator.
    pub(super) globals: Vec<Option<usize>>,
    pub(super) steps: Vec<PreparedStep>,
    pub(super) kernels: Kernels,
    pub(super) registers: usize,
    pub(super) register_bytes: usize,
    pub(super) outputs: usize,
    /// Per slot, the input that it is a copy of, if functions may be given that.
    copies: Vec<Option<usize>>,
    /// Whether indices are those of the whole space, also along axes that a sweep does not walk.
    pub(super) counts_space: bool,
    /// What counts NaN and infinities that are created, and events of integers.
    pub(super) watch: Option<Box<Watch>>,
    isa: Isa,
    /// Per slot, whether anything looks at it.
    reads: Vec<bool>,
    /// Programs for blocks that lie in one piece of an axis.
    pieces: Option<Box<Pieces>>,
}

pub(super) enum PreparedStep {
    Sweep(PreparedSweep),
    Call { closure: usize, input: usize, output: usize },
    Scan { scan: usize, input: usize, output: usize },
    Fold { fold: usize, input: usize },
    Product(PreparedProduct),
    Halo { sweep: PreparedSweep, extra: Vec<usize> },
}

/// What becomes of what is loaded, where that is all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Once {
    /// One operation, whose result goes to memory.
    Passes,
    /// Reductions; several of them read a tile again. Sums that are not exact depend on where they are cut.
    Reduces { alone: bool, exact: bool },
    /// The formula of a sum. One that is not exact depends on where it is cut.
    Sums { exact: bool },
}

pub(super) struct PreparedSweep {
    pub axes: Vec<bool>,
    pub tile_elements: usize,
    /// C order where something asks for the first element of a kind.
    pub order: Order,
    pub tracks: Vec<Track>,
    /// Of the tracks.
    pub roles: Vec<Role>,
    pub code: Vec<Operation>,
    /// Set where nothing of a tile is looked at again: then none has to stay in the cache, and they may be longer.
    pub once: Option<Once>,
    /// Set where results are those of rows, and may need no accumulator.
    pub rows: Option<Rows>,
    /// Local accumulators that are absorbed into here and finish at the end.
    pub finishing: Vec<usize>,
    /// Sums that are asked at the end whether they took anything that is not finite.
    pub sums: Vec<usize>,
    /// The local that it only copies an input to.
    pub copies: Option<usize>,
}

/// Loads of this many operands have a register of their own, which keeps a tile for as long as the operand does not move.
pub(super) const KEPT_LOADS_MAX: usize = 6;

impl Prepared {
    /// Resolves `program` for `isa` (for the baseline where this CPU lacks it). Fails on a program that [`Program::verify`] rejects.
    pub fn new(program: &Program, isa: Isa) -> Result<Prepared> {
        Ok(Self::with(program, isa, None)?.with_pieces(program))
    }

    /// As [`Prepared::new`]; machines also count what the program creates ([`crate::kernel::watch`]).
    pub fn watched(program: &Program, isa: Isa) -> Result<Prepared> {
        verify(program)?;
        Ok(Self::with(program, isa, Watch::new(program, isa)?)?.with_pieces(program))
    }

    fn with_pieces(self, program: &Program) -> Prepared {
        Prepared { pieces: Pieces::of(program).map(Box::new), ..self }
    }

    /// What computes a block: a program for the piece that it lies in, if there is one.
    pub(super) fn of_block(&self, block: &BlockContext<'_>) -> &Prepared {
        let prepare = |program: &Program| -> Result<Prepared> {
            let made = if self.watch.is_some() { Self::watched(program, self.isa) } else { Self::new(program, self.isa) }?;
            if made.registers > self.registers || made.register_bytes > self.register_bytes {
                return Err(Error::internal("a piece takes more than the whole"));
            }
            // With the buffers of the whole program, which stay where they are from one piece to the next.
            Ok(Prepared { family: self.family, registers: self.registers, register_bytes: self.register_bytes, ..made })
        };
        let mut found = self;
        while let Some(piece) = found.pieces.as_ref().and_then(|pieces| pieces.of_block(block, prepare)) {
            found = piece;
        }
        found
    }

    /// As [`Prepared::new`]; places are counted in the whole space.
    pub(in crate::kernel) fn counting(program: &Program, isa: Isa) -> Result<Prepared> {
        Ok(Prepared { counts_space: true, ..Self::with(program, isa, None)? })
    }

    fn with(program: &Program, isa: Isa, watch: Option<Watch>) -> Result<Prepared> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        verify(program)?;
        let mut next_global = 0;
        let globals = program
            .accumulators
            .iter()
            .map(|accumulation| {
                let global = accumulation.finishes.is_empty();
                next_global += usize::from(global);
                global.then(|| next_global - 1)
            })
            .collect();
        let kernels = kernels(isa);
        let builder = Builder { program, kernels, watch: watch.as_ref() };
        let steps = program.steps.iter().enumerate().map(|(index, step)| builder.step(index, step)).collect::<Result<_>>()?;
        let (registers, register_bytes) = register_needs(program);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Ok(Prepared {
            id,
            family: id,
            slots: program.slots.clone(),
            accumulations: program.accumulators.clone(),
            globals,
            steps,
            kernels,
            registers,
            register_bytes,
            outputs: program.slots.iter().filter(|slot| slot.kind == SlotKind::Output).count(),
            copies: in_place::copies(program, watch.as_ref()),
            counts_space: false,
            watch: watch.map(Box::new),
            isa,
            reads: slots_read(program),
            pieces: None,
        })
    }

    /// Which slots the blocks of a box look at; inputs that none of them does need not be there.
    #[must_use]
    pub fn reads(&self, all: &BlockContext<'_>) -> &[bool] {
        &self.of_block(all).reads
    }

    /// The block of an input that a local would only be a copy of, if it can be looked at where it lies.
    pub(super) fn in_place<'a>(&self, local: usize, block: &BlockContext<'_>, operands: &'a [Operand<'_>]) -> Option<&'a [u8]> {
        in_place::dense(&operands[self.copies[local]?], block.shape, self.slots[local].dtype)
    }
}

fn verify(program: &Program) -> Result<()> {
    program.verify().map_err(|what| Error::internal(format!("malformed program: {what}")))
}

fn slots_read(program: &Program) -> Vec<bool> {
    let mut read = vec![false; program.slots.len()];
    for step in &program.steps {
        step.slots_read(&mut |slot| read[slot.0 as usize] = true);
    }
    read
}

/// Registers of the largest sweep with the spare, and bytes of each.
pub(super) fn register_needs(program: &Program) -> (usize, usize) {
    let (mut registers, mut bytes) = (0, 0);
    for step in &program.steps {
        let (Step::Sweep(sweep) | Step::Halo { sweep, .. }) = step else { continue };
        registers = registers.max(sweep.registers as usize + kept_loads(sweep, program) + 1);
        let widest = sweep.code.iter().filter_map(|instr| written(instr, program)).map(|(_, dtype)| dtype.size()).max().unwrap_or(0);
        bytes = bytes.max(widest * tile_elements(sweep));
    }
    (registers, bytes)
}

/// How many tiles of a program are one where elements are only moved: nothing else needs the cache.
const MOVED_TILES: usize = 4;

/// Elements of a tile of a sweep.
pub(super) fn tile_elements(sweep: &Sweep) -> usize {
    let moves = matches!(&sweep.code[..], [Instr::Load { .. }, Instr::Store { .. }]);
    if moves { MOVED_TILES * sweep.tile_elements } else { sweep.tile_elements }
}

/// How many loads of a sweep have a register of their own.
fn kept_loads(sweep: &Sweep, program: &Program) -> usize {
    sweep.code.iter().filter(|instr| is_input_load(instr, program)).take(KEPT_LOADS_MAX).count()
}

pub(super) fn is_input_load(instr: &Instr, program: &Program) -> bool {
    matches!(instr, Instr::Load { slot, .. } if program.slots[slot.0 as usize].kind == SlotKind::Input)
}

/// The register an instruction writes and the dtype it then has.
pub(crate) fn written(instr: &Instr, program: &Program) -> Option<(Reg, DType)> {
    match instr {
        Instr::Load { dst, slot } => program.slots.get(slot.0 as usize).map(|slot| (*dst, slot.dtype)),
        Instr::Generate { dst, dtype, .. } | Instr::Select { dtype, dst, .. } => Some((*dst, *dtype)),
        Instr::Unary { op, dtype, dst, .. } => Some((*dst, op.result(*dtype))),
        Instr::Binary { op, dtype, dst, .. } => Some((*dst, op.result(*dtype))),
        Instr::Cast { to, dst, .. } => Some((*dst, *to)),
        Instr::Search { search, dst, .. } => Some((*dst, search.result())),
        Instr::Store { .. } | Instr::Reduce { .. } | Instr::ReducePairs { .. } | Instr::Group { .. } | Instr::Compress { .. } => None,
    }
}
