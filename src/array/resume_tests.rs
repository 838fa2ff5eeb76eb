//! Jobs that are stopped and continued: every byte is that of a job that was not.

use super::*;
use crate::{Array, Destination, Job, JobResult, MapSpec, Session, SumMode, array::graph::build, array::graph::unbound};
use std::{
    fs,
    sync::atomic::{AtomicUsize, Ordering},
};

const ROWS: usize = 60_000;
const COLUMNS: usize = 24;

struct Case {
    folder: tempfile::TempDir,
}

/// How a job runs.
#[derive(Clone, Copy)]
struct Limits {
    memory: &'static str,
    threads: usize,
    block_bytes: u64,
}

const SMALL: Limits = Limits { memory: "2MiB", threads: 1, block_bytes: 4096 };
const OTHERS: [Limits; 3] = [
    Limits { memory: "16MiB", threads: 3, block_bytes: 7000 },
    Limits { memory: "3MiB", threads: 2, block_bytes: 1000 },
    Limits { memory: "256MiB", threads: 2, block_bytes: 1 << 20 },
];

impl Limits {
    fn session(self) -> Session {
        Session::builder().memory(self.memory).threads(self.threads).block_bytes(self.block_bytes).build().unwrap()
    }
}

impl Case {
    fn new() -> Case {
        let case = Case { folder: tempfile::tempdir().unwrap() };
        case.write_input(17);
        case
    }

    fn write_input(&self, seed: u64) {
        let x = crate::Random::new(seed).normal::<f32>([ROWS, COLUMNS], 3.0, 2.0);
        SMALL.session().save_all([(&x, self.at("x.npy"))], Save::new().overwrite()).unwrap();
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn bytes(&self, names: &[&str]) -> Vec<Vec<u8>> {
        names.iter().map(|name| fs::read(self.at(name)).unwrap()).collect()
    }

    fn remove(&self, names: &[&str]) {
        names.iter().for_each(|name| fs::remove_file(self.at(name)).unwrap());
    }

    /// Standardised rows, their means along columns, and a large array without a reduction. The block function fails at call `last`.
    fn job(&self, limits: Limits, save: Save, calls: &Arc<AtomicUsize>, last: usize) -> Job {
        let session = limits.session();
        let calls = calls.clone();
        let x = session.open(self.at("x.npy").to_str().unwrap());
        let y = x.map_blocks::<f32, f32>(MapSpec::named("double/1"), move |block, mut out| {
            if calls.fetch_add(block.len(), Ordering::Relaxed) >= last {
                return Err("stopped".into());
            }
            out.zip_mut_with(&block, |to, from| *to = from * 2.0);
            Ok(())
        });
        let mean = y.mean(0);
        let z = (&y - &mean) / x.std(0);
        let to = |name: &str| Destination::Path(self.at(name));
        Job::new(&session).save(save).output("z", &z, to("z.npy")).output("m", &mean, to("m.bin")).output("w", &(&y + 1.0), to("w.npy"))
    }

    fn run(&self, limits: Limits, save: Save, last: usize) -> (Result<JobResult>, usize) {
        let calls = Arc::new(AtomicUsize::new(0));
        let outcome = self.job(limits, save, &calls, last).run();
        (outcome, calls.load(Ordering::Relaxed))
    }

    /// Stops a job that keeps what is finished.
    fn stopped(&self, last: usize) {
        let (outcome, _) = self.run(SMALL, Save::new().resume(), last);
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Closure, "{error}");
    }
}

const OUTPUTS: [&str; 3] = ["z.npy", "m.bin", "w.npy"];
const ALL: usize = ROWS * COLUMNS;

