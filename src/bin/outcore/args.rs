//! Flags as they are typed. Nothing is looked up here: what a flag means on this machine is decided in
//! [`settings`](crate::settings).

use crate::{
    doctor, errors,
    output::Style,
    settings::ProfileUse,
    shell::{Completions, Man},
    tasks::Emit,
    tune,
};
use clap::{
    Args, CommandFactory, Parser, Subcommand, ValueEnum,
    builder::FalseyValueParser,
    error::{ContextKind, ContextValue, ErrorKind},
};
use outcore::{Error, ZarrOptions};
use std::{
    env,
    ffi::OsString,
    num::{IntErrorKind, ParseFloatError, ParseIntError},
    path::PathBuf,
    process::ExitCode,
};

/// Evaluates NumPy-like expressions over arrays larger than memory, inside a memory budget that is proved before anything runs.
#[derive(Debug, Parser)]
#[command(name = "outcore", version, subcommand_required = true, arg_required_else_help = true, max_term_width = 110)]
#[command(
    after_help = "Exit codes: 0 ok, 1 a check failed, 2 usage, 65 bad data, 66 input missing, 70 a bug, 73 output exists or cannot be \
                        created, 74 I/O, 78 memory budget refused, 130 and 143 interrupted."
)]
pub struct Low {
    /// What to do.
    #[command(subcommand)]
    pub mode: Mode,
    /// Flags of every mode.
    #[command(flatten)]
    pub common: Common,
}

/// Flags of every mode.
#[derive(Debug, Args)]
#[command(next_help_heading = "Common options")]
pub struct Common {
    /// Memory to stay below: 2GiB, 512M, 1.5GB, 50% [default: half of what the machine or control group has]
    #[arg(long, global = true, value_name = "SIZE", env = "OUTCORE_MEMORY", hide_env_values = true)]
    pub memory: Option<String>,
    /// Compute threads [default: what affinity and the control group's quota allow]
    #[arg(long, global = true, value_name = "N", env = "OUTCORE_THREADS", hide_env_values = true)]
    pub threads: Option<usize>,
    /// Folder for results between passes that memory does not hold; nothing stays in it [default: beside the first output]
    #[arg(long, global = true, value_name = "DIR", env = "OUTCORE_SCRATCH", hide_env_values = true)]
    pub scratch: Option<PathBuf>,
    /// How floats are added up [default: exact]
    #[arg(long, global = true, value_name = "MODE", env = "OUTCORE_SUM", hide_env_values = true)]
    pub sum: Option<Sum>,
    /// Make axis notes, integers that wrap and integer division by zero errors
    #[arg(long, global = true, env = "OUTCORE_STRICT", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub strict: bool,
    /// What happens when a statement creates NaN or infinities out of finite elements, or integers wrap
    #[arg(long, global = true, value_name = "WHAT", env = "OUTCORE_ON_INVALID", hide_env_values = true, default_value = "warn")]
    pub on_invalid: Invalid,
    /// What becomes of arrays of different dtypes that meet
    #[arg(long, global = true, value_name = "HOW", env = "OUTCORE_PROMOTE", hide_env_values = true, default_value = "numpy")]
    pub promote: PromoteHow,
    /// Results and errors as JSON
    #[arg(long, global = true, env = "OUTCORE_JSON", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub json: bool,
    /// Progress on stderr
    #[arg(long, global = true, value_name = "WHEN", env = "OUTCORE_PROGRESS", hide_env_values = true, default_value = "auto")]
    pub progress: ProgressWhen,
    /// Write what the job took to FILE.html (a page), FILE.json or FILE.csv (a row per stage); may be repeated
    #[arg(long, global = true, value_name = "FILE", env = "OUTCORE_REPORT", hide_env_values = true)]
    pub report: Vec<PathBuf>,
    /// Write what every thread did to FILE.json, which Perfetto and chrome://tracing open
    #[arg(long, global = true, value_name = "FILE", env = "OUTCORE_TRACE", hide_env_values = true)]
    pub trace: Option<PathBuf>,
    /// Replace existing outputs
    #[arg(long, global = true)]
    pub overwrite: bool,
    /// Go on with what a stopped job left of the outputs, and leave as much if this one is stopped
    #[arg(long, global = true, env = "OUTCORE_RESUME", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub resume: bool,
    /// How files are read [default: auto]
    #[arg(long, global = true, value_name = "HOW", env = "OUTCORE_IO", hide_env_values = true)]
    pub io: Option<Io>,
    /// Bytes of a block, for tests and tuning [default: from the cache]
    #[arg(long, global = true, value_name = "SIZE", env = "OUTCORE_BLOCK", hide_env_values = true)]
    pub block: Option<String>,
}

