//! Products of matrices and what NumPy calls by other names: contractions of two arrays.
//!
//! Every one is a reduction of pairs over a space in which each label of either side is an axis, so that operands are views and a
//! formula in an operand is part of the pass.

use super::{
    axes::AxisRef,
    elementwise::{convert, promoted},
    node::Array,
    promotion,
    words::{BinaryOp, CastMode, DType, Finish, SumMode},
};
use crate::{
    error::{Error, Result},
    expr::{Op, Reduction},
    nd::{Dims, Extent, shape::show},
};

/// A letter for every axis of two operands and of the result: axes of one letter are one.
#[derive(Clone, Debug)]
pub(super) struct Labels {
    pub left: Vec<u32>,
    pub right: Vec<u32>,
    pub out: Vec<u32>,
}

impl Array {
    /// The product of two matrices, or of stacks of them, as NumPy's `@`: `(.., m, k)` by `(.., k, n)`; the leading axes broadcast. A
    /// vector on either side gives exact sums of products ([`Array::vecdot`]).
    ///
    /// Sums are chains of fused multiply-adds of 256 places in the dtype of the elements (`f32` for half floats), which are added in
    /// `f64`, exactly from 4096 places on, and rounded once: the same bits for any threads, blocks and instruction set. Integers are
    /// exact, and an error where the result leaves their dtype.
    ///
    /// ```
    /// let session = outcore::Session::default_session();
    /// let x = session.from_ndarray(ndarray::array![[1f32, 2.0], [3.0, 4.0], [5.0, 6.0]]);
    /// assert_eq!(x.t().matmul(&x).eval::<f32, _>()?, ndarray::array![[35.0, 44.0], [44.0, 56.0]]);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn matmul(&self, other: &Array) -> Array {
        let session = self.0.session.as_ref().or(other.0.session.as_ref());
        Array::settle(try_matmul(self, other), session)
    }

    /// Sums of products over `axes` of the first and as many of the second array, in their order, as NumPy's `tensordot`: the result
    /// has the other axes of the first and then those of the second.
    ///
    /// ```
    /// let session = outcore::Session::default_session();
    /// let x = session.from_ndarray(ndarray::array![[1f32, 2.0], [3.0, 4.0]]);
    /// assert_eq!(x.tensordot(&x, &[1], &[0]).eval::<f32, _>()?, ndarray::array![[7.0, 10.0], [15.0, 22.0]]);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn tensordot(&self, other: &Array, axes: &[i64], other_axes: &[i64]) -> Array {
        let session = self.0.session.as_ref().or(other.0.session.as_ref());
        Array::settle(try_tensordot(self, other, axes, other_axes), session)
    }

    /// Sums of products over the last axis of both arrays, as NumPy's `inner`.
    #[must_use]
    #[track_caller]
    pub fn inner(&self, other: &Array) -> Array {
        self.tensordot(other, &[-1], &[-1])
    }

    /// Every element of one array by every element of another, both in C order, as NumPy's `outer`.
    #[must_use]
    #[track_caller]
    pub fn outer(&self, other: &Array) -> Array {
        let session = self.0.session.as_ref().or(other.0.session.as_ref());
        Array::settle(Ok(Array::binary(BinaryOp::Multiply, &self.ravel().insert_axis(1), &other.ravel())), session)
    }

    /// A contraction of one or two arrays in Einstein's notation, as NumPy's `einsum`: `"ij,jk->ik"`. Letters that the result lacks are
    /// summed over; `...` stands for leading axes that broadcast.
    ///
    /// ```
    /// let session = outcore::Session::default_session();
    /// let x = session.from_ndarray(ndarray::array![[1f32, 2.0], [3.0, 4.0]]);
    /// assert_eq!(outcore::Array::einsum("ij,ij->i", [&x, &x]).eval::<f32, _>()?, ndarray::array![5.0, 25.0]);
    /// assert_eq!(outcore::Array::einsum("ii", [&x]).eval::<f32, ndarray::Ix0>()?.into_scalar(), 5.0);
    /// # Ok::<(), outcore::Error>(())
    /// ```
    #[must_use]
    #[track_caller]
    pub fn einsum<'a>(subscripts: &str, arrays: impl IntoIterator<Item = &'a Array>) -> Array {
        let arrays: Vec<&Array> = arrays.into_iter().collect();
        let session = arrays.iter().find_map(|array| array.0.session.as_ref());
        Array::settle(super::einsum::einsum(subscripts, &arrays), session)
    }

    /// `x.T @ x`: the products of all pairs of columns, half of which are computed.
    #[must_use]
    #[track_caller]
    pub fn gram(&self) -> Array {
        self.t().matmul(self)
    }
}

