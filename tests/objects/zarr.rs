//! Zarr stores as objects: v2 and v3, shards, groups; few requests, and none that is read twice.

use crate::{
    made::{made, session, values},
    server::{BUCKETS, Fault, server},
};
use ndarray::s;
use outcore::{
    Array, ErrorKind,
    nd::Region,
    store::{
        self, Source,
        zarr::{self, Opened},
    },
};

const LAYOUTS: [(&str, &str); 6] = [
    ("zstd", "chunks=100,128&shards=none&codec=zstd:3"),
    ("plain", "chunks=100,128&shards=none&codec=none"),
    ("wide", "chunks=1000,700&shards=none&codec=none"),
    ("sharded", "chunks=50,64&shards=500,640&codec=zstd:1"),
    ("open", "chunks=50,64&shards=500,640&codec=none"),
    ("v2", "chunks=100,128&codec=blosc-lz4&version=2"),
];

#[test]
fn arrays_have_the_values_of_folders() {
    let server = server();
    let session = session("96MiB");
    let x = made(&session, 1030, 700);
    for (bucket, fault) in BUCKETS {
        if fault == Fault::Short || bucket == "dead" {
            continue;
        }
        for (name, query) in LAYOUTS {
            let path = server.path(bucket, &format!("z/{name}.zarr"));
            x.save(format!("{}?{query}", path.display())).unwrap();
            let (file, object) = (session.open(&path), session.open(format!("s3://{bucket}/z/{name}.zarr")));
            assert_eq!(values(&object), values(&file), "{bucket} {name}");
            let part = |array: &Array| values(&array.slice(s![17..1001; 13, 40..650; 3]));
            assert_eq!(part(&object), part(&file), "{bucket} {name}");
            std::fs::remove_dir_all(path).unwrap();
        }
    }
}

#[test]
fn chunks_that_are_not_there_are_the_fill_value() {
    let server = server();
    let session = session("64MiB");
    for (name, query) in LAYOUTS {
        let path = server.path("plain", &format!("holes/{name}.zarr"));
        // v3 leaves out what is all zeros.
        let rows = session.arange(0, 1000, 1).reshape([1000, 1]).cast::<f32>();
        let x = &rows.maximum(500.0) - 500.0;
        let x = x.broadcast_to([1000, 700]);
        x.save(format!("{}?{query}", path.display())).unwrap();
        let object = session.open(format!("s3://plain/holes/{name}.zarr"));
        assert_eq!(values(&object), values(&x), "{name}");
    }
}

#[test]
fn a_slice_of_a_shard_takes_few_requests() {
    let server = server();
    let session = session("64MiB");
    let path = server.path("other", "few/x.zarr");
    // One shard of 100 inner chunks.
    made(&session, 1000, 1000).save(format!("{}?chunks=100,100&shards=1000,1000&codec=zstd:1", path.display())).unwrap();
    let from = server.count("other");
    let source = store::open("s3://other/few/x.zarr").unwrap();
    let part = Region::new([250, 0], [20, 1000]);
    let read = |source: &dyn Source| {
        let mut bytes = vec![0; part.count() * 4];
        source.read(&part, &mut bytes).unwrap();
        bytes
    };
    let want = read(&*store::open(path.to_str().unwrap()).unwrap());
    assert_eq!(read(&*source), want);
    // The index, and ten inner chunks that lie beside each other.
    let requests = server.seen("other", "few/x.zarr/c/", from);
    assert_eq!(requests.len(), 2, "{requests:?}");
    assert_eq!(read(&*source), want);
    let again = server.seen("other", "few/x.zarr/c/", from);
    assert_eq!(again.len(), 3, "the index is kept: {again:?}");
    // A run of a job reads a box of chunks; the processor's threads share them.
    let object = session.open("s3://other/few/x.zarr").slice(s![250..270, ..]);
    assert_eq!(values(&object), values(&session.open(&path).slice(s![250..270, ..])));
    assert!(server.seen("other", "few/x.zarr/c/", from).len() <= 3 + 10, "no inner chunk is asked for twice");
}

#[test]
fn an_encoded_chunk_is_one_request() {
    let server = server();
    let session = session("64MiB");
    let path = server.path("other", "one/x.zarr");
    made(&session, 1000, 1000).save(format!("{}?chunks=100,1000&shards=none&codec=zstd:1", path.display())).unwrap();
    let object = session.open("s3://other/one/x.zarr");
    let from = server.count("other");
    object.sum(..).eval_any().unwrap();
    let requests = server.seen("other", "one/x.zarr/c/", from);
    assert_eq!(requests.len(), 10, "{requests:?}");
}

#[test]
fn groups_are_listed() {
    let server = server();
    let session = session("64MiB");
    let path = server.path("plain", "g.zarr");
    for name in ["a", "inner/b"] {
        made(&session, 20, 30).save(path.join(name)).unwrap();
    }
    let names = |path: &str| match zarr::open(path).unwrap() {
        Some(Opened::Group(group)) => group.arrays.iter().map(|array| array.path.clone()).collect::<Vec<_>>(),
        _ => panic!("{path} is no group"),
    };
    assert_eq!(names("s3://plain/g.zarr"), ["a", "inner/b"]);
    assert_eq!(names("s3://plain/g.zarr/inner"), ["b"]);
    assert_eq!(values(&session.open("s3://plain/g.zarr/inner/b")), values(&made(&session, 20, 30)));
    let error = session.open("s3://plain/g.zarr/c").sum(..).eval_any().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    let error = session.open("s3://plain/none.zarr").sum(..).eval_any().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}

#[test]
fn a_chunk_that_is_replaced_is_an_error() {
    let server = server();
    let session = session("64MiB");
    let path = server.path("other", "changing.zarr");
    made(&session, 100, 100).save(format!("{}?chunks=100,10&shards=none&codec=zstd:1", path.display())).unwrap();
    let object = session.open("s3://other/changing.zarr");
    object.sum(..).eval_any().unwrap();
    std::fs::copy(path.join("c/0/1"), path.join("c/0/0")).unwrap();
    let error = object.sum(..).eval_any().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Changed, "{error}");
}

#[test]
fn short_answers_are_errors() {
    let server = server();
    let session = session("64MiB");
    let path = server.path("short", "x.zarr");
    made(&session, 100, 100).save(format!("{}?chunks=100,10&shards=none&codec=none", path.display())).unwrap();
    let error = session.open("s3://short/x.zarr").sum(..).eval_any().unwrap_err();
    assert!(error.kind() == ErrorKind::Io && error.message().contains("s3://short/x.zarr"), "{error}");
}

#[test]
fn arrays_on_web_servers() {
    let server = server();
    let session = session("64MiB");
    let x = made(&session, 300, 300);
    for (name, query) in [("zstd", "chunks=100,100&codec=zstd:3"), ("v2", "chunks=100,100&version=2")] {
        x.save(format!("{}?{query}", server.path("web", &format!("{name}.zarr")).display())).unwrap();
        assert_eq!(values(&session.open(format!("{}/web/{name}.zarr", server.endpoint))), values(&x), "{name}");
    }
}
