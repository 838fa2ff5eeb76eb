//! Arrow IPC: columns read where they lie, batch after batch, and files of one column written.

use crate::{
    error::{Error, Result},
    format::arrow::{Batch, Block, Column, Columns, Content, Layout, List, MAGIC, PREFIX_BYTES, TAIL_BYTES},
    format::arrow::{footer_bytes, message_bytes, parse_footer, parse_message},
    nd::{DType, Dims, Region, SourceFacts, shape::c_strides},
    store::{
        OutputMode, Source, Target,
        dense::DenseFile,
        file::InputFile,
        inside::{Inside, Placing},
        joined::JoinedSource,
        npy::dims_of,
        output::FileTarget,
        runs::for_each_run,
        tensors::choose,
    },
};
use std::{ops::Range, path::Path, sync::Arc};

/// Offsets of lists that are looked at together.
const OFFSETS_AT_ONCE: usize = 64 * 1024;

/// Opens a column of a file or a stream of batches; one with one column needs no name.
pub fn open(path: &Path, asked: Option<&str>, dims: Option<&Dims>) -> Result<Arc<dyn Source>> {
    let file = Arc::new(InputFile::open(path)?);
    let (columns, blocks) = table_of(&file)?;
    let column = choose(file.name(), "column", &columns.columns, |column| &column.name, asked)?;
    let name = format!("{}#{}", file.name(), column.name);
    let Some((lists, dtype)) = &column.kind else {
        return Err(Error::data(format!("{name} is of type {}, which is not read", column.type_text))
            .hint("integers, floats and lists of them are; bool, whose bits are packed, can be cast to uint8"));
    };
    let (lists, dtype) = (&lists[..], *dtype);
    if columns.swapped && lists.iter().any(|list| matches!(list, List::Offsets(_))) {
        return Err(Error::data(format!("{name} holds lists in the other byte order, which are not read")).hint("fixed-size lists are"));
    }
    let mut walk = Walk { file: &file, name: &name, column, lists, dtype, widths: vec![None; lists.len()], rows: 0, parts: Vec::new() };
    for (number, block) in blocks.iter().enumerate() {
        walk.batch(number, block)?;
    }
    let Walk { widths, rows, parts, .. } = walk;
    let widths = widths.iter().zip(lists).map(|(width, list)| match list {
        List::Fixed(length) => *length,
        List::Offsets(_) => width.unwrap_or(0),
    });
    let shape: Vec<usize> = std::iter::once(rows).chain(widths).collect();
    let dims = dims_of(&name, dims, &shape)?;
    let part = |(offset, rows): (u64, usize)| -> Arc<dyn Source> {
        let mut shape = shape.clone();
        shape[0] = rows;
        let strides = c_strides(&shape);
        let swapped = columns.swapped && dtype.size() > 1;
        let facts = SourceFacts { swapped, ..SourceFacts::of_file(&name, dtype, shape, strides, dims.clone()) };
        Arc::new(DenseFile::new(Arc::clone(&file), offset, facts))
    };
    match parts[..] {
        [] => Ok(part((0, 0))),
        [one] => Ok(part(one)),
        _ => Ok(Arc::new(JoinedSource::new(&name, parts.into_iter().map(part).collect())?)),
    }
}

/// The columns, and where the batches are.
fn table_of(file: &InputFile) -> Result<(Columns, Vec<Block>)> {
    let in_file = |error: Error| error.context(file.name());
    let size_bytes = file.identity().size_bytes;
    let head = file.read_prefix(MAGIC.len())?;
    if head != MAGIC {
        return stream(file);
    }
    let mut tail = vec![0; TAIL_BYTES.min(size_bytes as usize)];
    file.read_exact_at(size_bytes - tail.len() as u64, &mut tail)?;
    let length = footer_bytes(&tail, size_bytes).map_err(in_file)?;
    let mut footer = vec![0; length as usize];
    file.read_exact_at(size_bytes - TAIL_BYTES as u64 - length, &mut footer)?;
    parse_footer(&footer).map_err(in_file)
}

/// A message at a place: what it holds, and where it and its body are. `None` behind the last one.
fn message_at(file: &InputFile, offset: u64) -> Result<Option<(Content, Block)>> {
    let in_file = |error: Error| error.context(file.name());
    let there = file.identity().size_bytes.saturating_sub(offset);
    let mut prefix = vec![0; PREFIX_BYTES.min(there as usize)];
    file.read_exact_at(offset, &mut prefix)?;
    let Some((start, length)) = message_bytes(&prefix).map_err(in_file)? else { return Ok(None) };
    let mut bytes = vec![0; length.min(there.saturating_sub(start as u64) as usize)];
    file.read_exact_at(offset + start as u64, &mut bytes)?;
    let (content, body_bytes) = parse_message(&bytes).map_err(in_file)?;
    let metadata_bytes = (start + length) as u64;
    if body_bytes > there.saturating_sub(metadata_bytes) {
        let text = format!("{}: a message at byte {offset} has {body_bytes} bytes behind it, the file has fewer", file.name());
        return Err(Error::data(text).hint("the file is truncated or damaged"));
    }
    Ok(Some((content, Block { offset, metadata_bytes, body_bytes })))
}

