//! Arrays that are read from and written to stores of chunks: the values of dense ones, for every budget, grid and thread count, with as
//! many bytes decoded as were planned.

use super::{
    below::{Bindings, Control, Engine, EngineOptions, Request, Sink, execute, plan},
    graph::{build, unbound},
    *,
};
use crate::{
    ErrorKind,
    error::Result,
    nd::{DType, SliceItem},
    plan::{Access, IoMode, Limits, OutputFrom, OutputLayout, Plan, Read, ReadFrom, Stage, in_place::elements_spanned},
    store::{
        MemoryTarget, Source, Target,
        chunked::{ChunkedSource, ChunkedTarget},
    },
};
use ndarray::{ArrayD, Axis};
use std::sync::Arc;

/// A small generator, the same on every run.
pub(super) struct Draw(pub u64);

impl Draw {
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound.max(1) as u64) as usize
    }
    fn pick<T: Clone>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())].clone()
    }
}

pub(super) fn limits(memory_bytes: u64, threads: usize, block_bytes: Option<u64>) -> Limits {
    Limits { memory_bytes, threads, block_bytes, rows_per_run: None, io: IoMode::Auto, is_shared: false }
}

/// Counting floats in chunks, and the same array in memory.
fn both(session: &Session, shape: &[usize], chunk: &[usize], name: &str) -> (Arc<ChunkedSource>, Array, Array) {
    let values: Vec<f32> = (0..shape.iter().product::<usize>()).map(|value| ((value * 7919) % 1021) as f32).collect();
    let bytes = values.iter().flat_map(|value| value.to_ne_bytes()).collect();
    let source = Arc::new(ChunkedSource::new(DType::F32, shape, chunk, bytes).identified(name));
    let chunked = session.from_source(Arc::clone(&source) as Arc<dyn Source>);
    (source, chunked, session.from_ndarray(ArrayD::from_shape_vec(shape, values).unwrap()))
}

/// The same, with windows of its chunks.
fn windowed(session: &Session, shape: &[usize], chunk: &[usize], name: &str) -> (Arc<ChunkedSource>, Array) {
    let bytes = (0..shape.iter().product::<usize>()).flat_map(|value| (((value * 7919) % 1021) as f32).to_ne_bytes()).collect();
    let source = Arc::new(ChunkedSource::new(DType::F32, shape, chunk, bytes).identified(name).in_place());
    (Arc::clone(&source), session.from_source(source as Arc<dyn Source>))
}

/// A target, and which of the two it is.
type Made = (Arc<dyn Target>, Option<Arc<ChunkedTarget>>, Option<Arc<MemoryTarget>>);

/// Computes arrays; `chunks` has a chunk shape for every one that goes to a store of chunks.
pub(super) fn compute(arrays: &[&Array], chunks: &[Option<Vec<usize>>], limits: &Limits) -> Result<(Plan, Vec<Vec<u8>>)> {
    let work = build(arrays, &unbound)?;
    let shapes: Vec<(DType, Vec<usize>)> =
        work.roots.iter().map(|root| (work.graph.node(*root).dtype(), work.graph.node(*root).shape())).collect();
    let mut targets: Vec<Made> = Vec::new();
    for ((dtype, shape), chunk) in shapes.iter().zip(chunks) {
        targets.push(match chunk {
            Some(chunk) => {
                let target = Arc::new(ChunkedTarget::new(*dtype, shape, chunk)?);
                (Arc::clone(&target) as _, Some(target), None)
            }
            None => {
                let target = Arc::new(MemoryTarget::new(*dtype, shape)?);
                (Arc::clone(&target) as _, None, Some(target))
            }
        });
    }
    let layout = |(target, ..): &Made| Some(OutputLayout { chunk: target.chunk()?.to_vec(), scratch_bytes: target.write_scratch_bytes() });
    let request = Request {
        outputs: work.roots.iter().enumerate().map(|(index, root)| (format!("y{index}"), *root)).collect(),
        layouts: targets.iter().map(layout).collect(),
        ..Request::default()
    };
    let made = plan(&work.graph, &request, limits)?;
    assert!(made.bytes_peak <= limits.memory_bytes, "{}", made.show());
    let engine = Engine::new(EngineOptions { threads: limits.threads, ..EngineOptions::default() })?;
    let sinks = targets.iter().map(|(target, ..)| Sink::Target(Arc::clone(target))).collect();
    let bindings = Bindings { sources: work.sources.clone(), functions: work.functions.clone(), sinks };
    let folder = tempfile::tempdir().unwrap();
    let control = Control { scratch: Some(folder.path().to_path_buf()), ..Control::default() };
    let stats = execute(&engine, &made, bindings, &control)?;
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "scratch leaves nothing");
    assert!(stats.bytes_peak_held <= made.bytes_peak, "{}", made.show());
    let bytes = targets.iter().zip(&shapes).map(|((target, chunked, memory), (dtype, _))| {
        target.publish()?;
        let inner = chunked.as_ref().map_or_else(|| memory.as_deref(), |target| Some(target.inner())).expect("one of the two");
        let array = inner.take_source()?;
        let mut out = vec![0; array.facts().count() * dtype.size()];
        array.read(&crate::nd::Region::run(0, array.facts().count()), &mut out)?;
        Ok(out)
    });
    let bytes = bytes.collect::<Result<_>>()?;
    Ok((made, bytes))
}

