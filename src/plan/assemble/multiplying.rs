//! What a pass that multiplies holds, so that its boxes can be shaped.

use super::Assembling;
use crate::{
    kernel::program::{Product, SlotId, SlotKind, Step, product_sum_bytes},
    plan::{
        lower::Lowered,
        multiply::{Part, ProductForm},
        reads::Input,
    },
};

/// Bytes of one sum of a product.
fn sum_bytes(lowered: &Lowered, product: &Product) -> u64 {
    product_sum_bytes(lowered.program.slots[product.left.0 as usize].dtype)
}

impl Assembling<'_> {
    /// The sides of the product that the pass is for, or of the one that has most of what is cut, and all that boxes hold.
    pub(super) fn product_form(&self, lowered: &Lowered, inputs: &[Input<'_>], whole: &[bool], write_bytes: u64) -> Option<ProductForm> {
        let products: Vec<&Product> =
            lowered.program.steps.iter().filter_map(|step| if let Step::Product(product) = step { Some(product) } else { None }).collect();
        let reduced_of = |product: &Product| &lowered.program.accumulators[product.acc.0 as usize].reduced;
        let size = |slot: SlotId| lowered.program.slots[slot.0 as usize].dtype.size() as u64;
        let rank = self.draft.space.len();
        let is_global = |product: &&&Product| lowered.program.accumulators[product.acc.0 as usize].finishes.is_empty();
        let mut grouped = vec![false; rank];
        if !self.draft.is_fused() {
            let product = products.first()?;
            let reduced = reduced_of(product).clone();
            (0..rank).rev().find(|&axis| reduced[axis]).into_iter().for_each(|last| grouped[last] = true);
            let outputs = reduced.iter().map(|reduced| !reduced).collect();
            let (left, right) = (product.left_axes.clone(), product.right_axes.clone());
            let sides = [(left.clone(), size(product.left)), (right.clone(), product.right.map_or(0, size))];
            let parts: Vec<Part> = sides.into_iter().chain([(outputs, sum_bytes(lowered, product) + write_bytes)]).collect();
            return Some(ProductForm { left, right, reduced, grouped, block_parts: parts.clone(), run_parts: parts, is_fused: false });
        }
        for last in products.iter().filter(is_global).filter_map(|product| product.inner.last()) {
            grouped[*last] = true;
        }
        let cut_of = |product: &&&Product| {
            let reduced = reduced_of(product);
            (0..rank).filter(|&axis| !whole[axis] && !reduced[axis]).count()
        };
        let main = products.iter().rev().max_by_key(cut_of)?;
        let reduced = (0..rank).map(|axis| products.iter().any(|product| product.inner.contains(&axis))).collect();
        let (block_parts, run_parts) = self.parts(lowered, inputs, &products);
        let (left, right) = (main.left_axes.clone(), main.right_axes.clone());
        Some(ProductForm { left, right, reduced, grouped, block_parts, run_parts, is_fused: true })
    }

    /// What blocks hold and touch, and what runs move.
    fn parts(&self, lowered: &Lowered, inputs: &[Input<'_>], products: &[&Product]) -> (Vec<Part>, Vec<Part>) {
        let space = &self.draft.space;
        let mut moved: Vec<Part> = Vec::new();
        for input in inputs {
            let axes = (0..space.len()).map(|axis| space[axis] > 1 && !input.map.is_broadcast(axis)).collect();
            moved.push((axes, input.item_bytes as u64));
        }
        for write in &lowered.writes {
            moved.push(((0..space.len()).map(|axis| write.axes.contains(&Some(axis))).collect(), write.dtype.size() as u64));
        }
        let mut held = moved.clone();
        held.extend(lowered.program.slots.iter().filter_map(|slot| match &slot.kind {
            SlotKind::Local { axes } => Some((axes.clone(), slot.dtype.size() as u64)),
            _ => None,
        }));
        held.extend(products.iter().map(|product| {
            let reduced = &lowered.program.accumulators[product.acc.0 as usize].reduced;
            (reduced.iter().map(|reduced| !reduced).collect(), sum_bytes(lowered, product))
        }));
        (held, moved)
    }
}
