//! Places of elements in a small sorted table: `searchsorted`, `digitize`, and the bins of a histogram.
//!
//! A table is prepared once for the elements that are looked up in it. Two ways lead to a place:
//!
//! - **keys** (`keys`): elements and table as integers that order as they do, NaN above all else, and a binary search without
//!   branches, many elements side by side;
//! - a **ruler** (`ruler`), where the table is a scale of floats with even steps: the place is computed, and compared with the
//!   table only where the computation leaves a doubt. How far it may be off is measured on the table itself.
//!
//! Both give the same places: those that comparisons with the table give.

mod keys;
mod ruler;
#[cfg(test)]
mod tests;

use crate::{
    kernel::{
        lane::Lane,
        program::{Search, Table},
    },
    nd::DType,
    numeric::{Baseline, InstructionSet, Piece},
};
use half::{bf16, f16};
use keys::{Key, KeyTable};
use ruler::{Mark, Ruler};

/// `(table, out, elements)`: places as `i64`, bins as `i32`.
pub(crate) type SearchKernel = fn(&SearchTable, &mut [u8], &[u8]);

/// Elements that are looked up side by side.
const LANES: usize = 16;
/// What is looked for, as constants of the loops.
const LEFT: u8 = 0;
const RIGHT: u8 = 1;
const BIN: u8 = 2;

/// A table, ready for elements of one dtype.
pub(crate) struct SearchTable {
    /// What elements are looked up as.
    dtype: DType,
    search: Search,
    form: Form,
    /// The places of all elements of one byte, if they have one.
    bytes: Vec<i32>,
}

/// A table by the type that elements are compared in.
enum Form {
    Single(KeyTable<i32>, Option<Ruler<f32>>),
    Double(KeyTable<i64>, Option<Ruler<f64>>),
    Whole(KeyTable<i64>),
}

impl SearchTable {
    /// Whether elements of `dtype` can be looked up in a table of `table`: they have its dtype, or are whole and meet `f64`.
    pub fn is_defined(dtype: DType, table: DType) -> bool {
        dtype == table || (table == DType::F64 && !dtype.is_float())
    }

    /// Bytes that a table of so many elements holds, prepared and in the program.
    pub fn bytes_max(length: usize) -> u64 {
        4 * 8 * length.next_power_of_two() as u64 + 4 * 256
    }

    /// Prepares `table` for elements of `dtype`.
    pub fn new(table: &Table, search: Search, dtype: DType) -> SearchTable {
        let form = match table.dtype {
            DType::F16 | DType::BF16 | DType::F32 => {
                let edges: Vec<f32> = table.floats().into_iter().map(|edge| edge as f32).collect();
                Form::Single(KeyTable::new(edges.iter().map(|edge| edge.key()).collect()), Ruler::new(&edges))
            }
            DType::F64 => {
                let edges = table.floats();
                let keys = KeyTable::new(edges.iter().map(|edge| edge.key()).collect());
                // Whole numbers often lie on the marks of a ruler, and never between them.
                let between = (!dtype.is_float() && search == Search::Bin).then(|| Ruler::between(&edges)).flatten();
                Form::Double(keys, between.or_else(|| Ruler::new(&edges)))
            }
            DType::U64 => Form::Whole(KeyTable::new(table.bits.iter().map(|bits| bits.key()).collect())),
            _ => Form::Whole(KeyTable::new(table.bits.iter().map(|bits| *bits as i64).collect())),
        };
        let mut made = SearchTable { dtype, search, form, bytes: Vec::new() };
        if dtype.size() == 1 {
            // Looked up as whole numbers, so that no loop over bytes has to exist.
            let all: Vec<i64> = (0..=u8::MAX)
                .map(|byte| match dtype {
                    DType::Bool => i64::from(byte != 0),
                    DType::I8 => i64::from(byte as i8),
                    _ => i64::from(byte),
                })
                .collect();
            let mut places = vec![0; all.len() * search.result().size()];
            made.dtype = DType::I64;
            self::search::<Baseline>(&made, &mut places, bytemuck::cast_slice(&all));
            made.bytes = match search {
                Search::Bin => places.as_chunks().0.iter().map(|bytes| i32::from_ne_bytes(*bytes)).collect(),
                _ => places.as_chunks().0.iter().map(|bytes| i64::from_ne_bytes(*bytes) as i32).collect(),
            };
        }
        made
    }
}

/// Looks elements up with the loops of `I`.
pub(crate) fn search<I: InstructionSet>(table: &SearchTable, out: &mut [u8], elements: &[u8]) {
    if let Ok(places) = <&[i32; 256]>::try_from(table.bytes.as_slice()) {
        return match table.search {
            Search::Bin => write_each::<BIN>(out, elements, places),
            _ => write_each::<LEFT>(out, elements, places),
        };
    }
    match (&table.form, table.dtype) {
        (Form::Single(keys, ruler), DType::F16) => floats::<I, f16>(table, keys, ruler.as_ref(), out, elements),
        (Form::Single(keys, ruler), DType::BF16) => floats::<I, bf16>(table, keys, ruler.as_ref(), out, elements),
        (Form::Single(keys, ruler), _) => floats::<I, f32>(table, keys, ruler.as_ref(), out, elements),
        (Form::Double(keys, ruler), DType::F64) => floats::<I, f64>(table, keys, ruler.as_ref(), out, elements),
        (Form::Double(_, Some(ruler)), _) => wholes::<I, f64, _>(table, ruler, out, elements),
        (Form::Double(keys, None), _) => wholes::<I, f64, _>(table, keys, out, elements),
        (Form::Whole(keys), DType::U64) => run::<I, u64, u64, _>(table, keys, out, elements),
        (Form::Whole(keys), _) => wholes::<I, i64, _>(table, keys, out, elements),
    }
}

