//! Runs: elements that a sum reads one after the other, from a tile or made on the fly from tiles.
//!
//! A run is read by rows of [`ROW`] lanes. The kernel floor makes runs out of an operation or two, so that what is only
//! summed is never written down; a run of cells is the plain case of the same loop, and gives the same bits.

use super::{
    axes::{AHEAD_BYTES, InstructionSet, Piece},
    element::Float,
};
use std::marker::PhantomData;

/// Elements of a row. In f64 they fill half of the AVX-512 registers, or all of AVX2.
pub(crate) const ROW: usize = 64;
/// Rows of a piece of a compensated sum, which is summed plainly: with the trees of the lanes and the rest an element meets at
/// most 127 additions.
pub(super) const PIECE_ROWS: usize = 117;
/// Runs that are shorter are not worth a tree of [`ROW`] lanes.
pub(crate) const RUN_MIN: usize = ROW;

/// Elements to be summed.
pub(crate) trait Run: Copy {
    /// Their type.
    type Element: Float;
    /// A row: where its elements are, or what they are made from.
    type Row: Copy;
    /// Whether elements are computed, not read.
    const IS_MADE: bool;
    /// Number of elements.
    fn len(self) -> usize;
    /// One of the `len() / ROW` whole rows.
    fn row(self, row: usize) -> Self::Row;
    /// One of the [`ROW`] elements of a row.
    fn value(row: Self::Row, lane: usize) -> Self::Element;
    /// One element.
    fn at(self, index: usize) -> Self::Element;
}

/// The elements of a tile, as they are.
pub(crate) struct Cells<'a, T: Float> {
    rows: &'a [[T::Bytes; ROW]],
    all: &'a [T::Bytes],
}

impl<'a, T: Float> Cells<'a, T> {
    #[inline(always)]
    pub(crate) fn new(all: &'a [T::Bytes]) -> Self {
        Cells { rows: all.as_chunks().0, all }
    }
}

impl<T: Float> Clone for Cells<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T: Float> Copy for Cells<'_, T> {}

impl<'a, T: Float> Run for Cells<'a, T> {
    type Element = T;
    type Row = &'a [T::Bytes; ROW];
    const IS_MADE: bool = false;
    #[inline(always)]
    fn len(self) -> usize {
        self.all.len()
    }
    #[inline(always)]
    fn row(self, row: usize) -> Self::Row {
        &self.rows[row]
    }
    #[inline(always)]
    fn value(row: Self::Row, lane: usize) -> T {
        T::read(row[lane])
    }
    #[inline(always)]
    fn at(self, index: usize) -> T {
        T::read(self.all[index])
    }
}

/// What is asked for while a piece is folded: the bytes that lie [`AHEAD_BYTES`] behind its own. The caches bring in by themselves what
/// is read in order, but not across pages, and not while a piece is settled.
pub(super) struct Ahead<'c, I> {
    bytes: &'c [u8],
    set: PhantomData<I>,
}

impl<I> Clone for Ahead<'_, I> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<I> Copy for Ahead<'_, I> {}

impl<'c, I: InstructionSet> Ahead<'c, I> {
    /// Of the piece that begins with `cells` and is followed by the rest of them.
    #[inline(always)]
    pub(super) fn of<T: Float>(cells: &'c [T::Bytes]) -> Self {
        Ahead { bytes: T::flat(cells).get(AHEAD_BYTES..).unwrap_or_default(), set: PhantomData }
    }

    /// For what the cache holds.
    pub(super) const NONE: Self = Ahead { bytes: &[], set: PhantomData };

    /// [`Ahead::ask`] for loops that take `BYTES` at a time, and have less to do than it has.
    #[inline(always)]
    pub(super) fn each<const BYTES: usize>(self) -> impl Fn(usize) + use<'c, I, BYTES> {
        let pieces: &'c [[u8; BYTES]] = self.bytes.as_chunks().0;
        move |at| {
            if let Some(piece) = pieces.get(at) {
                I::prefetch(piece);
            }
        }
    }

    /// To be called when `count` bytes of the piece are read, from byte `first` on.
    #[inline(always)]
    pub(super) fn ask(self, first: usize, count: usize) {
        if let Some(bytes) = self.bytes.get(first..first + count) {
            I::prefetch(bytes);
        }
    }
}

/// Cells, and what lies ahead of them: whoever takes a row asks for a later one.
pub(crate) struct CellsAhead<'a, I, T: Float> {
    cells: Cells<'a, T>,
    ahead: Ahead<'a, I>,
}

impl<'a, I: InstructionSet, T: Float> CellsAhead<'a, I, T> {
    #[inline(always)]
    pub(crate) fn new(all: &'a [T::Bytes]) -> Self {
        CellsAhead::piece(all, Ahead::of::<T>(all))
    }

    #[inline(always)]
    pub(super) fn piece(cells: &'a [T::Bytes], ahead: Ahead<'a, I>) -> Self {
        CellsAhead { cells: Cells::new(cells), ahead }
    }
}

impl<I, T: Float> Clone for CellsAhead<'_, I, T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<I, T: Float> Copy for CellsAhead<'_, I, T> {}

