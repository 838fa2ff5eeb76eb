//! Zarr stores that fail, are slow or are cut, read by whole jobs: errors that say so, nothing half-written, and the same bits in the end.

use crate::{
    Destination, ErrorKind, Job, RunReport, Save, Session, ZarrOptions,
    error::Result,
    store::{
        self, Source,
        wrap::{Failing, Slow},
    },
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

const SHAPE: [usize; 2] = [64, 48];
/// Layouts of inputs: plain chunks, compressed ones, shards.
const LAYOUTS: [&str; 3] =
    ["codec=none&chunks=16,48&shards=none", "codec=zstd&chunks=16,24&shards=none", "codec=lz4&chunks=8,24&shards=32,48"];

struct Case {
    folder: tempfile::TempDir,
    session: Session,
}

fn files_in(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files_in(&path)) } else { drop(found.insert(path.clone(), fs::read(&path).unwrap())) }
    }
    found
}

impl Case {
    fn new(layout: &str) -> Case {
        let session = Session::builder().memory("4MiB").threads(2).block_bytes(2048).build().unwrap();
        let case = Case { folder: tempfile::tempdir().unwrap(), session };
        let values = ndarray::Array2::from_shape_fn(SHAPE, |(row, column)| (row * 100 + column) as f32 + 0.5);
        case.session.from_ndarray(values).save(case.at(&format!("x.zarr?{layout}"))).unwrap();
        // As if it had been there for long.
        let earlier = SystemTime::now() - Duration::from_secs(9);
        for path in files_in(&case.at("x.zarr")).keys() {
            fs::File::options().write(true).open(path).unwrap().set_modified(earlier).unwrap();
        }
        case
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn source(&self) -> Arc<dyn Source> {
        store::open(self.at("x.zarr").to_str().unwrap()).unwrap()
    }

    /// Columns less their means, from rows to columns, in shards; the input is read twice.
    fn run(&self, source: Arc<dyn Source>, save: Save) -> Result<RunReport> {
        let x = self.session.from_source(source);
        let z = (&x - x.mean(0)).t();
        let layout = ZarrOptions::default().with("chunks", "8,16")?.with("shards", "24,32")?;
        let to = Destination::Path(self.at("g.zarr/z"));
        Job::new(&self.session).save(save.zarr(layout)).output("z", &z, to).run().map(|result| result.report)
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// What was written, and nothing is left of it.
    fn take(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut names: Vec<_> = fs::read_dir(self.at("g.zarr")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["z", "zarr.json"], "nothing lies beside the output");
        let found = files_in(&self.at("g.zarr"));
        fs::remove_dir_all(self.at("g.zarr")).unwrap();
        found
    }
}

/// A source by reference, so that it can be wrapped.
struct Shared(Arc<dyn Source>);

impl Source for Shared {
    fn facts(&self) -> &crate::nd::SourceFacts {
        self.0.facts()
    }
    fn read(&self, region: &crate::nd::Region, out: &mut [u8]) -> Result<()> {
        self.0.read(region, out)
    }
    fn window(&self, elements: std::ops::Range<usize>) -> Result<Option<store::Window>> {
        self.0.window(elements)
    }
    fn prefetch_box(&self, region: &crate::nd::Region) {
        self.0.prefetch_box(region);
    }
    fn verify(&self) -> Result<()> {
        self.0.verify()
    }
}

#[test]
fn every_read_of_a_store_may_fail_and_the_job_goes_on_afterwards() {
    for layout in LAYOUTS {
        let case = Case::new(layout);
        case.run(case.source(), Save::new()).unwrap();
        let expected = case.take();
        let mut failures = 0;
        for nth in 0.. {
            let failing = || Arc::new(Failing::new(Shared(case.source()), nth));
            let Err(error) = case.run(failing(), Save::new()) else {
                assert!(case.take() == expected);
                break;
            };
            assert_eq!(error.kind(), ErrorKind::Io, "operation {nth}: {error}");
            assert_eq!(case.names(), ["x.zarr"], "operation {nth} leaves nothing");
            let Err(error) = case.run(failing(), Save::new().resume()) else { panic!("it was not read {nth} times") };
            assert_eq!(error.kind(), ErrorKind::Io, "operation {nth}: {error}");
            assert!(!case.at("g.zarr/z").exists());
            case.run(case.source(), Save::new().resume()).unwrap();
            assert!(case.take() == expected, "operation {nth} of {layout}");
            failures += 1;
        }
        assert!(failures >= 2, "{failures} operations of {layout}");
    }
}

#[test]
fn slow_stores_give_the_same() {
    let case = Case::new(LAYOUTS[2]);
    case.run(case.source(), Save::new()).unwrap();
    let expected = case.take();
    case.run(Arc::new(Slow::new(Shared(case.source()), Duration::from_millis(3))), Save::new()).unwrap();
    assert!(case.take() == expected);
}

#[test]
fn every_file_of_a_store_may_be_cut_or_something_else() {
    for layout in LAYOUTS {
        let case = Case::new(layout);
        let files = files_in(&case.at("x.zarr"));
        assert!(files.len() >= 3);
        for (path, bytes) in &files {
            let earlier = SystemTime::now() - Duration::from_secs(9);
            let refused = |what: &str| {
                let opened = store::open(case.at("x.zarr").to_str().unwrap());
                let error = opened.and_then(|source| case.run(source, Save::new())).expect_err(what);
                let kinds = [ErrorKind::Data, ErrorKind::Io];
                assert!(kinds.contains(&error.kind()) && !error.message().contains("panic"), "{} {what}: {error}", path.display());
                assert!(error.to_string().contains("x.zarr"), "{error}");
                assert_eq!(case.names(), ["x.zarr"], "{} {what} leaves nothing", path.display());
            };
            for length in [0, bytes.len() / 2, bytes.len() - 1] {
                // The line break at the end of metadata is nobody's.
                if path.ends_with("zarr.json") && length + 1 == bytes.len() {
                    continue;
                }
                fs::write(path, &bytes[..length]).unwrap();
                fs::File::options().write(true).open(path).unwrap().set_modified(earlier).unwrap();
                refused(&format!("cut to {length}"));
            }
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
            refused("as a folder");
            fs::remove_dir(path).unwrap();
            fs::write(path, bytes).unwrap();
            fs::File::options().write(true).open(path).unwrap().set_modified(earlier).unwrap();
        }
    }
}

#[test]
fn a_store_that_is_cut_while_it_is_read_is_an_error() {
    for layout in LAYOUTS {
        let case = Case::new(layout);
        let source = case.source();
        let last = files_in(&case.at("x.zarr")).into_keys().rfind(|path| !path.ends_with("zarr.json")).unwrap();
        fs::File::options().write(true).open(&last).unwrap().set_len(3).unwrap();
        let error = case.run(source, Save::new()).unwrap_err();
        assert!([ErrorKind::Changed, ErrorKind::Data].contains(&error.kind()), "{error}");
        assert_eq!(case.names(), ["x.zarr"]);
    }
}
