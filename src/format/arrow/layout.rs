//! A file of one column, laid out before any of its elements is known.

use super::{CONTINUATION, DTYPES, MAGIC, PREFIX_BYTES};
use crate::{
    error::{Error, Result},
    format::data_bytes,
    nd::DType,
};
use arrow_ipc::{
    Block, Buffer, FieldNode, FooterBuilder, MessageBuilder, MessageHeader, MetadataVersion, RecordBatchBuilder, convert::IpcSchemaEncoder,
};
use arrow_schema::{DataType, Field, Schema};
use flatbuffers::FlatBufferBuilder;
use std::sync::Arc;

/// Bodies begin at multiples of this, as the columnar format recommends.
const ALIGNMENT: usize = 64;
/// Bytes of the elements of a batch: readers that copy hold one at a time.
const BATCH_BYTES: usize = 64 << 20;

/// Where a file of one column has what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Rows of every batch but the last.
    pub rows_per_batch: usize,
    /// What stands between the elements, from the start of the file to its end.
    pub metadata: Vec<Place>,
    /// Where the elements of every batch begin.
    pub bodies: Vec<u64>,
}

/// Bytes and where they stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// First byte in the file.
    pub offset: u64,
    /// What stands there.
    pub bytes: Vec<u8>,
}

impl Layout {
    /// A column of the first axis' elements: numbers, or fixed lists (of lists) of them.
    pub fn new(name: &str, dtype: DType, shape: &[usize]) -> Result<Layout> {
        let [rows, lists @ ..] = shape else {
            return Err(Error::output("an Arrow column has rows, a single number has none"));
        };
        let schema = Schema::new(vec![Field::new(name, type_of(dtype, lists)?, true)]);
        let row_bytes = data_bytes(dtype, lists)?;
        data_bytes(dtype, shape)?;
        let rows_per_batch = (BATCH_BYTES / row_bytes.max(1)).max(1);
        let mut layout = Layout { file_bytes: 0, rows_per_batch, metadata: Vec::new(), bodies: Vec::new() };
        layout.put([&MAGIC[..], &[0; 2]].concat());
        layout.put(message(MessageHeader::Schema, 0, PREFIX_BYTES, |fbb| {
            Ok(IpcSchemaEncoder::new().schema_to_fb_offset(fbb, &schema).as_union_value())
        })?);
        let mut blocks = Vec::new();
        for first in (0..*rows).step_by(rows_per_batch) {
            let rows = rows_per_batch.min(rows - first);
            let body_bytes = rows * row_bytes;
            let padded = body_bytes.next_multiple_of(ALIGNMENT);
            let offset = layout.file_bytes;
            let metadata = message(MessageHeader::RecordBatch, padded, 0, |fbb| batch(fbb, rows, lists, body_bytes))?;
            blocks.push(Block::new(offset as i64, metadata.len() as i32, padded as i64));
            layout.put(metadata);
            layout.bodies.push(layout.file_bytes);
            layout.file_bytes += body_bytes as u64;
            layout.put(vec![0; padded - body_bytes]);
        }
        layout.put([CONTINUATION, [0; 4]].concat());
        let footer = footer(&schema, &blocks);
        let length =
            i32::try_from(footer.len()).map_err(|_| Error::output(format!("{} batches are too many for a footer", blocks.len())))?;
        layout.put([&footer, &length.to_le_bytes()[..], MAGIC].concat());
        Ok(layout)
    }

    fn put(&mut self, bytes: Vec<u8>) {
        let offset = self.file_bytes;
        self.file_bytes += bytes.len() as u64;
        if !bytes.is_empty() {
            self.metadata.push(Place { offset, bytes });
        }
    }
}

/// Fixed lists of lists of elements, one for each length.
fn type_of(dtype: DType, lists: &[usize]) -> Result<DataType> {
    let Some((element, _)) = DTYPES.iter().find(|(_, known)| *known == dtype) else {
        let (why, to) = match dtype {
            DType::Bool => ("Arrow packs bool into bits", "u8"),
            _ => ("Arrow has no such dtype", "f32"),
        };
        return Err(Error::output(format!("{dtype} is not written to Arrow files: {why}")).hint(format!("convert it: `.astype({to})`")));
    };
    lists.iter().rev().try_fold(element.clone(), |child, &length| {
        let length = i32::try_from(length).map_err(|_| Error::output(format!("Arrow lists have up to 2^31 - 1 elements, not {length}")))?;
        Ok(DataType::FixedSizeList(Arc::new(Field::new_list_field(child, true)), length))
    })
}

type Header = flatbuffers::WIPOffset<flatbuffers::UnionWIPOffset>;

/// Marker, length and FlatBuffer of a message, so long that what follows is aligned if the message begins `before` bytes behind
/// an aligned place.
fn message<'a>(
    kind: MessageHeader,
    body_bytes: usize,
    before: usize,
    header: impl FnOnce(&mut FlatBufferBuilder<'a>) -> Result<Header>,
) -> Result<Vec<u8>> {
    let mut fbb = FlatBufferBuilder::new();
    let header = header(&mut fbb)?;
    let mut builder = MessageBuilder::new(&mut fbb);
    builder.add_version(MetadataVersion::V5);
    builder.add_header_type(kind);
    builder.add_bodyLength(body_bytes as i64);
    builder.add_header(header);
    let root = builder.finish();
    fbb.finish(root, None);
    let mut bytes = [CONTINUATION, [0; 4]].concat();
    bytes.extend_from_slice(fbb.finished_data());
    bytes.resize((before + bytes.len()).next_multiple_of(ALIGNMENT) - before, 0);
    let length = i32::try_from(bytes.len() - PREFIX_BYTES).map_err(|_| Error::output("the Arrow metadata are too long"))?;
    bytes[4..PREFIX_BYTES].copy_from_slice(&length.to_le_bytes());
    Ok(bytes)
}

