//! Tests of Zarr targets: the laws of targets, read back by zarrs; the same bytes whatever the order; what is refused.

use super::{groups::standing, *};
use crate::{
    error::ErrorKind,
    nd::{Grid, Region},
    store::{
        Hold, PageCache, Target,
        suite::{self, Naming, TargetCase, part_of},
        zarr::publish::Standing,
    },
};
use std::{collections::BTreeMap, sync::Arc, thread};
use zarrs::{
    array::{Array, ArrayBytes},
    storage::{WritableStorageTraits, store::MemoryStore},
};

const NEW: OutputMode = OutputMode::CreateNew;

/// Every file below a folder.
fn files_in(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().display().to_string(), std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn options(query: &str) -> ZarrOptions {
    ZarrOptions::default().with_query("z.zarr", query).unwrap()
}

fn target(path: &Path, dtype: DType, shape: &[usize], query: &str) -> Result<ZarrTarget> {
    create(path, "z.zarr", dtype, shape, NEW, &options(query))
}

/// What zarrs reads: shape and bytes of the array at `node` of the store in `folder`.
fn read(folder: &Path, node: &str) -> Option<(Vec<usize>, Vec<u8>)> {
    let store = MemoryStore::new();
    for (name, bytes) in files_in(folder) {
        store.set(&name.as_str().try_into().unwrap(), bytes.into()).unwrap();
    }
    let array = Array::open(Arc::new(store), node).ok()?;
    let bytes: ArrayBytes<'static> = array.retrieve_array_subset(&array.subset_all()).unwrap_or_else(|error| panic!("{error}"));
    let shape = array.shape().iter().map(|&length| length as usize).collect();
    Some((shape, bytes.into_fixed().unwrap().into_owned()))
}

/// Bytes of an array with a stretch of zeros in it.
fn content(count: usize, item: usize) -> Vec<u8> {
    let byte = |place: usize| if item == 1 { (place / 3 % 2) as u8 } else { (place * 31 + place / 251) as u8 };
    (0..count * item).map(|place| if (count / 4..count / 2).contains(&(place / item)) { 0 } else { byte(place) }).collect()
}

fn write_all(target: &ZarrTarget, whole: &[u8], order: impl Iterator<Item = usize>, tile: &[usize]) {
    let grid = Grid::new(target.shape().to_vec(), tile.to_vec());
    for index in order {
        let region = grid.region(index);
        target.write(&region, &part_of(whole, target.shape(), &region, target.dtype().size())).unwrap();
    }
}

#[test]
fn zarr_targets_keep_the_laws_and_are_read_by_zarrs() {
    let shapes: [(&[usize], &str); 5] = [
        (&[], ""),
        (&[0, 3], ""),
        (&[7], "chunks=2&shards=4"),
        (&[4, 1, 5], "chunks=2,1,2&shards=none"),
        (&[9, 10], "chunks=2,3&shards=4,9"),
    ];
    for dtype in DType::ALL {
        for (shape, layout) in shapes {
            for more in ["codec=none", "codec=zstd", "codec=blosc-lz4&version=2&shards=none"] {
                if more.contains("version=2") && dtype == DType::BF16 {
                    continue;
                }
                let kept: Vec<&str> = layout.split('&').filter(|part| !more.contains("version=2") || !part.starts_with("shards")).collect();
                let query = format!("{}&{more}", kept.join("&"));
                let folder = tempfile::tempdir().unwrap();
                let path = folder.path().join("z.zarr");
                suite::check_target(&TargetCase {
                    create: &|| target(&path, dtype, shape, &query),
                    read_back: &|_| {
                        let (found, bytes) = read(&path, "/")?;
                        assert_eq!(found, shape);
                        Some(bytes)
                    },
                    is_clean: &|| std::fs::read_dir(folder.path()).unwrap().next().is_none(),
                    remove: &|| std::fs::remove_dir_all(&path).unwrap(),
                    named: Naming::Named,
                });
            }
        }
    }
}

#[test]
fn every_codec_and_version_reads_back() {
    let shape = [37, 50];
    let whole = content(37 * 50, 4);
    for codec in ["none", "crc32c", "zstd:3", "zstd:-1", "blosc-lz4", "blosc-zstd:9", "gzip:1", "gzip:0"] {
        for layout in ["chunks=8,16&shards=16,32", "chunks=8,16&shards=none", "chunks=8,16&version=2", "chunks=100,100", ""] {
            if codec == "crc32c" && layout.contains("version=2") {
                continue;
            }
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("z.zarr");
            let made = target(&path, DType::F32, &shape, &format!("{layout}&codec={codec}&dims=row,col")).unwrap();
            made.write(&Region::whole(&shape), &whole).unwrap();
            made.sync().unwrap();
            made.publish().unwrap();
            assert_eq!(read(&path, "/").unwrap(), (shape.to_vec(), whole.clone()), "{codec} {layout}");
        }
    }
}

#[test]
fn lz4_chunks_are_those_of_numcodecs() {
    let folder = tempfile::tempdir().unwrap();
    let whole = content(300, 8);
    for (query, sum_bytes) in [("codec=lz4", 4), ("codec=lz4&version=2", 0)] {
        let path = folder.path().join(format!("{sum_bytes}.zarr"));
        let made = target(&path, DType::I64, &[300], query).unwrap();
        made.write(&Region::whole(&[300]), &whole).unwrap();
        made.publish().unwrap();
        let chunk = std::fs::read(path.join(if sum_bytes == 0 { "0" } else { "c/0" })).unwrap();
        let (block, sum) = chunk.split_at(chunk.len() - sum_bytes);
        assert_eq!(lz4_flex::block::decompress_size_prepended(block).unwrap(), whole);
        assert!(sum.is_empty() || sum == crc32c::crc32c(block).to_le_bytes());
    }
}

#[test]
fn files_do_not_depend_on_the_order_of_writes() {
    let shape = [40, 30];
    let whole = content(1200, 4);
    for query in ["codec=zstd", "codec=none", "codec=crc32c", "codec=gzip"] {
        let mut first: Option<BTreeMap<String, Vec<u8>>> = None;
        for (seed, tile) in [(0usize, [4, 5]), (7, [4, 5]), (13, [8, 10]), (11, [4, 30]), (3, [40, 5]), (0, [40, 30])] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("z.zarr");
            let made = target(&path, DType::F32, &shape, &format!("{query}&chunks=4,5&shards=16,20")).unwrap();
            let count = Grid::new(shape.to_vec(), tile.to_vec()).count();
            // Multiplying by what has no factor in common with the count visits every place once.
            let step = if seed == 0 { 1 } else { (seed..).find(|step| greatest_common_divisor(*step, count) == 1).unwrap() };
            write_all(&made, &whole, (0..count).map(|nth| (nth * step + seed) % count), &tile);
            made.sync().unwrap();
            made.publish().unwrap();
            let files = files_in(&path);
            assert!(files.keys().all(|name| !name.ends_with(".late")), "{:?}", files.keys());
            assert_eq!(read(&path, "/").unwrap().1, whole);
            match &first {
                None => first = Some(files),
                Some(first) => assert!(*first == files, "{query}, {tile:?} from {seed}"),
            }
        }
    }
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[test]
fn threads_write_what_one_writes() {
    let shape = [64, 48];
    let whole = content(64 * 48, 8);
    let write = |threads: usize| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("z.zarr");
        let made = target(&path, DType::F64, &shape, "chunks=4,6&shards=16,24").unwrap();
        let count = Grid::new(shape.to_vec(), vec![4, 6]).count();
        thread::scope(|scope| {
            for mine in 0..threads {
                let (made, whole) = (&made, &whole);
                scope.spawn(move || write_all(made, whole, (mine..count).step_by(threads), &[4, 6]));
            }
        });
        made.publish().unwrap();
        files_in(&path)
    };
    let one = write(1);
    assert_eq!(one, write(8));
    assert_eq!(one, write(3));
}

