//! A plan in words: what is read and written, how often, in what pieces, and what memory it takes.

use super::size::{count, data_bytes, memory_bytes, plural};
use crate::{
    nd::shape::show,
    plan::{Access, OutputFrom, Plan, Read, ReadFrom, Stage, StageMemory, Write, WriteTo},
};
use std::fmt::Write as _;

/// The text of a plan. Stable: equal plans give equal text.
#[must_use]
pub fn explain(plan: &Plan) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = totals(&mut text, plan);
    for (index, stage) in plan.stages.iter().enumerate() {
        let _ = stage_text(&mut text, plan, index, stage);
    }
    let _ = decisions(&mut text, plan);
    text
}

/// Number of blocks of a stage.
#[must_use]
pub fn blocks_of(stage: &Stage) -> u64 {
    pieces(&stage.space, &stage.block)
}

/// Number of runs of a stage.
#[must_use]
pub fn runs_of(stage: &Stage) -> u64 {
    let runs = stage.runs();
    (0..stage.space.len()).map(|axis| runs.count_along(axis) as u64).product()
}

fn pieces(space: &[usize], piece: &[usize]) -> u64 {
    space.iter().zip(piece).map(|(&length, &part)| length.div_ceil(part.max(1)) as u64).product()
}

fn totals(text: &mut String, plan: &Plan) -> std::fmt::Result {
    let (mut bytes_read, mut passes_text) = (0, Vec::new());
    for (index, source) in plan.sources.iter().enumerate() {
        let (passes, bytes) = source_use(plan, index);
        let place = if source.resident { ", in memory" } else { "" };
        passes_text.push(format!(
            "          {}  {} {}, {}, {}{place}",
            source.name,
            source.dtype,
            show(&source.shape),
            plural(passes, "pass", "passes"),
            data_bytes(bytes)
        ));
        bytes_read += if source.resident { 0 } else { bytes };
    }
    let bytes_written: u64 = plan.stages.iter().map(|stage| output_bytes(plan, stage)).sum::<u64>() + small_output_bytes(plan);
    let blocks: u64 = plan.stages.iter().map(blocks_of).sum();
    writeln!(text, "plan      {}, {}", plural(plan.stages.len() as u64, "stage", "stages"), plural(blocks, "block", "blocks"))?;
    writeln!(text, "reads     {}", data_bytes(bytes_read))?;
    passes_text.iter().try_for_each(|line| writeln!(text, "{line}"))?;
    writeln!(text, "writes    {}", data_bytes(bytes_written))?;
    for output in &plan.outputs {
        let chunks = output.layout.as_ref().map_or_else(String::new, |layout| format!(", in chunks of {}", show(&layout.chunk)));
        let from = origin(plan, output.from);
        writeln!(text, "          {}  {} {}, from {from}{chunks}", output.name, output.dtype, show(&output.shape))?;
    }
    let budget = plan.limits.memory_bytes;
    let threads = plural(plan.limits.threads as u64, "thread", "threads");
    writeln!(text, "memory    {} at most, of a budget of {}; {threads}", memory_bytes(plan.bytes_peak), memory_bytes(budget))?;
    for check in &plan.checks {
        writeln!(text, "asserts   {}", check.message)?;
    }
    Ok(())
}

/// How many stages read a source, and the bytes they read.
fn source_use(plan: &Plan, source: usize) -> (u64, u64) {
    let of_source = |read: &&Read| matches!(read.from, ReadFrom::Source(id) if id.0 as usize == source);
    let passes = plan.stages.iter().filter(|stage| stage.reads.iter().any(|read| of_source(&read))).count();
    let bytes = plan.stages.iter().flat_map(|stage| &stage.reads).filter(of_source).map(|read| read.bytes_total).sum();
    (passes as u64, bytes)
}

fn output_bytes(_plan: &Plan, stage: &Stage) -> u64 {
    stage.writes.iter().filter(|write| matches!(write.to, WriteTo::Output(_))).map(|write| write.bytes_total).sum()
}

/// Bytes of outputs that are small results, delivered after the last stage.
fn small_output_bytes(plan: &Plan) -> u64 {
    let of = |from: OutputFrom| match from {
        OutputFrom::Temp(id) => plan.temps.get(id.0 as usize).map_or(0, crate::plan::Temp::bytes),
        OutputFrom::Stage(_) => 0,
    };
    plan.outputs.iter().map(|output| of(output.from)).sum()
}

fn origin(plan: &Plan, from: OutputFrom) -> String {
    match from {
        OutputFrom::Stage(index) => format!("stage {}", index + 1),
        OutputFrom::Temp(id) => plan.temps.get(id.0 as usize).map_or("memory".to_string(), |temp| format!("stage {}", temp.made_by + 1)),
    }
}

