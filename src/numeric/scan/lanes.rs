//! How a block is walked: groups of neighbouring lines, cut into panels of as many lines as a kernel has lanes.

use super::ScanBlock;

/// Lanes of a panel of neighbouring columns: a line of memory of f32.
pub(super) const WIDE: usize = 16;
/// Lanes of a panel of lines that lie apart: enough to hide the latency of one.
pub(super) const APART: usize = 4;

/// The running state of `P` lines.
pub(super) trait Lanes<const P: usize> {
    /// The bytes of an element.
    type Cell: Copy;
    /// Takes one element of every line; what the scan is there.
    fn step(&mut self, row: &[Self::Cell; P]) -> [Self::Cell; P];
}

/// Lines of a block: row `i` of line `j` is the element `first + i * row_step + j * column_step`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    pub first: usize,
    pub rows: usize,
    pub row_step: usize,
    pub columns: usize,
    pub column_step: usize,
    /// State of the first line, and from a line to the next.
    pub line: usize,
    pub line_step: usize,
}

impl Reach {
    /// The columns `from..from + count`.
    #[inline(always)]
    pub(super) fn part(self, from: usize, count: usize) -> Reach {
        Reach { first: self.first + from * self.column_step, line: self.line + from * self.line_step, columns: count, ..self }
    }

    /// The rows `from..to`.
    #[inline(always)]
    pub(super) fn rows(self, from: usize, to: usize) -> Reach {
        Reach { first: self.first + from * self.row_step, rows: to - from, ..self }
    }

    /// Whether columns and their states are neighbours.
    #[inline(always)]
    pub(super) fn is_dense(self) -> bool {
        self.column_step == 1 && self.line_step == 1
    }

    #[inline(always)]
    pub(super) fn line(self, column: usize) -> usize {
        self.line + column * self.line_step
    }
}

/// The groups of a block, one after the other in C order of what is not in a group.
pub(super) struct Groups<'a> {
    block: &'a ScanBlock<'a>,
    /// One group; the others differ in their first element and line.
    form: Reach,
    /// Axes that are looped over: length, elements and lines per step.
    outer: Vec<(usize, usize, i64)>,
    at: Vec<usize>,
    done: bool,
}

impl<'a> Groups<'a> {
    pub(super) fn new(block: &'a ScanBlock<'a>) -> Self {
        let rank = block.shape.len();
        let mut steps = vec![1; rank];
        for axis in (1..rank).rev() {
            steps[axis - 1] = steps[axis] * block.shape[axis];
        }
        let (rows, row_step) = (block.shape[block.axis], steps[block.axis]);
        let mut form = Reach { first: 0, rows, row_step, columns: 1, column_step: 1, line: block.base, line_step: 1 };
        // Neighbours behind the axis whose states are neighbours too; without any, the last axis before it.
        let mut grouped = vec![false; rank];
        grouped[block.axis] = true;
        for axis in (block.axis + 1..rank).rev().filter(|&axis| block.shape[axis] > 1) {
            if block.steps[axis] != form.columns as i64 {
                break;
            }
            form.columns *= block.shape[axis];
            grouped[axis] = true;
        }
        if form.columns == 1
            && let Some(axis) = (0..block.axis).rev().find(|&axis| block.shape[axis] > 1)
        {
            grouped[axis] = true;
            (form.columns, form.column_step, form.line_step) = (block.shape[axis], steps[axis], block.steps[axis] as usize);
        }
        let outer: Vec<_> = (0..rank)
            .filter(|&axis| !grouped[axis] && block.shape[axis] > 1)
            .map(|axis| (block.shape[axis], steps[axis], block.steps[axis]))
            .collect();
        Groups { block, form, at: vec![0; outer.len()], outer, done: false }
    }

    /// The next group.
    pub(super) fn next(&mut self) -> Option<Reach> {
        if self.done {
            return None;
        }
        let mut group = self.form;
        let mut line = self.block.base as i64;
        for (at, (_, elements, lines)) in self.at.iter().zip(&self.outer) {
            group.first += at * elements;
            line += *at as i64 * lines;
        }
        group.line = line as usize;
        self.done = true;
        for (at, (length, ..)) in self.at.iter_mut().zip(&self.outer).rev() {
            *at += 1;
            if *at < *length {
                self.done = false;
                break;
            }
            *at = 0;
        }
        Some(group)
    }
}

/// Runs `lanes` over the rows of at most `P` columns.
#[inline(always)]
pub(super) fn run<const P: usize, L: Lanes<P>>(lanes: &mut L, pad: L::Cell, reach: Reach, input: &[L::Cell], output: &mut [L::Cell]) {
    if reach.columns == P && reach.column_step == 1 {
        for row in 0..reach.rows {
            let at = reach.first + row * reach.row_step;
            let taken: &[L::Cell; P] = input[at..].first_chunk().expect("a panel lies within its block");
            let given: &mut [L::Cell; P] = output[at..].first_chunk_mut().expect("a panel lies within its block");
            *given = lanes.step(taken);
        }
        return;
    }
    let last = reach.first + (reach.rows - 1) * reach.row_step + (reach.columns - 1) * reach.column_step;
    let (input, output) = (&input[..=last], &mut output[..=last]);
    for row in 0..reach.rows {
        let at = reach.first + row * reach.row_step;
        let mut taken = [pad; P];
        for lane in 0..P {
            if lane < reach.columns {
                taken[lane] = input[at + lane * reach.column_step];
            }
        }
        let given = lanes.step(&taken);
        for lane in 0..P {
            if lane < reach.columns {
                output[at + lane * reach.column_step] = given[lane];
            }
        }
    }
}
