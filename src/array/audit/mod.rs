//! [`Array::audit`]: what is wrong with rows of numbers, in one read of them.
//!
//! Counts and columns are reductions like any others. Norms and hashes of rows leave the same pass as streams, in the order of the
//! rows, so that nothing has to hold them but who counts them ([`rows`], [`twins`]).

mod rows;
mod twins;

#[cfg(test)]
mod tests;

use super::{
    any::AnyArray,
    axes::axis,
    below::Sink,
    function::BlockCode,
    graph::{Work, build, unbound},
    job::RunReport,
    node::Array,
    phased::settle,
    phases::{Asked, collectors, limits_beside, merge, run, with_budget},
    words::{DType, Element, Region, SumMode},
};
use crate::{
    error::{Error, Result},
    expr::{FunctionFacts, FunctionRole},
    kernel::rows::{HASH_WORDS, RowHash},
    nd::shape::show,
    plan::Limits,
};
use rows::{RowTally, ZeroRows};
use serde::Serialize;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};
use twins::Twins;

/// Rows and columns of one kind that are named one by one.
const NAMED_MAX: usize = 5;
/// What a warning of the least or greatest of nothing ends with.
const NOTHING_BUT_NAN: &str = "of nothing but NaN is NaN";

/// What [`Array::audit`] looks for.
///
/// ```
/// let spec = outcore::AuditSpec::new().columns().unit_tolerance(1e-4);
/// # let _ = spec;
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct AuditSpec {
    columns: bool,
    duplicates: bool,
    unit_tolerance: f64,
}

impl Default for AuditSpec {
    fn default() -> Self {
        AuditSpec { columns: false, duplicates: true, unit_tolerance: 1e-3 }
    }
}

impl AuditSpec {
    /// Everything but statistics of columns.
    #[must_use]
    pub fn new() -> AuditSpec {
        AuditSpec::default()
    }

    /// Minimum, maximum, mean and deviation of every column too.
    #[must_use]
    pub fn columns(mut self) -> AuditSpec {
        self.columns = true;
        self
    }

    /// Rows are not hashed: no duplicates are found, and no memory is needed for them.
    #[must_use]
    pub fn without_duplicates(mut self) -> AuditSpec {
        self.duplicates = false;
        self
    }

    /// A norm counts as 1 if it is no farther from it (default 0.001).
    #[must_use]
    pub fn unit_tolerance(mut self, tolerance: f64) -> AuditSpec {
        self.unit_tolerance = tolerance;
        self
    }
}

/// How many there are of a kind, and which are the first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Named {
    /// How many.
    pub count: u64,
    /// Numbers of the first five.
    pub first: Vec<u64>,
}

impl Named {
    fn add(&mut self, number: u64) {
        self.count += 1;
        if self.first.len() < NAMED_MAX {
            self.first.push(number);
        }
    }
}

/// The Euclidean norms of the rows that have no NaN and no infinity.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Norms {
    /// Rows.
    pub count: u64,
    /// The smallest; NaN if there are no rows.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation.
    pub std: f64,
    /// Pairs of a share and the norm of that rank, the lower of two.
    pub quantiles: Vec<(f64, f64)>,
    /// Relative error of the quantiles: 0, or what is told apart where memory does not hold the norms of all rows.
    pub quantile_error: f64,
    /// Rows whose norm is 1 within [`Norms::unit_tolerance`].
    pub unit: u64,
    /// How near 1 is near.
    pub unit_tolerance: f64,
}

/// Rows that are equal as numbers, by 127 bits of hash.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Duplicates {
    /// Rows that equal an earlier one: so many could go.
    pub rows: u64,
    /// Sets of equal rows.
    pub groups: u64,
    /// Rows of the largest set.
    pub largest: u64,
    /// The first row of the largest set, if there is one.
    pub largest_row: Option<u64>,
    /// First row, and number of rows, of the sets that begin first.
    pub first: Vec<(u64, u64)>,
}

/// Statistics of every column; NaN left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ColumnStatistics {
    /// Smallest.
    pub min: Vec<f64>,
    /// Largest.
    pub max: Vec<f64>,
    /// Mean.
    pub mean: Vec<f64>,
    /// Standard deviation.
    pub std: Vec<f64>,
}

