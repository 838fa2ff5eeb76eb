//! An index alone, as `--slice` of the command line takes it: `0:5, ..., :8`.

use crate::{
    array::parse::{
        ast::{ExprId, ExprKind, IndexItem, Sign, StatementKind, Statements},
        grammar::parse_subscript,
    },
    error::{Error, Result},
    nd::{Scalar, SliceItem},
};

/// The items of an index written as between the brackets of `x[...]`: integers, slices, `...`, `None`.
///
/// ```
/// use outcore::SliceItem;
/// assert_eq!(outcore::array::parse::parse_slice("-1, ...")?, [SliceItem::Index(-1), SliceItem::Ellipsis]);
/// # Ok::<(), outcore::Error>(())
/// ```
///
/// # Errors
/// A usage error if it is anything else.
pub fn parse_slice(text: &str) -> Result<Vec<SliceItem>> {
    let inner = text.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let bad = || Error::usage(format!("`{text}` is not a slice")).hint("as in `0:5`, `0:5, ..., :8`, `-1`, `::2`");
    let statements = parse_subscript(inner).map_err(|_| bad())?;
    let [statement] = statements.statements.as_slice() else { return Err(bad()) };
    let StatementKind::Value(root) = statement.kind else { return Err(bad()) };
    let ExprKind::Index(owner, items) = &statements.expressions[root.index()].kind else { return Err(bad()) };
    // `_[0][1]` is two subscripts, not one.
    if !matches!(statements.expressions[owner.index()].kind, ExprKind::Name) {
        return Err(bad());
    }
    items.iter().map(|item| slice_item(&statements, item).ok_or_else(bad)).collect()
}

fn slice_item(statements: &Statements, item: &IndexItem) -> Option<SliceItem> {
    // An empty place of a range is `Some(None)`, a part that is no integer is `None`.
    let place = |id: &Option<ExprId>| id.map_or(Some(None), |id| integer(statements, id).map(Some));
    match item {
        IndexItem::Ellipsis => Some(SliceItem::Ellipsis),
        IndexItem::Range { start, stop, step, .. } => {
            let step = place(step)?.unwrap_or(1);
            (step != 0).then_some(())?;
            Some(SliceItem::Range { start: place(start)?, stop: place(stop)?, step })
        }
        IndexItem::Value(id) => {
            let expression = &statements.expressions[id.index()];
            if matches!(expression.kind, ExprKind::Name) && statements.source.slice(expression.span) == "None" {
                return Some(SliceItem::NewAxis);
            }
            integer(statements, *id).map(SliceItem::Index)
        }
    }
}

fn integer(statements: &Statements, id: ExprId) -> Option<i64> {
    match &statements.expressions[id.index()].kind {
        ExprKind::Number(Scalar::Int(value)) => i64::try_from(*value).ok(),
        ExprKind::Unary(Sign::Minus, inner) => match statements.expressions[inner.index()].kind {
            ExprKind::Number(Scalar::Int(value)) => i64::try_from(-value).ok(),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_of_the_command_line() {
        let range = |start, stop, step| SliceItem::Range { start, stop, step };
        let cases = [
            ("0:5, ..., :8", vec![range(Some(0), Some(5), 1), SliceItem::Ellipsis, range(None, Some(8), 1)]),
            ("[::-1]", vec![range(None, None, -1)]),
            ("3, None, -2:", vec![SliceItem::Index(3), SliceItem::NewAxis, range(Some(-2), None, 1)]),
        ];
        for (text, want) in cases {
            assert_eq!(parse_slice(text).unwrap(), want, "{text}");
        }
        for bad in ["", "a", "1:2:0", "0][0", "1; 2", "1.5", "x > 0", "0]; y[0", "99999999999999999999"] {
            assert!(parse_slice(bad).is_err(), "{bad}");
        }
    }
}
