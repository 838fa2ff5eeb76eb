//! `outcore stats`: one pass, in f64 and exact whatever the input; NaN skipped and counted.

use crate::{
    args::Stats,
    output::{Style, print},
    settings::Settings,
    signals,
};
use outcore::{
    AnyArray, Array, Axes, DType, Destination, Error, Job, Result, SliceItem, axis,
    nd::shape::{normalize_axis, show},
    report::{PrintOptions, Values, numpy_text, size::count},
    where_,
};

/// More lines than this are no table for a person.
const LINES_MAX: usize = 1000;
/// Elements that are looked at to find a number near the mean.
const SAMPLE: usize = 4096;

/// Names of the columns, in order.
const NAMES: [&str; 9] = ["count", "nan", "inf", "min", "max", "mean", "std", "sum", "l2"];

/// One line of statistics.
struct Line {
    /// Elements that are not NaN, NaN, infinities.
    counts: [u64; 3],
    /// min, max, mean, std, sum, l2 norm.
    values: [f64; 6],
}

/// Which elements make a line.
enum Grouping {
    /// All.
    Whole,
    /// Those that differ in these axes only.
    Axes(Vec<usize>),
}

/// Prints the statistics.
pub fn run(command: &Stats, settings: &Settings) -> Result<()> {
    let array = settings.session.open(&command.path).checked()?;
    let shape = array.shape()?;
    let grouping = grouping(command, shape.len())?;
    let kept: Vec<usize> = match &grouping {
        Grouping::Whole => Vec::new(),
        Grouping::Axes(reduced) => (0..shape.len()).filter(|place| !reduced.contains(place)).map(|place| shape[place]).collect(),
    };
    let lines = kept.iter().product::<usize>();
    if lines > LINES_MAX {
        return Err(Error::usage(format!("{} lines of statistics, up to {} are printed", count(lines as u64), count(LINES_MAX as u64)))
            .hint(format!("outcore eval 'mean(x, axis={})' {} -o mean.npy", command.axis.unwrap_or(0), command.path)));
    }
    let elements = shape.iter().product::<usize>();
    let table =
        if elements == 0 { (0..lines).map(|_| empty_line()).collect() } else { compute(&array, &grouping, elements / lines, settings)? };
    match settings.style {
        Style::Text => print(&text(command, array.dtype()?, &shape, &kept, &table)),
        Style::Json => print(&json(command, array.dtype()?, &shape, &kept, &table).to_string()),
    }
}

fn grouping(command: &Stats, rank: usize) -> Result<Grouping> {
    let Some(given) = command.axis else { return Ok(Grouping::Whole) };
    let place = normalize_axis(given, rank)?;
    Ok(Grouping::Axes(if command.each { (0..rank).filter(|&other| other != place).collect() } else { vec![place] }))
}

fn empty_line() -> Line {
    let nan = f64::NAN;
    Line { counts: [0; 3], values: [nan, nan, nan, nan, 0.0, 0.0] }
}

/// Everything in one job, so that the passes over the array are shared.
fn compute(array: &Array, grouping: &Grouping, elements: usize, settings: &Settings) -> Result<Vec<Line>> {
    let axes = || match grouping {
        Grouping::Whole => Axes::from(..),
        Grouping::Axes(reduced) => axis(reduced.iter().map(|&place| place as i64).collect::<Vec<_>>()),
    };
    let _guard = signals::guard(&settings.session);
    let missing_are_possible = array.dtype()?.is_float();
    let near = if missing_are_possible { near_mean(array)? } else { 0.0 };
    let wide = array.cast::<f64>();
    let missing = array.isnan();
    let without = |filler: f64| if missing_are_possible { where_(&missing, filler, &wide) } else { wide.clone() };
    let (zeroed, filled) = (without(0.0), without(near));
    let mut wanted = vec![
        without(f64::INFINITY).min(axes()),
        without(f64::NEG_INFINITY).max(axes()),
        filled.mean(axes()),
        filled.var(axes()),
        filled.std(axes()),
        zeroed.sum(axes()),
        zeroed.square().sum(axes()),
    ];
    if missing_are_possible {
        wanted.extend([missing.count_nonzero(axes()), array.isinf().count_nonzero(axes())]);
    }
    let mut job = Job::new(&settings.session);
    for (index, value) in wanted.iter().enumerate() {
        job = job.output(format!("statistic {index}"), value, Destination::Memory);
    }
    let result = job.run();
    settings.reporter.finish();
    let columns: Vec<AnyArray> = result?.arrays.into_iter().flatten().collect();
    let lines = columns.first().map_or(0, AnyArray::len);
    (0..lines).map(|line| finish(&columns, line, elements as u64, near)).collect()
}