fn floats<I: InstructionSet, L: Lane>(
    table: &SearchTable,
    keys: &KeyTable<<L::Wide as Key>::Of>,
    ruler: Option<&Ruler<L::Wide>>,
    out: &mut [u8],
    elements: &[u8],
) where
    L::Wide: Mark + Meet<L::Wide>,
{
    match ruler {
        Some(ruler) => run::<I, L, L::Wide, _>(table, ruler, out, elements),
        None => run::<I, L, L::Wide, _>(table, keys, out, elements),
    }
}

fn wholes<I: InstructionSet, W, F>(table: &SearchTable, find: &F, out: &mut [u8], elements: &[u8])
where
    W: Key + Meet<i16> + Meet<i32> + Meet<i64> + Meet<u16> + Meet<u32> + Meet<u64>,
    F: Find<W>,
{
    match table.dtype {
        DType::I16 => run::<I, i16, W, F>(table, find, out, elements),
        DType::I32 => run::<I, i32, W, F>(table, find, out, elements),
        DType::U16 => run::<I, u16, W, F>(table, find, out, elements),
        DType::U32 => run::<I, u32, W, F>(table, find, out, elements),
        DType::U64 => run::<I, u64, W, F>(table, find, out, elements),
        // Bytes have a table of all of them, which was made from these.
        _ => run::<I, i64, W, F>(table, find, out, elements),
    }
}

fn run<I: InstructionSet, L: Lane, W: Key + Meet<L::Wide>, F: Find<W>>(table: &SearchTable, find: &F, out: &mut [u8], elements: &[u8]) {
    let cells: &[L::Bits] = bytemuck::cast_slice(elements);
    match table.search {
        Search::Left => I::enter(Places::<L, W, F, LEFT> { find, out, cells, wide: std::marker::PhantomData }),
        Search::Right => I::enter(Places::<L, W, F, RIGHT> { find, out, cells, wide: std::marker::PhantomData }),
        Search::Bin => I::enter(Places::<L, W, F, BIN> { find, out, cells, wide: std::marker::PhantomData }),
    }
}

/// A type that elements are compared in, made from `T`.
trait Meet<T>: Copy + Default {
    fn meet(value: T) -> Self;
}

macro_rules! meets {
    ($($w:ty: $($t:ty)*;)*) => {$($(
        impl Meet<$t> for $w {
            #[inline(always)]
            fn meet(value: $t) -> $w { value as $w }
        }
    )*)*};
}
meets! {
    f32: f32;
    f64: f64 i16 i32 i64 u16 u32 u64;
    i64: i16 i32 i64 u16 u32 u64;
    u64: u64;
}

/// Finds the places of elements: how many of the table are smaller (`LEFT`), smaller or equal (`RIGHT`); the bin (`BIN`), or -1.
trait Find<W> {
    fn find<const WHAT: u8>(&self, elements: &[W; LANES]) -> [i32; LANES];
}

struct Places<'a, L: Lane, W, F, const WHAT: u8> {
    find: &'a F,
    out: &'a mut [u8],
    cells: &'a [L::Bits],
    wide: std::marker::PhantomData<W>,
}

impl<L: Lane, W: Meet<L::Wide>, F: Find<W>, const WHAT: u8> Piece for Places<'_, L, W, F, WHAT> {
    #[inline(always)]
    fn go(self) {
        let size = if WHAT == BIN { 4 } else { 8 };
        let (rows, tail) = self.cells.as_chunks::<LANES>();
        let (whole, rest) = self.out.split_at_mut(rows.len() * LANES * size);
        for (row, out) in rows.iter().zip(whole.chunks_exact_mut(LANES * size)) {
            let mut elements = [W::default(); LANES];
            for lane in 0..LANES {
                elements[lane] = W::meet(L::widen(row[lane]));
            }
            write::<WHAT>(out, &self.find.find::<WHAT>(&elements));
        }
        if !tail.is_empty() {
            let mut elements = [W::default(); LANES];
            for (element, cell) in elements.iter_mut().zip(tail) {
                *element = W::meet(L::widen(*cell));
            }
            write::<WHAT>(rest, &self.find.find::<WHAT>(&elements));
        }
    }
}

/// Looks the places of bytes up.
fn write_each<const WHAT: u8>(out: &mut [u8], elements: &[u8], places: &[i32; 256]) {
    if WHAT == BIN {
        for (out, element) in out.as_chunks_mut::<4>().0.iter_mut().zip(elements) {
            *out = places[usize::from(*element)].to_ne_bytes();
        }
    } else {
        for (out, element) in out.as_chunks_mut::<8>().0.iter_mut().zip(elements) {
            *out = i64::from(places[usize::from(*element)]).to_ne_bytes();
        }
    }
}

#[inline(always)]
fn write<const WHAT: u8>(out: &mut [u8], places: &[i32; LANES]) {
    if WHAT == BIN {
        for (out, place) in out.as_chunks_mut::<4>().0.iter_mut().zip(places) {
            *out = place.to_ne_bytes();
        }
    } else {
        for (out, place) in out.as_chunks_mut::<8>().0.iter_mut().zip(places) {
            *out = i64::from(*place).to_ne_bytes();
        }
    }
}