/// How floats are added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Sum {
    /// The real sum, rounded once
    Exact,
    /// Compensated, in f64
    Neumaier,
    /// Compensated, in f64
    Kahan,
    /// Pairwise, in f64
    Pairwise,
    /// One after the other, in f64
    Naive,
}

/// What happens when a statement creates NaN or infinities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Invalid {
    /// Nothing, and nothing is looked for
    Ignore,
    /// A line on stderr, and in the report
    Warn,
    /// NaN and infinities are an error
    Error,
}

/// What becomes of arrays of different dtypes that meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PromoteHow {
    /// Converted to the dtype that holds both
    #[value(name = "numpy")]
    NumPy,
    /// Refused
    Strict,
}

/// When progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProgressWhen {
    /// On a terminal, after one second
    Auto,
    /// Also elsewhere: a line per 30 seconds
    Always,
    /// Never
    Never,
    /// One JSON object a line
    Json,
}

/// How files are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Io {
    /// Mapped where bytes lie together, read where they do not
    Auto,
    /// Mapped wherever possible
    Mmap,
    /// Never mapped
    Read,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Mode {
    /// Show shape, dtype, layout and bytes from the header; no data is read
    Info(Info),
    /// Print values as NumPy does, with digits that read back
    Head(Head),
    /// Count, NaN, infinities, minimum, maximum, mean, deviation, sum and norm in one pass, in f64 and exact
    Stats(Stats),
    /// Evaluate statements; print the last value or save values
    Eval(Evaluate),
    /// Begin a job that many processes carry out, or say what is next of it
    Plan(Plan),
    /// Run a task of such a job
    Task(Task),
    /// Give the outputs of such a job their names, and print its values
    Finish(Finish),
    /// Show the plan: passes, bytes, blocks, predicted peak, and why
    Explain(Explain),
    /// Print a hash of dtype, shape and values: equal for any file format, byte order, layout and chunks
    Digest(Digest),
    /// Find the rows nearest to queries, exactly, in one read of the database
    Topk(TopK),
    /// Find all pairs of rows that are near to each other, exactly, and no matrix of scores
    Pairs(Pairs),
    /// Write an array in another format, dtype, chunking or encoding
    Convert(Convert),
    /// Read everything, check checksums and layout, count NaN and infinities
    Verify(Verify),
    /// Compare two arrays; exit code 1 if shape, dtype or values differ
    Diff(Diff),
    /// Look rows over in one read: NaN, infinities, zero rows, norms, dead columns, equal rows
    Audit(Audit),
    /// Write embeddings in fewer bytes: int8 with scales, one bit, half floats, fewer dimensions; and back
    Quantize(Quantize),
    /// Write the rows in a random order, with reads in one direction
    Shuffle(Shuffle),
    /// Write the rows to several files, by shares
    Split(Split),
    /// Principal components of a matrix of samples: variances, projections, whitening
    Pca(Pca),
    /// Clusters of the rows of a matrix: centroids and labels
    Kmeans(Kmeans),
    /// Standardise real embeddings larger than the budget, measured and checked
    Demo(Demo),
    /// Show what the machine offers, what is in force and why, and what would bite
    Doctor(doctor::Doctor),
    /// Try block bytes, threads and I/O modes, or layouts of Zarr stores, and say which are best
    Tune(tune::Tune),
    /// List functions, or show one
    Functions(Functions),
    /// Print what a shell needs to complete modes and flags
    Completions(Completions),
    /// Print the manual page, or that of a mode
    Man(Man),
}

/// `outcore info`.
#[derive(Debug, Args)]
pub struct Info {
    /// Arrays: x.npy, or x.bin?dtype=f32&shape=-1,128
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<String>,
}

/// `outcore head`.
#[derive(Debug, Args)]
pub struct Head {
    /// The array
    #[arg(value_name = "PATH")]
    pub path: String,
    /// What to print: '0:5, ..., :8' [default: the first 5 rows]
    #[arg(long, allow_hyphen_values = true)]
    pub slice: Option<String>,
}

