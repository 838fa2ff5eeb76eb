//! The files that the guide's pages name, made small.

use crate::cli_support::Folder;

/// A stream of numbers from a seed.
struct Numbers(u32);

impl Numbers {
    /// The next number, from 0 to below 1.
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 8) as f32 / (1 << 24) as f32
    }

    fn between(&mut self, low: f32, high: f32, count: usize) -> Vec<f32> {
        (0..count).map(|_| low + (high - low) * self.next()).collect()
    }

    fn below(&mut self, end: u32, count: usize) -> Vec<i64> {
        (0..count).map(|_| (self.next() * end as f32) as i64).collect()
    }
}

/// Writes all of them.
pub fn make(folder: &Folder) {
    let mut numbers = Numbers(7);
    for (name, rows, width) in [
        ("embeddings.npy", 400, 64),
        ("big.npy", 400, 64),
        ("queries.npy", 3, 64),
        ("q.npy", 3, 64),
        ("a.npy", 30, 8),
        ("b.npy", 20, 8),
        ("logits.npy", 50, 10),
    ] {
        folder.f32(name, &[rows, width], &numbers.between(-1.0, 1.0, rows * width));
    }
    folder.f32("x.npy", &[40, 6], &numbers.between(0.0, 1.0, 240));
    folder.f32("y.npy", &[40, 6], &numbers.between(0.0, 1.0, 240));
    folder.f32("temperature.npy", &[36, 4, 5], &numbers.between(-10.0, 30.0, 36 * 20));
    folder.i64("month.npy", &[36], &(0..36).map(|place| place % 12).collect::<Vec<_>>());
    folder.f32("square.npy", &[6, 6], &numbers.between(0.0, 1.0, 36));
    folder.i64("rows.npy", &[7], &numbers.below(40, 7));
}
