//! Layouts of a Zarr store, for an array.

use super::{Sample, Tune, facts, first_along, page, scratch_folder, tell_sample};
use crate::{
    disk, inputs,
    output::{Style, print},
    settings::Settings,
    signals,
};
use outcore::{
    Error, Result,
    report::{
        chart::{Chart, Point, Scale, Series},
        sheet::Table,
        size::{data_bytes, seconds},
    },
    tune::{LayoutMeasured, LayoutSweep, ReadWay, candidates},
};
use std::path::Path;

/// Bytes of the array that are written where nobody says how many.
const SAMPLE_BYTES: u64 = 64_000_000;
/// A store may be larger than its array by headers, and the last chunks are full ones.
const ROOM_TIMES: u64 = 3;

/// Sweeps, and tells.
pub fn run(command: &Tune, settings: &Settings) -> Result<()> {
    let input = command.text.as_deref().unwrap_or_default();
    if !command.words.is_empty() {
        return Err(Error::usage("--zarr takes one array").hint("outcore tune --zarr x.npy"));
    }
    let _guard = signals::guard(&settings.session);
    let array = inputs::open_one(&settings.session, input)?;
    let (shape, element) = facts(&array)?;
    // Along the longest axis, so that chunks of columns are long as well.
    let axis = (0..shape.len()).rev().max_by_key(|&axis| shape[axis]).unwrap_or(0);
    let taken = Sample::of(command, SAMPLE_BYTES)?.length(axis, &shape, element);
    tell_sample(input, axis, taken, &shape, element);
    let sample = if shape.is_empty() { array } else { first_along(&array, axis, taken) };
    let mut sampled = shape.clone();
    if let Some(length) = sampled.get_mut(axis) {
        *length = taken;
    }
    let bytes = sampled.iter().product::<usize>() as u64 * element as u64;
    let folder = scratch_folder(Path::new(inputs::without_query(input)), settings)?;
    let free = disk::file_system(folder.path())?.free_bytes;
    if free < bytes.saturating_mul(ROOM_TIMES) {
        let text = format!(
            "a sample of {} needs {} on the disk, {} are free",
            data_bytes(bytes),
            data_bytes(bytes * ROOM_TIMES),
            data_bytes(free)
        );
        return Err(Error::output(text).hint("a smaller --sample, or --scratch DIR on another disk"));
    }
    let mut sweep = LayoutSweep::new(candidates(&sampled, element));
    if let Some(rounds) = command.rounds {
        sweep = sweep.rounds(rounds);
    }
    let before_read = |path: &Path| {
        signals::check()?;
        if command.cold { disk::evict(path) } else { Ok(()) }
    };
    let measured = sweep.run(&settings.session, &sample, folder.path(), before_read);
    settings.reporter.finish();
    let removed = folder.close().map_err(|error| Error::io("remove", "the folder of scratch files", error));
    let measured = measured?;
    removed?;
    show(command, input, bytes, &measured, settings)
}

/// The layout that is fastest in a way to read; of those that are as fast but for a twentieth, the smallest.
fn best(measured: &[LayoutMeasured], way: ReadWay) -> usize {
    let least = measured.iter().map(|row| row.seconds(way).median).fold(f64::INFINITY, f64::min);
    let near = measured.iter().enumerate().filter(|(_, row)| row.seconds(way).median <= least * 1.05);
    near.min_by_key(|(_, row)| row.bytes).map_or(0, |(index, _)| index)
}

fn name(row: &LayoutMeasured) -> String {
    let flags = row.layout.flags();
    if flags.is_empty() { "default".to_string() } else { flags.replace("--", "") }
}