#[test]
fn zeros_take_no_room() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("z.zarr");
    let made = target(&path, DType::F32, &[8, 8], "chunks=2,8&shards=4,8&codec=none").unwrap();
    let mut whole = vec![0; 256];
    whole[250] = 1;
    made.write(&Region::whole(&[8, 8]), &whole).unwrap();
    made.publish().unwrap();
    let files = files_in(&path);
    assert_eq!(files.keys().collect::<Vec<_>>(), ["c/1/0", "zarr.json"]);
    // A chunk's room, a chunk, the index of two with its sum.
    assert_eq!(files["c/1/0"].len(), 64 + 64 + 2 * 16 + 4);
    assert_eq!(read(&path, "/").unwrap().1, whole);
    // Minus zero is not the fill value.
    let path = folder.path().join("minus.zarr");
    let made = target(&path, DType::F32, &[1], "").unwrap();
    made.write(&Region::whole(&[1]), &(-0f32).to_ne_bytes()).unwrap();
    made.publish().unwrap();
    assert_eq!(read(&path, "/").unwrap().1, (-0f32).to_ne_bytes());
}

#[test]
fn boxes_that_cut_chunks_and_second_writes_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    for query in ["chunks=4,5&shards=none", "chunks=4,5&shards=8,10"] {
        let made = target(&folder.path().join("z.zarr"), DType::U8, &[10, 10], query).unwrap();
        let error = made.write(&Region::new([0, 0], [3, 10]), &[1; 30]).unwrap_err();
        assert_eq!((error.kind(), error.message()), (ErrorKind::Internal, "write of [0:3, 0:10] of z.zarr cuts chunks of (4, 5)"));
        made.write(&Region::new([8, 0], [2, 10]), &[1; 20]).unwrap();
        assert!(made.write(&Region::new([8, 5], [2, 5]), &[1; 10]).unwrap_err().message().contains("written twice"));
        assert!(made.sync().is_ok() && made.publish().is_err());
    }
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none());
}

