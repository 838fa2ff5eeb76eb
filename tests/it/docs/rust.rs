//! The table of `docs/from-numpy.md`: what the expression and the Rust of a row give is the same.

use super::{inputs, text};
use crate::cli_support::Folder;
use half::f16;
use ndarray::s;
use outcore::{AnyArray, Array, Axes, DType, Pad, Random, Session, Side, axis, where_};

macro_rules! cells {
    ($($cell:expr,)*) => { vec![$((stringify!($cell), $cell.eval_any())),*] };
}

/// The Rust of every row, in the order of the table.
fn cells(session: &Session, x: &Array, y: &Array, rows: &Array) -> Vec<(&'static str, outcore::Result<AnyArray>)> {
    let [x, y, rows] = [x, y, rows].map(Array::clone);
    cells![
        &x * 2 + &y,
        x.abs().sqrt(),
        x.maximum(0.5),
        x.clip(0.2, 0.8),
        where_(x.greater(0.5), &x, 0),
        x.greater(0.2) & y.less(0.5),
        x.isnan().any(..),
        x.cast::<f16>(),
        (&x * 255).cast::<u8>(),
        x.mean(0),
        x.std(axis(0).ddof(1)),
        x.max(axis(1).keepdims()),
        x.sum([0, 1]),
        x.sum(Axes::all().dtype(DType::F64)),
        x.nanmean(0),
        x.argmax(1),
        x.norm(1),
        x.median(0),
        x.quantile(0.95, 0),
        x.sort(0),
        x.argsort(1),
        rows.unique(),
        x.histogram(4).range(0.0, 1.0).counts(),
        rows.bincount_all(None, 50),
        x.digitize([0.2, 0.5], Side::Left),
        x.cumsum(0),
        x.diff(1, 0),
        x.matmul(&y.t()),
        Array::einsum("ij,ij->i", [&x, &y]),
        x.slice(s![..2, ..;3]),
        x.slice(s![-1, ..]),
        x.flip(0),
        x.insert_axis(1),
        x.take(&rows, 0),
        x.take([0, 3], 1),
        x.compress(&x.slice(s![.., 0]).greater(0.5)),
        x.compress(&x.greater(0.9)),
        x.take([1, 2], 0).take([0, 3], 1),
        x.t(),
        x.reshape([4, -1]),
        Array::concatenate([&x, &y], 0),
        Array::stack([&x, &y], 1),
        x.roll(1, 0),
        x.pad(&[(1, 1), (0, 0)], Pad::Edge),
        x.sliding_window_view(3, 0),
        session.arange(0, 10, 2),
        session.zeros::<f32>([3, 4]),
        Random::new(1).normal::<f64>([3], 0.0, 1.0),
    ]
}

/// Code without blanks, which macros do not keep.
fn bare(code: &str) -> String {
    code.chars().filter(|letter| !letter.is_whitespace()).collect()
}

#[test]
fn expressions_and_rust_of_the_numpy_page_give_the_same() {
    let folder = Folder::on_disk();
    inputs::make(&folder);
    let page = text("docs/from-numpy.md");
    let (_, table) = page.split_once("## One beside the other").unwrap();
    let (table, _) = table.split_once("\nFiles:\n").unwrap();
    let session = Session::builder().memory("64MiB").build().unwrap();
    let [x, y, rows] = ["x.npy", "y.npy", "rows.npy"].map(|name| session.open(folder.path(name)));
    let mut cells = cells(&session, &x, &y, &rows).into_iter();
    for line in table.lines().filter(|line| line.starts_with("| `")) {
        let [expression, rust] = [2, 3].map(|place| line.split(" | ").nth(place - 1).unwrap().trim_matches(['|', ' ', '`']));
        let (code, value) = cells.next().unwrap_or_else(|| panic!("{rust} is not here"));
        assert_eq!(bare(code), bare(rust), "the next row of the table");
        let value = value.unwrap_or_else(|error| panic!("{rust}: {error}"));
        folder.ok(&["eval", expression, "x=x.npy", "y=y.npy", "rows=rows.npy", "-o", "row.npy", "--overwrite"]);
        let expected = session.open(folder.path("row.npy")).eval_any().unwrap();
        assert_eq!((value.dtype(), value.shape()), (expected.dtype(), expected.shape()), "{rust}");
        assert_eq!(value.bytes(), expected.bytes(), "{rust}");
    }
    assert!(cells.next().is_none(), "rows are missing in the table");
}
