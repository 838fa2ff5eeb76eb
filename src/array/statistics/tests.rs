//! Kept states beside full runs, and everything that may have become of the files in between.

use super::{Statistics, StatisticsValues, Update};
use crate::{Array, DType, ErrorKind, Random, Result, Session, axis, where_};
use proptest::prelude::*;
use std::{
    fs::{self, File},
    path::Path,
    time::{Duration, SystemTime},
};

fn session() -> Session {
    Session::builder().memory("64MiB").threads(2).build().unwrap()
}

/// The numbers as bits, since NaN equals nothing.
fn bits(values: &StatisticsValues) -> Vec<Vec<u64>> {
    let floats = [&values.min, &values.max, &values.mean, &values.std, &values.sum, &values.l2];
    let floats = floats.map(|column| column.iter().map(|value| value.to_bits()).collect());
    [&values.count, &values.nan, &values.inf].map(Vec::clone).into_iter().chain(floats).collect()
}

/// Elements of all magnitudes, with NaN and infinities among them in some rows.
fn data(seed: u64, rows: usize, dtype: DType) -> Array {
    let random = Random::new(seed);
    let wide = random.stream(1).normal::<f64>([rows, 3], 0.0, 1.0) * (random.stream(2).normal::<f64>([rows, 3], 0.0, 12.0)).exp();
    if !dtype.is_float() {
        return (random.stream(3).uniform::<f64>([rows, 3], 0.0, 1.0) * 1.0e9).floor().astype(DType::I64);
    }
    let odd = random.stream(4).uniform::<f64>([rows, 3], 0.0, 1.0);
    let with_nan = where_(odd.less(0.1), f64::NAN, &wide);
    where_(odd.greater(0.995), f64::INFINITY, &with_nan).cast_with(dtype, crate::CastMode::Wrap)
}

fn save(session: &Session, array: &Array, path: &Path) {
    session.save_all([(&session.adopt(array.clone()), path)], crate::Save::new().overwrite()).unwrap();
}

/// Puts other bytes into a file where it is, and its time of change apart from any other.
fn rewrite(path: &Path, bytes: &[u8], seconds: u64) {
    fs::write(path, bytes).unwrap();
    File::options().write(true).open(path).unwrap().set_modified(SystemTime::now() + Duration::from_secs(seconds)).unwrap();
}

fn npy_bytes(session: &Session, array: &Array) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    save(session, array, &folder.path().join("x.npy"));
    fs::read(folder.path().join("x.npy")).unwrap()
}

