//! Where the axes of a value come from, kept for the axis notes alone.
//!
//! Every array that has a name of its own (an input, a generated array) is a base; its axes carry tags. Elementwise
//! operations hand tags on along aligned axes, reductions drop them and remember which, views move them. Three mistakes
//! show in the tags although every shape fits: see [`meet`] and [`Notes`].

use crate::array::parse::source::Span;

/// An axis of a base.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Number of the base.
    pub base: u32,
    /// Its axis.
    pub axis: u8,
}

/// One axis of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AxisOrigin {
    /// The axis it comes from, if that is one.
    pub tag: Option<Tag>,
    /// Whether the text itself made this an axis of length 1 (`None`, `keepdims`, `0:1`, reshape): stretching it is meant.
    pub made: bool,
}

/// The past of a value.
#[derive(Clone, Debug, Default)]
pub struct Lineage {
    /// One slot per axis.
    pub axes: Vec<AxisOrigin>,
    /// Axes that a reduction without `keepdims` took away.
    pub dropped: Vec<Tag>,
    /// Outer products that it contains and that nothing has reduced so far, as indices into [`Notes`].
    pub products: Vec<u32>,
}

/// Most tags and products that one value remembers: notes are a service, not worth more than constant cost per operator.
pub const REMEMBERED_MAX: usize = 8;

impl Lineage {
    /// The axes of base number `base`.
    #[must_use]
    pub fn base(base: u32, rank: usize) -> Self {
        let axes = (0..rank).map(|axis| AxisOrigin { tag: u8::try_from(axis).ok().map(|axis| Tag { base, axis }), made: false }).collect();
        Lineage { axes, ..Lineage::default() }
    }

    /// Axes that the text made itself.
    #[must_use]
    pub fn made(rank: usize) -> Self {
        Lineage { axes: vec![AxisOrigin { tag: None, made: true }; rank], ..Lineage::default() }
    }

    /// The same past with other axes.
    #[must_use]
    pub fn with_axes(&self, axes: Vec<AxisOrigin>) -> Self {
        Lineage { axes, dropped: self.dropped.clone(), products: self.products.clone() }
    }

    /// After a reduction over `reduced` axes.
    #[must_use]
    pub fn reduce(&self, reduced: &[usize], keepdims: bool) -> Self {
        let mut axes = Vec::new();
        let mut dropped = self.dropped.clone();
        for (index, origin) in self.axes.iter().enumerate() {
            if !reduced.contains(&index) {
                axes.push(*origin);
            } else if keepdims {
                axes.push(AxisOrigin { tag: None, made: true });
            } else {
                remember(&mut dropped, origin.tag);
            }
        }
        Lineage { axes, dropped, products: Vec::new() }
    }
}

fn remember<T: PartialEq>(list: &mut Vec<T>, item: impl IntoIterator<Item = T>) {
    for item in item {
        if list.len() < REMEMBERED_MAX && !list.contains(&item) {
            list.push(item);
        }
    }
}

/// What is odd about two operands that an elementwise operation brings together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oddity {
    /// Both stretch, each along an axis that nobody wrote.
    Outer,
    /// One operand lost `axis` of a base in a reduction and is now aligned with that very axis.
    Crossed {
        /// Which operand was reduced.
        reduced: Side,
        /// Axis that was reduced.
        axis: u8,
    },
}

/// An operand of a binary operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the documentation")]
pub enum Side {
    Left,
    Right,
}

/// The lineage of an elementwise operation on two operands with these shapes (upper bounds), and what is odd about it.
#[must_use]
pub fn meet(left: (&Lineage, &[usize]), right: (&Lineage, &[usize])) -> (Lineage, Option<Oddity>) {
    let rank = left.1.len().max(right.1.len());
    let mut axes = vec![AxisOrigin::default(); rank];
    let (mut stretched_left, mut stretched_right) = (false, false);
    let mut crossed = None;
    for back in 1..=rank {
        let (a, b) = (at(left, back), at(right, back));
        axes[rank - back] = match (a, b) {
            (Some((origin, length)), Some((_, 1))) if length != 1 => origin,
            (Some((_, 1)), Some((origin, length))) if length != 1 => origin,
            (Some((a, _)), Some((b, _))) => AxisOrigin { tag: a.tag.or(b.tag), made: a.made || b.made },
            (Some((origin, _)), None) | (None, Some((origin, _))) => origin,
            (None, None) => AxisOrigin::default(),
        };
        stretched_left |= stretches(a, b);
        stretched_right |= stretches(b, a);
        if crossed.is_none() {
            crossed = crossing(left.0, a, right.0, b);
        }
    }
    let (mut dropped, mut products) = (left.0.dropped.clone(), left.0.products.clone());
    remember(&mut dropped, right.0.dropped.iter().copied());
    remember(&mut products, right.0.products.iter().copied());
    let oddity = crossed.or((stretched_left && stretched_right).then_some(Oddity::Outer));
    (Lineage { axes, dropped, products }, oddity)
}

