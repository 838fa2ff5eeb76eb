//! Products of rows with rows: both sides dense and whole in memory.

use super::{GROUP, Outputs, Panels, ProductKernel, SegmentKernel, Side};
use std::ops::Range;

/// Sums of products of some rows with some others, and what computing them takes, kept from call to call.
#[derive(Default)]
pub(crate) struct RowProducts {
    /// A line for every row of the left side, an element for every row of the right one.
    pub sums: Vec<f64>,
    /// The same where [`RowProducts::write`] wrote them.
    pub results: Vec<f32>,
    panels: Panels,
    left: Vec<i64>,
    right: Vec<i64>,
    inner: Vec<i64>,
}

impl RowProducts {
    /// Bytes held at most for so many rows of `width` elements of `size` bytes.
    pub(crate) fn bytes_max(left: usize, right: usize, width: usize, size: usize) -> u64 {
        let lists = left + right + width.min(GROUP) + left.saturating_mul(right);
        // Rows of the left side are not packed.
        let panels =
            Panels::side_bytes_max(0, width.min(GROUP), size).saturating_add(Panels::side_bytes_max(right, width.min(GROUP), size));
        panels.saturating_add((lists as u64).saturating_mul(8))
    }

    /// Fills the results of rows as [`RowProducts::fill`] fills their sums; `width` is no more than a segment.
    pub(crate) fn write(&mut self, kernel: SegmentKernel, left: (&[u8], Range<usize>), right: (&[u8], Range<usize>), width: usize) {
        self.begin(left.1, right.1, width);
        self.results.resize(self.left.len() * self.right.len(), 0.0);
        self.inner.clear();
        self.inner.extend(0..width as i64);
        let left = Side { bytes: left.0, places: &self.left, inner: &self.inner };
        let right = Side { bytes: right.0, places: &self.right, inner: &self.inner };
        kernel(bytemuck::cast_slice_mut(&mut self.results), left, right, Outputs::All, &mut self.panels);
    }

    fn begin(&mut self, left: Range<usize>, right: Range<usize>, width: usize) {
        let places = |to: &mut Vec<i64>, rows: Range<usize>| {
            to.clear();
            to.extend(rows.map(|row| (row * width) as i64));
        };
        places(&mut self.left, left);
        places(&mut self.right, right);
    }

    /// Fills the sums of rows `left.1` of the elements `left.0` with rows `right.1` of `right.0`, all of `width` elements.
    pub(crate) fn fill(&mut self, kernel: ProductKernel, left: (&[u8], Range<usize>), right: (&[u8], Range<usize>), width: usize) {
        self.begin(left.1, right.1, width);
        self.sums.clear();
        self.sums.resize(self.left.len() * self.right.len(), 0.0);
        for from in (0..width).step_by(GROUP) {
            self.inner.clear();
            self.inner.extend(from as i64..(from + GROUP).min(width) as i64);
            let left = Side { bytes: left.0, places: &self.left, inner: &self.inner };
            let right = Side { bytes: right.0, places: &self.right, inner: &self.inner };
            kernel(&mut self.sums, left, right, Outputs::All, &mut self.panels);
        }
    }
}
