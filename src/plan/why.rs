//! What was decided and why, in words with numbers.

use crate::plan::Decision;

/// Collects decisions in the order they are taken; the same text is kept once.
#[derive(Clone, Debug, Default)]
pub struct Why {
    decisions: Vec<Decision>,
}

impl Why {
    /// Records that `about` was treated as `text` says.
    pub fn note(&mut self, about: impl Into<String>, text: impl Into<String>) {
        let decision = Decision { about: about.into(), text: text.into() };
        if !self.decisions.contains(&decision) {
            self.decisions.push(decision);
        }
    }

    /// Everything recorded.
    #[must_use]
    pub fn finish(self) -> Vec<Decision> {
        self.decisions
    }
}

/// A number of bytes for people: `1.50 GiB`.
#[must_use]
#[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
pub fn show_bytes(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.2} {}", units[unit]) }
}
