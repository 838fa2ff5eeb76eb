//! The pages of a Parquet column whose rows have one length: which of them can be passed over unread.

use crate::store::file::InputFile;
use arrow_bytes::Bytes;
use parquet::{
    column::page::{Page, PageMetadata, PageReader},
    errors::{ParquetError, Result},
    file::reader::{ChunkReader, Length},
};
use std::{
    io::{BufReader, Read},
    sync::Arc,
};

/// Page headers are short; what is read behind them is read again with their page.
const HEADER_BYTES: usize = 512;

/// A file as the Parquet reader wants it.
#[derive(Clone, Debug)]
pub(super) struct FileBytes(pub Arc<InputFile>);

fn outer(error: crate::Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

impl Length for FileBytes {
    fn len(&self) -> u64 {
        self.0.identity().size_bytes
    }
}

impl ChunkReader for FileBytes {
    type T = BufReader<ReadFrom>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(BufReader::with_capacity(HEADER_BYTES, ReadFrom { file: Arc::clone(&self.0), offset: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let there = self.len().saturating_sub(start);
        if length as u64 > there {
            return Err(ParquetError::EOF(format!("{length} bytes are needed at byte {start}, there are {there}")));
        }
        let mut bytes = vec![0; length];
        self.0.read_exact_at(start, &mut bytes).map_err(outer)?;
        Ok(bytes.into())
    }
}

/// Bytes from a place on.
#[derive(Debug)]
pub(super) struct ReadFrom {
    file: Arc<InputFile>,
    offset: u64,
}

impl Read for ReadFrom {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let there = self.file.identity().size_bytes.saturating_sub(self.offset);
        let length = out.len().min(usize::try_from(there).unwrap_or(usize::MAX));
        self.file.read_exact_at(self.offset, &mut out[..length]).map_err(std::io::Error::other)?;
        self.offset += length as u64;
        Ok(length)
    }
}

/// Pages of rows of `width` elements without nulls: so the number of elements of a page says how many rows it has, and pages are
/// passed over that the format alone would have to be decoded for.
pub(super) struct EvenPages<R> {
    pub pages: R,
    /// Elements of a row.
    pub width: usize,
    /// Elements of the pages so far.
    pub passed: usize,
    /// A longer page is refused.
    pub bytes_max: usize,
}

impl<R: PageReader> EvenPages<R> {
    fn at_row(&self) -> bool {
        self.passed.is_multiple_of(self.width)
    }
}

impl<R: PageReader> Iterator for EvenPages<R> {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl<R: PageReader> PageReader for EvenPages<R> {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let page = self.pages.get_next_page()?;
        if let Some(page) = &page {
            if page.buffer().len() > self.bytes_max {
                let (bytes, most) = (page.buffer().len(), self.bytes_max);
                return Err(ParquetError::General(format!("a page of {bytes} bytes; the first one lets {most} be expected at most")));
            }
            if page.is_data_page() {
                self.passed += page.num_values() as usize;
            }
        }
        Ok(page)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        let Some(mut page) = self.pages.peek_next_page()? else { return Ok(None) };
        if let Some(elements) = page.num_levels.filter(|elements| self.at_row() && elements.is_multiple_of(self.width)) {
            page.num_rows = Some(elements / self.width);
        }
        Ok(Some(page))
    }

    fn skip_next_page(&mut self) -> Result<()> {
        let elements = self.pages.peek_next_page()?.and_then(|page| page.num_levels);
        self.passed += elements.unwrap_or(0);
        self.pages.skip_next_page()
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        Ok(self.at_row() || self.pages.peek_next_page()?.is_none())
    }
}