#[test]
fn a_stopped_job_goes_on_wherever_it_was_stopped_and_within_other_limits() {
    let case = Case::new();
    let (outcome, all) = case.run(SMALL, Save::new(), usize::MAX);
    outcome.unwrap();
    let expected = case.bytes(&OUTPUTS);
    case.remove(&OUTPUTS);
    let mut kept = Vec::new();
    for (round, last) in (0..all).step_by(all / 13).take(13).enumerate() {
        case.stopped(last);
        let limits = OTHERS[round % OTHERS.len()];
        // Stopped once more, by somebody else.
        if round % 2 == 1 {
            let (outcome, _) = case.run(OTHERS[(round + 1) % OTHERS.len()], Save::new().resume(), ALL / 7);
            assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Closure);
        }
        let (outcome, calls) = case.run(limits, Save::new().resume(), usize::MAX);
        let report = outcome.unwrap().report;
        assert!(case.bytes(&OUTPUTS) == expected, "stopped after {last} elements of {all}");
        assert_eq!(case.names(), ["m.bin", "w.npy", "x.npy", "z.npy"], "nothing is left beside the outputs");
        let bytes: u64 = report.kept.iter().map(|kept| kept.bytes).sum();
        assert!(calls <= all && report.kept.iter().all(|kept| kept.bytes <= kept.bytes_total));
        kept.push((bytes, calls));
        case.remove(&OUTPUTS);
    }
    assert_eq!(kept[0].0, 0, "what was stopped at once has nothing to keep");
    let (most, fewest) = (kept.iter().map(|(bytes, _)| *bytes).max().unwrap(), kept.iter().map(|(_, calls)| *calls).min().unwrap());
    assert!(most > (ALL * 4) as u64, "{kept:?}: most of two outputs was kept");
    assert!(fewest < all / 2, "{kept:?}: what is there is not computed again");
}

#[test]
fn cancelled_jobs_keep_what_is_finished_only_on_request() {
    let case = Case::new();
    let cancelled = |save: Save| {
        let session = SMALL.session();
        let (calls, stop) = (AtomicUsize::new(0), session.clone());
        let y = session.open(case.at("x.npy").to_str().unwrap()).map_blocks::<f32, f32>(MapSpec::named("copy/1"), move |block, mut out| {
            out.assign(&block);
            if calls.fetch_add(block.len(), Ordering::Relaxed) > ALL / 2 {
                stop.cancel();
            }
            Ok(())
        });
        session.save_all([(&y, case.at("y.npy"))], save).unwrap_err()
    };
    let error = cancelled(Save::new());
    assert_eq!((error.kind(), error.hint_text(), case.names()), (ErrorKind::Cancelled, None, vec!["x.npy".to_string()]));
    let error = cancelled(Save::new().resume());
    assert!(error.hint_text().unwrap().ends_with("% is kept; `--resume` goes on with it"), "{error}");
    assert_eq!(case.names(), [".y.npy.part", ".y.npy.part.journal", "x.npy"]);
    // Overwriting takes it away at once, whatever happens afterwards.
    cancelled(Save::new().overwrite());
    assert_eq!(case.names(), ["x.npy"]);
}

#[test]
fn what_is_left_is_refused_by_others() {
    let case = Case::new();
    case.stopped(ALL * 3 / 2);
    let left = case.names();
    let error = case.run(SMALL, Save::new(), usize::MAX).0.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Output);
    assert!(error.message().contains(" % of ") && error.message().contains("left by a job that was stopped"), "{error}");
    assert_eq!(error.hint_text(), Some("`--resume` goes on with it, `--overwrite` starts anew"));
    // Other statements under the same names.
    let session = SMALL.session();
    let x = session.open(case.at("x.npy").to_str().unwrap());
    let other = |save: Save| session.save_all([(&(&x + 1.0), case.at("z.npy"))], save);
    assert!(other(Save::new().resume()).unwrap_err().message().ends_with("was left by another job"));
    assert!(other(Save::new()).unwrap_err().message().contains("% of"));
    // By hand, from another output's side.
    assert_eq!(case.names(), left, "refusing changes nothing");
    other(Save::new().resume().overwrite()).unwrap();
    assert!(!case.names().contains(&".z.npy.part.journal".to_string()));
}

#[test]
fn an_input_that_changed_is_refused_by_name() {
    let case = Case::new();
    case.stopped(ALL * 3 / 2);
    let left = case.names();
    case.write_input(18);
    let error = case.run(SMALL, Save::new().resume(), usize::MAX).0.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Changed);
    assert!(error.message().contains("x.npy changed: what is there of "), "{error}");
    assert_eq!((error.hint_text(), case.names()), (Some("`--overwrite` starts anew"), left));
    case.run(SMALL, Save::new().overwrite(), usize::MAX).0.unwrap();
    let fresh = case.bytes(&OUTPUTS);
    case.run(SMALL, Save::new().resume().overwrite(), usize::MAX).0.unwrap();
    assert!(fresh == case.bytes(&OUTPUTS));
}

