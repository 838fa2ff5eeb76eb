//! Arrays inside of files of several: `x.safetensors#tensor` and `x.npz#name`, read where they lie.

use crate::{
    error::{Error, Result},
    format::{
        safetensors::{self, LENGTH_BYTES, Tensor},
        zip::Method,
    },
    nd::{DType, Dims, SourceFacts, shape::c_strides},
    store::{
        Source,
        archive::{content_of, members_of},
        dense::DenseFile,
        file::InputFile,
        npy::{self, NpyOptions, dims_of},
        output::{FileTarget, OutputMode},
    },
};
use std::{path::Path, sync::Arc};

/// Names that an error lists at most.
const NAMES_SHOWN: usize = 20;

/// The one that is asked for, or the only one there is.
pub(super) fn choose<'a, T>(file: &str, what: &str, all: &'a [T], name_of: fn(&T) -> &str, asked: Option<&str>) -> Result<&'a T> {
    let list = || {
        let mut names: Vec<&str> = all.iter().take(NAMES_SHOWN).map(name_of).collect();
        if all.len() > NAMES_SHOWN {
            names.push("...");
        }
        names.join(", ")
    };
    match (asked, all) {
        (_, []) => Err(Error::data(format!("{file} holds no {what}"))),
        (None, [one]) => Ok(one),
        (None, _) => Err(Error::usage(format!("{file} holds {} {what}s: {}", all.len(), list()))
            .hint(format!("name one: `{file}#{}`", name_of(&all[0])))),
        (Some(asked), _) => all
            .iter()
            .find(|one| name_of(one) == asked)
            .ok_or_else(|| Error::usage(format!("{file} has no {what} `{asked}`; there are: {}", list()))),
    }
}

/// The tensors of a safetensors file.
pub fn tensors_of(file: &InputFile) -> Result<Vec<Tensor>> {
    let in_file = |error: Error| error.context(file.name());
    let size_bytes = file.identity().size_bytes;
    let length = safetensors::header_bytes(&file.read_prefix(LENGTH_BYTES)?, size_bytes).map_err(in_file)?;
    safetensors::parse(&file.read_prefix(length)?, size_bytes).map_err(in_file)
}

/// Opens a tensor of a safetensors file; a file with one needs no name.
pub fn open_safetensors(path: &Path, asked: Option<&str>, dims: Option<&Dims>) -> Result<Arc<dyn Source>> {
    let file = InputFile::open(path)?;
    let tensors = tensors_of(&file)?;
    let tensor = choose(file.name(), "tensor", &tensors, |tensor| &tensor.name, asked)?;
    let name = format!("{}#{}", file.name(), tensor.name);
    let Some(dtype) = tensor.dtype else {
        return Err(Error::data(format!("{name} has dtype {}, which is not read", tensor.dtype_text)));
    };
    let strides = c_strides(&tensor.shape);
    let facts = SourceFacts {
        swapped: cfg!(target_endian = "big") && dtype.size() > 1,
        ..SourceFacts::of_file(&name, dtype, tensor.shape.clone(), strides, dims_of(&name, dims, &tensor.shape)?)
    };
    Ok(Arc::new(DenseFile::new(file, tensor.offset, facts)))
}

/// Starts a safetensors file of one tensor.
pub fn create_safetensors(path: &Path, tensor: &str, dtype: DType, shape: &[usize], mode: OutputMode) -> Result<FileTarget> {
    if tensor == "__metadata__" {
        let text = format!("{}#__metadata__: no tensor has this name, it is what files say of themselves", path.display());
        return Err(Error::usage(text).hint("another name"));
    }
    let bytes = crate::format::data_bytes(dtype, shape)
        .map_err(|error| Error::output(format!("cannot write {}: {}", path.display(), error.message())))?;
    FileTarget::create(path, &safetensors::encode(tensor, dtype, shape, bytes as u64), dtype, shape, mode)
}

/// Opens an array of an npz file; a file with one needs no name. Arrays that were saved without compression are read where they lie.
pub fn open_npz(path: &Path, asked: Option<&str>, dtype: Option<DType>, dims: Option<&Dims>) -> Result<Arc<dyn Source>> {
    let file = InputFile::open(path)?;
    let mut members = members_of(&file)?;
    members.retain_mut(|member| match member.name.strip_suffix(".npy") {
        Some(name) => {
            member.name = name.to_string();
            true
        }
        None => false,
    });
    let member = choose(file.name(), "array", &members, |member| &member.name, asked)?;
    let name = format!("{}#{}", file.name(), member.name);
    match member.method {
        Method::Stored => {}
        Method::Deflated => {
            return Err(Error::data(format!("{name} is compressed, and compressed arrays of npz files are not read"))
                .hint("`np.savez` writes them uncompressed; `unzip` extracts an npy file that can be read"));
        }
        Method::Other(method) => return Err(Error::data(format!("{name} is compressed by method {method}, which is not read"))),
    }
    let offset = content_of(&file, member)?;
    let options = NpyOptions { dtype, dims: dims.cloned() };
    let array = npy::open_at(file, &name, offset..offset.saturating_add(member.content_bytes), &options)?;
    Ok(Arc::new(array.in_member(member.clone(), offset)))
}
