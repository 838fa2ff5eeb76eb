//! The findings for people: a name, a value, and why.

use super::findings::{Findings, PathFindings};
use crate::profile::{Applied, Profile};
use outcore::report::size::{data_bytes, memory_bytes};

/// Width of the names.
const NAMES: usize = 14;

/// The table. Names repeat for no line that goes on.
pub fn text(found: &Findings) -> String {
    let mut rows: Vec<(&'static str, String)> = Vec::new();
    processor_rows(found, &mut rows);
    memory_rows(found, &mut rows);
    rows.extend(found.paths.iter().map(|path| ("disk", path_text(path))));
    force_rows(found, &mut rows);
    rows.extend(found.warnings.iter().map(|text| ("warning", text.clone())));
    if found.warnings.is_empty() {
        rows.push(("warning", "none".to_string()));
    }
    let mut lines = Vec::new();
    for (index, (name, text)) in rows.iter().enumerate() {
        let repeats = index > 0 && rows[index - 1].0 == *name && *name != "warning";
        lines.push(format!("{:NAMES$}{text}", if repeats { "" } else { name }));
    }
    lines.join("\n")
}

fn processor_rows(found: &Findings, rows: &mut Vec<(&'static str, String)>) {
    let processor = &found.processor;
    rows.push((
        "version",
        format!(
            "outcore {} ({}), numerics {}, {}",
            found.versions.outcore, found.versions.build, found.versions.numerics, found.versions.kernel
        ),
    ));
    rows.push(("machine", found.versions.hostname.clone()));
    rows.push(("processor", processor.model.clone()));
    rows.push(("features", processor.features.join(" ")));
    rows.push(("kernels", format!("{}: {} (there are {})", processor.isa, processor.isa_why, processor.isas.join(", "))));
    let caches = processor.caches.iter().map(|cache| {
        let kind = if cache.kind == "Unified" { String::new() } else { format!(" {}", cache.kind.to_lowercase()) };
        format!("L{}{kind} {}, shared by {}", cache.level, memory_bytes(cache.bytes), cache.shared_by)
    });
    rows.extend(caches.map(|text| ("cache", text)));
    let number = |count: Option<usize>| count.map_or("?".to_string(), |count| count.to_string());
    let (cores, online, affinity) = (number(processor.cores), number(processor.online), number(found.threads.affinity));
    rows.push(("processors", format!("{online} online on {cores} cores; affinity allows {affinity}")));
    let quota = found.threads.quota.as_ref().map(|quota| format!("{:.2} processors, {}", quota.processors, quota.file.display()));
    rows.push(("quota", quota.unwrap_or_else(|| "none".to_string())));
    rows.push(("threads", format!("{}: {}", found.threads.count, found.threads.why)));
}

fn memory_rows(found: &Findings, rows: &mut Vec<(&'static str, String)>) {
    let memory = &found.memory;
    let available = memory.available_bytes.map_or("?".to_string(), memory_bytes);
    let group = memory.group_bytes.map_or("none".to_string(), memory_bytes);
    rows.push(("memory", format!("{}, {available} available; limit of the control group: {group}", memory_bytes(memory.total_bytes))));
    rows.push(("budget", format!("{}: {}", memory_bytes(memory.budget_bytes), memory.budget_why)));
    rows.push(("swap", format!("{}, {} used", memory_bytes(memory.swap_total_bytes), memory_bytes(memory.swap_used_bytes))));
    rows.push(("huge pages", memory.huge_pages.clone().unwrap_or_else(|| "not told".to_string())));
    if let Some(rates) = &found.memory_rates {
        let (buffer, threads) = (memory_bytes(rates.buffer_bytes), rates.threads);
        rows.push((
            "bandwidth",
            format!("read {} with one thread, {} with {threads} (buffers of {buffer})", rate(rates.read_one), rate(rates.read_all)),
        ));
        rows.push((
            "bandwidth",
            format!("copy {} with one thread, {} with {threads} (read and written)", rate(rates.copy_one), rate(rates.copy_all)),
        ));
    }
}

fn path_text(path: &PathFindings) -> String {
    let place = format!("{} on {} ({}, {})", path.path.display(), path.mount, path.kind, path.medium);
    let room = format!("{} of {} free", data_bytes(path.free_bytes), data_bytes(path.total_bytes));
    let measured = match (path.write, path.read, &path.not_measured) {
        (Some(write), Some(read), _) => format!("; write + fsync {}, cold read {}", rate(write), rate(read)),
        (_, _, Some(why)) => format!("; not measured: {why}"),
        _ => String::new(),
    };
    format!("{place}, {room}{measured}")
}

fn force_rows(found: &Findings, rows: &mut Vec<(&'static str, String)>) {
    let force = &found.in_force;
    let block = force.block_bytes.map_or("from the cache".to_string(), memory_bytes);
    let scratch = force.scratch.as_ref().map_or("beside the first output".to_string(), |path| path.display().to_string());
    rows.push(("in force", format!("block {block}, io {}, sum {}, scratch {scratch}", force.io, force.sum)));
    let number = |limit: Option<u64>| limit.map_or("no limit".to_string(), |limit| limit.to_string());
    rows.push(("open files", format!("{}, at most {}", number(force.open_files), number(force.open_files_hard))));
    let variables: Vec<String> = found.variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
    rows.push(("variables", if variables.is_empty() { "none".to_string() } else { variables.join(" ") }));
    let profile = match (&found.profile.path, &found.profile.profile) {
        (Some(path), Some(profile)) => format!("{}: {}", path.display(), profile_text(profile)),
        (Some(path), None) => format!("{}: {}", path.display(), found.profile.stale.as_deref().unwrap_or("there is none")),
        (None, _) => "switched off".to_string(),
    };
    rows.push(("profile", profile));
}

fn profile_text(profile: &Profile) -> String {
    let rates = profile.rates.as_ref().map_or("no rates".to_string(), |rates| {
        let disks = rates.disks.iter().map(|disk| format!(", {} reads {} and writes {}", disk.mount, rate(disk.read), rate(disk.write)));
        format!("memory reads {}{}", rate(rates.memory_read), disks.collect::<String>())
    });
    let tuned = profile.tuned.as_ref().map_or("nothing tuned".to_string(), |tuned| {
        let applied = Applied { block_bytes: tuned.block_bytes, threads: tuned.threads, io: tuned.io }.show();
        format!("tuned for `{}`: {}", tuned.statements, if applied.is_empty() { "the defaults are best".to_string() } else { applied })
    });
    format!("{tuned}; {rates}")
}

/// Bytes per second.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "shown to a person")]
fn rate(bytes_per_second: f64) -> String {
    format!("{}/s", data_bytes(bytes_per_second as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_once_and_every_line_has_something_to_say() {
        let mut found = Findings::default();
        found.versions.hostname = "host".into();
        found.processor.model = "cpu".into();
        found.processor.features = vec!["avx2".into()];
        let path = PathFindings {
            path: "/a".into(),
            mount: "/".into(),
            kind: "ext4".into(),
            medium: "disk",
            write: Some(1e9),
            read: Some(2e9),
            ..PathFindings::default()
        };
        found.paths = vec![path.clone(), PathFindings { path: "/b".into(), write: None, not_measured: Some("full".into()), ..path }];
        let text = text(&found);
        assert_eq!(text.lines().filter(|line| line.starts_with("disk ")).count(), 1);
        assert!(text.contains("write + fsync 1.00 GB/s, cold read 2.00 GB/s"), "{text}");
        assert!(text.contains("/b on / (ext4, disk), 0 B of 0 B free; not measured: full"), "{text}");
        assert!(text.lines().all(|line| line.len() > NAMES), "{text}");
        assert!(text.ends_with("warning       none"), "{text}");
    }
}
