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
    /// Runs `piece` in a function compiled for the set, and for that piece alone: loops become vectors, or not, by what else is in
    /// their function.
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

/// Bytes that are asked for ahead of what is folded: two dozen lines are under way at a time, and what kernels of panels keep has to
/// fit the first cache beside them.
pub(crate) const AHEAD_BYTES: usize = 6144;

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
        let Walk { state, cells, axes, base } = self;
        let Some(mut outer) = Outer::new(axes, S::INDEXED, base) else { return };
        let Outer { last, rows, row_step, .. } = outer;
        loop {
            let Place { cell, output, index } = outer.place;
            if S::INDEXED {
                state.at(Indices { first: index, row_step, column_step: last.index_step });
            }
            if last.output_step == 0 {
                state.run(&cells[cell..cell + last.length], output as usize);
            } else {
                state.columns(&cells[cell..], rows, Columns { first: output as usize, step: last.output_step, count: last.length });
            }
            if !outer.step() {
                return;
            }
        }
    }
}

/// Where a run or a column block begins.
#[derive(Clone, Copy, Default)]
struct Place {
    cell: usize,
    output: i64,
    index: i64,
}

/// An axis that is looped over.
#[derive(Clone, Copy, Default)]
struct Loop {
    length: usize,
    at: usize,
    /// From a step to the next.
    step: Place,
}

impl Loop {
    /// One step on, or back to the first if there is no other. Whether there was.
    #[inline(always)]
    fn step(&mut self, place: &mut Place) -> bool {
        if self.at + 1 < self.length {
            self.at += 1;
            place.cell += self.step.cell;
            place.output += self.step.output;
            place.index += self.step.index;
            return true;
        }
        place.cell -= self.at * self.step.cell;
        place.output -= self.at as i64 * self.step.output;
        place.index -= self.at as i64 * self.step.index;
        self.at = 0;
        false
    }
}

/// The loops around the runs or column blocks of a box. It knows no element and no state, so that it is compiled once and not
/// with every walk; only the step to the next neighbour is.
struct Outer {
    /// Innermost first.
    loops: [Loop; TILE_AXES_MAX],
    rank: usize,
    place: Place,
    /// The axis of a run, or of the columns.
    last: TileAxis,
    rows: Rows,
    row_step: i64,
}

impl Outer {
    /// `None` for a box without elements.
    #[inline(never)]
    fn new(axes: &[TileAxis], indexed: bool, base: usize) -> Option<Outer> {
        let joined = Coalesced::new(axes, indexed)?;
        let one = TileAxis { length: 1, ..TileAxis::default() };
        let (last, around) = joined.axes().split_last().unwrap_or((&one, &[]));
        // Under kept columns the longest reduced axis makes the rows, the first of several; all others are looped over.
        let mut rows_axis = None;
        if last.output_step != 0 {
            for (axis, of) in around.iter().enumerate().filter(|(_, of)| of.output_step == 0) {
                if rows_axis.is_none_or(|longest: usize| of.length > around[longest].length) {
                    rows_axis = Some(axis);
                }
            }
        }
        let rows = Rows { count: 1, stride: last.length };
        let place = Place { output: base as i64, ..Place::default() };
        let mut outer = Outer { loops: [Loop::default(); TILE_AXES_MAX], rank: 0, place, last: *last, rows, row_step: 0 };
        let mut stride = last.length;
        for (axis, of) in around.iter().enumerate().rev() {
            if rows_axis == Some(axis) {
                outer.rows = Rows { count: of.length, stride };
                outer.row_step = of.index_step;
            } else {
                let step = Place { cell: stride, output: of.output_step, index: of.index_step };
                outer.loops[outer.rank] = Loop { length: of.length, at: 0, step };
                outer.rank += 1;
            }
            stride *= of.length;
        }
        Some(outer)
    }

    /// To the next run or column block, if there is one.
    #[inline(always)]
    fn step(&mut self) -> bool {
        self.loops[0].step(&mut self.place) || self.carry()
    }

    /// The step of the loops around the innermost one.
    #[inline(never)]
    fn carry(&mut self) -> bool {
        let place = &mut self.place;
        self.loops[..self.rank].iter_mut().skip(1).any(|axis| axis.step(place))
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
