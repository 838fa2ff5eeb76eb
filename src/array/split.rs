//! Rows in a random order, and rows in several files: [`Array::save_shuffled`] and [`Array::save_split`].
//!
//! A shuffled array is a view that is gathered ([`Array::shuffle`]): every row is a read of its own, at a random place. Where rows
//! are small that is what a disk is worst at. So rows are read in their order instead, once, and dealt into buckets of scratch: bucket `b`
//! holds the rows whose places in the output are the `b`-th stretch that memory holds. Then bucket after bucket is read, put in
//! order in memory and written. That moves everything twice, in one direction; the result has the bits of the gathered view.

use super::{
    below::{Progress, RunStats, Sink},
    blocks::{BLOCKS_HELD, Bands},
    graph::{Work, build, unbound},
    job::{Destination, Job, RunReport},
    node::Array,
    outputs::{Files, Save, create_at},
    phased::settle,
    phases::{Asked, merge, run, with_budget},
    random::Random,
    session::Session,
    size::show_memory,
    words::{DType, Region, SliceItem},
};
use crate::{
    error::{Error, Result},
    expr::Op,
    nd::axis_map::{shuffle, unshuffle},
    plan::{Limits, Plan},
    store::{Target, scratch::Buckets},
};
use std::{
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, mpsc::sync_channel},
    thread,
    time::Instant,
};

/// Rows of more bytes are gathered from where they lie: a disk reads such pieces as fast as any.
const GATHERED_BYTES: usize = 256 << 10;
/// What is kept with every row in scratch: its place in its bucket.
const PLACE_BYTES: usize = size_of::<u32>();

/// In which order rows are saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowOrder {
    /// As they are.
    Kept,
    /// As [`Array::shuffle`] has them.
    Shuffled(Random),
}

impl Array {
    /// Saves the rows (along axis 0) in the order of [`Array::shuffle`], with reads in one direction: arrays of one length that are
    /// shuffled by one seed stay aligned, and [`Random::permutation`] says which row went where.
    ///
    /// Where memory does not hold the rows, everything goes through scratch once, beside the output or in the session's folder.
    ///
    /// ```
    /// use outcore::{Random, Save, Session};
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let path = folder.path().join("shuffled.npy");
    /// let session = Session::builder().memory("64MiB").build()?;
    /// let x = session.arange(0, 10, 1);
    /// x.save_shuffled(Random::new(7), &path, Save::new())?;
    /// assert_eq!(session.open(&path).eval::<i64, ndarray::Ix1>()?, Random::new(7).permutation(10).eval::<i64, ndarray::Ix1>()?);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Array::save`]; [`crate::ErrorKind::Refused`] if memory does not hold a row of chunks of the output.
    pub fn save_shuffled(&self, random: Random, path: impl AsRef<Path>, save: Save) -> Result<RunReport> {
        self.save_split(RowOrder::Shuffled(random), &[(1.0, path)], save)
    }

    /// As [`Array::save_shuffled`], with the order itself, [`Random::permutation`], saved to `order` as i64: which row each row of the output
    /// was. The files appear together or not at all.
    ///
    /// ```
    /// use outcore::{Random, Save, Session};
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let [path, order] = ["shuffled.npy", "order.npy"].map(|name| folder.path().join(name));
    /// let session = Session::builder().memory("64MiB").build()?;
    /// let x = session.arange(0, 10, 1);
    /// x.save_shuffled_with_order(Random::new(7), &path, &order, Save::new())?;
    /// assert_eq!(session.open(&path).eval::<i64, ndarray::Ix1>()?, session.open(&order).eval::<i64, ndarray::Ix1>()?);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Array::save_shuffled`].
    pub fn save_shuffled_with_order(
        &self,
        random: Random,
        path: impl AsRef<Path>,
        order: impl AsRef<Path>,
        save: Save,
    ) -> Result<RunReport> {
        self.save_rows(RowOrder::Shuffled(random), &[(1.0, path)], Some(order.as_ref()), save)
    }

