//! Tiles by labels against elements one by one.

use super::super::axes::Baseline;
use super::super::{Elements, Groups, Labels, Outside};
use super::*;

/// A reproducible sequence of words.
struct Words(u64);

impl Words {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb) ^ mixed >> 31
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

/// Bits of elements: any, or floats of a few binades.
fn element_bits(dtype: DType, count: usize, any: bool, words: &mut Words) -> Vec<u64> {
    let one = |words: &mut Words| match dtype {
        _ if any || !dtype.is_float() => words.next(),
        DType::F64 => (words.below(1 << 20) as f64 / 4096.0 - 100.0).to_bits(),
        DType::F32 => u64::from((words.below(1 << 20) as f32 / 4096.0 - 100.0).to_bits()),
        DType::F16 => u64::from(half::f16::from_f64(words.below(1 << 10) as f64 / 64.0 - 7.0).to_bits()),
        _ => u64::from(half::bf16::from_f64(words.below(1 << 10) as f64 / 64.0 - 7.0).to_bits()),
    };
    (0..count).map(|_| one(words)).collect()
}

struct Case {
    axes: Vec<TileAxis>,
    kept: usize,
    groups: usize,
    labels: Vec<i64>,
}

/// A box whose rows have labels of their own, or whose elements do.
fn case(words: &mut Words) -> Case {
    let axes = 1 + words.below(3);
    let length = |words: &mut Words| if words.below(2) == 0 { 1 + words.below(3) } else { 1 + words.below(40) };
    let shape: Vec<usize> = (0..axes).map(|_| length(words)).collect();
    let reduced: Vec<bool> = shape.iter().map(|_| words.below(2) == 0).collect();
    let mut kept = 1;
    let mut axes = vec![TileAxis::default(); shape.len()];
    for axis in (0..shape.len()).rev() {
        axes[axis] = TileAxis { length: shape[axis], output_step: if reduced[axis] { 0 } else { kept as i64 }, index_step: 0 };
        kept *= if reduced[axis] { 1 } else { shape[axis] };
    }
    let (elements, groups) = (shape.iter().product::<usize>(), 1 + words.below(9));
    let row = if words.below(2) == 0 { 1 } else { *shape.last().unwrap() };
    let outside = words.below(3) == 0;
    let mut label = 0;
    let labels = (0..elements).map(|element| {
        if element % row == 0 {
            label = words.below(groups + if outside { 2 } else { 0 }) as i64 - i64::from(outside);
        }
        label
    });
    let labels = labels.collect();
    Case { axes, kept, groups, labels }
}

fn offset(axes: &[TileAxis], element: usize) -> usize {
    let (mut rest, mut output) = (element, 0);
    for axis in axes.iter().rev() {
        output += (rest % axis.length) as i64 * axis.output_step;
        rest /= axis.length;
    }
    output as usize
}

fn check(kind: AccumulatorKind, dtype: DType, case: &Case, bits: &[u64], wide: bool) {
    let bytes = bytes_of(dtype, bits);
    let (narrow, long): (Vec<[u8; 4]>, Vec<[u8; 8]>) =
        case.labels.iter().map(|label| ((*label as i32).to_ne_bytes(), label.to_ne_bytes())).unzip();
    let labels = if wide { Labels::Wide(&long) } else { Labels::Narrow(&narrow) };
    let first = case.labels.iter().position(|label| !(0..case.groups as i64).contains(label));
    for outside in [Outside::Skip, Outside::Refuse] {
        let mut got = Accumulator::new(kind, dtype, case.kept * case.groups).unwrap();
        let groups = Groups { labels, uniform: false, count: case.groups, stride: case.kept, outside };
        let outcome = got.absorb_groups::<Baseline>(Elements::Dense(&bytes), &case.axes, 0, &groups);
        if let (Outside::Refuse, Some(first)) = (outside, first) {
            assert_eq!(outcome, Err(first), "{kind:?} {dtype}");
            continue;
        }
        assert_eq!(outcome, Ok(()));
        let mut want = Accumulator::new(kind, dtype, case.kept * case.groups).unwrap();
        for (element, label) in case.labels.iter().enumerate().filter(|(_, label)| (0..case.groups as i64).contains(label)) {
            let output = offset(&case.axes, element) + *label as usize * case.kept;
            want.absorb_baseline(&bytes[element * dtype.size()..][..dtype.size()], &[], output, 0);
        }
        assert_eq!(got.serialise(), want.serialise(), "{kind:?} {dtype} {:?} {outside:?}", case.axes);
    }
}

#[test]
fn groups_take_what_their_elements_are() {
    let mut words = Words(11);
    for round in 0..60 {
        let case = case(&mut words);
        for kind in kinds() {
            for dtype in DType::ALL {
                // What nobody groups: places, products, and what leaves out NaN.
                let ungrouped = kind.skips_nan() || kind.is_indexed() || kind == AccumulatorKind::Product;
                if !order_free(kind, dtype) || ungrouped {
                    continue;
                }
                let bits = element_bits(dtype, case.labels.len(), round % 3 == 0, &mut words);
                check(kind, dtype, &case, &bits, round % 2 == 0);
            }
        }
    }
}

#[test]
fn one_label_or_one_element_for_all() {
    let axes = [TileAxis { length: 3, output_step: 0, index_step: 0 }, TileAxis { length: 2, output_step: 1, index_step: 0 }];
    let element = 2.5_f32.to_ne_bytes();
    let labels: Vec<[u8; 4]> = [0_i32, 1, 1, 1, 0, 7].iter().map(|label| label.to_ne_bytes()).collect();
    let mut made = Accumulator::new(AccumulatorKind::Sum(SumMode::Exact), DType::F32, 4).unwrap();
    let mut groups = Groups { labels: Labels::Narrow(&labels), uniform: false, count: 2, stride: 2, outside: Outside::Skip };
    made.absorb_groups::<Baseline>(Elements::Uniform(&element), &axes, 0, &groups).unwrap();
    groups.uniform = true;
    made.absorb_groups::<Baseline>(Elements::Uniform(&element), &axes, 0, &groups).unwrap();
    let tile: Vec<u8> = [1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0].iter().flat_map(|value| value.to_ne_bytes()).collect();
    made.absorb_groups::<Baseline>(Elements::Dense(&tile), &axes, 0, &groups).unwrap();
    let mut out = [0; 16];
    made.finish(Finish::Sum, DType::F32, 0, 4, &mut out).unwrap();
    let sums: Vec<f32> = out.as_chunks().0.iter().map(|bytes| f32::from_ne_bytes(*bytes)).collect();
    assert_eq!(sums, [5.0 + 7.5 + 9.0, 7.5 + 12.0, 2.5, 5.0]);
    groups.labels = Labels::Narrow(&labels[5..]);
    assert_eq!(made.absorb_groups::<Baseline>(Elements::Uniform(&element), &axes, 0, &groups), Ok(()));
    groups.outside = Outside::Refuse;
    assert_eq!(made.absorb_groups::<Baseline>(Elements::Uniform(&element), &axes, 0, &groups), Err(0));
}

#[test]
fn empty_groups_have_no_extremes() {
    let made = Accumulator::new(AccumulatorKind::Min, DType::F32, 1).unwrap().with_empty_nan();
    assert!(f32::from_bits(finished(&made, Finish::Min, DType::F32) as u32).is_nan());
    let made = Accumulator::new(AccumulatorKind::Min, DType::I32, 1).unwrap().with_empty_nan();
    assert!(made.finish(Finish::Min, DType::I32, 0, 1, &mut [0; 4]).is_err());
}
