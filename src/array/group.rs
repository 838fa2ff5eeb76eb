//! Reductions by labels, and counts of them.

use super::{
    axes::{Axes, places},
    elementwise::convert,
    node::Array,
    reduce::reduction,
    words::{CastMode, DType, Finish, Outside, SliceItem, SumMode},
};
use crate::{
    error::{Error, Result},
    expr::{Grouping, Meta, Op, Reduction, group::label_dtype},
    nd::shape::show,
};

/// More groups would not have states in any memory.
const GROUPS_MAX: usize = 1 << 40;

/// An array whose elements belong to groups: what [`Array::group_by`] gives.
///
/// Every reduction puts the groups where the (first) reduced axis was. A group without elements has the sum 0, the mean NaN, and
/// as minimum or maximum NaN, or an error if the elements are integers.
#[derive(Clone, Debug)]
pub struct GroupBy {
    value: Array,
    labels: Array,
    groups: usize,
    outside: Outside,
    /// The number of groups, where data decide it, and its bound.
    counted: Option<(Array, usize)>,
}

impl Array {
    /// Groups the elements by integer labels `0..groups`: of the shape of the array, or one per place along the axis that is
    /// reduced.
    ///
    /// The states of all groups are held in memory; where they do not fit the budget, the plan says what they need.
    ///
    /// ```
    /// let session = outcore::Session::default_session();
    /// let x = session.from_ndarray(ndarray::array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]);
    /// let season = session.from_ndarray(ndarray::array![0, 1, 0]);
    /// let mean = x.group_by(&season, 2).mean(0);
    /// assert_eq!(mean.eval::<f64, _>()?, ndarray::array![[3.0, 4.0], [3.0, 4.0]]);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    #[must_use]
    pub fn group_by(&self, labels: &Array, groups: usize) -> GroupBy {
        GroupBy { value: self.clone(), labels: labels.clone(), groups, outside: Outside::Refuse, counted: None }
    }

    /// How often each number `0..length` occurs among integers: NumPy's `bincount`, its length given. A number outside is an
    /// error.
    ///
    /// ```
    /// let x = outcore::Session::default_session().from_ndarray(ndarray::array![0, 1, 1, 3]);
    /// assert_eq!(x.bincount(5).eval::<i64, _>()?, ndarray::array![1, 2, 0, 1, 0]);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn bincount(&self, length: usize) -> Array {
        self.group_by(self, length).count(..)
    }

    /// How often each number occurs among integers, up to the largest, which is computed first: NumPy's `bincount`. With
    /// weights their sums, in `f64`. The result has `least` elements at least.
    #[must_use]
    #[track_caller]
    pub fn bincount_all(&self, weights: Option<&Array>, least: usize) -> Array {
        let made = self.bincount_groups(least).and_then(|groups| match weights {
            None => GroupBy { value: self.clone(), ..groups }.reduced(Finish::Count, &Axes::all()),
            Some(weights) => GroupBy { value: weights.astype(DType::F64), ..groups }.reduced(Finish::Sum, &Axes::all()),
        });
        self.then(made)
    }

    fn bincount_groups(&self, least: usize) -> Result<GroupBy> {
        let meta = self.known()?;
        let mut groups = self.group_by(self, least);
        if meta.shape.iter().any(|extent| extent.known() == Some(0)) {
            return Ok(groups);
        }
        let Some(dtype) = label_dtype(meta.dtype) else { return Ok(groups) };
        let largest = convert(self, dtype, CastMode::Wrap)?.max(..).astype(DType::I64);
        let most = i64::try_from(least).unwrap_or(i64::MAX);
        let count = (largest + 1_i64).with(super::words::BinaryOp::Maximum, most.into()).checked()?;
        let bound = if meta.dtype.size() <= 2 { 1 << (8 * meta.dtype.size()) } else { usize::MAX };
        groups.counted = Some((count, bound.max(least)));
        Ok(groups)
    }
}

/// A number of groups, if it is not absurd.
pub(super) fn group_count(groups: usize) -> Result<usize> {
    if groups <= GROUPS_MAX {
        return Ok(groups);
    }
    let error = Error::refused(format!("{groups} groups; {GROUPS_MAX} is the most whose states are held"));
    Err(error.hint("number the labels without gaps first: `searchsorted(unique(x), x)`"))
}

