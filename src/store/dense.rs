//! Dense files: one run of elements at an offset of a file. What npy and raw files have in common.

use crate::{
    error::{Error, Result},
    format::zip::Member,
    nd::{Region, SourceFacts},
    store::{Source, Window, archive::check_crc, check_read, file::InputFile, object::READ_SCRATCH_BYTES},
};
use std::{ops::Range, sync::Arc};

/// A file whose elements are one run.
#[derive(Debug)]
pub struct DenseFile {
    file: Arc<InputFile>,
    data_offset: u64,
    facts: SourceFacts,
    /// The member of an archive that it is, and where its content begins.
    member: Option<(Member, u64)>,
}

impl DenseFile {
    /// The elements that `facts` describe, from `data_offset` on. The file is long enough for them.
    pub(super) fn new(file: impl Into<Arc<InputFile>>, data_offset: u64, facts: SourceFacts) -> Self {
        let file = file.into();
        // A window of elements that straddle their alignment could not be used in place.
        let mappable = !file.is_remote() && data_offset.is_multiple_of(facts.dtype.size() as u64);
        let identity = file.identity().to_string();
        let read_scratch_bytes = if file.is_remote() { READ_SCRATCH_BYTES } else { 0 };
        DenseFile { file, data_offset, facts: SourceFacts { mappable, read_scratch_bytes, identity, ..facts }, member: None }
    }

    /// The elements are in this member of an archive, whose content begins at `start`: it has a checksum.
    pub(super) fn in_member(self, member: Member, start: u64) -> Self {
        DenseFile { member: Some((member, start)), ..self }
    }

    /// Place in the file, in bytes, and number of bytes of a run of elements.
    fn bytes_of(&self, elements: &Range<usize>) -> Result<(u64, usize)> {
        let count = self.facts.store_shape()[0];
        if elements.start > elements.end || elements.end > count {
            let (start, end) = (elements.start, elements.end);
            return Err(Error::internal(format!("elements {start}..{end} of {}, which has {count}", self.facts.name)));
        }
        let item = self.facts.dtype.size();
        Ok((self.data_offset + (elements.start * item) as u64, elements.len() * item))
    }
}

impl Source for DenseFile {
    fn facts(&self) -> &SourceFacts {
        &self.facts
    }

    fn read(&self, region: &Region, out: &mut [u8]) -> Result<()> {
        check_read(&self.facts, region, out.len())?;
        let (offset, _) = self.bytes_of(&(region.start[0]..region.end(0)))?;
        self.file.read_exact_at(offset, out)
    }

    fn window(&self, elements: Range<usize>) -> Result<Option<Window>> {
        let (offset, length) = self.bytes_of(&elements)?;
        if !self.facts.mappable {
            return Ok(None);
        }
        Window::of_file(&self.file, offset, length).map(Some)
    }

    fn prefetch(&self, elements: Range<usize>) {
        if let Ok((offset, length)) = self.bytes_of(&elements) {
            self.file.prefetch(offset, length as u64);
        }
    }

    fn verify(&self) -> Result<()> {
        self.file.check()
    }

    fn check_sums(&self, go_on: &dyn Fn() -> Result<()>) -> Result<()> {
        self.member.as_ref().map_or(Ok(()), |(member, start)| check_crc(&self.file, member, *start, go_on))
    }
}
