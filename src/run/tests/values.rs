//! What executions give: the same for every access, grid, thread count and number of runs in flight.

use super::builder::*;
use crate::{
    error::ErrorKind,
    kernel::program::{Arg, BinaryOp, Instr, Program, Reg, SlotId, SlotKind},
    nd::{DType, IndexMap, Region, StoreLayout},
    numeric::{AccumulatorKind, Finish, SumMode},
    plan::{Access, Check, OutputFrom, Plan, Read, ReadFrom, Stage, TempId, Write, WriteTo},
    run::{Bindings, Control, Progress, Sink, execute, execute_prepared, prepare},
    store::{MemorySource, MemoryTarget, Source, Target},
    trace::{Recorder, SpanKind},
};
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

fn accesses() -> [Access; 4] {
    [Access::Resident, Access::Window, Access::Segments { segment_axes: vec![0] }, Access::Box]
}

#[test]
fn a_map_reaches_the_caller_in_run_order() {
    let sources = [counting(&[37, 23])];
    for threads in 1..=4 {
        let engine = engine(threads);
        for access in accesses() {
            for in_flight in [1, 2, 7] {
                let mut plan = map_plan(&sources, &[5, 7], &[2, 3], access.clone());
                plan.stages[0].in_flight = in_flight;
                let (values, regions, stats) = collect::<f32>(&engine, &plan, &sources).unwrap();
                assert!(values.iter().enumerate().all(|(index, &value)| value == index as f32 + 1.0));
                let grid = crate::nd::Grid::new(vec![37, 23], vec![5, 7]);
                assert_eq!(regions, (0..grid.count()).map(|run| grid.region(run)).collect::<Vec<_>>());
                assert_eq!((stats.runs, stats.bytes_written), (32, 37 * 23 * 4));
                assert_eq!(stats.blocks, 7 * (3 * 3 * 3 + 3) + 3 * 3 + 1);
            }
        }
    }
}

#[test]
fn a_map_reaches_a_target() {
    let sources = [counting(&[40, 30])];
    let engine = engine(3);
    for access in accesses() {
        let plan = map_plan(&sources, &[4, 30], &[4, 10], access);
        let target = Arc::new(MemoryTarget::new(DType::F32, &[40, 30]).unwrap());
        let sinks = vec![Sink::Target(Arc::clone(&target) as _)];
        execute(&engine, &plan, Bindings { sources: sources.to_vec(), functions: Vec::new(), sinks }, &Control::default()).unwrap();
        target.publish().unwrap();
        let array = target.take_array::<f32>().unwrap();
        assert!(array.iter().enumerate().all(|(index, &value)| value == index as f32 + 1.0));
    }
}

#[test]
fn flipped_column_slices_are_read_in_every_way() {
    // x[::-1, 20:2:-3].T of a (37, 23) array.
    let sources = [counting(&[37, 23])];
    let map = IndexMap::affine(vec![6, 37], vec![36 * 23 + 20], vec![vec![-3], vec![-23]]);
    let engine = engine(2);
    for access in [
        Access::Resident,
        Access::Window,
        Access::Segments { segment_axes: vec![1] },
        Access::Segments { segment_axes: vec![0, 1] },
        Access::Box,
    ] {
        let mut plan = map_plan(&sources, &[2, 5], &[1, 3], access.clone());
        plan.stages[0] = Stage { space: vec![6, 37], reads: vec![read_map(0, 0, map.clone(), access)], ..plan.stages[0].clone() };
        plan.outputs[0].shape = vec![6, 37];
        let (values, ..) = collect::<f32>(&engine, &plan, &sources).unwrap();
        for (index, &value) in values.iter().enumerate() {
            assert_eq!(value, map.linear(&[index / 37, index % 37]) as f32 + 1.0);
        }
    }
}

/// An array whose store coordinates are its own, as a chunked store has them.
struct Chunked(Arc<dyn Source>, crate::nd::SourceFacts);