#[test]
fn a_damaged_journal_never_shows_in_an_output() {
    let case = Case::new();
    case.run(SMALL, Save::new(), usize::MAX).0.unwrap();
    let expected = case.bytes(&OUTPUTS);
    case.remove(&OUTPUTS);
    let journal = case.at(".z.npy.part.journal");
    let (mut anew, mut went_on) = (0, 0);
    for round in 0..40 {
        case.stopped(ALL * 3 / 2);
        let mut damaged = fs::read(&journal).unwrap();
        let place = round * damaged.len() / 40;
        damaged[place] ^= 1 << (round % 8);
        fs::write(&journal, &damaged).unwrap();
        let report = case.run(OTHERS[round % 3], Save::new().resume(), usize::MAX).0.unwrap().report;
        assert!(case.bytes(&OUTPUTS) == expected, "byte {place}");
        if report.kept.iter().all(|kept| kept.bytes == 0) {
            anew += 1
        } else {
            went_on += 1
        }
        case.remove(&OUTPUTS);
    }
    assert!(anew > 0 && went_on > 0, "{anew} began anew, {went_on} went on");
}

#[test]
fn a_journal_of_other_parts_says_nothing() {
    let case = Case::new();
    case.run(SMALL, Save::new(), usize::MAX).0.unwrap();
    let expected = case.bytes(&OUTPUTS);
    case.remove(&OUTPUTS);
    case.stopped(ALL * 3 / 2);
    // Somebody put zeros in the place of a part.
    let part = case.at(".w.npy.part");
    let length = fs::metadata(&part).unwrap().len();
    let zeros = case.at("zeros");
    fs::write(&zeros, vec![0; length as usize]).unwrap();
    fs::rename(&zeros, &part).unwrap();
    let report = case.run(SMALL, Save::new().resume(), usize::MAX).0.unwrap().report;
    assert!(report.kept.iter().all(|kept| kept.bytes == 0));
    assert!(case.bytes(&OUTPUTS) == expected);
}

/// The targets of the case's job, written in full, as they are before they are published.
fn complete(case: &Case, expected: &[Vec<u8>]) -> Targets {
    let job = case.job(SMALL, Save::new().resume(), &Arc::default(), usize::MAX);
    let (targets, _) = job.prepared().unwrap();
    for (index, bytes) in expected.iter().enumerate() {
        let target = targets.get(index).unwrap();
        let region = crate::nd::Region::whole(target.shape());
        let data = region.count() * target.dtype().size();
        target.write(&region, &bytes[bytes.len() - data..]).unwrap();
        target.sync().unwrap();
    }
    targets
}

#[test]
fn outputs_that_were_being_published_are_all_published_in_the_end() {
    let case = Case::new();
    case.run(SMALL, Save::new(), usize::MAX).0.unwrap();
    let expected = case.bytes(&OUTPUTS);
    case.remove(&OUTPUTS);
    for published in 0..=OUTPUTS.len() {
        let targets = complete(&case, &expected);
        let journal = targets.journal().unwrap();
        journal.publish();
        targets.targets.iter().flatten().rev().take(published).for_each(|target| target.publish().unwrap());
        targets.targets.iter().flatten().for_each(|target| target.keep());
        journal.stay();
        drop((targets, journal));
        let there = OUTPUTS.iter().filter(|name| case.at(name).exists()).count();
        assert_eq!(there, published);
        assert_eq!(case.run(SMALL, Save::new(), usize::MAX).0.unwrap_err().kind(), ErrorKind::Output);
        let (outcome, calls) = case.run(OTHERS[0], Save::new().resume(), usize::MAX);
        let report = outcome.unwrap().report;
        assert!(report.kept.iter().all(|kept| kept.bytes == kept.bytes_total), "{:?}", report.kept);
        assert!(calls <= ALL, "only the mean is computed again");
        assert!(case.bytes(&OUTPUTS) == expected, "{published} were published");
        assert_eq!(case.names(), ["m.bin", "w.npy", "x.npy", "z.npy"]);
        case.remove(&OUTPUTS);
    }
}

#[test]
fn a_published_output_that_is_another_file_now_is_not_taken_for_it() {
    let case = Case::new();
    case.run(SMALL, Save::new(), usize::MAX).0.unwrap();
    let expected = case.bytes(&OUTPUTS);
    case.remove(&OUTPUTS);
    let targets = complete(&case, &expected);
    let journal = targets.journal().unwrap();
    journal.publish();
    targets.get(2).unwrap().publish().unwrap();
    targets.targets.iter().flatten().for_each(|target| target.keep());
    journal.stay();
    drop((targets, journal));
    fs::write(case.at("mine"), "mine").unwrap();
    fs::rename(case.at("mine"), case.at("w.npy")).unwrap();
    let error = case.run(SMALL, Save::new().resume(), usize::MAX).0.unwrap_err();
    assert!(error.message().ends_with("w.npy exists"), "{error}");
    assert_eq!(fs::read(case.at("w.npy")).unwrap(), b"mine");
}

