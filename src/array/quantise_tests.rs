//! Codes beside naive loops that do what NumPy does.

use super::*;
use crate::{Random, Session};
use ndarray::{Array2, Ix2, s};

fn session() -> Session {
    Session::builder().memory("64MiB").threads(2).block_bytes(1024).build().unwrap()
}

fn sample() -> Array2<f32> {
    session().adopt(Random::new(9).normal::<f32>([101, 19], 0.1, 2.0)).eval::<f32, Ix2>().unwrap()
}

/// What NumPy does: `scale = max(abs(x)) / 127; clip(rint(x / scale), -127, 127)`, all in f32.
fn naive(x: &Array2<f32>, scale: impl Fn(usize, usize) -> f32) -> Array2<i8> {
    Array2::from_shape_fn(x.dim(), |(row, column)| (x[[row, column]] / scale(row, column)).round_ties_even().clamp(-127.0, 127.0) as i8)
}

fn largest<'a>(values: impl IntoIterator<Item = &'a f32>) -> f32 {
    let most = values.into_iter().fold(0f32, |most, value| most.max(value.abs()));
    if most == 0.0 { 1.0 } else { most / 127.0 }
}

#[test]
fn codes_and_scales_are_those_of_a_naive_loop() {
    let mut x = sample();
    x.row_mut(7).fill(0.0);
    x.column_mut(3).fill(-0.0);
    let lazy = session().from_ndarray(x.clone());
    for scale_of in [ScaleOf::Row, ScaleOf::Column, ScaleOf::Whole] {
        let Quantised { codes, scales } = lazy.quantize_int8(Int8::per(scale_of));
        let want = naive(&x, |row, column| match scale_of {
            ScaleOf::Row => largest(x.row(row)),
            ScaleOf::Column => largest(x.column(column)),
            ScaleOf::Whole => largest(&x),
        });
        assert_eq!(codes.eval::<i8, Ix2>().unwrap(), want, "{scale_of:?}");
        let shape = match scale_of {
            ScaleOf::Row => [101, 1],
            ScaleOf::Column => [1, 19],
            ScaleOf::Whole => [1, 1],
        };
        assert_eq!(scales.shape().unwrap(), shape);
        let back = codes.dequantize(&scales).eval::<f32, Ix2>().unwrap();
        let scales = scales.eval::<f32, Ix2>().unwrap();
        for ((place, back), scale) in back.indexed_iter().zip(scales.broadcast(x.dim()).unwrap()) {
            assert!((back - x[place]).abs() <= scale * 0.5001, "{place:?}");
        }
    }
}

#[test]
fn clipping_takes_a_percentile() {
    let mut x = sample();
    x[[5, 5]] = 1e6;
    let lazy = session().from_ndarray(x.clone());
    let Quantised { codes, scales } = lazy.quantize_int8(Int8::per(ScaleOf::Whole).clip(99.0));
    let scale = scales.eval::<f32, Ix2>().unwrap()[[0, 0]];
    assert!(scale * 127.0 < 8.0, "{scale}");
    assert_eq!(codes.eval::<i8, Ix2>().unwrap(), naive(&x, |_, _| scale));
    let refused = lazy.quantize_int8(Int8::per(ScaleOf::Row).clip(0.0)).codes.checked().unwrap_err();
    assert!(refused.message().contains("percentile 0"), "{refused}");
}

#[test]
fn narrow_floats_and_integers() {
    let session = session();
    let halves = session.from_ndarray(sample()).astype(DType::F16);
    let wide = halves.astype(DType::F32);
    let codes = |array: &Array| array.quantize_int8(Int8::default()).codes.eval::<i8, Ix2>().unwrap();
    assert_eq!(codes(&halves), codes(&wide));
    assert_eq!(halves.quantize_int8(Int8::default()).scales.dtype().unwrap(), DType::F32);
    let whole = session.arange(-6, 6, 1).reshape([3, 4]);
    assert_eq!(codes(&whole).row(0), ndarray::aview1(&[-127i8, -106, -85, -64]));
}

#[test]
fn what_is_no_number_has_no_code() {
    for bad in [f32::NAN, f32::INFINITY] {
        let mut x = sample();
        x[[3, 3]] = bad;
        assert!(session().from_ndarray(x).quantize_int8(Int8::default()).codes.eval::<i8, Ix2>().is_err());
    }
}

#[test]
fn bits_are_packed_as_numpy_packs_them() {
    for width in [1usize, 7, 8, 9, 16, 19] {
        let x = sample().slice(s![.., ..width]).to_owned();
        let lazy = session().from_ndarray(x.clone());
        let bits = lazy.pack_bits();
        let want = Array2::from_shape_fn((101, width.div_ceil(8)), |(row, byte)| {
            (0..8).fold(0u8, |all, bit| all << 1 | u8::from(x.get([row, byte * 8 + bit]).is_some_and(|value| *value > 0.0)))
        });
        assert_eq!(bits.eval::<u8, Ix2>().unwrap(), want, "{width}");
        let back = bits.unpack_bits(width).eval::<u8, Ix2>().unwrap();
        assert_eq!(back, x.mapv(|value| u8::from(value > 0.0)), "{width}");
        assert!(bits.unpack_bits(width.next_multiple_of(8) + 1).checked().unwrap_err().message().contains("are wanted"));
    }
    assert!(session().zeros::<f32>([]).pack_bits().checked().is_err());
    assert!(session().zeros::<f32>([3]).unpack_bits(3).checked().unwrap_err().message().contains("packed bits are u8"));
}

#[test]
fn bits_of_whole_bytes_take_one_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let save = |array: &Array, name: &str| session().save_all([(array, file(name))], crate::Save::new()).unwrap().stats;
    save(&session().from_ndarray(sample()).slice(s![.., ..16]), "x.zarr?chunks=10,5");
    let x = session().open(file("x.zarr"));
    let (packed, copied) = (save(&x.pack_bits(), "bits.npy"), save(&x, "copy.npy"));
    // And the eight powers of two.
    assert_eq!((packed.bytes_read, packed.passes[0].1), (copied.bytes_read + 8, 1));
}

#[test]
fn truncated_rows_have_norm_one() {
    let mut x = sample();
    x.row_mut(2).fill(0.0);
    let lazy = session().from_ndarray(x.clone());
    let cut = lazy.truncate(5).eval::<f32, Ix2>().unwrap();
    for (row, cut) in x.rows().into_iter().zip(cut.rows()) {
        let norm = row.iter().take(5).map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
        let want: Vec<f32> = row.iter().take(5).map(|&value| (f64::from(value) / norm.max(f64::from(f32::MIN_POSITIVE))) as f32).collect();
        assert_eq!(cut.to_vec(), want);
    }
    for wrong in [0, 20] {
        assert!(lazy.truncate(wrong).checked().unwrap_err().message().contains("whose rows have 19"));
    }
}
