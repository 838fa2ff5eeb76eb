//! What statistics are made of, and what they are finished into.

use super::super::{
    any::scalar_of,
    axes::{Axes, places},
    job::{Destination, Job},
    node::Array,
    words::{DType, Finish, Scalar, SumMode},
};
use crate::{
    error::{Error, Result},
    expr::{Op, Reduction},
    numeric::Accumulator,
};

/// What is known of a number of elements, once for every place of the axes that stay (in C order).
///
/// Everything is exact and rounded once, to `f64`, whatever the elements are. NaN is left out and counted.
#[derive(Clone, Debug, PartialEq)]
pub struct StatisticsValues {
    /// Lengths of the axes that stay; empty where all are reduced.
    pub shape: Vec<usize>,
    /// Elements that are not NaN.
    pub count: Vec<u64>,
    /// Elements that are NaN.
    pub nan: Vec<u64>,
    /// Infinities of either sign.
    pub inf: Vec<u64>,
    /// Smallest element; NaN where there is none.
    pub min: Vec<f64>,
    /// Largest element; NaN where there is none.
    pub max: Vec<f64>,
    /// Mean; NaN where there is no element.
    pub mean: Vec<f64>,
    /// Standard deviation, of which the divisor is the number of elements; NaN where there is none.
    pub std: Vec<f64>,
    /// Sum.
    pub sum: Vec<f64>,
    /// Root of the sum of squares.
    pub l2: Vec<f64>,
}

/// The states of one output.
struct Parts {
    moments: Accumulator,
    extremes: [Accumulator; 2],
    /// Which elements are infinite; of floats only.
    infinite: Option<Accumulator>,
}

impl Array {
    /// Count, NaN, infinities, smallest, largest, mean, deviation, sum and norm over `axes`, in one pass.
    ///
    /// ```
    /// let x = outcore::Session::default_session().from_ndarray(ndarray::array![[1f32, f32::NAN], [3.0, 2.0]]);
    /// let columns = x.statistics(0)?;
    /// assert_eq!((&columns.mean[..], &columns.nan[..]), (&[2.0, 2.0][..], &[0, 1][..]));
    /// # Ok::<(), outcore::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of computing the array.
    pub fn statistics(&self, axes: impl Into<Axes>) -> Result<StatisticsValues> {
        let reduced = places(axes.into().list.as_deref(), &self.dims()?)?;
        let kept = self.shape()?.iter().enumerate().filter(|(axis, _)| !reduced.contains(axis)).map(|(_, &length)| length).collect();
        let states = states_of(self, &reduced)?;
        finish(kept, self.dtype()?, &[&states])
    }
}

/// How many states an output has.
pub(super) fn states_per_output(dtype: DType) -> usize {
    if dtype.is_float() { 4 } else { 3 }
}

/// The states of the elements of `array` over the axes `reduced`, those of one output after those of another: one pass.
pub(super) fn states_of(array: &Array, reduced: &[usize]) -> Result<Vec<Vec<u8>>> {
    let state = |array: &Array, finish: Finish| {
        let finish = finish.state(SumMode::Exact);
        let reduction = Reduction { finish, axes: reduced.to_vec(), keepdims: false, mode: SumMode::Exact, dtype: DType::U8 };
        Array::make(Op::Reduce(reduction), vec![array.clone()])
    };
    let wanted = if array.dtype()?.is_float() {
        let infinite = array.isinf();
        vec![
            state(array, Finish::NanVar { ddof: 0 })?,
            state(array, Finish::NanMin)?,
            state(array, Finish::NanMax)?,
            state(&infinite, Finish::CountNonzero)?,
        ]
    } else {
        vec![state(array, Finish::Var { ddof: 0 })?, state(array, Finish::Min)?, state(array, Finish::Max)?]
    };
    let mut job = Job::new(&array.session());
    for (index, array) in wanted.iter().enumerate() {
        job = job.output(format!("state {index}"), array, Destination::Memory);
    }
    let columns: Vec<_> = job.run()?.arrays.into_iter().flatten().collect();
    let sizes: Vec<usize> = columns.iter().map(|column| column.shape().last().copied().unwrap_or(1).max(1)).collect();
    let outputs = columns.first().map_or(0, |column| column.len() / sizes[0]);
    let places =
        (0..outputs).flat_map(|output| columns.iter().zip(&sizes).map(move |(column, size)| &column.bytes()[output * size..][..*size]));
    places.map(|place| Accumulator::state_in(place).map(<[u8]>::to_vec)).collect()
}

