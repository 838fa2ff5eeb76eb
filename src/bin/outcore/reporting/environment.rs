//! Where a command ran: what a reader of a report asks next when a number surprises.

use crate::{args::spelling, settings::Settings};
use outcore::{array::machine, report::size::memory_bytes};
use std::{
    env, fs,
    path::Path,
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

/// Variables that change how programs compute.
const PREFIXES: [&str; 5] = ["OUTCORE_", "RAYON_", "OMP_", "OPENBLAS_", "MKL_"];

/// Names and texts, in the order in which they are read.
pub fn more(settings: &Settings) -> Vec<(String, String)> {
    let system = rustix::system::uname();
    let word = |text: &std::ffi::CStr| text.to_string_lossy().to_string();
    let mut rows = vec![
        ("finished".to_string(), now()),
        ("why so many threads".to_string(), threads(settings)),
        ("why so much memory".to_string(), memory(settings)),
        ("operating system".to_string(), format!("{} {} {}", word(system.sysname()), word(system.release()), word(system.machine()))),
        ("control group".to_string(), group()),
    ];
    if let Some(pages) = chosen("/sys/kernel/mm/transparent_hugepage/enabled") {
        rows.push(("transparent huge pages".to_string(), pages));
    }
    let variables = env::vars_os().map(|(name, value)| (name.to_string_lossy().to_string(), value.to_string_lossy().to_string()));
    let mut variables: Vec<_> = variables.filter(|(name, _)| PREFIXES.iter().any(|prefix| name.starts_with(prefix))).collect();
    variables.sort();
    rows.extend(variables);
    rows
}

fn threads(settings: &Settings) -> String {
    let offered = thread::available_parallelism().map_or(1, usize::from);
    match settings.recipe.threads {
        Some(asked) if asked > offered => format!("asked for by {}; the machine or control group offers {offered}", spelling("--threads")),
        Some(_) => format!("asked for by {}", spelling("--threads")),
        None => "what affinity and the control group's quota offer".to_string(),
    }
}

fn memory(settings: &Settings) -> String {
    let total = memory_bytes(machine::memory_bytes());
    match settings.recipe.memory {
        Some(_) => format!("asked for by {}; the machine or control group has {total}", spelling("--memory")),
        None => format!("half of the {total} that the machine or control group has"),
    }
}

/// What the group allows, as far as it says so.
fn group() -> String {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let Some(path) = groups.lines().find_map(|line| line.strip_prefix("0::")) else {
        return if groups.is_empty() { "none".to_string() } else { "version 1".to_string() };
    };
    let folder = Path::new("/sys/fs/cgroup").join(path.trim_start_matches('/'));
    let read = |name: &str| fs::read_to_string(folder.join(name)).ok().map(|text| text.trim().to_string());
    let limits: Vec<String> =
        ["memory.max", "cpu.max"].into_iter().filter_map(|name| read(name).map(|value| format!("{name} {value}"))).collect();
    if limits.is_empty() { format!("{path}, no limits of its own") } else { format!("{path}, {}", limits.join(", ")) }
}

/// The word in brackets of a file of choices.
fn chosen(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    text.split_whitespace().find_map(|word| word.strip_prefix('[')?.strip_suffix(']').map(str::to_string))
}

fn now() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (year, month, day) = date(seconds / 86_400);
    format!("{year}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60)
}

/// The Gregorian date of a day since 1970-01-01. Years are counted from March, so that the leap day is the last of one.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (days, want) in
            [(0, (1970, 1, 1)), (11_016, (2000, 2, 29)), (11_017, (2000, 3, 1)), (20_513, (2026, 3, 1)), (47_541, (2100, 3, 1))]
        {
            assert_eq!(date(days), want);
        }
    }
}
