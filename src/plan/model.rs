//! The plan: plain data of O(stages) size, no methods that decide.
//!
//! A plan is one phase of a job: stages run one after the other; inside a stage the tasks are the runs of its
//! grid, implied and never listed.

use crate::{
    expr::{FunctionFacts, FunctionId, NodeId, SourceId},
    kernel::program::{AccId, Program, SlotId},
    nd::{DType, Grid, IndexMap, SourceFacts},
    numeric::{Finish, ScanKind},
};
use serde::{Deserialize, Serialize};

/// How blocks of mappable sources are reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IoMode {
    /// Map where the bytes lie together, read where they do not.
    #[default]
    Auto,
    /// Map whenever a source can be mapped.
    Mmap,
    /// Never map.
    Read,
}

/// What bounds a job. Everything that the planner would otherwise have to ask the machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Limits {
    /// Memory that the engine may hold, in bytes.
    pub memory_bytes: u64,
    /// Compute threads.
    pub threads: usize,
    /// Bytes of a block, for tests and tuning; `None`: chosen from the cache.
    pub block_bytes: Option<u64>,
    /// Rows (along axis 0) of every run of the last stage, for consumers that want blocks of a given height.
    pub rows_per_run: Option<usize>,
    /// How sources are reached.
    pub io: IoMode,
    /// Whether several processes carry out the plan: nothing goes through scratch, which only the one that makes it sees.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_shared: bool,
}

/// Index into [`Plan::temps`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TempId(pub u32);

/// A small result that lives in memory from the stage that makes it to the last one that reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Temp {
    /// What explain calls it.
    pub name: String,
    /// Shape; dense, C order.
    pub shape: Vec<usize>,
    /// Dtype of the elements.
    pub dtype: DType,
    /// What it is in the graph that is planned, whatever the limits.
    pub node: NodeId,
    /// Stage that makes it.
    pub made_by: usize,
    /// Last stage that reads it; past the last stage if it is an output or a check.
    pub last_use: usize,
}

impl Temp {
    /// Bytes it holds.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.shape.iter().product::<usize>() as u64 * self.dtype.size() as u64
    }
}

/// Index into [`Plan::scratches`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ScratchId(pub u32);

/// A result between stages that is too large for memory, or that is read in another order than it is made: in frames in a file that
/// has no name, from the stage that makes it to the last one that reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scratch {
    /// What explain calls it.
    pub name: String,
    /// Shape.
    pub shape: Vec<usize>,
    /// Dtype of the elements.
    pub dtype: DType,
    /// The box that is written, packed and read as one.
    pub frame: Vec<usize>,
    /// Stage that makes it.
    pub made_by: usize,
    /// Last stage that reads it.
    pub last_use: usize,
}

impl Scratch {
    /// Bytes of its elements.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.shape.iter().product::<usize>() as u64 * self.dtype.size() as u64
    }

    /// Bytes of a frame.
    #[must_use]
    pub fn frame_bytes(&self) -> u64 {
        self.frame.iter().product::<usize>() as u64 * self.dtype.size() as u64
    }

    /// Bytes of what is known of its frames.
    #[must_use]
    pub fn index_bytes(&self) -> u64 {
        let frames = self.shape.iter().zip(&self.frame).map(|(&length, &frame)| length.div_ceil(frame.max(1)) as u64);
        frames.fold(crate::plan::spill::FRAME_INDEX_BYTES, u64::saturating_mul)
    }
}

/// Where the bytes of a read come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ReadFrom {
    /// A source of the graph.
    Source(SourceId),
    /// A temp of an earlier stage.
    Temp(TempId),
    /// A scratch of an earlier stage: its own coordinates, or its places in C order where the map has one store axis and it has more.
    Scratch(ScratchId),
}

/// How a run's part of a source gets into memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Access {
    /// It is there already: arrays in memory and temps.
    Resident,
    /// One mapped window over the run's span of the (dense) store.
    Window,
    /// Copied into a pooled buffer, one contiguous segment of the (dense) store for every combination of
    /// coordinates along `segment_axes` (stage axes, outermost first). A segment spans all the other axes,
    /// gaps included. In the buffer segments follow each other without gaps.
    Segments {
        /// Stage axes along which segments lie apart.
        segment_axes: Vec<usize>,
    },
    /// Copied into a pooled buffer as one dense box of store coordinates (chunked stores).
    Box,
    /// Mapped, one chunk of a store of chunks at a time: every block lies in one chunk, and blocks in C order go through the chunks of
    /// a run one after the other.
    Chunks,
    /// Copied into a pooled buffer one box for every combination of coordinates along `picked_axes` (stage axes, outermost first):
    /// those along which a chunked store is gathered, or walked by wide steps. Chunk by chunk, so that each is decoded once a run.
    Picked {
        /// Stage axes whose coordinates lie apart.
        picked_axes: Vec<usize>,
    },
}

