//! Tiles whose elements go to outputs by labels: the one loop of every grouped reduction.
//!
//! An accumulator of groups has the outputs of the kept axes once for every group. Where a row of kept columns has one label,
//! it goes through the kernels as if there were no groups; counts go straight from labels to tables; everything else is
//! scattered, an element at a time, by the `take` of its state.

mod exact;
mod label;
mod scatter;
mod tally;

pub(super) use tally::{Tallies, Target as TallyTarget};

use super::accumulator::{Accumulator, State};
use super::axes::{Coalesced, InstructionSet, TILE_AXES_MAX, TileAxis};
use label::FirstOutside;
use serde::{Deserialize, Serialize};

/// What becomes of an element whose label is no group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outside {
    /// The first such element (C order) is an error.
    #[default]
    Refuse,
    /// It is left out.
    Skip,
}

/// Labels as native bytes.
#[derive(Clone, Copy, Debug)]
pub enum Labels<'a> {
    /// `i32`s.
    Narrow(&'a [[u8; 4]]),
    /// `i64`s.
    Wide(&'a [[u8; 8]]),
}

impl<'a> Labels<'a> {
    /// The label of an element; what is no `usize` is no group either.
    #[inline(always)]
    fn at(self, element: usize) -> usize {
        match self {
            Labels::Narrow(labels) => i32::from_ne_bytes(labels[element]) as usize,
            Labels::Wide(labels) => i64::from_ne_bytes(labels[element]) as usize,
        }
    }

    fn part(self, from: usize, count: usize) -> Self {
        match self {
            Labels::Narrow(labels) => Labels::Narrow(&labels[from..from + count]),
            Labels::Wide(labels) => Labels::Wide(&labels[from..from + count]),
        }
    }

    /// Whether all labels are `label`.
    fn all(self, label: usize) -> bool {
        match self {
            Labels::Narrow(labels) => labels.iter().all(|bytes| i32::from_ne_bytes(*bytes) as usize == label),
            Labels::Wide(labels) => labels.iter().all(|bytes| i64::from_ne_bytes(*bytes) as usize == label),
        }
    }
}

/// How the elements of a tile choose their groups.
#[derive(Clone, Copy, Debug)]
pub struct Groups<'a> {
    /// One label per element, or one for all of them.
    pub labels: Labels<'a>,
    /// Whether there is one label for all.
    pub uniform: bool,
    /// Number of groups: labels are `0..count`.
    pub count: usize,
    /// Outputs from one group to the next.
    pub stride: usize,
    /// What becomes of other labels.
    pub outside: Outside,
}