/// Bytes that the plan says are decoded of a source.
fn planned(plan: &Plan, name: &str) -> u64 {
    reads_of(plan, name).map(|(_, read)| read.bytes_total).sum()
}

/// As [`planned`], without the gaps in chunks in place, whose pages are read along.
fn wanted(plan: &Plan, name: &str) -> u64 {
    let of = |(stage, read): (&Stage, &Read)| match read.access {
        Access::Chunks => elements_spanned(&read.map, &stage.runs()) * 4,
        _ => read.bytes_total,
    };
    reads_of(plan, name).map(of).sum()
}

fn reads_of<'a>(plan: &'a Plan, name: &'a str) -> impl Iterator<Item = (&'a Stage, &'a Read)> {
    let is = move |from: &ReadFrom| matches!(from, ReadFrom::Source(id) if plan.sources[id.0 as usize].identity == name);
    plan.stages.iter().flat_map(|stage| stage.reads.iter().map(move |read| (stage, read))).filter(move |(_, read)| is(&read.from))
}

/// A random expression of arrays, built twice: over the chunked and over the dense ones.
fn grown(draw: &mut Draw, pairs: &[(Array, Array)]) -> (Array, Array) {
    let (mut a, mut b) = draw.pick(pairs);
    for _ in 0..draw.below(5) {
        let rank = a.known().unwrap().rank();
        let axis = draw.below(rank);
        let Some(length) = (rank > 0).then(|| a.known().unwrap().shape[axis].known().unwrap()) else { break };
        if length == 0 {
            break;
        }
        let step: Box<dyn Fn(&Array) -> Array> = match draw.below(9) {
            0 => {
                let mut items = vec![SliceItem::FULL; rank];
                let start = draw.below(length) as i64;
                items[axis] = SliceItem::Range { start: Some(start), stop: None, step: draw.pick(&[1, 1, 2, 3, 5, 9]) };
                Box::new(move |x| x.slice_items(items.clone()))
            }
            1 => Box::new(move |x| x.flip(axis)),
            2 => {
                let order: Vec<usize> = (0..rank).rev().collect();
                Box::new(move |x| x.permute(order.clone()))
            }
            3 => {
                let shift = draw.below(length) as i64;
                Box::new(move |x| x.roll(shift, axis))
            }
            4 => {
                let list: Vec<i64> = (0..1 + draw.below(2 * length)).map(|_| draw.below(length) as i64).collect();
                Box::new(move |x| x.take(&list, axis))
            }
            5 => Box::new(|x| x * 2.0 + x),
            6 if rank > 1 => Box::new(move |x| x.sum(axis)),
            7 => Box::new(move |x| x.max(axis as i64) + 1.0),
            _ => Box::new(move |x| x - x.min(crate::axis(axis as i64).keepdims())),
        };
        (a, b) = (step(&a), step(&b));
    }
    (a, b)
}

