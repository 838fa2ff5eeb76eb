//! What is counted, against a model that takes one element at a time.

use super::{Finding, FindingKind, Findings};
use crate::{
    kernel::{
        Isa,
        oracle::{self, Bits, Value},
        program::{AccId, Accumulation, Arg, BinaryOp, CastMode, Instr, Program, Reg, Slot, SlotId, SlotKind, Step, Sweep, UnaryOp},
        vm::{BlockContext, GlobalAccumulator, Machine, Operand, Prepared, Stores},
    },
    nd::{DType, Grid, Scalar, shape::c_strides},
    numeric::{Accumulator, AccumulatorKind, Finish, SumMode},
};

const INTEGERS: [DType; 8] = [DType::I8, DType::I16, DType::I32, DType::I64, DType::U8, DType::U16, DType::U32, DType::U64];
const FLOATS: [DType; 4] = [DType::F16, DType::BF16, DType::F32, DType::F64];

/// Runs a program block by block; inputs are dense over `space`, outputs too.
fn findings(program: &Program, inputs: &[Vec<u8>], space: &[usize], block: &[usize], isa: Isa) -> Findings {
    let prepared = Prepared::watched(program, isa).unwrap();
    let strides = c_strides(space);
    let count: usize = space.iter().product();
    let mut outputs: Vec<Vec<u8>> = program.slots.iter().map(|slot| vec![0; count * slot.dtype.size()]).collect();
    let zeros = vec![0; space.len()];
    let globals = program.accumulators.iter().filter(|accumulation| accumulation.finishes.is_empty());
    let mut states: Vec<Accumulator> = globals.map(|acc| Accumulator::new(acc.kind, acc.dtype, 1).unwrap()).collect();
    let (mut machine, mut all) = (Machine::new(), Findings::default());
    let grid = Grid::new(space.to_vec(), block.to_vec());
    for index in 0..grid.count() {
        let region = grid.region(index);
        let first: i64 = region.start.iter().zip(&strides).map(|(at, stride)| *at as i64 * stride).sum();
        let mut given = inputs.iter();
        let mut operands: Vec<Operand<'_>> = Vec::new();
        for (slot, out) in program.slots.iter().zip(&mut outputs) {
            operands.push(match slot.kind {
                SlotKind::Input => Operand::Input { bytes: given.next().unwrap(), first, strides: &strides, byte_offset: 0 },
                SlotKind::Output => Operand::Output { bytes: out, first, strides: &strides, stores: Stores::Cached },
                SlotKind::Local { .. } | SlotKind::Halo { .. } => Operand::Local,
            });
        }
        let mut accumulators: Vec<_> =
            states.iter_mut().map(|accumulator| GlobalAccumulator { accumulator, base: 0, strides: &zeros }).collect();
        let context = BlockContext { space, start: &region.start, shape: &region.shape };
        machine.run(&prepared, &context, &mut operands, &mut accumulators, &[], &mut [0; 8]).unwrap();
        all.merge(machine.take_findings());
    }
    all
}

fn slot(dtype: DType, kind: SlotKind) -> Slot {
    Slot { dtype, kind, swapped: false }
}

fn sweep(rank: usize, code: Vec<Instr>) -> Step {
    Step::Sweep(Sweep { axes: vec![true; rank], code, registers: 64, tile_elements: 1024 })
}

/// `instr` on the inputs in registers 0 and 1, from register 2 into an output.
fn one(dtype: DType, result: DType, instr: Instr) -> Program {
    let code = vec![
        Instr::Load { dst: Reg(0), slot: SlotId(0) },
        Instr::Load { dst: Reg(1), slot: SlotId(1) },
        instr,
        Instr::Store { slot: SlotId(2), src: Arg::Reg(Reg(2)) },
    ];
    let slots = vec![slot(dtype, SlotKind::Input), slot(dtype, SlotKind::Input), slot(result, SlotKind::Output)];
    Program { slots, accumulators: vec![], steps: vec![sweep(1, code)] }
}

fn bytes(dtype: DType, values: &[f64]) -> Vec<u8> {
    let scalar = |value: f64| if dtype.is_float() { Scalar::Float(value) } else { Scalar::Int(value as i128) };
    values.iter().flat_map(|&value| scalar(value).to_bytes(dtype)).collect()
}