#[test]
fn metadata_is_what_others_expect() {
    let folder = tempfile::tempdir().unwrap();
    let mut asked = options("chunks=2,4&shards=4,4&codec=blosc-zstd:3&dims=row,_");
    asked.attributes.insert("units".to_string(), "K".into());
    let made = create(&folder.path().join("a.zarr"), "a.zarr", DType::I16, &[5, 4], NEW, &asked).unwrap();
    made.write(&Region::whole(&[5, 4]), &[1; 40]).unwrap();
    made.publish().unwrap();
    let text = std::fs::read_to_string(folder.path().join("a.zarr/zarr.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&json["data_type"], &json["fill_value"], &json["attributes"]["units"]), (&"int16".into(), &0.into(), &"K".into()));
    assert_eq!(json["dimension_names"], serde_json::json!(["row", null]));
    assert_eq!(json["chunk_grid"]["configuration"]["chunk_shape"], serde_json::json!([4, 4]));
    let sharding = &json["codecs"][0];
    assert_eq!((&sharding["name"], &sharding["configuration"]["chunk_shape"]), (&"sharding_indexed".into(), &serde_json::json!([2, 4])));
    assert_eq!(sharding["configuration"]["codecs"][1]["configuration"]["typesize"], 2);

    asked = options("version=2&codec=none&dims=row,col");
    let made = create(&folder.path().join("b.zarr"), "b.zarr", DType::Bool, &[5, 4], NEW, &asked).unwrap();
    made.write(&Region::whole(&[5, 4]), &[1; 20]).unwrap();
    made.publish().unwrap();
    let read = |name: &str| std::fs::read_to_string(folder.path().join("b.zarr").join(name)).unwrap();
    let json: serde_json::Value = serde_json::from_str(&read(".zarray")).unwrap();
    assert_eq!(
        (&json["dtype"], &json["fill_value"], &json["compressor"]),
        (&"|b1".into(), &serde_json::Value::Null, &serde_json::Value::Null)
    );
    let json: serde_json::Value = serde_json::from_str(&read(".zattrs")).unwrap();
    assert_eq!(json["_ARRAY_DIMENSIONS"], serde_json::json!(["row", "col"]));
}

#[test]
fn groups_are_made_kept_and_given_up() {
    let place = tempfile::tempdir().unwrap();
    let names = || files_in(place.path()).into_keys().collect::<Vec<_>>();
    let start = |name: &str, query: &str| target(&place.path().join(name), DType::U8, &[3], query);
    let first = start("s.zarr/g/a", "").unwrap();
    let second = start("s.zarr/g/b", "").unwrap();
    assert_eq!(names(), ["s.zarr/g/.a.lock", "s.zarr/g/.b.lock", "s.zarr/g/zarr.json", "s.zarr/zarr.json"]);
    drop(first);
    drop(second);
    assert!(std::fs::read_dir(place.path()).unwrap().next().is_none(), "groups of nothing go");
    for name in ["s.zarr/g/a", "s.zarr/b"] {
        let made = start(name, "").unwrap();
        made.write(&Region::whole(&[3]), &[1, 2, 3]).unwrap();
        made.publish().unwrap();
    }
    drop(start("s.zarr/g/c", "").unwrap());
    assert_eq!(
        names(),
        ["s.zarr/b/c/0", "s.zarr/b/zarr.json", "s.zarr/g/a/c/0", "s.zarr/g/a/zarr.json", "s.zarr/g/zarr.json", "s.zarr/zarr.json"]
    );
    assert_eq!(read(&place.path().join("s.zarr"), "/g/a").unwrap().1, [1, 2, 3]);
    let refusal = |made: Result<ZarrTarget>| made.unwrap_err().to_string();
    assert!(refusal(start("s.zarr/b/inner", "")).contains("arrays hold no other ones"));
    assert!(refusal(start("s.zarr/c", "version=2")).contains("its store is one of version 3"));
    let over = create(&place.path().join("s.zarr/g"), "s.zarr/g", DType::U8, &[3], OutputMode::Overwrite, &options(""));
    assert!(refusal(over).contains("it is a group"));
    assert!(refusal(target(&place.path().join("v.zarr"), DType::BF16, &[3], "version=2")).contains("no bf16"));
    assert!(refusal(target(&place.path().join("none/v.zarr"), DType::U8, &[3], "")).contains("does not exist"));
}

#[test]
fn a_stopped_array_is_gone_on_with() {
    let shape = [24, 20];
    let whole = content(480, 4);
    for (query, checkpoint_at, stop_at) in [
        ("codec=zstd&shards=8,10", 9, 13),
        ("codec=zstd&shards=8,10", 1, 23),
        ("codec=zstd&shards=8,10", 21, 22),
        ("codec=none&shards=8,10", 11, 11),
        ("codec=gzip&shards=none", 5, 9),
    ] {
        let query = format!("{query}&chunks=4,5");
        let grid = Grid::new(shape.to_vec(), vec![4, 5]);
        let order: Vec<usize> = (0..grid.count()).map(|nth| (nth * 7 + 3) % grid.count()).collect();
        let place = tempfile::tempdir().unwrap();
        let (path, once) = (place.path().join("z.zarr"), place.path().join("once.zarr"));
        let plain = target(&once, DType::F32, &shape, &query).unwrap();
        write_all(&plain, &whole, 0..grid.count(), &[4, 5]);
        plain.publish().unwrap();
        drop(plain);
        let reopened = || reopen(&path, "z.zarr", DType::F32, &shape, NEW, &options(&query), Hold::Alone).unwrap();
        assert!(reopened().is_none());
        let first = target(&path, DType::F32, &shape, &query).unwrap();
        write_all(&first, &whole, order[..checkpoint_at].iter().copied(), &[4, 5]);
        first.checkpoint(PageCache::Keep).unwrap();
        write_all(&first, &whole, order[checkpoint_at..stop_at].iter().copied(), &[4, 5]);
        first.keep();
        drop(first);
        // A process that is killed once a shard is noted as complete leaves what its chunks waited in.
        let complete: Vec<Vec<usize>> = checkpoint::read(&place.path().join(".z.zarr.part"))
            .into_iter()
            .filter(|(_, state)| state.is_none())
            .map(|(at, _)| at)
            .collect();
        assert_eq!(complete.is_empty(), checkpoint_at < 21 || query.contains("none"), "{query}");
        for at in complete {
            std::fs::write(place.path().join(format!(".z.zarr.part/c/{}/{}.late", at[0], at[1])), "waited").unwrap();
        }
        // Half a note, as a power cut leaves it.
        let notes = place.path().join(".z.zarr.part").join(checkpoint::NOTES);
        let torn = std::fs::read_to_string(&notes).unwrap() + "00000000 {\"place\":";
        std::fs::write(&notes, torn).unwrap();
        let second = reopened().unwrap();
        // The caller's record is older than the notes by one box.
        let known = checkpoint_at - 1;
        let there: Vec<Region> = order[..known].iter().map(|&nth| grid.region(nth)).collect();
        second.adopt(&there).unwrap();
        write_all(&second, &whole, order[known..].iter().rev().copied(), &[4, 5]);
        second.sync().unwrap();
        second.publish().unwrap();
        assert_eq!(files_in(&path), files_in(&once), "{query} {checkpoint_at} {stop_at}");
        drop(second);
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 2);
    }
}

/// Writes `rows` of `whole` to `path`, as `query` says.
fn write_rows(path: &Path, whole: &[u8], rows: std::ops::Range<usize>, columns: usize, query: &str) -> Result<()> {
    let made = target(path, DType::I32, &[rows.len(), columns], query)?;
    made.write(&Region::whole(made.shape()), &whole[rows.start * columns * 4..rows.end * columns * 4])?;
    made.sync()?;
    made.publish()
}

#[test]
fn rows_are_appended_and_regions_replaced() {
    for layout in [
        "chunks=2,3&shards=4,6",
        "chunks=4,3&shards=none&codec=lz4",
        "chunks=4,3&version=2&codec=blosc-zstd",
        "chunks=2,3&shards=4,3&codec=crc32c",
    ] {
        let place = tempfile::tempdir().unwrap();
        let (grown, once) = (place.path().join("grown.zarr"), place.path().join("once.zarr"));
        let mut whole = content(22 * 5, 4);
        write_rows(&once, &whole, 0..22, 5, layout).unwrap();
        write_rows(&grown, &whole, 0..8, 5, layout).unwrap();
        write_rows(&grown, &whole, 8..16, 5, "append=0").unwrap();
        write_rows(&grown, &whole, 16..16, 5, "append=0").unwrap();
        write_rows(&grown, &whole, 16..22, 5, "append=0").unwrap();
        let elements =
            |path: &Path| files_in(path).into_iter().filter(|(name, _)| !name.starts_with('.') && name != "zarr.json").collect::<Vec<_>>();
        assert_eq!(elements(&grown), elements(&once), "{layout}");
        assert!(std::fs::read_dir(place.path()).unwrap().count() == 2, "nothing is left beside");
        // Zeros over what was there, and a part at the end.
        whole[4 * 5 * 4..8 * 5 * 4].fill(0);
        whole[20 * 5 * 4..].fill(7);
        write_rows(&grown, &whole, 4..8, 5, "region=4:8,:").unwrap();
        write_rows(&grown, &whole, 20..22, 5, "region=20:,0:5").unwrap();
        if !layout.contains("lz4") {
            assert_eq!(read(&grown, "/").unwrap(), (vec![22, 5], whole.clone()), "{layout}");
        }
        let refusal = |rows: std::ops::Range<usize>, columns: usize, query: &str| {
            write_rows(&grown, &whole, rows, columns, query).unwrap_err().to_string()
        };
        assert!(refusal(0..2, 5, "append=0").contains("22 on axis 0 cuts a"), "{layout}");
        assert!(refusal(0..4, 4, "append=0").contains("cannot append (4, 4) to z.zarr, which has shape (22, 5)"));
        assert!(refusal(0..4, 5, "region=2:6,:").contains("2 on axis 0 cuts a"));
        assert!(refusal(0..3, 5, "region=4:7,:").contains("7 on axis 0 cuts a"));
        assert!(refusal(0..4, 5, "region=4:6,:").contains("the region of z.zarr has shape (2, 5), the values have (4, 5)"));
        assert!(refusal(0..4, 5, "region=20:24,:").contains("leaves z.zarr"));
        assert!(refusal(0..4, 5, "region=0:4").contains("1 ranges"));
        assert!(refusal(0..4, 5, "append=0&codec=none").contains("are what they are"));
        let floats = target(&grown, DType::F32, &[4, 5], "append=0").unwrap_err();
        assert_eq!(floats.kind(), ErrorKind::Mismatch);
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 2);
    }
}