    /// Saves the rows (along axis 0) to several files, each of which gets a share of them: the first the first rows of `order`, and so
    /// on, cut at the nearest row. One read for all; the files appear together or not at all. Shares that add up to less than 1 leave the last
    /// rows out.
    ///
    /// ```
    /// use outcore::{Random, RowOrder, Save, Session};
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let [train, test] = ["train.npy", "test.npy"].map(|name| folder.path().join(name));
    /// let session = Session::builder().memory("64MiB").build()?;
    /// let x = session.arange(0, 1000, 1).reshape([100, 10]);
    /// x.save_split(RowOrder::Shuffled(Random::new(1)), &[(0.9, &train), (0.1, &test)], Save::new())?;
    /// assert_eq!(session.open(&test).shape()?, [10, 10]);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] if shares are not from 0 to 1 together, [`crate::ErrorKind::Mismatch`] if one is too small for a row; those of
    /// [`Array::save_shuffled`].
    pub fn save_split<P: AsRef<Path>>(&self, order: RowOrder, parts: &[(f64, P)], save: Save) -> Result<RunReport> {
        self.save_rows(order, parts, None, save)
    }

    /// Parts, and in the file `sources` the number of the row of this array that each row of all parts was.
    fn save_rows<P: AsRef<Path>>(&self, order: RowOrder, parts: &[(f64, P)], sources: Option<&Path>, save: Save) -> Result<RunReport> {
        let shape = self.checked()?.shape()?;
        let Some(&rows) = shape.first() else {
            return Err(Error::mismatch("a single number has no rows"));
        };
        let parts: Vec<(Range<usize>, &Path)> = shares(rows, parts)?;
        let row_bytes = shape[1..].iter().product::<usize>() * self.dtype()?.size();
        match order {
            // What is stopped and gone on with is a job of blocks.
            RowOrder::Shuffled(random) if row_bytes < GATHERED_BYTES && row_bytes > 0 && rows > 1 && !save.is_resume() => {
                Dealing { array: self, shape, row_bytes, random, parts, sources, save }.run()
            }
            RowOrder::Shuffled(random) => {
                let sources = sources.map(|path| (self.session().adopt(random.permutation(rows)), path));
                save_views(&self.shuffle(random, 0), &parts, sources, save)
            }
            RowOrder::Kept => save_views(self, &parts, None, save),
        }
    }
}

/// Which rows every part gets.
fn shares<P: AsRef<Path>>(rows: usize, parts: &[(f64, P)]) -> Result<Vec<(Range<usize>, &Path)>> {
    if parts.is_empty() {
        return Err(Error::usage("no part to save"));
    }
    let (mut before, mut from) = (0.0, 0);
    let mut made = Vec::new();
    for (share, path) in parts {
        before += share;
        if !(*share > 0.0 && before <= 1.0 + 1e-9) {
            let all: Vec<String> = parts.iter().map(|(share, _)| share.to_string()).collect();
            return Err(Error::usage(format!("shares of {}: each is above 0, together they are up to 1", all.join(", "))));
        }
        let to = ((before.min(1.0) * rows as f64).round() as usize).min(rows);
        if to == from && rows > 0 {
            let text = format!("a share of {share} of {rows} rows, for {}, is none", path.as_ref().display());
            return Err(Error::mismatch(text).hint("a larger share, or fewer parts"));
        }
        made.push((from..to, path.as_ref()));
        from = to;
    }
    Ok(made)
}

/// Parts as a job of blocks.
fn save_views(array: &Array, parts: &[(Range<usize>, &Path)], sources: Option<(Array, &Path)>, save: Save) -> Result<RunReport> {
    let rank = array.rank()?;
    let mut job = Job::new(&array.session()).save(save);
    for (rows, path) in parts {
        let mut items = vec![SliceItem::FULL; rank];
        items[0] = SliceItem::Range { start: Some(rows.start as i64), stop: Some(rows.end as i64), step: 1 };
        let part = Array::make(Op::Slice(items), vec![array.clone()])?;
        job = job.output(path.display().to_string(), &part, Destination::Path(path.to_path_buf()));
    }
    if let Some((sources, path)) = sources {
        job = job.output(path.display().to_string(), &sources, Destination::Path(path.to_path_buf()));
    }
    Ok(job.run()?.report)
}

