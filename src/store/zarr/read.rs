//! One chunk, or a box of it, decoded into the place where it is wanted.

use super::{
    chain::{Body, Chain, GROUP_BYTES, PIECE_BYTES, Shard},
    codec::{ByteCodec, Tools},
    copy::{self, Layout},
    part::{Fault, Part, room},
    shard::{Index, IndexCache, Key, coordinates},
};
use crate::store::object::{GAP_BYTES_MAX as GAP_BYTES_MAX_REMOTE, REQUESTS_MAX};
use std::{mem, sync::Arc};

/// Runs of so many bytes are read straight to where they are wanted.
const RUN_BYTES_MIN: usize = 64 * 1024;
/// Gaps between runs of one chunk up to which one request is cheaper than two.
const GAP_BYTES_MAX: usize = 8 * 1024;
/// Gaps between inner chunks of a shard up to which one request is cheaper than two.
const INNER_GAP_BYTES_MAX: u64 = 256 * 1024;

/// Buffers and decoder states of one call, used again by the next one on this thread.
#[derive(Default)]
pub(super) struct Scratch {
    encoded: Vec<u8>,
    buffers: [Vec<u8>; 2],
    spare: Vec<u8>,
    tools: Tools,
}

impl Scratch {
    /// Bytes that its buffers hold.
    pub fn held_bytes(&self) -> usize {
        self.encoded.capacity() + self.spare.capacity() + self.buffers.iter().map(Vec::capacity).sum::<usize>()
    }
}

/// What the decoding of one chunk of the array's grid knows.
pub(super) struct Reader<'a> {
    pub scratch: &'a mut Scratch,
    pub indexes: &'a IndexCache,
    /// The bytes of one element of what was never written.
    pub fill: &'a [u8],
    /// Number of the chunk in the array.
    pub chunk: usize,
}

/// A box of a chunk that is wanted, and where.
struct Wanted<'a> {
    start: &'a [usize],
    shape: &'a [usize],
    out: &'a mut [u8],
    to: &'a Layout,
}

