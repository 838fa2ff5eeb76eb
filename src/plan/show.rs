//! The stable text form of a plan: a change of plan is a visible diff.

use crate::{
    nd::shape::show,
    plan::{Access, OutputFrom, Plan, ReadFrom, Stage, WriteTo, why::show_bytes},
};
use std::fmt::Write as _;

impl Plan {
    /// The plan as text: stages, shapes, reads, writes, reductions, programs, decisions. Stable for equal plans.
    #[must_use]
    pub fn show(&self) -> String {
        let mut text = String::new();
        let _ = writeln!(
            text,
            "plan: {} stage{}, peak {}",
            self.stages.len(),
            if self.stages.len() == 1 { "" } else { "s" },
            show_bytes(self.bytes_peak)
        );
        for (place, stage) in self.stages.iter().enumerate() {
            self.show_stage(&mut text, place, stage);
        }
        for output in &self.outputs {
            let from = match output.from {
                OutputFrom::Stage(stage) => format!("stage {}", stage + 1),
                OutputFrom::Temp(temp) => format!("t{}", temp.0),
            };
            let _ = writeln!(text, "output {}: {} {} from {from}", output.name, output.dtype, show(&output.shape));
        }
        for check in &self.checks {
            let _ = writeln!(text, "check t{}: {}", check.temp.0, check.message);
        }
        for decision in &self.why {
            let _ = writeln!(text, "why {}: {}", decision.about, decision.text);
        }
        text
    }

    fn show_stage(&self, text: &mut String, place: usize, stage: &Stage) {
        let _ = writeln!(
            text,
            "stage {} {}: space {} run {} block {}",
            place + 1,
            stage.name,
            show(&stage.space),
            show(&stage.run),
            show(&stage.block)
        );
        for read in &stage.reads {
            let from = match read.from {
                ReadFrom::Source(source) => self.sources[source.0 as usize].name.clone(),
                ReadFrom::Temp(temp) => format!("t{}", temp.0),
                ReadFrom::Scratch(scratch) => format!("scratch {}", scratch.0),
            };
            let access = match &read.access {
                Access::Resident => "in memory".to_string(),
                Access::Window => "window".to_string(),
                Access::Segments { segment_axes } => format!("segments along {}", show(segment_axes)),
                Access::Box => "box".to_string(),
                Access::Chunks => "windows of chunks".to_string(),
                Access::Picked { picked_axes } => format!("picked along {}", show(picked_axes)),
            };
            let _ = writeln!(text, "  read s{} {from}: {access}, {} a run", read.slot.0, show_bytes(read.bytes_per_run));
        }
        for reduction in &stage.reductions {
            for (finish, temp) in &reduction.finishes {
                let kind = stage.program.accumulators[reduction.acc.0 as usize].kind;
                let _ = writeln!(
                    text,
                    "  reduce a{} {kind:?} -> {} t{} ({} outputs, {})",
                    reduction.acc.0,
                    finish.name(),
                    temp.0,
                    reduction.outputs,
                    show_bytes(reduction.state_bytes)
                );
            }
        }
        for scan in &stage.scans {
            let _ =
                writeln!(text, "  scan {} along {}: lines {}, {}", scan.name, scan.axis, show(&scan.lines), show_bytes(scan.state_bytes));
        }
        if stage.ordered {
            let _ = writeln!(text, "  runs in order");
        }
        for write in &stage.writes {
            let to = match write.to {
                WriteTo::Output(output) => self.outputs[output].name.clone(),
                WriteTo::Temp(temp) => format!("t{}", temp.0),
                WriteTo::Scratch(scratch) => {
                    format!("scratch {} in frames of {}", scratch.0, show(&self.scratches[scratch.0 as usize].frame))
                }
            };
            let _ = writeln!(
                text,
                "  write s{} -> {to}: {} a run{}",
                write.slot.0,
                show_bytes(write.bytes_per_run),
                if write.compressed { ", selected" } else { "" }
            );
        }
    }
}
