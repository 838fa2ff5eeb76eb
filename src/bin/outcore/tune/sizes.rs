//! How sizes matter: `sum(x * 2 + 1)` of this engine, of ndarray with its temporaries, and of a loop written by hand for only that.

use super::{Tune, page};
use crate::{
    output::{Style, print},
    settings::Settings,
    signals,
};
use outcore::{
    Error, Result, Session, Size,
    array::machine,
    ndarray::Array1,
    report::{
        chart::{Chart, Point, Scale, Series},
        sheet::Table,
        size::count,
    },
    tune::{Spread, interleaved, mean_seconds},
};
use std::{hint::black_box, thread, time::Duration};

/// Elements at first.
const LEAST: usize = 100;
/// Elements at last, where memory does not hold more.
const MOST: usize = 100_000_000;
/// Elements at last, where it does: 4 GB of them, a copy and a temporary of ndarray's, beside what else there is.
const MOST_OF_ALL: (usize, u64) = (1_000_000_000, 20 << 30);
/// Rounds where nobody says how many.
const ROUNDS: usize = 5;
/// A measurement repeats what is short until so much has passed.
const EACH: Duration = Duration::from_millis(10);
/// Elements from which on the loop uses all threads: fewer are summed before a thread has started.
const THREADS_FROM: usize = 1 << 18;
/// Who is compared.
const NAMES: [&str; 3] = ["outcore", "ndarray", "by hand"];

/// Seconds of everyone for one number of elements.
struct Row {
    elements: usize,
    seconds: [Spread; 3],
}