macro_rules! reductions {
    ($($(#[$doc:meta])* $name:ident $finish:expr;)*) => {
        impl GroupBy {$(
            $(#[$doc])*
            #[must_use]
            #[track_caller]
            pub fn $name(&self, axes: impl Into<Axes>) -> Array {
                let axes = axes.into();
                self.value.then(self.reduced($finish(&axes), &axes))
            }
        )*}
    };
}
reductions! {
    /// Sum of each group.
    sum |_: &Axes| Finish::Sum;
    /// Mean of each group.
    mean |_: &Axes| Finish::Mean;
    /// Variance of each group.
    var |axes: &Axes| Finish::Var { ddof: axes.ddof.unwrap_or(0) };
    /// Standard deviation of each group.
    std |axes: &Axes| Finish::Std { ddof: axes.ddof.unwrap_or(0) };
    /// Smallest element of each group.
    min |_: &Axes| Finish::Min;
    /// Largest element of each group.
    max |_: &Axes| Finish::Max;
    /// Whether any element of a group is not zero.
    any |_: &Axes| Finish::Any;
    /// Whether no element of a group is zero.
    all |_: &Axes| Finish::All;
    /// Number of elements of each group that are not zero.
    count_nonzero |_: &Axes| Finish::CountNonzero;
    /// Number of elements of each group.
    count |_: &Axes| Finish::Count;
    /// About how many different elements each group has.
    approx_distinct |_: &Axes| Finish::ApproxDistinct;
}

impl GroupBy {
    /// Leaves elements out whose label is no group, such as -1, which are an error otherwise.
    #[must_use]
    pub fn skip_others(mut self) -> GroupBy {
        self.outside = Outside::Skip;
        self
    }

    /// The reduction `finish` of each group over `axes`.
    pub(super) fn reduced(&self, finish: Finish, axes: &Axes) -> Result<Array> {
        group_count(self.groups)?;
        let meta = self.value.known()?.clone();
        let reduced = places(axes.list.as_deref(), &meta.dims)?;
        let Some(&place) = reduced.first() else {
            return Err(Error::usage("groups need an axis that is reduced").hint("as in `group_sum(x, labels, n, axis=0)`"));
        };
        if axes.keepdims {
            return Err(Error::usage("groups stand where the reduced axis was: there is no keepdims"));
        }
        let labels = self.aligned(&meta, &reduced)?;
        let (mut operands, reduction) = if finish == Finish::Count {
            let axes = reduced.clone();
            (vec![labels], Reduction { finish, axes, keepdims: false, mode: SumMode::Exact, dtype: DType::I64 })
        } else {
            let (value, reduction) = reduction(&self.value, finish, axes)?;
            (vec![labels, value], reduction)
        };
        let (groups, groups_max) = match &self.counted {
            None => (Some(self.groups), self.groups),
            Some((count, bound)) => {
                operands.push(count.clone());
                (None, *bound)
            }
        };
        let made = Array::make(Op::Group(Grouping { reduction, groups, groups_max, outside: self.outside }), operands)?;
        if place == 0 { Ok(made) } else { made.move_axis(0, place as i64).checked() }
    }

    /// The labels in the shape of the value, as integers that the kernels know.
    fn aligned(&self, value: &Meta, reduced: &[usize]) -> Result<Array> {
        let labels = self.labels.known()?.clone();
        let Some(dtype) = label_dtype(labels.dtype) else {
            return Err(Error::mismatch(format!("labels are integers, these are {}", labels.dtype)).hint("cast them first, or digitize"));
        };
        // What does not fit becomes negative, and so is no group.
        let converted = convert(&self.labels, dtype, CastMode::Wrap)?;
        if labels.shape == value.shape {
            return Ok(converted);
        }
        let along = |axis: &&usize| labels.shape == [value.shape[**axis]];
        let (1, Some(&axis)) = (reduced.len(), reduced.first().filter(along)) else {
            return Err(Error::mismatch(format!("labels of shape {} for values of shape {}", show(&labels.shape), show(&value.shape)))
                .hint("labels have the shape of the values, or one axis as long as the one that is reduced"));
        };
        let shape = value.shape.iter().map(|extent| extent.known()).collect::<Option<Vec<usize>>>();
        let Some(shape) = shape else {
            return Err(Error::usage("labels along an axis of values whose shape is not known yet").hint("save the selection first"));
        };
        let items = (0..shape.len()).map(|at| if at == axis { SliceItem::FULL } else { SliceItem::NewAxis }).collect();
        converted.slice_items(items).broadcast_to(shape).checked()
    }
}