impl Reader<'_> {
    /// Decodes the box at `start` of a chunk, of `shape` and not empty, to the place `to` of `out`.
    pub fn read(
        &mut self,
        chain: &Chain,
        part: Part<'_>,
        start: &[usize],
        shape: &[usize],
        out: &mut [u8],
        to: &Layout,
    ) -> Result<(), Fault> {
        match &chain.order {
            None => self.body(chain, part, Wanted { start, shape, out, to }),
            Some(order) => {
                let (start, shape) = (copy::permuted(start, order), copy::permuted(shape, order));
                self.body(chain, part, Wanted { start: &start, shape: &shape, out, to: &to.permuted(order) })
            }
        }
    }

    fn body(&mut self, chain: &Chain, part: Part<'_>, wanted: Wanted<'_>) -> Result<(), Fault> {
        match &chain.body {
            Body::Elements { swapped } => {
                let Wanted { start, shape, out, to } = wanted;
                let again = Wanted { start, shape, out: &mut *out, to };
                if chain.steps.is_empty() { self.plain(chain, part, again) } else { self.encoded(chain, part, again) }?;
                if *swapped {
                    copy::for_each_run(shape, to, to, |_, to, length| {
                        copy::swap(chain.item_bytes, &mut out[to * chain.item_bytes..][..length * chain.item_bytes]);
                        Ok::<(), Fault>(())
                    })?;
                }
                Ok(())
            }
            Body::Rare(codecs) => {
                let Wanted { start, shape, out, to } = wanted;
                let Scratch { encoded, buffers, spare, tools } = &mut *self.scratch;
                let encoded = part.load(encoded, chain.encoded_bytes_max())?;
                let unpacked = unpack(&chain.steps, encoded, chain.body_bytes_max(), None, buffers, spare, tools)?;
                let bytes = codecs.decode(unpacked.bytes(encoded, buffers))?;
                if bytes.len() != chain.decoded_bytes() {
                    return Err(format!("it decodes to {} bytes instead of {}", bytes.len(), chain.decoded_bytes()).into());
                }
                copy::copy(chain.item_bytes, shape, &bytes, &Layout::in_c_order(&chain.shape, start), out, to);
                Ok(())
            }
            Body::Shard(shard) if chain.steps.is_empty() => self.shard(shard, part, wanted),
            Body::Shard(shard) => {
                // The shard as a whole is encoded: it is decoded into memory, and read from there.
                let mut outer = mem::take(self.scratch);
                let Scratch { encoded, buffers, spare, tools } = &mut outer;
                let encoded = part.load(encoded, chain.encoded_bytes_max())?;
                let unpacked = unpack(&chain.steps, encoded, chain.body_bytes_max(), None, buffers, spare, tools)?;
                let bytes = unpacked.bytes(encoded, buffers);
                self.shard(shard, Part::Bytes(bytes), wanted)
            }
        }
    }

    /// Elements behind codecs of bytes.
    fn encoded(&mut self, chain: &Chain, part: Part<'_>, wanted: Wanted<'_>) -> Result<(), Fault> {
        let (item, stored, bytes) = (chain.item_bytes, chain.stored_shape(), chain.decoded_bytes());
        let Wanted { start, shape, out, to } = wanted;
        let Scratch { encoded, buffers, spare, tools } = &mut *self.scratch;
        let encoded = part.load(encoded, chain.encoded_bytes_max())?;
        let direct = if shape == stored && to.is_run(shape) { Some(&mut out[to.first * item..][..bytes]) } else { None };
        let unpacked = unpack(&chain.steps, encoded, bytes, direct, buffers, spare, tools)?;
        if unpacked.length() != bytes {
            return Err(format!("it decodes to {} bytes instead of {bytes}", unpacked.length()).into());
        }
        if !matches!(unpacked, Unpacked::Direct { .. }) {
            copy::copy(item, shape, unpacked.bytes(encoded, buffers), &Layout::in_c_order(&stored, start), out, to);
        }
        Ok(())
    }

    /// Elements and nothing else: only those that are wanted are read.
    fn plain(&mut self, chain: &Chain, part: Part<'_>, wanted: Wanted<'_>) -> Result<(), Fault> {
        let (item, stored, bytes) = (chain.item_bytes, chain.stored_shape(), chain.decoded_bytes());
        if part.length() != bytes as u64 {
            return Err(format!("it has {} bytes instead of {bytes}", part.length()).into());
        }
        let Wanted { start, shape, out, to } = wanted;
        let from = Layout::in_c_order(&stored, start);
        if let Part::Bytes(bytes) = part {
            copy::copy(item, shape, bytes, &from, out, to);
            return Ok(());
        }
        let (low, count) = (from.first, from.last(shape) + 1 - from.first);
        if from.is_run(shape) && to.is_run(shape) {
            return part.read((low * item) as u64, &mut out[to.first * item..][..count * item]);
        }
        let runs = shape.iter().zip(&to.strides).rev().find(|(length, _)| **length > 1).is_none_or(|(_, stride)| *stride == 1);
        if !runs || count * item <= PIECE_BYTES {
            let piece = room(&mut self.scratch.encoded, count * item)?;
            part.read((low * item) as u64, piece)?;
            copy::copy(item, shape, piece, &Layout { first: 0, strides: from.strides }, out, to);
            return Ok(());
        }
        let mut pieces = Pieces { part, item, out, buffer: &mut self.scratch.encoded, runs: Vec::new() };
        copy::for_each_run(shape, &from, to, |from, to, length| pieces.push(from, to, length))?;
        pieces.flush()
    }

    /// Inner chunks: those that the box touches, neighbours in one request.
    fn shard(&mut self, shard: &Shard, part: Part<'_>, wanted: Wanted<'_>) -> Result<(), Fault> {
        let Wanted { start, shape, out, to } = wanted;
        let index = self.index(shard, part)?;
        let inner = &shard.inner;
        let mut found: Vec<(u64, u64, usize)> = Vec::new();
        for_each_cell(start, shape, &inner.shape, |cell| {
            let number = cell.iter().zip(&shard.grid).fold(0, |number, (place, length)| number * length + place);
            match index.place(number) {
                Some((offset, length)) => found.push((offset, length, number)),
                None => {
                    let (_, within, extent) = overlap(cell, &inner.shape, start, shape);
                    copy::fill(self.fill, &extent, out, &to.moved(&within));
                }
            }
        });
        found.sort_unstable();
        // Large plain chunks and shards inside of shards are read in parts, from where they lie.
        let in_place = inner.is_open_shard() || inner.is_plain() && inner.decoded_bytes() > PIECE_BYTES;
        let groups = groups_of(shard, &found, in_place, part.is_remote())?;
        let together = if part.is_remote() && !in_place { REQUESTS_MAX } else { 1 };
        for batch in groups.chunks(together) {
            let mut buffer = Vec::new();
            let loaded = if in_place {
                let group = &batch[0];
                vec![part.range(group.start, group.length).ok_or_else(|| "its index leads out of it".to_string())?]
            } else {
                buffer = mem::take(&mut self.scratch.encoded);
                let ranges: Vec<(u64, u64)> = batch.iter().map(|group| (group.start, group.length)).collect();
                part.load_ranges(&ranges, &mut buffer)?
            };
            for (group, bytes) in batch.iter().zip(loaded) {
                for &(offset, length, number) in group.chunks {
                    let cell = coordinates(number, &shard.grid);
                    let (from, within, extent) = overlap(&cell, &inner.shape, start, shape);
                    let part = bytes.range(offset - group.start, length).ok_or_else(|| "its index leads out of it".to_string())?;
                    self.read(inner, part, &from, &extent, out, &to.moved(&within)).map_err(|fault| match fault {
                        Fault::Corrupt(why) => Fault::Corrupt(format!("inner chunk {}: {why}", crate::nd::shape::show(&cell))),
                        failed => failed,
                    })?;
                }
            }
            if !buffer.is_empty() {
                self.scratch.encoded = buffer;
            }
        }
        Ok(())
    }

    /// The index of a shard, as it was read before if the file is still the same.
    pub(super) fn index(&mut self, shard: &Shard, part: Part<'_>) -> Result<Arc<Index>, Fault> {
        let Part::File { file, start, length } = part else {
            return Index::read(shard, part, &mut self.scratch.encoded).map(Arc::new);
        };
        let key: Key = (self.chunk, start, length);
        if let Some(index) = self.indexes.get(key, file.identity()) {
            return Ok(index);
        }
        let index = Arc::new(Index::read(shard, part, &mut self.scratch.encoded)?);
        self.indexes.put(key, file.identity(), &index);
        Ok(index)
    }
}