#[test]
fn a_full_disk_says_what_is_needed_and_keeps_what_is_finished() {
    let case = Case::new();
    case.run(SMALL, Save::new(), usize::MAX).0.unwrap();
    let expected = case.bytes(&OUTPUTS);
    case.remove(&OUTPUTS);
    let job = case.job(SMALL, Save::new().resume(), &Arc::default(), usize::MAX);
    let (targets, _) = job.prepared().unwrap();
    let half = crate::nd::Region::new([0, 0], [ROWS / 2, COLUMNS]);
    let data = half.count() * 4;
    targets.get(0).unwrap().write(&half, &expected[0][expected[0].len() - 2 * data..][..data]).unwrap();
    let error = targets.stop(Error::output("no space left").with_needed_bytes(7));
    assert_eq!((error.kind(), error.needed_bytes()), (ErrorKind::Output, Some(7)));
    assert!(error.hint_text().unwrap().contains("24 % is kept"), "{error}");
    let report = case.run(OTHERS[1], Save::new().resume(), usize::MAX).0.unwrap().report;
    assert_eq!(report.kept[0].bytes, data as u64);
    assert!(case.bytes(&OUTPUTS) == expected);
}

#[test]
fn errors_that_will_come_again_leave_nothing() {
    let case = Case::new();
    let session = SMALL.session();
    let x = session.open(case.at("x.npy").to_str().unwrap());
    let to = Destination::Path(case.at("z.npy"));
    let job = Job::new(&session).save(Save::new().resume()).output("z", &(&x * 2.0), to).assert("small", &x.less(1.0));
    assert_eq!(job.run().unwrap_err().kind(), ErrorKind::Assert);
    assert_eq!(case.names(), ["x.npy"]);
}

#[test]
fn sums_that_depend_on_blocks_are_continued_in_the_same_blocks_only() {
    let case = Case::new();
    let job = |limits: Limits, last: usize| {
        let session = Session::builder()
            .memory(limits.memory)
            .threads(limits.threads)
            .block_bytes(limits.block_bytes)
            .sum(SumMode::Naive)
            .build()
            .unwrap();
        let calls = AtomicUsize::new(0);
        let x = session.open(case.at("x.npy").to_str().unwrap());
        let y = x.map_blocks::<f32, f32>(MapSpec::named("copy/1"), move |block, mut out| {
            out.assign(&block);
            if calls.fetch_add(block.len(), Ordering::Relaxed) >= last { Err("stopped".into()) } else { Ok(()) }
        });
        session.save_all([(&(&y - x.sum(0)), case.at("z.npy"))], Save::new().resume())
    };
    job(SMALL, usize::MAX).unwrap();
    let expected = case.bytes(&["z.npy"]);
    case.remove(&["z.npy"]);
    assert!(job(SMALL, ALL / 2).is_err());
    let error = job(OTHERS[2], usize::MAX).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert!(error.message().contains("in other blocks"), "{error}");
    let report = job(SMALL, usize::MAX).unwrap();
    assert!(report.kept[0].bytes > 0 && case.bytes(&["z.npy"]) == expected);
}

#[test]
fn arrays_in_memory_are_told_apart_by_what_they_hold() {
    let session = SMALL.session();
    let of = |array: &Array| crate::array::identity::identity(&build(&[array], &unbound).unwrap(), &[]).unwrap();
    let array = |last: f32| session.from_ndarray(ndarray::array![[1f32, 2.0], [3.0, last]]);
    assert_eq!(of(&(array(4.0) + 1.0)), of(&(array(4.0) + 1.0)));
    assert!(of(&array(4.0)).is_some() && of(&array(4.0)) != of(&array(5.0)) && of(&array(4.0)) != of(&array(4.0).t()));
    assert_ne!(of(&(array(4.0) + 1.0)), of(&(array(4.0) + 2.0)));
    let large = session.from_ndarray(ndarray::Array1::<f64>::zeros(3 << 20));
    assert_eq!(of(&large), None, "what is large is not looked through");
    let to = tempfile::tempdir().unwrap();
    let session = OTHERS[2].session();
    let report = session.save_all([(&(large + 1.0), to.path().join("y.npy"))], Save::new().resume()).unwrap();
    assert_eq!(report.kept[0].bytes, 0);
}