/// The messages of a stream, one after the other.
fn stream(file: &InputFile) -> Result<(Columns, Vec<Block>)> {
    let unknown = || {
        Error::data(format!("{} holds no Arrow file and no Arrow stream", file.name())).hint(
            "Feather version 1 is not read; `pyarrow.feather.write_feather(table, path, compression='uncompressed')` writes version 2",
        )
    };
    let head = file.read_prefix(PREFIX_BYTES)?;
    if !head.starts_with(&[0xff; 4]) {
        return Err(unknown());
    }
    let (mut columns, mut blocks, mut offset) = (None, Vec::new(), 0);
    while let Some((content, block)) = message_at(file, offset)? {
        match content {
            Content::Columns(found) if columns.is_none() => columns = Some(found),
            Content::Batch(_) => blocks.push(block),
            Content::Dictionary => {}
            Content::Columns(_) => return Err(Error::data(format!("{}: a stream has one schema, this one has two", file.name()))),
        }
        offset = block.offset + block.metadata_bytes + block.body_bytes;
    }
    Ok((columns.ok_or_else(unknown)?, blocks))
}

/// Goes through the batches and finds where the elements of a column are.
struct Walk<'a> {
    file: &'a InputFile,
    name: &'a str,
    column: &'a Column,
    lists: &'a [List],
    dtype: DType,
    /// The length of the lists of every level, once one was seen.
    widths: Vec<Option<usize>>,
    /// Rows of the batches before.
    rows: usize,
    /// First byte and rows of the elements of every batch.
    parts: Vec<(u64, usize)>,
}

/// A batch, and its body in the file.
struct Found {
    number: usize,
    batch: Batch,
    body: u64,
    body_bytes: u64,
}

impl Walk<'_> {
    fn damaged(&self, number: usize, what: &str) -> Error {
        Error::data(format!("{}: record batch {number} is damaged: {what}", self.name))
    }

    fn batch(&mut self, number: usize, block: &Block) -> Result<()> {
        let Some((Content::Batch(batch), there)) = message_at(self.file, block.offset)? else {
            return Err(self.damaged(number, "no batch is where the footer says"));
        };
        if let Some(codec) = &batch.codec {
            let text = format!("{}: record batch {number} is compressed ({codec}), only those that are not are read", self.name);
            return Err(Error::data(text)
                .hint("pyarrow writes them so with `compression='uncompressed'` (feather) or `IpcWriteOptions(compression=None)`"));
        }
        if batch.rows == 0 {
            return Ok(());
        }
        let found = Found { number, batch, body: block.offset + there.metadata_bytes, body_bytes: there.body_bytes };
        let (mut elements, mut place) = (0..found.batch.rows, self.column.nodes_before);
        let mut buffer = found.batch.first_buffer(self.column);
        for level in 0..self.lists.len() {
            self.node(&found, place, elements.end)?;
            (elements, buffer) = match self.lists[level] {
                List::Fixed(width) => (self.times(number, &elements, width)?, buffer + 1),
                List::Offsets(bytes) => (self.offsets(&found, level, buffer + 1, &elements, bytes)?, buffer + 2),
            };
            place += 1;
        }
        self.node(&found, place, elements.end)?;
        let offset = self.buffer(&found, buffer + 1, &elements, self.dtype.size())?;
        self.parts.push((offset, found.batch.rows));
        self.rows = self.rows.checked_add(found.batch.rows).ok_or_else(|| self.damaged(number, "there are more than 2^64 rows"))?;
        Ok(())
    }

    /// An error unless a field has `length` elements and no null.
    fn node(&self, found: &Found, place: usize, length: usize) -> Result<()> {
        match found.batch.nodes.get(place) {
            Some((_, nulls)) if *nulls > 0 => Err(nulls_in(self.name, &format!("record batch {}", found.number), *nulls)),
            Some((there, _)) if *there >= length as u64 => Ok(()),
            _ => Err(self.damaged(found.number, "a column is shorter than its batch")),
        }
    }

    fn times(&self, number: usize, elements: &Range<usize>, width: usize) -> Result<Range<usize>> {
        match (elements.start.checked_mul(width), elements.end.checked_mul(width)) {
            (Some(start), Some(end)) => Ok(start..end),
            _ => Err(self.damaged(number, "it has more than 2^64 elements")),
        }
    }

    /// Where elements of a buffer are in the file.
    fn buffer(&self, found: &Found, place: usize, elements: &Range<usize>, item: usize) -> Result<u64> {
        let within = |&(offset, length): &(u64, u64)| {
            let skipped = (elements.start as u64).checked_mul(item as u64)?;
            let end = (elements.end as u64).checked_mul(item as u64)?;
            let inside = offset.checked_add(length)? <= found.body_bytes;
            (end <= length && inside).then_some(found.body + offset + skipped)
        };
        found.batch.buffers.get(place).and_then(within).ok_or_else(|| self.damaged(found.number, "a buffer is shorter than its column"))
    }

    /// The elements of lists, which have to have one length.
    fn offsets(&mut self, found: &Found, level: usize, place: usize, lists: &Range<usize>, bytes: usize) -> Result<Range<usize>> {
        if lists.is_empty() {
            return Ok(0..0);
        }
        let number = found.number;
        let start = self.buffer(found, place, &(lists.start..lists.end + 1), bytes)?;
        // Lists of lists are several for every row.
        let lists_a_row = (lists.len() / found.batch.rows).max(1);
        let (mut first, mut last) = (0, None);
        for from in (0..=lists.len()).step_by(OFFSETS_AT_ONCE) {
            let mut read = vec![0; OFFSETS_AT_ONCE.min(lists.len() + 1 - from) * bytes];
            self.file.read_exact_at(start + (from * bytes) as u64, &mut read)?;
            for (index, offset) in read.chunks_exact(bytes).enumerate() {
                let mut wide = [0; 8];
                wide[..bytes].copy_from_slice(offset);
                // An offset of four bytes that is negative is larger than any that fits.
                let offset = usize::try_from(u64::from_le_bytes(wide)).unwrap_or(usize::MAX);
                let Some(before) = last.replace(offset) else {
                    first = offset;
                    continue;
                };
                let width = offset.checked_sub(before).ok_or_else(|| self.damaged(number, "offsets of lists go down"))?;
                let wanted = *self.widths[level].get_or_insert(width);
                if width != wanted {
                    return Err(ragged(self.name, self.rows + (from + index - 1) / lists_a_row, width, wanted));
                }
            }
        }
        match last {
            Some(last) => Ok(first..last),
            None => Err(self.damaged(number, "it has lists without offsets")),
        }
    }
}

