//! Zarr arrays and npy files that become objects: whole or not at all, by one writer.

use crate::{
    made::{made, session, values},
    server::{BUCKETS, Fault, server},
};
use outcore::{
    DType, ErrorKind, Save,
    nd::Region,
    store::{self, OutputMode, Target},
};

const LAYOUTS: [(&str, &str); 3] = [
    ("zstd", "chunks=100,128&shards=none&codec=zstd:3"),
    ("sharded", "chunks=50,64&shards=500,640&codec=zstd:1"),
    ("v2", "chunks=100,128&codec=blosc-lz4&version=2"),
];

/// Everything below a folder of the server that is an object.
fn keys(folder: &std::path::Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                found.push(entry.path().strip_prefix(folder).unwrap().display().to_string());
            }
        }
    }
    found.sort();
    found
}

#[test]
fn arrays_are_those_of_folders_byte_for_byte() {
    let server = server();
    let session = session("128MiB");
    let x = made(&session, 1030, 700);
    let folder = tempfile::tempdir().unwrap();
    for (bucket, fault) in BUCKETS {
        if matches!(fault, Fault::Short) || bucket == "dead" || bucket == "slow" {
            continue;
        }
        for (name, query) in LAYOUTS {
            let local = folder.path().join(format!("{bucket}-{name}.zarr"));
            x.save(format!("{}?{query}", local.display())).unwrap();
            x.save(format!("s3://{bucket}/w/{name}.zarr?{query}")).unwrap();
            let there = server.path(bucket, &format!("w/{name}.zarr/zarr.json"));
            let there = there.parent().unwrap();
            assert_eq!(keys(there), keys(&local), "{bucket} {name}");
            for key in keys(&local).iter().filter(|key| !key.ends_with(".json") && !key.contains(".z")) {
                assert_eq!(std::fs::read(there.join(key)).unwrap(), std::fs::read(local.join(key)).unwrap(), "{bucket} {name} {key}");
            }
            assert_eq!(values(&session.open(format!("s3://{bucket}/w/{name}.zarr"))), values(&x), "{bucket} {name}");
        }
        x.save(format!("s3://{bucket}/w/x.npy")).unwrap();
        assert_eq!(values(&session.open(server.path(bucket, "w/x.npy"))), values(&x), "{bucket}");
    }
}

#[test]
fn what_is_there_is_replaced_only_when_that_is_asked_for() {
    let server = server();
    let session = session("64MiB");
    let (large, small) = (made(&session, 300, 300), made(&session, 50, 50));
    for url in ["s3://plain/again.zarr?chunks=50,50&shards=none", "s3://plain/again.npy"] {
        let bare = url.split('?').next().unwrap();
        large.save(url).unwrap();
        let error = small.save(url).unwrap_err();
        assert!(error.kind() == ErrorKind::Output && error.message().contains("exists"), "{error}");
        assert_eq!(values(&session.open(bare)), values(&large));
        session.save_all([(&small, url)], Save::new().overwrite()).unwrap();
        assert_eq!(values(&session.open(bare)), values(&small));
    }
    // Chunks of the larger array are gone.
    assert_eq!(keys(&server.path("plain", "again.zarr")), ["c/0/0", "zarr.json"]);
    small.save("s3://plain/group.zarr/a/b").unwrap();
    let error = session.save_all([(&small, "s3://plain/group.zarr")], Save::new().overwrite()).unwrap_err();
    assert!(error.message().contains("group"), "{error}");
    assert_eq!(values(&session.open("s3://plain/group.zarr/a/b")), values(&small));
    assert!(server.path("plain", "group.zarr/zarr.json").exists() && server.path("plain", "group.zarr/a/zarr.json").exists());
    let error = small.save("s3://plain/again.zarr/inside").unwrap_err();
    assert!(error.message().contains("arrays hold no other ones"), "{error}");
    std::fs::write(server.path("plain", "mine.zarr/notes.txt"), "mine").unwrap();
    let error = small.save("s3://plain/mine.zarr").unwrap_err();
    assert!(error.message().contains("no Zarr array"), "{error}");
    assert_eq!(keys(&server.path("plain", "mine.zarr")), ["notes.txt"]);
}

