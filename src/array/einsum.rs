//! Einstein's notation: `"ij,jk->ik"` as the labels of a contraction.

use super::{
    linalg::{Labels, contract},
    node::Array,
    words::{Finish, SumMode},
};
use crate::error::{Error, Result};

/// Labels of the axes that `...` stands for lie above those of letters.
const ELLIPSIS: u32 = 1 << 24;

/// `subscripts` carried out on one or two arrays.
pub(super) fn einsum(subscripts: &str, arrays: &[&Array]) -> Result<Array> {
    let text: String = subscripts.chars().filter(|letter| !letter.is_whitespace()).collect();
    let wrong = |what: String| Error::usage(format!("einsum(\"{subscripts}\"): {what}"));
    let (inputs, output) = text.split_once("->").map_or((text.as_str(), None), |(inputs, output)| (inputs, Some(output)));
    let terms: Vec<&str> = inputs.split(',').collect();
    if terms.len() != arrays.len() || !(1..=2).contains(&arrays.len()) {
        let error = wrong(format!("{} operands for {} arrays", terms.len(), arrays.len()));
        return Err(error.hint("one or two arrays are contracted at a time: `\"ij,jk->ik\"`"));
    }
    let mut sides = Vec::new();
    for (term, array) in terms.iter().zip(arrays) {
        let labels = labels(term, array.rank()?).map_err(wrong)?;
        sides.push(diagonals(array, labels)?);
    }
    let out = match output {
        Some(output) => {
            let broadcast = sides.iter().flat_map(|(_, labels)| labels).filter(|label| **label >= ELLIPSIS).max();
            let rank = broadcast.map_or(0, |label| (label - ELLIPSIS) as usize + 1);
            let count = output.chars().filter(|letter| letter.is_alphabetic()).count();
            labels(output, count + if output.contains("...") { rank } else { 0 }).map_err(wrong)?
        }
        None => implied(&terms, &sides),
    };
    let known = |label: &u32| sides.iter().any(|(_, labels)| labels.contains(label));
    if let Some(at) = (0..out.len()).find(|&at| !known(&out[at]) || out[..at].contains(&out[at])) {
        let letter = char::from_u32(out[at]).unwrap_or('.');
        return Err(wrong(if known(&out[at]) {
            format!("`{letter}` stands twice in the result")
        } else {
            format!("no operand has `{letter}`")
        }));
    }
    match &sides[..] {
        [(left, left_labels), (right, right_labels)] => {
            contract("einsum", left, right, &Labels { left: left_labels.clone(), right: right_labels.clone(), out })
        }
        sides => one(&sides[0].0, &sides[0].1, &out),
    }
}

/// One label an axis; those of `...` count from the last axis that it stands for.
fn labels(term: &str, rank: usize) -> Result<Vec<u32>, String> {
    let (before, after) = term.split_once("...").map_or((term, None), |(before, after)| (before, Some(after)));
    let letters = |part: &str| {
        part.chars()
            .map(|letter| if letter.is_ascii_alphabetic() { Ok(letter as u32) } else { Err(format!("`{letter}` is no letter")) })
            .collect::<Result<Vec<u32>, String>>()
    };
    let (before, behind) = (letters(before)?, letters(after.unwrap_or(""))?);
    let count = before.len() + behind.len();
    if count > rank || after.is_none() && count != rank {
        return Err(format!("`{term}` has {count} letters, the array {rank} axes"));
    }
    let stretched = (0..(rank - count) as u32).rev().map(|place| ELLIPSIS + place);
    Ok(before.into_iter().chain(stretched).chain(behind).collect())
}

/// Axes of one letter become their diagonal.
fn diagonals(array: &Array, mut labels: Vec<u32>) -> Result<(Array, Vec<u32>)> {
    let mut array = array.clone();
    while let Some(second) = (1..labels.len()).find(|&at| labels[..at].contains(&labels[at])) {
        let label = labels[second];
        let first = labels.iter().position(|found| *found == label).unwrap_or(second);
        let shape = array.shape()?;
        if shape[first] != shape[second] {
            let letter = char::from_u32(label).unwrap_or('.');
            return Err(Error::mismatch(format!("einsum: `{letter}` is an axis of {} and of {} places", shape[first], shape[second])));
        }
        array = array.diagonal(0, first as i64, second as i64).checked()?;
        labels.remove(second);
        labels.remove(first);
        labels.push(label);
    }
    Ok((array, labels))
}

/// The result that NumPy implies: what `...` stands for, and then the letters that occur once, by the alphabet.
fn implied(terms: &[&str], sides: &[(Array, Vec<u32>)]) -> Vec<u32> {
    let once = |label: u32| terms.iter().flat_map(|term| term.chars()).filter(|letter| *letter as u32 == label).count() == 1;
    let mut letters: Vec<u32> =
        sides.iter().flat_map(|(_, labels)| labels.clone()).filter(|&label| label < ELLIPSIS && once(label)).collect();
    letters.sort_unstable();
    let mut stretched: Vec<u32> = sides.iter().flat_map(|(_, labels)| labels.clone()).filter(|label| *label >= ELLIPSIS).collect();
    stretched.sort_unstable_by(|a, b| b.cmp(a));
    stretched.dedup();
    stretched.into_iter().chain(letters).collect()
}

/// One operand: sums and an order of axes.
fn one(array: &Array, own: &[u32], out: &[u32]) -> Result<Array> {
    let axes: Vec<i64> = (0..own.len()).filter(|&axis| !out.contains(&own[axis])).map(|axis| axis as i64).collect();
    let dtype = array.dtype()?;
    let summed = if axes.is_empty() { array.clone() } else { array.reduce(Finish::Sum, Some(axes), false, Some(dtype), SumMode::Exact) };
    let kept: Vec<u32> = own.iter().copied().filter(|label| out.contains(label)).collect();
    let order: Vec<i64> = out.iter().filter_map(|label| kept.iter().position(|found| found == label)).map(|axis| axis as i64).collect();
    summed.permute(order).checked()
}
