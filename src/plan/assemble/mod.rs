//! From passes to the plan: temps are numbered, each pass gets its program, its shapes and its memory.

mod multiplying;

use crate::{
    error::{Error, Result},
    expr::{FunctionId, FunctionRole, Graph, NodeId},
    kernel::program::{Product, SlotKind, Step},
    nd::SourceFacts,
    numeric::{Accumulator, Scan},
    plan::{
        Access, Check, GlobalReduction, Limits, NUMERICS_VERSION, Output, OutputFrom, OutputLayout, Plan, Read, ReadFrom, Request, ScanBy,
        Stage, StageFold, StageScan, Write, WriteTo,
        chunks::{Grain, chunk_of},
        expression::{Expression, LoadFrom},
        grid::{BLOCK_BYTES, Form, memory_order},
        lower::{Lowered, LoweredScan, LoweredWrite, lower},
        memory::{Fitted, Needs, OVERHEAD_BYTES, StateBytes, WriteNeed, fit},
        reads::Input,
        share::{Draft, How, name_of, smallest_block},
        spill::{Spilling, lift, times_of},
        temps::{Temps, delivery_bytes, destinations},
        views::Views,
        why::{Why, show_bytes},
    },
};
use std::collections::BTreeMap;

/// What is asked, and what of it goes through scratch.
pub struct Asked<'a> {
    /// The request.
    pub request: &'a Request,
    /// The outputs of the request and then its checks.
    pub roots: &'a [NodeId],
    /// What bounds the job.
    pub limits: &'a Limits,
    /// What goes through scratch.
    pub spilling: &'a Spilling,
}

/// Builds the plan of `drafts`. `job` is the graph that was asked for, and its roots.
pub fn assemble(graph: &Graph, views: &Views, drafts: &[Draft], asked: &Asked<'_>, job: (&Graph, &[NodeId]), mut why: Why) -> Result<Plan> {
    let Asked { request, roots, limits, .. } = *asked;
    let expressions: Vec<Expression> = drafts.iter().map(|draft| draft.express(graph, views)).collect();
    let temps = Temps::number(graph, drafts, &expressions, asked);
    let destinations = destinations(drafts, &temps, &roots[..request.outputs.len()]);
    let output_shapes: Vec<Vec<usize>> = roots[..request.outputs.len()].iter().map(|root| graph.node(*root).shape()).collect();
    let mut stages = Vec::new();
    let mut refusals: Vec<Error> = Vec::new();
    for (place, (draft, expression)) in drafts.iter().zip(expressions).enumerate() {
        let last = place + 1 == drafts.len();
        let stage_limits = Limits { rows_per_run: limits.rows_per_run.filter(|_| last), ..limits.clone() };
        let layouts = &request.layouts;
        let assembling = Assembling {
            graph,
            draft,
            temps: &temps,
            layouts,
            output_shapes: &output_shapes,
            place,
            name: stage_name(graph, draft, request, roots),
        };
        match assembling.stage(expression, &destinations, &stage_limits) {
            Ok(stage) => {
                stage.scans.iter().for_each(|scan| note_scan(&mut why, &stage, scan));
                stage.reads.iter().for_each(|read| note_read(&mut why, graph, read, &stage));
                stages.push(stage);
            }
            Err(refusal) => refusals.push(refusal),
        }
    }
    // The budget that would do is the one that does for every pass.
    if let Some(refusal) = refusals.into_iter().max_by_key(|refusal| refusal.needed_bytes()) {
        return Err(refusal);
    }
    let outputs = request.outputs.iter().zip(roots).map(|((name, _), root)| output(graph, drafts, &temps, name, *root));
    let layouts = request.layouts.iter().cloned().chain(std::iter::repeat(None));
    let outputs: Vec<Output> = outputs.zip(layouts).map(|(output, layout)| Output { layout, ..output }).collect();
    let checks = request.checks.iter().zip(&roots[request.outputs.len()..]).map(|((message, _), root)| Check {
        temp: temps.of[root],
        shape: graph.node(graph.node(*root).args[0]).shape(),
        message: message.clone(),
    });
    let checks = checks.collect();
    let bytes_peak = stages.iter().map(|stage: &Stage| stage.memory.total()).max().unwrap_or(0) + OVERHEAD_BYTES;
    let delivery = delivery_bytes(&temps, &outputs);
    let bytes_peak = bytes_peak.max(delivery + OVERHEAD_BYTES);
    if delivery > 0 && bytes_peak > limits.memory_bytes {
        let [needed, budget] = [bytes_peak, limits.memory_bytes].map(show_bytes);
        return Err(Error::refused(format!("results that are written whole need {needed} of memory, the budget is {budget}"))
            .hint(format!("--memory {bytes_peak} ({needed}) is the smallest that works"))
            .with_needed_bytes(bytes_peak));
    }
    let job_id = job_id(job, &request.layout)?;
    let grids: Vec<_> = stages.iter().map(|stage| (&stage.run, &stage.origin, &stage.block)).collect();
    let plan_id = hash(&(&job_id, grids))?;
    Ok(Plan {
        sources: graph.sources.clone(),
        functions: graph.functions.clone(),
        temps: temps.list,
        scratches: temps.scratches,
        stages,
        outputs,
        checks,
        limits: limits.clone(),
        bytes_peak,
        why: why.finish(),
        numerics: NUMERICS_VERSION,
        job_id,
        plan_id,
    })
}