/// An array of four chunks, begun.
fn begun(url: &str, mode: OutputMode) -> outcore::Result<std::sync::Arc<dyn Target>> {
    store::create(&format!("{url}?chunks=2,2&shards=none&codec=none"), DType::U8, &[4, 4], mode)
}

#[test]
fn an_array_appears_when_it_is_complete() {
    let server = server();
    let url = "s3://plain/unfinished.zarr";
    let target = begun(url, OutputMode::CreateNew).unwrap();
    target.write(&Region::new([0, 0], [2, 4]), &[1; 8]).unwrap();
    target.sync().unwrap();
    assert!(server.path("plain", "unfinished.zarr/c/0/0").exists());
    assert_eq!(store::open(url).map(drop).unwrap_err().kind(), ErrorKind::NotFound);
    // A second writer is refused, and says who the first one is.
    let error = begun(url, OutputMode::CreateNew).map(drop).unwrap_err();
    assert!(error.message().contains(&format!("process {}", std::process::id())), "{error}");
    assert!(target.publish().is_err(), "half of it is missing");
    drop(target);
    assert_eq!(keys(&server.path("plain", "unfinished.zarr")), [""; 0]);
}

#[test]
fn of_two_writers_one_publishes() {
    let server = server();
    let url = "s3://plain/two.zarr";
    let whole = Region::new([0, 0], [4, 4]);
    let first = begun(url, OutputMode::CreateNew).unwrap();
    first.write(&whole, &[1; 16]).unwrap();
    // What a stopped job left is taken over, and the first one is told if it was not stopped.
    let second = begun(url, OutputMode::Overwrite).unwrap();
    second.write(&whole, &[2; 16]).unwrap();
    let error = first.publish().unwrap_err();
    assert!(error.message().contains("taken over"), "{error}");
    drop(first);
    second.publish().unwrap();
    let mut bytes = [0; 16];
    store::open(url).unwrap().read(&whole, &mut bytes).unwrap();
    assert_eq!(bytes, [2; 16]);
    assert!(!server.path("plain", "two.zarr/.outcore-writer").exists());
}

#[test]
fn large_files_go_in_parts() {
    let server = server();
    let session = session("128MiB");
    // 20 MiB in one shard, and as an npy file.
    let x = made(&session, 5120, 1024);
    x.save("s3://other/parts.zarr?chunks=512,1024&shards=5120,1024&codec=none").unwrap();
    x.save("s3://other/parts.npy").unwrap();
    for url in ["s3://other/parts.zarr", "s3://other/parts.npy"] {
        assert_eq!(values(&session.open(url).sum([0])), values(&x.sum([0])), "{url}");
    }
    assert!(server.seen("other", "parts.npy", 0).iter().filter(|line| line.starts_with("PUT")).count() >= 3);
}

#[test]
fn what_cannot_be_written_is_refused_by_name() {
    let server = server();
    let session = session("64MiB");
    let x = made(&session, 10, 10);
    let refused = |path: &str| x.save(path).unwrap_err();
    for path in [&format!("{}/web/x.npy", server.endpoint), "s3://plain/x.bin", "s3://plain/x.safetensors", "s3://plain/x.zarr?append=0"] {
        let error = refused(path);
        assert!(error.kind() == ErrorKind::Usage && error.message().contains(path.split('?').next().unwrap()), "{error}");
    }
    let error = refused("s3://dead/x.npy");
    assert!(error.kind() == ErrorKind::Io && error.message().contains("s3://dead/x.npy"), "{error}");
    let error = refused("s3://dead/x.zarr");
    assert!(error.kind() == ErrorKind::Io && error.message().contains("s3://dead/x.zarr"), "{error}");
}