fn binary(op: BinaryOp, dtype: DType) -> Instr {
    Instr::Binary { op, dtype, dst: Reg(2), a: Arg::Reg(Reg(0)), b: Arg::Reg(Reg(1)) }
}

#[track_caller]
fn expect(found: &Findings, wanted: &[(FindingKind, u64, u64, &str)]) {
    let seen: Vec<_> =
        found.iter().map(|found| (found.kind, found.count, found.first, found.blame.map_or("", |blame| blame.operation))).collect();
    assert_eq!(seen, wanted);
}

#[test]
fn each_kind_is_counted_in_each_dtype() {
    use FindingKind::{Infinity, Nan, Wrap, ZeroDivision};
    for isa in Isa::available() {
        for dtype in FLOATS {
            let inputs = [bytes(dtype, &[1.0, 0.0, f64::NAN, 1.0, f64::INFINITY]), bytes(dtype, &[2.0, 0.0, 0.0, 0.0, 0.0])];
            let found = findings(&one(dtype, dtype, binary(BinaryOp::Divide, dtype)), &inputs, &[5], &[5], isa);
            expect(&found, &[(Nan, 1, 1, "divide"), (Infinity, 1, 3, "divide")]);
            let found = findings(&one(dtype, dtype, binary(BinaryOp::Maximum, dtype)), &inputs, &[5], &[5], isa);
            expect(&found, &[]);
        }
        for dtype in INTEGERS {
            let bits = 8 * dtype.size() as i32 - i32::from(!dtype.is_unsigned());
            let top = 2f64.powi(bits - 1);
            let inputs = [bytes(dtype, &[1.0, top, 3.0, top]), bytes(dtype, &[2.0, top, 0.0, 1.0])];
            let run = |op| findings(&one(dtype, dtype, binary(op, dtype)), &inputs, &[4], &[4], isa);
            expect(&run(BinaryOp::Add), &[(Wrap, 1, 1, "add")]);
            expect(&run(BinaryOp::Multiply), &[(Wrap, 1, 1, "multiply")]);
            expect(&run(BinaryOp::LeftShift), &[(Wrap, 2, 1, "left_shift")]);
            expect(&run(BinaryOp::FloorDivide), &[(ZeroDivision, 1, 2, "floor_divide")]);
            expect(&run(BinaryOp::Remainder), &[(ZeroDivision, 1, 2, "remainder")]);
            expect(&run(BinaryOp::Fmod), &[(ZeroDivision, 1, 2, "fmod")]);
            let negate = Instr::Unary { op: UnaryOp::Negative, dtype, dst: Reg(2), a: Arg::Reg(Reg(0)) };
            let found = findings(&one(dtype, dtype, negate), &inputs, &[4], &[4], isa);
            expect(&found, if dtype.is_unsigned() { &[(Wrap, 4, 0, "negative")] } else { &[] });
        }
    }
}

#[test]
fn narrowing_casts_are_counted_unless_they_are_meant() {
    use FindingKind::{Infinity, Wrap};
    let cast = |from, to, mode| one(from, to, Instr::Cast { from, to, mode, dst: Reg(2), a: Reg(0) });
    let run = |from, to, mode, values: &[f64]| {
        let input = bytes(from, values);
        findings(&cast(from, to, mode), &[input.clone(), input], &[values.len()], &[values.len()], Isa::detect())
    };
    expect(&run(DType::F32, DType::F16, CastMode::Checked, &[1.0, 1e6, f64::INFINITY]), &[(Infinity, 1, 1, "cast")]);
    expect(&run(DType::F64, DType::F32, CastMode::Checked, &[1e300, -1e300]), &[(Infinity, 2, 0, "cast")]);
    expect(&run(DType::I32, DType::F16, CastMode::Checked, &[65520.0, 65519.0]), &[(Infinity, 1, 0, "cast")]);
    expect(&run(DType::I64, DType::U8, CastMode::Checked, &[-1.0, 255.0, 256.0]), &[(Wrap, 2, 0, "cast")]);
    expect(&run(DType::I64, DType::U64, CastMode::Checked, &[1.0, -1.0]), &[(Wrap, 1, 1, "cast")]);
    expect(&run(DType::U64, DType::I64, CastMode::Checked, &[1.0, 2f64.powi(63)]), &[(Wrap, 1, 1, "cast")]);
    expect(&run(DType::I64, DType::U8, CastMode::Wrap, &[-1.0, 256.0]), &[]);
    expect(&run(DType::F64, DType::U8, CastMode::Saturate, &[-1.0, 256.0]), &[]);
}

