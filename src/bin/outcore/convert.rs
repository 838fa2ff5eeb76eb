//! `outcore convert`: an array, or every array of a Zarr group, in another format, dtype, chunking or encoding.

use crate::{
    args::Convert,
    inputs, saving,
    settings::{Existing, Settings, Stopped},
    signals,
};
use outcore::{
    Array, DType, Destination, Error, Job, Result, ZarrOptions,
    store::zarr::{self, BoxShape, Group, Opened},
};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// Opens, casts, saves. Axis names, attributes and coordinates are carried.
pub fn run(command: &Convert, settings: &Settings) -> Result<()> {
    let path = inputs::without_query(&command.input);
    // Whatever else it is, opening it as an array says best why it is none.
    if let Ok(Some(Opened::Group(group))) = zarr::open(path) {
        return convert_group(command, path.trim_end_matches('/'), &group, settings);
    }
    let opened = settings.session.open(&command.input).checked()?;
    let array = match &command.dtype {
        Some(dtype) => opened.astype(dtype.parse::<DType>()?).checked()?,
        None => opened.clone(),
    };
    let outputs = [(command.output.clone(), array)];
    compute(&outputs, &[("x".to_string(), opened)], command.layout.options()?, settings)
}

/// Every array of a group, as it is stored: attributes say what the values stand for, and go along with them.
fn convert_group(command: &Convert, path: &str, group: &Group, settings: &Settings) -> Result<()> {
    let (output, options) = (command.output.trim_end_matches('/'), command.layout.options()?);
    check_group(command, path, group, output, &options, settings)?;
    let (mut outputs, mut texts) = (Vec::new(), Vec::new());
    for array in &group.arrays {
        if array.about.is_err() && zarr::is_texts(&format!("{path}/{}", array.path)) {
            texts.push(&array.path);
            continue;
        }
        array.about.as_ref().map_err(|error| error.clone().context(format!("{path}/{}", array.path)))?;
        outputs.push((format!("{output}/{}", array.path), settings.session.open(format!("{path}/{}?cf=off", array.path)).checked()?));
    }
    let named: Vec<(String, Array)> = outputs.iter().map(|(to, array)| (to[output.len() + 1..].to_string(), array.clone())).collect();
    compute(&outputs, &named, options, settings)?;
    // Those that are coordinates went along.
    let bytes_max = settings.session.limits().memory_bytes;
    for array in texts {
        zarr::copy_texts(&format!("{path}/{array}"), &Path::new(output).join(array), bytes_max)?;
    }
    let groups: BTreeSet<&Path> = group.arrays.iter().flat_map(|array| Path::new(&array.path).ancestors().skip(1)).collect();
    groups.iter().try_for_each(|group| zarr::copy_group_attributes(&Path::new(path).join(group), &Path::new(output).join(group)))
}

/// Refuses what makes no sense for many arrays at once.
fn check_group(command: &Convert, path: &str, group: &Group, output: &str, options: &ZarrOptions, settings: &Settings) -> Result<()> {
    let has_lengths = |shape: &Option<BoxShape>| matches!(shape, Some(BoxShape::Lengths(_)));
    if group.arrays.is_empty() {
        return Err(group.refusal(path));
    }
    if command.dtype.is_some() || has_lengths(&options.chunks) || has_lengths(&options.shards) {
        let text = format!("{path} is a group of arrays: --dtype, --chunks and --shards lengths are those of one array");
        return Err(Error::usage(text).hint("name one of its arrays, or leave them out"));
    }
    if !group.arrays.iter().all(|array| zarr::is_zarr(&Path::new(output).join(&array.path))) {
        return Err(Error::usage(format!("{path} is a group of arrays, and {output} is no Zarr store")).hint("out.zarr"));
    }
    if Path::new(output).exists() && settings.existing != Existing::Replace && settings.stopped != Stopped::Resume {
        return Err(
            Error::output(format!("output {output} exists")).hint("another name, or `--overwrite` replaces arrays of the same names")
        );
    }
    Ok(())
}

/// Saves every array under its path, all or none.
fn compute(outputs: &[(String, Array)], named: &[(String, Array)], options: ZarrOptions, settings: &Settings) -> Result<()> {
    let mut job = Job::new(&settings.session).save(saving::save(settings).zarr(options));
    for (path, array) in outputs {
        job = job.output(path, array, Destination::Path(PathBuf::from(path)));
    }
    let _guard = signals::guard(&settings.session);
    let result = job.run();
    settings.reporter.finish();
    let paths: Vec<&Path> = outputs.iter().map(|(path, _)| Path::new(path.as_str())).collect();
    saving::tell(result?.report, named, &paths, &[], settings)
}
