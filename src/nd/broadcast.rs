//! NumPy broadcasting, with errors that show which axes clash and what would fix it.

use crate::{
    error::{Error, Result},
    nd::{Dims, Extent, shape::show},
};

/// The shape that all `shapes` stretch to, by NumPy's rules.
///
/// Two `AtMost` extents, and `AtMost` with a known length, are taken as compatible: lengths are checked again when they are known.
pub fn broadcast_shapes(names: &[&str], shapes: &[&[Extent]]) -> Result<Vec<Extent>> {
    let rank = shapes.iter().map(|shape| shape.len()).max().unwrap_or(0);
    let mut result = vec![Extent::Known(1); rank];
    for (operand, shape) in shapes.iter().enumerate() {
        for (back, &extent) in shape.iter().rev().enumerate() {
            let axis = rank - 1 - back;
            result[axis] = join(result[axis], extent).ok_or_else(|| clash(names, shapes, operand, axis, rank))?;
        }
    }
    Ok(result)
}

fn join(a: Extent, b: Extent) -> Option<Extent> {
    match (a, b) {
        (Extent::Known(1), other) | (other, Extent::Known(1)) => Some(other),
        (Extent::Known(x), Extent::Known(y)) => (x == y).then_some(a),
        (Extent::AtMost(x), Extent::AtMost(y)) => Some(Extent::AtMost(x.min(y))),
        (known @ Extent::Known(_), Extent::AtMost(_)) | (Extent::AtMost(_), known @ Extent::Known(_)) => Some(known),
    }
}

fn clash(names: &[&str], shapes: &[&[Extent]], operand: usize, axis: usize, rank: usize) -> Error {
    // The clash is with the first operand that has a length other than 1 there.
    let at = |index: usize| shapes[index].len().checked_sub(rank - axis).map(|place| shapes[index][place]);
    let first = (0..operand).find(|&index| at(index).is_some_and(|extent| extent != Extent::Known(1))).unwrap_or(0);
    let (left, right) = (shapes[first], shapes[operand]);
    let (left_name, right_name) = (names.get(first).copied().unwrap_or("left"), names.get(operand).copied().unwrap_or("right"));
    let (left_length, right_length) = (at(first).map(Extent::bound).unwrap_or(1), at(operand).map(Extent::bound).unwrap_or(1));
    let back = rank - axis;
    Error::mismatch(format!(
        "shapes {} and {} do not broadcast: axis -{back} has {left_length} against {right_length}\n{}",
        show(left),
        show(right),
        aligned([(left_name, left), (right_name, right)], back)
    ))
    .hint(remedy([(left_name, left), (right_name, right)]))
}

/// Both shapes right-aligned, a line each, and a line that marks axis `-back`.
fn aligned(operands: [(&str, &[Extent]); 2], back: usize) -> String {
    let rank = operands.iter().map(|(_, shape)| shape.len()).max().unwrap_or(0);
    let label = operands.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let cells: Vec<Vec<String>> = operands
        .iter()
        .map(|(_, shape)| {
            (0..rank).map(|axis| (axis + shape.len()).checked_sub(rank).map_or(String::new(), |place| shape[place].to_string())).collect()
        })
        .collect();
    let width = |axis: usize| cells.iter().map(|row| row[axis].len()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for ((name, _), row) in operands.iter().zip(&cells) {
        let text: Vec<String> = row.iter().enumerate().map(|(axis, cell)| format!("{cell:>width$}", width = width(axis))).collect();
        lines.push(format!("  {name:<label$}  {}", text.join("  ")));
    }
    let marks: Vec<String> =
        (0..rank).map(|axis| if rank - axis == back { "^".repeat(width(axis)) } else { " ".repeat(width(axis)) }).collect();
    lines.push(format!("  {:<label$}  {}", "", marks.join("  ")).trim_end().to_string());
    lines.join("\n")
}

/// The insertion of new axes that would make the smaller operand fit, if there is one; else the general rule.
fn remedy(operands: [(&str, &[Extent]); 2]) -> String {
    let [(left_name, left), (right_name, right)] = operands;
    let (big, small_name, small) = if left.len() >= right.len() { (left, right_name, right) } else { (right, left_name, left) };
    if !small.is_empty() && small.len() < big.len() {
        for start in (0..=big.len() - small.len()).rev() {
            if small.iter().zip(&big[start..]).all(|(&a, &b)| join(a, b).is_some()) {
                let news = big.len() - small.len() - start;
                let colons = if small.len() == 1 { ":".to_string() } else { "...".to_string() };
                return format!("`{small_name}[{colons}{}]` lines the axes up", ", None".repeat(news));
            }
        }
        // A smaller array that lost its reduced axis in the middle.
        return "axes are aligned from the last one; lengths must be equal or 1: insert an axis with `[:, None]`, or reduce with keepdims=True".to_string();
    }
    "axes are aligned from the last one; lengths must be equal or 1: transpose one operand, or insert axes with `[:, None]` if every pair is meant".to_string()
}

/// The axis names of a broadcast result: names of aligned axes must agree or one be absent.
pub fn broadcast_dims(operands: &[&Dims]) -> Result<Dims> {
    let rank = operands.iter().map(|dims| dims.0.len()).max().unwrap_or(0);
    let mut result = Dims::unnamed(rank);
    for dims in operands {
        for (back, slot) in dims.0.iter().rev().enumerate() {
            let Some(name) = slot else { continue };
            let place = &mut result.0[rank - 1 - back];
            match place {
                Some(there) if there != name => {
                    return Err(Error::mismatch(format!("axis -{} is named `{there}` in one operand and `{name}` in the other", back + 1))
                        .hint("transpose or rename one operand; axes are never reordered by name unless you call `align`"));
                }
                _ => *place = Some(name.clone()),
            }
        }
    }
    for (axis, slot) in result.0.iter().enumerate() {
        if let Some(name) = slot.as_ref().filter(|name| result.0[..axis].contains(&Some((*name).clone()))) {
            return Err(Error::mismatch(format!("axis name `{name}` would stand at two places of the result"))
                .hint("the operands have it on different axes: transpose one of them first"));
        }
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(shape: &[usize]) -> Vec<Extent> {
        shape.iter().map(|&length| Extent::Known(length)).collect()
    }
    fn error(left: &[usize], right: &[usize]) -> String {
        broadcast_shapes(&["x", "t"], &[&known(left), &known(right)]).unwrap_err().to_string()
    }

    #[test]
    fn shapes_stretch_as_in_numpy() {
        let cases: &[(&[usize], &[usize], &[usize])] =
            &[(&[3, 1], &[1, 4], &[3, 4]), (&[], &[2], &[2]), (&[5], &[1], &[5]), (&[0], &[1], &[0]), (&[2, 3, 4], &[3, 1], &[2, 3, 4])];
        for (left, right, want) in cases {
            assert_eq!(broadcast_shapes(&[], &[&known(left), &known(right)]).unwrap(), known(want));
        }
    }

    #[test]
    fn a_clash_shows_both_shapes_and_the_fix() {
        assert!(error(&[100, 24], &[100]).contains("`t[:, None]`"));
        assert!(error(&[8, 3, 32, 16], &[3]).contains("`t[:, None, None]`"));
        let text = error(&[3, 100], &[3]);
        assert!(text.contains("`t[:, None]`") && text.contains("  x  3  100\n  t       3\n        ^^^"), "{text}");
        assert!(error(&[2, 3], &[4, 5]).contains("transpose"));
    }
}