#[test]
fn sums_count_what_they_took() {
    for mode in [SumMode::Exact, SumMode::Neumaier, SumMode::Naive] {
        for kind in [AccumulatorKind::Sum(mode), AccumulatorKind::Moments(mode), AccumulatorKind::Max, AccumulatorKind::Any] {
            for dtype in FLOATS {
                let mut program = one(dtype, dtype, binary(BinaryOp::Divide, dtype));
                program.accumulators.push(Accumulation { kind, dtype, reduced: vec![true], groups: 1, finishes: vec![] });
                let Step::Sweep(sweep) = &mut program.steps[0] else { unreachable!() };
                sweep.code[3] = Instr::Reduce { acc: AccId(0), src: Arg::Reg(Reg(2)) };
                let mut values = vec![1.0; 3000];
                values[1234] = 0.0;
                values[7] = f64::NAN;
                let inputs = [bytes(dtype, &vec![1.0; 3000]), bytes(dtype, &values)];
                for block in [3000, 1, 1000] {
                    let found = findings(&program, &inputs, &[3000], &[block], Isa::detect());
                    expect(&found, &[(FindingKind::Infinity, 1, 1234, "divide")]);
                }
            }
        }
    }
}

#[test]
fn what_travels_between_sweeps_counts_where_it_arrives() {
    // A row is inverted once for all rows of the block; where its divisor is zero the inverse is not used.
    let dtype = DType::F32;
    let program = |guarded: bool| {
        let row = vec![
            Instr::Load { dst: Reg(0), slot: SlotId(0) },
            Instr::Binary { op: BinaryOp::Divide, dtype, dst: Reg(1), a: Arg::Const(Scalar::Float(1.0)), b: Arg::Reg(Reg(0)) },
            Instr::Store { slot: SlotId(2), src: Arg::Reg(Reg(1)) },
        ];
        let main = vec![
            Instr::Load { dst: Reg(0), slot: SlotId(0) },
            Instr::Load { dst: Reg(1), slot: SlotId(1) },
            Instr::Load { dst: Reg(2), slot: SlotId(2) },
            Instr::Binary { op: BinaryOp::Multiply, dtype, dst: Reg(3), a: Arg::Reg(Reg(1)), b: Arg::Reg(Reg(2)) },
            Instr::Binary { op: BinaryOp::Equal, dtype, dst: Reg(4), a: Arg::Reg(Reg(0)), b: Arg::Const(Scalar::Float(0.0)) },
            Instr::Select { dtype, dst: Reg(5), mask: Reg(4), a: Arg::Const(Scalar::Float(0.0)), b: Arg::Reg(Reg(3)) },
            Instr::Store { slot: SlotId(3), src: Arg::Reg(Reg(if guarded { 5 } else { 3 })) },
        ];
        let local = SlotKind::Local { axes: vec![false, true] };
        let slots = vec![slot(dtype, SlotKind::Input), slot(dtype, SlotKind::Input), slot(dtype, local), slot(dtype, SlotKind::Output)];
        let first = Step::Sweep(Sweep { axes: vec![false, true], code: row, registers: 2, tile_elements: 64 });
        Program { slots, accumulators: vec![], steps: vec![first, sweep(2, main)] }
    };
    // The row is the same for every row of the space.
    let row: Vec<f64> = (0..10).map(|column| f64::from(column % 5)).collect();
    let inputs = [bytes(dtype, &row.repeat(6)), bytes(dtype, &vec![1.0; 60])];
    for block in [[6, 10], [1, 10], [2, 3]] {
        expect(&findings(&program(true), &inputs, &[6, 10], &block, Isa::detect()), &[]);
        expect(&findings(&program(false), &inputs, &[6, 10], &block, Isa::detect()), &[(FindingKind::Infinity, 12, 0, "divide")]);
    }
}