/// A batch without nulls: a node for every list and the elements, no bitmaps, one buffer of elements.
fn batch(fbb: &mut FlatBufferBuilder<'_>, rows: usize, lists: &[usize], body_bytes: usize) -> Result<Header> {
    let mut lengths = vec![rows];
    lists.iter().for_each(|length| lengths.push(lengths[lengths.len() - 1] * length));
    let nodes: Vec<FieldNode> = lengths.iter().map(|&length| FieldNode::new(length as i64, 0)).collect();
    // One bitmap of no bytes for every node, and the elements.
    let mut buffers = vec![Buffer::new(0, 0); lengths.len()];
    buffers.push(Buffer::new(0, body_bytes as i64));
    let (nodes, buffers) = (fbb.create_vector(&nodes), fbb.create_vector(&buffers));
    let mut builder = RecordBatchBuilder::new(fbb);
    builder.add_length(rows as i64);
    builder.add_nodes(nodes);
    builder.add_buffers(buffers);
    Ok(builder.finish().as_union_value())
}

fn footer(schema: &Schema, blocks: &[Block]) -> Vec<u8> {
    let mut fbb = FlatBufferBuilder::new();
    let schema = IpcSchemaEncoder::new().schema_to_fb_offset(&mut fbb, schema);
    let (dictionaries, blocks) = (fbb.create_vector::<Block>(&[]), fbb.create_vector(blocks));
    let mut builder = FooterBuilder::new(&mut fbb);
    builder.add_version(MetadataVersion::V5);
    builder.add_schema(schema);
    builder.add_dictionaries(dictionaries);
    builder.add_recordBatches(blocks);
    let root = builder.finish();
    fbb.finish(root, None);
    fbb.finished_data().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::arrow::{Content, List, footer_bytes, message_bytes, parse_footer, parse_message};

    /// The file with elements of zero.
    fn filled(layout: &Layout) -> Vec<u8> {
        let mut bytes = vec![0; layout.file_bytes as usize];
        for place in &layout.metadata {
            bytes[place.offset as usize..][..place.bytes.len()].copy_from_slice(&place.bytes);
        }
        bytes
    }

    #[test]
    fn what_is_laid_out_is_found_again() {
        let layout = Layout::new("rows", DType::F16, &[5 << 20, 8, 2]).unwrap();
        assert_eq!((layout.rows_per_batch, layout.bodies.len()), (2 << 20, 3));
        assert!(layout.bodies.iter().all(|body| body.is_multiple_of(64)));
        let bytes = filled(&layout);
        let end = bytes.len() - 10;
        let footer = footer_bytes(&bytes[end..], layout.file_bytes).unwrap() as usize;
        let (columns, blocks) = parse_footer(&bytes[end - footer..end]).unwrap();
        assert!(!columns.swapped);
        let column = &columns.columns[0];
        assert_eq!((column.name.as_str(), &column.kind), ("rows", &Some((vec![List::Fixed(8), List::Fixed(2)], DType::F16))));
        let rows = [2 << 20, 2 << 20, 1 << 20];
        for ((block, body), rows) in blocks.iter().zip(&layout.bodies).zip(rows) {
            let message = &bytes[block.offset as usize..];
            let (start, length) = message_bytes(message).unwrap().unwrap();
            assert_eq!(block.offset + block.metadata_bytes, *body);
            let (Content::Batch(batch), body_bytes) = parse_message(&message[start..start + length]).unwrap() else { panic!() };
            assert_eq!((batch.rows, body_bytes, batch.codec.clone()), (rows, block.body_bytes, None));
            assert_eq!(batch.nodes, [(rows as u64, 0), (rows as u64 * 8, 0), (rows as u64 * 16, 0)]);
            assert_eq!((batch.first_buffer(column), batch.buffers[3]), (0, (0, rows as u64 * 32)));
        }
    }

    #[test]
    fn what_arrow_lacks_is_refused() {
        let refused = |dtype, shape: &[usize]| Layout::new("x", dtype, shape).unwrap_err().to_string();
        assert!(refused(DType::Bool, &[3]).contains("packs bool"));
        assert!(refused(DType::BF16, &[3]).contains("astype(f32)"));
        assert!(refused(DType::F32, &[]).contains("single number"));
        assert!(refused(DType::U8, &[1, 1 << 31]).contains("2^31"));
        let none = Layout::new("x", DType::F32, &[0, 4]).unwrap();
        assert!(none.bodies.is_empty() && parse_footer(&filled(&none)).is_err());
    }

    #[test]
    fn damaged_metadata_are_errors_not_panics() {
        let layout = Layout::new("rows", DType::F32, &[9, 3]).unwrap();
        let whole = filled(&layout);
        let end = whole.len() - 10;
        let footer = footer_bytes(&whole[end..], layout.file_bytes).unwrap() as usize;
        for place in 0..footer {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bytes = whole[end - footer..end].to_vec();
                bytes[place] = value;
                let _ = parse_footer(&bytes);
                let _ = parse_footer(&bytes[..place]);
            }
        }
        for Place { bytes, .. } in &layout.metadata[1..3] {
            for place in PREFIX_BYTES..bytes.len() {
                for value in [0, 1, 0x7f, 0x80, 0xff] {
                    let mut bytes = bytes.clone();
                    bytes[place] = value;
                    let _ = parse_message(&bytes[PREFIX_BYTES..]);
                }
            }
        }
        assert!(footer_bytes(&whole[end - 1..], layout.file_bytes).is_err());
        assert!(footer_bytes(&[0xff, 0xff, 0xff, 0x7f, b'A', b'R', b'R', b'O', b'W', b'1'], 100).is_err());
    }
}
