//! Arrow IPC: files and streams of record batches, as plain data.
//!
//! Source: the Arrow columnar format, "Serialization and Interprocess Communication": a file is a magic word, messages, a footer that
//! says where the batches are, its length and the magic word again; a stream is the messages alone. A message is a marker, a length,
//! a FlatBuffer and a body. The FlatBuffers are `arrow-ipc`'s business, which checks them before anything is taken from them.

mod layout;

pub use layout::{Layout, Place};

use crate::{
    error::{Error, Result},
    nd::DType,
};
use arrow_ipc::{Endianness, MessageHeader, convert::try_fb_to_schema, root_as_footer, root_as_message};
use arrow_schema::{DataType, Field, Fields};

/// What files begin with, padded to eight bytes, and end with.
pub const MAGIC: &[u8; 6] = b"ARROW1";
/// Bytes of the footer's length and the magic word behind it.
pub const TAIL_BYTES: usize = 10;
/// Marker and length before the FlatBuffer of a message.
pub const PREFIX_BYTES: usize = 8;
/// The longest FlatBuffer that is read.
pub const METADATA_BYTES_MAX: u64 = 512 << 20;
const CONTINUATION: [u8; 4] = [0xff; 4];
/// Children of children of columns that are looked into.
const DEPTH_MAX: usize = 64;

/// The columns of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    /// In their order.
    pub columns: Vec<Column>,
    /// Whether elements are in the other byte order than this machine's.
    pub swapped: bool,
}

/// A column, and where its parts are among the nodes and buffers of every batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Name.
    pub name: String,
    /// Its Arrow type, in words.
    pub type_text: String,
    /// Lists from the outside in, then the elements; `None` if they are no numbers that are read.
    pub kind: Option<(Vec<List>, DType)>,
    /// Nodes of the columns before it.
    pub nodes_before: usize,
    /// Buffers of the columns before it, without those of views.
    buffers_before: usize,
    /// Columns of views before it; each batch says how many buffers they have.
    views_before: usize,
}

/// A list of lists or of elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// All lists have so many.
    Fixed(usize),
    /// Offsets of so many bytes say where each begins.
    Offsets(usize),
}

/// Where a batch is in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// First byte of its message.
    pub offset: u64,
    /// Bytes before its body.
    pub metadata_bytes: u64,
    /// Bytes of its body.
    pub body_bytes: u64,
}

/// A record batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Rows.
    pub rows: usize,
    /// Length and number of nulls of every field and its children.
    pub nodes: Vec<(u64, u64)>,
    /// Place in the body and length of every buffer.
    pub buffers: Vec<(u64, u64)>,
    /// Buffers of every column of views.
    views: Vec<u64>,
    /// The codec of compressed buffers.
    pub codec: Option<String>,
}

impl Batch {
    /// The number of the first buffer of a column.
    #[must_use]
    pub fn first_buffer(&self, column: &Column) -> usize {
        let of_views: u64 = self.views.iter().take(column.views_before).fold(0, |all, count| all.saturating_add(*count));
        column.buffers_before.saturating_add(of_views as usize)
    }
}

/// What a message holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// The columns.
    Columns(Columns),
    /// A batch of rows.
    Batch(Batch),
    /// A dictionary; columns that use it are not read.
    Dictionary,
}

fn damaged(why: impl std::fmt::Display) -> Error {
    Error::data(format!("the Arrow metadata are damaged: {why}"))
}

/// Bytes of the footer, from the last bytes of a file of `file_bytes`.
pub fn footer_bytes(tail: &[u8], file_bytes: u64) -> Result<u64> {
    let length =
        tail.first_chunk::<4>().filter(|_| tail.len() == TAIL_BYTES && tail.ends_with(MAGIC)).map(|bytes| i32::from_le_bytes(*bytes));
    let Some(length) = length else {
        return Err(Error::data("an Arrow file ends with ARROW1, this one does not").hint("it may be truncated, or still being written"));
    };
    match u64::try_from(length) {
        Ok(length) if length > 0 && length <= file_bytes.saturating_sub((MAGIC.len() + TAIL_BYTES) as u64) => Ok(length),
        _ => Err(damaged(format!("a footer of {length} bytes in a file of {file_bytes}"))),
    }
}

