//! The folder of a job in tasks: what was agreed, which tasks are done, what they left.

use super::{StageTasks, TaskDone, TaskSize};
use crate::{
    array::{identity::Identity, phased::Level, size::show_memory},
    error::{Error, Result},
    nd::Grid,
    plan::{Limits, NUMERICS_VERSION, Plan, Stage, WriteTo, chunks::lcm},
    run::divides,
    store::tasks::{Alone, Piece, alone, get, get_piece, make_folder, numbered, put, put_first, put_piece},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::path::{Path, PathBuf};

/// The version of the folder.
const SCHEMA: &str = "outcore.tasks/2";

/// What every process must find as it was when the job was begun.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Header {
    schema: String,
    version: String,
    numerics: u32,
    job: String,
    inputs: Vec<(String, String)>,
    limits: Limits,
}

/// How a phase was planned.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Agreed {
    pub plan: String,
    pub stages: Vec<AgreedStage>,
    /// The number of every unfinished output on its device; `None` for what is no file.
    pub parts: Vec<Option<u64>>,
}

/// How a stage is cut.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct AgreedStage {
    pub name: String,
    /// Runs of the stage.
    pub runs: usize,
    /// Runs that one task does together: those of a shard.
    pub unit: usize,
    pub tasks: usize,
    /// Whether tasks are runs of it; else it is one task, which finishes it.
    pub divides: bool,
    pub bytes: u64,
}

impl AgreedStage {
    /// The runs of a task.
    pub fn runs_of(&self, task: usize) -> std::ops::Range<usize> {
        let units = self.runs.div_ceil(self.unit.max(1)) as u128;
        let place = |task: usize| self.runs.min((task as u128 * units / self.tasks.max(1) as u128) as usize * self.unit);
        place(task)..place(task + 1)
    }
}

/// The folder of a job.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    pub fn new(path: PathBuf) -> Folder {
        Folder { path }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn name(&self) -> std::path::Display<'_> {
        self.path.display()
    }

    /// Keeps others from planning and publishing for as long as it lives.
    pub fn lock(&self) -> Result<Alone> {
        make_folder(&self.path)?;
        alone(&self.path.join("lock"))
    }

    /// Whether a job was begun here.
    pub fn is_begun(&self) -> Result<bool> {
        Ok(get(&self.header_path())?.is_some())
    }

    /// Whether its outputs have their names.
    pub fn is_finished(&self) -> Result<bool> {
        Ok(get(&self.path.join("finished"))?.is_some())
    }

    /// Writes down that all outputs have their names.
    pub fn finish(&self) -> Result<()> {
        put(&self.path.join("finished"), b"")
    }

    /// Begins the job `who`.
    pub fn begin(&self, who: &Identity, limits: &Limits) -> Result<()> {
        make_folder(&self.path)?;
        let header = Header {
            schema: SCHEMA.to_string(),
            version: env!("CARGO_PKG_VERSION").to_string(),
            numerics: NUMERICS_VERSION,
            job: who.job.clone(),
            inputs: who.inputs.clone(),
            limits: limits.clone(),
        };
        let path = self.header_path();
        put_first(&path, &json_of(&path, &header)?)?;
        self.check(who, limits)
    }

    /// An error unless the job that was begun here is `who`, in this version and with these limits.
    pub fn check(&self, who: &Identity, limits: &Limits) -> Result<()> {
        let there: Header = self.header()?;
        let name = self.name();
        let ours = (SCHEMA, env!("CARGO_PKG_VERSION"), NUMERICS_VERSION);
        if (&*there.schema, &*there.version, there.numerics) != ours {
            let text = format!(
                "the job in {name} is one of outcore {} (numerics {}), this is {} ({})",
                there.version, there.numerics, ours.1, ours.2
            );
            return Err(Error::refused(text).hint("the same version on all machines, or another folder"));
        }
        let same_device = |(now, then): (&(String, String), &(String, String))| beyond_device(&now.1) == beyond_device(&then.1);
        if who.job != there.job || who.inputs.len() != there.inputs.len() {
            return Err(Error::refused(format!("the folder {name} is that of another job"))
                .hint("the same statements, inputs and outputs, or another folder"));
        }
        if let Some((now, _)) = who.inputs.iter().zip(&there.inputs).find(|pair| !same_device(*pair)) {
            let text = format!("{} changed since the job in {name} was begun", now.0);
            return Err(Error::changed(text).hint("begin again in another folder"));
        }
        if there.limits != *limits {
            let Limits { memory_bytes, threads, .. } = there.limits;
            let text = format!(
                "the job in {name} was planned for {} and {threads} threads, or another block or I/O mode",
                show_memory(memory_bytes)
            );
            return Err(Error::refused(text).hint("the same --memory, --threads, --block and --io"));
        }
        Ok(())
    }

    /// What the job is called: the first half of its identity.
    pub fn job(&self) -> Result<String> {
        Ok(self.header()?.job.chars().take(16).collect())
    }

    /// The limits it was begun with.
    pub fn limits(&self) -> Result<Limits> {
        Ok(self.header()?.limits)
    }

    /// What a level of values found, and how many phases there were until then.
    pub fn level(&self, level: usize) -> Result<Option<(Level, usize)>> {
        get_json(&self.level_path(level))
    }

    /// Keeps what a level found.
    pub fn put_level(&self, number: usize, level: &Level, phases: usize) -> Result<()> {
        put_json(&self.level_path(number), &(level, phases))
    }

    fn level_path(&self, level: usize) -> PathBuf {
        self.path.join(format!("level-{level}.json"))
    }

    pub fn phase(&self, number: usize) -> Phase {
        Phase { path: self.path.join(format!("phase-{number}")), number }
    }

    fn header(&self) -> Result<Header> {
        let nothing = || Error::usage(format!("no job was begun in {}", self.name())).hint("outcore plan 'STATEMENTS' ... --job FOLDER");
        get_json(&self.header_path())?.ok_or_else(nothing)
    }

    fn header_path(&self) -> PathBuf {
        self.path.join("tasks.json")
    }
}

