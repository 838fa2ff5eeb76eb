//! Hashes of what the functions give on random arguments: the same on every instruction set, and until
//! [`crate::numeric::VERSION`] is raised. `UPDATE_EXPECT=1 cargo test --lib kernel::math::hashes` writes them anew.

use crate::{
    kernel::{
        oracle::Bits,
        program::{BinaryOp, UnaryOp},
        simd::{Isa, kernels},
    },
    nd::DType,
};
use half::{bf16, f16};
use std::{collections::BTreeMap, fmt::Write, path::Path};

const ELEMENTS: usize = 4096;
const SEEDS: [u64; 2] = [1, 2];
const FLOATS: [DType; 4] = [DType::F16, DType::BF16, DType::F32, DType::F64];

const UNARY: [UnaryOp; 27] = [
    UnaryOp::Sqrt,
    UnaryOp::Exp,
    UnaryOp::Exp2,
    UnaryOp::Expm1,
    UnaryOp::Log,
    UnaryOp::Log2,
    UnaryOp::Log10,
    UnaryOp::Log1p,
    UnaryOp::Cbrt,
    UnaryOp::Sin,
    UnaryOp::Cos,
    UnaryOp::Tan,
    UnaryOp::Asin,
    UnaryOp::Acos,
    UnaryOp::Atan,
    UnaryOp::Sinh,
    UnaryOp::Cosh,
    UnaryOp::Tanh,
    UnaryOp::Asinh,
    UnaryOp::Acosh,
    UnaryOp::Atanh,
    UnaryOp::Sigmoid,
    UnaryOp::Softplus,
    UnaryOp::Gelu,
    UnaryOp::Silu,
    UnaryOp::Erf,
    UnaryOp::Erfc,
];

const BINARY: [BinaryOp; 8] = [
    BinaryOp::Power,
    BinaryOp::Hypot,
    BinaryOp::Atan2,
    BinaryOp::Logaddexp,
    BinaryOp::Logaddexp2,
    BinaryOp::FloorDivide,
    BinaryOp::Remainder,
    BinaryOp::Fmod,
];

/// Any bits, and numbers of every size near those that are used.
fn arguments(dtype: DType, bits: &mut Bits) -> Vec<u8> {
    let mut out = Vec::new();
    for index in 0..ELEMENTS {
        let sign = if bits.next() & 1 == 0 { 1.0 } else { -1.0 };
        let unit = (bits.next() >> 11) as f64 / 9_007_199_254_740_992.0;
        let random = bits.next();
        let value = match index % 4 {
            0 => f64::from_bits(random),
            1 => sign * unit,
            2 => sign * unit * 20.0,
            // From 2^-32 to 2^32, without a function of a library.
            _ => sign * f64::from_bits(((1023 - 32 + random % 64) << 52) | (random >> 12)),
        };
        match dtype {
            DType::F16 => out.extend(if index % 4 == 0 { random as u16 } else { f16::from_f64(value).to_bits() }.to_ne_bytes()),
            DType::BF16 => out.extend(if index % 4 == 0 { random as u16 } else { bf16::from_f64(value).to_bits() }.to_ne_bytes()),
            DType::F32 => out.extend(if index % 4 == 0 { f32::from_bits(random as u32) } else { value as f32 }.to_ne_bytes()),
            _ => out.extend(value.to_ne_bytes()),
        }
    }
    out
}

/// FNV-1a of the results; every NaN counts as one.
fn hash(dtype: DType, bytes: &[u8]) -> u64 {
    let infinity = match dtype {
        DType::F16 => 0x7c00,
        DType::BF16 => 0x7f80,
        DType::F32 => 0x7f80_0000,
        _ => f64::INFINITY.to_bits(),
    };
    bytes.chunks_exact(dtype.size()).fold(0xcbf2_9ce4_8422_2325, |hash: u64, element| {
        let bits = element.iter().rev().fold(0u64, |bits, &byte| bits << 8 | u64::from(byte));
        let magnitude = bits & (u64::MAX >> (65 - 8 * dtype.size()));
        (hash ^ if magnitude > infinity { u64::MAX } else { bits }).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Name, dtype and seed with the hash, one a line.
fn hashes(isa: Isa) -> BTreeMap<String, u64> {
    let mut out = BTreeMap::new();
    for dtype in FLOATS {
        for seed in SEEDS {
            let mut bits = Bits(seed);
            let (a, b) = (arguments(dtype, &mut bits), arguments(dtype, &mut bits));
            let mut result = vec![0; a.len()];
            for operation in UNARY {
                (kernels(isa).unary)(operation, dtype).unwrap()(&mut result, &a);
                out.insert(format!("{operation:?} {dtype} {seed}"), hash(dtype, &result));
            }
            for operation in BINARY {
                ((kernels(isa).binary)(operation, dtype).unwrap().vector_vector)(&mut result, &a, &b);
                out.insert(format!("{operation:?} {dtype} {seed}"), hash(dtype, &result));
            }
        }
    }
    out
}

#[test]
fn bits_are_those_of_this_version() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/kernel/math/hashes.txt");
    let mut text = format!("numerics {}\n", crate::numeric::VERSION);
    for (name, hash) in hashes(Isa::Baseline) {
        writeln!(text, "{name} {hash:016x}").unwrap();
    }
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    for (ours, theirs) in text.lines().zip(expected.lines()) {
        assert_eq!(ours, theirs, "the bits of a function have changed: raise numeric::VERSION and write the hashes anew");
    }
    assert_eq!(text.lines().count(), expected.lines().count());
    for isa in Isa::available() {
        assert_eq!(hashes(isa), hashes(Isa::Baseline), "{} differs", isa.name());
    }
}