/// `outcore stats`.
#[derive(Debug, Args)]
pub struct Stats {
    /// The array, or several that continue each other along axis 0
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<String>,
    /// Along this axis: one line for each place of the others
    #[arg(long, allow_hyphen_values = true, value_name = "N")]
    pub axis: Option<i64>,
    /// One line for each index of --axis instead, over all other axes
    #[arg(long, requires = "axis")]
    pub each: bool,
    /// Keep exact states in FILE: only rows that it does not cover are read, and the numbers are those of reading all
    #[arg(long, value_name = "FILE.ocs")]
    pub state: Option<PathBuf>,
}

/// `outcore eval`, and what `outcore explain` explains.
#[derive(Debug, Args)]
pub struct Eval {
    /// What to compute: 'z = (x - mean(x, 0)) / std(x, 0)'. With -f there are inputs only
    // A statement may start with a minus. Apart from the inputs, so that flags after it stay flags.
    #[arg(value_name = "STATEMENTS", required_unless_present = "file", allow_hyphen_values = true)]
    pub text: Option<String>,
    /// What goes in and where it goes.
    #[command(flatten)]
    pub given: Given,
    /// Print a digest of every saved value, and put it into the report; the files are read once more
    #[arg(long)]
    pub digest: bool,
    /// How Zarr outputs are laid out.
    #[command(flatten)]
    pub layout: Layout,
}

/// Inputs of statements, and what is saved.
#[derive(Debug, Args)]
pub struct Given {
    /// The inputs; one bare PATH is called x. For explain an input may be imagined: x=f32[4000000,768]
    #[arg(value_name = "[NAME=]PATH")]
    pub words: Vec<String>,
    /// Read the statements from FILE; - is stdin
    #[arg(short = 'f', long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Save the result to PATH, or the value NAME to PATH; may be repeated
    #[arg(short = 'o', long = "output", value_name = "[NAME=]PATH")]
    pub outputs: Vec<String>,
}

/// `outcore eval`.
#[derive(Debug, Args)]
pub struct Evaluate {
    /// What is evaluated.
    #[command(flatten)]
    pub eval: Eval,
    /// On a Dask cluster, in tasks: dask://HOST:8786, dask:local?workers=2, dask:scheduler-file=PATH (needs the package outcore-dask)
    #[arg(long, value_name = "CLUSTER")]
    pub on: Option<String>,
    /// The folder of a job on a cluster, which all machines see under this path
    #[arg(long, value_name = "DIR", requires = "on")]
    pub job: Option<PathBuf>,
}

/// `outcore plan`.
#[derive(Debug, Args)]
pub struct Plan {
    /// What to compute; nothing of it where the job is begun already.
    #[command(flatten)]
    pub eval: Begun,
    /// The folder of the job, which all machines see under this path
    #[arg(long, value_name = "DIR")]
    pub job: PathBuf,
    /// Bytes that a task reads and writes, about
    #[arg(long, value_name = "SIZE", default_value = "1GiB")]
    pub task_bytes: String,
    /// Tasks of a stage, at most
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    pub tasks_max: usize,
    /// Print what a scheduler is given to run the tasks
    #[arg(long, value_name = "WHOM")]
    pub emit: Option<Emit>,
}

/// As [`Eval`], of which nothing has to be given.
#[derive(Debug, Args)]
pub struct Begun {
    /// What to compute. None: the job is there, and what is next of it is wanted
    #[arg(value_name = "STATEMENTS", allow_hyphen_values = true)]
    pub text: Option<String>,
    /// What goes in and where it goes.
    #[command(flatten)]
    pub given: Given,
    /// How Zarr outputs are laid out.
    #[command(flatten)]
    pub layout: Layout,
}

impl Begun {
    /// What is to be computed; `None` if the job has to be there.
    pub fn eval(self) -> Option<Eval> {
        let Begun { text, given, layout } = self;
        (text.is_some() || given.file.is_some()).then_some(Eval { text, given, digest: false, layout })
    }
}