/// The number of a device is one machine's; what follows it is the file's everywhere.
fn beyond_device(identity: &str) -> &str {
    identity.split_once(':').map_or(identity, |(_, rest)| rest)
}

/// What is there of a phase.
#[derive(Clone, Debug)]
pub(super) struct Phase {
    path: PathBuf,
    /// Its place among the phases of the job.
    pub number: usize,
}

impl Phase {
    /// How it was planned; `None` if it was not.
    pub fn agreed(&self) -> Result<Option<Agreed>> {
        get_json(&self.path.join("plan.json"))
    }

    /// Writes down how it is cut; `shards` are those of the outputs.
    pub fn agree(&self, plan: &Plan, size: TaskSize, parts: Vec<Option<u64>>, shards: &[Option<Vec<usize>>]) -> Result<Agreed> {
        make_folder(&self.path)?;
        let stages = plan.stages.iter().map(|stage| cut(stage, size, shards)).collect();
        let agreed = Agreed { plan: plan.plan_id.clone(), stages, parts };
        let path = self.path.join("plan.json");
        // Whoever was faster may have cut it otherwise.
        of_json(&path, &put_first(&path, &json_of(&path, &agreed)?)?)
    }

    /// What is to be run of a stage.
    pub fn step(&self, stage: usize, agreed: &Agreed, plan: &Plan) -> Result<StageTasks> {
        let AgreedStage { name, tasks, bytes, .. } = agreed.stages[stage].clone();
        let done = self.tasks_done(stage)?;
        let (bytes_peak, threads) = (plan.bytes_peak, plan.limits.threads);
        let (tasks_done, todo, stages) = (done.len(), gaps(&done, tasks), plan.stages.len());
        Ok(StageTasks { phase: self.number, stage, stages, name, tasks, tasks_done, todo, bytes, bytes_peak, threads })
    }

    /// The tasks that are done.
    pub fn tasks_done(&self, stage: usize) -> Result<Vec<usize>> {
        numbered(&self.stage(stage), "done")
    }

    /// The marker of a task; `None` if it is not done.
    pub fn done(&self, stage: usize, task: usize, plan: &str) -> Result<Option<TaskDone>> {
        let there: Option<TaskDone> = get_json(&self.stage(stage).join(format!("{task:07}.done")))?;
        Ok(there.filter(|done| done.plan == plan))
    }

