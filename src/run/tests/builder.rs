//! Small plans and the bindings to run them with.

use crate::{
    error::Result,
    expr::{NodeId, SourceId},
    kernel::program::{AccId, Accumulation, Arg, BinaryOp, Instr, Program, Reg, Slot, SlotId, SlotKind, Step, Sweep},
    nd::{DType, Element, IndexMap, Region, Scalar, shape::c_strides},
    numeric::{AccumulatorKind, Finish},
    plan::{Access, GlobalReduction, Limits, Output, OutputFrom, Plan, Read, ReadFrom, Stage, StageMemory, Temp, TempId, Write, WriteTo},
    run::{Bindings, Control, Engine, EngineOptions, Sink, execute},
    store::{MemorySource, Source},
    trace::RunStats,
};
use std::sync::Arc;

pub fn engine(threads: usize) -> Engine {
    Engine::new(EngineOptions { threads, ..EngineOptions::default() }).unwrap()
}

/// 0, 1, 2, … as an array in memory.
pub fn counting(shape: &[usize]) -> Arc<dyn Source> {
    let count = shape.iter().product::<usize>();
    Arc::new(MemorySource::from_vec(shape, (0..count).map(|value| value as f32).collect()).unwrap())
}

pub fn slot(dtype: DType, kind: SlotKind) -> Slot {
    Slot { dtype, kind, swapped: false }
}

pub fn sweep(rank: usize, registers: u32, code: Vec<Instr>) -> Step {
    Step::Sweep(Sweep { axes: vec![true; rank], code, registers, tile_elements: 1024 })
}

pub fn add(dst: u32, a: u32, b: Arg) -> Instr {
    Instr::Binary { op: BinaryOp::Add, dtype: DType::F32, dst: Reg(dst), a: Arg::Reg(Reg(a)), b }
}

pub fn load(dst: u32, slot: u32) -> Instr {
    Instr::Load { dst: Reg(dst), slot: SlotId(slot) }
}

pub fn store(slot: u32, src: u32) -> Instr {
    Instr::Store { slot: SlotId(slot), src: Arg::Reg(Reg(src)) }
}

pub fn number(value: f64) -> Arg {
    Arg::Const(Scalar::Float(value))
}

/// A plan over f32 sources with room for everything.
pub fn plan(sources: &[Arc<dyn Source>]) -> Plan {
    Plan {
        sources: sources.iter().map(|source| source.facts().clone()).collect(),
        functions: Vec::new(),
        temps: Vec::new(),
        scratches: Vec::new(),
        stages: Vec::new(),
        outputs: Vec::new(),
        checks: Vec::new(),
        limits: Limits {
            memory_bytes: 1 << 30,
            threads: 2,
            block_bytes: None,
            rows_per_run: None,
            io: Default::default(),
            is_shared: false,
        },
        bytes_peak: 1 << 30,
        why: Vec::new(),
        numerics: crate::plan::NUMERICS_VERSION,
        job_id: String::new(),
        plan_id: String::new(),
    }
}

/// A stage without a program.
pub fn stage(space: &[usize], run: &[usize], block: &[usize]) -> Stage {
    Stage {
        name: "stage".into(),
        space: space.into(),
        product_axes: 0,
        run: run.into(),
        origin: Vec::new(),
        block: block.into(),
        reads: Vec::new(),
        writes: Vec::new(),
        reductions: Vec::new(),
        functions: Vec::new(),
        scans: Vec::new(),
        folds: Vec::new(),
        ordered: false,
        program: Program::default(),
        workers: 4,
        in_flight: 6,
        memory: StageMemory { scratch: 1 << 30, ..StageMemory::default() },
    }
}

pub fn read(slot: u32, source: u32, space: &[usize], access: Access) -> Read {
    read_map(slot, source, IndexMap::dense(space, &c_strides(space)), access)
}

pub fn read_map(slot: u32, source: u32, map: IndexMap, access: Access) -> Read {
    let bytes_total = map.shape.iter().product::<usize>() as u64 * 4;
    Read {
        slot: SlotId(slot),
        from: ReadFrom::Source(SourceId(source)),
        map,
        access,
        bytes_per_run: 1 << 16,
        bytes_total: bytes_total.max(1 << 20),
        scratch_bytes: 0,
    }
}

