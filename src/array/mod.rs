//! The door: what a user holds. [`Session`] is the budget, [`Array`] a lazy value, [`Job`] what is computed together.
//!
//! Here live arguments and their conversion, deferred errors, the walk from arrays to a graph, and the order plan, run, publish.
//! No algorithm on elements ever does.

mod any;
mod audit;
mod axes;
mod below;
mod blocks;
mod carried;
mod compiled;
mod composed;
mod create;
mod decompose;
mod digest;
mod einsum;
mod elementwise;
mod eval;
mod function;
mod gather;
mod graph;
mod group;
mod histogram;
mod identity;
mod job;
mod kmeans;
mod linalg;
mod lookup;
pub mod machine;
mod matrix;
mod moments;
mod movement;
mod nearest;
mod node;
mod normalise;
mod operand;
mod operators;
mod order;
mod outputs;
mod overlap;
mod packed;
mod pairs;
mod panels;
pub mod parse;
mod parts;
mod phased;
mod phases;
mod promotion;
mod quantise;
mod random;
mod recorded;
mod reduce;
mod resume;
mod running;
mod scan;
mod session;
pub mod size;
mod split;
mod stateful;
mod statistics;
mod targets;
mod tasks;
mod ufuncs;
pub mod words;
mod writer;

pub use any::AnyArray;
pub use audit::{Audit, AuditSpec, ColumnStatistics, Duplicates, Named, Norms};
pub use axes::{Axes, AxisList, AxisRef, axis};
pub use below::{Isa, OnInvalid, Progress, RunStats, StageStats};
pub use blocks::{Block, Blocks, Rows};
pub use compiled::{Bound, Compiled};
pub use create::{Endpoint, open};
pub use decompose::{LeastSquares, Pca, PcaMethod, PcaOptions, Qr, Svd};
pub use digest::Digest;
pub use elementwise::where_;
pub use function::{BoxError, MapSpec};
pub use gather::{Indices, Pad};
pub use group::GroupBy;
pub use histogram::{Bins, Histogram};
pub use job::{Destination, Job, JobResult, RunReport};
pub use kmeans::{KMeans, KMeansEnd, KMeansOptions};
pub use lookup::{Edges, Side};
pub use moments::{Bias, Kurtosis};
pub use nearest::{DistanceSummary, Near, Neighbours, Pairs, Search};
pub use node::Array;
pub use normalise::Norm;
pub use operand::{Operand, ScalarSide};
pub use order::Quantiles;
pub use outputs::Save;
pub use overlap::OverlapSpec;
pub use quantise::{Int8, Quantised, ScaleOf};
pub use random::Random;
pub use recorded::Record;
pub use resume::Kept;
pub use running::Running;
pub use session::{MemoryAmount, Promote, Session, SessionBuilder};
pub use size::Size;
pub use split::RowOrder;
pub use stateful::StateSpec;
pub use statistics::{InputUpdate, Statistics, StatisticsValues, Update};
pub use tasks::{StageTasks, Step, TaskDone, TaskSize, Tasks};
pub use writer::Writer;

#[cfg(test)]
mod chunk_tests;
#[cfg(test)]
mod column_tests;
#[cfg(test)]
mod concatenate_tests;
#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod fuse_tests;
#[cfg(test)]
mod gather_tests;
#[cfg(test)]
mod group_tests;
#[cfg(test)]
mod in_place_tests;
#[cfg(test)]
mod kmeans_tests;
#[cfg(test)]
mod linalg_tests;
#[cfg(test)]
mod run_tests;
#[cfg(test)]
mod scan_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod warning_tests;
#[cfg(test)]
mod whole_product_tests;
