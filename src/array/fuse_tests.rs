//! Products inside the passes that use them: the bits of one pass after the other, and one read.

use super::{
    linalg_tests::{numbers, session},
    *,
};
use crate::{IoMode, SliceItem};
use ndarray::{Array2, Ix2};
use std::path::Path;

fn sessions() -> Vec<Session> {
    vec![
        session(2, 0, "256MiB", IoMode::Auto),
        session(1, 512, "64MiB", IoMode::Auto),
        session(3, 20_000, "64MiB", IoMode::Read),
        session(2, 0, "12MiB", IoMode::Mmap),
        session(2, 1, "16MiB", IoMode::Auto),
    ]
}

/// The result of an array, as one that lies in memory.
fn held(array: &Array) -> Array {
    let session = Session::builder().memory("1GiB").threads(1).build().unwrap();
    let value = session.eval_all([array]).unwrap().remove(0);
    crate::dispatch!(value.dtype(), T => session.from_ndarray(value.into_ndarray::<T, ndarray::IxDyn>().unwrap()))
}

fn bytes(session: &Session, array: &Array) -> Vec<u8> {
    session.eval_all([array]).unwrap().remove(0).bytes().to_vec()
}

fn saved(folder: &Path, name: &str, data: &Array2<f32>) -> std::path::PathBuf {
    let path = folder.join(name);
    Session::default_session().from_ndarray(data.clone()).save(&path).unwrap();
    path
}

/// Everything that leaves a network of two layers: results, the loss and gradients. `stop` is applied between its steps.
fn network(x: &Array, y: &Array, weights: [&Array; 4], stop: &dyn Fn(Array) -> Array) -> Vec<Array> {
    let [w1, b1, w2, b2] = weights;
    let z1 = stop(x.matmul(w1));
    let a1 = stop((z1 + b1).tanh());
    let z2 = stop(a1.matmul(w2));
    let a2 = stop((z2 + b2).sigmoid());
    let dz2 = stop(&a2 - y);
    let back = stop(dz2.matmul(&w2.t()));
    let dz1 = stop(back * (1.0 - a1.square()));
    let loss = dz2.square().sum(..);
    vec![a1.t().matmul(&dz2), dz2.sum(0), x.t().matmul(&dz1), dz1.sum(0), loss]
}

#[test]
fn an_epoch_of_a_network_reads_its_samples_once() {
    // Layers of different and of equal lengths, more rows than a group.
    for (rows, features, hidden, outputs) in [(9_000, 7, 5, 3), (9_000, 4, 4, 4), (5_000, 2, 4, 1), (700, 1, 1, 1), (6_000, 3, 5, 3)] {
        let folder = tempfile::tempdir().unwrap();
        let [data, labels] = [features, outputs].map(|columns| numbers(rows, columns, columns as u64));
        let [path, labels_path] = [saved(folder.path(), "x.npy", &data), saved(folder.path(), "y.npy", &labels)];
        let weights = [(features, hidden), (1, hidden), (hidden, outputs), (1, outputs)].map(|(rows, columns)| numbers(rows, columns, 9));
        let inside = |ses: &Session| weights.each_ref().map(|weight| ses.from_ndarray(weight.clone()));
        let one = &sessions()[0];
        let [w1, b1, w2, b2] = inside(one);
        let steps = network(&one.open(&path), &one.open(&labels_path), [&w1, &b1, &w2, &b2], &|array| held(&array));
        let want: Vec<Vec<u8>> = steps.iter().map(|array| bytes(one, array)).collect();
        for (at, ses) in sessions().into_iter().enumerate() {
            let [w1, b1, w2, b2] = inside(&ses);
            let all = network(&ses.open(&path), &ses.open(&labels_path), [&w1, &b1, &w2, &b2], &|array| array);
            let job = all
                .iter()
                .enumerate()
                .fold(Job::new(&ses), |job, (place, array)| job.output(place.to_string(), array, Destination::Memory));
            let (plan, done) = (job.plan().unwrap(), job.run().unwrap());
            for (place, (got, want)) in done.arrays.iter().zip(&want).enumerate() {
                assert_eq!(got.as_ref().unwrap().bytes(), want, "result {place} of session {at}: {}", plan.show());
            }
            let files = done.report.stats.passes.iter().filter(|(name, _)| name.ends_with(".npy"));
            let times: Vec<usize> = files.map(|(_, times)| *times).collect();
            assert_eq!((plan.stages.len(), times), (1, vec![1; 2]), "{}", plan.show());
            assert!(done.report.stats.bytes_peak_held <= ses.limits().memory_bytes);
        }
    }
}

#[test]
fn forward_passes_stream_rows_or_columns() {
    let folder = tempfile::tempdir().unwrap();
    let (data, first, second) = (numbers(3_000, 70, 1), numbers(70, 40, 2), numbers(40, 9, 3));
    let [rows, columns] =
        [saved(folder.path(), "x.npy", &data), saved(folder.path(), "t.npy", &data.t().as_standard_layout().into_owned())];
    let one = &sessions()[0];
    let [w1, w2] = [&first, &second].map(|weights| one.from_ndarray(weights.clone()));
    let hidden = held(&held(&one.open(&rows).matmul(&w1)).tanh());
    let want = held(&held(&hidden.matmul(&w2)).sigmoid());
    let want_bytes = bytes(one, &want);
    let turned = bytes(one, &want.t());
    for (at, ses) in sessions().into_iter().enumerate() {
        let [w1, w2] = [&first, &second].map(|weights| ses.from_ndarray(weights.clone()));
        let forward = ses.open(&rows).matmul(&w1).tanh().matmul(&w2).sigmoid();
        let plan = Job::new(&ses).output("y", &forward, Destination::Memory).plan().unwrap();
        assert_eq!((plan.stages.len(), plan.stages[0].reads.len()), (1, 3), "{}", plan.show());
        assert!(crate::report::explain(&plan).contains("multiplied inside the pass that uses it: 70 inner places"));
        assert_eq!(bytes(&ses, &forward), want_bytes, "{}", plan.show());
        let to = folder.path().join(format!("y{at}.npy"));
        forward.save(&to).unwrap();
        assert_eq!(bytes(&ses, &ses.open(&to)), want_bytes);
        // Samples as columns.
        let forward = w2.t().matmul(&w1.t().matmul(&ses.open(&columns)).tanh()).sigmoid();
        assert_eq!(bytes(&ses, &forward), turned);
    }
}

