//! A plan as far as it is drawn and reported: what goes from where to where, without programs and index maps. Small, whatever the plan.

use super::explain::{blocks_of, parts_of, runs_of, way_of};
use crate::{
    nd::{DType, shape::show},
    plan::{Access, Decision, OutputFrom, Plan, Read, ReadFrom, Stage, Write, WriteTo},
};
use serde::Serialize;

/// A plan without what only machines read.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Sketch {
    /// How often it was run.
    pub executions: u64,
    /// Arrays that are read, kept between stages, and made.
    pub arrays: Vec<SketchArray>,
    /// Passes, in order.
    pub stages: Vec<SketchStage>,
    /// Memory that the largest stage holds.
    pub bytes_peak: u64,
    /// Memory that may be held.
    pub bytes_budget: u64,
    /// Compute threads.
    pub threads: usize,
    /// What was decided, and why.
    pub why: Vec<Decision>,
}

/// An array of a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SketchArray {
    /// What the plan calls it.
    pub name: String,
    /// What it is to the plan.
    pub role: ArrayRole,
    /// Dtype of its elements.
    pub dtype: DType,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Bytes of its elements.
    pub bytes: u64,
}

/// What an array is to a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ArrayRole {
    /// It is read.
    Source,
    /// It is read, and in memory already.
    Memory,
    /// A small result that is kept in memory between stages.
    Temp,
    /// A large result that goes through a file between stages.
    Scratch,
    /// It is asked for.
    Output,
}

/// A pass.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SketchStage {
    /// What the plan calls it.
    pub name: String,
    /// What it walks over.
    pub space: Vec<usize>,
    /// Number of blocks.
    pub blocks: u64,
    /// Lengths of a block.
    pub block: Vec<usize>,
    /// Number of runs.
    pub runs: u64,
    /// Lengths of a run.
    pub run: Vec<usize>,
    /// What it reads.
    pub reads: Vec<SketchEdge>,
    /// What it writes.
    pub writes: Vec<SketchEdge>,
    /// What it holds at most, and for what.
    pub memory: Vec<(String, u64)>,
    /// Runs that are computed at the same time.
    pub workers: usize,
    /// Runs that hold buffers at the same time.
    pub in_flight: usize,
    /// Arithmetic operations on elements.
    pub operations: u64,
    /// Whether user code computes too, which nobody counts.
    pub user_code: bool,
}

/// Bytes that go between an array and a stage.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SketchEdge {
    /// Index into [`Sketch::arrays`].
    pub array: usize,
    /// Bytes of the whole stage.
    pub bytes: u64,
    /// How: `mapped in place`, `copied by chunks`, `mean`.
    pub way: String,
    /// Whether bytes are copied or decoded before they are used.
    pub copied: bool,
}

/// Where the arrays of a plan stand among those of its sketch.
struct Places {
    temps: usize,
    scratches: usize,
    outputs: usize,
}

impl Sketch {
    /// Of a plan that was run once.
    #[must_use]
    pub fn of(plan: &Plan) -> Sketch {
        let (arrays, places) = arrays(plan);
        let mut sketch = Sketch {
            executions: 1,
            arrays,
            stages: plan.stages.iter().map(|stage| stage_of(stage, &places)).collect(),
            bytes_peak: plan.bytes_peak,
            bytes_budget: plan.limits.memory_bytes,
            threads: plan.limits.threads,
            why: plan.why.clone(),
        };
        // An output that is a small result is delivered after the last stage: the drawing shows it where it is made.
        for (index, output) in plan.outputs.iter().enumerate() {
            let OutputFrom::Temp(temp) = output.from else { continue };
            let bytes = sketch.arrays[places.outputs + index].bytes;
            if let Some(stage) = plan.temps.get(temp.0 as usize).and_then(|temp| sketch.stages.get_mut(temp.made_by)) {
                stage.writes.push(SketchEdge { array: places.outputs + index, bytes, way: "delivered".to_string(), copied: false });
            }
        }
        sketch
    }

    /// Whether `other` is the same plan, run again. What iterations call the small results that they carry does not count.
    #[must_use]
    pub fn is_again(&self, other: &Sketch) -> bool {
        let is_same = |(one, other): (&SketchArray, &SketchArray)| {
            let named = !matches!(one.role, ArrayRole::Temp | ArrayRole::Memory);
            (one.role, one.dtype, &one.shape) == (other.role, other.dtype, &other.shape) && (!named || one.name == other.name)
        };
        self.stages == other.stages
            && self.bytes_peak == other.bytes_peak
            && self.arrays.len() == other.arrays.len()
            && self.arrays.iter().zip(&other.arrays).all(is_same)
    }