type Axis = Option<(AxisOrigin, usize)>;

/// Axis `-back` of an operand. An operand without a recorded past counts as written on purpose.
fn at(operand: (&Lineage, &[usize]), back: usize) -> Axis {
    let (lineage, shape) = operand;
    let place = shape.len().checked_sub(back)?;
    Some((lineage.axes.get(place).copied().unwrap_or(AxisOrigin { tag: None, made: true }), shape[place]))
}

/// Whether the first operand is stretched along this axis without anyone having written so.
fn stretches(own: Axis, other: Axis) -> bool {
    let wide = other.is_some_and(|(_, length)| length != 1);
    wide && own.is_none_or(|(origin, length)| length == 1 && !origin.made)
}

fn crossing(left: &Lineage, a: Axis, right: &Lineage, b: Axis) -> Option<Oddity> {
    let ((a, length_a), (b, length_b)) = (a?, b?);
    let (a, b) = (a.tag?, b.tag?);
    if a.base != b.base || a.axis == b.axis || length_a == 1 || length_b == 1 {
        return None;
    }
    if left.dropped.contains(&b) {
        return Some(Oddity::Crossed { reduced: Side::Left, axis: b.axis });
    }
    right.dropped.contains(&a).then_some(Oddity::Crossed { reduced: Side::Right, axis: a.axis })
}

/// Notes about axes, and whether a later reduction made them pointless.
#[derive(Debug, Default)]
pub struct Notes(Vec<Note>);

/// One note.
#[derive(Debug, PartialEq, Eq)]
pub struct Note {
    /// What is odd, in one line.
    pub text: String,
    /// Where.
    pub span: Span,
    /// Whether nothing has made it pointless.
    stands: bool,
}

impl Notes {
    /// A note; its number for [`Lineage::products`].
    pub fn push(&mut self, text: String, span: Span) -> u32 {
        self.0.push(Note { text, span, stands: true });
        u32::try_from(self.0.len() - 1).unwrap_or(u32::MAX)
    }

    /// Something reduced a value with these products.
    pub fn settle(&mut self, products: &[u32]) {
        for &product in products {
            if let Some(note) = self.0.get_mut(product as usize) {
                note.stands = false;
            }
        }
    }

    /// The notes that still stand, in the order of the text, each once.
    #[must_use]
    pub fn finish(self) -> Vec<Note> {
        let mut seen = std::collections::HashSet::new();
        self.0.into_iter().filter(|note| note.stands && seen.insert(note.text.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_mean_against_columns_is_crossed() {
        let x = Lineage::base(0, 2);
        let m = x.reduce(&[1], false);
        assert_eq!(meet((&x, &[3, 3]), (&m, &[3])).1, Some(Oddity::Crossed { reduced: Side::Right, axis: 1 }));
        let kept = x.reduce(&[1], true);
        assert_eq!(meet((&x, &[3, 3]), (&kept, &[3, 1])).1, None);
        let columns = x.reduce(&[0], false);
        assert_eq!(meet((&x, &[3, 3]), (&columns, &[3])).1, None);
    }

    #[test]
    fn an_outer_product_nobody_wrote_is_odd() {
        let (a, b) = (Lineage::base(0, 2), Lineage::base(1, 1));
        assert_eq!(meet((&a, &[5, 1]), (&b, &[5])).1, Some(Oddity::Outer));
        let column = Lineage::made(2);
        assert_eq!(meet((&column, &[5, 1]), (&b, &[5])).1, None);
        assert_eq!(meet((&a, &[5, 3]), (&b, &[3])).1, None);
    }
}
