//! The memory proof: every byte that a pass holds, and the largest shapes that fit the budget.

use crate::{
    error::{Error, Result},
    kernel::program::Program,
    plan::{
        Access, Limits, Read, StageMemory,
        grid::{BLOCK_BYTES, Form, RUN_BYTES, align},
        reads::{Input, place},
        why::show_bytes,
    },
};

/// Queues, plans and other small things of the engine.
pub const OVERHEAD_BYTES: u64 = 256 * 1024;

/// Bytes of the smallest block that is offered: below it a job would finish one day only. A smaller one can be asked for.
const LEAST_BLOCK_BYTES: u64 = 16 * 1024;

/// Bytes of the states of a number of outputs.
pub type StateBytes<'a> = Box<dyn Fn(u64) -> u64 + 'a>;

/// What a pass would hold, as functions of its shapes.
pub struct Needs<'a> {
    /// Shapes depend on this.
    pub form: &'a Form,
    /// Inputs.
    pub inputs: &'a [Input<'a>],
    /// For each write: stage axes that it has, and bytes of an element.
    pub writes: Vec<(Vec<usize>, usize)>,
    /// For each reduction over all runs: kept axes, and bytes of the states of a number of outputs.
    pub states: Vec<(Vec<usize>, StateBytes<'a>)>,
    /// For each scan: its axis, and bytes of the states of a number of lines.
    pub scans: Vec<(usize, StateBytes<'a>)>,
    /// Bytes of one state of all folds.
    pub fold_bytes: u64,
    /// Most groups of any reduction.
    pub groups: usize,
    /// The program.
    pub program: &'a Program,
    /// Declared scratch of one call of every function.
    pub function_bytes: u64,
    /// Temps alive during the pass.
    pub temp_bytes: u64,
    /// What to call the pass in an error.
    pub name: String,
}

/// Shapes that fit.
#[derive(Clone, Debug)]
pub struct Fitted {
    /// Box of a run.
    pub run: Vec<usize>,
    /// Box of a block.
    pub block: Vec<usize>,
    /// Inputs, placed.
    pub reads: Vec<Read>,
    /// Runs that compute at the same time.
    pub workers: usize,
    /// Runs that hold buffers.
    pub in_flight: usize,
    /// Bytes of each write's part of a run.
    pub write_bytes: Vec<u64>,
    /// Bytes of each reduction: all, and one run's part.
    pub state_bytes: Vec<(u64, u64)>,
    /// For each scan: the box of lines whose states are held, and their bytes.
    pub scan_lines: Vec<(Vec<usize>, u64)>,
    /// Whether a scan carries states from block to block.
    pub ordered: bool,
    /// Memory.
    pub memory: StageMemory,
}

/// The first of the candidate shapes, best first, that fits the budget; an error with the smallest budget that would do.
pub fn fit(needs: &Needs<'_>, limits: &Limits) -> Result<Fitted> {
    let mut least: Option<Fitted> = None;
    for (block_bytes, run_bytes, in_flight) in candidates(limits) {
        let fitted = shape(needs, limits, block_bytes, run_bytes, in_flight);
        if fitted.memory.total().saturating_add(OVERHEAD_BYTES) <= limits.memory_bytes {
            return Ok(fitted);
        }
        if least.as_ref().is_none_or(|best| fitted.memory.total() < best.memory.total()) {
            least = Some(fitted);
        }
    }
    let least = least.expect("there is a candidate");
    Err(refusal(needs, &least, limits))
}

/// Block bytes, run bytes, runs in flight: from the fastest to the smallest.
fn candidates(limits: &Limits) -> Vec<(u64, u64, usize)> {
    let threads = limits.threads.max(1);
    let block = limits.block_bytes.unwrap_or(BLOCK_BYTES).max(1);
    let mut list = Vec::new();
    for run in [RUN_BYTES, RUN_BYTES / 2, RUN_BYTES / 4] {
        list.push((block, run.max(block), threads + 2));
    }
    for run in [RUN_BYTES / 4, RUN_BYTES / 8, RUN_BYTES / 16] {
        list.push((block, run.max(block), threads));
    }
    let mut smaller = block;
    loop {
        for in_flight in [threads.min(2), 1] {
            list.push((smaller, smaller, in_flight));
        }
        if smaller <= LEAST_BLOCK_BYTES {
            return list;
        }
        smaller = (smaller / 4).max(LEAST_BLOCK_BYTES);
    }
}

fn shape(needs: &Needs<'_>, limits: &Limits, block_bytes: u64, run_bytes: u64, in_flight: usize) -> Fitted {
    let space = &needs.form.space;
    let block = needs.form.boxed_with(block_bytes, &needs.form.lines);
    let cut = needs.scans.iter().any(|(axis, _)| block[*axis] < space[*axis]);
    let run = if cut { needs.form.boxed_with(run_bytes, &needs.form.lines) } else { needs.form.boxed(run_bytes) };
    let mut run = align(space, &run, &block);
    if let (Some(rows), Some(first)) = (limits.rows_per_run, run.first_mut()) {
        *first = rows.clamp(1, space[0].max(1));
        run[1..].copy_from_slice(&space[1..]);
        run.iter_mut().for_each(|length| *length = (*length).max(1));
    }
    let block: Vec<usize> = block.iter().zip(&run).map(|(&block, &run)| block.min(run)).collect();
    let runs: u64 = (0..space.len()).map(|axis| space[axis].div_ceil(run[axis]).max(1) as u64).product();
    let in_flight = in_flight.min(usize::try_from(runs).unwrap_or(usize::MAX)).max(1);
    let ordered = needs.scans.iter().any(|(axis, _)| block[*axis] < space[*axis]);
    let workers = if ordered { 1 } else { limits.threads.clamp(1, in_flight) };
    let scan_lines: Vec<(Vec<usize>, u64)> =
        needs.scans.iter().map(|(axis, bytes)| carried(*axis, bytes, ordered, space, &run, &block)).collect();
    let scan_bytes = scan_lines.iter().fold(0, |sum: u64, (_, bytes)| sum.saturating_add(bytes.saturating_mul(workers as u64)));
    let reads: Vec<Read> = needs.inputs.iter().map(|input| place(input, space, &run, limits.io)).collect();
    let write_bytes: Vec<u64> = needs
        .writes
        .iter()
        .map(|(axes, item)| axes.iter().fold(*item as u64, |bytes, &axis| bytes.saturating_mul(run[axis] as u64)))
        .collect();
    let outputs = |kept: &[usize], extents: &[usize]| kept.iter().fold(1, |count: u64, &axis| count.saturating_mul(extents[axis] as u64));
    let state_bytes: Vec<(u64, u64)> =
        needs.states.iter().map(|(kept, bytes)| (bytes(outputs(kept, space)), bytes(outputs(kept, &run)))).collect();
    let of_access = |wanted: fn(&Access) -> bool| {
        reads.iter().filter(|read| wanted(&read.access)).map(|read| page_up(read.bytes_per_run)).fold(0, u64::saturating_add)
    };
    let windows = of_access(|access| *access == Access::Window).saturating_mul(workers as u64);
    let memory = StageMemory {
        temps: needs.temp_bytes,
        states: state_bytes
            .iter()
            .fold(scan_bytes.saturating_add(needs.fold_bytes.saturating_mul(in_flight as u64 + 1)), |sum: u64, (all, part)| {
                sum.saturating_add(part.saturating_mul(in_flight as u64 + 1)).saturating_add(*all)
            }),
        windows: windows.saturating_add(of_access(|access| *access == Access::Resident)),
        read_buffers: of_access(|access| matches!(access, Access::Segments { .. } | Access::Box)).saturating_mul(in_flight as u64),
        write_buffers: write_bytes.iter().fold(0, |sum: u64, &bytes| sum.saturating_add(page_up(bytes))).saturating_mul(in_flight as u64),
        scratch: needs.program.scratch_bytes_max(&block).saturating_mul(workers as u64),
        functions: needs.function_bytes.saturating_mul(workers as u64),
    };
    Fitted { run, block, reads, workers, in_flight, write_bytes, state_bytes, scan_lines, ordered, memory }
}

/// The box of lines whose states a scan holds, and their bytes. Runs and blocks come in C order: the axes behind the scanned one are
/// walked through before the scan goes on, those before it only when it has come to its end.
fn carried(axis: usize, bytes: &StateBytes<'_>, ordered: bool, space: &[usize], run: &[usize], block: &[usize]) -> (Vec<usize>, u64) {
    let length = |other: usize| match other {
        _ if other == axis => 1,
        _ if !ordered => block[other],
        _ if other < axis => run[other],
        _ => space[other],
    };
    let lines: Vec<usize> = (0..space.len()).map(length).collect();
    let count = lines.iter().fold(1, |count: u64, &length| count.saturating_mul(length as u64));
    (lines, bytes(count))
}

fn page_up(bytes: u64) -> u64 {
    bytes.div_ceil(4096).saturating_mul(4096)
}

fn refusal(needs: &Needs<'_>, least: &Fitted, limits: &Limits) -> Error {
    let bytes = least.memory.total().saturating_add(OVERHEAD_BYTES);
    let parts = [
        ("temps", least.memory.temps),
        ("states", least.memory.states),
        ("mapped windows", least.memory.windows),
        ("read buffers", least.memory.read_buffers),
        ("write buffers", least.memory.write_buffers),
        ("scratch", least.memory.scratch),
        ("functions", least.memory.functions),
    ];
    let (largest, of_it) = parts.into_iter().max_by_key(|(_, bytes)| *bytes).unwrap_or(("scratch", 0));
    let groups = if largest == "states" && needs.groups > 1 { format!(" of {} groups", needs.groups) } else { String::new() };
    Error::refused(format!(
        "{} needs {} of memory at least ({} of it {largest}{groups}), the budget is {}",
        needs.name,
        show_bytes(bytes),
        show_bytes(of_it),
        show_bytes(limits.memory_bytes)
    ))
    .hint(format!("--memory {bytes} ({}) is the smallest that works", show_bytes(bytes)))
    .with_needed_bytes(bytes)
}
