//! The rows of the table: every elementwise operation, and every layout.

use outcore::{
    Array, BinaryOp, DType, SumMode, UnaryOp,
    array::parse::{BuildOptions, Program, Value, parse},
};

/// What is computed.
#[derive(Clone)]
pub enum Expression {
    Unary(UnaryOp),
    Binary(BinaryOp),
    /// In the language of the program.
    Text(String),
}

/// Shape of an array, for a number of elements.
#[derive(Clone, Copy)]
pub enum Form {
    Flat,
    /// (n, n).
    Square,
    /// (n, n, n).
    Cube,
    /// Six equal axes.
    Six,
    /// (elements / k, k).
    Rows(usize),
    /// One axis of this form.
    SquareSide,
    /// The outer axis of `Rows`.
    RowsSide(usize),
    /// (k).
    Tiny(usize),
}

impl Form {
    pub fn shape(self, elements: usize) -> Vec<usize> {
        let root = |degree: u32| (elements as f64).powf(1.0 / f64::from(degree)).round() as usize;
        match self {
            Form::Flat => vec![elements],
            Form::Square => vec![root(2); 2],
            Form::Cube => vec![root(3); 3],
            Form::Six => vec![root(6); 6],
            Form::Rows(columns) => vec![elements / columns, columns],
            Form::SquareSide => vec![root(2)],
            Form::RowsSide(columns) => vec![elements / columns],
            Form::Tiny(length) => vec![length],
        }
    }
}

/// What is odd about the memory of an array.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Quirk {
    None,
    /// One byte past a boundary.
    Misaligned,
    /// The other byte order.
    Swapped,
}

#[derive(Clone)]
pub struct Input {
    pub dtype: DType,
    pub form: Form,
    pub quirk: Quirk,
    pub range: (f64, f64),
}

pub struct Row {
    pub group: &'static str,
    pub name: String,
    pub dtypes: String,
    pub expression: Expression,
    /// The same in NumPy, writing into `o`.
    pub numpy: String,
    pub inputs: Vec<Input>,
}

impl Row {
    pub fn array(&self, inputs: &[Array]) -> Result<Array, String> {
        let text = match &self.expression {
            Expression::Unary(op) => return Array::unary(*op, &inputs[0]).checked().map_err(|error| error.to_string()),
            Expression::Binary(op) => return Array::binary(*op, &inputs[0], &inputs[1]).checked().map_err(|error| error.to_string()),
            Expression::Text(text) => text,
        };
        let named: Vec<_> = inputs.iter().zip(["a", "b", "c"]).map(|(array, name)| (name.to_string(), array.clone())).collect();
        let options = BuildOptions { sum_mode: SumMode::Exact, strict: false };
        let built = parse(text).and_then(|parsed| Program::build(&parsed, &named, &options)).map_err(|error| error.to_string())?;
        match built.result {
            Some((_, Value::Array(array))) => Ok(array),
            _ => Err("not an array".to_string()),
        }
    }
}

fn dtype_range(dtype: DType) -> (f64, f64) {
    if dtype.is_float() { (0.1, 0.9) } else { (1.0, 100.0) }
}

fn input(dtype: DType, form: Form) -> Input {
    Input { dtype, form, quirk: Quirk::None, range: dtype_range(dtype) }
}

const FLOATS: [DType; 2] = [DType::F32, DType::F64];
const NARROW: [DType; 2] = [DType::F16, DType::BF16];
const WHOLE: [DType; 2] = [DType::I32, DType::U8];

/// Where a function is measured.
fn range(name: &str) -> (f64, f64) {
    match name {
        "arccosh" => (1.1, 3.0),
        "exp" | "exp2" | "expm1" | "sin" | "cos" | "tan" | "sinh" | "cosh" | "tanh" | "arctan" | "arcsinh" | "erf" | "erfc" | "sigmoid"
        | "softplus" | "gelu" | "silu" | "rint" | "floor" | "ceil" | "trunc" => (-10.0, 10.0),
        "log" | "log2" | "log10" | "log1p" | "sqrt" | "cbrt" => (0.1, 1000.0),
        _ => (0.1, 0.9),
    }
}