/// The columns of a file, and where its batches are.
pub fn parse_footer(bytes: &[u8]) -> Result<(Columns, Vec<Block>)> {
    let footer = root_as_footer(bytes).map_err(damaged)?;
    let schema = footer.schema().ok_or_else(|| damaged("the footer has no schema"))?;
    let block = |block: &arrow_ipc::Block| {
        let parts = [block.offset(), i64::from(block.metaDataLength()), block.bodyLength()].map(u64::try_from);
        match parts {
            [Ok(offset), Ok(metadata_bytes), Ok(body_bytes)] => Ok(Block { offset, metadata_bytes, body_bytes }),
            _ => Err(damaged("a batch has a negative place")),
        }
    };
    let blocks = footer.recordBatches().into_iter().flatten().map(block).collect::<Result<_>>()?;
    Ok((columns_of(schema)?, blocks))
}

/// Where the FlatBuffer of a message begins, and how long it is, from its first bytes; `None` at the end of a stream.
pub fn message_bytes(prefix: &[u8]) -> Result<Option<(usize, usize)>> {
    let word = |at: usize| prefix.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
    // Before version 0.15 there was no marker.
    let (start, length) = match word(0) {
        Some(CONTINUATION) => (8, word(4)),
        other => (4, other),
    };
    match length.map(i32::from_le_bytes) {
        None | Some(0) => Ok(None),
        Some(length) if length > 0 && length as u64 <= METADATA_BYTES_MAX => Ok(Some((start, length as usize))),
        Some(length) => Err(damaged(format!("a message of {length} bytes"))),
    }
}

/// What a message holds, and the bytes of its body, from its FlatBuffer.
pub fn parse_message(bytes: &[u8]) -> Result<(Content, u64)> {
    let message = root_as_message(bytes).map_err(damaged)?;
    let body_bytes = u64::try_from(message.bodyLength()).map_err(|_| damaged("a body of negative length"))?;
    let content = match message.header_type() {
        MessageHeader::Schema => message.header_as_schema().map(columns_of).transpose()?.map(Content::Columns),
        MessageHeader::RecordBatch => message.header_as_record_batch().map(batch_of).transpose()?.map(Content::Batch),
        MessageHeader::DictionaryBatch => Some(Content::Dictionary),
        other => return Err(Error::data(format!("a message of the kind {other:?} is not read"))),
    };
    Ok((content.ok_or_else(|| damaged("a message without its header"))?, body_bytes))
}

fn batch_of(batch: arrow_ipc::RecordBatch<'_>) -> Result<Batch> {
    let pair = |one: i64, other: i64| match [one, other].map(u64::try_from) {
        [Ok(one), Ok(other)] => Ok((one, other)),
        _ => Err(damaged("a batch has a negative length")),
    };
    Ok(Batch {
        rows: usize::try_from(batch.length()).map_err(|_| damaged("a batch of a negative number of rows"))?,
        nodes: batch.nodes().into_iter().flatten().map(|node| pair(node.length(), node.null_count())).collect::<Result<_>>()?,
        buffers: batch.buffers().into_iter().flatten().map(|buffer| pair(buffer.offset(), buffer.length())).collect::<Result<_>>()?,
        views: batch.variadicBufferCounts().into_iter().flatten().map(|count| count.max(0) as u64).collect(),
        codec: batch.compression().map(|compression| compression.codec().variant_name().unwrap_or("unknown").to_string()),
    })
}