/// What [`Array::audit`] found.
#[derive(Clone, Debug, Serialize)]
pub struct Audit {
    /// Dtype of the elements.
    pub dtype: DType,
    /// Rows.
    pub rows: u64,
    /// Elements of a row.
    pub width: u64,
    /// NaN among the elements.
    pub nan: u64,
    /// Infinities among the elements.
    pub inf: u64,
    /// Rows with NaN.
    pub nan_rows: Named,
    /// Rows with infinities, and without NaN; or whose norm is too large for an `f64`.
    pub inf_rows: Named,
    /// Rows of zeros alone.
    pub zero_rows: Named,
    /// Norms of the others.
    pub norms: Norms,
    /// Columns in which every number is the same, 0 or not.
    pub constant_columns: Named,
    /// Columns of zeros alone.
    pub dead_columns: Named,
    /// Columns of NaN alone.
    pub empty_columns: Named,
    /// Equal rows, unless they were not looked for.
    pub duplicates: Option<Duplicates>,
    /// Statistics of columns, if they were asked for.
    pub columns: Option<ColumnStatistics>,
    /// What it took.
    pub report: RunReport,
}

impl Array {
    /// Looks the rows (everything but the first axis) over, in one read: NaN, infinities, rows of zeros, norms, dead columns, equal rows.
    ///
    /// Rows are found equal by 127-bit hashes, of which all are held in memory or, where that is too little, in scratch on disk (24 bytes a
    /// row), so that the count is exact for any number of rows. Quantiles of norms are exact if a sixteenth of the budget holds 8 bytes a
    /// row, and about right otherwise ([`Norms::quantile_error`]). The audit does not depend on threads or blocks.
    ///
    /// ```
    /// use outcore::{AuditSpec, Session};
    /// let x = Session::default_session().from_ndarray(ndarray::array![[3f32, 4.0], [0.0, 0.0], [3.0, 4.0], [f32::NAN, 1.0]]);
    /// let audit = x.audit(&AuditSpec::new())?;
    /// assert_eq!((audit.nan_rows.first, audit.zero_rows.first), (vec![3], vec![1]));
    /// assert_eq!(audit.duplicates.unwrap().first, [(0, 2)]);
    /// assert_eq!(audit.norms.max, 5.0);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`crate::ErrorKind::Mismatch`] if there are no rows of elements to look at: an array of fewer than two axes, or an empty one;
    /// those of computing the array.
    #[track_caller]
    pub fn audit(&self, spec: &AuditSpec) -> Result<Audit> {
        let shape = self.checked()?.shape()?;
        let [rows, others @ ..] = &shape[..] else { return Err(no_rows(&shape)) };
        let width: usize = others.iter().product();
        if others.is_empty() || rows * width == 0 {
            return Err(no_rows(&shape));
        }
        let x = if others.len() == 1 { self.clone() } else { self.reshape([*rows as i64, width as i64]) };
        Auditing { x, rows: *rows, width, spec }.run()
    }
}

fn no_rows(shape: &[usize]) -> Error {
    Error::mismatch(format!("an audit looks at rows of numbers, the array has shape {}", show(shape)))
        .hint("two axes or more, none of them empty; `x[:, None]` makes rows of single numbers")
}

struct Auditing<'a> {
    x: Array,
    rows: usize,
    width: usize,
    spec: &'a AuditSpec,
}

/// Results that are small: one array each, in this order.
struct Small {
    /// nan, inf: floats only.
    counts: Vec<Array>,
    /// min, max, and mean, std if asked for.
    columns: Vec<Array>,
}