/// Tells what is asked for, whatever the inputs are called and the limits are.
fn job_id((graph, roots): (&Graph, &[NodeId]), layout: &str) -> Result<String> {
    let sources: Vec<SourceFacts> = graph.sources.iter().map(SourceFacts::nameless).collect();
    hash(&(&graph.nodes, sources, &graph.functions, roots, layout, NUMERICS_VERSION))
}

fn note_scan(why: &mut Why, stage: &Stage, scan: &StageScan) {
    let (axis, length) = (scan.axis, stage.space[scan.axis]);
    let lines: u64 = scan.lines.iter().map(|&length| length as u64).product();
    let text = if stage.ordered {
        let states = format!("the states of {lines} lines ({}) are carried from run to run", show_bytes(scan.state_bytes));
        format!("runs are computed one after the other: lines of {length} along axis {axis} are cut, {states}")
    } else {
        format!("lines of {length} along axis {axis} lie whole in a block: blocks are independent")
    };
    why.note(scan.name.clone(), text);
}

fn note_read(why: &mut Why, graph: &Graph, read: &Read, stage: &Stage) {
    let ReadFrom::Source(id) = read.from else { return };
    let facts = &graph.sources[id.0 as usize];
    let times = times_of(read, facts, stage);
    let often = if times < 1.005 { "once".to_string() } else { format!("{times:.2} times") };
    let bytes = show_bytes(read.bytes_total);
    let text = match read.access {
        Access::Chunks if times < 1.005 => format!("its chunks are not encoded and used where they lie: {bytes}"),
        Access::Chunks => format!("its chunks are not encoded and used where they lie, {often}: {bytes}"),
        _ if chunk_of(Some(facts)).is_some() && read.bytes_total > 0 => format!("its chunks are decoded {often}: {bytes}"),
        Access::Window | Access::Segments { .. } if times >= 1.005 => format!("its pages are read {often}: {bytes}"),
        _ => return,
    };
    why.note(facts.name.clone(), text);
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
    Output { name: name.to_string(), shape: node.shape(), dtype: node.dtype(), from, layout: None }
}

/// How many times its bytes the state of a line counts where blocks are shaped: it is read and written once a block.
const SCAN_WEIGHT: u64 = 4;

struct Assembling<'a> {
    graph: &'a Graph,
    draft: &'a Draft,
    temps: &'a Temps,
    layouts: &'a [Option<OutputLayout>],
    output_shapes: &'a [Vec<usize>],
    place: usize,
    name: String,
}