/// Rows on their way to random places.
struct Dealing<'a> {
    array: &'a Array,
    shape: Vec<usize>,
    row_bytes: usize,
    random: Random,
    parts: Vec<(Range<usize>, &'a Path)>,
    /// Where the numbers go that rows had before.
    sources: Option<&'a Path>,
    save: Save,
}

/// Parts and the stretches of them that are written at once, each a bucket.
struct Places {
    /// First row of each part in the order of the output, its rows at once, and the number of its first bucket.
    parts: Vec<(Range<usize>, usize, usize)>,
    buckets: usize,
}

/// What a budget makes of a job.
struct Fitted {
    places: Places,
    /// Numbers of rows that are written at once, where they are.
    sources_at_once: usize,
    buckets: Buckets,
    plan: Plan,
}

impl Places {
    /// Bucket of a place in the order of the output, and the place in the bucket. `None`: it is left out.
    fn of(&self, place: usize) -> Option<(usize, u32)> {
        let (rows, at_once, first) = self.parts.iter().find(|(rows, ..)| rows.contains(&place))?;
        let inside = place - rows.start;
        Some((first + inside / at_once, (inside % at_once) as u32))
    }
}

impl Dealing<'_> {
    fn run(&self) -> Result<RunReport> {
        let started = Instant::now();
        let session = self.array.session();
        let mut work = build(&[self.array], &unbound)?;
        let paths = self.parts.iter().map(|(_, path)| *path).chain(self.sources).map(Some).collect();
        let files = Files::check(paths, &work.paths, &self.save, None)?;
        let mut phases = settle(&session, &mut work, session.limits())?;
        let targets = self.targets(&files)?;
        let sources = self.sources.map(|path| self.target_of_sources(path, &work.paths)).transpose()?;
        let memory = session.limits().memory_bytes;
        let fit = |memory| self.fit(&work, &targets, sources.as_deref(), memory);
        let fitted = fit(memory).map_err(|error| with_budget(error, memory, |memory| fit(memory).map(drop)))?;
        let Fitted { places, sources_at_once, mut buckets, plan } = fitted;
        phases.push(self.deal(&work, &plan, &places, &mut buckets)?);
        self.collect(&places, &targets, &mut buckets)?;
        if let Some(target) = &sources {
            self.write_sources(&**target, sources_at_once)?;
        }
        let all = || targets.iter().chain(&sources);
        all().try_for_each(|target| target.sync())?;
        all().rev().try_for_each(|target| target.publish())?;
        let mut stats = merge(phases);
        stats.bytes_read += buckets.bytes_written();
        stats.bytes_written = buckets.bytes_written() + all().map(|target| bytes_of(&**target)).sum::<u64>();
        Ok(RunReport::of(stats, started))
    }

    /// How everything fits `memory` bytes: stretches, buckets, and the plan that reads beside them.
    fn fit(&self, work: &Work, targets: &[Arc<dyn Target>], sources: Option<&dyn Target>, memory: u64) -> Result<Fitted> {
        let places = self.places(targets, memory)?;
        let sources_at_once = sources.map_or(Ok(1), |target| rows_at_once(target, size_of::<i64>(), memory))?;
        let record = PLACE_BYTES + self.row_bytes;
        let beside = targets.first().and_then(|target| target.folder());
        let buckets = Buckets::new(self.array.session().scratch(), beside, places.buckets, record, memory / 4)?;
        let plan = self.plan_of_dealing(work, memory)?;
        Ok(Fitted { places, sources_at_once, buckets, plan })
    }

    /// Tells whoever watches how many bytes of rows are in their order.
    fn tell(&self, session: &Session, bytes_done: u64, started: Instant) {
        let Some(report) = session.on_event() else { return };
        let bytes_total = self.parts.iter().map(|(rows, _)| (rows.len() * self.row_bytes) as u64).sum();
        report(&Progress {
            stage: 1,
            stages: 2,
            stage_name: "rows in their new order".to_string(),
            bytes_done,
            bytes_total,
            seconds: started.elapsed().as_secs_f64(),
            // Two stretches of rows, beside what is left of the buckets.
            bytes_held: session.limits().memory_bytes / 2,
            bytes_budget: session.limits().memory_bytes,
        });
    }

    fn targets(&self, files: &Files) -> Result<Vec<Arc<dyn Target>>> {
        let (dtype, dims) = (self.array.dtype()?, self.array.dims()?);
        let create = |(place, (rows, path)): (usize, &(Range<usize>, &Path))| {
            let shape: Vec<usize> = std::iter::once(rows.len()).chain(self.shape[1..].iter().copied()).collect();
            create_at(path, dtype, &shape, self.save.mode(), &files.layout(place, &shape, Some(&dims)))
        };
        self.parts.iter().enumerate().map(create).collect()
    }

    /// Numbers of rows have one axis, so that chunks that are asked for the rows are none of theirs.
    fn target_of_sources(&self, path: &Path, inputs: &[PathBuf]) -> Result<Arc<dyn Target>> {
        let save = if self.save.is_overwrite() { Save::new().overwrite() } else { Save::new() };
        let shape = [self.shape[0]];
        let options = Files::known(vec![Some(path)], inputs, &save).layout(0, &shape, None);
        create_at(path, DType::I64, &shape, save.mode(), &options)
    }

    /// Writes which row of the array each row of the output is, a stretch at a time: buckets are empty by now.
    fn write_sources(&self, target: &dyn Target, at_once: usize) -> Result<()> {
        let (length, key) = (self.shape[0], self.random.key());
        for first in (0..length).step_by(at_once) {
            let rows = first..(first + at_once).min(length);
            let bytes: Vec<u8> = rows.clone().flat_map(|row| (shuffle(row as u64, length as u64, key) as i64).to_ne_bytes()).collect();
            target.write(&Region { start: vec![first], shape: vec![rows.len()] }, &bytes)?;
        }
        Ok(())
    }

    /// Two stretches are in memory at a time, each a quarter of it, beside what is left of the buckets.
    fn places(&self, targets: &[Arc<dyn Target>], memory: u64) -> Result<Places> {
        let mut made = Places { parts: Vec::new(), buckets: 0 };
        for ((rows, _), target) in self.parts.iter().zip(targets) {
            let at_once = rows_at_once(&**target, self.row_bytes, memory)?;
            made.parts.push((rows.clone(), at_once, made.buckets));
            made.buckets += rows.len().div_ceil(at_once);
        }
        Ok(made)
    }

    /// Reads the rows in their order and puts each into its bucket.
    fn deal(&self, work: &Work, plan: &Plan, places: &Places, buckets: &mut Buckets) -> Result<RunStats> {
        let session = self.array.session();
        let rows_at_once = self.limits_of_dealing(session.limits().memory_bytes).rows_per_run.unwrap_or(1);
        let mut bands = Bands::new(self.shape.clone(), self.array.dtype()?, rows_at_once);
        let (length, key) = (self.shape[0] as u64, self.random.key());
        let mut take = |region: &Region, bytes: &[u8]| {
            bands.add(region, bytes, |band| {
                let first = band.region().start[0];
                let array = band.into_array();
                for (nth, row) in array.bytes().chunks_exact(self.row_bytes).enumerate() {
                    let place = unshuffle((first + nth) as u64, length, key) as usize;
                    if let Some((bucket, inside)) = places.of(place) {
                        buckets.push(bucket, &inside.to_ne_bytes(), row)?;
                    }
                }
                Ok(())
            })
        };
        run(&session, plan, work, vec![Sink::Caller(&mut take)])
    }

    /// What reading rows may take of `memory` bytes, beside the buckets.
    fn limits_of_dealing(&self, memory: u64) -> Limits {
        let rows_at_once = ((memory / 12 / BLOCKS_HELD) as usize / self.row_bytes).clamp(1, 1 << 20);
        Limits { memory_bytes: memory / 8 * 3, rows_per_run: Some(rows_at_once), ..self.array.session().limits().clone() }
    }

    fn plan_of_dealing(&self, work: &Work, memory: u64) -> Result<Plan> {
        Asked::one().plan(work, &self.limits_of_dealing(memory)).map_err(|error| match error.needed_bytes() {
            Some(needed) => {
                error.context("reading beside buckets").with_needed_bytes(needed.saturating_mul(8).div_ceil(3).saturating_add(8))
            }
            None => error,
        })
    }

    /// Puts every bucket in order and writes it, while the next one is read.
    fn collect(&self, places: &Places, targets: &[Arc<dyn Target>], buckets: &mut Buckets) -> Result<()> {
        let session = self.array.session();
        let (full, to_write) = sync_channel::<(usize, usize, Vec<u8>)>(0);
        let (empty, to_fill) = sync_channel::<Vec<u8>>(2);
        let write = move || -> Result<()> {
            for (part, first, rows) in to_write {
                let target = &targets[part];
                let (mut start, mut shape) = (vec![0; self.shape.len()], self.shape.clone());
                (start[0], shape[0]) = (first, rows.len() / self.row_bytes);
                target.write(&Region { start, shape }, &rows)?;
                // Nobody waits for it after the last one.
                let _ = empty.send(rows);
            }
            Ok(())
        };
        let record = PLACE_BYTES + self.row_bytes;
        let fill = move |buckets: &mut Buckets| -> Result<()> {
            let (mut made, mut done, started) = (0, 0, Instant::now());
            for (part, (rows, at_once, first_bucket)) in places.parts.iter().enumerate() {
                for (nth, first) in (0..rows.len()).step_by(*at_once).enumerate() {
                    if session.is_cancelled() {
                        return Err(Error::cancelled());
                    }
                    let mut ordered = if made < 2 { Vec::new() } else { to_fill.recv().unwrap_or_default() };
                    made += 1;
                    ordered.resize((rows.len() - first).min(*at_once) * self.row_bytes, 0);
                    buckets.drain(first_bucket + nth, |records| {
                        for one in records.chunks_exact(record) {
                            let (place, row) = one.split_at(PLACE_BYTES);
                            let place = u32::from_ne_bytes([place[0], place[1], place[2], place[3]]) as usize;
                            ordered[place * self.row_bytes..][..self.row_bytes].copy_from_slice(row);
                        }
                        Ok(())
                    })?;
                    if full.send((part, first, ordered)).is_err() {
                        // The writer has ended with an error, which is told.
                        return Ok(());
                    }
                    done += ((rows.len() - first).min(*at_once) * self.row_bytes) as u64;
                    self.tell(&session, done, started);
                }
            }
            Ok(())
        };
        thread::scope(|scope| {
            let writer = scope.spawn(write);
            let filled = fill(buckets);
            // The writer ends when nobody can send any more.
            drop(fill);
            let written = writer.join().unwrap_or_else(|_| Err(Error::internal("writing rows panicked")));
            filled.and(written)
        })
    }
}