fn rows(array: &Array, from: usize, to: usize) -> Array {
    array.slice_items(vec![crate::SliceItem::Range { start: Some(from as i64), stop: Some(to as i64), step: 1 }])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_parts_in_any_order_give_the_bits_of_a_full_run(
        seed in 0..1000_u64,
        cuts in prop::collection::vec(0..500_usize, 1..5),
        turn in 0..5_usize,
        dtype in prop::sample::select(vec![DType::F32, DType::F64, DType::BF16, DType::I64]),
        whole in any::<bool>(),
    ) {
        let session = session();
        let folder = tempfile::tempdir().unwrap();
        let all = session.adopt(data(seed, 500, dtype));
        let over = || if whole { crate::Axes::all() } else { axis(0) };
        let want = bits(&all.statistics(over()).unwrap());
        let mut ends: Vec<usize> = cuts.into_iter().chain([500]).collect();
        ends.sort_unstable();
        let starts = [0].into_iter().chain(ends.clone());
        let mut paths: Vec<String> = Vec::new();
        for (place, (start, end)) in starts.zip(ends).enumerate() {
            let path = folder.path().join(format!("{place}.npy"));
            save(&session, &rows(&all, start, end), &path);
            // Two bytes have no meaning of their own in an npy file.
            let query = if dtype == DType::BF16 { "?dtype=bf16" } else { "" };
            paths.push(format!("{}{query}", path.display()));
        }
        let turn = turn % paths.len();
        paths.rotate_left(turn);
        // All at once, one after the other by way of a file, and apart and merged.
        let mut once = Statistics::new(&session, over());
        once.update(&paths).unwrap();
        prop_assert_eq!(bits(&once.values().unwrap()), want.clone());
        let kept = folder.path().join("s.ocs");
        let mut apart = Statistics::new(&session, over());
        for count in 1..=paths.len() {
            let mut more = Statistics::open(&session, &kept, over()).unwrap();
            let told = more.update(&paths[..count]).unwrap();
            prop_assert!(told[..count - 1].iter().all(|told| told.rows_read == 0 && told.update == Update::Unchanged));
            more.save(&kept).unwrap();
            let mut one = Statistics::new(&session, over());
            one.update(&paths[count - 1..count]).unwrap();
            apart.merge(&one).unwrap();
        }
        let read = Statistics::open(&session, &kept, over()).unwrap();
        prop_assert_eq!(bits(&read.values().unwrap()), want.clone());
        prop_assert_eq!(bits(&apart.values().unwrap()), want);
        let states = fs::read(&kept).unwrap();
        apart.save(&kept).unwrap();
        prop_assert_eq!(fs::read(&kept).unwrap(), states);
    }

    #[test]
    fn rows_that_are_appended_are_read_alone(seed in 0..1000_u64, steps in prop::collection::vec(1..90_usize, 1..5), raw in any::<bool>()) {
        let session = session();
        let folder = tempfile::tempdir().unwrap();
        let (path, kept) = (folder.path().join(if raw { "x.bin" } else { "x.npy" }), folder.path().join("s.ocs"));
        let opened = if raw { format!("{}?dtype=f64&shape=-1,3", path.display()) } else { path.display().to_string() };
        let all = session.adopt(data(seed, 500, DType::F64));
        let mut length = 0;
        for (place, step) in steps.into_iter().enumerate() {
            length += step;
            let part = rows(&all, 0, length);
            let bytes = npy_bytes(&session, &part);
            rewrite(&path, if raw { &bytes[bytes.len() - length * 24..] } else { &bytes }, place as u64);
            let mut statistics = Statistics::open(&session, &kept, axis(0)).unwrap();
            let told = statistics.update([&opened]).unwrap();
            prop_assert_eq!((told[0].rows_read, told[0].rows), (step as u64, length as u64));
            prop_assert_eq!(&told[0].update, if place == 0 { &Update::New } else { &Update::Appended });
            prop_assert_eq!(bits(&statistics.values().unwrap()), bits(&part.statistics(axis(0)).unwrap()));
            statistics.save(&kept).unwrap();
        }
    }
}

/// States of a file of 40 rows, which then becomes another; what is told, and whether the numbers are those of the new file.
fn after(change: impl FnOnce(&Path, &Session)) -> Update {
    let session = session();
    let folder = tempfile::tempdir().unwrap();
    let (path, kept) = (folder.path().join("x.npy"), folder.path().join("s.ocs"));
    save(&session, &data(1, 40, DType::F32), &path);
    let mut statistics = Statistics::new(&session, ..);
    statistics.update([&path]).unwrap();
    statistics.save(&kept).unwrap();
    change(&path, &session);
    let mut statistics = Statistics::open(&session, &kept, ..).unwrap();
    let told = statistics.update([&path]).unwrap().remove(0);
    let want = session.open(&path).statistics(..).unwrap();
    assert_eq!(bits(&statistics.values().unwrap()), bits(&want));
    match told.update {
        Update::Changed(_) => assert_eq!(told.rows_read, told.rows),
        Update::Unchanged => assert_eq!(told.rows_read, 0),
        _ => {}
    }
    told.update
}

#[test]
fn what_is_not_an_append_is_read_again() {
    let changed = |how: &str| Update::Changed(how.to_string());
    assert_eq!(after(|_, _| {}), Update::Unchanged);
    let other =
        |seed: u64, rows: usize| move |path: &Path, session: &Session| rewrite(path, &npy_bytes(session, &data(seed, rows, DType::F32)), 9);
    assert_eq!(after(other(2, 40)), changed("it was written to and has no more rows"));
    assert_eq!(after(other(1, 39)), changed("it is shorter"));
    assert_eq!(after(other(2, 41)), changed("rows 0 to 40 are not what they were"));
    let replaced = |path: &Path, session: &Session| {
        let beside = path.with_extension("new");
        fs::write(&beside, npy_bytes(session, &data(1, 50, DType::F32))).unwrap();
        fs::rename(&beside, path).unwrap();
    };
    assert_eq!(after(replaced), changed("it was replaced"));
}

