//! Every kernel of every instruction set against the oracle, bit for bit.

use super::{Isa, kernels};
use crate::{
    kernel::{
        oracle::{self, Bits},
        program::{BinaryOp, CastMode, UnaryOp},
    },
    nd::DType,
};

/// Odd, so that vector bodies and tails are both met.
const COUNT: usize = if cfg!(miri) { 19 } else { 333 };

fn aligned(bytes: &[u8]) -> Vec<u64> {
    let mut words = vec![0u64; bytes.len().div_ceil(8)];
    bytemuck::cast_slice_mut::<u64, u8>(&mut words)[..bytes.len()].copy_from_slice(bytes);
    words
}

fn check(what: &str, dtype: DType, got: &[u8], want: impl Fn(usize) -> Vec<u8>) {
    for (index, got) in got.chunks_exact(dtype.size()).enumerate() {
        let want = want(index);
        assert!(oracle::same(dtype, got, &want), "{what} at {index}: {:?}, not {:?}", oracle::get(dtype, got), oracle::get(dtype, &want));
    }
}

type Elements = fn(DType, usize, &mut Bits) -> Vec<u8>;

#[test]
fn unary_kernels_agree_with_the_oracle() {
    check_unary(oracle::elements);
    check_unary(oracle::tame_elements);
}

fn check_unary(elements: Elements) {
    let mut bits = Bits(1);
    for (dtype, op) in DType::ALL.into_iter().flat_map(|dtype| UnaryOp::ALL.iter().map(move |op| (dtype, *op))) {
        let size = dtype.size();
        let words = aligned(&elements(dtype, COUNT, &mut bits));
        let a = &bytemuck::cast_slice::<u64, u8>(&words)[..COUNT * size];
        let out_dtype = op.result(dtype);
        for isa in Isa::available() {
            let kernel = (kernels(isa).unary)(op, dtype);
            assert_eq!(kernel.is_some(), oracle::unary(op, dtype, &a[..size]).is_some(), "{op:?} {dtype}");
            let Some(kernel) = kernel else { continue };
            let mut out = vec![0u64; COUNT];
            let out = &mut bytemuck::cast_slice_mut::<u64, u8>(&mut out)[..COUNT * out_dtype.size()];
            kernel(out, a);
            check(&format!("{op:?} {dtype} {}", isa.name()), out_dtype, out, |i| oracle::unary(op, dtype, &a[i * size..][..size]).unwrap());
        }
    }
}

#[test]
fn binary_kernels_agree_with_the_oracle() {
    check_binary(oracle::elements);
    check_binary(oracle::tame_elements);
}

fn check_binary(elements: Elements) {
    let mut bits = Bits(2);
    for (dtype, op) in DType::ALL.into_iter().flat_map(|dtype| BinaryOp::ALL.iter().map(move |op| (dtype, *op))) {
        // These are Less and LessEqual with their operands exchanged.
        if matches!(op, BinaryOp::Greater | BinaryOp::GreaterEqual) {
            continue;
        }
        let size = dtype.size();
        let (a, b) = (aligned(&elements(dtype, COUNT, &mut bits)), aligned(&elements(dtype, COUNT, &mut bits)));
        let bytes = COUNT * size;
        let (a, b): (&[u8], &[u8]) = (&bytemuck::cast_slice(&a)[..bytes], &bytemuck::cast_slice(&b)[..bytes]);
        let out_dtype = op.result(dtype);
        for isa in Isa::available() {
            let found = (kernels(isa).binary)(op, dtype);
            assert_eq!(found.is_some(), oracle::binary(op, dtype, &a[..size], &b[..size]).is_some(), "{op:?} {dtype}");
            let Some(found) = found else { continue };
            let mut out = vec![0u64; COUNT];
            let out = &mut bytemuck::cast_slice_mut::<u64, u8>(&mut out)[..COUNT * out_dtype.size()];
            let what = format!("{op:?} {dtype} {}", isa.name());
            (found.vector_vector)(out, a, b);
            check(&what, out_dtype, out, |i| oracle::binary(op, dtype, &a[i * size..][..size], &b[i * size..][..size]).unwrap());
            for at in [0, 8, 16, 40].map(|at| at * 8 / size * size) {
                (found.vector_scalar)(out, a, &b[at..at + size]);
                check(&what, out_dtype, out, |i| oracle::binary(op, dtype, &a[i * size..][..size], &b[at..][..size]).unwrap());
                let (kernel, a, b) = match found.scalar_vector {
                    Some(kernel) => (kernel, &a[at..at + size], b),
                    None => (found.vector_scalar, b, &a[at..at + size]),
                };
                kernel(out, a, b);
                let (scalar, vector) = if found.scalar_vector.is_some() { (a, b) } else { (b, a) };
                check(&what, out_dtype, out, |i| oracle::binary(op, dtype, scalar, &vector[i * size..][..size]).unwrap());
            }
        }
    }
}

