//! The chunks that an output will have, told before anything of it is made.

use super::{
    existing::Existing,
    groups,
    layout::Layout,
    options::{Place, ZarrOptions, ZarrVersion},
    remote,
    target::write_scratch_bytes,
    version_of,
};
use crate::{
    error::{Error, Result},
    nd::DType,
    store::{
        OutputMode, object,
        open::OutputChunks,
        zarr::publish::{Standing, destination},
    },
};
use std::path::Path;

/// The chunks of the target that [`super::create`] makes of the same arguments. What stands there is looked at where it decides, as in
/// a group or where something is appended; nothing is written, and whether it may be replaced is not asked.
pub fn chunks_of(path: &Path, name: &str, dtype: DType, shape: &[usize], options: &ZarrOptions) -> Result<OutputChunks> {
    if object::is_object(path) && options.place == Place::New {
        let layout = Layout::new(name, shape, dtype, options.version.unwrap_or(ZarrVersion::V3), options)?;
        let scratch_bytes = write_scratch_bytes(options.codec.unwrap_or_default(), &layout, dtype) + remote::scratch_bytes(&layout, dtype);
        return Ok(OutputChunks { scratch_bytes, chunk: layout.chunk });
    }
    let (layout, codec) = match options.place {
        Place::New => {
            let destination = destination(path, name, OutputMode::Overwrite, |_| Standing::Replaceable)?;
            let version = version_of(&destination, name, dtype, options)?;
            (Layout::new(name, shape, dtype, version, options)?, options.codec.unwrap_or_default())
        }
        _ => {
            super::refuse_layout(name, options)?;
            let folder = std::fs::canonicalize(path).map_err(|error| Error::io("write into", name, error))?;
            if options.place == Place::Append {
                groups::version_of_store(&folder, name)?;
            }
            let existing = Existing::open(&folder, name)?;
            let codec = existing.codec;
            (existing.part(name, dtype, shape, &options.place)?.layout, codec)
        }
    };
    Ok(OutputChunks { scratch_bytes: write_scratch_bytes(codec, &layout, dtype), chunk: layout.chunk })
}
