//! From passes to the plan: temps are numbered, each pass gets its program, its shapes and its memory.

use crate::{
    error::{Error, Result},
    expr::{Graph, NodeId},
    kernel::program::SlotKind,
    numeric::Accumulator,
    plan::{
        Check, GlobalReduction, Limits, NUMERICS_VERSION, Output, OutputFrom, Plan, ReadFrom, Request, Stage, Temp, TempId, Write, WriteTo,
        expression::{Expression, LoadFrom},
        grid::{Form, memory_order},
        lower::{Lowered, lower},
        memory::{Fitted, Needs, OVERHEAD_BYTES, fit},
        reads::Input,
        share::{Draft, How, name_of},
        views::Views,
        why::Why,
    },
};
use std::collections::BTreeMap;

/// Builds the plan of `drafts`. `roots` are the outputs of the request and then its checks.
pub fn assemble(
    graph: &Graph,
    views: &Views,
    drafts: &[Draft],
    request: &Request,
    roots: &[NodeId],
    limits: &Limits,
    why: Why,
) -> Result<Plan> {
    let expressions: Vec<Expression> = drafts.iter().map(|draft| draft.express(graph, views)).collect();
    let temps = Temps::number(graph, drafts, &expressions, roots);
    let destinations = destinations(drafts, &temps, &roots[..request.outputs.len()]);
    let mut stages = Vec::new();
    let mut refusals: Vec<Error> = Vec::new();
    for (place, (draft, expression)) in drafts.iter().zip(expressions).enumerate() {
        let last = place + 1 == drafts.len();
        let stage_limits = Limits { rows_per_run: limits.rows_per_run.filter(|_| last), ..limits.clone() };
        let assembling = Assembling { graph, draft, temps: &temps, place, name: stage_name(graph, draft, request, roots) };
        match assembling.stage(expression, &destinations, &stage_limits) {
            Ok(stage) => stages.push(stage),
            Err(refusal) => refusals.push(refusal),
        }
    }
    // The budget that would do is the one that does for every pass.
    if let Some(refusal) = refusals.into_iter().max_by_key(|refusal| refusal.needed_bytes()) {
        return Err(refusal);
    }
    let outputs = request.outputs.iter().zip(roots).map(|((name, _), root)| output(graph, drafts, &temps, name, *root)).collect();
    let checks = request.checks.iter().zip(&roots[request.outputs.len()..]).map(|((message, _), root)| Check {
        temp: temps.of[root],
        shape: graph.node(graph.node(*root).args[0]).shape(),
        message: message.clone(),
    });
    let checks = checks.collect();
    let bytes_peak = stages.iter().map(|stage: &Stage| stage.memory.total()).max().unwrap_or(0) + OVERHEAD_BYTES;
    let job_id = hash(&(graph, roots, &request.layout, NUMERICS_VERSION))?;
    let grids: Vec<(&Vec<usize>, &Vec<usize>)> = stages.iter().map(|stage| (&stage.run, &stage.block)).collect();
    let plan_id = hash(&(&job_id, grids))?;
    Ok(Plan {
        sources: graph.sources.clone(),
        functions: graph.functions.clone(),
        temps: temps.list,
        stages,
        outputs,
        checks,
        limits: limits.clone(),
        bytes_peak,
        why: why.finish(),
        job_id,
        plan_id,
    })
}

fn hash<T: serde::Serialize>(value: &T) -> Result<String> {
    let text = serde_json::to_vec(value).map_err(|error| Error::internal(format!("a plan cannot be written as text: {error}")))?;
    Ok(blake3::hash(&text).to_hex().as_str()[..16].to_string())
}

fn stage_name(graph: &Graph, draft: &Draft, request: &Request, roots: &[NodeId]) -> String {
    let mut names: Vec<String> = Vec::new();
    for anchor in &draft.anchors {
        let outputs: Vec<&str> =
            request.outputs.iter().zip(roots).filter(|(_, root)| **root == anchor.node).map(|((name, _), _)| name.as_str()).collect();
        names.push(if outputs.is_empty() { name_of(graph, anchor.node) } else { outputs.join(", ") });
    }
    if names.len() > 6 { format!("{} and {} more", names[..5].join(", "), names.len() - 5) } else { names.join(", ") }
}

fn output(graph: &Graph, drafts: &[Draft], temps: &Temps, name: &str, root: NodeId) -> Output {
    let node = graph.node(root);
    let stage = drafts.iter().position(|draft| draft.anchors.iter().any(|anchor| anchor.node == root && anchor.how != How::Global));
    let from = stage.map_or_else(|| OutputFrom::Temp(temps.of[&root]), OutputFrom::Stage);
    Output { name: name.to_string(), shape: node.shape(), dtype: node.dtype(), from }
}