impl Auditing<'_> {
    fn run(&self) -> Result<Audit> {
        let started = Instant::now();
        let session = self.x.session();
        let budget = session.limits().memory_bytes;
        let (small, squares, largest) = (self.small(), self.squares(), self.largest());
        let mut roots: Vec<&Array> = small.counts.iter().chain(&small.columns).chain([&squares]).chain(&largest).collect();
        let hashes = self.hashes()?;
        if self.spec.duplicates {
            roots.extend(&hashes);
        }
        let mut work = build(&roots, &unbound)?;
        let asked = Asked { outputs: self.names(&small, largest.is_some()), ..Asked::one() };
        let (mut tally, mut twins, held) = self.counters(&small, budget).map_err(|error| self.too_little(error, &small, &asked, &work))?;
        let limits =
            limits_beside(session.limits(), held, "counting takes").map_err(|error| self.too_little(error, &small, &asked, &work))?;
        let mut phases = settle(&session, &mut work, &limits)?;
        let plan = asked.plan(&work, &limits).map_err(|error| self.too_little(error, &small, &asked, &work))?;
        let mut arrays = small
            .counts
            .iter()
            .chain(&small.columns)
            .map(|array| AnyArray::zeros(array.dtype()?, &array.shape()?))
            .collect::<Result<Vec<_>>>()?;
        let mut place = collectors(&mut arrays);
        let mut zeros = largest.as_ref().map(|_| ZeroRows::default());
        let mut take_squares = |region: &Region, bytes: &[u8]| tally.take(region, bytes);
        let mut take_largest = |region: &Region, bytes: &[u8]| zeros.as_mut().map_or(Ok(()), |zeros| zeros.take(region, bytes));
        // Both words of a row come apart.
        let pairs = Mutex::new(twins.as_mut());
        let take_word = |word: usize, region: &Region, bytes: &[u8]| match pairs.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(twins) => twins.take(word, region, bytes),
            None => Ok(()),
        };
        let mut take_first = |region: &Region, bytes: &[u8]| take_word(0, region, bytes);
        let mut take_second = |region: &Region, bytes: &[u8]| take_word(1, region, bytes);
        let mut sinks: Vec<Sink<'_>> = place.iter_mut().map(|closure| Sink::Caller(closure)).collect();
        sinks.push(Sink::Caller(&mut take_squares));
        if largest.is_some() {
            sinks.push(Sink::Caller(&mut take_largest));
        }
        if self.spec.duplicates {
            sinks.extend([Sink::Caller(&mut take_first), Sink::Caller(&mut take_second)]);
        }
        let mut done = run(&session, &plan, &work, sinks)?;
        // What is found says which columns are nothing but NaN; how it was found is nobody's business.
        done.warnings.retain(|(_, text)| !text.ends_with(NOTHING_BUT_NAN));
        phases.push(done);
        drop(place);
        let (counts, columns) = arrays.split_at(small.counts.len());
        let duplicates = twins.map(Twins::finish).transpose()?;
        self.found(counts, columns, (tally, zeros), duplicates, RunReport::of(merge(phases), started))
    }

    /// What counts rows and finds equal ones in shares of `budget`, and what is held in all beside the plan.
    fn counters(&self, small: &Small, budget: u64) -> Result<(RowTally, Option<Twins>, u64)> {
        let tally = RowTally::new(self.rows, self.spec.unit_tolerance, budget / 16);
        let twins = match self.spec.duplicates {
            true => Some(Twins::new(self.rows, budget, self.x.session().scratch())?),
            false => None,
        };
        let held = tally.bytes() + twins.as_ref().map_or(0, Twins::bytes) + (8 * small.columns.len() * self.width) as u64;
        Ok((tally, twins, held))
    }

    /// An error for want of memory, with a budget that works.
    #[cold]
    fn too_little(&self, error: Error, small: &Small, asked: &Asked, work: &Work) -> Error {
        let session = self.x.session();
        let attempt = |memory: u64| {
            let (_, _, held) = self.counters(small, memory)?;
            let limits = limits_beside(&Limits { memory_bytes: memory, ..session.limits().clone() }, held, "counting takes")?;
            asked.plan(work, &limits).map(drop)
        };
        with_budget(error.context(format!("an audit of {} rows", self.rows)), session.limits().memory_bytes, attempt)
    }

    fn names(&self, small: &Small, has_largest: bool) -> Vec<String> {
        let counts = ["nan", "inf"].into_iter().take(small.counts.len());
        let columns = ["min", "max", "mean", "std"].into_iter().take(small.columns.len());
        let rows = ["squares"].into_iter().chain(["largest"].into_iter().filter(|_| has_largest));
        let hashes = ["hash", "hash'"].into_iter().filter(|_| self.spec.duplicates);
        counts.chain(columns).chain(rows).chain(hashes).map(String::from).collect()
    }

    fn small(&self) -> Small {
        let floats = self.x.dtype().is_ok_and(DType::is_float);
        let counts = if floats { vec![self.x.isnan().count_nonzero(..), self.x.isinf().count_nonzero(..)] } else { Vec::new() };
        let wide = || axis(0).dtype(DType::F64);
        let mut columns = vec![self.x.nanmin(0).astype(DType::F64), self.x.nanmax(0).astype(DType::F64)];
        if self.spec.columns {
            columns.extend(match floats {
                true => [self.x.nanmean(wide()), self.x.astype(DType::F64).nanstd(0)],
                false => [self.x.mean(wide()), self.x.std(wide())],
            });
        }
        Small { counts, columns }
    }

    /// Squares of the norms. Their roots would be a stage of their own, for which all sums would have to be held.
    fn squares(&self) -> Array {
        let squares = self.x.astype(DType::F64).square();
        // Squares of an f64 may spread farther than exact sums reach; of all others they do not.
        let over = if self.x.dtype().is_ok_and(|dtype| dtype == DType::F64) { axis(1).sum(SumMode::Neumaier) } else { axis(1) };
        squares.sum(over)
    }

    /// The largest magnitude of every row of f64: squares of small ones are 0 where the row is not. Those of all other dtypes are not.
    fn largest(&self) -> Option<Array> {
        self.x.dtype().is_ok_and(|dtype| dtype == DType::F64).then(|| self.x.abs().max(1))
    }

    /// Two words a row.
    fn hashes(&self) -> Result<[Array; 2]> {
        // A row of one element has room for one word only: it is looked at twice.
        let x = if self.width < HASH_WORDS { self.x.broadcast_to([self.rows, HASH_WORDS]) } else { self.x.clone() };
        let dtype = x.dtype()?;
        let facts = FunctionFacts {
            name: "hash of rows".to_string(),
            input: dtype,
            output: DType::U64,
            whole: vec![1],
            scratch_bytes: 0,
            role: FunctionRole::Map,
        };
        let hashed = x.make_mapped(Arc::new(BlockCode { facts, code: Arc::new(RowHash { dtype }) }))?;
        Ok([hashed.min(1), hashed.max(1)])
    }

    fn found(
        &self,
        counts: &[AnyArray],
        columns: &[AnyArray],
        (tally, zeros): (RowTally, Option<ZeroRows>),
        duplicates: Option<Duplicates>,
        report: RunReport,
    ) -> Result<Audit> {
        let count = |index: usize| counts.get(index).and_then(|array| array.scalar(0)).map_or(0, |value| value.to_f64() as u64);
        let column = |index: usize| columns[index].as_slice::<f64>();
        let (least, most) = (column(0)?, column(1)?);
        let [mut constant, mut dead, mut empty] = <[Named; 3]>::default();
        for (place, (least, most)) in least.iter().zip(most).enumerate() {
            match (least, most) {
                _ if least.is_nan() => empty.add(place as u64),
                _ if least == most => {
                    constant.add(place as u64);
                    if *least == 0.0 {
                        dead.add(place as u64);
                    }
                }
                _ => {}
            }
        }
        let columns = match self.spec.columns {
            true => Some(ColumnStatistics { min: least.to_vec(), max: most.to_vec(), mean: column(2)?.to_vec(), std: column(3)?.to_vec() }),
            false => None,
        };
        let found = tally.finish();
        Ok(Audit {
            dtype: self.x.dtype()?,
            rows: self.rows as u64,
            width: self.width as u64,
            nan: count(0),
            inf: count(1),
            nan_rows: found.nan,
            inf_rows: found.inf,
            zero_rows: zeros.map_or(found.zero, |zeros| zeros.found),
            norms: found.norms,
            constant_columns: constant,
            dead_columns: dead,
            empty_columns: empty,
            duplicates,
            columns,
            report,
        })
    }
}

/// Elements of a stream of rows that has to come in order.
fn in_order<T: Element>(region: &Region, next: u64, bytes: &[u8]) -> Result<Vec<T>> {
    if region.start.first().is_none_or(|&start| start as u64 != next) {
        return Err(Error::internal(format!("rows came as {region}, {next} was the next")));
    }
    let mut elements = vec![T::default(); bytes.len() / size_of::<T>()];
    T::write_bytes(&mut elements, bytes);
    Ok(elements)
}
