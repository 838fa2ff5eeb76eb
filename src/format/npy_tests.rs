//! Tests of the npy header: round trips, every refusal, and bytes that mean nothing.

use super::*;
use crate::error::ErrorKind;
use proptest::prelude::*;

fn header(version: u8, text: &str) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend([version, 0]);
    match version {
        1 => bytes.extend((text.len() as u16).to_le_bytes()),
        _ => bytes.extend((text.len() as u32).to_le_bytes()),
    }
    bytes.extend(text.as_bytes());
    bytes
}

fn refusal(text: &str) -> Error {
    parse(&header(1, text), None).unwrap_err()
}

#[test]
fn what_is_encoded_parses() {
    for dtype in DType::ALL {
        for shape in [&[][..], &[0], &[1], &[3, 4], &[2, 0, 5], &[4_000_000, 128]] {
            let bytes = encode(dtype, shape);
            assert_eq!(bytes.len() % 64, 0);
            let parsed = parse(&bytes, Some(dtype)).unwrap();
            assert_eq!((parsed.dtype, parsed.swapped, parsed.order, &parsed.shape[..]), (dtype, false, Order::C, shape));
            assert_eq!((parsed.data_offset, parsed.version), (bytes.len(), 1));
        }
    }
    let deep = vec![1; 40_000];
    assert_eq!(parse(&encode(DType::U8, &deep), None).unwrap().shape, deep);
}

#[test]
fn the_bytes_are_numpys() {
    let bytes = encode(DType::F32, &[4_000_000, 128]);
    let text = std::str::from_utf8(&bytes[10..]).unwrap();
    assert_eq!((bytes.len(), bytes[8]), (128, 118));
    assert!(text.starts_with("{'descr': '<f4', 'fortran_order': False, 'shape': (4000000, 128), }  ") && text.ends_with(" \n"));
}

#[test]
fn all_versions_orders_and_byte_orders_parse() {
    for version in 1..=3 {
        for (descr, dtype, swapped) in [
            ("<f4", DType::F32, false),
            (">f4", DType::F32, true),
            ("=i8", DType::I64, false),
            ("|u1", DType::U8, false),
            (">b1", DType::Bool, false),
            ("f8", DType::F64, false),
        ] {
            for (fortran, order) in [("False", Order::C), ("True", Order::Fortran)] {
                let text = format!("{{\"shape\": (2L,3),'fortran_order':{fortran}, 'descr': '{descr}'}}\n");
                let parsed = parse(&header(version, &text), None).unwrap();
                assert_eq!((parsed.dtype, parsed.swapped, parsed.order), (dtype, swapped, order));
                assert_eq!((parsed.shape, parsed.data_bytes), (vec![2, 3], 6 * dtype.size()));
            }
        }
    }
}

#[test]
fn bfloat16_is_read_when_it_is_asked_for() {
    for (descr, swapped) in [("<V2", false), ("|V2", false), (">V2", true)] {
        let bytes = header(1, &format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': (3,), }}"));
        let parsed = parse(&bytes, Some(DType::BF16)).unwrap();
        assert_eq!((parsed.dtype, parsed.swapped), (DType::BF16, swapped));
        assert!(parse(&bytes, None).unwrap_err().to_string().contains("?dtype=bf16"));
        assert!(parse(&bytes, Some(DType::F16)).is_err());
    }
    assert_eq!(parse(&encode(DType::F32, &[1]), Some(DType::F64)).unwrap_err().kind(), ErrorKind::Mismatch);
}

#[test]
fn other_dtypes_are_refused_by_name() {
    for (descr, want) in [
        ("'|O'", "object dtype '|O'"),
        ("[('a', '<f4'), ('b', '<i4')]", "structured"),
        ("'<c8'", "complex"),
        ("'<M8[ns]'", "datetime64"),
        ("'<m8[s]'", "timedelta64"),
        ("'|S5'", "byte string"),
        ("'<U3'", "string"),
        ("'|V8'", "void"),
        ("'<f16'", "extended float"),
        ("'<q9'", "byte 20: unknown dtype '<q9'"),
        ("''", "unknown dtype"),
        ("'<é'", "unknown dtype"),
        ("3", "byte 20: 'descr' is an integer"),
    ] {
        let error = refusal(&format!("{{'descr': {descr}, 'fortran_order': False, 'shape': (3,), }}"));
        assert!(error.message().contains(want) && error.kind() == ErrorKind::Data, "{descr}: {error}");
    }
}

#[test]
fn broken_headers_say_what_and_where() {
    let full = "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }";
    for (text, want) in [
        ("[1, 2]", "byte 10: expected a dict, found a list"),
        ("{'descr': '<f4', 'shape': (3,), }", "no key 'fortran_order'"),
        ("{'fortran_order': False, 'shape': (3,)}", "no key 'descr'"),
        ("{'descr': '<f4', 'descr': '<f4'}", "byte 27: key 'descr' occurs twice, first at byte 11"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), 'x': 1}", "byte 66: unknown key 'x'"),
        ("{1: 2}", "a key is an integer"),
        ("{'descr': '<f4', 'fortran_order': 1, 'shape': (3,)}", "'fortran_order' is an integer"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': 3}", "byte 60: 'shape' is an integer, not a tuple"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (3, -1)}", "'shape' has the length -1"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': ('a', 2)}", "'shape' has a string"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 8, 0)}", "larger than this machine can address"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", "larger than this machine can address"),
        ("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", "has the length"),
        ("{'descr': '<f4'", "the end of the header"),
    ] {
        let error = refusal(text);
        assert!(error.message().contains(want) && error.kind() == ErrorKind::Data, "{text}: {error}");
    }
    let whole = header(1, full);
    for cut in 0..whole.len() {
        let error = parse(&whole[..cut], None).unwrap_err();
        assert!(error.message().contains("truncated"), "{cut}: {error}");
    }
    assert!(parse(b"PK\x03\x04....", None).unwrap_err().message().contains("not an npy file"));
    assert!(parse(b"\x93NUMPY\x04\x00abcdef", None).unwrap_err().message().contains("version 4.0"));
    assert!(header_bytes(b"\x93NUMPY\x02\x00\xff\xff\xff\xff").unwrap_err().message().contains("4294967295 bytes"));
    assert!(parse(&header(3, "\u{e9}"), None).is_err());
    let mut latin = header(3, "ab");
    latin[13] = 0xff;
    assert!(parse(&latin, None).unwrap_err().message().contains("byte 13: not UTF-8"));
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), version in 0u8..5) {
        let _ = parse(&bytes, None);
        let mut framed = header(version.clamp(1, 3), "");
        framed.truncate(8);
        framed.extend(bytes);
        let _ = parse(&framed, Some(DType::BF16));
    }

    #[test]
    fn random_text_never_panics(text in "[{}()\\[\\]'\",:0-9LTruFalse é<f4dscripthanor_ ]{0,60}", version in 1u8..4) {
        let _ = parse(&header(version, &text), None);
    }

    #[test]
    fn mutated_headers_never_panic_and_shapes_stay_bounded(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), shape in prop::collection::vec(0usize..1000, 0..5)
    ) {
        let mut bytes = encode(DType::F32, &shape);
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        if let Ok(parsed) = parse(&bytes, None) {
            prop_assert!(parsed.data_bytes <= isize::MAX as usize && parsed.data_offset <= bytes.len());
        }
    }
}
