//! Against tables that NumPy wrote: the dtype of every function of every pair of dtypes, and the values of some thousands of expressions.

use outcore::{
    Array, DType, Element, Session,
    array::parse::{BuildOptions, Program, Value, parse},
};
use std::{fs, path::Path};

fn table(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("data/numpy").join(name)).unwrap()
}

fn session() -> Session {
    Session::builder().memory(64u64 << 20).threads(1).build().unwrap()
}

/// The array that `text` is worth.
fn build(text: &str, inputs: &[(String, Array)]) -> Result<Array, outcore::Error> {
    let built = Program::build(&parse(text)?, inputs, &BuildOptions::default())?;
    match built.result {
        Some((_, Value::Array(array))) => Ok(array),
        other => panic!("{text} is {other:?}"),
    }
}

/// Why the dtype of a call is not `wanted`.
fn wrong_dtype(call: &str, inputs: &[(String, Array)], wanted: &str) -> Option<String> {
    let found = match build(call, inputs).and_then(|array| array.dtype()) {
        Ok(dtype) => dtype.to_string(),
        Err(error) if error.kind() == outcore::ErrorKind::Internal => return Some(format!("{call}: {error}")),
        Err(_) => "error".to_string(),
    };
    (found != wanted).then(|| format!("{call} is {found}, not {wanted}"))
}

#[test]
fn dtypes_are_those_of_numpy() {
    let (session, text) = (session(), table("promotion.csv"));
    let mut lines = text.lines();
    let columns: Vec<&str> = lines.next().unwrap().split(',').skip(3).collect();
    let inputs: Vec<(String, Array)> =
        DType::ALL.iter().flat_map(|dtype| ["x", "y"].map(|place| (format!("{place}_{dtype}"), session.imagine(*dtype, [4])))).collect();
    let operand = |place: &str, key: &str| if key.parse::<DType>().is_ok() { format!("{place}_{key}") } else { key.to_string() };
    let (mut wrong, mut count) = (Vec::new(), 0);
    for line in lines {
        let cells: Vec<&str> = line.split(',').collect();
        let (function, left) = (cells[0], operand("x", cells[1]));
        let calls = columns.iter().zip(&cells[3..]).map(|(key, wanted)| {
            let right = operand("y", key);
            let call = match function {
                "where" => format!("where(x_bool, {left}, {right})"),
                "divmod" => format!("divmod({left}, {right})[0]"),
                _ => format!("{function}({left}, {right})"),
            };
            (call, *wanted)
        });
        for (call, wanted) in calls.chain([(format!("{function}({left})"), cells[2])]).filter(|(_, wanted)| !wanted.is_empty()) {
            count += 1;
            wrong.extend(wrong_dtype(&call, &inputs, wanted));
        }
    }
    assert!(count > 7000 && wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong[..wrong.len().min(400)].join("\n"));
}

/// `bf16`, which NumPy has not, behaves as `f16` does; with a float it meets in `f32` at least.
#[test]
fn bf16_promotes_as_f16_does() {
    let session = session();
    let x = |dtype| session.imagine(dtype, [4]);
    for (other, wanted) in [
        (DType::BF16, DType::BF16),
        (DType::F16, DType::F32),
        (DType::F32, DType::F32),
        (DType::F64, DType::F64),
        (DType::I8, DType::BF16),
        (DType::I16, DType::F32),
        (DType::I32, DType::F64),
        (DType::Bool, DType::BF16),
    ] {
        assert_eq!((x(DType::BF16) + x(other)).dtype().unwrap(), wanted, "{other}");
        assert_eq!(x(other).maximum(x(DType::BF16)).dtype().unwrap(), wanted, "{other}");
    }
    for made in [x(DType::BF16).sin(), x(DType::BF16) * 2.5, x(DType::BF16).floor(), x(DType::BF16).ldexp(3), x(DType::BF16).deg2rad()] {
        assert_eq!(made.dtype().unwrap(), DType::BF16);
    }
}

