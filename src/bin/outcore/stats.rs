//! `outcore stats`: one pass, in f64 and exact whatever the input; NaN skipped and counted. With `--state`, only what is new.

use crate::{
    args::{Stats, spelling},
    inputs::open_one,
    output::{Style, note, print},
    settings::{Settings, check_writable},
    signals,
};
use outcore::{
    Array, Axes, DType, Error, InputUpdate, Result, Statistics, StatisticsValues, Update, axis,
    nd::shape::{normalize_axis, show},
    report::{PrintOptions, Values, numpy_text, size::count},
};

/// More lines than this are no table for a person.
const LINES_MAX: usize = 1000;

/// Names of the columns, in order.
const NAMES: [&str; 9] = ["count", "nan", "inf", "min", "max", "mean", "std", "sum", "l2"];

/// One line of statistics.
struct Line {
    /// Elements that are not NaN, NaN, infinities.
    counts: [u64; 3],
    /// min, max, mean, std, sum, l2 norm.
    values: [f64; 6],
}

/// What is printed.
struct Table {
    dtype: DType,
    shape: Vec<usize>,
    kept: Vec<usize>,
    lines: Vec<Line>,
    /// What was done with the inputs, where states are kept.
    updates: Vec<InputUpdate>,
}

/// Prints the statistics.
pub fn run(command: &Stats, settings: &Settings) -> Result<()> {
    let arrays = command.paths.iter().map(|path| open_one(&settings.session, path)).collect::<Result<Vec<Array>>>()?;
    let (dtype, shape) = (arrays[0].dtype()?, arrays[0].shape()?);
    let axes = axes(command, shape.len())?;
    let kept: Vec<usize> = (0..shape.len()).filter(|place| axes.as_ref().is_some_and(|axes| !axes.contains(place))).collect();
    let lines = kept.iter().map(|&place| shape[place]).product::<usize>();
    if lines > LINES_MAX {
        return Err(Error::usage(format!("{} lines of statistics, up to {} are printed", count(lines as u64), count(LINES_MAX as u64)))
            .hint(format!("outcore eval 'mean(x, axis={})' {} -o mean.npy", command.axis.unwrap_or(0), command.paths[0])));
    }
    let axes = axes.map_or_else(Axes::all, |axes| axis(axes.iter().map(|&place| place as i64).collect::<Vec<_>>()));
    let _guard = signals::guard(&settings.session);
    let table = match &arrays[..] {
        [array] if command.state.is_none() => {
            let values = array.statistics(axes);
            settings.reporter.finish();
            let values = values?;
            Table { dtype, shape, kept: values.shape.clone(), lines: lines_of(&values), updates: Vec::new() }
        }
        _ => several(command, axes, &shape, settings)?,
    };
    tell(&table.updates);
    match settings.style {
        Style::Text => print(&text(command, &table)),
        Style::Json => print(&json(command, &table).to_string()),
    }
}

/// Axes that are reduced; `None`: all.
fn axes(command: &Stats, rank: usize) -> Result<Option<Vec<usize>>> {
    let Some(given) = command.axis else { return Ok(None) };
    let place = normalize_axis(given, rank)?;
    Ok(Some(if command.each { (0..rank).filter(|&other| other != place).collect() } else { vec![place] }))
}

/// Inputs one after the other, with the states of a file.
fn several(command: &Stats, axes: Axes, shape: &[usize], settings: &Settings) -> Result<Table> {
    if let Some(path) = &command.state {
        check_writable(path, &spelling("--state"))?;
    }
    let mut statistics = match &command.state {
        Some(path) => Statistics::open(&settings.session, path, axes)?,
        None => Statistics::new(&settings.session, axes),
    };
    let updates = statistics.update(&command.paths);
    settings.reporter.finish();
    if let Some(path) = &command.state {
        match &updates {
            Ok(_) => statistics.save(path)?,
            // What was read before an error or an interruption need not be read again.
            Err(_) if statistics.rows() > 0 => {
                let kept = statistics.save(path);
                kept.unwrap_or_else(|error| note("warning", &format!("states are not kept: {}", error.message())));
            }
            Err(_) => {}
        }
    }
    let updates = updates?;
    let values = statistics.values()?;
    let mut shape = shape.to_vec();
    if let Some(rows) = shape.first_mut() {
        *rows = usize::try_from(statistics.rows()).unwrap_or(usize::MAX);
    }
    let dtype = statistics.row().map_or(DType::F64, |(dtype, _)| dtype);
    let updates = if command.state.is_some() { updates } else { Vec::new() };
    Ok(Table { dtype, shape, kept: values.shape.clone(), lines: lines_of(&values), updates })
}

/// One line on stderr about what was read, and one about every input that is not what it was.
fn tell(updates: &[InputUpdate]) {
    if updates.is_empty() {
        return;
    }
    for update in updates {
        if let Update::Changed(how) = &update.update {
            note("note", &format!("{}: {how}; all of it was read again", update.path));
        }
    }
    let (rows, read) = updates.iter().fold((0, 0), |(rows, read), update| (rows + update.rows, read + update.rows_read));
    note("note", &format!("{} of {} rows read, states of the others were kept", count(read), count(rows)));
}

fn lines_of(values: &StatisticsValues) -> Vec<Line> {
    let line = |at: usize| Line {
        counts: [&values.count, &values.nan, &values.inf].map(|column| column[at]),
        values: [&values.min, &values.max, &values.mean, &values.std, &values.sum, &values.l2].map(|column| column[at]),
    };
    (0..values.count.len()).map(line).collect()
}

/// What stands before the shape: the path, or how many there are.
fn title(command: &Stats) -> String {
    match &command.paths[..] {
        [path] => path.clone(),
        paths => format!("{} inputs", paths.len()),
    }
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

fn text(command: &Stats, table: &Table) -> String {
    let Table { dtype, shape, kept, lines: table, .. } = table;
    let mut text = format!("{}  {dtype} {}\n", title(command), show(shape));
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

fn json(command: &Stats, table: &Table) -> serde_json::Value {
    let Table { dtype, shape, kept, lines: table, updates } = table;
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
    let inputs: Vec<serde_json::Value> = updates.iter().map(update_json).collect();
    serde_json::json!({
        "schema": "outcore.stats/1",
        "path": title(command),
        "paths": command.paths,
        "inputs": inputs,
        "dtype": dtype.name(),
        "shape": shape,
        "axis": command.axis,
        "each": command.each,
        "kept": kept,
        "stats": statistics,
    })
}

fn update_json(update: &InputUpdate) -> serde_json::Value {
    let (what, how) = match &update.update {
        Update::New => ("new", None),
        Update::Unchanged => ("unchanged", None),
        Update::Appended => ("appended", None),
        Update::Changed(how) => ("changed", Some(how)),
        _ => ("other", None),
    };
    serde_json::json!({ "path": update.path, "rows": update.rows, "rows_read": update.rows_read, "state": what, "why": how })
}
