//! Rows of a Parquet column as elements: levels checked, numbers in the dtype that the file says they have.

use super::{
    ipc::{nulls_in, ragged},
    pages::{EvenPages, FileBytes},
};
use crate::{
    error::{Error, Result},
    nd::DType,
};
use parquet::{
    basic::{ConvertedType, LogicalType, Type},
    column::reader::ColumnReaderImpl,
    data_type::{BoolType, DataType, DoubleType, FixedLenByteArrayType, FloatType, Int32Type, Int64Type},
    file::{metadata::RowGroupMetaData, reader::SerializedPageReader},
    schema::types::{ColumnDescPtr, ColumnDescriptor},
};
use std::{borrow::Cow, ops::Range, sync::Arc};

/// Elements that are decoded together, or one row if it is longer.
pub(super) const BATCH: usize = 32 * 1024;
/// Memory for every one of them: a value of any type, two levels, and its bytes.
pub(super) const BATCH_ITEM_BYTES: usize = 48;

/// The dtype of a column; `None` if it holds no numbers that are read.
pub(super) fn dtype_of(column: &ColumnDescriptor) -> Option<DType> {
    let integer = match (column.logical_type_ref(), column.converted_type()) {
        (Some(LogicalType::Integer(kind)), _) => Some((kind.bit_width, kind.is_signed)),
        (Some(LogicalType::Float16), _) => None,
        (Some(_), _) => return None,
        (None, ConvertedType::NONE) => None,
        (None, ConvertedType::INT_8) => Some((8, true)),
        (None, ConvertedType::INT_16) => Some((16, true)),
        (None, ConvertedType::INT_32) => Some((32, true)),
        (None, ConvertedType::INT_64) => Some((64, true)),
        (None, ConvertedType::UINT_8) => Some((8, false)),
        (None, ConvertedType::UINT_16) => Some((16, false)),
        (None, ConvertedType::UINT_32) => Some((32, false)),
        (None, ConvertedType::UINT_64) => Some((64, false)),
        (None, _) => return None,
    };
    let is_half = matches!(column.logical_type_ref(), Some(LogicalType::Float16));
    match (column.physical_type(), integer) {
        (Type::BOOLEAN, None) => Some(DType::Bool),
        (Type::INT32, Some((8, true))) => Some(DType::I8),
        (Type::INT32, Some((8, false))) => Some(DType::U8),
        (Type::INT32, Some((16, true))) => Some(DType::I16),
        (Type::INT32, Some((16, false))) => Some(DType::U16),
        (Type::INT32, Some((32, true)) | None) => Some(DType::I32),
        (Type::INT32, Some((32, false))) => Some(DType::U32),
        (Type::INT64, Some((64, true)) | None) => Some(DType::I64),
        (Type::INT64, Some((64, false))) => Some(DType::U64),
        (Type::FLOAT, None) => Some(DType::F32),
        (Type::DOUBLE, None) => Some(DType::F64),
        (Type::FIXED_LEN_BYTE_ARRAY, None) if is_half && column.type_length() == 2 => Some(DType::F16),
        _ => None,
    }
}

/// Values of a physical type as the bytes of elements.
trait Elements: DataType {
    fn bytes(values: &[Self::T], dtype: DType) -> Cow<'_, [u8]>;
}

impl Elements for BoolType {
    fn bytes(values: &[bool], _: DType) -> Cow<'_, [u8]> {
        Cow::Owned(values.iter().map(|&value| u8::from(value)).collect())
    }
}
impl Elements for Int32Type {
    fn bytes(values: &[i32], dtype: DType) -> Cow<'_, [u8]> {
        match dtype.size() {
            1 => Cow::Owned(values.iter().map(|&value| value as u8).collect()),
            2 => Cow::Owned(values.iter().flat_map(|&value| (value as u16).to_ne_bytes()).collect()),
            _ => Cow::Borrowed(bytemuck::cast_slice(values)),
        }
    }
}
impl Elements for Int64Type {
    fn bytes(values: &[i64], _: DType) -> Cow<'_, [u8]> {
        Cow::Borrowed(bytemuck::cast_slice(values))
    }
}
impl Elements for FloatType {
    fn bytes(values: &[f32], _: DType) -> Cow<'_, [u8]> {
        Cow::Borrowed(bytemuck::cast_slice(values))
    }
}
impl Elements for DoubleType {
    fn bytes(values: &[f64], _: DType) -> Cow<'_, [u8]> {
        Cow::Borrowed(bytemuck::cast_slice(values))
    }
}
impl Elements for FixedLenByteArrayType {
    fn bytes(values: &[Self::T], _: DType) -> Cow<'_, [u8]> {
        // Halves: two bytes, the lower one first.
        let half = |value: &Self::T| value.data().first_chunk().map_or(0, |bytes| u16::from_le_bytes(*bytes));
        Cow::Owned(values.iter().flat_map(|value| half(value).to_ne_bytes()).collect())
    }
}

/// Where rows come from, and what they have to be.
pub(super) struct Rows<'a> {
    pub name: &'a str,
    pub file: &'a FileBytes,
    pub column: &'a ColumnDescPtr,
    /// Number of the column among all.
    pub leaf: usize,
    pub dtype: DType,
    /// Elements of a row.
    pub width: usize,
    pub page_bytes_max: usize,
    /// Number of the row group, and its first row in the file.
    pub group: usize,
    pub first_row: usize,
    pub metadata: &'a RowGroupMetaData,
}

/// Takes the number of the first of some rows in their group, and their bytes.
pub(super) type Take<'a> = dyn FnMut(usize, &[u8]) + 'a;

