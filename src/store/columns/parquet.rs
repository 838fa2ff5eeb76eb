//! Parquet: columns of numbers, and of lists of one length, decoded box by box.
//!
//! Row groups may be larger than memory: of a group the pages that a box needs are decoded, and those before it passed over by their
//! headers. So a chunk, the unit of reading, is a row group, several small ones, or a part of a large one.

use super::{
    decode::{BATCH, BATCH_ITEM_BYTES, Rows, dtype_of, failed},
    ipc::nulls_in,
    pages::{EvenPages, FileBytes},
};
use crate::{
    error::{Error, Result},
    nd::{DType, Dims, IndexMap, Region, SourceFacts, StoreLayout},
    store::{Source, check_read, file::InputFile, npy::dims_of, tensors::choose},
};
use parquet::{
    column::page::PageReader,
    file::{
        metadata::{ParquetMetaData, ParquetMetaDataReader},
        reader::SerializedPageReader,
    },
    schema::types::ColumnDescPtr,
};
use std::{
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Arc,
};

/// Chunks are about as large as this, if row groups are smaller, or this many times larger.
const CHUNK_BYTES: usize = 4 << 20;
const GROUP_FACTOR: usize = 4;
/// Pages up to so many bytes are always read; where the first one is larger, up to four times its length.
const PAGE_BYTES: usize = 8 << 20;
const PAGE_FACTOR: usize = 4;

/// A column of a Parquet file.
struct ParquetColumn {
    file: FileBytes,
    metadata: ParquetMetaData,
    column: ColumnDescPtr,
    leaf: usize,
    /// First row of every row group, and the end.
    starts: Vec<usize>,
    /// Elements of a row.
    width: usize,
    page_bytes_max: usize,
    facts: SourceFacts,
}

/// The column that is asked for among those of a file.
struct Leaf {
    /// Its path, or the name of the column that it is all of.
    name: String,
    place: usize,
}

/// Opens a column; a file with one needs no name.
pub fn open(path: &Path, asked: Option<&str>, dims: Option<&Dims>) -> Result<Arc<dyn Source>> {
    let file = FileBytes(Arc::new(InputFile::open(path)?));
    let name = file.0.name().to_string();
    guarded(&name, || {
        let metadata = ParquetMetaDataReader::new().parse_and_finish(&file).map_err(|error| failed(&file, &name, error))?;
        open_column(file, metadata, asked, dims)
    })
    .map(|source| Arc::new(source) as Arc<dyn Source>)
}

/// A reader that gives up on damaged bytes is an error like others.
fn guarded<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let damaged = |_| Err(Error::data(format!("{name} cannot be read: the file is damaged")));
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(damaged)
}

fn open_column(file: FileBytes, metadata: ParquetMetaData, asked: Option<&str>, dims: Option<&Dims>) -> Result<ParquetColumn> {
    let schema = metadata.file_metadata().schema_descr_ptr();
    let roots: Vec<usize> = (0..schema.num_columns()).map(|leaf| schema.get_column_root_idx(leaf)).collect();
    let leaf = |(place, column): (usize, &ColumnDescPtr)| {
        let alone = roots.iter().filter(|root| **root == roots[place]).count() == 1;
        let name = if alone { column.path().parts()[0].clone() } else { column.path().string() };
        Leaf { name, place }
    };
    let leaves: Vec<Leaf> = schema.columns().iter().enumerate().map(leaf).collect();
    let Leaf { name, place } = choose(file.0.name(), "column", &leaves, |leaf| &leaf.name, asked)?;
    let name = format!("{}#{name}", file.0.name());
    let column = Arc::clone(&schema.columns()[*place]);
    let (levels, kind) = (column.max_rep_level(), column.physical_type());
    let dtype = match dtype_of(&column) {
        Some(dtype) if levels <= 1 => dtype,
        Some(_) => return Err(Error::data(format!("{name} holds lists of lists, which are not read")).hint("flatten them before")),
        None => {
            let logical = column.logical_type_ref().map_or(String::new(), |logical| format!(" ({logical:?})"));
            return Err(Error::data(format!("{name} holds {kind}{logical}, which is not read")).hint("numbers and lists of them are"));
        }
    };
    let mut starts = vec![0usize];
    for group in metadata.row_groups() {
        let rows = usize::try_from(group.num_rows()).ok().and_then(|rows| starts[starts.len() - 1].checked_add(rows));
        starts.push(rows.ok_or_else(|| Error::data(format!("{name}: a row group has {} rows", group.num_rows())))?);
    }
    let mut found = ParquetColumn {
        facts: SourceFacts::of_file(&name, dtype, Vec::new(), Vec::new(), Dims::unnamed(0)),
        page_bytes_max: usize::MAX,
        width: 1,
        leaf: *place,
        file,
        metadata,
        column,
        starts,
    };
    found.check_groups()?;
    found.describe(dims)?;
    Ok(found)
}

