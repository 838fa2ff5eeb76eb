//! The laws of [`Source`] and [`Target`] as checks that any store can run. A broken law panics with its name.
//!
//! A source:
//! 1. a read of any box gives the bytes that the same box of the whole has, and fills nothing else;
//! 2. reads from several threads at once give the same;
//! 3. a box outside of the store, or a buffer of another size, is an error and not a panic;
//! 4. a window has the bytes of a read, and passes its check; so has one of a part of a chunk, of a store of chunks;
//! 5. facts are constant, and agree with each other; prefetching changes nothing; an unchanged source verifies.
//!
//! A target:
//! 1. boxes of whole chunks written in any order and from several threads, once each, read back as the whole;
//! 2. nothing stands under the name before it is published, and nothing is left when it is not;
//! 3. a box outside of the array, or bytes of another size, is an error and not a panic;
//! 4. an array with holes is not published;
//! 5. publishing works once, and never replaces what it was not told to replace; a name has one writer at a time.

use crate::{
    error::Result,
    nd::{Grid, Region, StoreLayout, shape::element_count},
    store::{ChunkWindow, PageCache, Source, Target, runs::for_each_run},
};

/// A small generator of test cases, the same on every run (xorshift64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }

    fn region(&mut self, shape: &[usize]) -> Region {
        let start: Vec<usize> = shape.iter().map(|&length| self.below(length + 1)).collect();
        let lengths: Vec<usize> = shape.iter().zip(&start).map(|(&length, &start)| self.below(length - start + 1)).collect();
        Region::new(start, lengths)
    }
}

/// The bytes of a box of an array of `shape` whose C-order bytes are `whole`.
#[must_use]
pub fn part_of(whole: &[u8], shape: &[usize], region: &Region, item_bytes: usize) -> Vec<u8> {
    let mut part = vec![0; region.count() * item_bytes];
    for_each_run(shape, region, |place, at, length| {
        part[at * item_bytes..(at + length) * item_bytes].copy_from_slice(&whole[place * item_bytes..(place + length) * item_bytes]);
        Ok(())
    })
    .expect("copying does not fail");
    part
}

/// Runs the laws of sources. `expected` is all of the store, in C order of its store coordinates and in its byte order.
///
/// # Panics
/// If a law is broken.
pub fn check_source(source: &dyn Source, expected: &[u8]) {
    let facts = source.facts().clone();
    let (shape, item) = (facts.store_shape(), facts.dtype.size());
    assert_eq!(
        element_count(&shape, item).map(|count| count * item).ok(),
        Some(expected.len()),
        "facts: the store's shape gives its bytes"
    );
    let view = source.index_map();
    assert_eq!(view.store_rank(), shape.len(), "facts: the array's index map leads to store coordinates");
    for (range, &length) in view.span(&Region::whole(&view.shape)).iter().zip(&shape) {
        assert!(range.end <= length, "facts: the array lies inside the store");
    }
    reads_agree(source, expected, 1);
    std::thread::scope(|scope| {
        for seed in 2..5 {
            scope.spawn(move || reads_agree(source, expected, seed));
        }
    });
    bad_reads_are_errors(source, &shape, item);
    match &facts.layout {
        StoreLayout::Dense { .. } => windows_agree(source, expected, shape[0], item),
        StoreLayout::Chunked { chunk } => chunk_windows_agree(source, expected, chunk),
    }
    assert!(source.verify().is_ok(), "an unchanged source verifies");
    assert_eq!(source.facts(), &facts, "facts are constant");
}

fn reads_agree(source: &dyn Source, expected: &[u8], seed: u64) {
    let facts = source.facts();
    let (shape, item) = (facts.store_shape(), facts.dtype.size());
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ seed);
    for round in 0..50 {
        let region = if round == 0 { Region::whole(&shape) } else { dice.region(&shape) };
        let bytes = region.count() * item;
        let mut out = vec![0xa5; bytes + 1];
        source.prefetch_box(&region);
        let read = source.read(&region, &mut out[..bytes]);
        assert!(read.is_ok(), "read of {region}: {read:?}");
        assert!(out[..bytes] == part_of(expected, &shape, &region, item), "read of {region} equals that part of the whole");
        assert_eq!(out[bytes], 0xa5, "a read stays inside its buffer");
    }
}