fn stage_text(text: &mut String, plan: &Plan, index: usize, stage: &Stage) -> std::fmt::Result {
    writeln!(text, "\nstage {}   {}", index + 1, stage.name)?;
    let (blocks, runs) = (blocks_of(stage), runs_of(stage));
    writeln!(
        text,
        "  over    {} in {} of {}, {} of {}",
        show(&stage.space),
        plural(blocks, "block", "blocks"),
        show(&stage.block),
        plural(runs, "run", "runs"),
        show(&stage.run)
    )?;
    for read in &stage.reads {
        writeln!(text, "  reads   {}", read_text(plan, read))?;
    }
    for write in &stage.writes {
        writeln!(text, "  writes  {}", write_text(plan, write))?;
    }
    for reduction in &stage.reductions {
        let made: Vec<String> =
            reduction.finishes.iter().map(|(finish, temp)| format!("{} -> {}", finish.name(), temp_name(plan, temp.0))).collect();
        let outputs = plural(reduction.outputs as u64, "output", "outputs");
        let state = data_bytes(reduction.state_bytes);
        writeln!(text, "  reduces {} ({outputs}, state of {state})", made.join(", "))?;
    }
    for id in &stage.functions {
        let name = plan.functions.get(id.0 as usize).map_or("?", |function| function.name.as_str());
        writeln!(text, "  calls   {name}")?;
    }
    for scan in &stage.scans {
        let order = if stage.ordered { "one run after the other" } else { "block by block" };
        let lines = plural(scan.lines.iter().map(|&length| length as u64).product(), "line", "lines");
        writeln!(text, "  scans   {} along axis {}, {order} ({lines}, states of {})", scan.name, scan.axis, data_bytes(scan.state_bytes))?;
    }
    let workers = plural(stage.workers as u64, "worker", "workers");
    writeln!(
        text,
        "  memory  {} = {}; {workers}, {} in flight",
        memory_bytes(stage.memory.total()),
        parts(&stage.memory),
        plural(stage.in_flight as u64, "run", "runs")
    )
}

fn read_text(plan: &Plan, read: &Read) -> String {
    let name = match read.from {
        ReadFrom::Source(id) => plan.sources.get(id.0 as usize).map_or("?".to_string(), |source| source.name.clone()),
        ReadFrom::Temp(id) => temp_name(plan, id.0),
        ReadFrom::Scratch(id) => scratch_name(plan, id.0),
    };
    if read.access == Access::Resident && read.bytes_per_run == 0 {
        return format!("{name}, from memory");
    }
    format!("{name}, {}, {}, {} a run", data_bytes(read.bytes_total), way_of(&read.access), memory_bytes(read.bytes_per_run))
}

/// How a read gets into memory.
pub(super) fn way_of(access: &Access) -> String {
    match access {
        Access::Resident => "mapped in place, once".to_string(),
        Access::Window => "mapped in place".to_string(),
        Access::Segments { segment_axes } if segment_axes.is_empty() => "copied as one piece".to_string(),
        Access::Segments { segment_axes } => {
            format!("copied in segments along {} {}", if segment_axes.len() == 1 { "axis" } else { "axes" }, list(segment_axes))
        }
        Access::Box => "copied by chunks".to_string(),
        Access::Chunks => "mapped in place chunk by chunk".to_string(),
        Access::Picked { picked_axes } => {
            format!("picked out of chunks along {} {}", if picked_axes.len() == 1 { "axis" } else { "axes" }, list(picked_axes))
        }
    }
}

fn write_text(plan: &Plan, write: &Write) -> String {
    let name = match write.to {
        WriteTo::Output(index) => plan.outputs.get(index).map_or("?".to_string(), |output| output.name.clone()),
        WriteTo::Temp(id) => return format!("{}, {}, kept in memory", temp_name(plan, id.0), data_bytes(write.bytes_total)),
        WriteTo::Scratch(id) => scratch_name(plan, id.0),
    };
    let bound = if write.compressed { "at most " } else { "" };
    format!("{name}, {bound}{}, {} a run", data_bytes(write.bytes_total), memory_bytes(write.bytes_per_run))
}

fn temp_name(plan: &Plan, index: u32) -> String {
    plan.temps.get(index as usize).map_or("?".to_string(), |temp| format!("{} {} {}", temp.name, temp.dtype, show(&temp.shape)))
}

fn scratch_name(plan: &Plan, index: u32) -> String {
    plan.scratches.get(index as usize).map_or("?".to_string(), |scratch| {
        format!("scratch of {} {} {} in frames of {}", scratch.name, scratch.dtype, show(&scratch.shape), show(&scratch.frame))
    })
}

fn list(numbers: &[usize]) -> String {
    numbers.iter().map(|&number| count(number as u64)).collect::<Vec<_>>().join(", ")
}

fn parts(memory: &StageMemory) -> String {
    let parts = parts_of(memory);
    if parts.is_empty() {
        return "nothing".to_string();
    }
    parts.iter().map(|(name, bytes)| format!("{name} {}", memory_bytes(*bytes))).collect::<Vec<_>>().join(" + ")
}

/// The parts of a stage's memory that are not zero, the largest first.
pub(super) fn parts_of(memory: &StageMemory) -> Vec<(&'static str, u64)> {
    let mut parts = vec![
        ("small results", memory.temps),
        ("states", memory.states),
        ("mapped windows", memory.windows),
        ("read buffers", memory.read_buffers),
        ("write buffers", memory.write_buffers),
        ("scratch", memory.scratch),
        ("block functions", memory.functions),
        ("chunks in stores", memory.stores),
    ];
    parts.retain(|(_, bytes)| *bytes > 0);
    parts.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    parts
}

fn decisions(text: &mut String, plan: &Plan) -> std::fmt::Result {
    if !plan.why.is_empty() {
        writeln!(text, "\nwhy")?;
    }
    plan.why.iter().try_for_each(|decision| writeln!(text, "  {}: {}", decision.about, decision.text))
}
