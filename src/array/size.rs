//! Sizes as people write them: `2GiB`, `512M`, `1.5GB`, `50%`.

use crate::error::{Error, Result};
use std::{fmt, str::FromStr};

/// A number of bytes, or a part of what there is.
///
/// ```
/// use outcore::Size;
/// assert_eq!("2GiB".parse::<Size>()?.resolve(0), 2 << 30);
/// assert_eq!("1.5GB".parse::<Size>()?.resolve(0), 1_500_000_000);
/// assert_eq!("50%".parse::<Size>()?.resolve(8 << 30), 4 << 30);
/// # Ok::<(), outcore::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Size {
    /// That many bytes.
    Bytes(u64),
    /// That many percent of a total.
    Percent(f64),
}

/// Units with their factors. One letter alone is the binary unit, because memory is what is given most often.
const UNITS: [(&str, u64); 14] = [
    ("", 1),
    ("b", 1),
    ("k", 1 << 10),
    ("m", 1 << 20),
    ("g", 1 << 30),
    ("t", 1 << 40),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
];

impl Size {
    /// The number of bytes, `total` being what a percentage is of.
    #[must_use]
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of memory is no exact number"
    )]
    pub fn resolve(self, total: u64) -> u64 {
        match self {
            Size::Bytes(bytes) => bytes,
            Size::Percent(percent) => (total as f64 * percent / 100.0) as u64,
        }
    }
}

impl FromStr for Size {
    type Err = Error;

    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked against the range first"
    )]
    fn from_str(text: &str) -> Result<Size> {
        let bad = |why: &str| {
            Error::usage(format!("`{text}` is no size: {why}")).hint("a number and a unit: 2GiB, 512M, 1.5GB, 800000000, or a share: 50%")
        };
        let trimmed = text.trim();
        let end = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_').unwrap_or(trimmed.len());
        let (digits, unit) = trimmed.split_at(end);
        let digits = digits.replace('_', "");
        let unit = unit.trim().to_ascii_lowercase();
        let number: f64 = digits.parse().map_err(|_| bad("it has no number"))?;
        if unit == "%" {
            return if number > 0.0 && number <= 100.0 {
                Ok(Size::Percent(number))
            } else {
                Err(bad("a share lies between 0 and 100 percent"))
            };
        }
        let Some(&(_, factor)) = UNITS.iter().find(|(name, _)| *name == unit) else { return Err(bad(&format!("unknown unit `{unit}`"))) };
        if let Ok(whole) = digits.parse::<u64>() {
            return whole.checked_mul(factor).map(Size::Bytes).ok_or_else(|| bad("it is larger than 2^64 bytes"));
        }
        let bytes = number * factor as f64;
        if bytes < u64::MAX as f64 { Ok(Size::Bytes(bytes as u64)) } else { Err(bad("it is larger than 2^64 bytes")) }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Size::Bytes(bytes) => f.write_str(&show_memory(*bytes)),
            Size::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl From<u64> for Size {
    fn from(bytes: u64) -> Self {
        Size::Bytes(bytes)
    }
}

/// An amount of memory with a binary unit: `1.50 GiB`.
#[must_use]
#[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
pub fn show_memory(bytes: u64) -> String {
    let units = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    match units.iter().find(|(_, shift)| bytes >> shift > 0) {
        Some((unit, shift)) => format!("{:.2} {unit}", bytes as f64 / (1u64 << shift) as f64),
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_parse_and_bad_ones_say_why() {
        let cases: [(&str, u64); 8] = [
            ("0", 0),
            ("12", 12),
            ("1k", 1024),
            ("512M", 512 << 20),
            ("2 GiB", 2 << 30),
            ("1.5GB", 1_500_000_000),
            ("8_000", 8000),
            ("0.5kib", 512),
        ];
        for (text, bytes) in cases {
            assert_eq!(text.parse::<Size>().unwrap(), Size::Bytes(bytes), "{text}");
        }
        for text in ["", "GiB", "-1", "1.2.3M", "5 parsecs", "0%", "101%", "99999999999T", "nan", "1e9"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }
}