fn try_matmul(left: &Array, right: &Array) -> Result<Array> {
    let ranks = [left.rank()?, right.rank()?];
    match ranks {
        [0, _] | [_, 0] => Err(Error::mismatch("matmul of a single number").hint("`*` multiplies by a number")),
        [_, 1] => mismatched(left, right, left.rank()? - 1, 0).map_or_else(|| left.vecdot(right, super::axis(-1)).checked(), Err),
        [1, rank] => {
            let column = left.insert_axis(-1);
            mismatched(left, right, 0, rank - 2).map_or_else(|| column.vecdot(right, super::axis(-2)).checked(), Err)
        }
        [first, second] => {
            let batch = first.max(second) - 2;
            let lead = |rank: usize| (batch + 2 - rank..batch).map(|place| place as u32).collect::<Vec<u32>>();
            let [m, n, k] = [0, 1, 2].map(|place| (batch + place) as u32);
            let labels = Labels {
                left: lead(first).into_iter().chain([m, k]).collect(),
                right: lead(second).into_iter().chain([k, n]).collect(),
                out: (0..batch as u32).chain([m, n]).collect(),
            };
            mismatched(left, right, first - 1, second - 2).map_or_else(|| contract("matmul", left, right, &labels), Err)
        }
    }
}

/// Why the inner axes of two arrays do not meet.
fn mismatched(left: &Array, right: &Array, left_axis: usize, right_axis: usize) -> Option<Error> {
    let [one, other] = [left.known().ok()?, right.known().ok()?];
    let [inner, outer] = [one.shape[left_axis].known()?, other.shape[right_axis].known()?];
    (inner != outer).then(|| {
        let (shape, with) = (show(&one.shape), show(&other.shape));
        let error = Error::mismatch(format!(
            "matmul of {shape} and {with}: axis {left_axis} of the left side has {inner} places, axis {right_axis} of the right side {outer}"
        ));
        error.hint("transpose one of them with `.T`, or swap the sides")
    })
}

fn try_tensordot(left: &Array, right: &Array, axes: &[i64], other_axes: &[i64]) -> Result<Array> {
    if axes.len() != other_axes.len() {
        return Err(Error::usage(format!("tensordot over {} axes of one array and {} of the other", axes.len(), other_axes.len())));
    }
    let ranks = [left.rank()?, right.rank()?];
    let place = |array: &Array, axis: i64| array.axis_of(&AxisRef::from(axis));
    let places = |array: &Array, axes: &[i64]| axes.iter().map(|&axis| place(array, axis)).collect::<Result<Vec<usize>>>();
    let (first, second) = (places(left, axes)?, places(right, other_axes)?);
    for (list, array) in [(&first, left), (&second, right)] {
        if (1..list.len()).any(|at| list[..at].contains(&list[at])) {
            return Err(Error::usage(format!("tensordot names an axis of {} twice", show(&array.known()?.shape))));
        }
    }
    let own: Vec<u32> = (0..ranks[0] as u32).collect();
    let mut other: Vec<u32> = (ranks[0] as u32..(ranks[0] + ranks[1]) as u32).collect();
    for (&axis, &with) in first.iter().zip(&second) {
        other[with] = own[axis];
    }
    let kept = own.iter().filter(|label| !first.contains(&(**label as usize)));
    let rest = other.iter().enumerate().filter(|(axis, _)| !second.contains(axis)).map(|(_, label)| label);
    let out = kept.chain(rest).copied().collect();
    contract("tensordot", left, right, &Labels { left: own, right: other, out })
}

/// Sums of products over the labels that the result lacks; every label of the result is one of a side, and each side has each once.
pub(super) fn contract(name: &str, left: &Array, right: &Array, labels: &Labels) -> Result<Array> {
    let widening = promotion::meet(name, left, right)?;
    let met = left.known()?.dtype.promote(right.known()?.dtype);
    // Letters of one side alone that the result lacks are summed over before anything is multiplied.
    let (left, left_labels) = summed(left, &labels.left, &labels.right, &labels.out)?;
    let (right, right_labels) = summed(right, &labels.right, &labels.left, &labels.out)?;
    let inner: Vec<u32> = left_labels.iter().copied().filter(|label| !labels.out.contains(label)).collect();
    let space: Vec<u32> = labels.out.iter().chain(&inner).copied().collect();
    let lengths = lengths(name, &space, [(&left, &left_labels), (&right, &right_labels)])?;
    let [operand, sums] = dtypes(met);
    let sides =
        [(&left, &left_labels), (&right, &right_labels)].map(|(side, own)| placed(&promoted(side, operand)?, own, &space, &lengths));
    let [one, other] = sides;
    let (one, other) = (one?, other?);
    if inner.is_empty() {
        let [one, other] = [&one, &other].map(|side| convert(side, met, CastMode::Checked));
        return Ok(promotion::noted(Array::binary(BinaryOp::Multiply, &one?, &other?).checked()?, widening));
    }
    let dims = kept_dims(&labels.out, [(&left, &left_labels), (&right, &right_labels)])?;
    let axes = (labels.out.len()..space.len()).collect();
    let reduction = Reduction { finish: Finish::Matmul, axes, keepdims: false, mode: SumMode::Exact, dtype: sums };
    let made = Array::make(Op::Reduce(reduction), vec![one, other])?;
    let made = if sums == met || met == DType::Bool { made } else { convert(&made, met, CastMode::Checked)? };
    let made = if met == DType::Bool { Array::binary(BinaryOp::NotEqual, &made, &Array::scalar(0.0)) } else { made };
    let made = if dims.is_unnamed() { made } else { Array::make(Op::Rename(dims), vec![made])? };
    Ok(promotion::noted(made, widening))
}