#[test]
fn ends_of_large_segments_are_looked_at() {
    let session = session();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npy");
    // Rows of 1.5 MiB: their own ends, too.
    let long = |rows: usize| Random::new(5).normal::<f64>([rows, 196_608], 0.0, 1.0);
    let bytes = npy_bytes(&session, &long(3));
    for (at, seen) in [(0, true), (4 * 196_608 - 1, true), (2 * 196_608, false)] {
        let mut statistics = Statistics::new(&session, ..);
        fs::write(&path, npy_bytes(&session, &long(2))).unwrap();
        statistics.update([&path]).unwrap();
        let mut edited = bytes.clone();
        let header = edited.len() - 3 * 196_608 * 8;
        edited[header + at / 2 * 8] ^= 1;
        rewrite(&path, &edited, 5);
        let update = statistics.update([&path]).unwrap().remove(0).update;
        assert_eq!(matches!(update, Update::Changed(_)), seen, "element {}", at / 2);
    }
}

#[test]
fn files_of_states_are_of_one_kind_of_rows() {
    let session = session();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    save(&session, &data(1, 9, DType::F32), &at("x.npy"));
    save(&session, &data(1, 9, DType::F64), &at("wide.npy"));
    save(&session, &data(1, 9, DType::F32).t(), &at("t.npy"));
    let kept = at("s.ocs");
    let mut columns = Statistics::open(&session, &kept, axis(0)).unwrap();
    assert_eq!(columns.save(&kept).unwrap_err().kind(), ErrorKind::Usage);
    columns.update([at("x.npy")]).unwrap();
    columns.save(&kept).unwrap();
    let kind = |result: Result<Vec<super::InputUpdate>>| result.unwrap_err().kind();
    for name in ["wide.npy", "t.npy"] {
        assert_eq!(kind(columns.update([at(name)])), ErrorKind::Mismatch, "{name}");
    }
    assert_eq!(kind(columns.update([at("x.npy"), at("x.npy")])), ErrorKind::Usage);
    assert_eq!(kind(Statistics::new(&session, axis(1)).update([at("x.npy")])), ErrorKind::Usage);
    assert_eq!(Statistics::open(&session, &kept, ..).unwrap_err().kind(), ErrorKind::Mismatch);
    let mut all = Statistics::new(&session, ..);
    all.update([at("x.npy")]).unwrap();
    assert_eq!(all.merge(&columns).unwrap_err().kind(), ErrorKind::Mismatch);
    // States of what is not asked for stay while it exists.
    save(&session, &data(2, 9, DType::F32), &at("y.npy"));
    columns.update([at("y.npy")]).unwrap();
    assert_eq!((columns.rows(), columns.inputs.len()), (9, 2));
    assert_eq!(columns.update([at("x.npy")]).unwrap()[0].update, Update::Unchanged);
    fs::remove_file(at("y.npy")).unwrap();
    columns.update([at("x.npy")]).unwrap();
    assert_eq!(columns.inputs.len(), 1);
}

#[test]
fn corrupt_files_are_refused() {
    let session = session();
    let folder = tempfile::tempdir().unwrap();
    let (path, kept) = (folder.path().join("x.npy"), folder.path().join("s.ocs"));
    save(&session, &data(1, 9, DType::F32), &path);
    let mut statistics = Statistics::new(&session, ..);
    statistics.update([&path]).unwrap();
    statistics.save(&kept).unwrap();
    let good = fs::read(&kept).unwrap();
    for at in (0..good.len()).step_by(7) {
        let mut bad = good.clone();
        bad[at] ^= 4;
        fs::write(&kept, &bad).unwrap();
        let error = Statistics::open(&session, &kept, ..).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Data, "byte {at}");
        assert!(error.message().contains("s.ocs") && error.hint_text().is_some(), "{error}");
    }
    assert_eq!(Statistics::open(&session, &path, ..).unwrap_err().kind(), ErrorKind::Data);
}

#[test]
fn no_elements_and_one_number_have_statistics() {
    let session = session();
    let folder = tempfile::tempdir().unwrap();
    for (name, array, count) in
        [("e", session.zeros::<f32>([0, 3]), 0), ("n", session.zeros::<i64>([3, 0]), 0), ("s", session.full([], 2.0), 1)]
    {
        let path = folder.path().join(format!("{name}.npy"));
        save(&session, &array, &path);
        let mut statistics = Statistics::new(&session, ..);
        statistics.update([&path]).unwrap();
        let values = statistics.values().unwrap();
        assert_eq!((values.count[0], values.sum[0].to_bits()), (count, (2.0 * count as f64).to_bits()), "{name}");
        assert_eq!(bits(&values), bits(&array.statistics(..).unwrap()), "{name}");
        assert_eq!(values.min[0].is_nan(), count == 0);
    }
}
