//! Audits of rows whose faults are known, with memory for all and with little.

use super::*;
use crate::{Random, Session};
use ndarray::{Array2, s};

fn session(memory: u64) -> Session {
    Session::builder().memory(memory).threads(2).block_bytes(4096).build().unwrap()
}

/// 16,000 rows of 7, with known faults.
fn faulty() -> Array2<f32> {
    let mut x = session(64 << 20).adopt(Random::new(3).normal::<f32>([16_000, 7], 0.0, 1.0)).eval::<f32, ndarray::Ix2>().unwrap();
    x.slice_mut(s![.., 2]).fill(0.5);
    x.slice_mut(s![.., 5]).fill(0.0);
    for row in [17, 900, 2999] {
        x[[row, 3]] = f32::NAN;
    }
    x[[40, 0]] = f32::INFINITY;
    for row in (0..16_000).step_by(500) {
        let kept = x.row(4).to_owned();
        x.row_mut(row).assign(&kept);
    }
    x.row_mut(1001).fill(0.0);
    x.row_mut(1002).fill(-0.0);
    x
}

#[test]
fn every_fault_is_found_whatever_the_memory() {
    let x = faulty();
    for memory in [64 << 20, 1400 << 10] {
        let audit = session(memory).from_ndarray(x.clone()).audit(&AuditSpec::new().columns().unit_tolerance(0.5)).unwrap();
        assert_eq!((audit.rows, audit.width, audit.nan, audit.inf), (16_000, 7, 3, 1));
        assert_eq!(audit.nan_rows, Named { count: 3, first: vec![17, 900, 2999] });
        assert_eq!(audit.inf_rows, Named { count: 1, first: vec![40] });
        assert_eq!(audit.zero_rows, Named { count: 2, first: vec![1001, 1002] });
        // Rows 1001 and 1002 are zero in column 2, so it is not constant.
        assert_eq!(audit.constant_columns, Named { count: 1, first: vec![5] });
        assert_eq!(audit.dead_columns, audit.constant_columns);
        let twins = audit.duplicates.unwrap();
        assert_eq!((twins.rows, twins.groups, twins.largest, twins.largest_row), (33, 2, 33, Some(0)));
        assert_eq!(twins.first, [(0, 33), (1001, 2)]);
        let columns = audit.columns.unwrap();
        assert_eq!((columns.min[5], columns.max[2]), (0.0, 0.5));
        assert!(columns.mean[1].abs() < 0.1 && (columns.std[1] - 1.0).abs() < 0.1, "{columns:?}");
        let naive: Vec<f64> = x.rows().into_iter().map(|row| row.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt()).collect();
        let mut finite: Vec<f64> = naive.into_iter().filter(|norm| norm.is_finite()).collect();
        finite.sort_by(f64::total_cmp);
        let near = finite.iter().filter(|norm| (0.5..=1.5).contains(*norm)).count() as u64;
        assert_eq!((audit.norms.count, audit.norms.min, audit.norms.unit), (15_996, 0.0, near));
        assert_eq!(audit.norms.quantile_error == 0.0, memory == 64 << 20);
        assert!((audit.norms.max - finite[15_995]).abs() < 1e-12);
        let mean = finite.iter().sum::<f64>() / 15_996.0;
        assert!((audit.norms.mean - mean).abs() < 1e-12, "{mean}");
        for (share, norm) in audit.norms.quantiles {
            let want = finite[(share * 15_995.0).floor() as usize];
            assert!((norm - want).abs() <= want * audit.norms.quantile_error + 1e-12, "{share}: {norm} {want}");
        }
    }
}

#[test]
fn all_rows_equal_fit_one_bucket() {
    let x = Array2::<f32>::ones((40_000, 3));
    let audit = session(1400 << 10).from_ndarray(x).audit(&AuditSpec::new()).unwrap();
    let twins = audit.duplicates.unwrap();
    assert_eq!((twins.rows, twins.groups, twins.largest, twins.first), (39_999, 1, 40_000, vec![(0, 40_000)]));
    assert_eq!(audit.constant_columns.count, 3);
}

#[test]
fn other_dtypes_and_shapes() {
    let session = session(8 << 20);
    let bytes = session.arange(0, 6 * 4, 1).reshape([6, 2, 2]).astype(DType::U8);
    let audit = bytes.audit(&AuditSpec::new()).unwrap();
    assert_eq!((audit.width, audit.nan, audit.duplicates.unwrap().rows), (4, 0, 0));
    let one = session.from_ndarray(ndarray::array![[1f64], [2.0], [1.0], [f64::NAN], [-f64::NAN], [1e300]]);
    let audit = one.audit(&AuditSpec::new()).unwrap();
    assert_eq!((audit.duplicates.unwrap().rows, audit.inf, audit.inf_rows.count), (2, 0, 1));
    let audit = one.audit(&AuditSpec::new().without_duplicates()).unwrap();
    assert_eq!(audit.duplicates, None);
    for shape in [vec![], vec![4], vec![0, 3], vec![3, 0]] {
        assert!(session.zeros::<f32>(&shape).audit(&AuditSpec::new()).unwrap_err().message().contains("rows of numbers"), "{shape:?}");
    }
}
