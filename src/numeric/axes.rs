//! The box a tile covers: how its axes run over outputs and indices, and the walk that turns any box into the
//! three shapes the kernels know: a run into one output, rows over columns, and outer loops around those.

/// One axis of a tile, in C order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TileAxis {
    /// Elements along the axis.
    pub length: usize,
    /// Outputs moved per step; 0 = the axis is reduced.
    pub output_step: i64,
    /// Step of the element's global linear index.
    pub index_step: i64,
}

/// Axes longer than one that a box may have after coalescing. A tile of `2^16` elements cannot have more.
pub const TILE_AXES_MAX: usize = 16;

/// Axes with the length 1 ones dropped and compatible neighbours joined.
#[derive(Clone, Copy)]
pub(super) struct Coalesced {
    axes: [TileAxis; TILE_AXES_MAX],
    rank: usize,
}

impl Coalesced {
    /// Joins `axes`; where `indexed`, only neighbours whose index steps fit too. `None` for a box without elements.
    ///
    /// # Panics
    /// If more than [`TILE_AXES_MAX`] axes are left: the box is then larger than any tile.
    #[inline(always)]
    pub(super) fn new(axes: &[TileAxis], indexed: bool) -> Option<Self> {
        let mut joined = Self { axes: [TileAxis::default(); TILE_AXES_MAX], rank: 0 };
        for axis in axes {
            if axis.length == 0 {
                return None;
            }
            if axis.length == 1 {
                continue;
            }
            if joined.rank > 0 {
                let last = &mut joined.axes[joined.rank - 1];
                let fits = last.output_step == axis.output_step.wrapping_mul(axis.length as i64)
                    && (!indexed || last.index_step == axis.index_step.wrapping_mul(axis.length as i64));
                if fits {
                    *last = TileAxis { length: last.length * axis.length, ..*axis };
                    continue;
                }
            }
            assert!(joined.rank < TILE_AXES_MAX, "a tile has at most {TILE_AXES_MAX} axes longer than one");
            joined.axes[joined.rank] = *axis;
            joined.rank += 1;
        }
        Some(joined)
    }

    #[inline(always)]
    pub(super) fn axes(&self) -> &[TileAxis] {
        &self.axes[..self.rank]
    }
}

/// The outputs a column block goes to: column `j` to `first + j * step`.
#[derive(Clone, Copy)]
pub(super) struct Columns {
    pub first: usize,
    pub step: i64,
    pub count: usize,
}

impl Columns {
    #[inline(always)]
    pub(super) fn output(&self, column: usize) -> usize {
        (self.first as i64 + column as i64 * self.step) as usize
    }

    /// The columns `from..from + count` of these.
    #[inline(always)]
    pub(super) fn part(&self, from: usize, count: usize) -> Self {
        Self { first: self.output(from), step: self.step, count }
    }
}

/// Rows of a column block: `count` rows, each `stride` elements after the one before.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    pub count: usize,
    pub stride: usize,
}

/// Where the elements of a run or a column block lie: linear indices, counted from the first element of the box.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Indices {
    pub first: i64,
    pub row_step: i64,
    pub column_step: i64,
}

/// What a state does with the two inner shapes of a box of elements `C`.
pub(super) trait Absorb<C> {
    /// Whether the places of elements count.
    const INDEXED: bool = false;
    /// Where the elements of the next run (its elements are columns) or column block lie.
    #[inline(always)]
    fn at(&mut self, _indices: Indices) {}
    /// All of `cells` into `output`.
    fn run(&mut self, cells: &[C], output: usize);
    /// The element at row `i`, column `j` is `cells[i * rows.stride + j]` and goes to output `j` of `columns`.
    fn columns(&mut self, cells: &[C], rows: Rows, columns: Columns);
}

/// A loop over a tile that is compiled once per instruction set.
pub trait Piece {
    /// Runs the loop. Inlined wholly into the function that carries the target features.
    fn go(self);
}

