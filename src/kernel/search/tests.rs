//! Places against comparisons with every element of the table.

use super::{SearchTable, search};
use crate::{
    kernel::{
        oracle::Bits,
        program::{Search, Table},
        simd::{Isa, kernels},
    },
    nd::{DType, Scalar},
    numeric::Baseline,
};

/// What comparisons say. NaN is above all else.
fn places(table: &[f64], what: Search, elements: &[f64]) -> Vec<i64> {
    let less = |a: f64, b: f64| a < b || (!a.is_nan() && b.is_nan());
    let one = |&element: &f64| {
        let below = table.iter().filter(|edge| less(**edge, element)).count() as i64;
        let above = table.iter().filter(|edge| less(element, **edge)).count() as i64;
        let right = table.len() as i64 - above;
        match what {
            Search::Left => below,
            Search::Right => right,
            Search::Bin if table.len() < 2 || element.is_nan() => -1,
            Search::Bin if element == table[table.len() - 1] => table.len() as i64 - 2,
            Search::Bin if right == table.len() as i64 => -1,
            Search::Bin => right - 1,
        }
    };
    elements.iter().map(one).collect()
}

fn found(dtype: DType, table: (DType, &[f64]), what: Search, elements: &[f64]) -> Vec<i64> {
    let scalar = |dtype: DType, value: f64| if dtype.is_float() { Scalar::Float(value) } else { Scalar::Int(value as i128) };
    let bits = table.1.iter().map(|edge| {
        let mut word = [0; 8];
        word[..table.0.size()].copy_from_slice(&scalar(table.0, *edge).to_bytes(table.0));
        u64::from_ne_bytes(word)
    });
    let made = SearchTable::new(&Table::new(table.0, bits.collect()), what, dtype);
    let bytes: Vec<u8> = elements.iter().flat_map(|element| scalar(dtype, *element).to_bytes(dtype)).collect();
    let size = if what == Search::Bin { 4 } else { 8 };
    let mut out = vec![0; elements.len() * size];
    // Tiles are aligned.
    let mut aligned = vec![0_u64; bytes.len().div_ceil(8)];
    bytemuck::cast_slice_mut(&mut aligned)[..bytes.len()].copy_from_slice(&bytes);
    search::<Baseline>(&made, &mut out, &bytemuck::cast_slice(&aligned)[..bytes.len()]);
    for isa in Isa::available() {
        let mut other = vec![0; out.len()];
        (kernels(isa).search)(&made, &mut other, &bytemuck::cast_slice(&aligned)[..bytes.len()]);
        assert_eq!(out, other, "{isa:?} {dtype}");
    }
    match what {
        Search::Bin => out.as_chunks().0.iter().map(|bytes| i64::from(i32::from_ne_bytes(*bytes))).collect(),
        _ => out.as_chunks().0.iter().map(|bytes| i64::from_ne_bytes(*bytes)).collect(),
    }
}

fn rounded(dtype: DType, value: f64) -> f64 {
    match dtype {
        DType::F16 => f64::from(half::f16::from_f64(value)),
        DType::BF16 => f64::from(half::bf16::from_f64(value)),
        DType::F32 => f64::from(value as f32),
        DType::F64 => value,
        dtype => value.trunc().clamp(if dtype.is_unsigned() { 0.0 } else { -128.0 }, 127.0) + 0.0,
    }
}

const WHATS: [Search; 3] = [Search::Left, Search::Right, Search::Bin];

#[test]
fn places_are_those_of_comparisons() {
    let mut bits = Bits(7);
    let dtypes = [DType::F16, DType::BF16, DType::F32, DType::F64, DType::I8, DType::U8, DType::I32, DType::U32, DType::I64, DType::U64];
    for round in 0..400 {
        let dtype = dtypes[round % dtypes.len()];
        let table_dtype = if dtype.is_float() || bits.below(2) == 0 { dtype } else { DType::F64 };
        let most = if bits.below(3) == 0 { 300 } else { 9 };
        let count = 1 + bits.below(most);
        let (low, width) = (bits.below(200) as f64 - 100.0, (1 + bits.below(1000)) as f64 / [1.0, 8.0, 1000.0][bits.below(3)]);
        let even = bits.below(2) == 0;
        let edge = |at: usize, bits: &mut Bits| if even { low + at as f64 * (width / count as f64) } else { low + bits.below(64) as f64 };
        let mut table: Vec<f64> = (0..count).map(|at| rounded(table_dtype, edge(at, &mut bits))).collect();
        table.sort_by(f64::total_cmp);
        let mut elements: Vec<f64> = Vec::new();
        for &edge in &table {
            elements.extend([edge, edge.next_up(), edge.next_down(), edge + 1e-3, edge + width / 7.0]);
        }
        elements.extend([f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 1e30, -1e30]);
        if !dtype.is_float() {
            elements.retain(|element| element.is_finite());
        }
        let elements: Vec<f64> = elements.into_iter().map(|element| rounded(dtype, element)).collect();
        for what in WHATS {
            let got = found(dtype, (table_dtype, &table), what, &elements);
            let want = places(&table, what, &elements);
            for (at, element) in elements.iter().enumerate() {
                assert_eq!(got[at], want[at], "{element} among {table:?} as {dtype} in {table_dtype}, {what:?}");
            }
        }
    }
}

#[test]
fn tables_may_end_in_nan() {
    let table = [1.0, 2.0, f64::NAN, f64::NAN];
    let elements = [0.5, 1.0, 2.0, 3.0, f64::INFINITY, f64::NAN];
    for dtype in [DType::F32, DType::F64] {
        assert_eq!(found(dtype, (dtype, &table), Search::Left, &elements), [0, 0, 1, 2, 2, 2]);
        assert_eq!(found(dtype, (dtype, &table), Search::Right, &elements), [0, 1, 2, 2, 2, 4]);
    }
    assert_eq!(found(DType::F64, (DType::F64, &[]), Search::Right, &elements), [0; 6]);
}

#[test]
fn large_whole_numbers_keep_their_order() {
    let table = Table::new(DType::U64, vec![0, 5, 1 << 63, u64::MAX]);
    let made = SearchTable::new(&table, Search::Right, DType::U64);
    let elements: [u64; 5] = [0, 4, 1 << 63, (1 << 63) - 1, u64::MAX];
    let mut out = [0_i64; 5];
    search::<Baseline>(&made, bytemuck::cast_slice_mut(&mut out), bytemuck::cast_slice(&elements));
    assert_eq!(out, [1, 1, 3, 2, 4]);
}