    /// Puts down what a task left, and then that it is done.
    pub fn finish_task(&self, done: &TaskDone, piece: &Piece) -> Result<()> {
        let folder = self.stage(done.stage);
        make_folder(&folder)?;
        put_piece(&folder.join(format!("{:07}.part", done.task)), piece, &done.plan)?;
        put_json(&folder.join(format!("{:07}.done", done.task)), done)
    }

    /// What a task left.
    pub fn piece(&self, stage: usize, task: usize, plan: &str) -> Result<Piece> {
        get_piece(&self.stage(stage).join(format!("{task:07}.part")), plan)?
            .ok_or_else(|| Error::data(format!("task {task} of stage {stage} of phase {} is done and left nothing", self.number)))
    }

    /// Whether all of a stage is done and put together.
    pub fn has_results(&self, stage: usize) -> Result<bool> {
        Ok(get(&self.results_path(stage))?.is_some())
    }

    /// Puts down the results of a stage.
    pub fn put_results(&self, stage: usize, results: Vec<(usize, Vec<u8>)>, plan: &str) -> Result<()> {
        put_piece(&self.results_path(stage), &Piece { results, ..Piece::default() }, plan)
    }

    /// The results of the first `stages` stages, by their place in the plan.
    pub fn results(&self, stages: usize, plan: &Plan) -> Result<Vec<Option<Vec<u8>>>> {
        let mut results = vec![None; plan.temps.len()];
        for stage in 0..stages {
            let missing = || {
                Error::usage(format!("stage {stage} of phase {} is not put together yet", self.number)).hint("outcore plan --job FOLDER")
            };
            for (place, bytes) in get_piece(&self.results_path(stage), &plan.plan_id)?.ok_or_else(missing)?.results {
                if let Some(result) = results.get_mut(place) {
                    *result = Some(bytes);
                }
            }
        }
        Ok(results)
    }

    fn stage(&self, stage: usize) -> PathBuf {
        self.path.join(format!("stage-{stage}"))
    }

    fn results_path(&self, stage: usize) -> PathBuf {
        self.path.join(format!("stage-{stage}.results"))
    }
}

/// The ranges between ascending numbers, up to `end`.
fn gaps(numbers: &[usize], end: usize) -> Vec<(usize, usize)> {
    let starts = std::iter::once(0).chain(numbers.iter().map(|number| number + 1));
    let ends = numbers.iter().copied().chain([end]);
    starts.zip(ends).filter(|(start, end)| start < end).collect()
}

/// How a stage is cut into tasks.
fn cut(stage: &Stage, size: TaskSize, shards: &[Option<Vec<usize>>]) -> AgreedStage {
    let reads = stage.reads.iter().map(|read| read.bytes_total);
    let bytes = reads.chain(stage.writes.iter().map(|write| write.bytes_total)).fold(0, u64::saturating_add);
    let (runs, divides, unit) = (stage.runs().count(), divides(stage), runs_together(stage, shards));
    let wanted = usize::try_from(bytes.div_ceil(size.bytes.max(1))).unwrap_or(usize::MAX);
    let tasks = if divides { wanted.min(size.tasks_max).min(runs.div_ceil(unit)).max(1) } else { 1 };
    AgreedStage { name: stage.name.clone(), runs, unit, tasks, divides, bytes }
}

/// How many runs of a stage one task does at least, so that none writes a part of a shard: between multiples of it lie whole ones.
fn runs_together(stage: &Stage, shards: &[Option<Vec<usize>>]) -> usize {
    let runs = stage.runs();
    let mut unit = 1;
    for write in &stage.writes {
        let WriteTo::Output(output) = write.to else { continue };
        let Some(shard) = shards.get(output).and_then(Option::as_ref) else { continue };
        let mut lengths = vec![1; runs.shape().len()];
        for (axis, &length) in write.axes.iter().zip(shard) {
            if let Some(axis) = axis {
                lengths[*axis] = length;
            }
        }
        unit = lcm(unit, runs_between(&runs, &lengths)).min(runs.count().max(1));
    }
    unit
}