fn bad_reads_are_errors(source: &dyn Source, shape: &[usize], item: usize) {
    let mut out = vec![0; 64 * item];
    for axis in 0..shape.len() {
        for start in [shape[axis], usize::MAX] {
            let mut region = Region { start: vec![0; shape.len()], shape: vec![1; shape.len()] };
            region.start[axis] = start;
            assert!(source.read(&region, &mut out[..item]).is_err(), "read of {start} on axis {axis} is outside");
        }
    }
    let rank_off = Region { start: vec![0; shape.len() + 1], shape: vec![1; shape.len() + 1] };
    source.prefetch_box(&rank_off);
    source.prefetch_box(&Region { start: vec![usize::MAX; shape.len()], shape: vec![2; shape.len()] });
    assert!(source.read(&rank_off, &mut out[..item]).is_err(), "a box of another rank is an error");
    let nothing = Region { start: vec![0; shape.len()], shape: vec![0; shape.len()] };
    assert!(source.read(&nothing, &mut out[..1]).is_err(), "a buffer of another size is an error");
}

fn windows_agree(source: &dyn Source, expected: &[u8], count: usize, item: usize) {
    let mut dice = Dice(77);
    for round in 0..50 {
        let start = if round == 0 { 0 } else { dice.below(count + 1) };
        let end = if round == 0 { count } else { start + dice.below(count - start + 1) };
        source.prefetch(start..end);
        let window = source.window(start..end).unwrap_or_else(|error| panic!("window of {start}..{end}: {error}"));
        let Some(window) = window else {
            assert!(!source.facts().mappable, "a mappable source gives windows");
            continue;
        };
        assert!(source.facts().mappable, "only a mappable source gives windows");
        assert!(*window == expected[start * item..end * item], "window of {start}..{end} equals the read");
        assert!(window.is_empty() || (window.as_ptr() as usize).is_multiple_of(item), "elements of a window are aligned");
        assert!(window.check().is_ok(), "a window of an unchanged source passes its check");
    }
    source.prefetch(count..usize::MAX);
    assert!(source.window(0..count + 1).is_err(), "a window past the end is an error");
    assert!(source.window(usize::MAX - 1..usize::MAX).is_err(), "a window past the end is an error");
    #[expect(clippy::reversed_empty_ranges, reason = "the point of the check")]
    let reversed = source.window(1..0);
    assert!(reversed.is_err(), "a window that ends before it begins is an error");
}

fn chunk_windows_agree(source: &dyn Source, expected: &[u8], chunk: &[usize]) {
    let facts = source.facts();
    let (shape, item) = (&facts.shape, facts.dtype.size());
    let bytes_max = chunk.iter().product::<usize>() * item;
    let mut dice = Dice(55);
    for _ in 0..50 {
        // A part of some chunk.
        let mut region = Region::whole(shape);
        for axis in 0..shape.len() {
            let start = dice.below(shape[axis]);
            let end = (start / chunk[axis].max(1) * chunk[axis]).saturating_add(chunk[axis]).min(shape[axis]);
            (region.start[axis], region.shape[axis]) = (start, if end > start { 1 + dice.below(end - start) } else { 0 });
        }
        if region.is_empty() {
            return;
        }
        let held = source.chunk_window(&region).unwrap_or_else(|error| panic!("window of {region}: {error}"));
        assert!(held.is_none() || facts.mappable, "only a mappable source gives windows");
        let Some(ChunkWindow { window, strides }) = held else { continue };
        assert!(window.len() <= bytes_max, "a window of a chunk is no longer than a chunk");
        let part = part_of(expected, shape, &region, item);
        for (number, element) in part.chunks(item).enumerate() {
            let (mut rest, mut place) = (number, 0);
            for axis in (0..shape.len()).rev() {
                place += rest % region.shape[axis] * strides[axis];
                rest /= region.shape[axis];
            }
            assert!(window[place * item..][..item] == *element, "window of {region} equals the read");
        }
        assert!(window.check().is_ok(), "a window of an unchanged source passes its check");
    }
    let outside = Region { start: vec![usize::MAX; shape.len()], shape: vec![1; shape.len()] };
    assert!(shape.is_empty() || !facts.mappable || source.chunk_window(&outside).is_err(), "a window outside of the store is an error");
}

/// How [`check_target`] sees a store from outside.
pub struct TargetCase<'a, T> {
    /// Starts a target of the case's shape and dtype, for a new array; always under the same name.
    pub create: &'a dyn Fn() -> Result<T>,
    /// What stands under the name: all bytes in C order and native byte order; `None` if nothing does. Called once if there is no name.
    pub read_back: &'a dyn Fn(&T) -> Option<Vec<u8>>,
    /// Whether anything at all is left behind, temporary files included.
    pub is_clean: &'a dyn Fn() -> bool,
    /// Removes the published array.
    pub remove: &'a dyn Fn(),
    /// Whether two targets can have the same name (memory has none).
    pub named: Naming,
}

