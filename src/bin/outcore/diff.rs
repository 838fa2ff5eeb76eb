//! `outcore diff`: two arrays side by side, in one pass within the budget.

use crate::{
    args::Diff,
    inputs::open_one,
    output::{Style, print},
    settings::Settings,
    signals,
};
use outcore::{
    AnyArray, Array, BoxError, DType, Destination, Element, Error, Job, MapSpec, Result, Scalar, SliceItem,
    half::{bf16, f16},
    nd::shape::show,
    ndarray::{ArrayViewD, ArrayViewMutD},
    report::{PrintOptions, Values, numpy_text, size::count},
    where_,
};

/// How the values differ.
struct Differences {
    count: u64,
    /// Place of the first one, and the two values there.
    first: Option<(Vec<usize>, [AnyArray; 2])>,
    /// Largest distance of two values that are numbers.
    distance_max: f64,
}

/// What came out.
struct Outcome<'a> {
    command: &'a Diff,
    shapes: [Vec<usize>; 2],
    dtypes: [DType; 2],
    /// `None` where shapes differ.
    values: Option<Differences>,
}

/// Compares. 0 if the arrays are equal, 1 if they are not.
pub fn run(command: &Diff, settings: &Settings) -> Result<u8> {
    for (flag, value) in [("--rtol", command.rtol), ("--atol", command.atol)] {
        if value.is_some_and(|value| value.is_nan() || value < 0.0) {
            return Err(Error::usage(format!("{flag}: a tolerance is a number from 0 on")));
        }
    }
    let (left, right) = (open_one(&settings.session, &command.left)?, open_one(&settings.session, &command.right)?);
    let shapes = [left.shape()?, right.shape()?];
    let values = if shapes[0] == shapes[1] { Some(compare(&left, &right, &shapes[0], command, settings)?) } else { None };
    let outcome = Outcome { command, dtypes: [left.dtype()?, right.dtype()?], shapes, values };
    match settings.style {
        Style::Text => print(&outcome.text())?,
        Style::Json => print(&outcome.json().to_string())?,
    }
    Ok(u8::from(!outcome.is_equal()))
}

fn compare(left: &Array, right: &Array, shape: &[usize], command: &Diff, settings: &Settings) -> Result<Differences> {
    if shape.contains(&0) {
        return Ok(Differences { count: 0, first: None, distance_max: 0.0 });
    }
    let differing = differing(left, right, command)?;
    // Where values are equal, or one is no number, there is no distance; zeros stand in, so that nothing is created out of nothing.
    let measured = [left, right].iter().try_fold(differing.clone(), |measured, array| -> Result<Array> {
        Ok(if array.dtype()?.is_float() { measured & !array.isnan() } else { measured })
    })?;
    let part = |array: &Array| where_(&measured, array.cast::<f64>(), 0.0);
    let distance = (part(left) - part(right)).abs();
    let mut job = Job::new(&settings.session);
    for (name, value) in [("differing", differing.count_nonzero(..)), ("first", differing.argmax(..)), ("distance", distance.max(..))] {
        job = job.output(name, &value, Destination::Memory);
    }
    let _guard = signals::guard(&settings.session);
    let result = job.run();
    settings.reporter.finish();
    let found = result?.arrays;
    let number = |index: usize| {
        let scalar = found.get(index).and_then(Option::as_ref).and_then(|array| array.scalar(0));
        scalar.map(Scalar::to_f64).ok_or_else(|| Error::internal("a comparison lost its result"))
    };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts and places are whole and not negative")]
    let (count, place) = (number(0)? as u64, number(1)? as usize);
    if count == 0 {
        return Ok(Differences { count, first: None, distance_max: 0.0 });
    }
    let place = unravel(place, shape);
    let at = |array: &Array| array.slice_items(place.iter().map(|&index| SliceItem::Index(index as i64)).collect()).eval_any();
    let values = [at(left)?, at(right)?];
    Ok(Differences { count, first: Some((place, values)), distance_max: number(2)? })
}

/// Where the arrays differ, as the flags understand it.
fn differing(left: &Array, right: &Array, command: &Diff) -> Result<Array> {
    if command.bits {
        let (left, right) = (bits(left)?, bits(right)?);
        return Ok(left.not_equal(&right));
    }
    let mut equal = left.equal(right);
    if left.dtype()?.is_float() && right.dtype()?.is_float() {
        equal = equal | (left.isnan() & right.isnan());
    }
    if command.rtol.is_some() || command.atol.is_some() {
        let (a, b) = (left.cast::<f64>(), right.cast::<f64>());
        let allowed = b.abs() * command.rtol.unwrap_or(0.0) + command.atol.unwrap_or(0.0);
        // An infinity is near nothing but itself, whatever is allowed.
        let near = (&a - &b).abs().less_equal(&allowed) & a.isfinite() & b.isfinite();
        equal = equal | near;
    }
    (!equal).checked()
}