#[test]
fn chunks_give_what_dense_arrays_do() {
    agree_with_dense_arrays(IoMode::Auto);
}

#[test]
fn chunks_in_place_give_what_dense_arrays_do() {
    let in_place = agree_with_dense_arrays(IoMode::Mmap);
    assert!(in_place > 100, "{in_place} reads in place");
}

/// Random expressions over chunked and dense arrays; gives how many reads were windows of chunks.
fn agree_with_dense_arrays(io: IoMode) -> usize {
    let session = Session::builder().memory("64MiB").threads(2).build().unwrap();
    let mut in_place = 0;
    for seed in 0..400 {
        let mut draw = Draw(seed);
        let rank = 1 + draw.below(3);
        let shape: Vec<usize> = (0..rank).map(|_| 1 + draw.below([200, 40, 14][rank - 1])).collect();
        let chunk = |draw: &mut Draw| shape.iter().map(|&length| 1 + draw.below(length + 3)).collect::<Vec<_>>();
        let (first, second) = (chunk(&mut draw), chunk(&mut draw));
        let (mut source, mut x, dense_x) = both(&session, &shape, &first, "x");
        let (other, y, dense_y) = both(&session, &shape, &second, "y");
        if io == IoMode::Mmap {
            (source, x) = windowed(&session, &shape, &first, "x");
        }
        let (a, b) = grown(&mut draw, &[(x.clone(), dense_x.clone()), (&x + &y, &dense_x + &dense_y), (x.clone(), dense_x)]);
        let chunks: Option<Vec<usize>> = draw
            .pick(&[true, false])
            .then(|| a.known().unwrap().known_shape().unwrap().iter().map(|&length| 1 + draw.below(length + 2)).collect());
        let limits =
            limits(draw.pick(&[1 << 20, 4 << 20, 64 << 20]), 1 + draw.below(3), draw.pick(&[None, Some(16), Some(100), Some(3000)]));
        let limits = Limits { io, ..limits };
        let (_, want) = compute(&[&b], &[None], &limits).unwrap();
        let (plan, got) = compute(&[&a], &[chunks], &limits).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert!(got == want, "seed {seed}: {}", plan.show());
        for (source, name) in [(&source, "x"), (&other, "y")] {
            assert!(wanted(&plan, name) <= planned(&plan, name), "seed {seed} {name}: {}", plan.show());
            assert_eq!(
                source.bytes_decoded(),
                wanted(&plan, name),
                "seed {seed} {name}: {} {}",
                plan.show(),
                serde_json::to_string(&plan.stages.iter().map(|s| &s.reads).collect::<Vec<_>>()).unwrap()
            );
        }
        in_place += plan.stages.iter().flat_map(|stage| &stage.reads).filter(|read| read.access == Access::Chunks).count();
    }
    in_place
}