/// Whether published arrays have names that can clash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Naming {
    /// Arrays stand under a name, and one job at a time may write to it.
    Named,
    /// Arrays have no name.
    Nameless,
}

/// Runs the laws of targets.
///
/// # Panics
/// If a law is broken.
pub fn check_target<T: Target>(case: &TargetCase<'_, T>) {
    assert!((case.is_clean)(), "the case starts clean");
    let start = || (case.create)().unwrap_or_else(|error| panic!("create: {error}"));
    unpublished_leaves_nothing(case, start());
    bad_writes_are_errors(&start());
    assert!((case.is_clean)(), "an error leaves nothing");

    let mut target = start();
    let (count, item) = (target.shape().iter().product::<usize>(), target.dtype().size());
    let whole: Vec<u8> = (0..count * item).map(|place| (place * 31 + place / 251) as u8 & if item == 1 { 1 } else { 0xff }).collect();
    if count > 0 {
        assert!(target.sync().is_ok() && target.publish().is_err(), "an array with holes is not published");
        // A name has one writer at a time.
        drop(target);
        target = start();
    }
    write_tiles(&target, &whole);
    assert!(target.settle(PageCache::Drop).is_ok() && target.sync().is_ok(), "settle and sync");
    if case.named != Naming::Nameless {
        assert!((case.read_back)(&target).is_none(), "nothing stands under the name before it is published");
        assert!((case.create)().is_err(), "a name that is being written is refused");
    }
    let published = target.publish();
    assert!(published.is_ok(), "publish: {published:?}");
    assert!(target.publish().is_err(), "publishing works once");
    assert!((case.read_back)(&target).as_deref() == Some(&whole[..]), "what was written reads back");
    if case.named == Naming::Named {
        names_are_never_replaced(case, &target, &whole);
    }
    drop(target);
    (case.remove)();
    assert!((case.is_clean)(), "nothing is left beside the published array");
}

fn unpublished_leaves_nothing<T: Target>(case: &TargetCase<'_, T>, target: T) {
    let zeros = vec![0; target.shape().iter().product::<usize>() * target.dtype().size()];
    assert!(target.write(&Region::whole(target.shape()), &zeros).is_ok() && target.sync().is_ok(), "write and sync");
    drop(target);
    assert!((case.is_clean)(), "a target that is not published leaves nothing");
}

fn bad_writes_are_errors(target: &dyn Target) {
    let (shape, item) = (target.shape().to_vec(), target.dtype().size());
    for axis in 0..shape.len() {
        for start in [shape[axis], usize::MAX] {
            let mut region = Region { start: vec![0; shape.len()], shape: vec![1; shape.len()] };
            region.start[axis] = start;
            assert!(target.write(&region, &vec![0; item]).is_err(), "write of {start} on axis {axis} is outside");
        }
    }
    let short = vec![0; (shape.iter().product::<usize>() * item).wrapping_add(1)];
    assert!(target.write(&Region::whole(&shape), &short).is_err(), "bytes of another size are an error");
}

/// Writes the array as tiles in a shuffled order, from three threads.
fn write_tiles(target: &dyn Target, whole: &[u8]) {
    let (shape, item) = (target.shape().to_vec(), target.dtype().size());
    let mut tile: Vec<usize> = shape.iter().map(|&length| length.div_ceil(3).max(1)).collect();
    if let Some(chunk) = target.chunk() {
        tile.iter_mut().zip(chunk).for_each(|(length, &chunk)| *length = length.next_multiple_of(chunk));
    }
    let grid = Grid::new(shape.clone(), tile);
    let mut order: Vec<usize> = (0..grid.count()).collect();
    let mut dice = Dice(99);
    for last in (1..order.len()).rev() {
        order.swap(last, dice.below(last + 1));
    }
    std::thread::scope(|scope| {
        for mine in order.chunks(order.len().div_ceil(3).max(1)) {
            let (grid, shape) = (&grid, &shape);
            scope.spawn(move || {
                for &index in mine {
                    let region = grid.region(index);
                    let written = target.write(&region, &part_of(whole, shape, &region, item));
                    assert!(written.is_ok(), "write of {region}: {written:?}");
                }
            });
        }
    });
}

/// A rival that starts after the name was taken.
fn names_are_never_replaced<T: Target>(case: &TargetCase<'_, T>, target: &T, whole: &[u8]) {
    assert!((case.create)().is_err(), "a name that is taken is refused at once");
    assert!((case.read_back)(target).as_deref() == Some(whole), "the array that was there is untouched");
}