fn unary_rows(rows: &mut Vec<Row>) {
    for &op in UnaryOp::ALL {
        use UnaryOp::{Absolute, BitwiseCount, Exp, Invert, LogicalNot, Negative, Rint, Sqrt, Square, Tanh};
        let dtypes: Vec<DType> = match op {
            Invert | BitwiseCount => WHOLE.to_vec(),
            LogicalNot => [DType::F32, DType::Bool, DType::U8].to_vec(),
            Negative | Absolute | Square => [FLOATS, NARROW, WHOLE].concat(),
            Sqrt | Rint | Exp | Tanh => [FLOATS, NARROW].concat(),
            _ => FLOATS.to_vec(),
        };
        for dtype in dtypes {
            let range = if dtype.is_float() { range(op.name()) } else { dtype_range(dtype) };
            rows.push(Row {
                group: "unary",
                name: op.name().to_string(),
                dtypes: dtype.to_string(),
                expression: Expression::Unary(op),
                numpy: format!("{}(a, out=o)", op.name()),
                inputs: vec![Input { range, ..input(dtype, Form::Flat) }],
            });
        }
    }
}

fn binary_rows(rows: &mut Vec<Row>) {
    for &op in BinaryOp::ALL {
        use BinaryOp::{
            Add, BitwiseAnd, BitwiseOr, BitwiseXor, Divide, Equal, FloorDivide, Fmod, Gcd, Lcm, LeftShift, Less, LogicalAnd, LogicalOr,
            LogicalXor, Maximum, Minimum, Multiply, Power, Remainder, RightShift, Subtract,
        };
        let dtypes: Vec<DType> = match op {
            BitwiseAnd | BitwiseOr | BitwiseXor | LeftShift | RightShift => WHOLE.to_vec(),
            Gcd | Lcm => vec![DType::I32],
            LogicalAnd | LogicalOr | LogicalXor => vec![DType::Bool, DType::F32],
            Add | Subtract | Multiply | Maximum | Minimum | Less | Equal => [FLOATS, NARROW, WHOLE].concat(),
            Divide => [FLOATS, NARROW].concat(),
            FloorDivide | Remainder | Fmod | Power => [FLOATS.as_slice(), &[DType::I32]].concat(),
            _ => FLOATS.to_vec(),
        };
        for dtype in dtypes {
            let left =
                Input { range: if op == Power && dtype.is_float() { (0.1, 10.0) } else { dtype_range(dtype) }, ..input(dtype, Form::Flat) };
            let small = matches!(op, LeftShift | RightShift) || (op == Power && !dtype.is_float());
            let right_range = match op {
                _ if small => (1.0, 5.0),
                Power => (-3.0, 3.0),
                _ => dtype_range(dtype),
            };
            let right = Input { range: right_range, ..input(dtype, Form::Flat) };
            rows.push(Row {
                group: "binary",
                name: op.name().to_string(),
                dtypes: dtype.to_string(),
                expression: Expression::Binary(op),
                numpy: format!("{}(a, b, out=o)", op.name()),
                inputs: vec![left, right],
            });
        }
    }
}

fn text(rows: &mut Vec<Row>, group: &'static str, name: &str, text: &str, numpy: &str, inputs: Vec<Input>) {
    let mut dtypes: Vec<String> = inputs.iter().map(|input| input.dtype.to_string()).collect();
    dtypes.dedup();
    rows.push(Row {
        group,
        name: name.to_string(),
        dtypes: dtypes.join(" "),
        expression: Expression::Text(text.to_string()),
        numpy: numpy.to_string(),
        inputs,
    });
}