#[test]
fn chunks_in_place_are_mapped_one_at_a_time() {
    let session = Session::builder().memory("64MiB").threads(2).build().unwrap();
    let limits = |memory, block| Limits { io: IoMode::Mmap, ..limits(memory, 2, block) };
    let dense = |array: &Array| compute(&[array], &[None], &limits(64 << 20, None)).unwrap().1;
    // Chunks of rows: several are a run. Squares: one is. Chunks that are larger than a run are one.
    for (shape, chunk, whole_chunk) in [([5000, 64], [500, 64], false), ([900, 800], [400, 400], true), ([6000, 500], [4000, 500], true)] {
        let (source, x) = windowed(&session, &shape, &chunk, "x");
        let (_, _, other) = both(&session, &shape, &chunk, "y");
        let bytes = (chunk[0] * chunk[1] * 4) as u64;
        for block in [None, Some(10_000)] {
            let before = source.bytes_decoded();
            let (plan, got) = compute(&[&(&x + 1.0).sum(0)], &[None], &limits(64 << 20, block)).unwrap();
            let stage = &plan.stages[0];
            assert_eq!(stage.reads[0].access, Access::Chunks, "{chunk:?} {block:?} {}", plan.show());
            assert_eq!(stage.reads[0].bytes_per_run, bytes + 8192);
            assert_eq!(stage.memory.windows, (bytes + 8192).next_multiple_of(4096) * stage.workers as u64);
            assert_eq!(stage.memory.read_buffers, 0);
            assert_eq!(stage.run == chunk, whole_chunk, "{}", plan.show());
            assert_eq!(source.bytes_decoded() - before, (shape[0] * shape[1] * 4) as u64);
            assert!(got == dense(&(&other + 1.0).sum(0)));
        }
        // A budget that holds no window of a chunk, and one that asks for reading.
        let (_, copied, _) = both(&session, &shape, &chunk, "z");
        let auto = |memory| Limits { io: IoMode::Auto, ..limits(memory, None) };
        let needed = |array: &Array| compute(&[array], &[None], &auto(300 << 10)).unwrap_err().needed_bytes().unwrap();
        if whole_chunk {
            assert_eq!(needed(&(&x + 1.0)), needed(&(&copied + 1.0)));
            let (plan, got) = compute(&[&(&x + 1.0)], &[None], &auto(needed(&(&x + 1.0)))).unwrap();
            assert_eq!(plan.stages[0].reads[0].access, Access::Box, "{}", plan.show());
            assert!(got == dense(&(&other + 1.0)));
        }
        let read = Limits { io: IoMode::Read, ..limits(64 << 20, None) };
        assert_eq!(compute(&[&x.sum(0)], &[None], &read).unwrap().0.stages[0].reads[0].access, Access::Box);
    }
    // Rows across chunks are whole in a block, so that a block lies in several chunks: copied.
    let (_, x) = windowed(&session, &[900, 800], &[400, 400], "x");
    let (plan, _) = compute(&[&(&x - &x.mean(crate::axis(1).keepdims()))], &[None], &limits(64 << 20, None)).unwrap();
    assert!(plan.stages.iter().all(|stage| stage.reads[0].access == Access::Box), "{}", plan.show());
    // Small chunks are mapped only where that is asked for.
    let (_, x) = windowed(&session, &[5000, 64], &[500, 64], "x");
    let auto = Limits { io: IoMode::Auto, ..limits(64 << 20, None) };
    assert_eq!(compute(&[&x.sum(0)], &[None], &auto).unwrap().0.stages[0].reads[0].access, Access::Box);
}

#[test]
fn every_chunk_is_decoded_once() {
    let session = Session::builder().memory("64MiB").threads(2).build().unwrap();
    let (source, x, _) = both(&session, &[1000, 300], &[64, 100], "x");
    let whole = 1000 * 300 * 4;
    for (array, bytes) in [
        (x.clone(), whole),
        (x.permute([1, 0]), whole),
        (x.slice_items(vec![SliceItem::Range { start: Some(100), stop: None, step: 1 }]), (1000 - 64) * 300 * 4),
        (x.roll(70, 0), whole),
        (x.flip(0), whole),
        (x.sum(0), whole),
        (x.sum(1), whole),
    ] {
        let before = source.bytes_decoded();
        for block in [None, Some(5000)] {
            let before_block = source.bytes_decoded();
            let (plan, _) = compute(&[&array], &[None], &limits(8 << 20, 2, block)).unwrap();
            // Rolled places meet no grid: chunks at the ends of runs are decoded by both.
            let slack = if plan.stages[0].reads[0].map.maps.is_empty() { 0 } else { whole };
            let decoded = source.bytes_decoded() - before_block;
            assert!(decoded >= bytes && decoded <= bytes + slack, "{decoded} for {bytes}: {}", plan.show());
        }
        assert!(source.bytes_decoded() > before);
    }
    // Chunks that are larger than a run make the run.
    let (source, x, _) = both(&session, &[2500, 1000], &[2000, 1000], "x");
    let (plan, _) = compute(&[&(&x + 1.0)], &[None], &limits(64 << 20, 1, None)).unwrap();
    assert_eq!((source.bytes_decoded(), plan.stages[0].run[0]), (2500 * 1000 * 4, 2000), "{}", plan.show());
    assert!(plan.stages[0].block[0] < 500);
}

