//! Which kernel an operation has on a dtype: one row per operation. Read by the module of every instruction set.

/// `Some(make::<T, Op>())` for the listed dtypes. Operations that do not see the sign list unsigned types for both.
macro_rules! pick {
    ($dtype:expr, $make:ident, $op:ty, $($d:ident: $t:ty),*) => {
        match $dtype {
            $(DType::$d => Some($make::<$t, $op>()),)*
            #[allow(unreachable_patterns, reason = "some lists hold every dtype")]
            _ => None,
        }
    };
}
macro_rules! pick_bits {
    ($dtype:expr, $make:ident, $op:ty $(, $d:ident: $t:ty)*) => {
        pick!($dtype, $make, $op, I8: u8, U8: u8, I16: u16, U16: u16, I32: u32, U32: u32, I64: u64, U64: u64 $(, $d: $t)*)
    };
}
macro_rules! pick_bits_and_floats {
    ($dtype:expr, $make:ident, $op:ty $(, $d:ident: $t:ty)*) => {
        pick_bits!($dtype, $make, $op, F16: f16, BF16: bf16, F32: f32, F64: f64 $(, $d: $t)*)
    };
}
macro_rules! pick_floats {
    ($dtype:expr, $make:ident, $op:ty $(, $d:ident: $t:ty)*) => {
        pick!($dtype, $make, $op, F16: f16, BF16: bf16, F32: f32, F64: f64 $(, $d: $t)*)
    };
}
macro_rules! pick_integers {
    ($dtype:expr, $make:ident, $op:ty $(, $d:ident: $t:ty)*) => {
        pick!($dtype, $make, $op, I8: i8, U8: u8, I16: i16, U16: u16, I32: i32, U32: u32, I64: i64, U64: u64 $(, $d: $t)*)
    };
}
macro_rules! pick_numbers {
    ($dtype:expr, $make:ident, $op:ty $(, $d:ident: $t:ty)*) => {
        pick_integers!($dtype, $make, $op, F16: f16, BF16: bf16, F32: f32, F64: f64 $(, $d: $t)*)
    };
}

/// A function of `kernel::math`: bodies for `f32` and `f64`, the narrow floats through `f32`.
macro_rules! pick_function {
    ($dtype:expr, $make:ident, $narrow:ident, $op:ty) => {
        match $dtype {
            DType::F16 => Some($narrow::<f16, $op>()),
            DType::BF16 => Some($narrow::<bf16, $op>()),
            DType::F32 => Some($make::<f32, $op>()),
            DType::F64 => Some($make::<f64, $op>()),
            _ => None,
        }
    };
}

/// A `match` over operations: some rows say how they are made, the rest are functions of `kernel::math` by their own name.
macro_rules! kernel_match {
    ($operation:expr, $dtype:expr, $enum:ident, $make:ident, $narrow:ident, { $($rows:tt)* }, $($name:ident)*) => {
        match $operation {
            $($enum::$name => pick_function!($dtype, $make, $narrow, op::$name),)*
            $($rows)*
        }
    };
}

/// The kernel of a one-operand operation, in the module of an instruction set.
macro_rules! unary_kernel {
    ($operation:expr, $dtype:expr) => {
        kernel_match!($operation, $dtype, UnaryOp, function, narrow_function, {
            UnaryOp::Negative => pick_bits_and_floats!($dtype, one, op::Negative),
            UnaryOp::Absolute => pick_numbers!($dtype, one, op::Absolute, Bool: bool),
            UnaryOp::Square if $dtype == DType::Bool => Some(one::<bool, op::Absolute>()),
            UnaryOp::Square => pick_bits_and_floats!($dtype, one, op::Square),
            UnaryOp::Sign => pick_numbers!($dtype, one, op::Sign),
            UnaryOp::Sqrt => pick_floats!($dtype, one, op::Sqrt),
            UnaryOp::Rint => pick_floats!($dtype, one, op::Rint),
            UnaryOp::Floor => pick_floats!($dtype, one, op::Floor),
            UnaryOp::Ceil => pick_floats!($dtype, one, op::Ceil),
            UnaryOp::Trunc => pick_floats!($dtype, one, op::Trunc),
            UnaryOp::LogicalNot => pick_bits_and_floats!($dtype, one, op::LogicalNot, Bool: bool),
            UnaryOp::Invert if $dtype == DType::Bool => Some(one::<bool, op::LogicalNot>()),
            UnaryOp::Invert => pick_bits!($dtype, one, op::Invert),
            UnaryOp::BitwiseCount => pick_integers!($dtype, one, op::BitwiseCount),
            UnaryOp::IsNan => pick_floats!($dtype, one, op::IsNan).or_else(|| pick_bits!($dtype, one, op::Never, Bool: u8)),
            UnaryOp::IsInf => pick_floats!($dtype, one, op::IsInf).or_else(|| pick_bits!($dtype, one, op::Never, Bool: u8)),
            UnaryOp::IsFinite => pick_floats!($dtype, one, op::IsFinite).or_else(|| pick_bits!($dtype, one, op::Always, Bool: u8)),
            UnaryOp::Signbit => pick_floats!($dtype, one, op::Signbit),
        }, Exp Exp2 Expm1 Log Log2 Log10 Log1p Cbrt Sin Cos Tan Asin Acos Atan Sinh Cosh Tanh Asinh Acosh Atanh Sigmoid Softplus Gelu Silu Erf Erfc)
    };
}

