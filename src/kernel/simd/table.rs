//! The table of kernels of one instruction set, and the macro that makes one.

use super::Isa;
use crate::{
    kernel::{
        cast::{Checked, Convert, Plain, Wrapped},
        chain::{self, CHAIN_MAX, ChainKernel, Link},
        formula::{self, SumsOf},
        lane::{Lane, Ordered},
        loops,
        operation::{self as op, Binary, Unary},
        product::{self, ProductKernel, SegmentKernel},
        program::{BinaryOp, CastMode, UnaryOp},
        random::{self, DrawKernel},
        search::{SearchKernel, search},
        vm::GroupKernel,
        watch::{self, EventChecks, TileCheck},
    },
    nd::DType,
    numeric::{Accumulator, Baseline, Elements, Finish, Groups, InstructionSet, Piece, RowSums, Scan, ScanBlock, Side, TileAxis},
};
use half::{bf16, f16};

mod lines;
mod math;
mod vectors;
#[macro_use]
mod pick;

use vectors::FloatVectors;
pub(crate) use vectors::Vectors;

/// `(out, a)`: tiles of equal length.
pub(crate) type UnaryKernel = fn(&mut [u8], &[u8]);
/// `(out, a, b)`.
pub(crate) type BinaryKernel = fn(&mut [u8], &[u8], &[u8]);
/// `(out, a)`: the first element that does not fit, or `usize::MAX`.
pub(crate) type CastKernel = fn(&mut [u8], &[u8]) -> usize;
/// `(out, mask, a, b)`.
pub(crate) type SelectKernel = fn(&mut [u8], &[u8], &[u8], &[u8]);

/// The forms of a two-operand operation. A scalar operand is a slice of one element.
#[derive(Clone, Copy)]
pub(crate) struct BinaryKernels {
    pub vector_vector: BinaryKernel,
    pub vector_scalar: BinaryKernel,
    /// None for a commutative operation: exchange the operands.
    pub scalar_vector: Option<BinaryKernel>,
}

/// The forms of a selection, by which of `a` and `b` is a scalar.
#[derive(Clone, Copy)]
pub(crate) struct SelectKernels {
    pub vector_vector: SelectKernel,
    pub vector_scalar: SelectKernel,
    pub scalar_vector: SelectKernel,
    pub scalar_scalar: SelectKernel,
}

