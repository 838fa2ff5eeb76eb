//! The elementwise operations: one list per arity, from which names, dtype rules and results are made.
//!
//! A row reads: variant, NumPy's name, what the operands are converted to, what comes out.

use crate::nd::DType;
use serde::{Deserialize, Serialize};

/// What an operation makes of its operands' dtype before it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// Any dtype, as it is.
    Any,
    /// Any dtype but `bool`.
    Numbers,
    /// Any dtype; `bool` becomes `i8`.
    Counts,
    /// `bool` and integers.
    Bits,
    /// Integers; `bool` becomes `i8`.
    Integers,
    /// Integers only.
    WholeNumbers,
    /// Floats; `bool` and integers become the smallest float that holds them, at most `f64`.
    Floats,
    /// Floats; `bool` and integers become `f64`.
    Quotients,
    /// Truth values: whether elements are not zero.
    Truths,
}

/// The dtype of an operation's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// That of the operands.
    Same,
    /// `bool`.
    Bool,
    /// `u8`.
    Byte,
}

macro_rules! operators {
    ($(#[$meta:meta])* $enum:ident $($(#[$doc:meta])* $op:ident $name:literal $domain:ident $outcome:ident;)*) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[allow(missing_docs, reason = "NumPy's names")]
        pub enum $enum {
            $($(#[$doc])* $op,)*
        }

        impl $enum {
            /// Every operation, in declaration order.
            pub const ALL: &'static [$enum] = &[$($enum::$op),*];

            /// NumPy's name of the function.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $($enum::$op => $name,)* }
            }

            /// What the operands are converted to.
            #[must_use]
            pub const fn domain(self) -> Domain {
                match self { $($enum::$op => Domain::$domain,)* }
            }

            /// What comes out.
            #[must_use]
            pub const fn outcome(self) -> Outcome {
                match self { $($enum::$op => Outcome::$outcome,)* }
            }

            /// Dtype of the result for operands of `dtype`.
            #[must_use]
            pub const fn result(self, dtype: DType) -> DType {
                match self.outcome() {
                    Outcome::Same => dtype,
                    Outcome::Bool => DType::Bool,
                    Outcome::Byte => DType::U8,
                }
            }
        }
    };
}

operators! {
    /// One-operand operations.
    UnaryOp
    Negative "negative" Numbers Same;
    Absolute "abs" Any Same;
    Square "square" Counts Same;
    /// 1, 0 or -1; NaN of NaN.
    Sign "sign" Numbers Same;
    Sqrt "sqrt" Floats Same;
    /// Ties to even.
    Rint "rint" Floats Same;
    /// Kernels for floats only: an integer is its own floor.
    Floor "floor" Any Same;
    /// Kernels for floats only.
    Ceil "ceil" Any Same;
    /// Kernels for floats only.
    Trunc "trunc" Any Same;
    Exp "exp" Floats Same;
    Exp2 "exp2" Floats Same;
    Expm1 "expm1" Floats Same;
    Log "log" Floats Same;
    Log2 "log2" Floats Same;
    Log10 "log10" Floats Same;
    Log1p "log1p" Floats Same;
    Cbrt "cbrt" Floats Same;
    Sin "sin" Floats Same;
    Cos "cos" Floats Same;
    Tan "tan" Floats Same;
    Asin "arcsin" Floats Same;
    Acos "arccos" Floats Same;
    Atan "arctan" Floats Same;
    Sinh "sinh" Floats Same;
    Cosh "cosh" Floats Same;
    Tanh "tanh" Floats Same;
    Asinh "arcsinh" Floats Same;
    Acosh "arccosh" Floats Same;
    Atanh "arctanh" Floats Same;
    Sigmoid "sigmoid" Floats Same;
    Softplus "softplus" Floats Same;
    Gelu "gelu" Floats Same;
    Silu "silu" Floats Same;
    Erf "erf" Floats Same;
    Erfc "erfc" Floats Same;
    LogicalNot "logical_not" Any Bool;
    Invert "invert" Bits Same;
    /// Bits that are set in the magnitude.
    BitwiseCount "bitwise_count" Integers Byte;
    IsNan "isnan" Any Bool;
    IsInf "isinf" Any Bool;
    IsFinite "isfinite" Any Bool;
    Signbit "signbit" Floats Bool;
}

operators! {
    /// Two-operand operations on equal dtypes.
    BinaryOp
    Add "add" Any Same;
    Subtract "subtract" Numbers Same;
    Multiply "multiply" Any Same;
    Divide "divide" Quotients Same;
    Power "power" Counts Same;
    Minimum "minimum" Any Same;
    Maximum "maximum" Any Same;
    /// The smaller one; kernels for floats only, where a number wins over NaN.
    Fmin "fmin" Any Same;
    /// The larger one; kernels for floats only, where a number wins over NaN.
    Fmax "fmax" Any Same;
    Equal "equal" Any Bool;
    NotEqual "not_equal" Any Bool;
    Less "less" Any Bool;
    LessEqual "less_equal" Any Bool;
    Greater "greater" Any Bool;
    GreaterEqual "greater_equal" Any Bool;
    LogicalAnd "logical_and" Truths Bool;
    LogicalOr "logical_or" Truths Bool;
    LogicalXor "logical_xor" Truths Bool;
    BitwiseAnd "bitwise_and" Bits Same;
    BitwiseOr "bitwise_or" Bits Same;
    BitwiseXor "bitwise_xor" Bits Same;
    /// A shift by the width or more leaves nothing.
    LeftShift "left_shift" Integers Same;
    /// A shift by the width or more, or by a negative number, leaves only the sign.
    RightShift "right_shift" Integers Same;
    /// Python's `//`; for integers, division by zero gives 0.
    FloorDivide "floor_divide" Counts Same;
    /// Python's `%`; for integers, division by zero gives 0.
    Remainder "remainder" Counts Same;
    /// C's `%`, with the dividend's sign; for integers, division by zero gives 0.
    Fmod "fmod" Counts Same;
    Gcd "gcd" WholeNumbers Same;
    Lcm "lcm" WholeNumbers Same;
    Hypot "hypot" Floats Same;
    Atan2 "arctan2" Floats Same;
    Logaddexp "logaddexp" Floats Same;
    Logaddexp2 "logaddexp2" Floats Same;
    Copysign "copysign" Floats Same;
    Nextafter "nextafter" Floats Same;
    Heaviside "heaviside" Floats Same;
    /// `a * 2^b`, rounded once; `b` is a whole number, of which 2200 in magnitude counts. Kernels for all floats but `bf16`, which holds too few of these.
    Ldexp "ldexp" Floats Same;
}

impl BinaryOp {
    /// Whether this compares two elements.
    #[must_use]
    pub const fn is_comparison(self) -> bool {
        use BinaryOp::{Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual};
        matches!(self, Equal | NotEqual | Less | LessEqual | Greater | GreaterEqual)
    }
}
