//! Tables of texts: what they build, what they say when they are wrong. Random texts never panic.

use super::{BuildOptions, Built, Program, Value, functions, parse};
use crate::{
    array::{Array, Session, node::Kind},
    error::{Error, ErrorKind, Result},
    expr::Op,
    nd::{DType, SliceItem, shape::show},
    numeric::SumMode,
};
use expect_test::{Expect, expect};
use proptest::prelude::*;

fn input(dtype: DType, shape: &[usize]) -> Array {
    thread_local!(static SESSION: Session = Session::builder().memory("64MiB").threads(1).build().unwrap());
    SESSION.with(|session| session.imagine(dtype, shape))
}

/// x: f32 (4, 3); y: f32 (3,); m: bool (4, 3); i: i32 (4, 3); t: f32 (4,); c: f32 (4, 1); s: f32 (3, 3); n: f32 (4, 3) with axes row, dim.
fn inputs() -> Vec<(String, Array)> {
    let named = input(DType::F32, &[4, 3]).named(["row", "dim"]);
    let all = [
        ("x", input(DType::F32, &[4, 3])),
        ("y", input(DType::F32, &[3])),
        ("m", input(DType::Bool, &[4, 3])),
        ("i", input(DType::I32, &[4, 3])),
        ("t", input(DType::F32, &[4])),
        ("c", input(DType::F32, &[4, 1])),
        ("s", input(DType::F32, &[3, 3])),
        ("n", named),
    ];
    all.into_iter().map(|(name, array)| (name.to_string(), array)).collect()
}

fn build_with(text: &str, strict: bool) -> (Vec<(String, Array)>, Result<Built>) {
    let inputs = inputs();
    let options = BuildOptions { sum_mode: SumMode::Exact, strict };
    let built = parse(text).and_then(|statements| Program::build(&statements, &inputs, &options));
    (inputs, built)
}