/// How many rows of `row_bytes` a quarter of the memory holds: whole chunks of what is written.
fn rows_at_once(target: &dyn Target, row_bytes: usize, memory: u64) -> Result<usize> {
    let scratch = target.write_scratch_bytes();
    let room = (memory.saturating_sub(scratch) / 4) as usize / row_bytes;
    let chunk = target.chunk().and_then(|chunk| chunk.first().copied()).unwrap_or(1).max(1);
    match room.min(u32::MAX as usize) / chunk * chunk {
        0 => {
            let needed = (chunk * row_bytes) as u64 * 4 + scratch + 64;
            let text = format!(
                "shuffling into {} takes {} for {chunk} rows of {row_bytes} bytes, the memory budget is {}",
                target.name(),
                show_memory(needed),
                show_memory(memory)
            );
            Err(Error::refused(text).hint("more memory, or smaller chunks").with_needed_bytes(needed))
        }
        rows => Ok(rows),
    }
}

fn bytes_of(target: &dyn Target) -> u64 {
    target.shape().iter().product::<usize>() as u64 * target.dtype().size() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DType, Session};
    use ndarray::{Axis, Ix2, concatenate};

    fn session(memory: u64) -> Session {
        Session::builder().memory(memory).threads(2).build().unwrap()
    }

    #[test]
    fn dealt_rows_are_the_gathered_ones_whatever_the_memory() {
        let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR").to_string() + "/target").unwrap();
        let random = Random::new(11);
        let x = session(64 << 20).adopt(Random::new(1).integers::<i32>([60_011, 5], 0..1 << 30)).eval::<i32, Ix2>().unwrap();
        let want = session(64 << 20).from_ndarray(x.clone()).shuffle(random, 0).eval::<i32, Ix2>().unwrap();
        for (memory, end) in [(64 << 20, "npy"), (2 << 20, "npy"), (3 << 20, "zarr?chunks=100,3&shards=none"), (2 << 20, "fbin")] {
            let path = folder.path().join(format!("{memory}.{end}"));
            let lazy = session(memory).from_ndarray(x.clone());
            let lazy = if end == "fbin" { lazy.astype(DType::F32) } else { lazy };
            let report = lazy.save_shuffled(random, &path, Save::new()).unwrap();
            let spilled = report.stats.bytes_written > 60_011 * 20;
            assert_eq!(spilled, memory < 8 << 20, "{} bytes written with {memory}", report.stats.bytes_written);
            let read = path.to_str().unwrap().split('?').next().unwrap().to_string();
            let found = session(64 << 20).open(read).cast::<f32>().eval::<f32, Ix2>().unwrap();
            assert!(found == want.mapv(|value| value as f32), "{memory} {end}");
        }
    }

    #[test]
    fn parts_are_disjoint_and_whole() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        let x = session(4 << 20).arange(0, 3003, 1).reshape([1001, 3]);
        let whole = x.eval::<i64, Ix2>().unwrap();
        let shuffled = x.shuffle(Random::new(4), 0).eval::<i64, Ix2>().unwrap();
        for (name, order, want) in [("k", RowOrder::Kept, &whole), ("s", RowOrder::Shuffled(Random::new(4)), &shuffled)] {
            let paths = [file(&format!("{name}1.npy")), file(&format!("{name}2.npy")), file(&format!("{name}3.npy"))];
            let parts = [(0.8, &paths[0]), (0.15, &paths[1]), (0.05, &paths[2])];
            x.save_split(order, &parts, Save::new()).unwrap();
            let parts: Vec<_> = paths.iter().map(|path| session(4 << 20).open(path).eval::<i64, Ix2>().unwrap()).collect();
            assert_eq!(parts.iter().map(|part| part.nrows()).collect::<Vec<_>>(), [801, 150, 50]);
            let views: Vec<_> = parts.iter().map(|part| part.view()).collect();
            assert_eq!(concatenate(Axis(0), &views).unwrap(), want);
        }
        let refused = x.save_split(RowOrder::Shuffled(Random::new(4)), &[(1.0, file("k1.npy"))], Save::new()).unwrap_err();
        assert!(refused.message().contains("exists"), "{refused}");
        let less = x.save_split(RowOrder::Shuffled(Random::new(4)), &[(0.1, file("less.npy"))], Save::new());
        assert!(less.is_ok() && session(4 << 20).open(file("less.npy")).shape().unwrap() == [100, 3]);
    }

    #[test]
    fn shares_that_make_no_sense() {
        let x = session(1 << 20).arange(0, 10, 1);
        let refused = |parts: &[(f64, &str)]| x.save_split(RowOrder::Kept, parts, Save::new()).unwrap_err().to_string();
        assert!(refused(&[(0.7, "a.npy"), (0.7, "b.npy")]).contains("together they are up to 1"));
        assert!(refused(&[(-0.5, "a.npy")]).contains("above 0"));
        assert!(refused(&[(f64::NAN, "a.npy")]).contains("above 0"));
        assert!(refused(&[(0.98, "a.npy"), (0.02, "b.npy")]).contains("0.02 of 10 rows"));
        assert!(refused(&[]).contains("no part"));
    }

    #[test]
    fn too_little_memory_is_said_with_the_number() {
        let folder = tempfile::tempdir().unwrap();
        let x = session(1 << 20).zeros::<f32>([1000, 1000]);
        let refused = x.save_shuffled(Random::new(0), folder.path().join("x.zarr?chunks=500,1000&shards=none"), Save::new()).unwrap_err();
        assert!(refused.needed_bytes().is_some_and(|bytes| bytes > 2_000_000) && refused.message().contains("500 rows"), "{refused}");
        assert!(folder.path().read_dir().unwrap().next().is_none());
    }
}
