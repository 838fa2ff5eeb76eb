//! What would bite, found in what was found. Pure, so that every sentence has its test.

use super::findings::{Findings, PathFindings};
use outcore::report::size::{count, data_bytes, memory_bytes};

/// A budget below this leaves room for little but runs of the smallest size.
const BUDGET_SMALL_BYTES: u64 = 64 << 20;
/// Shards of a large store that may be open at the same time, and some.
const OPEN_FILES_SMALL: u64 = 1024;
/// Below this, outputs of some size do not fit.
const FREE_SMALL_BYTES: u64 = 1 << 30;

/// One sentence each: what, the numbers, what to do.
pub fn warnings(found: &Findings) -> Vec<String> {
    let mut said = Vec::new();
    threads(found, &mut said);
    memory(found, &mut said);
    found.paths.iter().for_each(|path| place(path, found, &mut said));
    if let Some(limit) = found.in_force.open_files.filter(|&limit| limit < OPEN_FILES_SMALL) {
        let hard = found.in_force.open_files_hard.map_or("no limit".to_string(), count);
        said.push(format!(
            "only {} files may be open at a time: stores of many shards may need more (`ulimit -n`, up to {hard})",
            count(limit)
        ));
    }
    if found.versions.build == "debug" {
        said.push("this program was built without optimisation: `cargo build --release`".to_string());
    }
    if let Some(why) = &found.profile.stale {
        said.push(format!("the machine profile is not used: {why}; `outcore doctor --save` and `outcore tune --save` write a new one"));
    }
    said
}

fn threads(found: &Findings, said: &mut Vec<String>) {
    let threads = &found.threads;
    if threads.count > threads.allowed {
        said.push(format!(
            "{} threads on {} processors that may be used: they wait for each other ({})",
            threads.count, threads.allowed, threads.why
        ));
    }
    if let Some(quota) = threads.quota.as_ref().filter(|quota| quota.processors < 1.0) {
        said.push(format!("the control group allows {:.2} of one processor: everything is stopped again and again", quota.processors));
    }
    let (Some(widest), isa) = (found.processor.isas.last(), &found.processor.isa) else { return };
    if widest != isa {
        said.push(format!("OUTCORE_ISA={isa} although this processor has {widest}: slower, with the same results"));
    }
    for name in ["OMP_NUM_THREADS", "RAYON_NUM_THREADS"] {
        if let Some(value) = found.variables.get(name) {
            said.push(format!("{name}={value} does not change outcore: --threads or OUTCORE_THREADS does"));
        }
    }
}

fn memory(found: &Findings, said: &mut Vec<String>) {
    let memory = &found.memory;
    if memory.budget_bytes < BUDGET_SMALL_BYTES {
        said.push(format!("a budget of {} ({}): large jobs are refused or slow", memory_bytes(memory.budget_bytes), memory.budget_why));
    }
    if let Some(limit) = memory.group_bytes.filter(|&limit| limit < memory.budget_bytes) {
        let (budget, limit) = (memory_bytes(memory.budget_bytes), memory_bytes(limit));
        said.push(format!("the budget of {budget} is more than the control group's {limit}: the kernel may end the program"));
    }
    if let Some(available) = memory.available_bytes.filter(|&available| available < memory.budget_bytes) {
        let (budget, available) = (memory_bytes(memory.budget_bytes), memory_bytes(available));
        said.push(format!("the budget is {budget}, but only {available} are available now: others would be swapped or ended"));
    }
    if memory.swap_used_bytes > 0 {
        said.push(format!(
            "{} are swapped out: memory was short, and what is swapped in again waits for a disk",
            memory_bytes(memory.swap_used_bytes)
        ));
    }
    if memory.huge_pages.as_deref() == Some("never") {
        said.push(
            "transparent huge pages are off: large buffers cost more (`echo madvise > /sys/kernel/mm/transparent_hugepage/enabled`)"
                .to_string(),
        );
    }
}