#[test]
fn what_follows_a_product_may_be_anything() {
    let (data, weights, other) = (numbers(1_300, 30, 1), numbers(30, 12, 2), numbers(12, 12, 3));
    let build = |ses: &Session, stop: &dyn Fn(Array) -> Array| {
        let [x, w, v] = [&data, &weights, &other].map(|data| ses.from_ndarray(data.clone()));
        let z = stop(x.matmul(&w));
        let softmax = {
            let raised = stop((&z - z.max(1).insert_axis(1)).exp());
            let sums = stop(raised.sum(1));
            stop(raised / sums.insert_axis(1))
        };
        let positive = stop(z.maximum(0.0));
        let centred = stop(&z - stop(z.mean(0)));
        vec![
            softmax.clone(),
            z.argmax(1),
            z.argmax(0),
            positive.gram(),
            softmax.t().matmul(&z),
            z.matmul(&v).matmul(&v),
            stop(z.matmul(&v)) + &z,
            centred.square().mean(0),
            z.cumsum(1),
            stop(z.t()).matmul(&x) + 1.0,
            z.slice_items(vec![SliceItem::Range { start: Some(3), stop: Some(900), step: 2 }]).exp(),
            z.cast::<f64>().matmul(&stop(v.cast::<f64>())).sum(..),
            z.reshape([-1, 4]).sum(1),
            z.compress(&z.greater(0.25)),
        ]
    };
    let one = &sessions()[0];
    let want: Vec<Vec<u8>> = build(one, &|array| held(&array)).iter().map(|array| bytes(one, array)).collect();
    for ses in sessions() {
        let all = build(&ses, &|array| array);
        for (place, (array, want)) in all.iter().zip(&want).enumerate() {
            let plan = Job::new(&ses).output("y", array, Destination::Memory).plan().unwrap();
            assert_eq!(&bytes(&ses, array), want, "{place}: {}", plan.show());
        }
        let together = ses.eval_all(all.iter()).unwrap();
        assert!(together.iter().zip(&want).all(|(got, want)| got.bytes() == want));
    }
}

#[test]
fn narrow_dtypes_are_cast_where_they_are_multiplied() {
    let ses = &sessions()[0];
    let bytes = ses.from_ndarray(Array2::from_shape_fn((500, 6), |(row, column)| ((row * 7 + column * 3) % 5) as i8 - 2));
    let plan = Job::new(ses).output("y", &bytes.matmul(&bytes.t()), Destination::Memory).plan().unwrap();
    assert_eq!(plan.stages.len(), 1, "{}", plan.show());
    let wide = bytes.cast::<i64>();
    assert_eq!(bytes.matmul(&bytes.t()).cast::<i64>().eval::<i64, Ix2>().unwrap(), wide.matmul(&wide.t()).eval::<i64, Ix2>().unwrap());
}

#[test]
fn what_is_used_twice_is_made_once_where_that_is_less() {
    let folder = tempfile::tempdir().unwrap();
    let path = saved(folder.path(), "x.npy", &numbers(4_000, 64, 1));
    let ses = &sessions()[0];
    // Two passes over the rows would read 128 columns, the results are 2.
    let z = ses.open(&path).matmul(&ses.from_ndarray(numbers(64, 2, 2)));
    let standardised = (&z - z.mean(0)) / z.std(0);
    let plan = Job::new(ses).output("y", &standardised, Destination::Memory).plan().unwrap();
    let reads = plan.stages.iter().filter(|stage| {
        stage
            .reads
            .iter()
            .any(|read| matches!(read.from, crate::plan::ReadFrom::Source(id) if plan.sources[id.0 as usize].name.ends_with("x.npy")))
    });
    assert_eq!(reads.count(), 1, "{}", plan.show());
    let steps = held(&z);
    let want = held(&((&steps - steps.mean(0)) / steps.std(0)));
    assert_eq!(bytes(ses, &standardised), bytes(ses, &want));
}

#[test]
fn outputs_whose_sums_memory_does_not_hold_come_in_panels() {
    let folder = tempfile::tempdir().unwrap();
    let path = saved(folder.path(), "x.npy", &numbers(20_000, 250, 5));
    let roomy = &sessions()[0];
    let asked = |ses: &Session| ses.open(&path).gram() * 2.0;
    let want = bytes(roomy, &asked(roomy));
    for threads in [1, 2] {
        let ses = Session::builder().memory("12MiB").threads(threads).io(IoMode::Read).build().unwrap();
        let job = Job::new(&ses).output("y", &asked(&ses), Destination::Memory);
        let (plan, text) = (job.plan().unwrap(), job.explain().unwrap());
        assert!(text.contains("2 panels along axis"), "{text}");
        assert!(plan.bytes_peak <= ses.limits().memory_bytes && plan.stages.len() <= 6, "{text}");
        assert_eq!(bytes(&ses, &asked(&ses)), want);
        // The same job, whatever holds it.
        assert_eq!(plan.job_id, Job::new(roomy).output("y", &asked(roomy), Destination::Memory).plan().unwrap().job_id);
    }
}