impl Assembling<'_> {
    fn stage(&self, expression: Expression, destinations: &BTreeMap<NodeId, Vec<WriteTo>>, limits: &Limits) -> Result<Stage> {
        let mut whole = expression.whole.clone();
        let lowered = lower(self.graph, self.draft, expression, destinations);
        // A block has both sides of a product whose sides are one.
        for step in &lowered.program.steps {
            if let Step::Product(Product { right: None, mirrored, .. }) = step {
                mirrored.iter().for_each(|&axis| whole[axis] = true);
            }
        }
        let inputs = self.inputs(&lowered);
        let fitted = match self.whole_lines(&lowered, &whole, limits) {
            // Where whole lines do not fit after all, their states are carried.
            Some(lines) => self.fit(&lowered, &inputs, lines, limits).or_else(|_| self.fit(&lowered, &inputs, whole, limits))?,
            None => self.fit(&lowered, &inputs, whole, limits)?,
        };
        let elements: u64 = self.draft.space.iter().map(|&length| length as u64).product();
        Ok(self.finish(lowered, fitted, elements))
    }

    fn fit(&self, lowered: &Lowered, inputs: &[Input<'_>], whole: Vec<bool>, limits: &Limits) -> Result<Fitted> {
        let form = self.form(lowered, inputs, whole);
        fit(&self.needs(lowered, inputs, &form), limits)
    }

    /// `whole` with the axes that are scanned, if a block of whole lines is no larger than any other: then blocks are independent.
    fn whole_lines(&self, lowered: &Lowered, whole: &[bool], limits: &Limits) -> Option<Vec<bool>> {
        let mut lines = whole.to_vec();
        lowered.scans.iter().for_each(|scan| lines[scan.axis] = true);
        let widest = lowered.scans.iter().map(|scan| scan.dtype.size()).max()?;
        let (bytes, _) = smallest_block(&self.draft.space, &lines, widest);
        (bytes <= limits.block_bytes.unwrap_or(BLOCK_BYTES)).then_some(lines)
    }

    /// Bytes of the states of a number of lines.
    fn line_bytes(&self, scan: &LoweredScan) -> StateBytes<'static> {
        let dtype = scan.dtype;
        match scan.by {
            ScanBy::Own(kind) => Box::new(move |lines| Scan::state_bytes_max(kind, dtype, usize::try_from(lines).unwrap_or(usize::MAX))),
            ScanBy::User(function) => {
                let state = match self.graph.functions[function.0 as usize].role {
                    FunctionRole::Scan { state_bytes, .. } => state_bytes,
                    _ => 0,
                };
                Box::new(move |lines| lines.saturating_mul(state))
            }
        }
    }

    fn fold_bytes(&self, function: FunctionId) -> u64 {
        match self.graph.functions[function.0 as usize].role {
            FunctionRole::Fold { state_bytes, .. } => state_bytes,
            _ => 0,
        }
    }

    fn inputs(&self, lowered: &Lowered) -> Vec<Input<'_>> {
        let inputs = lowered.reads.iter().map(|read| {
            let (slot, item_bytes, map) = (read.slot, read.dtype.size(), read.map.clone());
            match read.from {
                LoadFrom::Source(source) => {
                    let facts = Some(&self.graph.sources[source.0 as usize]);
                    Input { slot, from: ReadFrom::Source(source), facts, map, item_bytes }
                }
                LoadFrom::Result(node) => match self.temps.spilled.get(&node) {
                    None => Input { slot, from: ReadFrom::Temp(self.temps.of[&node]), facts: None, map, item_bytes },
                    Some(&id) => {
                        let (facts, scratch) = (&self.temps.facts[id.0 as usize], &self.temps.scratches[id.0 as usize]);
                        let is_linear = facts.shape != scratch.shape;
                        let map = if is_linear { map } else { lift(&map, &scratch.shape).unwrap_or(map) };
                        Input { slot, from: ReadFrom::Scratch(id), facts: Some(facts), map, item_bytes }
                    }
                },
            }
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
            .filter(|slot| match &slot.kind {
                SlotKind::Local { axes } => (0..space.len()).all(|axis| space[axis] <= 1 || axes[axis]),
                kind => matches!(kind, SlotKind::Halo { .. }),
            })
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
            (
                reduction.kept.clone(),
                Accumulator::output_bytes(accumulation.kind, accumulation.dtype).saturating_mul(accumulation.groups as u64).max(1),
            )
        });
        let lines = lowered.scans.iter().map(|scan| {
            let others = (0..space.len()).filter(|&axis| axis != scan.axis).collect();
            let bytes = self.line_bytes(scan);
            (others, SCAN_WEIGHT * (bytes(1024) - bytes(0)) / 1024)
        });
        let states: Vec<(Vec<usize>, u64)> = states.filter(|(kept, _)| !kept.is_empty()).collect();
        let lines: Vec<_> = lines.collect();
        let only_reduces = local_bytes == 0 && !written && lines.is_empty();
        let sums_columns = only_reduces && innermost(&order).is_some_and(|inner| states.iter().any(|(kept, _)| kept.contains(&inner)));
        let product = self.product_form(lowered, inputs, &whole, write_bytes as u64);
        Form {
            space: space.clone(),
            whole,
            order,
            square,
            point_bytes: (read_bytes + write_bytes + local_bytes) as u64,
            sums_columns,
            states,
            lines,
            product,
        }
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
            writes: lowered.writes.iter().map(|write| self.write_need(write)).collect(),
            grains: self.grains(lowered, inputs),
            states: states.collect(),
            scans: lowered.scans.iter().map(|scan| (scan.axis, self.line_bytes(scan))).collect(),
            fold_bytes: lowered.folds.iter().map(|(function, _)| self.fold_bytes(*function)).fold(0, u64::saturating_add),
            groups: lowered.program.accumulators.iter().map(|accumulation| accumulation.groups).max().unwrap_or(1),
            program: &lowered.program,
            function_bytes: functions.sum(),
            temp_bytes: self.temps.bytes_alive(self.place),
            name: format!("stage {} ({})", self.place + 1, self.name),
        }
    }

    /// How the store of a written output wants it.
    fn layout_of(&self, write: &LoweredWrite) -> Option<&OutputLayout> {
        match write.to {
            WriteTo::Output(output) => self.layouts.get(output)?.as_ref(),
            WriteTo::Temp(_) => None,
            WriteTo::Scratch(id) => self.temps.layouts.get(id.0 as usize),
        }
    }

    fn write_need(&self, write: &LoweredWrite) -> WriteNeed<'_> {
        let layout = self.layout_of(write);
        // Every element of a run may be selected, whatever shape the selection has.
        let axes = if write.compressed { (0..self.draft.space.len()).collect() } else { write.axes.iter().flatten().copied().collect() };
        let waiting_bytes = match layout.filter(|_| write.compressed) {
            Some(layout) => self.waiting_bytes(write, layout),
            None => 0,
        };
        WriteNeed { axes, item_bytes: write.dtype.size(), layout, waiting_bytes }
    }

    /// Bytes of one row of chunks of a selection.
    fn waiting_bytes(&self, write: &LoweredWrite, layout: &OutputLayout) -> u64 {
        let WriteTo::Output(output) = write.to else { return 0 };
        let shape = &self.output_shapes[output];
        let rows = layout.chunk.first().copied().unwrap_or(1).min(shape.first().copied().unwrap_or(1)) as u64;
        shape.iter().skip(1).fold(rows * write.dtype.size() as u64, |bytes, &length| bytes.saturating_mul(length as u64))
    }

    /// What runs are multiples of, best first: the chunks of outputs always, those of sources where it can be had.
    fn grains(&self, lowered: &Lowered, inputs: &[Input<'_>]) -> Vec<Grain> {
        let space = &self.draft.space;
        let mut needed = Grain::none(space.len());
        for write in lowered.writes.iter().filter(|write| !write.compressed) {
            if let Some(layout) = self.layout_of(write) {
                needed = needed.and(&Grain::of_output(&write.axes, &layout.chunk, space), space);
            }
        }
        let of_input = |input: &Input<'_>| chunk_of(input.facts).map(|chunk| Grain::of_source(&input.map, chunk, space));
        let mut sources: Vec<(usize, Grain)> =
            inputs.iter().filter_map(|input| Some((input.item_bytes, of_input(input)?))).filter(|(_, grain)| !grain.is_none()).collect();
        sources.sort_by_key(|(item_bytes, _)| std::cmp::Reverse(*item_bytes));
        sources.dedup_by(|a, b| a.1 == b.1);
        let mut grains = Vec::new();
        if sources.len() > 1 {
            grains.push(sources.iter().fold(needed.clone(), |all, (_, grain)| all.and(grain, space)));
        }
        grains.extend(sources.iter().map(|(_, grain)| needed.and(grain, space)));
        grains.push(needed);
        grains.dedup();
        grains
    }

    fn finish(&self, lowered: Lowered, fitted: Fitted, elements: u64) -> Stage {
        let space = &self.draft.space;
        let stores: Vec<(u64, u64)> = lowered
            .writes
            .iter()
            .map(|write| (self.layout_of(write).map_or(0, |layout| layout.scratch_bytes), self.write_need(write).waiting_bytes))
            .collect();
        let writes = lowered.writes.into_iter().zip(fitted.write_bytes).zip(stores).map(|((write, bytes_per_run), stores)| {
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
                scratch_bytes: stores.0,
                waiting_bytes: stores.1,
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
        let scans = lowered.scans.into_iter().zip(fitted.scan_lines).map(|(scan, (lines, state_bytes))| StageScan {
            name: scan.name,
            by: scan.by,
            axis: scan.axis,
            dtype: scan.dtype,
            lines,
            state_bytes,
        });
        let folds = lowered.folds.iter().map(|(function, node)| StageFold {
            function: *function,
            temp: self.temps.of[node],
            state_bytes: self.fold_bytes(*function),
        });
        let folds = folds.collect();
        Stage {
            name: self.name.clone(),
            space: space.clone(),
            product_axes: space.len() - self.draft.own_axes().min(space.len()),
            run: fitted.run,
            origin: fitted.origin,
            block: fitted.block,
            reads: fitted.reads,
            writes: writes.collect(),
            reductions: reductions.collect(),
            functions: lowered.functions,
            scans: scans.collect(),
            folds,
            ordered: fitted.ordered,
            program: lowered.program,
            workers: fitted.workers,
            in_flight: fitted.in_flight,
            memory: fitted.memory,
        }
    }
}
