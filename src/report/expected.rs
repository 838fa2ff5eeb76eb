//! What a plan should take at least, by the rates that were measured on a machine.

use crate::plan::{Plan, ReadFrom, WriteTo};
use serde::Serialize;

/// Measured rates, in bytes per second. `None`: not known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TransferRates {
    /// Memory read by all threads.
    pub memory_read: f64,
    /// The disk of the inputs.
    pub input_read: Option<f64>,
    /// The disk of the outputs and of scratch.
    pub output_write: Option<f64>,
    /// Whether both are one disk.
    pub one_disk: bool,
}

/// What binds a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// Reading memory: the page cache, and results that stay.
    Memory,
    /// Reading the inputs from their disk.
    DiskRead,
    /// Writing the outputs to their disk.
    DiskWrite,
}

impl Resource {
    /// In words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Resource::Memory => "memory",
            Resource::DiskRead => "reading from the disk",
            Resource::DiskWrite => "writing to the disk",
        }
    }
}

/// The least that a job takes: nothing is said of computing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Expected {
    /// Seconds at least.
    pub seconds: f64,
    /// What takes most of them.
    pub binds: Resource,
}

/// Where the inputs are when a job starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inputs {
    /// In the page cache.
    Warm,
    /// On their disk; later passes find them in the page cache.
    Cold,
}

/// What moving the bytes of `plan` takes at least; `None` where it moves none, or too little is known.
///
/// Stages follow each other. Inside of one, memory and different disks work at the same time; one disk reads and writes by turns.
#[must_use]
#[allow(clippy::cast_precision_loss, reason = "an estimate")]
pub fn expected(plan: &Plan, rates: &TransferRates, inputs: Inputs) -> Option<Expected> {
    let mut seen = vec![false; plan.sources.len()];
    let mut spent = [(Resource::Memory, 0.0), (Resource::DiskRead, 0.0), (Resource::DiskWrite, 0.0)];
    let mut seconds = 0.0;
    for stage in &plan.stages {
        let (mut moved, mut cold, mut written) = (0, 0, 0);
        for read in &stage.reads {
            moved += read.bytes_total;
            let ReadFrom::Source(id) = read.from else { continue };
            let source = id.0 as usize;
            let Some(facts) = plan.sources.get(source).filter(|facts| !facts.resident) else { continue };
            if let Some(seen) = seen.get_mut(source).filter(|seen| !**seen) {
                *seen = true;
                cold += read.bytes_total.min(facts.encoded_bytes);
            }
        }
        for write in &stage.writes {
            moved += write.bytes_total;
            written += if matches!(write.to, WriteTo::Temp(_)) { 0 } else { write.bytes_total };
        }
        let memory = moved as f64 / rates.memory_read.max(1.0);
        let reading = if inputs == Inputs::Cold { cold as f64 / rates.input_read?.max(1.0) } else { 0.0 };
        let writing = if written > 0 { written as f64 / rates.output_write?.max(1.0) } else { 0.0 };
        let disks = if rates.one_disk { reading + writing } else { reading.max(writing) };
        seconds += disks.max(memory);
        let binding =
            [(0, memory), (1, reading), (2, writing)].into_iter().fold((0, memory), |most, next| if next.1 > most.1 { next } else { most });
        spent[binding.0].1 += disks.max(memory);
    }
    let most = spent.into_iter().fold(spent[0], |most, next| if next.1 > most.1 { next } else { most });
    (seconds > 0.0).then_some(Expected { seconds, binds: most.0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DType, Destination, Job, Session};

    #[test]
    fn the_slowest_resource_of_every_stage_binds() {
        let session = Session::builder().memory("256MiB").threads(2).build().unwrap();
        let x = session.imagine_as("x", DType::F32, vec![1_000_000, 100]);
        let plan = Job::new(&session).output("z", &(&x - x.mean(0)), Destination::Path("z.npy".into())).plan().unwrap();
        let rates = TransferRates { memory_read: 1e9, input_read: Some(0.1e9), output_write: Some(0.2e9), one_disk: true };
        let warm = expected(&plan, &rates, Inputs::Warm).unwrap();
        // 0.4 GB out of memory, then 0.4 GB to the disk.
        assert!((warm.seconds - 2.4).abs() < 0.01 && warm.binds == Resource::DiskWrite, "{warm:?}");
        let cold = expected(&plan, &rates, Inputs::Cold).unwrap();
        // The second pass finds the input in the page cache.
        assert!((cold.seconds - 6.0).abs() < 0.01 && cold.binds == Resource::DiskRead, "{cold:?}");
        let fast = TransferRates { output_write: Some(1e12), ..rates };
        assert_eq!(expected(&plan, &fast, Inputs::Warm).unwrap().binds, Resource::Memory);
        assert_eq!(expected(&plan, &TransferRates { output_write: None, ..rates }, Inputs::Warm), None);
    }
}
