//! Tests of journals: what is read back of whole, cut and damaged ones.

use super::*;
use crate::{
    nd::DType,
    store::{Hold, Journaled, OutputMode, PageCache, Target, journal_path, leftover, raw},
};
use std::sync::Arc;

fn header(shape: &[usize]) -> Header {
    let output = |name: &str| HeaderOutput { name: name.into(), dtype: DType::U16, shape: shape.to_vec(), device: 1, inode: 2 };
    Header { numerics: 1, job: "job".into(), outputs: vec![output("y"), output("z")], ..Header::default() }
}

fn found(path: &Path) -> Found {
    match read(path).unwrap() {
        Reading::Found(found) => *found,
        other => panic!("{other:?}"),
    }
}

/// A journal with boxes of two outputs and two small results.
fn example(path: &Path) {
    let journal = Journal::new(path.to_path_buf(), header(&[10, 4]), 0);
    journal.finish(0, &[Region::new([0, 0], [3, 4]), Region::new([7, 0], [2, 4])]);
    journal.keep_temp("mean", &[1, 2, 3]);
    journal.finish(1, &[Region::new([0, 0], [5, 4])]);
    journal.keep_temp("std", &[4; 2]);
    journal.stay();
}

#[test]
fn a_journal_says_what_it_was_told_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    assert!(matches!(read(&path).unwrap(), Reading::Absent));
    let empty = Journal::new(path.clone(), header(&[10, 4]), 0);
    empty.finish(0, &[]);
    assert!(!path.exists() && !empty.is_begun() && empty.percent().is_none(), "nothing to say, nothing written");
    example(&path);
    let there = found(&path);
    assert_eq!((there.bytes(0), there.bytes(1), there.percent()), ((40, 80), (40, 80), 50));
    let journal = Journal::go_on(path.clone(), there).unwrap();
    let mut bytes = [0; 3];
    journal.temp("mean", &mut bytes).unwrap();
    assert_eq!(bytes, [1, 2, 3]);
    assert!(journal.has_temp("std", 2) && !journal.has_temp("std", 3) && !journal.has_temp("max", 2));
    assert!(journal.temp("max", &mut bytes).is_err());
    journal.finish(0, &[Region::new([2, 0], [5, 4])]);
    journal.pause();
    journal.finish(1, &[Region::new([5, 0], [5, 4])]);
    assert_eq!(found(&path).bytes(0), (72, 80), "overlaps count once");
    assert_eq!(found(&path).bytes(1), (40, 80), "a paused journal says no more");
    journal.publish();
    assert!(found(&path).is_publishing && journal.percent() == Some(100));
    drop(journal);
    assert!(!path.exists(), "a journal ends with its job");
}

#[test]
fn results_are_kept_once_and_only_if_they_are_small() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let journal = Journal::new(path.clone(), header(&[1, 1]), 100);
    assert!(journal.is_worth(100) && !journal.is_worth(99));
    journal.keep_temp("large", &vec![0; TEMP_BYTES_MAX + 1]);
    journal.keep_temp("first", &vec![1; TEMP_BYTES_MAX - 10]);
    let length = std::fs::metadata(&path).unwrap().len();
    journal.keep_temp("first", &[1; 5]);
    journal.keep_temp("second", &[2; 11]);
    assert_eq!(std::fs::metadata(&path).unwrap().len(), length);
    assert!(!journal.has_temp("large", TEMP_BYTES_MAX + 1) && !journal.has_temp("second", 11));
    let mut bytes = vec![0; TEMP_BYTES_MAX - 10];
    journal.temp("first", &mut bytes).unwrap();
    assert!(bytes.iter().all(|&byte| byte == 1));
}

/// What a damaged journal says is nothing, or a part of what the whole one said.
fn says_no_more(path: &Path, whole: &Found) {
    let Reading::Found(part) = read(path).unwrap() else { return };
    assert_eq!(part.header, whole.header);
    assert!(!part.is_publishing && part.end <= whole.end);
    for (part, whole) in part.finished.iter().zip(&whole.finished) {
        assert!(part.boxes().iter().all(|region| whole.has(region)));
    }
    assert!(part.temps.iter().all(|(key, place)| whole.temps[key].offset == place.offset && whole.temps[key].length == place.length));
}