/// `outcore task`.
#[derive(Debug, Args)]
pub struct Task {
    /// The folder of the job
    #[arg(long, value_name = "DIR")]
    pub job: PathBuf,
    /// The phase, as `outcore plan` says
    #[arg(long, value_name = "P", default_value_t = 0)]
    pub phase: usize,
    /// The stage, as `outcore plan` says
    #[arg(long, value_name = "S", default_value_t = 0)]
    pub stage: usize,
    /// The task, from 0; auto: the index of a job array of Slurm, Kubernetes, PBS, HyperQueue, AWS Batch or MPI
    #[arg(long, value_name = "I|auto")]
    pub task: String,
    /// Added to the task, where arrays of jobs are shorter than stages
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub task_base: usize,
}

/// `outcore finish`.
#[derive(Debug, Args)]
pub struct Finish {
    /// The folder of the job
    #[arg(long, value_name = "DIR")]
    pub job: PathBuf,
}

/// `outcore explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// What would be evaluated.
    #[command(flatten)]
    pub eval: Eval,
    /// Draw the plan into FILE, too: stages, what they read and write, and what they keep
    #[arg(long, value_name = "FILE.svg")]
    pub svg: Option<PathBuf>,
}

/// How Zarr outputs are laid out. The query of a path (`out.zarr?chunks=4096,128`) says the same for one output.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Options of Zarr outputs")]
pub struct Layout {
    /// Lengths of a chunk, -1 for a whole axis [default: about 1 MiB]
    #[arg(long, value_name = "LENGTHS", allow_hyphen_values = true)]
    pub chunks: Option<String>,
    /// Lengths of a shard, whole chunks, or none [default: about 64 MiB]
    #[arg(long, value_name = "LENGTHS", allow_hyphen_values = true)]
    pub shards: Option<String>,
    /// none, crc32c, zstd:LEVEL, lz4, blosc-lz4:LEVEL, blosc-zstd:LEVEL, gzip:LEVEL [default: zstd:3]
    #[arg(long, value_name = "CODEC")]
    pub codec: Option<String>,
    /// Version of the Zarr format: 2 or 3 [default: that of the store, else 3]
    #[arg(long, value_name = "N")]
    pub zarr_version: Option<String>,
}

/// `outcore convert`.
#[derive(Debug, Args)]
pub struct Convert {
    /// The array: x.npy, x.zarr, x.zarr/group/array, x.bin?dtype=f32&shape=-1,128; or a Zarr group: all its arrays
    #[arg(value_name = "IN")]
    pub input: String,
    /// Where it goes; the extension tells the format: .npy, .zarr, .bin
    #[arg(value_name = "OUT")]
    pub output: String,
    /// Convert the elements; a float that an integer dtype cannot hold is an error
    #[arg(long, value_name = "DTYPE")]
    pub dtype: Option<String>,
    /// How Zarr outputs are laid out.
    #[command(flatten)]
    pub layout: Layout,
}

/// `outcore verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// Arrays: x.npy, x.zarr, x.bin?dtype=f32&shape=-1,128
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<String>,
    /// Exit with 1 if there is any NaN or infinity
    #[arg(long)]
    pub finite: bool,
}

/// `outcore diff`.
#[derive(Debug, Args)]
pub struct Diff {
    /// An array
    #[arg(value_name = "A")]
    pub left: String,
    /// The array it is compared with
    #[arg(value_name = "B")]
    pub right: String,
    /// Values a and b are equal if |a - b| <= atol + rtol * |b| [default: 0]
    #[arg(long, value_name = "R", allow_negative_numbers = true)]
    pub rtol: Option<f64>,
    /// See --rtol [default: 0]
    #[arg(long, value_name = "A", allow_negative_numbers = true)]
    pub atol: Option<f64>,
    /// Compare bits: 0.0 is not -0.0, and NaN are equal only with equal payloads
    #[arg(long, conflicts_with_all = ["rtol", "atol"])]
    pub bits: bool,
}

impl Layout {
    /// The options that the flags ask for.
    pub fn options(&self) -> Result<ZarrOptions, Error> {
        let flags = [
            ("--chunks", "chunks", &self.chunks),
            ("--shards", "shards", &self.shards),
            ("--codec", "codec", &self.codec),
            ("--zarr-version", "version", &self.zarr_version),
        ];
        let given = flags.into_iter().filter_map(|(flag, key, value)| value.as_ref().map(|value| (flag, key, value)));
        given
            .into_iter()
            .try_fold(ZarrOptions::default(), |options, (flag, key, value)| options.with(key, value).map_err(|error| error.context(flag)))
    }
}

