//! Vector files: fvecs, bvecs, ivecs and fbin, u8bin, i8bin, ibin. Their numbers are `format::vectors`' business.

use crate::{
    error::{Error, Result},
    format::vectors::{COUNT_BYTES, Framing, HEADER_BYTES, VectorFormat, Vectors, width_of},
    nd::{DType, Dims, Region, SourceFacts, shape::show},
    store::{
        Source, Target,
        dense::DenseFile,
        file::InputFile,
        inside::{Inside, Placing},
        npy::dims_of,
        output::{FileTarget, OutputMode},
    },
};
use std::{path::Path, sync::Arc};

/// Rows whose lengths are looked at when a file is opened: as many at both ends and spread between.
const ROWS_PROBED: usize = 1024;
/// Bytes of the rows that are put together before they are written.
const ROWS_BYTES: usize = 256 * 1024;

/// Opens a vector file as (vectors, components), where it lies: what stands between the vectors is a gap that views step over.
pub fn open(path: &Path, format: VectorFormat, dims: Option<&Dims>) -> Result<Arc<dyn Source>> {
    let file = InputFile::open(path)?;
    let name = file.name().to_string();
    let size_bytes = file.identity().size_bytes;
    let vectors = format.parse(&file.read_prefix(HEADER_BYTES)?, size_bytes).map_err(|error| error.context(&name))?;
    let shape = vec![vectors.rows, vectors.width];
    // Lengths between vectors are gaps.
    let strides = vec![(format.count_elements() + vectors.width) as i64, 1];
    let facts = SourceFacts {
        encoded_bytes: vectors.rows as u64 * format.row_bytes(vectors.width),
        swapped: cfg!(target_endian = "big") && format.dtype.size() > 1,
        ..SourceFacts::of_file(&name, format.dtype, shape.clone(), strides, dims_of(&name, dims, &shape)?)
    };
    let offset = match format.framing {
        Framing::Once => HEADER_BYTES,
        Framing::EveryRow => COUNT_BYTES,
    };
    probe(&file, format, vectors)?;
    Ok(Arc::new(DenseFile::new(file, offset as u64, facts)))
}

/// Looks at the lengths of the first rows, the last ones, and some between. A row of another length shifts all that follow it, so
/// what is not looked at shows in what is.
fn probe(file: &InputFile, format: VectorFormat, vectors: Vectors) -> Result<()> {
    if format.framing == Framing::Once {
        return Ok(());
    }
    let rows = vectors.rows;
    let spread = (0..ROWS_PROBED).map(|index| index * (rows / ROWS_PROBED));
    let probed: Vec<usize> = match rows <= 3 * ROWS_PROBED {
        true => (0..rows).collect(),
        false => (0..ROWS_PROBED).chain(spread).chain(rows - ROWS_PROBED..rows).collect(),
    };
    for row in probed {
        let mut count = [0; COUNT_BYTES];
        file.read_exact_at(row as u64 * format.row_bytes(vectors.width), &mut count)?;
        match width_of(count) {
            Ok(width) if width == vectors.width => {}
            found => {
                let found =
                    found.map_or_else(|_| format!("the length {}", i32::from_le_bytes(count)), |width| format!("{width} components"));
                return Err(Error::data(format!("{}: vector 0 has {} components, vector {row} has {found}", file.name(), vectors.width))
                    .hint("vectors of different lengths are no array; the file may be damaged, or of another kind"));
            }
        }
    }
    Ok(())
}

/// Starts a vector file.
pub fn create(path: &Path, format: VectorFormat, dtype: DType, shape: &[usize], mode: OutputMode) -> Result<Arc<dyn Target>> {
    let name = path.display();
    let &[rows, width] = shape else {
        return Err(Error::output(format!("cannot write {name}: it holds vectors, the result has shape {}", show(shape)))
            .hint("a result of two axes is (vectors, components)"));
    };
    if dtype != format.dtype {
        return Err(Error::output(format!("cannot write {name}: it holds {}, the result is {dtype}", format.dtype))
            .hint(format!("convert it: `.astype({})`", format.dtype)));
    }
    let vectors = Vectors { rows, width };
    let header = format.header(vectors).map_err(|error| error.context(format!("cannot write {name}")))?;
    if format.framing == Framing::Once {
        return Ok(Arc::new(FileTarget::create(path, &header, dtype, shape, mode)?));
    }
    if width == 0 {
        return Err(Error::output(format!("cannot write {name}: vectors of no components have no length to write")));
    }
    let file = FileTarget::create(path, &[], DType::U8, &[rows, format.row_bytes(width) as usize], mode)?;
    Ok(Arc::new(Inside { file, dtype, shape: shape.to_vec(), placing: Counted { width, item: dtype.size() } }))
}

/// Vectors with their lengths between them, as rows of bytes.
struct Counted {
    width: usize,
    item: usize,
}

impl Placing for Counted {
    fn scratch_bytes(&self) -> u64 {
        (ROWS_BYTES + COUNT_BYTES + self.width * self.item) as u64
    }

    /// Whoever writes the first component of a row writes its length too.
    fn write(&self, file: &FileTarget, _shape: &[usize], region: &Region, bytes: &[u8]) -> Result<()> {
        let count = (self.width as i32).to_le_bytes();
        let before = if region.start[1] == 0 { COUNT_BYTES } else { 0 };
        let row_bytes = region.shape[1] * self.item;
        let rows_at_once = (ROWS_BYTES / (row_bytes + before)).max(1);
        let mut rows = Vec::with_capacity(rows_at_once.min(region.shape[0]) * (row_bytes + before));
        for (index, some) in bytes.chunks(rows_at_once * row_bytes).enumerate() {
            rows.clear();
            for row in some.chunks_exact(row_bytes) {
                rows.extend_from_slice(&count[..before]);
                rows.extend_from_slice(row);
            }
            let start = [region.start[0] + index * rows_at_once, region.start[1] * self.item + COUNT_BYTES - before];
            file.write(&Region::new(start, [some.len() / row_bytes, row_bytes + before]), &rows)?;
        }
        Ok(())
    }
}
