//! Finds the chains of a sweep: operations on one float dtype of which each alone reads the result of the one before it.

use super::{
    action::{Action, Chain, Operation, Source},
    fuse::Counted,
};
use crate::{
    kernel::{
        chain::{CHAIN_MAX, Link},
        simd::Kernels,
    },
    nd::DType,
};

/// Joins neighbours; only loads may lie between them, and they stay in front of the chain.
pub(super) fn chain(code: Vec<Counted>, kernels: &Kernels) -> Vec<Operation> {
    let mut joined: Vec<Counted> = Vec::with_capacity(code.len());
    // Operations that a sum of a formula jumps over stay as they are, and so does what stands before them.
    let (mut skipped, mut barrier) = (0, 0);
    for counted in code {
        if skipped > 0 {
            skipped -= 1;
            joined.push(counted);
            barrier = joined.len();
            continue;
        }
        if let Action::SumOf { skip, .. } = counted.operation.action {
            skipped = skip;
        }
        let is_load = |action: &Action| matches!(action, Action::Load { .. });
        let before = if is_load(&counted.operation.action) { &[] } else { &joined[barrier..] };
        let Some(last) = before.iter().rposition(|before| !is_load(&before.operation.action)) else {
            joined.push(Counted { operation: alone(counted.operation, kernels), ..counted });
            continue;
        };
        let last = barrier + last;
        match extended(&joined[last], &joined[last + 1..], &counted.operation.action, kernels) {
            Some(chain) => {
                joined.remove(last);
                joined.push(Counted { operation: Operation { action: Action::Chain(chain), ..counted.operation }, ..counted });
            }
            None => joined.push(Counted { operation: alone(counted.operation, kernels), ..counted }),
        }
    }
    joined.into_iter().map(|counted| counted.operation).collect()
}

/// Half floats pay for conversions, which chains do best: there even one operation is a chain.
fn alone(operation: Operation, kernels: &Kernels) -> Operation {
    match begun(&operation.action, kernels) {
        Some(chain) if matches!(chain.dtype, DType::F16 | DType::BF16) => Operation { action: Action::Chain(chain), ..operation },
        _ => operation,
    }
}

/// `before` with `action` behind it, if `action` alone reads what it makes and none of `loads` writes what it reads.
fn extended(before: &Counted, loads: &[Counted], action: &Action, kernels: &Kernels) -> Option<Chain> {
    let mut chain = begun(&before.operation.action, kernels)?;
    if !before.feeds(chain.dst) || before.operation.direct.is_some() || chain.length == CHAIN_MAX {
        return None;
    }
    let is_loaded =
        |source: &Source| loads.iter().any(|load| load.operation.action.destination().is_some_and(|written| source.is(written)));
    if chain.operands[..=chain.length].iter().any(is_loaded) {
        return None;
    }
    let (dtype, dst, link, other) = link_after(action, chain.dst)?;
    if dtype != chain.dtype {
        return None;
    }
    chain.links[chain.length] = link;
    chain.length += 1;
    chain.operands[chain.length] = other;
    chain.dst = dst;
    Some(chain)
}

/// A chain of one operation, or the chain that it is already.
fn begun(action: &Action, kernels: &Kernels) -> Option<Chain> {
    let first = match action {
        Action::Chain(chain) => return Some(*chain),
        Action::Unary { a, .. } | Action::Binary { a, .. } => *a,
        _ => return None,
    };
    let (dtype, dst, link, other) = link_of(action, Side::First)?;
    let mut chain = Chain {
        dtype,
        dst,
        kernel: (kernels.chain)(dtype)?,
        length: 1,
        links: [link; CHAIN_MAX],
        operands: [Source::Constant([0]); CHAIN_MAX + 1],
    };
    (chain.operands[0], chain.operands[1]) = (first, other);
    Some(chain)
}

/// Which operand is the running value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    First,
    Second,
}

/// The link that `action` is where `running` holds the running value.
fn link_after(action: &Action, running: usize) -> Option<(DType, usize, Link, Source)> {
    match action {
        Action::Unary { a, .. } if a.is(running) => link_of(action, Side::First),
        Action::Binary { op, a, b, dst, dtype, .. } if a.is(running) && b.is(running) => {
            let square = *op == crate::kernel::program::BinaryOp::Multiply;
            square.then_some((*dtype, *dst, Link::Square, Source::Constant([0])))
        }
        Action::Binary { a, .. } if a.is(running) => link_of(action, Side::First),
        Action::Binary { b, .. } if b.is(running) => link_of(action, Side::Second),
        _ => None,
    }
}

fn link_of(action: &Action, running: Side) -> Option<(DType, usize, Link, Source)> {
    match *action {
        Action::Unary { op, dtype, dst, .. } => Some((dtype, dst, Link::unary(op)?, Source::Constant([0]))),
        Action::Binary { op, dtype, dst, a, b, .. } => {
            let other = if running == Side::First { b } else { a };
            Some((dtype, dst, Link::binary(op, running == Side::Second)?, other))
        }
        _ => None,
    }
}

#[cfg(test)]
#[path = "chain_tests.rs"]
mod tests;