/// `outcore audit`.
#[derive(Debug, Args)]
pub struct Audit {
    /// Rows of numbers: x.npy, x.fvecs, 'shards/*.npy'
    #[arg(value_name = "PATH")]
    pub path: String,
    /// Show minimum, maximum, mean and deviation of every column too
    #[arg(long)]
    pub columns: bool,
    /// Do not look for equal rows
    #[arg(long)]
    pub no_duplicates: bool,
    /// How near 1 a norm has to be to count as 1
    #[arg(long, value_name = "TOLERANCE", default_value_t = 1e-3, allow_negative_numbers = true)]
    pub unit: f64,
    /// Exit with 1 if there is any of these
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    pub fail_on: Vec<Fault>,
}

/// What an audit may fail on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Fault {
    /// NaN
    Nan,
    /// Infinities
    Inf,
    /// Rows of zeros
    Zero,
    /// Rows that equal an earlier one
    Duplicates,
    /// Columns of one number
    Constant,
    /// Any of them
    Any,
}

/// `outcore quantize`.
#[derive(Debug, Args)]
pub struct Quantize {
    /// Embeddings: rows of numbers. With --inverse the codes
    #[arg(value_name = "IN")]
    pub input: String,
    /// Where the codes go; with --inverse the numbers
    #[arg(value_name = "OUT")]
    pub output: String,
    /// The form of the codes
    #[arg(long, value_name = "FORM")]
    pub to: Form,
    /// What shares a scale of int8 [default: row]
    #[arg(long, value_name = "WHAT")]
    pub scale: Option<ScaleAxis>,
    /// Take this percentile of the magnitudes for the largest code of int8, and clip what is beyond
    #[arg(long, value_name = "PERCENT")]
    pub clip: Option<f64>,
    /// Keep the first N dimensions, rows scaled to norm 1; with --inverse of binary: how many there were
    #[arg(long, value_name = "N")]
    pub dims: Option<usize>,
    /// Where the scales of int8 lie [default: OUT.scales.npy, with --inverse IN.scales.npy]
    #[arg(long, value_name = "PATH")]
    pub scales: Option<String>,
    /// From codes to numbers: int8 times scales, bits to 0 and 1
    #[arg(long)]
    pub inverse: bool,
    /// How Zarr outputs are laid out.
    #[command(flatten)]
    pub layout: Layout,
}

/// Forms of quantised embeddings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// One byte each, and scales
    Int8,
    /// One bit each: whether it is above 0; eight to a byte as np.packbits has them
    Binary,
    /// Half floats
    F16,
    /// Floats of 16 bits with the range of f32
    Bf16,
    /// Single floats: with --dims, which is all that happens then
    F32,
}

/// What shares a scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ScaleAxis {
    /// Every row has its own
    Row,
    /// Every column has its own
    Column,
    /// There is one
    Whole,
}

/// `outcore shuffle`.
#[derive(Debug, Args)]
pub struct Shuffle {
    /// The array, whose rows (axis 0) change places
    #[arg(value_name = "IN")]
    pub input: String,
    /// Where it goes
    #[arg(value_name = "OUT")]
    pub output: String,
    /// Which order: arrays of one length and seed stay aligned
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Save the number in IN of every row of OUT
    #[arg(long, value_name = "PATH")]
    pub permutation: Option<PathBuf>,
    /// How Zarr outputs are laid out.
    #[command(flatten)]
    pub layout: Layout,
}

/// `outcore split`.
#[derive(Debug, Args)]
pub struct Split {
    /// The array, whose rows (axis 0) are shared out
    #[arg(value_name = "IN")]
    pub input: String,
    /// 0.8=train.npy 0.1=val.npy rest=test.npy
    #[arg(required = true, value_name = "SHARE=PATH")]
    pub parts: Vec<String>,
    /// The order that rows are shared out in
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Share them out in the order they have
    #[arg(long, conflicts_with = "seed")]
    pub in_order: bool,
    /// How Zarr outputs are laid out.
    #[command(flatten)]
    pub layout: Layout,
}

/// `outcore digest`.
#[derive(Debug, Args)]
pub struct Digest {
    /// Arrays: x.npy, or x.bin?dtype=f32&shape=-1,128
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<String>,
}