impl Access {
    /// Whether a worker that computes a run has it mapped meanwhile.
    #[must_use]
    pub fn is_window(&self) -> bool {
        matches!(self, Access::Window | Access::Chunks)
    }
}

/// One input of a stage.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Read {
    /// Slot of the program that it feeds.
    pub slot: SlotId,
    /// Origin of the bytes.
    pub from: ReadFrom,
    /// From stage coordinates to store coordinates (linear for dense stores and temps).
    pub map: IndexMap,
    /// How it gets into memory.
    pub access: Access,
    /// Bytes that one run holds for it at most.
    pub bytes_per_run: u64,
    /// Bytes that the whole stage reads for it; of a store of chunks the bytes that are decoded, whole chunks every time.
    pub bytes_total: u64,
    /// Bytes that a reader holds besides: chunks that are being decoded, and boxes that coordinates are picked out of.
    #[serde(default)]
    pub scratch_bytes: u64,
}

/// Where a written value goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum WriteTo {
    /// Output of the plan.
    Output(usize),
    /// Temp.
    Temp(TempId),
    /// Scratch.
    Scratch(ScratchId),
}

/// One written value of a stage.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Write {
    /// Slot of the program that makes it.
    pub slot: SlotId,
    /// Where it goes.
    pub to: WriteTo,
    /// Stage axis of each axis of the written array; `None` for axes of length 1 that the stage does not have.
    pub axes: Vec<Option<usize>>,
    /// Dtype of the elements.
    pub dtype: DType,
    /// Whether only selected elements are written (the run's count is known after it is computed; runs go out in order).
    pub compressed: bool,
    /// Bytes that one run holds for it at most.
    pub bytes_per_run: u64,
    /// Bytes that the whole stage writes for it.
    pub bytes_total: u64,
    /// Bytes that a writer holds besides: chunks that are being encoded.
    #[serde(default)]
    pub scratch_bytes: u64,
    /// Bytes of selected elements that wait until they fill whole chunks.
    #[serde(default)]
    pub waiting_bytes: u64,
}

/// A reduction that is merged over the runs of a stage.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct GlobalReduction {
    /// Accumulator of the program.
    pub acc: AccId,
    /// Stage axes that stay, ascending: the axes of its outputs, in C order.
    pub kept: Vec<usize>,
    /// Number of outputs.
    pub outputs: usize,
    /// What it is finished into when all runs are merged.
    pub finishes: Vec<(Finish, TempId)>,
    /// Bytes of the state of the whole reduction.
    pub state_bytes: u64,
    /// Bytes of the state of one run's part.
    pub run_state_bytes: u64,
}

/// Who scans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ScanBy {
    /// A running sum, product or extreme.
    Own(ScanKind),
    /// User code.
    User(FunctionId),
}

/// A user function that takes all blocks of a stage into one state.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StageFold {
    /// The function.
    pub function: FunctionId,
    /// What it is finished into.
    pub temp: TempId,
    /// Bytes of a state: there is a whole one, and one per run in flight.
    pub state_bytes: u64,
}

/// A scan of a stage.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StageScan {
    /// What explain calls it.
    pub name: String,
    /// What is accumulated.
    pub by: ScanBy,
    /// Along which axis of the stage.
    pub axis: usize,
    /// Dtype of the elements.
    pub dtype: DType,
    /// Lengths of the box of lines whose states are held, per stage axis; 1 along the scanned one. In an ordered stage they are
    /// those of a run before the axis and of the space behind it, else those of a block.
    pub lines: Vec<usize>,
    /// Bytes of the states.
    pub state_bytes: u64,
}

/// Where the memory of a stage goes, in bytes. Their sum is what the stage holds at most.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageMemory {
    /// Temps alive during the stage.
    pub temps: u64,
    /// States of global reductions: the whole, and one part per run in flight. States of scans.
    pub states: u64,
    /// Mapped windows of the runs being computed.
    pub windows: u64,
    /// Pooled buffers that sources are copied into.
    pub read_buffers: u64,
    /// Pooled buffers that results wait in until they are stored.
    pub write_buffers: u64,
    /// Registers, locals and local reductions of the workers.
    pub scratch: u64,
    /// Declared scratch of user functions.
    pub functions: u64,
    /// What stores of chunks hold while they decode and encode, and rows that wait until they fill a chunk.
    #[serde(default)]
    pub stores: u64,
}

impl StageMemory {
    /// Everything together.
    #[must_use]
    pub fn total(&self) -> u64 {
        let parts = [self.temps, self.states, self.windows, self.read_buffers, self.write_buffers, self.scratch, self.functions];
        let parts = parts.into_iter().chain([self.stores]);
        parts.fold(0, u64::saturating_add)
    }
}

