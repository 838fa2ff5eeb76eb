//! The limit of each workload: the fastest loop written by hand for only that workload.
//!
//! One generic body per loop, compiled for AVX-512 and AVX2 by `isa!`; rayon over one kept mapping. No budget,
//! no windows, no plan: what the hardware gives.

#![expect(unsafe_code, reason = "calling the loops that are compiled for an instruction set that was detected")]

use rayon::prelude::*;
use std::{fs::File, os::unix::fs::FileExt, path::Path, time::Instant};

macro_rules! isa {
    ($name:ident = $body:ident($($arg:ident: $t:ty),*) -> $r:ty) => {
        /// Runs the loop on the widest instruction set of this machine.
        pub fn $name($($arg: $t),*) -> $r {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
                fn v4($($arg: $t),*) -> $r { $body($($arg),*) }
                #[target_feature(enable = "avx2,fma")]
                fn v3($($arg: $t),*) -> $r { $body($($arg),*) }
                if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") && is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512vl") {
                    // SAFETY: the features were detected on the line above.
                    return unsafe { v4($($arg),*) };
                }
                if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                    // SAFETY: the features were detected on the line above.
                    return unsafe { v3($($arg),*) };
                }
            }
            $body($($arg),*)
        }
    };
}

const PIECE: usize = 1 << 20;

/// f32 or f64.
pub trait Element: num_traits::Float + std::ops::AddAssign + Sync {
    /// As f64.
    fn wide(self) -> f64;
}
impl Element for f32 {
    fn wide(self) -> f64 {
        self.into()
    }
}
impl Element for f64 {
    fn wide(self) -> f64 {
        self
    }
}

#[inline(always)]
fn sum_body<T: Element>(x: &[T]) -> f64 {
    let mut total = 0.0;
    for piece in x.chunks(4096) {
        let mut lanes = [T::zero(); 128];
        let (groups, rest) = piece.as_chunks::<128>();
        for group in groups {
            for (lane, value) in lanes.iter_mut().zip(group) {
                *lane += *value;
            }
        }
        total += lanes.iter().map(|lane| lane.wide()).sum::<f64>() + rest.iter().map(|value| value.wide()).sum::<f64>();
    }
    total
}
isa!(sum_piece = sum_body(x: &[f32]) -> f64);
isa!(sum_piece_f64 = sum_body(x: &[f64]) -> f64);

/// Counts into 256 bins without looking at their edges: what is near one may be in the next.
#[inline(always)]
fn histogram_body(x: &[f32], low: f32, high: f32) -> Vec<u32> {
    let scale = 256.0 / (high - low);
    let mut tables = [[0u32; 257]; 4];
    let (groups, rest) = x.as_chunks::<16>();
    for group in groups {
        let mut places = [0i32; 16];
        for (place, value) in places.iter_mut().zip(group) {
            *place = ((value - low) * scale) as i32;
        }
        for (at, place) in places.into_iter().enumerate() {
            tables[at % 4][(place as u32).min(256) as usize] += 1;
        }
    }
    for value in rest {
        tables[0][(((value - low) * scale) as i32 as u32).min(256) as usize] += 1;
    }
    (0..256).map(|bin| tables.iter().map(|table| table[bin]).sum()).collect()
}
isa!(histogram_piece = histogram_body(x: &[f32], low: f32, high: f32) -> Vec<u32>);

/// A histogram of 256 bins.
pub fn histogram(x: &[f32], low: f32, high: f32) -> Vec<u64> {
    let add = |mut all: Vec<u64>, part: Vec<u64>| {
        all.iter_mut().zip(part).for_each(|(all, part)| *all += part);
        all
    };
    let one = |piece| histogram_piece(piece, low, high).into_iter().map(u64::from).collect::<Vec<u64>>();
    x.par_chunks(PIECE).map(one).reduce(|| vec![0; 256], add)
}

#[inline(always)]
fn root_body(x: &[f32]) -> f64 {
    let mut total = 0.0;
    for piece in x.chunks(4096) {
        let mut lanes = [0f32; 128];
        let (groups, rest) = piece.as_chunks::<128>();
        for group in groups {
            for (lane, value) in lanes.iter_mut().zip(group) {
                *lane += (value * value + 1.0).sqrt();
            }
        }
        total += lanes.iter().map(|&lane| f64::from(lane)).sum::<f64>()
            + rest.iter().map(|&value| f64::from((value * value + 1.0).sqrt())).sum::<f64>();
    }
    total
}
isa!(root_piece = root_body(x: &[f32]) -> f64);