/// The small results between stages.
struct Temps {
    list: Vec<Temp>,
    of: BTreeMap<NodeId, TempId>,
}

impl Temps {
    fn number(graph: &Graph, drafts: &[Draft], expressions: &[Expression], roots: &[NodeId]) -> Temps {
        let mut last_use: BTreeMap<NodeId, usize> = BTreeMap::new();
        for (stage, expression) in expressions.iter().enumerate() {
            for node in expression.results_read() {
                last_use.insert(node, stage);
            }
        }
        let mut temps = Temps { list: Vec::new(), of: BTreeMap::new() };
        for (stage, draft) in drafts.iter().enumerate() {
            for anchor in &draft.anchors {
                let delivered = anchor.how == How::Global && roots.contains(&anchor.node);
                let read = last_use.get(&anchor.node).copied();
                if !delivered && read.is_none() && anchor.how != How::Global {
                    continue;
                }
                let node = graph.node(anchor.node);
                let last_use = if delivered { drafts.len() } else { read.unwrap_or(stage) };
                temps.of.insert(anchor.node, TempId(temps.list.len() as u32));
                temps.list.push(Temp {
                    name: name_of(graph, anchor.node),
                    shape: node.shape(),
                    dtype: node.dtype(),
                    made_by: stage,
                    last_use,
                });
            }
        }
        temps
    }

    fn bytes_alive(&self, stage: usize) -> u64 {
        self.list.iter().filter(|temp| temp.made_by <= stage && stage <= temp.last_use).map(Temp::bytes).sum()
    }
}

/// Where each streamed anchor goes: the outputs that ask for it, and the temp that later stages read.
fn destinations(drafts: &[Draft], temps: &Temps, outputs: &[NodeId]) -> BTreeMap<NodeId, Vec<WriteTo>> {
    let mut made: BTreeMap<NodeId, Vec<WriteTo>> = BTreeMap::new();
    for anchor in drafts.iter().flat_map(|draft| &draft.anchors).filter(|anchor| anchor.how != How::Global) {
        let list = made.entry(anchor.node).or_default();
        list.extend(outputs.iter().enumerate().filter(|(_, root)| **root == anchor.node).map(|(index, _)| WriteTo::Output(index)));
        list.extend(temps.of.get(&anchor.node).map(|temp| WriteTo::Temp(*temp)));
    }
    made
}

struct Assembling<'a> {
    graph: &'a Graph,
    draft: &'a Draft,
    temps: &'a Temps,
    place: usize,
    name: String,
}

