//! Everything that can go wrong ends as one error at the caller, with all threads idle and the engine as good as new.

use super::builder::*;
use crate::{
    error::{Error, ErrorKind, Result},
    expr::{FunctionFacts, FunctionId, FunctionRole},
    kernel::{
        program::{SlotId, SlotKind, Step},
        vm::BlockFunction,
    },
    nd::{DType, Region},
    plan::{Access, Plan, StageMemory, WriteTo},
    run::{Bindings, Control, Engine, Sink, execute},
    store::{
        MemoryTarget, Source, Target,
        wrap::{Failing, Slow},
    },
};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

/// The engine still computes.
fn assert_usable(engine: &Engine) {
    let sources = [counting(&[40, 8])];
    let plan = map_plan(&sources, &[3, 8], &[3, 8], Access::Segments { segment_axes: vec![0] });
    assert_eq!(collect::<f32>(engine, &plan, &sources).unwrap().0[319], 320.0);
}

#[test]
fn every_operation_of_a_source_may_fail() {
    for threads in [1, 3] {
        let engine = engine(threads);
        for access in [Access::Window, Access::Segments { segment_axes: vec![0] }, Access::Box] {
            let plan = map_plan(&[counting(&[40, 8])], &[3, 8], &[3, 8], access);
            let mut failures = 0;
            for nth in 0.. {
                let source = Failing::new(Memory(counting(&[40, 8])), nth);
                let sources: [Arc<dyn Source>; 1] = [Arc::new(source)];
                match collect::<f32>(&engine, &plan, &sources) {
                    Ok(_) => break,
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Io, "{error}"),
                }
                failures += 1;
            }
            assert!(failures >= 14, "{failures} operations for 14 runs");
            assert_usable(&engine);
        }
    }
}

/// A source by reference, so that it can be wrapped.
struct Memory(Arc<dyn Source>);

impl Source for Memory {
    fn facts(&self) -> &crate::nd::SourceFacts {
        self.0.facts()
    }
    fn read(&self, region: &Region, out: &mut [u8]) -> Result<()> {
        self.0.read(region, out)
    }
    fn window(&self, elements: std::ops::Range<usize>) -> Result<Option<crate::store::Window>> {
        self.0.window(elements)
    }
}

#[test]
fn every_operation_of_a_target_may_fail() {
    let engine = engine(2);
    let sources = [counting(&[40, 8])];
    let plan = map_plan(&sources, &[3, 8], &[3, 8], Access::Window);
    for nth in 0..15 {
        let target: Arc<dyn Target> = Arc::new(Failing::new(MemoryTarget::new(DType::F32, &[40, 8]).unwrap(), nth));
        let bindings = Bindings { sources: sources.to_vec(), functions: Vec::new(), sinks: vec![Sink::Target(target)] };
        let error = execute(&engine, &plan, bindings, &Control::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io, "operation {nth}: {error}");
    }
    assert_usable(&engine);
}

struct Grumpy;

#[derive(Debug)]
struct Mood(usize);

impl std::fmt::Display for Mood {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "not at {}", self.0)
    }
}

impl std::error::Error for Mood {}

impl BlockFunction for Grumpy {
    fn name(&self) -> &str {
        "grumpy/1"
    }
    fn call(&self, start: &[usize], _shape: &[usize], input: &[u8], output: &mut [u8]) -> Result<()> {
        assert_ne!(start[0], 21, "never here");
        if start[0] == 30 {
            return Err(Error::closure(self.name(), Box::new(Mood(30))));
        }
        output.copy_from_slice(input);
        Ok(())
    }
}

/// `grumpy(x) + 0`, runs of three rows of forty.
fn function_plan(sources: &[Arc<dyn Source>]) -> Plan {
    let mut plan = map_plan(sources, &[3, 8], &[3, 8], Access::Window);
    plan.functions = vec![FunctionFacts {
        name: "grumpy/1".into(),
        input: DType::F32,
        output: DType::F32,
        whole: vec![],
        scratch_bytes: 10,
        role: FunctionRole::Map,
    }];
    let stage = &mut plan.stages[0];
    stage.functions = vec![FunctionId(0)];
    let local = SlotKind::Local { axes: vec![true, true] };
    stage.program.slots.extend([slot(DType::F32, local.clone()), slot(DType::F32, local)]);
    stage.program.steps = vec![
        sweep(2, 1, vec![load(0, 0), store(2, 0)]),
        Step::Call { closure: 0, input: SlotId(2), output: SlotId(3) },
        sweep(2, 1, vec![load(0, 3), store(1, 0)]),
    ];
    plan
}

