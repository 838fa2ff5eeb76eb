//! The elementwise functions that are one operation of the kernel each: NumPy's names.

use super::{
    node::Array,
    operand::Operand,
    words::{BinaryOp, UnaryOp},
};

macro_rules! unary_methods {
    ($($(#[$doc:meta])* $name:ident $op:ident;)*) => {
        impl Array {$(
            $(#[$doc])*
            #[must_use]
            #[track_caller]
            pub fn $name(&self) -> Array { Array::unary(UnaryOp::$op, self) }
        )*}
    };
}
unary_methods! {
    /// Absolute value; the smallest signed integer wraps to itself, as in NumPy.
    abs Absolute;
    /// `x * x`.
    square Square;
    /// 1 where an element is above zero, -1 below, 0 at zero; NaN of NaN.
    sign Sign;
    /// Square root; integers become floats.
    sqrt Sqrt;
    /// Cube root.
    cbrt Cbrt;
    /// The nearest whole number, ties to even; integers become floats.
    rint Rint;
    /// The next whole number below; integers stay as they are.
    floor Floor;
    /// The next whole number above; integers stay as they are.
    ceil Ceil;
    /// The next whole number toward zero; integers stay as they are.
    trunc Trunc;
    /// e to the power of every element.
    exp Exp;
    /// 2 to the power of every element.
    exp2 Exp2;
    /// `exp(x) - 1`, accurate near zero.
    expm1 Expm1;
    /// Natural logarithm.
    log Log;
    /// Logarithm to base 2.
    log2 Log2;
    /// Logarithm to base 10.
    log10 Log10;
    /// `log(1 + x)`, accurate near zero.
    log1p Log1p;
    /// Sine of radians.
    sin Sin;
    /// Cosine of radians.
    cos Cos;
    /// Tangent of radians.
    tan Tan;
    /// Inverse sine, in radians.
    arcsin Asin;
    /// Inverse cosine, in radians.
    arccos Acos;
    /// Inverse tangent, in radians.
    arctan Atan;
    /// Hyperbolic sine.
    sinh Sinh;
    /// Hyperbolic cosine.
    cosh Cosh;
    /// Hyperbolic tangent.
    tanh Tanh;
    /// Inverse hyperbolic sine.
    arcsinh Asinh;
    /// Inverse hyperbolic cosine; NaN below 1.
    arccosh Acosh;
    /// Inverse hyperbolic tangent; NaN beyond -1 and 1.
    arctanh Atanh;
    /// `1 / (1 + exp(-x))`, rounded once.
    sigmoid Sigmoid;
    /// `log(1 + exp(x))`, rounded once.
    softplus Softplus;
    /// `x / 2 * (1 + erf(x / sqrt(2)))`, rounded once.
    gelu Gelu;
    /// `x * sigmoid(x)`, rounded once.
    silu Silu;
    /// The error function.
    erf Erf;
    /// `1 - erf(x)`, accurate for large elements.
    erfc Erfc;
    /// Whether every element is zero.
    logical_not LogicalNot;
    /// Number of bits that are set in the magnitude of every integer, as `u8`.
    bitwise_count BitwiseCount;
    /// Whether every element is not a number.
    isnan IsNan;
    /// Whether every element is infinite.
    isinf IsInf;
    /// Whether every element is neither infinite nor not a number.
    isfinite IsFinite;
    /// Whether the sign bit is set: true of -0.0.
    signbit Signbit;
}

macro_rules! binary_methods {
    ($($(#[$doc:meta])* $name:ident $op:ident;)*) => {
        impl Array {$(
            $(#[$doc])*
            #[must_use]
            #[track_caller]
            pub fn $name(&self, other: impl Into<Operand>) -> Array { self.with(BinaryOp::$op, other.into()) }
        )*}
    };
}
binary_methods! {
    /// Power, with NumPy's rules: `x.power(2)` is [`Array::square`], `x.power(0.5)` the square root.
    power Power;
    /// The smaller one; NaN if either is.
    minimum Minimum;
    /// The larger one; NaN if either is.
    maximum Maximum;
    /// The smaller one; NaN only if both are.
    fmin Fmin;
    /// The larger one; NaN only if both are.
    fmax Fmax;
    /// Whether elements are equal, as `bool`.
    equal Equal;
    /// Whether elements differ, as `bool`.
    not_equal NotEqual;
    /// Whether elements are less, as `bool`.
    less Less;
    /// Whether elements are less or equal, as `bool`.
    less_equal LessEqual;
    /// Whether elements are greater, as `bool`.
    greater Greater;
    /// Whether elements are greater or equal, as `bool`.
    greater_equal GreaterEqual;
    /// Whether both are not zero.
    logical_and LogicalAnd;
    /// Whether either is not zero.
    logical_or LogicalOr;
    /// Whether exactly one is not zero.
    logical_xor LogicalXor;
    /// Python's `//`: the quotient rounded down; integers by zero give 0.
    floor_divide FloorDivide;
    /// Python's `%`: the remainder with the divisor's sign; integers by zero give 0.
    remainder Remainder;
    /// C's `%`: the remainder with the dividend's sign; integers by zero give 0.
    fmod Fmod;
    /// Greatest common divisor of integers.
    gcd Gcd;
    /// Least common multiple of integers; it wraps.
    lcm Lcm;
    /// `sqrt(x * x + y * y)` without overflow in between.
    hypot Hypot;
    /// The angle of the point with this ordinate and that abscissa, from -pi to pi.
    arctan2 Atan2;
    /// `log(exp(x) + exp(y))` without overflow in between.
    logaddexp Logaddexp;
    /// `log2(exp2(x) + exp2(y))` without overflow in between.
    logaddexp2 Logaddexp2;
    /// The magnitude of this with the sign of that.
    copysign Copysign;
    /// The next float toward the other.
    nextafter Nextafter;
    /// 0 below zero, the other operand at zero, 1 above.
    heaviside Heaviside;
}