/// One pass over its sources.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// What explain and progress call it.
    pub name: String,
    /// Iteration space.
    pub space: Vec<usize>,
    /// Its last axes that only products inside the pass have.
    #[serde(default, skip_serializing_if = "is_none")]
    pub product_axes: usize,
    /// Box of one run: the unit of scheduling, I/O and budget.
    pub run: Vec<usize>,
    /// How much shorter the first run along each axis is, so that runs meet the chunks of a source; empty where none is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub origin: Vec<usize>,
    /// Box of one block: the unit of compute, sized for the cache.
    pub block: Vec<usize>,
    /// Inputs.
    pub reads: Vec<Read>,
    /// Written values.
    pub writes: Vec<Write>,
    /// Reductions that are merged over the runs.
    pub reductions: Vec<GlobalReduction>,
    /// User functions that the program calls, in its order.
    pub functions: Vec<FunctionId>,
    /// Scans of the program, in its order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scans: Vec<StageScan>,
    /// User functions that take all blocks into a state, in the program's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub folds: Vec<StageFold>,
    /// Whether runs are computed one after the other, in C order: a scan carries states from run to run.
    #[serde(default)]
    pub ordered: bool,
    /// What a block computes.
    pub program: Program,
    /// Runs that compute at the same time, at most.
    pub workers: usize,
    /// Runs that hold buffers at the same time, at most (computing, being read, being stored).
    pub in_flight: usize,
    /// Memory.
    pub memory: StageMemory,
}

impl Stage {
    /// The grid of the runs.
    #[must_use]
    pub fn runs(&self) -> Grid {
        Grid::new(self.space.clone(), self.run.clone()).moved(&self.origin)
    }

    /// What stores hold for one worker at most: it reads and writes one thing after the other.
    #[must_use]
    pub fn store_bytes_per_worker(&self) -> u64 {
        store_bytes_per_worker(&self.reads, self.writes.iter().map(|write| write.scratch_bytes))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn is_none(count: &usize) -> bool {
    *count == 0
}

/// [`Stage::store_bytes_per_worker`] of a stage to be.
pub(super) fn store_bytes_per_worker(reads: &[Read], writes: impl Iterator<Item = u64>) -> u64 {
    reads.iter().map(|read| read.scratch_bytes).chain(writes).max().unwrap_or(0)
}

/// Where an output of a plan comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum OutputFrom {
    /// A stage streams it.
    Stage(usize),
    /// It is a temp, delivered whole after the last stage.
    Temp(TempId),
}

/// A requested result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// What explain calls it.
    pub name: String,
    /// Shape.
    pub shape: Vec<usize>,
    /// Dtype of the elements.
    pub dtype: DType,
    /// Where it comes from.
    pub from: OutputFrom,
    /// What its store wants; `None`: any box may be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<OutputLayout>,
}

/// Outputs of more bytes are not kept in the page cache.
const CACHED_BYTES_MAX: u64 = 1 << 30;

impl Output {
    /// Bytes of its elements.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.shape.iter().product::<usize>() as u64 * self.dtype.size() as u64
    }

    /// Whether what is written may stay in the page cache: a small output, which the budget has room for. Of a larger one little would
    /// be there when it is read next, and its pages would take the place of what others need.
    #[must_use]
    pub fn stays_cached(&self, limits: &Limits) -> bool {
        self.bytes() <= CACHED_BYTES_MAX.min(limits.memory_bytes)
    }
}

/// How an output is written to a store of chunks.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OutputLayout {
    /// The box that has exactly one writer.
    pub chunk: Vec<usize>,
    /// Bytes that one call of the store holds besides what it is given.
    pub scratch_bytes: u64,
}

/// An assertion on values: its temp (an index, 0-d `i64`) must be -1 before anything is published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// First index (C order of the condition's shape) at which the condition is false, or -1.
    pub temp: TempId,
    /// Shape of the condition, to spell the index out.
    pub shape: Vec<usize>,
    /// What to say.
    pub message: String,
}

/// Something the planner did or did not do, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// What it is about: a stage or a value.
    pub about: String,
    /// What was decided and the reason, with numbers.
    pub text: String,
}

/// A phase of a job, ready to run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Sources read.
    pub sources: Vec<SourceFacts>,
    /// Block functions called.
    pub functions: Vec<FunctionFacts>,
    /// Small results between stages.
    pub temps: Vec<Temp>,
    /// Large results between stages, which go through a file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scratches: Vec<Scratch>,
    /// Passes, in order.
    pub stages: Vec<Stage>,
    /// Requested results, in the order of the request.
    pub outputs: Vec<Output>,
    /// Assertions on values.
    pub checks: Vec<Check>,
    /// Limits it was made for.
    pub limits: Limits,
    /// What the largest stage holds, in bytes.
    pub bytes_peak: u64,
    /// Decisions.
    pub why: Vec<Decision>,
    /// Version of the bits that functions give: [`NUMERICS_VERSION`].
    pub numerics: u32,
    /// Hash of graph, input identities, output layout and numerics version; never of limits.
    pub job_id: String,
    /// Hash of `job_id` and the grids.
    pub plan_id: String,
}

pub use crate::numeric::VERSION as NUMERICS_VERSION;