#[test]
fn only_arrays_that_this_program_writes_are_written_into() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("z.zarr");
    let refusal = || target(&path, DType::I32, &[4, 5], "append=0").unwrap_err().to_string();
    assert!(refusal().contains("cannot write into"));
    write_rows(&path, &content(20, 4), 0..4, 5, "chunks=4,5").unwrap();
    let text = std::fs::read_to_string(path.join("zarr.json")).unwrap();
    for (from, to) in
        [("\"fill_value\": 0", "\"fill_value\": 1"), ("\"separator\": \"/\"", "\"separator\": \".\""), ("\"zstd\"", "\"bz2\""), ("{", "[")]
    {
        assert!(text.contains(from));
        std::fs::write(path.join("zarr.json"), text.replace(from, to)).unwrap();
        let said = refusal();
        assert!(
            said.contains("is not what this program writes") || said.contains("no Zarr array is there") || said.contains("not JSON"),
            "{said}"
        );
    }
    std::fs::write(path.join("zarr.json"), text).unwrap();
    let held = target(&path, DType::I32, &[4, 5], "append=0").unwrap();
    assert!(refusal().contains("is being written by another job"));
    drop(held);
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1);
}

#[test]
fn an_error_of_any_operation_leaves_nothing() {
    use crate::store::wrap::Failing;
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("s.zarr/a");
    let run = |nth: u64| -> (Result<()>, u64) {
        let target = Failing::new(target(&path, DType::F32, &[4, 2], "chunks=1,2&shards=2,2").unwrap(), nth);
        let outcome = (0..4).try_for_each(|row| target.write(&Region::new([row, 0], [1, 2]), &[1; 8]));
        let outcome = outcome.and_then(|()| target.settle(PageCache::Drop)).and_then(|()| target.sync()).and_then(|()| target.publish());
        (outcome, target.operations())
    };
    for nth in 0..7 {
        assert_eq!(run(nth).0.unwrap_err().kind(), ErrorKind::Io, "operation {nth}");
        assert!(std::fs::read_dir(place.path()).unwrap().next().is_none(), "operation {nth}");
    }
    assert!(run(7).0.is_ok());
}