#[test]
fn selections_fill_chunks() {
    let session = Session::builder().memory("64MiB").threads(2).build().unwrap();
    for (block, chunk, in_chunks) in [(None, 7, 64), (Some(64), 7, 64), (Some(64), 1, 10), (Some(300), 1000, 3), (Some(16), 400, 64)] {
        let (_, x, dense) = both(&session, &[900], &[in_chunks], "x");
        let limits = limits(4 << 20, 3, block);
        let list: Vec<f32> = dense.eval::<f32, ndarray::Ix1>().unwrap().into_iter().filter(|value| *value > 400.0).collect();
        let mut work = build(&[&x.compress(&x.greater(400.0f32))], &unbound).unwrap();
        super::phased::settle(&session, &mut work, &limits).unwrap();
        let target = Arc::new(ChunkedTarget::new(DType::F32, &[list.len()], &[chunk]).unwrap());
        let layout = OutputLayout { chunk: vec![chunk], scratch_bytes: target.write_scratch_bytes() };
        let request = Request { outputs: vec![("y".into(), work.roots[0])], layouts: vec![Some(layout)], ..Request::default() };
        let made = plan(&work.graph, &request, &limits).unwrap();
        let engine = Engine::new(EngineOptions { threads: 3, ..EngineOptions::default() }).unwrap();
        let bindings =
            Bindings { sources: work.sources.clone(), functions: Vec::new(), sinks: vec![Sink::Target(Arc::clone(&target) as _)] };
        execute(&engine, &made, bindings, &Control::default()).unwrap();
        target.publish().unwrap();
        assert_eq!(target.inner().take_array::<f32>().unwrap().into_raw_vec_and_offset().0, list);
    }
}

#[test]
fn results_that_are_whole_in_memory_are_written_whole() {
    let session = Session::builder().memory("64MiB").threads(2).build().unwrap();
    let (_, x, dense) = both(&session, &[90, 30], &[16, 30], "x");
    let (made, got) = compute(&[&x.mean(0), &(&x * 2.0)], &[Some(vec![7]), Some(vec![20, 4])], &limits(4 << 20, 2, Some(512))).unwrap();
    assert!(matches!(made.outputs[0].from, OutputFrom::Temp(_)));
    let (_, want) = compute(&[&dense.mean(0), &(&dense * 2.0)], &[None, None], &limits(4 << 20, 2, Some(512))).unwrap();
    assert!(got == want);
}

#[test]
fn a_budget_that_holds_no_chunk_is_refused_with_one_that_does() {
    let session = Session::builder().memory("64MiB").threads(2).build().unwrap();
    let (_, x, _) = both(&session, &[1000, 1000], &[1000, 1000], "x");
    let refusal = compute(&[&(&x + 1.0)], &[None], &limits(1 << 20, 2, None)).unwrap_err();
    assert_eq!(refusal.kind(), ErrorKind::Refused);
    let needed = refusal.needed_bytes().unwrap();
    assert!(compute(&[&(&x + 1.0)], &[None], &limits(needed, 2, None)).is_ok());
    assert!(compute(&[&(&x + 1.0)], &[None], &limits(needed - 1, 2, None)).is_err());
}

fn told(plan: &Plan) -> String {
    plan.why.iter().find(|decision| decision.about == "scratch").map_or_else(String::new, |decision| decision.text.clone())
}