    /// Bytes that all stages read, memory left out.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        let costs = |edge: &&SketchEdge| matches!(self.arrays[edge.array].role, ArrayRole::Source | ArrayRole::Scratch);
        self.stages.iter().flat_map(|stage| &stage.reads).filter(costs).map(|edge| edge.bytes).sum()
    }

    /// Bytes of outputs that are written.
    #[must_use]
    pub fn bytes_written(&self) -> u64 {
        let is_output = |edge: &&SketchEdge| matches!(self.arrays[edge.array].role, ArrayRole::Output | ArrayRole::Scratch);
        self.stages.iter().flat_map(|stage| &stage.writes).filter(is_output).map(|edge| edge.bytes).sum()
    }
}

impl SketchArray {
    /// `f32 (1000, 8)`.
    #[must_use]
    pub fn described(&self) -> String {
        format!("{} {}", self.dtype, show(&self.shape))
    }
}

fn arrays(plan: &Plan) -> (Vec<SketchArray>, Places) {
    let array = |name: &str, role, dtype: DType, shape: &[usize]| {
        let bytes = shape.iter().fold(dtype.size() as u64, |bytes, &length| bytes.saturating_mul(length as u64));
        SketchArray { name: name.to_owned(), role, dtype, shape: shape.to_vec(), bytes }
    };
    let source_role = |resident| if resident { ArrayRole::Memory } else { ArrayRole::Source };
    let sources = plan.sources.iter().map(|source| array(&source.name, source_role(source.resident), source.dtype, &source.shape));
    let mut arrays: Vec<SketchArray> = sources.collect();
    let temps = arrays.len();
    arrays.extend(plan.temps.iter().map(|temp| array(&temp.name, ArrayRole::Temp, temp.dtype, &temp.shape)));
    let scratches = arrays.len();
    arrays.extend(plan.scratches.iter().map(|scratch| array(&scratch.name, ArrayRole::Scratch, scratch.dtype, &scratch.shape)));
    let outputs = arrays.len();
    arrays.extend(plan.outputs.iter().map(|output| array(&output.name, ArrayRole::Output, output.dtype, &output.shape)));
    (arrays, Places { temps, scratches, outputs })
}

fn stage_of(stage: &Stage, places: &Places) -> SketchStage {
    let reduced = stage.reductions.iter().flat_map(|reduction| {
        reduction.finishes.iter().map(|(finish, temp)| SketchEdge {
            array: places.temps + temp.0 as usize,
            bytes: 0,
            way: finish.name().to_string(),
            copied: false,
        })
    });
    let folded = stage.folds.iter().map(|fold| SketchEdge {
        array: places.temps + fold.temp.0 as usize,
        bytes: 0,
        way: "fold".to_string(),
        copied: false,
    });
    SketchStage {
        name: stage.name.clone(),
        space: stage.space.clone(),
        blocks: blocks_of(stage),
        block: stage.block.clone(),
        runs: runs_of(stage),
        run: stage.run.clone(),
        reads: stage.reads.iter().map(|read| read_of(read, places)).collect(),
        writes: stage.writes.iter().map(|write| write_of(write, places)).chain(reduced).chain(folded).collect(),
        memory: parts_of(&stage.memory).into_iter().map(|(name, bytes)| (name.to_string(), bytes)).collect(),
        workers: stage.workers,
        in_flight: stage.in_flight,
        operations: stage.operations(),
        user_code: stage.calls_user_code(),
    }
}

fn read_of(read: &Read, places: &Places) -> SketchEdge {
    let array = match read.from {
        ReadFrom::Source(id) => id.0 as usize,
        ReadFrom::Temp(id) => places.temps + id.0 as usize,
        ReadFrom::Scratch(id) => places.scratches + id.0 as usize,
    };
    let in_memory = read.access == Access::Resident && read.bytes_per_run == 0;
    let way = if in_memory { "from memory".to_string() } else { way_of(&read.access) };
    let copied = matches!(read.access, Access::Segments { .. } | Access::Box | Access::Picked { .. });
    SketchEdge { array, bytes: read.bytes_total, way, copied }
}

fn write_of(write: &Write, places: &Places) -> SketchEdge {
    let (array, way) = match write.to {
        WriteTo::Output(index) => (places.outputs + index, "written"),
        WriteTo::Temp(id) => (places.temps + id.0 as usize, "kept in memory"),
        WriteTo::Scratch(id) => (places.scratches + id.0 as usize, "spilled"),
    };
    let way = if write.compressed { format!("{way}, at most") } else { way.to_string() };
    SketchEdge { array, bytes: write.bytes_total, way, copied: false }
}