fn columns_of(schema: arrow_ipc::Schema<'_>) -> Result<Columns> {
    let parsed = try_fb_to_schema(schema).map_err(damaged)?;
    let mut places = Places::default();
    let mut columns = Vec::with_capacity(parsed.fields().len());
    for field in parsed.fields() {
        let Places { nodes, buffers, views } = places;
        columns.push(Column {
            name: field.name().clone(),
            type_text: field.data_type().to_string(),
            kind: kind_of(field.data_type()),
            nodes_before: nodes,
            buffers_before: buffers,
            views_before: views,
        });
        places.pass(field.data_type(), 0)?;
    }
    Ok(Columns { columns, swapped: (schema.endianness() == Endianness::Big) == cfg!(target_endian = "little") })
}

/// The lists and elements of a type of numbers.
fn kind_of(mut data_type: &DataType) -> Option<(Vec<List>, DType)> {
    let mut lists = Vec::new();
    while lists.len() < DEPTH_MAX {
        let (list, child) = match data_type {
            DataType::FixedSizeList(child, length) => (List::Fixed(usize::try_from(*length).ok()?), child),
            DataType::List(child) => (List::Offsets(4), child),
            DataType::LargeList(child) => (List::Offsets(8), child),
            other => return Some((lists, dtype_of(other)?)),
        };
        lists.push(list);
        data_type = child.data_type();
    }
    None
}

const DTYPES: [(DataType, DType); 11] = [
    (DataType::Int8, DType::I8),
    (DataType::Int16, DType::I16),
    (DataType::Int32, DType::I32),
    (DataType::Int64, DType::I64),
    (DataType::UInt8, DType::U8),
    (DataType::UInt16, DType::U16),
    (DataType::UInt32, DType::U32),
    (DataType::UInt64, DType::U64),
    (DataType::Float16, DType::F16),
    (DataType::Float32, DType::F32),
    (DataType::Float64, DType::F64),
];

fn dtype_of(data_type: &DataType) -> Option<DType> {
    DTYPES.iter().find(|(known, _)| known == data_type).map(|(_, dtype)| *dtype)
}

/// How many nodes and buffers lie before a column.
#[derive(Clone, Copy, Default)]
struct Places {
    nodes: usize,
    buffers: usize,
    views: usize,
}

impl Places {
    /// Passes a column and what lies in it, in the order of the columnar format's table of layouts.
    fn pass(&mut self, data_type: &DataType, depth: usize) -> Result<()> {
        if depth > DEPTH_MAX {
            return Err(Error::data(format!("columns are nested more than {DEPTH_MAX} deep")));
        }
        self.nodes += 1;
        let all = |places: &mut Self, fields: &Fields| {
            fields.iter().try_for_each(|field: &std::sync::Arc<Field>| places.pass(field.data_type(), depth + 1))
        };
        self.buffers += match data_type {
            DataType::Null | DataType::RunEndEncoded(..) => 0,
            DataType::Struct(_) | DataType::FixedSizeList(..) | DataType::Union(_, arrow_schema::UnionMode::Sparse) => 1,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Binary | DataType::LargeBinary => 3,
            DataType::ListView(_) | DataType::LargeListView(_) => 3,
            _ => 2,
        };
        match data_type {
            DataType::Utf8View | DataType::BinaryView => self.views += 1,
            DataType::List(child) | DataType::LargeList(child) | DataType::FixedSizeList(child, _) => {
                self.pass(child.data_type(), depth + 1)?
            }
            DataType::ListView(child) | DataType::LargeListView(child) | DataType::Map(child, _) => {
                self.pass(child.data_type(), depth + 1)?
            }
            DataType::Struct(fields) => all(self, fields)?,
            DataType::Union(fields, _) => fields.iter().try_for_each(|(_, field)| self.pass(field.data_type(), depth + 1))?,
            DataType::RunEndEncoded(ends, values) => {
                [ends, values].into_iter().try_for_each(|field| self.pass(field.data_type(), depth + 1))?
            }
            _ => {}
        }
        Ok(())
    }
}