/// The kernels of a two-operand operation on any dtype but `bool`. `two` is for commutative operations.
macro_rules! binary_kernel {
    ($operation:expr, $dtype:expr) => {
        kernel_match!($operation, $dtype, BinaryOp, function_two, narrow_function_two, {
            BinaryOp::Power if $dtype.is_float() => pick_function!($dtype, function_two, narrow_function_two, op::Power),
            BinaryOp::Power if $dtype.size() >= 4 => pick!($dtype, function_two, op::ChunkedPower, I32: i32, U32: u32, I64: i64, U64: u64),
            BinaryOp::FloorDivide if $dtype.is_float() => pick_function!($dtype, function_two, narrow_function_two, op::FloorDivide),
            BinaryOp::Remainder if $dtype.is_float() => pick_function!($dtype, function_two, narrow_function_two, op::Remainder),
            BinaryOp::Fmod if $dtype.is_float() => pick_function!($dtype, function_two, narrow_function_two, op::Fmod),
            BinaryOp::Ldexp => pick!($dtype, three, op::Ldexp, F16: f16, F32: f32, F64: f64),
            BinaryOp::Add => pick_bits_and_floats!($dtype, two, op::Add),
            BinaryOp::Subtract => pick_bits_and_floats!($dtype, three, op::Subtract),
            BinaryOp::Multiply => pick_bits_and_floats!($dtype, two, op::Multiply),
            BinaryOp::Divide => pick_floats!($dtype, three, op::Divide),
            BinaryOp::Minimum => pick_numbers!($dtype, two, op::Minimum),
            BinaryOp::Maximum => pick_numbers!($dtype, two, op::Maximum),
            BinaryOp::Fmin => pick_floats!($dtype, two, op::Fmin),
            BinaryOp::Fmax => pick_floats!($dtype, two, op::Fmax),
            BinaryOp::Equal if matches!($dtype, DType::F16 | DType::BF16) => pick!($dtype, two, op::Equal, F16: Ordered<0x7c00>, BF16: Ordered<0x7f80>),
            BinaryOp::Equal => pick_bits_and_floats!($dtype, two, op::Equal),
            BinaryOp::NotEqual if matches!($dtype, DType::F16 | DType::BF16) => pick!($dtype, two, op::NotEqual, F16: Ordered<0x7c00>, BF16: Ordered<0x7f80>),
            BinaryOp::NotEqual => pick_bits_and_floats!($dtype, two, op::NotEqual),
            BinaryOp::Less if matches!($dtype, DType::F16 | DType::BF16) => pick!($dtype, three, op::Less, F16: Ordered<0x7c00>, BF16: Ordered<0x7f80>),
            BinaryOp::Less => pick_numbers!($dtype, three, op::Less),
            BinaryOp::LessEqual if matches!($dtype, DType::F16 | DType::BF16) => pick!($dtype, three, op::LessEqual, F16: Ordered<0x7c00>, BF16: Ordered<0x7f80>),
            BinaryOp::LessEqual => pick_numbers!($dtype, three, op::LessEqual),
            BinaryOp::LogicalAnd => pick_bits_and_floats!($dtype, two, op::LogicalAnd),
            BinaryOp::LogicalOr => pick_bits_and_floats!($dtype, two, op::LogicalOr),
            BinaryOp::LogicalXor => pick_bits_and_floats!($dtype, two, op::LogicalXor),
            BinaryOp::BitwiseAnd => pick_bits!($dtype, two, op::BitwiseAnd),
            BinaryOp::BitwiseOr => pick_bits!($dtype, two, op::BitwiseOr),
            BinaryOp::BitwiseXor => pick_bits!($dtype, two, op::BitwiseXor),
            BinaryOp::LeftShift => pick_bits!($dtype, three, op::LeftShift),
            BinaryOp::RightShift => pick_integers!($dtype, three, op::RightShift),
            BinaryOp::Copysign => pick_floats!($dtype, three, op::Copysign),
            BinaryOp::Power
            | BinaryOp::FloorDivide
            | BinaryOp::Remainder
            | BinaryOp::Fmod
            | BinaryOp::Gcd
            | BinaryOp::Lcm
            | BinaryOp::Nextafter
            | BinaryOp::Heaviside => super::scalar_binary($operation, $dtype),
            // Resolved to Less and LessEqual with the operands exchanged.
            BinaryOp::Greater | BinaryOp::GreaterEqual => None,
        }, Hypot Atan2 Logaddexp Logaddexp2)
    };
}