impl Source for Chunked {
    fn facts(&self) -> &crate::nd::SourceFacts {
        &self.1
    }
    fn read(&self, region: &Region, out: &mut [u8]) -> crate::Result<()> {
        let columns = self.1.shape[1];
        for (row, bytes) in out.chunks_mut(region.shape[1] * 4).enumerate() {
            self.0.read(&Region::run((region.start[0] + row) * columns + region.start[1], region.shape[1]), bytes)?;
        }
        Ok(())
    }
}

#[test]
fn boxes_of_a_chunked_store_are_read_transposed() {
    let dense = counting(&[9, 11]);
    let facts = crate::nd::SourceFacts {
        layout: StoreLayout::Chunked { chunk: vec![4, 4] },
        resident: false,
        mappable: false,
        ..dense.facts().clone()
    };
    let sources: [Arc<dyn Source>; 1] = [Arc::new(Chunked(dense, facts))];
    let map = IndexMap::identity(&[9, 11]).permute(&[1, 0]);
    let mut plan = map_plan(&sources, &[4, 4], &[4, 4], Access::Box);
    plan.stages[0] = Stage { space: vec![11, 9], reads: vec![read_map(0, 0, map, Access::Box)], ..plan.stages[0].clone() };
    plan.outputs[0].shape = vec![11, 9];
    let (values, _, stats) = collect::<f32>(&engine(2), &plan, &sources).unwrap();
    assert!((0..99).all(|index| values[index] == ((index % 9) * 11 + index / 9) as f32 + 1.0));
    assert_eq!(stats.io, "read");
}

/// Promises windows and has none.
struct Unmappable(Arc<dyn Source>);

impl Source for Unmappable {
    fn facts(&self) -> &crate::nd::SourceFacts {
        self.0.facts()
    }
    fn read(&self, region: &Region, out: &mut [u8]) -> crate::Result<()> {
        self.0.read(region, out)
    }
}

#[test]
fn copies_are_counted_and_those_that_no_plan_shows_apart() {
    let dense = counting(&[40, 8]);
    let unmappable: Arc<dyn Source> = Arc::new(Unmappable(Arc::clone(&dense)));
    let copied = |source: &Arc<dyn Source>, access| {
        let sources = [Arc::clone(source)];
        let stats = collect::<f32>(&engine(2), &map_plan(&sources, &[8, 8], &[4, 8], access), &sources).unwrap().2;
        assert_eq!(stats.bytes_read, 40 * 8 * 4);
        (stats.bytes_copied, stats.bytes_copied_hidden)
    };
    assert_eq!(copied(&dense, Access::Window), (0, 0));
    assert_eq!(copied(&dense, Access::Segments { segment_axes: vec![0] }), (1280, 0));
    assert_eq!(copied(&unmappable, Access::Window), (1280, 1280));
}

#[test]
fn what_is_recorded_is_every_run_and_block() {
    for (threads, access) in [(1, Access::Window), (2, Access::Window), (2, Access::Segments { segment_axes: vec![0] })] {
        let sources = [counting(&[512, 64])];
        let recorder = Arc::new(Recorder::default());
        let control = Control { recorder: Some(Arc::clone(&recorder)), ..Control::default() };
        let target: Arc<dyn Target> = Arc::new(MemoryTarget::new(DType::F32, &[512, 64]).unwrap());
        let bindings = Bindings { sources: sources.to_vec(), functions: Vec::new(), sinks: vec![Sink::Target(target)] };
        let plan = map_plan(&sources, &[64, 64], &[16, 64], access.clone());
        let stats = execute(&engine(threads), &plan, bindings, &control).unwrap();
        let found = recorder.recording();
        let runs = |kind| found.spans.iter().filter(|span| span.kind == kind).map(|span| span.run).collect::<BTreeSet<u64>>();
        let all: BTreeSet<u64> = (0..8).collect();
        assert_eq!((runs(SpanKind::Compute), runs(SpanKind::Write)), (all.clone(), all.clone()), "{threads} {access:?}");
        assert_eq!(runs(SpanKind::Read), if access == Access::Window { BTreeSet::new() } else { all });
        assert_eq!((found.stages[0].blocks.count(), stats.blocks, runs(SpanKind::Sync).len()), (32, 32, 1));
        assert_eq!(found.spans.iter().filter(|span| span.kind == SpanKind::Block).count(), 32);
        // Samples end with everything that was read and written.
        let last = found.samples.last().unwrap();
        assert_eq!((last.bytes_read, last.bytes_written), (stats.bytes_read, stats.bytes_written));
        assert!(found.samples.iter().all(|sample| sample.bytes_held <= plan.bytes_peak.max(stats.bytes_peak_held)));
    }
}

