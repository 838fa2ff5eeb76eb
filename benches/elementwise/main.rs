//! Every elementwise operation and every layout beside the memory limit and NumPy, as one markdown table.
//!
//! `cargo bench --bench elementwise -- [--only PATTERN] [--numpy PYTHON] [--rounds N] [--seconds S] [--small | --large] [--fail-below 0.7]`
//!
//! One thread. A plan's program runs from memory into memory; the limit moves the same bytes (`limit`), NumPy computes the same
//! into an array that is there already. All three take turns; the best round counts. A figure is bytes read plus bytes written.

#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "a program for people at a terminal")]

mod limit;
mod numpy;
mod planned;
mod rows;
#[path = "../threshold.rs"]
mod threshold;

use limit::{Stores, move_bytes};
use memmap2::{Advice, MmapMut};
use numpy::Numpy;
use outcore::{Array, DType, Element, Session};
use planned::{Planned, held};
use rows::{Quirk, Row};
use serde_json::{Value, json};
use std::{collections::HashMap, process::ExitCode, time::Instant};
use threshold::Threshold;

/// Bytes of an operand that stays in the second-level cache, and of one that does not fit any.
const SIZES: [usize; 2] = [256 << 10, 64 << 20];

/// Operands that are kept for the next rows.
const MADE_MAX: usize = 10;

struct Options {
    only: Vec<String>,
    numpy: Option<String>,
    rounds: usize,
    seconds: f64,
    sizes: Vec<usize>,
}

fn options() -> Options {
    let mut options = Options { only: Vec::new(), numpy: None, rounds: 5, seconds: 0.4, sizes: SIZES.to_vec() };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| panic!("{word} needs a value"));
        match word.as_str() {
            "--only" => options.only = value().split('|').map(str::to_string).collect(),
            "--numpy" => options.numpy = Some(value()),
            "--rounds" => options.rounds = value().parse().unwrap(),
            "--seconds" => options.seconds = value().parse().unwrap(),
            "--small" => options.sizes = vec![SIZES[0]],
            "--large" => options.sizes = vec![SIZES[1]],
            _ => {} // cargo's own `--bench`
        }
    }
    options
}

/// Memory for operands: huge pages, filled once and kept while rows ask for the same.
#[derive(Default)]
struct Memory {
    made: HashMap<(usize, DType, bool, usize, [u64; 2]), MmapMut>,
}

fn mapped(bytes: usize) -> MmapMut {
    let map = MmapMut::map_anon(bytes + 4096).unwrap();
    let _ = map.advise(Advice::HugePage);
    map
}

impl Memory {
    /// Makes the bytes of an operand; the first element lies at `first`.
    fn fill(&mut self, place: usize, input: &rows::Input, count: usize) {
        let key = Memory::key(place, input, count);
        if self.made.contains_key(&key) {
            return;
        }
        let (dtype, swapped) = (input.dtype, input.quirk == Quirk::Swapped);
        let size = dtype.size();
        let mut map = mapped(count * size);
        let mut state = place as u64 + 1;
        let (low, high) = input.range;
        let one = |fraction: f64, out: &mut [u8]| {
            let value = low + fraction * (high - low);
            outcore::dispatch!(dtype, T => write_one::<T>(value, fraction, out));
            if swapped {
                out.reverse();
            }
        };
        // Some thousands of different elements, repeated.
        let pattern = (8191 * size).min(count * size);
        for element in map[..pattern].chunks_exact_mut(size) {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            one((state >> 40) as f64 / (1u64 << 24) as f64, element);
        }
        let mut done = pattern;
        while done < count * size {
            let more = done.min(count * size - done);
            map.copy_within(..more, done);
            done += more;
        }
        self.made.insert(key, map);
    }

    fn key(place: usize, input: &rows::Input, count: usize) -> (usize, DType, bool, usize, [u64; 2]) {
        (place, input.dtype, input.quirk == Quirk::Swapped, count, [input.range.0.to_bits(), input.range.1.to_bits()])
    }