#[test]
fn a_block_function_that_panics_or_fails_is_named() {
    let sources = [counting(&[40, 8])];
    for threads in 1..=3 {
        let engine = engine(threads);
        // The panic comes in an earlier run than the error, and wins on any number of threads.
        for _ in 0..10 {
            let mut caller = |_: &Region, _: &[u8]| Ok(());
            let bindings =
                Bindings { sources: sources.to_vec(), functions: vec![Arc::new(Grumpy)], sinks: vec![Sink::Caller(&mut caller)] };
            let error = execute(&engine, &function_plan(&sources), bindings, &Control::default()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Closure);
            assert!(error.message().contains("`grumpy/1`") && error.message().contains("never here"), "{error}");
        }
        assert_usable(&engine);
    }
}

#[test]
fn cancelling_from_the_callers_closure_and_from_another_thread() {
    let engine = engine(2);
    let sources: [Arc<dyn Source>; 1] = [Arc::new(Slow::new(Memory(counting(&[400, 8])), Duration::from_millis(2)))];
    let plan = map_plan(&sources, &[3, 8], &[3, 8], Access::Segments { segment_axes: vec![0] });
    let control = Control::default();
    let mut calls = 0;
    let mut caller = |_: &Region, _: &[u8]| {
        calls += 1;
        control.cancel.set();
        Ok(())
    };
    let bindings = Bindings { sources: sources.to_vec(), functions: Vec::new(), sinks: vec![Sink::Caller(&mut caller)] };
    assert_eq!(execute(&engine, &plan, bindings, &control).unwrap_err().kind(), ErrorKind::Cancelled);
    assert!((1..10).contains(&calls), "{calls} calls");

    let control = Control::default();
    let cancel = control.cancel.clone();
    let mut caller = |_: &Region, _: &[u8]| Ok(());
    let bindings = Bindings { sources: sources.to_vec(), functions: Vec::new(), sinks: vec![Sink::Caller(&mut caller)] };
    let outcome = std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(15));
            cancel.set();
        });
        execute(&engine, &plan, bindings, &control)
    });
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Cancelled);
    assert_usable(&engine);
}

#[test]
fn a_panic_of_the_callers_closure_passes_through() {
    let engine = engine(2);
    let sources = [counting(&[40, 8])];
    for run in [[3, 8], [40, 8]] {
        let plan = map_plan(&sources, &run, &[3, 8], Access::Window);
        let mut caller = |_: &Region, _: &[u8]| panic!("enough");
        let bindings = Bindings { sources: sources.to_vec(), functions: Vec::new(), sinks: vec![Sink::Caller(&mut caller)] };
        let payload = catch_unwind(AssertUnwindSafe(|| execute(&engine, &plan, bindings, &Control::default()))).unwrap_err();
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"enough"));
    }
    assert_usable(&engine);
}

#[test]
fn more_memory_than_planned_is_a_bug_with_both_numbers() {
    let engine = engine(2);
    let sources = [counting(&[40, 8])];
    let mut plan = map_plan(&sources, &[3, 8], &[3, 8], Access::Window);
    plan.stages[0].memory = StageMemory { write_buffers: 1000, ..StageMemory::default() };
    let error = collect::<f32>(&engine, &plan, &sources).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
    assert!(error.message().contains("planned with 1000 bytes"), "{error}");
    assert_usable(&engine);
}

#[test]
fn inconsistent_plans_are_refused() {
    let engine = engine(1);
    let sources = [counting(&[40, 8])];
    let good = map_plan(&sources, &[3, 8], &[3, 8], Access::Window);
    let breaks: [fn(&mut Plan); 5] = [
        |plan| plan.stages[0].reads.clear(),
        |plan| plan.stages[0].writes[0].slot = SlotId(7),
        |plan| plan.stages[0].writes[0].axes = vec![Some(0), Some(2)],
        |plan| plan.stages[0].block = vec![1],
        |plan| plan.stages[0].writes[0].to = WriteTo::Temp(crate::plan::TempId(3)),
    ];
    for broken in breaks {
        let mut plan = good.clone();
        broken(&mut plan);
        assert_eq!(collect::<f32>(&engine, &plan, &sources).unwrap_err().kind(), ErrorKind::Internal);
    }
    let missing = Bindings { sources: Vec::new(), functions: Vec::new(), sinks: Vec::new() };
    assert_eq!(execute(&engine, &good, missing, &Control::default()).unwrap_err().kind(), ErrorKind::Internal);
    assert!(Engine::new(crate::run::EngineOptions::default()).is_err());
}
