//! Files of vectors as nearest-neighbour benchmarks publish them, little-endian.
//!
//! `fvecs`, `bvecs` and `ivecs` (TEXMEX) repeat the number of components before every vector, as an `i32`; components are `f32`, `u8`
//! and `i32`. `fbin`, `u8bin`, `i8bin` and `ibin` (big-ann-benchmarks) say the number of vectors and of components once, as two
//! `u32`; components are `f32`, `u8`, `i8` and `i32`.

use crate::{
    error::{Error, Result},
    nd::DType,
};

/// Bytes before the vectors of a file with one header.
pub const HEADER_BYTES: usize = 8;
/// Bytes before every vector of the others.
pub const COUNT_BYTES: usize = 4;

/// A kind of file, by its extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VectorFormat {
    /// Dtype of the components.
    pub dtype: DType,
    /// Where lengths stand.
    pub framing: Framing,
}

/// Where the lengths stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// The number of components before every vector.
    EveryRow,
    /// Both numbers once, before all.
    Once,
}

/// Number of vectors and of components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vectors {
    /// Vectors.
    pub rows: usize,
    /// Components of each.
    pub width: usize,
}

impl VectorFormat {
    /// The format of files that end so; `None` if it is none of these.
    #[must_use]
    pub fn of_extension(extension: &str) -> Option<Self> {
        let of = |dtype, framing| Some(VectorFormat { dtype, framing });
        match extension {
            "fvecs" => of(DType::F32, Framing::EveryRow),
            "bvecs" => of(DType::U8, Framing::EveryRow),
            "ivecs" => of(DType::I32, Framing::EveryRow),
            "fbin" => of(DType::F32, Framing::Once),
            "u8bin" => of(DType::U8, Framing::Once),
            "i8bin" => of(DType::I8, Framing::Once),
            "ibin" => of(DType::I32, Framing::Once),
            _ => None,
        }
    }

    /// Bytes from one vector to the next, with what stands before each.
    #[must_use]
    pub fn row_bytes(self, width: usize) -> u64 {
        let before = if self.framing == Framing::EveryRow { COUNT_BYTES } else { 0 };
        before as u64 + width as u64 * self.dtype.size() as u64
    }

    /// Elements of the dtype that the length before each vector takes.
    #[must_use]
    pub fn count_elements(self) -> usize {
        if self.framing == Framing::EveryRow { COUNT_BYTES / self.dtype.size() } else { 0 }
    }

    /// Reads the numbers from the first bytes of a file of `file_bytes`, which must agree with them.
    pub fn parse(self, prefix: &[u8], file_bytes: u64) -> Result<Vectors> {
        match self.framing {
            Framing::EveryRow => self.parse_rows(prefix, file_bytes),
            Framing::Once => self.parse_header(prefix, file_bytes),
        }
    }

    fn parse_rows(self, prefix: &[u8], file_bytes: u64) -> Result<Vectors> {
        if file_bytes == 0 {
            return Ok(Vectors { rows: 0, width: 0 });
        }
        let Some(count) = prefix.first_chunk::<COUNT_BYTES>() else {
            return Err(Error::data(format!("{file_bytes} bytes are too few for the length of one vector")));
        };
        let width = width_of(*count)?;
        let row_bytes = self.row_bytes(width);
        if !file_bytes.is_multiple_of(row_bytes) {
            let left = file_bytes % row_bytes;
            return Err(Error::data(format!(
                "the first vector has {width} components of {}, {row_bytes} bytes with its length, but {left} of the file's {file_bytes} bytes are left over",
                self.dtype
            ))
            .hint("the file is truncated, or its vectors have different lengths"));
        }
        Ok(Vectors { rows: (file_bytes / row_bytes) as usize, width })
    }

    fn parse_header(self, prefix: &[u8], file_bytes: u64) -> Result<Vectors> {
        let Some((rows, width)) = prefix.first_chunk::<HEADER_BYTES>().map(|header| {
            let (rows, width) = header.split_at(4);
            (u32::from_le_bytes(rows.try_into().unwrap_or_default()), u32::from_le_bytes(width.try_into().unwrap_or_default()))
        }) else {
            return Err(Error::data(format!("{file_bytes} bytes are too few for a header of {HEADER_BYTES}")));
        };
        let needed = u128::from(rows) * u128::from(width) * self.dtype.size() as u128 + HEADER_BYTES as u128;
        if needed != u128::from(file_bytes) {
            return Err(Error::data(format!(
                "the header says {rows} vectors of {width} components of {}, which with it are {needed} bytes; the file has {file_bytes}",
                self.dtype
            ))
            .hint("the file is truncated, or of another kind than its extension says"));
        }
        Ok(Vectors { rows: rows as usize, width: width as usize })
    }

    /// What stands before all vectors of a new file.
    ///
    /// # Errors
    /// More vectors or components than the format can count.
    pub fn header(self, vectors: Vectors) -> Result<Vec<u8>> {
        let limit = if self.framing == Framing::Once { u32::MAX as usize } else { i32::MAX as usize };
        if vectors.width > limit || (self.framing == Framing::Once && vectors.rows > limit) {
            return Err(Error::output(format!(
                "{} vectors of {} components are more than this format can count ({limit})",
                vectors.rows, vectors.width
            )));
        }
        match self.framing {
            Framing::EveryRow => Ok(Vec::new()),
            Framing::Once => Ok([(vectors.rows as u32).to_le_bytes(), (vectors.width as u32).to_le_bytes()].concat()),
        }
    }
}

/// The number of components that stands before a vector.
pub fn width_of(count: [u8; COUNT_BYTES]) -> Result<usize> {
    let count = i32::from_le_bytes(count);
    usize::try_from(count).ok().filter(|&width| width > 0).ok_or_else(|| {
        Error::data(format!("a vector cannot have {count} components")).hint("is the file of the kind that its extension says?")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(extension: &str) -> VectorFormat {
        VectorFormat::of_extension(extension).unwrap()
    }

    #[test]
    fn rows_are_counted_from_the_size_of_the_file() {
        let prefix = 3i32.to_le_bytes();
        assert_eq!(format("fvecs").parse(&prefix, 160).unwrap(), Vectors { rows: 10, width: 3 });
        assert_eq!(format("bvecs").parse(&prefix, 14).unwrap(), Vectors { rows: 2, width: 3 });
        assert_eq!(format("ivecs").parse(&[], 0).unwrap(), Vectors { rows: 0, width: 0 });
        assert!(format("fvecs").parse(&prefix, 161).unwrap_err().message().contains("1 of the file's 161 bytes"));
        for bad in [0i32, -1, i32::MIN] {
            assert!(format("fvecs").parse(&bad.to_le_bytes(), 160).is_err());
        }
        assert!(format("fvecs").parse(&[1, 2], 2).is_err());
    }

    #[test]
    fn headers_must_agree_with_the_size() {
        for (extension, item) in [("fbin", 4), ("u8bin", 1), ("i8bin", 1), ("ibin", 4)] {
            let vectors = Vectors { rows: 5, width: 7 };
            let header = format(extension).header(vectors).unwrap();
            assert_eq!(format(extension).parse(&header, 8 + 35 * item).unwrap(), vectors);
            assert!(format(extension).parse(&header, 8 + 35 * item + 1).is_err());
        }
        let huge = [u32::MAX.to_le_bytes(), u32::MAX.to_le_bytes()].concat();
        assert!(format("fbin").parse(&huge, 8).unwrap_err().message().contains("the file has 8"));
        assert!(format("fbin").header(Vectors { rows: 1 << 33, width: 1 }).is_err());
    }
}