impl Rows<'_> {
    /// Decodes rows of the group.
    pub fn decode(&self, rows: Range<usize>, take: &mut Take<'_>) -> Result<()> {
        match self.column.physical_type() {
            Type::BOOLEAN => self.decode_as::<BoolType>(rows, take),
            Type::INT32 => self.decode_as::<Int32Type>(rows, take),
            Type::INT64 => self.decode_as::<Int64Type>(rows, take),
            Type::FLOAT => self.decode_as::<FloatType>(rows, take),
            Type::DOUBLE => self.decode_as::<DoubleType>(rows, take),
            Type::FIXED_LEN_BYTE_ARRAY => self.decode_as::<FixedLenByteArrayType>(rows, take),
            other => Err(Error::internal(format!("{}: a column of {other}", self.name))),
        }
    }

    fn decode_as<T: Elements>(&self, rows: Range<usize>, take: &mut Take<'_>) -> Result<()> {
        let mut reader = self.reader::<T>()?;
        let skipped = reader.skip_records(rows.start).map_err(|error| self.failed(error))?;
        let mut row = rows.start;
        let at_once = (BATCH / self.width).max(1);
        let (mut definitions, mut repetitions, mut values) = (Vec::new(), Vec::new(), Vec::new());
        while row < rows.end {
            definitions.clear();
            repetitions.clear();
            values.clear();
            let wanted = at_once.min(rows.end - row);
            let read = reader.read_records(wanted, Some(&mut definitions), Some(&mut repetitions), &mut values);
            let (found, _, levels) = read.map_err(|error| self.failed(error))?;
            if found == 0 || skipped != rows.start {
                let (needed, there) = (self.metadata.num_rows(), row.min(skipped));
                return Err(Error::data(format!("{}: row group {} promises {needed} rows and ends after {there}", self.name, self.group)));
            }
            self.check(row, found, levels, &definitions, &repetitions)?;
            take(row, &T::bytes(&values, self.dtype));
            row += found;
        }
        Ok(())
    }

    fn reader<T: Elements>(&self) -> Result<ColumnReaderImpl<T>> {
        let chunk = self.metadata.column(self.leaf);
        let pages = SerializedPageReader::new(Arc::new(self.file.clone()), chunk, self.metadata.num_rows() as usize, None);
        let pages = pages.map_err(|error| self.failed(error))?;
        let pages = EvenPages { pages, width: self.width, passed: 0, bytes_max: self.page_bytes_max };
        Ok(ColumnReaderImpl::new(Arc::clone(self.column), Box::new(pages)))
    }

    /// The length of the first row, which may be of any.
    pub fn first_width(&self) -> Result<usize> {
        let (mut definitions, mut repetitions) = (Vec::new(), Vec::new());
        macro_rules! levels {
            ($type:ty) => {
                self.reader::<$type>()?.read_records(1, Some(&mut definitions), Some(&mut repetitions), &mut Vec::new())
            };
        }
        let read = match self.column.physical_type() {
            Type::BOOLEAN => levels!(BoolType),
            Type::INT32 => levels!(Int32Type),
            Type::INT64 => levels!(Int64Type),
            Type::FLOAT => levels!(FloatType),
            Type::DOUBLE => levels!(DoubleType),
            _ => levels!(FixedLenByteArrayType),
        };
        read.map_err(|error| self.failed(error))?;
        Ok(definitions.iter().filter(|&&level| level >= self.column.repeated_ancestor_def_level()).count())
    }

    /// An error unless `levels` are those of `rows` rows of one length without nulls. Where there is no list there are no repetitions,
    /// and where nothing can be null no definitions.
    fn check(&self, first: usize, rows: usize, levels: usize, definitions: &[i16], repetitions: &[i16]) -> Result<()> {
        let defined = definitions.iter().all(|&level| level == self.column.max_def_level());
        let even = repetitions.chunks(self.width).all(|row| row[0] == 0 && row[1..].iter().all(|&level| level != 0));
        if defined && even && levels == rows * self.width {
            return Ok(());
        }
        let of_list = self.column.repeated_ancestor_def_level();
        let is_list = self.column.max_rep_level() > 0;
        // Of lists that are null or empty one level tells.
        let is_null = |level: &&i16| **level != self.column.max_def_level() && !(is_list && **level == of_list - 1);
        let nulls = definitions.iter().filter(is_null).count();
        if nulls > 0 {
            let place = format!("row group {}, rows {} to {},", self.group, self.first_row + first, self.first_row + first + rows - 1);
            return Err(nulls_in(self.name, &place, nulls as u64));
        }
        let (mut row, mut width) = (first, 0);
        for (place, &level) in repetitions.iter().enumerate() {
            if level == 0 && place > 0 {
                if width != self.width {
                    break;
                }
                (row, width) = (row + 1, 0);
            }
            width += usize::from(definitions.get(place).is_none_or(|&level| level >= of_list));
        }
        Err(ragged(self.name, self.first_row + row, width, self.width))
    }

    /// What the Parquet reader says.
    pub fn failed(&self, error: parquet::errors::ParquetError) -> Error {
        let place = format!("{}: row group {}", self.name, self.group);
        failed(self.file, &place, error)
    }
}

/// What the Parquet reader says of a file; that it changed explains more.
pub(super) fn failed(file: &FileBytes, place: &str, error: parquet::errors::ParquetError) -> Error {
    if let Err(changed) = file.0.check() {
        return changed;
    }
    Error::data(format!("{place} cannot be read: {error}"))
}