/// The elements' bits as integers; integers are theirs already.
fn bits(array: &Array) -> Result<Array> {
    fn mapped<In: Element, Out: Element>(array: &Array, of: fn(In) -> Out) -> Array {
        let scratch = 1 << 20;
        array.map_blocks::<In, Out>(
            MapSpec::named("bits/1").scratch_bytes(scratch),
            move |block: ArrayViewD<'_, In>, mut out: ArrayViewMutD<'_, Out>| -> Result<(), BoxError> {
                out.zip_mut_with(&block, |to, from| *to = of(*from));
                Ok(())
            },
        )
    }
    match array.dtype()? {
        DType::F16 => mapped(array, f16::to_bits),
        DType::BF16 => mapped(array, bf16::to_bits),
        DType::F32 => mapped(array, f32::to_bits),
        DType::F64 => mapped(array, f64::to_bits),
        _ => array.clone(),
    }
    .checked()
}

fn unravel(mut index: usize, shape: &[usize]) -> Vec<usize> {
    let mut place = vec![0; shape.len()];
    for (slot, &length) in place.iter_mut().zip(shape).rev() {
        *slot = index % length;
        index /= length;
    }
    place
}

impl Outcome<'_> {
    fn is_equal(&self) -> bool {
        self.dtypes[0] == self.dtypes[1] && self.values.as_ref().is_some_and(|values| values.count == 0)
    }

    fn text(&self) -> String {
        let Diff { left, right, .. } = self.command;
        let described = |side: usize| format!("{} {}", self.dtypes[side], show(&self.shapes[side]));
        let elements = self.shapes[0].iter().product::<usize>() as u64;
        if self.is_equal() {
            return format!("{left} and {right} are equal{}: {}, {} elements", self.manner(), described(0), count(elements));
        }
        let mut lines = vec![format!("{left} and {right} differ{}", self.manner())];
        if self.shapes[0] != self.shapes[1] || self.dtypes[0] != self.dtypes[1] {
            lines.extend([format!("  {left}: {}", described(0)), format!("  {right}: {}", described(1))]);
        }
        match &self.values {
            None => {}
            Some(Differences { first: Some((place, values)), count: differing, distance_max }) => {
                let [a, b] = values.each_ref().map(shown);
                lines.push(format!("  {} of {} elements differ", count(*differing), count(elements)));
                lines.push(format!("  first at {}: {a} and {b}", place_text(place)));
                lines.push(format!("  largest difference {distance_max:?}"));
            }
            Some(_) => lines.push(format!("  all {} values are equal", count(elements))),
        }
        lines.join("\n")
    }

    fn manner(&self) -> String {
        let Diff { rtol, atol, bits, .. } = self.command;
        match (bits, rtol.is_some() || atol.is_some()) {
            (true, _) => " in bits".to_string(),
            (_, true) => format!(" (rtol {:?}, atol {:?})", rtol.unwrap_or(0.0), atol.unwrap_or(0.0)),
            _ => String::new(),
        }
    }

    fn json(&self) -> serde_json::Value {
        let paths = [&self.command.left, &self.command.right];
        let side = |side: usize| serde_json::json!({"path": paths[side], "dtype": self.dtypes[side].name(), "shape": self.shapes[side]});
        let first = self.values.as_ref().and_then(|values| values.first.as_ref());
        let reason = match &self.values {
            None => "shape".into(),
            Some(values) if values.count > 0 => "values".into(),
            Some(_) if self.dtypes[0] != self.dtypes[1] => "dtype".into(),
            Some(_) => serde_json::Value::Null,
        };
        let distance = self.values.as_ref().map(|values| match values.distance_max {
            finite if finite.is_finite() => serde_json::json!(finite),
            other => serde_json::json!(if other.is_nan() { "NaN" } else { "Infinity" }),
        });
        serde_json::json!({
            "schema": "outcore.diff/1",
            "equal": self.is_equal(),
            "reason": reason,
            "a": side(0),
            "b": side(1),
            "differing": self.values.as_ref().map(|values| values.count),
            "first": first.map(|(place, _)| place),
            "first_values": first.map(|(_, values)| values.each_ref().map(shown)),
            "largest_difference": distance,
        })
    }
}

fn shown(value: &AnyArray) -> String {
    numpy_text(&Values { dtype: value.dtype(), shape: value.shape(), bytes: value.bytes() }, &PrintOptions::default())
}

fn place_text(place: &[usize]) -> String {
    format!("[{}]", place.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
}