/// An array as a table holds it: dtype, lengths, hexadecimal bytes.
struct Written {
    dtype: DType,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Written {
    fn read(dtype: &str, shape: &str, bytes: &str) -> Written {
        let shape = shape.split('x').filter(|length| *length != "-").map(|length| length.parse().unwrap()).collect();
        let digits = bytes.trim_matches('-').as_bytes().chunks(2);
        let bytes = digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect();
        Written { dtype: dtype.parse().unwrap(), shape, bytes }
    }

    fn array(&self, session: &Session) -> Array {
        outcore::dispatch!(self.dtype, T => {
            let elements: Vec<T> = self.bytes.chunks_exact(size_of::<T>()).map(<T as Element>::from_bytes).collect();
            session.from_ndarray(ndarray::ArrayD::from_shape_vec(self.shape.as_slice(), elements).unwrap())
        })
    }
}

/// The place of a float among all floats of its dtype; `None` for NaN. Zeros have one place.
fn place(dtype: DType, bytes: &[u8]) -> Option<i64> {
    let (nan, bits) = match dtype {
        DType::F16 => (half::f16::from_bytes(bytes).is_nan(), i64::from(i16::from_bytes(bytes))),
        DType::F32 => (f32::from_bytes(bytes).is_nan(), i64::from(i32::from_bytes(bytes))),
        _ => (f64::from_bytes(bytes).is_nan(), i64::from_bytes(bytes)),
    };
    let lowest = -1i64 << (8 * dtype.size() - 1);
    (!nan).then(|| if bits < 0 { lowest.wrapping_sub(bits) } else { bits })
}

/// Whether an element is as near as `bound` asks.
fn agrees(dtype: DType, got: &[u8], want: &[u8], bound: &str) -> bool {
    if got == want || !dtype.is_float() {
        return got == want;
    }
    match (place(dtype, got), place(dtype, want)) {
        (None, None) => true,
        (Some(got), Some(want)) => match bound {
            "exact" => false,
            "zero" => got == 0 && want == 0,
            units => got.abs_diff(want) <= units.parse::<u64>().unwrap(),
        },
        _ => false,
    }
}

/// Why an expression does not give what is written.
fn wrong_value(session: &Session, text: &str, inputs: &[(String, Array)], want: &Written, bound: &str) -> Option<String> {
    let got = match build(text, inputs).and_then(|array| Ok(session.eval_all([&array])?.remove(0))) {
        Ok(got) => got,
        Err(error) => return Some(format!("{text}: {error}")),
    };
    if (got.dtype(), got.shape()) != (want.dtype, want.shape.as_slice()) {
        return Some(format!("{text}: {} {:?}, not {} {:?}", got.dtype(), got.shape(), want.dtype, want.shape));
    }
    let (dtype, size) = (want.dtype, want.dtype.size());
    let mut pairs = got.bytes().chunks(size).zip(want.bytes.chunks(size));
    let at = pairs.position(|(got, want)| !agrees(dtype, got, want, bound));
    at.map(|at| {
        let wanted = want.array(session).eval_any().unwrap();
        format!("{text} at {at}: {:?}, not {:?} ({bound})", got.scalar(at), wanted.scalar(at))
    })
}

#[test]
fn values_are_those_of_numpy() {
    check_values("elementwise.txt", &session(), 5000);
}

#[test]
fn movements_are_those_of_numpy() {
    check_values("movement.txt", &session(), 1400);
    let small = Session::builder().memory("64MiB").threads(2).block_bytes(64).build().unwrap();
    check_values("movement.txt", &small, 1400);
}

#[test]
fn reductions_are_those_of_numpy() {
    check_values("reductions.txt", &session(), 2000);
    let small = Session::builder().memory("64MiB").threads(2).block_bytes(64).build().unwrap();
    check_values("reductions.txt", &small, 2000);
}

/// Why an expression that NumPy refuses is not refused; where an axis has no elements, by its name.
fn wrong_error(session: &Session, text: &str, inputs: &[(String, Array)], axis: &str) -> Option<String> {
    match build(text, inputs).and_then(|array| session.eval_all([&array])) {
        Ok(_) => Some(format!("{text} is no error")),
        Err(error) if axis == "-" || error.to_string().contains(&format!("axis {axis} of length 0")) => None,
        Err(error) => Some(format!("{text}: {error}, without axis {axis}")),
    }
}

#[test]
fn scans_are_those_of_numpy() {
    check_values("scans.txt", &session(), 900);
    let small = Session::builder().memory("64MiB").threads(2).block_bytes(64).build().unwrap();
    check_values("scans.txt", &small, 900);
}

#[test]
fn orders_are_those_of_numpy() {
    check_values("order.txt", &session(), 2000);
    // Blocks of few elements, so that lines do not lie whole in them and phases have to find what is asked.
    let small = Session::builder().memory("64MiB").threads(2).block_bytes(16).build().unwrap();
    check_values("order.txt", &small, 2000);
}

#[test]
fn groups_and_bins_are_those_of_numpy() {
    check_values("groups.txt", &session(), 400);
    for (threads, bytes) in [(2, 64), (1, 700)] {
        let small = Session::builder().memory("64MiB").threads(threads).block_bytes(bytes).build().unwrap();
        check_values("groups.txt", &small, 400);
    }
}

/// Evaluates every expression of a table; there are more than `least`.
fn check_values(name: &str, session: &Session, least: usize) {
    let text = table(name);
    let (mut inputs, mut wrong, mut count) = (Vec::new(), Vec::new(), 0);
    for line in text.lines() {
        if let Some(input) = line.strip_prefix("input ") {
            let cells: Vec<&str> = input.split(' ').collect();
            inputs.push((cells[0].to_string(), Written::read(cells[1], cells[2], cells[3]).array(session)));
            continue;
        }
        let (expression, result) = line.split_once(" => ").unwrap();
        let cells: Vec<&str> = result.split(' ').collect();
        count += 1;
        if cells[0] == "error" {
            wrong.extend(wrong_error(session, expression, &inputs, cells[1]));
            continue;
        }
        wrong.extend(wrong_value(session, expression, &inputs, &Written::read(cells[0], cells[1], cells[3]), cells[2]));
    }
    assert!(count > least && wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong[..wrong.len().min(400)].join("\n"));
}