    /// The bytes of an operand.
    fn get(&self, place: usize, input: &rows::Input, count: usize) -> &[u8] {
        &self.made[&Memory::key(place, input, count)]
    }
}

fn write_one<T: Element>(value: f64, fraction: f64, out: &mut [u8]) {
    let scalar = match T::DTYPE {
        DType::Bool => outcore::Scalar::Bool(fraction < 0.5),
        dtype if dtype.is_float() => outcore::Scalar::Float(value),
        _ => outcore::Scalar::Int(value as i128),
    };
    out.copy_from_slice(&scalar.to_bytes(T::DTYPE)[..out.len()]);
}

/// Seconds of one of `repeats` runs.
fn timed(repeats: usize, mut run: impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..repeats {
        run();
    }
    start.elapsed().as_secs_f64() / repeats as f64
}

/// Best seconds of a row at one size.
struct Measured {
    bytes: usize,
    ours: f64,
    ordinary: f64,
    streaming: f64,
    numpy: Option<f64>,
}

impl Measured {
    fn limit(&self) -> f64 {
        self.ordinary.min(self.streaming)
    }
}

fn numpy_dtype(input: &rows::Input) -> Option<String> {
    let name = match input.dtype {
        DType::BF16 => return None,
        DType::Bool => "bool".to_string(),
        dtype => {
            let text = dtype.to_string();
            let (kind, bits) = text.split_at(1);
            format!("{kind}{}", bits.parse::<usize>().unwrap() / 8)
        }
    };
    Some(match input.quirk {
        Quirk::None => name,
        Quirk::Misaligned => format!("{name}!"),
        Quirk::Swapped => format!(">{name}"),
    })
}

fn numpy_arrays(row: &Row, elements: usize) -> Option<Vec<Value>> {
    let array = |(place, input): (usize, &rows::Input)| {
        let name = ["a", "b", "c"][place];
        Some(json!([name, numpy_dtype(input)?, input.form.shape(elements), input.range.0, input.range.1]))
    };
    row.inputs.iter().enumerate().map(array).collect()
}

struct Bench {
    options: Options,
    threshold: Threshold,
    session: Session,
    memory: Memory,
    numpy: Option<Numpy>,
    out: MmapMut,
}

