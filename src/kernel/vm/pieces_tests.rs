//! What comparisons of indices are known to give, and what is left of a program in a piece.

use super::*;
use crate::kernel::program::{CastMode, SlotId, UnaryOp};

const OPS: [BinaryOp; 4] = [BinaryOp::Less, BinaryOp::LessEqual, BinaryOp::Greater, BinaryOp::GreaterEqual];

fn compares(op: BinaryOp, a: i128, b: i128) -> bool {
    match op {
        BinaryOp::Less => a < b,
        BinaryOp::LessEqual => a <= b,
        BinaryOp::Greater => a > b,
        _ => a >= b,
    }
}

#[test]
fn cuts_lie_where_comparisons_change() {
    for (op, start, step, offset, stride) in
        OPS.into_iter().flat_map(|op| [(op, 3, 1, 0, 1), (op, -2, 1, 7, -1), (op, 9, -1, 2, 1), (op, 0, -1, -4, -1)])
    {
        let index = index(start, step, offset, &[0, stride, 0]).unwrap();
        let value = |at: i128| start + step * (offset + i128::from(stride) * at);
        for bound in -12..12 {
            for (fact, is_second) in [(below(index, op, bound), false), (below(index, exchanged(op).unwrap(), bound), true)] {
                let Some(Fact::Below { axis: 1, cut, negated }) = fact else { panic!("{fact:?}") };
                for at in 0..20 {
                    let want = if is_second { compares(op, bound, value(at)) } else { compares(op, value(at), bound) };
                    assert_eq!((at < cut) != negated, want, "{op:?} {bound} at {at}, exchanged {is_second}");
                }
            }
        }
    }
    assert_eq!(index(0, 2, 0, &[1]), None);
    assert_eq!(index(0, 1, 0, &[1, 1]), None);
    assert_eq!(index(0, 1, 0, &[0, 0]), None);
}

fn slot(dtype: DType, kind: SlotKind) -> crate::kernel::program::Slot {
    crate::kernel::program::Slot { dtype, kind, swapped: false }
}

/// `index < 5 ? exp(x) : log(y)`, the mask by way of a local of its own, and what else is wanted of `log(y)`.
fn example(more: &[Instr]) -> Program {
    let all = vec![true, true];
    let (reg, arg) = (Reg, |register| Arg::Reg(Reg(register)));
    let input = || slot(DType::F32, SlotKind::Input);
    let slots = vec![
        input(),
        input(),
        slot(DType::Bool, SlotKind::Local { axes: vec![true, false] }),
        slot(DType::F32, SlotKind::Output),
        slot(DType::I32, SlotKind::Output),
    ];
    let generator = Generator::Arange { start: Scalar::Int(0), step: Scalar::Int(1) };
    let mask = vec![
        Instr::Generate { dst: reg(0), dtype: DType::I64, generator, offset: 0, strides: vec![1, 0] },
        Instr::Binary { op: BinaryOp::Less, dtype: DType::I64, dst: reg(1), a: arg(0), b: Arg::Const(Scalar::Int(5)) },
        Instr::Store { slot: SlotId(2), src: arg(1) },
    ];
    let unary = |op, dst, a| Instr::Unary { op, dtype: DType::F32, dst: reg(dst), a: arg(a) };
    let mut code = vec![
        Instr::Load { dst: reg(0), slot: SlotId(0) },
        unary(UnaryOp::Exp, 1, 0),
        Instr::Load { dst: reg(0), slot: SlotId(1) },
        unary(UnaryOp::Log, 2, 0),
        Instr::Load { dst: reg(0), slot: SlotId(2) },
        Instr::Select { dtype: DType::F32, dst: reg(1), mask: reg(0), a: arg(1), b: arg(2) },
        Instr::Store { slot: SlotId(3), src: arg(1) },
    ];
    code.extend_from_slice(more);
    let sweep = |axes, code, registers| Step::Sweep(crate::kernel::program::Sweep { axes, code, registers, tile_elements: 64 });
    Program { slots, accumulators: vec![], steps: vec![sweep(vec![true, false], mask, 2), sweep(all, code, 4)] }
}

fn listing(program: &Program) -> Vec<String> {
    instructions(program).map(|instr| format!("{instr:?}").split([' ', '{']).next().unwrap_or_default().to_string()).collect()
}

#[test]
fn a_piece_has_the_branch_that_is_taken_alone() {
    let program = example(&[]);
    let pieces = Pieces::of(&program).unwrap();
    assert_eq!((pieces.axis, &pieces.cuts[..]), (0, &[5][..]));
    for (coordinate, input) in [(0, 0), (4, 0), (5, 1), (90, 1)] {
        let piece = pieces.derived(coordinate).unwrap();
        assert_eq!(listing(&piece), ["Load", "Unary", "Store"]);
        assert!(matches!(instructions(&piece).next(), Some(Instr::Load { slot, .. }) if slot.0 == input));
        assert_eq!(piece.verify(), Ok(()));
        assert!(Pieces::of(&piece).is_none());
    }
    let space = [10, 2];
    let block = |start, length| {
        (pieces.of_block(&BlockContext { space: &space, start: &[start, 0], shape: &[length, 2] }, |program| {
            Prepared::new(program, crate::kernel::Isa::Baseline)
        }))
        .is_some()
    };
    assert_eq!([block(0, 5), block(0, 6), block(4, 2), block(5, 5), block(4, 1)], [true, false, false, true, true]);
}

#[test]
fn what_may_fail_is_computed_everywhere() {
    let cast = |to, mode| Instr::Cast { from: DType::F32, to, mode, dst: Reg(3), a: Reg(2) };
    let kept = |more: &[Instr]| listing(&Pieces::of(&example(more)).unwrap().derived(0).unwrap()).len();
    assert_eq!(kept(&[cast(DType::I32, CastMode::Checked)]), 6);
    assert_eq!(kept(&[cast(DType::I32, CastMode::Saturate)]), 3);
    assert_eq!(kept(&[cast(DType::F64, CastMode::Checked)]), 3);
}