impl<'a, I: InstructionSet, T: Float> Run for CellsAhead<'a, I, T> {
    type Element = T;
    type Row = <Cells<'a, T> as Run>::Row;
    const IS_MADE: bool = false;
    #[inline(always)]
    fn len(self) -> usize {
        self.cells.len()
    }
    #[inline(always)]
    fn row(self, row: usize) -> Self::Row {
        let row_bytes = ROW * size_of::<T::Bytes>();
        self.ahead.ask(row * row_bytes, row_bytes);
        self.cells.row(row)
    }
    #[inline(always)]
    fn value(row: Self::Row, lane: usize) -> T {
        Cells::value(row, lane)
    }
    #[inline(always)]
    fn at(self, index: usize) -> T {
        self.cells.at(index)
    }
}

/// A quarter of a row: few enough lanes for the compiler to unroll the loop over them, which is what keeps them in registers.
pub(super) const PART: usize = ROW / 4;
/// What the lanes of a piece sum to, four and four added up.
pub(super) type PieceLanes = [f64; PART];

/// The sums of the lanes of one piece of `run`, the rows from `first` on, to be compiled for an instruction set. The loop alone:
/// lanes that are wholly added up in the same function are not kept in registers.
struct LanesOf<'a, R, const SQUARES: bool> {
    run: R,
    first: usize,
    elements: usize,
    sums: &'a mut PieceLanes,
    squares: &'a mut PieceLanes,
}

impl<R: Run, const SQUARES: bool> Piece for LanesOf<'_, R, SQUARES> {
    #[inline(always)]
    fn go(self) {
        let (rows, rest) = (self.elements / ROW, self.elements % ROW);
        // Lanes start at -0.0, so that only negative zeros sum to one.
        let [mut sums0, mut sums1, mut sums2, mut sums3] = [[-0.0_f64; PART]; 4];
        let [mut squares0, mut squares1, mut squares2, mut squares3] = [[0.0_f64; PART]; 4];
        for row in self.first..self.first + rows {
            let row = self.run.row(row);
            add_part::<R, 0, SQUARES>(row, &mut sums0, &mut squares0);
            add_part::<R, PART, SQUARES>(row, &mut sums1, &mut squares1);
            add_part::<R, { 2 * PART }, SQUARES>(row, &mut sums2, &mut squares2);
            add_part::<R, { 3 * PART }, SQUARES>(row, &mut sums3, &mut squares3);
        }
        for lane in 0..PART {
            self.sums[lane] = (sums0[lane] + sums1[lane]) + (sums2[lane] + sums3[lane]);
        }
        if SQUARES {
            for lane in 0..PART {
                self.squares[lane] = (squares0[lane] + squares1[lane]) + (squares2[lane] + squares3[lane]);
            }
        }
        for lane in 0..rest {
            let value = self.run.at((self.first + rows) * ROW + lane).widen();
            self.sums[lane % PART] += value;
            if SQUARES {
                self.squares[lane % PART] += value * value;
            }
        }
    }
}

#[inline(always)]
fn add_part<R: Run, const FIRST: usize, const SQUARES: bool>(row: R::Row, sums: &mut [f64; PART], squares: &mut [f64; PART]) {
    for lane in 0..PART {
        let value = R::value(row, FIRST + lane).widen();
        sums[lane] += value;
        if SQUARES {
            squares[lane] += value * value;
        }
    }
}

/// Calls `piece(sums, sums of squares, elements)` with the lanes of every piece of `run` of at most so many rows (squares: 0
/// unless asked for).
pub(super) fn each_piece<I: InstructionSet, R: Run, const SQUARES: bool>(
    run: R,
    rows_max: usize,
    mut piece: impl FnMut(&PieceLanes, &PieceLanes, u64),
) {
    let whole = run.len() / ROW;
    let mut first = 0;
    while first * ROW < run.len() {
        let end = whole.min(first.saturating_add(rows_max));
        // The last piece takes the row that is not whole.
        let elements = if end == whole { run.len() } else { end * ROW } - first * ROW;
        let (mut sums, mut squares) = ([0.0; PART], [0.0; PART]);
        I::enter(LanesOf::<R, SQUARES> { run, first, elements, sums: &mut sums, squares: &mut squares });
        piece(&sums, &squares, elements as u64);
        first += elements.div_ceil(ROW);
    }
}

/// Adds the lanes up as a binary tree, without an index that is not a constant.
pub(super) fn fold_lanes(lanes: &PieceLanes) -> f64 {
    let lanes: [f64; 8] = halve(lanes);
    let lanes: [f64; 4] = halve(&lanes);
    let [even, odd]: [f64; 2] = halve(&lanes);
    even + odd
}

#[inline(always)]
fn halve<const ALL: usize, const HALF: usize>(lanes: &[f64; ALL]) -> [f64; HALF] {
    const { assert!(ALL == 2 * HALF) };
    let mut sums = [0.0; HALF];
    for lane in 0..HALF {
        sums[lane] = lanes[lane] + lanes[lane + HALF];
    }
    sums
}