#[test]
fn reductions_along_any_axes_over_many_runs() {
    let sources = [counting(&[37, 23])];
    let naive = |kept: &[usize]| {
        let mut sums = vec![0.0f64; kept.iter().map(|&axis| [37, 23][axis]).product()];
        for index in 0..37 * 23 {
            let at = [index / 23, index % 23];
            sums[kept.iter().fold(0, |place, &axis| place * [37, 23][axis] + at[axis])] += index as f64;
        }
        sums.into_iter().map(|sum| sum as f32).collect::<Vec<_>>()
    };
    for kept in [&[][..], &[0], &[1], &[0, 1]] {
        for mode in [SumMode::Exact, SumMode::Neumaier, SumMode::Naive] {
            for threads in 1..=4 {
                let engine = engine(threads);
                for (run, block) in [([5, 7], [2, 3]), ([37, 4], [8, 4]), ([3, 23], [3, 23]), ([37, 23], [37, 23])] {
                    let plan = reduce_plan(&sources, &run, &block, Access::Window, kept, AccumulatorKind::Sum(mode), Finish::Sum);
                    let (sums, ..) = collect::<f32>(&engine, &plan, &sources).unwrap();
                    assert_eq!(sums, naive(kept), "keeping {kept:?} in {mode:?} over runs {run:?} on {threads} threads");
                }
            }
        }
    }
}

#[test]
fn inexact_sums_do_not_depend_on_threads() {
    let elements: Vec<f32> = (0..20_000u32).map(|index| ((index.wrapping_mul(2_654_435_761) >> 8) as f32).sqrt() * 0.37 - 700.0).collect();
    let sources: [Arc<dyn Source>; 1] = [Arc::new(MemorySource::from_vec(&[20_000], elements).unwrap())];
    let plan = reduce_plan(&sources, &[128], &[32], Access::Resident, &[], AccumulatorKind::Sum(SumMode::Naive), Finish::Sum);
    let sum = |threads| collect::<f32>(&engine(threads), &plan, &sources).unwrap().0[0].to_bits();
    let alone = sum(1);
    for _ in 0..10 {
        for threads in 2..=4 {
            assert_eq!(sum(threads), alone);
        }
    }
}

/// `x + sum(x)` in two stages, the sum in a temp; and a check that the first stage's temp is as given.
fn two_stages(sources: &[Arc<dyn Source>]) -> Plan {
    let space = sources[0].facts().shape.clone();
    let mut plan = reduce_plan(sources, &[16, 8], &[16, 8], Access::Window, &[], AccumulatorKind::Sum(SumMode::Exact), Finish::Sum);
    let mut second = map_plan(sources, &[16, 8], &[8, 8], Access::Window).stages.remove(0);
    second.name = "second".into();
    second.reads.push(Read {
        slot: SlotId(2),
        from: ReadFrom::Temp(TempId(0)),
        map: IndexMap::affine(space.clone(), vec![0], vec![vec![0]; 2]),
        access: Access::Resident,
        bytes_per_run: 0,
        bytes_total: 4,
        scratch_bytes: 0,
    });
    second.program = Program {
        slots: vec![slot(DType::F32, SlotKind::Input), slot(DType::F32, SlotKind::Output), slot(DType::F32, SlotKind::Input)],
        accumulators: Vec::new(),
        steps: vec![sweep(2, 3, vec![load(0, 0), load(1, 2), add(2, 0, Arg::Reg(Reg(1))), store(1, 2)])],
    };
    plan.stages.push(second);
    plan.outputs = vec![output(&space, DType::F32, OutputFrom::Stage(1))];
    plan
}

