//! `outcore convert`: an array in another format, dtype, chunking or encoding.

use crate::{args::Convert, eval, inputs, output::note, settings::Settings, signals};
use outcore::{DType, Destination, Job, Result, store::zarr};
use std::path::{Path, PathBuf};

/// Opens, casts, saves. Axis names and attributes are carried.
pub fn run(command: &Convert, settings: &Settings) -> Result<()> {
    let opened = settings.session.open(&command.input).checked()?;
    let array = match &command.dtype {
        Some(dtype) => opened.astype(dtype.parse::<DType>()?).checked()?,
        None => opened.clone(),
    };
    let mut options = command.layout.options()?;
    options.attributes = attributes(&command.input)?;
    let output = PathBuf::from(&command.output);
    let job = Job::new(&settings.session).save(eval::save(settings).zarr(options)).output(
        &command.output,
        &array,
        Destination::Path(output.clone()),
    );
    let _guard = signals::guard(&settings.session);
    let result = job.run();
    settings.reporter.finish();
    let mut report = result?.report;
    let named = [("x".to_string(), opened)];
    for (store, _) in &mut report.stats.passes {
        *store = inputs::name_of_store(store, &named);
    }
    report.kept.iter().filter(|kept| kept.bytes > 0).for_each(eval::say_kept);
    report.warnings.iter().for_each(|text| note("warning", text));
    eval::write_report(&report, &[], settings)?;
    if settings.reporter.is_watched() {
        note("wrote", &eval::said(&report, std::iter::once(output.as_path()), settings));
    }
    Ok(())
}

/// The attributes of the input. Those by which packed values were decoded do not describe the decoded ones.
fn attributes(input: &str) -> Result<serde_json::Map<String, serde_json::Value>> {
    const PACKING: [&str; 4] = ["scale_factor", "add_offset", "_FillValue", "missing_value"];
    let path = inputs::without_query(input);
    let mut found = zarr::attributes(Path::new(path))?;
    if !input[path.len()..].contains("cf=off") {
        PACKING.iter().for_each(|name| drop(found.remove(*name)));
    }
    Ok(found)
}