fn fused_rows(rows: &mut Vec<Row>) {
    let chains = [
        ("2: (a-b)*c", "(a-b)*c", "multiply(subtract(a,b,out=o),c,out=o)"),
        ("2: a*b+c", "a*b+c", "add(multiply(a,b,out=o),c,out=o)"),
        ("2: a*1.5+0.5", "a*1.5+0.5", "add(multiply(a,1.5,out=o),0.5,out=o)"),
        ("3: sqrt(a*a+b*b)", "sqrt(a*a+b)", "sqrt(add(multiply(a,a,out=o),b,out=o),out=o)"),
        ("4: abs(a-b)*c+0.5", "abs(a-b)*c+0.5", "add(multiply(abs(subtract(a,b,out=o),out=o),c,out=o),0.5,out=o)"),
        (
            "8: ((((a*1.1+0.1)*a+0.2)*a+0.3)*a+0.4)",
            "(((a*1.1+0.1)*a+0.2)*a+0.3)*a+0.4",
            "add(multiply(add(multiply(add(multiply(add(multiply(a,1.1,out=o),0.1,out=o),a,out=o),0.2,out=o),a,out=o),0.3,out=o),a,out=o),0.4,out=o)",
        ),
        (
            "8: maximum(abs((a-b)*(a+b)*0.5-c), 0.1)/b",
            "maximum(abs((a-b)*(a+b)*0.5-c),0.1)/b",
            "divide(maximum(abs(subtract(multiply(multiply(subtract(a,b),add(a,b)),0.5,out=o),c,out=o),out=o),0.1,out=o),b,out=o)",
        ),
        ("where(a<b, a, c)", "where(a<b,a,c)", "where(a<b,a,c)"),
        ("clip(a, 0.2, 0.8)", "clip(a,0.2,0.8)", "clip(a,0.2,0.8,out=o)"),
    ];
    for (name, ours, numpy) in chains {
        for dtype in [DType::F32, DType::F64, DType::F16, DType::BF16] {
            let count = if ours.contains('c') && ours.replace("clip", "").contains('c') {
                3
            } else if ours.replace("abs", "").contains('b') {
                2
            } else {
                1
            };
            text(rows, "fused", name, ours, numpy, vec![input(dtype, Form::Flat); count]);
        }
    }
}

fn layout_rows(rows: &mut Vec<Row>) {
    use Form::{Flat, RowsSide, Six, Square, SquareSide, Tiny};
    let mut add = |name: &str, ours: &str, numpy: &str, inputs: Vec<Input>| text(rows, "layout", name, ours, numpy, inputs);
    for dtype in FLOATS {
        let array = |form| input(dtype, form);
        add("scalar operand", "a*1.5", "multiply(a,1.5,out=o)", vec![array(Flat)]);
        add("copy", "a", "copy(a,out=o)", vec![array(Flat)]);
        add("inner broadcast", "a+b[:,None]", "add(a,b[:,None],out=o)", vec![array(Square), array(SquareSide)]);
        add("outer broadcast", "a+b", "add(a,b,out=o)", vec![array(Square), array(SquareSide)]);
        add("outer product", "a[:,None]*b[None,:]", "multiply(a[:,None],b[None,:],out=o)", vec![array(SquareSide), array(SquareSide)]);
        add("stride 2", "a[::2]+1.5", "add(a[::2],1.5,out=o)", vec![array(Flat)]);
        add("stride 7", "a[::7]+1.5", "add(a[::7],1.5,out=o)", vec![array(Flat)]);
        add("stride 2 in rows", "a[:,::2]+1.5", "add(a[:,::2],1.5,out=o)", vec![array(Square)]);
        add("negative stride", "a[::-1]+1.5", "add(a[::-1],1.5,out=o)", vec![array(Flat)]);
        add("inside of a frame", "a[1:-1,1:-1]+1.5", "add(a[1:-1,1:-1],1.5,out=o)", vec![array(Square)]);
        add("transposed operand", "a+b.T", "add(a,b.T,out=o)", vec![array(Square), array(Square)]);
        add("transposed copy", "a.T", "copy(a.T,out=o)", vec![array(Square)]);
        add("6 axes", "a+b", "add(a,b,out=o)", vec![array(Six), array(Six)]);
        let order = "(1,0,3,2,5,4)";
        add("6 axes permuted", &format!("transpose(a,{order})+1.5"), &format!("add(transpose(a,{order}),1.5,out=o)"), vec![array(Six)]);
        for columns in [1, 2, 3, 4, 5, 8] {
            let rows = array(Form::Rows(columns));
            add(&format!("last axis {columns}, + vector"), "a+b", "add(a,b,out=o)", vec![rows.clone(), array(Tiny(columns))]);
            let column = vec![rows.clone(), array(RowsSide(columns))];
            add(&format!("last axis {columns}, + column"), "a+b[:,None]", "add(a,b[:,None],out=o)", column);
            add(&format!("last axis {columns}, reversed"), "a[:,::-1]+1.5", "add(a[:,::-1],1.5,out=o)", vec![rows.clone()]);
            add(&format!("last axis {columns}, sum"), "sum(a,axis=1)", "sum(a,axis=1,out=o)", vec![rows]);
        }
    }
    for dtype in [DType::U8, DType::F16] {
        add("transposed copy", "a.T", "copy(a.T,out=o)", vec![input(dtype, Square)]);
        add("stride 2", "a[::2]+1", "add(a[::2],1,out=o)", vec![input(dtype, Flat)]);
        add("negative stride", "a[::-1]+1", "add(a[::-1],1,out=o)", vec![input(dtype, Flat)]);
    }
    quirk_rows(&mut add);
}