#[test]
fn the_mask_of_a_selection_of_rows_decides() {
    let dtype = DType::I32;
    let code = vec![
        Instr::Load { dst: Reg(0), slot: SlotId(0) },
        Instr::Binary { op: BinaryOp::NotEqual, dtype, dst: Reg(1), a: Arg::Reg(Reg(0)), b: Arg::Const(Scalar::Int(0)) },
        Instr::Binary { op: BinaryOp::FloorDivide, dtype, dst: Reg(2), a: Arg::Const(Scalar::Int(7)), b: Arg::Reg(Reg(0)) },
        Instr::Compress { slot: SlotId(1), src: Arg::Reg(Reg(2)), mask: Arg::Reg(Reg(1)) },
    ];
    let slots = vec![slot(dtype, SlotKind::Input), slot(dtype, SlotKind::Output)];
    let program = Program { slots, accumulators: vec![], steps: vec![sweep(1, code)] };
    expect(&findings(&program, &[bytes(dtype, &[1.0, 0.0, 3.0])], &[3], &[3], Isa::detect()), &[]);
}

#[test]
fn local_reductions_are_places_where_things_arrive() {
    let dtype = DType::F32;
    let local = Accumulation {
        kind: AccumulatorKind::Sum(SumMode::Exact),
        dtype,
        reduced: vec![false, true],
        groups: 1,
        finishes: vec![(Finish::Sum, SlotId(1))],
    };
    let first = vec![
        Instr::Load { dst: Reg(0), slot: SlotId(0) },
        Instr::Unary { op: UnaryOp::Log, dtype, dst: Reg(1), a: Arg::Reg(Reg(0)) },
        Instr::Reduce { acc: AccId(0), src: Arg::Reg(Reg(1)) },
    ];
    let second = vec![
        Instr::Load { dst: Reg(0), slot: SlotId(0) },
        Instr::Load { dst: Reg(1), slot: SlotId(1) },
        Instr::Binary { op: BinaryOp::Add, dtype, dst: Reg(2), a: Arg::Reg(Reg(0)), b: Arg::Reg(Reg(1)) },
        Instr::Store { slot: SlotId(2), src: Arg::Reg(Reg(2)) },
    ];
    let slots = vec![slot(dtype, SlotKind::Input), slot(dtype, SlotKind::Local { axes: vec![true, false] }), slot(dtype, SlotKind::Output)];
    let program = Program { slots, accumulators: vec![local], steps: vec![sweep(2, first), sweep(2, second)] };
    let mut values = vec![1.0; 40];
    values[13] = 0.0;
    let input = [bytes(dtype, &values)];
    for block in [[4, 10], [1, 10]] {
        expect(&findings(&program, &input, &[4, 10], &block, Isa::detect()), &[(FindingKind::Infinity, 1, 13, "log")]);
    }
}

/// One element of the model.
#[derive(Clone)]
struct Cell {
    dtype: DType,
    bytes: Vec<u8>,
    finite: bool,
    events: [bool; 2],
}

impl Cell {
    fn is_special(&self) -> bool {
        match oracle::get(self.dtype, &self.bytes) {
            Value::Int(_) => false,
            Value::F32(value) => !value.is_finite(),
            Value::F64(value) => !value.is_finite(),
        }
    }

    fn integer(&self) -> i128 {
        match oracle::get(self.dtype, &self.bytes) {
            Value::Int(value) => value,
            _ => 0,
        }
    }
}

fn divisor(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { divisor(b, a % b) }
}

fn exact(op: BinaryOp, a: i128, b: i128) -> Option<i128> {
    match op {
        BinaryOp::Add => Some(a + b),
        BinaryOp::Subtract => Some(a - b),
        BinaryOp::Multiply => a.checked_mul(b),
        BinaryOp::FloorDivide if b == -1 => Some(-a),
        BinaryOp::Power if a.abs() > 1 && b > 0 => u32::try_from(b).ok().and_then(|b| a.checked_pow(b)),
        BinaryOp::Gcd => i128::try_from(divisor(a.unsigned_abs(), b.unsigned_abs())).ok(),
        BinaryOp::Lcm if a == 0 || b == 0 => Some(0),
        BinaryOp::Lcm => {
            let (a, b) = (a.unsigned_abs(), b.unsigned_abs());
            (a / divisor(a, b)).checked_mul(b).and_then(|multiple| i128::try_from(multiple).ok())
        }
        BinaryOp::LeftShift if a == 0 => Some(0),
        BinaryOp::LeftShift => u32::try_from(b).ok().filter(|b| *b < 64).map(|b| a << b),
        _ => Some(0),
    }
}

