//! The memory proof: every byte that a pass holds, and the largest shapes that fit the budget.

use crate::{
    error::{Error, Result},
    kernel::program::Program,
    nd::Grid,
    plan::{
        Access, Limits, OutputLayout, Read, StageMemory,
        chunks::Grain,
        grid::{Form, RUN_BYTES, align},
        in_place::{cut_block, is_worth_mapping, one_chunk},
        model::store_bytes_per_worker,
        reads::{Input, place},
        why::show_bytes,
    },
};

/// Queues, plans and other small things of the engine.
pub const OVERHEAD_BYTES: u64 = 256 * 1024;

/// Threads that copy from and to stores beside those that compute. Two: one medium is kept busy while the other thread copies.
pub const TRANSFER_THREADS: usize = 2;

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
    /// What is written.
    pub writes: Vec<WriteNeed<'a>>,
    /// What runs may be multiples of, best first. The last one is what has to be.
    pub grains: Vec<Grain>,
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

/// A write whose place in memory is to be chosen.
pub struct WriteNeed<'a> {
    /// Stage axes that it has.
    pub axes: Vec<usize>,
    /// Bytes of an element.
    pub item_bytes: usize,
    /// How its store wants it.
    pub layout: Option<&'a OutputLayout>,
    /// Bytes of selected elements that wait until they fill whole chunks.
    pub waiting_bytes: u64,
}

/// Shapes that fit.
#[derive(Clone, Debug)]
pub struct Fitted {
    /// Box of a run.
    pub run: Vec<usize>,
    /// What the first run lacks.
    pub origin: Vec<usize>,
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

/// Times fewer bytes that shapes have to decode to be worth less speed elsewhere.
const WORTH_IT: f64 = 0.9;

/// The first of the candidate shapes, best first, that fits the budget; an error with the smallest budget that would do. Where a store
/// of chunks is read, the shapes that decode the fewest bytes.
pub fn fit(needs: &Needs<'_>, limits: &Limits) -> Result<Fitted> {
    let (mut least, mut best): (Option<Fitted>, Option<Fitted>) = (None, None);
    let chunked = needs.inputs.iter().any(Input::is_chunked);
    let has_room = |fitted: &Fitted| fitted.memory.total().saturating_add(OVERHEAD_BYTES) <= limits.memory_bytes;
    for grain in &needs.grains {
        if let Some(fitted) = scanned(needs, limits, grain).filter(has_room) {
            return Ok(fitted);
        }
        let turned = turned(needs, limits, chunked).into_iter();
        for (block_bytes, run_bytes, in_flight) in turned.chain(candidates(needs, limits, chunked)) {
            let fitted = shape(needs, limits, grain, (block_bytes, run_bytes, in_flight));
            let fits = has_room(&fitted);
            if fits && !chunked {
                return Ok(fitted);
            }
            if fits && best.as_ref().is_none_or(|best| fitted.decoding(&needs.form.space) < best.decoding(&needs.form.space) * WORTH_IT) {
                best = Some(fitted.clone());
            }
            if least.as_ref().is_none_or(|best| fitted.memory.total() < best.memory.total()) {
                least = Some(fitted);
            }
        }
    }
    let least = least.expect("there is a candidate");
    best.ok_or_else(|| refusal(needs, &least, limits))
}

impl Fitted {
    /// Bytes that all reads take together.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.reads.iter().fold(0, |sum, read| sum.saturating_add(read.bytes_total))
    }

    /// What reading costs beside other shapes: half of it is the medium's, half is shared by those who decode. One run for all leaves nothing
    /// to share.
    fn decoding(&self, space: &[usize]) -> f64 {
        let runs: f64 = space.iter().zip(&self.run).map(|(&length, &run)| (length as f64 / run.max(1) as f64).max(1.0)).product();
        self.bytes_read() as f64 * (0.5 + 0.5 / runs.clamp(1.0, self.workers.max(1) as f64))
    }
}

/// The bytes of a block that the user asks for, else those that suit the pass.
fn block_bytes(needs: &Needs<'_>, limits: &Limits) -> u64 {
    limits.block_bytes.unwrap_or_else(|| needs.form.block_bytes()).max(1)
}

/// Runs that a thread has to be left with where they are made larger than media ask for.
const RUNS_PER_THREAD: u64 = 8;

/// Bytes that a pass moves in all.
fn moved(needs: &Needs<'_>) -> u64 {
    needs.form.space.iter().fold(needs.form.point_size(), |bytes, &length| bytes.saturating_mul(length as u64))
}

