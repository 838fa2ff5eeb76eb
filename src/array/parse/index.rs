//! `x[...]`: slices, new axes, masks; and parts of tuples and lists.

use crate::{
    array::{
        Array, Indices,
        parse::{
            ast::{ExprId, IndexItem},
            build::{Builder, Item, Values},
            gather::compressed,
            lineage::{AxisOrigin, Lineage},
            source::Span,
            value::Value,
        },
    },
    error::{Error, Result},
    nd::{DType, Scalar, SliceItem, slice::slice_indices},
};

/// One item of an index after its parts have values.
enum Part {
    Basic(SliceItem),
    Mask(Array),
    /// `[2, 0, -1]`, or an array of integers: these places along an axis.
    List(Indices),
}

/// What stands along the one axis that is neither sliced nor fixed.
enum Picked<'a> {
    List(&'a Indices),
    Mask(&'a Array),
}

impl Builder<'_> {
    /// `owner[items]`.
    pub(super) fn index(&mut self, owner: Item, owner_id: ExprId, items: &[IndexItem], values: &mut Values, span: Span) -> Result<Item> {
        let mut parts = Vec::with_capacity(items.len());
        for item in items {
            parts.push(self.index_part(item, values)?);
        }
        match owner.value {
            Value::Tuple(elements) => self.part_of(&elements, &parts, Value::Tuple, span),
            Value::List(elements) => self.part_of(&elements, &parts, Value::List, span),
            value => {
                let (array, lineage) = self.array(Item { value, lineage: owner.lineage }, self.span(owner_id))?;
                match parts.split_first() {
                    Some((Part::Mask(mask), rest)) => self.masked(&array, &lineage, mask, rest, span),
                    _ => self.picked(&array, &lineage, &parts, span),
                }
            }
        }
    }

    fn index_part(&self, item: &IndexItem, values: &mut Values) -> Result<Part> {
        let id = match item {
            IndexItem::Ellipsis => return Ok(Part::Basic(SliceItem::Ellipsis)),
            IndexItem::Range { start, stop, step, span } => {
                let mut place =
                    |id: &Option<ExprId>| id.map_or(Ok(None), |id| values.take(id).and_then(|item| self.place(&item.value, id)));
                let (start, stop, step) = (place(start)?, place(stop)?, place(step)?.unwrap_or(1));
                if step == 0 {
                    return Err(self.source.error(*span, "the step of a slice is 0"));
                }
                return Ok(Part::Basic(SliceItem::Range { start, stop, step }));
            }
            IndexItem::Value(id) => *id,
        };
        let span = self.span(id);
        let item = values.take(id)?;
        if let Value::List(places) = &item.value
            && places.iter().all(|place| matches!(place, Value::Scalar(Scalar::Int(_))))
        {
            return places
                .iter()
                .map(|place| self.integer_of(place, id, "an index"))
                .collect::<Result<Vec<i64>>>()
                .map(|list| Part::List(list.into()));
        }
        let item = self.literal_to_array(item, span)?;
        match item.value {
            Value::Scalar(Scalar::Int(_)) => {
                let place = self.place(&item.value, id)?.unwrap_or_default();
                Ok(Part::Basic(SliceItem::Index(place)))
            }
            Value::None => Ok(Part::Basic(SliceItem::NewAxis)),
            Value::Array(array) if array.dtype()? == DType::Bool => Ok(Part::Mask(array)),
            Value::Array(array) if array.dtype()?.is_integer() => Ok(Part::List(array.into())),
            Value::Array(array) => {
                let error = self.source.error(span, format!("an array of {} is no index", array.dtype()?));
                Err(error.hint("an index is an integer, a slice, integers in a list or an array, or a bool mask"))
            }
            Value::Unknown => Err(self.unknown_length(span)),
            Value::Tuple(_) => Err(self.source.error(span, "a tuple is no index").hint("write its items without parentheses: `x[1, 2]`")),
            other => Err(self.source.error(span, format!("an index is an integer, a slice, None or a mask, not {}", other.describe()))),
        }
    }

    /// An integer bound or index; `None` is an empty place.
    fn place(&self, value: &Value, id: ExprId) -> Result<Option<i64>> {
        let span = self.span(id);
        match value {
            Value::None => Ok(None),
            Value::Scalar(Scalar::Int(value)) => {
                i64::try_from(*value).map(Some).map_err(|_| self.source.error(span, format!("the index {value} is out of range")))
            }
            Value::Unknown => Err(self.unknown_length(span)),
            Value::Scalar(Scalar::Float(_)) => {
                let error = self.source.error(span, format!("an index must be an integer, not {}", value.describe()));
                Err(error.hint("`//` divides integers to an integer"))
            }
            other => Err(self.source.error(span, format!("an index must be an integer known beforehand, not {}", other.describe()))),
        }
    }

    /// An element or a range of a tuple or a list.
    fn part_of(&self, elements: &[Value], parts: &[Part], wrap: fn(Vec<Value>) -> Value, span: Span) -> Result<Item> {
        match parts {
            [Part::Basic(SliceItem::Index(index))] => {
                let length = elements.len() as i64;
                let place = if *index < 0 { index.saturating_add(length) } else { *index };
                let found = usize::try_from(place).ok().and_then(|place| elements.get(place));
                let error = || self.source.error(span, format!("index {index} is out of range: there are {length} items"));
                found.map(|value| value.clone().into()).ok_or_else(error)
            }
            [Part::Basic(SliceItem::Range { start, stop, step })] => {
                let (first, count) = slice_indices(*start, *stop, *step, elements.len());
                let mut chosen = Vec::with_capacity(count);
                for number in 0..count as i64 {
                    let place = usize::try_from(first as i64 + number * step).ok();
                    chosen.extend(place.and_then(|place| elements.get(place)).cloned());
                }
                Ok(wrap(chosen).into())
            }
            _ => Err(self
                .source
                .error(span, "a tuple or list takes one integer or one slice")
                .hint("name an array literal first to index it: `a = full(...)`")),
        }
    }

    pub(super) fn sliced(&self, array: &Array, lineage: &Lineage, items: Vec<SliceItem>, span: Span) -> Result<Item> {
        let shape: Vec<usize> = array.meta()?.shape.iter().map(|extent| extent.bound()).collect();
        let axes = sliced_axes(lineage, &items, &shape);
        self.done(array.slice_items(items), lineage.with_axes(axes), span)
    }

    /// Slices and integers, and a list of places or a mask along one axis at most. As in NumPy, integers belong to the list: where
    /// slices stand between them, the list's axis comes first in the result.
    fn picked(&self, array: &Array, lineage: &Lineage, parts: &[Part], span: Span) -> Result<Item> {
        let mut items = Vec::new();
        let mut list = None;
        for part in parts {
            let picked = match part {
                Part::Basic(item) => {
                    items.push(*item);
                    continue;
                }
                Part::Mask(mask) if mask.rank()? != 1 => {
                    let error = self.source.error(span, format!("a mask of {} axes behind other indices is not available", mask.rank()?));
                    return Err(error.hint("such a mask selects along the first axes: `x[mask]`"));
                }
                Part::Mask(mask) => Picked::Mask(mask),
                Part::List(indices) => Picked::List(indices),
            };
            if list.replace((items.len(), picked)).is_some() {
                let error = self.source.error(span, "one mask, list or array of indices at a time");
                return Err(error.hint("`x[[1, 2]][:, [0, 3]]` picks rows, then columns"));
            }
            items.push(SliceItem::FULL);
        }
        let Some((at, picked)) = list else { return self.sliced(array, lineage, items, span) };
        let is_index = |item: &SliceItem| matches!(item, SliceItem::Index(_));
        let advanced: Vec<usize> = (0..items.len()).filter(|&place| place == at || is_index(&items[place])).collect();
        let apart = advanced.windows(2).any(|pair| pair[1] > pair[0] + 1);
        // Where the list's axis lies in the result, counted from the side that no ellipsis stands on.
        let axes_of = |items: &[SliceItem]| items.iter().filter(|item| !is_index(item)).count();
        let dots = items[..at].contains(&SliceItem::Ellipsis);
        let unnamed = if items.contains(&SliceItem::Ellipsis) {
            0
        } else {
            array.rank()?.saturating_sub(items.iter().filter(|item| **item != SliceItem::NewAxis).count())
        };
        let axis = if dots { -((axes_of(&items[at + 1..]) + unnamed) as i64) - 1 } else { axes_of(&items[..at]) as i64 };
        let sliced = self.sliced(array, lineage, items, span)?;
        let (array, lineage) = self.array(sliced, span)?;
        let mut axes = lineage.axes.clone();
        let place = if axis < 0 { axis + axes.len() as i64 } else { axis };
        let place =
            usize::try_from(place).ok().filter(|&place| place < axes.len()).ok_or_else(|| Error::internal("an index of no axis"))?;
        let (taken, new) = match picked {
            Picked::List(indices) => {
                let new = if let Indices::Computed(indices) = indices { indices.rank()? } else { 1 };
                (array.take(indices.clone(), place as i64), new)
            }
            Picked::Mask(mask) => (compressed(&array, mask, place as i64), 1),
        };
        axes.splice(place..=place, vec![AxisOrigin::default(); new]);
        if !apart {
            return self.done(taken, lineage.with_axes(axes), span);
        }
        axes[..place + new].rotate_right(new);
        let order = (place..place + new).chain(0..place).chain(place + new..axes.len()).map(|axis| axis as i64);
        self.done(taken.permute(order), lineage.with_axes(axes), span)
    }

    fn masked(&self, array: &Array, lineage: &Lineage, mask: &Array, behind: &[Part], span: Span) -> Result<Item> {
        let rest: Vec<SliceItem> = behind.iter().filter_map(|part| if let Part::Basic(item) = part { Some(*item) } else { None }).collect();
        if rest.len() < behind.len() {
            let error = self.source.error(span, "a mask together with lists or other masks is not available");
            return Err(error.hint("index one after the other: `x[mask][:, [1, 2]]`"));
        }
        let (rank, mask_rank) = (array.rank()?, mask.rank()?);
        let taken = rest.iter().filter(|item| !matches!(item, SliceItem::NewAxis | SliceItem::Ellipsis)).count();
        if taken > rank.saturating_sub(mask_rank) {
            return Err(self.source.error(span, format!("{taken} more indices after a mask of {mask_rank} axes, the array has {rank}")));
        }
        let axes = if mask_rank == 1 && rank > 1 {
            // The selected axis is no longer the axis it comes from.
            lineage.axes.iter().enumerate().map(|(axis, origin)| if axis == 0 { AxisOrigin::default() } else { *origin }).collect()
        } else {
            vec![AxisOrigin::default()]
        };
        let selected = self.done(array.compress(mask), lineage.with_axes(axes), span)?;
        let dots = rest.iter().filter(|item| **item == SliceItem::Ellipsis).count();
        if dots <= 1 && rest.iter().all(|item| matches!(*item, SliceItem::FULL | SliceItem::Ellipsis)) {
            return Ok(selected);
        }
        // What was selected is the first axis; integers behind a mask never move it.
        let (array, lineage) = self.array(selected, span)?;
        self.sliced(&array, &lineage, std::iter::once(SliceItem::FULL).chain(rest).collect(), span)
    }
}

