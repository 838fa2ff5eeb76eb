//! What a store tells the planner about an array, as plain data.

use crate::nd::{DType, Dims};
use serde::{Deserialize, Serialize};

/// How a store lays out its elements, which fixes the coordinates it is read in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StoreLayout {
    /// One run of elements. *Store coordinates are linear*: one axis, the element's place in the run.
    /// `strides` are those of the array's axes, in elements.
    Dense {
        /// Stride of each axis of the array, in elements.
        strides: Vec<i64>,
    },
    /// A grid of chunks. Store coordinates are the array's own.
    Chunked {
        /// Chunk shape.
        chunk: Vec<usize>,
    },
}

/// Everything the planner may know of a source. Equal facts give equal plans.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SourceFacts {
    /// What errors and plans call it: a path, or `memory`.
    pub name: String,
    /// Shape of the array.
    pub shape: Vec<usize>,
    /// Dtype of the elements.
    pub dtype: DType,
    /// Axis names.
    pub dims: Dims,
    /// Layout and store coordinates.
    pub layout: StoreLayout,
    /// Whether elements are stored in the other byte order than this machine's.
    pub swapped: bool,
    /// Bytes that the stored array takes on its medium.
    pub encoded_bytes: u64,
    /// Bytes that one call of [`read`](crate::store::Source::read) holds besides the buffer it fills: encoded and half decoded chunks.
    #[serde(default)]
    pub read_scratch_bytes: u64,
    /// Whether [`windows`](crate::store::Source::window) of it can be had, or of a store of chunks
    /// [`those of chunks`](crate::store::Source::chunk_window): bytes in place, without a copy. No window of a chunk is longer than a chunk.
    pub mappable: bool,
    /// Whether the bytes are in memory already and cost nothing to hold (arrays in memory).
    pub resident: bool,
    /// Changes whenever the content may have: device, inode, size and mtime of a file. Empty for memory.
    pub identity: String,
}

impl SourceFacts {
    /// The same, whatever it is called: names are ways to spell a path.
    #[must_use]
    pub fn nameless(&self) -> Self {
        SourceFacts { name: String::new(), ..self.clone() }
    }

    /// Facts of a dense array in a file, in this machine's byte order.
    #[must_use]
    pub fn of_file(name: &str, dtype: DType, shape: Vec<usize>, strides: Vec<i64>, dims: Dims) -> Self {
        SourceFacts {
            name: name.to_string(),
            encoded_bytes: shape.iter().product::<usize>() as u64 * dtype.size() as u64,
            layout: StoreLayout::Dense { strides },
            shape,
            dtype,
            dims,
            swapped: false,
            read_scratch_bytes: 0,
            mappable: true,
            resident: false,
            identity: String::new(),
        }
    }

    /// Number of elements.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }

    /// Shape in store coordinates: when dense the elements from the first to the last, gaps between rows included; the array's shape
    /// when chunked.
    #[must_use]
    pub fn store_shape(&self) -> Vec<usize> {
        match &self.layout {
            StoreLayout::Dense { .. } if self.shape.contains(&0) => vec![0],
            StoreLayout::Dense { strides } => {
                let reach = |(&length, &stride): (&usize, &i64)| (length - 1) * stride.unsigned_abs() as usize;
                vec![self.shape.iter().zip(strides).map(reach).sum::<usize>() + 1]
            }
            StoreLayout::Chunked { .. } => self.shape.clone(),
        }
    }
}