fn show(command: &Tune, input: &str, bytes: u64, measured: &[LayoutMeasured], settings: &Settings) -> Result<()> {
    let best: Vec<(ReadWay, usize)> = ReadWay::ALL.into_iter().map(|way| (way, best(measured, way))).collect();
    let table = table(bytes, measured, &best);
    let advice: Vec<String> = best.iter().map(|(way, index)| advice(input, *way, &measured[*index])).collect();
    match settings.style {
        Style::Text => print(&format!("{}\n\n{}", table.text(), advice.join("\n")))?,
        Style::Json => {
            let chosen: serde_json::Map<String, serde_json::Value> =
                best.iter().map(|(way, index)| (way.name().to_string(), (*index).into())).collect();
            let json = serde_json::json!({"schema": "outcore.tune-zarr/1", "input": input, "sample_bytes": bytes, "rows": measured, "best": chosen});
            print(&json.to_string())?;
        }
    }
    let facts = vec![
        ("input".to_string(), input.to_string()),
        ("sample".to_string(), data_bytes(bytes)),
        ("pages".to_string(), if command.cold { "cold" } else { "warm" }.to_string()),
        ("advice".to_string(), advice.join("\n")),
    ];
    page::write(command, settings, &format!("outcore tune --zarr {input}"), facts, vec![chart(input, measured)], vec![table])
}

fn advice(input: &str, way: ReadWay, row: &LayoutMeasured) -> String {
    let what = match way {
        ReadWay::Row => "by rows",
        ReadWay::Column => "by columns",
        ReadWay::Whole => "whole",
    };
    let flags = row.layout.flags();
    format!("read {what:10}  outcore convert {input} OUT.zarr{}{flags}", if flags.is_empty() { "" } else { " " })
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "shown to a person")]
fn table(bytes: u64, measured: &[LayoutMeasured], best: &[(ReadWay, usize)]) -> Table {
    let head = ["layout", "size", "of input", "write", "one row", "one column", "whole", "best for"].map(ToString::to_string).to_vec();
    let rate = |seconds: f64| format!("{}/s", data_bytes((bytes as f64 / seconds.max(1e-9)) as u64));
    let row = |(index, row): (usize, &LayoutMeasured)| {
        let ways: Vec<&str> = best.iter().filter(|(_, best)| *best == index).map(|(way, _)| way.name()).collect();
        vec![
            name(row),
            data_bytes(row.bytes),
            format!("{:.0} %", 100.0 * row.bytes as f64 / bytes.max(1) as f64),
            rate(row.write.median),
            seconds(row.row.median),
            seconds(row.column.median),
            rate(row.whole.median),
            ways.join(", "),
        ]
    };
    let marked = best.iter().map(|(_, index)| *index).collect();
    Table { title: "Layouts".to_string(), head, rows: measured.iter().enumerate().map(row).collect(), marked }
}

fn chart(input: &str, measured: &[LayoutMeasured]) -> Chart {
    let series = |way: ReadWay| Series {
        name: format!("{} (seconds)", way.name()),
        points: measured
            .iter()
            .map(|row| row.seconds(way))
            .enumerate()
            .map(|(place, spread)| Point { place, value: spread.median, low: spread.min, high: spread.max })
            .collect(),
    };
    Chart {
        title: format!("Zarr layouts of {input}"),
        places_label: "layouts, as in the table".to_string(),
        values_label: "seconds".to_string(),
        places: (1..=measured.len()).map(|number| number.to_string()).collect(),
        scale: Scale::Logarithmic,
        series: ReadWay::ALL.into_iter().map(series).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use outcore::tune::{Layout, Spread};

    #[test]
    fn of_those_that_are_as_fast_the_smallest_is_best() {
        let row = |bytes, row, whole| {
            let spread = |seconds: f64| Spread::of(&[seconds]);
            LayoutMeasured {
                layout: Layout::default(),
                bytes,
                write: spread(1.0),
                row: spread(row),
                column: spread(1.0),
                whole: spread(whole),
            }
        };
        let measured = [row(100, 1.0, 1.00), row(50, 1.5, 1.04), row(10, 0.9, 1.2)];
        assert_eq!(ReadWay::ALL.map(|way| best(&measured, way)), [2, 2, 1]);
        assert_eq!(name(&measured[0]), "default");
        assert!(advice("x.npy", ReadWay::Row, &measured[0]).ends_with("outcore convert x.npy OUT.zarr"));
    }
}