/// What makes rows near.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Measure {
    /// The cosine of the angle between them
    Cosine,
    /// The sum of products
    Dot,
    /// The Euclidean distance
    L2,
}

/// `outcore topk`.
#[derive(Debug, Args)]
pub struct TopK {
    /// The database: a matrix whose rows are vectors
    #[arg(value_name = "DB")]
    pub database: String,
    /// The queries: a matrix, or one vector [default: every row of DB, without itself]
    #[arg(long, value_name = "PATH")]
    pub queries: Option<String>,
    /// How many rows for each query
    #[arg(short = 'k', value_name = "N", default_value_t = 10)]
    pub count: usize,
    /// What makes a row near
    #[arg(long, value_enum, default_value_t = Measure::Cosine)]
    pub metric: Measure,
    /// The axis of DB along which there is a vector a place: 0, or 1 where vectors are columns
    #[arg(long, default_value_t = 0)]
    pub axis: i64,
    /// Only rows for which this array (bool, one element a row) is true
    #[arg(long, value_name = "PATH")]
    pub filter: Option<String>,
    /// Save the rows found, of shape (queries, k), as i64; without it they are printed
    #[arg(short = 'o', long = "output", value_name = "PATH")]
    pub output: Option<String>,
    /// Save the scores, of shape (queries, k), as f64
    #[arg(long, value_name = "PATH")]
    pub scores: Option<String>,
}

/// `outcore pairs`.
#[derive(Debug, Args)]
pub struct Pairs {
    /// A matrix whose rows are vectors
    #[arg(value_name = "DB")]
    pub database: String,
    /// Pairs of a row of DB with a row of this matrix [default: of two rows of DB]
    #[arg(long, value_name = "PATH")]
    pub with: Option<String>,
    /// What makes rows near
    #[arg(long, value_enum, default_value_t = Measure::Cosine)]
    pub metric: Measure,
    /// Pairs with a cosine or sum of products of at least T
    #[arg(long, value_name = "T", allow_negative_numbers = true)]
    pub above: Option<f64>,
    /// Pairs with a distance of at most D (--metric l2)
    #[arg(long, value_name = "D", allow_negative_numbers = true, conflicts_with = "above")]
    pub within: Option<f64>,
    /// The axis along which there is a vector a place: 0, or 1 where vectors are columns
    #[arg(long, default_value_t = 0)]
    pub axis: i64,
    /// Save the pairs, of shape (pairs, 2), as i64; without it they are printed
    #[arg(short = 'o', long = "output", value_name = "PATH")]
    pub output: Option<String>,
    /// Save the scores of the pairs, as f64
    #[arg(long, value_name = "PATH")]
    pub scores: Option<String>,
}

/// `outcore pca`.
#[derive(Debug, Args)]
pub struct Pca {
    /// The matrix: rows are samples
    #[arg(value_name = "PATH")]
    pub path: String,
    /// How many components [default: all there are]
    #[arg(short = 'k', long = "count", value_name = "K")]
    pub count: Option<usize>,
    /// Save the projections of all samples to FILE
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Save the components to FILE, one a row
    #[arg(long, value_name = "FILE")]
    pub components: Option<PathBuf>,
    /// Save the mean of every column to FILE
    #[arg(long, value_name = "FILE")]
    pub mean: Option<PathBuf>,
    /// Divide projections by their standard deviations
    #[arg(long, requires = "output")]
    pub whiten: bool,
    /// How components are found
    #[arg(long, value_enum, default_value_t = Method::Auto)]
    pub method: Method,
    /// What random directions are made of
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// How often random directions are multiplied by the covariances after the first time
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub powers: usize,
}

/// How components are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Method {
    /// By the covariances where memory holds them, else from random directions
    Auto,
    /// By the covariances
    Exact,
    /// From random directions: less memory for many features, more reads
    Randomized,
}