#[test]
fn a_later_stage_reads_what_an_earlier_one_made() {
    let sources = [counting(&[64, 8])];
    let (values, _, stats) = collect::<f32>(&engine(2), &two_stages(&sources), &sources).unwrap();
    assert!(values.iter().enumerate().all(|(index, &value)| value == (index + 511 * 256) as f32));
    assert_eq!(stats.passes, [(sources[0].facts().name.clone(), 2)]);
    assert_eq!(stats.stages.iter().map(|stage| stage.name.as_str()).collect::<Vec<_>>(), ["stage", "second"]);
    assert!(stats.bytes_peak_held > 0 && stats.bytes_peak_held <= stats.bytes_peak_planned);
}

/// The elements of x above 100, to output 0.
fn compress_plan(sources: &[Arc<dyn Source>], counted: usize, to: WriteTo) -> Plan {
    let mut plan = map_plan(sources, &[50], &[20], Access::Window);
    plan.outputs[0].shape = vec![counted];
    let stage = &mut plan.stages[0];
    stage.writes = vec![Write { compressed: true, ..write(1, to, 1, DType::F32) }];
    let greater = Instr::Binary { op: BinaryOp::Greater, dtype: DType::F32, dst: Reg(1), a: Arg::Reg(Reg(0)), b: number(100.0) };
    let compress = Instr::Compress { slot: SlotId(1), src: Arg::Reg(Reg(0)), mask: Arg::Reg(Reg(1)) };
    stage.program.steps = vec![sweep(1, 2, vec![load(0, 0), greater, compress])];
    plan
}

#[test]
fn selected_elements_are_written_in_order() {
    let sources = [counting(&[1000])];
    for threads in 1..=3 {
        let plan = compress_plan(&sources, 899, WriteTo::Output(0));
        let (values, _, stats) = collect::<f32>(&engine(threads), &plan, &sources).unwrap();
        assert_eq!(values, (101..1000).map(|value| value as f32).collect::<Vec<_>>());
        assert_eq!(stats.output_counts, [Some(899)]);

        let mut plan = compress_plan(&sources, 899, WriteTo::Temp(TempId(0)));
        plan.temps = vec![temp(&[899], DType::F32, 0, 1)];
        plan.outputs[0].from = OutputFrom::Temp(TempId(0));
        assert_eq!(collect::<f32>(&engine(threads), &plan, &sources).unwrap().0, values);

        let target = Arc::new(MemoryTarget::new(DType::F32, &[899]).unwrap());
        let plan = compress_plan(&sources, 899, WriteTo::Output(0));
        let sinks = vec![Sink::Target(Arc::clone(&target) as _)];
        execute(&engine(threads), &plan, Bindings { sources: sources.to_vec(), functions: Vec::new(), sinks }, &Control::default())
            .unwrap();
        target.publish().unwrap();
        assert_eq!(target.take_array::<f32>().unwrap().into_raw_vec_and_offset().0, values);
    }
}

#[test]
fn a_mask_that_selects_otherwise_than_counted_is_an_error() {
    let sources = [counting(&[1000])];
    for counted in [898, 900, 0] {
        let error = collect::<f32>(&engine(2), &compress_plan(&sources, counted, WriteTo::Output(0)), &sources).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Changed, "{error}");
    }
}

#[test]
fn a_check_names_the_first_place() {
    let sources = [counting(&[8, 10])];
    let mut plan = reduce_plan(&sources, &[2, 10], &[2, 10], Access::Window, &[], AccumulatorKind::FirstFalse, Finish::FirstFalse);
    plan.temps[0].dtype = DType::I64;
    plan.outputs[0].dtype = DType::I64;
    plan.checks = vec![Check { temp: TempId(0), shape: vec![8, 10], message: "all(x > 0)".into() }];
    plan.stages[0].program.accumulators[0].dtype = DType::Bool;
    // x < 57: first false at 57.
    let less = Instr::Binary { op: BinaryOp::Less, dtype: DType::F32, dst: Reg(1), a: Arg::Reg(Reg(0)), b: number(57.0) };
    let absorb = Instr::Reduce { acc: crate::kernel::program::AccId(0), src: Arg::Reg(Reg(1)) };
    plan.stages[0].program.steps = vec![sweep(2, 2, vec![load(0, 0), less, absorb])];
    let error = collect::<i64>(&engine(2), &plan, &sources).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Assert);
    assert!(error.message().ends_with("all(x > 0): first false at (5, 7) of an array of shape (8, 10)"), "{error}");
}