/// Inner chunks that are read together.
struct Group<'a> {
    start: u64,
    length: u64,
    /// Offset, length and number.
    chunks: &'a [(u64, u64, usize)],
}

/// Puts inner chunks that lie close together into groups; those that are read in place stay alone.
fn groups_of<'a>(shard: &Shard, found: &'a [(u64, u64, usize)], in_place: bool, is_remote: bool) -> Result<Vec<Group<'a>>, Fault> {
    let inner = &shard.inner;
    let largest = inner.encoded_bytes_max() as u64;
    let gap_bytes_max = if is_remote { GAP_BYTES_MAX_REMOTE } else { INNER_GAP_BYTES_MAX };
    let (mut groups, mut rest) = (Vec::new(), found);
    while let Some(&(start, length, number)) = rest.first() {
        if length > largest && !inner.is_open_shard() {
            let name = crate::nd::shape::show(&coordinates(number, &shard.grid));
            return Err(format!("inner chunk {name} has {length} bytes, no encoding of it takes more than {largest}").into());
        }
        let (mut taken, mut end) = (1, start + length);
        while let Some(&(offset, length, _)) = rest.get(taken).filter(|_| !in_place) {
            let next = offset + length;
            if offset.saturating_sub(end) > gap_bytes_max || next - start > GROUP_BYTES as u64 {
                break;
            }
            (taken, end) = (taken + 1, end.max(next));
        }
        let (chunks, behind) = rest.split_at(taken);
        groups.push(Group { start, length: end - start, chunks });
        rest = behind;
    }
    Ok(groups)
}

/// Reads runs of one file, in their order, neighbours together.
struct Pieces<'a> {
    part: Part<'a>,
    item: usize,
    out: &'a mut [u8],
    buffer: &'a mut Vec<u8>,
    /// Place in the chunk, place in `out`, length: in elements.
    runs: Vec<(usize, usize, usize)>,
}

impl Pieces<'_> {
    fn push(&mut self, from: usize, to: usize, length: usize) -> Result<(), Fault> {
        if length * self.item >= RUN_BYTES_MIN {
            self.flush()?;
            return self.part.read((from * self.item) as u64, &mut self.out[to * self.item..][..length * self.item]);
        }
        if let (Some(&(first, ..)), Some(&(last, _, count))) = (self.runs.first(), self.runs.last())
            && ((from - last - count) * self.item > GAP_BYTES_MAX || (from + length - first) * self.item > PIECE_BYTES)
        {
            self.flush()?;
        }
        self.runs.push((from, to, length));
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Fault> {
        if let (Some(&(first, ..)), Some(&(last, _, count))) = (self.runs.first(), self.runs.last()) {
            let piece = room(self.buffer, (last + count - first) * self.item)?;
            self.part.read((first * self.item) as u64, piece)?;
            for &(from, to, length) in &self.runs {
                let bytes = length * self.item;
                self.out[to * self.item..][..bytes].copy_from_slice(&piece[(from - first) * self.item..][..bytes]);
            }
        }
        self.runs.clear();
        Ok(())
    }
}