/// The dtype that elements are multiplied in, and that of their sums. Products of small integers and their sums are exact in floats.
fn dtypes(met: DType) -> [DType; 2] {
    match met {
        DType::F16 | DType::BF16 | DType::F32 => [DType::F32, met],
        DType::F64 => [DType::F64; 2],
        DType::Bool | DType::I8 | DType::U8 => [DType::F32, DType::F64],
        DType::I16 | DType::U16 => [DType::F64; 2],
        _ => [met; 2],
    }
}

/// An operand without the axes whose labels nobody else has.
fn summed(side: &Array, own: &[u32], other: &[u32], out: &[u32]) -> Result<(Array, Vec<u32>)> {
    let lonely = |label: &u32| !other.contains(label) && !out.contains(label);
    let axes: Vec<i64> = own.iter().enumerate().filter(|(_, label)| lonely(label)).map(|(axis, _)| axis as i64).collect();
    if axes.is_empty() {
        return Ok((side.clone(), own.to_vec()));
    }
    let kept = own.iter().copied().filter(|label| !lonely(label)).collect();
    let dtype = side.known()?.dtype;
    Ok((side.reduce(Finish::Sum, Some(axes), false, Some(dtype).filter(|dtype| *dtype != DType::Bool), SumMode::Exact).checked()?, kept))
}

/// The length of every label of the space: that of all axes which are not of length 1.
fn lengths(name: &str, space: &[u32], sides: [(&Array, &Vec<u32>); 2]) -> Result<Vec<usize>> {
    let shapes = [sides[0].0.known()?, sides[1].0.known()?].map(|meta| &meta.shape);
    let length = |label: &u32| {
        let mut found = 1;
        for (shape, (_, labels)) in shapes.iter().zip(&sides) {
            let Some(axis) = labels.iter().position(|own| own == label) else { continue };
            let Extent::Known(length) = shape[axis] else {
                let error = Error::usage(format!("{name} needs known shapes, not {} and {}", show(shapes[0]), show(shapes[1])));
                return Err(error.hint("save the selection first"));
            };
            if length != 1 && found != 1 && found != length {
                let text =
                    format!("{name} of {} and {}: axes of {found} and {length} places do not meet", show(shapes[0]), show(shapes[1]));
                return Err(Error::mismatch(text));
            }
            if length != 1 {
                found = length;
            }
        }
        Ok(found)
    };
    space.iter().map(length).collect()
}

/// A side as the space has it: its axes in the order of the space, the others stretched.
fn placed(side: &Array, own: &[u32], space: &[u32], lengths: &[usize]) -> Result<Array> {
    let order: Vec<usize> = space.iter().filter_map(|label| own.iter().position(|found| found == label)).collect();
    let in_order = order.iter().enumerate().all(|(place, &axis)| place == axis);
    let unnamed = Array::make(Op::Rename(Dims::unnamed(own.len())), vec![side.clone()])?;
    let turned = if in_order { unnamed } else { Array::make(Op::Permute(order), vec![unnamed])? };
    let missing = (0..space.len()).filter(|&place| !own.contains(&space[place]));
    let wide = missing.fold(turned, |array, place| array.insert_axis(place as i64)).checked()?;
    let shape = wide.shape()?;
    if shape == lengths { Ok(wide) } else { Array::make(Op::BroadcastTo(lengths.to_vec()), vec![wide]) }
}

/// The names of the axes that stay: each that one side gives, and no name twice.
fn kept_dims(out: &[u32], sides: [(&Array, &Vec<u32>); 2]) -> Result<Dims> {
    let mut dims = Dims::unnamed(out.len());
    for (place, label) in out.iter().enumerate() {
        for (array, labels) in &sides {
            let Some(axis) = labels.iter().position(|own| own == label) else { continue };
            let name = array.known()?.dims.0[axis].clone();
            if dims.0[place].is_none() && name.is_some() && !dims.0.contains(&name) {
                dims.0[place] = name;
            }
        }
    }
    Ok(dims)
}
