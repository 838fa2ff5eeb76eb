//! bfloat16 rounded once, by comparing with exact thresholds.

/// The bfloat16 nearest to a magnitude that `compare` knows how to compare with exact thresholds; ties to even.
fn nearest_bf16(near: f64, compare: impl Fn(f64) -> std::cmp::Ordering) -> u16 {
    let value = |bits: u16| if bits == 0x7f80 { 2f64.powi(128) } else { f64::from(f32::from_bits(u32::from(bits) << 16)) };
    let guess = ((near as f32).to_bits() >> 16) as u16;
    let below = (guess.saturating_sub(1)..=(guess + 1).min(0x7f7f)).rev().find(|&bits| compare(value(bits)).is_ge()).unwrap_or(0);
    match compare((value(below) + value(below + 1)) / 2.0) {
        std::cmp::Ordering::Less => below,
        std::cmp::Ordering::Equal => below + (below & 1),
        std::cmp::Ordering::Greater => below + 1,
    }
}

/// bfloat16 bits of a double, rounded once.
pub(crate) fn bf16_of_f64(value: f64) -> u16 {
    let magnitude = value.abs();
    let bits = match magnitude {
        _ if magnitude.is_nan() => 0x7fc0,
        f64::INFINITY => 0x7f80,
        _ => nearest_bf16(magnitude, |threshold| magnitude.total_cmp(&threshold)),
    };
    bits | (u16::from(value.is_sign_negative()) << 15)
}

/// bfloat16 bits of an integer, rounded once.
pub(crate) fn bf16_of_integer(value: i128) -> u16 {
    let magnitude = value.unsigned_abs();
    // Thresholds of magnitudes above 2^9 are integers; smaller integers are exact or compare as floats.
    let bits = nearest_bf16(magnitude as f64, |threshold| {
        if magnitude < 1 << 20 { (magnitude as f64).total_cmp(&threshold) } else { magnitude.cmp(&(threshold as u128)) }
    });
    bits | (u16::from(value < 0) << 15)
}