#[test]
fn empty_and_zero_dimensional_spaces() {
    let engine = engine(2);
    let empty = [counting(&[0, 5])];
    let (values, regions, _) = collect::<f32>(&engine, &map_plan(&empty, &[1, 5], &[1, 5], Access::Window), &empty).unwrap();
    assert_eq!((values.len(), regions.len()), (0, 0));
    let plan = reduce_plan(&empty, &[1, 5], &[1, 5], Access::Window, &[1], AccumulatorKind::Sum(SumMode::Exact), Finish::Sum);
    assert_eq!(collect::<f32>(&engine, &plan, &empty).unwrap().0, [0.0; 5]);
    let scalar: [Arc<dyn Source>; 1] = [Arc::new(MemorySource::from_vec(&[], vec![4f32]).unwrap())];
    for access in [Access::Resident, Access::Window, Access::Segments { segment_axes: vec![] }, Access::Box] {
        let plan = map_plan(&scalar, &[], &[], access);
        assert_eq!(collect::<f32>(&engine, &plan, &scalar).unwrap().0, [5.0]);
    }
}

#[test]
fn a_prepared_plan_runs_again_and_from_inside_the_pool() {
    let pool = Arc::new(rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap());
    let engine = crate::run::Engine::new(crate::run::EngineOptions { pool: Some(Arc::clone(&pool)), ..Default::default() }).unwrap();
    let sources = [counting(&[64, 8])];
    let prepared = prepare(&engine, &two_stages(&sources)).unwrap();
    let run = || {
        let mut total = 0.0;
        let mut caller = |_: &Region, bytes: &[u8]| {
            total += bytemuck::cast_slice::<u8, f32>(bytes).iter().sum::<f32>();
            Ok(())
        };
        let bindings = Bindings { sources: sources.to_vec(), functions: Vec::new(), sinks: vec![Sink::Caller(&mut caller)] };
        execute_prepared(&engine, &prepared, bindings, &Control::default()).unwrap();
        total
    };
    let outside = run();
    assert_eq!((0..3).map(|_| run()).collect::<Vec<_>>(), [outside; 3]);
    // More executions than workers, each on a worker: none may wait for another.
    let inside = pool.install(|| {
        use rayon::prelude::*;
        (0..8).into_par_iter().map(|_| run()).collect::<Vec<_>>()
    });
    assert_eq!(inside, [outside; 8]);
}

#[test]
fn many_executions_share_an_engine() {
    let engine = engine(2);
    let sources = [counting(&[64, 8])];
    let plan = map_plan(&sources, &[2, 8], &[2, 4], Access::Segments { segment_axes: vec![0] });
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                for _ in 0..20 {
                    assert_eq!(collect::<f32>(&engine, &plan, &sources).unwrap().0[511], 512.0);
                }
            });
        }
    });
}

#[test]
fn progress_ends_with_everything_done() {
    let sources = [counting(&[64, 8])];
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    let progress = Arc::new(move |progress: &Progress| {
        assert_eq!((progress.bytes_done, progress.stages), (progress.bytes_total, 2));
        count.fetch_add(1, Ordering::Relaxed);
    });
    let control = Control { progress: Some(progress), ..Control::default() };
    let mut caller = |_: &Region, _: &[u8]| Ok(());
    let bindings = Bindings { sources: sources.to_vec(), functions: Vec::new(), sinks: vec![Sink::Caller(&mut caller)] };
    execute(&engine(2), &two_stages(&sources), bindings, &control).unwrap();
    assert_eq!(seen.load(Ordering::Relaxed), 1);
}