fn step(instr: &Instr, cells: &[Cell]) -> Cell {
    let read = |arg: &Arg, dtype: DType| match arg {
        Arg::Reg(reg) => cells[reg.0 as usize].clone(),
        Arg::Const(value) => Cell { dtype, bytes: value.to_bytes(dtype), finite: true, events: [false; 2] },
    };
    let fits = |value: Option<i128>, dtype: DType| value.is_some_and(|value| Scalar::Int(value).fits(dtype));
    let join = |dtype: DType, bytes: Vec<u8>, below: &[&Cell], own: [bool; 2]| Cell {
        dtype,
        bytes,
        finite: !dtype.is_float() || below.iter().all(|cell| cell.finite),
        events: [0, 1].map(|kind| own[kind] || below.iter().any(|cell| cell.events[kind])),
    };
    match instr {
        Instr::Unary { op, dtype, a, .. } => {
            let a = read(a, *dtype);
            let value = a.integer();
            let wide = match op {
                UnaryOp::Negative => Some(-value),
                UnaryOp::Absolute => Some(value.abs()),
                UnaryOp::Square => value.checked_mul(value),
                _ => Some(0),
            };
            let own = [dtype.is_integer() && !fits(wide, *dtype), false];
            join(op.result(*dtype), oracle::unary(*op, *dtype, &a.bytes).unwrap(), &[&a], own)
        }
        Instr::Binary { op, dtype, a, b, .. } => {
            let (a, b) = (read(a, *dtype), read(b, *dtype));
            let by_zero = matches!(op, BinaryOp::FloorDivide | BinaryOp::Remainder | BinaryOp::Fmod) && b.integer() == 0;
            let whole = dtype.is_integer();
            let own = [whole && !fits(exact(*op, a.integer(), b.integer()), *dtype), whole && by_zero];
            join(op.result(*dtype), oracle::binary(*op, *dtype, &a.bytes, &b.bytes).unwrap(), &[&a, &b], own)
        }
        Instr::Cast { from, to, a, .. } => {
            let a = read(&Arg::Reg(*a), *from);
            let bytes = match oracle::get(*from, &a.bytes) {
                Value::Int(value) => Scalar::Int(value).to_bytes(*to),
                Value::F32(value) => Scalar::Float(value.into()).to_bytes(*to),
                Value::F64(value) => Scalar::Float(value).to_bytes(*to),
            };
            join(*to, bytes, &[&a], [!fits(Some(a.integer()), *to), false])
        }
        Instr::Select { dtype, mask, a, b, .. } => {
            let mask = &cells[mask.0 as usize];
            let chosen = read(if mask.bytes[0] != 0 { a } else { b }, *dtype);
            let events = [0, 1].map(|kind| chosen.events[kind] || mask.events[kind]);
            Cell { events, ..chosen }
        }
        _ => unreachable!("not in these programs"),
    }
}

/// A random program on two inputs, all of whose values are in registers of their own; the last one is stored.
fn random_code(dtype: DType, bits: &mut Bits) -> Vec<Instr> {
    let other = if dtype.is_float() { FLOATS[bits.below(4)] } else { INTEGERS[bits.below(8)] };
    let mut code = vec![];
    // Registers of the dtype, and masks.
    let (mut own, mut masks, mut next) = (vec![0u32, 1], vec![], 2u32);
    let float_ops = [BinaryOp::Add, BinaryOp::Subtract, BinaryOp::Multiply, BinaryOp::Divide, BinaryOp::Maximum];
    let integer_ops = [
        BinaryOp::Add,
        BinaryOp::Subtract,
        BinaryOp::Multiply,
        BinaryOp::FloorDivide,
        BinaryOp::Remainder,
        BinaryOp::Fmod,
        BinaryOp::LeftShift,
        BinaryOp::Power,
        BinaryOp::Minimum,
        BinaryOp::Gcd,
        BinaryOp::Lcm,
    ];
    for _ in 0..1 + bits.below(8) {
        let a = Reg(own[bits.below(own.len())]);
        let b = match bits.below(4) {
            0 => Arg::Const(Scalar::Int([0, 1, 2, 3, 100][bits.below(5)])),
            _ => Arg::Reg(Reg(own[bits.below(own.len())])),
        };
        let dst = Reg(next);
        next += 1;
        match bits.below(6) {
            0 => {
                let op = [UnaryOp::Negative, UnaryOp::Absolute, UnaryOp::Square][bits.below(3)];
                code.push(Instr::Unary { op, dtype, dst, a: Arg::Reg(a) });
            }
            1 => {
                let mode = CastMode::Checked;
                code.push(Instr::Cast { from: dtype, to: other, mode, dst, a });
                code.push(Instr::Cast { from: other, to: dtype, mode, dst: Reg(next), a: dst });
                own.push(next);
                next += 1;
                continue;
            }
            2 => {
                code.push(Instr::Binary { op: BinaryOp::Less, dtype, dst, a: Arg::Reg(a), b });
                masks.push(dst);
                continue;
            }
            3 if !masks.is_empty() => {
                code.push(Instr::Select { dtype, dst, mask: masks[bits.below(masks.len())], a: Arg::Reg(a), b });
            }
            _ => {
                let op = if dtype.is_float() { float_ops[bits.below(5)] } else { integer_ops[bits.below(11)] };
                code.push(Instr::Binary { op, dtype, dst, a: Arg::Reg(a), b });
            }
        }
        own.push(dst.0);
    }
    code.push(Instr::Store { slot: SlotId(2), src: Arg::Reg(Reg(own[own.len() - 1])) });
    code
}