/// Copies of metadata in a group, as zarr-python writes them.
fn consolidate(group: &Path, version: u8) {
    let mut copies = serde_json::Map::new();
    for (name, bytes) in files_in(group) {
        let is_metadata = name.ends_with("zarr.json") || name.rsplit('/').next().is_some_and(|name| name.starts_with(".z"));
        if is_metadata && name != "zarr.json" {
            let key = if version == 3 { name.trim_end_matches("/zarr.json") } else { &name };
            copies.insert(key.to_string(), serde_json::from_slice(&bytes).unwrap());
        }
    }
    let (file, json) = if version == 3 {
        let mut json: serde_json::Value = serde_json::from_slice(&std::fs::read(group.join("zarr.json")).unwrap()).unwrap();
        json["consolidated_metadata"] = serde_json::json!({"kind": "inline", "must_understand": false, "metadata": copies});
        ("zarr.json", json)
    } else {
        (".zmetadata", serde_json::json!({"zarr_consolidated_format": 1, "metadata": copies}))
    };
    std::fs::write(group.join(file), json.to_string()).unwrap();
}

#[test]
fn consolidated_metadata_follow_what_is_written() {
    for version in [2, 3] {
        let place = tempfile::tempdir().unwrap();
        let group = place.path().join("s.zarr");
        let layout = format!("version={version}&chunks=2&shards=none");
        let write = |name: &str, mode: OutputMode, query: &str, count: usize| {
            let made = create(&group.join(name), name, DType::U8, &[count], mode, &options(query))?;
            made.write(&Region::whole(&[count]), &vec![7; count])?;
            made.publish()
        };
        let copies = || -> BTreeMap<String, serde_json::Value> {
            let file = if version == 3 { "zarr.json" } else { ".zmetadata" };
            let mut json: serde_json::Value = serde_json::from_slice(&std::fs::read(group.join(file)).unwrap()).unwrap();
            let copies = if version == 3 { json["consolidated_metadata"]["metadata"].take() } else { json["metadata"].take() };
            serde_json::from_value(copies).unwrap()
        };
        // What the copies are of.
        let agree = || {
            let copies = copies();
            for (key, copy) in &copies {
                let path = if version == 3 { format!("{key}/zarr.json") } else { key.clone() };
                let said: serde_json::Value = serde_json::from_slice(&std::fs::read(group.join(&path)).unwrap()).unwrap();
                assert_eq!(said, *copy, "{key}");
            }
            copies
                .keys()
                .map(|key| key.trim_end_matches("/.zarray").to_string())
                .filter(|key| !key.contains("/.z") && !key.starts_with('.'))
                .collect::<Vec<_>>()
        };
        write("a", NEW, &layout, 4).unwrap();
        consolidate(&group, version);
        assert_eq!(agree(), ["a"]);
        write("b", NEW, &layout, 4).unwrap();
        write("g/c", NEW, &layout, 4).unwrap();
        let groups: &[&str] = if version == 3 { &["a", "b", "g", "g/c"] } else { &["a", "b", "g/c"] };
        assert_eq!(agree(), groups);
        write("b", NEW, "append=0", 2).unwrap();
        write("a", NEW, "region=0:2", 2).unwrap();
        write("a", OutputMode::Overwrite, &layout, 9).unwrap();
        assert_eq!(agree(), groups);
        let shape = |name: &str| {
            let key = if version == 3 { name.to_string() } else { format!("{name}/.zarray") };
            copies()[&key]["shape"].clone()
        };
        assert_eq!((shape("a"), shape("b")), (serde_json::json!([9]), serde_json::json!([6])));
        // One that is given up changes nothing.
        drop(create(&group.join("d"), "d", DType::U8, &[4], NEW, &options(&layout)).unwrap());
        assert_eq!(agree(), groups);
    }
}