impl ParquetColumn {
    fn is_list(&self) -> bool {
        self.column.max_rep_level() > 0
    }

    fn rows_of(&self, group: usize) -> Rows<'_> {
        Rows {
            name: &self.facts.name,
            file: &self.file,
            column: &self.column,
            leaf: self.leaf,
            dtype: self.facts.dtype,
            width: self.width,
            page_bytes_max: self.page_bytes_max,
            group,
            first_row: self.starts[group],
            metadata: self.metadata.row_group(group),
        }
    }

    /// Finds the length of rows, and refuses groups whose metadata say that they have nulls or rows of other lengths.
    fn check_groups(&mut self) -> Result<()> {
        let groups: Vec<usize> = (0..self.metadata.num_row_groups()).filter(|&group| self.starts[group] < self.starts[group + 1]).collect();
        let Some(&first) = groups.first() else {
            self.width = usize::from(!self.is_list());
            return Ok(());
        };
        if let Some(broken) = groups.iter().find(|&&group| self.leaf >= self.metadata.row_group(group).num_columns()) {
            return Err(Error::data(format!("{}: row group {broken} lacks the column", self.facts.name)));
        }
        let elements = |group: usize| usize::try_from(self.metadata.row_group(group).column(self.leaf).num_values()).unwrap_or(0);
        let rows = |group: usize| self.starts[group + 1] - self.starts[group];
        let width = elements(first) / rows(first);
        let is_even = |group: &usize| rows(*group).checked_mul(width) == Some(elements(*group));
        let uneven: Vec<usize> = groups.iter().copied().filter(|group| width == 0 || !is_even(group)).collect();
        self.width = if uneven.is_empty() { width } else { self.rows_of(first).first_width()?.max(1) };
        for group in uneven {
            // Finds the first row that is longer or shorter.
            self.rows_of(group).decode(0..self.starts[group + 1] - self.starts[group], &mut |_, _| {})?;
        }
        for group in groups {
            let chunk = self.metadata.row_group(group).column(self.leaf);
            if let Some(nulls) = chunk.statistics().and_then(|statistics| statistics.null_count_opt()).filter(|nulls| *nulls > 0) {
                return Err(nulls_in(&self.facts.name, &format!("row group {group}"), nulls));
            }
        }
        Ok(())
    }

    /// Works out what the planner is told.
    fn describe(&mut self, dims: Option<&Dims>) -> Result<()> {
        let rows = self.starts[self.starts.len() - 1];
        let shape = if self.is_list() { vec![rows, self.width] } else { vec![rows] };
        self.width = self.width.max(1);
        let name = self.facts.name.clone();
        let dtype = self.facts.dtype;
        crate::format::data_bytes(dtype, &shape).map_err(|error| error.context(&name))?;
        let mut chunk = shape.clone();
        chunk[0] = self.chunk_rows(dtype);
        let sizes = |of: fn(&parquet::file::metadata::ColumnChunkMetaData) -> i64| {
            let size = |group: &parquet::file::metadata::RowGroupMetaData| u64::try_from(of(group.column(self.leaf))).unwrap_or(0);
            self.metadata.row_groups().iter().map(size).collect::<Vec<u64>>()
        };
        let (encoded, decoded) = (sizes(|chunk| chunk.compressed_size()), sizes(|chunk| chunk.uncompressed_size()));
        let largest = |sizes: &[u64], most: usize| sizes.iter().copied().max().unwrap_or(0).min(most as u64);
        self.page_bytes_max = self.first_page_bytes()?.saturating_mul(PAGE_FACTOR).max(PAGE_BYTES);
        let page = largest(&decoded, self.page_bytes_max);
        // A page as it is stored and as it is; its dictionary, as bytes and as values; and what is decoded of it at a time.
        let batch = (BATCH_ITEM_BYTES * self.width.max(BATCH)) as u64;
        self.facts = SourceFacts {
            encoded_bytes: encoded.iter().sum(),
            read_scratch_bytes: largest(&encoded, self.page_bytes_max) + 3 * page + batch,
            layout: StoreLayout::Chunked { chunk },
            mappable: false,
            identity: self.file.0.identity().to_string(),
            ..SourceFacts::of_file(&name, dtype, shape.clone(), Vec::new(), dims_of(&name, dims, &shape)?)
        };
        Ok(())
    }

    /// Bytes of the first page of elements.
    fn first_page_bytes(&self) -> Result<usize> {
        let Some(group) = (0..self.metadata.num_row_groups()).find(|&group| self.starts[group] < self.starts[group + 1]) else {
            return Ok(0);
        };
        let rows = self.rows_of(group);
        let chunk = rows.metadata.column(self.leaf);
        let pages = SerializedPageReader::new(Arc::new(self.file.clone()), chunk, rows.metadata.num_rows() as usize, None);
        let mut pages =
            EvenPages { pages: pages.map_err(|error| rows.failed(error))?, width: self.width, passed: 0, bytes_max: usize::MAX };
        let mut largest = 0;
        while let Some(page) = pages.get_next_page().map_err(|error| rows.failed(error))? {
            largest = largest.max(page.buffer().len());
            if page.is_data_page() {
                break;
            }
        }
        Ok(largest)
    }

    /// Rows of a chunk: those of the largest row group, of several small ones, or a part of it.
    fn chunk_rows(&self, dtype: DType) -> usize {
        let group = self.starts.windows(2).map(|bounds| bounds[1] - bounds[0]).max().unwrap_or(0).max(1);
        let all = self.starts[self.starts.len() - 1].max(1);
        let row_bytes = self.width * dtype.size();
        let fitting = (CHUNK_BYTES / row_bytes).max(1);
        let rows = match group {
            _ if group > fitting.saturating_mul(GROUP_FACTOR) => fitting,
            _ if group < fitting => fitting / group * group,
            _ => group,
        };
        rows.min(all)
    }

    /// The row groups that rows lie in, each with its own rows.
    fn groups(&self, rows: Range<usize>) -> impl Iterator<Item = (usize, Range<usize>)> {
        let first = self.starts.partition_point(|&start| start <= rows.start).saturating_sub(1);
        let bounds = self.starts.windows(2).enumerate().skip(first).take_while({
            let end = rows.end;
            move |(_, bounds)| bounds[0] < end
        });
        bounds.filter_map(move |(group, bounds)| {
            let (low, high) = (rows.start.max(bounds[0]), rows.end.min(bounds[1]));
            (low < high).then(|| (group, low - bounds[0]..high - bounds[0]))
        })
    }
}

