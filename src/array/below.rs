//! What the door takes from the floors below, named in one place: planner, engine, stores, words.

pub(super) use crate::{
    kernel::cluster::{Assign, Centroids, Lloyd, Pass, plus_plus},
    kernel::dense::{Deficient, cholesky, eigen_bytes, inverse_of_upper, orthonormal, solve, symmetric_eigen},
    kernel::sketch::{Directions, SketchRows, Wanted},
    kernel::vm::{BlockFold, BlockFunction, LineScan},
    numeric::ScanBlock,
    plan::{Request, plan},
    report::explain,
    run::{Bindings, Cancel, Control, Engine, EngineOptions, Policy, PreparedPlan, Sink, execute, execute_prepared, prepare},
    store::{
        MemorySource, OutputMode, Packed,
        append::split_append,
        check_apart,
        open::{create_with, output_chunks, split_zarr_output, zarr_output},
        open_packed, reopen,
        state::{StateFile, StateInput, StateSegment, read_states, write_states},
        zarr::{AxisPlaces, BoxShape, CfPacking, Coordinate, Place, ZarrOptions, ZarrOrigin, carry, is_in_group},
    },
};

pub use crate::{
    kernel::simd::Isa,
    run::{OnInvalid, Progress},
    trace::{RunStats, StageStats},
};