impl Bench {
    fn measure(&mut self, row: &Row, size: usize) -> Result<Measured, String> {
        let widest = row.inputs.iter().map(|input| input.dtype.size()).max().unwrap();
        let elements = size / widest;
        let shapes: Vec<Vec<usize>> = row.inputs.iter().map(|input| input.form.shape(elements)).collect();
        let counts: Vec<usize> = shapes.iter().map(|shape| shape.iter().product()).collect();
        let arrays: Vec<Array> = row
            .inputs
            .iter()
            .enumerate()
            .map(|(place, input)| held(&self.session, ["a", "b", "c"][place], input.dtype, &shapes[place], input.quirk == Quirk::Swapped))
            .collect();
        let mut planned = Planned::new(&self.session, &row.array(&arrays)?)?;
        if self.memory.made.len() > MADE_MAX {
            self.memory.made.clear();
        }
        for (place, input) in row.inputs.iter().enumerate() {
            self.memory.fill(place, input, counts[place]);
        }
        let memory = &self.memory;
        let whole = |place: usize| memory.get(place, &row.inputs[place], counts[place]);
        let operands: Vec<(&[u8], usize)> =
            (0..row.inputs.len()).map(|place| (whole(place), usize::from(row.inputs[place].quirk == Quirk::Misaligned))).collect();
        let read: Vec<&[u8]> = (0..row.inputs.len()).map(|place| &whole(place)[..counts[place] * row.inputs[place].dtype.size()]).collect();
        let out_bytes = planned.out_bytes;
        let bytes = read.iter().map(|bytes| bytes.len()).sum::<usize>() + out_bytes;
        let repeats = (4_000_000 / bytes).max(1);
        let mut numpy = self.numpy.as_mut();
        if let Some(process) = &mut numpy
            && numpy_arrays(row, elements).and_then(|arrays| process.prepare(&row.numpy, &arrays)).is_none()
        {
            numpy = None;
        }
        let mut measured = Measured { bytes, ours: f64::INFINITY, ordinary: f64::INFINITY, streaming: f64::INFINITY, numpy: None };
        let out = &mut self.out[..];
        planned.run(&operands, out).map_err(|error| error.to_string())?;
        let started = Instant::now();
        for round in 0..self.options.rounds {
            let mut limit = |stores| {
                timed(repeats, || {
                    std::hint::black_box(move_bytes(&read, &mut out[..out_bytes], stores));
                })
            };
            measured.ordinary = measured.ordinary.min(limit(Stores::Ordinary));
            if size > SIZES[0] {
                measured.streaming = measured.streaming.min(limit(Stores::Streaming));
            }
            measured.ours = measured.ours.min(timed(repeats, || planned.run(&operands, out).unwrap()));
            let slow = started.elapsed().as_secs_f64() > self.options.seconds;
            if let Some(process) = &mut numpy
                && !(slow && round > 1)
                && measured.numpy.is_none_or(|best| best * (repeats as f64) < self.options.seconds)
                && let Some(seconds) = process.seconds(repeats)
            {
                measured.numpy = Some(measured.numpy.map_or(seconds, |best| best.min(seconds)));
            }
            if slow && round > 1 {
                break;
            }
        }
        Ok(measured)
    }

    fn row(&mut self, row: &Row) {
        let mut line = format!("| {} | {} | {} |", row.group, row.name, row.dtypes);
        for size in self.options.sizes.clone() {
            match self.measure(row, size) {
                Ok(measured) => {
                    let rate = |seconds: f64| measured.bytes as f64 / seconds / 1e9;
                    let (ours, limit) = (rate(measured.ours), rate(measured.limit()));
                    let numpy = measured.numpy.map_or(" |".to_string(), |seconds| format!(" {:.1} x |", seconds / measured.ours));
                    let streaming = if size > SIZES[0] { format!(" {:.2} |", measured.ordinary / measured.ours) } else { String::new() };
                    line += &format!(" {ours:.1} | {limit:.1} | {:.2} |{streaming}{numpy}", ours / limit);
                    self.threshold.look(&format!("{} {} {}, {size} bytes", row.group, row.name, row.dtypes), ours / limit);
                }
                Err(error) => line += &format!(" {} |", error.lines().next().unwrap_or_default()),
            }
        }
        println!("{line}");
    }
}

fn main() -> ExitCode {
    let options = options();
    let session = Session::builder().threads(1).memory("16GiB").build().unwrap();
    let numpy = options.numpy.as_deref().map(|python| Numpy::start(python).unwrap());
    let mut header = ["| kind | operation | dtype |".to_string(), "|---|---|---|".to_string()];
    for &size in &options.sizes {
        let (what, streaming) = if size > SIZES[0] { ("64 MB", " of ordinary stores |") } else { ("L2", "") };
        header[0] += &format!(" {what}: GB/s | limit | ratio |{streaming} NumPy |");
        header[1] += if size > SIZES[0] { "---|---|---|---|---|" } else { "---|---|---|---|" };
    }
    println!("{}\n{}", header[0], header[1]);
    let mut bench = Bench { options, threshold: Threshold::asked(), session, memory: Memory::default(), numpy, out: mapped(SIZES[1] * 9) };
    for row in rows::rows() {
        let name = format!("{} {} {}", row.group, row.name, row.dtypes);
        let wanted = bench.options.only.is_empty() || bench.options.only.iter().any(|pattern| name.contains(pattern.as_str()));
        if wanted {
            bench.row(&row);
        }
    }
    bench.threshold.end()
}