/// Larger runs, for a pass that only looks at mapped files: they hold nothing, and what a run costs by itself (a mapping made and
/// undone while other threads fault, a turn of the scheduler where all processors compute) is a tenth of what looking takes. Not where
/// the windows would be much of the budget, which pages of the file that come next have a use for.
fn scanned(needs: &Needs<'_>, limits: &Limits, grain: &Grain) -> Option<Fitted> {
    let threads = limits.threads.max(1);
    let (block, run) = (block_bytes(needs, limits), 4 * RUN_BYTES);
    let is_plain = needs.writes.is_empty() && needs.scans.is_empty() && needs.form.product.is_none() && grain.is_none();
    if !is_plain || block > run || moved(needs) / run < RUNS_PER_THREAD * threads as u64 {
        return None;
    }
    let fitted = shape(needs, limits, grain, (block, run, threads + 2));
    let in_place = |read: &Read| matches!(read.access, Access::Window | Access::Resident);
    let is_little = fitted.memory.total() <= limits.memory_bytes / 8;
    (is_little && !fitted.reads.is_empty() && fitted.reads.iter().all(in_place)).then_some(fitted)
}

/// Larger runs, for a pass that turns what it reads and writes into a dense file: pieces of 4 KiB a row cost the kernel, page by page and
/// extent by extent, several times what wide ones do. As many as before must be left for all threads.
fn turned(needs: &Needs<'_>, limits: &Limits, chunked: bool) -> Vec<(u64, u64, usize)> {
    let dense = !needs.writes.is_empty() && needs.writes.iter().all(|write| write.layout.is_none());
    if chunked || !dense || needs.form.square.is_none() || needs.form.product.is_some() {
        return Vec::new();
    }
    let threads = limits.threads.max(1);
    let block = block_bytes(needs, limits);
    let moved = moved(needs);
    let runs = [8, 4, 2].map(|times| RUN_BYTES * times).into_iter();
    let runs = runs.filter(|run| *run >= block && moved / run >= RUNS_PER_THREAD * threads as u64);
    runs.flat_map(|run| [threads + 1, threads].map(|in_flight| (block, run, in_flight))).collect()
}

/// Block bytes, run bytes, runs in flight: from the fastest to the smallest. Where larger runs decode less, they come last.
fn candidates(needs: &Needs<'_>, limits: &Limits, chunked: bool) -> Vec<(u64, u64, usize)> {
    let threads = limits.threads.max(1);
    let block = block_bytes(needs, limits);
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
            break;
        }
        smaller = (smaller / 4).max(LEAST_BLOCK_BYTES);
    }
    if chunked {
        // Where windows overlap a box of the space is many times what it holds of a source.
        let most = limits.memory_bytes.saturating_mul(64);
        let larger = (1..32).map(|times| (RUN_BYTES / 8) << times).take_while(|run| *run <= most);
        list.extend(larger.flat_map(|run| [threads, 1].map(|in_flight| (block, run.max(block), in_flight))));
    }
    list
}

fn shape(needs: &Needs<'_>, limits: &Limits, grain: &Grain, (block_bytes, run_bytes, in_flight): (u64, u64, usize)) -> Fitted {
    let space = &needs.form.space;
    let Shaped { block, run, origin, reads } = shaped(needs, limits, grain, block_bytes, run_bytes);
    let grid = Grid::new(space.clone(), run.clone()).moved(&origin);
    let runs = (0..space.len()).map(|axis| grid.count_along(axis).max(1)).fold(1, usize::saturating_mul);
    let in_flight = in_flight.min(runs).max(1);
    let ordered = needs.scans.iter().any(|(axis, _)| block[*axis] < space[*axis]);
    let workers = if ordered { 1 } else { limits.threads.clamp(1, in_flight) };
    let scan_lines: Vec<(Vec<usize>, u64)> =
        needs.scans.iter().map(|(axis, bytes)| carried(*axis, bytes, ordered, space, &run, &block)).collect();
    let scan_bytes = scan_lines.iter().fold(0, |sum: u64, (_, bytes)| sum.saturating_add(bytes.saturating_mul(workers as u64)));
    let write_bytes: Vec<u64> = needs
        .writes
        .iter()
        .map(|write| write.axes.iter().fold(write.item_bytes as u64, |bytes, &axis| bytes.saturating_mul(run[axis] as u64)))
        .collect();
    let outputs = |kept: &[usize], extents: &[usize]| kept.iter().fold(1, |count: u64, &axis| count.saturating_mul(extents[axis] as u64));
    let state_bytes: Vec<(u64, u64)> =
        needs.states.iter().map(|(kept, bytes)| (bytes(outputs(kept, space)), bytes(outputs(kept, &run)))).collect();
    let of_access = |wanted: fn(&Access) -> bool| {
        reads.iter().filter(|read| wanted(&read.access)).map(|read| page_up(read.bytes_per_run)).fold(0, u64::saturating_add)
    };
    let windows = of_access(Access::is_window).saturating_mul(workers as u64);
    let memory = StageMemory {
        temps: needs.temp_bytes,
        states: state_bytes
            .iter()
            .fold(scan_bytes.saturating_add(needs.fold_bytes.saturating_mul(in_flight as u64 + 1)), |sum: u64, (all, part)| {
                sum.saturating_add(part.saturating_mul(in_flight as u64 + 1)).saturating_add(*all)
            }),
        windows: windows.saturating_add(of_access(|access| *access == Access::Resident)),
        read_buffers: of_access(|access| *access != Access::Resident && !access.is_window()).saturating_mul(in_flight as u64),
        write_buffers: write_bytes.iter().fold(0, |sum: u64, &bytes| sum.saturating_add(page_up(bytes))).saturating_mul(in_flight as u64),
        scratch: needs.program.scratch_bytes_max(&block).saturating_mul(workers as u64),
        functions: needs.function_bytes.saturating_mul(workers as u64),
        stores: needs.store_bytes(&reads, workers),
    };
    Fitted { run, origin, block, reads, workers, in_flight, write_bytes, state_bytes, scan_lines, ordered, memory }
}