/// An instruction set that pieces can be compiled for. The kernel floor has one type per set.
pub trait InstructionSet {
    /// Runs `piece` in a function compiled for the set.
    fn enter<P: Piece>(piece: P);
    /// Asks for memory that will be read soon. A hint that may do nothing.
    fn prefetch(_bytes: &[u8]) {}
}

/// What every CPU of the architecture has.
pub struct Baseline;

impl InstructionSet for Baseline {
    #[inline(never)]
    fn enter<P: Piece>(piece: P) {
        piece.go();
    }
}

/// Feeds the box `axes` of `cells` to `state`.
pub(super) struct Walk<'a, C, S> {
    pub state: &'a mut S,
    pub cells: &'a [C],
    pub axes: &'a [TileAxis],
    pub base: usize,
}

impl<C, S: Absorb<C>> Piece for Walk<'_, C, S> {
    #[inline(always)]
    fn go(self) {
        let Some(joined) = Coalesced::new(self.axes, S::INDEXED) else { return };
        let one = [TileAxis { length: 1, ..TileAxis::default() }];
        let axes = if joined.axes().is_empty() { &one } else { joined.axes() };
        walk_outer(self.state, self.cells, axes, self.base);
    }
}

/// Outer loops around the runs or column blocks of a box with at least one axis.
#[inline(always)]
fn walk_outer<C, S: Absorb<C>>(state: &mut S, cells: &[C], axes: &[TileAxis], base: usize) {
    let (last, outer) = (axes[axes.len() - 1], &axes[..axes.len() - 1]);
    let mut strides = [0_usize; TILE_AXES_MAX];
    let mut stride = last.length;
    for axis in (0..outer.len()).rev() {
        strides[axis] = stride;
        stride *= outer[axis].length;
    }
    // Under kept columns the longest reduced axis makes the rows; all others are looped over.
    let mut rows_axis = usize::MAX;
    if last.output_step != 0 {
        for (axis, outer_axis) in outer.iter().enumerate() {
            if outer_axis.output_step == 0 && (rows_axis == usize::MAX || outer_axis.length > outer[rows_axis].length) {
                rows_axis = axis;
            }
        }
    }
    let rows = match outer.get(rows_axis) {
        Some(axis) => Rows { count: axis.length, stride: strides[rows_axis] },
        None => Rows { count: 1, stride: last.length },
    };
    let row_step = outer.get(rows_axis).map_or(0, |axis| axis.index_step);
    let mut at = [0_usize; TILE_AXES_MAX];
    let (mut cell, mut output, mut index) = (0_usize, base as i64, 0_i64);
    loop {
        if S::INDEXED {
            state.at(Indices { first: index, row_step, column_step: last.index_step });
        }
        if last.output_step == 0 {
            state.run(&cells[cell..cell + last.length], output as usize);
        } else {
            state.columns(&cells[cell..], rows, Columns { first: output as usize, step: last.output_step, count: last.length });
        }
        let mut axis = outer.len();
        loop {
            if axis == 0 {
                return;
            }
            axis -= 1;
            if axis == rows_axis {
                continue;
            }
            at[axis] += 1;
            cell += strides[axis];
            output += outer[axis].output_step;
            index += outer[axis].index_step;
            if at[axis] < outer[axis].length {
                break;
            }
            cell -= at[axis] * strides[axis];
            output -= at[axis] as i64 * outer[axis].output_step;
            index -= at[axis] as i64 * outer[axis].index_step;
            at[axis] = 0;
        }
    }
}

/// Calls `visit(element, output, index)` for every element of the box, in C order. For rare and cold paths.
pub(super) fn each_element(axes: &[TileAxis], base: usize, index: i64, mut visit: impl FnMut(usize, usize, i64)) {
    let Some(joined) = Coalesced::new(axes, true) else { return };
    let axes = joined.axes();
    let total: usize = axes.iter().map(|axis| axis.length).product();
    for element in 0..total {
        let (mut rest, mut output, mut linear) = (element, base as i64, index);
        for axis in axes.iter().rev() {
            let at = (rest % axis.length) as i64;
            rest /= axis.length;
            output += at * axis.output_step;
            linear += at * axis.index_step;
        }
        visit(element, output as usize, linear);
    }
}