/// Where the axes of a slice come from. An axis cut to a part is another axis; a range of length 1 was meant.
fn sliced_axes(lineage: &Lineage, items: &[SliceItem], shape: &[usize]) -> Vec<AxisOrigin> {
    let taken = items.iter().filter(|item| matches!(item, SliceItem::Index(_) | SliceItem::Range { .. })).count();
    let missing = shape.len().saturating_sub(taken);
    let mut axes = Vec::new();
    let mut axis = 0;
    let mut spelled = false;
    let copy = |axis: &mut usize, count: usize, axes: &mut Vec<AxisOrigin>| {
        for _ in 0..count {
            axes.push(lineage.axes.get(*axis).copied().unwrap_or(AxisOrigin { tag: None, made: true }));
            *axis += 1;
        }
    };
    for item in items {
        match item {
            SliceItem::NewAxis => axes.push(AxisOrigin { tag: None, made: true }),
            SliceItem::Index(_) => axis += 1,
            SliceItem::Ellipsis => {
                spelled = true;
                copy(&mut axis, missing, &mut axes);
            }
            full if *full == SliceItem::FULL => copy(&mut axis, 1, &mut axes),
            SliceItem::Range { .. } => {
                axes.push(AxisOrigin { tag: None, made: true });
                axis += 1;
            }
        }
    }
    if !spelled {
        copy(&mut axis, missing, &mut axes);
    }
    axes
}
