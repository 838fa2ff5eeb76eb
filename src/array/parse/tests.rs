//! Tables of texts: what they build, what they say when they are wrong. Random texts never panic.

use super::{BuildOptions, Built, Program, Value, functions, parse};
use crate::{
    array::{Array, Session, node::Kind},
    error::{Error, ErrorKind, Result},
    expr::Op,
    nd::{DType, SliceItem, shape::show},
    numeric::SumMode,
};
use expect_test::{ExpectFile, expect_file};
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
            Op::Search { table, search } => format!("{search:?}({args}, {})", table.as_ref().map_or(0, |table| table.len())),
            Op::Group(grouping) => format!("group_{}({args}, {})", grouping.reduction.finish.name(), grouping.groups.unwrap_or(0)),
            Op::Cast(dtype, mode) => format!("{dtype}({args}, {mode:?})"),
            Op::Slice(items) => format!("{args}[{}]", items.iter().map(slice_text).collect::<Vec<_>>().join(", ")),
            Op::Permute(order) => format!("permute({args}, {order:?})"),
            Op::BroadcastTo(shape) => format!("broadcast({args}, {shape:?})"),
            Op::Reshape(shape) => format!("reshape({args}, {shape:?})"),
            Op::Gather { axis, map, length } => format!("gather({args}, {axis}, {map}, {length})"),
            Op::Diagonal { first, second, offset } => format!("diagonal({args}, {first}, {second}, {offset})"),
            Op::Rename(dims) => format!("rename({args}, {dims})"),
            Op::Reduce(reduction) => {
                let keep = if reduction.keepdims { " keep" } else { "" };
                format!("{:?}({args}, {:?}{keep} {})", reduction.finish, reduction.axes, reduction.dtype)
            }
            Op::Compress { axis, .. } => format!("compress({args}, {axis:?})"),
            Op::Windows { axis, window } => format!("windows({args}, {axis}, {window})"),
            Op::Scan { kind, axis } => format!("{}({args}, {axis})", kind.name()),
            Op::Phased(phased) => format!("{}({args})", phased.name()),
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

fn check_all(texts: &[&str], want: ExpectFile) {
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
        expect_file!["snapshots/literals.txt"],
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
            "power(i, i)",
            "2 ** i",
            "i / 3_000_000_000",
            "logical_or(i, 3_000_000_000)",
            "clip(i, -3_000_000_000, 3_000_000_000)",
            "assert all(x > 0), 'small'; x",
            "count_nonzero(m, axis=0)",
            "all(isfinite(x))",
        ],
        expect_file!["snapshots/arrays.txt"],
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
            "x[arange(2)]",
            "x[:, i]",
            "x[..., x[0] > 0]",
            "x[1:, x[0] > 0]",
            "x[0, x[0] > 0]",
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
        expect_file!["snapshots/views.txt"],
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
        expect_file!["snapshots/syntax.txt"],
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
            "einsum(x)",
            "quantile(x, 2)",
            "quantile(x, 0.5, method='lineer')",
            "percentile(x, x)",
            "topk(x, 9)",
            "topk(x, -1)",
            "x.einsum()",
            "x(3)",
            "f32(x)",
            "x[1.5]",
            "x[[0.5, 2]]",
            "x[[0, 9]]",
            "x[[0], [1]]",
            "pad(x, 1, mode='odd')",
            "concatenate(x)",
            "split(x, 3)",
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
        expect_file!["snapshots/build.txt"],
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
        expect_file!["snapshots/asserts.txt"],
    );
    let built = build("z = x / 2; assert all(isfinite(z)); assert z > -1, 'too small'");
    let messages: Vec<&str> = built.asserts.iter().map(|(message, _)| message.as_str()).collect();
    assert_eq!(messages, ["assert all(isfinite(z))", "assert z > -1 (too small)"]);
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
fn offsets_and_counts_beyond_the_array_leave_nothing() {
    let shape = |text: &str| build(text).array("r").unwrap().shape().unwrap();
    assert_eq!(shape("r = diff(x, 9223372036854775807)"), [4, 0]);
    assert_eq!(shape("r = diff(x, 3, 0)"), [1, 3]);
    assert!(error("diff(zeros(200), 101)").message().contains("up to 100 times, and n is 101"));
    assert_eq!(shape("r = x.diagonal(-9223372036854775808)"), [0]);
    assert_eq!(shape("r = x.diagonal(9223372036854775807)"), [0]);
    assert_eq!(shape("r = x.diagonal(-3)"), [1]);
}

/// Every function, and every method, with every pair of arguments: none panics, and none takes the memory or the time of what its
/// arguments say.
#[test]
fn calls_with_any_two_arguments_never_panic() {
    for function in functions() {
        for first in ARGUMENTS {
            for second in ARGUMENTS {
                let _ = build_with(&format!("{}({first}, {second})", function.name), false);
                let _ = build_with(&format!("x.{}({first}, {second})", function.name), false);
            }
            let _ = build_with(&format!("{}({first})", function.name), false);
            let _ = build_with(&format!("x.{}({first})", function.name), false);
        }
        let _ = build_with(&format!("x.{}()", function.name), false);
    }
}

#[test]
fn calls_with_many_arguments_never_panic() {
    // Longer lists of arguments: some of each function, chosen by stepping through all of them.
    let n = ARGUMENTS.len();
    for (at, function) in functions().iter().enumerate() {
        for step in 0..400 {
            let code = (at * 7_919 + step * 104_729) % n.pow(4);
            let arguments: Vec<&str> = (0..4).map(|place| ARGUMENTS[code / n.pow(place) % n]).collect();
            let _ = build_with(&format!("{}({})", function.name, arguments.join(", ")), false);
            let _ = build_with(&format!("x.{}({})", function.name, arguments[..3].join(", ")), false);
        }
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
    for link in [".T", "[:]", ".ravel()"] {
        assert!(error(&format!("x{}", link.repeat(100_000))).message().contains("more than 20000 attributes, calls and indices"), "{link}");
    }
    assert!(error(&format!("x{}", "[None]".repeat(8_000))).message().contains("65 dimensions"));
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