#[test]
fn words_that_json_does_not_have_stay_in_foreign_groups() {
    let place = tempfile::tempdir().unwrap();
    let group = place.path().join("s.zarr");
    let foreign = r#"{"zarr_format": 3, "node_type": "group", "attributes": {"no data": NaN, "says": "NaN", "range": [-Infinity, Infinity]},
        "consolidated_metadata": {"kind": "inline", "must_understand": false, "metadata": {}}}"#;
    std::fs::create_dir(&group).unwrap();
    std::fs::write(group.join("zarr.json"), foreign).unwrap();
    let write = |name: &str| {
        let made = target(&group.join(name), DType::U8, &[3], "").unwrap();
        made.write(&Region::whole(&[3]), &[1, 2, 3]).unwrap();
        made.publish().unwrap();
    };
    write("a");
    let text = || std::fs::read_to_string(group.join("zarr.json")).unwrap().replace([' ', '\n'], "");
    assert!(text().contains(r#"{"nodata":NaN,"says":"NaN","range":[-Infinity,Infinity]}"#), "{}", text());
    assert!(text().contains(r#""metadata":{"a":{"#), "{}", text());
    // Attributes go along to other groups, those of the other version too.
    let (other, back) = (place.path().join("t.zarr"), place.path().join("u.zarr"));
    let _kept =
        [(&other, "version=2"), (&back, "version=3")].map(|(store, query)| target(&store.join("b"), DType::U8, &[3], query).unwrap());
    copy_group_attributes(&group, &other).unwrap();
    copy_group_attributes(&other, &back).unwrap();
    for file in [other.join(".zattrs"), back.join("zarr.json")] {
        let text = std::fs::read_to_string(file).unwrap();
        assert!(text.contains(r#""no data": NaN"#) && text.contains(r#""says": "NaN""#), "{text}");
    }
    // An array whose attributes have such words is an array.
    let array = std::fs::read_to_string(group.join("a/zarr.json")).unwrap();
    std::fs::write(group.join("a/zarr.json"), array.replacen('{', r#"{"attributes": {"x": NaN}, "#, 1)).unwrap();
    assert_eq!(standing(&group.join("a")), Standing::Replaceable);
    std::fs::write(group.join("zarr.json"), "no json at all").unwrap();
    assert!(copy_group_attributes(&group, &back).unwrap_err().to_string().contains("is not a JSON object"));
}

#[test]
fn what_a_full_disk_needs_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let made = target(&folder.path().join("z.zarr"), DType::F32, &[8, 8], "chunks=2,8&shards=none").unwrap();
    let full = super::shard::failed("write", Path::new("c/0"), std::io::Error::from_raw_os_error(libc::ENOSPC));
    let error = made.with_room(full);
    assert_eq!(
        (error.kind(), error.needed_bytes(), error.hint_text()),
        (ErrorKind::Output, Some(256), Some("z.zarr takes up to 256 bytes"))
    );
    let huge = target(&folder.path().join("h.zarr"), DType::F32, &[1 << 55], "codec=none").unwrap_err();
    assert_eq!((huge.kind(), huge.needed_bytes()), (ErrorKind::Output, Some(1 << 57)));
    drop(made);
    assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none());
}
