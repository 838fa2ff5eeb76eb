//! Small sorted tables that elements are looked up in.

use crate::nd::{DType, Element, Scalar};
use half::{bf16, f16};
use serde::{Deserialize, Serialize};

/// What of an element's place in a sorted table is asked. NaN is above all else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Search {
    /// How many of the table are smaller, as `i64`.
    Left,
    /// How many of the table are smaller or equal, as `i64`.
    Right,
    /// The bin between two edges of the table, as `i32`: closed below, the last one on both sides; -1 outside and of NaN.
    Bin,
}

impl Search {
    /// Dtype of the places.
    #[must_use]
    pub fn result(self) -> DType {
        if self == Search::Bin { DType::I32 } else { DType::I64 }
    }
}

/// A sorted one-dimensional table.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Table {
    /// Dtype of the elements.
    pub dtype: DType,
    /// Their native bits; integers extended to 64 bits by their sign.
    pub bits: Vec<u64>,
}

/// Most elements of a table.
pub const TABLE_MAX: usize = 1 << 16;

impl Table {
    /// A table of native bits, the lowest bytes of each word.
    #[must_use]
    pub fn new(dtype: DType, mut bits: Vec<u64>) -> Table {
        let unused = 64 - 8 * dtype.size() as u32;
        for word in &mut bits {
            let high = *word << unused;
            *word = if dtype.is_integer() && !dtype.is_unsigned() { (high as i64 >> unused) as u64 } else { high >> unused };
        }
        Table { dtype, bits }
    }

    /// A table of native bytes.
    #[must_use]
    pub fn from_bytes(dtype: DType, bytes: &[u8]) -> Table {
        let word = |element: &[u8]| {
            let mut word = [0; 8];
            word[..element.len()].copy_from_slice(element);
            u64::from_ne_bytes(word)
        };
        Table::new(dtype, bytes.chunks_exact(dtype.size()).map(word).collect())
    }

    /// The dtype that elements of `elements` are compared in with a table of `table`.
    #[must_use]
    pub fn meeting(elements: DType, table: DType) -> DType {
        let met = elements.promote(table);
        if elements.is_float() || met == elements { elements } else { DType::F64 }
    }

    /// This table for elements of a dtype, which have the same places in it: an edge between two of their numbers becomes one
    /// of them.
    #[must_use]
    pub fn for_elements(&self, elements: DType, search: Search) -> Table {
        let to = Table::meeting(elements, self.dtype);
        if to == self.dtype || !to.is_float() {
            return Table::new(to, self.bits.clone());
        }
        let last = self.len().saturating_sub(1);
        let narrow = |(at, edge): (usize, f64)| {
            let mut word = [0; 8];
            word[..to.size()].copy_from_slice(&Scalar::Float(edge).to_bytes(to));
            let near = Table { dtype: to, bits: vec![u64::from_ne_bytes(word)] };
            let (bits, value) = (near.bits[0], near.floats()[0]);
            let above = search == Search::Right || (search == Search::Bin && at != last);
            match (value < edge && above, value > edge && !above) {
                (true, _) => neighbour(bits, to, 1),
                (_, true) => neighbour(bits, to, -1),
                _ => bits,
            }
        };
        Table { dtype: to, bits: self.floats().into_iter().enumerate().map(narrow).collect() }
    }

    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bits.len()
    }

    /// Whether there is no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bits.is_empty()
    }

    /// The elements as `f64`; wide integers are rounded.
    #[must_use]
    pub fn floats(&self) -> Vec<f64> {
        let float = |bits: &u64| match self.dtype {
            DType::F16 => f64::from(f16::from_bits(*bits as u16)),
            DType::BF16 => f64::from(bf16::from_bits(*bits as u16)),
            DType::F32 => f64::from(f32::from_bits(*bits as u32)),
            DType::F64 => f64::from_bytes(&bits.to_ne_bytes()),
            DType::U64 => *bits as f64,
            _ => *bits as i64 as f64,
        };
        self.bits.iter().map(float).collect()
    }

    /// The first element that is below the one before it; NaN is above all else.
    #[must_use]
    pub fn first_fall(&self) -> Option<usize> {
        let falls = |a: f64, b: f64| b < a || (a.is_nan() && !b.is_nan());
        let at = match self.dtype {
            DType::U64 => self.bits.windows(2).position(|pair| pair[1] < pair[0]),
            dtype if !dtype.is_float() => self.bits.windows(2).position(|pair| (pair[1] as i64) < pair[0] as i64),
            _ => self.floats().windows(2).position(|pair| falls(pair[0], pair[1])),
        };
        at.map(|at| at + 1)
    }
}

/// The bits of the next float above or below.
fn neighbour(bits: u64, dtype: DType, step: i64) -> u64 {
    let sign = 1_u64 << (8 * dtype.size() - 1);
    let magnitude = (bits & !sign) as i64;
    let ordered = (if bits & sign != 0 { -magnitude } else { magnitude }) + step;
    ordered.unsigned_abs() | if ordered < 0 { sign } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrow_tables_keep_the_order() {
        for dtype in [DType::F16, DType::BF16, DType::F32] {
            for edge in [0.1, -0.1, 1e-50, -1e-50, 1e300, -1e300, 1.0, 0.0, f64::INFINITY] {
                let table = Table::new(DType::F64, vec![edge.to_bits(), edge.to_bits()]);
                let [left, right, bin] =
                    [Search::Left, Search::Right, Search::Bin].map(|search| table.for_elements(dtype, search).floats());
                assert!(left[0] <= edge && edge <= right[0] && bin == [right[0], left[0]], "{edge} as {dtype}: {left:?} {right:?}");
                let between = left[0] != right[0];
                let step = neighbour(Table::from_bytes(dtype, &Scalar::Float(left[0]).to_bytes(dtype)).bits[0], dtype, 1);
                assert!(!between || Table { dtype, bits: vec![step] }.floats() == [right[0]], "{edge} as {dtype}");
            }
        }
    }

    #[test]
    fn tables_that_fall_are_found() {
        let table = |values: &[f64]| Table::new(DType::F64, values.iter().map(|value| value.to_bits()).collect());
        assert_eq!(table(&[1.0, 2.0, 2.0, f64::NAN]).first_fall(), None);
        assert_eq!(table(&[1.0, 3.0, 2.0]).first_fall(), Some(2));
        assert_eq!(table(&[f64::NAN, 2.0]).first_fall(), Some(1));
        assert_eq!(Table::new(DType::I8, vec![255, 0, 1]).first_fall(), None);
        assert_eq!(Table::new(DType::U8, vec![255, 0, 1]).first_fall(), Some(1));
    }
}