fn quirk_rows(add: &mut impl FnMut(&str, &str, &str, Vec<Input>)) {
    use DType::{BF16, F16, F32, F64, I32, U8};
    for (left, right) in [(F32, F64), (I32, F32), (U8, F32), (F16, F32), (BF16, F32), (U8, I32)] {
        add("mixed dtypes", "a+b", "add(a,b,out=o)", vec![input(left, Form::Flat), input(right, Form::Flat)]);
    }
    for (from, to) in
        [(F32, F64), (F64, F32), (F32, F16), (F16, F32), (F32, BF16), (BF16, F32), (U8, F32), (I32, F32), (F32, I32), (F32, U8)]
    {
        let numpy = format!("convert(a,'{to}',out=o)").replace("bool", "?");
        let numpy = [("f16", "f2"), ("f32", "f4"), ("f64", "f8"), ("i32", "i4"), ("u8", "u1")]
            .iter()
            .fold(numpy, |text, (ours, theirs)| text.replace(ours, theirs));
        add(&format!("astype {to}"), &format!("a.astype({to})"), &numpy, vec![input(from, Form::Flat)]);
    }
    for dtype in [F32, F64, F16] {
        for (name, quirk) in [("misaligned", Quirk::Misaligned), ("big-endian", Quirk::Swapped)] {
            let odd = Input { quirk, ..input(dtype, Form::Flat) };
            add(&format!("{name}, one operand"), "a+1.5", "add(a,1.5,out=o)", vec![odd.clone()]);
            add(&format!("{name}, two operands"), "a+b", "add(a,b,out=o)", vec![odd.clone(), odd]);
        }
    }
}

fn reduction_rows(rows: &mut Vec<Row>) {
    for dtype in FLOATS {
        for (name, operation) in [("sum", "sum(a"), ("max", "max(a"), ("any of a<0", "any(a<0"), ("sum of squares", "sum(a*a")] {
            for (place, axis) in [("all", "(0,1,2)"), ("first axis", "0"), ("middle axis", "1"), ("last axis", "2")] {
                let ours = format!("{operation},axis={axis})");
                let numpy = format!("{operation},axis={axis},out=o)");
                text(rows, "reduction", &format!("{name}, {place}"), &ours, &numpy, vec![input(dtype, Form::Cube)]);
            }
        }
    }
}

/// All rows.
pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    unary_rows(&mut rows);
    binary_rows(&mut rows);
    fused_rows(&mut rows);
    layout_rows(&mut rows);
    reduction_rows(&mut rows);
    rows
}