/// Where decoded bytes are.
enum Unpacked {
    /// In the buffer that was given for them.
    Direct { length: usize },
    /// A part of the encoded bytes.
    Encoded { start: usize, length: usize },
    /// In one of the two buffers.
    Buffer { number: usize, start: usize, length: usize },
}

impl Unpacked {
    fn length(&self) -> usize {
        match self {
            Unpacked::Direct { length } | Unpacked::Encoded { length, .. } | Unpacked::Buffer { length, .. } => *length,
        }
    }

    fn bytes<'a>(&self, encoded: &'a [u8], buffers: &'a [Vec<u8>; 2]) -> &'a [u8] {
        match *self {
            Unpacked::Direct { .. } => &[],
            Unpacked::Encoded { start, length } => &encoded[start..start + length],
            Unpacked::Buffer { number, start, length } => &buffers[number][start..start + length],
        }
    }
}

/// Undoes codecs of bytes, last to first. What is left has `bytes_max` at most; the last codec writes into `direct`, if that is given.
fn unpack(
    steps: &[ByteCodec],
    encoded: &[u8],
    bytes_max: usize,
    mut direct: Option<&mut [u8]>,
    buffers: &mut [Vec<u8>; 2],
    spare: &mut Vec<u8>,
    tools: &mut Tools,
) -> Result<Unpacked, Fault> {
    let mut at = Unpacked::Encoded { start: 0, length: encoded.len() };
    for (number, step) in steps.iter().enumerate().rev() {
        let stripped = step.strip(at.bytes(encoded, buffers))?;
        if let Some(range) = stripped {
            at = match at {
                Unpacked::Buffer { number, start, .. } => Unpacked::Buffer { number, start: start + range.start, length: range.len() },
                Unpacked::Encoded { start, .. } => Unpacked::Encoded { start: start + range.start, length: range.len() },
                direct @ Unpacked::Direct { .. } => direct,
            };
            continue;
        }
        if number == 0
            && let Some(out) = direct.take()
        {
            return Ok(Unpacked::Direct { length: step.decode(tools, spare, at.bytes(encoded, buffers), out)? });
        }
        let room_bytes = steps[..number].iter().fold(bytes_max, |bytes, step| step.encoded_bytes_max(bytes));
        let into = if matches!(at, Unpacked::Buffer { number: 0, .. }) { 1 } else { 0 };
        let mut buffer = mem::take(&mut buffers[into]);
        let made = step.decode(tools, spare, at.bytes(encoded, buffers), room(&mut buffer, room_bytes)?);
        buffers[into] = buffer;
        at = Unpacked::Buffer { number: into, start: 0, length: made? };
    }
    Ok(at)
}

/// Calls `visit` with the place of every cell of a grid of `cell_shape` that a box touches.
pub(super) fn for_each_cell(start: &[usize], shape: &[usize], cell_shape: &[usize], mut visit: impl FnMut(&[usize])) {
    let first: Vec<usize> = start.iter().zip(cell_shape).map(|(start, cell)| start / cell).collect();
    let last: Vec<usize> = (0..start.len()).map(|axis| (start[axis] + shape[axis] - 1) / cell_shape[axis]).collect();
    let mut cell = first.clone();
    loop {
        visit(&cell);
        let mut axis = cell.len();
        loop {
            if axis == 0 {
                return;
            }
            axis -= 1;
            if cell[axis] < last[axis] {
                cell[axis] += 1;
                break;
            }
            cell[axis] = first[axis];
        }
    }
}

/// What a cell and a box have in common: where it begins in the cell, where in the box, and its shape.
pub(super) fn overlap(cell: &[usize], cell_shape: &[usize], start: &[usize], shape: &[usize]) -> (Vec<usize>, Vec<usize>, Vec<usize>) {
    let (mut from, mut within, mut extent) = (Vec::new(), Vec::new(), Vec::new());
    for axis in 0..cell.len() {
        let low = cell[axis] * cell_shape[axis];
        let begin = start[axis].max(low);
        // A chunk may be longer than what is left to count with.
        let end = (start[axis] + shape[axis]).min(low.saturating_add(cell_shape[axis]));
        from.push(begin - low);
        within.push(begin - start[axis]);
        extent.push(end - begin);
    }
    (from, within, extent)
}