/// `(scan, block, input, output)`: the place of the first result that does not fit.
pub(crate) type ScanKernel = fn(&mut Scan, &ScanBlock<'_>, &[u8], &mut [u8]) -> Result<(), usize>;

/// All kernels of one instruction set. None where NumPy has no such operation either.
#[derive(Clone, Copy)]
pub(crate) struct Kernels {
    pub unary: fn(UnaryOp, DType) -> Option<UnaryKernel>,
    pub binary: fn(BinaryOp, DType) -> Option<BinaryKernels>,
    pub cast: fn(DType, DType, CastMode) -> CastKernel,
    pub select: fn(usize) -> SelectKernels,
    pub swap_bytes: fn(usize) -> fn(&mut [u8]),
    /// Whether any element of a float dtype is not finite; None for other dtypes.
    pub special: fn(DType) -> Option<TileCheck>,
    /// `(out, tile)`: copies a tile past the cache; see [`super::Fence`].
    pub stream: fn(&mut [u8], &[u8]),
    pub absorb: fn(&mut Accumulator, &[u8], &[TileAxis], usize, i64),
    pub absorb_pairs: fn(&mut Accumulator, [Side<'_>; 2], &[TileAxis], usize),
    /// `(sums, dtype, bytes, length, rows)`: [`RowSums::take`].
    pub take_rows: fn(&mut RowSums, DType, &[u8], usize, usize),
    /// `(sums, what, dtype, rows, out)`: [`RowSums::finish`].
    pub finish_rows: fn(&RowSums, Finish, DType, usize, &mut [u8]) -> u64,
    pub scan: ScanKernel,
    pub absorb_groups: GroupKernel,
    pub search: SearchKernel,
    /// What asks whether integers wrapped.
    pub events: EventChecks,
    /// Sums of formulas.
    pub sums_of: SumsOf,
    /// Chains of operations on a float.
    pub chain: fn(DType) -> Option<ChainKernel>,
    /// Random values.
    pub draw: DrawKernel,
    /// Products of matrices of `f32` or `f64`.
    pub product: fn(DType) -> Option<ProductKernel>,
    /// Products of one segment of inner places, written as results.
    pub product_of_segment: fn(DType) -> Option<SegmentKernel>,
}

/// Loops compiled for AVX2. Only the table of that set and [`enter`] name it.
#[cfg(target_arch = "x86_64")]
struct Avx2Set;

#[cfg(target_arch = "x86_64")]
impl InstructionSet for Avx2Set {
    #[expect(unsafe_code, reason = "entering code compiled for an instruction set")]
    fn enter<P: Piece>(piece: P) {
        #[target_feature(enable = "avx2,fma,f16c,bmi1,bmi2,lzcnt,popcnt")]
        #[inline(never)]
        fn compiled<P: Piece>(piece: P) {
            piece.go();
        }
        // SAFETY: this type is named by the AVX2 table, which is handed out only where the CPU has the features, and by `enter`, which asks.
        unsafe { compiled(piece) }
    }

    fn prefetch(bytes: &[u8]) {
        super::prefetch(bytes);
    }
}

/// Loops compiled for AVX-512. Only the table of that set and [`enter`] name it.
#[cfg(target_arch = "x86_64")]
struct Avx512Set;

#[cfg(target_arch = "x86_64")]
impl InstructionSet for Avx512Set {
    #[expect(unsafe_code, reason = "entering code compiled for an instruction set")]
    fn enter<P: Piece>(piece: P) {
        #[target_feature(enable = "avx2,fma,f16c,bmi1,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512dq,avx512vl,avx512cd")]
        #[inline(never)]
        fn compiled<P: Piece>(piece: P) {
            piece.go();
        }
        // SAFETY: this type is named by the AVX-512 table, which is handed out only where the CPU has the features, and by `enter`, which asks.
        unsafe { compiled(piece) }
    }

    fn prefetch(bytes: &[u8]) {
        super::prefetch(bytes);
    }
}

/// Runs `piece` compiled for `isa`, or for every CPU if this one has not the set.
pub(crate) fn enter<P: Piece>(isa: Isa, piece: P) {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 if isa.is_available() => Avx512Set::enter(piece),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 if isa.is_available() => Avx2Set::enter(piece),
        _ => Baseline::enter(piece),
    }
}

macro_rules! instruction_set {
    ($(#[$doc:meta])* $name:ident, $set:ident $(, $features:literal)?) => {
        $(#[$doc])*
        mod $name {
            use super::*;

            $(#[target_feature(enable = $features)])?
            fn unary_loop<L: Lane, O: Unary<L>>(out: &mut [u8], a: &[u8]) {
                loops::unary::<L, O>(out, a);
            }
            $(#[target_feature(enable = $features)])?
            fn vector_vector<L: Lane, O: Binary<L>>(out: &mut [u8], a: &[u8], b: &[u8]) {
                loops::vector_vector::<L, O>(out, a, b);
            }
            $(#[target_feature(enable = $features)])?
            fn vector_scalar<L: Lane, O: Binary<L>>(out: &mut [u8], a: &[u8], b: &[u8]) {
                loops::vector_scalar::<L, O>(out, a, b);
            }
            $(#[target_feature(enable = $features)])?
            fn scalar_vector<L: Lane, O: Binary<L>>(out: &mut [u8], a: &[u8], b: &[u8]) {
                loops::scalar_vector::<L, O>(out, a, b);
            }
            $(#[target_feature(enable = $features)])?
            fn cast_loop<A: Lane, B: Lane, C: Convert<A, B>>(out: &mut [u8], a: &[u8]) -> usize {
                loops::convert::<A, B, C>(out, a)
            }
            $(#[target_feature(enable = $features)])?
            fn select_loop<T: bytemuck::Pod, const A: bool, const B: bool>(out: &mut [u8], mask: &[u8], a: &[u8], b: &[u8]) {
                loops::select::<T, A, B>(out, mask, a, b);
            }
            $(#[target_feature(enable = $features)])?
            fn swap_loop<const N: usize>(tile: &mut [u8]) {
                loops::swap_bytes::<N>(tile);
            }
            $(#[target_feature(enable = $features)])?
            fn special_f16(tile: &[u8]) -> bool {
                watch::special_f16(tile)
            }
            $(#[target_feature(enable = $features)])?
            fn special_bf16(tile: &[u8]) -> bool {
                watch::special_bf16(tile)
            }
            $(#[target_feature(enable = $features)])?
            fn special_f32(tile: &[u8]) -> bool {
                watch::special_f32(tile)
            }
            $(#[target_feature(enable = $features)])?
            fn special_f64(tile: &[u8]) -> bool {
                watch::special_f64(tile)
            }
            $(#[target_feature(enable = $features)])?
            fn special(dtype: DType) -> Option<TileCheck> {
                watch::special_check(dtype, [special_f16, special_bf16, special_f32, special_f64])
            }
            $(#[target_feature(enable = $features)])?
            fn chain_loop<V: Vectors>(out: &mut [u8], operands: &[(&[u8], bool); CHAIN_MAX + 1], links: &[Link]) {
                chain::run::<V, { <$set as FloatVectors>::ROWS }>(out, operands, links);
            }
            $(#[target_feature(enable = $features)])?
            fn chain(dtype: DType) -> Option<ChainKernel> {
                Some(match dtype {
                    DType::F16 => chain_loop::<<$set as FloatVectors>::F16>,
                    DType::BF16 => chain_loop::<<$set as FloatVectors>::Bf16>,
                    DType::F32 => chain_loop::<<$set as FloatVectors>::F32>,
                    DType::F64 => chain_loop::<<$set as FloatVectors>::F64>,
                    _ => return None,
                })
            }
            $(#[target_feature(enable = $features)])?
            fn stream(out: &mut [u8], tile: &[u8]) {
                lines::stream::<$set>(out, tile);
            }
            fn absorb(accumulator: &mut Accumulator, tile: &[u8], axes: &[TileAxis], base: usize, index: i64) {
                accumulator.absorb::<$set>(tile, axes, base, index);
            }
            fn absorb_pairs(accumulator: &mut Accumulator, sides: [Side<'_>; 2], axes: &[TileAxis], base: usize) {
                accumulator.absorb_pairs::<$set>(sides, axes, base);
            }
            fn scan(scan: &mut Scan, block: &ScanBlock<'_>, input: &[u8], output: &mut [u8]) -> Result<(), usize> {
                scan.advance::<$set>(block, input, output)
            }
            fn take_rows(sums: &mut RowSums, dtype: DType, bytes: &[u8], length: usize, rows: usize) {
                sums.take::<$set>(dtype, bytes, length, rows);
            }
            fn finish_rows(sums: &RowSums, what: Finish, dtype: DType, rows: usize, out: &mut [u8]) -> u64 {
                sums.finish::<$set>(what, dtype, rows, out)
            }
            fn absorb_groups(accumulator: &mut Accumulator, tile: Elements<'_>, axes: &[TileAxis], base: usize, groups: &Groups<'_>) -> Result<(), usize> {
                accumulator.absorb_groups::<$set>(tile, axes, base, groups)
            }

            $(#[target_feature(enable = $features)])?
            fn one<L: Lane, O: Unary<L>>() -> UnaryKernel {
                unary_loop::<L, O>
            }
            /// Commutative.
            $(#[target_feature(enable = $features)])?
            fn two<L: Lane, O: Binary<L>>() -> BinaryKernels {
                BinaryKernels {
                    vector_vector: vector_vector::<L, O>,
                    vector_scalar: vector_scalar::<L, O>,
                    scalar_vector: None,
                }
            }
            $(#[target_feature(enable = $features)])?
            pub(super) fn three<L: Lane, O: Binary<L>>() -> BinaryKernels {
                BinaryKernels {
                    vector_vector: vector_vector::<L, O>,
                    vector_scalar: vector_scalar::<L, O>,
                    scalar_vector: Some(scalar_vector::<L, O>),
                }
            }
            $(#[target_feature(enable = $features)])?
            fn choose<T: bytemuck::Pod>() -> SelectKernels {
                SelectKernels {
                    vector_vector: select_loop::<T, false, false>,
                    vector_scalar: select_loop::<T, false, true>,
                    scalar_vector: select_loop::<T, true, false>,
                    scalar_scalar: select_loop::<T, true, true>,
                }
            }

            /// The body of a function: one per float lane, shared by all forms of the kernel.
            $(#[target_feature(enable = $features)])?
            #[inline(never)]
            fn body<L: Lane, O: Unary<L>>(out: &mut [u8], a: &[u8]) {
                if !O::by_vectors::<$set>(out, a) {
                    loops::function::<L, O>(out, a);
                }
            }
            $(#[target_feature(enable = $features)])?
            fn through<L: math::Half, O: Unary<f32>>(out: &mut [u8], a: &[u8]) {
                math::through_halves::<$set, L>(out, a, |out, a| body::<f32, O>(out, a));
            }
            $(#[target_feature(enable = $features)])?
            #[inline(never)]
            fn body_two<L: Lane, O: Binary<L>>(out: &mut [u8], a: &[u8], b: &[u8]) {
                if !O::by_vectors::<$set>(out, a, b) {
                    loops::function_two::<L, O>(out, a, b);
                }
            }
            $(#[target_feature(enable = $features)])?
            fn through_two<L, B, O, const SCALAR_A: bool, const SCALAR_B: bool>(out: &mut [u8], a: &[u8], b: &[u8])
            where
                L: Lane<Wide = B::Wide>, B: Lane, O: Binary<B>,
            {
                loops::through_two::<L, B, SCALAR_A, SCALAR_B>(out, a, b, |out, a, b| body_two::<B, O>(out, a, b));
            }
            $(#[target_feature(enable = $features)])?
            fn function<L: Lane, O: Unary<L>>() -> UnaryKernel {
                body::<L, O>
            }
            $(#[target_feature(enable = $features)])?
            fn narrow_function<L: math::Half, O: Unary<f32>>() -> UnaryKernel {
                through::<L, O>
            }
            $(#[target_feature(enable = $features)])?
            fn function_two<L: Lane, O: Binary<L>>() -> BinaryKernels {
                BinaryKernels {
                    vector_vector: body_two::<L, O>,
                    vector_scalar: through_two::<L, L, O, false, true>,
                    scalar_vector: Some(through_two::<L, L, O, true, false>),
                }
            }
            $(#[target_feature(enable = $features)])?
            fn narrow_function_two<L: Lane<Wide = f32>, O: Binary<f32>>() -> BinaryKernels {
                BinaryKernels {
                    vector_vector: through_two::<L, f32, O, false, false>,
                    vector_scalar: through_two::<L, f32, O, false, true>,
                    scalar_vector: Some(through_two::<L, f32, O, true, false>),
                }
            }

            $(#[target_feature(enable = $features)])?
            fn unary(operation: UnaryOp, dtype: DType) -> Option<UnaryKernel> {
                unary_kernel!(operation, dtype)
            }

            $(#[target_feature(enable = $features)])?
            fn binary(operation: BinaryOp, dtype: DType) -> Option<BinaryKernels> {
                if dtype == DType::Bool {
                    return binary_bool(operation);
                }
                binary_kernel!(operation, dtype)
            }

            $(#[target_feature(enable = $features)])?
            fn binary_bool(operation: BinaryOp) -> Option<BinaryKernels> {
                Some(match operation {
                    BinaryOp::Add | BinaryOp::Maximum | BinaryOp::LogicalOr | BinaryOp::BitwiseOr => two::<bool, op::LogicalOr>(),
                    BinaryOp::Multiply | BinaryOp::Minimum | BinaryOp::LogicalAnd | BinaryOp::BitwiseAnd => two::<bool, op::LogicalAnd>(),
                    BinaryOp::NotEqual | BinaryOp::LogicalXor | BinaryOp::BitwiseXor => two::<bool, op::LogicalXor>(),
                    BinaryOp::Equal => two::<bool, op::LogicalEqual>(),
                    BinaryOp::Less => three::<bool, op::Less>(),
                    BinaryOp::LessEqual => three::<bool, op::LessEqual>(),
                    _ => return None,
                })
            }

            $(#[target_feature(enable = $features)])?
            fn from<A: Lane>(to: DType) -> CastKernel
            where
                Plain: Convert<A, bool> + Convert<A, i8> + Convert<A, i16> + Convert<A, i32> + Convert<A, i64>
                    + Convert<A, u8> + Convert<A, u16> + Convert<A, u32> + Convert<A, u64>
                    + Convert<A, f16> + Convert<A, bf16> + Convert<A, f32> + Convert<A, f64>,
            {
                match to {
                    DType::Bool => cast_loop::<A, bool, Plain>,
                    DType::I8 => cast_loop::<A, i8, Plain>,
                    DType::I16 => cast_loop::<A, i16, Plain>,
                    DType::I32 => cast_loop::<A, i32, Plain>,
                    DType::I64 => cast_loop::<A, i64, Plain>,
                    DType::U8 => cast_loop::<A, u8, Plain>,
                    DType::U16 => cast_loop::<A, u16, Plain>,
                    DType::U32 => cast_loop::<A, u32, Plain>,
                    DType::U64 => cast_loop::<A, u64, Plain>,
                    DType::F16 => cast_loop::<A, f16, Plain>,
                    DType::BF16 => cast_loop::<A, bf16, Plain>,
                    DType::F32 => cast_loop::<A, f32, Plain>,
                    DType::F64 => cast_loop::<A, f64, Plain>,
                }
            }

            $(#[target_feature(enable = $features)])?
            pub(super) fn to_integer<A: Lane, C>(to: DType) -> Option<CastKernel>
            where
                C: Convert<A, i8> + Convert<A, i16> + Convert<A, i32> + Convert<A, i64>
                    + Convert<A, u8> + Convert<A, u16> + Convert<A, u32> + Convert<A, u64>,
            {
                Some(match to {
                    DType::I8 => cast_loop::<A, i8, C>,
                    DType::I16 => cast_loop::<A, i16, C>,
                    DType::I32 => cast_loop::<A, i32, C>,
                    DType::I64 => cast_loop::<A, i64, C>,
                    DType::U8 => cast_loop::<A, u8, C>,
                    DType::U16 => cast_loop::<A, u16, C>,
                    DType::U32 => cast_loop::<A, u32, C>,
                    DType::U64 => cast_loop::<A, u64, C>,
                    _ => return None,
                })
            }

            $(#[target_feature(enable = $features)])?
            fn cast(from_dtype: DType, to: DType, mode: CastMode) -> CastKernel {
                let special = match (if mode.is_checked() { CastMode::Checked } else { mode }, from_dtype) {
                    (CastMode::Checked, DType::F16) => to_integer::<f16, Checked>(to),
                    (CastMode::Checked, DType::BF16) => to_integer::<bf16, Checked>(to),
                    (CastMode::Checked, DType::F32) => to_integer::<f32, Checked>(to),
                    (CastMode::Checked, DType::F64) => to_integer::<f64, Checked>(to),
                    (CastMode::Wrap, _) => super::scalar_wrap(from_dtype, to),
                    _ => None,
                };
                if let Some(kernel) = special {
                    return kernel;
                }
                match from_dtype {
                    DType::Bool => from::<bool>(to),
                    DType::I8 => from::<i8>(to),
                    DType::I16 => from::<i16>(to),
                    DType::I32 => from::<i32>(to),
                    DType::I64 => from::<i64>(to),
                    DType::U8 => from::<u8>(to),
                    DType::U16 => from::<u16>(to),
                    DType::U32 => from::<u32>(to),
                    DType::U64 => from::<u64>(to),
                    DType::F16 => from::<f16>(to),
                    DType::BF16 => from::<bf16>(to),
                    DType::F32 => from::<f32>(to),
                    DType::F64 => from::<f64>(to),
                }
            }

            $(#[target_feature(enable = $features)])?
            fn select(size: usize) -> SelectKernels {
                match size {
                    1 => choose::<u8>(),
                    2 => choose::<u16>(),
                    4 => choose::<u32>(),
                    _ => choose::<u64>(),
                }
            }

            $(#[target_feature(enable = $features)])?
            fn swap_bytes(size: usize) -> fn(&mut [u8]) {
                match size {
                    1 => swap_loop::<1>,
                    2 => swap_loop::<2>,
                    4 => swap_loop::<4>,
                    _ => swap_loop::<8>,
                }
            }

            $(#[target_feature(enable = $features)])?
            pub(super) fn table() -> Kernels {
                // The lookups themselves run with the features, so they are reached through pointers as well.
                Kernels { unary, binary, cast, select, swap_bytes, special, stream, absorb, absorb_pairs, take_rows, finish_rows, absorb_groups, search: search::<$set>, scan, sums_of: formula::kernels::<$set>, chain, events: watch::event_checks::<$set>(), draw: random::draw::<$set>, product: product::kernel::<$set>, product_of_segment: product::segment_kernel::<$set> }
            }
        }
    };
}

instruction_set!(
    /// What the architecture promises.
    baseline,
    Baseline
);
#[cfg(target_arch = "x86_64")]
instruction_set!(
    /// 256-bit vectors with FMA.
    avx2,
    Avx2Set,
    "avx2,fma,f16c,bmi1,bmi2,lzcnt,popcnt"
);
#[cfg(target_arch = "x86_64")]
instruction_set!(
    /// 512-bit vectors.
    avx512,
    Avx512Set,
    "avx2,fma,f16c,bmi1,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512dq,avx512vl,avx512cd"
);

/// Operations that no set vectorises, or that are rare: compiled once.
fn scalar_binary(operation: BinaryOp, dtype: DType) -> Option<BinaryKernels> {
    use baseline::three;
    match operation {
        BinaryOp::Power => pick_integers!(dtype, three, op::IntegerPower),
        BinaryOp::FloorDivide => pick_integers!(dtype, three, op::FloorDivide),
        BinaryOp::Remainder => pick_integers!(dtype, three, op::Remainder),
        BinaryOp::Fmod => pick_integers!(dtype, three, op::Fmod),
        BinaryOp::Gcd => pick_integers!(dtype, three, op::Gcd),
        BinaryOp::Lcm => pick_integers!(dtype, three, op::Lcm),
        BinaryOp::Nextafter => pick_floats!(dtype, three, op::Nextafter),
        BinaryOp::Heaviside => pick_floats!(dtype, three, op::Heaviside),
        _ => None,
    }
}

/// Wrapping casts go through 128 bits: compiled once.
fn scalar_wrap(from: DType, to: DType) -> Option<CastKernel> {
    match from {
        DType::F16 => baseline::to_integer::<f16, Wrapped>(to),
        DType::BF16 => baseline::to_integer::<bf16, Wrapped>(to),
        DType::F32 => baseline::to_integer::<f32, Wrapped>(to),
        DType::F64 => baseline::to_integer::<f64, Wrapped>(to),
        _ => None,
    }
}

/// The kernels of `isa`, or of the baseline where this CPU lacks it.
#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "entering code compiled for an instruction set is the one unsafe step of the kernels")]
pub(crate) fn kernels(isa: Isa) -> Kernels {
    match isa {
        // SAFETY: `is_available` has just found every feature that `avx512` enables on this CPU. The pointers in
        // the table are as safe as the call: features do not go away while the process runs.
        Isa::Avx512 if isa.is_available() => unsafe { avx512::table() },
        // SAFETY: as above, for `avx2`.
        Isa::Avx2 if isa.is_available() => unsafe { avx2::table() },
        _ => baseline::table(),
    }
}

/// The kernels of the baseline: the only set here.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn kernels(_isa: Isa) -> Kernels {
    baseline::table()
}
