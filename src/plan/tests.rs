//! Plans as text: what shares a pass, what is local, what is a barrier.

use super::*;
use crate::{
    expr::GraphBuilder,
    kernel::program::{BinaryOp, UnaryOp},
    nd::{Dims, Scalar, SliceItem, SourceFacts, StoreLayout, shape::c_strides},
};

fn facts(name: &str, shape: &[usize]) -> SourceFacts {
    SourceFacts {
        name: name.to_string(),
        shape: shape.to_vec(),
        dtype: DType::F32,
        dims: Dims::unnamed(shape.len()),
        layout: StoreLayout::Dense { strides: c_strides(shape) },
        swapped: false,
        encoded_bytes: 0,
        read_scratch_bytes: 0,
        mappable: true,
        resident: false,
        identity: name.to_string(),
    }
}

fn limits(memory_bytes: u64) -> Limits {
    Limits { memory_bytes, threads: 2, block_bytes: None, rows_per_run: None, io: IoMode::Auto, is_shared: false }
}

struct Builder(GraphBuilder);

impl Builder {
    fn new() -> Self {
        Builder(GraphBuilder::new())
    }
    fn source(&mut self, name: &str, shape: &[usize]) -> NodeId {
        let id = self.0.source(facts(name, shape));
        self.push(Op::Source(id), &[])
    }
    fn push(&mut self, op: Op, args: &[NodeId]) -> NodeId {
        self.0.push(op, args.to_vec()).unwrap()
    }
    fn binary(&mut self, op: BinaryOp, a: NodeId, b: NodeId) -> NodeId {
        self.push(Op::Binary(op), &[a, b])
    }
    fn reduce(&mut self, finish: Finish, x: NodeId, axes: &[usize], keepdims: bool) -> NodeId {
        let dtype = crate::expr::reduce::reduced_dtype(finish, self.0.graph().node(x).dtype());
        self.push(Op::Reduce(Reduction { finish, axes: axes.to_vec(), keepdims, mode: SumMode::Neumaier, dtype }), &[x])
    }
    fn plan(self, outputs: &[(&str, NodeId)], memory_bytes: u64) -> Result<Plan> {
        let request = Request { outputs: outputs.iter().map(|(name, node)| ((*name).to_string(), *node)).collect(), ..Request::default() };
        plan(&self.0.finish(), &request, &limits(memory_bytes))
    }
}

const GIB: u64 = 1 << 30;

#[test]
fn standardising_is_two_passes_and_moments_are_shared() {
    let mut b = Builder::new();
    let x = b.source("x", &[4_000_000, 128]);
    let (mean, std) = (b.reduce(Finish::Mean, x, &[0], false), b.reduce(Finish::Std { ddof: 0 }, x, &[0], false));
    let centred = b.binary(BinaryOp::Subtract, x, mean);
    let z = b.binary(BinaryOp::Divide, centred, std);
    let plan = b.plan(&[("z", z), ("m", mean)], GIB).unwrap();
    assert_eq!(plan.stages.len(), 2, "{}", plan.show());
    assert_eq!(plan.stages[0].reductions.len(), 1);
    assert_eq!(plan.stages[0].reductions[0].finishes.len(), 2);
    assert_eq!(plan.stages[1].writes.len(), 1);
    assert!(serde_json::to_vec(&plan).unwrap().len() < 10_000);
}

#[test]
fn row_norms_are_one_pass() {
    let mut b = Builder::new();
    let x = b.source("x", &[4_000_000, 128]);
    let squares = b.push(Op::Unary(UnaryOp::Square), &[x]);
    let sums = b.reduce(Finish::Sum, squares, &[1], true);
    let norms = b.push(Op::Unary(UnaryOp::Sqrt), &[sums]);
    let z = b.binary(BinaryOp::Divide, x, norms);
    let plan = b.plan(&[("z", z)], GIB).unwrap();
    assert_eq!(plan.stages.len(), 1, "{}", plan.show());
    assert!(plan.stages[0].reductions.is_empty());
    // Squares, then one root a row, then the quotient.
    assert_eq!(plan.stages[0].program.steps.len(), 3);
}

#[test]
fn a_row_larger_than_the_budget_is_a_barrier() {
    let mut b = Builder::new();
    let x = b.source("x", &[3, 1 << 26]);
    let mean = b.reduce(Finish::Mean, x, &[1], true);
    let z = b.binary(BinaryOp::Subtract, x, mean);
    let plan = b.plan(&[("z", z)], 64 << 20).unwrap();
    assert_eq!(plan.stages.len(), 2, "{}", plan.show());
    assert!(plan.bytes_peak <= 64 << 20);
}