/// What a cast gives, and whether it fits: through `i128` and `half`'s own conversions.
fn cast_oracle(from: DType, to: DType, mode: CastMode, a: &[u8]) -> (Vec<u8>, bool) {
    use crate::nd::Scalar;
    use oracle::Value;
    let value = match oracle::get(from, a) {
        Value::Int(value) if to == DType::F16 && from.size() < 4 => {
            return (half::f16::from_f64(value as f64).to_ne_bytes().to_vec(), true);
        }
        Value::Int(value) if to == DType::F32 => return ((value as f32).to_ne_bytes().to_vec(), true),
        Value::Int(value) if to == DType::BF16 => return (oracle::bf16_of_integer(value).to_ne_bytes().to_vec(), true),
        Value::Int(value) => return (Scalar::Int(value).to_bytes(to), true),
        Value::F32(value) => f64::from(value),
        Value::F64(value) => value,
    };
    if to == DType::BF16 {
        return (oracle::bf16_of_f64(value).to_ne_bytes().to_vec(), true);
    }
    if to.is_float() || to == DType::Bool {
        return (Scalar::Float(value).to_bytes(to), true);
    }
    let range =
        |low: i128, high: i128| (value.trunc() >= low as f64 && value.trunc() < (high + 1) as f64, (value as i128).clamp(low, high));
    let bits = to.size() as u32 * 8;
    let (low, high) = if to.is_unsigned() { (0, (1i128 << bits) - 1) } else { (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1) };
    let (fits, saturated) = range(low, high);
    match mode {
        CastMode::Wrap => {
            let whole = if value.abs() < 1e36 { value as i128 } else { 0 };
            (Scalar::Int(whole).to_bytes(to), true)
        }
        CastMode::Checked | CastMode::Exponent => (Scalar::Int(saturated).to_bytes(to), fits),
        CastMode::Saturate => (Scalar::Int(saturated).to_bytes(to), true),
    }
}

#[test]
fn casts_agree_with_the_oracle() {
    let mut bits = Bits(3);
    for (from, to) in DType::ALL.into_iter().flat_map(|from| DType::ALL.map(|to| (from, to))) {
        let size = from.size();
        let a = aligned(&oracle::elements(from, COUNT, &mut bits));
        let a: &[u8] = &bytemuck::cast_slice(&a)[..COUNT * size];
        for mode in [CastMode::Checked, CastMode::Saturate, CastMode::Wrap] {
            let want: Vec<_> = (0..COUNT).map(|i| cast_oracle(from, to, mode, &a[i * size..][..size])).collect();
            for isa in Isa::available() {
                let mut out = vec![0u64; COUNT];
                let out = &mut bytemuck::cast_slice_mut::<u64, u8>(&mut out)[..COUNT * to.size()];
                let fault = (kernels(isa).cast)(from, to, mode)(out, a);
                let what = format!("{from} to {to} {mode:?} {}", isa.name());
                assert_eq!(fault, want.iter().position(|(_, fits)| !fits).unwrap_or(usize::MAX), "{what}");
                check(&what, to, out, |i| want[i].0.clone());
            }
        }
    }
}
