//! Operators and elementwise functions on values: literals are folded, arrays are combined, and what is odd is noted.

use crate::{
    array::{
        Array, ScalarSide,
        parse::{
            ast::{ExprId, ExprKind},
            build::{Builder, Item, contains_array},
            fold,
            lineage::{Lineage, Oddity, REMEMBERED_MAX, Side, meet},
            source::Span,
            value::Value,
        },
        phased::SELECTION_HINT,
        promotion,
    },
    error::{Error, ErrorKind, Result},
    expr::Meta,
    kernel::program::{BinaryOp, UnaryOp},
    nd::{DType, Extent, Scalar, broadcast_shapes, shape::show},
};
use ndarray::{ArrayD, IxDyn};

/// A value of an expression and which expression that was.
pub(super) type Operand = (Item, ExprId);

impl Builder<'_> {
    /// `left op right`, written as an operator.
    pub(super) fn operator(&mut self, op: BinaryOp, left: Operand, right: Operand, whole: ExprId) -> Result<Item> {
        let span = self.span(whole);
        if let (Value::Scalar(a), Value::Scalar(b)) = (&left.0.value, &right.0.value) {
            let folded = fold::binary(op, *a, *b).map_err(|error| self.source.locate(span, &error))?;
            self.remember_sides(whole, &left, &right);
            return Ok(Value::Scalar(folded).into());
        }
        if matches!(op, BinaryOp::Equal | BinaryOp::NotEqual)
            && let Some(equal) = self.static_equal(&left.0.value, &right.0.value, span)?
        {
            self.remember_sides(whole, &left, &right);
            return Ok(Value::Scalar(Scalar::Bool(equal == (op == BinaryOp::Equal))).into());
        }
        self.binary(op, left, right, span)
    }

    fn remember_sides(&mut self, whole: ExprId, left: &Operand, right: &Operand) {
        // Only comparisons that an assert may end in are worth a sentence, and only sides that are not literals.
        let mut facts = Vec::new();
        for (item, id) in [left, right] {
            let expression = self.expression(*id);
            if !matches!(expression.kind, ExprKind::Number(_) | ExprKind::Text(_) | ExprKind::Tuple(_) | ExprKind::Binary(..)) {
                let (text, value) = (self.excerpt(expression.span), item.value.show());
                if text != value {
                    facts.push(format!("{text} is {value}"));
                }
            }
        }
        self.compared = (!facts.is_empty()).then(|| (whole, facts.join(", ")));
    }

    /// Whether two values that are known without data are equal; `None` if an array decides.
    fn static_equal(&self, a: &Value, b: &Value, span: Span) -> Result<Option<bool>> {
        let items = match (a, b) {
            (Value::DType(a), Value::DType(b)) => return Ok(Some(a == b)),
            (Value::DType(dtype), Value::Text(text)) | (Value::Text(text), Value::DType(dtype)) => {
                let named: DType = text.parse().map_err(|error| self.source.locate(span, &error))?;
                return Ok(Some(*dtype == named));
            }
            (Value::Text(a), Value::Text(b)) => return Ok(Some(a == b)),
            (Value::None, Value::None) => return Ok(Some(true)),
            (Value::Tuple(a), Value::Tuple(b) | Value::List(b)) | (Value::List(a), Value::Tuple(b)) => (a, b),
            (Value::Scalar(a), Value::Scalar(b)) => {
                return fold::binary(BinaryOp::Equal, *a, *b).map(|truth| Some(truth == Scalar::Bool(true)));
            }
            _ => return Ok(None),
        };
        let (a, b) = items;
        // Lengths that differ decide, even if a part is not known.
        if a.len() != b.len() {
            return Ok(Some(false));
        }
        let mut equal = true;
        for (a, b) in a.iter().zip(b) {
            if matches!(a, Value::Unknown) || matches!(b, Value::Unknown) {
                return Err(self.unknown_length(span));
            }
            match self.static_equal(a, b, span)? {
                Some(same) => equal &= same,
                None => {
                    let message = format!("{} and {} cannot be compared inside a tuple", a.describe(), b.describe());
                    return Err(self.source.error(span, message));
                }
            }
        }
        Ok(Some(equal))
    }

    pub(super) fn unknown_length(&self, span: Span) -> Error {
        self.source.error(span, "this length depends on data: it is known after the mask is counted").hint("save the selection first")
    }

    /// `op` on two values of which at least one becomes an array.
    pub(super) fn binary(&mut self, op: BinaryOp, left: Operand, right: Operand, span: Span) -> Result<Item> {
        let (left_id, right_id) = (left.1, right.1);
        match (left.0.value, right.0.value) {
            (Value::Scalar(literal), other) => {
                let item = Item { value: other, lineage: right.0.lineage };
                // Two literals in a function are an array of their own dtype, as in NumPy.
                let item = if let Value::Scalar(value) = item.value { Value::Array(strong(value, self, right_id)?).into() } else { item };
                let (array, lineage) = self.array(item, self.span(right_id))?;
                self.done(Array::binary_scalar(op, &array, literal, ScalarSide::Left), lineage, span)
            }
            (other, Value::Scalar(literal)) => {
                let (array, lineage) = self.array(Item { value: other, lineage: left.0.lineage }, self.span(left_id))?;
                self.done(Array::binary_scalar(op, &array, literal, ScalarSide::Right), lineage, span)
            }
            (a, b) => {
                let a = self.array(Item { value: a, lineage: left.0.lineage }, self.span(left_id))?;
                let b = self.array(Item { value: b, lineage: right.0.lineage }, self.span(right_id))?;
                self.refuse_widening(op.name(), (&a.0, left_id), (&b.0, right_id), span)?;
                let lineage = self.meet(&[(&a.0, &a.1, left_id), (&b.0, &b.1, right_id)], span)?;
                self.done(Array::binary(op, &a.0, &b.0), lineage, span)
            }
        }
    }

    /// Checks that arrays broadcast, by their names in the text, and notes what is odd about it.
    pub(super) fn meet(&mut self, operands: &[(&Array, &Lineage, ExprId)], span: Span) -> Result<Lineage> {
        let metas = operands.iter().map(|(array, ..)| array.meta()).collect::<Result<Vec<Meta>>>()?;
        let shapes: Vec<&[Extent]> = metas.iter().map(|meta| meta.shape.as_slice()).collect();
        if let Err(error) = broadcast_shapes(&[], &shapes) {
            // The names cost time, so they are made only for an error.
            let names: Vec<String> = operands.iter().enumerate().map(|(place, operand)| self.operand_name(operand.2, place)).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let named = broadcast_shapes(&names, &shapes).err().unwrap_or(error);
            return Err(self.source.locate(span, &named));
        }
        self.refuse_known_length(operands, &shapes, span)?;
        let bounds: Vec<Vec<usize>> = shapes.iter().map(|shape| shape.iter().map(|extent| extent.bound()).collect()).collect();
        let mut lineage = operands[0].1.clone();
        let mut shape = bounds[0].clone();
        for (place, operand) in operands.iter().enumerate().skip(1) {
            let (joined, oddity) = meet((&lineage, &shape), (operand.1, &bounds[place]));
            lineage = joined;
            if let Some(oddity) = oddity {
                self.note(oddity, &mut lineage, [operands[place - 1].2, operand.2], [&shape, &bounds[place]], span);
            }
            shape = broadcast_shapes(&[], &shapes[..=place])?.iter().map(|extent| extent.bound()).collect();
        }
        Ok(lineage)
    }

    /// Refuses a selection that meets an axis of another length than the most that it can have: it is never that long when it is counted.
    fn refuse_known_length(&self, operands: &[(&Array, &Lineage, ExprId)], shapes: &[&[Extent]], span: Span) -> Result<()> {
        let rank = shapes.iter().map(|shape| shape.len()).max().unwrap_or(0);
        for back in 1..=rank {
            let of = |shape: &&[Extent]| shape.len().checked_sub(back).map(|axis| shape[axis]);
            let most = shapes.iter().enumerate().find_map(|(place, shape)| match of(shape) {
                Some(Extent::AtMost(most)) if most < usize::MAX => Some((place, most)),
                _ => None,
            });
            let fixed = shapes.iter().enumerate().find_map(|(place, shape)| match of(shape) {
                Some(Extent::Known(length)) if length != 1 => Some((place, length)),
                _ => None,
            });
            let (Some((selected, most)), Some((other, length))) = (most, fixed) else { continue };
            if most != length {
                let names = [selected, other].map(|place| self.operand_name(operands[place].2, place));
                let text = format!(
                    "the length of `{}` is not known before the data is read ({most} at most): it cannot meet axis -{back} of `{}`, of length {length}",
                    names[0], names[1]
                );
                return Err(self.source.error_of(ErrorKind::Mismatch, span, &text).hint(SELECTION_HINT));
            }
        }
        Ok(())
    }

    fn note(&mut self, oddity: Oddity, lineage: &mut Lineage, ids: [ExprId; 2], shapes: [&[usize]; 2], span: Span) {
        let text = self.excerpt(span);
        match oddity {
            Oddity::Outer => {
                let (left, right) = (show(shapes[0]), show(shapes[1]));
                let text = format!(
                    "`{text}`: both operands stretch, {left} and {right}, and nothing reduces the product; if every pair is meant write `[:, None]` and `[None, :]`"
                );
                let number = self.notes.push(text, span);
                if lineage.products.len() < REMEMBERED_MAX {
                    lineage.products.push(number);
                }
            }
            Oddity::Crossed { reduced, axis } => {
                let (own, other) = if reduced == Side::Left { (ids[0], ids[1]) } else { (ids[1], ids[0]) };
                let (own, other) = (self.operand_name(own, 0), self.operand_name(other, 1));
                let text = format!(
                    "`{text}`: `{own}` was reduced over axis {axis} without keepdims and now meets that axis of `{other}` (equal lengths hide it); use keepdims=True"
                );
                self.notes.push(text, span);
            }
        }
    }

    /// Where the session wants casts to be written: refuses arrays of different dtypes, by their names in the text.
    pub(super) fn refuse_widening(&self, what: &str, left: (&Array, ExprId), right: (&Array, ExprId), span: Span) -> Result<()> {
        match promotion::widened(left.0, right.0)? {
            Some(met) if promotion::is_strict(left.0, right.0) => {
                let names = [self.operand_name(left.1, 0), self.operand_name(right.1, 1)];
                let error = promotion::refusal(what, [&names[0], &names[1]], [left.0.dtype()?, right.0.dtype()?], met);
                Err(self.source.locate(span, &error))
            }
            _ => Ok(()),
        }
    }

    /// What an error calls an operand, so that `name[:, None]` is what one may type.
    fn operand_name(&self, id: ExprId, place: usize) -> String {
        const CHARS_MAX: usize = 40;
        let expression = self.expression(id);
        let text = self.excerpt(expression.span);
        if text.chars().count() > CHARS_MAX || text.ends_with("...") {
            return ["left", "right", "third"].get(place).copied().unwrap_or("operand").to_string();
        }
        if matches!(expression.kind, ExprKind::Binary(..) | ExprKind::Unary(..)) { format!("({text})") } else { text }
    }

    /// `op` on every element.
    pub(super) fn unary(&mut self, op: UnaryOp, item: Item, operand: Span, span: Span) -> Result<Item> {
        let (array, lineage) = self.array(item, operand)?;
        self.done(Array::unary(op, &array), lineage, span)
    }

    /// The array of an operation that may have failed: its error, shown in the text.
    pub(super) fn done(&self, array: Array, lineage: Lineage, span: Span) -> Result<Item> {
        match array.error() {
            Some(error) => Err(self.source.locate(span, &error)),
            None => Ok(Item { value: Value::Array(array), lineage }),
        }
    }

    /// `item` as an array: literals become 0-d arrays of their own dtype, lists become constants.
    pub(super) fn array(&self, item: Item, span: Span) -> Result<(Array, Lineage)> {
        let fail = |message: String| self.source.error(span, message);
        match item.value {
            Value::Array(array) => Ok((array, item.lineage)),
            Value::Scalar(scalar) => {
                let array = Array::full(&[], scalar, scalar.default_dtype()).checked().map_err(|error| self.source.locate(span, &error))?;
                Ok((array, Lineage::default()))
            }
            Value::List(items) => {
                let array = self.array_of_list(&items).map_err(|error| self.source.locate(span, &error))?;
                let lineage = Lineage::made(array.rank()?);
                Ok((array, lineage))
            }
            Value::Unknown => Err(self.unknown_length(span)),
            other @ Value::Tuple(_) => {
                Err(fail(format!("{} stands where an array is needed", other.describe())).hint("`[1, 2]` is an array, `(1, 2)` is a shape"))
            }
            Value::DType(dtype) => {
                Err(fail(format!("the dtype {dtype} stands where an array is needed")).hint(format!("`cast(x, {dtype})` converts")))
            }
            other => Err(fail(format!("{} stands where an array is needed", other.describe()))),
        }
    }

    /// A list becomes an array; anything else stays.
    pub(super) fn literal_to_array(&self, item: Item, span: Span) -> Result<Item> {
        if !matches!(item.value, Value::List(_)) {
            return Ok(item);
        }
        let (array, lineage) = self.array(item, span)?;
        Ok(Item { value: Value::Array(array), lineage })
    }

    /// A rectangular list of numbers: `bool`, `i64`, `u64` or `f64`, the first that holds them all.
    pub(super) fn array_of_list(&self, items: &[Value]) -> Result<Array> {
        if contains_array(items) {
            return Err(Error::usage("a list of arrays is not one array")
                .hint("`concatenate((x, y))` puts arrays one after the other, `stack((x, y))` along a new axis"));
        }
        let shape = list_shape(items);
        let mut flat = Vec::new();
        flatten(items, &shape, &mut flat)?;
        let session = self.session();
        let array = if flat.iter().any(|value| matches!(value, Scalar::Float(_))) || flat.is_empty() {
            session.from_ndarray(constant(&shape, flat.iter().map(|value| value.to_f64()).collect())?)
        } else if flat.iter().all(|value| matches!(value, Scalar::Bool(_))) {
            session.from_ndarray(constant(&shape, flat.iter().map(|value| value.to_i128() != 0).collect())?)
        } else if let Some(whole) = whole_numbers::<i64>(&flat) {
            session.from_ndarray(constant(&shape, whole)?)
        } else if let Some(whole) = whole_numbers::<u64>(&flat) {
            session.from_ndarray(constant(&shape, whole)?)
        } else {
            return Err(unfit(&flat));
        };
        array.checked()
    }
}

