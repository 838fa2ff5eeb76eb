//! `outcore quantize`: embeddings in fewer bytes, and back.

use crate::{
    args::{Form, Quantize, ScaleAxis},
    inputs, saving,
    settings::Settings,
    signals,
};
use outcore::{Array, DType, Destination, Error, Int8, Job, Quantised, Result, ScaleOf};
use std::path::{Path, PathBuf};

/// Quantises, or goes back.
pub fn run(command: &Quantize, settings: &Settings) -> Result<()> {
    check(command)?;
    let opened = settings.session.open(&command.input).checked()?;
    let outputs = if command.inverse { numbers(command, &opened, settings)? } else { codes(command, &opened)? };
    let mut job = Job::new(&settings.session).save(saving::save(settings).zarr(command.layout.options()?));
    for (array, path) in &outputs {
        job = job.output(path.display().to_string(), array, Destination::Path(path.clone()));
    }
    let _guard = signals::guard(&settings.session);
    let result = job.run();
    settings.reporter.finish();
    let done = result.map_err(|error| match command.to {
        Form::Int8 if !command.inverse => without_code(command, error),
        _ => error,
    })?;
    let named = [("x".to_string(), opened)];
    let paths: Vec<&Path> = outputs.iter().map(|(_, path)| path.as_path()).collect();
    saving::tell(done.report, &named, &paths, &[], settings)
}

/// Flags that say nothing together are a mistake.
fn check(command: &Quantize) -> Result<()> {
    let is_int8 = command.to == Form::Int8;
    for (flag, given, fits) in [
        ("--clip", command.clip.is_some(), is_int8 && !command.inverse),
        ("--scale", command.scale.is_some(), is_int8 && !command.inverse),
        ("--scales", command.scales.is_some(), is_int8),
        ("--inverse", command.inverse, is_int8 || command.to == Form::Binary),
        ("--dims", command.dims.is_some(), !command.inverse || command.to == Form::Binary),
    ] {
        if given && !fits {
            let inverse = if command.inverse && flag != "--inverse" { " --inverse" } else { "" };
            let form = format!("{:?}", command.to).to_lowercase();
            return Err(Error::usage(format!("{flag} says nothing about --to {form}{inverse}")));
        }
    }
    if command.inverse && command.to == Form::Binary && command.dims.is_none() {
        return Err(Error::usage("--inverse of binary needs --dims: bytes do not say how many bits of the last one count"));
    }
    Ok(())
}

/// The error of a code that does not exist, in terms of the numbers: a scale that is NaN or infinite makes NaN of all that share it, so
/// that the place of the first is not that of the number.
fn without_code(command: &Quantize, error: Error) -> Error {
    let place = error.message().split_once(" at index (").and_then(|(_, rest)| rest.split_once(") does not fit i8"));
    let Some((list, _)) = place else { return error };
    let places: Vec<&str> = list.split(',').map(str::trim).filter(|place| !place.is_empty()).collect();
    let which = match (command.scale.unwrap_or(ScaleAxis::Row), &places[..]) {
        (ScaleAxis::Row, [rows @ .., _]) if !rows.is_empty() => format!("row {}", rows.join(", ")),
        (ScaleAxis::Column, [.., column]) => format!("column {column}"),
        _ => "the array".to_string(),
    };
    Error::data(format!("{}: {which} holds a value that is not finite, and NaN and infinities have no code", command.input))
        .hint(format!("`outcore audit {}` names the rows", command.input))
}

fn codes(command: &Quantize, x: &Array) -> Result<Vec<(Array, PathBuf)>> {
    let x = match (command.dims, x.dtype()?) {
        // Rows are scaled to norm 1 in single precision at least, and rounded once, to the form that is asked for.
        (Some(dimensions), DType::F16 | DType::BF16) => x.astype(DType::F32).truncate(dimensions).checked()?,
        (Some(dimensions), _) => x.truncate(dimensions).checked()?,
        (None, _) => x.clone(),
    };
    let to = PathBuf::from(&command.output);
    Ok(match command.to {
        Form::Int8 => {
            let mut how = Int8::per(match command.scale.unwrap_or(ScaleAxis::Row) {
                ScaleAxis::Row => ScaleOf::Row,
                ScaleAxis::Column => ScaleOf::Column,
                ScaleAxis::Whole => ScaleOf::Whole,
            });
            if let Some(percent) = command.clip {
                how = how.clip(percent);
            }
            let Quantised { codes, scales } = x.quantize_int8(how);
            vec![(codes.checked()?, to), (scales.checked()?, PathBuf::from(scales_of(command, &command.output)))]
        }
        Form::Binary => vec![(x.pack_bits().checked()?, to)],
        Form::F16 => vec![(x.astype(DType::F16), to)],
        Form::Bf16 => vec![(x.astype(DType::BF16), to)],
        Form::F32 => vec![(x.astype(DType::F32), to)],
    })
}

fn numbers(command: &Quantize, codes: &Array, settings: &Settings) -> Result<Vec<(Array, PathBuf)>> {
    let to = PathBuf::from(&command.output);
    let made = match (command.to, command.dims) {
        (Form::Binary, Some(dimensions)) => {
            let bytes = codes.shape()?.last().copied().unwrap_or_default();
            if dimensions == 0 || dimensions.div_ceil(8) != bytes {
                let text = format!("--dims {dimensions}: rows of {bytes} bytes were packed from {} to {}", 8 * bytes.max(1) - 7, 8 * bytes);
                return Err(Error::mismatch(text).hint("the number of dimensions before they were packed"));
            }
            codes.unpack_bits(dimensions).checked()?
        }
        _ => {
            if codes.dtype()? != DType::I8 {
                return Err(Error::mismatch(format!("{}: codes are i8, these are {}", command.input, codes.dtype()?)));
            }
            let path = scales_of(command, &command.input);
            let scales = settings.session.open(&path).checked()?;
            let (have, want) = (scales.shape()?, codes.shape()?);
            // Broadcast in no other way than a scale is shared.
            if have.len() != want.len() || have.iter().zip(&want).any(|(have, want)| *have != 1 && have != want) {
                let text = format!("{path} has shape {have:?}, the codes of {} have {want:?}", command.input);
                return Err(Error::mismatch(text).hint("the scales that were saved beside these codes: --scales PATH"));
            }
            codes.dequantize(&scales).checked()?
        }
    };
    Ok(vec![(made, to)])
}

/// Where the scales of the codes in `codes` lie.
pub fn scales_of(command: &Quantize, codes: &str) -> String {
    command.scales.clone().unwrap_or_else(|| Path::new(inputs::without_query(codes)).with_extension("scales.npy").display().to_string())
}