impl Assembling<'_> {
    fn stage(&self, expression: Expression, destinations: &BTreeMap<NodeId, Vec<WriteTo>>, limits: &Limits) -> Result<Stage> {
        let whole = expression.whole.clone();
        let lowered = lower(self.graph, self.draft, expression, destinations);
        let inputs = self.inputs(&lowered);
        let form = self.form(&lowered, &inputs, whole);
        let needs = self.needs(&lowered, &inputs, &form);
        let fitted = fit(&needs, limits)?;
        let elements: u64 = self.draft.space.iter().map(|&length| length as u64).product();
        drop(needs);
        Ok(self.finish(lowered, fitted, elements))
    }

    fn inputs(&self, lowered: &Lowered) -> Vec<Input<'_>> {
        let inputs = lowered.reads.iter().map(|read| {
            let (from, facts) = match read.from {
                LoadFrom::Source(source) => (ReadFrom::Source(source), Some(&self.graph.sources[source.0 as usize])),
                LoadFrom::Result(node) => (ReadFrom::Temp(self.temps.of[&node]), None),
            };
            Input { slot: read.slot, from, facts, map: read.map.clone(), item_bytes: read.dtype.size() }
        });
        inputs.collect()
    }

    fn form(&self, lowered: &Lowered, inputs: &[Input<'_>], whole: Vec<bool>) -> Form {
        let space = &self.draft.space;
        let varies = |input: &&Input<'_>| (0..space.len()).all(|axis| space[axis] <= 1 || !input.map.is_broadcast(axis));
        let read_bytes: usize = inputs.iter().filter(varies).map(|input| input.item_bytes).sum();
        let write_bytes: usize =
            lowered.writes.iter().filter(|write| write.axes.len() == space.len()).map(|write| write.dtype.size()).sum();
        let local_bytes: usize = lowered
            .program
            .slots
            .iter()
            .filter(|slot| matches!(&slot.kind, SlotKind::Local { axes } if (0..space.len()).all(|axis| space[axis] <= 1 || axes[axis])))
            .map(|slot| slot.dtype.size())
            .sum();
        let dominant = inputs.iter().filter(varies).max_by_key(|input| input.item_bytes);
        let read_order = dominant.map_or_else(|| (0..space.len()).collect(), |input| memory_order(input, space.len()));
        let written = !lowered.writes.is_empty();
        let innermost = |order: &[usize]| order.iter().rev().copied().find(|&axis| space[axis] > 1);
        let order: Vec<usize> = if written { (0..space.len()).collect() } else { read_order.clone() };
        let compressed = lowered.writes.iter().any(|write| write.compressed);
        let square = innermost(&read_order).filter(|axis| written && !compressed && Some(*axis) != innermost(&order));
        let states = lowered.reductions.iter().map(|reduction| {
            let accumulation = &lowered.program.accumulators[reduction.acc.0 as usize];
            (reduction.kept.clone(), Accumulator::state_bytes_max(accumulation.kind, accumulation.dtype, accumulation.groups).max(1))
        });
        let states = states.filter(|(kept, _)| !kept.is_empty()).collect();
        Form { space: space.clone(), whole, order, square, point_bytes: (read_bytes + write_bytes + local_bytes).max(4) as u64, states }
    }

    fn needs<'b>(&'b self, lowered: &'b Lowered, inputs: &'b [Input<'b>], form: &'b Form) -> Needs<'b> {
        let states = lowered.reductions.iter().map(|reduction| {
            let accumulation = &lowered.program.accumulators[reduction.acc.0 as usize];
            let bytes: Box<dyn Fn(u64) -> u64> = Box::new(move |outputs| {
                let outputs = usize::try_from(outputs).unwrap_or(usize::MAX).saturating_mul(accumulation.groups);
                Accumulator::state_bytes_max(accumulation.kind, accumulation.dtype, outputs)
            });
            (reduction.kept.clone(), bytes)
        });
        let functions = lowered.functions.iter().map(|function| self.graph.functions[function.0 as usize].scratch_bytes);
        Needs {
            form,
            inputs,
            writes: lowered
                .writes
                .iter()
                .map(|write| {
                    // Every element of a run may be selected, whatever shape the selection has.
                    let axes = if write.compressed {
                        (0..self.draft.space.len()).collect()
                    } else {
                        write.axes.iter().flatten().copied().collect()
                    };
                    (axes, write.dtype.size())
                })
                .collect(),
            states: states.collect(),
            groups: lowered.program.accumulators.iter().map(|accumulation| accumulation.groups).max().unwrap_or(1),
            program: &lowered.program,
            function_bytes: functions.sum(),
            temp_bytes: self.temps.bytes_alive(self.place),
            name: format!("stage {} ({})", self.place + 1, self.name),
        }
    }

    fn finish(&self, lowered: Lowered, fitted: Fitted, elements: u64) -> Stage {
        let space = &self.draft.space;
        let writes = lowered.writes.into_iter().zip(fitted.write_bytes).map(|(write, bytes_per_run)| {
            let points: u64 =
                if write.compressed { elements } else { write.axes.iter().flatten().map(|&axis| space[axis] as u64).product() };
            let bytes_total = points * write.dtype.size() as u64;
            Write {
                slot: write.slot,
                to: write.to,
                axes: write.axes,
                dtype: write.dtype,
                compressed: write.compressed,
                bytes_per_run,
                bytes_total,
            }
        });
        let reductions =
            lowered.reductions.into_iter().zip(fitted.state_bytes).map(|(reduction, (state_bytes, run_state_bytes))| GlobalReduction {
                outputs: reduction.kept.iter().map(|&axis| space[axis]).product::<usize>()
                    * lowered.program.accumulators[reduction.acc.0 as usize].groups,
                kept: reduction.kept,
                acc: reduction.acc,
                finishes: reduction.finishes.iter().map(|(finish, node)| (*finish, self.temps.of[node])).collect(),
                state_bytes,
                run_state_bytes,
            });
        Stage {
            name: self.name.clone(),
            space: space.clone(),
            run: fitted.run,
            block: fitted.block,
            reads: fitted.reads,
            writes: writes.collect(),
            reductions: reductions.collect(),
            functions: lowered.functions,
            program: lowered.program,
            workers: fitted.workers,
            in_flight: fitted.in_flight,
            memory: fitted.memory,
        }
    }
}