/// `outcore kmeans`.
#[derive(Debug, Args)]
pub struct Kmeans {
    /// The matrix whose rows are clustered
    #[arg(value_name = "PATH")]
    pub path: String,
    /// How many clusters
    #[arg(short = 'k', long = "count", value_name = "K")]
    pub count: usize,
    /// What random numbers are made of
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Save the centroids to FILE, one a row
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Save the label of every row to FILE, as i32
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,
    /// The most iterations: one read of the matrix each, or of a batch
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub iterations: usize,
    /// Iterations read N rows each that the seed draws, instead of all
    #[arg(long, value_name = "N")]
    pub batch: Option<usize>,
    /// Stop when the sum of squares falls by less than this part of itself
    #[arg(long, value_name = "T", default_value_t = 1e-4, allow_negative_numbers = true)]
    pub tolerance: f64,
    /// Rows of the sample that the first centroids are chosen from [default: 32 a cluster, at least 4096]
    #[arg(long, value_name = "ROWS")]
    pub sample: Option<usize>,
    /// Leave out rows with NaN or infinities; their label is -1
    #[arg(long)]
    pub skip_nan: bool,
}

/// `outcore demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// Folder to work in; a temporary folder is made inside and removed [default: the current one]
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// Bytes of data to make
    #[arg(long, default_value = "768MB")]
    pub size: String,
}

/// `outcore functions`.
#[derive(Debug, Args)]
pub struct Functions {
    /// The function to show
    pub name: Option<String>,
}

impl Mode {
    /// Whether the machine profile decides what flags leave open. The demonstration shows sums that are not exact.
    pub fn profile_use(&self) -> ProfileUse {
        match self {
            Mode::Tune(_) | Mode::Doctor(_) | Mode::Demo(_) => ProfileUse::Ignore,
            _ => ProfileUse::Follow,
        }
    }
}

impl Common {
    /// How results and errors are printed.
    pub fn style(&self) -> Style {
        if self.json { Style::Json } else { Style::Text }
    }
}

/// The command line, or the exit code when there is nothing more to do: help was shown, or it makes no sense.
pub fn parse() -> Result<Low, ExitCode> {
    let words: Vec<OsString> = env::args_os().collect();
    Low::try_parse_from(&words).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A closed pipe is no failure of `--help`.
            let _ = error.print();
            ExitCode::SUCCESS
        }
        // Without any word the help is the answer.
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            ExitCode::from(errors::USAGE)
        }
        _ => errors::report(&in_own_words(&error, &words), style_of(&words)),
    })
}

/// How an error is printed before flags are understood.
fn style_of(words: &[OsString]) -> Style {
    let set =
        env::var("OUTCORE_JSON").is_ok_and(|value| !matches!(value.to_lowercase().as_str(), "" | "0" | "n" | "no" | "f" | "false" | "off"));
    if set || words.iter().any(|word| word == "--json") { Style::Json } else { Style::Text }
}

/// The error of the parser of flags as one of this program's.
fn in_own_words(error: &clap::Error, words: &[OsString]) -> Error {
    let about = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let flag = about(ContextKind::InvalidArg).unwrap_or_default();
    if error.kind() == ErrorKind::UnknownArgument {
        // An unknown flag before the statements was taken for them, so that the error is about what follows.
        let unknown = words.iter().filter_map(|word| word.to_str()).find(|word| looks_like_a_flag(word) && !is_known(word));
        if let Some(word) = unknown.filter(|_| !flag.starts_with("--")) {
            return unknown_flag(word);
        }
    }
    if error.kind() == ErrorKind::UnknownArgument
        && let Some(refused) = negative(flag, words)
    {
        return refused;
    }
    if error.kind() == ErrorKind::InvalidUtf8 {
        let word = words.iter().find(|word| word.to_str().is_none()).map_or_else(String::new, |word| format!("`{}`", word.display()));
        return Error::usage(format!("the argument {word} is not UTF-8")).hint("a name that is: rename the file, or make a link to it");
    }
    if let (ErrorKind::InvalidValue | ErrorKind::ValueValidation, Some(ContextValue::String(value))) =
        (error.kind(), error.get(ContextKind::InvalidValue))
        && let Some(refused) = bad_value(error, &spelling(name_of_flag(flag)), value)
    {
        return refused;
    }
    let text = error.render().to_string();
    // The usage line and the way to the help repeat what is known.
    let text = text.split("\n\nUsage:").next().unwrap_or_default();
    let text = text.split("\n\nFor more information").next().unwrap_or_default().trim().trim_start_matches("error: ");
    let (message, tip) = text.split_once("\n\n  tip: ").map_or((text, None), |(message, tip)| (message, Some(tip)));
    let spelled = spelling(name_of_flag(flag));
    let message = if spelled.starts_with('-') { message.to_string() } else { message.replace(&format!("'{flag}'"), &spelled) };
    match tip {
        Some(tip) => Error::usage(message).hint(tip.trim()),
        None => Error::usage(message),
    }
}