/// After how many runs, in their order, boxes of these lengths are whole that begin where the first run does.
fn runs_between(runs: &Grid, lengths: &[usize]) -> usize {
    let count = |axis: usize| runs.count_along(axis);
    let is_moved = |axis: usize| runs.origin(axis) > 0 && lengths[axis] > 1;
    // Along axes before this one every run holds whole boxes; all runs along those behind it are done together.
    let is_cut = |axis: &usize| count(*axis) > 1 && (is_moved(*axis) || !runs.block()[*axis].is_multiple_of(lengths[*axis].max(1)));
    let Some(axis) = (0..lengths.len()).find(is_cut) else { return 1 };
    let inner: usize = (axis + 1..lengths.len()).map(count).product();
    if is_moved(axis) {
        // Runs begin anywhere in the boxes.
        return inner * count(axis);
    }
    let along = lcm(runs.block()[axis], lengths[axis]) / runs.block()[axis];
    let is_first = (0..axis).all(|axis| count(axis) == 1);
    inner * if is_first || count(axis).is_multiple_of(along) { along } else { count(axis) }
}

fn put_json<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    put(path, &json_of(path, value)?)
}

fn json_of<T: Serialize>(path: &Path, value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec_pretty(value).map_err(|error| Error::internal(format!("{} is no JSON: {error}", path.display())))
}

fn get_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    get(path)?.map(|bytes| of_json(path, &bytes)).transpose()
}

fn of_json<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| Error::data(format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether no box of `lengths` has runs on both sides of a multiple of `unit`.
    fn keeps_boxes_whole(runs: &Grid, lengths: &[usize], unit: usize) -> bool {
        let boxes = Grid::new(runs.shape().to_vec(), lengths.to_vec());
        let mut of_box = vec![None; boxes.count()];
        (0..runs.count()).all(|run| {
            let region = runs.region(run);
            (0..boxes.count())
                .filter(|nth| overlap(&boxes.region(*nth), &region))
                .all(|nth| *of_box[nth].get_or_insert(run / unit) == run / unit)
        })
    }

    fn overlap(a: &crate::nd::Region, b: &crate::nd::Region) -> bool {
        (0..a.rank()).all(|axis| a.start[axis] < b.end(axis) && b.start[axis] < a.end(axis))
    }

    #[test]
    fn tasks_hold_whole_shards() {
        for (shape, block, lengths, unit) in [
            ([100, 8], [10, 8], [10, 8], 1),
            ([100, 8], [10, 8], [30, 8], 3),
            ([100, 8], [20, 8], [30, 4], 3),
            ([100, 8], [10, 2], [10, 4], 2),
            ([100, 8], [10, 2], [30, 2], 12),
            ([100, 12], [10, 4], [10, 8], 3),
            ([100, 8], [100, 2], [30, 4], 2),
            ([10, 10], [4, 3], [100, 100], 12),
            ([100, 8], [10, 8], [7, 8], 7),
        ] {
            let runs = Grid::new(shape.to_vec(), block.to_vec());
            let found = runs_between(&runs, &lengths).min(runs.count());
            assert_eq!(found, unit, "{block:?} {lengths:?}");
            assert!(keeps_boxes_whole(&runs, &lengths, found));
            assert!(unit == 1 || !keeps_boxes_whole(&runs, &lengths, 1));
        }
    }

    #[test]
    fn runs_that_begin_elsewhere_are_done_together() {
        for (origin, lengths, unit) in [([3, 0], [10, 8], 22), ([3, 0], [1, 4], 1), ([0, 1], [10, 4], 2), ([0, 1], [20, 1], 4)] {
            let runs = Grid::new(vec![100, 8], vec![10, 4]).moved(&origin);
            let found = runs_between(&runs, &lengths).min(runs.count());
            assert!(keeps_boxes_whole(&runs, &lengths, found), "{origin:?} {lengths:?}");
            assert!(found >= unit, "{origin:?} {lengths:?}: {found}");
        }
    }

    #[test]
    fn tasks_are_ranges_of_whole_units_that_cover_all_runs() {
        for (runs, unit, tasks) in [(10, 1, 3), (10, 3, 4), (10, 3, 2), (1, 1, 1), (7, 7, 1), (0, 1, 1)] {
            let cut = AgreedStage { name: String::new(), runs, unit, tasks, divides: true, bytes: 0 };
            let ranges: Vec<_> = (0..tasks).map(|task| cut.runs_of(task)).collect();
            assert!(ranges.iter().all(|range| range.start % unit == 0));
            assert_eq!(ranges.iter().map(ExactSizeIterator::len).sum::<usize>(), runs);
            assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start));
        }
    }
}