/// Merges the states of parts of the elements, and rounds. The order of the parts shows nowhere.
pub(super) fn finish(shape: Vec<usize>, dtype: DType, parts: &[&[Vec<u8>]]) -> Result<StatisticsValues> {
    let outputs = shape.iter().product::<usize>();
    let each = states_per_output(dtype);
    if let Some(part) = parts.iter().find(|part| part.len() != outputs * each) {
        return Err(Error::data(format!("{} states of {outputs} outputs of {each} states", part.len())));
    }
    let mut made = StatisticsValues {
        shape,
        count: Vec::new(),
        nan: Vec::new(),
        inf: Vec::new(),
        min: Vec::new(),
        max: Vec::new(),
        mean: Vec::new(),
        std: Vec::new(),
        sum: Vec::new(),
        l2: Vec::new(),
    };
    for output in 0..outputs {
        let mut whole: Option<Parts> = None;
        for part in parts {
            let read = Parts::read(dtype, &part[output * each..][..each])?;
            whole = Some(match whole {
                None => read,
                Some(sum) => sum.merged(&read),
            });
        }
        whole.map_or_else(|| Parts::empty(dtype), Ok)?.finish_into(&mut made)?;
    }
    Ok(made)
}

impl Parts {
    fn empty(dtype: DType) -> Result<Parts> {
        let of = |finish: Finish, dtype: DType| Accumulator::empty_for(finish, SumMode::Exact, dtype);
        let float = dtype.is_float();
        let [var, min, max] =
            [Finish::NanVar { ddof: 0 }, Finish::NanMin, Finish::NanMax].map(|finish| if float { finish } else { finish.plain() });
        Ok(Parts {
            moments: of(var, dtype)?,
            extremes: [of(min, dtype)?, of(max, dtype)?],
            infinite: float.then(|| of(Finish::CountNonzero, DType::Bool)).transpose()?,
        })
    }

    /// Reads states, which have to be of what [`states_of`] asks for.
    fn read(dtype: DType, states: &[Vec<u8>]) -> Result<Parts> {
        let like = Parts::empty(dtype)?;
        let read = |like: &Accumulator, place: usize| {
            let read = Accumulator::deserialise(&states[place])?;
            let same = (read.kind(), read.dtype(), read.outputs()) == (like.kind(), like.dtype(), 1);
            if same { Ok(read) } else { Err(Error::data(format!("state {place} is of {:?} of {}", read.kind(), read.dtype()))) }
        };
        Ok(Parts {
            moments: read(&like.moments, 0)?,
            extremes: [read(&like.extremes[0], 1)?, read(&like.extremes[1], 2)?],
            infinite: like.infinite.as_ref().map(|like| read(like, 3)).transpose()?,
        })
    }

    fn merged(mut self, other: &Parts) -> Parts {
        self.moments.merge_run(0, &other.moments, 0, 1);
        self.extremes.iter_mut().zip(&other.extremes).for_each(|(to, of)| to.merge_run(0, of, 0, 1));
        if let (Some(to), Some(of)) = (&mut self.infinite, &other.infinite) {
            to.merge_run(0, of, 0, 1);
        }
        self
    }

    fn finish_into(&self, made: &mut StatisticsValues) -> Result<()> {
        let count = self.moments.absorbed(0);
        let all = self.infinite.as_ref().map_or(count, |infinite| infinite.absorbed(0));
        made.count.push(count);
        made.nan.push(all - count);
        let scalar = |of: &Accumulator, finish: Finish, dtype: DType| {
            let finish = if of.kind().skips_nan() { finish } else { finish.plain() };
            let mut bytes = vec![0; dtype.size()];
            of.finish(finish, dtype, 0, 1, &mut bytes)?;
            scalar_of(dtype, &bytes).ok_or_else(|| Error::internal("a statistic without a value"))
        };
        let number = |of: &Accumulator, finish: Finish| scalar(of, finish, DType::F64).map(Scalar::to_f64);
        let infinite = self.infinite.as_ref().map(|infinite| scalar(infinite, Finish::CountNonzero, DType::I64)).transpose()?;
        made.inf.push(infinite.map_or(0, |count| count.to_i128() as u64));
        let extreme = |of: &Accumulator, finish| if count == 0 { Ok(f64::NAN) } else { scalar(of, finish, of.dtype()).map(Scalar::to_f64) };
        made.min.push(extreme(&self.extremes[0], Finish::NanMin)?);
        made.max.push(extreme(&self.extremes[1], Finish::NanMax)?);
        made.mean.push(number(&self.moments, Finish::NanMean)?);
        made.std.push(number(&self.moments, Finish::NanStd { ddof: 0 })?);
        made.sum.push(number(&self.moments, Finish::NanSum)?);
        made.l2.push(number(&self.moments, Finish::Norm)?);
        Ok(())
    }
}