/// Elements of a tile: all of them, or the one that they all are.
#[derive(Clone, Copy, Debug)]
pub enum Elements<'a> {
    /// Dense C-order native elements.
    Dense(&'a [u8]),
    /// One element.
    Uniform(&'a [u8]),
}

/// Rows of kept columns that are shorter are scattered.
const ROW_MIN: usize = 8;
/// Elements that are scattered at once.
const CHUNK: usize = 256;

impl Accumulator {
    /// Absorbs a tile whose elements go to the outputs of their groups. `base` is the output of the first element in group 0,
    /// and `axes` how outputs move along the kept axes.
    ///
    /// # Errors
    /// The first element whose label is no group, where that is refused; what came before it may be absorbed.
    ///
    /// # Panics
    /// If the tile or the labels are shorter than the box, or an output lies outside the accumulator.
    pub fn absorb_groups<I: InstructionSet>(
        &mut self,
        tile: Elements<'_>,
        axes: &[TileAxis],
        base: usize,
        groups: &Groups<'_>,
    ) -> Result<(), usize> {
        if groups.uniform {
            let label = groups.labels.at(0);
            return match (label < groups.count, groups.outside) {
                (true, _) => {
                    self.absorb_either::<I>(tile, axes, base + label * groups.stride);
                    Ok(())
                }
                (false, Outside::Skip) => Ok(()),
                (false, Outside::Refuse) => Err(0),
            };
        }
        let Some(joined) = Coalesced::new(axes, false) else { return Ok(()) };
        let axes = joined.axes();
        let elements: usize = axes.iter().map(|axis| axis.length).product();
        let groups = Groups { labels: groups.labels.part(0, elements), ..*groups };
        if let State::Tallies(state) = &mut self.state
            && state.outputs() == groups.count
            && axes.iter().all(|axis| axis.output_step == 0)
        {
            let skipped = state.count_labels::<I>(groups.labels);
            return if skipped == 0 || groups.outside == Outside::Skip { Ok(()) } else { Err(first_outside::<I>(&groups)) };
        }
        if groups.outside == Outside::Refuse {
            let first = first_outside::<I>(&groups);
            if first != usize::MAX {
                return Err(first);
            }
        }
        match (axes.last(), tile) {
            (Some(last), Elements::Dense(bytes)) if last.output_step != 0 && last.length >= ROW_MIN => {
                self.absorb_rows::<I>(bytes, axes, base, &groups);
            }
            _ => self.scatter_box(tile, axes, base, &groups, 0, elements),
        }
        Ok(())
    }

    fn absorb_either<I: InstructionSet>(&mut self, tile: Elements<'_>, axes: &[TileAxis], base: usize) {
        match tile {
            Elements::Dense(bytes) => self.absorb::<I>(bytes, axes, base, 0),
            Elements::Uniform(element) => self.absorb_constant(element, axes, base, 0),
        }
    }

    /// Rows of kept columns: those of one label, and neighbours that have the same, go through the kernels.
    fn absorb_rows<I: InstructionSet>(&mut self, bytes: &[u8], axes: &[TileAxis], base: usize, groups: &Groups<'_>) {
        let (last, outer) = (axes[axes.len() - 1], &axes[..axes.len() - 1]);
        let size = self.dtype.size();
        let rows: usize = outer.iter().map(|axis| axis.length).product();
        // Rows along a reduced axis have the same outputs.
        let joins = outer.last().filter(|axis| axis.output_step == 0).map_or(1, |axis| axis.length);
        let mut row = 0;
        while row < rows {
            let first = row * last.length;
            let label = groups.labels.at(first);
            let same = |row: usize| groups.labels.part(row * last.length, last.length).all(label);
            if label >= groups.count && same(row) {
                row += 1;
                continue;
            }
            let left = joins - row % joins;
            let count = (0..left).take_while(|step| same(row + step)).count();
            if count == 0 {
                self.scatter_box(Elements::Dense(bytes), axes, base, groups, first, last.length);
                row += 1;
                continue;
            }
            let output = (base as i64 + offset(axes, first)) as usize + label * groups.stride;
            let part = [TileAxis { length: count, output_step: 0, index_step: 0 }, last];
            self.absorb::<I>(&bytes[first * size..(first + count * last.length) * size], &part, output, 0);
            row += count;
        }
    }

    /// Scatters the elements `from..from + count` of a box.
    fn scatter_box(&mut self, tile: Elements<'_>, axes: &[TileAxis], base: usize, groups: &Groups<'_>, from: usize, count: usize) {
        let mut walk = Odometer::new(axes, base, from);
        let (mut places, mut outputs) = ([0_u32; CHUNK], [0_usize; CHUNK]);
        let mut element = from;
        while element < from + count {
            let end = (from + count).min(element + CHUNK);
            let mut filled = 0;
            for at in element..end {
                let label = groups.labels.at(at);
                places[filled] = at as u32;
                outputs[filled] = walk.next().wrapping_add(label.wrapping_mul(groups.stride));
                filled += usize::from(label < groups.count);
            }
            self.scatter(tile, &places[..filled], &outputs[..filled]);
            element = end;
        }
    }
}

fn first_outside<I: InstructionSet>(groups: &Groups<'_>) -> usize {
    let mut first = usize::MAX;
    I::enter(FirstOutside { labels: groups.labels, count: groups.count, first: &mut first });
    first
}

/// How far the output of an element of a box lies from that of its first.
fn offset(axes: &[TileAxis], element: usize) -> i64 {
    let (mut rest, mut output) = (element, 0);
    for axis in axes.iter().rev() {
        output += (rest % axis.length) as i64 * axis.output_step;
        rest /= axis.length;
    }
    output
}

/// The outputs of the elements of a box, one after the other.
struct Odometer<'a> {
    axes: &'a [TileAxis],
    at: [usize; TILE_AXES_MAX],
    output: i64,
}

impl<'a> Odometer<'a> {
    fn new(axes: &'a [TileAxis], base: usize, from: usize) -> Self {
        let mut at = [0; TILE_AXES_MAX];
        let mut rest = from;
        for axis in (0..axes.len()).rev() {
            at[axis] = rest % axes[axis].length;
            rest /= axes[axis].length;
        }
        Odometer { axes, at, output: base as i64 + offset(axes, from) }
    }

    /// The output of this element; moves on to the next.
    #[inline(always)]
    fn next(&mut self) -> usize {
        let output = self.output as usize;
        for axis in (0..self.axes.len()).rev() {
            self.at[axis] += 1;
            self.output += self.axes[axis].output_step;
            if self.at[axis] < self.axes[axis].length {
                break;
            }
            self.output -= self.at[axis] as i64 * self.axes[axis].output_step;
            self.at[axis] = 0;
        }
        output
    }
}