#[test]
fn rechunking_rows_to_columns_goes_through_scratch_when_that_is_cheaper() {
    let session = Session::builder().memory("64MiB").threads(2).build().unwrap();
    // 8 MB in 1.5 MiB.
    let (rows, columns) = (2000, 1000);
    let (source, x, dense) = both(&session, &[rows, columns], &[20, columns], "x");
    let (_, want) = compute(&[&dense], &[None], &limits(64 << 20, 2, None)).unwrap();
    for threads in 1..=3 {
        let before = source.bytes_decoded();
        let limits = limits(3 << 19, threads, Some(32 << 10));
        let (plan, got) = compute(&[&x], &[Some(vec![rows, 5])], &limits).unwrap();
        assert!(got == want);
        let decoded = source.bytes_decoded() - before;
        assert_eq!(decoded, planned(&plan, "x"), "{}", plan.show());
        assert!(decoded < 2 * (rows * columns * 4) as u64, "{decoded}: {}", plan.show());
        assert_eq!(plan.scratches.len(), 1);
        assert!(told(&plan).contains("through scratch") && told(&plan).contains("without"), "{}", told(&plan));
    }
    // With room for it there is none.
    let (plan, got) = compute(&[&x], &[Some(vec![rows, 5])], &self::limits(64 << 20, 2, None)).unwrap();
    assert!(got == want && plan.scratches.is_empty(), "{}", plan.show());
    assert_eq!(planned(&plan, "x"), (rows * columns * 4) as u64);
}

#[test]
fn any_layout_becomes_any_other_in_little_memory() {
    let session = Session::builder().memory("64MiB").threads(2).build().unwrap();
    let mut spilled = 0;
    for seed in 0..60 {
        let mut draw = Draw(seed + 1000);
        let rank = 1 + draw.below(3);
        let shape: Vec<usize> = (0..rank).map(|_| [200_000, 600, 60][rank - 1] + draw.below([100_000, 500, 40][rank - 1])).collect();
        let chunk = |draw: &mut Draw, shape: &[usize]| -> Vec<usize> {
            let mut chunk: Vec<usize> = shape.iter().map(|&length| 1 + draw.below(length)).collect();
            while chunk.iter().product::<usize>() > 8000 {
                let axis = draw.below(chunk.len());
                chunk[axis] = chunk[axis].div_ceil(2);
            }
            chunk
        };
        let (source, mut x, mut dense) = both(&session, &shape, &chunk(&mut draw, &shape), "x");
        if draw.below(2) == 0 {
            let order: Vec<usize> = (0..rank).rev().collect();
            (x, dense) = (x.permute(order.clone()), dense.permute(order));
        }
        (x, dense) = match draw.below(3) {
            0 => (&x + 1.0, &dense + 1.0),
            1 => (x.reshape([-1]), dense.reshape([-1])),
            _ => (x, dense),
        };
        let out = x.known().unwrap().known_shape().unwrap();
        let target = (draw.below(4) > 0).then(|| chunk(&mut draw, &out));
        let (_, want) = compute(&[&dense], &[None], &limits(64 << 20, 2, None)).unwrap();
        let limits = limits(draw.pick(&[1 << 20, 2 << 20, 8 << 20]), 1 + draw.below(3), draw.pick(&[None, Some(8 << 10)]));
        match compute(&[&x], &[target], &limits) {
            Ok((plan, got)) => {
                assert!(got == want, "seed {seed}: {}", plan.show());
                assert_eq!(source.bytes_decoded(), planned(&plan, "x"), "seed {seed}: {}", plan.show());
                spilled += plan.scratches.len();
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::Refused, "seed {seed}: {error}"),
        }
    }
    assert!(spilled > 2, "{spilled}");
}

#[test]
fn a_reshape_that_is_no_view_goes_through_scratch() {
    let session = Session::builder().memory("64MiB").threads(2).build().unwrap();
    let (_, _, dense) = both(&session, &[1200, 900], &[1, 1], "x");
    let made = (&dense.permute([1, 0]) * 2.0).reshape([-1]);
    let (_, want) = compute(&[&made], &[None], &limits(64 << 20, 2, None)).unwrap();
    let (plan, got) = compute(&[&made], &[None], &limits(2 << 20, 2, None)).unwrap();
    assert!(got == want && plan.scratches.len() == 1, "{}", plan.show());
    assert!(told(&plan).contains("no direct way"), "{}", told(&plan));
    let twice = &made + made.flip(0);
    let (_, want) = compute(&[&twice], &[None], &limits(64 << 20, 2, None)).unwrap();
    let (_, got) = compute(&[&twice], &[None], &limits(2 << 20, 3, None)).unwrap();
    assert!(got == want);
}

