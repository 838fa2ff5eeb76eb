//! Instruction sets: which exist, and one table of kernels for each.
//!
//! The loops of `super::loops` are safe generic code. `instruction_set!` wraps them in functions that carry
//! `#[target_feature]`, so the compiler vectorises the same source once per set, and coerces them to plain function
//! pointers inside a function with the same features. Calling that one function is the only `unsafe` step per set.

mod fence;
#[cfg(target_arch = "x86_64")]
mod lanes;
mod prefetch;
mod table;
#[cfg(test)]
mod tests;
mod turned;

pub(crate) use fence::Fence;
pub(crate) use prefetch::{PREFETCH_BYTES, prefetch};
pub(crate) use table::{BinaryKernels, CastKernel, Kernels, SelectKernels, UnaryKernel, Vectors, enter, kernels};
pub(crate) use turned::turn;

/// An instruction set that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isa {
    /// What every CPU of the architecture has.
    Baseline,
    /// AVX2 with FMA, F16C and the bit manipulation sets.
    Avx2,
    /// AVX-512 F, BW, DQ, VL and CD.
    Avx512,
}

impl Isa {
    /// The widest set of this CPU.
    #[must_use]
    pub fn detect() -> Isa {
        [Isa::Avx512, Isa::Avx2].into_iter().find(|isa| isa.is_available()).unwrap_or(Isa::Baseline)
    }

    /// Every set of this CPU, narrowest first.
    #[must_use]
    pub fn available() -> Vec<Isa> {
        [Isa::Baseline, Isa::Avx2, Isa::Avx512].into_iter().filter(|isa| isa.is_available()).collect()
    }

    /// `baseline`, `avx2` or `avx512`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Isa::Baseline => "baseline",
            Isa::Avx2 => "avx2",
            Isa::Avx512 => "avx512",
        }
    }

    /// Whether this CPU has the set.
    #[cfg(target_arch = "x86_64")]
    #[must_use]
    pub fn is_available(self) -> bool {
        let avx2 = || {
            is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("f16c")
                && is_x86_feature_detected!("bmi1")
                && is_x86_feature_detected!("bmi2")
                && is_x86_feature_detected!("lzcnt")
                && is_x86_feature_detected!("popcnt")
        };
        match self {
            Isa::Baseline => true,
            Isa::Avx2 => avx2(),
            Isa::Avx512 => {
                avx2()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512cd")
            }
        }
    }

    /// Whether this CPU has the set.
    #[cfg(not(target_arch = "x86_64"))]
    #[must_use]
    pub fn is_available(self) -> bool {
        self == Isa::Baseline
    }
}