impl Source for ParquetColumn {
    fn facts(&self) -> &SourceFacts {
        &self.facts
    }

    fn index_map(&self) -> IndexMap {
        IndexMap::identity(&self.facts.shape)
    }

    fn read(&self, region: &Region, out: &mut [u8]) -> Result<()> {
        check_read(&self.facts, region, out.len())?;
        if region.is_empty() {
            return Ok(());
        }
        let item = self.facts.dtype.size();
        let columns = if self.is_list() { region.start[1]..region.end(1) } else { 0..1 };
        let (row_bytes, wanted) = (self.width * item, columns.start * item..columns.end * item);
        guarded(&self.facts.name, || {
            for (group, rows) in self.groups(region.start[0]..region.end(0)) {
                let before = self.starts[group];
                self.rows_of(group).decode(rows, &mut |row, bytes| {
                    let places = out[(before + row - region.start[0]) * wanted.len()..].chunks_exact_mut(wanted.len());
                    places.zip(bytes.chunks_exact(row_bytes)).for_each(|(place, row)| place.copy_from_slice(&row[wanted.clone()]));
                })?;
            }
            Ok(())
        })
    }

    /// Asks for the part of every group that its rows are of it.
    fn prefetch_box(&self, region: &Region) {
        if !region.fits(&self.facts.shape) {
            return;
        }
        for (group, rows) in self.groups(region.start[0]..region.end(0)) {
            let (start, length) = self.metadata.row_group(group).column(self.leaf).byte_range();
            let all = (self.starts[group + 1] - self.starts[group]) as u128;
            let part = |rows: usize| (u128::from(length) * rows as u128 / all) as u64;
            self.file.0.prefetch(start + part(rows.start), part(rows.end) - part(rows.start));
        }
    }

    fn verify(&self) -> Result<()> {
        self.file.0.check()
    }
}
