//! `outcore head`: values as NumPy prints them.

use crate::{args::Head, inputs::open_one, output::print_array, settings::Settings, signals};
use outcore::{
    Error, Result, SliceItem,
    array::parse::parse_slice,
    nd::shape::show,
    report::size::{count, data_bytes},
};

/// Rows without `--slice`.
const ROWS: i64 = 5;
/// More elements than this are not read to be looked at: 8 MB of f64, printed as their edges.
const ELEMENTS_MAX: usize = 1_000_000;

/// Prints a part of an array. Large parts are shortened with `...`.
pub fn run(command: &Head, settings: &Settings) -> Result<()> {
    let array = open_one(&settings.session, &command.path)?;
    let part = match &command.slice {
        Some(text) => array.slice_items(parse_slice(text)?),
        None if array.rank()? == 0 => array,
        None => array.slice_items(vec![SliceItem::Range { start: None, stop: Some(ROWS), step: 1 }]),
    };
    let shape = part.shape()?;
    let elements: usize = shape.iter().product();
    if elements > ELEMENTS_MAX {
        let bytes = data_bytes(elements as u64 * part.dtype()?.size() as u64);
        return Err(Error::usage(format!("this slice has shape {}: {} elements, {bytes}", show(&shape), count(elements as u64)))
            .hint(format!("narrow it to {} elements: --slice '0:5, ..., :8'", count(ELEMENTS_MAX as u64))));
    }
    let _guard = signals::guard(&settings.session);
    print_array(&part.eval_any()?, settings.style)
}
