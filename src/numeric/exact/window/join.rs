//! Adding the windows of neighbouring outputs plane by plane: what parts of one reduction mostly come to, since neighbours in all of
//! them began with the same scale.

use super::{DIGIT_BITS, DIGIT_MASK, FIRST_MAX, UNSET, Windows};

/// Outputs that are added at once.
pub(in super::super) const JOINED: usize = 64;

impl Windows {
    /// Adds the windows `from..from + count` of `other` to those from `at` on, at most [`JOINED`] of them, if the scales of all that are
    /// set are the same on both sides and no first digit grows too large; whether it did.
    pub(in super::super) fn join(&mut self, at: usize, other: &Self, from: usize, count: usize) -> bool {
        let theirs = &other.scales[from..from + count];
        let differ = |(own, theirs): (&i16, &i16)| own != theirs && *own != UNSET && *theirs != UNSET;
        if self.scales[at..at + count].iter().zip(theirs).any(differ) || !self.has_room(at, other, from, count) {
            return false;
        }
        for (own, theirs) in self.scales[at..at + count].iter_mut().zip(theirs) {
            *own = (*own).max(*theirs);
        }
        for squares in [false, true] {
            let mut carry = [0; JOINED];
            for digit in (0..self.extent.digits[usize::from(squares)]).rev() {
                let [own, theirs] = [self.plane(squares, digit) + at, other.plane(squares, digit) + from];
                let mask = if digit == 0 { -1 } else { DIGIT_MASK };
                let planes = self.planes[own..own + count].iter_mut().zip(&other.planes[theirs..theirs + count]);
                for ((own, theirs), carry) in planes.zip(&mut carry) {
                    let total = *own + theirs + *carry;
                    *own = total & mask;
                    *carry = total >> DIGIT_BITS;
                }
            }
        }
        true
    }

    /// Whether the first digits of all sums stay below their bound.
    fn has_room(&self, at: usize, other: &Self, from: usize, count: usize) -> bool {
        [false, true].iter().filter(|&&squares| self.extent.digits[usize::from(squares)] > 0).all(|&squares| {
            let [own, theirs] = [self.plane(squares, 0) + at, other.plane(squares, 0) + from];
            let both = self.planes[own..own + count].iter().zip(&other.planes[theirs..theirs + count]);
            both.fold(0, |most, (own, theirs)| (own.unsigned_abs() + theirs.unsigned_abs()).max(most)) < FIRST_MAX
        })
    }
}