/// Shapes, and the reads that they make.
struct Shaped {
    block: Vec<usize>,
    run: Vec<usize>,
    origin: Vec<usize>,
    reads: Vec<Read>,
}

impl Shaped {
    fn new(needs: &Needs<'_>, limits: &Limits, (block, run, origin): Boxes) -> Self {
        let grid = Grid::new(needs.form.space.clone(), run.clone()).moved(&origin);
        let reads = needs.inputs.iter().map(|input| place(input, &grid, &block, limits.io)).collect();
        Shaped { block, run, origin, reads }
    }

    fn in_place(&self) -> usize {
        self.reads.iter().filter(|read| read.access == Access::Chunks).count()
    }
}

/// Shapes of about so many bytes; of those the ones for which most stores of chunks are read in place.
fn shaped(needs: &Needs<'_>, limits: &Limits, grain: &Grain, block_bytes: u64, run_bytes: u64) -> Shaped {
    let boxes = boxes(needs, limits, grain, block_bytes, run_bytes);
    let wanted = needs.inputs.iter().filter(|input| input.facts.is_some_and(|facts| is_worth_mapping(facts, limits.io))).count();
    let mut best = Shaped::new(needs, limits, boxes);
    // Blocks of products begin where groups do, not where chunks do.
    if limits.rows_per_run.is_some() || grain.is_none() || needs.form.product.is_some() {
        return best;
    }
    for is_one_chunk in [false, true] {
        let other = match is_one_chunk {
            _ if best.in_place() == wanted => break,
            false => cut_block(needs.form, grain, &best.block, &best.run).map(|block| (block, best.run.clone(), best.origin.clone())),
            true => one_chunk(needs.form, grain, block_bytes),
        };
        if let Some(boxes) = other {
            let other = Shaped::new(needs, limits, boxes);
            if other.in_place() > best.in_place() {
                best = other;
            }
        }
    }
    best
}

/// Block, run, and what the first run lacks.
pub type Boxes = (Vec<usize>, Vec<usize>, Vec<usize>);

fn boxes(needs: &Needs<'_>, limits: &Limits, grain: &Grain, block_bytes: u64, run_bytes: u64) -> Boxes {
    let space = &needs.form.space;
    let block = needs.form.block(block_bytes);
    let cut = needs.scans.iter().any(|(axis, _)| block[*axis] < space[*axis]);
    let lines: &[_] = if cut { &needs.form.lines } else { &[] };
    let mut run = needs.form.run(run_bytes, lines, &grain.length);
    if grain.is_none() {
        run = align(space, &run, &block);
    }
    // Groups of a product begin at multiples of their length.
    let fixed = |axis: usize| needs.form.product.as_ref().is_some_and(|product| product.reduced[axis]);
    let mut origin: Vec<usize> =
        (0..space.len()).map(|axis| if run[axis] >= space[axis] || fixed(axis) { 0 } else { grain.origin[axis] }).collect();
    if let (Some(rows), Some(first)) = (limits.rows_per_run, run.first_mut()) {
        *first = rows.clamp(1, space[0].max(1));
        run[1..].copy_from_slice(&space[1..]);
        run.iter_mut().for_each(|length| *length = (*length).max(1));
        origin.fill(0);
    }
    let block = block.iter().zip(&run).map(|(&block, &run)| block.min(run)).collect();
    (block, run, if origin.iter().all(|&lacks| lacks == 0) { Vec::new() } else { origin })
}

impl Needs<'_> {
    /// What stores hold: every worker reads and writes one thing at a time, and what is written in order, or copied from a file, is so by
    /// the threads that transfer.
    fn store_bytes(&self, reads: &[Read], workers: usize) -> u64 {
        let scratch = |write: &WriteNeed<'_>| write.layout.map_or(0, |layout| layout.scratch_bytes);
        let per_worker = store_bytes_per_worker(reads, self.writes.iter().map(scratch));
        let waiting = |write: &WriteNeed<'_>| if write.waiting_bytes > 0 { write.waiting_bytes.saturating_add(scratch(write)) } else { 0 };
        let waiting = self.writes.iter().map(waiting).fold(0, u64::saturating_add);
        // What is requested from elsewhere takes room while it comes.
        let copies = |read: &Read| read.scratch_bytes > 0 && matches!(read.access, Access::Segments { .. });
        let transfers = if waiting > 0 || reads.iter().any(copies) { TRANSFER_THREADS } else { 0 };
        per_worker.saturating_mul((workers + transfers) as u64).saturating_add(waiting)
    }
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
        ("chunks in stores", least.memory.stores),
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