/// A number near the mean, from a few elements. Where it lies changes no result by more than a rounding; filling NaN with
/// it keeps the deviation of the others from cancelling.
fn near_mean(array: &Array) -> Result<f64> {
    let mut left = SAMPLE;
    let mut items = Vec::new();
    for &length in array.shape()?.iter().rev() {
        let taken = length.min(left.max(1));
        left /= taken.max(1);
        items.push(SliceItem::Range { start: None, stop: Some(taken as i64), step: 1 });
    }
    items.reverse();
    let sample = array.slice_items(items).cast::<f64>().eval_any()?;
    let finite: Vec<f64> = sample.as_slice::<f64>()?.iter().copied().filter(|value| value.is_finite()).collect();
    let mean = finite.iter().map(|value| value / finite.len() as f64).sum::<f64>();
    Ok(if mean.is_finite() { mean } else { 0.0 })
}

/// Takes the fillers out of the moments again.
#[allow(clippy::cast_precision_loss, reason = "counts below 2^53")]
fn finish(columns: &[AnyArray], line: usize, elements: u64, near: f64) -> Result<Line> {
    let value = |column: usize| -> Result<f64> {
        let scalar = columns.get(column).and_then(|array| array.scalar(line));
        scalar.map(outcore::Scalar::to_f64).ok_or_else(|| Error::internal("a statistic is missing"))
    };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count is whole and not negative")]
    let counted = |column: usize| if columns.len() > column { value(column).map(|value| value as u64) } else { Ok(0) };
    let (nan, inf) = (counted(7)?, counted(8)?);
    let (all, here) = (elements as f64, (elements - nan) as f64);
    let (mean_filled, var_filled, sum) = (value(2)?, value(3)?, value(5)?);
    let (mut min, mut max, mut mean, mut std) = (value(0)?, value(1)?, mean_filled, value(4)?);
    if nan == elements {
        (min, max, mean, std) = (f64::NAN, f64::NAN, f64::NAN, f64::NAN);
    } else if nan > 0 {
        mean = sum / here;
        // var_filled = here / all * var + nan / here * shift^2, solved for var.
        let shift = mean_filled - near;
        std = (all / here * (var_filled - shift * shift * nan as f64 / here)).max(0.0).sqrt();
        if inf > 0 {
            std = f64::NAN;
        }
    }
    Ok(Line { counts: [elements - nan, nan, inf], values: [min, max, mean, std, sum, value(6)?.sqrt()] })
}

fn number(value: f64) -> String {
    numpy_text(&Values { dtype: DType::F64, shape: &[], bytes: &value.to_ne_bytes() }, &PrintOptions::default())
}

fn cells(line: &Line) -> Vec<String> {
    line.counts.iter().map(ToString::to_string).chain(line.values.iter().map(|&value| number(value))).collect()
}

/// `[3]`, `[0, 2]`: the place of line `index` among the kept axes.
fn place(kept: &[usize], mut index: usize) -> String {
    let mut places = vec![0; kept.len()];
    for (slot, &length) in places.iter_mut().zip(kept).rev() {
        *slot = index % length.max(1);
        index /= length.max(1);
    }
    format!("[{}]", places.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
}

fn text(command: &Stats, dtype: DType, shape: &[usize], kept: &[usize], table: &[Line]) -> String {
    let mut text = format!("{}  {dtype} {}\n", command.path, show(shape));
    if command.axis.is_none() {
        let cells = table.first().map(cells).unwrap_or_default();
        let lines: Vec<String> = NAMES.iter().zip(cells).map(|(name, cell)| format!("  {name:<5}  {cell}")).collect();
        return text + &lines.join("\n");
    }
    let header = std::iter::once(String::new()).chain(NAMES.iter().map(ToString::to_string)).collect();
    let mut rows: Vec<Vec<String>> = vec![header];
    rows.extend(table.iter().enumerate().map(|(index, line)| std::iter::once(place(kept, index)).chain(cells(line)).collect()));
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..=NAMES.len()).map(width).collect();
    let aligned = |row: &Vec<String>| row.iter().zip(&widths).map(|(cell, width)| format!("{cell:>width$}")).collect::<Vec<_>>().join("  ");
    text.push_str(&rows.iter().map(aligned).collect::<Vec<_>>().join("\n"));
    text
}

fn json(command: &Stats, dtype: DType, shape: &[usize], kept: &[usize], table: &[Line]) -> serde_json::Value {
    let float = |value: f64| match value {
        nan if nan.is_nan() => "NaN".into(),
        infinite if infinite.is_infinite() => if infinite > 0.0 { "Infinity" } else { "-Infinity" }.into(),
        finite => serde_json::Value::from(finite),
    };
    let mut statistics = serde_json::Map::new();
    for (column, name) in NAMES.iter().enumerate() {
        let cell = |line: &Line| if column < 3 { line.counts[column].into() } else { float(line.values[column - 3]) };
        let cells: Vec<serde_json::Value> = table.iter().map(cell).collect();
        let value = if command.axis.is_none() { cells.into_iter().next().unwrap_or_default() } else { cells.into() };
        statistics.insert((*name).to_string(), value);
    }
    serde_json::json!({
        "schema": "outcore.stats/1",
        "path": command.path,
        "dtype": dtype.name(),
        "shape": shape,
        "axis": command.axis,
        "each": command.each,
        "kept": kept,
        "stats": statistics,
    })
}