/// Nulls where an array has numbers.
pub(super) fn nulls_in(name: &str, place: &str, count: u64) -> Error {
    Error::data(format!("{name}: {place} has {count} nulls"))
        .hint("an array has a number everywhere: fill the nulls, or drop their rows, before")
}

/// Lists of several lengths.
pub(super) fn ragged(name: &str, row: usize, width: usize, wanted: usize) -> Error {
    Error::data(format!("{name}: row 0 has lists of {wanted} elements, row {row} has one of {width}"))
        .hint("lists of different lengths are no array: cut or pad them before")
}

/// Starts a file of one column.
pub fn create(path: &Path, column: &str, dtype: DType, shape: &[usize], mode: OutputMode) -> Result<Arc<dyn Target>> {
    let layout = Layout::new(column, dtype, shape).map_err(|error| error.context(format!("cannot write {}", path.display())))?;
    let Some((head, rest)) = layout.metadata.split_first() else {
        return Err(Error::internal("a file without metadata"));
    };
    let head_bytes = head.bytes.len() as u64;
    let file = FileTarget::create(path, &head.bytes, DType::U8, &[(layout.file_bytes - head_bytes) as usize], mode)?;
    for place in rest {
        file.write(&Region::run((place.offset - head_bytes) as usize, place.bytes.len()), &place.bytes)?;
    }
    let row_elements: usize = shape[1..].iter().product();
    let placing = Batches {
        bodies: layout.bodies.iter().map(|body| (body - head_bytes) as usize).collect(),
        elements: (layout.rows_per_batch * row_elements).max(1),
        item: dtype.size(),
    };
    Ok(Arc::new(Inside { file, dtype, shape: shape.to_vec(), placing }))
}

/// Elements in batches of a file of bytes.
struct Batches {
    /// Where the elements of every batch begin.
    bodies: Vec<usize>,
    /// Elements of every batch but the last.
    elements: usize,
    item: usize,
}

impl Placing for Batches {
    fn write(&self, file: &FileTarget, shape: &[usize], region: &Region, bytes: &[u8]) -> Result<()> {
        for_each_run(shape, region, |place, from, length| {
            let mut done = 0;
            while done < length {
                let (batch, at) = ((place + done) / self.elements, (place + done) % self.elements);
                let count = (length - done).min(self.elements - at);
                let body = *self.bodies.get(batch).ok_or_else(|| Error::internal("elements behind the last batch"))?;
                let some = &bytes[(from + done) * self.item..(from + done + count) * self.item];
                file.write(&Region::run(body + at * self.item, some.len()), some)?;
                done += count;
            }
            Ok(())
        })
    }
}
