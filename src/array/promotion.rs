//! Arrays of different dtypes that meet: what `explain` says of it, and what [`Promote::Strict`] refuses.

use super::{node::Array, session::Promote, words::DType};
use crate::{
    error::{Error, Result},
    nd::shape::show,
};
use std::sync::Arc;

/// The dtype that two arrays are converted to because they meet. `None` where nothing is widened: equal dtypes, literals, and
/// `bool`, which is a choice more than a number.
pub(super) fn widened(left: &Array, right: &Array) -> Result<Option<DType>> {
    let (a, b) = (left.known()?.dtype, right.known()?.dtype);
    let weak = left.literal().is_some() || right.literal().is_some();
    Ok((a != b && !weak && a != DType::Bool && b != DType::Bool).then(|| a.promote(b)))
}

/// Whether arrays of different dtypes may not meet: as the session of the first one that has one says.
pub(super) fn is_strict(left: &Array, right: &Array) -> bool {
    [left, right].iter().find_map(|array| array.0.session.as_ref()).is_some_and(|session| session.promote() == Promote::Strict)
}

/// The error of [`Promote::Strict`].
#[cold]
pub(super) fn refusal(what: &str, names: [&str; 2], dtypes: [DType; 2], met: DType) -> Error {
    let [(a, b), (left, right)] = [(dtypes[0].to_string(), dtypes[1].to_string()), (names[0].to_string(), names[1].to_string())];
    let narrow = |(name, dtype): (&str, DType)| (dtype != met).then(|| format!("`cast({name}, {met})`"));
    let casts: Vec<String> = [(names[0], dtypes[0]), (names[1], dtypes[1])].into_iter().filter_map(narrow).collect();
    let back = match (dtypes[0] == met, dtypes[1] == met) {
        (true, _) => format!(", or `cast({left}, {b})` to stay in {b}"),
        (_, true) => format!(", or `cast({right}, {a})` to stay in {a}"),
        _ => String::new(),
    };
    Error::mismatch(format!("{what} of {left} ({a}) and {right} ({b}) would compute in {met}; strict promotion refuses to widen unasked"))
        .hint(format!("write {}{back}", casts.join(" and ")))
}

/// Checks that two arrays may meet in `what`; gives what `explain` says of it.
pub(super) fn meet(what: &str, left: &Array, right: &Array) -> Result<Option<String>> {
    let Some(met) = widened(left, right)? else { return Ok(None) };
    let dtypes = [left.known()?.dtype, right.known()?.dtype];
    if is_strict(left, right) {
        let name = |array: &Array, side: &str| array.source_name().map_or_else(|| format!("the {side} operand"), str::to_string);
        return Err(refusal(what, [&name(left, "left"), &name(right, "right")], dtypes, met));
    }
    let shown = |array: &Array| -> Result<String> {
        let meta = array.known()?;
        let name = array.source_name().map_or_else(String::new, |name| format!(" {name}"));
        Ok(format!("{} {}{name}", meta.dtype, show(&meta.shape)))
    };
    let more = met.size() - dtypes[0].size().min(dtypes[1].size());
    let cost = match more {
        0 => String::new(),
        1 => ", 1 byte per element more".to_string(),
        more => format!(", {more} bytes per element more"),
    };
    Ok(Some(format!("{what} of {} and {} computes in {met}{cost}; a cast avoids it", shown(left)?, shown(right)?)))
}

/// `made` with what `explain` says of it.
pub(super) fn noted(mut made: Array, widening: Option<String>) -> Array {
    // It was just made, so nobody else holds it.
    if let (Some(node), Some(text)) = (Arc::get_mut(&mut made.0), widening) {
        node.widening = Some(text);
    }
    made
}
