//! The search for a label that is no group.

use super::Labels;
use crate::numeric::axes::Piece;

/// Labels that are looked at before the answer is looked at.
const BLOCK: usize = 64;

/// Finds the first label that is not below `count`; leaves `first` alone if there is none.
pub(super) struct FirstOutside<'a> {
    pub labels: Labels<'a>,
    pub count: usize,
    pub first: &'a mut usize,
}

impl Piece for FirstOutside<'_> {
    #[inline(always)]
    fn go(self) {
        let found = match self.labels {
            Labels::Narrow(labels) => {
                let count = u32::try_from(self.count).unwrap_or(u32::MAX).min(1 << 31);
                first(labels, |bytes| i32::from_ne_bytes(bytes) as u32 >= count)
            }
            Labels::Wide(labels) => first(labels, |bytes| i64::from_ne_bytes(bytes) as u64 >= self.count as u64),
        };
        if let Some(at) = found {
            *self.first = at;
        }
    }
}

#[inline(always)]
fn first<B: Copy>(labels: &[B], outside: impl Fn(B) -> bool) -> Option<usize> {
    for (block, part) in labels.chunks(BLOCK).enumerate() {
        let mut any = false;
        for label in part {
            any |= outside(*label);
        }
        if any {
            return part.iter().position(|label| outside(*label)).map(|at| block * BLOCK + at);
        }
    }
    None
}
