//! npy, raw, safetensors and npz as objects: the same values as from files, whatever the server does.

use crate::server::{BUCKETS, Fault, server};
use ndarray::{ArrayD, IxDyn};
use outcore::{Array, ErrorKind, Session};
use std::path::Path;

fn session(memory: &str) -> Session {
    Session::builder().memory(memory).threads(2).build().unwrap()
}

fn values(array: &Array) -> ArrayD<f32> {
    array.eval::<f32, IxDyn>().unwrap()
}

/// Numbers that are all different enough.
fn made(session: &Session, rows: usize, columns: usize) -> Array {
    let count = (rows * columns) as i64;
    session.arange(0, count, 1).cast::<f32>().sin().reshape([rows as i64, columns as i64])
}

fn save(array: &Array, path: &Path) {
    array.save(path).unwrap();
}

#[test]
fn dense_objects_have_the_values_of_files() {
    let server = server();
    let session = session("64MiB");
    let x = made(&session, 3000, 700);
    for (bucket, fault) in BUCKETS {
        if matches!(fault, Fault::Short) || bucket == "dead" {
            continue;
        }
        for (key, query) in [("d/x.npy", ""), ("d/x.bin", "?dtype=f32&shape=-1,700"), ("d/x.safetensors", "")] {
            let path = server.path(bucket, key);
            save(&x, &path);
            let file = session.open(format!("{}{query}", path.display()));
            let object = session.open(format!("s3://{bucket}/{key}{query}"));
            assert_eq!(values(&file), values(&object), "{bucket} {key}");
            // Columns and rows that lie apart, and a sum.
            let part = |array: &Array| values(&array.slice(ndarray::s![5..2900; 7, 3..690; 50]));
            assert_eq!(part(&file), part(&object), "{bucket} {key}");
            assert_eq!(values(&file.sum([0])), values(&object.sum([0])), "{bucket} {key}");
            std::fs::remove_file(path).unwrap();
        }
    }
}

#[test]
fn a_small_budget_is_enough_for_a_large_object() {
    let server = server();
    let large = session("256MiB");
    let path = server.path("plain", "large/x.npy");
    save(&made(&large, 16384, 1024), &path);
    let small = session("24MiB");
    let from = server.count("plain");
    let sums = values(&small.open("s3://plain/large/x.npy").sum([0]));
    assert_eq!(sums, values(&large.open(&path).sum([0])));
    // 64 MiB in requests of 2 MiB, and the one that opens it.
    let requests = server.seen("plain", "large/", from).len();
    assert!(requests <= 40, "{requests}");
    std::fs::remove_file(path).unwrap();
}

#[test]
fn narrow_columns_are_read_with_the_gaps_between_them() {
    let server = server();
    let session = session("64MiB");
    // Rows of 8 KiB, of which 40 bytes are wanted.
    let path = server.path("other", "narrow/x.npy");
    save(&made(&session, 2048, 2048), &path);
    let part = |array: Array| values(&array.slice(ndarray::s![.., 100..110]));
    let want = part(session.open(&path));
    let from = server.count("other");
    assert_eq!(part(session.open("s3://other/narrow/x.npy")), want);
    let requests = server.seen("other", "narrow/", from).len();
    assert!(requests <= 40, "{requests} requests for 2048 rows in 16 MiB");
}

#[test]
fn what_an_object_cannot_do_is_an_error_that_names_it() {
    let server = server();
    let session = session("64MiB");
    let x = made(&session, 300, 300);
    save(&x, &server.path("short", "x.npy"));
    save(&x, &server.path("dead", "x.npy"));
    let fails = |path: &str| session.open(path).sum(..).eval_any().unwrap_err();
    let error = fails("s3://plain/nowhere/x.npy");
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(error.message().contains("s3://plain/nowhere/x.npy") && error.message().contains("404"), "{error}");
    let error = fails("s3://no-such-bucket/x.npy");
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    // Short data are never data.
    let error = fails("s3://short/x.npy");
    assert!(error.kind() == ErrorKind::Io && error.message().contains("s3://short/x.npy"), "{error}");
    let error = fails("s3://dead/x.npy");
    assert!(error.kind() == ErrorKind::Io && error.message().contains("s3://dead/x.npy"), "{error}");
    assert!(error.to_string().contains("start again later"), "{error}");
    let error = fails("s3://plain");
    assert_eq!(error.kind(), ErrorKind::Usage, "{error}");
    std::fs::write(server.path("plain", "empty.npy"), b"").unwrap();
    assert_eq!(fails("s3://plain/empty.npy").kind(), ErrorKind::Data);
    std::fs::write(server.path("plain", "half.npy"), &std::fs::read(server.path("short", "x.npy")).unwrap()[..1000]).unwrap();
    assert!(fails("s3://plain/half.npy").message().contains("truncated"));
}

#[test]
fn an_object_that_is_replaced_is_an_error() {
    let server = server();
    let session = session("64MiB");
    let path = server.path("other", "changing/x.npy");
    for columns in [700, 701] {
        save(&made(&session, 1000, 700), &path);
        let open = session.open("s3://other/changing/x.npy");
        open.slice(ndarray::s![..1, ..1]).eval_any().unwrap();
        std::fs::remove_file(&path).unwrap();
        // Of the same size, and of another one.
        save(&(&made(&session, 1000, columns) + 1.0), &path);
        let error = open.slice(ndarray::s![900.., ..]).eval_any().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Changed, "{error}");
        std::fs::remove_file(&path).unwrap();
    }
    save(&made(&session, 1000, 700), &path);
    let open = session.open("s3://other/changing/x.npy");
    std::fs::remove_file(&path).unwrap();
    let error = open.sum(..).eval_any().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Changed, "{error}");
}

#[test]
fn web_servers_are_read_by_ranges() {
    let server = server();
    let session = session("64MiB");
    let x = made(&session, 2000, 700);
    for (key, query) in [("x.npy", ""), ("x y.bin", "?dtype=f32&shape=-1,700"), ("x.safetensors", "")] {
        let path = server.path("web", key);
        save(&x, &path);
        let object = session.open(format!("{}/web/{}{query}", server.endpoint, key.replace(' ', "%20")));
        assert_eq!(values(&object), values(&x), "{key}");
    }
    let error = session.open(format!("{}/web/none.npy", server.endpoint)).sum(..).eval_any().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}

#[test]
fn objects_are_read_from_inside_a_runtime_of_the_callers() {
    let server = server();
    let session = session("64MiB");
    let path = server.path("plain", "inside/x.npy");
    save(&made(&session, 100, 100), &path);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let inside = runtime.block_on(async { values(&session.open("s3://plain/inside/x.npy").sum([0])) });
    assert_eq!(inside, values(&session.open(&path).sum([0])));
}

#[test]
fn lists_of_objects_are_joined() {
    let server = server();
    let session = session("64MiB");
    let folder = tempfile::tempdir().unwrap();
    let mut lines = String::new();
    for part in 0..3 {
        save(&made(&session, 10 + part, 7), &server.path("plain", &format!("parts/{part}.npy")));
        lines.push_str(&format!("s3://plain/parts/{part}.npy\n"));
    }
    std::fs::write(folder.path().join("list.txt"), lines).unwrap();
    let joined = session.open(format!("@{}", folder.path().join("list.txt").display()));
    assert_eq!(joined.shape().unwrap(), [33, 7]);
    assert_eq!(values(&joined.slice(ndarray::s![10..21, ..])), values(&made(&session, 11, 7)));
}
