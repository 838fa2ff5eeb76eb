//! `outcore audit`: what is wrong with rows of numbers, in one read.

use crate::{
    args::{Audit as Command, Fault},
    output::{Style, note, print},
    settings::Settings,
    signals,
};
use outcore::{
    Audit, AuditSpec, ColumnStatistics, Error, Named, Result,
    report::size::{count, data_bytes, seconds},
};

/// More columns than this are shown as JSON only.
const COLUMNS_MAX: usize = 1000;

/// Audits. 1 if `--fail-on` asks for it and something was found.
pub fn run(command: &Command, settings: &Settings) -> Result<u8> {
    if !(command.unit >= 0.0 && command.unit.is_finite()) {
        return Err(Error::usage(format!("--unit {}: a tolerance is a number from 0 on", command.unit)));
    }
    let array = settings.session.open(&command.path).checked()?;
    let mut spec = AuditSpec::new().unit_tolerance(command.unit);
    if command.columns {
        spec = spec.columns();
    }
    if command.no_duplicates {
        spec = spec.without_duplicates();
    }
    let _guard = signals::guard(&settings.session);
    let audit = array.audit(&spec);
    settings.reporter.finish();
    let audit = audit?;
    match settings.style {
        Style::Text => print(&text(command, &audit))?,
        Style::Json => print(&json(command, &audit)?)?,
    }
    audit.report.warnings.iter().for_each(|text| note("warning", text));
    settings.reports.tell(&audit.report, &[]);
    if settings.reporter.is_watched() {
        let read = &audit.report.stats;
        note("read", &format!("{} in {}", data_bytes(read.bytes_read), seconds(read.seconds)));
    }
    Ok(u8::from(command.fail_on.iter().any(|fault| is_there(*fault, &audit))))
}

fn is_there(fault: Fault, audit: &Audit) -> bool {
    match fault {
        Fault::Nan => audit.nan > 0,
        Fault::Inf => audit.inf > 0,
        Fault::Zero => audit.zero_rows.count > 0,
        Fault::Duplicates => audit.duplicates.as_ref().is_some_and(|found| found.rows > 0),
        Fault::Constant => audit.constant_columns.count + audit.empty_columns.count > 0,
        Fault::Any => [Fault::Nan, Fault::Inf, Fault::Zero, Fault::Duplicates, Fault::Constant].iter().any(|fault| is_there(*fault, audit)),
    }
}

/// `3: 17, 900, 2999`, and that there are more.
fn named(found: &Named) -> String {
    if found.count == 0 {
        return "0".to_string();
    }
    let first: Vec<String> = found.first.iter().map(ToString::to_string).collect();
    let more = if found.count > found.first.len() as u64 { ", ..." } else { "" };
    format!("{}: {}{more}", count(found.count), first.join(", "))
}

/// A number with as many digits as a person reads.
fn short(value: f64) -> String {
    let text = format!("{value:.6}");
    if value != 0.0 && !(1e-3..1e6).contains(&value.abs()) && value.is_finite() {
        return format!("{value:.5e}");
    }
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text }
}

fn text(command: &Command, audit: &Audit) -> String {
    let mut lines = vec![format!("{}  {} ({}, {})", command.path, audit.dtype, audit.rows, audit.width)];
    let mut line = |name: &str, value: String| lines.push(format!("  {name:<17} {value}"));
    line("nan elements", count(audit.nan));
    line("inf elements", count(audit.inf));
    line("rows with nan", named(&audit.nan_rows));
    line("rows with inf", named(&audit.inf_rows));
    line("zero rows", named(&audit.zero_rows));
    line("constant columns", named(&audit.constant_columns));
    line("dead columns", named(&audit.dead_columns));
    if audit.empty_columns.count > 0 {
        line("all-nan columns", named(&audit.empty_columns));
    }
    if let Some(found) = &audit.duplicates {
        let first: Vec<String> = found.first.iter().map(|(row, times)| format!("row {row} {} times", count(*times))).collect();
        let more = if found.groups > found.first.len() as u64 { ", ..." } else { "" };
        let shown =
            if first.is_empty() { String::new() } else { format!(" in {} groups: {}{more}", count(found.groups), first.join(", ")) };
        line("duplicate rows", format!("{}{shown}", count(found.rows)));
    }
    let norms = &audit.norms;
    line("norms", format!("min {}  max {}  mean {}  std {}", short(norms.min), short(norms.max), short(norms.mean), short(norms.std)));
    let quantiles: Vec<String> =
        norms.quantiles.iter().map(|(share, norm)| format!("{} % {}", short(share * 100.0), short(*norm))).collect();
    if !quantiles.is_empty() {
        let about = match norms.quantile_error {
            0.0 => String::new(),
            error => format!(" (within {} %)", short(error * 100.0)),
        };
        line("norm quantiles", format!("{}{about}", quantiles.join("  ")));
    }
    #[allow(clippy::cast_precision_loss, reason = "shown to a person")]
    let share = norms.unit as f64 / audit.rows.max(1) as f64;
    line("unit norm", format!("{} rows, {} % (within {})", count(norms.unit), short(share * 100.0), norms.unit_tolerance));
    if let Some(columns) = &audit.columns {
        lines.extend(table(columns));
    }
    lines.join("\n")
}

/// A line a column.
fn table(columns: &ColumnStatistics) -> Vec<String> {
    let length = columns.min.len();
    let mut lines = vec![format!("  {:>6}  {:>12}  {:>12}  {:>12}  {:>12}", "column", "min", "max", "mean", "std")];
    for at in 0..length.min(COLUMNS_MAX) {
        let cells = [columns.min[at], columns.max[at], columns.mean[at], columns.std[at]].map(short);
        lines.push(format!("  {at:>6}  {:>12}  {:>12}  {:>12}  {:>12}", cells[0], cells[1], cells[2], cells[3]));
    }
    if length > COLUMNS_MAX {
        lines.push(format!("  {} more columns; --json has all", count((length - COLUMNS_MAX) as u64)));
    }
    lines
}

fn json(command: &Command, audit: &Audit) -> Result<String> {
    let mut value = serde_json::to_value(audit).map_err(|error| Error::internal(error.to_string()))?;
    value["stats"] = value["report"]["stats"].take();
    if let Some(fields) = value.as_object_mut() {
        fields.remove("report");
    }
    value["schema"] = "outcore.audit/1".into();
    value["path"] = command.path.as_str().into();
    Ok(value.to_string())
}