/// Compares, and tells.
pub fn run(command: &Tune, most: &str, settings: &Settings) -> Result<()> {
    let _guard = signals::guard(&settings.session);
    let most = largest(most)?;
    let sizes = std::iter::successors(Some(LEAST), |size| size.checked_mul(10)).take_while(|size| *size <= most);
    let rows = sizes.map(|elements| measure(elements, command.rounds.unwrap_or(ROUNDS), &settings.session)).collect::<Result<Vec<_>>>();
    settings.reporter.finish();
    show(command, &rows?, settings)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked against its range")]
fn largest(text: &str) -> Result<usize> {
    if text.is_empty() {
        return Ok(if machine::memory_bytes() >= MOST_OF_ALL.1 { MOST_OF_ALL.0 } else { MOST });
    }
    match text.parse::<f64>() {
        Ok(number) if (LEAST as f64..=MOST_OF_ALL.0 as f64).contains(&number) => Ok(number as usize),
        _ => Err(Error::usage(format!(
            "--sizes={text}: a number of elements from {} to {}",
            count(LEAST as u64),
            count(MOST_OF_ALL.0 as u64)
        ))
        .hint("--sizes=1e7")),
    }
}

#[allow(clippy::cast_precision_loss, reason = "small whole numbers")]
fn measure(elements: usize, rounds: usize, session: &Session) -> Result<Row> {
    let memory = Size::Bytes(session.limits().memory_bytes);
    if elements as u64 * 4 > session.limits().memory_bytes / 2 {
        return Err(Error::refused(format!("{} elements do not fit into half of a budget of {memory}", count(elements as u64)))
            .hint("--sizes=1e7, or more --memory"));
    }
    let values: Vec<f32> = (0..elements).map(|k| (k % 1000) as f32).collect();
    let plain = Array1::from(values);
    let array = session.from_ndarray(plain.clone());
    let threads = session.limits().threads;
    let mut ways: [Box<dyn FnMut() -> Result<f64> + '_>; 3] = [
        Box::new(|| (&array * 2.0f32 + 1.0f32).sum(..).item::<f32>().map(f64::from)),
        Box::new(|| Ok(f64::from((&plain * 2.0 + 1.0).sum()))),
        Box::new(|| Ok(by_hand(plain.as_slice().unwrap_or_default(), threads))),
    ];
    let measured = interleaved(NAMES.len(), rounds + 1, |who, _| {
        signals::check()?;
        mean_seconds(EACH, || {
            black_box(ways[who]()?);
            Ok(())
        })
    })?;
    // The first round warms up.
    let spread = |who: usize| Spread::of(&measured[who][1..]);
    Ok(Row { elements, seconds: [spread(0), spread(1), spread(2)] })
}

/// The loop for only this: sixteen sums at a time, every thread a part.
fn by_hand(values: &[f32], threads: usize) -> f64 {
    if threads < 2 || values.len() < THREADS_FROM {
        return part(values);
    }
    let each = values.len().div_ceil(threads);
    thread::scope(|scope| {
        let parts: Vec<_> = values.chunks(each).map(|values| scope.spawn(move || part(values))).collect();
        parts.into_iter().map(|part| part.join().unwrap_or(f64::NAN)).sum()
    })
}

fn part(values: &[f32]) -> f64 {
    let mut lanes = [0f64; 16];
    let pieces = values.chunks_exact(16);
    let rest: f64 = pieces.remainder().iter().map(|value| f64::from(value * 2.0 + 1.0)).sum();
    for piece in pieces {
        lanes.iter_mut().zip(piece).for_each(|(lane, value)| *lane += f64::from(value * 2.0 + 1.0));
    }
    lanes.iter().sum::<f64>() + rest
}

/// The least size from which on outcore is never slower than `other`.
fn break_even(rows: &[Row], other: usize) -> Option<usize> {
    let slower = |row: &Row| row.seconds[0].median > row.seconds[other].median;
    let after = rows.iter().rposition(slower).map_or(0, |last| last + 1);
    rows.get(after).map(|row| row.elements)
}

fn show(command: &Tune, rows: &[Row], settings: &Settings) -> Result<()> {
    let said: Vec<String> = [1, 2].into_iter().map(|other| break_even_text(rows, other)).collect();
    let table = table(rows);
    match settings.style {
        Style::Text => print(&format!("{}\n\n{}", table.text(), said.join("\n")))?,
        Style::Json => {
            let row = |row: &Row| serde_json::json!({"elements": row.elements, "outcore": row.seconds[0], "ndarray": row.seconds[1], "by_hand": row.seconds[2]});
            let json = serde_json::json!({"schema": "outcore.tune-sizes/1", "rows": rows.iter().map(row).collect::<Vec<_>>(),
                "break_even": {"ndarray": break_even(rows, 1), "by_hand": break_even(rows, 2)}});
            print(&json.to_string())?;
        }
    }
    let facts =
        vec![("statement".to_string(), "sum(x * 2 + 1), x of f32 in memory".to_string()), ("break-even".to_string(), said.join("\n"))];
    page::write(command, settings, "outcore tune --sizes", facts, vec![chart(rows)], vec![table])
}

fn break_even_text(rows: &[Row], other: usize) -> String {
    match break_even(rows, other) {
        Some(elements) => format!("outcore is not slower than {} from {} elements on", NAMES[other], count(elements as u64)),
        None => format!("outcore is slower than {} at the largest of these sizes", NAMES[other]),
    }
}

#[allow(clippy::cast_precision_loss, reason = "shown to a person")]
fn nanoseconds(seconds: f64, elements: usize) -> f64 {
    seconds * 1e9 / elements as f64
}

fn table(rows: &[Row]) -> Table {
    let head = ["elements", "outcore", "ndarray", "by hand", "to ndarray", "to by hand"].map(ToString::to_string).to_vec();
    let row = |row: &Row| {
        let times = row.seconds.map(|spread| format!("{:.3} ns", nanoseconds(spread.median, row.elements)));
        let ratio = |other: usize| format!("{:.2} x", row.seconds[other].median / row.seconds[0].median.max(1e-12));
        [&[count(row.elements as u64)][..], &times[..], &[ratio(1), ratio(2)]].concat()
    };
    Table {
        title: "Per element; and how many times faster outcore is".to_string(),
        head,
        rows: rows.iter().map(row).collect(),
        marked: Vec::new(),
    }
}

fn chart(rows: &[Row]) -> Chart {
    let series = |who: usize| Series {
        name: NAMES[who].to_string(),
        points: rows
            .iter()
            .enumerate()
            .map(|(place, row)| {
                let of = |seconds: f64| nanoseconds(seconds, row.elements);
                Point { place, value: of(row.seconds[who].median), low: of(row.seconds[who].min), high: of(row.seconds[who].max) }
            })
            .collect(),
    };
    Chart {
        title: "sum(x * 2 + 1) of f32 in memory".to_string(),
        places_label: "elements".to_string(),
        values_label: "nanoseconds per element".to_string(),
        places: rows.iter().map(|row| count(row.elements as u64)).collect(),
        scale: Scale::Logarithmic,
        series: (0..NAMES.len()).map(series).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_three_compute_the_same() {
        let session = Session::builder().memory("64MiB").threads(2).build().unwrap();
        for elements in [100usize, 1017, THREADS_FROM + 5] {
            let values = Array1::from_iter((0..elements).map(|k| (k % 7) as f32));
            let want: f64 = values.iter().map(|value| f64::from(value * 2.0 + 1.0)).sum();
            assert_eq!(by_hand(values.as_slice().unwrap(), 3), want);
            let array = session.from_ndarray(values);
            assert_eq!((&array * 2.0f32 + 1.0f32).sum(..).item::<f32>().unwrap(), want as f32);
        }
    }

    #[test]
    fn the_break_even_is_where_it_stays_faster() {
        let row = |elements, ours, other| Row { elements, seconds: [ours, other, other].map(|seconds: f64| Spread::of(&[seconds])) };
        let rows = [row(100, 1.0, 2.0), row(1000, 3.0, 2.0), row(10_000, 1.0, 2.0), row(100_000, 1.0, 2.0)];
        assert_eq!(break_even(&rows, 1), Some(10_000));
        assert_eq!(break_even(&rows[..2], 1), None);
        assert_eq!(break_even(&rows[2..], 1), Some(10_000));
        assert_eq!(largest("1e6").unwrap(), 1_000_000);
        assert!(largest("ten").is_err() && largest("1").is_err() && largest("").unwrap() >= MOST);
    }
}