fn model(code: &[Instr], dtype: DType, inputs: &[Vec<u8>; 2], count: usize) -> [(u64, u64); 4] {
    let mut found = [(0, 0); 4];
    for element in 0..count {
        let size = dtype.size();
        let mut cells: Vec<Cell> = inputs
            .iter()
            .map(|input| {
                let cell = Cell { dtype, bytes: input[element * size..][..size].to_vec(), finite: true, events: [false; 2] };
                Cell { finite: !cell.is_special(), ..cell }
            })
            .collect();
        for instr in code {
            if let Instr::Store { src: Arg::Reg(reg), .. } = instr {
                let cell = &cells[reg.0 as usize];
                let created = cell.is_special() && cell.finite;
                let nan = match oracle::get(dtype, &cell.bytes) {
                    Value::Int(_) => false,
                    Value::F32(value) => value.is_nan(),
                    Value::F64(value) => value.is_nan(),
                };
                for (at, hit) in [created && nan, created && !nan, cell.events[0], cell.events[1]].into_iter().enumerate() {
                    if hit {
                        found[at] = if found[at].0 == 0 { (1, element as u64) } else { (found[at].0 + 1, found[at].1) };
                    }
                }
            } else {
                let cell = step(instr, &cells);
                cells.push(cell);
            }
        }
    }
    found
}

#[test]
fn random_programs_count_what_the_model_counts() {
    let mut bits = Bits(0x57a7);
    let mut met = [0u64; 4];
    for round in 0..600 {
        let dtype = if round % 2 == 0 { FLOATS[bits.below(4)] } else { INTEGERS[bits.below(8)] };
        let code = random_code(dtype, &mut bits);
        let space = [[6, 10], [1, 60], [60, 1], [3, 700]][bits.below(4)];
        let count = space.iter().product();
        let inputs = [oracle::elements(dtype, count, &mut bits), oracle::elements(dtype, count, &mut bits)];
        let wanted = model(&code, dtype, &inputs, count);
        let mut all = vec![Instr::Load { dst: Reg(0), slot: SlotId(0) }, Instr::Load { dst: Reg(1), slot: SlotId(1) }];
        all.extend(code.iter().cloned());
        let slots = vec![slot(dtype, SlotKind::Input), slot(dtype, SlotKind::Input), slot(dtype, SlotKind::Output)];
        let program = Program { slots, accumulators: vec![], steps: vec![sweep(2, all)] };
        let mut before: Option<Findings> = None;
        for block in [space, [1, space[1]], [space[0], 7.min(space[1])]] {
            let found = findings(&program, &inputs, &space, &block, Isa::detect());
            let counts = FindingKind::ALL
                .map(|kind| found.iter().find(|found| found.kind == kind).map_or((0, 0), |Finding { count, first, .. }| (*count, *first)));
            assert_eq!(counts, wanted, "round {round}: {dtype} {code:?} in blocks of {block:?}");
            assert!(found.iter().all(|found| found.blame.is_some()), "round {round}: {code:?}");
            assert!(before.is_none_or(|before| before == found), "round {round}: {code:?}");
            before = Some(found);
        }
        (0..4).for_each(|kind| met[kind] += wanted[kind].0);
    }
    assert!(met.iter().all(|count| *count > 100), "{met:?}");
}