#[test]
fn scratch_in_a_folder_that_is_not_there_is_a_clean_error() {
    let folder = tempfile::tempdir().unwrap();
    let session = Session::builder().memory("2MiB").threads(2).scratch(folder.path().join("gone")).build().unwrap();
    let (_, _, dense) = both(&session, &[1200, 900], &[1, 1], "x");
    let error = dense.permute([1, 0]).reshape([-1]).save(folder.path().join("y.npy")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Output, "{error}");
    assert!(error.to_string().contains("scratch"), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let session = Session::builder().memory("2MiB").threads(2).build().unwrap();
    let (_, _, dense) = both(&session, &[1200, 900], &[1, 1], "x");
    dense.permute([1, 0]).reshape([-1]).save(folder.path().join("y.npy")).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn neighbours_across_chunks_and_in_scratch_stream() {
    let session = Session::builder().memory("64MiB").threads(2).build().unwrap();
    let bytes = 4_800 * 250 * 4;
    let three = |x: &Array| {
        let rows = |start, stop| x.slice_items(vec![SliceItem::Range { start, stop, step: 1 }]);
        rows(Some(2), None) + rows(Some(1), Some(-1)) + rows(None, Some(-2))
    };
    let windows = |x: &Array| x.sliding_window_view(30, 0).mean(-1);
    let overlap = |x: &Array| {
        x.map_overlap::<f32, f32>(OverlapSpec::named("ends/1").depth(0, 20, 9), |block, mut out| {
            let rows = out.shape()[0];
            for row in 0..rows {
                let (first, last) = (block.index_axis(Axis(0), row), block.index_axis(Axis(0), row + 29));
                out.index_axis_mut(Axis(0), row).zip_mut_with(&first, |out, first| *out = *first);
                out.index_axis_mut(Axis(0), row).zip_mut_with(&last, |out, last| *out -= *last);
            }
            Ok(())
        })
    };
    let turned = |x: &Array| windows(&x.permute([1, 0]).reshape([2_400, 500]));
    type Case<'a> = (&'a str, &'a dyn Fn(&Array) -> Array, f64);
    // Times that the source may be decoded where there is some memory: once for every neighbour that is asked for, and a little.
    let cases: [Case<'_>; 4] = [("three", &three, 3.7), ("windows", &windows, 1.3), ("overlap", &overlap, 1.3), ("turned", &turned, 1.01)];
    for (name, make, times) in cases {
        let mut scratches = 0;
        for (memory, threads) in [(1 << 20, 1), (2 << 20, 2), (4 << 20, 2), (24 << 20, 2)] {
            let (source, chunked, dense) = both(&session, &[4_800, 250], &[100, 250], "x");
            let (_, want) = compute(&[&make(&dense)], &[None], &limits(64 << 20, 2, None)).unwrap();
            let (plan, got) = compute(&[&make(&chunked)], &[None], &limits(memory, threads, None)).unwrap();
            assert!(got == want, "{name}: {}", plan.show());
            assert_eq!(source.bytes_decoded(), planned(&plan, "x"), "{name}: {}", plan.show());
            scratches += plan.scratches.len();
            if memory == 24 << 20 {
                assert!(source.bytes_decoded() as f64 <= times * f64::from(bytes), "{name}: {}", plan.show());
                assert!(plan.stages.iter().all(|stage| stage.workers == 2), "{name} leaves work for two: {}", plan.show());
            } else {
                // A run of less than a chunk decodes it more often; what turns rows into columns does in any case.
                assert!(name == "turned" || source.bytes_decoded() as f64 <= 6.0 * f64::from(bytes), "{name}: {}", plan.show());
            }
        }
        assert!(name != "turned" || scratches > 0, "{name} went through scratch");
    }
}
