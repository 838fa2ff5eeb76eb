//! What the door takes from the machines below: planner, engine, stores. Stand-ins until those floors are merged.
#![allow(missing_docs, dead_code, reason = "stand-ins")]

use crate::{
    error::{Error, Result},
    expr::{Graph, NodeId},
    nd::{DType, Dims, Element, Region, SourceFacts, StoreLayout, shape::c_strides},
    plan::{Limits, Plan},
    store::{Source, Target},
};
use serde::Serialize;
use std::{
    path::Path,
    sync::{Arc, atomic::AtomicBool},
};

pub struct Request {
    pub outputs: Vec<(String, NodeId)>,
    pub checks: Vec<(String, NodeId)>,
    pub layout: String,
}
pub fn plan(_graph: &Graph, _request: &Request, _limits: &Limits) -> Result<Plan> {
    Err(Error::internal("no planner yet"))
}
pub trait BlockFunction: Send + Sync {
    fn name(&self) -> &str;
    fn call(&self, start: &[usize], shape: &[usize], input: &[u8], output: &mut [u8]) -> Result<()>;
}
#[derive(Clone, Copy, Debug)]
pub struct Isa;
#[derive(Clone, Default)]
pub struct EngineOptions {
    pub threads: usize,
    pub pool: Option<Arc<rayon::ThreadPool>>,
    pub isa: Option<Isa>,
}
pub struct Engine;
impl Engine {
    pub fn new(_options: EngineOptions) -> Result<Self> {
        Ok(Engine)
    }
}
pub enum Sink<'a> {
    Target(Arc<dyn Target>),
    Caller(&'a mut (dyn FnMut(&Region, &[u8]) -> Result<()> + Send + 'a)),
}
pub struct Bindings<'a> {
    pub sources: Vec<Arc<dyn Source>>,
    pub functions: Vec<Arc<dyn BlockFunction>>,
    pub sinks: Vec<Sink<'a>>,
}
pub struct Control {
    pub cancel: Arc<AtomicBool>,
    pub progress: Option<Arc<dyn Fn(&Progress) + Send + Sync>>,
}
#[derive(Clone, Debug)]
pub struct Progress {
    pub stage: usize,
    pub stages: usize,
    pub stage_name: String,
    pub bytes_done: u64,
    pub bytes_total: u64,
    pub seconds: f64,
    pub bytes_held: u64,
    pub bytes_budget: u64,
}
#[derive(Clone, Debug, Default, Serialize)]
pub struct StageStats {
    pub name: String,
    pub seconds: f64,
    pub blocks: u64,
    pub runs: u64,
    pub bytes_read: u64,
    pub bytes_written: u64,
}
#[derive(Clone, Debug, Default, Serialize)]
pub struct RunStats {
    pub seconds: f64,
    pub bytes_read: u64,
    pub bytes_written: u64,
    pub blocks: u64,
    pub runs: u64,
    pub bytes_peak_planned: u64,
    pub bytes_peak_held: u64,
    pub stages: Vec<StageStats>,
    pub passes: Vec<(String, u64)>,
    pub io: String,
    pub output_counts: Vec<Option<usize>>,
}
pub struct PreparedPlan;
pub fn prepare(_engine: &Engine, _plan: &Plan) -> Result<Arc<PreparedPlan>> {
    Ok(Arc::new(PreparedPlan))
}
pub fn execute_prepared(_: &Engine, _: &Plan, _: &PreparedPlan, _: Bindings<'_>, _: &Control) -> Result<RunStats> {
    Err(Error::internal("no engine yet"))
}
pub fn execute(_: &Engine, _: &Plan, _: Bindings<'_>, _: &Control) -> Result<RunStats> {
    Err(Error::internal("no engine yet"))
}
pub fn explain(plan: &Plan) -> String {
    format!("{plan:?}")
}
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutputMode {
    #[default]
    CreateNew,
    Overwrite,
}
pub fn open(path: &str) -> Result<Arc<dyn Source>> {
    std::fs::metadata(path).map_err(|error| Error::io("open", path, error))?;
    Err(Error::internal("no stores yet"))
}
pub fn create(_path: &str, _dtype: DType, _shape: &[usize], _mode: OutputMode) -> Result<Arc<dyn Target>> {
    Err(Error::internal("no stores yet"))
}
pub fn same_file(a: &Path, b: &Path) -> bool {
    a == b
}

pub struct MemorySource {
    facts: SourceFacts,
    bytes: Vec<u8>,
}
impl MemorySource {
    pub fn from_array<T: Element>(array: ndarray::ArcArray<T, ndarray::IxDyn>) -> Result<Self> {
        let shape = array.shape().to_vec();
        let elements: Vec<T> = array.iter().copied().collect();
        let facts = SourceFacts {
            name: "memory".into(),
            dtype: T::DTYPE,
            dims: Dims::unnamed(shape.len()),
            layout: StoreLayout::Dense { strides: c_strides(&shape) },
            swapped: false,
            encoded_bytes: (elements.len() * T::DTYPE.size()) as u64,
            mappable: true,
            resident: true,
            identity: String::new(),
            shape,
        };
        Ok(MemorySource { facts, bytes: T::as_bytes(&elements).to_vec() })
    }
}
impl Source for MemorySource {
    fn facts(&self) -> &SourceFacts {
        &self.facts
    }
    fn read(&self, region: &Region, out: &mut [u8]) -> Result<()> {
        let size = self.facts.dtype.size();
        out.copy_from_slice(&self.bytes[region.start[0] * size..region.end(0) * size]);
        Ok(())
    }
}