pub fn write(slot: u32, to: WriteTo, rank: usize, dtype: DType) -> Write {
    Write {
        slot: SlotId(slot),
        to,
        axes: (0..rank).map(Some).collect(),
        dtype,
        compressed: false,
        bytes_per_run: 1 << 16,
        bytes_total: 1 << 16,
        scratch_bytes: 0,
        waiting_bytes: 0,
    }
}

pub fn temp(shape: &[usize], dtype: DType, made_by: usize, last_use: usize) -> Temp {
    Temp { name: "temp".into(), shape: shape.into(), dtype, node: NodeId(made_by as u32), made_by, last_use }
}

pub fn output(shape: &[usize], dtype: DType, from: OutputFrom) -> Output {
    Output { name: "z".into(), shape: shape.into(), dtype, from, layout: None }
}

/// `x + 1`, to output 0.
pub fn map_plan(sources: &[Arc<dyn Source>], run: &[usize], block: &[usize], access: Access) -> Plan {
    let space = sources[0].facts().shape.clone();
    let mut made = plan(sources);
    made.outputs = vec![output(&space, DType::F32, OutputFrom::Stage(0))];
    made.stages = vec![Stage {
        reads: vec![read(0, 0, &space, access)],
        writes: vec![write(1, WriteTo::Output(0), space.len(), DType::F32)],
        program: Program {
            slots: vec![slot(DType::F32, SlotKind::Input), slot(DType::F32, SlotKind::Output)],
            accumulators: Vec::new(),
            steps: vec![sweep(space.len(), 2, vec![load(0, 0), add(1, 0, number(1.0)), store(1, 1)])],
        },
        ..stage(&space, run, block)
    }];
    made
}

/// A reduction of f32 `x` to output 0, keeping the axes `kept`.
pub fn reduce_plan(
    sources: &[Arc<dyn Source>],
    run: &[usize],
    block: &[usize],
    access: Access,
    kept: &[usize],
    kind: AccumulatorKind,
    finish: Finish,
) -> Plan {
    let space = sources[0].facts().shape.clone();
    let shape: Vec<usize> = kept.iter().map(|&axis| space[axis]).collect();
    let mut made = plan(sources);
    made.temps = vec![temp(&shape, DType::F32, 0, 1)];
    made.outputs = vec![output(&shape, DType::F32, OutputFrom::Temp(TempId(0)))];
    made.stages = vec![Stage {
        reads: vec![read(0, 0, &space, access)],
        reductions: vec![GlobalReduction {
            acc: AccId(0),
            kept: kept.into(),
            outputs: shape.iter().product(),
            finishes: vec![(finish, TempId(0))],
            state_bytes: 0,
            run_state_bytes: 0,
        }],
        program: Program {
            slots: vec![slot(DType::F32, SlotKind::Input)],
            accumulators: vec![Accumulation {
                kind,
                dtype: DType::F32,
                reduced: (0..space.len()).map(|axis| !kept.contains(&axis)).collect(),
                groups: 1,
                finishes: Vec::new(),
            }],
            steps: vec![sweep(space.len(), 1, vec![load(0, 0), Instr::Reduce { acc: AccId(0), src: Arg::Reg(Reg(0)) }])],
        },
        ..stage(&space, run, block)
    }];
    made
}

/// Output 0 of a plan, collected box by box by a closure of the caller; with the boxes in the order they came.
pub fn collect<T: Element>(engine: &Engine, plan: &Plan, sources: &[Arc<dyn Source>]) -> Result<(Vec<T>, Vec<Region>, RunStats)> {
    let shape = plan.outputs[0].shape.clone();
    let mut values = vec![T::default(); shape.iter().product()];
    let mut regions = Vec::new();
    let mut caller = |region: &Region, bytes: &[u8]| {
        let strides = c_strides(&shape);
        let grid = crate::nd::Grid::new(region.shape.clone(), vec![1; shape.len()]);
        for (index, item) in bytes.chunks(T::DTYPE.size()).enumerate() {
            let within = grid.region(index).start;
            let place: usize = (0..shape.len()).map(|axis| (region.start[axis] + within[axis]) * strides[axis] as usize).sum();
            values[place] = T::from_bytes(item);
        }
        regions.push(region.clone());
        Ok(())
    };
    let bindings = Bindings { sources: sources.to_vec(), functions: Vec::new(), sinks: vec![Sink::Caller(&mut caller)] };
    let stats = execute(engine, plan, bindings, &Control::default())?;
    Ok((values, regions, stats))
}
