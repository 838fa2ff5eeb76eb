//! What every later floor relies on, stated once: a plan that breaks it is a bug of this floor.

use crate::{
    error::{Error, Result},
    kernel::program::{SlotKind, Step},
    plan::{Plan, ReadFrom, Stage, Write, WriteTo},
};

/// Checks the invariants of a plan.
pub fn check(plan: &Plan) -> Result<()> {
    for (place, stage) in plan.stages.iter().enumerate() {
        check_stage(plan, place, stage).map_err(|what| Error::internal(format!("plan of stage {} ({}): {what}", place + 1, stage.name)))?;
    }
    Ok(())
}

fn check_stage(plan: &Plan, place: usize, stage: &Stage) -> Result<(), String> {
    let rank = stage.space.len();
    let expect = |holds: bool, what: &str| if holds { Ok(()) } else { Err(what.to_string()) };
    expect(stage.run.len() == rank && stage.block.len() == rank, "run and block have the rank of the space")?;
    for axis in 0..rank {
        expect(stage.block[axis] >= 1 && stage.block[axis] <= stage.run[axis], "a block lies inside its run")?;
    }
    expect(stage.origin.is_empty() || stage.origin.len() == rank, "what the first run lacks has the rank of the space")?;
    expect(!stage.ordered || stage.workers == 1, "runs that come in order have one worker")?;
    for scan in &stage.scans {
        expect(stage.ordered || stage.block[scan.axis] >= stage.space[scan.axis], "lines that are cut are computed in order")?;
    }
    expect(stage.workers >= 1 && stage.workers <= stage.in_flight, "workers are among the runs in flight")?;
    for read in &stage.reads {
        let covers = read.map.shape.len() == rank && read.map.shape.iter().zip(&stage.space).all(|(have, need)| have >= need);
        expect(covers, "a read maps the stage's space, and neighbours")?;
        expect(matches!(stage.program.slots[read.slot.0 as usize].kind, SlotKind::Input), "a read feeds an input slot")?;
        if let ReadFrom::Scratch(id) = read.from {
            let scratch = &plan.scratches[id.0 as usize];
            expect(scratch.made_by < place && place <= scratch.last_use, "a scratch is made before it is read and lives until then")?;
        }
        if let ReadFrom::Temp(temp) = read.from {
            let temp = &plan.temps[temp.0 as usize];
            expect(temp.made_by < place && place <= temp.last_use, "a temp is made before it is read and lives until then")?;
        }
    }
    for write in &stage.writes {
        expect(matches!(stage.program.slots[write.slot.0 as usize].kind, SlotKind::Output), "a write comes from an output slot")?;
        if let WriteTo::Output(output) = write.to
            && let Some(layout) = plan.outputs[output].layout.as_ref().filter(|_| !write.compressed)
        {
            expect(one_writer(stage, write, &layout.chunk), "every chunk of an output has exactly one writer")?;
        }
        if let WriteTo::Scratch(id) = write.to {
            let scratch = &plan.scratches[id.0 as usize];
            let whole = !write.compressed && one_writer(stage, write, &scratch.frame);
            expect(whole && scratch.made_by == place, "every frame of a scratch has exactly one writer, in the stage that makes it")?;
        }
        if let WriteTo::Temp(temp) = write.to {
            expect(plan.temps[temp.0 as usize].made_by == place, "a temp is written by the stage that makes it")?;
        }
    }
    for step in &stage.program.steps {
        if let Step::Scan { scan, .. } = step {
            expect(*scan < stage.scans.len(), "a step scans what the stage scans")?;
        }
        if let Step::Product(product) = step
            && !stage.program.accumulators[product.acc.0 as usize].finishes.is_empty()
        {
            let is_whole = product.inner.iter().all(|&axis| stage.block[axis] >= stage.space[axis]);
            expect(is_whole, "what is multiplied inside a pass has its inner axes whole in a block")?;
        }
        if let Step::Sweep(sweep) = step {
            expect(sweep.axes.len() == rank && sweep.tile_elements >= 1, "a sweep walks the stage's axes in tiles")?;
        }
    }
    Ok(())
}

/// Whether runs end where chunks of a written output do, along every axis that they cut.
fn one_writer(stage: &Stage, write: &Write, chunk: &[usize]) -> bool {
    chunk.len() == write.axes.len()
        && write.axes.iter().zip(chunk).all(|(axis, &chunk)| match *axis {
            None => true,
            Some(axis) => {
                let lacks = stage.origin.get(axis).copied().unwrap_or(0);
                stage.run[axis] >= stage.space[axis] || (stage.run[axis].is_multiple_of(chunk) && lacks.is_multiple_of(chunk))
            }
        })
}