fn build(text: &str) -> Built {
    build_with(text, false).1.unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn error(text: &str) -> Error {
    match build_with(text, false).1 {
        Ok(built) => panic!("{text} is worth {:?}", built.result),
        Err(error) => error,
    }
}

/// An array as the operations that make it.
fn render(array: &Array, inputs: &[(String, Array)]) -> String {
    if let Some((name, _)) = inputs.iter().find(|(_, input)| std::sync::Arc::ptr_eq(&input.0, &array.0)) {
        return name.clone();
    }
    let args: Vec<String> = array.0.args.iter().map(|arg| render(arg, inputs)).collect();
    let args = args.join(", ");
    match &array.0.kind {
        Kind::Source(_) => format!("literal {} {}", array.dtype().unwrap(), show(&array.shape().unwrap())),
        Kind::Literal(value) => value.to_string(),
        Kind::Op(op) => match op {
            Op::Constant(value, dtype) => format!("{value}:{dtype}"),
            Op::Sequence { generator, length, dtype } => format!("{generator:?} {length}:{dtype}"),
            Op::Unary(op) => format!("{}({args})", op.name()),
            Op::Binary(op) => format!("{}({args})", op.name()),
            Op::Select => format!("where({args})"),
            Op::Cast(dtype, mode) => format!("{dtype}({args}, {mode:?})"),
            Op::Slice(items) => format!("{args}[{}]", items.iter().map(slice_text).collect::<Vec<_>>().join(", ")),
            Op::Permute(order) => format!("permute({args}, {order:?})"),
            Op::BroadcastTo(shape) => format!("broadcast({args}, {shape:?})"),
            Op::Reshape(shape) => format!("reshape({args}, {shape:?})"),
            Op::Rename(dims) => format!("rename({args}, {dims})"),
            Op::Reduce(reduction) => {
                let keep = if reduction.keepdims { " keep" } else { "" };
                format!("{:?}({args}, {:?}{keep} {})", reduction.finish, reduction.axes, reduction.dtype)
            }
            Op::Compress { axis, .. } => format!("compress({args}, {axis:?})"),
            Op::Source(_) | Op::MapBlocks(_) => "?".to_string(),
        },
        _ => "?".to_string(),
    }
}

fn slice_text(item: &SliceItem) -> String {
    match item {
        SliceItem::Index(index) => index.to_string(),
        SliceItem::Range { start, stop, step } => {
            let place = |value: &Option<i64>| value.map_or(String::new(), |value| value.to_string());
            let step = if *step == 1 { String::new() } else { format!(":{step}") };
            format!("{}:{}{step}", place(start), place(stop))
        }
        SliceItem::NewAxis => "None".to_string(),
        SliceItem::Ellipsis => "...".to_string(),
    }
}

fn shown(text: &str) -> String {
    let (inputs, built) = build_with(text, false);
    match built {
        Err(error) => format!("{:?}: {error}", error.kind()),
        Ok(built) => match built.result {
            None => "nothing".to_string(),
            Some((name, Value::Array(array))) => {
                let meta = array.meta().unwrap();
                let dims = if meta.dims.is_unnamed() { String::new() } else { format!(" [{}]", meta.dims) };
                format!("{name} = {} : {} {}{dims}", render(&array, &inputs), meta.dtype, show(&meta.shape))
            }
            Some((name, Value::List(list))) => {
                let parts: Vec<String> =
                    list.iter().map(|value| if let Value::Array(array) = value { render(array, &inputs) } else { value.show() }).collect();
                format!("{name} = list {}", parts.join(" | "))
            }
            Some((name, value)) => format!("{name} = {}", value.show()),
        },
    }
}

fn check_all(texts: &[&str], want: Expect) {
    let lines: Vec<String> = texts.iter().map(|text| format!("{text}\n    {}\n", shown(text).replace('\n', "\n    "))).collect();
    want.assert_eq(&lines.concat());
}

#[test]
fn literals_fold() {
    check_all(
        &[
            "1 + 2 * 3",
            "-2 ** 2",
            "2 ** -1",
            "2 ** 3 ** 2",
            "-7 // 2, -7 % 3",
            "7 / 2",
            "(1 < 2) & (2.5 > 1)",
            "~True, ~5",
            "0x1F + 1_000",
            "1e3",
            "pi",
            "inf - 1",
            "f32 == float32",
            "x.dtype == 'float32'",
            "x.shape",
            "x.shape[0] // 2",
            "x.shape[:1] == (4,)",
            "x.ndim, x.size",
            "x.shape == [4, 3]",
            "-x.shape[-1]",
            "a = b = 1",
        ],
        expect![[r#"
            1 + 2 * 3
                result = 7
            -2 ** 2
                result = -4
            2 ** -1
                result = 0.5
            2 ** 3 ** 2
                result = 512
            -7 // 2, -7 % 3
                result = (-4, 2)
            7 / 2
                result = 3.5
            (1 < 2) & (2.5 > 1)
                result = True
            ~True, ~5
                result = (False, -6)
            0x1F + 1_000
                result = 1031
            1e3
                result = 1000.0
            pi
                pi = 3.141592653589793
            inf - 1
                result = inf
            f32 == float32
                result = True
            x.dtype == 'float32'
                result = True
            x.shape
                result = (4, 3)
            x.shape[0] // 2
                result = 2
            x.shape[:1] == (4,)
                result = True
            x.ndim, x.size
                result = (2, 12)
            x.shape == [4, 3]
                result = True
            -x.shape[-1]
                result = -3
            a = b = 1
                Usage: an assignment has one `=`
                  1 | a = b = 1
                    |       ^
                  try: write `a = value; b = a`
        "#]],
    );
}

#[test]
fn operators_and_functions_build_arrays() {
    check_all(
        &[
            "m_ = mean(x, axis=0); sd = std(x, axis=0, ddof=1); z = (x - m_) / sd",
            "x.mean(1, keepdims=True)",
            "x ** 2",
            "1 - x",
            "-x ** 2",
            "x + 1 < y & True",
            "(x > 0) & m",
            "~m",
            "+x",
            "i // 2 % 3",
            "i / 2",
            "x == y",
            "n.sum('dim')",
            "sum(n, axis=('row', 'dim'))",
            "sum(x, (0, -1))",
            "sum(x, None)",
            "i.sum(dtype=f64)",
            "var(i, 0)",
            "where(m, x, 0)",
            "where(x > 0, 1, 0)",
            "where(True, x, y)",
            "clip(x, 0, 1)",
            "x.clip(max=y)",
            "clip(x, a_min=0, a_max=None)",
            "maximum(x, 1e-12)",
            "sqrt(2)",
            "minimum(1, 2.5)",
            "x / sqrt(2)",
            "logical_not(i)",
            "mod(i, 2)",
            "absolute(-x)",
            "x.astype('<f8')",
            "x.astype(f16)",
            "cast(x, u8, mode=saturate)",
            "cast(x, dtype=i32, mode='wrap')",
            "[[1, 10], [2, 20]]",
            "[1, 2.5] * 2",
            "[True, False]",
            "y + [1, 2, 3]",
            "[]",
            "amin(x), 1",
            "count_nonzero(m, axis=0)",
            "all(isfinite(x))",
        ],
        expect![[r#"
            m_ = mean(x, axis=0); sd = std(x, axis=0, ddof=1); z = (x - m_) / sd
                z = divide(subtract(x, Mean(x, [0] f32)), Std { ddof: 1 }(x, [0] f32)) : f32 (4, 3)
            x.mean(1, keepdims=True)
                result = Mean(x, [1] keep f32) : f32 (4, 1)
            x ** 2
                result = square(x) : f32 (4, 3)
            1 - x
                result = subtract(1.0:f32, x) : f32 (4, 3)
            -x ** 2
                result = negative(square(x)) : f32 (4, 3)
            x + 1 < y & True
                Mismatch: bitwise_and is not defined for f32
                  1 | x + 1 < y & True
                    |         ^^^^^^^^
                  try: combine comparisons, which are bool
            (x > 0) & m
                result = bitwise_and(greater(x, 0.0:f32), m) : bool (4, 3)
            ~m
                result = invert(m) : bool (4, 3)
            +x
                result = x : f32 (4, 3)
            i // 2 % 3
                result = remainder(floor_divide(i, 2:i32), 3:i32) : i32 (4, 3)
            i / 2
                result = divide(f64(i, Checked), 2.0:f64) : f64 (4, 3)
            x == y
                result = equal(x, y) : bool (4, 3)
            n.sum('dim')
                result = Sum(n, [1] f32) : f32 (4,) [row]
            sum(n, axis=('row', 'dim'))
                result = Sum(n, [0, 1] f32) : f32 ()
            sum(x, (0, -1))
                result = Sum(x, [0, 1] f32) : f32 ()
            sum(x, None)
                result = Sum(x, [0, 1] f32) : f32 ()
            i.sum(dtype=f64)
                result = Sum(f64(i, Checked), [0, 1] f64) : f64 ()
            var(i, 0)
                result = Var { ddof: 0 }(i, [0] f64) : f64 (3,)
            where(m, x, 0)
                result = where(m, x, 0.0:f32) : f32 (4, 3)
            where(x > 0, 1, 0)
                result = where(greater(x, 0.0:f32), 1:i64, 0:i64) : i64 (4, 3)
            where(True, x, y)
                result = where(broadcast(true:bool, []), x, y) : f32 (4, 3)
            clip(x, 0, 1)
                result = minimum(maximum(x, 0.0:f32), 1.0:f32) : f32 (4, 3)
            x.clip(max=y)
                result = minimum(x, y) : f32 (4, 3)
            clip(x, a_min=0, a_max=None)
                result = maximum(x, 0.0:f32) : f32 (4, 3)
            maximum(x, 1e-12)
                result = maximum(x, 1e-12:f32) : f32 (4, 3)
            sqrt(2)
                result = sqrt(f64(broadcast(2:i64, []), Checked)) : f64 ()
            minimum(1, 2.5)
                result = minimum(1.0:f64, broadcast(2.5:f64, [])) : f64 ()
            x / sqrt(2)
                result = divide(f64(x, Checked), sqrt(f64(broadcast(2:i64, []), Checked))) : f64 (4, 3)
            logical_not(i)
                result = logical_not(i) : bool (4, 3)
            mod(i, 2)
                result = remainder(i, 2:i32) : i32 (4, 3)
            absolute(-x)
                result = abs(negative(x)) : f32 (4, 3)
            x.astype('<f8')
                result = f64(x, Checked) : f64 (4, 3)
            x.astype(f16)
                result = f16(x, Checked) : f16 (4, 3)
            cast(x, u8, mode=saturate)
                result = u8(x, Saturate) : u8 (4, 3)
            cast(x, dtype=i32, mode='wrap')
                result = i32(x, Wrap) : i32 (4, 3)
            [[1, 10], [2, 20]]
                result = literal i64 (2, 2) : i64 (2, 2)
            [1, 2.5] * 2
                result = multiply(literal f64 (2,), 2.0:f64) : f64 (2,)
            [True, False]
                result = literal bool (2,) : bool (2,)
            y + [1, 2, 3]
                result = add(f64(y, Checked), f64(literal i64 (3,), Checked)) : f64 (3,)
            []
                result = literal f64 (0,) : f64 (0,)
            amin(x), 1
                result = (array f32 (), 1)
            count_nonzero(m, axis=0)
                result = CountNonzero(m, [0] i64) : i64 (3,)
            all(isfinite(x))
                result = All(isfinite(x), [0, 1] bool) : bool ()
        "#]],
    );
}

#[test]
fn views_and_indices() {
    check_all(
        &[
            "x[:, 0:10:2]",
            "x[..., None]",
            "x[-1]",
            "x[::-1]",
            "x[1, 2]",
            "x[x > 0]",
            "x[t > 0]",
            "x[t > 0, :]",
            "x[m, ...]",
            "x[None]",
            "x[1:x.shape[0] - 1]",
            "y[[True, False, True]]",
            "x.T",
            "transpose(x, (1, 0))",
            "x.transpose(1, 0)",
            "transpose(n, ('dim', 'row'))",
            "x.reshape(2, -1)",
            "reshape(x, (12,))",
            "ravel(x)",
            "squeeze(c)",
            "squeeze(c, axis=1)",
            "expand_dims(y, (0, 2))",
            "broadcast_to(y, x.shape)",
            "swapaxes(x, 0, -1)",
            "zeros((2, 3))",
            "ones(3, dtype=f32)",
            "full((2, 2), 7)",
            "full(3, y)",
            "arange(5)",
            "arange(1, 10, 3)",
            "arange(0, 1, 0.25)",
            "arange(stop=3)",
            "arange(5, dtype=f32)",
            "linspace(0, 1, 5)",
            "linspace(0, 1, num=4, endpoint=False)",
            "eye(2)",
            "eye(2, 3, dtype=i8)",
            "X, Y = meshgrid(arange(3), y[:2])",
            "meshgrid(y, t, indexing='ij')[1]",
            "rows, columns = x.shape; rows * columns",
            "a = [y, t]; a[1]",
            "x[\n  0,  # the first\n  :,\n]",
        ],
        expect![[r#"
            x[:, 0:10:2]
                result = x[:, 0:10:2] : f32 (4, 2)
            x[..., None]
                result = x[..., None] : f32 (4, 3, 1)
            x[-1]
                result = x[-1] : f32 (3,)
            x[::-1]
                result = x[::-1] : f32 (4, 3)
            x[1, 2]
                result = x[1, 2] : f32 ()
            x[x > 0]
                result = compress(x, greater(x, 0.0:f32), None) : f32 (<=12,)
            x[t > 0]
                result = compress(x, greater(t, 0.0:f32), Some(0)) : f32 (<=4, 3)
            x[t > 0, :]
                result = compress(x, greater(t, 0.0:f32), Some(0)) : f32 (<=4, 3)
            x[m, ...]
                result = compress(x, m, None) : f32 (<=12,)
            x[None]
                result = x[None] : f32 (1, 4, 3)
            x[1:x.shape[0] - 1]
                result = x[1:3] : f32 (2, 3)
            y[[True, False, True]]
                result = compress(y, literal bool (3,), None) : f32 (<=3,)
            x.T
                result = permute(x, [1, 0]) : f32 (3, 4)
            transpose(x, (1, 0))
                result = permute(x, [1, 0]) : f32 (3, 4)
            x.transpose(1, 0)
                result = permute(x, [1, 0]) : f32 (3, 4)
            transpose(n, ('dim', 'row'))
                result = permute(n, [1, 0]) : f32 (3, 4) [dim,row]
            x.reshape(2, -1)
                result = reshape(x, [2, -1]) : f32 (2, 6)
            reshape(x, (12,))
                result = reshape(x, [12]) : f32 (12,)
            ravel(x)
                result = reshape(x, [-1]) : f32 (12,)
            squeeze(c)
                result = c[:, 0] : f32 (4,)
            squeeze(c, axis=1)
                result = c[:, 0] : f32 (4,)
            expand_dims(y, (0, 2))
                result = y[None, :, None] : f32 (1, 3, 1)
            broadcast_to(y, x.shape)
                result = broadcast(y, [4, 3]) : f32 (4, 3)
            swapaxes(x, 0, -1)
                result = permute(x, [1, 0]) : f32 (3, 4)
            zeros((2, 3))
                result = broadcast(f64(0, Checked), [2, 3]) : f64 (2, 3)
            ones(3, dtype=f32)
                result = broadcast(f32(1, Checked), [3]) : f32 (3,)
            full((2, 2), 7)
                result = broadcast(7:i64, [2, 2]) : i64 (2, 2)
            full(3, y)
                result = broadcast(y, [3]) : f32 (3,)
            arange(5)
                result = Arange { start: Int(0), step: Int(1) } 5:i64 : i64 (5,)
            arange(1, 10, 3)
                result = Arange { start: Int(1), step: Int(3) } 3:i64 : i64 (3,)
            arange(0, 1, 0.25)
                result = Arange { start: Float(0.0), step: Float(0.25) } 4:f64 : f64 (4,)
            arange(stop=3)
                result = Arange { start: Int(0), step: Int(1) } 3:i64 : i64 (3,)
            arange(5, dtype=f32)
                result = f32(Arange { start: Int(0), step: Int(1) } 5:i64, Checked) : f32 (5,)
            linspace(0, 1, 5)
                result = Linspace { start: Float(0.0), stop: Float(1.0), step: Float(0.25), last: 4 } 5:f64 : f64 (5,)
            linspace(0, 1, num=4, endpoint=False)
                result = Linspace { start: Float(0.0), stop: Float(1.0), step: Float(0.25), last: 18446744073709551615 } 4:f64 : f64 (4,)
            eye(2)
                result = f64(equal(Arange { start: Int(0), step: Int(1) } 2:i64[:, None], Arange { start: Int(0), step: Int(1) } 2:i64), Checked) : f64 (2, 2)
            eye(2, 3, dtype=i8)
                result = i8(equal(Arange { start: Int(0), step: Int(1) } 2:i64[:, None], Arange { start: Int(0), step: Int(1) } 3:i64), Checked) : i8 (2, 3)
            X, Y = meshgrid(arange(3), y[:2])
                X, Y = list broadcast(Arange { start: Int(0), step: Int(1) } 3:i64[None, :], [2, 3]) | broadcast(y[:2][:, None], [2, 3])
            meshgrid(y, t, indexing='ij')[1]
                result = broadcast(t[None, :], [3, 4]) : f32 (3, 4)
            rows, columns = x.shape; rows * columns
                result = 12
            a = [y, t]; a[1]
                result = t : f32 (4,)
            x[
              0,  # the first
              :,
            ]
                result = x[0, :] : f32 (3,)
        "#]],
    );
}

#[test]
fn syntax_errors_point() {
    check_all(
        &[
            "x +",
            "(x",
            "x)",
            "x[",
            "x[]",
            "mean(x",
            "a < b < c",
            "x > 0 & y > 0",
            "x and y",
            "not x",
            "x if m else y",
            "x @ y",
            "x += 1",
            "x[0] = 1",
            "1 = x",
            "True = 1",
            "x y",
            "2x",
            "'open",
            "mean(axis=0, x)",
            "mean(x, axis=0, axis=1)",
            "x $ y",
            "x.",
            "x.mean",
            "x.shape()",
            "f(x)(y)",
            "a := 1",
            "x && y",
            "!x",
            "x = y = 1",
            "for a in x",
            "a, b",
            "[1, [2]]",
            "assert",
            "assert x.ndim == 2, oops",
        ],
        expect![[r#"
            x +
                Usage: a value is missing at the end
                  1 | x +
                    |    ^
            (x
                Usage: `(` is never closed by `)`
                  1 | (x
                    | ^
            x)
                Usage: expected the end of the statement, found `)`
                  1 | x)
                    |  ^
                  try: a bracket too many, or a value is missing before it
            x[
                Usage: a value is missing at the end
                  1 | x[
                    |   ^
            x[]
                Usage: an index is missing between the brackets
                  1 | x[]
                    |  ^^
            mean(x
                Usage: `(` is never closed by `)`
                  1 | mean(x
                    |     ^
            a < b < c
                Usage: comparisons do not chain
                  1 | a < b < c
                    |       ^
                  try: write `(a < b) & (b < c)`; `&` and `|` bind tighter than comparisons, so these need parentheses
            x > 0 & y > 0
                Usage: comparisons do not chain
                  1 | x > 0 & y > 0
                    |           ^
                  try: write `(a < b) & (b < c)`; `&` and `|` bind tighter than comparisons, so these need parentheses
            x and y
                Usage: `and` is not part of the language
                  1 | x and y
                    |   ^^^
                  try: `&` works on each element: `(a) & (b)`, with parentheses around comparisons
            not x
                Usage: `not` is not part of the language
                  1 | not x
                    | ^^^
                  try: `~` works on each element: `~(a)`
            x if m else y
                Usage: `if` is not part of the language
                  1 | x if m else y
                    |   ^^
                  try: write `where(condition, a, b)`
            x @ y
                Usage: `@` (matrix product) is not available yet
                  1 | x @ y
                    |   ^
                  try: for a small inner axis: `sum(a[:, :, None] * b, axis=1)`
            x += 1
                Usage: `+=` is not available: names are given values, arrays are never changed
                  1 | x += 1
                    |   ^^
                  try: write `x = x + ...`
            x[0] = 1
                Usage: expected the end of the statement, found `=`
                  1 | x[0] = 1
                    |      ^
                  try: only a name can be given a value; arrays are never changed in place: `where(condition, new, x)`
            1 = x
                Usage: expected the end of the statement, found `=`
                  1 | 1 = x
                    |   ^
                  try: only a name can be given a value; arrays are never changed in place: `where(condition, new, x)`
            True = 1
                Usage: `True` cannot be assigned to
                  1 | True = 1
                    | ^^^^
            x y
                Usage: expected the end of the statement, found `y`
                  1 | x y
                    |   ^
            2x
                Usage: a number and a name run together after `2`
                  1 | 2x
                    | ^^
                  try: write `2 * x...`
            'open
                Usage: the string that starts here has no closing '
                  1 | 'open
                    | ^
            mean(axis=0, x)
                Usage: an argument without a name stands after one with a name
                  1 | mean(axis=0, x)
                    |              ^
            mean(x, axis=0, axis=1)
                Usage: `axis=` is given twice
                  1 | mean(x, axis=0, axis=1)
                    |                 ^^^^
            x $ y
                Usage: unexpected character `$`
                  1 | x $ y
                    |   ^
            x.
                Usage: a name after `.` is missing at the end
                  1 | x.
                    |   ^
            x.mean
                Usage: `.mean` is a method: call it, as in `.mean()`
                  1 | x.mean
                    |   ^^^^
            x.shape()
                Usage: `.shape` is not called: it stands without parentheses
                  1 | x.shape()
                    |   ^^^^^
            f(x)(y)
                Usage: only a name can be called
                  1 | f(x)(y)
                    | ^^^^^
                  try: `*` multiplies: `a * (b)`
            a := 1
                Usage: `:=` is not part of the language
                  1 | a := 1
                    |   ^^
                  try: write `name = value` as a statement of its own
            x && y
                Usage: `&&` is not an operator
                  1 | x && y
                    |   ^^
                  try: write `(a) & (b)`
            !x
                Usage: `!` is not an operator
                  1 | !x
                    | ^
                  try: write `!=` to compare, `~` to invert
            x = y = 1
                Usage: an assignment has one `=`
                  1 | x = y = 1
                    |       ^
                  try: write `a = value; b = a`
            for a in x
                Usage: `for` is not part of the language
                  1 | for a in x
                    | ^^^
                  try: every function works on whole arrays; there is no control flow
            a, b
                Usage: unknown name `a`
                  1 | a, b
                    | ^
                  try: known: x, y, m, i, t, c, s, n
            [1, [2]]
                Usage: the rows of an array literal have different lengths
                  1 | [1, [2]]
                    | ^^^^^^^^
                  try: as in `[[1, 2], [3, 4]]`: every row has as many elements
            assert
                Usage: a value is missing at the end
                  1 | assert
                    |       ^
            assert x.ndim == 2, oops
                Usage: expected a message in quotes, found `oops`
                  1 | assert x.ndim == 2, oops
                    |                     ^^^^
        "#]],
    );
}

#[test]
fn build_errors_point_and_suggest() {
    check_all(
        &[
            "mena(x)",
            "x.maen(0)",
            "z = x -\\\n  tt",
            "np.mean(x)",
            "mean",
            "mean()",
            "mean(x, 0, True)",
            "mean(x, axsi=0)",
            "sum(x, axis=2)",
            "sum(n, 'dmi')",
            "sum(x, 'row')",
            "x - t",
            "(x - 1) * t",
            "a = x\nb = x.T * (a + 1)",
            "maximum(x, t)",
            "where(m, x, t)",
            "x + (1, 2)",
            "x + f32",
            "x + 'a'",
            "x + None",
            "concatenate([x, x])",
            "x.cumsum()",
            "x(3)",
            "f32(x)",
            "x[1.5]",
            "x[[0, 2]]",
            "x[i]",
            "x[:, m]",
            "x[5]",
            "x[0, 0, 0]",
            "x[::0]",
            "m - m",
            "~x",
            "x & m",
            "i ** -1",
            "arange(0, 5, 0)",
            "arange()",
            "1 / 0",
            "10 ** 400",
            "zeros(-1)",
            "zeros(y)",
            "zeros(2.5)",
            "reshape(x, (5, -1))",
            "x[x > 0].shape[0] + 1",
            "reshape(x[x > 0], (2, 2))",
            "squeeze(x, 0)",
            "expand_dims(y, 5)",
            "cast(x, f31)",
            "cast(x, 'f31')",
            "cast(x, u8, 'round')",
            "mean(x, keepdims=1)",
            "std(x, ddof=-1)",
            "a, b = x",
            "a, b = (1, 2, 3)",
            "[[1, 2], [3]]",
            "[x, y] + 1",
            "[99999999999999999999]",
            "meshgrid(x)",
            "min(x[:0])",
            "i + 99999999999999",
            "x.foo",
            "x.shape.T",
            "y.shaep",
            "clip(x)",
            "len(x)",
            "x[m, :]",
            "mean(x, dtype=x)",
            "sum(x, dtype=3)",
            "x[(1, 2)]",
            "x[True]",
            "x.where(1, 2)",
            "n + n.T",
        ],
        expect![[r#"
            mena(x)
                Usage: unknown function `mena`
                  1 | mena(x)
                    | ^^^^
                  try: did you mean `mean`?
            x.maen(0)
                Usage: an array has no method `maen`
                  1 | x.maen(0)
                    |   ^^^^
                  try: did you mean `mean`?
            z = x -\
              tt
                Usage: unknown name `tt`
                  2 |   tt
                    |   ^^
                  try: did you mean `t`?
            np.mean(x)
                Usage: unknown name `np`
                  1 | np.mean(x)
                    | ^^
                  try: functions stand alone: `mean(x)`, not `np.mean(x)`
            mean
                Usage: `mean` is a function, here it stands without its arguments
                  1 | mean
                    | ^^^^
                  try: write `mean(x, axis=None, *, keepdims=False, dtype=None)`
            mean()
                Usage: `mean` needs the argument `x`
                  1 | mean()
                    | ^^^^^^
                  try: write `mean(x, axis=None, *, keepdims=False, dtype=None)`
            mean(x, 0, True)
                Usage: `mean` takes at most 2 arguments by place, 3 were given
                  1 | mean(x, 0, True)
                    |            ^^^^
                  try: write `mean(x, axis=None, *, keepdims=False, dtype=None)`
            mean(x, axsi=0)
                Usage: `mean` has no argument `axsi`
                  1 | mean(x, axsi=0)
                    |         ^^^^
                  try: did you mean `axis=`?
            sum(x, axis=2)
                Usage: axis 2 is out of range for an array of 2 dimensions
                  1 | sum(x, axis=2)
                    | ^^^^^^^^^^^^^^
                  try: use -2 to 1
            sum(n, 'dmi')
                Usage: there is no axis named `dmi`
                  1 | sum(n, 'dmi')
                    |        ^^^^^
                  try: did you mean 'dim'?
            sum(x, 'row')
                Usage: there is no axis named `row`
                  1 | sum(x, 'row')
                    |        ^^^^^
                  try: its axes have no names: use numbers, or name them with NAME='PATH?dims=row,dim'
            x - t
                Mismatch: shapes (4, 3) and (4,) do not broadcast: axis -1 has 3 against 4
                  x  4  3
                  t     4
                        ^
                  1 | x - t
                    | ^^^^^
                  try: `t[:, None]` lines the axes up
            (x - 1) * t
                Mismatch: shapes (4, 3) and (4,) do not broadcast: axis -1 has 3 against 4
                  (x - 1)  4  3
                  t           4
                              ^
                  1 | (x - 1) * t
                    | ^^^^^^^^^^^
                  try: `t[:, None]` lines the axes up
            a = x
            b = x.T * (a + 1)
                Mismatch: shapes (3, 4) and (4, 3) do not broadcast: axis -1 has 4 against 3
                  x.T      3  4
                  (a + 1)  4  3
                              ^
                  2 | b = x.T * (a + 1)
                    |     ^^^^^^^^^^^^^
                  try: axes are aligned from the last one; lengths must be equal or 1: transpose one operand, or insert axes with `[:, None]` if every pair is meant
            maximum(x, t)
                Mismatch: shapes (4, 3) and (4,) do not broadcast: axis -1 has 3 against 4
                  x  4  3
                  t     4
                        ^
                  1 | maximum(x, t)
                    | ^^^^^^^^^^^^^
                  try: `t[:, None]` lines the axes up
            where(m, x, t)
                Mismatch: shapes (4, 3) and (4,) do not broadcast: axis -1 has 3 against 4
                  m  4  3
                  t     4
                        ^
                  1 | where(m, x, t)
                    | ^^^^^^^^^^^^^^
                  try: `t[:, None]` lines the axes up
            x + (1, 2)
                Usage: a tuple of 2 stands where an array is needed
                  1 | x + (1, 2)
                    |     ^^^^^^
                  try: `[1, 2]` is an array, `(1, 2)` is a shape
            x + f32
                Usage: the dtype f32 stands where an array is needed
                  1 | x + f32
                    |     ^^^
                  try: `cast(x, f32)` converts
            x + 'a'
                Usage: the string "a" stands where an array is needed
                  1 | x + 'a'
                    |     ^^^
            x + None
                Usage: None stands where an array is needed
                  1 | x + None
                    |     ^^^^
            concatenate([x, x])
                Usage: the function `concatenate` is not available yet
                  1 | concatenate([x, x])
                    | ^^^^^^^^^^^
            x.cumsum()
                Usage: the method `cumsum` is not available yet
                  1 | x.cumsum()
                    |   ^^^^^^
            x(3)
                Usage: `x` is an array, not a function
                  1 | x(3)
                    | ^
                  try: `x * (...)` multiplies, `x[...]` selects
            f32(x)
                Usage: `f32` is a dtype, not a function
                  1 | f32(x)
                    | ^^^
                  try: write `cast(x, f32)`
            x[1.5]
                Usage: an index is an integer, a slice, None or a mask, not the float 1.5
                  1 | x[1.5]
                    |   ^^^
            x[[0, 2]]
                Usage: indexing with an array of i64 is not available yet
                  1 | x[[0, 2]]
                    |   ^^^^^^
                  try: slices (`x[a:b:c]`) and bool masks (`x[x > 0]`) are
            x[i]
                Usage: indexing with an array of i32 is not available yet
                  1 | x[i]
                    |   ^
                  try: slices (`x[a:b:c]`) and bool masks (`x[x > 0]`) are
            x[:, m]
                Usage: a mask together with other indices is not available yet
                  1 | x[:, m]
                    | ^^^^^^^
                  try: a mask selects along the first axis: `x[mask][:, 1]`; for columns of a matrix `x.T[mask].T`
            x[5]
                Usage: index 5 is out of bounds for axis 0 of length 4
                  1 | x[5]
                    | ^^^^
            x[0, 0, 0]
                Usage: 3 indices for an array of shape (4, 3)
                  1 | x[0, 0, 0]
                    | ^^^^^^^^^^
                  try: it has 2 axes
            x[::0]
                Usage: the step of a slice is 0
                  1 | x[::0]
                    |   ^^^
            m - m
                Mismatch: subtract is not defined for bool
                  1 | m - m
                    | ^^^^^
                  try: use `a ^ b`, or cast first
            ~x
                Mismatch: `~` is not defined for f32
                  1 | ~x
                    | ^^
            x & m
                Mismatch: bitwise_and is not defined for f32
                  1 | x & m
                    | ^^^^^
                  try: combine comparisons, which are bool
            i ** -1
                Usage: integers to the negative integer power -1 are not defined
                  1 | i ** -1
                    | ^^^^^^^
                  try: cast to a float first, or write -1.0
            arange(0, 5, 0)
                Usage: arange with step 0 never ends
                  1 | arange(0, 5, 0)
                    | ^^^^^^^^^^^^^^^
            arange()
                Usage: `arange` needs a bound
                  1 | arange()
                    | ^^^^^^^^
                  try: write `arange(stop)` or `arange(start, stop, step)`
            1 / 0
                Usage: division by zero in arithmetic on literals
                  1 | 1 / 0
                    | ^^^^^
                  try: write `inf` or `nan` if that is meant
            10 ** 400
                Usage: the result of this arithmetic on literals is too large
                  1 | 10 ** 400
                    | ^^^^^^^^^
                  try: write one operand as a float, or use `inf`
            zeros(-1)
                Usage: a length is -1, below 0
                  1 | zeros(-1)
                    |       ^^
            zeros(y)
                Usage: a length must be known beforehand; this depends on an array
                  1 | zeros(y)
                    |       ^
            zeros(2.5)
                Usage: a length is an integer, not the float 2.5
                  1 | zeros(2.5)
                    |       ^^^
            reshape(x, (5, -1))
                Mismatch: cannot reshape 12 elements to (5, -1)
                  1 | reshape(x, (5, -1))
                    | ^^^^^^^^^^^^^^^^^^^
            x[x > 0].shape[0] + 1
                Usage: this length depends on data: it is known after the mask is counted
                  1 | x[x > 0].shape[0] + 1
                    | ^^^^^^^^^^^^^^^^^
                  try: save the selection first
            reshape(x[x > 0], (2, 2))
                Usage: reshape needs a known shape, this one is (<=12,)
                  1 | reshape(x[x > 0], (2, 2))
                    | ^^^^^^^^^^^^^^^^^^^^^^^^^
                  try: save the selection first, then reshape
            squeeze(x, 0)
                Usage: axis 0 of shape (4, 3) cannot be squeezed: its length is not 1
                  1 | squeeze(x, 0)
                    |            ^
            expand_dims(y, 5)
                Usage: axis 5 is out of range for an array of 2 dimensions
                  1 | expand_dims(y, 5)
                    |                ^
                  try: use -2 to 1
            cast(x, f31)
                Usage: unknown name `f31`
                  1 | cast(x, f31)
                    |         ^^^
                  try: did you mean `f32`?
            cast(x, 'f31')
                Usage: unknown dtype `f31`
                  1 | cast(x, 'f31')
                    |         ^^^^^
                  try: one of bool, i8..i64, u8..u64, f16, bf16, f32, f64
            cast(x, u8, 'round')
                Usage: no such cast mode: the string "round"
                  1 | cast(x, u8, 'round')
                    |             ^^^^^^^
                  try: 'checked', 'wrap' or 'saturate'
            mean(x, keepdims=1)
                Usage: keepdims is True or False, not the integer 1
                  1 | mean(x, keepdims=1)
                    |                  ^
            std(x, ddof=-1)
                Usage: ddof is -1, below 0
                  1 | std(x, ddof=-1)
                    |             ^^
            a, b = x
                Usage: an array cannot be unpacked into 2 names
                  1 | a, b = x
                    |        ^
                  try: take its parts by index: `a = x[0]; b = x[1]`
            a, b = (1, 2, 3)
                Usage: 3 values for 2 names
                  1 | a, b = (1, 2, 3)
                    |        ^^^^^^^^^
            [[1, 2], [3]]
                Usage: the rows of an array literal have different lengths
                  1 | [[1, 2], [3]]
                    | ^^^^^^^^^^^^^
                  try: as in `[[1, 2], [3, 4]]`: every row has as many elements
            [x, y] + 1
                Usage: a list of arrays is not one array
                  1 | [x, y] + 1
                    | ^^^^^^
                  try: concatenate and stack are not available yet
            [99999999999999999999]
                Usage: the integer 99999999999999999999 does not fit i64
                  1 | [99999999999999999999]
                    | ^^^^^^^^^^^^^^^^^^^^^^
            meshgrid(x)
                Usage: meshgrid takes vectors, this array has shape (4, 3)
                  1 | meshgrid(x)
                    |          ^
            min(x[:0])
                Mismatch: min over axis 0 of length 0 of shape (0, 3) has no value
                  1 | min(x[:0])
                    | ^^^^^^^^^^
                  try: a minimum or maximum of nothing does not exist; slice so that the axis has an element
            i + 99999999999999
                Mismatch: the integer 99999999999999 does not fit i32
                  1 | i + 99999999999999
                    | ^^^^^^^^^^^^^^^^^^
                  try: cast the array to a wider dtype first
            x.foo
                Usage: an array has no attribute `foo`
                  1 | x.foo
                    |   ^^^
                  try: attributes: .T, .shape, .dtype, .ndim, .size
            x.shape.T
                Usage: a tuple of 2 stands where an array is needed
                  1 | x.shape.T
                    | ^^^^^^^
                  try: `[1, 2]` is an array, `(1, 2)` is a shape
            y.shaep
                Usage: an array has no attribute `shaep`
                  1 | y.shaep
                    |   ^^^^^
                  try: did you mean `.shape`?
            clip(x)
                Usage: clip needs a bound
                  1 | clip(x)
                    | ^^^^^^^
                  try: write `clip(x, low, high)`, `clip(x, min=low)` or `clip(x, max=high)`
            len(x)
                Usage: unknown function `len`
                  1 | len(x)
                    | ^^^
                  try: `x.shape[0]` is the length of the first axis
            x[m, :]
                Usage: 1 more indices after a mask of 2 axes, the array has 2
                  1 | x[m, :]
                    | ^^^^^^^
            mean(x, dtype=x)
                Usage: a dtype is needed, not an array
                  1 | mean(x, dtype=x)
                    |               ^
                  try: one of bool, i8..i64, u8..u64, f16, bf16, f32, f64
            sum(x, dtype=3)
                Usage: a dtype is needed, not the integer 3
                  1 | sum(x, dtype=3)
                    |              ^
                  try: one of bool, i8..i64, u8..u64, f16, bf16, f32, f64
            x[(1, 2)]
                Usage: a tuple is no index
                  1 | x[(1, 2)]
                    |   ^^^^^^
                  try: write its items without parentheses: `x[1, 2]`
            x[True]
                Usage: an index is an integer, a slice, None or a mask, not the truth value True
                  1 | x[True]
                    |   ^^^^
            x.where(1, 2)
                Usage: `where` is a function, not a method
                  1 | x.where(1, 2)
                    |   ^^^^^
                  try: write `where(condition, x1, x2)`
            n + n.T
                Mismatch: shapes (4, 3) and (3, 4) do not broadcast: axis -1 has 3 against 4
                  n    4  3
                  n.T  3  4
                          ^
                  1 | n + n.T
                    | ^^^^^^^
                  try: axes are aligned from the last one; lengths must be equal or 1: transpose one operand, or insert axes with `[:, None]` if every pair is meant
        "#]],
    );
}

#[test]
fn asserts_are_decided_or_handed_on() {
    check_all(
        &[
            "assert x.shape[1] == 3; assert x.dtype == f32; assert x.shape == (4, 3); x",
            "assert x.shape[1] == 128",
            "assert x.shape[1] == 128, 'the embeddings have 128 columns'",
            "assert x.dtype == i8",
            "assert (x.ndim == 2, 'matrix')",
            "assert x.ndim",
            "assert x",
            "assert x[x > 0].shape == (3,)",
        ],
        expect![[r#"
            assert x.shape[1] == 3; assert x.dtype == f32; assert x.shape == (4, 3); x
                x = x : f32 (4, 3)
            assert x.shape[1] == 128
                Assert: `assert x.shape[1] == 128` does not hold: x.shape[1] is 3
                  1 | assert x.shape[1] == 128
                    |        ^^^^^^^^^^^^^^^^^
            assert x.shape[1] == 128, 'the embeddings have 128 columns'
                Assert: `assert x.shape[1] == 128` does not hold (the embeddings have 128 columns): x.shape[1] is 3
                  1 | assert x.shape[1] == 128, 'the embeddings have 128 columns'
                    |        ^^^^^^^^^^^^^^^^^
            assert x.dtype == i8
                Assert: `assert x.dtype == i8` does not hold: x.dtype is f32
                  1 | assert x.dtype == i8
                    |        ^^^^^^^^^^^^^
            assert (x.ndim == 2, 'matrix')
                Usage: a tuple is always true, so this assert checks nothing
                  1 | assert (x.ndim == 2, 'matrix')
                    |        ^^^^^^^^^^^^^^^^^^^^^^^
                  try: write `assert condition, 'message'` without parentheses
            assert x.ndim
                Usage: assert needs a condition, not the integer 2
                  1 | assert x.ndim
                    |        ^^^^^^
                  try: compare it, as in `x.shape[1] == 128`
            assert x
                Usage: assert needs a bool condition, this one is f32
                  1 | assert x
                    |        ^
                  try: compare, as in `all(x != 0)`
            assert x[x > 0].shape == (3,)
                Usage: this length depends on data: it is known after the mask is counted
                  1 | assert x[x > 0].shape == (3,)
                    |        ^^^^^^^^^^^^^^^^^^^^^^
                  try: save the selection first
        "#]],
    );
    let built = build("z = x / 2; assert all(isfinite(z)); assert z > -1, 'too small'");
    let messages: Vec<&str> = built.asserts.iter().map(|(message, _)| message.as_str()).collect();
    assert_eq!(messages, ["assert all(isfinite(z))", "too small"]);
    assert!(built.asserts.iter().all(|(_, array)| array.dtype().unwrap() == DType::Bool));
    assert_eq!(built.result.unwrap().0, "z");
    assert_eq!(error("assert 1 > 2").kind(), ErrorKind::Assert);
}

#[test]
fn axis_notes() {
    let cases: [(&str, Option<&str>); 18] = [
        ("c - t", Some("both operands stretch, (4, 1) and (4,)")),
        ("sum(c - t)", None),
        ("d = c - t; e_ = abs(d) + 1; sum(e_, axis=1)", None),
        ("d = c - t; d * 2", Some("nothing reduces")),
        ("t[:, None] - t", None),
        ("c - t[None, :]", None),
        ("x - y", None),
        ("x - c", None),
        ("s - mean(s, 1)", Some("`mean(s, 1)` was reduced over axis 1 without keepdims and now meets that axis of `s`")),
        ("q = std(s * 2, axis=1) + 1; s / q", Some("`q` was reduced over axis 1")),
        ("mean(s, axis=1) + s", Some("was reduced over axis 1")),
        ("s - mean(s, 1, keepdims=True)", None),
        ("s - mean(s, 0)", None),
        ("s - mean(s.T, 0)", Some("was reduced over axis 1")),
        ("s - mean(s.T, 1)", None),
        ("s - mean(s, 1)[:, None]", None),
        ("y.T", Some("the transpose of a 1-d array")),
        ("s + s.T", None),
    ];
    for (text, want) in cases {
        let built = build(text);
        match want {
            None => assert!(built.notes.is_empty(), "{text}: {:?}", built.notes),
            Some(want) => {
                assert!(
                    built.notes.len() == 1 && built.notes[0].contains(want) && !built.notes[0].contains('\n'),
                    "{text}: {:?}",
                    built.notes
                );
                let strict = build_with(text, true).1.unwrap_err();
                assert!(strict.kind() == ErrorKind::Usage && strict.message().contains('^'), "{strict}");
            }
        }
        assert_eq!(build_with(text, true).1.is_ok(), want.is_none(), "{text}");
    }
}

#[test]
fn values_are_what_was_assigned() {
    let built = build("a = x + 1; b = 2; a = a * b; shape = x.shape; l = [1, 2]; X, Y = meshgrid(y, t); # done");
    let names: Vec<&str> = built.values.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a", "b", "l", "X", "Y"]);
    assert_eq!(built.array("b").unwrap().dtype().unwrap(), DType::I64);
    assert!(built.array("shap").is_err());
    assert!(built.array("XX").unwrap_err().to_string().contains("did you mean `X`"));
    assert_eq!(built.result.unwrap().0, "X, Y");
    assert!(build("").result.is_none());
    // Inputs give way to assignments and come before constants.
    let shadow = vec![("e".to_string(), input(DType::F32, &[2]))];
    let built = Program::build(&parse("e").unwrap(), &shadow, &BuildOptions::default()).unwrap();
    assert!(matches!(built.result, Some((_, Value::Array(_)))));
    assert_eq!(parse("a = x + e_; b = a * q; assert b.ndim == 2").unwrap().free_names(), ["x", "e_", "q"]);
}

#[test]
fn an_input_that_failed_is_reported_as_it_is() {
    let missing = vec![("x".to_string(), Session::default_session().open("no-such-file.npy"))];
    let error = Program::build(&parse("x + 1").unwrap(), &missing, &BuildOptions::default()).unwrap_err();
    assert_ne!(error.kind(), ErrorKind::Usage);
    assert!(!error.message().contains('^'), "{error}");
}

#[test]
fn every_example_builds() {
    for function in functions() {
        let built = build_with(function.example, true).1.unwrap_or_else(|error| panic!("{}: {error}", function.name));
        assert!(matches!(built.result, Some((_, Value::Array(_)))), "{}", function.name);
        assert!(function.example.contains(function.name), "{}", function.name);
    }
}

#[test]
fn long_chains_and_deep_nesting() {
    let chain = vec!["x"; 100_000].join(" + ");
    let statements = parse(&chain).unwrap();
    assert!(matches!(Program::build(&statements, &inputs(), &BuildOptions::default()).unwrap().result, Some((_, Value::Array(_)))));
    drop(statements);
    assert_eq!(shown(&vec!["1"; 100_000].join(" + ")), "result = 100000");
    assert!(error(&format!("{} + y_", chain)).message().len() < 1000);

    let nested = |open: &str, depth: usize, close: &str| format!("{}1{}", open.repeat(depth), close.repeat(depth));
    assert_eq!(shown(&nested("(", 150, ")")), "result = 1");
    for (open, close) in [("(", ")"), ("[", "]"), ("-", ""), ("2**", ""), ("abs(", ")"), ("x[", "]"), ("1|1^1&1+1*-(", ")")] {
        let text = nested(open, 100_000, close);
        assert!(error(&text).message().contains("nested more than 200"), "{open}");
        let _ = build_with(&nested(open, 99, close), false);
    }
    // Names can stack lists without any nesting in the text.
    let stacked = format!("a = [1]; {}", "a = [a]; ".repeat(100));
    assert!(error(&stacked).message().contains("deeper than"));
    let doubled = format!("a = [1, 1]; {}", "a = [a, a]; ".repeat(30));
    assert!(error(&doubled).message().contains("elements"));
    let postfix = format!("x{}", "[:]".repeat(20_000));
    assert!(build_with(&postfix, false).1.is_ok());
}

/// A random expression of literals: without any parenthesis that Python does not need, and with all.
#[derive(Clone, Debug)]
struct Printed {
    short: String,
    full: String,
    /// How strongly its outermost operator binds, by Python's reference: larger is tighter.
    level: u8,
}

fn printed() -> impl Strategy<Value = Printed> {
    let leaf = (0..20i64, any::<bool>()).prop_map(|(value, float)| {
        let text = if float { format!("{value}.5") } else { value.to_string() };
        Printed { short: text.clone(), full: text, level: 99 }
    });
    // (operator, level); all but `**` group to the left.
    const OPERATORS: [(&str, u8); 10] =
        [("|", 2), ("^", 3), ("&", 4), ("+", 6), ("-", 6), ("*", 7), ("//", 7), ("%", 7), ("/", 7), ("**", 9)];
    leaf.prop_recursive(6, 40, 2, |inner| {
        let wrap = |part: &Printed, least: u8| if part.level < least { format!("({})", part.short) } else { part.short.clone() };
        prop_oneof![
            4 => (inner.clone(), inner.clone(), 0..OPERATORS.len()).prop_map(move |(a, b, op)| {
                let (symbol, level) = OPERATORS[op];
                // The right side of `**` may be a prefix operator or `**` again.
                let (left, right) = if symbol == "**" { (level + 1, 8) } else { (level, level + 1) };
                let short = format!("{} {symbol} {}", wrap(&a, left), wrap(&b, right));
                Printed { short, full: format!("({}) {symbol} ({})", a.full, b.full), level }
            }),
            1 => (inner, proptest::sample::select(&["-", "+", "~"][..])).prop_map(move |(a, sign)| {
                Printed { short: format!("{sign}{}", wrap(&a, 8)), full: format!("{sign}({})", a.full), level: 8 }
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn precedence_is_pythons(expression in printed()) {
        let (short, full) = (build_with(&expression.short, false).1, build_with(&expression.full, false).1);
        match (short, full) {
            (Ok(short), Ok(full)) => prop_assert_eq!(short.result.unwrap().1.show(), full.result.unwrap().1.show()),
            (Err(short), Err(full)) => prop_assert_eq!(short.message().lines().next(), full.message().lines().next()),
            other => prop_assert!(false, "{:?}", other),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = build_with(&String::from_utf8_lossy(&bytes), false);
    }

    #[test]
    fn random_text_never_panics(text in "[ -~\n\u{e9}]{0,60}") {
        let _ = build_with(&text, true);
    }

    #[test]
    fn random_tokens_never_panic(tokens in proptest::collection::vec(proptest::sample::select(TOKENS), 0..24), strict: bool) {
        let _ = build_with(&tokens.join(" "), strict);
        let _ = build_with(&tokens.concat(), strict);
    }

    #[test]
    fn random_calls_never_panic(
        function in 0..functions().len(),
        arguments in proptest::collection::vec(proptest::sample::select(ARGUMENTS), 0..5),
    ) {
        let _ = build_with(&format!("{}({})", functions()[function].name, arguments.join(", ")), false);
        let _ = build_with(&format!("x.{}({})", functions()[function].name, arguments.join(", ")), false);
    }
}

const TOKENS: &[&str] = &[
    "x",
    "y",
    "m",
    "i",
    "t",
    "(",
    ")",
    "[",
    "]",
    ",",
    ":",
    "=",
    "==",
    "<",
    "+",
    "-",
    "*",
    "/",
    "//",
    "%",
    "**",
    "&",
    "|",
    "~",
    ".",
    "...",
    "None",
    "1",
    "2.5",
    "-1",
    "True",
    "f32",
    "'a'",
    "sum",
    "mean(",
    "where(",
    "reshape(",
    "axis=",
    ".T",
    ".shape",
    "[0]",
    "[::-1]",
    "[None]",
    "assert",
    ";",
    "\n",
    "#",
    "@",
    "!",
    "a",
    "a =",
    "a, b =",
    "0x",
    "1e400",
    "170141183460469231731687303715884105727",
    "é",
    "\\\n",
];

const ARGUMENTS: &[&str] = &[
    "x",
    "y",
    "m",
    "i",
    "n",
    "0",
    "1",
    "-1",
    "3",
    "2.5",
    "nan",
    "inf",
    "None",
    "True",
    "f32",
    "'row'",
    "(1, 0)",
    "(2, -1)",
    "[1, 2, 3]",
    "[]",
    "()",
    "axis=0",
    "axis=(0, 1)",
    "dtype=u8",
    "keepdims=True",
    "ddof=1",
    "9223372036854775807",
    "-9223372036854775808",
    "170141183460469231731687303715884105727",
    "(9223372036854775807, 2)",
    "x.shape",
    "x[m].shape",
    "mode=wrap",
    "indexing='ij'",
    "1e300",
];