#[test]
fn damage_never_adds_anything() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    example(&path);
    let (bytes, whole) = (std::fs::read(&path).unwrap(), found(&path));
    assert_eq!(whole.end, bytes.len() as u64);
    for length in 0..bytes.len() {
        std::fs::write(&path, &bytes[..length]).unwrap();
        says_no_more(&path, &whole);
    }
    for place in 0..bytes.len() {
        for flip in [1, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[place] ^= flip;
            std::fs::write(&path, &damaged).unwrap();
            says_no_more(&path, &whole);
        }
    }
    // A tail of nothing, as a power cut leaves it.
    let mut longer = bytes.clone();
    longer.resize(bytes.len() + 4096, 0);
    std::fs::write(&path, &longer).unwrap();
    assert_eq!(found(&path).end, whole.end);
    let journal = Journal::go_on(path.clone(), found(&path)).unwrap();
    journal.finish(0, &[Region::new([9, 0], [1, 4])]);
    assert_eq!(found(&path).bytes(0).0, 48, "what is appended after a cut tail is read");
}

#[test]
fn boxes_outside_of_an_output_are_damage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    for (index, region) in [(0, Region::new([9, 0], [2, 4])), (2, Region::new([0, 0], [1, 1])), (0, Region::run(0, 1))] {
        let journal = Journal::new(path.clone(), header(&[10, 4]), 0);
        journal.finish(index, &[region, Region::new([0, 0], [1, 4])]);
        assert_eq!(found(&path).percent(), 0);
    }
}

#[test]
fn a_journal_that_cannot_be_written_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::new(folder.path().join("none").join("journal"), header(&[10, 4]), 0);
    journal.finish(0, &[Region::new([0, 0], [1, 4])]);
    journal.keep_temp("mean", &[1]);
    journal.publish();
    assert!(!journal.is_begun() && !journal.has_temp("mean", 1));
}

#[test]
fn boxes_are_written_down_when_they_are_settled_and_left_alone_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("z.bin");
    let start = |kept: Option<Found>| {
        let inner: Arc<dyn Target> = match &kept {
            None => Arc::new(raw::create(&path, DType::U8, &[4, 2], OutputMode::CreateNew).unwrap()),
            Some(_) => Arc::new(raw::reopen(&path, DType::U8, &[4, 2], OutputMode::CreateNew, Hold::Alone).unwrap().unwrap()),
        };
        let part = inner.part().unwrap();
        let output = HeaderOutput { name: "z".into(), dtype: DType::U8, shape: vec![4, 2], device: part.device, inode: part.inode };
        let header = Header { outputs: vec![output], ..Header::default() };
        let there = kept.as_ref().map_or_else(Coverage::default, |found| found.finished[0].clone());
        let place = journal_path(&part.path);
        let journal = Arc::new(match kept {
            None => Journal::new(place, header, 0),
            Some(found) => Journal::go_on(place, found).unwrap(),
        });
        (Journaled::new(inner, journal.clone(), 0, there).unwrap(), journal)
    };
    let row = |row: usize| Region::new([row, 0], [1, 2]);
    let (first, journal) = start(None);
    first.write(&row(0), &[1, 1]).unwrap();
    first.write(&row(2), &[3, 3]).unwrap();
    assert!(!journal.is_begun() && !first.is_finished(&row(0)));
    first.settle(PageCache::Keep).unwrap();
    first.write(&row(3), &[4, 4]).unwrap();
    assert_eq!(journal.percent(), Some(50), "what is not settled is not finished");
    assert!(first.publish().is_err(), "an array with holes is not published");
    first.keep();
    journal.stay();
    drop((first, journal));
    assert_eq!(leftover(&path).unwrap().unwrap().percent, 50);
    assert!(raw::create(&path, DType::U8, &[4, 2], OutputMode::CreateNew).unwrap_err().message().starts_with("50 % of "));

    let (second, journal) = start(Some(found(&journal_path(&folder.path().join(".z.bin.part")))));
    assert!(second.is_finished(&row(2)) && !second.is_finished(&row(3)) && !second.is_finished(&Region::new([0, 0], [2, 2])));
    second.write(&row(0), &[9, 9]).unwrap();
    second.write(&Region::new([1, 0], [2, 2]), &[2, 2, 3, 3]).unwrap();
    assert!(second.publish().is_err(), "a box that is written again does not make up for a hole");
    second.write(&row(3), &[4, 4]).unwrap();
    second.sync().unwrap();
    second.publish().unwrap();
    drop((second, journal));
    assert_eq!(std::fs::read(&path).unwrap(), [1, 1, 2, 2, 3, 3, 4, 4]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside the output");
}