#[test]
fn reductions_along_different_axes_and_a_map_share_one_read() {
    let mut b = Builder::new();
    let x = b.source("x", &[1_000_000, 64]);
    let outputs = [
        ("a", b.reduce(Finish::Mean, x, &[0], false)),
        ("b", b.reduce(Finish::Std { ddof: 1 }, x, &[1], false)),
        ("c", b.reduce(Finish::Min, x, &[0, 1], false)),
        ("d", b.reduce(Finish::Max, x, &[0], false)),
        ("e", b.push(Op::Unary(UnaryOp::Exp), &[x])),
    ];
    let plan = b.plan(&outputs, GIB).unwrap();
    assert_eq!(plan.stages.len(), 1, "{}", plan.show());
    assert_eq!(plan.stages[0].reads.len(), 1);
}

/// Rows, as a file or as chunks in place, to chunks of two columns: by either way each page is read once and written once more.
#[test]
fn rows_become_columns_through_scratch_where_pages_would_be_read_again() {
    let shape = [4_000_000, 128];
    let chunks = StoreLayout::Chunked { chunk: vec![16_384, 128] };
    for layout in [StoreLayout::Dense { strides: c_strides(&shape) }, chunks] {
        let mut b = GraphBuilder::new();
        let source = b.source(SourceFacts { layout, ..facts("x", &shape) });
        let x = b.push(Op::Source(source), vec![]).unwrap();
        let columns = OutputLayout { chunk: vec![4_000_000, 2], scratch_bytes: 0 };
        let request = Request { outputs: vec![("y".to_string(), x)], layouts: vec![Some(columns)], ..Request::default() };
        let plan = plan(&b.finish(), &request, &limits(GIB / 2)).unwrap();
        assert_eq!(plan.scratches.len(), 1, "{}", plan.show());
        let told: Vec<&str> = plan.why.iter().map(|decision| decision.text.as_str()).collect();
        assert!(told.iter().any(|text| text.contains("go through scratch")), "{told:?}");
        assert!(spill::bytes_moved(&plan) < 5 * 4_000_000 * 512, "{told:?}");
    }
}

#[test]
fn an_outer_difference_holds_no_product() {
    let mut b = Builder::new();
    let (p, q) = (b.source("p", &[60_000]), b.source("q", &[60_000]));
    let column = b.push(Op::Slice(vec![SliceItem::FULL, SliceItem::NewAxis]), &[p]);
    let difference = b.binary(BinaryOp::Subtract, column, q);
    let magnitude = b.push(Op::Unary(UnaryOp::Absolute), &[difference]);
    let sum = b.reduce(Finish::Sum, magnitude, &[0, 1], false);
    let plan = b.plan(&[("s", sum)], 64 << 20).unwrap();
    assert_eq!(plan.stages.len(), 1);
    assert!(plan.bytes_peak < 16 << 20, "{}", plan.show());
}

#[test]
fn a_refused_budget_names_one_that_works() {
    for memory in [1024, 100_000, 1 << 20] {
        let build = || {
            let mut b = Builder::new();
            let x = b.source("x", &[4_000_000, 128]);
            let (mean, std) = (b.reduce(Finish::Mean, x, &[0], false), b.reduce(Finish::Std { ddof: 0 }, x, &[0], false));
            let centred = b.binary(BinaryOp::Subtract, x, mean);
            let z = b.binary(BinaryOp::Divide, centred, std);
            (b, z)
        };
        let (b, z) = build();
        let Err(refusal) = b.plan(&[("z", z)], memory) else { continue };
        let needed = refusal.needed_bytes().unwrap();
        let (b, z) = build();
        assert!(b.plan(&[("z", z)], needed).unwrap().bytes_peak <= needed);
        let (b, z) = build();
        assert!(b.plan(&[("z", z)], needed - 1).is_err());
    }
}

#[test]
fn long_chains_plan_without_recursion() {
    let mut b = Builder::new();
    let x = b.source("x", &[10]);
    let one = b.push(Op::Constant(Scalar::Float(1.0), DType::F32), &[]);
    let mut value = x;
    for _ in 0..100_000 {
        value = b.binary(BinaryOp::Add, value, one);
    }
    let flat = b.push(Op::Reshape(vec![2, 5]), &[value]);
    let plan = b.plan(&[("y", flat)], GIB).unwrap();
    assert_eq!(plan.stages.len(), 1);
}

#[test]
fn the_job_stays_when_the_limits_change() {
    let plans: Vec<Plan> = [GIB, 64 << 20]
        .into_iter()
        .map(|memory| {
            let mut b = Builder::new();
            let x = b.source("x", &[4_000_000, 128]);
            let sum = b.push(Op::Unary(UnaryOp::Exp), &[x]);
            b.plan(&[("z", sum)], memory).unwrap()
        })
        .collect();
    assert_eq!(plans[0].job_id, plans[1].job_id);
    // 2 GB: too large for the page cache whatever the budget.
    assert!(plans.iter().all(|plan| !plan.outputs[0].stays_cached(&plan.limits)));
    let small = Output { shape: vec![16 << 20], ..plans[0].outputs[0].clone() };
    assert_eq!(plans.iter().map(|plan| small.stays_cached(&plan.limits)).collect::<Vec<_>>(), [true, true]);
    assert!(!small.stays_cached(&Limits { memory_bytes: 1 << 20, ..plans[0].limits.clone() }));
}
