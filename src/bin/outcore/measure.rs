//! What the operating system says about this process and this machine.

use outcore::array::machine;
use std::fs;

/// Most memory that was resident so far, in bytes, by the kernel's count.
pub fn peak_resident_bytes() -> Option<u64> {
    machine::kibibytes(&fs::read_to_string("/proc/self/status").ok()?, "VmHWM")
}

/// The name of the processor.
pub fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = text.lines().find_map(|line| line.strip_prefix("model name")).and_then(|rest| rest.split_once(':'));
    name.map_or_else(|| std::env::consts::ARCH.to_string(), |(_, name)| name.trim().to_string())
}

/// The name of this machine.
pub fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().to_string()
}