fn place(path: &PathFindings, found: &Findings, said: &mut Vec<String>) {
    let (shown, kind) = (path.path.display(), &path.kind);
    match path.medium {
        "memory" => said.push(format!("{shown} lies in memory ({kind}): scratch and outputs there take memory that the budget does not count")),
        "network" if found.in_force.io != "read" => said.push(format!(
            "{shown} lies on another machine ({kind}): mapped files wait for the network page by page, and a lost connection is a bus error; `--io read`"
        )),
        _ => {}
    }
    // Those of the kernel hold nothing.
    if path.total_bytes > 0 && path.free_bytes < FREE_SMALL_BYTES {
        said.push(format!("{shown}: only {} are free on {}", data_bytes(path.free_bytes), path.mount));
    }
}

#[cfg(test)]
mod tests {
    use super::{super::findings::*, super::groups::Quota, *};

    /// A machine without any fault.
    fn healthy() -> Findings {
        let mut found = Findings::default();
        found.versions.build = "release";
        found.processor.isas = vec!["baseline".into(), "avx2".into()];
        found.processor.isa = "avx2".into();
        (found.threads.count, found.threads.allowed) = (4, 4);
        found.memory.budget_bytes = 4 << 30;
        found.memory.available_bytes = Some(7 << 30);
        found.memory.huge_pages = Some("madvise".into());
        found.in_force.open_files = Some(1 << 16);
        found.in_force.io = "auto".into();
        found.paths = vec![PathFindings {
            path: "/data".into(),
            kind: "ext4".into(),
            medium: "disk",
            free_bytes: 1 << 40,
            ..PathFindings::default()
        }];
        found
    }

    #[test]
    fn each_fault_is_named_and_nothing_else() {
        assert_eq!(warnings(&healthy()), [] as [String; 0]);
        type Fault = fn(&mut Findings);
        let faults: [(Fault, &str); 15] = [
            (|found| found.threads.count = 16, "16 threads on 4 processors"),
            (|found| found.threads.quota = Some(Quota { processors: 0.5, file: "cpu.max".into() }), "0.50 of one processor"),
            (|found| found.processor.isa = "baseline".into(), "OUTCORE_ISA=baseline"),
            (|found| drop(found.variables.insert("OMP_NUM_THREADS".into(), "1".into())), "OMP_NUM_THREADS=1"),
            (|found| found.memory.budget_bytes = 8 << 20, "8.00 MiB"),
            (|found| found.memory.group_bytes = Some(1 << 30), "control group's 1.00 GiB"),
            (|found| found.memory.available_bytes = Some(1 << 30), "only 1.00 GiB are available"),
            (|found| found.memory.swap_used_bytes = 1 << 30, "swapped out"),
            (|found| found.memory.huge_pages = Some("never".into()), "huge pages are off"),
            (|found| (found.paths[0].medium, found.paths[0].kind) = ("network", "nfs".into()), "--io read"),
            (|found| (found.paths[0].medium, found.paths[0].kind) = ("memory", "tmpfs".into()), "lies in memory (tmpfs)"),
            (|found| (found.paths[0].free_bytes, found.paths[0].total_bytes) = (1000, 1 << 40), "only 1.00 kB are free"),
            (|found| found.in_force.open_files = Some(256), "only 256 files"),
            (|found| found.versions.build = "debug", "without optimisation"),
            (|found| found.profile.stale = Some("it is of the machine a, this is b".into()), "profile is not used"),
        ];
        for (fault, part) in faults {
            let mut found = healthy();
            fault(&mut found);
            let said = warnings(&found);
            assert!(said.len() == 1 && said[0].contains(part), "{part}: {said:?}");
        }
        let mut found = healthy();
        (found.paths[0].medium, found.in_force.io) = ("network", "read".into());
        assert_eq!(warnings(&found), [] as [String; 0], "what is read is not mapped");
    }
}