/// The error of a number below 0 that follows an option: the parser takes it for an option of its own.
fn negative(word: &str, words: &[OsString]) -> Option<Error> {
    let place = words.iter().position(|found| found.to_str().is_some_and(|found| found == word)).filter(|_| is_below_zero(word))?;
    let option = words.get(place.checked_sub(1)?)?.to_str().filter(|option| option.starts_with('-') && !option.contains('='))?;
    Some(below_zero(option, word))
}

fn is_below_zero(word: &str) -> bool {
    word.strip_prefix('-').is_some_and(|rest| rest.starts_with(|letter: char| letter.is_ascii_digit() || letter == '.'))
}

fn below_zero(option: &str, word: &str) -> Error {
    Error::usage(format!("{option} {word}: a number below 0 is no value of {option}")).hint(format!("{option} N, where N is not negative"))
}

/// The error of a value that an option cannot have. `None`: the parser's words say what is wrong, or it is of an argument without a flag.
fn bad_value(error: &clap::Error, flag: &str, value: &str) -> Option<Error> {
    let shown = if value.is_empty() { "''" } else { value };
    if let Some(ContextValue::Strings(known)) = error.get(ContextKind::ValidValue).filter(|_| !value.is_empty()) {
        return Some(Error::usage(format!("{flag} {shown}: there is no such value")).hint(known.join(", ")));
    }
    let source = std::error::Error::source(error).filter(|_| !flag.starts_with('<'))?;
    let whole = source.downcast_ref::<ParseIntError>().map(ParseIntError::kind);
    let (what, example) = match whole {
        Some(IntErrorKind::InvalidDigit) if is_below_zero(value) => return Some(below_zero(flag, value)),
        Some(IntErrorKind::InvalidDigit | IntErrorKind::Empty) => ("a whole number", "4"),
        _ if source.is::<ParseFloatError>() => ("a number", "0.5"),
        _ => return None,
    };
    // A variable of the environment stands for it.
    let sign = if flag.starts_with('-') { ' ' } else { '=' };
    Some(Error::usage(format!("{flag}{sign}{shown}: the value is not {what}")).hint(format!("{flag}{sign}{example}")))
}

/// `--flag` of `--flag=value` and of `--flag <VALUE>`.
fn name_of_flag(text: &str) -> &str {
    text.split([' ', '=']).next().unwrap_or(text)
}

/// Where the value of a flag comes from: the flag itself, or the environment variable that stands for it.
pub fn spelling(flag: &str) -> String {
    let variable = format!("OUTCORE_{}", flag.trim_start_matches('-').to_uppercase().replace('-', "_"));
    let typed = env::args_os().any(|word| name_of_flag(&word.to_string_lossy()) == flag);
    if !typed && env::var_os(&variable).is_some() { variable } else { flag.to_string() }
}

/// Whether some mode has this flag.
fn is_known(word: &str) -> bool {
    let name = name_of_flag(word).trim_start_matches('-');
    let command = Low::command();
    let has = |command: &clap::Command| command.get_arguments().any(|argument| argument.get_long() == Some(name));
    matches!(name, "help" | "version") || has(&command) || command.get_subcommands().any(has)
}

/// Whether a word in the place of statements is a misspelt flag: a double minus before a word is no arithmetic that anyone means.
pub fn looks_like_a_flag(text: &str) -> bool {
    let name = name_of_flag(text).strip_prefix("--");
    name.is_some_and(|name| name.starts_with(char::is_alphabetic) && name.chars().all(|letter| letter.is_alphanumeric() || letter == '-'))
}

/// The error of a flag that there is not.
pub fn unknown_flag(text: &str) -> Error {
    let flag = name_of_flag(text);
    Error::usage(format!("unexpected argument '{flag}' found")).hint("`outcore --help` lists the flags; `-(-x)` negates twice")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_consistent() {
        Low::command().debug_assert();
    }

    #[test]
    fn flags_may_stand_anywhere() {
        for words in [["outcore", "--memory", "1GiB", "info", "x.npy"], ["outcore", "info", "--memory", "1GiB", "x.npy"]] {
            assert_eq!(Low::try_parse_from(words).unwrap().common.memory.as_deref(), Some("1GiB"));
        }
    }
}