/// Sums and sums of squares of 128 columns.
type Moments = ([f64; 128], [f64; 128]);

#[inline(always)]
fn moments_body<T: Element>(x: &[T]) -> Moments {
    let (mut sums, mut squares) = ([0f64; 128], [0f64; 128]);
    for rows in x.chunks(128 * 64) {
        let (mut s, mut q) = ([T::zero(); 128], [T::zero(); 128]);
        for row in rows.as_chunks::<128>().0 {
            for column in 0..128 {
                s[column] += row[column];
                q[column] += row[column] * row[column];
            }
        }
        for column in 0..128 {
            sums[column] += s[column].wide();
            squares[column] += q[column].wide();
        }
    }
    (sums, squares)
}
isa!(moments_piece = moments_body(x: &[f32]) -> Moments);
isa!(moments_piece_f64 = moments_body(x: &[f64]) -> Moments);

#[inline(always)]
fn pair_body(a: f32, b: &[f32]) -> f64 {
    let mut lanes = [0f64; 32];
    let (groups, rest) = b.as_chunks::<32>();
    for group in groups {
        for (lane, value) in lanes.iter_mut().zip(group) {
            *lane += f64::from((a - value).abs());
        }
    }
    lanes.iter().sum::<f64>() + rest.iter().map(|&value| f64::from((a - value).abs())).sum::<f64>()
}
isa!(pair_row = pair_body(a: f32, b: &[f32]) -> f64);

/// W1: sum of all elements.
pub fn sum(x: &[f32]) -> f64 {
    x.par_chunks(PIECE).map(sum_piece).sum()
}

/// The same of f64.
pub fn sum_f64(x: &[f64]) -> f64 {
    x.par_chunks(PIECE / 2).map(sum_piece_f64).sum()
}

/// W2: mean and standard deviation of 128 columns, inexact.
pub fn moments(x: &[f32]) -> Vec<(f64, f64)> {
    spreads(&x.par_chunks(PIECE).map(moments_piece).collect::<Vec<_>>(), x.len() / 128)
}

/// The same of f64.
pub fn moments_f64(x: &[f64]) -> Vec<(f64, f64)> {
    spreads(&x.par_chunks(PIECE / 2).map(moments_piece_f64).collect::<Vec<_>>(), x.len() / 128)
}

fn spreads(parts: &[Moments], rows: usize) -> Vec<(f64, f64)> {
    let rows = rows as f64;
    (0..128)
        .map(|column| {
            let (s, q) = parts.iter().fold((0.0, 0.0), |(s, q), part| (s + part.0[column], q + part.1[column]));
            (s / rows, (q / rows - (s / rows) * (s / rows)).sqrt())
        })
        .collect()
}

/// W5: sum of `sqrt(x*x + 1)`.
pub fn root_sum(x: &[f32]) -> f64 {
    x.par_chunks(PIECE).map(root_piece).sum()
}

/// W7: sum of `abs(a[i] - b[j])` over all pairs, accumulated in f64.
pub fn pair_sum(a: &[f32], b: &[f32]) -> f64 {
    a.par_iter().with_min_len(64).map(|&value| pair_row(value, b)).sum()
}

/// Seconds that writing `bytes` into a fresh file and making them durable takes: 8 MiB requests from two threads.
pub fn disk_write(folder: &Path, bytes: u64) -> std::io::Result<f64> {
    let path = folder.join(".limit-write");
    let piece = vec![0x5au8; 8 << 20];
    let file = File::create(&path)?;
    let start = Instant::now();
    let pieces = bytes.div_ceil(piece.len() as u64);
    std::thread::scope(|scope| -> std::io::Result<()> {
        let workers: Vec<_> = (0..2u64)
            .map(|worker| {
                let (file, piece) = (&file, &piece);
                scope.spawn(move || (worker..pieces).step_by(2).try_for_each(|index| file.write_all_at(piece, index * piece.len() as u64)))
            })
            .collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("the writer does not panic"))
    })?;
    file.sync_all()?;
    let seconds = start.elapsed().as_secs_f64();
    std::fs::remove_file(&path)?;
    Ok(seconds)
}