/// A literal as a 0-d array with a dtype of its own.
fn strong(value: Scalar, builder: &Builder<'_>, id: ExprId) -> Result<Array> {
    builder.array(Value::Scalar(value).into(), builder.span(id)).map(|(array, _)| array)
}

fn constant<T>(shape: &[usize], flat: Vec<T>) -> Result<ArrayD<T>> {
    ArrayD::from_shape_vec(IxDyn(shape), flat).map_err(|error| Error::internal(format!("a list literal of shape {}: {error}", show(shape))))
}

/// The numbers as integers of `T`, if it holds all of them.
fn whole_numbers<T: TryFrom<i128>>(flat: &[Scalar]) -> Option<Vec<T>> {
    flat.iter().map(|value| T::try_from(value.to_i128()).ok()).collect()
}

#[cold]
fn unfit(flat: &[Scalar]) -> Error {
    let end = |pick: fn(i128, i128) -> i128| flat.iter().map(|value| value.to_i128()).reduce(pick).unwrap_or_default();
    let (low, high) = (end(i128::min), end(i128::max));
    let what = if low == high { format!("the integer {low} fits") } else { format!("the integers of the list, from {low} to {high}, fit") };
    Error::usage(format!("{what} neither i64 nor u64")).hint("no integer dtype holds them; as floats, as in `1e20`, they have 53 bits")
}

/// The shape that the first elements suggest.
fn list_shape(items: &[Value]) -> Vec<usize> {
    let mut shape = vec![items.len()];
    let mut level = items;
    while let Some(Value::List(inner)) = level.first() {
        shape.push(inner.len());
        level = inner;
    }
    shape
}

fn flatten(items: &[Value], shape: &[usize], flat: &mut Vec<Scalar>) -> Result<()> {
    let ragged = || {
        Error::usage("the rows of an array literal have different lengths").hint("as in `[[1, 2], [3, 4]]`: every row has as many elements")
    };
    let (length, inner) = shape.split_first().ok_or_else(ragged)?;
    if items.len() != *length {
        return Err(ragged());
    }
    for item in items {
        match item {
            Value::List(row) if !inner.is_empty() => flatten(row, inner, flat)?,
            Value::Scalar(scalar) if inner.is_empty() => flat.push(*scalar),
            Value::Scalar(_) | Value::List(_) => return Err(ragged()),
            Value::Unknown => return Err(Error::usage("an array literal holds a length that depends on data")),
            other => return Err(Error::usage(format!("an array literal holds numbers, not {}", other.describe()))),
        }
    }
    Ok(())
}
